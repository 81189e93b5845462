//! Rotates the signing key: a new one signs from now on, and the previous ones still verify until they are retired.

use super::overlay::{Overlay, Question};
use super::pane::Pane;
use super::{App, Effect};
use crate::auth::keys::{MOST_PREVIOUS, SigningKeys};
use crate::auth::{KeyError, Signer, Verifier};
use crate::config::ConfigError;
use crate::endpoint::origin;
use crate::text::{self, words};

impl App {
    /// Whether the console signs with this key.
    pub fn signs(&self, key: &Verifier) -> bool {
        self.auth.signer.as_ref().is_some_and(|signer| signer.verifier().is(key))
    }

    /// The `iss` by which others accept the console's tokens: the expected one, or that of the discovery document which
    /// a running server publishes with a public key.
    pub(super) fn published_issuer(&self) -> Option<String> {
        let has_public_key = self.auth.signer.as_ref().is_some_and(|signer| signer.verifier().components().is_some());
        let served = self.server.serving.as_ref().filter(|_| has_public_key).map(|serving| origin(&serving.uri));
        self.auth.rules.issuer().map(ToString::to_string).or(served)
    }

    /// Handles a generated key.
    pub(super) fn key_generated(&mut self, generated: Result<Box<Signer>, KeyError>) -> Vec<Effect> {
        match generated {
            Ok(signer) => vec![rotate("a new key (until exit)", (*signer).into())],
            Err(error) => {
                self.complain(format!("no key was generated, the current one stays in use: {error}"));
                Vec::new()
            }
        }
    }

    /// Handles the key that was read from the signing key's file after a change.
    pub(super) fn signing_key_read(&mut self, read: Result<Box<SigningKeys>, ConfigError>) -> Vec<Effect> {
        match read {
            Ok(keys) if self.auth.signs_with(&keys) => Vec::new(),
            Ok(keys) => vec![rotate("the key in the changed file", *keys)],
            Err(error) => {
                self.complain(format!("the current signing key stays in use: {error}"));
                Vec::new()
            }
        }
    }

    /// Reports that another key signs.
    pub(super) fn rotated(&mut self, what: &str, dropped: Option<&Verifier>) -> Vec<Effect> {
        let key = self.auth.signer.as_ref().map_or_else(String::new, |signer| short(signer.verifier()));
        let rest = match self.auth.previous.len() {
            0 => String::new(),
            1 => "; the previous key still verifies".to_owned(),
            n => format!("; {} still verify", words::count(n, "previous key")),
        };
        let dropped = dropped.map_or_else(String::new, |key| {
            format!("; dropped the oldest, {}: at most {MOST_PREVIOUS} keys of a file are kept", short(key))
        });
        self.say(format!("now signing with {what}: {key}{rest}{dropped}"));
        Vec::new()
    }

    /// Asks whether to retire a previous key: the one under the cursor of the Keys pane, or else the oldest.
    pub(super) fn ask_to_retire(&mut self) {
        let here = self.retirable_key().filter(|_| self.focus.pane == Pane::Keys);
        match here.or_else(|| self.auth.previous.iter().next_back().cloned()) {
            Some(key) => self.overlays.push(Overlay::Confirm(Question::RetireKey(key))),
            None => self.complain("there is no previous key: only the key that signs verifies your tokens"),
        }
    }

    pub(super) fn retire(&mut self, key: Verifier) -> Vec<Effect> {
        self.say(format!("retired {}; its tokens no longer verify here", short(&key)));
        vec![Effect::RetireKey(key)]
    }
}

fn rotate(what: &'static str, keys: SigningKeys) -> Effect {
    Effect::RotateTo { keys: Box::new(keys), what }
}

/// Returns the key in a few words: its algorithm and the beginning of its `kid`. Safe to show.
fn short(key: &Verifier) -> String {
    let name = key.kid().map_or_else(String::new, |kid| format!(", kid {}", text::head(&text::name(kid, 64), 8)));
    format!("{}{name}", key.kind())
}

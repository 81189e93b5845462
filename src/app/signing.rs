//! Rotates the signing key: a new one signs from now on, and the earlier ones still verify until they are retired.

use super::overlay::{Overlay, Question};
use super::{App, Effect};
use crate::auth::{KeyError, Signer, Verifier};
use crate::config::ConfigError;
use crate::endpoint::origin;
use crate::text::{self, words};

impl App {
    /// The earlier keys of the console, which verify its tokens and no longer sign.
    pub fn earlier_keys(&self) -> Vec<&Verifier> {
        let signs = |key: &&Verifier| self.auth.signer.as_ref().is_some_and(|signer| signer.verifier().is(key));
        self.auth.rules.issuers.own().keys.iter().filter(|key| !signs(key)).collect()
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
            Ok(signer) => self.rotate_to("a new key", signer),
            Err(error) => {
                self.complain(format!("no key was generated, the current one stays in use: {error}"));
                Vec::new()
            }
        }
    }

    /// Handles the key that was read from the signing key's file after a change.
    pub(super) fn signing_key_read(&mut self, read: Result<Box<Signer>, ConfigError>) -> Vec<Effect> {
        match read {
            Ok(signer) if self.auth.signer.as_ref().is_some_and(|own| own.is_equivalent(&signer)) => Vec::new(),
            Ok(signer) => self.rotate_to("the key in the changed file", signer),
            Err(error) => {
                self.complain(format!("the current signing key stays in use: {error}"));
                Vec::new()
            }
        }
    }

    fn rotate_to(&mut self, what: &str, signer: Box<Signer>) -> Vec<Effect> {
        let earlier = self.auth.rules.issuers.own().keys.iter().filter(|key| !signer.is_verified_by(key)).count();
        let rest = match earlier {
            0 => String::new(),
            1 => "; the earlier key verifies until it is retired".to_owned(),
            n => format!("; the {} verify until they are retired", words::count(n, "earlier key")),
        };
        let kid = signer
            .verifier()
            .kid()
            .map_or_else(String::new, |kid| format!(", kid {}", text::head(&text::name(kid, 64), 8)));
        self.say(format!("{what} signs now: {}{kid}{rest}", signer.algorithm()));
        vec![Effect::RotateTo(signer)]
    }

    /// Asks whether to retire the oldest of the earlier keys.
    pub(super) fn ask_to_retire(&mut self) {
        match self.earlier_keys().last().map(|key| (*key).clone()) {
            Some(key) => self.overlays.push(Overlay::Confirm(Question::RetireKey(key))),
            None => self.complain("there is no earlier key: only the key that signs verifies your tokens"),
        }
    }

    pub(super) fn retire(&mut self, key: Verifier) -> Vec<Effect> {
        self.say(format!("retired: {}", key.describe()));
        vec![Effect::RetireKey(key)]
    }
}

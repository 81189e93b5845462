//! The state of an issuer's keys that come from a URL, a file or a paste, for display.

use std::path::PathBuf;
use std::sync::Arc;

use crate::auth::keys::jwk::{self, RefusedKey};
use crate::auth::{NumericDate, Verifier};
use crate::text::Span;

/// The state of the keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeyStatus {
    /// The issuer's name; `None` for our own issuer if it accepts any `iss`.
    pub issuer: Option<Arc<str>>,
    /// The source of the keys: a URL, an issuer or a file. Safe to show.
    pub source: Arc<str>,
    /// The same, for reading them again.
    pub from: KeysFrom,
    /// The keys that were read last, even if they are too old to be used.
    pub keys: Arc<[Verifier]>,
    /// The keys of the same set that cannot be used.
    pub refused: Arc<[RefusedKey]>,
    /// How many keys were ignored because the set is too large.
    pub ignored: usize,
    /// When the keys were read; `None` before the first success.
    pub read_at: Option<NumericDate>,
    /// When they are read again; `None` while they are being read, and for a file, which is watched instead.
    pub next: Option<NumericDate>,
    /// The earliest time at which a request for newer keys is followed; `None` if that is at once.
    pub earliest: Option<NumericDate>,
    /// Whether they are being read.
    pub is_reading: bool,
    /// How often they have been read or could not be read.
    pub attempts: u64,
    /// Why they could not be read, since the last success. Safe to show.
    pub error: Option<Arc<str>>,
    /// Whether the keys are used: they have been read, and are not too old.
    pub is_usable: bool,
    /// When they become stale unless they are fetched again; `None` if they never do.
    pub usable_until: Option<NumericDate>,
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeysFrom {
    /// They were pasted and do not change.
    #[default]
    Paste,
    /// The JWK set at this URL.
    Jwks(Arc<str>),
    /// The metadata below the issuer's URL.
    Discovery,
    /// This file.
    File(PathBuf),
    /// Shared secrets in these files, which were read at the start.
    Secrets(Arc<[PathBuf]>),
}

impl KeysFrom {
    /// Whether the keys can be read again.
    pub const fn is_followed(&self) -> bool {
        !matches!(self, Self::Paste | Self::Secrets(_))
    }
}

/// The state of an issuer's keys in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// They do not change: a secret, or pasted keys.
    Fixed,
    /// They are used, and the last attempt to read them succeeded.
    Fresh,
    /// They are being read.
    Reading,
    /// They are used, but the last attempt to read newer ones failed.
    Failed,
    /// They were read once, but are too old to be used.
    TooOld,
    /// They have never been read.
    Missing,
}

impl KeyState {
    /// The state in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Fresh => "fresh",
            Self::Reading => "fetching",
            Self::Failed => "failed",
            Self::TooOld => "stale",
            Self::Missing => "no keys",
        }
    }
}

impl KeyStatus {
    /// The age of the keys.
    pub fn age(&self, now: NumericDate) -> Option<Span> {
        self.read_at.map(|at| now.since(at))
    }

    /// The state in one word.
    pub const fn state(&self) -> KeyState {
        match (&self.error, self.read_at) {
            _ if !self.from.is_followed() => KeyState::Fixed,
            _ if self.is_reading => KeyState::Reading,
            (None, None) => KeyState::Reading,
            (None, Some(_)) => KeyState::Fresh,
            (Some(_), Some(_)) if self.is_usable => KeyState::Failed,
            (Some(_), Some(_)) => KeyState::TooOld,
            (Some(_), None) => KeyState::Missing,
        }
    }

    /// How many of its keys are not among `before`, and how many of those are not among its keys.
    pub fn changes_since(&self, before: &[Verifier]) -> (usize, usize) {
        let missing = |from: &[Verifier], of: &[Verifier]| {
            of.iter().filter(|key| from.iter().all(|other| !key.is_same(other))).count()
        };
        (missing(before, &self.keys), missing(&self.keys, before))
    }

    /// The keys that cannot be used although they should be.
    pub fn faults(&self) -> usize {
        self.refused.iter().filter(|key| key.is_fault()).count()
    }

    /// The keys that cannot be used, by their reason.
    pub fn refusals(&self) -> Vec<Vec<&RefusedKey>> {
        let same = |first: &RefusedKey| self.refused.iter().filter(|key| key.why == first.why).collect();
        jwk::by_reason(&*self.refused).into_iter().map(|(first, _)| same(first)).collect()
    }
}

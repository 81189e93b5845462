//! The state of an issuer's keys that come from a URL or a file, for display.

use std::sync::Arc;

use crate::auth::keys::jwk::RefusedKey;
use crate::auth::{NumericDate, Verifier};
use crate::text::Span;

/// The state of the keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeyStatus {
    /// The issuer's name; `None` for our own issuer if it accepts any `iss`.
    pub issuer: Option<Arc<str>>,
    /// The source of the keys: a URL, an issuer or a file. Safe to show.
    pub source: Arc<str>,
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
    /// Why they could not be read, since the last success. Safe to show.
    pub error: Option<Arc<str>>,
    /// Whether the keys are used: they have been read, and are not too old.
    pub is_usable: bool,
}

impl KeyStatus {
    /// The age of the keys.
    pub fn age(&self, now: NumericDate) -> Option<Span> {
        self.read_at.map(|at| now.since(at))
    }

    /// The reasons why keys cannot be used, each with the number of keys. Safe to show.
    pub fn refusals(&self) -> Vec<(String, usize)> {
        let mut counted: Vec<(String, usize)> = Vec::new();
        for why in self.refused.iter().map(|refused| refused.why.to_string()) {
            match counted.iter_mut().find(|(known, _)| *known == why) {
                Some((_, count)) => *count += 1,
                None => counted.push((why, 1)),
            }
        }
        counted
    }
}

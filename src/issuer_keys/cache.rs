//! The keys of one issuer as they are known: what was read last, whether it is used, and what is published. Pure: the
//! time is a parameter.

use std::time::Duration;

use super::error::FetchError;
use super::fetch::Fetched;
use super::schedule::Schedule;
use super::{KeySource, RemoteKeys};
use crate::auth::{KeySet, NumericDate, Verifier};
use crate::gate::{AcceptedIssuer, KeyStatus};
use crate::text::Span;

/// The cache of one source.
pub struct KeyCache {
    /// When to read.
    pub schedule: Schedule,
    /// The parts of the state that do not depend on the time.
    status: KeyStatus,
    /// When the keys were read.
    read_at: Option<Duration>,
    /// The keys that were read last.
    keys: KeySet,
    /// Whether requests for newer keys are limited: not for a file.
    is_limited: bool,
    /// The keys that the rules have.
    published: KeySet,
}

impl KeyCache {
    /// Creates an empty cache, whose first fetch is due at `now`.
    pub fn new(remote: &RemoteKeys, now: Duration) -> Self {
        Self {
            schedule: Schedule::new(remote.settings.max_stale, now),
            status: KeyStatus {
                issuer: remote.issuer.clone(),
                source: remote.source.to_string().into(),
                from: remote.source.origin(),
                ..KeyStatus::default()
            },
            read_at: None,
            keys: KeySet::default(),
            is_limited: !matches!(remote.source, KeySource::File(_)),
            published: KeySet::unread(),
        }
    }

    /// Creates a cache with the keys of an issuer that was accepted before, unless they are too old. They are used until
    /// the first fetch, which is due at `now`, so that restoring an issuer refuses none of its tokens. `real` is the same
    /// instant as `now`.
    pub fn restored(remote: &RemoteKeys, before: &AcceptedIssuer, now: Duration, real: NumericDate) -> Self {
        let AcceptedIssuer { issuer, status } = before;
        let mut cache = Self::new(remote, now);
        let at = |date: NumericDate| match real.since(date) {
            ago if ago >= Span::ZERO => now.saturating_sub(ago.as_duration()),
            ahead => now + (-ahead).as_duration(),
        };
        if let Some(read_at) = status.read_at.map(at)
            && issuer.keys.unavailable_because().is_none()
        {
            cache.schedule = Schedule::restored(remote.settings.max_stale, now, read_at, status.usable_until.map(at));
            if cache.schedule.is_usable(now) {
                cache.read_at = Some(read_at);
                cache.keys = issuer.keys.clone();
                cache.published = issuer.keys.clone();
                let (keys, refused) = (status.keys.clone(), status.refused.clone());
                cache.status = KeyStatus { keys, refused, ignored: status.ignored, ..cache.status };
            } else {
                cache.schedule = Schedule::new(remote.settings.max_stale, now);
            }
        }
        cache
    }

    /// Begins a fetch.
    pub const fn begin(&mut self, now: Duration) {
        self.schedule.begin(now);
        self.status.is_reading = true;
    }

    /// Stores the result of a fetch. A failure changes no key. Keys that are the same as before remain the same set, so
    /// that nothing that was verified with them is verified again.
    pub fn finished(&mut self, now: Duration, result: Result<Fetched, FetchError>) {
        self.status.is_reading = false;
        self.status.attempts += 1;
        match result {
            Ok(Fetched { read, lifetime }) => {
                self.schedule.succeeded(now, lifetime);
                self.status.ignored = read.ignored;
                if !is_same(&self.status.keys, &read.keys) || *self.status.refused != *read.refused {
                    self.keys = read.clone().into();
                    self.status.keys = read.keys.into();
                    self.status.refused = read.refused.into();
                }
                self.status.error = None;
                self.read_at = Some(now);
            }
            Err(error) => {
                self.schedule.failed(now);
                self.status.error = Some(error.to_string().into());
            }
        }
    }

    /// The keys that the rules have to have at `now`.
    pub fn published(&mut self, now: Duration) -> &KeySet {
        let is_known = self.published.unavailable_because();
        if self.schedule.is_usable(now) {
            self.published = self.keys.clone();
        } else if let Some(error) = &self.status.error {
            let why = match self.read_at {
                Some(_) => format!("the last ones are stale and could not be refreshed: {error}"),
                None => error.to_string(),
            };
            if is_known != Some(&why) {
                self.published = KeySet::unavailable(why);
            }
        }
        &self.published
    }

    /// Whether the published keys have become too old, or are usable again.
    pub fn is_outdated(&self, now: Duration) -> bool {
        self.schedule.is_usable(now) != self.published.unavailable_because().is_none()
    }

    /// The state for display. `real` is the same instant as `now`.
    pub fn status(&self, now: Duration, real: NumericDate) -> KeyStatus {
        let date = |at: Duration| match at.checked_sub(now) {
            Some(ahead) => real.plus(Span::from(ahead)),
            None => real.plus(-Span::from(now.saturating_sub(at))),
        };
        KeyStatus {
            read_at: self.read_at.map(date),
            next: self.schedule.due().map(date),
            earliest: self.schedule.earliest().filter(|at| *at > now && self.is_limited).map(date),
            is_usable: self.schedule.is_usable(now),
            usable_until: self.schedule.usable_until().map(date),
            ..self.status.clone()
        }
    }
}

/// Whether two lists have the same public keys, in any order: some servers list them in a different one each time.
fn is_same(known: &[Verifier], read: &[Verifier]) -> bool {
    let has_all = |a: &[Verifier], b: &[Verifier]| a.iter().all(|key| b.iter().any(|other| key.is_same(other)));
    known.len() == read.len() && has_all(known, read) && has_all(read, known)
}

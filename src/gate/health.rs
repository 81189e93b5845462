//! Whether decisions use current data: the stored revocations and the policy file.

use std::sync::Arc;
use std::time::Duration;

/// The state of what decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Revocations, and their ends, that are in force here and not stored yet.
    pub unsaved: usize,
    /// The store cannot be read.
    pub store: Option<ReadFailure>,
    /// The policy file cannot be read, or is not a policy.
    pub policy: Option<ReadFailure>,
}

/// A source that cannot be read; its last contents are used instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    /// Since when, on the monotonic clock.
    pub since: Duration,
    /// Why, in a sentence. Safe to show, but it may name files.
    pub why: Arc<str>,
    /// Whether the last good contents become stale. They do not if a policy was saved with a mistake in it; they do if
    /// changes by others cannot be seen.
    pub goes_stale: bool,
}

impl Health {
    /// The names of what cannot be read, with since when.
    pub fn unread(&self) -> impl Iterator<Item = (&'static str, &ReadFailure)> {
        [("revocations", self.store.as_ref()), ("policy", self.policy.as_ref())]
            .into_iter()
            .filter_map(|(name, unread)| Some((name, unread?)))
    }

    /// Returns the name of a source that has been unreadable for longer than `most`, so that no decision is possible.
    /// `now` is on the monotonic clock.
    pub fn stale(&self, now: Duration, most: Duration) -> Option<&'static str> {
        let is_stale = |unread: &ReadFailure| unread.goes_stale && now.saturating_sub(unread.since) >= most;
        self.unread().find(|(_, unread)| is_stale(unread)).map(|(name, _)| name)
    }
}

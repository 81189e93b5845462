//! Whether decisions use current data: the stored revocations and the policy file.

use std::sync::Arc;
use std::time::Duration;

/// The state of the data that decisions are based on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The number of revocations and restorations that are in force here but not stored yet.
    pub unsaved: usize,
    /// Set while the store cannot be read.
    pub store: Option<ReadFailure>,
    /// Set while the policy file cannot be read or is not a valid policy.
    pub policy: Option<ReadFailure>,
}

/// A source that cannot be read; its last contents are used instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    /// When it was first unreadable, on the monotonic clock.
    pub since: Duration,
    /// Why, as a sentence. Safe to show, but it may contain file names.
    pub why: Arc<str>,
    /// Whether the last good contents become stale: they do if changes by others cannot be seen, but not if a policy
    /// was saved with a mistake in it.
    pub goes_stale: bool,
}

impl Health {
    /// The unreadable sources, with their names.
    pub fn unread(&self) -> impl Iterator<Item = (&'static str, &ReadFailure)> {
        [("revocations", self.store.as_ref()), ("policy", self.policy.as_ref())]
            .into_iter()
            .filter_map(|(name, unread)| Some((name, unread?)))
    }

    /// Returns the name of a source that has been unreadable for at least `most`, so that no decision is possible.
    /// `now` is on the monotonic clock.
    pub fn stale(&self, now: Duration, most: Duration) -> Option<&'static str> {
        let is_stale = |unread: &ReadFailure| unread.goes_stale && now.saturating_sub(unread.since) >= most;
        self.unread().find(|(_, unread)| is_stale(unread)).map(|(name, _)| name)
    }
}

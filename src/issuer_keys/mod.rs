//! The keys of issuers that come from a URL or a file: fetched, cached, refreshed, and published into the rules.
//!
//! [`KeyFollower`] does this on a thread of its own, for the console and for `portcullis serve`; [`fetch_once`] reads
//! the keys for a command. A decision never waits for a fetch: it uses the [`Rules`](crate::auth::Rules) as they are,
//! and a refused token whose key is unknown only requests a refresh. Tokens are never sent to the servers that are
//! asked here.

mod cache;
mod error;
mod fetch;
mod follower;
mod schedule;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::FetchError;
pub use fetch::{Fetched, fetch, fetch_once};
pub use follower::KeyFollower;
pub use schedule::{COOLDOWN, DEFAULT_LIFETIME, LONGEST_LIFETIME, Lifetime, SHORTEST_LIFETIME, Schedule};
pub use source::{KeySource, UrlError};

/// The longest time that a fetch takes, with discovery and redirects.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest body of an answer, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// The most redirects that are followed for one request.
pub const MAX_REDIRECTS: usize = 3;

/// How long keys are used at most after their refresh was due, unless configured otherwise.
pub const DEFAULT_MAX_STALE: Duration = Duration::from_hours(1);

/// An issuer whose keys are read from a source.
#[derive(Clone, Debug)]
pub struct RemoteKeys {
    /// The issuer's name in the rules; `None` for our own issuer if it accepts any `iss`.
    pub issuer: Option<Arc<str>>,
    /// The source of its keys.
    pub source: KeySource,
    /// How they are fetched, and how long they are used.
    pub settings: FetchSettings,
}

/// How the keys of an issuer are fetched, and how long they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSettings {
    /// A PEM file with certificate authorities that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether a file with a shared secret is accepted even if other users can read it.
    pub others_may_read: bool,
    /// How long the keys are used at most after their refresh was due. Afterwards, until a refresh succeeds, no token of
    /// this issuer can be verified.
    pub max_stale: Duration,
    /// How long one reading may take.
    pub timeout: Duration,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self { ca_file: None, others_may_read: false, max_stale: DEFAULT_MAX_STALE, timeout: TIMEOUT }
    }
}

impl RemoteKeys {
    /// Creates a source for the keys of an issuer, with the default settings.
    pub fn new(issuer: Option<Arc<str>>, source: KeySource) -> Self {
        Self { issuer, source, settings: FetchSettings::default() }
    }
}

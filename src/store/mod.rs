//! Stores revocations across restarts, and applies them to the shared state.
//!
//! A [`Store`] contains the revocations: [`Memory`] until the process ends, [`FileStore`] in the state file. The
//! [`Replica`] applies them to the shared state, together with changes that are not saved yet. The [`Follower`] notices
//! changes by other processes, both for the console and for `portcullis serve`. The functions that read and write
//! block, so they must not be called on the thread that draws.

mod file;
mod follower;
mod replica;

use std::future::pending;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::auth::{NumericDate, Revocations};
use crate::config::ConfigError;
use crate::text;
use crate::watch::WatchError;

pub use file::{FileStore, LOCK_WAIT};
pub use follower::{Follower, News, read_policy};
pub use replica::{Change, ReloadError, Replica};

/// Why the store could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state file cannot be read or written.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The state file is invalid.
    #[error("state file {}: {why}", text::name(&.path.to_string_lossy(), 200))]
    Malformed {
        /// The state file.
        path: PathBuf,
        /// The error; safe to show.
        why: String,
    },
    /// Another process holds the lock of the state file.
    #[error(
        "state file {}: locked by another process for more than {}s; try again",
        text::name(&.path.to_string_lossy(), 200),
        .waited.as_secs()
    )]
    Locked {
        /// The state file.
        path: PathBuf,
        /// How long the change waited for the lock.
        waited: Duration,
    },
}

/// Completes when a store has changed, or with the reason why changes will not be noticed.
pub type ChangeFuture<'a> = Pin<Box<dyn Future<Output = Result<(), WatchError>> + Send + 'a>>;

/// The contents of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreContents {
    /// The revocations.
    pub revoked: Revocations,
    /// The edition of the contents; `None` if nothing is stored, or if other processes cannot change it.
    pub edition: Option<Edition>,
}

/// One version of a store's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// A random name that the store got when it was first written; empty for a file written by version 0.1.
    pub store: Box<str>,
    /// The number of changes since the store got its name, including the first.
    pub generation: u64,
}

/// How a store went back to other contents, which must not restore revoked tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Setback {
    /// Its contents were deleted.
    #[error("deleted")]
    Gone,
    /// They were replaced by an older version.
    #[error("replaced by an older version")]
    Older,
    /// They were replaced by those of another store.
    #[error("replaced by another file")]
    Replaced,
}

impl Setback {
    /// Returns how a store went back from the known edition to the one found; `None` if it did not.
    pub fn between(known: Option<&Edition>, found: Option<&Edition>) -> Option<Self> {
        match (known?, found) {
            (_, None) => Some(Self::Gone),
            // Version 0.1 did not write names, so any store may follow.
            (known, Some(_)) if known.store.is_empty() => None,
            (known, Some(found)) if known.store != found.store => Some(Self::Replaced),
            (known, Some(found)) if known.generation > found.generation => Some(Self::Older),
            _ => None,
        }
    }
}

/// Stores revocations.
pub trait Store: Send + Sync {
    /// Whether the revocations survive a restart of the program.
    fn is_durable(&self) -> bool;

    /// The store's name in messages; safe to show.
    fn name(&self) -> String;

    /// Returns the stored revocations and their edition.
    fn load(&self) -> Result<StoreContents, StoreError>;

    /// Changes the stored contents under a lock, and removes revocations that are no longer needed at `now`. Returns
    /// the new edition.
    fn change(
        &self,
        now: NumericDate,
        change: &mut dyn FnMut(&mut StoreContents),
    ) -> Result<Option<Edition>, StoreError>;

    /// Waits until any process, including this one, has changed the contents. The first call completes immediately,
    /// because the store may have changed since it was loaded. An error is reported once; later calls never complete.
    fn changed(&self) -> ChangeFuture<'_>;
}

/// A store that lasts until the process ends.
#[derive(Default)]
pub struct Memory(Mutex<Revocations>);

impl Memory {
    /// Creates a store with these revocations.
    pub const fn new(revoked: Revocations) -> Self {
        Self(Mutex::new(revoked))
    }
}

impl Store for Memory {
    fn is_durable(&self) -> bool {
        false
    }

    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn load(&self) -> Result<StoreContents, StoreError> {
        let revoked = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(StoreContents { revoked, edition: None })
    }

    fn change(
        &self,
        now: NumericDate,
        change: &mut dyn FnMut(&mut StoreContents),
    ) -> Result<Option<Edition>, StoreError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stored = StoreContents { revoked: std::mem::take(&mut *all), edition: None };
        change(&mut stored);
        stored.revoked.forget_dead(now);
        *all = stored.revoked;
        Ok(None)
    }

    fn changed(&self) -> ChangeFuture<'_> {
        Box::pin(pending())
    }
}

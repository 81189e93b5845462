//! Storage of revocations across restarts, and their way into the shared state.
//!
//! A [`Store`] keeps the revocations: [`Memory`] until the process ends, [`FileStore`] in the state file. The
//! [`Replica`] applies them to the shared state, together with changes that are not saved yet. The [`Follower`] brings
//! in what other processes change, for the console and for `portcullis serve` alike. The functions that read and write
//! block, so none of them may be called on the thread that draws.

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

/// The store could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state file cannot be read or written.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The state file cannot be understood.
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
        /// How long it waited for the lock.
        waited: Duration,
    },
}

/// Resolves when a store has changed, or with the reason why changes will not be noticed.
pub type ChangeFuture<'a> = Pin<Box<dyn Future<Output = Result<(), WatchError>> + Send + 'a>>;

/// The content of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreContents {
    /// Everything that is revoked.
    pub revoked: Revocations,
    /// The edition of the contents; `None` if nothing is stored, or if no other process can change it.
    pub edition: Option<Edition>,
}

/// One of the contents that a store has in the course of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// A random name that the store got with its first content; empty for one written by version 0.1.
    pub store: Box<str>,
    /// Counts the changes since.
    pub generation: u64,
}

/// A store went back to older contents, which must not restore a revoked token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Setback {
    /// Its contents were deleted.
    #[error("deleted")]
    Gone,
    /// It has an earlier version of its own contents.
    #[error("replaced by an older version")]
    Older,
    /// It is another store.
    #[error("replaced by another file")]
    Replaced,
}

impl Setback {
    /// Whether a store went back from the known edition to the one found.
    pub fn between(known: Option<&Edition>, found: Option<&Edition>) -> Option<Self> {
        match (known?, found) {
            (_, None) => Some(Self::Gone),
            // Version 0.1 wrote no names, so anything may follow.
            (known, Some(_)) if known.store.is_empty() => None,
            (known, Some(found)) if known.store != found.store => Some(Self::Replaced),
            (known, Some(found)) if known.generation > found.generation => Some(Self::Older),
            _ => None,
        }
    }
}

/// Keeps revocations.
pub trait Store: Send + Sync {
    /// Whether a restart of the program finds again what is kept here.
    fn is_durable(&self) -> bool;

    /// The store's name in messages; safe to show.
    fn name(&self) -> String;

    /// Everything that is revoked.
    fn load(&self) -> Result<StoreContents, StoreError>;

    /// Changes the stored contents under a lock, and drops revocations no longer needed at `now`. Returns the new edition.
    fn change(
        &self,
        now: NumericDate,
        change: &mut dyn FnMut(&mut StoreContents),
    ) -> Result<Option<Edition>, StoreError>;

    /// Waits until a process, perhaps this one, has changed what is stored. The first call resolves at once: the store
    /// may have changed since it was loaded. An error is reported once; later calls then never resolve.
    fn changed(&self) -> ChangeFuture<'_>;
}

/// Keeps revocations until the process ends.
#[derive(Default)]
pub struct Memory(Mutex<Revocations>);

impl Memory {
    /// A store that holds these.
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

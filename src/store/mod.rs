//! Where what must survive a restart is kept, and how it gets into the shared state.
//!
//! A [`Store`] keeps the revocations: [`Memory`] until the process ends, [`FileStore`] in the state file. The [`Replica`]
//! applies them to the shared state, together with changes that are not saved yet. The [`Follower`] brings in what other
//! processes change, for the console and for `portcullis serve` alike. The functions that read and write block, so none of
//! them may be called on the thread that draws.

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
use crate::watch::Unwatched;

pub use file::{FileStore, LOCK_WAIT};
pub use follower::{Follower, News, read_policy};
pub use replica::{Change, NotReloaded, Replica};

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
        /// What is wrong; safe to show.
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
        /// How long the lock was waited for.
        waited: Duration,
    },
    /// Nothing is stored any more, although something was before.
    #[error("state file {}: it is gone", text::name(&.path.to_string_lossy(), 200))]
    Gone {
        /// The state file.
        path: PathBuf,
    },
}

/// Resolves when something in a store has changed, or with the reason why that will not be noticed.
pub type Changed<'a> = Pin<Box<dyn Future<Output = Result<(), Unwatched>> + Send + 'a>>;

/// Keeps revocations.
pub trait Store: Send + Sync {
    /// Whether a restart of the program finds again what is kept here.
    fn is_durable(&self) -> bool;

    /// Everything that is revoked. `before` says whether something was stored when this was last read: a store that has
    /// vanished since is an error, because it must not restore anybody.
    fn load(&self, before: bool) -> Result<Revocations, StoreError>;

    /// Changes what is revoked, with other processes kept out meanwhile, and drops what no longer matters at `now`. `before`
    /// as for [`Store::load`]: to begin anew in place of a store that has vanished would restore what it held.
    fn change_revocations(
        &self,
        before: bool,
        now: NumericDate,
        change: &mut dyn FnMut(&mut Revocations),
    ) -> Result<(), StoreError>;

    /// Waits until a process, perhaps this one, has changed what is stored. The first call resolves at once: the store
    /// may have changed since it was loaded. An error is reported once; later calls then never resolve.
    fn changed(&self) -> Changed<'_>;
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

    fn load(&self, _: bool) -> Result<Revocations, StoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn change_revocations(
        &self,
        _: bool,
        now: NumericDate,
        change: &mut dyn FnMut(&mut Revocations),
    ) -> Result<(), StoreError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut all);
        all.forget_dead(now);
        Ok(())
    }

    fn changed(&self) -> Changed<'_> {
        Box::pin(pending())
    }
}

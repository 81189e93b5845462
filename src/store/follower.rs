//! The one place that notices what other processes change: the policy file, and the store.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::{NotReloaded, Replica};
use crate::auth::Policy;
use crate::config::{self, ConfigError};
use crate::watch::{Unwatched, Watch};

/// What the follower has noticed.
pub enum News {
    /// A policy file was changed.
    Policy {
        /// The file.
        path: String,
        /// Its content.
        read: Result<Arc<Policy>, ConfigError>,
    },
    /// The store was changed, and cannot be read.
    NotReloaded(NotReloaded),
    /// Changes of the policy file will not be noticed.
    PolicyUnwatched(Unwatched),
    /// Changes of the store will not be noticed.
    StoreUnwatched(Unwatched),
}

/// A thread that follows the policy file and the store for as long as the program runs.
///
/// Revocations go from the store into the shared state right here, however busy everybody else is. A policy is only
/// reported, because the console must first see whether it has edits of its own.
pub struct Follower {
    policy: watch::Sender<String>,
}

impl Follower {
    /// Starts the thread. `tell` runs on it; while it waits, nothing is noticed. An empty path is the built-in policy,
    /// which cannot change.
    pub fn start(replica: Arc<Replica>, policy: String, tell: impl FnMut(News) + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(policy);
        let runtime = Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new()
            .name("follower".to_owned())
            .spawn(move || runtime.block_on(follow(&replica, receiver, tell)))?;
        Ok(Self { policy: sender })
    }

    /// Follows this policy file from now on.
    pub fn follow_policy(&self, path: &str) {
        self.policy.send_if_modified(|known| {
            let is_other = known != path;
            if is_other {
                path.clone_into(known);
            }
            is_other
        });
    }
}

/// Reads a policy file that was changed.
pub fn read_policy(path: &str) -> News {
    News::Policy { path: path.to_owned(), read: config::policy(Path::new(path)) }
}

async fn follow(replica: &Replica, mut path: watch::Receiver<String>, mut tell: impl FnMut(News)) {
    let mut policy = watch_of(&path.borrow_and_update());
    loop {
        tokio::select! {
            changed = path.changed() => match changed {
                Ok(()) => policy = watch_of(&path.borrow_and_update()),
                // The program ends.
                Err(_) => return,
            },
            touched = policy.touched() => tell(match touched {
                Ok(()) => read_policy(&path.borrow()),
                Err(unwatched) => News::PolicyUnwatched(unwatched),
            }),
            changed = replica.store().changed() => match changed.map(|()| replica.reload()) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tell(News::NotReloaded(error)),
                Err(unwatched) => tell(News::StoreUnwatched(unwatched)),
            },
        }
    }
}

fn watch_of(path: &str) -> Watch {
    if path.is_empty() { Watch::nothing() } else { Watch::new(path.into()) }
}

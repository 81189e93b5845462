//! The shared auth state: a lock that is held only inside a closure, and a revision that wakes watchers.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::auth::Rules;
use crate::gate::AuthState;

/// A handle to the shared state. Clones share it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<AuthState>,
    revision: watch::Sender<u64>,
}

impl Shared {
    /// Creates a handle to this state.
    pub fn new(state: AuthState) -> Self {
        Self(Arc::new(Inner { state: Mutex::new(state), revision: watch::Sender::new(0) }))
    }

    /// Reads the state. The closure must not block, because it holds the lock.
    pub fn read<R>(&self, look: impl FnOnce(&AuthState) -> R) -> R {
        look(&self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and wakes the watchers if its revision grew.
    pub fn update<R>(&self, change: impl FnOnce(&mut AuthState) -> R) -> R {
        let (result, revision) = {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            (change(&mut state), state.revision())
        };
        // Two changes may arrive here in reverse order; the last to arrive must not lower the revision.
        self.0.revision.send_if_modified(|seen| {
            let newer = *seen < revision;
            *seen = revision.max(*seen);
            newer
        });
        result
    }

    /// The current rules, for a decision without holding the lock.
    pub fn rules(&self) -> Arc<Rules> {
        self.read(|state| Arc::clone(state.rules()))
    }

    /// Returns a receiver of the state's revision, which is notified of every change from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }
}

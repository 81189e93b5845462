//! The shared auth state: one lock, held only inside a closure, and a revision that wakes watchers.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::auth::Rules;
use crate::gate::AuthState;

/// A handle on the shared state; clones share it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<AuthState>,
    revision: watch::Sender<u64>,
}

impl Shared {
    /// A handle on this state.
    pub fn new(state: AuthState) -> Self {
        Self(Arc::new(Inner { state: Mutex::new(state), revision: watch::Sender::new(0) }))
    }

    /// Looks at the state. The closure must not wait for anything: others are kept out.
    pub fn read<R>(&self, look: impl FnOnce(&AuthState) -> R) -> R {
        look(&self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and wakes the watchers if its revision grew.
    pub fn update<R>(&self, change: impl FnOnce(&mut AuthState) -> R) -> R {
        let (result, revision) = {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            (change(&mut state), state.revision())
        };
        // Two changes may arrive here in reverse order; the later one must not lower the number.
        self.0.revision.send_if_modified(|seen| {
            let newer = *seen < revision;
            *seen = revision.max(*seen);
            newer
        });
        result
    }

    /// The present rules, to decide on without holding the lock.
    pub fn rules(&self) -> Arc<Rules> {
        self.read(|state| Arc::clone(state.rules()))
    }

    /// Returns a receiver of the state's revision, which is notified of every change from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }
}

//! The shared auth state: a lock that is held only inside a closure, and a revision that wakes watchers.

use std::sync::{Arc, Mutex, PoisonError};

use super::signal::{Listener, Signal};
use crate::auth::Rules;
use crate::gate::AuthState;

/// A handle to the shared state. Clones share it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<AuthState>,
    revision: Signal,
}

impl Shared {
    /// Creates a handle to this state.
    pub fn new(state: AuthState) -> Self {
        Self(Arc::new(Inner { state: Mutex::new(state), revision: Signal::default() }))
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
        self.0.revision.raise_to(revision);
        result
    }

    /// The current rules, for a decision without holding the lock.
    pub fn rules(&self) -> Arc<Rules> {
        self.read(|state| Arc::clone(state.rules()))
    }

    /// Returns a listener, which is woken by every change of the state from now on.
    pub fn changes(&self) -> Listener {
        self.0.revision.listen()
    }
}

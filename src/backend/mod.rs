//! Backends, which run allowed calls: implementations of the gate's [`Backend`](crate::gate::ports::Backend) port.

mod built_in;

use std::sync::Arc;

use crate::auth::{KeyError, KeyOrigin, Rules, Signer};
use crate::clock::{Clock, SystemClock};
use crate::gate::Gate;

pub use built_in::BuiltIn;

/// Constructors for a gate in front of the built-in tools.
impl Gate {
    /// Creates a gate with this HS256 secret, the built-in policy and the system clock.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let signer = Signer::hs256(secret.as_ref(), KeyOrigin::Program)?;
        Ok(Self::with(Rules::new(&signer), signer, Arc::new(SystemClock::new())))
    }

    /// Creates a gate with these rules and this clock; without a signer it cannot issue tokens.
    pub fn with(rules: Rules, signer: impl Into<Option<Signer>>, clock: Arc<dyn Clock>) -> Self {
        Self::in_front_of(Arc::new(BuiltIn), rules, signer, clock)
    }
}

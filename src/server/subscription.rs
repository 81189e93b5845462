//! Notifies clients when the tools that they see have changed: clients of revision 2026-07-28 through
//! `subscriptions/listen`, and the client on standard streams in any revision. Older clients over HTTP have neither a
//! session nor a stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::Tool;
use tokio::time::sleep;

use super::judgement::Judgement;
use crate::auth::TokenId;
use crate::gate::{Gate, Listener};

/// The most open subscriptions of one token. Each occupies a connection.
const MOST_OF_TOKEN: usize = 8;

/// The longest time between two checks: the expiry of a token is noticed within it, even if the system clock is
/// changed.
const LOOK: Duration = Duration::from_mins(1);

/// The open subscriptions. Clones share them.
#[derive(Clone, Default)]
pub struct Subscriptions(Arc<Mutex<HashMap<TokenId, usize>>>);

/// An open subscription, which ends when this is dropped.
pub struct Subscription {
    all: Subscriptions,
    token: TokenId,
}

impl Subscriptions {
    /// Begins a subscription with a token, unless the token has too many already.
    pub fn begin(&self, token: TokenId) -> Option<Subscription> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(token).or_default();
        if *count >= MOST_OF_TOKEN {
            return None;
        }
        *count += 1;
        Some(Subscription { all: self.clone(), token })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.token);
            }
        }
    }
}

/// Watches the tools that the caller of a judged request sees.
pub struct ToolWatch {
    gate: Gate,
    judgement: Arc<Judgement>,
    seen: Vec<Tool>,
    revisions: Listener,
}

impl ToolWatch {
    /// Starts with the tools that `see` returns now.
    pub fn new(gate: &Gate, judgement: Arc<Judgement>, see: impl Fn(&Judgement) -> Vec<Tool>) -> Self {
        let revisions = gate.shared().changes();
        let seen = see(&judgement);
        Self { gate: gate.clone(), judgement, seen, revisions }
    }

    /// Waits until the tools have changed. Returns `false` once the token is no longer valid.
    pub async fn changed(&mut self, see: impl Fn(&Judgement) -> Vec<Tool>) -> bool {
        loop {
            let Some(now) = self.judgement.again(&self.gate) else { return false };
            let left = now.left().map_or(LOOK, |left| left.min(LOOK));
            // Every counted request wakes this, but only different rules or tools can change what is seen.
            let is_same = Arc::ptr_eq(&now.rules, &self.judgement.rules) && now.tools == self.judgement.tools;
            self.judgement = Arc::new(now);
            let tools = if is_same { None } else { Some(see(&self.judgement)) };
            if let Some(tools) = tools.filter(|tools| *tools != self.seen) {
                self.seen = tools;
                return true;
            }
            tokio::select! {
                goes_on = self.revisions.changed() => if !goes_on { return false },
                () = sleep(left) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_has_only_so_many_subscriptions_and_an_ended_one_makes_room() {
        let all = Subscriptions::default();
        let (one, other) = (TokenId::of("one"), TokenId::of("other"));
        let mut begun: Vec<_> = (0..MOST_OF_TOKEN).filter_map(|_| all.begin(one)).collect();
        assert_eq!(begun.len(), MOST_OF_TOKEN);
        assert!(all.begin(one).is_none() && all.begin(other).is_some());
        begun.pop();
        assert!(all.begin(one).is_some());
        begun.clear();
        assert!(all.0.lock().expect("no panic").is_empty());
    }
}

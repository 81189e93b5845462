//! The boundary of a time claim at a foreign server, found by signing tokens with different times.

use crate::text::Span;
use crate::text::words::{clock_lead, count, exact};

/// A boundary of `exp` or `nbf`, in whole seconds from the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The largest distance at which the token was accepted; `None` if it never was.
    pub accepted: Option<i64>,
    /// The smallest distance at which it was refused; `None` if it never was.
    pub refused: Option<i64>,
    /// How many tokens were tried.
    pub tries: usize,
    /// The server's clock minus ours, to about a second; the distances are by its clock.
    pub skew: Span,
}

impl Boundary {
    /// Whether a boundary was found: one token was accepted and one was refused.
    pub const fn is_sound(&self) -> bool {
        self.refused.is_some() && self.accepted.is_some()
    }

    /// The result as a sentence. `claim` is `exp` or `nbf`.
    pub fn words(&self, claim: &str) -> String {
        let side = if claim == "exp" { "after" } else { "before" };
        match (self.accepted, self.refused) {
            (Some(accepted), Some(refused)) => {
                let leeway =
                    if accepted < 0 { "none".to_owned() } else { format!("between {accepted} s and {refused} s") };
                format!("leeway {side} {claim}: {leeway}")
            }
            (Some(accepted), None) => {
                format!("still accepted {accepted} s {side} {claim}: it is not checked, or the leeway is larger")
            }
            (None, _) => "no token was accepted, even 2 s within its validity: compare the clocks".to_owned(),
        }
    }

    /// The same, with the number of tokens.
    pub fn summary(&self, claim: &str) -> String {
        format!("{} ({})", self.words(claim), count(self.tries, "token"))
    }
    /// A sentence about the server's clock, if it differs from ours.
    pub fn skew_words(&self) -> Option<String> {
        let skew = Some(self.skew).filter(|skew| *skew != Span::ZERO)?;
        Some(format!("the server's clock is {}; the leeway is by its clock", clock_lead(skew, exact)))
    }
}

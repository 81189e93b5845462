//! The plan of a drill: how it treats time, and how often it calls.

use std::fmt;

use crate::auth::NumericDate;
use crate::text::Span;
use crate::text::words::exact;

/// How a drill treats time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Waits: time passes normally.
    Real,
    /// Does not wait: calls are judged for any instant, and the boundary is found to the microsecond.
    Shifted,
}

/// The plan of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How time is treated.
    pub pace: Pace,
    /// The interval between calls; at least [`FINEST`].
    pub every: Span,
    /// In real time: whether to call often enough near the expected boundary to find it to within [`FINEST`].
    pub fine: bool,
}

/// The shortest interval between calls, and the best precision of a drill in real time.
pub const FINEST: Span = Span::millis(10);

impl Plan {
    /// The required precision of the boundary: the longest acceptable time between the calls around it.
    pub const fn resolution(&self) -> Span {
        match (self.pace, self.fine) {
            (Pace::Shifted, _) => Span::MICRO,
            (Pace::Real, true) => FINEST,
            (Pace::Real, false) => self.every,
        }
    }
}

/// Formats the plan as a phrase: `in real time, every 100ms`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pace, self.fine) {
            (Pace::Shifted, _) => f.write_str("in shifted time, bisected"),
            (Pace::Real, false) => write!(f, "in real time, every {}", exact(self.every)),
            (Pace::Real, true) => {
                write!(f, "in real time, every {}, finer near the boundary", exact(self.every))
            }
        }
    }
}

/// Returns the expiry time of a token to be drilled that is valid for at least `lives`. `iat` and `exp` are whole
/// seconds.
pub fn end_of_new(now: NumericDate, lives: Span) -> NumericDate {
    now.plus(Span::SECOND - Span::MICRO).whole_second().plus(lives).min(NumericDate::LAST_SECOND)
}

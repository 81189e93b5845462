//! The plan of a drill.

use std::fmt;

use crate::auth::NumericDate;
use crate::text::Span;
use crate::text::words::exact;

/// How a drill passes the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It waits: time passes as it does.
    Real,
    /// It asks for any instant at once, and finds the border to the microsecond.
    Shifted,
}

/// The plan of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How it passes the time.
    pub pace: Pace,
    /// From one call to the next; at least [`FINEST`].
    pub every: Span,
    /// In real time: call so often around the expected border that it is found to [`FINEST`].
    pub fine: bool,
}

/// The finest interval of real time.
pub const FINEST: Span = Span::millis(10);

impl Plan {
    /// The required precision of the boundary.
    pub const fn resolution(&self) -> Span {
        match (self.pace, self.fine) {
            (Pace::Shifted, _) => Span::MICRO,
            (Pace::Real, true) => FINEST,
            (Pace::Real, false) => self.every,
        }
    }
}

/// `in real time, every 100ms`.
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

/// When a token expires that is issued to be drilled and lives at least this long. `iat` and `exp` are whole seconds.
pub fn end_of_new(now: NumericDate, lives: Span) -> NumericDate {
    now.plus(Span::SECOND - Span::MICRO).whole_second().plus(lives).min(NumericDate::LAST_SECOND)
}

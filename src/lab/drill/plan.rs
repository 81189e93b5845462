//! How a drill is made.

use std::fmt;

use crate::auth::NumericDate;
use crate::text::words::{SECOND, exact};

/// How a drill gets through the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It waits: time passes as it does.
    Real,
    /// It asks for any instant at once, and finds the border to the microsecond.
    Shifted,
}

/// How a drill is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How it gets through the time.
    pub pace: Pace,
    /// From one call to the next, in microseconds; at least [`FINEST`].
    pub every: i64,
    /// In real time: call so often around the expected border that it is found to [`FINEST`].
    pub fine: bool,
}

/// The finest interval of real time, in microseconds.
pub const FINEST: i64 = 10_000;

impl Plan {
    /// How exactly the border is to be found, in microseconds.
    pub const fn resolution(&self) -> i64 {
        match (self.pace, self.fine) {
            (Pace::Shifted, _) => 1,
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
                write!(f, "in real time, every {} and finer at the border", exact(self.every))
            }
        }
    }
}

/// When a token dies that is issued to be drilled and lives at least so long, in microseconds. `iat` and `exp` are whole
/// seconds.
pub fn end_of_new(now: NumericDate, lives: i64) -> NumericDate {
    NumericDate::from_seconds(now.plus(SECOND - 1).seconds()).plus(lives).min(NumericDate::LAST_SECOND)
}

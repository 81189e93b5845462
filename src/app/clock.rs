//! The clock that the user controls. It sets the time that decisions use and, with `stamps_held`, the stamps of issued
//! tokens.

use std::time::Duration;

use super::App;
use super::msg::Times;
use crate::auth::NumericDate;
use crate::text::Span;
use crate::text::words::{exact, span, with_sign};

/// How many times as fast as real time a fast clock runs.
pub const FAST: i64 = 60;

/// The system clock has jumped if it moved at least this much more or less than the monotonic clock.
const LEAP: Span = Span::millis(500);

/// Jumps are shown in multiples of this.
const ROUNDED: Span = Span::millis(200);

/// A key press dismisses the warning of a jump only this long after it was first shown.
const SEEN: Duration = Duration::from_secs(1);

/// While a countdown runs, the clocks are compared at least this often.
pub(super) const COMPARED: Duration = Duration::from_mins(1);

/// The clock that decisions use, relative to the real time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleClock {
    /// The real time.
    #[default]
    Real,
    /// The real time, shifted by a span other than zero.
    Shifted(Span),
    /// Always this instant.
    Frozen(NumericDate),
    /// A clock that runs [`FAST`] times as fast as real time.
    Fast {
        /// The time it showed when it was started.
        at: NumericDate,
        /// When it was started, on the monotonic clock.
        since: Duration,
    },
}

impl ConsoleClock {
    /// Returns the time it shows.
    pub fn shows(self, real: NumericDate, mono: Duration) -> NumericDate {
        match self {
            Self::Real => real,
            Self::Shifted(by) => real.plus(by),
            Self::Frozen(at) => at,
            Self::Fast { at, since } => at.plus(Span::from(mono.saturating_sub(since)) * FAST),
        }
    }

    /// Returns the same kind of clock, set to an instant.
    #[must_use]
    pub fn set(self, to: NumericDate, now: Times) -> Self {
        match self {
            Self::Real | Self::Shifted(_) => Self::shifted(to.since(now.real)),
            Self::Frozen(_) => Self::Frozen(to),
            Self::Fast { .. } => Self::Fast { at: to, since: now.mono },
        }
    }

    /// Returns the real time shifted by a span, which may be zero.
    pub fn shifted(by: Span) -> Self {
        if by == Span::ZERO { Self::Real } else { Self::Shifted(by) }
    }

    /// Returns how long it takes to advance by a span; `None` while it is frozen.
    fn lasts(self, span: Span) -> Option<Duration> {
        match self {
            Self::Real | Self::Shifted(_) => Some(span.as_duration()),
            Self::Frozen(_) => None,
            // Rounded up, so that the clock has advanced by at least the span.
            Self::Fast { .. } => Some(((span + Span::micros(FAST - 1)) / FAST).as_duration()),
        }
    }
}

/// A jump of the system clock: it was set, or the machine slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockJump {
    /// How far it jumped; negative if back.
    pub by: Span,
    /// The time after the jump.
    pub to: NumericDate,
    /// When it was noticed, on the monotonic clock.
    noticed: Duration,
}

impl ClockJump {
    /// Describes the jump: `system clock jumped back by 1d`.
    pub fn words(self) -> String {
        let way = if self.by < Span::ZERO { "back" } else { "ahead" };
        // Rounded, because a moment passes between the readings of the two clocks.
        let by = ROUNDED * (self.by.abs() + ROUNDED / 2).div_euclid(ROUNDED);
        format!("system clock jumped {way} by {}", exact(by))
    }
}

impl App {
    /// Sets the instants of a new turn from the system clock and the time since the start, and reports a jump of the
    /// system clock.
    pub fn at(&mut self, real: NumericDate, mono: Duration) {
        let passed = Span::from(mono.saturating_sub(self.times.mono));
        let by = real.since(self.times.real) - passed;
        self.times = Times { real, judged: self.clock.shows(real, mono), mono };
        if by.abs() >= LEAP {
            let leap = ClockJump { by, to: real, noticed: mono };
            self.leap = Some(leap);
            self.complain(leap.words());
        }
    }

    /// Dismisses the last jump, unless it was noticed within [`SEEN`]: the user pressed the key before seeing the
    /// warning.
    pub(super) fn forget_leap(&mut self) {
        let now = self.times.mono;
        self.leap.take_if(|leap| leap.noticed + SEEN <= now);
    }

    /// Returns the time until the picture changes without input; `None` if it does not change by itself.
    pub fn next_change(&self) -> Option<Duration> {
        // A clock stops at the last representable instant.
        let runs = self.times.judged < NumericDate::MAX;
        let holds = if runs { self.drawn.holds } else { None };
        let counted = holds.and_then(|holds| {
            let left = self.drawn.at.plus(holds).since(self.times.judged);
            Some(self.clock.lasts(left)?.min(COMPARED))
        });
        let toast = self.toast.as_ref().map(|toast| toast.until.saturating_sub(self.times.mono));
        let marks = self.matrix.marked_until().map(|until| until.saturating_sub(self.times.mono));
        let really = self.drawn.real_until.map(|until| until.saturating_sub(self.times.mono));
        counted.into_iter().chain(toast).chain(marks).chain(really).min()
    }

    /// Returns the header's badge, or `None` if the clock shows the real time.
    pub fn clock_badge(&self) -> Option<String> {
        match self.clock {
            ConsoleClock::Real => None,
            ConsoleClock::Shifted(by) => Some(format!("CLOCK {}", signed(by))),
            ConsoleClock::Frozen(at) => Some(format!("CLOCK FROZEN {}", self.frozen_at(at))),
            ConsoleClock::Fast { .. } => Some(format!("CLOCK ×{FAST}")),
        }
    }

    /// Formats an instant to the second, with the date if it is not today's.
    fn frozen_at(&self, at: NumericDate) -> String {
        let at = at.whole_second();
        let day = |at: NumericDate| at.seconds().div_euclid(86_400);
        if day(at) == day(self.times.real) { self.time(at) } else { self.date(at) }
    }

    /// Starts the clock at another time than the real one. Issued tokens are stamped by it, too.
    pub fn start_at(&mut self, start: NumericDate) {
        self.stamps_held = true;
        self.set_clock(start);
    }

    /// Sets the clock that decisions use. It keeps running at the same speed.
    pub(super) fn set_clock(&mut self, to: NumericDate) {
        self.hold(self.clock.set(to, self.times));
    }

    /// Replaces the clock and the time of this turn.
    pub(super) fn hold(&mut self, clock: ConsoleClock) {
        self.clock = clock;
        self.times.judged = clock.shows(self.times.real, self.times.mono);
    }

    /// Freezes the clock, or lets it continue from the instant it shows.
    pub(super) fn freeze(&mut self) {
        let at = self.times.judged;
        self.hold(match self.clock {
            ConsoleClock::Frozen(at) => ConsoleClock::shifted(at.since(self.times.real)),
            _ => ConsoleClock::Frozen(at),
        });
    }

    /// Runs the clock [`FAST`] times as fast, or at normal speed again.
    pub(super) fn hurry(&mut self) {
        let at = self.times.judged;
        self.hold(match self.clock {
            ConsoleClock::Fast { .. } => ConsoleClock::shifted(at.since(self.times.real)),
            _ => ConsoleClock::Fast { at, since: self.times.mono },
        });
    }
}

/// Formats a span with its sign, to the second if it is at least a second long: `+55m`, `-1d`, `+250ms`.
pub fn signed(by: Span) -> String {
    with_sign(by, if by.abs() < Span::SECOND { exact } else { span })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: NumericDate = NumericDate::from_seconds(1_000_000);

    fn times(seconds: u64) -> Times {
        let real = REAL.plus(Span::seconds(seconds.cast_signed()));
        Times { real, judged: real, mono: Duration::from_secs(seconds) }
    }

    fn shown(clock: ConsoleClock, seconds: u64) -> i64 {
        let now = times(seconds);
        clock.shows(now.real, now.mono).since(REAL).as_seconds()
    }

    #[test]
    fn each_clock_runs_in_its_own_way() {
        let fast = ConsoleClock::Fast { at: REAL, since: Duration::from_secs(2) };
        for (clock, after_5) in [
            (ConsoleClock::Real, 5),
            (ConsoleClock::Shifted(Span::seconds(-7)), -2),
            (ConsoleClock::Frozen(REAL), 0),
            (fast, 180),
        ] {
            assert_eq!(shown(clock, 5), after_5, "{clock:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_runs_on_as_it_did() {
        let to = REAL.plus(Span::seconds(100));
        let fast = ConsoleClock::Fast { at: REAL, since: Duration::ZERO };
        for (clock, after_1) in [
            (ConsoleClock::Real, 101),
            (ConsoleClock::Shifted(Span::micros(5)), 101),
            (ConsoleClock::Frozen(REAL), 100),
            (fast, 160),
        ] {
            let set = clock.set(to, times(3));
            assert_eq!((shown(set, 3), shown(set, 4)), (100, after_1), "{clock:?}");
        }
        assert_eq!(ConsoleClock::Shifted(Span::micros(5)).set(times(3).real, times(3)), ConsoleClock::Real);
    }

    #[test]
    fn a_clock_lasts_as_long_as_it_takes_to_get_there() {
        let fast = ConsoleClock::Fast { at: REAL, since: Duration::ZERO };
        for span in [1, 59, 60, 61, 1_000_000].map(Span::micros) {
            let lasts = fast.lasts(span).expect("it runs");
            assert!(fast.shows(REAL, lasts).since(REAL) >= span);
            assert!(fast.shows(REAL, lasts.saturating_sub(Duration::from_micros(1))).since(REAL) < span);
        }
        assert_eq!(ConsoleClock::Frozen(REAL).lasts(Span::MICRO), None);
    }
}

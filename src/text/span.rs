//! Lengths of time: the one type that every layer computes with.
//!
//! The standard `Duration` has no sign, and chrono's `TimeDelta` panics or returns `None` at its bounds. A token may
//! contain any time from the year 1 to the year 9999, and its remaining time may be negative, so this type has a sign
//! and its arithmetic saturates.

use std::ops::{Add, Div, Mul, Neg, Sub};
use std::time::Duration;

/// A signed length of time in microseconds. Arithmetic that would overflow yields the longest span with that sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// The span of zero length.
    pub const ZERO: Self = Self(0);
    /// One microsecond, the finest span.
    pub const MICRO: Self = Self(1);
    /// One second.
    pub const SECOND: Self = Self(1_000_000);
    /// One minute.
    pub const MINUTE: Self = Self::seconds(60);
    /// One hour.
    pub const HOUR: Self = Self::minutes(60);
    /// One day of 24 hours.
    pub const DAY: Self = Self::hours(24);
    /// The longest span. Words that never change hold for this long.
    pub const MAX: Self = Self(i64::MAX);

    /// Creates a span of this many microseconds.
    pub const fn micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Creates a span of this many milliseconds.
    pub const fn millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Creates a span of this many seconds.
    pub const fn seconds(seconds: i64) -> Self {
        Self::SECOND.times(seconds)
    }

    /// Creates a span of this many minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Self::MINUTE.times(minutes)
    }

    /// Creates a span of this many hours.
    pub const fn hours(hours: i64) -> Self {
        Self::HOUR.times(hours)
    }

    /// Creates a span of this many days of 24 hours.
    pub const fn days(days: i64) -> Self {
        Self::DAY.times(days)
    }

    /// Multiplies in constants, where the operator cannot be used.
    const fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// Returns the span in microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the span in whole seconds, rounded towards zero.
    pub const fn as_seconds(self) -> i64 {
        self.0 / Self::SECOND.0
    }

    /// Returns the span in seconds with a fraction, as JSON contains them.
    #[expect(clippy::cast_precision_loss, reason = "53 bits hold 285 years to the microsecond")]
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Converts to a duration to wait; a negative span becomes zero.
    pub fn as_duration(self) -> Duration {
        Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }

    /// Returns the span without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Returns how many times a positive `step` fits, rounded down.
    pub const fn div_euclid(self, step: Self) -> i64 {
        self.0.div_euclid(step.0)
    }

    /// Returns the remainder after the last multiple of a positive `step`; never negative.
    #[must_use]
    pub const fn rem_euclid(self, step: Self) -> Self {
        Self(self.0.rem_euclid(step.0))
    }
}

/// A duration that is too long becomes the longest span.
impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Neg for Span {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<i64> for Span {
    type Output = Self;

    fn mul(self, factor: i64) -> Self {
        self.times(factor)
    }
}

/// Rounds towards zero.
impl Div<i64> for Span {
    type Output = Self;

    fn div(self, divisor: i64) -> Self {
        Self(self.0 / divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let least = Span::micros(i64::MIN);
        assert_eq!(Span::MAX + Span::MICRO, Span::MAX);
        assert_eq!(least - Span::MICRO, least);
        assert_eq!((-least, least.abs()), (Span::MAX, Span::MAX));
        assert_eq!((Span::MAX * 2, Span::days(i64::MIN)), (Span::MAX, least));
        assert_eq!(Span::from(Duration::MAX), Span::MAX);
    }

    #[test]
    fn a_negative_span_is_rounded_down_and_never_waited_for() {
        let span = -Span::millis(1500);
        assert_eq!((span.div_euclid(Span::SECOND), span.rem_euclid(Span::SECOND)), (-2, Span::millis(500)));
        assert_eq!((span.as_seconds(), span / 2, span.as_duration()), (-1, -Span::millis(750), Duration::ZERO));
        assert_eq!(Span::millis(1500).as_duration(), Duration::from_millis(1500));
    }
}

//! Instants as defined by RFC 7519 §2.

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeZone as _, Utc};

use crate::text::Span;

/// An instant: seconds since 1970-01-01T00:00:00Z with a fraction (RFC 7519 §2, `NumericDate`), stored in microseconds.
///
/// It is always within the years 0001 to 9999; finer fractions are rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate(i64);

/// Microseconds in a second.
const SECOND: i64 = Span::SECOND.as_micros();

impl NumericDate {
    /// 0001-01-01T00:00:00Z, the earliest time that a claim may contain.
    pub const MIN: Self = Self(-62_135_596_800 * SECOND);
    /// 9999-12-31T23:59:59.999999Z, the latest time that a claim may contain.
    pub const MAX: Self = Self(253_402_300_800 * SECOND - 1);

    /// The latest time in whole seconds, the precision of issued tokens.
    pub const LAST_SECOND: Self = Self(253_402_300_799 * SECOND);

    /// Creates it from whole seconds since the epoch, clamped to the years 0001–9999.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(SECOND))
    }

    /// Creates it from microseconds since the epoch, clamped to the years 0001–9999.
    pub const fn from_micros(micros: i64) -> Self {
        match micros {
            m if m < Self::MIN.0 => Self::MIN,
            m if m > Self::MAX.0 => Self::MAX,
            m => Self(m),
        }
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down, as in issued tokens.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// Rounds down to a whole second.
    #[must_use]
    pub const fn whole_second(self) -> Self {
        Self::from_seconds(self.seconds())
    }

    /// Returns this instant moved by a span, clamped to the years 0001–9999.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self::from_micros(self.0.saturating_add(span.as_micros()))
    }

    /// Returns the time from `earlier` to this instant; negative if `earlier` is the later one. Cannot overflow.
    pub const fn since(self, earlier: Self) -> Span {
        Span::micros(self.0 - earlier.0)
    }

    /// The time since the last multiple of `step` after the epoch.
    pub const fn past(self, step: Span) -> Span {
        Span::micros(self.0).rem_euclid(step)
    }

    /// Parses a JSON number; `None` if it is not a number or is outside the years 0001–9999.
    pub fn from_json_number(text: &str) -> Option<Self> {
        if let Some(micros) = text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(SECOND)) {
            return (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros));
        }
        // Rust parses "inf" and "nan" as numbers, but JSON does not allow them.
        if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            return None;
        }
        let micros = exact(text).or_else(|| {
            let seconds: f64 = text.parse().ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the range is checked below")]
            Some((seconds * 1e6).floor() as i64)
        })?;
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// Converts to the number of a claim: an integer if it is whole seconds, because some readers accept only integers.
    pub fn json_number(self) -> serde_json::Value {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a date fit 53 bits until 2255")]
        if self.0 % SECOND == 0 { self.seconds().into() } else { (self.0 as f64 / 1e6).into() }
    }

    /// Parses an RFC 3339 time.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text.trim()).ok()?;
        Some(Self::from(time.with_timezone(&Utc)))
    }

    /// Formats as RFC 3339 in UTC, with a fraction only if there is one.
    pub fn rfc3339(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// Converts to chrono's type.
    pub fn utc(self) -> DateTime<Utc> {
        // Every value is within chrono's range, which extends 262,000 years in both directions.
        Utc.timestamp_micros(self.0).single().unwrap_or_default()
    }

    /// Converts to the time at an offset of `seconds` east of UTC.
    pub fn at_offset(self, seconds: i32) -> DateTime<FixedOffset> {
        let utc = self.utc();
        FixedOffset::east_opt(seconds).map_or_else(|| utc.fixed_offset(), |offset| utc.with_timezone(&offset))
    }
}

/// Parses digits with a fraction and without an exponent into microseconds, rounded down; a float would be off by one.
fn exact(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = fraction.bytes().map(|b| b.is_ascii_digit().then(|| i64::from(b - b'0')));
    let (mut micros, mut finer) = (0, false);
    for (digit, place) in digits.zip([100_000, 10_000, 1000, 100, 10, 1].into_iter().chain(std::iter::repeat(0))) {
        micros += digit? * place;
        finer |= place == 0 && digit? > 0;
    }
    let fraction = if whole.starts_with('-') { -micros - i64::from(finer) } else { micros };
    whole.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(fraction)
}

/// Formats an instant for scripts in two forms: `epoch` in seconds, and `rfc3339`.
pub fn twice(at: NumericDate) -> serde_json::Value {
    serde_json::json!({ "epoch": at.json_number(), "rfc3339": at.rfc3339() })
}

impl From<DateTime<Utc>> for NumericDate {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_micros(time.timestamp_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0", Some(0))]
    #[case("1.5", Some(1_500_000))]
    #[case("-1.5", Some(-1_500_000))]
    #[case("-0.5", Some(-500_000))]
    #[case("1.001", Some(1_001_000))]
    #[case("1795380065.000001", Some(1_795_380_065_000_001))]
    #[case("0.9999999", Some(999_999))]
    #[case("-0.0000001", Some(-1))]
    #[case("1.7e9", Some(1_700_000_000_000_000))]
    #[case("253402300799.999999", Some(253_402_300_799_999_999))]
    #[case("253402300800.0", None)]
    #[case("2.534023008e11", None)]
    #[case("-62135596800.000001", None)]
    #[case("253402300799", Some(253_402_300_799_000_000))]
    #[case("253402300800", None)]
    #[case("-62135596801", None)]
    #[case("9223372036854775807", None)]
    #[case("18446744073709551615", None)]
    #[case("1e400", None)]
    #[case("1795381200000", None)]
    #[case("\"1\"", None)]
    #[case("inf", None)]
    #[case("-nan", None)]
    #[case("-1e400", None)]
    #[case("-", None)]
    #[case("null", None)]
    fn a_json_number_is_a_time_or_nothing(#[case] text: &str, #[case] micros: Option<i64>) {
        assert_eq!(NumericDate::from_json_number(text).map(NumericDate::micros), micros);
    }

    #[test]
    fn the_borders_are_dates() {
        assert_eq!(NumericDate::MIN.rfc3339(), "0001-01-01T00:00:00Z");
        assert_eq!(NumericDate::MAX.rfc3339(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(NumericDate::from_rfc3339("2026-11-22T20:41:05Z").map(NumericDate::seconds), Some(1_795_380_065));
    }
}

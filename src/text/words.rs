//! Durations and ages in words, and the time until the words change.
//!
//! A duration in words contains how long the words stay true, so the code that shows it can sleep exactly until the
//! picture changes.

use std::fmt::Write as _;
use std::time::Duration;

use super::Span;

const YEAR: Span = Span::days(365);

/// A duration in words, and how long these words stay true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationWords {
    /// The words, such as `58m 54s`.
    pub text: String,
    /// The duration that the words name. A bar beside them is drawn from it, so that both change together.
    pub named: Span,
    /// The time until the words change; [`Span::MAX`] if they never do.
    pub holds: Span,
}

/// Returns the step in which a remaining time is shown: seconds up to an hour, then minutes, hours, days.
const fn step_of_remaining(left: Span) -> Span {
    match left.as_micros() {
        m if m <= Span::HOUR.as_micros() => Span::SECOND,
        m if m <= Span::DAY.as_micros() => Span::MINUTE,
        m if m <= YEAR.as_micros() => Span::HOUR,
        _ => Span::DAY,
    }
}

/// Formats a remaining time, rounded **up**: `1s` is shown until the very end. At or below zero the words are `0s`.
pub fn remaining(left: Span) -> DurationWords {
    if left <= Span::ZERO {
        return DurationWords { text: "0s".to_owned(), named: Span::ZERO, holds: Span::MAX };
    }
    let step = step_of_remaining(left);
    let below = step * (left - Span::MICRO).div_euclid(step);
    // The words change at the next lower multiple of the step, and then use the step for that multiple.
    DurationWords { text: words(below + step), named: below + step, holds: left - below }
}

/// Formats a time that has passed, rounded **down**: in seconds during the first minute, then in minutes, hours, days.
pub fn elapsed(passed: Span) -> DurationWords {
    let passed = passed.max(Span::ZERO);
    let (step, unit) = match passed {
        p if p < Span::MINUTE => (Span::SECOND, 's'),
        p if p < Span::HOUR => (Span::MINUTE, 'm'),
        p if p < Span::DAY => (Span::HOUR, 'h'),
        _ => (Span::DAY, 'd'),
    };
    let n = passed.div_euclid(step);
    let named = step * n;
    DurationWords { text: format!("{n}{unit}"), named, holds: named + step - passed }
}

/// Formats a fixed span, such as a whole lifetime, exact to the second.
pub fn span(span: Span) -> String {
    if span < Span::ZERO {
        return format!("-{}", self::span(-span));
    }
    let mut rest = span;
    let mut out = String::new();
    for (unit, letter) in [(YEAR, 'y'), (Span::DAY, 'd'), (Span::HOUR, 'h'), (Span::MINUTE, 'm'), (Span::SECOND, 's')] {
        let n = rest.div_euclid(unit);
        if n > 0 {
            if !out.is_empty() {
                out.push(' ');
            }
            let _ = write!(out, "{n}{letter}");
        }
        rest = rest.rem_euclid(unit);
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Formats a fixed span, exact to the microsecond: `1m 30s`, `250ms`, `1s 5ms`.
pub fn exact(span: Span) -> String {
    if span < Span::ZERO {
        return format!("-{}", exact(-span));
    }
    let fraction = span.rem_euclid(Span::SECOND).as_micros();
    let parts = [(fraction / 1000, "ms"), (fraction % 1000, "µs")];
    let mut out = if span >= Span::SECOND { self::span(span) } else { String::new() };
    for (n, unit) in parts.into_iter().filter(|(n, _)| *n > 0) {
        let gap = if out.is_empty() { "" } else { " " };
        let _ = write!(out, "{gap}{n}{unit}");
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Formats a span with `words`, and with its sign: `+55m`, `-1d`.
pub fn with_sign(span: Span, words: impl Fn(Span) -> String) -> String {
    let plus = if span < Span::ZERO { "" } else { "+" };
    format!("{plus}{}", words(span))
}

/// Says how another clock differs from ours: `3s ahead of ours`, `1m 30s behind ours`. `words` formats the span.
pub fn clock_lead(skew: Span, words: impl Fn(Span) -> String) -> String {
    let (amount, side) = if skew > Span::ZERO { (skew, "ahead of") } else { (-skew, "behind") };
    format!("{} {side} ours", words(amount))
}

/// Formats the two largest units of a span. The smaller one is padded, so that a ticking text keeps its width.
fn words(span: Span) -> String {
    let seconds = span.as_seconds();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600, seconds / 60);
    match seconds {
        s if s < 60 => format!("{seconds}s"),
        s if s < 3600 => format!("{minutes}m {:02}s", seconds % 60),
        s if s < 86_400 => format!("{hours}h {:02}m", minutes % 60),
        s if s < 31_536_000 => format!("{days}d {:02}h", hours % 24),
        _ => format!("{}y {}d", days / 365, days % 365),
    }
}

/// Formats a count in at most six characters, for columns: `9999`, `12.3k`, `9.9M`. It is rounded down, so it never
/// overstates the count.
pub fn short(n: u64) -> String {
    let in_unit = |unit: u64, letter: char| match n / unit {
        whole @ 0..1000 => format!("{whole}.{}{letter}", n % unit / (unit / 10)),
        whole => format!("{whole}{letter}"),
    };
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => in_unit(1000, 'k'),
        1_000_000..1_000_000_000 => in_unit(1_000_000, 'M'),
        1_000_000_000..100_000_000_000_000 => in_unit(1_000_000_000, 'G'),
        _ => ">99.9T".to_owned(),
    }
}

/// Formats how long a call took, in the unit that suits it.
pub fn took(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// Why a text is not a valid duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text is not in the format of a duration.
    #[error("expected a duration such as 90s, 15m, 1h, 7d or 1h30m")]
    Unreadable,
    /// The duration is longer than any date range.
    #[error("duration is longer than ten thousand years")]
    TooLong,
}

/// Parses a duration: `90s`, `15m`, `1h`, `7d`, `1h30m`, `0s`. A number without a unit is rejected, except for 0.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let text = text.trim();
    if text.bytes().all(|b| b == b'0') && !text.is_empty() {
        return Ok(Duration::ZERO);
    }
    // A capital `M` would be a month, one key away from a minute.
    if text.contains('M') {
        return Err(InvalidDuration::Unreadable);
    }
    let duration = humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::NumberOverflow => InvalidDuration::TooLong,
        _ => InvalidDuration::Unreadable,
    })?;
    if duration.as_secs() > 315_576_000_000 { Err(InvalidDuration::TooLong) } else { Ok(duration) }
}

/// Formats a number of bytes: `243 B`, `1.0 KiB`, `1.0 MiB`.
pub fn bytes(n: usize) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{}.{} KiB", n / 1024, n % 1024 * 10 / 1024),
        _ => format!("{}.{} MiB", n / 1_048_576, n % 1_048_576 * 10 / 1_048_576),
    }
}

/// Formats a count with its noun: `1 permission`, `3 permissions`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(Span::HOUR, "1h 00m")]
    #[case(Span::HOUR - Span::MICRO, "1h 00m")]
    #[case(Span::HOUR - Span::SECOND, "59m 59s")]
    #[case(Span::minutes(3), "3m 00s")]
    #[case(Span::MICRO, "1s")]
    #[case(Span::ZERO, "0s")]
    #[case(Span::micros(-5), "0s")]
    #[case(Span::seconds(15), "15s")]
    #[case(Span::DAY, "1d 00h")]
    #[case(Span::days(7), "7d 00h")]
    #[case(YEAR * 10, "10y 0d")]
    fn what_is_left_is_rounded_up(#[case] span: Span, #[case] words: &str) {
        assert_eq!(remaining(span).text, words);
    }

    #[rstest]
    #[case(Span::ZERO, "0s")]
    #[case(Span::micros(59_999_999), "59s")]
    #[case(Span::seconds(60), "1m")]
    #[case(Span::seconds(119), "1m")]
    #[case(Span::minutes(125), "2h")]
    #[case(Span::DAY, "1d")]
    fn an_age_is_rounded_down(#[case] span: Span, #[case] words: &str) {
        assert_eq!(elapsed(span).text, words);
    }

    #[rstest]
    #[case(Span::ZERO, "0s")]
    #[case(Span::seconds(90), "1m 30s")]
    #[case(Span::millis(250), "250ms")]
    #[case(Span::micros(-1_005_001), "-1s 5ms 1µs")]
    fn an_exact_span_leaves_nothing_out(#[case] span: Span, #[case] words: &str) {
        assert_eq!(exact(span), words);
    }

    #[rstest]
    #[case("90s", 90)]
    #[case("15m", 900)]
    #[case("1h", 3600)]
    #[case("7d", 604_800)]
    #[case("1h30m", 5400)]
    #[case("0", 0)]
    fn durations_are_read_in_words(#[case] text: &str, #[case] seconds: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
    }

    #[rstest]
    #[case("90", InvalidDuration::Unreadable)]
    #[case("", InvalidDuration::Unreadable)]
    #[case("soon", InvalidDuration::Unreadable)]
    #[case("-5s", InvalidDuration::Unreadable)]
    #[case("99999999d", InvalidDuration::TooLong)]
    #[case("99999999999999y", InvalidDuration::TooLong)]
    fn what_is_no_duration_is_refused(#[case] text: &str, #[case] error: InvalidDuration) {
        assert_eq!(parse_duration(text), Err(error));
    }

    proptest! {
        #[test]
        fn words_hold_exactly_as_long_as_they_say(micros in 1i64..20 * YEAR.as_micros()) {
            let left = Span::micros(micros);
            let shown = remaining(left);
            prop_assert!(shown.holds > Span::ZERO);
            prop_assert_eq!(&remaining(left - (shown.holds - Span::MICRO)).text, &shown.text);
            prop_assert_ne!(&remaining(left - shown.holds).text, &shown.text);
        }

        #[test]
        fn ages_hold_exactly_as_long_as_they_say(micros in 0i64..20 * YEAR.as_micros()) {
            let passed = Span::micros(micros);
            let shown = elapsed(passed);
            prop_assert!(shown.holds > Span::ZERO);
            prop_assert_eq!(&elapsed(passed + shown.holds - Span::MICRO).text, &shown.text);
            prop_assert_ne!(&elapsed(passed + shown.holds).text, &shown.text);
        }
    }

    #[rstest]
    #[case(0, "0")]
    #[case(9_999, "9999")]
    #[case(10_000, "10.0k")]
    #[case(12_399, "12.3k")]
    #[case(999_999, "999.9k")]
    #[case(1_000_000, "1.0M")]
    #[case(9_999_999, "9.9M")]
    #[case(999_999_999, "999.9M")]
    #[case(1_000_000_000, "1.0G")]
    #[case(99_999_999_999_999, "99999G")]
    #[case(u64::MAX, ">99.9T")]
    fn a_count_fits_into_six_characters(#[case] n: u64, #[case] shown: &str) {
        assert_eq!(short(n), shown);
        assert!(shown.len() <= 6);
    }
}

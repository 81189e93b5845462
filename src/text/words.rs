//! Durations and ages in words, and the moment at which the words change.
//!
//! All times here are microseconds. A shown duration keeps with it how long it stays true, so that whoever shows it
//! can sleep exactly until the picture changes.

use std::fmt::Write as _;
use std::time::Duration;

/// One second in the unit of this module.
pub const SECOND: i64 = 1_000_000;
/// One minute in the unit of this module.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour in the unit of this module.
pub const HOUR: i64 = 60 * MINUTE;
/// One day in the unit of this module.
pub const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// A duration in the unit of this module; one that is too long for it is the longest.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A duration in words, and how long these words stay true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The words, as in `58m 54s`.
    pub text: String,
    /// The duration that the words name, in microseconds: what a bar beside them is drawn from, so both move at once.
    pub named: i64,
    /// Microseconds until the words change. `i64::MAX` when they never do.
    pub holds: i64,
}

/// The step in which a duration is told: seconds under an hour, then minutes, hours, days.
const fn step_of_remaining(micros: i64) -> i64 {
    match micros {
        m if m <= HOUR => SECOND,
        m if m <= DAY => MINUTE,
        m if m <= YEAR => HOUR,
        _ => DAY,
    }
}

/// A time that runs out, rounded **up**: it says `1s` until the very end, and at zero it is over.
///
/// `micros` is what is left; at or below zero the words are `0s`.
pub fn remaining(micros: i64) -> Shown {
    if micros <= 0 {
        return Shown { text: "0s".to_owned(), named: 0, holds: i64::MAX };
    }
    let step = step_of_remaining(micros);
    let named = micros.div_ceil_to(step);
    // The words change when what is left reaches the next lower multiple, told in that one's own step.
    Shown { text: words(named), named, holds: micros - (named - step) }
}

/// A time since something, rounded **down**: seconds in the first minute, then minutes, hours, days.
pub fn elapsed(micros: i64) -> Shown {
    let micros = micros.max(0);
    let step = match micros {
        m if m < MINUTE => SECOND,
        m if m < HOUR => MINUTE,
        m if m < DAY => HOUR,
        _ => DAY,
    };
    let named = micros - micros % step;
    let (n, unit) = match step {
        SECOND => (named / SECOND, 's'),
        MINUTE => (named / MINUTE, 'm'),
        HOUR => (named / HOUR, 'h'),
        _ => (named / DAY, 'd'),
    };
    Shown { text: format!("{n}{unit}"), named, holds: named.saturating_add(step) - micros }
}

/// A fixed span, such as a whole lifetime, exact to the second.
pub fn span(micros: i64) -> String {
    if micros < 0 {
        return format!("-{}", span(micros.saturating_neg()));
    }
    let mut rest = micros / SECOND;
    let mut out = String::new();
    for (unit, letter) in [(YEAR, 'y'), (DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm'), (SECOND, 's')] {
        let (n, left) = (rest / (unit / SECOND), rest % (unit / SECOND));
        if n > 0 {
            if !out.is_empty() {
                out.push(' ');
            }
            let _ = write!(out, "{n}{letter}");
        }
        rest = left;
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A fixed span, exact to the microsecond: `1m 30s`, `250ms`, `1s 5ms`.
pub fn exact(micros: i64) -> String {
    if micros < 0 {
        return format!("-{}", exact(micros.saturating_neg()));
    }
    let parts = [(micros % SECOND / 1000, "ms"), (micros % 1000, "µs")];
    let mut out = if micros >= SECOND { span(micros) } else { String::new() };
    for (n, unit) in parts.into_iter().filter(|(n, _)| *n > 0) {
        let gap = if out.is_empty() { "" } else { " " };
        let _ = write!(out, "{gap}{n}{unit}");
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A span as `words` tell it, with its sign: `+55m`, `-1d`.
pub fn with_sign(micros: i64, words: impl Fn(i64) -> String) -> String {
    let plus = if micros < 0 { "" } else { "+" };
    format!("{plus}{}", words(micros))
}

/// The two largest units of a span, the smaller one padded so that a ticking text keeps its width.
fn words(micros: i64) -> String {
    let seconds = micros / SECOND;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600, seconds / 60);
    match seconds {
        s if s < 60 => format!("{seconds}s"),
        s if s < 3600 => format!("{minutes}m {:02}s", seconds % 60),
        s if s < 86_400 => format!("{hours}h {:02}m", minutes % 60),
        s if s < 31_536_000 => format!("{days}d {:02}h", hours % 24),
        _ => format!("{}y {}d", days / 365, days % 365),
    }
}

/// How long a call took, in the unit that suits it.
pub fn took(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// The text is no duration in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADuration {
    /// It cannot be read as one.
    #[error("not a duration; write it as 90s, 15m, 1h, 7d or 1h30m")]
    Unreadable,
    /// Longer than any token time: beyond it there are no dates.
    #[error("longer than ten thousand years")]
    TooLong,
}

/// Reads a duration in words: `90s`, `15m`, `1h`, `7d`, `1h30m`, `0s`. A bare number has no unit and is refused, but for 0.
pub fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    let text = text.trim();
    if text.bytes().all(|b| b == b'0') && !text.is_empty() {
        return Ok(Duration::ZERO);
    }
    // Its capital letter is a month, one key away from a minute.
    if text.contains('M') {
        return Err(NotADuration::Unreadable);
    }
    let duration = humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::NumberOverflow => NotADuration::TooLong,
        _ => NotADuration::Unreadable,
    })?;
    if duration.as_secs() > 315_576_000_000 { Err(NotADuration::TooLong) } else { Ok(duration) }
}

/// Bytes in words: `243 B`, `1.0 KiB`, `1.0 MiB`.
pub fn bytes(n: usize) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{}.{} KiB", n / 1024, n % 1024 * 10 / 1024),
        _ => format!("{}.{} MiB", n / 1_048_576, n % 1_048_576 * 10 / 1_048_576),
    }
}

/// "1 permission", "3 permissions".
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

trait DivCeilTo {
    fn div_ceil_to(self, step: i64) -> i64;
}

impl DivCeilTo for i64 {
    /// The smallest multiple of `step` that is not below this positive number.
    fn div_ceil_to(self, step: i64) -> i64 {
        (self - 1) / step * step + step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(HOUR, "1h 00m")]
    #[case(HOUR - 1, "1h 00m")]
    #[case(HOUR - SECOND, "59m 59s")]
    #[case(3 * MINUTE, "3m 00s")]
    #[case(1, "1s")]
    #[case(0, "0s")]
    #[case(-5, "0s")]
    #[case(15 * SECOND, "15s")]
    #[case(DAY, "1d 00h")]
    #[case(7 * DAY, "7d 00h")]
    #[case(10 * YEAR, "10y 0d")]
    fn what_is_left_is_rounded_up(#[case] micros: i64, #[case] words: &str) {
        assert_eq!(remaining(micros).text, words);
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(59 * SECOND + 999_999, "59s")]
    #[case(60 * SECOND, "1m")]
    #[case(119 * SECOND, "1m")]
    #[case(2 * HOUR + 5 * MINUTE, "2h")]
    #[case(DAY, "1d")]
    fn an_age_is_rounded_down(#[case] micros: i64, #[case] words: &str) {
        assert_eq!(elapsed(micros).text, words);
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(90 * SECOND, "1m 30s")]
    #[case(250_000, "250ms")]
    #[case(-SECOND - 5_001, "-1s 5ms 1µs")]
    fn an_exact_span_leaves_nothing_out(#[case] micros: i64, #[case] words: &str) {
        assert_eq!(exact(micros), words);
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
    #[case("90", NotADuration::Unreadable)]
    #[case("", NotADuration::Unreadable)]
    #[case("soon", NotADuration::Unreadable)]
    #[case("-5s", NotADuration::Unreadable)]
    #[case("99999999d", NotADuration::TooLong)]
    #[case("99999999999999y", NotADuration::TooLong)]
    fn what_is_no_duration_is_refused(#[case] text: &str, #[case] error: NotADuration) {
        assert_eq!(parse_duration(text), Err(error));
    }

    proptest! {
        #[test]
        fn words_hold_exactly_as_long_as_they_say(micros in 1i64..20 * YEAR) {
            let shown = remaining(micros);
            prop_assert!(shown.holds > 0);
            prop_assert_eq!(&remaining(micros - (shown.holds - 1)).text, &shown.text);
            prop_assert_ne!(&remaining(micros - shown.holds).text, &shown.text);
        }

        #[test]
        fn ages_hold_exactly_as_long_as_they_say(micros in 0i64..20 * YEAR) {
            let shown = elapsed(micros);
            prop_assert!(shown.holds > 0);
            prop_assert_eq!(&elapsed(micros + shown.holds - 1).text, &shown.text);
            prop_assert_ne!(&elapsed(micros + shown.holds).text, &shown.text);
        }
    }
}

//! Parsers of option values, with their errors.

use std::time::Duration;

use crate::auth::NumericDate;
use crate::auth::issue::{InvalidTime, TimeInput};
use crate::endpoint::{Denial, Listing};
use crate::look::ThemeChoice;
use crate::text::words;

/// Why a value is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error(transparent)]
    TimeInput(#[from] InvalidTime),
    #[error("expected an RFC 3339 time such as 2026-11-22T20:41:05Z")]
    NotRfc3339,
    #[error("expected a time, got a duration; use --ttl")]
    Duration,
    #[error("expected a duration, got a time; use --expires")]
    Time,
    #[error("expected a duration such as 90s, 15m, 1h or -1m")]
    Span,
    #[error("expected http, tool or auto")]
    Denial,
    #[error("expected auto, dark, light, contrast or plain")]
    Theme,
    #[error("expected permitted or all")]
    Listing,
    #[error("expected a URL such as https://host/path")]
    Url,
    #[error("expected a whole number of calls of at least 1, or off")]
    Rate,
}

pub fn duration(text: &str) -> Result<Duration, words::InvalidDuration> {
    words::parse_duration(text)
}

pub fn instant(text: &str) -> Result<NumericDate, ValueError> {
    NumericDate::from_rfc3339(text).ok_or(ValueError::NotRfc3339)
}

pub fn time(text: &str) -> Result<NumericDate, ValueError> {
    match when(text).map_err(|_| ValueError::NotRfc3339)? {
        TimeInput::At(at) => Ok(at),
        TimeInput::In(_) => Err(ValueError::Duration),
    }
}

pub fn when(text: &str) -> Result<TimeInput, ValueError> {
    Ok(TimeInput::parse(text)?)
}

pub fn span(text: &str) -> Result<TimeInput, ValueError> {
    match when(text).map_err(|_| ValueError::Span)? {
        TimeInput::At(_) => Err(ValueError::Time),
        span @ TimeInput::In(_) => Ok(span),
    }
}

pub fn denial(text: &str) -> Result<Denial, ValueError> {
    let found = Denial::ALL.into_iter().find(|denial| denial.word() == text);
    found.ok_or(ValueError::Denial)
}

pub fn theme(text: &str) -> Result<ThemeChoice, ValueError> {
    ThemeChoice::named(text).ok_or(ValueError::Theme)
}

pub fn listing(text: &str) -> Result<Listing, ValueError> {
    let found = Listing::ALL.into_iter().find(|listing| listing.word() == text);
    found.ok_or(ValueError::Listing)
}

pub fn url(text: &str) -> Result<String, ValueError> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.chars().all(|c| c.is_ascii_graphic() && !"\"\\<>#?".contains(c))
    });
    if fits { Ok(text.to_owned()) } else { Err(ValueError::Url) }
}

/// Calls a second; `None` for any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<u32>);

pub fn rate(text: &str) -> Result<Rate, ValueError> {
    match (text, text.parse()) {
        ("off", _) => Ok(Rate(None)),
        (_, Ok(rate @ 1..)) => Ok(Rate(Some(rate))),
        _ => Err(ValueError::Rate),
    }
}

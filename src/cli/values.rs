//! Parsers of option values, with their errors.

use std::time::Duration;

use crate::auth::NumericDate;
use crate::auth::issue::{NotATime, When};
use crate::endpoint::{Denial, Listing};
use crate::look::ThemeChoice;
use crate::text::words;

/// Why a value is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    #[error(transparent)]
    When(#[from] NotATime),
    #[error("expected an RFC 3339 time such as 2026-11-22T20:41:05Z")]
    NotRfc3339,
    #[error("expected a time, got a duration; use --ttl")]
    Duration,
    #[error("expected a duration, got a time; use --expires")]
    Time,
    #[error("expected http, tool or auto")]
    Denial,
    #[error("expected auto, dark, light, contrast or plain")]
    Theme,
    #[error("expected permitted or all")]
    Listing,
    #[error("expected a URL such as https://host/path")]
    Url,
    #[error("expected a whole number of calls, or off")]
    Rate,
}

pub fn duration(text: &str) -> Result<Duration, words::NotADuration> {
    words::parse_duration(text)
}

pub fn instant(text: &str) -> Result<NumericDate, BadValue> {
    NumericDate::from_rfc3339(text).ok_or(BadValue::NotRfc3339)
}

pub fn time(text: &str) -> Result<NumericDate, BadValue> {
    match when(text)? {
        When::At(at) => Ok(at),
        When::In(_) => Err(BadValue::Duration),
    }
}

pub fn when(text: &str) -> Result<When, BadValue> {
    Ok(When::parse(text)?)
}

pub fn span(text: &str) -> Result<When, BadValue> {
    match when(text)? {
        When::At(_) => Err(BadValue::Time),
        span @ When::In(_) => Ok(span),
    }
}

pub fn denial(text: &str) -> Result<Denial, BadValue> {
    let found = Denial::ALL.into_iter().find(|denial| denial.word() == text);
    found.ok_or(BadValue::Denial)
}

pub fn theme(text: &str) -> Result<ThemeChoice, BadValue> {
    ThemeChoice::named(text).ok_or(BadValue::Theme)
}

pub fn listing(text: &str) -> Result<Listing, BadValue> {
    let found = Listing::ALL.into_iter().find(|listing| listing.word() == text);
    found.ok_or(BadValue::Listing)
}

pub fn url(text: &str) -> Result<String, BadValue> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.chars().all(|c| c.is_ascii_graphic() && !"\"\\<>#?".contains(c))
    });
    if fits { Ok(text.to_owned()) } else { Err(BadValue::Url) }
}

/// Calls a second; `None` for any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<u32>);

pub fn rate(text: &str) -> Result<Rate, BadValue> {
    match (text, text.parse()) {
        ("off", _) => Ok(Rate(None)),
        (_, Ok(rate @ 1..)) => Ok(Rate(Some(rate))),
        _ => Err(BadValue::Rate),
    }
}

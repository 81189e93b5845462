//! What an option's value must be, or a sentence that says so.

use std::time::Duration;

use crate::auth::NumericDate;
use crate::auth::issue::When;
use crate::endpoint::{Denial, Listing};
use crate::text::words;

pub fn duration(text: &str) -> Result<Duration, String> {
    words::parse_duration(text).map_err(|error| error.to_string())
}

pub fn instant(text: &str) -> Result<NumericDate, String> {
    NumericDate::from_rfc3339(text).ok_or_else(|| "not an RFC 3339 time; write it as 2026-11-22T20:41:05Z".to_owned())
}

pub fn time(text: &str) -> Result<NumericDate, String> {
    match when(text)? {
        When::At(at) => Ok(at),
        When::In(_) => Err("a duration; name it with --ttl".to_owned()),
    }
}

pub fn when(text: &str) -> Result<When, String> {
    When::parse(text).map_err(str::to_owned)
}

pub fn span(text: &str) -> Result<When, String> {
    match when(text)? {
        When::At(_) => Err("a time; name it with --expires".to_owned()),
        span @ When::In(_) => Ok(span),
    }
}

pub fn denial(text: &str) -> Result<Denial, String> {
    let found = Denial::ALL.into_iter().find(|denial| denial.word() == text);
    found.ok_or_else(|| "not http and not tool".to_owned())
}

pub fn listing(text: &str) -> Result<Listing, String> {
    let found = Listing::ALL.into_iter().find(|listing| listing.word() == text);
    found.ok_or_else(|| "not permitted and not all".to_owned())
}

pub fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.chars().all(|c| c.is_ascii_graphic() && !"\"\\<>#?".contains(c))
    });
    if fits { Ok(text.to_owned()) } else { Err("not a URL; write it as https://host/path".to_owned()) }
}

/// Calls a second; `None` for any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<u32>);

pub fn rate(text: &str) -> Result<Rate, String> {
    match (text, text.parse()) {
        ("off", _) => Ok(Rate(None)),
        (_, Ok(rate @ 1..)) => Ok(Rate(Some(rate))),
        _ => Err("not a whole number of calls, and not off".to_owned()),
    }
}

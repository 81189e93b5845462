//! What an option's value must be, or a sentence that says so.

use std::time::Duration;

use crate::auth::NumericDate;
use crate::auth::issue::When;
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

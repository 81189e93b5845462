//! Parsers of option values, with their errors.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::auth::issue::{InvalidTime, TimeInput};
use crate::auth::{Algorithm, NumericDate};
use crate::endpoint::{Denial, Listing, RateError, parse_rate};
use crate::lab::expected::ExpectedAnswer;
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
    #[error("expected allowed, forbidden, unauthorized or a reason code")]
    Expected,
    #[error(
        "expected HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA (Ed25519)"
    )]
    Algorithm,
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

pub fn algorithm(text: &str) -> Result<Algorithm, ValueError> {
    Algorithm::named(text).ok_or(ValueError::Algorithm)
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

/// A number of requests per second; `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<u32>);

pub fn rate(text: &str) -> Result<Rate, RateError> {
    parse_rate(text).map(Rate)
}

/// Parses the expected decision of `check`.
pub fn expected_decision() -> impl TypedValueParser<Value = ExpectedAnswer> {
    one_of(ExpectedAnswer::decisions())
}

/// Parses the expected answer to `call`.
pub fn expected_answer() -> impl TypedValueParser<Value = ExpectedAnswer> {
    one_of(ExpectedAnswer::calls())
}

/// Parses one of these words. clap suggests the nearest one for any other, and completions list them.
fn one_of(all: impl Iterator<Item = ExpectedAnswer>) -> impl TypedValueParser<Value = ExpectedAnswer> {
    let words: Vec<&'static str> = all.map(ExpectedAnswer::word).collect();
    PossibleValuesParser::new(words).try_map(|word| ExpectedAnswer::named(&word).ok_or(ValueError::Expected))
}

/// A shell with a completion script. `PowerShell` has none: the script that the engine makes for it evaluates the line
/// that is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash.
    Bash,
    /// elvish.
    Elvish,
    /// fish.
    Fish,
    /// zsh.
    Zsh,
}

impl Shell {
    /// Its name, as it is written on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Zsh => "zsh",
        }
    }
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

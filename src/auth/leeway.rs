//! The tolerance for clock differences.

use std::fmt;
use std::str::FromStr;

use super::date::NumericDate;
use crate::text::Span;
use crate::text::words::{self, InvalidDuration};

/// The longest leeway that may be configured, in seconds.
const MAX_SECONDS: u64 = 300;

/// Why a text is not a valid leeway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeewayError {
    /// It is not a duration.
    #[error("expected a duration of at most {MAX_SECONDS}s, such as 5s")]
    Duration(#[from] InvalidDuration),
    /// Too long, or with a fraction of a second.
    #[error("expected whole seconds, at most {MAX_SECONDS}s")]
    OutOfBounds,
}

/// Tolerance for clock differences: whole seconds, at most 300.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leeway(Span);

impl Leeway {
    /// No leeway.
    pub const NONE: Self = Self(Span::ZERO);

    /// The longest leeway that may be configured.
    pub const MAX: Self = Self::seconds(MAX_SECONDS);

    /// Creates a leeway of this many seconds, or the longest one if that is shorter.
    pub const fn seconds(seconds: u64) -> Self {
        let seconds = if seconds > MAX_SECONDS { MAX_SECONDS } else { seconds };
        Self(Span::seconds(seconds.cast_signed()))
    }

    /// The leeway as a span.
    pub const fn span(self) -> Span {
        self.0
    }
}

impl FromStr for Leeway {
    type Err = LeewayError;

    /// Parses a duration such as `30s`.
    fn from_str(text: &str) -> Result<Self, LeewayError> {
        let leeway = words::parse_duration(text)?;
        let fits = leeway.as_secs() <= MAX_SECONDS && leeway.subsec_nanos() == 0;
        if fits { Ok(Self::seconds(leeway.as_secs())) } else { Err(LeewayError::OutOfBounds) }
    }
}

impl fmt::Display for Leeway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::span(self.0))
    }
}

/// Returns the time until a token expires: `exp + leeway - now`. The token is valid while this is above zero. At the
/// instant `exp` (without leeway) it is zero, and the token has expired (RFC 7519 §4.1.4: "on or after").
pub fn remaining(now: NumericDate, exp: NumericDate, leeway: Leeway) -> Span {
    exp.since(now) + leeway.span()
}

/// Returns the time until a token becomes valid: `nbf - leeway - now`. The token is valid once this is zero or below
/// (RFC 7519 §4.1.5).
pub fn until_valid(now: NumericDate, nbf: NumericDate, leeway: Leeway) -> Span {
    nbf.since(now) - leeway.span()
}

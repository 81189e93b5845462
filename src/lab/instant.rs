//! An instant as people write it: relative to now, to a time of the token, or absolute. The clock of the console and the
//! cases of test plans are set to one.

use crate::auth::issue::TimeInput;
use crate::auth::{Lifetime, NumericDate};
use crate::text::{Span, words};

/// An instant, which is known only with now and a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    anchor: Anchor,
    offset: Span,
    /// How many times the leeway is added.
    leeways: i64,
}

/// The time that an instant counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Start,
    At(NumericDate),
    Claim(&'static str),
}

/// The text does not name an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected +55m, -1d, exp, exp - 1s, nbf, exp + leeway, or a time such as 2026-11-22T20:41:05Z")]
pub struct InvalidInstant;

/// The token has no readable time of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token has no readable {0}")]
pub struct NoSuchTime(&'static str);

impl Instant {
    /// Parses an instant.
    pub fn parse(text: &str) -> Result<Self, InvalidInstant> {
        let text = text.trim();
        let fixed = |anchor, offset| Self { anchor, offset, leeways: 0 };
        let begins = |name: &'static str| text.strip_prefix(name).map(|rest| (name, rest));
        let Some((claim, rest)) = ["iat", "nbf", "exp"].into_iter().find_map(begins) else {
            return match TimeInput::parse(text) {
                Ok(TimeInput::At(at)) => Ok(fixed(Anchor::At(at), Span::ZERO)),
                Ok(TimeInput::In(by)) if text.starts_with(['+', '-']) => Ok(fixed(Anchor::Start, by)),
                _ => Err(InvalidInstant),
            };
        };
        let mut instant = fixed(Anchor::Claim(claim), Span::ZERO);
        let mut rest = rest.trim();
        while !rest.is_empty() {
            let (sign, after) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
                (Some(after), _) => (1, after),
                (_, Some(after)) => (-1, after),
                (None, None) => return Err(InvalidInstant),
            };
            let (term, more) = after.split_at(after.find(['+', '-']).unwrap_or(after.len()));
            match term.trim() {
                "leeway" => instant.leeways += sign,
                term => {
                    let span = words::parse_duration(term).map_err(|_| InvalidInstant)?;
                    instant.offset = instant.offset + Span::from(span) * sign;
                }
            }
            rest = more;
        }
        Ok(instant)
    }

    /// Whether it counts from a time of the token.
    pub const fn needs_token(self) -> bool {
        matches!(self.anchor, Anchor::Claim(_))
    }

    /// Returns the instant, where now is `start` and a token has these times.
    pub fn resolve(self, start: NumericDate, life: &Lifetime) -> Result<NumericDate, NoSuchTime> {
        let from = match self.anchor {
            Anchor::Start => start,
            Anchor::At(at) => at,
            Anchor::Claim(name) => {
                let time = match name {
                    "iat" => life.iat,
                    "nbf" => life.nbf,
                    _ => life.exp,
                };
                time.ok_or(NoSuchTime(name))?
            }
        };
        Ok(from.plus(self.offset + life.leeway.span() * self.leeways))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Leeway;
    use rstest::rstest;

    #[rstest]
    #[case("+14m", 500 + 840)]
    #[case("-1s", 499)]
    #[case("exp", 1000)]
    #[case("exp - 1s", 999)]
    #[case("exp+leeway - 2s", 1003)]
    #[case("iat - leeway", 95)]
    #[case("1970-01-01T00:00:07Z", 7)]
    fn an_instant_counts_from_the_run_or_from_the_token(#[case] text: &str, #[case] seconds: i64) {
        let at = NumericDate::from_seconds;
        let life = Lifetime { iat: Some(at(100)), nbf: None, exp: Some(at(1000)), leeway: Leeway::seconds(5) };
        assert_eq!(Instant::parse(text).map(|instant| instant.resolve(at(500), &life)), Ok(Ok(at(seconds))));
        let without = Instant::parse("nbf").map(|instant| instant.resolve(at(500), &life));
        assert_eq!(without, Ok(Err(NoSuchTime("nbf"))));
    }

    #[rstest]
    #[case("")]
    #[case("soon")]
    #[case("55m")]
    #[case("exp 1s")]
    #[case("exp -")]
    #[case("expired")]
    fn another_text_is_not_an_instant(#[case] text: &str) {
        assert_eq!(Instant::parse(text), Err(InvalidInstant));
    }
}

//! The lifetime of a token, with the only comparison for decisions and the only countdown for display.

use super::date::NumericDate;
use super::leeway::{Leeway, remaining, until_valid};
use super::reason::Reason;
use crate::text::Span;

/// The times of one token, and the leeway they are judged with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// When the token was issued.
    pub iat: Option<NumericDate>,
    /// The token is not valid before this instant.
    pub nbf: Option<NumericDate>,
    /// When the token expires.
    pub exp: Option<NumericDate>,
    /// The tolerance for clock differences.
    pub leeway: Leeway,
}

/// The phase of a token's lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before `nbf - leeway`.
    NotYet {
        /// The time until it becomes valid.
        left: Span,
    },
    /// Between `nbf - leeway` and `nbf`: valid only because of the leeway.
    Early {
        /// The time until `nbf`.
        left: Span,
    },
    /// Valid.
    Live {
        /// The time until `exp`.
        left: Span,
    },
    /// Between `exp` and `exp + leeway`: valid only because of the leeway.
    Grace {
        /// The time until `exp + leeway`, when it expires.
        left: Span,
    },
    /// Expired.
    Expired {
        /// The time since `exp + leeway`.
        ago: Span,
    },
    /// The token has no readable `exp`.
    Endless,
}

impl Lifetime {
    /// Returns the phase at `now`.
    pub fn phase(&self, now: NumericDate) -> Phase {
        if let Some(left) = self.nbf.map(|nbf| until_valid(now, nbf, self.leeway)).filter(|left| *left > Span::ZERO) {
            return Phase::NotYet { left };
        }
        let Some(exp) = self.exp else {
            return Phase::Endless;
        };
        let left = remaining(now, exp, self.leeway);
        match left {
            _ if left <= Span::ZERO => Phase::Expired { ago: -left },
            _ if left <= self.leeway.span() => Phase::Grace { left },
            _ => match self.nbf.map(|nbf| nbf.since(now)).filter(|left| *left > Span::ZERO) {
                Some(left) => Phase::Early { left },
                None => Phase::Live { left: left - self.leeway.span() },
            },
        }
    }

    /// Makes the time check of the gate: first `nbf`, then `exp`.
    pub fn check(&self, now: NumericDate) -> Result<(), Reason> {
        let leeway = self.leeway;
        if let Some(from) = self.nbf.filter(|nbf| until_valid(now, *nbf, leeway) > Span::ZERO) {
            return Err(Reason::NotYetValid { from, leeway, now });
        }
        match self.exp {
            Some(exp) if remaining(now, exp, leeway) <= Span::ZERO => Err(Reason::Expired { exp, leeway, now }),
            Some(_) => Ok(()),
            None => Err(Reason::ClaimMissing { claim: "exp".into() }),
        }
    }

    /// Returns the instants at which the phase changes, in no particular order.
    pub fn borders(&self) -> impl Iterator<Item = NumericDate> {
        let begins = self.nbf.into_iter().flat_map(|nbf| [nbf.plus(-self.leeway.span()), nbf]);
        begins.chain(self.exp.into_iter().flat_map(|exp| [exp, exp.plus(self.leeway.span())]))
    }

    /// Returns the time from `now` to the next change of the phase; `None` after the last one.
    pub fn next_border(&self, now: NumericDate) -> Option<Span> {
        self.borders().map(|border| border.since(now)).filter(|left| *left > Span::ZERO).min()
    }

    /// Returns the time from `nbf`, or from `iat` without one, to `exp`; `None` if that is unknown or not positive.
    pub fn length(&self) -> Option<Span> {
        let from = self.nbf.or(self.iat)?;
        self.exp.map(|exp| exp.since(from)).filter(|length| *length > Span::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn life(nbf: Option<i64>, exp: i64, leeway: u64) -> Lifetime {
        Lifetime {
            iat: None,
            nbf: nbf.map(NumericDate::from_seconds),
            exp: Some(NumericDate::from_seconds(exp)),
            leeway: Leeway::seconds(leeway),
        }
    }

    #[rstest]
    #[case(0, 999, Phase::Live { left: Span::SECOND })]
    #[case(0, 1000, Phase::Expired { ago: Span::ZERO })]
    #[case(0, 1001, Phase::Expired { ago: Span::SECOND })]
    #[case(5, 999, Phase::Live { left: Span::SECOND })]
    #[case(5, 1000, Phase::Grace { left: Span::seconds(5) })]
    #[case(5, 1004, Phase::Grace { left: Span::SECOND })]
    #[case(5, 1005, Phase::Expired { ago: Span::ZERO })]
    #[case(0, 99, Phase::NotYet { left: Span::SECOND })]
    #[case(0, 100, Phase::Live { left: Span::seconds(900) })]
    #[case(5, 94, Phase::NotYet { left: Span::SECOND })]
    #[case(5, 95, Phase::Early { left: Span::seconds(5) })]
    #[case(5, 100, Phase::Live { left: Span::seconds(900) })]
    fn every_phase_has_its_second(#[case] leeway: u64, #[case] now: i64, #[case] phase: Phase) {
        assert_eq!(life(Some(100), 1000, leeway).phase(NumericDate::from_seconds(now)), phase);
    }

    proptest! {
        #[test]
        fn the_phase_stays_until_the_next_border(nbf in 0i64..50, exp in 0i64..50, leeway in 0u64..5, now in 0i64..60_000_000) {
            let life = life(Some(nbf), exp, leeway);
            let now = NumericDate::from_micros(now);
            let kind = |now| std::mem::discriminant(&life.phase(now));
            if let Some(left) = life.next_border(now) {
                prop_assert_eq!(kind(now), kind(now.plus(left - Span::MICRO)));
            } else {
                prop_assert_eq!(kind(now), kind(NumericDate::MAX));
            }
        }

        #[test]
        fn phase_and_check_never_disagree(nbf in proptest::option::of(0i64..50), exp in 0i64..50, leeway in 0u64..5, now in 0i64..60_000_000) {
            let life = life(nbf, exp, leeway);
            let now = NumericDate::from_micros(now);
            let alive = matches!(life.phase(now), Phase::Live { left } | Phase::Early { left } | Phase::Grace { left } if left > Span::ZERO);
            prop_assert_eq!(alive, life.check(now).is_ok());
        }
    }
}

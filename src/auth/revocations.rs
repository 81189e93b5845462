//! Revocations: tokens that are refused before they expire. Check 8 enforces them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::date::NumericDate;
use super::leeway::Leeway;
use super::reason::Reason;
use super::token::TokenId;
use crate::text::Span;

/// The target of a revocation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RevocationTarget {
    /// One token, by the SHA-256 of its text; the token itself is not stored.
    Token(TokenId),
    /// Every token with this `jti`.
    Jti(Box<str>),
}

/// When a target was revoked, and how long the revocation is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When it was revoked.
    pub at: NumericDate,
    /// The token's `exp`, after which it has expired anyway. `None` means forever.
    pub until: Option<NumericDate>,
    /// The token's user as written in it, for display.
    pub user: Option<Box<str>>,
}

/// All revocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations(BTreeMap<RevocationTarget, Revocation>);

/// If several rows have the same target, the last one is used.
impl FromIterator<(RevocationTarget, Revocation)> for Revocations {
    fn from_iter<I: IntoIterator<Item = (RevocationTarget, Revocation)>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl Revocations {
    /// Whether there are no revocations.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All revocations, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&RevocationTarget, &Revocation)> {
        self.0.iter()
    }

    /// The revocation of a target, if it is revoked.
    pub fn get(&self, what: &RevocationTarget) -> Option<&Revocation> {
        self.0.get(what)
    }

    /// Adds a revocation. A target that is already revoked keeps its revocation, until the later of the two ends.
    pub fn revoke(&mut self, what: RevocationTarget, since: Revocation) {
        match self.0.entry(what) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.until = known.until.zip(since.until).map(|(known, new)| known.max(new));
            }
            Entry::Vacant(place) => drop(place.insert(since)),
        }
    }

    /// Removes a revocation, and returns whether there was one.
    pub fn restore(&mut self, what: &RevocationTarget) -> bool {
        self.0.remove(what).is_some()
    }

    /// Removes revocations that are no longer needed at `now`, whatever the leeway is: those of tokens that expired
    /// more than the longest leeway plus one day ago. The extra day ensures that a clock that is wrong for a moment
    /// does not remove a revocation permanently.
    pub fn forget_dead(&mut self, now: NumericDate) {
        let grace = Leeway::MAX.span() + Span::DAY;
        self.0.retain(|_, since| since.until.is_none_or(|until| now < until.plus(grace)));
    }

    /// Makes check 8: neither this token nor its `jti` is revoked.
    pub fn check(&self, token: &str, jti: Option<&str>) -> Result<(), Reason> {
        // Usually there are no revocations; then the token is not hashed.
        if self.is_empty() { Ok(()) } else { self.look_up(token, jti) }
    }

    #[cold]
    fn look_up(&self, token: &str, jti: Option<&str>) -> Result<(), Reason> {
        self.check_id(TokenId::of(token), jti)
    }

    /// Like [`Revocations::check`], for a token of which only the hash is known.
    pub fn check_id(&self, token: TokenId, jti: Option<&str>) -> Result<(), Reason> {
        let by_jti = jti.map(|jti| RevocationTarget::Jti(jti.into()));
        let found = self.0.get(&RevocationTarget::Token(token));
        match (found, by_jti.as_ref().and_then(|jti| self.0.get(jti)), jti) {
            (Some(since), ..) => Err(Reason::Revoked { jti: None, at: since.at }),
            (None, Some(since), jti) => Err(Reason::Revoked { jti: jti.map(Into::into), at: since.at }),
            (None, None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;

    const AT: NumericDate = NumericDate::from_seconds(1_795_380_000);

    fn since(until: Option<i64>) -> Revocation {
        Revocation { at: AT, until: until.map(|seconds| AT.plus(Span::seconds(seconds))), user: None }
    }

    #[test]
    fn a_revocation_counts_until_its_token_is_dead_under_any_leeway() {
        let mut all = Revocations::default();
        all.revoke(RevocationTarget::Token(TokenId::of("a.b.c")), since(Some(60)));
        all.revoke(RevocationTarget::Jti("for ever".into()), since(None));
        all.forget_dead(AT.plus(Span::seconds(60 + 300) + Span::DAY - Span::MICRO));
        assert_eq!(all.iter().count(), 2);
        all.forget_dead(AT.plus(Span::seconds(60 + 300) + Span::DAY));
        assert_eq!(
            all.iter().map(|(what, _)| what.clone()).collect::<Vec<_>>(),
            [RevocationTarget::Jti("for ever".into())]
        );
    }

    #[test]
    fn what_is_revoked_again_stays_revoked_until_the_later_end() {
        let jti = || RevocationTarget::Jti("7".into());
        let mut all = Revocations::default();
        for (until, wanted) in
            [(Some(1), Some(1)), (Some(90), Some(90)), (Some(60), Some(90)), (None, None), (Some(9), None)]
        {
            all.revoke(jti(), since(until));
            assert_eq!(all.get(&jti()), Some(&since(wanted)));
        }
    }

    #[test]
    fn one_token_or_every_token_with_a_jti_is_meant() {
        let mut all = Revocations::default();
        assert_eq!(all.check("a.b.c", Some("7")), Ok(()));
        all.revoke(RevocationTarget::Token(TokenId::of("a.b.c")), since(None));
        assert!(all.check("a.b.c", None).is_err());
        assert_eq!(all.check("a.b.d", Some("7")), Ok(()));
        all.revoke(RevocationTarget::Jti("7".into()), since(None));
        assert_eq!(all.check("a.b.d", Some("7")), Err(Reason::Revoked { jti: Some("7".into()), at: AT }));
        assert!(all.restore(&RevocationTarget::Jti("7".into())) && !all.restore(&RevocationTarget::Jti("7".into())));
        assert_eq!(all.check("a.b.d", Some("7")), Ok(()));
    }
}

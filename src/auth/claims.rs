//! Typed claims of a well-formed payload, before verification.

use std::borrow::Cow;

use super::date::NumericDate;
use super::leeway::Leeway;
use super::lifetime::Lifetime;
use super::mapping::Mapping;
use super::members::{self, Member};
use super::reason::Reason;

/// The claims that the gate reads: `user_id` and `permissions` are our own, the others are from RFC 7519 §4.1. All
/// other claims are ignored. While a token is only being judged, the claims borrow from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims<S = String> {
    /// The user; not empty.
    pub user_id: S,
    /// The permissions, as written in the token.
    pub permissions: Vec<S>,
    /// When the token expires.
    pub exp: NumericDate,
    /// The token is not valid before this instant.
    pub nbf: Option<NumericDate>,
    /// When the token was issued.
    pub iat: Option<NumericDate>,
    /// The token's unique ID.
    pub jti: Option<S>,
    /// The issuer; `None` also if `iss` is not a string.
    pub iss: Option<S>,
    /// The audiences, if there is an `aud`; empty if it is neither a string nor an array of strings.
    pub aud: Option<Vec<S>>,
}

/// The expected value of `exp`, `nbf` and `iat`, for messages.
const A_TIME: &str = "seconds since the epoch between the years 0001 and 9999";

impl<'t> Claims<Cow<'t, str>> {
    /// Reads the claims from a payload's members, which contain no duplicates.
    pub(super) fn read(payload: &[Member<'t>], mapping: &Mapping) -> Result<Self, Reason> {
        let (mut exp, mut nbf, mut iat) = (None, None, None);
        let (mut jti, mut iss, mut aud) = (None, None, None);
        let audience = mapping.audience().name();
        for Member { name, value } in payload {
            match &**name {
                "exp" => exp = Some(time("exp", value)?),
                "nbf" => nbf = Some(time("nbf", value)?),
                "iat" => iat = Some(time("iat", value)?),
                "jti" => jti = members::string(value),
                "iss" => iss = members::string(value),
                name if name == audience => aud = Some(audiences(value)),
                _ => {}
            }
        }
        Ok(Self {
            user_id: mapping.user(payload)?,
            permissions: mapping.permissions(payload)?,
            exp: exp.ok_or(Reason::ClaimMissing { claim: "exp".into() })?,
            nbf,
            iat,
            jti,
            iss,
            aud,
        })
    }

    /// Converts to claims that do not borrow from the token.
    pub(super) fn into_owned(self) -> Claims {
        let owned = |all: Vec<Cow<'_, str>>| all.into_iter().map(Cow::into_owned).collect();
        Claims {
            user_id: self.user_id.into_owned(),
            permissions: owned(self.permissions),
            exp: self.exp,
            nbf: self.nbf,
            iat: self.iat,
            jti: self.jti.map(Cow::into_owned),
            iss: self.iss.map(Cow::into_owned),
            aud: self.aud.map(owned),
        }
    }
}

impl<S> Claims<S> {
    /// The token's times, with the leeway to judge them with.
    pub fn lifetime(&self, leeway: Leeway) -> Lifetime {
        Lifetime { iat: self.iat, nbf: self.nbf, exp: Some(self.exp), leeway }
    }
}

/// Returns the audiences named by a value of `aud`; empty if it is neither a string nor an array of strings.
pub(super) fn audiences(value: &str) -> Vec<Cow<'_, str>> {
    let one = members::string(value).map(|one| vec![one]);
    one.or_else(|| strings(value)).unwrap_or_default()
}

fn time(claim: &'static str, value: &str) -> Result<NumericDate, Reason> {
    NumericDate::from_json_number(value).ok_or_else(|| match members::kind_or_broken(value) {
        "a number" => invalid(claim, &crate::text::display_safe(value, 40), A_TIME),
        kind => invalid(claim, kind, A_TIME),
    })
}

/// Returns the strings of a JSON array of strings; `None` for anything else.
pub(super) fn strings(value: &str) -> Option<Vec<Cow<'_, str>>> {
    plain_strings(value).or_else(|| serde_json::from_str(value).ok())
}

/// A fast path of [`strings`] for nearly every token: an array without escapes, and without blanks between its strings,
/// in text that is known to be valid JSON. It saves a second parser run, a twentieth of a decision; the budget for a
/// whole decision is 0.45 × `jsonwebtoken::decode` (`cargo bench`).
fn plain_strings(value: &str) -> Option<Vec<Cow<'_, str>>> {
    let inner = value.strip_prefix("[\"")?.strip_suffix("\"]")?;
    let mut strings = Vec::new();
    let mut rest = inner.as_bytes().iter().all(|b| *b != b'\\').then_some(inner)?;
    while let Some((string, more)) = rest.split_once('"') {
        strings.push(Cow::Borrowed(string));
        rest = more.strip_prefix(",\"")?;
    }
    strings.push(Cow::Borrowed(rest));
    Some(strings)
}

fn invalid(claim: &'static str, found: &str, wanted: &'static str) -> Reason {
    Reason::ClaimInvalid { claim: claim.into(), found: found.into(), wanted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_array_is_read_as_the_parser_reads_it(pieces in proptest::collection::vec("[\\[\\]\",a\\\\ 1]{0,3}|\",\"|\"a\"|, ?", 0..6)) {
            let value = format!("[{}]", pieces.concat());
            // Values are taken from text that has already been parsed as JSON.
            if serde_json::from_str::<serde::de::IgnoredAny>(&value).is_ok() {
                prop_assert_eq!(strings(&value), serde_json::from_str(&value).ok(), "{}", value);
            }
        }
    }
}

//! Typed claims of a well-formed payload, before verification.

use std::borrow::Cow;

use super::audience::Audiences;
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
    /// The audiences, if a claim names them.
    pub aud: Option<Audiences<S>>,
}

/// The expected value of `exp`, `nbf` and `iat`, for messages.
const A_TIME: &str = "seconds since the epoch between the years 0001 and 9999";

impl<'t> Claims<Cow<'t, str>> {
    /// Reads the claims from a payload's members, which contain no duplicates.
    pub(super) fn read(payload: &[Member<'t>], mapping: &Mapping) -> Result<Self, Reason> {
        let (mut exp, mut nbf, mut iat) = (None, None, None);
        let (mut jti, mut iss) = (None, None);
        for Member { name, value } in payload {
            match &**name {
                "exp" => exp = Some(time("exp", value)?),
                "nbf" => nbf = Some(time("nbf", value)?),
                "iat" => iat = Some(time("iat", value)?),
                "jti" => jti = members::string(value),
                "iss" => iss = members::string(value),
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
            aud: mapping.audiences(|name| members::value(payload, name)),
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
            aud: self.aud.map(|aud| Audiences { claim: aud.claim, names: owned(aud.names) }),
        }
    }
}

impl<S> Claims<S> {
    /// The token's times, with the leeway to judge them with.
    pub fn lifetime(&self, leeway: Leeway) -> Lifetime {
        Lifetime { iat: self.iat, nbf: self.nbf, exp: Some(self.exp), leeway }
    }
}

fn time(claim: &'static str, value: &str) -> Result<NumericDate, Reason> {
    NumericDate::from_json_number(value).ok_or_else(|| match members::kind_or_broken(value) {
        "a number" => invalid(claim, &crate::text::display_safe(value, 40), A_TIME),
        kind => invalid(claim, kind, A_TIME),
    })
}

fn invalid(claim: &'static str, found: &str, wanted: &'static str) -> Reason {
    Reason::ClaimInvalid { claim: claim.into(), found: found.into(), wanted }
}

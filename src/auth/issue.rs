//! Issuing: claims in, a signed token out.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use serde_json::{Map, Value};

use super::date::NumericDate;
use super::rules::Rules;
use super::token;
use crate::text;

/// The lifetime of a token when nothing else is said: one hour, in seconds.
pub const LIFETIME_SECONDS: i64 = 3600;

/// What a token shall say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssueRequest {
    /// Who it speaks for.
    pub user_id: String,
    /// What it may do.
    pub permissions: Vec<String>,
    /// `exp`; one hour after issuing when it is not given.
    pub expires: Option<NumericDate>,
    /// `nbf`.
    pub not_before: Option<NumericDate>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// Further claims, none of which is one of the above.
    pub extra: Map<String, Value>,
}

/// Why no token was issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// A token for nobody would never verify.
    #[error("user_id is empty; a token must name somebody")]
    NoUser,
    /// A further claim would stand beside one of the token's own.
    #[error("extra claims: {} has a field of its own", text::name(.0, 48))]
    Reserved(String),
    /// The token would be refused as too large.
    #[error("the token would have {}; a token may have {}", text::words::bytes(*.0), text::words::bytes(token::MAX_BYTES))]
    TooLarge(usize),
    /// The library that signs refused.
    #[error("the token could not be signed")]
    Signing,
}

#[derive(Serialize)]
struct Payload<'a> {
    user_id: &'a str,
    permissions: &'a [String],
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<Value>,
    exp: Value,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

const RESERVED: [&str; 8] = ["user_id", "permissions", "iat", "nbf", "exp", "jti", "iss", "aud"];

/// Whole seconds where it is that, because some readers know no others.
fn date(time: NumericDate) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a date fit 53 bits to the microsecond until 2255")]
    if time.micros() % text::words::SECOND == 0 { time.seconds().into() } else { (time.micros() as f64 / 1e6).into() }
}

impl Rules {
    /// Signs a token with the ring's signing key. `iat` is `now` in whole seconds; `jti` is the caller's random number.
    pub fn issue(&self, request: &IssueRequest, jti: &str, now: NumericDate) -> Result<Arc<str>, IssueError> {
        if request.user_id.is_empty() {
            return Err(IssueError::NoUser);
        }
        if let Some(name) = request.extra.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(IssueError::Reserved(name.clone()));
        }
        let iat = now.seconds();
        let exp = request.expires.unwrap_or(NumericDate::from_seconds(iat + LIFETIME_SECONDS));
        let payload = Payload {
            user_id: &request.user_id,
            permissions: &request.permissions,
            iat,
            nbf: request.not_before.map(date),
            exp: date(exp),
            jti,
            iss: request.issuer.as_deref(),
            aud: request.audience.as_deref(),
            extra: &request.extra,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, self.keys.signing().signing());
        let token = token.map_err(|_| IssueError::Signing)?;
        if token.len() > token::MAX_BYTES { Err(IssueError::TooLarge(token.len())) } else { Ok(token.into()) }
    }
}

//! Issues tokens: claims in, a signed token out.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::date::NumericDate;
use super::keys::{KeyError, Signer};
use super::token::TokenLimit;
use crate::text::{self, Span};

/// The lifetime of a token whose request has no `exp`.
pub const LIFETIME: Span = Span::HOUR;

/// The claims and the header of a token to issue. The default header is `typ`, `alg` and the signer's `kid`, if it has
/// one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssueRequest {
    /// The user.
    pub user_id: String,
    /// The permissions.
    pub permissions: Vec<String>,
    /// `exp`; one hour after issuing if it is `None`.
    pub expires: Option<NumericDate>,
    /// `nbf`.
    pub not_before: Option<NumericDate>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// Further audiences, with which `aud` is an array.
    pub further_audiences: Vec<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `iat`; the time of issuing if it is `None`.
    pub issued_at: Option<NumericDate>,
    /// `jti`; a random ID if it is `None`.
    pub jti: Option<String>,
    /// The algorithm of the signature; the signer's usual one if it is `None`. The key must be able to make it.
    pub algorithm: Option<Algorithm>,
    /// Whether the token has no `exp`, whatever `expires` is. No gate of ours accepts such a token.
    pub has_no_expiry: bool,
    /// The `typ` of the header; `JWT` if it is `None`.
    pub token_type: Option<String>,
    /// Members of the header, which replace `typ` and `kid` or are added after them; `alg` is always the signer's.
    pub header: Map<String, Value>,
    /// Additional claims; none of them may have the name of one above.
    pub extra: Map<String, Value>,
}

/// Why no token was issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// `user_id` is empty; such a token would never be accepted.
    #[error("user_id is empty: expected a user name")]
    NoUser,
    /// An additional claim has a name that is reserved for the token's own claims.
    #[error("extra claims: {} must be set in its own field or option", text::name(.0, 48))]
    Reserved(String),
    /// The key cannot make signatures of the requested algorithm.
    #[error("{algorithm} cannot be made with this key: expected {expected}")]
    OtherAlgorithm {
        /// The algorithm.
        algorithm: Algorithm,
        /// The algorithms of the key, in words.
        expected: String,
    },
    /// An additional header member is `alg`, which the signer determines.
    #[error("header: alg cannot be set, it follows from the key and --alg")]
    ReservedHeader,
    /// The token would be refused as too large.
    #[error("the token would be {} long, expected at most {limit}", text::words::bytes(*.bytes))]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest accepted token.
        limit: TokenLimit,
    },
    /// A key that test tokens need cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Some of the test tokens would have times that a token cannot have.
    #[error("invalid time for test tokens: expected a year from 1980 to 9999")]
    NoSuchTime,
    /// There is no signing key.
    #[error("no key to sign with: expected --secret-file or --signing-key")]
    NoKey,
    /// The system's random number generator failed, so there is no `jti`.
    #[error("the system's random number generator failed")]
    NoRandomness,
    /// A claim cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Unwritable,
}

/// Converts a failure to write a claim as JSON. The claims were parsed from JSON, so it is not expected.
impl From<serde_json::Error> for IssueError {
    fn from(_: serde_json::Error) -> Self {
        Self::Unwritable
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    user_id: &'a str,
    permissions: &'a [String],
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<Value>,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Audiences<'a>>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// The value of `aud`: a string, or an array if there are several (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
enum Audiences<'a> {
    One(&'a str),
    Several(Vec<&'a str>),
}

impl<'a> Audiences<'a> {
    fn of(request: &'a IssueRequest) -> Option<Self> {
        let all = request.audience.iter().chain(&request.further_audiences).map(String::as_str);
        match all.collect::<Vec<_>>().as_slice() {
            [] => None,
            [only] => Some(Self::One(only)),
            several => Some(Self::Several(several.to_vec())),
        }
    }
}

const RESERVED: [&str; 8] = ["user_id", "permissions", "iat", "nbf", "exp", "jti", "iss", "aud"];

/// A time as entered by a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeInput {
    /// This long after issuing, or before it if negative.
    In(Span),
    /// At this instant.
    At(NumericDate),
}

/// The text is neither a duration nor a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as 90s, 15m, 1h, 7d or -1m, or a time such as 2026-11-22T20:41:05Z")]
pub struct InvalidTime;

impl TimeInput {
    /// Parses a duration (`1h`, `-1m`, `+15m`) or an instant (`2026-11-22T20:41:05Z`, `2026-11-22` for its first second
    /// in UTC, `1795380065` for seconds since the epoch).
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let text = text.trim();
        let midnight = || NumericDate::from_rfc3339(&format!("{text}T00:00:00Z"));
        // Fewer digits are more likely a duration without its unit.
        let epoch = || (text.len() >= 9).then(|| NumericDate::from_json_number(text)).flatten();
        if let Some(at) = NumericDate::from_rfc3339(text).or_else(midnight).or_else(epoch) {
            return Ok(Self::At(at));
        }
        let read = |text| text::words::parse_duration(text).map(Span::from).map_err(|_| InvalidTime);
        Ok(Self::In(match text.strip_prefix('-') {
            Some(text) => -read(text)?,
            None => read(text.strip_prefix('+').unwrap_or(text))?,
        }))
    }

    /// Returns the instant. Durations count from the whole second of issuing, as `iat` does.
    pub fn from(self, now: NumericDate) -> NumericDate {
        match self {
            Self::In(span) => now.whole_second().plus(span).min(NumericDate::LAST_SECOND),
            Self::At(at) => at,
        }
    }
}

impl Signer {
    /// Issues a token. Unless the request says otherwise, `iat` is `now` in whole seconds, and `jti` is the random ID
    /// from the caller.
    pub fn issue(&self, request: &IssueRequest, jti: &str, now: NumericDate) -> Result<Arc<str>, IssueError> {
        self.issue_within(TokenLimit::default(), request, jti, now)
    }

    /// Like [`Signer::issue`], for a gate that accepts tokens up to this size.
    pub fn issue_within(
        &self,
        limit: TokenLimit,
        request: &IssueRequest,
        jti: &str,
        now: NumericDate,
    ) -> Result<Arc<str>, IssueError> {
        if request.user_id.is_empty() {
            return Err(IssueError::NoUser);
        }
        // Without a subject of its own, the request may set `sub` among the additional claims.
        let is_reserved =
            |name: &&String| RESERVED.contains(&name.as_str()) || request.subject.is_some() && *name == "sub";
        if let Some(name) = request.extra.keys().find(is_reserved) {
            return Err(IssueError::Reserved(name.clone()));
        }
        if request.header.contains_key("alg") {
            return Err(IssueError::ReservedHeader);
        }
        let algorithm = request.algorithm.unwrap_or(self.algorithm());
        if algorithm != self.algorithm() && !self.verifier().algorithms().contains(&algorithm) {
            let expected = self.verifier().algorithms().iter().map(|own| own.name()).collect::<Vec<_>>().join(", ");
            return Err(IssueError::OtherAlgorithm { algorithm, expected });
        }
        let exp = request.expires.unwrap_or(now.whole_second().plus(LIFETIME));
        let payload = Payload {
            user_id: &request.user_id,
            permissions: &request.permissions,
            iat: request.issued_at.unwrap_or(now).seconds(),
            nbf: request.not_before.map(NumericDate::json_number),
            exp: (!request.has_no_expiry).then(|| exp.json_number()),
            jti: request.jti.as_deref().unwrap_or(jti),
            sub: request.subject.as_deref(),
            iss: request.issuer.as_deref(),
            aud: Audiences::of(request),
            extra: &request.extra,
        };
        let mut header = Map::new();
        header.insert("typ".to_owned(), request.token_type.as_deref().unwrap_or("JWT").into());
        header.insert("alg".to_owned(), algorithm.name().into());
        header.extend(self.verifier().kid().map(|kid| ("kid".to_owned(), kid.into())));
        header.extend(request.header.clone());
        let token =
            self.with_algorithm(algorithm).seal(&serde_json::to_string(&header)?, &serde_json::to_string(&payload)?);
        match token.len() {
            bytes if bytes > limit.bytes() => Err(IssueError::TooLarge { bytes, limit }),
            _ => Ok(token.into()),
        }
    }

    /// Signs a header and a payload as they are (RFC 7515 §7.1), even if they are invalid.
    pub(crate) fn seal(&self, header: &str, payload: &str) -> String {
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.sign(&token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("15s", Ok(TimeInput::In(Span::seconds(15))))]
    #[case("-1m", Ok(TimeInput::In(-Span::MINUTE)))]
    #[case("1970-01-01T00:00:05Z", Ok(TimeInput::At(NumericDate::from_seconds(5))))]
    #[case("1970-01-02", Ok(TimeInput::At(NumericDate::from_seconds(86_400))))]
    #[case("1795380065", Ok(TimeInput::At(NumericDate::from_seconds(1_795_380_065))))]
    fn times_are_read_in_words(#[case] text: &str, #[case] when: Result<TimeInput, InvalidTime>) {
        assert_eq!(TimeInput::parse(text), when);
    }
}

//! The classic test tokens, all made for one identity, each with the answer that a correct gate gives.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::auth::policy::DenialReason;
use crate::auth::{IssueError, KeyOrigin, NumericDate, Rules, Signer};
use crate::text;
use crate::text::Span;

/// The user and permissions in the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user_id: String,
    /// The permissions.
    pub permissions: Vec<String>,
}

impl Identity {
    /// The identity in words: `user123 (user)`; safe to show.
    pub fn words(&self) -> String {
        let held = text::names(self.permissions.iter(), 32, 4, ", ");
        let held = if held.is_empty() { "no permission" } else { &held };
        format!("{} ({held})", text::name(&self.user_id, 32))
    }
}

/// A kind of test token.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The fault in it, as a phrase.
    pub what: &'static str,
    /// The expected answer: a reason's code, or `allowed` if the policy allows the call.
    pub expected: &'static str,
    make: fn(&Maker<'_>) -> String,
}

const fn kind(name: &'static str, expected: &'static str, what: &'static str, make: fn(&Maker<'_>) -> String) -> Kind {
    Kind { name, what, expected, make }
}

/// Every test token, in the order of the calls.
pub const KIT: [Kind; 17] = [
    kind("good", "allowed", "a valid token", |m| m.signed(HS256, &m.claims())),
    kind("expired 1 s ago", "expired", "exp is 1 second plus the leeway in the past", |m| {
        m.signed(HS256, &m.with("exp", m.at(-Span::SECOND - m.leeway)))
    }),
    kind("expires in 10 s", "allowed", "exp is 10 seconds in the future", |m| {
        m.signed(HS256, &m.with("exp", m.at(Span::seconds(10))))
    }),
    kind("not yet valid", "not_yet_valid", "nbf is 30 seconds plus the leeway in the future", |m| {
        m.signed(HS256, &m.with("nbf", m.at(Span::seconds(30) + m.leeway)))
    }),
    kind("no exp", "claim_missing", "the token would never expire", |m| m.signed(HS256, &m.without("exp"))),
    kind("exp in ms", "claim_invalid", "exp is in milliseconds instead of seconds", |m| {
        m.signed(HS256, &m.with("exp", json!(m.now.plus(Span::HOUR).seconds() * 1000)))
    }),
    kind("wrong key", "bad_signature", "signed with another secret", signed_by_another),
    kind("alg none", "algorithm_refused", "alg is none, the signature is empty", |m| {
        m.signed(r#"{"alg":"none","typ":"JWT"}"#, &m.claims())
            .rsplit_once('.')
            .map_or_else(String::new, |(s, _)| format!("{s}."))
    }),
    kind("flipped payload", "bad_signature", "another user_id under the old signature", |m| {
        m.resigned(&m.with("user_id", json!(format!("{}2", m.identity.user_id))))
    }),
    kind("elevated rights", "bad_signature", "every permission under the old signature", |m| {
        m.resigned(&m.with("permissions", json!(m.everything())))
    }),
    kind("duplicate claim", "malformed", "user_id occurs twice", |m| {
        m.signed(HS256, &m.claims().replacen('{', r#"{"user_id":"somebody else","#, 1))
    }),
    kind("missing user_id", "claim_missing", "no user is named", |m| m.signed(HS256, &m.without("user_id"))),
    kind("wrong type", "claim_invalid", "permissions is a string", |m| {
        m.signed(HS256, &m.with("permissions", json!(m.everything().join(" "))))
    }),
    kind("crit", "header_refused", "the header requires an unknown extension (RFC 7515 §4.1.11)", |m| {
        m.signed(r#"{"alg":"HS256","typ":"JWT","crit":["exp"]}"#, &m.claims())
    }),
    kind("cut signature", "bad_signature", "only half of the signature", truncated),
    kind("RS256 over HMAC", "algorithm_refused", "alg is RS256, the signature our HMAC", |m| {
        m.signed(r#"{"alg":"RS256","typ":"JWT"}"#, &m.claims())
    }),
    kind("huge", "too_large", "a claim as large as the largest token", |m| {
        m.signed(HS256, &m.with("padding", json!("x".repeat(m.rules.token_limit.bytes()))))
    }),
];

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The earliest and the latest time for test tokens. Before the first, a time in milliseconds could be read as a date
/// in seconds; after the second, later times would not be dates.
const EARLIEST: NumericDate = NumericDate::from_seconds(10 * 365 * 86_400);
const LATEST: NumericDate = NumericDate::MAX.plus(Span::days(-1));

/// A secret that no issuer uses.
const ANOTHER: &[u8] = b"another secret, which signs nothing but test tokens";

/// A test token. Its `Debug` shows only the name.
#[derive(Clone)]
pub struct TestToken {
    /// Its name.
    pub name: &'static str,
    /// Its fault, as a phrase.
    pub what: &'static str,
    /// The token.
    pub token: Arc<str>,
    /// Its `jti`.
    pub jti: String,
    /// The expected answer: a reason's code, or `allowed`.
    pub expected: &'static str,
}

impl fmt::Debug for TestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestToken").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The inputs for making a token.
struct Maker<'a> {
    rules: &'a Rules,
    signer: &'a Signer,
    identity: &'a Identity,
    jti: String,
    /// A whole second, like `iat`.
    now: NumericDate,
    leeway: Span,
}

impl Maker<'_> {
    /// Returns the claims of a good token, as JSON.
    fn claims(&self) -> String {
        self.members(|_| true).to_string()
    }

    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.members(|_| true);
        claims[name] = value;
        claims.to_string()
    }

    /// Returns the value of a time claim `span` after now.
    fn at(&self, span: Span) -> Value {
        self.now.plus(span).json_number()
    }

    fn without(&self, name: &str) -> String {
        self.members(|member| member != name).to_string()
    }

    fn members(&self, keep: impl Fn(&str) -> bool) -> Value {
        let all = [
            ("user_id", json!(self.identity.user_id)),
            ("permissions", json!(self.identity.permissions)),
            ("iat", self.at(Span::ZERO)),
            ("exp", self.at(Span::HOUR)),
            ("jti", json!(self.jti)),
            ("iss", json!(self.rules.issuer())),
            ("aud", json!(self.rules.audience())),
        ];
        all.into_iter().filter(|(name, value)| keep(name) && !value.is_null()).map(|(n, v)| (n.to_owned(), v)).collect()
    }

    /// Returns every permission of the policy, those of the identity, and one that does not exist: always more than the
    /// good token has.
    fn everything(&self) -> Vec<String> {
        let mut all: Vec<String> = self.rules.policy.permissions().iter().map(ToString::to_string).collect();
        all.extend(self.identity.permissions.iter().filter(|held| !all.contains(held)).cloned().collect::<Vec<_>>());
        let mut more = "root".to_owned();
        while all.contains(&more) {
            more.push('+');
        }
        all.push(more);
        all
    }

    fn signed(&self, header: &str, payload: &str) -> String {
        self.signer.seal(header, payload)
    }

    /// Returns another payload with the signature of the good token.
    fn resigned(&self, payload: &str) -> String {
        let good = self.signed(HS256, &self.claims());
        let signature = good.rsplit('.').next().unwrap_or_default();
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(HS256), URL_SAFE_NO_PAD.encode(payload))
    }
}

fn truncated(maker: &Maker<'_>) -> String {
    let whole = maker.signed(HS256, &maker.claims());
    let (signed, signature) = whole.rsplit_once('.').unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes.get(..bytes.len() / 2).unwrap_or_default()))
}

fn signed_by_another(maker: &Maker<'_>) -> String {
    // This cannot fail: the constant is a valid key.
    let another = Signer::hs256(ANOTHER, KeyOrigin::Program);
    another.map(|signer| signer.seal(HS256, &maker.claims())).unwrap_or_default()
}

/// Makes the test tokens for an identity that calls a tool at `now`. The `jti` of each is unique: they are counted from
/// the caller's random number.
pub fn make(
    rules: &Rules,
    signer: &Signer,
    identity: &Identity,
    tool: &str,
    number: u128,
    now: NumericDate,
) -> Result<Vec<TestToken>, IssueError> {
    if !(EARLIEST..=LATEST).contains(&now) {
        return Err(IssueError::NoSuchTime);
    }
    if identity.user_id.is_empty() {
        return Err(IssueError::NoUser);
    }
    // The policy's decision about a valid token.
    let passing = match rules.policy.authorize(&identity.permissions, tool) {
        Err(DenialReason::UnknownTool) => "unknown_tool",
        Err(DenialReason::PermissionMissing(_)) => "permission_missing",
        Ok(_) => "allowed",
    };
    let made = (0u128..).zip(&KIT).map(|(n, kind)| {
        let jti = format!("{:032x}", number.wrapping_add(n));
        let (now, leeway) = (now.whole_second(), rules.leeway.span());
        let maker = Maker { rules, signer, identity, jti, now, leeway };
        let token = (kind.make)(&maker).into();
        let expected = if kind.expected == "allowed" { passing } else { kind.expected };
        TestToken { name: kind.name, what: kind.what, token, jti: maker.jti, expected }
    });
    let tokens: Vec<TestToken> = made.collect();
    // An identity may be so large that all its tokens exceed the size limit.
    let large = tokens.iter().filter(|token| token.expected != "too_large").map(|token| token.token.len()).max();
    match large {
        Some(bytes) if bytes > rules.token_limit.bytes() => {
            Err(IssueError::TooLarge { bytes, limit: rules.token_limit })
        }
        _ => Ok(tokens),
    }
}

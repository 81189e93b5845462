//! The classic test tokens, all made for one identity, each with the answer that a correct gate gives.
//!
//! [`KIT`] is the only table: the console, the command line, evidence and tests read it. `maker` makes the tokens.

mod maker;

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use self::Expected::{Always, By};
pub(in crate::lab) use self::maker::another_rsa;
use self::maker::{Keys, Maker, claim};
use crate::auth::keys::hs256;
use crate::auth::kind::IdTokens;
use crate::auth::policy::DenialReason;
use crate::auth::{Algorithm, IssueError, NumericDate, Rules, Signer, Verifier};
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
    expected: Expected,
    make: fn(&Maker<'_>) -> String,
}

/// The answer that a correct gate gives to a kind of test token: a reason's code, or [`PASSES`].
enum Expected {
    /// The same under every configuration.
    Always(&'static str),
    /// The answer depends on the keys and the issuer that are configured.
    By(fn(&Configured<'_>) -> &'static str),
}

/// The expected answer to a token that passes the checks of the token: the policy decides.
const PASSES: &str = "allowed";

const fn kind(name: &'static str, expected: Expected, what: &'static str, make: fn(&Maker<'_>) -> String) -> Kind {
    Kind { name, what, expected, make }
}

impl Kind {
    /// The expected answer under these rules: a reason's code, or `allowed` if the policy allows the call. The first key
    /// of our own issuer is taken for the signer's.
    pub fn expected(&self, rules: &Rules) -> &'static str {
        let key = rules.issuers.own().keys.iter().next();
        let algorithm = key.and_then(|key| key.algorithms().first()).copied().unwrap_or(Algorithm::Hs256);
        let (kid, without_permissions) = (key.and_then(Verifier::kid), "permission_missing");
        self.expected_by(&Configured { rules, algorithm, kid, without_permissions })
    }

    fn expected_by(&self, configured: &Configured<'_>) -> &'static str {
        match self.expected {
            Always(code) => code,
            By(expected) => expected(configured),
        }
    }
}

/// What an expectation depends on.
#[derive(Clone, Copy)]
struct Configured<'a> {
    rules: &'a Rules,
    /// The signer's algorithm.
    algorithm: Algorithm,
    /// The signer's `kid`.
    kid: Option<&'a str>,
    /// The answer to a valid token without permissions.
    without_permissions: &'static str,
}

impl Configured<'_> {
    /// The reason for a token with this `alg` and `kid` whose signature no configured key made.
    fn refused(&self, alg: Algorithm, kid: Option<&str>) -> &'static str {
        self.rules.selects_key(alg.name(), kid).map_or_else(|reason| reason.code(), |()| BAD_SIGNATURE)
    }

    /// [`Configured::refused`] for a header that names the signer's key.
    fn refused_as(&self, alg: Algorithm) -> &'static str {
        self.refused(alg, self.kid)
    }

    /// The ECDSA algorithm of test tokens: the signer's, or else ES256.
    fn ecdsa(&self) -> Algorithm {
        maker::ecdsa(self.algorithm)
    }
}

/// The answer to an ID token of our issuer. Where only the claims of tokens that are issued here are read, it lacks
/// those.
fn of_id_token(configured: &Configured<'_>) -> &'static str {
    let own = configured.rules.issuers.own();
    match own.mapping.id_tokens() {
        _ if own.require_typ => "wrong_type",
        _ if own.mapping.is_strict() => "claim_missing",
        IdTokens::Accepted => configured.without_permissions,
        IdTokens::ByNonce | IdTokens::ByHash => "wrong_type",
    }
}

const BAD_SIGNATURE: &str = "bad_signature";

/// A `kid` that no key has.
const NO_KEY: &str = "no-such-key";

/// The address of a key that does not exist: `.invalid` is reserved (RFC 2606 §2), so that a gate that follows it
/// reaches nobody.
const ELSEWHERE: &str = "https://keys.invalid/";

/// Every test token, in the order of the calls.
pub static KIT: [Kind; 32] = [
    kind("good", Always(PASSES), "a valid token", |m| m.signed(&m.claims())),
    kind("expired 1 s ago", Always("expired"), "exp is 1 second plus the leeway in the past", |m| {
        m.signed(&m.with("exp", m.at(-Span::SECOND - m.leeway)))
    }),
    kind("expires in 10 s", Always(PASSES), "exp is 10 seconds in the future", |m| {
        m.signed(&m.with("exp", m.at(Span::seconds(10))))
    }),
    kind("not yet valid", Always("not_yet_valid"), "nbf is 30 seconds plus the leeway in the future", |m| {
        m.signed(&m.with("nbf", m.at(Span::seconds(30) + m.leeway)))
    }),
    kind("no exp", Always("claim_missing"), "the token would never expire", |m| m.signed(&m.without(&["exp"]))),
    kind("exp in ms", Always("claim_invalid"), "exp is in milliseconds instead of seconds", |m| {
        m.signed(&m.with("exp", json!(m.now.plus(Span::HOUR).seconds() * 1000)))
    }),
    kind("wrong key", Always(BAD_SIGNATURE), "signed with another key under our kid", |m| {
        m.signed_by_other(&m.header(&[]))
    }),
    kind("alg none", Always("algorithm_refused"), "alg is none, the signature is empty", |m| {
        m.assemble(&m.header(&[claim("alg", "none")]), |_| Vec::new())
    }),
    kind("flipped payload", Always(BAD_SIGNATURE), "another user_id under the old signature", |m| {
        m.resigned(&m.with("user_id", json!(format!("{}2", m.identity.user_id))))
    }),
    kind("elevated rights", Always(BAD_SIGNATURE), "every permission under the old signature", |m| {
        m.resigned(&m.with("permissions", json!(m.everything())))
    }),
    kind("duplicate claim", Always("malformed"), "user_id occurs twice", |m| {
        m.signed(&m.claims().replacen('{', r#"{"user_id":"somebody else","#, 1))
    }),
    kind("missing user_id", Always("claim_missing"), "no user is named", |m| m.signed(&m.without(&["user_id"]))),
    kind("wrong type", Always("claim_invalid"), "permissions is not a list of strings", |m| {
        // Where claims are mapped, a string of words is a list.
        let is_strict = m.rules.issuers.own().mapping.is_strict();
        let wrong = if is_strict { json!(m.everything().join(" ")) } else { json!(7) };
        m.signed(&m.with("permissions", wrong))
    }),
    kind("crit", Always("header_refused"), "the header requires an unknown extension (RFC 7515 §4.1.11)", |m| {
        m.signed_under(&m.header(&[claim("crit", ["exp"])]), &m.claims())
    }),
    kind("cut signature", Always(BAD_SIGNATURE), "only half of the signature", |m| {
        m.assemble(&m.header(&[]), |text| {
            let whole = m.signer.sign(text);
            whole.get(..whole.len() / 2).unwrap_or_default().to_vec()
        })
    }),
    kind("RS256 over HMAC", By(|c| c.refused_as(Algorithm::Rs256)), "alg is RS256, the signature an HMAC", |m| {
        m.assemble(&m.header(&[claim("alg", "RS256")]), |text| m.hmac(text))
    }),
    kind(
        "HMAC with PEM",
        By(|c| c.refused_as(Algorithm::Hs256)),
        "alg is HS256, the secret the PEM of the public key (key confusion)",
        |m| m.assemble(&m.header(&[claim("alg", "HS256")]), |text| hs256(m.keys.pem().as_bytes(), text)),
    ),
    kind(
        "HMAC with DER",
        By(|c| c.refused_as(Algorithm::Hs256)),
        "alg is HS256, the secret the DER of the public key (key confusion)",
        |m| m.assemble(&m.header(&[claim("alg", "HS256")]), |text| hs256(&m.keys.der(), text)),
    ),
    kind(
        "HMAC with JWK",
        By(|c| c.refused_as(Algorithm::Hs256)),
        "alg is HS256, the secret the JWK of the public key (key confusion)",
        |m| m.assemble(&m.header(&[claim("alg", "HS256")]), |text| hs256(m.keys.jwk().as_bytes(), text)),
    ),
    kind(
        "embedded jwk",
        By(|c| c.refused_as(c.algorithm)),
        "the header contains the key that signed (RFC 7515 §4.1.3)",
        |m| m.signed_by_other(&m.header(&[("jwk", m.keys.other_jwk())])),
    ),
    kind(
        "jku",
        By(|c| c.refused_as(c.algorithm)),
        "the header names the URL of another key set (RFC 7515 §4.1.2)",
        |m| m.signed_by_other(&m.header(&[claim("jku", format!("{ELSEWHERE}jwks.json"))])),
    ),
    kind(
        "x5u",
        By(|c| c.refused_as(c.algorithm)),
        "the header names the URL of another certificate (RFC 7515 §4.1.5)",
        |m| m.signed_by_other(&m.header(&[claim("x5u", format!("{ELSEWHERE}key.pem"))])),
    ),
    kind(
        "unknown kid",
        // A key without a name accepts every kid, which is only a hint (RFC 7515 §4.1.4).
        By(|c| match (c.refused(c.algorithm, Some(NO_KEY)), c.kid) {
            (BAD_SIGNATURE, None) => PASSES,
            (code, _) => code,
        }),
        "signed with our key, but kid is unknown",
        |m| m.signed_under(&m.header(&[claim("kid", NO_KEY)]), &m.claims()),
    ),
    kind(
        "kid is a path",
        By(|c| c.refused(Algorithm::Hs256, Some(DEV_NULL))),
        "kid is the path of an empty file, whose content is the secret",
        |m| m.assemble(&m.header(&[claim("alg", "HS256"), claim("kid", DEV_NULL)]), |text| hs256(b"", text)),
    ),
    kind("zero signature", By(|c| c.refused_as(c.ecdsa())), "an ECDSA signature of zeros (CVE-2022-21449)", |m| {
        m.assemble(&m.header(&[claim("alg", m.ecdsa().name())]), |text| vec![0; m.keys.ecdsa.sign(text).len()])
    }),
    kind(
        "DER signature",
        By(|c| c.refused_as(c.ecdsa())),
        "an ECDSA signature as DER instead of fixed length (RFC 7518 §3.4)",
        |m| m.assemble(&m.header(&[claim("alg", m.ecdsa().name())]), |text| m.keys.der_signature(text)),
    ),
    kind("wrong curve", By(|c| c.refused_as(c.ecdsa())), "ECDSA signature from a curve that does not match alg", |m| {
        m.assemble(&m.header(&[claim("alg", m.ecdsa().name())]), |text| m.keys.other_curve.sign(text))
    }),
    kind(
        "other issuer's key",
        By(|c| c.refused(c.algorithm, Some(NO_KEY))),
        "our iss, but key and kid of another issuer",
        |m| m.signed_by_other(&m.header(&[claim("kid", NO_KEY)])),
    ),
    kind("ID token", By(of_id_token), "an ID token (nonce, at_hash) instead of an access token", |m| {
        m.signed_under(&m.header(&[claim("typ", "JWT")]), &m.id_claims())
    }),
    kind("aud array", Always(PASSES), "aud is an array that contains our audience", |m| {
        let ours = m.rules.audience().map_or("https://server.invalid/mcp", |audience| audience);
        m.signed(&m.with("aud", json!(["https://other.invalid/mcp", ours])))
    }),
    kind(
        "iss with slash",
        By(|c| match (c.rules.issuer(), c.rules.issuers.iter().count()) {
            (None, _) => PASSES,
            (Some(_), 1) => "issuer_mismatch",
            (Some(_), _) => "unknown_issuer",
        }),
        "iss has an extra trailing slash",
        |m| {
            let ours = m.rules.issuer().map_or("https://issuer.invalid", |issuer| issuer);
            m.signed(&m.with("iss", json!(format!("{ours}/"))))
        },
    ),
    kind("huge", Always("too_large"), "a claim as large as the largest token", |m| {
        m.signed(&m.with("padding", json!("x".repeat(m.rules.token_limit.bytes()))))
    }),
];

/// A path to a file that is empty on most systems. The depth does not matter: `..` in the root is the root.
const DEV_NULL: &str = "../../../../../../dev/null";

/// The earliest and the latest time for test tokens. Before the first, a time in milliseconds could be read as a date
/// in seconds; after the second, later times would not be dates.
const EARLIEST: NumericDate = NumericDate::from_seconds(10 * 365 * 86_400);
const LATEST: NumericDate = NumericDate::MAX.plus(Span::days(-1));

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

/// Makes the test tokens for an identity that calls a tool at `now`. The `jti` of each is unique: they are counted from
/// the caller's random number. Kinds that need a key of another kind than the signer's get a new one.
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
    let answer = |permissions: &[String]| match rules.policy.authorize(permissions, tool) {
        Err(DenialReason::UnknownTool) => "unknown_tool",
        Err(DenialReason::PermissionMissing(_)) => "permission_missing",
        Ok(_) => PASSES,
    };
    let passing = answer(&identity.permissions);
    let keys = Keys::new(signer)?;
    let (algorithm, kid) = (signer.algorithm(), signer.verifier().kid());
    let configured = Configured { rules, algorithm, kid, without_permissions: answer(&[]) };
    let made = (0u128..).zip(&KIT).map(|(n, kind)| {
        let jti = format!("{:032x}", number.wrapping_add(n));
        let (now, leeway) = (now.whole_second(), rules.leeway.span());
        let maker = Maker { rules, signer, keys: &keys, identity, jti, now, leeway };
        let token = (kind.make)(&maker).into();
        let expected = match kind.expected_by(&configured) {
            PASSES => passing,
            code => code,
        };
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

//! The table of probes: each makes a token or a request that differs from a good one in one respect.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::model::Model;
use crate::auth::algorithm::Family;
use crate::auth::{Algorithm, Signer};
use crate::text::Span;

/// How much depends on a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Degree {
    /// A sound server must answer so; another answer is a failure.
    Must,
    /// Good practice; another answer is a finding.
    Should,
    /// The leeway for clocks, which is measured and reported as a figure.
    Allowance,
}

/// The answer that a sound server gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It runs the tool.
    Accept,
    /// It refuses the token.
    Refuse,
    /// It refuses, or answers that the request is too large.
    RefuseOrTooLarge,
    /// Either answer is sound: it is measured.
    Either,
}

impl Expected {
    /// The expected answer, as a word.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Refuse => "refused",
            Self::RefuseOrTooLarge => "refused or too large",
            Self::Either => "accepted or refused",
        }
    }
}

/// A token and how the request carries it. It contains a token, so it has no `Debug`.
#[derive(Clone)]
pub enum Carried {
    /// As `Authorization: Bearer`.
    Bearer(String),
    /// As these values of `Authorization`, one header each.
    Authorization(Vec<String>),
    /// As a parameter of the query.
    Query(&'static str, String),
    /// As another header.
    Header(&'static str, String),
    /// Not at all.
    Nothing,
}

/// A probe.
pub struct Probe {
    /// The group, for reports.
    pub group: &'static str,
    /// The name.
    pub name: &'static str,
    /// What is different, as a phrase.
    pub what: &'static str,
    /// How much depends on it.
    pub degree: Degree,
    /// The answer of a sound server.
    pub wanted: Expected,
    /// Whether the quick run contains it.
    pub is_quick: bool,
    make: fn(&Model) -> Option<Carried>,
}

impl Probe {
    /// Makes the token; `None` where it does not apply: without a key, or to a token without that claim.
    pub fn make(&self, model: &Model) -> Option<Carried> {
        (self.make)(model)
    }

    /// Whether the server's answer to a wrong audience or issuer is a must, because its metadata say what it expects.
    pub fn binds_to(&self) -> Option<&'static str> {
        match self.group {
            "audience" => Some("aud"),
            "issuer" => Some("iss"),
            _ => None,
        }
    }
}

type Make = fn(&Model) -> Option<Carried>;

const fn probe(
    group: &'static str,
    name: &'static str,
    degree: Degree,
    wanted: Expected,
    what: &'static str,
    make: Make,
) -> Probe {
    Probe { group, name, what, degree, wanted, is_quick: false, make }
}

const fn must(group: &'static str, name: &'static str, what: &'static str, make: Make) -> Probe {
    probe(group, name, Degree::Must, Expected::Refuse, what, make)
}

const fn should(group: &'static str, name: &'static str, what: &'static str, make: Make) -> Probe {
    probe(group, name, Degree::Should, Expected::Refuse, what, make)
}

const fn accepts(group: &'static str, name: &'static str, what: &'static str, make: Make) -> Probe {
    probe(group, name, Degree::Should, Expected::Accept, what, make)
}

const fn clock(name: &'static str, what: &'static str, make: Make) -> Probe {
    probe("clock", name, Degree::Allowance, Expected::Either, what, make)
}

const fn quick(mut probe: Probe) -> Probe {
    probe.is_quick = true;
    probe
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every row's function")]
fn bearer(token: impl Into<String>) -> Option<Carried> {
    Some(Carried::Bearer(token.into()))
}

fn signed(model: &Model, payload: &str) -> Option<Carried> {
    model.signed(payload).map(Carried::Bearer)
}

fn under(model: &Model, header: &str) -> Option<Carried> {
    model.signed_under(header, &model.claims()).map(Carried::Bearer)
}

/// A token without a signature under this `alg`.
fn unsigned(model: &Model, alg: &str) -> Option<Carried> {
    bearer(model.assemble(&model.header_with(&[("alg", json!(alg))]), |_| Vec::new()))
}

/// A token signed with the public key's text as a secret.
fn confused(model: &Model, n: usize) -> Option<Carried> {
    let texts = model.public_texts();
    let (_, secret) = texts.get(n)?;
    bearer(model.hmac(secret, &[]))
}

/// A time claim, from now.
fn timed(model: &Model, claim: &str, seconds: i64) -> Option<Carried> {
    signed(model, &model.with(claim, model.at(Span::seconds(seconds))))
}

/// A token that expired so long ago, by claims that fit: it was issued before.
fn expired(model: &Model, seconds: i64) -> Option<Carried> {
    let mut claims = model.claims.clone();
    claims.insert("iat".to_owned(), model.at(-Span::HOUR - Span::seconds(seconds)));
    claims.insert("exp".to_owned(), model.at(-Span::seconds(seconds)));
    signed(model, &Value::Object(claims).to_string())
}

/// A segment that contains this text.
fn holding(model: &Model, n: usize, text: &str) -> Option<Carried> {
    match n {
        1 => model.signed(text).map(Carried::Bearer),
        _ => model.signed_under(text, &model.claims()).map(Carried::Bearer),
    }
}

/// A URL that leads nowhere: `.invalid` is reserved (RFC 2606 §2), so that a server that follows it reaches nobody.
const ELSEWHERE: &str = "https://keys.invalid/";

fn is_ecdsa(model: &Model) -> bool {
    let family = model.algorithm().map(Algorithm::family);
    matches!(family, Some(Family::P256 | Family::P384 | Family::P521))
}

/// The name of the good probe, which is sent first.
pub const GOOD: &str = "good token";

/// Every probe, in the order of the requests.
pub static PROBES: &[Probe] = &[
    quick(probe("good", GOOD, Degree::Must, Expected::Accept, "the token that the others differ from", |m| {
        bearer(m.good.clone())
    })),
    // Signature.
    quick(must("signature", "no signature", "the signature is empty", |m| bearer(m.with_segment(2, "")))),
    quick(must("signature", "changed signature", "one bit of the signature differs", |m| {
        bearer(m.signature_with(|bytes| {
            if let Some(byte) = bytes.get_mut(5) {
                *byte ^= 1;
            }
        }))
    })),
    must("signature", "half a signature", "only the first half of the signature", |m| {
        bearer(m.signature_with(|bytes| bytes.truncate(bytes.len() / 2)))
    }),
    must("signature", "signature and more", "the signature followed by an extra byte", |m| {
        bearer(m.signature_with(|bytes| bytes.push(0)))
    }),
    must("signature", "zero signature", "every byte of the signature is zero", |m| {
        bearer(m.signature_with(|bytes| bytes.fill(0)))
    }),
    quick(must(
        "signature",
        "another key",
        "signed with a key that the server does not know, under the same kid",
        |m| bearer(m.by_stranger(&m.header())),
    )),
    quick(must("signature", "more permissions", "more permissions under the old signature", |m| {
        bearer(m.resigned(&m.elevated()))
    })),
    must("signature", "another user", "another user under the old signature", |m| {
        bearer(m.resigned(&m.of_another_user()))
    }),
    must("signature", "later expiry", "a later exp under the old signature", |m| {
        bearer(m.resigned(&m.with("exp", m.at(Span::days(30)))))
    }),
    must("signature", "changed header", "another member in the header under the old signature", |m| {
        bearer(m.with_segment(0, &URL_SAFE_NO_PAD.encode(m.header_with(&[("x", json!(1))]))))
    }),
    // Algorithm.
    quick(must("algorithm", "alg none", "alg is none and the signature empty (RFC 7519 §6)", |m| unsigned(m, "none"))),
    must("algorithm", "alg None", "alg is None: none in different letter case", |m| unsigned(m, "None")),
    must("algorithm", "alg NONE", "alg is NONE, in another case", |m| unsigned(m, "NONE")),
    must("algorithm", "alg nOnE", "alg is nOnE, in another case", |m| unsigned(m, "nOnE")),
    must("algorithm", "alg none with a signature", "alg is none over the old signature", |m| {
        bearer(m.with_segment(0, &URL_SAFE_NO_PAD.encode(m.header_with(&[("alg", json!("none"))]))))
    }),
    must("algorithm", "alg missing", "the header names no algorithm, and there is no signature", |m| {
        bearer(m.assemble(&m.header_without("alg"), |_| Vec::new()))
    }),
    must("algorithm", "alg empty", "alg is an empty string, and there is no signature", |m| unsigned(m, "")),
    must("algorithm", "alg unknown", "alg is one that does not exist", |m| unsigned(m, "XS256")),
    must("algorithm", "empty secret", "alg is HS256, signed with an empty secret", |m| bearer(m.hmac(b"", &[]))),
    quick(must(
        "algorithm",
        "HMAC with PEM",
        "alg is HS256, the secret the PEM of the public key (key confusion)",
        |m| confused(m, 0),
    )),
    must("algorithm", "HMAC with PEM, trimmed", "the same without the last line break", |m| confused(m, 1)),
    must("algorithm", "HMAC with DER", "alg is HS256, the secret the DER of the public key", |m| confused(m, 2)),
    must("algorithm", "HMAC with JWK", "alg is HS256, the secret the JWK of the public key", |m| confused(m, 3)),
    must("algorithm", "secret: secret", "signed with a published secret, `secret`", |m| bearer(m.hmac(b"secret", &[]))),
    must("algorithm", "secret: changeme", "signed with a published secret, `changeme`", |m| {
        bearer(m.hmac(b"changeme", &[]))
    }),
    must("algorithm", "secret: your-256-bit-secret", "signed with the secret of a well-known example", |m| {
        bearer(m.hmac(b"your-256-bit-secret", &[]))
    }),
    must("algorithm", "secret: of another example", "signed with the secret of a well-known example", |m| {
        bearer(m.hmac(b"a-string-secret-at-least-256-bits-long", &[]))
    }),
    must("algorithm", "zero ECDSA signature", "an ECDSA signature of zeros (CVE-2022-21449)", |m| {
        bearer(m.by_ecdsa(|key, text| vec![0; key.sign(text).len()]))
    }),
    must("algorithm", "ECDSA by another key", "alg is ES256, by a key that the server does not know", |m| {
        bearer(m.by_ecdsa(Signer::sign))
    }),
    should("algorithm", "DER signature", "an ECDSA signature as DER instead of fixed length (RFC 7518 §3.4)", |m| {
        if !is_ecdsa(m) {
            return None;
        }
        let good = m.signed(&m.claims())?;
        let (text, signature) = good.rsplit_once('.')?;
        let fixed = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let der = crate::auth::keys::ecdsa_signature(&fixed);
        bearer(format!("{text}.{}", URL_SAFE_NO_PAD.encode(der)))
    }),
    should("algorithm", "another hash", "signed with the same key by another algorithm of its kind", |m| {
        let other = match m.algorithm()? {
            Algorithm::Hs256 => Algorithm::Hs384,
            Algorithm::Hs384 | Algorithm::Hs512 => Algorithm::Hs256,
            Algorithm::Rs256 => Algorithm::Rs384,
            Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => {
                Algorithm::Rs256
            }
            _ => return None,
        };
        m.signed_as(other).map(Carried::Bearer)
    }),
    // Keys in the header.
    must("key in header", "embedded jwk", "the header contains the key that signed (RFC 7515 §4.1.3)", |m| {
        bearer(m.by_stranger(&m.header_with(&[("jwk", m.stranger_jwk())])))
    }),
    must("key in header", "jku", "the header names the URL of another key set (RFC 7515 §4.1.2)", |m| {
        bearer(m.by_stranger(&m.header_with(&[("jku", json!(format!("{ELSEWHERE}jwks.json")))])))
    }),
    must("key in header", "x5u", "the header names the URL of another certificate (RFC 7515 §4.1.5)", |m| {
        bearer(m.by_stranger(&m.header_with(&[("x5u", json!(format!("{ELSEWHERE}key.pem")))])))
    }),
    must("key in header", "x5c", "the header contains an invalid certificate (RFC 7515 §4.1.6)", |m| {
        bearer(m.by_stranger(&m.header_with(&[("x5c", json!(["AAAA"]))])))
    }),
    must("key in header", "unknown kid", "signed with another key under a kid that does not exist", |m| {
        bearer(m.by_stranger(&m.header_with(&[("kid", json!("no-such-key"))])))
    }),
    must("key in header", "kid is a path", "kid is the path of an empty file, whose content is the secret", |m| {
        bearer(m.hmac(b"", &[("kid", json!("../../../../../../dev/null"))]))
    }),
    must("key in header", "kid with a query", "kid contains a database query whose result is the secret", |m| {
        bearer(m.hmac(b"x", &[("kid", json!("x' UNION SELECT 'x';--"))]))
    }),
    must("key in header", "kid with a command", "kid contains a shell command", |m| {
        bearer(m.by_stranger(&m.header_with(&[("kid", json!("key|true"))])))
    }),
    must("key in header", "kid is a number", "kid is not a string", |m| {
        bearer(m.by_stranger(&m.header_with(&[("kid", json!(7))])))
    }),
    // Header members.
    should("header", "crit unknown", "crit names an unknown extension (RFC 7515 §4.1.11)", |m| {
        under(m, &m.header_with(&[("crit", json!(["x-probe"])), ("x-probe", json!(1))]))
    }),
    should(
        "header",
        "crit of b64",
        "the header claims an unencoded payload (crit b64, RFC 7797), but the payload is encoded",
        |m| under(m, &m.header_with(&[("crit", json!(["b64"])), ("b64", json!(false))])),
    ),
    should("header", "alg twice", "the header names two algorithms", |m| {
        holding(m, 0, &m.header().replacen('{', r#"{"alg":"none","#, 1))
    }),
    should("header", "typ of a logout token", "typ is logout+jwt (RFC 8725 §3.11)", |m| {
        under(m, &m.header_with(&[("typ", json!("logout+jwt"))]))
    }),
    should("header", "typ of a security event", "typ is secevent+jwt (RFC 8417)", |m| {
        under(m, &m.header_with(&[("typ", json!("secevent+jwt"))]))
    }),
    accepts(
        "header",
        "unknown header member",
        "a further member in the header, which must be ignored (RFC 7515 §4)",
        |m| under(m, &m.header_with(&[("x-probe", json!("ignored"))])),
    ),
    accepts("header", "typ missing", "the header has no typ, which is optional (RFC 7519 §5.1)", |m| {
        under(m, &m.header_without("typ"))
    }),
    accepts("header", "typ at+jwt", "typ is at+jwt (RFC 9068)", |m| {
        under(m, &m.header_with(&[("typ", json!("at+jwt"))]))
    }),
    // Times.
    quick(must("time", "expired an hour ago", "exp is an hour in the past", |m| expired(m, 3600))),
    must("time", "expired ten minutes ago", "exp is ten minutes in the past", |m| expired(m, 600)),
    must("time", "exp zero", "exp is 0", |m| signed(m, &m.with("exp", json!(0)))),
    must("time", "exp negative", "exp is -1", |m| signed(m, &m.with("exp", json!(-1)))),
    quick(must("time", "valid in an hour", "nbf is an hour in the future", |m| timed(m, "nbf", 3600))),
    must("time", "valid in ten minutes", "nbf is ten minutes in the future", |m| timed(m, "nbf", 600)),
    quick(should("time", "no exp", "the token never expires", |m| signed(m, &m.without(&["exp"])))),
    should("time", "exp null", "exp is null", |m| signed(m, &m.with("exp", Value::Null))),
    should("time", "exp as a string", "exp is a string of digits (CVE-2026-25537)", |m| {
        signed(m, &m.with("exp", json!(m.now.plus(Span::HOUR).seconds().to_string())))
    }),
    should("time", "exp as a past string", "exp is a string, an hour in the past", |m| {
        signed(m, &m.with("exp", json!(m.now.plus(-Span::HOUR).seconds().to_string())))
    }),
    should("time", "exp in ms", "exp is in milliseconds: the token is valid for millennia", |m| {
        signed(m, &m.with("exp", json!(m.now.plus(Span::HOUR).seconds() * 1000)))
    }),
    should("time", "exp huge", "exp is 1e400, which no number can hold", |m| {
        signed(m, &m.claims().replacen(&format!("\"exp\":{}", m.at(Span::HOUR)), "\"exp\":1e400", 1))
            .filter(|_| m.has("exp"))
    }),
    should("time", "exp a list", "exp is a list", |m| signed(m, &m.with("exp", json!([m.at(Span::HOUR)])))),
    should("time", "exp true", "exp is true", |m| signed(m, &m.with("exp", json!(true)))),
    should("time", "exp twice", "exp occurs twice, first in the past (RFC 7519 §4)", |m| {
        let past = m.at(-Span::HOUR).to_string();
        signed(m, &m.twice("exp", &past)?)
    }),
    must(
        "time",
        "exp twice, valid first",
        "exp occurs twice, the last one in the past; a parser must use the last one or reject the token (RFC 7519 §4)",
        |m| {
            let claims = m.claims();
            let past = m.at(-Span::HOUR).to_string();
            let end = claims.rfind('}')?;
            signed(m, &format!("{},\"exp\":{past}}}", crate::text::head(&claims, end)))
        },
    ),
    should("time", "nbf as a string", "nbf is a string, an hour in the future", |m| {
        signed(m, &m.with("nbf", json!(m.now.plus(Span::HOUR).seconds().to_string())))
    }),
    accepts("time", "exp with a fraction", "exp has a fraction of a second, as RFC 7519 §2 allows", |m| {
        signed(m, &m.with("exp", m.at(Span::HOUR + Span::millis(500))))
    }),
    accepts("time", "no iat", "iat is missing, which is optional (RFC 7519 §4.1.6)", |m| {
        signed(m, &m.without(&["iat"]))
    }),
    // Allowance for clocks.
    clock("exp -1 s", "exp is 1 second in the past", |m| expired(m, 1)),
    clock("exp -5 s", "exp is 5 seconds in the past", |m| expired(m, 5)),
    clock("exp -15 s", "exp is 15 seconds in the past", |m| expired(m, 15)),
    clock("exp -29 s", "exp is 29 seconds in the past", |m| expired(m, 29)),
    clock("exp -45 s", "exp is 45 seconds in the past", |m| expired(m, 45)),
    clock("exp -61 s", "exp is 61 seconds in the past", |m| expired(m, 61)),
    clock("exp -121 s", "exp is 121 seconds in the past", |m| expired(m, 121)),
    clock("exp -301 s", "exp is 301 seconds in the past", |m| expired(m, 301)),
    clock("nbf +5 s", "nbf is 5 seconds in the future", |m| timed(m, "nbf", 5)),
    clock("nbf +15 s", "nbf is 15 seconds in the future", |m| timed(m, "nbf", 15)),
    clock("nbf +29 s", "nbf is 29 seconds in the future", |m| timed(m, "nbf", 29)),
    clock("nbf +45 s", "nbf is 45 seconds in the future", |m| timed(m, "nbf", 45)),
    clock("nbf +61 s", "nbf is 61 seconds in the future", |m| timed(m, "nbf", 61)),
    clock("nbf +121 s", "nbf is 121 seconds in the future", |m| timed(m, "nbf", 121)),
    clock("nbf +301 s", "nbf is 301 seconds in the future", |m| timed(m, "nbf", 301)),
    clock("iat +86400 s", "iat is a day in the future, which no specification forbids", |m| timed(m, "iat", 86_400)),
    // Binding.
    should("audience", "another audience", "aud is another server's", |m| {
        signed(m, &m.with("aud", json!("https://other.invalid/mcp")))
    }),
    should("audience", "no audience", "aud is missing", |m| signed(m, &m.without(&["aud"])).filter(|_| m.has("aud"))),
    should("audience", "audience list of others", "aud is a list of other servers", |m| {
        signed(m, &m.with("aud", json!(["https://other.invalid/mcp", "https://third.invalid"])))
    }),
    should("audience", "longer audience", "aud is the server's with a suffix", |m| {
        signed(m, &m.with("aud", json!(format!("{}.evil.invalid", m.string("aud")?))))
    }),
    should("audience", "shorter audience", "aud is a prefix of the server's", |m| {
        let aud = m.string("aud")?;
        let short = crate::text::head(aud, aud.len().saturating_sub(1));
        signed(m, &m.with("aud", json!(short))).filter(|_| !short.is_empty())
    }),
    should("audience", "empty audience", "aud is an empty list", |m| {
        signed(m, &m.with("aud", json!([]))).filter(|_| m.has("aud"))
    }),
    should("audience", "aud is a number", "aud is not a string", |m| {
        signed(m, &m.with("aud", json!(7))).filter(|_| m.has("aud"))
    }),
    accepts("audience", "audience in a list", "aud is a list that contains the server's (RFC 7519 §4.1.3)", |m| {
        let aud = m.string("aud")?;
        signed(m, &m.with("aud", json!(["https://other.invalid/mcp", aud])))
    }),
    should("issuer", "another issuer", "iss is another one, under the trusted key", |m| {
        signed(m, &m.with("iss", json!("https://other.invalid/"))).filter(|_| m.has("iss"))
    }),
    should("issuer", "no issuer", "iss is missing", |m| signed(m, &m.without(&["iss"])).filter(|_| m.has("iss"))),
    should("issuer", "issuer with a slash", "iss has an extra or a missing trailing slash", |m| {
        let iss = m.string("iss")?;
        let other = iss.strip_suffix('/').map_or_else(|| format!("{iss}/"), str::to_owned);
        signed(m, &m.with("iss", json!(other)))
    }),
    should("issuer", "issuer list", "iss is a list that contains the issuer", |m| {
        let iss = m.string("iss")?;
        signed(m, &m.with("iss", json!([iss])))
    }),
    // Kind of token.
    quick(should("kind", "ID token", "an ID token (nonce, at_hash) instead of an access token", |m| {
        let mut claims = m.claims.clone();
        // An ID token is for the client (OpenID Connect Core §2).
        claims.insert("aud".to_owned(), json!("a-client-of-the-provider"));
        claims.insert("nonce".to_owned(), json!("n-0S6_WzA2Mj"));
        claims.insert("at_hash".to_owned(), json!("77QmUPtjPfzWtF2AnpK9RQ"));
        signed(m, &Value::Object(claims).to_string())
    })),
    should("kind", "refresh token", "a refresh token: the claim typ, which names the kind here, is Refresh", |m| {
        m.string("typ")?;
        signed(m, &m.with("typ", json!("Refresh")))
    }),
    should("kind", "user twice", "sub occurs twice (RFC 7519 §4)", |m| {
        signed(m, &m.twice("sub", "\"somebody-else\"")?)
    }),
    // Form.
    must("form", "garbage", "the token is the word `garbage`", |_| bearer("garbage")),
    must("form", "two segments", "the token has no signature segment at all", |m| {
        bearer(format!("{}.{}", m.segment(0), m.segment(1)))
    }),
    must("form", "four segments", "the token has a fourth segment", |m| bearer(format!("{}.{}", m.good, m.segment(2)))),
    must("form", "five segments", "the token looks like an encrypted one (RFC 7516)", |m| {
        bearer(format!("{}..{}.{}.{}", m.segment(0), m.segment(1), m.segment(1), m.segment(2)))
    }),
    must("form", "empty segments", "the token is two dots", |_| bearer("..")),
    must("form", "payload is a list", "the payload is a JSON list", |m| holding(m, 1, "[]")),
    must("form", "payload is null", "the payload is null", |m| holding(m, 1, "null")),
    must("form", "payload is not JSON", "the payload is not JSON", |m| holding(m, 1, "hello")),
    must("form", "payload is empty", "the payload is empty", |m| holding(m, 1, "")),
    must("form", "header is not JSON", "the header is not JSON", |m| {
        bearer(m.with_segment(0, &URL_SAFE_NO_PAD.encode("hello")))
    }),
    must("form", "header is a list", "the header is a JSON list", |m| {
        bearer(m.with_segment(0, &URL_SAFE_NO_PAD.encode("[]")))
    }),
    should("form", "invalid UTF-8", "a claim is not UTF-8", |m| {
        let payload = m.claims();
        let mut bytes = payload.trim_end_matches('}').as_bytes().to_vec();
        bytes.extend_from_slice(b",\"x\":\"\xff\"}");
        m.signed_bytes(&bytes).map(Carried::Bearer)
    }),
    probe("form", "deep nesting", Degree::Should, Expected::Either, "a claim is nested 2,000 deep", |m| {
        let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
        let claims = m.claims();
        signed(m, &format!("{},\"x\":{deep}}}", claims.trim_end_matches('}')))
            .filter(|carried| matches!(carried, Carried::Bearer(token) if token.len() < 7000))
    }),
    should("form", "padded base64", "the segments are padded with = (RFC 7515 §2)", |m| {
        m.encoded(1, true).or_else(|| m.encoded(2, true)).and_then(bearer)
    }),
    should("form", "standard base64", "a segment uses + and / (RFC 7515 §2)", |m| {
        m.encoded(1, false).or_else(|| m.encoded(2, false)).and_then(bearer)
    }),
    probe(
        "form",
        "64 KiB token",
        Degree::Must,
        Expected::RefuseOrTooLarge,
        "the token is far too large and damaged",
        |m| bearer(format!("{}{}", m.good, "A".repeat(64 << 10))),
    ),
    // Carriage.
    quick(must("carriage", "no token", "there is no Authorization header", |_| Some(Carried::Nothing))),
    quick(must(
        "carriage",
        "token in the query",
        "the good token is in the query, as access_token (RFC 6750 §2.3)",
        |m| Some(Carried::Query("access_token", m.good.clone())),
    )),
    must("carriage", "token in the query as token", "the good token is in the query, as token", |m| {
        Some(Carried::Query("token", m.good.clone()))
    }),
    quick(must("carriage", "no scheme", "the Authorization header is the token alone", |m| {
        Some(Carried::Authorization(vec![m.good.clone()]))
    })),
    must("carriage", "Basic", "the scheme is Basic", |m| {
        Some(Carried::Authorization(vec![format!("Basic {}", m.good)]))
    }),
    should("carriage", "another scheme", "the scheme is Token", |m| {
        Some(Carried::Authorization(vec![format!("Token {}", m.good)]))
    }),
    must("carriage", "Bearer alone", "the scheme without a token", |_| {
        Some(Carried::Authorization(vec!["Bearer".to_owned()]))
    }),
    should("carriage", "two headers", "two Authorization headers, one good and one bad", |m| {
        Some(Carried::Authorization(vec!["Bearer garbage".to_owned(), format!("Bearer {}", m.good)]))
    }),
    should("carriage", "two headers, good first", "two Authorization headers, the good one first", |m| {
        Some(Carried::Authorization(vec![format!("Bearer {}", m.good), "Bearer garbage".to_owned()]))
    }),
    should("carriage", "two tokens in a header", "two tokens in one header, separated by a comma", |m| {
        Some(Carried::Authorization(vec![format!("Bearer garbage, Bearer {}", m.good)]))
    }),
    must("carriage", "cookie", "the good token is in a cookie", |m| {
        Some(Carried::Header("cookie", format!("access_token={}", m.good)))
    }),
    must("carriage", "another header", "the good token is in X-Access-Token", |m| {
        Some(Carried::Header("x-access-token", m.good.clone()))
    }),
    must("carriage", "forwarded header", "the good token is in X-Forwarded-Authorization", |m| {
        Some(Carried::Header("x-forwarded-authorization", format!("Bearer {}", m.good)))
    }),
    accepts(
        "carriage",
        "bearer in lower case",
        "the scheme in lower case, which is not case-sensitive (RFC 9110 §11.1)",
        |m| Some(Carried::Authorization(vec![format!("bearer {}", m.good)])),
    ),
];

/// How many probes a run makes.
pub fn planned(is_quick: bool) -> usize {
    PROBES.iter().filter(|probe| probe.is_quick || !is_quick).count()
}

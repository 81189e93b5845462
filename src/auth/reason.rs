//! Why a check failed, as data and as one sentence.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::algorithm::{Algorithm, Family};
use super::audience::AudienceClaim;
use super::check::{Check, Verdict};
use super::date::NumericDate;
use super::leeway::{self, Leeway};
use super::reason_table::{self, ReasonRow};
use super::token::{Fault, TokenLimit};
use crate::text::{self, words};

/// Why a check failed: the found and the expected value. The console clones it for every frame, so text from a token,
/// which may be a megabyte long, is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the rows of the reason table say what each means; fields are named for the claim they hold"
)]
pub enum Reason {
    MissingToken,
    TooLarge { bytes: usize, limit: TokenLimit },
    Malformed(Fault),
    UnknownIssuer { found: Option<Arc<str>>, known: Arc<[Arc<str>]> },
    AlgorithmRefused { found: Option<Arc<str>>, accepted: Arc<[Algorithm]> },
    HeaderRefused { member: &'static str },
    HeaderInvalid { member: &'static str, found: &'static str },
    UnknownKey { kid: Arc<str> },
    KeysUnavailable { why: Arc<str> },
    WrongType { found: Box<str>, wanted: &'static str },
    BadSignature,
    ClaimMissing { claim: Cow<'static, str> },
    ClaimInvalid { claim: Cow<'static, str>, found: Box<str>, wanted: &'static str },
    NotYetValid { from: NumericDate, leeway: Leeway, now: NumericDate },
    Expired { exp: NumericDate, leeway: Leeway, now: NumericDate },
    IssuerMismatch { found: Option<Arc<str>>, wanted: Arc<str> },
    AudienceMismatch { claim: AudienceClaim, found: Arc<[String]>, wanted: Arc<[Arc<str>]> },
    Revoked { jti: Option<Box<str>>, at: NumericDate },
    UnknownTool { tool: Box<str> },
    PermissionMissing { held: Arc<[String]>, needs: Arc<[Arc<str>]>, tool: Arc<str> },
}

impl Reason {
    /// Its row in the table of reasons.
    pub const fn row(&self) -> &'static ReasonRow {
        match self {
            Self::MissingToken => &reason_table::MISSING_TOKEN,
            Self::TooLarge { .. } => &reason_table::TOO_LARGE,
            Self::Malformed(_) => &reason_table::MALFORMED,
            Self::UnknownIssuer { .. } => &reason_table::UNKNOWN_ISSUER,
            Self::AlgorithmRefused { .. } => &reason_table::ALGORITHM_REFUSED,
            Self::HeaderRefused { .. } | Self::HeaderInvalid { .. } => &reason_table::HEADER_REFUSED,
            Self::UnknownKey { .. } => &reason_table::UNKNOWN_KEY,
            Self::KeysUnavailable { .. } => &reason_table::KEYS_UNAVAILABLE,
            Self::WrongType { .. } => &reason_table::WRONG_TYPE,
            Self::BadSignature => &reason_table::BAD_SIGNATURE,
            Self::ClaimMissing { .. } => &reason_table::CLAIM_MISSING,
            Self::ClaimInvalid { .. } => &reason_table::CLAIM_INVALID,
            Self::NotYetValid { .. } => &reason_table::NOT_YET_VALID,
            Self::Expired { .. } => &reason_table::EXPIRED,
            Self::IssuerMismatch { .. } => &reason_table::ISSUER_MISMATCH,
            Self::AudienceMismatch { .. } => &reason_table::AUDIENCE_MISMATCH,
            Self::Revoked { .. } => &reason_table::REVOKED,
            Self::UnknownTool { .. } => &reason_table::UNKNOWN_TOOL,
            Self::PermissionMissing { .. } => &reason_table::PERMISSION_MISSING,
        }
    }

    /// The reason's code, for scripts and servers.
    pub const fn code(&self) -> &'static str {
        self.row().code
    }

    /// The check that failed.
    pub const fn check(&self) -> Check {
        self.row().check
    }

    /// Whether the key that a token was signed with may be a new one of its issuer, of which only the previous keys are
    /// known.
    pub fn may_be_new_key(&self) -> bool {
        match self {
            Self::UnknownKey { .. } => true,
            Self::AlgorithmRefused { found: Some(alg), .. } => {
                Algorithm::named(alg).is_some_and(|alg| alg.family() != Family::Hmac)
            }
            _ => false,
        }
    }

    /// The verdict for a call that is refused for this reason.
    pub fn verdict(&self) -> Verdict {
        self.row().verdict()
    }
}

const NAME: usize = 64;

/// The longest issuer or audience shown, in characters: they are addresses, which are longer than names and useless
/// when truncated.
const ADDRESS: usize = 256;

/// [`names`] of issuers or audiences.
fn addresses(list: &[impl AsRef<str>], join: &str) -> String {
    text::names(list.iter(), ADDRESS, 8, join)
}

/// Returns a small difference between a found and an expected address that is easy to overlook, as the end of a
/// sentence.
fn difference<'a>(found: impl Iterator<Item = &'a str>, wanted: &[Arc<str>]) -> &'static str {
    type Same = fn(&str, &str) -> bool;
    let scheme = |text: &str| text.strip_prefix("https://").or(text.strip_prefix("http://")).map(str::to_owned);
    let is_http = move |a: &str, b: &str| scheme(a).is_some() && scheme(a) == scheme(b);
    let small: [(Same, &str); 3] = [
        (|a, b| a.trim_end_matches('/') == b.trim_end_matches('/'), "; only the trailing slash differs"),
        (str::eq_ignore_ascii_case, "; only the case differs"),
        (|a, b| a.trim() == b.trim(), "; only the spaces around it differ"),
    ];
    let pairs: Vec<(&str, &str)> = found.take(64).flat_map(|a| wanted.iter().map(move |b| (a, &**b))).collect();
    let by = |same: &dyn Fn(&str, &str) -> bool| pairs.iter().any(|(a, b)| same(a, b));
    let named = small.iter().find(|(same, _)| by(same)).map(|(_, words)| *words);
    named.or_else(|| by(&is_http).then_some("; only http and https differ")).unwrap_or_default()
}

fn names(list: &[impl AsRef<str>], join: &str) -> String {
    text::names(list.iter(), NAME, 8, join)
}

/// Formats one sentence without a full stop: the found and the expected value. Safe to show.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingToken => f.write_str("no token was sent; calling a tool requires one"),
            Self::TooLarge { bytes, limit } => {
                let (has, most) = (words::bytes(*bytes), limit.to_string());
                // Just above the limit, both would be rounded to the same text.
                let has = if has == most { format!("{bytes} bytes") } else { has };
                write!(f, "the token is {has} long, expected at most {most}")
            }
            Self::Malformed(fault) => fault.fmt(f),
            Self::UnknownIssuer { found, known } => {
                let differs = difference(found.as_deref().into_iter(), known);
                let known = addresses(known, " or ");
                match found {
                    Some(found) => {
                        write!(f, "iss is {}, expected {known}{differs}", text::name(found, ADDRESS))
                    }
                    None => write!(f, "the token has no issuer (iss), expected {known}"),
                }
            }
            Self::AlgorithmRefused { found: None, accepted } => {
                write!(f, "the header has no alg{}", only(accepted))
            }
            Self::AlgorithmRefused { found: Some(found), accepted } if found.eq_ignore_ascii_case("none") => {
                write!(f, "alg is {}: the token is not signed{}", text::name(found, NAME), only(accepted))
            }
            Self::AlgorithmRefused { found: Some(found), accepted } if accepted.is_empty() => {
                let found = text::name(found, NAME);
                write!(f, "no key is configured, so the {found} signature cannot be checked")
            }
            Self::AlgorithmRefused { found: Some(found), accepted } => {
                let found = text::name(found, NAME);
                write!(f, "no key for {found} here{}", only(accepted))
            }
            Self::HeaderRefused { member } => {
                write!(f, "the header requires {member}, which this gate does not support")
            }
            Self::HeaderInvalid { member, found } => write!(f, "{member} is {found}, expected a string"),
            Self::UnknownKey { kid } => {
                write!(f, "kid is {}, which is not a known key", text::name(kid, NAME))
            }
            Self::KeysUnavailable { why } => write!(f, "the issuer's keys are not available: {why}"),
            Self::WrongType { found, wanted } => write!(f, "the token is {found}, expected {wanted}"),
            Self::BadSignature => f.write_str("invalid signature: signed with another key, or changed since"),
            Self::ClaimMissing { claim } => write!(f, "the claim {claim} is missing"),
            Self::ClaimInvalid { claim, found, wanted } => {
                write!(f, "the claim {claim} is {found}, expected {wanted}")
            }
            Self::NotYetValid { from, leeway, now } => {
                write!(
                    f,
                    "not valid until {}{}, in {}",
                    from.rfc3339(),
                    with_leeway(*leeway),
                    words::remaining(leeway::until_valid(*now, *from, *leeway)).text
                )
            }
            Self::Expired { exp, leeway, now } => {
                let ago = words::elapsed(-leeway::remaining(*now, *exp, *leeway)).text;
                write!(f, "expired at {}{}, {ago} ago", exp.rfc3339(), with_leeway(*leeway))
            }
            Self::IssuerMismatch { found, wanted } => {
                let differs = difference(found.as_deref().into_iter(), std::slice::from_ref(wanted));
                let wanted = text::name(wanted, ADDRESS);
                match found {
                    Some(found) => write!(f, "iss is {}, expected {wanted}{differs}", text::name(found, ADDRESS)),
                    None => write!(f, "the token has no issuer (iss), expected {wanted}"),
                }
            }
            Self::AudienceMismatch { claim, found, wanted } => {
                let claim = claim.name();
                let differs = difference(found.iter().map(String::as_str), wanted);
                let wanted = addresses(wanted, " or ");
                if found.is_empty() {
                    return write!(f, "the token has no audience ({claim}), expected {wanted}");
                }
                write!(f, "{claim} is {}, expected {wanted}{differs}", addresses(found, ", "))
            }
            Self::Revoked { jti: None, at } => write!(f, "the token was revoked at {}", at.rfc3339()),
            Self::Revoked { jti: Some(jti), at } => {
                write!(f, "every token with the jti {} was revoked at {}", text::name(jti, NAME), at.rfc3339())
            }
            Self::UnknownTool { tool } => write!(f, "the policy has no tool {}", text::name(tool, NAME)),
            Self::PermissionMissing { held, needs, tool } => {
                let tool = text::name(tool, NAME);
                let held = if held.is_empty() { "no permission".to_owned() } else { names(held, ", ") };
                if needs.is_empty() {
                    return write!(f, "the token holds {held}; the policy lists no permission for {tool}");
                }
                write!(f, "the token holds {held}; {tool} needs {}", names(needs, " or "))
            }
        }
    }
}

fn only(accepted: &[Algorithm]) -> String {
    let names: Vec<&str> = accepted.iter().map(|algorithm| algorithm.name()).collect();
    if names.is_empty() { String::new() } else { format!(", expected {}", names.join(" or ")) }
}

fn with_leeway(leeway: Leeway) -> String {
    if leeway == Leeway::NONE { String::new() } else { format!(" (leeway {leeway})") }
}

/// Users of the library get a refusal as an error.
impl std::error::Error for Reason {}

//! Checks, reasons and decisions as data. The codes are an interface: scripts and servers read them.

use std::fmt;
use std::sync::Arc;

use super::date::NumericDate;
use super::policy::Grant;
use super::token::{self, Fault};
use crate::text::{self, words};

pub use super::reasons::{REASONS, ReasonRow, reasons_markdown};

/// One step of the gate, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A token is present, and not too large.
    Present,
    /// Three segments, strict base64url, JSON objects without duplicate members.
    Structure,
    /// The header asks for an algorithm and a key that we hold, and for nothing we do not do.
    Header,
    /// The signature fits.
    Signature,
    /// The claims that are needed are there and well typed.
    Claims,
    /// `nbf <= now + leeway`, and `now < exp + leeway`.
    Time,
    /// Issuer and audience are those expected.
    Binding,
    /// Neither the token nor its `jti` is revoked.
    Revocation,
    /// The policy knows the tool.
    Tool,
    /// The principal holds one of the tool's permissions.
    Permission,
}

impl Check {
    /// Every check, in order.
    pub const ALL: [Self; 10] = [
        Self::Present,
        Self::Structure,
        Self::Header,
        Self::Signature,
        Self::Claims,
        Self::Time,
        Self::Binding,
        Self::Revocation,
        Self::Tool,
        Self::Permission,
    ];

    /// What it says in a trace when it passed; a noun phrase.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Present => "token present",
            Self::Structure => "well formed",
            Self::Header => "algorithm and key",
            Self::Signature => "signature",
            Self::Claims => "claims well typed",
            Self::Time => "time",
            Self::Binding => "issuer and audience",
            Self::Revocation => "not revoked",
            Self::Tool => "tool known",
            Self::Permission => "permission held",
        }
    }

    /// The check as scripts read it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Structure => "structure",
            Self::Header => "header",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Time => "time",
            Self::Binding => "binding",
            Self::Revocation => "revocation",
            Self::Tool => "tool",
            Self::Permission => "permission",
        }
    }

    /// The light it belongs to; the last two are about the tool and belong to none.
    pub const fn light(self) -> Option<Light> {
        match self {
            Self::Present | Self::Structure => Some(Light::Structure),
            Self::Header | Self::Signature => Some(Light::Signature),
            Self::Claims | Self::Binding | Self::Revocation => Some(Light::Claims),
            Self::Time => Some(Light::Time),
            Self::Tool | Self::Permission => None,
        }
    }
}

/// The four lights of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the words on the screen")]
pub enum Light {
    Structure,
    Signature,
    Time,
    Claims,
}

impl Light {
    /// Every light, in the order shown.
    pub const ALL: [Self; 4] = [Self::Structure, Self::Signature, Self::Time, Self::Claims];

    /// The word beside it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Signature => "signature",
            Self::Time => "time",
            Self::Claims => "claims",
        }
    }

    /// The word where room is short.
    pub const fn short_word(self) -> &'static str {
        match self {
            Self::Structure => "struct",
            Self::Signature => "sign",
            Self::Time | Self::Claims => self.word(),
        }
    }
}

/// Why a check failed: what was found, and what was wanted. A screen clones it with every frame, so what came from a
/// token, which may be a megabyte, is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the codes of REASONS say what each means; fields are named for the claim they hold")]
pub enum Reason {
    MissingToken,
    TooLarge { bytes: usize },
    Malformed(Fault),
    AlgorithmRefused { found: Option<Arc<str>>, held: Option<&'static str> },
    HeaderRefused { member: &'static str },
    HeaderInvalid { member: &'static str, found: &'static str },
    UnknownKey { kid: Arc<str> },
    BadSignature,
    ClaimMissing { claim: &'static str },
    ClaimInvalid { claim: &'static str, found: Box<str>, wanted: &'static str },
    NotYetValid { from: NumericDate, leeway: i64, now: NumericDate },
    Expired { exp: NumericDate, leeway: i64, now: NumericDate },
    IssuerMismatch { found: Option<Arc<str>>, wanted: Arc<str> },
    AudienceMismatch { found: Arc<[String]>, wanted: Arc<str> },
    Revoked { jti: Option<Box<str>>, at: NumericDate },
    UnknownTool { tool: Box<str> },
    PermissionMissing { held: Arc<[String]>, needs: Arc<[Arc<str>]>, tool: Arc<str> },
}

impl Reason {
    /// The row of [`REASONS`] that this is.
    pub const fn row(&self) -> &'static ReasonRow {
        &REASONS[match self {
            Self::MissingToken => 0,
            Self::TooLarge { .. } => 1,
            Self::Malformed(_) => 2,
            Self::AlgorithmRefused { .. } => 3,
            Self::HeaderRefused { .. } | Self::HeaderInvalid { .. } => 4,
            Self::UnknownKey { .. } => 5,
            Self::BadSignature => 6,
            Self::ClaimMissing { .. } => 7,
            Self::ClaimInvalid { .. } => 8,
            Self::NotYetValid { .. } => 9,
            Self::Expired { .. } => 10,
            Self::IssuerMismatch { .. } => 11,
            Self::AudienceMismatch { .. } => 12,
            Self::Revoked { .. } => 13,
            Self::UnknownTool { .. } => 14,
            Self::PermissionMissing { .. } => 15,
        }]
    }

    /// The code, as scripts and servers read it.
    pub const fn code(&self) -> &'static str {
        self.row().code
    }

    /// The check that failed.
    pub const fn check(&self) -> Check {
        self.row().check
    }

    /// What it makes of a call.
    pub fn verdict(&self) -> Verdict {
        self.row().verdict()
    }
}

const NAME: usize = 64;

fn names(list: &[impl AsRef<str>], join: &str) -> String {
    text::names(list.iter(), NAME, 8, join)
}

/// One sentence without a full stop: what was found and what was wanted. Safe to show.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingToken => f.write_str("no token came with the call; a tool needs one"),
            Self::TooLarge { bytes } => {
                let (has, most) = (words::bytes(*bytes), words::bytes(token::MAX_BYTES));
                // Just above the limit both would read the same.
                let has = if has == most { format!("{bytes} bytes") } else { has };
                write!(f, "the token has {has}; at most {most} are read")
            }
            Self::Malformed(fault) => fault.fmt(f),
            Self::AlgorithmRefused { found: None, held } => {
                write!(f, "the header has no alg{}", accepted(*held))
            }
            Self::AlgorithmRefused { found: Some(found), held } if found.eq_ignore_ascii_case("none") => {
                write!(f, "alg is {}: the token is not signed{}", text::name(found, NAME), accepted(*held))
            }
            Self::AlgorithmRefused { found: Some(found), held } => {
                let found = text::name(found, NAME);
                write!(f, "not verified: no key for {found} here{}", accepted(*held).replace(" here", ""))
            }
            Self::HeaderRefused { member } => {
                write!(f, "the header asks for {member}, which this gate does not do")
            }
            Self::HeaderInvalid { member, found } => write!(f, "{member} is {found}; it must be a string"),
            Self::UnknownKey { kid } => {
                write!(f, "kid names the key {}, which is not held here", text::name(kid, NAME))
            }
            Self::BadSignature => f.write_str("the signature does not fit: signed with another key, or changed since"),
            Self::ClaimMissing { claim } => write!(f, "the claim {claim} is missing"),
            Self::ClaimInvalid { claim, found, wanted } => {
                write!(f, "the claim {claim} is {found}; it must be {wanted}")
            }
            Self::NotYetValid { from, leeway, now } => {
                write!(
                    f,
                    "valid only from {}{}, in {}",
                    from.rfc3339(),
                    with_leeway(*leeway),
                    left(from.since(*now) - leeway)
                )
            }
            Self::Expired { exp, leeway, now } => {
                let ago = words::elapsed(now.since(*exp) - leeway).text;
                write!(f, "expired at {}{}, {ago} ago", exp.rfc3339(), with_leeway(*leeway))
            }
            Self::IssuerMismatch { found, wanted } => {
                let wanted = text::name(wanted, NAME);
                match found {
                    Some(found) => write!(f, "iss is {}; expected is {wanted}", text::name(found, NAME)),
                    None => write!(f, "the token names no issuer (iss); expected is {wanted}"),
                }
            }
            Self::AudienceMismatch { found, wanted } => {
                let wanted = text::name(wanted, NAME);
                if found.is_empty() {
                    return write!(f, "the token names no audience (aud); expected is {wanted}");
                }
                write!(f, "aud is {}; expected is {wanted}", names(found, ", "))
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
                    return write!(f, "the token holds {held}; {tool} is open to nobody");
                }
                write!(f, "the token holds {held}; {tool} needs {}", names(needs, " or "))
            }
        }
    }
}

fn accepted(held: Option<&str>) -> String {
    held.map_or_else(String::new, |held| format!("; only {held} is accepted here"))
}

fn with_leeway(micros: i64) -> String {
    if micros == 0 { String::new() } else { format!(" (leeway {})", words::span(micros)) }
}

fn left(micros: i64) -> String {
    words::remaining(micros).text
}

/// A refusal is an error of the library, with the lab's meaning of one.
impl std::error::Error for Reason {}

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the words on the screen")]
pub enum Verdict {
    Allowed,
    Forbidden,
    Unauthorized,
}

impl Verdict {
    /// The word shown, in capitals.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOWED",
            Self::Forbidden => "FORBIDDEN",
            Self::Unauthorized => "UNAUTHORIZED",
        }
    }

    /// The sign shown before it.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Allowed => "✔",
            Self::Forbidden => "✘",
            Self::Unauthorized => "–",
        }
    }
}

/// The gate's answer to one call at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The permission that opened the tool, or why it stayed closed.
    pub result: Result<Grant, Reason>,
    /// The `user_id` of who asked, once the token was verified; of a forbidden call too.
    pub subject: Option<Box<str>>,
}

impl Decision {
    /// A call that was refused before anybody was known to speak.
    pub(super) const fn refused(reason: Reason) -> Self {
        Self { result: Err(reason), subject: None }
    }

    /// Allowed, forbidden or unauthorized.
    pub fn verdict(&self) -> Verdict {
        self.result.as_ref().map_or_else(Reason::verdict, |_| Verdict::Allowed)
    }

    /// The reason, unless it is allowed.
    pub fn reason(&self) -> Option<&Reason> {
        self.result.as_ref().err()
    }

    /// The reason's code, or `allowed`.
    pub fn code(&self) -> &'static str {
        self.reason().map_or("allowed", Reason::code)
    }

    /// One sentence: the reason, or the permission it was allowed by. Safe to show.
    pub fn sentence(&self) -> String {
        match &self.result {
            Ok(grant) => grant.to_string(),
            Err(reason) => reason.to_string(),
        }
    }

    /// Every check with what became of it: passed, failed (the last one taken), or not reached. Rendered from the
    /// table and the check where it stopped; nothing was collected on the way.
    pub fn trace(&self) -> impl Iterator<Item = (Check, Passed)> {
        let stop = self.reason().map(Reason::check);
        Check::ALL.into_iter().map(move |check| {
            let passed = match stop {
                Some(stop) if check == stop => Passed::No,
                Some(stop) if check > stop => Passed::NotReached,
                _ => Passed::Yes,
            };
            (check, passed)
        })
    }
}

/// What became of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Passed {
    Yes,
    No,
    NotReached,
}

impl Passed {
    /// The sign shown before the check.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Yes => "✔",
            Self::No => "✘",
            Self::NotReached => "·",
        }
    }
}

//! Rejections: requests that a server refuses without deciding about a call. Also the outcomes of requests in the log.

use std::sync::Arc;

use crate::auth::token::Fault;
use crate::auth::{Decision, NumericDate, Reason, Verdict};
use crate::text;

/// Why the server refused a request before it decided about a call. The message is safe to show, and contains the next
/// step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The `Host` header names a host that is not served here.
    #[error("Host {} is not served here; --allow-host allows it", text::name(.0, 100))]
    Host(Box<str>),
    /// The request was sent by a web page whose origin is not allowed.
    #[error("Origin {} is not allowed; --allow-origin allows it", text::name(.0, 100))]
    Origin(Box<str>),
    /// The `Authorization` header is not a single Bearer token.
    #[error("expected one Authorization header with a Bearer token")]
    Authorization,
    /// The caller sends too many requests.
    #[error("more requests per second than --rate allows; try again in {seconds} s")]
    TooMany {
        /// How long to wait, in whole seconds.
        seconds: u64,
    },
    /// A decision is impossible, because its data is stale.
    #[error("{what} could not be read for longer than --max-stale; see standard error or the console's header")]
    Stale {
        /// The unreadable source.
        what: &'static str,
    },
    /// The path does not exist.
    #[error("not found; the MCP endpoint is /mcp")]
    NotFound,
    /// The client looks for sign-in with OAuth.
    #[error("the client is trying to sign in with OAuth, which is not supported; configure a token in the client")]
    SignIn,
    /// The path does not support the method.
    #[error("method not allowed; the MCP endpoint is POST /mcp")]
    Method,
    /// The body is not a single message that can be served; the reason.
    #[error("{0}")]
    Body(Box<str>),
}

impl Rejection {
    /// The rejection's code, for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Host(_) => "host_not_allowed",
            Self::Origin(_) => "origin_not_allowed",
            Self::Authorization => "invalid_request",
            Self::TooMany { .. } => "too_many_calls",
            Self::Stale { .. } => "unavailable",
            Self::NotFound | Self::SignIn => "not_found",
            Self::Method => "method_not_allowed",
            Self::Body(_) => "bad_request",
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Host(text) | Self::Origin(text) | Self::Body(text) => text.len(),
            Self::Authorization
            | Self::TooMany { .. }
            | Self::Stale { .. }
            | Self::NotFound
            | Self::SignIn
            | Self::Method => 0,
        }
    }
}

/// The answer to a request, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The gate decided about the call.
    Decided(Decision),
    /// The server refused the request without a decision.
    Rejected(Rejection),
    /// A foreign server answered the call.
    Observed(Box<ForeignAnswer>),
}

/// How a call was authenticated whose target has credentials in a header of its own.
pub const OWN_CREDENTIALS: &str = "own credentials";

/// The answer of a foreign server to a call, for the log. Its texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignAnswer {
    /// The number of the target, by which the console knows it.
    pub number: u64,
    /// The name of the target.
    pub target: Arc<str>,
    /// Where the target is.
    pub place: Arc<str>,
    /// What the server did, in capitals.
    pub word: &'static str,
    /// The code of the shape of the answer.
    pub code: &'static str,
    /// The server's verdict, if the answer says one.
    pub verdict: Option<Verdict>,
    /// The most probable reason, in a sentence.
    pub sentence: Box<str>,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The server's clock.
    pub server_time: Option<NumericDate>,
    /// The server's own words.
    pub said: Option<Box<str>>,
    /// The user that the token names, as it is read here.
    pub user: Option<Box<str>>,
    /// The verdict that the policy here predicts; `None` if it predicts none.
    pub predicted: Option<Verdict>,
    /// How the token was sent, if not as a bearer token, or [`OWN_CREDENTIALS`].
    pub sent: Option<&'static str>,
    /// Further facts, a sentence each.
    pub notes: Box<[String]>,
}

impl RequestOutcome {
    /// The decision, if there was one.
    pub const fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Decided(decision) => Some(decision),
            Self::Rejected(_) | Self::Observed(_) => None,
        }
    }

    /// The answer of a foreign server, if the call was sent to one.
    pub const fn foreign(&self) -> Option<&ForeignAnswer> {
        match self {
            Self::Observed(answer) => Some(answer),
            Self::Decided(_) | Self::Rejected(_) => None,
        }
    }

    /// The verdict of the decision or of the foreign server, if there was one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Observed(answer) => answer.verdict,
            decided => decided.decision().map(Decision::verdict),
        }
    }

    /// The reason of a refusing decision.
    pub fn reason(&self) -> Option<&Reason> {
        self.decision().and_then(Decision::reason)
    }

    /// The verdict in capitals, `REFUSED` without a decision, or what a foreign server did.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Observed(answer) => answer.word,
            decided => decided.verdict().map_or("REFUSED", Verdict::word),
        }
    }

    /// The code of the reason, the rejection or the foreign answer, or `allowed`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decided(decision) => decision.code(),
            Self::Rejected(rejection) => rejection.code(),
            Self::Observed(answer) => answer.code,
        }
    }

    /// The reason in one sentence. Safe to show.
    pub fn sentence(&self) -> String {
        match self {
            Self::Decided(decision) => decision.sentence(),
            Self::Rejected(rejection) => rejection.to_string(),
            Self::Observed(answer) => answer.sentence.to_string(),
        }
    }

    /// The next step for a refused caller, unless the sentence contains it already.
    pub fn remedy(&self) -> Option<&'static str> {
        self.reason().map(|reason| reason.row().remedy)
    }

    /// The verified user, if any, as written in the token.
    pub fn subject(&self) -> Option<&str> {
        self.decision().and_then(|decision| decision.subject.as_deref())
    }

    /// The approximate memory of its texts, in bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Decided(decision) => {
                let subject = decision.subject.as_ref().map_or(0, |subject| subject.len());
                subject + decision.reason().map_or(0, weight_of)
            }
            Self::Rejected(rejection) => rejection.weight(),
            Self::Observed(answer) => {
                let words = [Some(&answer.sentence), answer.said.as_ref(), answer.user.as_ref()];
                let notes = answer.notes.iter().map(String::len).sum::<usize>();
                size_of::<ForeignAnswer>() + notes + words.into_iter().flatten().map(|text| text.len()).sum::<usize>()
            }
        }
    }
}

/// The size of the texts in a reason that come from a token or a caller, who may have sent megabytes as a tool's name.
fn weight_of(reason: &Reason) -> usize {
    let list = |items: &[String]| items.iter().map(|item| size_of::<String>() + item.capacity()).sum();
    match reason {
        Reason::UnknownTool { tool: text } | Reason::Revoked { jti: Some(text), .. } => text.len(),
        Reason::PermissionMissing { held, tool, .. } => tool.len() + list(held),
        Reason::AudienceMismatch { found, .. } => list(found),
        Reason::UnknownIssuer { found: Some(text), .. }
        | Reason::AlgorithmRefused { found: Some(text), .. }
        | Reason::UnknownKey { kid: text }
        | Reason::KeysUnavailable { why: text }
        | Reason::IssuerMismatch { found: Some(text), .. }
        | Reason::Malformed(Fault::Duplicate { name: text, .. }) => text.len(),
        Reason::ClaimInvalid { found: text, .. } | Reason::WrongType { found: text, .. } => text.len(),
        Reason::MissingToken
        | Reason::TooLarge { .. }
        | Reason::Malformed(_)
        | Reason::UnknownIssuer { found: None, .. }
        | Reason::AlgorithmRefused { found: None, .. }
        | Reason::HeaderRefused { .. }
        | Reason::HeaderInvalid { .. }
        | Reason::BadSignature
        | Reason::ClaimMissing { .. }
        | Reason::NotYetValid { .. }
        | Reason::Expired { .. }
        | Reason::IssuerMismatch { found: None, .. }
        | Reason::Revoked { jti: None, .. } => 0,
    }
}

impl From<Decision> for RequestOutcome {
    fn from(decision: Decision) -> Self {
        Self::Decided(decision)
    }
}

impl From<ForeignAnswer> for RequestOutcome {
    fn from(answer: ForeignAnswer) -> Self {
        Self::Observed(Box::new(answer))
    }
}

impl From<Rejection> for RequestOutcome {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

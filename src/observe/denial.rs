//! The shapes of answers by which real servers allow and deny calls: one table, from which answers are classified.

use crate::auth::Verdict;
use std::fmt::Write as _;

/// What a server did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observed {
    /// It ran the tool, or answered the listing.
    Ran,
    /// It ran the tool, which reported an error of its own.
    Failed,
    /// It accepted the token and forbade the call.
    Forbidden,
    /// It did not accept the token, or there was none.
    Refused,
    /// It did not accept the arguments.
    BadArguments,
    /// It says that there is no such tool.
    NoTool,
    /// It found the request or its headers too large.
    TooLarge,
    /// It limits the rate of requests.
    Throttled,
    /// It failed (a 5xx status).
    ServerFailed,
    /// It does not serve MCP at this address.
    NotMcp,
    /// It did not answer.
    Silent,
    /// It answered in a way that says nothing about access.
    Unclear,
}

impl Observed {
    /// The code, for scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Failed => "tool_failed",
            Self::Forbidden => "forbidden",
            Self::Refused => "unauthorized",
            Self::BadArguments => "invalid_arguments",
            Self::NoTool => "no_tool",
            Self::TooLarge => "too_large",
            Self::Throttled => "throttled",
            Self::ServerFailed => "server_failed",
            Self::NotMcp => "not_mcp",
            Self::Silent => "no_answer",
            Self::Unclear => "unclear",
        }
    }

    /// The word shown, in capitals.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ran => "ALLOWED",
            Self::Failed => "TOOL FAILED",
            Self::Forbidden => "FORBIDDEN",
            Self::Refused => "UNAUTHORIZED",
            Self::BadArguments => "BAD ARGUMENTS",
            Self::NoTool => "NO SUCH TOOL",
            Self::TooLarge => "TOO LARGE",
            Self::Throttled => "THROTTLED",
            Self::ServerFailed => "SERVER FAILED",
            Self::NotMcp => "NOT MCP",
            Self::Silent => "NO ANSWER",
            Self::Unclear => "UNCLEAR",
        }
    }

    /// The server's verdict about the token and the tool; `None` if the answer does not contain one. A tool runs behind
    /// the gate, so its failure means that the call was allowed. Arguments may be checked in front of it.
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Ran | Self::Failed => Some(Verdict::Allowed),
            Self::Forbidden => Some(Verdict::Forbidden),
            Self::Refused => Some(Verdict::Unauthorized),
            Self::BadArguments
            | Self::NoTool
            | Self::TooLarge
            | Self::Throttled
            | Self::ServerFailed
            | Self::NotMcp
            | Self::Silent
            | Self::Unclear => None,
        }
    }
}

/// Whether the server says it in a standard form, or it is concluded from words or from a code that has other meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A status, a challenge or a code that has this meaning.
    Stated,
    /// A conclusion from free text or from a code without a standard meaning.
    Inferred,
}

/// A shape of answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// The code, for scripts.
    pub code: &'static str,
    /// What the server did.
    pub observed: Observed,
    /// Whether it says so.
    pub basis: Basis,
    /// The meaning, as a sentence that begins with "the server".
    pub sentence: &'static str,
}

const fn stated(code: &'static str, observed: Observed, sentence: &'static str) -> Shape {
    Shape { code, observed, basis: Basis::Stated, sentence }
}

const fn inferred(code: &'static str, observed: Observed, sentence: &'static str) -> Shape {
    Shape { code, observed, basis: Basis::Inferred, sentence }
}

macro_rules! shapes {
    ($($name:ident = $shape:expr;)*) => {
        $(#[allow(missing_docs, clippy::allow_attributes)] pub static $name: Shape = $shape;)*
        /// Every shape, in the order of the documentation.
        pub static SHAPES: &[&Shape] = &[$(&$name),*];
    };
}

shapes! {
    RAN = stated("result", Observed::Ran, "the server answered the call");
    INVALID_TOKEN = stated("401_invalid_token", Observed::Refused, "the server rejects the token itself");
    NO_ERROR = stated("401_challenge", Observed::Refused, "the server asks for a token and names no error");
    BARE_401 = stated("401_bare", Observed::Refused, "the server answers 401 without a reason: WWW-Authenticate is missing");
    INVALID_REQUEST = stated("400_invalid_request", Observed::Refused, "the server reports a malformed request");
    WORDS_400 = inferred("400_words", Observed::Refused, "the server answers 400 and mentions the token");
    INSUFFICIENT_SCOPE = stated("403_insufficient_scope", Observed::Forbidden, "the server accepts the token, but requires scopes that it lacks");
    TOKEN_403 = stated("403_invalid_token", Observed::Refused, "the server rejects the token itself, with status 403");
    HOST_CHECK = stated("host_check", Observed::Unclear, "the server does not accept the Host or Origin header of this request; it did not look at the token");
    WORDS_403 = inferred(
        "403_words",
        Observed::Refused,
        "the server answers 403 and mentions the token"
    );
    BARE_403 = stated("403_bare", Observed::Forbidden, "the server answers 403 without a reason");
    RPC_DENIED = inferred("rpc_denied", Observed::Forbidden, "the server forbids the call with a JSON-RPC error");
    RPC_CODE_DENIED = inferred("rpc_access_code", Observed::Forbidden, "the server answers with a JSON-RPC code that gateways use for a denied call");
    RPC_UNAUTHENTICATED = inferred("rpc_unauthenticated", Observed::Refused, "the server rejects the token with a JSON-RPC error");
    RESULT_DENIED = inferred("result_denied", Observed::Forbidden, "the server forbids the call with a tool result that reports an error");
    RESULT_UNAUTHENTICATED = inferred("result_unauthenticated", Observed::Refused, "the server rejects the token with a tool result");
    ERROR_FORBIDDEN = stated("result_error_forbidden", Observed::Forbidden, "the server answers {\"error\":\"forbidden\"}");
    ERROR_UNAUTHORIZED = stated("result_error_unauthorized", Observed::Refused, "the server answers {\"error\":\"unauthorized\"}");
    UNKNOWN_TOOL = stated("rpc_unknown_tool", Observed::NoTool, "the server says that it has no such tool");
    RESULT_UNKNOWN_TOOL = inferred("result_unknown_tool", Observed::NoTool, "the server says in a tool result that it has no such tool");
    BAD_ARGUMENTS = stated("rpc_invalid_params", Observed::BadArguments, "the server does not accept the arguments");
    RESULT_BAD_ARGUMENTS = inferred("result_invalid_arguments", Observed::BadArguments, "the tool does not accept the arguments");
    TOOL_FAILED = stated("result_error", Observed::Failed, "the tool ran and reported an error");
    ASKS_BACK = stated("input_required", Observed::Ran, "the tool asks for further input before it answers");
    RPC_ERROR = stated("rpc_error", Observed::Unclear, "the server answers with a JSON-RPC error that does not mention access");
    TOO_LARGE = stated("too_large", Observed::TooLarge, "the server finds the request or its headers too large");
    THROTTLED = stated("429", Observed::Throttled, "the server limits the rate of requests; the same token may be accepted later");
    SERVER_FAILED = stated("5xx", Observed::ServerFailed, "the server failed, which says nothing about the token");
    UNAVAILABLE = stated("503", Observed::ServerFailed, "the server is temporarily unavailable, which says nothing about the token");
    SESSION_GONE = stated("404_session", Observed::Unclear, "the server no longer knows the session");
    NOT_FOUND = stated("404", Observed::NotMcp, "nothing is served at this address");
    WRONG_METHOD = stated("405", Observed::NotMcp, "the server does not accept MCP requests at this address");
    REDIRECT = stated("3xx", Observed::NotMcp, "the server redirects to another address; the token is not sent there");
    NOT_MCP = stated("not_mcp", Observed::NotMcp, "the answer is not MCP");
    OTHER_STATUS = stated("4xx", Observed::Unclear, "the server rejects the request without mentioning the token");
    UNREACHABLE = stated("unreachable", Observed::Silent, "the server cannot be reached");
    CLOSED = stated("closed", Observed::Silent, "the server closed the connection without an answer");
    TIMED_OUT = stated("timed_out", Observed::Silent, "the server did not answer in time");
    TOO_LONG = stated("answer_too_large", Observed::Unclear, "the answer is larger than the client reads");
    CANCELLED = stated("cancelled", Observed::Silent, "the call was cancelled; it may have taken effect");
}

/// Returns the table of shapes as Markdown, for the documentation.
pub fn markdown() -> String {
    let mut out = String::from("| code | verdict | basis | meaning |\n|---|---|---|---|\n");
    for shape in SHAPES {
        let basis = match shape.basis {
            Basis::Stated => "stated",
            Basis::Inferred => "inferred",
        };
        let Shape { code, observed, sentence, .. } = shape;
        let _ = writeln!(out, "| `{code}` | {} | {basis} | {sentence} |", observed.word());
    }
    out
}

/// Phrases in free text, in lower case, with what they mean. The first one that occurs decides, so the more specific
/// ones come first.
const PHRASES: [(&str, Observed); 51] = [
    ("unknown tool", Observed::NoTool),
    ("tool not found", Observed::NoTool),
    ("no such tool", Observed::NoTool),
    ("unknown_tool", Observed::NoTool),
    ("insufficient_scope", Observed::Forbidden),
    ("insufficient scope", Observed::Forbidden),
    ("insufficient permission", Observed::Forbidden),
    ("insufficient privilege", Observed::Forbidden),
    ("missing scope", Observed::Forbidden),
    ("missing permission", Observed::Forbidden),
    ("requires scope", Observed::Forbidden),
    ("required scope", Observed::Forbidden),
    ("requires permission", Observed::Forbidden),
    ("permission denied", Observed::Forbidden),
    ("permission_denied", Observed::Forbidden),
    ("access denied", Observed::Forbidden),
    ("access_denied", Observed::Forbidden),
    ("authorization denied", Observed::Forbidden),
    ("denied by policy", Observed::Forbidden),
    ("not authorized", Observed::Forbidden),
    ("not authorised", Observed::Forbidden),
    ("not permitted", Observed::Forbidden),
    ("unauthorized to", Observed::Forbidden),
    ("authorization failed", Observed::Forbidden),
    ("forbidden", Observed::Forbidden),
    ("unauthorized", Observed::Refused),
    ("unauthorised", Observed::Refused),
    ("unauthenticated", Observed::Refused),
    ("not authenticated", Observed::Refused),
    ("authentication required", Observed::Refused),
    ("authentication failed", Observed::Refused),
    ("invalid_token", Observed::Refused),
    ("invalid token", Observed::Refused),
    ("token is invalid", Observed::Refused),
    ("invalid access token", Observed::Refused),
    ("token expired", Observed::Refused),
    ("token has expired", Observed::Refused),
    ("jwt expired", Observed::Refused),
    ("expired token", Observed::Refused),
    ("missing token", Observed::Refused),
    ("bearer token", Observed::Refused),
    ("invalid signature", Observed::Refused),
    ("signature verification failed", Observed::Refused),
    ("signature has expired", Observed::Refused),
    ("jwt malformed", Observed::Refused),
    ("jwt not active", Observed::Refused),
    ("jwt verification failed", Observed::Refused),
    ("token verification failed", Observed::Refused),
    ("bad credentials", Observed::Refused),
    ("invalid credentials", Observed::Refused),
    ("invalid jwt", Observed::Refused),
];

/// Returns the meaning of free text by its phrases; `None` if it does not mention access.
pub fn meaning(text: &str) -> Option<Observed> {
    let text = crate::text::head(text, 4096).to_lowercase();
    // The earliest phrase is the subject of the sentence; of two at one place, the first of the table counts.
    let found = PHRASES.iter().filter_map(|(phrase, observed)| Some((text.find(phrase)?, *observed)));
    found.min_by_key(|(at, _)| *at).map(|(_, observed)| observed)
}

/// Whether a text speaks of the `Host` or `Origin` header of a request, which servers check against DNS rebinding.
pub fn speaks_of_host(text: &str) -> bool {
    let text = crate::text::head(text, 4096).to_lowercase();
    ["invalid host", "invalid origin", "host not allowed", "origin not allowed", "host is not allowed"]
        .iter()
        .any(|phrase| text.contains(phrase))
        || text.contains("host header") && (text.contains("not allowed") || text.contains("not permitted"))
}

/// Codes of JSON-RPC errors that gateways answer a denied call with. They have no standard meaning.
pub const ACCESS_CODES: [i64; 3] = [-32003, -32099, -32403];

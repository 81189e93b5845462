//! The answer of an MCP server to one request, as it was received.

use std::time::Duration;

use serde_json::Value;

use crate::auth::NumericDate;
use crate::text::material::Challenge;
use crate::text::words;

/// An answer, or the reason why it is missing.
pub type Reply = Result<Answer, NoAnswer>;

/// An answer to an MCP request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The HTTP response without its body; `None` over stdio, and for a pasted body.
    pub http: Option<HttpHead>,
    /// The body.
    pub body: Body,
}

/// The status and the headers of an HTTP response that say something about access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpHead {
    /// The status code.
    pub status: u16,
    /// The challenge of `WWW-Authenticate`; of several, the one for a bearer token.
    pub challenge: Option<Challenge>,
    /// The `Date` header: the server's clock, in whole seconds.
    pub date: Option<NumericDate>,
    /// The value of `Retry-After`.
    pub retry_after: Option<String>,
    /// The media type, without parameters.
    pub media_type: Option<String>,
    /// The value of `Location`.
    pub location: Option<String>,
}

/// The body of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// There is none.
    #[default]
    Empty,
    /// The result of a JSON-RPC response.
    Result(Value),
    /// The error of a JSON-RPC response.
    Error {
        /// The code.
        code: i64,
        /// The message.
        message: String,
        /// The data; null if there is none.
        data: Value,
    },
    /// Other JSON, such as the error object of OAuth.
    Json(Value),
    /// Any other text, cut to [`MAX_TEXT`].
    Text(String),
}

/// The longest text of a body that is not JSON, in bytes.
pub const MAX_TEXT: usize = 16 << 10;

impl Body {
    /// Reads a body, which is JSON-RPC, other JSON, or text.
    pub fn read(text: &str) -> Self {
        let trimmed = text.trim_start_matches('\u{feff}').trim();
        if trimmed.is_empty() {
            return Self::Empty;
        }
        match serde_json::from_str(trimmed) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => Self::of(value),
            _ => Self::Text(crate::text::head(trimmed, MAX_TEXT).to_owned()),
        }
    }

    /// Sorts JSON into a JSON-RPC response or other JSON.
    pub fn of(mut value: Value) -> Self {
        let has_error = value.get("error").is_some_and(|error| !error.is_null());
        if let Some(result) = value.get_mut("result").filter(|result| !(has_error && result.is_null())) {
            return Self::Result(result.take());
        }
        let code = value.get("error").and_then(|error| error.get("code")).and_then(Value::as_i64);
        match code {
            Some(code) => {
                let error = &mut value["error"];
                let message = error["message"].as_str().unwrap_or_default().to_owned();
                Self::Error { code, message, data: error["data"].take() }
            }
            None => Self::Json(value),
        }
    }

    /// The result as JSON.
    pub const fn result(&self) -> Option<&Value> {
        match self {
            Self::Result(result) => Some(result),
            _ => None,
        }
    }
}

/// Why a request has no answer. The sentence is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No connection could be made, or the program could not be started.
    #[error("{0}")]
    Unreachable(String),
    /// The connection or the program ended before the answer was complete.
    #[error("the connection was closed before the answer was complete{}", after(.0))]
    Closed(String),
    /// There was no complete answer in time.
    #[error("no answer within {}", words::took(*.0))]
    TimedOut(Duration),
    /// The answer is larger than the client reads.
    #[error("the answer is larger than {}", words::bytes(*.0))]
    TooLarge(usize),
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The server speaks another protocol. The sentence says how it differs.
    #[error("{0}")]
    NotMcp(String),
}

fn after(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

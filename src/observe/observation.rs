//! The classification of an answer.

use std::fmt;

use serde_json::{Value, json};

use super::answer::{Answer, Body, HttpHead, NoAnswer, Reply};
use super::denial::{self, ACCESS_CODES, Basis, Observed, Shape, meaning, speaks_of_host};
use crate::auth::{NumericDate, Verdict};
use crate::report::redacted;
use crate::text::material::Challenge;
use crate::text::{self, words};

/// The longest text of the server that is shown, in characters.
const SAID: usize = 300;

/// A classified answer. Its texts are safe to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The shape of the answer.
    pub shape: &'static Shape,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The code of a JSON-RPC error.
    pub code: Option<i64>,
    /// The server's own words.
    pub said: Option<String>,
    /// The server's clock.
    pub date: Option<NumericDate>,
    /// The scopes that the server requires, from the challenge or the error.
    pub scopes: Vec<String>,
    /// The scopes that the server's words name as required, without a standard form.
    pub named: Vec<String>,
    /// The URL of the server's metadata, from the challenge.
    pub resource_metadata: Option<String>,
    /// The challenge, as received.
    pub challenge: Option<Challenge>,
    /// Why there is no answer.
    pub silence: Option<NoAnswer>,
}

impl Observation {
    /// Classifies an answer.
    pub fn of(reply: &Reply) -> Self {
        match reply {
            Ok(answer) => Self::of_answer(answer),
            Err(silence) => {
                let shape = match silence {
                    NoAnswer::Unreachable(_) => &denial::UNREACHABLE,
                    NoAnswer::Closed(_) => &denial::CLOSED,
                    NoAnswer::TimedOut(_) => &denial::TIMED_OUT,
                    NoAnswer::TooLarge(_) => &denial::TOO_LONG,
                    NoAnswer::Cancelled => &denial::CANCELLED,
                    NoAnswer::NotMcp(_) => &denial::NOT_MCP,
                };
                Self { silence: Some(silence.clone()), said: Some(silence.to_string()), ..Self::empty(shape) }
            }
        }
    }

    /// Whether the user cancelled the request.
    pub fn is_cancelled(&self) -> bool {
        self.silence == Some(NoAnswer::Cancelled)
    }

    fn empty(shape: &'static Shape) -> Self {
        Self {
            shape,
            status: None,
            code: None,
            said: None,
            date: None,
            scopes: Vec::new(),
            named: Vec::new(),
            resource_metadata: None,
            challenge: None,
            silence: None,
        }
    }

    fn of_answer(answer: &Answer) -> Self {
        let words = words_of(&answer.body);
        let challenge = answer.http.as_ref().and_then(|http| http.challenge.clone());
        let param = |name: &str| challenge.as_ref().and_then(|challenge| challenge.param(name)).map(str::to_owned);
        let said = param("error_description").or_else(|| (!words.is_empty()).then_some(words));
        let scopes = param("scope").map(|scope| scopes_of_text(&scope));
        let shape = match &answer.http {
            Some(http) => of_status(http, &answer.body),
            None => of_body(&answer.body),
        };
        // A result that says nothing about access is data, which is shown elsewhere.
        let said = said.filter(|_| !std::ptr::eq(shape, &raw const denial::RAN));
        Self {
            status: answer.http.as_ref().map(|http| http.status),
            code: match answer.body {
                Body::Error { code, .. } => Some(code),
                _ => None,
            },
            named: said.as_deref().map(named_scopes).unwrap_or_default(),
            // A server may repeat the token.
            said: said.map(|said| text::display_safe(&redacted(&in_one_line(&said)), SAID)),
            date: answer.http.as_ref().and_then(|http| http.date),
            scopes: scopes.or_else(|| scopes_of(&answer.body)).unwrap_or_default(),
            resource_metadata: param("resource_metadata"),
            challenge,
            ..Self::empty(shape)
        }
    }

    /// What the server did.
    pub const fn observed(&self) -> Observed {
        self.shape.observed
    }

    /// The server's verdict, if the answer says one.
    pub const fn verdict(&self) -> Option<Verdict> {
        self.shape.observed.verdict()
    }

    /// Whether the meaning is concluded from words or codes without a standard meaning.
    pub fn is_inferred(&self) -> bool {
        self.shape.basis == Basis::Inferred
    }

    /// Returns the status and code as a noun: `HTTP 403`, `JSON-RPC -32602`; empty over stdio without an error.
    pub fn codes(&self) -> String {
        let status = self.status.map(|status| format!("HTTP {status}"));
        let code = self.code.map(|code| format!("JSON-RPC {code}"));
        status.into_iter().chain(code).collect::<Vec<_>>().join(", ")
    }

    /// Formats it for scripts.
    pub fn json(&self) -> Value {
        json!({
            "observed": self.observed().code(),
            "shape": self.shape.code,
            "inferred": self.is_inferred(),
            "status": self.status,
            "code": self.code,
            "said": self.said,
            "server_time": self.date.map(NumericDate::rfc3339),
            "scopes": self.scopes,
        })
    }
}

/// Formats it as a sentence, with the codes in parentheses.
impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.silence {
            Some(NoAnswer::Unreachable(why) | NoAnswer::NotMcp(why)) => write!(f, "{}: {why}", self.shape.sentence)?,
            Some(NoAnswer::TimedOut(after)) => write!(f, "the server did not answer within {}", words::took(*after))?,
            _ => f.write_str(self.shape.sentence)?,
        }
        match self.codes() {
            codes if codes.is_empty() => Ok(()),
            codes => write!(f, " ({codes})"),
        }
    }
}

/// A text with its lines after one another, to be part of a sentence.
fn in_one_line(said: &str) -> String {
    let lines = said.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// Classifies by the status, and where that leaves it open, by the body.
fn of_status(http: &HttpHead, body: &Body) -> &'static Shape {
    let error = http.challenge.as_ref().and_then(|challenge| challenge.param("error"));
    let words = words_of(body);
    match http.status {
        401 => match (&http.challenge, error) {
            (Some(_), Some("insufficient_scope")) => &denial::INSUFFICIENT_SCOPE,
            (Some(_), Some("invalid_request")) => &denial::INVALID_REQUEST,
            (Some(_), Some(_)) => &denial::INVALID_TOKEN,
            (Some(_), None) => &denial::NO_ERROR,
            (None, _) if words.contains("invalid_token") => &denial::INVALID_TOKEN,
            (None, _) => &denial::BARE_401,
        },
        403 => match error {
            Some("insufficient_scope") => &denial::INSUFFICIENT_SCOPE,
            Some("invalid_token") => &denial::TOKEN_403,
            _ if speaks_of_host(&words) => &denial::HOST_CHECK,
            _ if words.contains("insufficient_scope") => &denial::INSUFFICIENT_SCOPE,
            _ if words.contains("invalid_token") => &denial::TOKEN_403,
            None if meaning(&words) == Some(Observed::Refused) => &denial::WORDS_403,
            _ => &denial::BARE_403,
        },
        400 => match (error, body) {
            (Some("invalid_request"), _) => &denial::INVALID_REQUEST,
            (Some("invalid_token"), _) => &denial::INVALID_TOKEN,
            (_, Body::Error { .. }) => match of_body(body) {
                shape if shape.observed == Observed::Unclear && speaks_of_session(&words) => &denial::SESSION_GONE,
                shape => shape,
            },
            _ if words.contains("invalid_request") || meaning(&words) == Some(Observed::Refused) => &denial::WORDS_400,
            _ => &denial::OTHER_STATUS,
        },
        404 if speaks_of_session(&words) => &denial::SESSION_GONE,
        404 => match of_body(body) {
            shape if shape.observed == Observed::NoTool => shape,
            _ => &denial::NOT_FOUND,
        },
        405 | 406 | 415 | 501 => &denial::WRONG_METHOD,
        408 | 504 => &denial::TIMED_OUT,
        413 | 414 | 431 => &denial::TOO_LARGE,
        421 => &denial::HOST_CHECK,
        429 => &denial::THROTTLED,
        503 => &denial::UNAVAILABLE,
        500.. => &denial::SERVER_FAILED,
        300..400 => &denial::REDIRECT,
        200..300 => of_body(body),
        _ => &denial::OTHER_STATUS,
    }
}

fn speaks_of_session(words: &str) -> bool {
    words.to_lowercase().contains("session")
}

fn of_body(body: &Body) -> &'static Shape {
    match body {
        Body::Error { code, message, data } => of_error(*code, message, data),
        Body::Result(result) => of_result(result),
        Body::Json(value) => of_error_object(value).unwrap_or(&denial::NOT_MCP),
        // Notifications are answered without a body; a call is not.
        Body::Empty | Body::Text(_) => &denial::NOT_MCP,
    }
}

fn of_error(code: i64, message: &str, data: &Value) -> &'static Shape {
    let said = match data.as_str() {
        Some(data) => format!("{message} {data}"),
        None => message.to_owned(),
    };
    let lower = said.to_lowercase();
    match (code, meaning(&said)) {
        (-32602 | -32601, _) if says_no_such_tool(&lower) => &denial::UNKNOWN_TOOL,
        (_, Some(Observed::NoTool)) => &denial::UNKNOWN_TOOL,
        (_, Some(Observed::Forbidden)) => &denial::RPC_DENIED,
        (_, Some(Observed::Refused)) => &denial::RPC_UNAUTHENTICATED,
        (code, _) if ACCESS_CODES.contains(&code) => &denial::RPC_CODE_DENIED,
        (-32602, _) => &denial::BAD_ARGUMENTS,
        _ => &denial::RPC_ERROR,
    }
}

fn of_result(result: &Value) -> &'static Shape {
    if result["resultType"] == "input_required" {
        return &denial::ASKS_BACK;
    }
    if let Some(shape) = of_error_object(&result["structuredContent"]).or_else(|| {
        let text = only_text(result)?;
        of_error_object(&serde_json::from_str(text.trim()).ok()?)
    }) {
        return shape;
    }
    if result["isError"] != true {
        return &denial::RAN;
    }
    let said = texts(result);
    match meaning(&said) {
        _ if says_no_such_tool(&said) => &denial::RESULT_UNKNOWN_TOOL,
        Some(Observed::Forbidden) => &denial::RESULT_DENIED,
        Some(Observed::Refused) => &denial::RESULT_UNAUTHENTICATED,
        Some(Observed::NoTool) => &denial::RESULT_UNKNOWN_TOOL,
        _ if speaks_of_arguments(&said) => &denial::RESULT_BAD_ARGUMENTS,
        _ => &denial::TOOL_FAILED,
    }
}

/// Whether a text is that of the SDKs about a missing tool: `Tool read_data not found`.
fn says_no_such_tool(said: &str) -> bool {
    let said = text::head(said, 4096).to_lowercase();
    let after = said.find("tool ").and_then(|at| said.get(at..)).unwrap_or_default();
    let name_and_rest: Vec<&str> = after.splitn(3, ' ').collect();
    // After a colon it is the error of a tool that ran: `Error executing tool read_data: not found`.
    matches!(name_and_rest.as_slice(), [_, name, rest]
        if !name.ends_with(':') && (rest.starts_with("not found") || rest.starts_with("does not exist")))
}

/// Whether the text of a failed tool is that of the validators in the SDKs.
fn speaks_of_arguments(said: &str) -> bool {
    let said = text::head(said, 4096).to_lowercase();
    ["validation error", "invalid arguments", "invalid params", "input validation"]
        .iter()
        .any(|words| said.contains(words))
}

/// Members that an object about a denial may have besides `error`; any other makes it a record of the tool.
const OF_DENIALS: [&str; 9] =
    ["error", "error_description", "message", "detail", "reason", "status", "code", "scope", "required_scopes"];

/// An object with a member `error`, and nothing that contradicts it.
fn of_error_object(value: &Value) -> Option<&'static Shape> {
    if !value.as_object()?.keys().all(|name| OF_DENIALS.contains(&name.as_str())) {
        return None;
    }
    match value.get("error")?.as_str()? {
        "forbidden" | "insufficient_scope" | "access_denied" => Some(&denial::ERROR_FORBIDDEN),
        "unauthorized" | "invalid_token" => Some(&denial::ERROR_UNAUTHORIZED),
        "invalid_arguments" => Some(&denial::RESULT_BAD_ARGUMENTS),
        "tool_failed" => Some(&denial::TOOL_FAILED),
        "unknown_tool" => Some(&denial::RESULT_UNKNOWN_TOOL),
        _ => None,
    }
}

/// The text of a result that consists of a single text block.
fn only_text(result: &Value) -> Option<&str> {
    match result["content"].as_array()?.as_slice() {
        [block] => block["text"].as_str(),
        _ => None,
    }
}

/// The text blocks of a result, joined.
fn texts(result: &Value) -> String {
    let blocks = result["content"].as_array().into_iter().flatten();
    let texts: Vec<&str> = blocks.filter_map(|block| block["text"].as_str()).take(16).collect();
    texts.join(" ")
}

/// The words of a body that people may read.
fn words_of(body: &Body) -> String {
    match body {
        Body::Empty => String::new(),
        Body::Text(text) => plain(text),
        Body::Error { message, data, .. } => match data {
            Value::String(data) if !message.contains(data.as_str()) => format!("{message} {data}"),
            _ => message.clone(),
        },
        Body::Result(result) => texts(result),
        Body::Json(value) => {
            let members = ["error", "error_description", "message", "detail", "title"];
            let words: Vec<&str> = members.iter().filter_map(|name| value.get(*name)?.as_str()).collect();
            words.join(": ")
        }
    }
}

/// The words of a page: tags are left out.
fn plain(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let (mut words, mut is_tag) = (String::new(), false);
    for c in text::head(text, 4096).chars() {
        match c {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                words.push(' ');
            }
            c if !is_tag => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Words after which servers name the scopes that a call requires, in lower case.
const REQUIRES: [&str; 12] = [
    "(required: ",
    "missing scopes: ",
    "missing scope: ",
    "required scopes: ",
    "required scope: ",
    "requires scopes ",
    "requires scope ",
    "requires the scope ",
    "needs the scope ",
    "needs scope ",
    "requires the permission ",
    "requires permission ",
];

/// The scopes that a server's words name as required: `insufficient scope (required: admin)`.
fn named_scopes(said: &str) -> Vec<String> {
    let said = text::head(said, 4096);
    // In ASCII only, so that places in both are the same.
    let lower = said.to_ascii_lowercase();
    let Some(at) = REQUIRES.iter().filter_map(|words| Some(lower.find(words)? + words.len())).min() else {
        return Vec::new();
    };
    let rest = said.get(at..).unwrap_or_default();
    let end = rest.find([')', ';', '\n']).unwrap_or(rest.len());
    let is_scope = |c: char| c.is_alphanumeric() || matches!(c, ':' | '.' | '_' | '-' | '/' | '*');
    let names = rest.get(..end).unwrap_or_default().split([',', ' ']);
    let names = names.map(|name| name.trim_matches(['"', '\'', '[', ']', '`']).trim_end_matches('.'));
    names
        .take_while(|name| name.is_empty() || name.chars().all(is_scope))
        .filter(|name| !name.is_empty())
        .take(8)
        .map(str::to_owned)
        .collect()
}

fn scopes_of_text(scope: &str) -> Vec<String> {
    text::separated(scope, ' ').take(64).map(str::to_owned).collect()
}

/// The missing or required scopes in the data of a JSON-RPC error, or in an error object.
fn scopes_of(body: &Body) -> Option<Vec<String>> {
    let value = match body {
        Body::Error { data, .. } => data,
        Body::Json(value) => value,
        _ => return None,
    };
    let names = ["missing_scopes", "required_scopes", "missingScopes", "requiredScopes", "scopes", "scope"];
    names.iter().find_map(|name| match value.get(*name)? {
        Value::String(scope) => Some(scopes_of_text(scope)),
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).take(64).map(str::to_owned).collect()),
        _ => None,
    })
}

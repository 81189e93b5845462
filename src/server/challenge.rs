//! Builds the refusals sent to clients: status, challenge (RFC 6750, RFC 9728) and JSON-RPC error.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::ext::ReasonPhrase;
use rmcp::model::{CallToolResult, ContentBlock, InitializeResult, ProtocolVersion, ServerCapabilities};
use serde_json::{Value, json};

use super::envelope::InvalidMessage;
use super::identity::implementation;
use crate::auth::{Reason, Rules, Verdict};
use crate::endpoint::{authority, origin};
use crate::text;

/// The path of the protected-resource metadata (RFC 9728 §3.1), without the path of the resource.
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Added to a status, this is the code of a JSON-RPC error. Codes are then outside the range that JSON-RPC and MCP
/// reserve, and do not contain the status as a word: some clients end their session if an error's text contains 401 or
/// 403.
pub const CODES: u16 = 1000;

/// After how long a caller may try again whose issuer's keys are not available, in seconds: the cooldown of a refresh.
const KEYS_AGAIN: u64 = 30;

/// The longest message in a reason phrase, in bytes; longer ones are truncated.
const LONGEST_PHRASE: usize = 100;

/// The parts common to all refusals of a request.
pub struct Challenge<'a> {
    /// The server's canonical URI.
    pub uri: &'a str,
    /// The ID of the request, or `null`.
    pub id: Value,
    /// The scope that a token needs, for the challenge.
    pub scope: String,
    /// The form of the refusal.
    pub shape: Shape,
}

/// The form of a refusal, which depends on the client and the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A status, with a JSON-RPC error.
    Status,
    /// A tool result, for a call.
    Result,
    /// A JSON-RPC error with status 200, for any other request.
    Error,
    /// A session whose instructions contain the reason, for an `initialize` with this revision.
    Session(String),
    /// Status 202, for a notification, whose answer cannot contain a refusal.
    Accepted,
}

/// The parts of a refusal, from which every shape is built.
struct Refusal {
    status: StatusCode,
    message: String,
    /// The structured content of a tool result.
    result: Value,
    /// The `data` of a JSON-RPC error.
    data: Value,
    /// A header to send with the status.
    header: (HeaderName, String),
}

impl Challenge<'_> {
    /// Refuses a call that the gate refused. The answer to an unauthorized caller contains only the reason's code; a
    /// verified caller also learns which permission the tool needs, as in the challenge's scope.
    pub fn refused(&self, reason: &Reason) -> Response {
        if let Reason::KeysUnavailable { .. } = reason {
            return self.unavailable("the issuer's key set", KEYS_AGAIN);
        }
        let (status, error) = match (reason, reason.verdict()) {
            (Reason::MissingToken, _) => (StatusCode::UNAUTHORIZED, None),
            (_, Verdict::Forbidden) => (StatusCode::FORBIDDEN, Some("insufficient_scope")),
            _ => (StatusCode::UNAUTHORIZED, Some("invalid_token")),
        };
        let word = if status == StatusCode::FORBIDDEN { "forbidden" } else { "unauthorized" };
        let message = format!("{word}: {}", brief(reason));
        let header = self.header(error, error.map(|_| reason.code()));
        let refusal = Refusal {
            status,
            result: json!({ "error": word, "message": brief(reason) }),
            data: json!({ "error": word, "reason": reason.code() }),
            header: (WWW_AUTHENTICATE, header),
            message,
        };
        // Without a token, the client must obtain one, and only the status makes it do so.
        self.shaped(if *reason == Reason::MissingToken { &Shape::Status } else { &self.shape }, refusal)
    }

    /// Refuses a request whose `Authorization` header is duplicated or has a scheme other than Bearer, because it is
    /// ambiguous which token counts.
    pub fn misused(&self) -> Response {
        let header = self.header(Some("invalid_request"), None);
        self.answer(
            StatusCode::BAD_REQUEST,
            "expected one Authorization header with a Bearer token",
            None,
            [(WWW_AUTHENTICATE, header)],
        )
    }

    /// Refuses a request of a caller that sends too many. It may send the next one after `seconds`.
    pub fn too_many(&self, seconds: u64) -> Response {
        let wait = format!("try again in {seconds} s");
        let data = json!({ "error": "too_many_calls", "retry_after": seconds });
        let mut result = data.clone();
        result["message"] = json!(wait);
        let refusal = Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            message: format!("too many calls: {wait}"),
            result,
            data,
            header: (RETRY_AFTER, seconds.to_string()),
        };
        self.shaped(&self.shape, refusal)
    }

    fn shaped(&self, shape: &Shape, refusal: Refusal) -> Response {
        let Refusal { status, message, result, data, header } = refusal;
        match shape {
            Shape::Status => self.answer(status, &message, Some(data), [header]),
            Shape::Result => self.result(result, message),
            Shape::Error => Json(self.error(status, &message, Some(data))).into_response(),
            Shape::Session(version) => self.session(version, message),
            Shape::Accepted => StatusCode::ACCEPTED.into_response(),
        }
    }

    /// Returns a session in which every request is refused unless something changes.
    fn session(&self, version: &str, message: String) -> Response {
        let known = ProtocolVersion::KNOWN_VERSIONS.iter().filter(|known| known.has_initialize());
        let version = known.into_iter().find(|known| version == known.as_str());
        let result = InitializeResult::new(ServerCapabilities::builder().enable_tools().build())
            .with_protocol_version(version.unwrap_or(&ProtocolVersion::LATEST_WITH_INITIALIZE).clone())
            .with_server_info(implementation())
            .with_instructions(message);
        Json(json!({ "jsonrpc": "2.0", "id": self.id, "result": result })).into_response()
    }

    /// Returns a refusal as a tool result, with the answer as structured content and the message as text.
    fn result(&self, answer: Value, message: String) -> Response {
        let mut result = CallToolResult::structured_error(answer);
        result.content = vec![ContentBlock::text(message)];
        Json(json!({ "jsonrpc": "2.0", "id": self.id, "result": result })).into_response()
    }

    /// Refuses a request because no decision is possible: `what` cannot be read. The token may be valid, so this is not
    /// a 401. The caller may try again after `seconds`.
    pub fn unavailable(&self, what: &str, seconds: u64) -> Response {
        let data = json!({ "error": "unavailable" });
        let message = format!("unavailable: {what} cannot be read");
        self.answer(StatusCode::SERVICE_UNAVAILABLE, &message, Some(data), [(RETRY_AFTER, seconds.to_string())])
    }

    /// Rejects arguments that are not an object, with the specification's error and the answer that the lab exercise
    /// specifies.
    pub fn bad_arguments(&self, sentence: &str, answer: &Value) -> Response {
        let error = json!({ "code": -32602, "message": sentence, "data": answer });
        Json(json!({ "jsonrpc": "2.0", "id": self.id, "error": error })).into_response()
    }

    /// Rejects a request whose body could not be read, or not in time.
    pub fn unread(&self, status: StatusCode) -> Response {
        self.answer(status, status.canonical_reason().unwrap_or("no body"), None, [])
    }

    /// Returns a JSON-RPC error and its status. The reason phrase contains the message as well (RFC 9112 §4), because
    /// some clients show nothing else.
    fn answer<const N: usize>(
        &self,
        status: StatusCode,
        message: &str,
        data: Option<Value>,
        headers: [(HeaderName, String); N],
    ) -> Response {
        let mut response = (status, Json(self.error(status, message, data))).into_response();
        let short: String = message.chars().filter(|c| matches!(c, ' '..='~')).take(LONGEST_PHRASE).collect();
        let phrase = format!("{} ({short})", status.canonical_reason().unwrap_or_default());
        if let Ok(phrase) = ReasonPhrase::try_from(phrase.into_bytes()) {
            response.extensions_mut().insert(phrase);
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// Returns a JSON-RPC error.
    fn error(&self, status: StatusCode, message: &str, data: Option<Value>) -> Value {
        let mut error = json!({ "code": CODES + status.as_u16(), "message": message });
        if let Some(data) = data {
            error["data"] = data;
        }
        json!({ "jsonrpc": "2.0", "id": self.id, "error": error })
    }

    fn header(&self, error: Option<&str>, description: Option<&str>) -> String {
        let said = [
            error.map(|error| format!("error=\"{error}\"")),
            description.map(|code| format!("error_description=\"{code}\"")),
            Some(format!("scope=\"{}\"", self.scope)).filter(|_| !self.scope.is_empty()),
            Some(format!("resource_metadata=\"{}\"", metadata_url(self.uri))),
        ];
        format!("Bearer {}", said.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Describes a refusal briefly, for clients that show only the message: `expired`, `write_data needs admin`. Safe to
/// show.
pub fn brief(reason: &Reason) -> String {
    match reason {
        Reason::PermissionMissing { needs, tool, .. } if needs.is_empty() => {
            format!("no permission opens {}", text::name(tool, 64))
        }
        Reason::PermissionMissing { needs, tool, .. } => {
            format!("{} needs {}", text::name(tool, 64), text::names(needs.iter(), 64, 8, " or "))
        }
        reason => reason.code().to_owned(),
    }
}

/// Rejects a body that is not a message.
pub fn broken(InvalidMessage { fault, id }: &InvalidMessage) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": fault.code(), "message": fault.to_string() } });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// Returns the URL of a resource's metadata: its path follows the well-known one (RFC 9728 §3.1).
pub fn metadata_url(uri: &str) -> String {
    let host = authority(uri);
    let (before, path) = uri.split_once(host).unwrap_or((uri, ""));
    format!("{before}{host}{METADATA}{path}")
}

/// Returns the protected-resource metadata (RFC 9728 §2). Unless the settings name authorization servers, they are the
/// issuers whose tokens are accepted, as far as they are URLs, and else the server itself.
pub fn metadata(uri: &str, authorization_servers: &[String], rules: &Rules) -> Value {
    let is_url = |name: &&str| name.starts_with("https://") || name.starts_with("http://");
    let others: Vec<&str> =
        rules.issuers.iter().skip(1).filter_map(|issuer| issuer.name.as_deref()).filter(is_url).collect();
    let own = origin(uri);
    let servers = match (authorization_servers, others.as_slice()) {
        ([], []) => vec![own.as_str()],
        ([], others) => others.to_vec(),
        (named, _) => named.iter().map(String::as_str).collect(),
    };
    json!({
        "resource": uri,
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
        "scopes_supported": scopes(rules.policy.permissions().iter().map(|permission| &**permission)),
        "resource_name": "Portcullis",
    })
}

/// Returns the permissions that can be written in a challenge (RFC 6749 §3.3).
pub fn scopes<'p>(permissions: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
    let fits = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    permissions.filter(|permission| !permission.is_empty() && permission.chars().all(fits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_stands_where_the_resource_path_says() {
        let url = metadata_url("https://gate.example:444/mcp");
        assert_eq!(url, "https://gate.example:444/.well-known/oauth-protected-resource/mcp");
    }

    #[test]
    fn a_permission_that_cannot_be_quoted_is_not_named() {
        assert_eq!(scopes(["user", "a b", "\"", "ü", ""].into_iter()), ["user"]);
    }
}

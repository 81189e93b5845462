//! Every shape of a denial that real servers send is named rightly, received over HTTP and pasted.

use portcullis::observe::{Answer, Body, Observation, Observed, answer_of};
use portcullis::target::{Carriage, Connection, Dialect};
use rstest::rstest;
use serde_json::{Map, Value, json};
use std::time::Duration;

use super::fake::{Fake, Seen, http};
use crate::desk::waits;

const BOUND: Duration = Duration::from_secs(20);

/// Calls `write_data` at a server that answers this call so, and classifies the answer.
pub fn called(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Observation {
    let server = Fake::new(move |seen| (seen.rpc() == "tools/call").then(|| answer(seen)));
    waits(async {
        let connection = Connection::open(&server.target(), &Carriage::bearer(Some("a.b.c")), &Dialect::Auto).await;
        let Ok(connection) = connection else { panic!("no connection") };
        Observation::of(&connection.call("write_data", Map::new(), BOUND).await.reply)
    })
}

const SCOPE: &str = "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"admin write\", resource_metadata=\"https://a.example/.well-known/oauth-protected-resource\"\r\n";

#[test]
fn a_challenge_with_403_says_which_scopes_are_needed() {
    let rpc = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-31003,"message":"forbidden"}}"#;
    let seen = called(|_| http(403, SCOPE, rpc));
    assert_eq!((seen.observed(), seen.shape.code), (Observed::Forbidden, "403_insufficient_scope"));
    assert_eq!(seen.scopes, ["admin", "write"]);
    assert_eq!(seen.resource_metadata.as_deref(), Some("https://a.example/.well-known/oauth-protected-resource"));
    assert_eq!((seen.status, seen.is_inferred()), (Some(403), false));
}

/// An HTTP error with a body.
#[rstest]
#[case(
    403,
    "",
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"denied"}}"#,
    Observed::Forbidden,
    "403_bare"
)]
#[case(403, "", "", Observed::Forbidden, "403_bare")]
#[case(403, "", r#"{"detail":"Not authenticated"}"#, Observed::Refused, "403_words")]
#[case(
    403,
    "",
    r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Invalid Host: x"},"id":null}"#,
    Observed::Unclear,
    "host_check"
)]
#[case(421, "", "Invalid Host header", Observed::Unclear, "host_check")]
#[case(
    401,
    "WWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"\"exp\" claim timestamp check failed\", scope=\"user\"\r\n",
    "",
    Observed::Refused,
    "401_invalid_token"
)]
#[case(401, "WWW-Authenticate: Bearer\r\n", "", Observed::Refused, "401_challenge")]
#[case(401, "WWW-Authenticate: Bearer scope=\"user\"\r\n", "", Observed::Refused, "401_challenge")]
#[case(401, "", "", Observed::Refused, "401_bare")]
#[case(401, "", r#"{"error":"invalid_token","error_description":"no"}"#, Observed::Refused, "401_invalid_token")]
#[case(400, "WWW-Authenticate: Bearer error=\"invalid_request\"\r\n", "", Observed::Refused, "400_invalid_request")]
#[case(400, "", r#"{"error":"invalid_request"}"#, Observed::Refused, "400_words")]
#[case(400, "", "Bad Request", Observed::Unclear, "4xx")]
#[case(404, "", "Not Found", Observed::NotMcp, "404")]
#[case(405, "", "", Observed::NotMcp, "405")]
#[case(413, "", "", Observed::TooLarge, "too_large")]
#[case(431, "", "", Observed::TooLarge, "too_large")]
#[case(429, "Retry-After: 2\r\n", "", Observed::Throttled, "429")]
#[case(500, "", "Internal Server Error", Observed::ServerFailed, "5xx")]
#[case(503, "Retry-After: 30\r\n", "", Observed::ServerFailed, "503")]
#[case(302, "Location: https://login.example/\r\n", "", Observed::NotMcp, "3xx")]
fn a_status_is_told_apart(
    #[case] status: u16,
    #[case] headers: &'static str,
    #[case] body: &'static str,
    #[case] observed: Observed,
    #[case] shape: &str,
) {
    let seen = called(move |_| http(status, headers, body));
    assert_eq!((seen.observed(), seen.shape.code, seen.status), (observed, shape, Some(status)), "{seen:?}");
    // The same answer, as `curl -i` prints it.
    let pasted = answer_of(&http(status, headers, body)).expect("a response");
    assert_eq!(Observation::of(&Ok(pasted)).shape.code, shape, "pasted");
}

/// A JSON-RPC error with status 200.
#[rstest]
#[case(-32602, "Unknown tool: write_data", Observed::NoTool, "rpc_unknown_tool", false)]
#[case(-32602, "Tool write_data not found", Observed::NoTool, "rpc_unknown_tool", false)]
#[case(-32003, "Access denied", Observed::Forbidden, "rpc_denied", true)]
#[case(-32003, "no", Observed::Forbidden, "rpc_access_code", true)]
#[case(-32099, "blocked", Observed::Forbidden, "rpc_access_code", true)]
#[case(-32001, "not authorized to call write_data", Observed::Forbidden, "rpc_denied", true)]
#[case(-32001, "Request timed out", Observed::Unclear, "rpc_error", false)]
#[case(-32600, "forbidden: write_data needs the scope admin", Observed::Forbidden, "rpc_denied", true)]
#[case(-32000, "Authentication required", Observed::Refused, "rpc_unauthenticated", true)]
#[case(-32602, "Invalid arguments: id is missing", Observed::BadArguments, "rpc_invalid_params", false)]
#[case(-32603, "Internal error", Observed::Unclear, "rpc_error", false)]
fn an_error_inside_of_200_is_told_apart(
    #[case] code: i64,
    #[case] message: &'static str,
    #[case] observed: Observed,
    #[case] shape: &str,
    #[case] is_inferred: bool,
) {
    let seen = called(move |seen| seen.error(code, message, &Value::Null));
    assert_eq!((seen.observed(), seen.shape.code, seen.code), (observed, shape, Some(code)));
    assert_eq!(seen.is_inferred(), is_inferred);
}

#[test]
fn missing_scopes_are_found_in_the_data_of_an_error() {
    let seen =
        called(|seen| seen.error(-32001, "insufficient scope", &json!({ "missing_scopes": ["admin", "write"] })));
    assert_eq!((seen.observed(), seen.scopes), (Observed::Forbidden, vec!["admin".to_owned(), "write".to_owned()]));
}

/// A tool result.
#[rstest]
#[case("forbidden: write_data needs the scope admin", true, Observed::Forbidden, "result_denied")]
#[case("Error executing tool write_data: not found", true, Observed::Failed, "result_error")]
#[case("Tool write_data not found", true, Observed::NoTool, "result_unknown_tool")]
#[case(
    "Authorization failed for tool 'write_data': insufficient permissions",
    true,
    Observed::Forbidden,
    "result_denied"
)]
#[case("unauthorized", true, Observed::Refused, "result_unauthenticated")]
#[case("Error: invalid signature", true, Observed::Refused, "result_unauthenticated")]
#[case("jwt malformed", true, Observed::Refused, "result_unauthenticated")]
#[case("MCP error -32602: Tool write_data not found", true, Observed::NoTool, "result_unknown_tool")]
#[case("Unknown tool: 'write_data'", true, Observed::NoTool, "result_unknown_tool")]
#[case("disk full", true, Observed::Failed, "result_error")]
#[case("1 validation error for call[write_data]", true, Observed::BadArguments, "result_invalid_arguments")]
#[case("the door is forbidden to nobody", false, Observed::Ran, "result")]
#[case(r#"{"error":"forbidden"}"#, true, Observed::Forbidden, "result_error_forbidden")]
#[case(r#"{"error":"forbidden"}"#, false, Observed::Forbidden, "result_error_forbidden")]
#[case(r#"{"error":"unauthorized"}"#, true, Observed::Refused, "result_error_unauthorized")]
#[case(r#"{"error":"tool_failed"}"#, true, Observed::Failed, "result_error")]
#[case(r#"{"error":"a record about errors"}"#, false, Observed::Ran, "result")]
fn a_result_is_told_apart(
    #[case] text: &'static str,
    #[case] is_error: bool,
    #[case] observed: Observed,
    #[case] shape: &str,
) {
    let seen = called(move |seen| seen.text(text, is_error));
    assert_eq!((seen.observed(), seen.shape.code), (observed, shape));
    // What a tool returns is data, which is not quoted as the server's words.
    assert_eq!(seen.said.is_none(), observed == Observed::Ran);
}

#[test]
fn a_record_about_errors_is_data() {
    let record = r#"{"error":"unauthorized","count":3,"since":"yesterday"}"#;
    assert_eq!(called(|seen| seen.text(record, false)).observed(), Observed::Ran);
    let structured = json!({ "content": [], "structuredContent": { "error": "forbidden", "total": 2 } });
    assert_eq!(called(move |seen| seen.result(&structured)).observed(), Observed::Ran);
}

#[test]
fn an_error_beside_an_empty_result_is_an_error() {
    let seen = called(|seen| {
        let error = json!({ "code": -32001, "message": "invalid token" });
        http(200, "", &json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": null, "error": error }).to_string())
    });
    assert_eq!((seen.observed(), seen.is_inferred()), (Observed::Refused, true));
}

#[test]
fn the_token_in_the_servers_words_is_replaced() {
    let token = super::token("user123", "user", &[]);
    let words = format!("forbidden for {token}");
    let seen = called(move |seen| seen.text(&words, true));
    assert!(!seen.said.clone().expect("words").contains("eyJ"), "{:?}", seen.said);
}

#[test]
fn structured_content_with_an_error_is_a_denial() {
    let seen = called(|seen| seen.result(&json!({ "content": [], "structuredContent": { "error": "forbidden" } })));
    assert_eq!((seen.observed(), seen.is_inferred()), (Observed::Forbidden, false));
}

/// Some letters are longer in lower case, so that places in both texts differ.
#[test]
fn scopes_after_letters_beyond_ascii_are_named_in_full() {
    let seen = called(|seen| seen.text("İİİ missing scope: orders:write (now)", true));
    assert_eq!(seen.named, ["orders:write"]);
}

#[test]
fn the_challenge_for_a_bearer_token_is_used_among_several() {
    let headers = "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
    assert_eq!(called(move |_| http(401, headers, "")).shape.code, "401_invalid_token");
    for value in
        ["Basic realm=\"a, b\",Bearer error=\"invalid_token\"", "Bearer error=\"invalid_token\", Basic realm=x"]
    {
        let header = format!("WWW-Authenticate: {value}\r\n");
        let pasted = format!("HTTP/1.1 401 x\n{}", header.trim_end());
        assert_eq!(called(move |_| http(401, &header, "")).shape.code, "401_invalid_token", "{value}");
        let pasted = Observation::of(&Ok(answer_of(&pasted).expect("an answer")));
        assert_eq!(pasted.shape.code, "401_invalid_token", "{value}");
    }
}

#[test]
fn quotes_that_are_not_escaped_do_not_end_a_value() {
    let line = "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"unexpected \"iss\" claim value\", scope=\"user\"\n";
    let seen = Observation::of(&Ok(answer_of(line).expect("a response")));
    assert_eq!(seen.said.as_deref(), Some("unexpected \"iss\" claim value"));
    assert_eq!(seen.scopes, ["user"]);
}

#[rstest]
#[case("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n", Observed::Ran)]
#[case("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"Unknown tool: x\"}}", Observed::NoTool)]
#[case("WWW-Authenticate: Bearer error=\"insufficient_scope\"", Observed::Forbidden)]
#[case("Bearer realm=\"mcp\", error=\"invalid_token\"", Observed::Refused)]
#[case(
    "< HTTP/1.1 403 Forbidden\n< content-type: application/json\n<\n{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"no\"}}\n* Connection closed",
    Observed::Forbidden
)]
#[case(
    "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\ncontent-type: text/event-stream\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"forbidden\"}],\"isError\":true}}\n",
    Observed::Forbidden
)]
fn a_pasted_answer_is_read(#[case] text: &str, #[case] observed: Observed) {
    let answer = answer_of(text).expect("an answer");
    assert_eq!(Observation::of(&Ok(answer)).observed(), observed, "{text}");
}

#[test]
fn other_texts_are_no_answers() {
    for text in ["", "hello", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "{\"keys\":[]}", "{\"name\":1}", "[1]"] {
        assert_eq!(answer_of(text), None, "{text}");
    }
}

#[test]
fn foreign_words_are_made_safe() {
    let seen = called(|seen| seen.text("forbidden \u{1b}[2J\u{202e}", true));
    assert!(!seen.said.expect("words").contains(['\u{1b}', '\u{202e}']));
    let body = Body::read("<html><title>404</title><p>No &lt;such&gt; page</p></html>");
    let seen = Observation::of(&Ok(Answer { http: None, body }));
    assert_eq!(seen.said.as_deref(), Some("404 No &lt;such&gt; page"));
}

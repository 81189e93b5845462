//! The server as clients use it: over HTTP on loopback, with a clock that the test controls, and over standard streams.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use portcullis::auth::TokenId;
use portcullis::auth::algorithm::Algorithm;
use portcullis::auth::revocations::{Revocation, RevocationTarget};
use portcullis::auth::{Call, IssueRequest, Issuer, KeyOrigin, KeySet, Mapping, NumericDate, Policy, Rules, Signer};
use portcullis::clock::{Clock, ManualClock};
use portcullis::endpoint::{Denial, Listing, Settings};
use portcullis::gate::{Origin, ReadFailure};
use portcullis::lab::kit::{self, Identity};
use portcullis::server::{ServeError, Server};
use portcullis::text::Span;
use portcullis::{AuthenticatedMcpServer, Gate, config};
use rstest::rstest;
use serde_json::{Value, json};

use crate::cli::{CommandOutput, PORTCULLIS, bare, portcullis};
use crate::forge::{HS256, NOW, SECRET, sign, sign_with};

/// The burst that every caller may use, however low the rate is.
const BURST: u32 = 20;

/// A server on its own port, and the gate behind it.
struct TestServer {
    server: Option<Server>,
    gate: AuthenticatedMcpServer,
    clock: Arc<ManualClock>,
    uri: String,
}

/// An HTTP response.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl TestServer {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(crate::forge::rules(), change)
    }

    fn on(rules: Rules, change: impl FnOnce(&mut Settings)) -> Self {
        Self::signing(crate::forge::signer(), rules, change)
    }

    fn signing(signer: Signer, rules: Rules, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let gate = AuthenticatedMcpServer::with(rules, signer, Arc::clone(&clock) as Arc<dyn Clock>);
        let mut settings = Settings::at("127.0.0.1:0".parse().expect("an address"));
        change(&mut settings);
        let server = Server::start(settings, &gate).expect("a free port");
        let uri = server.uri.to_string();
        Self { server: Some(server), gate, clock, uri }
    }

    /// Issues a token for this server.
    fn token(&self, user: &str, permissions: &[&str]) -> String {
        self.token_for(user, permissions, Some(&self.uri.clone()))
    }

    fn token_for(&self, user: &str, permissions: &[&str], audience: Option<&str>) -> String {
        let request = IssueRequest {
            user_id: user.to_owned(),
            permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
            audience: audience.map(str::to_owned),
            ..IssueRequest::default()
        };
        self.gate.issue(&request, NOW).expect("a token").to_string()
    }

    /// The claims of a good token as text, with more members to invalidate it.
    fn claims(&self, more: &str) -> String {
        let exp = NOW.seconds() + 3600;
        format!(r#"{{"user_id":"user123","permissions":["user"],"aud":"{}",{more}"exp":{exp}}}"#, self.uri)
    }

    fn connect(&self) -> TcpStream {
        connect(self.server.as_ref().expect("a running server").address)
    }

    /// Sends a request with these headers in addition to the usual ones.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(self.server.as_ref().expect("a running server").address, method, path, headers, body)
    }

    fn post(&self, token: Option<&str>, body: &str) -> Answer {
        let header = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = header.iter().map(|header| ("Authorization", header.as_str())).collect();
        self.send("POST", "/mcp", &headers, body)
    }

    fn call(&self, token: Option<&str>, tool: &str, arguments: &Value) -> Answer {
        self.post(token, &call(tool, arguments))
    }

    /// Returns the newest call in the log: its tool and code.
    fn logged(&self) -> Option<(String, String)> {
        self.gate.shared().read(|state| {
            let record = state.activity().newest().find(|record| record.is_call)?;
            assert_eq!(record.origin, Origin::Client);
            assert_eq!(record.client.as_deref(), Some("a-test/1"));
            Some((record.tool.to_string(), record.answered.code().to_owned()))
        })
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

/// Sends a request with these headers in addition to the usual ones, and reads the answer.
fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let host = address.to_string();
    let usual = [
        ("Host", &*host),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("User-Agent", "a-test/1"),
    ];
    let kept = usual.into_iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
    let lines = kept.chain(headers.iter().copied()).map(|(name, value)| format!("{name}: {value}\r\n"));
    let (lines, length) = (lines.collect::<Vec<_>>().concat(), body.len());
    let mut stream = connect(address);
    let head = format!("{method} {path} HTTP/1.1\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + body).as_bytes()).expect("the request is sent");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("an answer");
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("the head is missing: {all:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Calls a tool and returns the HTTP status.
pub fn call_status(address: SocketAddr, token: Option<&str>, tool: &str) -> u16 {
    let header = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = header.iter().map(|header| ("Authorization", header.as_str())).collect();
    send(address, "POST", "/mcp", &headers, &call(tool, &json!({"id": 1}))).status
}

/// The status of a call that names another host than the address.
pub fn call_status_as(host: &str, address: SocketAddr, token: &str, tool: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("Host", host), ("Authorization", bearer.as_str())];
    send(address, "POST", "/mcp", &headers, &call(tool, &json!({"id": 1}))).status
}

fn call(tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }).to_string()
}

fn request(method: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method }).to_string()
}

#[test]
fn the_lab_example_returns_the_documented_answers_over_http() {
    let served = TestServer::new();
    let user = served.token("user123", &["user"]);
    let admin = served.token("admin456", &["admin"]);
    for (token, tool, arguments, answer) in [
        (&user, "read_data", json!({"id": 1}), json!({"success": true, "result": {"id": 1}})),
        (&admin, "write_data", json!({"data": "new"}), json!({"success": true, "result": "written"})),
        (&admin, "delete_data", json!({"id": 1}), json!({"success": true, "result": "deleted"})),
    ] {
        let got = served.call(Some(token), tool, &arguments);
        let result = &got.json()["result"];
        assert_eq!((got.status, &result["structuredContent"], &result["isError"]), (200, &answer, &json!(false)));
        assert_eq!(result["content"][0]["text"], answer.to_string());
        assert_eq!(served.logged(), Some((tool.to_owned(), "allowed".to_owned())));
    }
    let got = served.call(Some(&user), "write_data", &json!({"data": "new"}));
    assert_eq!((got.status, &got.json()["error"]["data"]["error"]), (403, &json!("forbidden")));
    let got = served.call(None, "read_data", &json!({"id": 1}));
    assert_eq!((got.status, &got.json()["error"]["data"]["error"]), (401, &json!("unauthorized")));
}

/// The client sees only the code of each decision about a token.
#[test]
fn a_bad_token_is_refused_with_its_code_and_logged_with_its_reason() {
    let served = TestServer::new();
    let good = served.token("user123", &["user"]);
    let revoked = served.token("user123", &["user"]);
    served.gate.shared().update(|state| {
        let mut all = (*state.rules().revoked).clone();
        all.revoke(RevocationTarget::Token(TokenId::of(&revoked)), Revocation { at: NOW, until: None, user: None });
        state.set_revoked(all);
    });
    let old = served.claims("").replace(&(NOW.seconds() + 3600).to_string(), &NOW.seconds().to_string());
    let early = served.claims(&format!("\"nbf\":{},", NOW.seconds() + 60));
    let mut changed = good.clone();
    changed.replace_range(changed.len() - 4.., "AAAA");
    for (token, code) in [
        ("junk".to_owned(), "malformed"),
        (format!("{good}="), "malformed"),
        (format!("{good}.x"), "malformed"),
        ("x".repeat(9000), "too_large"),
        (sign(HS256, old), "expired"),
        (sign(HS256, early), "not_yet_valid"),
        (sign_with(HS256, served.claims(""), b"another"), "bad_signature"),
        (changed, "bad_signature"),
        (sign(r#"{"alg":"none"}"#, served.claims("")), "algorithm_refused"),
        (sign(r#"{"alg":"HS256","crit":["exp"]}"#, served.claims("")), "header_refused"),
        (served.token_for("user123", &["user"], None), "audience_mismatch"),
        (served.token_for("user123", &["user"], Some("https://other.example/mcp")), "audience_mismatch"),
        (sign(HS256, served.claims("\"user_id\":\"admin\",")), "malformed"),
        (revoked, "revoked"),
    ] {
        for body in [call("read_data", &json!({"id": 1})), request("tools/list"), request("ping")] {
            let got = served.post(Some(&token), &body);
            let header = got.header("WWW-Authenticate").expect("a challenge");
            assert_eq!(got.status, 401, "{code}");
            assert!(
                header.starts_with(&format!("Bearer error=\"invalid_token\", error_description=\"{code}\", ")),
                "{header}"
            );
            assert!(header.ends_with("/.well-known/oauth-protected-resource/mcp\""), "{header}");
            let report = got.json();
            assert_eq!((&report["id"], &report["error"]["data"]["reason"]), (&json!(7), &json!(code)));
            assert_eq!(got.header("Cache-Control"), Some("no-store"));
            assert!(!got.body.contains(&token) && !got.head.contains(&token));
        }
        assert_eq!(served.logged(), Some(("read_data".to_owned(), code.to_owned())));
        // Only a limited number of refusals per second is logged.
        served.clock.advance(Duration::from_secs(1));
    }
    let counts = served.gate.shared().read(|state| (state.activity().len(), state.traffic().requests()));
    assert_eq!(counts, (42, 42));
}

#[test]
fn the_challenge_without_a_token_contains_no_error() {
    let served = TestServer::new();
    for body in [call("write_data", &json!({})), request("initialize"), "junk".to_owned()] {
        let got = served.post(None, &body);
        let header = got.header("WWW-Authenticate").expect("a challenge");
        assert!(got.status == 401 && header.starts_with("Bearer scope=\"") && !header.contains("error"), "{header}");
    }
    // A token in the query string is ignored.
    let token = served.token("user123", &["user"]);
    let path = format!("/mcp?access_token={token}");
    assert_eq!(served.send("POST", &path, &[], &request("tools/list")).status, 401);
    for method in ["GET", "DELETE", "PUT", "OPTIONS"] {
        assert_eq!(served.send(method, "/mcp", &[], "").status, 401, "{method}");
    }
}

#[rstest]
#[case(&["Basic dXNlcjpwYXNz"])]
#[case(&["Bearer"])]
#[case(&["TOKEN"])]
#[case(&["Bearer TOKEN", "Bearer TOKEN"])]
#[case(&["Basic dXNlcjpwYXNz", "Bearer TOKEN"])]
fn an_authorization_header_other_than_one_bearer_token_is_a_bad_request(#[case] values: &[&str]) {
    let served = TestServer::new();
    let token = served.token("user123", &["user"]);
    let values: Vec<String> = values.iter().map(|value| value.replace("TOKEN", &token)).collect();
    let headers: Vec<_> = values.iter().map(|value| ("Authorization", value.as_str())).collect();
    let got = served.send("POST", "/mcp", &headers, &call("read_data", &json!({})));
    let header = got.header("WWW-Authenticate").expect("a challenge");
    assert!(got.status == 400 && header.starts_with("Bearer error=\"invalid_request\""), "{header}");
    assert_eq!(served.logged(), None, "nothing was called");
}

#[test]
fn a_forbidden_call_names_the_missing_permission() {
    let served = TestServer::new();
    let user = served.token("user123", &["user"]);
    let got = served.call(Some(&user), "write_data", &json!({"data": "new"}));
    let header = got.header("WWW-Authenticate").expect("a challenge");
    assert_eq!(got.status, 403);
    assert!(
        header.starts_with(
            "Bearer error=\"insufficient_scope\", error_description=\"permission_missing\", scope=\"admin\", "
        ),
        "{header}"
    );
    let error = &got.json()["error"];
    assert_eq!(
        (&error["code"], &error["data"]),
        (&json!(1403), &json!({"error": "forbidden", "reason": "permission_missing"}))
    );
    assert_eq!(error["message"], "forbidden: write_data needs admin");
    assert_eq!(served.logged(), Some(("write_data".to_owned(), "permission_missing".to_owned())));

    // No permission would allow an unknown tool: the answer is the specification's error, with the contract's answer in
    // it.
    let got = served.call(Some(&user), "drop\u{202e}_tables", &json!({}));
    let error = &got.json()["error"];
    assert_eq!((got.status, &error["code"]), (200, &json!(-32602)));
    assert_eq!(error["data"], json!({"error": "forbidden", "reason": "unknown_tool"}));
    assert!(!got.body.contains('\u{202e}'));
    assert_eq!(served.logged(), Some(("drop\u{202e}_tables".to_owned(), "unknown_tool".to_owned())));
}

#[test]
fn a_denial_can_be_a_tool_result() {
    let served = TestServer::with(|settings| settings.denial = Denial::Tool);
    let user = served.token("user123", &["user"]);
    let got = served.call(Some(&user), "write_data", &json!({}));
    let result = &got.json()["result"];
    assert_eq!((got.status, &result["isError"]), (200, &json!(true)));
    let answer = json!({"error": "forbidden", "message": "write_data needs admin"});
    assert_eq!(result["structuredContent"], answer);
    assert_eq!(result["content"], json!([{"type": "text", "text": "forbidden: write_data needs admin"}]));
    assert_eq!(served.logged(), Some(("write_data".to_owned(), "permission_missing".to_owned())));
    // A client without a token must be asked for one, which only the status does.
    assert_eq!(served.call(None, "write_data", &json!({})).status, 401);
    served.clock.set(NOW.plus(Span::HOUR));
    let got = served.call(Some(&user), "read_data", &json!({}));
    let result = &got.json()["result"];
    assert_eq!(
        (got.status, &result["structuredContent"]),
        (200, &json!({"error": "unauthorized", "message": "expired"}))
    );
    assert_eq!(result["content"], json!([{"type": "text", "text": "unauthorized: expired"}]));
    // Some clients hang on an error status for other requests too, so the error is in the body and gives the reason.
    let got = served.post(Some(&user), &request("tools/list"));
    assert_eq!((got.status, &got.json()["error"]["code"]), (200, &json!(1401)));
    assert_eq!(got.json()["error"]["message"], "unauthorized: expired");
    assert_eq!(served.post(None, &request("tools/list")).status, 401);
    // A notification has no response that could contain an error.
    assert_eq!(served.post(Some(&user), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).status, 202);
}

/// Semantic Kernel hangs after a failed `initialize`.
#[rstest]
#[case(Denial::Tool, "2025-06-18", Some("2025-06-18"))]
#[case(Denial::Tool, "2020-01-01", Some("2025-11-25"))]
#[case(Denial::Tool, "2026-07-28", Some("2025-11-25"))]
#[case(Denial::Auto, "2025-06-18", None)]
fn initialize_with_an_expired_token_is_answered_with_200_if_denials_are_results(
    #[case] denial: Denial,
    #[case] requested: &str,
    #[case] version: Option<&str>,
) {
    let served = TestServer::with(|settings| settings.denial = denial);
    let user = served.token("user123", &["user"]);
    served.clock.set(NOW.plus(Span::HOUR));
    let params =
        json!({"protocolVersion": requested, "capabilities": {}, "clientInfo": {"name": "kernel", "version": "1"}});
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
    let got = served.post(Some(&user), &ask);
    let answer = got.json();
    assert_eq!(got.status, 200);
    match version {
        Some(version) => {
            let result = &answer["result"];
            assert_eq!(result["protocolVersion"], version);
            assert_eq!(
                (&result["instructions"], &result["serverInfo"]["name"]),
                (&json!("unauthorized: expired"), &json!("portcullis"))
            );
            let logged =
                served.gate.shared().read(|state| state.activity().newest().next().map(|row| row.tool.to_string()));
            assert_eq!(logged.as_deref(), Some("initialize"));
        }
        None => assert_eq!(answer["error"]["message"], "unauthorized: expired"),
    }
}

#[test]
fn a_throttled_caller_gets_retry_after_as_status_or_tool_result() {
    let rare = |denial| TestServer::with(move |settings| (settings.denial, settings.rate) = (denial, Some(1)));
    for (denial, is_result) in [(Denial::Http, false), (Denial::Tool, true), (Denial::Auto, true)] {
        let served = rare(denial);
        let user = served.token("user123", &["user"]);
        for _ in 0..BURST {
            assert_eq!(served.call(Some(&user), "read_data", &json!({})).status, 200);
        }
        // A notification is dropped silently, because some clients would end their session.
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(served.post(Some(&user), notification).status, 202);
        let got = served.call(Some(&user), "read_data", &json!({}));
        let mut answer = json!({"error": "too_many_calls", "retry_after": 1});
        if is_result {
            answer["message"] = json!("try again in 1 s");
            let result = &got.json()["result"];
            assert_eq!((got.status, &result["isError"], &result["structuredContent"]), (200, &json!(true), &answer));
            assert_eq!(result["content"][0]["text"], "too many calls: try again in 1 s");
        } else {
            assert_eq!((got.status, got.header("retry-after")), (429, Some("1")));
            // Some clients show only the reason phrase.
            assert!(
                got.head.starts_with("HTTP/1.1 429 Too Many Requests (too many calls: try again in 1 s)"),
                "{got:?}"
            );
            assert_eq!(got.json()["error"]["data"], answer);
        }
    }
}

#[rstest]
#[case("python-httpx/0.28.1", "2025-11-25", 200)]
#[case("python-httpx/0.28.1", "2026-07-28", 403)]
#[case("node", "2025-11-25", 200)]
fn automatic_denials_suit_the_client(#[case] agent: &str, #[case] version: &str, #[case] status: u16) {
    let served = TestServer::with(|settings| settings.denial = Denial::Auto);
    let bearer = format!("Bearer {}", served.token("user123", &["user"]));
    let headers = [("Authorization", &*bearer), ("User-Agent", agent), ("MCP-Protocol-Version", version)];
    assert_eq!(served.send("POST", "/mcp", &headers, &call("write_data", &json!({}))).status, status);
}

/// If revocations cannot be read, the server uses the last ones for a limited time and reports it, and then makes no
/// decisions.
#[test]
fn unreadable_revocations_are_used_until_max_stale_and_then_no_decisions_are_made() {
    let served = TestServer::with(|settings| settings.max_stale = Duration::from_secs(30));
    let user = served.token("user123", &["user"]);
    let health = || {
        let got = served.send("GET", "/healthz", &[], "");
        (got.status, got.json())
    };
    let status = || served.call(Some(&user), "read_data", &json!({})).status;
    let ok = json!({"status": "ok", "unreadable_for_seconds": {}, "unsaved": 0, "issuers_without_keys": 0});
    assert_eq!((health(), status()), ((200, ok.clone()), 200));
    let unread = |goes_stale| Some(ReadFailure { since: served.clock.monotonic(), why: "/a/path".into(), goes_stale });
    let shared = served.gate.shared();
    shared.update(|state| state.set_health(|health| health.store = unread(true)));
    served.clock.advance(Duration::from_secs(29));
    let degraded = json!({
        "status": "degraded", "unreadable_for_seconds": {"revocations": 29}, "unsaved": 0, "issuers_without_keys": 0
    });
    assert_eq!((health(), status()), ((200, degraded), 200));
    served.clock.advance(Duration::from_secs(1));
    assert_eq!(health().0, 503);
    let got = served.call(Some(&user), "read_data", &json!({}));
    assert_eq!((got.status, got.header("retry-after")), (503, Some("1")));
    assert_eq!(got.json()["error"]["message"], "unavailable: revocations cannot be read");
    assert_eq!(served.call(None, "read_data", &json!({})).status, 503, "not 401, because the token may be valid");
    shared.update(|state| state.set_health(|health| health.store = None));
    assert_eq!((health(), status()), ((200, ok), 200));
    // A faulty policy file does not end the last good policy.
    shared.update(|state| state.set_health(|health| health.policy = unread(false)));
    served.clock.advance(Duration::from_secs(3600 - 31));
    assert_eq!((health().1["status"].clone(), status()), (json!("degraded"), 200));
}

#[test]
fn a_token_whose_issuer_has_no_keys_at_present_gets_503() {
    let served = TestServer::new();
    let user = served.token("user123", &["user"]);
    let keys = KeySet::unavailable("https://id.example/jwks: expected status 200, got 500");
    served.gate.shared().update(|state| state.set_rules((**state.rules()).clone().with_keys(keys)));
    let got = served.call(Some(&user), "read_data", &json!({}));
    assert_eq!((got.status, got.header("retry-after")), (503, Some("30")), "not 401: the token may be valid");
    assert_eq!(got.json()["error"]["message"], "unavailable: the issuer's key set cannot be read");
    assert_eq!(served.call(None, "read_data", &json!({})).status, 401);
    // For monitoring, an issuer of others without keys is a degradation: the tokens of the rest are decided.
    let gone = portcullis::gate::KeyStatus { issuer: Some("https://gone".into()), ..Default::default() };
    served.gate.shared().update(|state| state.set_issuer_keys(&KeySet::default(), gone));
    let health = served.send("GET", "/healthz", &[], "");
    assert_eq!((health.status, health.json()["status"].clone()), (200, json!("degraded")));
    assert_eq!(health.json()["issuers_without_keys"], 1);
}

#[test]
fn a_server_takes_tokens_up_to_its_limit() {
    for (kib, status) in [("8", 401), ("64", 200)] {
        let rules = Rules { token_limit: kib.parse().expect("a limit"), ..crate::forge::rules() };
        let served = TestServer::on(rules, |_| {});
        // Nearly 64 KiB once it is encoded.
        let groups = format!(r#""groups":"{}","#, "g".repeat(48_000));
        let got = served.call(Some(&sign(HS256, served.claims(&groups))), "read_data", &json!({}));
        // With the smaller limit, the head of the request is too large already.
        let wanted: &[u16] = if status == 200 { &[200] } else { &[401, 431] };
        assert!(wanted.contains(&got.status), "{kib} KiB: {got:?}");
        let groups = format!(r#""groups":"{}","#, "g".repeat(7_000));
        let got = served.call(Some(&sign(HS256, served.claims(&groups))), "read_data", &json!({}));
        assert_eq!(got.status, status, "{kib} KiB: {}", got.head);
    }
}

#[test]
fn a_server_answers_every_test_token_as_the_kit_expects() {
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::Ed25519] {
        let (signer, _) = Signer::generate(algorithm).expect("a key");
        let rules = Rules::new(&signer).with_issuer(Some("https://us.example".into()));
        let served = TestServer::signing(signer.clone(), rules, |settings| settings.rate = None);
        let identity = Identity { user_id: "user123".to_owned(), permissions: vec!["user".to_owned()] };
        let rules = served.gate.shared().rules();
        let tokens = kit::make(&rules, &signer, &identity, "read_data", 7, NOW).expect("test tokens");
        for token in tokens {
            let got = served.call(Some(&token.token), "read_data", &json!({}));
            let said = got.header("www-authenticate").unwrap_or_default().to_owned();
            match token.expected {
                "allowed" => assert_eq!(got.status, 200, "{algorithm}, {}: {got:?}", token.name),
                code => {
                    let is_named = said.contains(&format!("error_description=\"{code}\""));
                    assert!(got.status == 401 && is_named, "{algorithm}, {}: {got:?}", token.name);
                }
            }
        }
    }
}

/// Reads a stream of events up to a text; `None` if the stream ends first.
fn event(stream: &mut BufReader<TcpStream>, text: &str) -> Option<String> {
    let mut line = String::new();
    while stream.read_line(&mut line).expect("an event in time") > 0 {
        if line.contains(text) {
            return Some(line);
        }
        line.clear();
    }
    None
}

/// A client of revision 2026-07-28 subscribes and is notified of tool changes until its token becomes invalid.
#[test]
fn a_subscriber_is_notified_of_tool_changes_until_its_token_becomes_invalid() {
    let served = TestServer::new();
    let user = served.token("user123", &["user"]);
    let bearer = format!("Bearer {user}");
    let headers =
        [("Authorization", &*bearer), ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "server/discover")];
    let discovered = served.send("POST", "/mcp", &headers, &modern("server/discover", None)).json();
    let declared = json!({"tools": {"listChanged": true}, "prompts": {}, "resources": {}});
    assert_eq!(discovered["result"]["capabilities"], declared);
    assert_eq!(discovered["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "portcullis");
    // Clients of older revisions do not have a stream for notifications.
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "old", "version": "1" } });
    let hello = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": params }).to_string();
    assert_eq!(served.post(Some(&user), &hello).json()["result"]["capabilities"], json!({ "tools": {} }));

    let mut body: Value = serde_json::from_str(&modern("subscriptions/listen", None)).expect("JSON");
    body["params"]["notifications"] = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let body = body.to_string();
    let mut stream = served.connect();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {user}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: subscriptions/listen\r\nContent-Length: {}\r\n\r\n{body}",
        served.server.as_ref().expect("a running server").address,
        body.len(),
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut stream = BufReader::new(stream);
    let accepted = event(&mut stream, "notifications/subscriptions/acknowledged").expect("an acknowledgement");
    assert!(accepted.contains("toolsListChanged") && !accepted.contains("promptsListChanged"), "{accepted}");

    let policy = |text: &[u8]| Arc::new(Policy::read(text).expect("a policy"));
    let shared = served.gate.shared();
    // A client is not notified of tools that it may not call.
    let more = b"[tools.read_data]\npermissions = [\"user\"]\n[tools.write_data]\npermissions = [\"admin\"]\n";
    shared.update(|state| state.set_policy(policy(more)));
    let all = b"[tools.read_data]\npermissions = [\"user\"]\n[tools.write_data]\npermissions = [\"user\"]\n";
    shared.update(|state| state.set_policy(policy(all)));
    let notification = event(&mut stream, "notifications/").expect("a notification");
    assert!(
        notification.contains("notifications/tools/list_changed") && notification.contains("subscriptionId"),
        "{notification}"
    );
    shared.update(|state| {
        let mut revoked = (*state.rules().revoked).clone();
        revoked.revoke(RevocationTarget::Token(TokenId::of(&user)), Revocation { at: NOW, until: None, user: None });
        state.set_revoked(revoked);
    });
    let ended = event(&mut stream, "\"result\"").expect("the last answer");
    assert!(!ended.contains("list_changed"), "{ended}");
    assert_eq!(event(&mut stream, "notifications/"), None, "the stream ends");
}

/// Every refusal, even of requests that call no tool, has a row: the request, the code, and the next step.
#[test]
fn every_refusal_has_a_row_with_the_reason_and_a_next_step() {
    let served = TestServer::with(|settings| settings.rate = Some(1000));
    let user = served.token("user123", &["user"]);
    let bearer = format!("Bearer {user}");
    let good = ("Authorization", &*bearer);
    let hello = request("initialize");
    for (method, path, headers, body, tool, code, why) in [
        (
            "POST",
            "/mcp",
            vec![],
            &*request("tools/list"),
            "tools/list",
            "missing_token",
            "send the token as Authorization",
        ),
        (
            "POST",
            "/mcp",
            vec![("Authorization", "Bearer x.y.z")],
            &hello,
            "POST /mcp",
            "malformed",
            "send the whole token",
        ),
        (
            "POST",
            "/mcp",
            vec![("Authorization", "Basic YTpi")],
            &request("ping"),
            "ping",
            "invalid_request",
            "Bearer token",
        ),
        ("POST", "/mcp", vec![good, ("Host", "evil.example")], "", "POST /mcp", "host_not_allowed", "--allow-host"),
        (
            "POST",
            "/mcp",
            vec![good, ("Origin", "http://evil.example")],
            "",
            "POST /mcp",
            "origin_not_allowed",
            "--allow-origin",
        ),
        ("POST", "/mcp", vec![good], "[]", "POST /mcp", "bad_request", "batches are not served"),
        ("POST", "/elsewhere", vec![good], "", "POST /elsewhere", "not_found", "the MCP endpoint is /mcp"),
        (
            "GET",
            "/.well-known/openid-configuration",
            vec![],
            "",
            "GET /.well-known/openid-configuration",
            "not_found",
            "sign in with OAuth",
        ),
        ("POST", "/", vec![good], "", "POST /", "method_not_allowed", "POST /mcp"),
    ] {
        served.send(method, path, &headers, body);
        let row = served.gate.shared().read(|state| state.activity().nth_newest(0).cloned()).expect("a row");
        assert_eq!((&*row.tool, row.answered.code(), row.is_call), (tool, code, false));
        assert!(row.why().contains(why), "{}", row.why());
        assert_eq!((row.client.as_deref(), row.peer), (Some("a-test/1"), Some([127, 0, 0, 1].into())));
        let counted = served.gate.shared().read(|state| state.traffic().refusals());
        assert!(counted.iter().any(|(counted, _)| *counted == code), "{code} in {counted:?}");
    }
    // A client of an older revision asks for a stream and ends its session. Answering that neither exists is not a
    // refusal.
    let before = served.gate.shared().read(|state| state.activity().len());
    for method in ["GET", "DELETE"] {
        assert_eq!(served.send(method, "/mcp", &[good, ("Accept", "text/event-stream")], "").status, 405);
    }
    assert_eq!(served.gate.shared().read(|state| state.activity().len()), before);
}

#[test]
fn invalid_arguments_are_a_tool_error() {
    let policy = Policy::read(
        b"[tools.read_data]\npermissions = [\"user\"]\nschema = { type = \"object\", required = [\"id\"] }\n",
    );
    let rules = Rules { policy: Arc::new(policy.expect("a policy")), ..crate::forge::rules() };
    let served = TestServer::on(rules, |_| {});
    let user = served.token("user123", &["user"]);
    let got = served.call(Some(&user), "read_data", &json!({"nr": 1}));
    let result = &got.json()["result"];
    assert_eq!(
        (&result["isError"], &result["structuredContent"]),
        (&json!(true), &json!({"error": "invalid_arguments", "message": "arguments: \"id\" is a required property"}))
    );
    // Many clients show only the first block, and validate the structured content against the schema.
    assert_eq!(result["content"].as_array().map(Vec::len), Some(1));
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().expect("a text")).expect("JSON");
    assert_eq!(text, result["structuredContent"]);
    let got = served.call(Some(&user), "read_data", &json!([1]));
    let error = &got.json()["error"];
    assert_eq!(
        (got.status, &error["code"], &error["data"]),
        (200, &json!(-32602), &json!({"error": "invalid_arguments"}))
    );
    let listed = served.post(Some(&user), &request("tools/list")).json();
    assert_eq!(listed["result"]["tools"][0]["inputSchema"]["required"], json!(["id"]));
}

#[rstest]
#[case(Listing::Permitted, &["user"], &["read_data"])]
#[case(Listing::Permitted, &["admin"], &["read_data", "write_data", "delete_data"])]
#[case(Listing::Permitted, &[], &[])]
#[case(Listing::All, &[], &["read_data", "write_data", "delete_data"])]
fn a_client_lists_the_tools_that_it_may_call(#[case] listing: Listing, #[case] held: &[&str], #[case] tools: &[&str]) {
    let served = TestServer::with(|settings| settings.listing = listing);
    let token = served.token("user123", held);
    let result = served.post(Some(&token), &request("tools/list")).json()["result"].clone();
    let names: Vec<_> = result["tools"].as_array().expect("a list").iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, tools);
    assert_eq!(result["cacheScope"], "private", "the list depends on the caller");
}

#[rstest]
#[case("Host", "evil.example", 403)]
#[case("Host", "127.0.0.1.evil.example", 403)]
#[case("Host", "localhost:1", 200)]
#[case("Origin", "http://evil.example", 403)]
#[case("Origin", "null", 403)]
#[case("Origin", "http://localhost:6274", 403)]
#[case("MCP-Protocol-Version", "1999-01-01", 400)]
#[case("MCP-Protocol-Version", "2025-06-18", 200)]
#[case("Content-Type", "text/plain", 415)]
#[case("Accept", "application/json", 200)]
#[case("Accept", "*/*", 200)]
#[case("Accept", "text/html, application/*;q=0.5", 200)]
#[case("Accept", "text/event-stream", 406)]
#[case("Accept", "application/json;q=0", 406)]
fn invalid_protocol_headers_are_refused(#[case] name: &str, #[case] value: &str, #[case] status: u16) {
    let served = TestServer::new();
    let bearer = format!("Bearer {}", served.token("user123", &["user"]));
    let headers = [("Authorization", &*bearer), (name, value)];
    assert_eq!(served.send("POST", "/mcp", &headers, &request("tools/list")).status, status);
    let counted = served.gate.shared().read(|state| state.traffic().refusals());
    let code = match (status, name) {
        (403, "Host") => "host_not_allowed",
        (403, _) => "origin_not_allowed",
        _ => "bad_request",
    };
    assert_eq!(counted, if status == 200 { vec![] } else { vec![(code, 1)] });
}

#[test]
fn a_call_from_an_allowed_origin_passes() {
    let served = TestServer::with(|settings| settings.origins = vec!["http://localhost:*".parse().expect("a page")]);
    let bearer = format!("Bearer {}", served.token("user123", &["user"]));
    for (origin, status) in [("http://localhost:6274", 200), ("https://localhost:6274", 403)] {
        let headers = [("Authorization", &*bearer), ("Origin", origin)];
        assert_eq!(served.send("POST", "/mcp", &headers, &request("tools/list")).status, status, "{origin}");
    }
}

#[test]
fn an_allowed_origin_passes_the_cors_preflight_of_its_browser() {
    let served = TestServer::with(|settings| settings.origins = vec!["http://localhost:*".parse().expect("a page")]);
    let origin = ("Origin", "http://localhost:6274");
    let asks = [
        origin,
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,mcp-param-city"),
    ];
    let got = served.send("OPTIONS", "/mcp", &asks, "");
    assert_eq!((got.status, got.header("Access-Control-Allow-Origin")), (204, Some("http://localhost:6274")));
    let head = got.head.to_lowercase();
    for word in ["authorization", "mcp-protocol-version", "mcp-param-city", "post", "vary: origin"] {
        assert!(head.contains(word), "{word}: {head}");
    }
    // The page must be able to read refusals, too.
    let refused = served.send("POST", "/mcp", &[origin], &request("tools/list"));
    assert_eq!((refused.status, refused.header("Access-Control-Allow-Origin")), (401, Some("http://localhost:6274")));
    assert!(refused.header("Access-Control-Expose-Headers").is_some_and(|names| names.contains("WWW-Authenticate")));
    // Another origin gets no permission, with or without a preflight, and its call is not parsed.
    let other = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")];
    let got = served.send("OPTIONS", "/mcp", &other, "");
    assert_eq!((got.status, got.header("Access-Control-Allow-Origin")), (403, None));
    assert!(got.body.contains("Origin http://evil.example is not allowed; --allow-origin allows it"), "{}", got.body);
    let bearer = format!("Bearer {}", served.token("user123", &["user"]));
    let headers = [("Authorization", &*bearer), ("Host", "evil.example")];
    assert_eq!(served.send("POST", "/mcp", &headers, &call("read_data", &json!([1]))).status, 403);
    assert_eq!(served.logged(), None);
}

/// A request of the revision without sessions.
fn modern(method: &str, name: Option<&str>) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "3" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut params = json!({ "_meta": meta });
    if let Some(name) = name {
        params["name"] = json!(name);
        params["arguments"] = json!({"id": 1});
    }
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
}

#[test]
fn revisions_with_and_without_sessions_are_served() {
    let served = TestServer::new();
    let bearer = format!("Bearer {}", served.token("user123", &["user"]));
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let params =
            json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "old", "version": "1" } });
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": params }).to_string();
        let got = served.send("POST", "/mcp", &[("Authorization", &bearer)], &body);
        assert_eq!((got.status, &got.json()["result"]["protocolVersion"]), (200, &json!(version)));
        assert_eq!(got.header("Mcp-Session-Id"), None, "sessions are not supported");
    }
    let send = |method: &str, header: &str, name: Option<&str>| {
        let mut headers =
            vec![("Authorization", &*bearer), ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", header)];
        headers.extend(name.map(|name| ("Mcp-Name", name)));
        let body = modern(method, Some("read_data").filter(|_| method == "tools/call"));
        served.send("POST", "/mcp", &headers, &body)
    };
    let versions = send("server/discover", "server/discover", None).json()["result"]["supportedVersions"].clone();
    assert!(versions.as_array().is_some_and(|all| all.contains(&json!("2026-07-28"))), "{versions}");
    let called = send("tools/call", "tools/call", Some("read_data"));
    assert_eq!((called.status, &called.json()["result"]["structuredContent"]["success"]), (200, &json!(true)));
    let listed = send("tools/list", "tools/list", None).json();
    assert_eq!((&listed["result"]["cacheScope"], &listed["result"]["ttlMs"]), (&json!("private"), &json!(0)));
    // Header and body disagree.
    assert_eq!(send("tools/call", "tools/list", Some("read_data")).status, 400);
    assert_eq!(send("tools/call", "tools/call", Some("write_data")).status, 400);
    let clients = served.gate.shared().read(|state| state.traffic().clients()[0].called());
    assert_eq!(clients, "modern 3");
}

#[rstest]
#[case("", -32700)]
#[case("{", -32700)]
#[case(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#, -32700)]
#[case(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_data","name":"write_data"}}"#, -32700)]
#[case(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_data","arguments":{"id":1,"id":2}}}"#, -32700)]
#[case(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#, -32600)]
#[case("7", -32600)]
#[case(&format!("[{}0]", "0,".repeat(8192)), -32700)]
#[case(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#, -32602)]
#[case(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"x","capabilities":{}}}"#, -32602)]
fn a_body_that_is_not_a_message_is_a_bad_request(#[case] body: &str, #[case] code: i32) {
    let served = TestServer::new();
    let token = served.token("user123", &["user"]);
    let got = served.post(Some(&token), body);
    assert_eq!((got.status, &got.json()["error"]["code"]), (400, &json!(code)));
    let has_id = code == -32602 && body.contains("\"id\":1");
    assert_eq!(got.json()["id"], if has_id { json!(1) } else { Value::Null }, "null only if the id cannot be parsed");
    assert_eq!(served.logged(), None, "nothing was called");
}

#[test]
fn methods_other_than_post_and_oversized_bodies_are_refused() {
    let served = TestServer::new();
    let bearer = format!("Bearer {}", served.token("user123", &["user"]));
    for method in ["GET", "DELETE"] {
        let got = served.send(method, "/mcp", &[("Authorization", &bearer)], "");
        assert_eq!((got.status, got.header("Allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(served.send("POST", "/elsewhere", &[("Authorization", &bearer)], "{}").status, 404);
    let huge = call("read_data", &json!({ "id": "x".repeat(300 << 10) }));
    assert_eq!(served.send("POST", "/mcp", &[("Authorization", &bearer)], &huge).status, 413);
}

#[test]
fn the_metadata_is_public_and_contains_the_resource() {
    let served = TestServer::with(|settings| settings.authorization_servers = vec!["https://id.example".to_owned()]);
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let got = served.send("GET", path, &[], "");
        let metadata = got.json();
        assert_eq!((got.status, metadata["resource"].as_str()), (200, Some(&*served.uri)));
        assert_eq!(metadata["authorization_servers"], json!(["https://id.example"]));
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
        assert_eq!(metadata["scopes_supported"], json!(["user", "admin"]));
    }
}

#[test]
fn the_metadata_names_the_issuers_whose_tokens_are_accepted() {
    let rules = crate::forge::rules();
    let other = |name: &str| Issuer { name: Some(name.into()), ..Issuer::default() };
    let issuers = rules.issuers.with(other("https://sso.example/realms/prod")).expect("a name");
    // Not a URL, and so not the identifier of an authorization server (RFC 8414 §2).
    let issuers = issuers.with(other("ci")).expect("a name");
    let served = TestServer::on(Rules { issuers, ..rules }, |_| {});
    let metadata = served.send("GET", "/.well-known/oauth-protected-resource/mcp", &[], "").json();
    assert_eq!(metadata["authorization_servers"], json!(["https://sso.example/realms/prod"]));
}

#[test]
fn every_result_matches_the_output_schema() {
    let served = TestServer::with(|settings| settings.denial = Denial::Tool);
    let user = served.token("user123", &["user"]);
    let listed = served.post(Some(&user), &request("tools/list")).json();
    let schema = jsonschema::validator_for(&listed["result"]["tools"][0]["outputSchema"]).expect("a schema");
    for (tool, arguments) in [("read_data", json!({"id": 1})), ("write_data", json!({})), ("read_data", json!({}))] {
        let result = served.call(Some(&user), tool, &arguments).json()["result"].clone();
        assert!(schema.is_valid(&result["structuredContent"]), "{result}");
    }
}

#[test]
fn an_unknown_method_is_named_and_empty_lists_are_served() {
    let served = TestServer::new();
    let user = served.token("user123", &["user"]);
    let ask = |method: &str| served.post(Some(&user), &request(method)).json();
    for (method, list) in [
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        assert_eq!(ask(method)["result"][list], json!([]), "{method}");
    }
    let error = ask("no\u{202e}thing/here")["error"].clone();
    assert_eq!(error["code"], -32601);
    assert_eq!(error["message"], "Method not found: no\\u{202e}thing/here");
}

#[test]
fn other_paths_name_the_endpoint() {
    let served = TestServer::new();
    let root = served.send("GET", "/", &[], "");
    assert!(root.status == 200 && root.body.contains("/mcp"), "{root:?}");
    for path in ["/sse", "/mcp/x", "/favicon.ico"] {
        let got = served.send("GET", path, &[], "");
        assert!(got.status == 404 && got.body.contains("endpoint of this server is /mcp"), "{got:?}");
    }
}

#[test]
fn a_client_that_tries_to_sign_in_learns_where_to_get_a_token() {
    let served = TestServer::new();
    for (method, path) in [
        ("POST", "/register"),
        ("GET", "/authorize?response_type=code"),
        ("POST", "/token"),
        ("GET", "/.well-known/oauth-authorization-server"),
        ("GET", "/.well-known/oauth-authorization-server/mcp"),
        ("GET", "/.well-known/openid-configuration"),
    ] {
        let got = served.send(method, path, &[], "");
        let body = got.json();
        assert_eq!((got.status, body["error"].as_str()), (404, Some("access_denied")), "{path}");
        assert!(body["error_description"].as_str().is_some_and(|text| text.contains("Authorization: Bearer")));
    }
}

#[test]
fn a_server_publishes_the_public_key_of_its_signer_and_never_a_secret() {
    let paths = ["/.well-known/jwks.json", "/.well-known/openid-configuration"];
    let served = TestServer::new();
    for path in paths {
        assert_eq!(served.send("GET", path, &[], "").status, 404, "{path}");
    }
    let (signer, _) = Signer::generate(portcullis::auth::Algorithm::Es256).expect("a key");
    served.gate.shared().update(|state| state.set_signer(signer.clone()));
    let [keys, described] = paths.map(|path| {
        let got = served.send("GET", path, &[], "");
        assert_eq!((got.status, got.header("cache-control")), (200, Some("max-age=60")), "{path}");
        assert_eq!(got.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(served.send("POST", path, &[], "").status, 405, "{path}");
        assert_eq!(served.send("OPTIONS", path, &[], "").status, 204, "{path}");
        got.json()
    });
    let origin = served.uri.trim_end_matches("/mcp");
    assert_eq!(
        described,
        json!({
            "issuer": origin,
            "jwks_uri": format!("{origin}/.well-known/jwks.json"),
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    );
    // Whoever has only the published key verifies the tokens that this server accepts.
    let token = served.token("user123", &["user"]);
    assert_eq!(served.call(Some(&token), "read_data", &json!({"id": 1})).status, 200);
    let read = portcullis::auth::keys::read_public(keys.to_string().as_bytes(), KeyOrigin::Program).expect("a set");
    let others = Rules::new(read.keys.into_iter().collect::<portcullis::auth::KeySet>());
    assert_eq!(others.verify(&token, NOW).expect("valid").user_id, "user123");
    assert!(keys["keys"][0].get("d").is_none() && keys["keys"].as_array().map(Vec::len) == Some(1), "{keys}");
    // The name of the issuer is that of its tokens.
    served.gate.shared().update(|state| {
        let rules = (**state.rules()).clone().with_issuer(Some("https://idp.example".into()));
        state.set_rules(rules);
    });
    assert_eq!(served.send("GET", paths[1], &[], "").json()["issuer"], "https://idp.example");
    served.gate.shared().update(|state| state.set_signer(crate::forge::signer()));
    assert_eq!(paths.map(|path| served.send("GET", path, &[], "").status), [404, 404]);
}

#[test]
fn the_public_keys_are_limited_like_other_public_paths() {
    let served = TestServer::with(|settings| settings.rate = std::num::NonZeroU32::new(1).map(u32::from));
    let (signer, _) = Signer::generate(portcullis::auth::Algorithm::Ed25519).expect("a key");
    served.gate.shared().update(|state| state.set_signer(signer));
    let get = |_| served.send("GET", "/.well-known/jwks.json", &[], "").status;
    assert_eq!(get(0), 200);
    assert!((0..50).map(get).any(|status| status == 429));
}

#[test]
fn an_exposed_server_is_reached_by_the_address_of_its_interface() {
    let served = TestServer::with(|settings| {
        *settings = Settings { expose: true, ..Settings::at("0.0.0.0:0".parse().expect("an address")) };
    });
    let host = served.uri.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    let token = served.token("user123", &["user"]);
    let body = call("read_data", &json!({"id": 1}));
    // Under the name that another laptop uses and under localhost; both over loopback here.
    let port = served.server.as_ref().expect("a running server").address.port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let bearer = format!("Bearer {token}");
    for host in [host.as_str(), &format!("localhost:{port}")] {
        let got = send(address, "POST", "/mcp", &[("Authorization", &bearer), ("Host", host)], &body);
        assert_eq!(got.status, 200, "{host}");
    }
    let metadata = send(address, "GET", "/.well-known/oauth-protected-resource/mcp", &[], "").json();
    assert_eq!(metadata["resource"].as_str(), Some(&*served.uri));
}

#[test]
fn a_trailing_slash_in_the_path_is_accepted() {
    let served = TestServer::new();
    let bearer = format!("Bearer {}", served.token("user123", &["user"]));
    let body = call("read_data", &json!({"id": 1}));
    assert_eq!(served.send("POST", "/mcp/", &[("Authorization", &bearer)], &body).status, 200);
    assert_eq!(served.send("POST", "/mcp/", &[], &body).status, 401);
}

#[test]
fn a_challenge_to_an_unverified_caller_does_not_depend_on_the_tool() {
    let served = TestServer::new();
    let user = served.token("user123", &["user"]);
    let scope = |token: Option<&str>, tool: &str| {
        let got = served.call(token, tool, &json!({}));
        let header = got.header("WWW-Authenticate").expect("a challenge").to_owned();
        header.split("scope=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned)
    };
    assert_eq!(scope(Some(&user), "write_data").as_deref(), Some("admin"));
    for token in [None, Some("junk")] {
        assert_eq!(scope(token, "delete_data").as_deref(), Some("user"), "{token:?}");
    }
}

#[test]
fn the_error_message_gives_the_reason_to_an_unauthorized_caller() {
    let served = TestServer::new();
    let message = |token: Option<&str>| {
        served.call(token, "read_data", &json!({})).json()["error"]["message"].as_str().expect("a text").to_owned()
    };
    let token = served.token("user123", &["user"]);
    assert_eq!(
        (message(None), message(Some("junk"))),
        ("unauthorized: missing_token".into(), "unauthorized: malformed".into())
    );
    served.clock.advance(Duration::from_hours(1));
    assert_eq!(message(Some(&token)), "unauthorized: expired");
}

#[test]
fn idle_connections_give_way_to_a_client_of_the_same_address() {
    let served = TestServer::with(|settings| settings.for_each_peer = 8);
    let token = served.token("user123", &["user"]);
    let idle: Vec<TcpStream> = (0..20).map(|_| served.connect()).collect();
    assert_eq!(served.call(Some(&token), "read_data", &json!({})).status, 200);
    // The oldest connections were closed for the later ones, which a read shows.
    let mut first = &idle[0];
    assert_eq!(first.read(&mut [0; 1]).ok(), Some(0));
}

#[test]
fn callers_that_never_read_their_refusals_do_not_lock_out_others() {
    let served = TestServer::with(|settings| settings.for_each_peer = 8);
    let token = served.token("user123", &["user"]);
    let address = served.server.as_ref().expect("a running server").address;
    let body = request("tools/list");
    let head = format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut deaf: Vec<TcpStream> = (0..20).map(|_| served.connect()).collect();
    for stream in &mut deaf {
        // Some are closed already.
        let _ = stream.write_all(head.as_bytes());
    }
    for _ in 0..20 {
        assert_eq!(served.call(Some(&token), "read_data", &json!({})).status, 200);
    }
}

#[test]
fn a_caller_without_a_valid_token_is_disconnected_and_only_a_short_id_is_echoed() {
    let served = TestServer::new();
    let long = json!({ "jsonrpc": "2.0", "id": "x".repeat(200), "method": "tools/list" }).to_string();
    let got = served.post(Some("junk"), &long);
    assert_eq!((got.status, &got.json()["id"], got.header("Connection")), (401, &Value::Null, Some("close")));
    assert_eq!(served.post(None, &request("tools/list")).json()["id"], 7);
    // A long message is not even read.
    let padded = call("read_data", &json!({ "padding": "x".repeat(5 << 10) }));
    assert_eq!(served.post(Some("junk"), &padded).status, 401);
    assert_eq!(served.logged(), None);
}

#[test]
fn a_head_of_more_than_16_kib_is_refused() {
    let served = TestServer::new();
    let long = "x".repeat(17 << 10);
    assert_eq!(served.send("POST", "/mcp", &[("X-Long", &long)], "{}").status, 431);
}

#[test]
fn a_token_that_expires_between_two_calls_is_refused() {
    let served = TestServer::new();
    let token = served.token("user123", &["user"]);
    served.clock.advance(Duration::from_secs(3599));
    assert_eq!(served.call(Some(&token), "read_data", &json!({})).status, 200);
    served.clock.advance(Duration::from_secs(1));
    assert_eq!(served.call(Some(&token), "read_data", &json!({})).status, 401);
}

/// A clock that advances by an hour with every reading.
struct FastClock {
    readings: AtomicI64,
}

impl Clock for FastClock {
    fn now(&self) -> NumericDate {
        NOW.plus(Span::hours(self.readings.fetch_add(1, Ordering::Relaxed)))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) {}
}

#[test]
fn a_request_is_judged_at_one_instant_from_its_first_layer_to_its_answer() {
    let clock = Arc::new(FastClock { readings: AtomicI64::new(0) });
    let gate = Gate::with(crate::forge::rules(), crate::forge::signer(), Arc::clone(&clock) as Arc<dyn Clock>);
    let settings = Settings { allow_no_audience: true, ..Settings::at("127.0.0.1:0".parse().expect("an address")) };
    let server = Server::start(settings, &gate).expect("a free port");
    // Valid for the first two hours, which is two requests if each reads the clock once.
    let exp = NOW.seconds() + 7200;
    let token = crate::forge::token(format!(r#"{{"user_id":"user123","permissions":["user"],"exp":{exp}}}"#));
    let bearer = format!("Bearer {token}");
    let send = |body: &str| send(server.address, "POST", "/mcp", &[("Authorization", &bearer)], body);
    let first = send(&call("read_data", &json!({"id": 1})));
    assert_eq!((first.status, &first.json()["result"]["structuredContent"]["success"]), (200, &json!(true)));
    let list = send(&request("tools/list"));
    assert_eq!(list.json()["result"]["tools"].as_array().map(Vec::len), Some(1));
    let third = send(&call("read_data", &json!({"id": 1})));
    assert_eq!((third.status, &third.json()["error"]["data"]["reason"]), (401, &json!("expired")));
    assert_eq!(clock.readings.load(Ordering::Relaxed), 3);
    server.stop();
}

#[test]
fn a_long_body_is_read_only_from_a_verified_sender() {
    let served = TestServer::with(|settings| settings.max_body = 2 << 20);
    let long = call("read_data", &json!({ "id": "x".repeat(1 << 20) }));
    let token = served.token("user123", &["user"]);
    assert_eq!(served.post(Some(&token), &long).status, 200);
    assert_eq!(served.post(Some("junk"), &long).status, 401);
    assert_eq!(
        served.logged().map(|(_, code)| code),
        Some("allowed".to_owned()),
        "a message that was not read is not logged"
    );
}

#[test]
fn only_a_running_server_accepts_tokens_without_an_audience() {
    let rules = || crate::forge::rules().with_audiences(["gate".into()]);
    let bare = crate::forge::token(crate::forge::claims(""));
    let lax = |settings: &mut Settings| settings.allow_no_audience = true;
    let code = |gate: &Gate| gate.shared().rules().decide(&Call { token: Some(&bare), tool: "read_data" }, NOW).code();
    // While the server runs, after it stops, after it is dropped, and after it failed to start.
    let mut served = TestServer::on(rules(), lax);
    assert_eq!(served.call(Some(&bare), "read_data", &json!({})).status, 200);
    assert_eq!(code(&served.gate), "audience_mismatch");
    let taken = served.server.as_ref().expect("a running server").address;
    served.server.take().expect("a running server").stop();
    assert_eq!(code(&served.gate), "audience_mismatch");

    let mut served = TestServer::on(crate::forge::rules(), lax);
    assert_eq!(code(&served.gate), "audience_mismatch");
    drop(served.server.take());
    assert_eq!(code(&served.gate), "allowed", "the server's audience is removed");

    let taken = std::net::TcpListener::bind(taken).expect("a free port");
    let gate = Gate::with(crate::forge::rules(), crate::forge::signer(), Arc::new(ManualClock::new(NOW)));
    let mut settings = Settings::at(taken.local_addr().expect("an address").to_string().parse().expect("an address"));
    lax(&mut settings);
    assert!(Server::start(settings, &gate).is_err());
    assert_eq!((code(&gate), gate.shared().rules().audience()), ("allowed", None));
}

#[test]
fn tokens_without_an_audience_pass_only_if_allowed() {
    let served = TestServer::with(|settings| settings.allow_no_audience = true);
    let bare = served.token_for("user123", &["user"], None);
    assert_eq!(served.call(Some(&bare), "read_data", &json!({})).status, 200);
    let other = served.token_for("user123", &["user"], Some("https://other.example/mcp"));
    assert_eq!(served.call(Some(&other), "read_data", &json!({})).status, 401);
}

#[test]
fn a_caller_above_the_rate_is_refused_until_later() {
    let served = TestServer::with(|settings| settings.rate = Some(2));
    let (one, other) = (served.token("user123", &["user"]), served.token("user456", &["user"]));
    let status = |token: &str| served.call(Some(token), "read_data", &json!({})).status;
    (0..BURST).for_each(|_| assert_eq!(status(&one), 200));
    let got = served.call(Some(&one), "read_data", &json!({}));
    assert_eq!((got.status, got.header("Retry-After")), (429, Some("1")));
    // Another token of the same user or another method makes no difference, but another user does.
    let again = served.token("user123", &["user"]);
    assert_eq!((status(&again), served.post(Some(&one), &request("tools/list")).status), (429, 429));
    assert_eq!(status(&other), 200);
    // Callers without a valid token are counted by their address.
    let refused = || served.post(Some("junk"), &request("tools/list")).status;
    (0..BURST).for_each(|_| assert_eq!(refused(), 401));
    assert_eq!(refused(), 429);
    // Requests that need no token are counted in the same way, and their connection is closed.
    let got = served.send("GET", "/healthz", &[], "");
    assert_eq!((got.status, got.header("Connection")), (429, Some("close")));
    // A large message counts as several calls.
    let large = call("read_data", &json!({ "id": "x".repeat(200 << 10) }));
    let sent = |_: &u32| served.post(Some(&served.token("user789", &["user"])), &large).status == 200;
    assert_eq!((0..BURST).take_while(sent).count(), 1);
    served.clock.advance(Duration::from_secs(1));
    assert_eq!((status(&one), refused()), (200, 401));
}

#[test]
fn a_body_that_never_arrives_times_out() {
    let served = TestServer::with(|settings| settings.timeout = Duration::from_millis(20));
    let token = served.token("user123", &["user"]);
    let mut open = served.connect();
    let address = served.server.as_ref().expect("a running server").address;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    open.write_all(head.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    let _ = open.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_request_is_judged_when_its_body_has_arrived() {
    let served = TestServer::new();
    let token = served.token("user123", &["user"]);
    let address = served.server.as_ref().expect("a running server").address;
    let body = call("read_data", &json!({"id": 1}));
    let (first, rest) = body.split_at(20);
    let length = body.len();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{first}"
    );
    let mut open = served.connect();
    open.write_all(head.as_bytes()).expect("the request is sent");
    // This answer shows that the server has read the head of the request before it.
    assert_eq!(served.call(Some(&token), "read_data", &json!({})).status, 200);
    served.clock.advance(Duration::from_hours(1));
    open.write_all(rest.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    open.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\"expired\""), "{answer}");
}

#[test]
fn many_clients_at_once_are_all_answered_and_all_logged() {
    let served = TestServer::with(|settings| settings.rate = None);
    let address = served.server.as_ref().expect("a running server").address;
    let tokens: Vec<String> = (0..8).map(|n| served.token(&format!("user{n}"), &["user"])).collect();
    std::thread::scope(|scope| {
        for token in &tokens {
            scope.spawn(move || {
                for tool in ["read_data", "write_data"].repeat(20) {
                    let status = if tool == "read_data" { 200 } else { 403 };
                    assert_eq!(call_status(address, Some(token), tool), status);
                }
            });
        }
    });
    served.gate.shared().read(|state| {
        assert_eq!((state.activity().len(), state.traffic().requests()), (320, 320));
        let mut counts: Vec<_> =
            state.traffic().clients().iter().map(|c| (c.subject.as_deref(), c.calls, c.refused)).collect();
        counts.sort_unstable();
        let names: Vec<String> = (0..8).map(|n| format!("user{n}")).collect();
        assert_eq!(counts, names.iter().map(|name| (Some(name.as_str()), 40, 20)).collect::<Vec<_>>());
    });
}

#[test]
fn a_stopped_server_removes_only_the_audience_that_it_set() {
    let mut served = TestServer::new();
    let audience = |served: &TestServer| served.gate.shared().rules().audience().map(ToString::to_string);
    assert_eq!(audience(&served), Some(served.uri.clone()));
    served.server.take().expect("a running server").stop();
    assert_eq!(audience(&served), None);

    let rules = crate::forge::rules().with_audiences(["gate".into()]);
    let mut served = TestServer::on(rules, |_| {});
    let token = served.token_for("user123", &["user"], Some("gate"));
    assert_eq!(served.call(Some(&token), "read_data", &json!({})).status, 200);
    served.server.take().expect("a running server").stop();
    assert_eq!(audience(&served).as_deref(), Some("gate"));
}

#[test]
fn the_server_stops_within_a_second_during_an_open_call() {
    let mut served = TestServer::new();
    let token = served.token("user123", &["user"]);
    let address = served.server.as_ref().expect("a running server").address;
    let mut open = served.connect();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    open.write_all(head.as_bytes()).expect("the request is sent");
    // The answer on a later connection shows that the server has accepted this one.
    assert_eq!(served.call(Some(&token), "read_data", &json!({})).status, 200);
    let started = watch();
    served.server.take().expect("a running server").stop();
    assert!(started() < Duration::from_secs(1));
    let mut rest = Vec::new();
    let _ = open.read_to_end(&mut rest);
    assert!(TcpStream::connect(address).is_err(), "the server no longer listens");
}

#[expect(clippy::disallowed_methods, reason = "the test measures how long a stop really takes")]
fn watch() -> impl Fn() -> Duration {
    let started = Instant::now();
    move || started.elapsed()
}

#[test]
fn a_used_port_and_a_weak_key_on_an_exposed_address_are_refused() {
    let served = TestServer::new();
    let address = served.server.as_ref().expect("a running server").address.to_string();
    let settings = Settings::at(address.parse().expect("an address"));
    let Err(error) = Server::start(settings, &served.gate) else { panic!("the port is taken") };
    assert_eq!(error.to_string(), format!("cannot listen on {address}: address already in use"));

    let everywhere = || Settings::at("0.0.0.0:0".parse().expect("an address"));
    let start = |key: Signer, settings: Settings| {
        let gate = AuthenticatedMcpServer::with(Rules::new(&key), key, Arc::new(ManualClock::new(NOW)));
        Server::start(settings, &gate).map(Server::stop)
    };
    let weak = || Signer::hs256(b"my-secret", KeyOrigin::Program).expect("a key");
    for key in [weak(), config::fresh_key().expect("a key")] {
        let refused = start(key, everywhere());
        assert!(matches!(refused, Err(ServeError::Exposed { .. })), "{refused:?}");
    }
    assert!(start(weak(), Settings { expose: true, ..everywhere() }).is_ok());
    assert!(start(Signer::hs256(SECRET, KeyOrigin::Program).expect("a key"), everywhere()).is_ok());
    assert!(start(weak(), Settings::at("127.0.0.1:0".parse().expect("an address"))).is_ok());
}

#[test]
fn traffic_is_counted_by_client_and_by_reason() {
    let served = TestServer::new();
    let user = served.token("user123", &["user"]);
    served.call(Some(&user), "read_data", &json!({}));
    served.call(Some(&user), "write_data", &json!({}));
    served.call(None, "read_data", &json!({}));
    served.gate.shared().read(|state| {
        let traffic = state.traffic();
        let counts: Vec<_> = traffic.clients().iter().map(|c| (c.subject.as_deref(), c.calls, c.refused)).collect();
        assert_eq!(counts, [(None, 1, 1), (Some("user123"), 2, 1)]);
        let mut refusals = traffic.refusals();
        refusals.sort_unstable();
        assert_eq!(refusals, [("missing_token", 1), ("permission_missing", 1)]);
        assert_eq!(traffic.rate(NOW.plus(Span::SECOND)).last(), Some(&3));
        assert_eq!(NumericDate::from_seconds(NOW.seconds()), NOW);
    });
}

#[test]
fn over_standard_streams_the_token_is_read_from_the_environment() {
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } },
    });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let input = [
        initialize.to_string(),
        initialized.to_string(),
        request("tools/list"),
        call("read_data", &json!({"id": 1})),
        call("write_data", &json!({})),
    ];
    let token = portcullis(&["issue", "user123", "-p", "user"]).out();
    let talk = |token: &str| {
        let mut child = std::process::Command::new(PORTCULLIS)
            .args(["serve", "--stdio"])
            .env_clear()
            .envs([("HOME", "/nonexistent"), ("PORTCULLIS_SECRET", crate::cli::SECRET), ("PORTCULLIS_TOKEN", token)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut answers = Vec::new();
        for message in &input {
            writeln!(stdin, "{message}").expect("the request is sent");
            // Every message with an id is answered.
            if message.contains("\"id\"") {
                let line = lines.next().expect("an answer").expect("UTF-8");
                answers.push(serde_json::from_str::<Value>(&line).expect("JSON")["result"].clone());
            }
        }
        drop(stdin);
        assert!(child.wait().expect("it exits").success(), "the end of the input is not an error");
        answers
    };
    // The token as pasted: with a scheme and a line break.
    let mut answers = talk(&format!("Bearer {token}"));
    assert_eq!(answers.remove(0)["serverInfo"]["name"], "portcullis");
    let structured: Vec<_> = answers.iter().map(|answer| answer["structuredContent"].clone()).collect();
    assert!(structured.contains(&json!({"success": true, "result": {"id": 1}})), "{answers:?}");
    let forbidden = json!({"error": "forbidden", "message": "write_data needs admin"});
    assert!(structured.contains(&forbidden), "{answers:?}");
    assert!(answers.iter().any(|answer| answer["tools"].as_array().is_some_and(|tools| tools.len() == 1)));
    let refused = talk("junk");
    assert!(
        refused
            .iter()
            .any(|answer| { answer["structuredContent"] == json!({"error": "unauthorized", "message": "malformed"}) }),
        "{refused:?}"
    );
}

/// A client that shows only an empty list does not help its user, so the errors and standard error give the reason.
#[test]
fn over_standard_streams_a_refused_token_is_reported_and_long_messages_are_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let run = |token: &str, input: &str| {
        std::fs::write(&file, token).expect("written");
        let path = file.to_str().expect("UTF-8");
        let ran = portcullis(&["serve", "--stdio", "--token-file", path, "--max-body", "64"]).input(input).run();
        (ran.exit, ran.out, ran.err)
    };
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let input = format!("{hello}\n{}\n", request("tools/list"));
    let old = portcullis(&["issue", "user123", "-p", "user", "--expires", "2020-01-01T00:00:00Z"]).out();
    let (exit, out, err) = run(&old, &input);
    assert!(exit == 0 && err.contains("the token is refused, so every call is unauthorized: "), "{err}");
    assert!(err.contains("; get a new token"), "{err}");
    assert!(out.contains(r#""message":"unauthorized: expired""#), "{out}");
    let good = portcullis(&["issue", "user123", "-p", "user"]).out();
    let (exit, out, err) = run(&good, &input);
    assert!(exit == 0 && out.contains(r#""name":"read_data""#) && !err.contains("refused"), "{out} {err}");
    let long =
        format!("{hello}\n{}\n{}\n", call("read_data", &json!({ "id": "x".repeat(70 << 10) })), request("tools/list"));
    let (_, out, _) = run(&good, &long);
    assert!(
        !out.contains("xxx") && out.contains(r#""name":"read_data""#),
        "the long message is dropped and the next one answered"
    );
}

#[test]
fn serve_rejects_invalid_options() {
    let failure = |ran: CommandOutput| (ran.exit, ran.err);
    let (exit, err) = failure(bare(&["serve"]).run());
    assert!(exit == 1 && err.contains("no signing secret"), "{err}");
    let (exit, err) = failure(portcullis(&["serve", "--now", "2026-11-22T20:41:05Z"]).run());
    assert!(exit == 2 && err.contains("--now cannot be used with serve"), "{err}");
    let (exit, err) = failure(portcullis(&["serve", "--listen", "nowhere"]).run());
    assert!(exit == 2 && err.contains("expected HOST:PORT such as 127.0.0.1:8640"), "{err}");
    let (exit, err) = failure(portcullis(&["--denial", "tool", "serve"]).run());
    assert!(exit == 2 && err.contains("write `portcullis serve [OPTIONS]`"), "{err}");
    let (exit, err) = failure(bare(&["serve", "--listen", "0.0.0.0:0"]).env("PORTCULLIS_SECRET", "my-secret").run());
    assert!(exit == 1 && err.contains("is reachable from other machines") && err.contains("--expose"), "{err}");
}

/// `portcullis serve` on its own port, with its output.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Process {
    fn start(options: &[&str]) -> Self {
        let mut child = std::process::Command::new(PORTCULLIS)
            .args([&["serve", "--json", "--listen", "127.0.0.1:0"], options].concat())
            .env_clear()
            .envs([("HOME", "/nonexistent"), ("PORTCULLIS_SECRET", crate::cli::SECRET)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let first = lines.next().expect("a line").expect("UTF-8");
        let report: Value = serde_json::from_str(&first).expect("JSON");
        let uri = report["uri"].as_str().expect("a URI").to_owned();
        let address = uri.trim_start_matches("http://").trim_end_matches("/mcp").parse().expect("an address");
        Self { child, lines, address }
    }

    fn issue(&self, user: &str, permission: &str) -> String {
        let audience = format!("http://{}/mcp", self.address);
        portcullis(&["issue", user, "-p", permission, "--audience", &audience]).out().trim().to_owned()
    }

    /// Repeats a call until it has this status, because a file change is noticed with a delay.
    fn wait_for(&self, status: u16, token: &str, tool: &str) {
        let is_reached = (0..20_000).any(|_| call_status(self.address, Some(token), tool) == status);
        assert!(is_reached, "{tool} is never answered with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_prints_calls_and_follows_its_files() {
    let folder = std::env::temp_dir().join(format!("portcullis-serve-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (policy, state) = (folder.join("policy.toml"), folder.join("state.json"));
    std::fs::write(&policy, "[tools.read_data]\npermissions = [\"user\"]\n").expect("written");
    let (policy, state) = (policy.to_str().expect("UTF-8"), state.to_str().expect("UTF-8"));
    let mut served = Process::start(&["--policy", policy, "--state", state, "--rate", "off"]);
    let token = served.issue("user123", "user");
    assert_eq!(call_status(served.address, Some(&token), "read_data"), 200);
    let line = served.lines.next().expect("a line").expect("UTF-8");
    let record: Value = serde_json::from_str(&line).expect("JSON");
    let parts = ["kind", "origin", "client", "subject", "tool", "decision"].map(|part| record[part].as_str());
    assert_eq!(parts, ["call", "client", "a-test/1", "user123", "read_data", "allowed"].map(Some));
    assert!(!line.contains(&token));

    std::fs::write(policy, "[tools.read_data]\npermissions = [\"admin\"]\n").expect("written");
    served.wait_for(403, &token, "read_data");
    std::fs::write(policy, "[tools.read_data]\npermissions = [\"user\"]\n").expect("written");
    served.wait_for(200, &token, "read_data");
    portcullis(&["revoke", "--state", state, &token]).out();
    served.wait_for(401, &token, "read_data");
    portcullis(&["revoke", "--state", state, "--restore", &token]).out();
    served.wait_for(200, &token, "read_data");

    let pid = rustix::process::Pid::from_child(&served.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a running server");
    assert_eq!(served.child.wait().expect("it exits").code(), Some(143));
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn tokens_of_other_issuers_are_served_and_missing_keys_are_not_the_token_s_fault() {
    let pair = crate::providers::Pair::new(Algorithm::Es256, "k1");
    let mapping = Arc::new(Mapping::named("standard").expect("a preset"));
    let issuer =
        |name: &str, keys| Issuer { name: Some(name.into()), mapping: Arc::clone(&mapping), keys, ..Issuer::default() };
    let rules = crate::forge::rules();
    let issuers = rules.issuers.with(issuer("https://as", pair.keys())).expect("a name");
    let issuers = issuers.with(issuer("https://gone", KeySet::unavailable("connection refused"))).expect("a name");
    let served = TestServer::on(Rules { issuers, ..rules }, |_| {});
    let token = |iss: &str, more: &Value| {
        let mut claims = json!({"iss": iss, "aud": served.uri, "sub": "buyer", "scope": "user openid"});
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        pair.token(&crate::providers::claims(claims))
    };
    let call = |token: &str, tool: &str| served.call(Some(token), tool, &json!({"id": 1}));
    assert_eq!(call(&token("https://as", &json!({})), "read_data").status, 200);
    assert_eq!(call(&token("https://as", &json!({})), "write_data").status, 403);
    for (more, reason) in [
        (json!({"at_hash": "h"}), "wrong_type"),
        // Every issuer's tokens must name this server, as our own must.
        (json!({"aud": "https://elsewhere"}), "audience_mismatch"),
    ] {
        let got = call(&token("https://as", &more), "read_data");
        assert_eq!(got.status, 401);
        assert!(got.header("www-authenticate").is_some_and(|header| header.contains(reason)), "{got:?}");
    }
    let got = call(&token("https://gone", &json!({})), "read_data");
    assert_eq!((got.status, got.header("retry-after")), (503, Some("30")));
    assert!(got.header("www-authenticate").is_none(), "{got:?}");
    let told = served.gate.shared().read(|state| state.activity().nth_newest(0).map(|row| row.why()));
    let why = "the issuer's keys are not available: connection refused; try again later";
    assert!(told.as_deref().is_some_and(|told| told.starts_with(why)), "{told:?}");
}

#[test]
fn a_server_that_stops_removes_only_the_audiences_that_it_set() {
    let uri = "https://gate.example/mcp";
    let rules = crate::forge::rules().with_audiences([uri.into()]);
    let other = Issuer { name: Some("https://as".into()), ..Issuer::default() };
    let issuers = rules.issuers.with(other).expect("a name");
    let mut served = TestServer::on(Rules { issuers, ..rules }, |settings| settings.public_url = Some(uri.to_owned()));
    let audiences = |served: &TestServer| -> Vec<usize> {
        served.gate.shared().rules().issuers.iter().map(|issuer| issuer.audiences.len()).collect()
    };
    assert_eq!(audiences(&served), [1, 1]);
    served.server.take().expect("it runs").stop();
    assert_eq!(audiences(&served), [1, 0], "our own was configured");
}

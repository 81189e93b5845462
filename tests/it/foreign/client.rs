//! What the client sends, what it keeps, and how it fails.

use std::net::TcpListener;
use std::time::Duration;

use portcullis::observe::{NoAnswer, Observation, Observed};
use portcullis::target::{Carriage, Connection, Dialect, Header, OpenError, Target, TargetError, fetch_metadata};
use rstest::rstest;
use serde_json::{Map, Value, json};

use super::fake::{Fake, events, http};
use crate::desk::waits;

const BOUND: Duration = Duration::from_secs(20);

fn bearer() -> Carriage {
    Carriage::bearer(Some("a.b.c"))
}

async fn open(target: &Target) -> Connection {
    match Connection::open(target, &bearer(), &Dialect::Auto).await {
        Ok(connection) => connection,
        Err(OpenError::Target(error)) => panic!("{error}"),
        Err(OpenError::Server(refused)) => panic!("{:?}", refused.reply),
    }
}

#[test]
fn the_token_and_the_headers_are_sent_with_every_request() {
    let server = Fake::new(|_| None);
    let header = Header::parse("X-Tenant: env:TENANT", |name| (name == "TENANT").then(|| "blue".to_owned()));
    let target = Target::http("fake", &server.url, vec![header.expect("a header")]).expect("a URL");
    waits(async {
        let connection = open(&target).await;
        let (_, listed) = connection.list(BOUND).await;
        let listed = listed.expect("a list");
        let names: Vec<&str> = listed.tools.iter().map(|tool| &*tool.name).collect();
        // One entry that cannot be read does not spoil the list.
        assert_eq!((names.as_slice(), listed.unreadable), (["read_data", "write_data"].as_slice(), 1));
        assert_eq!(listed.tools[0].example.as_ref(), r#"{"id":1}"#);
        let hints: Vec<(bool, bool)> = listed.tools.iter().map(|tool| (tool.reads_only, tool.destroys)).collect();
        assert_eq!(hints, [(true, false), (false, true)]);
        let called = connection.call("read_data", Map::new(), BOUND).await;
        assert_eq!(Observation::of(&called.reply).observed(), Observed::Ran);
        connection.close().await;
    });
    let seen = server.seen();
    assert!(seen.len() >= 4, "{seen:?}");
    assert!(seen.iter().all(|request| request.token() == Some("a.b.c") && request.header("x-tenant") == Some("blue")));
}

#[test]
fn an_event_stream_is_read_up_to_the_answer_and_progress_is_reported() {
    let server = Fake::new(|seen| {
        let token = &seen.body["params"]["_meta"]["progressToken"];
        let progress = json!({ "progressToken": token, "progress": 1, "total": 4, "message": "a quarter" });
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": progress });
        let result = json!({ "content": [{ "type": "text", "text": "done" }] });
        let answer = json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result });
        (seen.rpc() == "tools/call").then(|| events(&[note, answer]))
    });
    waits(async {
        let connection = open(&server.target()).await;
        let progress = connection.progress();
        let called = connection.call("read_data", Map::new(), BOUND).await;
        let answer = called.reply.expect("an answer");
        assert_eq!(answer.body.result().expect("a result")["content"][0]["text"], "done");
        let seen = progress.borrow().clone().expect("progress");
        assert_eq!((seen.done, seen.total, seen.message.as_deref()), (1.0, Some(4.0), Some("a quarter")));
    });
}

#[test]
fn a_stream_that_ends_early_is_a_closed_connection() {
    let server = Fake::new(|seen| (seen.rpc() == "tools/call").then(|| events(&[])));
    waits(async {
        let connection = open(&server.target()).await;
        let called = connection.call("read_data", Map::new(), Duration::from_secs(2)).await;
        let reply = called.reply.expect_err("no answer");
        assert!(matches!(reply, NoAnswer::Closed(_) | NoAnswer::TimedOut(_)), "{reply:?}");
    });
}

#[test]
fn a_connection_that_is_closed_without_an_answer_is_said_so() {
    let server = Fake::new(|seen| (seen.rpc() == "tools/call").then(String::new));
    waits(async {
        let connection = open(&server.target()).await;
        let called = connection.call("read_data", Map::new(), BOUND).await;
        let seen = Observation::of(&called.reply);
        assert_eq!((seen.observed(), seen.shape.code), (Observed::Silent, "closed"));
    });
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = Fake::new(move |seen| {
        let _ = &silent;
        // Waits for the client to go, without sleeping: nothing is ever sent on this channel.
        if seen.rpc() == "tools/call" {
            let (_keep, never) = std::sync::mpsc::channel::<()>();
            let _ = never.recv_timeout(Duration::from_secs(3));
        }
        None
    });
    waits(async {
        let connection = open(&server.target()).await;
        let called = connection.call("read_data", Map::new(), Duration::from_millis(50)).await;
        assert_eq!(called.reply, Err(NoAnswer::TimedOut(Duration::from_millis(50))));
        assert!(called.took < Duration::from_secs(2));
    });
}

#[test]
fn an_answer_that_the_protocols_library_cannot_read_is_still_an_answer() {
    let odd = json!({ "content": [{ "type": "hologram", "data": 7 }], "isError": false });
    let server = Fake::new(move |seen| (seen.rpc() == "tools/call").then(|| seen.result(&odd)));
    waits(async {
        let connection = open(&server.target()).await;
        let called = connection.call("read_data", Map::new(), BOUND).await;
        assert_eq!(called.reply.expect("an answer").body.result().expect("a result")["content"][0]["type"], "hologram");
    });
}

#[test]
fn a_redirect_within_the_origin_is_followed_and_another_is_not() {
    let other = Fake::new(|_| None);
    let elsewhere = other.url.clone();
    let server = Fake::new(move |seen| match &*seen.path {
        "/mcp" => Some(http(307, "Location: /mcp/\r\n", "")),
        "/mcp/" if seen.rpc() == "tools/call" => Some(http(307, &format!("Location: {elsewhere}\r\n"), "")),
        _ => None,
    });
    waits(async {
        let connection = open(&server.target()).await;
        let called = connection.call("read_data", Map::new(), BOUND).await;
        assert_eq!(Observation::of(&called.reply).shape.code, "3xx");
    });
    assert!(other.seen().is_empty(), "the token was sent to another origin");
}

#[test]
fn the_metadata_is_fetched_without_the_token_and_only_from_the_servers_origin() {
    let other = Fake::new(|_| None);
    let document = json!({
        "resource": "https://orders.example/mcp",
        "authorization_servers": ["https://id.example"],
        "bearer_methods_supported": ["header"],
    });
    let server = Fake::new(move |seen| {
        (seen.path == "/.well-known/oauth-protected-resource/mcp").then(|| http(200, "", &document.to_string()))
    });
    let found = waits(fetch_metadata(&server.target(), Some(&other.url))).expect("metadata");
    assert_eq!(found.resource.as_deref(), Some("https://orders.example/mcp"));
    assert_eq!(found.issuers, ["https://id.example"]);
    assert!(other.seen().is_empty());
    assert!(server.seen().iter().all(|request| request.token().is_none() && request.method == "GET"));
}

#[test]
fn a_refused_handshake_is_the_servers_answer() {
    let server = Fake::new(|_| Some(http(401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", "")));
    let refused = waits(async {
        match Connection::open(&server.target(), &bearer(), &Dialect::Auto).await {
            Err(OpenError::Server(refused)) => refused,
            _ => panic!("it was let in"),
        }
    });
    assert_eq!(Observation::of(&refused.reply).shape.code, "401_invalid_token");
}

#[test]
fn a_program_is_spoken_to_over_its_pipes() {
    // A server in the shell: it answers the older handshake and the list, and writes noise to standard error.
    let script = r#"
        echo "starting up" >&2
        while read -r line; do
            id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
            case "$line" in
                *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
                *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"shell","version":"1"}}}\n' "$id" ;;
                *tools/list*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"env","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
                *tools/call*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"secret is %s"}]}}\n' "$id" "${PORTCULLIS_SECRET:-unset}" ;;
            esac
        done
    "#;
    let target = Target::command("shell", &["sh".into(), "-c".into(), script.into()]).expect("a command");
    assert_eq!(target.place.to_string(), "sh (2 arguments)");
    waits(async {
        let connection = open(&target).await;
        assert_eq!((connection.seen.name.as_str(), connection.seen.protocol.as_str()), ("shell", "2025-06-18"));
        let (_, listed) = connection.list(BOUND).await;
        assert!(listed.expect("a list").has("env"));
        let called = connection.call("env", Map::new(), BOUND).await;
        let answer = called.reply.expect("an answer");
        assert_eq!(answer.body.result().expect("a result")["content"][0]["text"], "secret is unset");
        connection.close().await;
    });
}

#[test]
fn a_program_that_ends_says_why() {
    let target = Target::command("gone", &["sh".into(), "-c".into(), "echo 'no such module: orders' >&2".into()]);
    let refused = waits(async {
        match Connection::open(&target.expect("a command"), &bearer(), &Dialect::Auto).await {
            Err(OpenError::Server(refused)) => refused,
            _ => panic!("it was let in"),
        }
    });
    assert!(matches!(refused.reply, Err(NoAnswer::Closed(_))), "{:?}", refused.reply);
    assert_eq!(refused.stderr.as_deref(), Some("no such module: orders"));
    let missing = Target::command("missing", &["portcullis-no-such-program".into()]).expect("a command");
    let refused = waits(async {
        match Connection::open(&missing, &bearer(), &Dialect::Auto).await {
            Err(OpenError::Server(refused)) => refused.reply,
            _ => panic!("it was let in"),
        }
    });
    let said = refused.expect_err("not started").to_string();
    assert_eq!(said, "cannot start portcullis-no-such-program: no such file or directory");
}

#[rstest]
#[case("orders.example/mcp", "orders.example/mcp is not a URL: relative URL without a base")]
#[case("ftp://a.example/", "expected an http or https URL, got one with the scheme ftp")]
#[case("https://me:secret@a.example/", "the URL contains a user name or a password; give it as a header instead")]
#[case(
    "https://a.example/mcp?key=eyJhbGciOiJIUzI1NiJ9.e30.x",
    "the URL has a query member key, which looks like a token; give the token as an argument instead"
)]
#[case("ftp://me:secret@a.example/", "expected an http or https URL, got one with the scheme ftp")]
#[case("http://me:secret@a.example:99999/", "the text is not a URL: invalid port number")]
#[case("eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "the text is not a URL: relative URL without a base")]
fn a_bad_url_is_named(#[case] url: &str, #[case] said: &str) {
    assert_eq!(Target::http("x", url, Vec::new()).expect_err(url).to_string(), said);
}

#[rstest]
#[case("X-Tenant", "expected a header as 'Name: value', got one without a colon")]
#[case("Mcp-Session-Id: 7", "the header Mcp-Session-Id is set by the protocol")]
#[case("X Y: 7", "X Y is not a valid name of a header")]
#[case("X-Key: a\nb", "X-Key is not a valid value of a header")]
#[case("X-Key: env:NOWHERE", "the header X-Key takes its value from NOWHERE, which is not set in the environment")]
fn a_bad_header_is_named(#[case] written: &str, #[case] said: &str) {
    let error: TargetError = Header::parse(written, |_| None).expect_err(written);
    assert_eq!(error.to_string(), said);
}

#[test]
fn the_value_of_a_header_is_not_written_out() {
    let header = Header::parse("X-Key: super-secret", |_| None).expect("a header");
    assert!(!format!("{header:?}").contains("super-secret"));
}

#[rstest]
#[case(json!({ "type": "object" }), "no arguments")]
#[case(
    json!({ "properties": { "id": { "type": "integer" }, "note": { "type": ["string", "null"] } }, "required": ["id"] }),
    "id: integer, note: string or null (optional)"
)]
fn a_schema_is_summarized(#[case] schema: Value, #[case] words: &str) {
    assert_eq!(portcullis::target::summary(&schema), words);
}

/// Libraries write the bounds of all exact integers for "an integer".
#[rstest]
#[case::widest(json!({"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64}), json!(1))]
#[case::least(json!({"type": "integer", "minimum": 10}), json!(10))]
#[case::most(json!({"type": "number", "maximum": 0.5}), json!(0.5))]
#[case::above(json!({"type": "integer", "exclusiveMinimum": 5}), json!(6))]
fn an_example_number_is_one_if_the_bounds_allow_it(#[case] schema: Value, #[case] expected: Value) {
    assert_eq!(portcullis::target::example(&schema), expected);
}

#[test]
fn an_example_fits_its_schema() {
    let schema = json!({
        "type": "object",
        "properties": {
            "id": { "type": "integer", "minimum": 5 },
            "colour": { "enum": ["red", "green"] },
            "when": { "type": "string", "format": "date-time" },
            "place": { "$ref": "#/$defs/place" },
            "tags": { "type": "array", "items": { "type": "string", "minLength": 6 }, "minItems": 2 },
            "maybe": { "anyOf": [{ "type": "null" }, { "type": "boolean" }] },
            "left_out": { "type": "string" },
        },
        "required": ["id", "colour", "when", "place", "tags", "maybe"],
        "$defs": {
            "place": { "type": "object", "properties": { "city": { "type": "string", "default": "Ulm" } }, "required": ["city"] },
        },
    });
    let example = portcullis::target::example(&schema);
    assert!(jsonschema::is_valid(&schema, &example), "{example}");
    assert_eq!((&example["place"]["city"], example.get("left_out")), (&json!("Ulm"), None));
    // A schema that contains itself ends.
    let endless = json!({ "$ref": "#" });
    assert!(portcullis::target::example(&endless).is_object());
}

//! The contract of the lab, checked literally.

use std::sync::Arc;
use std::time::Duration;

use portcullis::auth::{KeyOrigin, Rules, Signer};
use portcullis::clock::ManualClock;
use portcullis::gate::CallRequest;
use portcullis::gate::RawArguments;
use portcullis::text::Span;
use portcullis::{AuthenticatedMcpServer, Reason};
use rstest::rstest;
use serde_json::{Value, json};

use crate::forge::{self, NOW};

struct Lab {
    server: AuthenticatedMcpServer,
    clock: Arc<ManualClock>,
}

fn lab() -> Lab {
    let clock = Arc::new(ManualClock::new(NOW));
    let key = Signer::hs256(b"my-secret", KeyOrigin::Program).expect("nine bytes are long enough");
    Lab { server: AuthenticatedMcpServer::with(Rules::new(&key), key, clock.clone()), clock }
}

impl Lab {
    fn token(&self, user: &str, permissions: &[&str]) -> Arc<str> {
        self.server.generate_token(user, permissions).expect("a token")
    }

    fn answer(&self, token: Option<&str>, tool: &str, arguments: &Value) -> String {
        self.server.call_tool(token, tool, arguments).to_string()
    }
}

#[test]
fn the_lab_example_returns_the_documented_answers() {
    let lab = lab();
    let user = lab.token("user123", &["user"]);
    let admin = lab.token("admin456", &["admin"]);
    for (token, tool, arguments, answer) in [
        (Some(&*user), "read_data", json!({"id": 1}), r#"{"success":true,"result":{"id":1}}"#),
        (Some(&*user), "write_data", json!({"data": "new"}), r#"{"error":"forbidden"}"#),
        (Some(&*user), "delete_data", json!({"id": 1}), r#"{"error":"forbidden"}"#),
        (Some(&*admin), "read_data", json!({"b": 1, "a": 2}), r#"{"success":true,"result":{"b":1,"a":2}}"#),
        (Some(&*admin), "write_data", json!({"data": "new"}), r#"{"success":true,"result":"written"}"#),
        (Some(&*admin), "delete_data", json!({"id": 1}), r#"{"success":true,"result":"deleted"}"#),
        (Some(&*admin), "drop_tables", json!({}), r#"{"error":"forbidden"}"#),
        (None, "read_data", json!({"id": 1}), r#"{"error":"unauthorized"}"#),
        (Some(""), "read_data", json!({"id": 1}), r#"{"error":"unauthorized"}"#),
        (Some("junk"), "read_data", json!({"id": 1}), r#"{"error":"unauthorized"}"#),
        (Some("junk"), "drop_tables", json!({}), r#"{"error":"unauthorized"}"#),
        (Some(&*user), "read_data", json!([1]), r#"{"error":"invalid_arguments"}"#),
        (Some(&*user), "write_data", json!([1]), r#"{"error":"forbidden"}"#),
    ] {
        assert_eq!(lab.answer(token, tool, &arguments), answer, "{tool} {arguments}");
    }
}

#[rstest]
#[case(&["user"], [true, false, false])]
#[case(&["admin"], [true, true, true])]
#[case(&["user", "admin"], [true, true, true])]
#[case(&[], [false, false, false])]
#[case(&["Admin", "admin ", "adm", "admin\u{200b}", "*", ""], [false, false, false])]
fn the_policy_allows_exactly_the_tools_in_its_table(#[case] permissions: &[&str], #[case] open: [bool; 3]) {
    let lab = lab();
    let token = lab.token("somebody", permissions);
    let opens = ["read_data", "write_data", "delete_data"]
        .map(|tool| lab.server.call_tool(&*token, tool, &json!({}))["success"] == json!(true));
    assert_eq!(opens, open);
}

#[test]
fn a_token_contains_the_requested_claims_and_expires_after_one_hour() {
    let lab = lab();
    let token = lab.token("user123", &["user", "admin"]);
    let claims = lab.server.verify_token(&token).expect("valid");
    assert_eq!((&*claims.user_id, &claims.permissions[..]), ("user123", &["user".to_owned(), "admin".to_owned()][..]));
    assert_eq!((claims.iat, claims.exp.since(NOW)), (Some(NOW), Span::HOUR));
    assert!(claims.jti.is_some_and(|jti| jti.len() == 32));
    let header = lab.server.shared().rules().inspect(Arc::clone(&token)).header.text;
    assert_eq!(header, r#"{"typ":"JWT","alg":"HS256"}"#);

    lab.clock.advance(Duration::from_micros(3_599_999_999));
    assert!(lab.server.verify_token(&token).is_ok());
    lab.clock.advance(Duration::from_micros(1));
    assert!(matches!(lab.server.verify_token(&token), Err(Reason::Expired { .. })));
    assert_eq!(lab.answer(Some(&token), "read_data", &json!({})), r#"{"error":"unauthorized"}"#);
}

#[test]
fn two_tokens_issued_in_the_same_second_differ() {
    let lab = lab();
    assert_ne!(lab.token("user123", &["user"]), lab.token("user123", &["user"]));
}

#[test]
fn only_a_valid_token_has_a_permission() {
    let lab = lab();
    let token = lab.token("user123", &["user"]);
    let check = |token: &str, permission| lab.server.check_permission(token, permission);
    assert!(check(&token, "user"));
    assert!(!check(&token, "admin"));
    assert!(!check(&token, ""));
    assert!(!check("", "user"));
    assert!(!check("a.b.c", "user"));
    assert!(!check(&format!("{token} "), "user"), "the library does not trim the token");
    assert!(!check(&format!("Bearer {token}"), "user"));
    assert!(!check(&forge::sign_with(forge::HS256, forge::claims(""), b"another secret"), "user"));
    lab.clock.advance(Duration::from_hours(1));
    assert!(!check(&token, "user"));
}

#[rstest]
#[case("", "arguments: the JSON ends early at line 1, column 0")]
#[case("{\"id\": 1", "arguments: the JSON ends early at line 1, column 8")]
#[case("{id: 1}", "arguments: not JSON at line 1, column 2")]
#[case("[1]", "arguments: an array, not a JSON object")]
#[case("1", "arguments: a number, not a JSON object")]
fn arguments_that_are_not_an_object_are_rejected_by_name(#[case] text: &str, #[case] sentence: &str) {
    let lab = lab();
    let token = lab.token("user123", &["user"]);
    let called = lab.server.call(&CallRequest {
        token: Some(&token),
        tool: "read_data",
        arguments: RawArguments::Text(text),
        origin: portcullis::gate::Origin::Console,
        at: NOW,
        judged_at: NOW,
    });
    assert_eq!(called.outcome.answer().to_string(), r#"{"error":"invalid_arguments"}"#);
    assert_eq!(called.outcome.trouble(), Some(sentence));
}

#[test]
fn every_real_call_is_logged_without_its_token() {
    let lab = lab();
    let token = lab.token("user123", &["user"]);
    lab.answer(Some(&token), "read_data", &json!({"id": 1}));
    lab.answer(Some(&token), "write_data", &json!({"data": "new"}));
    lab.answer(None, "read_data", &json!({}));
    lab.server.check_permission(&token, "user");
    lab.server.shared().read(|state| {
        let rows: Vec<_> =
            state.activity().newest().map(|r| (r.seq, &*r.tool, r.answered.code(), &*r.answer)).collect();
        assert_eq!(
            rows,
            [
                (3, "read_data", "missing_token", r#"{"error":"unauthorized"}"#),
                (2, "write_data", "permission_missing", r#"{"error":"forbidden"}"#),
                (1, "read_data", "allowed", r#"{"success":true,"result":{"id":1}}"#),
            ]
        );
        let secrets = [&*token, token.rsplit('.').next().expect("a signature"), "my-secret"];
        let shown = format!("{:?}", state.activity());
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    });
}

#[test]
fn debug_output_does_not_contain_the_secret() {
    let lab = lab();
    let shown = format!("{:?} {:?}", lab.server.shared(), lab.server.shared().rules());
    assert!(!shown.contains("my-secret") && !shown.contains("109, 121, 45"), "{shown}");
}

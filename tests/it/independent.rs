//! An inspection runs every check that does not depend on a failed one; the gate's decision stays the first failure.

use std::sync::Arc;

use portcullis::Rules;
use portcullis::auth::revocations::{Revocation, RevocationTarget};
use portcullis::auth::{Call, Issuer, Revocations, TokenId, TokenStatus};
use rstest::rstest;
use serde_json::Value;

use crate::cli::{bare, portcullis};
use crate::desk::Desk;
use crate::forge::{HS256, NOW, b64, claims, rules, sign, sign_with, signer_of, token};

const RS256: &str = r#"{"alg":"RS256","kid":"abc"}"#;

/// A payload from another issuer and for another audience, expired a minute ago, without the claims of the lab.
fn foreign(exp: i64) -> String {
    format!(r#"{{"iss":"https://other.example/","aud":["orders"],"sub":"me","jti":"7","exp":{exp}}}"#)
}

const PAST: i64 = 1_795_380_005;
const FUTURE: i64 = 4_102_444_800;

fn strict() -> Rules {
    let mut revoked = Revocations::default();
    revoked.revoke(RevocationTarget::Jti("7".into()), Revocation { at: NOW, until: None, user: None });
    let rules = rules().with_issuer(Some("https://id.example".into())).with_audiences(["gate".into()]);
    Rules { revoked: Arc::new(revoked), ..rules }
}

/// Returns the codes of all failed checks.
fn failures(rules: &Rules, token: &str) -> Vec<&'static str> {
    rules.inspect(token).judged.failures(NOW).iter().map(portcullis::auth::Reason::code).collect()
}

/// Removes the last two characters, which leaves an impossible length.
fn cut(token: &str) -> String {
    token.get(..token.len() - 2).unwrap_or_default().to_owned()
}

#[rstest]
#[case::unknown_key(sign(RS256, foreign(PAST)), "algorithm_refused")]
#[case::bad_signature(sign_with(HS256, foreign(PAST), b"another"), "bad_signature")]
#[case::header(sign(r#"{"alg":"HS256","crit":["x"]}"#, foreign(PAST)), "header_refused")]
#[case::no_alg(sign(r#"{"typ":"JWT"}"#, foreign(PAST)), "algorithm_refused")]
#[case::none(format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(foreign(PAST))), "algorithm_refused")]
#[case::padded(format!("{}==", sign(HS256, foreign(PAST))), "malformed")]
#[case::cut(cut(&sign(HS256, foreign(PAST))), "malformed")]
fn time_issuer_audience_and_revocation_are_checked_even_if_other_checks_fail(
    #[case] token: String,
    #[case] first: &str,
) {
    let failed = failures(&strict(), &token);
    let independent = ["expired", "issuer_mismatch", "audience_mismatch", "revoked"];
    assert!(failed.contains(&first), "{failed:?}");
    for code in independent {
        assert!(failed.contains(&code), "{code} is missing: {failed:?}");
    }
    // The gate still stops at the first failure.
    assert_eq!(strict().decide(&Call { token: Some(&token), tool: "read_data" }, NOW).code(), first);
}

#[rstest]
#[case::unknown_key(RS256)]
#[case::other_header(r#"{"alg":"HS256","zip":"DEF"}"#)]
#[case::unsigned(r#"{"alg":"none"}"#)]
#[case::other_key(HS256)]
fn an_expired_token_is_reported_as_expired_first(#[case] header: &str) {
    let token = sign_with(header, foreign(PAST), b"another");
    let status = strict().inspect(token).judged.status(NOW);
    assert_eq!((status.word(), status.reason().map(portcullis::auth::Reason::code)), ("EXPIRED", Some("expired")));
}

#[test]
fn a_token_that_has_not_expired_is_reported_by_its_first_failure() {
    let of = |header: &str| strict().inspect(sign_with(header, foreign(FUTURE), b"x")).judged.status(NOW);
    assert!(matches!(of(RS256), TokenStatus::NotVerified(_)));
    assert!(matches!(of(HS256), TokenStatus::Invalid(_)));
    // With two values of exp, neither is used.
    let twice = token(format!(r#"{{"exp":1,"exp":{PAST},"user_id":"u","permissions":[]}}"#));
    assert_eq!(strict().inspect(twice).judged.status(NOW).word(), "INVALID");
}

#[test]
fn issuer_and_audience_are_compared_with_their_expected_values() {
    let aud: Vec<String> = (0..12).map(|n| format!("https://a-rather-long-audience.example/service/{n}")).collect();
    let payload = format!(r#"{{"iss":"https://other.example","aud":{},"exp":{FUTURE}}}"#, serde_json::json!(aud));
    let (rules, inspection) = (strict(), strict().inspect(sign(RS256, payload)));
    let report = inspection.report(&rules, NOW);
    let line = |label: &str| report.iter().find(|row| row.label == label).expect("a row").clone();
    assert_eq!(line("issuer").found.as_deref(), Some("https://other.example"));
    assert_eq!(line("issuer").wanted.as_deref(), Some("https://id.example"));
    assert_eq!(line("audience").found, Some(aud.join(", ")));
    assert_eq!(line("audience").wanted.as_deref(), Some("gate"));
    assert_eq!(line("time").found.as_deref(), Some("exp 2100-01-01T00:00:00Z"));
    assert_eq!(line("time").wanted.as_deref(), Some("later than 2026-11-22T20:41:05Z"));
}

#[test]
fn the_audience_of_an_unknown_issuer_is_still_checked() {
    let other = Issuer { keys: (&signer_of(b"x")).into(), audiences: ["b".into()].into(), ..Issuer::default() };
    let ours = strict().issuers.with_others([("https://b.example".into(), other)]).expect("two names");
    let rules = Rules { issuers: ours, ..strict() };
    let of = |aud: &str| {
        let payload = format!(r#"{{"iss":"nobody","aud":"{aud}","exp":{FUTURE}}}"#);
        failures(&rules, &sign(HS256, payload))
    };
    assert_eq!(of("c"), ["unknown_issuer", "claim_missing", "audience_mismatch"]);
    assert_eq!(of("b"), ["unknown_issuer", "claim_missing"]);
}

#[test]
fn a_revoked_token_is_recognized_by_its_hash() {
    let token = sign_with(RS256, claims(""), b"x");
    let mut revoked = Revocations::default();
    revoked.revoke(RevocationTarget::Token(TokenId::of(&token)), Revocation { at: NOW, until: None, user: None });
    let rules = Rules { revoked: Arc::new(revoked), ..rules() };
    assert_eq!(failures(&rules, &token), ["algorithm_refused", "revoked"]);
}

#[test]
fn inspect_prints_found_and_expected_values_as_text_and_json() {
    let token = sign(RS256, foreign(PAST));
    let arguments = ["--now", "2026-11-22T20:41:05Z", "--issuer", "https://id.example", "--audience", "gate"];
    let text = bare(&[&arguments[..], &["inspect", &token]].concat()).run();
    assert!(text.out.starts_with("EXPIRED expired: expired at 2026-11-22T20:40:05Z, 1m ago\n"), "{}", text.out);
    for line in [
        "✘ algorithm and key: no key is configured, so the RS256 signature cannot be checked",
        "✘ issuer: iss is https://other.example/, expected https://id.example",
        "✘ audience: aud is orders, expected gate",
        "✔ not revoked: jti 7",
    ] {
        assert!(text.out.contains(line), "{line} is missing:\n{}", text.out);
    }
    let json = bare(&[&["--json"], &arguments[..], &["inspect", &token]].concat()).run();
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&json["verdict"], &json["reason"]), (&"expired".into(), &"expired".into()));
    let also: Vec<&Value> = json["also"].as_array().expect("a list").iter().map(|row| &row["reason"]).collect();
    assert_eq!(also, ["issuer_mismatch", "audience_mismatch", "algorithm_refused", "claim_missing"]);
    let compared = json["compared"].as_array().expect("a list").clone();
    assert_eq!(
        compared.iter().find(|row| row["what"] == "audience"),
        Some(&serde_json::json!({"what": "audience", "passed": false, "found": ["orders"], "wanted": ["gate"]}))
    );
    assert_eq!(
        compared.iter().find(|row| row["what"] == "issuer"),
        Some(&serde_json::json!({
            "what": "issuer", "passed": false, "found": "https://other.example/", "wanted": ["https://id.example"]
        }))
    );
}

#[test]
fn check_lists_the_other_reasons_to_refuse_a_call() {
    let expired = crate::forge::sign_with(
        HS256,
        format!(r#"{{"user_id":"u","permissions":["user"],"aud":"a","exp":{PAST}}}"#),
        crate::cli::SECRET.as_bytes(),
    );
    let arguments = ["--now", "2026-11-22T20:41:05Z", "--audience", "gate", "check", &expired, "write_data"];
    let ran = portcullis(&arguments).run();
    assert!(ran.out.starts_with("UNAUTHORIZED expired: "), "{}", ran.out);
    assert!(ran.out.contains("! also: aud is a, expected gate\n"), "{}", ran.out);
    assert!(ran.out.contains("! also: the token holds user; write_data needs admin"), "{}", ran.out);
    let json = portcullis(&[&["--json"], &arguments[..]].concat()).run();
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    let also: Vec<&Value> = json["also"].as_array().expect("a list").iter().map(|row| &row["reason"]).collect();
    assert_eq!(also, ["audience_mismatch", "permission_missing"]);
    assert_eq!(json["checks"][6]["passed"], Value::Null);
}

#[test]
fn the_console_shows_countdown_and_expiry_of_an_unverified_token() {
    let mut desk = Desk::with(crate::forge::rules().with_audiences(["gate".into()]), 120, 36);
    let exp = crate::desk::START.seconds() + 600;
    desk.pastes(&sign(RS256, format!(r#"{{"sub":"me","aud":"orders","exp":{exp}}}"#)));
    desk.must_show(&["NOT VERIFIED", "10m 00s left, unverified", "aud is orders, expected gate"]);
    assert!(!desk.shows("no findings"), "{}", desk.screen());
    desk.waits(std::time::Duration::from_mins(1));
    desk.must_show(&["9m 00s left, unverified", "9m 00s unverified"]);
    desk.waits(std::time::Duration::from_mins(10));
    desk.must_show(&["EXPIRED  1m ago, unverified", "expired 1m ago"]);
    desk.keys("F4").must_show(&["expired, 1m ago"]);
}

#[rstest]
#[case(
    r#""aud":"https://gate.example/mcp/","#,
    "aud is https://gate.example/mcp/, expected https://gate.example/mcp; \
        only the trailing slash differs"
)]
#[case(
    r#""aud":["x","https://gate.example/mcp/"],"#,
    "aud is x, https://gate.example/mcp/, expected \
        https://gate.example/mcp; only the trailing slash differs"
)]
#[case(
    r#""aud":"https://GATE.example/mcp","#,
    "aud is https://GATE.example/mcp, expected https://gate.example/mcp; \
        only the case differs"
)]
#[case(
    r#""aud":"http://gate.example/mcp","#,
    "aud is http://gate.example/mcp, expected https://gate.example/mcp; \
        only http and https differ"
)]
#[case(
    r#""aud":" https://gate.example/mcp","#,
    "aud is \"\\u{20}https://gate.example/mcp\", expected https://gate.example/mcp; \
        only the spaces around it differ"
)]
#[case(r#""aud":"https://gate.example/","#, "aud is https://gate.example/, expected https://gate.example/mcp")]
fn a_small_difference_in_the_audience_is_explained(#[case] aud: &str, #[case] sentence: &str) {
    let rules = rules().with_audiences(["https://gate.example/mcp".into()]);
    let decision = rules.decide(&Call { token: Some(&token(claims(aud))), tool: "read_data" }, NOW);
    assert_eq!((decision.code(), &*decision.sentence()), ("audience_mismatch", sentence));
}

#[rstest]
#[case(120, 36)]
#[case(80, 24)]
#[case(60, 20)]
#[case(40, 12)]
fn a_wrong_audience_is_shown_at_every_size_even_if_the_key_is_unknown(#[case] columns: u16, #[case] rows: u16) {
    let mut desk = Desk::with(crate::forge::rules().with_audiences(["gate".into()]), columns, rows);
    desk.pastes(&sign(RS256, format!(r#"{{"sub":"me","aud":"orders","exp":{FUTURE}}}"#)));
    desk.must_show(&["NOT VERIFIED", "aud is orders, expected gate"]);
}

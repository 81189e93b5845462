//! Why a server answered as it did: the cause, how certain it is, and what to ask for.

use portcullis::auth::{Inspection, NumericDate, Rules};
use portcullis::observe::{Certainty, Observation, Question, Sightings, Unseen, Visibility, Why, answer_of};
use portcullis::text::Span;
use portcullis::text::material::{Metadata, MetadataKind};
use rstest::rstest;
use serde_json::json;

use super::{now, signer, token};
use crate::desk::SECRET;

const RESOURCE: &str = "https://orders.example/mcp";
const ISSUER: &str = "https://id.example";

fn metadata() -> Metadata {
    Metadata {
        kind: MetadataKind::ProtectedResource,
        issuers: vec![ISSUER.to_owned()],
        resource: Some(RESOURCE.to_owned()),
        jwks_uri: None,
        scopes: vec!["user".to_owned(), "admin".to_owned()],
    }
}

/// The explanation of an answer to a token with these claims.
fn why(answer: &str, claims: &[(&str, serde_json::Value)], with_metadata: bool) -> Why {
    let rules = Rules::new(&signer());
    let inspection = rules.inspect(token("user123", "user", claims));
    let found = metadata();
    let observation = Observation::of(&Ok(answer_of(answer).expect("an answer")));
    Why::explain(&question(&observation, Some(&inspection), &rules, with_metadata.then_some(&found)))
}

/// The explanation of an answer to a token of these claims only, without metadata.
fn why_of(answer: &str, claims: &serde_json::Value) -> Why {
    let rules = Rules::new(&signer());
    let inspection = rules.inspect(crate::forge::sign_with(r#"{"alg":"HS256"}"#, claims.to_string(), SECRET));
    let observation = Observation::of(&Ok(answer_of(answer).expect("an answer")));
    Why::explain(&question(&observation, Some(&inspection), &rules, None))
}

fn question<'a>(
    observation: &'a Observation,
    token: Option<&'a Inspection>,
    rules: &'a Rules,
    metadata: Option<&'a Metadata>,
) -> Question<'a> {
    Question {
        unseen: None,
        observation,
        token,
        rules,
        tool: Some("write_data"),
        prediction: None,
        metadata,
        is_described: metadata.is_some(),
        url: Some(RESOURCE),
        visibility: None,
        now: now(),
    }
}

const BARE: &str = "HTTP/1.1 401 Unauthorized\nwww-authenticate: Bearer error=\"invalid_token\", error_description=\"The access token is invalid or expired\"\n";

/// The claims of a token that fits the metadata.
fn fitting() -> Vec<(&'static str, serde_json::Value)> {
    vec![("aud", json!(RESOURCE)), ("iss", json!(ISSUER))]
}

#[test]
fn a_wrong_audience_is_inferred_from_the_resource() {
    let why = why(BARE, &[("aud", json!("https://other.example")), ("iss", json!(ISSUER))], true);
    assert_eq!((why.cause.code(), why.certainty), ("audience_mismatch", Certainty::Inferred));
    assert_eq!(why.has.as_deref(), Some("aud https://other.example"));
    assert_eq!(why.needs.as_deref(), Some("aud https://orders.example/mcp"));
    assert!(
        why.explanation()
            .to_string()
            .starts_with("UNAUTHORIZED: most likely: the token is intended for another audience")
    );
}

#[test]
fn a_wrong_issuer_is_inferred_from_the_authorization_servers() {
    let why = why(BARE, &[("aud", json!(RESOURCE)), ("iss", json!("https://id.example/"))], true);
    assert_eq!((why.cause.code(), why.certainty), ("issuer_mismatch", Certainty::Inferred));
    assert!(why.sentence.contains("by a trailing slash"), "{}", why.sentence);
}

#[test]
fn what_the_server_says_itself_is_stated() {
    let answer = "HTTP/1.1 401 Unauthorized\nwww-authenticate: Bearer error=\"invalid_token\", error_description=\"unexpected \"aud\" claim value\"\n";
    let why = why(answer, &[("aud", json!("https://other.example")), ("iss", json!(ISSUER))], true);
    assert_eq!((why.cause.code(), why.certainty), ("audience_mismatch", Certainty::Stated));
    // What it does not state is only possible.
    let answer =
        "HTTP/1.1 401 x\nwww-authenticate: Bearer error=\"invalid_token\", error_description=\"invalid issuer\"\n";
    let both = why_of_both(answer);
    assert_eq!(both.certainty, Certainty::Stated);
    assert!(both.findings.iter().any(|finding| finding.starts_with("also possible: ")), "{:?}", both.findings);
}

/// The explanation of an answer to a token with another audience and another issuer.
fn why_of_both(answer: &str) -> Why {
    why(answer, &[("aud", json!("https://other.example")), ("iss", json!("https://other-id.example"))], true)
}

#[test]
fn a_token_without_a_visible_fault_cannot_be_told() {
    for with_metadata in [true, false] {
        let why = why(BARE, &fitting(), with_metadata);
        assert_eq!((why.cause.code(), why.certainty), ("cannot_tell", Certainty::CannotTell));
        assert!(why.sentence.contains("the server may have revoked it"), "{}", why.sentence);
    }
}

/// The `Date` header of a time.
fn http_date(at: NumericDate) -> String {
    at.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn a_token_that_expired_by_the_servers_clock_only_shows_the_skew() {
    let date = http_date(now().plus(Span::HOUR + Span::seconds(90)));
    let why = why(&format!("{BARE}date: {date}\n"), &fitting(), true);
    assert_eq!((why.cause.code(), why.certainty), ("expired_by_server_clock", Certainty::Inferred));
    let skew = why.skew.expect("a skew");
    assert!((skew - Span::HOUR - Span::seconds(90)).abs() <= Span::seconds(2), "{skew:?}");
    assert!(why.findings.iter().any(|finding| finding.contains("the server's clock is 1h")), "{:?}", why.findings);
}

#[test]
fn an_expired_token_is_expired_first() {
    let past = now().plus(-Span::HOUR);
    let rules = Rules::new(&signer());
    let request = portcullis::auth::IssueRequest {
        user_id: "user123".to_owned(),
        expires: Some(past),
        ..portcullis::auth::IssueRequest::default()
    };
    let inspection = rules.inspect(signer().issue(&request, "j", past.plus(-Span::HOUR)).expect("a token"));
    let found = metadata();
    let observation = Observation::of(&Ok(answer_of(BARE).expect("an answer")));
    let why = Why::explain(&question(&observation, Some(&inspection), &rules, Some(&found)));
    assert_eq!(why.cause.code(), "expired");
    // What else does not fit is said too.
    assert!(why.findings.iter().any(|finding| finding.contains("`aud`")), "{:?}", why.findings);
}

/// A pasted answer does not tell whether its request carried a token, unless its words do.
#[rstest]
#[case::rejected("error=\"invalid_token\", error_description=\"The audience is wrong\"", "cannot_tell")]
#[case::missing("error=\"invalid_token\", error_description=\"Missing Authorization header\"", "missing_token")]
#[case::no_error("realm=\"x\"", "missing_token")]
fn an_answer_without_its_token_is_not_taken_for_one_to_no_token(#[case] challenge: &str, #[case] expected: &str) {
    let rules = Rules::new(&signer());
    let text = format!("HTTP/1.1 401 x\nwww-authenticate: Bearer {challenge}\n");
    let observation = Observation::of(&Ok(answer_of(&text).expect("an answer")));
    let asked = Question { unseen: Some(Unseen::NotGiven), ..question(&observation, None, &rules, None) };
    assert_eq!(Why::explain(&asked).cause.code(), expected);
    // Whoever sent the request knows that it carried none.
    let sent = question(&observation, None, &rules, None);
    assert_eq!(Why::explain(&sent).cause.code(), "missing_token");
}

#[test]
fn without_a_token_the_server_needs_one() {
    let rules = Rules::new(&signer());
    let found = metadata();
    let observation = Observation::of(&Ok(answer_of("HTTP/1.1 401 x\nwww-authenticate: Bearer\n").expect("an answer")));
    let why = Why::explain(&question(&observation, None, &rules, Some(&found)));
    assert_eq!((why.cause.code(), why.certainty), ("missing_token", Certainty::Stated));
    assert_eq!(why.ask_for.as_deref(), Some("a bearer token from https://id.example for https://orders.example/mcp"));
}

#[rstest]
#[case(
    "HTTP/1.1 403 x\nwww-authenticate: Bearer error=\"insufficient_scope\", scope=\"user admin\"\n",
    Certainty::Stated,
    "user, admin",
    "a token with admin"
)]
#[case(
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":\"forbidden: needs the scope admin\"}]}}",
    Certainty::Inferred,
    "admin, according to the message",
    "a token with admin"
)]
#[case(
    "HTTP/1.1 403 x\n\n",
    Certainty::Inferred,
    "not known: the server does not name a scope",
    "the scopes or roles that the tool requires (ask the server's owner)"
)]
fn a_missing_scope_is_named_with_and_without_a_challenge(
    #[case] answer: &str,
    #[case] certainty: Certainty,
    #[case] needs: &str,
    #[case] ask_for: &str,
) {
    let why = why(answer, &fitting(), true);
    assert_eq!((why.cause.code(), why.certainty), ("permission_missing", certainty));
    assert_eq!((why.has.as_deref(), why.needs.as_deref()), (Some("user in scope"), Some(needs)));
    assert_eq!(why.ask_for.as_deref(), Some(ask_for));
}

/// Most servers read `scope`; tokens may have their permissions in another claim.
#[test]
fn a_scope_in_a_claim_that_the_server_does_not_read_is_pointed_out() {
    let answer = "HTTP/1.1 403 x\nwww-authenticate: Bearer error=\"insufficient_scope\", scope=\"admin\"\n";
    let claims = json!({ "sub": "me", "scope": "user", "permissions": ["user", "admin"], "exp": 4_102_444_800_i64 });
    let why = why_of(answer, &claims);
    assert_eq!(why.sentence, "the server says that scopes are missing, but the token has them");
    assert_eq!(why.has.as_deref(), Some("user, admin in permissions; user in scope"));
    assert!(why.ask_for.expect("an advice").starts_with("the name of the claim that the server reads scopes from"));
}

#[test]
fn an_iat_in_the_future_is_blamed_on_the_servers_clock_only_where_that_is_known() {
    let later = now().plus(Span::MINUTE).seconds();
    let ours = why_of(BARE, &json!({ "user_id": "me", "permissions": [], "iat": later, "exp": 4_102_444_800_i64 }));
    assert_eq!(ours.sentence, "iat is in the future, which some servers reject");
    assert!(!ours.needs.expect("a time").contains("server"));
}

#[test]
fn the_policy_says_what_the_server_does_not() {
    let rules = Rules::new(&signer());
    let inspection = rules.inspect(token("user123", "user", &[]));
    let decision = rules.decide_holding(&["user".to_owned()], "write_data");
    let observation = Observation::of(&Ok(answer_of("HTTP/1.1 403 x\n\n").expect("an answer")));
    let question = Question { prediction: Some(&decision), ..question(&observation, Some(&inspection), &rules, None) };
    let why = Why::explain(&question);
    assert_eq!(why.needs.as_deref(), Some("admin, by the policy here; the server names no scope"));
    assert_eq!(why.differs, None);
    let ran = Observation::of(&Ok(answer_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}").expect("an answer")));
    let why = Why::explain(&Question { observation: &ran, ..question });
    assert_eq!(why.cause.code(), "allowed");
    assert!(why.differs.expect("a difference").starts_with("the prediction differs: here the call is forbidden"));
}

const UNKNOWN: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"Unknown tool: write_data\"}}";

#[rstest]
#[case(None, "cannot_tell")]
#[case(Some(Visibility::CannotTell), "cannot_tell")]
#[case(Some(Visibility::Hidden), "tool_hidden")]
#[case(Some(Visibility::Masked), "tool_hidden")]
#[case(Some(Visibility::Absent), "unknown_tool")]
fn a_missing_tool_is_hidden_only_if_another_token_sees_it(#[case] visibility: Option<Visibility>, #[case] cause: &str) {
    let rules = Rules::new(&signer());
    let inspection = rules.inspect(token("user123", "user", &[]));
    let observation = Observation::of(&Ok(answer_of(UNKNOWN).expect("an answer")));
    let why = Why::explain(&Question { visibility, ..question(&observation, Some(&inspection), &rules, None) });
    assert_eq!(why.cause.code(), cause);
}

#[test]
fn a_tool_is_sighted() {
    let of = |answer: &str| Observation::of(&Ok(answer_of(answer).expect("an answer")));
    let (unknown, denied) = (of(UNKNOWN), of("HTTP/1.1 403 x\n\n"));
    let ran = of("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    let see =
        |listed, listed_for_other, called, random| Sightings { listed, listed_for_other, called, random }.visibility();
    assert_eq!(see(Some(true), None, Some(&ran), None), Visibility::Listed);
    assert_eq!(see(Some(false), Some(true), Some(&unknown), Some(&unknown)), Visibility::Masked);
    assert_eq!(see(Some(false), Some(true), Some(&denied), Some(&unknown)), Visibility::Hidden);
    assert_eq!(see(Some(false), Some(false), Some(&unknown), Some(&unknown)), Visibility::Absent);
    // Without a list for the token, a denial does not show that the tool is hidden from it.
    assert_eq!(see(None, Some(true), Some(&denied), None), Visibility::CannotTell);
    assert_eq!(see(None, Some(true), Some(&unknown), None), Visibility::Masked);
    // One identity cannot tell hidden from absent, unless the answers differ.
    assert_eq!(see(Some(false), None, Some(&unknown), Some(&unknown)), Visibility::CannotTell);
    assert_eq!(see(Some(false), None, Some(&denied), Some(&unknown)), Visibility::Hidden);
}

#[test]
fn an_explanation_for_scripts_has_every_part() {
    let why = why(BARE, &fitting(), true).json();
    for member in ["cause", "certainty", "sentence", "has", "needs", "ask_for", "skew", "notes", "findings", "answer"] {
        assert!(why.get(member).is_some(), "{member}");
    }
}

#[rstest]
#[case("Could not fetch the signing keys of the issuer")]
#[case("Contact the token issuer to get access")]
#[case("Token has not expired yet, but is refused")]
#[case("No algorithm problem")]
#[case("The token is invalid, expired, or no longer recognized")]
fn a_single_word_states_nothing(#[case] words: &str) {
    let answer =
        format!("HTTP/1.1 401 x\nwww-authenticate: Bearer error=\"invalid_token\", error_description=\"{words}\"\n");
    let why = why(&answer, &fitting(), true);
    assert_eq!((why.cause.code(), why.certainty), ("cannot_tell", Certainty::CannotTell), "{words}");
}

#[test]
fn a_403_without_a_reason_is_about_the_token_if_that_is_visible() {
    let rules = Rules::new(&signer());
    let bare = Observation::of(&Ok(answer_of("HTTP/1.1 403 x\n\n").expect("an answer")));
    let nobody = Why::explain(&question(&bare, None, &rules, None));
    assert_eq!((nobody.cause.code(), nobody.certainty), ("missing_token", Certainty::Inferred));
    let past = now().plus(-Span::HOUR);
    let request = portcullis::auth::IssueRequest {
        user_id: "user123".to_owned(),
        expires: Some(past),
        ..portcullis::auth::IssueRequest::default()
    };
    let old = rules.inspect(signer().issue(&request, "j", past.plus(-Span::HOUR)).expect("a token"));
    let why = Why::explain(&question(&bare, Some(&old), &rules, None));
    assert_eq!((why.cause.code(), why.certainty), ("expired", Certainty::Inferred));
}

#[test]
fn metadata_of_another_resource_are_pointed_out() {
    let rules = Rules::new(&signer());
    let inspection = rules.inspect(token("user123", "user", &fitting()));
    let found = Metadata { resource: Some("https://bank.example/mcp".to_owned()), ..metadata() };
    let observation = Observation::of(&Ok(answer_of(BARE).expect("an answer")));
    let question = question(&observation, Some(&inspection), &rules, Some(&found));
    let why = Why::explain(&Question { is_described: false, ..question });
    assert!(why.findings.iter().any(|finding| finding.contains("names a different resource than this URL")), "{why:?}");
    // Nobody is told to get a token for somebody else's resource.
    assert_eq!((why.cause.code(), why.needs), ("cannot_tell", None));
}

//! The test tokens against sound and defective gates: each defect fails exactly the lines that it should.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::AuthenticatedMcpServer;
use portcullis::app::msg::KitFor;
use portcullis::app::{Effect, Msg, update};
use portcullis::auth::{Call, KeyOrigin, Leeway, NumericDate, Rules, Signer, TokenId};
use portcullis::clock::{Clock, ManualClock};
use portcullis::gate::CallRequest;
use portcullis::gate::Origin;
use portcullis::gate::RawArguments;
use portcullis::lab::kit::{Identity, KIT, TestToken, make};
use portcullis::lab::score::{Line, Observation, Scorecard};
use portcullis::text::Span;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Map, Value};

use crate::desk::Desk;
use crate::forge::{NOW, SECRET, mac, rules, signer};

fn identity(user: &str, permissions: &[&str]) -> Identity {
    Identity { user_id: user.to_owned(), permissions: permissions.iter().map(|p| (*p).to_owned()).collect() }
}

fn kit(rules: &Rules, tool: &str, now: NumericDate) -> Vec<TestToken> {
    make(rules, &signer(), &identity("user123", &["user"]), tool, 7, now).expect("test tokens")
}

/// Returns the names of the lines that fail against a gate with these observations.
fn failed(tokens: &[TestToken], gate: impl Fn(&str) -> Observation) -> Vec<&'static str> {
    let lines = tokens.iter().map(|token| Line::new(token, gate(&token.token))).collect();
    let lines: Vec<Line> = lines;
    let (tool, made_for) = ("read_data".to_owned(), identity("user123", &["user"]));
    let card = Scorecard { tool, made_for, judged_by: Vec::new(), at: NOW, lines };
    card.lines.iter().filter(|line| !line.passed()).map(|line| line.name).collect()
}

#[test]
fn a_scorecard_is_judged_by_the_rules_at_the_beginning_of_its_run() {
    let mut desk = Desk::new(120, 36);
    let made = Ok(kit(&desk.app.auth.rules, "read_data", crate::desk::START));
    let made = Msg::KitMade { made, at: crate::desk::START, purpose: KitFor::Run };
    // The calls take some time: they are left undone here.
    let asked = update(&mut desk.app, made);
    let [Effect::CallEach { id, .. }] = asked.as_slice() else { panic!("the calls are asked for") };
    desk.keys("Ctrl-S Ctrl-U").types("5s").keys("Enter");
    desk.tell(Msg::CalledEach { id: *id, calls: Vec::new() });
    assert!(desk.app.kit_is_of().is_some_and(|(_, is_outdated)| is_outdated));
    let card = desk.app.kit.card.as_ref().expect("a scorecard");
    assert_eq!(card.judged_by, [""; 0], "the leeway came later");
}

#[rstest]
fn a_sound_gate_passes_every_line(
    #[values(0, 5, 300)] leeway: u64,
    #[values(false, true)] bound: bool,
    #[values("read_data", "write_data", "no_such_tool")] tool: &str,
    #[values("user", "admin", "nothing")] permission: &str,
) {
    let expected = |name: &str| bound.then(|| name.into());
    let rules = Rules { leeway: Leeway::seconds(leeway), ..rules() };
    let rules = rules.with_issuer(expected("the issuer")).with_audiences(expected("the audience"));
    // In the middle of a second, because the times in a token are whole seconds.
    let now = NOW.plus(Span::micros(999_999));
    let clock = std::sync::Arc::new(ManualClock::new(now)) as std::sync::Arc<dyn Clock>;
    let gate = AuthenticatedMcpServer::with(rules.clone(), signer(), clock);
    let tokens = make(&rules, &signer(), &identity("user123", &[permission]), tool, 7, now).expect("test tokens");
    assert_eq!(tokens.len(), KIT.len());
    let failed_lines = failed(&tokens, |token| {
        let (arguments, origin) = (RawArguments::Text("{}"), Origin::Kit);
        let called = gate.call(&CallRequest { token: Some(token), tool, arguments, origin, at: now, judged_at: now });
        let (code, sentence) = (called.decision.code().to_owned(), called.decision.sentence());
        Observation { code, sentence, answer: called.outcome.answer().to_string() }
    });
    assert_eq!(failed_lines, [""; 0]);
}

#[test]
fn a_user_with_every_permission_still_gets_an_elevated_test_token() {
    let all = identity("user123", &["user", "admin"]);
    let one = Rules { policy: std::sync::Arc::new(portcullis::auth::Policy::new([("only", ["one"])])), ..rules() };
    for (rules, identity, tool) in [(rules(), all, "read_data"), (one, identity("user123", &["one"]), "only")] {
        for token in make(&rules, &signer(), &identity, tool, 0, NOW).expect("test tokens") {
            let decision = rules.decide(&Call { token: Some(&token.token), tool }, NOW);
            assert_eq!(decision.code(), token.expected, "{}", token.name);
        }
    }
}

/// The defects of a gate.
#[derive(Clone, Copy, Default)]
struct Defects {
    leeway_60: bool,
    no_crit_check: bool,
    algorithm_of_the_header: bool,
}

/// An independent verifier, correct except for its defects. Returns the code of its decision.
fn verifier(token: &str, defects: Defects) -> &'static str {
    if token.len() > 8192 {
        return "too_large";
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { return "malformed" };
    let object = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        let value: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
        // The library keeps the last of two members with the same name.
        let twice =
            value.keys().any(|name| String::from_utf8_lossy(&bytes).matches(&format!("\"{name}\":")).count() > 1);
        (!twice).then_some(value)
    };
    let (Some(head), Some(claims)) = (object(header), object(payload)) else { return "malformed" };
    let alg = head.get("alg").and_then(Value::as_str).unwrap_or_default();
    if alg != "HS256" && !defects.algorithm_of_the_header {
        return "algorithm_refused";
    }
    if head.contains_key("crit") && !defects.no_crit_check {
        return "header_refused";
    }
    let good = URL_SAFE_NO_PAD.encode(mac(&format!("{header}.{payload}"), SECRET));
    if signature != good && !(alg == "none" && signature.is_empty() && defects.algorithm_of_the_header) {
        return "bad_signature";
    }
    for name in ["user_id", "permissions", "exp"] {
        if !claims.contains_key(name) {
            return "claim_missing";
        }
    }
    let exp = claims["exp"].as_i64().unwrap_or_default();
    if !claims["user_id"].is_string() || !claims["permissions"].is_array() || exp > 253_402_300_799 {
        return "claim_invalid";
    }
    let leeway = if defects.leeway_60 { 60 } else { 0 };
    match (claims.get("nbf").and_then(Value::as_i64), NOW.seconds()) {
        (Some(nbf), now) if nbf > now + leeway => "not_yet_valid",
        (_, now) if now >= exp + leeway => "expired",
        _ => "allowed",
    }
}

fn observation(code: &'static str) -> Observation {
    let answer = if code == "allowed" { r#"{"success":true,"result":{}}"# } else { r#"{"error":"unauthorized"}"# };
    Observation { code: code.to_owned(), sentence: String::new(), answer: answer.to_owned() }
}

const TIME: &[&str] = &["expired 1 s ago", "not yet valid"];
const ALGORITHM: &[&str] = &["alg none", "RS256 over HMAC"];

#[rstest]
#[case(Defects::default(), &[])]
#[case(Defects { leeway_60: true, ..Defects::default() }, TIME)]
#[case(Defects { no_crit_check: true, ..Defects::default() }, &["crit"])]
#[case(Defects { algorithm_of_the_header: true, ..Defects::default() }, ALGORITHM)]
#[case(
    Defects { leeway_60: true, no_crit_check: true, algorithm_of_the_header: true },
    &["expired 1 s ago", "not yet valid", "alg none", "crit", "RS256 over HMAC"]
)]
fn a_defective_gate_fails_exactly_the_expected_lines(#[case] defects: Defects, #[case] lines: &[&str]) {
    let tokens = kit(&rules(), "read_data", NOW);
    assert_eq!(failed(&tokens, |token| observation(verifier(token, defects))), lines);
}

#[test]
fn the_right_reason_with_the_wrong_answer_fails() {
    let tokens = kit(&rules(), "read_data", NOW);
    let forbidden = |token: &str| Observation {
        answer: r#"{"error":"forbidden"}"#.to_owned(),
        ..observation(verifier(token, Defects::default()))
    };
    assert_eq!(failed(&tokens, forbidden).len(), KIT.len());
}

#[test]
fn every_test_token_has_its_own_number_and_jti() {
    let tokens = kit(&rules(), "read_data", NOW);
    let mut ids: Vec<TokenId> = tokens.iter().map(|token| TokenId::of(&token.token)).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), KIT.len());
    assert_eq!(tokens[16].jti, format!("{:032x}", 23));
    assert!(tokens.iter().all(|token| !format!("{token:?}").contains("eyJ")));
}

#[test]
fn test_tokens_are_not_made_without_a_user_or_for_a_user_id_that_is_too_long() {
    assert!(make(&rules(), &signer(), &identity("", &[]), "read_data", 0, NOW).is_err());
    // The same for a user ID so long that every token would be too large.
    assert!(make(&rules(), &signer(), &identity(&"x".repeat(7000), &[]), "read_data", 0, NOW).is_err());
}

proptest! {
    #[test]
    fn the_kit_passes_for_any_identity(user in "\\PC{1,20}", permissions in prop::collection::vec("\\PC{0,10}", 0..4), secret in prop::collection::vec(any::<u8>(), 1..80)) {
        let signer = Signer::hs256(&secret, KeyOrigin::Program).expect("a key");
        let rules = Rules::new(&signer);
        let identity = Identity { user_id: user, permissions };
        for token in make(&rules, &signer, &identity, "read_data", 0, NOW).expect("test tokens") {
            let decision = rules.decide(&Call { token: Some(&token.token), tool: "read_data" }, NOW);
            prop_assert_eq!(decision.code(), token.expected, "{}", token.name);
        }
    }
}

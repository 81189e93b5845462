//! The test tokens against sound and defective gates: each defect fails exactly the lines that it should.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::AuthenticatedMcpServer;
use portcullis::auth::algorithm::Family;
use portcullis::auth::keys::{Components, jwk, public_key_info, public_pem};
use portcullis::auth::{
    Algorithm, Call, Issuer, Issuers, KeyOrigin, KeySet, Leeway, Mapping, NumericDate, Rules, Signer, TokenId,
    TokenLimit,
};
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

use crate::forge::{NOW, SECRET, mac, rules, signer, signer_of};

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

#[cfg(feature = "program")]
#[test]
fn a_scorecard_is_judged_by_the_rules_at_the_beginning_of_its_run() {
    use portcullis::app::msg::{KitFor, KitRequest};
    use portcullis::app::{Effect, Msg, update};

    let mut desk = crate::desk::Desk::new(120, 36);
    let made = Ok(kit(&desk.app.auth.rules, "read_data", crate::desk::START));
    let request = KitRequest {
        identity: identity("user123", &["user"]),
        tool: "read_data".into(),
        at: crate::desk::START,
        rules: Arc::clone(&desk.app.auth.rules),
        judged_by: desk.app.judged_by(),
        purpose: KitFor::Run,
    };
    // A setting that changes while the tokens are made comes too late as well.
    desk.keys("Ctrl-S Ctrl-U").types("4s").keys("Enter");
    let made = Msg::KitMade { made, request: Box::new(request) };
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

/// The expected code of a line.
fn expected(tokens: &[TestToken], name: &str) -> &'static str {
    tokens.iter().find(|token| token.name == name).unwrap_or_else(|| panic!("{name} is missing")).expected
}

/// Fails unless a gate with these rules gives the expected answer to every test token of this signer.
fn passes(rules: &Rules, signer: &Signer) -> Vec<TestToken> {
    let tokens = make(rules, signer, &identity("user123", &["user"]), "read_data", 7, NOW).expect("test tokens");
    for (token, kind) in tokens.iter().zip(&KIT) {
        let decision = rules.decide(&Call { token: Some(&token.token), tool: "read_data" }, NOW);
        assert_eq!(decision.code(), token.expected, "{}: {}", token.name, decision.sentence());
        // What the pane shows before a run.
        assert_eq!(kind.expected(rules), token.expected, "{}", token.name);
    }
    tokens
}

#[test]
fn the_kit_passes_with_a_signer_of_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let (signer, _) = Signer::generate(algorithm).expect("a key");
        let rules = Rules::new(&signer).with_issuer(Some("https://us.example".into()));
        let tokens = passes(&rules.with_audiences(["https://us.example/mcp".into()]), &signer);
        let code = |name| expected(&tokens, name);
        // With a public key, an HMAC is never accepted; with a secret, it is compared.
        let confused = ["HMAC with PEM", "HMAC with DER", "HMAC with JWK", "kid is a path"].map(code);
        let wanted = if algorithm == Algorithm::Hs256 { "bad_signature" } else { "algorithm_refused" };
        assert_eq!(confused, [wanted; 4], "{algorithm}");
        let ours = ["embedded jwk", "jku", "x5u", "wrong key", "cut signature"].map(code);
        assert_eq!(ours, ["bad_signature"; 5], "{algorithm}");
        let ecdsa = ["zero signature", "DER signature", "wrong curve"].map(code);
        let is_ecdsa = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512].contains(&algorithm);
        assert_eq!(ecdsa, [if is_ecdsa { "bad_signature" } else { "algorithm_refused" }; 3], "{algorithm}");
        // A secret without a name takes any kid for a hint; a public key has one.
        let named = algorithm.family() != Family::Hmac;
        let kids = [code("unknown kid"), code("other issuer's key")];
        assert_eq!(kids, if named { ["unknown_key"; 2] } else { ["allowed", "bad_signature"] }, "{algorithm}");
        assert_eq!((code("aud array"), code("iss with slash")), ("allowed", "issuer_mismatch"));
    }
}

#[test]
fn the_kit_passes_whatever_else_is_configured() {
    let named = Signer::hs256_named(SECRET, KeyOrigin::Program, "first").expect("a key");
    assert_eq!(expected(&passes(&rules().with_keys(&named), &named), "unknown kid"), "unknown_key");
    // During a rotation, the old secret has no name, so that it answers to every kid.
    let both: KeySet = [&named, &signer_of(b"the old secret")].map(|key| key.verifier().clone()).into_iter().collect();
    assert_eq!(expected(&passes(&rules().with_keys(both), &named), "unknown kid"), "bad_signature");
    // Another issuer, with a key for another algorithm.
    let (other, _) = Signer::generate(Algorithm::Es256).expect("a key");
    let other = Issuer { keys: (&other).into(), ..Issuer::default() };
    for own in [None, Some("https://us.example")] {
        let rules = rules().with_issuer(own.map(Into::into));
        let issuers = rules.issuers.clone().with_others([("https://them.example".into(), other.clone())]);
        let rules = Rules { issuers: issuers.expect("two names"), ..rules };
        let slash = expected(&passes(&rules, &signer()), "iss with slash");
        assert_eq!(slash, if own.is_some() { "unknown_issuer" } else { "allowed" });
    }
    // An issuer without a name, whose algorithm selects it.
    let issuers = rules().issuers.with(other).expect("no name");
    let tokens = passes(&Rules { issuers, ..rules() }, &signer());
    assert_eq!(expected(&tokens, "zero signature"), "bad_signature", "it has a key for ES256");
    // Tokens must be of the type at+jwt, or their claims are mapped.
    let own = |own: Issuer| Rules { issuers: Issuers::new(Issuer { keys: (&signer()).into(), ..own }), ..rules() };
    let typed = own(Issuer { require_typ: true, ..Issuer::default() });
    let mapping = Arc::new(Mapping::named("keycloak").expect("a preset").and_issued_here());
    for rules in [typed, own(Issuer { mapping, ..Issuer::default() })] {
        assert_eq!(expected(&passes(&rules, &signer()), "ID token"), "wrong_type");
    }
    let google = Arc::new(Mapping::named("google").expect("a preset").and_issued_here());
    let rules_of_google = own(Issuer { mapping: google, ..Issuer::default() });
    let tokens = passes(&rules_of_google, &signer());
    assert_eq!(expected(&tokens, "ID token"), "permission_missing", "it is valid: the issuer has no other JWTs");
    assert_eq!(expected(&passes(&rules(), &signer()), "ID token"), "claim_missing", "it has none of our claims");
    let large = Rules { token_limit: TokenLimit::LARGEST, ..rules() };
    assert_eq!(expected(&passes(&large, &signer()), "huge"), "too_large");
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
/// A gate that takes the algorithm from the header compares signatures that it should not even look at.
const ALGORITHM: &[&str] = &["alg none", "RS256 over HMAC", "zero signature", "DER signature", "wrong curve"];

#[rstest]
#[case(Defects::default(), &[])]
#[case(Defects { leeway_60: true, ..Defects::default() }, TIME)]
#[case(Defects { no_crit_check: true, ..Defects::default() }, &["crit"])]
#[case(Defects { algorithm_of_the_header: true, ..Defects::default() }, ALGORITHM)]
#[case(
    Defects { leeway_60: true, no_crit_check: true, algorithm_of_the_header: true },
    &[
        "expired 1 s ago", "not yet valid", "alg none", "crit", "RS256 over HMAC", "zero signature", "DER signature",
        "wrong curve",
    ]
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

/// The defects of a gate that checks ES256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flaw {
    None,
    /// The public key, in this form, is the secret of HS256.
    SecretIs(Form),
    /// A key in the header replaces the configured one.
    TrustsHeader,
    /// The file that `kid` names contains the secret of HS256.
    ReadsKid,
    /// ECDSA signatures may be DER.
    AcceptsDer,
    /// Signatures of zeros are not rejected.
    AcceptsZero,
    /// Tokens without our claims are accepted, if they are signed.
    AcceptsIdTokens,
    /// `aud` must be a string.
    RefusesArrays,
    /// A slash at the end of `iss` is ignored.
    IgnoresSlash,
    /// `kid` is not compared.
    IgnoresKid,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Pem,
    Der,
    Jwk,
}

/// Whether an independent gate accepts a token for the key of `signer`, an issuer and an audience.
fn accepts(token: &str, signer: &Signer, flaw: Flaw) -> bool {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { return false };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let text = |part: &str| String::from_utf8(bytes(part)).unwrap_or_default();
    if text(payload).matches("\"user_id\"").count() > 1 || token.len() > 8192 {
        return false;
    }
    let object = |part: &str| serde_json::from_slice::<Map<String, Value>>(&bytes(part)).unwrap_or_default();
    let (head, claims, signature) = (object(header), object(payload), bytes(signature));
    let input = format!("{header}.{payload}");
    let Some(Components::Curve { x, y, .. }) = signer.verifier().components() else { panic!("a key on a curve") };
    let own = [&[4], &**x, &**y].concat();
    let text_of = |form| match form {
        Form::Pem => public_pem(signer.verifier().components().expect("a public key")).into_bytes(),
        Form::Der => public_key_info(signer.verifier().components().expect("a public key")),
        Form::Jwk => {
            Value::Object(jwk::write(signer.verifier().components().expect("a public key"))).to_string().into()
        }
    };
    let secret = match flaw {
        Flaw::SecretIs(form) => Some(text_of(form)),
        // The file is empty.
        Flaw::ReadsKid if head.get("kid").is_some_and(|kid| kid.as_str().is_some_and(|kid| kid.contains('/'))) => {
            Some(Vec::new())
        }
        _ => None,
    };
    let key = match head.get("jwk").filter(|_| flaw == Flaw::TrustsHeader) {
        Some(jwk) => {
            let value = |name: &str| bytes(jwk[name].as_str().unwrap_or_default());
            [vec![4], value("x"), value("y")].concat()
        }
        None => own,
    };
    let is_named = head.get("kid").and_then(Value::as_str) == signer.verifier().kid();
    let is_signed = match (head["alg"].as_str().unwrap_or_default(), secret) {
        ("HS256", Some(secret)) => mac(&input, &secret) == signature,
        ("ES256", _) if is_named || flaw == Flaw::IgnoresKid => {
            let with = |kind| UnparsedPublicKey::new(kind, &key).verify(input.as_bytes(), &signature).is_ok();
            let is_zero = flaw == Flaw::AcceptsZero && signature.iter().all(|byte| *byte == 0);
            is_zero
                || UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key).verify(input.as_bytes(), &signature).is_ok()
                || flaw == Flaw::AcceptsDer && with(&ECDSA_P256_SHA256_ASN1)
        }
        _ => false,
    };
    let iss = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let iss = if flaw == Flaw::IgnoresSlash { iss.trim_end_matches('/') } else { iss };
    let aud = match claims.get("aud") {
        Some(Value::Array(all)) => flaw != Flaw::RefusesArrays && all.contains(&"gate".into()),
        aud => aud == Some(&"gate".into()),
    };
    let has_claims = claims.get("user_id").is_some_and(Value::is_string)
        && claims.get("permissions").is_some_and(Value::is_array)
        || flaw == Flaw::AcceptsIdTokens && claims.contains_key("sub");
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let is_in_time = number("exp").is_some_and(|exp| exp > NOW.seconds() && exp < 253_402_300_799)
        && number("nbf").is_none_or(|nbf| nbf <= NOW.seconds());
    is_signed && iss == "us" && aud && has_claims && is_in_time && !head.contains_key("crit")
}

#[rstest]
#[case(Flaw::None, &[])]
#[case(Flaw::SecretIs(Form::Pem), &["HMAC with PEM"])]
#[case(Flaw::SecretIs(Form::Der), &["HMAC with DER"])]
#[case(Flaw::SecretIs(Form::Jwk), &["HMAC with JWK"])]
#[case(Flaw::TrustsHeader, &["embedded jwk"])]
#[case(Flaw::ReadsKid, &["kid is a path"])]
#[case(Flaw::AcceptsDer, &["DER signature"])]
#[case(Flaw::AcceptsZero, &["zero signature"])]
#[case(Flaw::AcceptsIdTokens, &["ID token"])]
#[case(Flaw::RefusesArrays, &["aud array"])]
#[case(Flaw::IgnoresSlash, &["iss with slash"])]
#[case(Flaw::IgnoresKid, &["unknown kid"])]
fn a_defective_gate_for_public_keys_fails_exactly_the_expected_lines(#[case] flaw: Flaw, #[case] lines: &[&str]) {
    let (signer, _) = Signer::generate(Algorithm::Es256).expect("a key");
    let rules = Rules::new(&signer).with_issuer(Some("us".into())).with_audiences(["gate".into()]);
    let tokens = make(&rules, &signer, &identity("user123", &["user"]), "read_data", 7, NOW).expect("test tokens");
    // This gate gives no reasons: whether it accepts is what counts.
    let observe = |token: &str| {
        let expected = tokens.iter().find(|made| *made.token == *token).expect("a test token").expected;
        match (accepts(token, &signer, flaw), expected) {
            (true, _) => observation("allowed"),
            (false, "allowed") => observation("bad_signature"),
            (false, reason) => observation(reason),
        }
    };
    assert_eq!(failed(&tokens, observe), lines);
}

proptest! {
    #[test]
    fn the_kit_passes_for_any_identity(user in "\\PC{1,20}", permissions in prop::collection::vec("\\PC{0,10}", 0..4), secret in prop::collection::vec(any::<u8>(), 1..80)) {
        // To HMAC, zeros are the same as the empty secret, with which one of the test tokens is signed.
        prop_assume!(secret.iter().any(|byte| *byte != 0));
        let signer = Signer::hs256(&secret, KeyOrigin::Program).expect("a key");
        let rules = Rules::new(&signer);
        let identity = Identity { user_id: user, permissions };
        for token in make(&rules, &signer, &identity, "read_data", 0, NOW).expect("test tokens") {
            let decision = rules.decide(&Call { token: Some(&token.token), tool: "read_data" }, NOW);
            prop_assert_eq!(decision.code(), token.expected, "{}", token.name);
        }
    }
}

//! Findings: what an inspection says of keys, times and sender constraints besides the verdict, each with the next step.

use std::sync::Arc;

use portcullis::auth::algorithm::Algorithm;
use portcullis::auth::keys::jwk::{self, KeySource};
use portcullis::auth::{Finding, IssueRequest, Issuer, Issuers, KeyOrigin, KeySet, Mapping, Rules, Signer};
use rstest::rstest;
use serde_json::{Value, json};

use crate::forge::{NOW, claims, rules, sign, token};
use crate::providers::{self, Pair};

/// Rules for the tokens of an issuer that publishes these keys.
fn rules_of(keys: &[Value]) -> Rules {
    let set = json!({ "keys": keys }).to_string();
    let source = KeySource { origin: KeyOrigin::File, is_private: false };
    let keys = KeySet::from(jwk::read(set.as_bytes(), source).expect("a set"));
    let mapping = Arc::new(Mapping::named("standard").expect("a preset"));
    let issuer = Issuer { keys, mapping, ..Issuer::default() };
    Rules { issuers: Issuers::new(issuer), ..Rules::new(KeySet::default()) }
}

/// The sentences of the findings with this code.
fn found(rules: &Rules, token: &str, code: &str) -> Vec<String> {
    let findings = rules.inspect(token).findings_at(NOW);
    findings.iter().filter(|finding| finding.code() == code).map(ToString::to_string).collect()
}

/// An RSA key of 1024 bits, as a set may still have it.
fn weak_rsa(kid: &str) -> Value {
    let modulus = "v".to_owned() + &"A".repeat(170);
    json!({ "kty": "RSA", "kid": kid, "n": modulus, "e": "AQAB" })
}

#[test]
fn a_key_of_the_token_that_cannot_be_used_is_named_with_the_reason() {
    let (good, other) = (Pair::new(Algorithm::Es256, "good"), Pair::new(Algorithm::Es256, "weak"));
    let rules = rules_of(&[good.jwk(), weak_rsa("weak")]);
    let payload = providers::claims(json!({ "sub": "a" }));
    assert_eq!(
        found(&rules, &other.token(&payload), "refused_key"),
        ["the issuer's key set has a key that cannot be used: key 2 (weak): an RSA key of 1024 bits is too short, \
          expected at least 2048"]
    );
    assert_eq!(found(&rules, &good.token(&payload), "refused_key"), [""; 0], "a verified token needs no other key");
    let third = Pair::new(Algorithm::Es256, "third");
    assert_eq!(found(&rules, &third.token(&payload), "refused_key"), [""; 0], "its kid names another key");
}

#[test]
fn keys_that_cannot_be_used_are_counted_by_their_reason() {
    let rules = rules_of(&[Pair::new(Algorithm::Es256, "good").jwk(), weak_rsa("a"), weak_rsa("b"), weak_rsa("c")]);
    let payload = providers::claims(json!({ "sub": "a" }));
    let token = Pair::new(Algorithm::Es256, "x").sign(&json!({ "alg": "RS256" }), &payload);
    assert_eq!(
        found(&rules, &token, "refused_key"),
        [
            "the issuer's key set has 3 keys that cannot be used, the first is key 2 (a): an RSA key of 1024 bits is too \
          short, expected at least 2048"
        ]
    );
}

#[test]
fn a_key_with_alg_none_concerns_every_token_of_its_issuer() {
    let pair = Pair::new(Algorithm::Es256, "good");
    let none = json!({ "kty": "oct", "alg": "none", "kid": "n", "k": "" });
    let token = pair.token(&providers::claims(json!({ "sub": "a" })));
    let rules = rules_of(&[none, pair.jwk()]);
    assert!(rules.verify(&token, NOW).is_ok());
    assert_eq!(
        found(&rules, &token, "refused_key"),
        [
            "the issuer's key set has a key that cannot be used: key 1 (n): alg none: a verifier that accepts it accepts \
          unsigned tokens; remove the key from the set"
        ]
    );
}

#[test]
fn a_token_without_kid_is_reported_if_several_keys_fit() {
    let (first, second) = (Pair::new(Algorithm::Es256, "first"), Pair::new(Algorithm::Es256, "second"));
    let payload = providers::claims(json!({ "sub": "a" }));
    let unnamed = second.sign(&json!({ "alg": "ES256", "typ": "JWT" }), &payload);
    let both = rules_of(&[first.jwk(), second.jwk()]);
    assert!(both.verify(&unnamed, NOW).is_ok());
    let said = "the header has no kid, and the issuer has 2 ES256 keys: all are tried; the issuer should set kid";
    assert_eq!(found(&both, &unnamed, "no_kid"), [said]);
    assert_eq!(found(&both, &second.token(&payload), "no_kid"), [""; 0]);
    assert_eq!(found(&rules_of(&[second.jwk()]), &unnamed, "no_kid"), [""; 0]);
}

#[rstest]
#[case(r#"{"alg":"HS256","x5t":"AAAA"}"#, true)]
#[case(r#"{"alg":"HS256","x5t":"AAAA","kid":"k"}"#, true)]
#[case(r#"{"alg":"HS256","x5t":"AAAA","x5t#S256":"AAAA"}"#, false)]
#[case(r#"{"alg":"HS256","x5t#S256":"AAAA"}"#, false)]
fn a_sha_1_thumbprint_is_reported_unless_a_sha_256_one_is_there(#[case] header: &str, #[case] is_reported: bool) {
    let said = "the header has a SHA-1 thumbprint (x5t) without x5t#S256; it is ignored here, so select keys by kid"
        .to_owned();
    let wanted = if is_reported { vec![said] } else { Vec::new() };
    assert_eq!(found(&rules(), &sign(header, claims("")), "sha1_thumbprint"), wanted);
}

#[rstest]
#[case(
    r#""exp":"4102444800""#,
    "quoted_time",
    "exp is a string, but a time must be a number; as a number it is 2100-01-01T00:00:00Z"
)]
#[case(
    r#""exp":4102444800,"nbf":"1795380000""#,
    "quoted_time",
    "nbf is a string, but a time must be a number; as a number it is 2026-11-22T20:40:00Z"
)]
#[case(
    r#""exp":"4102444800000""#,
    "quoted_time",
    "exp is a string, but a time must be a number; as milliseconds it is 2100-01-01T00:00:00Z"
)]
#[case(r#""exp":3600"#, "duration", "exp is 3600, expected seconds since 1970; it looks like a duration (1h)")]
#[case(
    r#""exp":4102444800,"nbf":300"#,
    "duration",
    "nbf is 300, expected seconds since 1970; it looks like a duration (5m)"
)]
#[case(
    r#""exp":1795380999000"#,
    "milliseconds",
    "exp looks like milliseconds instead of seconds; as milliseconds it is 2026-11-22T20:56:39Z"
)]
#[case(r#""exp":86400.0"#, "duration", "exp is 86400, expected seconds since 1970; it looks like a duration (1d)")]
#[case(
    r#""exp":4102444800,"iat":1795380365"#,
    "issued_ahead",
    "iat is in the future (2026-11-22T20:46:05Z): check the clocks of the issuer and this machine"
)]
#[case(
    r#""exp":4102444800,"_claim_names":{"groups":"src1"}"#,
    "groups_left_out",
    "the issuer left out the groups because there are too many (_claim_names); permissions that come from groups are missing; assign app roles instead"
)]
#[case(
    r#""exp":4102444800,"hasgroups":true"#,
    "groups_left_out",
    "the issuer left out the groups because there are too many (hasgroups); permissions that come from groups are missing; assign app roles instead"
)]
#[case(
    r#""exp":4102444800,"cnf":{"jkt":"x"}"#,
    "bound_to_key",
    "sender-constrained (cnf jkt, DPoP): proof of possession is not checked here"
)]
#[case(
    r#""exp":4102444800,"cnf":{"x5t#S256":"x"}"#,
    "bound_to_key",
    "sender-constrained (cnf x5t#S256, mutual TLS): proof of possession is not checked here"
)]
fn unusual_times_groups_and_keys_are_findings(#[case] member: &str, #[case] code: &str, #[case] says: &str) {
    let inspection = rules().inspect(token(format!(r#"{{"user_id":"u","permissions":["user"],{member}}}"#)));
    let found = inspection.findings_at(NOW);
    let found: Vec<(&str, String)> = found.iter().map(|finding| (finding.code(), finding.to_string())).collect();
    assert!(found.contains(&(code, says.to_owned())), "{found:?}");
}

#[rstest]
#[case(r#""exp":1"#)]
#[case(r#""exp":"soon""#)]
#[case(r#""exp":4102444800,"iat":1795380065"#)]
#[case(r#""exp":4102444800,"hasgroups":false"#)]
#[case(r#""exp":4102444800,"_claim_names":{"photo":"src1"}"#)]
#[case(r#""exp":4102444800,"cnf":null"#)]
fn usual_claims_are_not_findings(#[case] member: &str) {
    let inspection = rules().inspect(token(format!(r#"{{"user_id":"u","permissions":["user"],{member}}}"#)));
    let new = ["quoted_time", "duration", "issued_ahead", "groups_left_out", "bound_to_key"];
    let found: Vec<&str> = inspection.findings_at(NOW).iter().map(Finding::code).collect();
    assert!(found.iter().all(|code| !new.contains(code)), "{found:?}");
}

/// A security event or a proof of possession is signed by the same keys as an access token (RFC 8725 §3.11).
#[test]
fn a_token_whose_type_names_another_purpose_is_refused_except_the_providers_own_names_of_access_tokens() {
    let signer = Signer::hs256(b"a secret of thirty-two bytes or so", KeyOrigin::Program).expect("a key");
    let mapping = Arc::new(Mapping::named("standard").expect("a preset"));
    let issuer = Issuer { mapping, keys: KeySet::from(&signer), ..Issuer::default() };
    let rules = Rules { issuers: Issuers::new(issuer), ..Rules::new(&signer) };
    let code = |typ: &str| {
        let request = IssueRequest {
            user_id: "me".to_owned(),
            subject: Some("me".to_owned()),
            token_type: Some(typ.to_owned()),
            ..IssueRequest::default()
        };
        let token = signer.issue(&request, "7", NOW).expect("a token");
        rules.verify(&token, NOW).map_or_else(|reason| reason.code(), |_| "valid")
    };
    for typ in ["logout+jwt", "secevent+JWT", "dpop+jwt", "application/id+jwt"] {
        assert_eq!(code(typ), "wrong_type", "{typ}");
    }
    for typ in ["JWT", "at+jwt", "application/at+jwt", "application/okta-internal-at+jwt"] {
        assert_eq!(code(typ), "valid", "{typ}");
    }
}

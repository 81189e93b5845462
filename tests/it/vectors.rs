//! Public vectors, read by path: tokens with their keys, and the JWS and JWK cases of Wycheproof. They are not part of the
//! project; where they are absent, the tests say so and pass.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis::auth::keys::jwk::{self, KeySource};
use portcullis::auth::{Audience, Issuer, Issuers, KeyOrigin, KeySet, Mapping, NumericDate, Rules, Signer};
use serde_json::Value;

use crate::forge::NOW;

/// The text of a file of vectors, if it is there.
fn vectors(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
        {
            eprintln!("SKIPPED: {} is not there", path.display());
        }
    }
    text
}

/// The keys of a JWK or a set, as a verifier reads them from a local file.
fn keys(jwk: &Value) -> KeySet {
    let source = KeySource { origin: KeyOrigin::File, is_private: true };
    jwk::read(jwk.to_string().as_bytes(), source).map(|read| read.keys.into_iter().collect()).unwrap_or_default()
}

/// Cases that are judged differently here, with the reason.
const DIFFERENT: &[(&str, u64, &str)] = &[
    ("json_web_key_test", 4, "two keys have one kid, which RFC 7517 §4.5 only advises against: both are tried"),
    ("json_web_signature_test", 346, "the key is for PS256 (alg), the signature is PS384"),
    ("json_web_signature_test", 350, "the key is for PS256 (alg), the signature is PS384"),
    ("json_web_signature_test", 347, "the key's alg is ES521, which does not exist"),
    ("json_web_signature_test", 351, "the key's alg is ES521, which does not exist"),
    ("json_web_signature_test", 367, "the same bytes as the valid case 357"),
    ("json_web_signature_test", 370, "the same bytes as the valid case 357"),
    ("json_web_signature_test", 372, "a question mark is not base64url"),
    ("json_web_signature_test", 373, "a question mark is not base64url"),
];

/// Judges every JWS of a file, and expects as many of them.
fn judge(file: &str, expected: usize) {
    let Some(text) = vectors(&format!("wycheproof/{file}.json")) else { return };
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let (mut judged, mut wrong) = (0, Vec::new());
    for group in vectors["testGroups"].as_array().expect("groups") {
        let key = group.get("public").or_else(|| group.get("private")).expect("a key");
        for case in group["tests"].as_array().expect("cases") {
            // The others are about encryption. A JWS as JSON is text in one file and an object in the other.
            let jws = match &case["jws"] {
                Value::Null => continue,
                Value::String(jws) => jws.clone(),
                object => object.to_string(),
            };
            let (id, wanted) = (case["tcId"].as_u64().expect("an ID"), case["result"] == "valid");
            let found = keys(key).verify_jws(&jws);
            judged += 1;
            // Their payloads are no claims, so the gate refuses even those whose signature it accepts.
            assert!(Rules::new(keys(key)).verify(&jws, NOW).is_err(), "{file} {id}");
            let differs = DIFFERENT.iter().any(|(at, case, _)| (*at, *case) == (file, id));
            if (found.is_ok() == wanted) == differs {
                wrong.push(format!("{id} {} wanted {wanted}: {found:?}", case["comment"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{file}: {} of {judged}\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(judged, expected, "{file}");
}

#[test]
fn wycheproof_signatures_are_judged_as_they_must_be() {
    judge("json_web_signature_test", 401);
}

#[test]
fn wycheproof_keys_are_judged_as_they_must_be() {
    judge("json_web_key_test", 26);
}

#[test]
fn wycheproof_jws_cases_of_the_crypto_file_are_judged_as_they_must_be() {
    judge("json_web_crypto_test", 49);
}

#[test]
fn public_tokens_are_judged_as_they_must_be() {
    let Some(text) = vectors("tokens/tokens.jsonl") else { return };
    let now = NumericDate::from_rfc3339("2026-11-26T12:00:00Z").expect("a time");
    let mut found = Vec::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let keys: KeySet = match &row["key"] {
            Value::String(secret) => (&Signer::hs256(secret.as_bytes(), KeyOrigin::File).expect("a secret")).into(),
            Value::Null => KeySet::default(),
            key => keys(key),
        };
        let mapping = Mapping::named("standard").expect("a preset");
        let nested = ["nested.key1".to_owned(), "nested.nested-2.key1".to_owned(), "list".to_owned()];
        let mapping = mapping.with_user(&["sub".to_owned(), "iss".to_owned()]);
        let mapping =
            if row["name"].as_str().is_some_and(|name| name.contains("nested") || name.contains("agentgateway")) {
                mapping.with_permissions(&nested)
            } else {
                mapping
            };
        let issuer = Issuer { keys, mapping: Arc::new(mapping), ..Issuer::default() };
        let rules = Rules { issuers: Issuers::new(issuer), ..Rules::new(KeySet::default()) };
        let token = row["token"].as_str().expect("a token");
        let judged = rules.inspect(token).judged;
        let code = rules.verify_for(token, Audience::Required, now).map_or_else(|reason| reason.code(), |_| "valid");
        let signed = if judged.is_verified() { "good" } else { "bad" };
        found.push(format!(
            "{}: {code}, signature {signed}, {}",
            row["name"].as_str().unwrap_or_default(),
            judged.permissions.join(" ")
        ));
    }
    let wanted = [
        "istio-demo-rs256: valid, signature good, ",
        "istio-groups-scope-arrays: valid, signature good, scope1 scope2 group1 group2",
        "istio-nested-claims: valid, signature good, valueA valueB",
        "istio-scope-string: valid, signature good, write read",
        "istio-aud-list: valid, signature good, ",
        "istio-wrong-key: unknown_key, signature bad, ",
        "agentgateway-es256: valid, signature good, apple banana",
        "envoy-eddsa: claim_missing, signature good, ",
        "envoy-eddsa-unknown-kid: unknown_key, signature bad, ",
        "rfc7515-a1-hs256: expired, signature good, ",
        "rfc7515-a3-es256: expired, signature good, ",
        "rfc7515-a5-none: algorithm_refused, signature bad, ",
        "jwt-io-sample: claim_missing, signature good, ",
        // The payload is not a JSON object, which is found before the signature that the header's own key made.
        "wycheproof-jws-32-rejectsAttackerProvidedEmbeddedJwk: malformed, signature bad, ",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn an_audience_in_a_list_is_compared_with_each_expected_one() {
    let Some(text) = vectors("tokens/tokens.jsonl") else { return };
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let row = rows.into_iter().find(|row| row["name"] == "istio-aud-list").expect("the token");
    let now = NumericDate::from_rfc3339("2026-11-26T12:00:00Z").expect("a time");
    for (audience, code) in [("buzz", "valid"), ("foo", "valid"), ("bar", "audience_mismatch")] {
        let issuer = Issuer {
            keys: keys(&row["key"]),
            mapping: Arc::new(Mapping::named("standard").expect("a preset").with_user(&["iss".to_owned()])),
            audiences: [audience.into()].into(),
            ..Issuer::default()
        };
        let rules = Rules { issuers: Issuers::new(issuer), ..Rules::new(KeySet::default()) };
        let found = rules.verify(row["token"].as_str().expect("a token"), now);
        assert_eq!(found.map_or_else(|reason| reason.code(), |_| "valid"), code, "{audience}");
    }
}

//! The HS cases of C2SP/wycheproof, read from a checkout beside the project.
//!
//! Their payloads are not claims (`foo`), so the gate refuses them all; the result checked here is the one for header
//! and signature, from an inspection with the gate's own functions.

use std::path::Path;

use portcullis::auth::{Check, KeyOrigin, Rules, Signer};
use serde_json::Value;

use crate::forge::NOW;

/// Faulty vectors: file, case, and why the verdict cannot be met.
const FAULTY: [(&str, u64, &str); 4] = [
    ("signature", 367, "named invalidBase64Padding, but byte-identical to the valid 357"),
    ("signature", 370, "named invalidBase64PaddingInPayload, but byte-identical to the valid 357"),
    ("signature", 372, "calls a `?` inside the header's base64 valid"),
    ("signature", 373, "calls a `?` inside the payload's base64 valid"),
];

/// Cases about key files (JWK), which the gate does not read: a policy for key files would have to reject the key
/// before the token is judged.
const KEY_FILES: [(&str, u64, &str); 6] = [
    ("crypto", 47, "a key set of mixed kinds"),
    ("key", 1, "a key set of mixed kinds"),
    ("key", 4, "two keys of one kid"),
    ("key", 10, "a short key, which this gate accepts and reports as weak"),
    ("key", 25, "a key for AES-GCM"),
    ("key", 26, "a key for AES key wrapping"),
];

/// Valid tokens of algorithms that are not supported here.
const OTHER_ALGORITHMS: [(&str, u64, &str); 2] = [("key", 14, "HS384"), ("key", 15, "HS512")];

struct Case {
    file: &'static str,
    id: u64,
    valid: bool,
    token: String,
    keys: Vec<Value>,
}

impl Case {
    fn among(&self, list: &[(&str, u64, &str)]) -> bool {
        list.iter().any(|(file, id, _)| (*file, *id) == (self.file, self.id))
    }

    /// Whether header and signature pass with the first of its keys.
    fn passes(&self) -> bool {
        let Some(rules) = rules(&self.keys[0]) else {
            return false;
        };
        let steps = rules.inspect(self.token.as_str()).judged.steps(NOW);
        steps.iter().any(|(check, step)| *check == Check::Signature && *step == Some(Ok(())))
    }
}

/// Returns rules with a key from a key file, or `None` if the gate rejects the key.
fn rules(jwk: &Value) -> Option<Rules> {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(jwk["k"].as_str()?).ok()?;
    let key = Signer::hs256_named(&secret, KeyOrigin::File, jwk["kid"].as_str()?).ok()?;
    Some(Rules::new(&key))
}

fn cases() -> Option<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/wycheproof");
    let mut cases = Vec::new();
    for file in ["signature", "crypto", "key"] {
        let text = std::fs::read_to_string(folder.join(format!("json_web_{file}_test.json"))).ok()?;
        let json: Value = serde_json::from_str(&text).expect("the vectors are JSON");
        for group in json["testGroups"].as_array().expect("groups") {
            let private = &group["private"];
            let keys = private["keys"].as_array().cloned().unwrap_or_else(|| vec![private.clone()]);
            let mac = |key: &Value| key["kty"] == "oct" && group["tests"][0]["jws"] != Value::Null;
            if !keys.iter().any(mac) {
                continue;
            }
            for test in group["tests"].as_array().expect("tests") {
                cases.push(Case {
                    file,
                    id: test["tcId"].as_u64().expect("a number"),
                    valid: test["result"] == "valid",
                    // The JSON serialization is text in one file and an object in the other.
                    token: test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned),
                    keys: keys.clone(),
                });
            }
        }
    }
    Some(cases)
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn every_wycheproof_case_for_hmac_keys_gets_its_expected_result() {
    let Some(cases) = cases() else {
        eprintln!("SKIPPED: ../shared/vectors/wycheproof is missing");
        return;
    };
    assert_eq!(cases.len(), 75, "cases that concern HMAC keys");
    let (mut agree, mut faulty, mut files, mut others) = (0, 0, 0, 0);
    for case in &cases {
        let passes = case.passes();
        let place = format!("{} {}: {}", case.file, case.id, case.token);
        if case.among(&FAULTY) {
            // Judged by the bytes, not by the verdict of the vectors.
            assert_eq!(passes, !case.valid, "{place}");
            faulty += 1;
        } else if case.among(&KEY_FILES) {
            files += 1;
        } else if case.among(&OTHER_ALGORITHMS) {
            assert!(case.valid && !passes, "{place}");
            others += 1;
        } else {
            assert_eq!(passes, case.valid, "{place}");
            agree += 1;
        }
    }
    assert_eq!((agree, faulty, files, others), (63, FAULTY.len(), KEY_FILES.len(), OTHER_ALGORITHMS.len()));
}

#[test]
fn the_gate_refuses_every_wycheproof_case() {
    for case in cases().unwrap_or_default() {
        if let Some(rules) = rules(&case.keys[0]) {
            assert!(rules.verify(&case.token, NOW).is_err(), "{} {}", case.file, case.id);
        }
    }
}

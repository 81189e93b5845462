//! The hostile set: tokens made to confuse, hide, overflow or crash, each with its expected result.

use portcullis::auth::evaluation::LightState;
use portcullis::auth::{Call, Check, Light, NumericDate, Phase, TokenStatus, Verdict};
use portcullis::text::safe::hidden;

use crate::forge::{EXP, HS256, NOW, b64, claims, mac, rules, sign, sign_with, token};

/// One token of the set.
pub struct Hostile {
    /// How the token was manipulated.
    pub name: String,
    /// The token, signed with [`crate::forge::SECRET`] if it is signed.
    pub token: String,
    /// The code of the decision about `read_data` under the built-in policy: a reason's, or `allowed`.
    pub code: &'static str,
    /// The word of its token status.
    pub status: &'static str,
    /// A part of the sentence about `read_data`.
    pub words: &'static str,
    /// Whether it has claims that can be shown.
    pub claims: bool,
}

/// The set in the order in which the functions below push it.
#[derive(Default)]
struct Set(Vec<Hostile>);

impl Set {
    fn push(&mut self, name: &str, token: String, code: &'static str, status: &'static str, words: &'static str) {
        self.0.push(Hostile { name: name.to_owned(), token, code, status, words, claims: true });
    }

    fn valid(&mut self, name: &str, token: String) {
        self.push(name, token, "allowed", "VALID", "permission user");
    }

    fn malformed(&mut self, name: &str, token: String, words: &'static str) {
        self.push(name, token, "malformed", "INVALID", words);
    }

    /// Marks the last token as one without claims that can be shown.
    fn unreadable(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.claims = false;
        }
    }
}

/// One sequence of each class that a terminal interprets, hides or reorders.
pub const ODD: [(&str, &str); 8] = [
    ("ESC", "\u{1b}[31m"),
    ("OSC", "\u{1b}]0;owned\u{7}"),
    ("C1", "\u{9b}2J"),
    ("bidi", "\u{202e}"),
    ("zero-width", "\u{200b}"),
    ("tag", "\u{e0041}"),
    ("line break", "\n"),
    ("line separator", "\u{2028}"),
];

/// Returns all hostile tokens.
pub fn hostile() -> Vec<Hostile> {
    let mut set = Set::default();
    algorithms(&mut set);
    signatures(&mut set);
    shapes(&mut set);
    headers(&mut set);
    payloads(&mut set);
    times(&mut set);
    letters(&mut set);
    sizes(&mut set);
    set.0
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn algorithms(set: &mut Set) {
    for alg in ["none", "None", "nOnE", "NONE"] {
        let token = format!("{}.{}.", b64(format!(r#"{{"alg":"{alg}"}}"#)), b64(claims("")));
        set.push(&format!("alg {alg}"), token, "algorithm_refused", "INVALID", "the token is not signed");
        let signed = sign(format!(r#"{{"alg":"{alg}"}}"#), claims(""));
        set.push(&format!("alg {alg} over a good MAC"), signed, "algorithm_refused", "INVALID", "not signed");
    }
    for (alg, bytes) in [("RS256", 256), ("ES256K", 64), ("PS512", 512), ("EdDSA", 64), ("HS512", 64), ("hs256", 32)] {
        let signed = format!("{}.{}", b64(format!(r#"{{"alg":"{alg}"}}"#)), b64(claims("")));
        let token = format!("{signed}.{}", b64(vec![0xa5; bytes]));
        set.push(&format!("alg {alg}"), token, "algorithm_refused", "NOT VERIFIED", "no key for");
    }
    for alg in ["RS256", "ES256K"] {
        let token = sign(format!(r#"{{"alg":"{alg}"}}"#), claims(""));
        set.push(&format!("{alg} header over an HMAC"), token, "algorithm_refused", "NOT VERIFIED", "no key for");
    }
    for (name, header, words) in [
        ("alg missing", r#"{"typ":"JWT"}"#, "the header has no alg"),
        ("alg null", r#"{"alg":null}"#, "alg is null, expected a string"),
        ("alg a number", r#"{"alg":256}"#, "alg is a number, expected a string"),
        ("alg an array", r#"{"alg":["HS256"]}"#, "alg is an array, expected a string"),
        ("alg a lone surrogate", r#"{"alg":"\ud800"}"#, "alg is an invalid string, expected a string"),
    ] {
        let code = if words.ends_with("a string") { "header_refused" } else { "algorithm_refused" };
        set.push(name, sign(header, claims("")), code, "INVALID", words);
    }
    set.push("alg empty", sign(r#"{"alg":""}"#, claims("")), "algorithm_refused", "NOT VERIFIED", "no key for (empty)");
    set.valid("alg spelled with an escape", sign(r#"{"alg":"HS\u0032\u0035\u0036"}"#, claims("")));
}

fn signatures(set: &mut Set) {
    let mut bad = |name: &str, token: String| set.push(name, token, "bad_signature", "INVALID", "invalid signature");
    bad("wrong key", sign_with(HS256, claims(""), b"another secret"));
    bad("empty key", sign_with(HS256, claims(""), b""));
    let good = token(claims(""));
    let parts: Vec<&str> = good.split('.').collect();
    let whole = mac(&format!("{}.{}", parts[0], parts[1]), crate::forge::SECRET);
    let with = |signature: &[u8]| format!("{}.{}.{}", parts[0], parts[1], b64(signature));
    bad("MAC cut to half", with(&whole[..16]));
    bad("MAC without its last byte", with(&whole[..31]));
    bad("no MAC", with(&[]));
    bad("MAC with a byte more", with(&[&whole[..], &[0]].concat()));
    let mut flipped = whole.clone();
    flipped[7] ^= 1;
    bad("one bit of the signature", with(&flipped));
    // One bit changed: `JWT` becomes `JVT` and `user123` becomes `user122`. Still JSON, but not what was signed.
    bad("one bit of the header", format!("{}.{}.{}", b64(HS256.replace("JWT", "JVT")), parts[1], parts[2]));
    bad(
        "one bit of the payload",
        format!("{}.{}.{}", parts[0], b64(claims("").replace("user123", "user122")), parts[2]),
    );
}

fn shapes(set: &mut Set) {
    let good = token(claims(""));
    let (signed, signature) = good.rsplit_once('.').expect("three segments");
    let (header, payload) = signed.split_once('.').expect("three segments");
    set.push("nothing", String::new(), "missing_token", "NO TOKEN", "no token was sent");
    set.unreadable();
    set.malformed("one segment", header.to_owned(), "no dots");
    set.unreadable();
    set.malformed("2 segments", signed.to_owned(), "2 segments");
    set.malformed("4 segments", format!("{good}.x"), "4 segments");
    set.malformed("a dot too many", format!("{good}."), "4 segments");
    set.malformed("5 segments", format!("{header}.{}.{}.{}.{signature}", b64("k"), b64("iv"), b64("c")), "JWE");
    set.unreadable();
    set.malformed("no header", format!(".{payload}.{signature}"), "segment 1: empty, expected a JSON object");
    set.malformed("no payload", format!("{header}..{signature}"), "segment 2: empty, expected a JSON object");
    set.unreadable();
    set.malformed("dots only", "..".to_owned(), "segment 1");
    set.unreadable();
    set.malformed("padding", format!("{good}="), "segment 3, byte 44: base64 padding");
    set.malformed("padding inside", good.replacen('.', "==.", 1), "segment 1, byte 37: base64 padding");
    set.malformed("a space behind it", format!("{good} "), "segment 3, byte 44: 0x20 is not base64url");
    set.malformed("a line break inside", format!("{signed}\n.{signature}"), "0x0a is not base64url");
    set.malformed("a NUL inside", format!("{good}\0"), "0x00 is not base64url");
    set.malformed("the other base64", format!("{good}+/"), "'+' is not base64url");
    set.malformed("a letter beyond ASCII", format!("{good}é"), "0xc3 is not base64url");
    set.malformed("an invisible letter", good.replacen('.', "\u{200b}.", 1), "segment 1, byte 37: 0xe2");
    set.malformed("unused bits set", format!("{}.{}.AB", b64(HS256), b64(claims(""))), "the middle of a byte");
    set.malformed("the JSON serialization", format!(r#"{{"payload":"{payload}"}}"#), "no dots");
    set.unreadable();
    set.malformed("Bearer in front", format!("Bearer {good}"), "segment 1, byte 7: 0x20 is not base64url");
}

fn headers(set: &mut Set) {
    for (member, value) in [("crit", r#"["exp"]"#), ("b64", "false"), ("b64", "true"), ("zip", "\"DEF\""), ("enc", "1")]
    {
        let token = sign(format!(r#"{{"alg":"HS256","{member}":{value}}}"#), claims(""));
        set.push(&format!("{member}: {value}"), token, "header_refused", "INVALID", "which this gate does not support");
    }
    for member in ["jku", "jwk", "x5u", "x5c"] {
        let header = format!(r#"{{"alg":"HS256","{member}":"https://evil.example/keys"}}"#);
        let theirs = sign_with(&header, claims(""), b"the attacker's own key");
        set.push(&format!("{member} brings a key"), theirs, "bad_signature", "INVALID", "invalid signature");
        set.valid(&format!("{member} over a good MAC"), sign(&header, claims("")));
    }
    for (kid, kind) in [("7", "a number"), ("null", "null"), ("{}", "an object"), (r#""\udead""#, "a broken string")] {
        let token = sign(format!(r#"{{"alg":"HS256","kid":{kid}}}"#), claims(""));
        set.push(&format!("kid is {kind}"), token, "header_refused", "INVALID", "expected a string");
    }
    for kid in ["../../dev/null", "' OR 1=1 --", "a\u{0}b", "\u{202e}"] {
        set.valid(&format!("kid {kid:?}"), sign(format!(r#"{{"alg":"HS256","kid":{}}}"#, json(kid)), claims("")));
    }
    set.malformed("alg twice", sign(r#"{"alg":"HS256","alg":"none"}"#, claims("")), "duplicate member alg");
    set.malformed(
        "alg twice, one escaped",
        sign(r#"{"alg":"none","\u0061lg":"HS256"}"#, claims("")),
        "duplicate member alg",
    );
    set.malformed("header an array", sign("[]", claims("")), "segment 1: expected a JSON object, got an array");
    set.malformed("header not UTF-8", sign(b"{\"alg\":\"\xff\"}", claims("")), "segment 1: invalid UTF-8 at byte 9");
    set.malformed(
        "header with a comment",
        sign(r#"{"alg":"HS256"/**/}"#, claims("")),
        "segment 1: invalid JSON at byte 15",
    );
}

fn payloads(set: &mut Set) {
    set.malformed("permissions twice", token(claims(r#""permissions":["admin"],"#)), "duplicate member permissions");
    let escaped = claims(r#""\u0070ermissions":["admin"],"#);
    set.malformed("permissions twice, one escaped", token(escaped), "duplicate member permissions");
    set.malformed("a twin of no meaning", token(claims(r#""x":1,"x":1,"#)), "duplicate member x");
    set.malformed("a twin named in ESC", token(claims(r#""\u001b":1,"\u001B":2,"#)), r"duplicate member \u{1b}");
    for (name, payload, words) in [
        ("payload an array", r#"["user123",["user"],4102444800]"#, "segment 2: expected a JSON object, got an array"),
        ("payload a string", r#""user123""#, "segment 2: expected a JSON object, got a string"),
        ("payload a number", "1e400", "segment 2: expected a JSON object, got a number"),
        ("payload null", "null", "segment 2: expected a JSON object, got null"),
        ("payload cut off", r#"{"user_id":"user123""#, "segment 2: incomplete JSON"),
        ("payload with a tail", r#"{"exp":1} {"exp":2}"#, "segment 2: invalid JSON at byte 11"),
        ("a byte order mark", "\u{feff}{}", "segment 2: invalid JSON at byte 1"),
        ("a NUL in the JSON", "{\"user_id\":\"a\0b\"}", "segment 2: invalid JSON"),
        ("a lone surrogate in a name", r#"{"\ud800":1}"#, "segment 2: invalid JSON"),
    ] {
        set.malformed(name, token(payload), words);
        set.unreadable();
    }
    let with =
        |user: &str, permissions: &str| format!(r#"{{"user_id":{user},"permissions":{permissions},"exp":{EXP}}}"#);
    for (name, payload, words) in [
        ("user_id a number", with("7", "[]"), "the claim user_id is a number, expected a string"),
        ("user_id null", with("null", "[]"), "the claim user_id is null, expected a string"),
        ("user_id empty", with("\"\"", "[]"), "the claim user_id is empty"),
        ("user_id a lone surrogate", with(r#""\udc00""#, "[]"), "the claim user_id is an invalid string"),
        ("permissions a string", with("\"u\"", "\"admin\""), "the claim permissions is a string"),
        ("permissions an object", with("\"u\"", "{\"0\":\"admin\"}"), "the claim permissions is an object"),
        ("permissions with a number", with("\"u\"", "[\"user\",1]"), "an array with a non-string element"),
        ("permissions nested", with("\"u\"", "[[\"user\"]]"), "an array with a non-string element"),
        ("permissions null", with("\"u\"", "null"), "the claim permissions is null"),
    ] {
        set.push(name, token(payload), "claim_invalid", "INVALID", words);
    }
    set.push(
        "no user_id",
        token(r#"{"sub":"u","permissions":["user"],"exp":4102444800}"#),
        "claim_missing",
        "INVALID",
        "user_id is missing",
    );
    set.push("an empty object", token("{}"), "claim_missing", "INVALID", "the claim user_id is missing");
    set.unreadable();
    set.valid("iss and aud of odd types", token(claims(r#""iss":[1],"aud":{"a":1},"jti":7,"#)));
    set.valid("a lone surrogate in a claim", token(claims(r#""note":"\ud800","#)));
    set.valid("2,000-deep nesting", token(claims(&format!(r#""deep":{}{},"#, "[".repeat(2000), "]".repeat(2000)))));
}

fn times(set: &mut Set) {
    let exp = |value: &str| token(format!(r#"{{"user_id":"user123","permissions":["user"],"exp":{value}}}"#));
    set.valid("exp a float", exp("4102444800.25"));
    set.valid("exp with an exponent", exp("4.1024448e9"));
    set.push("exp negative", exp("-1"), "expired", "EXPIRED", "expired at 1969-12-31T23:59:59Z");
    set.push("exp a negative float", exp("-0.5"), "expired", "EXPIRED", "expired at 1969-12-31T23:59:59.500Z");
    set.push("exp zero", exp("0"), "expired", "EXPIRED", "expired at 1970-01-01T00:00:00Z");
    set.push("exp now", exp("1795380065"), "expired", "EXPIRED", "0s ago");
    set.push(
        "exp missing",
        token(r#"{"user_id":"u","permissions":["user"]}"#),
        "claim_missing",
        "INVALID",
        "exp is missing",
    );
    for (value, found) in [
        ("\"4102444800\"", "exp is a string"),
        ("4102444800000", "exp is 4102444800000, expected seconds since the epoch"),
        ("253402300800", "exp is 253402300800,"),
        ("253402300800.0", "exp is 253402300800.0,"),
        ("2.534023008e11", "exp is 2.534023008e11,"),
        ("-62135596801", "exp is -62135596801,"),
        ("9223372036854775807", "exp is 9223372036854775807,"),
        ("-9223372036854775808", "exp is -9223372036854775808,"),
        ("18446744073709551615", "exp is 18446744073709551615,"),
        ("1e400", "exp is 1e400,"),
        ("-1e400", "exp is -1e400,"),
        ("null", "exp is null"),
        ("true", "exp is a boolean"),
        ("[4102444800]", "exp is an array"),
        ("{}", "exp is an object"),
    ] {
        set.push(&format!("exp {value}"), exp(value), "claim_invalid", "INVALID", found);
    }
    let long = format!("1{}", "0".repeat(4000));
    set.push("exp of 4,001 digits", exp(&long), "claim_invalid", "INVALID", "… (+");
    for (claim, name) in [("nbf", "the claim nbf is a string"), ("iat", "the claim iat is a string")] {
        let token = token(claims(&format!(r#""{claim}":"1","#)));
        set.push(&format!("{claim} a string"), token, "claim_invalid", "INVALID", name);
    }
    set.push("nbf 1e400", token(claims(r#""nbf":1e400,"#)), "claim_invalid", "INVALID", "the claim nbf is 1e400");
    set.push("nbf ahead", token(claims(r#""nbf":1795380066,"#)), "not_yet_valid", "NOT YET VALID", "in 1s");
    set.push("nbf behind exp", token(claims(r#""nbf":253402300799,"#)), "not_yet_valid", "NOT YET VALID", "9999-12-31");
    set.valid("iat ahead", token(claims(r#""iat":4102444000,"#)));
}

fn letters(set: &mut Set) {
    for (class, odd) in ODD {
        let odd = json(&format!("ad{odd}min"));
        for claim in ["sub", "iss", "aud", "jti", "note"] {
            set.valid(&format!("{class} in {claim}"), token(claims(&format!(r#""{claim}":{odd},"#))));
        }
        set.valid(&format!("{class} in a claim's name"), token(claims(&format!("{odd}:1,"))));
        set.valid(&format!("{class} deep in a claim"), token(claims(&format!(r#""a":{{{odd}:[{odd}]}},"#))));
        set.valid(&format!("{class} in typ"), sign(format!(r#"{{"alg":"HS256","typ":{odd}}}"#), claims("")));
        let user = format!(r#"{{"user_id":{odd},"permissions":["user"],"exp":{EXP}}}"#);
        set.valid(&format!("{class} in user_id"), token(user));
        let held = format!(r#"{{"user_id":"user123","permissions":[{odd}],"exp":{EXP}}}"#);
        set.push(
            &format!("{class} in permissions"),
            token(held),
            "permission_missing",
            "VALID",
            r"the token holds ad\u{",
        );
        for time in ["exp", "nbf", "iat"] {
            let payload = match time {
                "exp" => claims("").replace(&EXP.to_string(), &odd),
                _ => claims(&format!(r#""{time}":{odd},"#)),
            };
            set.push(
                &format!("{class} in {time}"),
                token(payload),
                "claim_invalid",
                "INVALID",
                "is a string, expected",
            );
        }
        let alg = sign(format!(r#"{{"alg":{odd}}}"#), claims(""));
        set.push(&format!("{class} in alg"), alg, "algorithm_refused", "NOT VERIFIED", r"no key for ad\u{");
    }
    let near = |permission: &str| format!(r#"{{"user_id":"u","permissions":[{}],"exp":{EXP}}}"#, json(permission));
    for permission in ["user ", " user", "User", "us\u{435}r", "u\u{301}ser", "", "*", "user\u{0}", "\u{feff}user"] {
        let name = format!("permission {permission:?}");
        set.push(&name, token(near(permission)), "permission_missing", "VALID", "read_data needs user or admin");
    }
}

fn sizes(set: &mut Set) {
    let mut large =
        |name: &str, token: String| set.push(name, token, "too_large", "INVALID", "expected at most 8.0 KiB");
    large("a 1 MB claim", token(claims(&format!(r#""note":"{}","#, "x".repeat(1 << 20)))));
    large(
        "a 1 MB user_id",
        token(format!(r#"{{"user_id":"{}","permissions":["user"],"exp":{EXP}}}"#, "u".repeat(1 << 20))),
    );
    let many: Vec<String> = (0..40_000).map(|n| format!("\"c{n}\":{n}")).collect();
    large("40,000 claims", token(claims(&format!("{},", many.join(",")))));
    let many: Vec<String> = (0..40_000).map(|n| format!("\"p{n}\"")).collect();
    large("40,000 permissions", token(format!(r#"{{"user_id":"u","permissions":[{}],"exp":{EXP}}}"#, many.join(","))));
    large("5,000-deep nesting", token(claims(&format!(r#""deep":{}{},"#, "[".repeat(5000), "]".repeat(5000)))));
    large("100,000-deep nesting", token(claims(&format!(r#""deep":{}{},"#, "[".repeat(100_000), "]".repeat(100_000)))));
    large("a huge header", sign(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(1 << 20)), claims("")));
    large("a huge alg", sign(format!(r#"{{"alg":"{}"}}"#, "A".repeat(1 << 20)), claims("")));
    large("a huge signature", format!("{}.{}.{}", b64(HS256), b64(claims("")), "A".repeat(1 << 20)));
    large("1 MB of dots", ".".repeat(1 << 20));
    set.unreadable();
    set.push("1 MB of nothing", " ".repeat(1 << 20), "too_large", "INVALID", "expected at most 8.0 KiB");
    set.unreadable();
}

/// Instants at which results could differ.
fn instants() -> [NumericDate; 8] {
    let second = NumericDate::from_seconds;
    [
        NumericDate::MIN,
        second(-1),
        second(0),
        NOW,
        second(NOW.seconds() + 1),
        second(EXP - 1),
        second(EXP),
        NumericDate::MAX,
    ]
}

#[test]
fn every_hostile_token_gets_its_expected_decision() {
    let rules = rules();
    for Hostile { name, token, code, words, .. } in hostile() {
        let decision = rules.decide(&Call { token: Some(&token), tool: "read_data" }, NOW);
        let sentence = decision.sentence();
        assert_eq!(decision.code(), code, "{name}: {sentence}");
        assert!(sentence.contains(words), "{name}: {sentence:?} does not contain {words:?}");
        assert!(sentence.len() < 1000, "{name}: a sentence of {} bytes", sentence.len());
        assert!(sentence.chars().all(|c| hidden(c).is_none()), "{name}: {sentence:?}");
    }
}

#[test]
fn an_inspection_shows_the_claims_and_agrees_with_the_gate_at_every_instant() {
    let rules = rules();
    for Hostile { name, token, status, claims, .. } in hostile() {
        let inspection = rules.inspect(token.as_str());
        let judged = &inspection.judged;
        assert_eq!(judged.status(NOW).word(), status, "{name}");
        assert_eq!(!inspection.payload.members.is_empty(), claims, "{name}: {:?}", inspection.payload.fault);
        for now in instants() {
            let verified = rules.verify(&token, now);
            let status = judged.status(now);
            match (&verified, &status) {
                (Ok(_), TokenStatus::Valid(_)) => {}
                (Err(reason), TokenStatus::Absent) => assert_eq!(reason.code(), "missing_token", "{name}"),
                // Expiry is reported first, even if the gate stops at an earlier check.
                (Err(_), TokenStatus::OutOfTime(Phase::Expired { .. }, reason)) => {
                    assert_eq!(reason.code(), "expired", "{name}");
                }
                (Err(reason), status) => assert_eq!(status.reason(), Some(reason), "{name} at {}", now.rfc3339()),
                (Ok(_), status) => panic!("{name} passes the gate, but its status is {status:?}"),
            }
            let calls = rules.decide(&Call { token: Some(&token), tool: "read_data" }, now);
            assert_eq!(calls.verdict() == Verdict::Unauthorized, verified.is_err(), "{name}");
        }
    }
}

#[test]
fn a_light_is_green_only_if_all_its_checks_passed() {
    let rules = rules();
    for Hostile { name, token, .. } in hostile() {
        let judged = rules.inspect(token.as_str()).judged;
        for now in instants() {
            let steps = judged.steps(now);
            for light in Light::ALL {
                let mine = || steps.iter().filter(|(check, _)| check.light() == Some(light));
                let passed = mine().all(|(_, step)| *step == Some(Ok(())));
                assert_eq!(judged.light(light, now) == LightState::Good, passed, "{name}: {light:?}");
            }
            let verified = rules.verify(&token, now);
            let all = Light::ALL.iter().all(|light| judged.light(*light, now) == LightState::Good);
            assert_eq!(all, verified.is_ok(), "{name}: four green lights must mean that the token passes");
            if let Err(reason) = verified {
                let light = reason.check().light().expect("a token's check has a light");
                assert_ne!(judged.light(light, now), LightState::Good, "{name}: the light of {}", reason.code());
            }
        }
        let signature = judged.steps(NOW).into_iter().find(|(check, _)| *check == Check::Signature);
        let green = judged.light(Light::Signature, NOW) == LightState::Good;
        assert!(!green || signature.is_some_and(|(_, step)| step == Some(Ok(()))), "{name}");
        // Computed again from the bytes, because a green light over a wrong MAC would be the worst defect.
        let fits = token.rsplit_once('.').is_some_and(|(signed, sig)| b64(mac(signed, crate::forge::SECRET)) == sig);
        assert!(!green || fits, "{name}: green, but the MAC does not match");
    }
}

#[test]
fn inspection_texts_contain_no_hidden_characters() {
    let rules = rules();
    for Hostile { name, token, .. } in hostile() {
        let inspection = rules.inspect(token.as_str());
        let mut shown: Vec<String> = inspection.findings.iter().map(ToString::to_string).collect();
        shown.extend(inspection.header.fault.clone());
        shown.extend(inspection.payload.fault.clone());
        for now in instants() {
            shown.extend(inspection.judged.status(now).reason().map(ToString::to_string));
            shown.extend(inspection.judged.trace(now).into_iter().filter_map(|(_, _, why)| Some(why?.to_string())));
        }
        for sentence in shown {
            assert!(sentence.chars().all(|c| hidden(c).is_none()), "{name}: {sentence:?}");
            assert!(sentence.len() < 1000 && !sentence.ends_with('.'), "{name}: {sentence}");
        }
    }
}

#[test]
fn unusual_characters_and_risky_headers_are_findings() {
    let rules = rules();
    for (name, token, words) in [
        (
            "zero-width in user_id",
            token(claims("").replace("user123", "ad\u{200b}min")),
            r"user_id contains an invisible character (\u{200b})",
        ),
        ("bidi in a name", token(claims("\"a\u{202e}b\":1,")), r"a\u{202e}b contains a direction mark (\u{202e})"),
        (
            "an odd space",
            token(claims("").replace("user123", "a\u{2003}b")),
            r"user_id contains an unusual space (\u{2003})",
        ),
        ("an escape", token(claims(r#""note":"a\u001b[31mb","#)), r"note contains a control character (\u{1b})"),
        (
            "an escape in a megabyte",
            token(claims(&format!(r#""note":"\u001b{}","#, "x".repeat(1 << 20)))),
            r"note contains a control character (\u{1b})",
        ),
        (
            "an escape beside 1e400",
            token(claims(r#""note":[1e400,"\u001b"],"#)),
            r"note contains a control character (\u{1b})",
        ),
        (
            "Cyrillic",
            token(claims("").replace("user123", "\u{430}dmin")),
            "user_id contains a non-ASCII character (U+0430), which may look like another one",
        ),
        (
            "RS256 over an HMAC",
            sign(r#"{"alg":"RS256"}"#, claims("")),
            "like one of HS256: this may be a key confusion attack",
        ),
        ("none", sign(r#"{"alg":"nOnE"}"#, claims("")), "alg is none: the token is not signed, so anyone can make one"),
        (
            "jku",
            sign(r#"{"alg":"HS256","jku":"x"}"#, claims("")),
            "the header contains a key or the address of one (jku)",
        ),
        ("twins", token(claims(r#""exp":1,"#)), "exp occurs twice, and parsers disagree on which one to use"),
        ("no exp", token(r#"{"user_id":"u"}"#), "no exp: the token would never expire"),
        ("no exp at all", token("{}"), "no exp: the token would never expire"),
        (
            "milliseconds",
            token(claims("").replace(&EXP.to_string(), "1795380065000")),
            "as milliseconds it is 2026-11-22T20:41:05Z",
        ),
        ("a decade", token(claims(r#""iat":1795380065,"#)), "very long lifetime: 73y"),
        ("never alive", token(claims(r#""nbf":4102444800,"#)), "exp is not later than nbf"),
        (
            "unknown permission",
            token(claims("").replace("\"user\"", "\"root\"")),
            "the policy does not use the permission root",
        ),
    ] {
        let findings: Vec<String> = rules.inspect(token).findings.iter().map(ToString::to_string).collect();
        assert!(findings.iter().any(|finding| finding.contains(words)), "{name}: {findings:?}");
    }
}

#[test]
fn a_weak_key_is_a_finding_only_if_it_verified_the_token() {
    let weak = crate::forge::rules_of(b"my-secret");
    let told = |token: String| {
        weak.inspect(token)
            .findings
            .iter()
            .any(|f| f.to_string().starts_with("weak key: 72 bits, HS256 needs at least 256"))
    };
    assert!(told(sign_with(HS256, claims(""), b"my-secret")));
    assert!(!told(token(claims(""))));
}

#[test]
fn a_light_shows_every_check_that_can_still_run() {
    let rules = rules();
    let state = |token: String, light| rules.inspect(token).judged.light(light, NOW);
    // The payload is not an object, but its signature is valid.
    assert_eq!(state(token("foo"), Light::Signature), LightState::Good);
    // Another provider's token lacks user_id but has a time.
    let theirs = r#"{"sub":"u","exp":4102444800}"#;
    assert_eq!(state(sign(r#"{"alg":"RS256"}"#, theirs), Light::Time), LightState::Good);
    assert!(matches!(state(token(r#"{"sub":"u","exp":1}"#), Light::Time), LightState::Bad(_)));
    // If one time cannot be read, the light stays dark whatever the other time says.
    for dark in
        [r#"{"exp":4102444800,"nbf":"1"}"#, r#"{"exp":"4102444800"}"#, r#"{"nbf":1}"#, r#"{"exp":4102444800,"exp":1}"#]
    {
        assert_eq!(state(token(dark), Light::Time), LightState::Unchecked, "{dark}");
    }
    assert_eq!(state(sign(r#"{"alg":"RS256"}"#, claims("")), Light::Signature), LightState::Unchecked);
}

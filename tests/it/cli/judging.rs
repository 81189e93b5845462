//! `inspect` and `check` on hostile tokens and around the expiry.

use portcullis::auth::{Call, NumericDate, Rules, Verdict};
use portcullis::text::Span;
use portcullis::text::safe::hidden;
use rstest::rstest;
use serde_json::Value;

use super::{CommandOutput, portcullis};
use crate::forge::{NOW, SECRET, rules};
use crate::hostile::hostile;

/// Checks that the output contains no control or hidden characters except line breaks.
fn harmless(what: &str, ran: &CommandOutput) {
    for text in [&ran.out, &ran.err] {
        let odd = text.chars().find(|c| *c != '\n' && hidden(*c).is_some());
        assert_eq!(odd, None, "{what}: {text:?}");
    }
}

fn secret() -> &'static str {
    std::str::from_utf8(SECRET).expect("ASCII")
}

#[test]
fn every_hostile_token_is_judged_like_in_the_console_and_printed_escaped() {
    let (rules, now) = (rules(), NOW.rfc3339());
    let mut compared = 0;
    for case in hostile() {
        let name = &case.name;
        let text =
            || portcullis(&["--now", &now, "inspect", "-"]).env("PORTCULLIS_SECRET", secret()).input(&*case.token);
        let json = portcullis(&["--now", &now, "--json", "inspect", "-"])
            .env("PORTCULLIS_SECRET", secret())
            .input(&*case.token);
        let (text, json) = (text().run(), json.run());
        harmless(name, &text);
        harmless(name, &json);
        // The command reads its input like a paste; only the library judges the exact string.
        let handed = portcullis::text::read_token(&case.token).tokens;
        let taken = handed.first().map_or(case.token.trim(), String::as_str);
        if handed.len() > 1 || *taken != *case.token {
            continue;
        }
        compared += 1;
        let status = rules.inspect(&*case.token).judged.status(NOW);
        assert!(text.out.starts_with(status.word()), "{name}: {}", text.out);
        let report: Value = serde_json::from_str(&json.out).unwrap_or_else(|e| shallow(name, &json.out, &e));
        assert_eq!(report["verdict"], status.code(), "{name}");
        let exit = if matches!(status, portcullis::auth::TokenStatus::Valid(_)) { 0 } else { 3 };
        assert_eq!((text.exit, json.exit), (exit, exit), "{name}");
        check(name, &case.token, &rules);
    }
    assert!(compared > 20, "only {compared} of the cases were compared");
}

/// Reads only the beginning of JSON that the parser here rejects, because it is too deep or contains a number or half
/// of a surrogate pair from the token.
fn shallow(name: &str, out: &str, error: &serde_json::Error) -> Value {
    let error = error.to_string();
    assert!(
        ["recursion limit", "hex escape", "surrogate", "out of range"].iter().any(|known| error.contains(known)),
        "{name}: {error}"
    );
    let verdict = out.split("\"verdict\":\"").nth(1).and_then(|rest| rest.split('"').next());
    serde_json::json!({ "verdict": verdict })
}

fn check(name: &str, token: &str, rules: &Rules) {
    let ran = portcullis(&["--now", &NOW.rfc3339(), "check", "-", "read_data"])
        .env("PORTCULLIS_SECRET", secret())
        .input(token);
    let ran = ran.run();
    harmless(name, &ran);
    let decision = rules.decide(&Call { token: Some(token), tool: "read_data" }, NOW);
    let exit = match decision.verdict() {
        Verdict::Allowed => 0,
        Verdict::Unauthorized => 3,
        Verdict::Forbidden => 4,
    };
    assert_eq!(ran.exit, exit, "{name}: {}", ran.out);
    let code = decision.reason().map_or_else(String::new, |reason| format!(" {}", reason.code()));
    assert!(ran.out.starts_with(&format!("{}{code}: ", decision.verdict().word())), "{name}: {}", ran.out);
}

#[rstest]
#[case("0s", 0)]
#[case("5s", 5)]
fn a_token_expires_at_exactly_exp_plus_the_leeway(#[case] leeway: &str, #[case] seconds: i64) {
    let issued = portcullis(&["--now", "2026-11-22T20:40:00Z", "issue", "user123", "-p", "user", "--ttl", "1h"]).out();
    let token = issued.trim_end();
    let exp = NumericDate::from_rfc3339("2026-11-22T21:40:00Z").expect("a time");
    for (offset, exit) in [(seconds - 1, 0), (seconds, 3), (seconds + 1, 3)] {
        let now = exp.plus(Span::seconds(offset)).rfc3339();
        for command in [&["inspect", token][..], &["check", token, "read_data"], &["call", token, "read_data"]] {
            let ran = portcullis(&[&["--now", &now, "--leeway", leeway], command].concat()).run();
            assert_eq!(ran.exit, exit, "{command:?} at {now} with leeway {leeway}: {}", ran.out);
        }
        let again = || portcullis(&["--now", &now, "--leeway", leeway, "--json", "inspect", token]).run().out;
        assert_eq!(again(), again());
    }
}

#[test]
fn without_a_secret_the_signature_is_reported_as_not_checked() {
    let token = super::issue("user123", "user");
    let CommandOutput { out, err, exit } = super::bare(&["--json", "inspect", &token]).run();
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((exit, &report["verdict"], &report["valid"]), (3, &"not_verified".into(), &false.into()));
    assert_eq!(report["checks"][3], serde_json::json!({"check": "signature", "passed": null}));
    assert_eq!((&report["checks"][5]["passed"], &report["claims"]["user_id"]), (&true.into(), &"user123".into()));
    assert!(err.contains("signature not checked"), "{err}");
    // The algorithm is not at fault where there is no key at all.
    let said = "no key is configured, so the HS256 signature cannot be checked";
    assert_eq!((&report["reason"], &report["sentence"]), (&"algorithm_refused".into(), &said.into()));
}

#[test]
fn colour_is_used_only_on_request_without_a_terminal() {
    let token = super::issue("user123", "user");
    let out = |arguments: &[&str]| portcullis(&[arguments, &["inspect", &token]].concat()).out();
    assert!(!out(&[]).contains('\u{1b}'));
    assert!(!out(&["--color", "never"]).contains('\u{1b}'));
    assert!(out(&["--color", "always"]).starts_with("\u{1b}[1m\u{1b}[32mVALID\u{1b}[0m: "));
}

#[test]
fn arguments_are_printed_escaped_in_errors() {
    for arguments in [&["\u{1b}]0;owned\u{7}"][..], &["inspect", "a", "\u{9b}2J"], &["--leeway", "\u{202e}"]] {
        let ran = portcullis(arguments).run();
        assert_eq!(ran.exit, 2);
        harmless("clap", &ran);
    }
}

/// The commands that take a token, with a word in its place.
fn with_token<'a>(word: &'a str, state: &'a str) -> [Vec<&'a str>; 6] {
    [
        vec!["inspect", word],
        vec!["check", word, "write_data"],
        vec!["call", word, "read_data"],
        vec!["matrix", word],
        vec!["drill", "--shifted", word, "read_data"],
        vec!["--state", state, "revoke", word],
    ]
}

#[rstest]
#[case("nofile.txt")]
#[case("no/such/file")]
#[case("./token")]
#[case("/no such place/token")]
fn a_file_that_does_not_exist_is_not_a_malformed_token(#[case] word: &str) {
    let folder = super::Folder::new();
    let state = folder.write("state.json", "{\"version\":1,\"revoked\":[]}");
    for command in with_token(word, &state) {
        let CommandOutput { out, err, exit } = portcullis(&command).run();
        let said = format!("portcullis: {word} is neither a token nor a file: no such file or directory\n");
        assert_eq!((exit, &*out, &*err), (1, "", &*said), "{command:?}");
    }
}

#[test]
fn a_word_that_is_not_a_token_is_still_checked_as_one() {
    for (word, hint) in [("garbage", "garbage is neither a token nor a file"), ("a.b.c", "")] {
        let CommandOutput { out, err, exit } = portcullis(&["check", word, "read_data"]).run();
        assert!(exit == 3 && out.contains("malformed") && err.contains(hint), "{out}{err}");
    }
    // Opaque tokens may contain what makes a name of a file.
    for word in ["ory_at_VxB7.q1w2e3", "1//0gSecret", "ya29.a0AfSecret"] {
        let CommandOutput { out, err, exit } = portcullis(&["check", word, "read_data"]).run();
        assert!(exit == 3 && out.contains("an opaque token") && !err.contains(word), "{word}: {out}{err}");
    }
    let folder = super::Folder::new();
    folder.write("in/it", "");
    let path = folder.path("in").to_str().expect("UTF-8").to_owned();
    let CommandOutput { err, exit, .. } = portcullis(&["inspect", &path]).run();
    assert!(exit == 2 && err.contains("expected a token or a file, got the directory"), "{err}");
    let CommandOutput { err, exit, .. } = portcullis(&["inspect", &format!("@{path}")]).run();
    assert!(exit == 1 && err.contains("token file ") && err.contains("is a directory"), "{err}");
}

#[test]
fn an_answer_without_a_token_names_what_to_set() {
    let answer = "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer error=\"invalid_token\"\n";
    let CommandOutput { out, exit, .. } = portcullis(&["inspect", "-"]).input(answer).run();
    assert!(exit == 3 && out.contains("next step: set PORTCULLIS_TOKEN") && !out.contains("selected"), "{out}");
    let token = super::issue("user123", "user");
    let sent = portcullis(&["inspect", "-"]).env("PORTCULLIS_TOKEN", token).input(answer).run();
    assert!(sent.out.contains("(user123) here: VALID") && !sent.out.contains("next step"), "{}", sent.out);
}

#[rstest]
#[case(&["drill", "--shifted", "-", "read_data"])]
#[case(&["revoke", "--state", "/nonexistent/state.json", "-"])]
#[case(&["matrix", "-"])]
fn empty_input_is_reported_as_such(#[case] command: &[&str]) {
    for input in ["", "\n \n"] {
        let CommandOutput { err, exit, .. } = portcullis(command).input(input).run();
        assert!(exit == 2 && err.contains("no token found in the input"), "{command:?}: {err}");
    }
}

#[rstest]
#[case(&["issue", "a", "--ttl", "soon"], "expected a duration such as 90s, 15m, 1h or -1m\n")]
#[case(&["issue", "a", "--expires", "soon"], "expected an RFC 3339 time such as 2026-11-22T20:41:05Z\n")]
#[case(&["inspect", "x", "--leeway", "-5s"], "expected a duration of at most 300s, such as 5s\n")]
#[case(&["serve", "--rate", "0"], "expected a whole number of requests per second of at least 1, or off\n")]
fn a_refused_value_is_answered_with_what_passes(#[case] command: &[&str], #[case] said: &str) {
    let CommandOutput { err, exit, .. } = portcullis(command).run();
    assert!(exit == 2 && err.contains(said), "{err}");
}

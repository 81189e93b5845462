//! `issue`, `check` and `call`: the lab's example, and every exit code.

use std::process::Command;

use clap::Parser as _;
use portcullis::cli::{Environment, Exit, Options, Runner};
use rstest::rstest;
use serde_json::Value;

use super::{CommandOutput, Folder, PORTCULLIS, bare, issue, portcullis};

#[test]
fn the_lab_example_in_the_readme_prints_the_documented_output() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("<!-- lab -->").expect("the marker");
    let block = |rest: &str, kind: &str| {
        let (_, rest) = rest.split_once(&format!("```{kind}\n")).expect("a block");
        let (block, rest) = rest.split_once("```").expect("the end of the block");
        (block.to_owned(), rest.to_owned())
    };
    let (script, rest) = block(rest, "sh");
    let (printed, _) = block(&rest, "text");
    let folder = std::path::Path::new(PORTCULLIS).parent().expect("a folder");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let output =
        Command::new("sh").args(["-c", &script]).env_clear().env("PATH", path).env("HOME", "/nonexistent").output();
    let output = output.expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_exit_code_is_reached() {
    let (user, admin) = (issue("user123", "user"), issue("admin456", "admin"));
    let exit = |arguments: &[&str]| portcullis(arguments).run().exit;
    assert_eq!(exit(&["inspect", &user]), 0);
    assert_eq!(exit(&["check", &admin, "write_data"]), 0);
    assert_eq!(exit(&["call", &admin, "write_data", r#"{"data":"new"}"#]), 0);
    assert_eq!(bare(&["check", &user, "read_data"]).run().exit, 1);
    assert_eq!(exit(&["--policy", "/no/such/policy", "inspect", &user]), 1);
    assert_eq!(exit(&["inspect"]), 2);
    assert_eq!(exit(&["issue", ""]), 2);
    assert_eq!(exit(&["--leeway", "1h", "inspect", &user]), 2);
    assert_eq!(exit(&["inspect", "nothing"]), 3);
    assert_eq!(exit(&["check", "nothing", "read_data"]), 3);
    assert_eq!(exit(&["call", "--no-token", "read_data"]), 3);
    assert_eq!(exit(&["check", &user, "write_data"]), 4);
    assert_eq!(exit(&["call", &user, "write_data"]), 4);
    assert_eq!(exit(&["check", &user, "no_such_tool"]), 4);
    assert_eq!(exit(&["call", &admin, "write_data", "[1]"]), 5);
    assert_eq!(exit(&["call", &admin, "write_data", "{"]), 5);
}

#[rstest]
#[case(&["read_data", r#"{"id": 1}"#], r#"{"success":true,"result":{"id":1}}"#, "permission user", 0)]
#[case(&["read_data"], r#"{"success":true,"result":{}}"#, "permission user", 0)]
#[case(&["write_data", r#"{"data": "new"}"#], r#"{"error":"forbidden"}"#, "the token holds user; write_data needs admin", 4)]
#[case(&["read_data", "[1]"], r#"{"error":"invalid_arguments"}"#, "arguments: an array, not a JSON object", 5)]
fn a_call_prints_the_answer_on_stdout_and_the_reason_on_stderr(
    #[case] words: &[&str],
    #[case] answer: &str,
    #[case] why: &str,
    #[case] exit: i32,
) {
    let token = issue("user123", "user");
    for json in [&["--json"][..], &[]] {
        let ran = portcullis(&[json, &["call", &token], words].concat()).run();
        assert_eq!((ran.out.as_str(), ran.exit), (format!("{answer}\n").as_str(), exit), "{}", ran.err);
        assert!(ran.err.contains(why), "{}", ran.err);
        // The same with the token in the environment.
        let ran = portcullis(&[json, &["call"], words].concat()).env("PORTCULLIS_TOKEN", &token).run();
        assert_eq!((ran.out.as_str(), ran.exit), (format!("{answer}\n").as_str(), exit), "{}", ran.err);
    }
}

#[test]
fn a_call_without_a_token_reports_that_it_is_missing() {
    let CommandOutput { out, err, exit } = portcullis(&["check", "read_data"]).run();
    assert_eq!(exit, 3);
    assert!(out.starts_with("UNAUTHORIZED missing_token: no token was sent"), "{out}");
    assert!(err.contains("no token given"), "{err}");
    let CommandOutput { out, err, exit } =
        portcullis(&["check", "--no-token", "read_data"]).env("PORTCULLIS_TOKEN", "x").run();
    assert_eq!((exit, err.as_str()), (3, ""));
    assert!(out.starts_with("UNAUTHORIZED missing_token"), "{out}");
}

#[test]
fn a_token_is_found_in_any_wrapping() {
    let token = issue("user123", "user");
    for text in [
        format!("Bearer {token}"),
        format!("curl -H 'Authorization: Bearer {token}' https://example.org/mcp"),
        format!("{{\"access_token\": \"{token}\"}}"),
    ] {
        let ran = portcullis(&["check", &text, "read_data"]).run();
        assert_eq!(ran.exit, 0, "{}", ran.out);
        assert!(ran.err.contains("ignored:"), "{}", ran.err);
        assert_eq!(portcullis(&["check", "-", "read_data"]).input(text).run().exit, 0);
    }
    let wrapped: Vec<&[u8]> = token.as_bytes().chunks(76).collect();
    assert_eq!(portcullis(&["check", "-", "read_data"]).input(wrapped.join(&b'\n')).run().exit, 0);
}

#[test]
fn a_decision_as_json_matches_the_text() {
    let token = issue("user123", "user");
    let ran = portcullis(&["--json", "check", &token, "write_data"]).run();
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        (&report["decision"], &report["reason"], &report["subject"]),
        (&"forbidden".into(), &"permission_missing".into(), &"user123".into())
    );
    assert_eq!(report["sentence"], "the token holds user; write_data needs admin");
    let checks: Vec<(&str, Option<bool>)> = report["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|check| (check["check"].as_str().expect("a code"), check["passed"].as_bool()))
        .collect();
    assert_eq!(checks.len(), portcullis::Check::ALL.len());
    assert_eq!((checks[8], checks[9]), (("tool", Some(true)), ("permission", Some(false))));
}

#[test]
fn an_issued_token_contains_the_requested_claims() {
    let arguments = [
        "--now",
        "2026-11-22T20:40:00Z",
        "--issuer",
        "me",
        "--audience",
        "you",
        "issue",
        "zoë",
        "-p",
        "user",
        "-p",
        "read all",
        "--ttl",
        "15m",
        "--not-before",
        "10s",
        "--claim",
        "team=\"blue\"",
        "--claim",
        "n=[1.5,null]",
    ];
    let token = portcullis(&arguments).out();
    let report: Value =
        serde_json::from_str(&portcullis(&["--now", "2026-11-22T20:41:00Z", "--json", "inspect", &token]).out())
            .expect("JSON");
    let claims = &report["claims"];
    assert_eq!(claims["user_id"], "zoë");
    assert_eq!(claims["permissions"], serde_json::json!(["user", "read all"]));
    assert_eq!((&claims["iss"], &claims["aud"]), (&"me".into(), &"you".into()));
    assert_eq!((&claims["team"], &claims["n"]), (&"blue".into(), &serde_json::json!([1.5, null])));
    assert_eq!(
        (&report["times"]["exp"]["rfc3339"], &report["times"]["nbf"]["epoch"]),
        (&"2026-11-22T20:55:00Z".into(), &1_795_380_010.into())
    );
    assert_eq!(report["times"]["seconds_left"], 840.0);
}

#[rstest]
#[case(&["issue", "a", "--claim", "team=blue"], "--claim team=blue: invalid JSON value")]
#[case(&["issue", "a", "--claim", "team"], "expected NAME=JSON")]
#[case(&["issue", "a", "--claim", "n=1", "--claim", "n=2"], "given twice")]
#[case(&["issue", "a", "--claim", "exp=1"], "exp must be set in its own field")]
#[case(&["issue", "a", "--ttl", "soon"], "expected a duration such as 90s")]
#[case(&["issue", "a", "--ttl", "2026-11-22T20:41:05Z"], "use --expires")]
#[case(&["issue", "a", "--expires", "tomorrow"], "expected an RFC 3339 time such as 2026-11-22T20:41:05Z")]
#[case(&["--leeway", "-5s", "inspect", "a"], "expected a duration of at most 300s")]
#[case(&["--demo", "inspect", "a"], "--demo cannot be used with a command")]
#[case(&["check", "--no-token", "a", "read_data"], "--no-token cannot be used with a token")]
fn invalid_arguments_are_named(#[case] arguments: &[&str], #[case] message: &str) {
    let CommandOutput { out, err, exit } = portcullis(arguments).run();
    assert_eq!((exit, out.as_str()), (2, ""), "{err}");
    assert!(err.contains(message), "{err}");
}

#[rstest]
#[case("n=12345678901234567890123", "the number 12345678901234567890123 is too large to be kept exactly")]
#[case(r#"d={"x":1,"x":2}"#, "duplicate member x")]
#[case("=1", "missing name")]
fn a_claim_that_would_be_altered_by_signing_is_rejected(#[case] claim: &str, #[case] message: &str) {
    let CommandOutput { exit, err, out } = portcullis(&["issue", "ann", "--claim", claim]).run();
    assert!(exit == 2 && out.is_empty() && err.contains(message), "{err}");
}

#[test]
fn expires_accepts_a_date_and_refers_to_ttl_for_a_duration() {
    let token = portcullis(&["issue", "ann", "--expires", "2099-11-22"]).out();
    let report: Value = serde_json::from_str(&portcullis(&["--json", "inspect", token.trim()]).out()).expect("JSON");
    assert_eq!(report["times"]["exp"]["rfc3339"], "2099-11-22T00:00:00Z");
    let CommandOutput { exit, err, .. } = portcullis(&["issue", "ann", "--expires", "1h"]).run();
    assert!(exit == 2 && err.contains("use --ttl"), "{err}");
}

#[test]
fn a_token_in_place_of_a_tool_is_rejected_and_not_printed() {
    let token = issue("user123", "user");
    for words in [&["check", &token][..], &["check", "read_data", &token], &["call", &token]] {
        let CommandOutput { exit, err, out } = portcullis(words).run();
        assert!(exit == 2 && out.is_empty() && err.contains("expected a tool, got a token"), "{err}");
        assert!(!err.contains(&token), "{err}");
    }
}

#[rstest]
#[case(&["-p", "admn"], "the policy does not use the permission admn")]
#[case(&["-p", "user", "--not-before", "2h"], "exp is not later than nbf")]
fn findings_about_an_issued_token_are_printed_at_once(#[case] options: &[&str], #[case] message: &str) {
    let CommandOutput { exit, err, .. } = portcullis(&[&["issue", "ann"], options].concat()).run();
    assert!(exit == 0 && err.contains(message), "{err}");
}

#[rstest]
#[case(r#"{"id":1,"id":2}"#, "arguments: duplicate member id")]
#[case(r#"{"id": 18446744073709551616}"#, "arguments: the number 18446744073709551616 is too large to be kept exactly")]
#[case(r#"{"id": -9223372036854775809}"#, "arguments: the number -9223372036854775809 is too large to be kept exactly")]
#[case(r#"{"id": 1e400}"#, "arguments: the number 1e400 is too large to be kept exactly")]
#[case(
    r#"{"id":99999999999999999999999}"#,
    "arguments: the number 99999999999999999999999 is too large to be kept exactly"
)]
fn arguments_that_would_be_altered_by_parsing_are_rejected(#[case] arguments: &str, #[case] message: &str) {
    let CommandOutput { exit, err, .. } = portcullis(&["call", &issue("ann", "user"), "read_data", arguments]).run();
    assert!(exit == 5 && err.contains(message), "{err}");
}

#[test]
fn no_token_is_unauthorized_even_without_a_secret() {
    for arguments in [&["check", "--no-token", "read_data"], &["call", "--no-token", "read_data"]] {
        let CommandOutput { out, exit, .. } = bare(arguments).run();
        assert!(exit == 3 && out.to_lowercase().contains("unauthorized"), "{out}");
    }
    assert_eq!(bare(&["check", "x", "read_data"]).run().exit, 1);
}

/// Every command that takes a token, with the arguments after it.
const TAKERS: [(&str, &[&str]); 6] = [
    ("inspect", &[]),
    ("check", &["read_data"]),
    ("call", &["read_data", "{}"]),
    ("matrix", &[]),
    ("drill", &["read_data", "--shifted"]),
    ("revoke", &["--state"]),
];

#[test]
fn every_command_reads_a_token_from_standard_input_or_a_file() {
    let token = issue("user123", "user");
    let folder = Folder::new();
    let file = format!("@{}", folder.write("token.txt", format!("Authorization: Bearer {token}\n")));
    for (command, words) in TAKERS {
        let run = |source: &str, n: usize| {
            let state = folder.path(&format!("{command}-{n}.json"));
            let state = state.to_str().filter(|_| command == "revoke");
            let arguments: Vec<&str> = [command, source].iter().chain(words).copied().chain(state).collect();
            portcullis(&arguments).input(token.as_str()).run()
        };
        for (n, source) in [&*token, "-", &*file].into_iter().enumerate() {
            let CommandOutput { out, err, exit } = run(source, n);
            assert!(exit == 0 && out.lines().count() > 0, "{command} {source}: {out}{err}");
        }
        let CommandOutput { out, err, exit } = run("@/no/such/file", 9);
        let wanted = "portcullis: token file /no/such/file: no such file or directory";
        assert!(exit == 1 && err.lines().any(|line| line == wanted), "{command}: {out}{err}");
    }
    let two = folder.write("two.txt", format!("{token}\n{token}\n"));
    let out = portcullis(&["--json", "inspect", &format!("@{two}")]).out();
    assert_eq!(out.lines().count(), 2, "a file may contain several tokens, like standard input");
    for source in ["-", &*file] {
        let CommandOutput { err, exit, .. } = portcullis(&["check", source]).input(token.as_str()).run();
        assert!(exit == 2 && err.contains("expected a tool, got a token"), "{err}");
    }
}

/// Returns standard error of a command, as printed to a terminal or not.
fn standard_error(arguments: &[&str], token: &str, shows_hints: bool) -> String {
    let options = Options::parse_from(["portcullis"].iter().chain(arguments));
    let environment = Environment {
        secret: Some(super::SECRET.as_bytes().to_vec().into()),
        token: Some(token.to_owned()),
        ..Environment::default()
    };
    let mut err = Vec::new();
    let mut headless = Runner {
        input: &mut token.as_bytes(),
        out: &mut std::io::sink(),
        err: &mut err,
        shows_colour: false,
        shows_hints,
        environment,
        known: Exit::Good,
    };
    headless.run(&options, options.command.as_ref().expect("a command")).expect("the command runs");
    String::from_utf8(err).expect("UTF-8")
}

#[test]
fn a_token_in_the_arguments_is_reported_once_on_a_terminal() {
    const HINT: &str = "other users of this machine can see a token in the arguments";
    let token = issue("user123", "user");
    let folder = Folder::new();
    let file = format!("@{}", folder.write("token.txt", &token));
    let state = folder.path("state.json").to_str().expect("UTF-8").to_owned();
    for (command, words) in TAKERS {
        let with = |before: &[&str], source: Option<&str>, is_seen: bool| {
            let state = (command == "revoke").then_some(state.as_str());
            let source = source.into_iter();
            let arguments: Vec<&str> = before
                .iter()
                .copied()
                .chain([command])
                .chain(source)
                .chain(words.iter().copied())
                .chain(state)
                .collect();
            standard_error(&arguments, &token, is_seen).matches(HINT).count()
        };
        assert_eq!(with(&[], Some(&token), true), 1, "{command}");
        assert_eq!(with(&[], Some(&format!("Authorization: Bearer {token}")), true), 1, "{command}");
        assert_eq!(with(&[], Some(&token), false), 0, "{command}: not on a terminal");
        assert_eq!(with(&["--json"], Some(&token), true), 0, "{command}: a script reads it");
        for source in [Some("-"), Some(&*file), None] {
            assert_eq!(with(&[], source, true), 0, "{command} {source:?}");
        }
    }
}

#[test]
fn every_command_that_uses_a_weak_secret_warns_once_on_standard_error() {
    const WEAK: &str = "portcullis: weak secret: 72 bits, HS256 needs at least 256 (RFC 7518 §3.2); generate one with: openssl rand -hex 32";
    let token = portcullis(&["issue", "user123", "-p", "user"]).env("PORTCULLIS_SECRET", "my-secret").out();
    let folder = Folder::new();
    let state = folder.path("state.json").to_str().expect("UTF-8").to_owned();
    let commands: [(&[&str], usize); 11] = [
        (&["issue", "user123", "-p", "user"], 1),
        (&["inspect"], 1),
        (&["check", "read_data"], 1),
        (&["--json", "check", "read_data"], 1),
        (&["call", "read_data"], 1),
        (&["matrix", "--as", "user"], 1),
        (&["drill", "--shifted", "--ttl", "3s", "read_data"], 1),
        (&["testkit", "--run"], 1),
        (&["serve", "--stdio"], 1),
        (&["revoke", "--state", &state], 0),
        (&["policy", "check", "-"], 0),
    ];
    for (arguments, times) in commands {
        let run = |secret: &str| {
            portcullis(arguments).env("PORTCULLIS_SECRET", secret).env("PORTCULLIS_TOKEN", token.trim_end()).run()
        };
        let CommandOutput { out, err, .. } = run("my-secret");
        assert_eq!(err.lines().filter(|line| *line == WEAK).count(), times, "{arguments:?}: {err}");
        assert!(!out.contains("weak secret") && err.matches("weak").count() == times, "{arguments:?}: {out}{err}");
        assert!(!run(super::SECRET).err.contains("weak secret"), "{arguments:?}");
    }
}

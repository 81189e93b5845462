//! `drill` and `testkit`.

use rstest::rstest;
use serde_json::Value;

use super::{CommandOutput, bare, portcullis};

const NOW: &str = "2026-11-22T20:40:00Z";

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[rstest]
#[case("0s", 0.0)]
#[case("5s", 5.0)]
fn a_drill_of_thirty_days_in_shifted_time_finishes_at_once(#[case] leeway: &str, #[case] seconds: f64) {
    let options = ["drill", "--shifted", "--ttl", "30d", "--leeway", leeway, "--now", NOW, "read_data"];
    let out = portcullis(&options).out();
    for text in ["PASSED", "exactly exp", "leeway seen"] {
        assert!(out.contains(text), "{out}");
    }
    let report = json(&portcullis(&[&options[..], &["--json"]].concat()).out()).remove(0);
    assert_eq!((report["passed"].as_bool(), report["found_to"].as_f64()), (Some(true), Some(1e-6)), "{report}");
    assert_eq!(report["leeway_most"].as_f64(), Some(seconds), "{report}");
    assert_eq!(report["exp"]["rfc3339"], "2026-12-22T20:40:00Z");
}

#[test]
fn drill_and_testkit_reject_times_outside_the_supported_years() {
    let CommandOutput { err, exit, .. } = portcullis(&["drill", "--shifted", "--ttl", "9000y", "read_data"]).run();
    assert!(exit == 2 && err.contains("latest possible date"), "{exit}: {err}");
    let CommandOutput { err, exit, .. } = portcullis(&["testkit", "--now", "1975-01-01T00:00:00Z", "--run"]).run();
    assert!(exit == 2 && err.contains("a year from 1980 to 9999"), "{exit}: {err}");
    // The latest token that can be issued also passes.
    let token = portcullis(&["issue", "user123", "-p", "user", "--ttl", "9000y"]).out();
    assert_eq!(portcullis(&["check", "-", "read_data"]).input(token).run().exit, 0);
}

#[test]
fn a_coarse_drill_reports_only_the_observed_leeway() {
    let out = portcullis(&["drill", "--shifted", "--ttl", "1h", "read_data"]).out();
    assert!(out.contains("leeway seen    0s"), "{out}");
}

#[test]
fn a_token_on_standard_input_is_drilled() {
    let token = portcullis(&["issue", "user123", "-p", "user", "--now", NOW]).out();
    let out = portcullis(&["drill", "--shifted", "--now", NOW, "-", "read_data"]).input(token.as_str()).out();
    assert!(out.contains("user123") && out.contains("2026-11-22T21:40:00Z, exp"), "{out}");
    assert!(!out.contains("eyJ"), "{out}");
    // A token that is forbidden or signed with another key has no boundary to find.
    for (arguments, secret, reason) in [
        (&["-", "write_data"][..], super::SECRET, "permission_missing"),
        (&["-", "read_data"], "another secret", "bad_signature"),
    ] {
        let CommandOutput { out, exit, .. } = portcullis(&[&["drill", "--shifted", "--now", NOW], arguments].concat())
            .env("PORTCULLIS_SECRET", secret)
            .input(token.as_str())
            .run();
        assert!(exit == 4 && out.starts_with("FAILED") && out.contains(reason), "{exit}: {out}");
    }
}

#[rstest]
#[case(&["drill", "read_data"], "no token")]
#[case(&["drill", "--ttl", "3s", "--now", NOW, "read_data"], "add --shifted")]
#[case(&["drill", "--ttl", "3s", "--every", "1ms", "read_data"], "expected at least 10ms")]
#[case(&["drill", "--ttl", "3s", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "read_data"], "--ttl cannot be used with a token")]
#[case(&["drill", "--shifted", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "read_data"], "no exp")]
fn a_drill_with_invalid_arguments_is_rejected(#[case] arguments: &[&str], #[case] words: &str) {
    let CommandOutput { err, exit, .. } = portcullis(arguments).run();
    assert!(exit == 2 && err.contains(words), "{exit}: {err}");
}

#[test]
fn the_kit_is_printed_as_json_lines_with_the_expected_decisions() {
    let kit = json(&portcullis(&["testkit", "user123", "-p", "user", "--now", NOW]).out());
    assert_eq!(kit.len(), 32);
    for token in &kit {
        let name = &token["name"];
        let text = token["token"].as_str().expect("a token").to_owned();
        let checked = portcullis(&["check", "--json", "--now", NOW, "-", "read_data"]).input(text).run();
        let report = json(&checked.out).remove(0);
        let code = report["reason"].as_str().unwrap_or("allowed");
        assert_eq!(token["expected"], code, "{name}");
        assert_eq!(token["token_id"], report["token_id"], "{name}");
    }
}

#[test]
fn the_scorecard_passes_and_shows_no_token() {
    for options in [&[][..], &["--leeway", "5s"], &["--issuer", "us", "--audience", "them"], &["--tool", "write_data"]]
    {
        let out = portcullis(&[&["testkit", "--run"], options].concat()).out();
        assert!(out.contains("32 of 32 as expected") && !out.contains("eyJ"), "{out}");
        let lines = json(&portcullis(&[&["testkit", "--run", "--json"], options].concat()).out());
        assert!(lines.len() == 32 && lines.iter().all(|line| line["passed"] == true && line.get("token").is_none()));
    }
}

#[test]
fn drill_and_testkit_need_a_secret() {
    for arguments in [&["testkit"][..], &["drill", "--shifted", "--ttl", "3s", "read_data"]] {
        let CommandOutput { err, exit, .. } = bare(arguments).run();
        assert!(exit == 1 && err.contains("no signing secret"), "{err}");
    }
}

#[test]
fn the_markdown_reports_contain_no_token() {
    let drill = ["drill", "--shifted", "--ttl", "1h", "--leeway", "5s", "--markdown", "read_data"];
    for (arguments, begins, holds) in [
        (&drill[..], "### Expiry drill: PASSED", "| judged by | leeway 5s |"),
        (&["testkit", "--run", "--markdown"], "### Test tokens: 32 of 32 as expected", "| ✔ | good |"),
    ] {
        let out = portcullis(arguments).out();
        assert!(out.starts_with(begins) && out.contains(holds) && !out.contains("eyJ"), "{out}");
        assert_eq!(portcullis(&[arguments, &["--json"]].concat()).run().exit, 2);
    }
    assert_eq!(portcullis(&["testkit", "--markdown"]).run().exit, 2);
}

#[test]
fn testkit_rejects_an_unknown_tool() {
    let CommandOutput { err, exit, .. } = portcullis(&["testkit", "--tool", "raed_data", "--run"]).run();
    assert!(exit == 2 && err.contains("unknown tool raed_data, expected one of read_data"), "{exit}: {err}");
}

#[test]
fn the_kit_is_issued_for_the_given_time() {
    let kit = json(&portcullis(&["testkit", "--now", "2027-01-01T00:00:00Z"]).out());
    let token = kit[0]["token"].as_str().expect("a token").to_owned();
    let report = json(&portcullis(&["inspect", "--json", "-"]).input(token).run().out).remove(0);
    assert_eq!(report["times"]["iat"]["rfc3339"], "2027-01-01T00:00:00Z");
}

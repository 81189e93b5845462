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
fn a_token_of_thirty_days_is_drilled_at_once(#[case] leeway: &str, #[case] seconds: f64) {
    let options = ["drill", "--shifted", "--ttl", "30d", "--leeway", leeway, "--now", NOW, "read_data"];
    let out = portcullis(&options).out();
    for text in ["PASSED", "exactly exp", "leeway seen"] {
        assert!(out.contains(text), "{out}");
    }
    let told = json(&portcullis(&[&options[..], &["--json"]].concat()).out()).remove(0);
    assert_eq!((told["passed"].as_bool(), told["found_to"].as_f64()), (Some(true), Some(1e-6)), "{told}");
    assert_eq!(told["leeway_most"].as_f64(), Some(seconds), "{told}");
    assert_eq!(told["exp"]["rfc3339"], "2026-12-22T20:40:00Z");
}

#[test]
fn at_the_end_of_all_dates_it_is_told_that_nothing_follows() {
    let CommandOutput { err, exit, .. } = portcullis(&["drill", "--shifted", "--ttl", "9000y", "read_data"]).run();
    assert!(exit == 2 && err.contains("latest possible date"), "{exit}: {err}");
    let CommandOutput { err, exit, .. } = portcullis(&["testkit", "--now", "1975-01-01T00:00:00Z", "--run"]).run();
    assert!(exit == 2 && err.contains("a year from 1980 to 9999"), "{exit}: {err}");
    // The latest token that can be issued is one that passes.
    let token = portcullis(&["issue", "user123", "-p", "user", "--ttl", "9000y"]).out();
    assert_eq!(portcullis(&["check", "-", "read_data"]).input(token).run().exit, 0);
}

#[test]
fn a_coarse_drill_claims_no_more_than_it_saw() {
    let out = portcullis(&["drill", "--shifted", "--ttl", "1h", "read_data"]).out();
    assert!(out.contains("leeway seen    0s"), "{out}");
}

#[test]
fn a_token_that_is_given_is_drilled() {
    let token = portcullis(&["issue", "user123", "-p", "user", "--now", NOW]).out();
    let out = portcullis(&["drill", "--shifted", "--now", NOW, "-", "read_data"]).input(token.as_str()).out();
    assert!(out.contains("user123") && out.contains("2026-11-22T21:40:00Z, exp"), "{out}");
    assert!(!out.contains("eyJ"), "{out}");
    // Forbidden or signed by another key: there is no border to be found.
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
fn a_drill_that_cannot_be_made_is_told(#[case] arguments: &[&str], #[case] words: &str) {
    let CommandOutput { err, exit, .. } = portcullis(arguments).run();
    assert!(exit == 2 && err.contains(words), "{exit}: {err}");
}

#[test]
fn the_kit_is_printed_as_json_lines_and_judged_as_it_says() {
    let kit = json(&portcullis(&["testkit", "user123", "-p", "user", "--now", NOW]).out());
    assert_eq!(kit.len(), 17);
    for token in &kit {
        let name = &token["name"];
        let text = token["token"].as_str().expect("a token").to_owned();
        let checked = portcullis(&["check", "--json", "--now", NOW, "-", "read_data"]).input(text).run();
        let told = json(&checked.out).remove(0);
        let code = told["reason"].as_str().unwrap_or("allowed");
        assert_eq!(token["expected"], code, "{name}");
        assert_eq!(token["token_id"], told["token_id"], "{name}");
    }
}

#[test]
fn the_scorecard_passes_and_shows_no_token() {
    for options in [&[][..], &["--leeway", "5s"], &["--issuer", "us", "--audience", "them"], &["--tool", "write_data"]]
    {
        let out = portcullis(&[&["testkit", "--run"], options].concat()).out();
        assert!(out.contains("17 of 17 as expected") && !out.contains("eyJ"), "{out}");
        let lines = json(&portcullis(&[&["testkit", "--run", "--json"], options].concat()).out());
        assert!(lines.len() == 17 && lines.iter().all(|line| line["passed"] == true && line.get("token").is_none()));
    }
}

#[test]
fn without_a_secret_neither_is_possible() {
    for arguments in [&["testkit"][..], &["drill", "--shifted", "--ttl", "3s", "read_data"]] {
        let CommandOutput { err, exit, .. } = bare(arguments).run();
        assert!(exit == 1 && err.contains("no signing secret"), "{err}");
    }
}

#[test]
fn both_are_told_for_a_ticket_without_a_token() {
    let drill = ["drill", "--shifted", "--ttl", "1h", "--leeway", "5s", "--markdown", "read_data"];
    for (arguments, begins, holds) in [
        (&drill[..], "### Expiry drill: PASSED", "| judged by | leeway 5s |"),
        (&["testkit", "--run", "--markdown"], "### Test tokens: 17 of 17 as expected", "| ✔ | good |"),
    ] {
        let out = portcullis(arguments).out();
        assert!(out.starts_with(begins) && out.contains(holds) && !out.contains("eyJ"), "{out}");
        assert_eq!(portcullis(&[arguments, &["--json"]].concat()).run().exit, 2);
    }
    assert_eq!(portcullis(&["testkit", "--markdown"]).run().exit, 2);
}

#[test]
fn a_tool_that_is_misspelled_is_no_gate_that_refuses_rightly() {
    let CommandOutput { err, exit, .. } = portcullis(&["testkit", "--tool", "raed_data", "--run"]).run();
    assert!(exit == 2 && err.contains("unknown tool raed_data, expected one of read_data"), "{exit}: {err}");
}

#[test]
fn the_kit_is_stamped_with_the_time_that_is_given() {
    let kit = json(&portcullis(&["testkit", "--now", "2027-01-01T00:00:00Z"]).out());
    let token = kit[0]["token"].as_str().expect("a token").to_owned();
    let told = json(&portcullis(&["inspect", "--json", "-"]).input(token).run().out).remove(0);
    assert_eq!(told["times"]["iat"]["rfc3339"], "2027-01-01T00:00:00Z");
}

//! Drills, test tokens, the comparison of two tokens, and evidence, as a user of the console works with them.

use std::time::Duration;

use portcullis::auth::{KeyOrigin, Leeway, Rules, Signer};
use portcullis::gate::Origin;
use portcullis::lab::kit::KIT;
use portcullis::text::Span;
use rstest::rstest;

use crate::desk::{Desk, SECRET, START};

fn lab(leeway: u64) -> Desk {
    let key = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    let mut desk = Desk::with(Rules { leeway: Leeway::seconds(leeway), ..Rules::new(&key) }, 120, 36);
    desk.types("user123").keys("Enter F4");
    desk
}

#[rstest]
fn a_drill_in_shifted_time_finishes_at_once_and_is_exact(
    #[values(0, 5)] leeway: u64,
    #[values("3s", "30d")] life: &str,
) {
    let mut desk = lab(leeway);
    desk.keys("F2 Esc 1 Tab Tab Tab Ctrl-U").types(life).keys("Enter F4 Esc 3 Enter");
    let found = desk.app.drill.found.as_ref().expect("the drill is finished");
    assert!(found.report.passed() && found.report.found_to() == Some(Span::MICRO), "{}", found.report.verdict());
    desk.must_show(&["PASSED", if leeway == 0 { "exactly exp" } else { "exactly exp + 5s" }]);
    // Every call is in the log, marked as a drill call and as judged for a time other than the real one.
    let calls: Vec<_> = desk.app.auth.activity.newest().cloned().collect();
    assert!(calls.len() > 10 && calls.iter().all(|call| call.origin == Origin::Drill && call.judged_at != call.at));
    desk.must_show(&["drill", "[clock +"]);
}

#[test]
fn a_drill_in_real_time_runs_in_the_background() {
    let mut desk = lab(0);
    desk.keys("Esc 3 → Tab Tab Tab → Enter").must_show(&["Enter or Esc cancels it", "1 call made"]);
    // The console stays usable while the drill runs.
    desk.keys("F2 Alt-4 Enter").must_show(&[r#"{"success":true"#]);
    desk.waits(Duration::from_secs(5));
    assert_eq!(desk.app.next_deed(), None);
    desk.keys("F4 Esc 3").must_show(&["PASSED", "first refused 20:40:03Z, exp", "leeway seen   0s"]);
    let found = desk.app.drill.found.as_ref().expect("the drill is finished");
    assert!(found.report.found_to().expect("found") <= Span::millis(100));
    assert!(desk.app.auth.activity.newest().all(|call| call.judged_at == call.at));
}

#[test]
fn a_drill_in_real_time_ignores_the_shifted_clock() {
    let mut desk = lab(0);
    desk.keys("Esc 2 PgUp PgUp Esc 3 → Tab Tab Tab → Enter");
    desk.waits(Duration::from_secs(5));
    desk.must_show(&["PASSED"]);
}

#[test]
fn a_drill_can_be_cancelled() {
    let mut desk = lab(0);
    desk.keys("Esc 3 Tab Tab Tab → Enter").must_show(&["Enter or Esc cancels it"]);
    desk.keys("Enter").must_show(&["CANCELLED"]);
    let calls = desk.calls();
    desk.waits(Duration::from_hours(2));
    assert_eq!(desk.calls(), calls);
}

#[test]
fn a_drill_that_waits_for_an_hour_shows_its_progress() {
    let mut desk = lab(0);
    desk.keys("Esc 3 Tab Tab Tab → Enter");
    let done = |desk: &Desk| {
        desk.screen()
            .lines()
            .find_map(|line| line.split("│ █").nth(1).map(|bar| bar.chars().filter(|c| *c == '█').count()))
    };
    assert_eq!(done(&desk), None, "{}", desk.screen());
    desk.waits(Duration::from_mins(30));
    let half = done(&desk).expect("a bar");
    assert!((15..22).contains(&half), "{half}: {}", desk.screen());
}

#[rstest]
#[case(-86_400)]
#[case(86_400)]
fn a_drill_handles_a_jump_of_the_system_clock(#[case] by: i64) {
    let mut desk = lab(0);
    desk.keys("Esc 3 → Tab Tab Tab → Enter");
    desk.waits(Duration::from_secs(1));
    desk.clock.set(START.plus(Span::seconds(by)));
    desk.waits(Duration::from_secs(61));
    desk.must_show(&["jumped"]);
    // A jump ahead skips the end; a jump back moves it a day away.
    match by > 0 {
        true => desk.must_show(&["FAILED: the calls around the boundary"]),
        false => desk.must_show(&["Enter or Esc cancels it"]),
    };
}

#[test]
fn removing_a_token_does_not_stop_its_drill() {
    let mut desk = lab(0);
    desk.keys("Esc 3 → Tab Tab Tab → Enter F2 Esc 2 Del");
    desk.waits(Duration::from_secs(5));
    desk.keys("F4 Esc 3").must_show(&["PASSED"]);
}

#[test]
fn a_drill_whose_token_cannot_be_issued_does_not_start_with_the_next_token() {
    let mut desk = lab(0);
    let rules = (*desk.gate.shared().rules()).clone();
    let long = "x".repeat(9000);
    desk.gate.shared().update(|state| state.set_rules(rules.clone().with_issuer(Some(long.into()))));
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.keys("Esc 3 → Enter").must_show(&["the token would be"]);
    desk.gate.shared().update(|state| state.set_rules(rules));
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.keys("F2 Esc 1 Enter");
    assert_eq!(desk.calls(), 0);
}

#[test]
fn a_scorecard_is_marked_old_when_its_inputs_change() {
    let mut desk = lab(0);
    desk.keys("Esc 4 Enter").must_show(&["read_data as user123 (user)"]);
    assert!(!desk.shows("old:"), "{}", desk.screen());
    desk.keys("Esc 3 Tab →").must_show(&["old: read_data as user123 (user)"]);
    desk.keys("← Ctrl-S").types("5s").keys("Enter").must_show(&["old: read_data"]);
    desk.keys("Esc 4 Enter");
    assert!(!desk.shows("old:"), "{}", desk.screen());
    desk.keys("Ctrl-B");
    assert!(desk.copied().contains("judged for") && desk.copied().contains("by leeway 5s"), "{}", desk.copied());
}

#[test]
fn a_drill_fails_when_the_leeway_changes_while_it_runs() {
    let mut desk = lab(0);
    desk.keys("Esc 3 → Tab Tab Tab → Enter");
    let rules = (*desk.gate.shared().rules()).clone();
    desk.gate.shared().update(|state| state.set_rules(Rules { leeway: Leeway::seconds(2), ..rules }));
    desk.waits(Duration::from_secs(9));
    desk.must_show(&["FAILED: allowed too long"]);
}

#[test]
fn a_token_that_cannot_be_drilled_is_rejected_with_a_reason() {
    let mut desk = lab(0);
    desk.keys("Ctrl-↑ Esc 3 Enter").must_show(&["no token is selected: issue or select one first"]);
    desk.pastes("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYSJ9.AAAA").keys("F4 Esc 3 Enter");
    desk.must_show(&["no readable exp"]);
}

#[test]
fn one_key_calls_with_every_test_token() {
    for leeway in [0, 5] {
        let mut desk = lab(leeway);
        desk.keys("Esc 4 Enter").must_show(&["32 of 32 as expected", "✔ good"]);
        let card = desk.app.kit.card.as_ref().expect("a card");
        assert!(card.passed() && card.lines.len() == KIT.len());
        assert_eq!(desk.calls(), KIT.len());
        assert!(desk.app.auth.activity.newest().all(|call| call.origin == Origin::Kit));
        assert_eq!(desk.tokens(), 1, "the list does not change");
    }
}

#[test]
fn test_tokens_are_made_for_the_time_on_the_clock() {
    let mut desk = lab(0);
    desk.keys("Esc 2 PgUp PgUp Space Esc 4 Enter").must_show(&["32 of 32 as expected"]);
    let newest = desk.app.activity_row().expect("a call").clone();
    assert_eq!((newest.judged_at, newest.at), (START.plus(Span::hours(2)), START));
}

#[test]
fn the_good_test_token_cannot_call_a_forbidden_tool() {
    let mut desk = lab(0);
    desk.keys("Esc 3 Tab → Esc 4 Enter").must_show(&["32 of 32 as expected", "permission_missing"]);
}

#[test]
fn one_test_token_or_all_of_them_can_be_added_to_the_list() {
    let mut desk = lab(0);
    desk.keys("Esc 4 ↓ Space").must_show(&["1 test token added to the list"]);
    desk.must_show(&["▸ expired 1 s ago"]);
    assert_eq!(desk.tokens(), 2);
    desk.keys("Ctrl-P").types("every test token").keys("Enter");
    assert_eq!(desk.tokens(), 2 + KIT.len());
    // Undo and redo work as for any other change to the list.
    desk.keys("Ctrl-7");
    assert_eq!(desk.tokens(), 2);
    desk.keys("Ctrl-7 Ctrl-R Ctrl-R");
    assert_eq!(desk.tokens(), 2 + KIT.len());
    desk.must_show(&["32 test tokens added to the list"]);
    desk.keys("F2 Esc 2 End").must_show(&["▸ huge"]);
}

#[test]
fn two_tokens_are_compared_side_by_side() {
    let mut desk = lab(0);
    desk.keys("F2 Esc 1 Enter Tab Space Tab Tab Ctrl-U").types("15m").keys("Shift-Tab Shift-Tab Shift-Tab Enter");
    desk.keys("Ctrl-↑ Ctrl-D").must_show(&["two tokens", "= user_id", "≠ permissions", "45m earlier", "≠ lives"]);
    desk.keys("→").must_show(&["≠ permissions"]);
    desk.keys("Esc Ctrl-↑ Ctrl-D").must_show(&["select a token to compare"]);
}

#[test]
fn evidence_names_tokens_and_never_shows_one() {
    let mut desk = lab(0);
    let (token, entry) = (desk.token(), desk.app.selected().expect("a token").clone());
    desk.keys("F2 Alt-4 Enter F4 Esc 3 Enter Esc 4 Enter");
    let jti = entry.judged.jti.clone().expect("issued tokens have a jti");
    for (keys, wanted) in [
        ("Ctrl-B", ["## Evidence of", "### Expiry drill: PASSED", "### Test tokens: 32 of 32", "### Calls"]),
        ("Ctrl-P", [r#""kind":"evidence""#, r#""kind":"drill""#, r#""kind":"test""#, r#""kind":"call""#]),
    ] {
        desk.keys(keys);
        if keys == "Ctrl-P" {
            desk.types("JSON Lines").keys("Enter");
        }
        let copied = desk.copied().to_owned();
        for text in wanted {
            assert!(copied.contains(text), "{text} is not in {copied}");
        }
        assert!(copied.contains(&entry.id.to_string()) && copied.contains(&jti), "{copied}");
        let signature = token.rsplit('.').next().expect("a signature");
        assert!(!copied.contains(signature) && !copied.contains("eyJ"), "a token is in {copied}");
        if keys == "Ctrl-P" {
            let kinds = copied
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["kind"].clone());
            assert!(kinds.count() > KIT.len());
        }
    }
    // Not even a token that the user typed into the arguments.
    desk.keys("F2 Alt-4 Tab Ctrl-U");
    desk.pastes(&format!(r#"{{"authorization":"Bearer {token}"}}"#)).keys("Enter F4 Esc 4 Enter");
    for keys in ["Ctrl-B", "Ctrl-P"] {
        desk.keys(keys);
        if keys == "Ctrl-P" {
            desk.types("JSON Lines").keys("Enter");
        }
        assert!(!desk.copied().contains("eyJ"), "a token is in {}", desk.copied());
        assert!(desk.copied().contains(&format!("(token {})", entry.id)) || keys == "Ctrl-B", "{}", desk.copied());
    }
    // Each pane copies its own part.
    desk.keys("Esc 4 Ctrl-Y");
    assert!(desk.copied().starts_with("### Test tokens"));
    desk.keys("Esc 3 Ctrl-Y");
    assert!(desk.copied().starts_with("### Expiry drill"));
}

#[test]
fn evidence_begins_with_a_summary_and_the_commands_to_reproduce_it() {
    let mut desk = lab(0);
    let id = desk.app.selected().expect("a token").id;
    desk.keys("F2 Alt-4 Enter F4 Esc 3 Enter Esc 4 Enter Ctrl-B");
    let copied = desk.copied().to_owned();
    let digest = desk.app.auth.rules.policy.digest();
    let places: Vec<usize> = [
        "## Evidence of".to_owned(),
        format!("portcullis {}, policy sha256 `{digest}`", env!("CARGO_PKG_VERSION")),
        "| | expected | actual | passed |".to_owned(),
        "✔ yes".to_owned(),
        "```sh\nportcullis drill --shifted".to_owned(),
        "portcullis testkit --run --tool read_data -p user user123".to_owned(),
        format!("check read_data  # token {id}"),
        "### Expiry drill: PASSED".to_owned(),
        "### Calls".to_owned(),
        "<details><summary>".to_owned(),
    ]
    .iter()
    .map(|text| copied.find(text.as_str()).unwrap_or_else(|| panic!("{text} is not in {copied}")))
    .collect();
    assert!(places.is_sorted(), "{places:?}\n{copied}");
    // The drill's calls are at the end, folded.
    let (open, folded) = copied.split_once("<details>").expect("a fold");
    assert!(folded.contains("| drill |") && !open.contains("| drill |"), "{copied}");
    assert!(folded.ends_with("</details>\n"), "{copied}");
}

/// The commands of copied evidence, each with its exit code when a shell runs it in this folder.
fn run_again(desk: &Desk, folder: &std::path::Path) -> Vec<(String, Option<i32>)> {
    let (_, commands) = desk.copied().split_once("```sh\n").expect("commands");
    let (commands, _) = commands.split_once("\n```").expect("their end");
    let secret = std::str::from_utf8(SECRET).expect("UTF-8");
    let run = |command: &str| {
        let line = command.replacen("portcullis", &format!("'{}'", crate::cli::PORTCULLIS), 1);
        let ran = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(folder)
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("PORTCULLIS_SECRET", secret)
            .env("PORTCULLIS_TOKEN", &*desk.token())
            .output();
        (command.to_owned(), ran.expect("there is a shell").status.code())
    };
    commands.lines().map(run).collect()
}

#[test]
fn the_commands_of_evidence_lead_to_what_it_says_once_the_policy_is_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut desk = lab(5);
    let state = folder.path().join("my state.json").to_string_lossy().into_owned();
    desk.app.connect.files.state = Some(state.clone());
    // A second permission for the tool: a change that is not saved.
    desk.keys("F3 Esc 2 Home → Space F2 Alt-4 Enter F4 Esc 3 Enter Esc 4 Enter F5 F4");
    assert!(!desk.app.policy_is_saved());
    desk.keys("Ctrl-B");
    let (copied, digest) = (desk.copied().to_owned(), desk.app.auth.rules.policy.digest());
    let name = format!("policy-{}.toml", portcullis::text::head(&digest, 8));
    for said in [
        format!("**Note:** The policy has unsaved changes (sha256 {digest}). Save it as {name} before"),
        format!("portcullis --leeway 5s --policy {name} --state '{state}' drill --shifted --every 100ms read_data"),
        format!("--policy {name} --state '{state}' testkit --run --tool read_data -p user user123"),
        format!("--policy {name} --state '{state}' --now 2026-11-22T20:40:00Z check read_data"),
    ] {
        assert!(copied.contains(&said), "{said} is not in {copied}");
    }
    // Without it no command does anything.
    let codes = |ran: Vec<(String, Option<i32>)>| ran.into_iter().map(|(_, code)| code).collect::<Vec<_>>();
    assert_eq!(codes(run_again(&desk, folder.path())), [Some(1); 3], "{copied}");
    desk.keys("Ctrl-P").types("save the policy").keys("Enter Ctrl-U");
    desk.pastes(&folder.path().join(&name).to_string_lossy()).keys("Enter").must_show(&["policy saved to"]);
    let again = run_again(&desk, folder.path());
    assert_eq!(codes(again), [Some(0); 3], "{copied}");
    // Then the evidence names the file itself, and the command that reads it shows the same digest.
    desk.keys("Ctrl-B");
    assert!(!desk.copied().contains("unsaved changes") && desk.copied().contains(&name), "{}", desk.copied());
    let file = folder.path().join(&name);
    let checked = crate::cli::bare(&["policy", "check", file.to_str().expect("UTF-8")]).out();
    assert!(checked.contains(&format!("sha256 {digest}")), "{checked}");
}

#[test]
fn a_drill_whose_token_has_expired_is_repeated_with_a_new_one() {
    let mut desk = lab(0);
    desk.keys("Esc 3 → Tab Tab Tab → → Enter");
    desk.waits(Duration::from_secs(5));
    desk.keys("Ctrl-B");
    let copied = desk.copied();
    assert!(copied.contains("portcullis drill --fine --every 100ms --ttl 10s read_data  # a new token; "), "{copied}");
}

#[test]
fn evidence_says_that_a_drill_was_made_with_other_settings() {
    let mut desk = lab(0);
    desk.keys("Esc 3 Enter Ctrl-B");
    assert!(!desk.copied().contains("**Note:**"), "{}", desk.copied());
    desk.keys("Ctrl-S Ctrl-U").types("5s").keys("Enter Ctrl-B");
    let said = "**Note:** The settings have changed since the drill; its command uses the current ones.";
    assert!(desk.copied().contains(said), "{}", desk.copied());
    assert!(desk.copied().contains("portcullis --leeway 5s drill"), "{}", desk.copied());
}

#[test]
fn evidence_says_what_its_commands_cannot_know() {
    let key = Signer::hs256(SECRET, KeyOrigin::Fresh).expect("a key");
    let mut desk = Desk::with(Rules::new(&key), 120, 36);
    desk.types("user123").keys("Enter Alt-4 Enter Ctrl-P").types("revoke the token").keys("Enter Ctrl-B");
    let copied = desk.copied().to_owned();
    for said in
        ["The key was generated by the console", "The commands ignore 1 revocation that no state file contains."]
    {
        assert!(copied.contains(&format!("**Note:** {said}")), "{said} is not in {copied}");
    }
    desk.keys("Ctrl-P").types("JSON Lines").keys("Enter");
    let head: serde_json::Value = serde_json::from_str(desk.copied().lines().next().expect("a line")).expect("JSON");
    assert_eq!((head["caveats"].as_array().map(Vec::len), head["policy_saved"].as_bool()), (Some(2), Some(true)));
}

#[test]
fn the_digest_of_a_policy_does_not_depend_on_its_order() {
    use portcullis::auth::Policy;
    let of = |tools: &[(&str, &[&str])]| {
        Policy::new(tools.iter().map(|(tool, held)| (tool.to_string(), held.iter().map(ToString::to_string)))).digest()
    };
    assert_eq!(of(&[("a", &["x", "y"]), ("b", &[])]), of(&[("b", &[]), ("a", &["y", "x"])]));
    assert_ne!(of(&[("a", &["x"])]), of(&[("a", &["y"])]));
    assert_ne!(of(&[("a", &["x, y"])]), of(&[("a", &["x", "y"])]));
}

#[test]
fn copying_evidence_without_calls_copies_nothing() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Ctrl-B").must_show(&["nothing to copy"]);
    assert!(desk.left.is_empty());
}

#[test]
fn evidence_is_written_only_to_a_new_file() {
    let mut desk = lab(0);
    desk.keys("F2 Alt-4 Enter");
    let folder = std::env::temp_dir().join(format!("portcullis-evidence-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, begins) in [("ticket.md", "## Evidence"), ("ticket.jsonl", "{\"kind\":\"evidence\"")] {
        let path = folder.join(name);
        let _ = std::fs::remove_file(&path);
        let save = |desk: &mut Desk| {
            desk.keys("Ctrl-P").types("save the evidence").keys("Enter Ctrl-U");
            desk.pastes(&path.to_string_lossy()).keys("Enter");
        };
        save(&mut desk);
        desk.must_show(&["evidence saved to"]);
        assert!(std::fs::read_to_string(&path).expect("the file exists").starts_with(begins));
        // Saving again asks for another name and keeps the typed text.
        save(&mut desk);
        desk.must_show(&["already exists; nothing was written", "save the evidence"]);
        desk.keys("Esc");
    }
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
}

#[test]
fn tokens_with_the_same_name_are_numbered_until_one_has_a_label() {
    let mut desk = lab(0);
    desk.must_show(&["▸ user123  "]);
    desk.keys("F2 Esc 1 Tab Tab Tab Ctrl-U").types("15m").keys("Enter F4");
    desk.must_show(&["  user123 #1", "▸ user123 #2"]);
    desk.keys("Ctrl-N").types("short").keys("Enter").must_show(&["short · user123"]);
    assert!(!desk.shows("#1"), "{}", desk.screen());
}

#[test]
fn a_drill_that_waits_for_the_end_of_the_token_says_so() {
    let mut desk = lab(0);
    desk.keys("Esc 3 Tab Tab Tab → Enter");
    desk.waits(Duration::from_secs(2));
    desk.must_show(&["waits until", "shortly before"]);
    desk.keys("Esc");
    assert!(desk.app.drill.running.is_none());
}

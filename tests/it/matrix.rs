//! The Matrix screen: who may call what, live.

use std::sync::Arc;
use std::time::Duration;

use portcullis::app::frame_info::Target;
use portcullis::app::pane::matrix::{CELLS, Cell};
use portcullis::app::pane::policy::RULES;
use portcullis::app::{App, InitialState, Msg, Times};
use portcullis::auth::policy::{ExpectedOutcome, ToolRule};
use portcullis::auth::{Call, KeyOrigin, Policy, Rules, Signer, Verdict};
use portcullis::gate::ports::Catalogue;
use portcullis::gate::{AuthState, Provenance, Shared, Snapshot};
use portcullis::text::Span;
use proptest::prelude::*;
use ratatui::style::Color;

use crate::cli::Folder;
use crate::cli::matrix::{names, policy};
use crate::desk::{Desk, SECRET, START};
use crate::forge::sign_with;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A token valid from `nbf` to `exp`, in seconds from the start.
fn token(user: &str, permissions: &str, nbf: i64, exp: i64) -> String {
    let at = |seconds: i64| START.seconds() + seconds;
    let payload = format!(r#"{{"user_id":"{user}","permissions":{permissions},"nbf":{},"exp":{}}}"#, at(nbf), at(exp));
    sign_with(HEADER, &payload, SECRET)
}

/// The lab's identities, one that expires in ten seconds, and one that becomes valid in five seconds.
fn desk(columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::new(columns, rows);
    desk.gate.shared().update(|state| {
        let mut add = |token: String| state.add(token, Provenance::Issued, START.plus(-Span::MINUTE));
        add(token("user123", r#"["user"]"#, -60, 3600));
        add(token("admin456", r#"["admin"]"#, -60, 3600));
        add(token("dying", r#"["user"]"#, -60, 10));
        add(token("early", r#"["admin"]"#, 5, 3600));
    });
    portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
    desk.tell(Msg::Woke);
    desk.keys("F3");
    desk
}

fn cell(app: &App, row: usize, tool: &str) -> Cell {
    app.cell(row, tool)
}

/// Returns the matrix as letters, one row per caller.
fn letters(app: &App) -> Vec<String> {
    let letter = |verdict| match verdict {
        Verdict::Allowed => 'A',
        Verdict::Forbidden => 'F',
        Verdict::Unauthorized => 'U',
    };
    let tools = app.auth.rules.policy.tools();
    (0..app.matrix_rows())
        .map(|row| tools.iter().map(|tool| letter(app.cell(row, &tool.name).verdict)).collect())
        .collect()
}

#[test]
fn every_cell_follows_the_time_without_a_key_press() {
    let mut desk = desk(120, 36);
    assert_eq!(letters(&desk.app), ["UUU", "AFF", "AAA", "AFF", "UUU"]);
    desk.waits(Duration::from_micros(4_999_999));
    assert_eq!(letters(&desk.app), ["UUU", "AFF", "AAA", "AFF", "UUU"]);
    desk.waits(Duration::from_micros(1));
    assert_eq!(letters(&desk.app), ["UUU", "AFF", "AAA", "AFF", "AAA"]);
    assert!(line(&desk, "early").contains("▸✔ allowed"), "{}", desk.screen());
    desk.must_show(&["early is allowed now"]);
    desk.waits(Duration::from_secs(3));
    assert!(
        !desk.shows("▸✔ allowed") && !desk.shows("is allowed now"),
        "the mark disappears by itself:\n{}",
        desk.screen()
    );
    desk.waits(Duration::from_secs(2));
    assert_eq!(letters(&desk.app), ["UUU", "AFF", "AAA", "UUU", "AAA"]);
    assert!(line(&desk, "dying").contains("▸– unauthorized"), "{}", desk.screen());
}

/// Returns the row of the matrix that begins with a name.
fn line(desk: &Desk, name: &str) -> String {
    let screen = desk.screen();
    let found = screen.lines().find(|line| line.trim_start_matches(['┃', '│', ' ', '▸']).starts_with(name));
    found.unwrap_or_else(|| panic!("{name} is missing in the matrix:\n{screen}")).to_owned()
}

#[test]
fn ticking_a_permission_flips_cell_preview_and_call_and_undo_flips_them_back() {
    let mut desk = desk(120, 36);
    // Selects user123 and write_data, then moves to the policy, where user is the first permission.
    desk.keys("Home Down → Esc 2");
    assert_eq!(cell(&desk.app, 1, "write_data").verdict, Verdict::Forbidden);
    desk.keys("Space");
    let here = cell(&desk.app, 1, "write_data");
    assert_eq!((here.verdict, here.flipped), (Verdict::Allowed, true));
    assert_eq!(desk.app.preview().verdict(), Verdict::Allowed);
    desk.must_show(&["write_data: user123 is allowed now", "permission user"]);
    desk.keys("Esc 1 Enter").must_show(&[r#"{"success":true,"result":"written"}"#]);
    desk.keys("Ctrl-7");
    assert_eq!(cell(&desk.app, 1, "write_data").verdict, Verdict::Forbidden);
    assert_eq!(desk.app.preview().verdict(), Verdict::Forbidden);
    desk.keys("Esc 1 Enter").must_show(&[r#"{"error":"forbidden"}"#]);
    desk.keys("Ctrl-R");
    assert_eq!(cell(&desk.app, 1, "write_data").verdict, Verdict::Allowed);
}

#[test]
fn one_key_calls_as_every_caller_and_each_call_is_logged() {
    let mut desk = desk(120, 36);
    desk.keys("Home → Ctrl-F");
    desk.must_show(&["how everyone was answered", "write_data: allowed for 1 of 5"]);
    let answers: Vec<String> = desk
        .app
        .who
        .everyone
        .iter()
        .flat_map(|everyone| &everyone.answers)
        .map(|(name, called)| format!("{name} {}", called.outcome.answer()))
        .collect();
    assert_eq!(
        answers,
        [
            r#"(no token) {"error":"unauthorized"}"#,
            r#"user123 {"error":"forbidden"}"#,
            r#"admin456 {"success":true,"result":"written"}"#,
            r#"dying {"error":"forbidden"}"#,
            r#"early {"error":"unauthorized"}"#,
        ]
    );
    assert_eq!(desk.app.auth.activity.len(), 5);
}

#[test]
fn an_expectation_is_marked_and_its_failure_shown_and_both_can_be_undone() {
    let mut desk = desk(120, 36);
    desk.keys("Home Down");
    desk.keys("Space").must_show(&["allowed="]);
    desk.keys("Space").must_show(&["allowed≠"]);
    assert_eq!(desk.app.auth.rules.policy.parts().expectations.len(), 1);
    desk.keys("Space");
    assert_eq!(desk.app.auth.rules.policy.parts().expectations, []);
    desk.keys("Ctrl-7").must_show(&["allowed≠"]);
    // An expectation needs a caller with a token.
    desk.keys("Home Space").must_show(&["cannot set an expectation for a caller without a token"]);
}

#[test]
fn rows_are_grouped_by_permissions_and_by_user() {
    let mut desk = desk(120, 36);
    desk.keys("Ctrl-G").must_show(&["by permissions", "1 of 2"]);
    assert_eq!(desk.app.matrix_rows(), 3);
    desk.waits(Duration::from_secs(5));
    assert_eq!(letters(&desk.app), ["UUU", "AFF", "AAA"]);
    assert_eq!(cell(&desk.app, 2, "write_data").with, 2, "the early token has become valid");
    desk.keys("Ctrl-G").must_show(&["by user", "admin456"]);
    assert_eq!(desk.app.matrix_rows(), 5);
    // Selecting a group selects its first token.
    desk.keys("Ctrl-G Ctrl-G Home Down Down").must_show(&["admin456"]);
    assert_eq!(desk.app.selected().map(|entry| entry.number), Some(2));
}

#[test]
fn a_click_selects_a_cell_and_a_second_one_calls_it() {
    let mut desk = desk(120, 36);
    desk.clicks(Target::Cell(CELLS, 2, 1));
    assert_eq!((desk.app.matrix_row(), desk.app.column()), (2, Some(1)));
    assert_eq!(desk.app.auth.activity.len(), 0);
    desk.clicks(Target::Cell(CELLS, 2, 1));
    assert_eq!(desk.app.auth.activity.len(), 1);
    desk.clicks(Target::Cell(RULES, 1, 0));
    assert_eq!(cell(&desk.app, 1, "write_data").verdict, Verdict::Allowed);
    assert_eq!(desk.app.focus.field, Some(RULES));
}

#[test]
fn the_matrix_sleeps_without_a_countdown() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F3");
    desk.waits(Duration::from_secs(10));
    assert_eq!(desk.app.next_change(), None);
}

#[test]
fn token_and_tool_stay_selected_between_screens() {
    let mut desk = desk(80, 24);
    desk.keys("Home Down Down → F2 Esc 4").must_show(&["admin456", "write_data"]);
    desk.keys("F3 1").must_show(&["▸ admin456"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_cell_agrees_with_the_gate(
        policy in policy(),
        callers in proptest::collection::vec((names("[uvwx]"), -2i64..3, -2i64..3), 0..5),
    ) {
        let rules = Rules { policy: Arc::new(policy), ..Rules::new(&Signer::hs256(SECRET, KeyOrigin::Program).expect("a key")) };
        let shared = Shared::new(AuthState::new(rules.clone(), None, Catalogue::default()));
        let tokens: Vec<String> = callers.iter().enumerate().map(|(n, (held, nbf, exp))| {
            token(&format!("u{n}"), &serde_json::to_string(held).expect("JSON"), *nbf, *exp)
        }).collect();
        shared.update(|state| tokens.iter().for_each(|token| _ = state.add(token.as_str(), Provenance::Pasted, START)));
        let times = Times { real: START, judged: START, mono: Duration::ZERO };
        let app = App::new(InitialState::new(shared.read(Snapshot::of), times));
        for (row, text) in [None].into_iter().chain(app.auth.tokens.iter().map(|entry| entry.text().map(|text| &**text))).enumerate() {
            for tool in rules.policy.tools() {
                let decision = rules.decide(&Call { token: text, tool: &tool.name }, START);
                prop_assert_eq!(app.cell(row, &tool.name).verdict, decision.verdict());
            }
        }
    }
}

/// Returns a desk whose policy is read from this file.
fn with_policy(folder: &Folder, source: &str) -> (Desk, String) {
    let file = folder.write("policy.toml", source);
    let policy = portcullis::config::policy(file.as_ref()).expect("a policy");
    let key = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    let mut desk = Desk::with(Rules { policy, ..Rules::new(&key) }, 120, 36);
    desk.app.policy_file.path.clone_from(&file);
    desk.keys("F3 Esc 2");
    (desk, file)
}

#[test]
fn no_column_of_a_large_matrix_is_cut_at_any_width() {
    let tool = |n| format!("[tools.t{n:02}]\npermissions = [\"user\"]\n");
    let tools = (0..60).map(tool).collect::<Vec<_>>().concat();
    let policy = Arc::new(Policy::parse(&tools).expect("a policy"));
    let key = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    for columns in 60..=160 {
        let mut desk = Desk::with(Rules { policy: Arc::clone(&policy), ..Rules::new(&key) }, columns, 36);
        desk.types("u").keys("Enter F3 Right Right");
        let screen = desk.screen();
        let rows: Vec<&str> =
            screen.lines().filter(|line| line.contains("(no token)   ") && line.contains('–')).collect();
        assert!(!rows.is_empty() && !rows[0].contains('…'), "{columns}\n{screen}");
    }
}

const FILE: &str = "# ours\n[tools.read_data]\npermissions = [\"user\"] # everybody\n";

#[test]
fn tools_and_permissions_are_added_described_ticked_saved_and_removed() {
    let folder = Folder::new();
    let (mut desk, file) = with_policy(&folder, FILE);
    desk.keys("Ctrl-P").types("add a tool").keys("Enter").types("write_data").keys("Enter");
    desk.must_show(&["write_data lists no permissions: every call to it is forbidden", "unsaved changes"]);
    desk.keys("Ctrl-P").types("add a permission").keys("Enter").types("admin").keys("Enter Space");
    desk.keys("Ctrl-P").types("describe").keys("Enter").types("writes it").keys("Enter").must_show(&["writes it"]);
    desk.keys("Enter Enter").must_show(&["policy saved to "]);
    let text = std::fs::read_to_string(&file).expect("the file exists");
    assert!(text.starts_with(FILE), "{text}");
    let saved = Policy::parse(&text).expect("a policy");
    assert_eq!(saved.tool("write_data").map(ToolRule::needs).as_deref(), Some("admin"));
    assert!(!desk.shows("unsaved changes"), "{}", desk.screen());
    desk.keys("Del").must_show(&["write_data removed from the policy", "unsaved changes"]);
    desk.keys("Ctrl-7").must_show(&["write_data"]);
    assert!(desk.app.auth.rules.policy.is_equivalent(&saved));
    // A name that is already used keeps the typed text.
    desk.keys("Ctrl-P").types("add a tool").keys("Enter").types("read_data").keys("Enter");
    desk.must_show(&["tool read_data is already in the policy", "add a tool to the policy"]);
}

#[test]
fn an_edit_of_the_policy_file_applies_at_once_and_a_broken_one_is_ignored() {
    let folder = Folder::new();
    let (mut desk, file) = with_policy(&folder, FILE);
    folder.write("policy.toml", FILE.replace("user", "admin"));
    desk.policy_touched().must_show(&["policy file reloaded: 1 tool", "needs admin"]);
    let good = Arc::clone(&desk.app.auth.rules.policy);
    for (broken, message) in [
        ("[tools.a", "line 1, column 9"),
        ("[tools.a]\npermissions = 1", "line 2, column 15"),
        ("[permissions.a]\nimplies = [\"a\"]", "circular implies: a → a"),
        ("\u{0}", "line 1, column "),
    ] {
        folder.write("policy.toml", broken);
        desk.policy_touched().must_show(&[message, "policy broken"]);
        assert_eq!(desk.app.auth.rules.policy, good);
    }
    std::fs::remove_file(&file).expect("it is removed");
    desk.policy_touched().must_show(&["no such file or directory", "policy broken"]);
    std::fs::create_dir(&file).expect("a directory in its place");
    desk.policy_touched().must_show(&["not a regular file"]);
    std::fs::remove_dir(&file).expect("it is removed");
    assert_eq!(desk.app.auth.rules.policy, good);
    folder.write("policy.toml", "");
    desk.policy_touched().must_show(&["The policy has no tools: every call is forbidden"]);
    desk.keys("Ctrl-7");
    assert_eq!(desk.app.auth.rules.policy, good, "undo restores the policy");
}

#[test]
fn a_failed_save_of_the_policy_is_explained_and_keeps_the_changes() {
    let folder = Folder::new();
    let (mut desk, file) = with_policy(&folder, FILE);
    desk.keys("Space Enter Ctrl-U").types(&format!("{file}/not")).keys("Enter");
    // The typed text is kept for correction.
    desk.must_show(&["policy file ", "unsaved changes", "save the policy"]);
    assert_eq!(std::fs::read_to_string(&file).expect("the file exists"), FILE);
}

#[test]
fn the_who_pane_follows_the_clock_as_well() {
    for (columns, rows) in [(80, 24), (40, 12)] {
        let mut desk = desk(columns, rows);
        desk.keys("3");
        assert!(desk.shows("✔ dying") && desk.shows("– early"), "{}", desk.screen());
        desk.waits(Duration::from_secs(5));
        assert!(desk.shows("✔ early"), "{}", desk.screen());
        desk.waits(Duration::from_secs(5));
        assert!(desk.shows("– dying"), "{}", desk.screen());
        let before = desk.screen();
        desk.waits(Duration::from_secs(1));
        // The countdown is visible if the sentence fits.
        assert!(columns < 60 || desk.screen() != before, "{before}");
    }
}

#[test]
fn unticking_and_ticking_a_permission_restores_the_policy() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F3 Esc 2 Home");
    let before = Arc::clone(&desk.app.auth.rules.policy);
    // No other tool uses `user`, but it is still listed and the cursor stays on it.
    desk.keys("Space").must_show(&["read_data", "[ ]", "user"]);
    assert_eq!(desk.app.auth.rules.policy.tool("read_data").map(ToolRule::needs).as_deref(), Some("admin"));
    desk.keys("Space");
    assert!(desk.app.auth.rules.policy.is_equivalent(&before), "{}", desk.screen());
    assert!(desk.app.policy_is_saved());
}

#[test]
fn an_unchanged_policy_file_keeps_unsaved_changes() {
    let folder = Folder::new();
    let (mut desk, _) = with_policy(&folder, FILE);
    desk.keys("Space");
    let edited = Arc::clone(&desk.app.auth.rules.policy);
    desk.policy_touched();
    assert_eq!(desk.app.auth.rules.policy, edited);
    // Applying the settings does not revert it.
    desk.keys("Ctrl-S Tab Enter");
    assert_eq!(desk.app.auth.rules.policy, edited, "{}", desk.screen());
    desk.must_show(&["policy changed"]);
}

#[test]
fn an_edit_of_the_policy_file_replaces_unsaved_changes_and_undo_restores_them() {
    let folder = Folder::new();
    let (mut desk, file) = with_policy(&folder, FILE);
    desk.keys("Space");
    let edited = Arc::clone(&desk.app.auth.rules.policy);
    let theirs = format!("{FILE}[tools.theirs]\npermissions = [\"user\"]\n");
    folder.write("policy.toml", &theirs);
    desk.policy_touched().must_show(&["Ctrl-7 restores your unsaved changes"]);
    assert!(desk.app.auth.rules.policy.tool("theirs").is_some());
    desk.keys("Ctrl-7");
    assert_eq!(desk.app.auth.rules.policy, edited);
    // Overwriting a change that the console has not loaded needs confirmation.
    let newer = theirs.replace("theirs", "newer");
    folder.write("policy.toml", &newer);
    desk.keys("Enter Enter").must_show(&["Overwrite"]);
    desk.keys("Esc");
    assert_eq!(std::fs::read_to_string(&file).ok(), Some(newer));
    desk.keys("Enter Enter Enter").must_show(&["policy saved to"]);
    assert!(desk.app.policy_is_saved());
}

/// On a slow disk the answer may arrive after the user has changed their mind.
#[test]
fn a_policy_that_is_read_too_late_is_ignored() {
    let folder = Folder::new();
    let (mut desk, file) = with_policy(&folder, FILE);
    let other = folder.write("other.toml", "[tools.other]\npermissions = []\n");
    let policy = portcullis::config::policy(other.as_ref()).expect("a policy");
    let late = || Msg::Policy { asked: other.clone(), read: Ok((other.clone(), Arc::clone(&policy))) };
    desk.keys("Ctrl-S Esc").tell(late());
    desk.keys("Ctrl-P").tell(late()).must_show(&["search commands"]).keys("Esc");
    desk.keys("Ctrl-S").tell(late()).must_show(&["settings"]).keys("Esc");
    assert_eq!(desk.app.policy_file.path, file);
    assert!(desk.app.auth.rules.policy.tool("other").is_none());
}

#[test]
fn another_policy_file_is_overwritten_only_after_confirmation() {
    let folder = Folder::new();
    let (mut desk, _) = with_policy(&folder, FILE);
    let other = folder.write("other.toml", "[tools.kept]\npermissions = []\n");
    desk.keys("Enter Ctrl-U").types(&other).keys("Enter").must_show(&["Overwrite"]);
    assert!(std::fs::read_to_string(&other).expect("the file exists").contains("kept"));
}

#[test]
fn quitting_warns_about_an_unsaved_policy() {
    let folder = Folder::new();
    let (mut desk, _) = with_policy(&folder, FILE);
    desk.keys("Ctrl-C").must_show(&["Quit? Tokens and activity"]);
    desk.keys("Esc Space Ctrl-C").must_show(&["The policy has unsaved changes"]);
}

#[test]
fn adopting_a_key_keeps_the_current_policy() {
    let folder = Folder::new();
    let (mut desk, _) = with_policy(&folder, FILE);
    desk.pastes(&sign_with(HEADER, r#"{"user_id":"u","permissions":["user"]}"#, b"another-secret-of-thirty-two-b-ok"));
    desk.keys("Ctrl-T").pastes("another-secret-of-thirty-two-b-ok").keys("Enter").must_show(&["matches this key"]);
    folder.write("policy.toml", FILE.replace("[\"user\"]", "[]"));
    desk.policy_touched().keys("Enter").must_show(&["this key now signs and verifies"]);
    assert_eq!(desk.app.auth.rules.policy.tool("read_data").map(|tool| tool.permissions.len()), Some(0));
}

#[test]
fn the_palette_removes_only_what_the_screen_shows() {
    let mut desk = desk(120, 36);
    desk.keys("Esc 2 Home Ctrl-P").types("remove").keys("Enter").must_show(&["read_data removed from the policy"]);
    assert_eq!(desk.app.auth.tokens.len(), 4);
    desk.keys("Ctrl-7 F2 Ctrl-P").types("remove the permission").keys("Enter").must_show(&["move to the permission"]);
    assert!(desk.app.policy_is_saved());
}

#[test]
fn an_expectation_cannot_be_set_for_a_token_that_fails_the_checks() {
    let mut desk = desk(120, 36);
    desk.keys("End Space").must_show(&["cannot set an expectation for a token that fails the checks", "NOT YET VALID"]);
    desk.pastes(&sign_with(HEADER, r#"{"user_id":"u","permissions":["admin"]}"#, b"forged-by-somebody-else-entirely"));
    desk.keys("F3 1 End Space").must_show(&["this one is"]);
    assert_eq!(desk.app.auth.rules.policy.parts().expectations, []);
}

#[test]
fn one_broken_expectation_in_a_group_is_marked() {
    let mut desk = desk(120, 36);
    // `dying` has the same permissions as user123: the first of the group is as expected and expires last.
    desk.keys("Home Down Ctrl-G Ctrl-G Space");
    assert_eq!(cell(&desk.app, 1, "read_data").expected, Some((ExpectedOutcome::Allowed, true)));
    desk.keys("Ctrl-G Ctrl-G Home Down").must_show(&["by permissions"]);
    assert_eq!(cell(&desk.app, 1, "read_data").expected, Some((ExpectedOutcome::Allowed, true)));
    desk.keys("Ctrl-G Ctrl-G Home Down Down Down Space Space");
    assert_eq!(cell(&desk.app, 3, "read_data").expected, Some((ExpectedOutcome::Forbidden, false)));
}

#[test]
fn broken_expectations_are_shown_wherever_the_cursor_is() {
    let folder = Folder::new();
    let line = "[[expect]]\npermissions = [\"user\"]\ntool = \"read_data\"\noutcome = \"allowed\"\n";
    let (mut desk, _) = with_policy(&folder, &format!("{FILE}{line}"));
    assert!(!desk.shows("broken"), "{}", desk.screen());
    desk.keys("Space").must_show(&["1 expectation broken", "read_data for user: expected allowed, got forbidden"]);
}

#[test]
fn the_column_under_the_cursor_is_visible_at_any_width() {
    let names = ["aaa", "bbb", "ccc", "ddd", "eee", "fff", "ggg", "hhh", "a-permission-of-sixteen"];
    let mut desk = Desk::with(
        Rules {
            policy: Arc::new(Policy::new([("a_tool", names)])),
            ..Rules::new(&Signer::hs256(SECRET, KeyOrigin::Program).expect("a key"))
        },
        46,
        20,
    );
    desk.keys("F3 Esc 2");
    for (n, name) in names.iter().enumerate() {
        let hit = desk
            .app
            .drawn
            .targets
            .iter()
            .any(|(area, target)| *target == Target::Cell(RULES, 0, n) && area.x + area.width < 46);
        assert!(hit, "{name}:\n{}", desk.screen());
        desk.keys("→");
    }
}

#[test]
fn unedited_arguments_follow_the_example_in_the_policy() {
    let folder = Folder::new();
    let (mut desk, _) = with_policy(&folder, FILE);
    let schema = "schema = { type = \"object\", required = [\"id\"], examples = [{ id = 7 }] }\n";
    folder.write("policy.toml", format!("{FILE}{schema}"));
    desk.policy_touched();
    assert_eq!(desk.app.call.arguments.text(), r#"{"id":7}"#);
}

#[test]
fn an_unimplemented_tool_is_amber_where_it_would_be_green() {
    let text = "[tools.gone]\npermissions = [\"user\"]\n[tools.later]\npermissions = [\"user\"]\nstub = true\n";
    let folder = Folder::new();
    let (mut desk, _) = with_policy(&folder, text);
    desk.keys("F2 Esc 1 Enter").types("user123").keys("Enter F3 Esc 1");
    desk.must_show(&["! allowed", "✔ allowed", "! allowed, no such tool", "! no such tool here"]);
    desk.keys("Esc 4").must_show(&["ALLOWED", "no such tool here: the policy allows gone"]);
    assert_eq!((desk.fill_of("! allowed"), desk.fill_of("✔ allowed")), (Color::Yellow, Color::Green));
    // A call that failed is not green either.
    desk.keys("Enter").must_show(&["tool_failed"]);
    assert_eq!(desk.calls(), 1);
}

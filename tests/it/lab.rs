//! The lab's example, key by key, as a new user of the console does it.

use rstest::rstest;

use std::sync::Arc;

use portcullis::auth::{KeyOrigin, Rules, Signer};
use portcullis::store::Memory;

use crate::desk::{Desk, SECRET};

#[rstest]
#[case(120, 36)]
#[case(80, 24)]
#[case(40, 12)]
fn the_whole_example_takes_at_most_31_keys(#[case] columns: u16, #[case] rows: u16) {
    let rules = Rules::new(&Signer::hs256(SECRET, KeyOrigin::Program).expect("a key"));
    let mut desk = Desk::untouched(rules, Arc::new(Memory::default()), columns, rows);
    desk.keys("Enter").types("user123").keys("Enter Space → Space Shift-Tab").types("admin456").keys("Enter");
    assert_eq!(desk.tokens(), 2);

    desk.keys("Alt-4 Ctrl-↑ Enter").must_show(&["read_data", r#"{"success":true,"result":{"id":1}}"#]);
    desk.keys("→ Enter").must_show(&["write_data", "FORBIDDEN", "permission_missing", r#"{"error":"forbidden"}"#]);
    desk.must_show(&["user", "admin"]);
    desk.keys("Ctrl-↓ Enter").must_show(&["ALLOWED", r#"{"success":true,"result":"written"}"#]);
    desk.keys("Ctrl-↓ Enter").must_show(&["UNAUTHORIZED", "missing_token", r#"{"error":"unauthorized"}"#]);

    assert!(desk.keys_pressed <= 31, "{} keys", desk.keys_pressed);
    assert_eq!(desk.calls(), 4);
}

#[test]
fn moving_around_never_calls_a_tool() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Esc 4 → → → Ctrl-↑ Ctrl-↓ Tab").types(" ").keys("Esc 5 ↑ ↓ Esc F1 Esc");
    assert_eq!(desk.calls(), 0);
    desk.must_show(&["No calls yet"]);
}

#[test]
fn arguments_follow_the_tool_until_they_are_edited() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Alt-4 →").must_show(&[r#"args  {"data": "new"}"#]);
    desk.keys("Tab Home Ctrl-K").types(r#"{"mine": 1}"#).keys("Shift-Tab ←").must_show(&[r#"args  {"mine": 1}"#]);
}

#[test]
fn arguments_that_are_not_json_are_reported_before_and_after_the_call() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Alt-4 Tab Backspace");
    desk.must_show(&["arguments: the JSON ends early at line", "1, column 8"]);
    desk.keys("Enter").must_show(&[r#"{"error":"invalid_arguments"}"#, "ALLOWED"]);
}

#[test]
fn the_last_call_is_repeated_with_its_own_token() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Alt-4 Enter Ctrl-↑ Ctrl-O");
    assert_eq!(desk.calls(), 2);
    desk.must_show(&["token ‹ (no token) ›", r#"{"success":true,"result":{"id":1}}"#]);
}

#[test]
fn a_call_in_the_log_can_be_opened_and_loaded_into_the_form() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Alt-4 → Enter ← Ctrl-↑ Esc 5 Enter");
    desk.must_show(&["call 1", "why", "arguments", "answer", r#"{"error":"forbidden"}"#]);
    desk.keys("Enter").must_show(&["tool  ‹ write_data ›", "token ‹ user123"]);
}

#[test]
fn copying_is_confirmed_and_an_explanation_contains_no_token() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Ctrl-Y");
    assert_eq!(desk.copied(), &*desk.token());
    desk.must_show(&["to the terminal's clipboard"]);
    desk.keys("Alt-4 → Enter Ctrl-Y");
    assert_eq!(desk.copied(), r#"{"error":"forbidden"}"#);
    desk.keys("Ctrl-X");
    let why = desk.copied();
    assert!(
        why.starts_with("FORBIDDEN permission_missing: the token holds user; write_data needs admin\ntoken "),
        "{why}"
    );
    assert!(why.contains("✘ permission held") && !why.contains("eyJ"), "{why}");
}

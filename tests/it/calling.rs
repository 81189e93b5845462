//! The form of a call and its answer, as a user of a server with other tools than ours fills in the one and reads the
//! other.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use portcullis::app::frame_info::Target;
use portcullis::app::pane::call::{FORM, asks_first};
use portcullis::app::{Msg, Pane};
use portcullis::auth::{KeyOrigin, Permit, Policy, Rules, Signer};
use portcullis::clock::{Clock as _, SystemClock};
use portcullis::gate::ports::{Arguments, Backend, BoxFuture, ToolError, ToolInfo};
use rstest::rstest;
use serde_json::{Value, json};

use crate::desk::{Desk, SECRET};

/// Tools with schemas as servers have them. A tool answers with what was sent, or with a result of its own.
struct Server {
    tools: Vec<ToolInfo>,
    answer: Option<Value>,
}

impl Backend for Server {
    fn tools(&self) -> Arc<[ToolInfo]> {
        self.tools.clone().into()
    }

    fn call<'a>(&'a self, _: &'a Permit, arguments: Arguments) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(future::ready(Ok(self.answer.clone().unwrap_or_else(|| json!({ "sent": arguments })))))
    }
}

fn tool(name: &str, schema: Value) -> ToolInfo {
    ToolInfo {
        name: name.into(),
        title: None,
        description: "a tool of another server".into(),
        schema,
        example: "{}".into(),
        reads_only: false,
        destroys: false,
        is_idempotent: false,
    }
}

fn create_issue() -> ToolInfo {
    let schema = json!({
        "type": "object",
        "required": ["title"],
        "additionalProperties": false,
        "properties": {
            "title": {"type": "string", "description": "what is wrong"},
            "count": {"type": "integer", "minimum": 1, "maximum": 10, "default": 5},
            "urgent": {"type": "boolean"},
            "state": {"enum": ["open", "closed"]},
            "labels": {"type": "array", "items": {"type": "string"}},
            "filter": {"type": "object", "properties": {"since": {"type": "string", "format": "date-time"}}},
        },
    });
    tool("create_issue", schema)
}

fn rules(tools: &[ToolInfo]) -> Rules {
    let table = |tool: &ToolInfo| format!("[tools.{}]\npermissions = [\"user\"]\n", tool.name);
    let policy = Policy::parse(&tools.iter().map(table).collect::<String>()).expect("a policy");
    let rules = Rules::new(&Signer::hs256(SECRET, KeyOrigin::Program).expect("a key"));
    Rules { policy: Arc::new(policy), ..rules }
}

/// A console with a token of user123 and the focus on the tool in Call.
fn desk(tools: Vec<ToolInfo>, answer: Option<Value>, columns: u16, rows: u16) -> Desk {
    let rules = rules(&tools);
    let mut desk = Desk::in_front_of(Arc::new(Server { tools, answer }), rules, columns, rows);
    desk.keys("Enter").types("user123").keys("Enter Alt-4");
    desk
}

fn arguments(desk: &Desk) -> &str {
    desk.app.call.arguments.text()
}

#[rstest]
#[case(120, 36)]
#[case(80, 24)]
fn a_form_is_filled_in_and_called_from_its_last_field(#[case] columns: u16, #[case] rows: u16) {
    let mut desk = desk(vec![create_issue()], None, columns, rows);
    desk.must_show(&["args  {}", "title*", "! required", "default 5"]);
    desk.keys("Tab Tab Enter").types("It fails").keys("Tab").types("3");
    desk.must_show(&[r#"args  {"title": "It fails", "count": 3}"#, "integer, 1 to 10, default 5", "ALLOWED"]);
    desk.keys("↓ → ↓ Enter Enter");
    assert_eq!(arguments(&desk), r#"{"title": "It fails", "count": 3, "urgent": true, "state": "closed"}"#);
    desk.keys("↓ Enter").types("bug").keys("Enter");
    let called = r#"{"success":true,"result":{"sent":{"title":"It fails","count":3,"urgent":true,"state":"closed","labels":["bug"]}}}"#;
    let record = desk.app.auth.activity.newest().next().expect("a call");
    assert_eq!(&*record.answer, called);
    assert_eq!(desk.calls(), 1);
}

#[test]
fn what_is_typed_into_a_number_is_kept_and_reported_and_never_sent_unseen() {
    let mut desk =
        desk(vec![create_issue(), tool("other", json!({"type": "object", "required": ["x"]}))], None, 80, 24);
    desk.keys("Tab Tab ↓ Enter").types("12x");
    desk.must_show(&[r#"args  {"count": "12x"}"#, "expected an integer, got a string"]);
    desk.keys("Esc").must_show(&["! 12x", "expected an integer"]);
    // The error is named wherever the cursor is, with the number of the others.
    desk.keys("↓").must_show(&["title: required; 1 more"]);
    desk.keys("Esc Alt-4").must_show(&["arguments: title: required; 1 more"]);
    // Another tool does not accept it and begins with its own example; back at the first one, it is there again.
    desk.keys("Alt-4 →").must_show(&["‹ other ›", "args  {}"]);
    desk.keys("←").must_show(&["‹ create_issue ›", r#"args  {"count": "12x"}"#]);
    desk.keys("Tab Tab ↓ Enter").must_show(&["12x"]);
    desk.keys("Backspace Ctrl-7 Ctrl-7");
    assert_eq!(arguments(&desk), "{}");
    desk.keys("Ctrl-R");
    assert_eq!(arguments(&desk), r#"{"count": "12x"}"#);
}

#[test]
fn tab_goes_from_field_to_field_while_typing_and_enter_edits_an_object_as_a_whole() {
    let mut desk = desk(vec![create_issue()], None, 120, 36);
    desk.keys("Tab Tab Enter").types("a").keys("Tab").types("3").keys("Tab");
    // The values of a choice are chosen with the arrows; past it, typing goes on.
    desk.must_show(&["▸ urgent"]).keys("← Tab → Tab Tab").must_show(&["▸   since"]);
    desk.types("x").keys("Tab");
    assert_eq!(
        arguments(&desk),
        r#"{"title": "a", "count": 3, "urgent": false, "state": "open", "filter": {"since": "x"}}"#
    );
    desk.keys("Alt-4 Tab Tab Tab Tab Tab Tab Tab").must_show(&["▸ filter"]);
    desk.keys("Enter Ctrl-U").types("{").keys("Esc").must_show(&["expected an object, got a string"]);
    assert!(arguments(&desk).ends_with(r#""filter": "{"}"#), "{}", arguments(&desk));
}

#[test]
fn large_numbers_keep_their_digits_through_fields_and_json() {
    let mut desk = desk(vec![create_issue()], None, 120, 36);
    desk.keys("Tab Ctrl-U").types(r#"{"count": 1.50, "mine": 9007199254740993}"#).keys("Tab Enter").types("a");
    assert_eq!(arguments(&desk), r#"{"count": 1.50, "mine": 9007199254740993, "title": "a"}"#);
    desk.keys("↓").must_show(&["expected an integer, got 1.50"]);
    desk.keys("Esc End").must_show(&["not in the schema, which accepts no"]);
}

#[test]
fn letters_never_change_a_value_outside_an_edit() {
    let mut desk = desk(vec![create_issue()], None, 120, 36);
    desk.keys("Tab Tab ↓ ↓").must_show(&["▸ urgent"]);
    for letter in 'a'..='z' {
        let before = arguments(&desk).to_owned();
        desk.keys(&letter.to_string());
        assert_eq!(arguments(&desk), before, "{letter}");
        desk.keys("Esc Esc F2 Alt-4 Tab Tab");
    }
    assert_eq!((desk.calls(), arguments(&desk)), (0, "{}"));
    desk.app.call.row = 0;
    desk.keys("j j").must_show(&["▸ urgent"]);
}

#[test]
fn a_value_is_unset_by_del_and_an_item_is_removed() {
    let mut desk = desk(vec![create_issue()], None, 120, 36);
    desk.keys("Tab Ctrl-U").types(r#"{"title": "a", "labels": ["x", "y"]}"#).keys("Tab Del");
    assert_eq!(arguments(&desk), r#"{"labels": ["x", "y"]}"#);
    desk.keys("↓ ↓ ↓ ↓ ↓").must_show(&["▸   [0]"]);
    desk.keys("Del");
    assert_eq!(arguments(&desk), r#"{"labels": ["y"]}"#);
    desk.keys("Ctrl-7");
    assert_eq!(arguments(&desk), r#"{"labels": ["x", "y"]}"#);
    // Elsewhere in the pane, Del has nothing to remove.
    desk.keys("Shift-Tab Shift-Tab Del");
    assert_eq!(desk.tokens(), 1);
}

#[test]
fn arguments_stay_when_the_schema_changes_under_them() {
    let mut desk = desk(vec![create_issue()], None, 120, 36);
    desk.keys("Tab Tab Enter").types("It fails").keys("Esc");
    let policy = Policy::parse(
        "[tools.create_issue]\npermissions = [\"user\"]\nschema = { type = \"object\", properties = { subject = { type = \"string\" } } }\n",
    );
    desk.gate.shared().update(|state| state.set_policy(Arc::new(policy.expect("a policy"))));
    desk.tell(Msg::Woke).must_show(&["subject", "It fails", "not in the schema"]);
    assert_eq!(arguments(&desk), r#"{"title": "It fails"}"#);
}

#[test]
fn text_that_is_not_an_object_stays_and_the_form_says_why_it_is_empty() {
    let mut desk = desk(vec![create_issue()], None, 120, 36);
    desk.keys("Tab Ctrl-U").types("[1, 2").keys("Tab").must_show(&["args  [1, 2", "not an object", "ends early"]);
    desk.keys("Enter ↑ ↓ ← → Del");
    assert_eq!((arguments(&desk), desk.calls()), ("[1, 2", 0));
}

#[rstest]
#[case(120, 36)]
#[case(80, 24)]
#[case(40, 12)]
fn sixty_arguments_scroll_and_the_verdict_stays_in_sight(#[case] columns: u16, #[case] rows: u16) {
    let properties: serde_json::Map<String, Value> =
        (0..60).map(|n| (format!("property_{n}"), json!({"type": "string"}))).collect();
    let mut desk = desk(vec![tool("wide", json!({"properties": properties}))], None, columns, rows);
    desk.keys("Tab Tab").must_show(&["▸ property_0", "of 60", "ALLOWED"]);
    desk.keys("End").must_show(&["▸ property_59", "ALLOWED"]);
    desk.keys("Enter").types("x").must_show(&["ALLOWED"]);
    assert_eq!(arguments(&desk), r#"{"property_59": "x"}"#);
}

#[test]
fn a_click_chooses_a_row_and_a_second_one_begins_to_edit_but_never_calls() {
    let mut desk = desk(vec![create_issue()], None, 120, 36);
    desk.clicks(Target::Row(FORM, 1)).must_show(&["▸ count"]);
    desk.clicks(Target::Row(FORM, 1)).types("4");
    assert_eq!((arguments(&desk), desk.calls()), (r#"{"count": 4}"#, 0));
    desk.clicks(Target::Row(FORM, 1)).clicks(Target::Row(FORM, 1)).clicks(Target::Row(FORM, 1));
    assert_eq!(desk.calls(), 0);
}

#[test]
fn the_built_in_tools_are_called_as_fast_as_ever() {
    let mut desk = Desk::new(80, 24);
    desk.types("user123").keys("Enter");
    desk.keys_pressed = 0;
    desk.keys("Alt-4 Enter").must_show(&[r#"{"success":true,"result":{"id":1}}"#, "form    id   1"]);
    assert_eq!((desk.calls(), desk.keys_pressed), (1, 2));
}

#[test]
fn only_tools_of_other_servers_that_may_change_something_ask_first() {
    let reader = ToolInfo { reads_only: true, ..tool("a", json!({})) };
    let destroyer = ToolInfo { destroys: true, ..tool("a", json!({})) };
    let contradiction = ToolInfo { reads_only: true, destroys: true, ..tool("a", json!({})) };
    for (info, foreign) in [(reader, false), (destroyer, true), (contradiction, true), (tool("a", json!({})), true)] {
        assert_eq!((asks_first(&info, true), asks_first(&info, false)), (foreign, false), "{info:?}");
    }
}

#[test]
fn our_own_gate_calls_a_tool_that_may_destroy_without_a_question() {
    let delete = ToolInfo { destroys: true, ..tool("delete_all", json!({})) };
    let mut desk = desk(vec![delete], None, 80, 24);
    desk.keys("Enter");
    assert_eq!(desk.calls(), 1);
    desk.keys("Ctrl-O Ctrl-F");
    assert_eq!(desk.calls(), 4, "with the token and without one");
}

/// A result as MCP servers send it.
fn report(lines: usize) -> Value {
    let text: Vec<String> = (0..lines).map(|n| format!("line {n} of the report")).collect();
    json!({
        "content": [
            {"type": "text", "text": text.join("\n")},
            {"type": "image", "mimeType": "image/png", "data": "AAAA".repeat(4096)},
            {"type": "resource_link", "uri": "https://example.org/report", "name": "report"},
        ],
        "structuredContent": {"rows": [{"id": 1}, {"id": 2}]},
    })
}

#[rstest]
#[case(120, 36)]
#[case(80, 24)]
#[case(40, 12)]
fn a_long_answer_begins_in_the_pane_and_scrolls_in_full(#[case] columns: u16, #[case] rows: u16) {
    let mut desk = desk(vec![create_issue()], Some(report(500)), columns, rows);
    desk.keys("Enter");
    if rows > 12 {
        desk.must_show(&["line 0 of the report", "PgDn shows the whole answer"]);
    }
    desk.keys("PgDn").must_show(&["answer of create_issue", "line 0 of the report", "more"]);
    desk.keys("End").must_show(&["[1]: 1 member", "id: 2", "above"]);
    desk.keys("/").types("IMAGE/png").keys("Enter").must_show(&["image: image/png, 12.0 KiB"]);
    desk.keys("/ Ctrl-U").types("nowhere").keys("Enter").must_show(&["not found: nowhere"]);
    desk.tell(Msg::Resized { columns: 100, rows: 30 }).must_show(&["answer of create_issue"]);
    desk.keys("Ctrl-Y");
    assert!(desk.copied().starts_with(r#"{"success":true,"result":{"content":[{"type":"text""#));
    desk.keys("Esc Esc");
    assert!(!desk.shows("answer of create_issue"));
}

#[rstest]
#[case(80, 24)]
#[case(60, 20)]
#[case(40, 12)]
fn the_form_and_the_answer_at_every_size_of_one_pane(#[case] columns: u16, #[case] rows: u16) {
    let mut desk = desk(vec![create_issue()], Some(report(500)), columns, rows);
    desk.keys("Tab Tab Enter").types("It fails").keys("Tab").types("12x").keys("Tab → Tab Tab Tab Esc");
    desk.waits(Duration::from_secs(6));
    insta::assert_snapshot!(format!("form-{columns}x{rows}"), desk.screen());
    desk.keys("Alt-4 Enter");
    insta::assert_snapshot!(format!("called-{columns}x{rows}"), desk.screen());
    desk.keys("PgDn PgDn");
    insta::assert_snapshot!(format!("answer-{columns}x{rows}"), desk.screen());
}

#[test]
fn the_answer_opens_from_the_palette_in_any_pane_and_its_copy_is_the_answer() {
    let mut desk = desk(vec![create_issue()], Some(report(3)), 120, 36);
    desk.keys("Enter Alt-2 :").types("last answer in full").keys("Enter");
    assert_eq!(desk.app.focus.pane, Pane::Tokens);
    desk.must_show(&["answer of create_issue", "https://example.org/report"]).keys("Ctrl-Y");
    assert!(!desk.copied().contains("eyJ") && desk.copied().contains("structuredContent"));
}

#[test]
fn an_answer_of_four_megabytes_does_not_slow_the_frames() {
    let text: String = (0..40_000)
        .map(|n| format!("{n}: a line of a hundred bytes, more or less, {}", "x".repeat(50)))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(text.len() > 3 << 20);
    let answer = json!({"content": [{"type": "text", "text": text}]});
    let fastest = |answer: Value, keys: &str| {
        let mut desk = desk(vec![create_issue()], Some(answer), 120, 36);
        desk.keys(keys);
        let clock = SystemClock::new();
        let frame = |_| {
            let start = clock.monotonic();
            drop(desk.draw());
            clock.monotonic().saturating_sub(start)
        };
        (0..20).map(frame).min().unwrap_or(Duration::MAX)
    };
    for keys in ["Enter", "Enter PgDn PgDn PgDn"] {
        let (small, large) = (fastest(report(500), keys), fastest(answer.clone(), keys));
        assert!(large < small * 3, "{keys}: {large:?} for a frame, {small:?} with a small answer");
    }
}

//! Navigation and edits: every key does what the footer says, and edits can be undone.

use std::time::Duration;

use portcullis::app::action::Action;
use portcullis::app::frame_info::Target;
use portcullis::app::keymap;
use portcullis::app::overlay::Overlay;
use portcullis::app::pane::{activity, call, issue, tokens};
use portcullis::app::{Effect, Mouse, MouseKind, Msg, Pane, Screen};
use portcullis::auth::Leeway;
use rstest::rstest;

use crate::desk::Desk;

#[test]
fn undo_restores_a_removed_token_at_its_old_position() {
    let mut desk = Desk::new(120, 36);
    for user in ["a", "b", "c"] {
        desk.types(user).keys("Enter Shift-Tab");
    }
    desk.keys("Esc 2 ↑ Del");
    assert_eq!(desk.tokens(), 2);
    desk.must_show(&["b removed; Ctrl-7 restores it"]);
    desk.keys("Ctrl-7");
    let names: Vec<_> = desk.app.auth.tokens.iter().map(|t| t.judged.name.clone().unwrap_or_default()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    desk.keys("Ctrl-R");
    assert_eq!(desk.tokens(), 2);
    desk.keys("Ctrl-7");
    assert_eq!(desk.tokens(), 3);
}

#[test]
fn the_no_token_row_cannot_be_removed() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").keys("Enter Esc 2 ↑ Del Del");
    assert_eq!(desk.tokens(), 1);
}

#[test]
fn text_typed_into_one_field_is_undone_in_one_step() {
    let mut desk = Desk::new(120, 36);
    desk.types("user").keys("Tab Space Ctrl-7");
    assert_eq!(desk.app.issue.permissions(), ["user"]);
    desk.keys("Ctrl-7");
    assert!(desk.app.issue.user_id.is_empty());
    desk.keys("Ctrl-R Ctrl-R");
    assert_eq!((desk.app.issue.user_id.text(), desk.app.issue.permissions().len()), ("user", 0));
}

#[test]
fn escape_steps_out_and_never_quits() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Ctrl-P Esc Esc Esc Esc Esc Esc");
    assert!(desk.left.is_empty());
    assert_eq!(desk.app.focus.field, None);
}

#[test]
fn quitting_asks_once() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Ctrl-C").must_show(&["Quit?", "Enter quit"]);
    desk.keys("Esc");
    assert!(desk.left.is_empty());
    desk.keys("Ctrl-C Ctrl-C");
    assert!(matches!(desk.left.as_slice(), [Effect::Quit]));
}

#[test]
fn a_digit_is_typed_into_a_text_field_and_selects_a_pane_elsewhere() {
    let mut desk = Desk::new(120, 36);
    desk.types("user1").keys("Esc 4 1");
    assert_eq!((desk.app.focus.pane, desk.app.issue.user_id.text()), (Pane::Issue, "user1"));
    desk.keys("Alt-3");
    assert_eq!(desk.app.focus.pane, Pane::Inspect);
}

#[test]
fn tab_arrows_and_enter_alone_reach_every_pane() {
    let mut desk = Desk::new(80, 24);
    let mut seen = vec![];
    for _ in 0..20 {
        desk.keys("Tab");
        if !seen.contains(&desk.app.focus.pane) {
            seen.push(desk.app.focus.pane);
        }
    }
    assert_eq!(seen.len(), Screen::Gate.panes().len());
}

#[test]
fn every_command_is_found_and_run_from_the_palette() {
    for binding in keymap::BINDINGS.iter().filter(|binding| binding.is_command()) {
        let mut desk = Desk::new(120, 36);
        desk.types("a").keys("Enter Ctrl-P").pastes(binding.words);
        let Some(Overlay::Palette(palette)) = desk.app.overlays.last() else { panic!("the palette is not open") };
        assert!(palette.matches().iter().any(|found| found.action == binding.action), "{}", binding.words);
        let (before, left) = (desk.screen(), desk.left.len());
        desk.keys("Enter");
        assert!(!matches!(desk.app.overlays.last(), Some(Overlay::Palette(_))), "{}", binding.words);
        // Every command has a visible effect: a change below the palette, a message, or a request to the shell.
        assert!(desk.screen() != before || desk.left.len() > left, "{} did nothing", binding.words);
    }
}

#[test]
fn the_time_format_is_changed_from_the_palette() {
    let mut desk = Desk::new(120, 36);
    desk.types("a")
        .keys("Enter Ctrl-P")
        .types("epoch")
        .keys("Enter")
        .must_show(&["times shown as local time", "21:40:00+01:00"]);
    desk.keys("Ctrl-P").types("epoch").keys("Enter").must_show(&["1795380000"]);
}

#[test]
fn another_key_is_tried_and_adopted() {
    let token = crate::forge::sign_with(
        r#"{"alg":"HS256"}"#,
        r#"{"user_id":"py","permissions":["user"],"exp":1795383600}"#,
        b"my-secret",
    );
    let mut desk = Desk::new(120, 36);
    desk.pastes(&token).must_show(&["INVALID  bad_signature", "Ctrl-T try another key"]);
    desk.keys("Ctrl-T").types("wrong").must_show(&["•••••", "5 characters; never shown"]);
    desk.keys("Enter").must_show(&["invalid signature"]);
    desk.keys("Ctrl-U").types("my-secret").keys("Enter").must_show(&["The signature matches this key"]);
    assert!(!desk.shows("my-secret"));
    desk.keys("Enter").must_show(&["VALID  1h 00m left", "weak key", "! weak key: 72 bits"]);
}

#[test]
fn invalid_settings_are_reported_and_the_input_is_kept() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Ctrl-S Ctrl-U").types("1h").keys("Enter").must_show(&["leeway: expected whole seconds, at most 300s"]);
    desk.keys("Ctrl-U").types("5s").keys("Tab").types("me").keys("Tab Tab").types("/no/such/policy").keys("Enter");
    desk.must_show(&["policy file /no/such/policy: no such file or directory"]);
    desk.keys("Ctrl-U Enter").must_show(&["settings applied"]);
    assert_eq!(desk.app.auth.rules.issuer().map(|issuer| &**issuer), Some("me"));
    assert_eq!(desk.app.auth.rules.leeway, Leeway::seconds(5));
}

#[test]
fn settings_are_applied_only_after_the_new_key_is_entered() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Ctrl-S Ctrl-U").types("5s").keys("Up Right Enter").must_show(&["Enter the signing key"]);
    assert_eq!(desk.app.auth.rules.leeway, Leeway::NONE, "half of the settings were applied");
    desk.keys("Enter").must_show(&["enter the secret first"]);
    desk.keys("Esc").must_show(&["settings", "‹ enter another ›"]);
    desk.keys("Enter").types("my-secret").keys("Enter").must_show(&["weak key", "settings applied"]);
    assert_eq!(desk.app.auth.rules.leeway, Leeway::seconds(5));
}

#[test]
fn the_header_shows_the_settings_that_decisions_use() {
    let mut desk = Desk::new(120, 36);
    assert!(!desk.shows("leeway"));
    desk.keys("Ctrl-S Ctrl-U").types("5s").keys("Tab").types("me").keys("Enter");
    desk.must_show(&["leeway 5s   iss me"]);
}

#[test]
fn undoing_a_loaded_call_restores_the_whole_form() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Alt-4 Right Enter");
    desk.keys("Left").keys("Ctrl-Down").must_show(&["token ‹ (no token) ›", "tool  ‹ read_data ›", r#"{"id": 1}"#]);
    desk.keys("Alt-5 Enter Enter").must_show(&["token ‹ user123", "tool  ‹ write_data ›", r#"{"data": "new"}"#]);
    desk.keys("Ctrl-7").must_show(&["token ‹ (no token) ›", "tool  ‹ read_data ›", r#"{"id": 1}"#]);
    desk.keys("Right").must_show(&[r#"{"data": "new"}"#]);
}

#[test]
fn a_removal_is_redone_after_its_paste_is_redone() {
    let mut desk = Desk::new(120, 36);
    desk.pastes("Bearer eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYSJ9.AAAA").keys("Alt-2 Del");
    assert_eq!(desk.tokens(), 0);
    desk.keys("Ctrl-7 Ctrl-7 Ctrl-R");
    assert_eq!(desk.tokens(), 1);
    desk.keys("Ctrl-R");
    assert_eq!(desk.tokens(), 0);
}

#[test]
fn a_long_call_in_the_log_shows_how_much_was_truncated() {
    let mut desk = Desk::new(120, 36);
    let long = format!("{{\"data\": \"{}\"}}", "x".repeat(5000));
    desk.types("user123").keys("Enter Alt-4 Tab Ctrl-U").pastes(&long).keys("Enter");
    desk.keys("Alt-5 Enter End").must_show(&["… (+", " bytes)"]);
    desk.keys("Enter").must_show(&["the log truncated the arguments; the last 916 B are missing"]);
}

#[test]
fn the_palette_runs_possible_commands_and_explains_the_others() {
    let mut desk = Desk::new(120, 36);
    let run = |desk: &mut Desk, words: &str| {
        desk.keys("Ctrl-P").types(words).keys("Enter");
    };
    run(&mut desk, "remove the token");
    desk.must_show(&["select a token to remove"]);
    run(&mut desk, "repeat the last call");
    desk.must_show(&["no call to repeat yet"]);
    run(&mut desk, "undo");
    desk.must_show(&["nothing to undo"]);
    desk.types("user123").keys("Enter");
    run(&mut desk, "remove the token");
    assert_eq!(desk.tokens(), 0);
}

#[test]
fn labelling_a_token_can_be_undone() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Ctrl-N").must_show(&["label the token", "Enter set label"]);
    desk.types("laptop").keys("Enter").must_show(&["▸ laptop · use", "‹ laptop · user123 ·"]);
    desk.keys("Alt-2 Del Ctrl-7").must_show(&["▸ laptop · use"]);
    desk.keys("Ctrl-N Ctrl-U").pastes("two\nlines\n").keys("Enter").must_show(&["‹ two lines · user123 ·"]);
    desk.keys("Ctrl-7").must_show(&["‹ laptop · user123 ·"]);
    desk.keys("Ctrl-7").waits(Duration::from_secs(6));
    assert!(!desk.shows("laptop"), "{}", desk.screen());
    desk.keys("Ctrl-R").must_show(&["‹ laptop · user123 ·"]);
    desk.keys("Ctrl-N Ctrl-U Enter");
    assert!(!desk.shows("laptop"), "{}", desk.screen());
    desk.keys("Alt-2 Up Ctrl-N").must_show(&["select a token to label"]);
}

#[test]
fn a_pasted_token_goes_to_inspect_even_while_a_label_is_typed() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Ctrl-N").types("lap");
    desk.pastes("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYSJ9.AAAA").must_show(&["1 token read"]);
    assert_eq!((desk.tokens(), desk.app.focus.pane), (2, Pane::Inspect));
    desk.types("top").keys("Enter").must_show(&["  laptop · u"]);
}

#[test]
fn a_click_on_the_newest_call_keeps_following_new_calls() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Alt-4 Enter");
    desk.clicks(Target::Row(activity::LIST, 0));
    desk.keys("Ctrl-O Enter").must_show(&["call 2"]);
}

#[test]
fn an_expected_issuer_is_compared_with_the_token() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").keys("Enter Ctrl-S Tab").types("me").keys("Enter");
    desk.must_show(&["INVALID  issuer_mismatch", "the token has no issuer (iss)", "UNAUTHORIZED  issuer_mismatch"]);
}

#[test]
fn clicks_focus_fields_tick_boxes_and_press_footer_keys() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").clicks(Target::Row(issue::PERMISSIONS, 1)).clicks(Target::Do(Action::Act));
    assert_eq!(desk.app.selected().expect("issued").judged.permissions, ["user", "admin"]);
    desk.clicks(Target::Row(tokens::LIST, 0));
    assert_eq!(desk.app.selected, None);
    desk.clicks(Target::Field(call::TOOL));
    assert_eq!(desk.app.focus.field, Some(call::TOOL));
    desk.clicks(Target::Do(Action::Help)).must_show(&["help: Call"]);
    desk.clicks(Target::Backdrop);
    assert!(desk.app.overlays.is_empty());
}

#[test]
fn the_wheel_scrolls_the_pane_under_the_pointer() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").keys("Enter");
    let (area, _) = *desk.app.drawn.targets.iter().find(|(_, t)| *t == Target::Pane(Pane::Tokens)).expect("a pane");
    let mouse = Mouse { kind: MouseKind::WheelUp, column: area.x + 1, row: area.y + 1 };
    desk.tell(Msg::Mouse(mouse));
    assert_eq!((desk.app.selected, desk.app.focus.pane), (None, Pane::Issue));
}

#[rstest]
#[case(160, 50)]
#[case(120, 36)]
#[case(80, 24)]
#[case(60, 20)]
#[case(40, 12)]
fn the_footer_shows_whole_words_and_always_the_main_action(#[case] columns: u16, #[case] rows: u16) {
    let mut desk = Desk::new(columns, rows);
    desk.types("a").keys("Enter").waits(std::time::Duration::from_secs(5));
    for pane in ["Alt-1", "Alt-2", "Alt-3", "Alt-4"] {
        desk.keys(pane);
        let screen = desk.screen();
        let footer = screen.lines().last().unwrap_or_default();
        assert!(footer.contains("Enter") && !footer.contains('…'), "{footer}");
    }
}

#[test]
fn five_hundred_resizes_lose_no_input() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Tab Space Alt-4 Tab").types(" ");
    for n in 0..500u16 {
        desk.tell(Msg::Resized { columns: n * 7 % 200, rows: n * 3 % 60 });
    }
    desk.tell(Msg::Resized { columns: 120, rows: 36 });
    assert_eq!((desk.app.issue.user_id.text(), desk.app.call.arguments.text()), ("user123", "{\"id\": 1} "));
}

#[test]
fn a_small_terminal_shows_the_size_that_is_needed() {
    assert_eq!(Desk::new(20, 5).screen().trim(), "portcullis needs\n40×12");
    assert_eq!(Desk::new(39, 12).screen().trim(), "portcullis needs 40×12");
}

#[test]
fn the_issue_button_issues_a_token_wherever_the_focus_is() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").keys("Alt-4 → →").clicks(Target::Button(Pane::Issue));
    assert_eq!((desk.tokens(), desk.calls(), desk.app.focus.pane), (1, 0, Pane::Issue));
}

#[test]
fn the_help_link_in_the_header_can_be_clicked() {
    for columns in [40, 80, 120] {
        let mut desk = Desk::new(columns, 36);
        desk.tell(Msg::Mouse(Mouse { kind: MouseKind::Click, column: columns - 3, row: 0 }));
        desk.must_show(&["help: Issue"]);
    }
}

#[test]
fn the_footer_can_be_clicked() {
    let mut desk = Desk::new(120, 36);
    desk.clicks(Target::Do(Action::Palette)).must_show(&["commands"]);
}

#[test]
fn a_scrolled_pane_shows_the_right_rows_in_a_larger_window() {
    let mut desk = Desk::new(60, 20);
    desk.types("a").keys("Enter Alt-3 ↓ ↓ ↓").tell(Msg::Resized { columns: 160, rows: 50 });
    desk.must_show(&["user_id     a", "permissions  user ", "exp         2026-11-22 21:40:00Z", "typ         JWT"]);
}

#[test]
fn undoing_a_loaded_call_restores_typed_arguments() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").keys("Enter Alt-4 Enter Tab Home Ctrl-K").types(r#"{"mine":1}"#).keys("Esc 5 Enter Enter Ctrl-7");
    assert_eq!(desk.app.call.arguments.text(), r#"{"mine":1}"#);
}

#[test]
fn undoing_a_name_typed_after_issuing_restores_the_first_name() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Shift-Tab").types("admin456").keys("Ctrl-7");
    assert_eq!(desk.app.issue.user_id.text(), "user123");
}

#[test]
fn undoing_a_paste_keeps_no_token_selected() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").keys("Enter").pastes("eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.").keys("Alt-2 Home Ctrl-7");
    assert_eq!((desk.tokens(), desk.app.selected), (1, None));
}

#[test]
fn copying_under_a_prompt_copies_nothing() {
    let mut desk = Desk::new(120, 36);
    desk.types("a").keys("Enter Ctrl-C Ctrl-Y");
    assert!(desk.left.is_empty());
}

#[test]
fn the_footer_offers_to_copy_exactly_when_there_is_something_to_copy() {
    let mut desk = Desk::new(120, 36);
    for keys in ["", "u s e r Enter", "Alt-4 Enter", "F4 Alt-3 Enter Alt-4 Enter", "Ctrl-↑"] {
        desk.keys(keys);
        for pane in Screen::ALL.into_iter().flat_map(Screen::panes) {
            let (place, app) = (pane.place(), &desk.app);
            for source in [place.copy, place.why] {
                assert_eq!((source.hint)(app).is_some(), (source.clip)(app).is_some(), "{pane:?} after {keys:?}");
            }
        }
    }
}

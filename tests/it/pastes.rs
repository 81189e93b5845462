//! Pasting: a token goes to Inspect from anywhere, other text goes into the focused field, and a paste never acts.

use portcullis::app::msg::Failure;
use portcullis::app::pane::{call, issue};
use portcullis::app::{Effect, Msg, Pane};
use portcullis::auth::TokenStatus;
use portcullis::gate::Provenance;
use portcullis::store::StoreError;
use rstest::rstest;

use crate::desk::{Desk, START};

/// Every place that can have the focus, as the keys that lead there from the start.
const PLACES: [&str; 16] = [
    "Esc",
    "F1",
    "Tab",
    "Tab Tab",
    "Tab Tab Tab",
    "Tab Tab Tab Tab",
    "Tab Tab Tab Tab Tab Tab Tab",
    "Tab Tab Tab Tab Tab Tab Tab Tab",
    "Alt-2",
    "Alt-3",
    "Alt-4",
    "Alt-4 Up",
    "Alt-5",
    "Ctrl-P",
    "Ctrl-S",
    "Ctrl-C",
];

fn another_token() -> String {
    let mut desk = Desk::new(80, 24);
    desk.types("pasted").keys("Enter");
    desk.token().to_string()
}

fn wrapped(text: &str, columns: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(columns).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pasted_token_is_found_in_any_wrapping_at_any_focus() {
    let token = another_token();
    let ways = [
        token.clone(),
        format!("Bearer {token}"),
        format!("Authorization: Bearer {token}\n"),
        format!("curl -H 'Authorization: Bearer {token}' https://example.org/mcp"),
        format!("{{\"access_token\": \"{token}\", \"token_type\": \"Bearer\"}}"),
        wrapped(&token, 79),
        format!("\"{token}\""),
    ];
    for place in PLACES {
        for way in &ways {
            let mut desk = Desk::new(120, 36);
            desk.keys(place).pastes(way);
            assert_eq!(desk.app.focus.pane, Pane::Inspect, "{place}: {way}");
            assert_eq!(&*desk.token(), token, "{place}: {way}");
            desk.must_show(&["VALID  1h 00m left", "pasted · pasted"]);
            assert_eq!((desk.tokens(), desk.calls()), (1, 0), "{place}: {way}");
        }
    }
}

#[test]
fn the_parts_left_out_of_a_paste_are_reported() {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&format!("Authorization: Bearer {}", another_token()));
    desk.must_show(&["1 token read; left out: \"Bearer\", the text around it"]);
}

#[test]
fn several_tokens_join_the_list_and_the_first_is_shown() {
    let (a, b) = (another_token(), another_token());
    let mut desk = Desk::new(120, 36);
    desk.pastes(&format!("{a}\n{b}\n"));
    assert_eq!((desk.tokens(), &*desk.token()), (2, a.as_str()));
    desk.pastes(&b);
    assert_eq!((desk.tokens(), &*desk.token()), (2, b.as_str()));
    desk.must_show(&["already in the list"]);
}

#[test]
fn a_token_pasted_into_the_arguments_stays_in_them() {
    let token = another_token();
    let mut desk = Desk::new(120, 36);
    desk.keys("Alt-4 Tab Home Ctrl-K").pastes(&format!("{{\"token\": \"{token}\"}}"));
    assert_eq!(desk.app.text(call::ARGUMENTS).expect("a text").text(), format!("{{\"token\": \"{token}\"}}"));
    assert_eq!(desk.tokens(), 0);
}

#[test]
fn undo_of_a_pasted_token_puts_the_text_into_the_field_and_redo_reverts_it() {
    let token = another_token();
    let mut desk = Desk::new(120, 36);
    desk.types("me").pastes(&token).keys("Ctrl-7");
    assert_eq!((desk.tokens(), desk.app.issue.user_id.text()), (0, &*format!("me{token}")));
    assert_eq!(desk.app.focus.field, Some(issue::USER_ID));
    desk.keys("Ctrl-R");
    assert_eq!((desk.tokens(), desk.app.issue.user_id.text()), (1, "me"));
}

#[test]
fn redoing_a_paste_shows_its_message_again() {
    let (a, b) = (another_token(), another_token());
    let mut desk = Desk::new(120, 36);
    desk.pastes(&format!("{a}\n{b}\n")).must_show(&["2 tokens read"]);
    desk.keys("Ctrl-7 Ctrl-R").must_show(&["2 tokens read"]);
    assert_eq!((desk.tokens(), &*desk.token()), (2, a.as_str()));
}

#[test]
fn the_result_of_a_paste_is_shown_after_an_error() {
    let mut desk = Desk::new(120, 36);
    let token = another_token();
    for effect in portcullis::app::update(&mut desk.app, Msg::Paste(token.clone())) {
        // An error is reported between the paste and its result.
        let gone = StoreError::Malformed { path: "state.json".into(), why: "it holds nothing".into() };
        let _ = portcullis::app::update(&mut desk.app, Msg::Failed(Failure::NotKept(gone)));
        let Effect::Add(tokens) = effect else { panic!("a paste adds tokens") };
        let added = desk
            .gate
            .shared()
            .update(|state| tokens.into_iter().map(|token| state.add(token, Provenance::Pasted, START)).collect());
        portcullis::tui::effects::sync(&mut desk.app, &desk.gate);
        desk.tell(Msg::Added(added));
    }
    desk.must_show(&["VALID: 1 token read"]);
}

#[test]
fn undo_of_a_paste_too_long_for_the_field_only_removes_its_tokens() {
    let token = another_token();
    let mut desk = Desk::new(120, 36);
    desk.types("me").pastes(&format!("{token}\n{}", " ".repeat(100_000))).keys("Ctrl-7");
    assert_eq!((desk.tokens(), desk.app.issue.user_id.text()), (0, "me"));
    desk.keys("Ctrl-R");
    assert_eq!((desk.tokens(), &*desk.token()), (1, token.as_str()));
}

/// Keys that lead to a place where nothing is typed.
const OUTSIDE: [&str; 5] = ["Esc", "Alt-2", "Esc s", "F1", "Esc F3"];

#[rstest]
#[case("no token at all", 15)]
#[case("1234", 4)]
#[case(" héllo\n", 5)]
#[case("192.168.0.1", 11)]
#[case("..", 2)]
#[case("x", 1)]
fn text_without_a_token_adds_no_row(#[case] text: &str, #[case] characters: usize) {
    for place in OUTSIDE {
        let mut desk = Desk::new(120, 36);
        let pane = desk.keys(place).app.focus.pane;
        desk.pastes(text);
        assert_eq!((desk.tokens(), desk.app.focus.pane), (0, pane), "{place}");
        let noun = if characters == 1 { "character" } else { "characters" };
        desk.must_show(&[&format!("no token found in the {characters} {noun} pasted")]);
    }
}

#[rstest]
#[case("eyJhbGciOiJIUzI1NiJ9", "malformed")]
#[case("the header eyJhbGciOiJIUzI1NiJ9 alone", "malformed")]
#[case("a.b.c", "malformed")]
#[case("eyJhbGciOiJIUzI1NiJ9.e30", "malformed")]
#[case("eyJhbGciOiJIUzI1NiJ9.!!.x", "malformed")]
fn a_damaged_token_is_shown_with_its_reason(#[case] text: &str, #[case] reason: &str) {
    for place in OUTSIDE {
        let mut desk = Desk::new(120, 36);
        desk.keys(place).pastes(text);
        assert_eq!(&*desk.token(), text, "{place}");
        desk.must_show(&["INVALID", reason]);
    }
}

/// Every field that shows what it holds, but the arguments of a call, by the keys that lead there.
const SHOWING: [&str; 11] = [
    "Alt-1 Enter",
    "Alt-1 Enter Tab Tab",
    "Ctrl-P",
    "Alt-2 /",
    "Esc s /",
    "Ctrl-S",
    "Ctrl-S Tab",
    "Ctrl-S Tab Tab",
    "Ctrl-S Tab Tab Tab",
    "Ctrl-N",
    "Alt-1 Enter Up",
];

#[rstest]
#[case(r#"{"client_secret":"hunter22"}"#)]
#[case(r#"{"auth":{"client_secret":"hunter22"}}"#)]
#[case(r#"["Bearer hunter22hunter22hunter22"]"#)]
#[case(r#"{"jwks":{"keys":[{"kty":"oct","k":"hunter22"}]}}"#)]
#[case(r#"{"keys":[{"kty":"oct","k":"hunter22"}]}"#)]
#[case(r#"[{"kty":"EC","d":"hunter22"}]"#)]
#[case(r#"{"kty":"RSA","n":"x","e":"AQAB","p":"hunter22"}"#)]
#[case("-----BEGIN EC PRIVATE KEY-----\nhunter22\n-----END EC PRIVATE KEY-----")]
#[case("client_secret=hunter22&grant_type=x")]
fn a_pasted_secret_is_shown_nowhere(#[case] text: &str) {
    for place in SHOWING.iter().chain(&OUTSIDE) {
        let mut desk = Desk::new(120, 36);
        desk.pastes(&another_token());
        let before = desk.tokens();
        desk.keys(place).pastes(text);
        assert!(!desk.shows("hunter22"), "{place}:\n{}", desk.screen());
        assert_eq!(desk.tokens(), before, "{place}");
    }
    let mut desk = Desk::new(120, 36);
    desk.keys("Ctrl-P").pastes(text).must_show(&["the paste contains"]);
    // A prompt that hides what it holds takes it, unless it is the text of a key file.
    desk.keys("Esc Ctrl-P").types("another signing").keys("Enter").pastes(text);
    desk.must_show(&["characters; never shown"]);
    assert_eq!(desk.shows("0 characters"), desk.shows("expected a secret, got a p"));
}

#[test]
fn the_pieces_of_two_cut_tokens_are_called_incomplete() {
    let token = another_token();
    let text = format!("{} {}", portcullis::text::head(&token, 60), portcullis::text::head(&token, 90));
    Desk::new(120, 36).pastes(&text).must_show(&["2 incomplete tokens read"]);
}

#[test]
fn other_text_is_pasted_into_the_field_as_one_line() {
    let mut desk = Desk::new(120, 36);
    desk.pastes("two\nlines\n");
    assert_eq!(desk.app.issue.user_id.text(), "two lines");
}

#[test]
fn a_paste_above_one_mebibyte_is_rejected_with_a_message() {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&"x".repeat((1 << 20) + 1));
    desk.must_show(&["the paste has 1048577 bytes; at most 1.0 MiB are taken"]);
    assert_eq!((desk.tokens(), desk.app.issue.user_id.is_empty()), (0, true));
}

#[test]
fn only_the_first_thousand_pasted_tokens_are_read() {
    let mut desk = Desk::new(120, 36);
    let tokens: Vec<String> = (0..1200).map(|n| format!("eyJhbGciOiJIUzI1NiJ9.eyJuIjoiMSJ9.{n:04}AAAA")).collect();
    let text = tokens.join("\n");
    desk.pastes(&text).must_show(&["1000 incomplete tokens read", "200 more, above the 1000 that one paste may bring"]);
    assert_eq!(desk.tokens(), 1000);
    desk.pastes(&text).must_show(&["all already in the list"]);
    desk.keys("Ctrl-7 Ctrl-7");
    assert_eq!(desk.tokens(), 0);
    desk.keys("Ctrl-R");
    assert_eq!(desk.tokens(), 1000);
}

#[test]
fn a_truncated_token_is_reported_as_cut_off() {
    let mut desk = Desk::new(120, 36);
    let whole = desk.types("user123").keys("Enter").token();
    for length in [whole.len() - 1, whole.len() - 50, 60] {
        desk.pastes(portcullis::text::head(&whole, length)).must_show(&["looks cut off"]);
    }
    desk.pastes(&whole);
    assert!(!desk.shows("looks cut off"));
}

#[test]
fn a_mebibyte_of_dots_is_shown() {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&".".repeat(1 << 20));
    desk.must_show(&["1.0 MiB", "INVALID"]);
    let status = desk.app.inspection.as_ref().map(|i| i.judged.status(desk.app.times.judged));
    assert!(matches!(status, Some(TokenStatus::Invalid(reason)) if reason.code() == "too_large"));
}

#[rstest]
#[case("4\n\n\n")]
#[case("4\n\n\n\n4\n\n\n")]
#[case("i\n\n\nuser123\n\n")]
#[case("t   t ")]
#[case("at the gate of the tower\nwe call \n\n\n")]
#[case("c\t\t\n\n\n")]
#[case("p j k \n \n")]
#[case(":fresh\n\n")]
#[case(":quit\n\n\n")]
#[case("x\t\tme\n\n")]
#[case("v\n\n\n")]
fn text_that_is_sent_line_by_line_does_nothing(#[case] text: &str) {
    for place in OUTSIDE {
        let mut desk = Desk::new(120, 36);
        desk.types("user123").keys("Enter").keys(place);
        let before = (desk.tokens(), desk.calls(), desk.left.len(), std::sync::Arc::clone(&desk.app.auth.rules));
        desk.sends(text);
        let after = (desk.tokens(), desk.calls(), desk.left.len(), std::sync::Arc::clone(&desk.app.auth.rules));
        assert_eq!((before.0, before.1, before.2), (after.0, after.1, after.2), "{place}");
        assert!(before.3.revoked == after.3.revoked && before.3.policy.is_equivalent(&after.3.policy), "{place}");
        assert!(desk.serves_at().is_none(), "{place}");
    }
}

#[test]
fn an_enter_that_came_too_fast_is_said_and_can_be_pressed_again() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Esc").sends("4\n").must_show(&["Enter ignored: it came too fast to be typed; press it again"]);
    assert_eq!((desk.app.focus.pane, desk.calls()), (Pane::Call, 0));
    desk.keys("Enter");
    assert_eq!(desk.calls(), 1);
}

#[test]
fn a_script_that_fills_in_a_field_may_send_it() {
    let mut desk = Desk::new(120, 36);
    desk.sends("two words\n");
    assert_eq!(desk.tokens(), 1);
    desk.must_show(&["VALID", "two words"]);
}

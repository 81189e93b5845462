//! Navigation without function keys, and accidental input that must not change anything.

use portcullis::app::overlay::Overlay;
use portcullis::app::{Effect, Pane, Screen};
use rstest::rstest;

use crate::desk::{Desk, SECRET};
use crate::forge::{HS256, sign_with};

#[test]
fn a_digit_after_a_screen_key_selects_a_pane_and_is_not_typed() {
    let mut desk = Desk::new(120, 36);
    desk.keys("F2 1 Enter");
    assert_eq!(desk.tokens(), 0, "the digit was typed into the user ID");
    desk.keys("F3 F2 Esc 1 Enter").types("user123").keys("Enter");
    assert_eq!(desk.tokens(), 1);
}

#[rstest]
#[case("g m", Screen::Matrix, Pane::Matrix)]
#[case("g t", Screen::Time, Pane::Timeline)]
#[case("g s", Screen::Server, Pane::Server)]
#[case("g s g g", Screen::Gate, Pane::Issue)]
#[case("c", Screen::Gate, Pane::Call)]
#[case("p", Screen::Matrix, Pane::Policy)]
#[case("g m c", Screen::Matrix, Pane::Call)]
#[case("x", Screen::Time, Pane::Kit)]
#[case("f h", Screen::Server, Pane::Tokens)]
#[case("f l", Screen::Server, Pane::Connect)]
#[case("g i", Screen::Issuers, Pane::Issuers)]
#[case("y", Screen::Issuers, Pane::Keys)]
#[case("r l l", Screen::Issuers, Pane::Inspect)]
#[case("g q c", Screen::Gate, Pane::Call)]
fn letters_select_screens_and_panes(#[case] keys: &str, #[case] screen: Screen, #[case] pane: Pane) {
    let mut desk = Desk::new(120, 36);
    desk.keys("Esc").keys(keys);
    assert_eq!((desk.app.screen, desk.app.focus.pane), (screen, pane));
}

#[test]
fn brackets_select_a_token_and_letters_move_in_the_matrix() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Shift-Tab").types("admin456").keys("Enter [");
    desk.must_show(&["▸ user123"]);
    desk.keys("] g m l l").must_show(&["▸ admin456"]);
    assert_eq!(&*desk.app.call.tool, "delete_data");
    desk.keys("h k");
    assert_eq!((&*desk.app.call.tool, desk.app.selected_row()), ("write_data", 1));
    desk.keys("j");
    assert_eq!(desk.app.selected_row(), 2);
}

/// Text meant for another window: letters alone never create, call, remove or copy anything.
#[test]
fn letters_typed_into_the_wrong_window_change_nothing() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Esc");
    let settings = (desk.app.server.settings.clone(), desk.app.times.judged);
    for c in ('a'..='z').chain('A'..='Z').chain('a'..='z').rev() {
        desk.keys(&c.to_string());
    }
    assert_eq!((desk.tokens(), desk.calls(), desk.left.len()), (1, 0, 0));
    assert!((desk.app.server.settings.clone(), desk.app.times.judged) == settings && desk.app.overlays.is_empty());
}

#[test]
fn the_palette_lists_destructive_commands_last() {
    for keys in ["Esc 1", "Esc 2", "Esc 3", "Esc 4", "Esc 5", "F3", "F4", "F5", "F6"] {
        let mut desk = Desk::new(120, 36);
        desk.types("user123").keys("Enter").keys(keys).keys("Ctrl-P");
        let Some(Overlay::Palette(palette)) = desk.app.overlays.last() else { panic!("{}", desk.screen()) };
        let found = palette.matches();
        assert!(!found[0].is_destructive(), "{keys}: {}", found[0].words);
        let last = found.iter().rposition(|binding| !binding.is_destructive()).expect("a harmless command");
        assert!(found[last + 1..].iter().all(|binding| binding.is_destructive()), "{keys}");
        desk.keys("Enter");
        assert_eq!((desk.tokens(), desk.calls()), (1, 0), "{keys}");
    }
}

#[test]
fn undo_names_the_change_and_keeps_the_screen() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Esc p Enter Space").keys("g t Ctrl-7");
    desk.must_show(&["Undone: a change to the policy"]);
    assert_eq!(desk.app.screen, Screen::Time);
    desk.keys("Ctrl-R").must_show(&["Done again: a change to the policy"]);
    assert_eq!(desk.app.screen, Screen::Time);
}

#[test]
fn the_mouse_can_be_switched_between_terminal_and_console() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Ctrl-P").types("mouse").keys("Enter").must_show(&["selects text in the terminal"]);
    desk.keys("Ctrl-P").types("mouse").keys("Enter").must_show(&["works in the console again"]);
    let states: Vec<bool> =
        desk.left.iter().filter_map(|effect| if let Effect::Mouse(on) = effect { Some(*on) } else { None }).collect();
    assert_eq!(states, [false, true]);
}

#[test]
fn finding_a_claim_filters_the_claims_and_clearing_shows_all() {
    let mut desk = Desk::new(120, 36);
    desk.pastes(&sign_with(HS256, r#"{"sub":"a","tenant":"north","region":"east","exp":4102444800}"#, SECRET));
    desk.keys("/").types("NORTH").keys("Enter").must_show(&["tenant", "find: north"]);
    assert!(!desk.shows("region"), "{}", desk.screen());
    desk.keys("/ Ctrl-U Enter").must_show(&["tenant", "region"]);
    // Esc shows every claim again before it leaves the field.
    desk.keys("/").types("NORTH").keys("Enter").must_show(&["find: north (1 of 7; Esc shows all)"]);
    desk.keys("Esc").must_show(&["tenant", "region"]);
}

#[test]
fn a_token_is_found_by_its_user() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter").types("admin456").keys("Enter Esc t /").types("user1").keys("Enter");
    desk.must_show(&["▸ user123"]);
    desk.keys("/").types("nothing like it").keys("Enter").must_show(&["not found: nothing like it", "▸ user123"]);
}

/// On a projector, an accidental key press must not show a token that anyone in the room could use.
#[test]
fn the_whole_token_is_shown_only_after_confirmation() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Esc s Enter");
    let token = desk.token();
    let middle = token.get(60..100).expect("ASCII");
    let shows_it = |desk: &Desk| desk.screen().replace(['\n', '│', ' '], "").contains(middle);
    desk.keys("Enter");
    assert!(!shows_it(&desk), "{}", desk.screen());
    desk.keys("Enter").must_show(&["Show the whole token?", "→ show it", "Esc no"]).keys("Esc");
    assert!(!shows_it(&desk), "{}", desk.screen());
    // The key that asks never answers.
    desk.keys("Enter Enter Enter Enter");
    assert!(!shows_it(&desk), "{}", desk.screen());
    desk.keys("Enter Right");
    assert!(desk.screen().contains(middle), "{}", desk.screen());
}

#[test]
fn a_call_is_found_by_its_tool() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Esc c Enter Enter Right Enter Right Enter a /").types("write_data").keys("Enter");
    assert_eq!(desk.app.activity_row().map(|row| row.tool.to_string()).as_deref(), Some("write_data"));
}

#[test]
fn letters_do_not_move_the_clock_and_a_screen_key_focuses_the_first_pane() {
    let mut desk = Desk::new(120, 36);
    desk.keys("Esc o l l j k h");
    assert_eq!(desk.app.times.judged, crate::desk::START);
    desk.keys("a g m");
    assert_eq!(desk.app.focus.pane, Pane::Matrix);
}

/// A line meant for another window, delivered in one piece: one letter and Enter.
#[test]
fn a_letter_with_enter_changes_nothing() {
    for letter in Pane::ALL.map(|pane| pane.place().letter) {
        let mut desk = Desk::new(120, 36);
        desk.types("user123").keys("Enter Esc").keys(&letter.to_string()).keys("Enter");
        assert_eq!((desk.tokens(), desk.calls(), desk.left.len()), (1, 0, 0), "{letter}");
        assert!(desk.serves_at().is_none() && desk.app.overlays.is_empty(), "{letter}");
    }
}

#[test]
fn a_short_token_is_never_shown_whole_on_a_wide_screen() {
    for columns in [80, 200, 340] {
        let mut desk = Desk::new(columns, 40);
        let token = "eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoieCJ9.";
        desk.pastes(token);
        assert!(!desk.shows("eyJ1c2VyX2lkIjoieCJ9"), "{columns}");
    }
}

#[test]
fn a_configured_key_acts_like_the_key_it_is_mapped_to() {
    let mut desk = Desk::new(120, 36);
    let pairs = [("F7", "F3"), ("z", "F4")].map(|(key, like)| (key.to_owned(), like.to_owned()));
    desk.app.keys = portcullis::app::keymap::remapped(&pairs).expect("keys");
    desk.must_show(&["F7 Matrix", "z Time"]).keys("Ctrl-P").types("screen").must_show(&["F7 F3", "z F4"]);
    desk.keys("Esc F7");
    assert_eq!(desk.app.screen, Screen::Matrix);
    desk.keys("F2 Enter").types("z").keys("Esc z");
    assert_eq!((desk.app.issue.user_id.text(), desk.app.screen), ("z", Screen::Time));
}

#[test]
fn a_name_typed_on_the_first_screen_is_explained_letter_by_letter() {
    let rules = Desk::new(80, 24).app.auth.rules.as_ref().clone();
    let mut desk = Desk::untouched(rules, std::sync::Arc::new(portcullis::store::Memory::default()), 80, 24);
    desk.types("z").must_show(&["z does nothing here; Enter begins to type in Issue"]);
    desk.types("s").must_show(&["s goes to Inspect; to issue a token, press i, then Enter"]);
    // Where a token is there, letters lead silently.
    desk.keys("i Enter").types("user123").keys("Enter Esc t");
    assert!(!desk.shows("t goes to Tokens"), "{}", desk.screen());
}

//! Time: everything that shows a time changes at the same instant, and nothing is drawn in between.

use std::time::Duration;

use portcullis::auth::{KeyOrigin, Leeway, Rules, Signer};

use crate::desk::{Desk, SECRET};

const SECOND: Duration = Duration::from_secs(1);

fn with_leeway(seconds: u64) -> Desk {
    let key = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    Desk::with(Rules { leeway: Leeway::seconds(seconds), ..Rules::new(&key) }, 120, 36)
}

/// Issues and selects a token with this lifetime, and focuses the Call pane.
fn issue_for(desk: &mut Desk, life: &str) {
    desk.types("user123").keys("Tab Tab Tab Ctrl-U").types(life).keys("Enter Alt-4");
}

#[test]
fn a_token_expires_everywhere_at_the_same_instant() {
    let mut desk = Desk::new(120, 36);
    issue_for(&mut desk, "3s");
    desk.must_show(&["VALID  3s left", "‹ user123 · 3s ›", "ALLOWED"]);
    desk.waits(2 * SECOND);
    desk.must_show(&["VALID  1s left", "‹ user123 · 1s ›", "ALLOWED"]);
    desk.waits(SECOND.checked_sub(Duration::from_micros(1)).unwrap());
    desk.must_show(&["VALID  1s left", "ALLOWED"]);
    desk.waits(Duration::from_micros(1));
    desk.must_show(&["EXPIRED  0s ago", "expired 0s ago", "UNAUTHORIZED  expired", "░░░"]);
    assert!(!desk.shows("ALLOWED") && !desk.shows("█"), "{}", desk.screen());
    desk.keys("Enter").must_show(&[r#"{"error":"unauthorized"}"#]);
}

#[test]
fn a_call_in_the_last_second_is_allowed() {
    let mut desk = Desk::new(120, 36);
    issue_for(&mut desk, "3s");
    desk.waits((3 * SECOND).checked_sub(Duration::from_millis(1)).unwrap());
    desk.keys("Enter").must_show(&[r#"{"success":true,"result":{"id":1}}"#]);
}

#[test]
fn a_token_becomes_valid_without_a_key_press() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Tab Tab Tab Tab Ctrl-U").types("5s").keys("Enter Alt-4");
    desk.must_show(&["NOT YET VALID  valid in 5s", "UNAUTHORIZED  not_yet_valid"]);
    desk.waits(4 * SECOND);
    desk.must_show(&["valid in 1s"]);
    desk.waits(SECOND);
    desk.must_show(&["VALID  59m 55s left", "ALLOWED"]);
}

#[test]
fn a_token_within_the_leeway_is_in_its_grace_period() {
    let mut desk = with_leeway(5);
    issue_for(&mut desk, "3s");
    desk.waits(3 * SECOND);
    desk.must_show(&["GRACE  grace 5s left of the leeway", "ALLOWED"]);
    desk.waits(5 * SECOND);
    desk.must_show(&["EXPIRED", "UNAUTHORIZED  expired"]);
}

#[test]
fn changing_the_leeway_updates_all_decisions() {
    let mut desk = Desk::new(120, 36);
    issue_for(&mut desk, "3s");
    desk.waits(4 * SECOND);
    desk.must_show(&["EXPIRED", "UNAUTHORIZED"]);
    desk.keys("Ctrl-S Ctrl-U").types("5s").keys("Enter");
    desk.must_show(&["GRACE  grace 4s left", "ALLOWED"]);
}

#[test]
fn nothing_wakes_the_console_without_a_countdown() {
    let mut desk = Desk::new(120, 36);
    assert_eq!(desk.app.next_change(), None);
    desk.types("user123").keys("Enter Del");
    desk.keys("Alt-2 Del").waits(10 * SECOND);
    assert_eq!((desk.tokens(), desk.app.next_change()), (0, None));
}

#[test]
fn a_countdown_draws_once_a_second_however_many_places_show_it() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter").types("b").keys("Enter").types("c").keys("Enter");
    // In its first minute the age of a token changes every second; after that only the countdowns do.
    desk.waits(70 * SECOND);
    assert_eq!(desk.waits(60 * SECOND), 60);
}

#[test]
fn the_screen_changes_exactly_when_it_asks_to_be_drawn() {
    for (columns, rows) in [(120, 36), (80, 24), (40, 12), (160, 50)] {
        for pane in ["Alt-1", "Alt-2", "Alt-3", "Alt-4", "Alt-5"] {
            let mut desk = with_leeway(3);
            desk.types("user123").keys("Tab Tab Tab Ctrl-U").types("70s").keys("Tab Ctrl-U").types("4s").keys("Enter");
            desk.keys(pane).waits(6 * SECOND);
            for _ in 0..90 {
                let Some(nap) = desk.app.next_change() else { break };
                let before = desk.screen();
                desk.clock.advance(nap.saturating_sub(Duration::from_micros(1)));
                desk.tell(portcullis::app::Msg::Woke);
                assert_eq!(desk.screen(), before, "{columns}x{rows} {pane}: changed too early");
                desk.clock.advance(Duration::from_micros(1));
                desk.tell(portcullis::app::Msg::Woke);
                assert_ne!(desk.screen(), before, "{columns}x{rows} {pane}: woken without a change");
            }
        }
    }
}

#[test]
fn odd_times_are_shown_and_explained() {
    for (claim, message) in [
        (r#""exp":1795380000000"#, "exp looks like milliseconds instead of seconds"),
        (r#""exp":18446744073709551615"#, "the claim exp is 18446744073709551615"),
        (r#""exp":1e400"#, "the claim exp is 1e400"),
        (r#""exp":"soon""#, "the claim exp is a string"),
        (r#""x":1"#, "no exp: the token would never expire"),
        (r#""exp":-1"#, "1969-12-31 23:59:59Z"),
    ] {
        let mut desk = Desk::new(160, 50);
        desk.pastes(&crate::forge::sign_with(
            r#"{"alg":"HS256"}"#,
            format!(r#"{{"user_id":"u","permissions":[],{claim}}}"#),
            SECRET,
        ));
        desk.must_show(&[message]);
    }
}

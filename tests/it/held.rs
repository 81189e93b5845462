//! The clock that the user shifts: which times it changes, which it does not, and how the console shows that it is not
//! the real time.

use std::time::Duration;

use portcullis::app::hints;
use portcullis::auth::{Call, KeyOrigin, Leeway, NumericDate, Rules, Signer, TokenStatus, Verdict};
use portcullis::text::Span;
use rstest::rstest;

use crate::cli::portcullis;
use crate::desk::{Desk, SECRET, START};

fn with_leeway(seconds: u64, columns: u16, rows: u16) -> Desk {
    let key = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    Desk::with(Rules { leeway: Leeway::seconds(seconds), ..Rules::new(&key) }, columns, rows)
}

/// Issues a token valid for an hour and opens the Time screen.
fn lab(columns: u16, rows: u16) -> Desk {
    let mut desk = Desk::new(columns, rows);
    desk.types("user123").keys("Enter F4");
    desk
}

/// Sets the clock to the time that a text names.
fn set(desk: &mut Desk, text: &str) {
    desk.keys("F4 Esc 2 Tab Tab Ctrl-U").types(text).keys("Enter");
}

#[rstest]
fn console_library_and_command_line_agree_at_the_exact_expiry(
    #[values(0, 5)] leeway: u64,
    #[values("exp - 1s", "exp", "exp + 1s")] at: &str,
) {
    for more in ["", " + leeway"] {
        let mut desk = with_leeway(leeway, 120, 36);
        desk.types("user123").keys("Enter");
        let text = format!("{at}{more}");
        set(&mut desk, &text);
        let now = desk.app.times.judged;
        let entry = desk.app.selected().expect("a token").clone();
        let exp = entry.judged.lifetime.exp.expect("the token has an exp");
        let is_valid = now < exp.plus(Span::seconds(i64::try_from(leeway).expect("small")));
        let wanted = if is_valid { Verdict::Allowed } else { Verdict::Unauthorized };
        // Inspection.
        let inspection = desk.app.inspection.clone().expect("an inspection");
        assert_eq!(matches!(inspection.judged.status(now), TokenStatus::Valid(_)), is_valid, "{text}");
        // Preview, matrix, and the rules themselves.
        assert_eq!(desk.app.preview().verdict(), wanted, "{text}");
        let policy = desk.app.auth.rules.policy.clone();
        let tool = policy.tool("read_data").expect("the lab's tool");
        assert_eq!(desk.app.matrix_line(1).cell(&tool.name).verdict, wanted, "{text}");
        let token = entry.text().map(|text| &**text);
        assert_eq!(desk.app.auth.rules.decide(&Call { token, tool: "read_data" }, now).verdict(), wanted);
        // A real call.
        desk.keys("F2 Alt-4 Enter");
        let record = desk.app.activity_row().expect("a call").clone();
        assert_eq!((record.answered.verdict(), record.judged_at, record.at), (Some(wanted), now, START), "{text}");
        // The command line.
        let (now, leeway) = (now.rfc3339(), format!("{leeway}s"));
        let options = ["--now", &now, "--leeway", &leeway];
        let exit = if is_valid { 0 } else { 3 };
        for command in [&["check", "-", "read_data"][..], &["inspect", "-"], &["call", "-", "read_data"]] {
            let ran = portcullis(&[&options, command].concat()).input(entry.text().map_or("", |text| text)).run();
            assert_eq!(ran.exit, exit, "{command:?} {text}: {}{}", ran.out, ran.err);
        }
    }
}

#[test]
fn each_clock_key_moves_the_clock_by_its_step() {
    let mut desk = lab(120, 36);
    desk.keys("Esc 2");
    for (keys, seconds) in
        [("→", 1), ("←", 0), ("↑", 60), ("↓", 0), ("PgUp", 3600), ("PgDn", 0), ("← ↓ PgDn", -3661), ("Home", 0)]
    {
        desk.keys(keys);
        assert_eq!(desk.app.times.judged, START.plus(Span::seconds(seconds)), "{keys}");
    }
    desk.keys("Tab").must_show(&["jump to", "exp - 1s"]);
    desk.keys("Enter").must_show(&["valid, 1s left", "CLOCK +59m 59s"]);
    desk.keys("→ Enter").must_show(&["expired, 0s ago", "UNAUTHORIZED expired"]);
    desk.keys("Home");
    set(&mut desk, "soon");
    desk.must_show(&["expected +55m, -1d, exp, exp - 1s"]);
}

#[test]
fn setting_the_clock_is_not_an_undo_step() {
    let mut desk = Desk::new(120, 36);
    set(&mut desk, "+1h");
    desk.must_show(&["CLOCK +1h"]);
    assert!(!desk.app.history.can_undo());
}

#[rstest]
fn a_badge_on_every_screen_shows_that_the_clock_is_not_the_real_one(
    #[values((40, 12), (80, 24), (120, 36))] size: (u16, u16),
    #[values("F2", "F3", "F4")] screen: &str,
) {
    let mut desk = lab(size.0, size.1);
    assert!(!desk.shows("CLOCK"), "{}", desk.screen());
    for (keys, badge) in [("→", "CLOCK +1s"), ("Space", "CLOCK FROZEN 20:40:01Z"), ("Space End", "CLOCK ×60")] {
        desk.keys("F4 Esc 2").keys(keys).keys(screen).must_show(&[badge]);
        // The badge also shows above overlays.
        for overlay in ["F1", "Ctrl-P", "Ctrl-S"] {
            desk.keys(overlay).must_show(&[badge]).keys("Esc");
        }
    }
    desk.keys("F4 Esc 2 Home").keys(screen);
    assert!(!desk.shows("CLOCK"), "{}", desk.screen());
}

#[test]
fn the_clock_moves_decisions_only() {
    let mut desk = lab(120, 36);
    let token = desk.token();
    set(&mut desk, "+2h");
    desk.must_show(&["CLOCK +2h", "expired, 1h ago"]);
    // Calls from outside the console are judged by the real time.
    assert!(desk.gate.verify_token(&token).is_ok());
    // Tokens are stamped with the real time unless the form says otherwise.
    desk.keys("F2 Esc 1 Enter Enter");
    assert_eq!(desk.app.selected().expect("issued").judged.lifetime.iat, Some(START));
    desk.keys("F4 Esc 2 Shift-Tab").must_show(&["issue at"]);
    desk.keys("Esc 2 Tab Tab Tab Tab → F2 Esc 1 Enter Enter");
    assert_eq!(desk.app.selected().expect("issued").judged.lifetime.iat, Some(START.plus(Span::hours(2))));
    // Messages expire after real seconds.
    assert!(desk.app.toast.is_some());
    desk.waits(Duration::from_secs(6));
    assert!(desk.app.toast.is_none());
}

#[test]
fn calls_for_another_time_are_marked_wherever_they_are_shown() {
    let mut desk = lab(120, 36);
    desk.keys("F2 Alt-4 Enter F4");
    set(&mut desk, "+55m");
    desk.keys("F2 Alt-4 Enter").must_show(&["[clock +55m] permission user"]);
    desk.keys("Esc 5 Enter").must_show(&["for 2026-11-22T21:35:00Z (not the real time)"]);
    desk.keys("Esc Ctrl-B");
    let evidence = desk.copied().to_owned();
    assert!(evidence.contains("| `2026-11-22T21:35:00Z` |"), "{evidence}");
    assert!(evidence.contains("The clock did not show the real time") && evidence.contains("real time"), "{evidence}");
}

#[rstest]
fn a_frozen_clock_does_not_wake_the_console(#[values("F2", "F3", "F4")] screen: &str) {
    let mut desk = lab(120, 36);
    desk.keys("Esc 2 Space").keys(screen);
    desk.waits(Duration::from_secs(6));
    assert_eq!(desk.app.next_change(), None, "{}", desk.screen());
    assert_eq!(desk.waits(Duration::from_hours(24)), 0);
    desk.must_show(&["1h 00m"]);
}

#[test]
fn a_token_of_an_hour_expires_in_a_minute_at_60_times_speed() {
    let mut desk = lab(120, 36);
    desk.keys("Esc 2 End F2 Alt-4");
    desk.waits(Duration::from_micros(59_999_983));
    desk.must_show(&["ALLOWED"]);
    desk.waits(Duration::from_micros(17));
    desk.must_show(&["EXPIRED  0s ago", "UNAUTHORIZED  expired"]);
}

#[rstest]
#[case(-Span::DAY, "system clock jumped back by 1d")]
#[case(Span::HOUR, "system clock jumped ahead by 1h")]
fn a_jump_of_the_system_clock_is_shown_and_harmless(#[case] by: Span, #[case] words: &str) {
    let mut desk = lab(120, 36);
    desk.keys("F2 Alt-4 Enter");
    desk.clock.set(START.plus(by));
    // A key pressed just as the jump is noticed does not hide the message.
    desk.keys("Esc 5").must_show(&[words]);
    desk.waits(Duration::from_secs(6));
    desk.keys("F4").must_show(&[words]);
    desk.keys("Esc");
    desk.waits(Duration::from_secs(1));
    assert!(!desk.shows("jumped"), "{}", desk.screen());
    // Everything continues to work: time, calls, the log.
    assert_eq!(desk.app.times.judged, desk.app.times.real);
    desk.keys("F2 Alt-4 Enter");
    assert_eq!(desk.calls(), 2);
}

#[test]
fn a_clock_jump_is_noticed_within_a_minute_while_a_countdown_runs() {
    let mut desk = Desk::new(120, 36);
    // No part of a countdown in days changes within an hour.
    desk.types("user123").keys("Tab Tab Tab Ctrl-U").types("30d").keys("Enter");
    desk.waits(Duration::from_secs(6));
    let nap = desk.app.next_change().expect("a countdown");
    assert!(nap <= Duration::from_mins(1), "{nap:?}");
    desk.clock.set(START.plus(Span::DAY));
    desk.waits(Duration::from_mins(1));
    desk.must_show(&["jumped ahead by 23h 59m 54s"]);
}

#[test]
fn a_session_started_at_another_time_keeps_the_offset() {
    let mut desk = Desk::new(120, 36);
    desk.app.start_at(START.plus(Span::DAY));
    desk.types("user123").keys("Enter Alt-4 Enter");
    desk.must_show(&["CLOCK +1d", "ALLOWED", "[clock +1d]"]);
    assert_eq!(desk.app.selected().expect("issued").judged.lifetime.iat, Some(START.plus(Span::DAY)));
}

#[test]
fn the_timeline_shows_the_token_status_at_the_cursor_in_words() {
    let mut desk = lab(120, 36);
    desk.must_show(&["now 2026-11-22 20:40:00Z: valid, 1h 00m left", "fit: 1m per column"]);
    desk.keys("End").must_show(&["at 2026-11-22 21:40:00Z: expired, 0s ago", "┊"]);
    desk.keys("←").must_show(&["at 2026-11-22 21:39:00Z: valid, 1m 00s left"]);
    // The cursor does not move the clock.
    assert_eq!(desk.app.times.judged, START);
    desk.keys("Enter").must_show(&["CLOCK +59m", "now 2026-11-22 21:39:00Z: valid, 1m 00s left"]);
    desk.keys("Home").must_show(&["at 2026-11-22 20:40:00Z: valid, 1h 00m left"]);
    desk.keys("Space").must_show(&["zoom ‹ 30s per column"]);
    desk.keys("Tab ←").must_show(&["zoom ‹ 15s per column"]);
    desk.keys("→ → → →").must_show(&["zoom ‹ 5m per column"]);
    desk.keys("Shift-Tab Space").must_show(&["fit: 1m per column"]);
}

#[test]
fn a_bar_shows_when_a_token_is_valid_without_colour() {
    let mut desk = with_leeway(300, 120, 36);
    desk.types("user123").keys("Tab Tab Tab Tab Ctrl-U").types("10m").keys("Enter F4");
    let screen = desk.screen();
    let row = screen.lines().find(|line| line.contains("▸ user123")).expect("a row");
    // Before nbf, early by the leeway, valid, and grace by the leeway, in this order and with these lengths.
    let of = |sign: char| row.chars().filter(|c| *c == sign).count();
    assert_eq!((of('┃'), of('·'), of('▒'), of('▆')), (1, 4, 10, 50), "{row}");
    assert_eq!((row.find('·') < row.find('▒'), row.find('▒') < row.find('▆')), (true, true), "{row}");
}

#[test]
fn the_footer_shows_every_key_of_the_time_screen() {
    let mut desk = lab(160, 50);
    for (keys, wanted) in [
        ("Esc 1", &["cursor", "token", "zoom in", "borders"][..]),
        ("Esc 2", &["1 s", "1 min", "1 h", "freeze", "real, ×60"]),
        ("Esc 3", &["drill", "change"]),
        ("Esc 4", &["run all", "add to the list"]),
    ] {
        desk.keys(keys);
        let footer = hints::footer(&desk.app);
        for word in wanted {
            assert!(footer.iter().any(|(_, _, does)| does == word), "{keys}: {word} is not in the footer");
        }
    }
}

#[test]
fn the_time_screen_handles_the_earliest_and_latest_instants() {
    let mut desk = lab(120, 36);
    for text in ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "+9000y", "-9000y"] {
        set(&mut desk, text);
        assert!((NumericDate::MIN..=NumericDate::MAX).contains(&desk.app.times.judged));
        desk.keys("F4 Esc 1 ← → Home End Tab ← ← Shift-Tab ← → F2 F3");
        desk.waits(Duration::from_secs(2));
    }
}

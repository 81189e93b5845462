//! Whatever is pasted, issued or called, every frame can be drawn and contains no active or hidden characters.

use portcullis::auth::{KeyOrigin, Rules, Signer};
use portcullis::text::read_token;
use portcullis::text::safe::hidden;
use proptest::prelude::*;

use crate::desk::Desk;
use crate::forge::{NOW, SECRET};
use crate::forge::sign_with;
use crate::hostile::{Hostile, hostile};

/// The views that a user would open, as the keys that lead there.
const LOOKS: [&str; 10] =
    ["Alt-1", "Alt-2", "Alt-3", "Alt-3 →", "Alt-3 →", "Alt-3 Enter", "Esc Alt-4 Enter", "Alt-5", "Enter", "Esc F1"];

fn nothing_hidden_shows(desk: &Desk, what: &str) {
    let (buffer, drawn) = desk.draw();
    for cell in &buffer.content {
        let odd = cell.symbol().chars().find(|c| hidden(*c).is_some());
        assert!(odd.is_none(), "{what}: {odd:?} is on the screen:\n{}", desk.screen());
    }
    if let Some((column, row)) = drawn.cursor {
        assert!(column < desk.app.size.0 && row < desk.app.size.1, "{what}: the cursor is outside");
    }
}

#[test]
fn every_hostile_token_is_shown_safely_and_judged_like_the_gate() {
    for (columns, rows) in [(120, 36), (80, 24), (40, 12)] {
        // For some tokens the paste leaves out the surrounding text, and with it the defect.
        let pasted =
            |case: &Hostile| case.token.len() <= 1 << 20 && read_token(&case.token).tokens == [case.token.as_str()];
        for case in hostile().into_iter().filter(pasted) {
            let mut desk =
                Desk::with(Rules::new(&Signer::hs256(SECRET, KeyOrigin::Program).expect("a key")), columns, rows);
            desk.clock.set(NOW);
            desk.keys("Esc").pastes(&case.token);
            let judged = desk.app.inspection.as_ref().map(|shown| shown.judged.status(NOW).word());
            assert_eq!(judged, Some(case.status), "{}", case.name);
            if (columns, rows) == (120, 36) {
                desk.must_show(&[case.status]);
            }
            for keys in LOOKS {
                desk.keys(keys);
                nothing_hidden_shows(&desk, &format!("{} at {columns}x{rows} after {keys}", case.name));
            }
            let answer = desk.app.auth.activity.nth_newest(0).map(|record| record.answered.code());
            assert_eq!(answer, Some(case.code), "{}", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_at_any_size_can_be_drawn(
        columns in 0u16..200,
        rows in 0u16..60,
        user in any::<String>(),
        pasted in any::<String>(),
        permissions in proptest::collection::vec(any::<String>(), 0..4),
        arguments in any::<String>(),
        exp in any::<i64>(),
    ) {
        let mut desk = Desk::new(columns, rows);
        desk.pastes(&user).keys("Tab Tab").pastes(&permissions.join(" ")).keys("Enter Esc").pastes(&pasted);
        let payload = serde_json::json!({"user_id": user, "permissions": permissions, "exp": exp, "nbf": exp / 2});
        desk.pastes(&sign_with(r#"{"alg":"HS256"}"#, payload.to_string(), crate::desk::SECRET));
        desk.keys("Alt-4 Tab").pastes(&arguments).keys("Enter");
        for keys in LOOKS {
            desk.keys(keys);
            nothing_hidden_shows(&desk, keys);
        }
    }

    /// Any keys in any order never cause a panic, and the console can still be quit.
    #[test]
    fn any_keys_in_any_order_leave_a_console_that_can_be_quit(
        columns in 40u16..130,
        rows in 12u16..40,
        presses in proptest::collection::vec(0usize..60, 0..80),
    ) {
        let mut desk = Desk::new(columns, rows);
        desk.writes_files = false;
        desk.types("user").keys("Enter");
        for n in presses {
            let bindings = portcullis::app::keymap::BINDINGS;
            match bindings.get(n).and_then(|binding| binding.keys.first()) {
                Some(key) => { desk.keys(&key.to_string()); }
                None => { desk.types("x"); }
            }
        }
        desk.keys("Ctrl-C Ctrl-C");
        prop_assert!(desk.left.iter().any(|effect| matches!(effect, portcullis::app::Effect::Quit)));
    }
}

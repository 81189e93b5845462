//! The Clock pane: moves, sets and freezes the clock that everything on screen uses.

use super::{Control, Field, Move, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::clock::ConsoleClock;
use crate::app::field::{Lines, TextField};
use crate::app::list::turned;
use crate::app::{App, Effect};
use crate::auth::{Lifetime, NumericDate};
use crate::lab::instant::{Instant, InvalidInstant, NoSuchTime};
use crate::text::Span;

/// The time on the clock.
pub const DIAL: Field = Field::new(Pane::Clock, 0);
/// A point in the selected token's lifetime to jump to.
pub const JUMP: Field = Field::new(Pane::Clock, 1);
/// An instant to set the clock to, as typed.
pub const GO_TO: Field = Field::new(Pane::Clock, 2);
/// The speed of the clock.
pub const PACE: Field = Field::new(Pane::Clock, 3);
/// Which clock stamps tokens.
pub const STAMPS: Field = Field::new(Pane::Clock, 4);

pub(super) static PLACE: Place = Place {
    title: "Clock",
    letter: 'o',
    help: "The clock for everything on screen: previews, inspection, the matrix and calls made here. ← → move it by a second, ↑ ↓ by a minute, PgUp PgDn by an hour; Space freezes it, Home returns to real time. Tokens are issued in real time unless \"issue at\" says otherwise. Clients of the server are always checked in real time.",
    controls: &[
        Control::new(DIAL, "shows")
            .dial()
            .act(
                |_| Some("real time"),
                |app| {
                    app.real_time();
                    Vec::new()
                },
            )
            .tick(
                |app| Some(if matches!(app.clock, ConsoleClock::Frozen(_)) { "run on" } else { "freeze" }),
                |app| {
                    app.freeze();
                    Vec::new()
                },
            )
            .turn(|_| Some("1 s"), |app, by| app.nudge(Span::SECOND, by))
            // Up means later, as on every dial.
            .row(|_| Some("1 min"), |app, by| app.nudge(-Span::MINUTE, by))
            .edge(|_| Some("real, ×60"), |app, by| if by < 0 { app.real_time() } else { app.hurry() }),
        Control::new(JUMP, "jump to")
            .act(|_| Some("jump"), |app| app.set_clock_to(app.named_instant(app.dial.jump())))
            .turn(|_| Some("change"), |app, by| app.dial.jump = turned(app.dial.jump, by, JUMPS.len())),
        Control::new(GO_TO, "set to")
            // It has no effect until it is submitted.
            .text(|app| &app.dial.go_to, |app| &mut app.dial.go_to, |_, _| {})
            .act(|_| Some("set"), |app| app.set_clock_to(app.named_instant(app.dial.go_to.text()))),
        // The last two take effect at once.
        Control::new(PACE, "runs").turn(|_| Some("change"), App::turn_pace),
        Control::new(STAMPS, "issue at").turn(|_| Some("change"), |app, _| app.stamps_held = !app.stamps_held),
    ],
    page: Some(Move {
        hint: |app| if app.focus.field == Some(DIAL) { Some("1 h") } else { None },
        by: |app, by| app.nudge(-Span::HOUR, by),
    }),
    offers: &[(Action::Evidence, |_| Some("copy evidence"))],
    copy: ClipSource::TOKEN,
    why: ClipSource::TOKENS_WHY,
    ..Place::DEFAULT
};

/// The state of the Clock pane.
#[derive(Clone, Debug)]
pub struct ClockPane {
    /// The typed time to set the clock to.
    pub go_to: TextField,
    jump: usize,
}

impl Default for ClockPane {
    fn default() -> Self {
        Self { go_to: TextField::new("", Lines::One), jump: 1 }
    }
}

/// The points in a token's lifetime to jump to, written as a user can type them.
const JUMPS: [&str; 7] = ["nbf", "exp - 1s", "exp", "exp + 1s", "exp + leeway - 1s", "exp + leeway", "iat"];

/// The speeds that the clock can have.
const PACES: [&str; 3] = ["real speed", "frozen", "60× speed"];

impl ClockPane {
    /// Returns the chosen point in a token's lifetime.
    pub const fn jump(&self) -> &'static str {
        JUMPS[self.jump]
    }
}

impl App {
    /// Returns the speed of the clock in words.
    pub const fn pace(&self) -> &'static str {
        PACES[self.pace_at()]
    }

    const fn pace_at(&self) -> usize {
        match self.clock {
            ConsoleClock::Real | ConsoleClock::Shifted(_) => 0,
            ConsoleClock::Frozen(_) => 1,
            ConsoleClock::Fast { .. } => 2,
        }
    }

    /// Returns the instant that a text names; it may be relative to the clock or to the selected token's times.
    pub fn named_instant(&self, text: &str) -> Result<NumericDate, InstantError> {
        named_instant(text, self.times.judged, self.selected().map(|entry| &entry.judged.lifetime))
    }

    fn turn_pace(&mut self, by: isize) {
        let now = self.times;
        self.hold(match turned(self.pace_at(), by, PACES.len()) {
            0 => ConsoleClock::shifted(now.judged.since(now.real)),
            1 => ConsoleClock::Frozen(now.judged),
            _ => ConsoleClock::Fast { at: now.judged, since: now.mono },
        });
    }

    fn nudge(&mut self, step: Span, by: isize) {
        let by = i64::try_from(by).unwrap_or(0);
        self.set_clock(self.times.judged.plus(step * by));
    }

    /// Sets the clock back to the real time, which stamps issued tokens again, too.
    pub(in crate::app) fn real_time(&mut self) {
        self.hold(ConsoleClock::Real);
        self.stamps_held = false;
        self.say("clock set to real time");
    }

    /// Sets the clock to a named instant, or reports the error.
    fn set_clock_to(&mut self, named: Result<NumericDate, InstantError>) -> Vec<Effect> {
        match named {
            Ok(at) => {
                self.set_clock(at);
                self.dial.go_to.replaced_by_typing = true;
                self.say(format!("clock set to {}", self.date(at)));
            }
            Err(error) => self.complain(error.to_string()),
        }
        Vec::new()
    }
}

/// Why a text does not name an instant. Safe to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    /// The text is not in an accepted format.
    #[error(transparent)]
    Unreadable(#[from] InvalidInstant),
    /// The text names a claim, but no token is selected.
    #[error("select a token first: exp, nbf and iat are its times")]
    NoToken,
    /// The selected token does not have this claim, or its value is not a time.
    #[error(transparent)]
    NoClaim(#[from] NoSuchTime),
}

/// Returns the instant that a text names: relative to the clock, relative to a token's claim, or absolute.
fn named_instant(text: &str, shown: NumericDate, life: Option<&Lifetime>) -> Result<NumericDate, InstantError> {
    let instant = Instant::parse(text)?;
    let life = match life {
        Some(life) => *life,
        None if instant.needs_token() => return Err(InstantError::NoToken),
        None => Lifetime::default(),
    };
    Ok(instant.resolve(shown, &life)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Leeway;
    use rstest::rstest;

    const SHOWN: NumericDate = NumericDate::from_seconds(1_795_380_000);

    fn life() -> Lifetime {
        let at = NumericDate::from_seconds;
        Lifetime { iat: Some(at(100)), nbf: None, exp: Some(at(1000)), leeway: Leeway::seconds(5) }
    }

    #[rstest]
    #[case("exp", 1_000_000_000)]
    #[case("exp - 1s", 999_000_000)]
    #[case("exp+leeway", 1_005_000_000)]
    #[case(" exp + leeway - 1ms ", 1_004_999_000)]
    #[case("iat+1m", 160_000_000)]
    #[case("+55m", SHOWN.plus(Span::minutes(55)).micros())]
    #[case("-1d", SHOWN.plus(-Span::DAY).micros())]
    #[case("2026-11-22T20:41:05Z", 1_795_380_065_000_000)]
    fn an_instant_is_named_in_many_ways(#[case] text: &str, #[case] micros: i64) {
        assert_eq!(named_instant(text, SHOWN, Some(&life())).map(NumericDate::micros), Ok(micros));
    }

    #[rstest]
    #[case("", "expected")]
    #[case("soon", "expected")]
    #[case("55m", "expected")]
    #[case("exp 1s", "expected")]
    #[case("exp -", "expected")]
    #[case("exp + soon", "expected")]
    #[case("expired", "expected")]
    #[case("nbf", "the token has no readable nbf")]
    fn what_names_no_instant_is_told(#[case] text: &str, #[case] words: &str) {
        let told = named_instant(text, SHOWN, Some(&life())).expect_err("no instant").to_string();
        assert!(told.starts_with(words), "{told}");
        assert!(named_instant("exp", SHOWN, None).is_err());
    }
}

//! The Clock pane: nudging, jumping and stopping the clock the user holds.

use super::clock::HeldClock;
use super::field::{Lines, TextField, turned};
use super::{App, Field};
use crate::auth::issue::When;
use crate::auth::{Lifetime, NumericDate};
use crate::text::words::{self, HOUR, MINUTE, SECOND};

/// What the Clock pane remembers.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where to set the clock, as it is typed.
    pub go_to: TextField,
    jump: usize,
}

impl Default for Dial {
    fn default() -> Self {
        Self { go_to: TextField::new("", Lines::One), jump: 1 }
    }
}

/// Where one may want to be in a token's life, as it could be typed.
const JUMPS: [&str; 7] = ["nbf", "exp - 1s", "exp", "exp + 1s", "exp + leeway - 1s", "exp + leeway", "iat"];

/// How the clock runs.
const PACES: [&str; 3] = ["as time does", "frozen", "60 times as fast"];

impl Dial {
    /// The place in a token's life that is chosen.
    pub const fn jump(&self) -> &'static str {
        JUMPS[self.jump]
    }
}

impl App {
    /// How the clock runs, in words.
    pub const fn pace(&self) -> &'static str {
        PACES[self.pace_at()]
    }

    const fn pace_at(&self) -> usize {
        match self.clock {
            HeldClock::Real | HeldClock::Shifted(_) => 0,
            HeldClock::Frozen(_) => 1,
            HeldClock::Fast { .. } => 2,
        }
    }

    /// The instant that a text names, or a sentence that says what to write.
    pub fn named_instant(&self, text: &str) -> Result<NumericDate, String> {
        named_instant(text, self.times.judged, self.selected().map(|entry| &entry.judged.lifetime))
    }

    pub(super) fn turn_dial(&mut self, field: Field, by: isize) {
        match field {
            Field::Jump => self.dial.jump = turned(self.dial.jump, by, JUMPS.len()),
            Field::Pace => match turned(self.pace_at(), by, PACES.len()) {
                0 => self.hold(HeldClock::shifted(self.times.judged.since(self.times.real))),
                1 => self.hold(HeldClock::Frozen(self.times.judged)),
                _ => self.hold(HeldClock::Fast { at: self.times.judged, since: self.times.mono }),
            },
            Field::Stamps => self.stamps_held = !self.stamps_held,
            _ => self.nudge(SECOND, by),
        }
    }

    fn nudge(&mut self, step: i64, by: isize) {
        let by = i64::try_from(by).unwrap_or(0);
        self.set_clock(self.times.judged.plus(step.saturating_mul(by)));
    }

    /// Up is later, as on every dial.
    pub(super) fn nudge_minutes(&mut self, down: isize) {
        self.nudge(MINUTE, -down);
    }

    pub(super) fn nudge_hours(&mut self, down: isize) {
        self.nudge(HOUR, -down);
    }

    /// Back to the real time, with everything that goes with it.
    pub(super) fn real_time(&mut self) {
        self.hold(HeldClock::Real);
        self.stamps_held = false;
        self.say("the clock shows the real time");
    }

    /// Enter in the Clock pane.
    pub(super) fn act_on_dial(&mut self) {
        let text = match self.focus.field {
            Some(Field::GoTo) => self.dial.go_to.text(),
            Some(Field::Jump) => self.dial.jump(),
            Some(Field::Dial) => return self.real_time(),
            // What is turned there counts at once.
            _ => return,
        };
        match self.named_instant(text) {
            Ok(at) => {
                self.set_clock(at);
                self.dial.go_to.replaced_by_typing = true;
                self.say(format!("the clock shows {}", self.date(at)));
            }
            Err(sentence) => self.complain(sentence),
        }
    }
}

const WANTED: &str = "write +55m, -1d, exp, exp - 1s, nbf, exp + leeway, or a time as in 2026-11-22T20:41:05Z";

/// The instant that a text names: by a shift of what the clock shows, by a token's claim, or by itself.
fn named_instant(text: &str, shown: NumericDate, life: Option<&Lifetime>) -> Result<NumericDate, String> {
    let text = text.trim();
    let begins = |name: &'static str| text.strip_prefix(name).map(|rest| (name, rest));
    let Some((name, rest)) = ["iat", "nbf", "exp"].into_iter().find_map(begins) else {
        return match When::parse(text) {
            Ok(When::At(at)) => Ok(at),
            Ok(When::In(by)) if text.starts_with(['+', '-']) => Ok(shown.plus(by)),
            _ => Err(WANTED.to_owned()),
        };
    };
    let life = life.ok_or("select a token: its times are named")?;
    let claim = match name {
        "iat" => life.iat,
        "nbf" => life.nbf,
        _ => life.exp,
    };
    let mut at = claim.ok_or_else(|| format!("the token has no {name} that can be read"))?;
    for term in rest.split_inclusive(['+', '-']).collect::<Vec<_>>().windows(2) {
        let sign = if term[0].trim().ends_with('-') { -1 } else { 1 };
        at = at.plus(sign * span(term[1].trim_end_matches(['+', '-']).trim(), life)?);
    }
    // Nothing may stand between the claim and the first sign, and nothing may lack one.
    let before = rest.split(['+', '-']).next().unwrap_or_default();
    let dangles = rest.trim_end().ends_with(['+', '-']);
    if before.trim().is_empty() && !dangles { Ok(at) } else { Err(WANTED.to_owned()) }
}

/// A duration, or the leeway, in microseconds.
fn span(text: &str, life: &Lifetime) -> Result<i64, String> {
    match text {
        "leeway" => Ok(life.leeway),
        text => words::parse_duration(text).ok().map(words::micros).ok_or_else(|| WANTED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SHOWN: NumericDate = NumericDate::from_seconds(1_795_380_000);

    fn life() -> Lifetime {
        let at = NumericDate::from_seconds;
        Lifetime { iat: Some(at(100)), nbf: None, exp: Some(at(1000)), leeway: 5 * SECOND }
    }

    #[rstest]
    #[case("exp", 1000 * SECOND)]
    #[case("exp - 1s", 999 * SECOND)]
    #[case("exp+leeway", 1005 * SECOND)]
    #[case(" exp + leeway - 1ms ", 1_004_999_000)]
    #[case("iat+1m", 160 * SECOND)]
    #[case("+55m", SHOWN.micros() + 55 * MINUTE)]
    #[case("-1d", SHOWN.micros() - 24 * 60 * MINUTE)]
    #[case("2026-11-22T20:41:05Z", 1_795_380_065 * SECOND)]
    fn an_instant_is_named_in_many_ways(#[case] text: &str, #[case] micros: i64) {
        assert_eq!(named_instant(text, SHOWN, Some(&life())).map(NumericDate::micros), Ok(micros));
    }

    #[rstest]
    #[case("", "write")]
    #[case("soon", "write")]
    #[case("55m", "write")]
    #[case("exp 1s", "write")]
    #[case("exp -", "write")]
    #[case("exp + soon", "write")]
    #[case("expired", "write")]
    #[case("nbf", "the token has no nbf")]
    fn what_names_no_instant_is_told(#[case] text: &str, #[case] words: &str) {
        let told = named_instant(text, SHOWN, Some(&life())).expect_err("no instant");
        assert!(told.starts_with(words), "{told}");
        assert!(named_instant("exp", SHOWN, None).is_err());
    }
}

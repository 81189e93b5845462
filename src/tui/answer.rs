//! Takes the terminal's answer about its background (OSC 11) out of the keys, however late it arrives.
//!
//! crossterm does not parse such answers: `ESC ] 11;rgb:RRRR/GGGG/BBBB ESC \` arrives as `Alt-]`, characters, and
//! `Alt-\` or `Ctrl-G`. In a text field, they would be typed. Keys that only look like an answer are returned as keys.
//!
//! A line that is slow may cut an answer behind its first byte; crossterm then takes that for the Esc key. While an answer is
//! awaited, Esc is held for a moment, and `]` behind it begins an answer however late it comes.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::look::Background;

/// The maximum length of an answer, in events. A longer one is given up.
const LONGEST: usize = 64;

/// The beginnings of answers: about the background, and about the text, which the console does not ask for. No user
/// types them.
const BEGINNINGS: [&str; 2] = ["11;", "10;"];

/// The beginning of the answer about the background, up to `rgb`.
const BEGIN: &str = "11;rgb";

#[derive(Debug, Default, PartialEq)]
pub struct AnswerResult {
    /// The events that are not part of an answer.
    pub events: Vec<Event>,
    /// The background, if the answer is complete.
    pub background: Option<Background>,
}

/// The answer that is arriving, if any.
#[derive(Default)]
pub struct Answer {
    /// The events held back so far, to be returned if they are not an answer.
    held: Vec<Event>,
    text: String,
    /// Whether the last key was Esc, in the answer or before it.
    is_behind_esc: bool,
}

impl Answer {
    /// Processes one event; returns the events and the background that result. `is_awaited` is whether the terminal was
    /// asked a moment ago.
    pub fn take(&mut self, event: Event, is_awaited: bool) -> AnswerResult {
        let was_behind_esc = self.is_behind_esc;
        if matches!(event, Event::Key(_)) {
            self.is_behind_esc = is_esc(&event);
        }
        let part = match part(&event) {
            Some(Part::Character(']')) if was_behind_esc && is_awaited && !self.is_certain() => Some(Part::Begin),
            Some(Part::Character('\\')) if was_behind_esc && self.is_certain() => Some(Part::End),
            part => part,
        };
        if !self.is_open() {
            return match part {
                Some(Part::Begin) => {
                    self.held.push(event);
                    AnswerResult::default()
                }
                None if is_awaited && is_esc(&event) => {
                    self.held.push(event);
                    AnswerResult::default()
                }
                _ => AnswerResult { events: vec![event], background: None },
            };
        }
        // Behind the held Esc only the rest of the beginning belongs to an answer.
        if self.is_esc_held() {
            return match part {
                Some(Part::Begin) if was_behind_esc && is_plain(&event) => {
                    self.held.push(event);
                    AnswerResult::default()
                }
                None if !matches!(event, Event::Key(_)) => AnswerResult { events: vec![event], background: None },
                _ => {
                    let mut events = self.give_up();
                    let next = self.take(event, is_awaited);
                    events.extend(next.events);
                    AnswerResult { events, ..next }
                }
            };
        }
        match part {
            // Events other than keys are not part of an answer.
            None if !matches!(event, Event::Key(_)) => AnswerResult { events: vec![event], background: None },
            Some(Part::Character(c)) => {
                self.text.push(c);
                self.held.push(event);
                let may_be = BEGINNINGS.iter().any(|begin| begin.starts_with(&self.text)) || self.is_certain();
                match may_be && self.held.len() <= LONGEST {
                    true => AnswerResult::default(),
                    false => AnswerResult { events: self.give_up(), background: None },
                }
            }
            Some(Part::End) if self.is_certain() => {
                let background = background(&self.text);
                self.held.clear();
                self.text.clear();
                AnswerResult { events: Vec::new(), background }
            }
            Some(Part::Begin) => {
                let events = self.give_up();
                self.held.push(event);
                AnswerResult { events, background: None }
            }
            // Another key in the middle of an answer, such as Enter, is dropped.
            _ if self.is_certain() => AnswerResult::default(),
            _ => {
                let mut events = self.give_up();
                events.push(event);
                AnswerResult { events, background: None }
            }
        }
    }

    /// Whether an answer is certainly arriving, rather than a key that looks like the beginning of one.
    pub fn is_certain(&self) -> bool {
        BEGINNINGS.iter().any(|begin| self.text.starts_with(begin))
    }

    /// Whether an Esc is held that may be the first byte of an answer.
    fn is_esc_held(&self) -> bool {
        matches!(self.held.as_slice(), [esc] if is_esc(esc))
    }

    /// Whether more of an answer is expected.
    pub fn is_open(&self) -> bool {
        !self.held.is_empty()
    }

    /// Ends an answer that does not continue. Returns the held keys, or drops them if they certainly were an answer.
    pub fn give_up(&mut self) -> Vec<Event> {
        let held = std::mem::take(&mut self.held);
        let is_certain = self.is_certain();
        self.text.clear();
        if is_certain { Vec::new() } else { held }
    }
}

fn is_esc(event: &Event) -> bool {
    matches!(event, Event::Key(KeyEvent { code: KeyCode::Esc, kind: KeyEventKind::Press, .. }))
}

fn is_plain(event: &Event) -> bool {
    matches!(event, Event::Key(KeyEvent { modifiers: KeyModifiers::NONE, .. }))
}

/// The role of a key in an answer.
enum Part {
    Begin,
    Character(char),
    End,
}

fn part(event: &Event) -> Option<Part> {
    let Event::Key(KeyEvent { code: KeyCode::Char(c), modifiers, kind: KeyEventKind::Press, .. }) = event else {
        return None;
    };
    match (c, modifiers.difference(KeyModifiers::SHIFT)) {
        (']', KeyModifiers::ALT) => Some(Part::Begin),
        ('\\', KeyModifiers::ALT) | ('g', KeyModifiers::CONTROL) => Some(Part::End),
        (c, KeyModifiers::NONE) => Some(Part::Character(*c)),
        _ => None,
    }
}

/// Parses `11;rgb:RRRR/GGGG/BBBB`: one to four hexadecimal digits per part, with the largest value as full brightness.
fn background(text: &str) -> Option<Background> {
    let (kind, parts) = text.strip_prefix(BEGIN)?.split_once(':')?;
    if !matches!(kind, "" | "a") {
        return None;
    }
    let part = |digits: &str| {
        let most = match digits.len() {
            1 => 0xf_u16,
            2 => 0xff,
            3 => 0xfff,
            4 => 0xffff,
            _ => return None,
        };
        Some(f64::from(u16::from_str_radix(digits, 16).ok()?) / f64::from(most))
    };
    let mut parts = parts.split('/').map(part);
    Some(Background::of(parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn key(c: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers))
    }

    /// Converts bytes into events as crossterm does.
    fn events(bytes: &str) -> Vec<Event> {
        let mut all = Vec::new();
        let mut chars = bytes.chars();
        while let Some(c) = chars.next() {
            all.extend(match c {
                // Where a read ends behind it.
                '\u{241b}' => Some(Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE))),
                '\x1b' => chars.next().map(|c| key(c, KeyModifiers::ALT)),
                '\x07' => Some(key('g', KeyModifiers::CONTROL)),
                c if c.is_ascii_uppercase() => Some(key(c, KeyModifiers::SHIFT)),
                c => Some(key(c, KeyModifiers::NONE)),
            });
        }
        all
    }

    fn read(bytes: &str) -> AnswerResult {
        read_while(bytes, false)
    }

    /// `~` is a pause after which no more is waited for.
    fn read_while(bytes: &str, is_awaited: bool) -> AnswerResult {
        let mut answer = Answer::default();
        let mut all = AnswerResult::default();
        for event in events(bytes) {
            if event == key('~', KeyModifiers::NONE) {
                all.events.extend(answer.give_up());
                continue;
            }
            let taken = answer.take(event, is_awaited);
            all.events.extend(taken.events);
            all.background = all.background.or(taken.background);
        }
        all.events.extend(answer.give_up());
        all
    }

    #[rstest]
    #[case("\x1b]11;rgb:1e1e/1E1E/2e2e\x1b\\", Background::Dark)]
    #[case("\x1b]11;rgb:ffff/ffff/ffff\x07", Background::Light)]
    #[case("\x1b]11;rgb:fd/f6/e3\x1b\\", Background::Light)]
    #[case("\x1b]11;rgba:0000/0000/0000/ffff\x1b\\", Background::Dark)]
    fn an_answer_is_taken_out_of_the_keys(#[case] bytes: &str, #[case] is: Background) {
        assert_eq!(read(bytes), AnswerResult { events: Vec::new(), background: Some(is) });
        assert_eq!(read(&format!("ab{bytes}c")), AnswerResult { events: events("abc"), background: Some(is) });
    }

    #[rstest]
    #[case("\x1b]11;rgb")]
    #[case("\x1b]11;#1e1e2e\x07")]
    #[case("\x1b]10;rgb:ff/ff/ff\x1b\\")]
    #[case("\x1b]11;rgb:zz/zz/zz\x1b\\")]
    #[case("\x1b]11;rgb:12345/0/0\x07")]
    #[case("\x1b]11;rgb:1/2\x07")]
    fn an_answer_that_cannot_be_read_is_dropped(#[case] bytes: &str) {
        assert_eq!(read(bytes), AnswerResult::default());
        assert_eq!(read(&format!("{bytes}\x1b]11;rgb:0/0/0\x07")).background, Some(Background::Dark));
    }

    #[test]
    fn an_enter_inside_an_answer_is_dropped_and_a_click_passes() {
        let mut answer = Answer::default();
        let enter = Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
        let mut all: Vec<Event> =
            events("\x1b]11;rgb:").into_iter().flat_map(|event| answer.take(event, false).events).collect();
        all.extend(answer.take(enter, false).events);
        all.extend(answer.take(Event::FocusGained, false).events);
        all.extend(events("0/0/0\x07").into_iter().flat_map(|event| answer.take(event, false).events));
        assert_eq!(all, [Event::FocusGained]);
    }

    #[rstest]
    #[case("\x1b]")]
    #[case("\x1b]1")]
    #[case("\x1b]12")]
    #[case("\x1b]2;a title\x07")]
    #[case("\x1b]\x1b]")]
    #[case("11;rgb:0/0/0\x07")]
    fn whatever_else_comes_stays_keys(#[case] bytes: &str) {
        assert_eq!(read(bytes), AnswerResult { events: events(bytes), background: None });
    }

    #[rstest]
    // Cut behind the first byte; behind it and at the end; with a pause that is too long for the Esc to be held.
    #[case("␛]11;rgb:0/0/0\x07", "")]
    #[case("␛]11;rgb:0/0/0␛\\", "")]
    #[case("\x1b]11;rgb:0/0/0␛\\", "")]
    #[case("␛~]11;rgb:0/0/0\x07", "␛")]
    #[case("ab␛]11;rgb:0/0/0\x07c", "abc")]
    #[case("␛␛]11;rgb:0/0/0\x07", "␛")]
    #[case("␛\x1b]11;rgb:0/0/0\x07", "␛")]
    fn an_answer_that_is_cut_behind_its_first_byte_is_taken_out(#[case] bytes: &str, #[case] left: &str) {
        let expected = AnswerResult { events: events(left), background: Some(Background::Dark) };
        assert_eq!(read_while(bytes, true), expected);
    }

    #[rstest]
    #[case("␛")]
    #[case("␛␛")]
    #[case("␛a")]
    #[case("␛]")]
    #[case("␛]]")]
    #[case("␛~]x")]
    #[case("␛a]11;rgb:0/0/0")]
    #[case("]11;rgb:0/0/0")]
    #[case("␛\x1b]x")]
    fn while_an_answer_is_awaited_keys_stay_keys(#[case] bytes: &str) {
        assert_eq!(read_while(bytes, true).events, events(&bytes.replace('~', "")));
    }

    #[test]
    fn an_esc_is_held_only_while_an_answer_is_awaited() {
        let esc = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
        let mut answer = Answer::default();
        assert_eq!(answer.take(Event::Key(esc), false).events, [Event::Key(esc)]);
        assert_eq!((answer.take(Event::Key(esc), true).events, answer.is_open()), (Vec::new(), true));
        assert_eq!(read_while("␛]11;rgb:0/0/0\x07", false).events, events("␛]11;rgb:0/0/0\x07"));
    }

    #[test]
    fn what_the_mouse_does_while_an_esc_is_held_passes() {
        let mut answer = Answer::default();
        let mut all = events("␛]11;rgb:0/0/0\x07");
        all.insert(1, Event::FocusGained);
        let taken: Vec<Event> = all.into_iter().flat_map(|event| answer.take(event, true).events).collect();
        assert_eq!(taken, [Event::FocusGained]);
    }
}

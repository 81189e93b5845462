//! Takes the terminal's answer about its background (OSC 11) out of the keys, however late it arrives.
//!
//! crossterm does not parse such answers: `ESC ] 11;rgb:RRRR/GGGG/BBBB ESC \` arrives as `Alt-]`, characters, and
//! `Alt-\` or `Ctrl-G`. In a text field, they would be typed. Keys that only look like an answer are returned as keys.

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
}

impl Answer {
    /// Processes one event; returns the events and the background that result.
    pub fn take(&mut self, event: Event) -> AnswerResult {
        if !self.is_open() {
            return match part(&event) {
                Some(Part::Begin) => {
                    self.held.push(event);
                    AnswerResult::default()
                }
                _ => AnswerResult { events: vec![event], background: None },
            };
        }
        match part(&event) {
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
                '\x1b' => chars.next().map(|c| key(c, KeyModifiers::ALT)),
                '\x07' => Some(key('g', KeyModifiers::CONTROL)),
                c if c.is_ascii_uppercase() => Some(key(c, KeyModifiers::SHIFT)),
                c => Some(key(c, KeyModifiers::NONE)),
            });
        }
        all
    }

    fn read(bytes: &str) -> AnswerResult {
        let mut answer = Answer::default();
        let mut all = AnswerResult::default();
        for event in events(bytes) {
            let taken = answer.take(event);
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
            events("\x1b]11;rgb:").into_iter().flat_map(|event| answer.take(event).events).collect();
        all.extend(answer.take(enter).events);
        all.extend(answer.take(Event::FocusGained).events);
        all.extend(events("0/0/0\x07").into_iter().flat_map(|event| answer.take(event).events));
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
}

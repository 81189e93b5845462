//! Distinguishes typing from pasting if the terminal does not.
//!
//! Characters that arrive faster than a user can type are one paste, whatever they are: an Enter among them does not
//! issue a token, and a Ctrl-C does not quit. Lines that arrive at once are a paste at any length. Lines that arrive one
//! after another, with pauses between them, are keys, but an Enter right behind a character is marked as not typed by
//! hand. Pure: the event loop passes the events and the time.

use std::mem;
use std::time::Duration;

use zeroize::Zeroizing;

use super::input::Input;
use crate::app::Msg;
use crate::app::key::{Code, Key};

/// The number of characters at once that are a paste rather than typing.
pub const BURST: usize = 32;

/// Whether a batch contains a line and the beginning of the next one. No user types that at once, however short it is.
/// A text followed by Enter, however, may be typed by a script.
fn holds_lines(batch: &[Input]) -> bool {
    let mut letters = batch.iter().filter_map(|input| match input {
        Input::Key(key) => text(*key),
        _ => None,
    });
    let is_letter = |c: char| !c.is_control() && c != ' ';
    letters.any(is_letter) && letters.any(|c| matches!(c, '\r' | '\n')) && letters.any(is_letter)
}

/// A burst ends this long after its last character.
pub const SILENCE: Duration = Duration::from_millis(50);

/// A burst of more than `AT_ONCE` bytes ends this long after its last character. Such a paste passes through the
/// buffers of the terminal, the network and the kernel piece by piece, and on a busy machine the next piece may take
/// longer than [`SILENCE`]. If the paste were cut there, the rest would act as keys.
pub const LONG_SILENCE: Duration = Duration::from_millis(250);

/// Nobody types another key so soon after a character. A program that sends a text line by line does, with pauses that end
/// a burst.
pub const BY_HAND: Duration = Duration::from_millis(30);

/// So long after an Enter that was not typed by hand the next keys are not either: they are the next line.
pub const NEXT_LINE: Duration = Duration::from_millis(500);

/// How much a terminal delivers at once: the size of a Linux terminal's buffer, in bytes.
const AT_ONCE: usize = 4096;

/// The largest accepted paste, in bytes.
pub const LARGEST: usize = 1 << 20;

/// Whether a batch is still too short to be a burst, but could be the beginning of one.
pub fn is_undecided(batch: &[Input]) -> bool {
    let marked = batch.iter().any(|input| matches!(input, Input::Paste(_)));
    !marked && (1..BURST).contains(&characters(batch))
}

/// Counts the characters in a batch. Backspaces are not counted: if the key is held while the program is stopped, they
/// pile up, but are meant as keys.
fn characters(batch: &[Input]) -> usize {
    let character = |input: &&Input| match input {
        Input::Key(key) => key.code != Code::Backspace && text(*key).is_some(),
        _ => false,
    };
    batch.iter().filter(character).count()
}

/// Returns the character that was sent, if the key represents one.
fn text(key: Key) -> Option<char> {
    match key {
        Key { code: Code::Enter, .. } => Some('\r'),
        Key { code: Code::Tab, shift: false, .. } => Some('\t'),
        Key { code: Code::Backspace, .. } => Some('\u{7f}'),
        Key { code: Code::Char(c), ctrl: true, .. } => match c {
            // The inverse of crossterm's conversion from the byte to the key.
            'a'..='z' => char::from_u32(u32::from(c) - u32::from('a') + 1),
            '4'..='7' => char::from_u32(u32::from(c) - u32::from('4') + 0x1c),
            ' ' => Some('\0'),
            _ => Some(c),
        },
        Key { code: Code::Char(c), .. } => Some(c),
        _ => None,
    }
}

/// The paste that is arriving, if any.
#[derive(Default)]
pub struct Burst {
    /// The text so far. It may be a secret for a prompt.
    text: Zeroizing<String>,
    /// The number of bytes that arrived. It exceeds the length of `text` once that is too large to keep.
    bytes: usize,
    ends: Option<Duration>,
    /// Until when keys are not typed by hand.
    quick_until: Option<Duration>,
}

impl Burst {
    /// Classifies the events that arrived together, and appends the resulting messages.
    ///
    /// An open burst continues here even after its end, because the loop calls `end` when no event has arrived in time.
    pub fn take(&mut self, batch: impl IntoIterator<Item = Input>, now: Duration, told: &mut Vec<Msg>) {
        let batch: Vec<Input> = batch.into_iter().collect();
        if characters(&batch) >= BURST || holds_lines(&batch) {
            self.ends = Some(now + SILENCE);
        }
        for input in batch {
            match input {
                Input::Mouse(mouse) => told.push(Msg::Mouse(mouse)),
                Input::Background(background) => told.push(Msg::Background(background)),
                Input::Key(key) if self.ends.is_none() => told.push(self.key(key, now)),
                Input::Key(key) => {
                    self.keep(key);
                    self.ends = Some(now + self.silence());
                }
                Input::Paste(pasted) => {
                    told.extend(self.close());
                    self.ends = Some(now + SILENCE);
                    told.push(paste(&pasted, pasted.len()));
                }
            }
        }
    }

    /// Tells a key that was typed from one of a text that is sent line by line.
    fn key(&mut self, key: Key, now: Duration) -> Msg {
        let is_quick = self.quick_until.is_some_and(|until| now < until);
        match (key.typed(), key.code) {
            (Some(_), _) => self.quick_until = Some(now + BY_HAND),
            (None, Code::Enter) if is_quick => self.quick_until = Some(now + NEXT_LINE),
            (None, Code::Enter | Code::Tab | Code::Backspace) => {}
            // No text has such a key.
            _ => self.quick_until = None,
        }
        if is_quick { Msg::QuickKey(key) } else { Msg::Key(key) }
    }

    const fn silence(&self) -> Duration {
        if self.bytes > AT_ONCE { LONG_SILENCE } else { SILENCE }
    }

    /// Returns when the burst ends unless more arrives.
    pub const fn ends(&self) -> Option<Duration> {
        self.ends
    }

    /// Extends an open burst, because more input is known to be on its way.
    pub fn go_on(&mut self, now: Duration) {
        self.ends = self.ends.map(|_| now + self.silence());
    }

    /// Ends the burst if its time has come; returns its message, if it has text.
    pub fn end(&mut self, now: Duration) -> Option<Msg> {
        if self.ends? > now {
            return None;
        }
        self.ends = None;
        self.close()
    }

    /// Appends a key's character. Arrows, Del, function keys and Esc are dropped: inside a paste they are the remains
    /// of an escape sequence.
    fn keep(&mut self, key: Key) {
        let Some(c) = text(key) else { return };
        self.bytes += c.len_utf8();
        if self.bytes <= LARGEST {
            self.text.push(c);
        } else {
            self.text = Zeroizing::default();
        }
    }

    fn close(&mut self) -> Option<Msg> {
        let (text, bytes) = (mem::take(&mut self.text), mem::take(&mut self.bytes));
        (bytes > 0).then(|| paste(&text, bytes))
    }
}

/// Returns the message for a paste, with LF as line break. Terminals send CR for each LF, and CR LF for a text with
/// both.
fn paste(text: &str, bytes: usize) -> Msg {
    if bytes > LARGEST {
        Msg::PasteTooLarge { bytes }
    } else {
        Msg::Paste(text.replace("\r\n", "\n").replace('\r', "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, BURST, BY_HAND, Burst, Input, LARGEST, LONG_SILENCE, SILENCE, holds_lines, is_undecided};
    use crate::app::key::{Code, Key};
    use crate::app::{Mouse, MouseKind, Msg};
    use proptest::prelude::*;
    use std::time::Duration;

    /// The messages that a burst can lead to, in a form that can be compared.
    #[derive(Debug, PartialEq, Eq)]
    enum Said {
        Key(Key),
        Quick(Key),
        Mouse(Mouse),
        Paste(String),
        TooLarge(usize),
    }

    fn said(told: impl IntoIterator<Item = Msg>) -> Vec<Said> {
        let one = |msg| match msg {
            Msg::Key(key) => Said::Key(key),
            Msg::QuickKey(key) => Said::Quick(key),
            Msg::Mouse(mouse) => Said::Mouse(mouse),
            Msg::Paste(text) => Said::Paste(text),
            Msg::PasteTooLarge { bytes } => Said::TooLarge(bytes),
            _ => panic!("a burst tells only of keys, pastes and the mouse"),
        };
        told.into_iter().map(one).collect()
    }

    const START: Duration = Duration::from_secs(1);
    const CLICK: Mouse = Mouse { kind: MouseKind::Click, column: 1, row: 2 };

    fn named(name: &str) -> Input {
        Input::Key(name.parse().expect("the name of a key"))
    }

    /// Converts a text without Esc as crossterm does.
    fn raw(text: &str) -> Vec<Input> {
        let key = |c: char| match c {
            '\r' => Key::plain(Code::Enter),
            '\t' => Key::plain(Code::Tab),
            '\u{7f}' => Key::plain(Code::Backspace),
            '\0' => Key { ctrl: true, ..Key::plain(Code::Char(' ')) },
            '\u{1}'..='\u{1a}' => Key { ctrl: true, ..Key::plain(Code::Char(char::from(b'a' + c as u8 - 1))) },
            '\u{1c}'..='\u{1f}' => Key { ctrl: true, ..Key::plain(Code::Char(char::from(b'4' + c as u8 - 0x1c))) },
            c => Key::plain(Code::Char(c)),
        };
        text.chars().map(key).map(Input::Key).collect()
    }

    /// Returns the messages for batches that arrive 20 ms apart, and for the silence after the last one.
    fn told(batches: &[Vec<Input>]) -> Vec<Said> {
        told_apart(batches, Duration::from_millis(20))
    }

    fn told_apart(batches: &[Vec<Input>], apart: Duration) -> Vec<Said> {
        let (mut burst, mut told, mut now) = (Burst::default(), Vec::new(), START);
        for batch in batches {
            burst.take(batch.clone(), now, &mut told);
            now += apart;
            told.extend(burst.end(now));
        }
        told.extend(burst.end(now + LONG_SILENCE));
        assert_eq!(burst.ends(), None);
        said(told)
    }

    fn pasted(text: &str) -> Vec<Said> {
        vec![Said::Paste(text.to_owned())]
    }

    #[test]
    fn typing_stays_keys() {
        let typed: Vec<Vec<Input>> = raw("user123\t\r").into_iter().map(|input| vec![input]).collect();
        let keys: Vec<Said> = typed.iter().map(|input| Said::Key(key_of(&input[0]))).collect();
        assert_eq!(told_apart(&typed, BY_HAND), keys);
    }

    /// `k` for a key that counts as typed, `q` for one that came too fast.
    fn speeds(batches: &[Vec<Input>], millis: u64) -> String {
        let speed = |said: &Said| match said {
            Said::Key(_) => 'k',
            Said::Quick(_) => 'q',
            other => panic!("{other:?} is not a key"),
        };
        told_apart(batches, Duration::from_millis(millis)).iter().map(speed).collect()
    }

    #[test]
    fn a_key_right_behind_a_character_is_not_typed_by_hand() {
        for (batches, millis, expected) in [
            // At once, and one by one.
            (vec![raw("4\r")], 0, "kq"),
            (vec![raw("4"), raw("\r")], 29, "kq"),
            (vec![raw("4"), raw("\r")], 30, "kk"),
            (vec![raw("t ")], 0, "kq"),
            (vec![raw("x\t\r")], 0, "kqq"),
            // Line by line, with empty lines.
            (vec![raw("4\r"), raw("\r"), raw("\r")], 60, "kqqq"),
            (vec![raw("4\r"), raw("ab\r"), raw("\r")], 499, "kqqqqq"),
            (vec![raw("4\r"), raw("\r")], 500, "kqk"),
            // What no text has ends it.
            (vec![raw("4"), vec![named("Right"), named("Enter")]], 5, "kqk"),
            (vec![vec![named("Alt-4"), named("Enter")]], 0, "kk"),
            (vec![raw("\u{3}\r")], 0, "kk"),
            (vec![raw("\r"), raw("\r"), raw("4")], 1, "kkk"),
        ] {
            assert_eq!(speeds(&batches, millis), expected, "{batches:?} {millis}");
        }
    }

    #[test]
    fn behind_a_paste_keys_count_as_typed() {
        let (mut burst, mut told) = (Burst::default(), Vec::new());
        burst.take(raw("a"), START, &mut told);
        burst.take(raw(&"a".repeat(BURST)), START, &mut told);
        told.extend(burst.end(START + SILENCE));
        burst.take(raw("\r"), START + SILENCE, &mut told);
        assert_eq!(said(told).last(), Some(&Said::Key(Key::plain(Code::Enter))));
    }

    fn key_of(input: &Input) -> Key {
        match input {
            Input::Key(key) => *key,
            other => panic!("{other:?} is no key"),
        }
    }

    #[test]
    fn a_burst_is_one_paste_with_its_enter_tab_and_ctrl_c() {
        let text = format!("{}\t\u{3}\r\n", "x".repeat(40));
        assert_eq!(told(&[raw(&text)]), pasted(&format!("{}\t\u{3}\n", "x".repeat(40))));
    }

    #[test]
    fn lines_that_come_at_once_are_a_paste_at_any_length() {
        for text in ["a\rb", "{\r\"id\":1\r}\r", "1\n2\n", "a\r\r\rb\r"] {
            let whole = text.replace('\r', "\n");
            assert_eq!(told(&[raw(text)]), pasted(&whole), "{text:?}");
        }
        for typed in ["a\r", "\ra", "user123\t\r", "\r\r", "\u{3}\r", "\r \r"] {
            assert_eq!(told(&[raw(typed)]).len(), typed.chars().count(), "{typed:?}");
        }
    }

    #[test]
    fn what_follows_within_the_silence_belongs_to_it() {
        let parts = [raw(&"a".repeat(BURST)), raw("b\r"), raw("c")];
        assert_eq!(told(&parts), pasted(&format!("{}b\nc", "a".repeat(BURST))));
    }

    #[test]
    fn after_the_silence_keys_are_keys() {
        let (mut burst, mut told) = (Burst::default(), Vec::new());
        burst.take(raw(&"a".repeat(BURST)), START, &mut told);
        assert!(burst.end(START + Duration::from_millis(49)).is_none());
        assert_eq!(said(burst.end(START + SILENCE)), [Said::Paste("a".repeat(BURST))]);
        burst.take(raw("\r"), START + SILENCE, &mut told);
        assert_eq!(said(told), [Said::Key(Key::plain(Code::Enter))]);
    }

    #[test]
    fn a_burst_of_which_more_is_on_its_way_goes_on() {
        let (mut burst, mut told) = (Burst::default(), Vec::new());
        burst.go_on(START);
        assert_eq!(burst.ends(), None);
        burst.take(raw(&"a".repeat(BURST)), START, &mut told);
        burst.go_on(START + SILENCE);
        assert!(burst.end(START + SILENCE).is_none());
        burst.take(raw("\r"), START + 2 * SILENCE, &mut told);
        assert!(told.is_empty());
    }

    #[test]
    fn a_large_burst_is_waited_for_longer() {
        let (mut burst, mut told) = (Burst::default(), Vec::new());
        burst.take(raw(&"a".repeat(AT_ONCE)), START, &mut told);
        assert_eq!(burst.ends(), Some(START + SILENCE));
        burst.take(raw("\r"), START, &mut told);
        assert_eq!(burst.ends(), Some(START + LONG_SILENCE));
    }

    #[test]
    fn other_keys_in_a_burst_are_dropped_and_the_mouse_passes() {
        let mut batch = raw(&"a".repeat(BURST));
        batch.splice(7..7, ["Del", "Up", "Esc", "F2", "Shift-Tab"].map(named));
        batch.insert(9, Input::Mouse(CLICK));
        assert_eq!(told(&[batch]), [Said::Mouse(CLICK), Said::Paste("a".repeat(BURST))]);
    }

    #[test]
    fn held_arrows_and_backspace_are_no_burst() {
        for name in ["Down", "Backspace", "Del"] {
            let batch = vec![named(name); 3 * BURST];
            assert!(!is_undecided(&batch), "{name}");
            assert_eq!(told(&[batch]).len(), 3 * BURST, "{name}");
        }
    }

    #[test]
    fn a_marked_paste_passes_at_once_and_an_enter_right_behind_it_is_text() {
        let (mut burst, mut told) = (Burst::default(), Vec::new());
        burst.take([Input::Paste("one\r\ntwo\rthree".to_owned()), named("Enter")], START, &mut told);
        assert_eq!(said(told), pasted("one\ntwo\nthree"));
        assert_eq!(said(burst.end(START + SILENCE)), [Said::Paste("\n".to_owned())]);
    }

    #[test]
    fn a_marked_paste_alone_leaves_nothing_behind() {
        assert_eq!(told(&[vec![Input::Paste("eyJ".to_owned())]]), pasted("eyJ"));
    }

    #[test]
    fn the_largest_paste_is_kept_and_one_byte_more_is_counted() {
        let largest = "x".repeat(LARGEST);
        let larger = "x".repeat(LARGEST + 1);
        assert_eq!(told(&[raw(&largest)]), pasted(&largest));
        assert_eq!(told(&[vec![Input::Paste(largest.clone())]]), pasted(&largest));
        let too_large = [Said::TooLarge(LARGEST + 1)];
        assert_eq!(told(&[raw(&larger)]), too_large);
        assert_eq!(told(&[vec![Input::Paste(larger)]]), too_large);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let (mut burst, mut told) = (Burst::default(), Vec::new());
        for _ in 0..5 {
            burst.take(raw(&"é".repeat(LARGEST / 4)), START, &mut told);
        }
        assert!(burst.text.capacity() < 64);
        assert_eq!(said(burst.end(START + LONG_SILENCE)), [Said::TooLarge(5 * LARGEST / 2)]);
        // The next burst does not inherit anything from it.
        burst.take(raw(&"a".repeat(BURST)), START, &mut told);
        assert_eq!(said(burst.end(START + SILENCE)), [Said::Paste("a".repeat(BURST))]);
    }

    proptest! {
        #[test]
        fn no_burst_of_characters_is_ever_a_key(text in "[^\u{1b}]{32,200}", tail in "[^\u{1b}]{0,40}", cut in 0usize..40) {
            let split = tail.chars().count().min(cut);
            let (near, far): (String, String) = (tail.chars().take(split).collect(), tail.chars().skip(split).collect());
            prop_assume!(text.chars().filter(|c| *c != '\u{7f}').count() >= BURST);
            let whole = format!("{text}{tail}").replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(told(&[raw(&text), raw(&near), raw(&far)]), pasted(&whole));
        }

        #[test]
        fn fewer_are_keys_and_the_loop_waits_for_more(text in "[a-z\r\t]{1,31}") {
            let batch = raw(&text);
            prop_assert!(is_undecided(&batch));
            prop_assume!(!holds_lines(&batch));
            prop_assert_eq!(told(&[batch]).len(), text.chars().count());
        }
    }
}

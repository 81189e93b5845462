//! Terminal input as the console's own types: keys, clicks, pastes.
//!
//! A dedicated thread blocks in crossterm's `read` and sends batches; the event loop classifies them (`burst`).
//! crossterm's `EventStream` does not work well with `use-dev-tty`: it calls `poll(ZERO)`, which returns false even
//! with parsed events, and so delivers one key per thread switch. While the thread runs, the terminal must not be
//! queried (`cursor::position()`), because the thread holds crossterm's lock.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossterm::event::{
    self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use tokio::sync::mpsc;

use super::answer::{Answer, AnswerResult};
use super::terminal::has_input;
use crate::app::key::{Code, Key};
use crate::app::{Mouse, MouseKind};
use crate::clock::Clock;
use crate::look::Background;

/// An event that the terminal sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Input {
    /// A key was pressed, or repeated.
    Key(Key),
    /// A click, or a turn of the wheel.
    Mouse(Mouse),
    /// A paste that the terminal marked as one (bracketed paste).
    Paste(String),
    /// The terminal's background, which it reported.
    Background(Background),
}

impl fmt::Debug for Input {
    /// Shows only the length of a paste: it may contain a token or a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.debug_tuple("Key").field(key).finish(),
            Self::Mouse(mouse) => f.debug_tuple("Mouse").field(mouse).finish(),
            Self::Background(background) => background.fmt(f),
            Self::Paste(text) => write!(f, "Paste({} bytes)", text.len()),
        }
    }
}

/// Events that arrived together, or the error that ended the input.
pub type Batch = io::Result<Vec<Input>>;

/// The number of events that completes a batch. crossterm reads 1,024 bytes at a time, so a few reads fill one.
const BATCH: usize = 4096;

/// The maximum number of batches that may wait. At this number, the thread stops reading, and the terminal buffers the
/// rest.
const WAITING: usize = 4;

/// How long the thread checks for events that arrived together with one. Not zero, because crossterm's `poll(ZERO)`
/// ignores parsed events. Not longer, because below a millisecond `poll` does not sleep.
const TOGETHER: Duration = Duration::from_micros(50);

/// How long a key that looks like the beginning of a terminal's answer waits for the rest.
const KEY: Duration = Duration::from_millis(30);

/// How long an Esc waits while an answer is awaited whose first byte it may be.
const ESC: Duration = Duration::from_millis(50);

/// How long an answer is awaited after the question. Later than that it is only recognized if its beginning comes in one
/// piece.
const AWAITED: Duration = Duration::from_secs(3);

/// How long an answer may pause, because it arrives in pieces on slow lines.
const ANSWER: Duration = Duration::from_secs(1);

/// The receiving end of the input thread.
pub struct Batches {
    receiver: mpsc::Receiver<Batch>,
    is_reading: Arc<AtomicBool>,
    awaited: Awaited,
}

/// Whether an answer of the terminal is awaited: the event loop asks, and the thread reads.
#[derive(Clone)]
pub struct Awaited {
    clock: Arc<dyn Clock>,
    /// On the monotonic clock, in microseconds.
    until: Arc<AtomicU64>,
}

impl Awaited {
    /// The terminal is about to be asked.
    pub fn begin(&self) {
        self.set(self.clock.monotonic() + AWAITED);
    }

    fn set(&self, until: Duration) {
        self.until.store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn is_now(&self) -> bool {
        self.clock.monotonic() < Duration::from_micros(self.until.load(Ordering::SeqCst))
    }
}

impl Batches {
    /// Starts the thread. It ends with the process, or at the next event after this is dropped.
    pub fn listen(clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let is_reading = Arc::new(AtomicBool::new(false));
        let awaited = Awaited { clock, until: Arc::default() };
        let mut reader = Reader {
            answer: Answer::default(),
            awaited: awaited.clone(),
            is_reading: Arc::clone(&is_reading),
            is_drained: true,
        };
        thread::Builder::new().name("terminal-input".to_owned()).spawn(move || {
            loop {
                let batch = reader.read();
                let failed = batch.is_err();
                if sender.blocking_send(batch).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { receiver, is_reading, awaited })
    }

    /// Where the thread is told of a question to the terminal.
    pub fn awaited(&self) -> Awaited {
        self.awaited.clone()
    }

    /// Waits for the next batch; `None` once the thread has ended.
    pub async fn next(&mut self) -> Option<Batch> {
        self.receiver.recv().await
    }

    /// Returns the next batch, if one has arrived.
    pub fn next_there(&mut self) -> Option<Batch> {
        self.receiver.try_recv().ok()
    }

    /// Whether more input is known to be on its way: in the thread, or in the terminal's buffer. On a busy machine it
    /// may take a while until the thread is scheduled to read it.
    pub fn has_more(&self) -> bool {
        self.is_reading.load(Ordering::SeqCst) || has_input()
    }
}

struct Reader {
    answer: Answer,
    awaited: Awaited,
    is_reading: Arc<AtomicBool>,
    /// Whether no input followed the last event.
    is_drained: bool,
}

impl Reader {
    fn read(&mut self) -> Batch {
        let mut batch = Vec::new();
        loop {
            if self.is_drained {
                // Set only after the previous batch was sent, so that no event is pending while it is false.
                self.is_reading.store(false, Ordering::SeqCst);
            }
            let event = event::read()?;
            let AnswerResult { events, background } = self.answer.take(event, self.awaited.is_now());
            if background.is_some() {
                self.awaited.set(Duration::ZERO);
            }
            batch.extend(background.map(Input::Background));
            batch.extend(events.into_iter().filter_map(input));
            self.is_reading.store(true, Ordering::SeqCst);
            self.is_drained = !event::poll(TOGETHER)?;
            let patience = match (self.answer.is_certain(), self.awaited.is_now()) {
                (true, _) => ANSWER,
                (false, true) => ESC,
                (false, false) => KEY,
            };
            if self.is_drained && self.answer.is_open() && !event::poll(patience)? {
                batch.extend(self.answer.give_up().into_iter().filter_map(input));
            }
            if batch.len() >= BATCH || (self.is_drained && !batch.is_empty()) {
                return Ok(batch);
            }
        }
    }
}

/// Converts an event, if the console uses it. Resizes are reported by `signals` instead.
pub fn input(event: Event) -> Option<Input> {
    match event {
        Event::Key(event) => key(event).map(Input::Key),
        Event::Mouse(event) => mouse(event).map(Input::Mouse),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(..) | Event::FocusGained | Event::FocusLost => None,
    }
}

fn key(KeyEvent { code, modifiers, kind, .. }: KeyEvent) -> Option<Key> {
    if kind == KeyEventKind::Release
        || modifiers.intersects(KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META)
    {
        return None;
    }
    let code = match code {
        // Some terminals send the byte of Ctrl-H for Backspace.
        KeyCode::Char('h') if modifiers == KeyModifiers::CONTROL => return Some(Key::plain(Code::Backspace)),
        KeyCode::Char(c) => return Some(character(c, modifiers)),
        KeyCode::F(n) => Code::F(n),
        KeyCode::Enter => Code::Enter,
        KeyCode::Tab | KeyCode::BackTab => Code::Tab,
        KeyCode::Esc => Code::Esc,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Del,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::PageUp => Code::PgUp,
        KeyCode::PageDown => Code::PgDn,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        _ => return None,
    };
    Some(Key {
        code,
        ctrl: modifiers.contains(KeyModifiers::CONTROL),
        alt: modifiers.contains(KeyModifiers::ALT),
        shift: code == Code::Tab && modifiers.contains(KeyModifiers::SHIFT),
    })
}

fn character(c: char, modifiers: KeyModifiers) -> Key {
    let (ctrl, alt) = (modifiers.contains(KeyModifiers::CONTROL), modifiers.contains(KeyModifiers::ALT));
    // Some terminals report AltGr as Ctrl and Alt. The character that it makes is what the user typed, unless the user
    // may have meant both modifiers with that key.
    if ctrl && alt && !c.is_ascii_alphanumeric() && c != ' ' {
        return Key::plain(Code::Char(c));
    }
    // Some terminals send the byte 0x08 for Backspace, which arrives as Ctrl-H.
    if ctrl && c.eq_ignore_ascii_case(&'h') {
        return Key { code: Code::Backspace, ctrl: false, alt, shift: false };
    }
    let c = match c {
        // Most terminals send the byte 0x1F for Ctrl-/ and Ctrl-_, which arrives as Ctrl-7; terminals that distinguish
        // these keys must not produce three different ones.
        '/' | '_' if ctrl => '7',
        c if ctrl => c.to_ascii_lowercase(),
        c => c,
    };
    Key { code: Code::Char(c), ctrl, alt, shift: false }
}

fn mouse(MouseEvent { kind, column, row, .. }: MouseEvent) -> Option<Mouse> {
    let kind = match kind {
        MouseEventKind::Down(MouseButton::Left) => MouseKind::Click,
        MouseEventKind::ScrollUp => MouseKind::WheelUp,
        MouseEventKind::ScrollDown => MouseKind::WheelDown,
        _ => return None,
    };
    Some(Mouse { kind, column, row })
}

#[cfg(test)]
mod tests {
    use super::{Input, input};
    use crossterm::event::{
        Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
    };
    use rstest::rstest;

    const NONE: KeyModifiers = KeyModifiers::NONE;
    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;
    const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

    #[rstest]
    #[case(KeyCode::Char('a'), NONE, "a")]
    #[case(KeyCode::Char('A'), SHIFT, "A")]
    #[case(KeyCode::Char(' '), NONE, "Space")]
    #[case(KeyCode::Char('y'), CTRL, "Ctrl-Y")]
    #[case(KeyCode::Char('Y'), CTRL.union(SHIFT), "Ctrl-Y")]
    #[case(KeyCode::Char('j'), CTRL, "Ctrl-J")]
    #[case(KeyCode::Char('h'), CTRL, "Backspace")]
    #[case(KeyCode::Char('7'), CTRL, "Ctrl-7")]
    #[case(KeyCode::Char('h'), CTRL, "Backspace")]
    #[case(KeyCode::Char('h'), CTRL.union(ALT), "Alt-Backspace")]
    #[case(KeyCode::Char('/'), CTRL, "Ctrl-7")]
    #[case(KeyCode::Char('_'), CTRL.union(SHIFT), "Ctrl-7")]
    #[case(KeyCode::Char('3'), ALT, "Alt-3")]
    #[case(KeyCode::Char('@'), CTRL.union(ALT), "@")]
    #[case(KeyCode::Char('€'), CTRL.union(ALT), "€")]
    #[case(KeyCode::Char('q'), CTRL.union(ALT), "Ctrl-Alt-Q")]
    #[case(KeyCode::Enter, NONE, "Enter")]
    #[case(KeyCode::Tab, NONE, "Tab")]
    #[case(KeyCode::BackTab, SHIFT, "Shift-Tab")]
    #[case(KeyCode::Up, CTRL, "Ctrl-Up")]
    #[case(KeyCode::Up, SHIFT, "Up")]
    #[case(KeyCode::Delete, NONE, "Del")]
    #[case(KeyCode::F(4), NONE, "F4")]
    fn keys(#[case] code: KeyCode, #[case] modifiers: KeyModifiers, #[case] name: &str) {
        let key = name.parse().expect("the name of a key");
        assert_eq!(input(Event::Key(KeyEvent::new(code, modifiers))), Some(Input::Key(key)));
    }

    #[test]
    fn a_repeat_is_a_press_and_a_release_is_nothing() {
        let event = |kind| Event::Key(KeyEvent::new_with_kind(KeyCode::Down, NONE, kind));
        assert_eq!(input(event(KeyEventKind::Repeat)), input(event(KeyEventKind::Press)));
        assert_eq!(input(event(KeyEventKind::Release)), None);
    }

    #[rstest]
    #[case(KeyCode::Char('a'), KeyModifiers::SUPER)]
    #[case(KeyCode::Insert, NONE)]
    #[case(KeyCode::CapsLock, NONE)]
    fn keys_the_console_has_no_word_for(#[case] code: KeyCode, #[case] modifiers: KeyModifiers) {
        assert_eq!(input(Event::Key(KeyEvent::new(code, modifiers))), None);
    }

    #[rstest]
    #[case(MouseEventKind::Down(MouseButton::Left), true)]
    #[case(MouseEventKind::ScrollUp, true)]
    #[case(MouseEventKind::ScrollDown, true)]
    #[case(MouseEventKind::Down(MouseButton::Right), false)]
    #[case(MouseEventKind::Up(MouseButton::Left), false)]
    #[case(MouseEventKind::Drag(MouseButton::Left), false)]
    #[case(MouseEventKind::Moved, false)]
    fn of_the_mouse_only_clicks_and_the_wheel(#[case] kind: MouseEventKind, #[case] told: bool) {
        let event = Event::Mouse(MouseEvent { kind, column: 3, row: 4, modifiers: NONE });
        assert_eq!(input(event).is_some(), told);
    }
}

//! Converts frames into the bytes that change a terminal from the frame it shows to the next one: as one synchronized
//! update, and only if the two differ.
//!
//! The writer thread is the only caller. Each frame is compared with the one written last, not with the one drawn last,
//! because a frame that the terminal is too slow for is never written. ratatui's `Terminal` cannot do that, and it
//! writes 25 bytes for a frame without changes.

use std::io;
use std::mem;

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType};
use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;

/// Begins and ends a synchronized update: a terminal that supports it shows the frame as a whole, others ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// The initial capacity in bytes: enough for the first frame of a large window without growing.
const CAPACITY: usize = 64 * 1024;

/// A whole picture.
pub struct Frame {
    /// Its cells.
    pub buffer: Buffer,
    /// Column and row of the cursor; `None` hides it.
    pub cursor: Option<(u16, u16)>,
}

/// A copy of the terminal's contents.
pub struct Screen {
    shown: Buffer,
    cursor: Option<(u16, u16)>,
    bytes: Vec<u8>,
}

impl Screen {
    /// Creates a copy for a terminal with unknown contents.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(CAPACITY);
        bytes.extend_from_slice(BEGIN);
        Self { shown: Buffer::default(), cursor: None, bytes }
    }

    /// Returns the bytes that show a frame, empty if it is shown already, and the buffer of the previous frame for
    /// reuse. `is_unknown` is whether the terminal's contents may have changed: then the whole frame is sent.
    pub fn encode(&mut self, Frame { buffer, cursor }: Frame, is_unknown: bool) -> io::Result<(&[u8], Buffer)> {
        let bytes = &mut self.bytes;
        bytes.truncate(BEGIN.len());
        if is_unknown || buffer.area != self.shown.area {
            self.shown.resize(buffer.area);
            self.shown.reset();
            self.cursor = None;
            queue!(bytes, Hide, Clear(ClearType::All))?;
        }
        let mut changes = self.shown.diff_iter(&buffer).peekable();
        // crossterm's backend writes its resets even if no cell has changed.
        if changes.peek().is_some() {
            CrosstermBackend::new(&mut *bytes).draw(changes)?;
        }
        if bytes.len() > BEGIN.len() || cursor != self.cursor {
            if let Some((column, row)) = cursor {
                queue!(bytes, MoveTo(column, row))?;
            }
            match (self.cursor, cursor) {
                (None, Some(_)) => queue!(bytes, Show)?,
                (Some(_), None) => queue!(bytes, Hide)?,
                _ => {}
            }
            self.cursor = cursor;
            bytes.extend_from_slice(END);
        }
        let before = mem::replace(&mut self.shown, buffer);
        let is_empty = self.bytes.len() == BEGIN.len();
        Ok((if is_empty { &[] } else { &self.bytes }, before))
    }
}

/// Asks for the colour of the background (OSC 11). Terminals that support it answer among the keys.
pub const ASK_BACKGROUND: &[u8] = b"\x1b]11;?\x1b\\";

/// Returns the sequence that puts a text into the terminal's clipboard (OSC 52). The terminal does not report whether
/// it allows that.
pub fn osc_52(text: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(bytes, CopyToClipboard::to_clipboard_from(text))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Frame, Screen};
    use ratatui::buffer::Buffer;
    use std::num::NonZeroU16;

    fn frame(lines: [&str; 3], cursor: Option<(u16, u16)>) -> Frame {
        Frame { buffer: Buffer::with_lines(lines), cursor }
    }

    fn terminal() -> vt100::Parser {
        let [rows, columns] = [3, 5].map(|n| NonZeroU16::new(n).expect("a size"));
        vt100::Parser::new(rows, columns, 0)
    }

    fn shown(terminal: &vt100::Parser) -> (String, (u16, u16), bool) {
        let screen = terminal.screen();
        let (row, column) = screen.cursor_position();
        (screen.contents(), (column, row), !screen.hide_cursor())
    }

    #[test]
    fn every_frame_replaces_the_one_written_before_it() {
        let (mut screen, mut terminal) = (Screen::new(), terminal());
        for (lines, cursor) in [
            (["one  ", "     ", "three"], None),
            (["one  ", "two  ", "     "], Some((2, 1))),
            (["     ", "     ", "     "], Some((4, 2))),
            (["  x  ", "     ", "     "], None),
        ] {
            let (bytes, _) = screen.encode(frame(lines, cursor), false).expect("in memory");
            terminal.process(bytes);
            let (text, at, is_visible) = shown(&terminal);
            let wanted = lines.map(str::trim_end).join("\n");
            assert_eq!((text.trim_end(), is_visible), (wanted.trim_end(), cursor.is_some()));
            assert!(cursor.is_none_or(|cursor| cursor == at));
        }
    }

    #[test]
    fn a_frame_that_is_shown_already_costs_no_byte() {
        let mut screen = Screen::new();
        let first = |screen: &mut Screen| screen.encode(frame(["a", "b", "c"], Some((0, 0))), false).map(|f| f.0.len());
        assert!(first(&mut screen).expect("in memory") > 0);
        assert_eq!(first(&mut screen).expect("in memory"), 0);
    }

    #[test]
    fn what_another_program_wrote_is_cleared_away() {
        let (mut screen, mut terminal) = (Screen::new(), terminal());
        let lines = ["one  ", "     ", "     "];
        terminal.process(screen.encode(frame(lines, Some((0, 0))), false).expect("in memory").0);
        terminal.process(b"\x1b[2J\x1b[2;1Hshell\x1b[?25l");
        terminal.process(screen.encode(frame(lines, Some((0, 0))), true).expect("in memory").0);
        let (text, at, is_visible) = shown(&terminal);
        assert_eq!((text.trim_end(), at, is_visible), ("one", (0, 0), true));
    }
}

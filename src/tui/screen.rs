//! Draws frames: rendered and compared in memory, sent in one write, as one synchronized update, and only if they differ.
//!
//! The event loop is the only caller. ratatui's `Terminal::draw` is not used: it writes 25 bytes for a frame that changes
//! nothing, flushes several times for one that does, and asks the terminal for its size each time.

use std::io;

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType as Cleared};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Rect, Size};
use ratatui::{Frame, Terminal};

use super::terminal::Modes;
use crate::app::Drawn;

/// Begins and ends a synchronized update: a terminal that knows it shows the frame whole, others ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Holds the first frame of a large window without growing.
const CAPACITY: usize = 64 * 1024;

/// The picture as the terminal shows it.
pub struct Screen {
    terminal: Terminal<Pen>,
    cursor: Option<(u16, u16)>,
}

impl Screen {
    /// A screen of this size about which nothing is known.
    pub fn new(columns: u16, rows: u16) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(CAPACITY);
        bytes.extend_from_slice(BEGIN);
        let terminal = Terminal::new(Pen { bytes, size: Size::new(columns, rows) })?;
        Ok(Self { terminal, cursor: None })
    }

    /// The next frame is drawn whole, at this size. The cursor is taken for hidden, as `Modes::on` leaves it.
    pub fn start_over(&mut self, columns: u16, rows: u16) -> io::Result<()> {
        self.cursor = None;
        self.resize(columns, rows)
    }

    /// The next frame has this size, and is drawn whole.
    pub fn resize(&mut self, columns: u16, rows: u16) -> io::Result<()> {
        self.terminal.backend_mut().size = Size::new(columns, rows);
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }

    /// Renders a frame, and writes what of it is not yet on the screen.
    pub fn draw(&mut self, modes: &Modes, render: impl FnOnce(&mut Frame) -> Drawn) -> io::Result<Drawn> {
        let drawn = render(&mut self.terminal.get_frame());
        self.terminal.flush()?;
        self.terminal.swap_buffers();
        let bytes = &mut self.terminal.backend_mut().bytes;
        let cells_changed = bytes.len() > BEGIN.len();
        if cells_changed || drawn.cursor != self.cursor {
            if let Some((column, row)) = drawn.cursor {
                queue!(bytes, MoveTo(column, row))?;
            }
            match (self.cursor, drawn.cursor) {
                (None, Some(_)) => queue!(bytes, Show)?,
                (Some(_), None) => queue!(bytes, Hide)?,
                _ => {}
            }
            self.cursor = drawn.cursor;
            bytes.extend_from_slice(END);
            let written = modes.write(bytes);
            bytes.truncate(BEGIN.len());
            written?;
        }
        Ok(drawn)
    }
}

/// Puts a text into the clipboard of the terminal (OSC 52). Whether the terminal allows it, it does not say.
pub fn copy(modes: &Modes, text: &str) -> io::Result<()> {
    let mut bytes = Vec::new();
    queue!(bytes, CopyToClipboard::to_clipboard_from(text))?;
    modes.write(&bytes)
}

/// A backend that draws into memory.
struct Pen {
    bytes: Vec<u8>,
    size: Size,
}

impl Backend for Pen {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        // Even for no cells at all crossterm's backend writes its resets.
        if content.peek().is_none() {
            return Ok(());
        }
        CrosstermBackend::new(&mut self.bytes).draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        queue!(self.bytes, Hide)
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        queue!(self.bytes, Show)
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Asking would wait for the lock that the input thread holds.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        queue!(self.bytes, MoveTo(x, y))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        let cleared = match region {
            ClearType::All => Cleared::All,
            ClearType::AfterCursor => Cleared::FromCursorDown,
            ClearType::BeforeCursor => Cleared::FromCursorUp,
            ClearType::CurrentLine => Cleared::CurrentLine,
            ClearType::UntilNewLine => Cleared::UntilNewLine,
        };
        queue!(self.bytes, Clear(cleared))
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    /// The frame is sent when it is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! `&App` → frame. Draws and never changes anything; what it learns on the way it hands back.

mod activity;
mod call;
mod canvas;
mod claims;
mod clock;
mod connect;
mod detail;
mod diff;
mod drill;
mod footer;
mod header;
mod help;
mod inspect;
mod issue;
mod kit;
mod matrix;
mod palette;
mod policy;
mod prompt;
mod server;
mod settings;
mod stage;
pub mod theme;
mod timeline;
mod token;
mod tokens;
mod traffic;
mod who;
mod widget;

use ratatui::Frame;
use ratatui::buffer::Buffer;

use crate::app::overlay::Overlay;
use crate::app::{App, Drawn};
use canvas::Canvas;
pub use theme::{Meaning, Theme};

/// Below this many columns or rows nothing useful fits.
pub const SMALLEST: (u16, u16) = (40, 12);

/// Draws a frame.
pub fn render(app: &App, theme: &Theme, frame: &mut Frame) -> Drawn {
    draw(app, theme, frame.buffer_mut())
}

/// Draws into a buffer, over its whole area.
pub fn draw(app: &App, theme: &Theme, buf: &mut Buffer) -> Drawn {
    let drawn = app.drawn.kept(app.times.judged);
    let area = buf.area;
    let mut canvas = Canvas { app, theme, buf, drawn };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let said = format!("portcullis needs {}×{}", SMALLEST.0, SMALLEST.1);
        let lines = canvas.wrapped(&said, area.width, Meaning::Plain);
        canvas.lines(area, lines);
        return canvas.drawn;
    }
    stage::render(&mut canvas, area);
    for overlay in &app.overlays {
        match overlay {
            Overlay::Help { scroll } => help::render(&mut canvas, *scroll),
            Overlay::Palette(palette) => palette::render(&mut canvas, palette),
            Overlay::Settings(form) => settings::render(&mut canvas, form),
            Overlay::Detail { seq, scroll } => detail::render(&mut canvas, *seq, *scroll),
            Overlay::Token { scroll } => token::render(&mut canvas, *scroll),
            Overlay::Diff { with, scroll, rows } => diff::render(&mut canvas, *with, rows, *scroll),
            Overlay::KeyPrompt(prompt) => prompt::render_key(&mut canvas, prompt),
            Overlay::Line(form) => prompt::render_line(&mut canvas, form),
            Overlay::Confirm(question) => prompt::render_question(&mut canvas, question),
        }
    }
    footer::render(&mut canvas, area);
    stage::message(&mut canvas, area);
    canvas.drawn
}

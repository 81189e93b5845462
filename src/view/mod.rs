//! `&App` → frame. Drawing never changes the state; it returns the facts that only drawing knows.
//!
//! A pane is drawn by the file of its name under `pane/`, an overlay by one under `overlay/`. `stage` places the panes;
//! `canvas` and `widget` draw what several of them share.

mod canvas;
mod claims;
mod footer;
mod header;
mod overlay;
mod pane;
mod record;
mod stage;
pub mod theme;
mod verdict;
mod widget;

use ratatui::Frame;
use ratatui::buffer::Buffer;

use crate::app::{App, FrameInfo};
use canvas::Canvas;
pub use theme::{Role, Theme};

/// The minimum columns and rows; nothing useful fits below them.
pub const SMALLEST: (u16, u16) = (40, 12);

/// Draws a frame.
pub fn render(app: &App, frame: &mut Frame) -> FrameInfo {
    draw(app, frame.buffer_mut())
}

/// Draws a frame into a buffer, over its whole area.
pub fn draw(app: &App, buf: &mut Buffer) -> FrameInfo {
    let drawn = app.drawn.kept(app.times.judged);
    let area = buf.area;
    let theme = Theme::from(app.look);
    if let Some(ground) = theme.ground() {
        buf.set_style(area, ground);
    }
    let mut canvas = Canvas { app, theme, buf, drawn, panes: Vec::new() };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let said = format!("portcullis needs {}×{}", SMALLEST.0, SMALLEST.1);
        let lines = canvas.wrapped(&said, area.width, Role::Plain);
        canvas.lines(area, lines);
        return canvas.drawn;
    }
    stage::render(&mut canvas, area);
    for overlay in &app.overlays {
        overlay::render(&mut canvas, overlay);
    }
    footer::render(&mut canvas, area);
    stage::message(&mut canvas, area);
    canvas.drawn
}

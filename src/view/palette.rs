//! The palette: every command by words, with its key.

use ratatui::layout::Rect;

use super::canvas::{Canvas, below, bottom, top};
use super::help::row;
use super::theme::Meaning;
use super::widget::text_line;
use crate::app::Target;
use crate::app::drawn::Window;
use crate::app::overlay::Palette;

pub fn render(canvas: &mut Canvas, palette: &Palette) {
    let inner = canvas.popup(76, 22, "commands");
    let prompt = canvas.span("> ", Meaning::Focused);
    canvas.line(inner, prompt);
    let field = Rect { x: inner.x + 2, width: inner.width.saturating_sub(2), ..top(inner, 1) };
    text_line(canvas, field, &palette.filter, true, "type words of a command");
    let list = below(inner, 1);
    let found = palette.matches();
    if found.is_empty() {
        let told = canvas.span("no command holds these words", Meaning::Hint);
        canvas.line(list, told);
    }
    let scrolls = found.len() > usize::from(list.height);
    let rows = usize::from(list.height).saturating_sub(usize::from(scrolls));
    let window = Window::default().around(palette.row, rows, found.len());
    for (n, binding) in found.iter().enumerate().skip(window.first).take(rows) {
        let place = Rect { y: list.y + u16::try_from(n - window.first).unwrap_or(0), height: 1, ..list };
        let line = row(canvas, binding);
        let line = if n == palette.row { line.style(canvas.style(Meaning::Selected)) } else { line };
        canvas.line(place, line);
        canvas.target(place, Target::PaletteRow(n));
    }
    if scrolls {
        let told = format!("{}–{} of {}", window.first + 1, (window.first + rows).min(found.len()), found.len());
        let told = canvas.span(told, Meaning::Hint);
        canvas.line(bottom(list, 1), told);
    }
    canvas.drawn.overlay_rows = rows;
}

//! The palette: every command in words, with its keys.

use ratatui::layout::Rect;

use crate::app::Target;
use crate::app::frame_info::Window;
use crate::app::overlay::Palette;
use crate::view::canvas::{Canvas, below, top};
use crate::view::theme::Role;
use crate::view::widget::{key_row, text_line};

pub fn render(canvas: &mut Canvas, palette: &Palette) {
    let inner = canvas.popup(76, 22, "commands");
    let prompt = canvas.span("> ", Role::Focused);
    canvas.line(inner, prompt);
    let field = Rect { x: inner.x + 2, width: inner.width.saturating_sub(2), ..top(inner, 1) };
    text_line(canvas, field, &palette.filter, true, "search commands");
    let list = below(inner, 1);
    let found = palette.matches();
    if found.is_empty() {
        let told = canvas.span("no matching command", Role::Hint);
        canvas.line(list, told);
    }
    let window = canvas.list_from(Window::default(), list, palette.row, found.len(), |canvas, n, place| {
        let line = key_row(canvas, found[n]);
        let line = if n == palette.row { canvas.selected(line) } else { line };
        canvas.line(place, line);
        canvas.target(place, Target::PaletteRow(n));
    });
    canvas.drawn.overlay_rows = window.rows;
}

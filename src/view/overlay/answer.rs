//! The answer to the last call in full. Its lines were made when it was opened; only those in sight are drawn.

use ratatui::text::Line;

use crate::app::pane::call::answer::{AnswerLine, AnswerView, Tone};
use crate::view::canvas::Canvas;
use crate::view::theme::Role;

pub fn render(canvas: &mut Canvas, view: &AnswerView) {
    let (columns, rows) = AnswerView::window();
    let inner = canvas.popup(columns, rows, &format!("answer of {}", view.tool));
    let lines = view.document.lines();
    canvas.drawn.overlay_rows = usize::from(inner.height);
    canvas.drawn.overlay_end = canvas.scrolled(inner, lines.len(), view.scroll, |canvas, n| {
        let line = lines.get(n).map(|line| styled(canvas, line)).unwrap_or_default();
        if view.found == Some(n) { canvas.selected(line) } else { line }
    });
}

/// Returns a line of an answer with its name set apart.
pub fn styled(canvas: &Canvas, line: &AnswerLine) -> Line<'static> {
    let role = match line.tone {
        Tone::Content => Role::Plain,
        Tone::Note => Role::Hint,
        Tone::Fault => Role::Denied,
    };
    let (name, rest) = line.text.split_at_checked(line.name).unwrap_or((&line.text, ""));
    Line::from(vec![canvas.span(name, Role::Label), canvas.span(rest, role)])
}

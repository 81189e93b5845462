//! Prompts for a secret, of which only the length is shown, and for a line; and questions.

use ratatui::text::Line;

use crate::app::hints;
use crate::app::overlay::{KeyPrompt, LineForm, Question};
use crate::text::words;
use crate::view::canvas::{Canvas, below, right_of, split_bottom, top, wrap};
use crate::view::theme::Role;
use crate::view::widget::text_line;

pub fn render_key(canvas: &mut Canvas, prompt: &KeyPrompt) {
    let columns = canvas.buf.area.width.min(60);
    let fault = prompt.fault.as_deref().map(|fault| canvas.wrapped(fault, columns.saturating_sub(4), Role::Denied));
    let fault = fault.unwrap_or_default();
    let rows = u16::try_from(fault.len()).unwrap_or(2).max(2);
    let inner = canvas.popup(columns, 5 + rows, prompt.purpose.words());
    let typed = prompt.typed();
    let room = usize::from(inner.width).saturating_sub(3);
    let dots = "•".repeat(typed.min(room));
    let line = Line::from(vec![canvas.span("> ", Role::Focused), canvas.span(dots, Role::Plain)]);
    canvas.line(inner, line);
    let x = inner.x + 2 + u16::try_from(typed.min(room)).unwrap_or(0);
    canvas.drawn.cursor = Some((x.min(inner.right().saturating_sub(1)), inner.y));
    let told = canvas.span(format!("{}; never shown", words::count(typed, "character")), Role::Hint);
    canvas.line(below(inner, 1), told);
    // Where there is little room, the gap above the error goes first.
    let gap = if usize::from(inner.height) < fault.len() + 3 { 2 } else { 3 };
    canvas.lines(below(inner, gap), fault);
}

pub fn render_line(canvas: &mut Canvas, form: &LineForm) {
    let columns = canvas.buf.area.width.min(60);
    let note = canvas.wrapped(form.asks.note(), columns.saturating_sub(4), Role::Hint);
    let inner = canvas.popup(columns, 4 + u16::try_from(note.len()).unwrap_or(1), form.asks.words());
    let prompt = canvas.span("> ", Role::Focused);
    canvas.line(inner, prompt);
    text_line(canvas, top(right_of(inner, 2), 1), &form.text, true, form.asks.hint());
    canvas.lines(below(inner, 1), note);
}

pub fn render_question(canvas: &mut Canvas, question: &Question) {
    let columns = canvas.buf.area.width.min(60);
    let words = question.words();
    let lines = wrap(&words, columns.saturating_sub(4)).len();
    let inner = canvas.popup(columns, u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(4), "portcullis");
    // Whatever is asked, the keys that answer it are shown.
    let (above, answer) = split_bottom(inner, 1);
    let lines = canvas.clipped(&words, above.width, usize::from(above.height), Role::Plain);
    canvas.lines(above, lines);
    let key = hints::key_name(canvas.app, question.agrees()).unwrap_or_default();
    let line = vec![
        canvas.span(key, Role::Key),
        canvas.span(format!(" {}   ", question.yes()), Role::Plain),
        canvas.span("Esc", Role::Key),
        canvas.span(" no", Role::Plain),
    ];
    canvas.line(answer, Line::from(line));
}

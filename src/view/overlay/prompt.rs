//! Prompts for a secret, of which only the length is shown, and for a line; and questions.

use ratatui::text::Line;

use crate::app::hints;
use crate::app::overlay::{KeyPrompt, LineForm, Question};
use crate::text::words;
use crate::view::canvas::{Canvas, below, right_of, top};
use crate::view::theme::Role;
use crate::view::widget::text_line;

pub fn render_key(canvas: &mut Canvas, prompt: &KeyPrompt) {
    let inner = canvas.popup(60, 7, prompt.purpose.words());
    let typed = prompt.typed();
    let room = usize::from(inner.width).saturating_sub(3);
    let dots = "•".repeat(typed.min(room));
    let line = Line::from(vec![canvas.span("> ", Role::Focused), canvas.span(dots, Role::Plain)]);
    canvas.line(inner, line);
    let x = inner.x + 2 + u16::try_from(typed.min(room)).unwrap_or(0);
    canvas.drawn.cursor = Some((x.min(inner.right().saturating_sub(1)), inner.y));
    let told = canvas.span(format!("{}; never shown", words::count(typed, "character")), Role::Hint);
    canvas.line(below(inner, 1), told);
    if let Some(fault) = &prompt.fault {
        let lines = canvas.wrapped(fault, inner.width, Role::Denied);
        canvas.lines(below(inner, 3), lines);
    }
}

pub fn render_line(canvas: &mut Canvas, form: &LineForm) {
    let inner = canvas.popup(60, 5, form.asks.words());
    let prompt = canvas.span("> ", Role::Focused);
    canvas.line(inner, prompt);
    text_line(canvas, top(right_of(inner, 2), 1), &form.text, true, form.asks.hint());
    let told = canvas.span(form.asks.note(), Role::Hint);
    canvas.line(below(inner, 1), told);
}

pub fn render_question(canvas: &mut Canvas, question: &Question) {
    let inner = canvas.popup(60, 6, "portcullis");
    let lines = canvas.wrapped(&question.words(), inner.width, Role::Plain);
    let rest = canvas.lines(inner, lines);
    let key = hints::key_name(canvas.app, question.agrees()).unwrap_or_default();
    let line = vec![
        canvas.span(key, Role::Key),
        canvas.span(format!(" {}   ", question.yes()), Role::Plain),
        canvas.span("Esc", Role::Key),
        canvas.span(" no", Role::Plain),
    ];
    canvas.line(below(rest, 1), Line::from(line));
}

//! One call in full: reason, arguments and answer.

use ratatui::text::Line;

use crate::gate::activity::explain_request;
use crate::text::{self, display_safe};
use crate::view::canvas::Canvas;
use crate::view::theme::Role;

pub fn render(canvas: &mut Canvas, seq: u64, scroll: usize) {
    let inner = canvas.popup(100, 30, &format!("call {seq}"));
    let found = canvas.app.record(seq).cloned();
    let Some(record) = found else {
        canvas.line(inner, "this row is no longer in the log");
        return;
    };
    let mut lines: Vec<Line<'static>> = Vec::new();
    let mut part = |title: &str, text: &str, role| {
        lines.push(canvas.span(title, Role::Label).into());
        for line in text.lines() {
            lines.extend(canvas.wrapped(&display_safe(line, 8192), inner.width, role));
        }
        lines.push(Line::default());
    };
    part("why", &explain_request(&record, None).to_string(), Role::Plain);
    if record.answered.foreign().is_some() {
        let entry = record.token_id.and_then(|id| canvas.app.auth.tokens.iter().find(|entry| entry.id == id));
        let id = record.token_id.map(|id| id.to_string());
        let name = entry.map(|entry| canvas.app.token_name(entry));
        let sent = record.answered.foreign().and_then(|answer| answer.sent).map(|sent| format!("sent as: {sent}"));
        let words = id.into_iter().chain(name).chain(sent).collect::<Vec<_>>().join(", ");
        part("token", if words.is_empty() { text::NO_TOKEN } else { &words }, Role::Plain);
    }
    if record.is_call {
        part("arguments", &record.arguments.to_string(), Role::Plain);
        // Of the answer to a probe, only what it says about access is kept.
        let is_kept = record.answered.foreign().is_none() || *record.answer != *"null";
        if is_kept {
            let role = Role::of_answer(&record.answered, record.trouble.is_some());
            part("answer", &record.answer.to_string(), role);
        }
    }
    lines.pop();
    canvas.drawn.overlay_rows = usize::from(inner.height);
    canvas.drawn.overlay_end = canvas.scrolled(inner, lines.len(), scroll, |_, n| lines[n].clone());
}

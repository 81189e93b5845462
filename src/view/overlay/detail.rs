//! One call in full: reason, arguments and answer.

use ratatui::text::Line;

use crate::gate::activity::explain_record;
use crate::text::display_safe;
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
    part("why", &explain_record(&record, None).to_string(), Role::Plain);
    if record.is_call {
        part("arguments", &record.arguments.to_string(), Role::Plain);
        let role = Role::of_answer(&record.answered, record.trouble.is_some());
        part("answer", &record.answer.to_string(), role);
    }
    lines.pop();
    canvas.drawn.overlay_rows = usize::from(inner.height);
    canvas.drawn.overlay_end = canvas.scrolled(inner, lines.len(), scroll, |_, n| lines[n].clone());
}

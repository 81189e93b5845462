//! The Test kit pane: each test token with the expected answer, and the actual one.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::kit::LIST;
use crate::lab::kit::KIT;
use crate::lab::score;
use crate::text::{self, padded};
use crate::view::canvas::{Canvas, below, split_bottom, top};
use crate::view::theme::Role;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let app = canvas.app;
    let next = format!("{} as {}", text::name(&app.call.tool, 32), app.identity().words());
    let (told, role) = match app.kit_is_of() {
        Some((of, true)) => (format!("old: {of}; Enter runs {next}"), Role::Warning),
        _ => (next, Role::Label),
    };
    let told = canvas.span(told, role);
    canvas.line(top(area, 1), told);
    let foot = u16::from(area.height > 4) + u16::from(area.height > 8);
    let (list, under) = split_bottom(area, foot);
    canvas.list(below(list, 1), LIST, app.kit.row, KIT.len(), |canvas, n, place| {
        let line = row(canvas, n, usize::from(place.width));
        canvas.line(place, line);
        canvas.target(place, Target::Row(LIST, n));
    });
    let came = app.kit.card.as_ref().and_then(|card| card.lines.get(app.kit.row));
    let told = match came {
        Some(line) => format!("{}; {}", line.came.answer, line.came.sentence),
        None => KIT[app.kit.row].what.to_owned(),
    };
    let lines = canvas.clipped(&text::display_safe(&told, 500), area.width, usize::from(foot), Role::Hint);
    canvas.lines(under, lines);
}

/// Returns a row: sign, name, expected answer, and the actual one if it differs.
fn row(canvas: &Canvas, n: usize, columns: usize) -> Line<'static> {
    let app = canvas.app;
    let line = app.kit.card.as_ref().and_then(|card| card.lines.get(n));
    let (sign, role) = match line.map(score::Line::passed) {
        Some(true) => ("✔", Role::Ok),
        Some(false) => ("✘", Role::Denied),
        None => ("·", Role::Hint),
    };
    let here = canvas.focused(LIST) && app.kit.row == n;
    let name = padded(KIT[n].name, columns.saturating_sub(22).clamp(12, 38));
    let mut spans = vec![
        canvas.span(format!("{sign} "), role),
        canvas.span(format!("{name} "), if here { Role::Selected } else { Role::Plain }),
        canvas.span(line.map_or_else(|| KIT[n].expected(&app.auth.rules), |line| line.expected), Role::Hint),
    ];
    if let Some(line) = line.filter(|line| !line.passed()) {
        spans.push(canvas.span(format!(" ≠ {}", text::name(&line.came.code, 32)), Role::Denied));
    }
    Line::from(spans)
}

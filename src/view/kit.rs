//! The pane of test tokens: each with what is expected of the gate, and what came of it.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::{Canvas, below, bottom, top};
use super::theme::Meaning;
use crate::app::{Field, Target};
use crate::lab::kit::KIT;
use crate::lab::score::Scorecard;
use crate::text::{self, padded};

pub fn title(canvas: &Canvas) -> String {
    canvas.app.kit.card.as_ref().map_or_else(|| KIT.len().to_string(), Scorecard::summary)
}

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(Field::KitRows));
    let app = canvas.app;
    let next = format!("{} as {}", text::name(&app.call.tool, 32), app.identity().words());
    let (told, meaning) = match app.kit_is_of() {
        Some((of, true)) => (format!("old: {of}; Enter runs {next}"), Meaning::Expired),
        _ => (next, Meaning::Label),
    };
    let told = canvas.span(told, meaning);
    canvas.line(top(area, 1), told);
    let foot = u16::from(area.height > 4) + u16::from(area.height > 8);
    let list = below(Rect { height: area.height.saturating_sub(foot), ..area }, 1);
    let scrolls = KIT.len() > usize::from(list.height);
    let rows = usize::from(list.height) - usize::from(scrolls);
    let window = canvas.drawn.kit.around(app.kit.row, rows, KIT.len());
    canvas.drawn.kit = window;
    for n in window.first..KIT.len().min(window.first + rows) {
        let place = Rect { y: list.y + u16::try_from(n - window.first).unwrap_or(0), height: 1, ..list };
        let line = row(canvas, n, usize::from(list.width));
        canvas.line(place, line);
        canvas.target(place, Target::KitRow(n));
    }
    if scrolls {
        canvas.part(list, window, KIT.len());
    }
    let came = app.kit.card.as_ref().and_then(|card| card.lines.get(app.kit.row));
    let told = match came {
        Some(line) => format!("{}; {}", line.came.answer, line.came.sentence),
        None => KIT[app.kit.row].what.to_owned(),
    };
    let lines = canvas.clipped(&text::display_safe(&told, 500), area.width, usize::from(foot), Meaning::Hint);
    canvas.lines(bottom(area, foot), lines);
}

/// Sign, name, what is expected, and where something else came, that.
fn row(canvas: &Canvas, n: usize, columns: usize) -> Line<'static> {
    let app = canvas.app;
    let line = app.kit.card.as_ref().and_then(|card| card.lines.get(n));
    let (sign, meaning) = match line.map(crate::lab::score::Line::passed) {
        Some(true) => ("✔", Meaning::Ok),
        Some(false) => ("✘", Meaning::Denied),
        None => ("·", Meaning::Hint),
    };
    let here = app.focus.field == Some(Field::KitRows) && app.overlays.is_empty() && app.kit.row == n;
    let name = padded(KIT[n].name, columns.saturating_sub(22).clamp(12, 38));
    let mut spans = vec![
        canvas.span(format!("{sign} "), meaning),
        canvas.span(format!("{name} "), if here { Meaning::Selected } else { Meaning::Plain }),
        canvas.span(line.map_or(KIT[n].expected, |line| line.expected), Meaning::Hint),
    ];
    if let Some(line) = line.filter(|line| !line.passed()) {
        spans.push(canvas.span(format!(" ≠ {}", text::name(&line.came.code, 32)), Meaning::Denied));
    }
    Line::from(spans)
}

//! The Activity pane: calls that were made and requests that were refused, newest first.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::activity::LIST;
use crate::text::words::took;
use crate::view::canvas::{Canvas, split_bottom};
use crate::view::record::{WIDE, line, sentence};
use crate::view::theme::Role;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let log = &canvas.app.auth.activity;
    if log.is_empty() {
        let hint = canvas.span("No calls yet. Previews are not logged.", Role::Hint);
        canvas.line(area, hint);
        return;
    }
    let selected = canvas.app.activity_place();
    let area = if area.width < WIDE { in_full(canvas, area, selected) } else { area };
    let focused = canvas.focused(LIST);
    canvas.list(area, LIST, selected, log.len(), |canvas, n, place| {
        if let Some(record) = log.nth_newest(n) {
            let line = line(canvas, record, place.width, focused && n == selected);
            canvas.line(place, line);
        }
        canvas.target(place, Target::Row(LIST, n));
    });
}

/// Draws time and reason of the selected row below the list; returns the area of the list.
fn in_full(canvas: &mut Canvas, area: Rect, selected: usize) -> Rect {
    let Some(record) = canvas.app.auth.activity.nth_newest(selected).cloned() else {
        return area;
    };
    let told = format!("{} {} {}", canvas.app.time(record.at), record.answered.code(), took(record.took));
    let told = canvas.span(told, Role::Hint);
    let (list, place) = split_bottom(area, 3);
    let rest = canvas.lines(place, [Line::from(told)]);
    let told = canvas.clipped(&sentence(&record), rest.width, 2, Role::Plain);
    canvas.lines(rest, told);
    list
}

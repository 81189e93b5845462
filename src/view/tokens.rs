//! The Tokens pane: the row axis of everything else. Only the rows that show are judged.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::{Canvas, bottom, top};
use super::theme::Meaning;
use super::widget::state;
use crate::app::{Field, Target};
use crate::gate::{Provenance, TokenEntry};
use crate::text;

pub fn title(canvas: &Canvas) -> String {
    canvas.app.auth.tokens.len().to_string()
}

/// Where the selection is, for screens that show one pane at a time: `2/4 user123 · 58m 54s`.
pub fn selected_line(canvas: &mut Canvas) -> Line<'static> {
    let all = canvas.app.auth.tokens.len() + 1;
    let row = canvas.app.selected_row() + 1;
    let place = canvas.span(format!("token {row}/{all}  "), Meaning::Hint);
    let Some(entry) = canvas.app.selected() else {
        return Line::from(vec![place, canvas.span(text::NO_TOKEN, Meaning::Plain)]);
    };
    let name = canvas.span(text::fit(&canvas.app.token_name(entry), 40), Meaning::Title);
    let (words, meaning) = state(canvas, &entry.judged);
    Line::from(vec![place, name, canvas.span(" · ", Meaning::Hint), canvas.span(words, meaning)])
}

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(Field::TokenRows));
    let tokens = &canvas.app.auth.tokens;
    let total = tokens.len() + 1;
    let scrolls = total > usize::from(area.height);
    let rows = usize::from(area.height) - usize::from(scrolls);
    let selected = canvas.app.selected_row();
    let window = canvas.drawn.tokens.around(selected, rows, total);
    canvas.drawn.tokens = window;
    for row in window.first..total.min(window.first + rows) {
        let place = Rect { y: area.y + u16::try_from(row - window.first).unwrap_or(0), height: 1, ..area };
        let entry = row.checked_sub(1).and_then(|n| canvas.app.auth.tokens.get(n));
        draw_row(canvas, place, entry, row == selected);
        canvas.target(place, Target::TokenRow(row));
    }
    if scrolls {
        canvas.part(area, window, total);
    } else if tokens.is_empty() && area.height > 2 {
        let hint = canvas.span("issue one, or paste one anywhere", Meaning::Hint);
        canvas.line(bottom(top(area, 3), 1), hint);
    }
}

fn draw_row(canvas: &mut Canvas, area: Rect, entry: Option<&TokenEntry>, selected: bool) {
    let focused = canvas.app.focus.field == Some(Field::TokenRows);
    let marker = if selected { "▸ " } else { "  " };
    let plain = match (selected, focused) {
        (true, true) => Meaning::Selected,
        (true, false) => Meaning::Title,
        _ => Meaning::Plain,
    };
    let Some(entry) = entry else {
        let line = vec![canvas.span(marker, Meaning::Focused), canvas.span(text::NO_TOKEN, plain)];
        canvas.line(area, Line::from(line));
        return;
    };
    let (words, meaning) = state(canvas, &entry.judged);
    let room = usize::from(area.width).saturating_sub(2 + text::width(&words) + 1);
    let held = match entry.judged.permissions.as_slice() {
        [] => String::new(),
        list => text::names(list.iter(), 32, 4, ","),
    };
    let name_room = if room > 20 { room * 3 / 5 } else { room.saturating_sub(1) };
    let pasted = if entry.provenance == Provenance::Pasted { "*" } else { "" };
    let name = text::fit(&format!("{}{pasted}", canvas.app.token_name(entry)), name_room);
    let pad = |width: usize, room: usize| " ".repeat(room.saturating_sub(width));
    let mut line = vec![canvas.span(marker, Meaning::Focused), canvas.span(name.clone(), plain)];
    let mut used = text::width(&name);
    if room > 20 {
        let gap = pad(used, name_room + 1);
        let held = text::fit(&held, room.saturating_sub(name_room + 1));
        used = name_room + 1 + text::width(&held);
        line.push(canvas.span(gap, Meaning::Plain));
        line.push(canvas.span(held, Meaning::Hint));
    }
    line.push(canvas.span(pad(used, room + 1), Meaning::Plain));
    line.push(canvas.span(words, meaning));
    canvas.line(area, Line::from(line));
}

//! The Tokens pane: the list of tokens. Only visible rows are judged.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::tokens::LIST;
use crate::gate::{Provenance, TokenEntry};
use crate::text;
use crate::view::canvas::{Canvas, below};
use crate::view::theme::Role;
use crate::view::widget::state;

/// The width of a countdown, in columns.
const STATE: usize = 8;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let tokens = &canvas.app.auth.tokens;
    let selected = canvas.app.selected_row();
    canvas.list(area, LIST, selected, tokens.len() + 1, |canvas, row, place| {
        let entry = row.checked_sub(1).and_then(|n| tokens.get(n));
        draw_row(canvas, place, entry, row == selected);
        canvas.target(place, Target::Row(LIST, row));
    });
    if tokens.is_empty() && area.height > 2 {
        let hint = canvas.wrapped("Press i, then Enter, to issue a token; or paste one.", area.width, Role::Hint);
        canvas.lines(below(area, 2), hint);
    }
}

fn draw_row(canvas: &mut Canvas, area: Rect, entry: Option<&TokenEntry>, selected: bool) {
    let focused = canvas.focused(LIST);
    let marker = if selected { "▸ " } else { "  " };
    let plain = match (selected, focused) {
        (true, true) => Role::Selected,
        (true, false) => Role::Title,
        _ => Role::Plain,
    };
    let Some(entry) = entry else {
        let line = vec![canvas.span(marker, Role::Focused), canvas.span(text::NO_TOKEN, plain)];
        canvas.line(area, Line::from(line));
        return;
    };
    let (words, role) = state(canvas, &entry.judged);
    // As long as statuses have the usual width, the permissions are aligned.
    let room = usize::from(area.width).saturating_sub(2 + text::width(&words).max(STATE) + 1);
    let words = format!("{words:>STATE$}");
    let held = match entry.judged.permissions.as_slice() {
        [] => String::new(),
        list => text::names(list.iter(), 32, 4, ","),
    };
    let name_room = if room > 20 { room * 3 / 5 } else { room.saturating_sub(1) };
    let pasted = if entry.provenance == Provenance::Pasted { "*" } else { "" };
    let name = text::fit(&format!("{}{pasted}", canvas.app.token_name(entry)), name_room);
    let pad = |width: usize, room: usize| " ".repeat(room.saturating_sub(width));
    let mut line = vec![canvas.span(marker, Role::Focused), canvas.span(name.clone(), plain)];
    let mut used = text::width(&name);
    if room > 20 {
        let gap = pad(used, name_room + 1);
        let held = text::fit(&held, room.saturating_sub(name_room + 1));
        used = name_room + 1 + text::width(&held);
        line.push(canvas.span(gap, Role::Plain));
        line.push(canvas.span(held, Role::Hint));
    }
    line.push(canvas.span(pad(used, room + 1), Role::Plain));
    line.push(canvas.span(words, role));
    canvas.line(area, Line::from(line));
}

//! The Timeline pane: each token as a bar on one time axis, the clock as a line through all of them, and in words the
//! status of the selected token at the cursor's instant. Only visible rows are drawn.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::timeline::{Axis, BARS, SCALE};
use crate::auth::{Evaluation, NumericDate, Phase, TokenStatus};
use crate::gate::TokenEntry;
use crate::text;
use crate::view::canvas::{Canvas, below, right_of, split_bottom, top};
use crate::view::theme::Role;
use crate::view::widget::{choice, labelled, state, words_at};

/// The widths of a row's columns beside its bar.
struct Shape {
    name: u16,
    state: u16,
}

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(BARS));
    let shape = match area.width {
        ..50 => Shape { name: 10, state: 0 },
        50..90 => Shape { name: 13, state: 16 },
        _ => Shape { name: 20, state: 18 },
    };
    let bars = area.width.saturating_sub(2 + shape.name + shape.state + 1);
    let axis = canvas.app.axis(usize::from(bars));
    canvas.drawn.axis = Some(axis);
    let now = canvas.app.times.judged;
    // The clock's line moves by whole columns.
    canvas.drawn.changes_in(axis.scale - now.since(axis.from).rem_euclid(axis.scale));
    heads(canvas, right_of(top(area, 1), 2 + shape.name), &axis);
    let foot = if area.height > 6 { 3 } else { 2 };
    let (bars, under) = split_bottom(area, foot);
    let (selected, total) = (canvas.app.selected_row(), canvas.app.auth.tokens.len() + 1);
    canvas.list(below(bars, 1), BARS, selected, total, |canvas, row, place| {
        draw_row(canvas, place, &shape, &axis, row, row == selected);
    });
    feet(canvas, under, &axis);
}

/// Draws the times of some columns.
fn heads(canvas: &mut Canvas, area: Rect, axis: &Axis) {
    let is_long = axis.end().since(axis.from) > text::Span::DAY;
    let told = |at| if is_long { canvas.app.date(at) } else { canvas.app.time(at) };
    let width = text::width(&told(axis.from)) + 1;
    // At round times: every tenth, fifteenth … column.
    let step = [10, 15, 20, 30].into_iter().find(|step| *step > width).unwrap_or(60);
    let apart = axis.scale * i64::try_from(step).unwrap_or(60);
    let first = (0..step).find(|column| axis.instant(*column).past(apart) == text::Span::ZERO).unwrap_or(0);
    for column in (first..axis.columns).step_by(step).take_while(|column| column + width <= axis.columns) {
        let label = canvas.span(format!("╷{}", told(axis.instant(column))), Role::Hint);
        canvas.line(right_of(area, u16::try_from(column).unwrap_or(0)), label);
    }
}

fn draw_row(canvas: &mut Canvas, place: Rect, shape: &Shape, axis: &Axis, row: usize, here: bool) {
    let entry = row.checked_sub(1).and_then(|n| canvas.app.auth.tokens.get(n)).cloned();
    let name = entry.as_ref().map_or_else(|| text::NO_TOKEN.to_owned(), |entry| canvas.app.token_name(entry));
    let role = match (here, canvas.focused(BARS)) {
        (true, true) => Role::Selected,
        (true, false) => Role::Title,
        _ => Role::Plain,
    };
    let marker = canvas.span(if here { "▸ " } else { "  " }, Role::Focused);
    let name = text::fit(&name, usize::from(shape.name) - 1);
    canvas.line(place, Line::from(vec![marker, canvas.span(name, role)]));
    let bars = Rect { width: u16::try_from(axis.columns).unwrap_or(0), ..right_of(place, 2 + shape.name) };
    let line = bar(canvas, entry.as_ref(), axis, here);
    canvas.line(bars, line);
    canvas.target(place, Target::Cell(BARS, row, usize::from(bars.x)));
    if let Some(entry) = entry
        && shape.state > 0
    {
        let (words, role) = state(canvas, &entry.judged);
        let words = canvas.span(words, role);
        canvas.line(right_of(place, place.width - shape.state), words);
    }
}

/// Returns the bar of a token: `·` not yet valid, `▆` valid, `▒` valid only by the leeway, `╌` valid before it was
/// issued, `-` within its times, but invalid or unverified.
fn bar(canvas: &Canvas, entry: Option<&TokenEntry>, axis: &Axis, here: bool) -> Line<'static> {
    let now = axis.column(canvas.app.times.judged);
    let cursor = if here { canvas.app.timeline.cursor.and_then(|at| axis.column(at)) } else { None };
    let cells = (0..axis.columns).map(|column| {
        let (sign, role) = entry.map_or((' ', Role::Plain), |entry| piece(&entry.judged, axis, column));
        if Some(column) == cursor {
            ('┊', Role::Selected)
        } else if Some(column) == now {
            ('┃', Role::Focused)
        } else {
            (sign, role)
        }
    });
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut run = (String::new(), Role::Plain);
    for (sign, role) in cells {
        if role != run.1 && !run.0.is_empty() {
            spans.push(canvas.span(std::mem::take(&mut run.0), run.1));
        }
        run.0.push(sign);
        run.1 = role;
    }
    spans.push(canvas.span(run.0, run.1));
    Line::from(spans)
}

/// Returns the sign of a token in a column. A token that is valid for a part of the column counts as valid, so that the
/// shortest lifetime is visible.
fn piece(judged: &Evaluation, axis: &Axis, column: usize) -> (char, Role) {
    let (from, to) = (axis.instant(column), axis.instant(column + 1));
    let life = &judged.lifetime;
    // The gate does not check `iat`; the time before `iat` at which it would allow a call has a sign of its own.
    let begin = [life.iat, life.nbf.map(|nbf| nbf.plus(-life.leeway.span()))].into_iter().flatten().min();
    let is_timeless = life.exp.is_none() && begin.is_none();
    let rank = |at: &NumericDate| match life.phase(*at) {
        _ if is_timeless => 0,
        Phase::Expired { .. } => 0,
        _ if begin.is_some_and(|begin| *at < begin) => -1,
        Phase::NotYet { .. } => 1,
        Phase::Grace { .. } | Phase::Early { .. } => 2,
        Phase::Live { .. } | Phase::Endless => 3,
    };
    let inside = life.borders().chain(life.iat).filter(|at| *at > from && *at < to);
    let at = std::iter::once(from).chain(inside).max_by_key(rank).unwrap_or(from);
    match (rank(&at), judged.status(at)) {
        (-1, TokenStatus::Valid(_)) => ('╌', Role::Hint),
        (-1 | 0, _) => (' ', Role::Plain),
        (1, _) => ('·', Role::Hint),
        (2, TokenStatus::Valid(_)) => ('▒', Role::Warning),
        (_, TokenStatus::Valid(_)) => ('▆', Role::Ok),
        _ => ('-', Role::Hint),
    }
}

/// Draws the selected token's status in words, the zoom, and the legend of the signs.
fn feet(canvas: &mut Canvas, area: Rect, axis: &Axis) {
    let at = canvas.app.cursor_instant();
    let is_set = canvas.app.timeline.cursor.is_some();
    let told = canvas.app.selected().map(|entry| words_at(&entry.judged, at));
    let (words, holds, role) = told.unwrap_or_else(|| ("no token".to_owned(), text::Span::MAX, Role::Hint));
    if !is_set {
        canvas.drawn.changes_in(holds.min(text::Span::SECOND - at.past(text::Span::SECOND)));
    }
    let named = if is_set { "at" } else { "now" };
    let at = if is_set { at } else { at.whole_second() };
    let line = vec![canvas.span(format!("{named} {}: ", canvas.app.date(at)), Role::Plain), canvas.span(words, role)];
    canvas.line(area, Line::from(line));
    let rest = below(area, 1);
    let place = labelled(canvas, rest, SCALE);
    let zoom = choice(canvas, &canvas.app.scale_words(axis), canvas.focused(SCALE));
    canvas.line(place, Line::from(zoom));
    let signs = match area.width {
        ..48 => "┃ clock ▆ valid ▒ leeway · not yet",
        48..76 => "┃ clock  ┊ cursor  ▆ valid  ▒ leeway  · not yet",
        76..100 => "┃ clock  ┊ cursor  ▆ valid  ▒ by leeway  · not yet  - unverified",
        _ => "┃ clock  ┊ cursor  ▆ valid  ▒ by leeway  · not yet  ╌ before iat  - unverified",
    };
    let signs = canvas.span(signs, Role::Hint);
    canvas.line(below(rest, 1), signs);
}

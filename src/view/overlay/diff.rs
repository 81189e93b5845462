//! Two tokens side by side: changed, added and missing claims.

use ratatui::text::Line;

use crate::auth::NumericDate;
use crate::auth::diff::{Change, Row};
use crate::gate::TokenEntry;
use crate::text::words::exact;
use crate::text::{self, padded};
use crate::view::canvas::{Canvas, below, split_bottom};
use crate::view::theme::Role;

pub fn render(canvas: &mut Canvas, with: u64, rows: &[Row], scroll: usize) {
    let inner = canvas.popup(110, 30, "two tokens");
    let app = canvas.app;
    let (Some(left), Some(right)) = (app.selected(), app.auth.token(with)) else {
        canvas.line(inner, "one of the two is no longer in the list");
        return;
    };
    let names = if inner.width < 60 { 12 } else { 18 };
    let half = usize::from(inner.width).saturating_sub(names + 4) / 2;
    let told = |entry: &TokenEntry| format!("{} {}", entry.id, app.token_name(entry));
    let line = |sign: &str, name: &str, left: &str, right: &str| {
        format!("{sign} {} {} {right}", padded(name, names), padded(left, half))
    };
    let heads = canvas.span(line(" ", "", &told(left), &told(right)), Role::Title);
    canvas.line(inner, heads);
    let long = |entry: &TokenEntry| entry.judged.lifetime.length().map_or_else(|| "unknown".to_owned(), exact);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let (l, r) = (long(left), long(right));
    let sign = if l == r { Change::Same } else { Change::Changed };
    lines.push(canvas.span(line(sign.sign(), "lives", &l, &r), of_change(sign)).into());
    let mut part = "";
    for row in rows {
        if row.part != part {
            part = row.part;
            lines.push(canvas.span(part, Role::Label).into());
        }
        let shown = |value: &Option<String>| {
            let Some(value) = value else { return String::new() };
            match NumericDate::from_json_number(value) {
                Some(at) if row.is_time => app.date(at),
                _ => text::head(value, 200).to_owned(),
            }
        };
        let later = row.later.as_deref().map_or_else(String::new, |later| format!("{later}: "));
        let told = line(row.change.sign(), &row.name, &shown(&row.left), &(later + &shown(&row.right)));
        lines.push(canvas.span(told, of_change(row.change)).into());
    }
    let legend = canvas.span("= the same  ≠ changed  + only right  - only left; ← → another token", Role::Hint);
    let list = below(inner, 1);
    let (list, under) = split_bottom(list, 1);
    canvas.line(under, legend);
    canvas.drawn.overlay_rows = usize::from(list.height);
    canvas.drawn.overlay_end = canvas.scrolled(list, lines.len(), scroll, |_, n| lines[n].clone());
}

const fn of_change(change: Change) -> Role {
    match change {
        Change::Same => Role::Plain,
        Change::Changed => Role::Warning,
        Change::Added => Role::Ok,
        Change::Missing => Role::Denied,
    }
}

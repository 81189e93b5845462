//! A call of the log as one row, for every place that shows it.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::Canvas;
use super::theme::Role;
use crate::app::clock::signed;
use crate::gate::Record;
use crate::text::words::took;
use crate::text::{self, Span, padded};

/// The minimum width, in columns, for a row with its time.
const TIMED: u16 = 56;
/// The minimum width, in columns, for a row with everything. Below a narrower list, the pane shows what the selected
/// row leaves out.
pub const WIDE: u16 = 90;

/// Marks a verdict for another time than the real one, even if there is little room.
const HELD: &str = "±";

/// Returns how far the clock was set from the real time when a call was made, as a prefix of its reason.
pub fn held(record: &Record) -> String {
    match record.judged_at.since(record.at) {
        Span::ZERO => String::new(),
        by => format!("[clock {}] ", signed(by)),
    }
}

/// Returns why a call was answered as it was, with how far the clock was set from the real time in front.
pub fn sentence(record: &Record) -> String {
    held(record) + &record.why()
}

/// Draws the last calls, below a pane that fills the stage.
pub fn last_calls(canvas: &mut Canvas, area: Rect) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let records: Vec<_> = canvas.app.auth.activity.newest().take(usize::from(area.height)).cloned().collect();
    let lines: Vec<Line<'static>> = records.iter().map(|record| line(canvas, record, area.width, false)).collect();
    canvas.lines(area, lines);
}

/// Returns a call as one row of `columns` columns.
pub fn line(canvas: &Canvas, record: &Record, columns: u16, selected: bool) -> Line<'static> {
    let plain = if selected { Role::Selected } else { Role::Plain };
    let who = record.answered.subject().map(|name| text::name(name, 32));
    // The name in a refused token is only what the token itself claims.
    let known =
        |id| canvas.app.auth.tokens.iter().find(|entry| entry.id == id).map(|entry| canvas.app.token_name(entry));
    let who = who.or_else(|| record.token_id.map(|id| known(id).unwrap_or_else(|| id.to_string())));
    // A probe sends tokens in unusual ways, which is not the same as without one.
    let sent = record.answered.foreign().and_then(|answer| answer.sent);
    let who = who.or_else(|| sent.map(str::to_owned)).unwrap_or_else(|| text::NO_TOKEN.to_owned());
    let wide = columns >= WIDE;
    let (name, tool) = if wide { (14, 14) } else { (10, 11) };
    let mut line = Vec::new();
    if columns >= TIMED {
        line.push(canvas.span(format!("{} ", canvas.app.time(record.at)), Role::Hint));
    }
    if wide {
        line.push(canvas.span(format!("{:<8} ", record.origin.word()), Role::Hint));
    }
    line.push(canvas.span(format!("{} ", padded(&who, name)), plain));
    line.push(canvas.span(format!("{} ", padded(&text::name(&record.tool, 32), tool)), plain));
    let held = if record.judged_at == record.at { "" } else { HELD };
    let role = Role::of_answer(&record.answered, record.trouble.is_some());
    line.push(canvas.span(format!("{:<13}", format!("{}{held}", record.answered.word())), role));
    let told = sentence(record);
    let tail = took(record.took);
    let used: usize = line.iter().map(|span| text::width(&span.content)).sum();
    let room = usize::from(columns).saturating_sub(used + 1);
    let room = if wide { room.saturating_sub(10) } else { room };
    line.push(canvas.span(format!(" {}", padded(&told, room)), Role::Plain));
    if wide {
        line.push(canvas.span(format!(" {tail:>8}"), Role::Hint));
    }
    Line::from(line)
}

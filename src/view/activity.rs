//! The Activity pane: the calls that were really made, newest first.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::{Canvas, bottom};
use super::theme::Meaning;
use crate::app::clock::signed;
use crate::app::{Field, Target};
use crate::gate::Record;
use crate::text::words::took;
use crate::text::{self, padded};

pub fn title(canvas: &Canvas) -> String {
    canvas.app.auth.activity.len().to_string()
}

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(Field::ActivityRows));
    let total = canvas.app.auth.activity.len();
    if total == 0 {
        let hint = canvas.span("no call was made yet; previews are not logged", Meaning::Hint);
        canvas.line(area, hint);
        return;
    }
    let selected = canvas.app.activity_place();
    let area = if area.width < WIDE { in_full(canvas, area, selected) } else { area };
    let scrolls = total > usize::from(area.height);
    let rows = usize::from(area.height) - usize::from(scrolls);
    let window = canvas.drawn.activity.around(selected, rows, total);
    canvas.drawn.activity = window;
    let focused = canvas.app.focus.field == Some(Field::ActivityRows);
    for place in window.first..total.min(window.first + rows) {
        let Some(record) = canvas.app.auth.activity.nth_newest(place) else {
            break;
        };
        let y = area.y + u16::try_from(place - window.first).unwrap_or(0);
        let row = Rect { y, height: 1, ..area };
        let line = line(canvas, record, area.width, focused && place == selected);
        canvas.line(row, line);
        canvas.target(row, Target::ActivityRow(place));
    }
    if scrolls {
        canvas.part(area, window, total);
    }
}

/// From this width on a row tells its time.
const TIMED: u16 = 56;
/// From this width on a row tells everything; below, what the selected one leaves out stands under the list.
const WIDE: u16 = 90;

/// Time and reason of the selected call, below the list; answers the place of the list.
fn in_full(canvas: &mut Canvas, area: Rect, selected: usize) -> Rect {
    let Some(record) = canvas.app.auth.activity.nth_newest(selected).cloned() else {
        return area;
    };
    let told = format!("{} {} {}", canvas.app.time(record.at), record.decision.code(), took(record.took));
    let told = canvas.span(told, Meaning::Hint);
    let place = bottom(area, 3);
    let rest = canvas.lines(place, [Line::from(told)]);
    let told = canvas.clipped(&sentence(&record), rest.width, 2, Meaning::Plain);
    canvas.lines(rest, told);
    Rect { height: area.height - place.height, ..area }
}

/// Stands behind a verdict for another time than the real one, however little room there is.
const HELD: &str = "±";

/// How far the clock was held from the real time when a call was made, as it stands before its reason.
pub fn held(record: &Record) -> String {
    match record.judged_at.since(record.at) {
        0 => String::new(),
        by => format!("[clock {}] ", signed(by)),
    }
}

/// Why a call was answered as it was, behind how far the clock was held from the real time.
fn sentence(record: &Record) -> String {
    let why = record.trouble.as_deref().map_or_else(|| record.decision.sentence(), str::to_owned);
    held(record) + &why
}

/// The last calls, below a pane that fills the stage.
pub fn last_calls(canvas: &mut Canvas, area: Rect) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let records: Vec<_> = canvas.app.auth.activity.newest().take(usize::from(area.height)).cloned().collect();
    let lines: Vec<Line<'static>> = records.iter().map(|record| line(canvas, record, area.width, false)).collect();
    canvas.lines(area, lines);
}

fn line(canvas: &Canvas, record: &Record, columns: u16, selected: bool) -> Line<'static> {
    let decision = &record.decision;
    let plain = if selected { Meaning::Selected } else { Meaning::Plain };
    let who = decision.subject.as_deref().map(|name| text::name(name, 32));
    let who = who.or_else(|| record.token_id.map(|id| id.to_string())).unwrap_or_else(|| text::NO_TOKEN.to_owned());
    let wide = columns >= WIDE;
    let (name, tool) = if wide { (14, 14) } else { (10, 11) };
    let verdict = decision.verdict();
    let mut line = Vec::new();
    if columns >= TIMED {
        line.push(canvas.span(format!("{} ", canvas.app.time(record.at)), Meaning::Hint));
    }
    if wide {
        line.push(canvas.span(format!("{:<8} ", record.origin.word()), Meaning::Hint));
    }
    line.push(canvas.span(format!("{} ", padded(&who, name)), plain));
    line.push(canvas.span(format!("{} ", padded(&text::name(&record.tool, 32), tool)), plain));
    let held = if record.judged_at == record.at { "" } else { HELD };
    line.push(canvas.span(format!("{:<13}", format!("{}{held}", verdict.word())), Meaning::of_verdict(verdict)));
    let told = sentence(record);
    let tail = took(record.took);
    let used: usize = line.iter().map(|span| text::width(&span.content)).sum();
    let room = usize::from(columns).saturating_sub(used + 1);
    let room = if wide { room.saturating_sub(10) } else { room };
    line.push(canvas.span(format!(" {}", padded(&told, room)), Meaning::Plain));
    if wide {
        line.push(canvas.span(format!(" {tail:>8}"), Meaning::Hint));
    }
    Line::from(line)
}

//! The Clock pane: the time that decisions use, how far it is from the real time, and the fields that set it.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::clock::{ConsoleClock, signed};
use crate::app::pane::clock::{DIAL, GO_TO, JUMP, PACE, STAMPS};
use crate::app::{Field, Target};
use crate::text::{self, Span};
use crate::view::canvas::{Canvas, below};
use crate::view::theme::Role;
use crate::view::widget::{choice, labelled, text_line, words_at};

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(DIAL));
    let app = canvas.app;
    let now = app.times.judged;
    // A running clock is shown to the second, a frozen one exactly.
    let stands = matches!(app.clock, ConsoleClock::Frozen(_));
    let shown = if stands { now } else { now.whole_second() };
    canvas.drawn.changes_in(Span::SECOND - now.past(Span::SECOND));
    let mut rest = area;
    let place = labelled(canvas, rest, DIAL);
    let date = app.date(shown);
    let fits = text::width(&date) + 4 <= usize::from(place.width);
    let dial = choice(canvas, &if fits { date } else { app.time(shown) }, canvas.focused(DIAL));
    canvas.line(place, Line::from(dial));
    rest = below(rest, 1);
    let away = match app.clock {
        ConsoleClock::Real => ("real time".to_owned(), Role::Hint),
        ConsoleClock::Shifted(by) => (format!("real time {}", signed(by)), Role::Warning),
        ConsoleClock::Frozen(_) => ("frozen".to_owned(), Role::Warning),
        ConsoleClock::Fast { .. } => ("running 60×".to_owned(), Role::Warning),
    };
    let away = canvas.span(away.0, away.1);
    canvas.line(Rect { width: place.width, x: place.x, ..rest }, away);
    rest = below(rest, 1);
    for field in [JUMP, GO_TO, PACE, STAMPS] {
        let place = labelled(canvas, rest, field);
        row(canvas, place, field);
        rest = below(rest, 1);
    }
    verdict(canvas, below(rest, u16::from(rest.height > 3)));
}

fn row(canvas: &mut Canvas, place: Rect, field: Field) {
    let (app, focused) = (canvas.app, canvas.focused(field));
    let words = match field {
        GO_TO => return text_line(canvas, place, &app.dial.go_to, focused, "+55m, exp - 1s, a time"),
        JUMP => app.dial.jump(),
        PACE => app.pace(),
        _ if app.stamps_held => "this clock",
        _ => "real time",
    };
    let mut line = choice(canvas, words, focused);
    if field == JUMP {
        let at = app.named_instant(words);
        let told = at.map_or_else(|error| format!("  {error}"), |at| format!("  {}", app.exact_time(at)));
        line.push(canvas.span(told, Role::Hint));
    }
    canvas.line(place, Line::from(line));
}

/// Draws the selected token's status, and the preview of its call.
fn verdict(canvas: &mut Canvas, area: Rect) {
    let app = canvas.app;
    let decision = app.preview();
    if let Some(entry) = app.selected() {
        let (words, holds, role) = words_at(&entry.judged, app.times.judged);
        canvas.drawn.changes_in(holds);
        let border = entry.judged.lifetime.next_border(app.times.judged);
        if let Some(left) = border {
            canvas.drawn.changes_in(left);
        }
        let name = text::fit(&app.token_name(entry), 20);
        let line = vec![canvas.span(format!("{name}: "), Role::Plain), canvas.span(words, role)];
        canvas.line(area, Line::from(line));
    }
    let verdict = decision.verdict();
    let tool = text::name(&app.call.tool, 32);
    let line = vec![
        canvas.span(format!("{tool}: "), Role::Plain),
        canvas.span(verdict.word(), Role::of_call(verdict, app.preview_trouble(&decision).is_some())),
        canvas.span(decision.reason().map_or_else(String::new, |reason| format!(" {}", reason.code())), Role::Plain),
    ];
    canvas.line(below(area, 1), Line::from(line));
    if let Some(leap) = app.leap {
        let told = format!("{}, to {}", leap.words(), app.date(leap.to.whole_second()));
        let lines = canvas.wrapped(&told, area.width, Role::Denied);
        canvas.lines(below(area, 2), lines);
    }
}

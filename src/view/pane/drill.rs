//! The Drill pane: what to drill, the progress of a running drill, and the result of the last one.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::pane::drill::{EVERY, TOKEN, TOOL};
use crate::app::runs::RunKind;
use crate::app::{Field, Pane, Target};
use crate::lab::drill::{DrillResult, Pace};
use crate::text::words::count;
use crate::text::{self, Span};
use crate::view::canvas::{Canvas, below, right_of};
use crate::view::theme::Role;
use crate::view::widget::{bar, choice, labelled, state, waiting};

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Pane(Pane::Drill));
    let app = canvas.app;
    let mut rest = area;
    for field in Pane::Drill.fields() {
        let place = labelled(canvas, rest, field);
        let words = words(canvas, field);
        let line = choice(canvas, &words, canvas.focused(field));
        canvas.line(place, Line::from(line));
        rest = below(rest, 1);
    }
    rest = below(rest, u16::from(rest.height > 6));
    match (&app.drill.running, &app.drill.found) {
        (Some(running), _) => {
            let columns = usize::from(rest.width.saturating_sub(2)).min(40);
            let done = running.drill.progress(app.times.real);
            let (full, empty) = bar(done, 1000, columns);
            // In real time the bar advances by itself, a cell at a time.
            let cell = 1000 / i64::try_from(columns.max(1)).unwrap_or(40);
            canvas.drawn.changes_in(running.drill.whole() * cell / 1000 + Span::MICRO);
            let line = vec![canvas.span(full, Role::Ok), canvas.span(empty, Role::Hint)];
            let calls = count(running.drill.calls(), "call");
            let told = format!("{} as {}: {calls} made", text::name(&running.subject.tool, 32), running.subject.name);
            let mut lines = vec![Line::from(line)];
            lines.extend(canvas.wrapped(&told, rest.width, Role::Plain));
            lines.extend(canvas.wrapped(
                &running.drill.report().so_far(|at| app.exact_time(at)),
                rest.width,
                Role::Plain,
            ));
            // A drill makes most of its calls near the end of the token's life.
            let usual = running.drill.report().plan.every.max(Span::seconds(2));
            let wait = running.drill.next().filter(|next| next.since(app.times.real) > usual);
            if let Some(next) = wait {
                let next = app.exact_time(next);
                let said = format!("waits until {next}, shortly before the token expires");
                lines.extend(canvas.wrapped(&said, rest.width, Role::Hint));
            }
            lines.extend(canvas.wrapped("Enter or Esc cancels it", rest.width, Role::Hint));
            canvas.lines(rest, lines);
        }
        (None, _) if boundaries(canvas, rest) => {}
        (None, Some(found)) => report(canvas, rest, found),
        (None, None) => {
            let told = match (canvas.app.target(), canvas.app.drill.plan().pace) {
                (None, _) => "Enter calls the tool before and after expiry and finds when the gate starts to refuse it",
                (Some(_), Pace::Shifted) => {
                    "Enter calls the tool with tokens around their exp and nbf and finds how long the server accepts them"
                }
                (Some(_), Pace::Real) => {
                    "Enter calls the tool before and after expiry and finds when the server starts to refuse it"
                }
            };
            let lines = canvas.wrapped(told, rest.width, Role::Hint);
            canvas.lines(rest, lines);
        }
    }
}

/// Draws the search for boundaries at the selected target, if there is one. Returns whether there is.
fn boundaries(canvas: &mut Canvas, area: Rect) -> bool {
    let app = canvas.app;
    let Some(target) = app.target() else { return false };
    let running = app.run.as_ref().filter(|run| run.kind == RunKind::Boundaries && run.target == target.number);
    let bounds = app.drill.bounds.as_ref().filter(|bounds| bounds.target == target.number);
    let since = running.map(|run| run.since);
    let mut lines = Vec::new();
    for (claim, found) in [("exp", bounds.map(|bounds| bounds.exp)), ("nbf", bounds.and_then(|bounds| bounds.nbf))] {
        let Some(found) = found else { continue };
        let (sign, role) = if found.is_sound() { ("✔", Role::Ok) } else { ("✘", Role::Denied) };
        lines.extend(canvas.wrapped(&format!("{sign} {}", found.summary(claim)), area.width, role));
    }
    if let Some(skew) = bounds.and_then(|bounds| bounds.nbf?.skew_words()) {
        lines.extend(canvas.wrapped(&skew, area.width, Role::Warning));
    }
    if let Some(since) = since {
        let waits = waiting(canvas, since);
        lines.extend(canvas.wrapped(&format!("{waits}; Esc cancels"), area.width, Role::Warning));
    }
    let has_any = !lines.is_empty();
    canvas.lines(area, lines);
    has_any
}

fn words(canvas: &mut Canvas, field: Field) -> String {
    let app = canvas.app;
    match (field, app.selected()) {
        (TOKEN, Some(entry)) if app.drill.is_of_selected() => {
            let (state, _) = state(canvas, &entry.judged);
            format!("{} · {state}", text::fit(&app.token_name(entry), 20))
        }
        (TOKEN, _) => app.drill.with_words(),
        (TOOL, _) => text::name(&app.call.tool, 32),
        (EVERY, _) => app.drill.every_words(),
        _ => app.drill.way_words().to_owned(),
    }
}

fn report(canvas: &mut Canvas, area: Rect, found: &DrillResult) {
    let DrillResult { subject, report, .. } = found;
    let role = if report.passed() { Role::Ok } else { Role::Denied };
    let verdict = canvas.wrapped(&report.verdict(), area.width, role);
    let mut rest = canvas.lines(area, verdict);
    let lines = report.lines(|at| canvas.app.exact_time(at));
    let told = format!("{} with {}, {}", text::name(&subject.tool, 32), subject.name, report.plan);
    let spare = usize::from(rest.height).saturating_sub(lines.len()).min(2);
    let made = canvas.clipped(&format!("{told}, {}", count(report.calls, "call")), rest.width, spare, Role::Hint);
    rest = canvas.lines(rest, made);
    for (label, said) in lines {
        let label = canvas.span(label, Role::Label);
        canvas.line(rest, label);
        let said = canvas.span(said, Role::Plain);
        canvas.line(right_of(rest, 14), said);
        rest = below(rest, 1);
    }
}

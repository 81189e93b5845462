//! The Test kit pane: each test token with the expected answer, and the actual one; or each probe of a foreign target with
//! what its answer means.

use std::sync::Arc;

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::kit::{LIST, ProbeLine, ProbeState, probe_summary};
use crate::lab::kit::KIT;
use crate::lab::probe::{Degree, Mark};
use crate::lab::score;
use crate::text::{self, padded, words};
use crate::view::canvas::{Canvas, below, split_bottom, top};
use crate::view::theme::Role;
use crate::view::widget::waiting;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let app = canvas.app;
    if app.target().is_some() {
        return probe(canvas, area);
    }
    let next = format!("{} as {}", text::name(&app.call.tool, 32), app.identity().words());
    let (told, role) = match app.kit_is_of() {
        Some((of, true)) => (format!("old: {of}; Enter runs {next}"), Role::Warning),
        _ => (next, Role::Label),
    };
    let told = canvas.span(told, role);
    canvas.line(top(area, 1), told);
    let foot = u16::from(area.height > 4) + u16::from(area.height > 8);
    let (list, under) = split_bottom(area, foot);
    let at = app.kit.row.min(KIT.len() - 1);
    canvas.list(below(list, 1), LIST, at, KIT.len(), |canvas, n, place| {
        let line = row(canvas, n, usize::from(place.width));
        canvas.line(place, line);
        canvas.target(place, Target::Row(LIST, n));
    });
    let came = app.kit.card.as_ref().and_then(|card| card.lines.get(at));
    let told = match came {
        Some(line) => format!("{}; {}", line.came.answer, line.came.sentence),
        None => KIT[at].what.to_owned(),
    };
    let lines = canvas.clipped(&text::display_safe(&told, 500), area.width, usize::from(foot), Role::Hint);
    canvas.lines(under, lines);
}

/// Draws the gate probe of a foreign target: its state, its lines, and the line under the cursor in full.
fn probe(canvas: &mut Canvas, area: Rect) {
    let app = canvas.app;
    let head = probe_head(canvas, area);
    let used = u16::try_from(head.len()).unwrap_or(0);
    canvas.lines(area, head);
    let lines = app.probe_lines();
    let foot = u16::from(area.height > 4) + u16::from(area.height > 8);
    let (list, under) = split_bottom(below(area, used), foot);
    let at = app.kit.row.min(lines.len().saturating_sub(1));
    canvas.list(list, LIST, at, lines.len(), |canvas, n, place| {
        let line = probe_row(canvas, &lines[n], n == at, usize::from(place.width));
        canvas.line(place, line);
        canvas.target(place, Target::Row(LIST, n));
    });
    let told = lines.get(at).map(probe_detail).unwrap_or_default();
    let told = canvas.clipped(&text::display_safe(&told, 500), area.width, usize::from(foot), Role::Hint);
    canvas.lines(under, told);
}

/// Returns the state of the probe: what it would do, its progress or its result.
fn probe_head(canvas: &mut Canvas, area: Rect) -> Vec<Line<'static>> {
    let app = canvas.app;
    let planned = words::count(app.planned_probes(), "probe");
    let named = |tool: Option<&Arc<str>>| tool.map_or_else(|| "tools/list".to_owned(), |tool| text::name(tool, 32));
    // Before the server has been asked, the probe chooses a tool itself.
    let is_unknown = app.target().is_some_and(|target| target.observed.catalogue().tools().is_empty());
    let tool = if is_unknown { "a read-only tool".to_owned() } else { named(app.probed_tool().as_ref()) };
    let whose = app
        .selected()
        .map_or_else(|| "new tokens".to_owned(), |entry| format!("tokens like {}", app.token_name(entry)));
    let next = format!("{planned} of {tool} with {whose}");
    let Some(probe) = app.probe() else { return canvas.clipped(&next, area.width, 2, Role::Label) };
    let made = probe.card.as_ref().map_or(0, |card| card.rows.len());
    let tool = named(probe.tool.as_ref());
    let summary = || probe.card.as_ref().map(|card| probe_summary(card, probe.planned)).unwrap_or_default();
    let (words, role) = match &probe.state {
        ProbeState::Running => {
            let since = app.run.as_ref().map_or(app.times.mono, |run| run.since);
            let waits = waiting(canvas, since);
            (format!("{waits} · {made} of {} probes of {tool} · Esc cancels", probe.planned), Role::Warning)
        }
        ProbeState::Done => {
            let card = probe.card.as_deref();
            let role = match card.map(|card| (card.failures(), card.findings() + card.undecided())) {
                Some((0, 0)) => Role::Ok,
                Some((0, _)) => Role::Warning,
                _ => Role::Denied,
            };
            (format!("{tool}: {}", summary()), role)
        }
        ProbeState::Cancelled => (format!("cancelled: {}", summary()), Role::Warning),
        ProbeState::Refused(why) => (format!("the good token is not accepted: {}", why.sentence), Role::Denied),
        ProbeState::Failed(why) => (why.clone(), Role::Denied),
    };
    let mut head = canvas.clipped(&words, area.width, 2, role);
    let notes = probe.card.as_ref().map(|card| card.notes()).unwrap_or_default();
    // Half of the pane is left to the list.
    let room = usize::from(area.height / 2).saturating_sub(head.len() + 1);
    let signs = probe.card.as_ref().map(|_| canvas.clipped(SIGNS, area.width, 1, Role::Hint)).unwrap_or_default();
    let notes = notes.iter().flat_map(|note| canvas.wrapped(note, area.width, Role::Plain));
    let notes: Vec<Line<'static>> = notes.take(room).collect();
    let left = room - notes.len();
    head.extend(notes);
    head.extend(signs.into_iter().take(left));
    head
}

/// The legend of the signs, so that a failure and a finding can be told apart without colours.
const SIGNS: &str = "✘ failure  ! finding  ? no verdict  ✔ sound  - left out";

/// Returns a row: sign, name, and what the answer means.
fn probe_row(canvas: &Canvas, line: &ProbeLine<'_>, here: bool, columns: usize) -> Line<'static> {
    let (sign, name, words, role) = match line {
        ProbeLine::Planned(probe) => ("·", probe.name, probe.group.to_owned(), Role::Hint),
        ProbeLine::Row(row) => {
            let role = match row.mark {
                _ if row.is_failure() => Role::Denied,
                _ if row.is_finding() => Role::Warning,
                Mark::NoVerdict => Role::Warning,
                Mark::Sound => Role::Ok,
                _ => Role::Hint,
            };
            let words = match row.mark {
                Mark::Sound | Mark::Measured(_) => row.came(),
                mark => mark.words().to_owned(),
            };
            let sign = match row.mark {
                _ if row.is_failure() => "✘",
                _ if row.is_finding() => "!",
                Mark::Crashed => "?",
                mark => mark.sign(),
            };
            (sign, row.probe.name, words, role)
        }
        ProbeLine::Extra(extra) => {
            let role = match extra.is_sound {
                Some(true) => Role::Ok,
                Some(false) if extra.is_failure() => Role::Denied,
                _ => Role::Warning,
            };
            let sign = match extra.is_sound {
                Some(false) if !extra.is_failure() => "!",
                _ => extra.sign(),
            };
            (sign, extra.name, extra.found.clone(), role)
        }
    };
    let here = here && canvas.focused(LIST);
    let name = padded(name, (columns / 2).saturating_sub(2).clamp(12, 32));
    let is_fault = matches!(role, Role::Denied | Role::Warning);
    Line::from(vec![
        canvas.span(format!("{sign} "), role),
        canvas.span(format!("{name} "), if here { Role::Selected } else { Role::Plain }),
        canvas.span(text::display_safe(&words, 200), if is_fault { role } else { Role::Hint }),
    ])
}

/// Returns a line in full.
fn probe_detail(line: &ProbeLine<'_>) -> String {
    match line {
        ProbeLine::Planned(probe) => {
            let weight = match probe.degree {
                Degree::Must => "a wrong answer is a failure",
                Degree::Should => "a wrong answer is a finding",
                Degree::Allowance => "a measurement",
            };
            format!("{} ({weight})", probe.what)
        }
        ProbeLine::Row(row) => {
            let weight = match (row.is_failure(), row.is_finding()) {
                (true, _) => "failure: ",
                (_, true) => "finding: ",
                _ => "",
            };
            let came = row.observation.as_ref().map(|observation| format!("; {observation}")).unwrap_or_default();
            format!("{weight}{}; {}{came}", row.probe.what, row.mark.words())
        }
        ProbeLine::Extra(extra) => format!("{}: {}", extra.name, extra.found),
    }
}

/// Returns a row: sign, name, expected answer, and the actual one if it differs.
fn row(canvas: &Canvas, n: usize, columns: usize) -> Line<'static> {
    let app = canvas.app;
    let line = app.kit.card.as_ref().and_then(|card| card.lines.get(n));
    let (sign, role) = match line.map(score::Line::passed) {
        Some(true) => ("✔", Role::Ok),
        Some(false) => ("✘", Role::Denied),
        None => ("·", Role::Hint),
    };
    let here = canvas.focused(LIST) && app.kit.row == n;
    let name = padded(KIT[n].name, columns.saturating_sub(22).clamp(12, 38));
    let mut spans = vec![
        canvas.span(format!("{sign} "), role),
        canvas.span(format!("{name} "), if here { Role::Selected } else { Role::Plain }),
        canvas.span(line.map_or_else(|| KIT[n].expected(&app.auth.rules), |line| line.expected), Role::Hint),
    ];
    if let Some(line) = line.filter(|line| !line.passed()) {
        spans.push(canvas.span(format!(" ≠ {}", text::name(&line.came.code, 32)), Role::Denied));
    }
    Line::from(spans)
}

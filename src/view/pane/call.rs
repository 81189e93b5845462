//! The Call pane: token, tool and arguments; what the gate would say now, check by check; and what it said last.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::call::{ARGUMENTS, LastCall, TOKEN, TOOL};
use crate::auth::check::Passed;
use crate::auth::{Check, Decision};
use crate::gate::arguments::{self, Given};
use crate::text::{self, display_safe};
use crate::view::canvas::{Canvas, below, bottom, right_of, top, wrap};
use crate::view::record::held;
use crate::view::theme::Meaning;
use crate::view::widget::{choice, labelled, state, text_lines};

pub fn render(canvas: &mut Canvas, area: Rect) {
    let decision = canvas.app.preview();
    if let Some(left) = canvas.app.selected().and_then(|e| e.judged.lifetime.next_border(canvas.app.times.judged)) {
        canvas.drawn.changes_in(left);
    }
    // Beside each other where it is wide and low, below each other otherwise.
    let trace_rows = u16::try_from(Check::ALL.len()).unwrap_or(9);
    let beside = area.width >= 70 && area.height < 22;
    let (form, side) = if beside {
        (Rect { width: area.width - 30, ..area }, Some(Rect { width: 28, ..right_of(area, area.width - 28) }))
    } else {
        (area, None)
    };
    if let Some(side) = side {
        trace(canvas, side, &decision);
    }
    let tall = form.height >= 20;
    let written = u16::try_from(canvas.app.call.arguments.lines().count()).unwrap_or(u16::MAX);
    let rows = written.clamp(1, if tall { 5 } else { form.height.saturating_sub(7).clamp(1, 2) });
    let mut rest = fields(canvas, form, rows);
    if tall {
        rest = below(rest, 1);
    }
    if side.is_none() && rest.height >= trace_rows + 6 {
        trace(canvas, top(rest, trace_rows), &decision);
        rest = below(rest, trace_rows + u16::from(tall));
    } else if side.is_none() && rest.height > 4 {
        let signs = short_trace(canvas, &decision);
        rest = canvas.lines(rest, [signs]);
    }
    rest = outcome(canvas, rest, &decision);
    let rest = if rest.height > 4 { below(rest, 1) } else { rest };
    if let Some(last) = &canvas.app.last_call {
        last_answer(canvas, rest, last);
    } else {
        let lines = canvas.wrapped("Enter calls the tool; the answer shows here", rest.width, Meaning::Hint);
        canvas.lines(rest, lines);
    }
}

fn fields(canvas: &mut Canvas, area: Rect, rows: u16) -> Rect {
    let app = canvas.app;
    let place = labelled(canvas, area, TOKEN);
    let mut line = match app.selected() {
        Some(entry) => {
            let (words, _) = state(canvas, &entry.judged);
            let name = format!("{} · {words}", text::fit(&app.token_name(entry), 24));
            choice(canvas, &name, canvas.focused(TOKEN))
        }
        None => choice(canvas, text::NO_TOKEN, canvas.focused(TOKEN)),
    };
    canvas.line(place, Line::from(line));
    let area = below(area, 1);
    let place = labelled(canvas, area, TOOL);
    line = choice(canvas, &text::name(&app.call.tool, 32), canvas.focused(TOOL));
    let needs = match app.auth.rules.policy.tool(&app.call.tool) {
        Some(rule) => format!("  needs {}", rule.needs()),
        None => "  not in the policy".to_owned(),
    };
    line.push(canvas.span(needs, Meaning::Hint));
    canvas.line(place, Line::from(line));
    let area = below(area, 1);
    let place = labelled(canvas, area, ARGUMENTS);
    canvas.target(Rect { height: rows, ..area }, Target::Field(ARGUMENTS));
    let editor = Rect { height: rows.min(area.height), ..place };
    let focused = canvas.focused(ARGUMENTS);
    text_lines(canvas, editor, &app.call.arguments, focused);
    let area = below(area, rows);
    let fault =
        arguments::read(Given::Text(app.call.arguments.text()), app.auth.rules.policy.tool(&app.call.tool)).err();
    let lines = fault.map(|fault| canvas.wrapped(&fault.to_string(), area.width, Meaning::Expired)).unwrap_or_default();
    canvas.lines(area, lines)
}

/// Every check with its sign, and beside the one that failed or mattered what was found.
fn trace(canvas: &mut Canvas, area: Rect, decision: &Decision) {
    let lines: Vec<Line<'static>> = decision
        .trace()
        .map(|(check, passed)| {
            let meaning = Meaning::of_check(passed);
            let told = if passed == Passed::NotReached { Meaning::Hint } else { Meaning::Plain };
            let note = match (check, &decision.result, canvas.app.selected()) {
                (Check::Present, _, Some(entry)) => match entry.text() {
                    Some(text) => format!(", {}", text::words::bytes(text.len())),
                    None => ", known by its hash".to_owned(),
                },
                (Check::Permission, Ok(grant), _) => format!(": {}", text::name(&grant.permission, 32)),
                (Check::Binding, ..) if !canvas.app.auth.rules.expects_binding() => ": any".to_owned(),
                _ => String::new(),
            };
            Line::from(vec![
                canvas.span(passed.sign(), meaning),
                canvas.span(format!(" {}{note}", check.label()), told),
            ])
        })
        .collect();
    canvas.lines(area, lines);
}

/// The trace in one line: the signs, and the check where it stopped.
fn short_trace(canvas: &Canvas, decision: &Decision) -> Line<'static> {
    let mut spans: Vec<Span<'static>> =
        decision.trace().map(|(_, passed)| canvas.span(passed.sign(), Meaning::of_check(passed))).collect();
    let stop = decision.reason().map_or("all checks passed", |reason| reason.check().label());
    spans.push(canvas.span(format!(" {stop}"), Meaning::Hint));
    Line::from(spans)
}

/// What the gate would say now.
fn outcome(canvas: &mut Canvas, area: Rect, decision: &Decision) -> Rect {
    let trouble = canvas.app.preview_trouble(decision);
    let meaning = Meaning::of_call(decision.verdict(), trouble.is_some());
    let code = if decision.reason().is_some() { format!("  {}", decision.code()) } else { String::new() };
    let line = vec![canvas.span(decision.verdict().word(), meaning), canvas.span(code, Meaning::Plain)];
    let rest = canvas.lines(area, [Line::from(line)]);
    let most = if rest.height > 8 { 4 } else { 2 };
    let why = trouble.map_or_else(|| decision.sentence(), |trouble| trouble.to_string());
    let told = canvas.clipped(&why, rest.width, most, Meaning::Plain);
    let rest = canvas.lines(rest, told);
    let also = canvas.app.preview_also(decision);
    // The last answer keeps its rows.
    let room = usize::from(rest.height.saturating_sub(6));
    let lines = also.iter().flat_map(|reason| canvas.clipped(&format!("also: {reason}"), rest.width, 2, Meaning::Hint));
    let lines: Vec<Line<'static>> = lines.take(room).collect();
    canvas.lines(rest, lines)
}

/// What came back last, to the letter.
fn last_answer(canvas: &mut Canvas, area: Rect, last: &LastCall) {
    let Some(called) = &last.called else {
        canvas.line(area, "calling…");
        return;
    };
    let record = &called.record;
    let who = record.answered.subject().map_or_else(|| "nobody".to_owned(), |name| text::name(name, 24));
    let title =
        format!("last: {}{} {} as {who}", held(record), canvas.app.time(record.at), text::name(&record.tool, 32));
    let title = canvas.span(title, Meaning::Hint);
    let answer = wrap(&display_safe(&called.outcome.answer().to_string(), 2000), area.width);
    let rows = usize::from(area.height);
    // The answer itself matters more than its title, of which one word is left where there is no row for it.
    let short = "last: ";
    let untitled = rows <= answer.len() && rows <= 2;
    let rest = if untitled { right_of(area, 6) } else { canvas.lines(area, [Line::from(title)]) };
    if untitled {
        let short = canvas.span(short, Meaning::Hint);
        canvas.line(area, short);
    }
    let answer = if untitled { wrap(&answer.concat(), rest.width) } else { answer };
    let meaning = Meaning::of_call(called.decision.verdict(), called.outcome.trouble().is_some());
    let rows = usize::from(rest.height);
    let cut = answer.len().saturating_sub(rows);
    let lines: Vec<Line<'static>> =
        answer.into_iter().take(rows).map(|line| canvas.span(line, meaning).into()).collect();
    let left = canvas.lines(rest, lines);
    if cut > 0 {
        let told = canvas.span(format!("… {} more, in Activity", text::words::count(cut, "line")), Meaning::Hint);
        canvas.line(bottom(rest, 1), told);
    }
    if let Some(trouble) = called.outcome.trouble() {
        let lines = canvas.wrapped(trouble, left.width, Meaning::Plain);
        canvas.lines(left, lines);
    }
}

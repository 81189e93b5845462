//! The Call pane: token, tool and arguments; the preview, check by check; and the last answer.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::call::{ARGUMENTS, LastCall, TOKEN, TOOL};
use crate::auth::check::CheckResult;
use crate::auth::{Check, Decision, Reason};
use crate::gate::TokenEntry;
use crate::gate::arguments::{self, RawArguments};
use crate::text::{self, display_safe};
use crate::view::canvas::{Canvas, below, bottom, right_of, top, wrap};
use crate::view::record::held;
use crate::view::theme::Role;
use crate::view::widget::{choice, labelled, state, text_lines};

pub fn render(canvas: &mut Canvas, area: Rect) {
    let decision = canvas.app.preview();
    if let Some(left) = canvas.app.selected().and_then(|e| e.judged.lifetime.next_border(canvas.app.times.judged)) {
        canvas.drawn.changes_in(left);
    }
    let gap = |rest: Rect, least: u16| if rest.height > least { below(rest, 1) } else { rest };
    let written = u16::try_from(canvas.app.call.arguments.lines().count()).unwrap_or(u16::MAX);
    let rows = written.clamp(1, if area.height >= 20 { 5 } else { area.height.saturating_sub(7).clamp(1, 2) });
    let mut rest = gap(fields(canvas, area, rows), 8);
    rest = banner(canvas, rest, &decision);
    let trace_rows = u16::try_from(Check::ALL.len()).unwrap_or(10);
    if canvas.app.call.opens_trace && rest.height > 3 {
        rest = gap(rest, trace_rows + 3);
        trace(canvas, top(rest, trace_rows.min(rest.height - 3)), &decision);
        rest = below(rest, trace_rows.min(rest.height - 3));
    } else if rest.height > 3 {
        let signs = short_trace(canvas, &decision);
        rest = canvas.lines(rest, [signs]);
    }
    let rest = gap(rest, 3);
    if let Some(last) = &canvas.app.last_call {
        last_answer(canvas, rest, last);
    } else {
        let lines = canvas.wrapped("Press Enter to call the tool. Its answer appears here.", rest.width, Role::Hint);
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
    line.push(canvas.span(needs, Role::Hint));
    canvas.line(place, Line::from(line));
    let area = below(area, 1);
    let place = labelled(canvas, area, ARGUMENTS);
    canvas.target(Rect { height: rows, ..area }, Target::Field(ARGUMENTS));
    let editor = Rect { height: rows.min(area.height), ..place };
    let focused = canvas.focused(ARGUMENTS);
    text_lines(canvas, editor, &app.call.arguments, focused);
    let area = below(area, rows);
    let fault =
        arguments::read(RawArguments::Text(app.call.arguments.text()), app.auth.rules.policy.tool(&app.call.tool))
            .err();
    let lines = fault.map(|fault| canvas.wrapped(&fault.to_string(), area.width, Role::Warning)).unwrap_or_default();
    canvas.lines(area, lines)
}

/// Draws every check with its sign, and beside some of them what was found.
fn trace(canvas: &mut Canvas, area: Rect, decision: &Decision) {
    let lines: Vec<Line<'static>> = decision
        .trace()
        .map(|(check, passed)| {
            let role = Role::of_check(passed);
            let told = if passed == CheckResult::NotReached { Role::Hint } else { Role::Plain };
            let note = match (check, &decision.result, canvas.app.selected()) {
                (Check::Present, _, Some(entry)) => match entry.text() {
                    Some(text) => format!(", {}", text::words::bytes(text.len())),
                    None => ", known by its hash".to_owned(),
                },
                (Check::Permission, Ok(grant), _) => format!(": {}", text::name(&grant.permission, 32)),
                (Check::Binding, ..) if !canvas.app.auth.rules.expects_binding() => ": any".to_owned(),
                _ => String::new(),
            };
            Line::from(vec![canvas.span(passed.sign(), role), canvas.span(format!(" {}{note}", check.label()), told)])
        })
        .collect();
    canvas.lines(area, lines);
}

/// Returns the trace in one line: the signs, and the check at which it stopped.
fn short_trace(canvas: &Canvas, decision: &Decision) -> Line<'static> {
    let mut spans: Vec<Span<'static>> =
        decision.trace().map(|(_, passed)| canvas.span(passed.sign(), Role::of_check(passed))).collect();
    let stop = match decision.reason() {
        Some(reason) => format!(" fails: {}", reason.check().label()),
        None => " all checks passed".to_owned(),
    };
    spans.push(canvas.span(stop, Role::Hint));
    Line::from(spans)
}

/// Draws the preview: the verdict, and either the permissions that the token has and those that it needs, or the reason
/// in a sentence.
fn banner(canvas: &mut Canvas, area: Rect, decision: &Decision) -> Rect {
    let trouble = canvas.app.preview_trouble(decision);
    let role = Role::of_call(decision.verdict(), trouble.is_some());
    let code = match decision.reason() {
        Some(_) => canvas.span(format!(" {}", decision.code()), Role::Title),
        // Nothing has been called: the answer of the last call may be below.
        None => canvas.span(" if called now", Role::Hint),
    };
    let verdict = canvas.span(format!(" {} ", decision.verdict().word()), role.chip());
    let rest = canvas.lines(area, [Line::from(vec![verdict, code])]);
    if let (Some(Reason::PermissionMissing { held, needs, .. }), true) = (decision.reason(), rest.height > 2) {
        let tags = |names: Vec<&str>, between: &str| match names.as_slice() {
            [] => "no permission".to_owned(),
            names => text::names(names.iter(), 32, 8, between),
        };
        let has = tags(held.iter().map(String::as_str).collect(), ", ");
        let needed = tags(needs.iter().map(|needed| &**needed).collect(), " or ");
        let needed = if needs.is_empty() { "a permission, but none is enough".to_owned() } else { needed };
        let line =
            |label, told: String, role| Line::from(vec![canvas.span(label, Role::Label), canvas.span(told, role)]);
        let lines = [line("it has    ", has, Role::Title), line("it needs  ", needed, Role::Denied)];
        return canvas.lines(rest, lines);
    }
    let most = if rest.height > 8 { 4 } else { 2 };
    let why = trouble.map_or_else(|| decision.sentence(), |trouble| trouble.to_string());
    let told = canvas.clipped(&why, rest.width, most, Role::Plain);
    let rest = canvas.lines(rest, told);
    let also = canvas.app.preview_also(decision);
    // Rows are reserved for the last answer.
    let room = usize::from(rest.height.saturating_sub(6));
    let lines = also.iter().flat_map(|reason| canvas.clipped(&format!("also: {reason}"), rest.width, 2, Role::Hint));
    let lines: Vec<Line<'static>> = lines.take(room).collect();
    canvas.lines(rest, lines)
}

/// Draws the last answer exactly as the caller got it.
fn last_answer(canvas: &mut Canvas, area: Rect, last: &LastCall) {
    let Some(called) = &last.called else {
        canvas.line(area, "calling…");
        return;
    };
    let record = &called.record;
    let who = record.answered.subject().map_or_else(|| "(no name)".to_owned(), |name| text::name(name, 24));
    let title =
        format!("last: {}{} {} as {who}", held(record), canvas.app.time(record.at), text::name(&record.tool, 32));
    // The answer stays visible after another token or tool is chosen, but must not look like the answer to that one.
    let is_same =
        *last.tool == *canvas.app.call.tool && last.token.as_ref() == canvas.app.selected().and_then(TokenEntry::text);
    let title = canvas.span(title, Role::Hint);
    let answer = wrap(&display_safe(&called.outcome.answer().to_string(), 2000), area.width);
    let rows = usize::from(area.height);
    // The answer itself matters more than its title: if there is no row for the title, only one word of it is left.
    let short = "last: ";
    let untitled = rows <= answer.len() && rows <= 2;
    let rest = if untitled { right_of(area, 6) } else { canvas.lines(area, [Line::from(title)]) };
    if untitled {
        let short = canvas.span(short, Role::Hint);
        canvas.line(area, short);
    }
    let answer = if untitled { wrap(&answer.concat(), rest.width) } else { answer };
    let role = Role::of_call(called.decision.verdict(), called.outcome.trouble().is_some());
    let role = if is_same { role } else { Role::Hint };
    let rows = usize::from(rest.height);
    let cut = answer.len().saturating_sub(rows);
    let lines: Vec<Line<'static>> = answer.into_iter().take(rows).map(|line| canvas.span(line, role).into()).collect();
    let left = canvas.lines(rest, lines);
    if cut > 0 {
        let told = canvas.span(format!("… {} more, in Activity", text::words::count(cut, "line")), Role::Hint);
        canvas.line(bottom(rest, 1), told);
    }
    if let Some(trouble) = called.outcome.trouble() {
        let lines = canvas.wrapped(trouble, left.width, Role::Plain);
        canvas.lines(left, lines);
    }
}

//! The Call pane: token, tool and arguments; the preview, check by check; and the last answer.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::action::Action;
use crate::app::pane::call::answer::Tone;
use crate::app::pane::call::schema_form::{FormRow, Kind};
use crate::app::pane::call::{ARGUMENTS, Answered, FORM, InFlight, LastCall, TOKEN, TOOL};
use crate::app::{Target, hints};
use crate::auth::check::CheckResult;
use crate::auth::{Check, Decision, Reason};
use crate::gate::TokenEntry;
use crate::gate::arguments::{self, ArgumentsError, RawArguments};
use crate::observe::Progress;
use crate::text::{self, display_safe, padded};
use crate::view::canvas::{Canvas, below, bottom, right_of, top, wrap};
use crate::view::overlay::styled;
use crate::view::record::held;
use crate::view::theme::Role;
use crate::view::widget::{choice, labelled, state, text_lines, waiting};

pub fn render(canvas: &mut Canvas, area: Rect) {
    let target = canvas.app.target_name();
    let decision = match &target {
        Some(_) => canvas.app.prediction(&canvas.app.call.tool),
        None => Some(canvas.app.preview()),
    };
    if let Some(left) = canvas.app.selected().and_then(|e| e.judged.lifetime.next_border(canvas.app.times.judged)) {
        canvas.drawn.changes_in(left);
    }
    let gap = |rest: Rect, least: u16| if rest.height > least { below(rest, 1) } else { rest };
    let written = u16::try_from(canvas.app.call.arguments.lines().count()).unwrap_or(u16::MAX);
    let rows = written.clamp(1, if area.height >= 20 { 5 } else { area.height.saturating_sub(7).clamp(1, 2) });
    let rest = fields(canvas, area, rows);
    let mut rest = gap(form(canvas, rest, area.height), 8);
    rest = match (&decision, &target) {
        (Some(decision), _) => banner(canvas, rest, decision, target.is_some()),
        (None, _) => not_predicted(canvas, rest),
    };
    let trace_rows = u16::try_from(Check::ALL.len()).unwrap_or(10);
    // A foreign server makes checks of its own.
    if let Some(decision) = decision.filter(|_| target.is_none() && rest.height > 3) {
        if canvas.app.call.opens_trace {
            rest = gap(rest, trace_rows + 3);
            trace(canvas, top(rest, trace_rows.min(rest.height - 3)), &decision);
            rest = below(rest, trace_rows.min(rest.height - 3));
        } else {
            let signs = short_trace(canvas, &decision);
            rest = canvas.lines(rest, [signs]);
        }
    }
    let rest = gap(rest, 3);
    if let Some(last) = canvas.app.shown_call() {
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
    if app.sends_no_token() {
        line.push(canvas.span("  not sent to this server", Role::Warning));
    }
    canvas.line(place, Line::from(line));
    let area = below(area, 1);
    let place = labelled(canvas, area, TOOL);
    line = choice(canvas, &text::name(&app.call.tool, 32), canvas.focused(TOOL));
    let needs = match app.auth.rules.policy.tool(&app.call.tool) {
        Some(rule) => format!("  needs {}", rule.needs()),
        None if app.target().is_some() => "  not in the policy here".to_owned(),
        None => "  not in the policy".to_owned(),
    };
    if app.is_listed(&app.call.tool) == Some(false) {
        let name = app.selected().filter(|_| !app.sends_no_token()).map(|entry| app.token_name(entry));
        let whom = name.map_or_else(|| "without a token".to_owned(), |name| format!("for {}", text::fit(&name, 16)));
        line.push(canvas.span(format!("  not listed {whom}"), Role::Warning));
    }
    line.push(canvas.span(needs, Role::Hint));
    canvas.line(place, Line::from(line));
    let area = below(area, 1);
    let place = labelled(canvas, area, ARGUMENTS);
    canvas.target(Rect { height: rows, ..area }, Target::Field(ARGUMENTS));
    let editor = Rect { height: rows.min(area.height), ..place };
    let focused = canvas.focused(ARGUMENTS);
    text_lines(canvas, editor, &app.call.arguments, focused);
    let area = below(area, rows);
    let rule = app.form_policy().tool(&app.call.tool);
    let fault = match arguments::read(RawArguments::Text(app.call.arguments.text()), rule) {
        // Below the rows, their errors are said in their own words.
        _ if canvas.focused(FORM) && app.call.fields.is_readable => None,
        Err(ArgumentsError::SchemaMismatch(fault)) => Some(
            app.call.fields.summary(None).map_or_else(|| fault.to_string(), |summary| format!("arguments: {summary}")),
        ),
        Err(fault) => Some(fault.to_string()),
        // The server checks them, not the gate.
        Ok(_) => app.call.fields.summary(None).map(|summary| format!("arguments: {summary}")),
    };
    let lines = fault.map(|fault| canvas.wrapped(&fault, area.width, Role::Warning)).unwrap_or_default();
    canvas.lines(area, lines)
}

/// The rows that the rest of the pane needs below the form: the verdict, the trace and the last answer.
const BELOW: u16 = 6;

/// Draws the arguments, one row each, as many as leave room for the verdict and the last answer. `whole` is the height of
/// the pane.
fn form(canvas: &mut Canvas, area: Rect, whole: u16) -> Rect {
    let (app, focused) = (canvas.app, canvas.focused(FORM));
    let fields = &app.call.fields;
    let total = fields.rows.len();
    // With the cursor in the form, the trace and the lines between the parts give way to it.
    let room = if focused { area.height.saturating_sub(BELOW).max(3) } else { area.height.saturating_sub(BELOW + 2) };
    let most = if whole >= 20 { 14 } else { 6 };
    let rows = u16::try_from(total).unwrap_or(u16::MAX).min(room).min(most);
    if total == 0 && focused {
        let place = labelled(canvas, area, FORM);
        let words = match fields.is_readable {
            true => "no fields; type JSON above",
            false => "the JSON above is not an object",
        };
        let words = canvas.span(words, Role::Hint);
        canvas.line(place, words);
        return below(area, 1);
    }
    if rows == 0 {
        return area;
    }
    let place = labelled(canvas, area, FORM);
    canvas.target(Rect { height: rows, ..area }, Target::Field(FORM));
    let widest =
        fields.rows.iter().map(|row| 2 * row.depth + text::width(&row.label) + usize::from(row.is_required)).max();
    let name = widest.unwrap_or(0).clamp(4, usize::from(place.width) * 2 / 5);
    canvas.list(Rect { height: rows, ..place }, FORM, app.call.row, total, |canvas, n, area| {
        if let Some(row) = fields.rows.get(n) {
            form_row(canvas, area, row, n, name);
        }
    });
    let mut rest = below(area, rows);
    if focused {
        let most = if rest.height > BELOW + 1 { 2 } else { 1 };
        let (words, role) = match app.call.current() {
            Some(row) if row.fault.as_deref().is_some_and(|fault| fault != "required") => {
                (row.fault.clone().unwrap_or_default(), Role::Warning)
            }
            Some(row) => (row.about.clone(), Role::Hint),
            None => (String::new(), Role::Hint),
        };
        let lines = canvas.clipped(&words, rest.width, most, role);
        rest = canvas.lines(rest, lines);
    }
    let others = [(fields.summary(Some(app.call.row)), Role::Warning), (fields.left_out.clone(), Role::Hint)];
    for (words, role) in others.into_iter().filter(|_| focused) {
        if rest.height <= BELOW {
            break;
        }
        let lines = words.as_deref().map(|words| canvas.clipped(words, rest.width, 1, role)).unwrap_or_default();
        rest = canvas.lines(rest, lines);
    }
    rest
}

/// Draws one argument: its name, `*` if the tool requires it, and its value, with `!` and the reason if it is not accepted.
fn form_row(canvas: &mut Canvas, area: Rect, row: &FormRow, n: usize, name: usize) {
    let app = canvas.app;
    let is_current = canvas.focused(FORM) && app.call.row == n;
    canvas.target(area, Target::Row(FORM, n));
    let mark = if row.is_required { "*" } else { "" };
    let label = padded(&format!("{}{}{mark}", "  ".repeat(row.depth), row.label), name);
    let label = vec![
        canvas.span(if is_current { "▸ " } else { "  " }, Role::Focused),
        canvas.span(format!("{label} "), if is_current { Role::Focused } else { Role::Label }),
    ];
    canvas.line(area, Line::from(label));
    let place = right_of(area, u16::try_from(name + 3).unwrap_or(u16::MAX));
    if is_current && app.call.edit.is_open {
        return text_lines(canvas, place, &app.call.edit.text, true);
    }
    let arguments = app.call.arguments.text();
    let mut line: Vec<Span<'static>> = Vec::new();
    let fault = row.fault.as_deref();
    line.extend(fault.map(|_| canvas.span("! ", Role::Warning)));
    // Only as much as can be seen: a value may have megabytes.
    let json = row.json(arguments).map(|json| text::head(json, 2000));
    match (json, &row.kind) {
        (None, Kind::Boolean | Kind::Choice(_)) => {
            let words =
                row.default.as_ref().map_or_else(|| "not set".to_owned(), |default| format!("default {default}"));
            line.extend(choice(canvas, &words, is_current));
        }
        (None, kind) if fault.is_none() => {
            let words = match (&row.default, kind) {
                (Some(default), _) => format!("default {default}"),
                (None, Kind::Array(..)) => "no items".to_owned(),
                (None, Kind::Object) => "not set".to_owned(),
                (None, _) => row.about.split(": ").next().unwrap_or_default().to_owned(),
            };
            line.push(canvas.span(words, Role::Hint));
        }
        (None, _) => {}
        (Some(_), Kind::Boolean | Kind::Choice(_)) => {
            line.extend(choice(canvas, &text::name(&row.typed(arguments), 60), is_current));
        }
        (Some("null"), _) => line.push(canvas.span("null", Role::Plain)),
        (Some(json), Kind::Array(items, _)) if json.starts_with('[') => {
            line.push(canvas.span(text::words::count(*items, "item"), Role::Hint));
        }
        (Some(json), Kind::Object) if json.starts_with('{') => {}
        (Some(json), Kind::Json | Kind::Object) => line.push(canvas.span(display_safe(json, 400), Role::Plain)),
        (Some(json), _) if json.len() >= 2000 => line.push(canvas.span(display_safe(json, 400), Role::Plain)),
        (Some(_), _) => line.push(canvas.span(text::name(&row.typed(arguments), 400), Role::Plain)),
    }
    if let Some(fault) = fault {
        let gap = if line.len() > 1 { "  " } else { "" };
        line.push(canvas.span(format!("{gap}{fault}"), Role::Warning));
    }
    canvas.line(place, Line::from(line));
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
fn banner(canvas: &mut Canvas, area: Rect, decision: &Decision, is_prediction: bool) -> Rect {
    let trouble = canvas.app.preview_trouble(decision).filter(|_| !is_prediction);
    let role = Role::of_call(decision.verdict(), trouble.is_some());
    let code = match decision.reason() {
        _ if is_prediction => canvas.span(" predicted; the server decides", Role::Hint),
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
    let also = if is_prediction { Vec::new() } else { canvas.app.preview_also(decision) };
    // Rows are reserved for the last answer.
    let room = usize::from(rest.height.saturating_sub(6));
    let lines = also.iter().flat_map(|reason| canvas.clipped(&format!("also: {reason}"), rest.width, 2, Role::Hint));
    let lines: Vec<Line<'static>> = lines.take(room).collect();
    canvas.lines(rest, lines)
}

/// Says that a call of a foreign server cannot be predicted.
fn not_predicted(canvas: &mut Canvas, area: Rect) -> Rect {
    let app = canvas.app;
    let words = if app.sends_no_token() {
        "this server gets no token from here; it decides alone, and nothing is predicted"
    } else if app.call.tool.is_empty() {
        "no tools yet; connect the server in Targets"
    } else if app.auth.rules.policy.tool(&app.call.tool).is_none() {
        "not in the policy here, so nothing is predicted; the server decides"
    } else {
        "the token lacks claims that are read here, so nothing is predicted; the server decides"
    };
    let lines = canvas.wrapped(words, area.width, Role::Hint);
    canvas.lines(area, lines)
}

/// Draws how long the call has been waiting for its answer, and its progress.
fn pending(canvas: &mut Canvas, area: Rect, waits: &InFlight) {
    let time = waiting(canvas, waits.since);
    let cancel = match (waits.is_foreign, hints::key_name(canvas.app, Action::Out)) {
        (true, Some(key)) => format!("; {key} cancels"),
        _ => String::new(),
    };
    let line = canvas.span(format!("calling… {time}{cancel}"), Role::Warning);
    let rest = canvas.lines(area, [Line::from(line)]);
    if let Some(Progress { done, total, message }) = &waits.progress {
        let of = total.map_or_else(String::new, |total| format!(" of {total}"));
        let said = message.as_ref().map_or_else(String::new, |said| format!(": {said}"));
        let lines = canvas.clipped(&format!("progress {done}{of}{said}"), rest.width, 2, Role::Plain);
        canvas.lines(rest, lines);
    }
}

/// Draws what a foreign server did: its verdict, the codes, the time, and the reason in a sentence.
fn observed(canvas: &mut Canvas, area: Rect, last: &Answered, is_same: bool) -> Rect {
    let record = &last.record;
    let Some(answer) = record.answered.foreign() else { return area };
    let role = Role::of_answer(&record.answered, record.trouble.is_some());
    let chip = canvas.span(format!(" {} ", answer.word), if is_same { role.chip() } else { Role::Hint });
    let status = answer.status.map_or_else(String::new, |status| format!(" HTTP {status}"));
    let facts = format!("{status} · {} · {}", text::words::took(record.took), answer.target);
    let facts = canvas.span(facts, Role::Hint);
    let rest = canvas.lines(area, [Line::from(vec![chip, facts])]);
    let most = if rest.height > 5 { 3 } else { 1 };
    let lines = canvas.clipped(&answer.sentence, rest.width, most, if is_same { Role::Plain } else { Role::Hint });
    canvas.lines(rest, lines)
}

/// Draws the last answer exactly as the caller got it.
fn last_answer(canvas: &mut Canvas, area: Rect, last: &LastCall) {
    let Some(called) = &last.called else {
        if let Some(waits) = canvas.app.in_flight.clone() {
            pending(canvas, area, &waits);
        }
        return;
    };
    let record = &called.record;
    let who = record.answered.subject().map_or_else(|| "(no name)".to_owned(), |name| text::name(name, 24));
    let whom = if record.answered.foreign().is_some() { String::new() } else { format!(" as {who}") };
    let title = format!("last: {}{} {}{whom}", held(record), canvas.app.time(record.at), text::name(&record.tool, 32));
    // The answer stays visible after another token or tool is chosen, but must not look like the answer to that one.
    let is_same = *last.tool == *canvas.app.call.tool
        && last.target == canvas.app.target().map(|target| target.number)
        && last.token.as_ref() == canvas.app.selected().and_then(TokenEntry::text);
    let title = canvas.span(title, Role::Hint);
    // The log has the beginning of the answer as text; the whole one may have megabytes.
    let answer = wrap(&display_safe(&record.answer, 2000), area.width);
    let is_cut = record.answer.cut() > 0 || record.answer.len() > 2000;
    let rows = usize::from(area.height);
    // The answer itself matters more than its title: if there is no row for the title, only one word of it is left.
    let short = "last: ";
    let untitled = rows <= answer.len() && rows <= 2;
    let rest = if untitled { right_of(area, 6) } else { canvas.lines(area, [Line::from(title)]) };
    if untitled {
        let short = canvas.span(short, Role::Hint);
        canvas.line(area, short);
    }
    let rest = observed(canvas, rest, called, is_same);
    let answer = if untitled { wrap(&answer.concat(), rest.width) } else { answer };
    let role = Role::of_answer(&record.answered, record.trouble.is_some());
    let role = if is_same { role } else { Role::Hint };
    let rows = usize::from(rest.height);
    // The answer of a foreign server is shown by the types of its contents.
    if record.answered.foreign().is_some_and(|seen| seen.status.is_none()) && answer == ["null"] {
        // No answer arrived.
        return;
    }
    if is_cut || answer.len() > rows || record.answered.foreign().is_some() {
        return beginning(canvas, rest, last, is_same);
    }
    let lines: Vec<Line<'static>> = answer.into_iter().take(rows).map(|line| canvas.span(line, role).into()).collect();
    let left = canvas.lines(rest, lines);
    if let Some(trouble) = called.outcome.trouble() {
        let lines = canvas.wrapped(trouble, left.width, Role::Plain);
        canvas.lines(left, lines);
    }
}

/// Draws the beginning of an answer that does not fit, by its structure, and the key that shows all of it.
fn beginning(canvas: &mut Canvas, area: Rect, last: &LastCall, is_same: bool) {
    let rows = usize::from(area.height.saturating_sub(1));
    let columns = usize::from(area.width);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for line in last.beginning.lines().iter().take(rows) {
        let is_text = line.text.get(..line.name).is_some_and(|name| name.trim().is_empty());
        if is_text && text::width(&line.text) > columns {
            let role = if line.tone == Tone::Fault { Role::Denied } else { Role::Plain };
            let parts = text::wrap(&line.text, columns);
            lines.extend(parts.into_iter().take(rows).map(|part| Line::from(canvas.span(part, role))));
        } else {
            lines.push(styled(canvas, line));
        }
    }
    let is_foreign = last.called.as_ref().is_some_and(|called| called.record.answered.foreign().is_some());
    let fits = is_foreign && last.beginning.is_whole() && last.beginning.lines().len() <= rows && lines.len() <= rows;
    lines.truncate(rows);
    if !is_same {
        let hint = canvas.style(Role::Hint);
        lines.iter_mut().flat_map(|line| &mut line.spans).for_each(|span| span.style = hint);
    }
    canvas.lines(area, lines);
    if fits {
        return;
    }
    let key = hints::key_name(canvas.app, Action::Page(1)).unwrap_or_default();
    let more = canvas.span(format!("… {key} shows the whole answer"), Role::Hint);
    canvas.line(bottom(area, 1), more);
}

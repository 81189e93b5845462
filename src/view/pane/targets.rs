//! The Targets pane: the servers that calls can go to, what is known of the one under the cursor, and the fields that add
//! one.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::targets::{ADDRESS, HEADER, LIST, NAME};
use crate::app::targets::{ForeignTarget, Link};
use crate::auth::TokenId;
use crate::observe::Cause;
use crate::text::{self, words};
use crate::view::canvas::{Canvas, below, split_bottom, top};
use crate::view::theme::Role;
use crate::view::widget::{labelled, masked_line, waiting};

/// The columns of a label below the list.
const LABEL: usize = 10;
/// The columns of the number of tools.
const COUNT: usize = 11;
/// The columns of the latency.
const TOOK: usize = 10;
/// The least columns of a row with the latency.
const WIDE: usize = 50;
/// The rows of the fields.
const FORM: u16 = 3;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let total = canvas.app.targets.foreign().len() + 1;
    let row = canvas.app.targets_pane.row.min(total - 1);
    let (upper, form) = split_bottom(area, FORM.min(area.height.saturating_sub(3)));
    let details = details(canvas, upper.width);
    let wanted = u16::try_from(details.len() + 1).unwrap_or(0);
    // Two facts about the target under the cursor are shown even below a long list.
    let rows = u16::try_from(total).unwrap_or(u16::MAX).min(upper.height.saturating_sub(3).max(2));
    let foot = wanted.min(upper.height.saturating_sub(rows));
    let (list, rest) = split_bottom(upper, foot);
    canvas.list(list, LIST, row, total, |canvas, n, place| {
        let target = n.checked_sub(1).and_then(|n| canvas.app.targets.foreign().get(n));
        let line = target_row(canvas, target, n == row, usize::from(place.width));
        canvas.line(place, line);
        canvas.target(place, Target::Row(LIST, n));
    });
    canvas.lines(below(rest, 1), details);
    fields(canvas, form);
}

fn fields(canvas: &mut Canvas, area: Rect) {
    let app = canvas.app;
    let pane = &app.targets_pane;
    let fields = [
        (ADDRESS, &pane.address, "https://… or -- command"),
        (NAME, &pane.name, "optional"),
        (HEADER, &pane.header, "optional; Name: value or Name: env:VARIABLE"),
    ];
    let mut rest = area;
    for (field, text, hint) in fields {
        if rest.height == 0 {
            return;
        }
        let place = labelled(canvas, rest, field);
        let focused = canvas.focused(field);
        let mask = if field == HEADER { without_value } else { str::to_owned };
        masked_line(canvas, top(place, 1), text, focused, hint, mask);
        rest = below(rest, 1);
    }
}

/// A header whose value cannot be read, unless it only names a variable.
fn without_value(header: &str) -> String {
    match header.split_once(':') {
        Some((name, value)) if !value.trim_start().starts_with("env:") => {
            let hide = |c: char| if c == ' ' { c } else { '•' };
            format!("{name}:{}", value.chars().map(hide).collect::<String>())
        }
        _ => header.to_owned(),
    }
}

/// Returns the state of a target in a word or two, and its role.
fn state(canvas: &mut Canvas, target: Option<&ForeignTarget>) -> (String, Role) {
    match target.map(|target| &target.link) {
        None => ("built in".to_owned(), Role::Hint),
        Some(Link::Unconnected) => ("not connected".to_owned(), Role::Hint),
        Some(Link::Connecting { since, .. }) => (format!("connecting {}", waiting(canvas, *since)), Role::Warning),
        Some(Link::Connected) => ("connected".to_owned(), Role::Ok),
        Some(Link::Failed(_)) => ("failed".to_owned(), Role::Denied),
    }
}

fn target_row(
    canvas: &mut Canvas,
    target: Option<&ForeignTarget>,
    under_cursor: bool,
    columns: usize,
) -> Line<'static> {
    let is_selected = canvas.app.target().map(|selected| selected.number) == target.map(|target| target.number);
    let role = match (under_cursor, canvas.focused(LIST)) {
        (true, true) => Role::Selected,
        (true, false) => Role::Title,
        _ => Role::Plain,
    };
    let marker = canvas.span(if under_cursor { "▸" } else { " " }, Role::Focused);
    let chosen = canvas.span(if is_selected { "● " } else { "  " }, Role::Ok);
    let (state, state_role) = state(canvas, target);
    let name = target.map_or_else(|| "our own gate".to_owned(), |target| text::name(&target.facts.name, 64));
    let tools = match target {
        None => canvas.app.auth.rules.policy.tools().len(),
        Some(target) => target.tools.catalogue.tools().len(),
    };
    let is_known = target.is_none_or(|target| target.seen.is_some());
    let tools = if is_known { words::count(tools, "tool") } else { String::new() };
    let latency = target.and_then(|target| target.latency).map(words::took).unwrap_or_default();
    let tail = if columns >= WIDE { format!("{tools:>COUNT$}{latency:>TOOK$}") } else { format!("{tools:>COUNT$}") };
    let chip = format!(" {state} ");
    let room = columns.saturating_sub(3 + text::width(&chip) + text::width(&tail) + 1);
    let name = text::fit(&name, room);
    let pad = " ".repeat(room.saturating_sub(text::width(&name)) + 1);
    Line::from(vec![
        marker,
        chosen,
        canvas.span(name, role),
        Span::raw(pad),
        canvas.span(chip, if state_role == Role::Hint { Role::Hint } else { state_role.chip() }),
        canvas.span(tail, Role::Hint),
    ])
}

/// Returns what is known of the target under the cursor.
fn details(canvas: &Canvas, columns: u16) -> Vec<Line<'static>> {
    let Some(target) = canvas.app.pointed_target() else {
        let hint = "Calls are decided here, by the policy. To call an MCP server for real, paste its URL, or press ↓ and type it.";
        return canvas.wrapped(hint, columns, Role::Hint);
    };
    let mut facts: Vec<(&str, String, Role)> = Vec::new();
    if let Link::Failed(why) = &target.link {
        facts.push(("error", why.clone(), Role::Denied));
        let lacks_token = target.why.as_ref().is_some_and(|why| why.cause == Cause::NoToken);
        if lacks_token && target.facts.takes_token && !canvas.app.auth.tokens.is_empty() {
            facts.push(("token", "Ctrl-↓ selects one; Enter connects with it".to_owned(), Role::Hint));
        }
    }
    let kind = if target.facts.is_local { "" } else { " (another machine)" };
    facts.push(("at", format!("{}{kind}", target.facts.place), Role::Plain));
    if let Some(exposure) = target.facts.exposure {
        facts.push(("warning", exposure.to_owned(), Role::Warning));
    }
    if let Some(seen) = &target.seen {
        let session = if seen.has_session { "with a session" } else { "no session" };
        facts.push(("server", format!("{} {}", seen.name, seen.version), Role::Plain));
        facts.push(("protocol", format!("{}, {session}", seen.protocol), Role::Plain));
        facts.push(("tools", format!("{}; see Call or Matrix", tools(canvas, target)), Role::Plain));
    }
    if let Some(took) = target.latency {
        facts.push(("list took", words::took(took), Role::Plain));
    }
    facts.extend(match target.skew {
        Some(text::Span::ZERO) => Some(("clock", "matches ours".to_owned(), Role::Plain)),
        Some(skew) => Some(("clock", words::clock_lead(skew, words::span), Role::Warning)),
        None => target.seen.as_ref().map(|_| ("clock", "not stated by the server".to_owned(), Role::Hint)),
    });
    if !target.facts.takes_token {
        facts.push(("token", "not sent: the server uses its own credentials".to_owned(), Role::Hint));
    }
    let room = columns.saturating_sub(u16::try_from(LABEL).unwrap_or(0)).max(10);
    let mut lines = Vec::new();
    for (label, words, role) in facts {
        for (n, line) in canvas.clipped(&words, room, 2, role).into_iter().enumerate() {
            let label = canvas.span(format!("{:<LABEL$}", if n == 0 { label } else { "" }), Role::Label);
            lines.push(Line::from([vec![label], line.spans].concat()));
        }
    }
    lines
}

/// Returns how many tools were listed, and for which token.
fn tools(canvas: &Canvas, target: &ForeignTarget) -> String {
    let listed = &target.tools;
    let name = |id: TokenId| {
        let entry = canvas.app.auth.tokens.iter().find(|entry| entry.id == id);
        entry.map_or_else(|| id.to_string(), |entry| canvas.app.token_name(entry))
    };
    let whom = match target.listed_for {
        Some(id) => format!("listed for {}", name(id)),
        None => "listed without a token".to_owned(),
    };
    let more = if listed.is_cut { " and more" } else { "" };
    let unreadable = match listed.unreadable {
        0 => String::new(),
        n => format!("; {} without a usable name", words::count(n, "entry")),
    };
    format!("{}{more} {whom}{unreadable}", listed.catalogue.tools().len())
}

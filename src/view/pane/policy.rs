//! The Policy pane: the policy as a table of ticks, with tools down the side and permissions across the top.

use std::sync::Arc;

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::frame_info::Window;
use crate::app::pane::policy::RULES;
use crate::app::{App, Target};
use crate::auth::policy::{Lint, ToolRule};
use crate::gate::ports::ToolError;
use crate::text;
use crate::view::canvas::{Canvas, below, right_of, split_bottom, top};
use crate::view::theme::Role;
use crate::view::widget::more;

/// The columns: the width of the tools' names, and the indices of the permissions that fit beside them.
struct Across {
    name: usize,
    shown: Vec<usize>,
}

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(RULES));
    let policy = canvas.app.auth.rules.policy.clone();
    let tools = policy.tools();
    if tools.is_empty() || canvas.app.policy.permissions().is_empty() {
        let told = "the policy has no tools or no permissions; press Ctrl-P and type `add`";
        let lines = canvas.wrapped(told, area.width, Role::Hint);
        canvas.lines(area, lines);
        return;
    }
    let across = across(canvas, area, tools);
    heads(canvas, area, &across);
    let notes = notes(canvas);
    let free = usize::from(area.height).saturating_sub(1 + tools.len());
    let about = u16::try_from(free.clamp(usize::from(area.height > 4), notes.len())).unwrap_or(0);
    let (table, under) = split_bottom(area, about);
    let here = canvas.app.column().unwrap_or(0);
    canvas.list(below(table, 1), RULES, here, tools.len(), |canvas, row, place| {
        draw_row(canvas, place, &tools[row], row, &across);
    });
    canvas.lines(under, notes);
}

/// Returns the width of a permission's column: a tick or the name, which may be cut off, and two blanks after it.
fn width(permission: &str) -> usize {
    text::width(permission).clamp(3, 16) + 2
}

fn across(canvas: &mut Canvas, area: Rect, tools: &[ToolRule]) -> Across {
    let permissions = canvas.app.policy.permissions();
    let name = tools.iter().map(|tool| text::width(&tool.name)).max().unwrap_or(0).clamp(8, 24) + 3;
    let fits = |first: usize| {
        let mut room = usize::from(area.width).saturating_sub(name);
        let shown = permissions[first..].iter().take_while(|permission| {
            let left = room.checked_sub(width(permission));
            room = left.unwrap_or(0);
            left.is_some()
        });
        shown.count().max(1)
    };
    let at = canvas.app.policy.permission_at();
    // Columns have different widths: the one under the cursor must be visible, and no room may be left for another one.
    let mut first = canvas.drawn.columns.get(RULES).first.min(at);
    while first + fits(first) <= at {
        first += 1;
    }
    while first > 0 && first - 1 + fits(first - 1) == permissions.len() {
        first -= 1;
    }
    canvas.drawn.columns.set(RULES, Window { first, rows: fits(first) });
    Across { name, shown: (first..permissions.len()).take(fits(first)).collect() }
}

/// Draws the names of the permissions, and how many more there are on either side.
fn heads(canvas: &mut Canvas, area: Rect, across: &Across) {
    let (app, first) = (canvas.app, canvas.drawn.columns.get(RULES).first);
    let permissions = app.policy.permissions();
    let told = more(first, permissions.len() - first - across.shown.len());
    let mut line = vec![canvas.span(text::padded(&told, across.name), Role::Hint)];
    for n in &across.shown {
        let (permission, here) = (&permissions[*n], *n == app.policy.permission_at());
        let said = text::fit(&text::name(permission, 32), width(permission) - 2);
        let role = if here { Role::Title } else { Role::Label };
        line.push(canvas.span(text::padded(&said, width(permission)), role));
    }
    canvas.line(top(area, 1), Line::from(line));
}

/// The tick of a permission that does not open the tool.
const UNTICKED: &str = "[ ]";

/// Returns the tick that shows whether a permission opens a tool: by itself, or because it implies one that does.
fn tick(app: &App, tool: &ToolRule, permission: &Arc<str>) -> &'static str {
    if tool.permissions.contains(permission) {
        "[x]"
    } else if app.auth.rules.policy.grant(&[permission], tool).is_some() {
        "[~]"
    } else {
        UNTICKED
    }
}

/// Returns every permission with its tick for the tool.
pub fn ticks(canvas: &Canvas, tool: &ToolRule) -> Vec<(Arc<str>, &'static str)> {
    let app = canvas.app;
    app.policy.permissions().iter().map(|permission| (Arc::clone(permission), tick(app, tool, permission))).collect()
}

fn draw_row(canvas: &mut Canvas, place: Rect, tool: &ToolRule, row: usize, across: &Across) {
    let app = canvas.app;
    let focused = canvas.focused(RULES);
    let here = Some(row) == app.column();
    let said = text::fit(&text::name(&tool.name, 64), across.name - 3);
    let mut line = vec![
        canvas.span(if here { "▸ " } else { "  " }, Role::Focused),
        canvas.span(text::padded(&said, across.name - 2), if here { Role::Title } else { Role::Plain }),
    ];
    let mut x = u16::try_from(across.name).unwrap_or(0);
    for n in &across.shown {
        let permission = &app.policy.permissions()[*n];
        let tick = tick(app, tool, permission);
        let cursor = here && focused && *n == app.policy.permission_at();
        let role = match (cursor, tick != UNTICKED) {
            (true, _) => Role::Selected,
            (_, true) => Role::Ok,
            _ => Role::Hint,
        };
        line.push(canvas.span(tick, role));
        line.push(canvas.span(" ".repeat(width(permission) - 3), Role::Plain));
        canvas.target(Rect { width: 3, ..right_of(place, x) }, Target::Cell(RULES, row, *n));
        x += u16::try_from(width(permission)).unwrap_or(0);
    }
    canvas.line(place, Line::from(line));
}

/// Returns notes, most important first: problems, then the descriptions of the tool and the permission under the
/// cursor, then the legend. Only as many as fit are drawn.
fn notes(canvas: &Canvas) -> Vec<Line<'static>> {
    let app = canvas.app;
    let (policy, pane) = (&app.auth.rules.policy, &app.policy);
    let with_more = |first: String, more: usize| match more {
        0 => format!("! {first}"),
        more => format!("! {first} (+{more} more)"),
    };
    let mut notes = Vec::new();
    let mut note = |text: String, role| notes.push(Line::from(canvas.span(text, role)));
    if let Some(fault) = &app.policy_file.fault {
        note(format!("! {fault}"), Role::Warning);
    }
    if let Some((first, more)) = pane.failed.split_first() {
        note(with_more(policy.failure(first), more.len()), Role::Denied);
    }
    if app.lacks_tool(&app.call.tool) {
        note(format!("! {}", ToolError::missing(&app.call.tool)), Role::Warning);
    }
    // A lint about the tool under the cursor has priority.
    let about_this = |lint: &&Lint| lint.tool().is_some_and(|tool| *tool == app.call.tool);
    if let Some(first) = pane.lints.iter().find(about_this).or(pane.lints.first()) {
        note(with_more(first.to_string(), pane.lints.len() - 1), Role::Warning);
    }
    let what = app.auth.tools.description(policy, &app.call.tool).map(|words| text::display_safe(words, 200));
    note(format!("{}: {}", text::name(&app.call.tool, 32), what.as_deref().unwrap_or("no description")), Role::Hint);
    let here = pane.permissions().get(pane.permission_at());
    let rule = here.and_then(|here| policy.parts().permissions.iter().find(|rule| rule.name == *here));
    if let Some(rule) = rule.filter(|rule| !rule.is_bare()) {
        let what = rule.description.as_deref().map(|words| text::display_safe(words, 200));
        let implies = Some(text::names(rule.implies.iter(), 32, 8, ", ")).filter(|names| !names.is_empty());
        let told: Vec<String> = what.into_iter().chain(implies.map(|names| format!("implies {names}"))).collect();
        note(format!("{}: {}", text::name(&rule.name, 32), told.join("; ")), Role::Hint);
    }
    note("[~] implies one of them".to_owned(), Role::Hint);
    notes
}

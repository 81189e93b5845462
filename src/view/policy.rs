//! The policy as a table to tick: tools down the side, permissions across.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::{Canvas, below, bottom, right_of, top};
use super::theme::Meaning;
use crate::app::{Field, Target};
use crate::text;
use crate::tools;

pub fn title(canvas: &Canvas) -> String {
    let source = &canvas.app.policy_source;
    let file = match source.rsplit('/').next().filter(|file| !file.is_empty()) {
        Some(file) => text::name(file, 40),
        None => "built in".to_owned(),
    };
    if canvas.app.policy_is_saved() { file } else { format!("{file} · changed, not saved") }
}

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(Field::Rules));
    let policy = canvas.app.auth.rules.policy.clone();
    let (tools, permissions) = (policy.tools(), policy.permissions());
    if tools.is_empty() || permissions.is_empty() {
        let told = canvas.span("the policy names no tool, or no permission", Meaning::Hint);
        canvas.line(area, told);
        return;
    }
    let name = tools.iter().map(|tool| text::width(&tool.name)).max().unwrap_or(0).clamp(8, 24) + 3;
    let width = |n: usize| text::width(&permissions[n]).clamp(3, 16) + 2;
    let fits = |first: usize| {
        let mut room = usize::from(area.width).saturating_sub(name);
        (first..permissions.len())
            .take_while(|n| {
                let w = width(*n);
                let fits = w <= room;
                room = room.saturating_sub(w);
                fits
            })
            .count()
            .max(1)
    };
    let at = canvas.app.matrix.permission;
    let across = canvas.drawn.permissions.around(at, fits(canvas.drawn.permissions.first.min(at)), permissions.len());
    canvas.drawn.permissions = across;
    let shown: Vec<usize> = (across.first..permissions.len()).take(across.rows).collect();
    let more = permissions.len() - across.first - shown.len();
    let told = match (across.first, more) {
        (0, 0) => String::new(),
        (before, after) => format!("← {before}  {after} →"),
    };
    let mut line = vec![canvas.span(
        format!("{}{}", text::fit(&told, name), " ".repeat(name.saturating_sub(text::width(&told)))),
        Meaning::Hint,
    )];
    for n in &shown {
        let said = text::fit(&text::name(&permissions[*n], 32), width(*n) - 2);
        let pad = " ".repeat(width(*n) - text::width(&said));
        line.push(canvas.span(said, if *n == at { Meaning::Title } else { Meaning::Label }));
        line.push(canvas.span(pad, Meaning::Plain));
    }
    canvas.line(top(area, 1), Line::from(line));
    let about = u16::from(area.height > 4) + u16::from(area.height > 7);
    let list = below(Rect { height: area.height - about, ..area }, 1);
    let here = canvas.app.column();
    let scrolls = tools.len() > usize::from(list.height);
    let rows = usize::from(list.height) - usize::from(scrolls);
    let window = canvas.drawn.rules.around(here.unwrap_or(0), rows, tools.len());
    canvas.drawn.rules = window;
    for (row, tool) in tools.iter().enumerate().skip(window.first).take(rows) {
        let place = Rect { y: list.y + u16::try_from(row - window.first).unwrap_or(0), height: 1, ..list };
        draw_row(canvas, place, tool, row, Some(row) == here, name, &shown);
    }
    if scrolls {
        canvas.part(list, window, tools.len());
    }
    notes(canvas, bottom(area, about));
}

fn draw_row(
    canvas: &mut Canvas,
    place: Rect,
    tool: &crate::auth::policy::ToolRule,
    row: usize,
    here: bool,
    name: usize,
    shown: &[usize],
) {
    let policy = canvas.app.auth.rules.policy.clone();
    let focused = canvas.app.focus.field == Some(Field::Rules) && canvas.app.overlays.is_empty();
    let said = text::fit(&text::name(&tool.name, 64), name - 3);
    let pad = " ".repeat(name - 2 - text::width(&said));
    let mut line = vec![
        canvas.span(if here { "▸ " } else { "  " }, Meaning::Focused),
        canvas.span(said, if here { Meaning::Title } else { Meaning::Plain }),
        canvas.span(pad, Meaning::Plain),
    ];
    let mut x = u16::try_from(name).unwrap_or(0);
    for n in shown {
        let permission = &policy.permissions()[*n];
        let asked = tool.permissions.contains(permission);
        // Opened by a permission that this one implies.
        let implied = !asked && policy.grant(&[permission], tool).is_some();
        let tick = if asked {
            "[x]"
        } else if implied {
            "[~]"
        } else {
            "[ ]"
        };
        let cursor = here && *n == canvas.app.matrix.permission;
        let meaning = match (cursor && focused, asked || implied) {
            (true, _) => Meaning::Selected,
            (_, true) => Meaning::Ok,
            _ => Meaning::Hint,
        };
        let width = text::width(permission).clamp(3, 16) + 2;
        line.push(canvas.span(tick, meaning));
        line.push(canvas.span(" ".repeat(width - 3), Meaning::Plain));
        let columns = u16::try_from(width).unwrap_or(0);
        canvas.target(Rect { width: 3, ..right_of(place, x) }, Target::Rule(row, *n));
        x += columns;
    }
    canvas.line(place, Line::from(line));
}

/// What the tool under the cursor is for, and what is odd about the policy.
fn notes(canvas: &mut Canvas, area: Rect) {
    let app = canvas.app;
    let policy = &app.auth.rules.policy;
    let about = tools::description(&app.call.tool, policy).map(|words| text::display_safe(words, 200));
    let about = format!("{}: {}", text::name(&app.call.tool, 32), about.unwrap_or_else(|| "no description".to_owned()));
    let lints = &app.matrix.lints;
    let odd = match lints.split_first() {
        _ if app.policy_fault.is_some() => format!("! {}", app.policy_fault.as_deref().unwrap_or_default()),
        None => "[~] by a permission that this one implies".to_owned(),
        Some((first, [])) => format!("! {first}"),
        Some((first, more)) => format!("! {first} (+{} more)", more.len()),
    };
    let fine = lints.is_empty() && app.policy_fault.is_none();
    let odd = canvas.span(odd, if fine { Meaning::Hint } else { Meaning::Expired });
    let about = canvas.span(about, Meaning::Hint);
    canvas.lines(
        area,
        if area.height > 1 {
            vec![Line::from(about), Line::from(odd)]
        } else if fine {
            vec![Line::from(about)]
        } else {
            vec![Line::from(odd)]
        },
    );
}

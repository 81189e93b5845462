//! Where the panes stand: all of them where there is room, otherwise one at a time.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget as _};

use super::canvas::{Canvas, below, bottom, right_of, top};
use super::theme::Meaning;
use super::{
    activity, call, clock, connect, drill, header, inspect, issue, kit, matrix, policy, server, timeline, tokens,
    traffic, who,
};
use crate::app::{Pane, Screen, Target};
use crate::text;

/// From this size on all panes are shown at once.
const ALL_PANES: (u16, u16) = (110, 28);
pub fn render(canvas: &mut Canvas, area: Rect) {
    header::render(canvas, top(area, 1));
    let rest = below(area, 1);
    if shows_all(area) {
        let stage = Rect { height: rest.height - 2, ..rest };
        match canvas.app.screen {
            Screen::Gate => gate(canvas, stage),
            Screen::Matrix => grid(canvas, stage),
            Screen::Time => lab(canvas, stage),
            Screen::Server => serving(canvas, stage),
        }
    } else if canvas.is_surrounded() {
        let rest = panes_row(canvas, rest);
        let made = u16::try_from(canvas.app.auth.activity.len()).unwrap_or(u16::MAX);
        let calls = if canvas.app.focus.pane == Pane::Activity { 0 } else { made.min(3) };
        let stage = Rect { height: rest.height - 2 - calls, ..rest };
        pane(canvas, canvas.app.focus.pane, stage);
        activity::last_calls(canvas, top(below(rest, stage.height), calls));
    } else {
        pane(canvas, canvas.app.focus.pane, Rect { height: rest.height - 1, ..rest });
    }
}

fn gate(canvas: &mut Canvas, area: Rect) {
    let log = (area.height / 4).clamp(6, 14);
    let upper = Rect { height: area.height - log, ..area };
    let left = (area.width * 3 / 10).clamp(36, 48);
    let middle = (area.width - left) / 2;
    let column = Rect { width: left, ..upper };
    let form = issue::ROWS + 2;
    pane(canvas, Pane::Issue, top(column, form));
    pane(canvas, Pane::Tokens, below(column, form));
    pane(canvas, Pane::Inspect, Rect { width: middle, ..right_of(upper, left) });
    pane(canvas, Pane::Call, right_of(upper, left + middle));
    pane(canvas, Pane::Activity, below(area, upper.height));
}

/// The matrix and the policy it follows, beside them the cell under the cursor, below what happened.
fn grid(canvas: &mut Canvas, area: Rect) {
    let log = (area.height / 5).clamp(5, 12);
    let upper = Rect { height: area.height - log, ..area };
    let left = area.width * 3 / 5;
    let tools = u16::try_from(canvas.app.auth.rules.policy.tools().len()).unwrap_or(u16::MAX);
    let rules = tools.saturating_add(5).min(upper.height / 2);
    let column = Rect { width: left, ..upper };
    pane(canvas, Pane::Matrix, top(column, upper.height - rules));
    pane(canvas, Pane::Policy, below(column, upper.height - rules));
    let side = right_of(upper, left);
    let cell = (upper.height * 3 / 5).clamp(14, 26);
    pane(canvas, Pane::Call, top(side, cell));
    pane(canvas, Pane::Who, below(side, cell));
    pane(canvas, Pane::Activity, below(area, upper.height));
}

/// The timeline over the whole width, below it the instruments, and at the bottom what happened.
fn lab(canvas: &mut Canvas, area: Rect) {
    let log = (area.height / 6).clamp(4, 10);
    let upper = Rect { height: area.height - log, ..area };
    let shown = u16::try_from(canvas.app.auth.tokens.len()).unwrap_or(u16::MAX).saturating_add(8);
    let bars = shown.clamp(9, upper.height / 2);
    let instruments = below(upper, bars);
    let (left, middle) = (area.width * 3 / 10, area.width * 7 / 20);
    pane(canvas, Pane::Timeline, top(upper, bars));
    pane(canvas, Pane::Clock, Rect { width: left, ..instruments });
    pane(canvas, Pane::Drill, Rect { width: middle, ..right_of(instruments, left) });
    pane(canvas, Pane::Kit, right_of(instruments, left + middle));
    pane(canvas, Pane::Activity, below(area, upper.height));
}

/// The server and the tokens that clients come with, beside them who does, and how to.
fn serving(canvas: &mut Canvas, area: Rect) {
    let log = (area.height / 3).clamp(6, 18);
    let upper = Rect { height: area.height - log, ..area };
    let left = (area.width * 2 / 5).clamp(44, 64);
    let column = Rect { width: left, ..upper };
    let side = right_of(upper, left);
    let told = upper.height / 2;
    pane(canvas, Pane::Server, top(column, server::ROWS + 2));
    pane(canvas, Pane::Tokens, below(column, server::ROWS + 2));
    pane(canvas, Pane::Traffic, top(side, upper.height - told));
    pane(canvas, Pane::Connect, below(side, upper.height - told));
    pane(canvas, Pane::Activity, below(area, upper.height));
}

fn pane(canvas: &mut Canvas, pane: Pane, area: Rect) {
    canvas.target(area, Target::Pane(pane));
    let focused = canvas.app.focus.pane == pane;
    let meaning = if focused { Meaning::Focused } else { Meaning::Title };
    let mut title = vec![canvas.span(format!(" {} {} ", pane.digit(), pane.title()), meaning)];
    let told = match pane {
        Pane::Tokens => tokens::title(canvas),
        Pane::Inspect => inspect::title(canvas, area.width),
        Pane::Activity => activity::title(canvas),
        Pane::Matrix => matrix::title(canvas),
        Pane::Policy => policy::title(canvas),
        Pane::Timeline => timeline::title(canvas),
        Pane::Kit => kit::title(canvas),
        Pane::Traffic => traffic::title(canvas),
        Pane::Issue | Pane::Call | Pane::Who | Pane::Clock | Pane::Drill | Pane::Server | Pane::Connect => {
            String::new()
        }
    };
    if !told.is_empty() {
        title.push(Span::raw(format!("{told} ")));
    }
    let inner = match canvas.is_surrounded() {
        true => right_of(canvas.frame(area, Line::from(title), focused), 1),
        // A box would take two of the few rows, and three of the few columns.
        false => canvas.headed(area, Line::from(title)),
    };
    match pane {
        Pane::Issue => issue::render(canvas, inner),
        Pane::Tokens => tokens::render(canvas, inner),
        Pane::Inspect => inspect::render(canvas, inner),
        Pane::Call => call::render(canvas, inner),
        Pane::Activity => activity::render(canvas, inner),
        Pane::Matrix => matrix::render(canvas, inner),
        Pane::Policy => policy::render(canvas, inner),
        Pane::Who => who::render(canvas, inner),
        Pane::Timeline => timeline::render(canvas, inner),
        Pane::Clock => clock::render(canvas, inner),
        Pane::Drill => drill::render(canvas, inner),
        Pane::Kit => kit::render(canvas, inner),
        Pane::Server => server::render(canvas, inner),
        Pane::Traffic => traffic::render(canvas, inner),
        Pane::Connect => connect::render(canvas, inner),
    }
}

/// Whether a screen of this size shows all panes at once.
pub const fn shows_all(area: Rect) -> bool {
    area.width >= ALL_PANES.0 && area.height >= ALL_PANES.1
}

/// The row of panes, and below it the selected token.
fn panes_row(canvas: &mut Canvas, area: Rect) -> Rect {
    let mut x = 1;
    for pane in canvas.app.screen.panes() {
        let label = format!(" {} {} ", pane.digit(), pane.title());
        let width = u16::try_from(text::width(&label)).unwrap_or(0);
        let here = canvas.app.focus.pane == pane;
        let label = canvas.span(label, if here { Meaning::Selected } else { Meaning::Hint });
        let place = Rect { x: area.x + x, width, height: 1, ..area };
        canvas.line(place, label);
        canvas.target(place, Target::Pane(pane));
        x += width + 1;
    }
    let selected = tokens::selected_line(canvas);
    canvas.line(Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..below(area, 1) }, selected);
    below(area, 2)
}

/// The message that goes by itself: above the footer, or over it where there is no row to spare. A long one rises over
/// what is above it.
pub fn message(canvas: &mut Canvas, screen: Rect) {
    let Some(toast) = &canvas.app.toast else {
        return;
    };
    let (sign, meaning) = if toast.trouble { ("!", Meaning::Denied) } else { ("·", Meaning::Ok) };
    let lines = canvas.wrapped(&format!("{sign} {}", toast.text), screen.width.saturating_sub(2), meaning);
    let rows = u16::try_from(lines.len()).unwrap_or(1).min(4);
    let spare = u16::from(canvas.is_surrounded());
    let area = bottom(Rect { height: screen.height - spare, ..screen }, rows);
    Clear.render(area, canvas.buf);
    canvas.lines(right_of(area, 1), lines);
}

//! The layout of the panes: all of them if there is room, otherwise two columns or one pane at a time.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::canvas::{Canvas, below, bottom, right_of, shows_all, split_bottom, top};
use super::pane::{self, issue, server};
use super::theme::Role;
use super::widget::state;
use super::{header, record};
use crate::app::screen::TWO_COLUMNS;
use crate::app::{App, Pane, Screen, Target};
use crate::text;

pub fn render(canvas: &mut Canvas, area: Rect) {
    header::render(canvas, top(area, 1));
    let rest = below(area, 1);
    let panes = canvas.app.screen.panes();
    let places: Vec<(Pane, Rect)> = if shows_all(area) {
        let (app, stage) = (canvas.app, Rect { height: rest.height - 2, ..rest });
        let areas = match app.screen {
            Screen::Gate => gate(stage),
            Screen::Matrix => grid(app, stage),
            Screen::Time => lab(app, stage),
            Screen::Server => serving(stage),
            Screen::Issuers => issuers(stage),
            Screen::Targets => targets(stage),
        };
        panes.into_iter().zip(areas).collect()
    } else if has_two_columns(area) {
        let rest = panes_row(canvas, rest);
        two_columns(canvas.app, Rect { height: rest.height - 2, ..rest })
    } else if canvas.is_surrounded() {
        let rest = panes_row(canvas, rest);
        let made = u16::try_from(canvas.app.auth.activity.len()).unwrap_or(u16::MAX);
        let calls = if canvas.app.focus.pane == Pane::Activity { 0 } else { made.min(3) };
        let stage = Rect { height: rest.height - 2 - calls, ..rest };
        record::last_calls(canvas, top(below(rest, stage.height), calls));
        vec![(canvas.app.focus.pane, stage)]
    } else {
        vec![(canvas.app.focus.pane, Rect { height: rest.height - 1, ..rest })]
    };
    canvas.panes = places.iter().map(|(pane, _)| *pane).collect();
    for (pane, area) in places {
        if let Some(at) = panes.iter().position(|known| *known == pane) {
            framed(canvas, at + 1, pane, area);
        }
    }
}

const fn has_two_columns(area: Rect) -> bool {
    area.width >= TWO_COLUMNS.0 && area.height >= TWO_COLUMNS.1
}

/// Places causes on the left, effects on the right, and Activity below both. The third and the fourth pane of a screen
/// share a place, which shows the focused one of the two, or else the one with the effect.
fn two_columns(app: &App, area: Rect) -> Vec<(Pane, Rect)> {
    let [first, second, third, fourth, log] = app.screen.panes();
    let effect = match app.screen {
        Screen::Gate | Screen::Time | Screen::Server | Screen::Targets => third,
        Screen::Matrix | Screen::Issuers => fourth,
    };
    let right = if [third, fourth].contains(&app.focus.pane) { app.focus.pane } else { effect };
    let (upper, activity) = split_bottom(area, 5);
    if app.screen == Screen::Time {
        let bars = upper.height / 2;
        let half = Rect { width: upper.width * 2 / 5, ..below(upper, bars) };
        let other = right_of(below(upper, bars), half.width);
        return vec![(first, top(upper, bars)), (second, half), (right, other), (log, activity)];
    }
    let is_wide = matches!(app.screen, Screen::Matrix | Screen::Issuers | Screen::Targets);
    let left = upper.width * if is_wide { 3 } else { 2 } / 5;
    let column = Rect { width: left, ..upper };
    let wanted = match app.screen {
        Screen::Gate => issue::rows() + FRAME,
        Screen::Server => server::rows() + FRAME,
        Screen::Matrix | Screen::Time => upper.height * 3 / 5,
        Screen::Issuers | Screen::Targets => upper.height * 7 / 10,
    };
    let head = wanted.min(upper.height.saturating_sub(5));
    vec![(first, top(column, head)), (second, below(column, head)), (right, right_of(upper, left)), (log, activity)]
}

/// How many rows a pane's frame takes.
const FRAME: u16 = 2;

// The layouts place the panes of a screen in the order of its digits.

/// Issue above Tokens on the left, Inspect in the middle, Call on the right, Activity below.
fn gate(area: Rect) -> [Rect; 5] {
    let log = (area.height / 4).clamp(6, 14);
    let (upper, activity) = split_bottom(area, log);
    let left = (area.width * 3 / 10).clamp(36, 48);
    let middle = (area.width - left) / 2;
    let column = Rect { width: left, ..upper };
    let form = issue::rows() + FRAME;
    [
        top(column, form),
        below(column, form),
        Rect { width: middle, ..right_of(upper, left) },
        right_of(upper, left + middle),
        activity,
    ]
}

/// Matrix above Policy on the left, Call above Who may on the right, Activity below.
fn grid(app: &App, area: Rect) -> [Rect; 5] {
    let log = (area.height / 5).clamp(5, 12);
    let (upper, activity) = split_bottom(area, log);
    let left = area.width * 3 / 5;
    let tools = u16::try_from(app.auth.rules.policy.tools().len()).unwrap_or(u16::MAX);
    let rules = tools.saturating_add(5).min(upper.height / 2);
    let (matrix, policy) = split_bottom(Rect { width: left, ..upper }, rules);
    let side = right_of(upper, left);
    let cell = (upper.height * 3 / 5).clamp(14, 26);
    [matrix, policy, below(side, cell), top(side, cell), activity]
}

/// Timeline across the whole width; Clock, Drill and Test kit side by side below it; Activity at the bottom.
fn lab(app: &App, area: Rect) -> [Rect; 5] {
    let log = (area.height / 6).clamp(4, 10);
    let (upper, activity) = split_bottom(area, log);
    let shown = u16::try_from(app.auth.tokens.len()).unwrap_or(u16::MAX).saturating_add(8);
    let bars = shown.clamp(9, upper.height / 2);
    let instruments = below(upper, bars);
    let (left, middle) = (area.width * 3 / 10, area.width * 7 / 20);
    [
        top(upper, bars),
        Rect { width: left, ..instruments },
        Rect { width: middle, ..right_of(instruments, left) },
        right_of(instruments, left + middle),
        activity,
    ]
}

/// Server above Tokens on the left, Traffic above Connect on the right, Activity below.
fn serving(area: Rect) -> [Rect; 5] {
    let log = (area.height / 3).clamp(6, 18);
    let (upper, activity) = split_bottom(area, log);
    let left = (area.width * 2 / 5).clamp(44, 64);
    let column = Rect { width: left, ..upper };
    let (traffic, connect) = split_bottom(right_of(upper, left), upper.height / 2);
    let form = server::rows() + FRAME;
    [top(column, form), below(column, form), traffic, connect, activity]
}

/// Issuers above Tokens on the left, Keys above Inspect on the right, Activity below.
fn issuers(area: Rect) -> [Rect; 5] {
    let log = (area.height / 6).clamp(4, 10);
    let (upper, activity) = split_bottom(area, log);
    let left = upper.width / 2;
    let (column, side) = (Rect { width: left, ..upper }, right_of(upper, left));
    let (head, keys) = (upper.height * 3 / 5, upper.height * 2 / 5);
    [top(column, head), below(column, head), below(side, keys), top(side, keys), activity]
}

/// Targets above Tokens on the left, Call above Why on the right, Activity below.
fn targets(area: Rect) -> [Rect; 5] {
    let log = (area.height / 5).clamp(5, 12);
    let (upper, activity) = split_bottom(area, log);
    let left = upper.width / 2;
    let (column, side) = (Rect { width: left, ..upper }, right_of(upper, left));
    let (head, call) = (upper.height * 3 / 5, upper.height * 3 / 5);
    [top(column, head), below(column, head), below(side, call), top(side, call), activity]
}

/// Draws a pane in its frame, with its digit, its title and its note.
fn framed(canvas: &mut Canvas, digit: usize, pane: Pane, area: Rect) {
    canvas.target(area, Target::Pane(pane));
    let focused = canvas.focused_pane(pane);
    // The title of the focused pane is filled, so that it can be recognised without colour too.
    let role = if focused { Role::ScreenChip } else { Role::Title };
    let mut title = vec![canvas.span(format!(" {digit} {} ", pane.title()), role)];
    let note = (pane.place().note)(canvas.app, usize::from(area.width));
    if !note.is_empty() {
        title.push(Span::raw(format!(" {note} ")));
    }
    let inner = if canvas.is_surrounded() {
        right_of(canvas.frame(area, Line::from(title), focused), 1)
    } else {
        // A box would take two of the few rows, and three of the few columns.
        canvas.headed(area, Line::from(title), focused)
    };
    pane::render(canvas, pane, inner);
}

/// Draws the row of panes and, below it, the selected token. Returns the area below them.
fn panes_row(canvas: &mut Canvas, area: Rect) -> Rect {
    let mut x = 1;
    for (n, pane) in canvas.app.screen.panes().into_iter().enumerate() {
        let label = format!(" {} {} ", n + 1, pane.title());
        let width = u16::try_from(text::width(&label)).unwrap_or(0);
        let here = canvas.app.focus.pane == pane;
        let label = canvas.span(label, if here { Role::Selected } else { Role::Hint });
        let place = Rect { x: area.x + x, width, height: 1, ..area };
        canvas.line(place, label);
        canvas.target(place, Target::Pane(pane));
        x += width + 1;
    }
    let selected = selected_line(canvas);
    canvas.line(Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..below(area, 1) }, selected);
    below(area, 2)
}

/// Returns the selected token for screens that do not show all panes: `token 2/4 user123 · 58m 54s`.
fn selected_line(canvas: &mut Canvas) -> Line<'static> {
    // The row without a token is no token.
    let (row, all) = (canvas.app.selected_row(), canvas.app.auth.tokens.len());
    let Some(entry) = canvas.app.selected() else {
        return Line::from(canvas.span(text::NO_TOKEN, Role::Plain));
    };
    let place = canvas.span(format!("token {row}/{all}  "), Role::Hint);
    let name = canvas.span(text::fit(&canvas.app.token_name(entry), 40), Role::Title);
    let (words, role) = state(canvas, &entry.judged);
    Line::from(vec![place, name, canvas.span(" · ", Role::Hint), canvas.span(words, role)])
}

/// Draws the toast above the footer, or over it if there is no row to spare. A long one covers the rows above.
pub fn message(canvas: &mut Canvas, screen: Rect) {
    let Some(toast) = &canvas.app.toast else {
        return;
    };
    let (sign, role) = if toast.trouble { ("!", Role::Denied) } else { ("·", Role::Title) };
    let lines = canvas.wrapped(&format!("{sign} {}", toast.text), screen.width.saturating_sub(2), role);
    let rows = u16::try_from(lines.len()).unwrap_or(1).min(4);
    let spare = u16::from(canvas.is_surrounded());
    let area = bottom(Rect { height: screen.height - spare, ..screen }, rows);
    canvas.clear(area);
    canvas.lines(right_of(area, 1), lines);
}

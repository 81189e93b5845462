//! Widgets that several panes share: a text being edited, a choice, a status that ticks, the bar of a lifetime.

use std::time::Duration;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::canvas::{Canvas, right_of};
use super::theme::Role;
use crate::app::field::TextField;
use crate::app::hints;
use crate::app::keymap::{Binding, keys_of};
use crate::app::{Field, Target};
use crate::auth::{Decision, Evaluation, NumericDate, Phase, Reason, TokenStatus, leeway};
use crate::text::safe::hidden;
use crate::text::words::{DurationWords, elapsed, remaining};
use crate::text::{self, display_safe};

/// Draws a field's label, and lets a click on its row focus the field. Returns the area right of the label.
pub fn labelled(canvas: &mut Canvas, area: Rect, field: Field) -> Rect {
    let area = Rect { height: area.height.min(1), ..area };
    canvas.target(area, Target::Field(field));
    let label = canvas.span(field.label(), if canvas.focused(field) { Role::Focused } else { Role::Label });
    let labels = field.pane.fields().map(|field| text::width(field.label())).max();
    let width = u16::try_from(labels.unwrap_or(0) + 1).unwrap_or(0);
    canvas.line(Rect { width: width.min(area.width), ..area }, label);
    right_of(area, width)
}

/// Returns a choice that the arrows change: `‹ user ›`.
pub fn choice(canvas: &Canvas, words: &str, focused: bool) -> Vec<Span<'static>> {
    let role = if focused { Role::Selected } else { Role::Plain };
    let arrows = if focused { Role::Focused } else { Role::Hint };
    vec![canvas.span("‹ ", arrows), canvas.span(words, role), canvas.span(" ›", arrows)]
}

/// Draws a text of one line, with the terminal's cursor in it if it is focused. `hint` is shown in an empty field.
pub fn text_line(canvas: &mut Canvas, area: Rect, field: &TextField, focused: bool, hint: &str) {
    masked_line(canvas, area, field, focused, hint, str::to_owned);
}

/// The same, with the text as `mask` returns it, which has as many characters.
pub fn masked_line(
    canvas: &mut Canvas,
    area: Rect,
    field: &TextField,
    focused: bool,
    hint: &str,
    mask: impl Fn(&str) -> String,
) {
    if field.is_empty() && !hint.is_empty() {
        let hint = canvas.span(hint, Role::Hint);
        canvas.line(area, hint);
    }
    let line = &*mask(field.lines().next().unwrap_or_default());
    let selected = focused && field.replaced_by_typing;
    edited(canvas, area, line, focused.then(|| field.cursor().1), selected);
}

/// Draws a text of several lines, scrolled so that the cursor is visible.
pub fn text_lines(canvas: &mut Canvas, area: Rect, field: &TextField, focused: bool) {
    let (row, column) = field.cursor();
    let rows = usize::from(area.height);
    let first = if focused { (row + 1).saturating_sub(rows) } else { 0 };
    let more = field.lines().count().saturating_sub(first + rows);
    for (n, line) in field.lines().enumerate().skip(first).take(rows) {
        let y = area.y + u16::try_from(n - first).unwrap_or(0);
        let place = Rect { y, height: 1, ..area };
        edited(canvas, place, line, (focused && n == row).then_some(column), false);
        if n + 1 == first + rows && more > 0 {
            let told = format!(" ↓ {}", text::words::count(more, "line"));
            let width = u16::try_from(text::width(&told)).unwrap_or(0).min(area.width);
            let told = canvas.span(told, Role::Hint);
            canvas.line(Rect { x: place.right() - width, width, ..place }, told);
        }
    }
}

/// Draws a line of an editor: only the part around the cursor, with every character passed through `display_safe`.
fn edited(canvas: &mut Canvas, area: Rect, line: &str, cursor: Option<usize>, selected: bool) {
    let columns = usize::from(area.width);
    if columns == 0 || area.height == 0 {
        return;
    }
    let at = cursor.unwrap_or(0);
    let from = at.saturating_sub(columns);
    let mut cells: Vec<(String, bool)> = Vec::with_capacity(columns);
    let mut chars = line.chars().skip(from);
    let mut before = 0;
    for c in chars.by_ref().take(at - from) {
        let cell = (display_safe(c.encode_utf8(&mut [0; 4]), 16), hidden(c).is_some());
        before += text::width(&cell.0);
        cells.push(cell);
    }
    // Keep room for the cursor itself, and for the `…` that shows that text is hidden on the left.
    let mut dropped = 0;
    while before + 1 + usize::from(from + dropped > 0) > columns && dropped < cells.len() {
        before -= text::width(&cells[dropped].0);
        dropped += 1;
    }
    cells.drain(..dropped);
    let mut width = before + usize::from(from + dropped > 0);
    let cursor_x = width;
    for c in chars {
        let cell = (display_safe(c.encode_utf8(&mut [0; 4]), 16), hidden(c).is_some());
        width += text::width(&cell.0);
        cells.push(cell);
        if width > columns {
            break;
        }
    }
    let plain = if selected { Role::Selected } else { Role::Plain };
    let mut spans = Vec::new();
    if from + dropped > 0 {
        spans.push(canvas.span("…", Role::Hint));
    }
    for (cell, odd) in cells {
        spans.push(canvas.span(cell, if odd { Role::Denied } else { plain }));
    }
    if !spans.is_empty() {
        canvas.line(area, Line::from(spans));
    }
    if cursor.is_some() {
        canvas.drawn.cursor = Some((area.x + u16::try_from(cursor_x.min(columns - 1)).unwrap_or(0), area.y));
    }
}

/// Returns the sign and the seconds of something that the user waits for, and records when they change.
pub fn waiting(canvas: &mut Canvas, since: Duration) -> String {
    let passed = canvas.app.times.mono.saturating_sub(since).as_secs();
    canvas.drawn.really_changes_at(since + Duration::from_secs(passed + 1));
    let signs = ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇'];
    let turn = usize::try_from(passed).unwrap_or(0) % signs.len();
    format!("{} {passed} s", signs[turn])
}

/// Records when the words change, and returns the words.
pub fn ticking(canvas: &mut Canvas, shown: DurationWords) -> String {
    canvas.drawn.changes_in(shown.holds);
    shown.text
}

/// Returns the time until a decision's sentence changes, because it may count seconds; `None` if it never does.
pub fn sentence_holds(decision: &Decision) -> Option<text::Span> {
    match decision.reason()? {
        Reason::Expired { exp, leeway, now } => Some(elapsed(-leeway::remaining(*now, *exp, *leeway)).holds),
        Reason::NotYetValid { from, leeway, now } => Some(remaining(leeway::until_valid(*now, *from, *leeway)).holds),
        _ => None,
    }
}

/// Returns a phase in words, and records when they change.
pub fn phase(canvas: &mut Canvas, phase: Phase) -> String {
    match phase {
        Phase::Live { left } => ticking(canvas, remaining(left)),
        Phase::Grace { left } => format!("grace {}", ticking(canvas, remaining(left))),
        Phase::Early { left } => format!("nbf in {}", ticking(canvas, remaining(left))),
        Phase::NotYet { left } => format!("in {}", ticking(canvas, remaining(left))),
        Phase::Expired { ago } => format!("expired {} ago", ticking(canvas, elapsed(ago))),
        Phase::Endless => "no exp".to_owned(),
    }
}

/// Returns how urgent the remaining lifetime is: a warning below a fifth of the whole or a minute, whichever is longer,
/// and an alarm below ten seconds. It uses the duration that the words beside it name, so it changes with them.
pub fn urgency(left: text::Span, life: Option<text::Span>) -> Role {
    let soon = life.map_or(text::Span::MINUTE, |life| (life / 5).max(text::Span::MINUTE));
    match remaining(left).named {
        left if left < text::Span::seconds(10) => Role::Denied,
        left if left < soon => Role::Warning,
        _ => Role::Ok,
    }
}

/// Returns the status of a token in a few words, for a list.
pub fn state(canvas: &mut Canvas, judged: &Evaluation) -> (String, Role) {
    let now = canvas.app.times.judged;
    if let Some(left) = judged.lifetime.next_border(now) {
        canvas.drawn.changes_in(left);
    }
    match judged.status(now) {
        TokenStatus::Valid(p @ Phase::Live { left }) => (phase(canvas, p), urgency(left, judged.lifetime.length())),
        TokenStatus::Valid(p) => (phase(canvas, p), Role::Warning),
        TokenStatus::OutOfTime(p, _) => (phase(canvas, p), Role::Denied),
        TokenStatus::Invalid(reason) => (reason.code().to_owned(), Role::Denied),
        TokenStatus::NotVerified(_) if judged.lifetime.exp.or(judged.lifetime.nbf).is_some() => {
            let told = phase(canvas, judged.lifetime.phase(now));
            (format!("{told} unverified"), Role::Hint)
        }
        TokenStatus::NotVerified(_) => {
            let alg = judged
                .alg
                .as_deref()
                .map_or_else(String::new, |alg| format!("{} ", text::fit(&text::name(alg, 16), 8)));
            (format!("{alg}unverified"), Role::Hint)
        }
        TokenStatus::Absent => ("no token".to_owned(), Role::Hint),
    }
}

/// Returns the status of a token at an instant in words, the time until the words change, and their role.
pub fn words_at(judged: &Evaluation, at: NumericDate) -> (String, text::Span, Role) {
    match judged.status(at) {
        TokenStatus::Valid(phase) => {
            let (left, how, role) = match phase {
                Phase::Live { left } => (left, "left", Role::Ok),
                Phase::Grace { left } => (left, "of leeway", Role::Warning),
                Phase::Early { left } => (left, "to nbf", Role::Warning),
                Phase::NotYet { left } => (left, "to go", Role::Denied),
                Phase::Expired { .. } | Phase::Endless => (text::Span::ZERO, "", Role::Ok),
            };
            let shown = remaining(left);
            (format!("valid, {} {how}", shown.text), shown.holds, role)
        }
        TokenStatus::OutOfTime(Phase::NotYet { left }, _) => {
            let shown = remaining(left);
            (format!("not yet valid, in {}", shown.text), shown.holds, Role::Denied)
        }
        TokenStatus::OutOfTime(Phase::Expired { ago }, _) => {
            let shown = elapsed(ago);
            (format!("expired, {} ago", shown.text), shown.holds, Role::Denied)
        }
        TokenStatus::OutOfTime(_, reason) | TokenStatus::Invalid(reason) => {
            (format!("invalid: {}", reason.code()), text::Span::MAX, Role::Denied)
        }
        TokenStatus::NotVerified(reason) => match judged.lifetime.phase(at) {
            Phase::Live { left } => {
                let shown = remaining(left);
                (format!("not verified, {} left: {}", shown.text, reason.code()), shown.holds, Role::Hint)
            }
            _ => (format!("not verified: {}", reason.code()), text::Span::MAX, Role::Hint),
        },
        TokenStatus::Absent => ("no token".to_owned(), text::Span::MAX, Role::Hint),
    }
}

/// Returns the full and the empty part of a bar that shows how much of a whole is left, both in the same unit. For a
/// lifetime, `left` is the duration that the words beside the bar name.
pub fn bar(left: i64, whole: i64, columns: usize) -> (String, String) {
    if whole <= 0 || columns == 0 {
        return (String::new(), "░".repeat(columns));
    }
    let left = i128::from(left.clamp(0, whole));
    let full = usize::try_from((left * columns as i128 + i128::from(whole) - 1) / i128::from(whole)).unwrap_or(0);
    ("█".repeat(full), "░".repeat(columns - full))
}

/// Returns how many columns are hidden on either side of the visible ones.
pub fn more(before: usize, after: usize) -> String {
    match (before, after) {
        (0, 0) => String::new(),
        (0, after) => format!("{after} more →"),
        (before, 0) => format!("← {before} more"),
        (before, after) => format!("← {before}, {after} →"),
    }
}

/// How many columns the keys take.
pub const KEYS: u16 = 11;

/// Returns the row of a command: its keys and its words, for help and palette.
pub fn key_row(canvas: &Canvas, binding: &Binding) -> Line<'static> {
    let keys = keys_of(binding, &canvas.app.keys).join(" ");
    let pad = " ".repeat(usize::from(KEYS).saturating_sub(text::width(&keys)));
    let now = if hints::hint(canvas.app, binding.action).is_some() { Role::Key } else { Role::Hint };
    Line::from(vec![canvas.span(format!("{keys}{pad} "), now), canvas.span(binding.words, Role::Plain)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_only_at_the_end() {
        assert_eq!(bar(1, 3600, 10).0, "█");
        assert_eq!(bar(0, 3600, 10), (String::new(), "░".repeat(10)));
        assert_eq!(bar(3600, 3600, 10).1, "");
        assert_eq!(bar(i64::MAX, 1, 10).0.chars().count(), 10);
    }
}

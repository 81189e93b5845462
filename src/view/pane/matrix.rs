//! The Matrix pane: callers down the side, tools across the top, and in every cell the decision now, filled with the
//! colour of the verdict. Only visible cells are decided.

use std::sync::Arc;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::policy::ticks;
use crate::app::observed::ObservedCell;
use crate::app::pane::matrix::{CELLS, Cell, Rows};
use crate::app::runs::RunKind;
use crate::app::{Pane, Target};
use crate::auth::Verdict;
use crate::text;
use crate::view::canvas::{Canvas, below, right_of, split_bottom, top, wrap};
use crate::view::theme::Role;
use crate::view::widget::{more, sentence_holds, state, waiting};

/// The widths of the columns, and how a cell names its verdict.
struct Shape {
    name: usize,
    /// For the status of a row's token; 0 if there is not enough room.
    state: usize,
    column: usize,
    words: Words,
    /// How many rows the tools' names take.
    heads: u16,
}

/// How a cell names its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Whole,
    Short,
    /// Only the sign.
    None,
}

impl Words {
    /// Returns the width of a cell: a bracket, the sign and a blank, the widest word, the mark of an expectation, a
    /// bracket.
    const fn columns(self) -> usize {
        match self {
            Self::Whole => 1 + 2 + 12 + 2,
            Self::Short => 1 + 2 + 9 + 2,
            Self::None => 4,
        }
    }

    const fn of(self, verdict: Verdict) -> &'static str {
        match (self, verdict) {
            (Self::None, _) => "",
            (_, Verdict::Allowed) => "allowed",
            (_, Verdict::Forbidden) => "forbidden",
            (Self::Whole, Verdict::Unauthorized) => "unauthorized",
            (Self::Short, Verdict::Unauthorized) => "unauth.",
        }
    }
}

/// The minimum and the maximum width of a token's status.
const STATE: std::ops::Range<usize> = 9..18;

/// A name that is wider than its column is broken over at most this many rows.
const HEADS: u16 = 3;

/// Cells that have just changed: the tool, the row's name and the verdict of each.
type Flips = Vec<(String, String, Verdict)>;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(CELLS));
    let tools = &*canvas.app.matrix_tools();
    if tools.is_empty() {
        let told = match canvas.app.target() {
            Some(_) => "The server has listed no tools yet: connect it in Targets",
            None => "The policy has no tools: every call is forbidden",
        };
        let told = canvas.span(told, Role::Hint);
        canvas.line(area, told);
        return;
    }
    let alone = !canvas.is_surrounded();
    let shape = shape(canvas, area, tools, alone);
    let columns = if alone {
        // One tool at a time if there is little room.
        1
    } else {
        let room = usize::from(area.width).saturating_sub(shape.name + shape.state + 2);
        ((room + 1) / (shape.column + 1)).clamp(1, tools.len())
    };
    let column = canvas.app.matrix_column();
    let across = canvas.drawn.columns.get(CELLS).around(column.unwrap_or(0), columns, tools.len());
    canvas.drawn.columns.set(CELLS, across);
    let shown: Vec<&Arc<str>> = tools.iter().skip(across.first).take(columns).collect();
    heads(canvas, area, &shape, &shown, tools);
    let foot = foot(canvas, area);
    let has_legend = usize::from(area.height) > foot.len() + 8;
    // The signs of a server need a second row in a narrow pane, or fewer words.
    let is_high = usize::from(area.height) > foot.len() + 11;
    let words = signs(canvas, shape.words, is_high).replace(' ', "\u{a0}").replace("\u{a0}\u{a0}", "  ");
    let legend = wrap(&words, area.width).into_iter().map(|line| line.replace('\u{a0}', " "));
    let legend = legend.take(usize::from(has_legend) + usize::from(is_high));
    let legend: Vec<Line<'static>> = legend.map(|line| canvas.span(line, Role::Hint).into()).collect();
    let legend_rows = u16::try_from(legend.len()).unwrap_or(0).max(u16::from(is_calling(canvas)));
    let feet = u16::try_from(foot.len()).unwrap_or(0) + legend_rows;
    let (table, under) = split_bottom(area, feet);
    let (here, total) = (canvas.app.matrix_row(), canvas.app.matrix_rows());
    let mut flips = Flips::new();
    canvas.list(below(table, shape.heads), CELLS, here, total, |canvas, row, place| {
        let line = draw_row(canvas, place, &shape, &shown, row, row == here, &mut flips);
        canvas.line(place, line);
    });
    let rest = canvas.lines(under, foot);
    if let Some(said) = progress(canvas) {
        let said = canvas.span(said, Role::Warning);
        canvas.line(rest, said);
        return;
    }
    if flips.is_empty() {
        canvas.lines(rest, legend);
    } else {
        let said = canvas.span(flipped(&flips), Role::Warning);
        canvas.line(rest, said);
    }
}

/// Whether a tool of the selected target is being called with every token.
fn is_calling(canvas: &Canvas) -> bool {
    let target = canvas.app.target().map(|target| target.number);
    let run = canvas.app.run.as_ref().filter(|run| Some(run.target) == target);
    run.is_some_and(|run| matches!(run.kind, RunKind::Round(_)))
}

/// Returns how far the calls with every token are, if there are any.
fn progress(canvas: &mut Canvas) -> Option<String> {
    let run = canvas.app.run.clone().filter(|_| is_calling(canvas))?;
    let RunKind::Round(tool) = &run.kind else { return None };
    let waits = waiting(canvas, run.since);
    Some(format!("{waits} · {}: {} of {} called · Esc cancels", text::name(tool, 32), run.stored, run.planned))
}

/// Returns a sentence about the cells that have just changed.
fn flipped(flips: &[(String, String, Verdict)]) -> String {
    let (tool, who, verdict) = &flips[0];
    let more = match flips.len() - 1 {
        0 => String::new(),
        more => format!("; {more} more changed"),
    };
    let word = Words::Whole.of(*verdict);
    format!("▸ {tool}: {who} is {word} now{more}")
}

/// Returns the legend of the signs.
fn signs(canvas: &Canvas, words: Words, in_full: bool) -> String {
    if canvas.app.target().is_some() && !in_full {
        return "✔ ✘ – ?  h hidden  m masked  · not called  ≠ differ".to_owned();
    }
    if canvas.app.target().is_some() {
        return "policy, then server: ✔ allowed  ✘ forbidden  – unauthorized  ? unknown  h hidden  m masked  · not called  ≠ differ"
            .to_owned();
    }
    let lacks = canvas.app.auth.rules.policy.tools().iter().any(|tool| canvas.app.lacks_tool(&tool.name));
    let verdicts = if words == Words::None { "✔ allowed  ✘ forbidden  – unauthorized  " } else { "" };
    let missing = if lacks { "! allowed, no such tool  " } else { "" };
    format!("{verdicts}{missing}=≠ expected")
}

/// Returns what the other panes would show, if they are not beside the matrix: the preview of the cell under the
/// cursor, the permissions of its tool, and the last answer.
fn foot(canvas: &mut Canvas, area: Rect) -> Vec<Line<'static>> {
    if let Some(sentence) = canvas.app.observed_sentence() {
        let differs = canvas.app.observed_cell(canvas.app.matrix_row(), &canvas.app.call.tool);
        let role = if differs.is_some_and(|cell| cell.grid.differs()) { Role::Denied } else { Role::Plain };
        return canvas.clipped(&sentence, area.width, 2, role);
    }
    if canvas.panes.contains(&Pane::Call) {
        return Vec::new();
    }
    let decision = canvas.app.preview();
    if let Some(span) = sentence_holds(&decision) {
        canvas.drawn.changes_in(span);
    }
    let trouble = canvas.app.preview_trouble(&decision);
    let role = Role::of_call(decision.verdict(), trouble.is_some());
    let why = trouble.map_or_else(|| decision.sentence(), |trouble| trouble.to_string());
    let mut foot = canvas.clipped(&format!("{}: {why}", decision.verdict().word()), area.width, 2, role);
    if let Some(rule) = canvas.app.auth.rules.policy.tool(&canvas.app.call.tool) {
        let mut line = vec![canvas.span("policy  ", Role::Label), canvas.span(text::name(&rule.name, 32), Role::Title)];
        for (permission, tick) in ticks(canvas, rule) {
            let role = if tick == "[ ]" { Role::Hint } else { Role::Plain };
            line.push(canvas.span(format!("  {tick} {}", text::name(&permission, 24)), role));
        }
        foot.push(Line::from(line));
    }
    let last = canvas.app.shown_call().and_then(|last| last.called.as_ref());
    foot.extend(last.map(|called| {
        let answer = text::display_safe(&called.record.answer, 400);
        let line = format!("last    {}: {answer}", text::name(&called.record.tool, 32));
        canvas.span(line, Role::Hint).into()
    }));
    foot.truncate(usize::from(area.height / 2));
    foot
}

/// The columns that the cells of a foreign target need besides those of ours: for the second mark, and for `≠`.
fn more_marks(canvas: &Canvas) -> usize {
    if canvas.app.target().is_some() { 2 } else { 0 }
}

fn shape(canvas: &Canvas, area: Rect, tools: &[Arc<str>], alone: bool) -> Shape {
    let width = usize::from(area.width);
    if alone {
        let column = Words::Whole.columns() + more_marks(canvas);
        return Shape { name: width.saturating_sub(column + 3), state: 0, column, words: Words::Whole, heads: 1 };
    }
    // The width does not depend on the names of the visible rows, which would make the columns jump while scrolling.
    let name = if canvas.app.auth.tokens.is_empty() { 13 } else { (width / 5).clamp(13, 26) };
    let room = width.saturating_sub(name + 2);
    let marks = more_marks(canvas);
    let fits = |column: usize| tools.len() * (column + 1) <= room + 1;
    let words =
        [Words::Whole, Words::Short].into_iter().find(|words| fits(words.columns() + marks)).unwrap_or(Words::None);
    let common = common(tools);
    let left_out = if common > 0 { common - 1 } else { 0 };
    let widest = tools.iter().map(|tool| text::width(tool)).max().unwrap_or(0).saturating_sub(left_out);
    // Columns are as wide as the names, but narrower if that lets all tools fit, and never narrower than a cell.
    let least = words.columns() + marks;
    let share = ((room + 1) / tools.len()).saturating_sub(1);
    let column = widest.clamp(least, 22).min(share.max(least));
    // One row more than the letters need, so that names can be broken after separators.
    let rows = if widest <= column { 1 } else { widest / column + 1 };
    let heads = u16::try_from(rows).unwrap_or(HEADS).clamp(1, if area.height >= 12 { HEADS } else { 1 });
    let unused = room.saturating_sub(tools.len() * (column + 1));
    let is_told = canvas.app.matrix.rows == Rows::Tokens && unused >= STATE.start;
    Shape { name, state: if is_told { unused.min(STATE.end) } else { 0 }, column, words, heads }
}

/// Returns the length of the prefix that the names of all tools share, up to a separator, in bytes. It can be left out,
/// because the ends of the names tell them apart.
fn common(tools: &[Arc<str>]) -> usize {
    let Some((first, rest)) = tools.split_first().filter(|(_, rest)| !rest.is_empty()) else { return 0 };
    let shared = |tool: &Arc<str>| first.bytes().zip(tool.bytes()).take_while(|(a, b)| a == b).count();
    let least = rest.iter().map(shared).min().unwrap_or(0);
    let shared = first.get(..least).and_then(|shared| shared.rfind(['_', '-', '.', '/', ':']));
    // A short prefix hardly takes more room than the `…` that would replace it.
    shared.map(|at| at + 1).filter(|common| *common >= 3).unwrap_or(0)
}

/// Returns a tool's name without the prefix that all names share; safe to show.
fn head(tool: &str, common: usize) -> String {
    match common {
        0 => text::name(tool, 64),
        common => format!("…{}", text::name(tool.get(common..).unwrap_or_default(), 64)),
    }
}

/// Draws the names of the tools, and how many more there are on either side.
fn heads(canvas: &mut Canvas, area: Rect, shape: &Shape, shown: &[&Arc<str>], all: &[Arc<str>]) {
    let first = canvas.drawn.columns.get(CELLS).first;
    let told = more(first, all.len() - first - shown.len());
    let common = common(all);
    let names: Vec<String> = shown.iter().map(|tool| head(tool, common)).collect();
    let before = shape.name + shape.state + 2;
    for row in 0..shape.heads {
        let is_last = row + 1 == shape.heads;
        let told = if is_last { spaced(&told, before) } else { " ".repeat(before) };
        let mut line = vec![canvas.span(told, Role::Hint)];
        for (tool, name) in shown.iter().zip(&names) {
            let here = **tool == canvas.app.call.tool;
            let part = broken(name, shape.column, usize::from(shape.heads)).into_iter().nth(usize::from(row));
            let part = text::padded(&part.unwrap_or_default(), shape.column);
            // The last column has no gap behind it: its room may be taken.
            if line.len() > 1 {
                line.push(Span::raw(" "));
            }
            line.push(canvas.span(part, if here { Role::Title } else { Role::Label }));
        }
        canvas.line(below(top(area, row + 1), row), Line::from(line));
    }
}

/// Breaks a word that is wider than a column, with hyphens.
fn hyphenated(word: &str, columns: usize) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    let mut parts = Vec::new();
    let mut rest = &*chars;
    while rest.len() > columns && columns > 2 {
        let (part, after) = rest.split_at(columns - 1);
        parts.push(part.iter().copied().chain(['-']).collect());
        rest = after;
    }
    parts.push(rest.iter().collect());
    parts
}

/// Breaks a name into `rows` rows, aligned to the bottom: after separators if that fits, otherwise anywhere. The middle
/// of a name that does not fit is left out, because the ends tell names apart.
fn broken(name: &str, columns: usize, rows: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in name.split_inclusive(['_', '-', '.', '/', ':']).flat_map(|word| hyphenated(word, columns)) {
        match lines.last_mut() {
            Some(line) if text::width(line) + text::width(&part) <= columns => line.push_str(&part),
            _ => lines.push(part),
        }
    }
    if lines.len() > rows || lines.iter().any(|line| text::width(line) > columns) {
        let chars: Vec<char> = name.chars().collect();
        let room = (columns * rows).max(1);
        let kept: Vec<char> = if chars.len() <= room {
            chars
        } else {
            let tail = (room - 1) / 2;
            let head = room - 1 - tail;
            chars[..head].iter().copied().chain(['…']).chain(chars[chars.len() - tail..].iter().copied()).collect()
        };
        lines = kept.chunks(columns.max(1)).map(|part| part.iter().collect()).collect();
    }
    let above = rows.saturating_sub(lines.len());
    std::iter::repeat_n(String::new(), above).chain(lines).collect()
}

fn draw_row(
    canvas: &mut Canvas,
    place: Rect,
    shape: &Shape,
    shown: &[&Arc<str>],
    row: usize,
    here: bool,
    flips: &mut Flips,
) -> Line<'static> {
    let (focused, first) = (canvas.focused(CELLS), canvas.drawn.columns.get(CELLS).first);
    let marker = canvas.span(if here { "▸ " } else { "  " }, Role::Focused);
    let caller = canvas.app.matrix_name(row);
    let name = spaced(&caller, shape.name);
    let mut line = vec![marker, canvas.span(name, if here { Role::Title } else { Role::Plain })];
    if shape.state > 0 {
        let entry = row.checked_sub(1).and_then(|place| canvas.app.auth.tokens.get(place));
        let (words, role) = entry.map_or((String::new(), Role::Plain), |entry| state(canvas, &entry.judged));
        line.push(canvas.span(spaced(&words, shape.state), role));
    }
    let mut x = u16::try_from(shape.name + shape.state + 2).unwrap_or(0);
    let cells = canvas.app.matrix_line(row);
    if let Some(span) = cells.holds {
        canvas.drawn.changes_in(span);
    }
    for (n, tool) in shown.iter().enumerate() {
        let width = u16::try_from(shape.column + 1).unwrap_or(0);
        let area = Rect { width, ..right_of(place, x) };
        canvas.target(area, Target::Cell(CELLS, row, first + n));
        x += width;
        let selected = here && **tool == canvas.app.call.tool;
        if let Some(seen) = canvas.app.observed_cell(row, tool) {
            if n > 0 {
                line.push(Span::raw(" "));
            }
            line.push(observed(canvas, &seen, shape, selected.then_some(focused)));
            continue;
        }
        let lacks = canvas.app.lacks_tool(tool);
        let found = cells.cell(tool);
        if found.flipped {
            flips.push((text::name(tool, 48), caller.clone(), found.verdict));
        }
        if n > 0 {
            line.push(Span::raw(" "));
        }
        line.push(cell(canvas, &found, lacks, shape, selected.then_some(focused)));
    }
    Line::from(line)
}

/// Returns a cell: sign and word, the number of tokens if they differ, and whether the verdict is expected, filled with
/// the colour of the verdict. A cell that has just changed has the colour of a warning and `▸ ◂`. The cell under the
/// cursor has square brackets if the matrix has the focus, otherwise round ones. `lacks` is whether the backend does
/// not have the tool.
fn cell(canvas: &Canvas, cell: &Cell, lacks: bool, shape: &Shape, cursor: Option<bool>) -> Span<'static> {
    let fails = lacks && cell.verdict == Verdict::Allowed;
    let sign = if fails { "!" } else { cell.verdict.sign() };
    let expected = match cell.expected {
        Some((_, true)) => "=",
        Some((_, false)) => "≠",
        None => "",
    };
    let said = match (cell.with < cell.of, shape.words) {
        (true, Words::None) => format!("{sign}{}/{}", cell.with, cell.of),
        (true, _) => format!("{sign} {} of {}", cell.with, cell.of),
        (false, Words::None) => sign.to_owned(),
        (false, words) => format!("{sign} {}", words.of(cell.verdict)),
    };
    let (left, right) = match (cursor, cell.flipped) {
        (Some(true), _) => ("[", "]"),
        (Some(false), _) => ("(", ")"),
        (None, true) => ("▸", "◂"),
        (None, false) => (" ", " "),
    };
    let inner = text::padded(&format!("{said}{expected}"), shape.column.saturating_sub(2));
    let role = if cell.flipped { Role::Warning } else { Role::of_call(cell.verdict, fails) };
    canvas.span(format!("{left}{inner}{right}"), role.chip())
}

/// Returns a cell of a foreign target: the signs of the prediction and of the observation, and the word of the latter. A
/// cell without an observation has the word of the prediction and is not filled.
fn observed(canvas: &Canvas, cell: &ObservedCell, shape: &Shape, cursor: Option<bool>) -> Span<'static> {
    let grid = &cell.grid;
    let predicted = grid.prediction.map_or("?", Verdict::sign);
    let unequal = if grid.differs() { "≠" } else { "" };
    let signs = format!("{predicted}{unequal}{}", cell.sign());
    let word = match (shape.words, cell.word(), grid.prediction) {
        (Words::None, _, _) => "",
        (words, Some("unauthorized"), _) => words.of(Verdict::Unauthorized),
        (_, Some(word), _) => word,
        (words, None, Some(verdict)) => words.of(verdict),
        (_, None, None) => "not called",
    };
    let (left, right) = match cursor {
        Some(true) => ("[", "]"),
        Some(false) => ("(", ")"),
        None => (" ", " "),
    };
    let inner = text::padded(&format!("{signs} {word}"), shape.column.saturating_sub(2));
    let role = match (grid.verdict(), cell.word()) {
        _ if grid.differs() => Role::Denied.chip(),
        (Some(verdict), _) => Role::of_call(verdict, false).chip(),
        // The lists say it; nothing was called.
        (None, Some(_)) if grid.observation.is_none() => Role::Hint,
        (None, Some(_)) => Role::Warning.chip(),
        (None, None) => Role::Hint,
    };
    canvas.span(format!("{left}{inner}{right}"), role)
}

/// Fits a text and at least one blank into `columns` columns.
fn spaced(text: &str, columns: usize) -> String {
    text::padded(text, columns.saturating_sub(1)) + " "
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_alike_are_told_apart_by_their_ends() {
        let policy = "[tools.mcp__github__create_issue]\npermissions = []\n[tools.mcp__github__list_issues]\npermissions = []\n\
                      [tools.mcp__github__create_pull_request_review_comment]\npermissions = []\n";
        let policy = crate::auth::Policy::parse(policy).expect("a policy");
        let names: Vec<String> = {
            let tools: Vec<Arc<str>> = policy.tools().iter().map(|tool| Arc::clone(&tool.name)).collect();
            tools.iter().map(|tool| head(tool, common(&tools))).collect()
        };
        assert_eq!(names, ["…create_issue", "…list_issues", "…create_pull_request_review_comment"]);
        assert_eq!(broken(&names[2], 8, 3), ["…create_", "pull…iew", "_comment"]);
        assert_eq!(broken("read_data", 4, 3), ["rea-", "d_", "data"]);
        assert_eq!(broken("structured", 6, 2), ["struc-", "tured"]);
        assert_eq!(broken("picture", 6, 3), ["", "pictu-", "re"]);
        assert_eq!(broken("list_orders", 6, 3), ["", "list_", "orders"]);
        assert_eq!(broken("ping", 4, 3), ["", "", "ping"]);
    }

    #[test]
    fn names_without_a_common_beginning_stay_whole() {
        assert_eq!(common(&["read_data".into(), "write_data".into(), "delete_data".into()]), 0);
    }
}

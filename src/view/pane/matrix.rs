//! The matrix: callers down the side, tools across, and in every cell what would happen now. Only what shows is decided.

use ratatui::layout::Rect;
use ratatui::style::Stylize as _;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::matrix::{CELLS, Cell, Rows};
use crate::auth::Verdict;
use crate::auth::policy::ToolRule;
use crate::text;
use crate::view::canvas::{Canvas, below, right_of, shows_all, split_bottom, top};
use crate::view::theme::Meaning;
use crate::view::widget::{more, sentence_holds, state};

/// How wide a column is, and whether its cells are whole words.
struct Shape {
    name: usize,
    /// For the state of a row's token, where there is room.
    state: usize,
    column: usize,
    words: bool,
}

/// The sign, the widest word, a blank, and room for two marks.
const WORDS: usize = 2 + 12 + 2;
/// Room for the state of a token.
const STATE: std::ops::Range<usize> = 9..18;
/// The sign, a letter, and room for two marks.
const LETTERS: usize = 2 + 1 + 2;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(CELLS));
    let policy = canvas.app.auth.rules.policy.clone();
    let tools = policy.tools();
    if tools.is_empty() {
        let told = canvas.span("the policy has no tools: every call is forbidden", Meaning::Hint);
        canvas.line(area, told);
        return;
    }
    let alone = !canvas.is_surrounded();
    let shape = shape(canvas, area, tools, alone);
    let columns = if alone {
        // One tool at a time, where there is little room.
        1
    } else {
        let room = usize::from(area.width).saturating_sub(shape.name + shape.state + 2);
        (room / (shape.column + 1)).clamp(1, tools.len())
    };
    let column = canvas.app.column();
    let across = canvas.drawn.columns.get(CELLS).around(column.unwrap_or(0), columns, tools.len());
    canvas.drawn.columns.set(CELLS, across);
    let shown: Vec<&ToolRule> = tools.iter().skip(across.first).take(columns).collect();
    heads(canvas, area, &shape, &shown, tools.len());
    let foot = foot(canvas, area, shape.words);
    let feet = u16::try_from(foot.len()).unwrap_or(0);
    let (table, under) = split_bottom(area, feet);
    let (here, total) = (canvas.app.matrix_row(), canvas.app.matrix_rows());
    canvas.list(below(table, 1), CELLS, here, total, |canvas, row, place| {
        let line = draw_row(canvas, place, &shape, &shown, row, row == here);
        canvas.line(place, line);
    });
    canvas.lines(under, foot);
}

/// What the marks mean, and where the Call pane is not beside it, what is said of the cell under the cursor.
fn foot(canvas: &mut Canvas, area: Rect, words: bool) -> Vec<Line<'static>> {
    let mut foot = Vec::new();
    if !shows_all(canvas.buf.area) {
        let decision = canvas.app.preview();
        if let Some(span) = sentence_holds(&decision) {
            canvas.drawn.changes_in(span);
        }
        let trouble = canvas.app.preview_trouble(&decision);
        let meaning = Meaning::of_call(decision.verdict(), trouble.is_some());
        let why = trouble.map_or_else(|| decision.sentence(), |trouble| trouble.to_string());
        foot = canvas.clipped(&format!("{}: {why}", decision.verdict().word()), area.width, 2, meaning);
        let last = canvas.app.last_call.as_ref().and_then(|last| last.called.as_ref());
        foot.extend(last.map(|called| {
            let answer = text::display_safe(&called.outcome.answer().to_string(), 400);
            canvas.span(format!("last {}: {answer}", text::name(&called.record.tool, 32)), Meaning::Plain).into()
        }));
    }
    if usize::from(area.height) > foot.len() + 8 || foot.is_empty() {
        let lacks = canvas.app.auth.rules.policy.tools().iter().any(|tool| canvas.app.lacks_tool(&tool.name));
        let told = if words && lacks {
            "! allowed, but no such tool here  =≠ as expected, not  ◂ just changed"
        } else if words {
            "= as expected  ≠ not as expected  ◂ just changed"
        } else if lacks {
            "✔A allowed !A but no such tool here ✘F forbidden –U unauthorized  =≠ as expected, not  ◂ new"
        } else {
            "✔A allowed ✘F forbidden –U unauthorized  =≠ as expected, not  ◂ new"
        };
        foot.push(canvas.span(told, Meaning::Hint).into());
    }
    foot.truncate(usize::from(area.height / 2));
    foot
}

fn shape(canvas: &Canvas, area: Rect, tools: &[ToolRule], alone: bool) -> Shape {
    let width = usize::from(area.width);
    if alone {
        return Shape { name: width.saturating_sub(WORDS + 3), state: 0, column: WORDS, words: true };
    }
    // Names of the rows in sight would make the columns dance while scrolling.
    let name = if canvas.app.auth.tokens.is_empty() { 13 } else { (width / 5).clamp(13, 26) };
    let widest = tools.iter().map(|tool| text::width(&tool.name)).max().unwrap_or(0);
    let whole = widest.clamp(WORDS, 22);
    let words = name + 2 + tools.len() * (whole + 1) <= width;
    let column = if words { whole } else { widest.clamp(LETTERS, 12) };
    let spare = width.saturating_sub(name + 2 + tools.len() * (column + 1));
    let is_told = canvas.app.matrix.rows == Rows::Tokens && spare >= STATE.start;
    Shape { name, state: if is_told { spare.min(STATE.end) } else { 0 }, column, words }
}

/// The names of the tools, and on both sides how many more there are.
fn heads(canvas: &mut Canvas, area: Rect, shape: &Shape, shown: &[&ToolRule], all: usize) {
    let first = canvas.drawn.columns.get(CELLS).first;
    let told = more(first, all - first - shown.len());
    let mut line = vec![canvas.span(spaced(&told, shape.name + shape.state + 2), Meaning::Hint)];
    for tool in shown {
        let here = tool.name == canvas.app.call.tool;
        let name = spaced(&text::name(&tool.name, 64), shape.column + 1);
        line.push(canvas.span(name, if here { Meaning::Title } else { Meaning::Label }));
    }
    canvas.line(top(area, 1), Line::from(line));
}

fn draw_row(
    canvas: &mut Canvas,
    place: Rect,
    shape: &Shape,
    shown: &[&ToolRule],
    row: usize,
    here: bool,
) -> Line<'static> {
    let (focused, first) = (canvas.focused(CELLS), canvas.drawn.columns.get(CELLS).first);
    let marker = canvas.span(if here { "▸ " } else { "  " }, Meaning::Focused);
    let name = spaced(&canvas.app.matrix_name(row), shape.name);
    let mut line = vec![marker, canvas.span(name, if here { Meaning::Title } else { Meaning::Plain })];
    if shape.state > 0 {
        let entry = row.checked_sub(1).and_then(|place| canvas.app.auth.tokens.get(place));
        let (words, meaning) = entry.map_or((String::new(), Meaning::Plain), |entry| state(canvas, &entry.judged));
        line.push(canvas.span(spaced(&words, shape.state), meaning));
    }
    let mut x = u16::try_from(shape.name + shape.state + 2).unwrap_or(0);
    let cells = canvas.app.matrix_line(row);
    if let Some(span) = cells.holds {
        canvas.drawn.changes_in(span);
    }
    for (n, tool) in shown.iter().enumerate() {
        let selected = here && tool.name == canvas.app.call.tool;
        let lacks = canvas.app.lacks_tool(&tool.name);
        line.extend(cell(canvas, &cells.cell(tool), lacks, shape, selected, focused));
        let width = u16::try_from(shape.column + 1).unwrap_or(0);
        let area = Rect { width, ..right_of(place, x) };
        canvas.target(area, Target::Cell(CELLS, row, first + n));
        x += width;
    }
    Line::from(line)
}

/// Sign, word or letter, how many of a row's tokens where they differ, and the marks. `lacks` says that nothing answers an
/// allowed call of the tool.
fn cell(canvas: &Canvas, cell: &Cell, lacks: bool, shape: &Shape, selected: bool, focused: bool) -> Vec<Span<'static>> {
    let fails = lacks && cell.verdict == Verdict::Allowed;
    let sign = if fails { "!" } else { cell.verdict.sign() };
    let letter = match cell.verdict {
        Verdict::Allowed => "A",
        Verdict::Forbidden => "F",
        Verdict::Unauthorized => "U",
    };
    let mixed = cell.with < cell.of;
    let said = match (shape.words, mixed) {
        (true, false) => format!("{sign} {}", cell.verdict.word()),
        (true, true) => format!("{sign} {} of {}", cell.with, cell.of),
        (false, false) => format!("{sign}{letter}"),
        (false, true) => format!("{sign}{}/{}", cell.with, cell.of),
    };
    let expected = match cell.expected {
        Some((_, true)) => "=",
        Some((_, false)) => "≠",
        None => "",
    };
    let flipped = if cell.flipped { "◂" } else { "" };
    let meaning = Meaning::of_call(cell.verdict, fails);
    let plain = if selected && focused { Meaning::Selected } else { meaning };
    let marks = if matches!(cell.expected, Some((_, false))) { Meaning::Denied } else { Meaning::Focused };
    let used = text::width(&said) + text::width(expected) + text::width(flipped);
    let pad = " ".repeat((shape.column + 1).saturating_sub(used));
    let said = text::fit(&said, shape.column);
    let said = if selected && !focused { canvas.span(said, meaning).underlined() } else { canvas.span(said, plain) };
    vec![said, canvas.span(format!("{expected}{flipped}{pad}"), marks)]
}

/// A text and at least one blank, in so many columns.
fn spaced(text: &str, columns: usize) -> String {
    text::padded(text, columns.saturating_sub(1)) + " "
}

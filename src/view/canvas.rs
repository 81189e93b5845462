//! The primitives that everything on screen is drawn with: lines that show when they are cut off, boxes, and a record
//! of what was drawn where.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget as _};

use super::theme::{Role, Theme};
use crate::app::frame_info::Window;
use crate::app::{App, Area, Field, FrameInfo, Pane, Target};
use crate::text;

/// The minimum columns and rows for a pane in a box, with the row of panes above it and the last calls below.
const SURROUNDED: (u16, u16) = (60, 18);

/// The minimum columns and rows for all panes at once.
const ALL_PANES: (u16, u16) = (110, 28);

/// One frame being drawn.
pub struct Canvas<'a> {
    /// The state to draw.
    pub app: &'a App,
    /// The styles of the roles.
    pub theme: Theme,
    /// The buffer to draw into.
    pub buf: &'a mut Buffer,
    /// The facts that drawing returns.
    pub drawn: FrameInfo,
    /// The panes of this frame.
    pub panes: Vec<Pane>,
}

impl Canvas<'_> {
    /// Returns the style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.theme.of(role)
    }

    /// Whether a field receives the keys. It does not while an overlay is open.
    pub fn focused(&self, field: Field) -> bool {
        self.app.focus.field == Some(field) && self.app.overlays.is_empty()
    }

    /// Whether a pane receives the keys.
    pub fn focused_pane(&self, pane: Pane) -> bool {
        self.app.focus.pane == pane && self.app.overlays.is_empty()
    }

    /// Returns a text in the style of a role. The text must be the program's own, or have passed `display_safe`.
    pub fn span(&self, text: impl Into<String>, role: Role) -> Span<'static> {
        Span::styled(text.into(), self.theme.of(role))
    }

    /// Draws one line at the top of `area`; `…` replaces what does not fit.
    pub fn line(&mut self, area: Rect, line: impl Into<Line<'static>>) {
        if area.height == 0 || area.width == 0 {
            return;
        }
        let line = cut(line.into(), usize::from(area.width));
        self.buf.set_line(area.x, area.y, &line, area.width);
    }

    /// Draws lines from the top of `area`; returns the rows left over.
    pub fn lines(&mut self, area: Rect, lines: impl IntoIterator<Item = Line<'static>>) -> Rect {
        let mut rest = area;
        for line in lines {
            if rest.height == 0 {
                break;
            }
            self.line(rest, line);
            rest = below(rest, 1);
        }
        rest
    }

    /// Draws the lines of a list, of which `first` are scrolled past. If not all fit, the last row shows how many are
    /// hidden. Returns how far the list can be scrolled.
    pub fn scrolled(
        &mut self,
        area: Rect,
        total: usize,
        first: usize,
        mut line: impl FnMut(&mut Self, usize) -> Line<'static>,
    ) -> usize {
        let rows = usize::from(area.height);
        if total <= rows {
            let all: Vec<Line<'static>> = (0..total).map(|n| line(self, n)).collect();
            self.lines(area, all);
            return 0;
        }
        let shown = rows.saturating_sub(1);
        let end = total.saturating_sub(shown);
        let first = first.min(end);
        let part: Vec<Line<'static>> = (first..first + shown).map(|n| line(self, n)).collect();
        let last = self.lines(area, part);
        let below = total - first - shown;
        let told = match (first, below) {
            (0, _) => format!("↓ {below} more"),
            (_, 0) => format!("↑ {first} above"),
            _ => format!("↑ {first} above  ↓ {below} more"),
        };
        let told = self.span(told, Role::Hint);
        self.line(last, told);
        end
    }

    /// Draws the rows of a field's list, scrolled no further than needed to show row `at`.
    pub fn list(&mut self, area: Rect, field: Field, at: usize, total: usize, row: impl FnMut(&mut Self, usize, Rect)) {
        let before = self.drawn.rows.get(field);
        let window = self.list_from(before, area, at, total, row);
        self.drawn.rows.set(field, window);
    }

    /// Draws the rows of a list that is not a field's, scrolled from `before`. Returns which rows it shows. If not all
    /// of them fit, the last row of the area names those that do.
    pub fn list_from(
        &mut self,
        before: Window,
        area: Rect,
        at: usize,
        total: usize,
        mut row: impl FnMut(&mut Self, usize, Rect),
    ) -> Window {
        let scrolls = total > usize::from(area.height);
        let rows = usize::from(area.height).saturating_sub(usize::from(scrolls));
        let window = before.around(at, rows, total);
        let mut rest = area;
        for n in window.first..total.min(window.first + rows) {
            row(self, n, top(rest, 1));
            rest = below(rest, 1);
        }
        if scrolls {
            self.part(area, window, total);
        }
        window
    }

    /// Draws into the last row which part of a list is shown.
    fn part(&mut self, area: Rect, window: Window, total: usize) {
        let told = format!("{}–{} of {total}", window.first + 1, (window.first + window.rows).min(total));
        let told = self.span(told, Role::Hint);
        self.line(bottom(area, 1), told);
    }

    /// Whether there is room for more than the content of one pane.
    pub const fn is_surrounded(&self) -> bool {
        self.buf.area.width >= SURROUNDED.0 && self.buf.area.height >= SURROUNDED.1
    }

    /// Draws a line with a title; returns the area below it.
    pub fn headed(&mut self, area: Rect, title: Line<'static>, focused: bool) -> Rect {
        let (sign, role) = if focused { ("━", Role::Focused) } else { ("─", Role::Frame) };
        let line = Line::styled(sign.repeat(usize::from(area.width)), self.style(role));
        self.line(area, line);
        let title = cut(title, usize::from(area.width.saturating_sub(2)));
        let width = u16::try_from(title.width()).unwrap_or(area.width);
        self.line(Rect { x: area.x + 1, width, ..area }, title);
        below(area, 1)
    }

    /// Draws a box with a title; returns the area inside it.
    pub fn frame(&mut self, area: Rect, title: Line<'static>, focused: bool) -> Rect {
        let style = if focused { self.style(Role::Focused) } else { self.style(Role::Frame) };
        let title = cut(title, usize::from(area.width.saturating_sub(2)));
        let block = Block::bordered().border_set(border::ROUNDED).border_style(style);
        let inner = block.inner(area);
        block.render(area, self.buf);
        // Drawn over the border, whose style must not apply to it.
        let place = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let width = u16::try_from(title.width()).unwrap_or(place.width).min(place.width);
        self.clear(Rect { height: place.height.min(1), width, ..place });
        self.line(place, title);
        inner
    }

    /// Draws a box in the middle of the screen, over everything else; returns the area inside it.
    pub fn popup(&mut self, columns: u16, rows: u16, title: &str) -> Rect {
        let screen = self.buf.area;
        // The first and the last rows stay visible: alarms, a message, and the keys.
        let below = if self.app.toast.is_some() { 2 } else { 1 };
        let above = Rect { y: screen.y + 1, height: screen.height.saturating_sub(1 + below), ..screen };
        let area = above.centered(
            ratatui::layout::Constraint::Length(columns.min(screen.width)),
            ratatui::layout::Constraint::Length(rows.min(above.height)),
        );
        self.target(screen, Target::Backdrop);
        self.target(area, Target::Overlay);
        // Everything behind the box gets the same faint style, whatever style it had before.
        self.buf.set_style(
            above,
            Style {
                add_modifier: Modifier::empty(),
                sub_modifier: Modifier::all(),
                bg: Some(Color::Reset),
                ..Style::new()
            },
        );
        if let Some(ground) = self.theme.ground() {
            self.buf.set_style(above, ground);
        }
        self.buf.set_style(above, self.style(Role::Faint));
        self.clear(area);
        self.drawn.cursor = None;
        let title = self.span(format!(" {title} "), Role::ScreenChip);
        let inner = self.frame(area, title.into(), true);
        let padding = u16::from(inner.width > 40);
        Rect { x: inner.x + padding, width: inner.width - 2 * padding, ..inner }
    }

    /// Erases what was drawn in an area.
    pub fn clear(&mut self, area: Rect) {
        Clear.render(area, self.buf);
        if let Some(ground) = self.theme.ground() {
            self.buf.set_style(area, ground);
        }
    }

    /// Styles a line as selected. Its parts lose their own colours, which might not be readable on the selection.
    pub fn selected(&self, mut line: Line<'static>) -> Line<'static> {
        let style = self.style(Role::Selected);
        line.spans.iter_mut().for_each(|span| span.style = span.style.patch(style));
        line
    }

    /// Records that the mouse hits `target` in an area.
    pub fn target(&mut self, area: Rect, target: Target) {
        let Rect { x, y, width, height } = area;
        self.drawn.targets.push((Area { x, y, width, height }, target));
    }

    /// Breaks a text into lines and returns at most the first `most` of them; `…` replaces the rest.
    pub fn clipped(&self, text: &str, columns: u16, most: usize, role: Role) -> Vec<Line<'static>> {
        let mut lines = wrap(text, columns);
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                *last = text::fit(&format!("{last}{}", " ".repeat(usize::from(columns))), usize::from(columns));
            }
        }
        lines.into_iter().map(|line| self.span(line, role).into()).collect()
    }

    /// Breaks a text into lines in the style of a role. The text must be the program's own, or have passed
    /// `display_safe`.
    pub fn wrapped(&self, text: &str, columns: u16, role: Role) -> Vec<Line<'static>> {
        wrap(text, columns).into_iter().map(|line| self.span(line, role).into()).collect()
    }
}

/// Whether a screen of this size shows all panes at once.
pub const fn shows_all(area: Rect) -> bool {
    area.width >= ALL_PANES.0 && area.height >= ALL_PANES.1
}

/// Breaks a text into lines at spaces. Words too long for a line are broken anywhere.
pub fn wrap(text: &str, columns: u16) -> Vec<String> {
    text::wrap(text, usize::from(columns))
}

/// Returns the part of an area below its first rows.
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Returns the first rows of an area.
pub fn top(area: Rect, rows: u16) -> Rect {
    Rect { height: rows.min(area.height), ..area }
}

/// Returns the last rows of an area.
pub fn bottom(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + area.height - rows, height: rows, ..area }
}

/// Splits an area into the part above its last rows, and those rows.
pub fn split_bottom(area: Rect, rows: u16) -> (Rect, Rect) {
    (Rect { height: area.height.saturating_sub(rows), ..area }, bottom(area, rows))
}

/// Returns the part of an area right of its first columns.
pub fn right_of(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width);
    Rect { x: area.x + columns, width: area.width - columns, ..area }
}

/// Cuts a line so that it fits; `…` replaces what is cut off.
fn cut(line: Line<'static>, columns: usize) -> Line<'static> {
    if line.width() <= columns {
        return line;
    }
    let mut left = columns;
    let mut spans = Vec::new();
    for span in line.spans {
        let width = text::width(&span.content);
        if width < left {
            left -= width;
            spans.push(span);
            continue;
        }
        // More text follows, or the line would have fitted, so room for `…` is kept.
        let mut kept = text::fit(&format!("{}  ", span.content), left);
        if !kept.ends_with('…') {
            kept = text::fit(&format!("{kept}…"), left);
        }
        spans.push(Span::styled(kept, span.style));
        break;
    }
    Line { spans, ..line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_always_says_so_and_always_fits() {
        for columns in 1..12 {
            let line = cut(Line::from(vec![Span::raw("ab"), Span::raw("cdef"), Span::raw("ghijkl")]), columns);
            let shown: String = line.spans.iter().map(|span| &*span.content).collect();
            assert!(text::width(&shown) <= columns && shown.ends_with('…'), "{columns}: {shown:?}");
        }
        assert_eq!(cut(Line::from("abc"), 3).width(), 3);
    }
}

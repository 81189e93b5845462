//! Facts that only drawing knows: where things are on the screen, and when the picture changes next.

use std::time::Duration;

use super::action::Action;
use super::overlay::SettingsField;
use super::pane::issuers::IssuerField;
use super::pane::timeline::Axis;
use super::pane::{Field, Pane};
use crate::auth::NumericDate;
use crate::text::Span;

/// Facts about a drawn frame.
#[derive(Clone, Debug, Default)]
pub struct FrameInfo {
    /// The position of the terminal's cursor: column and row.
    pub cursor: Option<(u16, u16)>,
    /// Areas that react to the mouse; later ones are on top.
    pub targets: Vec<(Area, Target)>,
    /// The instant that the frame shows.
    pub at: NumericDate,
    /// The time from that instant to the next change of a shown time, if any.
    pub holds: Option<Span>,
    /// When something that follows the real clock changes next, on the monotonic clock; `None` if nothing does.
    pub real_until: Option<Duration>,
    /// The rows that each list shows.
    pub rows: PerField<Window>,
    /// The columns that each table shows.
    pub columns: PerField<Window>,
    /// How far each text can be scrolled.
    pub ends: PerField<usize>,
    /// The range of time that the timeline shows.
    pub axis: Option<Axis>,
    /// How far the top overlay can be scrolled.
    pub overlay_end: usize,
    /// How many rows the top overlay shows.
    pub overlay_rows: usize,
}

/// A value for each field that was drawn. Other fields have the default.
#[derive(Clone, Debug, Default)]
pub struct PerField<T>(Vec<(Field, T)>);

impl<T: Copy + Default> PerField<T> {
    /// Returns the value stored for a field.
    pub fn get(&self, field: Field) -> T {
        self.0.iter().find(|(known, _)| *known == field).map_or_else(T::default, |(_, value)| *value)
    }

    /// Stores the value for a field.
    pub fn set(&mut self, field: Field, value: T) {
        match self.0.iter_mut().find(|(known, _)| *known == field) {
            Some((_, known)) => *known = value,
            None => self.0.push((field, value)),
        }
    }
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first row shown.
    pub first: usize,
    /// How many rows fit.
    pub rows: usize,
}

impl Window {
    /// Returns the window of `rows` rows that shows `row` of `len` rows with the least scrolling.
    #[must_use]
    pub fn around(self, row: usize, rows: usize, len: usize) -> Self {
        let first = self.first.min(row).max((row + 1).saturating_sub(rows)).min(len.saturating_sub(rows));
        Self { first, rows }
    }
}

/// A rectangle of cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Area {
    const fn holds(self, column: u16, row: u16) -> bool {
        column >= self.x && row >= self.y && column - self.x < self.width && row - self.y < self.height
    }
}

/// A target for the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; rows count from the top of the whole list")]
pub enum Target {
    Pane(Pane),
    Field(Field),
    /// A row of a list, or one of several ticks.
    Row(Field, usize),
    /// A cell of a table: row and column. For a bar of the timeline, the column is the screen column at which the axis
    /// begins.
    Cell(Field, usize, usize),
    PaletteRow(usize),
    Setting(SettingsField),
    IssuerField(IssuerField),
    Do(Action),
    /// A button that runs the pane's action of Enter, wherever the focus is.
    Button(Pane),
    /// An overlay's own area, which blocks clicks on the panes below.
    Overlay,
    /// The area outside an overlay; a click there closes it.
    Backdrop,
}

impl FrameInfo {
    /// Whether a field is on the screen.
    pub fn shows(&self, field: Field) -> bool {
        self.targets.iter().any(|(_, target)| *target == Target::Field(field))
    }

    /// Returns the scroll positions that the next frame starts from.
    #[must_use]
    pub fn kept(&self, at: NumericDate) -> Self {
        Self { at, rows: self.rows.clone(), columns: self.columns.clone(), ..Self::default() }
    }

    /// Returns how many rows `by` pages of a list are. Pages overlap by a row.
    pub(super) fn page(&self, field: Field, by: isize) -> isize {
        by.saturating_mul(self.rows.get(field).rows.max(2).cast_signed() - 1)
    }

    /// Returns the topmost target at this position.
    pub fn hit(&self, column: u16, row: u16) -> Option<Target> {
        self.targets.iter().rev().find(|(area, _)| area.holds(column, row)).map(|(_, target)| *target)
    }

    /// Returns the pane at this position, ignoring other targets.
    pub fn pane_at(&self, column: u16, row: u16) -> Option<Pane> {
        self.targets.iter().rev().find_map(|(area, target)| match target {
            Target::Pane(pane) if area.holds(column, row) => Some(*pane),
            _ => None,
        })
    }

    /// Records that a shown time changes this long after the instant that the frame shows.
    pub fn changes_in(&mut self, span: Span) {
        self.holds = Some(self.holds.map_or(span, |known| known.min(span)));
    }

    /// Records that something that follows the real clock changes at this instant of the monotonic clock.
    pub fn really_changes_at(&mut self, until: Duration) {
        self.real_until = Some(self.real_until.map_or(until, |known| known.min(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_scrolls_only_as_far_as_it_must() {
        let window = Window { first: 5, rows: 4 };
        assert_eq!(window.around(6, 4, 100).first, 5);
        assert_eq!(window.around(9, 4, 100).first, 6);
        assert_eq!(window.around(0, 4, 100).first, 0);
        assert_eq!(window.around(1, 4, 3).first, 0);
    }
}

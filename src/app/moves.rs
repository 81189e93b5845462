//! Moves between panes, fields, rows and choices. The pane's file defines the effect of a move in a field.

use super::App;
use super::field::TextField;
use super::focus::Focus;
use super::list::{moved, turned};
use super::pane::call::FORM;
use super::pane::{Control, Field, Pane};
use super::screen::{Screen, TWO_COLUMNS};

/// A number of pages greater than any list has.
const TO_THE_END: isize = 1 << 20;

impl App {
    /// Focuses a pane or a field, switching to its screen if necessary, for example after undo.
    pub(super) fn go(&mut self, to: Focus) {
        let shows = |screen: &Screen| screen.panes().contains(&to.pane);
        if !shows(&self.screen)
            && let Some(other) = Screen::ALL.into_iter().find(shows)
        {
            self.screen = other;
        }
        if to.field != Some(FORM) {
            self.call.stop_editing();
        }
        self.focus = to;
    }

    /// Shows a screen. The focused pane keeps the focus if the screen has it; otherwise the screen's first pane gets
    /// it.
    pub(super) fn show(&mut self, screen: Screen) {
        self.screen = screen;
        // Activity is on every screen, but a user who changes the screen wants to use its own panes. Where only one pane
        // is shown, another one must come, or the key would seem to do nothing.
        let is_alone = self.size.0 < TWO_COLUMNS.0 || self.size.1 < TWO_COLUMNS.1;
        if self.focus.pane == Pane::Activity || is_alone || !screen.panes().contains(&self.focus.pane) {
            self.go(Focus::landing(screen.panes()[0]));
        } else if self.text_field().is_some() {
            self.go(Focus::landing(self.focus.pane));
        }
    }

    /// Focuses a field as in a form: the first typed character replaces its one-line text.
    pub(super) fn enter(&mut self, to: Focus) {
        if let Some(text) = to.field.and_then(|field| self.text_mut(field)) {
            text.replaced_by_typing = !text.is_empty() && !text.has_lines();
        }
        self.go(to);
    }

    pub(super) fn turn(&mut self, by: isize) {
        match self.focus.control() {
            Some(control) => {
                if let Some(turn) = control.turn {
                    (turn.by)(self, by);
                }
            }
            None => self.go_pane(by),
        }
    }

    /// Moves to the row or field above or below. Unlike [`App::row`], it never changes a value.
    pub(super) fn line(&mut self, by: isize) {
        self.enter_cursor(|control| control.row.is_some());
        match self.focus.field.filter(|field| field.control().is_dial) {
            Some(field) => self.step_within(field, by),
            None => self.row(by),
        }
    }

    /// Moves the focus from the pane to its list or table, if a letter moves the cursor there.
    fn enter_cursor(&mut self, moves: fn(&Control) -> bool) {
        let landing = Focus::landing(self.focus.pane);
        if self.focus.field.is_none() && landing.control().is_some_and(|control| moves(control) && !control.is_dial) {
            self.go(landing);
        }
    }

    fn step_within(&mut self, field: Field, by: isize) {
        let fields: Vec<Field> = field.pane.fields().collect();
        let at = fields.iter().position(|one| *one == field).unwrap_or(0);
        self.enter(Focus::at(fields[moved(at, by, fields.len())]));
    }

    /// Moves along the row of a table, or else to the next pane. It never changes a choice, because that has an effect;
    /// only the arrows do.
    pub(super) fn side(&mut self, by: isize) {
        self.enter_cursor(|control| control.row.is_some() && control.turn.is_some());
        match self.focus.control() {
            Some(control)
                if control.row.is_some() && control.turn.is_some() && !control.is_dial && !control.turns_value =>
            {
                self.turn(by);
            }
            _ => self.go_pane(by),
        }
    }

    fn go_pane(&mut self, by: isize) {
        let panes = self.screen.panes();
        let at = panes.iter().position(|pane| *pane == self.focus.pane).unwrap_or(0);
        self.go(Focus { pane: panes[turned(at, by, panes.len())], field: None });
    }

    pub(super) fn row(&mut self, by: isize) {
        match (self.focus.field, self.focus.control().and_then(|control| control.row)) {
            (None, _) => self.go_pane(by),
            (Some(_), Some(row)) => (row.by)(self, by),
            (Some(field), None) => self.step_within(field, by),
        }
    }

    pub(super) fn page(&mut self, by: isize) {
        if let Some(page) = self.focus.pane.place().page {
            (page.by)(self, by);
        }
    }

    /// Runs the field's function for Home and End, or moves to one end of the pane's list.
    pub(super) fn edge(&mut self, by: isize) {
        match self.focus.control().and_then(|control| control.edge) {
            Some(edge) => (edge.by)(self, by),
            None => self.page(by.saturating_mul(TO_THE_END)),
        }
    }

    /// Handles a turn of the mouse wheel over a pane.
    pub(super) fn wheel(&mut self, pane: Pane, by: isize) {
        if let Some(wheel) = pane.place().wheel {
            wheel(self, by);
        }
    }

    /// Returns the text field that receives the keys, if it belongs to a pane and is not covered by an overlay.
    pub(super) fn text_field(&self) -> Option<Field> {
        self.focus.field.filter(|field| self.overlays.is_empty() && self.text(*field).is_some())
    }

    /// Returns the text that a field edits, if it is a text field.
    pub fn text(&self, field: Field) -> Option<&TextField> {
        field.control().text.filter(|text| (text.is_open)(self)).map(|text| (text.get)(self))
    }

    pub(super) fn text_mut(&mut self, field: Field) -> Option<&mut TextField> {
        field.control().text.filter(|text| (text.is_open)(self)).map(|text| (text.get_mut)(self))
    }

    /// Changes a field's text as a step that can be undone.
    pub(super) fn edit(&mut self, field: Field, change: impl FnOnce(&mut TextField)) {
        let Some(text) = field.control().text else {
            return;
        };
        let mut edited = (text.get)(self).clone();
        change(&mut edited);
        let is_changed = edited.text() != (text.get)(self).text();
        if is_changed {
            (text.changes)(self, field);
        }
        *(text.get_mut)(self) = edited;
        if is_changed {
            (text.changed)(self);
        }
    }
}

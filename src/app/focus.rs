//! Keyboard focus: a pane, and a field in it.

use super::list::turned;
use super::pane::{Act, Control, Field, Pane};
use super::screen::Screen;

/// The pane, and perhaps the field, that receives keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Focus {
    /// The pane.
    pub pane: Pane,
    /// The field in it; `None` while digits and arrows choose among panes.
    pub field: Option<Field>,
}

impl Focus {
    /// Returns the focus on the first field of a pane.
    pub fn first(pane: Pane) -> Self {
        Self { pane, field: pane.fields().next() }
    }

    /// Returns the focus after entering a pane.
    pub fn entering(pane: Pane) -> Self {
        pane.place().start.map_or_else(|| Self::first(pane), Self::at)
    }

    /// Returns the focus after a change of pane or screen: like [`Focus::entering`], but never in a text field, which
    /// would receive the next keys.
    pub fn landing(pane: Pane) -> Self {
        let to = Self::entering(pane);
        let is_text = to.control().is_some_and(|control| control.text.is_some());
        Self { field: to.field.filter(|_| !is_text), ..to }
    }

    /// Returns the focus on a field.
    pub const fn at(field: Field) -> Self {
        Self { pane: field.pane, field: Some(field) }
    }

    /// Returns the control of the focused field.
    pub fn control(self) -> Option<&'static Control> {
        self.field.map(Field::control)
    }

    /// Returns the action of Enter: the field's, or else the pane's.
    pub fn act(self) -> Option<Act> {
        self.control().and_then(|control| control.act).or(self.pane.place().act)
    }

    /// Returns the focus on the next (`1`) or previous (`-1`) field, across the panes of a screen.
    #[must_use]
    pub fn stepped(self, screen: Screen, by: isize) -> Self {
        let all: Vec<Field> = screen.panes().into_iter().flat_map(Pane::fields).collect();
        let Some(field) = self.field else {
            let mut fields = self.pane.fields();
            return Self { field: if by > 0 { fields.next() } else { fields.next_back() }, ..self };
        };
        let at = all.iter().position(|f| *f == field).unwrap_or(0);
        Self::at(all[turned(at, by, all.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tab_alone_reaches_every_field_and_comes_back() {
        for screen in Screen::ALL {
            let start = Focus::first(screen.panes()[0]);
            let mut seen = vec![];
            let mut focus = start;
            loop {
                seen.extend(focus.field);
                focus = focus.stepped(screen, 1);
                if focus == start {
                    break;
                }
                assert_eq!(focus.stepped(screen, -1).field, seen.last().copied());
            }
            assert_eq!(seen.len(), screen.panes().into_iter().map(|pane| pane.fields().len()).sum::<usize>());
        }
    }
}

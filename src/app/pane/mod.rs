//! The panes. The state and behaviour of each is in its file here; its picture is in the file of the same name under
//! `view/pane/`. This file lists the panes, defines which screen shows which, and defines what a pane's file provides.
//!
//! A key that works in a pane is one constant with the footer's word and the function beside it. State that several
//! panes share (the selected token, the tool, the clock, the history) is in `App` and the files beside this folder.

pub mod activity;
pub mod call;
pub mod clock;
pub mod connect;
pub mod drill;
pub mod inspect;
pub mod issue;
pub mod issuers;
pub mod keys;
pub mod kit;
pub mod matrix;
pub mod policy;
pub mod server;
pub mod targets;
pub mod timeline;
pub mod tokens;
pub mod traffic;
pub mod who;
pub mod why;

use super::action::Action;
use super::clipboard::ClipSource;
use super::field::TextField;
use super::screen::Screen;
use super::{App, Effect};

/// A pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the title of each is in its file")]
pub enum Pane {
    Issue,
    Tokens,
    Inspect,
    Call,
    Activity,
    Matrix,
    Policy,
    Who,
    Timeline,
    Clock,
    Drill,
    Kit,
    Server,
    Traffic,
    Connect,
    Issuers,
    Keys,
    Targets,
    Why,
}

impl Pane {
    /// Every pane.
    pub const ALL: [Self; 19] = [
        Self::Issue,
        Self::Tokens,
        Self::Inspect,
        Self::Call,
        Self::Activity,
        Self::Matrix,
        Self::Policy,
        Self::Who,
        Self::Timeline,
        Self::Clock,
        Self::Drill,
        Self::Kit,
        Self::Server,
        Self::Traffic,
        Self::Connect,
        Self::Issuers,
        Self::Keys,
        Self::Targets,
        Self::Why,
    ];

    /// Returns the pane that a letter focuses.
    pub fn by_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|pane| pane.place().letter == letter)
    }

    /// Returns the definition in the pane's file.
    pub const fn place(self) -> &'static Place {
        match self {
            Self::Issue => &issue::PLACE,
            Self::Tokens => &tokens::PLACE,
            Self::Inspect => &inspect::PLACE,
            Self::Call => &call::PLACE,
            Self::Activity => &activity::PLACE,
            Self::Matrix => &matrix::PLACE,
            Self::Policy => &policy::PLACE,
            Self::Who => &who::PLACE,
            Self::Timeline => &timeline::PLACE,
            Self::Clock => &clock::PLACE,
            Self::Drill => &drill::PLACE,
            Self::Kit => &kit::PLACE,
            Self::Server => &server::PLACE,
            Self::Traffic => &traffic::PLACE,
            Self::Connect => &connect::PLACE,
            Self::Issuers => &issuers::PLACE,
            Self::Keys => &keys::PLACE,
            Self::Targets => &targets::PLACE,
            Self::Why => &why::PLACE,
        }
    }

    /// Returns the title on the screen.
    pub const fn title(self) -> &'static str {
        self.place().title
    }

    /// Returns its fields, in the order of Tab.
    pub fn fields(self) -> impl DoubleEndedIterator<Item = Field> + ExactSizeIterator {
        self.place().controls.iter().map(|control| control.field)
    }
}

impl Screen {
    /// Returns its panes, in the order of the digits. Tokens, Call and Activity are the same on every screen that shows
    /// them.
    pub const fn panes(self) -> [Pane; 5] {
        match self {
            Self::Gate => [Pane::Issue, Pane::Tokens, Pane::Inspect, Pane::Call, Pane::Activity],
            Self::Matrix => [Pane::Matrix, Pane::Policy, Pane::Who, Pane::Call, Pane::Activity],
            Self::Time => [Pane::Timeline, Pane::Clock, Pane::Drill, Pane::Kit, Pane::Activity],
            Self::Server => [Pane::Server, Pane::Tokens, Pane::Traffic, Pane::Connect, Pane::Activity],
            Self::Issuers => [Pane::Issuers, Pane::Tokens, Pane::Inspect, Pane::Keys, Pane::Activity],
            Self::Targets => [Pane::Targets, Pane::Tokens, Pane::Why, Pane::Call, Pane::Activity],
        }
    }
}

/// A field of a pane: the pane, and the index in its table of controls. Each has a named constant in the pane's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// The pane it belongs to.
    pub pane: Pane,
    index: usize,
}

impl Field {
    const fn new(pane: Pane, index: usize) -> Self {
        Self { pane, index }
    }

    /// Returns its row in the pane's table.
    pub fn control(self) -> &'static Control {
        &self.pane.place().controls[self.index]
    }

    /// Returns the label beside it.
    pub fn label(self) -> &'static str {
        self.control().label
    }
}

/// The definition of a pane. `..Place::DEFAULT` fills in what the pane does not have.
pub struct Place {
    /// The title on the screen.
    pub title: &'static str,
    /// The letter that focuses it while no text is being edited.
    pub letter: char,
    /// The help paragraph about the pane's purpose.
    pub help: &'static str,
    /// Its fields, in the order of Tab; at least one.
    pub controls: &'static [Control],
    /// The field that is focused on entering the pane, if it is not the first one. It never changes, so that a user can
    /// press a digit without looking.
    pub start: Option<Field>,
    /// Returns the note beside the title in a pane with this many columns; may be empty.
    pub note: fn(&App, usize) -> String,
    /// The action of Enter, in fields without an action of their own.
    pub act: Option<Act>,
    /// The action of Del and of the command that removes.
    pub remove: Option<Act>,
    /// The move of Page Up and Page Down.
    pub page: Option<Move>,
    /// The move of the mouse wheel, wherever the focus is.
    pub wheel: Option<fn(&mut App, isize)>,
    /// Actions that work in every pane and that the footer shows in this one.
    pub offers: &'static [(Action, Hint)],
    /// The text that Ctrl-Y copies.
    pub copy: ClipSource,
    /// The explanation that Ctrl-X copies.
    pub why: ClipSource,
}

impl Place {
    /// The defaults of a definition; a pane's file sets at least title, letter, help and controls.
    const DEFAULT: Self = Self {
        title: "",
        letter: ' ',
        help: "",
        controls: &[],
        start: None,
        note: |_, _| String::new(),
        act: None,
        remove: None,
        page: None,
        wheel: None,
        offers: &[],
        copy: ClipSource::NONE,
        why: ClipSource::NONE,
    };
}

/// A field of a pane: its label and its keys. A key that is not set has no effect.
pub struct Control {
    /// The field.
    pub field: Field,
    /// The label beside it.
    pub label: &'static str,
    /// The text it edits, if any.
    pub text: Option<Text>,
    /// The action of Enter, if it differs from the pane's.
    pub act: Option<Act>,
    /// The action of Space.
    pub tick: Option<Act>,
    /// The action of Del, if it differs from the pane's.
    pub remove: Option<Act>,
    /// The move of Left and Right.
    pub turn: Option<Move>,
    /// The move of Up and Down. Without one, they focus the field above or below.
    pub row: Option<Move>,
    /// The move of Home and End. Without one, they go to the ends of the pane's list.
    pub edge: Option<Move>,
    /// Whether the arrows change a value instead of moving a cursor. Letters only move, so they do not change the
    /// value.
    pub is_dial: bool,
    /// Whether Left and Right change the value of the row under the cursor, which letters must not do.
    pub turns_value: bool,
    /// The action of a click on one of its rows or cells.
    pub click: Option<fn(&mut App, Spot) -> Vec<Effect>>,
}

impl Control {
    const fn new(field: Field, label: &'static str) -> Self {
        Self {
            field,
            label,
            text: None,
            act: None,
            tick: None,
            remove: None,
            turn: None,
            row: None,
            edge: None,
            is_dial: false,
            turns_value: false,
            click: None,
        }
    }

    const fn text(
        self,
        get: fn(&App) -> &TextField,
        get_mut: fn(&mut App) -> &mut TextField,
        changes: fn(&mut App, Field),
    ) -> Self {
        Self { text: Some(Text { get, get_mut, changes, is_open: |_| true, changed: |_| {} }), ..self }
    }

    /// Makes the field a text only while `is_open` says so; `changed` is called after each change of it.
    const fn opens(self, is_open: fn(&App) -> bool, changed: fn(&mut App)) -> Self {
        match self.text {
            Some(text) => Self { text: Some(Text { is_open, changed, ..text }), ..self },
            None => self,
        }
    }

    const fn act(self, hint: Hint, run: fn(&mut App) -> Vec<Effect>) -> Self {
        Self { act: Some(Act { hint, run }), ..self }
    }

    const fn tick(self, hint: Hint, run: fn(&mut App) -> Vec<Effect>) -> Self {
        Self { tick: Some(Act { hint, run }), ..self }
    }

    const fn remove(self, hint: Hint, run: fn(&mut App) -> Vec<Effect>) -> Self {
        Self { remove: Some(Act { hint, run }), ..self }
    }

    const fn turn(self, hint: Hint, by: fn(&mut App, isize)) -> Self {
        Self { turn: Some(Move { hint, by }), ..self }
    }

    const fn row(self, hint: Hint, by: fn(&mut App, isize)) -> Self {
        Self { row: Some(Move { hint, by }), ..self }
    }

    const fn edge(self, hint: Hint, by: fn(&mut App, isize)) -> Self {
        Self { edge: Some(Move { hint, by }), ..self }
    }

    const fn dial(self) -> Self {
        Self { is_dial: true, ..self }
    }

    const fn turns_value(self) -> Self {
        Self { turns_value: true, ..self }
    }

    const fn click(self, click: fn(&mut App, Spot) -> Vec<Effect>) -> Self {
        Self { click: Some(click), ..self }
    }
}

/// Returns the footer's word for a key; `None` while the key has no effect.
pub type Hint = fn(&App) -> Option<&'static str>;

/// A key's hint and its function.
#[derive(Clone, Copy)]
pub struct Act {
    /// The word in the footer.
    pub hint: Hint,
    /// The function to run.
    pub run: fn(&mut App) -> Vec<Effect>,
}

/// A pair of keys that move a cursor or change a choice, back (negative) or forward (positive).
#[derive(Clone, Copy)]
pub struct Move {
    /// The word in the footer.
    pub hint: Hint,
    /// The function to run, with the number of steps.
    pub by: fn(&mut App, isize),
}

/// A text that a field edits.
#[derive(Clone, Copy)]
pub struct Text {
    /// The text.
    pub get: fn(&App) -> &TextField,
    /// The text, for editing.
    pub get_mut: fn(&mut App) -> &mut TextField,
    /// Called before an edit changes the text, to store it for undo. Text that has no effect until it is submitted does
    /// not need undo.
    pub changes: fn(&mut App, Field),
    /// Whether keys are typed into it. A list whose rows are edited one at a time has an open text only meanwhile.
    pub is_open: fn(&App) -> bool,
    /// Called after an edit has changed the text.
    pub changed: fn(&mut App),
}

/// The clicked position in a list or a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The row, counted from the top of the whole list.
    pub row: usize,
    /// The column of a table, or the screen column at which a bar begins.
    pub column: usize,
    /// The screen column of the click.
    pub x: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_where_its_name_says() {
        for pane in Screen::ALL.into_iter().flat_map(Screen::panes) {
            let place = pane.place();
            assert!(!place.controls.is_empty() && !place.help.is_empty(), "{pane:?}");
            for (index, control) in place.controls.iter().enumerate() {
                assert_eq!(control.field, Field::new(pane, index), "{}", control.label);
            }
            assert!(place.start.is_none_or(|start| start.pane == pane), "{pane:?}");
        }
    }

    #[test]
    fn every_pane_of_a_screen_is_in_the_list_of_all() {
        for pane in Screen::ALL.into_iter().flat_map(Screen::panes) {
            assert!(Pane::ALL.contains(&pane), "{pane:?} is missing in Pane::ALL");
        }
    }

    #[test]
    fn the_digit_of_a_pane_is_the_same_on_every_screen() {
        let digit = |screen: Screen, pane| screen.panes().iter().position(|shown| *shown == pane);
        for (one, other) in Screen::ALL.into_iter().flat_map(|one| Screen::ALL.map(|other| (one, other))) {
            for pane in one.panes().into_iter().filter(|pane| other.panes().contains(pane)) {
                assert_eq!(digit(one, pane), digit(other, pane), "{pane:?}");
            }
        }
    }
}

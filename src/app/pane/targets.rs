//! The Targets pane: the servers that calls can go to, connecting them, adding and removing them.

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::action::Action;
use crate::app::field::{Lines, TextField};
use crate::app::focus::Focus;
use crate::app::list::moved;
use crate::app::targets::{ForeignTarget, Link, TargetDraft};
use crate::app::{App, Effect};

/// The list of targets; the first row is our own gate.
pub const LIST: Field = Field::new(Pane::Targets, 0);
/// The URL or the command of a target to add.
pub const ADDRESS: Field = Field::new(Pane::Targets, 1);
/// The name of a target to add.
pub const NAME: Field = Field::new(Pane::Targets, 2);
/// A header of a target to add.
pub const HEADER: Field = Field::new(Pane::Targets, 3);

pub(super) static PLACE: Place = Place {
    title: "Targets",
    letter: 'u',
    help: "Where calls go: our own gate, or an MCP server that decides for itself. Enter selects a server, connects it with the selected token and counts its tools; they are listed in Call and as the columns of Matrix. Call then calls it for real, and Why explains its last answer. ● marks the selected one, ▸ the cursor. Space connects again, with the token that is selected then; Ctrl-N names a server and Del removes it. To add one, go below the last row and type its URL, or -- and a command for a server over standard input and output. A header is written as Name: value; a value env:NAME is taken from the environment.",
    controls: &[
        Control::new(LIST, "targets")
            .tick(|app| app.pointed_target().map(|_| "reconnect"), reconnect)
            .row(|_| Some("rows"), step)
            .click(|app, spot| {
                app.go(Focus::at(LIST));
                app.targets_pane.row = spot.row;
                Vec::new()
            }),
        Control::new(ADDRESS, "add")
            .text(|app| &app.targets_pane.address, |app| &mut app.targets_pane.address, |_, _| {})
            .act(|_| Some("add"), add),
        Control::new(NAME, "name")
            .text(|app| &app.targets_pane.name, |app| &mut app.targets_pane.name, |_, _| {})
            .act(|_| Some("add"), add),
        Control::new(HEADER, "header")
            .text(|app| &app.targets_pane.header, |app| &mut app.targets_pane.header, |_, _| {})
            .act(|_| Some("add"), add),
    ],
    note: |app, _| (app.targets.foreign().len() + 1).to_string(),
    act: Some(Act {
        hint: |app| {
            Some(match app.pointed_target().map(|target| &target.link) {
                // One that is being connected can be selected in the meantime.
                None | Some(Link::Connecting { .. }) => "select",
                Some(_) => "connect",
            })
        },
        run: choose,
    }),
    remove: Some(Act {
        hint: |app| app.pointed_target().filter(|_| app.focus.field == Some(LIST)).map(|_| "remove"),
        run: remove,
    }),
    offers: &[(Action::Label, |app| app.pointed_target().filter(|_| app.focus.field == Some(LIST)).map(|_| "name"))],
    page: Some(Move { hint: |_| None, by: |app, by| step(app, app.drawn.page(LIST, by)) }),
    wheel: Some(step),
    ..Place::DEFAULT
};

/// The state of the Targets pane.
pub struct TargetsPane {
    /// The row under the cursor: our own gate, or a foreign target.
    pub row: usize,
    /// The URL or the command of a target to add.
    pub address: TextField,
    /// Its name.
    pub name: TextField,
    /// Its header.
    pub header: TextField,
}

impl Default for TargetsPane {
    fn default() -> Self {
        let empty = || TextField::new("", Lines::One);
        Self { row: 0, address: empty(), name: empty(), header: empty() }
    }
}

/// Moves the cursor; below the last row are the fields.
fn step(app: &mut App, by: isize) {
    let last = app.targets.foreign().len();
    if by == 1 && app.targets_pane.row >= last && app.focus.field == Some(LIST) {
        app.go(Focus::at(ADDRESS));
    } else {
        app.targets_pane.row = moved(app.targets_pane.row, by, last + 1);
    }
}

/// Selects the target under the cursor, and connects it.
fn choose(app: &mut App) -> Vec<Effect> {
    let number = app.pointed_target().map(|target| target.number);
    app.select_target(number);
    if let Some(number) = number {
        return app.connect_target(number);
    }
    app.say("calls go to our own gate");
    Vec::new()
}

fn reconnect(app: &mut App) -> Vec<Effect> {
    app.pointed_target().map(|target| target.number).map(|number| app.connect_target(number)).unwrap_or_default()
}

fn remove(app: &mut App) -> Vec<Effect> {
    if let Some(number) = app.pointed_target().map(|target| target.number) {
        return app.remove_target(number);
    }
    app.complain("our own gate cannot be removed");
    Vec::new()
}

/// Adds the target in the fields.
fn add(app: &mut App) -> Vec<Effect> {
    let pane = &app.targets_pane;
    let typed = |field: &TextField| field.text().trim().to_owned();
    let draft = TargetDraft {
        place: typed(&pane.address),
        name: typed(&pane.name),
        headers: Some(typed(&pane.header)).filter(|header| !header.is_empty()).into_iter().collect(),
    };
    if draft.place.is_empty() {
        app.complain("enter the URL of an MCP endpoint, or -- and a command");
        return Vec::new();
    }
    app.add_target(draft)
}

impl App {
    /// The foreign target under the cursor of the list.
    pub fn pointed_target(&self) -> Option<&ForeignTarget> {
        self.targets.foreign().get(self.targets_pane.row.checked_sub(1)?)
    }

    /// Moves the cursor of the list to the selected target.
    pub(in crate::app) fn point_at_target(&mut self) {
        let selected = self.target().map(|target| target.number);
        let place = self.targets.foreign().iter().position(|target| Some(target.number) == selected);
        self.targets_pane.row = place.map_or(0, |place| place + 1);
    }

    /// Empties the fields after a target was added, and goes to the list.
    pub(in crate::app) fn clear_target_form(&mut self) {
        self.targets_pane = TargetsPane { row: self.targets_pane.row, ..TargetsPane::default() };
        if self.focus.pane == Pane::Targets {
            self.go(Focus::at(LIST));
        }
    }
}

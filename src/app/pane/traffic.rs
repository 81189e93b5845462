//! The Traffic pane: the clients that have connected, and the cursor among them.

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::clipboard::ClipSource;
use crate::app::focus::Focus;
use crate::app::list::moved;
use crate::app::{App, Effect};
use crate::gate::traffic::Client;
use crate::text::words;

/// The list of clients.
pub const LIST: Field = Field::new(Pane::Traffic, 0);

pub(super) static PLACE: Place = Place {
    title: "Traffic",
    letter: 'f',
    help: "Clients that connected, their tokens, and refused requests. ↑ ↓ choose a client, Enter selects its token, Space revokes it: its next call is refused.",
    controls: &[Control::new(LIST, "clients")
        .tick(
            |app| app.revoke_hint(app.client()?.token),
            |app| app.revoke_by_id(app.client().and_then(|client| client.token)),
        )
        .row(|_| Some("rows"), step)
        .click(|app, spot| {
            app.go(Focus::at(LIST));
            app.traffic.row = spot.row;
            Vec::new()
        })],
    note: |app, _| words::count(app.auth.traffic.clients().len(), "client"),
    act: Some(Act { hint: |app| app.client().map(|_| "select its token"), run: select_token }),
    page: Some(Move { hint: |_| None, by: |app, by| step(app, app.drawn.page(LIST, by)) }),
    wheel: Some(step),
    copy: ClipSource::ADDRESS,
    ..Place::DEFAULT
};

/// The state of the Traffic pane.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrafficPane {
    /// The row of the client under the cursor. The client with the latest request is in row 0.
    pub row: usize,
}

impl App {
    /// Returns the client under the cursor.
    pub fn client(&self) -> Option<&Client> {
        self.auth.traffic.clients().get(self.traffic.row)
    }
}

fn step(app: &mut App, by: isize) {
    app.traffic.row = moved(app.traffic.row, by, app.auth.traffic.clients().len());
}

/// Selects the token of the client under the cursor.
fn select_token(app: &mut App) -> Vec<Effect> {
    let Some(id) = app.client().map(|client| client.token) else {
        app.complain("no clients have connected yet");
        return Vec::new();
    };
    if app.select_by_id(id) {
        let name = app.selected().map(|entry| app.token_name(entry)).unwrap_or_default();
        app.say(format!("{name} is selected"));
    }
    Vec::new()
}

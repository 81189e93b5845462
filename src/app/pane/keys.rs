//! The Keys pane: the keys of the issuer under the cursor of the Issuers pane.

use super::{Act, Control, Field, Move, Pane, Place, issuers};
use crate::app::App;
use crate::app::clipboard::{Clip, ClipSource};
use crate::app::focus::Focus;
use crate::app::list::moved;
use crate::auth::Verifier;

/// The list of keys.
pub const LIST: Field = Field::new(Pane::Keys, 0);

pub(super) static PLACE: Place = Place {
    title: "Keys",
    letter: 'y',
    help: "The keys of the issuer chosen in Issuers: kid, algorithm, size; keys of its set that cannot be used, by reason; when they were fetched and when they are refreshed. ● marks the keys that the selected token names. Space refreshes them, Ctrl-Y copies the public key set. Of the keys of the console itself, the one that signs is marked; Ctrl-P, rotate makes another one sign, and Del retires a previous one.",
    controls: &[Control::new(LIST, "keys")
        .tick(|app| app.chosen_source().map(|_| "refresh"), App::refresh_keys)
        .row(|_| Some("rows"), step)
        .click(|app, spot| {
            app.go(Focus::at(LIST));
            app.keys_pane.row = spot.row;
            Vec::new()
        })],
    note: |app, columns| {
        let name = app.chosen_issuer().map(|(issuer, _)| issuers::issuer_name(issuer.name.as_deref()));
        name.map_or_else(String::new, |name| crate::text::fit(&name, columns.saturating_sub(14)))
    },
    remove: Some(Act {
        hint: |app| app.retirable_key().map(|_| "retire"),
        run: |app| {
            match app.retirable_key() {
                Some(_) => app.ask_to_retire(),
                None => app.complain("only a previous key of the console can be retired"),
            }
            Vec::new()
        },
    }),
    page: Some(Move { hint: |_| None, by: |app, by| step(app, app.drawn.page(LIST, by)) }),
    wheel: Some(step),
    copy: ClipSource {
        hint: |app| app.shown_keys().iter().any(|key| key.components().is_some()).then_some("copy key set"),
        clip: |app| {
            let keys = app.shown_keys();
            let has_public = keys.iter().any(|key| key.components().is_some());
            has_public.then(|| Clip::new(&issuers::key_set(&keys), "the public key set"))
        },
    },
    ..Place::DEFAULT
};

/// The state of the Keys pane.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeysPane {
    /// The row of the key under the cursor.
    pub row: usize,
}

impl App {
    /// Whether the keys that are shown are those of the console itself.
    pub fn shows_own_keys(&self) -> bool {
        self.issuers.row == 0
    }

    /// The key under the cursor, if it is a previous key of the console.
    pub fn retirable_key(&self) -> Option<Verifier> {
        let key = self.shown_keys().into_iter().nth(self.keys_pane.row)?;
        (self.shows_own_keys() && self.auth.previous.contains(&key)).then_some(key)
    }

    /// Returns the keys of the issuer under the cursor, also those that are too old to be used.
    pub fn shown_keys(&self) -> Vec<Verifier> {
        match self.chosen_issuer() {
            Some((_, Some(status))) => status.keys.to_vec(),
            Some((issuer, None)) => issuer.keys.iter().cloned().collect(),
            None => Vec::new(),
        }
    }
}

fn step(app: &mut App, by: isize) {
    app.keys_pane.row = moved(app.keys_pane.row, by, app.shown_keys().len());
}

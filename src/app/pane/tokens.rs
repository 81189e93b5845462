//! The Tokens pane: the list of tokens, and which of them is selected.

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::focus::Focus;
use crate::app::list::moved;
use crate::app::msg::RemovalReason;
use crate::app::{App, Effect};

/// The list of tokens.
pub const LIST: Field = Field::new(Pane::Tokens, 0);

pub(super) static PLACE: Place = Place {
    title: "Tokens",
    letter: 't',
    help: "Every token issued or pasted (*), with its current status. The selected token is shown in Inspect and used in Call. The first row is a caller without a token.",
    controls: &[Control::new(LIST, "tokens")
        .tick(|app| app.is_revoked().map(|is| if is { "restore" } else { "revoke" }), App::revoke_or_restore)
        .row(|_| Some("rows"), App::step_token)
        .click(|app, spot| {
            app.go(Focus::at(LIST));
            app.choose_token(spot.row);
            Vec::new()
        })],
    note: |app, _| app.auth.tokens.len().to_string(),
    act: Some(Act {
        hint: |_| Some("inspect"),
        run: |app| {
            app.go(Focus::first(Pane::Inspect));
            Vec::new()
        },
    }),
    remove: Some(Act { hint: |app| app.selected().map(|_| "remove"), run: App::remove_token }),
    page: Some(Move { hint: |_| None, by: |app, by| app.step_token(app.drawn.page(LIST, by)) }),
    wheel: Some(App::step_token),
    offers: &[(Action::Label, |app| app.selected().map(|_| "name")), (Action::Diff, App::compare_hint)],
    copy: ClipSource::TOKEN,
    why: ClipSource::TOKENS_WHY,
    ..Place::DEFAULT
};

impl App {
    /// Selects the token `by` rows further down.
    pub(in crate::app) fn step_token(&mut self, by: isize) {
        self.choose_token(moved(self.selected_row(), by, self.auth.tokens.len() + 1));
    }

    pub(in crate::app) fn remove_token(&mut self) -> Vec<Effect> {
        if self.selected.is_none() {
            self.complain("select a token to remove");
        }
        self.selected.map(|number| Effect::Remove(number, RemovalReason::Asked)).into_iter().collect()
    }
}

//! The Issue pane: a form for the next token.

mod form;

pub use form::{FormError, IssueForm};

use super::{Act, Control, Field, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::field::TextField;
use crate::app::focus::Focus;
use crate::app::history::Step;
use crate::app::list::turned;
use crate::app::{App, Effect};
use crate::auth::IssueError;
use crate::text::words;

/// The token's user.
pub const USER_ID: Field = Field::new(Pane::Issue, 0);
/// The policy's permissions, to be ticked.
pub const PERMISSIONS: Field = Field::new(Pane::Issue, 1);
/// Further permissions.
pub const OTHERS: Field = Field::new(Pane::Issue, 2);
/// When the token expires.
pub const EXPIRES: Field = Field::new(Pane::Issue, 3);
/// When the token becomes valid.
pub const NOT_BEFORE: Field = Field::new(Pane::Issue, 4);
/// The `iss` claim.
pub const ISSUER: Field = Field::new(Pane::Issue, 5);
/// The `aud` claim.
pub const AUDIENCE: Field = Field::new(Pane::Issue, 6);
/// Further claims, as a JSON object.
pub const EXTRA: Field = Field::new(Pane::Issue, 7);
/// The preset that fills the form.
pub const PRESET: Field = Field::new(Pane::Issue, 8);
/// The algorithm of the signature.
pub const ALGORITHM: Field = Field::new(Pane::Issue, 9);
/// The `kid` of the header.
pub const KID: Field = Field::new(Pane::Issue, 10);
/// The `typ` of the header.
pub const TYP: Field = Field::new(Pane::Issue, 11);
/// Further members of the header, as a JSON object.
pub const HEADER: Field = Field::new(Pane::Issue, 12);

/// The fields that are shown only when they are used.
pub const FOLDED: [Field; 3] = [KID, TYP, HEADER];

const fn text_field(
    field: Field,
    label: &'static str,
    get: fn(&App) -> &TextField,
    get_mut: fn(&mut App) -> &mut TextField,
) -> Control {
    Control::new(field, label).text(get, get_mut, remember)
}

pub(super) static PLACE: Place = Place {
    title: "Issue",
    letter: 'i',
    help: "Sign a token with the console's key: enter the user and the permissions, then press Enter. A preset fills in the form. The last rows are the token's header: algorithm, kid, typ and further members as JSON; where there is little room, ↓ shows one after another. Times are durations (15m, 1h, 7d, -1m) or timestamps (2026-11-22T20:41:05Z).",
    controls: &[
        text_field(USER_ID, "user_id", |app| &app.issue.user_id, |app| &mut app.issue.user_id),
        Control::new(PERMISSIONS, "permissions")
            .tick(|_| Some("tick"), tick)
            .turn(|_| Some("move"), |app, by| app.issue.tick = turned(app.issue.tick, by, app.issue.ticks.len()))
            .click(|app, spot| {
                app.go(Focus::at(PERMISSIONS));
                app.issue.tick = spot.row;
                app.act(Action::Tick)
            }),
        text_field(OTHERS, "+ others", |app| &app.issue.others, |app| &mut app.issue.others),
        text_field(EXPIRES, "expires in", |app| &app.issue.expires, |app| &mut app.issue.expires),
        text_field(NOT_BEFORE, "not before", |app| &app.issue.not_before, |app| &mut app.issue.not_before),
        text_field(ISSUER, "issuer", |app| &app.issue.issuer, |app| &mut app.issue.issuer),
        text_field(AUDIENCE, "audience", |app| &app.issue.audience, |app| &mut app.issue.audience),
        text_field(EXTRA, "extra claims", |app| &app.issue.extra, |app| &mut app.issue.extra),
        Control::new(PRESET, "preset").turn(
            |_| Some("change preset"),
            |app, by| {
                remember(app, PRESET);
                app.issue.turn_preset(by);
            },
        ),
        Control::new(ALGORITHM, "algorithm").turn(
            |app| app.can_turn_algorithm().then_some("change algorithm"),
            |app, by| {
                if let Some(signer) = app.auth.signer.clone().filter(|_| app.can_turn_algorithm()) {
                    remember(app, ALGORITHM);
                    app.issue.turn_algorithm(&signer, by);
                } else {
                    app.say("this key signs with one algorithm only; for another, rotate the key (Ctrl-P, rotate)");
                }
            },
        ),
        text_field(KID, "kid", |app| &app.issue.kid, |app| &mut app.issue.kid),
        text_field(TYP, "typ", |app| &app.issue.typ, |app| &mut app.issue.typ),
        text_field(HEADER, "header", |app| &app.issue.header, |app| &mut app.issue.header),
    ],
    act: Some(Act { hint: |_| Some("issue"), run: issue }),
    copy: ClipSource::TOKEN,
    why: ClipSource::TOKENS_WHY,
    ..Place::DEFAULT
};

/// Stores the form's state in the history, so that undo restores it.
fn remember(app: &mut App, field: Field) {
    app.history.push(Step::Issue(field, Box::new(app.issue.clone())));
}

fn tick(app: &mut App) -> Vec<Effect> {
    remember(app, PERMISSIONS);
    app.issue.toggle();
    Vec::new()
}

fn issue(app: &mut App) -> Vec<Effect> {
    match app.issue.request(app.stamp()) {
        Ok(request) => vec![Effect::Issue(Box::new(request), app.stamp())],
        Err(error) => {
            app.complain(error.to_string());
            Vec::new()
        }
    }
}

impl App {
    /// The fields that are shown: those of the header only while one of them is focused or filled in.
    pub fn issue_fields(&self) -> Vec<Field> {
        let is_used = |field: &Field| self.text(*field).is_some_and(|text| !text.is_empty());
        let is_focused = self.focus.field.is_some_and(|field| field == ALGORITHM || FOLDED.contains(&field));
        let is_open = is_focused && self.overlays.is_empty() || FOLDED.iter().any(is_used);
        Pane::Issue.fields().filter(|field| is_open || !FOLDED.contains(field)).collect()
    }

    /// Whether the signing key can make signatures of more than one algorithm.
    pub fn can_turn_algorithm(&self) -> bool {
        self.auth.signer.as_ref().is_some_and(|signer| signer.verifier().algorithms().len() > 1)
    }

    /// Handles an issued token, which may be meant for a drill.
    pub(in crate::app) fn issued(&mut self, result: Result<u64, IssueError>) -> Vec<Effect> {
        match result {
            Ok(number) => {
                self.selected = Some(number);
                self.refresh();
                self.issue.user_id.replaced_by_typing = true;
                // Out of the text, so that the next digit or letter leads to a pane.
                if self.focus.field == Some(USER_ID) {
                    self.go(Focus::at(PERMISSIONS));
                }
                let named =
                    self.selected().map(|entry| (self.token_name(entry), entry.text().map_or(0, |text| text.len())));
                if let Some((name, bytes)) = named {
                    self.say(format!("issued and selected a token for {name}, {}", words::bytes(bytes)));
                }
                self.drill_issued()
            }
            Err(error) => {
                self.drill.waits = false;
                self.complain(error.to_string());
                Vec::new()
            }
        }
    }
}

//! The Issuers pane: whose tokens are accepted, adding and removing them, and reading their keys again.

mod form;

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use form::{ANY, AddressOf, IssuerField, IssuerForm, NewKeys, Offer};

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::clipboard::{Clip, ClipSource};
use crate::app::focus::Focus;
use crate::app::history::Step;
use crate::app::list::{moved, turned};
use crate::app::msg::IssuerFailure;
use crate::app::overlay::Overlay;
use crate::app::{App, Effect};
use crate::auth::keys::{KeysRead, jwk};
use crate::auth::mapping::{LAB, PRESETS, Preset, STANDARD, guess};
use crate::auth::{Issuer, KeySet, Mapping, Verifier};
use crate::gate::{AcceptedIssuer, KeyState, KeyStatus, KeysFrom};
use crate::text::{self, words};

/// The list of issuers; its last row adds one.
pub const LIST: Field = Field::new(Pane::Issuers, 0);

pub(super) static PLACE: Place = Place {
    title: "Issuers",
    letter: 'r',
    help: "Whose tokens are accepted, with which keys. A token is checked with the keys of the issuer that its iss names, and with no others. Space fetches the keys of an issuer again; Del removes the issuer. The last row adds one by its URL; its keys, or its discovery document, can also be pasted anywhere. Changes made here are in force until the console ends; Ctrl-Y copies them as configuration.",
    controls: &[Control::new(LIST, "issuers")
        .tick(|app| app.chosen_source().map(|_| "refresh keys"), App::refresh_keys)
        .row(|_| Some("rows"), step)
        .click(|app, spot| {
            app.go(Focus::at(LIST));
            app.issuers.row = spot.row;
            Vec::new()
        })],
    note: |app, _| app.auth.accepted().count().to_string(),
    act: Some(Act {
        hint: |app| Some(if app.chosen_issuer().is_some() { "keys" } else { "add an issuer" }),
        run: |app| {
            match app.chosen_issuer() {
                Some(_) => app.go(Focus::first(Pane::Keys)),
                None => app.ask_for_issuer(),
            }
            Vec::new()
        },
    }),
    remove: Some(Act { hint: |app| app.chosen_other().map(|_| "remove"), run: App::remove_issuer }),
    page: Some(Move { hint: |_| None, by: |app, by| step(app, app.drawn.page(LIST, by)) }),
    wheel: Some(step),
    copy: ClipSource {
        hint: |app| app.chosen_other()?.issuer.name.as_ref().map(|_| "copy configuration"),
        clip: |app| {
            let accepted = app.chosen_other()?;
            Some(Clip::new(&configuration(&accepted)?, "the configuration of the issuer"))
        },
    },
    ..Place::DEFAULT
};

/// The state of the Issuers pane.
#[derive(Default)]
pub struct IssuersPane {
    /// The row under the cursor: our own issuer, the others, and the row that adds one.
    pub row: usize,
    /// The issuer of the form that waits for its answer.
    pending: Option<Pending>,
    /// The issuers whose keys the user waits for.
    asked: Vec<KeyRequest>,
}

/// An issuer that is being set.
struct Pending {
    name: Option<Arc<str>>,
    /// The issuer that it replaces.
    before: Option<Box<AcceptedIssuer>>,
    /// The tokens that were verified before.
    verified: Vec<u64>,
}

/// An issuer whose keys the user waits for.
struct KeyRequest {
    name: Option<Arc<str>>,
    /// How often they had been read before.
    attempts: u64,
    /// The keys before.
    keys: Arc<[Verifier]>,
    /// The tokens that were verified before.
    verified: Vec<u64>,
}

fn step(app: &mut App, by: isize) {
    app.issuers.row = moved(app.issuers.row, by, app.auth.accepted().count() + 1);
    app.keys_pane.row = 0;
}

/// The name of an issuer. Safe to show.
pub fn issuer_name(name: Option<&str>) -> String {
    name.map_or_else(|| ANY.to_owned(), |name| text::name(name, 128))
}

/// The claims of a mapping: its preset, or their names. Safe to show.
pub fn mapping_words(mapping: &Mapping) -> String {
    let list = |names: Vec<&str>| text::names(names.into_iter(), 64, 8, ", ");
    let claims = || {
        let permissions: Vec<&str> = mapping.permission_claims().map(|claim| claim.trim_end_matches(',')).collect();
        let permissions = if permissions.is_empty() { "none".to_owned() } else { list(permissions) };
        format!("user from {}; permissions from {permissions}", list(mapping.user_claims().collect()))
    };
    match mapping.preset() {
        Some(preset) => format!("{}: {}", preset.name, claims()),
        None => claims(),
    }
}

impl App {
    /// Returns the issuer under the cursor with the state of its keys; `None` in the row that adds one.
    pub fn chosen_issuer(&self) -> Option<(&Issuer, Option<&KeyStatus>)> {
        self.auth.accepted().nth(self.issuers.row)
    }

    /// Returns the issuer under the cursor, unless it is our own.
    fn chosen_other(&self) -> Option<AcceptedIssuer> {
        let (issuer, _) = self.chosen_issuer().filter(|_| self.issuers.row > 0)?;
        self.auth.accepted_issuer(issuer.name.as_deref())
    }

    /// Returns the state of the keys of the issuer under the cursor, if they can be read again.
    pub(in crate::app) fn chosen_source(&self) -> Option<&KeyStatus> {
        self.chosen_issuer()?.1.filter(|status| status.from.is_followed())
    }

    /// Returns the alarm for issuers whose tokens cannot be verified at present.
    pub(in crate::app) fn keys_alarm(&self) -> Option<String> {
        let lacks = |status: &&KeyStatus| matches!(status.state(), KeyState::TooOld | KeyState::Missing);
        match self.auth.issuer_keys.iter().filter(lacks).count() {
            0 => None,
            1 => Some("no issuer keys".to_owned()),
            count => Some(format!("{count} issuers without keys")),
        }
    }

    /// Returns the `iss` of the selected token, if its signature could not be verified.
    pub fn suggested_issuer(&self) -> Option<String> {
        let shown = self.inspection.as_ref().filter(|shown| !shown.judged.is_verified())?;
        shown.named().iss.filter(|iss| !iss.is_empty())
    }

    /// Returns the preset that a form begins with: as the selected token looks, if it is of this issuer.
    fn guessed_preset(&self, form: &IssuerForm) -> &'static Preset {
        let iss = form.issuer().unwrap_or_default();
        let token = self.inspection.as_ref().filter(|shown| {
            let own = shown.named().iss;
            own.as_deref() == form.issuer()
        });
        guess(iss, |claim| token.is_some_and(|shown| shown.has_claim(claim)))
    }

    /// Returns the mapping of a form, and its words.
    pub fn form_mapping(&self, form: &IssuerForm) -> (Arc<Mapping>, String) {
        if let Some(preset) = form.preset {
            return (Arc::new(Mapping::of(preset)), preset.name.to_owned());
        }
        if let Some(present) = self.auth.accepted_issuer(form.issuer()) {
            let name = present.issuer.mapping.preset().map_or("as configured", |preset| preset.name);
            return (present.issuer.mapping, name.to_owned());
        }
        let guessed = self.guessed_preset(form);
        let note = if guessed.name == STANDARD { "" } else { " (guessed)" };
        (Arc::new(Mapping::of(guessed)), format!("{}{note}", guessed.name))
    }

    /// Asks for an issuer by its address.
    pub(in crate::app) fn ask_for_issuer(&mut self) {
        let is_address = |iss: &String| iss.starts_with("https://") || iss.starts_with("http://");
        let suggested = self.suggested_issuer().filter(is_address).unwrap_or_default();
        self.open_form(IssuerForm::new(NewKeys::At(AddressOf::Issuer), &suggested, ""));
    }

    /// Opens the form for what a paste offers.
    pub(in crate::app) fn take_offer(&mut self, offer: Offer) {
        match offer {
            Offer::Keys(read) => {
                let name = self.suggested_issuer().unwrap_or_default();
                self.open_form(IssuerForm::new(NewKeys::Pasted(read), &name, ""));
            }
            Offer::Issuer(issuer, audience) => {
                self.open_form(IssuerForm::new(NewKeys::At(AddressOf::Issuer), &issuer, &audience));
            }
            Offer::Nothing | Offer::Useless(_) | Offer::Private => {}
        }
    }

    fn open_form(&mut self, form: IssuerForm) {
        self.toast = None;
        self.overlays.push(Overlay::Issuer(Box::new(form)));
        self.prefill_issuer_form();
    }

    /// Fills in what follows from the issuer in the form, after it may have changed.
    pub(in crate::app) fn prefill_issuer_form(&mut self) {
        if let Some(Overlay::Issuer(form)) = self.overlays.last_mut() {
            let present = self.auth.accepted_issuer(form.issuer());
            form.prefill(present.as_ref().map(|present| &present.issuer));
        }
    }

    /// Changes the choice under the cursor of the form.
    pub(in crate::app) fn turn_issuer_form(&mut self, by: isize) {
        let Some(Overlay::Issuer(form)) = self.overlays.last() else { return };
        let name = form.preset.or_else(|| self.form_mapping(form).0.preset()).map_or(LAB, |preset| preset.name);
        let present = PRESETS.iter().position(|preset| preset.name == name).unwrap_or(0);
        let Some(Overlay::Issuer(form)) = self.overlays.last_mut() else { return };
        match form.field {
            IssuerField::Source => form.turn_source(),
            IssuerField::Preset => form.preset = PRESETS.get(turned(present, by, PRESETS.len())),
            _ => {}
        }
        self.prefill_issuer_form();
    }

    /// Accepts the issuer of a form, which stays open until that succeeded.
    pub(in crate::app) fn add_issuer(&mut self, mut form: Box<IssuerForm>) -> Vec<Effect> {
        form.fault = None;
        let address: Arc<str> = form.address.text().trim().into();
        if matches!(form.keys, NewKeys::At(_)) && address.is_empty() {
            form.fault = Some("enter the URL".to_owned());
            self.overlays.push(Overlay::Issuer(form));
            return Vec::new();
        }
        if form.recognize_key_set() {
            self.overlays.push(Overlay::Issuer(form));
            return Vec::new();
        }
        let name: Option<Arc<str>> = form.issuer().map(Into::into);
        let before = self.auth.accepted_issuer(name.as_deref()).map(Box::new);
        let (mapping, _) = self.form_mapping(&form);
        let audiences = form.audiences();
        let present = before.as_ref().map(|before| before.issuer.clone()).unwrap_or_default();
        let status = KeyStatus { issuer: name.clone(), ..KeyStatus::default() };
        let (keys, status) = match &form.keys {
            NewKeys::At(kind) => {
                let from = match kind {
                    AddressOf::Issuer => KeysFrom::Discovery,
                    AddressOf::KeySet => KeysFrom::Jwks(address),
                };
                (KeySet::unread(), KeyStatus { from, ..status })
            }
            NewKeys::Pasted(read) => {
                let status = KeyStatus {
                    source: "pasted keys".into(),
                    keys: read.keys.clone().into(),
                    refused: read.refused.clone().into(),
                    ignored: read.ignored,
                    read_at: Some(self.times.real),
                    is_usable: true,
                    ..status
                };
                (KeysRead::clone(read).into(), status)
            }
        };
        let issuer = Issuer { name: name.clone(), audiences, mapping, keys, ..present };
        self.issuers.pending = Some(Pending { name: name.clone(), before, verified: self.verified_tokens() });
        self.overlays.push(Overlay::Issuer(form));
        vec![Effect::SetIssuer { name, to: Some(Box::new(AcceptedIssuer { issuer, status })), is_new: true }]
    }

    /// Handles the answer for the form.
    pub(in crate::app) fn issuer_set(&mut self, result: Result<(), IssuerFailure>) -> Vec<Effect> {
        let pending = self.issuers.pending.take();
        let is_form = |top: &mut Overlay| matches!(top, Overlay::Issuer(_));
        match (result, pending) {
            (Ok(()), Some(Pending { name, before, verified })) => {
                self.overlays.pop_if(is_form);
                self.history.push(Step::Issuer(name.clone(), before));
                let row = self.auth.accepted().skip(1).position(|(issuer, _)| issuer.name == name);
                self.issuers.row = row.map_or(self.issuers.row, |row| row + 1);
                self.keys_pane.row = 0;
                let shown = issuer_name(name.as_deref());
                let status = self.auth.accepted_issuer(name.as_deref()).map(|accepted| accepted.status);
                if status.is_some_and(|status| status.from.is_followed()) {
                    self.say(format!("{shown} is accepted until the console ends; its keys are being fetched"));
                    self.issuers.asked.push(KeyRequest { name, attempts: 0, keys: Arc::default(), verified });
                    self.report_keys();
                } else {
                    let tokens = self.verified_since(&verified);
                    self.say(format!("{shown} is accepted with the pasted keys until the console ends{tokens}"));
                }
            }
            (Err(error), _) => match self.overlays.last_mut() {
                Some(Overlay::Issuer(form)) => form.fault = Some(error.to_string()),
                _ => self.complain(error.to_string()),
            },
            (Ok(()), None) => {}
        }
        Vec::new()
    }

    /// Stops accepting the issuer under the cursor.
    fn remove_issuer(&mut self) -> Vec<Effect> {
        let Some(accepted) = self.chosen_other() else {
            self.complain(match self.issuers.row {
                0 => "our own issuer cannot be removed; change its key in Settings",
                _ => "choose an issuer to remove",
            });
            return Vec::new();
        };
        let name = accepted.issuer.name.clone();
        let shown = issuer_name(name.as_deref());
        self.history.push(Step::Issuer(name.clone(), Some(Box::new(accepted))));
        self.say(format!("{shown} is no longer accepted in this console; Ctrl-7 restores it"));
        vec![Effect::SetIssuer { name, to: None, is_new: false }]
    }

    /// Requests newer keys of the issuer under the cursor, or else of the only one that has a source.
    pub(in crate::app) fn refresh_keys(&mut self) -> Vec<Effect> {
        let mut followed = self.auth.issuer_keys.iter().filter(|status| status.from.is_followed());
        let only = followed.next().filter(|_| followed.next().is_none());
        let is_adding = self.focus.pane == Pane::Issuers && self.chosen_issuer().is_none();
        let Some(status) = self.chosen_source().or(only.filter(|_| !is_adding)).cloned() else {
            let why = match self.auth.issuer_keys.iter().any(|status| status.from.is_followed()) {
                true => "choose an issuer in Issuers (g i) first",
                false => "no issuer fetches its keys from a URL or file",
            };
            self.complain(why);
            return Vec::new();
        };
        let shown = issuer_name(status.issuer.as_deref());
        let now = self.times.real;
        if status.is_reading {
            self.say(format!("the keys of {shown} are already being fetched"));
        } else if let Some(wait) = status.earliest.map(|at| at.since(now)).filter(|wait| *wait > text::Span::ZERO) {
            let wait = words::remaining(wait).text;
            self.say(match &status.error {
                None => format!("keys of {shown} were just fetched; next fetch in {wait}"),
                Some(error) => {
                    format!("keys of {shown} could not be fetched ({error}); next fetch in {wait}")
                }
            });
        } else {
            self.say(format!("fetching the keys of {shown}"));
        }
        let name = status.issuer.clone();
        self.issuers.asked.retain(|asked| asked.name != name);
        let verified = self.verified_tokens();
        self.issuers.asked.push(KeyRequest {
            name: name.clone(),
            attempts: status.attempts,
            keys: status.keys,
            verified,
        });
        if status.is_reading { Vec::new() } else { vec![Effect::RefreshKeys(name)] }
    }

    /// Reports the keys that the user waits for, once they have been read.
    pub(in crate::app) fn report_keys(&mut self) {
        for asked in std::mem::take(&mut self.issuers.asked) {
            let status = self.auth.issuer_keys.iter().find(|status| status.issuer == asked.name).cloned();
            match status {
                Some(status) if status.attempts > asked.attempts => self.report(&asked, &status),
                Some(_) => self.issuers.asked.push(asked),
                None => {}
            }
        }
    }

    fn report(&mut self, asked: &KeyRequest, status: &KeyStatus) {
        let shown = issuer_name(asked.name.as_deref());
        if status.error.is_some() {
            // The pane shows the error, which may be long.
            let still = if status.is_usable { "; the last keys are still used" } else { "" };
            self.complain(format!("{}: keys not fetched{still}", text::fit(&shown, 40)));
            return;
        }
        let tokens = self.verified_since(&asked.verified);
        let keys = match status.changes_since(&asked.keys) {
            (0, 0) => "the keys are unchanged".to_owned(),
            (new, 0) if asked.keys.is_empty() => format!("{} fetched", words::count(new, "key")),
            (new, 0) => words::count(new, "new key"),
            (0, gone) => format!("{} removed", words::count(gone, "key")),
            (new, gone) => format!("{}, {gone} removed", words::count(new, "new key")),
        };
        self.say(format!("{shown}: {keys}{tokens}"));
    }

    /// Returns the numbers of the tokens whose signature is verified.
    fn verified_tokens(&self) -> Vec<u64> {
        let verified = self.auth.tokens.iter().filter(|entry| entry.judged.is_verified());
        verified.map(|entry| entry.number).collect()
    }

    /// Returns how many more tokens are verified now, as the end of a sentence; empty without tokens.
    fn verified_since(&self, before: &[u64]) -> String {
        let now = self.verified_tokens();
        match now.iter().filter(|number| !before.contains(number)).count() {
            0 if self.auth.tokens.is_empty() => String::new(),
            0 => "; no further token is verified".to_owned(),
            1 => "; 1 token is now verified".to_owned(),
            count => format!("; {count} tokens are now verified"),
        }
    }
}

/// Writes an issuer as a table of the configuration file. `None` for one without a name, which cannot be configured.
fn configuration(accepted: &AcceptedIssuer) -> Option<String> {
    let AcceptedIssuer { issuer, status } = accepted;
    let name = issuer.name.as_deref()?;
    let list = |all: Vec<&str>| format!("[{}]", all.into_iter().map(quoted).collect::<Vec<_>>().join(", "));
    let mut lines = vec!["[[issuers]]".to_owned(), format!("issuer = {}", quoted(name))];
    if let Some(preset) = issuer.mapping.preset() {
        lines.push(format!("preset = {}", quoted(preset.name)));
    } else {
        lines.push(format!("user = {}", list(issuer.mapping.user_claims().collect())));
        lines.push(format!("permissions = {}", list(issuer.mapping.permission_claims().collect())));
    }
    if !issuer.audiences.is_empty() {
        lines.push(format!("audiences = {}", list(issuer.audiences.iter().map(|audience| &**audience).collect())));
    }
    if !issuer.algorithms.is_empty() {
        let names = issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        lines.push(format!("algorithms = {}", list(names)));
    }
    if issuer.require_typ {
        lines.push("require-typ = true".to_owned());
    }
    match &status.from {
        KeysFrom::Discovery => lines.push("discover = true".to_owned()),
        KeysFrom::Jwks(url) => lines.push(format!("jwks-uri = {}", quoted(url))),
        KeysFrom::File(path) => lines.push(format!("jwks-file = {}", quoted(&path.to_string_lossy()))),
        KeysFrom::Secrets(files) => {
            let files: Vec<_> = files.iter().map(|path| path.to_string_lossy()).collect();
            lines.push(format!("secret-file = {}", list(files.iter().map(|path| &**path).collect())));
        }
        KeysFrom::Paste => {
            lines.push("jwks-file = \"jwks.json\" # save the next line in this file, without its #".to_owned());
            lines.push(format!("# {}", key_set(&status.keys)));
        }
    }
    Some(lines.join("\n") + "\n")
}

/// Writes a text as a string of TOML, in ASCII: it may be foreign, and the copy may be pasted into a terminal.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c => drop(write!(out, "\\U{:08X}", u32::from(c))),
        }
    }
    out + "\""
}

/// Writes public keys as a JWK set.
pub fn key_set(keys: &[Verifier]) -> String {
    let keys = keys.iter().filter_map(|key| {
        let mut written = jwk::public(key, None)?;
        // A key without a `kid` verifies tokens with any; the set must not change that.
        if key.kid().is_none() {
            written.remove("kid");
        }
        Some(Value::Object(written))
    });
    let set: Map<String, Value> = [("keys".to_owned(), keys.collect())].into_iter().collect();
    text::escape::ascii_json(&Value::Object(set).to_string()).into_owned()
}

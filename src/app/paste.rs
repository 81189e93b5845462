//! Pastes: a token opens in Inspect from anywhere; any other text goes to the field that receives the keys.

use std::sync::Arc;

use super::field::TextField;
use super::focus::Focus;
use super::history::{Paste, Step};
use super::overlay::{MAX_LINE, Overlay};
use super::pane::issuers::Offer;
use super::pane::{Pane, issue, targets};
use super::screen::Screen;
use super::settings::key_file_advice;
use super::{App, Effect};
use crate::auth::TokenKind;
use crate::auth::token::{Fault, is_opaque};
use crate::gate::TokenEntry;
use crate::text::material::{self, Material};
use crate::text::{self, secret, words};

/// The largest accepted paste, in bytes.
pub const MAX_PASTE: usize = 1 << 20;

/// The maximum number of tokens that one paste adds: a list that a user can still look through.
const MAX_TOKENS: usize = 1000;

/// The longest paste that undo can still put into a text field, in bytes: the history stores up to a hundred of them.
const MAX_UNDONE: usize = 64 * 1024;

/// Returns the overlay that explains pasted material and offers to use it.
fn explained(material: Material, text: &str) -> Overlay {
    let offer = Offer::of(&material, text);
    Overlay::Material { material: Box::new(material), offer, scroll: 0 }
}

impl App {
    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        self.history.seal();
        if text.len() > MAX_PASTE {
            return self.paste_too_large(text.len());
        }
        if let Some(Overlay::KeyPrompt(prompt)) = self.overlays.last_mut() {
            match key_file_advice(text.as_bytes()) {
                Some(advice) => prompt.fault = Some(advice),
                None => prompt.insert(text),
            }
            return Vec::new();
        }
        // A field of several lines takes the paste as it is; a token in it is part of the text.
        if let Some(field) = self.text_field().filter(|field| self.text(*field).is_some_and(TextField::has_lines)) {
            self.edit(field, |field| field.insert(text));
            return Vec::new();
        }
        let reading = text::read_token(text);
        let material = material::recognize(text);
        if !reading.tokens.is_empty() {
            let effects = self.paste_tokens(text, reading);
            // The paste has both a token and a response: the response is explained against that token.
            self.overlays.extend(material.map(|material| explained(material, text)));
            return effects;
        }
        // Extra claims are JSON, so a paste into their field belongs there.
        let takes_json = self.text_field() == Some(issue::EXTRA);
        // Keys that are pasted into the form of an issuer are its keys. Of two pastes, the last one is explained.
        if let (Some(Overlay::Issuer(form)), Some(material)) = (self.overlays.last_mut(), &material)
            && form.take_paste(material, text)
        {
            self.prefill_issuer_form();
            return Vec::new();
        }
        self.overlays.pop_if(|top| material.is_some() && matches!(top, Overlay::Material { .. }));
        if let Some(material) = material.filter(|_| self.overlays.is_empty() && !takes_json) {
            self.say(format!("Read as {material}. Nothing was changed."));
            self.overlays.push(explained(material, text));
            return Vec::new();
        }
        // Every field from here on shows what it holds.
        if let Some(noun) = secret::secret(text) {
            self.complain(format!("the paste contains {noun}; not inserted where it would be shown"));
            return Vec::new();
        }
        match self.overlays.last_mut() {
            Some(Overlay::Palette(palette)) => {
                palette.filter.insert(text::head(text, 200));
                palette.row = 0;
            }
            Some(Overlay::Line(form)) => form.text.insert(text::head(text, MAX_LINE)),
            Some(Overlay::Settings(form)) => {
                if let Some(field) = form.text_mut() {
                    field.insert(text);
                }
            }
            Some(Overlay::Issuer(form)) => {
                if let Some(field) = form.text_mut() {
                    field.insert(text::head(text.trim(), MAX_LINE));
                }
                self.prefill_issuer_form();
            }
            _ => return self.paste_plain(text),
        }
        Vec::new()
    }

    pub(super) fn paste_too_large(&mut self, bytes: usize) -> Vec<Effect> {
        let (has, most) = (words::bytes(bytes), words::bytes(MAX_PASTE));
        let has = if has == most { format!("{bytes} bytes") } else { has };
        self.complain(format!("the paste has {has}; at most {most} are taken"));
        Vec::new()
    }

    fn paste_tokens(&mut self, text: &str, mut reading: text::Reading) -> Vec<Effect> {
        if let Some(more) = reading.tokens.len().checked_sub(MAX_TOKENS).filter(|more| *more > 0) {
            reading.tokens.truncate(MAX_TOKENS);
            reading.removed.push(format!("{more} more, above the {MAX_TOKENS} that one paste may bring"));
        }
        // One is shown with its status.
        let noun = if reading.whole == 0 && reading.tokens.len() > 1 { "incomplete token" } else { "token" };
        let mut summary = words::count(reading.tokens.len(), noun);
        summary.push_str(" read");
        if !reading.removed.is_empty() {
            summary.push_str("; left out: ");
            summary.push_str(&reading.removed.join(", "));
        }
        let field = if self.overlays.is_empty() { self.focus.field } else { None };
        let goes_back = self.text_field().is_some() && text.len() <= MAX_UNDONE;
        let text = goes_back.then(|| Arc::from(text));
        self.history.push(Step::Pasted(Paste { field, text, summary: summary.clone(), ..Paste::default() }));
        // Text typed into a form must not be lost.
        let fresh = self.settings_form();
        self.overlays.retain(|overlay| match overlay {
            Overlay::Settings(form) => !form.is_equivalent(&fresh),
            Overlay::Line(_) | Overlay::Issuer(_) => true,
            _ => false,
        });
        self.go(self.after_paste());
        self.say(summary);
        vec![Effect::Add(reading.tokens)]
    }

    fn paste_plain(&mut self, text: &str) -> Vec<Effect> {
        if text.trim().is_empty() {
            return Vec::new();
        }
        if let Some(field) = self.text_field() {
            self.edit(field, |field| field.insert(text));
            return Vec::new();
        }
        if self.overlays.is_empty() && is_url(text.trim()) {
            self.targets_pane.address.set(text.trim());
            self.show(Screen::Targets);
            self.go(Focus::at(targets::ADDRESS));
            self.say("Enter adds this server as a target and connects it with the selected token");
            return Vec::new();
        }
        if !text::resembles_token(text) {
            let characters = words::count(text.trim().chars().count(), "character");
            match is_opaque(text.trim()) {
                true => self.complain(Fault::Opaque.to_string()),
                false => self.complain(format!("no token found in the {characters} pasted")),
            }
            return Vec::new();
        }
        // It teaches more with the reason beside it than as a message.
        let summary = "no token found in what was pasted; shown as it is".to_owned();
        self.history.push(Step::Pasted(Paste { summary: summary.clone(), ..Paste::default() }));
        self.overlays.clear();
        self.go(self.after_paste());
        self.say(summary);
        vec![Effect::Add(vec![text.trim().to_owned()])]
    }

    /// Returns where a pasted token is looked at: in Inspect, or in Targets in the list, from where it is sent.
    fn after_paste(&self) -> Focus {
        Focus::first(if self.screen == Screen::Targets { Pane::Tokens } else { Pane::Inspect })
    }

    /// Handles the tokens that a paste has added: the number of each, and whether it is new.
    pub(super) fn added(&mut self, tokens: &[(u64, bool)]) -> Vec<Effect> {
        let all = tokens.len();
        let added: Vec<u64> = tokens.iter().filter(|(_, is_new)| *is_new).map(|(number, _)| *number).collect();
        let known = all - added.len();
        let kinds = self.kinds(tokens);
        let texts = tokens.iter().filter_map(|(number, _)| self.auth.token(*number));
        let texts = texts.filter_map(|entry: &TokenEntry| entry.text().cloned()).collect();
        let mut summary = String::new();
        if let Some(paste) = self.history.latest_paste() {
            summary.clone_from(&paste.summary);
            (paste.tokens, paste.added) = (texts, added);
        }
        let Some((first, _)) = tokens.first() else {
            return Vec::new();
        };
        self.selected = Some(*first);
        self.refresh();
        let already = match known {
            0 => String::new(),
            _ if all == 1 => "; already in the list".to_owned(),
            _ if known == all => "; all already in the list".to_owned(),
            _ => format!("; {known} already in the list"),
        };
        let status = self.inspection.as_ref().map(|shown| shown.judged.status(self.times.judged));
        let word = status.filter(|_| all == 1).map_or_else(String::new, |status| format!("{}: ", status.word()));
        self.say(format!("{word}{summary}{kinds}{already}"));
        Vec::new()
    }

    /// Returns the kinds of up to four pasted tokens as the end of a sentence, or nothing if all are access tokens. The
    /// user needs to know, because ID and refresh tokens cannot be used in calls.
    fn kinds(&self, tokens: &[(u64, bool)]) -> String {
        let kind = |number: u64| self.auth.token(number)?.judged.kind;
        let kinds: Vec<&str> =
            tokens.iter().take(4).filter_map(|(number, _)| kind(*number)).map(TokenKind::words).collect();
        let is_plain = tokens.len() > 4 || kinds.iter().all(|kind| *kind == TokenKind::Access.words());
        if is_plain { String::new() } else { format!("; {}", kinds.join(", ")) }
    }
}

/// Whether a text is one URL, which may be that of an MCP endpoint.
fn is_url(text: &str) -> bool {
    let is_http = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    is_http && text.len() <= MAX_LINE && !text.contains(char::is_whitespace)
}

//! Pastes: a token goes to Inspect from anywhere; any other text goes where the keys go.

use super::history::Step;
use super::overlay::{MAX_LINE, Overlay};
use super::{App, Effect, Field, Focus, Pane};
use crate::text::{self, words};

/// The largest paste that is taken, in bytes.
pub const MAX_PASTE: usize = 1 << 20;

/// The most tokens that one paste brings: a list that somebody still looks through.
pub(super) const MAX_TOKENS: usize = 1000;

impl App {
    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        self.history.seal();
        if text.len() > MAX_PASTE {
            return self.paste_too_large(text.len());
        }
        if let Some(Overlay::KeyPrompt(prompt)) = self.overlays.last_mut() {
            prompt.insert(text);
            return Vec::new();
        }
        if self.overlays.is_empty() && self.focus.field == Some(Field::CallArguments) {
            self.edit(Field::CallArguments, |field| field.insert(text));
            return Vec::new();
        }
        let reading = text::read_token(text);
        if !reading.tokens.is_empty() {
            return self.paste_tokens(text, reading);
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
        let mut said = words::count(reading.tokens.len(), "token");
        said.push_str(" read");
        if !reading.removed.is_empty() {
            said.push_str("; left out: ");
            said.push_str(&reading.removed.join(", "));
        }
        let field = self.focus.field.filter(|_| self.overlays.is_empty());
        self.history.push(Step::Pasted { field, text: text.to_owned(), added: Vec::new(), before: None });
        // What was typed into a form must not be lost.
        let fresh = self.settings_form();
        self.overlays.retain(|overlay| match overlay {
            Overlay::Settings(form) => !form.says_as(&fresh),
            Overlay::Line(_) => true,
            _ => false,
        });
        self.go(Focus::first(Pane::Inspect));
        self.say(said);
        vec![Effect::Add(reading.tokens)]
    }

    fn paste_plain(&mut self, text: &str) -> Vec<Effect> {
        if text.trim().is_empty() {
            return Vec::new();
        }
        if let Some(field) = self.focus.field.filter(|field| self.overlays.is_empty() && self.text(*field).is_some()) {
            self.edit(field, |field| field.insert(text));
            Vec::new()
        } else {
            let text = text.trim();
            self.history.push(Step::Pasted { field: None, text: text.to_owned(), added: Vec::new(), before: None });
            self.overlays.clear();
            self.go(Focus::first(Pane::Inspect));
            self.say("no token found in what was pasted; shown as it is");
            vec![Effect::Add(vec![text.to_owned()])]
        }
    }
}

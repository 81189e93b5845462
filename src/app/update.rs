//! The single entry point: a message changes the state and may return effects.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::action::Action;
use super::focus::Focus;
use super::history::Step;
use super::key::{Code, Key};
use super::keymap;
use super::msg::{Failure, RemovalReason};
use super::overlay::Overlay;
use super::pane::{Field, Spot};
use super::screen::Screen;
use super::{App, Effect, Mouse, MouseKind, Msg, Target};
use crate::gate::TokenEntry;

/// Where a run of keys begins that come too fast to be typed: in a text, or where letters are keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RunStart {
    #[default]
    Outside,
    InText,
}

/// Applies a message to the state; returns the effects to be carried out.
pub fn update(app: &mut App, msg: Msg) -> Vec<Effect> {
    if app.toast.as_ref().is_some_and(|toast| toast.until <= app.times.mono) {
        app.toast = None;
    }
    app.matrix.forget(app.times.mono);
    let effects = handle(app, msg);
    app.follow_form();
    effects
}

fn handle(app: &mut App, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => {
            app.run_start = if app.in_text() { RunStart::InText } else { RunStart::Outside };
            app.key(key)
        }
        Msg::QuickKey(key) => app.quick_key(key),
        Msg::Mouse(mouse) => app.mouse(mouse),
        // It may be a secret for a prompt.
        Msg::Paste(text) => app.paste(&Zeroizing::new(text)),
        Msg::PasteTooLarge { bytes } => app.paste_too_large(bytes),
        Msg::Resized { columns, rows } => app.resized(columns, rows),
        Msg::Background(background) => {
            app.look.background = Some(background);
            Vec::new()
        }
        Msg::Copied { what, result, rest } => app.copied(&what, result, rest),
        Msg::Woke => app.drill_on(),
        Msg::Synced => app.synced(),
        Msg::Issued(result) => app.issued(result),
        Msg::Added(tokens) => app.added(&tokens),
        Msg::Removed(entry, why) => app.removed(entry, why),
        Msg::Called { id, call } => app.called(id, *call),
        Msg::CalledEach { id, calls } => app.called_each(id, calls),
        Msg::KitMade { made, request } => app.kit_made(made, *request),
        Msg::NamedAdded(numbers) => app.named_added(numbers),
        Msg::Written(result) => app.written(result),
        Msg::PolicyReread(result) => app.policy_reread(result),
        Msg::PolicySaved(result) => app.policy_written(result),
        Msg::Stored => {
            app.say("all revocations are stored again");
            Vec::new()
        }
        Msg::FileUnwatched(unwatched) => app.file_unwatched(&unwatched),
        Msg::SigningKeyRead(read) => app.signing_key_read(read),
        Msg::SigningKeyReadable => {
            app.say("the signing key's file can be read again");
            Vec::new()
        }
        Msg::Rotated { what, dropped } => app.rotated(what, dropped.as_ref()),
        Msg::KeyGenerated(generated) => app.key_generated(generated),
        Msg::Policy { asked, read } => app.policy_read(&asked, read),
        Msg::Served(result) => app.served(result),
        Msg::ServingStopped => app.serving_stopped(),
        Msg::IssuerSet(result) => app.issuer_set(result),
        Msg::TargetAdded { number, read } => app.target_added(number, read),
        Msg::TargetConnected(report) => app.target_connected(*report),
        Msg::TargetCalled(report) => app.target_called(*report),
        Msg::Progressed { id, progress } => app.progressed(id, progress),
        Msg::PolicyWritten(wrote) => app.observed_written(wrote),
        Msg::RunProgressed { id, found } => app.run_progressed(id, found),
        Msg::RunEnded { id, end } => app.run_ended(id, end),
        Msg::Failed(failure) => app.failed(&failure),
    }
}

impl App {
    fn key(&mut self, key: Key) -> Vec<Effect> {
        let in_text = self.in_text();
        let types = in_text && key.typed().is_some();
        let key = self.keys.get(&key).copied().filter(|_| !types).unwrap_or(key);
        if self.chord.take().is_some()
            && let Some(letter) = key.typed()
        {
            if let Some(screen) = Screen::by_letter(letter) {
                self.show(screen);
                // A letter may be part of a text that was meant for another window: the next Enter must not act.
                self.focus.field = None;
            }
            return Vec::new();
        }
        match keymap::action(key, in_text) {
            Some(Action::Row(_)) if self.moves_in_text(key) => self.type_key(key),
            Some(action) => return self.act(action),
            None if in_text => self.type_key(key),
            None => self.explain_letter(key),
        }
        Vec::new()
    }

    /// A key of a text that another program sends line by line. Its letters only move about, but Enter and Space would act.
    /// A script that fills in a field and sends it begins in the field; a text that opens one does not.
    fn quick_key(&mut self, key: Key) -> Vec<Effect> {
        let acts = match (key.code, key.typed()) {
            (Code::Enter, _) => !(self.run_start == RunStart::InText && self.in_text()),
            (_, Some(' ')) => !self.in_text(),
            _ => false,
        };
        if acts {
            self.complain(format!("{key} ignored: it came too fast to be typed; press it again"));
            return Vec::new();
        }
        self.key(key)
    }

    /// Says how to type where a letter does nothing: on the first screen, a name is likely to be typed at once.
    fn explain_letter(&mut self, key: Key) {
        if let Some(letter) = key.typed().filter(|letter| self.overlays.is_empty() && letter.is_alphanumeric()) {
            let instead = match (letter, self.focus.field) {
                ('q' | 'Q', _) => "Ctrl-C quits".to_owned(),
                (_, None) => format!("Enter begins to type in {}", self.focus.pane.title()),
                (_, Some(_)) => "Tab moves to the next field".to_owned(),
            };
            self.say(format!("{letter} does nothing here; {instead}"));
        }
    }

    /// Whether an arrow moves from line to line in the text of a pane, rather than out of it.
    fn moves_in_text(&self, key: Key) -> bool {
        let text = self.text_field().and_then(|field| self.text(field));
        !key.ctrl && text.is_some_and(|text| text.takes_vertical(key.code))
    }

    /// Handles a key that belongs to the text under the cursor.
    fn type_key(&mut self, key: Key) {
        match self.overlays.last_mut() {
            Some(Overlay::Palette(palette)) => {
                palette.filter.press(key);
                palette.row = 0;
            }
            Some(Overlay::KeyPrompt(prompt)) => drop(prompt.press(key)),
            Some(Overlay::Line(form)) => drop(form.text.press(key)),
            Some(Overlay::Issuer(form)) => {
                if let Some(text) = form.text_mut() {
                    text.press(key);
                }
                self.prefill_issuer_form();
            }
            Some(Overlay::Settings(form)) => {
                if let Some(text) = form.text_mut() {
                    text.press(key);
                }
            }
            Some(_) => {}
            None => {
                if let Some(field) = self.focus.field {
                    self.type_in_pane(field, key);
                }
            }
        }
    }

    /// Handles a key in a pane's text. A key that only moves the cursor is not a step of the history.
    fn type_in_pane(&mut self, field: Field, key: Key) {
        if matches!(key.code, Code::Left | Code::Right | Code::Home | Code::End | Code::Up | Code::Down) {
            if let Some(text) = self.text_mut(field) {
                text.press(key);
            }
        } else {
            self.edit(field, |text| {
                text.press(key);
            });
        }
    }

    fn mouse(&mut self, mouse: Mouse) -> Vec<Effect> {
        let by = match mouse.kind {
            MouseKind::Click => return self.click(mouse),
            MouseKind::WheelUp => -1,
            MouseKind::WheelDown => 1,
        };
        if !self.overlays.is_empty() {
            return self.act(Action::Row(by));
        }
        if let Some(pane) = self.drawn.pane_at(mouse.column, mouse.row) {
            self.wheel(pane, by);
        }
        Vec::new()
    }

    fn click(&mut self, mouse: Mouse) -> Vec<Effect> {
        match self.drawn.hit(mouse.column, mouse.row) {
            Some(Target::Pane(pane)) => self.go(Focus::entering(pane)),
            Some(Target::Field(field)) => self.enter(Focus::at(field)),
            Some(Target::Row(field, row)) => return self.click_spot(field, mouse, row, 0),
            Some(Target::Cell(field, row, column)) => return self.click_spot(field, mouse, row, column),
            Some(Target::PaletteRow(row)) => {
                if let Some(Overlay::Palette(palette)) = self.overlays.last_mut() {
                    palette.row = row;
                    return self.act(Action::Act);
                }
            }
            Some(Target::Setting(field)) => {
                if let Some(Overlay::Settings(form)) = self.overlays.last_mut() {
                    form.field = field;
                }
            }
            Some(Target::IssuerField(field)) => {
                if let Some(Overlay::Issuer(form)) = self.overlays.last_mut() {
                    form.field = field;
                }
            }
            Some(Target::Do(action)) => return self.act(action),
            Some(Target::Button(pane)) => {
                self.go(Focus::first(pane));
                return self.act(Action::Act);
            }
            Some(Target::Backdrop) => return self.act(Action::Out),
            Some(Target::Overlay) | None => {}
        }
        Vec::new()
    }

    fn click_spot(&mut self, field: Field, mouse: Mouse, row: usize, column: usize) -> Vec<Effect> {
        let spot = Spot { row, column, x: usize::from(mouse.column) };
        field.control().click.map(|click| click(self, spot)).unwrap_or_default()
    }

    fn resized(&mut self, columns: u16, rows: u16) -> Vec<Effect> {
        self.size = (columns, rows);
        self.resize_answer();
        Vec::new()
    }

    fn synced(&mut self) -> Vec<Effect> {
        let mono = self.times.mono;
        self.issue.follow_audience(self.auth.rules.audience().map(|audience| &**audience));
        let issuer = self.published_issuer();
        self.issue.follow_issuer(issuer.as_deref());
        if let Some(signer) = &self.auth.signer {
            self.issue.follow_signer(signer);
        }
        self.namesakes.follow(&self.auth.tokens);
        self.matrix.follow(&mut self.auth, mono);
        if self.policy.follow(&self.auth.rules.policy) {
            let policy = Arc::clone(&self.auth.rules.policy);
            self.issue.follow(&policy);
            // Arguments that the user did not change are the tool's example, which may have changed.
            if !self.call.touched {
                self.choose_tool(&Arc::clone(&self.call.tool));
            }
        }
        self.refresh();
        self.report_keys();
        Vec::new()
    }

    fn removed(&mut self, entry: TokenEntry, why: RemovalReason) -> Vec<Effect> {
        if self.selected == Some(entry.number) {
            // Select the row that moved up, or else the one above.
            let above = self.auth.tokens.partition_point(|known| known.number < entry.number);
            self.choose_token((above + 1).min(self.auth.tokens.len()));
        }
        let name = self.token_name(&entry);
        match why {
            RemovalReason::Asked => {
                self.history.push(Step::Removed(entry));
                self.say(format!("{name} removed; Ctrl-7 restores it"));
            }
            RemovalReason::Redone => self.history.was_redone(Step::Removed(entry)),
            RemovalReason::Undone => {}
        }
        Vec::new()
    }

    fn failed(&mut self, failure: &Failure) -> Vec<Effect> {
        self.complain(failure.to_string());
        Vec::new()
    }
}

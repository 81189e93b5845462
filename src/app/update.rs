//! The one way in: a message changes the state and may ask for effects.

use super::history::Step;
use super::key::{Code, Key};
use super::keymap::{self, Action};
use super::msg::Why;
use super::overlay::Overlay;
use super::{App, Called, Effect, Field, Focus, Mouse, MouseKind, Msg, Pane, Screen, Target};
use crate::auth::IssueError;
use crate::gate::TokenEntry;
use crate::lab::kit::KIT;
use crate::text::{self, words};
use std::sync::Arc;

use zeroize::Zeroizing;

/// Takes a message; answers with what is to be done outside.
pub fn update(app: &mut App, msg: Msg) -> Vec<Effect> {
    if app.toast.as_ref().is_some_and(|toast| toast.until <= app.times.mono) {
        app.toast = None;
    }
    app.matrix.forget(app.times.mono);
    match msg {
        Msg::Key(key) => app.key(key),
        Msg::Mouse(mouse) => app.mouse(mouse),
        // It may be a secret on its way into a prompt.
        Msg::Paste(text) => app.paste(&Zeroizing::new(text)),
        Msg::PasteTooLarge { bytes } => app.paste_too_large(bytes),
        Msg::Resized { columns, rows } => app.resized(columns, rows),
        Msg::Woke => app.drill_on(),
        Msg::Synced => app.synced(),
        Msg::Issued(result) => app.issued(result),
        Msg::Added(tokens) => app.added(&tokens),
        Msg::Removed(entry, why) => app.removed(entry, why),
        Msg::Called { id, call } => app.called(id, *call),
        Msg::CalledEach { id, calls } => app.called_each(id, calls),
        Msg::KitMade { made, at, purpose } => app.kit_made(made, at, purpose),
        Msg::NamedAdded(numbers) => app.named_added(numbers),
        Msg::Written(result) => app.written(result),
        Msg::PolicyReread(result) => app.policy_reread(result),
        Msg::PolicySaved(result) => app.policy_written(result),
        Msg::PolicyUnwatched(sentence) => app.policy_unwatched(&sentence),
        Msg::Policy { asked, read } => app.policy_read(&asked, read),
        Msg::Served(result) => app.served(result),
        Msg::ServingStopped => app.serving_stopped(),
        Msg::Failed(sentence) => app.failed(sentence),
    }
}

impl App {
    fn key(&mut self, key: Key) -> Vec<Effect> {
        let in_text = self.in_text();
        let within = self.focus.field == Some(Field::CallArguments)
            && self.overlays.is_empty()
            && self.call.arguments.takes_vertical(key.code)
            && !key.ctrl;
        match keymap::action(key, in_text) {
            Some(Action::Row(_)) if within => self.type_key(key),
            Some(action) => return self.act(action),
            None if in_text => self.type_key(key),
            None => {}
        }
        Vec::new()
    }

    /// A key that belongs to the text the cursor is in.
    fn type_key(&mut self, key: Key) {
        match self.overlays.last_mut() {
            Some(Overlay::Palette(palette)) => {
                palette.filter.press(key);
                palette.row = 0;
            }
            Some(Overlay::KeyPrompt(prompt)) => drop(prompt.press(key)),
            Some(Overlay::Line(form)) => drop(form.text.press(key)),
            Some(Overlay::Settings(form)) => {
                if let Some(text) = form.text_mut() {
                    text.press(key);
                }
            }
            Some(_) => {}
            None => {
                if let Some(field) = self.focus.field {
                    let moves =
                        matches!(key.code, Code::Left | Code::Right | Code::Home | Code::End | Code::Up | Code::Down);
                    match moves {
                        true => drop(self.text_mut(field).map(|text| text.press(key))),
                        false => self.edit(field, |text| {
                            text.press(key);
                        }),
                    }
                }
            }
        }
    }

    /// Changes a field's text as a step that can be undone.
    pub(super) fn edit(&mut self, field: Field, change: impl FnOnce(&mut super::field::TextField)) {
        let step = match field {
            Field::CallArguments => Some(Step::Arguments(self.call.arguments.text().to_owned(), self.call.touched)),
            // Nothing follows from it until it is sent.
            Field::GoTo | Field::Listen => None,
            _ => Some(Step::Issue(field, Box::new(self.issue.clone()))),
        };
        let Some(text) = self.text_mut(field) else {
            return;
        };
        let before = text.text().to_owned();
        change(text);
        if text.text() != before {
            if let Some(step) = step {
                self.history.push(step);
            }
            self.call.touched |= field == Field::CallArguments;
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
        match self.drawn.pane_at(mouse.column, mouse.row) {
            Some(Pane::Tokens | Pane::Timeline) => self.step_token(by),
            Some(Pane::Traffic) => self.choose_client(by),
            Some(Pane::Kit) => self.kit.row = super::field::moved(self.kit.row, by, KIT.len()),
            Some(Pane::Inspect) => self.scroll_inspect(by),
            Some(Pane::Activity) => self.choose_record(by),
            Some(Pane::Matrix) => {
                self.choose_matrix_row(super::field::moved(self.matrix_row(), by, self.matrix_rows()));
            }
            Some(Pane::Policy) => self.choose_column(by),
            Some(Pane::Who) => self.matrix.scroll = super::field::moved(self.matrix.scroll, by, self.drawn.who_end + 1),
            _ => {}
        }
        Vec::new()
    }

    fn click(&mut self, mouse: Mouse) -> Vec<Effect> {
        match self.drawn.hit(mouse.column, mouse.row) {
            Some(Target::Pane(pane)) => self.go(Focus::entering(pane)),
            Some(Target::Field(field)) => self.enter(Focus::at(field)),
            Some(Target::Tick(tick)) => {
                self.go(Focus::at(Field::Permissions));
                self.issue.tick = tick;
                return self.act(Action::Tick);
            }
            Some(Target::TokenRow(row)) => {
                self.go(Focus::at(Field::TokenRows));
                self.choose_token(row);
            }
            Some(Target::Cell(row, column)) => {
                let here = self.focus.field == Some(Field::Cells);
                let again = here && (self.matrix_row(), self.column()) == (row, Some(column));
                self.go(Focus::at(Field::Cells));
                self.choose_matrix_row(row);
                self.choose_place(column);
                if again {
                    return self.act(Action::Act);
                }
            }
            Some(Target::Rule(row, permission)) => {
                self.go(Focus::at(Field::Rules));
                self.choose_place(row);
                self.matrix.choose_permission(permission);
                return self.act(Action::Tick);
            }
            Some(Target::Bar(row, begin)) => {
                self.go(Focus::at(Field::Bars));
                self.choose_token(row);
                self.point_at(usize::from(mouse.column).checked_sub(begin));
            }
            Some(Target::ClientRow(row)) => {
                self.go(Focus::at(Field::ClientRows));
                self.server.row = row;
            }
            Some(Target::KitRow(row)) => {
                self.go(Focus::at(Field::KitRows));
                self.kit.row = row;
            }
            Some(Target::ActivityRow(place)) => {
                let again = self.focus.pane == Pane::Activity && self.activity_place() == place;
                self.go(Focus::at(Field::ActivityRows));
                self.record = self.auth.activity.nth_newest(place).filter(|_| place > 0).map(|record| record.seq);
                if again {
                    return self.act(Action::Act);
                }
            }
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
            Some(Target::Do(action)) => return self.act(action),
            Some(Target::IssueButton) => {
                self.go(Focus::first(Pane::Issue));
                return self.act(Action::Act);
            }
            Some(Target::Backdrop) => return self.act(Action::Out),
            Some(Target::Overlay) | None => {}
        }
        Vec::new()
    }

    fn resized(&mut self, columns: u16, rows: u16) -> Vec<Effect> {
        self.size = (columns, rows);
        Vec::new()
    }

    fn synced(&mut self) -> Vec<Effect> {
        let mono = self.times.mono;
        self.issue.follow_audience(self.auth.rules.audience.as_deref());
        self.namesakes.follow(&self.auth.tokens);
        if self.matrix.follow(&mut self.auth, mono) {
            let policy = Arc::clone(&self.auth.rules.policy);
            self.issue.follow(&policy);
            // Arguments that nobody has touched are the tool's example, which may be another one now.
            if !self.call.touched {
                self.choose_tool(&Arc::clone(&self.call.tool));
            }
        }
        self.refresh();
        Vec::new()
    }

    fn issued(&mut self, result: Result<u64, IssueError>) -> Vec<Effect> {
        match result {
            Ok(number) => {
                self.selected = Some(number);
                self.refresh();
                self.issue.user_id.replaced_by_typing = true;
                let named = self.selected().map(|entry| (self.token_name(entry), entry.text.len()));
                if let Some((name, bytes)) = named {
                    self.say(format!("issued a token for {name}, {}; it is selected", words::bytes(bytes)));
                }
                return self.drill_issued();
            }
            Err(error) => {
                self.drill.waits = false;
                self.complain(error.to_string());
            }
        }
        Vec::new()
    }

    fn added(&mut self, tokens: &[(u64, bool)]) -> Vec<Effect> {
        let new: Vec<u64> = tokens.iter().filter(|(_, new)| *new).map(|(number, _)| *number).collect();
        if let Some((first, is_new)) = tokens.first() {
            self.selected = Some(*first);
            self.refresh();
            let known = tokens.len() - new.len();
            let already = match (tokens.len(), is_new) {
                (_, _) if known == 0 => None,
                (1, _) => Some("it was in the list already".to_owned()),
                (all, _) if all == known => Some("all of them were in the list already".to_owned()),
                _ => Some(format!("{known} of them were in the list already")),
            };
            let standing = self.inspection.as_ref().map(|shown| shown.judged.standing(self.times.judged));
            let word = standing.map_or("", |standing| standing.word());
            let said = self.toast.take().map(|toast| toast.text).unwrap_or_default();
            let already = already.map_or_else(String::new, |already| format!("; {already}"));
            self.say(format!("{word}: {said}{already}"));
        }
        if let Some(Step::Pasted { added, .. }) = self.history.latest() {
            *added = new;
        }
        Vec::new()
    }

    fn removed(&mut self, entry: TokenEntry, why: Why) -> Vec<Effect> {
        if self.selected == Some(entry.number) {
            // The row that moved up, or else the one above.
            let above = self.auth.tokens.partition_point(|known| known.number < entry.number);
            self.choose_token((above + 1).min(self.auth.tokens.len()));
        }
        let name = self.token_name(&entry);
        match why {
            Why::Asked => {
                self.history.push(Step::Removed(entry));
                self.say(format!("{name} removed; Ctrl-7 brings it back"));
            }
            Why::Redone => self.history.was_redone(Step::Removed(entry)),
            Why::Undone => {}
        }
        Vec::new()
    }

    fn called(&mut self, id: u64, called: Called) -> Vec<Effect> {
        if let Some(effects) = self.drill_called(id, &called) {
            return effects;
        }
        if self.in_flight.take_if(|awaited| *awaited == id).is_none() {
            return Vec::new();
        }
        self.record = None;
        if self.screen == Screen::Gate && self.focus.pane != Pane::Call {
            let tool = text::name(&called.record.tool, 32);
            self.say(format!("{tool}: {}, {}", called.decision.verdict().word(), called.decision.sentence()));
        }
        if let Some(last) = &mut self.last_call {
            last.called = Some(called);
        }
        Vec::new()
    }

    fn failed(&mut self, sentence: String) -> Vec<Effect> {
        self.complain(sentence);
        Vec::new()
    }
}

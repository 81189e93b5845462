//! What each action of the key table does.

use super::field::{moved, turned};
use super::history::Step;
use super::keymap::{Action, hint};
use super::msg::Why;
use super::overlay::{Asks, LineForm, MAX_LABEL, Overlay, Palette, Purpose, Question};
use super::{App, Effect, Field, Focus, LastCall, Pane};
use crate::lab::evidence::Form;
use crate::text::{self, words};
use std::sync::Arc;

impl App {
    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        self.history.seal();
        match action {
            Action::Quit => return self.quit(),
            Action::Suspend => return vec![Effect::Suspend],
            Action::Out => self.out(),
            _ if !self.overlays.is_empty() => return self.act_on_overlay(action),
            Action::Act => return self.main_act(),
            Action::Turn(by) => self.turn(by),
            Action::Step(by) => self.enter(self.focus.stepped(self.screen, by)),
            Action::Row(by) => self.row(by),
            Action::Page(by) => self.page(by),
            Action::Edge(by) => self.edge(by),
            Action::Tick => return self.tick(),
            // A key that means something else everywhere but in the list.
            Action::Remove if self.focus.field == Some(Field::TokenRows) => return self.remove(),
            Action::Remove if self.focus.field == Some(Field::Rules) => return self.drop_tool(),
            Action::Remove => {}
            Action::AddTool => self.ask(Asks::Tool, ""),
            Action::AddPermission => self.ask(Asks::Permission, ""),
            Action::Describe => self.ask_description(),
            Action::DropPermission => return self.drop_permission(),
            Action::SavePolicy => self.ask_where_to_save(),
            Action::Label => self.start_label(),
            Action::Revoke => return self.revoke_or_restore(),
            Action::Break => {
                if self.focus.field == Some(Field::CallArguments) {
                    self.edit(Field::CallArguments, super::field::TextField::break_line);
                }
            }
            Action::Token(by) => self.choose_token(turned(self.selected_row(), by, self.auth.tokens.len() + 1)),
            Action::Repeat => match self.last_call.clone() {
                Some(last) => return self.make_call(last),
                None => self.complain("no call was made from here yet"),
            },
            Action::Copy => return self.copy(),
            Action::CopyWhy => return self.copy_why(),
            Action::TryKey => self.prompt(Purpose::Try),
            Action::TypeKey => self.prompt(Purpose::Replace),
            Action::FreshKey => self.overlays.push(Overlay::Confirm(Question::FreshKey)),
            Action::Undo => return self.undo(),
            Action::Redo => return self.redo(),
            Action::Pane(digit) => self.go(Focus::entering(self.screen.panes()[digit.clamp(1, 5) - 1])),
            Action::Everyone => return self.call_as_everyone(),
            Action::Freeze => self.freeze(),
            Action::Hurry => self.hurry(),
            Action::RealTime => self.real_time(),
            Action::Serve => return self.serve(),
            Action::Connect => return self.copy_for_client(),
            Action::MakeKit => return self.make_all_test_tokens(),
            Action::Diff => return self.start_diff(),
            Action::Evidence => return self.copy_evidence(Form::Markdown),
            Action::EvidenceLines => return self.copy_evidence(Form::JsonLines),
            Action::SaveEvidence => self.ask_where_to_put_evidence(),
            Action::Group => self.group_rows(),
            Action::Help => self.overlays.push(Overlay::Help { scroll: 0 }),
            Action::Palette => self.overlays.push(Overlay::Palette(Box::new(Palette::new()))),
            Action::Settings => self.settings(),
            Action::Screen(screen) => self.show(screen),
            Action::TimeStyle => {
                self.time_style = self.time_style.turned(1);
                self.say(format!("times are shown as {}", self.time_style.word()));
            }
        }
        Vec::new()
    }

    fn act_on_overlay(&mut self, action: Action) -> Vec<Effect> {
        let page = self.drawn.overlay_rows.max(2) - 1;
        let by = match action {
            Action::Row(by) => by,
            Action::Page(by) => by * page.cast_signed(),
            Action::Edge(by) => by * (1 << 20),
            Action::Act => return self.act_in_overlay(),
            // Only where the footer offers it: a prompt must not copy what lies under it.
            Action::Copy if hint(self, action).is_some() => return self.copy(),
            Action::CopyWhy if hint(self, action).is_some() => return self.copy_why(),
            Action::Screen(screen) => {
                self.overlays.clear();
                self.show(screen);
                return Vec::new();
            }
            Action::Step(by) | Action::Turn(by) if matches!(self.overlays.last(), Some(Overlay::Diff { .. })) => {
                self.turn_diff(by);
                return Vec::new();
            }
            Action::Step(by) | Action::Turn(by) => {
                if let Some(Overlay::Settings(form)) = self.overlays.last_mut() {
                    if matches!(action, Action::Step(_)) { form.step(by) } else { form.turn(by) }
                }
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        let end = self.drawn.overlay_end;
        match self.overlays.last_mut() {
            Some(
                Overlay::Help { scroll }
                | Overlay::Token { scroll }
                | Overlay::Detail { scroll, .. }
                | Overlay::Diff { scroll, .. },
            ) => {
                *scroll = moved(*scroll, by, end + 1);
            }
            Some(Overlay::Palette(palette)) => palette.row = moved(palette.row, by, palette.matches().len()),
            Some(Overlay::Settings(form)) => form.step(by.signum()),
            _ => {}
        }
        Vec::new()
    }

    /// Enter on what lies over the panes.
    fn act_in_overlay(&mut self) -> Vec<Effect> {
        match self.overlays.pop() {
            Some(Overlay::Palette(palette)) => {
                palette.matches().get(palette.row).map(|binding| self.command(binding.action)).unwrap_or_default()
            }
            Some(Overlay::Confirm(Question::Quit { .. })) => vec![Effect::Quit],
            Some(Overlay::Confirm(Question::SaveOver(path))) => vec![Effect::SavePolicy { path, known: None }],
            Some(Overlay::Confirm(Question::FreshKey)) => self.fresh_key(),
            Some(Overlay::Confirm(Question::AdoptKey(key))) => {
                self.say("this key signs and verifies from now on");
                vec![Effect::SetSigner(key)]
            }
            Some(Overlay::Detail { seq, .. }) => {
                self.load(seq);
                Vec::new()
            }
            Some(Overlay::KeyPrompt(prompt)) => self.use_key(&prompt),
            Some(Overlay::Line(form)) => self.take_line(form),
            Some(Overlay::Settings(form)) => self.apply(form),
            Some(Overlay::Help { .. } | Overlay::Token { .. } | Overlay::Diff { .. }) | None => Vec::new(),
        }
    }

    /// A command chosen by its words: it is meant wherever the focus is.
    fn command(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Remove if self.focus.pane == Pane::Policy => self.drop_tool(),
            Action::Remove => self.remove(),
            // What it takes away is under a cursor, which must be in sight.
            Action::DropPermission if self.focus.pane != Pane::Policy => {
                self.go(Focus::first(Pane::Policy));
                self.say("choose the permission, and then the same command again");
                Vec::new()
            }
            action => self.act(action),
        }
    }

    fn remove(&mut self) -> Vec<Effect> {
        if self.selected.is_none() {
            self.complain("select a token to remove");
        }
        self.selected.map(|number| Effect::Remove(number, Why::Asked)).into_iter().collect()
    }

    fn start_label(&mut self) {
        let form =
            self.selected().map(|e| LineForm::new(Asks::Label(e.number), e.label.as_deref().unwrap_or_default()));
        match form {
            Some(form) => self.overlays.push(Overlay::Line(Box::new(form))),
            None => self.complain("select a token to name"),
        }
    }

    fn take_line(&mut self, form: Box<LineForm>) -> Vec<Effect> {
        let line = form.text.text().trim().to_owned();
        match form.asks {
            Asks::Label(number) => self.name_token(number, &line),
            Asks::EvidenceTo => self.save_evidence(&line),
            _ => self.take_policy_line(form, &line),
        }
    }

    fn name_token(&mut self, number: u64, line: &str) -> Vec<Effect> {
        let label = text::head(line, MAX_LABEL).trim().to_owned();
        let label = Some(label).filter(|label| !label.is_empty()).map(Arc::from);
        let Some(entry) = self.auth.token(number) else {
            return Vec::new();
        };
        if entry.label == label {
            return Vec::new();
        }
        self.history.push(Step::Labelled(Arc::clone(&entry.text), entry.label.clone()));
        vec![Effect::Label(number, label)]
    }

    fn main_act(&mut self) -> Vec<Effect> {
        match self.focus.pane {
            Pane::Issue => match self.issue.request(self.stamp()) {
                Ok(request) => return vec![Effect::Issue(Box::new(request), self.stamp())],
                Err(sentence) => self.complain(sentence),
            },
            Pane::Tokens => self.go(Focus::first(Pane::Inspect)),
            Pane::Inspect => {
                if self.inspection.is_some() {
                    self.overlays.push(Overlay::Token { scroll: 0 });
                }
            }
            Pane::Policy => self.ask_where_to_save(),
            Pane::Who => {}
            Pane::Timeline => self.set_clock_here(),
            Pane::Clock => self.act_on_dial(),
            Pane::Drill => return self.start_drill(),
            Pane::Kit => return self.run_kit(),
            Pane::Server => return self.serve(),
            Pane::Traffic => self.select_clients_token(),
            Pane::Connect => return self.copy(),
            Pane::Call | Pane::Matrix => {
                return self.make_call(LastCall {
                    token: self.selected().map(|entry| Arc::clone(&entry.text)),
                    tool: Arc::clone(&self.call.tool),
                    arguments: self.call.arguments.text().to_owned(),
                    called: None,
                });
            }
            Pane::Activity => {
                if let Some(seq) = self.activity_row().map(|record| record.seq) {
                    self.overlays.push(Overlay::Detail { seq, scroll: 0 });
                }
            }
        }
        Vec::new()
    }

    fn out(&mut self) {
        self.toast = None;
        self.forget_leap();
        if self.overlays.pop().is_none() {
            self.go(Focus { field: None, ..self.focus });
        }
    }

    fn tick(&mut self) -> Vec<Effect> {
        match self.focus.field {
            Some(Field::Permissions) => {
                self.history.push(Step::Issue(Field::Permissions, Box::new(self.issue.clone())));
                self.issue.toggle();
            }
            Some(Field::TokenRows) => return self.revoke_or_restore(),
            Some(Field::Rules) => return self.tick_rule(),
            Some(Field::Cells) => return self.expect_cell(),
            Some(Field::Bars) => self.zoom_or_fit(),
            Some(Field::Dial) => self.freeze(),
            Some(Field::KitRows) => return self.make_test_token(),
            _ => {}
        }
        Vec::new()
    }

    fn quit(&mut self) -> Vec<Effect> {
        if matches!(self.overlays.last(), Some(Overlay::Confirm(Question::Quit { .. }))) {
            return vec![Effect::Quit];
        }
        self.overlays.push(Overlay::Confirm(Question::Quit { is_saved: self.policy_is_saved() }));
        Vec::new()
    }

    /// Puts a call of the log back into the form, with its token where that is still in the list.
    fn load(&mut self, seq: u64) {
        let Some(record) = self.record(seq).cloned() else {
            return;
        };
        self.history.push(Step::Loaded(Box::new(self.call.clone()), self.selected));
        self.choose_tool(&Arc::from(&*record.tool));
        self.call.arguments.set(&record.arguments);
        self.call.touched = true;
        let known = self.auth.tokens.iter().find(|entry| Some(entry.id) == record.token_id).map(|entry| entry.number);
        match (known, record.token_id) {
            (Some(_), _) | (None, None) => self.selected = known,
            (None, Some(id)) => self.complain(format!("its token {id} is no longer in the list; another is selected")),
        }
        if record.arguments.cut() > 0 {
            self.complain(format!(
                "the log kept only the beginning of the arguments; {} are missing at their end",
                words::bytes(record.arguments.cut())
            ));
        }
        self.refresh();
        self.go(Focus::at(Field::CallTool));
    }
}

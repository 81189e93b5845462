//! What each action does. The actions of a pane and its fields are looked up in the pane's file.

use std::sync::Arc;

use super::action::Action;
use super::field::TextField;
use super::focus::Focus;
use super::hints::hint;
use super::history::Step;
use super::list::moved;
use super::overlay::{Asks, LineForm, MAX_LABEL, Overlay, Palette, Purpose, Question};
use super::pane::Pane;
use super::{App, Effect};
use crate::lab::evidence::Form;
use crate::text;

impl App {
    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        self.history.seal();
        match action {
            Action::Quit => return self.quit(),
            Action::Suspend => return vec![Effect::Suspend],
            Action::Out => self.out(),
            _ if !self.overlays.is_empty() => return self.act_on_overlay(action),
            Action::Act => return self.focus.act().map(|act| (act.run)(self)).unwrap_or_default(),
            Action::Turn(by) => self.turn(by),
            Action::Step(by) => self.enter(self.focus.stepped(self.screen, by)),
            Action::Row(by) => self.row(by),
            Action::Page(by) => self.page(by),
            Action::Edge(by) => self.edge(by),
            Action::Tick => {
                let tick = self.focus.control().and_then(|control| control.tick);
                return tick.map(|tick| (tick.run)(self)).unwrap_or_default();
            }
            // Only where the cursor is in sight: elsewhere it is a command of the palette.
            Action::Remove if self.focus.field.is_some() => {
                return self.focus.pane.place().remove.map(|remove| (remove.run)(self)).unwrap_or_default();
            }
            Action::Remove => {}
            Action::AddTool => self.ask(Asks::Tool, ""),
            Action::AddPermission => self.ask(Asks::Permission, ""),
            Action::Describe => self.ask_description(),
            Action::DropPermission => return self.drop_permission(),
            Action::SavePolicy => self.ask_where_to_save(),
            Action::Label => self.start_label(),
            Action::Revoke => return self.revoke_or_restore(),
            Action::Break => {
                if let Some(field) = self.text_field() {
                    self.edit(field, TextField::break_line);
                }
            }
            Action::Token(by) => self.turn_token(by),
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
            Action::Connect => {
                let clip = self.client_clip();
                return self.put(Some(clip));
            }
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
                | Overlay::Material { scroll, .. }
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
            Some(Overlay::Help { .. } | Overlay::Token { .. } | Overlay::Diff { .. } | Overlay::Material { .. })
            | None => Vec::new(),
        }
    }

    /// A command chosen by its words: it is meant wherever the focus is.
    fn command(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Remove => match self.focus.pane.place().remove {
                Some(remove) => (remove.run)(self),
                None => self.remove_token(),
            },
            // What it takes away is under a cursor, which must be in sight.
            Action::DropPermission if self.focus.pane != Pane::Policy => {
                self.go(Focus::first(Pane::Policy));
                self.say("choose the permission, and then the same command again");
                Vec::new()
            }
            action => self.act(action),
        }
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
        let label = if label.is_empty() { None } else { Some(Arc::from(label)) };
        let Some(entry) = self.auth.token(number) else {
            return Vec::new();
        };
        if entry.label == label {
            return Vec::new();
        }
        self.history.push(Step::Labelled(entry.id, entry.label.clone()));
        vec![Effect::Label(number, label)]
    }

    fn out(&mut self) {
        self.toast = None;
        self.forget_leap();
        if self.overlays.pop().is_none() {
            self.go(Focus { field: None, ..self.focus });
        }
    }

    fn quit(&mut self) -> Vec<Effect> {
        if matches!(self.overlays.last(), Some(Overlay::Confirm(Question::Quit { .. }))) {
            return vec![Effect::Quit];
        }
        self.overlays.push(Overlay::Confirm(Question::Quit { is_saved: self.policy_is_saved() }));
        Vec::new()
    }
}

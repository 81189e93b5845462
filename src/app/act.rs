//! Runs actions. The actions of a pane and its fields are defined in the pane's file.

use std::sync::Arc;

use super::action::Action;
use super::field::TextField;
use super::focus::Focus;
use super::hints::{hint, key_name};
use super::history::Step;
use super::keymap::binding;
use super::list::moved;
use super::overlay::{LineForm, LinePurpose, MAX_LABEL, Overlay, Palette, Purpose, Question};
use super::pane::Pane;
use super::pane::call::LastCall;
use super::pane::targets::ADDRESS;
use super::{App, Effect};
use crate::lab::evidence::Form;
use crate::look::ThemeChoice;
use crate::text;

impl App {
    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        self.history.seal();
        match action {
            Action::Quit => return self.quit(),
            Action::Suspend => return vec![Effect::Suspend],
            Action::Out => return self.out(),
            _ if !self.overlays.is_empty() => return self.act_on_overlay(action),
            // On a pane without a focused field, Enter only starts editing.
            Action::Act if self.focus.field.is_none() => self.enter(Focus::entering(self.focus.pane)),
            Action::Act => return self.focus.act().map(|act| (act.run)(self)).unwrap_or_default(),
            Action::Turn(by) => self.turn(by),
            Action::Step(by) => self.step_field(by),
            Action::Row(by) => self.row(by),
            Action::Page(by) => self.page(by),
            Action::Edge(by) => self.edge(by),
            Action::Tick => {
                let tick = self.focus.control().and_then(|control| control.tick);
                return tick.map(|tick| (tick.run)(self)).unwrap_or_default();
            }
            // Only if the cursor is visible: otherwise the command is in the palette.
            Action::Remove if self.focus.field.is_some() => {
                let own = self.focus.control().and_then(|control| control.remove);
                return own.or(self.focus.pane.place().remove).map(|remove| (remove.run)(self)).unwrap_or_default();
            }
            Action::Remove => {}
            Action::AddTool => self.ask(LinePurpose::Tool, ""),
            Action::AddPermission => self.ask(LinePurpose::Permission, ""),
            Action::Describe => self.ask_description(),
            Action::DropPermission => return self.drop_permission(),
            Action::WriteObserved => self.ask_where_to_write_observed(),
            Action::SavePolicy => self.ask_where_to_save(),
            Action::Label if self.focus.pane == Pane::Targets => self.ask_for_target_name(),
            Action::Label => self.start_label(),
            Action::Probe | Action::ConnectTarget | Action::AddTarget | Action::Cancel => {
                return self.act_on_servers(action);
            }
            Action::Revoke => return self.revoke_or_restore(),
            Action::Break => {
                if let Some(field) = self.text_field() {
                    self.edit(field, TextField::break_line);
                }
            }
            Action::Token(by) => self.turn_token(by),
            Action::Repeat => match self.shown_call().map(LastCall::again) {
                Some(last) => return self.make_call(last),
                None => self.complain("no call to repeat yet"),
            },
            Action::Answer => self.open_answer(),
            Action::Copy => return self.copy(),
            Action::CopyWhy => return self.copy_why(),
            Action::TryKey => self.prompt(Purpose::Try),
            Action::TypeKey => self.prompt(Purpose::Replace),
            Action::Rotate(algorithm) => return vec![Effect::Rotate(algorithm)],
            Action::Retire => self.ask_to_retire(),
            Action::AddIssuer => self.ask_for_issuer(),
            Action::RefreshKeys => return self.refresh_keys(),
            Action::FreshKey => self.overlays.push(Overlay::Confirm(Question::FreshKey)),
            Action::Undo => return self.undo(),
            Action::Redo => return self.redo(),
            Action::Pane(digit) => self.go(Focus::landing(self.screen.panes()[digit.clamp(1, 5) - 1])),
            Action::Jump(letter) => {
                if let Some(pane) = Pane::by_letter(letter) {
                    self.go(Focus { pane, field: None });
                    // On the first screen, a name is likely to be typed at once.
                    if self.auth.tokens.is_empty() {
                        self.say(match pane {
                            Pane::Issue => format!("{letter} goes to Issue; Enter begins to type"),
                            _ => format!("{letter} goes to {}; to issue a token, press i, then Enter", pane.title()),
                        });
                    }
                }
            }
            Action::Go => self.chord = binding(Action::Go).and_then(|binding| binding.keys.first()).copied(),
            Action::Side(by) => self.side(by),
            Action::Line(by) => self.line(by),
            Action::Find => self.ask_what_to_find(),
            Action::Mouse => return self.turn_mouse(),
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
            Action::Palette => self.overlays.push(Overlay::Palette(Box::new(self.palette()))),
            Action::Settings => self.settings(),
            Action::Screen(screen) => self.show(screen),
            Action::TimeStyle => {
                self.time_style = self.time_style.turned(1);
                self.say(format!("times shown as {}", self.time_style.word()));
            }
            Action::Trace => self.call.opens_trace = !self.call.opens_trace,
            Action::Theme(choice) => return self.choose_theme(choice),
        }
        Vec::new()
    }

    fn palette(&self) -> Palette {
        Palette::new(|action| hint(self, action).is_some())
    }

    fn turn_mouse(&mut self) -> Vec<Effect> {
        self.has_mouse = !self.has_mouse;
        self.say(match self.has_mouse {
            true => "The mouse works in the console again.",
            false => "The mouse selects text in the terminal now. The same command takes it back.",
        });
        vec![Effect::Mouse(self.has_mouse)]
    }

    fn choose_theme(&mut self, choice: ThemeChoice) -> Vec<Effect> {
        self.say(format!("theme: {}", choice.word()));
        self.set_theme(choice)
    }

    /// Uses another theme from now on.
    pub(super) fn set_theme(&mut self, choice: ThemeChoice) -> Vec<Effect> {
        if self.look.choice == choice {
            return Vec::new();
        }
        self.look.choice = choice;
        if self.look.asks() { vec![Effect::AskBackground] } else { Vec::new() }
    }

    fn act_on_overlay(&mut self, action: Action) -> Vec<Effect> {
        if matches!(self.overlays.last(), Some(Overlay::Confirm(question)) if action == question.agrees()) {
            return self.agree();
        }
        // A question stays until it is answered: Enter must not look as if it had agreed.
        if let (Some(Overlay::Confirm(question)), Action::Act) = (self.overlays.last(), action) {
            let key = key_name(self, question.agrees()).unwrap_or_default();
            let said = format!("not done; {key} to {}, Esc to decline", question.yes());
            self.complain(said);
            return Vec::new();
        }
        let page = self.drawn.overlay_rows.max(2) - 1;
        let by = match action {
            Action::Row(by) | Action::Line(by) => by,
            Action::Page(by) => by * page.cast_signed(),
            Action::Edge(by) => by * (1 << 20),
            Action::Act => return self.act_in_overlay(),
            Action::Help => {
                if let Some(Overlay::Settings(form)) = self.overlays.last() {
                    self.say(form.field.help());
                }
                return Vec::new();
            }
            Action::Find if matches!(self.overlays.last(), Some(Overlay::Answer(_))) => {
                self.ask_what_to_find();
                return Vec::new();
            }
            // Only if the footer offers it: a prompt must not copy what it covers.
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
            Action::Step(by) => {
                match self.overlays.last_mut() {
                    Some(Overlay::Settings(form)) => form.step(by),
                    Some(Overlay::Issuer(form)) => form.step(by),
                    _ => {}
                }
                return Vec::new();
            }
            Action::Turn(by) => {
                match self.overlays.last_mut() {
                    Some(Overlay::Settings(form)) => form.turn(by),
                    Some(Overlay::Issuer(_)) => self.turn_issuer_form(by),
                    _ => {}
                }
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        let end = self.drawn.overlay_end;
        match self.overlays.last_mut() {
            Some(
                Overlay::Help { scroll }
                | Overlay::Token { scroll, .. }
                | Overlay::Material { scroll, .. }
                | Overlay::Detail { scroll, .. }
                | Overlay::Diff { scroll, .. },
            ) => {
                *scroll = moved(*scroll, by, end + 1);
            }
            Some(Overlay::Answer(view)) => view.scroll = moved(view.scroll, by, end + 1),
            Some(Overlay::Palette(palette)) => palette.row = moved(palette.row, by, palette.matches().len()),
            Some(Overlay::Settings(form)) => form.step(by.signum()),
            Some(Overlay::Issuer(form)) => form.step(by.signum()),
            _ => {}
        }
        Vec::new()
    }

    /// Handles Enter in the topmost overlay.
    fn act_in_overlay(&mut self) -> Vec<Effect> {
        match self.overlays.pop() {
            Some(Overlay::Palette(palette)) => {
                palette.matches().get(palette.row).map(|binding| self.command(binding.action)).unwrap_or_default()
            }
            Some(Overlay::Detail { seq, .. }) => {
                self.load(seq);
                Vec::new()
            }
            Some(Overlay::KeyPrompt(prompt)) => self.use_key(&prompt),
            Some(Overlay::Line(form)) => self.take_line(form),
            Some(Overlay::Settings(form)) => self.apply(form),
            Some(Overlay::Issuer(form)) => self.add_issuer(form),
            Some(Overlay::Material { offer, .. }) => {
                self.take_offer(offer);
                Vec::new()
            }
            Some(overlay @ Overlay::Token { is_whole: false, .. }) => {
                let is_served = self.server.serving.is_some();
                self.overlays.extend([overlay, Overlay::Confirm(Question::ShowToken { is_served })]);
                Vec::new()
            }
            Some(
                Overlay::Help { .. }
                | Overlay::Token { .. }
                | Overlay::Diff { .. }
                | Overlay::Answer(_)
                | Overlay::Confirm(_),
            )
            | None => Vec::new(),
        }
    }

    /// Does what the topmost question asks about.
    fn agree(&mut self) -> Vec<Effect> {
        let Some(Overlay::Confirm(question)) = self.overlays.pop() else {
            return Vec::new();
        };
        match question {
            Question::Quit { .. } => vec![Effect::Quit],
            Question::SaveOver(path) => vec![Effect::SavePolicy { path, known: None }],
            Question::FreshKey => self.fresh_key(),
            Question::RetireKey(key) => self.retire(key),
            Question::Call { call, .. } => self.send(call),
            Question::Run { order, .. } => self.start_run(*order),
            Question::Drill { .. } => self.start_real_drill(),
            Question::AdoptKey(key) => {
                self.say("this key now signs and verifies");
                vec![Effect::SetSigner(key)]
            }
            Question::ShowToken { .. } => {
                if let Some(Overlay::Token { is_whole, .. }) = self.overlays.last_mut() {
                    *is_whole = true;
                }
                Vec::new()
            }
        }
    }

    /// Runs a command from the palette, independent of the focus.
    fn command(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Remove => match self.focus.pane.place().remove {
                Some(remove) => (remove.run)(self),
                None => self.remove_token(),
            },
            // It removes the permission under the Policy pane's cursor, which must be visible.
            Action::DropPermission if self.focus.pane != Pane::Policy => {
                self.go(Focus::first(Pane::Policy));
                self.say("move to the permission, then run this command again");
                Vec::new()
            }
            action => self.act(action),
        }
    }

    fn start_label(&mut self) {
        let form = self
            .selected()
            .map(|e| LineForm::new(LinePurpose::Label(e.number), e.label.as_deref().unwrap_or_default()));
        match form {
            Some(form) => self.overlays.push(Overlay::Line(Box::new(form))),
            None => self.complain("select a token to label"),
        }
    }

    fn take_line(&mut self, form: Box<LineForm>) -> Vec<Effect> {
        let line = form.text.text().trim().to_owned();
        match form.asks {
            LinePurpose::Label(number) => self.name_token(number, &line),
            LinePurpose::TargetName(number) => self.name_target(number, &line),
            LinePurpose::EvidenceTo => self.save_evidence(&line),
            LinePurpose::ObservedTo => self.write_observed(&line),
            LinePurpose::Find => {
                self.find(&line);
                Vec::new()
            }
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

    /// Runs a command about other servers.
    fn act_on_servers(&mut self, action: Action) -> Vec<Effect> {
        match (action, self.target().map(|target| target.number)) {
            (Action::Probe, _) => return self.probe_selected(),
            (Action::Cancel, _) => return self.cancel_any(),
            (Action::ConnectTarget, Some(number)) => return self.connect_target(number),
            (Action::ConnectTarget, None) => self.complain("select a server in Targets first"),
            _ => self.enter(Focus::at(ADDRESS)),
        }
        Vec::new()
    }

    /// Cancels what is under way, also a drill that runs in the background.
    fn cancel_any(&mut self) -> Vec<Effect> {
        if let Some(cancel) = self.cancel() {
            return vec![cancel];
        }
        if self.drill.running.is_some() {
            self.cancel_drill();
        } else {
            self.complain("nothing to cancel: no call, connection, probe or drill is under way");
        }
        Vec::new()
    }

    fn out(&mut self) -> Vec<Effect> {
        self.toast = None;
        self.forget_leap();
        if self.overlays.pop().is_some() {
            return Vec::new();
        }
        // Before it leaves a field: the screen says that Esc cancels.
        if let Some(cancel) = self.cancel() {
            return vec![cancel];
        }
        if self.cancels_drill() {
            self.cancel_drill();
            return Vec::new();
        }
        if self.call.stop_editing() {
            return Vec::new();
        }
        if self.is_filtered() {
            self.find("");
        } else {
            self.go(Focus { field: None, ..self.focus });
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
}

//! The Call pane: the token, the tool and the arguments of the next call, and the answer to the last one.

pub mod answer;
mod form;
pub mod schema_form;

pub use form::{Answered, CallForm, InFlight, LastCall, PendingCall};

use std::sync::Arc;

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::focus::Focus;
use crate::app::history::Step;
use crate::app::list::{moved, next_of, turned};
use crate::app::msg::Order;
use crate::app::overlay::{Overlay, Question, Risk};
use crate::app::screen::Screen;
use crate::app::{App, Effect};
use crate::auth::{Decision, Reason};
use crate::gate::ports::ToolInfo;
use crate::gate::{CallResult, Origin};
use crate::observe::Progress;
use crate::text;
use answer::{AnswerView, Document};
use form::compile;
use schema_form::Kind;

/// The token to call with: the selected one.
pub const TOKEN: Field = Field::new(Pane::Call, 0);
/// The tool to call.
pub const TOOL: Field = Field::new(Pane::Call, 1);
/// The arguments, as JSON text.
pub const ARGUMENTS: Field = Field::new(Pane::Call, 2);
/// The arguments, one row each.
pub const FORM: Field = Field::new(Pane::Call, 3);

/// The action of Enter, here and in the Matrix pane.
pub(super) const CALL: Act = Act { hint: |_| Some("call"), run: call };

pub(super) static PLACE: Place = Place {
    title: "Call",
    letter: 'c',
    help: "Call a tool with the selected token. The preview follows every key press and the clock; Enter makes the call and shows the answer exactly as a caller gets it. The arguments are one JSON object: type it, or fill in the rows of the form below it. In a row, Enter begins to edit and ←→ change a choice; while you type, Tab and ↑↓ go on to other rows and Enter calls. Del unsets a value. * marks what the tool requires, and ! what its schema does not accept. PgDn shows the whole answer.",
    controls: &[
        Control::new(TOKEN, "token")
            .turn(|app| if app.auth.tokens.is_empty() { None } else { Some("change token") }, App::turn_token),
        Control::new(TOOL, "tool").turn(|_| Some("change tool"), App::turn_tool),
        Control::new(ARGUMENTS, "args").text(
            |app| &app.call.arguments,
            |app| &mut app.call.arguments,
            App::remember_arguments,
        ),
        Control::new(FORM, "form")
            .text(|app| &app.call.edit.text, |app| &mut app.call.edit.text, App::remember_arguments)
            .opens(|app| app.call.edit.is_open, take_value)
            .act(row_act, act_on_row)
            .tick(
                |app| app.call.current().filter(|row| row.kind == Kind::Boolean).map(|_| "turn"),
                |app| {
                    if app.call.current().is_some_and(|row| row.kind == Kind::Boolean) {
                        turn_value(app, 1);
                    }
                    Vec::new()
                },
            )
            .turn(|app| app.has_options().then_some("change value"), turn_value)
            .row(|app| (app.call.fields.rows.len() > 1).then_some("rows"), step_row)
            .edge(|_| None, |app, by| step_row(app, by.saturating_mul(1 << 20)))
            .remove(
                |app| app.call.current().filter(|row| row.at.is_some() && !app.call.edit.is_open).map(|_| "unset"),
                unset,
            )
            .turns_value()
            .click(|app, spot| {
                let again = app.focus.field == Some(FORM) && app.call.row == spot.row;
                app.go(Focus::at(FORM));
                app.call.stop_editing();
                app.call.row = spot.row;
                // A second click begins to edit, but never calls.
                if again { act_on_row(app) } else { Vec::new() }
            }),
    ],
    start: Some(TOOL),
    act: Some(CALL),
    // The pane itself names the key where an answer does not fit.
    page: Some(Move { hint: |_| None, by: page }),
    wheel: Some(|app, by| {
        if !app.call.edit.is_open {
            step_row(app, by);
        }
    }),
    note: |app, _| app.target_name().map_or_else(String::new, |name| format!("→ {name}")),
    offers: &[(Action::Everyone, |_| Some("call all"))],
    copy: ClipSource::LAST_ANSWER,
    why: ClipSource { hint: |_| Some("copy preview's why"), ..ClipSource::PREVIEWS_WHY },
    ..Place::DEFAULT
};

/// The message for an action that needs the text of a token, if only the token's hash is known.
pub const HASH_ONLY: &str = "Used by a client; only its hash is known, so it can be revoked but not used here.";

/// Whether a call of a tool is confirmed first: our own tools change nothing, and others are trusted only as far as the
/// server describes them.
pub const fn asks_first(tool: &ToolInfo, is_foreign: bool) -> bool {
    is_foreign && (tool.destroys || !tool.reads_only)
}

/// Makes the call of the form.
fn call(app: &mut App) -> Vec<Effect> {
    if app.selected().is_some_and(|entry| entry.text().is_none()) {
        app.complain(HASH_ONLY);
        return Vec::new();
    }
    app.make_call(LastCall {
        token: app.selected().and_then(|entry| entry.text()).cloned(),
        tool: Arc::clone(&app.call.tool),
        arguments: app.call.arguments.text().to_owned(),
        target: app.target().map(|target| target.number),
        called: None,
        beginning: Document::default(),
    })
}

/// Returns what Enter does with the row under the cursor.
fn row_act(app: &App) -> Option<&'static str> {
    match &app.call.current()?.kind {
        _ if app.call.edit.is_open => Some("call"),
        Kind::Boolean | Kind::Choice(_) => Some("next value"),
        Kind::Array(..) => Some("add item"),
        _ => Some("edit"),
    }
}

/// Handles Enter in the form: it calls only from a text, like Enter in the JSON.
fn act_on_row(app: &mut App) -> Vec<Effect> {
    if app.call.edit.is_open {
        return call(app);
    }
    let Some(row) = app.call.current().cloned() else {
        app.say("this tool describes no arguments; type them as JSON above");
        return Vec::new();
    };
    match row.kind {
        Kind::Boolean | Kind::Choice(_) => turn_value(app, 1),
        Kind::Array(items, _) => {
            let changed = row.with_item(app.call.arguments.text());
            app.put_arguments(changed, "this value is not an array; edit it in the JSON");
            let path: Vec<_> = row.path.iter().cloned().chain([text::json_edit::Step::Item(items)]).collect();
            if let Some(at) = app.call.fields.find(&path) {
                app.call.row = at;
                app.call.edit_row();
            }
        }
        _ => app.call.edit_row(),
    }
    Vec::new()
}

/// Changes the value of the row under the cursor to the next or the previous one.
fn turn_value(app: &mut App, by: isize) {
    if app.has_options() {
        let changed = app.call.current().and_then(|row| row.turned(app.call.arguments.text(), by));
        app.put_arguments(changed, "this value cannot be changed here; edit it in the JSON");
    }
}

/// Removes the value of the row under the cursor.
fn unset(app: &mut App) -> Vec<Effect> {
    let row = app.call.current().filter(|row| row.at.is_some());
    if let Some(row) = row {
        let changed = row.with(app.call.arguments.text(), None);
        app.put_arguments(changed, "this value cannot be removed here; edit it in the JSON");
    }
    Vec::new()
}

/// Stores the text of the edited row in the arguments.
fn take_value(app: &mut App) {
    let changed =
        app.call.current().and_then(|row| row.with_typed(app.call.arguments.text(), app.call.edit.text.text()));
    if let Some(changed) = changed {
        app.call.arguments.set(&changed);
    }
    app.follow_form();
}

/// Moves the cursor in the form. An edit goes on in the next row that is a text.
fn step_row(app: &mut App, by: isize) {
    app.call.edit.is_open = false;
    let to = moved(app.call.row, by, app.call.fields.rows.len());
    app.call.row = to;
    if app.call.edit.goes_on {
        // The members of an object are edited in their own rows.
        if app.call.fields.has_members(to) {
            app.call.row = moved(to, by.signum(), app.call.fields.rows.len());
        }
        if !app.call.fields.has_members(app.call.row) {
            app.call.edit_row();
        }
    }
}

/// Opens the answer for Page Down. Home and End ask for more pages than one.
fn page(app: &mut App, by: isize) {
    if by == 1 {
        app.open_answer();
    }
}

impl App {
    fn has_options(&self) -> bool {
        let row = self.call.current().filter(|_| !self.call.edit.is_open);
        row.is_some_and(|row| row.options(self.call.arguments.text()).len() > 1)
    }

    /// Reads the form's rows again if something that they show has changed.
    pub(in crate::app) fn follow_form(&mut self) {
        let (policy, tools) = (Arc::clone(self.form_policy()), self.catalogue().clone());
        self.call.follow(&policy, &tools);
    }

    /// Stores the arguments for undo, before a change.
    fn remember_arguments(&mut self, field: Field) {
        let before = Step::Arguments(field, self.call.arguments.text().to_owned(), self.call.touched);
        self.history.push(before);
        self.call.touched = true;
    }

    /// Changes the arguments to what a row of the form makes of them, or says why it cannot.
    fn put_arguments(&mut self, changed: Option<String>, fault: &str) {
        match changed {
            Some(changed) if changed != self.call.arguments.text() => {
                self.remember_arguments(FORM);
                self.call.arguments.set(&changed);
                self.follow_form();
            }
            Some(_) => {}
            None => self.complain(fault),
        }
    }

    /// Handles Tab: every row of the form is a field.
    pub(in crate::app) fn step_field(&mut self, by: isize) {
        let rows = self.call.fields.rows.len();
        if self.focus.field == Some(FORM) && self.call.row.checked_add_signed(by).is_some_and(|to| to < rows) {
            return step_row(self, by);
        }
        let to = self.focus.stepped(self.screen, by);
        if to.field == Some(FORM) {
            self.call.row = if by > 0 { 0 } else { rows.saturating_sub(1) };
        }
        self.enter(to);
    }

    /// Chooses a tool. Arguments that were typed for it before come back. Those that were typed for the present one stay
    /// only if the new tool accepts them.
    pub(in crate::app) fn choose_tool(&mut self, tool: &Arc<str>) {
        let (arguments, touched) = self.arguments_on_arrival(tool);
        if *self.call.tool != **tool {
            self.call.change_tool(tool, &arguments);
        }
        if self.call.arguments.text() != arguments {
            self.call.arguments.set(&arguments);
        }
        self.call.touched = touched;
        self.follow_form();
    }

    /// Returns the arguments that the form has after this tool is chosen, and whether the user typed them.
    fn arguments_on_arrival(&self, tool: &str) -> (String, bool) {
        let (policy, tools) = (self.form_policy(), self.catalogue());
        let typed = self.call.arguments.text();
        if *self.call.tool == *tool && self.call.touched {
            return (typed.to_owned(), true);
        }
        if let Some(draft) = self.call.draft(tool).filter(|_| *self.call.tool != *tool) {
            return (draft.text().to_owned(), true);
        }
        let accepts = || {
            let value = text::strict_json::exact_value(typed).ok();
            let schema = tools.schema(policy, tool).and_then(compile);
            value.is_some_and(|value| schema.is_none_or(|schema| schema.check(&value).is_ok()))
        };
        if self.call.touched && accepts() {
            return (typed.to_owned(), true);
        }
        (tools.example(policy, tool), false)
    }

    /// Chooses the next or the previous tool, from any pane.
    pub(in crate::app) fn turn_tool(&mut self, by: isize) {
        let tool = next_of(&self.tools(), &self.call.tool, by);
        self.choose_tool(&tool);
    }

    /// Selects the next or the previous token, from any pane.
    pub(in crate::app) fn turn_token(&mut self, by: isize) {
        self.choose_token(turned(self.selected_row(), by, self.auth.tokens.len() + 1));
    }

    /// Returns a new ID for a request whose answer arrives later.
    pub(in crate::app) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Returns a call that is decided at the time on the clock.
    pub(in crate::app) fn order(&self, tool: Arc<str>, arguments: String, origin: Origin) -> Order {
        Order { tool, arguments, origin, judged_at: self.times.judged }
    }

    /// Returns why the call in the form would be refused, besides the reason in its preview.
    pub fn preview_also(&self, decision: &Decision) -> Vec<Reason> {
        let judged = self.selected().map(|entry| &*entry.judged);
        self.auth.rules.also_refuses(decision, judged, &self.call.tool, self.times.judged)
    }

    /// Returns the question about a call of this tool, if it is to be confirmed first. Of a tool that a foreign server does
    /// not describe, nothing is known.
    pub(in crate::app) fn question_about(&self, tool: &str, call: PendingCall) -> Result<Question, PendingCall> {
        // A call that is repeated goes where it went before.
        let target = match &call {
            PendingCall::One(call) => call.target,
            PendingCall::Everyone => None,
        };
        let info = self.catalogue_of(target).find(tool);
        if !info.map_or(target.is_some(), |info| asks_first(info, target.is_some())) {
            return Err(call);
        }
        let server = target.and_then(|target| self.targets.find(target)).map(|target| Arc::clone(&target.facts.name));
        let risk = match info {
            None => Risk::Unknown,
            Some(info) if info.destroys => Risk::Destroys,
            Some(_) => Risk::Changes,
        };
        Ok(Question::Call { call, tool: tool.into(), server, risk })
    }

    /// The last call of the selected target.
    pub fn shown_call(&self) -> Option<&LastCall> {
        let target = self.target().map(|target| target.number);
        self.last_call.as_ref().filter(|last| last.target == target).or_else(|| self.earlier_calls.get(&target))
    }

    /// Makes a call, or asks first if it may change something.
    pub(in crate::app) fn make_call(&mut self, call: LastCall) -> Vec<Effect> {
        let tool = Arc::clone(&call.tool);
        self.ask_or_send(&tool, PendingCall::One(Box::new(call)))
    }

    /// Makes calls of a tool, or asks first if they may change something.
    pub(in crate::app) fn ask_or_send(&mut self, tool: &str, call: PendingCall) -> Vec<Effect> {
        match self.question_about(tool, call) {
            Ok(question) => {
                self.overlays.push(Overlay::Confirm(question));
                Vec::new()
            }
            Err(call) => self.send(call),
        }
    }

    /// Makes calls that need no confirmation, or have it.
    pub(in crate::app) fn send(&mut self, call: PendingCall) -> Vec<Effect> {
        let call = match call {
            PendingCall::One(call) => *call,
            PendingCall::Everyone => return self.send_as_everyone(),
        };
        if self.in_flight.as_ref().is_some_and(|waiting| waiting.is_foreign) {
            self.complain("a call is waiting for its answer; Esc cancels it");
            return Vec::new();
        }
        let order = self.order(Arc::clone(&call.tool), call.arguments.clone(), Origin::Console);
        let (id, is_foreign) = (self.next_id(), call.target.is_some());
        let effect = match call.target.map(|target| self.foreign_order(target, call.token.clone(), order.clone())) {
            None => Effect::Call { id, token: call.token.clone(), order },
            Some(Ok(call)) => Effect::CallTarget { id, call: Box::new(call) },
            Some(Err(fault)) => {
                self.complain(fault);
                return Vec::new();
            }
        };
        self.in_flight = Some(InFlight { id, since: self.times.mono, is_foreign, progress: None });
        // Each target keeps its last answer.
        let target = call.target;
        if let Some(last) = self.last_call.replace(call).filter(|last| last.target != target && last.called.is_some()) {
            self.earlier_calls.insert(last.target, last);
        }
        vec![effect]
    }

    /// Returns the arguments that the form would have for a tool.
    pub(in crate::app) fn arguments_for(&self, tool: &str) -> String {
        self.arguments_on_arrival(tool).0
    }

    /// Handles a finished call: the drill's, the awaited one, or one that is no longer awaited.
    pub(in crate::app) fn called(&mut self, id: u64, called: CallResult) -> Vec<Effect> {
        if let Some(effects) = self.drill_called(id, &called) {
            return effects;
        }
        self.answered(id, called.into())
    }

    /// Handles the answer to the awaited call, or to one that is no longer awaited.
    pub(in crate::app) fn answered(&mut self, id: u64, called: Answered) -> Vec<Effect> {
        if self.in_flight.take_if(|awaited| awaited.id == id).is_none() {
            return Vec::new();
        }
        self.activity.selected = None;
        if [Screen::Gate, Screen::Targets].contains(&self.screen) && self.focus.pane != Pane::Call {
            let tool = text::name(&called.record.tool, 32);
            self.say(format!("{tool}: {}, {}", called.record.answered.word(), called.record.answered.sentence()));
        }
        if let Some(last) = &mut self.last_call {
            last.beginning = Document::beginning(&called.outcome);
            last.called = Some(called);
        }
        Vec::new()
    }

    /// Stores the progress of the awaited call.
    pub(in crate::app) fn progressed(&mut self, id: u64, progress: Progress) -> Vec<Effect> {
        if let Some(waiting) = self.in_flight.as_mut().filter(|waiting| waiting.id == id) {
            waiting.progress = Some(progress);
        }
        Vec::new()
    }

    /// Opens the last answer in full.
    pub(in crate::app) fn open_answer(&mut self) {
        match self.shown_call().and_then(|last| last.called.as_ref()) {
            Some(called) => {
                let view = AnswerView::new(&called.outcome, &called.record.tool, self.size);
                self.overlays.push(Overlay::Answer(Box::new(view)));
            }
            None => self.complain("no answer yet; Enter in Call makes the call"),
        }
    }

    /// Lays out the open answer again for another size of the terminal.
    pub(in crate::app) fn resize_answer(&mut self) {
        let outcome = self.shown_call().and_then(|last| last.called.as_ref()).map(|called| called.outcome.clone());
        for overlay in &mut self.overlays {
            if let (Overlay::Answer(view), Some(outcome)) = (overlay, &outcome) {
                view.resize(outcome, self.size);
            }
        }
    }
}

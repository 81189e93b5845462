//! The Call pane: the token, the tool and the arguments of the next call, and the answer to the last one.

mod form;

pub use form::{CallForm, LastCall};

use std::sync::Arc;

use super::{Act, Control, Field, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::history::Step;
use crate::app::list::{next_of, turned};
use crate::app::msg::Order;
use crate::app::screen::Screen;
use crate::app::{App, Effect};
use crate::auth::{Decision, Reason};
use crate::gate::{CallResult, Origin};
use crate::text;

/// The token to call with: the selected one.
pub const TOKEN: Field = Field::new(Pane::Call, 0);
/// The tool to call.
pub const TOOL: Field = Field::new(Pane::Call, 1);
/// The arguments, as JSON text.
pub const ARGUMENTS: Field = Field::new(Pane::Call, 2);

/// The action of Enter, here and in the Matrix pane.
pub(super) const CALL: Act = Act { hint: |_| Some("call"), run: call };

pub(super) static PLACE: Place = Place {
    title: "Call",
    letter: 'c',
    help: "Call a tool with the selected token. The preview follows every key press and the clock; Enter makes the call and shows the answer exactly as a caller gets it.",
    controls: &[
        Control::new(TOKEN, "token")
            .turn(|app| if app.auth.tokens.is_empty() { None } else { Some("change token") }, App::turn_token),
        Control::new(TOOL, "tool").turn(|_| Some("change tool"), App::turn_tool),
        Control::new(ARGUMENTS, "args").text(
            |app| &app.call.arguments,
            |app| &mut app.call.arguments,
            |app, field| {
                let before = Step::Arguments(field, app.call.arguments.text().to_owned(), app.call.touched);
                app.history.push(before);
                app.call.touched = true;
            },
        ),
    ],
    start: Some(TOOL),
    act: Some(CALL),
    offers: &[(Action::Everyone, |_| Some("call all"))],
    copy: ClipSource::LAST_ANSWER,
    why: ClipSource { hint: |_| Some("copy preview's why"), ..ClipSource::PREVIEWS_WHY },
    ..Place::DEFAULT
};

/// The message for an action that needs the text of a token, if only the token's hash is known.
pub const HASH_ONLY: &str = "Used by a client; only its hash is known, so it can be revoked but not used here.";

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
        called: None,
    })
}

impl App {
    /// Chooses a tool; arguments that the user did not edit become its example.
    pub(in crate::app) fn choose_tool(&mut self, tool: &Arc<str>) {
        self.call.tool = Arc::clone(tool);
        if !self.call.touched {
            self.call.arguments.set(&self.auth.tools.example(&self.auth.rules.policy, tool));
        }
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

    /// Makes the form's call, or repeats an earlier one.
    pub(in crate::app) fn make_call(&mut self, call: LastCall) -> Vec<Effect> {
        let id = self.next_id();
        self.in_flight = Some(id);
        let order = self.order(Arc::clone(&call.tool), call.arguments.clone(), Origin::Console);
        let effect = Effect::Call { id, token: call.token.clone(), order };
        self.last_call = Some(LastCall { called: None, ..call });
        vec![effect]
    }

    /// Returns the arguments of the form, or the tool's example if the user did not change them.
    pub(in crate::app) fn arguments_for(&self, tool: &str) -> String {
        if self.call.touched {
            self.call.arguments.text().to_owned()
        } else {
            self.auth.tools.example(&self.auth.rules.policy, tool)
        }
    }

    /// Handles a finished call: the drill's, the awaited one, or one that is no longer awaited.
    pub(in crate::app) fn called(&mut self, id: u64, called: CallResult) -> Vec<Effect> {
        if let Some(effects) = self.drill_called(id, &called) {
            return effects;
        }
        if self.in_flight.take_if(|awaited| *awaited == id).is_none() {
            return Vec::new();
        }
        self.activity.selected = None;
        if self.screen == Screen::Gate && self.focus.pane != Pane::Call {
            let tool = text::name(&called.record.tool, 32);
            self.say(format!("{tool}: {}, {}", called.decision.verdict().word(), called.decision.sentence()));
        }
        if let Some(last) = &mut self.last_call {
            last.called = Some(called);
        }
        Vec::new()
    }
}

//! The Who may pane: who may call the tool, what the token may call, and how everyone was answered.

use std::sync::Arc;

use super::call::PendingCall;
use super::{Control, Field, Move, Pane, Place};
use crate::app::clipboard::ClipSource;
use crate::app::focus::Focus;
use crate::app::list::{moved, next_of};
use crate::app::{App, Effect};
use crate::auth::Verdict;
use crate::gate::{CallResult, Origin};
use crate::text;

/// The choice of the view.
pub const VIEW: Field = Field::new(Pane::Who, 0);

/// How many rows Page Up and Page Down scroll.
const PAGE: isize = 10;

pub(super) static PLACE: Place = Place {
    title: "Who may",
    letter: 'w',
    help: "Who may call the tool under the cursor and why, what the selected token may call, or how each caller was answered. It is about the policy of our own gate, also with another server selected in Targets; Matrix shows what that server does.",
    controls: &[Control::new(VIEW, "show")
        .turn(|_| Some("change view"), |app, by| app.who.show(next_of(&WhoView::ALL, &app.who.view, by)))
        .row(|_| Some("scroll"), scroll)],
    note: |app, _| app.target_name().map_or_else(String::new, |_| "of our own gate".to_owned()),
    page: Some(Move { hint: |_| None, by: |app, by| scroll(app, by.saturating_mul(PAGE)) }),
    wheel: Some(scroll),
    copy: ClipSource::LAST_ANSWER,
    why: ClipSource::PREVIEWS_WHY,
    ..Place::DEFAULT
};

/// The state of the Who may pane.
#[derive(Default)]
pub struct WhoPane {
    /// The current view.
    pub view: WhoView,
    /// How many rows are scrolled past.
    pub scroll: usize,
    /// The answers to the last call as everyone.
    pub everyone: Option<CallRound>,
}

/// A view of the Who may pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words below say it")]
pub enum WhoView {
    #[default]
    Who,
    What,
    Answers,
}

impl WhoView {
    const ALL: [Self; 3] = [Self::Who, Self::What, Self::Answers];

    /// Returns the word shown for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Who => "who may call this tool",
            Self::What => "what this token may call",
            Self::Answers => "how everyone was answered",
        }
    }
}

/// One tool called with every token and without one.
pub struct CallRound {
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: String,
    /// The name of each caller, with the result of its call.
    pub answers: Vec<(String, CallResult)>,
    id: u64,
    callers: Vec<String>,
}

impl WhoPane {
    fn show(&mut self, view: WhoView) {
        (self.view, self.scroll) = (view, 0);
    }
}

fn scroll(app: &mut App, by: isize) {
    app.who.scroll = moved(app.who.scroll, by, app.drawn.ends.get(VIEW) + 1);
}

impl App {
    /// Makes the call of the form with every token and without one, or asks first.
    pub(in crate::app) fn call_as_everyone(&mut self) -> Vec<Effect> {
        if self.target().is_some() {
            return self.call_round();
        }
        let tool = Arc::clone(&self.call.tool);
        self.ask_or_send(&tool, PendingCall::Everyone)
    }

    /// Makes these calls, which need no confirmation or have it.
    pub(in crate::app) fn send_as_everyone(&mut self) -> Vec<Effect> {
        let mut callers = vec![text::NO_TOKEN.to_owned()];
        let mut tokens = vec![None];
        for entry in self.auth.tokens.iter() {
            // Only the hash of a client's token is known, so it cannot be used for a call.
            let Some(text) = entry.text() else { continue };
            callers.push(self.token_name(entry));
            tokens.push(Some(Arc::clone(text)));
        }
        let (tool, arguments) = (Arc::clone(&self.call.tool), self.call.arguments.text().to_owned());
        let id = self.next_id();
        let order = self.order(Arc::clone(&tool), arguments.clone(), Origin::Console);
        self.who.everyone = Some(CallRound { tool, arguments, answers: Vec::new(), id, callers });
        vec![Effect::CallEach { id, tokens, order }]
    }

    pub(in crate::app) fn everyone_called(&mut self, id: u64, answers: Vec<CallResult>) -> Vec<Effect> {
        let Some(everyone) = self.who.everyone.as_mut().filter(|everyone| everyone.id == id) else {
            return Vec::new();
        };
        let allowed = answers.iter().filter(|called| called.decision.verdict() == Verdict::Allowed).count();
        let all = answers.len();
        everyone.answers = std::mem::take(&mut everyone.callers).into_iter().zip(answers).collect();
        let tool = text::name(&everyone.tool, 32);
        self.who.show(WhoView::Answers);
        // If the answers are visible beside the matrix, the next key is still for the matrix.
        if !self.drawn.shows(VIEW) {
            self.go(Focus::at(VIEW));
        }
        self.say(format!("{tool}: allowed for {allowed} of {all}"));
        Vec::new()
    }
}

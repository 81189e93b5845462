//! The Test kit pane: the classic test tokens for an identity, and the gate's answer to each. For a foreign target it is the
//! gate probe.

mod probe;

pub use probe::{ProbeLine, ProbeRun, ProbeState, probe_summary};

use std::sync::Arc;

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::{Clip, ClipSource};
use crate::app::focus::Focus;
use crate::app::history::Step;
use crate::app::list::moved;
use crate::app::msg::{KitFor, KitRequest, Order};
use crate::app::pane::call::HASH_ONLY;
use crate::app::{App, Effect};
use crate::auth::{IssueError, NumericDate, Rules};
use crate::gate::{CallResult, Origin};
use crate::lab::evidence::card_markdown;
use crate::lab::kit::{Identity, KIT, TestToken};
use crate::lab::score::{Line, Observation, Scorecard};
use crate::text;

/// The list of test tokens.
pub const LIST: Field = Field::new(Pane::Kit, 0);

pub(super) static PLACE: Place = Place {
    title: "Test kit",
    letter: 'x',
    help: "Test tokens with classic faults, for the user and permissions of the selected token. Enter calls the tool with each and compares the result with the expected one; Space adds the token under the cursor to the list. With another server selected in Targets, Enter is the gate probe: one request after another, each with a token that differs from a good one in one respect. The tokens are modelled on the selected one, and signed again if our key made its signature. Left and Right choose between all probes and the most important ones. In the list, ✘ marks a failure, ! a finding, ? an answer without a verdict, ✔ an answer as it should be, · a measurement, and - a probe that was left out.",
    controls: &[Control::new(LIST, "tokens")
        .tick(|app| app.target().is_none().then_some("add to the list"), App::make_test_token)
        .turn(|app| app.target().map(|_| "all or quick"), |app, _| app.kit.is_quick ^= app.target().is_some())
        .turns_value()
        .row(|_| Some("rows"), step)
        .click(|app, spot| {
            app.go(Focus::at(LIST));
            app.kit.row = spot.row;
            Vec::new()
        })],
    note: |app, _| match app.target_name() {
        Some(name) => format!("→ {name}"),
        None => app.kit.card.as_ref().map_or_else(|| KIT.len().to_string(), Scorecard::summary),
    },
    act: Some(Act {
        hint: |app| Some(if app.target().is_some() { "probe" } else { "run all" }),
        run: |app| if app.target().is_some() { app.run_probe() } else { app.run_kit() },
    }),
    page: Some(Move { hint: |_| None, by: |app, by| step(app, app.drawn.page(LIST, by)) }),
    wheel: Some(step),
    offers: &[(Action::Evidence, |_| Some("copy evidence"))],
    copy: ClipSource {
        hint: |app| app.scorecard().map(|_| "copy scorecard"),
        clip: |app| app.scorecard().map(|text| Clip::new(&text(), "the scorecard")),
    },
    ..Place::DEFAULT
};

fn step(app: &mut App, by: isize) {
    let lines = if app.target().is_some() { app.probe_lines().len() } else { KIT.len() };
    app.kit.row = moved(app.kit.row, by, lines);
}

/// The state of the Test kit pane.
#[derive(Default)]
pub struct KitPane {
    /// The row under the cursor.
    pub row: usize,
    /// The result of the last run.
    pub card: Option<Scorecard>,
    /// The rules when that run ended.
    rules: Option<Arc<Rules>>,
    awaited: Option<Run>,
    /// The last probe of a foreign target.
    pub probe: Option<ProbeRun>,
    /// Whether the next probe of a foreign target makes only the most important requests.
    pub is_quick: bool,
}

/// A run whose answers are pending.
struct Run {
    id: u64,
    tool: Arc<str>,
    made_for: Identity,
    /// The settings and rules when it began: the answers are judged by these.
    judged_by: Vec<String>,
    rules: Arc<Rules>,
    at: NumericDate,
    tokens: Vec<TestToken>,
}

impl App {
    /// Returns the user and permissions of test tokens: those of the selected token, or of the Issue form, or else of a
    /// user who may call the tool.
    pub fn identity(&self) -> Identity {
        let selected = self.selected().map(|entry| &entry.judged);
        if let Some((name, judged)) =
            selected.and_then(|judged| Some((judged.name.clone().filter(|name| !name.is_empty())?, judged)))
        {
            return Identity { user_id: name, permissions: judged.permissions.clone() };
        }
        if !self.issue.user_id.is_empty() {
            return Identity { user_id: self.issue.user_id.text().to_owned(), permissions: self.issue.permissions() };
        }
        let permissions = self.auth.rules.policy.opening(&self.call.tool);
        Identity { user_id: "tester".to_owned(), permissions }
    }

    /// Returns what the last run tested, and whether its result is outdated: another run would test something else or
    /// use other rules.
    pub fn kit_is_of(&self) -> Option<(String, bool)> {
        let card = self.kit.card.as_ref()?;
        let same_rules = self.kit.rules.as_ref().is_some_and(|rules| Arc::ptr_eq(rules, &self.auth.rules));
        let same_call = *card.tool == *self.call.tool && card.made_for == self.identity();
        Some((format!("{} as {}", text::name(&card.tool, 32), card.made_for.words()), !(same_rules && same_call)))
    }

    /// Returns what formats the scorecard of the selected target as Markdown, if there is one.
    fn scorecard(&self) -> Option<Box<dyn Fn() -> String + '_>> {
        if self.target().is_some() {
            let card = self.probe()?.finished()?;
            return Some(Box::new(|| card.markdown()));
        }
        let card = self.kit.card.as_ref()?;
        Some(Box::new(|| card_markdown(card)))
    }

    /// Calls the tool with every test token, made anew for the time on the clock.
    fn run_kit(&mut self) -> Vec<Effect> {
        self.ask_for_kit(KitFor::Run)
    }

    /// Adds the test token under the cursor to the list.
    fn make_test_token(&mut self) -> Vec<Effect> {
        if self.target().is_some() {
            return Vec::new();
        }
        self.ask_for_kit(KitFor::List(Some(self.kit.row)))
    }

    /// Adds every test token to the list.
    pub(in crate::app) fn make_all_test_tokens(&mut self) -> Vec<Effect> {
        self.ask_for_kit(KitFor::List(None))
    }

    fn ask_for_kit(&mut self, purpose: KitFor) -> Vec<Effect> {
        vec![Effect::MakeKit(Box::new(KitRequest {
            identity: self.identity(),
            tool: Arc::clone(&self.call.tool),
            at: self.times.judged,
            rules: Arc::clone(&self.auth.rules),
            judged_by: self.judged_by(),
            purpose,
        }))]
    }

    pub(in crate::app) fn kit_made(
        &mut self,
        made: Result<Vec<TestToken>, IssueError>,
        request: KitRequest,
    ) -> Vec<Effect> {
        let tokens = match made {
            Ok(tokens) => tokens,
            Err(error) => {
                self.complain(error.to_string());
                return Vec::new();
            }
        };
        match request.purpose {
            KitFor::List(row) => {
                let named = |token: &TestToken| (Arc::clone(&token.token), Arc::from(token.name));
                let wanted = tokens.iter().enumerate().filter(|(n, _)| row.is_none_or(|row| row == *n));
                let named: Vec<_> = wanted.map(|(_, token)| named(token)).collect();
                self.history.push(Step::Tests(named.clone(), Vec::new()));
                vec![Effect::AddNamed(named)]
            }
            KitFor::Run => {
                let id = self.next_id();
                // As requested: the form and the rules may have changed while the tokens were made.
                let KitRequest { identity: made_for, tool, at, rules, judged_by, .. } = request;
                let arguments = self.arguments_for(&tool);
                let order = Order { tool: Arc::clone(&tool), arguments, origin: Origin::Kit, judged_at: at };
                let texts = tokens.iter().map(|token| Some(Arc::clone(&token.token))).collect();
                self.kit.awaited = Some(Run { id, tool, made_for, judged_by, rules, at, tokens });
                vec![Effect::CallEach { id, tokens: texts, order }]
            }
        }
    }

    /// Handles test tokens that were added to the list.
    pub(in crate::app) fn named_added(&mut self, numbers: Vec<u64>) -> Vec<Effect> {
        if let Some(first) = numbers.first() {
            self.selected = Some(*first);
            self.refresh();
            let tokens = text::words::count(numbers.len(), "test token");
            let name = self.selected().map(|entry| self.token_name(entry)).unwrap_or_default();
            self.say(format!("{tokens} added to the list; {name} is selected; Ctrl-7 removes them"));
        }
        if let Some(added) = self.history.latest_tests() {
            *added = numbers;
        }
        Vec::new()
    }

    pub(in crate::app) fn called_each(&mut self, id: u64, calls: Vec<CallResult>) -> Vec<Effect> {
        let Some(Run { tool, made_for, judged_by, rules, at, tokens, .. }) =
            self.kit.awaited.take_if(|run| run.id == id)
        else {
            return self.everyone_called(id, calls);
        };
        let line = |(token, called): (&TestToken, CallResult)| {
            Line::new(token, Observation::new(&called.decision, &called.outcome))
        };
        let lines: Vec<Line> = tokens.iter().zip(calls).map(line).collect();
        let card = Scorecard { tool: tool.to_string(), made_for, judged_by, at, lines };
        self.kit.rules = Some(rules);
        let said = format!("test tokens: {}", card.summary());
        if card.passed() {
            self.say(said);
        } else {
            self.complain(said);
        }
        self.kit.card = Some(card);
        Vec::new()
    }
}

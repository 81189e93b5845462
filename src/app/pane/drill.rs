//! The Drill pane: the running expiry drill, and the result of the last one.

use std::sync::Arc;
use std::time::Duration;

use super::{Act, Control, Field, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::{Clip, ClipSource};
use crate::app::list::{next_of, turned};
use crate::app::msg::Order;
use crate::app::overlay::{Overlay, Question};
use crate::app::pane::call::HASH_ONLY;
use crate::app::runs::{BoundariesOrder, RunOrder, RunStop, RunWork};
use crate::app::{App, Effect, clock};
use crate::auth::explain::mapped;
use crate::auth::{IssueRequest, NumericDate};
use crate::gate::{CallResult, Origin, RawArguments, TokenEntry, arguments};
use crate::lab::drill::{Boundary, Drill, DrillResult, FINEST, Pace, Plan, Subject, end_of_new};
use crate::lab::evidence::{ServerRun, drill_markdown};
use crate::observe::Observation;
use crate::text::words::{count, exact};
use crate::text::{self, Span};

/// The token to drill: the selected one, or a new one.
pub const TOKEN: Field = Field::new(Pane::Drill, 0);
/// The tool to call: the one of the Call pane.
pub const TOOL: Field = Field::new(Pane::Drill, 1);
/// The time from one call to the next.
pub const EVERY: Field = Field::new(Pane::Drill, 2);
/// Whether the drill runs in shifted time or in real time.
pub const WAY: Field = Field::new(Pane::Drill, 3);

pub(super) static PLACE: Place = Place {
    title: "Drill",
    letter: 'd',
    help: "An expiry drill calls the tool before and after the token expires, finds when the gate starts to refuse it, and compares that with exp and leeway. In shifted time it is immediate and exact; in real time it runs in the background. Its calls are logged in Activity. With another server selected in Targets, it drills that server: in real time with the token, and in shifted time by signing tokens with different exp and nbf, whose calls are not logged. Enter or Esc cancels a running drill.",
    controls: &[
        Control::new(TOKEN, "token")
            .turn(|_| Some("change"), |app, by| app.drill.with = next_of(&DrillToken::ALL, &app.drill.with, by)),
        Control::new(TOOL, "tool").turn(|_| Some("change"), App::turn_tool),
        Control::new(EVERY, "every")
            .turn(|_| Some("change"), |app, by| app.drill.every = turned(app.drill.every, by, INTERVALS.len())),
        Control::new(WAY, "in")
            .turn(|_| Some("change"), |app, by| app.drill.way = next_of(&DrillMode::ALL, &app.drill.way, by)),
    ],
    note: |app, _| app.target_name().map_or_else(String::new, |name| format!("→ {name}")),
    act: Some(Act {
        hint: |app| Some(if app.drill.running.is_some() { "cancel" } else { "drill" }),
        run: App::start_drill,
    }),
    offers: &[(Action::Evidence, |_| Some("copy evidence"))],
    copy: ClipSource {
        hint: |app| app.drill.found.as_ref().map(|_| "copy report"),
        clip: |app| app.drill.found.as_ref().map(|found| Clip::new(&drill_markdown(found), "the report")),
    },
    ..Place::DEFAULT
};

/// The state of the Drill pane.
pub struct DrillPane {
    with: DrillToken,
    every: usize,
    way: DrillMode,
    /// The running drill.
    pub running: Option<Running>,
    /// The result of the last drill.
    pub found: Option<DrillResult>,
    /// The foreign server that it was made against; `None` for our own gate.
    pub found_at: Option<ServerRun>,
    /// The boundaries that were found at a foreign target last.
    pub bounds: Option<Bounds>,
    /// How the last search for boundaries was begun, and its tool.
    pub(in crate::app) search: Option<(ServerRun, Arc<str>)>,
    /// Whether a token is being issued for a drill.
    pub(in crate::app) waits: bool,
}

impl Default for DrillPane {
    fn default() -> Self {
        let (with, way) = (DrillToken::default(), DrillMode::default());
        Self {
            with,
            every: 1,
            way,
            running: None,
            found: None,
            found_at: None,
            bounds: None,
            search: None,
            waits: false,
        }
    }
}

/// Which token is drilled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DrillToken {
    #[default]
    Selected,
    Fresh(usize),
}

/// The lifetimes of tokens that are issued for a drill.
const FRESH: [Span; 3] = [Span::seconds(3), Span::seconds(10), Span::MINUTE];

impl DrillToken {
    const ALL: [Self; 1 + FRESH.len()] = [Self::Selected, Self::Fresh(0), Self::Fresh(1), Self::Fresh(2)];

    fn words(self) -> String {
        match self {
            Self::Selected => "the selected token".to_owned(),
            Self::Fresh(n) => format!("a new one, valid for {}", exact(FRESH[n])),
        }
    }
}

/// The times from one call to the next.
const INTERVALS: [Span; 7] =
    [FINEST, Span::millis(100), Span::millis(250), Span::millis(500), Span::SECOND, Span::seconds(10), Span::MINUTE];

/// How the drill passes the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DrillMode {
    #[default]
    Shifted,
    Real,
    RealFine,
}

impl DrillMode {
    const ALL: [Self; 3] = [Self::Shifted, Self::Real, Self::RealFine];

    const fn words(self) -> &'static str {
        match self {
            Self::Shifted => "shifted time, immediate",
            Self::Real => "real time",
            Self::RealFine => "real time, finer near exp",
        }
    }
}

/// The boundaries of a foreign target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The number of the target.
    pub target: u64,
    /// The settings with which a command finds them again.
    pub run: ServerRun,
    /// The tool that was called.
    pub tool: Arc<str>,
    /// That of `exp`.
    pub exp: Boundary,
    /// That of `nbf`, once it has been found.
    pub nbf: Option<Boundary>,
}

/// A running drill.
pub struct Running {
    /// The number of the foreign target that is called; `None` is our own gate.
    target: Option<u64>,
    /// The state of the drill.
    pub drill: Drill,
    /// The token and the tool.
    pub subject: Subject,
    judged_by: Vec<String>,
    token: Arc<str>,
    arguments: String,
    awaited: Option<u64>,
}

impl DrillPane {
    /// How the next drill passes the time.
    pub fn plan(&self) -> Plan {
        let pace = if self.way == DrillMode::Shifted { Pace::Shifted } else { Pace::Real };
        Plan { pace, every: INTERVALS[self.every], fine: self.way == DrillMode::RealFine }
    }

    /// Returns the instant of the next call, if a drill waits for it.
    fn due(&self) -> Option<NumericDate> {
        let running = self.running.as_ref().filter(|running| running.awaited.is_none())?;
        running.drill.next()
    }

    /// Returns which token is drilled, in words.
    pub fn with_words(&self) -> String {
        self.with.words()
    }

    /// Returns the time from one call to the next, in words.
    pub fn every_words(&self) -> String {
        exact(INTERVALS[self.every])
    }

    /// Returns how the drill passes the time, in words.
    pub const fn way_words(&self) -> &'static str {
        self.way.words()
    }

    /// Whether the next drill uses the selected token.
    pub fn is_of_selected(&self) -> bool {
        self.with == DrillToken::Selected
    }
}

impl App {
    /// Returns the time until the drill's next call. It does not depend on what is on the screen.
    pub fn next_deed(&self) -> Option<Duration> {
        let left = self.drill.due()?.since(self.times.real);
        // Limited, so that a change of the clock is noticed.
        Some(left.as_duration().min(clock::COMPARED))
    }

    /// Starts a drill, or cancels the running one.
    fn start_drill(&mut self) -> Vec<Effect> {
        if self.drill.running.is_some() {
            self.cancel_drill();
            return Vec::new();
        }
        if let Some(target) = self.target() {
            let reads = target.observed.catalogue().find(&self.call.tool).is_some_and(|tool| tool.reads_only);
            if !target.facts.takes_token {
                let name = Arc::clone(&target.facts.name);
                self.complain(format!("the console sends no token to {name}, so there is nothing to drill"));
                return Vec::new();
            }
            if !reads {
                self.complain("choose a read-only tool: a drill calls it many times");
                return Vec::new();
            }
            if self.drill.way == DrillMode::Shifted {
                return self.find_boundaries();
            }
            if !target.facts.is_local {
                let (tool, every) = (text::name(&self.call.tool, 64), self.drill.every_words());
                let words = format!(
                    "Call {tool} every {every} until the token has expired, on {} ({})?",
                    target.facts.name, target.facts.place
                );
                self.overlays.push(Overlay::Confirm(Question::Drill { words }));
                return Vec::new();
            }
        }
        self.start_real_drill()
    }

    /// Whether Esc cancels the running drill. Elsewhere it only leaves a pane: a drill may run for an hour.
    pub(in crate::app) fn cancels_drill(&self) -> bool {
        self.drill.running.is_some() && self.focus.pane == Pane::Drill
    }

    /// Cancels the running drill.
    pub(in crate::app) fn cancel_drill(&mut self) {
        if let Some(running) = &mut self.drill.running {
            running.drill.cancel();
            self.end_drill();
        }
    }

    /// Starts a drill that needs no confirmation, or has it.
    pub(in crate::app) fn start_real_drill(&mut self) -> Vec<Effect> {
        match (self.drill.with, self.selected().cloned()) {
            (DrillToken::Selected, Some(entry)) => self.drill_token(&entry),
            (DrillToken::Selected, None) => {
                self.complain("no token is selected: issue or select one first");
                Vec::new()
            }
            (DrillToken::Fresh(n), _) => {
                self.drill.waits = true;
                vec![Effect::Issue(Box::new(self.fresh_request(FRESH[n])), self.times.real)]
            }
        }
    }

    /// Returns a request for a token with this lifetime that may call the form's tool.
    fn fresh_request(&self, lives: Span) -> IssueRequest {
        let rules = &self.auth.rules;
        IssueRequest {
            user_id: "drill".to_owned(),
            permissions: rules.policy.opening(&self.call.tool),
            expires: Some(end_of_new(self.times.real, lives)),
            issuer: rules.issuer().map(ToString::to_string),
            audience: rules.audience().map(ToString::to_string),
            ..IssueRequest::default()
        }
    }

    /// Starts the drill that waits for the issued token, if any.
    pub(in crate::app) fn drill_issued(&mut self) -> Vec<Effect> {
        match (std::mem::take(&mut self.drill.waits), self.selected().cloned()) {
            (true, Some(entry)) => self.drill_token(&entry),
            _ => Vec::new(),
        }
    }

    fn drill_token(&mut self, entry: &TokenEntry) -> Vec<Effect> {
        let Some(text) = entry.text().cloned() else {
            self.complain(HASH_ONLY);
            return Vec::new();
        };
        let plan = self.drill.plan();
        let target = self.target().map(|target| target.number);
        let drill = match Drill::new(&entry.judged.lifetime, plan, self.times.real) {
            Ok(drill) if target.is_some() => drill.of_server(),
            Ok(drill) => drill,
            Err(error) => {
                // The result for another token would look like this token's.
                self.drill.found = None;
                self.complain(error.to_string());
                return Vec::new();
            }
        };
        let tool = Arc::clone(&self.call.tool);
        let arguments = self.arguments_for(&tool);
        let (jti, claims) = (entry.judged.jti.clone(), mapped(&entry.judged));
        let subject = Subject { id: entry.id, jti, name: self.token_name(entry), claims, tool };
        let judged_by = match self.target() {
            Some(target) => vec![format!("the server at {}", target.facts.place)],
            None => self.judged_by(),
        };
        (self.drill.found, self.drill.bounds) = (None, None);
        self.drill.running = Some(Running { target, drill, subject, judged_by, token: text, arguments, awaited: None });
        self.drill_on()
    }

    /// Makes the next call of the drill, if it is due.
    pub(in crate::app) fn drill_on(&mut self) -> Vec<Effect> {
        let id = self.last_id + 1;
        let Some(running) = self.drill.running.as_mut().filter(|running| running.awaited.is_none()) else {
            return Vec::new();
        };
        let Some(judged_at) = running.drill.call_at(self.times.real) else {
            return Vec::new();
        };
        self.last_id = id;
        running.awaited = Some(id);
        let (tool, arguments) = (Arc::clone(&running.subject.tool), running.arguments.clone());
        let order = Order { tool, arguments, origin: Origin::Drill, judged_at };
        let (token, target) = (Some(Arc::clone(&running.token)), running.target);
        match target.map(|target| self.foreign_order(target, token.clone(), order.clone())) {
            None => vec![Effect::Call { id, token, order }],
            Some(Ok(call)) => vec![Effect::CallTarget { id, call: Box::new(call) }],
            Some(Err(fault)) => {
                self.cancel_drill();
                self.complain(fault);
                Vec::new()
            }
        }
    }

    /// Handles a finished call: if it is the drill's, records it and makes the next one.
    pub(in crate::app) fn drill_called(&mut self, id: u64, called: &CallResult) -> Option<Vec<Effect>> {
        let running = self.drill.running.as_mut().filter(|running| running.awaited == Some(id))?;
        running.awaited = None;
        running.drill.record(called.record.judged_at, &called.decision, &called.outcome);
        if running.drill.next().is_none() {
            self.end_drill();
            return Some(Vec::new());
        }
        Some(self.drill_on())
    }

    /// Handles a finished call of a foreign target: if it is the drill's, records it and makes the next one.
    pub(in crate::app) fn drill_observed(
        &mut self,
        id: u64,
        at: NumericDate,
        observation: &Observation,
    ) -> Option<Vec<Effect>> {
        let running = self.drill.running.as_mut().filter(|running| running.awaited == Some(id))?;
        running.awaited = None;
        running.drill.record_observed(at, observation);
        if running.drill.next().is_none() {
            self.end_drill();
            return Some(Vec::new());
        }
        Some(self.drill_on())
    }

    /// Finds the boundaries of `exp` and `nbf` at the selected target, by signing tokens with different times.
    fn find_boundaries(&mut self) -> Vec<Effect> {
        let Some(target) = self.target() else { return Vec::new() };
        let (number, facts) = (target.number, target.facts.clone());
        let Ok(token) = self.token_for(self.drill.is_of_selected()) else {
            self.complain(HASH_ONLY);
            return Vec::new();
        };
        let tool = Arc::clone(&self.call.tool);
        let arguments = match arguments::read(RawArguments::Text(&self.arguments_for(&tool)), None) {
            Ok(arguments) => arguments,
            Err(error) => {
                self.complain(format!("not called; {error}"));
                return Vec::new();
            }
        };
        let question = (!facts.is_local)
            .then(|| format!("Send about 20 requests with old and new tokens to {} ({})?", facts.name, facts.place));
        let work = RunWork::Boundaries(BoundariesOrder { identity: self.identity(), tool, arguments });
        self.ask_or_run(RunOrder { target: number, token, work }, question)
    }

    /// Shows the boundaries found so far.
    pub(in crate::app) fn boundaries_found(&mut self, target: u64, exp: Boundary, nbf: Option<Boundary>) {
        if let Some((run, tool)) = self.drill.search.clone() {
            self.drill.bounds = Some(Bounds { target, run, tool, exp, nbf });
        }
    }

    /// Handles the end of the search.
    pub(in crate::app) fn boundaries_ended(&mut self, end: Result<(), RunStop>) {
        match (end, &self.drill.bounds) {
            (Ok(()), Some(Bounds { exp, nbf, .. })) => {
                let said = nbf.map_or_else(String::new, |nbf| format!("; {}", nbf.words("nbf")));
                let said = format!("{}{said}", exp.words("exp"));
                let is_sound = exp.is_sound() && nbf.is_none_or(|nbf| nbf.is_sound());
                if is_sound { self.say(said) } else { self.complain(said) }
            }
            (Ok(()), None) => {}
            (Err(RunStop::Cancelled), _) => self.say("the drill was cancelled"),
            (Err(RunStop::Refused(why)), _) => self.complain(format!("not drilled: {}", why.sentence)),
            (Err(RunStop::Failed(why)), _) => self.complain(format!("not drilled: {why}")),
        }
    }

    fn end_drill(&mut self) {
        let Some(Running { target, drill, subject, judged_by, token, .. }) = self.drill.running.take() else {
            return;
        };
        let report = drill.report();
        let tool = text::name(&subject.tool, 32);
        let said = format!("drill of {tool}, {}: {}", count(report.calls, "call"), report.verdict());
        if report.passed() {
            self.say(said);
        } else {
            self.complain(said);
        }
        let place = target.and_then(|target| self.targets.find(target)).map(|target| Arc::clone(&target.facts.place));
        self.drill.found_at = place.map(|place| self.server_run(&place, Some(&token), false));
        self.drill.found = Some(DrillResult { subject, report, at: self.times.real, judged_by });
    }
}

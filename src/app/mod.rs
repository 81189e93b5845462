//! The console's state and its one [`update()`]: no I/O, no clock, no drawing.
//!
//! A [`Msg`] comes in, [`Effect`]s go out; their results return as messages. The view draws from `&App` and returns a
//! [`FrameInfo`] with facts that only drawing knows.
//!
//! Each pane has a file under [`pane`] with its state, fields, keys and texts. `App` and the files beside that folder
//! hold what several panes share: the selected token, the tool, the clock, the history, the overlays.

mod act;
pub mod action;
mod clipboard;
pub mod clock;
mod compare;
mod editor;
mod evidence;
pub mod field;
mod find;
pub mod focus;
pub mod frame_info;
pub mod hints;
pub mod history;
pub mod key;
pub mod keymap;
mod line;
mod list;
mod moves;
pub mod msg;
mod names;
pub mod observed;
pub mod overlay;
pub mod pane;
mod paste;
pub mod policy_file;
mod revoking;
mod running;
pub mod runs;
pub mod screen;
mod settings;
mod signing;
mod targeting;
pub mod targets;
pub mod times;
mod update;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub use focus::Focus;
pub use frame_info::{Area, FrameInfo, Target};
pub use msg::{Effect, Mouse, MouseKind, Msg, Times};
pub use pane::{Field, Pane};
pub use screen::Screen;
use update::RunStart;
pub use update::update;

use crate::auth::{Call, Decision, Inspection, NumericDate, Verdict};
use crate::endpoint::{Address, Files, Settings};
use crate::gate::ports::ToolError;
use crate::gate::{Snapshot, TokenEntry};
use crate::look::Look;
use crate::text::words;
use clock::{ClockJump, ConsoleClock};
use history::History;
use key::Key;
use msg::ServerInfo;
use names::Namesakes;
use overlay::Overlay;
use pane::activity::ActivityPane;
use pane::call::{CallForm, InFlight, LastCall};
use pane::clock::ClockPane;
use pane::connect::ConnectPane;
use pane::drill::DrillPane;
use pane::inspect::InspectPane;
use pane::issue::IssueForm;
use pane::issuers::IssuersPane;
use pane::keys::KeysPane;
use pane::kit::KitPane;
use pane::matrix::Matrix;
use pane::policy::PolicyPane;
use pane::server::ServerPane;
use pane::targets::TargetsPane;
use pane::timeline::Timeline;
use pane::traffic::TrafficPane;
use pane::who::WhoPane;
use pane::why::WhyPane;
use policy_file::PolicyFile;
use runs::Run;
use targets::{TargetFacts, Targets};
use times::{TimeStyle, Zone};

/// Everything the console knows. It holds tokens, so it has no `Debug`.
pub struct App {
    /// The instants of this turn.
    pub times: Times,
    /// The copy of the shared auth state.
    pub auth: Snapshot,
    /// Facts about the last frame.
    pub drawn: FrameInfo,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The screen shown.
    pub screen: Screen,
    /// The keyboard focus.
    pub focus: Focus,
    /// A pressed key that waits for the next one: after `g`, a letter selects a screen.
    pub chord: Option<Key>,
    /// Where the run of keys began that came too fast to be typed.
    run_start: RunStart,
    /// Whether the console receives clicks and the wheel; otherwise the mouse selects text in the terminal.
    pub has_mouse: bool,
    /// The Issue pane's form.
    pub issue: IssueForm,
    /// The Call pane's form.
    pub call: CallForm,
    /// The number of the selected token; `None` is the row `(no token)`.
    pub selected: Option<u64>,
    /// The selected token, inspected under the current rules.
    pub inspection: Option<Arc<Inspection>>,
    /// The state of the Matrix pane.
    pub matrix: Matrix,
    /// The state of the Policy pane.
    pub policy: PolicyPane,
    /// The state of the Who may pane.
    pub who: WhoPane,
    /// The state of the Inspect pane.
    pub inspect: InspectPane,
    /// The state of the Activity pane.
    pub activity: ActivityPane,
    /// The last call made from the console.
    pub last_call: Option<LastCall>,
    /// The last call of each other target; `None` is our own gate.
    earlier_calls: HashMap<Option<u64>, LastCall>,
    /// The call whose answer is pending.
    pub in_flight: Option<InFlight>,
    /// The targets that calls can go to.
    pub targets: Targets,
    /// The run against a target that is under way.
    pub run: Option<Run>,
    /// The open overlays; the last one is on top.
    pub overlays: Vec<Overlay>,
    /// Undo and redo.
    pub history: History,
    /// A message that disappears after a while.
    pub toast: Option<Toast>,
    /// The theme, and what the terminal can show.
    pub look: Look,
    /// Remapped keys: each acts like the key it maps to.
    pub keys: HashMap<Key, Key>,
    /// How instants are shown.
    pub time_style: TimeStyle,
    /// The user's time zone.
    pub zone: Zone,
    /// The policy file.
    pub policy_file: PolicyFile,
    /// The state of the Server pane.
    pub server: ServerPane,
    /// The state of the Traffic pane.
    pub traffic: TrafficPane,
    /// The state of the Connect pane.
    pub connect: ConnectPane,
    /// Whether revocations made here are stored and survive a restart.
    pub keeps_revocations: bool,
    /// The names of security-relevant files that other users can write to.
    pub writable: Vec<&'static str>,
    /// The clock that decisions use.
    pub clock: ConsoleClock,
    /// Whether issued tokens are stamped by that clock too, instead of by the real one.
    pub stamps_held: bool,
    /// The state of the Clock pane.
    pub dial: ClockPane,
    /// The state of the Timeline pane.
    pub timeline: Timeline,
    /// The state of the Drill pane.
    pub drill: DrillPane,
    /// The state of the Test kit pane.
    pub kit: KitPane,
    /// The state of the Issuers pane.
    pub issuers: IssuersPane,
    /// The state of the Keys pane.
    pub keys_pane: KeysPane,
    /// The state of the Targets pane.
    pub targets_pane: TargetsPane,
    /// The state of the Why pane.
    pub why: WhyPane,
    /// The names that several tokens share.
    namesakes: Namesakes,
    /// The last jump of the system clock, until the user has seen it.
    pub leap: Option<ClockJump>,
    last_id: u64,
}

/// A message that disappears after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// The sentence; safe to show.
    pub text: String,
    /// Whether it reports a problem.
    pub trouble: bool,
    /// When it disappears, on the monotonic clock.
    pub until: Duration,
}

/// How long a toast is shown.
const TOAST: Duration = Duration::from_secs(5);

/// The initial state of a console. It holds tokens, so it has no `Debug`.
pub struct InitialState {
    /// A copy of the shared state.
    pub auth: Snapshot,
    /// The instants of the start.
    pub times: Times,
    /// The user's time zone.
    pub zone: Zone,
    /// The policy file's path; empty for the built-in policy.
    pub policy_path: String,
    /// Whether revocations made here are stored and survive a restart.
    pub keeps_revocations: bool,
    /// The names of security-relevant files that other users can write to.
    pub writable: Vec<&'static str>,
    /// The settings that the Server pane offers.
    pub server: Settings,
    /// The server that is already running, if any.
    pub listening: Option<ServerInfo>,
    /// The start of the console's clock, if it is not the real time.
    pub start_at: Option<NumericDate>,
    /// The lifetime of issued tokens as text, such as `1h`, if it is configured.
    pub lifetime: Option<String>,
    /// The theme, and what the terminal can show.
    pub look: Look,
    /// Remapped keys: each acts like the key it maps to.
    pub keys: HashMap<Key, Key>,
    /// The files that the program was started with.
    pub files: Files,
    /// The foreign targets.
    pub targets: Vec<TargetFacts>,
    /// The index of the target that is selected at the start; `None` is our own gate.
    pub target: Option<usize>,
}

impl InitialState {
    /// Returns a state without files or a server, at the real time, shown in UTC.
    pub fn new(auth: Snapshot, times: Times) -> Self {
        Self {
            auth,
            times,
            zone: |_| 0,
            policy_path: String::new(),
            keeps_revocations: false,
            writable: Vec::new(),
            server: Settings::at(Address::default()),
            listening: None,
            start_at: None,
            lifetime: None,
            look: Look::default(),
            keys: HashMap::new(),
            files: Files::default(),
            targets: Vec::new(),
            target: None,
        }
    }
}

impl App {
    /// Creates a console from its initial state.
    pub fn new(opening: InitialState) -> Self {
        let InitialState {
            auth,
            times,
            zone,
            policy_path,
            keeps_revocations,
            writable,
            server,
            listening,
            start_at,
            lifetime,
            look,
            keys,
            files,
            targets,
            target,
        } = opening;
        let rules = &auth.rules;
        let issue = IssueForm::new(
            &rules.policy,
            rules.issuer().map(|issuer| &**issuer),
            rules.audience().map(|audience| &**audience),
        );
        let mut app = Self {
            times,
            drawn: FrameInfo::default(),
            size: (80, 24),
            screen: Screen::default(),
            focus: Focus::landing(Pane::Issue),
            chord: None,
            run_start: RunStart::default(),
            has_mouse: true,
            matrix: Matrix::default(),
            policy: PolicyPane::default(),
            issue,
            call: CallForm::new(),
            selected: auth.tokens.first().map(|entry| entry.number),
            inspection: None,
            who: WhoPane::default(),
            inspect: InspectPane::default(),
            activity: ActivityPane::default(),
            last_call: None,
            earlier_calls: HashMap::new(),
            in_flight: None,
            targets: Targets::new(targets),
            run: None,
            overlays: Vec::new(),
            history: History::default(),
            toast: None,
            look,
            keys,
            time_style: TimeStyle::default(),
            zone,
            policy_file: PolicyFile::new(policy_path, Arc::clone(&auth.rules.policy)),
            server: ServerPane::new(server),
            keeps_revocations,
            writable,
            traffic: TrafficPane::default(),
            connect: ConnectPane::new(files),
            clock: ConsoleClock::Real,
            stamps_held: false,
            leap: None,
            last_id: 0,
            dial: ClockPane::default(),
            timeline: Timeline::default(),
            drill: DrillPane::default(),
            kit: KitPane::default(),
            issuers: IssuersPane::default(),
            keys_pane: KeysPane::default(),
            targets_pane: TargetsPane::default(),
            why: WhyPane::default(),
            namesakes: Namesakes::default(),
            auth,
        };
        app.matrix.follow(&mut app.auth, times.mono);
        app.policy.follow(&app.auth.rules.policy);
        app.namesakes.follow(&app.auth.tokens);
        let target = target.and_then(|at| app.targets.foreign().get(at)).map(|target| target.number);
        app.select_target(target);
        if target.is_some() {
            app.screen = Screen::Targets;
            app.focus = Focus::landing(Pane::Targets);
        }
        app.refresh();
        if let Some(listening) = listening {
            app.is_served(listening);
        }
        if let Some(start) = start_at {
            app.start_at(start);
        }
        if let Some(lifetime) = lifetime {
            app.issue.expires.set(&lifetime);
        }
        app
    }

    /// Returns the selected token, if any.
    pub fn selected(&self) -> Option<&TokenEntry> {
        self.auth.token(self.selected?)
    }

    /// Returns the row of the selected token: 0 is `(no token)`.
    pub fn selected_row(&self) -> usize {
        self.selected.and_then(|number| self.auth.place(number)).map_or(0, |place| place + 1)
    }

    /// Returns the tools to choose from: the offered ones, and the form's, which may come from the log.
    pub fn tools(&self) -> Vec<Arc<str>> {
        let mut all = self.offered_tools();
        if !self.call.tool.is_empty() && !all.contains(&self.call.tool) {
            all.push(Arc::clone(&self.call.tool));
        }
        all
    }

    /// Returns the policy's tools and those of the backend that are missing from it. For a foreign target, what it lists
    /// for any token comes first: a tool that is hidden from the selected token can be called too.
    fn offered_tools(&self) -> Vec<Arc<str>> {
        let known = self.catalogue().tools().iter().map(|tool| &tool.name);
        let policys = self.auth.rules.policy.tools().iter().map(|tool| &tool.name);
        let all: Vec<&Arc<str>> =
            if self.target().is_some() { known.chain(policys).collect() } else { policys.chain(known).collect() };
        let mut seen = HashSet::new();
        all.into_iter().filter(|tool| !tool.is_empty() && seen.insert(Arc::clone(tool))).cloned().collect()
    }

    /// Returns what the gate would decide now about the call in the form. Nothing is called or logged.
    pub fn preview(&self) -> Decision {
        let (rules, now) = (&self.auth.rules, self.times.judged);
        match self.selected().map(|entry| (entry.text(), &entry.judged)) {
            // For a client's token, only its hash and its claims are known.
            Some((None, judged)) => rules.decide_judged(Some(judged), &self.call.tool, now),
            held => {
                let token = held.and_then(|(text, _)| text).map(|text| &**text);
                rules.decide(&Call { token, tool: &self.call.tool }, now)
            }
        }
    }

    /// Whether the policy has this tool but no backend implements it.
    pub fn lacks_tool(&self, tool: &str) -> bool {
        self.auth.tools.lacks(&self.auth.rules.policy, tool)
    }

    /// Returns why the call in the form would fail although it is allowed, or `None`.
    pub fn preview_trouble(&self, decision: &Decision) -> Option<ToolError> {
        let fails = decision.verdict() == Verdict::Allowed && self.lacks_tool(&self.call.tool);
        fails.then(|| ToolError::missing(&self.call.tool))
    }

    /// Returns the non-default settings that tokens and calls are judged by; safe to show.
    pub fn judged_by(&self) -> Vec<String> {
        let file = &self.policy_file;
        let policy = (!file.path.is_empty()).then(|| format!("policy {}", file.name()));
        let (leeway, binding): (Vec<_>, Vec<_>) =
            self.auth.rules.described().into_iter().partition(|fact| fact.starts_with("leeway"));
        leeway.into_iter().chain(policy).chain(binding).collect()
    }

    /// Returns short warnings for the header.
    pub fn alarms(&self) -> Vec<String> {
        let mut alarms: Vec<String> = self.leap.map(ClockJump::words).into_iter().collect();
        if self.policy_file.fault.is_some() {
            alarms.push("policy broken".to_owned());
        }
        alarms.extend(self.writable.iter().map(|what| format!("{what} writable by others")));
        let health = &self.auth.health;
        if health.unsaved > 0 {
            alarms.push(format!("not stored: {}", words::count(health.unsaved, "revocation")));
        }
        alarms.extend(health.store.as_ref().map(|_| "revocations unreadable".to_owned()));
        if let Some(alarm) = self.keys_alarm() {
            alarms.push(alarm);
        }
        if !self.policy_is_saved() {
            alarms.push("policy changed".to_owned());
        }
        if self.is_forgeable() {
            alarms.push("weak key exposed".to_owned());
        }
        if !self.policy.failed.is_empty() {
            alarms.push(format!("{} broken", words::count(self.policy.failed.len(), "expectation")));
        }
        alarms
    }

    /// Returns the time that issued tokens are stamped with.
    pub fn stamp(&self) -> NumericDate {
        if self.stamps_held { self.times.judged } else { self.times.real }
    }

    /// Whether keys that type a character are entered as text.
    pub fn in_text(&self) -> bool {
        match self.overlays.last() {
            Some(Overlay::Palette(_) | Overlay::KeyPrompt(_) | Overlay::Line(_)) => true,
            Some(Overlay::Settings(form)) => !form.on_choice(),
            Some(Overlay::Issuer(form)) => !form.on_choice(),
            Some(_) => false,
            None => self.text_field().is_some(),
        }
    }

    /// Formats an instant with its date, in the style chosen in the settings.
    pub fn date(&self, at: NumericDate) -> String {
        self.time_style.date(at, self.zone)
    }

    /// Formats an instant with its fraction, and with its date if it differs from the clock's.
    pub fn exact_time(&self, at: NumericDate) -> String {
        let day = |at| self.date(at).chars().take("2026-11-22".len()).collect::<String>();
        if day(at) == day(self.times.judged) { self.time_style.time(at, self.zone) } else { self.date(at) }
    }

    /// Formats an instant of the log, to the second.
    pub fn time(&self, at: NumericDate) -> String {
        self.time_style.time(at.whole_second(), self.zone)
    }

    fn choose_token(&mut self, row: usize) {
        let number = row.checked_sub(1).and_then(|place| self.auth.tokens.get(place)).map(|entry| entry.number);
        self.selected = number;
        self.refresh();
    }

    /// Inspects the selected token again if it or the rules have changed.
    fn refresh(&mut self) {
        let Some(text) = self.selected().and_then(TokenEntry::text).cloned() else {
            self.inspection = None;
            return;
        };
        if self.inspection.as_ref().is_none_or(|shown| shown.token != text) {
            self.inspect.scroll = 0;
        }
        self.inspection = Some(Arc::new(self.auth.rules.inspect(text)));
    }

    fn say(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), trouble: false, until: self.times.mono + TOAST });
    }

    fn complain(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), trouble: true, until: self.times.mono + TOAST });
    }
}

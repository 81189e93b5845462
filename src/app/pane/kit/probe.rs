//! The gate probe of a foreign target: its order, its progress and its scorecard.

use std::sync::Arc;

use super::HASH_ONLY;
use crate::app::focus::Focus;
use crate::app::pane::Pane;
use crate::app::runs::{ProbeOrder, RunOrder, RunStop, RunWork};
use crate::app::{App, Effect};
use crate::gate::ports::ToolInfo;
use crate::lab::evidence::ServerRun;
use crate::lab::probe::{Card, Extra, Mark, PROBES, Probe, Row, planned};
use crate::observe::Why;
use crate::text::{self, words};

/// A probe of a target, and what it has found so far.
pub struct ProbeRun {
    /// The number of the target.
    pub target: u64,
    /// The results so far; `None` before the first.
    pub card: Option<Arc<Card>>,
    /// Its state.
    pub state: ProbeState,
    /// How many probes it makes.
    pub planned: usize,
    /// The tool that it calls; `None` if it only lists the tools.
    pub tool: Option<Arc<str>>,
    /// The settings with which a command makes the same probe.
    pub run: ServerRun,
}

/// The state of a probe.
pub enum ProbeState {
    /// It is under way.
    Running,
    /// It has ended.
    Done,
    /// The user cancelled it.
    Cancelled,
    /// The server did not accept the good token; the explanation.
    Refused(Box<Why>),
    /// It could not be made; the reason, safe to show.
    Failed(String),
}

/// A line of the list of probes.
#[derive(Clone, Copy)]
pub enum ProbeLine<'a> {
    /// A probe that has not been made.
    Planned(&'static Probe),
    /// The result of a probe.
    Row(&'a Row),
    /// A further result.
    Extra(&'a Extra),
}

impl ProbeRun {
    /// The scorecard, unless the probe has not made all its requests.
    pub fn finished(&self) -> Option<&Card> {
        self.card.as_deref().filter(|_| matches!(self.state, ProbeState::Done))
    }
}

impl ProbeLine<'_> {
    /// Its rank: failures first, then findings, then what has no verdict.
    fn rank(&self) -> u8 {
        match self {
            Self::Row(row) if row.is_failure() => 0,
            Self::Extra(extra) if extra.is_failure() => 0,
            Self::Row(row) if row.is_finding() => 1,
            Self::Extra(extra) if extra.is_sound == Some(false) => 1,
            Self::Row(row) if row.mark == Mark::NoVerdict => 2,
            Self::Extra(extra) if extra.is_sound.is_none() => 2,
            Self::Row(row) if row.mark == Mark::Skipped => 4,
            _ => 3,
        }
    }
}

/// Returns the result in a sentence. All numbers count probes: those that were planned are those that were made and those
/// that were left out. Further checks do not count as probes.
pub fn probe_summary(card: &Card, planned: usize) -> String {
    let made = card.rows.iter().filter(|row| row.mark != Mark::Skipped).count();
    let failures = match card.failures() {
        0 => "no failure".to_owned(),
        n => words::count(n, "failure"),
    };
    let of = if made == planned {
        words::count(made, "probe")
    } else {
        format!("{made} of {}", words::count(planned, "probe"))
    };
    let further = match card.extras.len() {
        0 => String::new(),
        n => format!(" and {}", words::count(n, "further check")),
    };
    let findings = Some(card.findings()).filter(|n| *n > 0).map(|n| format!(", {}", words::count(n, "finding")));
    let undecided = Some(card.undecided()).filter(|n| *n > 0).map(|n| format!(", {n} without a verdict"));
    format!("{failures} in {of}{further}{}{}", findings.unwrap_or_default(), undecided.unwrap_or_default())
}

impl App {
    /// The probe of the selected target, if one was made.
    pub fn probe(&self) -> Option<&ProbeRun> {
        let target = self.target()?;
        self.kit.probe.as_ref().filter(|probe| probe.target == target.number)
    }

    /// The lines of the list: those that need attention first.
    pub fn probe_lines(&self) -> Vec<ProbeLine<'_>> {
        let Some(card) = self.probe().and_then(|probe| probe.card.as_ref()) else {
            let planned = PROBES.iter().filter(|probe| probe.is_quick || !self.kit.is_quick);
            return planned.map(ProbeLine::Planned).collect();
        };
        let extras = card.extras.iter().map(ProbeLine::Extra);
        let mut lines: Vec<ProbeLine<'_>> = card.rows.iter().map(ProbeLine::Row).chain(extras).collect();
        lines.sort_by_key(ProbeLine::rank);
        lines
    }

    /// The number of probes of the next run.
    pub fn planned_probes(&self) -> usize {
        planned(self.kit.is_quick)
    }

    /// The tool that the next probe calls: that of the Call pane if it is read-only, or else the read-only one with the
    /// fewest required arguments. `None` if the server is not known to have one.
    pub fn probed_tool(&self) -> Option<Arc<str>> {
        let target = self.target()?;
        let token = self.selected().map(|entry| entry.id);
        let is_harmless = |tool: &&ToolInfo| {
            tool.reads_only && !tool.destroys && target.observed.lists(token, &tool.name) != Some(false)
        };
        let all = target.observed.catalogue();
        let required = |tool: &&ToolInfo| tool.schema["required"].as_array().map_or(0, Vec::len);
        let chosen = all.find(&self.call.tool).filter(is_harmless);
        let chosen = chosen.or_else(|| all.tools().iter().filter(is_harmless).min_by_key(required));
        chosen.map(|tool| Arc::clone(&tool.name))
    }

    /// Goes to the pane and probes the selected target.
    pub(in crate::app) fn probe_selected(&mut self) -> Vec<Effect> {
        if self.target().is_none() {
            self.complain("select a server in Targets first: our own gate is tested with the test kit");
            return Vec::new();
        }
        self.go(Focus::first(Pane::Kit));
        self.run_probe()
    }

    /// Probes the selected target with the selected token as the model of the others.
    pub(super) fn run_probe(&mut self) -> Vec<Effect> {
        let Some(target) = self.target() else { return Vec::new() };
        let (number, facts) = (target.number, target.facts.clone());
        if !facts.takes_token {
            self.complain(format!("the console sends no token to {}, so there is nothing to probe", facts.name));
            return Vec::new();
        }
        let Ok(token) = self.token_for(true) else {
            self.complain(HASH_ONLY);
            return Vec::new();
        };
        let work = RunWork::Probe(ProbeOrder {
            identity: self.identity(),
            tool: self.probed_tool(),
            is_quick: self.kit.is_quick,
        });
        let requests = self.planned_probes();
        let question = (!facts.is_local).then(|| {
            let tool = self.probed_tool().map_or_else(|| "tools/list".to_owned(), |tool| text::name(&tool, 64));
            let (name, place) = (&facts.name, &facts.place);
            format!("Make {requests} probes of {tool}, most with bad tokens, on {name} ({place})?")
        });
        self.ask_or_run(RunOrder { target: number, token, work }, question)
    }

    /// Prepares the pane for the results of a probe.
    pub(in crate::app) fn probe_started(&mut self, target: u64, token: Option<&Arc<str>>, order: &ProbeOrder) {
        let (is_quick, tool) = (order.is_quick, order.tool.clone());
        let planned = planned(is_quick);
        let place = self.targets.find(target).map(|target| Arc::clone(&target.facts.place)).unwrap_or_default();
        let run = self.server_run(&place, token, is_quick);
        self.kit.row = 0;
        self.kit.probe = Some(ProbeRun { target, card: None, state: ProbeState::Running, planned, tool, run });
    }

    /// Shows the results so far.
    pub(in crate::app) fn probe_progressed(&mut self, card: Arc<Card>) {
        if let Some(probe) = &mut self.kit.probe {
            probe.card = Some(card);
        }
    }

    /// Handles the end of a probe. What a cancelled one has found stays.
    pub(in crate::app) fn probe_ended(&mut self, end: Result<Arc<Card>, RunStop>) {
        let Some(probe) = &mut self.kit.probe else { return };
        let words = match end {
            Ok(card) => {
                let said = format!("gate probe: {}", probe_summary(&card, probe.planned));
                let is_sound = card.failures() + card.findings() + card.undecided() == 0;
                (probe.card, probe.state) = (Some(card), ProbeState::Done);
                if is_sound { Ok(said) } else { Err(said) }
            }
            Err(RunStop::Cancelled) => {
                probe.state = ProbeState::Cancelled;
                let made = probe.card.as_ref().map_or(0, |card| card.rows.len());
                Ok(format!("gate probe cancelled after {made} of {}", words::count(probe.planned, "probe")))
            }
            Err(RunStop::Refused(why)) => {
                let said = format!("not probed: the server rejected the valid token: {}", why.sentence);
                (probe.card, probe.state) = (None, ProbeState::Refused(why));
                Err(said)
            }
            Err(RunStop::Failed(why)) => {
                let said = format!("not probed: {why}");
                probe.state = ProbeState::Failed(why);
                Err(said)
            }
        };
        match words {
            Ok(said) => self.say(said),
            Err(said) => self.complain(said),
        }
    }
}

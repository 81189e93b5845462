//! Begins the runs of `runs`, asks first where that is due, and passes what they find to their panes.

use std::sync::Arc;

use super::overlay::{Overlay, Question};
use super::runs::{Run, RunKind, RunOrder, RunProgress, RunStop, RunWork};
use super::{App, Effect};

impl App {
    /// Carries out a run, or asks first if there is a question.
    pub(in crate::app) fn ask_or_run(&mut self, order: RunOrder, question: Option<String>) -> Vec<Effect> {
        if self.run.is_some() {
            self.complain("another run is under way; Esc cancels it");
            return Vec::new();
        }
        match question {
            Some(words) => {
                self.overlays.push(Overlay::Confirm(Question::Run { order: Box::new(order), words }));
                Vec::new()
            }
            None => self.start_run(order),
        }
    }

    /// Carries out a run that needs no confirmation, or has it.
    pub(in crate::app) fn start_run(&mut self, order: RunOrder) -> Vec<Effect> {
        let (id, since) = (self.next_id(), self.times.mono);
        let kind = match &order.work {
            RunWork::Probe(probe) => {
                self.probe_started(order.target, order.token.as_ref(), probe);
                RunKind::Probe
            }
            RunWork::Boundaries(search) => {
                (self.drill.bounds, self.drill.found) = (None, None);
                let place = self.targets.find(order.target).map(|target| Arc::clone(&target.facts.place));
                let run = self.server_run(&place.unwrap_or_default(), order.token.as_ref(), false);
                self.drill.search = Some((run, Arc::clone(&search.tool)));
                RunKind::Boundaries
            }
            RunWork::Round(round) => RunKind::Round(Arc::clone(&round.tool)),
        };
        let planned = match &order.work {
            RunWork::Round(round) => round.callers.len(),
            RunWork::Probe(_) | RunWork::Boundaries(_) => 0,
        };
        self.run = Some(Run { id, target: order.target, since, kind, stored: 0, planned });
        vec![Effect::Run { id, order: Box::new(order) }]
    }

    /// Handles what the run has found so far.
    pub(in crate::app) fn run_progressed(&mut self, id: u64, found: RunProgress) -> Vec<Effect> {
        let Some(run) = self.run.clone().filter(|run| run.id == id) else { return Vec::new() };
        match (found, run.kind) {
            (RunProgress::Probe(card), _) => self.probe_progressed(card),
            (RunProgress::Round(seen), RunKind::Round(tool)) => {
                self.round_progressed(run.target, &tool, &seen[run.stored.min(seen.len())..]);
                if let Some(run) = &mut self.run {
                    run.stored = seen.len();
                }
            }
            (RunProgress::Boundaries(exp, nbf), _) => self.boundaries_found(run.target, exp, nbf),
            (RunProgress::Round(_), _) => {}
        }
        Vec::new()
    }

    /// Handles the end of the run.
    pub(in crate::app) fn run_ended(&mut self, id: u64, end: Result<RunProgress, RunStop>) -> Vec<Effect> {
        let Some(run) = self.run.take_if(|run| run.id == id) else { return Vec::new() };
        match (end, run.kind) {
            (Ok(RunProgress::Probe(card)), _) => self.probe_ended(Ok(card)),
            (Ok(RunProgress::Round(seen)), RunKind::Round(tool)) => {
                self.round_progressed(run.target, &tool, &seen[run.stored.min(seen.len())..]);
                self.round_ended(run.target, &tool, Ok(&seen));
            }
            (Err(stop), RunKind::Probe) => self.probe_ended(Err(stop)),
            (Err(stop), RunKind::Round(tool)) => self.round_ended(run.target, &tool, Err(stop)),
            (Ok(RunProgress::Boundaries(exp, nbf)), _) => {
                self.boundaries_found(run.target, exp, nbf);
                self.boundaries_ended(Ok(()));
            }
            (Err(stop), RunKind::Boundaries) => self.boundaries_ended(Err(stop)),
            (Ok(RunProgress::Round(_)), _) => {}
        }
        Vec::new()
    }
}

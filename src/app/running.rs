//! Begins the runs of `runs`, asks first where that is due, and passes what they find to their panes.

use super::overlay::{Overlay, Question};
use super::runs::{Run, RunOrder, RunProgress, RunResult, RunStop, RunWork};
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
        self.run = Some(Run { id, target: order.target, since });
        match &order.work {
            RunWork::Probe(probe) => self.probe_started(order.target, probe.is_quick),
        }
        vec![Effect::Run { id, order: Box::new(order) }]
    }

    /// Handles what the run has found so far.
    pub(in crate::app) fn run_progressed(&mut self, id: u64, found: RunProgress) -> Vec<Effect> {
        if self.run.is_some_and(|run| run.id == id) {
            match found {
                RunProgress::Probe(card) => self.probe_progressed(card),
            }
        }
        Vec::new()
    }

    /// Handles the end of the run.
    pub(in crate::app) fn run_ended(&mut self, id: u64, end: Result<RunResult, RunStop>) -> Vec<Effect> {
        if self.run.take_if(|run| run.id == id).is_some() {
            match end {
                Ok(RunResult::Probe(card)) => self.probe_ended(Ok(card)),
                Err(stop) => self.probe_ended(Err(stop)),
            }
        }
        Vec::new()
    }
}

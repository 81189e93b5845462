//! The cells of a foreign target: what is predicted and what was observed.

use std::sync::Arc;

use crate::app::line::LinePurpose;
use crate::app::msg::PolicyToWrite;
use crate::app::observed::ObservedCell;
use crate::app::overlay::Risk;
use crate::app::runs::{CallerReport, RoundOrder, RunOrder, RunStop, RunWork};
use crate::app::targets::{Explained, ForeignTarget};
use crate::app::{App, Effect};
use crate::auth::Verdict;
use crate::config::ConfigError;
use crate::gate::{RawArguments, TokenEntry, arguments};
use crate::lab::evidence::Difference;
use crate::lab::grid::{Grid, GridCaller, called_verdict, differs};
use crate::observe::Visibility;
use crate::text::{self, words};

impl App {
    /// The tools across the top: those of the policy, or those that the selected target has listed.
    pub fn matrix_tools(&self) -> Vec<Arc<str>> {
        match self.target() {
            Some(target) => target.observed.tools().to_vec(),
            None => self.auth.rules.policy.tools().iter().map(|tool| Arc::clone(&tool.name)).collect(),
        }
    }

    /// The column of the tool in the Call pane, if the matrix has it.
    pub fn matrix_column(&self) -> Option<usize> {
        self.matrix_tools().iter().position(|tool| *tool == self.call.tool)
    }

    /// A cell of the selected target. If the tokens of a row differ, the first one that differs from its prediction, or
    /// that was called, is shown.
    pub fn observed_cell(&self, row: usize, tool: &Arc<str>) -> Option<ObservedCell> {
        self.target()?;
        if row == 0 {
            return self.observed_of(None, tool);
        }
        let cells: Vec<ObservedCell> =
            self.matrix_tokens(row).filter_map(|entry| self.observed_of(Some(entry), tool)).collect();
        let differs = cells.iter().position(|cell| cell.grid.differs());
        let called = cells.iter().position(|cell| cell.grid.observation.is_some());
        let at = differs.or(called).unwrap_or(0);
        cells.into_iter().nth(at)
    }

    fn observed_of(&self, entry: Option<&TokenEntry>, tool: &Arc<str>) -> Option<ObservedCell> {
        Some(self.cell_of(self.target()?, entry, tool))
    }

    fn cell_of(&self, target: &ForeignTarget, entry: Option<&TokenEntry>, tool: &Arc<str>) -> ObservedCell {
        let judged = entry.map(|entry| &*entry.judged);
        let predicted = self.auth.rules.predict(judged, tool, self.times.judged).map(|decision| decision.verdict());
        target.observed.cell(entry.map(|entry| entry.id), tool, predicted.filter(|_| target.facts.takes_token))
    }

    /// The cells of all foreign targets in which prediction and observation differ.
    pub(in crate::app) fn all_differences(&self) -> Vec<Difference> {
        let grids = self.targets.foreign().iter().map(|target| (target, self.grid_of(target)));
        let mut found = Vec::new();
        for (target, grid) in grids {
            let cells = grid.all().filter(|(_, _, cell)| cell.differs());
            found.extend(cells.filter_map(|(caller, tool, cell)| {
                Some(Difference {
                    target: text::name(&target.facts.name, 64),
                    caller: caller.name.clone(),
                    token_id: caller.id,
                    tool: text::name(tool, 64),
                    predicted: cell.prediction?,
                    observed: cell.word(),
                    answer: cell.observation.as_ref()?.to_string(),
                })
            }));
        }
        found
    }

    /// The number of calls of the selected target whose answers differ from their predictions.
    pub fn differences(&self) -> usize {
        self.target().map_or(0, |target| self.differences_of(target, None))
    }

    /// The number of calls, of one tool or of all, whose answers differ from their predictions.
    fn differences_of(&self, target: &ForeignTarget, only: Option<&str>) -> usize {
        if !target.facts.takes_token {
            return 0;
        }
        let callers = std::iter::once(None).chain(self.auth.tokens.iter().map(Some));
        let differ = |entry: Option<&TokenEntry>| {
            let judged = entry.map(|entry| &*entry.judged);
            let answers = target.observed.answers(entry.map(|entry| entry.id));
            let of_column = answers.filter(|(tool, _)| only.is_none_or(|only| ***tool == *only));
            let of_cell = of_column.filter(|(tool, answer)| {
                let predicted = self.auth.rules.predict(judged, tool, self.times.judged);
                differs(predicted.map(|decision| decision.verdict()), called_verdict(answer))
            });
            of_cell.count()
        };
        callers.map(differ).sum()
    }

    /// The matrix of the callers that the selected target was observed with.
    fn observed_grid(&self) -> Option<Grid> {
        Some(self.grid_of(self.target()?))
    }

    fn grid_of(&self, target: &ForeignTarget) -> Grid {
        let tools = target.observed.tools().to_vec();
        let nobody = std::iter::once(None).filter(|_| target.observed.has(None));
        let known = self.auth.tokens.iter().filter(|entry| target.observed.has(Some(entry.id)));
        let (callers, cells) = nobody
            .chain(known.map(Some))
            .map(|entry| {
                let cells = tools.iter().map(|tool| self.cell_of(target, entry, tool).grid);
                (self.grid_caller(entry), cells.collect())
            })
            .unzip();
        Grid { callers, tools, cells }
    }

    fn grid_caller(&self, entry: Option<&TokenEntry>) -> GridCaller {
        let judged = entry.map(|entry| &entry.judged);
        GridCaller {
            name: entry.map_or_else(|| text::NO_TOKEN.to_owned(), |entry| self.token_name(entry)),
            user: judged.and_then(|judged| judged.user.as_ref()).map(|(user, _)| user.clone()),
            permissions: judged.map(|judged| judged.permissions.clone()).unwrap_or_default(),
            id: entry.map(|entry| entry.id),
            refused: None,
        }
    }

    /// Calls the tool of the form at the selected target with every token and without one, after a question.
    pub(in crate::app) fn call_round(&mut self) -> Vec<Effect> {
        let Some(target) = self.target() else { return Vec::new() };
        let (number, facts) = (target.number, target.facts.clone());
        let info = target.observed.catalogue().find(&self.call.tool);
        let risk = match info {
            Some(tool) if tool.destroys => Risk::Destroys.words(),
            Some(tool) if tool.reads_only => "The server declares it read-only.",
            Some(_) => Risk::Changes.words(),
            None => Risk::Unknown.words(),
        };
        if !facts.takes_token {
            self.complain(format!("the console sends no token to {}, so all callers look the same", facts.name));
            return Vec::new();
        }
        let tool = Arc::clone(&self.call.tool);
        let arguments = match arguments::read(RawArguments::Text(self.call.arguments.text()), None) {
            Ok(arguments) => arguments,
            Err(error) => {
                self.complain(format!("not called; {error}"));
                return Vec::new();
            }
        };
        let tokens = self.auth.tokens.iter().filter_map(|entry| entry.text().cloned());
        let callers: Vec<Option<Arc<str>>> = std::iter::once(None).chain(tokens.map(Some)).collect();
        let with = words::count(callers.len() - 1, "token");
        let calls = words::count(callers.len(), "call");
        let name = text::name(&tool, 64);
        let question = format!("Call {name} on {} with {with} and without one: {calls}? {risk}", facts.name);
        let is_unknown = info.is_none() && !self.call.touched;
        let work = RunWork::Round(RoundOrder { tool, arguments, is_unknown, callers });
        self.ask_or_run(RunOrder { target: number, token: None, work }, Some(question))
    }

    /// Stores what the callers have seen so far.
    pub(in crate::app) fn round_progressed(&mut self, number: u64, tool: &Arc<str>, seen: &[CallerReport]) {
        if let Some(target) = self.targets.find_mut(number) {
            for CallerReport { token, tools, answer, missing, why } in seen {
                if let Some(tools) = tools {
                    target.observed.listed(*token, tools);
                }
                target.observed.called(*token, tool, answer.clone());
                if let Some(missing) = missing {
                    target.observed.missed(*token, missing.clone());
                }
                if let Some(why) = why {
                    target.explained(why.clone(), Explained::Round { tool: Arc::clone(tool), token: *token });
                }
            }
        }
        // A caller may have seen tools that nobody had seen before.
        if self.target().is_some_and(|selected| selected.number == number) {
            self.follow_target(false);
        }
    }

    /// Handles the end of the calls. What was observed before they were cancelled stays.
    pub(in crate::app) fn round_ended(&mut self, target: u64, tool: &Arc<str>, end: Result<&[CallerReport], RunStop>) {
        match end {
            Ok(seen) => {
                let is_allowed = |seen: &&CallerReport| seen.answer.verdict() == Some(Verdict::Allowed);
                let allowed = seen.iter().filter(is_allowed).count();
                let differs =
                    match self.targets.find(target).map_or(0, |target| self.differences_of(target, Some(tool))) {
                        0 => String::new(),
                        1 => "; 1 differs from the prediction".to_owned(),
                        n => format!("; {n} differ from the prediction"),
                    };
                let said = format!("{}: allowed for {allowed} of {}{differs}", text::name(tool, 32), seen.len());
                if differs.is_empty() { self.say(said) } else { self.complain(said) }
            }
            Err(RunStop::Cancelled) => self.say("the calls were cancelled; some may have taken effect"),
            Err(RunStop::Refused(why)) => self.complain(why.sentence),
            Err(RunStop::Failed(why)) => self.complain(why),
        }
    }

    /// Asks where to write a policy that allows what the target was observed to allow.
    pub(in crate::app) fn ask_where_to_write_observed(&mut self) {
        let has_any = |grid: &Grid| grid.all().any(|(caller, _, cell)| caller.id.is_some() && cell.verdict().is_some());
        match self.observed_grid() {
            None => {
                self.complain("select a server in Targets first: the policy is written from its answers");
            }
            Some(grid) if !has_any(&grid) => {
                self.complain(
                    "no call with a token has been observed yet; Ctrl-F in Matrix calls a tool with every token",
                );
            }
            Some(_) => self.ask(LinePurpose::ObservedTo, ""),
        }
    }

    /// Writes that policy to a new file.
    pub(in crate::app) fn write_observed(&mut self, path: &str) -> Vec<Effect> {
        if path.is_empty() {
            self.complain("enter a file name");
            self.ask(LinePurpose::ObservedTo, "");
            return Vec::new();
        }
        let Some(grid) = self.observed_grid() else { return Vec::new() };
        match grid.policy() {
            Ok((policy, left_out)) => {
                let (path, policy) = (path.to_owned(), Arc::new(policy));
                vec![Effect::WritePolicy(Box::new(PolicyToWrite { path, policy, left_out: left_out.into() }))]
            }
            Err(error) => {
                self.complain(error.to_string());
                Vec::new()
            }
        }
    }

    /// Handles the end of that.
    pub(in crate::app) fn observed_written(
        &mut self,
        wrote: Result<PolicyToWrite, (String, ConfigError)>,
    ) -> Vec<Effect> {
        match wrote {
            Ok(PolicyToWrite { path, policy, left_out }) => {
                let expectations = words::count(policy.parts().expectations.len(), "expectation");
                let tools = words::count(policy.tools().len(), "tool");
                let rest = match &*left_out {
                    [] => String::new(),
                    sentences => format!("; not in the policy: {}", sentences.join("; ")),
                };
                self.say(format!("wrote {} with {tools} and {expectations}{rest}", text::name(&path, 100)));
            }
            Err((path, error)) => {
                self.complain(error.to_string());
                self.ask(LinePurpose::ObservedTo, &path);
            }
        }
        Vec::new()
    }

    /// The prediction and the observation of the cell under the cursor, as a sentence.
    pub fn observed_sentence(&self) -> Option<String> {
        let target = self.target()?;
        let cell = self.observed_cell(self.matrix_row(), &self.call.tool)?;
        let predicted = match cell.grid.prediction {
            Some(verdict) => format!("predicted {}", verdict.word().to_lowercase()),
            None if !target.facts.takes_token => "the server gets no token, so nothing is predicted".to_owned(),
            None if self.auth.rules.policy.tool(&self.call.tool).is_none() => {
                "not in the policy here, so nothing is predicted".to_owned()
            }
            None => "the token lacks claims that are required here, so nothing is predicted".to_owned(),
        };
        let observed = match (cell.word(), &cell.grid.observation) {
            (Some(word), Some(observation)) => format!("observed {word}: {observation}"),
            _ => match (cell.visibility, cell.grid.listed) {
                (Visibility::Hidden, Some(false)) => "not called yet, but listed for another token only".to_owned(),
                (_, Some(false)) => "not called yet; not listed for this token".to_owned(),
                _ => "not called yet".to_owned(),
            },
        };
        let name = text::name(&self.call.tool, 32);
        Some(format!("{name} on {}: {predicted}; {observed}", target.facts.name))
    }
}

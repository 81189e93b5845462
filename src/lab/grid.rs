//! The matrix of a foreign server: for each caller and tool, what our policy predicts and what the server did.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::auth::policy::{CallerSelector, Expectation, ExpectedOutcome, ImpliesError, Parts, ToolRule};
use crate::auth::{Policy, TokenId, Verdict};
use crate::observe::{Observation, Observed};
use crate::report::{Case, Report};
use crate::text;

/// A caller: one row.
#[derive(Clone, Debug, PartialEq)]
pub struct GridCaller {
    /// The name; safe to show.
    pub name: String,
    /// The user, as the token names them.
    pub user: Option<String>,
    /// The permissions of the token, by the mapping here.
    pub permissions: Vec<String>,
    /// The token's ID; `None` for a caller without a token.
    pub id: Option<TokenId>,
    /// Why the list of tools was refused, if it was.
    pub refused: Option<Observation>,
}

impl GridCaller {
    /// The name with the token's ID, which makes it unique.
    fn title(&self) -> String {
        match self.id {
            Some(id) => format!("{} (token {id})", self.name),
            None => self.name.clone(),
        }
    }
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GridCell {
    /// Our decision; `None` if no policy that contains the tool was given.
    pub prediction: Option<Verdict>,
    /// Whether the server lists the tool for this caller; `None` if it sent no list.
    pub listed: Option<bool>,
    /// What the server did with a call; `None` if it was not called.
    pub observation: Option<Observation>,
}

impl GridCell {
    /// The server's verdict about a call. That a tool is not listed says nothing about calling it.
    pub fn verdict(&self) -> Option<Verdict> {
        self.observation.as_ref().and_then(called_verdict)
    }

    /// Whether prediction and observation differ. Whether a call is refused for the token or for its permissions is not
    /// a difference where the server says only that it is refused.
    pub fn differs(&self) -> bool {
        differs(self.prediction, self.verdict())
    }

    /// The observation as one word.
    pub fn word(&self) -> &'static str {
        match &self.observation {
            Some(observation) => match observation.observed() {
                Observed::Ran | Observed::Failed => "allowed",
                Observed::BadArguments => "bad arguments",
                Observed::Forbidden => "forbidden",
                Observed::Refused => "unauthorized",
                Observed::NoTool => "hidden",
                Observed::ServerFailed => "failed",
                _ => "unclear",
            },
            None => match self.listed {
                Some(false) => "hidden",
                Some(true) => "listed",
                None => "unknown",
            },
        }
    }
}

/// The verdict of an answer to a call. A tool that does not exist for the caller is forbidden.
pub fn called_verdict(answer: &Observation) -> Option<Verdict> {
    if answer.observed() == Observed::NoTool { Some(Verdict::Forbidden) } else { answer.verdict() }
}

/// Whether a prediction and an observed verdict differ. Why a call is refused is no difference.
pub fn differs(predicted: Option<Verdict>, observed: Option<Verdict>) -> bool {
    let is_allowed = |verdict| verdict == Verdict::Allowed;
    predicted.zip(observed).is_some_and(|(predicted, observed)| is_allowed(predicted) != is_allowed(observed))
}

/// The matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// The rows.
    pub callers: Vec<GridCaller>,
    /// The columns: every tool that any caller sees.
    pub tools: Vec<Arc<str>>,
    /// The cells, row by row.
    pub cells: Vec<Vec<GridCell>>,
}

impl Grid {
    /// The number of cells in which prediction and observation differ.
    pub fn differences(&self) -> usize {
        self.all().filter(|(_, _, cell)| cell.differs()).count()
    }

    /// The number of cells without a verdict of the server.
    pub fn without_verdict(&self) -> usize {
        self.all().filter(|(_, _, cell)| cell.verdict().is_none()).count()
    }

    /// The number of calls.
    pub fn called(&self) -> usize {
        self.all().filter(|(_, _, cell)| cell.observation.is_some()).count()
    }

    /// Every cell, with its caller and tool.
    pub fn all(&self) -> impl Iterator<Item = (&GridCaller, &Arc<str>, &GridCell)> {
        let rows = self.callers.iter().zip(&self.cells);
        rows.flat_map(|(caller, row)| self.tools.iter().zip(row).map(move |(tool, cell)| (caller, tool, cell)))
    }

    /// The result in a sentence.
    pub fn summary(&self) -> String {
        let all = self.all().count();
        let mut said = format!("{}, {} called", text::words::count(all, "cell"), self.called());
        match (self.differences(), self.all().any(|(_, _, cell)| cell.prediction.is_some())) {
            (0, true) => said.push_str(", no difference from the policy"),
            (0, false) => said.push_str(", no policy to compare with"),
            (n, _) => drop(write!(said, ", {} from the policy", text::words::count(n, "difference"))),
        }
        if self.without_verdict() > 0 {
            let _ = write!(said, ", {} without a verdict", self.without_verdict());
        }
        said
    }

    /// Returns a policy that allows what was observed to be allowed, with an expectation for each observed call. Only
    /// callers whose token is accepted count, and only tools that were called. A permission opens a tool if
    /// every caller who holds it was allowed. What a policy cannot express is left out and returned as sentences.
    pub fn policy(&self) -> Result<(Policy, Vec<String>), ImpliesError> {
        let mut tools = Vec::new();
        let mut expectations: Vec<Expectation> = Vec::new();
        let mut left_out = Vec::new();
        for (column, tool) in self.tools.iter().enumerate() {
            let seen: Vec<(&GridCaller, bool)> = self
                .callers
                .iter()
                .zip(&self.cells)
                .filter_map(|(caller, row)| Some((caller, row.get(column)?.verdict()?)))
                .filter(|(caller, verdict)| caller.id.is_some() && *verdict != Verdict::Unauthorized)
                .map(|(caller, verdict)| (caller, verdict == Verdict::Allowed))
                .collect();
            let shown = text::name(tool, 64);
            if seen.is_empty() {
                left_out.push(format!("{shown} was not called"));
                continue;
            }
            let held = |wanted: bool| -> BTreeSet<&str> {
                let callers = seen.iter().filter(|(_, is_allowed)| *is_allowed == wanted);
                callers.flat_map(|(caller, _)| caller.permissions.iter().map(String::as_str)).collect()
            };
            let (opens, not) = (held(true), held(false));
            let rule = ToolRule::new(tool, opens.iter().filter(|name| !not.contains(*name)));
            let fits = |caller: &GridCaller, is_allowed: bool| {
                caller.permissions.iter().any(|held| rule.permissions.iter().any(|name| **name == **held)) == is_allowed
            };
            if !seen.iter().all(|(caller, is_allowed)| fits(caller, *is_allowed)) {
                left_out.push(format!(
                    "{shown}: no single permission separates those who may call it from those who may not"
                ));
            }
            for (caller, is_allowed) in seen.iter().filter(|(caller, is_allowed)| fits(caller, *is_allowed)) {
                if caller.permissions.is_empty() && caller.user.is_none() {
                    continue;
                }
                let who = match caller.permissions.as_slice() {
                    [] => CallerSelector::User(caller.user.as_deref().unwrap_or_default().into()),
                    all => CallerSelector::Permissions(all.iter().map(|name| name.as_str().into()).collect()),
                };
                let outcome = if *is_allowed { ExpectedOutcome::Allowed } else { ExpectedOutcome::Forbidden };
                let line = Expectation { who, tool: Arc::clone(tool), outcome };
                if !expectations.contains(&line) {
                    expectations.push(line);
                }
            }
            tools.push(rule);
        }
        Ok((Policy::build(Parts { tools, expectations, ..Parts::default() })?, left_out))
    }

    /// The report for other programs: each cell with a prediction is a case.
    pub fn report(&self, target: &str, at: crate::auth::NumericDate) -> Report {
        let mut report = Report::new("Matrix", at).with("target", target).with("result", &self.summary());
        for caller in &self.callers {
            // A server that is down must not look like one without a difference.
            if let Some(refused) = caller.refused.as_ref().filter(|refused| refused.verdict().is_none()) {
                report.add(Case::new(&caller.title(), "tools/list").without_verdict(&refused.to_string()));
            }
        }
        for (caller, tool, cell) in self.all() {
            let case = Case::new(&caller.title(), tool);
            report.add(match (cell.prediction, cell.verdict()) {
                (None, None) if cell.observation.is_some() => {
                    case.without_verdict(&cell.observation.as_ref().map(ToString::to_string).unwrap_or_default())
                }
                (None, _) => case.skipped("the policy does not contain the tool"),
                (Some(_), None) if cell.observation.is_none() && cell.listed == Some(false) => {
                    case.without_verdict("not called: the server does not list it for this caller")
                }
                (Some(_), None) if cell.observation.is_none() => case.skipped("not called: it may change something"),
                (Some(_), None) => {
                    case.without_verdict(&cell.observation.as_ref().map(ToString::to_string).unwrap_or_default())
                }
                (Some(predicted), Some(_)) if cell.differs() => {
                    let predicted = predicted.word().to_lowercase();
                    let failed = case.failed(&format!("predicted {predicted}, observed {}", cell.word()));
                    match &cell.observation {
                        Some(observation) => failed.with("answer", &observation.to_string()),
                        None => failed,
                    }
                }
                _ => case,
            });
        }
        report
    }

    /// Formats a row for scripts.
    pub fn row_json(&self, row: usize) -> Option<Value> {
        let (caller, cells) = (self.callers.get(row)?, self.cells.get(row)?);
        let cell = |(tool, cell): (&Arc<str>, &GridCell)| {
            json!({
                "tool": **tool,
                "predicted": cell.prediction.map(|verdict| verdict.word().to_lowercase()),
                "observed": cell.word(),
                "listed": cell.listed,
                "differs": cell.differs(),
                "answer": cell.observation.as_ref().map(Observation::json),
            })
        };
        Some(json!({
            "caller": caller.name,
            "token_id": caller.id.map(|id| id.to_string()),
            "permissions": caller.permissions,
            "refused": caller.refused.as_ref().map(Observation::json),
            "cells": self.tools.iter().zip(cells).map(cell).collect::<Vec<_>>(),
        }))
    }
}

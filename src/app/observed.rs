//! What a foreign target did with real calls and listings, by token and tool: the second mark of the Matrix pane's cells.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::auth::{TokenId, Verdict};
use crate::gate::ports::{Catalogue, ToolInfo};
use crate::lab::grid::GridCell;
use crate::observe::{Observation, Sightings, Visibility};

/// The most columns of the Matrix.
const MOST_TOOLS: usize = 5000;

/// The observations of one target.
#[derive(Clone, Debug, Default)]
pub struct ObservedCalls {
    /// Every tool in any list, in the order in which they were seen first.
    tools: Vec<Arc<str>>,
    /// The same, to find one.
    known: HashSet<Arc<str>>,
    /// The tools as any list describes them; those of the last list come first.
    catalogue: Catalogue,
    lists: HashMap<Option<TokenId>, HashSet<Arc<str>>>,
    answers: HashMap<Option<TokenId>, HashMap<Arc<str>, Observation>>,
    /// The answers to calls of a name that does not exist.
    missing: HashMap<Option<TokenId>, Observation>,
}

/// A cell: what is predicted and what was observed.
#[derive(Clone, Debug)]
pub struct ObservedCell {
    /// The prediction, the list and the answer.
    pub grid: GridCell,
    /// Whether the tool is hidden or masked, as far as it can be determined.
    pub visibility: Visibility,
}

impl ObservedCell {
    /// Whether the list for this caller lacks the tool, and it has not been called.
    pub fn is_left_out(&self) -> bool {
        self.grid.listed == Some(false) && self.grid.observation.is_none()
    }

    /// The sign of what was observed: `h` hidden, `m` masked, `·` not called.
    pub fn sign(&self) -> &'static str {
        match (self.visibility, self.grid.verdict()) {
            (Visibility::Hidden, Some(Verdict::Forbidden)) => "h",
            (Visibility::Masked, Some(Verdict::Forbidden)) => "m",
            (_, Some(verdict)) => verdict.sign(),
            // Two lists tell it without a call.
            (Visibility::Hidden, None) if self.is_left_out() => "h",
            (_, None) if self.grid.observation.is_some() => "?",
            (_, None) => "·",
        }
    }

    /// The observation as one word; `None` if the tool was not called and is not known to be hidden.
    pub fn word(&self) -> Option<&'static str> {
        match (self.visibility, self.grid.verdict()) {
            (Visibility::Hidden | Visibility::Masked, Some(Verdict::Forbidden)) => Some(self.visibility.word()),
            (_, Some(_)) => Some(self.grid.word()),
            (Visibility::Hidden, None) if self.is_left_out() => Some("hidden"),
            (_, None) => self.grid.observation.as_ref().map(|_| "unclear"),
        }
    }
}

impl ObservedCalls {
    /// Every tool in any list that was seen.
    pub fn tools(&self) -> &[Arc<str>] {
        &self.tools
    }

    /// The tools as any list describes them. A tool that only another token sees can be called too.
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether the list for this token contains a tool; `None` if there is no such list.
    pub fn lists(&self, token: Option<TokenId>, tool: &str) -> Option<bool> {
        self.lists.get(&token).map(|list| list.contains(tool))
    }

    /// The number of tools in the list for this token, if there is one.
    pub fn count_listed(&self, token: Option<TokenId>) -> Option<usize> {
        self.lists.get(&token).map(HashSet::len)
    }

    /// Stores a list of tools.
    pub fn listed(&mut self, token: Option<TokenId>, tools: &[ToolInfo]) {
        for tool in tools {
            self.know(&tool.name);
        }
        let is_new = |tool: &&ToolInfo| !tools.iter().any(|new| new.name == tool.name);
        let all: Vec<ToolInfo> = tools.iter().chain(self.catalogue.tools().iter().filter(is_new)).cloned().collect();
        // The form is made anew whenever the catalogue is another one.
        if *self.catalogue.tools() != *all {
            self.catalogue = Catalogue::new(all.into());
        }
        self.lists.insert(token, tools.iter().map(|tool| Arc::clone(&tool.name)).collect());
    }

    /// Stores the answer to a call.
    pub fn called(&mut self, token: Option<TokenId>, tool: &Arc<str>, answer: Observation) {
        self.know(tool);
        self.answers.entry(token).or_default().insert(Arc::clone(tool), answer);
    }

    /// Adds a column. A server that offers every caller other tools gets no more than a screen can be used for.
    fn know(&mut self, tool: &Arc<str>) {
        if self.tools.len() < MOST_TOOLS && self.known.insert(Arc::clone(tool)) {
            self.tools.push(Arc::clone(tool));
        }
    }

    /// The answers to calls with a token, by tool.
    pub fn answers(&self, token: Option<TokenId>) -> impl Iterator<Item = (&Arc<str>, &Observation)> {
        self.answers.get(&token).into_iter().flatten()
    }

    /// Stores the answer to a call of a name that does not exist.
    pub fn missed(&mut self, token: Option<TokenId>, answer: Observation) {
        self.missing.insert(token, answer);
    }

    /// Whether anything was observed with this token.
    pub fn has(&self, token: Option<TokenId>) -> bool {
        self.lists.contains_key(&token) || self.answers.contains_key(&token)
    }

    /// The cell of a caller and a tool.
    pub fn cell(&self, token: Option<TokenId>, tool: &Arc<str>, prediction: Option<Verdict>) -> ObservedCell {
        let listed = self.lists.get(&token).map(|list| list.contains(tool));
        let observation = self.answers.get(&token).and_then(|answers| answers.get(tool));
        let is_listed_for_other = self.lists.iter().any(|(other, list)| *other != token && list.contains(tool));
        let sightings = Sightings {
            listed,
            listed_for_other: (self.lists.len() > 1).then_some(is_listed_for_other),
            called: observation,
            random: self.missing.get(&token),
        };
        let visibility = sightings.visibility();
        ObservedCell { grid: GridCell { prediction, listed, observation: observation.cloned() }, visibility }
    }
}

//! Selecting, connecting, adding and removing targets, and handling their answers.

use std::sync::Arc;

use super::history::Step;
use super::msg::{ForeignOrder, Order};
use super::overlay::LinePurpose;
use super::pane::call::HASH_ONLY;
use super::targets::{CallReport, ConnectReport, Explained, ForeignTarget, Link, TargetDraft, TargetFacts};
use super::{App, Effect};
use crate::auth::{Decision, Policy};
use crate::gate::ports::Catalogue;
use crate::gate::{RawArguments, arguments};
use crate::observe::Cause;
use crate::text::{self, words};

impl App {
    /// The selected foreign target; `None` if calls go to our own gate.
    pub fn target(&self) -> Option<&ForeignTarget> {
        self.targets.selected()
    }

    /// The tools that calls can reach: those of the selected target, as any token has seen them.
    pub fn catalogue(&self) -> &Catalogue {
        self.catalogue_of(self.target().map(|target| target.number))
    }

    /// The same for the target with this number, or our own gate.
    pub(in crate::app) fn catalogue_of(&self, target: Option<u64>) -> &Catalogue {
        match target.map(|number| self.targets.find(number)) {
            None => &self.auth.tools,
            Some(None) => &self.targets.no_tools,
            Some(Some(target)) => target.observed.catalogue(),
        }
    }

    /// Whether calls of the selected target carry no token: a program takes its credentials from its environment, and a
    /// header may carry others.
    pub fn sends_no_token(&self) -> bool {
        self.target().is_some_and(|target| !target.facts.takes_token)
    }

    /// Whether the selected target lists a tool for the selected token; `None` if it has not been asked.
    pub fn is_listed(&self, tool: &str) -> Option<bool> {
        let target = self.target()?;
        let token = self.selected().filter(|_| target.facts.takes_token).map(|entry| entry.id);
        target.observed.lists(token, tool)
    }

    /// The policy whose schemas and examples describe the tools. A foreign server's tools are described by itself.
    pub fn form_policy(&self) -> &Arc<Policy> {
        if self.target().is_some() { &self.targets.no_policy } else { &self.auth.rules.policy }
    }

    /// Predicts what a foreign server that follows the policy here would decide about a call with the selected token;
    /// `None` if the policy does not contain the tool, or the server gets no token.
    pub fn prediction(&self, tool: &str) -> Option<Decision> {
        if self.sends_no_token() {
            return None;
        }
        let judged = self.selected().map(|entry| &*entry.judged);
        self.auth.rules.predict(judged, tool, self.times.judged)
    }

    /// Selects a target: the foreign one with this number, or our own gate.
    pub(in crate::app) fn select_target(&mut self, number: Option<u64>) {
        self.targets.selected = number.filter(|number| self.targets.find(*number).is_some());
        self.why.scroll = 0;
        self.kit.row = 0;
        self.point_at_target();
        self.follow_target(true);
    }

    /// Adapts the form to the tools of the selected target. If they are new here, a tool that only the policy has gives way
    /// to one that the target lists.
    pub(in crate::app) fn follow_target(&mut self, are_new: bool) {
        let mut offered = self.offered_tools();
        let listed = self.catalogue().tools().len();
        if are_new && self.target().is_some() && listed > 0 {
            offered.truncate(listed);
        }
        // Before the tools of a server are known, those of the policy are as good a guess as any.
        let policys = self.auth.rules.policy.tools().first().map(|tool| Arc::clone(&tool.name));
        let tool = match offered.contains(&self.call.tool) {
            true => Some(Arc::clone(&self.call.tool)),
            false => offered.into_iter().next().or(policys.filter(|_| self.call.tool.is_empty())),
        };
        if let Some(tool) = tool {
            self.choose_tool(&tool);
        }
        self.follow_form();
    }

    /// Returns the token that calls of a target carry, or `Err` if only its hash is known.
    pub(in crate::app) fn token_for(&self, takes_token: bool) -> Result<Option<Arc<str>>, ()> {
        match self.selected().filter(|_| takes_token) {
            None => Ok(None),
            Some(entry) => entry.text().cloned().map(Some).ok_or(()),
        }
    }

    /// Connects the target with this number with the selected token, and lists its tools.
    pub(in crate::app) fn connect_target(&mut self, number: u64) -> Vec<Effect> {
        let Some(target) = self.targets.find(number) else { return Vec::new() };
        if let Link::Connecting { .. } = target.link {
            return Vec::new();
        }
        let Ok(token) = self.token_for(target.facts.takes_token) else {
            self.complain(HASH_ONLY);
            return Vec::new();
        };
        if let Some(exposure) = target.facts.exposure.filter(|_| token.is_some()) {
            self.complain(exposure);
        }
        let (id, since) = (self.next_id(), self.times.mono);
        if let Some(target) = self.targets.find_mut(number) {
            target.link = Link::Connecting { id, since };
        }
        vec![Effect::ConnectTarget { id, target: number, token }]
    }

    /// Handles the answer to a request for a connection.
    pub(in crate::app) fn target_connected(&mut self, report: ConnectReport) -> Vec<Effect> {
        let is_selected = self.target().is_some_and(|target| target.number == report.target);
        let Some(target) = self.targets.find_mut(report.target) else { return Vec::new() };
        if !matches!(target.link, Link::Connecting { id, .. } if id == report.id) {
            return Vec::new();
        }
        if report.why.observation.is_cancelled() {
            // It says nothing about the server.
            target.link = Link::Unconnected;
            let name = Arc::clone(&target.facts.name);
            self.say(format!("{name}: connecting was cancelled"));
            return Vec::new();
        }
        let has_listed = report.listed.is_some();
        let are_new = target.observed.catalogue().tools().is_empty();
        if let Some((tools, took)) = report.listed {
            target.observed.listed(report.token, tools.catalogue.tools());
            (target.tools, target.latency, target.listed_for) = (tools, Some(took), report.token);
        }
        let lacks_token =
            report.why.cause == Cause::NoToken && target.facts.takes_token && !self.auth.tokens.is_empty();
        target.take(report.why, report.seen, Explained::Connection);
        let name = Arc::clone(&target.facts.name);
        let words = match (&target.link, has_listed) {
            (Link::Failed(why), _) if lacks_token => Err(format!("{name}: {why}; Ctrl-↓ selects a token")),
            (Link::Failed(why), _) => Err(format!("{name}: {why}")),
            (_, true) => {
                let count = words::count(target.tools.catalogue.tools().len(), "tool");
                Ok(format!("{name} is connected: {count}"))
            }
            (_, false) => Err(format!("{name} is connected, but does not list its tools")),
        };
        match words {
            Ok(words) => self.say(words),
            Err(words) => self.complain(words),
        }
        if is_selected {
            self.follow_target(are_new);
        }
        Vec::new()
    }

    /// Adds a target, which is selected and connected once its description has been read.
    pub(in crate::app) fn add_target(&mut self, draft: TargetDraft) -> Vec<Effect> {
        let number = self.targets.next_number();
        let taken = self.targets.list.iter().map(|target| Arc::clone(&target.facts.name)).collect();
        vec![Effect::AddTarget { number, draft: Box::new(draft), taken }]
    }

    /// Handles the description of an added target, or why it cannot be used.
    pub(in crate::app) fn target_added(&mut self, number: u64, read: Result<TargetFacts, String>) -> Vec<Effect> {
        match read {
            Ok(facts) => {
                self.targets.list.push(ForeignTarget::new(number, facts));
                self.history.push(Step::TargetPut(number));
                self.clear_target_form();
                self.select_target(Some(number));
                self.connect_target(number)
            }
            Err(why) => {
                self.complain(why);
                Vec::new()
            }
        }
    }

    /// Removes a target, and closes its connections. Returns its place and what was known of it.
    pub(in crate::app) fn take_target(&mut self, number: u64) -> Option<(usize, ForeignTarget)> {
        let place = self.targets.list.iter().position(|target| target.number == number)?;
        let was_selected = self.targets.selected == Some(number);
        let mut target = self.targets.list.remove(place);
        target.link = Link::Unconnected;
        if was_selected {
            self.select_target(None);
        }
        self.targets_pane.row = self.targets_pane.row.min(self.targets.list.len());
        Some((place, target))
    }

    /// Puts a removed target back.
    pub(in crate::app) fn put_target(&mut self, place: usize, target: ForeignTarget) {
        let place = place.min(self.targets.list.len());
        self.targets.list.insert(place, target);
    }

    /// Removes a target at the user's request.
    pub(in crate::app) fn remove_target(&mut self, number: u64) -> Vec<Effect> {
        let mut effects = self.end_work_of(number);
        let Some((place, target)) = self.take_target(number) else { return Vec::new() };
        self.say(format!("{} removed; Ctrl-7 restores it", target.facts.name));
        self.history.push(Step::TargetRemoved(place, Box::new(target)));
        effects.push(Effect::CloseTarget(number));
        effects
    }

    /// Asks for another name of the target under the cursor.
    pub(in crate::app) fn ask_for_target_name(&mut self) {
        match self.pointed_target().map(|target| (target.number, Arc::clone(&target.facts.name))) {
            Some((number, name)) => self.ask(LinePurpose::TargetName(number), &name),
            None => self.complain("our own gate has no other name; move to a server"),
        }
    }

    /// Gives a target another name at the user's request. Names stay unique.
    pub(in crate::app) fn name_target(&mut self, number: u64, name: &str) -> Vec<Effect> {
        let is_taken = self.targets.list.iter().any(|target| target.number != number && *target.facts.name == *name);
        if name.is_empty() || is_taken {
            self.complain(if is_taken { "another server has this name" } else { "enter a name" });
            self.ask(LinePurpose::TargetName(number), name);
            return Vec::new();
        }
        let Some(before) = self.rename_target(number, name) else { return Vec::new() };
        if *before == *name {
            return Vec::new();
        }
        self.history.push(Step::TargetNamed(number, before));
        vec![Effect::NameTarget { number, name: name.into() }]
    }

    /// Changes the name of a target. Returns the previous one.
    pub(in crate::app) fn rename_target(&mut self, number: u64, name: &str) -> Option<Arc<str>> {
        let target = self.targets.find_mut(number)?;
        Some(std::mem::replace(&mut target.facts.name, text::name(name, 64).into()))
    }

    /// Cancels the connection and the run of a target that is removed.
    pub(in crate::app) fn end_work_of(&self, number: u64) -> Vec<Effect> {
        let connecting = self.targets.find(number).and_then(ForeignTarget::connecting);
        let run = self.run.as_ref().filter(|run| run.target == number).map(|run| run.id);
        connecting.into_iter().chain(run).map(Effect::Cancel).collect()
    }

    /// Returns a call of a foreign target, or why it cannot be made.
    pub(in crate::app) fn foreign_order(
        &self,
        target: u64,
        token: Option<Arc<str>>,
        order: Order,
    ) -> Result<ForeignOrder, String> {
        let found = self.targets.find(target).ok_or("the target of this call is no longer in the list")?;
        let arguments = arguments::read(RawArguments::Text(&order.arguments), None);
        let arguments = arguments.map_err(|error| format!("not called; {error}"))?;
        Ok(ForeignOrder { target, token: token.filter(|_| found.facts.takes_token), order, arguments })
    }

    /// Handles the answer to a call of a target.
    pub(in crate::app) fn target_called(&mut self, report: CallReport) -> Vec<Effect> {
        let observation = report.why.observation.clone();
        if let Some(target) = self.targets.find_mut(report.target) {
            let record = &report.called.record;
            let tool: Arc<str> = (&*record.tool).into();
            if !report.why.observation.is_cancelled() {
                target.observed.called(record.token_id, &tool, report.why.observation.clone());
            }
        }
        if let Some(target) = self.targets.find_mut(report.target)
            && !matches!(target.link, Link::Connecting { .. })
        {
            let record = &report.called.record;
            let about = Explained::Call { tool: (&*record.tool).into(), token: record.token_id };
            target.take(report.why, report.seen, about);
        }
        let at = report.called.record.judged_at;
        if let Some(effects) = self.drill_observed(report.id, at, &observation) {
            return effects;
        }
        self.answered(report.id, report.called)
    }

    /// Returns the effect that cancels what the user waits for: the call, the selected target's connection, or else the run.
    pub(in crate::app) fn cancel(&self) -> Option<Effect> {
        let call = self.in_flight.as_ref().filter(|call| call.is_foreign).map(|call| call.id);
        let others = self.pointed_target().into_iter().chain(self.targets.foreign());
        let connecting = self.target().into_iter().chain(others).find_map(ForeignTarget::connecting);
        call.or(connecting).or(self.run.as_ref().map(|run| run.id)).map(Effect::Cancel)
    }

    /// Returns the name of the selected target, if it is not our own gate; safe to show.
    pub fn target_name(&self) -> Option<String> {
        self.target().map(|target| text::name(&target.facts.name, 32))
    }
}

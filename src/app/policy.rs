//! The policy, edited live: what changes decides from then on, can be undone, and is saved when it is asked for.

use std::sync::Arc;

use super::history::Step;
use super::matrix::Rows;
use super::overlay::{Asks, LineForm, Overlay};
use super::{App, Effect, Field};
use crate::auth::Policy;
use crate::auth::policy::{Expectation, Expected, Parts, PermissionRule, ToolRule, Who};
use crate::text::{self, words};

impl App {
    /// Ticks or unticks the permission under the cursor for the tool under it.
    pub(super) fn tick_rule(&mut self) -> Vec<Effect> {
        let policy = &self.auth.rules.policy;
        let permission = policy.permissions().get(self.matrix.permission).cloned();
        let Some((column, permission)) = self.column().zip(permission) else {
            self.complain("the policy has no tool or no permission to tick");
            return Vec::new();
        };
        let mut parts = policy.parts().clone();
        let rule = &mut parts.tools[column];
        let mut names: Vec<Arc<str>> = rule.permissions.to_vec();
        match names.iter().position(|name| *name == permission) {
            Some(_) => names.retain(|name| *name != permission),
            None => names.push(permission),
        }
        rule.permissions = names.into();
        self.change_policy(Field::Rules, parts)
    }

    /// Turns what is expected of the cell under the cursor: nothing, allowed, forbidden.
    pub(super) fn expect_cell(&mut self) -> Vec<Effect> {
        let Some((entry, column)) = self.selected().zip(self.column()) else {
            self.complain("nothing can be expected of a caller without a token: it is unauthorized");
            return Vec::new();
        };
        let policy = &self.auth.rules.policy;
        let tool = &policy.tools()[column];
        let user = entry.judged.name.clone().unwrap_or_default();
        let held: Vec<Arc<str>> = entry.judged.permissions.iter().map(|p| p.as_str().into()).collect();
        let mut parts = policy.parts().clone();
        let place = parts
            .expectations
            .iter()
            .position(|line| line.tool == tool.name && line.who.is(&user, &entry.judged.permissions));
        match place.map(|place| (place, parts.expectations[place].outcome)) {
            None => {
                let who = if self.matrix.rows == Rows::Users { Who::User(user.into()) } else { Who::Permissions(held) };
                let line = Expectation { who, tool: Arc::clone(&tool.name), outcome: Expected::Allowed };
                parts.expectations.push(line);
            }
            Some((place, Expected::Allowed)) => parts.expectations[place].outcome = Expected::Forbidden,
            Some((place, Expected::Forbidden)) => drop(parts.expectations.remove(place)),
        }
        self.change_policy(Field::Cells, parts)
    }

    /// Decides on a policy of these parts from now on; the one before can be brought back.
    pub(super) fn change_policy(&mut self, field: Field, parts: Parts) -> Vec<Effect> {
        match Policy::build(parts) {
            Ok(policy) => {
                self.history.push(Step::Policy(field, Arc::clone(&self.auth.rules.policy)));
                vec![Effect::SetPolicy(Arc::new(policy))]
            }
            Err(error) => {
                self.complain(error.to_string());
                Vec::new()
            }
        }
    }

    pub(super) fn ask(&mut self, asks: Asks, text: &str) {
        self.overlays.push(Overlay::Line(Box::new(LineForm::new(asks, text))));
    }

    pub(super) fn ask_description(&mut self) {
        match self.auth.rules.policy.tool(&self.call.tool) {
            Some(rule) => {
                let said = rule.description.as_deref().unwrap_or_default().to_owned();
                self.ask(Asks::Description(Arc::clone(&self.call.tool)), &said);
            }
            None => self.complain("select a tool of the policy to describe"),
        }
    }

    pub(super) fn ask_where_to_save(&mut self) {
        let file = self.policy_source.clone();
        self.ask(Asks::SaveTo, &file);
    }

    /// Takes a line that was typed for the policy; an impossible one stays open with what is wrong.
    pub(super) fn take_policy_line(&mut self, form: Box<LineForm>, line: &str) -> Vec<Effect> {
        let mut parts = self.auth.rules.policy.parts().clone();
        let name = text::name(line, 48);
        let refused = match &form.asks {
            Asks::SaveTo if line.is_empty() => Some("name a file".to_owned()),
            Asks::SaveTo => return vec![Effect::SavePolicy(line.to_owned())],
            Asks::Description(tool) => {
                let said = Some(line).filter(|line| !line.is_empty()).map(Into::into);
                parts
                    .tools
                    .iter_mut()
                    .filter(|rule| rule.name == *tool)
                    .for_each(|rule| rule.description.clone_from(&said));
                None
            }
            _ if line.is_empty() => Some("a name has something in it".to_owned()),
            Asks::Tool if parts.tools.iter().any(|tool| *tool.name == *line) => {
                Some(format!("the policy has a tool {name} already"))
            }
            Asks::Tool => {
                parts.tools.push(ToolRule::new(line, [""; 0]));
                None
            }
            Asks::Permission if self.auth.rules.policy.names(line) => {
                Some(format!("the policy has a permission {name} already"))
            }
            Asks::Permission => {
                parts.permissions.push(PermissionRule { name: line.into(), description: None, implies: Vec::new() });
                None
            }
            Asks::Label(_) => None,
        };
        if let Some(sentence) = refused {
            self.complain(sentence);
            self.overlays.push(Overlay::Line(form));
            return Vec::new();
        }
        let added = (form.asks == Asks::Tool).then(|| Arc::from(line));
        let effects = self.change_policy(Field::Rules, parts);
        if form.asks == Asks::Permission {
            self.matrix.permission = self.auth.rules.policy.permissions().len();
        }
        if let Some(tool) = added {
            self.choose_tool(&tool);
        }
        effects
    }

    /// Takes the tool under the cursor out of the policy.
    pub(super) fn drop_tool(&mut self) -> Vec<Effect> {
        let Some(column) = self.column() else {
            self.complain("select a tool of the policy to remove");
            return Vec::new();
        };
        let mut parts = self.auth.rules.policy.parts().clone();
        let gone = parts.tools.remove(column);
        let next = parts.tools.get(column.min(parts.tools.len().saturating_sub(1))).map(|tool| Arc::clone(&tool.name));
        let effects = self.change_policy(Field::Rules, parts);
        if let Some(next) = next {
            self.choose_tool(&next);
        }
        self.say(format!("{} is out of the policy; Ctrl-7 brings it back", text::name(&gone.name, 48)));
        effects
    }

    /// Takes the permission under the cursor out of the policy: no tool asks for it, and nothing implies it.
    pub(super) fn drop_permission(&mut self) -> Vec<Effect> {
        let Some(gone) = self.auth.rules.policy.permissions().get(self.matrix.permission).cloned() else {
            self.complain("the policy has no permission to remove");
            return Vec::new();
        };
        let mut parts = self.auth.rules.policy.parts().clone();
        for tool in &mut parts.tools {
            tool.permissions = tool.permissions.iter().filter(|name| **name != gone).cloned().collect();
        }
        parts.permissions.retain(|rule| rule.name != gone);
        for rule in &mut parts.permissions {
            rule.implies.retain(|name| *name != gone);
        }
        self.say(format!("{} is out of the policy; Ctrl-7 brings it back", text::name(&gone, 48)));
        self.change_policy(Field::Rules, parts)
    }

    /// The policy's file was touched: a good one decides from now on, a broken one is told of.
    pub(super) fn policy_reread(&mut self, result: Result<Arc<Policy>, String>) -> Vec<Effect> {
        match result {
            Ok(policy) => {
                self.policy_fault = None;
                self.policy_saved = Arc::clone(&policy);
                if policy == self.auth.rules.policy {
                    return Vec::new();
                }
                self.say(format!("the policy's file has changed: {}", words::count(policy.tools().len(), "tool")));
                self.history.push(Step::Policy(Field::Rules, Arc::clone(&self.auth.rules.policy)));
                vec![Effect::SetPolicy(policy)]
            }
            Err(sentence) => {
                self.complain(format!("{sentence}; the last good policy decides"));
                self.policy_fault = Some(sentence);
                Vec::new()
            }
        }
    }

    pub(super) fn policy_written(&mut self, result: Result<String, String>) -> Vec<Effect> {
        match result {
            Ok(path) => {
                self.say(format!("policy saved to {}", text::name(&path, 200)));
                (self.policy_source, self.policy_fault) = (path, None);
                self.policy_saved = Arc::clone(&self.auth.rules.policy);
            }
            Err(sentence) => self.complain(sentence),
        }
        Vec::new()
    }
}

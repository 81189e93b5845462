//! The Policy pane: the policy, edited live. Changes take effect at once, can be undone, and are saved on request.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::focus::Focus;
use crate::app::history::Step;
use crate::app::list::moved;
use crate::app::overlay::{LineForm, LinePurpose, Overlay};
use crate::app::{App, Effect};
use crate::auth::Policy;
use crate::auth::policy::{Expectation, Lint, Parts, PermissionRule, ToolRule};
use crate::text;

/// The table of tools and permissions.
pub const RULES: Field = Field::new(Pane::Policy, 0);

pub(super) static PLACE: Place = Place {
    title: "Policy",
    letter: 'p',
    help: "The policy as a table: Space ticks or clears a permission for the tool under the cursor. Changes apply at once; undo reverts them; Enter saves the policy. [x] the tool accepts this permission, [~] it implies one that the tool accepts.",
    controls: &[Control::new(RULES, "rules")
        .tick(|_| Some("tick"), App::tick_rule)
        .turn(
            |_| Some("permission"),
            |app, by| {
                let permissions = app.policy.permissions().len();
                app.policy.choose_permission(moved(app.policy.permission_at(), by, permissions));
            },
        )
        .row(|_| Some("tool"), App::choose_column)
        .click(|app, spot| {
            app.go(Focus::at(RULES));
            app.choose_place(spot.row);
            app.policy.choose_permission(spot.column);
            app.act(Action::Tick)
        })],
    note: |app, _| {
        let file = app.policy_file.name();
        if app.policy_is_saved() { file } else { format!("{file} · unsaved changes") }
    },
    act: Some(Act {
        hint: |_| Some("save"),
        run: |app| {
            app.ask_where_to_save();
            Vec::new()
        },
    }),
    remove: Some(Act { hint: |app| app.column().map(|_| "remove"), run: App::drop_tool }),
    page: Some(Move { hint: |_| None, by: |app, by| app.choose_column(app.drawn.page(RULES, by)) }),
    wheel: Some(App::choose_column),
    copy: ClipSource::LAST_ANSWER,
    why: ClipSource::PREVIEWS_WHY,
    ..Place::DEFAULT
};

/// The state of the Policy pane.
#[derive(Default)]
pub struct PolicyPane {
    /// The permission under the cursor.
    permission: Option<Arc<str>>,
    permissions: Vec<Arc<str>>,
    /// The warnings about the policy.
    pub lints: Vec<Lint>,
    /// The failed expectations, as far as they can be checked without a token.
    pub failed: Vec<Expectation>,
    known: Option<Arc<Policy>>,
}

impl PolicyPane {
    /// Returns the permissions, in the order of the table's columns. A permission keeps its column while it is ticked
    /// and unticked.
    pub fn permissions(&self) -> &[Arc<str>] {
        &self.permissions
    }

    /// Returns the index of the permission under the cursor.
    pub fn permission_at(&self) -> usize {
        let here = |permission: &Arc<str>| Some(permission) == self.permission.as_ref();
        self.permissions.iter().position(here).unwrap_or(0)
    }

    fn choose_permission(&mut self, place: usize) {
        self.permission = self.permissions.get(place).cloned();
    }

    /// Follows the shared policy; returns whether it has changed.
    pub(in crate::app) fn follow(&mut self, policy: &Arc<Policy>) -> bool {
        if self.known.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy)) {
            return false;
        }
        self.known = Some(Arc::clone(policy));
        (self.lints, self.failed) = (policy.lints(), policy.failed().cloned().collect());
        let at = self.permission_at();
        let named: HashSet<&Arc<str>> = policy.permissions().iter().collect();
        self.permissions.retain(|permission| named.contains(permission));
        let known: HashSet<Arc<str>> = self.permissions.iter().cloned().collect();
        self.permissions.extend(policy.permissions().iter().filter(|permission| !known.contains(*permission)).cloned());
        if self.permission.as_ref().is_none_or(|permission| !named.contains(permission)) {
            self.choose_permission(at.min(self.permissions.len().saturating_sub(1)));
        }
        true
    }
}

impl App {
    /// Ticks or unticks the permission under the cursor for the tool under it.
    pub(in crate::app) fn tick_rule(&mut self) -> Vec<Effect> {
        let policy = &self.auth.rules.policy;
        let Some((column, permission)) = self.column().zip(self.policy.permission.clone()) else {
            self.complain("the policy has no tools or no permissions to tick");
            return Vec::new();
        };
        let mut parts = policy.parts().clone();
        let asked = &mut parts.tools[column].permissions;
        let mut names: Vec<Arc<str>> = asked.iter().filter(|name| **name != permission).cloned().collect();
        if names.len() == asked.len() {
            names.push(Arc::clone(&permission));
        }
        *asked = names.into();
        // A permission that no tool accepts any more stays in the policy, so that it can be ticked again.
        let is_named = parts.permissions.iter().any(|rule| rule.name == permission);
        if !is_named && parts.tools.iter().all(|tool| !tool.permissions.contains(&permission)) {
            parts.permissions.push(PermissionRule { name: permission, description: None, implies: Vec::new() });
        }
        self.change_policy(RULES, parts)
    }

    /// Puts a policy made of these parts into force, as a step that can be undone.
    pub(in crate::app) fn change_policy(&mut self, field: Field, parts: Parts) -> Vec<Effect> {
        match Policy::build(parts) {
            Ok(policy) if policy == *self.auth.rules.policy => Vec::new(),
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

    pub(in crate::app) fn ask(&mut self, asks: LinePurpose, text: &str) {
        self.overlays.push(Overlay::Line(Box::new(LineForm::new(asks, text))));
    }

    pub(in crate::app) fn ask_description(&mut self) {
        match self.auth.rules.policy.tool(&self.call.tool) {
            Some(rule) => {
                let said = rule.description.as_deref().unwrap_or_default().to_owned();
                self.ask(LinePurpose::Description(Arc::clone(&self.call.tool)), &said);
            }
            None => self.complain("select a tool of the policy to describe"),
        }
    }

    /// Applies a typed line to the policy; if it is invalid, the prompt stays open with the error.
    pub(in crate::app) fn take_policy_line(&mut self, form: Box<LineForm>, line: &str) -> Vec<Effect> {
        let mut parts = self.auth.rules.policy.parts().clone();
        let name = text::name(line, 48);
        let refused = match &form.asks {
            LinePurpose::SaveTo if line.is_empty() => Some("enter a file name".to_owned()),
            LinePurpose::SaveTo => return self.save_policy(line),
            LinePurpose::Description(tool) => {
                let said = Some(line).filter(|line| !line.is_empty()).map(Into::into);
                parts
                    .tools
                    .iter_mut()
                    .filter(|rule| rule.name == *tool)
                    .for_each(|rule| rule.description.clone_from(&said));
                None
            }
            _ if line.is_empty() => Some("the name is empty: expected at least one character".to_owned()),
            LinePurpose::Tool if parts.tools.iter().any(|tool| *tool.name == *line) => {
                Some(format!("tool {name} is already in the policy"))
            }
            LinePurpose::Tool => {
                parts.tools.push(ToolRule::new(line, [""; 0]));
                None
            }
            LinePurpose::Permission if self.auth.rules.policy.names(line) => {
                Some(format!("permission {name} is already in the policy"))
            }
            LinePurpose::Permission => {
                parts.permissions.push(PermissionRule { name: line.into(), description: None, implies: Vec::new() });
                None
            }
            LinePurpose::Label(_)
            | LinePurpose::TargetName(_)
            | LinePurpose::ObservedTo
            | LinePurpose::EvidenceTo
            | LinePurpose::Find => None,
        };
        if let Some(sentence) = refused {
            self.complain(sentence);
            self.overlays.push(Overlay::Line(form));
            return Vec::new();
        }
        let added = (form.asks == LinePurpose::Tool).then(|| Arc::from(line));
        let effects = self.change_policy(RULES, parts);
        if form.asks == LinePurpose::Permission {
            self.policy.permission = Some(line.into());
        }
        if let Some(tool) = added {
            self.choose_tool(&tool);
        }
        effects
    }

    /// Removes the tool under the cursor from the policy.
    pub(in crate::app) fn drop_tool(&mut self) -> Vec<Effect> {
        let Some(column) = self.column() else {
            self.complain("select a tool of the policy to remove");
            return Vec::new();
        };
        let mut parts = self.auth.rules.policy.parts().clone();
        let gone = parts.tools.remove(column);
        let next = parts.tools.get(column.min(parts.tools.len().saturating_sub(1))).map(|tool| Arc::clone(&tool.name));
        let effects = self.change_policy(RULES, parts);
        if let Some(next) = next {
            self.choose_tool(&next);
        }
        self.say(format!("{} removed from the policy; Ctrl-7 restores it", text::name(&gone.name, 48)));
        effects
    }

    /// Removes the permission under the cursor from the policy, from all tools and from all permissions that imply it.
    pub(in crate::app) fn drop_permission(&mut self) -> Vec<Effect> {
        let Some(gone) = self.policy.permission.clone() else {
            self.complain("the policy has no permissions to remove");
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
        self.say(format!("{} removed from the policy; Ctrl-7 restores it", text::name(&gone, 48)));
        self.change_policy(RULES, parts)
    }
}

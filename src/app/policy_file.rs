//! The policy file: its contents, edits made by other programs, and saving.

use std::sync::Arc;

use super::history::Step;
use super::msg::SaveError;
use super::overlay::{LinePurpose, Overlay, Question};
use super::pane::policy::RULES;
use super::{App, Effect};
use crate::auth::Policy;
use crate::config::ConfigError;
use crate::text::{self, words};
use crate::watch::WatchError;

/// The file that the policy is read from.
pub struct PolicyFile {
    /// Its path; empty for the built-in policy.
    pub path: String,
    /// Its policy when it was last read or written.
    pub said: Arc<Policy>,
    /// Why it cannot be read; safe to show.
    pub fault: Option<String>,
}

impl PolicyFile {
    pub(super) fn new(path: String, said: Arc<Policy>) -> Self {
        Self { path, said, fault: None }
    }

    /// Returns the file's name without its folder, or `built in` if there is no file. Safe to show.
    pub fn name(&self) -> String {
        match self.path.rsplit('/').next().filter(|file| !file.is_empty()) {
            Some(file) => text::name(file, 40),
            None => "built in".to_owned(),
        }
    }
}

impl App {
    /// Whether the policy in force is the one in its file, or the built-in one.
    pub fn policy_is_saved(&self) -> bool {
        let (said, decides) = (&self.policy_file.said, &self.auth.rules.policy);
        Arc::ptr_eq(said, decides) || said.is_equivalent(decides)
    }

    /// Handles the result of reading the policy file again. A new policy takes effect at once, and undo restores
    /// unsaved edits; after an error the last valid policy stays in force.
    pub(super) fn policy_reread(&mut self, result: Result<Arc<Policy>, ConfigError>) -> Vec<Effect> {
        let policy = match result {
            Ok(policy) => policy,
            Err(error) => {
                let sentence = error.to_string();
                self.complain(format!("{sentence}; the last valid policy stays in force"));
                self.policy_file.fault = Some(sentence);
                return Vec::new();
            }
        };
        let was_broken = self.policy_file.fault.take().is_some();
        let was_saved = self.policy_is_saved();
        let is_new = !policy.is_equivalent(&self.policy_file.said);
        self.policy_file.said = Arc::clone(&policy);
        // An edit of the file that does not change its policy must not revert changes made here.
        if !is_new || policy.is_equivalent(&self.auth.rules.policy) {
            if was_broken {
                self.say(format!("{} is readable again", self.policy_file.name()));
            }
            return Vec::new();
        }
        let tools = words::count(policy.tools().len(), "tool");
        let unsaved = if was_saved { "" } else { "; Ctrl-7 restores your unsaved changes" };
        self.say(format!("policy file reloaded: {tools}{unsaved}"));
        self.history.push(Step::Policy(RULES, Arc::clone(&self.auth.rules.policy)));
        vec![Effect::SetPolicy(policy)]
    }

    pub(super) fn ask_where_to_save(&mut self) {
        let file = self.policy_file.path.clone();
        self.ask(LinePurpose::SaveTo, &file);
    }

    /// Saves the policy, unless the file contains another policy than the one last read or written here.
    pub(super) fn save_policy(&mut self, path: &str) -> Vec<Effect> {
        vec![Effect::SavePolicy { path: path.to_owned(), known: Some(Arc::clone(&self.policy_file.said)) }]
    }

    pub(super) fn policy_written(&mut self, result: Result<(String, Arc<Policy>), SaveError>) -> Vec<Effect> {
        match result {
            Ok((path, saved)) => {
                let is_other = !self.policy_file.path.is_empty() && path != self.policy_file.path;
                let now = if is_other { "; it is now the policy file" } else { "" };
                self.say(format!("policy saved to {}{now}", text::name(&path, 200)));
                self.policy_file = PolicyFile::new(path, saved);
            }
            Err(SaveError::Other(path)) => self.overlays.push(Overlay::Confirm(Question::SaveOver(path))),
            Err(SaveError::Failed(path, error)) => {
                self.complain(format!("policy not saved: {error}"));
                self.ask(LinePurpose::SaveTo, &path);
            }
        }
        Vec::new()
    }

    /// Handles the end of notifications about a file.
    pub(super) fn file_unwatched(&mut self, unwatched: &WatchError) -> Vec<Effect> {
        self.complain(unwatched.to_string());
        Vec::new()
    }
}

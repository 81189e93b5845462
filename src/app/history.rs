//! Undo and redo: one history for fields, ticks, the token list and the policy.

use std::sync::Arc;

use super::issue::IssueForm;
use super::msg::Why;
use super::{App, CallForm, Effect, Field, Focus};
use crate::auth::Policy;
use crate::auth::revocations::{Revoked, Since};
use crate::gate::TokenEntry;

/// Something that can be undone. It may hold a token, so it has no `Debug`.
pub enum Step {
    /// The Issue form was changed; this is how it was before. Typing into one field is one step.
    Issue(Field, Box<IssueForm>),
    /// The arguments were changed; this is how they were, and whether the user had touched them.
    Arguments(String, bool),
    /// A call was loaded from the log; this is how the form was, and which token was selected.
    Loaded(Box<CallForm>, Option<u64>),
    /// The token of this text was given another label; this is the one it had.
    Labelled(Arc<str>, Option<Arc<str>>),
    /// The policy was changed in this field; this is how it was.
    Policy(Field, Arc<Policy>),
    /// Something was revoked, or restored; this is how it was.
    Revoked(Revoked, Option<Since>),
    /// A token was removed.
    Removed(TokenEntry),
    /// A removal was undone: the token that is to be removed again. By its text, because a paste that was undone and
    /// redone since has given it another number.
    PutBack(Arc<str>),
    /// Test tokens were put into the list: each with its label, and the numbers they have there.
    Tests(Vec<(Arc<str>, Arc<str>)>, Vec<u64>),
    /// A paste was taken for tokens: the field it was pasted into, and its text.
    Pasted {
        /// Where the keys went.
        field: Option<Field>,
        /// What was pasted.
        text: String,
        /// The numbers of the tokens that were new.
        added: Vec<u64>,
        /// The field's text before undoing put the paste into it.
        before: Option<String>,
    },
}

/// The most steps that are kept.
const DEPTH: usize = 100;

/// What was done, and what was undone.
#[derive(Default)]
pub struct History {
    done: Vec<Step>,
    undone: Vec<Step>,
    /// Whether the last step was typing that may go on.
    typing: bool,
}

impl History {
    /// Whether there is something to undo.
    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether there is something to redo.
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Something was done; what was undone before cannot be redone any more.
    pub(super) fn push(&mut self, step: Step) {
        self.undone.clear();
        let same = matches!((self.done.last(), &step),
            (Some(Step::Issue(last, _)), Step::Issue(field, _)) if last == field)
            || matches!((self.done.last(), &step), (Some(Step::Arguments(..)), Step::Arguments(..)));
        if std::mem::replace(&mut self.typing, true) && same {
            return;
        }
        if self.done.len() == DEPTH {
            self.done.remove(0);
        }
        self.done.push(step);
    }

    /// Ends a run of typing: the next change is a step of its own.
    pub(super) fn seal(&mut self) {
        self.typing = false;
    }

    /// The step done last, to be completed by what came of it.
    pub(super) fn latest(&mut self) -> Option<&mut Step> {
        self.done.last_mut()
    }

    fn last_done(&mut self) -> Option<Step> {
        self.done.pop()
    }

    fn last_undone(&mut self) -> Option<Step> {
        self.undone.pop()
    }

    fn was_undone(&mut self, step: Step) {
        self.undone.push(step);
    }

    pub(super) fn was_redone(&mut self, step: Step) {
        self.done.push(step);
    }
}

impl App {
    pub(super) fn undo(&mut self) -> Vec<Effect> {
        // What is said of the last change does not hold any more.
        self.toast = None;
        let Some(step) = self.history.last_done() else {
            self.complain("there is nothing to undo");
            return Vec::new();
        };
        let (undone, effects) = self.swap(step);
        if let Some(undone) = undone {
            self.history.was_undone(undone);
        }
        effects
    }

    pub(super) fn redo(&mut self) -> Vec<Effect> {
        self.toast = None;
        let Some(step) = self.history.last_undone() else {
            self.complain("there is nothing to redo");
            return Vec::new();
        };
        let (redone, effects) = match step {
            Step::Pasted { field, text, before, .. } => {
                if let Some((field, before)) = field.zip(before.as_ref())
                    && let Some(edited) = self.text_mut(field)
                {
                    edited.set(before);
                }
                let mut tokens = crate::text::read_token(&text).tokens;
                tokens.truncate(super::paste::MAX_TOKENS);
                if tokens.is_empty() {
                    tokens.push(text.clone());
                }
                (Some(Step::Pasted { field, text, added: Vec::new(), before: None }), vec![Effect::Add(tokens)])
            }
            Step::Tests(tokens, _) => (Some(Step::Tests(tokens.clone(), Vec::new())), vec![Effect::AddNamed(tokens)]),
            other => self.swap(other),
        };
        if let Some(redone) = redone {
            self.history.was_redone(redone);
        }
        effects
    }

    /// Takes a step back or forth; answers with the step that leads back again.
    fn swap(&mut self, step: Step) -> (Option<Step>, Vec<Effect>) {
        match step {
            Step::Issue(field, form) => {
                let present = std::mem::replace(&mut self.issue, *form);
                let policy = Arc::clone(&self.auth.rules.policy);
                self.issue.follow(&policy);
                self.go(Focus::at(field));
                (Some(Step::Issue(field, Box::new(present))), Vec::new())
            }
            Step::Arguments(text, touched) => {
                let present = Step::Arguments(self.call.arguments.text().to_owned(), self.call.touched);
                self.call.arguments.set(&text);
                self.call.touched = touched;
                self.go(Focus::at(Field::CallArguments));
                (Some(present), Vec::new())
            }
            Step::Loaded(form, selected) => {
                let present = std::mem::replace(&mut self.call, *form);
                let chosen = std::mem::replace(&mut self.selected, selected);
                self.refresh();
                self.go(Focus::at(Field::CallTool));
                (Some(Step::Loaded(Box::new(present), chosen)), Vec::new())
            }
            Step::Labelled(text, label) => {
                let entry = self.auth.tokens.iter().find(|entry| entry.text == text);
                let effects = entry.map(|entry| Effect::Label(entry.number, label)).into_iter().collect();
                let present = entry.and_then(|entry| entry.label.clone());
                (Some(Step::Labelled(text, present)), effects)
            }
            Step::Policy(field, policy) => {
                let present = Arc::clone(&self.auth.rules.policy);
                self.go(Focus::at(field));
                (Some(Step::Policy(field, present)), vec![Effect::SetPolicy(policy)])
            }
            Step::Revoked(what, before) => {
                let present = self.auth.rules.revoked.get(&what).cloned();
                (Some(Step::Revoked(what.clone(), present)), vec![Effect::SetRevoked { what, since: before }])
            }
            Step::Removed(entry) => {
                let text = Arc::clone(&entry.text);
                self.selected = Some(entry.number);
                (Some(Step::PutBack(text)), vec![Effect::Restore(entry)])
            }
            // What comes back from the removal becomes the step.
            Step::PutBack(text) => {
                let number = self.auth.tokens.iter().find(|entry| entry.text == text).map(|entry| entry.number);
                (None, number.map(|number| Effect::Remove(number, Why::Redone)).into_iter().collect())
            }
            Step::Tests(tokens, added) => {
                let effects = added.iter().map(|number| Effect::Remove(*number, Why::Undone)).collect();
                (Some(Step::Tests(tokens, Vec::new())), effects)
            }
            Step::Pasted { field, text, added, .. } => {
                let mut before = None;
                if let Some(field) = field {
                    if let Some(edited) = self.text_mut(field) {
                        before = Some(edited.text().to_owned());
                        edited.insert(&text);
                    }
                    self.go(Focus::at(field));
                }
                let effects = added.iter().map(|number| Effect::Remove(*number, Why::Undone)).collect();
                (Some(Step::Pasted { field, text, added: Vec::new(), before }), effects)
            }
        }
    }
}

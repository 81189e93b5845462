//! Undo and redo: one history for fields, ticks, the token list and the policy.

use std::sync::Arc;

use super::focus::Focus;
use super::msg::RemovalReason;
use super::pane::Field;
use super::pane::call::CallForm;
use super::pane::issue::IssueForm;
use super::pane::issuers::ANY;
use super::targets::ForeignTarget;
use super::{App, Effect};
use crate::auth::Policy;
use crate::auth::TokenId;
use crate::auth::revocations::{Revocation, RevocationTarget};
use crate::gate::{AcceptedIssuer, TokenEntry};
use crate::text;

/// A change that can be undone. It may hold a token, so it has no `Debug`.
pub enum Step {
    /// A change of the Issue form, with the form before it. Typing into one field is one step.
    Issue(Field, Box<IssueForm>),
    /// A change of the arguments in this field, with the text before it and whether the user had edited that.
    Arguments(Field, String, bool),
    /// A call loaded from the log: the field to focus, the previous form, and the token and the target that were selected.
    Loaded(Field, Box<CallForm>, Option<u64>, Option<u64>),
    /// A change of the label of the token with this ID, with the previous label.
    Labelled(TokenId, Option<Arc<str>>),
    /// A change of the policy in this field, with the previous policy.
    Policy(Field, Arc<Policy>),
    /// A revocation or a restoration, with the revocation that was in force before.
    Revoked(RevocationTarget, Option<Revocation>),
    /// The removal of a token.
    Removed(TokenEntry),
    /// An undone removal, with the token to remove again. It is identified by its ID, because undoing and redoing its
    /// paste gives it another number.
    PutBack(TokenId),
    /// Test tokens added to the list, with their labels and their numbers in the list.
    Tests(Vec<(Arc<str>, Arc<str>)>, Vec<u64>),
    /// A change of the accepted issuer with this name, with the issuer that was accepted before, if any.
    Issuer(Option<Arc<str>>, Option<Box<AcceptedIssuer>>),
    /// A target that was put in the list, with its number.
    TargetPut(u64),
    /// The removal of a target, with its place in the list.
    TargetRemoved(usize, Box<ForeignTarget>),
    /// Another name of the target with this number, with the previous one.
    TargetNamed(u64, Arc<str>),
    /// A paste whose text was added as tokens.
    Pasted(Paste),
}

/// A paste whose text was added as tokens. It shares them with the list, so that a hundred pastes are not stored twice.
#[derive(Default)]
pub struct Paste {
    /// The field that had the focus.
    pub(super) field: Option<Field>,
    /// The whole paste, if undo has to insert it into the field.
    pub(super) text: Option<Arc<str>>,
    /// The summary shown for it.
    pub(super) summary: String,
    /// The tokens, for redo; empty until they are in the list.
    pub(super) tokens: Vec<Arc<str>>,
    /// The numbers of the tokens that were new in the list.
    pub(super) added: Vec<u64>,
    /// The field's text before undo inserted the paste into it.
    pub(super) before: Option<String>,
}

impl Step {
    /// Returns the step's name for the undo message.
    fn words(&self) -> String {
        match self {
            Self::Issue(field, _) => format!("a change to {} in Issue", field.label()),
            Self::Arguments(..) => "a change to the arguments".to_owned(),
            Self::Loaded(..) => "loading a call".to_owned(),
            Self::Labelled(..) => "a label".to_owned(),
            Self::Policy(..) => "a change to the policy".to_owned(),
            Self::Revoked(_, None) => "a revocation".to_owned(),
            Self::Revoked(_, Some(_)) => "restoring a token".to_owned(),
            Self::Removed(_) | Self::PutBack(_) => "the removal of a token".to_owned(),
            Self::Tests(..) => "adding test tokens".to_owned(),
            Self::Issuer(name, _) => {
                format!(
                    "a change to the issuer {}",
                    name.as_ref().map_or_else(|| ANY.to_owned(), |name| text::name(name, 64))
                )
            }
            Self::TargetPut(_) => "adding a target".to_owned(),
            Self::TargetRemoved(..) => "the removal of a target".to_owned(),
            Self::TargetNamed(..) => "naming a server".to_owned(),
            Self::Pasted(_) => "a paste".to_owned(),
        }
    }

    /// Whether both change the same field; consecutive changes of a field are one step.
    fn is_typing_of(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Issue(last, _), Self::Issue(field, _)) => last == field,
            (Self::Arguments(..), Self::Arguments(..)) => true,
            _ => false,
        }
    }
}

/// The maximum number of steps to undo.
const DEPTH: usize = 100;

/// The stacks of undo and redo steps.
#[derive(Default)]
pub struct History {
    done: Vec<Step>,
    undone: Vec<Step>,
    /// Whether the next change of the same field belongs to the last step.
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

    /// Adds a step. Steps that were undone before can no longer be redone.
    pub(super) fn push(&mut self, step: Step) {
        self.undone.clear();
        let was_typing = std::mem::replace(&mut self.typing, true);
        if was_typing && self.done.last().is_some_and(|last| last.is_typing_of(&step)) {
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

    /// Returns the last paste, so that its result can be added.
    pub(super) fn latest_paste(&mut self) -> Option<&mut Paste> {
        self.done.iter_mut().rev().find_map(|step| match step {
            Step::Pasted(paste) => Some(paste),
            _ => None,
        })
    }

    /// Returns the numbers of the test tokens that were added last, to fill them in.
    pub(super) fn latest_tests(&mut self) -> Option<&mut Vec<u64>> {
        self.done.iter_mut().rev().find_map(|step| match step {
            Step::Tests(_, numbers) => Some(numbers),
            _ => None,
        })
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
        // The message about the last change no longer applies.
        self.toast = None;
        let Some(step) = self.history.last_done() else {
            self.complain("nothing to undo");
            return Vec::new();
        };
        let words = step.words();
        let (undone, effects) = self.swap(step);
        self.say(format!("Undone: {words}"));
        if let Some(undone) = undone {
            self.history.was_undone(undone);
        }
        effects
    }

    pub(super) fn redo(&mut self) -> Vec<Effect> {
        self.toast = None;
        let Some(step) = self.history.last_undone() else {
            self.complain("nothing to redo");
            return Vec::new();
        };
        let words = step.words();
        let (redone, effects) = match step {
            Step::Pasted(paste) => {
                if let (Some(field), Some(before)) = (paste.field, &paste.before)
                    && let Some(edited) = self.text_mut(field)
                {
                    edited.set(before);
                }
                let tokens = paste.tokens.iter().map(|token| (**token).to_owned()).collect();
                (Some(Step::Pasted(Paste { before: None, ..paste })), vec![Effect::Add(tokens)])
            }
            Step::Tests(tokens, _) => (Some(Step::Tests(tokens.clone(), Vec::new())), vec![Effect::AddNamed(tokens)]),
            other => self.swap(other),
        };
        if let Some(redone) = redone {
            self.history.was_redone(redone);
        }
        self.say(format!("Done again: {words}"));
        effects
    }

    /// Undoes or redoes a step. Returns the step that reverses this, and the effects.
    fn swap(&mut self, step: Step) -> (Option<Step>, Vec<Effect>) {
        match step {
            Step::Issue(field, form) => {
                let present = std::mem::replace(&mut self.issue, *form);
                let policy = Arc::clone(&self.auth.rules.policy);
                self.issue.follow(&policy);
                (Some(Step::Issue(field, Box::new(present))), Vec::new())
            }
            Step::Arguments(field, text, touched) => {
                let present = Step::Arguments(field, self.call.arguments.text().to_owned(), self.call.touched);
                self.call.arguments.set(&text);
                self.call.touched = touched;
                (Some(present), Vec::new())
            }
            Step::Loaded(field, form, selected, target) => {
                let (present, called) = (self.call.clone(), self.targets.selected);
                if called != target {
                    self.select_target(target);
                }
                self.call = *form;
                let chosen = std::mem::replace(&mut self.selected, selected);
                self.refresh();
                (Some(Step::Loaded(field, Box::new(present), chosen, called)), Vec::new())
            }
            Step::Labelled(id, label) => {
                let entry = self.auth.tokens.iter().find(|entry| entry.id == id);
                let effects = entry.map(|entry| Effect::Label(entry.number, label)).into_iter().collect();
                let present = entry.and_then(|entry| entry.label.clone());
                (Some(Step::Labelled(id, present)), effects)
            }
            Step::Policy(field, policy) => {
                let present = Arc::clone(&self.auth.rules.policy);
                (Some(Step::Policy(field, present)), vec![Effect::SetPolicy(policy)])
            }
            Step::Revoked(what, before) => {
                let present = self.auth.rules.revoked.get(&what).cloned();
                (Some(Step::Revoked(what.clone(), present)), vec![Effect::SetRevoked { what, since: before }])
            }
            Step::Removed(entry) => {
                let id = entry.id;
                self.selected = Some(entry.number);
                (Some(Step::PutBack(id)), vec![Effect::Restore(entry)])
            }
            // The removal returns the step that undoes it.
            Step::PutBack(id) => {
                let number = self.auth.tokens.iter().find(|entry| entry.id == id).map(|entry| entry.number);
                (None, number.map(|number| Effect::Remove(number, RemovalReason::Redone)).into_iter().collect())
            }
            Step::Tests(tokens, added) => {
                let effects = added.iter().map(|number| Effect::Remove(*number, RemovalReason::Undone)).collect();
                (Some(Step::Tests(tokens, Vec::new())), effects)
            }
            Step::Issuer(name, before) => {
                let present = self.auth.accepted_issuer(name.as_deref()).map(Box::new);
                let effect = Effect::SetIssuer { name: name.clone(), to: before, is_new: false };
                (Some(Step::Issuer(name, present)), vec![effect])
            }
            Step::TargetPut(number) => {
                let mut effects = self.end_work_of(number);
                let removed =
                    self.take_target(number).map(|(place, target)| Step::TargetRemoved(place, Box::new(target)));
                effects.push(Effect::CloseTarget(number));
                (removed, effects)
            }
            Step::TargetRemoved(place, target) => {
                let number = target.number;
                self.put_target(place, *target);
                (Some(Step::TargetPut(number)), Vec::new())
            }
            Step::TargetNamed(number, name) => {
                let present = self.rename_target(number, &name);
                (present.map(|present| Step::TargetNamed(number, present)), vec![Effect::NameTarget { number, name }])
            }
            Step::Pasted(paste) => {
                let effects = paste.added.iter().map(|number| Effect::Remove(*number, RemovalReason::Undone)).collect();
                let before = paste.field.and_then(|field| self.put_back(field, paste.text.as_deref()));
                (Some(Step::Pasted(Paste { added: Vec::new(), before, ..paste })), effects)
            }
        }
    }

    /// Focuses the field of an undone paste and inserts the paste. Returns the field's previous text.
    fn put_back(&mut self, field: Field, pasted: Option<&str>) -> Option<String> {
        self.go(Focus::at(field));
        let edited = self.text_mut(field)?;
        let before = edited.text().to_owned();
        edited.insert(pasted?);
        Some(before)
    }
}

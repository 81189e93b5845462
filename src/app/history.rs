//! Undo and redo: one history for fields, ticks, and the token list.

use super::focus::Field;
use super::issue::IssueForm;
use crate::auth::TokenEntry;

/// Something that can be undone.
#[derive(Debug)]
pub enum Step {
    /// The Issue form was changed; this is how it was before. Typing into one field is one step.
    Issue(Field, Box<IssueForm>),
    /// The arguments were changed; this is how they were, and whether the user had touched them.
    Arguments(String, bool),
    /// A token was removed from this place.
    Removed(usize, TokenEntry),
    /// A removal was undone: the token that is to be removed again.
    PutBack(u64),
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
#[derive(Debug, Default)]
pub struct History {
    done: Vec<Step>,
    undone: Vec<Step>,
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
        if same {
            return;
        }
        if self.done.len() == DEPTH {
            self.done.remove(0);
        }
        self.done.push(step);
    }

    /// The step done last, to be completed by what came of it.
    pub(super) fn latest(&mut self) -> Option<&mut Step> {
        self.done.last_mut()
    }

    pub(super) fn last_done(&mut self) -> Option<Step> {
        self.done.pop()
    }

    pub(super) fn last_undone(&mut self) -> Option<Step> {
        self.undone.pop()
    }

    pub(super) fn was_undone(&mut self, step: Step) {
        self.undone.push(step);
    }

    pub(super) fn was_redone(&mut self, step: Step) {
        self.done.push(step);
    }
}

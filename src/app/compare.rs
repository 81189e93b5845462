//! Two tokens side by side: the selected one on the left, and another.

use super::list::turned;
use super::overlay::Overlay;
use super::{App, Effect};
use crate::auth::diff::diff;
use crate::gate::TokenEntry;

impl App {
    /// The word in the footer for comparing, in the panes that offer it.
    pub(super) fn compare_hint(&self) -> Option<&'static str> {
        let is_possible = self.selected().is_some() && self.auth.tokens.len() > 1;
        is_possible.then_some("compare")
    }

    pub(super) fn start_diff(&mut self) -> Vec<Effect> {
        let selected = self.selected.and_then(|number| self.auth.place(number));
        match selected {
            None => self.complain("select a token to compare"),
            Some(_) if self.auth.tokens.len() < 2 => self.complain("there is no other token to compare it with"),
            Some(place) => self.compare_with(turned(place, 1, self.auth.tokens.len())),
        }
        Vec::new()
    }

    fn compare_with(&mut self, place: usize) {
        if let Some((left, right)) = self.selected().zip(self.auth.tokens.get(place)) {
            let rules = &self.auth.rules;
            let rows = diff(&rules.inspect(&*left.text), &rules.inspect(&*right.text));
            self.overlays.push(Overlay::Diff { with: right.number, scroll: 0, rows });
        }
    }

    /// Compares with the next other token.
    pub(super) fn turn_diff(&mut self, by: isize) {
        let Some(Overlay::Diff { with, .. }) = self.overlays.pop() else {
            return;
        };
        let others: Vec<&TokenEntry> =
            self.auth.tokens.iter().filter(|entry| Some(entry.number) != self.selected).collect();
        let at = others.iter().position(|entry| entry.number == with).unwrap_or(0);
        let next = others.get(turned(at, by, others.len())).and_then(|entry| self.auth.place(entry.number));
        if let Some(place) = next {
            self.compare_with(place);
        }
    }
}

//! Comparison of two tokens side by side: the selected one on the left, another on the right.

use super::list::turned;
use super::overlay::Overlay;
use super::pane::call::HASH_ONLY;
use super::{App, Effect};
use crate::auth::diff::diff;
use crate::gate::TokenEntry;

impl App {
    /// Returns the footer's word for comparing, in the panes that offer it.
    pub(super) fn compare_hint(&self) -> Option<&'static str> {
        let is_possible = self.selected().is_some() && self.auth.tokens.len() > 1;
        is_possible.then_some("compare")
    }

    pub(super) fn start_diff(&mut self) -> Vec<Effect> {
        let selected = self.selected.and_then(|number| self.auth.place(number));
        match selected {
            None => self.complain("select a token to compare"),
            Some(_) if self.auth.tokens.len() < 2 => self.complain("no other token to compare it with"),
            Some(place) => {
                let all = self.auth.tokens.len();
                let is_held = |place: &usize| self.auth.tokens.get(*place).is_some_and(|entry| entry.text().is_some());
                match (1..all).map(|steps| (place + steps) % all).find(is_held).filter(|_| is_held(&place)) {
                    Some(other) => self.compare_with(other),
                    None => self.complain(HASH_ONLY),
                }
            }
        }
        Vec::new()
    }

    fn compare_with(&mut self, place: usize) {
        if let Some((left, right)) = self.selected().zip(self.auth.tokens.get(place)) {
            let rules = &self.auth.rules;
            let (Some(one), Some(other)) = (left.text(), right.text()) else { return };
            let rows = diff(&rules.inspect(&**one), &rules.inspect(&**other));
            self.overlays.push(Overlay::Diff { with: right.number, scroll: 0, rows });
        }
    }

    /// Compares the selected token with the next or the previous one instead.
    pub(super) fn turn_diff(&mut self, by: isize) {
        let Some(Overlay::Diff { with, .. }) = self.overlays.pop() else {
            return;
        };
        let is_other = |entry: &&TokenEntry| Some(entry.number) != self.selected && entry.text().is_some();
        let others: Vec<&TokenEntry> = self.auth.tokens.iter().filter(is_other).collect();
        let at = others.iter().position(|entry| entry.number == with).unwrap_or(0);
        let next = others.get(turned(at, by, others.len())).and_then(|entry| self.auth.place(entry.number));
        if let Some(place) = next {
            self.compare_with(place);
        }
    }
}

//! Two tokens side by side: the selected one on the left, and another.

use super::field::turned;
use super::overlay::Overlay;
use super::{App, Effect};
use crate::auth::TokenEntry;

impl App {
    pub(super) fn start_diff(&mut self) -> Vec<Effect> {
        let selected = self.selected.and_then(|number| self.auth.place(number));
        match selected {
            None => self.complain("select a token to compare"),
            Some(_) if self.auth.tokens.len() < 2 => self.complain("there is no other token to compare it with"),
            Some(place) => {
                let other = turned(place, 1, self.auth.tokens.len());
                self.overlays.push(Overlay::Diff { with: self.auth.tokens[other].number, scroll: 0 });
            }
        }
        Vec::new()
    }

    /// Compares with the next other token.
    pub(super) fn turn_diff(&self, with: u64, by: isize) -> u64 {
        let others: Vec<&TokenEntry> =
            self.auth.tokens.iter().filter(|entry| Some(entry.number) != self.selected).collect();
        let at = others.iter().position(|entry| entry.number == with).unwrap_or(0);
        others.get(turned(at, by, others.len())).map_or(with, |entry| entry.number)
    }
}

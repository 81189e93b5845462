//! Display names of tokens.

use std::collections::HashSet;
use std::sync::Arc;

use super::App;
use crate::gate::TokenEntry;
use crate::text;

/// Names shared by several tokens of the list.
#[derive(Default)]
pub struct Namesakes {
    of: Arc<Vec<TokenEntry>>,
    names: HashSet<String>,
}

impl Namesakes {
    /// Updates the names if the list has changed, in time proportional to its length.
    pub(super) fn follow(&mut self, tokens: &Arc<Vec<TokenEntry>>) {
        if Arc::ptr_eq(&self.of, tokens) {
            return;
        }
        let mut seen = HashSet::with_capacity(tokens.len());
        let names = tokens.iter().filter_map(unlabelled);
        self.names = names.filter(|name| !seen.insert(*name)).map(str::to_owned).collect();
        self.of = Arc::clone(tokens);
    }
}

/// Returns the name of a token without a label; `None` for one with a label.
fn unlabelled(entry: &TokenEntry) -> Option<&str> {
    if entry.label.is_some() { None } else { entry.judged.name.as_deref() }
}

impl App {
    /// Returns the display name of a token, with its label in front; duplicate names are numbered. Safe to show.
    pub fn token_name(&self, entry: &TokenEntry) -> String {
        let name = match &entry.judged.name {
            Some(name) => text::name(name, 64),
            None => format!("{}-{}", entry.provenance.words().split(' ').next().unwrap_or_default(), entry.number),
        };
        match &entry.label {
            Some(label) => format!("{} · {name}", text::name(label, 64)),
            None if unlabelled(entry).is_some_and(|name| self.namesakes.names.contains(name)) => {
                format!("{name} #{}", entry.number)
            }
            None => name,
        }
    }
}

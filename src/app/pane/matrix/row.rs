//! One row of the matrix as of now: values shared by all of its cells are computed once.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Before, MARKED};
use crate::app::App;
use crate::auth::policy::ExpectedOutcome;
use crate::auth::{Evaluation, Verdict};
use crate::gate::TokenEntry;
use crate::text::Span;

/// A cell: how many of its row's tokens get which verdict. A row without tokens is a caller without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The verdict; if the tokens differ, the most permissive one.
    pub verdict: Verdict,
    /// How many of the row's tokens get it.
    pub with: usize,
    /// How many tokens the row has.
    pub of: usize,
    /// The policy's expectation for the row's tokens that pass, and whether all of them meet it.
    pub expected: Option<(ExpectedOutcome, bool)>,
    /// Whether it has changed within the last few seconds.
    pub flipped: bool,
}

/// A row: its tokens, of which those that pass are grouped by the permissions that they hold.
pub struct Row<'a> {
    app: &'a App,
    is_nobody: bool,
    of: usize,
    /// The time until a cell or a mark changes with the clock.
    pub holds: Option<Span>,
    alike: Vec<TokenClass<'a>>,
    /// Tokens that became valid or expired within the last few seconds.
    crossed: Vec<&'a TokenEntry>,
    /// Tokens whose evaluation changed with the last change of the rules, and their previous evaluations.
    rejudged: Vec<(&'a TokenEntry, &'a Evaluation)>,
}

/// Tokens that pass and for which the gate decides alike.
struct TokenClass<'a> {
    entry: &'a TokenEntry,
    held: &'a [String],
    tokens: usize,
}

impl App {
    /// Returns a row as of now.
    pub fn matrix_line(&self, row: usize) -> Row<'_> {
        let now = self.times.judged;
        let before = self.matrix.before.as_ref();
        // Expectations may apply to a user; otherwise only the permissions matter.
        let by_user = self.auth.rules.policy.expects_of_users();
        let mut line = Row {
            app: self,
            is_nobody: row == 0,
            of: 0,
            holds: None,
            alike: Vec::new(),
            crossed: Vec::new(),
            rejudged: Vec::new(),
        };
        let mut places = HashMap::new();
        for entry in self.matrix_tokens(row) {
            line.of += 1;
            let mark = self.mark(entry);
            if mark.is_some() {
                line.crossed.push(entry);
            }
            line.holds = line.holds.into_iter().chain(mark).chain(entry.judged.lifetime.next_border(now)).min();
            if let Some(known) = before.and_then(|before| before.judged(entry))
                && !Arc::ptr_eq(known, &entry.judged)
            {
                line.rejudged.push((entry, known));
            }
            let Some(held) = entry.judged.held(now) else { continue };
            let name = if by_user { entry.judged.name.as_deref() } else { None };
            let place = *places.entry((name, held)).or_insert(line.alike.len());
            match line.alike.get_mut(place) {
                Some(alike) => alike.tokens += 1,
                None => line.alike.push(TokenClass { entry, held, tokens: 1 }),
            }
        }
        line
    }

    /// Returns a cell as of now.
    pub fn cell(&self, row: usize, tool: &str) -> Cell {
        self.matrix_line(row).cell(tool)
    }

    /// Returns how much longer cells are highlighted because the clock crossed a boundary of the token's validity.
    fn mark(&self, entry: &TokenEntry) -> Option<Span> {
        let then = self.times.judged.plus(-MARKED);
        let crossed = entry.judged.lifetime.next_border(then).filter(|left| *left <= MARKED);
        // A boundary crossed before the token was added is not highlighted.
        crossed.filter(|left| entry.added < then.plus(*left))
    }
}

impl Row<'_> {
    /// Returns its cell in a tool's column.
    pub fn cell(&self, tool: &str) -> Cell {
        let (rules, now) = (&self.app.auth.rules, self.app.times.judged);
        let (mut allowed, mut forbidden, mut expected) = (0, 0, None);
        for alike in &self.alike {
            let verdict = rules.verdict(Some(&alike.entry.judged), tool, now);
            match verdict {
                Verdict::Allowed => allowed += alike.tokens,
                Verdict::Forbidden => forbidden += alike.tokens,
                Verdict::Unauthorized => {}
            }
            // If several tokens differ, one that deviates from the expectation is shown.
            if expected.is_none_or(|(_, is_so)| is_so) {
                let line = rules.policy.expected(alike.entry.judged.name.as_deref(), alike.held, tool);
                let line = line.map(|line| (line.outcome, line.outcome.is(verdict)));
                expected = line.filter(|(_, is_so)| expected.is_none() || !is_so).or(expected);
            }
        }
        let (verdict, with) = match (allowed, forbidden) {
            (0, 0) => (Verdict::Unauthorized, self.of),
            (0, forbidden) => (Verdict::Forbidden, forbidden),
            (allowed, _) => (Verdict::Allowed, allowed),
        };
        Cell {
            verdict,
            with,
            of: self.of,
            expected,
            flipped: self.flipped_by_time(tool) || self.flipped_by_rules(tool),
        }
    }

    fn flipped_by_time(&self, tool: &str) -> bool {
        let (rules, now) = (&self.app.auth.rules, self.app.times.judged);
        self.crossed.iter().any(|entry| {
            let verdict = |at| rules.verdict(Some(&entry.judged), tool, at);
            verdict(now.plus(-MARKED)) != verdict(now)
        })
    }

    fn flipped_by_rules(&self, tool: &str) -> bool {
        let Some(before) = &self.app.matrix.before else { return false };
        let (rules, now) = (&self.app.auth.rules, self.app.times.judged);
        let differs = |then: Option<&Evaluation>, judged: Option<&Evaluation>| {
            before.rules.verdict(then, tool, now) != rules.verdict(judged, tool, now)
        };
        (self.is_nobody && differs(None, None))
            || self.rejudged.iter().any(|(entry, then)| differs(Some(then), Some(&entry.judged)))
            // Tokens with an unchanged evaluation that do not pass did not pass before either. Of those that pass, one
            // represents its class.
            || self.alike.iter().any(|alike| {
                before.judged(alike.entry).is_some() && differs(Some(&alike.entry.judged), Some(&alike.entry.judged))
            })
    }
}

impl Before {
    /// Returns the token's evaluation before the change of rules, if it was in the list.
    fn judged(&self, entry: &TokenEntry) -> Option<&Arc<Evaluation>> {
        let place = self.tokens.binary_search_by_key(&entry.number, |known| known.number).ok()?;
        self.tokens.get(place).map(|known| &known.judged)
    }
}

//! The Matrix pane: callers × tools. Its cursor is the selected token and the tool of the Call pane, so a cell, the
//! preview and the next call always refer to the same call.

mod row;
mod seen;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub use row::{Cell, Row};

use super::{Control, Field, Move, Pane, Place, Spot, call};
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::focus::Focus;
use crate::app::list::{moved, next_of};
use crate::app::{App, Effect};
use crate::auth::Rules;
use crate::auth::policy::{CallerSelector, Expectation, ExpectedOutcome};
use crate::gate::{Snapshot, TokenEntry};
use crate::text;
use crate::text::Span;

/// The cells: a row is a caller, a column is a tool.
pub const CELLS: Field = Field::new(Pane::Matrix, 0);

pub(super) static PLACE: Place = Place {
    title: "Matrix",
    letter: 'm',
    help: "Who may call what right now: callers down the side, tools across the top. ✔ allowed, ✘ forbidden, – unauthorized; = as the policy expects, ≠ not as it expects; ▸ ◂ just changed, [ ] the cursor. In a row of several tokens, a cell shows how many. With another server selected in Targets, a cell has two marks: what the policy here predicts, and what the server did with a real call; ✔ allowed, ✘ forbidden, – unauthorized, ? unknown (not in the policy here, or the answer says nothing about access), h hidden from this token, m masked as if it did not exist, · not called, ≠ they differ.",
    controls: &[Control::new(CELLS, "cells")
        .tick(|_| Some("expect"), App::expect_cell)
        .turn(|_| Some("tool"), App::choose_matrix_column)
        .row(|_| Some("caller"), step)
        .click(click)],
    note: |app, _| {
        let tools = app.matrix_tools().len();
        let size = format!("{} · {} × {tools}{}", app.matrix.rows.word(), app.matrix_rows(), app.listed_words());
        match (app.target_name(), app.differences()) {
            (None, _) => size,
            (Some(name), 0) => format!("→ {name} · {size}"),
            (Some(name), 1) => format!("→ {name} · 1 differs · {size}"),
            (Some(name), n) => format!("→ {name} · {n} differ · {size}"),
        }
    },
    act: Some(call::CALL),
    page: Some(Move { hint: |_| None, by: |app, by| step(app, app.drawn.page(CELLS, by)) }),
    wheel: Some(step),
    offers: &[(Action::Everyone, |_| Some("call all")), (Action::Group, |_| Some("group"))],
    copy: ClipSource::LAST_ANSWER,
    why: ClipSource { hint: |_| Some("copy preview's why"), ..ClipSource::PREVIEWS_WHY },
    ..Place::DEFAULT
};

fn step(app: &mut App, by: isize) {
    app.choose_matrix_row(moved(app.matrix_row(), by, app.matrix_rows()));
}

/// A second click on a cell makes its call.
fn click(app: &mut App, spot: Spot) -> Vec<Effect> {
    let here = app.focus.field == Some(CELLS);
    let again = here && (app.matrix_row(), app.matrix_column()) == (spot.row, Some(spot.column));
    app.go(Focus::at(CELLS));
    app.choose_matrix_row(spot.row);
    app.choose_matrix_place(spot.column);
    if again { app.act(Action::Act) } else { Vec::new() }
}

/// How long a flipped cell stays highlighted.
pub const MARKED: Span = Span::seconds(3);

/// The state of the Matrix pane.
#[derive(Default)]
pub struct Matrix {
    /// How rows are grouped.
    pub rows: Rows,
    groups: Vec<Group>,
    /// The index of each token's group.
    group_of: Vec<usize>,
    before: Option<Before>,
}

/// How rows are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words below say it")]
pub enum Rows {
    #[default]
    Tokens,
    Permissions,
    Users,
}

impl Rows {
    const ALL: [Self; 3] = [Self::Tokens, Self::Permissions, Self::Users];

    /// Returns the word shown for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tokens => "by token",
            Self::Permissions => "by permissions",
            Self::Users => "by user",
        }
    }
}

/// Tokens that share a row.
struct Group {
    name: String,
    /// Their indices in the token list.
    tokens: Vec<usize>,
}

/// The property that the tokens of a row share.
#[derive(PartialEq, Eq, Hash)]
enum Shared<'t> {
    User(Option<&'t str>),
    Permissions(BTreeSet<&'t str>),
}

impl Shared<'_> {
    /// Returns the row's name; safe to show.
    fn name(&self) -> String {
        match self {
            Self::User(Some(name)) => text::name(name, 64),
            Self::User(None) => "(no name)".to_owned(),
            Self::Permissions(held) if held.is_empty() => "no permission".to_owned(),
            Self::Permissions(held) => text::names(held.iter(), 64, 8, ", "),
        }
    }
}

/// The rules and tokens before the last change of the rules, and when the highlight of changed cells ends.
struct Before {
    rules: Arc<Rules>,
    tokens: Arc<Vec<TokenEntry>>,
    until: Duration,
}

impl Matrix {
    /// Returns when the highlight of cells flipped by a change of rules ends, on the monotonic clock.
    pub fn marked_until(&self) -> Option<Duration> {
        self.before.as_ref().map(|before| before.until)
    }

    pub(in crate::app) fn forget(&mut self, mono: Duration) {
        self.before.take_if(|before| before.until <= mono);
    }

    /// Follows the shared state: groups the rows again, and stores the state before a change of rules while cells are
    /// highlighted.
    pub(in crate::app) fn follow(&mut self, auth: &mut Snapshot, mono: Duration) {
        if let Some((rules, tokens)) = auth.before.take() {
            let until = mono + MARKED.as_duration();
            self.before = Some(Before { rules, tokens, until });
        }
        self.group(&auth.tokens);
    }

    fn group(&mut self, tokens: &[TokenEntry]) {
        self.groups.clear();
        self.group_of.clear();
        // Grouped by value, not by display text: different names may look alike.
        let mut known: HashMap<Shared<'_>, usize> = HashMap::new();
        for (place, entry) in tokens.iter().enumerate() {
            let shared = match self.rows {
                Rows::Tokens => return,
                Rows::Users => Shared::User(entry.judged.name.as_deref()),
                Rows::Permissions => Shared::Permissions(entry.judged.permissions.iter().map(String::as_str).collect()),
            };
            let groups = &mut self.groups;
            let group = *known.entry(shared).or_insert_with_key(|shared| {
                groups.push(Group { name: shared.name(), tokens: Vec::new() });
                groups.len() - 1
            });
            groups[group].tokens.push(place);
            self.group_of.push(group);
        }
    }
}

impl App {
    /// Returns how many of the tools the selected target lists for the selected token, for the title.
    fn listed_words(&self) -> String {
        let listed = self.target().and_then(|target| {
            let token = self.selected().filter(|_| target.facts.takes_token);
            let count = target.observed.count_listed(token.map(|entry| entry.id))?;
            Some((count, token.map_or_else(|| text::NO_TOKEN.to_owned(), |entry| self.token_name(entry))))
        });
        listed.map_or_else(String::new, |(count, name)| format!(" · {count} listed for {}", text::fit(&name, 16)))
    }

    /// Returns how many rows the matrix has, including `(no token)`.
    pub fn matrix_rows(&self) -> usize {
        1 + match self.matrix.rows {
            Rows::Tokens => self.auth.tokens.len(),
            _ => self.matrix.groups.len(),
        }
    }

    /// Returns the row of the selected token.
    pub fn matrix_row(&self) -> usize {
        let row = self.selected_row();
        match (self.matrix.rows, row.checked_sub(1)) {
            (Rows::Tokens, _) | (_, None) => row,
            (_, Some(place)) => self.matrix.group_of.get(place).map_or(0, |group| group + 1),
        }
    }

    /// Returns the name of a row; safe to show.
    pub fn matrix_name(&self, row: usize) -> String {
        match (row.checked_sub(1), self.matrix.rows) {
            (None, _) => text::NO_TOKEN.to_owned(),
            (Some(place), Rows::Tokens) => self.auth.tokens.get(place).map(|e| self.token_name(e)).unwrap_or_default(),
            (Some(group), _) => self.matrix.groups.get(group).map(|group| group.name.clone()).unwrap_or_default(),
        }
    }

    /// Returns the tokens of a row.
    pub fn matrix_tokens(&self, row: usize) -> impl Iterator<Item = &TokenEntry> {
        let (group, alone): (&[usize], Option<usize>) = match (row.checked_sub(1), self.matrix.rows) {
            (None, _) => (&[], None),
            (Some(place), Rows::Tokens) => (&[], Some(place)),
            (Some(group), _) => (self.matrix.groups.get(group).map_or(&[], |group| &*group.tokens), None),
        };
        group.iter().copied().chain(alone).filter_map(|place| self.auth.tokens.get(place))
    }

    /// Returns the column of the tool in the Call pane, if the policy has that tool.
    pub fn column(&self) -> Option<usize> {
        self.auth.rules.policy.tools().iter().position(|tool| tool.name == self.call.tool)
    }

    pub(in crate::app) fn choose_matrix_column(&mut self, by: isize) {
        let place = self.matrix_column().map_or(0, |at| moved(at, by, self.matrix_tools().len()));
        self.choose_matrix_place(place);
    }

    fn choose_matrix_place(&mut self, column: usize) {
        if let Some(tool) = self.matrix_tools().get(column) {
            self.choose_tool(tool);
        }
    }

    pub(in crate::app) fn choose_column(&mut self, by: isize) {
        let place = self.column().map_or(0, |at| moved(at, by, self.auth.rules.policy.tools().len()));
        self.choose_place(place);
    }

    pub(in crate::app) fn choose_place(&mut self, column: usize) {
        if let Some(tool) = self.auth.rules.policy.tools().get(column).map(|tool| Arc::clone(&tool.name)) {
            self.choose_tool(&tool);
        }
    }

    /// Selects a row: its token, or the first token of its group.
    pub(in crate::app) fn choose_matrix_row(&mut self, row: usize) {
        let number = self.matrix_tokens(row).next().map(|entry| entry.number);
        if row != self.matrix_row() {
            self.choose_token(number.and_then(|number| self.auth.place(number)).map_or(0, |place| place + 1));
        }
    }

    pub(in crate::app) fn group_rows(&mut self) {
        self.matrix.rows = next_of(&Rows::ALL, &self.matrix.rows, 1);
        self.matrix.group(&self.auth.tokens);
        self.say(format!("matrix grouped {}", self.matrix.rows.word()));
    }

    /// Cycles the expectation of the cell under the cursor: none, allowed, forbidden.
    fn expect_cell(&mut self) -> Vec<Effect> {
        let Some(entry) = self.selected() else {
            self.complain("cannot set an expectation for a caller without a token: it is always unauthorized");
            return Vec::new();
        };
        let Some(column) = self.column() else {
            self.complain(format!("{} is not in the policy; add it there first", text::name(&self.call.tool, 64)));
            return Vec::new();
        };
        let Some(held) = entry.judged.held(self.times.judged) else {
            let word = entry.judged.status(self.times.judged).word();
            self.complain(format!("cannot set an expectation for a token that fails the checks: this one is {word}"));
            return Vec::new();
        };
        let policy = &self.auth.rules.policy;
        let Some(tool) = policy.tools().get(column) else { return Vec::new() };
        let user = entry.judged.name.clone().unwrap_or_default();
        let mut parts = policy.parts().clone();
        let place = parts
            .expectations
            .iter()
            .position(|line| line.tool == tool.name && line.who.is(entry.judged.name.as_deref(), held));
        let said;
        match place.map(|place| (place, parts.expectations[place].outcome)) {
            None => {
                let who = match self.matrix.rows {
                    Rows::Users => CallerSelector::User(user.into()),
                    _ => CallerSelector::Permissions(held.iter().map(|p| p.as_str().into()).collect()),
                };
                let line = Expectation { who, tool: Arc::clone(&tool.name), outcome: ExpectedOutcome::Allowed };
                said = line.to_string();
                parts.expectations.push(line);
            }
            Some((place, ExpectedOutcome::Allowed)) => {
                parts.expectations[place].outcome = ExpectedOutcome::Forbidden;
                said = parts.expectations[place].to_string();
            }
            Some((place, ExpectedOutcome::Forbidden)) => {
                let line = parts.expectations.remove(place);
                said = format!("expectation for {} and {} removed", line.who, text::name(&line.tool, 48));
            }
        }
        self.say(said);
        self.change_policy(CELLS, parts)
    }
}

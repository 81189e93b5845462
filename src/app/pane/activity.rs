//! The Activity pane: calls that were made, and requests that the server refused.

use std::sync::Arc;

use super::{Act, Control, Field, Move, Pane, Place, Spot, call};
use crate::app::action::Action;
use crate::app::clipboard::{Clip, ClipSource, EXPLANATION};
use crate::app::focus::Focus;
use crate::app::history::Step;
use crate::app::list::moved;
use crate::app::overlay::Overlay;
use crate::app::{App, Effect};
use crate::gate::Record;
use crate::gate::activity::explain_record;
use crate::text::{self, words};

/// The list of calls.
pub const LIST: Field = Field::new(Pane::Activity, 0);

pub(super) static PLACE: Place = Place {
    title: "Activity",
    letter: 'a',
    help: "Calls that were made and requests that the server refused, newest first. Enter opens one; Enter again loads a call back into Call. Space revokes its token.",
    controls: &[Control::new(LIST, "calls")
        .tick(
            |app| app.revoke_hint(app.activity_row()?.token_id),
            |app| app.revoke_by_id(app.activity_row().and_then(|row| row.token_id)),
        )
        .row(|_| Some("rows"), step)
        .click(click)],
    note: |app, _| app.auth.activity.len().to_string(),
    act: Some(Act { hint: |app| app.activity_row().map(|_| "open"), run: open }),
    page: Some(Move { hint: |_| None, by: |app, by| step(app, app.drawn.page(LIST, by)) }),
    wheel: Some(step),
    offers: &[(Action::Evidence, |_| Some("copy evidence"))],
    copy: ClipSource {
        hint: |app| app.activity_row().map(|_| "copy answer"),
        clip: |app| app.activity_row().map(|record| Clip::new(&record.answer, "the answer")),
    },
    why: ClipSource {
        hint: |app| app.activity_row().map(|_| "copy why"),
        clip: |app| app.activity_row().map(|record| Clip::new(&explain_record(record, None), EXPLANATION)),
    },
    ..Place::DEFAULT
};

/// The state of the Activity pane.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivityPane {
    /// The number of the selected call; `None` follows the newest.
    pub selected: Option<u64>,
}

impl App {
    /// Returns a row of the log by its number, if it is still in the log.
    pub fn record(&self, seq: u64) -> Option<&Arc<Record>> {
        self.auth.activity.nth_newest(self.auth.activity.place(seq)?)
    }

    /// Returns the selected row.
    pub fn activity_row(&self) -> Option<&Arc<Record>> {
        self.auth.activity.nth_newest(self.activity_place())
    }

    /// Returns the index of the selected row, counted from the newest.
    pub fn activity_place(&self) -> usize {
        let oldest = self.auth.activity.len().saturating_sub(1);
        self.activity.selected.map_or(0, |seq| self.auth.activity.place(seq).unwrap_or(oldest))
    }

    /// Loads a call from the log into the form, with its token if that is still in the list.
    pub(in crate::app) fn load(&mut self, seq: u64) {
        let Some(record) = self.record(seq).cloned() else { return };
        if !record.is_call {
            return self.complain("this request called no tool, so it cannot be loaded");
        }
        self.history.push(Step::Loaded(call::TOOL, Box::new(self.call.clone()), self.selected, self.targets.selected));
        let gone = self.select_target_of(&record);
        self.choose_tool(&Arc::from(&*record.tool));
        self.call.arguments.set(&record.arguments);
        self.call.touched = true;
        let known = self.auth.tokens.iter().find(|entry| Some(entry.id) == record.token_id).map(|entry| entry.number);
        match (known, record.token_id) {
            (Some(_), _) | (None, None) => self.selected = known,
            (None, Some(id)) => {
                self.complain(format!("its token {id} is no longer in the list; a different token is selected"));
            }
        }
        if record.arguments.cut() > 0 {
            self.complain(format!(
                "the log truncated the arguments; the last {} are missing",
                words::bytes(record.arguments.cut())
            ));
        }
        if let Some(gone) = gone {
            self.complain(gone);
        }
        self.refresh();
        self.go(Focus::at(call::TOOL));
    }

    /// Selects the target that a call went to, or our own gate. Returns a sentence if that target is gone.
    fn select_target_of(&mut self, record: &Record) -> Option<String> {
        let number = record.answered.foreign().map(|answer| answer.number);
        if number.is_some_and(|number| self.targets.find(number).is_none()) {
            let name = record.answered.foreign().map(|answer| text::name(&answer.target, 32)).unwrap_or_default();
            let now = self.target_name().unwrap_or_else(|| "our own gate".to_owned());
            return Some(format!("{name} is no longer in Targets; this call would go to {now}"));
        }
        if self.targets.selected != number {
            self.select_target(number);
            let now = self.target_name().unwrap_or_else(|| "our own gate".to_owned());
            self.say(format!("calls go to {now}, like the one that was loaded"));
        }
        None
    }
}

fn step(app: &mut App, by: isize) {
    choose(app, moved(app.activity_place(), by, app.auth.activity.len()));
}

/// Selects the row at an index. At the top, the selection follows the newest row.
fn choose(app: &mut App, place: usize) {
    let chosen = if place > 0 { app.auth.activity.nth_newest(place) } else { None };
    app.activity.selected = chosen.map(|record| record.seq);
}

fn open(app: &mut App) -> Vec<Effect> {
    if let Some(seq) = app.activity_row().map(|record| record.seq) {
        app.overlays.push(Overlay::Detail { seq, scroll: 0 });
    }
    Vec::new()
}

/// A second click on a call opens it.
fn click(app: &mut App, spot: Spot) -> Vec<Effect> {
    let again = app.focus.pane == Pane::Activity && app.activity_place() == spot.row;
    app.go(Focus::at(LIST));
    choose(app, spot.row);
    if again { app.act(Action::Act) } else { Vec::new() }
}

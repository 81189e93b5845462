//! The Call pane's form, and the result of the last call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::answer::Document;
use super::schema_form::{FormRow, SchemaForm};
use crate::app::field::{Lines, TextField};
use crate::auth::policy::Schema;
use crate::auth::{Outcome, Policy};
use crate::gate::ports::Catalogue;
use crate::gate::{CallResult, Record};
use crate::observe::Progress;
use crate::text::json_edit::Step;

/// The Call pane's form. It may hold a token, so it has no `Debug`.
#[derive(Clone)]
pub struct CallForm {
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text. The rows of `fields` are views of it.
    pub arguments: TextField,
    /// Whether the user changed the arguments; until then they follow the tool's example.
    pub touched: bool,
    /// Whether the preview shows a row for every check instead of one sign each.
    pub opens_trace: bool,
    /// The arguments, one row each.
    pub fields: SchemaForm,
    /// The row under the cursor.
    pub row: usize,
    /// The edit of that row.
    pub edit: RowEdit,
    /// The arguments that were typed for other tools.
    drafts: HashMap<Arc<str>, TextField>,
    /// The arguments that the form had when the tool was chosen.
    on_arrival: String,
    /// The source of `fields`; `None` before the first.
    read: Option<Source>,
}

/// The edit of a row.
#[derive(Clone)]
pub struct RowEdit {
    /// Whether the row's text is being edited.
    pub is_open: bool,
    /// The text, while it is edited.
    pub text: TextField,
    /// Whether the next row that is a text is edited as soon as the cursor reaches it: from the first edit until the cursor
    /// leaves the form, or Esc.
    pub(super) goes_on: bool,
}

/// A schema that is compiled when arguments are typed. Compiling the first one takes a millisecond, a fifth of the time
/// until the first frame.
#[derive(Clone)]
enum Compiled {
    NotYet,
    /// `None` if it is not a valid schema.
    Done(Option<Schema>),
}

impl Compiled {
    const fn schema(&self) -> Option<&Schema> {
        match self {
            Self::Done(schema) => schema.as_ref(),
            Self::NotYet => None,
        }
    }
}

/// The source of the rows.
#[derive(Clone)]
struct Source {
    policy: Arc<Policy>,
    tools: Catalogue,
    tool: Arc<str>,
    /// The schema of the tool's arguments.
    compiled: Compiled,
    /// The arguments that the rows were read from.
    arguments: String,
}

impl CallForm {
    /// Creates an empty form.
    pub(in crate::app) fn new() -> Self {
        Self {
            tool: "".into(),
            arguments: TextField::new("", Lines::Many),
            touched: false,
            opens_trace: false,
            fields: SchemaForm::default(),
            row: 0,
            edit: RowEdit { is_open: false, text: TextField::new("", Lines::One), goes_on: false },
            drafts: HashMap::new(),
            on_arrival: String::new(),
            read: None,
        }
    }

    /// The row under the cursor, if there is one.
    pub fn current(&self) -> Option<&FormRow> {
        self.fields.rows.get(self.row)
    }

    /// Reads the rows again if the tool, its schema or the arguments have changed. The cursor stays on its argument.
    pub(in crate::app) fn follow(&mut self, policy: &Arc<Policy>, tools: &Catalogue) {
        let same =
            |read: &&Source| Arc::ptr_eq(&read.policy, policy) && read.tools.is_same(tools) && read.tool == self.tool;
        let known = self.read.as_ref().filter(same);
        if known.is_some_and(|read| read.arguments == self.arguments.text()) {
            return;
        }
        let schema = tools.schema(policy, &self.tool);
        let compiled = match known.map(|read| &read.compiled) {
            Some(compiled @ Compiled::Done(_)) => compiled.clone(),
            _ if self.touched => Compiled::Done(schema.and_then(compile)),
            _ => Compiled::NotYet,
        };
        let at: Option<Vec<Step>> = self.current().map(|row| row.path.clone());
        self.fields = SchemaForm::new(schema, compiled.schema(), self.arguments.text());
        let same = at.as_ref().and_then(|at| self.fields.find(at));
        self.row = same.unwrap_or(self.row).min(self.fields.rows.len().saturating_sub(1));
        // An edit ends if its row is gone; if something else changed the value, the edit goes on with that.
        match self.fields.rows.get(self.row).filter(|_| same.is_some()) {
            Some(row) if self.edit.is_open => {
                let typed = row.typed(self.arguments.text());
                if row.with_typed(self.arguments.text(), self.edit.text.text()).as_deref()
                    != Some(self.arguments.text())
                    && !(row.at.is_none() && self.edit.text.is_empty())
                {
                    self.edit.text.set(&typed);
                }
            }
            _ => self.edit.is_open = false,
        }
        self.read = Some(Source {
            policy: Arc::clone(policy),
            tools: tools.clone(),
            tool: Arc::clone(&self.tool),
            compiled,
            arguments: self.arguments.text().to_owned(),
        });
    }

    /// Begins to edit the row under the cursor, if it is a text.
    pub(super) fn edit_row(&mut self) {
        let Some(row) = self.fields.rows.get(self.row).filter(|row| row.is_text()) else {
            self.edit.is_open = false;
            return;
        };
        let lines = if row.has_lines() { Lines::Many } else { Lines::One };
        self.edit.text = TextField::new(&row.typed(self.arguments.text()), lines);
        self.edit.text.replaced_by_typing = !row.has_lines() && !self.edit.text.is_empty();
        (self.edit.is_open, self.edit.goes_on) = (true, true);
    }

    /// Ends the edit of a row. Returns whether one was edited.
    pub(in crate::app) fn stop_editing(&mut self) -> bool {
        self.edit.goes_on = false;
        std::mem::take(&mut self.edit.is_open)
    }

    /// Begins a call of another tool with these arguments. Those that were typed for the present one are stored.
    pub(super) fn change_tool(&mut self, tool: &Arc<str>, arguments: &str) {
        if !self.touched {
            self.drafts.remove(&self.tool);
        } else if self.arguments.text() != self.on_arrival {
            // Arguments that only came along from another tool are stored there.
            self.drafts.insert(Arc::clone(&self.tool), self.arguments.clone());
        }
        self.tool = Arc::clone(tool);
        arguments.clone_into(&mut self.on_arrival);
        self.stop_editing();
        self.row = 0;
    }

    /// Returns the arguments that were typed for a tool before, if any.
    pub(super) fn draft(&self, tool: &str) -> Option<&TextField> {
        self.drafts.get(tool)
    }
}

/// Compiles a schema. A foreign one may be invalid; then the values are not checked against it.
pub(super) fn compile(schema: &Value) -> Option<Schema> {
    Schema::new(schema.clone()).ok()
}

/// The last call made from the console. It may hold a token, so it has no `Debug`.
#[derive(Clone)]
pub struct LastCall {
    /// The token it was made with.
    pub token: Option<Arc<str>>,
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: String,
    /// The number of the foreign target it was made to; `None` is our own gate.
    pub target: Option<u64>,
    /// The result, once it has arrived.
    pub called: Option<Answered>,
    /// The beginning of the answer, in lines.
    pub beginning: Document,
}

impl LastCall {
    /// Returns the same call, to be made again.
    pub(in crate::app) fn again(&self) -> Self {
        Self {
            token: self.token.clone(),
            tool: Arc::clone(&self.tool),
            arguments: self.arguments.clone(),
            target: self.target,
            called: None,
            beginning: Document::default(),
        }
    }
}

/// The answer to a call: of our own gate, or of a foreign server.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The outcome. That of a foreign server is `Done` with the answer as it was received.
    pub outcome: Outcome,
    /// The row in the log.
    pub record: Arc<Record>,
}

impl Answered {
    /// The answer as the caller got it.
    pub fn json(&self) -> Value {
        match (&self.outcome, self.record.answered.foreign()) {
            (Outcome::Done(answer), Some(_)) => answer.clone(),
            (outcome, _) => outcome.answer(),
        }
    }
}

impl From<CallResult> for Answered {
    fn from(called: CallResult) -> Self {
        Self { outcome: called.outcome, record: called.record }
    }
}

/// A call whose answer is pending.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// Its ID.
    pub id: u64,
    /// When it was made, on the monotonic clock.
    pub since: Duration,
    /// Whether it was made to a foreign server, so that it can be cancelled.
    pub is_foreign: bool,
    /// The progress that the server reported last.
    pub progress: Option<Progress>,
}

/// Calls that wait for a confirmation.
pub enum PendingCall {
    /// One call.
    One(Box<LastCall>),
    /// The call of the form, with every token and without one.
    Everyone,
}

impl fmt::Debug for PendingCall {
    /// Writes nothing about the call, because it may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One(..)",
            Self::Everyone => "Everyone",
        })
    }
}

//! The log of real calls. It holds no token, only token ids, and it is bounded in rows and in bytes.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::date::NumericDate;
use crate::auth::explain::{Explanation, explain_decision};
use crate::auth::token::{Fault, TokenId};
use crate::auth::{Decision, Reason};
use crate::text;

/// The most rows kept; the oldest go first.
pub const MAX_ROWS: usize = 100_000;
/// The most memory the rows may take together, in bytes, roughly.
pub const MAX_BYTES: usize = 64 << 20;
/// Arguments and answers are cut to this length, in bytes.
pub const MAX_TEXT: usize = 4096;

/// Who made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The console's Call pane.
    Console,
    /// The library's front door.
    Library,
    /// The command line.
    Command,
    /// A drill.
    Drill,
    /// Test tokens.
    Kit,
    /// A client of the server.
    Client,
}

impl Origin {
    /// The word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Library => "library",
            Self::Command => "command line",
            Self::Drill => "drill",
            Self::Kit => "test kit",
            Self::Client => "client",
        }
    }
}

/// One real call.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number, counted from 1 by [`Activity::push`]; never used twice.
    pub seq: u64,
    /// When it was made.
    pub at: NumericDate,
    /// The instant it was judged for.
    pub judged_at: NumericDate,
    /// Who made it.
    pub origin: Origin,
    /// What the client of the server is called; safe to show.
    pub client: Option<Box<str>>,
    /// The token it came with.
    pub token_id: Option<TokenId>,
    /// The tool asked for, as spelled by the caller.
    pub tool: Kept,
    /// The arguments as JSON text.
    pub arguments: Kept,
    /// The answer as JSON text.
    pub answer: Kept,
    /// What went wrong after the gate said yes.
    pub trouble: Option<Box<str>>,
    /// What the gate said.
    pub decision: Decision,
    /// From question to answer.
    pub took: Duration,
}

impl Record {
    /// Who made it, in words; safe to show.
    pub fn from(&self) -> String {
        match &self.client {
            Some(client) => format!("{} {client}", self.origin.word()),
            None => self.origin.word().to_owned(),
        }
    }

    fn weight(&self) -> usize {
        let texts = [&self.tool, &self.arguments, &self.answer].map(|text| text.len()).into_iter().sum::<usize>()
            + self.trouble.as_ref().map_or(0, |t| t.len());
        let subject = self.decision.subject.as_ref().map_or(0, |s| s.len());
        size_of::<Self>() + texts + subject + self.decision.reason().map_or(0, weight_of)
    }
}

/// What a reason took from a token or from a caller, who may have sent megabytes for a tool's name.
fn weight_of(reason: &Reason) -> usize {
    let list = |items: &[String]| items.iter().map(|item| size_of::<String>() + item.capacity()).sum();
    match reason {
        Reason::UnknownTool { tool: text } | Reason::Revoked { jti: Some(text), .. } => text.len(),
        Reason::PermissionMissing { held, tool, .. } => tool.len() + list(held),
        Reason::AudienceMismatch { found, .. } => list(found),
        Reason::UnknownIssuer { found: Some(text), .. }
        | Reason::AlgorithmRefused { found: Some(text), .. }
        | Reason::UnknownKey { kid: text }
        | Reason::IssuerMismatch { found: Some(text), .. }
        | Reason::Malformed(Fault::Duplicate { name: text, .. }) => text.len(),
        Reason::ClaimInvalid { found: text, .. } => text.len(),
        Reason::MissingToken
        | Reason::TooLarge { .. }
        | Reason::Malformed(_)
        | Reason::UnknownIssuer { found: None, .. }
        | Reason::AlgorithmRefused { found: None, .. }
        | Reason::HeaderRefused { .. }
        | Reason::HeaderInvalid { .. }
        | Reason::BadSignature
        | Reason::ClaimMissing { .. }
        | Reason::NotYetValid { .. }
        | Reason::Expired { .. }
        | Reason::IssuerMismatch { found: None, .. }
        | Reason::Revoked { jti: None, .. } => 0,
    }
}

/// Explains the answer to a call.
pub fn explain_record(record: &Record) -> Explanation {
    let when = match record.judged_at == record.at {
        true => String::new(),
        false => format!(", judged for {}, which was not the real time", record.judged_at.rfc3339()),
    };
    let (at, origin) = (record.at.rfc3339(), record.from());
    let when = format!("called at {at} from the {origin}{when}, took {}", text::words::took(record.took));
    let mut out = explain_decision(&record.decision, record.token_id, &record.tool, &when);
    if let Some(trouble) = &record.trouble {
        out.finding(trouble);
    }
    out.note(format!("answer: {}", text::display_safe(&record.answer.to_string(), 8192)));
    out
}

/// A text as a record keeps it: cut to [`MAX_TEXT`], with its whole length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    head: Box<str>,
    /// Bytes that were cut off.
    cut: usize,
}

impl Kept {
    /// Keeps the beginning of a text.
    pub fn new(text: &str) -> Self {
        let head = text::head(text, MAX_TEXT);
        Self { head: head.into(), cut: text.len() - head.len() }
    }

    /// Bytes that were cut off; 0 where the text is whole.
    pub fn cut(&self) -> usize {
        self.cut
    }
}

/// What was kept.
impl Deref for Kept {
    type Target = str;
    fn deref(&self) -> &str {
        &self.head
    }
}

/// What was kept, and how much more there was.
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut {
            0 => f.write_str(&self.head),
            cut => write!(f, "{}… (+{cut} bytes)", self.head),
        }
    }
}

/// The rows, oldest first.
#[derive(Clone, Debug)]
pub struct Activity {
    rows: VecDeque<Arc<Record>>,
    bytes: usize,
    last: u64,
    /// The most rows kept.
    most: usize,
}

impl Default for Activity {
    fn default() -> Self {
        Self { rows: VecDeque::new(), bytes: 0, last: 0, most: MAX_ROWS }
    }
}

impl Activity {
    /// Logs a call; the oldest rows make room.
    pub fn push(&mut self, mut record: Record) -> Arc<Record> {
        record.seq = self.last + 1;
        let record = Arc::new(record);
        self.append(Arc::clone(&record));
        while self.rows.len() > self.most || (self.bytes > MAX_BYTES && self.rows.len() > 1) {
            self.drop_oldest();
        }
        record
    }

    /// Keeps at most so many rows from now on.
    pub(super) fn keep(&mut self, most: usize) {
        self.most = most.min(MAX_ROWS);
    }

    /// Brings a copy up to date, at the cost of what is new.
    pub(super) fn follow(&mut self, original: &Self) {
        let new = usize::try_from(original.last - self.last).unwrap_or(usize::MAX).min(original.rows.len());
        for record in original.rows.range(original.rows.len() - new..) {
            self.append(Arc::clone(record));
        }
        while self.rows.len() > original.rows.len() {
            self.drop_oldest();
        }
    }

    fn append(&mut self, record: Arc<Record>) {
        self.last = record.seq;
        self.bytes += record.weight();
        self.rows.push_back(record);
    }

    fn drop_oldest(&mut self) {
        if let Some(gone) = self.rows.pop_front() {
            self.bytes -= gone.weight();
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no call was made yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, newest first.
    pub fn newest(&self) -> impl DoubleEndedIterator<Item = &Arc<Record>> + ExactSizeIterator {
        self.rows.iter().rev()
    }

    /// The row at a place counted from the newest, which is 0.
    pub fn nth_newest(&self, n: usize) -> Option<&Arc<Record>> {
        self.rows.len().checked_sub(n + 1).and_then(|i| self.rows.get(i))
    }

    /// The place of a row, counted from the newest: numbers have no gaps. A row that is gone has none.
    pub fn place(&self, seq: u64) -> Option<usize> {
        let place = usize::try_from(self.last.checked_sub(seq)?).ok()?;
        (place < self.rows.len()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Grant;

    fn record(reason: Option<Reason>) -> Record {
        let now = NumericDate::from_seconds(0);
        Record {
            seq: 0,
            at: now,
            judged_at: now,
            origin: Origin::Library,
            client: None,
            token_id: None,
            tool: Kept::new("read_data"),
            arguments: Kept::new("{}"),
            answer: Kept::new("{}"),
            trouble: None,
            decision: Decision {
                result: reason.map_or(Ok(Grant { permission: "user".into(), through: None }), Err),
                subject: None,
            },
            took: Duration::ZERO,
        }
    }

    #[test]
    fn the_oldest_rows_make_room() {
        let mut activity = Activity::default();
        (0..MAX_ROWS + 5).for_each(|_| drop(activity.push(record(None))));
        assert_eq!((activity.len(), activity.nth_newest(0).map(|r| r.seq)), (MAX_ROWS, Some(MAX_ROWS as u64 + 5)));
        assert_eq!(activity.nth_newest(MAX_ROWS - 1).map(|r| r.seq), Some(6));
        assert!(activity.nth_newest(MAX_ROWS).is_none());
        assert_eq!([5, 6, MAX_ROWS as u64 + 5].map(|seq| activity.place(seq)), [None, Some(MAX_ROWS - 1), Some(0)]);
        assert_eq!(activity.place(MAX_ROWS as u64 + 6), None);
        activity.keep(3);
        activity.push(record(None));
        assert_eq!((activity.len(), activity.nth_newest(2).map(|r| r.seq)), (3, Some(MAX_ROWS as u64 + 4)));
    }

    #[test]
    fn a_caller_who_names_huge_tools_fills_no_memory() {
        let mut activity = Activity::default();
        for _ in 0..100 {
            activity.push(record(Some(Reason::UnknownTool { tool: "x".repeat(4 << 20).into() })));
        }
        assert!(activity.len() <= MAX_BYTES / (4 << 20), "{} rows of 4 MiB", activity.len());
        let held = vec!["p".repeat(4 << 20)].into();
        activity.push(record(Some(Reason::PermissionMissing { held, needs: [].into(), tool: "x".into() })));
        assert!(activity.len() <= MAX_BYTES / (4 << 20), "{} rows of 4 MiB", activity.len());
    }

    #[test]
    fn a_copy_follows_at_the_cost_of_what_is_new() {
        let (mut original, mut copy) = (Activity::default(), Activity::default());
        for rows in [1, 0, 3, 200] {
            (0..rows).for_each(|_| drop(original.push(record(None))));
            copy.follow(&original);
            let seqs = |activity: &Activity| activity.newest().map(|r| r.seq).collect::<Vec<_>>();
            assert_eq!(seqs(&copy), seqs(&original));
        }
    }
}

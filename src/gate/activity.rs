//! The log of real calls, and of requests that the server refused. It contains token IDs but no tokens, and is limited
//! in rows and in bytes.
//!
//! Anyone who can reach the server can cause any number of refusals. Refusals of clients without a valid token are
//! therefore sampled, truncated, and evict only each other, so that a flood cannot push a user's calls out of the log.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::rejection::RequestOutcome;
use crate::auth::date::NumericDate;
use crate::auth::explain::{Explanation, explain_decision};
use crate::auth::token::TokenId;
use crate::auth::{Evaluation, Verdict};
use crate::text;

/// The most rows of calls in the log; the oldest are evicted first.
pub const MAX_ROWS: usize = 100_000;
/// The most memory that these rows may use in total, in bytes, approximately.
pub const MAX_BYTES: usize = 64 << 20;
/// Arguments and answers are truncated to this length, in bytes.
pub const MAX_TEXT: usize = 4096;

/// The most rows of refused clients in the log.
pub const MAX_REFUSED: usize = 1000;
/// The most memory that these rows may use in total, in bytes, approximately.
const MAX_REFUSED_BYTES: usize = 4 << 20;
/// The most rows of refused clients logged per second. Further ones are only counted.
pub const REFUSED_A_SECOND: u32 = 20;
/// The texts of such a row are truncated to this length, in bytes.
pub const MAX_REFUSED_TEXT: usize = 256;

/// The origin of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The console's Call pane.
    Console,
    /// A program that uses the library.
    Library,
    /// The command line.
    Command,
    /// A drill.
    Drill,
    /// A test token of the test kit.
    Kit,
    /// A client of the server.
    Client,
}

impl Origin {
    /// The word shown in the log.
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

/// One real call, or another request that the server refused.
#[derive(Clone, Debug)]
pub struct Record {
    /// The row's number, counted from 1 by [`Activity::push`] and never reused. It is 0 for a request that was only
    /// counted.
    pub seq: u64,
    /// When the call was made.
    pub at: NumericDate,
    /// The instant that it was judged for.
    pub judged_at: NumericDate,
    /// The origin of the call.
    pub origin: Origin,
    /// The name of the server's client, if any; safe to show.
    pub client: Option<Box<str>>,
    /// The address of the server's client, if any.
    pub peer: Option<IpAddr>,
    /// The ID of the request's token.
    pub token_id: Option<TokenId>,
    /// Whether the request calls a tool.
    pub is_call: bool,
    /// The requested tool, as written by the caller, or the method of a request that does not call a tool.
    pub tool: Excerpt,
    /// The arguments as JSON text.
    pub arguments: Excerpt,
    /// The answer as JSON text.
    pub answer: Excerpt,
    /// The error of an allowed call that failed.
    pub trouble: Option<Box<str>>,
    /// The decision of the gate, or the rejection by the server.
    pub answered: RequestOutcome,
    /// The time from request to answer.
    pub took: Duration,
    /// The number of requests of refused clients that were only counted since the previous row of one.
    pub skipped: u64,
}

impl Record {
    /// The origin of the call and its client or target, in words; safe to show.
    pub fn from(&self) -> String {
        let peer = self.peer.map_or_else(String::new, |peer| format!(" at {peer}"));
        match (&self.client, self.answered.foreign()) {
            (Some(client), _) => format!("{} {client}{peer}", self.origin.word()),
            (None, Some(answer)) => format!("{} to {} ({})", self.origin.word(), answer.target, answer.place),
            (None, None) => self.origin.word().to_owned() + &peer,
        }
    }

    /// Returns the reason for the answer, with the next step if that is not obvious. Safe to show.
    pub fn why(&self) -> String {
        if let Some(trouble) = &self.trouble {
            return trouble.to_string();
        }
        match self.answered.remedy().filter(|_| self.origin == Origin::Client) {
            Some(remedy) => format!("{}; {}", self.answered.sentence(), remedy.replace('`', "")),
            None => self.answered.sentence(),
        }
    }

    /// Whether the request came from a client of the server and was refused because its token is missing or invalid, or
    /// before the token was verified.
    pub fn is_refused_client(&self) -> bool {
        self.origin == Origin::Client && !matches!(self.answered.verdict(), Some(Verdict::Allowed | Verdict::Forbidden))
    }

    fn weight(&self) -> usize {
        let texts = [&self.tool, &self.arguments, &self.answer].map(|text| text.len()).into_iter().sum::<usize>();
        size_of::<Self>() + texts + self.trouble.as_ref().map_or(0, |t| t.len()) + self.answered.weight()
    }
}

/// Explains the answer to a call or to another request. `judged` is the token's evaluation, if its text is known.
pub fn explain_record(record: &Record, judged: Option<&Evaluation>) -> Explanation {
    let mut out = explain_request(record, judged);
    if record.is_call {
        out.note(format!("answer: {}", text::display_safe(&record.answer.to_string(), 8192)));
    }
    out
}

/// The same without the answer, which is shown beside it.
pub fn explain_request(record: &Record, judged: Option<&Evaluation>) -> Explanation {
    let when = match record.judged_at == record.at {
        true => String::new(),
        false => format!(", judged for {} (not the real time)", record.judged_at.rfc3339()),
    };
    let (at, origin) = (record.at.rfc3339(), record.from());
    let when = format!("called at {at} from the {origin}{when}, took {}", text::words::took(record.took));
    let asked = text::name(&record.tool, 64);
    let asked = if record.is_call { format!("tool {asked}") } else { format!("request {asked}") };
    let mut out = match &record.answered {
        RequestOutcome::Decided(decision) => explain_decision(decision, judged, record.token_id, &asked, &when),
        RequestOutcome::Rejected(rejection) => {
            let mut out = Explanation::new(record.answered.word(), format!(" {}: {rejection}", rejection.code()));
            out.note(format!("{asked}, {when}"));
            out
        }
        RequestOutcome::Observed(answer) => {
            let mut out = Explanation::new(answer.word, format!(" by {}: {}", answer.target, answer.sentence));
            out.note(format!("{asked}, {when}"));
            let status = answer.status.map(|status| format!("HTTP status: {status}"));
            let time = answer.server_time.map(|time| format!("server time: {}", time.rfc3339()));
            let notes = status.into_iter().chain(time).chain(answer.notes.iter().cloned());
            notes.for_each(|note| out.note(note));
            out
        }
    };
    if let Some(trouble) = &record.trouble {
        out.finding(trouble);
    }
    if let Some(remedy) = record.answered.remedy() {
        out.note(format!("next step: {}", remedy.replace('`', "")));
    }
    if record.is_call && record.origin == Origin::Client && record.answered.reason().is_some() {
        out.note("if this client ends its session here, start the server with --denial auto".to_owned());
    }
    if record.skipped > 0 {
        out.note(format!("earlier refused requests that were counted but not logged: {}", record.skipped));
    }
    out
}

/// The beginning of a text, and the length of the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    head: Box<str>,
    /// The number of bytes that were cut off.
    cut: usize,
}

impl Excerpt {
    /// Truncates a text to [`MAX_TEXT`] bytes.
    pub fn new(text: &str) -> Self {
        Self::of(text, MAX_TEXT)
    }

    /// Truncates a text to `most` bytes.
    pub fn of(text: &str, most: usize) -> Self {
        let head = text::head(text, most);
        Self { head: head.into(), cut: text.len() - head.len() }
    }

    /// The number of bytes that were cut off; 0 if the text is complete.
    pub fn cut(&self) -> usize {
        self.cut
    }
}

/// Dereferences to the beginning of the text.
impl Deref for Excerpt {
    type Target = str;
    fn deref(&self) -> &str {
        &self.head
    }
}

/// Formats the beginning, and the number of bytes that were cut off.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut {
            0 => f.write_str(&self.head),
            cut => write!(f, "{}… (+{cut} bytes)", self.head),
        }
    }
}

/// Rows in the order of their numbers, limited in number and in bytes.
#[derive(Clone, Debug)]
struct Ring {
    rows: VecDeque<Arc<Record>>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
    /// The number of rows ever appended.
    total: u64,
}

impl Ring {
    const fn new(most: usize, most_bytes: usize) -> Self {
        Self { rows: VecDeque::new(), bytes: 0, most, most_bytes, total: 0 }
    }

    fn push(&mut self, record: Arc<Record>) {
        self.append(record);
        while self.rows.len() > self.most || (self.bytes > self.most_bytes && self.rows.len() > 1) {
            self.drop_oldest();
        }
    }

    fn append(&mut self, record: Arc<Record>) {
        self.total += 1;
        self.bytes += record.weight();
        self.rows.push_back(record);
    }

    fn drop_oldest(&mut self) {
        if let Some(gone) = self.rows.pop_front() {
            self.bytes -= gone.weight();
        }
    }

    /// Updates this copy of `original`. The cost is proportional to the number of new rows.
    fn follow(&mut self, original: &Self) {
        let new = usize::try_from(original.total - self.total).unwrap_or(usize::MAX).min(original.rows.len());
        for record in original.rows.range(original.rows.len() - new..) {
            self.append(Arc::clone(record));
        }
        self.total = original.total;
        while self.rows.len() > original.rows.len() {
            self.drop_oldest();
        }
    }

    /// The row with this index, counted from the newest, which is 0.
    fn nth_newest(&self, n: usize) -> Option<&Arc<Record>> {
        self.rows.len().checked_sub(n + 1).and_then(|i| self.rows.get(i))
    }

    /// The number of rows with a number above `seq`.
    fn newer_than(&self, seq: u64) -> usize {
        self.rows.len() - self.rows.partition_point(|record| record.seq <= seq)
    }
}

/// The rows of the log.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The calls and requests, except those of refused clients.
    calls: Ring,
    /// The requests of refused clients.
    refused: Ring,
    last: u64,
    /// The second of the latest request of a refused client, and the number of such requests in it.
    sampled: (i64, u32),
    /// The number of requests of refused clients that were only counted since the last logged one.
    skipped: u64,
    /// The number of all requests of refused clients, logged or only counted.
    refused_total: u64,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            calls: Ring::new(MAX_ROWS, MAX_BYTES),
            refused: Ring::new(MAX_REFUSED, MAX_REFUSED_BYTES),
            last: 0,
            sampled: (0, 0),
            skipped: 0,
            refused_total: 0,
        }
    }
}

impl Activity {
    /// Logs a row, and evicts the oldest rows of its kind if necessary. Requests of refused clients beyond
    /// [`REFUSED_A_SECOND`] are only counted.
    pub fn push(&mut self, mut record: Record) -> Arc<Record> {
        let is_refused = record.is_refused_client();
        if is_refused {
            self.refused_total += 1;
            if !self.takes(record.at) {
                self.skipped += 1;
                return Arc::new(record);
            }
            record.skipped = std::mem::take(&mut self.skipped);
        }
        self.last += 1;
        record.seq = self.last;
        let record = Arc::new(record);
        let ring = if is_refused { &mut self.refused } else { &mut self.calls };
        ring.push(Arc::clone(&record));
        record
    }

    /// Whether one more row of a refused client may be logged at `at`. Counts it.
    fn takes(&mut self, at: NumericDate) -> bool {
        let (second, count) = &mut self.sampled;
        if *second != at.seconds() {
            (*second, *count) = (at.seconds(), 0);
        }
        *count += 1;
        *count <= REFUSED_A_SECOND
    }

    /// Limits the number of calls in the log from now on.
    pub(super) fn keep(&mut self, most: usize) {
        self.calls.most = most.min(MAX_ROWS);
    }

    /// Updates this copy of `original`. The cost is proportional to the number of new rows.
    pub(super) fn follow(&mut self, original: &Self) {
        self.calls.follow(&original.calls);
        self.refused.follow(&original.refused);
        (self.last, self.sampled) = (original.last, original.sampled);
        (self.skipped, self.refused_total) = (original.skipped, original.refused_total);
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.calls.rows.len() + self.refused.rows.len()
    }

    /// Whether the log is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of rows ever logged, without those of refused clients.
    pub const fn calls(&self) -> u64 {
        self.calls.total
    }

    /// The number of all requests of refused clients, including those that were only counted.
    pub const fn refused(&self) -> u64 {
        self.refused_total
    }

    /// The rows, newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Arc<Record>> {
        let mut calls = self.calls.rows.iter().rev().peekable();
        let mut refused = self.refused.rows.iter().rev().peekable();
        std::iter::from_fn(move || match (calls.peek(), refused.peek()) {
            (Some(call), Some(refusal)) if call.seq < refusal.seq => refused.next(),
            (Some(_), _) => calls.next(),
            (None, _) => refused.next(),
        })
    }

    /// The row with this index, counted from the newest, which is 0.
    pub fn nth_newest(&self, n: usize) -> Option<&Arc<Record>> {
        // Finds how many of the n rows before it are calls, by binary search: a screen requests many rows.
        let mut low = n.saturating_sub(self.refused.rows.len());
        let mut high = n.min(self.calls.rows.len());
        while low < high {
            let middle = low.midpoint(high);
            let (call, refusal) = (self.calls.nth_newest(middle)?, self.refused.nth_newest(n - middle - 1)?);
            if call.seq > refusal.seq { low = middle + 1 } else { high = middle }
        }
        let (call, refusal) = (self.calls.nth_newest(low), self.refused.nth_newest(n - low));
        call.into_iter().chain(refusal).max_by_key(|record| record.seq)
    }

    /// Returns the index of a row, counted from the newest; `None` if it has been evicted.
    pub fn place(&self, seq: u64) -> Option<usize> {
        let place = self.calls.newer_than(seq) + self.refused.newer_than(seq);
        (self.nth_newest(place)?.seq == seq).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rejection::Rejection;
    use super::*;
    use crate::auth::{Decision, Grant, Reason};
    use rstest::rstest;

    fn record(reason: Option<Reason>) -> Record {
        let now = NumericDate::from_seconds(0);
        Record {
            seq: 0,
            at: now,
            judged_at: now,
            origin: Origin::Library,
            client: None,
            peer: None,
            token_id: None,
            is_call: true,
            tool: Excerpt::new("read_data"),
            arguments: Excerpt::new("{}"),
            answer: Excerpt::new("{}"),
            trouble: None,
            answered: RequestOutcome::Decided(Decision {
                result: reason.map_or(Ok(Grant { permission: "user".into(), through: None }), Err),
                subject: None,
            }),
            took: Duration::ZERO,
            skipped: 0,
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

    /// A request of a client without a token, this many seconds after the first one.
    fn refusal(second: i64) -> Record {
        let at = NumericDate::from_seconds(second);
        Record { origin: Origin::Client, at, ..record(Some(Reason::MissingToken)) }
    }

    #[test]
    fn a_flood_of_refusals_evicts_no_call_and_is_sampled_and_counted() {
        let mut activity = Activity::default();
        let call = activity.push(record(None)).seq;
        let forbidden = Reason::PermissionMissing { held: [].into(), needs: [].into(), tool: "x".into() };
        let forbidden = activity.push(Record { origin: Origin::Client, ..record(Some(forbidden)) }).seq;
        for second in 0..100 {
            (0..1000).for_each(|_| drop(activity.push(refusal(second))));
        }
        assert_eq!(activity.refused(), 100_000);
        assert_eq!(activity.len(), 2 + MAX_REFUSED);
        assert!([call, forbidden].into_iter().all(|seq| activity.place(seq).is_some()));
        let last = activity.push(refusal(100));
        assert_eq!(last.skipped, 1000 - u64::from(REFUSED_A_SECOND));
        // A rejection by the server counts as a refused client as well.
        let rejected = Record { answered: Rejection::NotFound.into(), ..refusal(101) };
        assert!(rejected.is_refused_client() && !record(Some(Reason::MissingToken)).is_refused_client());
    }

    #[rstest]
    #[case("ccccc")]
    #[case("rrrrr")]
    #[case("crcrcrrcc")]
    #[case("rrrcccrcr")]
    #[case("")]
    fn every_place_is_found_from_its_row_and_back(#[case] kinds: &str) {
        let mut activity = Activity::default();
        for (second, kind) in (0..).zip(kinds.chars()) {
            activity.push(if kind == 'c' { record(None) } else { refusal(second) });
        }
        let seqs: Vec<u64> = activity.newest().map(|record| record.seq).collect();
        assert_eq!(seqs, (1..=kinds.len() as u64).rev().collect::<Vec<_>>());
        for (place, seq) in seqs.iter().enumerate() {
            assert_eq!(activity.nth_newest(place).map(|record| record.seq), Some(*seq));
            assert_eq!(activity.place(*seq), Some(place));
        }
        assert!(activity.nth_newest(kinds.len()).is_none() && activity.place(99).is_none());
    }
}

//! The report of a test run: cases with their results, and the formats that other programs read.
//!
//! Instruments make a [`Report`]; commands write it with `junit`, [`tap`], [`markdown`] or [`json_lines`]. It is pure:
//! it reads no clock and writes no file. A report is shared with others, so every text that it takes is made safe to
//! show, and tokens in it are replaced by their IDs.

mod formats;
#[cfg(feature = "program")]
mod junit;
mod redacted;

use std::collections::HashMap;
use std::time::Duration;

use crate::auth::NumericDate;
use crate::text::{self, words};

pub use formats::{json_lines, markdown, tap};
#[cfg(feature = "program")]
pub use junit::{JunitError, junit};
pub use redacted::redacted;

/// The longest text of a report, in bytes.
const MAX_TEXT: usize = 512;

/// The results of a test run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    title: String,
    at: NumericDate,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

/// One case: what was tested, and the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    group: String,
    name: String,
    result: CaseResult,
    took: Option<Duration>,
}

/// The result of a case. The texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseResult {
    /// The case is as expected.
    Passed,
    /// The case is not as expected.
    Failed {
        /// The difference, as a phrase: `expected forbidden, got allowed`.
        message: String,
        /// More about it, as labels with values.
        details: Vec<(&'static str, String)>,
    },
    /// The result cannot be told; the phrase says why.
    NoVerdict(String),
    /// The case was not tried; the phrase says why.
    Skipped(String),
}

/// The result of a whole report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportVerdict {
    /// No case failed, and every case that was tried has a verdict.
    Passed,
    /// At least one case failed.
    Failed,
    /// No case failed, but at least one has no verdict.
    NoVerdict,
}

/// Redacts tokens in a text and makes it safe to show.
fn safe(text: &str) -> String {
    text::display_safe(&redacted(text), MAX_TEXT)
}

impl Report {
    /// Creates an empty report about a run that began at `at`.
    pub fn new(title: &str, at: NumericDate) -> Self {
        Self { title: safe(title), at, properties: Vec::new(), cases: Vec::new() }
    }

    /// Adds a fact about the whole run, such as the tool that was called.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.properties.push((name, safe(value)));
        self
    }

    /// Adds a case.
    pub fn add(&mut self, case: Case) {
        self.cases.push(case);
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The cases, in the order in which they were added.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The groups in the order of their first cases, each with its cases.
    pub fn groups(&self) -> Vec<(&str, Vec<&Case>)> {
        let mut groups: Vec<(&str, Vec<&Case>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for case in &self.cases {
            let place = *places.entry(&case.group).or_insert_with(|| {
                groups.push((&case.group, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(case);
        }
        groups
    }

    fn count(&self, is_meant: impl Fn(&CaseResult) -> bool) -> usize {
        self.cases.iter().filter(|case| is_meant(&case.result)).count()
    }

    fn passed(&self) -> usize {
        self.count(|result| *result == CaseResult::Passed)
    }

    fn failed(&self) -> usize {
        self.count(|result| matches!(result, CaseResult::Failed { .. }))
    }

    fn without_verdict(&self) -> usize {
        self.count(|result| matches!(result, CaseResult::NoVerdict(_)))
    }

    fn skipped(&self) -> usize {
        self.count(|result| matches!(result, CaseResult::Skipped(_)))
    }

    /// The result of the whole run.
    pub fn verdict(&self) -> ReportVerdict {
        match (self.failed(), self.without_verdict()) {
            (1.., _) => ReportVerdict::Failed,
            (0, 1..) => ReportVerdict::NoVerdict,
            (0, 0) => ReportVerdict::Passed,
        }
    }

    /// The numbers of cases by result: `12 cases: 10 passed, 1 failed, 1 without a verdict`.
    pub fn summary(&self) -> String {
        let numbers = [
            (self.passed(), "passed"),
            (self.failed(), "failed"),
            (self.without_verdict(), "without a verdict"),
            (self.skipped(), "skipped"),
        ];
        let counted: Vec<String> =
            numbers.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let cases = words::count(self.cases.len(), "case");
        if counted.is_empty() { cases } else { format!("{cases}: {}", counted.join(", ")) }
    }
}

impl Case {
    /// Creates a case that passed, in a group of cases.
    pub fn new(group: &str, name: &str) -> Self {
        Self { group: safe(group), name: safe(name), result: CaseResult::Passed, took: None }
    }

    /// Makes it a case that failed: `message` is the difference, as a phrase.
    #[must_use]
    pub fn failed(self, message: &str) -> Self {
        Self { result: CaseResult::Failed { message: safe(message), details: Vec::new() }, ..self }
    }

    /// Makes it a case without a verdict.
    #[must_use]
    pub fn without_verdict(self, why: &str) -> Self {
        Self { result: CaseResult::NoVerdict(safe(why)), ..self }
    }

    /// Makes it a case that was not tried.
    #[must_use]
    pub fn skipped(self, why: &str) -> Self {
        Self { result: CaseResult::Skipped(safe(why)), ..self }
    }

    /// Adds a detail to a failed case; other cases have none.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: &str) -> Self {
        if let CaseResult::Failed { details, .. } = &mut self.result {
            details.push((label, safe(value)));
        }
        self
    }

    /// Sets how long the case took.
    #[must_use]
    pub fn took(self, took: Duration) -> Self {
        Self { took: Some(took), ..self }
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name, unique in its group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The result.
    pub const fn result(&self) -> &CaseResult {
        &self.result
    }
}

impl CaseResult {
    /// The word for scripts: `passed`, `failed`, `no_verdict` or `skipped`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::NoVerdict(_) => "no_verdict",
            Self::Skipped(_) => "skipped",
        }
    }

    /// The sign for people, which does not depend on colour.
    pub const fn sign(&self) -> &'static str {
        match self {
            Self::Passed => "✔",
            Self::Failed { .. } => "✘",
            Self::NoVerdict(_) => "?",
            Self::Skipped(_) => "·",
        }
    }

    /// Why the case did not pass; `None` if it did.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed { message, .. } => Some(message),
            Self::NoVerdict(why) | Self::Skipped(why) => Some(why),
        }
    }

    /// The details of a failed case.
    pub fn details(&self) -> &[(&'static str, String)] {
        match self {
            Self::Failed { details, .. } => details,
            Self::Passed | Self::NoVerdict(_) | Self::Skipped(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A report with a case of each of these results: passed, failed, no verdict, skipped.
    pub fn report(results: &str) -> Report {
        let mut report = Report::new("Orders", NumericDate::from_seconds(1_795_380_000)).with("judged by", "leeway 5s");
        for (n, result) in results.chars().enumerate() {
            let case = Case::new("reads", &format!("case {n}")).took(Duration::from_millis(1500));
            report.add(match result {
                'p' => case,
                'f' => case.failed("expected forbidden, got allowed").with("tool", "read_data"),
                'n' => case.without_verdict("connection refused"),
                _ => case.skipped("no row"),
            });
        }
        report
    }

    #[rstest]
    #[case("", ReportVerdict::Passed, "0 cases")]
    #[case("pp", ReportVerdict::Passed, "2 cases: 2 passed")]
    #[case("ps", ReportVerdict::Passed, "2 cases: 1 passed, 1 skipped")]
    #[case("pnf", ReportVerdict::Failed, "3 cases: 1 passed, 1 failed, 1 without a verdict")]
    #[case("pns", ReportVerdict::NoVerdict, "3 cases: 1 passed, 1 without a verdict, 1 skipped")]
    fn a_failure_outweighs_a_missing_verdict(
        #[case] results: &str,
        #[case] verdict: ReportVerdict,
        #[case] summary: &str,
    ) {
        let report = report(results);
        assert_eq!((report.verdict(), report.summary().as_str()), (verdict, summary));
    }

    #[cfg(feature = "program")]
    #[test]
    fn a_token_or_a_control_character_never_reaches_a_report() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYSJ9.AAAA";
        let mut report = Report::new(token, NumericDate::from_seconds(0)).with("tool", token);
        let case = Case::new(token, &format!("a\u{1b}[2J\u{0}]]>\n{token}")).failed(&format!("got \u{fffe}{token}"));
        report.add(case.with("answer", &format!("<b>&\"{token}\u{202e}")));
        report.add(Case::new("g", "n").without_verdict(token));
        report.add(Case::new("g", "s").skipped(token));
        for text in [junit(&report).expect("XML"), tap(&report), markdown(&report), json_lines(&report)] {
            assert!(!text.contains("eyJ") && text.contains("(token ") || text.contains("\\(token "), "{text}");
            let is_safe = |c: char| c == '\n' || text::safe::hidden(c).is_none();
            assert!(text.chars().all(is_safe), "{text:?}");
        }
    }
}

//! The scorecard: the gate's answer to each test token, compared with the expected one.

use serde_json::{Value, json};

use super::kit::{Identity, TestToken};
use crate::auth::date::twice;
use crate::auth::reason_table::{REASONS, ReasonRow};
use crate::auth::{Decision, NumericDate, Outcome, TokenId, Verdict};
use crate::gate::activity::MAX_TEXT;
use crate::report::{Case, Report, redacted};
use crate::text;

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The code of the decision.
    pub code: String,
    /// The decision's sentence, or why the allowed call failed; safe to show.
    pub sentence: String,
    /// The answer, as JSON text.
    pub answer: String,
}

impl Observation {
    /// Creates it from the gate's decision and the call's outcome.
    pub fn new(decision: &Decision, outcome: &Outcome) -> Self {
        let sentence =
            outcome.trouble().map_or_else(|| decision.sentence(), |trouble| format!("the call failed: {trouble}"));
        Self { code: decision.code().to_owned(), sentence, answer: outcome.answer().to_string() }
    }
}

/// One test token on the card.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// The token's ID.
    pub token_id: TokenId,
    /// Its `jti`.
    pub jti: String,
    /// The expected code.
    pub expected: &'static str,
    /// The result. Its answer is shortened, and tokens in it are redacted.
    pub came: Observation,
    passed: bool,
}

impl Line {
    /// Creates a line from a token and its result.
    pub fn new(token: &TestToken, came: Observation) -> Self {
        let TestToken { name, expected, .. } = *token;
        let passed = came.code == expected && answers(verdict_of(expected), &came.answer);
        let came = Observation { answer: text::head(&redacted(&came.answer), MAX_TEXT).to_owned(), ..came };
        Self { name, token_id: TokenId::of(&token.token), jti: token.jti.clone(), expected, came, passed }
    }

    /// Whether both the code and the answer are the expected ones.
    pub const fn passed(&self) -> bool {
        self.passed
    }

    /// Whether the decision is the expected one, but the allowed call failed, so that nothing is known about the tool.
    pub fn is_without_verdict(&self) -> bool {
        !self.passed && self.came.code == self.expected && verdict_of(self.expected) == Verdict::Allowed
    }

    /// The line as a case of a report.
    fn case(&self) -> Case {
        let case = Case::new("test kit", self.name);
        match (self.passed, self.is_without_verdict()) {
            (true, _) => case,
            (false, true) => case.without_verdict(&self.came.sentence),
            (false, false) => case
                .failed(&format!("expected {}, got {}", self.expected, self.came.code))
                .with("sentence", &self.came.sentence)
                .with("answer", &self.came.answer)
                .with("token", &self.token_id.to_string())
                .with("jti", &self.jti),
        }
    }

    /// Formats the line as JSON for scripts.
    pub fn json(&self, card: &Scorecard) -> Value {
        json!({
            "name": self.name,
            "passed": self.passed(),
            "expected": self.expected,
            "came": self.came.code,
            "sentence": self.came.sentence,
            "answer": serde_json::from_str(&self.came.answer).unwrap_or_else(|_| json!(self.came.answer)),
            "tool": card.tool,
            "made_for": card.made_for.words(),
            "judged_by": card.judged_by,
            "token_id": self.token_id.to_string(),
            "jti": self.jti,
            "judged_for": twice(card.at),
        })
    }
}

/// Returns the verdict of a decision with this code.
fn verdict_of(code: &str) -> Verdict {
    REASONS.iter().find(|row| row.code == code).map_or(Verdict::Allowed, ReasonRow::verdict)
}

/// Whether an answer matches a verdict. An allowed call that failed proves nothing about the gate, so it does not pass.
fn answers(verdict: Verdict, answer: &str) -> bool {
    let answer = serde_json::from_str::<Value>(answer).unwrap_or_default();
    match verdict {
        Verdict::Allowed => answer["success"] == true,
        Verdict::Forbidden => answer["error"] == "forbidden",
        Verdict::Unauthorized => answer["error"] == "unauthorized",
    }
}

/// Returns the settings that something was judged by, in words.
pub fn judged_words(judged_by: &[String]) -> String {
    if judged_by.is_empty() { "the default settings".to_owned() } else { judged_by.join(", ") }
}

/// The results of all test tokens.
#[derive(Clone, Debug)]
pub struct Scorecard {
    /// The tool that was called.
    pub tool: String,
    /// The user and permissions in the tokens.
    pub made_for: Identity,
    /// The non-default settings of the gate; safe to show.
    pub judged_by: Vec<String>,
    /// The instant that the tokens were judged for.
    pub at: NumericDate,
    /// One line for each token, in the order of the kit.
    pub lines: Vec<Line>,
}

impl Scorecard {
    /// Whether every line passed.
    pub fn passed(&self) -> bool {
        self.lines.iter().all(Line::passed)
    }

    /// The report, with a case for each line.
    pub fn report(&self) -> Report {
        let mut report = Report::new("Test kit", self.at)
            .with("tool", &self.tool)
            .with("tokens for", &self.made_for.words())
            .with("judged by", &judged_words(&self.judged_by));
        self.lines.iter().for_each(|line| report.add(line.case()));
        report
    }

    /// The number of lines that passed: `17 of 17 as expected`.
    pub fn summary(&self) -> String {
        let passed = self.lines.iter().filter(|line| line.passed()).count();
        format!("{passed} of {} as expected", self.lines.len())
    }
}

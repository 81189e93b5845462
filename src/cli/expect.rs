//! `--expect`: turns the comparison with an expected answer into the exit code.

use std::io::{self, Write};

use serde::Serialize;

use super::Exit;
use super::paint::{Paint, bad, good, warning};
use crate::lab::expected::{ActualAnswer, Comparison, ExpectedAnswer};

/// The expected answer, compared with the actual one.
#[derive(Serialize)]
pub struct Expected {
    #[serde(rename = "expected")]
    word: &'static str,
    /// `None` if the answer does not say enough to tell.
    passed: Option<bool>,
    /// The comparison in one sentence; safe to show.
    #[serde(skip)]
    sentence: String,
}

impl Expected {
    /// Compares an answer with the expected one.
    pub fn new(expected: ExpectedAnswer, actual: ActualAnswer<'_>) -> Self {
        let (passed, sentence) = match expected.compare(actual) {
            Comparison::Met => (Some(true), format!("{}, as expected", expected.word())),
            Comparison::NotMet(sentence) => (Some(false), sentence),
            Comparison::Unknown(sentence) => (None, sentence),
        };
        Self { word: expected.word(), passed, sentence }
    }

    /// Creates it for an answer that does not say a verdict.
    pub fn without_verdict(expected: ExpectedAnswer, answer: &str) -> Self {
        let sentence = format!("expected {}, got no verdict: {answer}", expected.word());
        Self { word: expected.word(), passed: None, sentence }
    }

    /// The exit code of the command.
    pub const fn exit(&self) -> Exit {
        match self.passed {
            Some(true) => Exit::Good,
            Some(false) => Exit::Forbidden,
            None => Exit::NoVerdict,
        }
    }

    /// Writes the comparison as a line.
    pub fn show(&self, out: &mut dyn Write, paint: Paint) -> io::Result<()> {
        let (sign, style) = match self.passed {
            Some(true) => ("✔", good()),
            Some(false) => ("✘", bad()),
            None => ("?", warning()),
        };
        writeln!(out, "{} {}", paint.styled(sign, style), self.sentence)
    }
}

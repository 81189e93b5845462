//! The expected answer to a call, as a script or a test plan writes it: a verdict, or the exact code.

use crate::auth::reason_table::{REASONS, ReasonRow};
use crate::auth::{Decision, Outcome, Verdict, outcome};

/// The expected answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedAnswer {
    /// Any answer with this verdict. An allowed call must also have succeeded.
    Verdict(Verdict),
    /// Exactly this reason.
    Reason(&'static ReasonRow),
    /// An allowed call that fails with this error.
    Trouble(&'static str),
}

/// The verdicts, as they are written.
const VERDICTS: [(&str, Verdict); 3] =
    [("allowed", Verdict::Allowed), ("forbidden", Verdict::Forbidden), ("unauthorized", Verdict::Unauthorized)];

/// The answer to a call, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActualAnswer<'a> {
    /// The verdict; `None` if the answer does not contain one.
    pub verdict: Option<Verdict>,
    /// The code of the reason or of the error, or `allowed`; `None` if the server did not give one.
    pub code: Option<&'a str>,
}

/// The result of comparing an answer with the expected one. The sentences are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The answer is the expected one.
    Met,
    /// The answer is another one: `expected forbidden, got allowed`.
    NotMet(String),
    /// The answer does not say enough to tell.
    Unknown(String),
}

impl ExpectedAnswer {
    /// Returns every expectation about a decision: the verdicts, then the reasons.
    pub fn decisions() -> impl Iterator<Item = Self> {
        VERDICTS.iter().map(|(_, verdict)| Self::Verdict(*verdict)).chain(REASONS.iter().map(Self::Reason))
    }

    /// Returns every expectation about a call: those about its decision, then the errors of an allowed call.
    pub fn calls() -> impl Iterator<Item = Self> {
        Self::decisions().chain(outcome::TROUBLE_CODES.iter().copied().map(Self::Trouble))
    }

    /// Parses the word of an expectation.
    pub fn named(word: &str) -> Option<Self> {
        Self::calls().find(|expected| expected.word() == word)
    }

    /// The word, as it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => word_of(verdict),
            Self::Reason(row) => row.code,
            Self::Trouble(code) => code,
        }
    }

    /// The verdict of the expected answer.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Verdict(verdict) => verdict,
            Self::Reason(row) => row.verdict(),
            Self::Trouble(_) => Verdict::Allowed,
        }
    }

    /// Compares an answer with the expected one.
    pub fn compare(self, actual: ActualAnswer<'_>) -> Comparison {
        let is_met = match (self, actual.code) {
            (Self::Verdict(_) | Self::Reason(_), code) if actual.verdict.is_none() && code != Some(self.word()) => {
                return Comparison::Unknown(format!("expected {}, got {}", self.word(), actual.words()));
            }
            (Self::Verdict(Verdict::Allowed), Some(code)) => code == word_of(Verdict::Allowed),
            (Self::Verdict(verdict), _) => actual.verdict == Some(verdict),
            (expected, Some(code)) => code == expected.word(),
            (expected, None) if Some(expected.verdict()) == actual.verdict => {
                let (wanted, got) = (expected.word(), word_of(expected.verdict()));
                return Comparison::Unknown(format!("expected {wanted}, got {got} without a reason"));
            }
            (_, None) => false,
        };
        match is_met {
            true => Comparison::Met,
            false => Comparison::NotMet(format!("expected {}, got {}", self.word(), actual.words())),
        }
    }
}

impl<'a> ActualAnswer<'a> {
    /// Creates it from a decision that was not followed by a call.
    pub fn decided(decision: &'a Decision) -> Self {
        Self { verdict: Some(decision.verdict()), code: Some(decision.code()) }
    }

    /// Creates it from the gate's decision and the outcome of the call.
    pub fn called(decision: &'a Decision, outcome: &Outcome) -> Self {
        Self { code: outcome.trouble_code().or(Some(decision.code())), ..Self::decided(decision) }
    }

    /// Formats the answer: `allowed`, `allowed (tool_failed)`, `unauthorized (expired)`, `no verdict (invalid_arguments)`.
    fn words(self) -> String {
        let verdict = self.verdict.map_or("no verdict", word_of);
        match self.code.filter(|code| *code != verdict) {
            Some(code) => format!("{verdict} ({code})"),
            None => verdict.to_owned(),
        }
    }
}

/// The word of a verdict, in lower case.
fn word_of(verdict: Verdict) -> &'static str {
    VERDICTS.iter().find(|(_, known)| *known == verdict).map_or("unauthorized", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("allowed", Verdict::Allowed, Some("allowed"), None)]
    #[case("allowed", Verdict::Allowed, Some("tool_failed"), Some("expected allowed, got allowed (tool_failed)"))]
    #[case("tool_failed", Verdict::Allowed, Some("tool_failed"), None)]
    #[case("unauthorized", Verdict::Unauthorized, Some("expired"), None)]
    #[case("unauthorized", Verdict::Unauthorized, None, None)]
    #[case("expired", Verdict::Unauthorized, Some("expired"), None)]
    #[case("expired", Verdict::Unauthorized, Some("revoked"), Some("expected expired, got unauthorized (revoked)"))]
    #[case("forbidden", Verdict::Unauthorized, Some("expired"), Some("expected forbidden, got unauthorized (expired)"))]
    #[case("forbidden", Verdict::Allowed, Some("allowed"), Some("expected forbidden, got allowed"))]
    #[case("expired", Verdict::Allowed, None, Some("expected expired, got allowed"))]
    fn an_answer_is_compared(
        #[case] word: &str,
        #[case] verdict: Verdict,
        #[case] code: Option<&str>,
        #[case] fault: Option<&str>,
    ) {
        let expected = ExpectedAnswer::named(word).expect("a word");
        let wanted = fault.map_or(Comparison::Met, |fault| Comparison::NotMet(fault.to_owned()));
        assert_eq!(expected.compare(ActualAnswer { verdict: Some(verdict), code }), wanted);
    }

    #[test]
    fn without_a_reason_only_the_verdict_can_be_compared() {
        let expired = ExpectedAnswer::named("expired").expect("a reason");
        let found = expired.compare(ActualAnswer { verdict: Some(Verdict::Unauthorized), code: None });
        assert_eq!(found, Comparison::Unknown("expected expired, got unauthorized without a reason".to_owned()));
    }

    #[test]
    fn an_answer_about_the_arguments_decides_only_whether_it_is_one() {
        let rejected = ActualAnswer { verdict: None, code: Some("invalid_arguments") };
        let compared = |word| ExpectedAnswer::named(word).expect("a word").compare(rejected);
        assert_eq!(compared("invalid_arguments"), Comparison::Met);
        for word in ["allowed", "forbidden", "permission_missing"] {
            let sentence = format!("expected {word}, got no verdict (invalid_arguments)");
            assert_eq!(compared(word), Comparison::Unknown(sentence));
        }
        assert!(matches!(compared("tool_failed"), Comparison::NotMet(_)));
    }

    #[test]
    fn every_word_is_read_back() {
        assert_eq!(ExpectedAnswer::calls().count(), 3 + REASONS.len() + 2);
        for expected in ExpectedAnswer::calls() {
            assert_eq!(ExpectedAnswer::named(expected.word()), Some(expected));
        }
    }
}

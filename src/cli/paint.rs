//! Colour for people: the same meanings as in the console, used only on terminals.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::auth::check::CheckResult;
use crate::auth::explain::{Explanation, Line, LineKind};
use crate::auth::{Phase, TokenStatus, Verdict};
use crate::gate::RequestOutcome;
use crate::observe::Observation;

/// Whether to use colour.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub bool);

impl Paint {
    /// Writes an explanation, with its verdict in this style.
    pub fn explanation(self, out: &mut dyn Write, explanation: &Explanation, verdict: Style) -> io::Result<()> {
        for Line { mark, text, kind } in explanation.lines() {
            match kind {
                LineKind::Verdict => writeln!(out, "{}{text}", self.styled(mark, verdict))?,
                LineKind::Check(CheckResult::Yes) => writeln!(out, "{}{text}", self.styled(mark, good()))?,
                LineKind::Check(CheckResult::No) => writeln!(out, "{}{text}", self.styled(mark, bad()))?,
                LineKind::Check(CheckResult::NotReached) => writeln!(out, "{}", self.note(&format!("{mark}{text}")))?,
                LineKind::Finding => writeln!(out, "{}{text}", self.styled(mark, warning()))?,
                LineKind::Note => writeln!(out, "{mark}{text}")?,
            }
        }
        Ok(())
    }

    /// Applies a style to a text.
    pub fn styled(self, text: &str, style: Style) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Styles a title.
    pub fn title(self, text: &str) -> String {
        self.styled(text, Style::new().bold())
    }

    /// Styles a label, and pads it to a number of columns.
    pub fn label(self, text: &str, columns: usize) -> String {
        let pad = " ".repeat(columns.saturating_sub(crate::text::width(text)));
        self.styled(text, AnsiColor::Cyan.on_default()) + &pad
    }

    /// Styles a secondary note.
    pub fn note(self, text: &str) -> String {
        self.styled(text, Style::new().dimmed())
    }
}

/// The style of a server's answer.
pub fn of_observation(observation: &Observation) -> Style {
    observation.verdict().map_or_else(warning, of_verdict)
}

/// The style of something that is as it should be.
pub const fn good() -> Style {
    AnsiColor::Green.on_default().bold()
}

/// The style of something that is not as it should be.
pub const fn bad() -> Style {
    AnsiColor::Red.on_default().bold()
}

/// The style of something that needs attention.
pub const fn warning() -> Style {
    AnsiColor::Yellow.on_default().bold()
}

/// The style of a verdict.
pub const fn of_verdict(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Allowed => good(),
        Verdict::Forbidden => bad(),
        Verdict::Unauthorized => warning(),
    }
}

/// The style of an answer to a request.
pub fn of_answer(answered: &RequestOutcome) -> Style {
    answered.verdict().map_or_else(bad, of_verdict)
}

/// The style of a token's status.
pub const fn of_status(status: &TokenStatus) -> Style {
    match status {
        TokenStatus::Valid(Phase::Live { .. }) => good(),
        TokenStatus::Valid(_) | TokenStatus::OutOfTime(..) => warning(),
        TokenStatus::Invalid(_) => bad(),
        TokenStatus::NotVerified(_) | TokenStatus::Absent => Style::new().bold(),
    }
}

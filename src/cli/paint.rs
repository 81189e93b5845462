//! Colour for people: the same meanings as in the console, on a terminal only.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::auth::{Phase, Standing, Verdict};

/// Whether to use colour.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub bool);

impl Paint {
    /// Writes an explanation: its first line begins with `word`, further lines with the sign of a check or of a finding.
    pub fn explanation(self, out: &mut dyn Write, text: &str, word: &str, style: Style) -> io::Result<()> {
        for (n, line) in text.lines().enumerate() {
            let (style, marked) = match line.chars().next() {
                _ if n == 0 => (style, word.len()),
                Some('✔') => (good(), '✔'.len_utf8()),
                Some('✘') => (bad(), '✘'.len_utf8()),
                Some('!') => (warning(), 1),
                Some('·') => (Style::new().dimmed(), line.len()),
                _ => (Style::new(), 0),
            };
            let (marked, rest) = line.split_at_checked(marked).unwrap_or((line, ""));
            if self.0 && !marked.is_empty() {
                writeln!(out, "{style}{marked}{style:#}{rest}")?;
            } else {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    /// A word that has a style.
    pub fn styled(self, text: &str, style: Style) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A title.
    pub fn title(self, text: &str) -> String {
        self.styled(text, Style::new().bold())
    }

    /// A label, padded to a number of columns.
    pub fn label(self, text: &str, columns: usize) -> String {
        let pad = " ".repeat(columns.saturating_sub(crate::text::width(text)));
        self.styled(text, AnsiColor::Cyan.on_default()) + &pad
    }

    /// A note beside what matters.
    pub fn note(self, text: &str) -> String {
        self.styled(text, Style::new().dimmed())
    }
}

/// It is as it should be.
pub const fn good() -> Style {
    AnsiColor::Green.on_default().bold()
}

/// It is not as it should be.
pub const fn bad() -> Style {
    AnsiColor::Red.on_default().bold()
}

/// Worth a look.
pub const fn warning() -> Style {
    AnsiColor::Yellow.on_default().bold()
}

/// How a verdict looks.
pub const fn of_verdict(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Allowed => good(),
        Verdict::Forbidden => bad(),
        Verdict::Unauthorized => warning(),
    }
}

/// How a token's state looks.
pub const fn of_standing(standing: &Standing) -> Style {
    match standing {
        Standing::Valid(Phase::Live { .. }) => good(),
        Standing::Valid(_) | Standing::OutOfTime(..) => warning(),
        Standing::Invalid(_) => bad(),
        Standing::NotVerified(_) | Standing::Absent => Style::new().bold(),
    }
}

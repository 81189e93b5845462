//! Colours have meanings. Sixteen colours, so that the user's own palette decides; nothing is shown by colour alone.

use ratatui::style::{Color, Modifier, Style};

use crate::auth::Verdict;
use crate::auth::check::Passed;
use crate::gate::Answered;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the meanings")]
pub enum Meaning {
    Plain,
    Label,
    Title,
    Focused,
    Selected,
    Badge,
    Ok,
    Denied,
    Expired,
    Hint,
    Key,
    Header,
    Payload,
    Signature,
}

impl Meaning {
    /// What a verdict means.
    pub const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allowed => Self::Ok,
            Verdict::Forbidden => Self::Denied,
            Verdict::Unauthorized => Self::Expired,
        }
    }

    /// What a verdict means where an allowed call fails, or would fail.
    pub const fn of_call(verdict: Verdict, fails: bool) -> Self {
        match (verdict, fails) {
            (Verdict::Allowed, true) => Self::Expired,
            (verdict, _) => Self::of_verdict(verdict),
        }
    }

    /// How a call or another request was answered; `fails` says that it came to nothing although it was allowed.
    pub fn of_answer(answered: &Answered, fails: bool) -> Self {
        answered.verdict().map_or(Self::Denied, |verdict| Self::of_call(verdict, fails))
    }

    /// What became of a check.
    pub const fn of_check(passed: Passed) -> Self {
        match passed {
            Passed::Yes => Self::Ok,
            Passed::No => Self::Denied,
            Passed::NotReached => Self::Hint,
        }
    }
}

/// How meanings look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// With the terminal's sixteen colours.
    Colours,
    /// With bold and reverse only (`NO_COLOR`): a style that names a colour would wipe them.
    Plain,
}

impl Theme {
    /// The style of a meaning.
    pub const fn of(self, meaning: Meaning) -> Style {
        let style = Style::new();
        let (colour, modifier) = match meaning {
            Meaning::Plain => (None, Modifier::empty()),
            Meaning::Label => (Some(Color::Cyan), Modifier::empty()),
            Meaning::Title => (None, Modifier::BOLD),
            Meaning::Focused => (Some(Color::Yellow), Modifier::BOLD),
            Meaning::Selected => (None, Modifier::REVERSED),
            Meaning::Badge => (Some(Color::Yellow), Modifier::REVERSED.union(Modifier::BOLD)),
            Meaning::Ok => (Some(Color::Green), Modifier::BOLD),
            Meaning::Denied => (Some(Color::Red), Modifier::BOLD),
            Meaning::Expired => (Some(Color::Yellow), Modifier::BOLD),
            Meaning::Hint => (None, Modifier::DIM),
            Meaning::Key => (Some(Color::Yellow), Modifier::empty()),
            Meaning::Header => (Some(Color::Red), Modifier::empty()),
            Meaning::Payload => (Some(Color::Magenta), Modifier::empty()),
            Meaning::Signature => (Some(Color::Blue), Modifier::empty()),
        };
        match (self, colour) {
            (Self::Colours, Some(colour)) => style.fg(colour).add_modifier(modifier),
            (Self::Plain, _) if matches!(meaning, Meaning::Key) => style.add_modifier(Modifier::BOLD),
            _ => style.add_modifier(modifier),
        }
    }
}

//! A prompt of one line: a token's label, a name or a phrase for the policy, a file.

use std::sync::Arc;

use super::field::{Lines, TextField};

/// A line being typed, and what it is for.
#[derive(Debug)]
pub struct LineForm {
    /// What it is for.
    pub asks: Asks,
    /// The line.
    pub text: TextField,
}

/// What a line is typed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The label of the token of this number; empty for none.
    Label(u64),
    /// The name of a tool to add to the policy.
    Tool,
    /// The name of a permission to add to the policy.
    Permission,
    /// What this tool of the policy does; empty for nothing said.
    Description(Arc<str>),
    /// The file to write the policy to.
    SaveTo,
    /// The file to write the evidence to.
    EvidenceTo,
    /// A text to find in the pane.
    Find,
}

impl Asks {
    /// The prompt.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Label(_) => "name the token",
            Self::Tool => "add a tool to the policy",
            Self::Permission => "add a permission to the policy",
            Self::Description(_) => "say what the tool does",
            Self::SaveTo => "save the policy",
            Self::EvidenceTo => "save the evidence",
            Self::Find => "find",
        }
    }

    /// The hint in the empty line.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Label(_) => "what you call it; empty for no label",
            Self::Tool => "its name, as callers spell it",
            Self::Permission => "its name, as tokens spell it",
            Self::Description(_) => "a phrase; empty for none",
            Self::SaveTo => "a file, as in policy.toml",
            Self::EvidenceTo => "a file, as in ticket.md or ticket.jsonl",
            Self::Find => "text; empty shows everything again",
        }
    }

    /// What comes of it.
    pub const fn note(&self) -> &'static str {
        match self {
            Self::Label(_) => "the label stands before the token's own name",
            Self::Tool => "nobody may call it until a permission is ticked",
            Self::Permission => "it opens nothing until it is ticked for a tool",
            Self::Description(_) => "it stands below the policy, and in its file",
            Self::SaveTo => "comments and order of a file that is there stay",
            Self::EvidenceTo => "a new file; .jsonl for JSON Lines, else Markdown",
            Self::Find => "upper and lower case are the same",
        }
    }

    /// What Enter does.
    pub const fn act(&self) -> &'static str {
        match self {
            Self::Label(_) => "name it",
            Self::Tool | Self::Permission => "add it",
            Self::Description(_) => "say it",
            Self::SaveTo | Self::EvidenceTo => "save it",
            Self::Find => "find it",
        }
    }
}

impl LineForm {
    pub(super) fn new(asks: Asks, text: &str) -> Self {
        Self { asks, text: TextField::new(text, Lines::One) }
    }
}

/// The longest label that is kept, in bytes.
pub const MAX_LABEL: usize = 64;

/// The longest line that is pasted into one, in bytes.
pub const MAX_LINE: usize = 4096;

//! A prompt for one line: a token's label, a name or a description for the policy, a file, or a text to find.

use std::sync::Arc;

use super::field::{Lines, TextField};

/// A line being typed, and its purpose.
#[derive(Debug)]
pub struct LineForm {
    /// The purpose of the line.
    pub asks: LinePurpose,
    /// The line.
    pub text: TextField,
}

/// The purpose of a prompt for one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinePurpose {
    /// The label of the token with this number; empty to remove it.
    Label(u64),
    /// The name of a tool to add to the policy.
    Tool,
    /// The name of a permission to add to the policy.
    Permission,
    /// A description of this tool of the policy; empty to remove it.
    Description(Arc<str>),
    /// The file to write the policy to.
    SaveTo,
    /// The new file for a policy from what was observed of a foreign server.
    ObservedTo,
    /// The name of the target with this number.
    TargetName(u64),
    /// The file to write the evidence to.
    EvidenceTo,
    /// A text to find in the pane.
    Find,
}

impl LinePurpose {
    /// Returns the prompt.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Label(_) => "label the token",
            Self::Tool => "add a tool to the policy",
            Self::Permission => "add a permission to the policy",
            Self::Description(_) => "describe the tool",
            Self::SaveTo => "save the policy",
            Self::ObservedTo => "write a policy from what was observed",
            Self::TargetName(_) => "name the server",
            Self::EvidenceTo => "save the evidence",
            Self::Find => "find",
        }
    }

    /// Returns the hint in the empty line.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Label(_) => "a label; empty to remove it",
            Self::Tool => "tool name, exactly as callers send it",
            Self::Permission => "permission name, exactly as tokens carry it",
            Self::Description(_) => "a short description; empty to remove it",
            Self::SaveTo => "a file name, such as policy.toml",
            Self::ObservedTo => "a file name, such as observed.toml",
            Self::TargetName(_) => "a name, such as orders",
            Self::EvidenceTo => "a file name, such as ticket.md or ticket.jsonl",
            Self::Find => "text; empty shows everything again",
        }
    }

    /// Returns the note below the line about its effect.
    pub const fn note(&self) -> &'static str {
        match self {
            Self::Label(_) => "the label is shown before the token's own name",
            Self::Tool => "all calls are forbidden until a permission is ticked",
            Self::Permission => "it grants nothing until it is ticked for a tool",
            Self::Description(_) => "shown below the policy and saved in its file",
            Self::SaveTo => "an existing file keeps its comments and order",
            Self::ObservedTo => "a new file with an expectation for each observed call",
            Self::TargetName(_) => "later calls are logged under this name",
            Self::EvidenceTo => "a new file; .jsonl for JSON Lines, otherwise Markdown",
            Self::Find => "upper and lower case are the same",
        }
    }

    /// Returns the label of Enter.
    pub const fn act(&self) -> &'static str {
        match self {
            Self::Label(_) => "set label",
            Self::TargetName(_) => "set name",
            Self::Tool | Self::Permission => "add",
            Self::Description(_) => "save",
            Self::SaveTo | Self::ObservedTo | Self::EvidenceTo => "save",
            Self::Find => "find it",
        }
    }
}

impl LineForm {
    pub(super) fn new(asks: LinePurpose, text: &str) -> Self {
        Self { asks, text: TextField::new(text, Lines::One) }
    }
}

/// The maximum length of a label, in bytes.
pub const MAX_LABEL: usize = 64;

/// The maximum length of a paste into a prompt, in bytes. The rest is cut off.
pub const MAX_LINE: usize = 4096;

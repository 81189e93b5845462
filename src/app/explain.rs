//! The explanation of a decision as a text for a ticket: verdict, reason, trace, token id; never a token.

use std::fmt::Write as _;

use super::App;
use crate::auth::{Decision, Inspection, Record, TokenId};
use crate::text;

impl App {
    /// Why the selected token stands as it does.
    pub(super) fn explain_inspection(&self, inspection: &Inspection) -> String {
        let judged = &inspection.judged;
        let standing = judged.standing(self.times.judged);
        let mut out = standing.word().to_owned();
        if let Some(reason) = standing.reason() {
            let _ = write!(out, " {}: {reason}", reason.code());
        }
        let name = judged.name.as_deref().map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
        let _ = write!(out, "\ntoken {}{name}, judged for {}", inspection.id, self.times.judged.rfc3339());
        for (check, passed, reason) in judged.trace(self.times.judged) {
            let _ = write!(out, "\n{} {}", passed.sign(), check.label());
            if let Some(reason) = reason {
                let _ = write!(out, ": {reason}");
            }
        }
        for finding in inspection.findings_at(self.times.judged) {
            let _ = write!(out, "\n! {finding}");
        }
        out
    }

    /// Why the call in the form would be answered as the preview says.
    pub(super) fn explain_preview(&self) -> String {
        let id = self.selected().map(|entry| entry.id);
        explain(&self.preview(), id, &self.call.tool, &format!("judged for {}", self.times.judged.rfc3339()))
    }
}

/// Why a call was answered as it was.
pub fn explain_record(record: &Record) -> String {
    let when = match record.judged_at == record.at {
        true => String::new(),
        false => format!(", judged for {}", record.judged_at.rfc3339()),
    };
    let (at, origin) = (record.at.rfc3339(), record.origin.word());
    let when = format!("called at {at} by the {origin}{when}, took {}", text::words::took(record.took));
    let mut out = explain(&record.decision, record.token_id, &record.tool, &when);
    if let Some(trouble) = &record.trouble {
        let _ = write!(out, "\n! {trouble}");
    }
    let _ = write!(out, "\nanswer: {}", text::display_safe(&record.answer.to_string(), 8192));
    out
}

fn explain(decision: &Decision, token: Option<TokenId>, tool: &str, when: &str) -> String {
    let mut out = format!("{} {}: {}", decision.verdict().word(), decision.code(), decision.sentence());
    let token = token.map_or_else(|| "no token".to_owned(), |id| format!("token {id}"));
    let who = decision.subject.as_deref().map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
    let _ = write!(out, "\n{token}{who}, tool {}, {when}", text::name(tool, 64));
    for (check, passed) in decision.trace() {
        let _ = write!(out, "\n{} {}", passed.sign(), check.label());
    }
    out
}

//! Explanations as text for a ticket: verdict, reason, trace and token ID, but never a token.
//!
//! The console copies them, and the command line prints them.

use std::fmt;

use super::check::{Check, CheckResult};
use super::date::NumericDate;
use super::decision::Decision;
use super::evaluation::{Evaluation, TokenStatus};
use super::inspection::{Inspection, ReportRow};
use super::lifetime::Phase;
use super::rules::Rules;
use super::token::TokenId;
use crate::text;

/// An explanation: lines with their kinds, so that a terminal can colour them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation(Vec<Line>);

/// One line of an explanation; safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The sign or word at its beginning; may be empty.
    pub mark: &'static str,
    /// The text after the mark.
    pub text: String,
    /// The kind of line.
    pub kind: LineKind,
}

/// The kind of a [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// The verdict or the token's state.
    Verdict,
    /// A check and its result.
    Check(CheckResult),
    /// Something worth pointing out.
    Finding,
    /// Anything else.
    Note,
}

impl Explanation {
    pub(crate) fn new(mark: &'static str, text: String) -> Self {
        Self(vec![Line { mark, text, kind: LineKind::Verdict }])
    }

    fn check(&mut self, passed: CheckResult, text: &str) {
        self.0.push(Line { mark: passed.sign(), text: format!(" {text}"), kind: LineKind::Check(passed) });
    }

    /// Adds something worth pointing out.
    pub fn finding(&mut self, text: impl fmt::Display) {
        self.0.push(Line { mark: "!", text: format!(" {text}"), kind: LineKind::Finding });
    }

    /// Adds a line without a mark.
    pub fn note(&mut self, text: String) {
        self.0.push(Line { mark: "", text, kind: LineKind::Note });
    }

    /// The lines; the first one is the verdict.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }
}

/// Formats the lines as text for a ticket.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Line { mark, text, .. }) in self.0.iter().enumerate() {
            let before = if n == 0 { "" } else { "\n" };
            write!(f, "{before}{mark}{text}")?;
        }
        Ok(())
    }
}

/// Explains a token's state at `now`. `rules` must be the ones that it was inspected with.
pub fn explain_inspection(inspection: &Inspection, rules: &Rules, now: NumericDate) -> Explanation {
    let judged = &inspection.judged;
    let status = judged.status(now);
    let why = match (&status, status.reason()) {
        (_, Some(reason)) => format!(" {}: {reason}", reason.code()),
        (TokenStatus::Valid(phase), None) => format!(": {}", left(*phase)),
        _ => String::new(),
    };
    let mut out = Explanation::new(status.word(), why);
    let name = judged.name.as_deref().map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
    let kind = judged.kind.map_or_else(String::new, |kind| format!(", {}", kind.words()));
    out.note(format!("token {}{name}{kind}, judged for {}", inspection.id, now.rfc3339()));
    for row in inspection.report(rules, now) {
        out.check(row.passed, &format!("{}{}", row.label, note(&row)));
    }
    for line in mapped(judged) {
        out.note(line);
    }
    for finding in inspection.findings_at(now) {
        out.finding(finding);
    }
    out
}

/// Returns the user and the permissions with the claims that they come from, a sentence each; empty for a token whose
/// claims are called so. Safe to show.
pub fn mapped(judged: &Evaluation) -> Vec<String> {
    let mut lines = Vec::new();
    let named = judged.user.as_ref().filter(|(_, claim)| claim.as_str() != "user_id");
    if let Some((user, claim)) = named {
        let shown = judged.name.as_ref().filter(|name| *name != user);
        let shown = shown.map_or_else(String::new, |name| format!(", shown as {}", text::name(name, 64)));
        lines.push(format!("user {} from {}{shown}", text::name(user, 128), text::name(claim.as_str(), 64)));
        if judged.permissions.is_empty() {
            lines.push("no permissions".to_owned());
        }
    }
    for (claim, permissions) in judged.provenance() {
        let permissions = text::names(permissions.iter(), 64, 32, ", ");
        lines.push(format!("permissions {permissions} from {}", text::name(&claim, 64)));
    }
    lines
}

/// The remaining validity of a valid token, as a phrase; empty in other phases.
pub(super) fn left(phase: Phase) -> String {
    let told = |left| text::words::remaining(left).text;
    match phase {
        Phase::Live { left } => format!("{} left", told(left)),
        Phase::Grace { left } => format!("by the leeway only, {} left", told(left)),
        Phase::Early { left } => format!("by the leeway only, nbf in {}", told(left)),
        Phase::Endless | Phase::NotYet { .. } | Phase::Expired { .. } => String::new(),
    }
}

/// The end of a report's line: why the check failed, the value that passed, or that any value would.
fn note(row: &ReportRow) -> String {
    match (&row.reason, &row.found, &row.wanted) {
        (Some(reason), ..) => format!(": {reason}"),
        (None, None, None) if row.check == Check::Binding => ": any".to_owned(),
        (None, Some(found), None) if row.check == Check::Binding => format!(": {found} (any is accepted)"),
        (None, Some(found), _) => format!(": {found}"),
        (None, None, Some(wanted)) => format!(": expected {wanted}"),
        (None, None, None) => String::new(),
    }
}

/// Explains the decision about a call. `judged` is the token's evaluation, if it is known, and `when` a phrase for the
/// instant.
pub fn explain_decision(
    decision: &Decision,
    judged: Option<&Evaluation>,
    token: Option<TokenId>,
    asked: &str,
    when: &str,
) -> Explanation {
    let code = decision.reason().map_or_else(String::new, |reason| format!(" {}", reason.code()));
    let mut out = Explanation::new(decision.verdict().word(), format!("{code}: {}", decision.sentence()));
    let token = token.map_or_else(|| "no token".to_owned(), |id| format!("token {id}"));
    let who = decision.subject.as_deref().map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
    out.note(format!("{token}{who}, {asked}, {when}"));
    for (check, passed) in decision.trace() {
        out.check(passed, check.label());
    }
    for line in judged.map(mapped).unwrap_or_default() {
        out.note(line);
    }
    out
}

/// The meaning of a header or payload member (RFC 7519 §4.1, RFC 7515 §4.1, and our own two).
pub fn meaning(member: &str) -> Option<&'static str> {
    Some(match member {
        "user_id" => "user",
        "permissions" => "granted permissions",
        "iat" => "issued at",
        "nbf" => "not valid before",
        "exp" => "expires",
        "jti" => "unique ID",
        "iss" => "issuer",
        "aud" => "audience",
        "sub" => "subject",
        "alg" => "signature algorithm",
        "typ" => "media type",
        "cty" => "content type",
        "kid" => "key ID",
        "crit" => "required extensions",
        "jku" | "jwk" | "x5u" | "x5c" => "key source, never used",
        _ => return None,
    })
}

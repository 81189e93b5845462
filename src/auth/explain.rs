//! Explanations as a text for a ticket: verdict, reason, trace, token id; never a token.
//!
//! The console copies them, the command line prints them.

use std::fmt::Write as _;

use super::date::NumericDate;
use super::decision::Decision;
use super::inspection::Inspection;
use super::reason::Reason;
use super::rules::Rules;
use super::{Check, Phase, Standing, TokenId};
use crate::text;

/// Why a token stands as it does at `now`, under the rules it was inspected by.
pub fn explain_inspection(inspection: &Inspection, rules: &Rules, now: NumericDate) -> String {
    let judged = &inspection.judged;
    let standing = judged.standing(now);
    let mut out = standing.word().to_owned();
    match (&standing, standing.reason()) {
        (_, Some(reason)) => _ = write!(out, " {}: {reason}", reason.code()),
        (Standing::Valid(phase), None) => _ = write!(out, ": {}", left(*phase)),
        _ => {}
    }
    let name = judged.name.as_deref().map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
    let _ = write!(out, "\ntoken {}{name}, judged for {}", inspection.id, now.rfc3339());
    for (check, passed, reason) in judged.trace(now) {
        let _ = write!(out, "\n{} {}{}", passed.sign(), check.label(), note(check, rules, reason.as_ref()));
    }
    for finding in inspection.findings_at(now) {
        let _ = write!(out, "\n! {finding}");
    }
    out
}

/// How long a valid token still is.
fn left(phase: Phase) -> String {
    let told = |micros| text::words::remaining(micros).text;
    match phase {
        Phase::Live { left } => format!("{} left", told(left)),
        Phase::Grace { left } => format!("by the leeway only, {} left", told(left)),
        Phase::Early { left } => format!("by the leeway only, nbf in {}", told(left)),
        Phase::Endless | Phase::NotYet { .. } | Phase::Expired { .. } => String::new(),
    }
}

/// What stands behind a check: why it failed, or that nothing was asked of it.
fn note(check: Check, rules: &Rules, reason: Option<&Reason>) -> String {
    match reason {
        Some(reason) => format!(": {reason}"),
        None if check == Check::Binding && !rules.expects_binding() => ": any".to_owned(),
        None => String::new(),
    }
}

/// Why a call is decided as it is; `when` says for which instant, as a phrase.
pub fn explain_decision(decision: &Decision, token: Option<TokenId>, tool: &str, when: &str) -> String {
    let code = decision.reason().map_or_else(String::new, |reason| format!(" {}", reason.code()));
    let mut out = format!("{}{code}: {}", decision.verdict().word(), decision.sentence());
    let token = token.map_or_else(|| "no token".to_owned(), |id| format!("token {id}"));
    let who = decision.subject.as_deref().map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
    let _ = write!(out, "\n{token}{who}, tool {}, {when}", text::name(tool, 64));
    for (check, passed) in decision.trace() {
        let _ = write!(out, "\n{} {}", passed.sign(), check.label());
    }
    out
}

/// What a member of a header or a payload is for (RFC 7519 §4.1, RFC 7515 §4.1), and our own two.
pub fn meaning(member: &str) -> Option<&'static str> {
    Some(match member {
        "user_id" => "who it speaks for",
        "permissions" => "what it may do",
        "iat" => "issued at",
        "nbf" => "not valid before",
        "exp" => "dead from then on",
        "jti" => "the token's own number",
        "iss" => "who issued it",
        "aud" => "for whom it is",
        "sub" => "subject",
        "alg" => "how it is signed",
        "typ" => "media type",
        "cty" => "content type",
        "kid" => "names the key",
        "crit" => "extensions that must be understood",
        "jku" | "jwk" | "x5u" | "x5c" => "brings a key; never used",
        _ => return None,
    })
}

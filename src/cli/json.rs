//! JSON for scripts. Its structure is an interface, documented in the docs. The output is ASCII, so that it cannot
//! contain terminal control sequences.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::expect::Expected;
use crate::auth::check::CheckResult;
use crate::auth::inspection::{Document, ReportRow};
use crate::auth::{Check, Decision, Evaluation, Inspection, NumericDate, Reason, Rules, TokenId, leeway};
use crate::text::escape::ascii_json;

/// Prints a value on one line.
pub fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    out.write_all(ascii_json(&serde_json::to_string(value)?).as_bytes())?;
    out.write_all(b"\n")
}

/// An inspected token.
#[derive(Serialize)]
pub struct InspectionJson<'a> {
    token_id: String,
    bytes: usize,
    /// `access`, `id` or `refresh`, if the token can be recognized.
    kind: Option<&'static str>,
    valid: bool,
    verdict: &'static str,
    reason: Option<&'static str>,
    sentence: Option<String>,
    checks: Vec<CheckJson>,
    /// Every failed check except the one that `reason` names.
    also: Vec<CheckJson>,
    /// The found and expected values, whatever else failed.
    compared: Vec<ComparisonJson>,
    /// The user and the claim that names them, as the issuer's mapping finds them; `null` if none of the claims is there.
    user: Option<MappedJson>,
    /// The permissions, each with its claim.
    permissions: Vec<MappedJson>,
    times: Times,
    /// The header as written, including duplicates, and numbers and nesting that JSON value types reject.
    header: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_fault: Option<&'a str>,
    claims: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims_fault: Option<&'a str>,
    findings: Vec<FindingJson>,
}

/// A value and the claim that it comes from.
#[derive(Serialize)]
struct MappedJson {
    name: String,
    claim: String,
}

fn mapped(name: &str, claim: &str) -> MappedJson {
    MappedJson { name: name.to_owned(), claim: claim.to_owned() }
}

/// The user as the issuer's mapping finds them, with the claim.
fn user(judged: &Evaluation) -> Option<MappedJson> {
    judged.user.as_ref().map(|(name, claim)| mapped(name, claim.as_str()))
}

/// The permissions, each with the claim that it comes from.
fn permissions(judged: &Evaluation) -> Vec<MappedJson> {
    judged.permissions.iter().zip(&judged.sources).map(|(name, claim)| mapped(name, claim.as_str())).collect()
}

#[derive(Serialize)]
struct CheckJson {
    check: &'static str,
    /// `null` if it could not be made or was not reached.
    passed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sentence: Option<String>,
}

impl CheckJson {
    fn failed(reason: &Reason) -> Self {
        let (code, sentence) = (Some(reason.code()), Some(reason.to_string()));
        Self { check: reason.check().code(), passed: Some(false), reason: code, sentence }
    }
}

/// A value of the token, and the values that pass.
#[derive(Serialize)]
struct ComparisonJson {
    what: &'static str,
    /// `null` if it could not be compared.
    passed: Option<bool>,
    found: serde_json::Value,
    /// Empty if any value passes.
    wanted: Vec<Arc<str>>,
}

fn compared(inspection: &Inspection, rules: &Rules, now: NumericDate) -> Vec<ComparisonJson> {
    let named = inspection.named();
    let (issuers, audiences) = rules.expected(named.iss.as_deref());
    let row = |row: ReportRow| {
        let (what, found, wanted) = match (row.check, row.label) {
            (Check::Binding, "issuer") => ("issuer", json!(named.iss), issuers.clone()),
            (Check::Binding, _) => ("audience", json!(inspection.audiences(rules)), audiences.to_vec()),
            (Check::Revocation, _) => ("revocation", json!(named.jti), Vec::new()),
            (Check::Time, _) => ("time", json!(row.found), row.wanted.map(Into::into).into_iter().collect()),
            _ => return None,
        };
        Some(ComparisonJson { what, passed: told(row.passed), found, wanted })
    };
    inspection.report(rules, now).into_iter().filter_map(row).collect()
}

#[derive(Serialize)]
struct Times {
    now: Time,
    iat: Option<Time>,
    nbf: Option<Time>,
    exp: Option<Time>,
    leeway: f64,
    /// Seconds until it expires, leeway included; negative afterwards.
    seconds_left: Option<f64>,
}

/// An instant, in two forms.
#[derive(Serialize)]
pub struct Time {
    epoch: serde_json::Value,
    rfc3339: String,
}

impl From<NumericDate> for Time {
    fn from(at: NumericDate) -> Self {
        Self { epoch: at.json_number(), rfc3339: at.rfc3339() }
    }
}

#[derive(Serialize)]
struct FindingJson {
    code: &'static str,
    sentence: String,
}

impl<'a> InspectionJson<'a> {
    /// Describes a token as of `now`.
    pub fn new(inspection: &'a Inspection, rules: &Rules, now: NumericDate) -> Self {
        let judged = &inspection.judged;
        let status = judged.status(now);
        let life = &judged.lifetime;
        let checks = judged.trace(now).into_iter().map(|(check, passed, reason)| CheckJson {
            check: check.code(),
            passed: told(passed),
            reason: reason.as_ref().map(Reason::code),
            sentence: reason.map(|reason| reason.to_string()),
        });
        let found = inspection.findings_at(now).into_iter();
        Self {
            token_id: inspection.id.to_string(),
            bytes: inspection.token.len(),
            kind: judged.kind.map(crate::auth::TokenKind::code),
            valid: matches!(status, crate::auth::TokenStatus::Valid(_)),
            verdict: status.code(),
            reason: status.reason().map(Reason::code),
            sentence: status.reason().map(ToString::to_string),
            checks: checks.collect(),
            also: judged.also(now).iter().map(CheckJson::failed).collect(),
            compared: compared(inspection, rules, now),
            user: user(judged),
            permissions: permissions(judged),
            times: Times {
                now: now.into(),
                iat: life.iat.map(Into::into),
                nbf: life.nbf.map(Into::into),
                exp: life.exp.map(Into::into),
                leeway: rules.leeway.span().as_seconds_f64(),
                seconds_left: life.exp.map(|exp| leeway::remaining(now, exp, life.leeway).as_seconds_f64()),
            },
            header: object(&inspection.header),
            header_fault: inspection.header.fault.as_deref(),
            claims: object(&inspection.payload),
            claims_fault: inspection.payload.fault.as_deref(),
            findings: found.map(|f| FindingJson { code: f.code(), sentence: f.to_string() }).collect(),
        }
    }
}

const fn told(passed: CheckResult) -> Option<bool> {
    match passed {
        CheckResult::Yes => Some(true),
        CheckResult::No => Some(false),
        CheckResult::NotReached => None,
    }
}

/// Returns the text of a token part, if it is a JSON object.
fn object(document: &Document) -> Option<&RawValue> {
    document.fault.is_none().then(|| serde_json::from_str(&document.text).ok()).flatten()
}

/// A decision.
#[derive(Serialize)]
pub struct DecisionJson<'a> {
    decision: String,
    reason: Option<&'static str>,
    sentence: String,
    /// The permission that allows the call.
    by: Option<&'a str>,
    /// The held permission that implies it, if it is a different one.
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<&'a str>,
    subject: Option<&'a str>,
    token_id: Option<String>,
    tool: &'a str,
    judged_for: Time,
    /// The user with the claim that names them, if the token is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<MappedJson>,
    /// The permissions of the token, each with the claim that it comes from, verified or not; absent if the token is not
    /// known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<MappedJson>>,
    checks: Vec<CheckJson>,
    /// The other reasons why the call would be refused.
    also: Vec<CheckJson>,
    /// Why an allowed call failed, or would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<&'a str>,
    /// The expected answer, and whether it was given.
    #[serde(flatten)]
    pub expected: Option<Expected>,
}

impl<'a> DecisionJson<'a> {
    /// Describes a decision made for `now`.
    pub fn new(
        decision: &'a Decision,
        also: &[Reason],
        token: Option<TokenId>,
        tool: &'a str,
        now: NumericDate,
    ) -> Self {
        let checked = |(check, passed): (Check, CheckResult)| CheckJson {
            check: check.code(),
            passed: told(passed),
            reason: None,
            sentence: None,
        };
        Self {
            decision: decision.verdict().word().to_lowercase(),
            reason: decision.reason().map(Reason::code),
            sentence: decision.sentence(),
            by: decision.result.as_ref().ok().map(|grant| &*grant.permission),
            through: decision.result.as_ref().ok().and_then(|grant| grant.through.as_deref()),
            subject: decision.subject.as_deref(),
            token_id: token.map(|id| id.to_string()),
            tool,
            judged_for: now.into(),
            user: None,
            permissions: None,
            checks: decision.trace().map(checked).collect(),
            also: also.iter().map(CheckJson::failed).collect(),
            trouble: None,
            expected: None,
        }
    }

    /// Adds the user and the permissions of the token.
    pub fn with_claims(self, judged: Option<&Evaluation>) -> Self {
        Self { user: judged.and_then(user), permissions: judged.map(permissions), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_ascii_and_says_the_same() {
        let text = "a\u{1b}[31m\u{9b}\u{202e}\u{e0041}é日\u{7f}\n\"\\";
        let mut printed = Vec::new();
        line(&mut printed, &text).expect("a vector takes everything");
        assert!(printed.iter().all(|b| (0x20..0x7f).contains(b) || *b == b'\n'), "{printed:?}");
        assert_eq!(serde_json::from_slice::<String>(&printed).expect("JSON"), text);
    }
}

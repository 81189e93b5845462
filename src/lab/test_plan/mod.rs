//! Test plans: a file of tokens, calls and expected answers, which `portcullis test` runs as one suite.
//!
//! [`TestPlan::parse`] reads the file, and `run` makes the calls through a [`Target`] and returns a report. Both are
//! pure: the command reads files, signs tokens and owns the target, which is our own gate or a foreign server.

mod file;
mod own_gate;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::expected::ExpectedAnswer;
use crate::auth::issue::TimeInput;
use crate::auth::{Algorithm, IssueRequest, NumericDate};
use crate::gate::ports::Arguments;
use crate::text;

pub use super::instant::Instant;
pub use file::{MAX_BYTES, members_markdown};
pub use own_gate::OwnGate;
pub use run::{NoAnswer, ReadyToken, Target, TargetAnswer, TargetCall, run};

/// A test plan.
#[derive(Clone, Debug, PartialEq)]
pub struct TestPlan {
    /// The title of the report.
    pub title: String,
    /// The address of the server to test; `None` for our own gate.
    pub url: Option<Placed<String>>,
    /// The tokens, by their names.
    pub tokens: Vec<PlannedToken>,
    /// The calls and the expected answers.
    pub cases: Vec<PlannedCase>,
    /// What is tested besides the cases.
    pub switches: Switches,
}

/// Tests of the whole target, besides the cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// A tool without a case is a failure.
    pub every_tool_has_a_case: bool,
    /// Every tool is called without a token; a call that is allowed is a failure.
    pub no_anonymous: bool,
}

/// A value, and its position in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    place: Place,
}

/// A position in the file: line and column, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

/// Why a plan cannot be used, and where. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", .place.line, .place.column)]
pub struct PlanError {
    place: Place,
    message: String,
}

impl<T> Placed<T> {
    /// Creates an error about the value.
    pub fn error(&self, message: &impl ToString) -> PlanError {
        PlanError { place: self.place, message: message.to_string() }
    }
}

/// A token of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedToken {
    /// Its name, with which cases refer to it.
    pub name: Placed<String>,
    /// How it is made or where it is read.
    pub source: TokenSource,
}

/// How a token is made, or where it is read.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenSource {
    /// It is signed when the run begins.
    Recipe(Box<Recipe>),
    /// It is read from a file; a relative path starts at the directory of the plan.
    File(PathBuf),
    /// It is the value of this environment variable.
    Variable(String),
    /// It is a token of the test kit, for this user.
    Kit {
        /// The name of its kind, one of those of the kit.
        kind: &'static str,
        /// The user.
        user: String,
        /// The permissions; those that open the first tool if it is `None`.
        permissions: Option<Vec<String>>,
    },
}

/// The claims and the header of a token that the run signs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recipe {
    user: String,
    permissions: Vec<String>,
    expires: Option<TimeInput>,
    has_no_expiry: bool,
    not_before: Option<TimeInput>,
    issued_at: Option<TimeInput>,
    subject: Option<String>,
    jti: Option<String>,
    issuer: Option<String>,
    audiences: Option<Vec<String>>,
    algorithm: Option<Algorithm>,
    kid: Option<String>,
    token_type: Option<String>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// A case: calls with one expected answer. Every token calls every tool.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCase {
    /// The name, unique in the plan.
    pub name: String,
    /// The names of the tokens; `None` is a call without a token.
    pub tokens: Vec<Option<String>>,
    /// The tools.
    pub tools: Vec<Placed<String>>,
    /// The arguments; `None` for an example of the tool's.
    pub arguments: Option<Arguments>,
    /// The instant that the call is judged for; `None` for the beginning of the run.
    pub at: Option<Placed<Instant>>,
    /// The expected answer.
    pub expect: ExpectedAnswer,
}

impl Recipe {
    /// The user of the token.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the request to sign the token. What the recipe leaves open is taken from `usual`.
    pub fn request(&self, usual: IssueRequest, now: NumericDate) -> IssueRequest {
        let usual = match &self.audiences {
            Some(audiences) => IssueRequest {
                audience: audiences.first().cloned(),
                further_audiences: audiences.iter().skip(1).cloned().collect(),
                ..usual
            },
            None => usual,
        };
        let mut header = self.header.clone();
        header.extend(self.kid.iter().map(|kid| ("kid".to_owned(), Value::from(kid.as_str()))));
        IssueRequest {
            user_id: self.user.clone(),
            permissions: self.permissions.clone(),
            expires: self.expires.map(|when| when.from(now)).or(usual.expires),
            has_no_expiry: self.has_no_expiry,
            not_before: self.not_before.map(|when| when.from(now)),
            issued_at: self.issued_at.map(|when| when.from(now)),
            subject: self.subject.clone(),
            jti: self.jti.clone(),
            issuer: self.issuer.clone().or(usual.issuer),
            algorithm: self.algorithm,
            token_type: self.token_type.clone(),
            header,
            extra: self.claims.clone(),
            ..usual
        }
    }
}

impl TestPlan {
    /// Checks that every tool of the cases is one of these. A misspelled name would otherwise look like a tool that is
    /// refused correctly; a case that expects `unknown_tool` may name any.
    pub fn check_tools(&self, known: &[Arc<str>]) -> Result<(), PlanError> {
        for case in self.cases.iter().filter(|case| case.expect.word() != "unknown_tool") {
            if let Some(tool) = case.tools.iter().find(|tool| !known.iter().any(|name| **name == *tool.value)) {
                let name = text::name(&tool.value, 64);
                return Err(tool.error(&match text::nearest(&tool.value, known.iter().map(|name| &**name)) {
                    Some(nearest) => {
                        format!("unknown tool {name}; did you mean {}?", text::name(nearest, 64))
                    }
                    None => format!("unknown tool {name}: the policy has no tools"),
                }));
            }
        }
        Ok(())
    }
}

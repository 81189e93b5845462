//! `portcullis policy check`: tests a policy against its own expectations, for CI.

use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::arguments::PolicyCheckArgs;
use super::matrix::{ABOUT_A_USER, REPEATED, deviation, expectation_case, judged};
use super::paint::{Paint, bad, good, warning as warning_style};
use super::report::Form;
use super::{CliError, Exit, Runner, json};
use crate::auth::policy::{CallerSelector, MAX_BYTES};
use crate::auth::{KeySet, Policy, Rules};
use crate::backend::BuiltIn;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, ConfigError};
use crate::gate::ports::{Backend as _, Catalogue};
use crate::report::{Report, markdown, tap};
use crate::text::{self, words};

#[derive(Serialize)]
struct PolicyReport {
    /// [`Policy::digest`], which evidence names as well.
    policy_sha256: String,
    tools: usize,
    permissions: usize,
    warnings: Vec<Warning>,
    /// The number of expectations that are met.
    held: usize,
    failed: Vec<String>,
    /// The number of expectations about users, which cannot be tested without tokens.
    skipped: usize,
}

#[derive(Serialize)]
struct Warning {
    code: &'static str,
    sentence: String,
}

/// Reads a policy file, reports lints and tests its expectations. If one fails, the exit code is 4.
pub fn check(on: &mut Runner<'_>, args: &PolicyCheckArgs, json: bool, paint: Paint) -> Result<Exit, CliError> {
    let form = args.report.form(json, args.markdown)?;
    let file = &*args.file;
    let policy = if file == Path::new("-") { on.policy()? } else { config::policy(file)? };
    let rules = Rules { policy, ..Rules::new(KeySet::default()) };
    let title = format!("Policy {}", file.to_string_lossy());
    let mut report = Report::new(&title, SystemClock::new().now()).with("sha256", &rules.policy.digest());
    let (mut held, mut failed, mut skipped) = (0, Vec::new(), 0);
    for (line, counts) in rules.policy.counted() {
        let case = expectation_case(line);
        let CallerSelector::Permissions(set) = &line.who else {
            skipped += 1;
            report.add(case.skipped(ABOUT_A_USER));
            continue;
        };
        if !counts {
            report.add(case.skipped(REPEATED));
            continue;
        }
        if rules.policy.tool(&line.tool).is_none() {
            failed.push(rules.policy.failure(line));
            report.add(case.failed("the policy has no such tool"));
            continue;
        }
        let set: Vec<String> = set.iter().map(ToString::to_string).collect();
        let decision = rules.decide_holding(&set, &line.tool);
        match line.outcome.is(decision.verdict()) {
            true => held += 1,
            false => failed.push(deviation(line, &decision)),
        }
        report.add(judged(case, line, &decision));
    }
    let tools = Catalogue::new(BuiltIn.tools());
    let mut lints = rules.policy.lints();
    lints.extend(rules.policy.not_implemented(|tool| tools.find(tool).is_some()));
    let warnings = lints.iter().map(|l| Warning { code: l.code(), sentence: l.to_string() }).collect();
    let (tools, permissions) = (rules.policy.tools().len(), rules.policy.permissions().len());
    let policy_sha256 = rules.policy.digest();
    let checked = PolicyReport { policy_sha256, tools, permissions, warnings, held, failed, skipped };
    on.known = report.verdict().into();
    on.report(&args.report, &report, |out| match form {
        Form::Json => json::line(out, &checked),
        Form::Markdown => write!(out, "{}", markdown(&report)),
        Form::Tap => write!(out, "{}", tap(&report)),
        Form::Text => checked.show(out, file, paint),
    })?;
    Ok(on.known)
}

impl Runner<'_> {
    /// Reads the policy from standard input.
    fn policy(&mut self) -> Result<Arc<Policy>, CliError> {
        let mut source = Vec::new();
        self.input.take(MAX_BYTES as u64 + 1).read_to_end(&mut source)?;
        let policy = Policy::read(&source).map_err(|error| ConfigError::Policy { path: "-".into(), error })?;
        Ok(Arc::new(policy))
    }
}

impl PolicyReport {
    fn show(&self, out: &mut dyn Write, file: &Path, paint: Paint) -> std::io::Result<()> {
        let name = text::name(&file.to_string_lossy(), 200);
        let (tools, permissions) = (words::count(self.tools, "tool"), words::count(self.permissions, "permission"));
        writeln!(out, "{name}: {tools}, {permissions}, sha256 {}", self.policy_sha256)?;
        for warning in &self.warnings {
            writeln!(out, "{} {}", paint.styled("!", warning_style()), warning.sentence)?;
        }
        for failed in &self.failed {
            writeln!(out, "{} {failed}", paint.styled("✘", bad()))?;
        }
        if self.held > 0 {
            writeln!(out, "{} {} met", paint.styled("✔", good()), words::count(self.held, "expectation"))?;
        }
        if self.skipped > 0 {
            let count = words::count(self.skipped, "expectation");
            writeln!(
                out,
                "· {count} about users skipped; to test them, pass tokens to `portcullis matrix --policy {name} -`"
            )?;
        }
        Ok(())
    }
}

//! `portcullis test`: runs a test plan as one suite, with one report.

use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use super::arguments::TestArgs;
use super::paint::{Paint, bad, good, warning};
use super::report::Form;
use super::tokens::Source;
use super::{CliError, Context, Exit, Runner};
use crate::auth::{IssueError, IssueRequest, NumericDate};
use crate::config::{self, ConfigError};
use crate::gate::{Gate, random_number};
use crate::lab::kit::{self, Identity, TestToken};
use crate::lab::score::judged_words;
use crate::lab::test_plan::{
    self, MAX_BYTES, OwnGate, PlanError, PlannedToken, ReadyToken, Switches, Target, TestPlan, TokenSource,
};
use crate::probing::ForeignServer;
use crate::report::{CaseResult, Report, json_lines, markdown, tap};
use crate::target;
use crate::text;

/// Runs a plan. Returns `Exit::Good` if every answer is as expected.
pub fn run(
    on: &mut Runner<'_>,
    args: &TestArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    let form = args.report.form(json, args.markdown)?;
    let plan = on.plan(&args.plan)?;
    let start = context.now();
    let foreign = foreign(on, &plan, args, context)?;
    let is_foreign = foreign.is_some();
    // Another server verifies tokens itself: a key is needed only for those that are signed here.
    let signs = |token: &PlannedToken| matches!(token.source, TokenSource::Recipe(_) | TokenSource::Kit { .. });
    let needs_key = if is_foreign { plan.tokens.iter().any(signs) } else { !plan.tokens.is_empty() };
    let gate = context.gate(needs_key)?;
    let mut target: Box<dyn Target> = match foreign {
        Some(server) => Box::new(ForeignServer::new(server, args.server.bound())?),
        None => own_gate(&plan, &args.plan, &gate, start)?,
    };
    let mut tokens = Tokens { gate: &gate, context, start, is_foreign, kits: Vec::new() };
    let mut ready = Vec::new();
    for token in &plan.tokens {
        ready.push(tokens.make(on, token, &args.plan)?);
    }
    let switches = Switches {
        every_tool_has_a_case: plan.switches.every_tool_has_a_case || args.every_tool_has_a_case,
        no_anonymous: plan.switches.no_anonymous || args.no_anonymous,
    };
    let report = test_plan::run(&plan, switches, &ready, &mut *target, start);
    let report = match is_foreign {
        true => report,
        false => report.with("judged by", &judged_words(&gate.shared().rules().described())),
    };
    on.known = report.verdict().into();
    on.report(&args.report, &report, |out| match form {
        Form::Json => out.write_all(json_lines(&report).as_bytes()),
        Form::Markdown => out.write_all(markdown(&report).as_bytes()),
        Form::Tap => out.write_all(tap(&report).as_bytes()),
        Form::Text => show(out, &report, paint),
    })?;
    Ok(on.known)
}

/// Returns the foreign server that the plan tests, if it does: that of the options, or else that of the plan.
fn foreign(
    on: &mut Runner<'_>,
    plan: &TestPlan,
    args: &TestArgs,
    context: &Context,
) -> Result<Option<target::Target>, CliError> {
    let target = match (args.server.target(context)?, &plan.url) {
        (Some(target), _) => target,
        (None, None) => return Ok(None),
        (None, Some(url)) => {
            if context.is_set() {
                let sentence = "--now cannot be used with a server, which has its own clock";
                return Err(in_plan(&args.plan, url.error(&sentence)));
            }
            let server = target::Target::http("plan", &url.value, Vec::new());
            let server = server.map_err(|error| in_plan(&args.plan, url.error(&error)))?;
            target::Target { ca_file: context.fetching.ca_file.clone(), ..server }
        }
    };
    on.needs_tokens(&target)?;
    if let Some(at) = plan.cases.iter().find_map(|case| case.at.as_ref()) {
        let sentence = "at cannot be used with another server, whose clock cannot be set";
        return Err(in_plan(&args.plan, at.error(&sentence)));
    }
    Ok(Some(target))
}

/// Returns our own gate as the target of a plan.
fn own_gate<'a>(
    plan: &TestPlan,
    path: &Path,
    gate: &'a Gate,
    start: NumericDate,
) -> Result<Box<dyn Target + 'a>, CliError> {
    let tools: Vec<Arc<str>> = gate.shared().rules().policy.tools().iter().map(|tool| Arc::clone(&tool.name)).collect();
    plan.check_tools(&tools).map_err(|error| in_plan(path, error))?;
    Ok(Box::new(OwnGate::new(gate, start)))
}

/// Creates an error about a place in a plan.
fn in_plan(path: &Path, error: PlanError) -> CliError {
    CliError::Plan { path: path.to_owned(), error }
}

impl Runner<'_> {
    /// Reads a plan from a file, or from standard input.
    fn plan(&mut self, path: &Path) -> Result<TestPlan, CliError> {
        const WHAT: &str = "test plan";
        let (source, folder) = match path == Path::new("-") {
            true => {
                let mut source = Vec::new();
                self.input.take(MAX_BYTES as u64 + 1).read_to_end(&mut source)?;
                (source, Path::new(""))
            }
            false => (config::read(WHAT, path, MAX_BYTES)?, path.parent().unwrap_or(Path::new(""))),
        };
        if source.len() > MAX_BYTES {
            let error = io::Error::other(format!("larger than {MAX_BYTES} bytes"));
            return Err(ConfigError::Unreadable { what: WHAT, path: path.to_owned(), error }.into());
        }
        TestPlan::read(&source, folder).map_err(|error| in_plan(path, error))
    }
}

/// Signs and reads the tokens of a plan.
struct Tokens<'a> {
    gate: &'a Gate,
    context: &'a Context,
    start: NumericDate,
    /// Whether the tokens are for another server, which reads the claims that most servers read.
    is_foreign: bool,
    /// The kits made so far: each costs a few keys.
    kits: Vec<(Identity, Vec<TestToken>)>,
}

impl Tokens<'_> {
    fn make(&mut self, on: &mut Runner<'_>, planned: &PlannedToken, plan: &Path) -> Result<ReadyToken, CliError> {
        let wrong = |message: &dyn std::fmt::Display| in_plan(plan, planned.name.error(&message.to_string()));
        let token: Arc<str> = match &planned.source {
            TokenSource::Recipe(recipe) => {
                let usual = self.context.request(recipe.user(), self.start);
                let mut request = recipe.request(usual, self.start);
                if self.is_foreign {
                    add_usual_claims(&mut request);
                }
                let issued = self.gate.issue(&request, self.start);
                issued.map_err(|error| wrong(&error))?
            }
            TokenSource::File(path) => on.some(Source::File(path.clone()))?.into(),
            TokenSource::Variable(name) => {
                let value = std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
                    wrong(&format_args!("the environment variable {} is not set", text::name(name, 64)))
                })?;
                on.some(Source::Text(value))?.into()
            }
            TokenSource::Kit { kind, user, permissions } => {
                let token = self.kit_token(kind, user, permissions.as_deref());
                token.map_err(|error| wrong(&error))?
            }
        };
        match self.context.read_keys(self.gate, Some(&token)) {
            // Another server verifies the token with keys of its own.
            Err(_) if self.is_foreign => {}
            read => read?,
        }
        let lifetime = self.gate.shared().rules().inspect(&*token).judged.lifetime;
        Ok(ReadyToken { name: planned.name.value.clone(), token, lifetime })
    }

    /// Returns the token of this kind from the test kit.
    fn kit_token(&mut self, kind: &str, user: &str, permissions: Option<&[String]>) -> Result<Arc<str>, IssueError> {
        let rules = self.gate.shared().rules();
        let tool = rules.policy.tools().first().map(|tool| tool.name.to_string()).unwrap_or_default();
        let permissions = permissions.map_or_else(|| rules.policy.opening(&tool), <[String]>::to_vec);
        let identity = Identity { user_id: user.to_owned(), permissions };
        if !self.kits.iter().any(|(known, _)| *known == identity) {
            let made = kit::make(&rules, &self.gate.signer()?, &identity, &tool, random_number()?, self.start)?;
            self.kits.push((identity.clone(), made));
        }
        let made = self.kits.iter().find(|(known, _)| *known == identity).map(|(_, made)| made);
        let found = made.and_then(|made| made.iter().find(|token| token.name == kind));
        // The plan names only kinds of the kit.
        Ok(found.map(|token| Arc::clone(&token.token)).unwrap_or_default())
    }
}

/// Adds the claims that most servers read, where the recipe does not set them: `sub`, `client_id` and `scope`.
fn add_usual_claims(request: &mut IssueRequest) {
    let user = request.user_id.clone();
    request.subject.get_or_insert_with(|| user.clone());
    let scope = request.permissions.join(" ");
    for (name, value) in [("client_id", user), ("scope", scope)] {
        if !request.extra.contains_key(name) {
            request.extra.insert(name.to_owned(), value.into());
        }
    }
}

/// Writes the report for people.
fn show(out: &mut dyn Write, report: &Report, paint: Paint) -> io::Result<()> {
    let groups = report.groups();
    let has_several = groups.len() > 1;
    for (name, cases) in groups {
        if has_several {
            writeln!(out, "{}", paint.title(name))?;
        }
        for case in cases {
            let result = case.result();
            let style = match result {
                CaseResult::Passed => good(),
                CaseResult::Failed { .. } => bad(),
                CaseResult::NoVerdict(_) | CaseResult::Skipped(_) => warning(),
            };
            let sign = paint.styled(result.sign(), style);
            match result.message() {
                Some(message) => writeln!(out, "{sign} {}: {message}", case.name())?,
                None => writeln!(out, "{sign} {}", case.name())?,
            }
            for (label, value) in result.details() {
                writeln!(out, "    {} {}", paint.label(label, 12), paint.note(value))?;
            }
        }
    }
    writeln!(out, "{}", paint.title(&format!("{}: {}", report.title(), report.summary())))
}

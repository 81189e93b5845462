//! `portcullis matrix`: the Matrix screen without the console.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};

use anstyle::Style;
use serde::Serialize;

use super::arguments::{MatrixArgs, ReportOptions};
use super::json::{self, Time};
use super::paint::{Paint, of_verdict, warning};
use super::report::Form;
use super::tokens::NO_TOKEN_FOUND;
use super::{CliError, Context, Exit, Runner, server_matrix};
use crate::auth::policy::{CallerSelector, Expectation, ToolRule};
use crate::auth::{Decision, Evaluation, NumericDate, Policy, Reason, Rules, TokenId, Verdict};
use crate::backend::BuiltIn;
use crate::config::ConfigError;
use crate::gate::ports::{Backend as _, Catalogue};
use crate::report::{Case, Report, tap};
use crate::text::{self, escape::markdown};

/// A caller: one row of the table.
pub struct Caller {
    /// The row's name; safe to show.
    pub name: String,
    /// The caller's `user_id`; `None` for a row of permissions.
    user: Option<String>,
    id: Option<TokenId>,
    holds: Credentials,
}

/// A caller's credentials.
enum Credentials {
    Nothing,
    Token(Box<Evaluation>),
    /// A valid token with these permissions and any other claims.
    Permissions(Vec<String>),
}

impl Caller {
    /// Creates the caller without a token.
    pub fn nobody() -> Self {
        Self { name: text::NO_TOKEN.to_owned(), user: None, id: None, holds: Credentials::Nothing }
    }

    fn of(rules: &Rules, token: &str) -> Self {
        let inspection = rules.inspect(token);
        let name = match &inspection.judged.name {
            Some(name) => text::name(name, 64),
            None => format!("token {}", inspection.id),
        };
        let user = inspection.judged.name.clone();
        Self { name, user, id: Some(inspection.id), holds: Credentials::Token(Box::new(inspection.judged)) }
    }

    /// Creates a caller whose token is valid and has these permissions.
    pub fn holding(permissions: &[String]) -> Self {
        let name = match permissions {
            [] => "no permission".to_owned(),
            all => text::names(all.iter(), 64, 8, ", "),
        };
        Self { name, user: None, id: None, holds: Credentials::Permissions(permissions.to_vec()) }
    }

    /// The gate's decision about this caller and a tool.
    pub fn decide(&self, rules: &Rules, tool: &str, now: NumericDate) -> Decision {
        match &self.holds {
            Credentials::Nothing => rules.decide_judged(None, tool, now),
            Credentials::Token(judged) => rules.decide_judged(Some(judged), tool, now),
            Credentials::Permissions(held) => rules.decide_holding(held, tool),
        }
    }

    fn permissions(&self) -> &[String] {
        match &self.holds {
            Credentials::Nothing => &[],
            Credentials::Token(judged) => &judged.permissions,
            Credentials::Permissions(held) => held,
        }
    }

    /// Returns the policy's expectation for this caller and a tool; `None` for a caller without a valid token.
    fn expected<'p>(&self, policy: &'p Policy, tool: &str, now: NumericDate) -> Option<&'p Expectation> {
        let held = match &self.holds {
            Credentials::Nothing => return None,
            Credentials::Token(judged) => judged.held(now)?,
            Credentials::Permissions(held) => held,
        };
        policy.expected(self.user.as_deref(), held, tool)
    }
}

/// One cell: a decision, and the policy's expectation.
struct Cell<'p> {
    decision: Decision,
    /// Whether the call is allowed but the tool is not implemented.
    lacks_tool: bool,
    expected: Option<&'p Expectation>,
}

impl Cell<'_> {
    fn deviates(&self) -> bool {
        self.expected.is_some_and(|line| !line.outcome.is(self.decision.verdict()))
    }

    /// Returns the verdict as one word, with a mark if the tool is not implemented, and one if the policy expects
    /// another verdict.
    fn word(&self) -> String {
        let mut word = self.decision.verdict().word().to_lowercase();
        word.push_str(if self.lacks_tool { "*" } else { "" });
        word.push_str(if self.deviates() { "!" } else { "" });
        word
    }

    fn style(&self) -> Style {
        if self.lacks_tool { warning() } else { of_verdict(self.decision.verdict()) }
    }
}

/// Prints the table. If an expectation fails, the exit code is 4.
pub fn run(
    on: &mut Runner<'_>,
    args: &MatrixArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    if let Some(target) = args.server.target(context)? {
        return server_matrix::run(on, args, context, &target, json, paint);
    }
    if args.yes || args.write_policy.is_some() {
        let option = if args.yes { "--yes" } else { "--write-policy" };
        return Err(CliError::Usage(format!("{option} needs --url or --target")));
    }
    if json && args.csv {
        return Err(CliError::Usage("--json cannot be used with --csv".to_owned()));
    }
    let shape = match args.report.form(json, args.markdown)? {
        Form::Text if args.csv => Shape::Csv,
        Form::Text => Shape::Text,
        Form::Json => Shape::Json,
        Form::Markdown => Shape::Markdown,
        Form::Tap => Shape::Tap,
    };
    let rules = context.rules();
    if args.tokens.is_some() && !context.has_key() {
        return Err(ConfigError::NoSecret.into());
    }
    // An argument that names nothing is reported before anything is printed.
    let source = match args.tokens.as_deref() {
        Some(given) => on.source(Some(given))?,
        None => None,
    };
    let table = Table { rules: &rules, tools: Catalogue::new(BuiltIn.tools()), shape, paint };
    let mut waiting = Vec::new();
    let mut found = Found::new(context.now(), &rules, &args.report);
    if shape != Shape::Text {
        table.head(on.out, 0)?;
    }
    // Only the text table waits for all rows, because it needs the widest name; other formats are written row by row.
    let mut row = |on: &mut Runner<'_>, caller: Caller| -> Result<(), CliError> {
        match shape {
            Shape::Text => waiting.push(caller),
            _ => table.row(on, &caller, context.now(), 0, &mut found)?,
        }
        Ok(())
    };
    row(on, Caller::nobody())?;
    // The keys that were read for one token are used for the next ones.
    let mut known = rules.clone();
    let mut said = HashSet::new();
    let mut has_all = true;
    if let Some(source) = source {
        let passed = on.each(source, |on, token| match token {
            "" => Err(CliError::Usage(NO_TOKEN_FOUND.to_owned())),
            token => {
                known = context.keyed(known.clone(), token)?;
                on.say_unavailable(&known, &mut said);
                row(on, Caller::of(&known, token))
            }
        })?;
        has_all = passed.has_all;
    }
    for permissions in holders(args, &rules.policy) {
        row(on, Caller::holding(&permissions))?;
    }
    if shape == Shape::Text {
        let width = waiting.iter().map(|caller| text::width(&caller.name)).max().unwrap_or(0).min(40);
        table.head(on.out, width)?;
        let now = context.now();
        waiting.iter().try_for_each(|caller| table.row(on, caller, now, width, &mut found))?;
    }
    let policy = &table.rules.policy;
    if on.known == Exit::Good && found.lacks_verdict {
        on.known = Exit::NoVerdict;
    }
    let report = found.finished(policy);
    on.report(&args.report, &report, |out| match shape {
        Shape::Tap => write!(out, "{}", tap(&report)),
        _ => Ok(()),
    })?;
    if args.report.is_set() && report.cases().is_empty() {
        on.say("the report has no cases, because the policy has no expectations ([[expect]])");
    }
    let missing: Vec<&str> =
        policy.tools().iter().map(|tool| &*tool.name).filter(|name| table.tools.lacks(policy, name)).collect();
    if !missing.is_empty() {
        on.say(format_args!(
            "* not implemented here: {}; with stub = true in the policy, the gate answers instead",
            text::names(missing.iter(), 64, 8, ", ")
        ));
    }
    Ok(if has_all { on.known } else { Exit::Trouble })
}

impl Runner<'_> {
    /// Reports the issuers whose keys could not be fetched: once each, by their places.
    fn say_unavailable(&mut self, rules: &Rules, said: &mut HashSet<usize>) {
        for (place, issuer) in rules.issuers.iter().enumerate() {
            if let Some(why) = issuer.keys.unavailable_because().filter(|_| !issuer.keys.is_unread())
                && said.insert(place)
            {
                let name = issuer.name.as_deref().map_or_else(|| "any".to_owned(), |name| text::name(name, 64));
                self.say(format_args!("no keys of issuer {name}, so its tokens are unauthorized: {why}"));
            }
        }
    }
}

/// Returns the permissions of each row that does not come from a token.
fn holders(args: &MatrixArgs, policy: &Policy) -> Vec<Vec<String>> {
    let list = |text: &String| text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(Into::into).collect();
    if args.tokens.is_some() || !args.holders.is_empty() {
        return args.holders.iter().map(list).collect();
    }
    let expected = policy.parts().expectations.iter().filter_map(|line| match &line.who {
        CallerSelector::Permissions(set) => Some(set.iter().map(ToString::to_string).collect()),
        CallerSelector::User(_) => None,
    });
    let alone = policy.permissions().iter().map(|permission| vec![permission.to_string()]);
    let mut known = HashSet::new();
    let is_new = |set: &Vec<String>| known.insert(set.iter().cloned().collect::<BTreeSet<String>>());
    expected.chain(alone).filter(is_new).collect()
}

/// The format of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Json,
    Markdown,
    Csv,
    /// Only the expectations, at the end.
    Tap,
}

struct Table<'a> {
    rules: &'a Rules,
    tools: Catalogue,
    shape: Shape,
    paint: Paint,
}

/// The width of the longest word of a cell, `unauthorized`. Such a cell has no marks, because expectations are about
/// valid tokens.
const WORD: usize = 12;

impl Table<'_> {
    fn names(&self) -> impl Iterator<Item = String> {
        self.rules.policy.tools().iter().map(|tool| text::name(&tool.name, 64))
    }

    /// Writes the line with the tools' names. `width` is that of the callers' names in a text table, in columns.
    fn head(&self, out: &mut dyn Write, width: usize) -> io::Result<()> {
        match self.shape {
            Shape::Json | Shape::Tap => Ok(()),
            Shape::Markdown => {
                let tools: Vec<String> = self.names().map(|tool| markdown(&tool)).collect();
                writeln!(out, "| | {} |\n|---|{}", tools.join(" | "), "---|".repeat(tools.len()))
            }
            Shape::Csv => csv(out, std::iter::once("caller".to_owned()).chain(self.names())),
            Shape::Text => {
                write!(out, "{}", " ".repeat(width))?;
                for tool in self.names() {
                    write!(out, "  {}", self.paint.title(&text::padded(&tool, text::width(&tool).max(WORD))))?;
                }
                writeln!(out)
            }
        }
    }

    /// Writes a caller's line, and its failed expectations to standard error.
    fn row<'f>(
        &'f self,
        on: &mut Runner<'_>,
        caller: &Caller,
        now: NumericDate,
        width: usize,
        found: &mut Found<'f>,
    ) -> io::Result<()> {
        let policy = &self.rules.policy;
        let cell = |tool: &ToolRule| {
            let decision = caller.decide(self.rules, &tool.name, now);
            let lacks_tool = decision.verdict() == Verdict::Allowed && self.tools.lacks(policy, &tool.name);
            Cell { decision, lacks_tool, expected: caller.expected(policy, &tool.name, now) }
        };
        let cells: Vec<Cell<'_>> = policy.tools().iter().map(cell).collect();
        for cell in cells.iter().filter(|cell| cell.deviates()) {
            on.known = Exit::Forbidden;
            if let Some(line) = cell.expected {
                on.say(deviation(line, &cell.decision));
            }
        }
        found.add(caller, &cells);
        if found.is_read {
            match self.print(on.out, caller, &cells, now, width) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe && found.options.junit.is_some() => {
                    found.is_read = false;
                }
                printed => return printed,
            }
        }
        Ok(())
    }

    /// Writes a caller's line.
    fn print(
        &self,
        out: &mut dyn Write,
        caller: &Caller,
        cells: &[Cell<'_>],
        now: NumericDate,
        width: usize,
    ) -> io::Result<()> {
        let policy = &self.rules.policy;
        match self.shape {
            Shape::Tap => Ok(()),
            Shape::Json => json::line(out, &Row::new(caller, cells, policy, &self.tools, now)),
            Shape::Markdown => {
                let words: Vec<String> = cells.iter().map(Cell::word).collect();
                writeln!(out, "| {} | {} |", markdown(&caller.name), words.join(" | "))
            }
            Shape::Csv => csv(out, std::iter::once(caller.name.clone()).chain(cells.iter().map(Cell::word))),
            Shape::Text => {
                write!(out, "{}", text::padded(&caller.name, width))?;
                for (cell, tool) in cells.iter().zip(self.names()) {
                    let word = text::padded(&cell.word(), text::width(&tool).max(WORD));
                    write!(out, "  {}", self.paint.styled(&word, cell.style()))?;
                }
                writeln!(out)
            }
        }
    }
}

/// The cases of the report so far, and the expectations that have applied to a row.
struct Found<'p> {
    report: Report,
    applied: Vec<&'p Expectation>,
    has_expectations: bool,
    /// Whether the keys of any token could not be fetched, so that the policy's expectations of it are not tested.
    lacks_verdict: bool,
    /// Without a report, no cases are collected, so that any number of tokens takes no memory. A file gets every row even
    /// if the reader of standard output closes it early.
    options: &'p ReportOptions,
    /// Whether standard output is still read.
    is_read: bool,
}

impl<'p> Found<'p> {
    fn new(now: NumericDate, rules: &Rules, options: &'p ReportOptions) -> Self {
        let report = Report::new("Matrix", now).with("policy sha256", &rules.policy.digest());
        let has_expectations = !rules.policy.parts().expectations.is_empty();
        Self { report, applied: Vec::new(), has_expectations, lacks_verdict: false, options, is_read: true }
    }

    /// Adds a case for each cell of a row that the policy expects something of. A token whose keys could not be fetched
    /// has no verdict.
    fn add(&mut self, caller: &Caller, cells: &[Cell<'p>]) {
        let unavailable = cells.iter().find_map(|cell| {
            let reason = cell.decision.reason()?;
            matches!(reason, Reason::KeysUnavailable { .. }).then(|| reason.to_string())
        });
        let unavailable = unavailable.filter(|_| self.has_expectations);
        self.lacks_verdict |= unavailable.is_some();
        if !self.options.is_set() {
            return;
        }
        let group = match caller.id {
            Some(id) => format!("{} (token {id})", caller.name),
            None => caller.name.clone(),
        };
        if let Some(why) = unavailable {
            self.report.add(Case::new(&group, "token").without_verdict(&why));
        }
        for (cell, line) in cells.iter().filter_map(|cell| Some((cell, cell.expected?))) {
            self.report.add(judged(Case::new(&group, &line.tool), line, &cell.decision));
            self.applied.push(line);
        }
    }

    /// Returns the report, with the expectations that did not apply to any row.
    fn finished(mut self, policy: &Policy) -> Report {
        for (line, counts) in policy.counted() {
            let why = match (counts, policy.tool(&line.tool)) {
                (false, _) => REPEATED,
                (true, None) => "the policy has no such tool",
                (true, Some(_)) if self.applied.iter().any(|applied| std::ptr::eq(*applied, line)) => continue,
                (true, Some(_)) => "no row is such a caller",
            };
            self.report.add(expectation_case(line).skipped(why));
        }
        self.report
    }
}

/// Why an expectation about a user is not tested without tokens.
pub const ABOUT_A_USER: &str = "about a user; pass tokens to `portcullis matrix` to test it";

/// Why the second of two expectations about the same calls is not tested.
pub const REPEATED: &str = "an earlier expectation is about the same calls";

/// The case of an expectation.
pub fn expectation_case(line: &Expectation) -> Case {
    Case::new(&line.who.to_string(), &line.tool)
}

/// Compares a decision with the policy's expectation.
pub fn judged(case: Case, line: &Expectation, decision: &Decision) -> Case {
    if line.outcome.is(decision.verdict()) {
        return case;
    }
    let got = decision.verdict().word().to_lowercase();
    case.failed(&format!("expected {}, got {got}", line.outcome.word())).with("sentence", &decision.sentence())
}

/// Writes a line of comma-separated values (RFC 4180). A value that a spreadsheet would evaluate as a formula is marked
/// as text.
fn csv(out: &mut dyn Write, values: impl Iterator<Item = String>) -> io::Result<()> {
    let quoted = |text: String| {
        let formula = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        format!("\"{formula}{}\"", text.replace('"', "\"\""))
    };
    write!(out, "{}\r\n", values.map(quoted).collect::<Vec<_>>().join(","))
}

/// Returns a sentence with the expected and the actual decision. Safe to show.
pub fn deviation(line: &Expectation, decision: &Decision) -> String {
    format!("{line}, got {}: {}", decision.verdict().word().to_lowercase(), decision.sentence())
}

#[derive(Serialize)]
struct Row<'a> {
    caller: &'a str,
    token_id: Option<String>,
    permissions: &'a [String],
    judged_for: Time,
    cells: Vec<CellShape<'a>>,
}

#[derive(Serialize)]
struct CellShape<'a> {
    tool: &'a str,
    decision: String,
    reason: Option<&'static str>,
    sentence: String,
    /// Whether an allowed call of the tool gets an answer.
    implemented: bool,
    /// The policy's expectation, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
}

impl<'a> Row<'a> {
    fn new(caller: &'a Caller, cells: &[Cell<'_>], policy: &'a Policy, tools: &Catalogue, now: NumericDate) -> Self {
        let shape = |(cell, tool): (&Cell<'_>, &'a ToolRule)| CellShape {
            tool: &tool.name,
            decision: cell.decision.verdict().word().to_lowercase(),
            reason: cell.decision.reason().map(crate::auth::Reason::code),
            sentence: cell.decision.sentence(),
            implemented: !tools.lacks(policy, &tool.name),
            expected: cell.expected.map(|line| line.outcome.word()),
        };
        Self {
            caller: &caller.name,
            token_id: caller.id.map(|id| id.to_string()),
            permissions: caller.permissions(),
            judged_for: now.into(),
            cells: cells.iter().zip(policy.tools()).map(shape).collect(),
        }
    }
}

//! `portcullis matrix`: the Matrix screen without the console.

use std::io::{self, Write};

use serde::Serialize;

use super::json::{self, Time};
use super::options::MatrixArgs;
use super::paint::{Paint, of_verdict};
use super::{CliError, Exit, Ground, Headless};
use crate::auth::policy::{Expectation, Who};
use crate::auth::{Decision, IssueRequest, Judged, NumericDate, Policy, Rules, TokenId};
use crate::text;

/// Who calls: one row.
pub struct Caller {
    /// What the row is called; safe to show.
    pub name: String,
    id: Option<TokenId>,
    judged: Option<Judged>,
}

impl Caller {
    /// Nobody: a call without a token.
    pub fn nobody() -> Self {
        Self { name: "(no token)".to_owned(), id: None, judged: None }
    }

    fn of(rules: &Rules, token: &str) -> Self {
        let inspection = rules.inspect(token);
        let name = match &inspection.judged.name {
            Some(name) => text::name(name, 64),
            None => format!("token {}", inspection.id),
        };
        Self { name, id: Some(inspection.id), judged: Some(inspection.judged) }
    }

    /// Whoever holds these permissions: a token that says so, judged as any other.
    pub fn holding(rules: &Rules, permissions: &[String], now: NumericDate) -> Result<Self, CliError> {
        let request = IssueRequest {
            user_id: "somebody".to_owned(),
            permissions: permissions.to_vec(),
            issuer: rules.issuer.as_deref().map(Into::into),
            audience: rules.audience.as_deref().map(Into::into),
            ..IssueRequest::default()
        };
        let token = rules.issue(&request, "", now)?;
        let name = match permissions {
            [] => "no permission".to_owned(),
            all => text::names(all.iter(), 64, 8, ", "),
        };
        Ok(Self { name, id: None, judged: Some(rules.inspect(token).judged) })
    }

    /// What the gate says to this caller about a tool.
    pub fn decide(&self, rules: &Rules, tool: &str, now: NumericDate) -> Decision {
        match &self.judged {
            Some(judged) => rules.decide_judged(judged, tool, now),
            None => rules.decide(&crate::auth::Call { token: None, tool }, now),
        }
    }

    fn permissions(&self) -> &[String] {
        self.judged.as_ref().map_or(&[], |judged| &judged.permissions)
    }

    /// What the policy expects of this caller and a tool. Of a caller without a valid token it expects nothing.
    fn expected<'p>(&self, policy: &'p Policy, tool: &str, now: NumericDate) -> Option<&'p Expectation> {
        let judged = self.judged.as_ref()?;
        policy.expected(judged.name.as_deref().unwrap_or_default(), judged.held(now)?, tool)
    }
}

/// One cell: what is decided, and whether that is what the policy expects.
struct Cell<'p> {
    decision: Decision,
    expected: Option<&'p Expectation>,
}

impl Cell<'_> {
    fn deviates(&self) -> bool {
        self.expected.is_some_and(|line| !line.outcome.is(self.decision.verdict()))
    }

    /// The verdict as one word, with a mark where something else is expected.
    fn word(&self) -> String {
        let word = self.decision.verdict().word().to_lowercase();
        if self.deviates() { format!("{word}!") } else { word }
    }
}

/// Shows the table; an expectation that fails is exit 4.
pub fn run(
    on: &mut Headless<'_>,
    args: &MatrixArgs,
    ground: &Ground,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    if json && (args.markdown || args.csv) {
        return Err(CliError::Usage("--json with --markdown or --csv; name one of them".to_owned()));
    }
    let now = ground.now();
    // Rows of permissions are tokens made here; those handed over need the secret they were signed with.
    let rules = if args.tokens.is_some() { ground.rules() } else { ground.rules_of_our_own()? };
    let mut callers = vec![Caller::nobody()];
    if let Some(source) = args.tokens.as_deref().and_then(|given| on.source(Some(given))) {
        if rules.keys.signing().is_none() {
            return Err(crate::config::ConfigError::NoSecret.into());
        }
        let has_all = on.each(source, |_, token| {
            callers.push(Caller::of(&rules, token));
            Ok(())
        })?;
        if !has_all {
            return Err(CliError::Usage("a line was too long to be a token".to_owned()));
        }
    }
    for permissions in holders(args, &rules.policy) {
        callers.push(Caller::holding(&rules, &permissions, now)?);
    }
    let table = Table { rules: &rules, now, callers: &callers };
    match (json, args.markdown, args.csv) {
        (true, ..) => table.json(on.out)?,
        (_, true, _) => table.markdown(on.out)?,
        (_, _, true) => table.csv(on.out)?,
        _ => table.text(on.out, paint)?,
    }
    Ok(if table.deviations(on.err)? { Exit::Forbidden } else { Exit::Good })
}

/// The permissions of each row that is no token.
fn holders(args: &MatrixArgs, policy: &Policy) -> Vec<Vec<String>> {
    let list = |text: &String| text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(Into::into).collect();
    if args.tokens.is_some() || !args.holders.is_empty() {
        return args.holders.iter().map(list).collect();
    }
    let mut expected: Vec<Vec<String>> = Vec::new();
    for line in &policy.parts().expectations {
        if let Who::Permissions(set) = &line.who {
            let set = set.iter().map(ToString::to_string).collect();
            if !expected.contains(&set) {
                expected.push(set);
            }
        }
    }
    match expected.is_empty() {
        true => policy.permissions().iter().map(|permission| vec![permission.to_string()]).collect(),
        false => expected,
    }
}

struct Table<'a> {
    rules: &'a Rules,
    now: NumericDate,
    callers: &'a [Caller],
}

impl<'a> Table<'a> {
    fn tools(&self) -> impl Iterator<Item = &'a str> {
        self.rules.policy.tools().iter().map(|tool| &*tool.name)
    }

    fn cell(&self, caller: &Caller, tool: &str) -> Cell<'a> {
        let decision = caller.decide(self.rules, tool, self.now);
        Cell { decision, expected: caller.expected(&self.rules.policy, tool, self.now) }
    }

    fn text(&self, out: &mut dyn Write, paint: Paint) -> io::Result<()> {
        let names = self.callers.iter().map(|caller| text::width(&caller.name)).max().unwrap_or(0).min(40);
        let tools: Vec<String> = self.tools().map(|tool| text::name(tool, 64)).collect();
        // "unauthorized!" is the widest word there is.
        let widths: Vec<usize> = tools.iter().map(|tool| text::width(tool).max(13)).collect();
        let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(text::width(text)) + 2);
        write!(out, "{}", " ".repeat(names + 2))?;
        for (tool, width) in tools.iter().zip(&widths) {
            write!(out, "{}{}", paint.title(tool), pad(tool, *width))?;
        }
        writeln!(out)?;
        for caller in self.callers {
            let name = text::fit(&caller.name, names);
            write!(out, "{name}{}", pad(&name, names))?;
            for (tool, width) in self.tools().zip(&widths) {
                let cell = self.cell(caller, tool);
                let word = cell.word();
                let gap = pad(&word, *width);
                write!(out, "{}{gap}", paint.styled(&word, of_verdict(cell.decision.verdict())))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let plain = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;");
        let tools: Vec<String> = self.tools().map(|tool| plain(&text::name(tool, 64))).collect();
        writeln!(out, "| | {} |", tools.join(" | "))?;
        writeln!(out, "|---|{}", "---|".repeat(tools.len()))?;
        for caller in self.callers {
            let cells: Vec<String> = self.tools().map(|tool| self.cell(caller, tool).word()).collect();
            writeln!(out, "| {} | {} |", plain(&caller.name), cells.join(" | "))?;
        }
        Ok(())
    }

    fn csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut line = |first: &str, rest: Vec<String>| {
            let all: Vec<String> = std::iter::once(first.to_owned()).chain(rest).map(|text| quoted(&text)).collect();
            write!(out, "{}\r\n", all.join(","))
        };
        line("caller", self.tools().map(|tool| text::name(tool, 64)).collect())?;
        self.callers.iter().try_for_each(|caller| {
            line(&caller.name, self.tools().map(|tool| self.cell(caller, tool).word()).collect())
        })
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        self.callers.iter().try_for_each(|caller| {
            let cells = self.tools().map(|tool| CellShape::new(tool, &self.cell(caller, tool))).collect();
            json::line(
                out,
                &Row {
                    caller: &caller.name,
                    token_id: caller.id.map(|id| id.to_string()),
                    permissions: caller.permissions(),
                    judged_for: self.now.into(),
                    cells,
                },
            )
        })
    }

    /// Tells where the policy does not do what it expects of itself; answers whether there is such a cell.
    fn deviations(&self, err: &mut dyn Write) -> io::Result<bool> {
        let mut any = false;
        for caller in self.callers {
            for tool in self.tools() {
                let cell = self.cell(caller, tool);
                if let Some(line) = cell.expected.filter(|_| cell.deviates()) {
                    any = true;
                    writeln!(err, "portcullis: {}", deviation(line, &cell.decision))?;
                }
            }
        }
        Ok(any)
    }
}

/// A sentence that says what was expected and what is decided. Safe to show.
pub fn deviation(line: &Expectation, decision: &Decision) -> String {
    let tool = text::name(&line.tool, 64);
    let (wanted, found) = (line.outcome.word(), decision.verdict().word().to_lowercase());
    format!("{tool} is expected {wanted} for {}, and is {found}: {}", line.who, decision.sentence())
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
    /// What the policy expects, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
}

impl<'a> CellShape<'a> {
    fn new(tool: &'a str, cell: &Cell<'_>) -> Self {
        Self {
            tool,
            decision: cell.decision.verdict().word().to_lowercase(),
            reason: cell.decision.reason().map(crate::auth::Reason::code),
            sentence: cell.decision.sentence(),
            expected: cell.expected.map(|line| line.outcome.word()),
        }
    }
}

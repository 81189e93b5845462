//! `portcullis matrix --url`: for each token and tool, what the policy predicts and what a foreign server does.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::arguments::MatrixArgs;
use super::paint::{Paint, bad, of_verdict, warning};
use super::probe::wishes;
use super::report::Form;
use super::target::{Caller, block_on};
use super::{CliError, Context, Exit, Runner, json};
use crate::config;
use crate::gate::ports::ToolInfo;
use crate::lab::grid::{Grid, GridCaller, GridCell};
use crate::lab::probe::Model;
use crate::probing::{self, CallerRow};
use crate::report::{ReportVerdict, tap};
use crate::target::{Carriage, Dialect, Target, ToolList, fetch_metadata};
use crate::text::escape::markdown;
use crate::text::{self, padded};

/// The most callers; each has a connection of its own.
const MOST_CALLERS: usize = 200;

/// Prints the matrix of a foreign server.
pub fn run(
    on: &mut Runner<'_>,
    args: &MatrixArgs,
    context: &Context,
    target: &Target,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    if args.csv {
        return Err(CliError::Usage("--csv cannot be used with another server; use --json".to_owned()));
    }
    let form = args.report.form(json, args.markdown)?;
    on.needs_tokens(target)?;
    if let Some(path) = args.write_policy.as_deref().filter(|path| path.exists()) {
        let path = text::name(&path.to_string_lossy(), 200);
        return Err(CliError::Usage(format!("--write-policy: {path} already exists")));
    }
    let callers = callers(on, args, context, target)?;
    let grid = block_on(observe(target, &callers, args, context))??;
    if grid.tools.is_empty()
        && let Some(refused) = grid.callers.iter().find_map(|caller| caller.refused.as_ref())
    {
        on.say(format_args!("no caller can list the tools: {refused}"));
    }
    if let Some(path) = args.write_policy.as_ref().filter(|_| !grid.tools.is_empty()) {
        write_policy(on, path, &grid)?;
    }
    let report = grid.report(&target.place.to_string(), context.now());
    on.known = match report.verdict() {
        ReportVerdict::Failed => Exit::Forbidden,
        _ if grid.tools.is_empty() => {
            grid.callers.iter().find_map(|caller| caller.refused.as_ref()).map_or(Exit::NoVerdict, Exit::of_observation)
        }
        verdict => verdict.into(),
    };
    on.report(&args.report, &report, |out| match form {
        Form::Json => {
            (0..grid.callers.len()).filter_map(|row| grid.row_json(row)).try_for_each(|row| json::line(out, &row))
        }
        Form::Markdown => write_markdown(out, &grid, target),
        Form::Tap => write!(out, "{}", tap(&report)),
        Form::Text => show(out, &grid, paint),
    })?;
    if form == Form::Text && !args.yes && grid.all().any(|(_, _, cell)| cell.word() == "listed") {
        on.say("tools that may change something were not called; --yes calls them with example arguments");
    }
    Ok(on.known)
}

/// The callers: the given tokens, new ones for --as, and one without a token.
fn callers(
    on: &mut Runner<'_>,
    args: &MatrixArgs,
    context: &Context,
    target: &Target,
) -> Result<Vec<Caller>, CliError> {
    let mut callers = Vec::new();
    let given = args.tokens.as_deref();
    if (given.is_some() || args.holders.is_empty())
        && let Some(source) = on.source(given)?
    {
        on.each(source, |_, token| {
            let is_known = callers.iter().any(|caller: &Caller| caller.token.as_deref() == Some(token));
            if token.is_empty() || is_known {
                return Ok(());
            }
            if callers.len() >= MOST_CALLERS {
                return Err(CliError::Usage(format!("expected at most {MOST_CALLERS} tokens for another server")));
            }
            callers.push(Caller::new(Some(token.to_owned()), context));
            Ok(())
        })?;
    }
    if !args.holders.is_empty() {
        let Some(signer) = context.signer() else {
            let wanted = "--as needs the server's secret (--secret-file) or a signing key whose public key it trusts (--signing-key)";
            return Err(CliError::Usage(wanted.to_owned()));
        };
        let metadata = block_on(fetch_metadata(target, None))?;
        for (n, holder) in args.holders.iter().enumerate() {
            let permissions: Vec<String> = text::separated(holder, ',').map(|name| name.trim().to_owned()).collect();
            let user = format!("caller{}", n + 1);
            let model = wishes(context, target, metadata.as_ref(), &user, &permissions, |wanted| {
                Model::of_wishes(wanted, signer, context.now())
            });
            let model = model.map_err(|error| CliError::Usage(error.to_string()))?;
            callers.push(Caller::new(Some(model.good), context));
        }
    }
    callers.push(Caller::new(None, context));
    Ok(callers)
}

/// Lists the tools as every caller sees them, then calls them.
async fn observe(target: &Target, callers: &[Caller], args: &MatrixArgs, context: &Context) -> Result<Grid, CliError> {
    let bound = args.server.bound();
    let mut dialect = Dialect::Auto;
    let mut seen: Vec<(Carriage, CallerRow)> = Vec::new();
    let mut all = ToolList::default();
    for caller in callers {
        let carriage = caller.carriage();
        let row = probing::list(target, &carriage, &mut dialect, bound).await?;
        if let Some(listed) = &row.listed {
            all.add(listed.clone());
        }
        seen.push((carriage, row));
    }
    let chosen: Vec<ToolInfo> = all.tools.iter().filter(|tool| tool.reads_only || args.yes).cloned().collect();
    for (carriage, row) in &mut seen {
        probing::call_each(target, carriage, &dialect, &chosen, bound, row).await?;
    }
    let mut tools: Vec<Arc<str>> = all.tools.iter().map(|tool| Arc::clone(&tool.name)).collect();
    // A tool of the given policy that no caller sees gets a column too, without a verdict.
    if !context.policy_path.is_empty() && !tools.is_empty() {
        let policy = context.rules().policy;
        let missing = policy.tools().iter().map(|rule| &rule.name).filter(|name| !all.has(name));
        tools.extend(missing.cloned());
    }
    let now = context.now();
    let cells = |caller: &Caller, row: &CallerRow| -> Vec<GridCell> {
        let cell = |tool: &Arc<str>| GridCell {
            prediction: caller.prediction(tool, now).map(|decision| decision.verdict()),
            ..row.cell(tool)
        };
        tools.iter().map(cell).collect()
    };
    let rows = callers.iter().zip(&seen).map(|(caller, (_, row))| (described(caller, row), cells(caller, row)));
    let (callers, cells) = rows.unzip();
    Ok(Grid { callers, tools, cells })
}

fn described(caller: &Caller, row: &CallerRow) -> GridCaller {
    let judged = caller.inspection.as_ref().map(|inspection| &inspection.judged);
    let permissions = caller.permissions();
    let name = match (judged.and_then(|judged| judged.name.as_deref()), caller.token_id()) {
        (Some(name), _) if permissions.is_empty() => text::name(name, 48),
        (Some(name), _) => {
            format!("{} ({})", text::name(name, 32), text::names(permissions.iter(), 24, 3, ", "))
        }
        (None, Some(id)) => format!("token {id}"),
        (None, None) => text::NO_TOKEN.to_owned(),
    };
    GridCaller {
        name,
        user: judged.and_then(|judged| judged.name.clone()),
        permissions,
        id: caller.token_id(),
        refused: row.refused.clone(),
    }
}

fn write_policy(on: &mut Runner<'_>, path: &Path, grid: &Grid) -> Result<(), CliError> {
    let (policy, left_out) = grid.policy().map_err(|error| CliError::Usage(error.to_string()))?;
    config::save_policy(path, &policy, None)?;
    let expectations = policy.parts().expectations.len();
    on.say(format_args!(
        "wrote {} with {} and {}; check it with: portcullis policy check {}",
        text::name(&path.to_string_lossy(), 200),
        text::words::count(policy.tools().len(), "tool"),
        text::words::count(expectations, "expectation"),
        text::name(&path.to_string_lossy(), 200),
    ));
    for sentence in left_out {
        on.say(format_args!("not in the policy: {sentence}"));
    }
    Ok(())
}

/// A cell in words: what was observed, and what was predicted if it differs.
fn words(cell: &GridCell) -> String {
    match cell.prediction.filter(|_| cell.differs()) {
        Some(predicted) => format!("{} ≠ {}", cell.word(), predicted.word().to_lowercase()),
        None => cell.word().to_owned(),
    }
}

fn show(out: &mut dyn Write, grid: &Grid, paint: Paint) -> io::Result<()> {
    let width = grid.callers.iter().map(|caller| text::width(&caller.name)).max().unwrap_or(0).min(40);
    let columns: Vec<usize> = (0..grid.tools.len())
        .map(|n| {
            let cells = grid.cells.iter().filter_map(|row| row.get(n)).map(|cell| text::width(&words(cell)));
            let name = grid.tools.get(n).map_or(0, |tool| text::width(&text::name(tool, 32)));
            cells.chain([name]).max().unwrap_or(0)
        })
        .collect();
    let head: Vec<String> =
        grid.tools.iter().zip(&columns).map(|(tool, width)| padded(&text::name(tool, 32), *width)).collect();
    writeln!(out, "{}  {}", padded("", width), paint.title(&head.join("  ")))?;
    for (caller, row) in grid.callers.iter().zip(&grid.cells) {
        write!(out, "{}", padded(&text::fit(&caller.name, width), width))?;
        for (cell, width) in row.iter().zip(&columns) {
            let style = match cell.verdict() {
                _ if cell.differs() => bad(),
                Some(verdict) => of_verdict(verdict),
                None => warning(),
            };
            write!(out, "  {}", paint.styled(&padded(&words(cell), *width), style))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", paint.title(&grid.summary()))?;
    if grid.differences() > 0 {
        writeln!(out, "a cell shows what the server did ≠ what the policy predicts")?;
    }
    Ok(())
}

fn write_markdown(out: &mut dyn Write, grid: &Grid, target: &Target) -> io::Result<()> {
    let tools: Vec<String> = grid.tools.iter().map(|tool| markdown(&text::name(tool, 64))).collect();
    writeln!(out, "| | {} |\n|---|{}", tools.join(" | "), "---|".repeat(tools.len()))?;
    for (caller, row) in grid.callers.iter().zip(&grid.cells) {
        let cells: Vec<String> =
            row.iter().map(|cell| if cell.differs() { format!("**{}**", words(cell)) } else { words(cell) }).collect();
        writeln!(out, "| {} | {} |", markdown(&caller.name), cells.join(" | "))?;
    }
    writeln!(out, "\n{}, at {}", grid.summary(), markdown(&target.place.to_string()))
}

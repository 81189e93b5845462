//! What the drills of our own gate and of a foreign server have in common: the token of the command and the results.

use std::io::{self, Write};

use super::arguments::DrillArgs;
use super::paint::{Paint, bad, good};
use super::report::Form;
use super::{CliError, Exit, Runner, json};
use crate::auth::NumericDate;
use crate::lab::drill::DrillResult;
use crate::lab::evidence::drill_markdown;
use crate::report::{Report, tap};
use crate::text;

/// Returns the token that is drilled if no new one is asked for.
pub fn drilled_token(on: &mut Runner<'_>, token: Option<&str>) -> Result<String, CliError> {
    let source = on.source(token)?.ok_or_else(|| {
        CliError::Usage(
            "no token; pass TOKEN, - (standard input) or @FILE, set PORTCULLIS_TOKEN, or use --ttl to drill a new one"
                .to_owned(),
        )
    })?;
    on.some(source)
}

/// Writes the results, and returns the exit code that they mean.
pub fn conclude(
    on: &mut Runner<'_>,
    args: &DrillArgs,
    found: &DrillResult,
    report: &Report,
    form: Form,
    paint: Paint,
) -> Result<Exit, CliError> {
    on.known = report.verdict().into();
    on.report(&args.report, report, |out| match form {
        Form::Json => json::line(out, &found.json()),
        Form::Markdown => write!(out, "{}", drill_markdown(found)),
        Form::Tap => write!(out, "{}", tap(report)),
        Form::Text => show(out, found, paint),
    })?;
    Ok(on.known)
}

/// Writes the results for people.
fn show(out: &mut dyn Write, found: &DrillResult, paint: Paint) -> io::Result<()> {
    let DrillResult { subject, report, .. } = found;
    let verdict = report.verdict();
    let (word, rest) = verdict.split_at_checked("PASSED".len()).unwrap_or((&verdict, ""));
    writeln!(out, "{}{rest}", paint.styled(word, if report.passed() { good() } else { bad() }))?;
    let (tool, calls) = (text::name(&subject.tool, 64), text::words::count(report.calls, "call"));
    writeln!(out, "token {} ({}), tool {tool}, {}, {calls}", subject.id, subject.name, report.plan)?;
    for (label, said) in report.lines(NumericDate::rfc3339) {
        writeln!(out, "  {} {said}", paint.label(label, 14))?;
    }
    Ok(())
}

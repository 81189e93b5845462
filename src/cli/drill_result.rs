//! The results of a drill as text, of our own gate and of a foreign server.

use std::io::{self, Write};

use super::paint::{Paint, bad, good};
use crate::auth::NumericDate;
use crate::lab::drill::DrillResult;
use crate::text;

/// Writes the results for people.
pub fn show(out: &mut dyn Write, found: &DrillResult, paint: Paint) -> io::Result<()> {
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

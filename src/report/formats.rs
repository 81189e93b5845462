//! The text formats of a report: TAP 14, Markdown and JSON Lines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Case, CaseResult, Report, ReportVerdict};
use crate::auth::date::twice;
use crate::text::escape::{self, ascii_json};

/// Formats a report as TAP version 14. A case without a verdict is `not ok`, because TAP has no other word, and its
/// diagnosis says so.
pub fn tap(report: &Report) -> String {
    let mut out = String::from("TAP version 14\n");
    match report.cases.len() {
        0 => out.push_str("1..0 # SKIP no cases\n"),
        all => _ = writeln!(out, "1..{all}"),
    }
    let _ = writeln!(out, "# {}", report.title);
    for (name, value) in &report.properties {
        let _ = writeln!(out, "# {name}: {value}");
    }
    for (number, case) in (1..).zip(&report.cases) {
        let ok = if matches!(case.result, CaseResult::Passed | CaseResult::Skipped(_)) { "ok" } else { "not ok" };
        let name = tap_text(&format!("{}: {}", case.group, case.name));
        let _ = write!(out, "{ok} {number} - {name}");
        match &case.result {
            CaseResult::Passed => out.push('\n'),
            CaseResult::Skipped(why) => _ = writeln!(out, " # SKIP {}", tap_text(why)),
            CaseResult::Failed { message, details } => diagnosis(&mut out, message, "fail", details),
            CaseResult::NoVerdict(why) => diagnosis(&mut out, why, "error", &[]),
        }
    }
    let _ = writeln!(out, "# {}", report.summary());
    out
}

/// Escapes the characters that mean something in a description.
fn tap_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}

/// Writes the YAML block of a case that is not ok. A JSON string is also a string of YAML.
fn diagnosis(out: &mut String, message: &str, severity: &str, details: &[(&'static str, String)]) {
    let quoted = |text: &str| ascii_json(&Value::from(text).to_string()).into_owned();
    let _ = write!(out, "\n  ---\n  message: {}\n  severity: {severity}\n", quoted(message));
    for (label, value) in details {
        let _ = writeln!(out, "  {}: {}", quoted(label), quoted(value));
    }
    out.push_str("  ...\n");
}

/// Formats a report as Markdown for a ticket.
pub fn markdown(report: &Report) -> String {
    let word = match report.verdict() {
        ReportVerdict::Passed => "PASSED",
        ReportVerdict::Failed => "FAILED",
        ReportVerdict::NoVerdict => "NO VERDICT",
    };
    let mut out =
        format!("### {}: {word}\n\n{}, {}", escape::markdown(&report.title), report.summary(), report.at.rfc3339());
    for (name, value) in &report.properties {
        let _ = write!(out, ", {name} {}", escape::markdown(value));
    }
    out.push_str("\n\n| | group | case | result |\n|---|---|---|---|\n");
    for case in &report.cases {
        let word = case.result.message().unwrap_or(case.result.code());
        let parts = std::iter::once(word.to_owned());
        let details = case.result.details().iter().map(|(label, value)| format!("{label}: {value}"));
        let result: Vec<String> = parts.chain(details).map(|text| escape::markdown(&text)).collect();
        let cells = [escape::markdown(&case.group), escape::markdown(&case.name), result.join("; ")];
        let _ = writeln!(out, "| {} | {} |", case.result.sign(), cells.join(" | "));
    }
    out
}

/// Formats a report as JSON Lines: an object for each case, and at the end one for the whole.
pub fn json_lines(report: &Report) -> String {
    let properties: serde_json::Map<String, Value> =
        report.properties.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    let whole = json!({
        "kind": "report",
        "title": report.title,
        "at": twice(report.at),
        "properties": properties,
        "cases": report.cases.len(),
        "passed": report.passed(),
        "failed": report.failed(),
        "no_verdict": report.without_verdict(),
        "skipped": report.skipped(),
    });
    report.cases.iter().map(case_json).chain([whole]).fold(String::new(), |mut out, line| {
        out.push_str(&ascii_json(&line.to_string()));
        out.push('\n');
        out
    })
}

fn case_json(case: &Case) -> Value {
    let details: serde_json::Map<String, Value> =
        case.result.details().iter().map(|(label, value)| ((*label).to_owned(), Value::from(value.as_str()))).collect();
    json!({
        "kind": "case",
        "group": case.group,
        "name": case.name,
        "result": case.result.code(),
        "message": case.result.message(),
        "details": details,
        "took": case.took.map(|took| took.as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;
    use crate::auth::NumericDate;

    #[test]
    fn tap_numbers_every_case_and_explains_those_that_are_not_ok() {
        let wanted = r#"TAP version 14
1..4
# Orders
# judged by: leeway 5s
ok 1 - reads: case 0
not ok 2 - reads: case 1
  ---
  message: "expected forbidden, got allowed"
  severity: fail
  "tool": "read_data"
  ...
not ok 3 - reads: case 2
  ---
  message: "connection refused"
  severity: error
  ...
ok 4 - reads: case 3 # SKIP no row
# 4 cases: 1 passed, 1 failed, 1 without a verdict, 1 skipped
"#;
        assert_eq!(tap(&report("pfns")), wanted);
        assert!(tap(&report("")).contains("1..0 # SKIP no cases\n"));
    }

    #[test]
    fn a_name_cannot_pose_as_a_directive() {
        let mut report = Report::new("t", NumericDate::from_seconds(0));
        report.add(Case::new("g", "a # SKIP \\ b").failed("x"));
        assert!(tap(&report).contains("not ok 1 - g: a \\# SKIP \\\\ b\n"), "{}", tap(&report));
    }

    #[test]
    fn markdown_names_the_verdict_first() {
        let text = markdown(&report("pf"));
        assert!(text.starts_with("### Orders: FAILED\n\n2 cases: 1 passed, 1 failed, 2026-11-22T20:40:00Z"), "{text}");
        assert!(text.contains("| ✘ | reads | case 1 | expected forbidden, got allowed; "), "{text}");
    }

    #[test]
    fn every_line_of_json_is_an_object() {
        let text = json_lines(&report("pfns"));
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let results: Vec<&str> = lines.iter().filter_map(|line| line["result"].as_str()).collect();
        assert_eq!(results, ["passed", "failed", "no_verdict", "skipped"]);
        assert_eq!((&lines[1]["details"]["tool"], &lines[4]["no_verdict"]), (&json!("read_data"), &json!(1)));
    }
}

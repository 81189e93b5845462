//! Evidence for a ticket: a summary with commands to repeat it, then calls, a drill and a scorecard, as Markdown or
//! JSON Lines. Tokens are identified by token ID and `jti`, and never shown.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::drill::{DrillResult, Pace};
use super::redacted::redacted;
use super::score::Scorecard;
use crate::auth::date::twice;
use crate::auth::{Leeway, NumericDate, Rules, TokenId, Verdict};
use crate::gate::Record;
use crate::gate::activity::{Excerpt, Origin};
use crate::text::escape::{ascii_json, markdown};
use crate::text::words::{exact, took, with_sign};
use crate::text::{self, Span, display_safe};

/// The contents of evidence. Its creator states the rules that it was judged by.
pub struct Evidence<'a> {
    /// When it is written.
    pub at: NumericDate,
    /// The time of the clock that decisions use, if it is not the real time.
    pub clock: Option<NumericDate>,
    /// The settings that everything is judged by, in words; safe to show.
    pub judged_by: Vec<String>,
    /// The [`Policy::digest`](crate::auth::Policy::digest) of the current policy.
    pub policy: String,
    /// Command-line options that make decisions the same, as returned by [`options`].
    pub options: Vec<String>,
    /// The number of older calls that are left out.
    pub left_out: usize,
    /// The calls, oldest first.
    pub calls: Vec<Arc<Record>>,
    /// The results of the last drill.
    pub drill: Option<&'a DrillResult>,
    /// The results of the last run of the test tokens.
    pub card: Option<&'a Scorecard>,
    /// Returns the `jti` of a token, if it is known.
    pub jti: &'a dyn Fn(TokenId) -> Option<String>,
}

/// Whether a call is one of the many that a drill or the test kit makes.
fn is_series(record: &Record) -> bool {
    matches!(record.origin, Origin::Drill | Origin::Kit)
}

/// The most calls for which a command is included.
const AGAIN: usize = 5;

/// The format of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Form {
    Markdown,
    JsonLines,
}

/// The version of the program that writes the evidence.
const VERSION: &str = concat!("portcullis ", env!("CARGO_PKG_VERSION"));

/// A row of the summary.
struct Summed {
    what: &'static str,
    expected: String,
    actual: String,
    /// `None` if there was no expectation.
    passed: Option<bool>,
}

/// Returns the command-line options that make decisions like these rules. `policy_file` is empty for the built-in
/// policy.
pub fn options(rules: &Rules, policy_file: &str) -> Vec<String> {
    let mut options = Vec::new();
    if rules.leeway != Leeway::NONE {
        options.push(format!("--leeway {}s", rules.leeway.span().as_seconds_f64()));
    }
    options.extend(rules.issuer().map(|issuer| format!("--issuer {}", shell(issuer))));
    options.extend(rules.audience().map(|audience| format!("--audience {}", shell(audience))));
    if !policy_file.is_empty() {
        options.push(format!("--policy {}", shell(policy_file)));
    }
    options
}

/// Quotes a word for a shell. Foreign text is made safe first.
fn shell(word: &str) -> String {
    let word = display_safe(&redacted(word), 512);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '=');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Evidence<'_> {
    /// Whether it contains neither calls nor results.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.drill.is_none() && self.card.is_none()
    }

    /// Returns the expected and the actual result, in a row for each part.
    fn summary(&self) -> Vec<Summed> {
        let drill = self.drill.map(|DrillResult { report, .. }| Summed {
            what: "expiry drill",
            expected: format!("refused from {}", report.expected().rfc3339()),
            actual: report.verdict(),
            passed: Some(report.passed()),
        });
        let card = self.card.map(|card| Summed {
            what: "test tokens",
            expected: format!("{0} of {0} as expected", card.lines.len()),
            actual: card.summary(),
            passed: Some(card.passed()),
        });
        let plain = self.calls.iter().filter(|record| !is_series(record));
        let mut words: Vec<(String, usize)> = Vec::new();
        for record in plain {
            let word = record.answered.word().to_lowercase();
            match words.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => words.push((word, 1)),
            }
        }
        let told: Vec<String> = words.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let calls = (!told.is_empty()).then(|| Summed {
            what: "calls",
            expected: "nothing in particular".to_owned(),
            actual: told.join(", "),
            passed: None,
        });
        drill.into_iter().chain(card).chain(calls).collect()
    }

    /// Returns the commands that repeat everything. They do not contain tokens, but read `PORTCULLIS_TOKEN`.
    fn commands(&self) -> Vec<String> {
        let options = self.options.iter().fold(String::new(), |all, option| all + " " + option);
        let mut commands = Vec::new();
        if let Some(DrillResult { subject, report, .. }) = self.drill {
            let pace = match (report.plan.pace, report.plan.fine) {
                (Pace::Shifted, _) => " --shifted",
                (Pace::Real, true) => " --fine",
                (Pace::Real, false) => "",
            };
            let every = exact(report.plan.every).replace(' ', "");
            let tool = shell(&subject.tool);
            commands.push(format!("portcullis{options} drill{pace} --every {every} {tool}  # token {}", subject.id));
        }
        if let Some(card) = self.card {
            commands.push(format!("portcullis{options} testkit --run --tool {}", shell(&card.tool)));
        }
        let mut calls: Vec<String> = Vec::new();
        for record in self.calls.iter().rev().filter(|record| record.is_call && !is_series(record)) {
            let token = match record.token_id {
                Some(id) => format!("{}  # token {id}", shell(&record.tool.to_string())),
                None => format!("--no-token {}", shell(&record.tool.to_string())),
            };
            let command = format!("portcullis{options} --now {} check {token}", record.judged_at.rfc3339());
            if calls.len() < AGAIN && !calls.contains(&command) {
                calls.push(command);
            }
        }
        commands.extend(calls.into_iter().rev());
        commands
    }

    /// Formats the evidence, with a line break at the end.
    pub fn written(&self, form: Form) -> String {
        match form {
            Form::Markdown => self.markdown(),
            Form::JsonLines => self.json_lines(),
        }
    }

    /// Formats it for people: a heading, and a table for each part.
    fn markdown(&self) -> String {
        let mut out = format!("## Evidence of {}\n", self.at.rfc3339());
        let _ = writeln!(out, "\n{VERSION}, policy sha256 `{}`\n", self.policy);
        out.push_str("| | expected | actual | passed |\n|---|---|---|---|\n");
        for Summed { what, expected, actual, passed } in self.summary() {
            let passed = passed.map_or("–", |passed| if passed { "✔ yes" } else { "✘ no" });
            row(&mut out, &[what.to_owned(), expected, actual, passed.to_owned()]);
        }
        if let Some(clock) = self.clock {
            let by = with_sign(clock.since(self.at), exact);
            let _ = writeln!(out, "\n**The clock was not the real one**: it showed {} ({by}).", clock.rfc3339());
        }
        if !self.judged_by.is_empty() {
            let _ = writeln!(out, "\nNow judged by: {}", markdown(&self.judged_by.join(", ")));
        }
        let commands = self.commands();
        if !commands.is_empty() {
            let _ = writeln!(
                out,
                "\nTo run it again, with the secret in `PORTCULLIS_SECRET` and the token in `PORTCULLIS_TOKEN`:\n\n\
                 ```sh\n{}\n```",
                commands.join("\n")
            );
        }
        if let Some(found) = self.drill {
            out = out + "\n" + &drill_markdown(found);
        }
        if let Some(card) = self.card {
            out = out + "\n" + &card_markdown(card);
        }
        let (drilled, calls): (Vec<&Record>, Vec<&Record>) =
            self.calls.iter().map(|record| &**record).partition(|record| is_series(record));
        if !calls.is_empty() {
            out.push_str("\n### Calls\n\n");
            self.calls_markdown(&mut out, &calls);
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "\n{} older calls are left out.", self.left_out);
        }
        // A drill and the test tokens make dozens of calls, which would hide the others.
        if !drilled.is_empty() {
            let count = text::words::count(drilled.len(), "call");
            let _ = writeln!(out, "\n<details><summary>{count} of drills and test tokens</summary>\n");
            self.calls_markdown(&mut out, &drilled);
            out.push_str("\n</details>\n");
        }
        out
    }

    fn calls_markdown(&self, out: &mut String, records: &[&Record]) {
        out.push_str("| time | judged for | by | token | jti | user | tool | decision | reason | why | took |\n");
        out.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
        for record in records {
            let judged = match record.judged_at == record.at {
                true => "real time".to_owned(),
                false => record.judged_at.rfc3339(),
            };
            let id = record.token_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
            let jti = record.token_id.and_then(self.jti).unwrap_or_default();
            let answered = &record.answered;
            let cells = [
                record.at.rfc3339(),
                judged,
                record.from(),
                id,
                text::name(&jti, 64),
                answered.subject().map(|name| text::name(name, 64)).unwrap_or_default(),
                text::name(&record.tool, 64),
                answered.word().to_owned(),
                answered.code().to_owned(),
                record.why(),
                took(record.took),
            ];
            row(out, &cells);
        }
    }

    /// Formats it for scripts: one object per line, each with its `kind`.
    fn json_lines(&self) -> String {
        let head = json!({
            "at": twice(self.at),
            "clock": self.clock.map(twice),
            "judged_by": self.judged_by,
            "left_out": self.left_out,
            "version": VERSION,
            "policy_sha256": self.policy,
            "summary": self.summary().iter().map(Summed::json).collect::<Vec<_>>(),
            "commands": self.commands(),
        });
        let calls =
            self.calls.iter().map(|record| ("call", call_json(record, record.token_id.and_then(self.jti).as_deref())));
        let found = self.drill.map(|found| ("drill", found.json()));
        let lines = self.card.into_iter().flat_map(|card| card.lines.iter().map(|line| ("test", line.json(card))));
        let all = std::iter::once(("evidence", head)).chain(found).chain(lines).chain(calls);
        all.fold(String::new(), |mut out, (kind, value)| {
            out.push_str(&json_line(kind, value));
            out
        })
    }
}

impl Summed {
    fn json(&self) -> Value {
        json!({ "what": self.what, "expected": self.expected, "actual": self.actual, "passed": self.passed })
    }
}

/// Formats an object on one line, with its kind first.
pub fn json_line(kind: &str, value: Value) -> String {
    let mut line = json!({ "kind": kind });
    if let (Value::Object(line), Value::Object(members)) = (&mut line, value) {
        line.extend(members);
    }
    ascii_json(&line.to_string()).into_owned() + "\n"
}

/// Formats a call or another request as JSON. `jti` is that of its token, if it is known.
pub fn call_json(record: &Record, jti: Option<&str>) -> Value {
    let answered = &record.answered;
    let (tool, method) = if record.is_call { (Some(&record.tool), None) } else { (None, Some(&record.tool)) };
    let asked = |text: Option<&Excerpt>| text.map(|text| redacted(&text.to_string()));
    json!({
        "at": twice(record.at),
        "judged_for": twice(record.judged_at),
        "real_time": record.judged_at == record.at,
        "origin": record.origin.word(),
        "client": record.client,
        "peer": record.peer,
        "token_id": record.token_id.map(|id| id.to_string()),
        "jti": jti,
        "subject": answered.subject().map(redacted),
        "tool": asked(tool),
        "method": asked(method),
        "arguments": redacted(&record.arguments.to_string()),
        "answer": redacted(&record.answer.to_string()),
        "decision": answered.word().to_lowercase(),
        "reason": Some(answered.code()).filter(|_| answered.verdict() != Some(Verdict::Allowed)),
        "sentence": redacted(&answered.sentence()),
        "trouble": record.trouble.as_deref().map(redacted),
        "skipped": record.skipped,
        "took": Span::from(record.took).as_seconds_f64(),
    })
}

/// Returns the settings that something was judged by, in words.
fn judged_words(judged_by: &[String]) -> String {
    if judged_by.is_empty() { "exp and nbf as they are".to_owned() } else { judged_by.join(", ") }
}

/// Formats a drill as Markdown.
pub fn drill_markdown(found: &DrillResult) -> String {
    let DrillResult { subject, report, at, judged_by } = found;
    let word = if report.passed() { "PASSED" } else { "FAILED" };
    let mut out = format!("### Expiry drill: {word}\n\n| | |\n|---|---|\n");
    let jti = subject.jti.as_deref().map_or_else(|| "none".to_owned(), |jti| text::name(jti, 64));
    let rows = [
        ("verdict", report.verdict()),
        ("token", format!("{}, jti {jti}, {}", subject.id, subject.name)),
        ("tool", text::name(&subject.tool, 64)),
        ("judged by", judged_words(judged_by)),
        ("made", format!("{}, {}, ended {}", report.plan, text::words::count(report.calls, "call"), at.rfc3339())),
    ];
    let lines = report.lines(NumericDate::rfc3339);
    for (label, said) in rows.into_iter().chain(lines) {
        row(&mut out, &[label.to_owned(), said]);
    }
    out
}

/// Formats a scorecard as Markdown.
pub fn card_markdown(card: &Scorecard) -> String {
    let (tool, at) = (markdown(&text::name(&card.tool, 64)), card.at.rfc3339());
    let mut out = format!(
        "### Test tokens: {}\n\nTool {tool}, tokens for {}, judged for {at}, by {}.\n\n",
        card.summary(),
        markdown(&card.made_for),
        markdown(&judged_words(&card.judged_by)),
    );
    out.push_str("| | test token | token | jti | expected | came | answer |\n|---|---|---|---|---|---|---|\n");
    for line in &card.lines {
        let cells = [
            if line.passed() { "✔" } else { "✘" }.to_owned(),
            line.name.to_owned(),
            line.token_id.to_string(),
            line.jti.clone(),
            line.expected.to_owned(),
            line.came.code.clone(),
            line.came.answer.clone(),
        ];
        row(&mut out, &cells);
    }
    out
}

fn row(out: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|text| markdown(&display_safe(&redacted(text), 512))).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

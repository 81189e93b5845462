//! Evidence for a ticket: a summary with commands to repeat it, then calls, a drill and a scorecard, as Markdown or
//! JSON Lines. Tokens are identified by token ID and `jti`, and never shown.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::drill::{Boundary, DrillResult, Pace};
use super::grid::differs;
use super::kit::Identity;
use super::probe;
use super::score::{Scorecard, judged_words};
use crate::auth::date::twice;
use crate::auth::{KeyOrigin, Leeway, NumericDate, Rules, TokenId, Verdict};
use crate::gate::activity::{Excerpt, Origin};
use crate::gate::{ForeignAnswer, OWN_CREDENTIALS, Record};
use crate::report::redacted;
use crate::text::escape::{ascii_json, markdown};
use crate::text::words::{exact, took};
use crate::text::{self, Span, display_safe};

/// The contents of a report, and the settings that its commands need.
pub struct Evidence<'a> {
    /// When it is written.
    pub at: NumericDate,
    /// The time on the console's clock, if that is not the real time.
    pub clock: Option<NumericDate>,
    /// The non-default settings in words; safe to show.
    pub judged_by: Vec<String>,
    /// The current rules.
    pub rules: &'a Rules,
    /// The files that the commands name.
    pub files: ReportFiles<'a>,
    /// Revocations in force that no state file contains.
    pub unstored: usize,
    /// How many older calls are left out.
    pub left_out: usize,
    /// The calls, oldest first.
    pub calls: Vec<Arc<Record>>,
    /// The results of the last drill.
    pub drill: Option<&'a DrillResult>,
    /// The foreign server that was drilled; `None` for our own gate.
    pub drilled: Option<&'a ServerRun>,
    /// The boundaries of `exp` and `nbf` that were found at a foreign server.
    pub bounds: Option<FoundBounds<'a>>,
    /// The results of the last run of the test tokens.
    pub card: Option<&'a Scorecard>,
    /// The results of the last gate probe of a foreign server.
    pub probe: Option<(&'a probe::Card, &'a ServerRun)>,
    /// The cells of foreign servers in which prediction and observation differ.
    pub differences: Vec<Difference>,
    /// Returns the `jti` of a token, if it is known.
    pub jti: &'a dyn Fn(TokenId) -> Option<String>,
}

/// The files that the commands of a report name.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportFiles<'a> {
    /// The policy file; empty for the built-in policy.
    pub policy: &'a str,
    /// Whether the current policy differs from that file.
    pub policy_is_changed: bool,
    /// The state file, if there is one.
    pub state: Option<&'a str>,
}

/// How a foreign server was drilled or probed: what a command needs to do the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRun {
    /// The place of the server.
    pub place: Arc<str>,
    /// The ID of the token that was used, or that others were modelled on; `None` if new tokens were made.
    pub token: Option<TokenId>,
    /// The user and the permissions of the tokens.
    pub identity: Identity,
    /// Their issuer.
    pub issuer: Option<String>,
    /// Their audiences.
    pub audiences: Vec<String>,
    /// Whether only the most important probes were made.
    pub is_quick: bool,
}

/// The boundaries of `exp` and `nbf` at a foreign server.
#[derive(Clone, Copy, Debug)]
pub struct FoundBounds<'a> {
    /// How they were found.
    pub run: &'a ServerRun,
    /// The tool that was called.
    pub tool: &'a str,
    /// That of `exp`.
    pub exp: Boundary,
    /// That of `nbf`.
    pub nbf: Boundary,
}

/// A cell of the matrix of a foreign server in which prediction and observation differ. Its texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name of the server.
    pub target: String,
    /// The name of the caller.
    pub caller: String,
    /// The caller's token.
    pub token_id: Option<TokenId>,
    /// The tool.
    pub tool: String,
    /// The decision that the policy here predicts.
    pub predicted: Verdict,
    /// The observation as one word.
    pub observed: &'static str,
    /// The answer, in a sentence.
    pub answer: String,
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

/// The command of the palette that writes everything to a file.
const SAVE_ALL: &str = "save the evidence to a file";

/// How long a new token lives that repeats a drill in real time, whose own token has expired.
const FRESH: &str = "10s";

/// Whether the place of a target is a URL, and not a command.
fn is_url(place: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| place.starts_with(scheme))
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

/// The arguments of a call as an option. A log that truncated them cannot repeat them.
fn arguments(record: &Record) -> (String, &'static str) {
    let text = &record.arguments;
    let safe = display_safe(&redacted(text), MOST_ARGUMENTS);
    match &**text {
        _ if text.cut() > 0 || *safe != **text => (String::new(), ", other arguments"),
        "" | "{}" => (String::new(), ""),
        _ => (format!(" --arguments '{}'", safe.replace('\'', r"'\''")), ""),
    }
}

/// The longest arguments in a command, in characters.
const MOST_ARGUMENTS: usize = 512;

impl ServerRun {
    /// The options that describe new tokens like those of the run.
    fn options(&self) -> String {
        let issuer = self.issuer.iter().map(|issuer| ("--issuer", issuer));
        let all = issuer.chain(self.audiences.iter().map(|audience| ("--audience", audience)));
        all.fold(String::new(), |out, (name, value)| format!("{out} {name} {}", shell(value)))
    }

    /// The options for the permissions of new tokens.
    fn permissions(&self) -> String {
        self.identity.permissions.iter().fold(String::new(), |out, held| out + " -p " + &shell(held))
    }
}

impl FoundBounds<'_> {
    fn words(&self) -> String {
        format!("{}; {}", self.exp.words("exp"), self.nbf.words("nbf"))
    }

    fn is_sound(&self) -> bool {
        self.exp.is_sound() && self.nbf.is_sound()
    }

    fn json(&self) -> Value {
        let row = |claim: &str, found: Boundary| {
            json!({
                "claim": claim,
                "accepted_seconds": found.accepted,
                "refused_seconds": found.refused,
                "tokens": found.tries,
                "skew": found.skew.as_seconds_f64(),
                "passed": found.is_sound(),
            })
        };
        let found = [row("exp", self.exp), row("nbf", self.nbf)];
        json!({ "target": &*self.run.place, "tool": self.tool, "found": found })
    }
}

impl Difference {
    fn json(&self) -> Value {
        json!({
            "target": self.target,
            "caller": self.caller,
            "token_id": self.token_id.map(|id| id.to_string()),
            "tool": self.tool,
            "predicted": self.predicted.word().to_lowercase(),
            "observed": self.observed,
            "answer": self.answer,
        })
    }
}

impl Evidence<'_> {
    /// Whether it contains neither calls nor results.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.drill.is_none()
            && self.card.is_none()
            && self.probe.is_none()
            && self.bounds.is_none()
    }

    /// The options that make a command decide by the same rules.
    fn options(&self) -> String {
        let Self { rules, files, .. } = self;
        let mut options = Vec::new();
        if rules.leeway != Leeway::NONE {
            options.push(format!("--leeway {}s", rules.leeway.span().as_seconds_f64()));
        }
        options.extend(rules.issuer().map(|issuer| format!("--issuer {}", shell(issuer))));
        options.extend(rules.audience().map(|audience| format!("--audience {}", shell(audience))));
        if files.policy_is_changed {
            options.push(format!("--policy {}", self.policy_to_save()));
        } else if !files.policy.is_empty() {
            options.push(format!("--policy {}", shell(files.policy)));
        }
        options.extend(files.state.map(|state| format!("--state {}", shell(state))));
        options.iter().fold(String::new(), |all, option| all + " " + option)
    }

    /// The name of the file that the commands expect a changed policy in.
    fn policy_to_save(&self) -> String {
        format!("policy-{}.toml", text::head(&self.rules.policy.digest(), 8))
    }

    /// What the commands need before they lead to the same results, as sentences.
    fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.files.policy_is_changed {
            let (digest, file) = (self.rules.policy.digest(), self.policy_to_save());
            caveats.push(format!(
                "The policy has unsaved changes (sha256 {digest}). Save it as {file} before you run the commands."
            ));
        }
        if self.rules.issuers.own().keys.iter().any(|key| key.origin() == KeyOrigin::Fresh) {
            caveats.push(
                "The key was generated by the console and is discarded on exit, so the commands cannot verify these \
                 tokens. Start the console with --secret-file FILE to be able to repeat its calls."
                    .to_owned(),
            );
        }
        let others: Vec<&Arc<str>> =
            self.rules.issuers.iter().skip(1).filter_map(|issuer| issuer.name.as_ref()).collect();
        if !others.is_empty() {
            let names = text::names(others.iter(), 64, 8, ", ");
            caveats.push(format!(
                "Tokens of {names} need the keys of their issuer: name a configuration file with its [[issuers]] table \
                 with --config FILE, or its keys with --jwks."
            ));
        }
        let earlier = [
            // A foreign server is not judged by the settings here.
            ("drill", self.drill.filter(|_| self.drilled.is_none()).map(|found| &found.judged_by)),
            ("run of the test tokens", self.card.map(|card| &card.judged_by)),
        ];
        for (what, _) in earlier.iter().filter(|(_, by)| by.is_some_and(|by| *by != self.judged_by)) {
            caveats.push(format!("The settings have changed since the {what}; its command uses the current ones."));
        }
        if self.unstored > 0 {
            let count = text::words::count(self.unstored, "revocation");
            caveats.push(format!("The commands ignore {count} that no state file contains."));
        }
        caveats
    }

    /// The expected and the actual result of each part.
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
        let bounds = self.bounds.map(|found| Summed {
            what: "boundaries of exp and nbf",
            expected: "a boundary for each".to_owned(),
            actual: found.words(),
            passed: Some(found.is_sound()),
        });
        let probe = self.probe.map(|(card, _)| Summed {
            what: "gate probe",
            expected: "as a sound server answers".to_owned(),
            actual: card.summary(),
            passed: Some(card.failures() == 0),
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
        let counted: Vec<String> = words.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let calls = (!counted.is_empty()).then(|| Summed {
            what: "calls",
            expected: "not specified".to_owned(),
            actual: counted.join(", "),
            passed: None,
        });
        let predicted = self.calls.iter().filter(|record| predicted(record).is_some()).count();
        let differing = self.differences.len();
        let matrix = (predicted > 0 || differing > 0).then(|| Summed {
            what: "matrix of other servers",
            expected: "as the policy here predicts".to_owned(),
            actual: match differing {
                0 => "no difference".to_owned(),
                n => format!("{} differ{}", text::words::count(n, "cell"), if n == 1 { "s" } else { "" }),
            },
            passed: Some(differing == 0),
        });
        drill.into_iter().chain(bounds).chain(card).chain(probe).chain(matrix).chain(calls).collect()
    }

    /// The commands that repeat the results. They contain no token: it is in `PORTCULLIS_TOKEN`.
    fn commands(&self) -> Vec<String> {
        let options = self.options();
        let mut commands = Vec::new();
        if let Some(found) = self.drill {
            commands.push(self.drill_again(found, &options));
        }
        if let Some(FoundBounds { run, tool, .. }) = self.bounds {
            let (of_tokens, url, held, tool) = (run.options(), shell(&run.place), run.permissions(), shell(tool));
            commands.push(format!("portcullis{of_tokens} drill --url {url} --shifted{held} {tool}  # new tokens"));
        }
        if let Some(card) = self.card {
            let Identity { user_id, permissions } = &card.made_for;
            // Without `-p` the tokens would get a permission that opens the tool.
            let none = [String::new()];
            let held = if permissions.is_empty() { &none[..] } else { permissions };
            let held = held.iter().fold(String::new(), |all, held| all + " -p " + &shell(held));
            let (tool, user) = (shell(&card.tool), shell(user_id));
            commands.push(format!("portcullis{options} testkit --run --tool {tool}{held} {user}"));
        }
        if let Some((card, run)) = self.probe {
            commands.push(probe_again(card, run));
        }
        let mut calls: Vec<String> = Vec::new();
        for record in self.calls.iter().rev().filter(|record| record.is_call && !is_series(record)) {
            let tool = shell(&record.tool.to_string());
            let command = match (record.answered.foreign(), record.token_id) {
                (Some(answer), id) => {
                    // A program takes its credentials from its environment.
                    let Some(url) = is_url(&answer.place).then(|| shell(&answer.place)) else { continue };
                    let (arguments, note) = arguments(record);
                    let token = match (id, note.strip_prefix(", ")) {
                        // The header is a secret that no evidence contains.
                        _ if answer.sent == Some(OWN_CREDENTIALS) => {
                            format!(" --header 'Authorization: env:CREDENTIALS'  # the header of the console{note}")
                        }
                        (Some(id), _) => format!("  # token {id}{note}"),
                        (None, Some(note)) => format!(" --no-token  # {note}"),
                        (None, None) => " --no-token".to_owned(),
                    };
                    format!("portcullis why --url {url} --tool {tool}{arguments}{token}")
                }
                (None, Some(id)) => {
                    format!("portcullis{options} --now {} check {tool}  # token {id}", record.judged_at.rfc3339())
                }
                (None, None) => {
                    format!("portcullis{options} --now {} check --no-token {tool}", record.judged_at.rfc3339())
                }
            };
            if calls.len() < AGAIN && !calls.contains(&command) {
                calls.push(command);
            }
        }
        commands.extend(calls.into_iter().rev());
        commands
    }

    /// Returns the command that repeats a drill. In real time it needs a new token, because the old one has expired.
    fn drill_again(&self, found: &DrillResult, options: &str) -> String {
        let DrillResult { subject, report, .. } = found;
        let every = exact(report.plan.every).replace(' ', "");
        let (tool, id) = (shell(&subject.tool), subject.id);
        let fine = if report.plan.fine { " --fine" } else { "" };
        match (self.drilled, report.plan.pace) {
            (None, Pace::Shifted) => {
                format!("portcullis{options} drill --shifted --every {every} {tool}  # token {id}")
            }
            (None, Pace::Real) => format!(
                "portcullis{options} drill{fine} --every {every} --ttl {FRESH} {tool}  # a new token; {id} has expired"
            ),
            (Some(run), _) => {
                let (of_token, url, held) = (run.options(), shell(&run.place), run.permissions());
                format!(
                    "portcullis{of_token} drill --url {url}{fine} --every {every} --ttl {FRESH}{held} {tool}  # a new \
                     token; {id} has expired"
                )
            }
        }
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
        let _ = writeln!(out, "\n{VERSION}, policy sha256 `{}`\n", self.rules.policy.digest());
        out.push_str("| | expected | actual | passed |\n|---|---|---|---|\n");
        for Summed { what, expected, actual, passed } in self.summary() {
            let passed = passed.map_or("–", |passed| if passed { "✔ yes" } else { "✘ no" });
            row(&mut out, &[what.to_owned(), expected, actual, passed.to_owned()]);
        }
        if let Some(clock) = self.clock {
            let by = clock.since(self.at);
            let side = if by < Span::ZERO { "behind" } else { "ahead of" };
            let (shown, by) = (clock.rfc3339(), exact(by.abs()));
            let _ = writeln!(out, "\n**The clock did not show the real time**: it showed {shown}, {by} {side} it.");
        }
        if !self.judged_by.is_empty() {
            let _ = writeln!(out, "\nCurrent settings: {}", markdown(&self.judged_by.join(", ")));
        }
        let commands = self.commands();
        if !commands.is_empty() {
            for caveat in self.caveats() {
                let _ = writeln!(out, "\n**Note:** {caveat}");
            }
            let _ = writeln!(
                out,
                "\nTo run it again, set `PORTCULLIS_SECRET` to the secret and `PORTCULLIS_TOKEN` to the token that the \
                 command names:\n\n```sh\n{}\n```",
                commands.join("\n")
            );
        }
        if let Some(found) = self.drill {
            out = out + "\n" + &drill_markdown(found);
        }
        if let Some(card) = self.card {
            out = out + "\n" + &card_markdown(card);
        }
        if let Some((card, _)) = self.probe {
            out = out + "\n" + &card.markdown();
        }
        if let Some(FoundBounds { run, tool, exp, nbf }) = self.bounds {
            let server = markdown(&run.place);
            let _ = writeln!(out, "\n### Boundaries of exp and nbf at {server}\n\n| | |\n|---|---|");
            let rows = [("tool", text::name(tool, 64)), ("exp", exp.summary("exp")), ("nbf", nbf.summary("nbf"))];
            for (label, said) in rows.into_iter().chain(nbf.skew_words().map(|said| ("clock", said))) {
                row(&mut out, &[label.to_owned(), said]);
            }
        }
        self.differences_markdown(&mut out);
        let (drilled, calls): (Vec<&Record>, Vec<&Record>) =
            self.calls.iter().map(|record| &**record).partition(|record| is_series(record));
        if !calls.is_empty() {
            out.push_str("\n### Calls\n\n");
            self.calls_markdown(&mut out, &calls);
        }
        if self.left_out > 0 {
            let is = if self.left_out == 1 { "is" } else { "are" };
            let count = text::words::count(self.left_out, "further call");
            let _ =
                writeln!(out, "\n{count} {is} not listed; the command \"{SAVE_ALL}\" in the palette writes all calls.");
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

    fn differences_markdown(&self, out: &mut String) {
        if self.differences.is_empty() {
            return;
        }
        out.push_str("\n### Differences from the policy here\n\n");
        out.push_str(
            "| server | caller | token | tool | predicted | observed | answer |\n|---|---|---|---|---|---|---|\n",
        );
        for Difference { target, caller, token_id, tool, predicted, observed, answer } in &self.differences {
            let id = token_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
            let (predicted, observed) = (predicted.word().to_lowercase(), (*observed).to_owned());
            row(out, &[target.clone(), caller.clone(), id, tool.clone(), predicted, observed, answer.clone()]);
        }
    }

    fn calls_markdown(&self, out: &mut String, records: &[&Record]) {
        // Our own gate decides as it predicts.
        let has_predictions = records.iter().any(|record| predicted(record).is_some());
        let (column, rule) = if has_predictions { (" predicted |", "---|") } else { ("", "") };
        let _ = writeln!(
            out,
            "| time | judged for | by | token | jti | user | tool |{column} decision | reason | why | took |"
        );
        let _ = writeln!(out, "|---|---|---|---|---|---|---|{rule}---|---|---|---|");
        for record in records {
            let judged = match record.judged_at == record.at {
                true => "real time".to_owned(),
                false => record.judged_at.rfc3339(),
            };
            let answered = &record.answered;
            let id = record.token_id.map(|id| id.to_string());
            let sent = answered.foreign().and_then(|answer| answer.sent).map(str::to_owned);
            let token = id.into_iter().chain(sent).collect::<Vec<_>>().join(", ");
            let token = if token.is_empty() { "none".to_owned() } else { token };
            let jti = record.token_id.and_then(self.jti).unwrap_or_default();
            let prediction = has_predictions.then(|| {
                predicted(record).map_or_else(String::new, |(verdict, is_other)| {
                    format!("{}{}", verdict.word(), if is_other { " ≠" } else { "" })
                })
            });
            let before = [
                record.at.rfc3339(),
                judged,
                record.from(),
                token,
                text::name(&jti, 64),
                user(record).map(|name| text::name(name, 64)).unwrap_or_default(),
                text::name(&record.tool, 64),
            ];
            let after = [
                answered.word().to_owned(),
                answered.code().to_owned(),
                record.why() + &answered.foreign().map(|answer| received(answer, &record.why())).unwrap_or_default(),
                took(record.took),
            ];
            let cells: Vec<String> = before.into_iter().chain(prediction).chain(after).collect();
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
            "policy_sha256": self.rules.policy.digest(),
            "policy_saved": !self.files.policy_is_changed,
            "summary": self.summary().iter().map(Summed::json).collect::<Vec<_>>(),
            "commands": self.commands(),
            "caveats": self.caveats(),
        });
        let calls =
            self.calls.iter().map(|record| ("call", call_json(record, record.token_id.and_then(self.jti).as_deref())));
        let found = self.drill.map(|found| ("drill", found.json()));
        let lines = self.card.into_iter().flat_map(|card| card.lines.iter().map(|line| ("test", line.json(card))));
        let probed =
            self.probe.into_iter().flat_map(|(card, _)| card.rows.iter().map(|row| ("probe", card.row_json(row))));
        let summed = self.probe.map(|(card, _)| ("probe_summary", card.json()));
        let bounds = self.bounds.map(|found| ("boundaries", found.json()));
        let differences = self.differences.iter().map(|found| ("difference", found.json()));
        let all =
            std::iter::once(("evidence", head)).chain(found).chain(lines).chain(bounds).chain(probed).chain(summed);
        let all = all.chain(differences).chain(calls);
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

/// Returns the command that repeats a probe. Without `--like`, it would make tokens of its own.
fn probe_again(card: &probe::Card, run: &ServerRun) -> String {
    let tool = card.tool.as_deref().map_or_else(String::new, |tool| format!(" --tool {}", shell(tool)));
    let quick = if run.is_quick { " --quick" } else { "" };
    let probe = format!("testkit --run --url {}{tool}{quick}", shell(&card.target));
    let count = text::words::count(card.made(), "probe");
    if let Some(id) = run.token {
        return format!("portcullis {probe} --like \"$PORTCULLIS_TOKEN\"  # token {id}, {count}");
    }
    let (of_tokens, held, user) = (run.options(), run.permissions(), shell(&run.identity.user_id));
    format!("portcullis{of_tokens} {probe}{held} {user}  # new tokens, {count}")
}

/// Returns the prediction for a call of a foreign server, and whether the answer differs from it.
fn predicted(record: &Record) -> Option<(Verdict, bool)> {
    let answer = record.answered.foreign()?;
    let predicted = answer.predicted?;
    Some((predicted, differs(Some(predicted), answer.verdict)))
}

/// Returns the user of a call: verified by our gate, or as the token names them to a foreign server.
fn user(record: &Record) -> Option<&str> {
    let named = || record.answered.foreign().and_then(|answer| answer.user.as_deref());
    record.answered.subject().or_else(named)
}

/// Returns the status, the server's time and, for a denial, the server's own words, as far as `why` does not contain them.
fn received(answer: &ForeignAnswer, why: &str) -> String {
    let status = answer.status.map(|status| format!("HTTP {status}")).filter(|status| !why.contains(status));
    let time = answer.server_time.map(|time| format!("server time {}", time.rfc3339()));
    let facts = match status.into_iter().chain(time).collect::<Vec<_>>().join(", ") {
        facts if facts.is_empty() => facts,
        facts => format!(" ({facts})"),
    };
    let said = answer.said.as_deref().filter(|said| answer.verdict != Some(Verdict::Allowed) && !why.contains(said));
    match said {
        Some(said) => format!("{facts}; the server says: {said}"),
        None => facts,
    }
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
        "target": answered.foreign().map(|answer| json!({
            "name": answer.target,
            "place": answer.place,
            "status": answer.status,
            "server_time": answer.server_time.map(twice),
            "said": answer.said,
            "predicted": answer.predicted.map(|verdict| verdict.word().to_lowercase()),
            "differs": predicted(record).map(|(_, is_other)| is_other),
            "token_sent": answer.sent,
        })),
        "token_id": record.token_id.map(|id| id.to_string()),
        "jti": jti,
        "subject": user(record).map(redacted),
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
        ("calls", format!("{}, {}, ended {}", report.plan, text::words::count(report.calls, "call"), at.rfc3339())),
    ];
    let claims = (!subject.claims.is_empty()).then(|| ("claims", subject.claims.join("; ")));
    let lines = report.lines(NumericDate::rfc3339);
    for (label, said) in rows.into_iter().chain(claims).chain(lines) {
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
        markdown(&card.made_for.words()),
        markdown(&judged_words(&card.judged_by)),
    );
    out.push_str("| | test token | token | jti | expected | actual | answer |\n|---|---|---|---|---|---|---|\n");
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

//! The scorecard of a probe.

use serde_json::{Value, json};
use std::fmt::Write as _;

use super::rows::{Degree, Expected, Probe};
use crate::auth::date::twice;
use crate::auth::{NumericDate, TokenId, Verdict};
use crate::observe::{Observation, Observed};
use crate::report::{Case, Report};
use crate::text::{self, Span, words};

/// The weight of a line that counts as a failure.
const FAILURE: &str = "FAILURE";
/// The weight of a line that does not.
const FINDING: &str = "finding";
/// The weight of a line that says nothing.
const NO_VERDICT: &str = "no verdict";

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// As a sound server answers.
    Sound,
    /// Accepted, though a sound server refuses it.
    Accepted,
    /// Refused, though a sound server accepts it.
    Refused,
    /// The server failed with a 5xx status.
    Crashed,
    /// A measurement for the clock: accepted or refused.
    Measured(bool),
    /// The answer says nothing about the token.
    NoVerdict,
    /// It does not apply: without a key, or to tokens without that claim.
    Skipped,
}

impl Mark {
    /// The sign, which differs without colour too.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Sound => "✔",
            Self::Accepted | Self::Refused => "✘",
            Self::Crashed => "!",
            Self::Measured(_) => "·",
            Self::NoVerdict => "?",
            Self::Skipped => "-",
        }
    }

    /// The code, for scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Crashed => "server_failed",
            Self::Measured(true) => "measured_accepted",
            Self::Measured(false) => "measured_refused",
            Self::NoVerdict => "no_verdict",
            Self::Skipped => "skipped",
        }
    }

    /// The meaning, as a phrase.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Sound => "as a sound server answers",
            Self::Accepted => "accepted, though a sound server refuses it",
            Self::Refused => "refused, though a sound server accepts it",
            Self::Crashed => "the server failed",
            Self::Measured(true) => "accepted",
            Self::Measured(false) => "refused",
            Self::NoVerdict => "no verdict",
            Self::Skipped => "not applicable",
        }
    }
}

/// Whether an answer refuses a request that differs from an accepted one only in its token.
pub fn is_refusal(observation: &Observation) -> bool {
    match observation.observed() {
        Observed::Refused | Observed::Forbidden | Observed::NoTool | Observed::TooLarge => true,
        Observed::Unclear | Observed::NotMcp => observation.status == Some(400),
        _ => false,
    }
}

/// A line of the card.
#[derive(Clone, Debug)]
pub struct Row {
    /// The probe.
    pub probe: &'static Probe,
    /// How much depends on it; more than its own degree if the server's metadata say what it expects.
    pub degree: Degree,
    /// The ID of the token.
    pub token_id: Option<TokenId>,
    /// The answer; `None` if it was skipped.
    pub observation: Option<Observation>,
    /// What it means.
    pub mark: Mark,
    /// Whether the token was accepted with the call alone, after the handshake had refused it.
    pub is_alone: bool,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Row {
    /// Creates the line of a probe from its answer. `good` is what the server did with the good token.
    pub fn new(
        probe: &'static Probe,
        degree: Degree,
        token_id: Option<TokenId>,
        observation: Option<Observation>,
        good: Observed,
    ) -> Self {
        let mark = observation.as_ref().map_or(Mark::Skipped, |observation| mark(probe, observation, good));
        Self { probe, degree, token_id, observation, mark, is_alone: false }
    }

    /// Whether it counts as a failure.
    pub fn is_failure(&self) -> bool {
        self.degree == Degree::Must && matches!(self.mark, Mark::Accepted | Mark::Refused)
    }

    /// Whether it is a finding that is not a failure: good practice that is missing, or a server that failed.
    pub fn is_finding(&self) -> bool {
        self.mark == Mark::Crashed && self.degree != Degree::Must
            || self.degree == Degree::Should && matches!(self.mark, Mark::Accepted | Mark::Refused)
    }

    /// How much a line that is not sound weighs.
    pub fn weight(&self) -> &'static str {
        match (self.is_failure(), self.is_finding()) {
            (true, _) => FAILURE,
            (_, true) => FINDING,
            _ => NO_VERDICT,
        }
    }

    /// The answer in words.
    pub fn came(&self) -> String {
        self.observation.as_ref().map_or_else(String::new, |observation| {
            let codes = observation.codes();
            let codes = if codes.is_empty() { String::new() } else { format!(" ({codes})") };
            let alone = if self.is_alone { ", with the call alone, after the handshake refused it" } else { "" };
            format!("{}{codes}{alone}", observation.observed().word().to_lowercase())
        })
    }
}

fn mark(probe: &Probe, observation: &Observation, good: Observed) -> Mark {
    let observed = observation.observed();
    if observed == Observed::ServerFailed {
        return Mark::Crashed;
    }
    // A tool that ran for the good token and fails for this one may well deny it, in words of its own.
    let accepted = observed == Observed::Ran || observed == good && observed.verdict() == Some(Verdict::Allowed);
    let refused = is_refusal(observation);
    let closed = matches!(observation.silence, Some(crate::observe::NoAnswer::Closed(_)));
    match probe.wanted {
        Expected::Accept if accepted => Mark::Sound,
        Expected::Accept if refused => Mark::Refused,
        Expected::Refuse if refused => Mark::Sound,
        Expected::RefuseOrTooLarge if refused || closed => Mark::Sound,
        Expected::Refuse | Expected::RefuseOrTooLarge if accepted => Mark::Accepted,
        Expected::Either if accepted || refused => Mark::Measured(accepted),
        _ => Mark::NoVerdict,
    }
}

/// A line that is not about a token of the table: sessions, and the form of refusals.
#[derive(Clone, Debug)]
pub struct Extra {
    /// The group, for reports.
    pub group: &'static str,
    /// The name.
    pub name: &'static str,
    /// How much depends on it.
    pub degree: Degree,
    /// What was found, as a sentence.
    pub found: String,
    /// Whether it is as a sound server does it; `None` without a verdict.
    pub is_sound: Option<bool>,
}

impl Extra {
    /// The sign, which differs without colour too.
    pub const fn sign(&self) -> &'static str {
        match self.is_sound {
            Some(true) => "✔",
            Some(false) => "✘",
            None => "?",
        }
    }

    /// Whether it counts as a failure.
    pub fn is_failure(&self) -> bool {
        self.degree == Degree::Must && self.is_sound == Some(false)
    }

    /// How much a line that is not sound weighs.
    pub fn weight(&self) -> &'static str {
        match self.is_sound {
            None => NO_VERDICT,
            Some(_) if self.degree == Degree::Must => FAILURE,
            Some(_) => FINDING,
        }
    }
}

/// The leeway for clocks that was measured, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The largest time after `exp` at which the token was accepted; 0 if none was.
    pub accepted: i64,
    /// The smallest time at which it was refused; `None` if none was.
    pub refused: Option<i64>,
}

impl Allowance {
    fn of(rows: &[Row], prefix: &str) -> Option<Self> {
        let seconds = |row: &Row| row.probe.name.strip_prefix(prefix)?.trim_end_matches(" s").parse::<i64>().ok();
        let mut found: Option<Self> = None;
        for row in rows {
            let (Some(seconds), Mark::Measured(accepted)) = (seconds(row), row.mark) else { continue };
            let found = found.get_or_insert_default();
            match accepted {
                true => found.accepted = found.accepted.max(seconds),
                false => found.refused = Some(found.refused.map_or(seconds, |known| known.min(seconds))),
            }
        }
        found
    }

    /// The leeway as a phrase: `between 29 s and 45 s`.
    pub fn words(self) -> String {
        match self {
            Self { accepted: 0, refused: Some(refused) } => format!("less than {refused} s"),
            Self { accepted, refused: Some(refused) } if refused > accepted => {
                format!("between {accepted} s and {refused} s")
            }
            Self { accepted, refused: Some(_) } => format!("up to {accepted} s, not consistently"),
            Self { accepted, refused: None } => format!("more than {accepted} s"),
        }
    }
}

/// The results of a probe.
#[derive(Clone, Debug)]
pub struct Card {
    /// The server, safe to show.
    pub target: String,
    /// The server's name and protocol, safe to show.
    pub server: String,
    /// The tool that was called; `None` if the tools were only listed.
    pub tool: Option<String>,
    /// The arguments of the call, as JSON text.
    pub arguments: String,
    /// Whether tokens were signed with a key that the server trusts.
    pub has_key: bool,
    /// When the probe began.
    pub at: NumericDate,
    /// The server's clock minus ours, if they differ notably; times of tokens are by its clock.
    pub skew: Span,
    /// How many requests were sent.
    pub requests: usize,
    /// One line for each probe.
    pub rows: Vec<Row>,
    /// Further lines.
    pub extras: Vec<Extra>,
}

impl Card {
    /// Adds the lines about the form of refusals.
    pub fn conclude(&mut self) {
        let refused = |wanted: &dyn Fn(&Observation) -> bool| {
            let answers = self.rows.iter().filter_map(|row| row.observation.as_ref());
            answers.filter(|answer| is_refusal(answer) && wanted(answer)).count()
        };
        let all = refused(&|_| true);
        let over_http = self.rows.iter().any(|row| row.observation.as_ref().is_some_and(|o| o.status.is_some()));
        if all == 0 || !over_http {
            return;
        }
        let other = refused(&|answer| !matches!(answer.status, Some(400 | 401 | 413 | 414 | 431)));
        let bare = refused(&|answer| answer.status == Some(401) && answer.challenge.is_none());
        let with_401 = refused(&|answer| answer.status == Some(401));
        let named = refused(&|answer| answer.status == Some(401) && answer.resource_metadata.is_some());
        let mut add = |name, is_sound, found| {
            self.extras.push(Extra { group: "answer", name, degree: Degree::Should, found, is_sound: Some(is_sound) });
        };
        let of_all = |n: usize| format!("{n} of {}", words::count(all, "refusal"));
        add(
            "refused with 401",
            other == 0,
            format!("{} have another status than 400, 401 or \"too large\"", of_all(other)),
        );
        if with_401 > 0 {
            add(
                "challenge",
                bare == 0,
                format!("{bare} of {} with 401 lack WWW-Authenticate (RFC 6750 §3)", words::count(with_401, "refusal")),
            );
            add(
                "metadata named",
                named > 0,
                format!(
                    "{named} of {} with 401 name resource_metadata (RFC 9728 §5.1)",
                    words::count(with_401, "refusal")
                ),
            );
        }
    }

    /// The number of failures.
    pub fn failures(&self) -> usize {
        let extra = |extra: &&Extra| extra.degree == Degree::Must && extra.is_sound == Some(false);
        self.rows.iter().filter(|row| row.is_failure()).count() + self.extras.iter().filter(extra).count()
    }

    /// The number of findings that are not failures.
    pub fn findings(&self) -> usize {
        let extra = |extra: &&Extra| extra.degree != Degree::Must && extra.is_sound == Some(false);
        self.rows.iter().filter(|row| row.is_finding()).count() + self.extras.iter().filter(extra).count()
    }

    /// The number of probes without a verdict.
    pub fn undecided(&self) -> usize {
        let extra = |extra: &&Extra| extra.is_sound.is_none();
        let row = |row: &&Row| row.mark == Mark::NoVerdict || row.mark == Mark::Crashed && row.degree == Degree::Must;
        self.rows.iter().filter(row).count() + self.extras.iter().filter(extra).count()
    }

    /// The number of probes that were made, without those that were left out and without further checks.
    pub fn made(&self) -> usize {
        self.rows.iter().filter(|row| row.mark != Mark::Skipped).count()
    }

    /// The leeway after `exp`.
    pub fn after_exp(&self) -> Option<Allowance> {
        Allowance::of(&self.rows, "exp -")
    }

    /// The leeway before `nbf`.
    pub fn before_nbf(&self) -> Option<Allowance> {
        Allowance::of(&self.rows, "nbf +")
    }

    /// The result in a sentence.
    pub fn summary(&self) -> String {
        let (failures, findings, undecided) = (self.failures(), self.findings(), self.undecided());
        let further = words::count(self.extras.len(), "further check");
        let made = format!("{} and {further}", words::count(self.made(), "probe"));
        let mut said = match failures {
            0 => format!("no failure in {made}"),
            n => format!("{} in {made}", words::count(n, "failure")),
        };
        if findings > 0 {
            let _ = write!(said, ", {}", words::count(findings, "finding"));
        }
        if undecided > 0 {
            let _ = write!(said, ", {undecided} without a verdict");
        }
        said
    }

    /// Further sentences: the leeway for clocks, and what was not tried.
    pub fn notes(&self) -> Vec<String> {
        let allowance = |name: &str, found: Option<Allowance>| Some(format!("leeway {name}: {}", found?.words()));
        let skipped = self.rows.iter().filter(|row| row.mark == Mark::Skipped).count();
        let binding = ["audience", "issuer"];
        let is_unbound = self.rows.iter().any(|row| row.mark == Mark::Skipped && binding.contains(&row.probe.group));
        let more = if is_unbound { "; a token with iss and aud adds those about them" } else { "" };
        let skipped = (skipped > 0).then(|| match self.has_key {
            true => format!("{} left out: not applicable to this key or token{more}", words::count(skipped, "probe")),
            false => format!(
                "{} left out: most need a key that the server trusts (--secret-file or --signing-key)",
                words::count(skipped, "probe")
            ),
        });
        let skew = (self.skew != Span::ZERO)
            .then(|| format!("the server's clock is {}", words::clock_lead(self.skew, words::exact)));
        [skew, allowance("after exp", self.after_exp()), allowance("before nbf", self.before_nbf()), skipped]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The report for other programs. Findings fail only if they are to.
    pub fn report(&self, findings_fail: bool) -> Report {
        let tool = self.tool.as_deref().unwrap_or("tools/list");
        let mut report = Report::new("Gate probe", self.at)
            .with("target", &self.target)
            .with("server", &self.server)
            .with("tool", tool);
        for note in self.notes() {
            report = report.with("note", &note);
        }
        for row in &self.rows {
            let case = Case::new(row.probe.group, row.probe.name);
            let answer = row.came();
            let said = format!("{}: {}, {answer}", row.probe.what, row.mark.words());
            report.add(match row.mark {
                Mark::Sound | Mark::Measured(_) => case,
                Mark::Skipped => case.skipped("does not apply without a key, or to this token"),
                Mark::NoVerdict => case.without_verdict(&answer),
                // A server that fails instead of refusing may have run the tool before.
                Mark::Crashed if row.degree == Degree::Must && !findings_fail => case.without_verdict(&answer),
                _ if row.is_failure() || findings_fail => {
                    let failed = case.failed(row.mark.words()).with("probe", row.probe.what).with("answer", &answer);
                    match row.token_id {
                        Some(id) => failed.with("token", &id.to_string()),
                        None => failed,
                    }
                }
                _ => case.skipped(&format!("finding: {said}")),
            });
        }
        for extra in &self.extras {
            let case = Case::new(extra.group, extra.name);
            report.add(match extra.is_sound {
                Some(true) => case,
                None => case.without_verdict(&extra.found),
                Some(false) if extra.degree == Degree::Must || findings_fail => case.failed(&extra.found),
                Some(false) => case.skipped(&format!("finding: {}", extra.found)),
            });
        }
        report
    }

    /// Formats a line for scripts.
    pub fn row_json(&self, row: &Row) -> Value {
        json!({
            "group": row.probe.group,
            "name": row.probe.name,
            "what": row.probe.what,
            "degree": degree_code(row.degree),
            "expected": row.probe.wanted.words(),
            "mark": row.mark.code(),
            "without_handshake": row.is_alone,
            "token_id": row.token_id.map(|id| id.to_string()),
            "answer": row.observation.as_ref().map(Observation::json),
        })
    }

    /// A line about the server and the run.
    pub fn about(&self) -> String {
        let tool = self.tool.as_deref().map_or_else(|| "tools/list".to_owned(), |tool| text::name(tool, 64));
        let requests = words::count(self.requests, "request");
        format!("{} at {}, {tool}, {requests}, {}", self.server, self.target, self.at.rfc3339())
    }

    /// The groups, in the order of their first lines.
    pub fn groups(&self) -> Vec<&'static str> {
        let mut groups = Vec::new();
        for group in self.rows.iter().map(|row| row.probe.group).chain(self.extras.iter().map(|extra| extra.group)) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// Formats the summary for scripts.
    pub fn json(&self) -> Value {
        let allowance = |found: Option<Allowance>| {
            found.map(|found| json!({ "accepted_seconds": found.accepted, "refused_seconds": found.refused }))
        };
        json!({
            "target": self.target,
            "server": self.server,
            "tool": self.tool,
            "at": twice(self.at),
            "probes": self.made(),
            "requests": self.requests,
            "skew": self.skew.as_seconds_f64(),
            "failures": self.failures(),
            "findings": self.findings(),
            "undecided": self.undecided(),
            "allowance_after_exp": allowance(self.after_exp()),
            "allowance_before_nbf": allowance(self.before_nbf()),
            "further": self.extras.iter().map(|extra| json!({
                "group": extra.group,
                "name": extra.name,
                "degree": degree_code(extra.degree),
                "sound": extra.is_sound,
                "found": extra.found,
            })).collect::<Vec<_>>(),
        })
    }
}

/// The code of a degree.
pub const fn degree_code(degree: Degree) -> &'static str {
    match degree {
        Degree::Must => "must",
        Degree::Should => "should",
        Degree::Allowance => "allowance",
    }
}

//! Why a server answered as it did: from the token in hand, the answer, the server's metadata and the clocks.
//!
//! Nothing is guessed silently. A cause is stated by the server, or inferred from a comparison, or it cannot be told.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::denial::{self, Observed};
use super::observation::Observation;
use super::visibility::Visibility;
use crate::auth::evaluation::TokenStatus;
use crate::auth::explain::Explanation;
use crate::auth::why::{granted, granted_by_claim};
use crate::auth::{Decision, Inspection, NumericDate, Reason, Rules, Verdict};
use crate::text::material::Metadata;
use crate::text::{self, Span, words};

/// The longest foreign text in a line, in characters.
const TEXT: usize = 256;

/// Clocks that differ by less than this are not reported: `Date` has whole seconds, and the answer took a while.
const NOTABLE_SKEW: Span = Span::seconds(2);

/// The most probable reason for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The call was allowed.
    Allowed,
    /// The request carried no token.
    NoToken,
    /// The token has expired, by both clocks.
    Expired,
    /// The token has expired by the server's clock, but not by ours.
    ExpiredThere,
    /// The token is not valid yet.
    NotYetValid,
    /// The token is not a well-formed access token.
    NotAnAccessToken,
    /// The token is for another audience.
    Audience,
    /// The token is from an issuer that the server does not use.
    Issuer,
    /// The signature does not fit the issuer's keys.
    Signature,
    /// The token has been revoked.
    Revoked,
    /// The token lacks a scope or permission.
    Permission,
    /// The tool exists, but not for this token.
    ToolHidden,
    /// There is no such tool.
    ToolMissing,
    /// The server refuses the arguments.
    Arguments,
    /// The tool itself failed.
    Tool,
    /// The request was too large for the server.
    TooLarge,
    /// The server limits the rate.
    Rate,
    /// The server cannot be reached or does not answer.
    Down,
    /// The server failed.
    ServerFailed,
    /// The address does not serve MCP.
    NotMcp,
    /// The server's check of the Host header refused the request.
    HostCheck,
    /// Nothing visible explains the answer.
    Unknown,
}

impl Cause {
    /// The code, for scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::NoToken => "missing_token",
            Self::Expired => "expired",
            Self::ExpiredThere => "expired_by_server_clock",
            Self::NotYetValid => "not_yet_valid",
            Self::NotAnAccessToken => "not_an_access_token",
            Self::Audience => "audience_mismatch",
            Self::Issuer => "issuer_mismatch",
            Self::Signature => "bad_signature",
            Self::Revoked => "revoked",
            Self::Permission => "permission_missing",
            Self::ToolHidden => "tool_hidden",
            Self::ToolMissing => "unknown_tool",
            Self::Arguments => "invalid_arguments",
            Self::Tool => "tool_failed",
            Self::TooLarge => "too_large",
            Self::Rate => "throttled",
            Self::Down => "no_answer",
            Self::ServerFailed => "server_failed",
            Self::NotMcp => "not_mcp",
            Self::HostCheck => "host_check",
            Self::Unknown => "cannot_tell",
        }
    }
}

/// How the cause is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The server says it.
    Stated,
    /// It follows from a comparison of what is visible here; the server does not say it.
    Inferred,
    /// It cannot be told.
    CannotTell,
}

impl Certainty {
    /// The code, for scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Inferred => "inferred",
            Self::CannotTell => "cannot_tell",
        }
    }
}

/// Why the credentials of a request are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The answer was pasted or saved, without its request.
    NotGiven,
    /// They come from a header or from the environment of a program.
    Elsewhere,
}

/// The facts that an answer is explained from.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The answer.
    pub observation: &'a Observation,
    /// The token that was sent.
    pub token: Option<&'a Inspection>,
    /// Why the credentials of the request are not known, if it may have carried some besides `token`.
    pub unseen: Option<Unseen>,
    /// The rules here.
    pub rules: &'a Rules,
    /// The tool that was called.
    pub tool: Option<&'a str>,
    /// Our decision about the same call; `None` if the policy does not contain the tool.
    pub prediction: Option<&'a Decision>,
    /// The server's metadata as a protected resource (RFC 9728).
    pub metadata: Option<&'a Metadata>,
    /// Whether the metadata describe the address that was called. Others must not be used (RFC 9728 §3.3): a server could
    /// name the resource of somebody else, for which the user would then get a token.
    pub is_described: bool,
    /// The address that was called.
    pub url: Option<&'a str>,
    /// Whether the tool exists.
    pub visibility: Option<Visibility>,
    /// Our clock when the answer arrived.
    pub now: NumericDate,
}

/// The explanation of an answer. Its texts are safe to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The answer.
    pub observation: Observation,
    /// The most probable reason.
    pub cause: Cause,
    /// How it is known.
    pub certainty: Certainty,
    /// The reason in a sentence.
    pub sentence: String,
    /// What the token has.
    pub has: Option<String>,
    /// What the server needs.
    pub needs: Option<String>,
    /// What to ask for, or to do.
    pub ask_for: Option<String>,
    /// Our decision, if it differs from the server's.
    pub differs: Option<String>,
    /// The server's clock minus ours, if they differ notably.
    pub skew: Option<Span>,
    /// Further facts, a sentence each.
    pub notes: Vec<String>,
    /// Facts worth pointing out, a sentence each.
    pub findings: Vec<String>,
}

/// A possible cause.
struct Candidate {
    cause: Cause,
    sentence: String,
    has: Option<String>,
    needs: Option<String>,
    ask_for: Option<String>,
}

impl Candidate {
    fn new(cause: Cause, sentence: impl Into<String>) -> Self {
        Self { cause, sentence: sentence.into(), has: None, needs: None, ask_for: None }
    }

    /// How the cause is known, if the server's words do not name it.
    fn certainty(&self, observation: &Observation) -> Certainty {
        match self.cause {
            Cause::Unknown => Certainty::CannotTell,
            Cause::Expired
            | Cause::ExpiredThere
            | Cause::NotYetValid
            | Cause::NotAnAccessToken
            | Cause::Audience
            | Cause::Issuer
            | Cause::Signature
            | Cause::Revoked
            | Cause::ToolHidden => Certainty::Inferred,
            // Only a challenge without an error is for a request without a token (RFC 6750 §3.1).
            Cause::NoToken if observation.shape == &denial::BARE_401 => Certainty::Inferred,
            // The server forbids the call, but does not say that it is about permissions.
            Cause::Permission | Cause::NoToken if observation.shape == &denial::BARE_403 => Certainty::Inferred,
            _ if observation.is_inferred() => Certainty::Inferred,
            _ => Certainty::Stated,
        }
    }

    fn has(self, has: impl Into<String>) -> Self {
        Self { has: Some(has.into()), ..self }
    }

    fn needs(self, needs: impl Into<String>) -> Self {
        Self { needs: Some(needs.into()), ..self }
    }

    fn ask_for(self, ask_for: impl Into<String>) -> Self {
        Self { ask_for: Some(ask_for.into()), ..self }
    }
}

/// Phrases of libraries and servers that name the fault of a token, in lower case, with the cause they state. A single
/// word such as "issuer" states nothing.
const STATED: [(&str, Cause); 42] = [
    ("token expired", Cause::Expired),
    ("token has expired", Cause::Expired),
    ("token is expired", Cause::Expired),
    ("jwt expired", Cause::Expired),
    ("jwt is expired", Cause::Expired),
    ("expired token", Cause::Expired),
    ("signature has expired", Cause::Expired),
    ("\"exp\" claim timestamp", Cause::Expired),
    ("exp claim", Cause::Expired),
    ("not yet valid", Cause::NotYetValid),
    ("jwt not active", Cause::NotYetValid),
    ("token not active", Cause::NotYetValid),
    ("\"nbf\" claim timestamp", Cause::NotYetValid),
    ("nbf claim", Cause::NotYetValid),
    ("invalid audience", Cause::Audience),
    ("audience invalid", Cause::Audience),
    ("audience mismatch", Cause::Audience),
    ("wrong audience", Cause::Audience),
    ("unexpected audience", Cause::Audience),
    ("audience doesn't match", Cause::Audience),
    ("audience_mismatch", Cause::Audience),
    ("\"aud\" claim", Cause::Audience),
    ("aud claim", Cause::Audience),
    ("invalid issuer", Cause::Issuer),
    ("issuer invalid", Cause::Issuer),
    ("issuer mismatch", Cause::Issuer),
    ("wrong issuer", Cause::Issuer),
    ("unexpected issuer", Cause::Issuer),
    ("issuer_mismatch", Cause::Issuer),
    ("\"iss\" claim", Cause::Issuer),
    ("iss claim", Cause::Issuer),
    ("invalid signature", Cause::Signature),
    ("bad_signature", Cause::Signature),
    ("signature mismatch", Cause::Signature),
    ("signature verification failed", Cause::Signature),
    ("\"alg\" (algorithm) header", Cause::Signature),
    ("token revoked", Cause::Revoked),
    ("token is revoked", Cause::Revoked),
    ("has been revoked", Cause::Revoked),
    ("jwt malformed", Cause::NotAnAccessToken),
    ("malformed token", Cause::NotAnAccessToken),
    ("not enough segments", Cause::NotAnAccessToken),
];

/// Descriptions that are a reason's code alone, as our own server writes them.
const CODES: [(&str, Cause); 4] = [
    ("expired", Cause::Expired),
    ("not_yet_valid", Cause::NotYetValid),
    ("revoked", Cause::Revoked),
    ("malformed", Cause::NotAnAccessToken),
];

/// Returns the code of a reason that a server's answer states, for comparisons with an expectation; `None` if it states
/// none. `has_token` says whether the request carried a token.
pub fn reason_code(observation: &Observation, has_token: bool) -> Option<&'static str> {
    match observation.observed() {
        // The status alone may be about anything.
        Observed::Forbidden if observation.shape == &denial::BARE_403 => None,
        Observed::Forbidden => Some("permission_missing"),
        Observed::NoTool => Some("unknown_tool"),
        Observed::Refused if !has_token => Some("missing_token"),
        Observed::Refused => match stated(observation)? {
            Cause::NotAnAccessToken => Some("malformed"),
            cause => Some(cause.code()),
        },
        Observed::Ran => Some("allowed"),
        Observed::Failed => Some("tool_failed"),
        Observed::BadArguments => Some("invalid_arguments"),
        _ => None,
    }
}

/// Returns the cause that the server's own words state.
fn stated(observation: &Observation) -> Option<Cause> {
    let said = observation.said.as_deref()?.to_lowercase();
    if let Some((_, cause)) = CODES.iter().find(|(code, _)| said == *code) {
        return Some(*cause);
    }
    // One text for every fault states none: "invalid, expired, or …" lists what may be the case.
    if said.contains(" or ") {
        return None;
    }
    let named: Vec<Cause> = STATED.iter().filter(|(words, _)| said.contains(words)).map(|(_, cause)| *cause).collect();
    match named.as_slice() {
        [] => None,
        [first, rest @ ..] => rest.iter().all(|cause| cause == first).then_some(*first),
    }
}

impl Why {
    /// Explains an answer.
    pub fn explain(question: &Question<'_>) -> Self {
        let observation = question.observation;
        let candidates = candidates(question);
        let said =
            stated(observation).filter(|_| observation.observed() == Observed::Refused && question.token.is_some());
        let mut rest = candidates.into_iter();
        let (main, certainty) = if let Some(cause) = said {
            let fits = |candidate: &Candidate| {
                candidate.cause == cause || (cause == Cause::Expired && candidate.cause == Cause::ExpiredThere)
            };
            let (fitting, others): (Vec<_>, Vec<_>) = rest.partition(fits);
            let mut fitting = fitting.into_iter();
            let main = fitting.next().unwrap_or_else(|| {
                let said = observation.said.as_deref().unwrap_or_default();
                Candidate::new(cause, format!("the server says: {said}"))
            });
            rest = fitting.chain(others).collect::<Vec<_>>().into_iter();
            (Some(main), Certainty::Stated)
        } else {
            let main = rest.next();
            let certainty = main.as_ref().map_or(Certainty::CannotTell, |main| main.certainty(observation));
            (main, certainty)
        };
        let main = main.unwrap_or_else(|| Candidate::new(Cause::Unknown, observation.to_string()));
        let skew = skew(question);
        let mut why = Self {
            observation: observation.clone(),
            cause: main.cause,
            certainty,
            sentence: main.sentence,
            has: main.has,
            needs: main.needs,
            ask_for: main.ask_for,
            differs: differs(question),
            skew,
            notes: Vec::new(),
            // The server states at most one cause; the others follow from comparisons.
            findings: rest.map(|other| format!("also possible: {}", other.sentence)).collect(),
        };
        why.add_notes(question);
        why
    }

    fn add_notes(&mut self, question: &Question<'_>) {
        let observation = question.observation;
        match self.cause {
            // The sentence of a refused token would contradict that there was none.
            Cause::NoToken if observation.codes().is_empty() => {}
            Cause::NoToken => self.notes.push(format!("answer: {}", observation.codes())),
            _ => self.notes.push(format!("answer: {observation}")),
        }
        if let Some(said) = observation.said.as_ref().filter(|_| observation.silence.is_none()) {
            self.notes.push(format!("the server says: {said}"));
        }
        if let Some(token) = question.token {
            let status = token.judged.status(question.now);
            let why = status.reason().map_or_else(String::new, |reason| format!(": {reason}"));
            let name = token.judged.name.as_deref();
            let name = name.map_or_else(String::new, |name| format!(" ({})", text::name(name, 64)));
            self.notes.push(format!("token {}{name} here: {}{why}", token.id, status.word()));
        }
        if let Some(visibility) = question.visibility.filter(|_| question.tool.is_some()) {
            self.notes.push(format!("the tool in the server's list: {}", visibility.word()));
        }
        match question.metadata {
            Some(metadata) => {
                if metadata.resource.is_some() && !question.is_described {
                    self.findings.push(
                        "the server's metadata names a different resource than this URL; clients must not use such metadata (RFC 9728 §3.3)"
                            .to_owned(),
                    );
                }
                if let Some(resource) = &metadata.resource {
                    self.notes.push(format!("resource of the server: {}", text::name(resource, TEXT)));
                }
                if !metadata.issuers.is_empty() {
                    let servers = text::names(metadata.issuers.iter(), 128, 8, ", ");
                    self.notes.push(format!("authorization servers: {servers}"));
                }
                if !metadata.scopes.is_empty() {
                    let scopes = text::names(metadata.scopes.iter(), 64, 16, ", ");
                    self.notes.push(format!("supported scopes: {scopes}"));
                }
            }
            None if question.url.is_some() && observation.observed() == Observed::Refused => {
                self.notes.push(
                    "the server publishes no metadata (RFC 9728), so its audience and issuers are unknown".to_owned(),
                );
            }
            None => {}
        }
        if let Some(skew) = self.skew {
            self.findings.push(format!("the server's clock is {}", words::clock_lead(skew, words::span)));
        }
        if let Some(differs) = &self.differs {
            self.findings.push(differs.clone());
        }
    }

    /// Formats it as text: the verdict with the sentence, then has, needs and ask for.
    pub fn explanation(&self) -> Explanation {
        let label = match self.certainty {
            Certainty::Stated => "",
            Certainty::Inferred => "most likely: ",
            Certainty::CannotTell => "cannot tell: ",
        };
        let mut out = Explanation::new(self.observation.observed().word(), format!(": {label}{}", self.sentence));
        let lines = [("has", &self.has), ("needs", &self.needs), ("ask for", &self.ask_for)];
        for (name, value) in lines.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            out.note(format!("{name}: {value}"));
        }
        self.notes.iter().for_each(|note| out.note(note.clone()));
        self.findings.iter().for_each(|finding| out.finding(finding));
        out
    }

    /// Formats it for scripts.
    pub fn json(&self) -> Value {
        json!({
            "cause": self.cause.code(),
            "certainty": self.certainty.code(),
            "sentence": self.sentence,
            "has": self.has,
            "needs": self.needs,
            "ask_for": self.ask_for,
            "skew": self.skew.map(Span::as_seconds_f64),
            "notes": self.notes,
            "findings": self.findings,
            "answer": self.observation.json(),
        })
    }
}

/// Returns the server's clock minus ours if they differ notably.
pub fn skew_of(date: NumericDate, now: NumericDate) -> Option<Span> {
    let skew = date.since(now.whole_second());
    (skew.abs() > NOTABLE_SKEW).then_some(skew)
}

fn skew(question: &Question<'_>) -> Option<Span> {
    skew_of(question.observation.date?, question.now)
}

/// Returns how our decision differs from the server's.
fn differs(question: &Question<'_>) -> Option<String> {
    let (ours, theirs) = (question.prediction?, question.observation.verdict()?);
    let verdict = ours.verdict();
    (verdict != theirs).then(|| {
        format!("the prediction differs: here the call is {}: {}", verdict.word().to_lowercase(), ours.sentence())
    })
}

fn candidates(question: &Question<'_>) -> Vec<Candidate> {
    let observation = question.observation;
    let tool = question.tool.map(|tool| text::name(tool, 64));
    let said = || observation.said.clone().unwrap_or_default();
    match observation.observed() {
        Observed::Ran => vec![Candidate::new(
            Cause::Allowed,
            match &tool {
                Some(tool) if question.token.is_some() => format!("the server ran {tool} with this token"),
                Some(tool) => format!("the server ran {tool}"),
                None if question.token.is_some() => "the server accepts this token".to_owned(),
                None if question.unseen.is_some() => "the server accepts the request".to_owned(),
                None => "the server answers without a token".to_owned(),
            },
        )],
        Observed::Failed => {
            vec![Candidate::new(Cause::Tool, format!("the call was allowed, and the tool failed: {}", said()))]
        }
        Observed::BadArguments => vec![
            Candidate::new(
                Cause::Arguments,
                format!("the server rejected the arguments; it may not have checked the permissions yet: {}", said()),
            )
            .ask_for("other arguments; `portcullis tools` shows the schema"),
        ],
        Observed::Forbidden => forbidden(question),
        Observed::Refused => refused(question),
        Observed::NoTool => vec![no_tool(question)],
        Observed::TooLarge => vec![
            Candidate::new(Cause::TooLarge, observation.shape.sentence)
                .ask_for("a smaller token (fewer groups or roles), or a higher limit on the server"),
        ],
        Observed::Throttled => vec![
            Candidate::new(Cause::Rate, observation.shape.sentence).ask_for("nothing; retry later with the same token"),
        ],
        Observed::ServerFailed => vec![
            Candidate::new(Cause::ServerFailed, observation.shape.sentence)
                .ask_for("the server's log, with the time of the call"),
        ],
        Observed::NotMcp => vec![
            Candidate::new(Cause::NotMcp, observation.to_string()).ask_for("the path of the MCP endpoint, often /mcp"),
        ],
        Observed::Silent => vec![Candidate::new(Cause::Down, observation.to_string())],
        Observed::Unclear if observation.shape == &denial::HOST_CHECK => vec![
            Candidate::new(Cause::HostCheck, observation.shape.sentence)
                .ask_for("the URL's host name to be added to the server's allowed hosts"),
        ],
        Observed::Unclear => vec![Candidate::new(Cause::Unknown, observation.to_string())],
    }
}

fn forbidden(question: &Question<'_>) -> Vec<Candidate> {
    let observation = question.observation;
    // A status alone may be about anything: the token is looked at first.
    if observation.shape == &denial::BARE_403 {
        let Some(token) = question.token else { return refused(question) };
        let mut found: Vec<Candidate> = times(question, token)
            .into_iter()
            .chain(form(question, token))
            .chain(rules_here(question, token))
            .collect();
        if !found.is_empty() {
            found.extend(scopes(question));
            return found;
        }
    }
    scopes(question)
}

/// What a forbidden call lacks.
fn scopes(question: &Question<'_>) -> Vec<Candidate> {
    let observation = question.observation;
    let held = question.token.map(granted).unwrap_or_default();
    let by_policy = || -> Vec<String> {
        let Some(Reason::PermissionMissing { needs, .. }) = question.prediction.and_then(Decision::reason) else {
            return Vec::new();
        };
        needs.iter().map(|name| (**name).to_owned()).collect()
    };
    let list = |names: &[String], join: &str| match names {
        [] => "none".to_owned(),
        names => text::names(names.iter(), 64, 16, join),
    };
    // The server may read another claim than the one that contains a scope.
    let lacking = |wanted: &[String], needs: String| {
        let missing: Vec<String> = wanted.iter().filter(|scope| !held.contains(scope)).cloned().collect();
        let candidate =
            Candidate::new(Cause::Permission, observation.shape.sentence).has(held_text(question)).needs(needs);
        if missing.is_empty() {
            let sentence = "the server says that scopes are missing, but the token has them";
            let ask = "the name of the claim that the server reads scopes from, and a token with them in it";
            Candidate { sentence: sentence.to_owned(), ..candidate }.ask_for(ask)
        } else {
            candidate.ask_for(format!("a token with {}", list(&missing, ", ")))
        }
    };
    if observation.scopes.is_empty() {
        let named = &observation.named;
        if !named.is_empty() {
            return vec![lacking(named, format!("{}, according to the message", list(named, ", ")))];
        }
        let needs = by_policy();
        let candidate = Candidate::new(Cause::Permission, observation.shape.sentence).has(held_text(question));
        return vec![if needs.is_empty() {
            candidate
                .needs("not known: the server does not name a scope")
                .ask_for("the scopes or roles that the tool requires (ask the server's owner)")
        } else {
            let needs = list(&needs, " or ");
            candidate.needs(format!("{needs}, by the policy here; the server names no scope")).ask_for(needs)
        }];
    }
    vec![lacking(&observation.scopes, list(&observation.scopes, ", "))]
}

fn no_tool(question: &Question<'_>) -> Candidate {
    let tool = question.tool.map_or_else(|| "the tool".to_owned(), |tool| text::name(tool, 64));
    match question.visibility {
        Some(Visibility::Hidden | Visibility::Masked) => {
            Candidate::new(Cause::ToolHidden, format!("{tool} exists, but the server hides it from this token"))
                .has(held_text(question))
                .ask_for("the scopes or roles that the tool requires (ask the server's owner)")
        }
        Some(Visibility::Absent) => {
            Candidate::new(Cause::ToolMissing, format!("the server has no tool {tool}: no token at hand sees it"))
        }
        Some(Visibility::Listed) => Candidate::new(
            Cause::ToolMissing,
            format!("the server lists {tool}, but says that it does not exist when it is called"),
        ),
        Some(Visibility::CannotTell) | None => Candidate::new(
            Cause::Unknown,
            format!("the server answers as if {tool} did not exist; it may hide the tool from this token"),
        )
        .ask_for("a second token with more permissions (--compare), to see whether it is hidden"),
    }
}

/// What the token holds, with the claims that contain it.
fn held_text(question: &Question<'_>) -> String {
    let claims = question.token.map(granted_by_claim).unwrap_or_default();
    let of_claim =
        |(claim, names): &(&str, Vec<String>)| format!("{} in {claim}", text::names(names.iter(), 64, 16, ", "));
    match claims.iter().map(of_claim).collect::<Vec<_>>() {
        held if held.is_empty() => "no permission".to_owned(),
        held => held.join("; "),
    }
}

fn refused(question: &Question<'_>) -> Vec<Candidate> {
    let Some(token) = question.token else {
        if question.unseen == Some(Unseen::Elsewhere) {
            let sentence = "the server rejects the credentials of the request, which come from a header or the program's environment and are not checked here";
            return vec![
                Candidate::new(Cause::Unknown, sentence).ask_for("the server's log, with the time of the call"),
            ];
        }
        if question.unseen == Some(Unseen::NotGiven) && speaks_of_a_token(question.observation) {
            let sentence = "the server rejects the token of that request, which was not given here";
            let ask = "the token, to compare it with the answer: portcullis why TOKEN RESPONSE";
            return vec![Candidate::new(Cause::Unknown, sentence).ask_for(ask)];
        }
        return vec![
            Candidate::new(Cause::NoToken, "the request carried no token, and the server requires one")
                .has("no token")
                .needs(needed_token(question))
                .ask_for(needed_token(question)),
        ];
    };
    let mut found = Vec::new();
    found.extend(times(question, token));
    found.extend(form(question, token));
    found.extend(audience(question, token));
    found.extend(issuer(question, token));
    found.extend(rules_here(question, token));
    if found.is_empty() {
        let sentence = match token.judged.status(question.now) {
            TokenStatus::NotVerified(_) => {
                "nothing in the token explains the refusal; its signature cannot be verified here, and the server may have revoked it"
            }
            _ => {
                "the token looks valid from here; the server may have revoked it, or may expect another key, issuer or audience"
            }
        };
        found.push(Candidate::new(Cause::Unknown, sentence).ask_for("the server's log, with the time of the call"));
    }
    found
}

/// Whether a refusal is about a token that was sent. A challenge without an error is none (RFC 6750 §3.1), and some servers
/// write one with an error for a missing token too.
fn speaks_of_a_token(observation: &Observation) -> bool {
    let said = observation.said.as_deref().unwrap_or_default().to_lowercase();
    let is_missing =
        ["missing", "no token", "no authorization", "not provided"].iter().any(|words| said.contains(words));
    observation.challenge.as_ref().is_some_and(|challenge| challenge.param("error").is_some()) && !is_missing
}

/// The server's metadata, if they describe the address that was called.
fn described<'a>(question: &Question<'a>) -> Option<&'a Metadata> {
    question.metadata.filter(|_| question.is_described)
}

/// The token that the server needs, as far as its metadata say it.
fn needed_token(question: &Question<'_>) -> String {
    let from = described(question).and_then(|metadata| metadata.issuers.first());
    let resource = described(question).and_then(|metadata| metadata.resource.as_ref());
    let mut words = "a bearer token".to_owned();
    if let Some(issuer) = from {
        let _ = write!(words, " from {}", text::name(issuer, TEXT));
    }
    if let Some(resource) = resource {
        let _ = write!(words, " for {}", text::name(resource, TEXT));
    }
    words
}

fn times(question: &Question<'_>, token: &Inspection) -> Option<Candidate> {
    let (now, there) = (question.now, question.observation.date.unwrap_or(question.now));
    let life = token.judged.lifetime;
    if let Some(exp) = life.exp {
        let ago = |at: NumericDate| words::span(at.since(exp));
        let fresh = |candidate: Candidate| candidate.ask_for("a fresh token");
        if now >= exp {
            return Some(fresh(
                Candidate::new(Cause::Expired, format!("the token expired {} ago", ago(now)))
                    .has(format!("exp {}", exp.rfc3339()))
                    .needs(format!("exp after {}", there.rfc3339())),
            ));
        }
        if there >= exp {
            return Some(
                Candidate::new(
                    Cause::ExpiredThere,
                    format!(
                        "the token expired {} ago by the server's clock, but not by ours: the clocks differ",
                        ago(there)
                    ),
                )
                .has(format!("exp {}", exp.rfc3339()))
                .needs(format!("exp after {}, the server's time", there.rfc3339()))
                .ask_for("synchronized clocks (NTP), or a fresh token"),
            );
        }
    }
    if let Some(iat) = life.iat.filter(|iat| iat.since(now) > Span::SECOND || iat.since(there) > Span::SECOND) {
        let is_ours = iat.since(now) > Span::SECOND;
        let (sentence, by, ask) = match is_ours {
            true => (
                "iat is in the future, which some servers reject",
                "",
                "a token with the right iat, or synchronized clocks (NTP)",
            ),
            false => (
                "iat is in the future by the server's clock, which some servers reject: the clocks differ",
                ", the server's time",
                "synchronized clocks (NTP)",
            ),
        };
        return Some(
            Candidate::new(Cause::NotYetValid, sentence)
                .has(format!("iat {}", iat.rfc3339()))
                .needs(format!("iat before {}{by}", if is_ours { now } else { there }.rfc3339()))
                .ask_for(ask),
        );
    }
    let nbf = life.nbf?;
    // The Date header is rounded down to a second.
    let begins_later = |at: NumericDate| nbf.since(at) > Span::SECOND;
    (begins_later(now) || begins_later(there)).then(|| {
        let by = if begins_later(now) { "" } else { " by the server's clock, but is by ours: the clocks differ" };
        Candidate::new(Cause::NotYetValid, format!("the token is not valid yet{by}"))
            .has(format!("nbf {}", nbf.rfc3339()))
            .needs(format!("nbf before {}", there.rfc3339()))
            .ask_for("a retry after nbf, or synchronized clocks (NTP)")
    })
}

fn form(question: &Question<'_>, token: &Inspection) -> Option<Candidate> {
    let status = token.judged.status(question.now);
    if let Some(reason @ (Reason::WrongType { .. } | Reason::Malformed(_))) = status.reason() {
        return Some(
            Candidate::new(Cause::NotAnAccessToken, format!("the token is not a usable access token: {reason}"))
                .ask_for("an access token for this server"),
        );
    }
    None
}

fn differs_by_slash(one: &str, other: &str) -> bool {
    one != other && one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn audience(question: &Question<'_>, token: &Inspection) -> Option<Candidate> {
    let resource = described(question)?.resource.as_deref()?;
    let claims = token.named();
    if claims.aud.iter().any(|aud| aud == resource) {
        return None;
    }
    let aud = match claims.aud.as_slice() {
        [] => "no aud".to_owned(),
        aud => format!("aud {}", text::names(aud.iter(), 128, 4, ", ")),
    };
    let slash = claims.aud.iter().any(|aud| differs_by_slash(aud, resource));
    let sentence = if slash {
        "the token's audience differs from the server's resource by a trailing slash"
    } else if claims.aud.is_empty() {
        "the token has no `aud`, but the server expects one"
    } else {
        "the token is intended for another audience"
    };
    let resource = text::name(resource, TEXT);
    Some(
        Candidate::new(Cause::Audience, sentence)
            .has(aud)
            .needs(format!("aud {resource}"))
            .ask_for(format!("a token for {resource} (resource or audience parameter)")),
    )
}

fn issuer(question: &Question<'_>, token: &Inspection) -> Option<Candidate> {
    let servers = &described(question)?.issuers;
    if servers.is_empty() {
        return None;
    }
    let iss = token.named().iss;
    if iss.as_ref().is_some_and(|iss| servers.contains(iss)) {
        return None;
    }
    let slash = iss.as_ref().is_some_and(|iss| servers.iter().any(|server| differs_by_slash(server, iss)));
    let has = iss.as_deref().map_or_else(|| "no iss".to_owned(), |iss| format!("iss {}", text::name(iss, TEXT)));
    let sentence = if slash {
        "the token's issuer differs from the server's authorization server by a trailing slash"
    } else {
        "the token's issuer is not one of the server's authorization servers"
    };
    let servers = text::names(servers.iter(), 128, 4, " or ");
    Some(
        Candidate::new(Cause::Issuer, sentence)
            .has(has)
            .needs(format!("iss {servers}"))
            .ask_for(format!("a token from {servers}")),
    )
}

/// What our own rules find wrong, where it says something about the server.
fn rules_here(question: &Question<'_>, token: &Inspection) -> Option<Candidate> {
    match token.judged.status(question.now) {
        TokenStatus::Invalid(reason @ Reason::Revoked { .. }) => {
            Some(Candidate::new(Cause::Revoked, format!("the token is revoked here: {reason}")).ask_for("a new token"))
        }
        TokenStatus::Invalid(reason @ (Reason::BadSignature | Reason::UnknownKey { .. })) => Some(
            Candidate::new(Cause::Signature, format!("by the keys configured here: {reason}"))
                .ask_for("a token that the issuer signed, unchanged"),
        ),
        _ => None,
    }
}

/// Whether a verdict of the server is the predicted one; `None` if the server's answer says none.
pub fn agrees(prediction: Verdict, observation: &Observation) -> Option<bool> {
    observation.verdict().map(|observed| observed == prediction)
}

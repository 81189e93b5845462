//! Makes the requests of a gate probe, one at a time, and of a drill against a foreign server.
//!
//! The command line and the console use it; `lab::probe` says what is sent and what the answers mean.

mod grid;
mod plan;

use std::time::Duration;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::auth::{Inspection, NumericDate, Rules, Signer, TokenId, Verdict, Verifier};
use crate::lab::drill::{Boundary, Drill};
use crate::lab::probe::{Card, Carried, Degree, Extra, GOOD, Mark, Model, PROBES, Probe, Row, is_refusal};
use crate::observe::denial::SESSION_GONE;
use crate::observe::why::skew_of;
use crate::observe::{Observation, Observed, Reply};
use crate::target::{Carriage, Connection, Dialect, OpenError, Target, TargetError, TimedReply, ToolList};
use crate::text::material::Metadata;
use crate::text::{self, Span};

pub use grid::{CallerRow, call_each, list};
pub use plan::ForeignServer;

/// A name that no server has, to see how a missing tool is answered.
pub const NO_SUCH_TOOL: &str = "portcullis_probe_of_a_missing_tool";

/// How long the answer to one request may take by default.
pub const BOUND: Duration = Duration::from_secs(15);

/// How long to wait for a server that limits the rate, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What to probe.
pub struct Request<'a> {
    /// The server.
    pub target: &'a Target,
    /// The tokens.
    pub model: &'a Model,
    /// The tool to call; `None` chooses a read-only one, or only lists the tools.
    pub tool: Option<&'a str>,
    /// The arguments of the call; `None` for an example that fits the schema.
    pub arguments: Option<&'a Map<String, Value>>,
    /// Whether only the most important probes are made.
    pub is_quick: bool,
    /// The server's metadata.
    pub metadata: Option<&'a Metadata>,
}

/// Why a probe did not take place. The sentence is safe to show.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The target cannot be used as described.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The good token was not accepted: the answer, and the tool that was called.
    #[error("the server did not accept the good token")]
    NotAccepted(Box<(Reply, Option<String>)>),
    /// The tool is not in the list.
    #[error("the server does not list this tool for the good token; expected one of: {}", names_of(.0))]
    NoSuchTool(Box<ToolList>),
    /// No tool is declared as read-only, and the list is given to everybody: it says nothing about tokens.
    #[error(
        "the server declares no read-only tool and lists its tools without a token, so tokens cannot be tested; name a \
         tool to call (testkit --run --tool TOOL)"
    )]
    PublicList,
}

fn names_of(listed: &ToolList) -> String {
    text::names(listed.tools.iter().map(|tool| &tool.name), 64, 12, ", ")
}

/// Whether our own key signs for the server: it made the signature of the token in hand, or there is no token.
pub fn fits(signer: &Signer, token: Option<&str>) -> bool {
    token.is_none_or(|token| signer.has_signed(token))
}

/// Converts a probe's token to a request's.
pub fn carriage(carried: &Carried) -> Carriage {
    let secret = |text: &String| Zeroizing::new(text.clone());
    match carried {
        Carried::Bearer(token) => Carriage::bearer(Some(token)),
        Carried::Authorization(values) => {
            Carriage { authorization: values.iter().map(secret).collect(), ..Carriage::default() }
        }
        Carried::Query(name, token) => Carriage { query: vec![(name, secret(token))], ..Carriage::default() },
        Carried::Header(name, value) => Carriage { headers: vec![(name, secret(value))], ..Carriage::default() },
        Carried::Nothing => Carriage::default(),
    }
}

/// The ID of the token that a request carries.
fn token_id(carried: &Carried) -> Option<TokenId> {
    match carried {
        Carried::Bearer(token) | Carried::Query(_, token) => Some(TokenId::of(token)),
        Carried::Authorization(_) | Carried::Header(..) | Carried::Nothing => None,
    }
}

/// A connection that is tried with one token after another.
struct Prober<'a> {
    target: &'a Target,
    dialect: Dialect,
    tool: Option<(String, Map<String, Value>)>,
    requests: usize,
}

/// An answer to a probe.
struct ProbeReply {
    reply: Reply,
    /// Whether it came before the call: to the handshake.
    is_early: bool,
}

impl ProbeReply {
    fn observation(&self) -> Observation {
        Observation::of(&self.reply)
    }
}

impl Prober<'_> {
    /// How long the answer to one request may take.
    fn bound(&self) -> Duration {
        self.target.timeout.unwrap_or(BOUND)
    }

    /// Makes the whole request with a token: handshake, and the call or the list.
    async fn ask(&mut self, carriage: &Carriage) -> Result<ProbeReply, TargetError> {
        let connection = match Connection::open(self.target, carriage, &self.dialect).await {
            Ok(connection) => connection,
            Err(OpenError::Target(error)) => return Err(error),
            Err(OpenError::Server(refused)) => {
                self.requests += 1;
                return Ok(ProbeReply { reply: refused.reply, is_early: true });
            }
        };
        let reply = self.request(&connection).await;
        self.requests += connection.sent();
        connection.close().await;
        Ok(ProbeReply { reply, is_early: false })
    }

    async fn request(&self, connection: &Connection) -> Reply {
        match &self.tool {
            Some((tool, arguments)) => connection.call(tool, arguments.clone(), self.bound()).await.reply,
            None => connection.list(self.bound()).await.0.reply,
        }
    }

    /// Like [`Prober::ask`]; waits once if the server limits the rate.
    async fn ask_patiently(&mut self, carriage: &Carriage) -> Result<ProbeReply, TargetError> {
        let first = self.ask(carriage).await?;
        if first.observation().observed() != Observed::Throttled {
            return Ok(first);
        }
        let wanted = first.reply.ok().and_then(|answer| answer.http?.retry_after?.trim().parse().ok());
        let pause = Duration::from_secs(wanted.unwrap_or(1)).min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
        self.ask(carriage).await
    }

    /// Tries a token in every way: with the whole request, and if the handshake is refused, with the call alone, as a
    /// client does that was let in with another token. A server that only guards its front door is open.
    async fn try_token(&mut self, good: &Connection, carriage: &Carriage) -> Result<TokenReply, TargetError> {
        let answered = self.ask_patiently(carriage).await?;
        let observation = answered.observation();
        if answered.is_early
            && is_refusal(&observation)
            && let Some(TimedReply { reply, .. }) = good.repeat(self.target, carriage, true).await?
        {
            self.requests += 1;
            let alone = Observation::of(&reply);
            if alone.verdict() == Some(Verdict::Allowed) {
                return Ok(TokenReply { observation: alone, is_alone: true });
            }
        }
        Ok(TokenReply { observation, is_alone: false })
    }
}

/// The answer to a token.
struct TokenReply {
    observation: Observation,
    /// Whether it was accepted with the call alone, after the handshake had refused it.
    is_alone: bool,
}

/// The key that verifies a token, if it is a public one that is configured here: a probe abuses it as a secret.
pub fn public_key(rules: &Rules, token: &Inspection) -> Option<Verifier> {
    let kid = token.kid();
    let mut keys = rules.issuer_of(&token.token)?.keys.iter();
    keys.find(|key| key.components().is_some() && (kid.is_none() || key.kid() == kid.as_deref())).cloned()
}

/// Makes a probe. `each` is called with the card so far whenever it has another line.
pub async fn probe(
    request: &Request<'_>,
    now: impl Fn() -> NumericDate,
    mut each: impl FnMut(&Card),
) -> Result<Card, Stopped> {
    let Request { target, model, .. } = request;
    let good = Carriage::bearer(Some(&model.good));
    let not_accepted = |reply, tool: Option<&str>| Stopped::NotAccepted(Box::new((reply, tool.map(str::to_owned))));
    let connection = match Connection::open(target, &good, &Dialect::Auto).await {
        Ok(connection) => connection,
        Err(OpenError::Target(error)) => return Err(error.into()),
        Err(OpenError::Server(refused)) => return Err(not_accepted(refused.reply, None)),
    };
    let bound = target.timeout.unwrap_or(BOUND);
    let (listing, listed) = connection.list(bound).await;
    let Some(listed) = listed else { return Err(not_accepted(listing.reply, None)) };
    let tool = match request.tool {
        Some(name) => {
            let Some(info) = listed.tools.iter().find(|info| *info.name == *name) else {
                return Err(Stopped::NoSuchTool(Box::new(listed)));
            };
            Some(info)
        }
        None => listed.harmless(),
    };
    let tool = tool.map(|info| {
        let example = || serde_json::from_str(&info.example).unwrap_or_default();
        (info.name.to_string(), request.arguments.cloned().unwrap_or_else(example))
    });
    let name = tool.as_ref().map(|(name, _)| name.clone());
    let arguments = tool.as_ref().map_or_else(String::new, |(_, arguments)| json!(arguments).to_string());
    let mut prober = Prober { target, dialect: connection.dialect(), tool, requests: 0 };
    let reply = prober.request(&connection).await;
    let first = Observation::of(&reply);
    if first.verdict() != Some(Verdict::Allowed) {
        return Err(not_accepted(reply, name.as_deref()));
    }
    // A list that everybody may read says nothing about tokens.
    if name.is_none() && is_public(&mut prober).await? {
        return Err(Stopped::PublicList);
    }
    let seen = &connection.seen;
    let server = format!("{} {} · MCP {}", seen.name, seen.version, seen.protocol);
    let mut card = Card {
        target: target.place.to_string(),
        server: text::display_safe(server.trim(), 120),
        tool: name,
        arguments,
        has_key: model.has_key(),
        at: now(),
        skew: Span::ZERO,
        requests: 0,
        rows: Vec::new(),
        extras: Vec::new(),
    };
    // The clock of the server decides, so its lead is not part of the leeway.
    if let Some(skew) = first.date.and_then(|date| skew_of(date, now())) {
        card.skew = skew;
    }
    let good_answer = first.observed();
    for (n, probe) in PROBES.iter().filter(|probe| probe.is_quick || !request.is_quick).enumerate() {
        let degree = degree(probe, request);
        let model = model.for_probe(n);
        let carried = match probe.degree {
            Degree::Allowance => probe.make(&model.at_instant(now().plus(card.skew))),
            _ => probe.make(&model),
        };
        let carried = carried.filter(|carried| carriage(carried).can_be_sent());
        let tried = match &carried {
            _ if probe.name == GOOD => Some(TokenReply { observation: first.clone(), is_alone: false }),
            Some(carried) => Some(prober.try_token(&connection, &carriage(carried)).await?),
            None => None,
        };
        let is_alone = tried.as_ref().is_some_and(|tried| tried.is_alone);
        let observation = tried.map(|tried| tried.observation);
        let token_id = carried.as_ref().and_then(token_id);
        let row = Row { is_alone, ..Row::new(probe, degree, token_id, observation, good_answer) };
        card.rows.push(row);
        each(&card);
    }
    if !request.is_quick {
        card.extras = sessions(&connection, request, &mut prober).await?;
        card.extras.extend(other_revision(request, &mut prober).await?);
    }
    card.extras.extend(doubts(&mut prober, &good).await?);
    card.conclude();
    card.requests = prober.requests + connection.sent();
    connection.close().await;
    Ok(card)
}

/// How much depends on a probe: a wrong audience or issuer is a failure if the server's metadata say what it expects.
fn degree(probe: &Probe, request: &Request<'_>) -> Degree {
    let Some(metadata) = request.metadata else { return probe.degree };
    let has = |claim: &str, wanted: &str| match request.model.claims.get(claim) {
        Some(Value::String(found)) => found == wanted,
        Some(Value::Array(found)) => found.iter().any(|found| found == wanted),
        _ => false,
    };
    let is_bound = match probe.binds_to() {
        Some("aud") => metadata.resource.as_ref().is_some_and(|resource| has("aud", resource)),
        Some("iss") => metadata.issuers.iter().any(|issuer| has("iss", issuer)),
        _ => false,
    };
    let is_essential = ["another audience", "no audience", "audience list of others", "another issuer", "no issuer"];
    if is_bound && is_essential.contains(&probe.name) { Degree::Must } else { probe.degree }
}

/// What makes the whole card doubtful: a good token that is no longer accepted, or a tool that was not called.
async fn doubts(prober: &mut Prober<'_>, good: &Carriage) -> Result<Vec<Extra>, TargetError> {
    let doubt = |name, found| Extra { group: "good", name, degree: Degree::Must, found, is_sound: None };
    let mut found = Vec::new();
    // A server that refuses every token after a while would look sound.
    let again = prober.ask_patiently(good).await?.observation();
    if again.verdict() != Some(Verdict::Allowed) {
        let sentence = format!("at the end, the good token was not accepted any longer: {again}");
        found.push(doubt("good token again", sentence));
    }
    if prober.tool.is_none() {
        let sentence =
            "the server declares no tool as read-only, so only the list was asked for; name a tool with --tool";
        found.push(doubt("no tool was called", sentence.to_owned()));
    }
    Ok(found)
}

/// Whether the list of tools is given without a token.
async fn is_public(prober: &mut Prober<'_>) -> Result<bool, TargetError> {
    let anonymous = prober.ask_patiently(&Carriage::default()).await?.observation();
    Ok(anonymous.verdict() == Some(Verdict::Allowed))
}

/// Tries to use and to end the session of the good token with another user's, and to end it without one.
async fn sessions(
    connection: &Connection,
    request: &Request<'_>,
    prober: &mut Prober<'_>,
) -> Result<Vec<Extra>, TargetError> {
    let (target, model) = (request.target, request.model);
    if connection.session().is_none() {
        return Ok(Vec::new());
    }
    let other = model.signed(&model.of_another_user());
    let other = other.map(|token| Carriage::bearer(Some(&token)));
    let mut found = Vec::new();
    if let Some(other) = &other
        && let Some(TimedReply { reply, .. }) = connection.repeat(target, other, true).await?
    {
        prober.requests += 1;
        let observation = Observation::of(&reply);
        let accepted = match observation.verdict() {
            // A session of somebody else that does not exist for this user is refused too.
            _ if is_refusal(&observation) || observation.shape == &SESSION_GONE => Some(false),
            verdict => verdict.map(|verdict| verdict == Verdict::Allowed),
        };
        found.push(Extra {
            group: "session",
            name: "used with another user's token",
            degree: Degree::Should,
            found: match accepted {
                Some(true) => "the server ran the tool in the session of another user".to_owned(),
                _ => observation.to_string(),
            },
            is_sound: accepted.map(|accepted| !accepted),
        });
    }
    let ends = [
        ("ended with another user's token", Degree::Should, other),
        ("ended without a token", Degree::Must, Some(Carriage::default())),
    ];
    for (name, degree, carriage) in ends {
        let Some(carriage) = carriage else { continue };
        let Some(TimedReply { reply, .. }) = connection.end_with(target, &carriage).await? else { continue };
        prober.requests += 1;
        let status = reply.as_ref().ok().and_then(|answer| answer.http.as_ref()).map(|http| http.status);
        let ended = match status {
            Some(200..=299) => Some(true),
            Some(400..=499) => Some(false),
            _ => None,
        };
        found.push(Extra {
            group: "session",
            name,
            degree,
            found: match ended {
                Some(true) => "the server ended the session".to_owned(),
                _ => Observation::of(&reply).to_string(),
            },
            is_sound: ended.map(|ended| !ended),
        });
    }
    Ok(found)
}

/// Makes the most important probes with the other family of the protocol, if the server speaks it too: its guard may
/// stand before one of them only.
async fn other_revision(request: &Request<'_>, prober: &mut Prober<'_>) -> Result<Vec<Extra>, TargetError> {
    let usual = prober.dialect.clone();
    prober.dialect = match &usual {
        Dialect::Discovery(_) => Dialect::Handshake(LATEST_HANDSHAKE.to_owned()),
        _ => Dialect::Discovery(LATEST_DISCOVERY.to_owned()),
    };
    let good = prober.ask_patiently(&Carriage::bearer(Some(&request.model.good))).await?.observation();
    let mut found = Vec::new();
    if good.verdict() == Some(Verdict::Allowed) {
        let essential =
            PROBES.iter().filter(|probe| probe.is_quick && probe.degree == Degree::Must && probe.name != GOOD);
        for probe in essential {
            let Some(carried) = probe.make(request.model) else { continue };
            let observation = prober.ask_patiently(&carriage(&carried)).await?.observation();
            let row = Row::new(probe, probe.degree, None, Some(observation), good.observed());
            found.push(Extra {
                group: "other revision",
                name: probe.name,
                degree: probe.degree,
                found: format!("{}: {}", row.mark.words(), row.came()),
                is_sound: match row.mark {
                    Mark::Sound => Some(true),
                    Mark::Accepted | Mark::Refused => Some(false),
                    _ => None,
                },
            });
        }
    }
    prober.dialect = usual;
    Ok(found)
}

/// The latest revisions of the two families of the protocol.
const LATEST_HANDSHAKE: &str = "2025-11-25";
const LATEST_DISCOVERY: &str = "2026-07-28";

/// Makes the calls that a drill asks for, each at its time, with one connection as long as it holds.
pub async fn drill(
    target: &Target,
    token: &str,
    call: (&str, &Map<String, Value>),
    drill: &mut Drill,
    now: impl Fn() -> NumericDate,
) -> Result<(), Stopped> {
    let carriage = Carriage::bearer(Some(token));
    let (tool, arguments) = call;
    let mut connection: Option<Connection> = None;
    let mut dialect = Dialect::Auto;
    while let Some(next) = drill.next() {
        let Some(at) = drill.call_at(now()) else {
            let left = next.since(now()).as_duration();
            // At most a second at a time, so that a change of the clock is noticed.
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
            continue;
        };
        if connection.as_ref().is_none_or(|open| !open.is_open()) {
            connection = match Connection::open(target, &carriage, &dialect).await {
                Ok(open) => {
                    dialect = open.dialect();
                    Some(open)
                }
                Err(OpenError::Target(error)) => return Err(error.into()),
                Err(OpenError::Server(refused)) => {
                    drill.record_observed(at, &Observation::of(&refused.reply));
                    continue;
                }
            };
        }
        if let Some(open) = &connection {
            // Connecting may have taken a while.
            let at = drill.call_at(now()).unwrap_or(at);
            let called = open.call(tool, arguments.clone(), target.timeout.unwrap_or(BOUND)).await;
            drill.record_observed(at, &Observation::of(&called.reply));
        }
    }
    if let Some(open) = connection {
        open.close().await;
    }
    Ok(())
}

/// The longest leeway that is searched for, in seconds: the largest of our own gate, and one more.
const LONGEST_LEEWAY: i64 = 301;

/// Whether the server accepted the token; `None` if the answer does not show it. Arguments are checked after the token.
fn accepts_token(observation: &Observation) -> Option<bool> {
    match observation.observed() {
        Observed::BadArguments => Some(true),
        _ => observation.verdict().map(|verdict| verdict == Verdict::Allowed),
    }
}

/// Finds how long after `exp` (`claim` is `exp`) or before `nbf` the server accepts a token, without waiting: by
/// bisection over tokens that are signed with the trusted key.
pub async fn boundary(
    target: &Target,
    model: &Model,
    call: (&str, &Map<String, Value>),
    claim: &str,
    now: impl Fn() -> NumericDate,
) -> Result<Boundary, Stopped> {
    let tool = Some((call.0.to_owned(), call.1.clone()));
    let mut prober = Prober { target, dialect: Dialect::Auto, tool, requests: 0 };
    let mut found = Boundary { accepted: None, refused: None, tries: 0, skew: Span::ZERO };
    // By whose clock the tokens expire: a good answer shows it.
    let answered = prober.ask_patiently(&Carriage::bearer(Some(&model.good))).await?;
    let good = answered.observation();
    if accepts_token(&good) != Some(true) {
        return Err(Stopped::NotAccepted(Box::new((answered.reply, Some(call.0.to_owned())))));
    }
    if let Some(skew) = good.date.map(|date| date.since(now().whole_second())).filter(|skew| skew.abs() > Span::SECOND)
    {
        found.skew = skew;
    }
    // From well inside to beyond every leeway.
    let (mut low, mut high) = (-2, LONGEST_LEEWAY);
    for distance in [low, high] {
        try_at(&mut prober, model, claim, distance, &now, &mut found).await?;
    }
    if found.accepted == Some(low) && found.refused == Some(high) {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if try_at(&mut prober, model, claim, middle, &now, &mut found).await? {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
    Ok(found)
}

/// Tries a token that is `distance` seconds beyond its time. Returns whether it was accepted.
async fn try_at(
    prober: &mut Prober<'_>,
    model: &Model,
    claim: &str,
    distance: i64,
    now: impl Fn() -> NumericDate,
    found: &mut Boundary,
) -> Result<bool, Stopped> {
    let span = Span::seconds(distance);
    let at = now().plus(found.skew);
    let mut claims = model.claims.clone();
    let time = if claim == "exp" { at.plus(-span) } else { at.plus(span) };
    claims.insert(claim.to_owned(), time.whole_second().json_number());
    claims.insert("iat".to_owned(), at.plus(-span).plus(-Span::HOUR).whole_second().json_number());
    let token = model.signed(&Value::Object(claims).to_string()).unwrap_or_default();
    let answered = prober.ask_patiently(&Carriage::bearer(Some(&token))).await?;
    found.tries += 1;
    let Some(accepted) = accepts_token(&answered.observation()) else {
        let tool = prober.tool.as_ref().map(|(name, _)| name.clone());
        return Err(Stopped::NotAccepted(Box::new((answered.reply, tool))));
    };
    let place = if accepted { &mut found.accepted } else { &mut found.refused };
    *place = Some(match (*place, accepted) {
        (Some(known), true) => known.max(distance),
        (Some(known), false) => known.min(distance),
        (None, _) => distance,
    });
    Ok(accepted)
}

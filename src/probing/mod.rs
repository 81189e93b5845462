//! Makes the requests of a gate probe, one at a time, and of a drill against a foreign server.
//!
//! The command line and the console use it; `lab::probe` says what is sent and what the answers mean.

mod grid;
mod plan;

use std::time::Duration;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::auth::{Inspection, NumericDate, Rules, TokenId, Verifier};
use crate::lab::drill::{Boundary, Drill};
use crate::lab::probe::{Card, Carried, Degree, Extra, GOOD, Model, PROBES, Probe, Row};
use crate::observe::{NoAnswer, Observation, Observed, Reply};
use crate::target::{Called, Carriage, Connection, Dialect, Listed, OpenError, Target, TargetError};
use crate::text;
use crate::text::material::Metadata;

pub use grid::{RowSeen, call_each, list};
pub use plan::ForeignServer;

/// A name that no server has, to see how a missing tool is answered.
pub const NO_SUCH_TOOL: &str = "portcullis_probe_of_a_missing_tool";

/// How long the answer to one request may take.
const BOUND: Duration = Duration::from_secs(15);

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

/// Why a probe did not take place.
#[derive(Debug)]
pub enum Stopped {
    /// The target cannot be used as described.
    Target(TargetError),
    /// The good token was not accepted: the answer, and the tool that was called.
    NotAccepted(Box<(Reply, Option<String>)>),
    /// The tool is not in the list.
    NoSuchTool(Box<Listed>),
}

impl From<TargetError> for Stopped {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
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

impl Prober<'_> {
    /// Makes the whole request with a token: handshake, and the call or the list.
    async fn ask(&mut self, carriage: &Carriage) -> Result<Reply, TargetError> {
        let connection = match Connection::open(self.target, carriage, &self.dialect).await {
            Ok(connection) => connection,
            Err(OpenError::Target(error)) => return Err(error),
            Err(OpenError::Server(refused)) => {
                self.requests += 1;
                return Ok(refused.reply);
            }
        };
        let reply = self.request(&connection).await;
        self.requests += connection.sent();
        connection.close().await;
        Ok(reply)
    }

    async fn request(&self, connection: &Connection) -> Reply {
        match &self.tool {
            Some((tool, arguments)) => connection.call(tool, arguments.clone(), BOUND).await.reply,
            None => connection.list(BOUND).await.0.reply,
        }
    }

    /// Like [`Prober::ask`]; waits once if the server limits the rate.
    async fn ask_patiently(&mut self, carriage: &Carriage) -> Result<Observation, TargetError> {
        let first = self.ask(carriage).await?;
        let observation = Observation::of(&first);
        if observation.observed() != Observed::Throttled {
            return Ok(observation);
        }
        let wanted = first.ok().and_then(|answer| answer.http?.retry_after?.trim().parse().ok());
        let pause = Duration::from_secs(wanted.unwrap_or(1)).min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
        Ok(Observation::of(&self.ask(carriage).await?))
    }
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
    let (listing, listed) = connection.list(BOUND).await;
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
    let mut prober = Prober { target, dialect: connection.dialect(), tool, requests: connection.sent() };
    let reply = prober.request(&connection).await;
    let first = Observation::of(&reply);
    if first.verdict() != Some(crate::auth::Verdict::Allowed) {
        return Err(not_accepted(reply, name.as_deref()));
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
        requests: 0,
        rows: Vec::new(),
        extras: Vec::new(),
    };
    for probe in PROBES.iter().filter(|probe| probe.is_quick || !request.is_quick) {
        let degree = degree(probe, request);
        let carried = match probe.degree {
            Degree::Allowance => probe.make(&model.at_instant(now())),
            _ => probe.make(model),
        };
        let carried = carried.filter(|carried| carriage(carried).can_be_sent());
        let observation = match &carried {
            _ if probe.name == GOOD => Some(first.clone()),
            Some(carried) => Some(prober.ask_patiently(&carriage(carried)).await?),
            None => None,
        };
        let row = Row::new(probe, degree, carried.as_ref().and_then(token_id), observation);
        card.rows.push(row);
        each(&card);
    }
    if !request.is_quick {
        card.extras = sessions(&connection, request, &prober).await?;
        // A server that refuses every token after a while would look sound.
        let again = prober.ask_patiently(&good).await?;
        if again.verdict() != Some(crate::auth::Verdict::Allowed) {
            card.extras.push(Extra {
                group: "good",
                name: "good token again",
                degree: Degree::Must,
                found: format!("at the end, the good token was not accepted any longer: {again}"),
                is_sound: None,
            });
        }
    }
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

/// Tries to use and to end the session of the good token with other ones.
async fn sessions(
    connection: &Connection,
    request: &Request<'_>,
    prober: &Prober<'_>,
) -> Result<Vec<Extra>, TargetError> {
    let (Some(session), Some((tool, arguments))) = (connection.session(), &prober.tool) else { return Ok(Vec::new()) };
    let model = request.model;
    let arguments = Value::Object(arguments.clone());
    let other = model.signed(&model.with("sub", json!("another-user")));
    let expired = model.signed(&model.with("exp", model.at(-crate::text::Span::HOUR)));
    let mut found = Vec::new();
    let tries: [(&'static str, Degree, Option<Carriage>, bool); 5] = [
        ("a session without a token", Degree::Must, Some(Carriage::default()), true),
        ("a session with a damaged token", Degree::Must, Some(Carriage::bearer(Some("garbage"))), true),
        ("a session with an expired token", Degree::Must, expired.map(|token| Carriage::bearer(Some(&token))), true),
        (
            "a session with another user's token",
            Degree::Should,
            other.as_ref().map(|token| Carriage::bearer(Some(token))),
            true,
        ),
        ("a session ended without a token", Degree::Must, Some(Carriage::default()), false),
    ];
    for (name, degree, carriage, is_call) in tries {
        let Some(carriage) = carriage else { continue };
        let call = is_call.then_some((tool.as_str(), &arguments));
        let Called { reply, .. } = connection.intrude(request.target, &carriage, &session, call).await?;
        let observation = Observation::of(&reply);
        let accepted = match (&reply, is_call) {
            (Ok(answer), false) => answer.http.as_ref().map(|http| (200..300).contains(&http.status)),
            (Err(NoAnswer::Closed(_)), _) => None,
            _ if crate::lab::probe::is_refusal(&observation) => Some(false),
            _ => observation.verdict().map(|verdict| verdict == crate::auth::Verdict::Allowed),
        };
        found.push(Extra {
            group: "session",
            name,
            degree,
            found: observation.to_string(),
            is_sound: accepted.map(|accepted| !accepted),
        });
    }
    Ok(found)
}

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
            let called = open.call(tool, arguments.clone(), BOUND).await;
            drill.record_observed(at, &Observation::of(&called.reply));
        }
    }
    if let Some(open) = connection {
        open.close().await;
    }
    Ok(())
}

/// The longest allowance that is searched for, in seconds: the largest that any known server has, and one more.
const LONGEST_ALLOWANCE: i64 = 301;

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
    let mut found = Boundary { accepted: None, refused: None, tries: 0 };
    // From well inside to beyond every allowance.
    let (mut low, mut high) = (-2, LONGEST_ALLOWANCE);
    for distance in [low, high] {
        try_at(&mut prober, model, claim, distance, &now, &mut found).await?;
    }
    if found.accepted == Some(low) && found.refused == Some(high) {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if try_at(&mut prober, model, claim, middle, &now, &mut found).await? {
                low = middle
            } else {
                high = middle
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
    let span = crate::text::Span::seconds(distance);
    let at = now();
    let mut claims = model.claims.clone();
    let time = if claim == "exp" { at.plus(-span) } else { at.plus(span) };
    claims.insert(claim.to_owned(), time.whole_second().json_number());
    claims.insert("iat".to_owned(), at.plus(-span).plus(-crate::text::Span::HOUR).whole_second().json_number());
    let token = model.signed(&Value::Object(claims).to_string()).unwrap_or_default();
    let reply = prober.ask(&Carriage::bearer(Some(&token))).await?;
    found.tries += 1;
    let accepted = match Observation::of(&reply).verdict() {
        Some(crate::auth::Verdict::Allowed) => true,
        Some(_) => false,
        None => {
            return Err(Stopped::NotAccepted(Box::new((reply, prober.tool.as_ref().map(|(name, _)| name.clone())))));
        }
    };
    let place = if accepted { &mut found.accepted } else { &mut found.refused };
    *place = Some(match (*place, accepted) {
        (Some(known), true) => known.max(distance),
        (Some(known), false) => known.min(distance),
        (None, _) => distance,
    });
    Ok(accepted)
}

//! Runs against foreign servers: many requests, one at a time, on the thread of the connections.
//!
//! Each request is logged like a call. A run does not use the open connections, because each of its tokens needs a
//! connection of its own.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::foreign::{Asking, Foreign, Inner, Latest, Work, answer_json, unless_cancelled};
use crate::app::runs::{
    BoundariesOrder, CallerReport, ProbeOrder, RoundOrder, RunOrder, RunProgress, RunStop, RunWork,
};
use crate::app::{Msg, Times};
use crate::auth::TokenId;
use crate::gate::ports::ToolInfo;
use crate::gate::{ForeignAnswer, ForeignCall, Gate, Origin, Source};
use crate::lab::kit::Identity;
use crate::lab::probe::{Card, Carried, GoodClaims, Model, ModelError};
use crate::observe::{NoAnswer, Observation, Reply};
use crate::probing::{self, Request, Stopped};
use crate::target::{Carriage, Connection, Dialect, OpenError, describes, fetch_metadata};
use crate::text::material::Metadata;

impl Foreign {
    /// Carries out a run. `None` if the target is not defined.
    pub fn run(&self, gate: &Gate, id: u64, order: RunOrder, times: Times) -> Option<Work> {
        let RunOrder { target, token, work } = order;
        let asking = self.asking(gate, target, token, times)?;
        let (inner, cancelled) = (self.inner(), self.cancellation(id));
        Some(self.on_thread(async move {
            let runs = async {
                match work {
                    RunWork::Probe(order) => Box::pin(probe(&inner, id, &asking, &order)).await,
                    RunWork::Boundaries(order) => Box::pin(boundaries(&inner, id, &asking, &order)).await,
                    RunWork::Round(order) => Box::pin(round(&inner, id, &asking, &order)).await,
                }
            };
            let end = unless_cancelled(&cancelled, runs).await.unwrap_or(Err(RunStop::Cancelled));
            inner.forget(id);
            Msg::RunEnded { id, end }
        }))
    }
}

/// Makes a gate probe.
async fn probe(inner: &Inner, id: u64, asking: &Asking, order: &ProbeOrder) -> Result<RunProgress, RunStop> {
    let metadata = fetch_metadata(&asking.target, None).await;
    let model =
        model(asking, &order.identity, metadata.as_ref()).map_err(|error| RunStop::Failed(error.to_string()))?;
    let request = Request {
        target: &asking.target,
        model: &model,
        tool: order.tool.as_deref(),
        arguments: None,
        is_quick: order.is_quick,
        metadata: metadata.as_ref(),
    };
    let clock = asking.gate.clock();
    let mut began = clock.monotonic();
    let each = |card: &Card| {
        let ended = clock.monotonic();
        asking.log_probe(card, &model, ended.saturating_sub(began));
        began = ended;
        inner.report(Latest::Run(id, RunProgress::Probe(Arc::new(card.clone()))));
    };
    match Box::pin(probing::probe(&request, || clock.now(), each)).await {
        Ok(card) => Ok(RunProgress::Probe(Arc::new(card))),
        Err(stopped) => Err(asking.stop(&model.good, stopped).await),
    }
}

/// Calls a tool with every token. Each has a connection of its own.
async fn round(inner: &Inner, id: u64, asking: &Asking, order: &RoundOrder) -> Result<RunProgress, RunStop> {
    let clock = asking.gate.clock();
    let (mut dialect, mut seen) = (Dialect::Auto, Vec::<CallerReport>::new());
    let call = ToolCall {
        tool: &order.tool,
        arguments: match order.is_unknown {
            true => described(asking, order).await.unwrap_or_else(|| order.arguments.clone()),
            false => order.arguments.clone(),
        },
    };
    for (n, sent) in order.callers.iter().enumerate() {
        let token = sent.as_deref().map(TokenId::of);
        let asking = asking.with(sent.clone());
        let mut row = PendingRow { asking: &asking, call: &call, began: clock.monotonic(), is_logged: false };
        let carriage = Carriage::bearer(sent.as_deref());
        let (reply, tools, missing) = match Connection::open(&asking.target, &carriage, &dialect).await {
            Err(OpenError::Target(error)) => {
                row.is_logged = true;
                return Err(RunStop::Failed(error.to_string()));
            }
            Err(OpenError::Server(refused)) => (refused.reply, None, None),
            Ok(connection) => {
                dialect = connection.dialect();
                let called = Box::pin(called(&connection, &call, asking.target.call_bound())).await;
                connection.close().await;
                called
            }
        };
        row.log(&reply);
        let why = match n + 1 == order.callers.len() {
            true => Some(Box::new(asking.explain(Some(&order.tool), &reply, &CancellationToken::new()).await)),
            false => None,
        };
        seen.push(CallerReport { token, tools, answer: Observation::of(&reply), missing, why });
        inner.report(Latest::Run(id, RunProgress::Round(seen.as_slice().into())));
    }
    Ok(RunProgress::Round(seen.into()))
}

/// Returns example arguments of a tool, as the first caller sees it whose list contains it.
async fn described(asking: &Asking, order: &RoundOrder) -> Option<Map<String, Value>> {
    for sent in &order.callers {
        let carriage = Carriage::bearer(sent.as_deref());
        let Ok(connection) = Connection::open(&asking.target, &carriage, &Dialect::Auto).await else { continue };
        let (_, listed) = Box::pin(connection.list(asking.target.call_bound())).await;
        connection.close().await;
        let tool = listed.and_then(|listed| listed.tools.into_iter().find(|tool| tool.name == order.tool));
        if let Some(tool) = tool {
            return serde_json::from_str(&tool.example).ok();
        }
    }
    None
}

/// A call of a round.
struct ToolCall<'a> {
    tool: &'a str,
    arguments: Map<String, Value>,
}

/// A call of a round that has not been logged. If the round is cancelled, it is logged when it is dropped: it may have
/// taken effect.
struct PendingRow<'a> {
    asking: &'a Asking,
    call: &'a ToolCall<'a>,
    began: Duration,
    is_logged: bool,
}

impl PendingRow<'_> {
    fn log(&mut self, reply: &Reply) {
        self.is_logged = true;
        let (asking, tool) = (self.asking, self.call.tool);
        let duration = asking.gate.clock().monotonic().saturating_sub(self.began);
        let token = asking.token.as_deref().map(TokenId::of);
        let arguments = json!(self.call.arguments).to_string();
        let observation = Observation::of(reply);
        let foreign = asking.answered(&observation, &observation.to_string(), Box::default());
        let answer = answer_json(reply).to_string();
        let (arguments, answer, origin) = (&*arguments, &*answer, Origin::Console);
        let call = LoggedCall { tool, arguments, answer, took: duration, origin, token };
        asking.log(&call, &observation, asking.known(foreign, tool));
    }
}

impl Drop for PendingRow<'_> {
    fn drop(&mut self) {
        if !self.is_logged {
            self.log(&Err(NoAnswer::Cancelled));
        }
    }
}

/// Finds the boundaries of both time claims, without waiting.
async fn boundaries(inner: &Inner, id: u64, asking: &Asking, order: &BoundariesOrder) -> Result<RunProgress, RunStop> {
    let metadata = fetch_metadata(&asking.target, None).await;
    let model =
        model(asking, &order.identity, metadata.as_ref()).map_err(|error| RunStop::Failed(error.to_string()))?;
    if !model.has_key() {
        let why = "shifted time requires new tokens, but our key did not sign this one; use real time";
        return Err(RunStop::Failed(why.to_owned()));
    }
    let now = || asking.gate.clock().now();
    let call = (&*order.tool, &order.arguments);
    let exp = match Box::pin(probing::boundary(&asking.target, &model, call, "exp", now)).await {
        Ok(exp) => exp,
        Err(stopped) => return Err(asking.stop(&model.good, stopped).await),
    };
    inner.report(Latest::Run(id, RunProgress::Boundaries(exp, None)));
    match Box::pin(probing::boundary(&asking.target, &model, call, "nbf", now)).await {
        Ok(nbf) => Ok(RunProgress::Boundaries(exp, Some(nbf))),
        Err(stopped) => Err(asking.stop(&model.good, stopped).await),
    }
}

/// Lists the tools and calls one. If it is not in the list, a name that does not exist is called too, to tell a hidden tool
/// from a masked one. Returns the answer, the list, and the answer to that name.
async fn called(
    connection: &Connection,
    call: &ToolCall<'_>,
    bound: Duration,
) -> (Reply, Option<Vec<ToolInfo>>, Option<Observation>) {
    let (_, listed) = Box::pin(connection.list(bound)).await;
    let called = Box::pin(connection.call(call.tool, call.arguments.clone(), bound)).await;
    let missing = match &listed {
        Some(listed) if !listed.has(call.tool) => {
            let called = Box::pin(connection.call(probing::NO_SUCH_TOOL, Map::new(), bound)).await;
            Some(Observation::of(&called.reply))
        }
        _ => None,
    };
    (called.reply, listed.map(|listed| listed.tools), missing)
}

/// The tokens of a run: modelled on the one in hand, or on the identity of a new one.
fn model(asking: &Asking, identity: &Identity, metadata: Option<&Metadata>) -> Result<Model, ModelError> {
    // Others must not choose the audience and the issuer of tokens that our key signs.
    let metadata = metadata.filter(|metadata| describes(metadata, &asking.target));
    let (rules, now) = (&asking.rules, asking.gate.clock().now());
    let signer = asking.gate.signer().ok().filter(|signer| probing::fits(signer, asking.token.as_deref()));
    let model = match (asking.token.as_deref(), &signer) {
        (Some(token), signer) => Model::of_token(token, signer.as_ref(), now),
        (None, Some(signer)) => {
            // A server that says what it is decides; otherwise it may be one that expects what is expected here.
            let own = rules.audience().filter(|_| metadata.is_none_or(|metadata| metadata.resource.is_none()));
            let audiences: Vec<String> = own.iter().map(ToString::to_string).collect();
            let wanted = GoodClaims {
                user: &identity.user_id,
                permissions: &identity.permissions,
                issuer: rules.issuer().map(|issuer| &**issuer),
                audiences: &audiences,
                preset: None,
            };
            wanted.completed(metadata, |wanted| Model::of_wishes(wanted, signer, now))
        }
        (None, None) => Err(ModelError::NotAToken),
    }?;
    let public = asking.inspection().and_then(|token| probing::public_key(rules, &token));
    Ok(model.with_public(public.as_ref()))
}

/// How a probe sends its token, in the few words that a row of the log has room for; `None` as a bearer token.
fn sent(carried: &Carried) -> Option<&'static str> {
    match carried {
        Carried::Bearer(_) | Carried::Nothing => None,
        Carried::Query(..) => Some("in the query"),
        Carried::Header("cookie", _) => Some("in a cookie"),
        Carried::Header(..) => Some("other header"),
        Carried::Authorization(values) => Some(match values.as_slice() {
            [value] if !value.contains('.') => "empty bearer",
            [value] if !value.contains(' ') => "no scheme",
            [value] if value.starts_with("bearer ") => "lower-case bearer",
            [value] if value.contains(',') => "two tokens",
            [_] => "other scheme",
            _ => "two headers",
        }),
    }
}

impl Asking {
    /// Explains why a run stopped. `good` is the token that the server did not accept.
    async fn stop(&self, good: &str, stopped: Stopped) -> RunStop {
        match stopped {
            Stopped::NotAccepted(stopped) => {
                let (reply, tool) = *stopped;
                let sent = self.with_token(good);
                // Cancelling the run ends this too.
                let cancelled = CancellationToken::new();
                RunStop::Refused(Box::new(sent.explain(tool.as_deref(), &reply, &cancelled).await))
            }
            stopped => RunStop::Failed(stopped.to_string()),
        }
    }

    /// Logs the latest line of a probe.
    fn log_probe(&self, card: &Card, model: &Model, duration: Duration) {
        let Some((row, observation)) = card.rows.last().and_then(|row| Some((row, row.observation.as_ref()?))) else {
            return;
        };
        let tool = card.tool.as_deref().unwrap_or("tools/list");
        let arguments = &card.arguments;
        // The log has what the server said; the row already has what it means.
        let answer = observation.said.as_ref().map_or(Value::Null, |said| Value::from(said.as_str()));
        let answer = answer.to_string();
        let token = row.token_id;
        let call = LoggedCall { tool, arguments, answer: &answer, took: duration, origin: Origin::Kit, token };
        let foreign = self.answered(observation, &format!("{}: {observation}", row.probe.name), Box::default());
        let sent = row.probe.make(model).as_ref().and_then(sent);
        self.log(&call, observation, ForeignAnswer { sent, ..foreign });
    }

    /// Logs a request of a run.
    fn log(&self, call: &LoggedCall<'_>, observation: &Observation, foreign: ForeignAnswer) {
        let now = self.gate.clock().now();
        let source = Source {
            token: call.token,
            origin: call.origin,
            client: None,
            peer: None,
            at: now,
            judged_at: now,
            started: self.gate.clock().monotonic(),
        };
        let LoggedCall { tool, arguments, answer, took, .. } = *call;
        let logged = ForeignCall { tool, arguments, answer, took };
        self.record(foreign, observation, logged, &source);
    }
}

/// A request of a run.
struct LoggedCall<'a> {
    tool: &'a str,
    arguments: &'a str,
    /// What the server said, as JSON text.
    answer: &'a str,
    took: Duration,
    origin: Origin,
    token: Option<TokenId>,
}

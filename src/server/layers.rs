//! The layers of the endpoint, in the order in which a request passes them: `origin` checks `Host` and `Origin`,
//! [`authenticate`] makes the one judgement, [`throttle`] limits the rate, [`authorise`] decides a call, [`account`] counts
//! the request and passes it to the protocol. A layer that refuses has already counted the request, and returns the answer.
//!
//! They are functions, called in turn by [`guard`], and what each has found out is the argument of the next. As four
//! `axum` middlewares they cost 8 µs a call more: each of those boxes a clone of everything behind it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::body::{Incoming, Unread};
use super::challenge::{Challenge, broken, scopes};
use super::envelope::{Envelope, Fault};
use super::judgement::{Judgement, Sender};
use super::limit::{Caller, Limiter};
use super::origin::{self, Elsewhere};
use super::places::Connection;
use crate::auth::{Audience, Decision, Permit, Reason};
use crate::endpoint::{HostName, Settings};
use crate::gate::{Gate, Given, traffic};
use crate::text;

/// A longer message of a caller who is not verified is not read: it would only be logged.
const WORTH_LOGGING: usize = 4 << 10;

/// A longer `id` is not echoed in a refusal, in bytes of JSON.
const LONGEST_ID: usize = 128;

/// The header in which a client says the revision of MCP that it speaks.
const VERSION: &str = "mcp-protocol-version";

/// The other end of a connection.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The address at which it has arrived here.
    pub local: Option<IpAddr>,
    /// Its place among the server's connections.
    pub connection: Arc<Connection>,
}

/// What the layers share.
pub struct Endpoint {
    pub gate: Gate,
    pub settings: Settings,
    /// The `Host` names that requests may be for.
    pub hosts: Vec<HostName>,
    /// The canonical URI of the server.
    pub uri: Arc<str>,
    pub limiter: Limiter,
}

/// What the handler gets: the judgement of the request, and the decision about the call that it makes.
#[derive(Clone)]
pub struct Judged {
    pub judgement: Arc<Judgement>,
    pub decided: Option<Arc<Result<Permit, Decision>>>,
}

/// A request whose sender is verified.
pub struct Authenticated {
    parts: Parts,
    body: Bytes,
    judgement: Arc<Judgement>,
    sender: Sender,
}

/// The answer of a layer that refuses; boxed, because requests that pass should not carry room for one.
pub struct Refusal(Box<Response>);

/// The header is not one Bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Misused;

/// A request on its way through the layers. `Host` and `Origin` come before anything else.
pub async fn guard(State(endpoint): State<Arc<Endpoint>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let local = parts.extensions.get::<Peer>().and_then(|peer| peer.local);
    let page = match origin::check(&parts.headers, local, &endpoint.hosts, &endpoint.settings.origins) {
        Ok(page) => page,
        Err(elsewhere) => return endpoint.elsewhere(&parts, &elsewhere),
    };
    if let Some(mut answer) = page.as_ref().and_then(|_| origin::preflight(&parts)) {
        origin::let_read(&mut answer, page);
        return answer;
    }
    let request = Request::from_parts(parts, body);
    let passed = async {
        let request = authenticate(&endpoint, request).await?;
        throttle(&endpoint, &request)?;
        let decided = authorise(&endpoint, &request).await?;
        Ok(account(&endpoint, request, decided, next).await)
    };
    let mut answer = passed.await.unwrap_or_else(|Refusal(answer)| *answer);
    origin::let_read(&mut answer, page);
    answer
}

impl Endpoint {
    fn audience(&self) -> Audience {
        if self.settings.allow_no_audience { Audience::MayLack } else { Audience::Required }
    }

    /// Counts and answers a request that is for another host, or from a page that is not allowed.
    fn elsewhere(&self, parts: &Parts, elsewhere: &Elsewhere) -> Response {
        let request = traffic::Request {
            at: self.gate.clock().now(),
            peer: address(parts.extensions.get()),
            agent: parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default(),
            name: None,
            token: None,
            subject: None,
            is_call: false,
            refused: Some("host_or_origin"),
        };
        self.gate.shared().update(|state| state.note(&request));
        (StatusCode::FORBIDDEN, elsewhere.to_string()).into_response()
    }

    /// Counts a refused request, and passes on its answer.
    fn refuse(&self, judgement: &Judgement, sender: &Sender, code: &'static str, answer: Response) -> Refusal {
        self.gate.shared().update(|state| state.note(&judgement.counted(sender, Some(code))));
        Refusal(Box::new(answer))
    }
}

/// Layer 1: makes the judgement. A request is judged for the instant at which all of it was there, or the first 64 KiB of a
/// longer one; the rest may only be sent once its sender is verified.
pub async fn authenticate(endpoint: &Endpoint, request: Request) -> Result<Authenticated, Refusal> {
    let (mut parts, body) = request.into_parts();
    let header = bearer(&parts.headers);
    parts.headers.remove(AUTHORIZATION);
    let token = header.as_ref().ok().and_then(Option::as_deref);
    let within = endpoint.settings.timeout;
    let incoming = match parts.method {
        Method::POST => Some(Incoming::begin(body, within).await),
        _ => None,
    };
    let mut judgement = Judgement::new(&endpoint.gate, token, endpoint.audience());
    let peer = parts.extensions.get::<Peer>().cloned();
    if let Some(peer) = peer.as_ref().filter(|_| judgement.principal.is_ok()) {
        peer.connection.works(true);
    }
    let body = match incoming {
        None => None,
        Some(Err(unread)) => Some(Err(unread)),
        Some(Ok(incoming)) if judgement.principal.is_ok() => {
            Some(incoming.finish(endpoint.settings.max_body, within).await)
        }
        Some(Ok(incoming)) => Some(incoming.whole()),
    };
    let mut fault = None;
    if let Some(Ok(body)) = &body
        && (judgement.principal.is_ok() || body.len() <= WORTH_LOGGING)
    {
        match Envelope::read(body) {
            Ok(envelope) => judgement.envelope = Some(envelope),
            Err(broken) => fault = Some(broken),
        }
    }
    let peer = address(peer.as_ref());
    let text_of = |name: &str| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let (agent, version) = (text_of(USER_AGENT.as_str()).unwrap_or_default(), text_of(VERSION));
    let client = match judgement.envelope.as_ref().and_then(|envelope| envelope.client.as_deref()) {
        Some(name) => text::name(name, 64),
        None => endpoint.gate.shared().read(|state| state.traffic().called(peer, &agent, judgement.token())),
    };
    let (judgement, sender) = (judgement.by(client), Sender { peer, agent, version });
    let refuse = |code, answer| Err(endpoint.refuse(&judgement, &sender, code, answer));
    if header.is_err() {
        return refuse("invalid_request", challenge(endpoint, &judgement, &sender).misused());
    }
    if let Err(reason) = &judgement.principal {
        if let Err(wait) = endpoint.limiter.take(|| Caller::Peer(sender.peer), judgement.started()) {
            return refuse("too_many_calls", closing(challenge(endpoint, &judgement, &sender).too_often(wait)));
        }
        if let Some((tool, arguments)) = judgement.call() {
            let decision = Decision::refused(reason.clone());
            endpoint.gate.refuse(decision, tool, Given::Json(arguments), &judgement.source());
        }
        return refuse(reason.code(), closing(challenge(endpoint, &judgement, &sender).refused(reason)));
    }
    if let Some(fault) = fault {
        return refuse("bad_request", broken(fault));
    }
    match body.unwrap_or_else(|| Ok(Bytes::new())) {
        Ok(body) => Ok(Authenticated { parts, body, judgement: Arc::new(judgement), sender }),
        Err(Unread(status)) => refuse("bad_request", challenge(endpoint, &judgement, &sender).unread(status)),
    }
}

/// Layer 2: counts the requests of each user.
pub fn throttle(endpoint: &Endpoint, request: &Authenticated) -> Result<(), Refusal> {
    let Authenticated { judgement, sender, .. } = request;
    let Ok(principal) = &judgement.principal else { return Ok(()) };
    let caller =
        || Caller::User { issuer: principal.iss.as_deref().map(Into::into), user: principal.user_id.as_str().into() };
    endpoint.limiter.take(caller, judgement.started()).map_err(|wait| {
        let answer = challenge(endpoint, judgement, sender).too_often(wait);
        endpoint.refuse(judgement, sender, "too_many_calls", answer)
    })
}

/// Layer 3: decides a call; `None` for other requests. The refusal of an unknown tool goes on: the protocol has an error of
/// its own for that, and the handler writes it.
pub async fn authorise(
    endpoint: &Endpoint,
    request: &Authenticated,
) -> Result<Option<Result<Permit, Decision>>, Refusal> {
    let Authenticated { judgement, sender, .. } = request;
    let Some((tool, arguments)) = judgement.call() else { return Ok(None) };
    let given = Given::Json(arguments);
    let decided = match judgement.decide(tool) {
        // The protocol's types know no other arguments, and would say only that they are something else.
        Ok(permit) if !arguments.is_object() => {
            let called = endpoint.gate.run(permit, given, &judgement.source()).await;
            endpoint.gate.shared().update(|state| state.note(&judgement.counted(sender, None)));
            let sentence = called.outcome.trouble().unwrap_or_default();
            let answer = challenge(endpoint, judgement, sender).bad_arguments(sentence, &called.outcome.answer());
            return Err(Refusal(Box::new(answer)));
        }
        decided => decided,
    };
    if let Err(decision) = &decided
        && let Some(reason @ Reason::PermissionMissing { .. }) = decision.reason()
    {
        endpoint.gate.refuse(decision.clone(), tool, given, &judgement.source());
        let answer = challenge(endpoint, judgement, sender).refused(reason);
        return Err(endpoint.refuse(judgement, sender, reason.code(), answer));
    }
    Ok(Some(decided))
}

/// Layer 4: counts the request, takes it to the protocol, and counts what the protocol refuses.
pub async fn account(
    endpoint: &Endpoint,
    request: Authenticated,
    decided: Option<Result<Permit, Decision>>,
    next: Next,
) -> Response {
    let Authenticated { mut parts, body, judgement, sender } = request;
    let refused = decided.as_ref().and_then(|decided| decided.as_ref().err()).and_then(Decision::reason);
    let gate = &endpoint.gate;
    let is_refused = refused.is_some();
    gate.shared().update(|state| state.note(&judgement.counted(&sender, refused.map(Reason::code))));
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let was_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if accepts_json(&parts.headers) {
        // Only JSON is ever answered, while the protocol's crate insists on event streams being accepted too.
        parts.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
    parts.extensions.insert(Judged { judgement, decided: decided.map(Arc::new) });
    let mut answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    // The protocol's crate answers so to a message whose members have the wrong types.
    if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && was_json {
        answer = broken(Fault::NoMessage);
    }
    // What was refused here has been counted already.
    if answer.status().is_client_error() && !is_refused {
        gate.shared().update(|state| state.note_refusal("bad_request"));
    }
    answer
}

/// An answer after which the connection ends: a caller without a valid token must not hold a place.
fn closing(mut answer: Response) -> Response {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The address of the other end.
fn address(peer: Option<&Peer>) -> IpAddr {
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.address.ip())
}

/// What a refusal of this request names.
fn challenge<'a>(endpoint: &'a Endpoint, judgement: &Judgement, sender: &Sender) -> Challenge<'a> {
    let version = sender.version.as_deref();
    Challenge {
        uri: &endpoint.uri,
        id: judgement.envelope.as_ref().map_or(Value::Null, |envelope| echoed(&envelope.id)),
        scope: scope(judgement),
        is_result: judgement.call().is_some() && endpoint.settings.denial.is_result_for(version, &sender.agent),
    }
}

/// Whether an answer in JSON is accepted (RFC 9110 §12.5.1): without a word about it, it is.
fn accepts_json(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(ACCEPT).iter().peekable();
    let fits = |range: &str| {
        let (range, parameters) = range.split_once(';').unwrap_or((range, ""));
        let is_refused =
            parameters.split(';').any(|p| matches!(p.trim(), "q=0" | "q=0." | "q=0.0" | "q=0.00" | "q=0.000"));
        let range = range.trim();
        !is_refused
            && ["application/json", "application/*", "*/*"].iter().any(|known| range.eq_ignore_ascii_case(known))
    };
    all.peek().is_none() || all.any(|accept| accept.to_str().is_ok_and(|accept| accept.split(',').any(fits)))
}

/// The token of the one `Authorization` header, if there is one; a query string is never looked at.
fn bearer(headers: &HeaderMap) -> Result<Option<String>, Misused> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (all.next(), all.next()) else {
        return if headers.contains_key(AUTHORIZATION) { Err(Misused) } else { Ok(None) };
    };
    let (scheme, token) = header.to_str().ok().and_then(|header| header.split_once(' ')).ok_or(Misused)?;
    let token = token.trim();
    match scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        true => Ok(Some(token.to_owned())),
        false => Err(Misused),
    }
}

/// The `id` of a refused request, where it is one that JSON-RPC knows and that costs nothing to echo.
fn echoed(id: &Value) -> Value {
    match id {
        Value::String(text) if text.len() > LONGEST_ID => Value::Null,
        Value::String(_) | Value::Number(_) => id.clone(),
        _ => Value::Null,
    }
}

/// The least scope that a challenge can ask for. Several scopes in a challenge are all needed (RFC 6750 §3), while any one
/// permission opens a tool. Before the caller is known it does not depend on the tool.
fn scope(judgement: &Judgement) -> String {
    let tool = judgement.call().filter(|_| judgement.principal.is_ok()).map(|(tool, _)| tool);
    let policy = &judgement.rules.policy;
    let least = tool.and_then(|tool| policy.least(Some(tool))).or_else(|| policy.least(None));
    scopes(least.into_iter().map(|permission| &**permission)).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a value"));
        }
        headers
    }

    #[rstest]
    #[case(&[], Ok(None))]
    #[case(&["Bearer a.b.c"], Ok(Some("a.b.c")))]
    #[case(&["bearer   a.b.c "], Ok(Some("a.b.c")))]
    #[case(&["Basic YTpi"], Err(Misused))]
    #[case(&["Bearer"], Err(Misused))]
    #[case(&["Bearer "], Err(Misused))]
    #[case(&["a.b.c"], Err(Misused))]
    #[case(&["Bearer a.b.c", "Bearer a.b.c"], Err(Misused))]
    #[case(&["Bearer \u{e9}"], Err(Misused))]
    fn one_header_with_a_bearer_token_is_taken(#[case] values: &[&str], #[case] found: Result<Option<&str>, Misused>) {
        assert_eq!(bearer(&headers(values)), found.map(|token| token.map(str::to_owned)));
    }
}

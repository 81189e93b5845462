//! The layers of the endpoint, in the order in which a request passes them: `origin` checks `Host` and `Origin`,
//! [`authenticate`] makes the one judgement, [`throttle`] limits the rate, [`authorise`] decides about a call,
//! [`account`] counts the request and passes it to the protocol. A layer that refuses a request also counts it, and
//! returns the answer.
//!
//! The layers are functions, called in turn by [`guard`], and the result of each is an argument of the next. As four
//! `axum` middlewares they cost 8 µs more per call, because each of them boxes a clone of everything after it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::body::{self, BodyError};
use super::challenge::{Challenge, Shape, broken, scopes};
use super::envelope::{Envelope, Fault, InvalidMessage};
use super::judgement::{Judgement, Sender};
use super::limit::{Limiter, User};
use super::origin;
use super::places::Connection;
use crate::auth::{Audience, Decision, Permit, Reason};
use crate::endpoint::{Denial, HostName, Settings};
use crate::gate::{Gate, Origin, RawArguments, Rejection, RequestOutcome, Source};
use crate::text;

/// The size of a message, in bytes, for which it counts as one more request: a large one takes milliseconds.
const BYTES_A_REQUEST: usize = 16 << 10;

/// The longest `id` that a refusal repeats, in bytes.
const LONGEST_ID: usize = 128;

/// The header with the revision of MCP that the client uses.
const VERSION: &str = "mcp-protocol-version";

/// The client's end of a connection.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The local address of the connection.
    pub local: Option<IpAddr>,
    /// The connection's place among those of the server.
    pub connection: Arc<Connection>,
}

/// The shared state of the layers.
pub struct Endpoint {
    pub gate: Gate,
    pub settings: Settings,
    /// The accepted `Host` names.
    pub hosts: Vec<HostName>,
    /// The canonical URI of the server.
    pub uri: Arc<str>,
    pub limiter: Limiter,
}

/// The handler's input: the judgement of the request, and the decision about its call.
#[derive(Clone)]
pub struct JudgedCall {
    pub judgement: Arc<Judgement>,
    pub decided: Option<Arc<Result<Permit, Decision>>>,
}

/// A judged request, without its body.
struct Arrival {
    parts: Parts,
    judgement: Arc<Judgement>,
    sender: Sender,
}

/// A request whose token has been verified.
pub struct Authenticated {
    arrival: Arrival,
    body: Bytes,
}

/// The answer of a layer that refuses. It is boxed, so that results of requests that pass stay small.
pub struct Refusal(Box<Response>);

/// The `Authorization` header is not a single Bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeaderError;

/// Passes a request through the layers, after checking `Host` and `Origin`.
pub async fn guard(State(endpoint): State<Arc<Endpoint>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let local = parts.extensions.get::<Peer>().and_then(|peer| peer.local);
    let page = match origin::check(&parts.headers, local, &endpoint.hosts, &endpoint.settings.origins) {
        Ok(page) => page,
        Err(rejection) => {
            let answer = (StatusCode::FORBIDDEN, format!("Forbidden: {rejection}"));
            let _ = endpoint.limiter.take_of_peer(address(&parts.extensions), endpoint.gate.clock().monotonic());
            endpoint.turn_away(&parts, rejection);
            return closing(answer.into_response());
        }
    };
    if let Some(mut answer) = page.as_ref().and_then(|_| origin::preflight(&parts)) {
        origin::let_read(&mut answer, page);
        return closing(answer);
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

    /// Counts and logs a request that is refused before its token is read.
    pub fn turn_away(&self, parts: &Parts, rejection: Rejection) {
        let sender = Sender::of(parts);
        let (at, started) = self.gate.clock().both();
        let client = self.gate.shared().read(|state| state.traffic().called(sender.peer, &sender.agent, None));
        let source = Source {
            token: None,
            origin: Origin::Client,
            client: Some(&client),
            peer: Some(sender.peer),
            at,
            judged_at: at,
            started,
        };
        self.gate.shared().update(|state| state.note(&sender.counted(at, Some(rejection.code()))));
        self.gate.turn_away(rejection, &line(parts), &source);
    }

    /// Counts and logs a refused request, and returns its answer as a refusal.
    fn refuse(&self, arrival: &Arrival, answered: impl Into<RequestOutcome>, answer: Response) -> Refusal {
        let (judgement, answered) = (&arrival.judgement, answered.into());
        let source = judgement.source();
        self.gate.shared().update(|state| state.note(&judgement.counted(&arrival.sender, Some(answered.code()))));
        match (judgement.call(), answered) {
            (Some((tool, arguments)), RequestOutcome::Decided(decision)) => {
                self.gate.refuse(decision, tool, RawArguments::Json(arguments), &source);
            }
            (_, answered) => self.gate.turn_away(answered, &arrival.asked(), &source),
        }
        Refusal(Box::new(answer))
    }

    /// Returns the parts common to all refusals of this request.
    fn challenge(&self, arrival: &Arrival) -> Challenge<'_> {
        let Arrival { judgement, sender, .. } = arrival;
        let id = judgement.envelope.as_ref().map_or(Value::Null, |envelope| echoed(&envelope.id));
        let envelope = judgement.envelope.as_ref();
        let is_notification = envelope.is_some_and(Envelope::is_notification);
        let version = envelope.and_then(|envelope| envelope.version.as_ref());
        let shape = match (self.settings.denial.is_result_for(sender.version.as_deref()), version) {
            (true, _) if is_notification => Shape::Accepted,
            (true, Some(version)) if self.settings.denial == Denial::Tool => Shape::Session(version.clone()),
            (true, _) if judgement.call().is_some() && !id.is_null() => Shape::Result,
            (true, _) if !id.is_null() => Shape::Error,
            _ => Shape::Status,
        };
        Challenge { uri: &self.uri, id, scope: scope(judgement), shape }
    }
}

impl Arrival {
    /// Describes the request for the log: the JSON-RPC method, with the tool of a call, or the HTTP method and path if
    /// there is no message.
    fn asked(&self) -> String {
        match &self.judgement.envelope {
            Some(Envelope { call: Some((tool, _)), method, .. }) => format!("{method} {tool}"),
            Some(Envelope { method, .. }) if !method.is_empty() => method.clone(),
            _ => line(&self.parts),
        }
    }
}

impl Sender {
    fn of(parts: &Parts) -> Self {
        let text = |name: &str| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            peer: address(&parts.extensions),
            agent: text(USER_AGENT.as_str()).unwrap_or_default(),
            version: text(VERSION),
        }
    }
}

/// Returns the client's address.
fn address(extensions: &Extensions) -> IpAddr {
    extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.address.ip())
}

/// Returns the method and path of a request.
fn line(parts: &Parts) -> String {
    format!("{} {}", parts.method, parts.uri.path())
}

/// Layer 1: makes the judgement, for the instant at which the whole request has arrived. A body that is not short is
/// read only if the token in the head is valid.
pub async fn authenticate(endpoint: &Endpoint, request: Request) -> Result<Authenticated, Refusal> {
    let (mut parts, body) = request.into_parts();
    let header = bearer(&parts.headers);
    parts.headers.remove(AUTHORIZATION);
    let token = header.as_ref().ok().and_then(Option::as_deref);
    let within = endpoint.settings.timeout;
    let judge = || Judgement::new(&endpoint.gate, token, endpoint.audience(), endpoint.settings.max_stale);
    let (mut judgement, body) = match (body::is_expected(&parts), body::is_short(&parts)) {
        (false, _) => (judge(), Some(Ok(Bytes::new()))),
        (true, true) => {
            let body = body::read(body, body::SHORT, within).await;
            (judge(), Some(body))
        }
        // This judgement only decides whether the body is read. That may take long, and the token may be revoked
        // meanwhile.
        (true, false) => match judge() {
            verified if verified.principal.is_ok() => {
                let body = body::read(body, endpoint.settings.max_body, within).await;
                (judge(), Some(body))
            }
            refused => (refused, None),
        },
    };
    // Not before: while a body arrives slowly, even from a verified user, its connection may be closed for another one.
    if let Some(peer) = parts.extensions.get::<Peer>().filter(|_| judgement.principal.is_ok()) {
        peer.connection.works(true);
    }
    let mut fault = None;
    if let Some(Ok(body)) = &body
        && body::is_expected(&parts)
    {
        match Envelope::read(body) {
            Ok(envelope) => judgement.envelope = Some(envelope),
            Err(broken) => fault = Some(broken),
        }
    }
    let sender = Sender::of(&parts);
    let named = judgement.envelope.as_ref().and_then(|envelope| envelope.client.as_deref());
    let shared = endpoint.gate.shared();
    let known = || shared.read(|state| state.traffic().called(sender.peer, &sender.agent, judgement.token()));
    let client = named.map_or_else(known, |name| text::name(name, 64));
    let arrival = Arrival { parts, judgement: Arc::new(judgement.by(client, Some(sender.peer))), sender };
    let refuse = |answered: RequestOutcome, answer| Err(endpoint.refuse(&arrival, answered, answer));
    let challenge = || endpoint.challenge(&arrival);
    let is_known = arrival.judgement.principal.is_ok();
    let take = || endpoint.limiter.take_of_peer(arrival.sender.peer, arrival.judgement.started());
    if let Err(wait) = if is_known { Ok(()) } else { take() } {
        let seconds = whole_seconds(wait);
        return refuse(Rejection::TooMany { seconds }.into(), closing(challenge().too_many(seconds)));
    }
    if let Some(what) = arrival.judgement.stale {
        return refuse(Rejection::Stale { what }.into(), closing(challenge().unavailable(what, 1)));
    }
    if let Err(reason) = &arrival.judgement.principal {
        if header.is_err() {
            return refuse(Rejection::Authorization.into(), closing(challenge().misused()));
        }
        return refuse(Decision::refused(reason.clone()).into(), closing(challenge().refused(reason)));
    }
    if let Some(mut found) = fault {
        found.id = echoed(&found.id);
        return refuse(Rejection::Body(found.fault.to_string().into()).into(), broken(&found));
    }
    match body.unwrap_or(Err(BodyError(StatusCode::BAD_REQUEST))) {
        Ok(body) => Ok(Authenticated { arrival, body }),
        Err(BodyError(status)) => {
            let sentence = status.canonical_reason().unwrap_or("the body cannot be read");
            refuse(Rejection::Body(sentence.into()).into(), challenge().unread(status))
        }
    }
}

/// Layer 2: limits the requests of each user.
pub fn throttle(endpoint: &Endpoint, request: &Authenticated) -> Result<(), Refusal> {
    let arrival = &request.arrival;
    let Ok(principal) = &arrival.judgement.principal else { return Ok(()) };
    let cost = 1 + request.body.len() / BYTES_A_REQUEST;
    let user = || User { issuer: principal.iss.as_deref().map(Into::into), name: principal.user_id.as_str().into() };
    endpoint.limiter.take(user, cost, arrival.judgement.started()).map_err(|wait| {
        // The answer to a notification cannot contain a refusal, and some clients end their session on a status. The
        // notification is dropped, which is harmless: without sessions, notifications have no effect.
        let seconds = whole_seconds(wait);
        let answer = match arrival.judgement.envelope.as_ref().is_some_and(Envelope::is_notification) {
            true => StatusCode::ACCEPTED.into_response(),
            false => endpoint.challenge(arrival).too_many(seconds),
        };
        endpoint.refuse(arrival, Rejection::TooMany { seconds }, answer)
    })
}

/// Rounds a wait up to whole seconds, for `Retry-After`.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Layer 3: decides about a call; returns `None` for other requests. The refusal of an unknown tool is passed on: the
/// protocol has its own error for it, which the handler returns.
pub async fn authorise(
    endpoint: &Endpoint,
    request: &Authenticated,
) -> Result<Option<Result<Permit, Decision>>, Refusal> {
    let arrival @ Arrival { judgement, sender, .. } = &request.arrival;
    let Some((tool, arguments)) = judgement.call() else { return Ok(None) };
    let decided = match judgement.decide(tool) {
        // The protocol's types accept only objects, and their error would not say what was expected.
        Ok(permit) if !arguments.is_object() => {
            let called = endpoint.gate.run(permit, RawArguments::Json(arguments), &judgement.source()).await;
            endpoint.gate.shared().update(|state| state.note(&judgement.counted(sender, None)));
            let sentence = called.outcome.trouble().unwrap_or_default();
            let answer = endpoint.challenge(arrival).bad_arguments(sentence, &called.outcome.answer());
            return Err(Refusal(Box::new(answer)));
        }
        decided => decided,
    };
    if let Err(decision) = &decided
        && let Some(reason @ Reason::PermissionMissing { .. }) = decision.reason()
    {
        let answer = endpoint.challenge(arrival).refused(reason);
        return Err(endpoint.refuse(arrival, decision.clone(), answer));
    }
    Ok(Some(decided))
}

/// Layer 4: counts the request, passes it to the protocol, and counts refusals by the protocol.
pub async fn account(
    endpoint: &Endpoint,
    request: Authenticated,
    decided: Option<Result<Permit, Decision>>,
    next: Next,
) -> Response {
    let Authenticated { arrival: Arrival { mut parts, judgement, sender }, body } = request;
    let refused = decided.as_ref().and_then(|decided| decided.as_ref().err()).and_then(Decision::reason);
    let gate = &endpoint.gate;
    let is_refused = refused.is_some();
    gate.shared().update(|state| state.note(&judgement.counted(&sender, refused.map(Reason::code))));
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let was_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if accepts_json(&parts.headers) {
        // Answers are always JSON, but the protocol's crate requires that clients accept event streams as well.
        parts.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
    let is_post = parts.method == Method::POST;
    let decided = decided.map(Arc::new);
    parts.extensions.insert(JudgedCall { judgement: Arc::clone(&judgement), decided });
    let mut answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    // The protocol's crate answers this to a message whose members have wrong types.
    if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && was_json {
        answer = broken(&InvalidMessage {
            fault: Fault::NoMessage,
            id: judgement.envelope.as_ref().map_or(Value::Null, |envelope| echoed(&envelope.id)),
        });
    }
    // Refusals by the layers have been counted already. Clients of older revisions routinely request an event stream
    // (GET) and end their session (DELETE); that neither exists is not a refusal.
    if answer.status().is_client_error() && !is_refused && is_post {
        gate.shared().update(|state| state.note_refusal("bad_request"));
        let sentence = format!("the protocol layer answered {}", answer.status());
        let asked = judgement.envelope.as_ref().map_or("POST", |envelope| &envelope.method);
        gate.turn_away(Rejection::Body(sentence.into()), asked, &judgement.source());
    }
    answer
}

/// Serves requests that need no token, at a limited rate and only one per connection, so that callers without a token
/// neither keep the server busy nor hold a place.
pub async fn public(State(endpoint): State<Arc<Endpoint>>, request: Request, next: Next) -> Response {
    let taken = endpoint.limiter.take_of_peer(address(request.extensions()), endpoint.gate.clock().monotonic());
    closing(match taken {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            let seconds = whole_seconds(wait);
            endpoint.turn_away(&request.into_parts().0, Rejection::TooMany { seconds });
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds.to_string())]).into_response()
        }
    })
}

/// Closes the connection after the answer: a caller without a valid token must not hold a place.
fn closing(mut answer: Response) -> Response {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Whether the client accepts JSON (RFC 9110 §12.5.1). Without an `Accept` header, it does.
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

/// Returns the token of the `Authorization` header, if there is one. Tokens in the query string are ignored.
fn bearer(headers: &HeaderMap) -> Result<Option<String>, HeaderError> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (all.next(), all.next()) else {
        return if headers.contains_key(AUTHORIZATION) { Err(HeaderError) } else { Ok(None) };
    };
    let (scheme, token) = header.to_str().ok().and_then(|header| header.split_once(' ')).ok_or(HeaderError)?;
    let token = token.trim();
    match scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        true => Ok(Some(token.to_owned())),
        false => Err(HeaderError),
    }
}

/// Returns the `id` to repeat in a refusal: a number or a short string, or else `null`.
fn echoed(id: &Value) -> Value {
    match id {
        Value::String(text) if text.len() > LONGEST_ID => Value::Null,
        Value::String(_) | Value::Number(_) => id.clone(),
        _ => Value::Null,
    }
}

/// Returns the least scope for a challenge. A client needs all scopes in a challenge (RFC 6750 §3), while any one
/// permission allows a tool, so there is at most one. Until the caller is verified, it does not depend on the tool.
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
    #[case(&["Basic YTpi"], Err(HeaderError))]
    #[case(&["Bearer"], Err(HeaderError))]
    #[case(&["Bearer "], Err(HeaderError))]
    #[case(&["a.b.c"], Err(HeaderError))]
    #[case(&["Bearer a.b.c", "Bearer a.b.c"], Err(HeaderError))]
    #[case(&["Bearer \u{e9}"], Err(HeaderError))]
    fn one_header_with_a_bearer_token_is_taken(
        #[case] values: &[&str],
        #[case] found: Result<Option<&str>, HeaderError>,
    ) {
        assert_eq!(bearer(&headers(values)), found.map(|token| token.map(str::to_owned)));
    }
}

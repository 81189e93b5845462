//! The layers of the endpoint, in the order in which a request passes them: `authenticate` makes the one judgement,
//! `throttle` counts calls, `authorise` decides a call, `account` counts the request and takes it to the protocol. A layer
//! that refuses answers at once, and accounts for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::Value;

use super::body::{Incoming, Unread};
use super::challenge::{Challenge, broken, scopes};
use super::envelope::{Envelope, Fault};
use super::judgement::{Judgement, Sender};
use super::limit::Limiter;
use crate::auth::{Audience, Decision, Permit, Reason, Rules};
use crate::endpoint::{Denial, Settings};
use crate::gate::{Gate, Given};
use crate::text;

/// The other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What the layers share.
pub struct Endpoint {
    pub gate: Gate,
    pub settings: Settings,
    /// The canonical URI of the server.
    pub uri: Arc<str>,
    pub limiter: Limiter,
}

/// What one request's layers hand on to the next.
#[derive(Clone)]
pub struct Passed {
    pub judgement: Arc<Judgement>,
    sender: Arc<Sender>,
}

/// The decision about the call that a request makes.
pub type Decided = Arc<Result<Permit, Decision>>;

/// The header is not one Bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Misused;

impl Endpoint {
    fn audience(&self) -> Audience {
        if self.settings.allow_no_audience { Audience::MayLack } else { Audience::Required }
    }

    /// A refusal is counted and answered. Of a tool's call, it is logged too where the gate decided it.
    fn refuse(&self, passed: &Passed, code: &'static str, answer: Response) -> Response {
        self.gate.shared().update(|state| state.note(&passed.judgement.counted(&passed.sender, Some(code))));
        answer
    }
}

/// Layer 1: makes the judgement. A request is judged for the instant at which all of it was there, or the first 64 KiB of a
/// longer one; the rest may only be sent once its sender is verified.
pub async fn authenticate(State(endpoint): State<Arc<Endpoint>>, request: Request, next: Next) -> Response {
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
    let body = match incoming {
        None => None,
        Some(Err(unread)) => Some(Err(unread)),
        Some(Ok(incoming)) if judgement.principal.is_ok() => Some(incoming.finish(within).await),
        Some(Ok(incoming)) => Some(incoming.whole()),
    };
    let message = body.as_ref().map(|body| body.as_ref().map(|body| Envelope::read(body)));
    let mut fault = None;
    match message {
        Some(Ok(Ok(envelope))) => judgement.envelope = Some(envelope),
        Some(Ok(Err(broken))) => fault = Some(broken),
        Some(Err(_)) | None => {}
    }
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    let client = match judgement.envelope.as_ref().and_then(|envelope| envelope.client.as_deref()) {
        Some(name) => text::name(name, 64),
        None => endpoint.gate.shared().read(|state| state.traffic().called(peer, &agent, judgement.token())),
    };
    let judgement = Arc::new(judgement.by(client));
    let passed = Passed { judgement: Arc::clone(&judgement), sender: Arc::new(Sender { peer, agent }) };
    let answer = challenged(&endpoint, &judgement);
    if header.is_err() {
        return endpoint.refuse(&passed, "invalid_request", answer(&|challenge| challenge.misused()));
    }
    if let Err(reason) = &judgement.principal {
        if let Some((tool, arguments)) = judgement.call() {
            let decision = Decision::refused(reason.clone());
            endpoint.gate.refuse(decision, tool, Given::Json(arguments), &judgement.source());
        }
        return endpoint.refuse(&passed, reason.code(), answer(&|challenge| challenge.refused(reason)));
    }
    let body = match body {
        Some(Err(Unread(status))) => {
            return endpoint.refuse(&passed, "bad_request", answer(&|challenge| challenge.unread(status)));
        }
        Some(Ok(body)) => body,
        None => axum::body::Bytes::new(),
    };
    if let Some(fault) = fault {
        return endpoint.refuse(&passed, "bad_request", broken(fault));
    }
    parts.extensions.insert(passed);
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// Layer 2: counts the calls of each token; other requests pass.
pub async fn throttle(State(endpoint): State<Arc<Endpoint>>, request: Request, next: Next) -> Response {
    let Some(passed) = request.extensions().get::<Passed>() else { return unjudged() };
    let judgement = &passed.judgement;
    if judgement.call().is_some()
        && let Some(token) = judgement.token()
        && let Err(wait) = endpoint.limiter.take(token, judgement.started())
    {
        let answer = challenged(&endpoint, judgement)(&|challenge| challenge.too_often(wait));
        return endpoint.refuse(passed, "too_many_calls", answer);
    }
    next.run(request).await
}

/// Layer 3: decides a call. What a client hears of a refusal as a tool's result goes on; the handler writes it.
pub async fn authorise(State(endpoint): State<Arc<Endpoint>>, mut request: Request, next: Next) -> Response {
    let Some(passed) = request.extensions().get::<Passed>().cloned() else { return unjudged() };
    let judgement = &passed.judgement;
    let Some((tool, arguments)) = judgement.call() else { return next.run(request).await };
    let given = Given::Json(arguments);
    let decided = judgement.decide(tool);
    match &decided {
        Err(decision) if endpoint.settings.denial == Denial::Http => {
            if let Some(reason @ Reason::PermissionMissing { .. }) = decision.reason() {
                endpoint.gate.refuse(decision.clone(), tool, given, &judgement.source());
                let answer = challenged(&endpoint, judgement)(&|challenge| challenge.refused(reason));
                return endpoint.refuse(&passed, reason.code(), answer);
            }
        }
        // The protocol's types know no other arguments, and would say only that they are something else.
        Ok(permit) if !arguments.is_object() => {
            let called = endpoint.gate.run(permit, given, &judgement.source()).await;
            endpoint.gate.shared().update(|state| state.note(&judgement.counted(&passed.sender, None)));
            let sentence = called.outcome.trouble().unwrap_or_default();
            return challenged(&endpoint, judgement)(&|challenge| {
                challenge.bad_arguments(sentence, &called.outcome.answer())
            });
        }
        _ => {}
    }
    request.extensions_mut().insert::<Decided>(Arc::new(decided));
    next.run(request).await
}

/// Layer 4: counts the request, takes it to the protocol, and counts what the protocol refuses.
pub async fn account(State(endpoint): State<Arc<Endpoint>>, request: Request, next: Next) -> Response {
    let Some(passed) = request.extensions().get::<Passed>() else { return unjudged() };
    let refused = request.extensions().get::<Decided>().and_then(|decided| decided.as_ref().as_ref().err());
    let code = refused.and_then(Decision::reason).map(Reason::code);
    let gate = &endpoint.gate;
    gate.shared().update(|state| state.note(&passed.judgement.counted(&passed.sender, code)));
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let was_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let mut answer = next.run(request).await;
    // The protocol's crate answers so to a message whose members have the wrong types.
    if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && was_json {
        answer = broken(Fault::NoMessage);
    }
    let code = match answer.status() {
        // It refuses nothing else in this way: the caller has passed the gate.
        StatusCode::FORBIDDEN => Some("host_or_origin"),
        status if status.is_client_error() => Some("bad_request"),
        _ => None,
    };
    if let Some(code) = code {
        gate.shared().update(|state| state.note_refusal(code));
    }
    answer
}

/// A request that no layer judged gets no further.
fn unjudged() -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    answer
}

/// Writes an answer with the challenge for this request.
fn challenged<'a>(
    endpoint: &'a Endpoint,
    judgement: &'a Judgement,
) -> impl Fn(&dyn Fn(&Challenge<'_>) -> Response) -> Response + 'a {
    move |write| {
        let id = judgement.envelope.as_ref().map_or(Value::Null, |envelope| envelope.id.clone());
        let scope = scope(&judgement.rules, judgement.call().map(|(tool, _)| tool));
        write(&Challenge { uri: &endpoint.uri, id: &id, scope: &scope })
    }
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

/// What a token would need for a tool, or for any of them, as far as it can be said in a challenge.
fn scope(rules: &Rules, tool: Option<&str>) -> String {
    let opening = tool.map(|tool| rules.policy.opening(tool)).filter(|opening| !opening.is_empty());
    match opening {
        Some(opening) => scopes(opening.iter().map(String::as_str)).join(" "),
        None => scopes(rules.policy.permissions().iter().map(|permission| &**permission)).join(" "),
    }
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

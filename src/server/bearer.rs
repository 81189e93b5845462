//! Who calls: the token of a request, and what becomes of one that may not pass. Everything that may pass goes on without
//! its `Authorization` header.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::time::timeout;

use super::challenge::{Challenge, broken, scopes};
use super::envelope::{Envelope, Fault};
use super::handler::Caller;
use super::limit::Limiter;
use crate::auth::traffic;
use crate::auth::{Call, NumericDate, Origin, Reason, Rules, TokenId};
use crate::endpoint::{Denial, Settings};
use crate::gate::{AuthenticatedMcpServer, CallRequest};
use crate::tools::Given;

/// A message of a caller who may pass, in bytes.
const MAX_BODY: usize = 4 << 20;

/// A message of a caller who may not: read only to tell in the log what was asked for.
const MAX_REFUSED_BODY: usize = 64 << 10;

/// The other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What the layer stands on.
pub struct Guard {
    pub gate: AuthenticatedMcpServer,
    pub settings: Settings,
    pub uri: Arc<str>,
    pub limiter: Limiter,
}

/// The header is not one Bearer token.
#[derive(Debug, PartialEq, Eq)]
struct Misused;

/// A request on its way.
struct Asked<'a> {
    at: NumericDate,
    peer: IpAddr,
    agent: &'a str,
    token: Option<&'a str>,
    subject: Option<&'a str>,
    envelope: Option<&'a Envelope>,
}

impl<'a> Asked<'a> {
    /// The call that it makes.
    fn call(&self, tool: &'a str, arguments: &'a Value, client: &'a str) -> CallRequest<'a> {
        CallRequest {
            token: self.token,
            tool,
            arguments: Given::Json(arguments),
            origin: Origin::Client,
            client: Some(client),
            at: self.at,
            judged_at: self.at,
        }
    }
}

/// The layer.
pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let header = bearer(&parts.headers);
    parts.headers.remove(AUTHORIZATION);
    let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let at = guard.gate.now();
    let rules = guard.gate.shared().rules();
    let token = header.as_ref().ok().and_then(Option::as_deref);
    let principal = rules.verify(token.unwrap_or_default(), at);
    let most = if principal.is_ok() { MAX_BODY } else { MAX_REFUSED_BODY };
    let body = guard.body(&parts, body, most).await;
    let read = body.as_ref().ok().map(|body| Envelope::read(body)).filter(|_| parts.method == Method::POST);
    let envelope = read.as_ref().and_then(|read| read.as_ref().ok());
    let subject = principal.as_ref().ok().map(|principal| principal.user_id.as_str());
    let asked = Asked { at, peer, agent: &agent, token, subject, envelope };

    let id = envelope.map_or(Value::Null, |envelope| envelope.id.clone());
    let tool = envelope.and_then(|envelope| envelope.call.as_ref()).map(|(tool, _)| &**tool);
    let scope = scope(&rules, tool);
    let challenge = Challenge { uri: &guard.uri, id: &id, scope: &scope };
    if header.is_err() {
        return guard.answered(&asked, Some("invalid_request"), challenge.misused());
    }
    if let Err(reason) = &principal {
        guard.log_refusal(&asked, &rules);
        return guard.answered(&asked, Some(reason.code()), challenge.refused(reason));
    }
    let body = match body {
        Ok(body) => body,
        Err(status) => return guard.answered(&asked, Some("bad_request"), challenge.unread(status)),
    };
    if let Some(Err(fault)) = read {
        return guard.answered(&asked, Some("bad_request"), broken(fault));
    }
    if let (Some(tool), Some(token)) = (tool, token) {
        if let Err(wait) = guard.limiter.take(TokenId::of(token), guard.gate.monotonic()) {
            return guard.answered(&asked, Some("too_many_calls"), challenge.too_often(wait));
        }
        let decision = rules.decide(&Call { token: Some(token), tool }, at);
        if let Some(reason @ Reason::PermissionMissing { .. }) = decision.reason()
            && guard.settings.denial == Denial::Http
        {
            guard.log_refusal(&asked, &rules);
            return guard.answered(&asked, Some(reason.code()), challenge.refused(reason));
        }
        let refused = decision.reason().map(Reason::code);
        let client = guard.note(&asked, refused);
        let arguments = envelope.and_then(|envelope| envelope.call.as_ref()).map(|(_, arguments)| arguments);
        if let Some(arguments) = arguments.filter(|arguments| !arguments.is_object()) {
            // The protocol's types know no others, and would say only that they are something else.
            let called = guard.gate.call(&asked.call(tool, arguments, &client));
            return challenge.bad_arguments(called.outcome.trouble().unwrap_or("forbidden"), &called.outcome.answer());
        }
        return guard.pass(parts, body, Caller::new(Some(token), &client), next).await;
    }
    let client = guard.note(&asked, None);
    guard.pass(parts, body, Caller::new(token, &client), next).await
}

impl Guard {
    /// The body, or the status that tells why there is none.
    async fn body(&self, parts: &Parts, body: Body, most: usize) -> Result<Bytes, StatusCode> {
        if parts.method != Method::POST {
            return Ok(Bytes::new());
        }
        match timeout(self.settings.timeout, to_bytes(body, most)).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        }
    }

    /// Goes on to the protocol.
    async fn pass(&self, mut parts: Parts, body: Bytes, caller: Caller, next: Next) -> Response {
        let is_json = |headers: &HeaderMap| {
            let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        };
        let was_json = is_json(&parts.headers);
        parts.extensions.insert(caller);
        let answer = next.run(Request::from_parts(parts, Body::from(body)));
        match timeout(self.settings.timeout, answer).await {
            // So the crate calls a message whose members have the wrong types.
            Ok(answer) if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && was_json => broken(Fault::NoMessage),
            Ok(answer) => answer,
            Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        }
    }

    /// Counts a request that goes no further, and answers it.
    fn answered(&self, asked: &Asked<'_>, refused: Option<&'static str>, response: Response) -> Response {
        self.note(asked, refused);
        response
    }

    fn note(&self, asked: &Asked<'_>, refused: Option<&'static str>) -> Arc<str> {
        let request = traffic::Request {
            at: asked.at,
            peer: asked.peer,
            agent: asked.agent,
            name: asked.envelope.and_then(|envelope| envelope.client.as_deref()),
            token: asked.token.map(TokenId::of),
            subject: asked.subject,
            is_call: asked.envelope.is_some_and(|envelope| envelope.call.is_some()),
            refused,
        };
        self.gate.shared().update(|state| state.note(&request))
    }

    /// Logs a call that the gate refuses; any other request is no call.
    fn log_refusal(&self, asked: &Asked<'_>, rules: &Rules) {
        let Some((tool, arguments)) = asked.envelope.and_then(|envelope| envelope.call.as_ref()) else { return };
        let client = self.gate.shared().read(|state| state.traffic().called(asked.peer, asked.agent, asked.token));
        self.gate.refuse(&asked.call(tool, arguments, &client), rules);
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

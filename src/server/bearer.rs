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
use crate::auth::{Call, NumericDate, Principal, Reason, Rules, TokenId};
use crate::endpoint::{Denial, Settings};
use crate::gate::Origin;
use crate::gate::traffic;
use crate::gate::{AuthenticatedMcpServer, CallRequest};
use crate::text;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Misused;

/// There is no message.
enum Unusable {
    /// It did not come, or was too large.
    Unread(StatusCode),
    /// It is none.
    Broken(Fault),
}

/// A request on its way.
struct Asked<'a> {
    at: NumericDate,
    peer: IpAddr,
    agent: &'a str,
    token: Result<Option<&'a str>, Misused>,
    principal: Result<Principal, Reason>,
    /// `None` where the method brings no message.
    message: Result<Option<&'a Envelope>, &'a Unusable>,
}

/// What becomes of a request.
struct Judged {
    /// Why it is refused, as a code.
    refused: Option<&'static str>,
    /// The answer, unless it goes on to the protocol.
    answer: Option<Response>,
}

impl<'a> Asked<'a> {
    fn token(&self) -> Option<&'a str> {
        self.token.ok().flatten()
    }

    fn envelope(&self) -> Option<&'a Envelope> {
        self.message.ok().flatten()
    }

    /// The tool that it calls, and with what.
    fn call(&self) -> Option<(&'a str, &'a Value)> {
        self.envelope()?.call.as_ref().map(|(tool, arguments)| (&**tool, arguments))
    }
}

/// The layer.
pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let header = bearer(&parts.headers);
    parts.headers.remove(AUTHORIZATION);
    let token = header.as_ref().map(Option::as_deref).map_err(|misused| *misused);
    let read = guard.message(&parts, body, token.ok().flatten()).await;
    let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    let rules = guard.gate.shared().rules();
    // It is judged for the instant at which all of it is there: a body may take its time.
    let at = guard.gate.now();
    let asked = Asked {
        at,
        peer: parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip()),
        agent: &agent,
        token,
        principal: rules.verify(token.ok().flatten().unwrap_or_default(), at),
        message: read.as_ref().map(|(_, envelope)| envelope.as_ref()),
    };
    let client = guard.client(&asked);
    let Judged { refused, answer } = guard.judge(&asked, &rules, &client);
    guard.note(&asked, refused);
    if let Some(answer) = answer {
        return answer;
    }
    let caller = Caller::new(asked.token(), &client);
    let body = read.map(|(body, _)| body).unwrap_or_default();
    guard.pass(parts, body, caller, next).await
}

impl Guard {
    /// The body, and what of it is looked at here.
    async fn message(
        &self,
        parts: &Parts,
        body: Body,
        token: Option<&str>,
    ) -> Result<(Bytes, Option<Envelope>), Unusable> {
        if parts.method != Method::POST {
            return Ok((Bytes::new(), None));
        }
        let may = token.is_some_and(|token| self.gate.shared().rules().verify(token, self.gate.now()).is_ok());
        let most = if may { MAX_BODY } else { MAX_REFUSED_BODY };
        let body = match timeout(self.settings.timeout, to_bytes(body, most)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(Unusable::Unread(StatusCode::PAYLOAD_TOO_LARGE)),
            Err(_) => return Err(Unusable::Unread(StatusCode::REQUEST_TIMEOUT)),
        };
        let envelope = Envelope::read(&body).map_err(Unusable::Broken)?;
        Ok((body, Some(envelope)))
    }

    /// Whether a request may go on to the protocol, and if not, what it is answered.
    fn judge(&self, asked: &Asked<'_>, rules: &Rules, client: &str) -> Judged {
        let id = asked.envelope().map_or(Value::Null, |envelope| envelope.id.clone());
        let scope = scope(rules, asked.call().map(|(tool, _)| tool));
        let challenge = Challenge { uri: &self.uri, id: &id, scope: &scope };
        let refused = |code, answer| Judged { refused: Some(code), answer: Some(answer) };
        if asked.token.is_err() {
            return refused("invalid_request", challenge.misused());
        }
        let request = asked.call().map(|(tool, arguments)| CallRequest {
            token: asked.token(),
            tool,
            arguments: Given::Json(arguments),
            origin: Origin::Client,
            client: Some(client),
            at: asked.at,
            judged_at: asked.at,
        });
        // A call that is refused is logged; any other request is no call.
        let log = || request.as_ref().map(|request| self.gate.refuse(request, rules));
        if let Err(reason) = &asked.principal {
            log();
            return refused(reason.code(), challenge.refused(reason));
        }
        match asked.message {
            Err(Unusable::Unread(status)) => return refused("bad_request", challenge.unread(*status)),
            Err(Unusable::Broken(fault)) => return refused("bad_request", broken(*fault)),
            Ok(_) => {}
        }
        let (Some((tool, arguments)), Some(token)) = (asked.call(), asked.token()) else {
            return Judged { refused: None, answer: None };
        };
        if let Err(wait) = self.limiter.take(TokenId::of(token), self.gate.monotonic()) {
            return refused("too_many_calls", challenge.too_often(wait));
        }
        let decision = rules.decide(&Call { token: Some(token), tool }, asked.at);
        match (decision.reason(), &request) {
            (Some(reason @ Reason::PermissionMissing { .. }), _) if self.settings.denial == Denial::Http => {
                log();
                refused(reason.code(), challenge.refused(reason))
            }
            // The protocol's types know no other arguments, and would say only that they are something else.
            (None, Some(request)) if !arguments.is_object() => {
                let called = self.gate.call(request);
                let sentence = called.outcome.trouble().unwrap_or("forbidden");
                Judged { refused: None, answer: Some(challenge.bad_arguments(sentence, &called.outcome.answer())) }
            }
            (reason, _) => Judged { refused: reason.map(Reason::code), answer: None },
        }
    }

    /// Goes on to the protocol.
    async fn pass(&self, mut parts: Parts, body: Bytes, caller: Caller, next: Next) -> Response {
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let was_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        parts.extensions.insert(caller);
        let answer = timeout(self.settings.timeout, next.run(Request::from_parts(parts, Body::from(body)))).await;
        let answer = match answer {
            // So the crate calls a message whose members have the wrong types.
            Ok(answer) if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && was_json => broken(Fault::NoMessage),
            Ok(answer) => answer,
            Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        };
        let code = match answer.status() {
            // It refuses nobody else in this way: whoever gets here has passed the gate.
            StatusCode::FORBIDDEN => Some("host_or_origin"),
            status if status.is_client_error() => Some("bad_request"),
            _ => None,
        };
        if let Some(code) = code {
            self.gate.shared().update(|state| state.note_refusal(code));
        }
        answer
    }

    /// What the client is called: as it says in this request, or has said before.
    fn client(&self, asked: &Asked<'_>) -> String {
        match asked.envelope().and_then(|envelope| envelope.client.as_deref()) {
            Some(name) => text::name(name, 64),
            None => self.gate.shared().read(|state| state.traffic().called(asked.peer, asked.agent, asked.token())),
        }
    }

    /// Counts a request.
    fn note(&self, asked: &Asked<'_>, refused: Option<&'static str>) {
        let request = traffic::Request {
            at: asked.at,
            peer: asked.peer,
            agent: asked.agent,
            name: asked.envelope().and_then(|envelope| envelope.client.as_deref()),
            token: asked.token().map(TokenId::of),
            subject: asked.principal.as_ref().ok().map(|principal| principal.user_id.as_str()),
            is_call: asked.call().is_some(),
            refused,
        };
        self.gate.shared().update(|state| state.note(&request));
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

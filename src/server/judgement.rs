//! The judgement of a request: its instant, the rules at that instant, and the verified token. The layers make it once
//! and pass it on; the raw token goes no further.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::envelope::Envelope;
use crate::auth::{Audience, Decision, NumericDate, Permit, Principal, Reason, Rules, TokenId};
use crate::gate::ports::Catalogue;
use crate::gate::traffic;
use crate::gate::{Gate, Origin, Source};

/// The sender of a request.
pub struct Sender {
    pub peer: IpAddr,
    /// The `User-Agent`.
    pub agent: String,
    /// The client's MCP revision, if given (`MCP-Protocol-Version`).
    pub version: Option<String>,
}

impl Sender {
    /// A request of this sender as the traffic counts it, before anything is known of its token and its message.
    pub fn counted(&self, at: NumericDate, refused: Option<&'static str>) -> traffic::Request<'_> {
        let Self { peer, ref agent, .. } = *self;
        traffic::Request {
            at,
            peer,
            agent,
            name: None,
            token: None,
            subject: None,
            principal: None,
            is_call: false,
            refused,
        }
    }
}

/// A judged request. It is made for the instant at which the request was there; whatever is decided about the request
/// later is decided for that instant and by these rules.
pub struct Judgement {
    pub at: NumericDate,
    pub rules: Arc<Rules>,
    /// The tools that calls could reach at that instant.
    pub tools: Catalogue,
    /// The source that has been unreadable for so long that no decision is possible.
    pub stale: Option<&'static str>,
    /// Checks 1 to 8.
    pub principal: Result<Arc<Principal>, Reason>,
    /// The message, if the request contains a readable one.
    pub envelope: Option<Envelope>,
    /// The client's name; safe to show.
    client: String,
    peer: Option<IpAddr>,
    token: Option<TokenId>,
    started: Duration,
}

impl Judgement {
    /// Reads the clock and the rules, and verifies the token. What could not be read again decides for `max_stale`.
    pub fn new(gate: &Gate, token: Option<&str>, audience: Audience, max_stale: Duration) -> Self {
        let (at, started) = gate.clock().both();
        let (rules, tools, stale) = gate
            .shared()
            .read(|state| (Arc::clone(state.rules()), state.tools().clone(), state.health().stale(started, max_stale)));
        let principal = rules.verify_for(token.unwrap_or_default(), audience, at).map(Arc::new);
        let token = token.filter(|token| !token.is_empty()).map(TokenId::of);
        Self { at, rules, tools, stale, principal, envelope: None, client: String::new(), peer: None, token, started }
    }

    /// The same, for a client of this name, which is safe to show, and at this address.
    pub fn by(self, client: String, peer: Option<IpAddr>) -> Self {
        Self { client, peer, ..self }
    }

    /// Repeats the judgement now with the current rules; `None` if the sender's token is no longer valid, or if the
    /// keys have changed, so that its signature would have to be verified again.
    pub fn again(&self, gate: &Gate) -> Option<Self> {
        let (at, started) = gate.clock().both();
        let (rules, tools) = gate.shared().read(|state| (Arc::clone(state.rules()), state.tools().clone()));
        let principal = self.principal.as_ref().ok()?;
        // Whether the audience may be missing was decided before.
        let stands = rules.check_again(principal, self.token?, Audience::MayLack, at).is_ok();
        // A source that has become unreadable meanwhile is noticed by the next request.
        (stands && rules.has_keys_of(&self.rules)).then(|| Self {
            at,
            rules,
            tools,
            stale: self.stale,
            principal: Ok(Arc::clone(principal)),
            envelope: None,
            client: self.client.clone(),
            peer: self.peer,
            token: self.token,
            started,
        })
    }

    /// Returns the time until the token expires.
    pub fn left(&self) -> Option<Duration> {
        let principal = self.principal.as_ref().ok()?;
        Some(principal.exp.plus(self.rules.leeway.span()).since(self.at).as_duration())
    }

    /// The token's name.
    pub fn token(&self) -> Option<TokenId> {
        self.token
    }

    /// When the request was judged, on the monotonic clock.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// The tool that the request calls, and with what.
    pub fn call(&self) -> Option<(&str, &Value)> {
        self.envelope.as_ref()?.call.as_ref().map(|(tool, arguments)| (&**tool, arguments))
    }

    /// Checks 9 and 10 for a tool: the permit, or the decision that refuses it.
    pub fn decide(&self, tool: &str) -> Result<Permit, Decision> {
        let principal = self.principal.as_ref().map_err(|reason| Decision::refused(reason.clone()))?;
        self.rules.authorize(principal, tool)
    }

    /// The source of a call of this request, for the log.
    pub fn source(&self) -> Source<'_> {
        Source {
            token: self.token,
            origin: Origin::Client,
            client: Some(&self.client),
            peer: self.peer,
            at: self.at,
            judged_at: self.at,
            started: self.started,
        }
    }

    /// The request as the traffic counts it.
    pub fn counted<'a>(&'a self, sender: &'a Sender, refused: Option<&'static str>) -> traffic::Request<'a> {
        traffic::Request {
            name: self.envelope.as_ref().and_then(|envelope| envelope.client.as_deref()),
            token: self.token,
            subject: self.principal.as_ref().ok().map(|principal| principal.user_id.as_str()),
            principal: self.principal.as_ref().ok(),
            is_call: self.envelope.as_ref().is_some_and(|envelope| envelope.call.is_some()),
            ..sender.counted(self.at, refused)
        }
    }
}

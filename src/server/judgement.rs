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

/// The sender of a request, as far as its head shows.
pub struct Sender {
    pub peer: IpAddr,
    /// The `User-Agent`.
    pub agent: String,
    /// The client's MCP revision (`MCP-Protocol-Version`), if it is stated.
    pub version: Option<String>,
}

impl Sender {
    /// Returns a request of this sender for the traffic statistics, before its token and message are known.
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

/// A judged request. It is judged for the instant at which it had arrived; later decisions about it use that instant
/// and these rules.
pub struct Judgement {
    pub at: NumericDate,
    pub rules: Arc<Rules>,
    /// The tools that calls could reach at that instant.
    pub tools: Catalogue,
    /// The source that has been unreadable for so long that no decision is possible.
    pub stale: Option<&'static str>,
    /// The result of checks 1 to 8.
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
    /// Reads the clock and the rules, and verifies the token. Data that has become unreadable is used for at most
    /// `max_stale`.
    pub fn new(gate: &Gate, token: Option<&str>, audience: Audience, max_stale: Duration) -> Self {
        let (at, started) = gate.clock().both();
        let (rules, tools, stale) = gate
            .shared()
            .read(|state| (Arc::clone(state.rules()), state.tools().clone(), state.health().stale(started, max_stale)));
        let principal = gate.verify(&rules, token.unwrap_or_default(), audience, at).map(Arc::new);
        let token = token.filter(|token| !token.is_empty()).map(TokenId::of);
        Self { at, rules, tools, stale, principal, envelope: None, client: String::new(), peer: None, token, started }
    }

    /// Adds the client's name, which must be safe to show, and its address.
    pub fn by(self, client: String, peer: Option<IpAddr>) -> Self {
        Self { client, peer, ..self }
    }

    /// Repeats the judgement for now, with the current rules. Returns `None` if the token is no longer valid, or if the
    /// keys have changed, so that its signature would have to be verified again.
    pub fn again(&self, gate: &Gate) -> Option<Self> {
        let (at, started) = gate.clock().both();
        let (rules, tools) = gate.shared().read(|state| (Arc::clone(state.rules()), state.tools().clone()));
        let principal = self.principal.as_ref().ok()?;
        // Whether the token needs an audience has been decided already.
        let stands = rules.check_again(principal, self.token?, Audience::MayLack, at).is_ok();
        // If a source has become unreadable since, the next request notices it.
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

    /// Returns the time from the judgement until the token expires, leeway included.
    pub fn left(&self) -> Option<Duration> {
        let principal = self.principal.as_ref().ok()?;
        Some(principal.exp.plus(self.rules.leeway.span()).since(self.at).as_duration())
    }

    /// The token's ID.
    pub fn token(&self) -> Option<TokenId> {
        self.token
    }

    /// When the request was judged, on the monotonic clock.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// The tool that the request calls, and the arguments.
    pub fn call(&self) -> Option<(&str, &Value)> {
        self.envelope.as_ref()?.call.as_ref().map(|(tool, arguments)| (&**tool, arguments))
    }

    /// Makes checks 9 and 10 for a tool: returns the permit, or the decision that refuses the call.
    pub fn decide(&self, tool: &str) -> Result<Permit, Decision> {
        let principal = self.principal.as_ref().map_err(|reason| Decision::refused(reason.clone()))?;
        self.rules.authorize(principal, tool)
    }

    /// Returns the origin and time of this request, for the log.
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

    /// Returns the request for the traffic statistics.
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

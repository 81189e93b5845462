//! Statistics about the server's requests: recent clients, calls per second, and refusals by reason. Tokens are not
//! stored.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::Principal;
use crate::auth::date::NumericDate;
use crate::auth::token::TokenId;
use crate::text;

/// The most clients in the list; the one with the oldest last request is removed first.
pub const MOST_CLIENTS: usize = 64;
/// The number of seconds for which calls are counted.
pub const SECONDS: usize = 60;
/// Names are truncated to this length, in bytes.
const MAX_NAME: usize = 256;

/// One answered request. Its names are untrusted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// When it arrived.
    pub at: NumericDate,
    /// The address of the client.
    pub peer: IpAddr,
    /// The `User-Agent`.
    pub agent: &'a str,
    /// The client's own name and version, if this request contains them.
    pub name: Option<&'a str>,
    /// The ID of its token.
    pub token: Option<TokenId>,
    /// The user of a verified token.
    pub subject: Option<&'a str>,
    /// The principal, if the token was verified. With it, the token of a new client is added to the list by its hash.
    pub principal: Option<&'a Arc<Principal>>,
    /// Whether it calls a tool.
    pub is_call: bool,
    /// The code of the reason for its refusal.
    pub refused: Option<&'static str>,
}

/// A client: one program on one machine with one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address of the client.
    pub peer: IpAddr,
    /// The `User-Agent`.
    pub agent: Box<str>,
    /// Its own name and version, once it has sent them.
    pub name: Option<Box<str>>,
    /// The ID of its token.
    pub token: Option<TokenId>,
    /// The user of the token.
    pub subject: Option<Box<str>>,
    /// When its last request arrived.
    pub last: NumericDate,
    /// The number of its requests.
    pub requests: u64,
    /// The number of tool calls among them.
    pub calls: u64,
    /// The number of refusals among them.
    pub refused: u64,
}

impl Client {
    /// The client's own name, or else its `User-Agent`; safe to show.
    pub fn called(&self) -> String {
        named(self.name.as_deref(), &self.agent)
    }

    fn is(&self, peer: IpAddr, agent: &str, token: Option<TokenId>) -> bool {
        self.peer == peer && *self.agent == *text::head(agent, MAX_NAME) && self.token == token
    }
}

fn named(name: Option<&str>, agent: &str) -> String {
    let name = name.unwrap_or(agent);
    if name.is_empty() { "unnamed client".to_owned() } else { text::name(name, 64) }
}

/// Statistics about all requests.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// The clients, the most recent first.
    clients: Vec<Client>,
    refusals: BTreeMap<&'static str, u64>,
    /// The seconds in which tools were called, with the number of calls, oldest first.
    seconds: VecDeque<(i64, u32)>,
    requests: u64,
}

impl Traffic {
    /// Counts a refusal.
    pub(super) fn refused(&mut self, code: &'static str) {
        *self.refusals.entry(code).or_default() += 1;
    }

    /// Counts a request.
    pub(super) fn note(&mut self, request: &Request<'_>) {
        self.requests += 1;
        if let Some(code) = request.refused {
            self.refused(code);
        }
        if request.is_call {
            self.count(request.at.seconds());
        }
        let agent = text::head(request.agent, MAX_NAME);
        let cut = |name: &str| -> Box<str> { text::head(name, MAX_NAME).into() };
        let name = request.name.map(cut);
        // If two clients differ only in name, a request without a name is counted for the most recent one.
        let fits = |client: &Client| name.is_none() || client.name.is_none() || client.name == name;
        let is_it = |client: &Client| client.is(request.peer, agent, request.token) && fits(client);
        let known = self.clients.iter().position(is_it);
        let mut client = match known {
            Some(place) => self.clients.remove(place),
            None => Client {
                peer: request.peer,
                agent: agent.into(),
                name: None,
                token: request.token,
                subject: None,
                last: request.at,
                requests: 0,
                calls: 0,
                refused: 0,
            },
        };
        client.name = name.or(client.name);
        client.subject = request.subject.map(cut).or(client.subject);
        client.last = request.at;
        client.requests += 1;
        client.calls += u64::from(request.is_call);
        client.refused += u64::from(request.refused.is_some());
        self.clients.insert(0, client);
        self.clients.truncate(MOST_CLIENTS);
    }

    fn count(&mut self, second: i64) {
        match self.seconds.back_mut() {
            // After the clock is set back, calls are counted for the latest second.
            Some((last, calls)) if *last >= second => *calls += 1,
            _ => self.seconds.push_back((second, 1)),
        }
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
    }

    /// Returns the display name of a client.
    pub fn called(&self, peer: IpAddr, agent: &str, token: Option<TokenId>) -> String {
        let known = self.clients.iter().find(|client| client.is(peer, agent, token));
        known.map_or_else(|| named(None, agent), Client::called)
    }

    /// The clients, the most recent first.
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// Returns the number of refusals per code, the most frequent first.
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        let mut all: Vec<_> = self.refusals.iter().map(|(code, times)| (*code, *times)).collect();
        all.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        all
    }

    /// The total number of requests.
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether the result of [`Traffic::rate`] changes with time alone.
    pub fn is_lively(&self, now: NumericDate) -> bool {
        let seconds = i64::try_from(SECONDS).unwrap_or(i64::MAX);
        self.seconds.back().is_some_and(|(last, _)| now.seconds() - last <= seconds)
    }

    /// The number of calls in each of the last seconds before `now`, oldest first, without the current second.
    pub fn rate(&self, now: NumericDate) -> [u32; SECONDS] {
        let mut rate = [0; SECONDS];
        for (second, calls) in &self.seconds {
            let place = usize::try_from(now.seconds() - second).ok().and_then(|ago| SECONDS.checked_sub(ago));
            if let Some(slot) = place.and_then(|place| rate.get_mut(place)) {
                *slot += calls;
            }
        }
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;

    const AT: NumericDate = NumericDate::from_seconds(1_795_380_000);

    fn request(token: &str) -> Request<'static> {
        Request {
            at: AT,
            peer: IpAddr::from([127, 0, 0, 1]),
            agent: "node",
            name: None,
            token: Some(TokenId::of(token)),
            subject: Some("user123"),
            principal: None,
            is_call: true,
            refused: None,
        }
    }

    #[test]
    fn a_client_is_known_again_and_keeps_the_name_it_gave_itself() {
        let mut traffic = Traffic::default();
        traffic.note(&request("one"));
        assert_eq!(traffic.called(request("one").peer, "node", Some(TokenId::of("one"))), "node");
        traffic.note(&Request { name: Some("probe 1.2"), ..request("one") });
        traffic.note(&request("two"));
        traffic.note(&Request { refused: Some("expired"), ..request("one") });
        assert_eq!(traffic.called(request("one").peer, "node", Some(TokenId::of("one"))), "probe 1.2");
        let told: Vec<_> = traffic.clients().iter().map(|c| (c.called(), c.calls, c.refused)).collect();
        assert_eq!(told, [("probe 1.2".to_owned(), 3, 1), ("node".to_owned(), 1, 0)]);
        assert_eq!((traffic.refusals(), traffic.requests()), (vec![("expired", 1)], 4));
    }

    #[test]
    fn two_programs_of_one_kind_are_told_apart_by_the_names_they_give_themselves() {
        let mut traffic = Traffic::default();
        for name in [Some("one"), None, Some("two"), None, None, Some("one")] {
            traffic.note(&Request { name, ..request("token") });
        }
        let told: Vec<_> = traffic.clients().iter().map(|c| (c.called(), c.requests)).collect();
        assert_eq!(told, [("one".to_owned(), 3), ("two".to_owned(), 3)]);
    }

    #[test]
    fn however_many_come_only_so_many_are_kept() {
        let mut traffic = Traffic::default();
        for number in 0..1000_u32 {
            traffic.note(&Request { agent: &"x".repeat(4096), ..request(&number.to_string()) });
        }
        assert_eq!(traffic.clients().len(), MOST_CLIENTS);
        assert!(traffic.clients().iter().all(|client| client.agent.len() <= MAX_NAME));
        assert_eq!(traffic.clients()[0].token, Some(TokenId::of("999")));
    }

    #[test]
    fn calls_are_counted_by_the_second() {
        let mut traffic = Traffic::default();
        for second in [0, 0, 0, 1, 3] {
            traffic.note(&Request { at: AT.plus(Span::seconds(second)), ..request("one") });
        }
        traffic.note(&Request { at: AT.plus(Span::seconds(3)), is_call: false, ..request("one") });
        let rate = traffic.rate(AT.plus(Span::seconds(4)));
        assert_eq!(rate[SECONDS - 4..], [3, 1, 0, 1]);
        assert_eq!(traffic.rate(AT.plus(Span::seconds(1000))).iter().sum::<u32>(), 0);
    }
}

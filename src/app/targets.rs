//! The targets: where the calls of the console go. Our own gate is the first; the others are MCP servers that decide for
//! themselves.
//!
//! A [`ForeignTarget`] is what is known of such a server. Its definition, whose headers may be secrets, and its connections
//! are kept by `tui::foreign`, which knows it by the same number. Panes read `App::target`, `App::catalogue` and
//! `App::prediction`, which are in `targeting`.

use std::sync::Arc;
use std::time::Duration;

use super::observed::ObservedCalls;
use super::pane::call::Answered;
use crate::auth::{Policy, TokenId};
use crate::gate::ports::Catalogue;
use crate::observe::{ServerIdentity, Why};
use crate::text::Span;

/// The foreign targets, and which target is selected.
pub struct Targets {
    pub(super) list: Vec<ForeignTarget>,
    /// The number of the selected one; `None` is our own gate.
    pub(super) selected: Option<u64>,
    /// The last number given.
    last: u64,
    /// The policy for forms of foreign tools, whose schemas are the server's.
    pub(super) no_policy: Arc<Policy>,
    /// The tools of a target that is gone.
    pub(super) no_tools: Catalogue,
}

/// The description of a foreign target. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFacts {
    /// The name; unique among the targets.
    pub name: Arc<str>,
    /// Where it is.
    pub place: Arc<str>,
    /// Whether it is on this machine.
    pub is_local: bool,
    /// Whether calls carry the selected token. A program takes its credentials from its environment, and a header may
    /// carry others.
    pub takes_token: bool,
    /// A warning if a token would be sent without encryption to another machine.
    pub exposure: Option<&'static str>,
}

/// The description of a target to add, as typed. A header may be a secret, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct TargetDraft {
    /// The name; empty for the host or the program.
    pub name: String,
    /// A URL, or a command after `$` or `--`.
    pub place: String,
    /// Headers as `Name: value`; a value `env:NAME` is that of a variable of the environment.
    pub headers: Vec<String>,
}

/// What is known of a foreign target.
#[derive(Clone, Debug)]
pub struct ForeignTarget {
    /// Its number, by which effects name it; never reused.
    pub number: u64,
    /// Its description.
    pub facts: TargetFacts,
    /// The state of the connection.
    pub link: Link,
    /// What the server said of itself when it was connected last.
    pub seen: Option<ServerIdentity>,
    /// The tools in the last list.
    pub tools: Listing,
    /// The token of the last list; `None` if it was requested without one.
    pub listed_for: Option<TokenId>,
    /// How long the last list took.
    pub latency: Option<Duration>,
    /// The server's clock minus ours, zero if they do not differ notably; `None` if it did not say the time.
    pub skew: Option<Span>,
    /// The explanation of the last answer.
    pub why: Option<Box<Why>>,
    /// The request that was answered.
    pub explained: Explained,
    /// What its calls and lists have shown, by token and tool.
    pub observed: ObservedCalls,
}

/// What an explained answer was to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explained {
    /// A request for a connection.
    Connection,
    /// A call.
    Call {
        /// The tool.
        tool: Arc<str>,
        /// The token.
        token: Option<TokenId>,
    },
    /// The last of the calls with every token.
    Round {
        /// The tool.
        tool: Arc<str>,
        /// The token.
        token: Option<TokenId>,
    },
}

/// A list of tools, as a server sent it.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The tools.
    pub catalogue: Catalogue,
    /// Entries without a usable name.
    pub unreadable: usize,
    /// Whether there are more than are kept.
    pub is_cut: bool,
}

/// The state of the connection to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has not been connected yet.
    Unconnected,
    /// A connection is being made.
    Connecting {
        /// The ID of the request.
        id: u64,
        /// When it began, on the monotonic clock.
        since: Duration,
    },
    /// It answers.
    Connected,
    /// It refused, or did not answer; the reason, safe to show.
    Failed(String),
}

/// The answer to a request for a connection.
pub struct ConnectReport {
    /// The ID of the request.
    pub id: u64,
    /// The number of the target.
    pub target: u64,
    /// The token that was sent.
    pub token: Option<TokenId>,
    /// What the server says of itself, if it is connected.
    pub seen: Option<ServerIdentity>,
    /// The tools, if they were listed, and how long that took.
    pub listed: Option<(Listing, Duration)>,
    /// The explanation of the last answer.
    pub why: Box<Why>,
}

/// The answer to a call.
pub struct CallReport {
    /// The ID of the call.
    pub id: u64,
    /// The number of the target.
    pub target: u64,
    /// What the server says of itself, if it is connected.
    pub seen: Option<ServerIdentity>,
    /// The answer.
    pub called: Answered,
    /// Its explanation.
    pub why: Box<Why>,
}

impl Targets {
    /// Creates the list from the configured targets, which get the numbers from 1.
    pub fn new(configured: Vec<TargetFacts>) -> Self {
        let no_policy = Policy::new::<&str>(std::iter::empty::<(&str, [&str; 0])>());
        let mut targets = Self {
            list: Vec::new(),
            selected: None,
            last: 0,
            no_policy: Arc::new(no_policy),
            no_tools: Catalogue::default(),
        };
        for facts in configured {
            let number = targets.next_number();
            targets.list.push(ForeignTarget::new(number, facts));
        }
        targets
    }

    /// The foreign targets, in the order of the list.
    pub fn foreign(&self) -> &[ForeignTarget] {
        &self.list
    }

    /// The target with this number.
    pub fn find(&self, number: u64) -> Option<&ForeignTarget> {
        self.list.iter().find(|target| target.number == number)
    }

    /// The selected foreign target; `None` if calls go to our own gate.
    pub fn selected(&self) -> Option<&ForeignTarget> {
        self.find(self.selected?)
    }

    pub(super) fn find_mut(&mut self, number: u64) -> Option<&mut ForeignTarget> {
        self.list.iter_mut().find(|target| target.number == number)
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl ForeignTarget {
    /// The ID of the request by which it is being connected.
    pub fn connecting(&self) -> Option<u64> {
        match self.link {
            Link::Connecting { id, .. } => Some(id),
            _ => None,
        }
    }

    pub(super) fn new(number: u64, facts: TargetFacts) -> Self {
        Self {
            number,
            facts,
            link: Link::Unconnected,
            seen: None,
            tools: Listing::default(),
            listed_for: None,
            latency: None,
            skew: None,
            why: None,
            explained: Explained::Connection,
            observed: ObservedCalls::default(),
        }
    }

    /// Stores what an answer says about the server. `seen` is what it says of itself, if it is connected.
    pub(super) fn take(&mut self, why: Box<Why>, seen: Option<ServerIdentity>, about: Explained) {
        if why.observation.date.is_some() {
            self.skew = Some(why.skew.unwrap_or(Span::ZERO));
        }
        match &seen {
            Some(_) => self.link = Link::Connected,
            // It says nothing about the connection.
            None if why.observation.is_cancelled() => {}
            None => self.link = Link::Failed(why.sentence.clone()),
        }
        self.seen = seen.or(self.seen.take());
        self.explained(why, about);
    }

    /// Stores the explanation of an answer.
    pub(super) fn explained(&mut self, why: Box<Why>, about: Explained) {
        (self.why, self.explained) = (Some(why), about);
    }
}

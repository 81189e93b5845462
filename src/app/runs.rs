//! Runs: work against a foreign target that makes many requests, such as the gate probe. There is one run at a time, so that
//! a server is not overwhelmed. It reports its progress, and Esc cancels it.
//!
//! A pane makes a [`RunOrder`], `running` asks first where that is due, and `tui::runs` carries it out. What it finds returns
//! to the pane.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::auth::TokenId;
use crate::gate::ports::ToolInfo;
use crate::lab::drill::Boundary;
use crate::lab::kit::Identity;
use crate::lab::probe::Card;
use crate::observe::{Observation, Why};

/// The run that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its ID, by which it is cancelled.
    pub id: u64,
    /// The number of the target.
    pub target: u64,
    /// When it began, on the monotonic clock.
    pub since: Duration,
    /// What it does.
    pub kind: RunKind,
    /// How many of the callers of a round have been stored.
    pub stored: usize,
    /// How many callers a round has.
    pub planned: usize,
}

/// What the run under way does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// A gate probe.
    Probe,
    /// Calls of this tool with every token.
    Round(Arc<str>),
    /// A search for the boundaries of `exp` and `nbf`.
    Boundaries,
}

/// A run to carry out. It may hold a token, so its `Debug` shows only the target.
pub struct RunOrder {
    /// The number of the target.
    pub target: u64,
    /// The selected token, if any.
    pub token: Option<Arc<str>>,
    /// What to do.
    pub work: RunWork,
}

impl fmt::Debug for RunOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOrder").field("target", &self.target).finish_non_exhaustive()
    }
}

/// What a run does.
pub enum RunWork {
    /// Probes how the server treats tokens.
    Probe(ProbeOrder),
    /// Calls a tool with every token.
    Round(RoundOrder),
    /// Finds the boundaries of `exp` and `nbf` with new tokens.
    Boundaries(BoundariesOrder),
}

/// A search for the boundaries of `exp` and `nbf`.
pub struct BoundariesOrder {
    /// The user and permissions of new tokens, if there is none in hand.
    pub identity: Identity,
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments.
    pub arguments: Map<String, Value>,
}

/// Calls of one tool with every token. It holds tokens, so it has no `Debug`.
pub struct RoundOrder {
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments.
    pub arguments: Map<String, Value>,
    /// Whether no list has described the tool yet and nobody typed arguments: then the first caller who sees the tool
    /// determines them.
    pub is_unknown: bool,
    /// The tokens; `None` is a call without one.
    pub callers: Vec<Option<Arc<str>>>,
}

/// What a caller has seen of a server.
#[derive(Clone, Debug)]
pub struct CallerReport {
    /// The ID of the token.
    pub token: Option<TokenId>,
    /// The tools that the server lists for it, if it sent a list.
    pub tools: Option<Vec<ToolInfo>>,
    /// The answer to the call.
    pub answer: Observation,
    /// The answer to a call of a name that does not exist, if the tool is not in the list.
    pub missing: Option<Observation>,
    /// The explanation of the answer; only of the last caller's.
    pub why: Option<Box<Why>>,
}

/// A gate probe.
pub struct ProbeOrder {
    /// The user and permissions of the good token, if there is none in hand.
    pub identity: Identity,
    /// The tool to call; `None` chooses a read-only one, or only lists the tools.
    pub tool: Option<Arc<str>>,
    /// Whether only the most important probes are made.
    pub is_quick: bool,
}

/// What a run has found: so far, or at its end.
#[derive(Clone)]
pub enum RunProgress {
    /// The scorecard of a probe.
    Probe(Arc<Card>),
    /// What the callers have seen.
    Round(Arc<[CallerReport]>),
    /// The boundary of `exp`, then that of `nbf`.
    Boundaries(Boundary, Option<Boundary>),
}

/// Why a run has no result.
pub enum RunStop {
    /// The user cancelled it.
    Cancelled,
    /// The server did not accept the good token; the explanation.
    Refused(Box<Why>),
    /// It could not be carried out; the reason, safe to show.
    Failed(String),
}

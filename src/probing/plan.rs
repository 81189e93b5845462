//! A foreign server as the target of a test plan.

use std::io;
use std::time::Duration;

use serde_json::Map;
use tokio::runtime::{Builder, Runtime};

use crate::auth::Verdict;
use crate::lab::test_plan::{self, NoAnswer, TargetAnswer, TargetCall};
use crate::observe::denial::INSUFFICIENT_SCOPE;
use crate::observe::{Observation, Observed, why};
use crate::target::{Carriage, Connection, Dialect, OpenError, Target, TimedReply, ToolList};
use crate::text;

/// A foreign server. Each call has a connection of its own, so that no session carries one token's rights to another.
pub struct ForeignServer {
    target: Target,
    bound: Duration,
    runtime: Runtime,
    dialect: Dialect,
    /// The tools that the tokens of the plan have seen.
    seen: ToolList,
}

impl ForeignServer {
    /// Creates the target.
    pub fn new(target: Target, bound: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { target, bound, runtime, dialect: Dialect::Auto, seen: ToolList::default() })
    }

    /// Adds the tools that a caller sees. A caller whose list is refused sees none.
    fn look(&mut self, token: Option<&str>) {
        let Self { target, bound, runtime, dialect, seen } = self;
        runtime.block_on(async {
            if let Ok(connection) = Connection::open(target, &Carriage::bearer(token), dialect).await {
                *dialect = connection.dialect();
                if let (_, Some(listed)) = connection.list(*bound).await {
                    seen.add(listed);
                }
                connection.close().await;
            }
        });
    }
}

impl test_plan::Target for ForeignServer {
    fn name(&self) -> String {
        self.target.place.to_string()
    }

    fn prepare(&mut self, tokens: &[Option<&str>]) {
        for token in tokens {
            self.look(*token);
        }
    }

    /// The tools that any caller of the plan has seen.
    fn tools(&mut self) -> Result<Vec<String>, NoAnswer> {
        match self.seen.tools.is_empty() {
            true => Err(NoAnswer::new("no caller of the plan could list the tools")),
            false => Ok(self.seen.tools.iter().map(|tool| tool.name.to_string()).collect()),
        }
    }

    fn may_change(&self, tool: &str) -> bool {
        self.seen.tools.iter().any(|info| *info.name == *tool && !info.reads_only)
    }

    fn call(&mut self, call: &TargetCall<'_>) -> Result<TargetAnswer, NoAnswer> {
        let Self { target, bound, runtime, dialect, seen } = self;
        let carriage = Carriage::bearer(call.token);
        let called = runtime.block_on(async {
            let connection = match Connection::open(target, &carriage, dialect).await {
                Ok(connection) => connection,
                Err(OpenError::Target(error)) => return Err(NoAnswer::new(error)),
                Err(OpenError::Server(refused)) => return Ok(TimedReply { reply: refused.reply, took: refused.took }),
            };
            *dialect = connection.dialect();
            let arguments = call.arguments.cloned().unwrap_or_else(|| {
                let info = seen.tools.iter().find(|info| *info.name == *call.tool);
                info.and_then(|info| serde_json::from_str(&info.example).ok()).unwrap_or_else(Map::new)
            });
            let called = connection.call(call.tool, arguments, *bound).await;
            connection.close().await;
            Ok(called)
        })?;
        let observation = Observation::of(&called.reply);
        let is_absent = observation.observed() == Observed::NoTool;
        // A challenge that names scopes is about a tool that exists.
        let is_named = observation.shape == &INSUFFICIENT_SCOPE;
        let is_denied = is_absent || observation.verdict() == Some(Verdict::Forbidden) && !is_named;
        if is_denied && !seen.tools.is_empty() && !seen.has(call.tool) {
            // A misspelled name would look like a tool that is forbidden correctly.
            return Ok(TargetAnswer {
                verdict: None,
                code: is_absent.then(|| "unknown_tool".to_owned()),
                sentence: format!("no caller of the plan sees a tool {}: {observation}", text::name(call.tool, 64)),
                took: called.took,
            });
        }
        let verdict = match observation.observed() {
            // Our own gate forbids a tool that it does not know.
            Observed::NoTool => Some(Verdict::Forbidden),
            Observed::BadArguments => None,
            _ => Some(observation.verdict().ok_or_else(|| NoAnswer::new(&observation))?),
        };
        let code = why::reason_code(&observation, call.token.is_some());
        let said = observation.said.as_ref().map(|said| format!("; the server says: {said}")).unwrap_or_default();
        Ok(TargetAnswer {
            verdict,
            code: code.map(str::to_owned),
            sentence: format!("{observation}{said}"),
            took: called.took,
        })
    }
}

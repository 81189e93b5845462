//! A foreign server as the target of a test plan.

use std::io;
use std::time::Duration;

use serde_json::Map;
use tokio::runtime::{Builder, Runtime};

use crate::auth::Verdict;
use crate::lab::test_plan::{self, NoAnswer, TargetAnswer, TargetCall};
use crate::observe::{Observation, Observed, why};
use crate::target::{Carriage, Connection, Dialect, OpenError, Target, TimedReply, ToolList};

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

    /// Lists the tools without a token.
    fn list_anonymously(&mut self) -> Result<(), NoAnswer> {
        let Self { target, bound, runtime, dialect, seen } = self;
        runtime.block_on(async {
            match Connection::open(target, &Carriage::default(), dialect).await {
                Ok(connection) => {
                    *dialect = connection.dialect();
                    if let (_, Some(listed)) = connection.list(*bound).await {
                        seen.add(listed);
                    }
                    connection.close().await;
                    Ok(())
                }
                Err(OpenError::Target(error)) => Err(NoAnswer::new(error)),
                Err(OpenError::Server(refused)) => Err(NoAnswer::new(Observation::of(&refused.reply))),
            }
        })
    }
}

impl test_plan::Target for ForeignServer {
    fn name(&self) -> String {
        self.target.place.to_string()
    }

    /// The tools that any of the tokens so far has seen: a server may list others to others.
    fn tools(&mut self) -> Result<Vec<String>, NoAnswer> {
        if self.seen.tools.is_empty() {
            self.list_anonymously()?;
        }
        match self.seen.tools.is_empty() {
            true => Err(NoAnswer::new("the server lists no tools without a token, and no case could list them")),
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
            if let (_, Some(listed)) = connection.list(*bound).await {
                seen.add(listed);
            }
            let arguments = call.arguments.cloned().unwrap_or_else(|| {
                let info = seen.tools.iter().find(|info| *info.name == *call.tool);
                info.and_then(|info| serde_json::from_str(&info.example).ok()).unwrap_or_else(Map::new)
            });
            let called = connection.call(call.tool, arguments, *bound).await;
            connection.close().await;
            Ok(called)
        })?;
        let observation = Observation::of(&called.reply);
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

//! Makes the calls of a matrix against a foreign server.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::gate::ports::ToolInfo;
use crate::lab::grid::GridCell;
use crate::observe::Observation;
use crate::target::{Carriage, Connection, Dialect, OpenError, Target, TargetError, TimedReply, ToolList};

/// What one caller saw: the list, and the answers to calls.
pub struct CallerRow {
    /// The list; `None` if it was refused.
    pub listed: Option<ToolList>,
    /// Why the list was refused.
    pub refused: Option<Observation>,
    /// The answers, by tool.
    pub answers: Vec<(Arc<str>, Observation)>,
}

impl CallerRow {
    /// The cell of a tool.
    pub fn cell(&self, tool: &str) -> GridCell {
        let answer = self.answers.iter().find(|(name, _)| **name == *tool);
        GridCell {
            prediction: None,
            listed: self.listed.as_ref().map(|listed| listed.has(tool)),
            observation: answer.map(|(_, answer)| answer.clone()),
        }
    }
}

/// Lists the tools as a caller sees them.
pub async fn list(
    target: &Target,
    carriage: &Carriage,
    dialect: &mut Dialect,
    bound: Duration,
) -> Result<CallerRow, TargetError> {
    let connection = match Connection::open(target, carriage, dialect).await {
        Ok(connection) => connection,
        Err(OpenError::Target(error)) => return Err(error),
        Err(OpenError::Server(refused)) => {
            let refused = Some(Observation::of(&refused.reply));
            return Ok(CallerRow { listed: None, refused, answers: Vec::new() });
        }
    };
    *dialect = connection.dialect();
    let (TimedReply { reply, .. }, listed) = connection.list(bound).await;
    connection.close().await;
    let refused = listed.is_none().then(|| Observation::of(&reply));
    Ok(CallerRow { listed, refused, answers: Vec::new() })
}

/// Calls tools as a caller, one after another, with arguments that fit their schemas.
pub async fn call_each(
    target: &Target,
    carriage: &Carriage,
    dialect: &Dialect,
    tools: &[ToolInfo],
    bound: Duration,
    row: &mut CallerRow,
) -> Result<(), TargetError> {
    let mut connection: Option<Connection> = None;
    for tool in tools {
        if connection.as_ref().is_none_or(|open| !open.is_open()) {
            connection = match Connection::open(target, carriage, dialect).await {
                Ok(open) => Some(open),
                Err(OpenError::Target(error)) => return Err(error),
                Err(OpenError::Server(refused)) => {
                    row.answers.push((Arc::clone(&tool.name), Observation::of(&refused.reply)));
                    continue;
                }
            };
        }
        if let Some(open) = &connection {
            let arguments: Map<String, Value> = serde_json::from_str(&tool.example).unwrap_or_default();
            let called = open.call(&tool.name, arguments, bound).await;
            row.answers.push((Arc::clone(&tool.name), Observation::of(&called.reply)));
        }
    }
    if let Some(open) = connection {
        open.close().await;
    }
    Ok(())
}

//! Our own gate as the target of a plan. Its clock is the plan's, so that a case may be judged for any instant.

use serde_json::Value;

use super::{NoAnswer, Target, TargetAnswer, TargetCall};
use crate::auth::NumericDate;
use crate::gate::{CallRequest, Gate, Origin, RawArguments};
use crate::lab::expected::ActualAnswer;

/// Our own gate.
pub struct OwnGate<'a> {
    gate: &'a Gate,
    /// The instant of the calls, for the log.
    now: NumericDate,
}

impl<'a> OwnGate<'a> {
    /// Creates the target. `now` is the instant of the calls in the log.
    pub const fn new(gate: &'a Gate, now: NumericDate) -> Self {
        Self { gate, now }
    }
}

impl Target for OwnGate<'_> {
    fn name(&self) -> String {
        "our own gate".to_owned()
    }

    fn tools(&mut self) -> Result<Vec<String>, NoAnswer> {
        Ok(self.gate.shared().rules().policy.tools().iter().map(|tool| tool.name.to_string()).collect())
    }

    fn call(&mut self, call: &TargetCall<'_>) -> Result<TargetAnswer, NoAnswer> {
        let given = call.arguments.map(|members| Value::Object(members.clone()));
        let example = self.gate.shared().read(|state| state.tools().example(&state.rules().policy, call.tool));
        let called = self.gate.call(&CallRequest {
            token: call.token,
            tool: call.tool,
            arguments: given.as_ref().map_or(RawArguments::Text(&example), RawArguments::Json),
            origin: Origin::Command,
            at: self.now,
            judged_at: call.at,
        });
        let actual = ActualAnswer::called(&called.decision, &called.outcome);
        Ok(TargetAnswer {
            verdict: actual.verdict,
            code: actual.code.map(str::to_owned),
            sentence: called.outcome.trouble().map_or_else(|| called.decision.sentence(), str::to_owned),
            took: called.record.took,
        })
    }
}

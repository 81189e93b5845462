//! The outcome of a call, and the answer in the JSON that the lab exercise defines.

use serde_json::{Value, json};

use super::check::Verdict;

/// The codes of an allowed call that failed: because of its arguments, or in the tool.
pub const TROUBLE_CODES: [&str; 2] = [INVALID_ARGUMENTS, TOOL_FAILED];

const INVALID_ARGUMENTS: &str = "invalid_arguments";
const TOOL_FAILED: &str = "tool_failed";

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Refused by the gate; the decision contains the reason.
    Refused(Verdict),
    /// Allowed, but the tool does not accept the arguments; the sentence says why and is safe to show.
    BadArguments(String),
    /// Allowed, but the tool failed; the sentence says why and is safe to show.
    ToolFailed(String),
    /// Completed; contains the tool's result.
    Done(Value),
}

impl Outcome {
    /// The answer to the caller, exactly as the lab exercise specifies it.
    pub fn answer(&self) -> Value {
        let error = match self {
            Self::Done(result) => return json!({ "success": true, "result": result }),
            Self::Refused(Verdict::Forbidden) => "forbidden",
            Self::Refused(_) => "unauthorized",
            Self::BadArguments(_) => INVALID_ARGUMENTS,
            Self::ToolFailed(_) => TOOL_FAILED,
        };
        json!({ "error": error })
    }

    /// The code of an allowed call that failed, one of [`TROUBLE_CODES`].
    pub fn trouble_code(&self) -> Option<&'static str> {
        match self {
            Self::BadArguments(_) => Some(INVALID_ARGUMENTS),
            Self::ToolFailed(_) => Some(TOOL_FAILED),
            Self::Refused(_) | Self::Done(_) => None,
        }
    }

    /// The error of an allowed call that failed. Safe to show.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::BadArguments(what) | Self::ToolFailed(what) => Some(what),
            Self::Refused(_) | Self::Done(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_labs_to_the_letter() {
        for (outcome, answer) in [
            (Outcome::Refused(Verdict::Unauthorized), r#"{"error":"unauthorized"}"#),
            (Outcome::Refused(Verdict::Forbidden), r#"{"error":"forbidden"}"#),
            (Outcome::BadArguments("x".into()), r#"{"error":"invalid_arguments"}"#),
            (Outcome::ToolFailed("x".into()), r#"{"error":"tool_failed"}"#),
            (Outcome::Done(json!({"id": 1})), r#"{"success":true,"result":{"id":1}}"#),
            (Outcome::Done(json!("written")), r#"{"success":true,"result":"written"}"#),
        ] {
            assert_eq!(outcome.answer().to_string(), answer);
        }
    }
}

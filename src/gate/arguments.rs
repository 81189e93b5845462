//! The arguments of a call, from text or JSON to the object that a tool gets.

use serde_json::Value;
use serde_json::error::Category;

use super::ports::Arguments;
use crate::auth::members;
use crate::auth::policy::ToolRule;
use crate::text::display_safe;
use crate::text::strict_json::exact_value;

/// The arguments of a call as the caller wrote them.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// A JSON value; only an object is accepted.
    Json(&'a Value),
    /// JSON text, as a person or a client wrote it.
    Text(&'a str),
}

/// Why arguments are not accepted. The sentence is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ArgumentsError(String);

/// Reads arguments and checks them against the schema that the policy has for the tool.
pub fn read(given: Given<'_>, rule: Option<&ToolRule>) -> Result<Arguments, ArgumentsError> {
    let value = match given {
        Given::Json(value) => value.clone(),
        Given::Text(text) => exact_value(text).map_err(|error| {
            let what = match error.classify() {
                Category::Eof => "the JSON ends early".to_owned(),
                Category::Data => words(&error),
                Category::Syntax | Category::Io => "not JSON".to_owned(),
            };
            ArgumentsError(format!("arguments: {what} at line {}, column {}", error.line(), error.column()))
        })?,
    };
    if let Some(schema) = rule.and_then(|rule| rule.schema.as_ref()).filter(|_| value.is_object()) {
        schema.check(&value).map_err(ArgumentsError)?;
    }
    match value {
        Value::Object(members) => Ok(members),
        other => Err(ArgumentsError(format!("arguments: {}, not a JSON object", members::kind_of(&other.to_string())))),
    }
}

/// A data error without the place that the parser appends. Safe to show.
fn words(error: &serde_json::Error) -> String {
    let said = error.to_string();
    display_safe(said.split(" at line ").next().unwrap_or_default(), 100)
}

//! The arguments of a call, from text or JSON to the object that a tool gets.

use serde_json::Value;

use super::ports::Arguments;
use crate::auth::members;
use crate::auth::policy::{SchemaMismatch, ToolRule};
use crate::text::strict_json::{JsonError, exact_value};

/// The arguments of a call as the caller wrote them.
#[derive(Clone, Copy, Debug)]
pub enum RawArguments<'a> {
    /// A JSON value; only an object is accepted.
    Json(&'a Value),
    /// JSON text, as a person or a client wrote it.
    Text(&'a str),
}

/// Why arguments are not accepted. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// The text is not one JSON value that means the same to every reader.
    #[error("arguments: {0} at line {line}, column {column}", line = .0.line, column = .0.column)]
    NotExact(#[from] JsonError),
    /// JSON of another kind than an object.
    #[error("arguments: {0}, not a JSON object")]
    NotAnObject(&'static str),
    /// They do not fit the policy's schema.
    #[error(transparent)]
    SchemaMismatch(#[from] SchemaMismatch),
}

/// Reads arguments and checks them against the schema that the policy has for the tool.
pub fn read(given: RawArguments<'_>, rule: Option<&ToolRule>) -> Result<Arguments, ArgumentsError> {
    let value = match given {
        RawArguments::Json(value) => value.clone(),
        RawArguments::Text(text) => exact_value(text)?,
    };
    if let Some(schema) = rule.and_then(|rule| rule.schema.as_ref()).filter(|_| value.is_object()) {
        schema.check(&value)?;
    }
    match value {
        Value::Object(members) => Ok(members),
        other => Err(ArgumentsError::NotAnObject(members::kind_of(&other.to_string()))),
    }
}

//! Parses the arguments of a call, from text or JSON to the object that a tool receives.

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
    /// JSON text, as written by a person or a client.
    Text(&'a str),
}

/// Why arguments are rejected. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// The text is not a single, unambiguous JSON value.
    #[error("arguments: {0} at line {line}, column {column}", line = .0.line, column = .0.column)]
    NotExact(#[from] JsonError),
    /// The JSON value is not an object.
    #[error("arguments: {0}, not a JSON object")]
    NotAnObject(&'static str),
    /// The arguments do not match the policy's schema.
    #[error(transparent)]
    SchemaMismatch(#[from] SchemaMismatch),
}

/// Parses arguments, and checks them against the policy's schema for the tool.
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

//! The input schema of a tool (JSON Schema), which arguments must match. It is checked after the gate has allowed the
//! call.

use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use crate::text;

/// A compiled input schema. Clones share it.
#[derive(Clone)]
pub struct Schema {
    source: Arc<Value>,
    compiled: Arc<Validator>,
}

/// The JSON is not a JSON Schema. The message quotes the source, so it is not safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON Schema{at}: {fault}")]
pub struct InvalidSchema {
    /// Where in the schema, as a phrase; empty for the whole schema.
    at: String,
    fault: String,
}

/// The arguments do not match a schema. The message contains the path of the fault and is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("arguments{at}: {fault}")]
pub struct SchemaMismatch {
    /// Where in the arguments, as a phrase; empty for all of them.
    at: String,
    fault: String,
}

impl Schema {
    /// Compiles a schema.
    pub fn new(source: Value) -> Result<Self, InvalidSchema> {
        let compiled = jsonschema::validator_for(&source).map_err(|fault| {
            let path = fault.instance_path().to_string();
            let at = if path.is_empty() { String::new() } else { format!(" at {path}") };
            InvalidSchema { at, fault: fault.to_string() }
        })?;
        Ok(Self { source: Arc::new(source), compiled: Arc::new(compiled) })
    }

    /// The schema as JSON.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// The first of the schema's `examples`, as JSON text.
    pub fn example(&self) -> Option<String> {
        self.examples().next().map(ToString::to_string)
    }

    /// Checks arguments against the schema.
    pub fn check(&self, arguments: &Value) -> Result<(), SchemaMismatch> {
        let Some(fault) = self.compiled.iter_errors(arguments).next() else {
            return Ok(());
        };
        // A JSON Pointer (RFC 6901); empty for the whole value.
        let path = fault.instance_path().to_string();
        let at = if path.is_empty() { String::new() } else { format!(" at {}", text::name(&path, 100)) };
        Err(SchemaMismatch { at, fault: text::display_safe(&fault.to_string(), 200) })
    }

    /// Returns the first `most` errors of arguments, except for missing and unexpected members: the JSON Pointer
    /// (RFC 6901) of the value, and a sentence that is safe to show.
    pub fn faults(&self, arguments: &Value, most: usize) -> Vec<(String, String)> {
        let faults = self.compiled.iter_errors(arguments);
        faults
            .filter(|fault| {
                use ValidationErrorKind::{AdditionalProperties, Required};
                !matches!(fault.kind(), Required { .. } | AdditionalProperties { .. })
            })
            .take(most)
            .map(|fault| (fault.instance_path().to_string(), text::display_safe(&fault.to_string(), 200)))
            .collect()
    }

    /// Returns why the schema rejects all arguments, if that is evident. Arguments are always an object.
    pub fn refuses_all(&self) -> Option<&'static str> {
        let members = match &*self.source {
            Value::Bool(false) => return Some("it is false"),
            Value::Object(members) => members,
            _ => return None,
        };
        let says = |name: &str, says: fn(&Value) -> bool| members.get(name).is_some_and(says);
        if says("type", |kind| match kind {
            Value::Array(kinds) => kinds.iter().all(|kind| kind != "object"),
            kind => kind != "object",
        }) {
            return Some("its type is not object, but arguments are always an object");
        }
        if members.get("const").is_some_and(|value| !value.is_object())
            || says("enum", |list| list.as_array().is_some_and(|list| !list.iter().any(Value::is_object)))
        {
            return Some("it requires a value that is not an object, but arguments are always an object");
        }
        if says("not", |not| *not == Value::Bool(true) || *not == Value::Object(Map::new())) {
            return Some("it excludes everything");
        }
        let number = |name: &str| members.get(name).and_then(Value::as_u64);
        if number("minProperties").zip(number("maxProperties")).is_some_and(|(least, most)| least > most) {
            return Some("it requires more members than it allows");
        }
        let needs = members.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let property = |name: &Value| members.get("properties")?.get(name.as_str()?);
        let impossible = |name: &Value| match property(name) {
            Some(schema) => *schema == Value::Bool(false),
            None => {
                says("additionalProperties", |rest| *rest == Value::Bool(false))
                    && !members.contains_key("patternProperties")
            }
        };
        if needs.iter().any(impossible) {
            return Some("it requires a member that it does not allow");
        }
        None
    }

    /// Returns the errors of those of its own examples that it rejects.
    pub fn refused_examples(&self) -> Vec<SchemaMismatch> {
        self.examples().filter_map(|example| self.check(example).err()).collect()
    }

    fn examples(&self) -> impl Iterator<Item = &Value> {
        self.source.get("examples").and_then(Value::as_array).into_iter().flatten()
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.source)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn schema(source: Value) -> Schema {
        Schema::new(source).expect("a schema")
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let schema = schema(json!({
            "type": "object", "required": ["id"],
            "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
            "examples": [{"id": 1}, {"id": "x"}],
        }));
        assert_eq!(schema.check(&json!({"id": 1})), Ok(()));
        let fault = |arguments: Value| schema.check(&arguments).map_err(|misfit| misfit.to_string());
        assert_eq!(fault(json!({})), Err("arguments: \"id\" is a required property".to_owned()));
        assert_eq!(
            fault(json!({"id": 1, "tags": ["a", 2]})),
            Err("arguments at /tags/1: 2 is not of type \"string\"".to_owned())
        );
        assert_eq!(schema.example().as_deref(), Some("{\"id\":1}"));
        let refused: Vec<String> = schema.refused_examples().iter().map(ToString::to_string).collect();
        assert_eq!(refused, ["arguments at /id: \"x\" is not of type \"integer\""]);
    }

    #[test]
    fn what_is_said_of_foreign_arguments_is_safe_to_show() {
        let fault = schema(json!({"properties": {"a": {"type": "integer"}}})).check(&json!({"a": "\u{202e}x"}));
        assert!(fault.expect_err("a text").to_string().contains("\\u{202e}"));
    }

    #[test]
    fn what_is_no_schema_says_where() {
        let fault = Schema::new(json!({"properties": {"a": {"type": "number or so"}}})).expect_err("no type");
        assert!(fault.to_string().starts_with("invalid JSON Schema at /properties/a/type: "), "{fault}");
        assert!(Schema::new(json!({"$ref": "https://example.org/other"})).is_err(), "nothing is fetched");
    }

    #[rstest]
    #[case(json!(false), true)]
    #[case(json!({"type": "string"}), true)]
    #[case(json!({"type": ["string", "null"]}), true)]
    #[case(json!({"const": 1}), true)]
    #[case(json!({"enum": [1, "a"]}), true)]
    #[case(json!({"not": {}}), true)]
    #[case(json!({"minProperties": 2, "maxProperties": 1}), true)]
    #[case(json!({"required": ["a"], "properties": {"a": false}}), true)]
    #[case(json!({"required": ["a"], "additionalProperties": false}), true)]
    #[case(json!({"required": ["a"], "additionalProperties": false, "patternProperties": {"a": true}}), false)]
    #[case(json!(true), false)]
    #[case(json!({}), false)]
    #[case(json!({"type": ["object", "null"]}), false)]
    #[case(json!({"enum": [1, {}]}), false)]
    fn a_schema_that_refuses_everything_is_noticed(#[case] source: Value, #[case] refuses: bool) {
        assert_eq!(schema(source.clone()).refuses_all().is_some(), refuses, "{source}");
    }
}

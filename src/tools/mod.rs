//! The catalogue of tools: what each is called, what it takes, and what it does. Who may call one is the policy's matter.

use serde_json::{Map, Value, json};

use serde_json::error::Category;

use crate::auth::Policy;
use crate::auth::issue::exact_value;
use crate::auth::policy::ToolRule;
use crate::text::display_safe;

/// The arguments of a tool: a JSON object.
pub type Arguments = Map<String, Value>;

/// A tool that is built in.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name, as callers spell it.
    pub name: &'static str,
    /// What it does, in a phrase that follows the name.
    pub description: &'static str,
    /// Arguments that it takes, as JSON text: the `examples` of its schema.
    pub example: &'static str,
    /// Whether it changes nothing.
    pub reads_only: bool,
    /// Whether something is gone afterwards.
    pub destroys: bool,
    run: fn(&Arguments) -> Value,
}

/// Every tool there is.
pub const TOOLS: [Tool; 3] = [
    Tool {
        name: "read_data",
        description: "returns what it is given",
        example: r#"{"id": 1}"#,
        reads_only: true,
        destroys: false,
        run: read_data,
    },
    Tool {
        name: "write_data",
        description: "writes, and says so",
        example: r#"{"data": "new"}"#,
        reads_only: false,
        destroys: false,
        run: write_data,
    },
    Tool {
        name: "delete_data",
        description: "deletes, and says so",
        example: r#"{"id": 1}"#,
        reads_only: false,
        destroys: true,
        run: delete_data,
    },
];

/// What a tool does, as the policy says, or else the tool itself.
pub fn description<'a>(name: &str, policy: &'a Policy) -> Option<&'a str> {
    let said = policy.tool(name).and_then(|rule| rule.description.as_deref());
    said.or_else(|| find(name).map(|tool| tool.description))
}

/// Arguments that a tool takes, as JSON text: the first example of the policy's schema for it, or else of its own.
pub fn example(name: &str, policy: &Policy) -> String {
    let said = policy.tool(name).and_then(|rule| rule.schema.as_ref()?.example());
    said.unwrap_or_else(|| find(name).map_or("{}", |tool| tool.example).to_owned())
}

/// The tool of a name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

impl Tool {
    /// Its input schema (JSON Schema): any object.
    pub fn schema(&self) -> Value {
        let example: Value = serde_json::from_str(self.example).unwrap_or_default();
        json!({ "type": "object", "examples": [example] })
    }

    /// Does it.
    pub fn run(&self, arguments: &Arguments) -> Value {
        (self.run)(arguments)
    }
}

fn read_data(arguments: &Arguments) -> Value {
    Value::Object(arguments.clone())
}

fn write_data(_: &Arguments) -> Value {
    json!("written")
}

fn delete_data(_: &Arguments) -> Value {
    json!("deleted")
}

/// The arguments of a call, before anybody looked at them.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// A JSON value; anything but an object is refused.
    Json(&'a Value),
    /// JSON text, as a person or a client wrote it.
    Text(&'a str),
}

/// The JSON object that arguments are, or a sentence that says why they are none, or do not fit the schema that the
/// policy has for the tool. Safe to show.
pub fn arguments(given: Given<'_>, rule: Option<&ToolRule>) -> Result<Arguments, String> {
    let value = match given {
        Given::Json(value) => value.clone(),
        Given::Text(text) => exact_value(text).map_err(|error| {
            let what = match error.classify() {
                Category::Eof => "the JSON ends early".to_owned(),
                Category::Data => words(&error),
                Category::Syntax | Category::Io => "not JSON".to_owned(),
            };
            format!("arguments: {what} at line {}, column {}", error.line(), error.column())
        })?,
    };
    if let Some(schema) = rule.and_then(|rule| rule.schema.as_ref()).filter(|_| value.is_object()) {
        schema.check(&value)?;
    }
    match value {
        Value::Object(members) => Ok(members),
        other => {
            let kind = crate::auth::members::kind_of(&other.to_string());
            Err(format!("arguments: {kind}, not a JSON object"))
        }
    }
}

/// What a data error says, without the place that the parser puts behind it. Safe to show.
fn words(error: &serde_json::Error) -> String {
    let said = error.to_string();
    display_safe(said.split(" at line ").next().unwrap_or_default(), 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_takes_its_own_example() {
        for tool in TOOLS {
            let schema = tool.schema();
            let example = schema["examples"][0].as_object().expect("an example is an object");
            assert!(!tool.run(example).is_null(), "{}", tool.name);
        }
    }
}

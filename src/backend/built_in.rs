//! The built-in tools of the lab exercise. They answer immediately and have no side effects.

use std::future;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use crate::auth::Permit;
use crate::gate::ports::{Arguments, Backend, BoxFuture, ToolError, ToolInfo};

/// The three built-in tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn;

struct Tool {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// The suggested argument: its name, and its schema as JSON text. It is not required, and others are accepted.
    argument: (&'static str, &'static str),
    /// Example arguments as JSON text, for the `examples` of the tool's schema.
    example: &'static str,
    reads_only: bool,
    destroys: bool,
    is_idempotent: bool,
    run: fn(Arguments) -> Value,
}

/// The argument of the tools that select a record.
const ID: (&str, &str) = ("id", r#"{"type": "integer", "title": "ID", "description": "the number of the record"}"#);

/// The argument of the tool that writes a record.
const DATA: (&str, &str) = ("data", r#"{"type": "string", "title": "Data", "description": "the text to write"}"#);

/// The built-in tools, in the order of listings.
const TOOLS: [Tool; 3] = [
    Tool {
        name: "read_data",
        title: "Read data",
        description: "returns its arguments",
        argument: ID,
        example: r#"{"id": 1}"#,
        reads_only: true,
        destroys: false,
        is_idempotent: true,
        run: Value::Object,
    },
    Tool {
        name: "write_data",
        title: "Write data",
        description: "confirms a write",
        argument: DATA,
        example: r#"{"data": "new"}"#,
        reads_only: false,
        destroys: false,
        is_idempotent: false,
        run: |_| json!("written"),
    },
    Tool {
        name: "delete_data",
        title: "Delete data",
        description: "confirms a deletion",
        argument: ID,
        example: r#"{"id": 1}"#,
        reads_only: false,
        destroys: true,
        is_idempotent: true,
        run: |_| json!("deleted"),
    },
];

static INFO: LazyLock<Arc<[ToolInfo]>> = LazyLock::new(|| TOOLS.iter().map(info).collect());

fn info(tool: &Tool) -> ToolInfo {
    let value = |text: &str| -> Value { serde_json::from_str(text).unwrap_or_default() };
    let (argument, schema) = tool.argument;
    ToolInfo {
        name: tool.name.into(),
        title: Some(tool.title.into()),
        description: tool.description.into(),
        schema: json!({ "type": "object", "properties": { argument: value(schema) }, "examples": [value(tool.example)] }),
        example: tool.example.into(),
        reads_only: tool.reads_only,
        destroys: tool.destroys,
        is_idempotent: tool.is_idempotent,
    }
}

impl Backend for BuiltIn {
    fn tools(&self) -> Arc<[ToolInfo]> {
        Arc::clone(&INFO)
    }

    fn call<'a>(&'a self, permit: &'a Permit, arguments: Arguments) -> BoxFuture<'a, Result<Value, ToolError>> {
        let tool = TOOLS.iter().find(|tool| *tool.name == **permit.tool());
        let answer = tool.map(|tool| (tool.run)(arguments));
        Box::pin(future::ready(answer.ok_or_else(|| ToolError::missing(permit.tool()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_takes_its_own_example() {
        for (tool, info) in TOOLS.iter().zip(BuiltIn.tools().iter()) {
            let example = info.schema["examples"][0].as_object().expect("an example is an object");
            let declared = info.schema["properties"].as_object().expect("properties are an object");
            assert!(example.keys().eq(declared.keys()), "{}: {example:?}, {declared:?}", tool.name);
            assert!(declared.values().all(|schema| schema["title"].is_string() && schema["type"].is_string()));
            assert!(jsonschema::is_valid(&info.schema, &info.schema["examples"][0]), "{}", tool.name);
            assert!(!(tool.run)(example.clone()).is_null(), "{}", tool.name);
        }
    }
}

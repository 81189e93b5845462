//! The built-in tools of the lab: they answer at once and touch nothing.

use std::future;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use crate::auth::Permit;
use crate::gate::ports::{Arguments, Backend, BoxFuture, ToolError, ToolInfo};

/// The three tools of the lab.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn;

struct Tool {
    name: &'static str,
    description: &'static str,
    /// Arguments that it takes, as JSON text: the `examples` of its schema.
    example: &'static str,
    reads_only: bool,
    destroys: bool,
    run: fn(Arguments) -> Value,
}

/// Every built-in tool, in the order in which they are listed.
const TOOLS: [Tool; 3] = [
    Tool {
        name: "read_data",
        description: "returns what it is given",
        example: r#"{"id": 1}"#,
        reads_only: true,
        destroys: false,
        run: Value::Object,
    },
    Tool {
        name: "write_data",
        description: "writes, and says so",
        example: r#"{"data": "new"}"#,
        reads_only: false,
        destroys: false,
        run: |_| json!("written"),
    },
    Tool {
        name: "delete_data",
        description: "deletes, and says so",
        example: r#"{"id": 1}"#,
        reads_only: false,
        destroys: true,
        run: |_| json!("deleted"),
    },
];

static INFO: LazyLock<Arc<[ToolInfo]>> = LazyLock::new(|| TOOLS.iter().map(info).collect());

fn info(tool: &Tool) -> ToolInfo {
    let example: Value = serde_json::from_str(tool.example).unwrap_or_default();
    ToolInfo {
        name: tool.name.into(),
        description: tool.description.into(),
        schema: json!({ "type": "object", "examples": [example] }),
        example: tool.example.into(),
        reads_only: tool.reads_only,
        destroys: tool.destroys,
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
            assert!(!(tool.run)(example.clone()).is_null(), "{}", tool.name);
        }
    }
}

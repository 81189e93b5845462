//! The gate in front of tools of one's own: a backend gets a permit with every call, and only a decision makes one.
//!
//! `cargo run --example custom_backend`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex, PoisonError};

use portcullis::auth::{KeyOrigin, Permit, Policy};
use portcullis::clock::SystemClock;
use portcullis::gate::ports::{Arguments, Backend, BoxFuture, ToolError, ToolInfo};
use portcullis::{Gate, Rules, Signer};
use serde_json::{Value, json};

/// A list of notes. Everyone with `reader` may read it, only `writer` may add to it.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Backend for Notes {
    fn tools(&self) -> Arc<[ToolInfo]> {
        let text = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
        let list = ToolInfo::new("list_notes", "returns all notes", json!({"type": "object"}));
        let add = ToolInfo::new("add_note", "adds a note", text);
        Arc::from([
            ToolInfo { reads_only: true, destroys: false, is_idempotent: true, ..list },
            ToolInfo { example: r#"{"text": "hello"}"#.into(), destroys: false, ..add },
        ])
    }

    fn call<'a>(&'a self, permit: &'a Permit, arguments: Arguments) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match permit.tool().as_ref() {
                "list_notes" => Ok(json!(*notes)),
                "add_note" => {
                    let text = arguments.get("text").and_then(Value::as_str);
                    let text = text.ok_or_else(|| ToolError::new("expected a text, got none"))?;
                    notes.push(format!("{}: {text}", permit.principal().user_id));
                    Ok(json!(notes.len()))
                }
                other => Err(ToolError::missing(other)),
            }
        })
    }
}

const POLICY: &str = r#"
[tools.list_notes]
permissions = ["reader", "writer"]

[tools.add_note]
permissions = ["writer"]
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signer = Signer::hs256(b"a secret that is at least 32 bytes long", KeyOrigin::Program)?;
    let rules = Rules { policy: Arc::new(Policy::parse(POLICY)?), ..Rules::new(signer.verifier().clone()) };
    let gate = Gate::in_front_of(Arc::new(Notes::default()), rules, signer, Arc::new(SystemClock::new()));

    let (reader, writer) = (gate.generate_token("reader1", &["reader"])?, gate.generate_token("writer1", &["writer"])?);
    for (token, tool, arguments) in [
        (&writer, "add_note", json!({"text": "the door is open"})),
        (&reader, "add_note", json!({"text": "let me in"})),
        (&reader, "list_notes", json!({})),
    ] {
        println!("{tool}: {}", gate.call_tool(&**token, tool, &arguments));
    }
    Ok(())
}

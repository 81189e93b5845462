//! Parses the parts of a JSON-RPC message that determine its answer before it is handled. Parsing is strict: two
//! readers could understand a message with a duplicate member differently.

use std::fmt;

use serde_json::{Map, Value};

use crate::endpoint::denial::WITHOUT_SESSIONS;
use crate::text::strict_json::{JsonFault, exact_value_of};

/// The most values in a message, including nested ones. With 256 KiB of text, a message then uses a few MiB of memory.
const MOST_VALUES: usize = 8192;

/// The parsed parts of a message.
#[derive(Debug, PartialEq)]
pub struct Envelope {
    /// The message's ID; `null` for a notification.
    pub id: Value,
    /// The method; empty if the message is an answer.
    pub method: String,
    /// The tool and the arguments of a `tools/call`.
    pub call: Option<(String, Value)>,
    /// The client's name and version, if the message contains them.
    pub client: Option<String>,
    /// The revision of MCP that an `initialize` requests.
    pub version: Option<String>,
}

/// Why a body is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not JSON, or readers could understand it differently.
    NotExact(JsonFault),
    /// The body is an array: no revision that is served has batches.
    Batch,
    /// The body is JSON, but not a message.
    NoMessage,
    /// A call does not name a tool.
    NoTool,
    /// An `initialize` does not contain this member, which every revision requires.
    NoMember(&'static str),
}

/// The error for a body that is not a message.
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidMessage {
    /// Why the body is invalid.
    pub fault: Fault,
    /// The ID of the request, if it is readable.
    pub id: Value,
}

/// Creates the error for a body that cannot be parsed, so that its ID is unknown.
impl From<Fault> for Box<InvalidMessage> {
    fn from(fault: Fault) -> Self {
        Self::new(InvalidMessage { fault, id: Value::Null })
    }
}

impl Fault {
    /// The JSON-RPC error code.
    pub const fn code(self) -> i32 {
        match self {
            Self::NotUtf8 | Self::NotExact(_) => -32700,
            Self::Batch | Self::NoMessage => -32600,
            Self::NoTool | Self::NoMember(_) => -32602,
        }
    }
}

/// Formats the message for the error.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("Parse error: not UTF-8"),
            Self::NotExact(what) => write!(f, "Parse error: {what}"),
            Self::Batch => f.write_str("Invalid Request: batches are not served"),
            Self::NoMessage => f.write_str("Invalid Request: not a JSON-RPC 2.0 message"),
            Self::NoTool => f.write_str("Invalid params: expected the tool's name as a string in name"),
            Self::NoMember(member) => write!(f, "Invalid params: initialize needs {member}"),
        }
    }
}

/// The members of `initialize` that every client must send.
const INITIALIZE: [&str; 3] = ["protocolVersion", "capabilities", "clientInfo"];

impl Envelope {
    /// Whether the message is a notification, which is not answered.
    pub fn is_notification(&self) -> bool {
        self.id.is_null() && !self.method.is_empty()
    }

    /// Parses the body of a request.
    pub fn read(body: &[u8]) -> Result<Self, Box<InvalidMessage>> {
        let text = str::from_utf8(body).map_err(|_| Fault::NotUtf8)?;
        let message = match exact_value_of(text, MOST_VALUES).map_err(|error| Fault::NotExact(error.what))? {
            Value::Object(message) => message,
            Value::Array(_) => return Err(Fault::Batch.into()),
            _ => return Err(Fault::NoMessage.into()),
        };
        let mut message = message;
        let id = message.remove("id").unwrap_or_default();
        let broken = |fault| Box::new(InvalidMessage { fault, id: id.clone() });
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(broken(Fault::NoMessage));
        }
        let mut params = match message.remove("params") {
            Some(Value::Object(params)) => params,
            _ => Map::new(),
        };
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let method = text(message.remove("method")).unwrap_or_default();
        let call = match method == "tools/call" {
            true => {
                let tool = text(params.remove("name")).ok_or_else(|| broken(Fault::NoTool))?;
                let empty = || Value::Object(Map::new());
                Some((tool, params.remove("arguments").unwrap_or_else(empty)))
            }
            false => None,
        };
        let meta =
            |name: &str| params.get("_meta").and_then(|meta| meta.get(format!("io.modelcontextprotocol/{name}")));
        let version = meta("protocolVersion").and_then(Value::as_str);
        // In revisions without sessions, `initialize` does not exist, and the protocol says so.
        let begins = method == "initialize" && version.is_none_or(|version| version < WITHOUT_SESSIONS);
        if begins && let Some(member) = INITIALIZE.into_iter().find(|member| !params.contains_key(*member)) {
            return Err(broken(Fault::NoMember(member)));
        }
        let client = meta("clientInfo").or_else(|| params.get("clientInfo")).and_then(|info| {
            let text = |name: &str| info.get(name).and_then(Value::as_str);
            let name = text("name")?;
            Some(text("version").map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
        });
        let version = if begins { text(params.remove("protocolVersion")) } else { None };
        Ok(Self { id, method, call, client, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::strict_json::Excerpt;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn a_call_is_read_with_its_tool_and_who_makes_it() {
        let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_data","arguments":{"id":1},
            "_meta":{"io.modelcontextprotocol/clientInfo":{"name":"probe","version":"1.2"}}}}"#;
        let read = Envelope::read(body.as_bytes()).expect("a message");
        assert_eq!(read.call, Some(("read_data".to_owned(), json!({"id": 1}))));
        assert_eq!((read.id, read.client.as_deref()), (json!(7), Some("probe 1.2")));
        let body = r#"{"jsonrpc":"2.0","id":"a","method":"initialize",
            "params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"old"}}}"#;
        let read = Envelope::read(body.as_bytes()).expect("a message");
        assert_eq!(
            (read.call, read.client.as_deref(), read.version.as_deref()),
            (None, Some("old"), Some("2025-11-25"))
        );
    }

    #[rstest]
    #[case("", Fault::NotExact(JsonFault::EndsEarly))]
    #[case("{", Fault::NotExact(JsonFault::EndsEarly))]
    #[case("{]", Fault::NotExact(JsonFault::NotJson))]
    #[case(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"id": 18446744073709551616}}}"#,
        Fault::NotExact(JsonFault::Number(Excerpt::new("18446744073709551616")))
    )]
    #[case(
        r#"{"jsonrpc":"2.0","method":"ping","method":"tools/call"}"#,
        Fault::NotExact(JsonFault::Duplicate(Excerpt::new("method")))
    )]
    #[case(
        r#"{"jsonrpc":"2.0","params":{"arguments":{"id":1,"id":2}}}"#,
        Fault::NotExact(JsonFault::Duplicate(Excerpt::new("id")))
    )]
    #[case("[]", Fault::Batch)]
    #[case("7", Fault::NoMessage)]
    #[case(r#"{"jsonrpc":"1.0","method":"ping"}"#, Fault::NoMessage)]
    #[case(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":7}}"#, Fault::NoTool)]
    #[case(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, Fault::NoMember("protocolVersion"))]
    #[case(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"x","capabilities":{}}}"#,
        Fault::NoMember("clientInfo")
    )]
    fn what_is_no_message_is_named(#[case] body: &str, #[case] fault: Fault) {
        assert_eq!(Envelope::read(body.as_bytes()).map_err(|broken| broken.fault), Err(fault));
    }

    #[test]
    fn a_fault_says_what_is_wrong() {
        let said = |body: &[u8]| Envelope::read(body).map_err(|broken| broken.fault.to_string());
        let number = br#"{"params":{"arguments":{"id": 18446744073709551616}}}"#;
        let wanted = "Parse error: the number 18446744073709551616 is too large to be kept exactly";
        assert_eq!(said(number), Err(wanted.to_owned()));
        assert_eq!(said(br#"{"id":1,"id":2}"#), Err("Parse error: duplicate member id".to_owned()));
        assert_eq!(said(b"{\"\xff\"}"), Err("Parse error: not UTF-8".to_owned()));
        let many = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert_eq!(said(many.as_bytes()), Err("Parse error: more than 8192 values".to_owned()));
    }
}

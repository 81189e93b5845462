//! What a client is told so that it can connect: a line for a shell, or a file of configuration. Each holds the token.

use serde_json::{Value, json};

/// A client, as it is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientKind {
    /// A line that makes one call.
    #[default]
    Curl,
    /// The configuration file that editors and agents read.
    McpJson,
    /// A line for the official inspector.
    Inspector,
}

impl ClientKind {
    /// Every kind, in the order in which they turn.
    pub const ALL: [Self; 3] = [Self::Curl, Self::McpJson, Self::Inspector];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::McpJson => "mcp.json",
            Self::Inspector => "inspector",
        }
    }

    /// What the client is told to call this tool at this server with this token, or without one. Arguments are JSON text.
    pub fn told(self, uri: &str, token: Option<&str>, tool: &str, arguments: &str) -> String {
        let bearer = token.map(|token| format!("Authorization: Bearer {token}"));
        match self {
            Self::Curl => {
                let arguments = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                let params = json!({ "name": tool, "arguments": arguments });
                let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
                let header = bearer.map_or_else(String::new, |bearer| format!(" -H {}", quoted(&bearer)));
                format!(
                    "curl -s {}{header} -H 'Content-Type: application/json' \
                     -H 'Accept: application/json, text/event-stream' -d {}",
                    quoted(uri),
                    quoted(&body.to_string())
                )
            }
            Self::McpJson => {
                let mut server = json!({ "type": "http", "url": uri });
                if let Some(token) = token {
                    server["headers"] = json!({ "Authorization": format!("Bearer {token}") });
                }
                let file = json!({ "mcpServers": { "portcullis": server } });
                serde_json::to_string_pretty(&file).unwrap_or_default()
            }
            Self::Inspector => {
                let members = match serde_json::from_str(arguments) {
                    Ok(Value::Object(members)) => members,
                    _ => serde_json::Map::new(),
                };
                let argument = |(name, value): (&String, &Value)| {
                    format!(" --tool-arg {}", quoted(&format!("{name}={}", bare(value))))
                };
                let arguments: Vec<String> = members.iter().map(argument).collect();
                // The header takes every word behind it, so it stands between two other options.
                let header = bearer.map_or_else(String::new, |bearer| format!(" --header {}", quoted(&bearer)));
                format!(
                    "npx @modelcontextprotocol/inspector --cli {} --transport http{header} --method tools/call --tool-name {}{}",
                    quoted(uri),
                    quoted(tool),
                    arguments.concat()
                )
            }
        }
    }
}

/// A value as the inspector reads it: a text without quotes.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "http://127.0.0.1:8640/mcp";

    #[test]
    fn a_curl_line_is_one_command_whatever_is_in_it() {
        let told = ClientKind::Curl.told(URI, Some("a.b.c"), "it's", r#"{"a": "$(x) 'y'"}"#);
        assert_eq!(
            told,
            r#"curl -s http://127.0.0.1:8640/mcp -H 'Authorization: Bearer a.b.c' -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"it'\''s","arguments":{"a":"$(x) '\''y'\''"}}}'"#
        );
        assert!(!ClientKind::Curl.told(URI, None, "read_data", "{}").contains("Authorization"));
    }

    #[test]
    fn the_file_and_the_inspectors_line_name_server_and_token() {
        let told: Value = serde_json::from_str(&ClientKind::McpJson.told(URI, Some("a.b.c"), "", "")).expect("JSON");
        let server = &told["mcpServers"]["portcullis"];
        assert_eq!((&server["url"], &server["headers"]["Authorization"]), (&json!(URI), &json!("Bearer a.b.c")));
        assert_eq!(
            ClientKind::Inspector.told(URI, Some("a.b.c"), "read_data", r#"{"id": 1, "who": "me too"}"#),
            "npx @modelcontextprotocol/inspector --cli http://127.0.0.1:8640/mcp --transport http --header \
             'Authorization: Bearer a.b.c' --method tools/call --tool-name read_data --tool-arg id=1 \
             --tool-arg 'who=me too'"
        );
    }
}

//! The clients that the Connect pane prints instructions for, as rows of one table: a line for a shell, or a
//! configuration file.
//!
//! Every user of a machine can read the arguments of its processes, so a token is passed in one only if a client
//! accepts nothing else. The formats were tried with the real clients; the comments in [`CLIENTS`] give the versions
//! and exceptions.

use serde_json::{Map, Value, json};

/// The server and token for the instructions. It contains a token, so it does not implement `Debug`.
#[derive(Clone, Copy)]
pub struct Connection<'a> {
    /// The server's URL.
    pub uri: &'a str,
    /// The token; `None` to connect without one.
    pub token: Option<&'a str>,
    /// The tool that the examples call.
    pub tool: &'a str,
    /// The arguments of that call, as JSON text.
    pub arguments: &'a str,
    /// The options that make `portcullis serve --stdio` judge like the server.
    pub options: &'a [String],
}

/// The files of this process, as absolute paths, so that another process can find them.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The option that names the file of the signing key, and the file, if the key was read from one.
    pub key: Option<(&'static str, String)>,
    /// The state file, if there is one.
    pub state: Option<String>,
    /// The working directory, where relative paths of the policy start.
    pub folder: String,
}

/// Where the token is after the text has been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// The text contains it, and it is not in the arguments of any process.
    Text,
    /// The text contains it, and the client accepts it only as an argument.
    Argument,
    /// The text does not contain it: the client asks for it, or reads `PORTCULLIS_TOKEN`.
    Apart,
}

/// A client that can be connected.
#[derive(Debug)]
pub struct Client {
    /// Its name in the pane.
    pub word: &'static str,
    /// How to use the text.
    pub usage: &'static str,
    /// Where the token is.
    pub token: TokenPlace,
    /// Whether the client starts the server itself, so that no running server is needed.
    pub starts_server: bool,
    text: fn(&Connection<'_>) -> String,
}

/// Every client, in the order of the selection.
pub static CLIENTS: [Client; 10] = [
    // Tried with curl 7.88; `-H @-` needs 7.55.
    Client::new("curl", "paste into a shell", TokenPlace::Text, curl),
    Client::new("mcp.json", "configuration file for many editors and agents", TokenPlace::Text, mcp_json),
    // Tried with Claude Code 2.1.197: it expands ${…} in headers whenever it connects.
    Client::new("claude", "paste into a shell; Claude Code reads the variable at startup", TokenPlace::Text, claude),
    // Tried with Codex 0.171.
    Client::new("codex", "add to ~/.codex/config.toml; set PORTCULLIS_TOKEN", TokenPlace::Apart, codex),
    // Tried with Gemini CLI 0.61: it connects in trusted folders only.
    Client::new("gemini", "paste into a shell, in a folder that Gemini trusts", TokenPlace::Text, gemini),
    // The format of VS Code's reference; it has no command line to try it with.
    Client::new("VS Code", ".vscode/mcp.json; VS Code asks for the token", TokenPlace::Apart, vs_code),
    // Tried with FastMCP 4.2.
    Client::new("FastMCP", "run with Python; set PORTCULLIS_TOKEN", TokenPlace::Apart, fastmcp),
    // Tried with mcp-remote 0.15.
    Client::new("mcp-remote", "for clients that can only start local programs", TokenPlace::Text, mcp_remote),
    Client {
        starts_server: true,
        ..Client::new("stdio", "the client starts its own server with this token", TokenPlace::Text, stdio)
    },
    // Tried with the inspector 2.12; 0.15 does not accept these options.
    Client::new("inspector", "paste into a shell", TokenPlace::Argument, inspector),
];

impl Client {
    const fn new(
        word: &'static str,
        usage: &'static str,
        token: TokenPlace,
        text: fn(&Connection<'_>) -> String,
    ) -> Self {
        Self { word, usage, token, starts_server: false, text }
    }

    /// Returns the instructions for this client.
    pub fn instructions(&self, connection: &Connection<'_>) -> String {
        (self.text)(connection)
    }
}

fn curl(to: &Connection<'_>) -> String {
    let params = json!({ "name": to.tool, "arguments": members(to.arguments) });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    // printf is built into every shell, so the token is not in the arguments of any process.
    let (pipe, header) = match to.token {
        Some(_) => (r#"printf 'Authorization: Bearer %s\n' "$PORTCULLIS_TOKEN" | "#, " -H @-"),
        None => ("", ""),
    };
    let line = format!(
        "{pipe}curl -s -i {}{header} -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
         -d {}",
        quoted(to.uri),
        quoted(&body.to_string())
    );
    with_variable(to.token, &line)
}

fn mcp_json(to: &Connection<'_>) -> String {
    let mut server = json!({ "type": "http", "url": to.uri });
    if let Some(token) = to.token {
        server["headers"] = json!({ "Authorization": format!("Bearer {token}") });
    }
    mcp_servers(&server)
}

fn claude(to: &Connection<'_>) -> String {
    let header = expanded_header(to.token);
    with_variable(to.token, &format!("claude mcp add --transport http portcullis {}{header}", quoted(to.uri)))
}

fn codex(to: &Connection<'_>) -> String {
    let token = to.token.map_or("", |_| "bearer_token_env_var = \"PORTCULLIS_TOKEN\"\n");
    format!("[mcp_servers.portcullis]\nurl = {}\n{token}", literal(to.uri))
}

fn gemini(to: &Connection<'_>) -> String {
    let header = expanded_header(to.token);
    with_variable(to.token, &format!("gemini mcp add --transport http portcullis {}{header}", quoted(to.uri)))
}

fn vs_code(to: &Connection<'_>) -> String {
    let mut server = json!({ "type": "http", "url": to.uri });
    let mut file = Map::new();
    if to.token.is_some() {
        server["headers"] = json!({ "Authorization": "Bearer ${input:portcullis-token}" });
        let input = json!({
            "type": "promptString",
            "id": "portcullis-token",
            "description": "Token for Portcullis",
            "password": true,
        });
        file.insert("inputs".to_owned(), json!([input]));
    }
    file.insert("servers".to_owned(), json!({ "portcullis": server }));
    pretty(&file.into())
}

fn fastmcp(to: &Connection<'_>) -> String {
    let (import, auth) = match to.token {
        Some(_) => ("import os\n", ", auth=os.environ[\"PORTCULLIS_TOKEN\"]"),
        None => ("", ""),
    };
    let (uri, tool, arguments) = (literal(to.uri), literal(to.tool), python(&members(to.arguments)));
    format!(
        "import asyncio\n{import}\nfrom fastmcp import Client\n\n\nasync def main():\n    \
         async with Client({uri}{auth}) as client:\n        \
         print(await client.call_tool({tool}, {arguments}))\n\n\nasyncio.run(main())\n"
    )
}

fn mcp_remote(to: &Connection<'_>) -> String {
    let mut args = vec!["-y", "mcp-remote", to.uri];
    // By default, it refuses plain HTTP to other machines.
    if to.uri.starts_with("http://") && !is_loopback(super::authority(to.uri)) {
        args.push("--allow-http");
    }
    let mut server = json!({ "command": "npx" });
    if let Some(token) = to.token {
        // Some clients split arguments at spaces, so the one in the header is in the variable.
        args.extend(["--header", "Authorization:${AUTH}"]);
        server["env"] = json!({ "AUTH": format!("Bearer {token}") });
    }
    server["args"] = args.into();
    mcp_servers(&server)
}

fn stdio(to: &Connection<'_>) -> String {
    let args: Vec<&str> = ["serve", "--stdio"].into_iter().chain(to.options.iter().map(String::as_str)).collect();
    let mut server = json!({ "command": "portcullis", "args": args });
    if let Some(token) = to.token {
        server["env"] = json!({ "PORTCULLIS_TOKEN": token });
    }
    mcp_servers(&server)
}

fn inspector(to: &Connection<'_>) -> String {
    let members = match members(to.arguments) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let bare = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let argument =
        |(name, value): (&String, &Value)| format!(" --tool-arg {}", quoted(&format!("{name}={}", bare(value))));
    let arguments: String = members.iter().map(argument).collect();
    // The header option consumes every word after it, so it is between two other options.
    let header = to.token.map_or("", |_| r#" --header "Authorization: Bearer $PORTCULLIS_TOKEN""#);
    let line = format!(
        "npx @modelcontextprotocol/inspector --cli {} --transport http{header} --method tools/call --tool-name {}{arguments}",
        quoted(to.uri),
        quoted(to.tool),
    );
    with_variable(to.token, &line)
}

/// The header option for a client that expands `${…}` itself. In single quotes the shell does not expand it, so neither
/// the arguments nor the client's configuration contain the token.
fn expanded_header(token: Option<&str>) -> &'static str {
    token.map_or("", |_| " --header 'Authorization: Bearer ${PORTCULLIS_TOKEN}'")
}

/// Returns a shell line, after one that sets the variable that it uses. Setting a variable does not start a process.
fn with_variable(token: Option<&str>, line: &str) -> String {
    match token {
        Some(token) => format!("export PORTCULLIS_TOKEN={}\n{line}\n", quoted(token)),
        None => format!("{line}\n"),
    }
}

/// Returns a configuration file with one server under `mcpServers`.
fn mcp_servers(server: &Value) -> String {
    pretty(&json!({ "mcpServers": { "portcullis": server } }))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Returns a call's arguments; `{}` if the text is not JSON.
fn members(arguments: &str) -> Value {
    serde_json::from_str(arguments).unwrap_or_else(|_| json!({}))
}

/// Whether mcp-remote accepts plain HTTP to this `host:port`.
fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Formats a text as a literal that JSON, TOML and Python parse alike.
fn literal(text: &str) -> String {
    // TOML does not allow an unescaped DEL.
    Value::from(text).to_string().replace('\x7f', "\\u007f")
}

/// Formats a value as Python source.
fn python(value: &Value) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => literal(text),
        Value::Array(values) => format!("[{}]", list(values.iter().map(python).collect())),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{}: {}", literal(name), python(value));
            format!("{{{}}}", list(members.iter().map(member).collect()))
        }
    }
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const URI: &str = "http://127.0.0.1:8640/mcp";

    fn text(word: &str, to: &Connection<'_>) -> String {
        let client = CLIENTS.iter().find(|client| client.word == word);
        client.unwrap_or_else(|| panic!("no client {word}")).instructions(to)
    }

    const TO: Connection<'static> =
        Connection { uri: URI, token: Some("a.b.c"), tool: "read_data", arguments: r#"{"id": 1}"#, options: &[] };

    #[test]
    fn a_curl_line_is_safe_in_a_shell_and_keeps_the_token_out_of_its_arguments() {
        let to = Connection { tool: "it's", arguments: r#"{"a": "$(x) 'y'"}"#, ..TO };
        assert_eq!(
            text("curl", &to),
            r#"export PORTCULLIS_TOKEN=a.b.c
printf 'Authorization: Bearer %s\n' "$PORTCULLIS_TOKEN" | curl -s -i http://127.0.0.1:8640/mcp -H @- -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"it'\''s","arguments":{"a":"$(x) '\''y'\''"}}}'
"#
        );
    }

    #[test]
    fn every_client_is_told_the_url_and_only_the_inspector_gets_the_token_as_an_argument() {
        for client in &CLIENTS {
            let told = client.instructions(&TO);
            assert!(client.starts_server || told.contains(URI), "{}: {told}", client.word);
            assert_eq!(told.contains("a.b.c"), client.token != TokenPlace::Apart, "{}: {told}", client.word);
            // Besides the variable's own line, only double quotes of the shell put the token into a word.
            let into_arguments = told.contains(r#""Authorization: Bearer $PORTCULLIS_TOKEN""#);
            assert_eq!(into_arguments, client.token == TokenPlace::Argument, "{}: {told}", client.word);
            let without = client.instructions(&Connection { token: None, ..TO });
            for word in ["Authorization", "PORTCULLIS_TOKEN", "AUTH", "inputs"] {
                assert!(!without.contains(word), "{}: {without}", client.word);
            }
        }
    }

    #[test]
    fn files_in_json_name_server_and_token() {
        let parsed = |word: &str, to: &Connection<'_>| -> Value {
            serde_json::from_str(&text(word, to)).unwrap_or_else(|error| panic!("{word}: {error}"))
        };
        assert_eq!(
            parsed("mcp.json", &TO)["mcpServers"]["portcullis"],
            json!({ "type": "http", "url": URI, "headers": { "Authorization": "Bearer a.b.c" } })
        );
        assert_eq!(
            parsed("VS Code", &TO)["servers"]["portcullis"]["headers"],
            json!({ "Authorization": "Bearer ${input:portcullis-token}" })
        );
        assert_eq!(
            parsed("mcp-remote", &TO)["mcpServers"]["portcullis"],
            json!({
                "command": "npx",
                "args": ["-y", "mcp-remote", URI, "--header", "Authorization:${AUTH}"],
                "env": { "AUTH": "Bearer a.b.c" },
            })
        );
        let options = ["--secret-file".to_owned(), "/my secrets/gate".to_owned()];
        assert_eq!(
            parsed("stdio", &Connection { options: &options, ..TO })["mcpServers"]["portcullis"],
            json!({
                "command": "portcullis",
                "args": ["serve", "--stdio", "--secret-file", "/my secrets/gate"],
                "env": { "PORTCULLIS_TOKEN": "a.b.c" },
            })
        );
    }

    #[rstest]
    #[case("http://127.0.0.1:8640/mcp", false)]
    #[case("http://[::1]:8640/mcp", false)]
    #[case("https://gate.example/mcp", false)]
    #[case("http://192.0.2.7:8640/mcp", true)]
    #[case("http://127.0.0.1.example/mcp", true)]
    fn mcp_remote_is_allowed_plain_http_only_where_it_would_refuse(#[case] uri: &str, #[case] allows: bool) {
        assert_eq!(text("mcp-remote", &Connection { uri, ..TO }).contains("--allow-http"), allows);
    }

    #[test]
    fn codex_reads_the_variable_and_any_url_is_one_toml_string() {
        let uri = "http://a\"b\\c\u{7f}/mcp";
        let told: toml::Table = text("codex", &Connection { uri, ..TO }).parse().expect("TOML");
        let server = &told["mcp_servers"]["portcullis"];
        assert_eq!(server["url"].as_str(), Some(uri));
        assert_eq!(server["bearer_token_env_var"].as_str(), Some("PORTCULLIS_TOKEN"));
    }

    #[test]
    fn a_python_script_has_pythons_words() {
        let told = text("FastMCP", &Connection { arguments: r#"{"a": [null, true, false, 1.5, "x\"y"]}"#, ..TO });
        assert!(told.contains(r#"call_tool("read_data", {"a": [None, True, False, 1.5, "x\"y"]})"#), "{told}");
        assert!(told.contains(r#"Client("http://127.0.0.1:8640/mcp", auth=os.environ["PORTCULLIS_TOKEN"])"#), "{told}");
    }

    #[test]
    fn clients_that_expand_variables_get_them_in_single_quotes() {
        assert_eq!(
            text("claude", &TO),
            "export PORTCULLIS_TOKEN=a.b.c\nclaude mcp add --transport http portcullis http://127.0.0.1:8640/mcp --header \
             'Authorization: Bearer ${PORTCULLIS_TOKEN}'\n"
        );
        assert_eq!(
            text("gemini", &TO),
            "export PORTCULLIS_TOKEN=a.b.c\ngemini mcp add --transport http portcullis http://127.0.0.1:8640/mcp --header \
             'Authorization: Bearer ${PORTCULLIS_TOKEN}'\n"
        );
    }

    #[test]
    fn the_inspector_takes_each_argument_as_a_word() {
        assert_eq!(
            text("inspector", &Connection { arguments: r#"{"id": 1, "who": "me too"}"#, ..TO }),
            "export PORTCULLIS_TOKEN=a.b.c\nnpx @modelcontextprotocol/inspector --cli http://127.0.0.1:8640/mcp \
             --transport http --header \"Authorization: Bearer $PORTCULLIS_TOKEN\" --method tools/call --tool-name \
             read_data --tool-arg id=1 --tool-arg 'who=me too'\n"
        );
    }
}

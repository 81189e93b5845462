//! A small MCP server on loopback that answers as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use portcullis::target::Target;
use serde_json::{Value, json};

/// A request that the server received.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// The header lines, in lower case up to the colon.
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The method of the JSON-RPC request.
    pub fn rpc(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    /// The token, if there is one.
    pub fn token(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// A JSON-RPC result for this request.
    pub fn result(&self, result: &Value) -> String {
        http(200, "", &json!({ "jsonrpc": "2.0", "id": self.body["id"], "result": result }).to_string())
    }

    /// A JSON-RPC error for this request.
    pub fn error(&self, code: i64, message: &str, data: &Value) -> String {
        let error = json!({ "code": code, "message": message, "data": data });
        http(200, "", &json!({ "jsonrpc": "2.0", "id": self.body["id"], "error": error }).to_string())
    }

    /// A result with one text.
    pub fn text(&self, text: &str, is_error: bool) -> String {
        self.result(&json!({ "content": [{ "type": "text", "text": text }], "isError": is_error }))
    }
}

/// An HTTP response with a JSON body. `headers` are whole lines.
pub fn http(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An HTTP response that is an event stream with these messages; the connection is closed at its end.
pub fn events(messages: &[Value]) -> String {
    let events: Vec<String> = messages.iter().map(|message| format!("event: message\ndata: {message}\n\n")).collect();
    let events = events.concat();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{events}")
}

/// Where an answer pauses.
pub const PAUSE: &str = "<pause>";

/// Answers a request; `None` leaves it to a plain server that allows everything.
pub type Rule = dyn Fn(&Seen) -> Option<String> + Send + Sync;

/// The server.
pub struct Fake {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// The tools of the plain server.
pub fn tools() -> Value {
    json!([
        {
            "name": "read_data",
            "title": "Read data",
            "inputSchema": { "type": "object", "properties": { "id": { "type": "integer" } }, "required": ["id"] },
            "annotations": { "readOnlyHint": true },
        },
        { "name": "write_data", "inputSchema": { "type": "object" } },
        { "name": 7 },
    ])
}

impl Fake {
    pub fn new(rule: impl Fn(&Seen) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::pausing(rule, mpsc::channel().1)
    }

    /// A server that waits for the gate where an answer contains [`PAUSE`].
    pub fn pausing(rule: impl Fn(&Seen) -> Option<String> + Send + Sync + 'static, gate: mpsc::Receiver<()>) -> Self {
        let gate = Arc::new(Mutex::new(gate));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("bound"));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (rule, record): (Arc<Rule>, _) = (Arc::new(rule), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (rule, record, gate) = (Arc::clone(&rule), Arc::clone(&record), Arc::clone(&gate));
                // A client that closes the connection is expected.
                thread::spawn(move || drop(serve(stream, &*rule, &record, &gate)));
            }
        });
        Self { url, seen }
    }

    pub fn target(&self) -> Target {
        Target::http("fake", &self.url, Vec::new()).expect("a URL")
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
}

fn serve(
    stream: TcpStream,
    rule: &Rule,
    record: &Mutex<Vec<Seen>>,
    gate: &Mutex<mpsc::Receiver<()>>,
) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, n)| n.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let seen = Seen { method, path, headers, body };
        record.lock().expect("no panic").push(seen.clone());
        let answer = rule(&seen).unwrap_or_else(|| plain(&seen));
        for (n, part) in answer.split(PAUSE).enumerate() {
            if n > 0 {
                // An error means that the test has ended.
                let _ = gate.lock().expect("no panic").recv();
            }
            writer.write_all(part.as_bytes())?;
        }
        if answer.is_empty() || answer.contains("Connection: close") {
            return writer.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn plain(seen: &Seen) -> String {
    match (&*seen.method, seen.rpc()) {
        ("POST", "initialize") => seen.result(&json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "fake", "version": "1" },
        })),
        ("POST", "tools/list") => seen.result(&json!({ "tools": tools() })),
        ("POST", "tools/call") => seen.text("done", false),
        ("POST", _) if seen.body["id"].is_null() => http(202, "", ""),
        ("POST", _) => seen.error(-32601, "Method not found", &Value::Null),
        ("GET", _) => http(if seen.path == "/mcp" { 405 } else { 404 }, "", ""),
        _ => http(405, "", ""),
    }
}

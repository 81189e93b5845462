//! Malformed requests, generated from a fixed seed.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::arena::{Arena, Folder, Start};
use super::client;
use super::process::peak_memory;
use super::{Attack, Figure, Limit, Value};

/// Requests in one run.
const REQUESTS: u64 = 3_000;

/// Concurrent connections.
const THREADS: u64 = 8;

/// How long the client waits for an answer to a possibly incomplete request before it ends its side.
const ANSWER: Duration = Duration::from_millis(40);

/// How long the server may keep the connection after that.
const END: Duration = Duration::from_secs(2);

pub const ATTACKS: &[Attack] = &[
    Attack {
        row: "frames",
        name: "3,000 malformed requests: answers with 5xx, and connections left open",
        limit: Limit::AtMost(0),
        run: |arena| seen(arena, false).map(Seen::wrong_answers),
    },
    Attack {
        row: "frames",
        name: "3,000 malformed requests: the server and its good client afterwards",
        limit: Limit::Holds("sound"),
        run: |arena| seen(arena, false).map(Seen::soundness),
    },
    Attack {
        row: "frames",
        name: "3,000 malformed requests: control characters in printed text",
        limit: Limit::AtMost(0),
        run: |arena| seen(arena, true).map(Seen::controls),
    },
    Attack {
        row: "frames",
        name: "3,000 malformed requests: control characters in printed JSON",
        limit: Limit::AtMost(0),
        run: |arena| seen(arena, false).map(Seen::controls),
    },
    Attack {
        row: "frames",
        name: "one request hidden in another: calls that pass without a token",
        limit: Limit::AtMost(0),
        run: smuggled,
    },
];

/// A random number generator (xorshift64*) with a fixed seed, so that the attack is the same everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            dice.roll(2);
        }
        dice
    }

    /// Returns a number below this one.
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(0) % below.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// Names and texts that try to control a terminal, as JSON.
const NASTY: &[&str] = &[
    r"\u001b[31mred\u001b[0m",
    r"\u001b]0;title\u0007",
    r"\u202egnp.exe",
    r"a\nb\r\nc",
    r"\u0000",
    r"\u009b2J",
    r"\u2028\u2029",
    r"\ud83d\ude00\u200d",
    r"read_data\u0000",
    r"\u0085\u00ad\ufeff",
    r"../../../etc/passwd",
    r"",
];

/// Bodies that are only partly valid messages.
const BODIES: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_data","arguments":{"id":1}}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"NASTY","arguments":{"NASTY":"NASTY"}}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_data","arguments":{"NASTY":"NASTY"}}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write_data","arguments":"NASTY"}}"#,
    r#"{"jsonrpc":"2.0","id":"NASTY","method":"NASTY","params":{}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"NASTY","capabilities":{},"clientInfo":{"name":"NASTY","version":"NASTY"}}}"#,
    r#"{"jsonrpc":"2.0","id":99999999999999999999999999999999999999999,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1e999,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":-0.0,"method":"tools/list","params":[]}"#,
    r#"{"jsonrpc":"2.0","id":{"a":1},"method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"NASTY"}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_data","arguments":null}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_data","arguments":[[]]}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_data","arguments":{"id":1},"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"NASTY"},"progressToken":"NASTY"}}}"#,
    "\u{feff}{}",
    "null",
    "",
];

/// Headers that are not allowed or contradict others.
const HEADERS: &[&[u8]] = &[
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: +5",
    b"Content-Length: -1",
    b"Content-Length: 0x10",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: 5, 5",
    b"Host: evil.example",
    b"Host:",
    b"Authorization: Bearer x",
    b"Authorization: Basic eDp5",
    b"Authorization: Bearer",
    b"Authorization: Bearer \xff\xfe",
    b"User-Agent: \xffnasty\xfe\x80",
    b"User-Agent: a\tb",
    b"X-\x00: a",
    b"X-A: a\x00b",
    b"X-A: a\rb",
    b" folded: yes",
    b"\tfolded",
    b": no name",
    b"no colon",
    b"Connection: close, upgrade",
    b"Upgrade: h2c",
    b"Connection: keep-alive",
    b"Expect: 100-continue",
    b"Expect: nonsense",
    b"Mcp-Protocol-Version: \x80",
    b"Mcp-Protocol-Version: 1",
    b"Mcp-Session-Id: 1",
    b"Mcp-Method: tools/call",
    b"Mcp-Name: delete_data",
    b"Accept: text/html",
    b"Accept: */*;q=0",
    b"Content-Type: text/plain",
    b"Content-Type: application/json; charset=utf-7",
    b"Content-Encoding: gzip",
    b"Origin: null",
    b"Origin: \xc3\x28",
    b"Last-Event-ID: 7",
];

const METHODS: &[&str] =
    &["POST", "POST", "POST", "POST", "GET", "DELETE", "OPTIONS", "PUT", "HEAD", "CONNECT", "p", "P\u{0}ST"];

const PATHS: &[&str] = &[
    "/mcp",
    "/mcp",
    "/mcp",
    "/mcp",
    "/mcp/",
    "//mcp",
    "/mcp?access_token=x",
    "/mcp#x",
    "/",
    "*",
    "/.well-known/oauth-protected-resource/%00",
    "/.well-known/oauth-protected-resource/../../mcp",
    "http://evil.example/mcp",
    "/%",
    "/\u{1b}[31m",
    "",
];

const VERSIONS: &[&str] =
    &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1\u{0}", ""];

/// Chunked bodies, most of which end incorrectly.
const CHUNKS: &[&[u8]] = &[
    b"2\r\n{}\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n{}",
    b"-1\r\n{}\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}0\r\n\r\n",
    b"2;a=\"\x00\"\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
    b"2\n{}\n0\n\n",
    b" 2\r\n{}\r\n0\r\n\r\n",
    b"\r\n",
    b"g\r\n",
];

/// Generates the request with this number.
fn request(number: u64, address: SocketAddr, tokens: &[&str]) -> Vec<u8> {
    let dice = &mut Dice::new(number);
    let mut body = dice.pick(BODIES).to_owned();
    while body.contains("NASTY") {
        body = body.replacen("NASTY", dice.pick(NASTY), 1);
    }
    // Half of them are framed correctly, so that their contents reach the log.
    if dice.roll(2) == 0 {
        return client::post(address, Some(dice.pick(tokens)), &body);
    }
    let mut body = body.into_bytes();
    let mut head =
        format!("{} {} {}\r\nHost: {address}\r\n", dice.pick(METHODS), dice.pick(PATHS), dice.pick(VERSIONS))
            .into_bytes();
    if dice.roll(4) > 0 {
        head.extend_from_slice(format!("Authorization: Bearer {}\r\n", dice.pick(tokens)).as_bytes());
    }
    if dice.roll(5) > 0 {
        head.extend_from_slice(b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n");
    }
    let is_chunked = dice.roll(6) == 0;
    if is_chunked {
        head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        body = dice.pick(CHUNKS).to_vec();
    }
    if !is_chunked || dice.roll(3) == 0 {
        let length = body.len() + [0, 0, 0, 0, 1, 1000][dice.roll(6)];
        head.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
    }
    for _ in 0..dice.roll(3) {
        head.extend_from_slice(dice.pick(HEADERS));
        head.extend_from_slice(if dice.roll(8) == 0 { b"\n" } else { b"\r\n" });
    }
    head.extend_from_slice(b"\r\n");
    let mut whole = [head, body].concat();
    match dice.roll(8) {
        // Truncated anywhere.
        0 => whole.truncate(dice.roll(whole.len())),
        // A few bytes changed.
        1 => {
            for _ in 0..=dice.roll(8) {
                let place = dice.roll(whole.len());
                whole[place] = u8::try_from(dice.roll(256)).unwrap_or(0);
            }
        }
        // A part repeated.
        2 => {
            let (start, end) = (dice.roll(whole.len()), dice.roll(whole.len()));
            let part = whole[start.min(end)..start.max(end)].to_vec();
            whole.splice(start..start, part);
        }
        // Another request directly after it.
        3 => whole.extend_from_slice(&client::call(address, None, "read_data")),
        _ => {}
    }
    whole
}

/// The observations of a run.
struct Seen {
    /// Answers with an undocumented 5xx, with the number of the request.
    errors: Vec<(u64, u16)>,
    /// Connections that the server keeps open after the client has ended its side.
    open: Vec<u64>,
    answers: usize,
    /// The server's standard output and standard error.
    printed: Vec<String>,
    is_sound: bool,
    peak: u64,
    took: Duration,
}

/// Runs against a server that prints text or JSON. The result is cached, because every such run is the same.
fn seen(arena: &Arena, is_plain: bool) -> io::Result<&'static Seen> {
    static JSON: OnceLock<Seen> = OnceLock::new();
    static PLAIN: OnceLock<Seen> = OnceLock::new();
    let cell = if is_plain { &PLAIN } else { &JSON };
    match cell.get() {
        Some(seen) => Ok(seen),
        None => fuzz(arena, is_plain).map(|new| cell.get_or_init(|| new)),
    }
}

fn fuzz(arena: &Arena, is_plain: bool) -> io::Result<Seen> {
    let start = Start { options: &["--rate", "off"], is_plain, ..Start::default() };
    let mut server = arena.start(Folder::new()?, &start)?;
    let token = server.token("user123", "user")?;
    let tokens = [&*token, "x.y.z", "junk"];
    let found = Mutex::new((Vec::new(), Vec::new(), 0));
    let (address, started) = (server.address, Instant::now());
    thread::scope(|scope| {
        for first in 0..THREADS {
            let found = &found;
            scope.spawn(move || {
                for number in (first..REQUESTS).step_by(usize::try_from(THREADS).unwrap_or(1)) {
                    let (statuses, is_open) = send(address, &request(number, address, &tokens));
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    let wrong = statuses.iter().filter(|status| **status >= 500 && ![503, 504].contains(*status));
                    found.0.extend(wrong.map(|status| (number, *status)));
                    found.1.extend(is_open.then_some(number));
                    found.2 += statuses.len();
                }
            });
        }
    });
    let took = started.elapsed();
    let (errors, open, answers) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let is_served = server.answers(200, &token);
    let is_sound = is_served && server.is_sound();
    let printed = server.lines().into_iter().chain([server.errors()]).collect();
    Ok(Seen { errors, open, answers, printed, is_sound, peak: peak_memory(server.pid())?, took })
}

/// Sends a request and returns the statuses of the answers and whether the connection stays open.
fn send(address: SocketAddr, request: &[u8]) -> (Vec<u16>, bool) {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, END) else { return (Vec::new(), false) };
    let _ = (stream.set_nodelay(true), stream.set_write_timeout(Some(END)));
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let mut is_open = read(&mut stream, &mut bytes, ANSWER);
    if is_open {
        let _ = stream.shutdown(Shutdown::Write);
        is_open = read(&mut stream, &mut bytes, END);
    }
    (statuses(&bytes), is_open)
}

/// Reads until the connection ends or is quiet for this long, and returns whether it is still open.
fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>, quiet: Duration) -> bool {
    let _ = stream.set_read_timeout(Some(quiet));
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => return false,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
            Err(error) => return matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}

/// Returns the statuses of all answers.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    while let Some(rest) = bytes.strip_prefix(b"HTTP/1.") {
        let status = rest.get(2..5).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        found.push(status.unwrap_or(999));
        let Some((_, length)) = client::length(bytes) else { break };
        bytes = bytes.get(length..).unwrap_or_default();
    }
    found
}

impl Seen {
    fn wrong_answers(&self) -> Figure {
        let mut note = format!("{} answers in {} ms", self.answers, self.took.as_millis());
        if let Some((number, status)) = self.errors.first() {
            let _ = write!(note, "; request {number} is answered with {status}");
        }
        if let Some(number) = self.open.first() {
            let _ = write!(note, "; request {number} is left open");
        }
        Value::Count((self.errors.len() + self.open.len()) as u64).with(note)
    }

    fn soundness(&self) -> Figure {
        Value::outcome(self.is_sound, "sound", "broken").with(format!("{} MB at most", self.peak.div_ceil(1 << 20)))
    }

    /// Control characters that a terminal would interpret, or that change the direction of text.
    fn controls(&self) -> Figure {
        let obeyed = |c: &char| {
            (c.is_control() && *c != '\n')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        };
        let found: Vec<char> = self.printed.iter().flat_map(|text| text.chars()).filter(obeyed).collect();
        let mut note = format!("{} lines", self.printed.len());
        if let Some(line) = self.printed.iter().find(|text| text.chars().any(|c| obeyed(&c))) {
            let _ = write!(note, ", as in {}", line.escape_debug());
        }
        Value::Count(found.len() as u64).with(note)
    }
}

/// Requests that a proxy might parse differently than the server, with a second call inside that has no token. The
/// server must never answer that call with 200.
fn smuggled(arena: &Arena) -> io::Result<Figure> {
    let server = arena.serve(&["--rate", "off"])?;
    let token = server.token("user123", "user")?;
    let inner = String::from_utf8_lossy(&client::call(server.address, None, "read_data")).into_owned();
    let host = server.address;
    let bearer = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: */*\r\n");
    let good = client::call_with("read_data", "{}");
    let (length, hex) = (good.len(), format!("{:x}", good.len()));
    let heads = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{hex}\r\n{good}\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{hex}\r\n{good}\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n\r\n{good}"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{good}"),
        format!("Content-Length: {length}\r\n\r\n{good}"),
    ];
    let (mut passed, mut answered) = (0, Vec::new());
    for head in heads {
        let bytes = format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\n{bearer}{head}{inner}");
        let (statuses, _) = send(server.address, bytes.as_bytes());
        // The first answer is to the call with the token.
        passed += statuses.iter().skip(1).filter(|status| **status == 200).count();
        answered.push(statuses.iter().map(u16::to_string).collect::<Vec<_>>().join("+"));
    }
    Ok(Value::Count(passed as u64).with(answered.join(", ")))
}

//! Requests as bytes, and the well-behaved client, which measures its response times.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::arena::Server;

/// The timeout for an answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The interval between calls of the well-behaved client: half the default rate of a user.
const PACE: Duration = Duration::from_millis(20);

/// Calls in one round of the well-behaved client.
const CALLS: u32 = 40;

/// The maximum number of rounds. Other load on the machine spoils some of them; a starved server fails all of them.
const ROUNDS: u32 = 4;

/// An answer this slow ends the round.
const HOPELESS: Duration = Duration::from_secs(1);

/// An HTTP response.
pub struct Answer {
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
}

impl Answer {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The head of a `POST` with a body of this length, including the empty line.
pub fn head(address: SocketAddr, token: Option<&str>, length: usize) -> Vec<u8> {
    let bearer = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\n{bearer}Content-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nUser-Agent: attack/1\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// A `POST` with a body.
pub fn post(address: SocketAddr, token: Option<&str>, body: &str) -> Vec<u8> {
    [&head(address, token, body.len()), body.as_bytes()].concat()
}

/// A `GET` of a path.
pub fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: attack/1\r\n\r\n").into_bytes()
}

/// A call of a tool.
pub fn call(address: SocketAddr, token: Option<&str>, tool: &str) -> Vec<u8> {
    post(address, token, &call_with(tool, r#"{"id":1}"#))
}

/// The body of a call with these arguments, in JSON.
pub fn call_with(tool: &str, arguments: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#)
}

/// Sends a request on a new connection and reads its answer.
pub fn exchange(address: SocketAddr, request: &[u8], within: Duration) -> io::Result<Answer> {
    let started = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(within))?;
    // A server may refuse before it has read everything, so the answer is read even if sending failed.
    let sent = stream.write_all(request);
    read_answer(&mut stream, within.saturating_sub(started.elapsed())).map_err(|error| sent.err().unwrap_or(error))
}

/// Reads one answer from a connection.
pub fn read_answer(stream: &mut TcpStream, within: Duration) -> io::Result<Answer> {
    let started = Instant::now();
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        if let Some(answer) = whole(&bytes) {
            return Ok(answer);
        }
        let left = within.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&part[..length]),
        }
    }
}

/// Returns the lengths of the first answer's head and of the whole answer, or `None` if the head is not complete.
pub fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some((end, end + length.and_then(|length| length.trim().parse::<usize>().ok()).unwrap_or(0)))
}

fn whole(bytes: &[u8]) -> Option<Answer> {
    let (head, length) = length(bytes)?;
    bytes.get(head..length)?;
    let head = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok())?;
    Some(Answer { status, head })
}

/// How long the well-behaved client waits for one answer on a new connection. If the server ends the connection, the
/// client connects again and the time continues.
pub fn answer_time(server: &Server<'_>, token: &str) -> Option<Duration> {
    let request = call(server.address, Some(token), "read_data");
    let started = Instant::now();
    loop {
        let left = PATIENCE.saturating_sub(started.elapsed());
        if left.is_zero() {
            return None;
        }
        if exchange(server.address, &request, left).is_ok_and(|answer| answer.status == 200) {
            return Some(started.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The slowest answers of a round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slowest {
    /// The slowest answer of the server under attack.
    pub attacked: Duration,
    /// The slowest answer of another server that is not attacked: it shows the effect of the machine.
    pub control: Duration,
}

/// Returns the slowest answer of the well-behaved client over a round of calls, in the best of a few rounds, or `None`
/// if an answer never arrives. Stops early once `limit` is met.
pub fn slowest_answer(attacked: (&Server<'_>, &str), control: (&Server<'_>, &str), limit: Duration) -> Option<Slowest> {
    let mut best = None::<Slowest>;
    for _ in 0..ROUNDS {
        let mut slowest = Slowest { attacked: Duration::ZERO, control: Duration::ZERO };
        for _ in 0..CALLS {
            let started = Instant::now();
            slowest.attacked = slowest.attacked.max(answer_time(attacked.0, attacked.1)?);
            slowest.control = slowest.control.max(answer_time(control.0, control.1)?);
            if slowest.attacked >= HOPELESS {
                break;
            }
            thread::sleep(PACE.saturating_sub(started.elapsed()));
        }
        best = Some(best.map_or(slowest, |best| best.min(slowest)));
        if slowest.attacked < limit {
            break;
        }
    }
    best
}

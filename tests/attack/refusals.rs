//! Attacks that try to learn something from a refusal or to bypass one.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::arena::Arena;
use super::client::{self, PATIENCE};
use super::process::peak_memory;
use super::{Attack, Figure, Limit, Value};

/// Concurrent connections that send a large head.
const HEADS: usize = 32;

pub const ATTACKS: &[Attack] = &[
    Attack {
        row: "B17",
        name: "no token: the scope of the challenge for four tools",
        limit: Limit::Holds("the same"),
        run: scopes,
    },
    Attack {
        row: "B18",
        name: "another Host: statuses, whatever token, arguments or body",
        limit: Limit::Holds("403 each"),
        run: other_host,
    },
    Attack {
        row: "B19",
        name: "--allow-origin * and null, --allow-host https://x and '': accepted",
        limit: Limit::AtMost(0),
        run: careless_options,
    },
    Attack {
        row: "B21",
        name: "a head of 20 KiB",
        limit: Limit::Holds("refused"),
        run: |arena| large_heads(arena, 20 << 10).map(|(figure, _)| figure),
    },
    Attack {
        row: "B21",
        name: "heads of 400 KiB",
        limit: Limit::Holds("refused"),
        run: |arena| large_heads(arena, 400 << 10).map(|(figure, _)| figure),
    },
    Attack {
        row: "B21",
        name: "32 heads of 400 KiB at once: growth of the memory",
        limit: Limit::Below(8 << 20),
        run: |arena| large_heads(arena, 400 << 10).map(|(_, figure)| figure),
    },
    Attack { row: "health", name: "GET /healthz without a token", limit: Limit::Holds("200"), run: health },
];

fn scopes(arena: &Arena) -> io::Result<Figure> {
    let server = arena.serve(&[])?;
    let mut challenges = Vec::new();
    for tool in ["read_data", "write_data", "delete_data", "no_such_tool"] {
        let answer = server.call(None, tool)?;
        challenges.push((answer.status, answer.header("WWW-Authenticate").unwrap_or_default().to_owned()));
    }
    let is_same = challenges.windows(2).all(|two| two[0] == two[1]);
    let shown = challenges.iter().map(|(_, challenge)| challenge.split(',').next().unwrap_or_default());
    let shown: Vec<_> = shown.collect();
    let note = if is_same { shown[0].to_owned() } else { shown.join("; ") };
    Ok(Value::outcome(is_same && challenges[0].0 == 401, "the same", "differs").with(note))
}

fn other_host(arena: &Arena) -> io::Result<Figure> {
    let server = arena.serve(&[])?;
    let token = server.token("user123", "user")?;
    let list = client::call_with("read_data", "[1]");
    let requests = [
        client::post(server.address, Some(&token), &list),
        client::post(server.address, Some(&token), &client::call_with("read_data", "7")),
        client::post(server.address, Some("junk"), &list),
        client::post(server.address, None, &list),
        client::post(server.address, None, "junk"),
        // The body never arrives, and the server must not wait for it.
        client::head(server.address, Some(&token), 100),
        client::get(server.address, "/mcp"),
    ];
    let own = format!("Host: {}\r\n", server.address);
    let mut statuses = Vec::new();
    for request in requests {
        let request = String::from_utf8_lossy(&request).replacen(&own, "Host: evil.example\r\n", 1);
        let answer = client::exchange(server.address, request.as_bytes(), Duration::from_secs(2));
        statuses.push(answer.map_or_else(|_| "none".to_owned(), |answer| answer.status.to_string()));
    }
    let all = statuses.iter().all(|status| status == "403");
    Ok(Value::outcome(all, "403 each", "others").with(statuses.join(", ")))
}

fn careless_options(arena: &Arena) -> io::Result<Figure> {
    let mut accepted = Vec::new();
    for (option, value) in
        [("--allow-origin", "*"), ("--allow-origin", "null"), ("--allow-host", "https://x"), ("--allow-host", "")]
    {
        if !arena.refuses(&[option, value])? {
            accepted.push(format!("{option} '{value}'"));
        }
    }
    Ok(Value::Count(accepted.len() as u64).with(accepted.join(", ")))
}

/// The status for a head of this length, and the memory that many of them need at once.
fn large_heads(arena: &Arena, length: usize) -> io::Result<(Figure, Figure)> {
    let server = arena.serve(&[])?;
    let token = server.token("user123", "user")?;
    if !server.answers(200, &token) {
        return Err(io::Error::other("a good token does not pass"));
    }
    let before = peak_memory(server.pid())?;
    let call = client::call(server.address, Some(&token), "read_data");
    let padded =
        String::from_utf8_lossy(&call).replacen("\r\n", &format!("\r\nX-Padding: {}\r\n", "x".repeat(length)), 1);
    let mut streams = Vec::new();
    for _ in 0..HEADS {
        let mut stream = TcpStream::connect_timeout(&server.address, PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Everything except the end, so that the server keeps what it has read. The connection may already be closed.
        let _ = stream.write_all(&padded.as_bytes()[..length]);
        streams.push(stream);
    }
    let mut statuses = Vec::new();
    for mut stream in streams {
        let _ = stream.write_all(&padded.as_bytes()[length..]);
        let answer = client::read_answer(&mut stream, Duration::from_secs(2));
        statuses.push(answer.map_or_else(|error| error.kind().to_string(), |answer| answer.status.to_string()));
    }
    let passed = statuses.iter().filter(|status| *status == "200").count();
    let is_served = server.answers(200, &token);
    statuses.sort_unstable();
    statuses.dedup();
    let growth = peak_memory(server.pid())?.saturating_sub(before);
    let refused = Value::outcome(passed == 0 && is_served, "refused", "taken").with(statuses.join(", "));
    Ok((refused, Value::Memory(growth).with(format!("{} KiB", growth >> 10))))
}

fn health(arena: &Arena) -> io::Result<Figure> {
    let server = arena.serve(&[])?;
    let answer = client::exchange(server.address, &client::get(server.address, "/healthz"), PATIENCE)?;
    Ok(Value::outcome(answer.status == 200, "200", "another").with(answer.status.to_string()))
}

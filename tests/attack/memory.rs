//! Attacks that fill the server's memory. The figure is its peak memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::arena::Arena;
use super::client::{self, PATIENCE};
use super::process::{peak_memory, processor_time, time_until};
use super::{Attack, Figure, Limit, Value};

/// Concurrent callers: the maximum number of connections of one address.
const CALLERS: usize = 64;

/// The largest message of a caller with a valid token.
const LARGEST: usize = 256 << 10;

/// Large calls, one after the other.
const ONE_AFTER_ANOTHER: u32 = 500;

/// The largest message that version 0.1 accepts.
const OLD: usize = 4 << 20;

const LIMIT: Limit = Limit::Below(256 << 20);

pub const ATTACKS: &[Attack] = &[
    Attack {
        row: "B4",
        name: "64 bodies of 256 KiB at once: nested arrays",
        limit: LIMIT,
        run: |arena| at_once(arena, LARGEST, nested),
    },
    Attack {
        row: "B4",
        name: "64 bodies of 256 KiB at once: small elements [{\"\":0},…]",
        limit: LIMIT,
        run: |arena| at_once(arena, LARGEST, elements),
    },
    Attack {
        row: "B4",
        name: "64 bodies of 256 KiB at once: one long string",
        limit: LIMIT,
        run: |arena| at_once(arena, LARGEST, string),
    },
    Attack {
        row: "B4",
        name: "64 bodies of 256 KiB at once: many members",
        limit: LIMIT,
        run: |arena| at_once(arena, LARGEST, members),
    },
    Attack {
        row: "B4",
        name: "64 bodies of 4 MiB at once: small elements",
        limit: LIMIT,
        run: |arena| at_once(arena, OLD, elements),
    },
    Attack {
        row: "B4",
        name: "64 callers that do not read an answer of 256 KiB",
        limit: LIMIT,
        run: |arena| unread(arena, CALLERS, CALLERS),
    },
    Attack {
        row: "B4",
        name: "512 callers with tokens of 8 users that do not read such an answer",
        limit: Limit::Reported,
        run: |arena| unread(arena, 8 * CALLERS, 8 * CALLERS),
    },
    Attack {
        row: "B4",
        name: "500 bodies of 250 KiB after one another: the log",
        limit: LIMIT,
        run: after_one_another,
    },
];

fn nested(length: usize) -> String {
    format!("{}{}", "[".repeat(length / 2), "]".repeat(length / 2))
}

fn elements(length: usize) -> String {
    let element = r#"{"":0}"#;
    format!("[{}{element}]", format!("{element},").repeat(length / (element.len() + 1) - 1))
}

fn string(length: usize) -> String {
    format!("\"{}\"", "\\\"".repeat(length / 2 - 1))
}

fn members(length: usize) -> String {
    let mut text = String::with_capacity(length);
    for n in 0..length / 11 - 1 {
        let _ = write!(text, "\"{n:06}\":0,");
    }
    format!("{{{text}\"x\":0}}")
}

/// A body of at most this length with such a value as its argument.
fn body(length: usize, value: fn(usize) -> String) -> String {
    client::call_with("read_data", &format!(r#"{{"id":{}}}"#, value(length - 200)))
}

/// Sends all bodies except their last bytes, then the last bytes, and reads the answers.
fn at_once(arena: &Arena, length: usize, value: fn(usize) -> String) -> io::Result<Figure> {
    let server = arena.serve(&[])?;
    let token = server.token("user123", "user")?;
    let request = client::post(server.address, Some(&token), &body(length, value));
    let (last, most) = request.split_last().ok_or(io::ErrorKind::InvalidData)?;
    let (mut streams, started) = (connect(server.address, CALLERS)?, Instant::now());
    let time_left = || PATIENCE.saturating_sub(started.elapsed());
    // A server that refuses a body early resets the connection.
    for part in [most, &[*last]] {
        for stream in streams.iter_mut().take_while(|_| !time_left().is_zero()) {
            let _ = stream.write_all(part);
        }
    }
    let mut statuses = BTreeMap::new();
    for stream in &mut streams {
        let answer = client::read_answer(stream, time_left());
        let status = answer.map_or_else(|_| "no answer".to_owned(), |answer| answer.status.to_string());
        *statuses.entry(status).or_insert(0) += 1;
    }
    let counts: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    Ok(Value::Memory(peak_memory(server.pid())?).with(counts.join(", ")))
}

/// Calls whose answers repeat the argument and are not read.
fn unread(arena: &Arena, callers: usize, for_each_peer: usize) -> io::Result<Figure> {
    let many = for_each_peer.to_string();
    let options = ["--per-peer", &many, "--rate", "off"];
    // Version 0.1 does not have this limit.
    let server = arena.serve(if callers > CALLERS && arena.knows("--per-peer") { &options } else { &options[2..] })?;
    let token = server.token("user123", "user")?;
    let request = client::post(server.address, Some(&token), &body(LARGEST, string));
    let mut streams = connect(server.address, callers)?;
    for stream in &mut streams {
        let _ = stream.write_all(&request);
    }
    // All answers are complete once the server has logged every call.
    let all = time_until(PATIENCE, || server.lines().len() > callers);
    let note =
        all.map_or_else(|| format!("{} lines printed", server.lines().len()), |_| "all calls printed".to_owned());
    let peak = peak_memory(server.pid())?;
    drop(streams);
    Ok(Value::Memory(peak).with(note))
}

/// Calls that each leave a row in the log.
fn after_one_another(arena: &Arena) -> io::Result<Figure> {
    let server = arena.serve(&["--rate", "off"])?;
    let token = server.token("user123", "user")?;
    let long = client::post(server.address, Some(&token), &body(250 << 10, string));
    let mut stream = connect(server.address, 1)?.pop().ok_or(io::ErrorKind::NotConnected)?;
    let (mut passed, started, before) = (0, Instant::now(), processor_time(server.pid())?);
    while passed < ONE_AFTER_ANOTHER && started.elapsed() < PATIENCE {
        stream.write_all(&long)?;
        if client::read_answer(&mut stream, PATIENCE)?.status != 200 {
            return Err(io::Error::other("a large call does not pass"));
        }
        passed += 1;
    }
    let used = processor_time(server.pid())?.saturating_sub(before);
    let each = used.as_micros() / u128::from(passed.max(1));
    let note = format!("{passed} calls, {each} µs of processor time each");
    Ok(Value::Memory(peak_memory(server.pid())?).with(note))
}

fn connect(address: std::net::SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    (0..count)
        .map(|_| {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(Duration::from_secs(2)))?;
            Ok(stream)
        })
        .collect()
}

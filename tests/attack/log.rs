//! Attacks on the log: a flood must not hide the one call that matters.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::arena::{Arena, Folder, Start};
use super::client;
use super::crowd::{Action, Crowd, Origin};
use super::process::until;
use super::{Attack, Figure, Limit, Value};

/// Calls of the flood after the call that matters.
const FLOOD: u64 = 9_000;

/// Calls before it, so that the flood has started.
const BEFORE: u64 = 500;

/// Connections of the flood.
const CONNECTIONS: usize = 200;

/// The deadline for the flood, and for the output after it.
const WITHIN: Duration = Duration::from_secs(10);

pub const ATTACKS: &[Attack] = &[
    Attack {
        row: "B6",
        name: "one delete_data by an admin before 9,000 calls without a token",
        limit: Limit::Holds("printed once"),
        run: |arena| flood(arena, false),
    },
    Attack {
        row: "B6",
        name: "… while nobody reads the output until the flood is over",
        limit: Limit::Holds("printed once"),
        run: |arena| flood(arena, true),
    },
];

fn flood(arena: &Arena, is_paused: bool) -> io::Result<Figure> {
    let server = arena.start(Folder::new()?, &Start { is_paused, ..Start::default() })?;
    let token = server.token("admin456", "admin")?;
    let deed = Action::Flood(client::call(server.address, None, "read_data"));
    let crowd = Crowd::start(server.address, CONNECTIONS, Origin::WIDE, deed)?;
    let answers = || crowd.counts.answers.load(Relaxed);
    until(WITHIN, || (answers() >= BEFORE).then_some(()));
    if server.call(Some(&token), "delete_data")?.status != 200 {
        return Err(io::Error::other("the admin's call does not pass"));
    }
    let (before, started) = (answers(), Instant::now());
    until(WITHIN, || (answers() >= before + FLOOD).then_some(()));
    let note = format!("{} calls within {} ms after it", answers() - before, started.elapsed().as_millis());
    drop(crowd);
    server.resume();
    // It is printed last, so everything before it has been printed too.
    server.call(Some(&token), "write_data")?;
    let printed = |tool: &str| {
        let lines = server.lines();
        lines.iter().filter(|line| line.contains(tool) && line.contains("admin456")).count()
    };
    until(WITHIN, || (printed("write_data") > 0).then_some(()));
    let count = printed("delete_data");
    let word = match count {
        0 => "not printed",
        1 => "printed once",
        _ => "printed twice",
    };
    let note = format!("{note}, {} lines printed", server.lines().len() - 1);
    Ok(Value::Outcome { holds: count == 1, word }.with(note))
}

//! Attacks on `serve --stdio`: input that is not a message, too long, or truncated.

use std::io;
use std::time::Duration;

use super::arena::{Arena, Folder};
use super::process::{CommandOutput, run};
use super::{Attack, Figure, Limit, Value};

/// The deadline for the server to exit after the end of its input.
const DEADLINE: Duration = Duration::from_secs(5);

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"attack","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

const LIMIT: Limit = Limit::Holds("ends");

pub const ATTACKS: &[Attack] = &[
    Attack { row: "stdio", name: "no input at all", limit: LIMIT, run: |arena| ends(arena, &[b""]) },
    Attack {
        row: "stdio",
        name: "garbage lines before the first message",
        limit: LIMIT,
        run: |arena| ends(arena, &[GARBAGE]),
    },
    Attack {
        row: "stdio",
        name: "garbage lines between messages",
        limit: LIMIT,
        run: |arena| ends(arena, &between(GARBAGE)),
    },
    Attack {
        row: "stdio",
        name: "a line of 10 MB between messages",
        limit: LIMIT,
        run: |arena| {
            let line = [vec![b'x'; 10_000_000], b"\n".to_vec()].concat();
            ends(arena, &between(&line))
        },
    },
    Attack {
        row: "stdio",
        name: "a call of 10 MB",
        limit: LIMIT,
        run: |arena| {
            let line = super::client::call_with("read_data", &format!(r#"{{"id":"{}"}}"#, "x".repeat(10_000_000)));
            ends(arena, &between((line + "\n").as_bytes()))
        },
    },
    Attack {
        row: "stdio",
        name: "a nested call of 1 MB",
        limit: LIMIT,
        run: |arena| {
            let deep = format!(r#"{{"id":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000));
            ends(arena, &between((super::client::call_with("read_data", &deep) + "\n").as_bytes()))
        },
    },
    Attack {
        row: "stdio",
        name: "the input ends within a message",
        limit: LIMIT,
        run: |arena| ends(arena, &[INITIALIZE.as_bytes(), b"\n", &LIST.as_bytes()[..20]]),
    },
];

/// Lines that are not messages: text, other JSON, invalid UTF-8, control characters.
const GARBAGE: &[u8] = b"hello\n{}\n[]\n7\n\n{\"jsonrpc\":\"2.0\"}\n\xff\xfe\x80\n\x1b[31mred\x00\n{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":7}\n{\"id\":1,\"id\":2}\n";

/// A session that contains these lines.
fn between(lines: &[u8]) -> [&[u8]; 7] {
    [INITIALIZE.as_bytes(), b"\n", INITIALIZED.as_bytes(), b"\n", lines, LIST.as_bytes(), b"\n"]
}

fn ends(arena: &Arena, input: &[&[u8]]) -> io::Result<Figure> {
    let folder = Folder::new()?;
    let secret = folder.secret();
    let token = arena.run(&["issue", "user123", "-p", "user", "--secret-file", &secret])?.out;
    let mut command = arena.command(&["serve", "--stdio", "--secret-file", &secret]);
    command.env("PORTCULLIS_TOKEN", token.trim()).current_dir(folder.path());
    let CommandOutput { out, err, code, is_killed, took } = run(&mut command, input.concat(), DEADLINE)?;
    let has_panicked = err.contains("panicked");
    let is_listed = out.lines().any(|line| line.contains("\"tools\":["));
    let has_control = [&out, &err].iter().any(|text| text.bytes().any(|b| b.is_ascii_control() && b != b'\n'));
    let word = match (is_killed, has_panicked, has_control) {
        (_, true, _) => "panics",
        (true, ..) => "hangs",
        (_, _, true) => "prints controls",
        _ => "ends",
    };
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let listed = if is_listed { "the next message is answered" } else { "no later message is answered" };
    let note = format!("exit {code} in {} ms, {listed}", took.as_millis());
    Ok(Value::Outcome { holds: word == "ends", word }.with(note))
}

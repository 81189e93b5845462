//! Attacks on the files that affect decisions: the state file, the files beside it, and the server's copy of them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use portcullis::auth::TokenId;
use rustix::process::Signal;

use super::arena::{Arena, Folder, Server, Start};
use super::crowd::{Action, Crowd, Origin};
use super::process::{core_limits, memory, peak_memory, time_until, until};
use super::{Attack, Figure, Limit, Value};

/// The limit for a revocation to take effect.
const SOON: Duration = Duration::from_secs(1);

/// The deadline for a revocation to take effect.
const LONG: Duration = Duration::from_secs(10);

/// The number of revocations in a large state file.
const MANY: usize = 100_000;

pub const ATTACKS: &[Attack] = &[
    Attack {
        row: "B1",
        name: "256 descriptors, 250 idle connections, 1 address: a revocation",
        limit: Limit::Within(SOON),
        run: |arena| few_descriptors(arena, Origin::ONE),
    },
    Attack {
        row: "B1",
        name: "256 descriptors, 250 idle connections, 32 addresses: a revocation",
        limit: Limit::Within(SOON),
        run: |arena| few_descriptors(arena, Origin::SPREAD),
    },
    Attack {
        row: "B7",
        name: "revoke through a link: the server on the file refuses the token",
        limit: Limit::Within(SOON),
        run: |arena| linked(arena).map(|(figure, _)| figure),
    },
    Attack {
        row: "B7",
        name: "revoke through a link: the link afterwards",
        limit: Limit::Holds("still a link"),
        run: |arena| linked(arena).map(|(_, figure)| figure),
    },
    Attack {
        row: "B8",
        name: "revoke --now 2099 of another token: the first revocation",
        limit: Limit::Holds("kept"),
        run: far_ahead,
    },
    Attack {
        row: "B9",
        name: "state file removed while serving: the revoked token, 1 s later",
        limit: Limit::Holds("refused"),
        run: removed,
    },
    Attack {
        row: "B9",
        name: "… and another one revoked: the first token, 1 s later",
        limit: Limit::Holds("refused"),
        run: removed_and_revoked,
    },
    Attack {
        row: "B9",
        name: "… and another one revoked: the state file lists",
        limit: Limit::Holds("both"),
        run: written_again,
    },
    Attack {
        row: "B11",
        name: "an older copy of the state file put back: the token revoked since",
        limit: Limit::Reported,
        run: put_back,
    },
    Attack { row: "B12", name: "mode of a new state file, umask 000", limit: Limit::Holds("0600"), run: new_mode },
    Attack {
        row: "B12",
        name: "a state file that others can write",
        limit: Limit::Holds("reported"),
        run: |arena| writable(arena, "state.json", STATE, "--state"),
    },
    Attack {
        row: "B12",
        name: "a policy file that others can write",
        limit: Limit::Holds("reported"),
        run: |arena| writable(arena, "policy.toml", "[tools.read_data]\npermissions = [\"user\"]\n", "--policy"),
    },
    Attack {
        row: "B12",
        name: "a secret file that others can write",
        limit: Limit::Holds("reported"),
        run: |arena| writable(arena, "other", "another-secret-of-thirty-two-byte", "--secret-file"),
    },
    Attack {
        row: "B13",
        name: "100,000 revocations and one more: from the change to the refusal",
        limit: Limit::Within(Duration::from_millis(100)),
        run: |arena| large(arena).map(|(figure, _)| figure),
    },
    Attack {
        row: "B13",
        name: "100,000 revocations and one more: growth of the memory",
        limit: Limit::Reported,
        run: |arena| large(arena).map(|(_, figure)| figure),
    },
    Attack {
        row: "B14",
        name: "ulimit -c unlimited: limits of core files, soft and hard",
        limit: Limit::Holds("0 and 0"),
        run: core_limit,
    },
    Attack {
        row: "B14",
        name: "ulimit -c unlimited, SIGQUIT: core files beside the server",
        limit: Limit::AtMost(0),
        run: core_file,
    },
];

/// A state file without revocations.
const STATE: &str = "{\n  \"version\": 1,\n  \"revoked\": []\n}\n";

/// Starts a server and issues two valid tokens.
fn served(arena: &Arena) -> io::Result<(Server<'_>, String, String)> {
    let server = arena.serve(&["--rate", "off"])?;
    let (one, other) = (server.token("one", "user")?, server.token("other", "user")?);
    match server.answers(200, &one) && server.answers(200, &other) {
        true => Ok((server, one, other)),
        false => Err(io::Error::other("a good token does not pass")),
    }
}

/// Revokes a token and waits until it is refused.
fn revoked(server: &Server<'_>, token: &str) -> io::Result<()> {
    server.revoke(&[token])?;
    let time = server.time_until_refused(token, LONG);
    time.map(drop).ok_or_else(|| io::Error::other("a revoked token is never refused"))
}

fn few_descriptors(arena: &Arena, origin: Origin) -> io::Result<Figure> {
    let start = Start { shell: Some("ulimit -n 256"), ..Start::default() };
    let server = arena.start(Folder::new()?, &start)?;
    let token = server.token("user123", "user")?;
    if !server.answers(200, &token) {
        return Err(io::Error::other("a good token does not pass"));
    }
    let crowd = Crowd::start(server.address, 250, origin, Action::Hold(Vec::new()))?;
    server.revoke(&[&token])?;
    let held = server.time_until_refused(&token, 2 * SOON);
    drop(crowd);
    Ok(match held {
        Some(time) => Value::Time(time).with("while they are open"),
        None => Value::timed(server.time_until_refused(&token, LONG), LONG).with("after they were closed"),
    })
}

/// How soon the server applies a revocation through a link, and whether the link is kept.
fn linked(arena: &Arena) -> io::Result<(Figure, Figure)> {
    let (server, one, other) = served(arena)?;
    revoked(&server, &one)?;
    let link = server.folder.file("link.json");
    symlink(server.folder.state(), &link)?;
    server.revoke_in(&link, &[&other])?;
    let time = server.time_until_refused(&other, LONG);
    let is_link = Path::new(&link).is_symlink();
    Ok((Value::timed(time, LONG).with(""), Value::outcome(is_link, "still a link", "replaced").with("")))
}

fn far_ahead(arena: &Arena) -> io::Result<Figure> {
    let (server, one, other) = served(arena)?;
    revoked(&server, &one)?;
    server.revoke(&["--now", "2099-01-01T00:00:00Z", &other])?;
    server.time_until_refused(&other, SOON);
    Ok(Value::outcome(lists(&server, &one)? && server.answers(401, &one), "kept", "dropped").with(""))
}

/// Whether another process finds a token in the state file.
fn lists(server: &Server<'_>, token: &str) -> io::Result<bool> {
    Ok(server.revoke(&["--list", "--json"])?.out.contains(&TokenId::of(token).hex()))
}

/// Whether a token passes at any time within a second.
fn passes_soon(server: &Server<'_>, token: &str) -> Option<Duration> {
    time_until(SOON, || server.answers(200, token))
}

/// A server whose state file was deleted after a token was revoked.
fn without_file(arena: &Arena) -> io::Result<(Server<'_>, String, String)> {
    let (server, one, other) = served(arena)?;
    revoked(&server, &one)?;
    fs::remove_file(server.folder.state())?;
    Ok((server, one, other))
}

fn refusal(passed: Option<Duration>) -> Figure {
    let note = passed.map(|time| format!("passes after {:.1} ms", time.as_secs_f64() * 1000.0));
    Value::outcome(passed.is_none(), "refused", "passes").with(note.unwrap_or_default())
}

fn removed(arena: &Arena) -> io::Result<Figure> {
    let (server, one, _) = without_file(arena)?;
    Ok(refusal(passes_soon(&server, &one)))
}

fn removed_and_revoked(arena: &Arena) -> io::Result<Figure> {
    let (server, one, other) = without_file(arena)?;
    revoked(&server, &other)?;
    Ok(refusal(passes_soon(&server, &one)))
}

fn written_again(arena: &Arena) -> io::Result<Figure> {
    let (server, one, other) = without_file(arena)?;
    revoked(&server, &other)?;
    let both = until(SOON, || (lists(&server, &one).ok()? && lists(&server, &other).ok()?).then_some(()));
    Ok(Value::outcome(both.is_some(), "both", "one of two").with(""))
}

fn put_back(arena: &Arena) -> io::Result<Figure> {
    let (server, one, other) = served(arena)?;
    revoked(&server, &other)?;
    let old = server.folder.file("old.json");
    fs::copy(server.folder.state(), &old)?;
    revoked(&server, &one)?;
    fs::rename(&old, server.folder.state())?;
    let mut figure = refusal(passes_soon(&server, &one));
    let line = server.errors().lines().rfind(|line| line.contains("state")).map(str::to_owned);
    figure.note = [figure.note, line.map(|line| format!("says: {line}")).unwrap_or_default()].join(" ");
    Ok(figure)
}

fn new_mode(arena: &Arena) -> io::Result<Figure> {
    let server = arena.serve(&[])?;
    let (token, state) = (server.token("user123", "user")?, server.folder.state());
    let secret = server.folder.secret();
    arena.run_after("umask 000", &["revoke", "--secret-file", &secret, "--state", &state, &token])?;
    let mode = fs::metadata(&state)?.permissions().mode() & 0o777;
    Ok(Value::outcome(mode == 0o600, "0600", "wider").with(format!("{mode:04o}")))
}

/// Whether a server reports a file that other users can write.
fn writable(arena: &Arena, name: &str, text: &str, option: &str) -> io::Result<Figure> {
    let folder = Folder::new()?;
    let path = folder.write(name, text, 0o602)?;
    // An option cannot be given twice, so the server for another secret is started by hand.
    let started = match option {
        "--secret-file" => {
            let words = ["serve", "--listen", "127.0.0.1:0", option, &path];
            let ran = super::process::run(&mut arena.command(&words), Vec::new(), SOON)?;
            if ran.is_killed { Ok(ran.err) } else { Err(io::Error::other(ran.err)) }
        }
        "--state" => arena.start(folder, &Start::default()).map(|server| first_words(&server)),
        _ => arena.start(folder, &Start { options: &[option, &path], ..Start::default() }).map(|s| first_words(&s)),
    };
    Ok(match started {
        Err(error) => Value::outcome(true, "reported", "").with(format!("refused: {}", error.to_string().trim())),
        Ok(errors) => match errors.lines().find(|line| line.contains(name)) {
            Some(line) => Value::outcome(true, "reported", "").with(line),
            None => Value::outcome(false, "", "silent").with(""),
        },
    })
}

/// Returns standard error of a server that has just started.
fn first_words(server: &Server<'_>) -> String {
    until(SOON, || server.errors().contains("ends it").then_some(()));
    server.errors()
}

/// Adds a revocation to a large file and measures when it takes effect and how much memory it needs.
fn large(arena: &Arena) -> io::Result<(Figure, Figure)> {
    let mut rows = String::new();
    for n in 0..MANY {
        let comma = if n == 0 { "" } else { "," };
        let id = TokenId::of(&n.to_string()).hex();
        let _ = write!(
            rows,
            "{comma}{{\"token\":\"{id}\",\"user\":\"user{n}\",\"at\":\"2026-01-01T00:00:00Z\",\"until\":\"2099-01-01T00:00:00Z\"}}"
        );
    }
    let folder = Folder::new()?;
    folder.write("state.json", &format!("{{\"version\":1,\"revoked\":[{rows}]}}\n"), 0o600)?;
    let server = arena.start(folder, &Start { options: &["--rate", "off"], ..Start::default() })?;
    let token = server.token("user123", "user")?;
    if !server.answers(200, &token) {
        return Err(io::Error::other("a good token does not pass"));
    }
    let (before, state) = (memory(server.pid())?, server.folder.state());
    let stamp = || fs::metadata(&state).map(|file| (file.ino(), file.len(), file.mtime_nsec())).ok();
    let old = stamp();
    let (changed, refused, command) = thread::scope(|scope| {
        let revoking = scope.spawn(|| {
            let started = Instant::now();
            server.revoke(&[&token]).map(|_| started.elapsed())
        });
        let watching = scope.spawn(|| until(LONG, || (stamp() != old).then(Instant::now)));
        let refused = until(LONG, || server.answers(401, &token).then(Instant::now));
        (watching.join().ok().flatten(), refused, revoking.join())
    });
    let command = command.map_err(|_| io::Error::other("the revoke command panicked"))??;
    let time = refused.zip(changed).map(|(refused, changed)| refused.saturating_duration_since(changed));
    let note = format!("the command takes {} ms", command.as_millis());
    let growth = memory(server.pid())?.saturating_sub(before);
    let peak = peak_memory(server.pid())? >> 20;
    let grown = Value::Memory(growth).with(format!("{} MB before, {peak} MB at most", before >> 20));
    Ok((Value::timed(time, LONG).with(note), grown))
}

/// Starts a server whose parents allow core files.
fn with_core(arena: &Arena) -> io::Result<Server<'_>> {
    arena.start(Folder::new()?, &Start { shell: Some("ulimit -c unlimited"), ..Start::default() })
}

fn core_limit(arena: &Arena) -> io::Result<Figure> {
    let server = with_core(arena)?;
    let (soft, hard) = core_limits(server.pid())?;
    let is_none = soft == "0" && hard == "0";
    Ok(Value::outcome(is_none, "0 and 0", "larger").with(format!("{soft} and {hard}")))
}

fn core_file(arena: &Arena) -> io::Result<Figure> {
    let mut server = with_core(arena)?;
    let has_ended = server.end(Signal::QUIT, LONG)?;
    let mut cores = 0;
    for entry in fs::read_dir(server.folder.path())? {
        cores += u64::from(entry?.file_name().to_string_lossy().contains("core"));
    }
    Ok(Value::Count(cores).with(if has_ended { "ended" } else { "still runs" }))
}

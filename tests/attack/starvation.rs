//! Attacks that take connections, processor time or calls away from a well-behaved client. The figure is its slowest
//! answer on a new connection during the attack.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use super::arena::{Arena, Server};
use super::client::{self, PATIENCE};
use super::crowd::{Action, Crowd, Origin};
use super::process::{processor_time, until};
use super::{Attack, Figure, Limit, Value};

/// The slowest answer that a well-behaved client may get during an attack.
const SLOWEST: Duration = Duration::from_millis(50);

/// An answer slower than the control's by this factor is caused by the attack, however busy the machine is.
const CLEAR: u32 = 5;

/// The number of connections that the server allows.
const CROWD: usize = 1024;

/// Connections of a flood.
const FLOOD: usize = 8;

/// The length of the bodies of a flood: a little less than the server reads from a caller without a token.
const BODY: usize = 63 << 10;

/// Tokens of one user.
const TOKENS: usize = 300;

/// The default rate of one user: the burst, and the calls per second.
const RATE: u64 = 100;

const LIMIT: Limit = Limit::Within(SLOWEST);

pub const ATTACKS: &[Attack] = &[
    Attack { row: "B0", name: "no attack, for comparison", limit: LIMIT, run: calm },
    Attack {
        row: "B2",
        name: "1,024 pipeline calls without a token and read nothing, 1 address",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::ONE, |at, _| Action::Pipeline(client::call(at, None, "read_data"))),
    },
    Attack {
        row: "B2",
        name: "1,024 pipeline calls without a token and read nothing, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |at, _| Action::Pipeline(client::call(at, None, "read_data"))),
    },
    Attack {
        row: "B2",
        name: "1,024 pipeline GET of the metadata and read nothing, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |at, _| Action::Pipeline(client::get(at, METADATA))),
    },
    Attack {
        row: "B3",
        name: "1,024 idle connections, 1 address",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::ONE, |_, _| Action::Hold(Vec::new())),
    },
    Attack {
        row: "B3",
        name: "1,024 idle connections, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |_, _| Action::Hold(Vec::new())),
    },
    Attack {
        row: "B3",
        name: "1,024 idle connections, the good client's address",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::OWN, |_, _| Action::Hold(Vec::new())),
    },
    Attack {
        row: "B3",
        name: "1,024 connect at the same moment, again and again, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |_, _| Action::Burst),
    },
    Attack {
        row: "B3",
        name: "1,024 half heads, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |at, _| Action::Hold(half_head(at))),
    },
    Attack {
        row: "B3",
        name: "1,024 heads that drip, 1 address",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::ONE, |at, _| Action::Drip(half_head(at), b"X-A: b\r\n")),
    },
    Attack {
        row: "B3",
        name: "1,024 heads that drip, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |at, _| Action::Drip(half_head(at), b"X-A: b\r\n")),
    },
    Attack {
        row: "B3",
        name: "1,024 idle after one GET, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |at, _| Action::Hold(client::get(at, METADATA))),
    },
    Attack {
        row: "B3",
        name: "1,024 idle after one call without a token, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |at, _| Action::Hold(client::call(at, None, "read_data"))),
    },
    Attack {
        row: "B3",
        name: "1,024 bodies that drip, no token, 1 address",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::ONE, |at, _| Action::Drip(client::head(at, None, BODY), b" ")),
    },
    Attack {
        row: "B3",
        name: "1,024 bodies that drip, no token, 32 addresses",
        limit: LIMIT,
        run: |arena| crowd(arena, CROWD, Origin::SPREAD, |at, _| Action::Drip(client::head(at, None, BODY), b" ")),
    },
    Attack {
        row: "B3",
        name: "1,024 bodies that drip, invalid token, 32 addresses",
        limit: LIMIT,
        run: |arena| {
            let deed = |at, token: &str| Action::Drip(client::head(at, Some(&forged(token)), BODY), b" ");
            crowd(arena, CROWD, Origin::SPREAD, deed)
        },
    },
    Attack {
        row: "B3",
        name: "1,024 long bodies that drip, a token of one other user, 32 addresses",
        limit: Limit::Reported,
        run: one_user,
    },
    Attack { row: "B5", name: "8 connections flood bodies of 63 KiB without a token", limit: LIMIT, run: bodies },
    Attack {
        row: "B20",
        name: "8 connections flood calls with a forged token",
        limit: LIMIT,
        run: |arena| {
            let deed = |at, token: &str| Action::Flood(client::call(at, Some(&forged(token)), "read_data"));
            crowd(arena, FLOOD, Origin::ONE, deed)
        },
    },
    Attack {
        row: "B20",
        name: "300 tokens of one user: calls that pass in a second",
        limit: Limit::AtMost(2 * RATE),
        run: many_tokens,
    },
];

/// A public page.
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// An incomplete head.
fn half_head(address: SocketAddr) -> Vec<u8> {
    format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\n").into_bytes()
}

/// A token with an invalid signature.
fn forged(token: &str) -> String {
    let kept = token.len().saturating_sub(4);
    format!("{}AAAA", token.get(..kept).unwrap_or_default())
}

fn calm(arena: &Arena) -> io::Result<Figure> {
    let victims = Victims::start(arena)?;
    Ok(victims.figure(String::new))
}

/// The server under attack and another one, with a well-behaved client of each.
struct Victims<'a> {
    attacked: (Server<'a>, String),
    control: (Server<'a>, String),
}

impl<'a> Victims<'a> {
    fn start(arena: &'a Arena) -> io::Result<Self> {
        let start = || {
            let server = arena.serve(&[])?;
            let token = server.token("user123", "user")?;
            io::Result::Ok((server, token))
        };
        Ok(Self { attacked: start()?, control: start()? })
    }

    fn address(&self) -> SocketAddr {
        self.attacked.0.address
    }

    /// Measures the well-behaved clients.
    fn figure(&self, note: impl FnOnce() -> String) -> Figure {
        let [attacked, control] = [&self.attacked, &self.control].map(|(server, token)| (server, &**token));
        let slowest = client::slowest_answer(attacked, control, SLOWEST);
        let beside = slowest.map(|slowest| format!("beside it {:.1} ms, ", slowest.control.as_secs_f64() * 1000.0));
        let time = slowest.map(|slowest| slowest.attacked);
        let is_disturbed =
            slowest.is_some_and(|slowest| slowest.control >= SLOWEST / 2 && slowest.attacked < slowest.control * CLEAR);
        Figure { is_disturbed, ..Value::timed(time, PATIENCE).with(beside.unwrap_or_default() + &note()) }
    }
}

/// Measures the well-behaved client during an attack by this many attackers.
fn crowd(arena: &Arena, size: usize, origin: Origin, deed: fn(SocketAddr, &str) -> Action) -> io::Result<Figure> {
    let victims = Victims::start(arena)?;
    let crowd = Crowd::start(victims.address(), size, origin, deed(victims.address(), &victims.attacked.1))?;
    Ok(victims.figure(|| described(&crowd)))
}

fn described(crowd: &Crowd) -> String {
    let counts = &crowd.counts;
    format!("{} open, {} made", counts.open.load(Relaxed), counts.made.load(Relaxed))
}

/// Measures the well-behaved client while attackers send slow bodies with a valid token. Connections with a valid token
/// are never closed for others, so one user may take every place for as long as a request may take.
fn one_user(arena: &Arena) -> io::Result<Figure> {
    let victims = Victims::start(arena)?;
    let other = victims.attacked.0.token("other", "user")?;
    // More than the server reads before it verifies the token, so that it knows that the token is valid.
    let sent = [client::head(victims.address(), Some(&other), 128 << 10), vec![b' '; (64 << 10) + 1]].concat();
    let crowd = Crowd::start(victims.address(), CROWD + 100, Origin::SPREAD, Action::Drip(sent, b" "))?;
    until(Duration::from_secs(3), || (crowd.counts.sent.load(Relaxed) >= CROWD as u64).then_some(()));
    Ok(victims.figure(|| described(&crowd)))
}

/// A flood of bodies that the server reads in vain, with the cost of each.
fn bodies(arena: &Arena) -> io::Result<Figure> {
    let victims = Victims::start(arena)?;
    let (address, pid) = (victims.address(), victims.attacked.0.pid());
    let body = client::call_with("read_data", &format!(r#"{{"id":"{}"}}"#, "x".repeat(BODY - 100)));
    let before = processor_time(pid)?;
    let crowd = Crowd::start(address, FLOOD, Origin::ONE, Action::Flood(client::post(address, None, &body)))?;
    let figure = victims.figure(String::new);
    let answers = crowd.counts.answers.load(Relaxed);
    let used = processor_time(pid)?.saturating_sub(before);
    let each = used.as_micros() / u128::from(answers.max(1));
    let note = format!("{}{answers} bodies, {each} µs of processor time each", figure.note);
    Ok(Figure { note, ..figure })
}

/// Many tokens of one user, used in turn as fast as possible.
fn many_tokens(arena: &Arena) -> io::Result<Figure> {
    let server = arena.serve(&[])?;
    let tokens = server.tokens("user123", "user", TOKENS)?;
    let started = Instant::now();
    let is_time_left = || started.elapsed() < Duration::from_secs(1);
    let (mut passed, mut made) = (0, 0);
    thread::scope(|scope| {
        let callers: Vec<_> = tokens
            .chunks(TOKENS / 2)
            .map(|tokens| {
                let server = &server;
                scope.spawn(move || {
                    let (mut passed, mut made) = (0, 0);
                    for token in tokens.iter().cycle().take_while(|_| is_time_left()) {
                        made += 1;
                        passed += u64::from(server.answers(200, token));
                    }
                    (passed, made)
                })
            })
            .collect();
        for (some, all) in callers.into_iter().filter_map(|caller| caller.join().ok()) {
            passed += some;
            made += all;
        }
    });
    Ok(Value::Count(passed).with(format!("of {made} calls")))
}

//! The cost of a served `tools/call` compared with a bare rmcp server that makes the same checks.
//!
//! Both run as children of this program, one at a time and in turn. Each gets a load over 8 kept-alive connections, and
//! the processor time of the child is read from the kernel. The ratio is more reliable than the times. The exit code
//! shows whether the budget is met.

#![expect(clippy::print_stdout, reason = "a benchmark's only purpose is what it prints")]
#![expect(clippy::print_stderr, reason = "a benchmark says why it cannot measure")]

mod load;
mod peer;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use chrono::Utc;
use portcullis::Gate;
use portcullis::auth::{IssueRequest, KeyOrigin, NumericDate, Rules, Signer};
use portcullis::clock::SystemClock;
use portcullis::endpoint::Settings;
use portcullis::server::Server;

/// The secret of both servers.
pub const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
/// The audience of both servers.
pub const AUDIENCE: &str = "http://127.0.0.1/mcp";

/// Many and short, so that other load on the machine that begins or ends within a pair spoils only that pair.
const ROUNDS: usize = 61;
const CONNECTIONS: usize = 8;
/// Calls in a round, over all connections.
const CALLS: usize = 4_000;
/// The budget for the processor time of a call, as a share of the bare server's.
const BUDGET: f64 = 1.15;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match (words.next().as_deref(), words.next().as_deref()) {
        (Some("--serve"), Some("gate")) => gate(),
        (Some("--serve"), Some("bare")) => peer::serve(),
        _ => match measure() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("served: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Serves the gate until standard input ends.
fn gate() -> ExitCode {
    let signer = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    let rules = Rules::new(&signer).with_audiences([AUDIENCE.into()]);
    let gate = Gate::with(rules, signer, Arc::new(SystemClock::new()));
    gate.shared().update(|state| state.keep_calls(10_000));
    let settings = Settings { rate: Some(10_000_000), ..Settings::at("127.0.0.1:0".parse().expect("an address")) };
    let server = Server::start(settings, &gate).expect("a free port");
    announce(server.address);
    ExitCode::SUCCESS
}

/// Prints the address and waits until the parent closes standard input.
pub fn announce(address: SocketAddr) {
    println!("{address}");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().lines().count();
}

/// A server in its own process.
struct Contestant {
    child: Child,
    address: SocketAddr,
}

impl Contestant {
    fn start(which: &str) -> std::io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", which])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(std::io::Error::other)?;
        Ok(Self { child, address })
    }

    /// The processor time of all its threads, in nanoseconds.
    fn used(&self) -> std::io::Result<u64> {
        let mut sum = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            sum += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// The processor time of one call in this round, in microseconds.
    fn round(&self, token: &str) -> std::io::Result<f64> {
        let before = self.used()?;
        load::calls(self.address, token, CONNECTIONS, CALLS)?;
        let used = self.used()? - before;
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a few seconds")]
        Ok(used as f64 / 1000.0 / CALLS as f64)
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn measure() -> std::io::Result<bool> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the bare server reads the system clock, so the token must be valid by it"
    )]
    let now = NumericDate::from(Utc::now());
    let request = IssueRequest {
        user_id: "user123".to_owned(),
        permissions: vec!["user".to_owned()],
        audience: Some(AUDIENCE.to_owned()),
        ..IssueRequest::default()
    };
    let signer = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    let token = signer.issue(&request, "0190b7c1d2e3f4a5b6c7d8e9f0a1b2c3", now).expect("a token");
    let contestants = [Contestant::start("bare")?, Contestant::start("gate")?];
    for contestant in &contestants {
        load::check(contestant.address, &token)?;
        contestant.round(&token)?;
    }
    let mut rounds = Vec::new();
    let [bare, gate] = &contestants;
    for round in 0..ROUNDS {
        // Each contestant goes first in every second round.
        let pair = if round % 2 == 0 {
            let bare = bare.round(&token)?;
            (bare, gate.round(&token)?)
        } else {
            let gate = gate.round(&token)?;
            (bare.round(&token)?, gate)
        };
        rounds.push(pair);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let bare = median(rounds.iter().map(|(bare, _)| *bare).collect());
    let gate = median(rounds.iter().map(|(_, gate)| *gate).collect());
    let ratio = median(rounds.iter().map(|(bare, gate)| gate / bare).collect());
    println!("processor time of a served tools/call, {CONNECTIONS} connections, {ROUNDS} rounds of {CALLS} calls");
    println!("  a bare rmcp server with the same checks {bare:>8.2} µs");
    println!("  portcullis                              {gate:>8.2} µs   ratio {ratio:.3}");
    let kept = ratio <= BUDGET;
    println!("  budget {BUDGET}: {}", if kept { "kept" } else { "EXCEEDED" });
    Ok(kept)
}

//! Attacks on `portcullis serve`, each with a measurement and a limit.
//!
//! Every attack starts its own server on loopback, attacks it for a second or two, and measures a well-behaved client,
//! the memory or the files. It needs only loopback and Linux `/proc`. The exit code is 1 unless every limit is met.
//!
//! `cargo test --release --test attack -- [--binary PATH] [--list] [ROW]...`
//!
//! An attack must never hang if the server does not survive it: every wait has a deadline, and a missing answer is a
//! measurement too.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the only purpose of this program")]
#![expect(clippy::disallowed_methods, reason = "it measures how long another process takes")]

mod arena;
mod client;
mod crowd;
mod files;
mod framing;
mod log;
mod memory;
mod process;
mod refusals;
mod starvation;
mod stdio;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use arena::Arena;

/// The attacks in the order in which they run. A row of the table of promises may have several.
const ATTACKS: [&[Attack]; 7] = [
    starvation::ATTACKS,
    memory::ATTACKS,
    files::ATTACKS,
    log::ATTACKS,
    refusals::ATTACKS,
    framing::ATTACKS,
    stdio::ATTACKS,
];

/// The file descriptors needed for the largest crowd and the server's pipes.
const DESCRIPTORS: u64 = 2_000;

/// One attack and its limit.
pub struct Attack {
    /// The row of the table of promises, for example `B3`.
    row: &'static str,
    /// The description of the attack.
    name: &'static str,
    limit: Limit,
    run: fn(&Arena) -> io::Result<Figure>,
}

/// The limit for a figure.
#[derive(Clone, Copy)]
pub enum Limit {
    /// A time must be shorter than this.
    Within(Duration),
    /// Memory must be less than this, in bytes.
    Below(u64),
    /// A count must not exceed this.
    AtMost(u64),
    /// An outcome must be good.
    Holds(&'static str),
    /// The figure is only reported.
    Reported,
}

/// The result of one attack.
pub struct Figure {
    value: Value,
    /// Details, for the reader only.
    note: String,
    /// Whether the machine was so busy that an exceeded limit proves nothing about the server.
    is_disturbed: bool,
}

/// The part of a figure that is compared with the limit.
pub enum Value {
    /// How long something took.
    Time(Duration),
    /// Nothing happened until the deadline.
    Never(Duration),
    /// An amount of memory in bytes.
    Memory(u64),
    /// How often something happened.
    Count(u64),
    /// A result in words.
    Outcome {
        /// Whether it is good.
        holds: bool,
        /// The word for it in the table.
        word: &'static str,
    },
}

impl Value {
    fn with(self, note: impl Into<String>) -> Figure {
        Figure { value: self, note: note.into(), is_disturbed: false }
    }

    /// Returns the time, or the deadline if it passed without an answer.
    fn timed(time: Option<Duration>, deadline: Duration) -> Self {
        time.map_or(Self::Never(deadline), Self::Time)
    }

    const fn outcome(holds: bool, good: &'static str, bad: &'static str) -> Self {
        Self::Outcome { holds, word: if holds { good } else { bad } }
    }

    /// Whether the limit is met. A figure of another kind than its limit never meets it.
    fn keeps(&self, limit: Limit) -> bool {
        match (self, limit) {
            (_, Limit::Reported) => true,
            (Self::Time(time), Limit::Within(most)) => *time < most,
            (Self::Memory(bytes), Limit::Below(most)) => *bytes < most,
            (Self::Count(count), Limit::AtMost(most)) => *count <= most,
            (Self::Outcome { holds, .. }, Limit::Holds(_)) => *holds,
            _ => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "{:.1} ms", time.as_secs_f64() * 1000.0),
            Self::Never(deadline) => write!(f, "not within {} s", deadline.as_secs()),
            Self::Memory(bytes) => write!(f, "{} MB", bytes.div_ceil(1 << 20)),
            Self::Count(count) => write!(f, "{count}"),
            Self::Outcome { word, .. } => f.write_str(word),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(time) => write!(f, "< {} ms", time.as_millis()),
            Self::Below(bytes) => write!(f, "< {} MB", bytes >> 20),
            Self::AtMost(count) => write!(f, "<= {count}"),
            Self::Holds(word) => f.write_str(word),
            Self::Reported => f.write_str("-"),
        }
    }
}

/// The command-line arguments.
struct Arguments {
    binary: PathBuf,
    rows: Vec<String>,
    is_list: bool,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { binary: env!("CARGO_BIN_EXE_portcullis").into(), rows: Vec::new(), is_list: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--binary" => arguments.binary = words.next().ok_or("--binary needs a path")?.into(),
                "--list" => arguments.is_list = true,
                row if all().any(|attack| attack.row.eq_ignore_ascii_case(row)) => arguments.rows.push(word),
                other => return Err(format!("unknown row or option {other}; --list shows the rows")),
            }
        }
        Ok(arguments)
    }

    fn wants(&self, attack: &Attack) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row.eq_ignore_ascii_case(attack.row))
    }
}

fn all() -> impl Iterator<Item = &'static Attack> {
    ATTACKS.into_iter().flatten()
}

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("attack: {error}");
            return ExitCode::from(2);
        }
    };
    if arguments.is_list {
        all().for_each(|attack| println!("{:<5} {}", attack.row, attack.name));
        return ExitCode::SUCCESS;
    }
    let hard = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
    if hard.is_some_and(|hard| hard < DESCRIPTORS) {
        eprintln!("attack: {DESCRIPTORS} file descriptors are needed; raise the hard limit (ulimit -Hn)");
        return ExitCode::from(2);
    }
    let arena = Arena::new(arguments.binary.clone());
    println!("binary: {} ({})", arguments.binary.display(), arena.version());
    print_row(&["row", "attack", "figure", "limit", "verdict", "took", "details"]);
    let started = Instant::now();
    let (mut ran, mut broken, mut busy) = (0, 0, 0);
    for attack in all().filter(|attack| arguments.wants(attack)) {
        ran += 1;
        let begun = Instant::now();
        let (figure, verdict, note) = match (attack.run)(&arena) {
            Ok(figure) => {
                let verdict = match attack.limit {
                    Limit::Reported => "-",
                    limit if figure.value.keeps(limit) => "held",
                    _ if figure.is_disturbed => "busy",
                    _ => "BROKEN",
                };
                (figure.value.to_string(), verdict, figure.note)
            }
            // An attack without a figure counts as broken.
            Err(error) => ("no figure".to_owned(), "BROKEN", error.to_string()),
        };
        let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
        broken += usize::from(verdict == "BROKEN");
        busy += usize::from(verdict == "busy");
        print_row(&[attack.row, attack.name, &figure, &attack.limit.to_string(), verdict, &took, &note]);
    }
    let took = started.elapsed().as_secs_f64();
    println!("{ran} attacks, {broken} broken, {busy} without a figure because the machine is busy, in {took:.0} s");
    // A limit that could not be measured counts as a failure.
    ExitCode::from(u8::from(broken + busy > 0))
}

fn print_row([row, name, figure, limit, verdict, took, note]: &[&str; 7]) {
    println!("{row:<6} {name:<75} {figure:<15} {limit:<13} {verdict:<7} {took:>6} {note}");
}

//! The console's shell: the terminal, the event sources, and the execution of effects.
//!
//! `main` calls `check_terminal` and `run`. The console's state and pictures are in `app` and `view`; this module
//! contains only impure parts: one event loop (`console`), the guard of the terminal's modes (`terminal`), frames
//! (`screen`, `writer`, `limiter`), input (`input`, `burst`, `answer`), signals, the clipboard, and the effects that do
//! not act on the terminal (`effects`, `executor`). The loop waits only for events: no file, lock, host name, server or
//! terminal can stall it. There is no tick: while no countdown runs, the loop sleeps.

mod answer;
mod burst;
pub mod clipboard;
mod console;
pub mod effects;
mod executor;
pub mod foreign;
mod input;
mod limiter;
mod runs;
mod screen;
mod signals;
mod terminal;
mod writer;

use std::env;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use self::foreign::Foreign;
use crate::app::App;
use crate::clock::Clock;
use crate::config::SigningFile;
use crate::gate::AuthenticatedMcpServer;
use crate::issuer_keys::KeyFollower;
use crate::server::Server;
use crate::store::{Edition, Store};
use crate::text::words;

/// The error if the console cannot run here. Its message gives the reason and points to the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; commands such as `portcullis inspect` work without one (see `portcullis --help`)")]
pub struct NotATerminal(pub TerminalError);

/// A requirement of the console that the terminal does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TerminalError {
    /// Standard input is a file, a pipe, or closed.
    #[error("the console needs a terminal, but standard input is not one")]
    Input,
    /// Standard output is a file, a pipe, or closed.
    #[error("the console needs a terminal, but standard output is not one")]
    Output,
    /// `TERM` is unset, empty, or `dumb`.
    #[error("the console needs a terminal that it can draw on, but TERM is unset or \"dumb\"")]
    Term,
}

/// Checks that the console can run: standard input and output are terminals, and `TERM` names one that can be drawn on.
pub fn check_terminal() -> Result<(), NotATerminal> {
    let lacking = if !io::stdin().is_terminal() {
        TerminalError::Input
    } else if !io::stdout().is_terminal() {
        TerminalError::Output
    } else if env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        TerminalError::Term
    } else {
        return Ok(());
    };
    Err(NotATerminal(lacking))
}

/// Why the console ended other than at the user's request.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal could not be set up, read or written.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
    /// A signal, by its number; the loss of the terminal counts as SIGHUP.
    #[error("ended by signal {0}")]
    Signalled(i32),
    /// Revocations were in force until the console ended, but are not in the state file.
    #[error("{} not saved to the state file", words::count(*.changes, "revocation change"))]
    Unsaved {
        /// The number of lost changes.
        changes: usize,
        /// The signal that ended the console, if one did.
        signal: Option<i32>,
    },
    /// A thread panicked; the panic hook has reported it.
    #[error("the console ended because of the panic reported above")]
    Panicked,
}

impl TuiError {
    /// Returns the exit code of the process: 128 + n for signal n, as in shells, and 1 for errors.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Signalled(number) | Self::Unsaved { signal: Some(number), .. } => crate::signals::exit_code(*number),
            Self::Terminal(_) | Self::Panicked | Self::Unsaved { signal: None, .. } => 1,
        }
    }

    /// Whether to print the error: not for a signal, which may come from closing the terminal.
    pub const fn should_print(&self) -> bool {
        !matches!(self, Self::Signalled(_))
    }
}

/// The inputs of a console.
pub struct Start {
    /// Its state.
    pub app: App,
    /// The gate.
    pub gate: AuthenticatedMcpServer,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The server to run from the start, if any.
    pub server: Option<Server>,
    /// The store of revocations.
    pub store: Arc<dyn Store>,
    /// The edition of the store that the rules start from.
    pub edition: Option<Edition>,
    /// The file of the signing key, which is followed.
    pub signing_file: Option<SigningFile>,
    /// The follower of issuers' keys.
    pub keys: KeyFollower,
    /// The foreign servers.
    pub foreign: Foreign,
}

/// Runs the console until the user quits. The terminal is restored when this returns and if it panics.
pub fn run(start: Start) -> Result<(), TuiError> {
    // One thread is enough, because it waits only for events.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(console::run(start));
    // A job may still wait for a lock or for a name to be looked up.
    runtime.shutdown_background();
    ended
}

#[cfg(test)]
mod tests {
    use super::{NotATerminal, TerminalError, TuiError};

    #[test]
    fn the_refusal_is_one_line_that_names_the_commands() {
        for lacking in [TerminalError::Input, TerminalError::Output, TerminalError::Term] {
            let line = NotATerminal(lacking).to_string();
            assert!(line.contains("`portcullis --help`") && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_signal_exits_with_128_and_its_number() {
        assert_eq!(TuiError::Signalled(15).exit_code(), 143);
        assert_eq!(TuiError::Panicked.exit_code(), 1);
    }
}

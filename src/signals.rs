//! The signals that end the program. The console's event loop and `portcullis serve` listen to the same signals and
//! exit with 128 plus the signal's number.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens to SIGTERM, SIGHUP, SIGINT and SIGQUIT.
///
/// Listening replaces an inherited "ignore", which matters for SIGHUP: under `nohup` or a shell's `trap '' HUP` the
/// program would otherwise outlive its terminal. It also replaces the default action of SIGQUIT, which is to write the
/// memory, including the secret, to a core file.
pub struct TerminationSignals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl TerminationSignals {
    /// Starts to listen. Must be called in a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for the next signal and returns its number.
    pub async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            biased;
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.quit.recv() => SignalKind::quit(),
        };
        kind.as_raw_value()
    }
}

/// Returns the exit code of a program that a signal ended, as shells report it.
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

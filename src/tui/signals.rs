//! Signals from the system: end, stop, continue, a new window size, and the loss of the terminal.
//!
//! The event loop awaits `Signals::next` and `HangUp`. Signal handlers themselves do nothing.

use std::io;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::stdin;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::signals::TerminationSignals;

/// The number of SIGHUP. The loss of the terminal is reported as this signal, too.
pub const HANG_UP: i32 = rustix::process::Signal::HUP.as_raw();

/// The request that a signal makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRequest {
    /// End the program; this is the number of the signal.
    End(i32),
    /// Stop the program, as a shell's job control does.
    Stop,
    /// Continue after a stop.
    Continue,
    /// Read the new size of the window.
    Resize,
}

/// The signals that the console listens to.
pub struct Signals {
    endings: TerminationSignals,
    stop: Signal,
    go_on: Signal,
    resize: Signal,
}

impl Signals {
    /// Starts to listen. Must be called in a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        use rustix::process::Signal as Number;
        Ok(Self {
            endings: TerminationSignals::listen()?,
            stop: signal(SignalKind::from_raw(Number::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(Number::CONT.as_raw()))?,
            // Not left to crossterm's reader: in the middle of a paste or an escape sequence it waits for the rest and
            // does not notice a resize.
            resize: signal(SignalKind::window_change())?,
        })
    }

    /// Waits for a signal that ends the program, and returns its number.
    pub async fn end(&mut self) -> i32 {
        self.endings.next().await
    }

    /// Waits for the next signal. Those that end the program have priority.
    pub async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            biased;
            number = self.endings.next() => SignalRequest::End(number),
            _ = self.go_on.recv() => SignalRequest::Continue,
            _ = self.stop.recv() => SignalRequest::Stop,
            _ = self.resize.recv() => SignalRequest::Resize,
        }
    }
}

/// Resolves when the terminal has closed.
pub struct HangUp(Option<oneshot::Receiver<()>>);

impl HangUp {
    /// Starts the thread that waits for the terminal to close.
    ///
    /// SIGHUP is not enough, because only the session's leader and the foreground group receive it. Reading is not
    /// enough either, because a poll for input on a closed terminal always returns at once without data. A poll for no
    /// events returns only on hang-up, so the thread neither spins nor wakes before.
    pub fn watch() -> io::Result<Self> {
        let (gone, told) = oneshot::channel();
        thread::Builder::new().name("terminal-hang-up".to_owned()).spawn(move || {
            loop {
                match poll(&mut [PollFd::new(&stdin(), PollFlags::empty())], None) {
                    Err(Errno::INTR) => {}
                    Err(_) => return,
                    Ok(_) => break,
                }
            }
            // The loop may have ended meanwhile for another reason.
            let _ = gone.send(());
        })?;
        Ok(Self(Some(told)))
    }

    /// Waits until the terminal has closed; forever, if that cannot be detected.
    pub async fn happened(&mut self) {
        if let Some(told) = &mut self.0 {
            let known = told.await.is_ok();
            // A receiver that has returned its value must not be polled again.
            self.0 = None;
            if known {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

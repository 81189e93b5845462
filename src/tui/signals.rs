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

/// The number of SIGHUP, as which the end of the terminal counts too.
pub const HANG_UP: i32 = rustix::process::Signal::HUP.as_raw();

/// The request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRequest {
    /// To end; the number of the signal.
    End(i32),
    /// To stop, as a shell's job control does.
    Stop,
    /// To go on after a stop.
    Continue,
    /// To look at the size of the window.
    Resize,
}

/// The signals the console listens to.
pub struct Signals {
    endings: TerminationSignals,
    stop: Signal,
    go_on: Signal,
    resize: Signal,
}

impl Signals {
    /// Listens from now on. Needs a runtime.
    pub fn listen() -> io::Result<Self> {
        use rustix::process::Signal as Number;
        Ok(Self {
            endings: TerminationSignals::listen()?,
            stop: signal(SignalKind::from_raw(Number::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(Number::CONT.as_raw()))?,
            // Not left to crossterm's reader: in the middle of a paste or of half an escape sequence it waits for the rest of
            // that and sees no resize.
            resize: signal(SignalKind::window_change())?,
        })
    }

    /// Waits for one that ends the program, and returns its number.
    pub async fn end(&mut self) -> i32 {
        self.endings.next().await
    }

    /// Waits for the next one. Those that end the program come first.
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
    /// Starts the thread that waits for it.
    ///
    /// SIGHUP alone is not enough: only the session's leader and the foreground group get it. Reading is not either: a poll
    /// for input on a terminal that is gone returns at once, for ever, with nothing to read. A poll for no events at all
    /// returns for the hang-up alone, so the thread neither spins nor wakes before.
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
            // The loop may have ended meanwhile, for a reason of its own.
            let _ = gone.send(());
        })?;
        Ok(Self(Some(told)))
    }

    /// Waits until the terminal is gone; for ever, if that cannot be known.
    pub async fn happened(&mut self) {
        if let Some(told) = &mut self.0 {
            let known = told.await.is_ok();
            // A receiver that has answered must not be asked again.
            self.0 = None;
            if known {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

//! What the console switches on in the terminal, and the one place that switches it off again.
//!
//! `Modes` is the guard: it undoes everything when it is dropped, and its panic hook does the same before anything is
//! printed, from whichever thread. Around a stop (Ctrl-Z) the event loop calls `off` and `on`. Nothing else in the program
//! may write such a sequence; a list that exists once cannot be undone by half.

use std::io;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};
use tokio::sync::Notify;

/// Each mode with what ends it, in the order they are switched on; they are switched off in reverse.
///
/// Clicks and the wheel need 1000 and 1006 alone. crossterm's `EnableMouseCapture` also asks for 1003, with which every
/// movement of the mouse wakes the program. The alternate screen comes first, so that it is the last to go and what the
/// shell showed comes back with all else already as it was.
const MODES: [(&str, &str); 6] = [
    ("\x1b[?1049h", "\x1b[?1049l"),
    ("\x1b[?2004h", "\x1b[?2004l"),
    ("\x1b[?1000h", "\x1b[?1000l"),
    ("\x1b[?1006h", "\x1b[?1006l"),
    ("\x1b[?25l", "\x1b[?25h"),
    // A frame that was cut short by an error may have left a colour or an open synchronized update behind.
    ("\x1b[0m", "\x1b[?2026l\x1b[0m"),
];

/// A size no terminal has, yet a PTY can claim: 65535×65535 cells would be 300 GB of buffer.
const LARGEST: (u16, u16) = (1000, 500);

/// The terminal with everything switched on that the console needs, until dropped.
pub struct Modes {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Held while something is written, so that no frame of the loop's follows what a panicking thread has switched off.
    /// Nothing that can panic may happen under it: the panic hook takes it too.
    phase: Mutex<Phase>,
    panicked: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Off,
    On,
    /// A thread has panicked: the terminal belongs to its report, and nothing is switched on again.
    Over,
}

impl Modes {
    /// Switches everything on and installs the panic hook in front of the one that is there.
    pub fn enter() -> io::Result<Self> {
        let modes = Self { state: Arc::new(State::default()) };
        let state = Arc::clone(&modes.state);
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            state.off(Phase::Over);
            previous(info);
            // The panic may be in a thread whose end nobody awaits.
            state.panicked.notify_one();
        }));
        modes.on()?;
        Ok(modes)
    }

    /// Switches everything on, also when something else (a shell, after SIGSTOP and SIGCONT) has changed it meanwhile.
    pub fn on(&self) -> io::Result<()> {
        let mut phase = self.state.phase();
        if *phase == Phase::Over {
            return Ok(());
        }
        // First, so that whatever fails halfway is undone.
        *phase = Phase::On;
        // crossterm takes raw mode for on if it was switched on once, whatever a shell has made of the terminal since.
        disable_raw_mode()?;
        // crossterm's and not our own: its parser asks whether raw mode is on to tell Ctrl-J from Enter.
        enable_raw_mode()?;
        write_all(MODES.map(|(on, _)| on).concat().as_bytes())
    }

    /// Switches everything off; a second time does nothing.
    pub fn off(&self) {
        self.state.off(Phase::Off);
    }

    /// Whether it is on, that is, whether it is of use to draw.
    pub fn are_on(&self) -> bool {
        *self.state.phase() == Phase::On
    }

    /// Writes a frame, or whatever else is for the terminal as the console has set it up; nothing if it is not.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let phase = self.state.phase();
        if *phase == Phase::On { write_all(bytes) } else { Ok(()) }
    }

    /// Waits until some thread has panicked.
    pub async fn panicked(&self) {
        self.state.panicked.notified().await;
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        self.off();
    }
}

impl State {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn off(&self, next: Phase) {
        let mut phase = self.phase();
        if *phase == Phase::On {
            // Nothing can be done about an error here: the terminal is gone, or will not listen.
            let _ = write_all(MODES.iter().rev().map(|(_, off)| *off).collect::<String>().as_bytes());
            let _ = disable_raw_mode();
        }
        if *phase != Phase::Over {
            *phase = next;
        }
    }
}

/// Writes to the terminal in as few calls as it takes, which is one for a frame.
///
/// Not through `std::io::stdout`, which splits at the last line feed and would write what is left of a torn frame at exit.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Another program on the same terminal may have made the shared file description non-blocking.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&stdout(), PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Columns and rows of the terminal; 80×24 where it does not know, as on a serial line.
pub fn size() -> (u16, u16) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.min(LARGEST.0), size.ws_row.min(LARGEST.1)),
        _ => (80, 24),
    }
}

/// Throws away what was typed or pasted and not yet read.
///
/// Where a signal ends the console in the middle of a paste, the rest of it would be commands to the shell.
pub fn forget_input() {
    let _ = tcflush(stdin(), QueueSelector::IFlush);
}

/// Whether somebody could continue the program if Ctrl-Z stopped it: not where it leads its session, as in a window or a
/// container of its own. There the system ignores the stop of an orphaned process group (POSIX, SIGTSTP); SIGSTOP would
/// stop it for good.
pub fn can_be_continued() -> bool {
    getsid(None).is_ok_and(|leader| leader != getpgrp())
}

/// Whether something was typed or pasted that is not yet read.
pub fn has_input() -> bool {
    is_so(PollFlags::IN)
}

/// Whether the terminal is gone.
pub fn has_hung_up() -> bool {
    is_so(PollFlags::HUP)
}

fn is_so(condition: PollFlags) -> bool {
    let stdin = stdin();
    let mut terminal = [PollFd::new(&stdin, condition)];
    poll(&mut terminal, Some(&Timespec::default())).is_ok() && terminal[0].revents().intersects(condition)
}

/// Who is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// As Ctrl-Z does: a wrapper such as `cargo run` in the same process group as well, or the shell would go on waiting.
    Group,
    /// As a signal does that was sent to this program; others in the group have got their own.
    Program,
}

/// Stops with SIGSTOP, and returns when SIGCONT came. SIGTSTP would only come back to our own handler of it.
pub fn stop(whom: Stopped) -> io::Result<()> {
    match whom {
        Stopped::Group => kill_current_process_group(Signal::STOP)?,
        Stopped::Program => kill_process(getpid(), Signal::STOP)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::MODES;

    #[test]
    fn what_is_switched_on_is_switched_off() {
        for (on, off) in MODES {
            if let Some(mode) = on.strip_prefix("\x1b[?") {
                let (number, set) = mode.split_at(mode.len() - 1);
                let reset = if set == "h" { "l" } else { "h" };
                assert_eq!(off, format!("\x1b[?{number}{reset}"));
            }
        }
    }
}

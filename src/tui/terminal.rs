//! The terminal modes that the console switches on, and the single place that switches them off again.
//!
//! `Modes` is the guard: it undoes everything when it is dropped, and its panic hook does the same before anything is
//! printed, from whichever thread. Around a stop (Ctrl-Z) the event loop calls `off` and `on`. No other code may write
//! such a sequence: with a single list, nothing can be left switched on. The bytes themselves are written by the thread
//! of `writer`. The settings of the terminal (raw mode) are changed by the caller, which never waits for output.

use std::io;
use std::panic;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};

use super::writer::{Phase, Writer, write_all};

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

/// The sequences that have the terminal report clicks and the wheel, or leave them to select text.
pub fn mouse(on: bool) -> Vec<u8> {
    let modes = MODES.iter().filter(|(begin, _)| ["\x1b[?1000h", "\x1b[?1006h"].contains(begin));
    modes.map(|(begin, end)| if on { *begin } else { *end }).collect::<String>().into_bytes()
}

/// A size no terminal has, yet a PTY can claim: 65535×65535 cells would be 300 GB of buffer.
const LARGEST: (u16, u16) = (1000, 500);

/// The terminal with everything switched on that the console needs, until dropped.
pub struct Modes {
    writer: Writer,
}

impl Modes {
    /// Switches everything on and installs the panic hook in front of the one that is there.
    pub fn enter() -> io::Result<Self> {
        let modes = Self { writer: Writer::start(write_all)? };
        let writer = modes.writer.clone();
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            off(&writer, Phase::Over);
            previous(info);
            // The panic may be in a thread that is never joined.
            writer.panicked();
        }));
        modes.on()?;
        Ok(modes)
    }

    /// Switches everything on, also when something else (a shell, after SIGSTOP and SIGCONT) has changed it meanwhile.
    pub fn on(&self) -> io::Result<()> {
        // First, so that whatever fails halfway is undone.
        if !self.writer.claim() {
            return Ok(());
        }
        // crossterm takes raw mode for on if it was switched on once, whatever a shell has made of the terminal since.
        disable_raw_mode()?;
        // crossterm's and not our own: its parser checks raw mode to distinguish Ctrl-J from Enter.
        enable_raw_mode()?;
        self.writer.order(MODES.map(|(on, _)| on).concat().into_bytes());
        self.writer.doubt();
        Ok(())
    }

    /// Switches everything off; a second time does nothing. A terminal that takes nothing is waited for only a moment.
    pub fn off(&self) {
        off(&self.writer, Phase::Off);
    }

    /// Whether it is on, that is, whether it is of use to draw.
    pub fn are_on(&self) -> bool {
        self.writer.phase() == Phase::On
    }

    /// The thread that writes frames, and whatever else is for the terminal as the console has set it up.
    pub const fn writer(&self) -> &Writer {
        &self.writer
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        self.off();
        self.writer.close();
    }
}

fn off(writer: &Writer, next: Phase) {
    if writer.release(next, MODES.iter().rev().map(|(_, off)| *off).collect::<String>().into_bytes()) {
        // Nothing can be done about an error here: the terminal is gone, or will not listen.
        let _ = disable_raw_mode();
    }
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

/// Whether the program could be continued after Ctrl-Z: not if it leads its session, as in its own window or container.
/// There the system ignores the stop of an orphaned process group (POSIX, SIGTSTP); SIGSTOP would stop it permanently.
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
pub enum StopTarget {
    /// As Ctrl-Z does: a wrapper such as `cargo run` in the same process group as well, or the shell would go on waiting.
    Group,
    /// As a signal does that was sent to this program; others in the group have got their own.
    Program,
}

/// Stops with SIGSTOP, and returns when SIGCONT came. SIGTSTP would only come back to our own handler of it.
pub fn stop(whom: StopTarget) -> io::Result<()> {
    match whom {
        StopTarget::Group => kill_current_process_group(Signal::STOP)?,
        StopTarget::Program => kill_process(getpid(), Signal::STOP)?,
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

//! The terminal modes that the console switches on, and the single place that switches them off again.
//!
//! `Modes` is the guard: it undoes everything when it is dropped, and its panic hook does the same before anything is
//! printed, on whichever thread. Before and after a stop (Ctrl-Z) the event loop calls `off` and `on`. No other code
//! may write such a sequence: with a single list, no mode can be left switched on. The thread of `writer` writes the
//! bytes. The caller changes the settings of the terminal (raw mode) and never waits for output.

use std::io;
use std::panic;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};

use super::writer::{Phase, Writer, write_all};

/// Each mode with the sequence that ends it, in the order in which they are switched on. They are switched off in
/// reverse.
///
/// Clicks and the wheel need only 1000 and 1006. crossterm's `EnableMouseCapture` also enables 1003, with which every
/// movement of the mouse wakes the program. The alternate screen is first, so that it is switched off last: the shell's
/// screen reappears when everything else is already restored.
const MODES: [(&str, &str); 6] = [
    ("\x1b[?1049h", "\x1b[?1049l"),
    ("\x1b[?2004h", "\x1b[?2004l"),
    ("\x1b[?1000h", "\x1b[?1000l"),
    ("\x1b[?1006h", "\x1b[?1006l"),
    ("\x1b[?25l", "\x1b[?25h"),
    // A frame that was cut short by an error may have left a colour or an open synchronized update behind.
    ("\x1b[0m", "\x1b[?2026l\x1b[0m"),
];

/// Returns the sequences that make the terminal report clicks and the wheel, or use them to select text.
pub fn mouse(on: bool) -> Vec<u8> {
    let modes = MODES.iter().filter(|(begin, _)| ["\x1b[?1000h", "\x1b[?1006h"].contains(begin));
    modes.map(|(begin, end)| if on { *begin } else { *end }).collect::<String>().into_bytes()
}

/// The maximum columns and rows. A PTY can claim 65535×65535 cells, which would need a buffer of 300 GB.
const LARGEST: (u16, u16) = (1000, 500);

/// The guard of the terminal's modes: everything that the console needs is switched on until it is dropped.
pub struct Modes {
    writer: Writer,
}

impl Modes {
    /// Switches everything on and installs the panic hook in front of the existing one.
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

    /// Switches everything on, even if another program (a shell, after SIGSTOP and SIGCONT) has changed it meanwhile.
    pub fn on(&self) -> io::Result<()> {
        // First, so that a failure halfway is undone.
        if !self.writer.claim() {
            return Ok(());
        }
        // crossterm assumes that raw mode is still on after it was switched on once, even if a shell has changed the
        // terminal since.
        disable_raw_mode()?;
        // crossterm's function and not our own, because its parser checks raw mode to distinguish Ctrl-J from Enter.
        enable_raw_mode()?;
        self.writer.order(MODES.map(|(on, _)| on).concat().into_bytes());
        self.writer.doubt();
        Ok(())
    }

    /// Switches everything off; a second call has no effect. If the terminal is blocked, this waits only for a moment.
    pub fn off(&self) {
        off(&self.writer, Phase::Off);
    }

    /// Whether the modes are on, and drawing therefore makes sense.
    pub fn are_on(&self) -> bool {
        self.writer.phase() == Phase::On
    }

    /// Returns the handle on the thread that writes frames and everything else while the console has the terminal.
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
        // An error cannot be handled here: the terminal has closed or does not respond.
        let _ = disable_raw_mode();
    }
}

/// Returns the columns and rows of the terminal; 80×24 if they are unknown, as on a serial line.
pub fn size() -> (u16, u16) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.min(LARGEST.0), size.ws_row.min(LARGEST.1)),
        _ => (80, 24),
    }
}

/// Discards input that was typed or pasted but not read yet.
///
/// If a signal ends the console in the middle of a paste, the shell would run the rest of it as commands.
pub fn forget_input() {
    let _ = tcflush(stdin(), QueueSelector::IFlush);
}

/// Whether the program could be continued after Ctrl-Z. It could not if it leads its session, as in its own window or
/// container: there the system ignores SIGTSTP for an orphaned process group (POSIX), and SIGSTOP would stop it
/// permanently.
pub fn can_be_continued() -> bool {
    getsid(None).is_ok_and(|leader| leader != getpgrp())
}

/// Whether there is input that was typed or pasted but not read yet.
pub fn has_input() -> bool {
    is_so(PollFlags::IN)
}

/// Whether the terminal has closed.
pub fn has_hung_up() -> bool {
    is_so(PollFlags::HUP)
}

fn is_so(condition: PollFlags) -> bool {
    let stdin = stdin();
    let mut terminal = [PollFd::new(&stdin, condition)];
    poll(&mut terminal, Some(&Timespec::default())).is_ok() && terminal[0].revents().intersects(condition)
}

/// The processes to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopTarget {
    /// The process group, as Ctrl-Z does. It includes a wrapper such as `cargo run`; otherwise the shell would keep
    /// waiting.
    Group,
    /// Only this program, as a signal that was sent to it does. Others in the group have received their own.
    Program,
}

/// Stops with SIGSTOP, and returns after SIGCONT. SIGTSTP would only reach our own handler again.
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

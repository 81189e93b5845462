//! Drives a program in its own terminal: the tests send keys and read the screen as a terminal would show it.
//!
//! The raw output is not searched for screen text, since a frame contains only the cells that changed; `vt100` keeps
//! the screen. Nothing sleeps here: every wait ends with output, with the end of the program, or at a deadline that
//! fails the test.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portable_pty::{CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use vt100::{MouseProtocolEncoding, MouseProtocolMode};

/// The program under test.
pub const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");

/// A text that every screen of the console shows.
pub const HEADER: &str = "F1 help";

/// The keys that quit: the request and its confirmation.
pub const QUIT: &str = "\x03\r";

/// Generous, for a busy machine. A test that passes never waits this long.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a state is polled that no output announces.
const LOOK: Duration = Duration::from_millis(10);

/// A program in a terminal.
pub struct Console {
    /// `None` after [`Console::hang_up`].
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    reader: Option<JoinHandle<()>>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    exit: Receiver<ExitStatus>,
    pid: Pid,
}

struct Seen {
    parser: vt100::Parser,
    /// All output, for text that must never appear in it.
    raw: Vec<u8>,
    has_ended: bool,
    is_closing: bool,
    /// Whether the terminal has stopped reading.
    is_stalled: bool,
}

/// A command that inherits no environment variable that could change its behaviour.
pub fn command(program: impl AsRef<Path>, arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(program.as_ref());
    command.args(arguments);
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env("RUST_BACKTRACE", "0");
    command
}

/// A command line for `sh`, in which `$0` is the console.
pub fn shell(line: &str) -> CommandBuilder {
    command("sh", &["-c", line, PORTCULLIS])
}

fn size(columns: u16, rows: u16) -> (PtySize, NonZeroU16, NonZeroU16) {
    let [width, height] = [columns, rows].map(|n| NonZeroU16::new(n).expect("a size above zero"));
    (PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }, width, height)
}

impl Console {
    /// Starts the console at 120×36 and waits for its first frame.
    pub fn start() -> Self {
        let console = Self::spawn(command(PORTCULLIS, &[]), 120, 36);
        console.wait_for(HEADER);
        console
    }

    /// Starts any command in a terminal of this size.
    pub fn spawn(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let (pty_size, width, height) = size(columns, rows);
        let pair = native_pty_system().openpty(pty_size).expect("a pty");
        let mut child = pair.slave.spawn_command(command).expect("the program");
        // Otherwise the terminal would not close with the program.
        drop(pair.slave);
        let pid = child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("a running child");
        let (ended, exit) = channel();
        thread::spawn(move || ended.send(child.wait().expect("the end of a child")));

        let parser = vt100::Parser::new(height, width, 0);
        let seen = Seen { parser, raw: Vec::new(), has_ended: false, is_closing: false, is_stalled: false };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let mut output = pair.master.try_clone_reader().expect("the output");
        let reader = thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                let mut buffer = [0; 16 * 1024];
                loop {
                    let read = output.read(&mut buffer).unwrap_or(0);
                    let mut now = seen.0.lock().expect("the screen");
                    now.parser.process(&buffer[..read]);
                    now.raw.extend_from_slice(&buffer[..read]);
                    now.has_ended = read == 0;
                    seen.1.notify_all();
                    if read == 0 || now.is_closing {
                        return;
                    }
                    drop(seen.1.wait_while(now, |seen| seen.is_stalled).expect("the screen"));
                }
            }
        });
        let writer = pair.master.take_writer().expect("the input");
        Self { master: Some(pair.master), writer: Some(writer), reader: Some(reader), seen, exit, pid }
    }

    /// Sends the bytes that the keys send.
    pub fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("a terminal");
        writer.write_all(keys.as_bytes()).expect("the keys are written");
        writer.flush().expect("the keys are written");
    }

    /// Pastes text, with or without the marks of a bracketed paste.
    pub fn paste(&mut self, bracketed: bool, text: &str) {
        if bracketed {
            self.keys(&format!("\x1b[200~{text}\x1b[201~"));
        } else {
            self.keys(text);
        }
    }

    /// Resizes the terminal.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (pty_size, width, height) = size(columns, rows);
        self.lock().parser.screen_mut().set_size(height, width);
        self.master.as_ref().expect("a terminal").resize(pty_size).expect("a size");
    }

    /// Sends a signal to the program only.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("a running program");
    }

    /// Closes the terminal like closing its window.
    pub fn hang_up(&mut self) {
        self.lock().is_closing = true;
        // The reading thread also holds the terminal open. A byte that the terminal shows wakes it, also where the program
        // writes nothing more.
        let name = self.master.as_ref().and_then(|master| master.tty_name()).expect("a terminal");
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let mut line = OpenOptions::new().write(true).custom_flags(flags).open(name).expect("a terminal");
        line.write_all(b" ").expect("a terminal");
        drop(line);
        self.reader.take().expect("a terminal").join().expect("the reading thread");
        self.writer = None;
        self.master = None;
    }

    /// Stops reading the program's output from now on, like a stopped terminal.
    pub fn stall(&self) {
        self.lock().is_stalled = true;
    }

    /// Returns the screen as text.
    pub fn screen(&self) -> String {
        self.lock().parser.screen().contents()
    }

    /// Returns the address in the Server pane on the screen.
    pub fn serves_at(&self) -> SocketAddr {
        let screen = self.screen();
        let address = screen.split("SERVING  http://").nth(1).and_then(|rest| rest.split("/mcp").next());
        address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("the address is missing:\n{screen}"))
    }

    /// Writes to the screen as another program on the same terminal would.
    pub fn scribble(&self, output: &str) {
        self.lock().parser.process(output.as_bytes());
    }

    /// Whether the program has ever written this text in one run of bytes.
    pub fn has_written(&self, text: &str) -> bool {
        self.lock().raw.windows(text.len()).any(|bytes| bytes == text.as_bytes())
    }

    /// The length of the longest run of token characters in the whole output.
    pub fn longest_run(&self) -> usize {
        let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        self.lock().raw.split(|byte| !in_token(byte)).map(<[u8]>::len).max().unwrap_or(0)
    }

    /// The command line as shown by `ps`.
    pub fn arguments(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.pid.as_raw_nonzero());
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).replace('\0', " ")
    }

    /// The number of bytes written so far.
    pub fn written(&self) -> usize {
        self.lock().raw.len()
    }

    /// Waits until the screen shows the text.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?} on the screen"), |console| console.screen().contains(text));
    }

    /// Waits until a condition holds. Fails at the deadline and prints the screen.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut left = DEADLINE;
        while !is_so(self) {
            left = left
                .checked_sub(LOOK)
                .unwrap_or_else(|| panic!("timed out after {DEADLINE:?} waiting for {what}:\n{}", self.screen()));
            drop(self.seen.1.wait_timeout(self.lock(), LOOK).expect("the screen"));
        }
    }

    /// Waits until nothing has been written for this long.
    pub fn wait_for_silence(&self, silence: Duration) {
        let mut waits = DEADLINE.as_millis() / silence.as_millis();
        while self.written_within(silence) > 0 {
            waits = waits
                .checked_sub(1)
                .unwrap_or_else(|| panic!("the output does not stop for {silence:?}:\n{}", self.screen()));
        }
    }

    /// Returns how many bytes the program writes within this time, and returns early once there are any.
    pub fn written_within(&self, time: Duration) -> usize {
        let before = self.written();
        let unchanged = |seen: &mut Seen| seen.raw.len() == before && !seen.has_ended;
        let (seen, _) = self.seen.1.wait_timeout_while(self.lock(), time, unchanged).expect("the screen");
        seen.raw.len() - before
    }

    /// Waits until the program has exited and its output has been read, and returns its exit code.
    pub fn wait_exit(&self) -> u32 {
        let status = self.exit.recv_timeout(DEADLINE);
        let status = status.unwrap_or_else(|_| panic!("still running after {DEADLINE:?}:\n{}", self.screen()));
        let is_read = !self.lock().is_stalled;
        if self.master.is_some() && is_read {
            self.wait_until("end of the output", |console| console.lock().has_ended);
        }
        assert_eq!(status.signal(), None, "ended by a signal it did not handle");
        status.exit_code()
    }

    /// Whether all terminal modes of the console are on.
    pub fn is_drawn(&self) -> bool {
        let modes = {
            let seen = self.lock();
            let screen = seen.parser.screen();
            screen.alternate_screen()
                && screen.bracketed_paste()
                && screen.mouse_protocol_mode() == MouseProtocolMode::PressRelease
                && screen.mouse_protocol_encoding() == MouseProtocolEncoding::Sgr
                && screen.contents().contains(HEADER)
        };
        modes && !self.is_cooked()
    }

    /// Whether the terminal is in the state that a shell expects.
    pub fn is_restored(&self) -> bool {
        let modes = {
            let seen = self.lock();
            let screen = seen.parser.screen();
            !screen.alternate_screen()
                && !screen.bracketed_paste()
                && !screen.hide_cursor()
                && screen.mouse_protocol_mode() == MouseProtocolMode::None
        };
        modes && self.is_cooked()
    }

    /// Whether line editing, echo and signals by Ctrl-C are on. Fails if only some of them are.
    fn is_cooked(&self) -> bool {
        let termios = self.master.as_ref().expect("a terminal").get_termios().expect("the state of the terminal");
        let flags = format!("{:?} {:?}", termios.local_flags, termios.output_flags);
        let on = ["ICANON", "ECHO", "ISIG", "OPOST"].map(|flag| flags.split([' ', '(', ')', '|']).any(|f| f == flag));
        assert!(on.iter().all(|flag| *flag == on[0]), "only a part of raw mode is on: {flags}");
        on[0]
    }

    /// Whether the program is stopped.
    #[cfg(target_os = "linux")]
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    }

    /// The number of context switches of all threads of the program, if the system reports it.
    pub fn context_switches(&self) -> Option<u64> {
        let mut sum = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero())).ok()? {
            let status = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
            let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            sum += counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<u64>();
        }
        Some(sum)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().expect("the screen")
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Not after it has been reaped, because its process ID may have been reused.
        if matches!(self.exit.try_recv(), Err(TryRecvError::Empty)) {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// Waits for a process that is not our child to exit.
#[cfg(target_os = "linux")]
pub fn wait_for_end(pid: u32) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, pidfd_open};

    let pid = Pid::from_raw(pid.cast_signed()).expect("a process id");
    // If it cannot be opened, the process has already exited.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    let deadline = Timespec::try_from(DEADLINE).expect("a short time");
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&deadline)).expect("poll");
    assert_eq!(ended, 1, "process {pid:?} is still running after {DEADLINE:?}");
}

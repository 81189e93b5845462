//! A program in a terminal of its own, as the tests drive it: keys in, and the screen as a terminal would show it.
//!
//! The raw output is never searched, since a frame holds only the cells that changed; `vt100` keeps the screen. Nothing
//! here sleeps: every wait ends with output, with the end of the program, or at a deadline that fails the test.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portable_pty::{CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use vt100::{MouseProtocolEncoding, MouseProtocolMode};

/// The program under test.
pub const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");

/// What every screen of the console shows, whatever else it does.
pub const HEADER: &str = "portcullis";

/// The keys that quit: asked once, answered.
pub const QUIT: &str = "\x03\r";

/// Generous, for a machine with much else to do; a test that passes waits for none of it.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a state is looked at that no output announces.
const LOOK: Duration = Duration::from_millis(10);

/// A program in a terminal.
pub struct Console {
    /// `None` once hung up.
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    reader: Option<JoinHandle<()>>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    exit: Receiver<ExitStatus>,
    pid: Pid,
}

struct Seen {
    parser: vt100::Parser,
    /// All of it, for what must never have been there.
    raw: Vec<u8>,
    has_ended: bool,
    is_closing: bool,
    /// The terminal takes nothing.
    is_stalled: bool,
}

/// A command with nothing inherited that could change what it does.
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

/// A line for `sh` to run, in which `$0` is the console.
pub fn shell(line: &str) -> CommandBuilder {
    command("sh", &["-c", line, PORTCULLIS])
}

fn size(columns: u16, rows: u16) -> (PtySize, NonZeroU16, NonZeroU16) {
    let [width, height] = [columns, rows].map(|n| NonZeroU16::new(n).expect("a size above zero"));
    (PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }, width, height)
}

impl Console {
    /// The console at 120×36, with its first frame drawn.
    pub fn start() -> Self {
        let console = Self::spawn(command(PORTCULLIS, &[]), 120, 36);
        console.wait_for(HEADER);
        console
    }

    /// Any command, in a terminal of this size.
    pub fn spawn(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let (pty_size, width, height) = size(columns, rows);
        let pair = native_pty_system().openpty(pty_size).expect("a pty");
        let mut child = pair.slave.spawn_command(command).expect("the program");
        // Or the terminal would not end with the program.
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

    /// Sends what the keys would send.
    pub fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("a terminal");
        writer.write_all(keys.as_bytes()).expect("keys to be taken");
        writer.flush().expect("keys to be taken");
    }

    /// Pastes, with or without the marks by which a terminal says that it is a paste.
    pub fn paste(&mut self, bracketed: bool, text: &str) {
        if bracketed {
            self.keys(&format!("\x1b[200~{text}\x1b[201~"));
        } else {
            self.keys(text);
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (pty_size, width, height) = size(columns, rows);
        self.lock().parser.screen_mut().set_size(height, width);
        self.master.as_ref().expect("a terminal").resize(pty_size).expect("a size");
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("a running program");
    }

    /// Closes the terminal, as a closed window does.
    pub fn hang_up(&mut self) {
        self.lock().is_closing = true;
        // The reading thread holds the terminal open too; a frame makes it look up.
        self.resize(81, 25);
        self.reader.take().expect("a terminal").join().expect("the reading thread");
        self.writer = None;
        self.master = None;
    }

    /// Takes nothing of what the program writes from now on, as a terminal that is stopped.
    pub fn stall(&self) {
        self.lock().is_stalled = true;
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        self.lock().parser.screen().contents()
    }

    /// Where it serves, as the Server pane on the screen says.
    pub fn serves_at(&self) -> SocketAddr {
        let screen = self.screen();
        let address = screen.split("SERVING  http://").nth(1).and_then(|rest| rest.split("/mcp").next());
        address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address:\n{screen}"))
    }

    /// Writes onto the screen as another program on the same terminal would.
    pub fn scribble(&self, output: &str) {
        self.lock().parser.process(output.as_bytes());
    }

    /// Whether the program has ever written this, in one run of bytes.
    pub fn has_written(&self, text: &str) -> bool {
        self.lock().raw.windows(text.len()).any(|bytes| bytes == text.as_bytes())
    }

    /// The longest run of letters that a token is made of, of all that the program has written.
    pub fn longest_run(&self) -> usize {
        let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        self.lock().raw.split(|byte| !in_token(byte)).map(<[u8]>::len).max().unwrap_or(0)
    }

    /// The command line, as `ps` shows it.
    pub fn arguments(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.pid.as_raw_nonzero());
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).replace('\0', " ")
    }

    /// How many bytes the program has written so far.
    pub fn written(&self) -> usize {
        self.lock().raw.len()
    }

    /// Waits until the screen shows the text.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?} on the screen"), |console| console.screen().contains(text));
    }

    /// Waits until something is so. Fails at the deadline, and shows the screen.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut left = DEADLINE;
        while !is_so(self) {
            left =
                left.checked_sub(LOOK).unwrap_or_else(|| panic!("no {what} within {DEADLINE:?}:\n{}", self.screen()));
            drop(self.seen.1.wait_timeout(self.lock(), LOOK).expect("the screen"));
        }
    }

    /// Waits until nothing has been written for so long.
    pub fn wait_for_silence(&self, silence: Duration) {
        let mut waits = DEADLINE.as_millis() / silence.as_millis();
        while self.written_within(silence) > 0 {
            waits = waits.checked_sub(1).unwrap_or_else(|| panic!("no silence of {silence:?}:\n{}", self.screen()));
        }
    }

    /// How many bytes the program writes within this time; returns early if there are any.
    pub fn written_within(&self, time: Duration) -> usize {
        let before = self.written();
        let unchanged = |seen: &mut Seen| seen.raw.len() == before && !seen.has_ended;
        let (seen, _) = self.seen.1.wait_timeout_while(self.lock(), time, unchanged).expect("the screen");
        seen.raw.len() - before
    }

    /// Waits for the end of the program, and of all it wrote; its exit code.
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

    /// Whether everything is switched on that the console needs.
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

    /// Whether the terminal is as a shell wants it.
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

    /// Whether lines are edited and echoed and Ctrl-C is a signal: all, or nothing of it.
    fn is_cooked(&self) -> bool {
        let termios = self.master.as_ref().expect("a terminal").get_termios().expect("the state of the terminal");
        let flags = format!("{:?} {:?}", termios.local_flags, termios.output_flags);
        let on = ["ICANON", "ECHO", "ISIG", "OPOST"].map(|flag| flags.split([' ', '(', ')', '|']).any(|f| f == flag));
        assert!(on.iter().all(|flag| *flag == on[0]), "half of raw mode: {flags}");
        on[0]
    }

    /// Whether the program is stopped, where the system tells; elsewhere that it is not.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    }

    /// How often any thread of the program has run and stopped, where the system tells.
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
        // Not once its end has been told: the number may be another's by then.
        if matches!(self.exit.try_recv(), Err(TryRecvError::Empty)) {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// Waits for the end of a process that is not our child.
pub fn wait_for_end(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process id");
    // None: it has ended before it could be looked at.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    let deadline = Timespec::try_from(DEADLINE).expect("a short time");
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&deadline)).expect("poll");
    assert_eq!(ended, 1, "process {pid:?} still runs after {DEADLINE:?}");
}

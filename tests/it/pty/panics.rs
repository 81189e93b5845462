//! The state of the terminal after a panic.
//!
//! The console that panics is this test program, run a second time in a terminal: an ignored test runs the console with
//! a clock that panics when the terminal has 30 rows. The console itself contains no code for this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use portable_pty::CommandBuilder;
use portcullis::AuthenticatedMcpServer;
use portcullis::app::{App, InitialState, Times};
use portcullis::auth::NumericDate;
use portcullis::clock::{Clock, SystemClock};
use portcullis::gate::Snapshot;
use portcullis::issuer_keys::KeyFollower;
use portcullis::store::Memory;
use portcullis::tui::{self, TuiError};
use rstest::rstest;

use super::console::{Console, HEADER, command};

pub const ROWS: u16 = 30;
pub const SECRET: &str = "a-secret-that-no-report-may-hold";
pub const REPORT: &str = "the clock has stopped";

struct BrokenClock {
    clock: SystemClock,
    in_another_thread: bool,
    has_stopped: AtomicBool,
}

impl Clock for BrokenClock {
    fn now(&self) -> NumericDate {
        let rows = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| size.ws_row);
        if rows == ROWS && !self.has_stopped.swap(true, Ordering::SeqCst) {
            if self.in_another_thread {
                thread::spawn(|| panic!("{REPORT}"));
            } else {
                panic!("{REPORT}");
            }
        }
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

fn run(in_another_thread: bool) -> Result<(), TuiError> {
    let clock = BrokenClock { clock: SystemClock::new(), in_another_thread, has_stopped: AtomicBool::new(false) };
    let gate = AuthenticatedMcpServer::new(SECRET).expect("a key");
    let times = Times { real: clock.clock.now(), judged: clock.clock.now(), mono: Duration::ZERO };
    let app = App::new(InitialState::new(gate.shared().read(Snapshot::of), times));
    let store = Arc::new(Memory::default());
    let keys = KeyFollower::new(&gate);
    let start = tui::Start {
        app,
        gate,
        clock: Arc::new(clock),
        server: None,
        store,
        edition: None,
        signing_file: None,
        keys,
        foreign: tui::foreign::Foreign::default(),
    };
    tui::run(start)
}

#[test]
#[ignore = "not a test: the console that the test below runs in a terminal"]
fn in_the_loop() {
    let _ = run(false);
}

#[test]
#[ignore = "not a test: the console that the test below runs in a terminal"]
fn in_another_thread() {
    assert!(matches!(run(true), Err(TuiError::Panicked)));
}

/// The command for a console that panics when the terminal has [`ROWS`] rows, with this setting of the backtrace.
pub fn panicking(program: &str, backtrace: &str) -> CommandBuilder {
    let this = std::env::current_exe().expect("the path of this program");
    let arguments = [&format!("pty::panics::{program}"), "--exact", "--ignored", "--nocapture"];
    let mut command = command(this, &arguments);
    command.env("RUST_BACKTRACE", backtrace);
    command
}

#[rstest]
#[case("in_the_loop", 101)]
#[case("in_another_thread", 0)]
fn a_panic_restores_the_terminal_and_its_report_is_shown(#[case] program: &str, #[case] code: u32) {
    let console = Console::spawn(panicking(program, "0"), 120, 36);
    console.wait_for(HEADER);
    console.wait_until("a drawn console", Console::is_drawn);
    console.resize(100, ROWS);
    assert_eq!(console.wait_exit(), code);
    assert!(console.is_restored());
    assert!(console.screen().contains(REPORT), "{}", console.screen());
}

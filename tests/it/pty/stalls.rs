//! The console keeps working while something outside hangs: another process that keeps the state file locked, or a
//! terminal that stops reading.

use std::fs::File;

use rustix::process::Signal;

use super::console::{Console, HEADER, PORTCULLIS, command};
use crate::cli::{Folder, SECRET, portcullis};
use crate::serving::call_status;

/// A console that serves and stores revocations in this file.
fn serving(state: &str) -> Console {
    let mut started = command(PORTCULLIS, &["--serve", "127.0.0.1:0", "--rate", "off", "--state", state]);
    started.env("PORTCULLIS_SECRET", SECRET);
    let mut console = Console::spawn(started, 120, 36);
    console.wait_for(HEADER);
    console.keys("\x1b[15~");
    console.wait_for("SERVING");
    console
}

/// One key at a time, because several lines at once would be a paste.
fn issue(console: &mut Console) {
    console.keys("\x1bOQ");
    console.wait_for("Enter edit");
    console.keys("\r");
    console.wait_for("Esc panes");
    console.keys("user123\r");
    console.wait_for("VALID");
}

#[test]
fn a_lock_held_by_another_process_delays_neither_keys_nor_signals() {
    let folder = Folder::new();
    let state = folder.path("state.json");
    let lock = File::create(folder.path("state.json.lock")).expect("a lock file");
    lock.lock().expect("the lock is free");
    let mut console = serving(state.to_str().expect("UTF-8"));
    issue(&mut console);
    console.keys("\x1b2 ");
    console.wait_for("REVOKED");
    // The call is refused immediately, and each key changes the frame.
    console.keys("\x1b4\r");
    console.wait_for("UNAUTHORIZED");
    console.keys("\x1bOR");
    console.wait_for("Matrix");
    console.signal(Signal::TERM);
    assert_eq!(console.wait_exit(), 143);
    assert!(console.is_restored());
    let screen = console.screen();
    assert!(screen.contains("1 revocation change not saved to the state file"), "{screen}");
    assert!(!state.exists());
    drop(lock);
}

#[test]
fn a_pending_revocation_is_saved_before_the_console_exits() {
    let folder = Folder::new();
    let state = folder.path("state.json");
    let mut console = serving(state.to_str().expect("UTF-8"));
    issue(&mut console);
    console.keys("\x1b2 ");
    console.wait_for("REVOKED");
    console.signal(Signal::TERM);
    assert_eq!(console.wait_exit(), 143);
    let list = portcullis(&["revoke", "--state", state.to_str().expect("UTF-8"), "--list"]).out();
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(!console.screen().contains("not saved"), "{}", console.screen());
}

#[test]
fn a_stalled_terminal_delays_no_client_revocation_or_signal() {
    let folder = Folder::new();
    let state = folder.path("state.json").to_str().expect("UTF-8").to_owned();
    let mut console = serving(&state);
    let address = console.serves_at();
    let audience = format!("http://{address}/mcp");
    let token = portcullis(&["issue", "user123", "-p", "user", "--audience", &audience]).out().trim().to_owned();
    let call = || call_status(address, Some(&token), "read_data");
    assert_eq!(call(), 200);
    console.stall();
    // Each of these needs a whole frame, far more than the system buffers for a terminal.
    for turn in 0..300 {
        console.keys("\x1bOQ");
        console.resize(100 + turn % 2, 30);
        console.keys("\x1b[15~");
        assert_eq!(call(), 200, "clients must be served");
    }
    portcullis(&["revoke", "--state", &state, &token]).out();
    assert!((0..20_000).any(|_| call() == 401), "the revocation is never enforced");
    console.signal(Signal::TERM);
    assert_eq!(console.wait_exit(), 143);
}

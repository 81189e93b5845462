//! What must go on although something outside takes for ever: another process that keeps the state file locked.

use std::fs::File;

use rustix::process::Signal;

use super::console::{Console, HEADER, PORTCULLIS, command};
use crate::cli::{Folder, SECRET, portcullis};

/// A console that serves, and keeps revocations in this file.
fn serving(state: &str) -> Console {
    let mut started = command(PORTCULLIS, &["--serve", "127.0.0.1:0", "--rate", "off", "--state", state]);
    started.env("PORTCULLIS_SECRET", SECRET);
    let mut console = Console::spawn(started, 120, 36);
    console.wait_for(HEADER);
    console.keys("\x1b[15~");
    console.wait_for("SERVING");
    console
}

#[test]
fn a_lock_that_another_holds_keeps_no_key_and_no_signal_waiting() {
    let folder = Folder::new();
    let state = folder.path("state.json");
    let lock = File::create(folder.path("state.json.lock")).expect("a lock file");
    lock.lock().expect("nobody holds it");
    let mut console = serving(state.to_str().expect("UTF-8"));
    console.keys("\x1bOQ\x1b1user123\r");
    console.wait_for("VALID");
    console.keys("\x1b2 ");
    console.wait_for("REVOKED");
    // Refused at once, and each key changes the frame.
    console.keys("\x1b4\r");
    console.wait_for("UNAUTHORIZED");
    console.keys("\x1bOR");
    console.wait_for("Matrix");
    console.signal(Signal::TERM);
    assert_eq!(console.wait_exit(), 143);
    assert!(console.is_restored());
    let screen = console.screen();
    assert!(screen.contains("not saved in the state file: 1 change of revocations"), "{screen}");
    assert!(!state.exists());
    drop(lock);
}

#[test]
fn a_revocation_that_is_quit_upon_is_saved_first() {
    let folder = Folder::new();
    let state = folder.path("state.json");
    let mut console = serving(state.to_str().expect("UTF-8"));
    console.keys("\x1bOQ\x1b1user123\r");
    console.wait_for("VALID");
    console.keys("\x1b2 ");
    console.wait_for("REVOKED");
    console.signal(Signal::TERM);
    assert_eq!(console.wait_exit(), 143);
    let list = portcullis(&["revoke", "--state", state.to_str().expect("UTF-8"), "--list"]).out();
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(!console.screen().contains("not saved"), "{}", console.screen());
}

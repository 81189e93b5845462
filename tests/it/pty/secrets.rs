//! The lab's example in a real terminal, and places that must not contain the secret: the screen, the arguments, a
//! panic report.

use super::console::{Console, PORTCULLIS, QUIT, command};
use super::panics::{self, REPORT, ROWS, panicking};

const SECRET: &str = "quite-a-secret-of-more-than-32-bytes";

#[test]
fn the_lab_example_works_and_the_secret_is_never_shown() {
    let mut started = command(PORTCULLIS, &["--leeway", "0s"]);
    started.env("PORTCULLIS_SECRET", SECRET);
    let mut console = Console::spawn(started, 120, 36);
    console.wait_for("1 Issue");
    console.keys("\r");
    console.keys("user123\r");
    console.wait_for("VALID  1h 00m left");
    console.keys("\x1b4");
    console.wait_for("Enter call");
    console.keys("\r");
    console.wait_for(r#"{"success":true,"result":{"id":1}}"#);
    console.keys("\x1b[C\r");
    console.wait_for(r#"{"error":"forbidden"}"#);
    console.keys("\x13");
    console.wait_for("settings");
    console.keys("\x1b[A\x1b[C\r");
    console.wait_for("Enter the signing key");
    // Shorter than a burst, so it counts as typed.
    console.keys(SECRET.split_at(20).0);
    console.wait_for("20 characters; never shown");
    let arguments = console.arguments();
    assert!(arguments.contains("--leeway") && !arguments.contains("secret"), "{arguments}");
    assert!(!console.has_written(SECRET.split_at(8).0) && !console.screen().contains(SECRET.split_at(8).0));
    console.keys("\x1b");
    console.wait_for("Enter apply  ");
    console.keys("\x1b");
    console.wait_for("Enter call");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
    assert!(console.is_restored());
}

#[test]
fn a_panic_report_with_a_full_backtrace_contains_no_secret_and_no_token() {
    let mut console = Console::spawn(panicking("in_the_loop", "full"), 120, 36);
    console.wait_for("1 Issue");
    console.keys("\r");
    console.keys("user123\r");
    console.wait_for("VALID");
    console.resize(100, ROWS);
    console.wait_exit();
    assert!(console.is_restored());
    assert!(console.has_written(REPORT) && console.has_written("portcullis::tui"));
    assert!(!console.has_written(panics::SECRET));
    // A whole token is a run of 240 characters; Inspect shows only parts of it.
    assert!(console.longest_run() < 160, "a run of {}", console.longest_run());
}

#[test]
fn a_command_in_a_terminal_warns_about_a_token_in_its_arguments() {
    let token = crate::cli::issue("user123", "user");
    let mut started = command(PORTCULLIS, &["check", &token, "read_data"]);
    started.env("PORTCULLIS_SECRET", crate::cli::SECRET);
    let console = Console::spawn(started, 200, 36);
    console.wait_for(
        "other users of this machine can see a token in the arguments; use PORTCULLIS_TOKEN, - (standard input)",
    );
    assert_eq!(console.wait_exit(), 0);
}

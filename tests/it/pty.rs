//! The real program in its own terminal: the state it leaves on every way of exiting, and the input that reaches it.
//!
//! Nearly all of these tests rely on a single word of the screen, so they pass whatever else the console shows.

mod console;
mod panics;
mod secrets;
mod stalls;

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::serving::call_status;
#[cfg(target_os = "linux")]
use console::wait_for_end;
use console::{Console, HEADER, PORTCULLIS, QUIT, command, shell};
use rstest::rstest;
use rustix::process::Signal;

/// Longer than the pause that ends a burst, so later input counts as typed.
const TYPED: Duration = Duration::from_millis(400);

/// Silence after which a paste is complete.
const SILENCE: Duration = Duration::from_secs(8);

#[test]
fn quitting_restores_the_terminal() {
    let mut console = Console::start();
    assert!(console.is_drawn());
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
    assert!(console.is_restored());
}

#[rstest]
#[case(Signal::TERM)]
#[case(Signal::HUP)]
#[case(Signal::INT)]
#[case(Signal::QUIT)]
fn a_signal_restores_the_terminal_and_sets_the_exit_code(#[case] signal: Signal) {
    let console = Console::start();
    console.signal(signal);
    assert_eq!(console.wait_exit(), 128 + signal.as_raw().cast_unsigned());
    assert!(console.is_restored());
}

#[test]
fn a_hang_up_ends_the_console_even_if_sighup_was_ignored() {
    let console = Console::spawn(shell("trap '' HUP; exec \"$0\""), 120, 36);
    console.wait_for(HEADER);
    console.signal(Signal::HUP);
    assert_eq!(console.wait_exit(), 129);
    assert!(console.is_restored());
}

#[test]
fn closing_the_terminal_ends_the_console() {
    let mut console = Console::start();
    console.hang_up();
    assert_eq!(console.wait_exit(), 129);
}

/// In its own session the program gets no SIGHUP, so only the terminal itself shows that it is gone.
#[test]
#[cfg(target_os = "linux")]
fn closing_the_terminal_ends_the_console_without_a_signal() {
    // Without job control, the shell would give it /dev/null as its input.
    let line = r#"trap "" HUP; setsid sh -c 'echo "pid $$ "; read -r go; exec "$0"' "$0" < /dev/tty & wait"#;
    let mut console = Console::spawn(shell(line), 120, 36);
    console.wait_for("pid ");
    let screen = console.screen();
    let pid = screen.split_whitespace().nth(1).and_then(|pid| pid.parse().ok()).expect("a process id");
    console.keys("\r");
    console.wait_for(HEADER);
    console.hang_up();
    wait_for_end(pid);
}

#[test]
fn ctrl_z_returns_to_the_shell_and_fg_restores_the_console() {
    let mut console =
        Console::spawn(shell(r#"set -m; "$0"; echo "stopped $?"; read -r go; fg; echo "ended $?""#), 120, 36);
    console.wait_for(HEADER);
    console.wait_until("a drawn console", Console::is_drawn);
    console.keys("\x1a");
    console.wait_for("stopped");
    assert!(console.is_restored());
    console.keys("go\r");
    console.wait_until("a drawn console", Console::is_drawn);
    console.keys(QUIT);
    console.wait_for("ended 0");
    assert!(console.is_restored());
    assert_eq!(console.wait_exit(), 0);
}

/// As in a window or container without a shell that could resume the program.
#[test]
fn ctrl_z_does_nothing_without_a_shell() {
    let mut console = Console::start();
    console.keys("\x1a");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn sigtstp_restores_the_terminal_and_sigcont_redraws_the_frame() {
    let mut console = Console::start();
    for _ in 0..3 {
        console.signal(Signal::TSTP);
        console.wait_until("stop", Console::is_stopped);
        console.wait_until("restored terminal", Console::is_restored);
        console.scribble("\x1b[2J\x1b[Hwhat the shell wrote");
        console.signal(Signal::CONT);
        console.wait_until("a drawn console", Console::is_drawn);
    }
    assert!(!console.screen().contains("the shell"), "{}", console.screen());
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
    assert!(console.is_restored());
}

/// SIGSTOP cannot be caught, so the shell gets the terminal in the console's modes.
#[test]
fn sigcont_after_sigstop_switches_all_terminal_modes_on_again() {
    let mut console = Console::start();
    console.signal(Signal::STOP);
    console.scribble("\x1b[?2004l\x1b[?1000l\x1b[?1049l\x1b[2J");
    console.signal(Signal::CONT);
    console.wait_until("a drawn console", Console::is_drawn);
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
    assert!(console.is_restored());
}

#[rstest]
#[case::input_from_a_file(r#""$0" </dev/null"#)]
#[case::output_into_a_pipe(r#"exit "$({ { "$0"; echo $? >&3; } | cat >&2; } 3>&1)""#)]
#[case::a_dumb_terminal(r#"TERM=dumb "$0""#)]
#[case::no_term(r#"unset TERM; "$0""#)]
fn without_a_terminal_the_program_prints_one_line(#[case] line: &str) {
    let console = Console::spawn(shell(line), 250, 10);
    assert_eq!(console.wait_exit(), 2);
    let screen = console.screen();
    assert_eq!(screen.lines().filter(|line| !line.is_empty()).count(), 1, "{screen}");
    assert!(screen.contains("`portcullis --help`"), "{screen}");
    assert!(console.is_restored());
}

#[test]
fn without_standard_streams_on_a_terminal_the_exit_code_is_2() {
    let output = Command::new(PORTCULLIS).stdin(Stdio::null()).output().expect("the program");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    assert!(output.stdout.is_empty());
}

#[test]
fn the_frame_has_the_last_size_after_five_hundred_resizes() {
    let mut console = Console::start();
    for step in 0..500 {
        console.resize(20 + step % 200, 5 + step % 60);
    }
    console.resize(90, 28);
    console.wait_for_silence(TYPED);
    console.wait_until("a drawn console", Console::is_drawn);
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

#[test]
fn the_console_sleeps_without_a_countdown() {
    let console = Console::start();
    console.wait_for_silence(TYPED);
    let switches = console.context_switches();
    assert_eq!(console.written_within(Duration::from_secs(2)), 0);
    assert_eq!(console.context_switches(), switches);
}

#[test]
fn a_burst_that_contains_the_quit_keys_does_not_quit() {
    let mut console = Console::start();
    console.paste(false, &format!("{}{QUIT}{QUIT}\x1a", "x".repeat(64)));
    console.wait_for_silence(TYPED);
    console.resize(110, 34);
    console.wait_until("a drawn console", Console::is_drawn);
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

/// A raw paste ends only with silence. If a busy machine stalls this test in the middle of the paste, it rightly counts
/// as two; hence three attempts.
#[rstest]
#[case::bracketed(true, 1)]
#[case::raw(false, 3)]
fn a_paste_of_a_mebibyte_arrives_whole(#[case] bracketed: bool, #[case] attempts: usize) {
    let arrives = || {
        let mut console = Console::start();
        console.paste(bracketed, &".".repeat(1 << 20));
        while !console.screen().contains("1.0 MiB") || !console.screen().contains("too_large") {
            if console.written_within(SILENCE) == 0 {
                return false;
            }
        }
        console.wait_for_silence(TYPED);
        console.keys(QUIT);
        assert_eq!(console.wait_exit(), 0);
        console.is_restored()
    };
    assert!((0..attempts).any(|_| arrives()));
}

/// The console waits for the end mark for ever, so typed keys do not get through, but a signal must.
#[test]
fn a_signal_ends_the_console_during_an_unterminated_paste() {
    let mut console = Console::start();
    console.keys("\x1b[200~a paste without an end");
    console.keys(QUIT);
    console.resize(100, 30);
    console.wait_for_silence(TYPED);
    console.signal(Signal::TERM);
    assert_eq!(console.wait_exit(), 143);
    assert!(console.is_restored());
}

#[test]
fn the_console_starts_and_quits_without_colours() {
    let mut plain = command(PORTCULLIS, &[]);
    plain.env("NO_COLOR", "1");
    let mut console = Console::spawn(plain, 80, 24);
    console.wait_for("F1 help");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

/// The keys are read on another thread, whose answer wakes the loop.
#[test]
fn an_issuer_is_added_by_its_address_and_its_keys_arrive_without_input() {
    let signer = crate::issuer_keys::key();
    let server = crate::issuer_keys::TestServer::of(crate::issuer_keys::set(&[&signer]));
    let mut console = Console::start();
    console.keys("\x1b[17~");
    console.wait_for("+ add an issuer");
    console.keys("\x1b[B\r");
    console.wait_for("the issuer's URL, by discovery");
    console.keys("\x1b[Z\x1b[C\t");
    console.paste(true, &server.url("/jwks"));
    console.wait_for(&server.url("/jwks"));
    // An Enter right after a paste belongs to it.
    console.wait_for_silence(TYPED);
    console.keys("\r");
    console.wait_for("any iss: 1 key fetched");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

/// The state of keys that nothing fetches comes from the configuration.
#[test]
fn an_issuer_with_a_secret_file_is_listed_with_that_file() {
    let folder = crate::cli::Folder::new();
    folder.write("secret", "a-secret-of-thirty-two-bytes-ok!");
    let config = folder.write("p.toml", "[[issuers]]\nissuer = \"https://id.example\"\nsecret-file = \"secret\"\n");
    let mut console = Console::spawn(command(PORTCULLIS, &["--config", &config]), 120, 36);
    console.wait_for(HEADER);
    console.keys("\x1b[17~");
    console.wait_for("+ add an issuer");
    console.keys("\x1b[B");
    console.wait_for("not refreshed");
    console.wait_for("fixed");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

/// The only test that relies on a pane: nothing but the drill wakes the loop.
#[test]
fn a_drill_in_real_time_finishes_without_input() {
    let mut console = Console::start();
    console.keys("\x1bOS");
    console.wait_for("Timeline");
    // A new token valid for 3 s, in real time.
    console.keys("3\x1b[C\t\t\t\x1b[C\r");
    console.wait_for("PASSED: refused from exp");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

/// An event from another thread wakes the loop, and quitting ends that thread too.
#[test]
fn a_client_call_appears_on_the_screen_and_quitting_stops_the_server() {
    let mut console = Console::spawn(command(PORTCULLIS, &["--serve", "127.0.0.1:0"]), 120, 36);
    console.wait_for(HEADER);
    console.keys("\x1b[15~");
    console.wait_for("SERVING");
    let address = console.serves_at();
    assert_eq!(call_status(address, None, "read_data"), 401);
    console.wait_for("no token was sent");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// A variable that is set elsewhere must not keep this machine from the other servers.
#[test]
fn a_target_whose_header_cannot_be_read_does_not_stop_the_console() {
    let folder = crate::cli::Folder::new();
    let target = "[[targets]]\nname = \"staging\"\nurl = \"http://127.0.0.1:9/mcp\"\nheaders = { X-Key = \"env:STAGING_KEY\" }\n";
    let config = folder.write("portcullis.toml", target);
    let mut console = Console::spawn(command(PORTCULLIS, &["--config", &config]), 120, 36);
    console.wait_for(HEADER);
    console.keys("\x1b[18~");
    console.wait_for("staging");
    console.keys("\x1b[B");
    console.keys("\r");
    console.wait_for("STAGING_KEY");
    console.keys(QUIT);
    assert_eq!(console.wait_exit(), 0);
}

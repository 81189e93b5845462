//! How `portcullis serve` ends: by a signal, with 128 and its number, from the first moment on.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{PORTCULLIS, SECRET};

fn serve(options: &[&str]) -> Command {
    let mut command = Command::new(PORTCULLIS);
    command.arg("serve").args(options).env_clear().envs([("HOME", "/nonexistent"), ("PORTCULLIS_SECRET", SECRET)]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Sends the program a signal. Fails unless the program then ends by itself, with the exit code for the signal.
fn assert_ends_by(signal: Signal, mut child: Child) {
    // Waiting would close it, and its end would end the program too.
    let _stdin = child.stdin.take();
    kill_process(Pid::from_child(&child), signal).expect("it runs");
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), status.core_dumped()), (Some(128 + signal.as_raw()), false), "{status}");
}

#[rstest]
#[case(Signal::TERM)]
#[case(Signal::INT)]
#[case(Signal::HUP)]
#[case(Signal::QUIT)]
fn a_signal_is_the_exit_code_even_right_behind_the_first_line(#[case] number: Signal) {
    for _ in 0..5 {
        let mut child = serve(&["--listen", "127.0.0.1:0"]).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("UTF-8");
        assert_ends_by(number, child);
        assert!(line.starts_with("serving http://127.0.0.1:"), "{line}");
    }
}

#[rstest]
#[case(Signal::TERM)]
#[case(Signal::INT)]
#[case(Signal::HUP)]
#[case(Signal::QUIT)]
fn over_standard_streams_a_signal_is_the_exit_code_too(#[case] number: Signal) {
    let mut child = serve(&["--stdio"]).spawn().expect("the program starts");
    // Its first sentence says that it runs: there is no token.
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().expect("a pipe")).read_line(&mut line).expect("UTF-8");
    assert_ends_by(number, child);
    assert!(line.contains("no token, so every call is unauthorized"), "{line}");
}

/// A pipe that nobody reads is full at some time, and what is printed must not keep a signal waiting then.
#[test]
fn a_signal_ends_it_though_nobody_reads_what_it_prints() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe that does not block");
    while rustix::io::write(&writer, &[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("a pipe that blocks");
    let mut command = serve(&["--listen", "127.0.0.1:0"]);
    let child = command.stdout(writer).spawn().expect("the program starts");
    // It has bound its port once a thread of it waits to write.
    let tasks = format!("/proc/{}/task", child.id());
    let mut looks = 0;
    while std::fs::read_dir(&tasks).map_or(0, Iterator::count) < 4 && looks < 100_000 {
        looks += 1;
    }
    assert_ends_by(Signal::TERM, child);
    drop(reader);
}

/// Before it listens to signals, SIGQUIT still does what the system does; the secret must not reach a file even then.
#[test]
#[cfg(target_os = "linux")]
fn no_core_file_is_ever_written() {
    let mut child = serve(&["--stdio"]).spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().expect("a pipe")).read_line(&mut line).expect("UTF-8");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("it runs");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().next(), Some("0"), "{limits}");
    assert_ends_by(Signal::TERM, child);
}

//! How commands end on a signal: with exit code 128 plus its number, from the first moment on, and with what they have
//! found.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{Folder, PORTCULLIS, SECRET};
#[cfg(target_os = "linux")]
use crate::desk::eventually;
use crate::foreign::fake::Fake;

fn serve(options: &[&str]) -> Command {
    let mut command = Command::new(PORTCULLIS);
    command.arg("serve").args(options).env_clear().envs([("HOME", "/nonexistent"), ("PORTCULLIS_SECRET", SECRET)]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Sends the program a signal. Fails unless the program then exits by itself with the exit code for the signal.
fn assert_ends_by(signal: Signal, mut child: Child) {
    // `wait` closes standard input, which would end the program too.
    let _stdin = child.stdin.take();
    kill_process(Pid::from_child(&child), signal).expect("the program is running");
    let status = child.wait().expect("the program exits");
    assert_eq!((status.code(), status.core_dumped()), (Some(128 + signal.as_raw()), false), "{status}");
}

#[rstest]
#[case(Signal::TERM)]
#[case(Signal::INT)]
#[case(Signal::HUP)]
#[case(Signal::QUIT)]
fn a_signal_sets_the_exit_code_even_right_after_the_first_line(#[case] number: Signal) {
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
fn a_signal_sets_the_exit_code_over_standard_streams_too(#[case] number: Signal) {
    let mut child = serve(&["--stdio"]).spawn().expect("the program starts");
    // Its first message shows that it is running: the token is missing.
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().expect("a pipe")).read_line(&mut line).expect("UTF-8");
    assert_ends_by(number, child);
    assert!(line.contains("no token, so every call is unauthorized"), "{line}");
}

/// A pipe without a reader fills up, and pending output must not delay a signal.
#[test]
fn a_signal_ends_the_server_even_if_its_output_is_not_read() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe that does not block");
    while rustix::io::write(&writer, &[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("a pipe that blocks");
    let mut command = serve(&["--listen", "127.0.0.1:0"]);
    let child = command.stdout(writer).spawn().expect("the program starts");
    // The port is bound once one of its threads blocks on a write.
    let tasks = format!("/proc/{}/task", child.id());
    let mut looks = 0;
    while std::fs::read_dir(&tasks).map_or(0, Iterator::count) < 4 && looks < 100_000 {
        looks += 1;
    }
    assert_ends_by(Signal::TERM, child);
    drop(reader);
}

/// SIGQUIT has its default action until the signal handlers are installed. Even then the secret must not end up in a
/// core file.
#[test]
#[cfg(target_os = "linux")]
fn no_core_file_is_ever_written() {
    let mut child = serve(&["--stdio"]).spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().expect("a pipe")).read_line(&mut line).expect("UTF-8");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("the program is running");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().next(), Some("0"), "{limits}");
    assert_ends_by(Signal::TERM, child);
}

/// A command without the user's environment.
fn command(words: &[&str]) -> Command {
    let mut command = Command::new(PORTCULLIS);
    command.args(words).env_clear().envs([("HOME", "/nonexistent"), ("PATH", "/usr/bin:/bin")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn an_interrupted_probe_reports_what_it_has_found() {
    let (release, held) = mpsc::channel::<()>();
    let (held, calls) = (Mutex::new(held), AtomicUsize::new(0));
    let (reached, third) = mpsc::channel::<()>();
    let fake = Fake::new(move |seen| {
        if seen.rpc() == "tools/call" && calls.fetch_add(1, Ordering::SeqCst) == 2 {
            let _ = reached.send(());
            let _ = held.lock().expect("no panic").recv();
        }
        None
    });
    let folder = Folder::new();
    let (secret, report) = (folder.write("secret", SECRET), folder.path("probe.xml"));
    let junit = report.to_str().expect("UTF-8");
    let probe = ["testkit", "--run", "--url", &fake.url, "--secret-file", &secret, "--junit", junit];
    let child = command(&probe).spawn().expect("the program starts");
    third.recv_timeout(Duration::from_secs(30)).expect("a third call");
    kill_process(Pid::from_child(&child), Signal::INT).expect("the program is running");
    let ended = child.wait_with_output().expect("the program exits");
    drop(release);
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status.code(), Some(130), "{err}");
    assert!(err.contains("interrupted: 2 of 1") && err.contains("were made, and their results follow"), "{err}");
    assert!(out.contains("signature") && out.contains("FAILURE no signature"), "{out}");
    assert!(std::fs::read_to_string(report).expect("a report").contains("tests=\"2\""));
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_a_command_started_ends_with_it() {
    let folder = Folder::new();
    let file = folder.path("pid");
    let script = format!("echo $$ > {} && exec sleep 1000", file.display());
    let mut child = command(&["tools", "--", "sh", "-c", &script]).spawn().expect("the program starts");
    let written = || std::fs::read_to_string(&file).ok().filter(|pid| pid.ends_with('\n'));
    assert!(eventually(|| written().is_some()));
    let pid = written().expect("a number").trim().to_owned();
    kill_process(Pid::from_child(&child), Signal::TERM).expect("the program is running");
    assert_eq!(child.wait().expect("the program exits").code(), Some(143));
    // The command line of a process that has ended is empty, even if nobody has waited for it.
    let runs = || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
    assert!(eventually(|| !runs()), "{pid} is still running");
}

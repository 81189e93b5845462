//! Measurements of another process from Linux `/proc`, and commands that are killed at a deadline.

use std::fs;
use std::io::{self, Read, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The polling interval.
const POLL: Duration = Duration::from_millis(1);

/// Polls until there is an answer or the deadline passes.
pub fn until<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if started.elapsed() >= within {
            return None;
        }
        thread::sleep(POLL);
    }
}

/// Like [`until`], but returns how long it took.
pub fn time_until(within: Duration, mut ask: impl FnMut() -> bool) -> Option<Duration> {
    let started = Instant::now();
    until(within, || ask().then(|| started.elapsed()))
}

/// The peak resident memory of the process, in bytes.
pub fn peak_memory(pid: u32) -> io::Result<u64> {
    status(pid, "VmHWM:")
}

/// The resident memory of the process, in bytes.
pub fn memory(pid: u32) -> io::Result<u64> {
    status(pid, "VmRSS:")
}

fn status(pid: u32, field: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kib: Option<u64> = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other(format!("no {field} in /proc/{pid}/status")))
}

/// The processor time of all threads of the process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may exit in the meantime.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

/// The soft and the hard limit for core files.
pub fn core_limits(pid: u32) -> io::Result<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let mut words = line.unwrap_or_default().split_whitespace().map(str::to_owned);
    Ok((words.next().unwrap_or_default(), words.next().unwrap_or_default()))
}

/// The result of a command.
pub struct CommandOutput {
    pub out: String,
    pub err: String,
    /// `None` if it was killed or ended by a signal.
    pub code: Option<i32>,
    pub is_killed: bool,
    pub took: Duration,
}

/// Runs a command with this input, and kills it at the deadline.
pub fn run(command: &mut Command, input: Vec<u8>, within: Duration) -> io::Result<CommandOutput> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let started = Instant::now();
    let mut stdin = child.stdin.take();
    let writer = thread::spawn(move || {
        if let Some(stdin) = stdin.as_mut() {
            // A command may exit before it has read everything.
            let _ = stdin.write_all(&input);
        }
    });
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let ended = until(within, || child.try_wait().transpose());
    let is_killed = ended.is_none();
    if is_killed {
        let _ = child.kill();
    }
    let code = child.wait()?.code();
    let took = started.elapsed();
    let text =
        |reader: thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned();
    let _ = writer.join();
    Ok(CommandOutput { out: text(out), err: text(err), code, is_killed, took })
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

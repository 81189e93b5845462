//! The commands as a script uses them: their output, on which stream, and their exit codes.

mod calls;
mod completions;
mod files;
mod issuers;
mod judging;
mod keys;
mod lints;
mod manual;
pub mod matrix;
mod reports;
mod secrets;
mod stream;
mod test_plans;
mod timelab;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
/// 32 bytes, so that no finding mentions it.
pub const SECRET: &str = "a-secret-of-thirty-two-bytes-ok!";

/// A run of the program with a cleared environment and a home directory that does not exist.
pub struct Run {
    command: Command,
    input: Vec<u8>,
}

/// The output and the exit code of a run.
pub struct CommandOutput {
    pub out: String,
    pub err: String,
    pub exit: i32,
}

/// Runs the program with the secret in the environment.
pub fn portcullis(arguments: &[&str]) -> Run {
    bare(arguments).env("PORTCULLIS_SECRET", SECRET)
}

/// Runs the program without a secret.
pub fn bare(arguments: &[&str]) -> Run {
    let mut command = Command::new(PORTCULLIS);
    command.args(arguments).env_clear().env("HOME", "/nonexistent").env("TERM", "xterm");
    Run { command, input: Vec::new() }
}

impl Run {
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    pub fn output(mut self) -> Output {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = self.input;
        // The program may exit without reading everything.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the program ends");
        writer.join().expect("the writer ends");
        output
    }

    pub fn run(self) -> CommandOutput {
        let Output { status, stdout, stderr } = self.output();
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        CommandOutput { out: text(stdout), err: text(stderr), exit: status.code().expect("it exits without a signal") }
    }

    /// Returns the standard output of a run that must succeed.
    pub fn out(self) -> String {
        let CommandOutput { out, err, exit } = self.run();
        assert_eq!(exit, 0, "{out}{err}");
        out
    }
}

/// Returns a token for a user with one permission, as `issue` prints it.
pub fn issue(user: &str, permission: &str) -> String {
    portcullis(&["issue", user, "-p", permission]).out().trim_end().to_owned()
}

/// A new directory, removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("portcullis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only its owner can read.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the directory is created");
        std::fs::write(&path, content).expect("the file is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("the mode is set");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `portcullis serve`, which ends with the test, whether or not it passes.
pub struct RunningServer {
    child: Child,
    /// The lines of standard output: the address, then the calls.
    rows: Lines<BufReader<ChildStdout>>,
    notices: Receiver<String>,
}

impl RunningServer {
    /// Starts a server on a free port, without a secret.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PORTCULLIS);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).env_clear().env("HOME", "/nonexistent");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let rows = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (sender, notices) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, rows, notices }
    }

    /// The next line of standard output.
    pub fn row(&mut self) -> String {
        self.rows.next().expect("a row").expect("UTF-8")
    }

    /// The address, from the first row.
    pub fn address(&mut self) -> String {
        self.row().trim_start_matches("serving http://").trim_end_matches("/mcp").to_owned()
    }

    /// Waits for a notice with this text.
    pub fn notice(&self, text: &str) -> String {
        loop {
            let line = self.notices.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("no notice {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends the server, and returns the notices that have not been waited for.
    pub fn end(&mut self) -> Vec<String> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        self.notices.iter().collect()
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

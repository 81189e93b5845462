//! The commands, as a script meets them: what they print, where, and what they exit with.

mod calls;
mod files;
mod judging;
mod lints;
mod manual;
pub mod matrix;
mod stream;
mod timelab;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
/// 32 bytes, so that no finding speaks of it.
pub const SECRET: &str = "a-secret-of-thirty-two-bytes-ok!";

/// A run of the program that knows nothing of the machine it runs on but a home of its own.
pub struct Run {
    command: Command,
    input: Vec<u8>,
}

/// What came of it.
pub struct CommandOutput {
    pub out: String,
    pub err: String,
    pub exit: i32,
}

/// With the secret in the environment.
pub fn portcullis(arguments: &[&str]) -> Run {
    bare(arguments).env("PORTCULLIS_SECRET", SECRET)
}

/// Without any secret.
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
        // It may end without having read everything.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the program ends");
        writer.join().expect("the writer ends");
        output
    }

    pub fn run(self) -> CommandOutput {
        let Output { status, stdout, stderr } = self.output();
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        CommandOutput { out: text(stdout), err: text(stderr), exit: status.code().expect("it ends by itself") }
    }

    /// What it prints, where it must succeed.
    pub fn out(self) -> String {
        let CommandOutput { out, err, exit } = self.run();
        assert_eq!(exit, 0, "{out}{err}");
        out
    }
}

/// A token for a user with a permission, as `issue` prints it.
pub fn issue(user: &str, permission: &str) -> String {
    portcullis(&["issue", user, "-p", permission]).out().trim_end().to_owned()
}

/// A new directory, removed at the end.
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
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        std::fs::write(&path, content).expect("it can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

//! The environment of an attack: a binary, its own folders, and servers that end with the attack.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use portcullis::Gate;
use portcullis::auth::{IssueRequest, KeyOrigin, Rules, Signer};
use portcullis::clock::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};

use super::client::{self, Answer};
use super::process::{self, CommandOutput, until};

/// A strong secret, so that no finding mentions it.
const SECRET: &str = "a-secret-of-thirty-two-bytes-ok!";

/// The deadline for a command and for the start of a server.
const COMMAND: Duration = Duration::from_secs(10);

/// The binary under attack.
pub struct Arena {
    binary: PathBuf,
}

impl Arena {
    pub fn new(binary: PathBuf) -> Self {
        Self { binary }
    }

    /// The version that the binary reports.
    pub fn version(&self) -> String {
        let ran = self.run(&["--version"]);
        ran.map_or_else(|error| error.to_string(), |ran| ran.out.trim().to_owned())
    }

    /// The binary with these arguments, a cleared environment and a home that does not exist.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).env_clear().env("HOME", "/nonexistent").env("PATH", "/usr/bin:/bin");
        command
    }

    /// Like [`Arena::command`], after these shell commands, for example `ulimit -n 256`.
    fn command_after(&self, shell: &str, words: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("{shell}; exec \"$0\" \"$@\"")).arg(&self.binary).args(words);
        command.env_clear().env("HOME", "/nonexistent").env("PATH", "/usr/bin:/bin");
        command
    }

    /// Runs a command until it exits or reaches the deadline.
    pub fn run(&self, words: &[&str]) -> io::Result<CommandOutput> {
        process::run(&mut self.command(words), Vec::new(), COMMAND)
    }

    /// Like [`Arena::run`], after these shell commands.
    pub fn run_after(&self, shell: &str, words: &[&str]) -> io::Result<CommandOutput> {
        process::run(&mut self.command_after(shell, words), Vec::new(), COMMAND)
    }

    /// Starts a server with these options.
    pub fn serve(&self, options: &[&str]) -> io::Result<Server<'_>> {
        self.start(Folder::new()?, &Start { options, ..Start::default() })
    }

    /// Starts a server in a folder that may already contain files.
    pub fn start(&self, folder: Folder, start: &Start<'_>) -> io::Result<Server<'_>> {
        let (secret, state) = (folder.secret(), folder.state());
        let mut words = vec!["serve", "--listen", "127.0.0.1:0", "--secret-file", &secret, "--state", &state];
        if !start.is_plain {
            words.push("--json");
        }
        words.extend(start.options);
        let mut command = match start.shell {
            Some(shell) => self.command_after(shell, &words),
            None => self.command(&words),
        };
        command.current_dir(&folder.0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (resume, resumed) = mpsc::channel();
        let out = Arc::new(Mutex::new(Vec::new()));
        let err = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stdout.take() {
            let (out, is_paused) = (Arc::clone(&out), start.is_paused);
            thread::spawn(move || {
                for (number, line) in BufReader::new(pipe).split(b'\n').map_while(Result::ok).enumerate() {
                    lock(&out).push(line);
                    if number == 0 && is_paused {
                        let _ = resumed.recv();
                    }
                }
            });
        }
        if let Some(mut pipe) = child.stderr.take() {
            let err = Arc::clone(&err);
            thread::spawn(move || {
                let mut part = [0; 4096];
                while let Ok(length @ 1..) = pipe.read(&mut part) {
                    lock(&err).extend_from_slice(&part[..length]);
                }
            });
        }
        let mut server =
            Server { arena: self, child, address: SocketAddr::from(([127, 0, 0, 1], 0)), folder, out, err, resume };
        let first = until(COMMAND, || match server.lines().into_iter().next() {
            Some(line) => Some(Ok(line)),
            None => server.child.try_wait().ok().flatten().map(Err),
        });
        match first {
            Some(Ok(line)) => {
                server.address =
                    address(&line).ok_or_else(|| io::Error::other(format!("missing address in {line:?}")))?;
                Ok(server)
            }
            Some(Err(status)) => Err(io::Error::other(format!("serve ends with {status}: {}", server.errors().trim()))),
            None => Err(io::Error::other("serve does not start")),
        }
    }

    /// Whether `serve` has this option.
    pub fn knows(&self, option: &str) -> bool {
        self.run(&["serve", "--help"]).is_ok_and(|ran| ran.out.contains(option))
    }

    /// Whether a server with these options refuses to start and gives a reason.
    pub fn refuses(&self, options: &[&str]) -> io::Result<bool> {
        let folder = Folder::new()?;
        let secret = folder.secret();
        let words = [&["serve", "--listen", "127.0.0.1:0", "--secret-file", &secret], options].concat();
        let ran = process::run(&mut self.command(&words), Vec::new(), Duration::from_secs(2))?;
        Ok(!ran.is_killed && ran.code != Some(0) && !ran.err.trim().is_empty())
    }
}

/// The settings for starting a server.
#[derive(Default)]
pub struct Start<'a> {
    pub options: &'a [&'a str],
    /// Shell commands that run first, for example `ulimit -n 256`.
    pub shell: Option<&'a str>,
    /// Whether its output is text instead of JSON.
    pub is_plain: bool,
    /// Whether its output is read only after [`Server::resume`].
    pub is_paused: bool,
}

/// A server under attack, killed on drop.
pub struct Server<'a> {
    arena: &'a Arena,
    child: Child,
    pub address: SocketAddr,
    pub folder: Folder,
    out: Arc<Mutex<Vec<Vec<u8>>>>,
    err: Arc<Mutex<Vec<u8>>>,
    resume: mpsc::Sender<()>,
}

impl Server<'_> {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Issues a token for this server.
    pub fn token(&self, user: &str, permission: &str) -> io::Result<String> {
        let (secret, audience) = (self.folder.secret(), format!("http://{}/mcp", self.address));
        let words = ["issue", user, "-p", permission, "--secret-file", &secret, "--audience", &audience];
        let ran = self.arena.run(&words)?;
        match ran.code {
            Some(0) => Ok(ran.out.trim().to_owned()),
            _ => Err(io::Error::other(format!("issue: {}", ran.err.trim()))),
        }
    }

    /// Issues many tokens for one user. They are signed here, because running `issue` for each would take longer than
    /// the attack.
    pub fn tokens(&self, user: &str, permission: &str, count: usize) -> io::Result<Vec<String>> {
        let signer = Signer::hs256(SECRET.as_bytes(), KeyOrigin::Program).map_err(io::Error::other)?;
        let clock = SystemClock::new();
        let now = clock.now();
        let gate = Gate::with(Rules::new(&signer), signer, Arc::new(clock));
        let request = IssueRequest {
            user_id: user.to_owned(),
            permissions: vec![permission.to_owned()],
            audience: Some(format!("http://{}/mcp", self.address)),
            ..IssueRequest::default()
        };
        let issue = |_| gate.issue(&request, now).map(|token| token.to_string()).map_err(io::Error::other);
        (0..count).map(issue).collect()
    }

    /// Runs `revoke` with these arguments on the server's state file.
    pub fn revoke(&self, words: &[&str]) -> io::Result<CommandOutput> {
        self.revoke_in(&self.folder.state(), words)
    }

    /// Runs `revoke` with these arguments on a state file.
    pub fn revoke_in(&self, state: &str, words: &[&str]) -> io::Result<CommandOutput> {
        let secret = self.folder.secret();
        let ran = self.arena.run(&[&["revoke", "--secret-file", &secret, "--state", state], words].concat())?;
        match ran.code {
            Some(0) => Ok(ran),
            _ => Err(io::Error::other(format!("revoke: {}", ran.err.trim()))),
        }
    }

    /// Calls a tool on a new connection.
    pub fn call(&self, token: Option<&str>, tool: &str) -> io::Result<Answer> {
        client::exchange(self.address, &client::call(self.address, token, tool), client::PATIENCE)
    }

    /// Calls a tool once and returns whether the answer has this status.
    pub fn answers(&self, status: u16, token: &str) -> bool {
        self.call(Some(token), "read_data").is_ok_and(|answer| answer.status == status)
    }

    /// Returns how long it takes until this token is refused.
    pub fn time_until_refused(&self, token: &str, within: Duration) -> Option<Duration> {
        process::time_until(within, || self.answers(401, token))
    }

    /// Returns the lines on standard output so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.out).iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    /// Returns standard error so far.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&lock(&self.err)).into_owned()
    }

    /// Starts reading standard output.
    pub fn resume(&self) {
        let _ = self.resume.send(());
    }

    /// Whether it is still running and has reported no panic.
    pub fn is_sound(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none()) && !self.errors().contains("panicked")
    }

    /// Sends a signal and waits for the process to exit.
    pub fn end(&mut self, signal: Signal, within: Duration) -> io::Result<bool> {
        kill_process(Pid::from_child(&self.child), signal)?;
        Ok(until(within, || self.child.try_wait().ok().flatten()).is_some())
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.resume();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the address in the first line of `serve`.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    rest.split_once("/mcp")?.0.parse().ok()
}

/// A folder with a secret file, removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> io::Result<Self> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("portcullis-attack-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        let folder = Self(path);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.secret())?;
        io::Write::write_all(&mut file, SECRET.as_bytes())?;
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a file in it, as a command-line argument.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    pub fn secret(&self) -> String {
        self.file("secret")
    }

    pub fn state(&self) -> String {
        self.file("state.json")
    }

    /// Writes a file with this mode.
    pub fn write(&self, name: &str, text: &str, mode: u32) -> io::Result<String> {
        let path = self.file(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! Destinations of copies. A terminal never reports whether it accepted OSC 52; tmux drops the sequence, and some
//! terminals do not support it. So the ways to copy are tried in an order that the environment determines, and the one
//! that worked is reported.
//!
//! Called only from jobs, because it starts programs and waits for them.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::app::msg::CopyDestination;

/// How long a program that puts a text on a clipboard may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The interval at which it is checked whether the program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// One way to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// The buffer of tmux, which passes the text on to the terminal if it may.
    Tmux,
    /// A program that reads the text from its standard input.
    Program(&'static [&'static str]),
    /// OSC 52. `is_known` is whether the terminal is known to accept it.
    Terminal { is_known: bool },
    /// A new file in this directory.
    File(PathBuf),
}

/// The available ways to copy, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clipboard(Vec<Way>);

impl Default for Clipboard {
    /// Returns only the terminal.
    fn default() -> Self {
        Self(vec![Way::Terminal { is_known: true }])
    }
}

impl Clipboard {
    /// Returns the ways that suit the program's environment.
    pub fn of_environment() -> Self {
        Self::by(|name| std::env::var_os(name).filter(|value| !value.is_empty()), cfg!(target_os = "macos"))
    }

    fn by(variable: impl Fn(&str) -> Option<OsString>, is_mac: bool) -> Self {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        let has = |name: &str| variable(name).is_some();
        // Over SSH, the programs would fill the clipboard of the wrong machine.
        let is_remote = has("SSH_CONNECTION") || has("SSH_TTY");
        let programs: [(bool, &[&str]); 5] = [
            (is_mac, &["pbcopy"]),
            (has("WSL_DISTRO_NAME"), &["clip.exe"]),
            (has("WAYLAND_DISPLAY"), &["wl-copy"]),
            (has("DISPLAY"), &["xclip", "-selection", "clipboard"]),
            (has("DISPLAY"), &["xsel", "--clipboard", "--input"]),
        ];
        let programs = programs.into_iter().filter(|(is_there, _)| *is_there && !is_remote);
        let programs = programs.map(|(_, command)| Way::Program(command));
        let folder = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let files = folder.into_iter().chain([std::env::temp_dir()]).map(Way::File);
        let term = text("TERM");
        let program = text("TERM_PROGRAM");
        let takes_it =
            ["KITTY_WINDOW_ID", "WEZTERM_PANE", "ALACRITTY_WINDOW_ID", "WT_SESSION", "GHOSTTY_RESOURCES_DIR"]
                .into_iter()
                .any(has)
                || ["foot", "xterm-kitty", "alacritty", "xterm-ghostty", "contour"]
                    .iter()
                    .any(|known| term.starts_with(known))
                || ["WezTerm", "iTerm.app", "ghostty", "vscode"].contains(&&*program);
        let drops_it = term == "linux" || program == "Apple_Terminal";
        Self(match () {
            () if has("TMUX") => [Way::Tmux].into_iter().chain(programs).chain(files).collect(),
            // GNU Screen passes OSC 52 on in pieces, if at all.
            () if has("STY") || term.starts_with("screen") || drops_it => programs.chain(files).collect(),
            () if takes_it => vec![Way::Terminal { is_known: true }],
            () => programs.chain([Way::Terminal { is_known: false }]).collect(),
        })
    }

    /// Copies a text by the first way that works. If that is the terminal, the event loop still has to write the
    /// sequence.
    pub fn copy(&self, text: &str) -> io::Result<CopyDestination> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for way in &self.0 {
            let tried = match way {
                Way::Tmux => tmux(text),
                Way::Program(command) => {
                    let name = command.first().copied().unwrap_or_default();
                    run(command, text.as_bytes()).map(|_| CopyDestination::Program(name))
                }
                Way::Terminal { is_known } => Ok(CopyDestination::Terminal { is_known: *is_known }),
                Way::File(folder) => file(folder, text).map(CopyDestination::File),
            };
            match tried {
                Ok(clipping) => return Ok(clipping),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Copies into the buffer of tmux and, if its option and its terminal allow it, to the clipboard.
fn tmux(text: &str) -> io::Result<CopyDestination> {
    let state = run(&["tmux", "display-message", "-p", "#{set-clipboard} #{client_termfeatures}"], b"")?;
    let (option, features) = state.split_once(' ').unwrap_or((&state, ""));
    let may = matches!(option, "on" | "external") && features.contains("clipboard");
    let passed = may && run(&["tmux", "load-buffer", "-w", "-"], text.as_bytes()).is_ok();
    if !passed {
        run(&["tmux", "load-buffer", "-"], text.as_bytes())?;
    }
    Ok(CopyDestination::Tmux { reaches_terminal: passed })
}

/// Runs a program with this standard input; returns what it printed.
fn run(command: &[&str], input: &[u8]) -> io::Result<String> {
    let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let reads = name == &"tmux" && input.is_empty();
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        // Programs that keep running to serve the clipboard would keep a pipe open.
        .stdout(if reads { Stdio::piped() } else { Stdio::null() })
        .stderr(Stdio::null())
        .spawn()?;
    // A program that does not read its input must not block this one after it has ended.
    let (stdin, input) = (child.stdin.take(), Zeroizing::new(input.to_vec()));
    let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let ended = wait(&mut child)?;
    match (ended, writer.join()) {
        (true, Ok(Some(Ok(())))) => {}
        _ => return Err(io::Error::other(format!("{name} failed"))),
    }
    let printed = child.stdout.take().map(io::read_to_string).transpose()?;
    Ok(printed.unwrap_or_default().trim_end().to_owned())
}

/// Returns whether a program ends successfully within [`PATIENCE`]; kills it if it does not end.
fn wait(child: &mut Child) -> io::Result<bool> {
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        thread::sleep(LOOK);
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

/// Writes a new file that only its owner can read; returns its path.
fn file(folder: &std::path::Path, text: &str) -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let path = folder.join(format!("portcullis-{:016x}.txt", u64::from_be_bytes(bytes)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const XCLIP: Way = Way::Program(&["xclip", "-selection", "clipboard"]);
    const XSEL: Way = Way::Program(&["xsel", "--clipboard", "--input"]);

    fn temp() -> Way {
        Way::File(std::env::temp_dir())
    }

    fn run_dir() -> Way {
        Way::File("/run/user/1000".into())
    }

    #[rstest]
    #[case(&[("TERM", "xterm-256color")], vec![Way::Terminal { is_known: false }])]
    #[case(&[("TERM", "foot")], vec![Way::Terminal { is_known: true }])]
    #[case(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], vec![Way::Terminal { is_known: true }])]
    #[case(&[("TERM", "xterm-256color"), ("DISPLAY", ":0")], vec![XCLIP, XSEL, Way::Terminal { is_known: false }])]
    #[case(&[("TERM", "xterm-256color"), ("DISPLAY", ":0"), ("SSH_TTY", "/dev/pts/1")], vec![Way::Terminal { is_known: false }])]
    #[case(&[("TERM", "linux")], vec![run_dir(), temp()])]
    #[case(&[("TERM", "screen"), ("STY", "1.tty")], vec![run_dir(), temp()])]
    #[case(&[("TERM", "tmux-256color"), ("TMUX", "/tmp/x,1,0"), ("KITTY_WINDOW_ID", "1")], vec![Way::Tmux, run_dir(), temp()])]
    fn the_environment_decides_the_order(#[case] variables: &[(&str, &str)], #[case] ways: Vec<Way>) {
        let variable = |name: &str| {
            let all = variables.iter().chain(&[("XDG_RUNTIME_DIR", "/run/user/1000")]);
            all.into_iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        assert_eq!(Clipboard::by(variable, false), Clipboard(ways));
    }

    #[test]
    fn a_way_that_fails_is_passed_over_and_the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::TempDir::new().expect("a folder");
        let ways = vec![
            Way::Program(&["portcullis-no-such-program"]),
            Way::Program(&["false"]),
            Way::File(folder.path().to_owned()),
        ];
        let Ok(CopyDestination::File(path)) = Clipboard(ways).copy("a text") else { panic!("no file") };
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "a text");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_program_gets_the_text_on_its_standard_input() {
        let ways = vec![Way::Program(&["grep", "-q", "^a text$"])];
        assert_eq!(Clipboard(ways.clone()).copy("a text\n").expect("it ends well"), CopyDestination::Program("grep"));
        assert!(Clipboard(ways).copy("another\n").is_err());
    }
}

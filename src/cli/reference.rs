//! The tables of environment variables and of files, from which help, man pages and docs are made.
//!
//! A test finds every variable that the source reads in [`VARIABLES`].

/// A row of [`VARIABLES`]: one or more environment variables with one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The names.
    pub names: &'static [&'static str],
    /// The effect: a phrase without a full stop.
    pub effect: &'static str,
    /// Who reads it.
    pub scope: Scope,
}

/// The part of the program that an environment variable has an effect on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Settings of the program itself, which `--help` lists too.
    Program,
    /// Settings of the system, which have an effect on every command.
    System,
    /// Only `portcullis completions` and the scripts that it prints.
    Completions,
    /// Only `portcullis man`.
    Man,
    /// Only the console.
    Console,
}

const fn row(names: &'static [&'static str], scope: Scope, effect: &'static str) -> Variable {
    Variable { names, effect, scope }
}

/// Every environment variable that the program reads, except those that `env:NAME` in a header or a test plan names.
pub static VARIABLES: [Variable; 21] = [
    row(&["PORTCULLIS_SECRET"], Scope::Program, "the signing secret, if no option names a key file"),
    row(&["PORTCULLIS_TOKEN"], Scope::Program, "the token, if none is given as an argument"),
    row(&["PORTCULLIS_CONFIG"], Scope::Program, "the configuration file, if `--config` is not given"),
    row(&["NO_COLOR"], Scope::Program, "disables colour, except with `--color always`"),
    row(
        &["PORTCULLIS_COMPLETE"],
        Scope::Completions,
        "the shell that requests completions; set only by the completion scripts",
    ),
    row(&["SHELL"], Scope::Completions, "the shell that `portcullis completions` uses without an argument"),
    row(
        &["SOURCE_DATE_EPOCH"],
        Scope::Man,
        "the date of man pages, in seconds since 1970, for reproducible builds; by default today",
    ),
    row(
        &["XDG_DATA_HOME"],
        Scope::Completions,
        "the base directory in which bash looks for completions; by default `~/.local/share`",
    ),
    row(&["XDG_CONFIG_HOME"], Scope::System, "the directory of the configuration file; by default `~/.config`"),
    row(
        &["CREDENTIALS_DIRECTORY"],
        Scope::System,
        "the directory of a service's credentials, set by systemd; a key file in it may be readable by its group",
    ),
    row(&["HOME"], Scope::System, "the home directory, for `~/` at the start of a path"),
    row(&["PATH"], Scope::System, "the directories in which a program after `--` is found"),
    row(&["COLUMNS"], Scope::System, "the width of the help, if it is not printed to a terminal"),
    row(
        &["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"],
        Scope::System,
        "the proxy for requests to other servers and for keys; never used on loopback",
    ),
    row(
        &["SSL_CERT_FILE", "SSL_CERT_DIR"],
        Scope::System,
        "the certificate authorities to trust, instead of the system's",
    ),
    row(&["TZ"], Scope::System, "the time zone of local times"),
    row(&["RUST_BACKTRACE"], Scope::Console, "with the value 1, a crash report contains a backtrace"),
    row(
        &["TERM", "COLORTERM", "COLORFGBG"],
        Scope::System,
        "the terminal's abilities, number of colours and background; `TERM=dumb` disables colour and the console",
    ),
    row(
        &["XDG_RUNTIME_DIR", "TMPDIR"],
        Scope::Console,
        "the directory for copied text, if neither the system nor the terminal has a clipboard",
    ),
    row(
        &["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "SSH_CONNECTION", "SSH_TTY", "TMUX", "STY"],
        Scope::Console,
        "how the console reaches the clipboard",
    ),
    row(
        &[
            "TERM_PROGRAM",
            "KITTY_WINDOW_ID",
            "WEZTERM_PANE",
            "ALACRITTY_WINDOW_ID",
            "WT_SESSION",
            "GHOSTTY_RESOURCES_DIR",
        ],
        Scope::Console,
        "which terminal is running, to know whether it supports copying (OSC 52)",
    ),
];

/// The variables that are not in [`VARIABLES`], because the user chooses their names.
pub const CHOSEN_VARIABLES: &str =
    "A value `env:NAME` in a header or in a test plan is read from the environment variable NAME.";

/// A row of [`FILES`].
#[derive(Clone, Copy, Debug)]
pub struct FilePlace {
    /// The path, or the options and keys that name it.
    pub place: &'static str,
    /// The contents, and how the program uses them: sentences.
    pub contents: &'static str,
}

/// The files that the program reads or writes besides those that a command is about.
pub static FILES: [FilePlace; 7] = [
    FilePlace {
        place: "$XDG_CONFIG_HOME/portcullis/portcullis.toml",
        contents: "The configuration, in TOML; by default `~/.config/portcullis/portcullis.toml`. It is optional. `--config` and `PORTCULLIS_CONFIG` name another file, which must exist. `portcullis --help` lists its keys; relative paths in it are relative to its directory.",
    },
    FilePlace {
        place: "--policy FILE, or policy in the configuration",
        contents: "The policy, in TOML. Without one, the built-in policy is used.",
    },
    FilePlace {
        place: "--secret-file FILE, --signing-key FILE, or secret-file, signing-key in the configuration",
        contents: "The key that signs tokens. The file must be readable only by its owner, unless `--insecure-secret-file` is given.",
    },
    FilePlace {
        place: "--old-secret-file FILE, or old-secret-file in the configuration",
        contents: "Previous secrets, which only verify. The files must be readable only by their owner.",
    },
    FilePlace {
        place: "--state FILE, or state in the configuration",
        contents: "Revocations, in JSON. The first revocation creates the file. `FILE.lock` next to it is locked during a change and is not deleted.",
    },
    FilePlace {
        place: "--jwks FILE, --public-key FILE, --ca-file FILE, or [[issuers]] in the configuration",
        contents: "Public keys of issuers, and certificate authorities.",
    },
    FilePlace {
        place: "$XDG_RUNTIME_DIR/portcullis-*.txt",
        contents: "Text copied in the console where no clipboard is available; in `$TMPDIR` or `/tmp` if `XDG_RUNTIME_DIR` is not set. Only their owner can read them. The program does not remove them.",
    },
];

/// Formats [`VARIABLES`] as the Markdown table in the docs.
pub fn variables_markdown() -> String {
    let name = |name: &&str| format!("`{name}`");
    let rows = VARIABLES.iter().map(|row| {
        let names = row.names.iter().map(name).collect::<Vec<_>>().join(", ");
        format!("| {names} | {} |\n", row.effect)
    });
    rows.fold("| variable | effect |\n|---|---|\n".to_owned(), |table, row| table + &row)
}

/// Formats [`FILES`] as the Markdown table in the docs.
pub fn files_markdown() -> String {
    let rows = FILES.iter().map(|row| format!("| `{}` | {} |\n", row.place, row.contents));
    rows.fold("| file | contents |\n|---|---|\n".to_owned(), |table, row| table + &row)
}

//! `portcullis completions`, and the answers to the scripts that it prints.
//!
//! A script is short and the same for every version: it sets [`VARIABLE`] and passes the words of the line to the program
//! on the `PATH`, which prints what may come next. So `check` completes the tools of the policy that it would use, and a
//! package can install the scripts as they are printed.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use clap::{CommandFactory as _, ValueEnum as _};
use clap_complete::engine::{self, CompletionCandidate};
use clap_complete::env::{self, EnvCompleter};
use etcetera::BaseStrategy as _;

use super::candidates::{self, Line};
use super::values::Shell;
use super::{CliError, Exit, Options, Runner};
use crate::text;

/// The environment variable with which a script asks for completions; its value is the name of the shell. It is specific
/// to this program: other programs use `COMPLETE`, which a user may have set.
pub const VARIABLE: &str = "PORTCULLIS_COMPLETE";

const NAME: &str = "portcullis";

/// Prints the script for a shell, and on standard error where to put it: when the shell was not given, or when the script
/// goes to the terminal. A script that is sourced at each start of the shell prints nothing else.
pub fn run(runner: &mut Runner<'_>, given: Option<Shell>) -> Result<Exit, CliError> {
    let shell = match given {
        Some(shell) => shell,
        None => login_shell(runner.environment.shell.as_deref())?,
    };
    runner.out.write_all(&script(shell)?)?;
    if given.is_none() || runner.environment.prints_to_terminal {
        runner.out.flush()?;
        for line in instructions(shell) {
            runner.say(line);
        }
    }
    Ok(Exit::Good)
}

/// Returns the shell whose path is in `SHELL`.
fn login_shell(path: Option<&str>) -> Result<Shell, CliError> {
    let usage = |found: String| {
        let shells = Shell::value_variants().iter().map(|shell| shell.name()).collect::<Vec<_>>().join(", ");
        CliError::Usage(format!("{found}; write `portcullis completions SHELL` with one of: {shells}"))
    };
    let path = path.ok_or_else(|| usage("SHELL is not set".to_owned()))?;
    let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
    let found = Shell::value_variants().iter().copied().find(|shell| shell.name() == name);
    found.ok_or_else(|| usage(format!("SHELL is {}, which has no completions here", text::name(&name, 64))))
}

/// Returns the script for a shell. It runs `portcullis` from the `PATH`.
fn script(shell: Shell) -> io::Result<Vec<u8>> {
    match shell {
        Shell::Bash => Ok(include_bytes!("../../assets/completions/portcullis.bash").to_vec()),
        Shell::Zsh => Ok(include_bytes!("../../assets/completions/_portcullis.zsh").to_vec()),
        Shell::Fish => Ok(include_bytes!("../../assets/completions/portcullis.fish").to_vec()),
        Shell::Elvish => {
            let mut script = Vec::new();
            env::Elvish.write_registration(VARIABLE, NAME, NAME, NAME, &mut script).map(|()| script)
        }
    }
}

/// Says where a shell finds the script, with the command that puts it there.
fn instructions(shell: Shell) -> Vec<String> {
    let base = etcetera::choose_base_strategy().ok();
    let below_home = |folder: std::path::PathBuf| {
        let home = base.as_ref().and_then(|base| folder.strip_prefix(base.home_dir()).ok());
        home.map_or_else(|| crate::config::quoted(&folder), |rest| format!("~/{}", crate::config::quoted(rest)))
    };
    let data = || base.as_ref().map_or_else(|| "~/.local/share".to_owned(), |base| below_home(base.data_dir()));
    let config = || base.as_ref().map_or_else(|| "~/.config".to_owned(), |base| below_home(base.config_dir()));
    let install = |folder: &str, file: &str| {
        format!("to install: mkdir -p {folder} && portcullis completions {shell} >{folder}/{file}")
    };
    match shell {
        Shell::Bash => vec![
            install(&format!("{}/bash-completion/completions", data()), NAME),
            "needs the package bash-completion; without it: echo 'source <(portcullis completions bash)' >>~/.bashrc"
                .to_owned(),
        ],
        Shell::Zsh => vec![
            install("~/.zfunc", "_portcullis"),
            "~/.zshrc must have this line before compinit: fpath+=(~/.zfunc)".to_owned(),
        ],
        Shell::Fish => vec![install(&format!("{}/fish/completions", config()), "portcullis.fish")],
        Shell::Elvish => {
            vec![format!("to install: portcullis completions elvish >>{}/elvish/rc.elv", config())]
        }
    }
}

/// Answers a completion script, if one has started the program. Returns the exit code then.
///
/// Called before anything else in `main`; without the variable, it costs one look into the environment. With it, the
/// program does nothing but this, even if the request cannot be understood: it must not start a command that is only
/// being typed.
pub fn answer(out: &mut dyn Write) -> Option<Exit> {
    let shell = std::env::var_os(VARIABLE)?;
    let mut arguments = std::env::args_os().skip(1);
    // Set by mistake, without the words of a line, the variable has no effect.
    arguments.next().filter(|first| first == "--")?;
    let request = Request::new(&shell.to_string_lossy(), arguments.collect());
    let path = std::env::var_os("PATH");
    let folder = std::env::current_dir().ok();
    let text = request.map(|request| request.answer(path.as_deref(), folder.as_deref())).unwrap_or_default();
    Some(match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Good,
        Err(_) => Exit::Trouble,
    })
}

/// The request of a completion script.
struct Request {
    shell: Shell,
    /// The words of the line up to the cursor, from the program's name on; the last one is completed.
    words: Vec<OsString>,
    /// The end of the last word that bash replaces, and the quote around it.
    replaced: Option<(String, Option<char>)>,
}

impl Request {
    fn new(shell: &str, arguments: Vec<OsString>) -> Option<Self> {
        let shell = Shell::value_variants().iter().copied().find(|known| known.name() == shell)?;
        if shell != Shell::Bash {
            return Some(Self { shell, words: arguments, replaced: None });
        }
        // bash passes the line, because it would split words at = and : and leave quotes in them.
        let mut texts = arguments.iter().map(|argument| argument.to_string_lossy());
        let (line, replaced) = (texts.next()?, texts.next()?);
        let (words, quote) = split(&line);
        // In an open quote, bash replaces the text after the quote, and passes it as it is.
        let replaced = match quote {
            Some(_) => replaced.into_owned(),
            None => split(&replaced).0.pop().unwrap_or_default(),
        };
        let words = without_redirections(words).into_iter().map(Into::into).collect();
        Some(Self { shell, words, replaced: Some((replaced, quote)) })
    }

    /// Returns the candidates in the form that the script reads, one per line.
    fn answer(&self, path: Option<&OsStr>, folder: Option<&Path>) -> String {
        let mut text = String::new();
        for candidate in self.candidates(path, folder) {
            let Some(value) = candidate.get_value().to_str().filter(|value| !value.contains(char::is_control)) else {
                continue;
            };
            // bash would expand it: no character protects it in double quotes.
            if value.contains('!') && self.replaced.as_ref().is_some_and(|(_, quote)| *quote == Some('"')) {
                continue;
            }
            let help = candidate.get_help().map(|help| help.to_string().replace('`', ""));
            let help = help.as_deref().and_then(|help| help.lines().next()).unwrap_or_default();
            match (self.shell, help) {
                (Shell::Bash, _) => text += &self.for_bash(value),
                (Shell::Zsh, help) => {
                    text += &value.replace('\\', r"\\").replace(':', r"\:");
                    if !help.is_empty() {
                        text = text + ":" + &help.replace('\\', r"\\");
                    }
                }
                (Shell::Elvish, _) | (_, "") => text += value,
                (_, help) => text = text + value + "\t" + help,
            }
            text.push('\n');
        }
        text
    }

    fn candidates(&self, path: Option<&OsStr>, folder: Option<&Path>) -> Vec<CompletionCandidate> {
        let Some((last, before)) = self.words.split_last().filter(|(_, before)| !before.is_empty()) else {
            return Vec::new();
        };
        let current = last.to_string_lossy();
        let mut options = candidates::command(Options::command(), &Line::before_last(&self.words));
        options.build();
        let program = before.iter().position(|word| word == "--");
        if let Some(place) = program.filter(|_| takes_program(&options, before)) {
            return candidates::programs(&current, place + 1 < before.len(), path);
        }
        let all = engine::complete(&mut options, self.words.clone(), before.len(), folder).unwrap_or_default();
        // Values first: where there are some, options are offered after a dash.
        let is_value = |candidate: &CompletionCandidate| !candidate.get_value().as_encoded_bytes().starts_with(b"-");
        match !current.starts_with('-') && all.iter().any(is_value) {
            true => all.into_iter().filter(is_value).collect(),
            false => all,
        }
    }

    /// Writes a value as bash inserts it: without the part of the word that bash leaves as it is, and quoted.
    fn for_bash(&self, value: &str) -> String {
        let Some((replaced, quote)) = &self.replaced else { return value.to_owned() };
        let current = self.words.last().map(|word| word.to_string_lossy()).unwrap_or_default();
        let kept = current.strip_suffix(replaced.as_str()).unwrap_or_default();
        let rest = value.strip_prefix(kept).unwrap_or(value);
        let special: &str = match quote {
            Some('\'') => return rest.replace('\'', r"'\''"),
            Some(_) => "\"\\$`",
            None => " \"'\\$`&|;<>()*?[]{}!",
        };
        // bash expands only a ~ that is not quoted, so that of a path stays as it was typed.
        let starts_word = kept.is_empty() && quote.is_none();
        let is_plain_tilde = rest.starts_with("~/") && current.starts_with("~/");
        let mut quoted = String::new();
        for (place, c) in rest.char_indices() {
            let starts = place == 0 && starts_word && (c == '#' || (c == '~' && !is_plain_tilde));
            if special.contains(c) || starts {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        quoted
    }
}

/// Whether the command of these words takes a program after `--`.
fn takes_program(options: &clap::Command, words: &[OsString]) -> bool {
    let takes_one = |command: &clap::Command| command.get_arguments().any(clap::Arg::is_last_set);
    // The value of an option may have the name of a command.
    let words = words.iter().skip(1).take_while(|word| *word != "--").filter_map(|word| word.to_str());
    let mut named = words.filter_map(|word| options.find_subcommand(word)).peekable();
    match named.peek() {
        Some(_) => named.any(takes_one),
        None => takes_one(options),
    }
}

/// Removes redirections, such as `2>/dev/null`, before the last word.
fn without_redirections(mut words: Vec<String>) -> Vec<String> {
    let last = words.pop();
    let mut is_target = false;
    words.retain(|word| {
        let operator = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&');
        let is_redirection = operator.starts_with(['<', '>']);
        let is_kept = !is_redirection && !is_target;
        is_target = is_redirection && operator.trim_start_matches(['<', '>', '&', '|']).is_empty();
        is_kept
    });
    words.extend(last);
    words
}

/// Splits a line into words as a shell does, without expanding anything. The last word is the one at the end of the
/// line, which may be empty. Also returns the quote that is open at the end.
fn split(line: &str) -> (Vec<String>, Option<char>) {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().extend(characters.next()),
            ('\\', Some('"')) => match characters.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.get_or_insert_default().push(c),
                other => {
                    word.get_or_insert_default().push('\\');
                    word.get_or_insert_default().extend(other);
                }
            },
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.push(word.unwrap_or_default());
    (words, quote)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("portcullis ", &["portcullis", ""], None)]
    #[case("portcullis check re", &["portcullis", "check", "re"], None)]
    #[case(r"p --policy=my\ file", &["p", "--policy=my file"], None)]
    #[case("p '' 'it''s' \"a \\\" b", &["p", "", "its", "a \" b"], Some('"'))]
    #[case("p 'a b", &["p", "a b"], Some('\''))]
    fn a_line_is_split_as_bash_splits_it(#[case] line: &str, #[case] words: &[&str], #[case] quote: Option<char>) {
        let words = words.iter().map(ToString::to_string).collect();
        assert_eq!(split(line), (words, quote));
    }

    #[rstest]
    #[case("p check @t 2>/dev/null re", "p check @t re")]
    #[case("p check > out re", "p check re")]
    #[case("p check &>out <in re", "p check re")]
    #[case("p check 2>&1 re", "p check re")]
    #[case("p check 12 >", "p check 12 >")]
    fn redirections_are_no_words_of_the_command(#[case] line: &str, #[case] words: &str) {
        assert_eq!(without_redirections(split(line).0).join(" "), words);
    }

    #[rstest]
    #[case("p call", true)]
    #[case("p --policy check call", true)]
    #[case("p", true)]
    #[case("p issue", false)]
    fn a_program_follows_the_commands_that_take_one(#[case] line: &str, #[case] takes: bool) {
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        assert_eq!(takes_program(&Options::command(), &words), takes);
    }

    #[rstest]
    // The word, the part that bash replaces, a candidate, and the text that bash inserts.
    #[case("re", "re", "read data", r"read\ data")]
    #[case("db:re", "re", "db:read", "read")]
    #[case("db:", "", "db:read", "read")]
    #[case("--policy=p", "p", "--policy=p.toml", "p.toml")]
    #[case("'my f", "my f", "my file's", r"my file'\''s")]
    #[case("\"my f", "my f", "my $file", r"my \$file")]
    #[case("~/p", "~/p", "~/p q", r"~/p\ q")]
    #[case("~", "~", "~a", r"\~a")]
    fn a_value_is_quoted_for_bash(#[case] word: &str, #[case] part: &str, #[case] value: &str, #[case] text: &str) {
        let arguments = vec![format!("portcullis {word}").into(), part.into()];
        let request = Request::new("bash", arguments).expect("a request");
        assert_eq!(request.for_bash(value), text);
    }

    #[rstest]
    #[case(Some("/usr/bin/zsh"), Ok(Shell::Zsh))]
    #[case(Some("/usr/local/bin/fish"), Ok(Shell::Fish))]
    #[case(
        Some("/bin/tcsh"),
        Err(
            "SHELL is tcsh, which has no completions here; write `portcullis completions SHELL` with one of: bash, elvish, fish, zsh"
        )
    )]
    #[case(
        None,
        Err("SHELL is not set; write `portcullis completions SHELL` with one of: bash, elvish, fish, zsh")
    )]
    fn the_shell_is_that_of_the_environment(#[case] path: Option<&str>, #[case] wanted: Result<Shell, &str>) {
        let found = login_shell(path).map_err(|error| error.to_string());
        assert_eq!(found, wanted.map_err(str::to_owned));
    }
}

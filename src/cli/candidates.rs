//! The values that completions offer for each argument, and where they come from.
//!
//! The shells ask for them while a command line is being typed, so nothing here fetches, starts, writes or fails: a file
//! that cannot be read has no candidates. Keys and secrets are not read.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use clap::builder::StyledStr;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};

use crate::auth::mapping::PRESETS;
use crate::auth::policy::CallerSelector;
use crate::auth::{Algorithm, Policy};
use crate::config::{self, CONFIG_VARIABLE, ConfigFile};
use crate::endpoint::{Denial, Listing};
use crate::lab::expected::ExpectedAnswer;
use crate::look::ThemeChoice;
use crate::text;

/// The most comparisons of permissions with tools for the descriptions of permissions.
const MOST_COMPARISONS: usize = 1_000_000;

/// The most candidates that continue a list.
const MOST_LISTS: usize = 200;

/// The longest description, in bytes; shells cut it to the width of the terminal.
const MOST_WORDS: usize = 120;

/// The values of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    /// Any text; there is nothing to offer.
    Free,
    /// A token, then a tool of the policy.
    TokenAndTool,
    /// A tool of the policy.
    Tool,
    /// A permission of the policy.
    Permission,
    /// Permissions of the policy, separated by commas.
    Permissions,
    /// A user of the policy's expectations.
    User,
    /// `@FILE`.
    Token,
    /// `@FILE` or `FILE`.
    TokenFile,
    /// A file.
    File,
    /// A TOML file.
    Toml,
    /// A directory.
    Directory,
    /// An issuer of the configuration.
    Issuer,
    /// An audience of the configuration.
    Audience,
    /// A target of the configuration.
    Target,
    /// An algorithm.
    Algorithm,
    /// A preset of claims.
    Preset,
    /// A claim that names the user.
    UserClaim,
    /// A claim that contains permissions.
    PermissionsClaim,
    /// A theme.
    Theme,
    /// An expected decision.
    Decision,
    /// An expected answer to a call.
    Answer,
    /// How refusals are sent.
    Denial,
    /// Which tools are listed.
    Listing,
    /// A limit, or `off`.
    Rate,
    /// The type of a token.
    Type,
}

/// Returns the values of an argument, by the name of its command and its own identifier; `None` if clap knows them or a
/// new argument is not listed yet.
fn values(command: &str, argument: &str) -> Option<Values> {
    Some(match (command, argument) {
        ("check" | "call" | "drill", "words") => Values::TokenAndTool,
        ("why", "words") | (_, "compare" | "like") | ("tools" | "revoke", "token") => Values::Token,
        ("inspect", "token") | (_, "tokens") => Values::TokenFile,
        (_, "tool") => Values::Tool,
        (_, "permissions") => Values::Permission,
        (_, "holders") => Values::Permissions,
        (_, "user") => Values::User,
        (_, "policy" | "config" | "plan" | "write_policy") | ("check", "file") => Values::Toml,
        (
            _,
            "secret_file" | "old_secret_files" | "signing_key" | "state" | "jwks" | "public_key" | "ca_file" | "junit"
            | "token_file" | "out" | "files",
        ) => Values::File,
        (_, "dir") => Values::Directory,
        (_, "issuer") => Values::Issuer,
        (_, "audiences") => Values::Audience,
        (_, "target") => Values::Target,
        (_, "alg" | "algorithms") => Values::Algorithm,
        (_, "preset") => Values::Preset,
        (_, "user_claims") => Values::UserClaim,
        (_, "permissions_claims") => Values::PermissionsClaim,
        (_, "theme") => Values::Theme,
        ("call", "expect") => Values::Answer,
        (_, "expect") => Values::Decision,
        (_, "denial") => Values::Denial,
        (_, "list") => Values::Listing,
        (_, "rate") => Values::Rate,
        (_, "typ") => Values::Type,
        (
            _,
            "serve"
            | "leeway"
            | "max_token_size"
            | "now"
            | "jwks_max_stale"
            | "url"
            | "headers"
            | "timeout"
            | "ttl"
            | "expires"
            | "not_before"
            | "claims"
            | "sub"
            | "iat"
            | "jti"
            | "kid"
            | "arguments"
            | "every"
            | "until"
            | "listen"
            | "public_url"
            | "hosts"
            | "origins"
            | "authorization_servers"
            | "per_peer"
            | "max_body"
            | "max_stale"
            | "command",
        ) => Values::Free,
        _ => return None,
    })
}

/// The words of the command line before the one that is completed, from the program's name on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    words: Vec<String>,
}

impl Line {
    /// Creates it from the words up to the cursor, of which the last one is completed.
    pub fn before_last(words: &[OsString]) -> Self {
        let before = words.split_last().map_or(&[][..], |(_, before)| before);
        Self { words: before.iter().map(|word| word.to_string_lossy().into_owned()).collect() }
    }

    /// The words before `--`: options and arguments of the program itself.
    fn own(&self) -> &[String] {
        self.words.split(|word| word == "--").next().unwrap_or_default()
    }

    /// The value that the line gives to an option; of several, the last.
    fn option<'l>(&'l self, long: &str) -> Option<&'l str> {
        let own = self.own();
        let of = |(place, word): (usize, &'l String)| match word.strip_prefix(long)? {
            "" => own.get(place + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        };
        own.iter().enumerate().rev().find_map(of)
    }

    /// Whether the command is for another server, which has tools of its own.
    fn has_other_server(&self) -> bool {
        self.own().len() < self.words.len() || self.option("--url").is_some() || self.option("--target").is_some()
    }

    /// The configuration that the command would use; the default one if it cannot be read.
    fn configuration(&self) -> ConfigFile {
        let variable = || std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(Into::into);
        let named = self.option("--config").map(config::typed).or_else(variable);
        ConfigFile::find(named.as_deref()).unwrap_or_default()
    }

    /// The policy that the command would use; `None` if it cannot be read, or if only another server knows its tools.
    fn policy(&self) -> Option<Arc<Policy>> {
        let given = self.option("--policy").map(config::typed).or_else(|| self.configuration().policy);
        match given {
            Some(path) => config::policy(&path).ok(),
            None if self.has_other_server() => None,
            None => Some(Arc::default()),
        }
    }
}

/// Returns the program's options, with candidates for their values.
pub fn command(options: clap::Command, line: &Line) -> clap::Command {
    let name = options.get_name().to_owned();
    let with_values = |argument: clap::Arg| match values(&name, argument.get_id().as_str()) {
        Some(values) => argument.add(ArgValueCompleter::new(Completer { values, line: line.clone() })),
        None => argument,
    };
    options.mut_args(with_values).mut_subcommands(|sub| command(sub, line))
}

/// The candidates for one argument.
struct Completer {
    values: Values,
    line: Line,
}

impl ValueCompleter for Completer {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        self.complete_at(0, current)
    }

    fn complete_at(&self, place: usize, current: &OsStr) -> Vec<CompletionCandidate> {
        let text = current.to_str().unwrap_or_default();
        let all = match self.values {
            Values::Free => return Vec::new(),
            Values::File => return PathCompleter::file().complete(current),
            Values::Directory => return PathCompleter::dir().complete(current),
            Values::Toml => return toml_files().complete(current),
            Values::TokenFile if !text.starts_with('@') => return PathCompleter::file().complete(current),
            Values::Token | Values::TokenFile => return token_files(text),
            Values::TokenAndTool if place == 0 && text.starts_with('@') => return token_files(text),
            Values::TokenAndTool => self.tools_unless_given(),
            Values::Tool => self.tools(),
            Values::Permission => self.permissions(),
            Values::Permissions => return self.list_of_permissions(text),
            Values::User => self.users(),
            Values::Issuer => self.issuers(),
            Values::Audience => self.line.configuration().audience.iter().filter_map(|name| row(name, "")).collect(),
            Values::Target => self.targets(),
            Values::Algorithm => rows(Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm.family().words()))),
            Values::Preset => rows(PRESETS.iter().map(|preset| (preset.name, preset.provider))),
            Values::UserClaim => claims(|preset| preset.user),
            Values::PermissionsClaim => claims(|preset| preset.permissions),
            Values::Theme => rows(ThemeChoice::ALL.map(|theme| (theme.word(), ""))),
            Values::Decision => expectations(ExpectedAnswer::decisions()),
            Values::Answer => expectations(ExpectedAnswer::calls()),
            Values::Denial => rows(Denial::ALL.map(|denial| (denial.word(), ""))),
            Values::Listing => rows(Listing::ALL.map(|listing| (listing.word(), ""))),
            Values::Rate => rows([("off", "no limit")]),
            Values::Type => rows([("JWT", "RFC 7519"), ("at+jwt", "an access token, RFC 9068")]),
        };
        all.into_iter().filter(|candidate| candidate.get_value().to_string_lossy().starts_with(text)).collect()
    }
}

impl Completer {
    fn tools(&self) -> Vec<CompletionCandidate> {
        let policy = self.line.policy();
        let tools = policy.iter().flat_map(|policy| policy.tools());
        tools
            .filter_map(|tool| match &tool.description {
                Some(description) => row(&tool.name, description),
                None => row(&tool.name, &format!("needs {}", tool.needs())),
            })
            .collect()
    }

    /// The tools, unless the line has one already: what follows a tool is not another one.
    fn tools_unless_given(&self) -> Vec<CompletionCandidate> {
        let tools = self.tools();
        // The first word is the program and the second one the command, which may have the name of a tool.
        let words = self.line.own().get(2..).unwrap_or_default();
        let is_given = |tool: &CompletionCandidate| words.iter().any(|word| tool.get_value() == word.as_str());
        if tools.iter().any(is_given) { Vec::new() } else { tools }
    }

    fn permissions(&self) -> Vec<CompletionCandidate> {
        let Some(policy) = self.line.policy() else { return Vec::new() };
        let described = policy.parts().permissions.iter();
        let described: HashMap<&str, &str> =
            described.filter_map(|rule| Some((&*rule.name, rule.description.as_deref()?))).collect();
        // Each permission is compared with those of each tool.
        let permissions = policy.permissions();
        let in_tools: usize = policy.tools().iter().map(|tool| 1 + tool.permissions.len()).sum();
        let is_large = permissions.len().saturating_mul(in_tools) > MOST_COMPARISONS;
        let words = |permission: &str| {
            if let Some(description) = described.get(permission) {
                return (*description).to_owned();
            }
            if is_large {
                return String::new();
            }
            let opened = policy.tools().iter().filter(|tool| policy.grant(&[permission], tool).is_some());
            text::names(opened.map(|tool| &tool.name), 64, 4, ", ")
        };
        permissions.iter().filter_map(|permission| row(permission, &words(permission))).collect()
    }

    /// Completes the last permission of a list with commas with those that the list does not have yet.
    fn list_of_permissions(&self, text: &str) -> Vec<CompletionCandidate> {
        let (before, last) = text.rsplit_once(',').map_or(("", text), |(before, last)| (before, last));
        let prefix = text.strip_suffix(last).unwrap_or_default();
        let listed: HashSet<&str> = before.split(',').collect();
        let is_new = |name: &str| name.starts_with(last) && !listed.contains(name);
        self.permissions()
            .into_iter()
            .filter(|candidate| candidate.get_value().to_str().is_some_and(is_new))
            // Each contains the whole list.
            .take(MOST_LISTS)
            .map(|candidate| candidate.add_prefix(prefix))
            .collect()
    }

    fn users(&self) -> Vec<CompletionCandidate> {
        let policy = self.line.policy();
        let expectations = policy.iter().flat_map(|policy| &policy.parts().expectations);
        let mut users: Vec<&str> = expectations
            .filter_map(|expectation| match &expectation.who {
                CallerSelector::User(user) => Some(&**user),
                CallerSelector::Permissions(_) => None,
            })
            .collect();
        users.sort_unstable();
        users.dedup();
        users.into_iter().filter_map(|user| row(user, "")).collect()
    }

    fn issuers(&self) -> Vec<CompletionCandidate> {
        let configuration = self.line.configuration();
        let others = configuration.issuers.iter().filter_map(|issuer| issuer.name.as_deref());
        configuration.issuer.as_deref().into_iter().chain(others).filter_map(|name| row(name, "")).collect()
    }

    fn targets(&self) -> Vec<CompletionCandidate> {
        // The URL and the arguments may contain credentials, so they are not shown.
        let words = |has_url| if has_url { "a server at a URL" } else { "a program" };
        let targets = self.line.configuration().targets;
        targets.iter().filter_map(|target| row(&target.name, words(target.url.is_some()))).collect()
    }
}

/// A candidate. `None` if the value is empty or contains characters that are not safe to show: completed, it would be
/// another value than the shown one.
fn row(value: &str, words: &str) -> Option<CompletionCandidate> {
    let is_shown = !value.is_empty() && text::display_safe(value, usize::MAX) == value;
    let words = text::display_safe(&words.replace('`', ""), MOST_WORDS);
    let help = Some(words).filter(|words| !words.is_empty()).map(StyledStr::from);
    is_shown.then(|| CompletionCandidate::new(value).help(help))
}

fn rows(all: impl IntoIterator<Item = (&'static str, &'static str)>) -> Vec<CompletionCandidate> {
    all.into_iter().filter_map(|(value, words)| row(value, words)).collect()
}

/// The claims of all presets, each with the names of its presets.
fn claims(of: impl Fn(&crate::auth::mapping::Preset) -> &'static [&'static str]) -> Vec<CompletionCandidate> {
    let mut names: Vec<&str> = Vec::new();
    for name in PRESETS.iter().flat_map(&of) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let presets = |name: &str| {
        let having = PRESETS.iter().filter(|preset| of(preset).contains(&name));
        text::names(having.map(|preset| preset.name), 64, 4, ", ")
    };
    names.into_iter().filter_map(|name| row(name, &presets(name))).collect()
}

fn expectations(all: impl Iterator<Item = ExpectedAnswer>) -> Vec<CompletionCandidate> {
    let words = |expected| match expected {
        ExpectedAnswer::Reason(row) => row.meaning,
        ExpectedAnswer::Verdict(_) => "any answer with this verdict",
        ExpectedAnswer::Trouble(_) => "allowed, but the call failed",
    };
    all.filter_map(|expected| row(expected.word(), words(expected))).collect()
}

fn toml_files() -> PathCompleter {
    PathCompleter::any().filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "toml"))
}

/// Completes `@FILE`.
fn token_files(text: &str) -> Vec<CompletionCandidate> {
    let path = text.strip_prefix('@').unwrap_or(text);
    PathCompleter::file().complete(OsStr::new(path)).into_iter().map(|candidate| candidate.add_prefix("@")).collect()
}

/// Completes a program after `--`, or with `is_argument` one of its arguments: a file. `path` is the list of directories
/// in which the shell finds programs.
pub fn programs(current: &str, is_argument: bool, path: Option<&OsStr>) -> Vec<CompletionCandidate> {
    let is_program =
        |path: &Path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if is_argument {
        return PathCompleter::file().complete(OsStr::new(current));
    }
    if current.contains('/') {
        return PathCompleter::any().filter(is_program).complete(OsStr::new(current));
    }
    if current.is_empty() {
        // All programs of the system are too many to read.
        return Vec::new();
    }
    let mut names: Vec<String> = std::env::split_paths(path.unwrap_or_default())
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            (name.starts_with(current) && is_program(&entry.path())).then_some(name)
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names.iter().filter_map(|name| row(name, "")).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Options;

    fn line(words: &[&str]) -> Line {
        Line { words: words.iter().map(ToString::to_string).collect() }
    }

    /// A new option needs a row in the table, even if its value is any text.
    #[test]
    fn the_values_of_every_argument_are_known() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
                let (name, id) = (command.get_name(), argument.get_id().as_str());
                let is_known = values(name, id).is_some() || !argument.get_possible_values().is_empty();
                assert!(is_known, "{name}: no values for {id}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Options::command());
    }

    #[test]
    fn an_option_of_the_line_is_found_in_both_forms_and_the_last_one_is_used() {
        let line = line(&["portcullis", "--policy", "a", "check", "--policy=b", "--policyx", "--", "--policy=c"]);
        assert_eq!(line.option("--policy"), Some("b"));
        assert_eq!(line.option("--config"), None);
        assert!(line.has_other_server());
    }

    #[test]
    fn a_name_that_cannot_be_shown_is_not_offered() {
        assert!(row("a\u{1b}[31m", "").is_none() && row("", "").is_none() && row("a b:c", "").is_some());
    }
}

//! The command line: the options, and a command for every pane of the console.
//!
//! [`Runner`] runs a command; `main` turns its result into an exit code. Each command has its own file with one `run`
//! function.

/// Formats the examples below a command's options.
macro_rules! examples {
    ($lines:literal) => {
        concat!("Examples:\n  ", $lines)
    };
}

mod arguments;
mod call;
mod candidates;
mod check;
mod completions;
mod context;
mod drill;
mod drill_result;
mod expect;
pub mod group;
mod inspect;
mod issue;
mod json;
mod keys;
mod manual;
mod matrix;
mod options;
mod paint;
mod policy;
mod probe;
mod reference;
mod report;
mod revoke;
mod serve;
mod server_drill;
mod server_matrix;
mod target;
mod test;
mod testkit;
mod tokens;
mod tools;
mod values;
mod why;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use clap::ColorChoice;

use crate::auth::keys::SignerOptions;
use crate::auth::{Algorithm, IssueError, Signer, Verdict};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, ConfigError};
use crate::lab::test_plan::PlanError;
use crate::observe::{Observation, Observed};
use crate::report::JunitError;
use crate::server::ServeError;
use crate::signals;
use crate::store::StoreError;
use crate::target::TargetError;
use crate::text;

use arguments::{KeysCommand, PolicyCommand, ServerOptions};
pub use completions::answer as answer_completions;
pub use context::{Context, Environment, GateWithClock};
use options::Settings;
pub use options::{Command, Options};
use paint::Paint;
pub use reference::{FILES, VARIABLES, files_markdown, variables_markdown};

/// The exit code of the process. The numbers are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Allowed, or valid.
    Good = 0,
    /// An I/O or configuration error.
    Trouble = 1,
    /// Wrong usage; clap uses the same code.
    Usage = 2,
    /// Unauthorized, or invalid.
    Unauthorized = 3,
    /// Forbidden, or an expectation, drill or test token failed.
    Forbidden = 4,
    /// Allowed, but the arguments or the tool failed.
    Failed = 5,
    /// No expectation failed, but at least one could not be tested.
    NoVerdict = 6,
}

/// The meaning of each exit code, as shown in help and docs.
pub const EXITS: [(Exit, &str); 7] = [
    (Exit::Good, "allowed or valid"),
    (Exit::Trouble, "error in a file, the secret, the configuration or a connection"),
    (Exit::Usage, "usage error"),
    (Exit::Unauthorized, "unauthorized or invalid"),
    (Exit::Forbidden, "forbidden, or an expectation, drill or test token failed"),
    (Exit::Failed, "allowed, but the arguments or the tool failed"),
    (Exit::NoVerdict, "no verdict: nothing failed, but not every answer was clear"),
];

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allowed => Self::Good,
            Verdict::Unauthorized => Self::Unauthorized,
            Verdict::Forbidden => Self::Forbidden,
        }
    }
}

impl Exit {
    /// The exit code for the answer of a foreign server.
    pub const fn of_observation(observation: &Observation) -> Self {
        match observation.observed() {
            Observed::Ran => Self::Good,
            Observed::Failed | Observed::BadArguments => Self::Failed,
            Observed::Forbidden => Self::Forbidden,
            Observed::Refused => Self::Unauthorized,
            Observed::NotMcp | Observed::Silent => Self::Trouble,
            Observed::NoTool
            | Observed::TooLarge
            | Observed::Throttled
            | Observed::ServerFailed
            | Observed::Unclear => Self::NoVerdict,
        }
    }
}

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration, secret or policy file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Reading or writing failed.
    #[error("{}", config::plain(.0))]
    Io(#[from] io::Error),
    /// Missing or invalid arguments.
    #[error("{0}")]
    Usage(String),
    /// An argument that looks like the name of a file, but cannot be read as one.
    #[error("{} is neither a token nor a file: {}", text::name(.argument, 200), config::plain(.error))]
    NeitherTokenNorFile {
        /// The argument.
        argument: String,
        /// Why it is not a file.
        error: io::Error,
    },
    /// The store of revocations failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server could not be started.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A signal with this number ended the command.
    #[error("ended by signal {0}")]
    Signalled(i32),
    /// The other server cannot be used as described.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The token cannot be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The test plan is invalid.
    #[error("test plan {}: {error}", text::name(&.path.to_string_lossy(), 200))]
    Plan {
        /// The file.
        path: PathBuf,
        /// The error and its position.
        error: PlanError,
    },
    /// The report cannot be written as JUnit XML.
    #[error(transparent)]
    Report(#[from] JunitError),
}

impl CliError {
    /// Returns the exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Io(_)
            | Self::NeitherTokenNorFile { .. }
            | Self::Store(_)
            | Self::Serve(_)
            | Self::Report(_)
            | Self::Plan { .. } => Exit::Trouble as u8,
            Self::Usage(_) | Self::Issue(_) | Self::Target(_) => Exit::Usage as u8,
            Self::Signalled(number) => signals::exit_code(*number),
        }
    }
}

/// The streams, environment and state of a command.
pub struct Runner<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Whether standard output is a terminal that supports colour.
    pub shows_colour: bool,
    /// Whether standard error is a terminal; if not, hints are omitted, because they are for people.
    pub shows_hints: bool,
    /// The environment.
    pub environment: Environment,
    /// The exit code so far; used if the reader of standard output closes the pipe early.
    pub known: Exit,
}

impl Runner<'_> {
    /// Runs a command. If the reader closes the pipe early, the exit code covers the output so far.
    pub fn run(&mut self, options: &Options, command: &Command) -> Result<Exit, CliError> {
        let run = self.dispatch(options, command).and_then(|exit| {
            self.known = exit;
            self.out.flush()?;
            Ok(exit)
        });
        match run {
            Err(CliError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(self.known),
            run => run,
        }
    }

    /// Writes a message to standard error. A failed write to standard error is ignored.
    fn say(&mut self, text: impl std::fmt::Display) {
        // A single write: standard error is unbuffered, and other output could interleave with parts.
        let _ = self.err.write_all(format!("portcullis: {text}\n").as_bytes());
    }

    /// Rejects a token in the tool's place: the tool is missing, or the two are swapped.
    fn tool<'w>(word: &'w str, wanted: &str) -> Result<&'w str, CliError> {
        let is_source = word == "-" || word.strip_prefix('@').is_some_and(|path| config::typed(path).is_file());
        match text::read_token(word).tokens.is_empty() && !is_source {
            true => Ok(word),
            false => Err(CliError::Usage(format!("expected a tool, got a token; write {wanted}"))),
        }
    }

    fn dispatch(&mut self, options: &Options, command: &Command) -> Result<Exit, CliError> {
        if options.demo {
            return Err(CliError::Usage("--demo cannot be used with a command".to_owned()));
        }
        if options.serve.is_some() || options.server != ServerOptions::default() {
            let wanted =
                "--serve and server options cannot be used before a command; write `portcullis serve [OPTIONS]`";
            return Err(CliError::Usage(wanted.to_owned()));
        }
        let settings = &options.settings;
        self.shows_hints &= !settings.json;
        let json = settings.json;
        let paint = self.paint(settings.color.unwrap_or(ColorChoice::Auto));
        match command {
            Command::Policy(PolicyCommand::Check(args)) => return policy::check(self, args, json, paint),
            Command::Keys(KeysCommand::New(args)) => return keys::new(self, args),
            Command::Keys(KeysCommand::Jwks(args)) if !args.files.is_empty() => {
                return keys::jwks_of_files(self, args, settings);
            }
            Command::Completions { shell } => return completions::run(self, *shell),
            Command::Man { dir } => {
                let date = manual::date(self.environment.source_date.as_deref(), SystemClock::new().now())?;
                return manual::man(self.out, dir.as_deref(), date);
            }
            _ => {}
        }
        let key = match command {
            Command::Issue(args) => SignerOptions { algorithm: args.alg, kid: args.kid.as_deref() },
            Command::Keys(KeysCommand::Jwks(args)) => SignerOptions { algorithm: args.alg, kid: None },
            _ => SignerOptions::default(),
        };
        let context = Context::with(settings, &self.environment, key)?;
        // Reported once, before anything else, for every command that signs or verifies; revoke does neither.
        if let Some(weakness) = context.weakness().filter(|_| !matches!(command, Command::Revoke(_))) {
            self.say(weakness);
        }
        for writable in context.writable() {
            self.say(writable);
        }
        match command {
            Command::Issue(args) => issue::run(self, args, &context, json),
            Command::Inspect(args) => inspect::run(self, args, &context, json, paint),
            Command::Check(args) => check::run(self, args, &context, json, paint),
            Command::Call(args) => call::run(self, args, &context, json),
            Command::Tools(args) => tools::run(self, args, &context, json, paint),
            Command::Why(args) => why::run(self, args, &context, json, paint),
            Command::Matrix(args) => matrix::run(self, args, &context, json, paint),
            Command::Drill(args) => drill::run(self, args, &context, json, paint),
            Command::Testkit(args) => {
                let mut context = context;
                context.variant = self.variant_of(settings, &context);
                testkit::run(self, args, &context, json, paint)
            }
            Command::Test(args) => test::run(self, args, &context, json, paint),
            Command::Serve(args) => serve::run(self, args, &context, json, paint),
            Command::Revoke(args) => revoke::run(self, args, &context, json),
            Command::Keys(KeysCommand::Jwks(_)) => keys::jwks(self, &context, json),
            Command::Keys(KeysCommand::List) => keys::list(self, &context, json),
            Command::Keys(KeysCommand::New(_))
            | Command::Policy(_)
            | Command::Completions { .. }
            | Command::Man { .. } => Ok(self.known),
        }
    }

    /// The signing secret for another algorithm, if the key is a secret.
    fn variant_of(&self, settings: &Settings, context: &Context) -> Option<Signer> {
        let algorithm = match context.signer()?.algorithm() {
            Algorithm::Hs256 => Algorithm::Hs384,
            Algorithm::Hs384 | Algorithm::Hs512 => Algorithm::Hs256,
            _ => return None,
        };
        let options = SignerOptions { algorithm: Some(algorithm), kid: None };
        Context::with(settings, &self.environment, options).ok()?.signer().cloned()
    }

    fn paint(&self, choice: ColorChoice) -> Paint {
        Paint(match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => self.shows_colour && !self.environment.no_colour,
        })
    }
}

//! The options: one table from which clap makes parsing, help, completions and man pages.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ColorChoice, Parser, Subcommand};
use clap_complete::Shell;

use crate::auth::issue::When;
use crate::auth::{Leeway, NumericDate};

/// Who may call what, with this token, now, and why: a console and commands for an authenticated MCP server.
///
/// Without a command the console starts. Without any secret it makes a fresh key, which is forgotten at the end.
#[derive(Debug, Parser)]
#[command(version, about, long_about, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Options {
    /// What everything is judged by, and how it is told.
    #[command(flatten)]
    pub settings: Settings,

    /// Begin the console with three identities and a token that dies in 60 seconds
    #[arg(long)]
    pub demo: bool,

    /// What to do instead of starting the console.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const AFTER_HELP: &str = "\
Environment:
  PORTCULLIS_SECRET  the signing secret, where --secret-file names none
  PORTCULLIS_TOKEN   the token, where none is given
  PORTCULLIS_CONFIG  the configuration file, where --config names none
  NO_COLOR           no colour, unless --color always

A secret may be written as it is, as hex: and hexadecimal, or as b64: and base64.
Durations are words: 90s, 15m, 1h, 7d, 1h30m.

Exit codes:
  0  allowed, or valid             3  unauthorized, or not valid
  1  trouble: a file, the secret   4  forbidden
  2  wrong usage                   5  allowed, but the arguments or the tool failed";

/// Options that every command knows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Settings {
    /// File that holds the signing secret; a line break at its end is not part of it
    #[arg(long, value_name = "FILE", global = true)]
    pub secret_file: Option<PathBuf>,

    /// Take the secret file although others can read it
    #[arg(long, global = true)]
    pub insecure_secret_file: bool,

    /// File that says who may call what, instead of the policy built in
    #[arg(long, value_name = "FILE", global = true)]
    pub policy: Option<PathBuf>,

    /// Configuration file, instead of the platform's
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Allowance for clocks that differ, at most 300s [default: 0s]
    #[arg(long, value_name = "DURATION", global = true, allow_hyphen_values = true)]
    pub leeway: Option<Leeway>,

    /// Issuer (iss) that every token must carry, and that issued ones do
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), global = true)]
    pub issuer: Option<String>,

    /// Audience (aud) that every token must name, and that issued ones do
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), global = true)]
    pub audience: Option<String>,

    /// Judge for this time, as in 2026-11-22T20:41:05Z; the console's clock starts there
    #[arg(long, value_name = "RFC3339", value_parser = instant, global = true)]
    pub now: Option<NumericDate>,

    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: ColorChoice,
}

/// What can be done without the console.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign a token and print it
    #[command(after_help = examples("portcullis issue user123 -p user --ttl 15m"))]
    Issue(IssueArgs),

    /// Decode tokens and judge them
    #[command(after_help = examples("portcullis inspect \"$TOKEN\"\n  portcullis --json inspect - <tokens.txt"))]
    Inspect(InspectArgs),

    /// Say whether a token may call a tool, and why; call nothing
    #[command(after_help = examples("portcullis check \"$TOKEN\" write_data\n  portcullis check --no-token read_data"))]
    Check(CheckArgs),

    /// Call a tool with a token; print the answer, and on standard error why
    #[command(after_help = examples("portcullis call \"$TOKEN\" read_data '{\"id\": 1}'"))]
    Call(CallArgs),

    /// Print completions for a shell
    #[command(after_help = examples("portcullis completions bash"))]
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the man page, or write all of them into a directory
    #[command(after_help = examples("portcullis man\n  portcullis man --dir man1"))]
    Man {
        /// Directory for one page a command
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

fn examples(lines: &str) -> String {
    format!("Example:\n  {lines}")
}

/// What a token shall say.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Who the token is for (`user_id`)
    pub user: String,

    /// A permission it holds; may be given several times
    #[arg(short, long = "permission", value_name = "NAME")]
    pub permissions: Vec<String>,

    /// How long it lives; negative for one that is dead already [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = span, allow_hyphen_values = true)]
    pub ttl: Option<When>,

    /// When it dies, instead of how long it lives
    #[arg(long, value_name = "RFC3339", value_parser = instant, conflicts_with = "ttl")]
    pub expires: Option<NumericDate>,

    /// Not valid before: a duration from now, or a time
    #[arg(long, value_name = "WHEN", value_parser = when, allow_hyphen_values = true)]
    pub not_before: Option<When>,

    /// A further claim, its value in JSON: --claim 'team="blue"'
    #[arg(long = "claim", value_name = "NAME=JSON")]
    pub claims: Vec<String>,
}

/// Which tokens to inspect.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON); - reads standard input, where several tokens
    /// may stand, one a line
    #[arg(allow_hyphen_values = true)]
    pub token: Option<String>,
}

/// What to decide.
#[derive(Debug, Args)]
#[command(override_usage = "portcullis check [OPTIONS] [TOKEN|-] TOOL")]
pub struct CheckArgs {
    /// The token (- reads it from standard input; without one it is `PORTCULLIS_TOKEN`), and the tool
    #[arg(required = true, num_args = 1..=2, value_names = ["TOKEN", "TOOL"], allow_hyphen_values = true)]
    pub words: Vec<String>,

    /// Decide for a caller without a token
    #[arg(long)]
    pub no_token: bool,
}

/// What to call.
#[derive(Debug, Args)]
#[command(override_usage = "portcullis call [OPTIONS] [TOKEN|-] TOOL [ARGUMENTS]")]
pub struct CallArgs {
    /// The token (- reads it from standard input; without one it is `PORTCULLIS_TOKEN`), the tool, and its arguments as
    /// a JSON object, {} unless given. Of two words the second one is the arguments if it begins with { or [
    #[arg(required = true, num_args = 1..=3, value_names = ["TOKEN", "TOOL", "ARGUMENTS"], allow_hyphen_values = true)]
    pub words: Vec<String>,

    /// Call without a token
    #[arg(long)]
    pub no_token: bool,
}

fn instant(text: &str) -> Result<NumericDate, String> {
    NumericDate::from_rfc3339(text).ok_or_else(|| "not an RFC 3339 time; write it as 2026-11-22T20:41:05Z".to_owned())
}

fn when(text: &str) -> Result<When, String> {
    When::parse(text).map_err(str::to_owned)
}

fn span(text: &str) -> Result<When, String> {
    match when(text)? {
        When::At(_) => Err("a time; name it with --expires".to_owned()),
        span @ When::In(_) => Ok(span),
    }
}

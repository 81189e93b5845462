//! What each command takes beside the general options.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::options::{Settings, examples};
use super::values::{duration, span, time, when};
use crate::auth::NumericDate;
use crate::auth::issue::When;

/// Sign a token and print it
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
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "ttl")]
    pub expires: Option<NumericDate>,

    /// Not valid before: a duration from now, or a time
    #[arg(long, value_name = "WHEN", value_parser = when, allow_hyphen_values = true)]
    pub not_before: Option<When>,

    /// A further claim, its value in JSON: --claim 'team="blue"'
    #[arg(long = "claim", value_name = "NAME=JSON")]
    pub claims: Vec<String>,

    /// What the token is judged by, and how that is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// Decode tokens and judge them
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON); - reads standard input, where several tokens
    /// may stand, one a line
    pub token: Option<String>,

    /// What the token is judged by, and how that is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// Say whether a token may call a tool, and why; call nothing
#[derive(Debug, Args)]
#[command(override_usage = "portcullis check [OPTIONS] [TOKEN|-] TOOL")]
pub struct CheckArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON), and the tool. Without a token it is
    /// `PORTCULLIS_TOKEN`; - reads standard input and takes the first one
    #[arg(required = true, num_args = 1..=2, value_name = "[TOKEN] TOOL")]
    pub words: Vec<String>,

    /// Decide for a caller without a token
    #[arg(long)]
    pub no_token: bool,

    /// What the token is judged by, and how that is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// Call a tool with a token; print the answer, and on standard error why
#[derive(Debug, Args)]
#[command(override_usage = "portcullis call [OPTIONS] [TOKEN|-] TOOL [ARGUMENTS]")]
pub struct CallArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON), the tool, and its arguments as a JSON object,
    /// {} unless given. Without a token it is `PORTCULLIS_TOKEN`; - reads standard input and takes the first one. Of
    /// two words the second one is the arguments if it begins with { or [
    #[arg(required = true, num_args = 1..=3, value_name = "[TOKEN] TOOL [ARGUMENTS]")]
    pub words: Vec<String>,

    /// Call without a token
    #[arg(long)]
    pub no_token: bool,

    /// What the token is judged by, and how that is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// Show who may call what: a table of callers and tools
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// Whose rows to show, one a token: a token, or a text that holds some; - reads standard input
    pub tokens: Option<String>,

    /// A row for whoever holds these permissions, with commas between; may be given several times. Without tokens and
    /// without this the rows are those of the policy's expectations, and one for each of its permissions
    #[arg(long = "as", value_name = "PERMISSIONS")]
    pub holders: Vec<String>,

    /// Print a Markdown table
    #[arg(long, conflicts_with = "csv")]
    pub markdown: bool,

    /// Print comma-separated values (RFC 4180)
    #[arg(long)]
    pub csv: bool,

    /// What the token is judged by, and how that is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// Call through the end of a token's life; tell where the gate really ends it
#[derive(Debug, Args)]
#[command(override_usage = "portcullis drill [OPTIONS] [TOKEN|-] TOOL")]
pub struct DrillArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON), and the tool. Without a token it is
    /// `PORTCULLIS_TOKEN`; - reads standard input and takes the first one
    #[arg(required = true, num_args = 1..=2, value_name = "[TOKEN] TOOL")]
    pub words: Vec<String>,

    /// Drill a new token that lives so long, instead of one that is given
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub ttl: Option<Duration>,

    /// A permission of the new token; may be given several times [default: the first one that opens the tool]
    #[arg(short, long = "permission", value_name = "NAME", requires = "ttl")]
    pub permissions: Vec<String>,

    /// From one call to the next, at least 10ms
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration)]
    pub every: Duration,

    /// Call more often around the border, so that it is found to 10ms
    #[arg(long)]
    pub fine: bool,

    /// Do not wait: judge each call for its instant, and find the border to the microsecond
    #[arg(long, conflicts_with = "fine")]
    pub shifted: bool,

    /// Print Markdown, for a ticket
    #[arg(long)]
    pub markdown: bool,

    /// What the token is judged by, and how that is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// Make the classic test tokens, or judge them: every way a token can be wrong
#[derive(Debug, Args)]
pub struct TestkitArgs {
    /// Who the tokens are for (`user_id`)
    #[arg(default_value = "tester")]
    pub user: String,

    /// A permission they hold; may be given several times [default: the first one that opens the tool]
    #[arg(short, long = "permission", value_name = "NAME")]
    pub permissions: Vec<String>,

    /// The tool they are for [default: the first one of the policy]
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<String>,

    /// Call the tool with each, and compare what comes with what must come
    #[arg(long)]
    pub run: bool,

    /// Print what came as Markdown, for a ticket
    #[arg(long, requires = "run")]
    pub markdown: bool,

    /// What the token is judged by, and how that is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// Refuse a token from now on although it lives on; take that back; list what is revoked
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON); - reads standard input and takes the first one
    #[arg(conflicts_with_all = ["jti", "list"])]
    pub token: Option<String>,

    /// Every token with this `jti`, whether it is known here or not
    #[arg(long, conflicts_with = "list", value_parser = NonEmptyStringValueParser::new())]
    pub jti: Option<String>,

    /// Let it pass again
    #[arg(long, conflicts_with = "list")]
    pub restore: bool,

    /// Print what is revoked
    #[arg(long)]
    pub list: bool,

    /// Where it is kept, and how it is told.
    #[command(flatten)]
    pub settings: Settings,
}

/// What can be done with a policy file.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Read a policy file, say what is odd about it, and hold it against its expectations
    #[command(after_help = examples("portcullis policy check policy.toml"))]
    Check(PolicyCheckArgs),
}

/// Which policy file to check.
#[derive(Debug, Args)]
pub struct PolicyCheckArgs {
    /// The policy file; - reads standard input
    pub file: PathBuf,

    /// How it is told; nothing else of it matters to a policy.
    #[command(flatten)]
    pub settings: Settings,
}

//! What each command takes beside the general options.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::values::{Rate, denial, duration, listing, rate, span, time, url, when};
use crate::auth::NumericDate;
use crate::auth::issue::When;
use crate::endpoint::{self, Address, Denial, HostName, Listing, Page};
use crate::text::Span;

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
}

/// Decode tokens and judge them
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON); - reads standard input and @FILE or FILE
    /// a file, with several tokens, one a line. Without it, `PORTCULLIS_TOKEN` or a redirected standard input
    pub token: Option<String>,
}

/// Say whether a token may call a tool, and why; call nothing
#[derive(Debug, Args)]
#[command(override_usage = "portcullis check [OPTIONS] [TOKEN|-|@FILE] TOOL")]
pub struct CheckArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON), and the tool. Without a token it is
    /// `PORTCULLIS_TOKEN`; - reads standard input, @FILE a file, and the first one is taken
    #[arg(required = true, num_args = 1..=2, value_name = "[TOKEN] TOOL")]
    pub words: Vec<String>,

    /// Decide for a caller without a token
    #[arg(long)]
    pub no_token: bool,
}

/// Call a tool with a token; print the answer, and on standard error why
#[derive(Debug, Args)]
#[command(override_usage = "portcullis call [OPTIONS] [TOKEN|-|@FILE] TOOL [ARGUMENTS]")]
pub struct CallArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON), the tool, and its arguments as a JSON object,
    /// {} unless given. Without a token it is `PORTCULLIS_TOKEN`; - reads standard input, @FILE a file, and the first one is taken. Of
    /// two words the second one is the arguments if it begins with { or [
    #[arg(required = true, num_args = 1..=3, value_name = "[TOKEN] TOOL [ARGUMENTS]")]
    pub words: Vec<String>,

    /// Call without a token
    #[arg(long)]
    pub no_token: bool,
}

/// Show who may call what: a table of callers and tools
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// Whose rows to show, one a token: a token, or a text that holds some; - reads standard input, @FILE a file
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
}

/// Call through the end of a token's life; tell where the gate really ends it
#[derive(Debug, Args)]
#[command(override_usage = "portcullis drill [OPTIONS] [TOKEN|-|@FILE] TOOL")]
pub struct DrillArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON), and the tool. Without a token it is
    /// `PORTCULLIS_TOKEN`; - reads standard input, @FILE a file, and the first one is taken
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
}

/// Refuse a token from now on although it lives on; take that back; list what is revoked
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The token, or a text that holds it (a header, a curl line, JSON); - reads standard input, @FILE a file, and the
    /// first one is taken
    #[arg(conflicts_with_all = ["jti", "list"])]
    pub token: Option<String>,

    /// Every token with this `jti`, whether it is known here or not
    #[arg(long, conflicts_with = "list", value_parser = NonEmptyStringValueParser::new())]
    pub jti: Option<String>,

    /// When every token with this `jti` has expired, so that it can be forgotten: a time or a duration [default: 366d]
    #[arg(long, value_name = "WHEN", requires = "jti", conflicts_with = "restore", value_parser = when)]
    pub until: Option<When>,

    /// Let it pass again
    #[arg(long, conflicts_with = "list")]
    pub restore: bool,

    /// Print what is revoked
    #[arg(long)]
    pub list: bool,
}

/// Serve MCP: the tools behind the gate, for clients that bring tokens
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen: HOST:PORT, or a port on loopback [default: 127.0.0.1:8640]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<Address>,

    /// Serve one client on standard input and output, with the token of `PORTCULLIS_TOKEN` or --token-file
    #[arg(long, conflicts_with_all = ["listen", "quiet", "denial", "allow_no_audience", "public_url", "hosts", "origins", "authorization_servers", "rate", "per_peer", "expose"])]
    pub stdio: bool,

    /// The file with the token of the client on standard input
    #[arg(long, value_name = "FILE", requires = "stdio")]
    pub token_file: Option<PathBuf>,

    /// Do not print the calls
    #[arg(long)]
    pub quiet: bool,

    /// How it is served.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// How it is served.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Server options")]
pub struct ServerOptions {
    /// How a client is told that its call is refused: http by a status, tool by a tool result, auto by what it survives
    /// [default: http]
    #[arg(long, value_name = "HOW", value_parser = denial)]
    pub denial: Option<Denial>,

    /// Which tools a client sees: permitted or all [default: permitted]
    #[arg(long, value_name = "WHICH", value_parser = listing)]
    pub list: Option<Listing>,

    /// Take tokens that name no audience (aud) at all
    #[arg(long)]
    pub allow_no_audience: bool,

    /// The URL by which clients know the server, behind a proxy
    #[arg(long, value_name = "URL", value_parser = url)]
    pub public_url: Option<String>,

    /// A further host name that requests may be for; may be given several times
    #[arg(long = "allow-host", value_name = "HOST")]
    pub hosts: Vec<HostName>,

    /// A page that may send requests from a browser, as `http://localhost:*`; may be given several times
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub origins: Vec<Page>,

    /// Who issues tokens, for the metadata that clients read; may be given several times
    #[arg(long = "authorization-server", value_name = "URL", value_parser = url)]
    pub authorization_servers: Vec<String>,

    /// Requests a second that one user may make, or one address without a valid token; or off [default: 100]
    #[arg(long, value_name = "CALLS", value_parser = rate)]
    pub rate: Option<Rate>,

    /// Connections that one peer address may have open at once; more behind a proxy [default: 64]
    #[arg(long, value_name = "CONNECTIONS", value_parser = clap::value_parser!(u16).range(1..))]
    pub per_peer: Option<u16>,

    /// The largest message of a caller with a valid token, in KiB [default: 256]
    #[arg(long, value_name = "KIB", value_parser = clap::value_parser!(u16).range(4..=16_384))]
    pub max_body: Option<u16>,

    /// For how long what was read last decides while revocations or policy cannot be read; then calls get 503 [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_stale: Option<Span>,

    /// Listen for other machines although the key is weak or fresh
    #[arg(long)]
    pub expose: bool,
}

impl ServerOptions {
    /// What a server at this address is told.
    pub fn settings(&self, address: Address) -> endpoint::Settings {
        let usual = endpoint::Settings::at(address);
        endpoint::Settings {
            denial: self.denial.unwrap_or_default(),
            listing: self.list.unwrap_or_default(),
            allow_no_audience: self.allow_no_audience,
            public_url: self.public_url.clone(),
            hosts: self.hosts.clone(),
            origins: self.origins.clone(),
            authorization_servers: self.authorization_servers.clone(),
            rate: self.rate.map_or(usual.rate, |Rate(rate)| rate),
            expose: self.expose,
            max_body: self.max_body.map_or(usual.max_body, |kib| usize::from(kib) << 10),
            for_each_peer: self.per_peer.map_or(usual.for_each_peer, usize::from),
            max_stale: self.max_stale.map_or(usual.max_stale, Span::as_duration),
            ..usual
        }
    }
}

/// What can be done with a policy file.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Read a policy file, say what is odd about it, and hold it against its expectations
    #[command(after_help = examples!("portcullis policy check policy.toml"))]
    Check(PolicyCheckArgs),
}

/// Which policy file to check.
#[derive(Debug, Args)]
pub struct PolicyCheckArgs {
    /// The policy file; - reads standard input
    pub file: PathBuf,
}

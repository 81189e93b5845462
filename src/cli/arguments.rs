//! The arguments of each command, besides the general options.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::group;
use super::target::TargetOptions;
use super::values::{
    Rate, algorithm, denial, duration, expected_answer, expected_decision, listing, rate, span, time, when,
};
use crate::auth::issue::TimeInput;
use crate::auth::{Algorithm, NumericDate};
use crate::endpoint::{self, Address, Denial, HostName, Listing, Page, parse_url};
use crate::lab::expected::ExpectedAnswer;

/// Sign a token and print it
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Who the token is for (`user_id`)
    pub user: String,

    /// A permission of the token; repeatable
    #[arg(short, long = "permission", value_name = "NAME")]
    pub permissions: Vec<String>,

    /// Lifetime; a negative one makes a token that has already expired [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = span, allow_hyphen_values = true)]
    pub ttl: Option<TimeInput>,

    /// Expiry time, instead of a lifetime
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "ttl")]
    pub expires: Option<NumericDate>,

    /// Not valid before: a duration from now, or a time
    #[arg(long, value_name = "WHEN", value_parser = when, allow_hyphen_values = true)]
    pub not_before: Option<TimeInput>,

    /// An additional claim with a JSON value, as in --claim 'team="blue"'
    #[arg(long = "claim", value_name = "NAME=JSON")]
    pub claims: Vec<String>,

    /// Subject (sub)
    #[arg(long, value_name = "NAME")]
    pub sub: Option<String>,

    /// Issue time (iat), instead of now: a duration from now, or a time. The lifetime still starts now
    #[arg(long, value_name = "TIME", value_parser = when, allow_hyphen_values = true)]
    pub iat: Option<TimeInput>,

    /// Issue the token without an expiry time (exp); the gate refuses it
    #[arg(long, conflicts_with_all = ["ttl", "expires"])]
    pub no_exp: bool,

    /// Token ID (jti), instead of a random one
    #[arg(long, value_name = "ID")]
    pub jti: Option<String>,

    /// Algorithm, which must fit the key [default: HS256 for a secret, else the usual algorithm of the key]
    #[arg(long, value_name = "ALG", value_parser = algorithm, help_heading = group::HEADER)]
    pub alg: Option<Algorithm>,

    /// Key ID of the header (kid), instead of the key's own
    #[arg(long, value_name = "ID", help_heading = group::HEADER)]
    pub kid: Option<String>,

    /// Type of the header (typ), such as at+jwt [default: JWT]
    #[arg(long, value_name = "TYPE", help_heading = group::HEADER)]
    pub typ: Option<String>,

    /// Another member of the header, with a JSON value; alg cannot be set. Repeatable
    #[arg(long = "header", value_name = "NAME=JSON", help_heading = group::HEADER)]
    pub headers: Vec<String>,
}

/// Decode tokens and check them
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The token, or text that contains it (a header, a curl command, JSON). - reads standard input, and @FILE or FILE a
    /// file; both may hold several tokens, one per line [default: `PORTCULLIS_TOKEN`, else redirected standard input]
    pub token: Option<String>,
}

/// Show whether a token may call a tool, and why, without calling it
#[derive(Debug, Args)]
#[command(override_usage = "portcullis check [OPTIONS] [TOKEN|-|@FILE] TOOL")]
pub struct CheckArgs {
    /// The token, or text that contains it (a header, a curl command, JSON), and the tool. - reads standard input and
    /// @FILE a file; the first token in it is used [default token: `PORTCULLIS_TOKEN`]
    #[arg(required = true, num_args = 1..=2, value_name = "[TOKEN] TOOL")]
    pub words: Vec<String>,

    /// Check a call without a token
    #[arg(long)]
    pub no_token: bool,

    /// Compare the answer with this one, and exit with 0 or 4: allowed, forbidden, unauthorized or a reason's
    /// code
    #[arg(long, value_name = "ANSWER", value_parser = expected_decision(), hide_possible_values = true)]
    pub expect: Option<ExpectedAnswer>,
}

/// Call a tool with a token; print the answer, and the reason on standard error
#[derive(Debug, Args)]
#[command(override_usage = "portcullis call [OPTIONS] [TOKEN|-|@FILE] TOOL [ARGUMENTS]")]
pub struct CallArgs {
    /// The token, or text that contains it (a header, a curl command, JSON), the tool, and its arguments as a JSON
    /// object [default: {}]. - reads standard input and @FILE a file; the first token in it is used [default token:
    /// `PORTCULLIS_TOKEN`]. If there are two words and the second begins with { or [, they are the tool and its
    /// arguments
    #[arg(required = true, num_args = 1..=3, value_name = "[TOKEN] TOOL [ARGUMENTS]")]
    pub words: Vec<String>,

    /// Call without a token
    #[arg(long)]
    pub no_token: bool,

    /// Compare the answer with this one, and exit with 0 or 4, or with 6 if the answer gives no verdict: allowed,
    /// forbidden, unauthorized, a reason's code, `invalid_arguments` or `tool_failed`
    #[arg(long, value_name = "ANSWER", value_parser = expected_answer(), hide_possible_values = true)]
    pub expect: Option<ExpectedAnswer>,

    /// The server.
    #[command(flatten)]
    pub server: TargetOptions,
}

/// List the tools of a server, as a token sees them
#[derive(Debug, Args)]
pub struct ToolsArgs {
    /// The token, or text that contains it. - reads standard input and @FILE a file [default: `PORTCULLIS_TOKEN`]
    pub token: Option<String>,

    /// Ask without a token
    #[arg(long)]
    pub no_token: bool,

    /// Another token, such as one with more permissions; tools that only this token can see are reported as hidden
    #[arg(long, value_name = "TOKEN")]
    pub compare: Option<String>,

    /// The server.
    #[command(flatten)]
    pub server: TargetOptions,
}

/// Explain why a server answered as it did
#[derive(Debug, Args)]
#[command(
    override_usage = "portcullis why [OPTIONS] [TOKEN|-|@FILE] --url URL [--tool TOOL]\n       portcullis why [OPTIONS] [TOKEN|@FILE] [RESPONSE|-|@FILE]"
)]
pub struct WhyArgs {
    /// The token, and, without --url, the response: a status line with headers and body, a WWW-Authenticate header, or a
    /// JSON-RPC answer. - reads standard input and @FILE a file [default token: `PORTCULLIS_TOKEN`; default response:
    /// standard input]
    #[arg(num_args = 0..=2, value_name = "[TOKEN] [RESPONSE]")]
    pub words: Vec<String>,

    /// Ask without a token
    #[arg(long)]
    pub no_token: bool,

    /// The tool to call; it is called for real [default: only list the tools]
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<String>,

    /// Arguments of the call, as a JSON object [default: an example that fits the tool's schema]
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub arguments: Option<String>,

    /// Another token, such as one with more permissions, to distinguish a hidden tool from a missing one
    #[arg(long, value_name = "TOKEN")]
    pub compare: Option<String>,

    /// The server.
    #[command(flatten)]
    pub server: TargetOptions,
}

/// The report of a command for other programs.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = group::REPORT)]
pub struct ReportOptions {
    /// Also write the results to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Print the results as TAP (Test Anything Protocol, version 14)
    #[arg(long)]
    pub tap: bool,
}

/// Show who may call what: a table of callers and tools
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// The tokens to show, one row each: a token, or text that contains tokens. - reads standard input and @FILE a file
    pub tokens: Option<String>,

    /// Add a row for callers with these comma-separated permissions; repeatable. Without tokens or --as, the rows come
    /// from the policy's expectations and permissions
    #[arg(long = "as", value_name = "PERMISSIONS")]
    pub holders: Vec<String>,

    /// Print a Markdown table
    #[arg(long, conflicts_with = "csv")]
    pub markdown: bool,

    /// Print comma-separated values (RFC 4180)
    #[arg(long, conflicts_with = "tap")]
    pub csv: bool,

    /// The report.
    #[command(flatten)]
    pub report: ReportOptions,

    /// The server.
    #[command(flatten)]
    pub server: TargetOptions,

    /// Call every tool with every token, including tools that may change something; by default, only
    /// read-only tools are called
    #[arg(long, help_heading = group::TARGET)]
    pub yes: bool,

    /// Write a policy file from what was observed, with expectations; the file must not exist
    #[arg(long, value_name = "FILE", help_heading = group::TARGET)]
    pub write_policy: Option<PathBuf>,
}

/// Call a tool before and after a token expires; find when the gate starts to refuse it
#[derive(Debug, Args)]
#[command(override_usage = "portcullis drill [OPTIONS] [TOKEN|-|@FILE] TOOL")]
pub struct DrillArgs {
    /// The token, or text that contains it (a header, a curl command, JSON), and the tool. - reads standard input and
    /// @FILE a file; the first token in it is used [default token: `PORTCULLIS_TOKEN`]
    #[arg(required = true, num_args = 1..=2, value_name = "[TOKEN] TOOL")]
    pub words: Vec<String>,

    /// Issue a new token with this lifetime and use it for the drill, instead of an existing token
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub ttl: Option<Duration>,

    /// A permission of the new token; repeatable [default: the first one that allows the tool; with another server, user]
    #[arg(short, long = "permission", value_name = "NAME")]
    pub permissions: Vec<String>,

    /// Interval between calls, at least 10ms
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration)]
    pub every: Duration,

    /// Call more often near the boundary, to find it to within 10ms
    #[arg(long)]
    pub fine: bool,

    /// Do not wait: simulate the time of each call, and find the boundary to the microsecond; with another server, sign
    /// tokens with different times, and find it to the second
    #[arg(long, conflicts_with = "fine")]
    pub shifted: bool,

    /// Print a Markdown report for a ticket
    #[arg(long)]
    pub markdown: bool,

    /// The report.
    #[command(flatten)]
    pub report: ReportOptions,

    /// The server.
    #[command(flatten)]
    pub server: TargetOptions,
}

/// Make test tokens with the classic faults, or check how the gate answers them
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that is given or not")]
pub struct TestkitArgs {
    /// User of the tokens (`user_id`)
    #[arg(default_value = "tester")]
    pub user: String,

    /// A permission of the tokens; repeatable [default: the first one that allows the tool; with another server, user]
    #[arg(short, long = "permission", value_name = "NAME")]
    pub permissions: Vec<String>,

    /// The tool to call [default: the first one in the policy; with another server, a read-only one]
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<String>,

    /// Call the tool with each token and compare the result with the expected one
    #[arg(long)]
    pub run: bool,

    /// Print the results as Markdown for a ticket
    #[arg(long, requires = "run")]
    pub markdown: bool,

    /// The report.
    #[command(flatten)]
    pub report: ReportOptions,

    /// The server.
    #[command(flatten)]
    pub server: TargetOptions,

    /// A good token to model the others on. Without the server's key, only probes that need no key
    /// are sent
    #[arg(long, value_name = "TOKEN", requires = "run", help_heading = group::TARGET)]
    pub like: Option<String>,

    /// Arguments of the call, as a JSON object [default: an example that fits the tool's schema]
    #[arg(long, value_name = "JSON", requires = "tool", help_heading = group::TARGET)]
    pub arguments: Option<String>,

    /// Make only the most important probes
    #[arg(long, requires = "run", help_heading = group::TARGET)]
    pub quick: bool,

    /// Findings count as failures
    #[arg(long, requires = "run", help_heading = group::TARGET)]
    pub strict: bool,

    /// Probe a server on another machine without asking
    #[arg(long, requires = "run", help_heading = group::TARGET)]
    pub yes: bool,
}

impl TestkitArgs {
    /// The first option that only has a meaning for another server.
    pub fn only_for_others(&self) -> Option<&'static str> {
        [
            (self.like.is_some(), "--like"),
            (self.arguments.is_some(), "--arguments"),
            (self.quick, "--quick"),
            (self.strict, "--strict"),
            (self.yes, "--yes"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

/// Run a test plan: tokens, calls and expected answers in one file
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The plan, a TOML file; - reads standard input
    pub plan: PathBuf,

    /// Also fail for every tool that no case calls
    #[arg(long)]
    pub every_tool_has_a_case: bool,

    /// Also call every tool (on another server, only read-only ones) without a token, and fail if a call is allowed
    #[arg(long)]
    pub no_anonymous: bool,

    /// Print the results as Markdown for a ticket
    #[arg(long)]
    pub markdown: bool,

    /// The report.
    #[command(flatten)]
    pub report: ReportOptions,

    /// The server.
    #[command(flatten)]
    pub server: TargetOptions,
}

/// Revoke a token before it expires, restore it, or list revocations
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The token, or text that contains it (a header, a curl command, JSON). - reads standard input and @FILE a file;
    /// the first token in it is used
    #[arg(conflicts_with_all = ["jti", "list"])]
    pub token: Option<String>,

    /// Revoke every token with this `jti`, including tokens not seen here
    #[arg(long, conflicts_with = "list", value_parser = NonEmptyStringValueParser::new())]
    pub jti: Option<String>,

    /// When the entry can be dropped, because every token with this `jti` has then expired: a time or a duration
    /// [default: 366d]
    #[arg(long, value_name = "WHEN", requires = "jti", conflicts_with = "restore", value_parser = when)]
    pub until: Option<TimeInput>,

    /// Undo a revocation
    #[arg(long, conflicts_with = "list")]
    pub restore: bool,

    /// List revocations
    #[arg(long)]
    pub list: bool,
}

/// Serve the gate's tools over MCP to clients with tokens
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on: HOST:PORT, or a port on loopback [default: 127.0.0.1:8640]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<Address>,

    /// Serve one client on standard input and output, with the token from `PORTCULLIS_TOKEN` or --token-file
    #[arg(long, conflicts_with_all = ["listen", "quiet", "denial", "allow_no_audience", "public_url", "hosts", "origins", "authorization_servers", "rate", "per_peer", "expose"])]
    pub stdio: bool,

    /// File with the token of the --stdio client
    #[arg(long, value_name = "FILE", requires = "stdio")]
    pub token_file: Option<PathBuf>,

    /// Do not print the calls
    #[arg(long)]
    pub quiet: bool,

    /// The options of the server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// The options of the server.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = group::SERVING)]
pub struct ServerOptions {
    /// How refusals are sent: http (a status), tool (a tool result), or auto (whichever the client handles) [default:
    /// http]
    #[arg(long, value_name = "HOW", value_parser = denial)]
    pub denial: Option<Denial>,

    /// Which tools a client sees: permitted or all [default: permitted]
    #[arg(long, value_name = "WHICH", value_parser = listing)]
    pub list: Option<Listing>,

    /// Accept tokens without an audience (aud)
    #[arg(long)]
    pub allow_no_audience: bool,

    /// Public URL of the server behind a proxy
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub public_url: Option<String>,

    /// Additional host name accepted in the Host header; repeatable
    #[arg(long = "allow-host", value_name = "HOST")]
    pub hosts: Vec<HostName>,

    /// Origin allowed to send requests from a browser, such as `http://localhost:*`; repeatable
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub origins: Vec<Page>,

    /// Authorization server to name in the metadata for clients; repeatable
    #[arg(long = "authorization-server", value_name = "URL", value_parser = parse_url)]
    pub authorization_servers: Vec<String>,

    /// Requests per second for one user, or for one address without a valid token, or `off` for no limit [default: 100]
    #[arg(long, value_name = "CALLS", value_parser = rate)]
    pub rate: Option<Rate>,

    /// Maximum open connections per peer address; raise it behind a proxy [default: 64]
    #[arg(long, value_name = "CONNECTIONS", value_parser = clap::value_parser!(u16).range(1..))]
    pub per_peer: Option<u16>,

    /// Largest message from a caller with a valid token, in KiB [default: 256]
    #[arg(long, value_name = "KIB", value_parser = clap::value_parser!(u16).range(4..=16_384))]
    pub max_body: Option<u16>,

    /// How long to keep using the last revocations and policy if they cannot be read, before calls get 503 [default:
    /// 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_stale: Option<Duration>,

    /// Listen on an address that other machines can reach even with a weak key or one generated at startup
    #[arg(long)]
    pub expose: bool,
}

impl ServerOptions {
    /// Returns the settings of a server at this address.
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
            max_stale: self.max_stale.unwrap_or(usual.max_stale),
            ..usual
        }
    }
}

/// The commands for keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a private key as PEM (PKCS #8), or a secret for HMAC, written as b64: and base64
    #[command(after_help = examples!("portcullis keys new --alg ES256 --out key.pem\n  portcullis keys new --alg HS256 --out secret"))]
    New(KeysNewArgs),

    /// Print the public JWK set of the signing key, or of key files
    #[command(after_help = examples!("portcullis keys jwks key.pem\n  portcullis keys jwks --signing-key key.pem"))]
    Jwks(KeysJwksArgs),

    /// List the keys that verify tokens, by issuer
    #[command(after_help = examples!("portcullis keys list --signing-key key.pem\n  portcullis --json keys list"))]
    List,
}

/// The arguments of `keys new`.
#[derive(Debug, Args)]
pub struct KeysNewArgs {
    /// Algorithm of the key: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or `EdDSA`
    /// (also called Ed25519)
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    pub alg: Algorithm,

    /// File to create, readable only by you; - writes to standard output, even to a terminal [default: standard output;
    /// on a terminal, --out is required]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The arguments of `keys jwks`.
#[derive(Debug, Args)]
pub struct KeysJwksArgs {
    /// Key files: private or public keys, certificates, JWKs or JWK sets [default: the signing key]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Algorithm (alg) to write for keys that do not name one [default: the private key's usual algorithm]
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    pub alg: Option<Algorithm>,
}

/// The commands for policy files.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Read a policy file, report problems, and test its expectations
    #[command(after_help = examples!("portcullis policy check policy.toml"))]
    Check(PolicyCheckArgs),
}

/// The arguments of `policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheckArgs {
    /// The policy file; - reads standard input
    pub file: PathBuf,

    /// Print the results of the expectations as Markdown
    #[arg(long)]
    pub markdown: bool,

    /// The report.
    #[command(flatten)]
    pub report: ReportOptions,
}

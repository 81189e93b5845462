//! Foreign MCP servers: the place of one, and connections to it by rmcp's client.
//!
//! Every answer is kept as it was received (`wire`), so that `observe` can classify what the client library would
//! summarize. A token is sent to the MCP endpoint only, never to another origin and never to the server's metadata.

mod carriage;
mod connection;
mod exchange;
mod metadata;
mod tool_list;
mod wire;

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::http::ClientError;
use crate::text;

pub use carriage::Carriage;
pub use connection::{ConnectError, Connection, Dialect, OpenError, TimedReply};
pub use exchange::Exchange;
pub use metadata::{describes, fetch_metadata};
pub use tool_list::{ToolList, example, listed_tools, summary};

/// How long a call may take without `--timeout`.
pub const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// How long connecting, including the handshake, may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest URL or command shown, in bytes.
const SHOWN: usize = 256;

/// A server that decides for itself.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name, for lists; unique among the targets at hand.
    pub name: Arc<str>,
    /// Where it is.
    pub place: Place,
    /// Headers that every request carries besides the token.
    pub headers: Arc<[Header]>,
    /// Certificate authorities (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long to wait for an answer; `None` for the default of what is asked.
    pub timeout: Option<Duration>,
    /// Why it cannot be connected, if its configuration has a fault.
    pub fault: Option<TargetError>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The URL of its endpoint, for streamable HTTP.
    Http(Url),
    /// The program to start and its arguments, for stdio.
    Command(Arc<[OsString]>),
}

/// A header of requests. Its value may be a secret, which `Debug` does not write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name.
    pub name: HeaderName,
    /// The value; marked as sensitive.
    value: HeaderValue,
}

/// Why a target cannot be used as described. The sentence is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text is not a URL.
    #[error("{} is not a URL: {why}", text::name(.url, SHOWN))]
    Url {
        /// The text, unless it may contain a secret.
        url: String,
        /// The error in it.
        why: String,
    },
    /// The URL has another scheme, which is this.
    #[error("expected an http or https URL, got one with the scheme {}", text::name(.0, 32))]
    Scheme(String),
    /// The URL contains a user name or a password.
    #[error("the URL contains a user name or a password; give it as a header instead")]
    Credentials,
    /// The URL contains what looks like a token.
    #[error("the URL has a query member {}, which looks like a token; give the token as an argument instead", text::name(.0, 64))]
    TokenInUrl(String),
    /// The header has no colon.
    #[error("expected a header as 'Name: value', got one without a colon")]
    Colon,
    /// The name or the value of a header is invalid.
    #[error("{} is not a valid {part} of a header", text::name(.name, 64))]
    Header {
        /// The name.
        name: String,
        /// What is invalid.
        part: &'static str,
    },
    /// The header is set by the protocol.
    #[error("the header {} is set by the protocol", text::name(.0, 64))]
    Reserved(String),
    /// The variable of the environment is not set.
    #[error("the header {} takes its value from {}, which is not set in the environment", text::name(.header, 64), text::name(.variable, 64))]
    Unset {
        /// The header.
        header: String,
        /// The variable.
        variable: String,
    },
    /// The command is empty.
    #[error("expected a command after `--`")]
    NoCommand,
    /// There is no HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Headers that the protocol sets.
const RESERVED: [&str; 9] = [
    "accept",
    "content-type",
    "content-length",
    "mcp-session-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "last-event-id",
    "transfer-encoding",
];

impl Header {
    /// Reads a header as written on the command line. A value `env:NAME` is that of a variable of the environment.
    pub fn parse(written: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, TargetError> {
        let (name, value) = written.split_once(':').ok_or(TargetError::Colon)?;
        Self::new(name.trim(), value.trim(), variable)
    }

    /// Creates a header. A value `env:NAME` is that of a variable of the environment.
    pub fn new(name: &str, value: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, TargetError> {
        let invalid = |part| TargetError::Header { name: name.to_owned(), part };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("name"))?;
        if RESERVED.contains(&parsed.as_str()) {
            return Err(TargetError::Reserved(name.to_owned()));
        }
        let found = match value.strip_prefix("env:") {
            Some(wanted) => {
                let unset = || TargetError::Unset { header: name.to_owned(), variable: wanted.to_owned() };
                variable(wanted).filter(|value| !value.is_empty()).ok_or_else(unset)?
            }
            None => value.to_owned(),
        };
        let mut value = HeaderValue::from_str(found.trim()).map_err(|_| invalid("value"))?;
        value.set_sensitive(true);
        Ok(Self { name: parsed, value })
    }
}

impl Target {
    /// Creates a target at a URL.
    pub fn http(name: &str, url: &str, headers: Vec<Header>) -> Result<Self, TargetError> {
        let place = Place::Http(endpoint(url)?);
        Ok(Self { name: name.into(), place, headers: headers.into(), ca_file: None, timeout: None, fault: None })
    }

    /// Creates a target that is started as a program.
    pub fn command(name: &str, command: &[OsString]) -> Result<Self, TargetError> {
        if command.first().is_none_or(|program| program.is_empty()) {
            return Err(TargetError::NoCommand);
        }
        Ok(Self {
            name: name.into(),
            place: Place::Command(command.into()),
            headers: Arc::from([]),
            ca_file: None,
            timeout: None,
            fault: None,
        })
    }

    /// How long the answer to one request may take.
    pub fn call_bound(&self) -> Duration {
        self.timeout.unwrap_or(CALL_TIMEOUT)
    }

    /// Whether requests carry credentials that are not a token of ours: a header, or those of a program.
    pub fn brings_credentials(&self) -> bool {
        self.has_own_credentials() || matches!(self.place, Place::Command(_))
    }

    /// A name from its address: the host and the port, or the program.
    pub fn default_name(&self) -> String {
        match &self.place {
            Place::Http(url) => match (url.host_str().unwrap_or_default(), url.port()) {
                (host, Some(port)) => format!("{host}:{port}"),
                (host, None) => host.to_owned(),
            },
            Place::Command(command) => {
                let program = command.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
                program.rsplit('/').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// Returns its name, or the default one, with a number if the name is taken.
    pub fn unique_name(&self, is_taken: impl Fn(&str) -> bool) -> String {
        let name = if self.name.is_empty() { self.default_name() } else { self.name.to_string() };
        let numbered = (2..).map(|n| format!("{name} {n}"));
        std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
    }

    /// Whether it is on this machine, so that calls need no confirmation.
    pub fn is_local(&self) -> bool {
        match &self.place {
            Place::Http(url) => is_loopback(url),
            Place::Command(_) => true,
        }
    }

    /// Returns a warning if a token would be sent without encryption to another machine.
    pub fn exposure(&self) -> Option<&'static str> {
        match &self.place {
            Place::Http(url) if url.scheme() == "http" && !is_loopback(url) => {
                Some("the connection is not encrypted (http): others in the network can read the token")
            }
            _ => None,
        }
    }

    /// How long connecting may take.
    pub fn connect_bound(&self) -> Duration {
        self.timeout.unwrap_or(CONNECT_TIMEOUT).min(CONNECT_TIMEOUT)
    }

    /// Whether a header of its own carries the credentials.
    pub fn has_own_credentials(&self) -> bool {
        self.headers.iter().any(|header| header.name == "authorization")
    }
}

/// Formats the place; safe to show, and without a query, which may contain a key.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(&shown(url)),
            Self::Command(command) => {
                let words: Vec<String> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
                // Arguments may contain secrets of the program: only the program and the number of arguments are shown.
                let program = words.first().map_or("", String::as_str);
                let rest = words.len().saturating_sub(1);
                let more =
                    if rest == 0 { String::new() } else { format!(" ({})", text::words::count(rest, "argument")) };
                write!(f, "{}{more}", text::name(program, SHOWN))
            }
        }
    }
}

fn endpoint(text: &str) -> Result<Url, TargetError> {
    // A password or a token in the wrong place must not be shown.
    let is_secret = text.contains('@') || !text::read_token(text).tokens.is_empty();
    let named = if is_secret { "the text" } else { text };
    let invalid = |why: String| TargetError::Url { url: named.to_owned(), why };
    let url = Url::parse(text.trim()).map_err(|error| invalid(error.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(TargetError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::Credentials);
    }
    if let Some((name, _)) = url.query_pairs().find(|(_, value)| value.starts_with("eyJ")) {
        return Err(TargetError::TokenInUrl(name.into_owned()));
    }
    Ok(url)
}

/// Whether the host of a URL is `localhost` or a loopback address.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    // The unspecified address reaches this machine too.
    let is_own = |address: IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified()
    };
    host == "localhost" || address.is_ok_and(is_own)
}

/// A URL for display, without its query.
fn shown(url: &Url) -> String {
    let whole = url.as_str();
    let end = whole.find(['?', '#']).unwrap_or(whole.len());
    text::display_safe(text::head(whole, end), SHOWN)
}

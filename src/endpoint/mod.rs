//! The configuration of the MCP endpoint: a server's settings, and the instructions for its clients. It does no I/O.

mod clients;
pub mod denial;
mod reach;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

pub use clients::{CLIENTS, Client, Connection, Files, TokenPlace};
pub use denial::Denial;
pub use reach::{HostError, HostName, OriginError, Page};

/// The path of the MCP endpoint.
pub const PATH: &str = "/mcp";

/// Which tools a client sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// The tools that it may call.
    #[default]
    Permitted,
    /// All tools of the policy.
    All,
}

impl Listing {
    /// Every choice, in the order of the selection.
    pub const ALL: [Self; 2] = [Self::Permitted, Self::All];

    /// The word for it, as in options.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::All => "all",
        }
    }
}

/// The settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address to listen on.
    pub address: Address,
    /// The public URL, if it differs from the address, for example behind a proxy.
    pub public_url: Option<String>,
    /// How clients are informed of refusals.
    pub denial: Denial,
    /// Which tools a client sees.
    pub listing: Listing,
    /// Whether a token without `aud` passes.
    pub allow_no_audience: bool,
    /// `Host` names accepted in addition to loopback names and the address.
    pub hosts: Vec<HostName>,
    /// The accepted values of `Origin`; if empty, requests from browsers are always refused.
    pub origins: Vec<Page>,
    /// The issuers of tokens, for the protected-resource metadata. If empty, the server names itself.
    pub authorization_servers: Vec<String>,
    /// Requests per second for one user, or for one peer address without a valid token; `None` for no limit.
    pub rate: Option<u32>,
    /// Whether a weak or fresh key may be used on an address that other machines can reach.
    pub expose: bool,
    /// The most connections that one peer address may have open.
    pub for_each_peer: usize,
    /// The largest message of a verified caller, in bytes.
    pub max_body: usize,
    /// How long to keep using the last revocations and policy if they cannot be read. After that, calls get 503.
    pub max_stale: Duration,
    /// A request that takes longer than this is aborted.
    pub timeout: Duration,
}

impl Settings {
    /// Returns the default settings for this address.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            public_url: None,
            denial: Denial::default(),
            listing: Listing::default(),
            allow_no_audience: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            authorization_servers: Vec::new(),
            rate: Some(100),
            expose: false,
            for_each_peer: 64,
            max_body: 256 << 10,
            max_stale: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
        }
    }

    /// Returns the canonical URI of the server (RFC 8707), which tokens name as their audience. `interface` is this
    /// machine's address to use if it listens on every address. A public URL without a path gets the endpoint's path.
    pub fn uri(&self, bound: SocketAddr, interface: Option<IpAddr>) -> String {
        match self.public_url.as_deref().map(|url| url.trim_end_matches('/')) {
            Some(url) if url.ends_with(authority(url)) => format!("{url}{PATH}"),
            Some(url) => url.to_owned(),
            None => format!("http://{}{PATH}", reachable(bound, interface)),
        }
    }

    /// Returns the accepted `Host` names of a server with this canonical URI.
    pub fn allowed_hosts(&self, bound: SocketAddr, uri: &str) -> Vec<HostName> {
        let own = [bound.ip().to_string(), authority(uri).to_owned()];
        let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let known = loopback.into_iter().chain(own);
        known.filter_map(|name| name.parse().ok()).chain(self.hosts.iter().cloned()).collect()
    }
}

/// Returns the `host:port` of a URL.
pub fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Returns the address that clients use if the server listens on every address.
fn reachable(bound: SocketAddr, interface: Option<IpAddr>) -> SocketAddr {
    let ip = match bound {
        bound if bound.ip().is_unspecified() && interface.is_some_and(|ip| ip.is_ipv4() == bound.is_ipv4()) => {
            interface.unwrap_or(bound.ip())
        }
        SocketAddr::V4(at) if at.ip().is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(at) if at.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        bound => bound.ip(),
    };
    SocketAddr::new(ip, bound.port())
}

/// An address to listen on: `HOST:PORT`, or a port on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// The text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST:PORT such as 127.0.0.1:8640, or a port")]
pub struct AddressError;

impl Default for Address {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 8640 }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let port = port.parse().map_err(|_| AddressError)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_v6 = bare.unwrap_or(host).contains(':');
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        let host = bare.unwrap_or(host);
        match !host.is_empty() && host.chars().all(fits) && is_v6 == bare.is_some() {
            true => Ok(Self { host: host.to_owned(), port }),
            false => Err(AddressError),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Address {
    /// The host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the same host with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// The port; 0 for any free one.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// A text that is not a URL of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as https://host/path")]
pub struct UrlError;

/// Returns the scheme and authority of a URI.
pub fn origin(uri: &str) -> String {
    let host = authority(uri);
    format!("{}{host}", uri.split_once(host).map_or("", |(before, _)| before))
}

/// Reads the public URL of a server: `http` or `https`, a host, and neither a query nor a fragment.
pub fn parse_url(text: &str) -> Result<String, UrlError> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.chars().all(|c| c.is_ascii_graphic() && !"\"\\<>#?".contains(c))
    });
    if fits { Ok(text.to_owned()) } else { Err(UrlError) }
}

/// A text that is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of requests per second of at least 1, or off")]
pub struct RateError;

/// Reads a rate: requests per second, at least 1, or `off` for no limit.
pub fn parse_rate(text: &str) -> Result<Option<u32>, RateError> {
    match (text, text.parse()) {
        ("off", _) => Ok(None),
        (_, Ok(rate @ 1..)) => Ok(Some(rate)),
        _ => Err(RateError),
    }
}

/// A rate as [`parse_rate`] reads it.
pub fn rate_words(rate: Option<u32>) -> String {
    rate.map_or_else(|| "off".to_owned(), |rate| rate.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("100", Ok(Some(100)))]
    #[case("off", Ok(None))]
    #[case("0", Err(RateError))]
    #[case("-1", Err(RateError))]
    #[case("", Err(RateError))]
    fn a_rate_is_a_number_of_requests_or_off(#[case] text: &str, #[case] means: Result<Option<u32>, RateError>) {
        assert_eq!(parse_rate(text), means);
        if let Ok(rate) = means {
            assert_eq!(rate_words(rate), text);
        }
    }

    #[rstest]
    #[case("127.0.0.1:8640", "127.0.0.1:8640")]
    #[case("8640", "127.0.0.1:8640")]
    #[case("localhost:0", "localhost:0")]
    #[case("[::1]:80", "[::1]:80")]
    fn an_address_is_a_host_and_a_port_or_a_port(#[case] text: &str, #[case] means: &str) {
        assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(means.to_owned()));
    }

    #[rstest]
    #[case("")]
    #[case("localhost")]
    #[case(":8640")]
    #[case("::1:80")]
    #[case("127.0.0.1:99999")]
    #[case("http://127.0.0.1:80")]
    #[case("[localhost]:80")]
    fn anything_else_is_none(#[case] text: &str) {
        assert_eq!(text.parse::<Address>(), Err(AddressError));
    }

    #[test]
    fn clients_know_it_by_an_address_that_they_can_reach_or_by_its_public_url() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let mut settings = Settings::at(Address::default());
        let interface = Some("192.0.2.9".parse().expect("an address"));
        assert_eq!(settings.uri(at("0.0.0.0:80"), interface), "http://192.0.2.9:80/mcp");
        assert_eq!(settings.uri(at("0.0.0.0:80"), None), "http://127.0.0.1:80/mcp");
        assert_eq!(settings.uri(at("[::]:80"), interface), "http://[::1]:80/mcp");
        assert_eq!(settings.uri(at("192.0.2.7:80"), interface), "http://192.0.2.7:80/mcp");
        assert!(
            settings
                .allowed_hosts(at("192.0.2.7:80"), "http://192.0.2.7:80/mcp")
                .contains(&"192.0.2.7".parse().expect("a name"))
        );
        settings.public_url = Some("https://gate.example:444/mcp/".to_owned());
        assert_eq!(settings.uri(at("192.0.2.7:80"), None), "https://gate.example:444/mcp");
        settings.public_url = Some("https://gate.example:444/".to_owned());
        assert_eq!(settings.uri(at("192.0.2.7:80"), None), "https://gate.example:444/mcp");
        assert!(
            settings
                .allowed_hosts(at("192.0.2.7:80"), "https://gate.example:444/mcp")
                .contains(&"gate.example:444".parse().expect("a name"))
        );
    }
}

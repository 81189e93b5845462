//! Access to a server: the accepted `Host` names, and the origins that may send requests from a browser.

use std::fmt;
use std::str::FromStr;

/// A name that a request's `Host` header may have, with a certain port or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    name: String,
    port: Option<u16>,
}

/// The origin of a web page that may send requests from a browser (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    scheme: Scheme,
    name: String,
    /// The port; `None` for any.
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// The text is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a host name such as gate.example or gate.example:8640, without https:// or a path")]
pub struct HostError;

/// Why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// `*`, which would allow every page.
    #[error("* would let any page call tools with a visitor's token; name the origins, such as https://app.example")]
    Any,
    /// `null`, the origin of local files and sandboxed frames.
    #[error("null is the origin of every local file; serve the page and name its origin, such as http://localhost:*")]
    Null,
    /// Not an origin.
    #[error("expected an origin such as https://app.example, https://app.example:8443 or http://localhost:*")]
    Malformed,
}

/// Splits `name`, `name:port` or `[v6]:port`; the port may be `*`.
fn split(authority: &str) -> Option<(String, Option<&str>)> {
    let (name, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (name, rest) = v6.split_once(']')?;
            (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((name, port)) if !port.contains(':') => (name, Some(port)),
            // An IPv6 address without brackets.
            Some(_) => (authority, None),
            None => (authority, None),
        },
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    (!name.is_empty() && name.chars().all(fits)).then(|| (name.to_ascii_lowercase(), port))
}

impl FromStr for HostName {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (name, port) = split(text).ok_or(HostError)?;
        Ok(Self { name, port: port.map(|port| port.parse().map_err(|_| HostError)).transpose()? })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.name),
            (false, Some(port)) => write!(f, "{}:{port}", self.name),
            (_, None) => f.write_str(&self.name),
        }
    }
}

impl HostName {
    /// Whether a request's `Host` header matches it.
    pub fn is(&self, header: &str) -> bool {
        let Some((name, port)) = split(header.trim()) else { return false };
        name == self.name && self.port.is_none_or(|own| port.and_then(|port| port.parse().ok()) == Some(own))
    }
}

impl FromStr for Page {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => return Err(OriginError::Any),
            "null" => return Err(OriginError::Null),
            _ => {}
        }
        let (scheme, authority) = text.split_once("://").ok_or(OriginError::Malformed)?;
        let scheme = Scheme::of(scheme).ok_or(OriginError::Malformed)?;
        let (name, port) = split(authority).ok_or(OriginError::Malformed)?;
        let port = match port {
            Some("*") => None,
            Some(port) => Some(port.parse().map_err(|_| OriginError::Malformed)?),
            None => Some(scheme.port()),
        };
        Ok(Self { scheme, name, port })
    }
}

impl Page {
    /// Whether a request's `Origin` header matches it.
    pub fn is(&self, header: &str) -> bool {
        let Some((scheme, authority)) = header.split_once("://") else { return false };
        let (Some(scheme), Some((name, port))) = (Scheme::of(scheme), split(authority)) else { return false };
        let port = match port {
            Some(port) => port.parse().ok(),
            None => Some(scheme.port()),
        };
        scheme == self.scheme && name == self.name && port.is_some() && self.port.is_none_or(|own| port == Some(own))
    }
}

impl Scheme {
    fn of(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    /// The default port.
    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Formats it as in options.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let bracketed = self.name.contains(':');
        let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:", self.name)?;
        match self.port {
            Some(port) => write!(f, "{port}"),
            None => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("gate.example", "gate.example", true)]
    #[case("gate.example", "GATE.example:8640", true)]
    #[case("gate.example:8640", "gate.example", false)]
    #[case("gate.example:8640", "gate.example:8640", true)]
    #[case("gate.example", "gate.example.evil", false)]
    #[case("::1", "[::1]:8640", true)]
    #[case("[::1]", "[::1]", true)]
    fn a_host_is_its_name_whatever_the_port(#[case] allowed: &str, #[case] header: &str, #[case] fits: bool) {
        assert_eq!(allowed.parse::<HostName>().expect("a name").is(header), fits);
    }

    #[rstest]
    #[case("")]
    #[case("https://gate.example")]
    #[case("gate.example/mcp")]
    #[case("gate example")]
    #[case("gate.example:many")]
    #[case("*")]
    fn what_is_no_host_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<HostName>(), Err(HostError));
    }

    #[rstest]
    #[case("http://localhost:*", "http://localhost:6274", true)]
    #[case("http://localhost:*", "http://localhost", true)]
    #[case("http://localhost:*", "https://localhost:6274", false)]
    #[case("https://app.example", "https://app.example", true)]
    #[case("https://app.example", "https://app.example:443", true)]
    #[case("https://app.example", "https://app.example:8443", false)]
    #[case("https://app.example:8443", "https://APP.example:8443", true)]
    #[case("http://localhost:*", "null", false)]
    #[case("http://localhost:*", "http://localhost:x", false)]
    fn a_page_is_scheme_name_and_port(#[case] allowed: &str, #[case] header: &str, #[case] fits: bool) {
        let page: Page = allowed.parse().expect("a page");
        assert_eq!(page.is(header), fits);
        assert_eq!(page.to_string().parse(), Ok(page));
    }

    #[rstest]
    #[case("*", OriginError::Any)]
    #[case("null", OriginError::Null)]
    #[case("", OriginError::Malformed)]
    #[case("app.example", OriginError::Malformed)]
    #[case("ftp://app.example", OriginError::Malformed)]
    #[case("https://app.example/path", OriginError::Malformed)]
    fn what_is_no_page_is_refused(#[case] text: &str, #[case] error: OriginError) {
        assert_eq!(text.parse::<Page>(), Err(error));
    }
}

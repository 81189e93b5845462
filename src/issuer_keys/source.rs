//! Where the keys of an issuer are read from.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;

use crate::gate::KeysFrom;
use crate::text;

/// The longest URL shown, in bytes.
const SHOWN: usize = 256;

/// The source of an issuer's keys. Its display is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The URL of a JWK set.
    Jwks(Url),
    /// The metadata of an issuer, which names the URL of its JWK set: OpenID Connect Discovery 1.0, or else RFC 8414.
    Discovery {
        /// The issuer's `iss`, to the letter.
        issuer: String,
        /// The same as a URL.
        url: Url,
    },
    /// A file with a JWK, a JWK set, or public keys in PEM or DER.
    File(PathBuf),
}

/// Why a URL cannot be a source of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The text is not a URL.
    #[error("{} is not a URL: {why}", text::name(.url, SHOWN))]
    Invalid {
        /// The text.
        url: String,
        /// The error in it.
        why: String,
    },
    /// The connection would not be encrypted.
    #[error("expected an https URL, got {}; http is only allowed for loopback addresses", text::name(.0, SHOWN))]
    NotHttps(String),
    /// The URL contains a user name or a password.
    #[error("{} contains a user name or a password, which is not supported", text::name(.0, SHOWN))]
    Credentials(String),
    /// The URL of an issuer has a query or a fragment (RFC 8414 §2).
    #[error("{} is not the URL of an issuer: it has a query or a fragment", text::name(.0, SHOWN))]
    NotAnIssuer(String),
}

impl KeySource {
    /// Creates a source from the URL of a JWK set.
    pub fn jwks(url: &str) -> Result<Self, UrlError> {
        checked(url, true).map(Self::Jwks)
    }

    /// Creates a source from an issuer, whose metadata is discovered.
    pub fn discovery(issuer: &str) -> Result<Self, UrlError> {
        let url = checked(issuer, true)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlError::NotAnIssuer(shown(&url)));
        }
        Ok(Self::Discovery { issuer: issuer.to_owned(), url })
    }

    /// Creates the source of an issuer's keys; `None` for keys that are not read again.
    pub fn of(from: &KeysFrom, issuer: Option<&str>) -> Result<Option<Self>, UrlError> {
        match from {
            KeysFrom::Paste | KeysFrom::Secrets(_) => Ok(None),
            KeysFrom::Jwks(url) => Self::jwks(url).map(Some),
            KeysFrom::Discovery => Self::discovery(issuer.unwrap_or_default()).map(Some),
            KeysFrom::File(path) => Ok(Some(Self::File(path.clone()))),
        }
    }

    /// The reverse of [`KeySource::of`].
    pub fn origin(&self) -> KeysFrom {
        match self {
            Self::Jwks(url) => KeysFrom::Jwks(url.as_str().into()),
            Self::Discovery { .. } => KeysFrom::Discovery,
            Self::File(path) => KeysFrom::File(path.clone()),
        }
    }

    /// Whether the host is on this machine, so that http is allowed.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Jwks(url) | Self::Discovery { url, .. } => is_loopback(url),
            Self::File(_) => true,
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwks(url) => f.write_str(&shown(url)),
            Self::Discovery { url, .. } => write!(f, "discovery at {}", shown(url)),
            Self::File(path) => f.write_str(&text::name(&path.to_string_lossy(), SHOWN)),
        }
    }
}

/// Parses a URL that keys may be fetched from: https, or, if `may_be_local`, http to a loopback address.
pub(super) fn checked(text: &str, may_be_local: bool) -> Result<Url, UrlError> {
    let mut url =
        Url::parse(text).map_err(|error| UrlError::Invalid { url: text.to_owned(), why: error.to_string() })?;
    if !url.username().is_empty() || url.password().is_some() {
        // The password must not be shown.
        let _ = url.set_password(None).and_then(|()| url.set_username("user"));
        return Err(UrlError::Credentials(shown(&url)));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if may_be_local && is_loopback(&url) => Ok(url),
        _ => Err(UrlError::NotHttps(shown(&url))),
    }
}

/// Whether the host of a URL is `localhost` or a loopback address.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The two URLs of an issuer's metadata: `/.well-known/openid-configuration` after the path, and
/// `/.well-known/oauth-authorization-server` before it (RFC 8414 §3.1).
pub(super) fn well_known(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let with = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    [
        with(format!("{path}/.well-known/openid-configuration")),
        with(format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

/// A URL for display, without its query, which may contain a key of an API.
pub(super) fn shown(url: &Url) -> String {
    let whole = url.as_str();
    let end = whole.find(['?', '#']).unwrap_or(whole.len());
    text::display_safe(text::head(whole, end), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_loopback_is_a_source() {
        for good in [
            "https://id.example/jwks",
            "https://id.example:8443/jwks?key=1",
            "http://127.0.0.1:9/jwks",
            "http://127.9.9.9/",
            "http://[::1]:9/jwks",
            "http://localhost:9/jwks",
            "HTTP://LOCALHOST/",
        ] {
            assert!(KeySource::jwks(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://id.example/jwks", "expected an https URL, got http://id.example/jwks"),
            ("http://127.0.0.1.example/jwks", "expected an https URL"),
            ("http://localhost.example/", "expected an https URL"),
            ("http://10.0.0.1/", "expected an https URL"),
            ("ftp://127.0.0.1/", "expected an https URL"),
            ("file:///etc/passwd", "expected an https URL"),
            ("https://me:secret@id.example/", "https://user@id.example/ contains a user name"),
            ("id.example/jwks", "id.example/jwks is not a URL"),
            ("", "(empty) is not a URL"),
        ] {
            let error = KeySource::jwks(bad).expect_err(bad).to_string();
            assert!(error.starts_with(why) && !error.contains("secret"), "{bad}: {error}");
        }
        assert!(KeySource::discovery("https://id.example/a?b").is_err());
        assert!(checked("http://127.0.0.1/jwks", false).is_err(), "named by a server elsewhere");
        let secret = KeySource::jwks("https://id.example/jwks?key=secret").expect("a URL");
        assert_eq!(secret.to_string(), "https://id.example/jwks");
    }

    #[test]
    fn the_metadata_is_after_the_path_or_before_it() {
        for (issuer, first, second) in [
            ("https://a.b", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
            ("https://a.b/", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
            ("https://a.b/x/y", "/x/y/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/x/y"),
            ("https://a.b/x/", "/x/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/x"),
        ] {
            let urls = well_known(&checked(issuer, false).expect("a URL"));
            assert_eq!(urls.map(|url| url.path().to_owned()), [first, second], "{issuer}");
        }
    }
}

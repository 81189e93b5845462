//! Reads keys once, over HTTP or from a file.
//!
//! The body alone decides: servers send JWK sets with all kinds of `Content-Type`. Redirects are followed only within
//! the origin, and a body is read only up to a limit. Requests contain no token, no cookie and no credentials.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap, LOCATION};
use reqwest::{Client, Response, Url};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::error::{FetchError, of_file};
use super::schedule::Lifetime;
use super::source::{checked, shown, well_known};
use super::{KeySource, MAX_BODY, MAX_REDIRECTS, RemoteKeys};
use crate::auth::KeyOrigin;
use crate::auth::algorithm::Family;
use crate::auth::keys::jwk::{self, KeysRead};
use crate::auth::keys::{read_public, without_mark};
use crate::auth::members;
use crate::config;
use crate::http::{self, ClientError};
use crate::text::cause;

/// The largest file, in bytes: [`jwk::MOST_KEYS`] RSA keys of the largest size, approximately.
const MAX_FILE: usize = 2 << 20;

/// The keys of a source.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The keys; at least one can be used.
    pub read: KeysRead,
    /// How long they are used.
    pub lifetime: Lifetime,
}

/// Reads the keys of a source once, within its time-out.
pub async fn fetch(remote: &RemoteKeys) -> Result<Fetched, FetchError> {
    Fetcher::new(remote)?.fetch().await
}

/// Reads the keys of a source once, and returns within its time-out. For programs without a runtime.
pub fn fetch_once(remote: &RemoteKeys) -> Result<KeysRead, FetchError> {
    let read = || {
        let failed = |error: io::Error| FetchError::Client(ClientError::Setup(cause(&error)));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let fetched = runtime.block_on(fetch(remote));
        // Does not wait: the system may still be resolving a name.
        runtime.shutdown_background();
        fetched.map(|fetched| fetched.read)
    };
    // On a thread of its own, because the caller may be part of another runtime, which must not be blocked on.
    thread::scope(|scope| scope.spawn(read).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The means to read the keys of one source.
pub struct Fetcher {
    source: KeySource,
    /// Whether a file with a shared secret is accepted even if other users can read it.
    others_may_read: bool,
    /// How long one reading may take.
    timeout: Duration,
    /// The client; `None` for a file.
    client: Option<Client>,
}

impl Fetcher {
    /// Creates a fetcher, and reads the file with additional certificate authorities.
    pub fn new(remote: &RemoteKeys) -> Result<Self, FetchError> {
        let client = match &remote.source {
            KeySource::File(_) => None,
            _ => Some(client(remote)?),
        };
        let settings = &remote.settings;
        let (others_may_read, timeout) = (settings.others_may_read, settings.timeout);
        Ok(Self { source: remote.source.clone(), others_may_read, timeout, client })
    }

    /// Reads the keys, within the source's time-out.
    pub async fn fetch(&self) -> Result<Fetched, FetchError> {
        let fetched = timeout(self.timeout, async {
            match (&self.source, &self.client) {
                (KeySource::File(path), _) => file(path, self.others_may_read),
                (KeySource::Jwks(url), Some(client)) => jwks(client, url).await,
                (KeySource::Discovery { issuer, url }, Some(client)) => {
                    let url = discover(client, issuer, url, self.source.is_loopback()).await?;
                    jwks(client, &url).await
                }
                (_, None) => Err(ClientError::Setup("it is missing".to_owned()).into()),
            }
        });
        let late = |_| Err(FetchError::TimedOut { from: self.source.to_string(), within: self.timeout });
        let fetched = fetched.await.unwrap_or_else(late)?;
        if fetched.read.keys.is_empty() {
            // Most likely a mistake of the server, for which the previous keys must not be dropped.
            return Err(FetchError::NoKeys { from: self.source.to_string(), refused: fetched.read.refused });
        }
        Ok(fetched)
    }
}

/// Creates a client whose connections do not stay open between fetches.
fn client(remote: &RemoteKeys) -> Result<Client, FetchError> {
    let ca_file = remote.settings.ca_file.as_deref();
    Ok(http::client(remote.source.is_loopback(), ca_file, |builder| builder.pool_max_idle_per_host(0))?)
}

/// Fetches a JWK set.
async fn jwks(client: &Client, url: &Url) -> Result<Fetched, FetchError> {
    let (headers, body) = get(client, url).await?;
    let source = jwk::KeySource { origin: KeyOrigin::Fetched, is_private: false };
    let read = jwk::read(&body, source).map_err(|error| FetchError::Set { from: shown(url), error })?;
    Ok(Fetched { read, lifetime: Lifetime::For(max_age(&headers)) })
}

/// Returns the URL of the JWK set of an issuer, from its metadata. Metadata that names another issuer ends the search:
/// it is a mistake in the configuration, or an attack (RFC 8414 §6.2).
async fn discover(client: &Client, issuer: &str, url: &Url, may_be_local: bool) -> Result<Url, FetchError> {
    let [first, second] = well_known(url);
    match metadata(client, issuer, &first, may_be_local).await {
        Err(error @ (FetchError::Status { .. } | FetchError::Metadata { .. } | FetchError::Member { .. })) => {
            metadata(client, issuer, &second, may_be_local).await.map_err(|second| match second {
                FetchError::OtherIssuer { .. } => second,
                _ => FetchError::NoMetadata { first: Box::new(error), second: Box::new(second) },
            })
        }
        found => found,
    }
}

async fn metadata(client: &Client, issuer: &str, url: &Url, may_be_local: bool) -> Result<Url, FetchError> {
    let (_, body) = get(client, url).await?;
    let found = members::parse(without_mark(&body)).map_err(|fault| FetchError::Metadata { url: shown(url), fault })?;
    let one = |name: &'static str| {
        let mut named = found.iter().filter(|member| member.name == name);
        let only = named.next().filter(|_| named.next().is_none());
        let value = only.and_then(|member| members::string(member.value));
        value.ok_or_else(|| FetchError::Member { url: shown(url), member: name })
    };
    let (named, jwks_uri) = (one("issuer")?, one("jwks_uri")?);
    if named != issuer {
        let (found, wanted) = (named.into_owned(), issuer.to_owned());
        return Err(FetchError::OtherIssuer { url: shown(url), found, wanted });
    }
    checked(&jwks_uri, may_be_local).map_err(|error| FetchError::JwksUri { url: shown(url), error })
}

/// Returns the headers and the body of the answer to a GET request.
async fn get(client: &Client, url: &Url) -> Result<(HeaderMap, Vec<u8>), FetchError> {
    let mut at = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let failed = |error: reqwest::Error| FetchError::Connection { url: shown(&at), why: cause(&error) };
        let answer = client.get(at.clone()).header(ACCEPT, "application/json").send().await.map_err(failed)?;
        match answer.status().as_u16() {
            200 => {
                let headers = answer.headers().clone();
                return Ok((headers, body(answer, &at).await?));
            }
            301 | 302 | 303 | 307 | 308 => {
                let to = answer.headers().get(LOCATION).and_then(|to| at.join(to.to_str().ok()?).ok());
                // A name and a password in the location would be sent as credentials.
                let to = to.filter(|to| to.username().is_empty() && to.password().is_none());
                let to = to.ok_or_else(|| FetchError::BadRedirect { url: shown(&at) })?;
                if to.origin() != url.origin() {
                    return Err(FetchError::OtherOrigin { url: shown(&at), to: shown(&to) });
                }
                at = to;
            }
            status => return Err(FetchError::Status { url: shown(&at), status }),
        }
    }
    Err(FetchError::TooManyRedirects { url: shown(url) })
}

/// Reads a body up to [`MAX_BODY`].
async fn body(mut answer: Response, url: &Url) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) =
        answer.chunk().await.map_err(|error| FetchError::Connection { url: shown(url), why: cause(&error) })?
    {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(FetchError::TooLarge { from: shown(url), limit: MAX_BODY });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the time that an answer may be cached (RFC 9111 §5.2.2); zero if it may not.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut found = None;
    for directive in lines.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        if ["no-store", "no-cache"].iter().any(|none| name.eq_ignore_ascii_case(none)) {
            return Some(Duration::ZERO);
        }
        let value = value.trim().trim_matches('"');
        if name.eq_ignore_ascii_case("max-age") && value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty() {
            // A number that is too large means a very long time.
            let age = Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX)));
            found = Some(found.map_or(age, |known: Duration| known.min(age)));
        }
    }
    found
}

fn file(path: &Path, others_may_read: bool) -> Result<Fetched, FetchError> {
    let FileText { bytes, others_can_read } = read_file(path, MAX_FILE)?;
    let from = || crate::text::name(&path.to_string_lossy(), 200);
    // A local set may contain shared secrets; other files have public keys.
    let is_json = without_mark(&bytes).trim_ascii_start().starts_with(b"{");
    let read = match is_json {
        true => jwk::read(&bytes, jwk::KeySource { origin: KeyOrigin::File, is_private: true })
            .map_err(|error| FetchError::Set { from: from(), error })?,
        false => read_public(&bytes, KeyOrigin::File).map_err(|error| FetchError::KeyFile { from: from(), error })?,
    };
    if read.keys.is_empty() {
        return Err(FetchError::NoKeys { from: from(), refused: read.refused });
    }
    let has_secret = read.keys.iter().any(|key| key.family() == Family::Hmac);
    if has_secret && others_can_read && !others_may_read {
        return Err(FetchError::OthersCanRead { path: from() });
    }
    Ok(Fetched { read, lifetime: Lifetime::Watched })
}

/// The content of a file.
struct FileText {
    bytes: Vec<u8>,
    /// Whether users other than its owner can read it.
    others_can_read: bool,
}

/// Reads a file of at most `limit` bytes.
fn read_file(path: &Path, limit: usize) -> Result<FileText, FetchError> {
    let failed = |error: io::Error| of_file(path, &error);
    // Opening a named pipe would wait for its writer.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    let others_can_read = config::others_can_read(&file, path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(FetchError::TooLarge { from: crate::text::name(&path.to_string_lossy(), 200), limit });
    }
    Ok(FileText { bytes, others_can_read })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_read_from_the_headers() {
        let s = |seconds| Some(Duration::from_secs(seconds));
        for (line, age) in [
            ("max-age=300", s(300)),
            ("public, Max-Age = \"300\" , must-revalidate", s(300)),
            ("max-age=20, max-age=10", s(10)),
            ("max-age=99999999999999999999999", s(u64::from(u32::MAX))),
            ("max-age=300, no-store", s(0)),
            ("no-cache=\"x\"", s(0)),
            ("max-age=-1", None),
            ("max-age", None),
            ("s-maxage=300", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, line.parse().expect("a header"))]);
            assert_eq!(max_age(&headers), age, "{line}");
        }
    }
}

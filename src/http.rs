//! The HTTP client for other machines: the keys of issuers are fetched with it, and MCP servers are called.
//!
//! It has no memory besides open connections: no cookies, no referrer, no retries. It follows no redirect, because only its
//! users know which origins may see their requests.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};

use crate::text::{self, cause};

/// The largest file of certificate authorities, in bytes.
const MAX_AUTHORITIES: u64 = 2 << 20;

/// Why there is no client. The sentence is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The file of certificate authorities cannot be used.
    #[error("file {path}: {why}")]
    Authorities {
        /// The file.
        path: String,
        /// The error.
        why: String,
    },
    /// The library failed.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

/// Creates a client that trusts the authorities in `ca_file` besides those of the system. `with` adds settings.
pub fn client(
    is_loopback: bool,
    ca_file: Option<&Path>,
    with: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<Client, ClientError> {
    let authorities = ca_file.map(authorities).transpose()?.unwrap_or_default();
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never());
        // A proxy would see and could change what is not encrypted.
        with(if is_loopback { builder.no_proxy() } else { builder })
    };
    let built = match builder().tls_certs_merge(authorities.clone()).build() {
        // A machine without any certificate authorities can still use its loopback interface.
        Err(_) if is_loopback => builder().tls_certs_only(authorities).build(),
        built => built,
    };
    built.map_err(|error| ClientError::Setup(cause(&error)))
}

/// Reads certificates in PEM.
fn authorities(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let failed = |why: String| ClientError::Authorities { path: text::name(&path.to_string_lossy(), 200), why };
    let read = || {
        // Opening a named pipe would wait for its writer.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut pem = Vec::new();
        File::open(path)?.take(MAX_AUTHORITIES).read_to_end(&mut pem)?;
        Ok(pem)
    };
    let pem = read().map_err(|error| failed(cause(&error).to_lowercase()))?;
    let found = Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| failed("expected certificates in PEM".to_owned()))
}

//! Why keys could not be read.

use std::io;
use std::time::Duration;

use super::source::UrlError;
use crate::auth::keys::PublicFileError;
use crate::auth::keys::jwk::{RefusedKey, SetError};
use crate::auth::members::Fault;
use crate::http::ClientError;
use crate::text::{self, cause};

/// Why the keys of an issuer could not be read. The sentence is safe to show; `from` and `url` are too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum FetchError {
    #[error("{from}: no complete answer within {} s", within.as_secs_f32())]
    TimedOut { from: String, within: Duration },
    #[error("{url}: {why}")]
    Connection { url: String, why: String },
    #[error("{url}: expected status 200, got {status}")]
    Status { url: String, status: u16 },
    #[error("{url} redirects to another origin, {to}, which is not followed")]
    OtherOrigin { url: String, to: String },
    #[error("{url}: a redirect without a valid location")]
    BadRedirect { url: String },
    #[error("{url}: more than {} redirects", super::MAX_REDIRECTS)]
    TooManyRedirects { url: String },
    #[error("{from}: longer than {}", text::words::bytes(*.limit))]
    TooLarge { from: String, limit: usize },
    #[error("{from}: {error}")]
    Set { from: String, error: SetError },
    #[error("{from}: {error}")]
    KeyFile { from: String, error: PublicFileError },
    #[error("{from}: no usable key{}", first_of(.refused))]
    NoKeys { from: String, refused: Vec<RefusedKey> },
    #[error("{url} is not the metadata of an issuer: {fault}")]
    Metadata { url: String, fault: Fault },
    #[error("{url} is not the metadata of an issuer: expected one {member}, a string")]
    Member { url: String, member: &'static str },
    #[error("{url}: issuer is {}, expected {}", text::name(.found, 256), text::name(.wanted, 256))]
    OtherIssuer { url: String, found: String, wanted: String },
    #[error("{url}: jwks_uri: {error}")]
    JwksUri { url: String, error: UrlError },
    #[error("{first}; {second}")]
    NoMetadata { first: Box<Self>, second: Box<Self> },
    #[error("file {path}: {why}")]
    File { path: String, why: String },
    #[error(
        "{path} contains a shared secret, and other users can read it; fix with `chmod 600 {path}`, or allow it with \
         --insecure-secret-file"
    )]
    OthersCanRead { path: String },
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The first reason why a key of a set cannot be used, as the end of a sentence.
fn first_of(refused: &[RefusedKey]) -> String {
    match refused {
        [] => String::new(),
        [only] => format!("; {only}"),
        [first, rest @ ..] => format!("; {first} (and {} more)", rest.len()),
    }
}

/// Returns the error of a file in lower case. Safe to show.
pub(super) fn of_file(path: &std::path::Path, error: &io::Error) -> FetchError {
    FetchError::File { path: text::name(&path.to_string_lossy(), 200), why: cause(error).to_lowercase() }
}

//! Reads and writes policy files.

mod rewrite;
mod values;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ConfigError, read, replace, unreadable};
use crate::auth::Policy;
use crate::auth::policy::MAX_BYTES;

pub use rewrite::rewritten;

/// The words for a policy file in messages.
const WHAT: &str = "policy file";

/// Reads a policy file.
pub fn policy(path: &Path) -> Result<Arc<Policy>, ConfigError> {
    let source = read(WHAT, path, MAX_BYTES)?;
    let policy = Policy::read(&source).map_err(|error| ConfigError::Policy { path: path.to_owned(), error })?;
    Ok(Arc::new(policy))
}

/// Writes a policy to a file that does not exist yet.
pub fn new_policy(path: &Path, policy: &Policy) -> Result<(), ConfigError> {
    let text = rewritten("", policy).map_err(|error| ConfigError::Policy { path: path.to_owned(), error })?;
    super::write_new(path, &text)
}

/// Writes a policy to a file atomically. In an existing file, only the differences are changed. A file that is not a
/// valid policy is left unchanged. If `known` is given, a file with any other policy is left unchanged as well:
/// [`ConfigError::Other`].
pub fn save_policy(path: &Path, policy: &Policy, known: Option<&Policy>) -> Result<(), ConfigError> {
    let failed = |error| unreadable(WHAT, path, error);
    // If the path is a symbolic link, the file that it refers to is written.
    let file: PathBuf = match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => match path.is_symlink() {
            true => return Err(failed(io::Error::other("dangling symbolic link"))),
            false => path.to_owned(),
        },
        found => found.map_err(failed)?,
    };
    let source = match read(WHAT, &file, MAX_BYTES) {
        Err(ConfigError::Unreadable { error, .. }) if error.kind() == ErrorKind::NotFound => Vec::new(),
        source => source?,
    };
    let broken = |error| ConfigError::Policy { path: file.clone(), error };
    let there = Policy::read(&source).map_err(broken)?;
    if known.is_some_and(|known| !there.is_empty() && !there.is_equivalent(known) && !there.is_equivalent(policy)) {
        return Err(ConfigError::Other { path: file });
    }
    let text = rewritten(&String::from_utf8_lossy(&source), policy).map_err(broken)?;
    replace(&file, &text, 0o666).map_err(failed)
}

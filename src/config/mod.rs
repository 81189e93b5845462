//! What is read from outside before anything starts: the secret, and the policy file.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::auth::key::MAX_SECRET_BYTES;
use crate::auth::{Key, KeyError, KeyOrigin, Policy, PolicyError, policy};
use crate::text;

/// The environment variable that may hold the secret.
pub const SECRET_VARIABLE: &str = "PORTCULLIS_SECRET";

/// What was read from outside cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("{what} {}: {}", text::name(&.path.to_string_lossy(), 200), plain(.error))]
    Unreadable {
        /// What the file is, as the option names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The secret is no key; `from` names the option or the variable.
    #[error("{from}: {error}")]
    Secret {
        /// Where it came from.
        from: String,
        /// Why.
        error: KeyError,
    },
    /// The policy file is no policy.
    #[error("policy file {}: {error}", text::name(&.path.to_string_lossy(), 200))]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: PolicyError,
    },
}

/// The system's words for an error, without its number.
fn plain(error: &std::io::Error) -> String {
    let said = error.to_string();
    let end = said.find(" (os error").unwrap_or(said.len());
    text::display_safe(text::head(&said, end), 200).to_lowercase()
}

/// The key to sign with: of the file, else of the environment's value, else a fresh one.
///
/// A line break at the file's end is not part of the secret.
pub fn key(file: Option<&Path>, variable: Option<Zeroizing<Vec<u8>>>) -> Result<Key, ConfigError> {
    if let Some(path) = file {
        let secret = Zeroizing::new(read("secret file", path, MAX_SECRET_BYTES + 2)?);
        let secret = secret.strip_suffix(b"\n").map_or(&**secret, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
        let from = || format!("secret file {}", text::name(&path.to_string_lossy(), 200));
        return Key::new(secret, KeyOrigin::File).map_err(|error| ConfigError::Secret { from: from(), error });
    }
    match variable {
        Some(secret) => Key::new(&secret, KeyOrigin::Environment)
            .map_err(|error| ConfigError::Secret { from: SECRET_VARIABLE.to_owned(), error }),
        None => Key::fresh().map_err(|error| ConfigError::Secret { from: "fresh key".to_owned(), error }),
    }
}

/// The policy of a file.
pub fn policy(path: &Path) -> Result<Arc<Policy>, ConfigError> {
    // Opening a pipe would wait for its writer, and with it the whole console.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let error = std::io::Error::other("not a regular file");
        return Err(ConfigError::Unreadable { what: "policy file", path: path.to_owned(), error });
    }
    let source = read("policy file", path, policy::MAX_BYTES + 1)?;
    let policy = Policy::read(&source).map_err(|error| ConfigError::Policy { path: path.to_owned(), error })?;
    Ok(Arc::new(policy))
}

/// A file's bytes, at most `most` of them: a device or a huge file by mistake must not fill the memory.
fn read(what: &'static str, path: &Path, most: usize) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { what, path: path.to_owned(), error };
    let file = fs::File::open(path).map_err(unreadable)?;
    // Reserved whole, so that a growing buffer leaves no copies of a secret behind.
    let mut bytes = Vec::with_capacity(most.min(MAX_SECRET_BYTES + 2));
    file.take(most as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let error = key(Some(Path::new("/no/such/file")), None).expect_err("there is none");
        assert_eq!(error.to_string(), "secret file /no/such/file: no such file or directory");
    }

    #[test]
    fn an_empty_variable_is_refused() {
        let error = key(None, Some(Zeroizing::new(Vec::new()))).expect_err("it is empty");
        assert_eq!(error.to_string(), "PORTCULLIS_SECRET: the secret is empty");
    }

    #[test]
    fn without_a_secret_the_key_is_fresh_and_strong() {
        let key = key(None, None).expect("a key");
        assert_eq!((key.origin(), key.is_weak()), (KeyOrigin::Fresh, false));
    }
}

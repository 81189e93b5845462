//! The signing secret, from a file that only its owner can read, or from the environment.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{ConfigError, unreadable};
use crate::auth::keys::MAX_SECRET_BYTES;
use crate::auth::{KeyError, KeyOrigin, Signer};
use crate::text;

/// The environment variable with the secret.
pub const SECRET_VARIABLE: &str = "PORTCULLIS_SECRET";

/// The length of the longest secret as text, in bytes: `hex:`, two digits for each byte, and a line break.
const LONGEST: usize = 4 + MAX_SECRET_BYTES * 2 + 2;

/// Returns the secret from the environment, if there is one. Like a secret file, it may contain any bytes.
pub fn secret_variable() -> Option<Zeroizing<Vec<u8>>> {
    std::env::var_os(SECRET_VARIABLE).map(|secret| Zeroizing::new(secret.into_encoded_bytes()))
}

/// The possible sources of a secret, in order of precedence.
#[derive(Clone, Debug, Default)]
pub struct SecretSources {
    /// The file named by an option.
    pub file: Option<PathBuf>,
    /// The value of [`SECRET_VARIABLE`].
    pub variable: Option<Zeroizing<Vec<u8>>>,
    /// The file named by the configuration.
    pub configured: Option<PathBuf>,
    /// Whether a file is accepted even if other users can read it.
    pub others_may_read: bool,
}

impl SecretSources {
    /// The file that the secret is read from, if it is read from one.
    pub fn path(&self) -> Option<&Path> {
        match (&self.file, &self.variable, &self.configured) {
            (Some(file), ..) | (None, None, Some(file)) => Some(file),
            (None, ..) => None,
        }
    }

    /// Returns the key to sign and verify with; `None` if there is no secret.
    pub fn signer(&self) -> Result<Option<Signer>, ConfigError> {
        match (self.path(), &self.variable) {
            (Some(file), _) => self.of_file(file).map(Some),
            (None, Some(secret)) => Signer::from_written(secret, KeyOrigin::Environment)
                .map(Some)
                .map_err(|error| ConfigError::Secret { from: SECRET_VARIABLE.to_owned(), error }),
            (None, None) => Ok(None),
        }
    }

    fn of_file(&self, path: &Path) -> Result<Signer, ConfigError> {
        let failed = |error| unreadable("secret file", path, error);
        let file = File::open(path).map_err(failed)?;
        // Checked on the open file, so that it cannot be replaced after the check.
        if !self.others_may_read && others_can_read(&file).map_err(failed)? {
            return Err(ConfigError::OthersCanRead { path: path.to_owned() });
        }
        // Allocated in full, so that a growing buffer leaves no copies of the secret behind.
        let mut secret = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        file.take(LONGEST as u64 + 1).read_to_end(&mut secret).map_err(failed)?;
        let from = || format!("secret file {}", text::name(&path.to_string_lossy(), 200));
        if secret.len() > LONGEST {
            return Err(ConfigError::Secret { from: from(), error: KeyError::TooLong });
        }
        let secret = secret.strip_suffix(b"\n").map_or(&**secret, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
        Signer::from_written(secret, KeyOrigin::File).map_err(|error| ConfigError::Secret { from: from(), error })
    }
}

/// Whether users other than the owner can read a file. Pipes, such as a shell's `<(…)`, are not readable by others.
fn others_can_read(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = file.metadata()?;
    Ok(found.is_file() && found.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let sources = SecretSources { file: Some("/no/such/file".into()), ..SecretSources::default() };
        let error = sources.signer().expect_err("there is none");
        assert_eq!(error.to_string(), "secret file /no/such/file: no such file or directory");
    }

    #[test]
    fn an_empty_variable_is_refused() {
        let sources = SecretSources { variable: Some(Zeroizing::new(Vec::new())), ..SecretSources::default() };
        let error = sources.signer().expect_err("it is empty");
        assert_eq!(error.to_string(), "PORTCULLIS_SECRET: the secret is empty");
    }

    #[test]
    fn without_a_secret_there_is_no_key() {
        assert!(SecretSources::default().signer().is_ok_and(|key| key.is_none()));
    }
}

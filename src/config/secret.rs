//! The key to sign with, from a file that only its owner can read, or from the environment.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{ConfigError, unreadable};
use crate::auth::algorithm::Family;
use crate::auth::keys::{MAX_SECRET_BYTES, SignerOptions, SigningKeys, read_private};
use crate::auth::{Algorithm, KeyError, KeyOrigin, Signer, Verifier};
use crate::text;

/// The environment variable with the secret.
pub const SECRET_VARIABLE: &str = "PORTCULLIS_SECRET";

/// The length of the longest secret as text, in bytes: `hex:`, two digits for each byte, and a line break.
const LONGEST: usize = 4 + MAX_SECRET_BYTES * 2 + 2;

/// Returns the secret from the environment, if there is one. Like a secret file, it may contain any bytes.
pub fn secret_variable() -> Option<Zeroizing<Vec<u8>>> {
    std::env::var_os(SECRET_VARIABLE).map(|secret| Zeroizing::new(secret.into_encoded_bytes()))
}

/// A file with the key to sign with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFile {
    /// A file with a secret, which may be any text.
    Secret(PathBuf),
    /// A key file: PEM, DER or JWK.
    Private(PathBuf),
}

impl KeyFile {
    /// The path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Secret(path) | Self::Private(path) => path,
        }
    }

    /// The kind of file, for messages.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Secret(_) => "secret file",
            Self::Private(_) => "signing key file",
        }
    }

    /// The option that names such a file.
    pub const fn option(&self) -> &'static str {
        match self {
            Self::Secret(_) => "--secret-file",
            Self::Private(_) => "--signing-key",
        }
    }
}

/// The possible sources of the key to sign with, in order of precedence, and of keys that only verify.
#[derive(Clone, Debug, Default)]
pub struct KeySources<'a> {
    /// The file named by an option.
    pub file: Option<KeyFile>,
    /// The value of [`SECRET_VARIABLE`].
    pub variable: Option<Zeroizing<Vec<u8>>>,
    /// The file named by the configuration.
    pub configured: Option<KeyFile>,
    /// Files with earlier secrets. They verify, but do not sign.
    pub old_secrets: Vec<PathBuf>,
    /// Whether a file is accepted even if other users can read it.
    pub others_may_read: bool,
    /// The algorithms that the keys verify; the first one that fits also signs. Empty for the usual ones.
    pub algorithms: &'a [Algorithm],
    /// The algorithm and the name that the key gets, instead of its own.
    pub options: SignerOptions<'a>,
}

/// The keys of our own issuer.
#[derive(Clone, Debug, Default)]
pub struct OwnKeys {
    /// The key to sign with, which also verifies; `None` if there is none.
    pub signing: Option<SigningKeys>,
    /// Earlier secrets, which only verify.
    pub previous: Vec<Verifier>,
}

impl OwnKeys {
    /// The key to sign with.
    pub fn signer(&self) -> Option<&Signer> {
        self.signing.as_ref().map(|keys| &keys.signer)
    }

    /// Every key that verifies our own tokens, that of the signer first.
    pub fn verifiers(&self) -> impl Iterator<Item = &Verifier> {
        self.signing.iter().flat_map(SigningKeys::verifiers).chain(&self.previous)
    }
}

impl KeySources<'_> {
    /// The file that the key is read from, if it is read from one.
    pub fn file(&self) -> Option<&KeyFile> {
        match (&self.file, &self.variable, &self.configured) {
            (Some(file), ..) | (None, None, Some(file)) => Some(file),
            (None, ..) => None,
        }
    }

    /// Reads the keys, each file once.
    pub fn read(&self) -> Result<OwnKeys, ConfigError> {
        let signing = match (self.file(), &self.variable) {
            (Some(file), _) => Some(self.of_file(file)?),
            (None, Some(secret)) => Some(self.for_algorithms(|options| {
                Signer::from_written_with(secret, KeyOrigin::Environment, options)
                    .map_err(|error| ConfigError::Secret { from: SECRET_VARIABLE.to_owned(), error })
            })?),
            (None, None) => None,
        };
        let shared: Vec<Algorithm> =
            self.algorithms.iter().copied().filter(|algorithm| algorithm.family() == Family::Hmac).collect();
        Ok(OwnKeys { signing, previous: secret_verifiers(&self.old_secrets, &shared, self.others_may_read)? })
    }

    /// Returns how the file is read again when it has changed; `None` if the key is not read from a regular file. A pipe
    /// can be read only once, and could block its reader.
    pub fn signing_file(&self) -> Option<SigningFile> {
        let SignerOptions { algorithm, kid } = self.options;
        Some(SigningFile {
            file: self.file().filter(|file| file.path().is_file())?.clone(),
            others_may_read: self.others_may_read,
            algorithms: self.algorithms.to_vec(),
            algorithm,
            kid: kid.map(str::to_owned),
        })
    }

    fn of_file(&self, file: &KeyFile) -> Result<SigningKeys, ConfigError> {
        let bytes = readable(file.what(), file.path(), self.others_may_read)?;
        self.for_algorithms(|options| signer_of(file, &bytes, options))
    }

    /// Makes a key for each of the algorithms that fit it.
    fn for_algorithms(
        &self,
        make: impl Fn(SignerOptions<'_>) -> Result<Signer, ConfigError>,
    ) -> Result<SigningKeys, ConfigError> {
        let with = |algorithm| make(SignerOptions { algorithm, ..self.options });
        let signer = with(self.options.algorithm)?;
        let Some(wanted) = self.algorithms.first() else {
            return Ok(signer.into());
        };
        let family = signer.verifier().family();
        let fitting: Vec<Algorithm> =
            self.algorithms.iter().copied().filter(|algorithm| algorithm.family() == family).collect();
        // If none fits, this is the error that says so.
        let first = fitting.first().copied().unwrap_or(*wanted);
        let signer = with(self.options.algorithm.or(Some(first)))?;
        let others = fitting.into_iter().filter(|algorithm| *algorithm != signer.algorithm());
        let further = others.map(|other| with(Some(other)).map(|signer| signer.verifier().clone()));
        Ok(SigningKeys { further: further.collect::<Result<_, _>>()?, signer })
    }
}

/// The file of the key to sign with, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningFile {
    file: KeyFile,
    others_may_read: bool,
    algorithms: Vec<Algorithm>,
    algorithm: Option<Algorithm>,
    kid: Option<String>,
}

impl SigningFile {
    /// The path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Reads the key. Returns at once: a pipe in place of the file, which could block its reader, is refused.
    pub fn read(&self) -> Result<SigningKeys, ConfigError> {
        if std::fs::metadata(self.path()).is_ok_and(|found| !found.is_file()) {
            let error = std::io::Error::other("not a regular file");
            return Err(unreadable(self.file.what(), self.path(), error));
        }
        let sources = KeySources {
            others_may_read: self.others_may_read,
            algorithms: &self.algorithms,
            options: SignerOptions { algorithm: self.algorithm, kid: self.kid.as_deref() },
            ..KeySources::default()
        };
        sources.of_file(&self.file)
    }
}

/// Reads files with shared secrets that only verify, each for these algorithms, or for HS256 if there are none.
pub fn secret_verifiers(
    files: &[PathBuf],
    algorithms: &[Algorithm],
    others_may_read: bool,
) -> Result<Vec<Verifier>, ConfigError> {
    let algorithms = if algorithms.is_empty() { &[Algorithm::Hs256] } else { algorithms };
    let mut verifiers = Vec::new();
    for path in files {
        let file = KeyFile::Secret(path.clone());
        let bytes = readable(file.what(), path, others_may_read)?;
        for algorithm in algorithms {
            let options = SignerOptions { algorithm: Some(*algorithm), kid: None };
            verifiers.push(signer_of(&file, &bytes, options)?.verifier().clone());
        }
    }
    Ok(verifiers)
}

/// Reads a key file, which other users must not be able to read unless that is allowed.
fn readable(what: &'static str, path: &Path, others_may_read: bool) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let KeyText { bytes, others_can_read } = KeyText::read(what, path)?;
    match others_can_read && !others_may_read {
        true => Err(ConfigError::OthersCanRead { what, path: path.to_owned() }),
        false => Ok(bytes),
    }
}

/// Makes the signer from the content of its file.
fn signer_of(file: &KeyFile, bytes: &[u8], options: SignerOptions<'_>) -> Result<Signer, ConfigError> {
    let (what, path) = (file.what(), file.path());
    if let KeyFile::Private(_) = file {
        let failed = |error| ConfigError::Key { what, path: path.to_owned(), error };
        return read_private(bytes, KeyOrigin::File, options).map_err(failed);
    }
    let secret = bytes.strip_suffix(b"\n").map_or(bytes, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    Signer::from_written_with(secret, KeyOrigin::File, options)
        .map_err(|error| ConfigError::Secret { from: named(what, path), error })
}

/// The content of a key file.
pub struct KeyText {
    /// The bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Whether users other than the owner can read the file.
    pub others_can_read: bool,
}

impl KeyText {
    /// Reads a key file.
    pub fn read(what: &'static str, path: &Path) -> Result<Self, ConfigError> {
        let failed = |error| unreadable(what, path, error);
        let file = File::open(path).map_err(failed)?;
        // Checked on the open file, so that it cannot be replaced after the check.
        let others_can_read = others_can_read(&file, path).map_err(failed)?;
        // Allocated in full, so that a growing buffer leaves no copies of the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        match bytes.len() > LONGEST {
            true => Err(ConfigError::Secret { from: named(what, path), error: KeyError::TooLong }),
            false => Ok(Self { bytes, others_can_read }),
        }
    }
}

fn named(what: &str, path: &Path) -> String {
    format!("{what} {}", text::name(&path.to_string_lossy(), 200))
}

/// The environment variable with the directory of a service's credentials (systemd.exec(5)).
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Whether users other than the owner can read the open file at this path. Pipes, such as a shell's `<(…)`, are not
/// readable by others.
///
/// A service's credential may have the mode 0440: where an access control list lets the service's user read it, the
/// group's bits are the mask of the list, and its directory is closed to others.
pub fn others_can_read(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = file.metadata()?;
    let credentials = std::env::var_os(CREDENTIALS_VARIABLE).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let is_credential = || {
        let (folder, file) = (credentials?.canonicalize().ok()?, path.canonicalize().ok()?);
        (file.parent() == Some(&folder)).then_some(())
    };
    let of_others = if is_credential().is_some() { 0o037 } else { 0o077 };
    Ok(found.is_file() && found.permissions().mode() & of_others != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let sources = KeySources { file: Some(KeyFile::Secret("/no/such/file".into())), ..KeySources::default() };
        let error = sources.read().expect_err("there is none");
        assert_eq!(error.to_string(), "secret file /no/such/file: no such file or directory");
    }

    #[test]
    fn an_empty_variable_is_refused() {
        let sources = KeySources { variable: Some(Zeroizing::new(Vec::new())), ..KeySources::default() };
        let error = sources.read().expect_err("it is empty");
        assert_eq!(error.to_string(), "PORTCULLIS_SECRET: the secret is empty");
    }

    #[test]
    fn without_a_secret_there_is_no_key() {
        assert!(KeySources::default().read().is_ok_and(|keys| keys.signer().is_none()));
    }
}

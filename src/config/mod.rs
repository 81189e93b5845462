//! Files read before anything starts: the configuration file, the secret or private key, and the policy file.

mod file;
mod issuers;
mod policy;
mod secret;
mod targets;
mod writable;

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use crate::auth::keys::{KeyFileError, PublicFileError};
use crate::auth::{Algorithm, KeyError, PolicyError, Signer};
use crate::text;

pub use file::{CONFIG_VARIABLE, ConfigFile, Fault, default_path};
pub use issuers::{IssuerConfig, IssuerError, KeysFrom, algorithms, issuer_keys_markdown};
pub use policy::{new_policy, policy, rewritten, save_policy};
pub use secret::{
    KeyFile, KeySources, KeyText, OwnKeys, SECRET_VARIABLE, SigningFile, others_can_read, secret_variable,
    secret_verifiers,
};
pub use targets::TargetConfig;
pub use writable::{WritableFile, writable};

/// Why a configuration, secret or policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read or written.
    #[error("{what} {}: {}", text::name(&.path.to_string_lossy(), 200), plain(.error))]
    Unreadable {
        /// The kind of file, as messages name it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// A new file would replace an existing one.
    #[error("{} already exists; nothing was written", text::name(&.path.to_string_lossy(), 200))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Other users can read the file with the secret or the private key.
    #[error(
        "{what} {}: other users can read it; fix with `chmod 600 {}`, or allow it with --insecure-secret-file",
        text::name(&.path.to_string_lossy(), 200),
        quoted(.path)
    )]
    OthersCanRead {
        /// The kind of file, as messages name it.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The secret is not a valid key; `from` names the option or the variable.
    #[error("{from}: {error}")]
    Secret {
        /// The option or variable that it comes from.
        from: String,
        /// The error in it.
        error: KeyError,
    },
    /// The file is not a usable private key.
    #[error("{what} {}: {error}", text::name(&.path.to_string_lossy(), 200))]
    Key {
        /// The kind of file, as messages name it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The error in it.
        error: KeyFileError,
    },
    /// The file has no usable public key.
    #[error("key file {}: {error}", text::name(&.path.to_string_lossy(), 200))]
    PublicKey {
        /// The file.
        path: PathBuf,
        /// The error in it.
        error: PublicFileError,
    },
    /// A shared secret was named where a public key is wanted.
    #[error("{from}: a shared secret has no public key; make a pair with `portcullis keys new --alg ES256 --out FILE`")]
    NoPublicKey {
        /// The file or the option that it comes from.
        from: String,
    },
    /// There is no secret, but the command needs one.
    #[error(
        "no signing secret; pass --secret-file FILE or --signing-key FILE, set {SECRET_VARIABLE}, or set secret-file or signing-key in portcullis.toml"
    )]
    NoSecret,
    /// There is no key to verify a token of this public-key algorithm with.
    #[error(
        "no key for {0}; pass --jwks FILE or URL, --public-key FILE, or --issuer URL with --discover, or add the issuer to portcullis.toml ([[issuers]])"
    )]
    NoKeyFor(Algorithm),
    /// The configuration of an issuer, or its keys, cannot be used.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The policy file is not a valid policy.
    #[error("policy file {}: {error}", text::name(&.path.to_string_lossy(), 200))]
    Policy {
        /// The file.
        path: PathBuf,
        /// The error and its position.
        error: PolicyError,
    },
    /// A policy file has changed since it was read, so it is not overwritten.
    #[error("policy file {}: changed since it was read; not overwritten", text::name(&.path.to_string_lossy(), 200))]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// The configuration file is invalid.
    #[error("configuration file {}: {fault}", text::name(&.path.to_string_lossy(), 200))]
    File {
        /// The file.
        path: PathBuf,
        /// The error and its position.
        fault: Fault,
    },
}

/// Quotes a path for a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    match path.chars().all(plain) {
        true => path.into_owned(),
        false => format!("'{}'", text::name(&path, 200).replace('\'', r"'\''")),
    }
}

/// The error's message, in lower case and without the system's error number. Safe to show.
pub fn plain(error: &std::io::Error) -> String {
    let said = error.to_string();
    let end = said.find(" (os error").unwrap_or(said.len());
    text::display_safe(text::head(&said, end), 200).to_lowercase()
}

/// Creates the error for a file or directory that cannot be read or written.
pub fn unreadable(what: &'static str, path: &Path, error: std::io::Error) -> ConfigError {
    ConfigError::Unreadable { what, path: path.to_owned(), error }
}

/// Parses a path as typed by a user: `~/` is the home directory.
pub fn typed(path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").and_then(|rest| Some(etcetera::home_dir().ok()?.join(rest)));
    home.unwrap_or_else(|| path.into())
}

/// Writes a new file. Fails if it exists.
pub fn write_new(path: &Path, text: &str) -> Result<(), ConfigError> {
    write_new_with(path, text, 0o666)
}

/// Writes a new file that only its owner can read. Fails if it exists.
pub fn write_private(path: &Path, text: &str) -> Result<(), ConfigError> {
    write_new_with(path, text, 0o600)
}

/// Writes a new file with this mode, less the umask.
fn write_new_with(path: &Path, text: &str, mode: u32) -> Result<(), ConfigError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => ConfigError::Exists { path: path.to_owned() },
        _ => unreadable("file", path, error),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // A partial file would block the next attempt.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

/// Gives a file to the owner of what is there already, so that a file written by the superuser can be used by the
/// programs that it is for. Only the superuser can give files away; for anybody else this does nothing.
fn give_to_owner(file: &File, there: &Metadata) {
    let _ = fchown(file, Some(there.uid()), Some(there.gid()));
}

/// Gives a new file to the owner of its directory.
pub(crate) fn give_to_owner_of_folder(file: &File, path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = fs::metadata(folder) {
        give_to_owner(file, &folder);
    }
}

/// Replaces a file's contents atomically, through a temporary file in the same directory. A new file gets this mode,
/// less the umask, and the owner of the directory if the superuser writes it; an existing one keeps its own mode, owner
/// and group, as far as the writer may set them.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("invalid file name"));
    };
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(|error| io::Error::other(error.to_string()))?;
    let beside = folder.join(format!(".{}.{:016x}", name.to_string_lossy(), u64::from_ne_bytes(number)));
    // Fails if the file exists: it may be a link to another place.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    let mut write = || {
        file.write_all(text.as_bytes())?;
        match fs::metadata(path) {
            Ok(before) => {
                // Members of the group may keep it without the owner.
                let _ = fchown(&file, None, Some(before.gid()));
                give_to_owner(&file, &before);
                file.set_permissions(Permissions::from_mode(before.permissions().mode() & 0o777))?;
            }
            Err(_) => {
                give_to_owner_of_folder(&file, path);
            }
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// The words for a report in messages.
const REPORT: &str = "report";

/// Returns the regular file that a report goes to, behind any symbolic link; it need not exist. Another kind of file is
/// refused, because it would be replaced: `/dev/stdout` is one.
fn report_file(path: &Path) -> Result<PathBuf, ConfigError> {
    let failed = |error| unreadable(REPORT, path, error);
    let file = match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => return Ok(path.to_owned()),
        found => found.map_err(failed)?,
    };
    match fs::metadata(&file).map_err(failed)?.is_file() {
        true => Ok(file),
        false => Err(failed(io::Error::other("not a regular file"))),
    }
}

/// Checks that a report can be written to a file: the directory exists, and the file is a regular one or is missing.
pub fn check_report(path: &Path) -> Result<(), ConfigError> {
    let file = report_file(path)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(unreadable(REPORT, path, io::ErrorKind::NotADirectory.into())),
        Err(error) => Err(unreadable(REPORT, path, error)),
    }
}

/// Writes a report to a file atomically, in place of an earlier one.
pub fn save_report(path: &Path, text: &str) -> Result<(), ConfigError> {
    replace(&report_file(path)?, text, 0o666).map_err(|error| unreadable(REPORT, path, error))
}

/// Generates a random signing key.
pub fn fresh_key() -> Result<Signer, ConfigError> {
    Signer::fresh().map_err(|error| ConfigError::Secret { from: "fresh key".to_owned(), error })
}

/// Returns the bytes of a regular file, at most `most` of them; a larger file is refused. A huge file named by mistake
/// must not fill the memory, and opening a pipe would wait for its writer.
pub(crate) fn read(what: &'static str, path: &Path, most: usize) -> Result<Vec<u8>, ConfigError> {
    let failed = |error| unreadable(what, path, error);
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(failed(std::io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() > most {
        true => Err(failed(std::io::Error::other(format!("larger than {most} bytes")))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_path_may_begin_at_home() {
        let home = etcetera::home_dir().expect("there is one");
        assert_eq!(typed("~/policy.toml"), home.join("policy.toml"));
        assert_eq!(typed("a~/policy.toml"), Path::new("a~/policy.toml"));
        assert_eq!(typed("~"), Path::new("~"));
    }
}

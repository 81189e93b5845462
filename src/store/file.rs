//! The state file: JSON that is always written as a whole, with a lock file next to it.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::Mutex;

use super::{ChangeFuture, Edition, Store, StoreContents, StoreError};
use crate::auth::revocations::{Revocation, RevocationTarget};
use crate::auth::{NumericDate, Revocations, TokenId};
use crate::config::{ConfigError, give_to_owner_of_folder, read, replace, unreadable};
use crate::text;
use crate::watch::Watch;

/// The words for a state file in messages.
const WHAT: &str = "state file";

/// The largest accepted state file, in bytes: about 200,000 revocations.
const MAX_BYTES: usize = 32 << 20;

/// How long a change waits for the lock before it fails.
pub const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How long a change waits before it tries the lock again.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// The mode of new files, which only the owner may read and write: they list revoked users, and removing a row would
/// restore a token.
const OWNER: u32 = 0o600;

/// The version of the file format. Files with another version are rejected.
const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State<'a> {
    version: u32,
    #[serde(default, borrow)]
    store: Cow<'a, str>,
    #[serde(default)]
    generation: u64,
    revoked: Rows,
}

/// The rows, converted one by one, so that a hundred thousand of them take effect quickly.
struct Rows(Revocations);

/// A revocation of either a token, by the SHA-256 of its text, or a `jti`. Times are RFC 3339.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    token: Option<Text<'a>>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    jti: Option<Text<'a>>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    user: Option<Text<'a>>,
    #[serde(borrow)]
    at: Text<'a>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    until: Option<Text<'a>>,
}

/// A string that is copied only if it contains escapes. Serde copies every `Option<Cow<str>>`, which doubles the time
/// for a large file.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a, T: Into<Cow<'a, str>>> From<T> for Text<'a> {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// Why a row is not a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum RowError {
    #[error("invalid time: expected RFC 3339")]
    Time,
    #[error("invalid token: expected a SHA-256 in hex")]
    Token,
    #[error("a row needs either token or jti")]
    What,
}

impl<'a> Row<'a> {
    fn new(what: &'a RevocationTarget, since: &'a Revocation) -> Self {
        let (token, jti) = match what {
            RevocationTarget::Token(id) => (Some(id.hex().into()), None),
            RevocationTarget::Jti(jti) => (None, Some((&**jti).into())),
        };
        let until = since.until.map(|until| until.rfc3339().into());
        Self { token, jti, user: since.user.as_deref().map(Into::into), at: since.at.rfc3339().into(), until }
    }

    fn read(self) -> Result<(RevocationTarget, Revocation), RowError> {
        let time = |Text(text): &Text<'_>| NumericDate::from_rfc3339(text).ok_or(RowError::Time);
        let what = match (self.token, self.jti) {
            (Some(Text(token)), None) => RevocationTarget::Token(TokenId::from_hex(&token).ok_or(RowError::Token)?),
            (None, Some(Text(jti))) => RevocationTarget::Jti(jti.into()),
            _ => return Err(RowError::What),
        };
        let until = self.until.as_ref().map(time).transpose()?;
        Ok((what, Revocation { at: time(&self.at)?, until, user: self.user.map(|user| user.0.into()) }))
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of revocations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = list.next_element::<Row<'de>>()? {
                    rows.push(row.read().map_err(A::Error::custom)?);
                }
                Ok(Rows(rows.into_iter().collect()))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// A store in a state file.
pub struct FileStore {
    path: PathBuf,
    /// Locked by the one caller that waits for changes.
    watch: Mutex<Watch>,
}

impl FileStore {
    /// Creates a store in this file, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { watch: Mutex::new(Watch::of_whole(path.clone())), path }
    }

    /// Resolves symbolic links: a change replaces the file itself, and every process that uses it, under any name, must
    /// take the same lock.
    fn real(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or_else(|_| self.path.clone())
    }

    /// Takes the lock for a change, and returns the locked file.
    ///
    /// Every change replaces the state file itself, so the lock is on another file. That file is never removed: a
    /// process could hold the lock on a removed file while another one locks its successor.
    fn lock(&self, real: &Path) -> Result<File, StoreError> {
        let failed = |error| unreadable(WHAT, &self.path, error);
        let mut name = real.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let beside = real.with_file_name(name);
        let opened = match OpenOptions::new().write(true).create_new(true).mode(OWNER).open(&beside) {
            // An existing file keeps its owner: another user could have put a link to a file of the superuser's here.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Opening a pipe would wait for its other end.
                if !fs::metadata(&beside).map_err(failed)?.is_file() {
                    return Err(failed(io::Error::other("its lock is not a regular file")).into());
                }
                match OpenOptions::new().write(true).open(&beside) {
                    // The file belongs to another user. Locking does not need write permission.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(&beside),
                    opened => opened,
                }
            }
            Ok(file) => {
                give_to_owner_of_folder(&file, &beside);
                Ok(file)
            }
            failed => failed,
        };
        let file = opened.map_err(failed)?;
        // Tries repeatedly, because a blocking lock could not be abandoned.
        for _ in 0..LOCK_WAIT.as_millis() / LOCK_RETRY.as_millis() {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_RETRY),
                // The file system does not support locks: simultaneous changes may overwrite one another.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(failed(error).into()),
            }
        }
        Err(StoreError::Locked { path: self.path.clone(), waited: LOCK_WAIT })
    }
}

impl Store for FileStore {
    fn is_durable(&self) -> bool {
        true
    }

    fn name(&self) -> String {
        format!("{WHAT} {}", text::name(&self.path.to_string_lossy(), 200))
    }

    fn load(&self) -> Result<StoreContents, StoreError> {
        Ok(stored(&self.path)?.unwrap_or_default())
    }

    fn change(
        &self,
        now: NumericDate,
        change: &mut dyn FnMut(&mut StoreContents),
    ) -> Result<Option<Edition>, StoreError> {
        let failed = |error| unreadable(WHAT, &self.path, error);
        let real = self.real();
        let _lock = self.lock(&real)?;
        let mut stored = self.load()?;
        change(&mut stored);
        stored.revoked.forget_dead(now);
        let edition = match stored.edition {
            Some(Edition { store, generation }) if !store.is_empty() => Edition { store, generation: generation + 1 },
            Some(Edition { generation, .. }) => {
                Edition { store: new_name().map_err(failed)?, generation: generation + 1 }
            }
            None => Edition { store: new_name().map_err(failed)?, generation: 1 },
        };
        let text = written(&edition, &stored.revoked).map_err(|error| failed(error.into()))?;
        if text.len() > MAX_BYTES {
            return Err(failed(io::Error::other(format!("full: it can have at most {MAX_BYTES} bytes"))).into());
        }
        replace(&real, &text, OWNER).map_err(failed)?;
        Ok(Some(edition))
    }

    fn changed(&self) -> ChangeFuture<'_> {
        Box::pin(async { self.watch.lock().await.touched().await })
    }
}

/// Returns a random name for a store.
fn new_name() -> io::Result<Box<str>> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)).into())
}

/// Formats the text of a state file, with one revocation per line.
fn written(edition: &Edition, revoked: &Revocations) -> serde_json::Result<String> {
    let Edition { store, generation } = edition;
    let mut text = format!("{{\"version\":{VERSION},\"store\":\"{store}\",\"generation\":{generation},\"revoked\":[");
    for (n, (what, since)) in revoked.iter().enumerate() {
        text.push_str(if n == 0 { "\n" } else { ",\n" });
        text.push_str(&serde_json::to_string(&Row::new(what, since))?);
    }
    text.push_str("\n]}\n");
    Ok(text)
}

/// Reads the contents of a state file; `None` if the file does not exist. An invalid file is an error, because it must
/// not restore a token.
fn stored(path: &Path) -> Result<Option<StoreContents>, StoreError> {
    let source = match read(WHAT, path, MAX_BYTES) {
        Err(ConfigError::Unreadable { error, .. }) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(None);
        }
        source => source?,
    };
    let broken = |why: String| StoreError::Malformed { path: path.to_owned(), why };
    // Checked once for the whole file: from bytes, serde_json would check each string separately.
    let source = str::from_utf8(&source).map_err(|error| broken(error.to_string()))?;
    let state: State<'_> =
        serde_json::from_str(source).map_err(|error| broken(text::display_safe(&error.to_string(), 200)))?;
    if state.version != VERSION {
        return Err(broken(format!("unsupported version {}, expected {VERSION}", state.version)));
    }
    // The name is written into the file without escaping.
    if !state.store.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(broken("invalid store name: expected letters and digits".to_owned()));
    }
    let edition = Edition { store: state.store.into(), generation: state.generation };
    Ok(Some(StoreContents { revoked: state.revoked.0, edition: Some(edition) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Setback;
    use crate::text::Span;
    use rstest::rstest;
    use tempfile::TempDir;

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(TempDir::new().expect("a folder"))
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("state.json")
        }

        fn store(&self) -> FileStore {
            FileStore::new(self.file())
        }

        fn change(&self, now: NumericDate, mut change: impl FnMut(&mut Revocations)) -> Revocations {
            self.store().change(now, &mut |stored| change(&mut stored.revoked)).expect("written");
            self.store().load().expect("read").revoked
        }
    }

    fn until(seconds: i64) -> Revocation {
        Revocation {
            at: NOW,
            until: Some(NOW.plus(Span::seconds(seconds) + Span::micros(7))),
            user: Some("user123".into()),
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_the_dead_are_forgotten() {
        let place = Place::new();
        assert_eq!(place.store().load().expect("nothing yet"), StoreContents::default());
        let token = RevocationTarget::Token(TokenId::of("a.b.c"));
        let jti = RevocationTarget::Jti("7\u{202e}".into());
        place.change(NOW, |all| all.revoke(token.clone(), until(60)));
        let mut written = Revocations::default();
        let both = place.change(NOW, |all| {
            all.revoke(jti.clone(), until(3600));
            written = all.clone();
        });
        assert_eq!((both, written.iter().count()), (written.clone(), 2));
        let later = NOW.plus(Span::seconds(60 + 301) + Span::DAY);
        let one = place.change(later, |_| {});
        assert_eq!(one.iter().map(|(what, _)| what.clone()).collect::<Vec<_>>(), [jti]);
        assert_eq!(
            fs::read_dir(place.0.path()).expect("the folder").count(),
            2,
            "only the lock file is left beside it"
        );
    }

    #[rstest]
    #[case("", "EOF while parsing a value at line 1 column 0")]
    #[case("{}", "missing field `version` at line 1 column 2")]
    #[case(r#"{"version":2,"revoked":[]}"#, "unsupported version 2, expected 1")]
    #[case(
        r#"{"version":1,"revoked":[{"at":"2026-11-22T20:40:00Z"}]}"#,
        "a row needs either token or jti at line 1 column 54"
    )]
    #[case(
        r#"{"version":1,"revoked":[{"jti":"7","at":"soon"}]}"#,
        "invalid time: expected RFC 3339 at line 1 column 48"
    )]
    #[case(
        r#"{"version":1,"revoked":[{"token":"7","at":"soon"}]}"#,
        "invalid token: expected a SHA-256 in hex at line 1 column 50"
    )]
    fn a_file_that_is_not_understood_lets_nobody_in(#[case] source: &str, #[case] why: &str) {
        let place = Place::new();
        fs::write(place.file(), source).expect("written");
        let said = place.store().load().expect_err("an error").to_string();
        assert!(said.ends_with(&format!("state.json: {why}")), "{said}");
        assert!(place.store().change(NOW, &mut |_| {}).is_err());
        assert_eq!(fs::read_to_string(place.file()).expect("it is as it was"), source);
    }

    #[test]
    fn each_change_is_a_new_edition_and_a_new_file_is_another_store() {
        let place = Place::new();
        let change = || place.store().change(NOW, &mut |_| {}).expect("written").expect("an edition");
        let (first, second) = (change(), change());
        assert_eq!((first.generation, second.generation, &second.store), (1, 2, &first.store));
        assert_eq!(place.store().load().expect("read").edition, Some(second.clone()));
        fs::remove_file(place.file()).expect("it is there");
        assert_eq!(
            Setback::between(Some(&second), place.store().load().expect("nothing").edition.as_ref()),
            Some(Setback::Gone)
        );
        assert_eq!(Setback::between(Some(&second), Some(&change())), Some(Setback::Replaced));
        assert_eq!(Setback::between(Some(&second), Some(&first)), Some(Setback::Older));
        assert_eq!(Setback::between(Some(&first), Some(&second)), None);
        // A file of version 0.1 has no name, so any store may follow it.
        fs::write(place.file(), r#"{"version":1,"revoked":[]}"#).expect("written");
        let old = place.store().load().expect("read").edition.expect("a file");
        assert_eq!((Setback::between(Some(&old), Some(&change())), Setback::between(None, Some(&old))), (None, None));
    }

    #[test]
    fn a_lock_that_another_holds_is_given_up_and_nothing_is_changed() {
        let place = Place::new();
        let token = RevocationTarget::Token(TokenId::of("a.b.c"));
        let held = place.store().lock(&place.file()).expect("free");
        let refused = place.store().change(NOW, &mut |stored| stored.revoked.revoke(token.clone(), until(60)));
        let said = refused.expect_err("locked").to_string();
        assert!(said.ends_with("state.json: locked by another process for more than 2s; try again"), "{said}");
        assert!(!place.file().exists());
        drop(held);
        assert_eq!(place.change(NOW, |all| all.revoke(token.clone(), until(60))).iter().count(), 1);
    }

    #[test]
    fn a_pipe_in_place_of_the_lock_is_refused_without_waiting_for_its_other_end() {
        let place = Place::new();
        let lock = place.0.path().join("state.json.lock");
        assert!(std::process::Command::new("mkfifo").arg(&lock).status().expect("mkfifo").success());
        let said = place.store().change(NOW, &mut |_| {}).expect_err("refused").to_string();
        assert!(said.ends_with("state.json: its lock is not a regular file"), "{said}");
    }

    #[test]
    fn a_change_through_a_link_reaches_the_file_that_others_use_and_both_take_one_lock() {
        let place = Place::new();
        let real = place.store();
        let jti = RevocationTarget::Jti("7".into());
        let since = Revocation { at: NOW, until: None, user: None };
        real.change(NOW, &mut |_| {}).expect("written");
        let link = place.0.path().join("link.json");
        std::os::unix::fs::symlink(place.file(), &link).expect("a link");
        let linked = FileStore::new(link.clone());
        linked.change(NOW, &mut |stored| stored.revoked.revoke(jti.clone(), since.clone())).expect("written");
        assert!(link.is_symlink() && real.load().expect("read").revoked.get(&jti).is_some());
        assert_eq!(fs::read_dir(place.0.path()).expect("the folder").count(), 3, "the file, its lock, and the link");
    }

    #[test]
    fn a_new_file_and_its_lock_are_the_owners_alone_and_an_old_one_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = Place::new();
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        place.store().change(NOW, &mut |_| {}).expect("written");
        let lock = place.0.path().join(format!("{}.lock", place.file().file_name().expect("a name").to_string_lossy()));
        assert_eq!((mode(&place.file()), mode(&lock)), (0o600, 0o600));
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).expect("it is ours");
        place.store().change(NOW, &mut |_| {}).expect("written");
        assert_eq!(mode(&place.file()), 0o640);
    }

    /// The state directory of a service belongs to the service's user, and an administrator revokes.
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
    fn what_the_superuser_writes_belongs_to_the_owner_of_the_folder_or_of_the_old_file() {
        use std::os::unix::fs::MetadataExt as _;
        let place = Place::new();
        let (folder, lock) = (place.0.path(), place.0.path().join("state.json.lock"));
        if std::os::unix::fs::chown(folder, Some(12_345), Some(12_346)).is_err() {
            eprintln!("left out: only the superuser can give files away");
            return;
        }
        let owner = |path: &Path| fs::metadata(path).map(|found| (found.uid(), found.gid())).expect("it is there");
        place.store().change(NOW, &mut |_| {}).expect("written");
        assert_eq!((owner(&place.file()), owner(&lock)), ((12_345, 12_346), (12_345, 12_346)));
        std::os::unix::fs::chown(place.file(), Some(23_456), None).expect("the superuser");
        // The owner of the folder may put a link there, but gets no file by it.
        let other = TempDir::new().expect("a folder");
        let precious = other.path().join("precious");
        fs::write(&precious, "").expect("written");
        fs::remove_file(&lock).expect("it is there");
        std::os::unix::fs::symlink(&precious, &lock).expect("a link");
        place.store().change(NOW, &mut |_| {}).expect("written");
        assert_eq!((owner(&place.file()), owner(&precious).0), ((23_456, 12_346), 0));
    }
}

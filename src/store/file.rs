//! The state file: JSON, always written whole, with a lock file beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{Changed, Store, StoreError};
use crate::auth::revocations::{Revoked, Since};
use crate::auth::{NumericDate, Revocations, TokenId};
use crate::config::{ConfigError, read, replace, unreadable};
use crate::text;
use crate::watch::Watch;

/// What a state file is called in messages.
const WHAT: &str = "state file";

/// A state file larger than this is refused, in bytes: some 200,000 revocations.
const MAX_BYTES: usize = 32 << 20;

/// How long a change waits for the lock before it is given up.
pub const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How long a change waits before it tries to take the lock again.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Only the owner reads and writes new files: they say who was revoked, and a row less would let somebody in.
const OWNER: u32 = 0o600;

/// The shape written here; another number is another shape.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    revoked: Vec<Row>,
}

/// Either a token, by the SHA-256 of its text, or a `jti`. Times are RFC 3339.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// Why a row names no revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum RowError {
    #[error("a time that is not RFC 3339")]
    Time,
    #[error("a token that is no SHA-256")]
    Token,
    #[error("a row must have either token or jti")]
    What,
}

impl Row {
    fn new(what: &Revoked, since: &Since) -> Self {
        let (token, jti) = match what {
            Revoked::Token(id) => (Some(id.hex()), None),
            Revoked::Jti(jti) => (None, Some(jti.clone())),
        };
        let until = since.until.map(NumericDate::rfc3339);
        Self { token, jti, user: since.user.clone(), at: since.at.rfc3339(), until }
    }

    fn read(self) -> Result<(Revoked, Since), RowError> {
        let time = |text: &str| NumericDate::from_rfc3339(text).ok_or(RowError::Time);
        let what = match (self.token, self.jti) {
            (Some(token), None) => Revoked::Token(TokenId::from_hex(&token).ok_or(RowError::Token)?),
            (None, Some(jti)) => Revoked::Jti(jti),
            _ => return Err(RowError::What),
        };
        let until = self.until.as_deref().map(time).transpose()?;
        Ok((what, Since { at: time(&self.at)?, until, user: self.user }))
    }
}

/// Keeps revocations in a state file.
pub struct FileStore {
    path: PathBuf,
    /// Awaited by one caller at a time.
    watch: Mutex<Watch>,
}

impl FileStore {
    /// A store in this file, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { watch: Mutex::new(Watch::new(path.clone())), path }
    }

    /// The file itself, where the path is a link to it: a change replaces the file, and every process that uses it, by
    /// whatever name, must take the same lock.
    fn real(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or_else(|_| self.path.clone())
    }

    /// Takes the lock that every change is made under, and returns the locked file.
    ///
    /// The state file itself is replaced with every change, so another file has to carry the lock. It is never removed:
    /// a process could hold the lock of a removed file while another one locks its successor.
    fn lock(&self, real: &Path) -> Result<File, StoreError> {
        let failed = |error| unreadable(WHAT, &self.path, error);
        let mut name = real.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let beside = real.with_file_name(name);
        let opened = match OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER).open(&beside) {
            // The file belongs to another user; locking needs no write permission.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(&beside),
            opened => opened,
        };
        let file = opened.map_err(failed)?;
        // Tried again and again, because a blocking lock could not be given up.
        for _ in 0..LOCK_WAIT.as_millis() / LOCK_RETRY.as_millis() {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_RETRY),
                // A file system without locks: changes at the same instant may then overwrite one another.
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

    fn load(&self, before: bool) -> Result<Revocations, StoreError> {
        match stored(&self.path)? {
            Some(all) => Ok(all),
            None if before => Err(StoreError::Gone { path: self.path.clone() }),
            None => Ok(Revocations::default()),
        }
    }

    fn change_revocations(
        &self,
        before: bool,
        now: NumericDate,
        change: &mut dyn FnMut(&mut Revocations),
    ) -> Result<(), StoreError> {
        let failed = |error| unreadable(WHAT, &self.path, error);
        let real = self.real();
        let _lock = self.lock(&real)?;
        let mut all = self.load(before)?;
        change(&mut all);
        all.forget_dead(now);
        let revoked = all.iter().map(|(what, since)| Row::new(what, since)).collect();
        let mut text = serde_json::to_string_pretty(&State { version: VERSION, revoked })
            .map_err(|error| failed(io::Error::other(error)))?;
        text.push('\n');
        Ok(replace(&real, &text, OWNER).map_err(failed)?)
    }

    fn changed(&self) -> Changed<'_> {
        Box::pin(async { self.watch.lock().await.touched().await })
    }
}

/// The content of a state file; `None` for a file that does not exist. A file that cannot be understood is an error: it must
/// restore no token.
fn stored(path: &Path) -> Result<Option<Revocations>, StoreError> {
    let source = match read(WHAT, path, MAX_BYTES) {
        Err(ConfigError::Unreadable { error, .. }) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(None);
        }
        source => source?,
    };
    let broken = |why: String| StoreError::Malformed { path: path.to_owned(), why };
    let state: State =
        serde_json::from_slice(&source).map_err(|error| broken(text::display_safe(&error.to_string(), 200)))?;
    if state.version != VERSION {
        return Err(broken(format!("version {}; version {VERSION} is read here", state.version)));
    }
    let mut all = Revocations::default();
    for row in state.revoked {
        let (what, since) = row.read().map_err(|why| broken(why.to_string()))?;
        all.revoke(what, since);
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;
    use rstest::rstest;
    use std::fs;

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("portcullis-state-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("state.json")
        }

        fn store(&self) -> FileStore {
            FileStore::new(self.file())
        }

        fn change(&self, now: NumericDate, mut change: impl FnMut(&mut Revocations)) -> Revocations {
            self.store().change_revocations(false, now, &mut change).expect("written");
            self.store().load(true).expect("read")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn until(seconds: i64) -> Since {
        Since { at: NOW, until: Some(NOW.plus(Span::seconds(seconds) + Span::micros(7))), user: Some("user123".into()) }
    }

    #[test]
    fn what_is_written_is_read_again_and_the_dead_are_forgotten() {
        let place = Place::new("again");
        assert_eq!(place.store().load(false).expect("nothing yet"), Revocations::default());
        let token = Revoked::Token(TokenId::of("a.b.c"));
        let jti = Revoked::Jti("7\u{202e}".into());
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
        assert_eq!(fs::read_dir(&place.0).expect("the folder").count(), 2, "only the lock file is left beside it");
    }

    #[rstest]
    #[case("", "EOF while parsing a value at line 1 column 0")]
    #[case("{}", "missing field `version` at line 1 column 2")]
    #[case(r#"{"version":2,"revoked":[]}"#, "version 2; version 1 is read here")]
    #[case(r#"{"version":1,"revoked":[{"at":"2026-11-22T20:40:00Z"}]}"#, "a row must have either token or jti")]
    #[case(r#"{"version":1,"revoked":[{"jti":"7","at":"soon"}]}"#, "a time that is not RFC 3339")]
    #[case(r#"{"version":1,"revoked":[{"token":"7","at":"soon"}]}"#, "a token that is no SHA-256")]
    fn a_file_that_is_not_understood_lets_nobody_in(#[case] source: &str, #[case] why: &str) {
        let place = Place::new(&format!("broken-{}", source.len()));
        fs::write(place.file(), source).expect("written");
        let said = place.store().load(false).expect_err("an error").to_string();
        assert!(said.ends_with(&format!("state.json: {why}")), "{said}");
        assert!(place.store().change_revocations(false, NOW, &mut |_| {}).is_err());
        assert_eq!(fs::read_to_string(place.file()).expect("it is as it was"), source);
    }
    #[test]
    fn a_file_that_has_gone_is_an_error_only_if_something_was_in_it() {
        let place = Place::new("gone");
        assert_eq!(place.store().load(false).expect("nothing yet"), Revocations::default());
        let said = place.store().load(true).expect_err("it is gone").to_string();
        assert!(said.ends_with("state.json: it is gone"), "{said}");
    }

    #[test]
    fn a_lock_that_another_holds_is_given_up_and_nothing_is_changed() {
        let place = Place::new("locked");
        let token = Revoked::Token(TokenId::of("a.b.c"));
        let held = place.store().lock(&place.file()).expect("free");
        let refused = place.store().change_revocations(false, NOW, &mut |all| all.revoke(token.clone(), until(60)));
        let said = refused.expect_err("locked").to_string();
        assert!(said.ends_with("state.json: locked by another process for more than 2s; try again"), "{said}");
        assert!(!place.file().exists());
        drop(held);
        assert_eq!(place.change(NOW, |all| all.revoke(token.clone(), until(60))).iter().count(), 1);
    }

    #[test]
    fn a_change_through_a_link_reaches_the_file_that_others_use_and_both_take_one_lock() {
        let place = Place::new("link");
        let real = place.store();
        let jti = Revoked::Jti("7".into());
        let since = Since { at: NOW, until: None, user: None };
        real.change_revocations(false, NOW, &mut |_| {}).expect("written");
        let link = place.0.join("link.json");
        std::os::unix::fs::symlink(place.file(), &link).expect("a link");
        let linked = FileStore::new(link.clone());
        linked.change_revocations(false, NOW, &mut |all| all.revoke(jti.clone(), since.clone())).expect("written");
        assert!(link.is_symlink() && real.load(true).expect("read").get(&jti).is_some());
        assert_eq!(fs::read_dir(&place.0).expect("the folder").count(), 3, "the file, its lock, and the link");
    }

    #[test]
    fn a_new_file_and_its_lock_are_the_owners_alone_and_an_old_one_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = Place::new("mode");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        place.store().change_revocations(false, NOW, &mut |_| {}).expect("written");
        let lock = place.0.join(format!("{}.lock", place.file().file_name().expect("a name").to_string_lossy()));
        assert_eq!((mode(&place.file()), mode(&lock)), (0o600, 0o600));
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).expect("it is ours");
        place.store().change_revocations(false, NOW, &mut |_| {}).expect("written");
        assert_eq!(mode(&place.file()), 0o640);
    }

    #[test]
    fn a_file_that_has_gone_is_written_anew_with_everything_that_is_in_force() {
        use crate::auth::{KeySet, Rules};
        use crate::gate::ports::Catalogue;
        use crate::gate::{AuthState, Shared};
        use crate::store::{Change, Replica};
        let place = Place::new("anew");
        let shared = Shared::new(AuthState::new(Rules::new(KeySet::default()), None, Catalogue::default()));
        let replica = Replica::new(&shared, std::sync::Arc::new(place.store()));
        let revoke = |jti: &str| {
            let since = Since { at: NOW, until: None, user: None };
            replica.change(Change { what: Revoked::Jti(jti.into()), since: Some(since) });
            replica.save(NOW).expect("saved");
        };
        revoke("first");
        fs::remove_file(place.file()).expect("it is there");
        assert!(replica.reload().is_err());
        revoke("second");
        for jti in ["first", "second"] {
            let what = Revoked::Jti(jti.into());
            assert!(shared.rules().revoked.get(&what).is_some(), "{jti} in memory");
            assert!(place.store().load(true).expect("read").get(&what).is_some(), "{jti} in the file");
        }
    }
}

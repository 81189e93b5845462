//! Notices changes of the policy file, the signing key's file and the store by other processes. This is the only place
//! that does.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use super::{ReloadError, Replica, Setback};
use crate::auth::Policy;
use crate::auth::keys::SigningKeys;
use crate::config::{self, ConfigError, SigningFile};
use crate::watch::{Watch, WatchError};

/// The delay before the first retry of a failed read. It doubles with every further failure.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// The longest delay between two attempts.
const LAST_RETRY: Duration = Duration::from_secs(2);

/// An event reported by the follower.
pub enum News {
    /// The policy file was changed.
    Policy {
        /// The file.
        path: String,
        /// The result of reading it.
        read: Result<Arc<Policy>, ConfigError>,
    },
    /// The file of the signing key was changed: the key, or why it cannot be read. A failure that may pass is reported
    /// once.
    SigningKey(Result<Box<SigningKeys>, ConfigError>),
    /// The file of the signing key can be read again, after a failure that was reported. The key follows.
    SigningKeyReadable,
    /// The store was changed, but cannot be read.
    NotReloaded(ReloadError),
    /// The store went back to other contents. Revocations stay in force and are saved again.
    Setback {
        /// The store's name; safe to show.
        store: String,
        /// How it went back.
        setback: Setback,
    },
    /// Changes that could not be saved before are now saved.
    Saved,
    /// Changes of the policy file or of the signing key's file will be noticed late, for this reason.
    FileUnwatched(WatchError),
    /// Changes of the store will not be noticed, for this reason.
    StoreUnwatched(WatchError),
}

/// Watches the policy file, the signing key's file and the store on a thread, and retries failed saves, until it is
/// dropped.
///
/// It applies revocations to the shared state itself, independently of other threads. Policies and keys are only
/// reported, because the console must first check for its own edits.
pub struct Follower {
    policy: watch::Sender<String>,
}

impl Follower {
    /// Starts the thread, which calls `tell` with news; while `tell` blocks, changes are not noticed. An empty `policy`
    /// path means the built-in policy, which cannot change.
    pub fn start(
        replica: Arc<Replica>,
        policy: String,
        key: Option<SigningFile>,
        tell: impl FnMut(News) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(policy);
        let runtime = Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new().name("follower".to_owned()).spawn(move || {
            runtime.block_on(follow(replica, receiver, key, tell));
            // Does not wait: a save may still be waiting for a lock.
            runtime.shutdown_background();
        })?;
        Ok(Self { policy: sender })
    }

    /// Watches this policy file from now on.
    pub fn follow_policy(&self, path: &str) {
        self.policy.send_if_modified(|known| {
            let is_other = known != path;
            if is_other {
                path.clone_into(known);
            }
            is_other
        });
    }
}

/// Reads a policy file after a change.
pub fn read_policy(path: &str) -> News {
    News::Policy { path: path.to_owned(), read: config::policy(Path::new(path)) }
}

async fn follow(
    replica: Arc<Replica>,
    mut path: watch::Receiver<String>,
    key: Option<SigningFile>,
    mut tell: impl FnMut(News),
) {
    let mut policy = watch_of(&path.borrow_and_update());
    let mut key_watch = key.as_ref().map_or_else(Watch::nothing, |key| Watch::new(key.path().to_owned()));
    let (mut policy_retry, mut key_retry) = (Retry::default(), Retry::default());
    let (mut store_retry, mut save_retry) = (Retry::default(), Retry::default());
    let mut saving: Option<JoinHandle<bool>> = None;
    loop {
        tokio::select! {
            changed = path.changed() => match changed {
                Ok(()) => {
                    policy = watch_of(&path.borrow_and_update());
                    policy_retry.succeeded();
                }
                // The follower has been dropped.
                Err(_) => return,
            },
            touched = policy.touched() => match touched {
                Ok(()) => policy_retry.read_policy(&replica, &path.borrow(), &mut tell),
                Err(unwatched) => tell(News::FileUnwatched(unwatched)),
            },
            () = policy_retry.due() => policy_retry.read_policy(&replica, &path.borrow(), &mut tell),
            touched = key_watch.touched() => match touched {
                Ok(()) => key_retry.read_key(key.as_ref(), &mut tell),
                Err(unwatched) => tell(News::FileUnwatched(unwatched)),
            },
            () = key_retry.due() => key_retry.read_key(key.as_ref(), &mut tell),
            changed = replica.store().changed() => match changed {
                Ok(()) => store_retry.reload(&replica, &mut tell),
                Err(unwatched) => tell(News::StoreUnwatched(unwatched)),
            },
            () = store_retry.due() => store_retry.reload(&replica, &mut tell),
            () = replica.has_to_save() => drop(save_retry.failed()),
            () = save_retry.due(), if saving.is_none() => {
                // In the background: it may wait for a lock, and revocations by others must be noticed in the meantime.
                let replica = Arc::clone(&replica);
                saving = Some(spawn_blocking(move || replica.save().is_ok()));
            }
            saved = ended(&mut saving) => {
                saving = None;
                if saved && save_retry.wait.is_some() {
                    save_retry.succeeded();
                    tell(News::Saved);
                }
            }
        }
        if let Some(setback) = replica.take_setback() {
            tell(News::Setback { store: replica.store().name(), setback });
        }
    }
}

/// Completes when the current save has ended, and returns whether it succeeded. Never completes without a save.
async fn ended(saving: &mut Option<JoinHandle<bool>>) -> bool {
    match saving {
        Some(saving) => saving.await.unwrap_or_default(),
        None => pending().await,
    }
}

/// Retries an operation that failed for a temporary reason, for example because the process has no file descriptors
/// left. A failure is reported once, not for every attempt.
#[derive(Default)]
struct Retry {
    wait: Option<Duration>,
    /// When the next attempt is due. Other events do not reset it, because a busy store would then postpone it forever.
    at: Option<Instant>,
}

impl Retry {
    /// Completes when the next attempt is due. Never completes if none is needed.
    async fn due(&self) {
        match self.at {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Records a failure, and returns whether it is the first one.
    fn failed(&mut self) -> bool {
        let is_first = self.wait.is_none();
        let wait = self.wait.map_or(FIRST_RETRY, |wait| (wait * 2).min(LAST_RETRY));
        (self.wait, self.at) = (Some(wait), Some(sleep(wait).deadline()));
        is_first
    }

    fn reload(&mut self, replica: &Replica, tell: &mut impl FnMut(News)) {
        match replica.reload() {
            Ok(()) => self.succeeded(),
            Err(error) => {
                if self.failed() {
                    tell(News::NotReloaded(error));
                }
            }
        }
    }

    /// Reads the key to sign with, and reports it.
    fn read_key(&mut self, key: Option<&SigningFile>, tell: &mut impl FnMut(News)) {
        let Some(key) = key else { return };
        let read = key.read();
        if read.as_ref().is_err_and(is_of_file) {
            if !self.failed() {
                return;
            }
        } else {
            if read.is_ok() && self.wait.is_some() {
                tell(News::SigningKeyReadable);
            }
            self.succeeded();
        }
        tell(News::SigningKey(read.map(Box::new)));
    }

    fn read_policy(&mut self, replica: &Replica, path: &str, tell: &mut impl FnMut(News)) {
        let read = config::policy(Path::new(path));
        let is_unreadable = matches!(&read, Err(ConfigError::Unreadable { .. }));
        replica.note_policy(read.as_ref().err().map(|error| (error.to_string(), is_unreadable)));
        // A deleted file is not retried: the watch reports it when it exists again.
        let may_pass = matches!(
            &read,
            Err(ConfigError::Unreadable { error, .. }) if error.kind() != ErrorKind::NotFound
        );
        let is_news = if may_pass { self.failed() } else { true };
        if !may_pass {
            self.succeeded();
        }
        if is_news {
            tell(News::Policy { path: path.to_owned(), read });
        }
    }
}

/// Whether an error is about the file and not about its content. The watch compares contents, so it does not report
/// when such an error is mended, for example with `chmod`, or when a file is back after a moment.
const fn is_of_file(error: &ConfigError) -> bool {
    matches!(error, ConfigError::Unreadable { .. } | ConfigError::OthersCanRead { .. })
}

fn watch_of(path: &str) -> Watch {
    if path.is_empty() { Watch::nothing() } else { Watch::new(path.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::revocations::{Revocation, RevocationTarget};
    use crate::auth::{KeySet, NumericDate, Rules};
    use crate::clock::SystemClock;
    use crate::gate::{AuthState, Gate, Shared};
    use crate::store::{Change, ChangeFuture, Edition, FileStore, Memory, Store, StoreContents, StoreError};
    use std::fs;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use tempfile::TempDir;

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(TempDir::new().expect("a folder"))
        }

        fn write(&self, name: &str, text: &str) -> String {
            let path = self.0.path().join(name);
            fs::write(&path, text).expect("it can be written");
            path.to_str().expect("UTF-8").to_owned()
        }

        fn store(&self) -> FileStore {
            FileStore::new(self.0.path().join("state.json"))
        }
    }

    fn gate() -> Gate {
        Gate::with(Rules::new(KeySet::default()), None, Arc::new(SystemClock::new()))
    }

    fn revocation(jti: &str) -> (RevocationTarget, Revocation) {
        (RevocationTarget::Jti(jti.into()), Revocation { at: NOW, until: None, user: None })
    }

    /// Returns a follower with this policy file, the state that it updates, and its news.
    fn follower(place: &Place, policy: String) -> (Follower, Shared, Receiver<News>) {
        let gate = gate();
        let replica = Arc::new(Replica::new(&gate, Arc::new(place.store()), None));
        let (sender, news) = channel();
        let follower = Follower::start(replica, policy, None, move |news| drop(sender.send(news))).expect("a thread");
        (follower, gate.shared().clone(), news)
    }

    /// Returns the file of the next policy that is reported, and the number of its tools.
    fn policy(news: &Receiver<News>) -> (String, usize) {
        match news.recv_timeout(Duration::from_secs(30)).expect("a change is reported") {
            News::Policy { path, read } => (path, read.expect("a policy").tools().len()),
            _ => panic!("no policy"),
        }
    }

    #[test]
    fn a_policy_file_is_reported_when_it_changes_and_when_another_one_is_followed() {
        let place = Place::new();
        let (one, two) = (place.write("one.toml", ""), place.write("two.toml", "[tools.a]\npermissions = []\n"));
        let (follower, _, news) = follower(&place, one.clone());
        assert_eq!(policy(&news), (one.clone(), 0), "at the beginning");
        place.write("one.toml", "[tools.a]\npermissions = []\n[tools.b]\npermissions = []\n");
        assert_eq!(policy(&news), (one, 2));
        follower.follow_policy(&two);
        assert_eq!(policy(&news), (two, 1));
    }

    #[test]
    fn a_key_file_whose_permissions_or_absence_are_mended_is_read_again_without_another_change_of_its_content() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = Place::new();
        let path = place.write("key", "a-secret-of-thirty-two-bytes-ok!");
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permitted");
        mode(0o644);
        let sources = config::KeySources {
            file: Some(config::KeyFile::Secret(path.clone().into())),
            ..config::KeySources::default()
        };
        let replica = Arc::new(Replica::new(&gate(), Arc::new(place.store()), None));
        let (sender, news) = channel();
        let _follower = Follower::start(replica, String::new(), sources.signing_file(), move |news| {
            drop(sender.send(news));
        });
        let next = || news.recv_timeout(Duration::from_secs(30)).expect("news");
        let News::SigningKey(Err(error)) = next() else { panic!("others can read it") };
        assert!(error.to_string().contains("chmod 600"), "{error}");
        mode(0o600);
        assert!(matches!(next(), News::SigningKeyReadable));
        assert!(matches!(next(), News::SigningKey(Ok(_))));
        fs::rename(&path, place.0.path().join("elsewhere")).expect("renamed");
        assert!(matches!(next(), News::SigningKey(Err(ConfigError::Unreadable { .. }))));
        fs::rename(place.0.path().join("elsewhere"), &path).expect("renamed");
        assert!(matches!(next(), News::SigningKeyReadable));
        assert!(matches!(next(), News::SigningKey(Ok(_))));
    }

    /// A store that cannot be read or changed the first few times.
    struct Flaky {
        failures: AtomicUsize,
        content: Memory,
        noticed: AtomicBool,
    }

    impl Flaky {
        fn new(failures: usize) -> Self {
            Self { failures: failures.into(), content: Memory::default(), noticed: AtomicBool::new(false) }
        }

        fn fails(&self) -> Result<(), StoreError> {
            let left = self.failures.load(Ordering::Relaxed);
            self.failures.store(left.saturating_sub(1), Ordering::Relaxed);
            if left == 0 { Ok(()) } else { Err(StoreError::Malformed { path: "state".into(), why: "flaky".into() }) }
        }
    }

    impl Store for Flaky {
        fn is_durable(&self) -> bool {
            true
        }

        fn name(&self) -> String {
            "flaky".to_owned()
        }

        fn load(&self) -> Result<StoreContents, StoreError> {
            self.fails().and_then(|()| self.content.load())
        }

        fn change(
            &self,
            now: NumericDate,
            change: &mut dyn FnMut(&mut StoreContents),
        ) -> Result<Option<Edition>, StoreError> {
            self.fails().and_then(|()| self.content.change(now, change))
        }

        fn changed(&self) -> ChangeFuture<'_> {
            let is_first = !self.noticed.swap(true, Ordering::Relaxed);
            Box::pin(async move { if is_first { Ok(()) } else { pending().await } })
        }
    }

    /// Waits until the shared state satisfies a condition.
    async fn until(shared: &Shared, is_so: impl Fn(&AuthState) -> bool) {
        let mut revisions = shared.changes();
        while !shared.read(&is_so) {
            let noticed = tokio::time::timeout(Duration::from_secs(30), revisions.changed()).await;
            assert!(noticed.expect("it comes to be so"), "the state is there");
        }
    }

    #[tokio::test]
    async fn a_reading_that_failed_is_tried_again_without_another_change_and_reported_once() {
        let store = Flaky::new(3);
        let (jti, since) = revocation("7");
        store.content.change(NOW, &mut |stored| stored.revoked.revoke(jti.clone(), since.clone())).expect("memory");
        let gate = gate();
        let (sender, news) = channel();
        let replica = Arc::new(Replica::new(&gate, Arc::new(store), None));
        let _follower =
            Follower::start(replica, String::new(), None, move |news| drop(sender.send(news))).expect("a thread");
        until(gate.shared(), |state| state.health().store.as_ref().is_some_and(|unread| unread.goes_stale)).await;
        until(gate.shared(), |state| state.rules().revoked.get(&jti).is_some() && state.health().store.is_none()).await;
        assert!(matches!(news.try_recv(), Ok(News::NotReloaded(_))) && news.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_could_not_be_saved_is_saved_again_without_another_change_and_that_is_reported() {
        let gate = gate();
        let store = Arc::new(Flaky::new(0));
        let (sender, news) = channel();
        let replica = Arc::new(Replica::new(&gate, Arc::clone(&store) as Arc<dyn Store>, None));
        let _follower = Follower::start(Arc::clone(&replica), String::new(), None, move |news| drop(sender.send(news)));
        let (what, since) = revocation("7");
        store.failures.store(3, Ordering::Relaxed);
        replica.change(Change { what: what.clone(), since: Some(since) });
        replica.save().expect_err("it fails");
        until(gate.shared(), |state| state.health().unsaved == 0).await;
        assert!(store.content.load().expect("memory").revoked.get(&what).is_some());
        assert!(matches!(news.recv_timeout(Duration::from_secs(30)), Ok(News::Saved | News::NotReloaded(_))));
    }

    #[tokio::test]
    async fn a_revocation_by_another_process_is_in_force_without_anybody_else_doing_anything() {
        let place = Place::new();
        let (_follower, shared, news) = follower(&place, String::new());
        let (jti, since) = revocation("7");
        place.store().change(NOW, &mut |stored| stored.revoked.revoke(jti.clone(), since.clone())).expect("written");
        until(&shared, |state| state.rules().revoked.get(&jti).is_some()).await;
        fs::write(place.0.path().join("state.json"), "{").expect("written");
        let Ok(News::NotReloaded(error)) = news.recv_timeout(Duration::from_secs(30)) else { panic!("no error") };
        assert!(
            error.to_string().starts_with("cannot read revocations; the last known ones stay in force: state file"),
            "{error}"
        );
        assert!(shared.rules().revoked.get(&jti).is_some());
    }

    #[tokio::test]
    async fn a_state_file_that_is_gone_is_reported_and_written_anew_with_all_that_is_in_force() {
        let place = Place::new();
        let (_follower, shared, news) = follower(&place, String::new());
        let (jti, since) = revocation("7");
        place.store().change(NOW, &mut |stored| stored.revoked.revoke(jti.clone(), since.clone())).expect("written");
        until(&shared, |state| state.rules().revoked.get(&jti).is_some()).await;
        fs::remove_file(place.0.path().join("state.json")).expect("it is there");
        let noticed = news.recv_timeout(Duration::from_secs(30));
        assert!(matches!(noticed, Ok(News::Setback { setback: Setback::Gone, .. })));
        assert!(matches!(news.recv_timeout(Duration::from_secs(30)), Ok(News::Saved)));
        assert!(place.store().load().expect("read").revoked.get(&jti).is_some());
        assert!(shared.rules().revoked.get(&jti).is_some());
    }
}

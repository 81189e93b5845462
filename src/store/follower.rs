//! The one place that notices what other processes change: the policy file, and the store.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{NotReloaded, Replica};
use crate::auth::Policy;
use crate::config::{self, ConfigError};
use crate::watch::{Unwatched, Watch};

/// How soon a reading that failed is tried again; each further time it takes twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// The longest time between two tries.
const LAST_RETRY: Duration = Duration::from_secs(2);

/// What the follower has noticed.
pub enum News {
    /// A policy file was changed.
    Policy {
        /// The file.
        path: String,
        /// Its content.
        read: Result<Arc<Policy>, ConfigError>,
    },
    /// The store was changed, and cannot be read.
    NotReloaded(NotReloaded),
    /// Changes of the policy file will not be noticed.
    PolicyUnwatched(Unwatched),
    /// Changes of the store will not be noticed.
    StoreUnwatched(Unwatched),
}

/// A thread that follows the policy file and the store for as long as the program runs.
///
/// Revocations go from the store into the shared state right here, however busy everybody else is. A policy is only
/// reported, because the console must first see whether it has edits of its own.
pub struct Follower {
    policy: watch::Sender<String>,
}

impl Follower {
    /// Starts the thread. `tell` runs on it; while it waits, nothing is noticed. An empty path is the built-in policy,
    /// which cannot change.
    pub fn start(replica: Arc<Replica>, policy: String, tell: impl FnMut(News) + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(policy);
        let runtime = Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new()
            .name("follower".to_owned())
            .spawn(move || runtime.block_on(follow(&replica, receiver, tell)))?;
        Ok(Self { policy: sender })
    }

    /// Follows this policy file from now on.
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

/// Reads a policy file that was changed.
pub fn read_policy(path: &str) -> News {
    News::Policy { path: path.to_owned(), read: config::policy(Path::new(path)) }
}

async fn follow(replica: &Replica, mut path: watch::Receiver<String>, mut tell: impl FnMut(News)) {
    let mut policy = watch_of(&path.borrow_and_update());
    let (mut policy_retry, mut store_retry) = (Retry::default(), Retry::default());
    loop {
        tokio::select! {
            changed = path.changed() => match changed {
                Ok(()) => {
                    policy = watch_of(&path.borrow_and_update());
                    policy_retry.succeeded();
                }
                // The program ends.
                Err(_) => return,
            },
            touched = policy.touched() => match touched {
                Ok(()) => policy_retry.read_policy(&path.borrow(), &mut tell),
                Err(unwatched) => tell(News::PolicyUnwatched(unwatched)),
            },
            () = policy_retry.due() => policy_retry.read_policy(&path.borrow(), &mut tell),
            changed = replica.store().changed() => match changed {
                Ok(()) => store_retry.reload(replica, &mut tell),
                Err(unwatched) => tell(News::StoreUnwatched(unwatched)),
            },
            () = store_retry.due() => store_retry.reload(replica, &mut tell),
        }
    }
}

/// Readings that failed for a reason that can pass by itself, as when the process has no file descriptor left, and are tried
/// again. A failure is reported once, not with every try.
#[derive(Default)]
struct Retry {
    wait: Option<Duration>,
}

impl Retry {
    /// Resolves when the next try is due; never while none is needed.
    async fn due(&self) {
        match self.wait {
            Some(wait) => sleep(wait).await,
            None => pending().await,
        }
    }

    fn succeeded(&mut self) {
        self.wait = None;
    }

    /// Notes a failure; returns whether it is the first one.
    fn failed(&mut self) -> bool {
        let is_first = self.wait.is_none();
        self.wait = Some(self.wait.map_or(FIRST_RETRY, |wait| (wait * 2).min(LAST_RETRY)));
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

    fn read_policy(&mut self, path: &str, tell: &mut impl FnMut(News)) {
        let news = read_policy(path);
        let may_pass = matches!(
            &news,
            News::Policy { read: Err(ConfigError::Unreadable { error, .. }), .. } if error.kind() != ErrorKind::NotFound
        );
        if may_pass {
            if self.failed() {
                tell(news);
            }
        } else {
            self.succeeded();
            tell(news);
        }
    }
}

fn watch_of(path: &str) -> Watch {
    if path.is_empty() { Watch::nothing() } else { Watch::new(path.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Revocations;
    use crate::auth::revocations::{Revoked, Since};
    use crate::auth::{KeySet, NumericDate, Rules};
    use crate::gate::ports::Catalogue;
    use crate::gate::{AuthState, Shared};
    use crate::store::{Changed, FileStore, Store, StoreError};
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("portcullis-follower-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        fn write(&self, name: &str, text: &str) -> String {
            let path = self.0.join(name);
            fs::write(&path, text).expect("it can be written");
            path.to_str().expect("UTF-8").to_owned()
        }

        fn store(&self) -> FileStore {
            FileStore::new(self.0.join("state.json"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A follower with this policy file, the state it keeps up to date, and what it reports.
    fn follower(place: &Place, policy: String) -> (Follower, Shared, Receiver<News>) {
        let shared = Shared::new(AuthState::new(Rules::new(KeySet::default()), None, Catalogue::default()));
        let replica = Arc::new(Replica::new(&shared, Arc::new(place.store())));
        let (sender, news) = channel();
        let follower = Follower::start(replica, policy, move |news| drop(sender.send(news))).expect("a thread");
        (follower, shared, news)
    }

    /// The file of the next policy that is reported, and the number of its tools.
    fn policy(news: &Receiver<News>) -> (String, usize) {
        match news.recv_timeout(Duration::from_secs(30)).expect("a change is reported") {
            News::Policy { path, read } => (path, read.expect("a policy").tools().len()),
            _ => panic!("no policy"),
        }
    }

    #[test]
    fn a_policy_file_is_reported_when_it_changes_and_when_another_one_is_followed() {
        let place = Place::new("policy");
        let (one, two) = (place.write("one.toml", ""), place.write("two.toml", "[tools.a]\npermissions = []\n"));
        let (follower, _, news) = follower(&place, one.clone());
        assert_eq!(policy(&news), (one.clone(), 0), "at the beginning");
        place.write("one.toml", "[tools.a]\npermissions = []\n[tools.b]\npermissions = []\n");
        assert_eq!(policy(&news), (one, 2));
        follower.follow_policy(&two);
        assert_eq!(policy(&news), (two, 1));
    }

    /// A store that cannot be read for the first few times.
    struct Flaky {
        failures: AtomicUsize,
        content: Revocations,
        noticed: AtomicBool,
    }

    impl Store for Flaky {
        fn is_durable(&self) -> bool {
            true
        }

        fn load(&self, _: bool) -> Result<Revocations, StoreError> {
            let left = self.failures.load(Ordering::Relaxed);
            self.failures.store(left.saturating_sub(1), Ordering::Relaxed);
            if left == 0 { Ok(self.content.clone()) } else { Err(StoreError::Gone { path: "state".into() }) }
        }

        fn change_revocations(
            &self,
            _: bool,
            _: NumericDate,
            _: &mut dyn FnMut(&mut Revocations),
        ) -> Result<(), StoreError> {
            Err(StoreError::Gone { path: "state".into() })
        }

        fn changed(&self) -> Changed<'_> {
            let is_first = !self.noticed.swap(true, Ordering::Relaxed);
            Box::pin(async move { if is_first { Ok(()) } else { pending().await } })
        }
    }

    #[tokio::test]
    async fn a_reading_that_failed_is_tried_again_without_another_change_and_reported_once() {
        let jti = Revoked::Jti("7".into());
        let mut content = Revocations::default();
        content.revoke(jti.clone(), Since { at: NOW, until: None, user: None });
        let store = Flaky { failures: AtomicUsize::new(3), content, noticed: AtomicBool::new(false) };
        let shared = Shared::new(AuthState::new(Rules::new(KeySet::default()), None, Catalogue::default()));
        let mut changes = shared.changes();
        let (sender, news) = channel();
        let replica = Arc::new(Replica::new(&shared, Arc::new(store)));
        let _follower = Follower::start(replica, String::new(), move |news| drop(sender.send(news))).expect("a thread");
        let noticed = tokio::time::timeout(Duration::from_secs(30), changes.changed()).await;
        noticed.expect("it is read in the end").expect("the state is there");
        assert!(shared.rules().revoked.get(&jti).is_some());
        assert!(matches!(news.try_recv(), Ok(News::NotReloaded(_))) && news.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_revocation_by_another_process_is_in_force_without_anybody_else_doing_anything() {
        let place = Place::new("store");
        let (_follower, shared, news) = follower(&place, String::new());
        let mut changes = shared.changes();
        let jti = Revoked::Jti("7".into());
        let since = Since { at: NOW, until: None, user: None };
        place
            .store()
            .change_revocations(false, NOW, &mut |all| all.revoke(jti.clone(), since.clone()))
            .expect("written");
        let noticed = tokio::time::timeout(Duration::from_secs(30), changes.changed()).await;
        noticed.expect("the change is noticed").expect("the state is there");
        assert!(shared.rules().revoked.get(&jti).is_some());
        fs::write(place.0.join("state.json"), "{").expect("written");
        let Ok(News::NotReloaded(error)) = news.recv_timeout(Duration::from_secs(30)) else { panic!("no error") };
        assert!(error.to_string().starts_with("what was revoked stays revoked: state file"), "{error}");
        assert!(shared.rules().revoked.get(&jti).is_some());
    }
}

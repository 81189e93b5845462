//! The one place that notices what other processes change: the policy file, and the store.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::{NotReloaded, Replica};
use crate::auth::Policy;
use crate::config::{self, ConfigError};
use crate::watch::{Unwatched, Watch};

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
    loop {
        tokio::select! {
            changed = path.changed() => match changed {
                Ok(()) => policy = watch_of(&path.borrow_and_update()),
                // The program ends.
                Err(_) => return,
            },
            touched = policy.touched() => tell(match touched {
                Ok(()) => read_policy(&path.borrow()),
                Err(unwatched) => News::PolicyUnwatched(unwatched),
            }),
            changed = replica.store().changed() => match changed.map(|()| replica.reload()) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tell(News::NotReloaded(error)),
                Err(unwatched) => tell(News::StoreUnwatched(unwatched)),
            },
        }
    }
}

fn watch_of(path: &str) -> Watch {
    if path.is_empty() { Watch::nothing() } else { Watch::new(path.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::revocations::{Revoked, Since};
    use crate::auth::{KeySet, NumericDate, Rules};
    use crate::gate::ports::Catalogue;
    use crate::gate::{AuthState, Shared};
    use crate::store::{FileStore, Store};
    use std::fs;
    use std::path::PathBuf;
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

    #[tokio::test]
    async fn a_revocation_by_another_process_is_in_force_without_anybody_else_doing_anything() {
        let place = Place::new("store");
        let (_follower, shared, news) = follower(&place, String::new());
        let mut changes = shared.changes();
        let jti = Revoked::Jti("7".into());
        let since = Since { at: NOW, until: None, user: None };
        place.store().change_revocations(NOW, &mut |all| all.revoke(jti.clone(), since.clone())).expect("written");
        let noticed = tokio::time::timeout(Duration::from_secs(30), changes.changed()).await;
        noticed.expect("the change is noticed").expect("the state is there");
        assert!(shared.rules().revoked.get(&jti).is_some());
        fs::write(place.0.join("state.json"), "{").expect("written");
        let Ok(News::NotReloaded(error)) = news.recv_timeout(Duration::from_secs(30)) else { panic!("no error") };
        assert!(error.to_string().starts_with("what was revoked stays revoked: state file"), "{error}");
        assert!(shared.rules().revoked.get(&jti).is_some());
    }
}

//! Keeps the keys of issuers current: drives the fetches when they are due, and publishes the keys into the rules.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::cache::KeyCache;
use super::error::FetchError;
use super::fetch::{Fetched, Fetcher};
use super::{FetchSettings, KeySource, RemoteKeys};
use crate::gate::{AcceptedIssuer, Gate, Listener};
use crate::watch::Watch;

/// Keeps the keys of issuers current on a thread, until it is dropped. Issuers can be added and removed at any time.
pub struct KeyFollower {
    gate: Gate,
    /// The settings of issuers that are added later.
    defaults: FetchSettings,
    /// Locked only for a moment, never while keys are read.
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    /// The thread's runtime, and the sender whose drop ends the thread. Without sources there is no thread.
    thread: Option<(Handle, oneshot::Sender<()>)>,
    sources: Vec<FollowedSource>,
    /// Every source so far, so that an issuer that was removed is restored with its settings.
    known: Vec<RemoteKeys>,
}

/// A source that is followed.
struct FollowedSource {
    issuer: Option<Arc<str>>,
    refresh: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for FollowedSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeyFollower {
    /// Creates a follower without sources. It needs no thread yet.
    pub fn new(gate: &Gate) -> Self {
        Self { gate: gate.clone(), defaults: FetchSettings::default(), running: Mutex::default() }
    }

    /// Starts to follow these sources.
    pub fn start(gate: &Gate, sources: Vec<RemoteKeys>) -> io::Result<Self> {
        let follower = Self::new(gate);
        sources.into_iter().try_for_each(|source| follower.add(source, None))?;
        Ok(follower)
    }

    /// Sets the settings of issuers that are added by [`KeyFollower::follow`].
    #[must_use]
    pub fn with_defaults(self, defaults: FetchSettings) -> Self {
        Self { defaults, ..self }
    }

    /// Starts the thread, unless it runs. Afterwards, [`KeyFollower::follow`] cannot fail.
    pub fn start_thread(&self) -> io::Result<()> {
        self.lock().handle().map(|_| ())
    }

    /// Starts to follow the keys of an issuer that was added in the meantime, instead of those that the issuer had. A
    /// source that was followed before gets its settings back; `accepted` is the issuer with the keys that it has.
    pub fn follow(&self, source: KeySource, accepted: &AcceptedIssuer) -> io::Result<()> {
        let issuer = accepted.issuer.name.clone();
        self.forget(issuer.as_deref());
        let same = |known: &&RemoteKeys| known.issuer == issuer && known.source == source;
        let settings = self.lock().known.iter().find(same).map(|known| known.settings.clone());
        let settings = settings.unwrap_or_else(|| self.defaults.clone());
        self.add(RemoteKeys { settings, ..RemoteKeys::new(issuer, source) }, Some(accepted))
    }

    /// Stops following the keys of an issuer.
    pub fn forget(&self, issuer: Option<&str>) {
        self.lock().sources.retain(|source| source.issuer.as_deref() != issuer);
    }

    /// Requests newer keys of an issuer. Does not wait; a URL is read at most once per [`COOLDOWN`](super::COOLDOWN).
    pub fn refresh(&self, issuer: Option<&str>) {
        let running = self.lock();
        if let Some(source) = running.sources.iter().find(|source| source.issuer.as_deref() == issuer) {
            source.refresh.notify_one();
        }
    }

    fn add(&self, remote: RemoteKeys, before: Option<&AcceptedIssuer>) -> io::Result<()> {
        let mut running = self.lock();
        let handle = running.handle()?;
        let (real, now) = self.gate.clock().both();
        let cache = match before {
            Some(before) => KeyCache::restored(&remote, before, now, real),
            None => KeyCache::new(&remote, now),
        };
        running.known.retain(|known| known.issuer != remote.issuer || known.source != remote.source);
        running.known.push(remote.clone());
        let (issuer, refresh) = (remote.issuer.clone(), Arc::new(Notify::new()));
        let task = handle.spawn(follow(self.gate.clone(), remote, cache, Arc::clone(&refresh))).abort_handle();
        running.sources.push(FollowedSource { issuer, refresh, task });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// The thread's runtime. Starts the thread if there is none yet.
    fn handle(&mut self) -> io::Result<Handle> {
        Ok(match &self.thread {
            Some((handle, _)) => handle.clone(),
            None => self.thread.insert(thread()?).0.clone(),
        })
    }
}

/// Starts a thread with a runtime, which ends when the sender is dropped.
fn thread() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let (stop, stopped) = oneshot::channel::<()>();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("issuer-keys".to_owned()).spawn(move || {
        // An error means that the follower was dropped.
        let _ = runtime.block_on(stopped);
        // Does not wait: the system may still be resolving a name.
        runtime.shutdown_background();
    })?;
    Ok((handle, stop))
}

/// Keeps the keys of one issuer current. Runs until it is dropped.
fn follow(gate: Gate, remote: RemoteKeys, mut cache: KeyCache, refresh: Arc<Notify>) -> impl Future<Output = ()> {
    // At once, and not when the task begins: the issuer may be replaced or removed by then.
    let mut requested = gate.shared().update(|state| state.key_requests(remote.issuer.clone()));
    async move {
        let source = Source { gate: &gate, requested: requested.clone() };
        let mut file = match &remote.source {
            KeySource::File(path) => Watch::new(path.clone()),
            _ => Watch::nothing(),
        };
        // Created again after a failure, because the certificate authorities may have changed.
        let mut fetcher: Option<Fetcher> = None;
        source.publish(&mut cache);
        loop {
            let now = gate.clock().monotonic();
            if cache.schedule.due().is_some_and(|due| due <= now) {
                cache.begin(now);
                source.publish(&mut cache);
                let result = source.fetch(&remote, &mut fetcher, &mut cache).await;
                fetcher.take_if(|_| result.is_err());
                cache.finished(gate.clock().monotonic(), result);
                source.publish(&mut cache);
                continue;
            }
            // The keys may have become too old while something else woke this task.
            if cache.is_outdated(now) {
                source.publish(&mut cache);
            }
            tokio::select! {
                () = until(&gate, cache.schedule.wakes(now)) => source.publish(&mut cache),
                () = requested.heard() => {
                    // Only if it changes the plan: this happens for each token of a flood, and a publication wakes the
                    // console.
                    if cache.schedule.unknown_key(gate.clock().monotonic()) {
                        source.publish(&mut cache);
                    }
                }
                () = refresh.notified() => {
                    cache.schedule.refresh(gate.clock().monotonic());
                    source.publish(&mut cache);
                }
                // A file that cannot be watched is polled instead.
                _ = file.touched() => cache.schedule.changed(gate.clock().monotonic()),
            }
        }
    }
}

/// What a task needs to publish the keys of its issuer.
struct Source<'a> {
    gate: &'a Gate,
    /// Identifies the task in the shared state.
    requested: Listener,
}

impl Source<'_> {
    /// Fetches the keys. Keys that become too old in the meantime are withdrawn.
    async fn fetch(
        &self,
        remote: &RemoteKeys,
        fetcher: &mut Option<Fetcher>,
        cache: &mut KeyCache,
    ) -> Result<Fetched, FetchError> {
        let fetcher = match fetcher {
            Some(fetcher) => fetcher,
            None => fetcher.insert(Fetcher::new(remote)?),
        };
        let mut fetching = pin!(fetcher.fetch());
        loop {
            let wakes = cache.schedule.wakes(self.gate.clock().monotonic());
            tokio::select! {
                result = &mut fetching => return result,
                () = until(self.gate, wakes) => self.publish(cache),
            }
        }
    }

    fn publish(&self, cache: &mut KeyCache) {
        let (real, now) = self.gate.clock().both();
        let keys = cache.published(now).clone();
        let status = cache.status(now, real);
        self.gate.shared().update(|state| {
            // The user may have replaced or removed the issuer while the keys were read.
            if state.is_requested_by(&self.requested) {
                state.set_issuer_keys(&keys, status);
            }
        });
    }
}

/// Waits until an instant of the gate's monotonic clock.
async fn until(gate: &Gate, at: Option<Duration>) {
    match at {
        // At least a moment, so that a clock that stands still does not keep the processor busy.
        Some(at) => sleep(at.saturating_sub(gate.clock().monotonic()).max(Duration::from_millis(1))).await,
        None => pending().await,
    }
}

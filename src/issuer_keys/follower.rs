//! Keeps the keys of issuers current: drives the fetches when they are due, and publishes the keys into the rules.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cache::KeyCache;
use super::error::FetchError;
use super::fetch::{Fetched, Fetcher};
use super::{KeySource, RemoteKeys};
use crate::gate::Gate;
use crate::watch::Watch;

/// Keeps the keys of issuers current on a thread, until it is dropped.
pub struct KeyFollower {
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl KeyFollower {
    /// Starts the thread. Without sources there is none.
    pub fn start(gate: &Gate, sources: Vec<RemoteKeys>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        if sources.is_empty() {
            return Ok(Self { _stop: stop });
        }
        let gate = gate.clone();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("issuer-keys".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut all = JoinSet::new();
                for source in sources {
                    let gate = gate.clone();
                    all.spawn(async move { follow(&gate, &source).await });
                }
                // An error means that the follower was dropped.
                let _ = stopped.await;
            });
            // Does not wait: the system may still be resolving a name.
            runtime.shutdown_background();
        })?;
        Ok(Self { _stop: stop })
    }
}

/// Keeps the keys of one issuer current. Runs until it is dropped.
pub async fn follow(gate: &Gate, remote: &RemoteKeys) {
    let shared = gate.shared();
    let requested = shared.update(|state| state.key_requests(remote.issuer.clone()));
    let mut cache = KeyCache::new(remote, gate.clock().monotonic());
    let mut file = match &remote.source {
        KeySource::File(path) => Watch::new(path.clone()),
        _ => Watch::nothing(),
    };
    // Created again after a failure, because the certificate authorities may have changed.
    let mut fetcher: Option<Fetcher> = None;
    publish(gate, &mut cache);
    loop {
        let now = gate.clock().monotonic();
        if cache.schedule.due().is_some_and(|due| due <= now) {
            cache.schedule.begin(now);
            publish(gate, &mut cache);
            let result = fetch(gate, remote, &mut fetcher, &mut cache).await;
            fetcher.take_if(|_| result.is_err());
            cache.finished(gate.clock().monotonic(), result);
            publish(gate, &mut cache);
            continue;
        }
        // The keys may have become too old while something else woke this task.
        if cache.is_outdated(now) {
            publish(gate, &mut cache);
        }
        tokio::select! {
            () = until(gate, cache.schedule.wakes(now)) => publish(gate, &mut cache),
            () = requested.notified() => {
                // Only if it changes the plan: this happens for each token of a flood, and a publication wakes the
                // console.
                if cache.schedule.unknown_key(gate.clock().monotonic()) {
                    publish(gate, &mut cache);
                }
            }
            // A file that cannot be watched is polled instead.
            _ = file.touched() => cache.schedule.changed(gate.clock().monotonic()),
        }
    }
}

/// Fetches the keys. Keys that become too old in the meantime are withdrawn.
async fn fetch(
    gate: &Gate,
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
        let wakes = cache.schedule.wakes(gate.clock().monotonic());
        tokio::select! {
            result = &mut fetching => return result,
            () = until(gate, wakes) => publish(gate, cache),
        }
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

fn publish(gate: &Gate, cache: &mut KeyCache) {
    let (real, now) = gate.clock().both();
    let keys = cache.published(now).clone();
    let status = cache.status(now, real);
    gate.shared().update(|state| state.set_issuer_keys(&keys, status));
}

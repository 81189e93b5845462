//! Rate limits: a token bucket per caller, refilled at a constant rate. A caller is a verified user, with all of its
//! tokens, or else a peer address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most callers with their own bucket; all others share one.
const MOST: usize = 10_000;

/// The smallest burst, even if the rate is lower: some clients send a dozen requests before their first call.
const BURST: u32 = 20;

/// The number of requests without a valid token per second, from all peers together, that do not cause delays. Beyond
/// it, new connections of recently refused peers wait.
const STRANGERS: u32 = 200;

/// A peer with more refusals than this counts as recently refused.
const FEW: f64 = 5.0;

/// How long a connection of such a peer waits. Without it, a refused caller that reconnects immediately would keep the
/// server as busy as one that stays connected.
const DELAY: Duration = Duration::from_secs(2);

/// How often full buckets, which contain no information, are removed once there are [`MOST`].
const CLEAN_EVERY: Duration = Duration::from_secs(1);

/// A verified user of an issuer, whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// The `iss` of the token.
    pub issuer: Option<Box<str>>,
    /// Its `user_id`.
    pub name: Box<str>,
}

/// The buckets. Users and peers have separate ones, so that callers without tokens cannot use up those of users.
pub struct Limiter {
    rate: Option<u32>,
    users: Mutex<Buckets<User>>,
    peers: Mutex<Buckets<IpAddr>>,
    /// The bucket of all requests without a valid token together.
    strangers: Mutex<Bucket>,
}

/// A bucket for each caller, all refilled at the same rate.
struct Buckets<C> {
    rate: f64,
    of: HashMap<C, Bucket>,
    /// The shared bucket of callers beyond [`MOST`].
    others: Bucket,
    cleaned: Duration,
}

/// The number of requests that were available at an instant of the monotonic clock.
#[derive(Clone, Copy)]
struct Bucket {
    requests: f64,
    at: Duration,
}

impl Bucket {
    const fn new(requests: f64) -> Self {
        Self { requests, at: Duration::ZERO }
    }

    /// Returns the number of requests available at `now`, if the bucket is refilled at this rate.
    fn filled(&self, rate: f64, now: Duration) -> f64 {
        (self.requests + now.saturating_sub(self.at).as_secs_f64() * rate).min(full(rate))
    }

    /// Takes requests from the bucket, or returns how long to wait for them. A full bucket suffices for any number.
    fn take(&mut self, rate: f64, requests: usize, now: Duration) -> Result<(), Duration> {
        let wanted = u32::try_from(requests).map_or(full(rate), f64::from).min(full(rate));
        *self = Self { requests: self.filled(rate, now), at: now.max(self.at) };
        if self.requests < wanted {
            return Err(Duration::from_secs_f64((wanted - self.requests) / rate));
        }
        self.requests -= wanted;
        Ok(())
    }
}

/// The number of requests in a full bucket.
fn full(rate: f64) -> f64 {
    rate.max(f64::from(BURST))
}

impl<C: Eq + Hash> Buckets<C> {
    fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self { rate, of: HashMap::new(), others: Bucket::new(full(rate)), cleaned: Duration::ZERO }
    }

    fn take(&mut self, caller: C, requests: usize, now: Duration) -> Result<(), Duration> {
        let rate = self.rate;
        if self.of.len() >= MOST && now.saturating_sub(self.cleaned) >= CLEAN_EVERY {
            self.cleaned = now;
            self.of.retain(|_, bucket| bucket.filled(rate, now) < full(rate));
        }
        let is_full = self.of.len() >= MOST;
        let bucket = match self.of.entry(caller) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if is_full => &mut self.others,
            Entry::Vacant(new) => new.insert(Bucket::new(full(rate))),
        };
        bucket.take(rate, requests, now)
    }
}

impl Limiter {
    /// Creates a limiter with this rate per second, and a burst of the same number or [`BURST`], whichever is larger.
    /// `None` means no limit.
    pub fn new(rate: Option<u32>) -> Self {
        // With a rate of zero, no wait would be long enough.
        let rate = rate.map(|rate| rate.max(1));
        Self {
            rate,
            users: Mutex::new(Buckets::new(rate.unwrap_or(STRANGERS))),
            // Even without a rate limit, refused peers can be delayed.
            peers: Mutex::new(Buckets::new(rate.unwrap_or(STRANGERS))),
            strangers: Mutex::new(Bucket::new(STRANGERS.into())),
        }
    }

    /// Takes `requests` from a user's bucket at an instant of the monotonic clock, or returns how long to wait for
    /// them.
    pub fn take(&self, user: impl FnOnce() -> User, requests: usize, now: Duration) -> Result<(), Duration> {
        if self.rate.is_some() { lock(&self.users).take(user(), requests, now) } else { Ok(()) }
    }

    /// Takes one request without a valid token from the bucket of its peer, or returns how long to wait for it.
    pub fn take_of_peer(&self, peer: IpAddr, now: Duration) -> Result<(), Duration> {
        // If this bucket is empty, the request is not refused, but new connections of refused peers are delayed.
        let _ = lock(&self.strangers).take(STRANGERS.into(), 1, now);
        let taken = lock(&self.peers).take(network(peer), 1, now);
        if self.rate.is_some() { taken } else { Ok(()) }
    }

    /// Returns how long a new connection of a peer must wait before it is served.
    pub fn delay(&self, peer: IpAddr, now: Duration) -> Option<Duration> {
        let peers = lock(&self.peers);
        let of_peer = peers.of.get(&network(peer))?.filled(peers.rate, now);
        let is_crowded = lock(&self.strangers).filled(STRANGERS.into(), now) < 1.0;
        let is_refused = of_peer < full(peers.rate) - FEW;
        (of_peer < 1.0 || is_crowded && is_refused).then_some(DELAY)
    }
}

/// Returns the address that represents a machine: its network for IPv6, since a machine can use any address in it.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> User {
        User { issuer: None, name: name.into() }
    }

    const AT: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_caller_that_asks_too_often_waits_and_others_do_not() {
        let limiter = Limiter::new(Some(40));
        let (one, other) = (|| user("one"), || user("other"));
        assert!((0..40).all(|_| limiter.take(one, 1, AT(1000)).is_ok()));
        let wait = limiter.take(one, 1, AT(1000)).expect_err("the bucket is empty");
        assert!(wait <= AT(25) && wait > AT(24), "{wait:?}");
        assert!(limiter.take(other, 1, AT(1000)).is_ok());
        assert!(limiter.take(one, 1, AT(1026)).is_ok() && limiter.take(one, 1, AT(1026)).is_err());
        assert!((0..40).all(|_| limiter.take(one, 1, AT(60_000)).is_ok()) && limiter.take(one, 1, AT(60_000)).is_err());
        assert!((0..1000).all(|_| Limiter::new(None).take(one, 1, AT(0)).is_ok()));
    }

    #[test]
    fn a_client_gets_through_its_beginning_however_low_the_rate_is() {
        let limiter = Limiter::new(Some(1));
        let one = || user("one");
        assert!((0..BURST).all(|_| limiter.take(one, 1, AT(0)).is_ok()) && limiter.take(one, 1, AT(999)).is_err());
        assert!(limiter.take(one, 1, AT(1000)).is_ok() && limiter.take(one, 1, AT(1000)).is_err());
    }

    #[test]
    fn where_many_are_refused_those_who_were_wait_before_they_are_served_again_and_nobody_else() {
        let limiter = Limiter::new(Some(100));
        let peer = |last: u8| IpAddr::from([192, 0, 2, last]);
        let refused = |last, times, at| {
            let _ = (0..times).map(|_| limiter.take_of_peer(peer(last), at)).collect::<Vec<_>>();
        };
        refused(1, 4, AT(0));
        (2..12).for_each(|last| refused(last, 20, AT(0)));
        assert_eq!([1, 2, 99].map(|last| limiter.delay(peer(last), AT(0))), [None, Some(DELAY), None]);
        // A second later, the crowd is gone.
        assert_eq!(limiter.delay(peer(2), AT(1000)), None);
        refused(2, 100, AT(1000));
        assert_eq!(limiter.delay(peer(2), AT(1000)), Some(DELAY), "it has used up its own");
        // A machine has many IPv6 addresses, but they share a bucket.
        let v6 = |n: u128| IpAddr::V6(((0x2001_0db8_u128 << 96) + n).into());
        assert_eq!((0..20_000).filter(|n| limiter.take_of_peer(v6(*n), AT(1000)).is_ok()).count(), 100);
        assert_eq!(
            (limiter.delay(v6(77_777), AT(1000)), limiter.take(|| user("new"), 1, AT(1000))),
            (Some(DELAY), Ok(()))
        );
        // Peers are delayed even if no request is refused for its rate.
        let limiter = Limiter::new(None);
        (0..1000).for_each(|_| assert_eq!(limiter.take_of_peer(peer(2), AT(0)), Ok(())));
        assert_eq!([2, 99].map(|last| limiter.delay(peer(last), AT(0))), [Some(DELAY), None]);
    }

    #[test]
    fn a_large_message_counts_for_several_and_none_is_too_large_for_a_full_bucket() {
        let limiter = Limiter::new(Some(20));
        let one = || user("one");
        assert!(limiter.take(one, 17, AT(0)).is_ok() && limiter.take(one, 17, AT(0)).is_err());
        assert!(limiter.take(one, 3, AT(0)).is_ok());
        assert!(limiter.take(one, 1000, AT(999)).is_err() && limiter.take(one, 1000, AT(2000)).is_ok());
    }

    #[test]
    fn however_many_callers_come_the_memory_is_bounded_and_known_ones_keep_their_bucket() {
        let limiter = Limiter::new(Some(2));
        let at = Duration::from_secs(5);
        let take = |name: &str, at| limiter.take(|| user(name), 1, at);
        assert!((0..BURST - 1).all(|_| take("known", at).is_ok()));
        let passed = (0..2 * MOST).filter(|n| take(&n.to_string(), at).is_ok()).count();
        assert_eq!(passed, MOST - 1 + BURST as usize, "those without a bucket share one");
        assert_eq!(lock(&limiter.users).of.len(), MOST);
        assert!(take("known", at).is_ok() && take("known", at).is_err());
        // Ten seconds later, all buckets are full again and are removed.
        assert!(take("new", at + Duration::from_secs(10)).is_ok());
        assert_eq!(lock(&limiter.users).of.len(), 1);
    }
}

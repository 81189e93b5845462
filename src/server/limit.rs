//! How many requests one caller may make: a bucket for each, filled steadily. A caller is a verified user, with however many
//! tokens, or else a peer address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Callers that have a bucket of their own; all others share one.
const MOST: usize = 10_000;

/// Requests that may be made at once, however low the rate is: some clients send a dozen before their first call.
const BURST: u32 = 20;

/// Requests without a valid token that are answered at once in a second, of all peers together. Beyond, those who have just
/// been refused wait before they are served again.
const STRANGERS: u32 = 200;

/// Refusals after which a peer counts as one of them.
const FEW: f64 = 5.0;

/// How long a connection of such a peer waits. A refused caller who connects again at once would keep the server as busy as
/// one who stays.
const DELAY: Duration = Duration::from_secs(2);

/// How often full buckets, which say nothing, are dropped once there are [`MOST`].
const CLEAN_EVERY: Duration = Duration::from_secs(1);

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A verified user of an issuer.
    User {
        /// The `iss` of the token.
        issuer: Option<Box<str>>,
        /// Its `user_id`.
        user: Box<str>,
    },
    /// Somebody without a valid token at this address.
    Peer(IpAddr),
    /// Everybody without a valid token.
    Strangers,
    /// Everybody who comes when there are too many others.
    Others,
}

/// The buckets.
pub struct Limiter {
    rate: Option<u32>,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    of: HashMap<Caller, Bucket>,
    cleaned: Duration,
}

/// Requests that may be made at once, as it was at an instant.
#[derive(Clone, Copy)]
struct Bucket {
    requests: f64,
    at: Duration,
}

impl Bucket {
    /// The requests in it at an instant, if it is filled at this rate.
    fn filled(&self, rate: f64, now: Duration) -> f64 {
        (self.requests + now.saturating_sub(self.at).as_secs_f64() * rate).min(full(rate))
    }
}

/// The requests in a full bucket.
fn full(rate: f64) -> f64 {
    rate.max(f64::from(BURST))
}

impl Limiter {
    /// At most so many requests a second, and as many at once, or [`BURST`]; `None` for any number.
    pub fn new(rate: Option<u32>) -> Self {
        // Of none at all a caller could not even be said how long to wait.
        Self { rate: rate.map(|rate| rate.max(1)), buckets: Mutex::default() }
    }

    /// Takes a request of somebody without a valid token at this address.
    pub fn take_of_peer(&self, peer: IpAddr, now: Duration) -> Result<(), Duration> {
        // That they are too many does not refuse this one, but slows down the next connection.
        let _ = self.take_at(self.rate.map(|_| STRANGERS), || Caller::Strangers, 1, now);
        self.take(|| Caller::Peer(peer), 1, now)
    }

    /// How long a new connection of a peer waits before it is served.
    pub fn delay(&self, peer: IpAddr, now: Duration) -> Option<Duration> {
        let rate = f64::from(self.rate?);
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |caller: &Caller, rate: f64| buckets.of.get(caller).map(|bucket| bucket.filled(rate, now));
        let of_peer = left(&Caller::Peer(peer), rate)?;
        let is_crowded = left(&Caller::Strangers, STRANGERS.into()).is_some_and(|left| left < 1.0);
        let is_refused = of_peer < full(rate) - FEW;
        (of_peer < 1.0 || is_crowded && is_refused).then_some(DELAY)
    }

    /// Takes so many requests from a caller's bucket at an instant of the monotonic clock, or returns how long to wait for
    /// them. A full bucket is enough for any number.
    pub fn take(&self, caller: impl FnOnce() -> Caller, requests: usize, now: Duration) -> Result<(), Duration> {
        self.take_at(self.rate, caller, requests, now)
    }

    fn take_at(
        &self,
        rate: Option<u32>,
        caller: impl FnOnce() -> Caller,
        requests: usize,
        now: Duration,
    ) -> Result<(), Duration> {
        let Some(rate) = rate.map(f64::from) else { return Ok(()) };
        let full = full(rate);
        let wanted = u32::try_from(requests).map_or(full, f64::from).min(full);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.of.len() >= MOST && now.saturating_sub(buckets.cleaned) >= CLEAN_EVERY {
            buckets.cleaned = now;
            buckets.of.retain(|_, bucket| bucket.filled(rate, now) < full);
        }
        let mut caller = caller();
        if buckets.of.len() >= MOST && !buckets.of.contains_key(&caller) {
            caller = Caller::Others;
        }
        let bucket = buckets.of.entry(caller).or_insert(Bucket { requests: full, at: now });
        *bucket = Bucket { requests: bucket.filled(rate, now), at: now.max(bucket.at) };
        if bucket.requests < wanted {
            return Err(Duration::from_secs_f64((wanted - bucket.requests) / rate));
        }
        bucket.requests -= wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Caller {
        Caller::User { issuer: None, user: name.into() }
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
        // A second later the crowd is gone.
        assert_eq!(limiter.delay(peer(2), AT(1000)), None);
        refused(2, 100, AT(1000));
        assert_eq!(limiter.delay(peer(2), AT(1000)), Some(DELAY), "it has used up its own");
        assert_eq!(Limiter::new(None).delay(peer(2), AT(0)), None);
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
        assert_eq!(limiter.buckets.lock().expect("no panic").of.len(), MOST + 1);
        assert!(take("known", at).is_ok() && take("known", at).is_err());
        // Ten seconds later all buckets are full again, and go.
        assert!(take("new", at + Duration::from_secs(10)).is_ok());
        assert_eq!(limiter.buckets.lock().expect("no panic").of.len(), 1);
    }
}

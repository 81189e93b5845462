//! How many requests one caller may make: a bucket for each, filled steadily. A caller is a verified user, with however many
//! tokens, or else a peer address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Callers that have a bucket of their own; all others share one.
const MOST: usize = 10_000;

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

impl Limiter {
    /// At most so many requests a second, and as many at once; `None` for any number.
    pub fn new(rate: Option<u32>) -> Self {
        // Of none at all a caller could not even be said how long to wait.
        Self { rate: rate.map(|rate| rate.max(1)), buckets: Mutex::default() }
    }

    /// Takes one request from a caller's bucket at an instant of the monotonic clock, or returns how long to wait for one.
    pub fn take(&self, caller: impl FnOnce() -> Caller, now: Duration) -> Result<(), Duration> {
        let Some(rate) = self.rate.map(f64::from) else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |bucket: &Bucket| (bucket.requests + now.saturating_sub(bucket.at).as_secs_f64() * rate).min(rate);
        if buckets.of.len() >= MOST && now.saturating_sub(buckets.cleaned) >= CLEAN_EVERY {
            buckets.cleaned = now;
            buckets.of.retain(|_, bucket| filled(bucket) < rate);
        }
        let mut caller = caller();
        if buckets.of.len() >= MOST && !buckets.of.contains_key(&caller) {
            caller = Caller::Others;
        }
        let bucket = buckets.of.entry(caller).or_insert(Bucket { requests: rate, at: now });
        *bucket = Bucket { requests: filled(bucket), at: now.max(bucket.at) };
        if bucket.requests < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.requests) / rate));
        }
        bucket.requests -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Caller {
        Caller::User { issuer: None, user: name.into() }
    }

    #[test]
    fn a_caller_that_asks_too_often_waits_and_others_do_not() {
        let limiter = Limiter::new(Some(10));
        let (one, other) = (|| user("one"), || user("other"));
        let at = Duration::from_millis;
        assert!((0..10).all(|_| limiter.take(one, at(1000)).is_ok()));
        let wait = limiter.take(one, at(1000)).expect_err("the bucket is empty");
        assert!(wait <= at(100) && wait > at(99), "{wait:?}");
        assert!(limiter.take(other, at(1000)).is_ok());
        assert!(limiter.take(one, at(1101)).is_ok() && limiter.take(one, at(1101)).is_err());
        assert!((0..10).all(|_| limiter.take(one, at(60_000)).is_ok()) && limiter.take(one, at(60_000)).is_err());
        assert!((0..1000).all(|_| Limiter::new(None).take(one, at(0)).is_ok()));
    }

    #[test]
    fn however_many_callers_come_the_memory_is_bounded_and_known_ones_keep_their_bucket() {
        let limiter = Limiter::new(Some(2));
        let at = Duration::from_secs(5);
        assert!(limiter.take(|| user("known"), at).is_ok());
        let passed = (0..2 * MOST).filter(|n| limiter.take(|| user(&n.to_string()), at).is_ok()).count();
        assert_eq!(passed, MOST - 1 + 2, "those without a bucket share one");
        assert_eq!(limiter.buckets.lock().expect("no panic").of.len(), MOST + 1);
        assert!(limiter.take(|| user("known"), at).is_ok() && limiter.take(|| user("known"), at).is_err());
        // A second later all buckets are full again, and go.
        assert!(limiter.take(|| user("new"), at + CLEAN_EVERY).is_ok());
        assert_eq!(limiter.buckets.lock().expect("no panic").of.len(), 1);
    }
}

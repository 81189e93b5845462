//! How many calls of tools one token may make: a bucket for each, filled steadily.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::auth::TokenId;

/// Tokens that are remembered; more than that are not used at once.
const MOST: usize = 10_000;

/// The buckets.
pub struct Limiter {
    rate: Option<u32>,
    buckets: Mutex<HashMap<TokenId, Bucket>>,
}

/// Calls that may be made at once, as it was at an instant.
#[derive(Clone, Copy)]
struct Bucket {
    calls: f64,
    at: Duration,
}

impl Limiter {
    /// At most so many calls a second, and as many at once; `None` for any number.
    pub fn new(rate: Option<u32>) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes a call from a token's bucket at an instant of the monotonic clock; else after how long there is one.
    pub fn take(&self, token: TokenId, now: Duration) -> Result<(), Duration> {
        let Some(rate) = self.rate.map(f64::from) else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |bucket: &Bucket| (bucket.calls + now.saturating_sub(bucket.at).as_secs_f64() * rate).min(rate);
        if buckets.len() >= MOST {
            // A full bucket says nothing.
            buckets.retain(|_, bucket| filled(bucket) < rate);
        }
        let bucket = buckets.entry(token).or_insert(Bucket { calls: rate, at: now });
        *bucket = Bucket { calls: filled(bucket), at: now.max(bucket.at) };
        if bucket.calls < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.calls) / rate));
        }
        bucket.calls -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_calls_too_often_waits_and_others_do_not() {
        let limiter = Limiter::new(Some(10));
        let (one, other) = (TokenId::of("one"), TokenId::of("other"));
        let at = Duration::from_millis;
        assert!((0..10).all(|_| limiter.take(one, at(1000)).is_ok()));
        let wait = limiter.take(one, at(1000)).expect_err("the bucket is empty");
        assert!(wait <= at(100) && wait > at(99), "{wait:?}");
        assert!(limiter.take(other, at(1000)).is_ok());
        assert!(limiter.take(one, at(1101)).is_ok() && limiter.take(one, at(1101)).is_err());
        assert!((0..10).all(|_| limiter.take(one, at(60_000)).is_ok()) && limiter.take(one, at(60_000)).is_err());
        assert!((0..1000).all(|_| Limiter::new(None).take(one, at(0)).is_ok()));
    }
}

//! The only module that reads the system's clocks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{Local, Offset as _, TimeZone as _, Utc};

use crate::auth::NumericDate;
use crate::text::Span;

/// Two clock readings this close together count as simultaneous.
const CLOSE: Duration = Duration::from_millis(20);

/// How many times the clocks are read to get two such readings.
const TRIES: usize = 10;

/// A source of time.
pub trait Clock: Send + Sync {
    /// Returns the current instant.
    fn now(&self) -> NumericDate;
    /// Returns the time since some fixed moment; it never goes backwards.
    fn monotonic(&self) -> Duration;
    /// Returns both, read so close together that they can be compared; on a machine too busy for that, those of the
    /// last try.
    fn both(&self) -> (NumericDate, Duration) {
        let read = || {
            let (before, now) = (self.monotonic(), self.now());
            (now, self.monotonic(), self.monotonic().saturating_sub(before))
        };
        let mut tries = (0..TRIES).map(|_| read());
        let close = tries.by_ref().find(|(.., apart)| *apart < CLOSE);
        let (now, monotonic, _) = close.unwrap_or_else(read);
        (now, monotonic)
    }
    /// Waits for a duration on this thread, which does nothing else; a manual clock advances instead.
    fn sleep(&self, duration: Duration);
}

/// The system clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Returns the system clock, with its monotonic time counted from now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> NumericDate {
        NumericDate::from(Utc::now())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A clock that advances only on request, for tests and for replaying the past.
#[derive(Debug)]
pub struct ManualClock(Mutex<(NumericDate, Duration)>);

impl ManualClock {
    /// Creates a clock at `now`.
    pub fn new(now: NumericDate) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Advances by `duration`.
    pub fn advance(&self, duration: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.0 = times.0.plus(Span::from(duration));
        times.1 += duration;
    }

    /// Jumps to an instant, in either direction; the monotonic time does not change.
    pub fn set(&self, now: NumericDate) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> NumericDate {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

/// Returns the UTC offset of the system's time zone at an instant, in seconds; positive to the east.
pub fn local_offset(at: NumericDate) -> i32 {
    Local.offset_from_utc_datetime(&at.utc().naive_utc()).fix().local_minus_utc()
}

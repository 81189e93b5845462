//! The only module that reads the system's clocks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{Local, Offset as _, TimeZone as _, Utc};

use crate::auth::NumericDate;
use crate::text::Span;

/// Two clock readings this close together count as simultaneous.
const CLOSE: Duration = Duration::from_millis(20);

/// How often they are read in the hope of that.
const TRIES: usize = 10;

/// A source of time.
pub trait Clock: Send + Sync {
    /// The instant it is.
    fn now(&self) -> NumericDate;
    /// Time since some fixed moment; never goes backwards.
    fn monotonic(&self) -> Duration;
    /// Both, read so close to one another that they can be compared; on a machine that is too busy for that, the last try.
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
    /// Lets time pass on this thread, which does nothing else.
    fn sleep(&self, duration: Duration);
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The system's clock, its monotonic time counted from here.
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

/// A clock that moves only on request, for tests and for replaying the past.
#[derive(Debug)]
pub struct ManualClock(Mutex<(NumericDate, Duration)>);

impl ManualClock {
    /// Creates a clock at `now`.
    pub fn new(now: NumericDate) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Moves on by `duration`.
    pub fn advance(&self, duration: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.0 = times.0.plus(Span::from(duration));
        times.1 += duration;
    }

    /// Leaps to an instant, in either direction; the monotonic time does not move.
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

/// Seconds east of Greenwich that the system's time zone has at an instant.
pub fn local_offset(at: NumericDate) -> i32 {
    Local.offset_from_utc_datetime(&at.utc().naive_utc()).fix().local_minus_utc()
}

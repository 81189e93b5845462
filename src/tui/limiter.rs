//! Frame rate limit: draws at once after a pause, then at most once per interval.
//!
//! Pure, so that tests do not have to wait. The event loop asks it before each draw.

use std::time::Duration;

/// One frame of a 60 Hz terminal. A flood of events, such as a held key over a slow line, does not cause more draws
/// than a terminal could show.
pub const INTERVAL: Duration = Duration::from_millis(16);

/// Remembers when the last frame was drawn.
#[derive(Debug, Default)]
pub struct Limiter {
    last: Option<Duration>,
}

impl Limiter {
    /// Returns how long a draw requested at `now` has to wait; zero means at once.
    pub fn wait(&self, now: Duration) -> Duration {
        self.last.map_or(Duration::ZERO, |last| (last + INTERVAL).saturating_sub(now))
    }

    /// Records that a frame was drawn at `now`.
    pub const fn drew(&mut self, now: Duration) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::{INTERVAL, Limiter};
    use std::time::Duration;

    const START: Duration = Duration::from_secs(5);

    #[test]
    fn the_first_draw_and_one_after_a_pause_are_immediate() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.wait(START), Duration::ZERO);
        limiter.drew(START);
        assert_eq!(limiter.wait(START + INTERVAL), Duration::ZERO);
        assert_eq!(limiter.wait(START + 100 * INTERVAL), Duration::ZERO);
    }

    #[test]
    fn a_second_draw_waits_for_the_rest_of_the_interval() {
        let mut limiter = Limiter::default();
        limiter.drew(START);
        assert_eq!(limiter.wait(START), INTERVAL);
        assert_eq!(
            limiter.wait(START + Duration::from_millis(5)),
            INTERVAL.checked_sub(Duration::from_millis(5)).expect("5 < 16")
        );
    }

    #[test]
    fn a_flood_of_changes_in_one_second_is_drawn_63_times() {
        let mut limiter = Limiter::default();
        let mut drawn = 0;
        for now in (0..1_000_000).step_by(100).map(Duration::from_micros) {
            if limiter.wait(now).is_zero() {
                limiter.drew(now);
                drawn += 1;
            }
        }
        assert_eq!(drawn, 63);
    }
}

//! When keys are read again, and until when they are used. Pure: the time is a parameter, on the monotonic clock.

use std::time::Duration;

/// The time that keys are used before they are refreshed if the server does not say how long.
pub const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);

/// The shortest such time, whatever the server says.
pub const SHORTEST_LIFETIME: Duration = Duration::from_mins(1);

/// The longest such time, whatever the server says.
pub const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

/// The shortest time between the beginning of a fetch and that of another one for an unknown key. Without it, tokens
/// with random `kid`s would make this program send a request for each.
pub const COOLDOWN: Duration = Duration::from_secs(30);

/// The delay before the first retry while there are no keys yet. It doubles up to [`COOLDOWN`]: at start-up, the server
/// that has the keys may start at the same time.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// How long keys are used before they are refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// So long, within the limits of this module.
    For(Option<Duration>),
    /// Until the file changes, which is watched.
    Watched,
}

/// The schedule of one source of keys. A new one is due at once.
#[derive(Clone, Debug)]
pub struct Schedule {
    max_stale: Duration,
    /// When the next fetch begins; `None` during a fetch, and after a file has been read.
    due: Option<Duration>,
    /// When the last fetch began.
    begun: Option<Duration>,
    /// When the keys have to be refreshed; `None` without keys.
    expires: Option<Duration>,
    /// When the first of the failures since the last success occurred, and how many there were.
    failed: Option<(Duration, u32)>,
}

impl Schedule {
    /// Creates a schedule whose first fetch is due at `now`. Keys are used for at most `max_stale` after their refresh
    /// was due.
    pub const fn new(max_stale: Duration, now: Duration) -> Self {
        Self { max_stale, due: Some(now), begun: None, expires: None, failed: None }
    }

    /// Creates a schedule for keys that were fetched at `read_at` and can be used until `until` if they are not fetched
    /// again; `None` if there is no such limit yet. The first fetch is due at `now`.
    pub fn restored(max_stale: Duration, now: Duration, read_at: Duration, until: Option<Duration>) -> Self {
        let failed = until.map(|until| (until.saturating_sub(max_stale), 0));
        Self { expires: Some(read_at), failed, ..Self::new(max_stale, now) }
    }

    /// When the next fetch begins, if one is planned.
    pub const fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Begins a fetch.
    pub const fn begin(&mut self, now: Duration) {
        (self.due, self.begun) = (None, Some(now));
    }

    /// Plans the next fetch after a success.
    pub fn succeeded(&mut self, now: Duration, lifetime: Lifetime) {
        self.failed = None;
        self.due = match lifetime {
            Lifetime::For(stated) => {
                Some(now + stated.unwrap_or(DEFAULT_LIFETIME).clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME))
            }
            Lifetime::Watched => None,
        };
        self.expires = self.due.or(Some(now));
    }

    /// Plans the next fetch after a failure.
    pub fn failed(&mut self, now: Duration) {
        let (since, times) = self.failed.unwrap_or((now, 0));
        self.failed = Some((since, times.saturating_add(1)));
        let wait = match self.expires {
            None => (FIRST_RETRY * 2_u32.saturating_pow(times.min(8))).min(COOLDOWN),
            Some(_) => COOLDOWN,
        };
        self.due = Some(now + wait);
    }

    /// Brings the next fetch forward because a token names an unknown key. During a fetch nothing changes: its result
    /// may contain the key. Returns whether the plan has changed.
    pub fn unknown_key(&mut self, now: Duration) -> bool {
        let earliest = self.begun.map_or(now, |begun| now.max(begun + COOLDOWN));
        let is_earlier = self.due.is_some_and(|due| earliest < due);
        if is_earlier {
            self.due = Some(earliest);
        }
        is_earlier
    }

    /// Plans a fetch because the user asks for one: a URL as for an unknown key, a file at once.
    pub fn refresh(&mut self, now: Duration) -> bool {
        if self.due.is_none() {
            self.due = Some(now);
            return true;
        }
        self.unknown_key(now)
    }

    /// When a request for newer keys can be followed at the earliest; `None` before the first fetch.
    pub fn earliest(&self) -> Option<Duration> {
        self.begun.map(|begun| begun + COOLDOWN)
    }

    /// Makes a fetch due at once, because the file has changed.
    pub const fn changed(&mut self, now: Duration) {
        self.due = Some(now);
    }

    /// When the keys become too old to be used; `None` without keys, and as long as no refresh has failed.
    pub fn stale_at(&self) -> Option<Duration> {
        let (since, _) = self.failed?;
        Some(since.max(self.expires?).saturating_add(self.max_stale))
    }

    /// Until when the keys are used if no further fetch succeeds; `None` without keys, and for a file that was read.
    pub fn usable_until(&self) -> Option<Duration> {
        let planned = || self.due.and(self.expires).map(|expires| expires.saturating_add(self.max_stale));
        self.stale_at().or_else(planned)
    }

    /// Whether there are keys that are not too old.
    pub fn is_usable(&self, now: Duration) -> bool {
        self.expires.is_some() && self.stale_at().is_none_or(|at| now < at)
    }

    /// When something changes although nothing happens: a fetch begins, or the keys become too old.
    pub fn wakes(&self, now: Duration) -> Option<Duration> {
        self.due.into_iter().chain(self.stale_at().filter(|at| now < *at)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const HOUR: Duration = Duration::from_hours(1);

    /// A schedule with keys that were fetched at the instant 0.
    fn fetched(max_stale: Duration, stated: Option<Duration>) -> Schedule {
        let mut schedule = Schedule::new(max_stale, s(0));
        schedule.begin(s(0));
        schedule.succeeded(s(0), Lifetime::For(stated));
        schedule
    }

    fn fail(schedule: &mut Schedule, begun: Duration, now: Duration) {
        schedule.begin(begun);
        schedule.failed(now);
    }

    #[test]
    fn a_stated_lifetime_is_kept_within_limits() {
        for (stated, due) in [
            (None, s(600)),
            (Some(s(0)), s(60)),
            (Some(s(59)), s(60)),
            (Some(s(61)), s(61)),
            (Some(s(86_400)), s(86_400)),
            (Some(s(86_401)), s(86_400)),
            (Some(Duration::MAX), s(86_400)),
        ] {
            assert_eq!(fetched(HOUR, stated).due(), Some(due), "{stated:?}");
        }
    }

    #[test]
    fn an_unknown_key_refetches_once_per_cooldown_from_the_beginning_of_the_last_fetch() {
        for (asked, due) in [(s(0), s(30)), (s(1), s(30)), (s(29), s(30)), (s(30), s(30)), (s(45), s(45))] {
            let mut schedule = fetched(HOUR, None);
            schedule.unknown_key(asked);
            schedule.unknown_key(asked);
            assert_eq!(schedule.due(), Some(due), "{asked:?}");
        }
        // A fetch that takes 5 s and fails has begun the cooldown all the same.
        let mut schedule = fetched(HOUR, None);
        fail(&mut schedule, s(100), s(105));
        schedule.unknown_key(s(106));
        assert_eq!(schedule.due(), Some(s(130)));
        // The next one is not postponed.
        let mut schedule = fetched(HOUR, Some(s(60)));
        schedule.begin(s(60));
        schedule.unknown_key(s(61));
        assert_eq!(schedule.due(), None, "during a fetch");
    }

    #[test]
    fn random_kids_for_a_minute_cause_three_fetches() {
        let mut schedule = Schedule::new(HOUR, s(0));
        let mut fetches = 0;
        for millis in 0..60_000 {
            let now = Duration::from_millis(millis);
            schedule.unknown_key(now);
            if schedule.due().is_some_and(|due| due <= now) {
                schedule.begin(now);
                schedule.succeeded(now, Lifetime::For(None));
                fetches += 1;
            }
        }
        assert_eq!(fetches, 2);
    }

    #[test]
    fn retries_are_frequent_only_while_there_are_no_keys() {
        let mut schedule = Schedule::new(HOUR, s(0));
        let mut waits = Vec::new();
        let mut now = s(0);
        for _ in 0..7 {
            fail(&mut schedule, now, now);
            waits.push(schedule.due().expect("a retry").saturating_sub(now));
            now = schedule.due().expect("a retry");
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30].map(s));
        let mut schedule = fetched(HOUR, None);
        fail(&mut schedule, s(600), s(605));
        assert_eq!(schedule.due(), Some(s(635)));
    }

    #[test]
    fn old_keys_are_used_for_the_stated_time_after_their_refresh_was_due() {
        for (lifetime, max_stale, last) in
            [(None, HOUR, s(600) + HOUR), (Some(s(86_400)), HOUR, s(86_400) + HOUR), (None, s(0), s(600))]
        {
            let mut schedule = fetched(max_stale, lifetime);
            assert!(schedule.is_usable(last * 10), "a slow timer is not a failure");
            // A failure before the keys expire does not shorten the time.
            fail(&mut schedule, s(40), s(45));
            assert_eq!(schedule.stale_at(), Some(last));
            assert!(schedule.is_usable(last.saturating_sub(s(1))) && !schedule.is_usable(last));
            assert!(schedule.wakes(s(45)).is_some_and(|at| at <= last));
            schedule.begin(last + s(10));
            schedule.succeeded(last + s(10), Lifetime::For(None));
            assert!(schedule.is_usable(last + s(10)));
        }
        assert!(!Schedule::new(HOUR, s(0)).is_usable(s(0)), "before the first success");
    }

    #[test]
    fn the_user_can_have_a_file_read_at_once_and_a_url_after_the_cooldown() {
        let mut schedule = fetched(HOUR, None);
        assert_eq!((schedule.refresh(s(10)), schedule.due(), schedule.earliest()), (true, Some(s(30)), Some(s(30))));
        let mut schedule = fetched(HOUR, None);
        assert_eq!((schedule.refresh(s(100)), schedule.due()), (true, Some(s(100))));
        let mut schedule = Schedule::new(HOUR, s(0));
        assert_eq!(schedule.earliest(), None);
        schedule.begin(s(0));
        schedule.succeeded(s(0), Lifetime::Watched);
        assert_eq!((schedule.refresh(s(1)), schedule.due()), (true, Some(s(1))));
    }

    #[test]
    fn a_file_is_read_again_only_when_it_changes_or_could_not_be_read() {
        let mut schedule = Schedule::new(HOUR, s(0));
        schedule.begin(s(0));
        schedule.succeeded(s(0), Lifetime::Watched);
        assert_eq!((schedule.due(), schedule.wakes(s(1))), (None, None));
        schedule.unknown_key(s(50));
        assert_eq!(schedule.due(), None);
        fail(&mut schedule, s(9000), s(9000));
        assert_eq!((schedule.due(), schedule.stale_at()), (Some(s(9030)), Some(s(9000) + HOUR)));
    }
}

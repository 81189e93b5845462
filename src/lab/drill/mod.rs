//! The expiry drill: calls a tool before and after a token expires, and finds when the gate starts to refuse it.
//!
//! A drill returns the time of the next call ([`Drill::next`]) and receives its result ([`Drill::record`]). In real
//! time the caller waits for that time; in shifted time it calls immediately.

mod boundary;
mod plan;
mod report;

use crate::auth::{Decision, Leeway, Lifetime, NumericDate, Outcome, Verdict};
use crate::observe::{Observation, Observed};
use crate::text::Span;
use crate::text::words::exact;

pub use boundary::Boundary;
pub use plan::{FINEST, Pace, Plan, end_of_new};
use report::from_exp;
pub use report::{DrillResult, Report, Subject};

/// In real time, regular calls begin this many intervals before the boundary.
const AROUND: i64 = 10;

/// Half of the precision of a server's `Date`.
const HALF: Span = Span::millis(500);

/// The latest instant at which a gate with any leeway may still allow a call, counted from `exp`.
const LATEST: Span = Leeway::MAX.span();

/// Why a token cannot be drilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrillError {
    /// `exp` is missing or unreadable.
    #[error("the token has no readable exp, so there is no expiry to drill")]
    Endless,
    /// `exp` is one of the latest possible instants.
    #[error("exp is the latest possible date, so no call can follow it")]
    TooLate,
    /// The interval is shorter than [`FINEST`].
    #[error("the interval is too short: expected at least {}", exact(FINEST))]
    TooOften,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The instant that the call was judged for.
    pub at: NumericDate,
    /// The code of the decision.
    pub code: &'static str,
}

/// A running drill.
#[derive(Clone, Debug)]
pub struct Drill {
    /// When the token becomes valid, according to its claims and the leeway.
    begin: NumericDate,
    /// The time of the next call; `None` when the drill has ended.
    next: Option<NumericDate>,
    first: NumericDate,
    /// The results so far.
    found: Report,
}

impl Drill {
    /// Creates a drill across the end of this lifetime, beginning at `now`.
    pub fn new(life: &Lifetime, plan: Plan, now: NumericDate) -> Result<Self, DrillError> {
        let exp = life.exp.ok_or(DrillError::Endless)?;
        if plan.every < FINEST {
            return Err(DrillError::TooOften);
        }
        if exp.plus(LATEST).plus(plan.every) == NumericDate::MAX {
            return Err(DrillError::TooLate);
        }
        let begin = life.nbf.map_or(NumericDate::MIN, |nbf| nbf.plus(-life.leeway.span()));
        let border = exp.plus(life.leeway.span());
        let first = match plan.pace {
            Pace::Real => now.max(begin),
            // A token whose lifetime is shorter than an interval is valid at its beginning.
            Pace::Shifted => border.plus(-plan.every).max(life.nbf.or(life.iat).unwrap_or(NumericDate::MIN)),
        };
        let found = Report {
            plan,
            exp,
            leeway: life.leeway,
            calls: 0,
            last_allowed: None,
            first_refused: None,
            fault: None,
            is_undecided: false,
            is_cancelled: false,
            skew: None,
        };
        Ok(Self { begin, next: Some(first), first, found })
    }

    /// The time at which the gate must start to refuse the token.
    pub fn expected(&self) -> NumericDate {
        self.found.expected()
    }

    /// Returns the time of the next call; `None` when the drill has ended.
    pub const fn next(&self) -> Option<NumericDate> {
        self.next
    }

    /// Returns the instant to judge a call for that is made at `now`; `None` if no call is due.
    pub fn call_at(&self, now: NumericDate) -> Option<NumericDate> {
        match self.found.plan.pace {
            Pace::Shifted => self.next,
            Pace::Real => self.next.filter(|next| *next <= now).and(Some(now)),
        }
    }

    /// Whether the drill runs in real or in shifted time.
    pub const fn pace(&self) -> Pace {
        self.found.plan.pace
    }

    /// The number of calls made.
    pub const fn calls(&self) -> usize {
        self.found.calls
    }

    /// The expected duration in real time, at least one second.
    pub fn whole(&self) -> Span {
        self.expected().plus(self.found.plan.every).since(self.first).max(Span::SECOND)
    }

    /// The progress at `now` in thousandths, below 1000: of the duration in real time, or else of the bisection.
    pub fn progress(&self, now: NumericDate) -> i64 {
        let (done, all) = match self.found.plan.pace {
            Pace::Real => {
                let last = self.expected().plus(self.found.plan.every);
                (now.since(self.first).as_micros(), last.since(self.first).as_micros())
            }
            Pace::Shifted => (i64::try_from(self.found.calls).unwrap_or(0), 40),
        };
        i64::try_from(i128::from(done) * 1000 / i128::from(all.max(1))).unwrap_or(0).clamp(0, 999)
    }

    /// Records the result of a call judged for `at`. An allowed call that failed ends the drill, because it does not
    /// show that a working tool accepted the token.
    pub fn record(&mut self, at: NumericDate, decision: &Decision, outcome: &Outcome) {
        self.found.calls += 1;
        if let Some(trouble) = outcome.trouble() {
            let when = from_exp(at, self.found.exp);
            self.end(Some(format!("the call at {when} was allowed but failed: {trouble}")));
            return;
        }
        let seen = Sample { at, code: decision.code() };
        let is_allowed = decision.verdict() == Verdict::Allowed;
        match (is_allowed, seen.code) {
            (true, _) => {
                if self.found.first_refused.as_ref().is_some_and(|refused| refused.at <= at) {
                    self.end(Some("the token was refused, then allowed again".to_owned()));
                    return;
                }
                self.found.last_allowed = Some(seen);
            }
            (false, "expired") => {
                if self.found.first_refused.as_ref().is_none_or(|refused| at < refused.at) {
                    self.found.first_refused = Some(seen);
                }
            }
            (false, _) => {
                let when = from_exp(at, self.found.exp);
                self.end(Some(format!("refused at {when} for another reason, {}: {}", seen.code, decision.sentence())));
                return;
            }
        }
        match self.found.plan.pace {
            Pace::Real => self.wait_on(at),
            Pace::Shifted => self.bisect(),
        }
    }

    /// Makes the drill one of a foreign server, whose leeway for clocks is measured.
    #[must_use]
    pub fn of_server(mut self) -> Self {
        self.found.skew = Some(Span::ZERO);
        self
    }

    /// Records the answer of a foreign server to a call at `at`.
    pub fn record_observed(&mut self, at: NumericDate, observation: &Observation) {
        if let Some(date) = observation.date {
            // The header is rounded down to a second: half a second is added.
            let skew = date.plus(HALF).since(at);
            self.found.skew = Some(if skew.abs() > Span::SECOND + HALF { skew } else { Span::ZERO });
        }
        self.found.calls += 1;
        let verdict = match observation.observed() {
            // Arguments are checked after the token.
            Observed::BadArguments => Some(Verdict::Allowed),
            _ => observation.verdict(),
        };
        match verdict {
            Some(Verdict::Allowed) => {
                if self.found.first_refused.as_ref().is_some_and(|refused| refused.at <= at) {
                    self.end(Some("the token was refused, then allowed again".to_owned()));
                    return;
                }
                self.found.last_allowed = Some(Sample { at, code: "allowed" });
            }
            Some(Verdict::Unauthorized) => {
                if self.found.first_refused.is_none() {
                    self.found.first_refused = Some(Sample { at, code: "unauthorized" });
                }
            }
            Some(Verdict::Forbidden) | None => {
                let when = from_exp(at, self.found.exp);
                self.found.is_undecided = verdict.is_none();
                self.end(Some(format!("at {when}: {observation}")));
                return;
            }
        }
        self.wait_on(at);
    }

    /// Ends the drill before the boundary is found.
    pub fn cancel(&mut self) {
        self.found.is_cancelled = self.next.take().is_some();
    }

    fn end(&mut self, fault: Option<String>) {
        self.next = None;
        self.found.fault = fault;
    }

    /// In real time: sets the time of the next call, or ends the drill.
    fn wait_on(&mut self, at: NumericDate) {
        match (&self.found.last_allowed, &self.found.first_refused) {
            (None, Some(_)) => self.end(Some("the token had expired before the drill began".to_owned())),
            (_, Some(refused)) if at.since(refused.at) >= self.confirmed() => self.end(None),
            (_, None) if at.since(self.found.exp) > LATEST => self.end(None),
            (_, Some(_)) => self.next = Some(self.after(at).min(at.plus(self.confirmed() / 4))),
            _ => self.next = Some(self.after(at)),
        }
    }

    /// How long the token must stay refused before the drill ends: one interval, at most a second.
    fn confirmed(&self) -> Span {
        self.found.plan.every.min(Span::SECOND)
    }

    /// Returns the time of the next call in real time. Calls get closer together near the boundary, and one is due
    /// exactly at it: a slow machine must not miss it by more than an interval.
    fn after(&self, at: NumericDate) -> NumericDate {
        let Plan { every, fine, .. } = self.found.plan;
        // By the clock of a foreign server, the token expires earlier by its lead.
        let border = self.expected().plus(-self.found.skew.unwrap_or(Span::ZERO));
        let skewed = self.found.skew.is_some_and(|skew| skew != Span::ZERO);
        // The lead of a foreign clock is known to about a second.
        let around = if skewed { (every * AROUND).max(Span::SECOND + HALF) } else { every * AROUND };
        let rings = [(around, every), (every, every / 4), (FINEST * AROUND, FINEST / 5)];
        let rings = rings.get(..if fine { 3 } else { 2 }).unwrap_or_default();
        let away = border.since(at);
        let inside = rings.iter().rev().find(|(around, _)| away.abs() <= *around);
        let step = inside.map(|(_, step)| at.plus(*step)).or((away < Span::ZERO).then(|| at.plus(every)));
        let entries = rings.iter().map(|(around, _)| border.plus(-*around)).chain([border]).filter(|entry| *entry > at);
        step.into_iter().chain(entries).min().unwrap_or_else(|| at.plus(every))
    }

    /// In shifted time: sets the next instant between the last allowed and the first refused call, or ends the drill.
    fn bisect(&mut self) {
        let (every, border) = (self.found.plan.every, self.expected());
        let next = match (&self.found.last_allowed, &self.found.first_refused) {
            (Some(allowed), Some(refused)) => {
                let apart = refused.at.since(allowed.at);
                (apart > Span::MICRO).then(|| allowed.at.plus(apart / 2))
            }
            // Allowed so far: try after the expected boundary, then after the longest possible leeway.
            (Some(allowed), None) => {
                let behind = [border.plus(every), self.found.exp.plus(LATEST + every)];
                behind.into_iter().find(|at| *at > allowed.at)
            }
            // Refused so far: try the beginning of the lifetime.
            (None, Some(refused)) => {
                let from = self.begin.max(self.found.exp.plus(-LATEST - every));
                (from < refused.at).then_some(from)
            }
            (None, None) => None,
        };
        match next {
            Some(_) => self.next = next,
            None if self.found.last_allowed.is_none() => self.end(Some("the token was never allowed".to_owned())),
            None => self.end(None),
        }
    }

    /// The results, or while the drill runs, the results so far.
    pub fn report(&self) -> Report {
        let fault = self.found.fault.clone().or_else(|| self.found.misfit());
        Report { fault, ..self.found.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Grant, Reason};
    use rstest::rstest;

    const EXP: NumericDate = NumericDate::from_seconds(1_000_000);

    fn life(lives: Span, leeway: u64) -> Lifetime {
        Lifetime { iat: Some(EXP.plus(-lives)), nbf: None, exp: Some(EXP), leeway: Leeway::seconds(leeway) }
    }

    /// Records a call of a working tool.
    fn record(drill: &mut Drill, at: NumericDate, decision: &Decision) {
        let outcome = match decision.verdict() {
            Verdict::Allowed => Outcome::Done(serde_json::json!({})),
            refused => Outcome::Refused(refused),
        };
        drill.record(at, decision, &outcome);
    }

    /// The decision of a gate with this leeway, which need not be one that can be configured.
    fn decide(at: NumericDate, leeway: Span) -> Decision {
        let result = match EXP.since(at) + leeway {
            left if left > Span::ZERO => Ok(Grant { permission: "user".into(), through: None }),
            _ => Err(Reason::Expired { exp: EXP, leeway: Leeway::NONE, now: at }),
        };
        Decision { result, subject: None }
    }

    /// Drills a gate whose leeway is `gate`, with each call `late` after its time.
    fn drilled(life: &Lifetime, plan: Plan, now: NumericDate, gate: Span, late: impl Fn(usize) -> i64) -> Report {
        let mut drill = Drill::new(life, plan, now).expect("a drill");
        let mut last = now;
        while let Some(next) = drill.next() {
            let at = match plan.pace {
                Pace::Real => next.max(last).plus(Span::micros(late(drill.calls()))),
                Pace::Shifted => next,
            };
            last = at;
            record(&mut drill, at, &decide(at, gate));
            assert!(drill.calls() < 100_000, "the drill never ends");
        }
        drill.report()
    }

    fn real(every: Span, fine: bool) -> Plan {
        Plan { pace: Pace::Real, every, fine }
    }

    const SHIFTED: Plan = Plan { pace: Pace::Shifted, every: Span::SECOND, fine: false };

    #[test]
    fn a_server_that_limits_the_rate_gives_no_verdict_about_expiry() {
        let plan = Plan { pace: Pace::Real, every: Span::SECOND, fine: false };
        let mut drill = Drill::new(&life(Span::MINUTE, 0), plan, EXP.plus(-Span::MINUTE)).expect("a drill").of_server();
        let at = drill.next().expect("a call");
        let throttled = Observation::of(&Ok(crate::observe::answer_of("HTTP/1.1 429 x\n\n").expect("an answer")));
        drill.record_observed(at, &throttled);
        let report = drill.report();
        assert!(drill.next().is_none() && !report.passed());
        assert!(report.verdict().starts_with("NO VERDICT: at exp - "), "{}", report.verdict());
    }

    #[rstest]
    #[case(Span::seconds(3), 0)]
    #[case(Span::days(30), 0)]
    #[case(Span::days(30), 5)]
    #[case(Span::millis(500), 0)]
    fn with_the_time_in_hand_the_border_is_found_to_the_microsecond(#[case] lives: Span, #[case] leeway: u64) {
        let gate = Leeway::seconds(leeway).span();
        let report = drilled(&life(lives, leeway), SHIFTED, EXP.plus(-lives), gate, |_| 0);
        assert_eq!((report.passed(), report.found_to()), (true, Some(Span::MICRO)), "{report:?}");
        assert_eq!(report.first_refused.as_ref().map(|seen| seen.at), Some(EXP.plus(gate)));
        assert!(report.calls < 40, "{} calls", report.calls);
    }

    #[rstest]
    #[case(real(Span::millis(100), false), Span::millis(100))]
    #[case(real(Span::SECOND, false), Span::SECOND)]
    #[case(real(Span::SECOND, true), FINEST)]
    fn in_real_time_the_border_is_found_to_the_interval(#[case] plan: Plan, #[case] resolution: Span) {
        for leeway in [0, 5] {
            let gate = Leeway::seconds(leeway).span();
            let report = drilled(&life(Span::seconds(3), leeway), plan, EXP.plus(Span::seconds(-3)), gate, |n| {
                [0, 300, 900, 1800][n % 4]
            });
            assert!(report.passed() && report.found_to().expect("found") <= resolution, "{report:?}");
            let (above, most) = report.leeway_seen().expect("seen");
            assert!(above < gate && gate <= most);
        }
    }

    #[rstest]
    #[case(real(Span::SECOND, false), Span::seconds(60), "allowed too long")]
    #[case(real(Span::SECOND, false), Span::seconds(-2), "refused too early")]
    #[case(real(Span::SECOND, false), Span::seconds(400), "still allowed")]
    #[case(SHIFTED, Span::seconds(60), "allowed too long")]
    #[case(SHIFTED, Span::MICRO, "allowed too long, still at exp")]
    #[case(SHIFTED, -Span::MICRO, "refused too early, at exp - 1µs")]
    #[case(SHIFTED, Span::seconds(-3), "refused too early")]
    #[case(SHIFTED, Span::seconds(400), "still allowed")]
    fn a_gate_with_another_leeway_fails(#[case] plan: Plan, #[case] gate: Span, #[case] words: &str) {
        let report = drilled(&life(Span::seconds(60), 0), plan, EXP.plus(Span::seconds(-60)), gate, |_| 100);
        assert!(!report.passed() && report.verdict().contains(words), "{}", report.verdict());
    }

    #[test]
    fn a_late_machine_is_not_taken_for_a_found_border() {
        let late = |n: usize| if n == 8 { 700_000 } else { 0 };
        let report = drilled(
            &life(Span::seconds(3), 0),
            real(Span::millis(100), false),
            EXP.plus(-Span::SECOND),
            Span::ZERO,
            late,
        );
        assert!(report.verdict().contains("the machine was too slow"), "{}", report.verdict());
    }

    #[test]
    fn a_token_that_is_dead_or_endless_is_told_so() {
        let report =
            drilled(&life(Span::SECOND, 0), real(Span::SECOND, false), EXP.plus(Span::SECOND), Span::ZERO, |_| 0);
        assert!(report.verdict().contains("expired before the drill"), "{}", report.verdict());
        let endless = Lifetime { exp: None, ..life(Span::SECOND, 0) };
        assert_eq!(Drill::new(&endless, SHIFTED, EXP).map(|_| ()), Err(DrillError::Endless));
        assert_eq!(
            Drill::new(&life(Span::SECOND, 0), real(Span::MICRO, false), EXP).map(|_| ()),
            Err(DrillError::TooOften)
        );
    }

    #[test]
    fn a_refusal_for_another_reason_ends_the_drill() {
        let mut drill = Drill::new(&life(Span::SECOND, 0), SHIFTED, EXP).expect("a drill");
        record(&mut drill, EXP, &Decision { result: Err(Reason::BadSignature), subject: None });
        assert_eq!(drill.next(), None);
        assert!(drill.report().verdict().contains("bad_signature"));
    }

    #[test]
    fn a_long_interval_is_not_waited_for_behind_the_border() {
        let mut drill =
            Drill::new(&life(Span::seconds(3), 0), real(Span::HOUR, false), EXP.plus(-Span::SECOND)).expect("a drill");
        let mut at = EXP.plus(-Span::SECOND);
        while let Some(next) = drill.next() {
            at = next.max(at);
            record(&mut drill, at, &decide(at, Span::ZERO));
        }
        assert!(at.since(EXP) <= Span::seconds(2), "{}", exact(at.since(EXP)));
    }

    #[test]
    fn a_long_wait_makes_few_calls() {
        let report = drilled(&life(Span::DAY, 0), real(Span::SECOND, false), EXP.plus(-Span::DAY), Span::ZERO, |_| 50);
        assert!(report.passed() && report.calls < 30, "{report:?}");
    }

    #[test]
    fn a_call_that_was_allowed_and_failed_fails_the_drill() {
        let mut drill = Drill::new(&life(Span::seconds(2), 0), SHIFTED, EXP.plus(-Span::SECOND)).expect("a drill");
        let failed = Outcome::ToolFailed("no such tool here".to_owned());
        drill.record(EXP.plus(-Span::SECOND), &decide(EXP.plus(-Span::SECOND), Span::ZERO), &failed);
        let report = drill.report();
        assert!(!report.passed() && drill.next().is_none());
        assert_eq!(report.fault.as_deref(), Some("the call at exp - 1s was allowed but failed: no such tool here"));
    }
}

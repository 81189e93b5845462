//! The results of a drill, in words and as JSON.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::score::judged_words;
use super::{Pace, Plan, Sample};
use crate::auth::date::twice;
use crate::auth::{Leeway, NumericDate, TokenId};
use crate::report::{self, Case};
use crate::text::Span;
use crate::text::words::{exact, with_sign};

/// Formats an instant relative to the token's expiry: `exp`, `exp - 250ms`, `exp + 3ms`.
pub(super) fn from_exp(at: NumericDate, exp: NumericDate) -> String {
    match at.since(exp) {
        Span::ZERO => "exp".to_owned(),
        by if by < Span::ZERO => format!("exp - {}", exact(-by)),
        by => format!("exp + {}", exact(by)),
    }
}

/// The results of a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The plan that was followed.
    pub plan: Plan,
    /// The token's `exp`.
    pub exp: NumericDate,
    /// The leeway that the gate is set to.
    pub leeway: Leeway,
    /// The number of calls made.
    pub calls: usize,
    /// The last call that was allowed.
    pub last_allowed: Option<Sample>,
    /// The first call that was refused because the token had expired.
    pub first_refused: Option<Sample>,
    /// How the results differ from the expectation. Safe to show.
    pub fault: Option<String>,
    /// Whether the fault says nothing about expiry, such as a limit of the rate.
    pub is_undecided: bool,
    /// Whether the user ended the drill before the boundary was found.
    pub is_cancelled: bool,
    /// The clock of a foreign server minus ours, as far as it is known; `None` for our own gate. A foreign server may
    /// allow for differences between clocks, which is measured and not held against it.
    pub skew: Option<Span>,
}

/// The largest leeway of a foreign server that is not held against it.
const MOST_ALLOWED: Span = Leeway::MAX.span();

impl Report {
    /// Whether the gate refused the token from the expected time on.
    pub const fn passed(&self) -> bool {
        !self.is_cancelled && self.fault.is_none() && self.last_allowed.is_some() && self.first_refused.is_some()
    }

    /// The time at which the gate must start to refuse the token.
    pub fn expected(&self) -> NumericDate {
        self.exp.plus(self.leeway.span())
    }

    /// Returns how the results differ from the expectation, if they do.
    pub(super) fn misfit(&self) -> Option<String> {
        let expected = self.expected();
        let (Some(allowed), Some(refused)) = (&self.last_allowed, &self.first_refused) else {
            let last = self.last_allowed.as_ref()?;
            return Some(format!("still allowed at {}", from_exp(last.at, self.exp)));
        };
        if let Some(skew) = self.skew {
            // By the server's clock, the token expires earlier by its lead.
            let there = expected.plus(-skew);
            let early = there.since(refused.at);
            if early > Span::SECOND + self.plan.every {
                return Some(format!("refused too early, at {}", from_exp(refused.at, self.exp)));
            }
            if allowed.at.since(there) > MOST_ALLOWED {
                return Some(format!("allowed too long, still at {}", from_exp(allowed.at, self.exp)));
            }
            return None;
        }
        if refused.at < expected {
            return Some(format!("refused too early, at {}", from_exp(refused.at, self.exp)));
        }
        if allowed.at >= expected {
            return Some(format!("allowed too long, still at {}", from_exp(allowed.at, self.exp)));
        }
        let (apart, wanted) = (refused.at.since(allowed.at), self.plan.resolution());
        (apart > wanted).then(|| {
            let (apart, wanted) = (exact(apart), exact(wanted));
            format!(
                "the calls around the boundary were {apart} apart instead of {wanted}: the machine was too slow; repeat the drill"
            )
        })
    }

    /// The time between the last allowed and the first refused call.
    pub fn found_to(&self) -> Option<Span> {
        Some(self.first_refused.as_ref()?.at.since(self.last_allowed.as_ref()?.at))
    }

    /// The bounds of the observed leeway: it is above the first and at most the second.
    pub fn leeway_seen(&self) -> Option<(Span, Span)> {
        Some((self.last_allowed.as_ref()?.at.since(self.exp), self.first_refused.as_ref()?.at.since(self.exp)))
    }

    /// Returns lines with labels, the same for the screen, a terminal and evidence. `time` formats an instant.
    pub fn lines(&self, time: impl Fn(NumericDate) -> String) -> Vec<(&'static str, String)> {
        let seen = |seen: &Option<Sample>| match seen {
            Some(seen) => format!("{}, {}", time(seen.at), from_exp(seen.at, self.exp)),
            None => "none".to_owned(),
        };
        let border = match (self.found_to(), &self.first_refused) {
            (Some(Span::MICRO), Some(refused)) => format!("exactly {}", from_exp(refused.at, self.exp)),
            (Some(apart), _) => format!("between these, {} apart", exact(apart)),
            _ => "not found".to_owned(),
        };
        let leeway = match self.leeway_seen() {
            Some((_, most)) if most < Span::ZERO => format!("none: refused {} before exp", exact(-most)),
            Some((_, Span::ZERO)) => exact(Span::ZERO),
            Some((above, most)) if most - above == Span::MICRO => exact(most),
            // A leeway is not negative, whenever the last allowed call was made.
            Some((above, most)) if above < Span::ZERO => format!("at most {}", exact(most)),
            Some((above, most)) => format!("more than {}, at most {}", exact(above), exact(most)),
            None => "unknown".to_owned(),
        };
        let expected = self.expected();
        let skew = self.skew.filter(|skew| skew.abs() > Span::seconds(2));
        let skew = skew.map(|skew| ("server's clock", with_sign(Span::seconds(skew.as_seconds()), exact)));
        let mut lines = vec![
            ("expected", format!("{}, {}", time(expected), from_exp(expected, self.exp))),
            ("last allowed", seen(&self.last_allowed)),
            ("first refused", seen(&self.first_refused)),
            ("boundary", border),
            ("leeway seen", leeway),
        ];
        lines.extend(skew);
        lines
    }

    /// The state of a running drill, in words.
    pub fn so_far(&self, time: impl Fn(NumericDate) -> String) -> String {
        match (&self.last_allowed, &self.first_refused) {
            (_, Some(seen)) => format!("refused at {}", time(seen.at)),
            (Some(seen), None) => format!("allowed at {}; refusal is due at {}", time(seen.at), time(self.expected())),
            (None, None) => format!("waiting; refusal is due at {}", time(self.expected())),
        }
    }

    /// The verdict, in words.
    pub fn verdict(&self) -> String {
        match (&self.fault, self.found_to()) {
            _ if self.is_cancelled => "CANCELLED".to_owned(),
            (Some(fault), _) if self.is_undecided => format!("NO VERDICT: {fault}"),
            (Some(fault), _) => format!("FAILED: {fault}"),
            (None, Some(apart)) if self.skew.is_some() => {
                let refused = self.first_refused.as_ref().map_or(self.exp, |seen| seen.at);
                format!("PASSED: refused from {} (±{})", from_exp(refused, self.exp), exact(apart))
            }
            (None, Some(apart)) => {
                let end = from_exp(self.expected(), self.exp);
                format!("PASSED: refused from {end} (±{})", exact(apart))
            }
            (None, None) => "FAILED: no boundary found".to_owned(),
        }
    }
}

/// The token and tool of a drill.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The token's ID.
    pub id: TokenId,
    /// Its `jti` as written in the token.
    pub jti: Option<String>,
    /// Its display name; safe to show.
    pub name: String,
    /// The user and permissions with the claims that they come from, as sentences; empty for a token as it is issued
    /// here. Safe to show.
    pub claims: Vec<String>,
    /// The tool that is called.
    pub tool: Arc<str>,
}

/// The results of a drill, with its token and tool.
#[derive(Clone, Debug)]
pub struct DrillResult {
    /// The token and tool.
    pub subject: Subject,
    /// The results.
    pub report: Report,
    /// When the drill ended.
    pub at: NumericDate,
    /// The non-default settings of the gate; safe to show.
    pub judged_by: Vec<String>,
}

impl DrillResult {
    /// The report for other programs, with one case.
    pub fn report(&self) -> report::Report {
        let Self { subject, report: found, at, judged_by } = self;
        let border = from_exp(found.expected(), found.exp);
        let case = Case::new("drill", &format!("{} is refused from {border}", subject.tool));
        let fault = || found.fault.as_deref().unwrap_or("no boundary found");
        let case = match (found.passed(), found.is_cancelled) {
            (true, _) => case,
            (false, true) => case.without_verdict("the drill was cancelled"),
            (false, false) if found.is_undecided => case.without_verdict(fault()),
            (false, false) => found
                .lines(NumericDate::rfc3339)
                .iter()
                .fold(case.failed(fault()), |case, (label, value)| case.with(label, value)),
        };
        let mut report = report::Report::new("Expiry drill", *at)
            .with("token", &format!("{} ({})", subject.id, subject.name))
            .with("tool", &subject.tool)
            .with("judged by", &judged_words(judged_by));
        report.add(case);
        report
    }

    /// Formats the result as JSON for scripts. Spans are in seconds.
    pub fn json(&self) -> Value {
        let Self { subject, report, .. } = self;
        let at = |seen: &Option<Sample>| seen.as_ref().map(|seen| twice(seen.at));
        let leeway = report.leeway_seen();
        json!({
            "at": twice(self.at),
            "judged_by": self.judged_by,
            "passed": report.passed(),
            "verdict": report.verdict(),
            "token_id": subject.id.to_string(),
            "jti": subject.jti,
            "claims": subject.claims,
            "tool": *subject.tool,
            "shifted": report.plan.pace == Pace::Shifted,
            "every": report.plan.every.as_seconds_f64(),
            "calls": report.calls,
            "exp": twice(report.exp),
            "leeway": report.leeway.span().as_seconds_f64(),
            "expected": twice(report.expected()),
            "last_allowed": at(&report.last_allowed),
            "first_refused": at(&report.first_refused),
            "found_to": report.found_to().map(Span::as_seconds_f64),
            "leeway_above": leeway.map(|(above, _)| above.as_seconds_f64()),
            "leeway_most": leeway.map(|(_, most)| most.as_seconds_f64()),
            "skew": report.skew.map(Span::as_seconds_f64),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(-24_658, 342, "at most 342µs")]
    #[case(-25_000, 0, "0s")]
    #[case(-30_000, -5_000, "none: refused 5ms before exp")]
    #[case(4_999_999, 5_000_000, "5s")]
    #[case(4_990_000, 5_000_000, "more than 4s 990ms, at most 5s")]
    fn a_leeway_is_never_negative(#[case] allowed: i64, #[case] refused: i64, #[case] words: &str) {
        let exp = NumericDate::from_seconds(1_795_380_000);
        let sample = |micros| Some(Sample { at: exp.plus(Span::micros(micros)), code: "any" });
        let report = Report {
            plan: Plan { pace: Pace::Real, every: Span::millis(100), fine: false },
            exp,
            leeway: Leeway::NONE,
            calls: 2,
            last_allowed: sample(allowed),
            first_refused: sample(refused),
            fault: None,
            is_undecided: false,
            is_cancelled: false,
            skew: None,
        };
        let (_, seen) = report.lines(NumericDate::rfc3339).remove(4);
        assert_eq!(seen, words);
    }
}

//! The gate's answer to one call.

use super::check::{Check, CheckResult, Verdict};
use super::policy::Grant;
use super::reason::Reason;

/// The gate's answer to one call at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The permission that opened the tool, or why it stayed closed.
    pub result: Result<Grant, Reason>,
    /// The `user_id` of who asked, once the token was verified; of a forbidden call too.
    pub subject: Option<Box<str>>,
}

impl Decision {
    /// A refusal before the caller was verified.
    pub(crate) const fn refused(reason: Reason) -> Self {
        Self { result: Err(reason), subject: None }
    }

    /// Allowed, forbidden or unauthorized.
    pub fn verdict(&self) -> Verdict {
        self.result.as_ref().map_or_else(Reason::verdict, |_| Verdict::Allowed)
    }

    /// The reason, unless it is allowed.
    pub fn reason(&self) -> Option<&Reason> {
        self.result.as_ref().err()
    }

    /// The reason's code, or `allowed`.
    pub fn code(&self) -> &'static str {
        self.reason().map_or("allowed", Reason::code)
    }

    /// One sentence: the reason, or the permission it was allowed by. Safe to show.
    pub fn sentence(&self) -> String {
        match &self.result {
            Ok(grant) => grant.to_string(),
            Err(reason) => reason.to_string(),
        }
    }

    /// Returns every check with its result: passed, failed (the last one made), or not reached. It is derived from the
    /// table and the check that failed.
    pub fn trace(&self) -> impl Iterator<Item = (Check, CheckResult)> {
        let stop = self.reason().map(Reason::check);
        Check::ALL.into_iter().map(move |check| {
            let passed = match stop {
                Some(stop) if check == stop => CheckResult::No,
                Some(stop) if check > stop => CheckResult::NotReached,
                _ => CheckResult::Yes,
            };
            (check, passed)
        })
    }
}

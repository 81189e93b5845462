//! The gate's answer to one call.

use super::check::{Check, CheckResult, Verdict};
use super::policy::Grant;
use super::reason::Reason;

/// The gate's answer to one call at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The permission that allows the call, or why it is refused.
    pub result: Result<Grant, Reason>,
    /// The `user_id` of the caller if the token was verified, even if the call is forbidden.
    pub subject: Option<Box<str>>,
}

impl Decision {
    /// A refusal before the caller was verified.
    pub(crate) const fn refused(reason: Reason) -> Self {
        Self { result: Err(reason), subject: None }
    }

    /// The verdict: allowed, forbidden or unauthorized.
    pub fn verdict(&self) -> Verdict {
        self.result.as_ref().map_or_else(Reason::verdict, |_| Verdict::Allowed)
    }

    /// The reason for the refusal; `None` if the call is allowed.
    pub fn reason(&self) -> Option<&Reason> {
        self.result.as_ref().err()
    }

    /// The reason's code, or `allowed`.
    pub fn code(&self) -> &'static str {
        self.reason().map_or("allowed", Reason::code)
    }

    /// One sentence: the reason, or the permission that allows the call. Safe to show.
    pub fn sentence(&self) -> String {
        match &self.result {
            Ok(grant) => grant.to_string(),
            Err(reason) => reason.to_string(),
        }
    }

    /// Returns every check with its result: passed, failed (the last one made), or not reached. The results are derived
    /// from the order of the checks and the one that failed.
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

//! The expectations of a policy, which form its truth table.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use super::Policy;
use crate::auth::check::Verdict;
use crate::text;

/// One line of a policy's truth table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The callers to which it applies.
    pub who: CallerSelector,
    /// The tool.
    pub tool: Arc<str>,
    /// The expected outcome.
    pub outcome: ExpectedOutcome,
}

/// The callers to which an expectation applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerSelector {
    /// Callers with a valid token of this `user_id`.
    User(Arc<str>),
    /// Callers with a valid token with exactly these permissions, in any order.
    Permissions(Vec<Arc<str>>),
}

/// The expected outcome of a call; lower case in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExpectedOutcome {
    Allowed,
    Forbidden,
}

impl CallerSelector {
    /// Whether this applies to a principal with this name and these permissions.
    pub fn is(&self, user_id: Option<&str>, permissions: &[impl AsRef<str>]) -> bool {
        match self {
            Self::User(user) => Some(&**user) == user_id,
            Self::Permissions(set) => {
                let held: HashSet<&str> = permissions.iter().map(AsRef::as_ref).collect();
                let meant: HashSet<&str> = set.iter().map(|p| &**p).collect();
                held == meant
            }
        }
    }

    /// Returns a value that is equal for selectors of the same callers: the user, or the permissions in any order.
    fn meant(&self) -> (Option<&str>, BTreeSet<&str>) {
        match self {
            Self::User(user) => (Some(user), BTreeSet::new()),
            Self::Permissions(set) => (None, set.iter().map(|p| &**p).collect()),
        }
    }

    /// Whether both select the same callers.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.meant() == other.meant()
    }
}

/// Formats the callers as a phrase. Safe to show.
impl fmt::Display for CallerSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {}", text::name(user, 64)),
            Self::Permissions(set) if set.is_empty() => f.write_str("no permission"),
            Self::Permissions(set) => f.write_str(&text::names(set.iter(), 64, 8, ", ")),
        }
    }
}

/// The caller, the tool and the expected outcome. Safe to show.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}: expected {}", text::name(&self.tool, 64), self.who, self.outcome.word())
    }
}

impl Policy {
    /// Whether an expectation is about a user rather than about permissions.
    pub fn expects_of_users(&self) -> bool {
        self.parts().expectations.iter().any(|line| matches!(line.who, CallerSelector::User(_)))
    }

    /// Returns the expectations, each with whether it applies: of two about the same calls, only the first one does.
    pub fn counted(&self) -> impl Iterator<Item = (&Expectation, bool)> {
        let mut seen = HashSet::new();
        self.parts().expectations.iter().map(move |line| (line, seen.insert((line.who.meant(), &*line.tool))))
    }

    /// Returns the verdict of checks 9 and 10 for a caller with a valid token and these permissions.
    pub fn verdict(&self, held: &[impl AsRef<str>], tool: &str) -> Verdict {
        self.authorize(held, tool).map_or(Verdict::Forbidden, |_| Verdict::Allowed)
    }

    /// Returns the failed expectations about permissions; those about users need tokens. An expectation about an
    /// unknown tool always fails.
    pub fn failed(&self) -> impl Iterator<Item = &Expectation> {
        self.counted().filter_map(|(line, counts)| counts.then_some(line)).filter(|line| match &line.who {
            CallerSelector::User(_) => false,
            CallerSelector::Permissions(set) => {
                self.tool(&line.tool).is_none() || !line.outcome.is(self.verdict(set, &line.tool))
            }
        })
    }
}

impl Policy {
    /// Returns a failed expectation of [`Policy::failed`] with what the policy decides instead. Safe to show.
    pub fn failure(&self, line: &Expectation) -> String {
        let instead = match line.outcome {
            _ if self.tool(&line.tool).is_none() => "but the policy has no such tool",
            ExpectedOutcome::Allowed => "got forbidden",
            ExpectedOutcome::Forbidden => "got allowed",
        };
        format!("{line}, {instead}")
    }
}

impl ExpectedOutcome {
    /// The word, as spelled in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
        }
    }

    /// Whether `verdict` is the expected one.
    pub fn is(self, verdict: Verdict) -> bool {
        match self {
            Self::Allowed => verdict == Verdict::Allowed,
            Self::Forbidden => verdict == Verdict::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_speaks_of_a_user_or_of_exactly_these_permissions() {
        let who = CallerSelector::Permissions(vec!["b".into(), "a".into()]);
        assert!(who.is(Some("x"), &["a", "b", "a"]) && who.is(None, &["a", "b"]));
        assert!(!who.is(Some("x"), &["a"]) && !who.is(Some("x"), &["a", "b", "c"]));
        assert!(
            CallerSelector::User("x".into()).is(Some("x"), &["a"])
                && !CallerSelector::User("x".into()).is(Some("y"), &["a"])
        );
    }

    #[test]
    fn what_the_policy_breaks_is_known_without_a_token() {
        let policy = Policy::parse(
            r#"
            [tools.look]
            permissions = ["viewer"]
            [permissions.editor]
            implies = ["viewer"]
            [[expect]]
            permissions = ["editor"]
            tool = "look"
            outcome = "allowed"
            [[expect]]
            permissions = ["editor"]
            tool = "look"
            outcome = "forbidden"
            [[expect]]
            permissions = ["viewer"]
            tool = "look"
            outcome = "forbidden"
            [[expect]]
            permissions = ["viewer"]
            tool = "gone"
            outcome = "forbidden"
            [[expect]]
            user = "ann"
            tool = "look"
            outcome = "forbidden"
            "#,
        );
        let policy = policy.expect("a policy");
        let said: Vec<String> = policy.failed().map(ToString::to_string).collect();
        assert_eq!(said, ["look for viewer: expected forbidden", "gone for viewer: expected forbidden"]);
        let said: Vec<String> = policy.failed().map(|line| policy.failure(line)).collect();
        assert_eq!(
            said,
            [
                "look for viewer: expected forbidden, got allowed",
                "gone for viewer: expected forbidden, but the policy has no such tool",
            ]
        );
    }
}

//! The policy: it maps each tool to permissions, any one of which allows a call. Everything else is denied.

mod expect;
mod file;
mod implies;
mod lint;
mod same;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

use crate::text;

pub use expect::{CallerSelector, Expectation, ExpectedOutcome};
pub use file::MAX_BYTES;
pub use implies::ImpliesError;
pub use lint::{Kind, Lint};
pub use schema::{InvalidSchema, Schema, SchemaMismatch};

/// The built-in policy, parsed from the same file that the documentation shows.
static BUILT_IN: LazyLock<Policy> =
    LazyLock::new(|| Policy::parse(include_str!("../../../assets/policy.toml")).expect("the built-in policy is valid"));

/// The permissions that allow each tool. Calls of tools that are not listed are forbidden.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    parts: Parts,
    places: BTreeMap<Arc<str>, usize>,
    permissions: Vec<Arc<str>>,
    /// The permissions that each permission implies, directly or through others. Permissions that imply none are
    /// omitted.
    implied: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

/// The parts of a policy, in the order of its file. For a duplicate name, the last entry is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// The tools.
    pub tools: Vec<ToolRule>,
    /// The permissions with an entry of their own; tools may list others.
    pub permissions: Vec<PermissionRule>,
    /// The expectations: the policy's truth table.
    pub expectations: Vec<Expectation>,
}

/// One tool's rule.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRule {
    /// The tool's name, as written in calls.
    pub name: Arc<str>,
    /// A description of the tool.
    pub description: Option<Arc<str>>,
    /// Any one of these allows a call; if empty, every call is forbidden.
    pub permissions: Arc<[Arc<str>]>,
    /// The schema of its arguments; `None` accepts any object.
    pub schema: Option<Schema>,
    /// Whether the gate itself answers allowed calls, by echoing tool and arguments, instead of passing them to a
    /// backend.
    pub stub: bool,
}

/// A permission's entry in a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRule {
    /// The name of the permission.
    pub name: Arc<str>,
    /// A description of the permission.
    pub description: Option<Arc<str>>,
    /// The permissions that a holder of this one holds as well.
    pub implies: Vec<Arc<str>>,
}

/// Why a principal may call a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The tool's permission that allows the call.
    pub permission: Arc<str>,
    /// The held permission that implies it, if it is a different one.
    pub through: Option<Arc<str>>,
}

/// Why permissions do not allow a tool to be called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DenialReason<'p> {
    /// The policy does not contain the tool.
    UnknownTool,
    /// The tool does not list any of the permissions.
    PermissionMissing(&'p ToolRule),
}

/// Formats the permission that allows the call as a phrase. Safe to show.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "permission {}", text::name(&self.permission, 64))?;
        match &self.through {
            Some(held) => write!(f, ", which {} implies", text::name(held, 64)),
            None => Ok(()),
        }
    }
}

impl ToolRule {
    /// Creates a rule with only permissions.
    pub fn new(name: &str, permissions: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let permissions = permissions.into_iter().map(|p| p.as_ref().into()).collect();
        Self { name: name.into(), description: None, permissions, schema: None, stub: false }
    }

    /// The permissions in words: `user or admin`, or that the policy lists none.
    pub fn needs(&self) -> String {
        if self.permissions.is_empty() {
            return "a permission, but the policy lists none".to_owned();
        }
        text::names(self.permissions.iter(), 64, 8, " or ")
    }
}

/// Why a text or file is not a valid policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or not a policy. Line and column count from 1.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line of the error.
        line: usize,
        /// The column of the error, in characters.
        column: usize,
        /// The error; safe to show.
        message: String,
    },
    /// Larger than [`MAX_BYTES`].
    #[error("the policy is {bytes} bytes long, expected at most {MAX_BYTES}")]
    TooLarge {
        /// The size of the text.
        bytes: usize,
    },
    /// Its permissions imply each other in a cycle, or imply far too many others.
    #[error(transparent)]
    Implies(#[from] ImpliesError),
}

impl Policy {
    /// Builds a policy from its parts.
    pub fn build(parts: Parts) -> Result<Self, ImpliesError> {
        let implied = implies::closure(&parts.permissions)?;
        Ok(Self::assemble(parts, implied))
    }

    fn assemble(parts: Parts, implied: BTreeMap<Arc<str>, Vec<Arc<str>>>) -> Self {
        let mut policy = Self { parts: Parts::default(), places: BTreeMap::new(), permissions: Vec::new(), implied };
        for rule in parts.tools {
            if let Some(place) = policy.places.get(&rule.name) {
                policy.parts.tools[*place] = rule;
            } else {
                policy.places.insert(Arc::clone(&rule.name), policy.parts.tools.len());
                policy.parts.tools.push(rule);
            }
        }
        (policy.parts.permissions, policy.parts.expectations) = (parts.permissions, parts.expectations);
        let mut seen = BTreeSet::new();
        let asked = policy.parts.tools.iter().flat_map(|tool| tool.permissions.iter());
        let all = asked.chain(policy.parts.permissions.iter().map(|rule| &rule.name));
        policy.permissions = all.filter(|permission| seen.insert(&***permission)).cloned().collect();
        policy
    }

    /// Creates a policy from tools and their permissions. For a duplicate tool, the last rule is used.
    pub fn new<P: AsRef<str>>(rules: impl IntoIterator<Item = (impl AsRef<str>, impl IntoIterator<Item = P>)>) -> Self {
        let tools = rules.into_iter().map(|(name, permissions)| ToolRule::new(name.as_ref(), permissions)).collect();
        Self::assemble(Parts { tools, ..Parts::default() }, BTreeMap::new())
    }

    /// The parts of the policy. A tool that was listed twice occurs once.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The tools' rules, in the order of the file.
    pub fn tools(&self) -> &[ToolRule] {
        &self.parts.tools
    }

    /// The rule of one tool, if the policy lists it.
    pub fn tool(&self, name: &str) -> Option<&ToolRule> {
        self.places.get(name).and_then(|place| self.tools().get(*place))
    }

    /// Every permission in the policy: those listed by tools, in the order of their first appearance, then the others.
    pub fn permissions(&self) -> &[Arc<str>] {
        &self.permissions
    }

    /// The SHA-256 of everything that affects decisions, as hex digits: tools with their permissions, and implied
    /// permissions, regardless of their order. Two policies with the same digest decide alike.
    pub fn digest(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let sorted = |names: &[Arc<str>]| {
            let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
            names.sort_unstable();
            names.dedup();
            // A name may contain any character; its quoted form cannot run into the next one.
            format!("{names:?}")
        };
        lines.extend(self.tools().iter().map(|rule| format!("tool {:?} {}", rule.name, sorted(&rule.permissions))));
        lines.extend(self.implied.iter().map(|(name, implied)| format!("permission {name:?} {}", sorted(implied))));
        lines.sort_unstable();
        Sha256::digest(lines.join("\n")).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// Whether the policy contains this permission.
    pub fn names(&self, permission: &str) -> bool {
        self.permissions.iter().any(|known| **known == *permission)
    }

    /// Whether a tool lists this permission.
    pub fn asks_for(&self, permission: &str) -> bool {
        self.tools().iter().any(|tool| tool.permissions.iter().any(|asked| **asked == *permission))
    }

    /// Returns permissions that suffice to call a tool: the first one that it lists, or an empty list.
    pub fn opening(&self, tool: &str) -> Vec<String> {
        self.tool(tool).and_then(|rule| rule.permissions.first()).map(ToString::to_string).into_iter().collect()
    }

    /// Returns the least permission that allows a tool, or any tool: the one that allows the fewest tools, and the
    /// first of several such.
    pub fn least(&self, tool: Option<&str>) -> Option<&Arc<str>> {
        let opened = |permission: &&Arc<str>| {
            self.tools().iter().filter(|rule| self.grant(&[&***permission], rule).is_some()).count()
        };
        match tool {
            Some(tool) => self.tool(tool)?.permissions.iter().min_by_key(opened),
            None => self.permissions.iter().filter(|permission| opened(permission) > 0).min_by_key(opened),
        }
    }

    /// Returns the held permission that is this one or implies it. This is the only membership test.
    pub fn holds<'h, P: AsRef<str>>(&self, held: &'h [P], permission: &str) -> Option<&'h P> {
        let itself = held.iter().find(|held| held.as_ref() == permission);
        if itself.is_some() || self.implied.is_empty() {
            return itself;
        }
        held.iter().find(|held| self.implied_by(held.as_ref()).iter().any(|implied| **implied == *permission))
    }

    /// Returns the permissions that a permission implies, directly or through others.
    pub fn implied_by(&self, permission: &str) -> &[Arc<str>] {
        self.implied.get(permission).map_or(&[], Vec::as_slice)
    }

    /// Returns how these permissions allow a tool, or `None` if they do not.
    pub fn grant(&self, held: &[impl AsRef<str>], tool: &ToolRule) -> Option<Grant> {
        tool.permissions.iter().find_map(|permission| {
            let held = self.holds(held, permission)?.as_ref();
            let through = (*held != **permission).then(|| held.into());
            Some(Grant { permission: Arc::clone(permission), through })
        })
    }

    /// Makes checks 9 and 10: returns the permission that allows the tool, or why there is none. Every decision uses
    /// it.
    pub fn authorize(&self, held: &[impl AsRef<str>], tool: &str) -> Result<Grant, DenialReason<'_>> {
        let rule = self.tool(tool).ok_or(DenialReason::UnknownTool)?;
        self.grant(held, rule).ok_or(DenialReason::PermissionMissing(rule))
    }

    /// Whether the policy has no tools, permissions or expectations.
    pub fn is_empty(&self) -> bool {
        let parts = &self.parts;
        parts.tools.is_empty() && parts.permissions.is_empty() && parts.expectations.is_empty()
    }

    /// Returns the first expectation for a principal with this name and these permissions who calls this tool. If
    /// `user` is `None`, only expectations about permissions can match.
    pub fn expected(&self, user: Option<&str>, permissions: &[impl AsRef<str>], tool: &str) -> Option<&Expectation> {
        self.parts.expectations.iter().find(|line| *line.tool == *tool && line.who.is(user, permissions))
    }
}

impl Default for Policy {
    fn default() -> Self {
        BUILT_IN.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_is_the_labs_and_implies_nothing() {
        let shown: Vec<(String, String)> =
            Policy::default().tools().iter().map(|t| (t.name.to_string(), t.needs())).collect();
        let wanted = [("read_data", "user or admin"), ("write_data", "admin"), ("delete_data", "admin")];
        assert_eq!(shown, wanted.map(|(tool, needs)| (tool.to_owned(), needs.to_owned())));
        assert_eq!(Policy::default().permissions(), ["user".into(), "admin".into()]);
        assert!(Policy::default().implied.is_empty());
    }

    #[test]
    fn a_tool_is_found_among_few_and_among_many() {
        for count in [1, 16, 17, 1000] {
            let policy = Policy::new((0..count).map(|n| (format!("tool{n}"), [format!("permission{n}")])));
            for n in 0..count {
                assert_eq!(policy.tool(&format!("tool{n}")).map(ToolRule::needs), Some(format!("permission{n}")));
            }
            assert_eq!(policy.tool("tool"), None);
        }
    }

    #[test]
    fn the_least_permission_opens_the_fewest_tools() {
        let policy = Policy::new([("look", vec!["owner", "viewer"]), ("change", vec!["owner"]), ("closed", vec![])]);
        let least = |tool| policy.least(tool).map(|permission| &**permission);
        assert_eq!([Some("look"), Some("change"), None].map(least), [Some("viewer"), Some("owner"), Some("viewer")]);
        assert_eq!([Some("closed"), Some("gone")].map(least), [None, None]);
    }

    #[test]
    fn a_permission_opens_what_those_it_implies_open() {
        let rule = |name: &str, implies: &str| PermissionRule {
            name: name.into(),
            description: None,
            implies: vec![implies.into()],
        };
        let tools = vec![ToolRule::new("look", ["viewer"])];
        let permissions = vec![rule("owner", "editor"), rule("editor", "viewer")];
        let policy = Policy::build(Parts { tools, permissions, ..Parts::default() }).expect("a policy");
        let tool = policy.tool("look").expect("in it");
        let through = |held: &[&str]| policy.grant(held, tool).map(|grant| grant.through);
        assert_eq!(through(&["viewer"]), Some(None));
        assert_eq!(through(&["x", "owner"]), Some(Some("owner".into())));
        assert_eq!(through(&["owner", "viewer"]), Some(None), "what is held itself comes first");
        assert_eq!(through(&["x"]), None);
        assert_eq!(policy.permissions(), ["viewer", "owner", "editor"].map(Arc::from));
    }
}

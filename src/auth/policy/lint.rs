//! What is odd about a policy that can be read: rules that can never match, and names that lead nowhere.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::Policy;
use crate::text;

/// One odd thing about a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence of each says what it is; fields are named for what they hold")]
pub enum Lint {
    NoTools,
    OpenToNobody { tool: Arc<str> },
    SchemaRefusesAll { tool: Arc<str>, why: &'static str },
    ExampleRefused { tool: Arc<str>, why: String },
    Repeated { tool: Arc<str>, permission: Arc<str> },
    OpensNothing { permission: Arc<str> },
    ExpectsUnknownTool { tool: Arc<str> },
    ExpectedTwice { who: String, tool: Arc<str> },
}

impl Lint {
    /// The code, as scripts read it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoTools => "no_tools",
            Self::OpenToNobody { .. } => "open_to_nobody",
            Self::SchemaRefusesAll { .. } => "schema_refuses_all",
            Self::ExampleRefused { .. } => "example_refused",
            Self::Repeated { .. } => "repeated",
            Self::OpensNothing { .. } => "opens_nothing",
            Self::ExpectsUnknownTool { .. } => "expects_unknown_tool",
            Self::ExpectedTwice { .. } => "expected_twice",
        }
    }
}

impl Lint {
    /// The tool it speaks of.
    pub fn tool(&self) -> Option<&Arc<str>> {
        match self {
            Self::OpenToNobody { tool }
            | Self::SchemaRefusesAll { tool, .. }
            | Self::ExampleRefused { tool, .. }
            | Self::Repeated { tool, .. }
            | Self::ExpectsUnknownTool { tool }
            | Self::ExpectedTwice { tool, .. } => Some(tool),
            Self::NoTools | Self::OpensNothing { .. } => None,
        }
    }
}

/// One sentence without a full stop. Safe to show.
impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |text: &str| text::name(text, 64);
        match self {
            Self::NoTools => write!(f, "it names no tool: everything is forbidden to all"),
            Self::OpenToNobody { tool } => write!(f, "{} names no permission: nobody may call it", name(tool)),
            Self::SchemaRefusesAll { tool, why } => {
                write!(f, "the schema of {} refuses all arguments: {why}", name(tool))
            }
            Self::ExampleRefused { tool, why } => {
                write!(f, "the schema of {} refuses its own example: {why}", name(tool))
            }
            Self::Repeated { tool, permission } => write!(f, "{} names {} twice", name(tool), name(permission)),
            Self::OpensNothing { permission } => write!(f, "the permission {} opens no tool", name(permission)),
            Self::ExpectsUnknownTool { tool } => {
                write!(f, "something is expected of {}, which is no tool of this policy", name(tool))
            }
            Self::ExpectedTwice { who, tool } => {
                write!(f, "two expectations speak of {who} and {}; the first one counts", name(tool))
            }
        }
    }
}

impl Policy {
    /// What is odd about it, in the order of the file.
    pub fn lints(&self) -> Vec<Lint> {
        let mut found = Vec::new();
        if self.tools().is_empty() {
            found.push(Lint::NoTools);
        }
        for tool in self.tools() {
            let name = || Arc::clone(&tool.name);
            if tool.permissions.is_empty() {
                found.push(Lint::OpenToNobody { tool: name() });
            }
            let mut seen = HashSet::new();
            let again = tool.permissions.iter().filter(|permission| !seen.insert(&***permission));
            found.extend(again.map(|p| Lint::Repeated { tool: name(), permission: Arc::clone(p) }));
            if let Some(schema) = &tool.schema {
                if let Some(why) = schema.refuses_all() {
                    found.push(Lint::SchemaRefusesAll { tool: name(), why });
                    continue;
                }
                let refused = schema.refused_examples().into_iter();
                found.extend(refused.map(|why| Lint::ExampleRefused { tool: name(), why: why.to_string() }));
            }
        }
        let asked: HashSet<&str> = self.tools().iter().flat_map(|tool| tool.permissions.iter()).map(|p| &**p).collect();
        for rule in &self.parts().permissions {
            let mut all = self.implied_by(&rule.name).iter().chain([&rule.name]);
            if !all.any(|permission| asked.contains(&**permission)) {
                found.push(Lint::OpensNothing { permission: Arc::clone(&rule.name) });
            }
        }
        for (line, counts) in self.counted() {
            if self.tool(&line.tool).is_none() {
                found.push(Lint::ExpectsUnknownTool { tool: Arc::clone(&line.tool) });
            } else if !counts {
                found.push(Lint::ExpectedTwice { who: line.who.to_string(), tool: Arc::clone(&line.tool) });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_has_nothing_odd() {
        assert_eq!(Policy::default().lints(), []);
    }

    #[test]
    fn rules_that_can_never_match_are_named() {
        let policy = Policy::parse(
            r#"
            [tools.a]
            permissions = []
            [tools.b]
            permissions = ["x", "x"]
            schema = false
            [tools.c]
            permissions = ["x"]
            schema = { type = "object", required = ["id"], examples = [{}] }
            [permissions.y]
            [permissions.z]
            implies = ["x"]
            [[expect]]
            permissions = ["x"]
            tool = "gone"
            outcome = "allowed"
            [[expect]]
            permissions = ["x"]
            tool = "b"
            outcome = "allowed"
            [[expect]]
            permissions = ["x"]
            tool = "b"
            outcome = "forbidden"
            "#,
        );
        let said: Vec<String> = policy.expect("a policy").lints().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "a names no permission: nobody may call it",
                "b names x twice",
                "the schema of b refuses all arguments: it is false",
                "the schema of c refuses its own example: arguments: \"id\" is a required property",
                "the permission y opens no tool",
                "something is expected of gone, which is no tool of this policy",
                "two expectations speak of x and b; the first one counts",
            ]
        );
    }
}

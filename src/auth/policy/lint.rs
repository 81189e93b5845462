//! Lints of valid policies: rules that can never match, and names that refer to nothing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::{CallerSelector, Policy, ToolRule};
use crate::text;

/// One oddity of a policy.
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
    OuterSpace { kind: Kind, name: Arc<str> },
    SameButForCase { kind: Kind, first: Arc<str>, second: Arc<str> },
    NotAnMcpName { tool: Arc<str> },
    RefusedBySomeClients { tool: Arc<str> },
    NotImplemented { tool: Arc<str> },
}

/// The kind of a name in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Tool,
    Permission,
    User,
}

impl Kind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Permission => "permission",
            Self::User => "user",
        }
    }
}

impl Lint {
    /// The lint's code, for scripts.
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
            Self::OuterSpace { .. } => "outer_space",
            Self::SameButForCase { .. } => "same_but_for_case",
            Self::NotAnMcpName { .. } => "not_an_mcp_name",
            Self::RefusedBySomeClients { .. } => "refused_by_some_clients",
            Self::NotImplemented { .. } => "not_implemented",
        }
    }
}

impl Lint {
    /// The tool that the lint is about, if it is about one.
    pub fn tool(&self) -> Option<&Arc<str>> {
        match self {
            Self::OpenToNobody { tool }
            | Self::SchemaRefusesAll { tool, .. }
            | Self::ExampleRefused { tool, .. }
            | Self::Repeated { tool, .. }
            | Self::ExpectsUnknownTool { tool }
            | Self::ExpectedTwice { tool, .. }
            | Self::OuterSpace { kind: Kind::Tool, name: tool }
            | Self::SameButForCase { kind: Kind::Tool, second: tool, .. }
            | Self::NotAnMcpName { tool }
            | Self::RefusedBySomeClients { tool }
            | Self::NotImplemented { tool } => Some(tool),
            Self::NoTools | Self::OpensNothing { .. } | Self::OuterSpace { .. } | Self::SameButForCase { .. } => None,
        }
    }
}

/// One sentence without a full stop. Safe to show.
impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |text: &str| text::name(text, 64);
        match self {
            Self::NoTools => write!(f, "the policy has no tools: every call is forbidden"),
            Self::OpenToNobody { tool } => {
                write!(f, "{} lists no permissions: every call to it is forbidden", name(tool))
            }
            Self::SchemaRefusesAll { tool, why } => {
                write!(f, "the schema of {} rejects all arguments: {why}", name(tool))
            }
            Self::ExampleRefused { tool, why } => {
                write!(f, "the schema of {} rejects its own example: {why}", name(tool))
            }
            Self::Repeated { tool, permission } => write!(f, "{} lists {} twice", name(tool), name(permission)),
            Self::OpensNothing { permission } => write!(f, "no tool lists the permission {}", name(permission)),
            Self::ExpectsUnknownTool { tool } => {
                write!(f, "an expectation names {}, which is not a tool of this policy", name(tool))
            }
            Self::ExpectedTwice { who, tool } => {
                write!(f, "two expectations for {who} and {}; only the first one applies", name(tool))
            }
            Self::OuterSpace { kind, name: found } => {
                write!(f, "the {} \"{}\" begins or ends with a space", kind.noun(), name(found))
            }
            Self::SameButForCase { kind, first, second } => {
                write!(f, "the {}s {} and {} differ only in case", kind.noun(), name(first), name(second))
            }
            Self::NotAnMcpName { tool } => {
                write!(
                    f,
                    "clients may reject the tool name {}: MCP allows 1 to {MOST_OF_MCP} characters from A-Z a-z 0-9 _ - .",
                    name(tool)
                )
            }
            Self::RefusedBySomeClients { tool } => {
                write!(
                    f,
                    "some clients reject the tool name {}: they allow 1 to {MOST_OF_CLIENTS} characters from A-Z a-z 0-9 _ -",
                    name(tool)
                )
            }
            Self::NotImplemented { tool } => {
                write!(
                    f,
                    "{} is not implemented, so allowed calls to it fail; stub = true lets the gate answer instead",
                    name(tool)
                )
            }
        }
    }
}

/// The longest tool name that MCP allows, in characters (revision 2025-11-25, server/tools, "Tool Names").
const MOST_OF_MCP: usize = 128;

/// The longest tool name that every client accepts, in characters. Several clients pass names on to a model's API,
/// which requires `^[a-zA-Z0-9_-]{1,64}$`: less than MCP allows.
const MOST_OF_CLIENTS: usize = 64;

/// Returns a lint if clients may reject the tool's name.
fn tool_name(tool: &Arc<str>) -> Option<Lint> {
    let is = |most: usize, more: &[char]| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || more.contains(&c);
        (1..=most).contains(&tool.len()) && tool.chars().all(fits)
    };
    let tool = || Arc::clone(tool);
    match (is(MOST_OF_MCP, &['.']), is(MOST_OF_CLIENTS, &[])) {
        (_, true) => None,
        (true, false) => Some(Lint::RefusedBySomeClients { tool: tool() }),
        (false, false) => Some(Lint::NotAnMcpName { tool: tool() }),
    }
}

impl Policy {
    /// All names in the policy, each once for its kind, in the order of the file.
    fn all_names(&self) -> Vec<(Kind, &Arc<str>)> {
        let parts = self.parts();
        let mut all: Vec<(Kind, &Arc<str>)> = Vec::new();
        for tool in &parts.tools {
            all.push((Kind::Tool, &tool.name));
            all.extend(tool.permissions.iter().map(|permission| (Kind::Permission, permission)));
        }
        for rule in &parts.permissions {
            all.extend([&rule.name].into_iter().chain(&rule.implies).map(|permission| (Kind::Permission, permission)));
        }
        for line in &parts.expectations {
            match &line.who {
                CallerSelector::User(user) => all.push((Kind::User, user)),
                CallerSelector::Permissions(set) => {
                    all.extend(set.iter().map(|permission| (Kind::Permission, permission)));
                }
            }
            all.push((Kind::Tool, &line.tool));
        }
        let mut seen = HashSet::new();
        all.retain(|named| seen.insert(*named));
        all
    }

    /// Returns lints for names that look alike: to people they are one name, to the gate they are two.
    fn look_alikes(&self) -> Vec<Lint> {
        let mut found = Vec::new();
        let mut folded: HashMap<(Kind, String), &Arc<str>> = HashMap::new();
        for (kind, name) in self.all_names() {
            if name.trim() != &**name {
                found.push(Lint::OuterSpace { kind, name: Arc::clone(name) });
            }
            if let Some(first) = folded.get(&(kind, name.to_lowercase())) {
                found.push(Lint::SameButForCase { kind, first: Arc::clone(first), second: Arc::clone(name) });
            } else {
                folded.insert((kind, name.to_lowercase()), name);
            }
        }
        found
    }

    /// Returns lints for tools that are not implemented according to `is_implemented`. Stubs are exempt: the gate
    /// answers them.
    pub fn not_implemented(&self, is_implemented: impl Fn(&str) -> bool) -> Vec<Lint> {
        let lacks = |tool: &&ToolRule| !tool.stub && !is_implemented(&tool.name);
        let lacking = self.tools().iter().filter(lacks);
        lacking.map(|tool| Lint::NotImplemented { tool: Arc::clone(&tool.name) }).collect()
    }

    /// Returns the lints, in the order of the file.
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
        found.extend(self.look_alikes());
        // Names with outer spaces have been reported already.
        let names = self.tools().iter().map(|tool| &tool.name).filter(|name| name.trim() == &***name);
        found.extend(names.filter_map(tool_name));
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
                "a lists no permissions: every call to it is forbidden",
                "b lists x twice",
                "the schema of b rejects all arguments: it is false",
                "the schema of c rejects its own example: arguments: \"id\" is a required property",
                "no tool lists the permission y",
                "an expectation names gone, which is not a tool of this policy",
                "two expectations for x and b; only the first one applies",
            ]
        );
    }

    fn said(source: &str) -> Vec<String> {
        Policy::parse(source).expect("a policy").lints().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_with_outer_spaces_are_warned_of_wherever_they_occur() {
        let policy = "[tools.read]\npermissions = [\"user \"]\n[tools.\"write \"]\npermissions = [\"\\tadmin\"]\n\
                      [permissions.\" editor\"]\nimplies = [\"user\\u00a0\", \"user \"]\n\
                      [[expect]]\nuser = \"ann \"\ntool = \"read\"\noutcome = \"allowed\"\n";
        let said: Vec<String> = said(policy).into_iter().filter(|lint| lint.contains("space")).collect();
        assert_eq!(
            said,
            [
                r#"the permission "user\u{20}" begins or ends with a space"#,
                r#"the tool "write\u{20}" begins or ends with a space"#,
                r#"the permission "\u{9}admin" begins or ends with a space"#,
                r#"the permission "\u{20}editor" begins or ends with a space"#,
                r#"the permission "user\u{a0}" begins or ends with a space"#,
                r#"the user "ann\u{20}" begins or ends with a space"#,
            ]
        );
    }

    #[test]
    fn names_that_differ_by_case_only_are_warned_of_within_their_kind() {
        let policy = "[tools.read]\npermissions = [\"user\", \"READ\"]\n[tools.Read]\npermissions = [\"User\"]\n\
                      [permissions.\"Élan\"]\nimplies = [\"user\"]\n[permissions.\"élan\"]\nimplies = [\"user\"]\n";
        assert_eq!(
            said(policy),
            [
                "the tools read and Read differ only in case",
                "the permissions user and User differ only in case",
                "the permissions Élan and élan differ only in case",
            ]
        );
    }

    #[test]
    fn tool_names_that_clients_refuse_are_warned_of() {
        let long = |n: usize| "a".repeat(n);
        let warned = |name: &str| tool_name(&name.into()).map(|lint| lint.code());
        for name in ["a", "mcp__srv__tool", "get-User_2", &long(64)] {
            assert_eq!(warned(name), None, "{name}");
        }
        for name in ["db.query", "admin.tools.list", &long(65), &long(128)] {
            assert_eq!(warned(name), Some("refused_by_some_clients"), "{name}");
        }
        for name in ["", "github/create_issue", "a:b", "a b", "a,b", "читать", &long(129)] {
            assert_eq!(warned(name), Some("not_an_mcp_name"), "{name}");
        }
        assert_eq!(
            said("[tools.\"db.query\"]\npermissions = [\"user\"]\n[tools.\"a/b\"]\npermissions = [\"user\"]\n"),
            [
                "some clients reject the tool name db.query: they allow 1 to 64 characters from A-Z a-z 0-9 _ -",
                "clients may reject the tool name a/b: MCP allows 1 to 128 characters from A-Z a-z 0-9 _ - .",
            ]
        );
    }

    #[test]
    fn a_tool_that_nothing_implements_is_warned_of_unless_it_is_a_stub() {
        let policy = "[tools.here]\npermissions = [\"x\"]\n[tools.gone]\npermissions = [\"x\"]\n\
                      [tools.echo]\npermissions = [\"x\"]\nstub = true\n";
        let policy = Policy::parse(policy).expect("a policy");
        let said: Vec<String> = policy.not_implemented(|name| name == "here").iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            ["gone is not implemented, so allowed calls to it fail; stub = true lets the gate answer instead"]
        );
    }
}

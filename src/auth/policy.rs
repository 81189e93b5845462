//! The policy: tool → the permissions of which any one suffices. Default deny.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use crate::text;

/// The policy that is built in: the one of `assets/policy.toml`.
const BUILT_IN: &str = include_str!("../../assets/policy.toml");

/// A policy file larger than this is refused, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Which permissions open which tool. A tool that is not in it is forbidden to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    tools: Vec<ToolRule>,
    places: HashMap<Arc<str>, usize>,
    permissions: Vec<Arc<str>>,
}

/// One tool's rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolRule {
    /// The tool's name, as a caller spells it.
    pub name: Arc<str>,
    /// Any one of these opens it; with none it is closed to all.
    pub permissions: Arc<[Arc<str>]>,
}

impl ToolRule {
    /// The permissions in words: `user or admin`, `a permission nobody can have` for none.
    pub fn needs(&self) -> String {
        if self.permissions.is_empty() {
            return "a permission nobody can have".to_owned();
        }
        text::names(self.permissions.iter(), 64, 8, " or ")
    }
}

/// A text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or not of the policy's shape; line and column count from 1.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line of the fault.
        line: usize,
        /// Column of the fault, in characters.
        column: usize,
        /// What is wrong there; safe to show.
        message: String,
    },
    /// Larger than [`MAX_BYTES`].
    #[error("{bytes} bytes, more than a policy may have ({MAX_BYTES})")]
    TooLarge {
        /// The size found.
        bytes: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tools: Tools,
}

/// A map whose order is that of the file, because it becomes the order on the screen.
#[derive(Default)]
struct Tools(Vec<(String, Tool)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    permissions: Vec<String>,
}

impl<'de> Deserialize<'de> for Tools {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Tools;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of tools")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tools, A::Error> {
                let mut tools = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    tools.push(entry);
                }
                Ok(Tools(tools))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Policy {
    /// Reads a policy file's bytes.
    pub fn read(source: &[u8]) -> Result<Self, PolicyError> {
        match std::str::from_utf8(source) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let good = source.get(..error.valid_up_to()).unwrap_or_default();
                Err(fault(&String::from_utf8_lossy(good), "not UTF-8"))
            }
        }
    }

    /// Reads a policy file's text.
    pub fn parse(source: &str) -> Result<Self, PolicyError> {
        if source.len() > MAX_BYTES {
            return Err(PolicyError::TooLarge { bytes: source.len() });
        }
        let file: File = toml::from_str(source)
            .map_err(|error| fault(text::head(source, error.span().map_or(0, |span| span.start)), error.message()))?;
        Ok(Self::new(file.tools.0.into_iter().map(|(name, tool)| (name, tool.permissions))))
    }

    /// A policy of tools and the permissions of which any one suffices. Of a tool given twice the last rule counts.
    pub fn new<P: AsRef<str>>(rules: impl IntoIterator<Item = (impl AsRef<str>, impl IntoIterator<Item = P>)>) -> Self {
        let mut policy = Self { tools: Vec::new(), places: HashMap::new(), permissions: Vec::new() };
        for (name, permissions) in rules {
            let name: Arc<str> = name.as_ref().into();
            let permissions = permissions.into_iter().map(|p| p.as_ref().into()).collect();
            let rule = ToolRule { name: Arc::clone(&name), permissions };
            if let Some(place) = policy.places.get(&name) {
                policy.tools[*place] = rule;
            } else {
                policy.places.insert(name, policy.tools.len());
                policy.tools.push(rule);
            }
        }
        let mut seen = HashSet::new();
        let all = policy.tools.iter().flat_map(|tool| tool.permissions.iter());
        policy.permissions = all.filter(|permission| seen.insert(&**permission)).cloned().collect();
        policy
    }

    /// The rules, in the order of the file.
    pub fn tools(&self) -> &[ToolRule] {
        &self.tools
    }

    /// The rule of one tool.
    pub fn tool(&self, name: &str) -> Option<&ToolRule> {
        // A few names are compared faster than one is hashed.
        if self.tools.len() <= 16 {
            return self.tools.iter().find(|tool| *tool.name == *name);
        }
        self.places.get(name).and_then(|place| self.tools.get(*place))
    }

    /// Every permission that some tool asks for, in the order in which they first appear.
    pub fn permissions(&self) -> &[Arc<str>] {
        &self.permissions
    }

    /// Whether some tool asks for this permission.
    pub fn names(&self, permission: &str) -> bool {
        self.permissions.iter().any(|known| **known == *permission)
    }
}

/// A fault behind this part of the text.
fn fault(before: &str, message: &str) -> PolicyError {
    let (line, column) = text::place(before);
    PolicyError::Syntax { line, column, message: text::display_safe(message, 200) }
}

impl Default for Policy {
    fn default() -> Self {
        Self::parse(BUILT_IN).expect("the built-in policy is tested")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_built_in_policy_is_the_labs() {
        let shown: Vec<(String, String)> =
            Policy::default().tools().iter().map(|t| (t.name.to_string(), t.needs())).collect();
        let wanted = [("read_data", "user or admin"), ("write_data", "admin"), ("delete_data", "admin")];
        assert_eq!(shown, wanted.map(|(tool, needs)| (tool.to_owned(), needs.to_owned())));
        assert_eq!(Policy::default().permissions(), ["user".into(), "admin".into()]);
    }

    #[rstest]
    #[case(
        "[tools.a]\npermissions = \"user\"",
        "line 2, column 15: invalid type: string \"user\", expected a sequence"
    )]
    #[case("[tools.a]\nperms = []", "line 2, column 1: unknown field `perms`, expected `permissions`")]
    #[case("[tools.a]\npermissions = []\n[tools.a]", "line 3, column 8: duplicate key")]
    #[case("[tool", "line 1, column 6: unclosed table, expected `]`")]
    fn a_broken_policy_names_the_place(#[case] source: &str, #[case] message: &str) {
        assert_eq!(Policy::parse(source).map_err(|e| e.to_string()), Err(message.to_owned()));
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
    fn a_policy_that_is_not_utf_8_names_the_place() {
        let error = Policy::read(b"[tools.a]\npermissions = [\"us\xe9r\"]").expect_err("a Latin-1 letter");
        assert_eq!(error.to_string(), "line 2, column 19: not UTF-8");
    }

    #[test]
    fn an_empty_policy_forbids_everything() {
        assert_eq!(Policy::parse("").map(|p| p.tools().len()), Ok(0));
    }
}

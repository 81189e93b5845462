//! Parses a policy file: TOML in, a [`Policy`] out, and every error with its position.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use toml::Spanned;

use super::{
    CallerSelector, Expectation, ExpectedOutcome, ImpliesError, Parts, PermissionRule, Policy, PolicyError, Schema,
    ToolRule,
};
use crate::text;

/// The largest accepted policy file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tools: InOrder<Table<Tool>>,
    #[serde(default)]
    permissions: InOrder<Table<Permission>>,
    #[serde(default)]
    expect: Vec<Spanned<Table<Expect>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    description: Option<Arc<str>>,
    permissions: Vec<Arc<str>>,
    schema: Option<Spanned<Value>>,
    #[serde(default)]
    stub: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    description: Option<Arc<str>>,
    #[serde(default)]
    implies: Vec<Spanned<Arc<str>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    user: Option<Arc<str>>,
    permissions: Option<Vec<Arc<str>>>,
    tool: Arc<str>,
    outcome: ExpectedOutcome,
}

/// A value that must be a table; serde would also accept an array for a structure, member by member.
struct Table<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Table<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, as in `[tools.NAME]` with `permissions = [\"…\"]` below it")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Table<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// A map in the order of the file, which becomes the order on the screen.
struct InOrder<T>(Vec<(Arc<str>, T)>);

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = InOrder<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of tables")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl Policy {
    /// Parses the bytes of a policy file.
    pub fn read(source: &[u8]) -> Result<Self, PolicyError> {
        match std::str::from_utf8(source) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let good = source.get(..error.valid_up_to()).unwrap_or_default();
                Err(fault(&String::from_utf8_lossy(good), "invalid UTF-8"))
            }
        }
    }

    /// Parses the text of a policy file.
    pub fn parse(source: &str) -> Result<Self, PolicyError> {
        if source.len() > MAX_BYTES {
            return Err(PolicyError::TooLarge { bytes: source.len() });
        }
        let at = |place: usize, message: &str| fault(text::head(source, place), message);
        let file: File = toml::from_str(source).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            match unquoted(source, error.message()) {
                Some(message) => located(text::head(source, place), message),
                None => at(place, error.message()),
            }
        })?;
        let tool = |(name, Table(tool)): (Arc<str>, Table<Tool>)| {
            let schema = tool.schema.map(|schema| {
                let place = schema.span().start;
                Schema::new(schema.into_inner()).map_err(|fault| at(place, &fault.to_string()))
            });
            let (description, permissions) = (tool.description, tool.permissions.into());
            Ok(ToolRule { name, description, permissions, schema: schema.transpose()?, stub: tool.stub })
        };
        let expectation = |line: Spanned<Table<Expect>>| {
            let place = line.span().start;
            let Table(Expect { user, permissions, tool, outcome }) = line.into_inner();
            let who = match (user, permissions) {
                (Some(user), None) => CallerSelector::User(user),
                (None, Some(permissions)) => CallerSelector::Permissions(permissions),
                _ => return Err(at(place, "expected either user or permissions, not both")),
            };
            Ok(Expectation { who, tool, outcome })
        };
        let places: Vec<_> = file
            .permissions
            .0
            .iter()
            .flat_map(|(name, Table(p))| p.implies.iter().map(move |i| (name, i)))
            .map(|(name, i)| (Arc::clone(name), Arc::clone(i.get_ref()), i.span().start))
            .collect();
        let permission = |(name, Table(permission)): (Arc<str>, Table<Permission>)| PermissionRule {
            name,
            description: permission.description,
            implies: permission.implies.into_iter().map(Spanned::into_inner).collect(),
        };
        let parts = Parts {
            tools: file.tools.0.into_iter().map(tool).collect::<Result<_, PolicyError>>()?,
            permissions: file.permissions.0.into_iter().map(permission).collect(),
            expectations: file.expect.into_iter().map(expectation).collect::<Result<_, _>>()?,
        };
        Self::build(parts).map_err(|error| {
            let round = match &error {
                ImpliesError::Cycle(way) => way.windows(2).next_back(),
                ImpliesError::TooMany => None,
            };
            let closes = |(name, implied, _): &&(Arc<str>, Arc<str>, usize)| {
                round == Some(&[Arc::clone(name), Arc::clone(implied)])
            };
            match places.iter().find(closes) {
                Some((.., place)) => located(text::head(source, *place), error.to_string()),
                None => error.into(),
            }
        })
    }
}

/// The fields of a tool and of a permission.
const FIELDS: [&str; 5] = ["description", "permissions", "schema", "stub", "implies"];

/// Returns a message for a name with a dot but without quotes, such as `[tools.db.query]`: TOML reads it as a table
/// `query` inside `db`, and the parser's own message is about a field that the author never wrote. Safe to show.
fn unquoted(source: &str, message: &str) -> Option<String> {
    let file: toml::Table = toml::from_str(source).ok()?;
    ["tools", "permissions"].into_iter().find_map(|section| {
        let entries = file.get(section)?.as_table()?.iter();
        entries.filter_map(|(name, entry)| Some((name, entry.as_table()?))).find_map(|(name, entry)| {
            let (first, inner) = entry.iter().find_map(|(key, inner)| {
                let inner = inner.as_table()?;
                let is_meant = match FIELDS.contains(&&**key) {
                    // A schema is a table as well, but does not have permissions.
                    true => inner.get("permissions").is_some_and(toml::Value::is_array) && is_about_shape(message),
                    false => message.starts_with(&format!("unknown field `{key}`")),
                };
                is_meant.then_some((key, inner))
            })?;
            let mut path = vec![name.as_str(), first];
            let mut inner = inner;
            // Follows tables that contain only one table: [tools.a.b.c].
            while let [(key, toml::Value::Table(next))] = inner.iter().collect::<Vec<_>>().as_slice()
                && !FIELDS.contains(&key.as_str())
            {
                path.push(key);
                inner = next;
            }
            let shown: Vec<String> = path.iter().map(|part| text::name(part, 64)).collect();
            let dotted = shown.join(".");
            Some(format!("[{section}.{dotted}] needs quotes around a name with dots: [{section}.\"{dotted}\"]"))
        })
    })
}

/// Whether the parser's message is about a table in place of a field's value, or about a field that is missing in the
/// outer table.
fn is_about_shape(message: &str) -> bool {
    message.starts_with("missing field") || message.starts_with("invalid type: map") || message.contains("JSON Schema")
}

/// Returns a syntax error at the end of `before`. The message may quote anything; it is made safe to show.
fn fault(before: &str, message: &str) -> PolicyError {
    located(before, text::display_safe(message, 200))
}

/// Returns a syntax error at the end of `before`. The message must be safe to show.
fn located(before: &str, message: String) -> PolicyError {
    let (line, column) = text::place(before);
    PolicyError::Syntax { line, column, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "[tools.a]\npermissions = \"user\"",
        "line 2, column 15: invalid type: string \"user\", expected a sequence"
    )]
    #[case(
        "[tools.a]\nperms = []",
        "line 2, column 1: unknown field `perms`, expected one of `description`, `permissions`, `schema`, `stub`"
    )]
    #[case("[tools.a]\npermissions = []\n[tools.a]", "line 3, column 8: duplicate key")]
    #[case("[tool", "line 1, column 6: unclosed table, expected `]`")]
    #[case("tools = 1", "line 1, column 9: invalid type: integer `1`, expected a table of tables")]
    #[case(
        "[tools.a]\npermissions = []\nschema = {type = \"thing\"}",
        "line 3, column 10: invalid JSON Schema at /type: \"thing\" is not valid under any of the schemas listed in the 'anyOf' keyword"
    )]
    #[case(
        "[permissions.a]\nimplies = [\"b\"]\n[permissions.b]\nimplies = [\"x\", \"a\"]",
        "line 4, column 17: circular implies: a → b → a"
    )]
    #[case("[permissions.a]\nimplies = \"b\"", "line 2, column 11: invalid type: string \"b\", expected a sequence")]
    #[case(
        "[tools]\na = [[\"user\"]]",
        "line 2, column 5: invalid type: sequence, expected a table, as in `[tools.NAME]` with `permissions = [\"…\"]` below it"
    )]
    #[case(
        "[tools.db.query]\npermissions = [\"user\"]",
        "line 1, column 11: [tools.db.query] needs quotes around a name with dots: [tools.\"db.query\"]"
    )]
    #[case(
        "[tools.a]\npermissions = []\n[tools.db]\npermissions = []\n[tools.db.query.all]\npermissions = []",
        "line 5, column 11: [tools.db.query.all] needs quotes around a name with dots: [tools.\"db.query.all\"]"
    )]
    #[case(
        "[tools]\ndb.query.permissions = [\"user\"]",
        "line 2, column 4: [tools.db.query] needs quotes around a name with dots: [tools.\"db.query\"]"
    )]
    #[case(
        "[tools.db.schema]\npermissions = [\"user\"]",
        "line 1, column 8: [tools.db.schema] needs quotes around a name with dots: [tools.\"db.schema\"]"
    )]
    #[case(
        "[tools.db.permissions]\npermissions = [\"user\"]",
        "line 1, column 1: [tools.db.permissions] needs quotes around a name with dots: [tools.\"db.permissions\"]"
    )]
    #[case(
        "[permissions.db.read]\nimplies = []",
        "line 1, column 17: [permissions.db.read] needs quotes around a name with dots: [permissions.\"db.read\"]"
    )]
    #[case(
        "[tools.a]\nperms = []\n[tools.db.query]\npermissions = []",
        "line 2, column 1: unknown field `perms`, expected one of `description`, `permissions`, `schema`, `stub`"
    )]
    #[case(
        "[[expect]]\ntool = \"a\"\noutcome = \"allowed\"",
        "line 1, column 1: expected either user or permissions, not both"
    )]
    #[case(
        "[[expect]]\nuser = \"u\"\ntool = \"a\"\noutcome = \"maybe\"",
        "line 4, column 11: unknown variant `maybe`, expected `allowed` or `forbidden`"
    )]
    fn a_broken_policy_names_the_place(#[case] source: &str, #[case] message: &str) {
        assert_eq!(Policy::parse(source).map_err(|e| e.to_string()), Err(message.to_owned()));
    }

    #[test]
    fn a_policy_that_is_not_utf_8_names_the_place() {
        let error = Policy::read(b"[tools.a]\npermissions = [\"us\xe9r\"]").expect_err("a Latin-1 letter");
        assert_eq!(error.to_string(), "line 2, column 19: invalid UTF-8");
    }

    #[test]
    fn a_policy_that_is_too_large_is_not_read() {
        assert_eq!(Policy::parse(&" ".repeat(MAX_BYTES + 1)), Err(PolicyError::TooLarge { bytes: MAX_BYTES + 1 }));
    }

    #[test]
    fn an_empty_policy_forbids_everything() {
        assert_eq!(Policy::parse("").map(|p| p.tools().len()), Ok(0));
    }

    #[test]
    fn a_whole_policy_is_read_in_its_order() {
        let policy = Policy::parse(
            r#"
            [tools.zebra]
            description = "looks"
            permissions = ["viewer"]
            schema = { type = "object", properties = { id = { type = "integer" } }, examples = [{ id = 1 }] }
            [tools.apple]
            permissions = []
            [permissions.editor]
            description = "may write"
            implies = ["viewer"]
            [[expect]]
            permissions = ["editor"]
            tool = "zebra"
            outcome = "allowed"
            [[expect]]
            user = "ann"
            tool = "apple"
            outcome = "forbidden"
            "#,
        )
        .expect("a policy");
        assert_eq!(policy.tools().iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["zebra", "apple"]);
        let zebra = policy.tool("zebra").expect("in it");
        assert_eq!(zebra.description.as_deref(), Some("looks"));
        assert_eq!(zebra.schema.as_ref().and_then(Schema::example).as_deref(), Some("{\"id\":1}"));
        assert_eq!(
            policy.expected(None, &["editor"], "zebra").map(|line| line.outcome),
            Some(ExpectedOutcome::Allowed)
        );
        assert_eq!(
            policy.expected(Some("ann"), &["editor"], "apple").map(|line| line.outcome),
            Some(ExpectedOutcome::Forbidden)
        );
        assert_eq!(policy.expected(Some("bob"), &["editor"], "apple"), None);
        assert!(policy.grant(&["editor"], zebra).is_some());
    }
}

//! Policy files, read and written. What the console changed is put into the text as it stands: comments and order stay.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, RawString, Table, TableLike, value};

use super::{ConfigError, read, unreadable};
use crate::auth::policy::{Expectation, MAX_BYTES, ToolRule, Who};
use crate::auth::{Policy, PolicyError};

/// What a policy file is called in messages.
const WHAT: &str = "policy file";

/// The policy of a file.
pub fn policy(path: &Path) -> Result<Arc<Policy>, ConfigError> {
    let source = read(WHAT, path, MAX_BYTES)?;
    let policy = Policy::read(&source).map_err(|error| ConfigError::Policy { path: path.to_owned(), error })?;
    Ok(Arc::new(policy))
}

/// Writes a policy to a file, whole or not at all. Of a file that is there only what differs is changed; one that is no
/// policy is left as it is.
pub fn save_policy(path: &Path, policy: &Policy) -> Result<(), ConfigError> {
    let failed = |error| unreadable(WHAT, path, error);
    // The file that a link leads to is the one meant.
    let path: PathBuf = match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => path.to_owned(),
        found => found.map_err(failed)?,
    };
    let source = if path.exists() { read(WHAT, &path, MAX_BYTES)? } else { Vec::new() };
    let text = str::from_utf8(&source).map_err(|_| failed(std::io::Error::other("not UTF-8")))?;
    let text = rewritten(text, policy).map_err(|error| ConfigError::Policy { path: path.clone(), error })?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(std::io::Error::other("not a name for a file")));
    };
    // In the same directory, so that putting it in place is one step.
    let beside = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let write = || {
        let mut file = fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        if let Ok(before) = fs::metadata(&path) {
            file.set_permissions(before.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

/// A policy's text with what another policy says differently.
pub fn rewritten(source: &str, policy: &Policy) -> Result<String, PolicyError> {
    let before = Policy::parse(source)?;
    let unreadable = |error: toml_edit::TomlError| PolicyError::Syntax {
        line: 1,
        column: 1,
        message: crate::text::display_safe(error.message(), 200),
    };
    let mut document: DocumentMut = source.parse().map_err(unreadable)?;
    let (old, new) = (before.parts(), policy.parts());
    let tools = table(document.as_table_mut(), "tools");
    for gone in old.tools.iter().filter(|tool| policy.tool(&tool.name).is_none()) {
        tools.remove(&gone.name);
    }
    for tool in &new.tools {
        let known = before.tool(&tool.name);
        if same_tool(known, Some(tool)) {
            continue;
        }
        let entry = table(tools, &tool.name);
        describe(entry, tool.description.as_deref());
        names(entry, "permissions", &tool.permissions);
        if known.map(|known| &known.schema) != Some(&tool.schema) {
            schema(entry, tool);
        }
    }
    if new.permissions != old.permissions {
        let permissions = table(document.as_table_mut(), "permissions");
        for gone in old.permissions.iter().filter(|p| new.permissions.iter().all(|kept| kept.name != p.name)) {
            permissions.remove(&gone.name);
        }
        for permission in new.permissions.iter().filter(|permission| !old.permissions.contains(permission)) {
            let entry = table(permissions, &permission.name);
            describe(entry, permission.description.as_deref());
            names(entry, "implies", &permission.implies);
        }
    }
    if new.expectations != old.expectations {
        expectations(&mut document, &old.expectations, &new.expectations);
    }
    let text = document.to_string();
    // What was written is read again: a file that says something else must not take the place of a good one.
    match Policy::parse(&text) {
        Ok(read) if says_the_same(&read, policy) => Ok(text),
        _ => Err(PolicyError::Syntax {
            line: 1,
            column: 1,
            message: "the changes do not fit into this file; save the policy under another name".to_owned(),
        }),
    }
}

/// Whether two policies say the same, in whatever order.
fn says_the_same(one: &Policy, other: &Policy) -> bool {
    let (a, b) = (one.parts(), other.parts());
    let tools =
        a.tools.len() == b.tools.len() && a.tools.iter().all(|tool| same_tool(Some(tool), other.tool(&tool.name)));
    let permissions =
        a.permissions.len() == b.permissions.len() && a.permissions.iter().all(|p| b.permissions.contains(p));
    let lines =
        a.expectations.len() == b.expectations.len() && a.expectations.iter().all(|l| b.expectations.contains(l));
    tools && permissions && lines
}

/// Whether two rules say the same, in whatever order they name permissions.
fn same_tool(one: Option<&ToolRule>, other: Option<&ToolRule>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    let names = |rule: &ToolRule| {
        let mut names = rule.permissions.to_vec();
        names.sort_unstable();
        names.dedup();
        names
    };
    one.description == other.description && one.schema == other.schema && names(one) == names(other)
}

/// A table's member that is a table; made where there is none.
fn table<'t>(parent: &'t mut dyn TableLike, name: &str) -> &'t mut dyn TableLike {
    let item = parent.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(matches!(name, "tools" | "permissions"));
        Item::Table(table)
    });
    if !item.is_table_like() {
        *item = Item::Table(Table::new());
    }
    item.as_table_like_mut().expect("just made one")
}

fn describe(entry: &mut dyn TableLike, description: Option<&str>) {
    match description {
        Some(words) if entry.get("description").and_then(Item::as_str) == Some(words) => {}
        Some(words) => _ = entry.insert("description", value(words)),
        None => _ = entry.remove("description"),
    }
}

/// A list of names; those that stay keep their place and their comments.
fn names(entry: &mut dyn TableLike, key: &str, wanted: &[Arc<str>]) {
    if wanted.is_empty() && key == "implies" {
        entry.remove(key);
        return;
    }
    let item = entry.entry(key).or_insert_with(|| value(Array::new()));
    if item.as_array().is_none() {
        *item = value(Array::new());
    }
    let Some(list) = item.as_array_mut() else { return };
    for place in (0..list.len()).rev() {
        if list.get(place).and_then(toml_edit::Value::as_str).is_some_and(|name| wanted.iter().any(|w| **w == *name)) {
            continue;
        }
        // What stands before a name is the comment behind the one above it.
        let before = list.remove(place).decor().prefix().and_then(RawString::as_str).unwrap_or_default().to_owned();
        if !before.contains('#') {
            continue;
        }
        if let Some(next) = list.get_mut(place).map(toml_edit::Value::decor_mut) {
            let own = next.prefix().and_then(RawString::as_str).unwrap_or_default().to_owned();
            next.set_prefix(before + &own);
        } else {
            let own = list.trailing().as_str().unwrap_or_default().to_owned();
            list.set_trailing(before.trim_end().to_owned() + &own);
        }
    }
    for name in wanted {
        if list.iter().all(|known| known.as_str() != Some(name)) {
            list.push(&**name);
        }
    }
}

fn schema(entry: &mut dyn TableLike, tool: &ToolRule) {
    match tool.schema.as_ref().and_then(|schema| in_toml(schema.source())) {
        Some(schema) => _ = entry.insert("schema", Item::Value(schema)),
        None => _ = entry.remove("schema"),
    }
}

/// A JSON value in TOML, which has no word for `null`.
fn in_toml(json: &serde_json::Value) -> Option<toml_edit::Value> {
    use serde_json::Value as Json;
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Json::String(text) => text.into(),
        Json::Array(list) => list.iter().map(in_toml).collect::<Option<Array>>()?.into(),
        Json::Object(members) => {
            let member = |(name, value): (&String, _)| Some((name.clone(), in_toml(value)?));
            members.iter().map(member).collect::<Option<InlineTable>>()?.into()
        }
    })
}

fn expectations(document: &mut DocumentMut, old: &[Expectation], new: &[Expectation]) {
    let item = document.as_table_mut().entry("expect").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if item.as_array_of_tables().is_none() {
        // Written inline: it is written anew as tables.
        *item = Item::ArrayOfTables(ArrayOfTables::new());
        let Some(list) = item.as_array_of_tables_mut() else { return };
        list.extend(new.iter().map(expectation));
        return;
    }
    let Some(list) = item.as_array_of_tables_mut() else { return };
    let same = |a: &Expectation, b: &Expectation| a.who == b.who && a.tool == b.tool;
    for (place, line) in old.iter().enumerate().rev() {
        match new.iter().find(|kept| same(kept, line)) {
            Some(kept) if kept.outcome != line.outcome => {
                if let Some(table) = list.get_mut(place) {
                    table.insert("outcome", value(kept.outcome.word()));
                }
            }
            Some(_) => {}
            None => drop(list.remove(place)),
        }
    }
    for line in new.iter().filter(|line| !old.iter().any(|known| same(known, line))) {
        list.push(expectation(line));
    }
}

fn expectation(line: &Expectation) -> Table {
    let mut table = Table::new();
    match &line.who {
        Who::User(user) => table.insert("user", value(&**user)),
        Who::Permissions(set) => table.insert("permissions", value(set.iter().map(|p| &**p).collect::<Array>())),
    };
    table.insert("tool", value(&*line.tool));
    table.insert("outcome", value(line.outcome.word()));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::policy::{Expected, Parts, PermissionRule};

    const SOURCE: &str = r#"# who may call what

[tools.zebra]      # the first one
permissions = [
    "viewer",      # everybody
    "editor",
]

[tools.apple]
permissions = ["editor"] # only these

# the truth
[[expect]]
permissions = ["viewer"]
tool = "zebra"
outcome = "allowed" # of course
"#;

    fn changed(change: impl FnOnce(&mut Parts)) -> Policy {
        let mut parts = Policy::parse(SOURCE).expect("a policy").parts().clone();
        change(&mut parts);
        Policy::build(parts).expect("a policy")
    }

    #[test]
    fn what_is_not_changed_stays_to_the_letter() {
        assert_eq!(rewritten(SOURCE, &changed(|_| {})).as_deref(), Ok(SOURCE));
    }

    #[test]
    fn a_permission_is_added_and_taken_away_and_comments_stay() {
        let policy = changed(|parts| {
            parts.tools[0].permissions = ["viewer".into()].into();
            parts.tools[1].permissions = ["editor".into(), "owner".into()].into();
        });
        let text = rewritten(SOURCE, &policy).expect("it is written");
        for kept in
            ["# who may call what", "# the first one", "# everybody", "# only these", "# the truth", "# of course"]
        {
            assert!(text.contains(kept), "{kept}:\n{text}");
        }
        assert_eq!(Policy::parse(&text), Ok(policy));
    }

    #[test]
    fn tools_permissions_and_expectations_come_and_go() {
        let policy = changed(|parts| {
            parts.tools.remove(0);
            parts.tools.push(ToolRule { description: Some("new".into()), ..ToolRule::new("new tool", ["x"]) });
            parts.permissions.push(PermissionRule {
                name: "x".into(),
                description: None,
                implies: vec!["editor".into()],
            });
            parts.expectations[0].outcome = Expected::Forbidden;
            let who = Who::User("ann".into());
            parts.expectations.push(Expectation { who, tool: "apple".into(), outcome: Expected::Allowed });
        });
        let text = rewritten(SOURCE, &policy).expect("it is written");
        assert_eq!(Policy::parse(&text), Ok(policy), "{text}");
        assert!(text.contains("# of course") || text.contains("# the truth"), "{text}");
        // And back again.
        assert_eq!(
            Policy::parse(&rewritten(&text, &changed(|_| {})).expect("it is written")).map(|p| p.tools().len()),
            Ok(2)
        );
    }

    #[test]
    fn a_new_file_says_everything() {
        let policy =
            Policy::parse("[tools.a]\npermissions = [\"p\"]\nschema = { type = \"object\", required = [\"x\"] }");
        let policy = policy.expect("a policy");
        assert_eq!(Policy::parse(&rewritten("", &policy).expect("it is written")), Ok(policy));
        let built_in = Policy::default();
        assert_eq!(Policy::parse(&rewritten("", &built_in).expect("it is written")), Ok(built_in));
    }

    #[test]
    fn what_is_no_policy_is_not_written_over() {
        assert!(rewritten("[tools", &Policy::default()).is_err());
    }
}

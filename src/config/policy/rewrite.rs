//! Rewrites a policy file's text to match a policy: only differences are changed; comments and order are kept.

use std::collections::HashMap;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, RawString, Table, TableLike, value};

use super::values::{describe, names, say, schema, stub};
use crate::auth::policy::{CallerSelector, Expectation, PermissionRule};
use crate::auth::{Policy, PolicyError};

/// Returns the text of a policy file, changed where `policy` differs from it.
pub fn rewritten(source: &str, policy: &Policy) -> Result<String, PolicyError> {
    let before = Policy::parse(source)?;
    let refused = |message: String| PolicyError::Syntax { line: 1, column: 1, message };
    let mut document: DocumentMut = source
        .parse()
        .map_err(|error: toml_edit::TomlError| refused(crate::text::display_safe(error.message(), 200)))?;
    tools(&mut document, &before, policy);
    permissions(&mut document, &before, policy);
    if before.parts().expectations != policy.parts().expectations {
        expectations(&mut document, &before.parts().expectations, &policy.parts().expectations);
    }
    let text = document.to_string();
    // The result is parsed again: a file with a different meaning must not replace a good one.
    match Policy::parse(&text) {
        Ok(read) if read.is_equivalent(policy) => Ok(text),
        _ => Err(refused("the changes cannot be merged into this file; save the policy under another name".to_owned())),
    }
}

fn tools(document: &mut DocumentMut, before: &Policy, policy: &Policy) {
    for gone in before.tools().iter().filter(|tool| policy.tool(&tool.name).is_none()) {
        remove(document, "tools", &gone.name);
    }
    for tool in policy.tools() {
        let known = before.tool(&tool.name);
        if known.is_some_and(|known| known.is_equivalent(tool)) {
            continue;
        }
        let entry = entry(document, "tools", &tool.name);
        describe(entry, tool.description.as_deref());
        names(entry, "permissions", &tool.permissions);
        if known.map(|known| &known.schema) != Some(&tool.schema) {
            schema(entry, tool);
        }
        stub(entry, tool.stub);
    }
}

fn permissions(document: &mut DocumentMut, before: &Policy, policy: &Policy) {
    let (old, new) = (by_name(before), by_name(policy));
    for gone in before.parts().permissions.iter().filter(|known| !new.contains_key(&*known.name)) {
        // A bare entry is redundant if the policy still lists the permission.
        if !(gone.is_bare() && policy.names(&gone.name)) {
            remove(document, "permissions", &gone.name);
        }
    }
    for permission in &policy.parts().permissions {
        let is_told = old.get(&*permission.name).is_some_and(|known| known.is_equivalent(permission));
        if is_told || (permission.is_bare() && policy.asks_for(&permission.name)) {
            continue;
        }
        let entry = entry(document, "permissions", &permission.name);
        describe(entry, permission.description.as_deref());
        names(entry, "implies", &permission.implies);
    }
}

fn by_name(policy: &Policy) -> HashMap<&str, &PermissionRule> {
    policy.parts().permissions.iter().map(|rule| (&*rule.name, rule)).collect()
}

/// Removes a table of `tools` or `permissions`.
fn remove(document: &mut DocumentMut, list: &str, name: &str) {
    let parent = document.get_mut(list).and_then(Item::as_table_like_mut);
    if let Some(Item::Table(gone)) = parent.and_then(|parent| parent.remove(name)) {
        hand_over(document, &gone);
    }
}

/// Moves comments above a removed table that are not about it, such as a heading or the file's licence, to the next
/// table.
fn hand_over(document: &mut DocumentMut, gone: &Table) {
    let Some(place) = gone.position() else { return };
    let above = gone.decor().prefix().and_then(RawString::as_str).unwrap_or_default();
    let (mut is_first, mut next) = (true, isize::MAX);
    each_table(document.as_table_mut(), &mut |table| match table.position().filter(|_| !table.is_implicit()) {
        Some(other) if other < place => is_first = false,
        Some(other) => next = next.min(other),
        None => {}
    });
    // At the top, comments without a blank line in between may be about the whole file.
    let own = above.rfind("\n\n").map_or(if is_first { above.len() } else { 0 }, |blank| blank + 2);
    let Some(above) = above.get(..own).filter(|above| above.contains('#')) else { return };
    if next == isize::MAX {
        let below = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(above.to_owned() + &below);
        return;
    }
    each_table(document.as_table_mut(), &mut |table| {
        if table.position() == Some(next) {
            let below = table.decor().prefix().and_then(RawString::as_str).unwrap_or_default().to_owned();
            table.decor_mut().set_prefix(above.to_owned() + below.strip_prefix('\n').unwrap_or(&below));
        }
    });
}

/// Calls `see` with every table below `table`, at any depth.
fn each_table(table: &mut Table, see: &mut impl FnMut(&mut Table)) {
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) => {
                see(inner);
                each_table(inner, see);
            }
            Item::ArrayOfTables(list) => list.iter_mut().for_each(|inner| {
                see(inner);
                each_table(inner, see);
            }),
            _ => {}
        }
    }
}

/// Returns the table of a tool or a permission, creating it if it is missing.
fn entry<'d>(document: &'d mut DocumentMut, list: &str, name: &str) -> &'d mut dyn TableLike {
    let mut above = Table::new();
    // An implicit table is written without the line `[tools]`.
    above.set_implicit(true);
    let list = table(document.as_table_mut(), list, above);
    table(list, name, Table::new())
}

fn table<'t>(parent: &'t mut dyn TableLike, name: &str, new: Table) -> &'t mut dyn TableLike {
    let item = parent.entry(name).or_insert(Item::None);
    if !item.is_table_like() {
        *item = Item::Table(new);
    }
    item.as_table_like_mut().expect("just made one")
}

/// Updates the expectations. They are compared one by one in order, because the first match is used.
fn expectations(document: &mut DocumentMut, old: &[Expectation], new: &[Expectation]) {
    let item = document.as_table_mut().entry("expect").or_insert(Item::None);
    if item.as_array_of_tables().is_none() {
        // There are none so far, or they are written inline; they are written as tables.
        *item = Item::ArrayOfTables(ArrayOfTables::new());
    }
    let Some(list) = item.as_array_of_tables_mut() else { return };
    let mut known: Vec<Option<Table>> = std::mem::take(list).into_iter().map(Some).collect();
    let (mut tables, mut places, mut from) = (Vec::new(), Vec::new(), 0);
    for line in new {
        let free = |n: &usize| known.get(*n).is_some_and(Option::is_some);
        let find = |fits: &dyn Fn(&Expectation) -> bool| {
            (from..old.len()).chain(0..from).filter(free).find(|n| fits(&old[*n]))
        };
        let place = find(&|other| other == line)
            .or_else(|| find(&|other| other.tool == line.tool && other.who.is_equivalent(&line.who)));
        let mut table = place.and_then(|n| known[n].take()).unwrap_or_else(|| expectation(line));
        say(&mut table, "outcome", line.outcome.word());
        from = place.map_or(from, |n| n + 1);
        places.extend(table.position());
        tables.push(table);
    }
    // Tables are written in the order of their positions. A new table has none, and follows the one before it.
    places.sort_unstable();
    let mut places = places.into_iter();
    for mut table in tables {
        if table.position().is_some() {
            table.set_position(places.next());
        }
        list.push(table);
    }
    for gone in known.iter().flatten() {
        hand_over(document, gone);
    }
}

fn expectation(line: &Expectation) -> Table {
    let mut table = Table::new();
    match &line.who {
        CallerSelector::User(user) => table.insert("user", value(&**user)),
        CallerSelector::Permissions(set) => {
            table.insert("permissions", value(set.iter().map(|p| &**p).collect::<Array>()))
        }
    };
    table.insert("tool", value(&*line.tool));
    table.insert("outcome", value(line.outcome.word()));
    table
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::auth::policy::{ExpectedOutcome, Parts, PermissionRule, ToolRule};

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
            parts.expectations[0].outcome = ExpectedOutcome::Forbidden;
            let who = CallerSelector::User("ann".into());
            parts.expectations.push(Expectation { who, tool: "apple".into(), outcome: ExpectedOutcome::Allowed });
        });
        let text = rewritten(SOURCE, &policy).expect("it is written");
        assert_eq!(Policy::parse(&text), Ok(policy), "{text}");
        for kept in ["# who may call what", "# only these", "# the truth", "# of course"] {
            assert!(text.contains(kept), "{kept}:\n{text}");
        }
        assert!(!text.contains("# the first one"), "it went with its tool:\n{text}");
        // And changed back.
        assert_eq!(
            Policy::parse(&rewritten(&text, &changed(|_| {})).expect("it is written")).map(|p| p.tools().len()),
            Ok(2)
        );
    }

    #[test]
    fn what_follows_a_tool_that_goes_keeps_the_headings() {
        let text = rewritten(SOURCE, &changed(|parts| parts.tools.clear())).expect("it is written");
        assert!(text.starts_with("# who may call what\n") && text.contains("\n# the truth\n[[expect]]"), "{text}");
        let none = changed(|parts| *parts = Parts::default());
        assert_eq!(rewritten(SOURCE, &none).as_deref(), Ok("# who may call what\n\n"));
    }

    #[test]
    fn the_first_of_a_list_leaves_no_blank_behind() {
        let policy = Policy::new([("a", ["y"])]);
        let text = rewritten("[tools.a]\npermissions = [\"x\", \"y\"]\n", &policy);
        assert_eq!(text.as_deref(), Ok("[tools.a]\npermissions = [\"y\"]\n"));
    }

    fn lines(lines: &[(&str, &str)]) -> Policy {
        let line = |(user, outcome): &(&str, &str)| {
            format!("[[expect]] # {user}\nuser = \"{user}\"\ntool = \"a\"\noutcome = \"{outcome}\"\n")
        };
        Policy::parse(&lines.iter().map(line).collect::<String>()).expect("a policy")
    }

    #[rstest]
    #[case(&[("a", "allowed"), ("b", "forbidden")], &[("b", "forbidden"), ("a", "allowed")])]
    #[case(&[("b", "forbidden")], &[("a", "allowed"), ("b", "forbidden")])]
    #[case(&[("b", "forbidden")], &[("a", "allowed"), ("b", "allowed"), ("c", "allowed")])]
    #[case(&[("a", "allowed"), ("a", "allowed")], &[("a", "allowed")])]
    #[case(&[("a", "allowed"), ("a", "forbidden")], &[("a", "forbidden")])]
    #[case(&[("a", "allowed")], &[])]
    #[case(&[], &[("a", "allowed")])]
    fn expectations_keep_their_order(#[case] old: &[(&str, &str)], #[case] new: &[(&str, &str)]) {
        let source = rewritten("", &lines(old)).expect("it is written");
        let text = rewritten(&source, &lines(new)).expect("it is written");
        assert_eq!(Policy::parse(&text), Ok(lines(new)), "{text}");
    }

    #[test]
    fn what_a_permission_implies_may_come_back_in_another_order() {
        let source = "[permissions.a]\nimplies = [\"y\"]\n";
        let policy = Policy::parse("[permissions.a]\nimplies = [\"x\", \"y\"]").expect("a policy");
        let text = rewritten(source, &policy).expect("it is written");
        assert!(Policy::parse(&text).is_ok_and(|read| read.is_equivalent(&policy)), "{text}");
    }

    #[test]
    fn a_permission_may_be_called_tools() {
        let policy = Policy::parse("[permissions.tools]\n[permissions.permissions]").expect("a policy");
        assert_eq!(Policy::parse(&rewritten("", &policy).expect("it is written")), Ok(policy));
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

//! Edits values in the tables of a policy file in place, and keeps the comments around them.

use std::sync::Arc;

use toml_edit::{Array, InlineTable, Item, RawString, TableLike, value};

use crate::auth::policy::ToolRule;

/// Sets or removes the description.
pub fn describe(entry: &mut dyn TableLike, description: Option<&str>) {
    match description {
        Some(words) => say(entry, "description", words),
        None => _ = entry.remove("description"),
    }
}

/// Sets a text, and keeps the comment after it.
pub fn say(entry: &mut dyn TableLike, key: &str, words: &str) {
    match entry.get_mut(key).and_then(Item::as_value_mut) {
        Some(known) if known.as_str() == Some(words) => {}
        Some(known) => {
            let decor = known.decor().clone();
            *known = words.into();
            *known.decor_mut() = decor;
        }
        None => _ = entry.insert(key, value(words)),
    }
}

/// Sets a list of names. Names that stay in it keep their places and comments.
pub fn names(entry: &mut dyn TableLike, key: &str, wanted: &[Arc<str>]) {
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
        // The text before a name includes the comment after the previous one.
        let before = list.remove(place).decor().prefix().and_then(RawString::as_str).unwrap_or_default().to_owned();
        if !before.contains('#') {
            // The new first element gets the whitespace of the old one.
            if let Some(next) = list.get_mut(0).filter(|_| place == 0) {
                next.decor_mut().set_prefix(before);
            }
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

pub fn schema(entry: &mut dyn TableLike, tool: &ToolRule) {
    match tool.schema.as_ref().and_then(|schema| in_toml(schema.source())) {
        Some(schema) => _ = entry.insert("schema", Item::Value(schema)),
        None => _ = entry.remove("schema"),
    }
}

/// Sets whether the gate answers for the tool. The default is not written.
pub fn stub(entry: &mut dyn TableLike, stub: bool) {
    match stub {
        true => _ = entry.insert("stub", value(true)),
        false => _ = entry.remove("stub"),
    }
}

/// Converts a JSON value to TOML; `None` if it contains `null`, which TOML does not have.
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

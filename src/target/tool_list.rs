//! Reads a list of tools as a server sent it. One tool that cannot be read does not spoil the list.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::gate::ports::ToolInfo;
use crate::text;

/// The most tools that are kept.
const MOST: usize = 2000;

/// A list of tools, as received.
#[derive(Clone, Debug, Default)]
pub struct ToolList {
    /// The tools that can be called.
    pub tools: Vec<ToolInfo>,
    /// Entries without a usable name.
    pub unreadable: usize,
    /// Whether there are more than are kept.
    pub is_cut: bool,
}

impl ToolList {
    /// Adds a further page.
    pub fn add(&mut self, page: Self) {
        self.unreadable += page.unreadable;
        self.is_cut |= page.is_cut;
        let mut known: HashSet<Arc<str>> = self.tools.iter().map(|tool| Arc::clone(&tool.name)).collect();
        for tool in page.tools {
            if self.tools.len() >= MOST {
                self.is_cut = true;
                break;
            }
            // A name that occurs twice can only be called once.
            if known.insert(Arc::clone(&tool.name)) {
                self.tools.push(tool);
            }
        }
    }

    /// Whether the list contains a tool.
    pub fn has(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| *tool.name == *name)
    }

    /// Returns a tool that the server declares as read-only, which is a hint and not a guarantee; the one with the fewest
    /// required arguments first.
    pub fn harmless(&self) -> Option<&ToolInfo> {
        let required = |tool: &ToolInfo| tool.schema["required"].as_array().map_or(0, Vec::len);
        self.tools.iter().filter(|tool| tool.reads_only && !tool.destroys).min_by_key(|tool| required(tool))
    }
}

/// Reads one page of a list.
pub fn listed_tools(result: &Value) -> ToolList {
    let entries = result["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read: Vec<Option<ToolInfo>> = entries.iter().take(MOST).map(tool).collect();
    let unreadable = read.iter().filter(|tool| tool.is_none()).count();
    let mut listed = ToolList { unreadable, is_cut: entries.len() > MOST, ..ToolList::default() };
    listed.add(ToolList { tools: read.into_iter().flatten().collect(), ..ToolList::default() });
    listed
}

fn tool(entry: &Value) -> Option<ToolInfo> {
    let name = entry["name"].as_str().filter(|name| !name.is_empty() && name.len() <= 256)?;
    let hints = &entry["annotations"];
    let title = entry["title"].as_str().or(hints["title"].as_str());
    let schema = match &entry["inputSchema"] {
        schema @ Value::Object(_) if is_bounded(schema) => schema.clone(),
        _ => json!({ "type": "object" }),
    };
    let example = Some(example(&schema).to_string()).filter(|text| text.len() <= LARGEST_EXAMPLE);
    let example = example.unwrap_or_else(|| "{}".to_owned());
    let hint = |name: &str| hints[name].as_bool();
    let reads_only = hint("readOnlyHint").unwrap_or(false);
    Some(ToolInfo {
        name: name.into(),
        title: title.map(|title| text::display_safe(title, 120).into()),
        description: text::display_safe(entry["description"].as_str().unwrap_or_default(), 2000).into(),
        example: example.into(),
        reads_only,
        // By the specification, a tool that is not read-only may destroy unless it says otherwise.
        destroys: !reads_only && hint("destructiveHint").unwrap_or(true),
        is_idempotent: hint("idempotentHint").unwrap_or(false),
        schema,
    })
}

/// Example arguments for a schema: its own example, or else a value for each required member.
pub fn example(schema: &Value) -> Value {
    if let Some(example) = schema["examples"].as_array().and_then(|all| all.first()).filter(|one| one.is_object()) {
        return example.clone();
    }
    let mut left = MOST_VALUES;
    value_for(schema, schema, 0, &mut left)
}

/// The most values of an example; a large one that is copied from the schema counts several times. A schema that refers
/// to itself or to a large value several times would make it grow without end.
const MOST_VALUES: usize = 500;

/// How many bytes of a value that is copied count as one value.
const BYTES_OF_VALUE: usize = 64;

/// The largest example, in bytes of JSON text.
const LARGEST_EXAMPLE: usize = 64 << 10;

/// The deepest nesting for which an example is made.
const DEEPEST: usize = 6;

fn value_for(schema: &Value, root: &Value, depth: usize, left: &mut usize) -> Value {
    if *left == 0 {
        return Value::Null;
    }
    *left -= 1;
    let schema = match schema["$ref"].as_str().and_then(|at| root.pointer(at.strip_prefix('#')?)) {
        Some(target) if depth < DEEPEST => return value_for(target, root, depth + 1, left),
        _ => schema,
    };
    let given = ["default", "const"].iter().find_map(|name| schema.get(*name));
    let first = || schema["enum"].as_array().or(schema["examples"].as_array()).and_then(|all| all.first());
    if let Some(value) = given.or_else(first) {
        *left = left.saturating_sub(value.to_string().len() / BYTES_OF_VALUE);
        return if *left == 0 { Value::Null } else { value.clone() };
    }
    for several in ["anyOf", "oneOf", "allOf"] {
        let mut options = schema[several].as_array().into_iter().flatten();
        if let Some(option) = options.find(|option| option["type"] != "null").filter(|_| depth < DEEPEST) {
            return value_for(option, root, depth + 1, left);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => json!(string_for(schema)),
        Some("integer" | "number") => number_for(schema),
        Some("boolean") => json!(false),
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0).min(8);
            match depth < DEEPEST {
                true => (0..least).map(|_| value_for(&schema["items"], root, depth + 1, left)).collect(),
                false => json!([]),
            }
        }
        Some("null") => Value::Null,
        _ if depth >= DEEPEST => json!({}),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).take(64);
            required
                .map(|name| (name.to_owned(), value_for(&schema["properties"][name], root, depth + 1, left)))
                .collect()
        }
    }
}

/// A number that fits the bounds of a schema: 1, or else a bound.
fn number_for(schema: &Value) -> Value {
    let bound = |name: &str| schema.get(name).filter(|value| value.is_number());
    let (least, most) = (bound("minimum"), bound("maximum"));
    let is_low = |value: &Value| value.as_f64().is_some_and(|value| value > 1.0);
    let is_high = |value: &Value| value.as_f64().is_some_and(|value| value < 1.0);
    let above = bound("exclusiveMinimum").and_then(Value::as_i64).filter(|bound| *bound >= 1);
    match (least.filter(|least| is_low(least)), most.filter(|most| is_high(most)), above) {
        (Some(least), ..) => least.clone(),
        (None, Some(most), _) => most.clone(),
        (None, None, Some(above)) => json!(above.saturating_add(1)),
        (None, None, None) => json!(1),
    }
}

/// A string that fits the format of a schema.
fn string_for(schema: &Value) -> String {
    let fixed = match schema["format"].as_str() {
        Some("date") => "2026-01-01",
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("time") => "00:00:00Z",
        Some("email") => "user@example.org",
        Some("uri" | "uri-reference") => "https://example.org/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("ipv4") => "192.0.2.1",
        _ => "test",
    };
    let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0)).unwrap_or(0).min(1000);
    let mut text = fixed.to_owned();
    while text.len() < least {
        text.push('x');
    }
    match schema["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok()) {
        Some(most) => text::head(&text, most).to_owned(),
        None => text,
    }
}

/// The largest schema that is kept, in bytes of JSON.
const LARGEST_SCHEMA: usize = 256 << 10;

fn is_bounded(schema: &Value) -> bool {
    schema.to_string().len() <= LARGEST_SCHEMA
}

/// A schema's members in a phrase: `id: integer, note: string (optional)`.
pub fn summary(schema: &Value) -> String {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let members = schema["properties"].as_object().into_iter().flatten();
    let phrases: Vec<String> = members
        .map(|(name, schema)| {
            let kind = match (&schema["type"], schema["enum"].as_array()) {
                (_, Some(values)) => format!("one of {}", values.len()),
                (Value::String(kind), _) => kind.clone(),
                (Value::Array(kinds), _) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
                _ => "any".to_owned(),
            };
            let optional = if required.contains(&name.as_str()) { "" } else { " (optional)" };
            format!("{}: {}{optional}", text::name(name, 48), text::name(&kind, 32))
        })
        .take(12)
        .collect();
    let more = schema["properties"].as_object().map_or(0, |members| members.len().saturating_sub(12));
    match (phrases.is_empty(), more) {
        (true, _) => "no arguments".to_owned(),
        (false, 0) => phrases.join(", "),
        (false, more) => format!("{}, and {more} more", phrases.join(", ")),
    }
}

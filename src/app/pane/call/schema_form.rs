//! The fields of a call: one row for each argument that the tool's JSON Schema describes.
//!
//! The arguments as JSON text are the only truth. A row is a view of one value in it: its text is read from there, and
//! typing replaces that value and nothing else. A text that is not a value of the row's type is stored as a JSON string,
//! so it is neither lost nor sent unseen; the row says what was expected instead.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::Value;

use crate::auth::members::kind_of;
use crate::auth::policy::Schema;
use crate::text::json_edit::{self, Member, Step, quoted};
use crate::text::strict_json::exact_value;
use crate::text::{self, words};

/// How deeply rows are nested. Deeper values are edited as JSON.
const MAX_DEPTH: usize = 4;

/// The maximum number of rows.
const MAX_ROWS: usize = 200;

/// The maximum number of items of one array that have rows.
const MAX_ITEMS: usize = 30;

/// The longest arguments that are checked against the schema at every key, in bytes. The gate and the server check longer
/// ones.
const MAX_CHECKED: usize = 64 * 1024;

/// The maximum number of errors that the rows show.
const MAX_FAULTS: usize = 50;

/// The rows for the arguments of a tool.
#[derive(Clone, Debug, Default)]
pub struct SchemaForm {
    /// The rows, in the order of the schema; members that it does not describe come last.
    pub rows: Vec<FormRow>,
    /// What the rows leave out, as a sentence.
    pub left_out: Option<String>,
    /// An error that belongs to none of the rows. Safe to show.
    pub fault: Option<String>,
    /// Whether the arguments are a JSON object; otherwise there are no rows.
    pub is_readable: bool,
}

/// A row: one argument, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct FormRow {
    /// The way to its value.
    pub path: Vec<Step>,
    /// Its name. Safe to show.
    pub label: String,
    /// How deeply it is nested; 0 for an argument.
    pub depth: usize,
    /// The type of its value.
    pub kind: Kind,
    /// Whether the tool requires it.
    pub is_required: bool,
    /// Whether it may be null.
    pub is_nullable: bool,
    /// Whether the schema describes it.
    pub is_described: bool,
    /// The default as JSON text, if the schema has one. Safe to show.
    pub default: Option<String>,
    /// Its type, limits and description in a sentence. Safe to show.
    pub about: String,
    /// Where its value is in the arguments; `None` if it is not set.
    pub at: Option<Range<usize>>,
    /// Why its value is not accepted. Safe to show.
    pub fault: Option<String>,
}

/// The type of a row's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A string.
    Text,
    /// A number without a fraction.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// One of these values.
    Choice(Vec<Value>),
    /// An object, whose members have rows of their own.
    Object,
    /// An array, whose items have rows of their own: the number of items, and the JSON text of a new one.
    Array(usize, String),
    /// Anything else, as JSON text.
    Json,
}

impl Kind {
    /// Returns the type as a noun with its article.
    fn noun(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Choice(_) => "one of its values",
            Self::Object => "an object",
            Self::Array(..) => "an array",
            Self::Json => "JSON",
        }
    }

    /// The JSON text of a new item of this type in an array.
    fn new_item(&self) -> String {
        match self {
            Self::Text => "\"\"".to_owned(),
            Self::Integer | Self::Number => "0".to_owned(),
            Self::Boolean => "false".to_owned(),
            Self::Choice(values) => values.first().unwrap_or(&Value::Null).to_string(),
            Self::Object => "{}".to_owned(),
            Self::Array(..) => "[]".to_owned(),
            Self::Json => "null".to_owned(),
        }
    }

    /// Returns why a JSON text is not a value of this type. Safe to show.
    fn mismatch(&self, json: &str) -> Option<String> {
        let fits = match self {
            Self::Text => json.starts_with('"'),
            Self::Integer => is_integer(json),
            Self::Number => is_number(json),
            Self::Boolean => matches!(json, "true" | "false"),
            Self::Object => json.starts_with('{'),
            Self::Array(..) => json.starts_with('['),
            Self::Json => true,
            Self::Choice(values) => {
                let value: Option<Value> = serde_json::from_str(json).ok();
                if value.is_some_and(|value| values.contains(&value)) {
                    return None;
                }
                let all = text::names(values.iter().map(shown), 24, 8, ", ");
                return Some(format!("expected one of {all}; got {}", text::name(&typed(self, json), 40)));
            }
        };
        if fits {
            return None;
        }
        if let (true, Err(fault)) = (json.starts_with('"'), exact_value(&typed(self, json)))
            && fault.what.is_json()
        {
            return Some(fault.what.to_string());
        }
        let got = if is_number(json) { text::name(json, 40) } else { kind_of(json).to_owned() };
        Some(format!("expected {}, got {got}", self.noun()))
    }
}

/// Whether a JSON text is a number.
fn is_number(json: &str) -> bool {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Whether a JSON text is a number without a fraction; JSON Schema accepts `1.0`.
fn is_integer(json: &str) -> bool {
    is_number(json) && json.parse().is_ok_and(|number: f64| number.fract() == 0.0)
}

/// Returns a value for display: a string without its quotes.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the text that stands for a value in a row: a string's content, or JSON. [`literal`] is its inverse.
fn typed(kind: &Kind, json: &str) -> String {
    let content: Option<String> = serde_json::from_str(json).ok();
    match content {
        Some(content) if *kind == Kind::Text || exact_value(&content).is_err() => content,
        _ => json.to_owned(),
    }
}

/// Returns the JSON text of what was typed into a row. What is not JSON becomes a string, so that it is not lost.
fn literal(kind: &Kind, typed: &str) -> String {
    match exact_value(typed) {
        Ok(_) if *kind != Kind::Text => typed.trim().to_owned(),
        _ => quoted(typed),
    }
}

impl FormRow {
    /// The JSON text of its value, if it is set.
    pub fn json<'a>(&self, arguments: &'a str) -> Option<&'a str> {
        arguments.get(self.at.clone()?)
    }

    /// Returns its value as the text that a user edits; empty if it is not set. Not safe to show.
    pub fn typed(&self, arguments: &str) -> String {
        self.json(arguments).map_or_else(String::new, |json| typed(&self.kind, json))
    }

    /// Returns the arguments with this text typed into the row. Deleting everything unsets what is not a string.
    pub fn with_typed(&self, arguments: &str, typed: &str) -> Option<String> {
        let unsets = typed.is_empty() && self.kind != Kind::Text && self.is_described && !self.is_item();
        self.with(arguments, (!unsets).then(|| literal(&self.kind, typed)).as_deref())
    }

    /// Returns the arguments with this value in the row, as JSON text, or without the value.
    pub fn with(&self, arguments: &str, value: Option<&str>) -> Option<String> {
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        match value {
            Some(value) => json_edit::set(arguments, &self.path, value),
            None => json_edit::remove(arguments, &self.path),
        }
    }

    /// Returns the arguments with a new item at the end of the row's array.
    pub fn with_item(&self, arguments: &str) -> Option<String> {
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let Kind::Array(items, new) = &self.kind else { return None };
        let path: Vec<Step> = self.path.iter().cloned().chain([Step::Item(*items)]).collect();
        json_edit::set(arguments, &path, new)
    }

    fn is_item(&self) -> bool {
        matches!(self.path.last(), Some(Step::Item(_)))
    }

    /// Returns the values that the arrows go through, as JSON text; `None` is a value that is not set. Empty if the arrows
    /// have no effect.
    pub fn options(&self, arguments: &str) -> Vec<Option<String>> {
        let mut values: Vec<String> = match &self.kind {
            Kind::Boolean => vec!["true".to_owned(), "false".to_owned()],
            Kind::Choice(values) => values.iter().map(Value::to_string).collect(),
            // The arrows must not replace what was typed.
            _ if !self.is_nullable || self.json(arguments).is_some_and(|json| json != "null") => return Vec::new(),
            _ => Vec::new(),
        };
        values.extend(self.is_nullable.then(|| "null".to_owned()));
        let unset = (!self.is_required && !self.is_item()).then_some(None);
        unset.into_iter().chain(values.into_iter().map(Some)).collect()
    }

    /// Returns the arguments with the next or previous of its [`FormRow::options`].
    pub fn turned(&self, arguments: &str, by: isize) -> Option<String> {
        let options = self.options(arguments);
        let parsed = |json: &str| serde_json::from_str::<Value>(json).ok();
        let now = self.json(arguments).map(parsed);
        let at = options.iter().position(|option| option.as_deref().map(parsed) == now);
        let to = match at {
            Some(at) => crate::app::list::turned(at, by, options.len()),
            None if by < 0 => options.len().checked_sub(1)?,
            None => 0,
        };
        self.with(arguments, options.get(to)?.as_deref())
    }

    /// Returns its name with those of the rows around it, as in `filter.labels[0]`. Safe to show.
    fn full_name(&self) -> String {
        let mut name = String::new();
        for step in &self.path {
            match step {
                Step::Item(index) => drop(write!(name, "[{index}]")),
                Step::Member(member) => {
                    name.push_str(if name.is_empty() { "" } else { "." });
                    name.push_str(&text::name(member, 40));
                }
            }
        }
        name
    }

    /// Whether a text is typed into it, rather than chosen.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Integer | Kind::Number | Kind::Json | Kind::Object)
    }

    /// Whether its text may have line breaks.
    pub fn has_lines(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Json | Kind::Object)
    }
}

impl SchemaForm {
    /// Reads the rows from a tool's schema and the arguments, as JSON text. `compiled` checks the values.
    pub fn new(schema: Option<&Value>, compiled: Option<&Schema>, arguments: &str) -> Self {
        let value = match arguments.trim() {
            "" => Value::Object(serde_json::Map::new()),
            text => exact_value(text).unwrap_or_default(),
        };
        if !value.is_object() {
            return Self::default();
        }
        let root = schema.unwrap_or(&Value::Null);
        let mut builder = Builder { root, arguments, rows: Vec::new(), is_cut: false };
        let whole = (!arguments.trim().is_empty()).then(|| {
            let start = arguments.len() - arguments.trim_start().len();
            start..arguments.trim_end().len()
        });
        let mut refs = Vec::new();
        let shape = builder.shape(root, &mut refs);
        builder.members(&shape, whole, &[], 0, &mut refs);
        let left_out = match (builder.is_cut, shape.alternatives) {
            (true, _) => Some(format!("the first {MAX_ROWS} fields are shown; edit the others in the JSON")),
            (false, true) => {
                Some("the schema has alternatives that fields cannot show; edit those in the JSON".to_owned())
            }
            (false, false) => None,
        };
        let mut form = Self { rows: builder.rows, left_out, fault: None, is_readable: true };
        if let Some(compiled) = compiled.filter(|_| arguments.len() <= MAX_CHECKED) {
            form.mark(compiled.faults(&value, MAX_FAULTS));
        }
        form
    }

    /// Adds the errors of the schema to the rows that they belong to.
    fn mark(&mut self, faults: Vec<(String, String)>) {
        for (pointer, words) in faults {
            let leads = |row: &&mut FormRow| {
                let to: String = row.path.iter().map(Step::to_string).collect();
                pointer.strip_prefix(&*to).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            match self.rows.iter_mut().filter(leads).max_by_key(|row| row.path.len()) {
                Some(row) => drop(row.fault.get_or_insert(words)),
                None => drop(self.fault.get_or_insert(words)),
            }
        }
    }

    /// Returns the first error and how many more there are, if there is one besides that of row `except`. Safe to show.
    pub fn summary(&self, except: Option<usize>) -> Option<String> {
        let rows = self.rows.iter().enumerate().filter(|(n, _)| Some(*n) != except);
        let of_rows = rows.filter_map(|(_, row)| Some(format!("{}: {}", row.full_name(), row.fault.as_deref()?)));
        let mut faults = of_rows.chain(self.fault.clone());
        let first = faults.next()?;
        let more = faults.count();
        Some(if more > 0 { format!("{first}; {more} more") } else { first })
    }

    /// Whether the members of this row's object have rows of their own.
    pub fn has_members(&self, row: usize) -> bool {
        let depth = |row: usize| self.rows.get(row).map(|row| row.depth);
        self.rows.get(row).is_some_and(|row| row.kind == Kind::Object) && depth(row + 1) > depth(row)
    }

    /// The row with this path.
    pub fn find(&self, path: &[Step]) -> Option<usize> {
        self.rows.iter().position(|row| row.path == path)
    }
}

/// The part of a schema that applies to a value, after references and alternatives.
struct Shape<'s> {
    kind: Kind,
    is_nullable: bool,
    /// The schemas that describe the value, the outermost first.
    chain: Vec<&'s Value>,
    /// Whether alternatives were left out.
    alternatives: bool,
}

impl<'s> Shape<'s> {
    fn of(kind: Kind, chain: Vec<&'s Value>) -> Self {
        Self { kind, is_nullable: false, chain, alternatives: false }
    }

    /// The first value of a keyword.
    fn get(&self, keyword: &str) -> Option<&'s Value> {
        self.chain.iter().find_map(|schema| schema.get(keyword))
    }

    /// Returns type, limits and description in a sentence.
    fn about(&self, is_required: bool, is_described: bool) -> String {
        let mut parts: Vec<String> = Vec::new();
        if is_required {
            parts.push("required".to_owned());
        }
        parts.push(match &self.kind {
            Kind::Text => "string".to_owned(),
            Kind::Choice(values) => format!("one of {}", text::names(values.iter().map(shown), 24, 6, ", ")),
            Kind::Array(..) => "array".to_owned(),
            Kind::Object => "object".to_owned(),
            Kind::Integer | Kind::Number | Kind::Boolean | Kind::Json => {
                self.kind.noun().trim_start_matches("an ").trim_start_matches("a ").to_owned()
            }
        });
        parts.extend(self.get("format").and_then(Value::as_str).map(|format| text::name(format, 24)));
        let limit = |keyword: &str| self.get(keyword).filter(|limit| limit.is_number()).map(Value::to_string);
        for (least, most, noun) in [
            ("minimum", "maximum", ""),
            ("exclusiveMinimum", "exclusiveMaximum", " (exclusive)"),
            ("minLength", "maxLength", " characters"),
            ("minItems", "maxItems", " items"),
        ] {
            parts.extend(match (limit(least), limit(most)) {
                (Some(least), Some(most)) => Some(format!("{least} to {most}{noun}")),
                (Some(least), None) => Some(format!("at least {least}{noun}")),
                (None, Some(most)) => Some(format!("at most {most}{noun}")),
                (None, None) => None,
            });
        }
        let pattern = self.get("pattern").and_then(Value::as_str);
        parts.extend(pattern.map(|pattern| format!("pattern {}", text::name(pattern, 40))));
        if self.is_nullable {
            parts.push("may be null".to_owned());
        }
        parts.extend(self.get("default").map(|default| format!("default {}", text::name(&default.to_string(), 40))));
        if !is_described {
            parts.push("not in the schema".to_owned());
        }
        let words = self.get("description").or_else(|| self.get("title")).and_then(Value::as_str);
        let words = words.map_or_else(String::new, |words| {
            // A description may have many lines; what matters is said first.
            let first = words.trim().lines().next().unwrap_or_default();
            format!(": {}", text::display_safe(first, 300))
        });
        parts.join(", ") + &words
    }
}

struct Builder<'s> {
    root: &'s Value,
    arguments: &'s str,
    rows: Vec<FormRow>,
    /// Whether rows were left out.
    is_cut: bool,
}

/// The longest chain of references and alternatives that is followed.
const MAX_CHAIN: usize = 16;

impl<'s> Builder<'s> {
    /// Returns the shape of a value. `refs` are the references that lead to it: a schema that contains itself is edited as
    /// JSON from its second occurrence.
    fn shape(&self, schema: &'s Value, refs: &mut Vec<&'s str>) -> Shape<'s> {
        let mut chain = Vec::new();
        let mut now = schema;
        let mut is_nullable = false;
        let mut alternatives = false;
        let kind = loop {
            chain.push(now);
            if chain.len() > MAX_CHAIN {
                break Kind::Json;
            }
            match self.narrowed(now, refs) {
                Narrowed::To(inner, null) => (now, is_nullable) = (inner, is_nullable || null),
                Narrowed::Kind(kind, null) => {
                    is_nullable |= null;
                    break kind;
                }
                Narrowed::Alternatives(null) => {
                    is_nullable |= null;
                    alternatives = true;
                    break Kind::Json;
                }
            }
        };
        let mut shape = Shape { is_nullable, alternatives, ..Shape::of(kind, chain) };
        if let Kind::Array(..) = shape.kind {
            let item = shape.get("items").filter(|items| !items.is_array());
            let first = shape.get("prefixItems").or_else(|| shape.get("items")).and_then(|list| list.get(0));
            let new = item.or(first).map_or(Kind::Json, |item| self.shape(item, &mut refs.clone()).kind);
            shape.kind = Kind::Array(0, new.new_item());
        }
        shape
    }

    /// Follows one reference or alternative, or returns the type.
    fn narrowed(&self, schema: &'s Value, refs: &mut Vec<&'s str>) -> Narrowed<'s> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if refs.contains(&reference) {
                return Narrowed::Kind(Kind::Json, false);
            }
            refs.push(reference);
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Narrowed::Kind(Kind::Json, false), |target| Narrowed::To(target, false));
        }
        if let Some(value) = schema.get("const") {
            return Narrowed::Kind(Kind::Choice(vec![value.clone()]), false);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let others = values.iter().filter(|value| !value.is_null()).cloned().collect();
            return Narrowed::Kind(Kind::Choice(others), values.contains(&Value::Null));
        }
        if schema.get("properties").is_none() {
            if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
                return Narrowed::To(only, false);
            }
            let either = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
            if let Some(either) = either.filter(|either| !either.is_empty()) {
                return Self::one_of(either);
            }
        }
        let (types, is_nullable): (Vec<&str>, bool) = match schema.get("type") {
            Some(Value::String(only)) => (vec![only], false),
            Some(Value::Array(several)) => {
                let names = several.iter().filter_map(Value::as_str);
                (names.clone().filter(|name| *name != "null").collect(), names.clone().any(|name| name == "null"))
            }
            _ if schema.get("properties").is_some() => (vec!["object"], false),
            _ if schema.get("items").is_some() || schema.get("prefixItems").is_some() => (vec!["array"], false),
            _ => (Vec::new(), false),
        };
        let has_members = schema.get("properties").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
        let kind = match types.as_slice() {
            ["string"] => Kind::Text,
            ["integer"] => Kind::Integer,
            ["number"] => Kind::Number,
            ["boolean"] => Kind::Boolean,
            ["object"] if has_members => Kind::Object,
            ["array"] => Kind::Array(0, String::new()),
            _ => Kind::Json,
        };
        Narrowed::Kind(kind, is_nullable)
    }

    /// Returns what alternatives leave: one of them besides null, a choice of constants, or nothing that fields can show.
    fn one_of(either: &'s [Value]) -> Narrowed<'s> {
        let is_null = |schema: &&Value| {
            schema.get("type").is_some_and(|kind| kind == "null") || schema.get("const").is_some_and(Value::is_null)
        };
        let null = either.iter().any(|schema| is_null(&schema));
        let others: Vec<&Value> = either.iter().filter(|schema| !is_null(schema)).collect();
        if let [only] = others.as_slice() {
            return Narrowed::To(only, null);
        }
        let constants = |schema: &&Value| match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => Some(vec![value.clone()]),
            (None, values) => values.cloned(),
        };
        match others.iter().map(constants).collect::<Option<Vec<_>>>() {
            Some(values) if !values.is_empty() => Narrowed::Kind(Kind::Choice(values.concat()), null),
            _ => Narrowed::Alternatives(null),
        }
    }

    /// Adds the rows for the members of an object: those that the schema describes, then the others that are set.
    fn members(
        &mut self,
        shape: &Shape<'s>,
        at: Option<Range<usize>>,
        path: &[Step],
        depth: usize,
        refs: &mut Vec<&'s str>,
    ) {
        let exists = at.is_some() || path.is_empty();
        let start = at.as_ref().map_or(0, |at| at.start);
        let present = at.and_then(|at| json_edit::members(self.arguments.get(at)?)).unwrap_or_default();
        let find = |name: &str| present.iter().rfind(|member| member.name == name).map(|member| moved(member, start));
        let described: Vec<(&'s String, &'s Value)> =
            shape.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
        let required = shape.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let required: Vec<&'s str> = required.collect();
        let others = shape.get("additionalProperties");
        let more = required.iter().copied().filter(|name| described.iter().all(|(known, _)| known != name));
        let more: Vec<(&str, &'s Value)> = more.map(|name| (name, others.unwrap_or(&Value::Null))).collect();
        for (name, schema) in described.iter().map(|(name, schema)| (name.as_str(), *schema)).chain(more.clone()) {
            let entry = Entry {
                label: text::name(name, 40),
                step: Step::Member(name.into()),
                schema,
                at: find(name),
                is_required: exists && required.contains(&name),
                is_described: true,
                is_refused: false,
            };
            self.row(entry, path, depth, refs);
        }
        for member in &present {
            let is_known = described.iter().any(|(known, _)| member.name == **known)
                || more.iter().any(|(known, _)| member.name == *known);
            if !is_known {
                let entry = Entry {
                    label: text::name(&member.name, 40),
                    step: Step::Member(member.name.as_ref().into()),
                    schema: others.unwrap_or(&Value::Null),
                    at: Some(moved(member, start)),
                    is_required: false,
                    is_described: others.is_some_and(Value::is_object),
                    is_refused: others == Some(&Value::Bool(false)),
                };
                self.row(entry, path, depth, refs);
            }
        }
    }

    fn row(&mut self, entry: Entry<'s>, path: &[Step], depth: usize, refs: &mut Vec<&'s str>) {
        if self.rows.len() >= MAX_ROWS {
            self.is_cut = true;
            return;
        }
        let known = refs.len();
        let Entry { label, step, schema, at, is_required, is_described, is_refused } = entry;
        let mut shape = self.shape(schema, refs);
        let path: Vec<Step> = path.iter().cloned().chain([step]).collect();
        let json = at.clone().and_then(|at| self.arguments.get(at));
        if depth >= MAX_DEPTH && matches!(shape.kind, Kind::Object | Kind::Array(..)) {
            shape.kind = Kind::Json;
        }
        let items: Vec<Range<usize>> = match (&mut shape.kind, json) {
            (Kind::Array(count, _), Some(json)) => {
                let items = json_edit::items(json).unwrap_or_default();
                *count = items.len();
                items
            }
            _ => Vec::new(),
        };
        let fault = match json {
            None if is_required => Some("required".to_owned()),
            Some(_) if is_refused => Some("not in the schema, which accepts no other members".to_owned()),
            Some("null") if shape.is_nullable => None,
            Some(json) => shape.kind.mismatch(json),
            None => None,
        };
        let row = FormRow {
            path: path.clone(),
            label,
            depth,
            kind: shape.kind.clone(),
            is_required,
            is_nullable: shape.is_nullable,
            is_described,
            default: shape.get("default").map(|default| text::name(&shown(default), 60)),
            about: shape.about(is_required, is_described),
            at: at.clone(),
            fault,
        };
        self.rows.push(row);
        match &shape.kind {
            Kind::Object if json.is_none_or(|json| json.starts_with('{')) => {
                self.members(&shape, at, &path, depth + 1, refs);
            }
            Kind::Array(..) => {
                let start = at.map_or(0, |at| at.start);
                self.items(&shape, &items, start, &path, depth + 1, refs);
            }
            _ => {}
        }
        refs.truncate(known);
    }

    /// Adds the rows for the items of an array.
    fn items(
        &mut self,
        shape: &Shape<'s>,
        items: &[Range<usize>],
        start: usize,
        path: &[Step],
        depth: usize,
        refs: &mut Vec<&'s str>,
    ) {
        let first = shape.get("prefixItems").or_else(|| shape.get("items")).and_then(Value::as_array);
        let rest = shape.get("items").filter(|items| !items.is_array());
        for (index, at) in items.iter().enumerate().take(MAX_ITEMS) {
            let schema = first.and_then(|first| first.get(index)).or(rest).unwrap_or(&Value::Null);
            let entry = Entry {
                label: format!("[{index}]"),
                step: Step::Item(index),
                schema,
                at: Some(at.start + start..at.end + start),
                is_required: false,
                is_described: true,
                is_refused: false,
            };
            self.row(entry, path, depth, refs);
        }
        if let (Some(row), true) = (self.rows.iter_mut().rfind(|row| row.path == path), items.len() > MAX_ITEMS) {
            row.about =
                format!("{}; the first {MAX_ITEMS} of {} are shown", row.about, words::count(items.len(), "item"));
        }
    }
}

/// What one step of [`Builder::shape`] finds.
enum Narrowed<'s> {
    /// Another schema that applies, and whether null is accepted besides.
    To(&'s Value, bool),
    /// The type, and whether null is accepted besides.
    Kind(Kind, bool),
    /// Alternatives that fields cannot show, and whether null is one of them.
    Alternatives(bool),
}

/// A row to be added.
struct Entry<'s> {
    label: String,
    step: Step,
    schema: &'s Value,
    at: Option<Range<usize>>,
    is_required: bool,
    is_described: bool,
    /// Whether the schema accepts no value here.
    is_refused: bool,
}

fn moved(member: &Member<'_>, by: usize) -> Range<usize> {
    member.value.start + by..member.value.end + by
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn issue() -> Value {
        json!({
            "type": "object",
            "required": ["title", "priority"],
            "properties": {
                "title": {"type": "string", "description": "What is wrong.\nMore."},
                "count": {"type": "integer", "minimum": 1, "maximum": 10, "default": 5},
                "ratio": {"type": ["number", "null"]},
                "urgent": {"type": "boolean"},
                "state": {"enum": ["open", "closed", null]},
                "kind": {"oneOf": [{"const": "bug", "title": "A bug"}, {"const": "task"}]},
                "priority": {"anyOf": [{"$ref": "#/$defs/Priority"}, {"type": "null"}]},
                "labels": {"type": "array", "items": {"type": "string"}},
                "filter": {"type": "object", "required": ["since"], "properties": {
                    "since": {"type": "string", "format": "date-time"},
                    "parent": {"$ref": "#/$defs/Node"},
                }},
                "either": {"oneOf": [{"type": "object", "properties": {"a": {}}}, {"type": "array"}]},
                "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            },
            "$defs": {
                "Priority": {"enum": [1, 2, 3]},
                "Node": {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/Node"}}},
            },
        })
    }

    fn form(schema: &Value, arguments: &str) -> SchemaForm {
        let compiled = Schema::new(schema.clone()).expect("a schema");
        SchemaForm::new(Some(schema), Some(&compiled), arguments)
    }

    fn row<'f>(form: &'f SchemaForm, pointer: &str) -> &'f FormRow {
        let to = |row: &&FormRow| row.path.iter().map(Step::to_string).collect::<String>() == pointer;
        form.rows.iter().find(to).unwrap_or_else(|| panic!("no row {pointer}"))
    }

    #[test]
    fn the_rows_follow_the_schema_with_its_references_and_alternatives() {
        let form = form(&issue(), "{}");
        let shown: Vec<(String, usize, bool)> =
            form.rows.iter().map(|row| (row.label.clone(), row.depth, row.is_required)).collect();
        let expected = [
            ("title", 0, true),
            ("count", 0, false),
            ("ratio", 0, false),
            ("urgent", 0, false),
            ("state", 0, false),
            ("kind", 0, false),
            ("priority", 0, true),
            ("labels", 0, false),
            ("filter", 0, false),
            // Required only in a filter, and there is none yet.
            ("since", 1, false),
            ("parent", 1, false),
            ("name", 2, false),
            ("child", 2, false),
            ("either", 0, false),
            ("map", 0, false),
        ];
        assert_eq!(shown, expected.map(|(label, depth, is_required)| (label.to_owned(), depth, is_required)));
        assert_eq!(row(&form, "/priority").kind, Kind::Choice(vec![json!(1), json!(2), json!(3)]));
        assert_eq!(row(&form, "/kind").kind, Kind::Choice(vec![json!("bug"), json!("task")]));
        assert_eq!(row(&form, "/filter/parent/child").kind, Kind::Json, "a schema that contains itself");
        assert_eq!((&row(&form, "/either").kind, &row(&form, "/map").kind), (&Kind::Json, &Kind::Json));
        assert_eq!(row(&form, "/count").about, "integer, 1 to 10, default 5");
        assert_eq!(row(&form, "/title").about, "required, string: What is wrong.");
        assert_eq!(row(&form, "/filter/since").about, "string, date-time");
        assert_eq!(row(&form, "/title").fault.as_deref(), Some("required"));
    }

    #[rstest]
    #[case("/count", "7", "{\"count\": 7}", None)]
    #[case("/count", "12x", "{\"count\": \"12x\"}", Some("expected an integer, got a string"))]
    #[case("/count", "1.5", "{\"count\": 1.5}", Some("expected an integer, got 1.5"))]
    #[case("/count", "7.0", "{\"count\": 7.0}", None)]
    #[case("/count", "99", "{\"count\": 99}", Some("99 is greater than the maximum of 10"))]
    #[case("/ratio", "1.500", "{\"ratio\": 1.500}", None)]
    #[case("/ratio", "-0.10", "{\"ratio\": -0.10}", None)]
    #[case("/ratio", "null", "{\"ratio\": null}", None)]
    #[case(
        "/count",
        "18446744073709551616",
        "{\"count\": \"18446744073709551616\"}",
        Some("the number 18446744073709551616 is too large to be kept exactly")
    )]
    #[case("/title", "12", "{\"title\": \"12\"}", None)]
    #[case("/title", "a \"b\"\nc", r#"{"title": "a \"b\"\nc"}"#, None)]
    #[case("/title", "", "{\"title\": \"\"}", None)]
    #[case("/urgent", "true", "{\"urgent\": true}", None)]
    #[case("/map", "{\"a\": 1}", "{\"map\": {\"a\": 1}}", None)]
    #[case("/map", "{\"a\":", r#"{"map": "{\"a\":"}"#, Some("\"{\\\"a\\\":\" is not of type \"object\""))]
    #[case("/filter/since", "x", "{\"filter\": {\"since\": \"x\"}}", None)]
    fn what_is_typed_becomes_the_value_or_a_string_that_says_what_was_expected(
        #[case] pointer: &str,
        #[case] typed: &str,
        #[case] expected: &str,
        #[case] fault: Option<&str>,
    ) {
        let before = form(&issue(), "{}");
        let after = row(&before, pointer).with_typed("{}", typed).expect("it can be set");
        assert_eq!(after, expected);
        let form = form(&issue(), &after);
        let changed = row(&form, pointer);
        assert_eq!(changed.fault.as_deref(), fault);
        // Nothing that was typed is lost: the row shows it again.
        assert_eq!(changed.typed(&after), typed);
    }

    #[test]
    fn members_that_the_schema_does_not_describe_keep_their_place_and_get_rows() {
        let given = r#"{"mine": [1.50, 2], "count": 3}"#;
        let open = form(&issue(), given);
        assert!(row(&open, "/mine").about.contains("not in the schema") && row(&open, "/mine").fault.is_none());
        assert_eq!(row(&open, "/count").with_typed(given, "4").as_deref(), Some(r#"{"mine": [1.50, 2], "count": 4}"#));
        let mut closed = issue();
        closed["additionalProperties"] = json!(false);
        let closed = form(&closed, given);
        assert_eq!(row(&closed, "/mine").fault.as_deref(), Some("not in the schema, which accepts no other members"));
    }

    #[test]
    fn an_array_grows_by_items_of_its_type_and_shrinks() {
        let mut text = "{}".to_owned();
        for _ in 0..2 {
            let form = form(&issue(), &text);
            text = row(&form, "/labels").with_item(&text).expect("an item");
        }
        assert_eq!(text, r#"{"labels": ["", ""]}"#);
        let form = form(&issue(), &text);
        text = row(&form, "/labels/1").with_typed(&text, "bug").expect("typed");
        assert_eq!(text, r#"{"labels": ["", "bug"]}"#);
        assert_eq!(row(&form, "/labels/0").with(&text, None).as_deref(), Some(r#"{"labels": ["bug"]}"#));
        assert_eq!(row(&form, "/labels").kind, Kind::Array(2, "\"\"".to_owned()));
    }

    #[test]
    fn the_arrows_go_through_the_values_and_an_optional_one_can_be_unset() {
        let turns = |pointer: &str, by: isize| {
            let mut text = "{}".to_owned();
            let mut seen = Vec::new();
            for _ in 0..4 {
                let form = form(&issue(), &text);
                text = row(&form, pointer).turned(&text, by).expect("a value");
                seen.push(text.clone());
            }
            seen
        };
        assert_eq!(turns("/urgent", 1), ["{\"urgent\": true}", "{\"urgent\": false}", "{}", "{\"urgent\": true}"]);
        assert_eq!(turns("/state", 1), ["{\"state\": \"open\"}", "{\"state\": \"closed\"}", "{\"state\": null}", "{}"]);
        // A required value cannot be unset, and the arrows do not replace what was typed.
        assert_eq!(turns("/priority", -1)[0], "{\"priority\": null}");
        assert!(!turns("/priority", 1).contains(&"{}".to_owned()));
        let text = r#"{"ratio": 2.5}"#;
        assert!(row(&form(&issue(), text), "/ratio").options(text).is_empty());
        assert_eq!(row(&form(&issue(), "{}"), "/ratio").options("{}"), [None, Some("null".to_owned())]);
    }

    #[test]
    fn what_is_not_an_object_has_no_rows_and_an_empty_text_counts_as_one() {
        for text in ["[1]", "{", "{\"a\":1,\"a\":2}", "nonsense"] {
            let form = form(&issue(), text);
            assert!(form.rows.is_empty() && !form.is_readable, "{text}");
        }
        let empty = form(&issue(), " ");
        assert_eq!(row(&empty, "/count").with_typed(" ", "1").as_deref(), Some("{\"count\": 1}"));
    }

    #[test]
    fn large_and_deep_schemas_are_bounded_and_say_so() {
        let many: serde_json::Map<String, Value> =
            (0..1000).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
        let wide = form(&json!({"properties": many}), "{}");
        assert_eq!((wide.rows.len(), wide.left_out.is_some()), (MAX_ROWS, true));
        let deep = (0..50).fold(json!({"type": "string"}), |inner, _| json!({"properties": {"a": inner}}));
        let deep = form(&deep, "{}");
        assert_eq!(deep.rows.last().map(|row| (row.depth, &row.kind)), Some((MAX_DEPTH, &Kind::Json)));
        let long = json!({"labels": vec!["x"; 100]}).to_string();
        let long = form(&issue(), &long);
        assert!(
            row(&long, "/labels").about.contains("the first 30 of 100 items are shown"),
            "{:?}",
            row(&long, "/labels")
        );
    }

    #[test]
    fn foreign_words_are_safe_to_show() {
        let odd = "\u{202e}x\u{1b}[31m";
        let schema =
            json!({"properties": {odd: {"description": odd, "default": odd, "enum": [odd, odd], "format": odd}}});
        let form = SchemaForm::new(Some(&schema), None, "{}");
        let row = &form.rows[0];
        for shown in [&row.label, &row.about, row.default.as_ref().expect("a default")] {
            assert!(!shown.contains(['\u{202e}', '\u{1b}']), "{shown:?}");
        }
    }

    #[test]
    fn any_schema_and_any_arguments_make_a_form() {
        for schema in [
            json!(true),
            json!(null),
            json!({"$ref": "#"}),
            json!({"properties": {"a": {"$ref": "#/properties/a"}}}),
            json!({"properties": {"a": {"$ref": "https://example.org/x"}}}),
            json!({"properties": [1], "required": 7}),
            json!({"properties": {"a": {"type": 7, "enum": [], "items": false}}}),
            json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}),
        ] {
            let form = SchemaForm::new(Some(&schema), None, r#"{"a": {"b": [1]}}"#);
            assert!(form.is_readable && row(&form, "/a").json(r#"{"a": {"b": [1]}}"#).is_some(), "{schema}");
        }
    }
}

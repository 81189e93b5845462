//! The members of a JSON object as written: in order, including duplicates, with unparsed values.
//!
//! A JSON value type refuses a whole document because of one number with 400 digits or deep nesting, and silently keeps
//! the last of two equal names. A gate must see what is actually there, so names are parsed and values are kept as raw
//! text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::text;

/// One member: its name with escapes resolved, and the JSON text of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name, unescaped.
    pub name: Cow<'a, str>,
    /// The value's JSON text as written.
    pub value: &'a str,
}

/// Why a text is not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Invalid UTF-8, from this byte on.
    NotUtf8(usize),
    /// Valid JSON, but not an object; the type found.
    NotAnObject(&'static str),
    /// Invalid JSON, from this byte on.
    NotJson(usize),
    /// Incomplete JSON, which ends after this byte.
    EndsEarly(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8(at) => write!(f, "invalid UTF-8 at byte {at}"),
            Self::NotAnObject(what) => write!(f, "expected a JSON object, got {what}"),
            Self::NotJson(at) => write!(f, "invalid JSON at byte {at}"),
            Self::EndsEarly(0) => f.write_str("empty, expected a JSON object"),
            Self::EndsEarly(at) => write!(f, "incomplete JSON, ends after byte {at}"),
        }
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some(name) = map.next_key_seed(Name)? {
            let value: &'de RawValue = map.next_value()?;
            members.push(Member { name, value: value.get() });
        }
        Ok(members)
    }
}

/// Deserializes a member's name, borrowed unless it contains escapes; serde's own `Cow` always copies.
struct Name;

impl<'de> serde::de::DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Parses `bytes` as a JSON object and returns its members.
pub fn parse(bytes: &[u8]) -> Result<Vec<Member<'_>>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|e| Fault::NotUtf8(e.valid_up_to() + 1))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(Members).and_then(|members| json.end().map(|()| members));
    read.map_err(|error| fault(text, &error))
}

/// Converts the parser's error to our own; the parser's messages quote the input.
fn fault(text: &str, error: &serde_json::Error) -> Fault {
    let before: usize = text.split('\n').take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
    let at = (before + error.column()).min(text.len());
    match text.trim_start().bytes().next() {
        _ if error.is_eof() => Fault::EndsEarly(at),
        Some(b'{') | None => Fault::NotJson(at),
        Some(first) if serde_json::from_str::<&RawValue>(text).is_ok() => Fault::NotAnObject(kind(first)),
        Some(_) => Fault::NotJson(at),
    }
}

/// Returns the JSON text of the first member with this name.
pub fn value<'m>(members: &[Member<'m>], name: &str) -> Option<&'m str> {
    members.iter().find(|member| member.name == name).map(|member| member.value)
}

/// Returns the type of a JSON value, as a noun with its article.
pub fn kind_of(value: &str) -> &'static str {
    value.bytes().next().map_or("nothing", kind)
}

/// Like [`kind_of`], but returns "an invalid string" for a string with an unpaired surrogate.
pub fn kind_or_broken(value: &str) -> &'static str {
    match kind_of(value) {
        "a string" if string(value).is_none() => "an invalid string",
        kind => kind,
    }
}

const fn kind(first: u8) -> &'static str {
    match first {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "a number",
    }
}

/// Returns the first duplicate name, with escapes resolved. RFC 7519 §4 allows a reader to reject such a token, and we do.
pub fn duplicate<'m>(members: &'m [Member<'_>]) -> Option<&'m str> {
    if members.len() <= 16 {
        let seen = |(i, m): (usize, &'m Member<'_>)| {
            members.iter().take(i).any(|other| other.name == m.name).then_some(&*m.name)
        };
        return members.iter().enumerate().find_map(seen);
    }
    let mut names = HashSet::with_capacity(members.len());
    members.iter().find(|m| !names.insert(&*m.name)).map(|m| &*m.name)
}

/// Returns the value if it is a string; `None` for anything else, including a string with an unpaired surrogate.
pub fn string(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        serde_json::from_str(value).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Formats a value for display: a string without quotes, unless it would then look like another value. Safe to show.
pub fn shown(value: &str) -> String {
    match string(text::head(value, 4096)) {
        Some(string) if !is_json(&string) => text::name(&string, 1024),
        _ => text::display_safe(value, 1024),
    }
}

/// Whether a text is one JSON value.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Returns the strings of a JSON array of strings; `None` for anything else.
pub fn strings(value: &str) -> Option<Vec<Cow<'_, str>>> {
    plain_strings(value).or_else(|| serde_json::from_str(value).ok())
}

/// A fast path of [`strings`] for nearly every token: an array without escapes, and without blanks between its strings,
/// in text that is known to be valid JSON. It saves a second parser run, a twentieth of a decision; the budget for a
/// whole decision is 0.45 × `jsonwebtoken::decode` (`cargo bench`).
fn plain_strings(value: &str) -> Option<Vec<Cow<'_, str>>> {
    let inner = value.strip_prefix("[\"")?.strip_suffix("\"]")?;
    let mut strings = Vec::new();
    let mut rest = inner.as_bytes().iter().all(|b| *b != b'\\').then_some(inner)?;
    while let Some((string, more)) = rest.split_once('"') {
        strings.push(Cow::Borrowed(string));
        rest = more.strip_prefix(",\"")?;
    }
    strings.push(Cow::Borrowed(rest));
    Some(strings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn members_keep_order_duplicates_and_wild_values() {
        let members = parse(br#"{"b":1e400,"a":[1, 2],"\u0062":"x"}"#).expect("an object");
        let shown: Vec<_> = members.iter().map(|m| (&*m.name, m.value)).collect();
        assert_eq!(shown, [("b", "1e400"), ("a", "[1, 2]"), ("b", "\"x\"")]);
        assert_eq!(duplicate(&members), Some("b"));
    }

    #[rstest]
    #[case(r#""user123""#, "user123")]
    #[case(r#""nullify""#, "nullify")]
    #[case(r#""2026-11-23""#, "2026-11-23")]
    #[case(r#"" null ""#, r#"" null ""#)]
    #[case(r#""12""#, r#""12""#)]
    #[case(r#""-1.5e3""#, r#""-1.5e3""#)]
    #[case(r#""[\"admin\"]""#, r#""[\"admin\"]""#)]
    #[case(r#""\"admin\"""#, r#""\"admin\"""#)]
    #[case("12", "12")]
    fn a_string_keeps_its_quotes_where_it_would_read_as_another_value(#[case] value: &str, #[case] seen: &str) {
        assert_eq!(shown(value), seen);
    }

    #[test]
    fn deep_nesting_and_many_members_are_read() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
        assert_eq!(parse(deep.as_bytes()).map(|m| m.len()), Ok(1));
        let many: Vec<String> = (0..40_000).map(|n| format!("\"c{n}\":{n}")).collect();
        let text = format!("{{{}}}", many.join(","));
        let members = parse(text.as_bytes()).expect("an object");
        assert_eq!((members.len(), duplicate(&members)), (40_000, None));
    }

    #[rstest]
    #[case(b"[1]", Fault::NotAnObject("an array"))]
    #[case(b"\"x\"", Fault::NotAnObject("a string"))]
    #[case(b"1e400", Fault::NotAnObject("a number"))]
    #[case(b"{\"a\":", Fault::EndsEarly(5))]
    #[case(b"{a}", Fault::NotJson(2))]
    #[case(b"{} x", Fault::NotJson(4))]
    #[case(b"{\r\n\r\na}", Fault::NotJson(6))]
    #[case(b"", Fault::EndsEarly(0))]
    #[case(b"{\"\xff\":1}", Fault::NotUtf8(3))]
    fn what_is_no_object_is_named(#[case] bytes: &[u8], #[case] fault: Fault) {
        assert_eq!(parse(bytes), Err(fault));
    }

    proptest! {
        #[test]
        fn an_array_is_read_as_the_parser_reads_it(pieces in proptest::collection::vec("[\\[\\]\",a\\\\ 1]{0,3}|\",\"|\"a\"|, ?", 0..6)) {
            let value = format!("[{}]", pieces.concat());
            // Values are taken from text that has already been parsed as JSON.
            if serde_json::from_str::<serde::de::IgnoredAny>(&value).is_ok() {
                prop_assert_eq!(strings(&value), serde_json::from_str(&value).ok(), "{}", value);
            }
        }
    }
}

//! Edits of JSON text: one value is set or removed, and everything else stays as it is written, to the digit and the
//! blank.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the member of an object with this name.
    Member(Arc<str>),
    /// To the item of an array with this index.
    Item(usize),
}

/// Formats the step as a reference token of a JSON Pointer (RFC 6901), with its slash.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Item(index) => write!(f, "/{index}"),
        }
    }
}

/// A member of an object: its name, and where its name and its value are in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// Where the name is, with its quotes.
    key: Range<usize>,
    /// Where the value is.
    pub value: Range<usize>,
}

/// Returns the members of an object; `None` if the text is not an object.
pub fn members(text: &str) -> Option<Vec<Member<'_>>> {
    struct Members<'t>(&'t str);
    impl<'t> Visitor<'t> for Members<'t> {
        type Value = Vec<Member<'t>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some((key, value)) = map.next_entry::<&'t RawValue, &'t RawValue>()? {
                let name: Cow<'t, str> = serde_json::from_str(key.get()).map_err(serde::de::Error::custom)?;
                found.push(Member { name, key: range(self.0, key.get()), value: range(self.0, value.get()) });
            }
            Ok(found)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_map(Members(text)).ok()?;
    json.end().ok().map(|()| found)
}

/// Returns where the items of an array are; `None` if the text is not an array.
pub fn items(text: &str) -> Option<Vec<Range<usize>>> {
    struct Items<'t>(&'t str);
    impl<'t> Visitor<'t> for Items<'t> {
        type Value = Vec<Range<usize>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(value) = list.next_element::<&'t RawValue>()? {
                found.push(range(self.0, value.get()));
            }
            Ok(found)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_seq(Items(text)).ok()?;
    json.end().ok().map(|()| found)
}

/// Returns where a part of a text is in it.
fn range(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + part.len()
}

/// Sets the value at a path, and creates the objects and arrays around it that do not exist. Returns `None` if the path
/// leads into a value of another type, or past the end of an array.
pub fn set(text: &str, path: &[Step], value: &str) -> Option<String> {
    let (at, new) = change(text, path, value)?;
    let (before, after) = (text.get(..at.start)?, text.get(at.end..)?);
    Some([before, &new, after].concat())
}

/// Returns which part of the text to replace, and by what.
fn change(text: &str, path: &[Step], value: &str) -> Option<(Range<usize>, String)> {
    let Some((step, rest)) = path.split_first() else {
        return Some((range(text, text.trim()), value.to_owned()));
    };
    let inside = |at: Range<usize>| {
        let (part, new) = change(text.get(at.clone())?, rest, value)?;
        Some((part.start + at.start..part.end + at.start, new))
    };
    let brace = range(text, text.trim()).start + 1;
    match step {
        Step::Member(name) => {
            let all = members(text)?;
            if let Some(known) = all.iter().rfind(|member| *member.name == **name) {
                return inside(known.value.clone());
            }
            let new = format!("{}: {}", quoted(name), nested(rest, value)?);
            Some(match all.last() {
                Some(last) => appended(text, last.value.end, last.key.start, &new),
                None => (brace..brace, new),
            })
        }
        Step::Item(index) => {
            let all = items(text)?;
            match (all.get(*index), all.last()) {
                (Some(known), _) => inside(known.clone()),
                (None, _) if *index != all.len() => None,
                (None, Some(last)) => Some(appended(text, last.end, last.start, &nested(rest, value)?)),
                (None, None) => Some((brace..brace, nested(rest, value)?)),
            }
        }
    }
}

/// Appends a member or an item after the last one, in the same way: on a line of its own if that one is.
fn appended(text: &str, end: usize, last_starts: usize, new: &str) -> (Range<usize>, String) {
    let before = text.get(..last_starts).unwrap_or_default();
    let blank = before.get(before.trim_end().len()..).unwrap_or_default();
    let blank = if blank.contains('\n') { blank } else { " " };
    (end..end, format!(",{blank}{new}"))
}

/// Returns a value inside new objects and arrays.
fn nested(path: &[Step], value: &str) -> Option<String> {
    path.iter().rev().try_fold(value.to_owned(), |inner, step| match step {
        Step::Member(name) => Some(format!("{{{}: {inner}}}", quoted(name))),
        Step::Item(0) => Some(format!("[{inner}]")),
        Step::Item(_) => None,
    })
}

/// Returns a text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Removes the value at a path with its name. Returns `None` if it does not exist.
pub fn remove(text: &str, path: &[Step]) -> Option<String> {
    let (last, around) = path.split_last()?;
    let container = around.iter().try_fold(range(text, text.trim()), |at, step| {
        let inner = text.get(at.clone())?;
        let value = match step {
            Step::Member(name) => members(inner)?.into_iter().rfind(|member| *member.name == **name)?.value,
            Step::Item(index) => items(inner)?.get(*index)?.clone(),
        };
        Some(value.start + at.start..value.end + at.start)
    })?;
    let inner = text.get(container.clone())?;
    let (places, place): (Vec<Range<usize>>, usize) = match last {
        Step::Member(name) => {
            let all = members(inner)?;
            let place = all.iter().rposition(|member| *member.name == **name)?;
            (all.into_iter().map(|member| member.key.start..member.value.end).collect(), place)
        }
        Step::Item(index) => (items(inner)?, *index),
    };
    let this = places.get(place)?;
    let part = match (place.checked_sub(1).and_then(|before| places.get(before)), places.get(place + 1)) {
        (Some(before), _) => before.end..this.end,
        (None, Some(next)) => this.start..next.start,
        (None, None) => this.clone(),
    };
    let (start, end) = (container.start + part.start, container.start + part.end);
    Some([text.get(..start)?, text.get(end..)?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn path(pointer: &str) -> Vec<Step> {
        let step = |part: &str| part.parse().map_or_else(|_| Step::Member(part.into()), Step::Item);
        pointer.split('/').skip(1).map(step).collect()
    }

    #[rstest]
    #[case(r#"{"a": 1.50, "b": 2}"#, "/b", "3", r#"{"a": 1.50, "b": 3}"#)]
    #[case(r#"{"a": 1}"#, "/b", r#""x""#, r#"{"a": 1, "b": "x"}"#)]
    #[case("{}", "/b", "1", r#"{"b": 1}"#)]
    #[case(" { } ", "/b", "1", r#" {"b": 1 } "#)]
    #[case("{}", "/f/since/0", "1", r#"{"f": {"since": [1]}}"#)]
    #[case(r#"{"f": {"x": 0}}"#, "/f/y", "1", r#"{"f": {"x": 0, "y": 1}}"#)]
    #[case(r#"{"t": ["a"]}"#, "/t/1", r#""b""#, r#"{"t": ["a", "b"]}"#)]
    #[case(r#"{"t": []}"#, "/t/0", r#""b""#, r#"{"t": ["b"]}"#)]
    #[case("{\n  \"a\": 1\n}", "/b", "2", "{\n  \"a\": 1,\n  \"b\": 2\n}")]
    #[case(r#"{"\u0061": 1}"#, "/a", "2", r#"{"\u0061": 2}"#)]
    #[case("1", "", "2", "2")]
    fn one_value_is_set_and_the_rest_stays_as_it_is_written(
        #[case] text: &str,
        #[case] pointer: &str,
        #[case] value: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(set(text, &path(pointer), value).as_deref(), Some(expected));
    }

    #[rstest]
    #[case("[1]", "/a")]
    #[case(r#"{"a": 1}"#, "/a/b")]
    #[case(r#"{"a": [1]}"#, "/a/2")]
    #[case("{", "/a")]
    #[case("{}", "/a/1")]
    fn a_path_into_another_type_changes_nothing(#[case] text: &str, #[case] pointer: &str) {
        assert_eq!(set(text, &path(pointer), "2"), None);
    }

    #[rstest]
    #[case(r#"{"a": 1, "b": 2, "c": 3}"#, "/b", r#"{"a": 1, "c": 3}"#)]
    #[case(r#"{"a": 1, "b": 2}"#, "/a", r#"{"b": 2}"#)]
    #[case(r#"{"a": 1}"#, "/a", "{}")]
    #[case(r#"{"t": ["a", "b"]}"#, "/t/1", r#"{"t": ["a"]}"#)]
    #[case("{\n  \"a\": 1,\n  \"b\": 2\n}", "/b", "{\n  \"a\": 1\n}")]
    fn one_value_is_removed_with_its_name(#[case] text: &str, #[case] pointer: &str, #[case] expected: &str) {
        assert_eq!(remove(text, &path(pointer)).as_deref(), Some(expected));
        assert_eq!(remove(text, &path("/none")), None);
    }

    proptest! {
        #[test]
        fn a_value_that_is_set_is_found_again(name in "\\PC{0,8}", first in any::<i64>(), text in "\\PC{0,8}") {
            let given = json!({ "first": first, "inner": { "list": [1, 2] } }).to_string();
            let to = [Step::Member("inner".into()), Step::Member(name.as_str().into())];
            let changed = set(&given, &to, &quoted(&text)).expect("it can be set");
            let value: Value = serde_json::from_str(&changed).expect("JSON");
            prop_assert_eq!(&value["inner"][&name], &json!(text));
            prop_assert_eq!(&value["first"], &json!(first));
            let removed: Value = serde_json::from_str(&remove(&changed, &to).expect("it was there")).expect("JSON");
            prop_assert_eq!(removed["inner"].get(&name), None);
        }
    }
}

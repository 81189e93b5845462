//! Parsing of JSON values that every parser reads in the same way.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

/// A name or a number in an error, shortened and safe to show. It is stored inline, so that errors are `Copy` and
/// foreign input does not allocate memory in them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    bytes: [u8; MOST_OF_EXCERPT],
    length: usize,
}

/// The longest excerpt, in bytes: enough for 48 unescaped ASCII characters and the mark of a cut.
const MOST_OF_EXCERPT: usize = 64;

impl Excerpt {
    /// Creates an excerpt of the beginning of a foreign text.
    pub fn new(foreign: &str) -> Self {
        let shown = super::name(foreign, 48);
        let kept = super::head(&shown, MOST_OF_EXCERPT);
        let mut bytes = [0; MOST_OF_EXCERPT];
        for (to, from) in bytes.iter_mut().zip(kept.bytes()) {
            *to = from;
        }
        Self { bytes, length: kept.len() }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        f.write_str(str::from_utf8(bytes).unwrap_or_default())
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The error for a text that is not JSON, or whose value cannot be represented exactly. The position counts from 1; its
/// column is 0 for an empty text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct JsonError {
    /// The fault. Safe to show.
    pub what: JsonFault,
    /// The line.
    pub line: usize,
    /// The column, in bytes.
    pub column: usize,
}

/// Why a text is not an exact JSON value. Safe to show: names and numbers are escaped and shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The text ends before the value does.
    #[error("the JSON ends early")]
    EndsEarly,
    /// The text is not valid JSON.
    #[error("not JSON")]
    NotJson,
    /// A member that occurs twice in one object: RFC 8259 §4 leaves open which one counts.
    #[error("duplicate member {0}")]
    Duplicate(Excerpt),
    /// A number that neither a 64-bit integer nor a double can represent as written: RFC 8259 §6 lets a parser change
    /// it.
    #[error("the number {0} is too large to be kept exactly")]
    Number(Excerpt),
    /// More values than the limit.
    #[error("more than {0} values")]
    TooMany(usize),
    /// Arrays and objects nested more deeply than the parser accepts.
    #[error("nested more than 127 levels deep")]
    TooDeep,
}

impl JsonFault {
    /// Whether the text is valid JSON nevertheless.
    pub const fn is_json(&self) -> bool {
        !matches!(self, Self::EndsEarly | Self::NotJson)
    }
}

/// Parses a JSON value exactly as it is written: a duplicate member and an integer that does not fit into 64 bits are
/// errors, because they would change the value.
pub fn exact_value(text: &str) -> Result<Value, JsonError> {
    exact_value_of(text, usize::MAX)
}

/// Like [`exact_value`], with a limit on the number of values, including nested ones: a short text can contain many,
/// and each takes some hundred bytes of memory.
pub fn exact_value_of(text: &str, most: usize) -> Result<Value, JsonError> {
    let (left, found) = (Cell::new(most), RefCell::new(None));
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = ExactVisitor { left: &left, found: &found }.deserialize(&mut json);
    parsed.and_then(|value| json.end().map(|()| value)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let number = || JsonFault::Number(Excerpt::new(number_at(text, line, column)));
        let what = match found.take() {
            Some(InexactCause::Duplicate(name)) => JsonFault::Duplicate(Excerpt::new(&name)),
            Some(InexactCause::Number) => number(),
            Some(InexactCause::TooMany) => JsonFault::TooMany(most),
            None => match error.classify() {
                Category::Eof => JsonFault::EndsEarly,
                // The parser has no category for these two faults; both texts are JSON.
                _ if error.to_string().starts_with("number out of range") => number(),
                _ if error.to_string().starts_with("recursion limit exceeded") => JsonFault::TooDeep,
                Category::Data | Category::Syntax | Category::Io => JsonFault::NotJson,
            },
        };
        JsonError { what, line, column }
    })
}

/// Returns the number at a position. The parser reports its end, or the character after that.
fn number_at(text: &str, line: usize, column: usize) -> &str {
    let Some(line) = text.split('\n').nth(line.saturating_sub(1)) else {
        return "";
    };
    let is_part = |at: &usize| line.as_bytes().get(*at).is_some_and(|b| b.is_ascii_digit() || b"+-.eE".contains(b));
    let at = column.saturating_sub(1);
    let within = [at, at.saturating_sub(1)].into_iter().find(is_part);
    let Some(within) = within else {
        return "";
    };
    let first = (0..=within).rev().take_while(is_part).last().unwrap_or(within);
    let behind = (within..line.len()).find(|at| !is_part(at)).unwrap_or(line.len());
    line.get(first..behind).unwrap_or_default()
}

/// The reason why the value is inexact, recorded where it was found: the parser's error carries only a text.
enum InexactCause {
    Duplicate(String),
    Number,
    TooMany,
}

#[derive(Clone, Copy)]
struct ExactVisitor<'c> {
    /// How many more values are accepted.
    left: &'c Cell<usize>,
    found: &'c RefCell<Option<InexactCause>>,
}

impl ExactVisitor<'_> {
    /// Records the cause, and returns the error that ends parsing.
    fn ends<E: Error>(self, found: InexactCause) -> E {
        self.found.replace(Some(found));
        E::custom("not exact")
    }
}

impl<'de> DeserializeSeed<'de> for ExactVisitor<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| self.ends(InexactCause::TooMany))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ExactVisitor<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // Integers that do not fit into i64 or u64 arrive here, rounded.
        match value > -9_223_372_036_854_775_808.0 && value < 18_446_744_073_709_551_615.0 {
            true => Ok(value.into()),
            false => Err(self.ends(InexactCause::Number)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            if members.contains_key(&name) {
                return Err(self.ends(InexactCause::Duplicate(name)));
            }
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("7", 1)]
    #[case("[1, 2]", 3)]
    #[case(r#"{"a": {"b": [null]}}"#, 4)]
    fn values_are_counted_with_those_inside_them(#[case] text: &str, #[case] values: usize) {
        assert!(exact_value_of(text, values).is_ok());
        assert_eq!(exact_value_of(text, values - 1).map_err(|error| error.what), Err(JsonFault::TooMany(values - 1)));
    }

    #[rstest]
    #[case("{\"id\": 18446744073709551616}", "the number 18446744073709551616 is too large to be kept exactly", 1, 27)]
    #[case(
        "{\"a\": 1,\n \"id\":[-9223372036854775809 , 1]}",
        "the number -9223372036854775809 is too large to be kept exactly",
        2,
        27
    )]
    #[case("18446744073709551616", "the number 18446744073709551616 is too large to be kept exactly", 1, 20)]
    #[case("[1e400]", "the number 1e400 is too large to be kept exactly", 1, 6)]
    #[case("-1E+400", "the number -1E+400 is too large to be kept exactly", 1, 7)]
    #[case("[1e20]", "the number 1e20 is too large to be kept exactly", 1, 5)]
    #[case(r#"{"id":1,"id":2}"#, "duplicate member id", 1, 15)]
    #[case(r#"{"a":1,"\u0061":2}"#, "duplicate member a", 1, 18)]
    #[case(r#"{"\u202e":1,"\u202e":2}"#, r"duplicate member \u{202e}", 1, 23)]
    #[case(r#"{"id": 18446744073709551616"#, "the number 18446744073709551616 is too large to be kept exactly", 1, 27)]
    #[case("", "the JSON ends early", 1, 0)]
    #[case("[1", "the JSON ends early", 1, 2)]
    #[case("{id: 1}", "not JSON", 1, 2)]
    #[case("1 2", "not JSON", 1, 3)]
    #[case("[01]", "not JSON", 1, 3)]
    fn what_is_not_exact_is_named_with_its_place(
        #[case] text: &str,
        #[case] what: &str,
        #[case] line: usize,
        #[case] column: usize,
    ) {
        let error = exact_value(text).expect_err("it is not exact");
        assert_eq!((&*error.to_string(), error.line, error.column), (what, line, column));
    }

    #[test]
    fn a_long_number_is_shortened_and_a_deep_nesting_is_not_called_a_syntax_error() {
        let error = exact_value(&"9".repeat(10_000)).expect_err("too large");
        assert!(error.to_string().len() < 120 && error.what.is_json(), "{error}");
        let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert_eq!(exact_value(&deep).map_err(|error| error.what), Err(JsonFault::TooDeep));
        let shallow = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert!(exact_value(&shallow).is_ok(), "127 levels");
    }

    #[rstest]
    #[case("18446744073709551615")]
    #[case("-9223372036854775808")]
    #[case("1.5")]
    #[case("-0.25")]
    fn numbers_that_can_be_kept_stay_as_they_are_written(#[case] text: &str) {
        assert_eq!(exact_value(text).expect("a number").to_string(), text);
    }

    #[test]
    fn what_follows_a_value_is_an_error() {
        assert!(exact_value("1 2").is_err());
        assert_eq!(exact_value(" [1] ").expect("JSON"), serde_json::json!([1]));
    }
}

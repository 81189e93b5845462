//! JSON values that mean the same to every reader.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Parses a JSON value exactly as it is written: a duplicate member and a whole number that does not fit into 64 bits are
/// data errors, because the value would be another one.
pub fn exact_value(text: &str) -> Result<Value, serde_json::Error> {
    exact_value_of(text, usize::MAX)
}

/// [`exact_value`] of at most so many values, those inside others counted: a short text can stand for many, and each takes
/// some hundred bytes of memory. One value more is a data error.
pub fn exact_value_of(text: &str, most: usize) -> Result<Value, serde_json::Error> {
    let left = Cell::new(most);
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Exactly { left: &left }.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Exactly<'c> {
    /// How many values may still come.
    left: &'c Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Exactly<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Exactly<'_> {
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
        // Here whole numbers come that the others do not take.
        match value.abs() < 18_446_744_073_709_551_615.0 {
            true => Ok(value.into()),
            false => Err(E::custom("a number too large to be kept as it is")),
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
                return Err(A::Error::custom(format!("{} stands twice", super::name(&name, 48))));
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
        assert!(exact_value_of(text, values - 1).is_err_and(|error| error.is_data()));
    }

    #[test]
    fn what_follows_a_value_is_an_error() {
        assert!(exact_value("1 2").is_err() && exact_value(r#"{"a":1,"a":1}"#).is_err());
        assert_eq!(exact_value(" [1] ").expect("JSON"), serde_json::json!([1]));
    }
}

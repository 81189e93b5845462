//! Compares two tokens, member by member.

use std::collections::HashMap;

use super::date::NumericDate;
use super::inspection::{Document, Inspection};
use super::members;
use crate::text::{self, Span, words};

/// How a member differs between the left and the right token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Change {
    Same,
    Changed,
    Added,
    Missing,
}

impl Change {
    /// The sign shown before it.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Same => "=",
            Self::Changed => "≠",
            Self::Added => "+",
            Self::Missing => "-",
        }
    }
}

/// A member of either token. Everything is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `header` or `claims`.
    pub part: &'static str,
    /// The member's name.
    pub name: String,
    /// Its value in the left token.
    pub left: Option<String>,
    /// Its value in the right token.
    pub right: Option<String>,
    /// How it differs.
    pub change: Change,
    /// Whether it is `iat`, `nbf` or `exp`, with a readable time in each token that has it.
    pub is_time: bool,
    /// For a time that differs: how much later or earlier the right one is, in words.
    pub later: Option<String>,
}

/// Compares the members of two tokens; those of the left one come first.
pub fn diff(left: &Inspection, right: &Inspection) -> Vec<Row> {
    let mut rows = members("header", &left.header, &right.header);
    rows.extend(members("claims", &left.payload, &right.payload));
    rows
}

/// The claims whose distance in time is shown (RFC 7519 §4.1).
const TIMES: [&str; 3] = ["iat", "nbf", "exp"];

fn members(part: &'static str, left: &Document, right: &Document) -> Vec<Row> {
    let (left, right) = (numbered(left), numbered(right));
    let there: HashMap<&Place<'_>, &str> = right.iter().map(|(place, value)| (place, *value)).collect();
    let here: HashMap<&Place<'_>, &str> = left.iter().map(|(place, value)| (place, *value)).collect();
    let added = right.iter().filter(|(place, _)| !here.contains_key(place));
    let rows = left.iter().map(|(place, value)| (place, Some(*value), there.get(place).copied()));
    rows.chain(added.map(|(place, value)| (place, None, Some(*value))))
        .map(|(place, l, r)| row(part, place, l, r))
        .collect()
}

/// A member's name, and its position among the members of that name, counted from 1.
type Place<'d> = (&'d str, usize);

fn numbered(document: &Document) -> Vec<(Place<'_>, &str)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    document
        .members
        .iter()
        .map(|(name, value)| {
            let nth = seen.entry(name).or_default();
            *nth += 1;
            ((name.as_str(), *nth), value.as_str())
        })
        .collect()
}

fn row(part: &'static str, (name, nth): &Place<'_>, left: Option<&str>, right: Option<&str>) -> Row {
    let change = match (left, right) {
        (Some(left), Some(right)) if left == right => Change::Same,
        (Some(_), Some(_)) => Change::Changed,
        (None, _) => Change::Added,
        (_, None) => Change::Missing,
    };
    let is_time = [left, right].into_iter().flatten().all(|value| NumericDate::from_json_number(value).is_some());
    let time = |value: Option<&str>| NumericDate::from_json_number(value.filter(|_| TIMES.contains(name))?);
    let later = time(left).zip(time(right)).map(|(left, right)| match right.since(left) {
        Span::ZERO => "the same time".to_owned(),
        by if by < Span::ZERO => format!("{} earlier", words::exact(-by)),
        by => format!("{} later", words::exact(by)),
    });
    let again = if *nth > 1 { format!(" (again, {nth})") } else { String::new() };
    let shown = |value: Option<&str>| value.map(members::shown);
    Row {
        part,
        name: text::name(name, 64) + &again,
        left: shown(left),
        right: shown(right),
        change,
        is_time: is_time && TIMES.contains(name),
        later: later.filter(|_| change == Change::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{KeyOrigin, Rules, Signer};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn inspect(payload: &str) -> Inspection {
        let rules = Rules::new(&Signer::hs256(b"my-secret", KeyOrigin::Program).expect("a key"));
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        rules.inspect(format!("{}.{}.AAAA", part(r#"{"alg":"HS256"}"#), part(payload)))
    }

    #[test]
    fn what_changed_came_and_went_is_marked_and_times_are_compared() {
        let left = inspect(r#"{"user_id":"a","exp":1000,"nbf":5,"old":1,"twice":1,"twice":2}"#);
        let right = inspect(r#"{"user_id":"a","exp":4300,"nbf":5.0,"twice":1,"new":true,"twice":3}"#);
        let rows = diff(&left, &right);
        let told: Vec<String> = rows
            .iter()
            .map(|r| format!("{} {} {}", r.change.sign(), r.name, r.later.as_deref().unwrap_or("")))
            .collect();
        let wanted = [
            "= alg ",
            "= user_id ",
            "≠ exp 55m later",
            "≠ nbf the same time",
            "- old ",
            "= twice ",
            "≠ twice (again, 2) ",
            "+ new ",
        ];
        assert_eq!(told, wanted);
    }
}

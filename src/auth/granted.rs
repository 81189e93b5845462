//! The scopes, roles and permissions of a token in the claims that usually contain some. Other servers read one of these
//! claims; which one, they do not say.

use std::borrow::Cow;
use std::collections::HashSet;

use super::members;
use crate::text;

/// The claims.
const CLAIMS: [&str; 5] = ["permissions", "scope", "scp", "roles", "groups"];

/// The names in each claim that contains some. `value_of` returns the JSON text of a claim.
pub fn by_claim<'a>(value_of: impl Fn(&str) -> Option<&'a str>) -> Vec<(&'static str, Vec<String>)> {
    let of_claim = |claim| {
        let value = value_of(claim)?;
        let list = members::strings(value).unwrap_or_default();
        let spaced = members::string(value);
        let spaced = spaced.iter().flat_map(|text| text::separated(text, ' ').map(str::to_owned));
        let names: Vec<String> = list.into_iter().map(Cow::into_owned).chain(spaced).collect();
        (!names.is_empty()).then_some((claim, names))
    };
    CLAIMS.into_iter().filter_map(of_claim).collect()
}

/// The names of all claims, each once.
pub fn once(claims: Vec<(&'static str, Vec<String>)>) -> Vec<String> {
    let mut seen = HashSet::new();
    claims.into_iter().flat_map(|(_, names)| names).filter(|name| seen.insert(name.clone())).collect()
}

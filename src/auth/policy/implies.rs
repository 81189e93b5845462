//! Implied permissions: acyclic and limited in number.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::PermissionRule;
use crate::text;

/// The highest number of implied permissions, counted for all permissions together and including indirect ones.
const MAX_IMPLIED: usize = 100_000;

/// Why the implied permissions of a policy are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImpliesError {
    /// A permission implies itself, directly or through others. The path begins and ends with it.
    #[error("circular implies: {}", text::names(.0.iter(), 48, 8, " → "))]
    Cycle(Vec<Arc<str>>),
    /// There are too many implied permissions, far more than in any file written by hand.
    #[error("too many implied permissions: expected at most {MAX_IMPLIED} in total")]
    TooMany,
}

/// Returns the permissions that each permission implies, directly or through others.
pub(super) fn closure(rules: &[PermissionRule]) -> Result<BTreeMap<Arc<str>, Vec<Arc<str>>>, ImpliesError> {
    let direct: HashMap<&str, &PermissionRule> = rules.iter().map(|rule| (&*rule.name, rule)).collect();
    let (mut all, mut total) = (BTreeMap::new(), 0);
    for rule in rules.iter().filter(|rule| !rule.implies.is_empty()) {
        // Maps each permission reached to the one that it was reached from.
        let mut from: HashMap<&str, &str> = HashMap::new();
        let mut reached = Vec::new();
        let mut waiting = VecDeque::from([rule]);
        while let Some(next) = waiting.pop_front() {
            for implied in &next.implies {
                if *implied == rule.name {
                    return Err(ImpliesError::Cycle(way(rule, next, &from)));
                }
                // The first path to it is kept: a cycle elsewhere must not change it.
                if from.contains_key(&**implied) {
                    continue;
                }
                from.insert(implied, &next.name);
                total += 1;
                if total > MAX_IMPLIED {
                    return Err(ImpliesError::TooMany);
                }
                reached.push(Arc::clone(implied));
                waiting.extend(direct.get(&**implied));
            }
        }
        all.insert(Arc::clone(&rule.name), reached);
    }
    Ok(all)
}

/// Returns the path from a permission to the one that implies it again, and back to itself.
fn way(start: &PermissionRule, last: &PermissionRule, from: &HashMap<&str, &str>) -> Vec<Arc<str>> {
    let mut way = vec![Arc::clone(&start.name)];
    let mut at = &*last.name;
    while at != &*start.name {
        way.push(at.into());
        at = from.get(at).copied().unwrap_or(&start.name);
    }
    way.push(Arc::clone(&start.name));
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(name: &str, implies: &[&str]) -> PermissionRule {
        let implies = implies.iter().map(|p| (*p).into()).collect();
        PermissionRule { name: name.into(), description: None, implies }
    }

    #[test]
    fn permissions_must_not_imply_themselves() {
        let circle = closure(&[permission("a", &["x", "b"]), permission("b", &["c"]), permission("c", &["a"])]);
        assert_eq!(circle.map_err(|e| e.to_string()), Err("circular implies: a → b → c → a".to_owned()));
        let narrow = closure(&[permission("a", &["a"])]);
        assert_eq!(narrow.map_err(|e| e.to_string()), Err("circular implies: a → a".to_owned()));
        let outside = closure(&[permission("z", &["a"]), permission("a", &["b"]), permission("b", &["a"])]);
        assert!(matches!(outside, Err(ImpliesError::Cycle(_))), "also where nothing leads back to the beginning");
        let both = closure(&[permission("x", &["a"]), permission("a", &["b"]), permission("b", &["a", "x"])]);
        assert_eq!(both.map_err(|e| e.to_string()), Err("circular implies: x → a → b → x".to_owned()));
    }

    #[test]
    fn a_long_chain_and_a_wide_one_end() {
        let chain = |length: usize| -> Vec<_> {
            (0..length).map(|n| permission(&format!("p{n}"), &[&format!("p{}", n + 1)])).collect()
        };
        assert_eq!(closure(&chain(400)).map(|all| all["p0"].len()), Ok(400));
        assert_eq!(closure(&chain(20_000)), Err(ImpliesError::TooMany));
    }
}

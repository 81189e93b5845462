//! Equivalence of policies: order is compared only where it matters.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Parts, PermissionRule, Policy, ToolRule};

impl Policy {
    /// Whether both policies decide, describe and expect the same. The order of tools and names is ignored; the order
    /// of expectations matters, because the first match is used.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        let (a, b) = (&self.parts, &other.parts);
        a.tools.len() == b.tools.len()
            && a.tools.iter().all(|tool| other.tool(&tool.name).is_some_and(|known| tool.is_equivalent(known)))
            && rules(a) == rules(b)
            && a.expectations == b.expectations
    }
}

impl ToolRule {
    /// Whether both rules are the same, regardless of the order of their permissions.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.description == other.description
            && self.schema == other.schema
            && self.stub == other.stub
            && set(&self.permissions) == set(&other.permissions)
    }
}

impl PermissionRule {
    /// Whether both entries are the same, regardless of the order of the permissions that they imply.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.description == other.description && set(&self.implies) == set(&other.implies)
    }

    /// Whether it only declares the permission: it has no description and implies nothing.
    pub fn is_bare(&self) -> bool {
        self.description.is_none() && self.implies.is_empty()
    }
}

/// The permission entries, without bare ones of permissions that a tool lists, because listing declares them as well.
fn rules(parts: &Parts) -> BTreeSet<(&str, Option<&str>, BTreeSet<&str>)> {
    let asked: BTreeSet<&str> = parts.tools.iter().flat_map(|tool| set(&tool.permissions)).collect();
    let telling = parts.permissions.iter().filter(|rule| !rule.is_bare() || !asked.contains(&*rule.name));
    telling.map(|rule| (&*rule.name, rule.description.as_deref(), set(&rule.implies))).collect()
}

fn set(names: &[Arc<str>]) -> BTreeSet<&str> {
    names.iter().map(|name| &**name).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ONE: &str = "[tools.a]\npermissions = [\"x\", \"y\"]\n[tools.b]\npermissions = []\n[permissions.z]\nimplies = [\"x\", \"y\"]\n";

    #[rstest]
    #[case(
        "[permissions.z]\nimplies = [\"y\", \"x\"]\n[tools.b]\npermissions = []\n[tools.a]\npermissions = [\"y\", \"x\"]",
        true
    )]
    #[case(&format!("{ONE}[permissions.x]"), true)]
    #[case(&format!("{ONE}[permissions.new]"), false)]
    #[case(&format!("{ONE}[permissions.x]\ndescription = \"d\""), false)]
    #[case(&ONE.replace("[]", "[\"x\"]"), false)]
    #[case(&ONE.replace("tools.b", "tools.c"), false)]
    #[case(&ONE.replace("[tools.b]", "[tools.b]\ndescription = \"d\""), false)]
    #[case(&format!("{ONE}[[expect]]\nuser = \"u\"\ntool = \"a\"\noutcome = \"allowed\""), false)]
    fn order_says_nothing_and_everything_else_does(#[case] other: &str, #[case] same: bool) {
        let (one, other) = (Policy::parse(ONE).expect("a policy"), Policy::parse(other).expect("a policy"));
        assert_eq!((one.is_equivalent(&other), other.is_equivalent(&one)), (same, same));
    }

    #[test]
    fn of_expectations_the_order_counts() {
        let line = |outcome: &str| format!("[[expect]]\nuser = \"u\"\ntool = \"a\"\noutcome = \"{outcome}\"\n");
        let read = |lines: [&str; 2]| Policy::parse(&lines.map(line).concat()).expect("a policy");
        assert!(!read(["allowed", "forbidden"]).is_equivalent(&read(["forbidden", "allowed"])));
        assert!(!read(["allowed", "allowed"]).is_equivalent(&read(["allowed", "forbidden"])));
    }
}

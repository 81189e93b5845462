//! Proofs: the [`Principal`], which only verification creates, and the [`Permit`], which only a decision creates. Code
//! that has one does not need to verify again; a tool can be called only with a permit.

use std::ops::Deref;
use std::sync::Arc;

use super::claims::Claims;
use super::date::NumericDate;
use super::decision::Decision;
use super::policy::{Grant, Policy, ToolRule};

/// The verified identity of a token: it passed checks 1 to 8 at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    claims: Claims,
    at: NumericDate,
}

impl Principal {
    pub(super) fn new(claims: Claims, at: NumericDate) -> Self {
        Self { claims, at }
    }

    /// The instant for which it was verified.
    pub fn verified_at(&self) -> NumericDate {
        self.at
    }

    /// Returns the claims. They are verified, so they are as reliable as the issuer.
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

impl Deref for Principal {
    type Target = Claims;
    fn deref(&self) -> &Claims {
        &self.claims
    }
}

/// The proof that a principal may call one tool, at the instant for which the principal was verified.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Arc<Principal>,
    policy: Arc<Policy>,
    tool: Arc<str>,
    grant: Grant,
}

impl Permit {
    pub(super) fn new(principal: Arc<Principal>, policy: Arc<Policy>, tool: Arc<str>, grant: Grant) -> Self {
        Self { principal, policy, tool, grant }
    }

    /// The caller.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The tool that may be called.
    pub fn tool(&self) -> &Arc<str> {
        &self.tool
    }

    /// The permission that allows the call.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The decision that created the permit.
    pub fn decision(&self) -> Decision {
        Decision { result: Ok(self.grant.clone()), subject: Some(self.principal.user_id.as_str().into()) }
    }

    /// The tool's rule in the policy that was decided by.
    pub fn rule(&self) -> Option<&ToolRule> {
        self.policy.tool(&self.tool)
    }
}

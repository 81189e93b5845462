//! The core: tokens, rules and the decision. It is pure: it has no clock and does no I/O, and `now` is a parameter.
//!
//! A token string passes through [`token`] (segments) → [`members`] (JSON members) → [`claims`] (typed) → [`rules`]
//! (checks 1–8 make a [`Principal`], 9–10 a [`Permit`] or a [`Decision`]). [`inspection`] shows the results of
//! [`rules`].

pub mod algorithm;
pub mod audience;
pub mod check;
pub mod claims;
pub mod date;
pub mod decision;
pub mod diff;
pub mod evaluation;
pub mod explain;
pub mod findings;
mod granted;
pub mod inspection;
pub mod issue;
pub mod issuers;
pub mod keys;
pub mod kind;
pub mod leeway;
pub mod lifetime;
pub mod mapping;
pub mod members;
pub mod outcome;
pub mod policy;
pub mod proof;
pub mod reason;
pub mod reason_table;
pub mod revocations;
pub mod rules;
pub mod token;
pub mod why;

pub use algorithm::Algorithm;
pub use audience::{AudienceClaim, Audiences};
pub use check::{Check, Light, Verdict};
pub use claims::Claims;
pub use date::NumericDate;
pub use decision::Decision;
pub use evaluation::{Evaluation, TokenStatus};
pub use findings::Finding;
pub use inspection::Inspection;
pub use issue::{IssueError, IssueRequest};
pub use issuers::{Audience, Issuer, Issuers};
pub use keys::{KeyError, KeyOrigin, KeySet, Signer, Verifier};
pub use kind::TokenKind;
pub use leeway::Leeway;
pub use lifetime::{Lifetime, Phase};
pub use mapping::Mapping;
pub use outcome::Outcome;
pub use policy::{Grant, Policy, PolicyError};
pub use proof::{Permit, Principal};
pub use reason::Reason;
pub use revocations::Revocations;
pub use rules::{Call, Rules};
pub use token::{TokenId, TokenLimit};

pub use crate::text::Span;

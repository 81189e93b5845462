//! The core: tokens, rules and the one decision. Pure; no clock and no I/O, `now` is a parameter.
//!
//! A token string travels [`token`] (segments) → [`members`] (JSON members) → [`claims`] (typed) → [`rules`]
//! (checks 1–8 make a [`Principal`], 9–10 a [`Decision`]). [`inspection`] shows what [`rules`] judged.

pub mod claims;
pub mod date;
pub mod decision;
pub mod diff;
pub mod explain;
pub mod findings;
mod hs256;
pub mod inspection;
pub mod issue;
pub mod key;
pub mod lifetime;
pub mod members;
pub mod outcome;
pub mod policy;
mod reasons;
pub mod revocations;
pub mod rules;
pub mod token;

pub use claims::{Claims, Principal};
pub use date::NumericDate;
pub use decision::{Check, Decision, Light, Reason, Verdict};
pub use findings::Finding;
pub use inspection::{Inspection, Judged, Standing};
pub use issue::{IssueError, IssueRequest};
pub use key::{Key, KeyError, KeyOrigin, KeyRing};
pub use lifetime::{Leeway, Lifetime, Phase};
pub use outcome::Outcome;
pub use policy::{Grant, Policy, PolicyError};
pub use revocations::Revocations;
pub use rules::{Call, Rules};
pub use token::TokenId;

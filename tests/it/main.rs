//! Tests of the whole, from outside.
#![expect(clippy::string_slice, reason = "tests cut ASCII that they made themselves, and a panic is a failed test")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod contract;
mod desk;
mod edits;
mod forge;
mod hostile;
mod lab;
mod layers;
mod pastes;
mod properties;
mod pty;
mod pyjwt;
mod reading;
mod readme;
mod reasons;
mod screens;
mod shown;
mod times;
mod wycheproof;

//! Text utilities: escaping of foreign text, durations in words, and recognition of tokens and other material in
//! pastes.
//!
//! Used by every layer; depends on none of them.

pub mod escape;
pub mod material;
pub mod reading;
pub mod safe;
pub mod secret;
pub mod span;
pub mod strict_json;
mod views;
mod word;
pub mod words;

pub use reading::{Reading, read_token, resembles_token};
pub use safe::{display_safe, fit, head, name, names, padded, place, width};
pub use span::Span;

/// The name of a caller without a token.
pub const NO_TOKEN: &str = "(no token)";

//! Words and letters: foreign text made harmless, times and durations in words, tokens found in what people paste.
//!
//! Used by every layer; knows none of them.

pub mod escape;
pub mod material;
pub mod reading;
pub mod safe;
pub mod span;
pub mod strict_json;
mod views;
mod word;
pub mod words;

pub use reading::{Reading, read_token};
pub use safe::{display_safe, fit, head, name, names, padded, place, width};
pub use span::Span;

/// What a caller without a token is called.
pub const NO_TOKEN: &str = "(no token)";

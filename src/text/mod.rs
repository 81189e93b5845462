//! Text utilities: escaping of foreign text, durations in words, and recognition of tokens and other material in
//! pastes.
//!
//! Used by every layer; depends on none of them.

mod cause;
pub mod escape;
pub mod json_edit;
pub mod material;
mod nearest;
pub mod reading;
pub mod safe;
pub mod secret;
pub mod span;
pub mod strict_json;
mod views;
mod word;
pub mod words;

pub use cause::cause;
pub use nearest::nearest;
pub use reading::{Reading, read_token, resembles_token};
pub use safe::{display_safe, fit, head, name, names, padded, place, width, wrap};
pub use span::Span;

/// Returns the names in a list with this separator, without spaces around them. In a scope only the space separates
/// (RFC 6749 §3.3); other white space is part of a name, however much it looks like a space.
pub fn separated(list: &str, separator: char) -> impl Iterator<Item = &str> {
    list.split(separator).map(|name| name.trim_matches(' ')).filter(|name| !name.is_empty())
}

/// Replaces the escaped line breaks of a text that is safe to show by blanks, to read it as one sentence.
pub fn one_line(shown: &str) -> String {
    shown.replace("\\u{d}\\u{a}", " ").replace("\\u{a}", " ")
}

/// The name of a caller without a token.
pub const NO_TOKEN: &str = "(no token)";

//! Removes tokens from texts for export.

use std::fmt::Write as _;

use crate::auth::TokenId;

/// Replaces tokens in a text, complete or truncated, by their token IDs, because evidence is shared with others.
pub fn redacted(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(is_part) {
        let (before, from) = rest.split_at(begin);
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        out.push_str(before);
        match is_token(word) {
            true => _ = write!(out, "(token {})", TokenId::of(word)),
            false => out.push_str(word),
        }
        rest = after;
    }
    out + rest
}

/// Whether a word begins like every JWS: with the base64url of a JSON object, and a dot.
fn is_token(word: &str) -> bool {
    let first = word.split('.').next().unwrap_or_default();
    let opens = matches!(first.as_bytes(), [b'e', b'w'..=b'z' | b'0'..=b'9' | b'-' | b'_', ..]);
    opens && first.len() >= 8 && first.len() < word.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"a":"Bearer eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYSJ9.AAAA"}"#, true)]
    #[case("eyJhbGciOiJIUzI1NiJ9.eyJ1c2V", true)]
    #[case("ewogICJhbGciOiAiSFMyNTYiCn0.e30.AAAA, and more", true)]
    #[case("everything.is.fine", false)]
    #[case("2026-11-22T20:40:00Z example.org 1.2.3", false)]
    fn tokens_are_replaced_by_their_ids(#[case] text: &str, #[case] holds: bool) {
        let said = redacted(text);
        assert_eq!((said.contains("(token "), said == text), (holds, !holds), "{said}");
        assert!(!holds || !said.contains("AAAA"), "{said}");
    }
}

//! Escaping of text for other formats.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes a text for a cell of a Markdown table, so that it cannot contain a link, a picture, a mention or the end of
/// the cell. The text must have passed `display_safe`.
pub fn markdown(text: &str) -> String {
    // Addresses become links automatically, even if escaped, but not in code spans.
    if text.contains(['.', ':', '/', '@', '#']) {
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let (fence, blank) = ("`".repeat(longest + 1), if longest > 0 { " " } else { "" });
        return format!("{fence}{blank}{}{blank}{fence}", text.replace('|', "\\|"));
    }
    let special = |c: char| c.is_ascii_punctuation() && !matches!(c, ',' | '-');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Rewrites a JSON text in printable ASCII. Other characters occur only in strings, where they are escaped; line breaks
/// and tabs between tokens become spaces.
pub fn ascii_json(json: &str) -> Cow<'_, str> {
    // Without an early exit, so that the compiler can process many bytes at once.
    if json.bytes().fold(true, |so_far, b| so_far & (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => text.push(' '),
            '\u{20}'..='\u{7e}' => text.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(text, "\\u{unit:04x}")),
        }
    }
    Cow::Owned(text)
}

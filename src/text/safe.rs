//! Makes foreign text safe to show, so that it cannot move the cursor, or hide, reorder or fake text.
//!
//! Every string from outside (claims, names, arguments, answers) passes through [`display_safe`] before it is drawn or
//! printed. Characters that a terminal would act on or hide are shown as escapes such as `\u{202e}`, so different texts
//! look different. A run of backslashes before such an escape, or before text that only looks like one, is doubled,
//! which keeps the mapping one-to-one.

use std::fmt::Write as _;
use std::ops::Range;

/// The maximum number of combining marks on one letter. More of them would only smear over neighbouring lines.
const MARKS: usize = 4;

/// A class of characters that a terminal acts on, hides, or shows as something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// C0, C1 and DEL, which the terminal acts on.
    Control,
    /// Changes the direction of the text around it.
    Bidi,
    /// Takes no space: zero-width, tag, variation selector, filler, soft hyphen.
    Invisible,
    /// Looks like an ordinary space or breaks a line, but is neither.
    Space,
    /// Has no defined shape: private use, noncharacter.
    Private,
}

impl Hidden {
    /// Returns the name of the class in a finding, with its article, such as "an invisible character".
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Control => "a control character",
            Self::Bidi => "a direction mark",
            Self::Invisible => "an invisible character",
            Self::Space => "an unusual space",
            Self::Private => "a private-use character",
        }
    }
}

/// Returns the class of a character that must not be drawn as it is, or `None` for one that may.
pub const fn hidden(c: char) -> Option<Hidden> {
    Some(match c {
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Hidden::Control,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Hidden::Bidi,
        '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => Hidden::Invisible,
        '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}' => Hidden::Space,
        '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..='\u{10ffff}' => Hidden::Private,
        _ if (c as u32) & 0xfffe == 0xfffe => Hidden::Private,
        _ => return None,
    })
}

/// Applies the escape rules to a text, one character at a time.
#[derive(Debug, Default)]
struct Escaper {
    marks: usize,
    backslashes: usize,
}

impl Escaper {
    /// Appends `c`, escaped if necessary. `opens` is whether `c` begins the text `u{`; `force` escapes any character.
    fn push(&mut self, out: &mut String, c: char, opens: bool, force: bool) {
        let mark = unicode_width::UnicodeWidthChar::width(c) == Some(0);
        self.marks = if mark { self.marks + 1 } else { 0 };
        let escape = force || hidden(c).is_some() || (mark && (self.marks > MARKS || out.is_empty()));
        if escape || opens {
            for _ in 0..self.backslashes {
                out.push('\\');
            }
        }
        self.backslashes = if c == '\\' { self.backslashes + 1 } else { 0 };
        if escape {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

/// Escapes `text` for display and cuts it to about `cap` bytes; a cut is marked as `… (+12 bytes)`.
pub fn display_safe(text: &str, cap: usize) -> String {
    escaped(text, cap, 0..text.len())
}

/// Escapes `text` as [`display_safe`] does, and also escapes every character outside `inner`.
fn escaped(text: &str, cap: usize, inner: Range<usize>) -> String {
    let mut out = String::with_capacity(text.len().min(cap));
    let mut escaper = Escaper::default();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if out.len() >= cap {
            let _ = write!(out, "… (+{} bytes)", text.len() - at);
            break;
        }
        let opens = c == 'u' && chars.peek().is_some_and(|(_, next)| *next == '{');
        escaper.push(&mut out, c, opens, !inner.contains(&at));
    }
    out
}

/// The text that [`name`] shows for an empty name.
const EMPTY: &str = "(empty)";

/// Escapes a name (user, permission, tool, issuer) for display: [`display_safe`], with leading and trailing spaces made
/// visible, and a placeholder for an empty name.
pub fn name(text: &str, cap: usize) -> String {
    match text {
        "" => EMPTY.to_owned(),
        // A user may have exactly this name; it must not look like an empty one.
        EMPTY => "\\u{28}empty)".to_owned(),
        _ => {
            let lead = text.len() - text.trim_start_matches(' ').len();
            escaped(text, cap, lead..text.trim_end_matches(' ').len())
        }
    }
}

/// Joins names into a list: [`name`] of each, at most `most` of them. A name that could be read as two is quoted.
pub fn names(list: impl Iterator<Item = impl AsRef<str>>, cap: usize, most: usize, join: &str) -> String {
    let mut left_out = 0;
    let mut out = String::new();
    for (n, item) in list.enumerate() {
        if n >= most {
            left_out += 1;
            continue;
        }
        if n > 0 {
            out.push_str(join);
        }
        let item = item.as_ref();
        match item.contains([' ', ',', '"']) {
            true => _ = write!(out, "\"{}\"", name(item, cap).replace('"', "\\\"")),
            false => out.push_str(&name(item, cap)),
        }
    }
    if left_out > 0 {
        let _ = write!(out, "{join}{left_out} more");
    }
    out
}

/// Returns the line and column, counted from 1, after this part of a text; the column in characters.
pub fn place(before: &str) -> (usize, usize) {
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// Returns how many columns a text takes on the screen. It must have passed [`display_safe`].
pub fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// Cuts a text like [`fit`], and pads it with blanks to `columns`.
pub fn padded(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let pad = columns.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(pad))
}

/// Cuts `text` to `columns` and marks a cut with `…`. The text must have passed [`display_safe`].
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Breaks a text into lines at spaces. Words too long for a line are broken anywhere. The text must have passed
/// [`display_safe`].
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    // Hyphens are not break points, so that a key such as Ctrl-X stays whole.
    let options = textwrap::Options::new(columns.max(1)).word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// Returns as much of the beginning as fits into `bytes`, cut between characters.
pub fn head(text: &str, bytes: usize) -> &str {
    // `str::floor_char_boundary` does this, but requires a newer compiler than the oldest supported one.
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_hide_becomes_visible() {
        for (text, shown) in [
            ("user123", "user123"),
            ("ad\u{200b}min", "ad\\u{200b}min"),
            ("\u{202e}nimda", "\\u{202e}nimda"),
            ("\u{1b}]0;x\u{7}", "\\u{1b}]0;x\\u{7}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{e0041}", "a\\u{e0041}"),
            ("line\nbreak", "line\\u{a}break"),
            ("a\\b", "a\\b"),
            ("\\u{202e}", "\\\\u{202e}"),
            ("\\\u{202e}", "\\\\\\u{202e}"),
            ("e\u{301}\u{301}\u{301}\u{301}\u{301}", "e\u{301}\u{301}\u{301}\u{301}\\u{301}"),
            ("日本", "日本"),
        ] {
            assert_eq!(display_safe(text, 1000), shown, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_says_how_much_was_cut() {
        assert_eq!(display_safe(&"x".repeat(100), 10), format!("{}… (+90 bytes)", "x".repeat(10)));
    }

    #[test]
    fn a_name_shows_spaces_at_its_edges() {
        assert_eq!(name("admin ", 100), "admin\\u{20}");
        assert_eq!(name(" admin", 100), "\\u{20}admin");
        assert_eq!(name("", 100), "(empty)");
        assert_eq!(name("two words", 100), "two words");
        assert_eq!(name("  ", 100), "\\u{20}\\u{20}");
    }

    #[test]
    fn a_list_of_names_shows_how_many_there_are() {
        let list = |names: &[&str]| super::names(names.iter(), 100, 3, ", ");
        assert_eq!(list(&["user", "admin"]), "user, admin");
        assert_eq!(list(&["user, admin"]), "\"user, admin\"");
        assert_eq!(list(&["a\" \"b"]), "\"a\\\" \\\"b\"");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c, 2 more");
        assert_eq!(list(&[""]), "(empty)");
    }

    #[test]
    fn no_name_passes_for_another() {
        for (a, b) in [("", "(empty)"), ("a\\ ", "a\\u{20}"), (" a", "\\u{20}a"), ("(empty)", "\\u{28}empty)")] {
            assert_ne!(name(a, 100), name(b, 100), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_fitted_text_never_exceeds_its_columns() {
        assert_eq!(fit("permission", 6), "permi…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abc", 0), "");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_ever_shown(text in any::<String>()) {
            let shown = display_safe(&text, usize::MAX);
            prop_assert!(shown.chars().all(|c| hidden(c).is_none()), "{:?}", shown);
        }

        #[test]
        fn texts_that_differ_look_different(a in "[a\\\\u{2}\u{202e}\u{200b}]{0,8}", b in "[a\\\\u{2}\u{202e}\u{200b}]{0,8}") {
            prop_assert_eq!(a == b, display_safe(&a, usize::MAX) == display_safe(&b, usize::MAX));
        }

        #[test]
        fn names_that_differ_look_different(a in "[a \\\\u{2}0\u{202e}]{0,8}", b in "[a \\\\u{2}0\u{202e}]{0,8}", spaces in 0usize..20) {
            prop_assert_eq!(a == b, name(&a, usize::MAX) == name(&b, usize::MAX));
            let longer = format!("{a}{}", " ".repeat(spaces));
            prop_assert_eq!(spaces == 0, name(&a, usize::MAX) == name(&longer, usize::MAX));
        }

        #[test]
        fn fitting_holds_for_any_text(text in any::<String>(), columns in 0usize..40) {
            prop_assert!(width(&fit(&display_safe(&text, 1000), columns)) <= columns);
        }
    }
}

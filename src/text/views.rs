//! Transformations of a pasted text that was not read as whole tokens: unwrapped, without frames and quotation marks,
//! decoded. Used only by [`super::reading`], which takes a view only if it contains a whole token.
//!
//! Each view is made in one pass, and only of a text that may contain a token, so that a megabyte of any text stays
//! cheap.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

use super::word::{begins, in_token};

/// The largest text, in bytes, that has views. No token is that long; a larger text is a list or a log.
const LARGEST: usize = 128 * 1024;

/// Returns a view of a text; `None` if the transformation does not change it.
type View = fn(&str) -> Option<String>;

/// The views, and what each leaves out, as a noun. Simple ones come first, so that a text is read with as few changes
/// as possible.
const VIEWS: [(View, &str); 10] = [
    (beside, "the columns of its lines"),
    (uncoloured, "colours"),
    (percent, "percent-encoding"),
    (unwrapped, "line breaks"),
    (unwrapped_here, "line breaks"),
    (dots, "blanks and line breaks at the dots"),
    (blanks, "blanks"),
    (concatenated, "quotes between its lines"),
    (escapes, "escapes"),
    (base64, "the base64 around it"),
];

/// What may be around or between the lines of a text, and what leaving it out is called. What is inside is read as it is
/// and in each view.
const FRAMES: [(View, &str); 3] =
    [(apart, "blank lines"), (difference, "the signs of a difference"), (unframed, "the marks around its lines")];

/// Returns the views of a text and of the content of its frame or quotation: first the single views, then the pairs.
pub(super) fn of(text: &str) -> impl Iterator<Item = (String, &'static str)> {
    let text = if text.len() <= LARGEST && may_hold_one(text) { text } else { "" };
    let inside: Vec<(String, &str)> = FRAMES.iter().filter_map(|(view, what)| Some((view(text)?, *what))).collect();
    let bases: Vec<String> =
        std::iter::once(text).chain(inside.iter().map(|(text, _)| &**text)).map(str::to_owned).collect();
    let single = bases
        .clone()
        .into_iter()
        .flat_map(|base| VIEWS.iter().filter_map(move |(view, what)| Some((view(&base)?, *what))));
    let double = bases
        .into_iter()
        .flat_map(|base| PAIRS.iter().filter_map(move |(first, second, what)| Some((second(&first(&base)?)?, *what))));
    inside.into_iter().chain(single).chain(double)
}

/// Pairs of views, of which the second is applied to the result of the first.
const PAIRS: [(View, View, &str); 7] = [
    (percent, percent, "percent-encoding"),
    (unwrapped, percent, "percent-encoding and line breaks"),
    (unwrapped, base64, "the base64 around it, and line breaks"),
    (unwrapped, escapes, "escapes and line breaks"),
    (percent, base64, "the base64 around it, and percent-encoding"),
    (unwrapped, dots, "line breaks"),
    (base64, base64, "the base64 around it"),
];

/// Whether a text contains the beginning of a token, which may be encoded (`eyJ` is `{"`, `ZXlK` is its base64, and
/// `V5S` and `leU` occur in the base64 of a text with `eyJ` at another offset) or cut by a line break.
fn may_hold_one(text: &str) -> bool {
    ["ey", "ZX", "V5S", "leU", "e\n", "e\r", "e=", "%65", "e%79", "WlhsS"]
        .iter()
        .any(|beginning| text.contains(beginning))
}

/// Returns the columns of a line. Each character counts as one, because only ASCII lines are joined.
fn columns(line: &str) -> usize {
    line.chars().count()
}

/// The width of the narrowest terminal whose line breaks are detected.
const NARROWEST: usize = 20;

/// Joins every line that is as long as the longest one to the next line: a terminal copies a long line in this form.
/// The indentation of a joined line comes from the program that wrapped it, and is removed.
fn unwrapped(text: &str) -> Option<String> {
    let width = lines(text).map(columns).max().filter(|width| *width >= NARROWEST)?;
    joined_at(text, width)
}

/// Does the same for the width of the line in which a token begins that continues to the line's end. Other lines may be
/// longer.
fn unwrapped_here(text: &str) -> Option<String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let goes_on = |line: &&str| {
        let word = line.rsplit(|c| !letter(c)).next().unwrap_or_default();
        begins(word) && word.len() >= 4
    };
    let width = lines(text).find(goes_on).map(columns).filter(|width| *width >= NARROWEST)?;
    joined_at(text, width)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.trim_end_matches(['\r', ' ']))
}

/// Joins each line of this width to the next one.
fn joined_at(text: &str, width: usize) -> Option<String> {
    let lines: Vec<&str> = lines(text).collect();
    let mut out = String::with_capacity(text.len());
    let mut joined = false;
    let mut fresh = true;
    for (n, line) in lines.iter().enumerate() {
        out.push_str(if fresh { line } else { line.trim_start() });
        // A blank line is the end of what is above it, and so is the right edge of a column.
        let goes_on = || lines.get(n + 1).is_some_and(|below| !below.trim().is_empty() && !are_columns(line, below));
        // Quoted-printable marks its line breaks with `=`, a shell with a backslash.
        let is_soft = line.len() > NARROWEST && line.ends_with(['=', '\\']) && goes_on();
        // Lines that were indented after wrapping have that width without their indentation.
        let is_full = [columns(line), columns(line.trim_start())].contains(&width) && goes_on();
        fresh = !(is_full || is_soft);
        if is_soft {
            out.pop();
        }
        joined |= !fresh;
        if fresh {
            out.push('\n');
        }
    }
    joined.then_some(out)
}

/// More tokens side by side are a list, not columns.
const MOST_COLUMNS: usize = 8;

/// The columns in which a word begins like a token; none where there are too many.
fn beginnings(line: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut above = ' ';
    for (column, (at, c)) in line.char_indices().enumerate() {
        if c == 'e' && !in_token(above) && line.get(at..).is_some_and(begins) {
            found.push(column);
        }
        above = c;
        if found.len() > MOST_COLUMNS {
            return Vec::new();
        }
    }
    found
}

/// A character between two columns of text.
fn is_gutter(c: char) -> bool {
    c.is_whitespace() || c == '|' || ('\u{2500}'..='\u{257f}').contains(&c)
}

/// Whether a line goes on to the right of a gutter in this column, or ends before it.
fn respects(line: &str, column: usize) -> bool {
    let mut from = line.chars().skip(column.saturating_sub(1));
    match (from.next(), from.next()) {
        (Some(gutter), Some(_)) => is_gutter(gutter),
        _ => true,
    }
}

/// Whether two lines are lines of columns: tokens begin side by side in the first one, and the second one has text at both
/// sides of the gutter between them.
fn are_columns(line: &str, below: &str) -> bool {
    let starts = beginnings(line);
    starts.iter().skip(1).any(|start| columns(below) > *start && respects(below, *start))
}

/// The text with the columns in which tokens begin side by side one below the other, with a blank line between them.
fn beside(text: &str) -> Option<String> {
    let all: Vec<&str> = lines(text).collect();
    let mut out = String::with_capacity(text.len() + 8);
    let mut found = false;
    let mut at = 0;
    while let Some(line) = all.get(at) {
        let starts = beginnings(line);
        let is_part =
            |line: &&&str| !line.trim().is_empty() && starts.iter().skip(1).all(|start| respects(line, *start));
        // One column may end before the other, but a line below that ends before the gutter may also be the rest of the
        // last token: the first one below has to reach it.
        let is_block = all.get(at + 1).is_some_and(|below| are_columns(line, below));
        let rows = if is_block { all.iter().skip(at).take_while(is_part).count() } else { 0 };
        let block = all.get(at..at + rows).unwrap_or_default();
        let mut from = 0;
        for to in starts.iter().skip(1).copied().chain([usize::MAX]).filter(|_| rows > 1) {
            for line in block {
                let piece: String = line.chars().skip(from).take(to - from).collect();
                out.push_str(piece.trim_matches(is_gutter));
                out.push('\n');
            }
            out.push('\n');
            from = to;
            found = true;
        }
        if rows < 2 {
            out.push_str(line);
            out.push('\n');
        }
        at += rows.max(1);
    }
    found.then_some(out)
}

/// Removes blanks and line breaks before and after a dot between two characters of a token.
fn dots(text: &str) -> Option<String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_break = |gap: &str| gap.matches('\n').nth(1).is_none();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('.') {
        let (before, more) = rest.split_at(at);
        let kept = before.trim_end_matches([' ', '\t', '\r', '\n']);
        let after = more.get(1..).unwrap_or_default();
        let next = after.trim_start_matches([' ', '\t', '\r', '\n']);
        let gaps = [before.get(kept.len()..), after.get(..after.len() - next.len())];
        // In a sentence, the word before the full stop is usually short.
        let long = kept.rsplit(|c| !letter(c)).next().is_some_and(|word| word.len() >= 10);
        if long && next.starts_with(letter) && gaps.into_iter().flatten().all(is_break) {
            out.push_str(kept);
            out.push('.');
            rest = next;
        } else {
            out.push_str(before);
            out.push('.');
            rest = after;
        }
    }
    out.push_str(rest);
    (out != text).then_some(out)
}

/// Removes the blanks between equally long pieces of a line: a one-line field has turned line breaks into blanks.
fn blanks(text: &str) -> Option<String> {
    let lines: Vec<(&str, Option<String>)> = text.lines().map(|line| (line, without_blanks(line))).collect();
    let found = lines.iter().any(|(_, joined)| joined.is_some());
    let join = || lines.iter().map(|(line, joined)| joined.as_deref().unwrap_or(line)).collect::<Vec<_>>().join("\n");
    found.then(join)
}

/// Two full pieces are needed, so that no word behind a token is taken for its end.
fn without_blanks(line: &str) -> Option<String> {
    let pieces: Vec<&str> = line.split_ascii_whitespace().collect();
    let start = pieces.iter().position(|piece| begins(piece.trim_matches(['"', '\''])))?;
    let width = pieces.get(start + 1)?.len();
    let first = pieces.get(start)?.len();
    let full = pieces.get(start + 1..)?.iter().take_while(|piece| piece.len() == width).count();
    if full < 2 && first != width || width < NARROWEST || first > width {
        return None;
    }
    let end = (start + full + 2).min(pieces.len());
    let (before, middle, after) = (pieces.get(..start)?, pieces.get(start..end)?, pieces.get(end..)?);
    Some(format!("{} {} {}", before.join(" "), middle.concat(), after.join(" ")))
}

/// Decodes percent-encoded bytes (RFC 3986 §2.1) that are printable ASCII.
fn percent(text: &str) -> Option<String> {
    decoded(text, "%", |rest| {
        let byte = u8::from_str_radix(rest.get(..2)?, 16).ok()?;
        (byte.is_ascii_graphic() || byte == b' ').then(|| (char::from(byte), 2))
    })
}

/// Decodes the escapes of printable ASCII in JSON and HTML, and those of `.`, `-`, `_`, `=` and `:` in
/// quoted-printable.
fn escapes(text: &str) -> Option<String> {
    let hex = |rest: &str, radix, from: usize, to: usize| {
        let code = u32::from_str_radix(rest.get(from..to)?, radix).ok()?;
        char::from_u32(code).filter(char::is_ascii_graphic)
    };
    let unicode = decoded(text, "\\u", |rest| Some((hex(rest, 16, 0, 4)?, 4)));
    let base = unicode.as_deref().unwrap_or(text);
    let html = decoded(base, "&#", |rest| {
        let end = rest.find(';').filter(|end| (2..=4).contains(end))?;
        let (radix, from) = if rest.starts_with(['x', 'X']) { (16, 1) } else { (10, 0) };
        Some((hex(rest, radix, from, end)?, end + 1))
    });
    let base = html.as_deref().unwrap_or(base);
    let quoted = decoded(base, "=", |rest| {
        let c = hex(rest, 16, 0, 2).filter(|c| matches!(c, '.' | '-' | '_' | '=' | ':'))?;
        Some((c, 2))
    });
    quoted.or(html).or(unicode)
}

/// Decodes each mark in a text. `decode` gets the text after the mark, and returns the character and the number of
/// bytes that it takes.
fn decoded(text: &str, mark: &str, decode: impl Fn(&str) -> Option<(char, usize)>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(mark) {
        let (before, more) = rest.split_at(at);
        let behind = more.get(mark.len()..).unwrap_or_default();
        out.push_str(before);
        if let Some((c, used)) = decode(behind) {
            out.push(c);
            rest = behind.get(used..).unwrap_or_default();
            found = true;
        } else {
            out.push_str(mark);
            rest = behind;
        }
    }
    out.push_str(rest);
    found.then_some(out)
}

/// The marks at the beginning of a line that quote it, comment it out or frame it.
const MARKS: [char; 19] =
    ['+', '>', '|', '│', '┃', '║', '▌', '▏', '#', '*', '<', '┆', '┊', '╎', ';', '/', '▎', '¦', '❯'];

/// Removes the marks at both ends of the lines: frames (`│ … │`), quoted mail (`> …`), comments.
fn unframed(text: &str) -> Option<String> {
    let is_frame = |c: char| MARKS.contains(&c) || ('\u{2500}'..='\u{259f}').contains(&c) || c == ' ' || c == '\t';
    let is_closing = |c: char| is_frame(c) && !matches!(c, '/' | ';' | '<' | '*' | '#');
    let marked = |line: &&str| line.trim_start().starts_with(|c| is_frame(c) && c != ' ');
    // Line numbers may occur with or without a frame.
    let numbered = lines(text).filter(|line| !line.is_empty()).all(|line| unnumbered(line).is_some());
    if numbered {
        let lines = text.lines().map(|line| unnumbered(line).unwrap_or_default().trim_start_matches(is_frame));
        return Some(lines.collect::<Vec<_>>().join("\n"));
    }
    if !text.lines().any(|line| marked(&line)) {
        return None;
    }
    // Padding inside a frame is removed too: lines that are equally full must have the same length.
    let lines = text.lines().map(|line| line.trim_start_matches(is_frame).trim_end_matches(is_closing));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// The text without the blank lines between its lines, where each line has one below it: some programs copy so. Two full
/// lines are needed, so that no word below a token is taken for its end.
fn apart(text: &str) -> Option<String> {
    let all: Vec<&str> = lines(text).collect();
    let is_apart = all.len() >= 5 && all.iter().enumerate().all(|(n, line)| line.trim().is_empty() == (n % 2 == 1));
    let kept: Vec<&str> = all.into_iter().step_by(2).filter(|_| is_apart).collect();
    let is_full = kept.windows(2).any(|two| {
        let widths: Vec<usize> = two.iter().map(|line| columns(line)).collect();
        widths.iter().all(|width| *width >= NARROWEST && Some(width) == widths.first())
    });
    is_full.then(|| kept.join("\n"))
}

/// Both sides of a difference as `diff -u` writes it, without the signs, and a blank line wherever the sign changes.
fn difference(text: &str) -> Option<String> {
    let is_title =
        |line: &str| ["--- ", "+++ ", "@@", "diff ", "index ", "\\"].iter().any(|title| line.starts_with(title));
    let mut out = String::with_capacity(text.len() + 8);
    let mut last = ' ';
    let mut found = false;
    for line in lines(text).filter(|line| !line.is_empty()) {
        let mut chars = line.chars();
        let sign = if is_title(line) { '@' } else { chars.next()? };
        if sign != last {
            out.push('\n');
        }
        match sign {
            '@' => {}
            ' ' | '-' | '+' => {
                out.push_str(chars.as_str());
                out.push('\n');
            }
            _ => return None,
        }
        found |= matches!(sign, '-' | '+');
        last = sign;
    }
    found.then_some(out)
}

/// Returns a line without its line number, if it has one.
fn unnumbered(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let has_number = (1..=6).contains(&(line.len() - rest.len()));
    has_number.then(|| rest.strip_prefix([' ', '\t', ':', '|', '│']).map(str::trim_start)).flatten()
}

/// Removes the escape sequences that colour a text (ECMA-48 SGR).
fn uncoloured(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some((before, more)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let end = more.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ';' | ':'));
        if let Some(behind) = end.strip_prefix(['m', 'K']) {
            rest = behind;
            found = true;
        } else {
            out.push_str("\u{1b}[");
            rest = more;
        }
    }
    out.push_str(rest);
    found.then_some(out)
}

/// Joins each string that source code continues on the next line: a quote at the end of a line, perhaps with an
/// operator, and the same quote at the beginning of the next one.
fn concatenated(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut above = "";
    let mut joined = false;
    for line in text.lines() {
        let end = above.trim_end_matches(['+', '\\', '&', '.', ' ', '\t', '_']);
        let begin = line.trim_start_matches(['+', '&', '.', ' ', '\t']);
        let quote = end.chars().next_back().filter(|c| matches!(c, '"' | '\'' | '`'));
        if let Some(behind) = quote.and_then(|quote| begin.strip_prefix(quote)) {
            // Remove the quote, the text after it, and the line break.
            out.truncate(out.len() - (above.len() - end.len()) - 2);
            out.push_str(behind);
            above = behind;
            joined = true;
        } else {
            out.push_str(line);
            above = line;
        }
        out.push('\n');
    }
    joined.then_some(out)
}

/// Base64 in both alphabets, padded or not.
const EITHER: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&alphabet::STANDARD, LENIENT), GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT)];

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The length of the shortest base64 that can contain a token, in characters.
const SHORTEST: usize = 80;

/// Decodes the base64 in a text, each piece on a line: Kubernetes Secrets, basic authentication, encoded JSON. A piece
/// continues on the next line if it is alone on its line, as `base64` and YAML wrap it.
fn base64(text: &str) -> Option<String> {
    let in_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    let mut pieces: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let alone = line.trim();
        let is_alone = alone.len() >= 4 && alone.chars().all(in_base64);
        match pieces.last_mut() {
            Some(piece) if is_alone && goes_on && !piece.ends_with('=') => piece.push_str(alone),
            _ => pieces.extend(line.split(|c| !in_base64(c)).filter(|piece| piece.len() >= 16).map(str::to_owned)),
        }
        goes_on = alone.chars().next_back().is_some_and(in_base64) && !alone.ends_with(':');
    }
    let read = |piece: &String| {
        let bytes = EITHER.iter().find_map(|engine| engine.decode(piece).ok())?;
        String::from_utf8(bytes).ok().filter(|text| text.contains("ey") || text.contains("ZX"))
    };
    let found: Vec<String> = pieces.iter().filter(|piece| piece.len() >= SHORTEST).filter_map(read).collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_has_views(text in "([\"' +\\\\\n\r.%=│>e0-9a-z]|é|ey|eyJ\\.|ZXlK|\u{1b}\\[0m|&#46;|\\\\u002e){0,60}") {
            for (view, _) in VIEWS {
                let _ = view(&text);
            }
            let _ = unframed(&text);
            let _ = crate::text::read_token(&text);
            let _ = crate::text::material::recognize(&text);
        }
    }

    #[test]
    fn strings_of_source_code_are_joined() {
        assert_eq!(concatenated("\"a\" +\n\" +\n\"b\"").as_deref(), Some("\"a +\n\"b\"\n"));
        assert_eq!(concatenated("x = 'a' \\\n  'b'\n").as_deref(), Some("x = 'ab'\n"));
        assert_eq!(concatenated("\"a\"\n'b'"), None);
    }
}

//! Words of a pasted text that may be tokens: their characters, how a token begins, and when the line below continues
//! one. Used only by [`super::reading`].

use std::borrow::Cow;
use std::cell::OnceCell;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

/// The minimum length, in bytes, of a single word with two dots that is read as a token even if its header is damaged.
const LONG_WORD: usize = 40;

/// Whether a character can occur in a token, whole or damaged: base64url, dots, and the signs of standard base64.
pub(super) const fn in_token(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' | '.' | '=' | '+' | '/')
}

/// Whether a character may surround a token without being part of other text.
pub(super) const fn is_wrapping(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | ' ' | '\t' | '\r' | '\n')
}

/// Whether a character ends a word. Any other character between the letters of a token is damage, and stays in it.
fn is_delimiter(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | ',' | ';' | ':' | '(' | ')' | ']' | '{' | '}' | '<' | '>' | '&')
        || matches!(c, '|' | '\\' | '#' | '%' | '\u{2500}'..='\u{257f}')
}

/// Base64url that accepts a prefix of a longer text.
const BEGINNING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a text begins like the base64url of a JSON object.
pub(super) fn begins(text: &str) -> bool {
    // The base64 of `{` begins with `e`. This excludes most words without decoding.
    if !text.starts_with('e') {
        return false;
    }
    let beginning: Vec<u8> = text.bytes().take_while(|b| *b != b'.').take(4).collect();
    match BEGINNING.decode(beginning).as_deref() {
        Ok([b'{', next, ..]) => matches!(next, b'"' | b'}' | b' ' | b'\t' | b'\r' | b'\n'),
        _ => false,
    }
}

fn dots(word: &str) -> usize {
    word.bytes().filter(|b| *b == b'.').count()
}

/// Returns the longest prefix of `text` that consists of a token's characters.
pub(super) fn run(text: &str) -> &str {
    text.get(..text.find(|c| !in_token(c)).unwrap_or(text.len())).unwrap_or_default()
}

/// Returns the [`run`], extended over damage if it begins like a token.
pub(super) fn damaged_run(text: &str) -> &str {
    let mut end = run(text).len();
    while begins(text) {
        let rest = text.get(end..).unwrap_or_default();
        match rest.find(|c| in_token(c) || is_delimiter(c)).map(|at| rest.split_at(at)) {
            Some((foreign, more)) if !foreign.is_empty() && more.starts_with(in_token) => {
                end += foreign.len() + run(more).len();
            }
            _ => break,
        }
    }
    text.get(..end).unwrap_or_default()
}

/// Returns the length of the text in front of a token that `=`, `/` or `+` joins to it, in bytes. These signs may occur
/// in a damaged token, but a whole one never begins with them.
///
/// A hyphen may stand in a token too, but none begins with one: it is the mark of a list or of a removed line.
pub(super) fn prefix(run: &str) -> usize {
    let hyphens = run.len() - run.trim_start_matches('-').len();
    if hyphens > 0 && run.get(hyphens..).is_some_and(begins) {
        return hyphens;
    }
    let Some(last_dot) = run.rfind('.').filter(|_| !begins(run)) else {
        return 0;
    };
    let mut starts = run.match_indices(['=', '/', '+']).map(|(at, _)| at + 1).take_while(|at| *at < last_dot);
    starts.find(|at| run.get(*at..).is_some_and(begins)).unwrap_or(0)
}

/// Returns the columns of the text before a word; a tab counts as eight.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| if c == '\t' { 8 } else { 1 }).sum()
}

/// The first word of the line below, if the line contains no other text.
pub(super) struct NextLine<'a> {
    text: &'a str,
    /// The bytes before the word, from the end of the line above.
    gap: usize,
    indent: usize,
}

impl<'a> NextLine<'a> {
    /// A blank line is the end of what is above it, so behind one there is no line below.
    pub fn after(rest: &'a str) -> Option<Self> {
        let next = rest.trim_start_matches([' ', '\t', '\r', '\n', '\\']);
        let gap = rest.get(..rest.len() - next.len())?;
        if gap.matches('\n').nth(1).is_some() {
            return None;
        }
        let indent = gap.len() - gap.rfind('\n')? - 1;
        let text = damaged_run(next);
        let mut behind = next.get(text.len()..)?.chars().take_while(|c| *c != '\n');
        let alone = behind.all(|c| is_wrapping(c) || matches!(c, ',' | '}' | ')' | ';' | '\\'));
        (alone && !text.is_empty()).then_some(Self { text, gap: gap.len(), indent })
    }

    pub const fn gap(&self) -> usize {
        self.gap
    }

    pub const fn width(&self) -> usize {
        self.indent + self.text.len()
    }
}

/// The maximum width of a wrapped line, in columns. No terminal or mail program wraps lines longer than this.
const WIDEST: usize = 400;

/// A word, joined over its line breaks.
#[derive(Clone)]
pub(super) struct Word<'a> {
    pub text: Cow<'a, str>,
    /// How many bytes of the source it took, including line breaks.
    pub used: usize,
    pub breaks: usize,
    pub dots: usize,
    /// The columns that the first line fills.
    pub width: Option<usize>,
    /// The columns that a continuation line fills, and those of the last one.
    full: Option<(usize, usize)>,
    /// The length of the signature according to the header; computed when it is first needed.
    wanted: OnceCell<Option<usize>>,
}

impl<'a> Word<'a> {
    pub fn new(first: &'a str) -> Self {
        let text = Cow::Borrowed(first);
        Self { text, used: first.len(), breaks: 0, dots: dots(first), width: None, full: None, wanted: OnceCell::new() }
    }

    pub fn join(&mut self, line: &NextLine<'_>) {
        self.text.to_mut().push_str(line.text);
        self.used += line.gap + line.text.len();
        self.breaks += 1;
        self.dots += dots(line.text);
        self.full = Some((self.full.map_or(line.width(), |(full, _)| full), line.width()));
    }

    /// Whether a line that begins like a token would be joined to this word: the payload behind the header, or
    /// another token behind one that was cut there.
    pub fn is_cut_before(&self, line: &NextLine<'_>) -> bool {
        self.text.ends_with('.') && begins(line.text)
    }

    /// Whether the line below continues this word. Wrapped lines are all full except the last one, and the signature
    /// has the length that its algorithm produces. A line that begins like a token begins another one.
    pub fn goes_on_with(&self, line: &NextLine<'_>, width: usize) -> bool {
        let cut_at_dot = self.text.ends_with('.');
        let is_new = begins(line.text) && (!cut_at_dot || is_whole(line.text));
        let fits = match self.full {
            _ if cut_at_dot => true,
            None => line.text.len() <= width && width <= WIDEST,
            Some((full, last)) => last == full && line.width() <= full,
        };
        if self.dots < 2 {
            return fits && !is_new;
        }
        let signature = self.text.len() - self.text.rfind('.').map_or(0, |at| at + 1);
        let wanted = *self.wanted.get_or_init(|| signature_length(&self.text));
        let is_full = self.full.map_or(line.width() == width, |(full, _)| line.width() == full);
        !begins(line.text)
            && match (wanted, signature + line.text.len()) {
                (Some(0), _) => false,
                _ if signature == 0 => true,
                (Some(wanted), length) => length == wanted || (length < wanted && fits && (is_full || self.breaks > 0)),
                (None, _) => fits && (is_full || !RSA.contains(&signature)),
            }
    }

    pub fn is_token(&self, alone: bool, after_bearer: bool) -> bool {
        let damaged = alone && self.dots >= 2 && self.text.len() >= LONG_WORD;
        damaged || (self.dots >= 1 && (after_bearer || begins(&self.text)))
    }
}

/// The text after a whole token in the same word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// The end of a sentence.
    FullStop,
    /// The signature of a cookie.
    Signature,
}

impl Word<'_> {
    /// Removes the text after a whole token: full stops, and the signature of a signed cookie. Any other text is
    /// damage.
    pub fn cut_behind_whole(&mut self, is_cookie: bool) -> Option<Behind> {
        let third = self.text.match_indices('.').nth(2).map(|(at, _)| at)?;
        // An unsigned token ends with its second dot.
        let ends = [self.text.trim_end_matches('.').len(), third];
        let end = ends.into_iter().chain(is_unsigned(&self.text)).find(|end| {
            let rest = self.text.get(*end..).unwrap_or_default();
            let fits = rest.bytes().all(|b| b == b'.') || (is_cookie && *end == third);
            !rest.is_empty() && fits && self.text.get(..*end).is_some_and(is_whole)
        })?;
        let cut = self.text.len() - end;
        let behind = if self.text.ends_with('.') { Behind::FullStop } else { Behind::Signature };
        self.text.to_mut().truncate(end);
        self.dots = 2;
        // A full stop is skipped as text; a signature must not be read as a separate word.
        self.used -= if behind == Behind::FullStop { cut } else { 0 };
        Some(behind)
    }
}

/// Returns the offset after the second dot, if the header's algorithm is `none`.
fn is_unsigned(word: &str) -> Option<usize> {
    let second = word.match_indices('.').nth(1)?.0;
    (signature_length(word) == Some(0)).then_some(second + 1)
}

/// Whether a text has the form of a whole token: two JSON objects, and a signature of the length that its algorithm
/// produces. RSA signatures must have a usual length, and those of unknown algorithms at least 32 characters.
pub(super) fn is_whole(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_object = |part: &str| {
        let decoded = STRICT.decode(part).unwrap_or_default();
        decoded.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(&decoded).is_ok()
    };
    let is_signature = match signature_length(text) {
        Some(wanted) => signature.len() == wanted,
        None if is_rsa(header) => RSA.contains(&signature.len()),
        None => signature.len() >= 32,
    };
    is_signature && STRICT.decode(signature).is_ok() && is_object(header) && is_object(payload)
}

/// Base64url as in tokens: unpadded and strict.
const STRICT: GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The lengths of RSA signatures, in characters, for the usual key sizes: 2048, 3072, 4096, 8192 and 1024 bits.
const RSA: [usize; 5] = [342, 512, 683, 1366, 171];

/// Whether a header names an RSA algorithm.
fn is_rsa(header: &str) -> bool {
    algorithm(header).is_some_and(|alg| alg.starts_with("RS") || alg.starts_with("PS"))
}

/// Returns the algorithm that a header names.
fn algorithm(header: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Header {
        alg: String,
    }
    let header: Header = serde_json::from_slice(&BEGINNING.decode(header).ok()?).ok()?;
    Some(header.alg)
}

/// Returns the length of the signature that the header's algorithm produces (RFC 7518 §3.1, RFC 8037), in characters;
/// `None` if it varies or the algorithm is unknown.
fn signature_length(word: &str) -> Option<usize> {
    Some(match &*algorithm(word.split('.').next()?)? {
        "HS256" => 43,
        "HS384" => 64,
        "HS512" | "ES256" | "ES256K" | "EdDSA" | "Ed25519" => 86,
        "ES384" => 128,
        "ES512" => 176,
        none if none.eq_ignore_ascii_case("none") => 0,
        _ => return None,
    })
}

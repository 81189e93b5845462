//! Finds tokens in text that a user pastes: a bare token, `Bearer …`, a header line, a `curl` command, JSON with
//! `access_token`, quotes, line wraps, percent-encoding, frames, base64.
//!
//! Tokens are not repaired. Only text *around* a token and line breaks inside it are left out, and both are reported. A
//! damaged token stays damaged. The library and a server take the exact string and never call this.
//!
//! The text is first read as it is. Only if that does not find a whole token, or finds one that is not whole, the views
//! in `views` are read too, and the view with the most whole tokens is used: header and payload are JSON objects, and
//! the signature has the length that its algorithm produces.
//!
//! A token is wrapped in one style from beginning to end, so a blank line ends it. Only if every line of a text is
//! followed by a blank line, the blank lines are ignored.

use std::collections::BTreeSet;
use std::fmt;

use super::views;
use super::word::{Behind, NextLine, Word, begins, columns, damaged_run, in_token, is_whole, is_wrapping, prefix, run};

/// The tokens found in a text, in order, and what was left out to find them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The tokens, exactly as written except for line breaks.
    pub tokens: Vec<String>,
    /// Everything that was left out, as nouns: `"Bearer"`, `the text around it`, `2 line breaks`.
    pub removed: Vec<String>,
    /// Whether the text had to be decoded or joined first, so that its lines are not separate tokens.
    pub is_rejoined: bool,
    /// How many of the tokens have the form of a whole one.
    pub whole: usize,
    /// Whether a word was passed over in which a token may begin.
    has_more: bool,
}

impl fmt::Debug for Reading {
    /// Omits the tokens, which must not appear in a report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("tokens", &self.tokens.len())
            .field("removed", &self.removed)
            .finish_non_exhaustive()
    }
}

/// The members of a JSON answer that contain a token, by their names in OAuth (RFC 6749 §5.1, `OpenID` Connect Core
/// §3.1.3.3).
const MEMBERS: [&str; 4] = ["access_token", "id_token", "token", "refresh_token"];

/// Finds the tokens in `text`. If there are none, both lists are empty.
pub fn read_token(text: &str) -> Reading {
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    let mut plain = read_plain(trimmed);
    let good = plain.tokens.iter().filter(|token| is_whole(token)).count();
    plain.whole = good;
    let are_whole = good > 0 && good == plain.tokens.len();
    plain.is_rejoined = are_whole && plain.removed.last().is_some_and(|what| what.contains("line break"));
    if are_whole && !plain.has_more {
        return plain;
    }
    let known: BTreeSet<String> = plain.tokens.iter().cloned().collect();
    let mut best = Reading::default();
    let mut most = good;
    for (view, what) in views::of(trimmed) {
        let mut reading = read_plain(view.trim());
        let whole = reading.tokens.iter().filter(|token| is_whole(token)).count();
        // No whole token may get lost.
        let is_better = whole > most && {
            let found: BTreeSet<_> = reading.tokens.iter().collect();
            known.iter().all(|token| !is_whole(token) || found.contains(token))
        };
        if is_better {
            // Damage that only the view shows may be its own.
            let all = reading.tokens.len();
            reading.tokens.retain(|token| is_whole(token) || known.contains(token));
            reading.removed.push(what.to_owned());
            if reading.tokens.len() < all {
                reading.removed.push(super::words::count(all - reading.tokens.len(), "incomplete token"));
            }
            reading.is_rejoined = true;
            reading.whole = whole;
            (best, most) = (reading, whole);
        }
    }
    if most > good { best } else { plain }
}

/// Whether a text in which no token was found may still be a damaged one: it contains the beginning of a JSON object in
/// base64url, or is one word of three segments.
pub fn resembles_token(text: &str) -> bool {
    let segments: Vec<&str> = text.trim().splitn(4, '.').collect();
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_segment = |segment: &&str| !segment.is_empty() && segment.bytes().all(is_letter);
    text.contains("eyJ") || (segments.len() == 3 && segments.iter().all(is_segment))
}

/// Reads one view of a text.
fn read_plain(text: &str) -> Reading {
    if text.starts_with('{') {
        let reading = from_json(text);
        if !reading.tokens.is_empty() {
            return reading;
        }
    }
    from_text(text)
}

fn from_json(text: &str) -> Reading {
    let Some(members) = serde_json::from_str(text).ok().and_then(|value| answer(value, 3)) else {
        return Reading::default();
    };
    // A JSON value would silently keep only the last of two members with the same name. Read as text, both are found.
    if MEMBERS.iter().any(|name| text.matches(&format!("\"{name}\"")).count() > 1) {
        return Reading::default();
    }
    let mut reading = Reading::default();
    for wanted in MEMBERS {
        if let Some(serde_json::Value::String(value)) = members.get(wanted) {
            let inner = from_text(value.trim());
            if wanted == "refresh_token" && inner.tokens.is_empty() {
                // It is opaque, so there is nothing to inspect, and it is a secret.
                if !reading.tokens.is_empty() {
                    reading.removed.push("an opaque refresh_token".to_owned());
                }
                continue;
            }
            if inner.tokens.is_empty() && !value.trim().is_empty() {
                reading.tokens.push(value.trim().to_owned());
            }
            reading.tokens.extend(inner.tokens);
            reading.removed.push(format!("the JSON around {wanted}"));
        }
    }
    reading
}

/// Returns the object that contains the tokens: the whole answer, or an object inside it, up to `depth` levels deep.
fn answer(value: serde_json::Value, depth: usize) -> Option<serde_json::Map<String, serde_json::Value>> {
    let serde_json::Value::Object(members) = value else { return None };
    if MEMBERS.iter().any(|name| members.contains_key(*name)) {
        return Some(members);
    }
    let depth = depth.checked_sub(1)?;
    members.into_iter().find_map(|(_, value)| answer(value, depth))
}

/// The position of the search in a text. Every step advances, and no text is examined twice, so that a megabyte of any
/// text is read in milliseconds.
struct Search<'a> {
    text: &'a str,
    at: usize,
    line_start: usize,
    /// Joining lines before this offset is known not to lead to a token.
    barren: usize,
}

impl<'a> Search<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let passed = self.rest().get(..bytes).unwrap_or_default();
        if let Some(at) = passed.rfind('\n') {
            self.line_start = self.at + at + 1;
        }
        self.at += bytes;
        passed
    }

    /// Returns the word at this position, joined over line breaks if it clearly is one token that was wrapped. If the
    /// result is not a whole token, but one of its lines begins a token, the word ends before that line.
    fn word(&self, may_be_wrapped: bool) -> Word<'a> {
        match self.joined(may_be_wrapped) {
            (word, Some((cut, gap))) if !is_whole(&word.text) => {
                let at = self.at + cut.used + gap;
                let below = Search { at, line_start: at, ..*self };
                if is_whole(&below.joined(true).0.text) { cut } else { word }
            }
            (word, _) => word,
        }
    }

    /// The word here with the lines below that seem to belong to it, and how it was before the first line that begins like
    /// a token, with the bytes up to that.
    fn joined(&self, may_be_wrapped: bool) -> (Word<'a>, Option<(Word<'a>, usize)>) {
        let mut cut = None;
        let first = damaged_run(self.rest());
        let mut word = Word::new(first);
        if self.at >= self.barren && (may_be_wrapped || begins(first)) {
            let column = || self.text.get(self.line_start..self.at).map_or(0, columns);
            while let Some(line) = NextLine::after(self.rest().get(word.used..).unwrap_or_default()) {
                let width = *word.width.get_or_insert_with(|| column() + first.len());
                if !word.goes_on_with(&line, width) {
                    break;
                }
                if cut.is_none() && word.is_cut_before(&line) {
                    cut = Some((word.clone(), line.gap()));
                }
                word.join(&line);
            }
        }
        (word, cut)
    }
}

fn from_text(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut seen = BTreeSet::new();
    let (mut bearer, mut around, mut quotes, mut cookie, mut breaks) = (false, false, false, false, 0);
    let begin = text.len() - text.trim_start_matches(is_wrapping).len();
    let end = text.trim_end_matches(is_wrapping).len();
    let mut search = Search { text, at: 0, line_start: 0, barren: 0 };
    let mut previous = "";
    while let Some(gap) = search.rest().find(in_token) {
        let between = search.advance(gap);
        let skip = prefix(run(search.rest()));
        search.advance(skip);
        around |= skip > 0 || between.contains(|c| !is_wrapping(c));
        quotes |= between.contains(['"', '\'', '`']);
        let after_bearer = previous.eq_ignore_ascii_case("bearer") && between.chars().all(is_wrapping);
        let mut word = search.word(after_bearer || search.at == begin);
        let behind = word.cut_behind_whole(is_cookie(previous, between));
        if let Some(behind) = behind {
            around |= behind == Behind::FullStop;
            cookie |= behind == Behind::Signature;
        }
        let alone = search.at == begin && search.at + word.used >= end;
        if word.is_token(alone, after_bearer) {
            bearer |= after_bearer;
            breaks += word.breaks;
            search.advance(word.used);
            previous = "";
            let token = word.text.into_owned();
            if seen.insert(token.clone()) {
                reading.tokens.push(token);
            }
        } else {
            if word.dots == 0 {
                search.barren = search.barren.max(search.at + word.used);
            }
            // Advances only to the end of the line, so that a word that is not a token does not hide one after it.
            previous = search.advance(run(search.rest()).len());
            around |= !previous.eq_ignore_ascii_case("bearer");
            reading.has_more |= previous.contains("eyJ");
        }
    }
    if reading.tokens.is_empty() {
        return Reading::default();
    }
    around |= search.rest().contains(|c| !is_wrapping(c));
    quotes |= search.rest().contains(['"', '\'', '`']);
    if bearer {
        reading.removed.push("\"Bearer\"".to_owned());
    }
    if around {
        reading.removed.push("the text around it".to_owned());
    } else if quotes {
        reading.removed.push("quotes".to_owned());
    }
    if cookie {
        reading.removed.push("the cookie's signature".to_owned());
    }
    if breaks > 0 {
        reading.removed.push(super::words::count(breaks, "line break"));
    }
    reading
}

/// Whether this word and the text after it introduce a cookie signed by `cookie-signature` (`s:VALUE.SIGNATURE`).
fn is_cookie(previous: &str, between: &str) -> bool {
    between == ":" && (previous == "s" || previous.ends_with("=s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoidXNlcjEyMyIsInBlcm1pc3Npb25zIjpbInVzZXIiXSwiZXhwIjo5OTk5OTk5OTk5fQ.4uQnrRv3H6Tn0fVfl4cVOn7U0bMJ4CTdXJm0CHUQ2Cg";
    const OTHER: &str = "eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoiYWRtaW4ifQ.";

    fn wrapped(text: &str, columns: usize) -> String {
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(columns).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
    }

    #[rstest]
    #[case(TOKEN.to_owned(), &[])]
    #[case(format!("  {TOKEN}\r\n"), &[])]
    #[case(format!("Bearer {TOKEN}"), &["\"Bearer\""])]
    #[case(format!("bearer {TOKEN}"), &["\"Bearer\""])]
    #[case(format!("Authorization: Bearer {TOKEN}\nHost: example.org"), &["\"Bearer\"", "the text around it"])]
    #[case(format!("curl -H 'Authorization: Bearer {TOKEN}' https://example.org/mcp"), &["\"Bearer\"", "the text around it"])]
    #[case(format!("curl \\\n  -H \"Authorization: Bearer {TOKEN}\" \\\n  -d @x https://example.org"), &["\"Bearer\"", "the text around it"])]
    #[case(format!("{{\"access_token\": \"{TOKEN}\", \"expires_in\": 3600}}"), &["the JSON around access_token"])]
    #[case(format!("\"{TOKEN}\""), &["quotes"])]
    #[case(format!("export TOKEN={TOKEN}"), &["the text around it"])]
    #[case(format!("https://example.org/cb?code=1&access_token={TOKEN}"), &["the text around it"])]
    #[case(wrapped(TOKEN, 60), &["2 line breaks"])]
    #[case(wrapped(TOKEN, 60).replace('\n', "\r\n   "), &["2 line breaks"])]
    #[case(wrapped(&format!("Authorization: Bearer {TOKEN}"), 80), &["\"Bearer\"", "the text around it", "2 line breaks"])]
    fn one_token_is_found_however_it_is_wrapped(#[case] text: String, #[case] removed: &[&str]) {
        let reading = read_token(&text);
        assert_eq!(reading.tokens, [TOKEN], "{text}");
        assert_eq!(reading.removed, removed, "{text}");
    }

    #[test]
    fn several_tokens_keep_their_order_and_repeats_fall_away() {
        assert_eq!(read_token(&format!("{TOKEN}\n{OTHER}\n{TOKEN}")).tokens, [TOKEN, OTHER]);
        assert_eq!(read_token(&format!("a: {OTHER}, b: {TOKEN}")).tokens, [OTHER, TOKEN]);
    }

    #[test]
    fn of_two_members_with_one_name_none_is_kept_back() {
        let json = format!("{{\"access_token\": \"{TOKEN}\", \"access_token\": \"{OTHER}\"}}");
        assert_eq!(read_token(&json).tokens, [TOKEN, OTHER]);
    }

    #[rstest]
    #[case("user123")]
    #[case("example.com")]
    #[case("example.org.uk is a name")]
    #[case("{\"id\": 1}")]
    #[case("")]
    #[case("Bearer")]
    #[case("2026-11-22T20:41:05.123Z")]
    fn other_text_holds_none(#[case] text: &str) {
        assert_eq!(read_token(text), Reading::default());
    }

    #[test]
    fn a_damaged_token_stays_as_it_is() {
        for damaged in
            [format!("{TOKEN}="), TOKEN.replacen("eyJ", "xyJ", 1), ".".repeat(1 << 20), format!("{TOKEN}.x.y")]
        {
            assert_eq!(read_token(&damaged).tokens, [damaged]);
        }
    }
}

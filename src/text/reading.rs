//! Finding the token in what a human hands over: a bare token, `Bearer …`, a header line, a `curl` command, JSON with
//! `access_token`, quotes, line wraps.
//!
//! Nothing is repaired: what is left out is only what stood *around* the token or broke it over lines, and it is said.
//! A token that is damaged stays damaged. The library and a server take the exact string and never call this.

use std::borrow::Cow;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

/// The tokens found in a text, in their order, and what had to be left out to find them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Each token, exactly as it stood but for line breaks.
    pub tokens: Vec<String>,
    /// What was left out, as nouns: `"Bearer"`, `the text around it`, `2 line breaks`.
    pub removed: Vec<String>,
}

/// Members of a JSON answer that hold a token, by the names OAuth gives them (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
const MEMBERS: [&str; 3] = ["access_token", "id_token", "token"];

/// A single word of this length or more with two dots in it is taken for a token even when its header is damaged.
const LONG_WORD: usize = 40;

/// Looks for tokens in `text`. No token found: both lists are empty.
pub fn read_token(text: &str) -> Reading {
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    if trimmed.starts_with('{') {
        let reading = from_json(trimmed);
        if !reading.tokens.is_empty() {
            return reading;
        }
    }
    from_text(trimmed)
}

fn from_json(text: &str) -> Reading {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(text) else {
        return Reading::default();
    };
    let mut reading = Reading::default();
    for wanted in MEMBERS {
        if let Some(serde_json::Value::String(value)) = members.get(wanted) {
            let inner = from_text(value.trim());
            if inner.tokens.is_empty() && !value.trim().is_empty() {
                reading.tokens.push(value.trim().to_owned());
            }
            reading.tokens.extend(inner.tokens);
            reading.removed.push(format!("the JSON around {wanted}"));
        }
    }
    reading
}

/// A character that can stand in a token, whole or damaged: base64url, the dots, and the signs of the other base64.
const fn in_token(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' | '.' | '=' | '+' | '/')
}

/// Base64url that accepts a cut: the first characters of a longer text.
const BEGINNING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a word begins as the base64url of a JSON object does, and has a second segment.
fn opens_object(word: &str) -> bool {
    let Some((first, _)) = word.split_once('.') else {
        return false;
    };
    let beginning: Vec<u8> = first.bytes().take(4).collect();
    match BEGINNING.decode(beginning).as_deref() {
        Ok([b'{', next, ..]) => matches!(next, b'"' | b'}' | b' ' | b'\t' | b'\r' | b'\n'),
        _ => false,
    }
}

/// A run of token characters, joined over the line breaks inside it.
struct Word<'a> {
    text: Cow<'a, str>,
    /// Bytes of the source it took up, breaks included.
    used: usize,
    breaks: usize,
}

impl Word<'_> {
    fn is_token(&self, alone: bool, after_bearer: bool) -> bool {
        let dots = dots(&self.text);
        opens_object(&self.text) || (alone && dots >= 2 && self.text.len() >= LONG_WORD) || (after_bearer && dots >= 1)
    }
}

/// Bytes of a first word that stand in front of a token joined to it by `=`, `/` or `+`.
fn prefix(text: &str) -> usize {
    let line = text.get(..text.find(|c| !in_token(c)).unwrap_or(text.len())).unwrap_or_default();
    if opens_object(line) {
        return 0;
    }
    let starts = line.match_indices(['=', '/', '+']).map(|(n, _)| n + 1);
    starts.take(64).find(|n| line.get(*n..).is_some_and(opens_object)).unwrap_or(0)
}

fn dots(word: &str) -> usize {
    word.bytes().filter(|b| *b == b'.').count()
}

const fn is_wrapping(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | ' ' | '\t' | '\r' | '\n')
}

fn from_text(text: &str) -> Reading {
    let mut reading = Reading::default();
    let (mut bearer, mut around, mut quotes, mut breaks) = (false, false, false, 0);
    let mut at = 0;
    let mut previous = "";
    let tail = |at: usize| text.get(at..).unwrap_or_default();
    while let Some(gap) = tail(at).find(in_token) {
        let between = text.get(at..at + gap).unwrap_or_default();
        at += gap;
        // `TOKEN=eyJ…` and `/path/eyJ…`: these signs may stand in a damaged token, but not in front of a whole one.
        let skip = prefix(tail(at));
        around |= skip > 0;
        at += skip;
        let column = at - text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |n| n + 1);
        let after_bearer = previous.eq_ignore_ascii_case("bearer") && between.chars().all(is_wrapping);
        let word = take_word(tail(at), column);
        let others = text.get(..at).into_iter().chain(text.get(at + word.used..));
        let alone = others.flat_map(str::chars).all(is_wrapping);
        around |= between.contains(|c| !is_wrapping(c));
        quotes |= between.contains(['"', '\'', '`']);
        if word.is_token(alone, after_bearer) {
            bearer |= after_bearer;
            breaks += word.breaks;
            at += word.used;
            previous = "";
            let token = word.text.into_owned();
            if !reading.tokens.contains(&token) {
                reading.tokens.push(token);
            }
        } else {
            // Only to its line's end, so that a word which is no token swallows none behind it.
            let line = tail(at).find(|c| !in_token(c)).unwrap_or(tail(at).len());
            previous = text.get(at..at + line).unwrap_or_default();
            around |= !previous.eq_ignore_ascii_case("bearer");
            at += line;
        }
    }
    if reading.tokens.is_empty() {
        return reading;
    }
    around |= tail(at).contains(|c| !is_wrapping(c));
    quotes |= tail(at).contains(['"', '\'', '`']);
    if bearer {
        reading.removed.push("\"Bearer\"".to_owned());
    }
    if around {
        reading.removed.push("the text around it".to_owned());
    } else if quotes {
        reading.removed.push("quotes".to_owned());
    }
    if breaks > 0 {
        reading.removed.push(super::words::count(breaks, "line break"));
    }
    reading
}

/// The word at the start of `text`, joined over line breaks where it is plainly one token that was wrapped.
/// `column` is where on its line the word starts: a wrapped line fills the width, so a longer one is not its rest.
fn take_word(text: &str, column: usize) -> Word<'_> {
    let first = text.find(|c| !in_token(c)).unwrap_or(text.len());
    let width = column + first;
    let mut word = Word { text: Cow::Borrowed(text.get(..first).unwrap_or_default()), used: first, breaks: 0 };
    loop {
        let rest = text.get(word.used..).unwrap_or_default();
        let next = rest.trim_start_matches([' ', '\t', '\r', '\n', '\\']);
        let gap = rest.len() - next.len();
        let line = next.get(..next.find(|c| !in_token(c)).unwrap_or(next.len())).unwrap_or_default();
        let after = next.get(line.len()..).and_then(|after| after.lines().next()).unwrap_or_default();
        let wrapped = rest.get(..gap).is_some_and(|gap| gap.contains('\n'))
            && !line.is_empty()
            && after.chars().all(|c| is_wrapping(c) || matches!(c, ',' | '}' | ')' | ';' | '\\'));
        let complete = dots(&word.text) >= 2;
        let belongs = if complete {
            line.len() <= width && !opens_object(line)
        } else {
            opens_object(&word.text) || column == 0 && word.text.len() >= LONG_WORD
        };
        if !wrapped || !belongs {
            return word;
        }
        word.text.to_mut().push_str(line);
        word.used += gap + line.len();
        word.breaks += 1;
    }
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

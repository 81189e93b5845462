//! Pasted text: the token in it is found unchanged, damaged tokens are not repaired, and a megabyte of hostile text is
//! read quickly.

#![expect(clippy::string_slice, reason = "the texts cut here are the test's own, or searched by the same bytes")]

use std::sync::mpsc;
use std::time::Duration;

use portcullis::text::secret::secret;
use portcullis::text::{Reading, read_token};
use proptest::prelude::*;
use rstest::rstest;

use crate::forge::{HS256, b64, claims, mac, sign, token};

/// Breaks a text at a column, as a terminal or a mail program does.
fn wrapped(text: &str, columns: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(columns).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

/// An ordinary token, one whose header is longer than a line, and one with a signature of 342 characters.
fn tokens() -> [String; 3] {
    let long_header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{}"}}"#, "k".repeat(90));
    let signed = format!("{}.{}", b64(r#"{"alg":"RS256","typ":"JWT","kid":"1"}"#), b64(claims("")));
    let rsa: Vec<u8> = (0..8).flat_map(|n| mac(&n.to_string(), b"x")).collect();
    [token(claims("")), sign(long_header, claims("")), format!("{signed}.{}", b64(rsa))]
}

#[test]
fn a_token_is_found_in_common_pastes() {
    for token in tokens() {
        for text in [
            token.clone(),
            format!("\u{feff}{token}\r\n\r\n"),
            format!("Bearer {token}"),
            format!("Bearer\n{token}"),
            format!("BEARER  {token}\n"),
            format!("Authorization: Bearer {token}"),
            format!("authorization:Bearer {token}\r\nAccept: */*\r\n"),
            format!("curl -sS https://example.org/mcp -H 'Authorization: Bearer {token}' -d '{{\"id\": 1}}'"),
            format!("curl https://example.org \\\n  -H \"Authorization: Bearer {token}\" \\\n  -H 'Accept: a/b'\n"),
            format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"),
            format!("{{\n  \"token\": \"{token}\"\n}}\n"),
            format!("{{\"data\": {{\"id_token\": \"{token}\"}}}}"),
            format!("[{{\"access_token\": \"{token}\"}}]"),
            format!("\"{token}\""),
            format!("'{token}'"),
            format!("`{token}`"),
            format!("\u{201c}{token}\u{201d}"),
            format!("({token})"),
            format!("<{token}>"),
            format!("[{token}](https://example.org)"),
            format!("token: {token}, then"),
            format!("PORTCULLIS_TOKEN={token} portcullis inspect"),
            format!("Cookie: session={token}; theme=dark"),
            format!("https://example.org/#access_token={token}&state=x"),
            format!("https://example.org/verify/{token}"),
            format!("is it {token}? yes!"),
            format!("{token}\nuser123"),
            format!("{token}\n\nuser123 has it\n"),
            format!("first line\n{token}\nlast"),
            wrapped(&token, 80),
            wrapped(&token, 72).replace('\n', "\r\n"),
            wrapped(&token, 64).replace('\n', "\n    "),
            wrapped(&token, 40),
            wrapped(&token, 20),
            wrapped(&format!("Authorization: Bearer {token}"), 80),
            wrapped(&format!("Bearer {token}"), 60),
            format!("\"{}\"", wrapped(&token, 76)),
            format!("$ echo $TOKEN\n{}\n$ ", wrapped(&token, 80)),
        ] {
            assert_eq!(read_token(&text).tokens, [token.as_str()], "{text}");
        }
    }
}

/// A text as copied from a terminal of this width, each row on its own line.
fn copied(text: &str, columns: usize) -> String {
    text.lines().map(|line| wrapped(line, columns)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_token_wrapped_by_a_terminal_of_any_width_is_found() {
    for token in tokens() {
        let ways = [
            format!("curl -sS -H 'Authorization: Bearer {token}' http://localhost:8000/mcp -d '{{\"id\": 1}}'"),
            format!("$ curl -H \"Authorization: Bearer {token}\" http://localhost/mcp\nHTTP/1.1 401 Unauthorized\n"),
            format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"),
            format!("{{\n  \"access_token\": \"{token}\",\n  \"token_type\": \"Bearer\"\n}}"),
            format!("Authorization: Bearer {token}\nHost: example.org"),
            format!("export PORTCULLIS_TOKEN={token} && portcullis inspect"),
            format!("http://localhost/callback?access_token={token}&state=x"),
            token.clone(),
        ];
        for columns in 60..=132 {
            for way in &ways {
                let text = copied(way, columns);
                assert_eq!(read_token(&text).tokens, [token.as_str()], "{columns}:\n{text}");
                let crlf = text.replace('\n', "\r\n");
                assert_eq!(read_token(&crlf).tokens, [token.as_str()], "{columns}:\n{crlf}");
            }
        }
    }
}

/// A text in a frame of this width.
fn boxed(text: &str, columns: usize, sides: [&str; 2]) -> String {
    let lines: Vec<String> = wrapped(text, columns)
        .lines()
        .map(|line| format!("{} {line:<columns$} {}", sides[0], sides[1]).trim_end().to_owned())
        .collect();
    format!("┌{0}┐\n{1}\n└{0}┘", "─".repeat(columns + 2), lines.join("\n"))
}

/// A text with a number before each line.
fn numbered(text: &str, between: &str) -> String {
    let lines: Vec<String> = text.lines().zip(1..).map(|(line, n)| format!("{n:4}{between}{line}")).collect();
    lines.join("\n")
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn an_encoded_framed_or_wrapped_token_is_found() {
    for token in tokens() {
        let (signed, signature) = token.rsplit_once('.').expect("three segments");
        let (header, payload) = signed.split_once('.').expect("three segments");
        let percent_all = token.bytes().fold(String::new(), |all, b| all + &format!("%{b:02X}"));
        for text in [
            // Line breaks and blanks at the dots.
            format!("{header}.\n{payload}.\n{signature}"),
            format!("{header}\n.{payload}\n.{signature}"),
            format!("{header}\n.\n{payload}\n.\n{signature}"),
            format!("{header} . {payload} . {signature}"),
            format!("{header}. {payload}. {signature}"),
            format!("{header} .{payload} .{signature}"),
            format!("token: {header}.\r\n  {payload}.\r\n  {signature}\r\nthen"),
            // Sentences.
            format!("The token is {token}."),
            format!("It was {token}. Then it expired."),
            format!("Is it {token}...?"),
            format!("{token}."),
            // Percent-encoded, once or twice.
            token.replace('.', "%2E"),
            token.replace('.', "%2e"),
            token.replace('.', "%252E"),
            format!("https://example.org/cb?next=%2Fmcp%3Faccess_token%3D{}%26state%3D1", token.replace('.', "%2E")),
            format!("Authorization%3A%20Bearer%20{token}"),
            percent_all,
            // Cookies.
            format!("Cookie: sid=s%3A{token}.Zm9vYmFy%2Bbaz; theme=dark"),
            format!("sid=s:{token}.Zm9vYmFyYmF6"),
            format!("{{\"sid\": \"s:{token}.Zm9vYmFyYmF6\"}}"),
            // Encoded in base64.
            format!("apiVersion: v1\nkind: Secret\ndata:\n  token: {}\n", base64(&token)),
            format!("data:\n  token: {}\n", base64(&format!("{token}\n"))),
            format!("data:\n  auth: {}\n", base64(&format!("Bearer {token}"))),
            format!("  token: |\n    {}\n", wrapped(&base64(&token), 76).replace('\n', "\n    ")),
            wrapped(&base64(&token), 76),
            format!("Authorization: Basic {}", base64(&format!("oauth2:{token}"))),
            base64(&format!("{{\"access_token\":\"{token}\"}}")),
            format!("\"{}\"", base64(&token).trim_end_matches('=')),
            base64(&base64(&token)),
            // Frames, quotations and comments.
            boxed(&token, 60, ["│", "│"]),
            boxed(&format!("Authorization: Bearer {token}"), 76, ["│", "│"]),
            boxed(&token, 40, ["┃", "┃"]),
            boxed(&token, 50, ["|", "|"]).replace(['┌', '┐', '└', '┘'], "+").replace('─', "-"),
            format!("> {}", wrapped(&token, 70).replace('\n', "\n> ")),
            format!("On Monday she wrote:\n> Bearer\n> {}\n> thanks", wrapped(&token, 70).replace('\n', "\n> ")),
            format!(">> {}", wrapped(&token, 66).replace('\n', "\n>> ")),
            format!("# {}", wrapped(&token, 70).replace('\n', "\n# ")),
            format!("// {}", wrapped(&token, 70).replace('\n', "\n// ")),
            // Folded YAML, quoted-printable and shell continuations.
            format!("token: >-\n  {}\nnext: 1\n", wrapped(&token, 70).replace('\n', "\n  ")),
            format!("token: |\n    {}\n", wrapped(&token, 64).replace('\n', "\n    ")),
            format!("{}=\n{}", &format!("see {token}")[..75], &format!("see {token}")[75..]),
            wrapped(&format!("Authorization: Bearer {token}"), 75).replace('\n', "=\r\n"),
            wrapped(&format!("curl -H 'Authorization: Bearer {token}' http://localhost"), 72).replace('\n', "\\\n"),
            // Escapes for a dot or a quote.
            token.replace('.', "\\u002e"),
            token.replace('.', "&#46;"),
            token.replace('.', "&#x2E;"),
            token.replace('.', "=2E"),
            format!("{{\\\"access_token\\\":\\\"{token}\\\"}}"),
            // Indented after wrapping, numbered, coloured, in source code, below a longer line.
            wrapped(&format!("curl -H 'Authorization: Bearer {token}' http://localhost"), 76).replace('\n', "\n    "),
            numbered(&wrapped(&token, 70), " "),
            numbered(&wrapped(&token, 70), " │ "),
            format!("+{}", wrapped(&format!("TOKEN={token}"), 70).replace('\n', "\n+")),
            format!("\u{1b}[1;32m{token}\u{1b}[0m"),
            format!("token = \"{}\"", wrapped(&token, 64).replace('\n', "\" +\n    \"")),
            format!("token = '{}'", wrapped(&token, 64).replace('\n', "' \\\n    '")),
            format!("{}\n{}", "x".repeat(300), wrapped(&format!("curl -H 'X: {token}' http://localhost"), 80)),
            // Line breaks that a one-line field has turned into blanks.
            wrapped(&token, 64).replace('\n', " "),
            format!("Bearer {}", wrapped(&token, 48).replace('\n', " ")),
        ] {
            assert_eq!(read_token(&text).tokens, [token.as_str()], "{text}");
        }
    }
}

#[test]
fn removed_encodings_and_frames_are_reported() {
    let token = token(claims(""));
    for (text, removed) in [
        (format!("data:\n  token: {}\n", base64(&token)), "the base64 around it"),
        (token.replace('.', "%2E"), "percent-encoding"),
        (format!("sid=s:{token}.Zm9vYmFy"), "the cookie's signature"),
        (boxed(&token, 40, ["│", "│"]), "the marks around its lines"),
        (copied(&format!("curl -H 'Authorization: Bearer {token}' http://localhost"), 80), "line breaks"),
    ] {
        let reading = read_token(&text);
        assert!(reading.removed.iter().any(|what| what == removed), "{:?}: {text}", reading.removed);
    }
    // A refresh token that is not a JWT cannot be inspected, and is not shown either.
    let reading = read_token(&format!("{{\"access_token\": \"{token}\", \"refresh_token\": \"v1.opaque\"}}"));
    assert_eq!(
        (reading.tokens, reading.removed),
        (vec![token.clone()], vec!["the JSON around access_token".to_owned(), "an opaque refresh_token".to_owned(),])
    );
    let nested = format!("{{\"data\": {{\"access_token\": \"{token}\", \"refresh_token\": \"v1.opaque\"}}}}");
    assert!(read_token(&nested).removed.contains(&"an opaque refresh_token".to_owned()));
    let reading = read_token(&format!("{{\"access_token\": \"{token}\", \"refresh_token\": \"{token}x\"}}"));
    assert_eq!(reading.tokens, [token.clone(), format!("{token}x")]);
}

#[test]
fn an_incomplete_token_is_not_completed() {
    let [a, b, _] = tokens();
    let (signed, signature) = a.rsplit_once('.').expect("three segments");
    let (header, payload) = signed.split_once('.').expect("three segments");
    for text in [
        // A signature that is too short stays too short, whatever word follows.
        format!("{signed}.{} is it", &signature[..41]),
        format!("{signed}.{}. It is.", &signature[..41]),
        format!("{signed}.{}\n{b}", &signature[..40]),
        // The middle is missing.
        format!("{header}.{}\n{signature}", &payload[..20]),
        format!("{header}.{}…{}.{signature}", &payload[..20], &payload[40..]),
        // Halves of two tokens.
        format!("{header}.\n{b}"),
        format!("{signed}\n{b}"),
        format!("{a}.x"),
        format!("sid={a}.Zm9vYmFy"),
        format!("token:{a}.Zm9vYmFy"),
        a.replacen('.', "%2", 1),
        a.replace('.', "%00"),
    ] {
        let reading = read_token(&text);
        assert!(reading.tokens.iter().all(|token| *token != a), "{text}");
        assert!(reading.tokens.iter().all(|token| *token == b || !token.contains(&b)), "{text}");
    }
    for text in [format!("{a} {b}"), format!("{a}\n{b}"), copied(&format!("curl -H {a}\ncurl -H {b}"), 80)] {
        assert_eq!(read_token(&text).tokens, [a.as_str(), &b], "{text}");
    }
}

/// A text without the last characters of its signature, and these.
fn cut(token: &str, length: usize) -> (&str, &str) {
    token.split_at(token.len() - length)
}

#[test]
fn a_blank_line_ends_a_token() {
    for token in tokens() {
        for missing in [1, 5, 23, 40] {
            let (beginning, word) = cut(&token, missing);
            for gap in ["\n\n", "\r\n\r\n", "\n  \n", "\n\n\n", "\n\n    "] {
                for text in [
                    format!("{beginning}{gap}{word}"),
                    format!("{beginning}{gap}{word}\n\nthen"),
                    format!("Authorization: Bearer {beginning}{gap}{word}\n"),
                    format!("{}{gap}{word}", wrapped(beginning, 64)),
                    format!("{}{gap}{word}", wrapped(beginning, 40).replace('\n', "\r\n")),
                    format!("> {}", format!("{}{gap}{word}", wrapped(beginning, 64)).replace('\n', "\n> ")),
                ] {
                    let found = read_token(&text).tokens;
                    assert!(found.iter().all(|found| *found != token), "{text}");
                }
            }
        }
        // Every line is full, also the last one before the blank one.
        for columns in [20, 40, 64, 80] {
            let beginning = &token[..(token.len() - 1) / columns * columns];
            let text = format!("{}\n\n{}", wrapped(beginning, columns), &token[beginning.len()..]);
            assert!(read_token(&text).tokens.iter().all(|found| *found != token), "{columns}:\n{text}");
        }
        let at = token.rfind('.').expect("three segments") + 1;
        let text = format!("{}\n\n{}", &token[..at], &token[at..]);
        assert!(read_token(&text).tokens.iter().all(|found| *found != token), "{text}");
    }
}

#[test]
fn a_token_whose_lines_are_all_apart_is_found() {
    for token in tokens() {
        for columns in [40, 64, 80] {
            for gap in ["\n\n", "\r\n\r\n", "\n \n"] {
                for text in [token.clone(), format!("Authorization: Bearer {token}"), format!("{token}\nsent to you")] {
                    let text = copied(&text, columns).replace('\n', gap);
                    assert_eq!(read_token(&text).tokens, [token.as_str()], "{columns}:\n{text}");
                }
            }
        }
    }
}

#[test]
fn a_whole_token_beside_a_cut_one_is_found() {
    let all = tokens();
    for (whole, other) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1), (0, 0)].map(|(a, b)| (&all[a], &all[b])) {
        for columns in [50, 64, 76, 80, 132] {
            for length in [12, 60, 79, 80, 100, 160, 200, other.len() - 43, other.len() - 20, other.len() - 1] {
                let cut = &other[..length.min(other.len() - 1)];
                for text in [
                    format!("{}\n{}", wrapped(cut, columns), wrapped(whole, columns)),
                    format!("{}\n{}", wrapped(whole, columns), wrapped(cut, columns)),
                    format!("{}\n\n{}", wrapped(cut, columns), wrapped(whole, columns)),
                    format!("old: {}\nnew: {}\n", wrapped(cut, columns), wrapped(whole, columns)),
                    copied(&format!("old: {cut}\nnew: {whole}\n"), columns),
                    wrapped(&format!("{cut} {whole}"), columns),
                    wrapped(&format!("{whole} {cut}"), columns),
                    wrapped(&format!("{{\"old\": \"{cut}\", \"new\": \"{whole}\"}}"), columns),
                ] {
                    let found = read_token(&text).tokens;
                    assert!(found.contains(whole), "{columns}, {length}:\n{text}\n{found:#?}");
                }
            }
        }
    }
}

/// Two texts side by side, each broken at a column.
fn side_by_side(left: &str, right: &str, columns: usize, between: &str) -> String {
    let (left, right) = (wrapped(left, columns), wrapped(right, columns));
    let rows = left.lines().count().max(right.lines().count());
    let row = |n| {
        let (left, right) = (left.lines().nth(n).unwrap_or(""), right.lines().nth(n).unwrap_or(""));
        format!("{left:<columns$}{between}{right}").trim_end().to_owned()
    };
    (0..rows).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn tokens_side_by_side_are_found_and_never_mixed() {
    let [a, b, c] = tokens();
    // The same length and nearly the same claims: a mixture would have the form of a token.
    let like = token(claims("").replace("user123", "user124"));
    for between in [" ", "   ", " │ ", "│", " | "] {
        for columns in [30, 40, 60, 76, 90, 100, 120, 150] {
            for (left, right) in [(&a, &b), (&b, &a), (&a, &c), (&a, &like), (&like, &a)] {
                let text = side_by_side(left, right, columns, between);
                assert_eq!(read_token(&text).tokens, [left.as_str(), right], "{columns}:\n{text}");
                for length in [20, 60, 100, 150] {
                    let text = side_by_side(&left[..length], &right[..length + 7], columns, between);
                    let found = read_token(&text).tokens;
                    assert!(
                        found.iter().all(|found| left.contains(found) || right.contains(found)),
                        "{text}\n{found:#?}"
                    );
                    // One of them is whole.
                    let text = side_by_side(&left[..length], right, columns, between);
                    assert!(read_token(&text).tokens.contains(right), "{columns} {length}:\n{text}");
                }
            }
        }
    }
}

#[test]
fn both_tokens_of_a_difference_are_found() {
    let [a, b, c] = tokens();
    let signed = |sign: &str, text: &str| format!("{sign}{}", text.replace('\n', &format!("\n{sign}")));
    for (old, new) in [(&a, &b), (&b, &a), (&a, &c), (&c, &a)] {
        for text in [
            format!("-{old}\n+{new}"),
            format!("-  {old}\n+  {new}\n"),
            format!("-TOKEN={old}\n+TOKEN={new}"),
            format!("--- a/.env\n+++ b/.env\n@@ -1,3 +1,3 @@\n HOST=x\n-{old}\n+{new}\n PORT=1\n"),
            format!("{}\n{}\n", signed("-", &wrapped(old, 70)), signed("+", &wrapped(new, 70))),
            format!("@@ -1,4 +1,4 @@\n{}\n{}\n", signed("-", &wrapped(old, 64)), signed("+", &wrapped(new, 64))),
            format!("-{old}\n{}\n", signed("+", &wrapped(new, 64))),
            format!("{}\n+{new}\n", signed("-", &wrapped(old, 64))),
        ] {
            assert_eq!(read_token(&text).tokens, [old.as_str(), new], "{text}");
            assert_eq!(read_token(&text.replace('\n', "\r\n")).tokens, [old.as_str(), new], "{text}");
        }
    }
    let list = format!("- {a}\n- {b}\n-{c}");
    assert_eq!(read_token(&list).tokens, [a, b, c]);
}

#[test]
fn several_tokens_are_all_found_unchanged() {
    let [a, b, c] = tokens();
    for text in [
        format!("{a}\n{b}\n{c}\n"),
        format!("{a} {b} {c}"),
        format!("a={a};b={b};c={c}"),
        format!("{}\n{}\n{}", wrapped(&a, 80), wrapped(&b, 80), wrapped(&c, 80)),
        format!("{{\"access_token\":\"{a}\",\"id_token\":\"{b}\",\"token\":\"{c}\"}}"),
    ] {
        assert_eq!(read_token(&text).tokens, [a.as_str(), &b, &c], "{text}");
    }
}

#[test]
fn a_damaged_token_is_returned_unrepaired() {
    let good = token(claims(""));
    let (signed, signature) = good.rsplit_once('.').expect("three segments");
    let (header, payload) = signed.split_once('.').expect("three segments");
    for damaged in [
        format!("{good}="),
        format!("{good}.x"),
        format!("{good}.x.y"),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!("{header}==.{payload}.{signature}"),
        format!("{header}.{}!{}.{signature}", &payload[..20], &payload[21..]),
        format!("{header}.{}\u{200b}{}.{signature}", &payload[..20], &payload[20..]),
        format!("{header}.{payload}.{}?{}", &signature[..9], &signature[10..]),
        format!("{}\u{1b}{}.{payload}.{signature}", &header[..9], &header[10..]),
        format!("{header}.{}é{}.{signature}", &payload[..20], &payload[21..]),
        format!("x{}", &good[1..]),
        good.replace('.', ".\u{e0041}"),
    ] {
        for text in [damaged.clone(), format!("{damaged}\n")] {
            assert_eq!(read_token(&text).tokens, [damaged.as_str()], "{text:?}");
        }
        // Inside other text, a damaged token is recognized only by how it begins.
        if damaged.starts_with("eyJ") {
            for text in
                [format!("Bearer {damaged}"), format!("{{\"access_token\":\"{damaged}\"}}"), format!("x {damaged} y")]
            {
                if !damaged.contains('\u{1b}') || !text.starts_with('{') {
                    assert_eq!(read_token(&text).tokens, [damaged.as_str()], "{text:?}");
                }
            }
        }
    }
}

#[test]
fn text_after_a_whole_token_is_not_appended_to_it() {
    let good = token(claims(""));
    let (signed, signature) = good.rsplit_once('.').expect("three segments");
    for behind in ["admin", "x", "user123", "eyJhbGciOiJIUzI1NiJ9", "AAAA", "https"] {
        assert_eq!(read_token(&format!("{good}\n{behind}")).tokens, [good.as_str()], "{behind}");
        assert_eq!(read_token(&format!("{signed}.{}\n{behind}", &signature[..41])).tokens[0].len(), good.len() - 2);
    }
    // A truncated token above a whole one stays truncated, and the whole one is unchanged.
    let cut = &good[..60];
    assert_eq!(read_token(&format!("{cut}\n{good}")).tokens, [cut, &good]);
}

#[rstest]
#[case("{\"id\": 1}")]
#[case("{\"data\": \"new\"}")]
#[case("user.name@example.org")]
#[case("see RFC 7519, section 4.1.4. It says so.")]
#[case("fn main() { println!(\"{}\", a.b.c); }")]
#[case("https://example.org/a.b.c?d=e")]
#[case("192.168.0.1")]
#[case("eyJhbGciOiJIUzI1NiJ9")]
#[case("Bearer token")]
#[case("\u{feff}")]
#[case("....")]
fn no_token_is_found_in_other_text(#[case] text: &str) {
    assert_eq!(read_token(text), Reading::default());
}

/// Runs something that must be quick. A hang fails after a minute instead of blocking the suite.
fn within_a_minute<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(run()));
    result.recv_timeout(Duration::from_mins(1)).unwrap_or_else(|_| panic!("{what} takes longer than a minute"))
}

#[test]
fn a_megabyte_of_any_text_is_read_within_a_minute() {
    const MIB: usize = 1 << 20;
    let fill = |piece: &str| piece.repeat(MIB / piece.len());
    let numbered = |make: &dyn Fn(usize) -> String| (0..40_000).map(make).collect::<String>();
    let token = token(claims(""));
    let big = sign(HS256, claims(&format!(r#""note":"{}","#, "x".repeat(MIB * 3 / 4))));
    for (name, text) in [
        ("equals signs", fill("=")),
        ("slashes and a beginning", fill("/eyJ")),
        ("equals signs and a beginning", fill("=eyJhbGci")),
        ("beginnings", fill("eyJ.")),
        ("beginnings on lines", fill("eyJ.\n")),
        ("beginnings without dots on lines", fill("eyJhbGciOiJIUzI1NiJ9\n")),
        ("words", fill("a ")),
        ("dotted words", fill("eyJ.x ")),
        ("different tokens on one line", numbered(&|n| format!("eyJhbGciOiJub25lIn0.{n}. "))),
        ("different tokens on lines", numbered(&|n| format!("eyJhbGciOiJub25lIn0.{n}.\n"))),
        ("newlines", fill("\n")),
        ("spaces, then words", format!("{}{}", " ".repeat(MIB / 2), "a b ".repeat(MIB / 8))),
        ("words, then spaces", format!("{}{}", "a b ".repeat(MIB / 8), " ".repeat(MIB / 2))),
        ("quotes", fill("\"")),
        ("quoted words", fill("\"a\" ")),
        ("Bearers", fill("Bearer ")),
        ("Bearers on lines", fill("Bearer\n")),
        ("Bearers and beginnings on lines", fill("Bearer\neyJhbGciOiJIUzI1NiJ9\n")),
        ("Bearers and long words on lines", fill(&format!("Bearer\n{}\n", "A".repeat(64)))),
        ("dots", fill(".")),
        ("dots on lines", fill(".\n")),
        ("a wrapped binary", wrapped(&fill("TWFu"), 76)),
        ("a token wrapped at one column", wrapped(&token.repeat(100), 1)),
        ("a megabyte token wrapped at one column", wrapped(&big, 1)),
        ("a megabyte token wrapped at 80", wrapped(&big, 80)),
        ("braces", fill("{")),
        ("open arrays", fill("[")),
        ("an object of braces", format!("{{\"token\":{}", fill("["))),
        ("backslashes on lines", fill("a \\\n")),
        ("foreign signs in a token", fill("eyJ.a!")),
        ("foreign signs", fill("!a")),
        ("one long foreign run", format!("eyJ.a{}", fill("!"))),
        ("foreign runs", fill("eyJ.a!!!!!!!!!!!!!! ")),
        ("percent signs", fill("eyJ%2E")),
        ("frames", fill("│ eyJhbGciOiJIUzI1NiJ9.\n")),
        ("base64 of beginnings", fill("ZXlKaGJHY2lPaUpJVXpJMU5pSjk=\n")),
        ("quotes on lines", fill("\"eyJ.\" +\n")),
        ("escapes", fill("\\u002eey&#46;=2E")),
        ("colours", fill("\u{1b}[0mey")),
        ("columns", fill("eyJhbGci.x eyJhbGci.y\n")),
        ("columns with a gutter", fill("eyJhbGciOiJIUzI1NiJ9.eyJ │ eyJhbGciOiJIUzI1NiJ9.eyJ\n")),
        ("two long columns", format!("eyJ. eyJ.\n{}", fill("aaaa aaaa\n"))),
        ("lines apart", fill("eyJhbGciOiJIUzI1NiJ9.eyJ\n\n")),
        ("a difference", fill("-eyJ.a\n+eyJ.b\n")),
        ("hyphens", fill("-")),
        ("hyphens and a beginning", fill("--eyJ.")),
        ("headers cut at their dots", fill("eyJhbGciOiJIUzI1NiJ9.\n")),
        ("a header cut at its dot and one line", format!("eyJ.\neyJ{}", fill("a"))),
        ("a header cut at its dot and many lines", format!("eyJ.\neyJ{}", wrapped(&fill("a"), 76))),
        ("colons", fill(":")),
        ("blanks and colons", fill("          :")),
        ("names", fill("token:")),
        ("a long name", format!("{}: x", fill("a"))),
        ("a name and blanks", format!("token:{}", fill(" "))),
        ("keys", fill("kty\"d\" ")),
        ("schemes", fill("Bearer ")),
        ("blocks", fill("-----BEGIN ")),
        ("a whole token and damaged ones", format!("{token} {}", fill("eyJhbGciOiJub25lIn0.x%2Ey "))),
    ] {
        // A text that is short enough is also read unwrapped, without frames and decoded.
        within_a_minute(name, move || {
            (read_token(portcullis::text::head(&text, 120 * 1024)), read_token(&text), secret(&text))
        });
    }
}

#[test]
fn a_token_of_a_megabyte_is_inspected_within_a_minute() {
    const MIB: usize = 1 << 20;
    let many = |make: &dyn Fn(usize) -> String| (0..40_000).map(make).collect::<Vec<_>>().join(",");
    let strings = many(&|n| format!("\"{n}\""));
    for (name, token) in [
        ("dots", ".".repeat(MIB)),
        ("a claim", token(claims(&format!(r#""note":"{}","#, "x".repeat(MIB))))),
        ("claims", token(claims(&format!("{},", many(&|n| format!("\"c{n}\":{n}")))))),
        ("permissions", token(format!(r#"{{"user_id":"u","permissions":[{strings}],"exp":1}}"#))),
        ("audiences", token(claims(&format!(r#""aud":[{strings}],"#)))),
        ("escapes", token(claims(&format!(r#""note":"{}","#, "\\u001b".repeat(MIB / 6))))),
        ("nesting", token(claims(&format!(r#""a":{}{},"#, "[".repeat(MIB / 2), "]".repeat(MIB / 2))))),
        ("a number", token(claims(&format!(r#""a":{},"#, "9".repeat(MIB))))),
        ("line breaks", token(format!("{{{}x", "\n".repeat(MIB)))),
        ("padding", "=".repeat(MIB)),
    ] {
        within_a_minute(name, move || {
            let rules = crate::forge::rules().with_audiences(["gate".into()]);
            let inspection = rules.inspect(token);
            // A screen uses all of this in every frame.
            for _ in 0..60 {
                let judged = &inspection.judged;
                judged.status(crate::forge::NOW);
                for light in portcullis::auth::Light::ALL {
                    judged.light(light, crate::forge::NOW);
                }
            }
        });
    }
}

/// A token with a header and claims of any length, signed as HS256 or as long as an RS256 signature.
fn any_token() -> impl Strategy<Value = String> {
    ("[a-z0-9]{0,90}", "[ -~&&[^\"\\\\]]{0,120}", any::<bool>()).prop_map(|(kid, note, is_rsa)| {
        let payload = claims(&format!(r#""note":"{note}","#));
        if !is_rsa {
            return sign(format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), payload);
        }
        let signed = format!("{}.{}", b64(format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#)), b64(payload));
        let signature: Vec<u8> = (0..8).flat_map(|n| mac(&format!("{n}{signed}"), b"x")).collect();
        format!("{signed}.{}", b64(signature))
    })
}

fn one_of(list: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    (0..list.len()).prop_map(|n| list[n])
}

proptest! {
    #[test]
    fn a_token_is_found_byte_for_byte_in_any_style_of_wrapping(
        token in any_token(),
        columns in 20usize..140,
        before in one_of(&["", "Bearer ", "Authorization: Bearer ", "TOKEN=", "token: ", "-H 'Authorization: Bearer "]),
        quote in one_of(&["", "\"", "'", "`"]),
        mark in one_of(&["", "> ", "# ", "│ ", "+", "-", "    ", "\t", "// "]),
        indent in 0usize..8,
        end in one_of(&["\n", "\r\n", " \n"]),
    ) {
        let text = wrapped(&format!("{before}{quote}{token}{quote}"), columns);
        let text = format!("{mark}{}", text.replace('\n', &format!("{end}{mark}{}", " ".repeat(indent))));
        prop_assert_eq!(read_token(&text).tokens, [token], "{}", text);
    }

    #[test]
    fn no_token_is_found_that_is_not_in_one_paragraph_of_the_text(
        tokens in proptest::collection::vec(any_token(), 3),
        pieces in proptest::collection::vec((0usize..3, 0usize..400, 0usize..400, 20usize..140, 0usize..6), 1..8),
        words in proptest::collection::vec("[A-Za-z0-9_-]{1,44}", 8),
    ) {
        let mut text = "first\nline\n\n".to_owned();
        for ((token, from, to, columns, join), word) in pieces.into_iter().zip(words) {
            let token = &tokens[token];
            // Mostly from its beginning: what begins like a token is looked at.
            let from = if from < 300 { 0 } else { from.min(token.len()) };
            let cut = &token[from..to.clamp(from, token.len())];
            text.push_str(&wrapped(cut, columns));
            let behind = match join {
                0 => "\n".to_owned(),
                1 => "\n\n".to_owned(),
                2 => format!("\n\n{}\n", &token[from + cut.len()..]),
                3 => format!("\n\n{word}\n\n"),
                4 => format!("\n{word}\n"),
                _ => " ".to_owned(),
            };
            text.push_str(&behind);
        }
        let whole: Vec<String> = text.split("\n\n").map(|part| part.split_whitespace().collect()).collect();
        for found in read_token(&text).tokens {
            prop_assert!(whole.iter().any(|part| part.contains(&found)), "{}\n{}", found, text);
        }
    }
}

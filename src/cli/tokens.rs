//! Sources of tokens for commands: an argument, a file, standard input or the environment. They are read as leniently
//! as a paste.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::{CliError, Runner};
use crate::auth::token::{is_opaque, is_opaque_of_known};
use crate::config;
use crate::text::material::{self, Material};
use crate::text::{self, Reading, words};

/// Up to this size, in bytes, text is searched as a whole for one or several tokens. In longer text, each line is a
/// token.
const WHOLE: usize = 64 * 1024;

/// The longest accepted line, in bytes.
const MAX_LINE: usize = 4 << 20;

/// The message about input without a token.
pub const NO_TOKEN_FOUND: &str = "no token found in the input";

/// A source of tokens.
pub enum Source {
    /// A text.
    Text(String),
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// The result of reading a source.
pub struct SourceResult {
    /// Whether every token was passed on.
    pub has_all: bool,
    /// Other material in the text: a response, keys or metadata.
    pub material: Option<Material>,
}

impl Runner<'_> {
    /// The source that the argument names, else the environment. No token and no text that holds one begins with `@`, which
    /// marks a file as it does for curl; a file name is enough if it is not a token.
    pub fn source(&mut self, argument: Option<&str>) -> Result<Option<Source>, CliError> {
        let Some(text) = argument else {
            return Ok(self.environment.token.clone().map(Source::Text));
        };
        if text == "-" {
            return Ok(Some(Source::Stdin));
        }
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Some(Source::File(config::typed(path))));
        }
        // A token always wins: a file may have any name.
        if !text::read_token(text).tokens.is_empty() {
            self.warn_of_arguments();
            return Ok(Some(Source::Text(text.to_owned())));
        }
        let path = config::typed(text);
        match path.metadata() {
            Ok(found) if !found.is_dir() => return Ok(Some(Source::File(path))),
            Ok(_) => {
                let what = text::name(text, 200);
                return Err(CliError::Usage(format!("expected a token or a file, got the directory {what}")));
            }
            Err(error) if is_like_a_path(text) => {
                return Err(CliError::NeitherTokenNorFile { argument: text.to_owned(), error });
            }
            Err(_) => {}
        }
        if !text.is_empty() && !text.contains(char::is_whitespace) {
            // An opaque token is a secret.
            let is_secret = is_opaque(text);
            if is_secret {
                self.warn_of_arguments();
            }
            let what = text::name(text, if is_secret { 8 } else { 200 });
            self.say(format_args!("{what} is neither a token nor a file; checking it as a token"));
        }
        Ok(Some(Source::Text(text.to_owned())))
    }

    /// Says that a token in the arguments is no secret, unless a script runs this: scripts do not read hints.
    fn warn_of_arguments(&mut self) {
        if self.shows_hints {
            self.say(
                "other users of this machine can see a token in the arguments; use PORTCULLIS_TOKEN, - (standard input) or @FILE instead",
            );
        }
    }

    /// Returns the reader of the file, or else of standard input.
    fn reader<'r>(input: &'r mut dyn BufRead, file: &'r mut Option<BufReader<File>>) -> &'r mut dyn BufRead {
        match file {
            Some(file) => file,
            None => input,
        }
    }

    /// Returns the token for a command that needs exactly one. Ignored text is reported on standard error.
    pub fn one(&mut self, source: Source) -> Result<String, CliError> {
        let (mut file, name) = match &source {
            Source::Text(_) | Source::Stdin => (None, "standard input".to_owned()),
            Source::File(path) => (Some(open(path)?), shown(path)),
        };
        let text = match source {
            Source::Text(text) => text,
            Source::Stdin | Source::File(_) => {
                let mut bytes = Vec::new();
                Self::reader(self.input, &mut file).take(MAX_LINE as u64 + 1).read_to_end(&mut bytes)?;
                if bytes.len() > MAX_LINE {
                    return Err(CliError::Usage(format!("{name} is larger than {}", words::bytes(MAX_LINE))));
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        let mut reading = read(&text);
        self.tell(&reading, None);
        if reading.tokens.len() > 1 {
            let read = words::count(reading.tokens.len(), "token");
            self.say(format_args!("{read} found; using the first one"));
        }
        Ok(reading.tokens.swap_remove(0))
    }

    /// Like [`Runner::one`], for a command that has nothing to do without a token.
    pub fn some(&mut self, source: Source) -> Result<String, CliError> {
        match self.one(source)? {
            token if token.is_empty() => Err(CliError::Usage(NO_TOKEN_FOUND.to_owned())),
            token => Ok(token),
        }
    }

    /// Passes on one token after another. Returns whether every token was passed on, and what other material the text
    /// contains.
    pub fn each(
        &mut self,
        source: Source,
        mut take: impl FnMut(&mut Self, &str) -> Result<(), CliError>,
    ) -> Result<SourceResult, CliError> {
        let mut head = Vec::new();
        let mut passed = SourceResult { has_all: true, material: None };
        let mut file = match &source {
            Source::Text(_) | Source::Stdin => None,
            Source::File(path) => Some(open(path)?),
        };
        // A text argument is complete, so standard input is not read.
        let has_more = match source {
            Source::Text(text) => {
                head = text.into_bytes();
                false
            }
            Source::Stdin | Source::File(_) => {
                let input = Self::reader(self.input, &mut file);
                (&mut *input).take(WHOLE as u64).read_to_end(&mut head)?;
                head.len() == WHOLE && !input.fill_buf()?.is_empty()
            }
        };
        if !has_more {
            let text = String::from_utf8_lossy(&head);
            // One token per line, one token with other lines around it, or one wrapped over several lines.
            passed.material = material::recognize(&text);
            let reading = read(&text);
            if reading.is_rejoined || !is_list(&text) {
                self.tell(&reading, None);
                reading.tokens.iter().try_for_each(|token| take(self, token))?;
                return Ok(passed);
            }
        }
        let (mut number, mut has_any) = (0, false);
        let mut line = Vec::new();
        let mut rest = head.as_slice();
        loop {
            line.clear();
            let more: &mut dyn BufRead = if has_more { Self::reader(self.input, &mut file) } else { &mut io::empty() };
            let is_whole = next_line(&mut rest, more, &mut line)?;
            if line.is_empty() && is_whole {
                // There were only blank lines: report the missing token.
                if passed.has_all && !has_any {
                    take(self, "")?;
                }
                return Ok(passed);
            }
            number += 1;
            if !is_whole {
                passed.has_all = false;
                self.say(format_args!("line {number} is longer than {}; skipped", words::bytes(MAX_LINE)));
                continue;
            }
            has_any |= !line.trim_ascii().is_empty();
            // Nearly every line consists of a token alone.
            match std::str::from_utf8(line.trim_ascii()) {
                Ok("") => {}
                Ok(token) if token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) => {
                    take(self, token)?;
                }
                _ => {
                    let reading = read(&String::from_utf8_lossy(&line));
                    self.tell(&reading, Some(number));
                    reading.tokens.iter().try_for_each(|token| take(self, token))?;
                }
            }
        }
    }

    /// Reports ignored text around a token.
    fn tell(&mut self, reading: &Reading, line: Option<usize>) {
        if !reading.removed.is_empty() {
            let place = line.map_or_else(String::new, |line| format!("line {line}: "));
            self.say(format_args!("{place}ignored: {}", reading.removed.join(", ")));
        }
    }
}

fn open(path: &Path) -> Result<BufReader<File>, CliError> {
    let file = match path.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => File::open(path),
    };
    file.map(BufReader::new).map_err(|error| config::unreadable("token file", path, error).into())
}

fn shown(path: &Path) -> String {
    format!("token file {}", text::name(&path.to_string_lossy(), 200))
}

/// Whether a text without a token looks like the name of a file: it begins like a path, or is one word with a slash or
/// an extension. An opaque token may have both.
fn is_like_a_path(text: &str) -> bool {
    let has_extension = || {
        let end = text.rsplit_once('.').filter(|(name, _)| !name.is_empty()).map_or("", |(_, end)| end);
        (1..=8).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let is_word = !text.contains(char::is_whitespace) && !text.contains("://");
    let begins = ["/", "./", "../", "~/"].iter().any(|begin| text.starts_with(begin));
    // A word with two dots is a token, however bad.
    let is_name = is_word && (text.contains('/') || text.matches('.').count() == 1 && has_extension());
    text.lines().count() == 1 && (begins || is_name && !is_opaque_of_known(text))
}

/// Whether a text is a list of tokens: at least two of its lines contain one, and it is not a single JSON document.
fn is_list(text: &str) -> bool {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let holds = |line: &&str| !text::read_token(line).tokens.is_empty();
    let is_json = || text.trim_start().starts_with(['{', '[', '"']) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    lines().nth(1).is_some() && lines().filter(holds).nth(1).is_some() && !is_json()
}

/// Returns the tokens in a text, or the text itself if it contains none.
fn read(text: &str) -> Reading {
    let mut reading = text::read_token(text);
    if reading.tokens.is_empty() {
        reading.tokens.push(text.trim().to_owned());
    }
    reading
}

/// Reads a line, first from `head`. Returns false if it was too long and was dropped. The line is empty at the end of
/// input.
fn next_line(head: &mut &[u8], input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    if head.read_until(b'\n', line)? > 0 && line.ends_with(b"\n") {
        return Ok(true);
    }
    let room = MAX_LINE + 1 - line.len().min(MAX_LINE);
    (&mut *input).take(room as u64).read_until(b'\n', line)?;
    if line.len() <= MAX_LINE || line.ends_with(b"\n") {
        return Ok(true);
    }
    line.clear();
    // Skips the rest of the line in pieces, without keeping them.
    while (&mut *input).take(WHOLE as u64).read_until(b'\n', line)? > 0 && !line.ends_with(b"\n") {
        line.clear();
    }
    Ok(false)
}

//! The answer to a call, laid out in lines: the contents of an MCP result by their types, and everything else as a tree.
//!
//! An answer may have megabytes. Its lines are made once, when it is opened, and a frame draws only those that it shows.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::auth::Outcome;
use crate::text::{self, display_safe, words};

/// The most text that is laid out, in bytes. The rest can be copied.
const MAX_SHOWN: usize = 8 << 20;

/// The maximum number of lines that are laid out.
const MAX_LINES: usize = 100_000;

/// The longest text that is compared with the structured content, in bytes.
const MAX_COMPARED: usize = 1 << 20;

/// The longest text that stays on the line of its name, in bytes.
const MAX_INLINE: usize = 200;

/// The columns by which a level of the tree is indented.
const INDENT: usize = 2;

/// The columns and rows of the window that shows an answer, without its frame.
const WINDOW: (u16, u16) = (100, 30);

/// One line of an answer. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerLine {
    /// The text.
    pub text: String,
    /// How many bytes at its beginning are a name.
    pub name: usize,
    /// The meaning of the rest.
    pub tone: Tone,
}

/// The meaning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A part of the answer.
    Content,
    /// A remark about it, such as the type and the size of an image.
    Note,
    /// An error.
    Fault,
}

/// An answer in lines. It may hold a token, so its `Debug` shows only how many there are.
#[derive(Clone, Default)]
pub struct Document {
    lines: Arc<[AnswerLine]>,
    /// Whether all of the answer is in the lines.
    is_whole: bool,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} lines)", self.lines.len())
    }
}

impl Document {
    /// Lays out an answer for a window with this many columns.
    pub fn new(outcome: &Outcome, columns: usize) -> Self {
        Self::laid_out(outcome, columns, MAX_LINES, MAX_SHOWN)
    }

    /// Lays out the beginning of an answer, for a pane that wraps the lines itself.
    pub fn beginning(outcome: &Outcome) -> Self {
        Self::laid_out(outcome, 400, 60, 8 * 1024)
    }

    fn laid_out(outcome: &Outcome, columns: usize, most: usize, bytes: usize) -> Self {
        let mut layout = Layout { lines: Vec::new(), columns: columns.max(20), most, left: bytes, is_cut: false };
        match outcome {
            Outcome::Done(result) => layout.result(result),
            refused => {
                layout.tree(&refused.answer(), 0);
                if let Some(trouble) = refused.trouble() {
                    layout.text(trouble, 0, Tone::Fault);
                }
            }
        }
        if layout.is_cut && most == MAX_LINES {
            layout.most = usize::MAX;
            layout.left = usize::MAX;
            layout.push("", "the rest is not shown; copy the answer to read all of it", 0, Tone::Note);
        }
        Self { lines: layout.lines.into(), is_whole: !layout.is_cut }
    }

    /// The lines.
    pub fn lines(&self) -> &[AnswerLine] {
        &self.lines
    }

    /// Whether all of the answer is in the lines.
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// An answer that is open in full.
#[derive(Debug)]
pub struct AnswerView {
    /// The tool that answered. Safe to show.
    pub tool: String,
    /// The answer.
    pub document: Document,
    /// How many lines are scrolled past.
    pub scroll: usize,
    /// The text that was searched for last.
    pub wanted: String,
    /// The line in which it was found.
    pub found: Option<usize>,
    columns: usize,
}

impl AnswerView {
    /// Opens an answer on a screen with these columns and rows.
    pub(in crate::app) fn new(outcome: &Outcome, tool: &str, size: (u16, u16)) -> Self {
        let columns = Self::columns_of(size);
        let document = Document::new(outcome, columns);
        Self { tool: text::name(tool, 48), document, scroll: 0, wanted: String::new(), found: None, columns }
    }

    /// The size of the window, with its frame, on a screen of this size.
    pub const fn window() -> (u16, u16) {
        WINDOW
    }

    /// The columns of text in the window: its frame and its padding take four.
    fn columns_of(size: (u16, u16)) -> usize {
        usize::from(WINDOW.0.min(size.0)).saturating_sub(4)
    }

    /// Lays out the answer again if the window has another width.
    pub(in crate::app) fn resize(&mut self, outcome: &Outcome, size: (u16, u16)) {
        let columns = Self::columns_of(size);
        if columns != self.columns {
            // The part that is read stays about where it is.
            let before = self.document.lines.len().max(1);
            (self.columns, self.document) = (columns, Document::new(outcome, columns));
            self.scroll = self.scroll * self.document.lines.len() / before;
            self.found = None;
        }
    }

    /// Scrolls to the next line that contains a text in lower case. Returns whether there is one.
    pub(in crate::app) fn find(&mut self, wanted: &str) -> bool {
        let lines = self.document.lines();
        let first = self.found.filter(|_| self.wanted == wanted).map_or(self.scroll, |found| found + 1);
        let all = (0..lines.len()).map(|n| (first + n) % lines.len().max(1));
        self.found =
            all.into_iter().find(|n| lines.get(*n).is_some_and(|line| line.text.to_lowercase().contains(wanted)));
        wanted.clone_into(&mut self.wanted);
        self.scroll = self.found.unwrap_or(self.scroll);
        self.found.is_some()
    }
}

struct Layout {
    lines: Vec<AnswerLine>,
    columns: usize,
    /// The maximum number of lines.
    most: usize,
    /// How many bytes of text are left to show.
    left: usize,
    is_cut: bool,
}

impl Layout {
    /// Adds a line, unless there are enough.
    fn push(&mut self, name: &str, text: &str, depth: usize, tone: Tone) {
        if self.lines.len() >= self.most || self.left == 0 {
            self.is_cut = true;
            return;
        }
        let pad = " ".repeat(depth.min(20) * INDENT);
        let line = format!("{pad}{name}{text}");
        self.left = self.left.saturating_sub(line.len().max(1));
        self.lines.push(AnswerLine { name: pad.len() + name.len(), text: line, tone });
    }

    /// Adds a foreign text of any length.
    fn text(&mut self, foreign: &str, depth: usize, tone: Tone) {
        let columns = self.columns.saturating_sub(depth.min(20) * INDENT).max(10);
        for line in foreign.split('\n') {
            if self.is_cut {
                return;
            }
            let whole = line.strip_suffix('\r').unwrap_or(line);
            let line = text::head(whole, self.left);
            // A tab would be escaped, although it is a part of many texts.
            let safe = display_safe(&line.replace('\t', "    "), usize::MAX);
            for part in text::wrap(&safe, columns) {
                self.push("", &part, depth, tone);
            }
            if line.len() < whole.len() {
                self.is_cut = true;
            }
        }
    }

    /// Adds a value with its name in front: on one line if it is short.
    fn named(&mut self, name: &str, value: &Value, depth: usize) {
        if self.is_cut {
            return;
        }
        let name = format!("{name}: ");
        match value {
            Value::Object(members) if members.is_empty() => self.push(&name, "{}", depth, Tone::Content),
            Value::Array(items) if items.is_empty() => self.push(&name, "[]", depth, Tone::Content),
            Value::Object(members) => {
                self.push(&name, &words::count(members.len(), "member"), depth, Tone::Note);
                self.tree(value, depth + 1);
            }
            Value::Array(items) => {
                self.push(&name, &words::count(items.len(), "item"), depth, Tone::Note);
                self.tree(value, depth + 1);
            }
            Value::String(content) if content.len() > MAX_INLINE || content.contains('\n') => {
                self.push(&name, &format!("string, {}", words::bytes(content.len())), depth, Tone::Note);
                self.text(content, depth + 1, Tone::Content);
            }
            scalar => {
                let safe = display_safe(&scalar.to_string(), usize::MAX);
                let room = self.columns.saturating_sub(depth.min(20) * INDENT);
                if text::width(&name) + text::width(&safe) <= room {
                    self.push(&name, &safe, depth, Tone::Content);
                } else {
                    self.push(&name, "", depth, Tone::Content);
                    self.text(&scalar.to_string(), depth + 1, Tone::Content);
                }
            }
        }
    }

    /// Adds what is inside a value, or the value itself if it is neither an object nor an array.
    fn tree(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    self.named(&text::name(name, 64), value, depth);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, value) in items.iter().enumerate() {
                    self.named(&format!("[{index}]"), value, depth);
                    if self.is_cut {
                        return;
                    }
                }
            }
            Value::String(content) => self.text(content, depth, Tone::Content),
            other => self.text(&other.to_string(), depth, Tone::Content),
        }
    }

    /// Adds the result of a call: the contents of an MCP result, or a tree.
    fn result(&mut self, result: &Value) {
        let Some((members, content)) = contents(result) else {
            return self.tree(result, 0);
        };
        if members.get("isError") == Some(&Value::Bool(true)) {
            self.push("", "the tool reports an error (isError)", 0, Tone::Fault);
        }
        let structured = members.get("structuredContent");
        for block in content {
            if self.is_cut {
                return;
            }
            self.block(block, structured);
        }
        if let Some(structured) = structured {
            self.push("structured content", "", 0, Tone::Content);
            self.tree(structured, 1);
        }
        for (name, value) in members {
            if !["content", "structuredContent", "isError"].contains(&name.as_str()) {
                self.named(&text::name(name, 64), value, 0);
            }
        }
        if self.lines.is_empty() {
            self.push("", "an empty result", 0, Tone::Note);
        }
    }

    /// Adds one block of an MCP result.
    fn block(&mut self, block: &Value, structured: Option<&Value>) {
        let member = |name: &str| block.get(name).and_then(Value::as_str);
        match (member("type").unwrap_or_default(), member("text"), member("data")) {
            ("text", Some(content), _) => {
                let repeats = structured.is_some_and(|structured| {
                    content.len() <= MAX_COMPARED
                        && serde_json::from_str(content).is_ok_and(|value: Value| value == *structured)
                });
                let note = format!(", {}", words::bytes(content.len()));
                if repeats {
                    self.push("text", &format!("{note}: the structured content as JSON"), 0, Tone::Note);
                } else {
                    self.push("text", &note, 0, Tone::Note);
                    self.text(content, 1, Tone::Content);
                }
            }
            (kind @ ("image" | "audio"), _, Some(data)) => {
                let note = format!(": {}", binary(member("mimeType"), data));
                self.push(kind, &note, 0, Tone::Note);
            }
            ("resource", ..) => self.resource(block.get("resource").unwrap_or(block)),
            ("resource_link", ..) => {
                let title = member("title").or_else(|| member("name")).unwrap_or_default();
                let size = block.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                let facts = [
                    Some(text::name(title, 80)),
                    member("uri").map(|uri| text::name(uri, 400)),
                    member("mimeType").map(|kind| text::name(kind, 60)),
                    size.map(words::bytes),
                ];
                let facts: Vec<String> = facts.into_iter().flatten().collect();
                self.push("link", &format!(": {}", facts.join(", ")), 0, Tone::Content);
                if let Some(about) = member("description") {
                    self.text(about, 1, Tone::Content);
                }
            }
            (kind, ..) => {
                let kind = if kind.is_empty() { "content".to_owned() } else { text::name(kind, 40) };
                self.named(&kind, block, 0);
            }
        }
    }

    /// Adds a resource inside a result: its text, or the type and the size of its bytes.
    fn resource(&mut self, resource: &Value) {
        let member = |name: &str| resource.get(name).and_then(Value::as_str);
        let uri = text::name(member("uri").unwrap_or_default(), 400);
        match (member("text"), member("blob")) {
            (Some(content), _) => {
                let kind = member("mimeType").map_or_else(String::new, |kind| format!(", {}", text::name(kind, 60)));
                self.push("resource", &format!(": {uri}{kind}, {}", words::bytes(content.len())), 0, Tone::Note);
                self.text(content, 1, Tone::Content);
            }
            (None, Some(data)) => {
                let note = format!(": {uri}, {}", binary(member("mimeType"), data));
                self.push("resource", &note, 0, Tone::Note);
            }
            (None, None) => self.named("resource", resource, 0),
        }
    }
}

/// Returns the members and the content blocks of a result, if it has the form of MCP's `CallToolResult`.
fn contents(result: &Value) -> Option<(&Map<String, Value>, &[Value])> {
    let members = result.as_object()?;
    let content = match members.get("content") {
        Some(content) => content.as_array()?.as_slice(),
        None if members.contains_key("structuredContent") => &[],
        None => return None,
    };
    content.iter().all(|block| block.get("type").is_some_and(Value::is_string)).then_some((members, content))
}

/// Returns the type and the size of bytes that are encoded in base64, without decoding them.
fn binary(kind: Option<&str>, data: &str) -> String {
    let kind = kind.map_or_else(|| "unknown type".to_owned(), |kind| text::name(kind, 60));
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || b"+/-_".contains(b);
    let digits = data.bytes().filter(|b| is_digit(b)).count();
    let odd = data.bytes().any(|b| !is_digit(&b) && b != b'=' && !b.is_ascii_whitespace());
    match odd || digits % 4 == 1 {
        true => format!("{kind}, {} that are not base64", words::count(data.chars().count(), "character")),
        false => format!("{kind}, {}", words::bytes(digits / 4 * 3 + (digits % 4 * 3) / 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn lines(result: Value, columns: usize) -> Vec<String> {
        let document = Document::new(&Outcome::Done(result), columns);
        document.lines().iter().map(|line| line.text.clone()).collect()
    }

    #[test]
    fn a_result_of_a_tool_is_a_tree() {
        let result = json!({"id": 1, "tags": ["a", {"deep": null}], "none": [], "text": "two\nlines"});
        assert_eq!(
            lines(result, 80),
            [
                "id: 1",
                "tags: 2 items",
                "  [0]: \"a\"",
                "  [1]: 1 member",
                "    deep: null",
                "none: []",
                "text: string, 9 B",
                "  two",
                "  lines"
            ]
        );
        assert_eq!(lines(json!("written"), 80), ["written"]);
        assert_eq!(lines(json!({}), 80), ["{}"]);
    }

    #[test]
    fn the_contents_of_an_mcp_result_are_named_by_type_and_size() {
        let result = json!({
            "content": [
                {"type": "text", "text": "first\nsecond"},
                {"type": "image", "mimeType": "image/png", "data": "AAAA".repeat(1024)},
                {"type": "audio", "mimeType": "audio/wav", "data": "AAA="},
                {"type": "resource", "resource": {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "inside"}},
                {"type": "resource", "resource": {"uri": "file:///a.bin", "blob": "AA=="}},
                {"type": "resource_link", "uri": "https://example.org/a", "name": "a", "title": "An A", "size": 2048},
                {"type": "image", "mimeType": "image/png", "data": "not base64!"},
                {"type": "hologram", "depth": 3},
            ],
            "structuredContent": {"count": 2},
            "_meta": {"took": 3},
        });
        assert_eq!(
            lines(result, 80),
            [
                "text, 12 B",
                "  first",
                "  second",
                "image: image/png, 3.0 KiB",
                "audio: audio/wav, 2 B",
                "resource: file:///a.txt, text/plain, 6 B",
                "  inside",
                "resource: file:///a.bin, unknown type, 1 B",
                "link: An A, https://example.org/a, 2.0 KiB",
                "image: image/png, 11 characters that are not base64",
                "hologram: 2 members",
                "  type: \"hologram\"",
                "  depth: 3",
                "structured content",
                "  count: 2",
                "_meta: 1 member",
                "  took: 3",
            ]
        );
    }

    #[test]
    fn a_text_that_repeats_the_structured_content_is_shown_once_and_an_error_is_named() {
        let result = json!({
            "content": [{"type": "text", "text": "{ \"count\": 2 }"}], "structuredContent": {"count": 2}, "isError": true
        });
        assert_eq!(
            lines(result, 80),
            [
                "the tool reports an error (isError)",
                "text, 14 B: the structured content as JSON",
                "structured content",
                "  count: 2"
            ]
        );
        assert_eq!(lines(json!({"content": []}), 80), ["an empty result"]);
        // Not the form of an MCP result.
        assert_eq!(lines(json!({"content": "x"}), 80), ["content: \"x\""]);
    }

    #[test]
    fn a_refusal_says_why() {
        let document = Document::new(&Outcome::ToolFailed("the server closed the connection".into()), 80);
        let shown: Vec<(&str, Tone)> = document.lines().iter().map(|line| (&*line.text, line.tone)).collect();
        assert_eq!(
            shown,
            [("error: \"tool_failed\"", Tone::Content), ("the server closed the connection", Tone::Fault)]
        );
    }

    #[rstest]
    #[case(20)]
    #[case(40)]
    #[case(96)]
    fn every_line_fits_and_nothing_hidden_is_in_it(#[case] columns: usize) {
        let odd = "\u{202e}\u{1b}[31m wide 漢字 ".repeat(50);
        let result = json!({"content": [{"type": "text", "text": odd}], "structuredContent": {"\u{202e}x": [odd]}});
        for line in lines(result, columns) {
            assert!(!line.contains(['\u{202e}', '\u{1b}']), "{line:?}");
            // A name takes the room that it needs; the picture cuts it.
            assert!(text::width(&line) <= columns || line.contains(':'), "{line:?}");
        }
    }

    #[test]
    fn a_large_answer_is_bounded_and_says_so() {
        let document = Document::new(&Outcome::Done(json!(vec![1; 200_000])), 80);
        assert_eq!(document.lines().len(), MAX_LINES + 1);
        assert!(!document.is_whole() && document.lines().last().expect("a line").text.contains("not shown"));
        let beginning = Document::beginning(&Outcome::Done(json!("x".repeat(4 << 20))));
        assert!(beginning.lines().len() <= 60 && !beginning.is_whole());
    }

    #[test]
    fn finding_goes_from_line_to_line_and_around() {
        let outcome = Outcome::Done(json!(["a needle", "hay", "Needle"]));
        let mut view = AnswerView::new(&outcome, "search", (80, 24));
        let mut found = Vec::new();
        for _ in 0..3 {
            assert!(view.find("needle"));
            found.extend(view.found);
        }
        assert_eq!(found, [0, 2, 0]);
        assert!(!view.find("thread"));
        view.resize(&outcome, (40, 12));
        assert_eq!(view.document.lines().len(), 3);
    }
}

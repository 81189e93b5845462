//! The state of text fields. The view draws them.

use std::fmt;

use super::editor::{Editor, Place};
use super::key::{Code, Key};

/// A text being edited, of one or more lines.
#[derive(Clone)]
pub struct TextField {
    editor: Editor,
    lines: Lines,
    /// Whether the next typed character replaces the whole text, as in a form that was just submitted.
    pub replaced_by_typing: bool,
}

impl fmt::Debug for TextField {
    /// Writes only its length, because the text may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextField({} bytes)", self.text().len())
    }
}

/// Whether a text may have line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Lines {
    One,
    Many,
}

impl TextField {
    /// Creates a field with `text`, and the cursor at its end.
    pub fn new(text: &str, lines: Lines) -> Self {
        let mut field = Self { editor: Editor::default(), lines, replaced_by_typing: false };
        field.insert(text);
        field
    }

    /// Returns the text; line feeds separate its lines.
    pub fn text(&self) -> &str {
        self.editor.text()
    }

    /// Returns the lines, at least one.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text().split('\n')
    }

    /// Returns the line and the character of the cursor, counted from 0.
    pub fn cursor(&self) -> (usize, usize) {
        self.editor.cursor()
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Replaces the text and moves the cursor to its end.
    pub fn set(&mut self, text: &str) {
        *self = Self::new(text, self.lines);
    }

    /// Inserts a text at the cursor. In a field of one line, line breaks and tabs become spaces.
    pub fn insert(&mut self, text: &str) {
        if self.replaced_by_typing {
            self.set("");
        }
        match self.lines {
            Lines::Many => self.editor.insert(&text.replace("\r\n", "\n")),
            Lines::One => {
                self.editor.insert(&text.trim_end_matches(['\r', '\n']).replace(['\r', '\n', '\t'], " "));
            }
        }
    }

    /// Whether it may have line breaks.
    pub fn has_lines(&self) -> bool {
        self.lines == Lines::Many
    }

    /// Inserts a line break, if the field may have them.
    pub fn break_line(&mut self) {
        if self.has_lines() {
            self.editor.insert("\n");
        }
    }

    /// Whether a key moves within this text, rather than out of it.
    pub fn takes_vertical(&self, code: Code) -> bool {
        match code {
            Code::Up => self.cursor().0 > 0,
            Code::Down => self.cursor().0 + 1 < self.lines().count(),
            _ => false,
        }
    }

    /// Handles a key that types, deletes or moves. Returns `false` for any other key.
    pub fn press(&mut self, key: Key) -> bool {
        if let Some(c) = key.typed() {
            self.insert(c.encode_utf8(&mut [0; 4]));
            return true;
        }
        let done = self.edit(key);
        if done {
            self.replaced_by_typing = false;
        }
        done
    }

    fn edit(&mut self, key: Key) -> bool {
        let editor = &mut self.editor;
        match (key.ctrl, key.alt, key.code) {
            (false, false, Code::Backspace) if self.replaced_by_typing => self.set(""),
            (false, false, Code::Backspace) => editor.delete(Place::Back),
            (false, false, Code::Del) => editor.delete(Place::On),
            (true, false, Code::Char('w') | Code::Backspace) => editor.delete(Place::WordBack),
            (true, false, Code::Char('u')) => editor.delete(Place::LineStart),
            (true, false, Code::Char('k')) => editor.delete(Place::LineEnd),
            (false, false, Code::Left) => editor.go(Place::Back),
            (false, false, Code::Right) => editor.go(Place::On),
            (true, false, Code::Left) => editor.go(Place::WordBack),
            (true, false, Code::Right) => editor.go(Place::WordOn),
            (false, false, Code::Home) | (true, false, Code::Char('a')) => editor.go(Place::LineStart),
            (false, false, Code::End) | (true, false, Code::Char('e')) => editor.go(Place::LineEnd),
            (false, false, Code::Up) if self.takes_vertical(Code::Up) => self.editor.go(Place::Up),
            (false, false, Code::Down) if self.takes_vertical(Code::Down) => self.editor.go(Place::Down),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(field: &mut TextField, keys: &str) {
        for key in keys.split(' ') {
            field.press(key.parse().expect("a key"));
        }
    }

    #[test]
    fn typing_after_sending_replaces_the_text() {
        let mut field = TextField::new("user123", Lines::One);
        field.replaced_by_typing = true;
        press(&mut field, "a b");
        assert_eq!(field.text(), "ab");
    }

    #[test]
    fn moving_after_sending_keeps_the_text() {
        let mut field = TextField::new("user12", Lines::One);
        field.replaced_by_typing = true;
        press(&mut field, "End 3");
        assert_eq!(field.text(), "user123");
    }

    #[test]
    fn a_field_of_one_line_keeps_it_that_way() {
        let mut field = TextField::new("", Lines::One);
        field.insert("a\nb\n");
        field.break_line();
        assert_eq!(field.text(), "a b");
    }
}

//! A text and the cursor in it. The cursor moves by characters, because the view shows every character, invisible ones
//! too: an editor that moved by grapheme clusters could not place its cursor next to a zero-width space.

/// A text being edited, of one or more lines.
#[derive(Clone, Default)]
pub struct Editor {
    text: String,
    /// The byte offset of the cursor, always on a character boundary.
    cursor: usize,
}

/// A place relative to the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One character back.
    Back,
    /// One character forward.
    On,
    /// The start of the word that the cursor is in or after, on the same line.
    WordBack,
    /// The start of the next word, on the same line.
    WordOn,
    /// The start of the line.
    LineStart,
    /// The end of the line.
    LineEnd,
    /// The same column, one line up.
    Up,
    /// The same column, one line down.
    Down,
}

/// Character classes: a run of one class is a word, unless it is blank.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Sign,
    Letter,
}

fn kind(c: char) -> Kind {
    match c {
        c if c.is_whitespace() => Kind::Blank,
        c if c.is_ascii_punctuation() && c != '_' => Kind::Sign,
        _ => Kind::Letter,
    }
}

impl Editor {
    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the line and the character of the cursor, counted from 0.
    pub fn cursor(&self) -> (usize, usize) {
        let (before, _) = self.parts();
        (before.matches('\n').count(), last_line(before).chars().count())
    }

    /// Inserts a text at the cursor and moves the cursor after it.
    pub fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Moves the cursor to a place.
    pub fn go(&mut self, to: Place) {
        self.cursor = self.find(to);
    }

    /// Deletes the text between the cursor and a place. If the line has no text on that side, its line break is deleted.
    pub fn delete(&mut self, to: Place) {
        let place = match (self.find(to), to) {
            (place, Place::LineStart) if place == self.cursor => self.find(Place::Back),
            (place, Place::LineEnd) if place == self.cursor => self.find(Place::On),
            (place, _) => place,
        };
        let from = place.min(self.cursor);
        self.text.drain(from..place.max(self.cursor));
        self.cursor = from;
    }

    /// Returns the byte offset of a place, or the cursor's own if the place does not exist.
    fn find(&self, place: Place) -> usize {
        let (before, after) = self.parts();
        let (line, rest) = (last_line(before), first_line(after));
        let start = self.cursor - line.len();
        match place {
            Place::WordBack if !line.is_empty() => {
                let words = line.trim_end();
                let last = words.chars().next_back().map(kind);
                start + words.trim_end_matches(|c| Some(kind(c)) == last).len()
            }
            Place::WordOn if !rest.is_empty() => {
                let first = rest.chars().next().map(kind);
                self.cursor + rest.len() - rest.trim_start_matches(|c| Some(kind(c)) == first).trim_start().len()
            }
            Place::Back | Place::WordBack => self.cursor - before.chars().next_back().map_or(0, char::len_utf8),
            Place::On | Place::WordOn => self.cursor + after.chars().next().map_or(0, char::len_utf8),
            Place::LineStart => start,
            Place::LineEnd => self.cursor + rest.len(),
            Place::Up => match before.strip_suffix(line).and_then(|above| above.strip_suffix('\n')) {
                Some(above) => {
                    let above_line = last_line(above);
                    above.len() - above_line.len() + column(above_line, line)
                }
                None => self.cursor,
            },
            Place::Down => match after.strip_prefix(rest).and_then(|below| below.strip_prefix('\n')) {
                Some(below) => self.text.len() - below.len() + column(first_line(below), line),
                None => self.cursor,
            },
        }
    }

    /// Returns the text before the cursor and the text after it.
    fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.cursor)
    }
}

/// Returns the text after the last line break.
fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

/// Returns the text before the first line break.
fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// Returns the byte offset in `line` after as many characters as `other` has, or the end of `line` if it is shorter.
fn column(line: &str, other: &str) -> usize {
    line.char_indices().nth(other.chars().count()).map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// Parses a text with `|` at the cursor.
    fn editor(text: &str) -> Editor {
        let cursor = text.find('|').expect("a cursor");
        Editor { text: text.replace('|', ""), cursor }
    }

    fn shown(editor: &Editor) -> String {
        let (before, after) = editor.parts();
        format!("{before}|{after}")
    }

    #[rstest]
    #[case(Place::Back, "aé|b", "a|éb")]
    #[case(Place::Back, "a\n|b", "a|\nb")]
    #[case(Place::Back, "|a", "|a")]
    #[case(Place::On, "a|é", "aé|")]
    #[case(Place::On, "a|", "a|")]
    #[case(Place::On, "a|\u{200b}b", "a\u{200b}|b")]
    #[case(Place::WordBack, "say \"two words\"|", "say \"two words|\"")]
    #[case(Place::WordBack, "say two_words  |", "say |two_words  ")]
    #[case(Place::WordBack, "say two_w|ords", "say |two_words")]
    #[case(Place::WordBack, "a\n   |b", "a\n|   b")]
    #[case(Place::WordBack, "a\n|b", "a|\nb")]
    #[case(Place::WordOn, "|say two", "say |two")]
    #[case(Place::WordOn, "say t|wo\nx", "say two|\nx")]
    #[case(Place::WordOn, "a|\n  b", "a\n|  b")]
    #[case(Place::WordOn, "{\"|a\":1}", "{\"a|\":1}")]
    #[case(Place::LineStart, "a\nbc|d", "a\n|bcd")]
    #[case(Place::LineEnd, "a|b\nc", "ab|\nc")]
    #[case(Place::Up, "éé\nabc|", "éé|\nabc")]
    #[case(Place::Up, "abcd\nxé|z", "ab|cd\nxéz")]
    #[case(Place::Up, "a|b\nc", "a|b\nc")]
    #[case(Place::Down, "ab|c\nééé\nx", "abc\néé|é\nx")]
    #[case(Place::Down, "abc|\n\nx", "abc\n|\nx")]
    #[case(Place::Down, "a\nb|", "a\nb|")]
    fn the_cursor_goes(#[case] to: Place, #[case] from: &str, #[case] wanted: &str) {
        let mut editor = editor(from);
        editor.go(to);
        assert_eq!(shown(&editor), wanted);
    }

    #[rstest]
    #[case(Place::Back, "aé|b", "a|b")]
    #[case(Place::On, "a|éb", "a|b")]
    #[case(Place::WordBack, "read data|", "read |")]
    #[case(Place::WordBack, "a\n|b", "a|b")]
    #[case(Place::LineStart, "a\nbc|d", "a\n|d")]
    #[case(Place::LineStart, "a\n|d", "a|d")]
    #[case(Place::LineStart, "|a", "|a")]
    #[case(Place::LineEnd, "a|bc\nd", "a|\nd")]
    #[case(Place::LineEnd, "a|\nd", "a|d")]
    #[case(Place::LineEnd, "a|", "a|")]
    fn what_is_deleted_lies_between_the_cursor_and_a_place(
        #[case] to: Place,
        #[case] from: &str,
        #[case] wanted: &str,
    ) {
        let mut editor = editor(from);
        editor.delete(to);
        assert_eq!(shown(&editor), wanted);
    }

    #[test]
    fn the_cursor_counts_lines_and_characters() {
        assert_eq!(editor("|").cursor(), (0, 0));
        assert_eq!(editor("ab\néé|x").cursor(), (1, 2));
    }

    proptest! {
        #[test]
        fn whatever_is_pressed_the_cursor_stands_between_two_characters(
            steps in proptest::collection::vec((any::<bool>(), 0..8_usize, "[a é\n_.\u{200b}]{0,3}"), 0..60),
        ) {
            const PLACES: [Place; 8] = [
                Place::Back, Place::On, Place::WordBack, Place::WordOn,
                Place::LineStart, Place::LineEnd, Place::Up, Place::Down,
            ];
            let mut editor = Editor::default();
            for (deletes, place, text) in steps {
                editor.insert(&text);
                match deletes {
                    true => editor.delete(PLACES[place]),
                    false => editor.go(PLACES[place]),
                }
                prop_assert!(editor.text.is_char_boundary(editor.cursor));
                let (line, column) = editor.cursor();
                let there = editor.text.split('\n').nth(line).map(|line| line.chars().count());
                prop_assert!(there.is_some_and(|length| column <= length));
            }
        }
    }
}

//! Help for the focused pane: its purpose, the keys that work now, and every key.

use ratatui::text::Line;

use crate::app::hints;
use crate::app::keymap::{BINDINGS, Binding};
use crate::view::canvas::{Canvas, wrap};
use crate::view::theme::Role;
use crate::view::widget::{KEYS, key_row};

pub fn render(canvas: &mut Canvas, scroll: usize) {
    let pane = canvas.app.focus.pane;
    let inner = canvas.popup(84, 40, &format!("help: {}", pane.title()));
    let mut lines = canvas.wrapped(pane.place().help, inner.width, Role::Plain);
    lines.push(Line::default());
    lines.push(canvas.span("works here now", Role::Label).into());
    // A key and its words stay together.
    let here = hints::here(canvas.app).into_iter().map(|(_, key, does)| format!("{key} {does}").replace(' ', "\u{a0}"));
    let here = wrap(&here.collect::<Vec<_>>().join("   "), inner.width);
    lines.extend(here.iter().map(|line| canvas.span(line.replace('\u{a0}', " "), Role::Key).into()));
    lines.push(Line::default());
    lines.push(canvas.span("every key", Role::Label).into());
    for binding in BINDINGS.iter().filter(|binding| !binding.keys.is_empty()) {
        lines.extend(rows(canvas, binding, inner.width));
    }
    lines.push(Line::default());
    let rest = "A digit or a letter goes to a pane and to its first field; where that is a text, Enter begins to \
                type. Commands without a key are in the palette (`:`). In a text field, Ctrl-U Ctrl-W Ctrl-A Ctrl-E and \
                Ctrl-K edit as in a shell. A pasted token goes to Inspect from anywhere except a prompt or the arguments; undo puts it into the field instead.";
    lines.extend(canvas.wrapped(rest, inner.width, Role::Hint));
    canvas.drawn.overlay_rows = usize::from(inner.height);
    canvas.drawn.overlay_end = canvas.scrolled(inner, lines.len(), scroll, |_, n| lines[n].clone());
}

/// Returns the keys and the words of a command, in as many rows as needed.
fn rows(canvas: &Canvas, binding: &Binding, columns: u16) -> Vec<Line<'static>> {
    let words = wrap(binding.words, columns.saturating_sub(KEYS + 1));
    let line = key_row(canvas, binding);
    let first = Line::from(vec![line.spans[0].clone(), canvas.span(words[0].clone(), Role::Plain)]);
    let pad = " ".repeat(usize::from(KEYS + 1));
    let more = words.into_iter().skip(1).map(|words| Line::from(format!("{pad}{words}")));
    std::iter::once(first).chain(more).collect()
}

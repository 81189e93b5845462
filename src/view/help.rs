//! Help on where the user is: what works here now, what the pane is for, and every key.

use ratatui::text::Line;

use super::canvas::{Canvas, wrap};
use super::theme::Meaning;
use crate::app::Pane;
use crate::app::keymap::{self, BINDINGS, Binding};
use crate::text;

const fn about(pane: Pane) -> &'static str {
    match pane {
        Pane::Issue => {
            "Sign a token with the console's key: say who it is for and what it may do, and press Enter. A preset \
             fills the form; times are durations (15m, 1h, 7d, -1m) or instants (2026-11-22T20:41:05Z)."
        }
        Pane::Tokens => {
            "Every token issued or pasted (*), with what the gate makes of it now. The selected one is shown in \
             Inspect and used in Call. The first row is a caller without a token."
        }
        Pane::Inspect => {
            "What the selected token says and what the gate says of it. Lights: ✔ checked and good, ✘ checked and \
             bad, – not checked. Paste a token anywhere to see it here."
        }
        Pane::Call => {
            "Call a tool with the selected token. What the gate would say now follows every key and the clock; \
             Enter really calls, and the answer is the caller's, to the letter."
        }
        Pane::Matrix => {
            "Who may call what, now: callers down the side, tools across. ✔ allowed, ✘ forbidden, – unauthorized; = is \
             what the policy expects, ≠ is not; ◂ has just changed. Of a row of several tokens a cell tells how many."
        }
        Pane::Policy => {
            "The policy, ticked live: Space gives the tool under the cursor to a permission, or takes it away. What \
             changes here decides from then on; undo brings it back; Enter saves it. [x] the tool asks for it, [~] it \
             implies one that the tool asks for."
        }
        Pane::Who => {
            "Who may call the tool under the cursor and why, what the selected token may call, or the answers."
        }
        Pane::Timeline => {
            "Each token as a bar from its beginning to its end on one axis of time; ┃ is the clock. ← → move the cursor, \
             Home and End to the borders of the token's life, Space zooms; below stands what the token is there. Enter \
             sets the clock to the cursor."
        }
        Pane::Clock => {
            "The clock that everything on screen is judged for: previews, inspection, the matrix and calls made here. \
             ← → a second, ↑ ↓ a minute, PgUp PgDn an hour, Space freezes it, Home goes back to the real time. Tokens \
             are stamped with the real time unless issue at says otherwise. Nothing outside follows this clock."
        }
        Pane::Drill => {
            "An expiry drill calls the tool through the end of the token's life, finds where the gate really ends it, \
             and holds that against exp and leeway. In shifted time it is done at once and exact; in real time it runs \
             in the background. Its calls stand in Activity."
        }
        Pane::Kit => {
            "The classic test tokens, made for whom the selected token speaks. Enter calls the tool with each and \
             compares what came with what must come; Space puts the one under the cursor into the token list."
        }
        Pane::Server => {
            "The same gate as a real MCP server. Enter starts it, stops it, or starts it anew with what stands here. \
             While it runs a token must name it in aud; Issue fills that in. Clients are judged by the real time."
        }
        Pane::Traffic => {
            "Who connects, with whose token, and what was refused. ↑ ↓ choose a client, Enter selects its token, so \
             that it can be inspected or, with Space in Tokens, revoked: the next call is refused."
        }
        Pane::Connect => {
            "What a client needs to connect with the selected token: a line for a shell, or its configuration. ← → \
             choose the client; Enter copies it with the whole token, which the screen does not show."
        }
        Pane::Activity => "The calls that were really made, newest first. Enter opens one and can load it back.",
    }
}

pub fn render(canvas: &mut Canvas, scroll: usize) {
    let pane = canvas.app.focus.pane;
    let inner = canvas.popup(84, 40, &format!("help: {}", pane.title()));
    let mut lines = canvas.wrapped(about(pane), inner.width, Meaning::Plain);
    lines.push(Line::default());
    lines.push(canvas.span("works here now", Meaning::Label).into());
    // A key and its words stay together.
    let here =
        keymap::here(canvas.app).into_iter().map(|(_, key, does)| format!("{key} {does}").replace(' ', "\u{a0}"));
    let here = wrap(&here.collect::<Vec<_>>().join("   "), inner.width);
    lines.extend(here.iter().map(|line| canvas.span(line.replace('\u{a0}', " "), Meaning::Key).into()));
    lines.push(Line::default());
    lines.push(canvas.span("every key", Meaning::Label).into());
    for binding in BINDINGS.iter().filter(|binding| !binding.keys.is_empty()) {
        lines.extend(rows(canvas, binding, inner.width));
    }
    lines.push(Line::default());
    let rest = "Commands without a key are in the palette (Ctrl-P). In a text, Ctrl-U Ctrl-W Ctrl-A Ctrl-E and \
                Ctrl-K edit as in a shell. A paste that holds a token goes to Inspect from everywhere but a prompt \
                and the arguments; undo puts it into the field instead.";
    lines.extend(canvas.wrapped(rest, inner.width, Meaning::Hint));
    canvas.drawn.overlay_rows = usize::from(inner.height);
    canvas.drawn.overlay_end = canvas.scrolled(inner, lines.len(), scroll, |_, n| lines[n].clone());
}

/// A key and what it does, in as many rows as it takes.
fn rows(canvas: &Canvas, binding: &Binding, columns: u16) -> Vec<Line<'static>> {
    let words = wrap(binding.words, columns.saturating_sub(KEYS + 1));
    let line = row(canvas, binding);
    let first = Line::from(vec![line.spans[0].clone(), canvas.span(words[0].clone(), Meaning::Plain)]);
    let pad = " ".repeat(usize::from(KEYS + 1));
    let more = words.into_iter().skip(1).map(|words| Line::from(format!("{pad}{words}")));
    std::iter::once(first).chain(more).collect()
}

/// Columns of the keys.
const KEYS: u16 = 11;

/// A key and what it does, as in help and palette.
pub fn row(canvas: &Canvas, binding: &Binding) -> Line<'static> {
    let keys = binding.shown_keys().join(" ");
    let pad = " ".repeat(usize::from(KEYS).saturating_sub(text::width(&keys)));
    let now = if keymap::hint(canvas.app, binding.action).is_some() { Meaning::Key } else { Meaning::Hint };
    Line::from(vec![canvas.span(format!("{keys}{pad} "), now), canvas.span(binding.words, Meaning::Plain)])
}

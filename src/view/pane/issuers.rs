//! The Issuers pane: the accepted issuers with the state of their keys, and what is known of the chosen one.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Target;
use crate::app::pane::issuers::{LIST, issuer_name, mapping_words};
use crate::auth::{Algorithm, Issuer, Verifier};
use crate::gate::{KeyState, KeyStatus, KeysFrom};
use crate::text::{self, words};
use crate::view::canvas::{Canvas, below, split_bottom};
use crate::view::theme::Role;

/// The columns of the state, at least.
const STATE: usize = 10;
/// The columns of the number of keys.
const COUNT: usize = 8;
/// The columns of a name and its preset, at least.
const WIDE: usize = 43;
/// The columns of a label below the list.
const LABEL: usize = 10;
/// How to add an issuer, in the last row.
const ADD: &str = "+ add an issuer by its URL";

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let count = canvas.app.auth.accepted().count();
    let row = canvas.app.issuers.row.min(count);
    let details = details(canvas, area.width);
    let wanted = u16::try_from(details.len() + 1).unwrap_or(0);
    // Two facts about the chosen issuer are shown even below a long list.
    let rows = u16::try_from(count + 1).unwrap_or(u16::MAX).min(area.height.saturating_sub(3).max(3));
    let foot = wanted.min(area.height.saturating_sub(rows));
    let (list, foot) = split_bottom(area, foot);
    canvas.list(list, LIST, row, count + 1, |canvas, n, place| {
        let line = match canvas.app.auth.accepted().nth(n) {
            Some((issuer, status)) => issuer_row(canvas, n, issuer, status, n == row, usize::from(place.width)),
            None => add_row(canvas, n == row),
        };
        canvas.line(place, line);
        canvas.target(place, Target::Row(LIST, n));
    });
    canvas.lines(below(foot, 1), details);
}

/// Returns the state of an issuer's keys in a word or two, and its role.
fn state(place: usize, status: Option<&KeyStatus>, issuer: &Issuer) -> (String, Role) {
    let has_keys = issuer.keys.iter().next().is_some();
    let Some(status) = status.filter(|_| place > 0) else {
        return match (place, has_keys) {
            (_, false) => ("no key".to_owned(), Role::Denied),
            (0, true) => ("ours".to_owned(), Role::Hint),
            (_, true) => (KeyState::Fixed.words().to_owned(), Role::Hint),
        };
    };
    let refused = status.faults();
    match status.state() {
        KeyState::Fixed | KeyState::Fresh if refused > 0 => (format!("{refused} refused"), Role::Warning),
        state @ KeyState::Fresh => (state.words().to_owned(), Role::Ok),
        KeyState::Fixed if status.from == KeysFrom::Paste => ("pasted".to_owned(), Role::Hint),
        KeyState::Fixed => (KeyState::Fixed.words().to_owned(), Role::Hint),
        state @ KeyState::Reading => (state.words().to_owned(), Role::Hint),
        state @ KeyState::Failed => (state.words().to_owned(), Role::Warning),
        state @ (KeyState::TooOld | KeyState::Missing) => (state.words().to_owned(), Role::Denied),
    }
}

fn marker(canvas: &Canvas, selected: bool) -> (Span<'static>, Role) {
    let role = match (selected, canvas.focused(LIST)) {
        (true, true) => Role::Selected,
        (true, false) => Role::Title,
        _ => Role::Plain,
    };
    (canvas.span(if selected { "▸ " } else { "  " }, Role::Focused), role)
}

fn issuer_row(
    canvas: &Canvas,
    place: usize,
    issuer: &Issuer,
    status: Option<&KeyStatus>,
    selected: bool,
    columns: usize,
) -> Line<'static> {
    let (marker, plain) = marker(canvas, selected);
    let name = match (place, &issuer.name) {
        (0, None) => "tokens issued here".to_owned(),
        _ => issuer_name(issuer.name.as_deref()),
    };
    let keys = issuer.keys.iter().count();
    let (state, role) = state(place, status, issuer);
    let state = format!("{state:>STATE$}");
    let keys = format!("{:>COUNT$}", words::count(keys, "key"));
    let room = columns.saturating_sub(2 + COUNT + text::width(&state) + 2);
    // The name is what distinguishes issuers. Where there is no room for both, the preset replaces the number of keys,
    // which is also below the list.
    let (room, keys, has_preset) = match room {
        WIDE.. => (room, keys, true),
        _ if room + COUNT >= WIDE => (room + COUNT, String::new(), true),
        _ => (room, keys, false),
    };
    let preset = match issuer.mapping.preset() {
        Some(preset) => preset.name,
        None => "own claims",
    };
    let preset = if has_preset { format!("{preset:<11}") } else { String::new() };
    let room = room.saturating_sub(text::width(&preset) + usize::from(!preset.is_empty()));
    let name = text::fit(&name, room);
    let pad = " ".repeat(room.saturating_sub(text::width(&name)) + 1);
    Line::from(vec![
        marker,
        canvas.span(name, plain),
        canvas.span(pad, Role::Plain),
        canvas.span(preset, Role::Hint),
        canvas.span(keys, Role::Hint),
        canvas.span(" ", Role::Plain),
        canvas.span(state, role),
    ])
}

fn add_row(canvas: &Canvas, selected: bool) -> Line<'static> {
    let (marker, plain) = marker(canvas, selected);
    let plain = if selected { plain } else { Role::Hint };
    Line::from(vec![marker, canvas.span(ADD, plain)])
}

/// Returns what is known of the chosen issuer, or how to add one.
fn details(canvas: &Canvas, columns: u16) -> Vec<Line<'static>> {
    let Some((issuer, status)) = canvas.app.chosen_issuer() else {
        let hint =
            "Paste a JWKS, a PEM public key or a discovery document, or press Enter to add an issuer by its URL.";
        return canvas.wrapped(hint, columns, Role::Hint);
    };
    let mut facts: Vec<(&str, String, Role)> = Vec::new();
    if let Some(error) = status.and_then(|status| status.error.as_deref()) {
        facts.push(("error", error.to_owned(), Role::Denied));
    }
    let audiences = match &*issuer.audiences {
        [] => "any".to_owned(),
        audiences => text::names(audiences.iter(), 64, 8, ", "),
    };
    facts.push(match status {
        Some(status) => ("source", status.source.to_string(), Role::Plain),
        None => ("key", issuer.keys.iter().next().map_or_else(|| "none".to_owned(), Verifier::describe), Role::Plain),
    });
    facts.push(("accepts", accepted(issuer), Role::Plain));
    facts.push(("audience", audiences, Role::Plain));
    facts.push(("claims", mapping_words(&issuer.mapping), Role::Plain));
    let room = columns.saturating_sub(u16::try_from(LABEL).unwrap_or(0));
    let mut lines = Vec::new();
    for (label, words, role) in facts {
        for (n, line) in canvas.wrapped(&words, room, role).into_iter().enumerate() {
            let label = canvas.span(format!("{:<LABEL$}", if n == 0 { label } else { "" }), Role::Label);
            lines.push(Line::from([vec![label], line.spans].concat()));
        }
    }
    if canvas.app.auth.accepted().count() == 1 {
        let hint = "Paste a JWKS, a PEM public key or a discovery document to accept the tokens of another issuer.";
        lines.push(Line::default());
        lines.extend(canvas.wrapped(hint, columns, Role::Hint));
    }
    lines
}

/// Returns the algorithms that the issuer's tokens may have, and the number of its keys.
fn accepted(issuer: &Issuer) -> String {
    let keys = issuer.keys.accepted();
    let is_accepted = |algorithm: &&Algorithm| issuer.algorithms.is_empty() || issuer.algorithms.contains(algorithm);
    let names: Vec<&str> = keys.iter().filter(is_accepted).map(|algorithm| algorithm.name()).collect();
    let names = if names.is_empty() { "no algorithm".to_owned() } else { names.join(" ") };
    format!("{names}, {}", words::count(issuer.keys.iter().count(), "key"))
}

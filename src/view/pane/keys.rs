//! The Keys pane: when the keys of the chosen issuer were read, the keys, and those of its set that cannot be used.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::keys::LIST;
use crate::auth::Verifier;
use crate::auth::keys::jwk::RefusedKey;
use crate::gate::{KeyState, KeyStatus, KeysFrom};
use crate::text::words::{DurationWords, elapsed, remaining};
use crate::text::{self, words};
use crate::view::canvas::{Canvas, split_bottom};
use crate::view::theme::Role;

/// The columns of the algorithm and of the size.
const ALGORITHM: usize = 10;
const SIZE: usize = 10;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(LIST));
    let Some((_, status)) = canvas.app.chosen_issuer() else {
        let hint = canvas.wrapped("Choose an issuer in Issuers to see its keys.", area.width, Role::Hint);
        canvas.lines(area, hint);
        return;
    };
    let status = status.cloned();
    let head = head(canvas, status.as_ref(), area.width);
    let rest = canvas.lines(area, head);
    let refused = status.as_ref().map(|status| refused(canvas, status, rest.width)).unwrap_or_default();
    let foot = u16::try_from(refused.len()).unwrap_or(0).min(rest.height.saturating_sub(2));
    let (list, foot) = split_bottom(rest, foot);
    canvas.lines(foot, refused);
    let keys = canvas.app.shown_keys();
    let is_usable = status.as_ref().is_none_or(|status| status.is_usable);
    let named = named_kid(canvas);
    let row = canvas.app.keys_pane.row.min(keys.len().saturating_sub(1));
    canvas.list(list, LIST, row, keys.len(), |canvas, n, place| {
        if let Some(key) = keys.get(n) {
            let is_named = named.is_some() && key.kid() == named.as_deref();
            let note = if canvas.app.shows_own_keys() && canvas.app.signs(key) { " signs" } else { "" };
            let line = key_row(canvas, key, (n == row, is_usable, is_named), note, usize::from(place.width));
            canvas.line(place, line);
            canvas.target(place, Target::Row(LIST, n));
        }
    });
}

/// Returns the `kid` of the selected token, if its `iss` is the chosen issuer's.
fn named_kid(canvas: &Canvas) -> Option<String> {
    let shown = canvas.app.inspection.as_ref()?;
    let (issuer, _) = canvas.app.chosen_issuer()?;
    let is_of_issuer = issuer.name.is_none() || issuer.name.as_deref() == shown.named().iss.as_deref();
    shown.kid().filter(|_| is_of_issuer)
}

/// Returns when the keys were read and when they are read again, and the last error in full.
fn head(canvas: &mut Canvas, status: Option<&KeyStatus>, columns: u16) -> Vec<Line<'static>> {
    let Some(status) = status.filter(|_| !canvas.app.shows_own_keys()) else {
        let words = match (canvas.app.shows_own_keys(), canvas.app.shown_keys().len()) {
            (false, _) => "not refreshed",
            (true, 0 | 1) => "signs and verifies tokens issued here; rotate it with Ctrl-P",
            (true, _) => "the marked key signs; previous keys verify until retired",
        };
        return canvas.wrapped(words, columns, Role::Hint);
    };
    let now = canvas.app.times.real;
    let mut parts = Vec::new();
    if let Some(age) = status.age(now) {
        let verb = match status.from {
            KeysFrom::Paste => "pasted",
            KeysFrom::File(_) | KeysFrom::Secrets(_) => "read",
            KeysFrom::Jwks(_) | KeysFrom::Discovery => "fetched",
        };
        parts.push(format!("{verb} {} ago", ticking(canvas, elapsed(age))));
    }
    let state = status.state();
    parts.push(match (state, &status.from, status.next) {
        (KeyState::Reading, ..) => "being fetched now".to_owned(),
        (_, KeysFrom::Paste | KeysFrom::Secrets(_), _) => "not refreshed".to_owned(),
        (_, _, Some(next)) => format!("next refresh in {}", ticking(canvas, remaining(next.since(now)))),
        (_, KeysFrom::File(_), None) => "refreshed when the file changes".to_owned(),
        (_, _, None) => "not fetched yet".to_owned(),
    });
    if state == KeyState::TooOld {
        parts.push("stale, not used".to_owned());
    }
    let role = match state {
        KeyState::Failed => Role::Warning,
        KeyState::TooOld | KeyState::Missing => Role::Denied,
        _ => Role::Hint,
    };
    let mut lines = canvas.wrapped(&parts.join(" · "), columns, role);
    if let Some(error) = &status.error {
        lines.extend(canvas.wrapped(error, columns, role));
    }
    lines
}

/// Returns a duration of the real clock, and records when its words change.
fn ticking(canvas: &mut Canvas, shown: DurationWords) -> String {
    if shown.holds < text::Span::MAX {
        canvas.drawn.really_changes_at(canvas.app.times.mono + shown.holds.as_duration());
    }
    shown.text
}

/// Returns the keys that cannot be used, by reason.
fn refused(canvas: &Canvas, status: &KeyStatus, columns: u16) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for keys in status.refusals() {
        let Some(RefusedKey { why, .. }) = keys.first() else { continue };
        let is_fault = keys.iter().any(|key| key.is_fault());
        let labels = text::names(keys.iter().map(|key| key.label()), 64, 3, ", ");
        let count = words::count(keys.len(), "key");
        let (words, role) = match is_fault {
            true => (format!("✘ {count} refused ({labels}): {why}"), Role::Warning),
            false => (format!("{count} not for signatures ({labels})"), Role::Hint),
        };
        lines.extend(canvas.wrapped(&words, columns, role));
    }
    if status.ignored > 0 {
        let words = format!("✘ {} ignored: the set is too large", words::count(status.ignored, "key"));
        lines.extend(canvas.wrapped(&words, columns, Role::Warning));
    }
    lines
}

fn key_row(
    canvas: &Canvas,
    key: &Verifier,
    (selected, is_usable, is_named): (bool, bool, bool),
    note: &'static str,
    columns: usize,
) -> Line<'static> {
    let plain = match (selected, canvas.focused(LIST)) {
        (true, true) => Role::Selected,
        _ if !is_usable => Role::Hint,
        (true, false) => Role::Title,
        _ => Role::Plain,
    };
    let algorithm = key.kind();
    let weak = if key.is_weak() { " weak" } else { "" };
    let room = columns.saturating_sub(2 + ALGORITHM + SIZE + weak.len() + note.len() + 4);
    let kid = key.kid().map_or_else(|| "no kid".to_owned(), |kid| text::name(kid, 128));
    let kid = text::fit(&kid, room);
    let pad = " ".repeat(room.saturating_sub(text::width(&kid)) + 1);
    Line::from(vec![
        canvas.span(if selected { "▸ " } else { "  " }, Role::Focused),
        canvas.span(kid, plain),
        canvas.span(pad, Role::Plain),
        canvas.span(if is_named { "● " } else { "  " }, Role::Focused),
        canvas.span(format!("{algorithm:<ALGORITHM$}"), Role::Plain),
        canvas.span(format!("{:>SIZE$}", format!("{} bits", key.bits())), Role::Hint),
        canvas.span(weak, Role::Warning),
        canvas.span(note, Role::Ok),
    ])
}

//! The selected token in full: its text, every claim with its meaning, and every check.

use ratatui::text::Line;

use crate::auth::explain::meaning;
use crate::text::{self, display_safe};
use crate::view::canvas::{Canvas, below};
use crate::view::theme::Role;
use crate::view::{claims, verdict};

/// How much of the token is shown, in bytes; the rest is counted.
const SHOWN: usize = 16 * 1024;
/// How much of each segment is shown until the user asks for the whole token, in bytes: too little to be used.
const BEGINNING: usize = 12;
/// The maximum number of members that are shown; Inspect scrolls through all of them.
const MEMBERS: usize = 400;

pub fn render(canvas: &mut Canvas, scroll: usize, is_whole: bool) {
    let Some(inspection) = canvas.app.inspection.clone() else {
        return;
    };
    let inner = canvas.popup(110, 44, &format!("token {}", inspection.id));
    let rest = verdict::verdict(canvas, inner, &inspection);
    let lights = verdict::lights(canvas, &inspection, rest.width);
    let rest = below(canvas.lines(rest, [lights]), 1);
    let mut lines: Vec<Line<'static>> = Vec::new();
    lines.push(canvas.span(format!("token, {}", text::words::bytes(inspection.token.len())), Role::Label).into());
    let roles = [Role::Header, Role::Payload, Role::Signature];
    let mut left = if is_whole { SHOWN } else { BEGINNING };
    for (n, part) in inspection.token.split('.').enumerate().take(64) {
        let shown = display_safe(part, left);
        if is_whole {
            left = left.saturating_sub(part.len());
        }
        let dot = if n > 0 { "." } else { "" };
        lines.extend(canvas.wrapped(&format!("{dot}{shown}"), rest.width, *roles.get(n).unwrap_or(&Role::Hint)));
    }
    for (title, document) in [("header", &inspection.header), ("payload", &inspection.payload)] {
        lines.push(Line::default());
        lines.push(canvas.span(title, Role::Label).into());
        lines.extend(document.fault.clone().map(|fault| canvas.span(fault, Role::Warning).into()));
        for (name, value) in document.members.iter().take(MEMBERS) {
            let (told, note) = claims::value_in_words(canvas, name, value, true);
            let meant = meaning(name).map_or_else(String::new, |words| format!("  ({words})"));
            let note = if note.is_empty() { note } else { format!("  {note}") };
            let line = format!("{}: {told}{note}{meant}", text::name(name, 64));
            lines.extend(canvas.wrapped(&line, rest.width, Role::Plain));
        }
        if let Some(more) = document.members.len().checked_sub(MEMBERS + 1) {
            lines.push(canvas.span(format!("… {} more", more + 1), Role::Hint).into());
        }
    }
    lines.push(Line::default());
    lines.push(canvas.span("checks", Role::Label).into());
    lines.extend(verdict::checks(canvas, &inspection, rest.width));
    let found = inspection.findings_at(canvas.app.times.judged);
    let has_failed = !inspection.judged.failures(canvas.app.times.judged).is_empty();
    if !found.is_empty() || !has_failed {
        lines.push(Line::default());
        lines.push(canvas.span("findings", Role::Label).into());
    }
    for finding in &found {
        lines.extend(canvas.wrapped(&finding.to_string(), rest.width, Role::Warning));
    }
    if found.is_empty() && !has_failed {
        lines.push(canvas.span("none", Role::Hint).into());
    }
    canvas.drawn.overlay_rows = usize::from(rest.height);
    canvas.drawn.overlay_end = canvas.scrolled(rest, lines.len(), scroll, |_, n| lines[n].clone());
}

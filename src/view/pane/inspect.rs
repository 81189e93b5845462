//! The Inspect pane: the token in colour, four lights, the countdown, findings, and claims, raw text or checks.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::call;
use crate::app::pane::inspect::{InspectView, VIEW};
use crate::auth::Inspection;
use crate::text::{self, display_safe};
use crate::view::canvas::{Canvas, below, top};
use crate::view::claims;
use crate::view::theme::Role;
use crate::view::verdict::{checks, lights, verdict};
use crate::view::widget::{choice, labelled};

/// How much of a raw document is shown, in bytes; the rest is counted.
const RAW: usize = 16 * 1024;

/// The maximum number of columns of a segment.
const WIDEST: usize = 24;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(VIEW));
    let Some(inspection) = canvas.app.inspection.clone() else {
        if let Some(entry) = canvas.app.selected().cloned() {
            let held = text::names(entry.judged.permissions.iter(), 32, 8, ", ");
            let status = entry.judged.status(canvas.app.times.judged);
            let exp =
                entry.judged.lifetime.exp.map_or_else(String::new, |exp| format!("; exp {}", canvas.app.date(exp)));
            let who = format!("{} · permissions: {held}{exp}", status.word());
            let mut lines = canvas.wrapped(&who, area.width, Role::Plain);
            lines.extend(canvas.wrapped(call::HASH_ONLY, area.width, Role::Hint));
            canvas.lines(area, lines);
            return;
        }
        let lines = canvas.wrapped(
            "Paste a token, a curl line, a 401 response or a JWKS anywhere; or press i, then Enter, to issue a token.",
            area.width,
            Role::Hint,
        );
        canvas.lines(area, lines);
        return;
    };
    let roomy = area.height > 12;
    canvas.line(top(area, 1), segments(canvas, &inspection, usize::from(area.width)));
    let mut rest = below(area, if roomy { 2 } else { 1 });
    let lights = lights(canvas, &inspection, rest.width);
    rest = canvas.lines(rest, [lights]);
    rest = verdict(canvas, rest, &inspection);
    if roomy {
        rest = below(rest, 1);
    }
    let place = labelled(canvas, rest, VIEW);
    let line = choice(canvas, canvas.app.inspect.view.word(), canvas.focused(VIEW));
    canvas.line(place, Line::from(line));
    let rest = below(rest, 1);
    let scroll = canvas.app.inspect.scroll;
    let end = match canvas.app.inspect.view {
        InspectView::Claims => claims::render(canvas, rest, &inspection, scroll),
        InspectView::Raw => {
            let lines = raw(canvas, &inspection, rest.width);
            canvas.scrolled(rest, lines.len(), scroll, |_, n| lines[n].clone())
        }
        InspectView::Checks => {
            let lines = checks(canvas, &inspection, rest.width);
            canvas.scrolled(rest, lines.len(), scroll, |_, n| lines[n].clone())
        }
    };
    canvas.drawn.ends.set(VIEW, end);
}

/// Returns the beginning of each segment of the token, in its colour.
fn segments(canvas: &Canvas, inspection: &Inspection, columns: usize) -> Line<'static> {
    let roles = [Role::Header, Role::Payload, Role::Signature];
    let parts: Vec<&str> = inspection.token.split('.').take(6).collect();
    let share = (columns.saturating_sub(12) / parts.len().max(1)).max(4);
    let mut spans = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            spans.push(canvas.span(".", Role::Hint));
        }
        // Never the whole segment: for a short token, or on a wide screen, that would be the whole token.
        let share = share.min(WIDEST).min((part.len() / 2).max(1));
        let shown = text::fit(&display_safe(text::head(part, share + 1), share + 1), share);
        spans.push(canvas.span(shown, *roles.get(n).unwrap_or(&Role::Hint)));
    }
    spans.push(canvas.span(format!("  {}", text::words::bytes(inspection.token.len())), Role::Hint));
    Line::from(spans)
}

/// Returns header and payload as JSON, unchanged except for escapes.
fn raw(canvas: &Canvas, inspection: &Inspection, columns: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let parts = [("header", &inspection.header, Role::Header), ("payload", &inspection.payload, Role::Payload)];
    for (title, document, role) in parts {
        let size = text::words::bytes(document.text.len());
        lines.push(canvas.span(format!("{title}, {size}"), Role::Hint).into());
        if let Some(fault) = &document.fault {
            lines.push(canvas.span(fault.clone(), Role::Warning).into());
        }
        lines.extend(canvas.wrapped(&display_safe(&document.text, RAW), columns, role));
    }
    lines
}

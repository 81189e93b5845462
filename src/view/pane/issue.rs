//! The Issue pane: the form for the next token.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::pane::issue::{
    ALGORITHM, AUDIENCE, EXTRA, FOLDED, HEADER, ISSUER, KID, OTHERS, PERMISSIONS, PRESET, TYP, USER_ID,
};
use crate::app::{App, Field, Focus, Pane, Target};
use crate::auth::{Algorithm, Signer};
use crate::text;
use crate::view::canvas::{Canvas, below, top};
use crate::view::theme::Role;
use crate::view::widget::{choice, labelled, text_line};

/// Returns how many rows the form takes: the fields that always show, and two for the button or for an error.
pub fn rows() -> u16 {
    u16::try_from(Pane::Issue.fields().len() - FOLDED.len() + 2).unwrap_or(u16::MAX)
}

/// The hint while the token list is empty.
const EMPTY: &str = "Paste a token, a curl line, a 401 response or a JWKS anywhere to have it explained; or press Enter and \
                     type a name to issue a token. F1 lists the keys of each pane.";

pub fn render(canvas: &mut Canvas, area: Rect) {
    let fields = canvas.app.issue_fields();
    let button = u16::from(area.height > 1);
    let rows = usize::from(area.height - button);
    let at = canvas.app.focus.field.and_then(|field| fields.iter().position(|f| *f == field)).unwrap_or(0);
    let first = if rows < fields.len() { (at + 1).saturating_sub(rows) } else { 0 };
    let mut rest = area;
    for field in fields.iter().skip(first).take(rows) {
        row(canvas, top(rest, 1), *field);
        rest = below(rest, 1);
    }
    if rest.height == 0 {
        return;
    }
    let hidden = fields.len().saturating_sub(rows);
    let begins = canvas.app.focus == Focus { pane: Pane::Issue, field: None };
    let line = match canvas.app.issue.request(canvas.app.stamp()) {
        Err(error) if rest.height > 1 && !canvas.app.issue.user_id.is_empty() => {
            let lines = canvas.wrapped(&error.to_string(), rest.width, Role::Warning);
            canvas.lines(rest, lines);
            return;
        }
        _ => vec![
            canvas.span("[ Enter ", Role::Key),
            canvas.span(if begins { "edits the form ]" } else { "issues the token ]" }, Role::Plain),
            canvas.span(if hidden > 0 { format!("  ↓↑ {hidden} more") } else { String::new() }, Role::Hint),
        ],
    };
    canvas.line(rest, Line::from(line));
    canvas.target(Rect { width: rest.width.min(27), height: 1, ..rest }, Target::Button(Pane::Issue));
    // Only if Inspect, which shows a hint too, is not beside it.
    if begins && canvas.app.auth.tokens.is_empty() && !canvas.panes.contains(&Pane::Inspect) && rest.height > 3 {
        let lines = canvas.wrapped(EMPTY, rest.width, Role::Hint);
        canvas.lines(below(rest, 2), lines);
    }
}

fn row(canvas: &mut Canvas, area: Rect, field: Field) {
    let place = labelled(canvas, area, field);
    let focused = canvas.focused(field);
    let form = &canvas.app.issue;
    match field {
        PERMISSIONS => ticks(canvas, place),
        ALGORITHM => {
            let signer = canvas.app.auth.signer.as_ref();
            let name = form.algorithm.or(signer.map(Signer::algorithm)).map_or("no signing key", Algorithm::name);
            let mut line = match canvas.app.can_turn_algorithm() {
                true => choice(canvas, name, focused),
                false => vec![canvas.span(name.to_owned(), Role::Plain)],
            };
            if !canvas.app.issue_fields().contains(&KID) {
                line.push(canvas.span("  ↓ kid, typ", Role::Hint));
            }
            canvas.line(place, Line::from(line));
        }
        PRESET => {
            let mut line = choice(canvas, &form.preset_name(), focused);
            if !form.is_as_preset() {
                line.push(canvas.span(" changed", Role::Hint));
            }
            canvas.line(place, Line::from(line));
        }
        _ => {
            let hint = match field {
                USER_ID => "who the token is for",
                OTHERS => "comma-separated",
                ISSUER | AUDIENCE => "none",
                EXTRA => "{\"claim\": 1}",
                KID => &own_kid(canvas.app),
                TYP => "JWT",
                HEADER => "{\"member\": 1}",
                _ => "",
            };
            if let Some(text) = canvas.app.text(field) {
                text_line(canvas, place, text, focused, hint);
            }
        }
    }
}

/// Draws the policy's permissions. If not all fit, those around the cursor are shown.
fn ticks(canvas: &mut Canvas, area: Rect) {
    let form = &canvas.app.issue;
    let focused = canvas.focused(PERMISSIONS);
    let labels: Vec<String> = form
        .ticks
        .iter()
        .map(|(name, on)| format!("[{}] {}", if *on { "x" } else { " " }, text::name(name, 24)))
        .collect();
    let width = |label: &String| text::width(label) + 2;
    let sign = |first: usize| if first > 0 { 2 } else { 0 };
    let needed = |first: usize| sign(first) + labels[first..=form.tick].iter().map(width).sum::<usize>();
    let mut first = 0;
    // The last label does not need a gap after it.
    while first < form.tick && needed(first) > usize::from(area.width) + 2 {
        first += 1;
    }
    let mut spans = Vec::new();
    if first > 0 {
        spans.push(canvas.span("… ", Role::Hint));
    }
    let mut x = area.x + if first > 0 { 2u16 } else { 0 };
    for (n, label) in labels.iter().enumerate().skip(first) {
        let role = if focused && n == form.tick { Role::Selected } else { Role::Plain };
        spans.push(canvas.span(label, role));
        spans.push(canvas.span("  ", Role::Plain));
        let columns = u16::try_from(width(label)).unwrap_or(0);
        canvas.target(
            Rect { x, width: columns.min(area.right().saturating_sub(x)), ..area },
            Target::Row(PERMISSIONS, n),
        );
        x = x.saturating_add(columns);
    }
    if let Some(last) = spans.last_mut() {
        last.content = "".into();
    }
    canvas.line(area, Line::from(spans));
}

/// Returns the `kid` that the key itself gives to a token; safe to show.
fn own_kid(app: &App) -> String {
    let kid = app.auth.signer.as_ref().and_then(|signer| signer.verifier().kid());
    kid.map_or_else(|| "none".to_owned(), |kid| text::name(kid, 48))
}

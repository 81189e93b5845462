//! A pasted response, key set or discovery document, explained against the selected token.

use ratatui::text::Line;

use crate::app::pane::issuers::Offer;
use crate::auth::explain::LineKind;
use crate::auth::why::explain_material;
use crate::text::material::Material;
use crate::view::canvas::Canvas;
use crate::view::theme::Role;

pub fn render(canvas: &mut Canvas, material: &Material, offer: &Offer, scroll: usize) {
    let inner = canvas.popup(100, 22, "pasted text");
    let (app, now) = (canvas.app, canvas.app.times.judged);
    if let Some(left) = app.selected().and_then(|entry| entry.judged.lifetime.next_border(now)) {
        canvas.drawn.changes_in(left);
    }
    let explanation = explain_material(material, app.inspection.as_deref(), &app.auth.rules, now);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (n, line) in explanation.lines().iter().enumerate() {
        let role = match line.kind {
            LineKind::Verdict => Role::Title,
            LineKind::Finding => Role::Warning,
            LineKind::Check(_) | LineKind::Note => Role::Plain,
        };
        lines.extend(canvas.wrapped(&format!("{}{}", line.mark, line.text), inner.width, role));
        // Before the notes, because the list of keys may be long.
        if let Some(words) = offer.words(app.suggested_issuer().as_deref()).filter(|_| n == 0) {
            let role = if offer.act().is_some() { Role::Key } else { Role::Warning };
            lines.extend(canvas.wrapped(&words, inner.width, role));
        }
    }
    canvas.drawn.overlay_rows = usize::from(inner.height);
    canvas.drawn.overlay_end = canvas.scrolled(inner, lines.len(), scroll, |_, n| lines[n].clone());
}

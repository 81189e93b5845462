//! The form of an issuer to accept: its keys, how its tokens are read, and for whom they are.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::issuers::{IssuerField, IssuerForm, NewKeys};
use crate::auth::Verifier;
use crate::text::words;
use crate::view::canvas::{Canvas, below, right_of, top};
use crate::view::theme::Role;
use crate::view::widget::{choice, text_line};

/// The columns of a label.
const LABEL: u16 = 11;

pub fn render(canvas: &mut Canvas, form: &IssuerForm) {
    let fields = form.fields();
    let rows = u16::try_from(fields.len()).unwrap_or(u16::MAX);
    let title = if matches!(form.keys, NewKeys::Pasted(_)) { "use pasted keys" } else { "add an issuer" };
    let mut rest = canvas.popup(84, rows + 8, title);
    let words = note(canvas, form, rest.width);
    let note_rows = u16::try_from(words.len()).unwrap_or(1);
    if let NewKeys::Pasted(read) = &form.keys
        && rest.height > rows + note_rows
    {
        let mut keys: Vec<String> = read.keys.iter().take(3).map(Verifier::summary).collect();
        let more = read.keys.len().saturating_sub(keys.len());
        keys.extend((more > 0).then(|| format!("{more} more")));
        let refused = read.refused.iter().filter(|key| key.is_fault()).count();
        keys.extend((refused > 0).then(|| format!("{} cannot be used", words::count(refused, "key"))));
        let line = canvas.span(keys.join("; "), Role::Hint);
        canvas.line(rest, line);
        rest = below(rest, 1);
    }
    for field in fields {
        row(canvas, top(rest, 1), form, *field);
        rest = below(rest, 1);
    }
    rest = below(rest, u16::from(rest.height > note_rows));
    canvas.lines(rest, words);
}

/// Returns the error, or what Enter does.
fn note(canvas: &Canvas, form: &IssuerForm, columns: u16) -> Vec<Line<'static>> {
    if let Some(fault) = &form.fault {
        return canvas.wrapped(fault, columns, Role::Denied);
    }
    let present = canvas.app.auth.accepted_issuer(form.issuer());
    let effect = match (present, form.issuer()) {
        (Some(present), _) => format!("Replaces the keys that are accepted now ({}).", present.status.source),
        (None, None) if matches!(form.keys, NewKeys::At(_)) => "Tokens of this issuer are accepted.".to_owned(),
        (None, None) => "Tokens with any iss, or without one, are accepted if these keys verify them.".to_owned(),
        (None, Some(_)) => "Tokens with this iss are accepted if these keys verify them.".to_owned(),
    };
    let words = format!("{effect} In force until the console ends; Ctrl-Y in Issuers copies the configuration.");
    canvas.wrapped(&words, columns, Role::Hint)
}

fn row(canvas: &mut Canvas, area: Rect, form: &IssuerForm, field: IssuerField) {
    canvas.target(area, Target::IssuerField(field));
    let focused = form.field == field;
    let label = canvas.span(field.label(), if focused { Role::Focused } else { Role::Label });
    canvas.line(area, label);
    let place = right_of(area, LABEL);
    if let Some(text) = form.text(field) {
        return text_line(canvas, place, text, focused, field.hint());
    }
    let words = match (field, &form.keys) {
        (IssuerField::Source, NewKeys::At(kind)) => kind.words().to_owned(),
        _ => canvas.app.form_mapping(form).1,
    };
    let line = choice(canvas, &words, focused);
    canvas.line(place, Line::from(line));
}

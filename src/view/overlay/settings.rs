//! The settings: what everything on screen is judged by, and what the server runs with.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::overlay::{SettingsField, SettingsForm};
use crate::auth::Signer;
use crate::view::canvas::{Canvas, below, right_of, top};
use crate::view::theme::Role;
use crate::view::widget::{choice, text_line};

/// Columns of a label.
const LABEL: u16 = 20;

pub fn render(canvas: &mut Canvas, form: &SettingsForm) {
    let count = SettingsField::ALL.len();
    let fields = u16::try_from(count).unwrap_or(u16::MAX);
    let mut rest = canvas.popup(76, fields + 7, "settings");
    // Where not every field fits, the rows around the cursor are shown, and the last row counts them.
    let is_whole = rest.height >= fields + 2;
    if is_whole {
        let key = canvas.app.auth.signer.as_ref().map_or_else(|| "none".to_owned(), Signer::describe);
        let key = canvas.span(format!("key in use: {key}"), Role::Hint);
        canvas.line(rest, key);
        rest = below(rest, 1);
    }
    let index = SettingsField::ALL.iter().position(|field| *field == form.field).unwrap_or(0);
    let words = match &form.fault {
        Some(fault) => canvas.wrapped(fault, rest.width, Role::Denied),
        None if is_whole => canvas.wrapped("Enter applies these settings; Esc discards them", rest.width, Role::Hint),
        None => canvas.wrapped(&format!("{} of {count} ↑↓; Enter applies", index + 1), rest.width, Role::Hint),
    };
    let words_rows = u16::try_from(words.len()).unwrap_or(1);
    let rows = usize::from(rest.height.saturating_sub(words_rows)).clamp(1, count);
    let first = (index + 1).saturating_sub(rows);
    for field in SettingsField::ALL.iter().skip(first).take(rows) {
        row(canvas, top(rest, 1), form, *field);
        rest = below(rest, 1);
    }
    rest = below(rest, u16::from(rest.height > words_rows));
    canvas.lines(rest, words);
}

fn row(canvas: &mut Canvas, area: Rect, form: &SettingsForm, field: SettingsField) {
    canvas.target(area, Target::Setting(field));
    let focused = form.field == field;
    let label = canvas.span(field.label(), if focused { Role::Focused } else { Role::Label });
    canvas.line(area, label);
    let place = right_of(area, LABEL);
    if let Some(words) = form.choice(field) {
        let line = choice(canvas, words, focused);
        return canvas.line(place, Line::from(line));
    }
    let hint = match field {
        SettingsField::Leeway => "0s",
        SettingsField::Issuer | SettingsField::Audience => "none expected",
        SettingsField::Policy => "built in",
        SettingsField::PublicUrl => "that of the address",
        SettingsField::Hosts => "loopback and the address",
        SettingsField::Rate => "100",
        SettingsField::Key | SettingsField::Times | SettingsField::Theme | SettingsField::Expose => "",
    };
    if let Some(text) = form.text(field) {
        text_line(canvas, place, text, focused, hint);
    }
}

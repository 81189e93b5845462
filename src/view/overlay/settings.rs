//! The settings: what everything on screen is judged by.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::overlay::{SettingsField, SettingsForm};
use crate::auth::Signer;
use crate::view::canvas::{Canvas, below, right_of, top};
use crate::view::theme::Role;
use crate::view::widget::{choice, text_line};

/// Columns of a label.
const LABEL: u16 = 19;

pub fn render(canvas: &mut Canvas, form: &SettingsForm) {
    let mut rest = canvas.popup(76, 13, "settings");
    let told = canvas.span(
        format!("key in use: {}", canvas.app.auth.signer.as_ref().map_or_else(|| "none".to_owned(), Signer::describe)),
        Role::Hint,
    );
    canvas.line(rest, told);
    rest = below(rest, 1);
    for field in SettingsField::ALL {
        row(canvas, top(rest, 1), form, field);
        rest = below(rest, 1);
    }
    rest = below(rest, u16::from(rest.height > 3));
    let lines = match &form.fault {
        Some(fault) => canvas.wrapped(fault, rest.width, Role::Denied),
        None => canvas.wrapped("Enter applies these settings; Esc discards them", rest.width, Role::Hint),
    };
    canvas.lines(rest, lines);
}

fn row(canvas: &mut Canvas, area: Rect, form: &SettingsForm, field: SettingsField) {
    canvas.target(area, Target::Setting(field));
    let focused = form.field == field;
    let label = canvas.span(field.label(), if focused { Role::Focused } else { Role::Label });
    canvas.line(area, label);
    let place = right_of(area, LABEL);
    let (text, hint) = match field {
        SettingsField::Key => {
            let line = choice(canvas, form.key.words(), focused);
            return canvas.line(place, Line::from(line));
        }
        SettingsField::Times => {
            let line = choice(canvas, form.times.word(), focused);
            return canvas.line(place, Line::from(line));
        }
        SettingsField::Leeway => (&form.leeway, "0s"),
        SettingsField::Issuer => (&form.issuer, "none expected"),
        SettingsField::Audience => (&form.audience, "none expected"),
        SettingsField::Policy => (&form.policy, "built in"),
    };
    text_line(canvas, place, text, focused, hint);
}

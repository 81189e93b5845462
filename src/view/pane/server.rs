//! The Server pane: the address for clients, the settings, and whether the server is running.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::action::Action;
use crate::app::pane::server::{ADDRESS, AUDIENCE, DENIAL};
use crate::app::{App, Field, Pane, Target, hints};
use crate::endpoint::{Denial, Listing};
use crate::text::{self, words};
use crate::view::canvas::{Canvas, below};
use crate::view::theme::Role;
use crate::view::widget::{choice, labelled, text_line};

/// The rows that it needs: its fields, one for the settings elsewhere, two for the address, one for the requests, and the
/// button.
pub fn rows() -> u16 {
    u16::try_from(Pane::Server.fields().len() + 5).unwrap_or(u16::MAX)
}

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(ADDRESS));
    let mut rest = area;
    for field in Pane::Server.fields() {
        let place = labelled(canvas, rest, field);
        row(canvas, place, field);
        rest = below(rest, 1);
    }
    let more = canvas.clipped(&elsewhere(canvas.app), area.width, 1, Role::Hint);
    rest = canvas.lines(rest, more);
    let pane = &canvas.app.server;
    let (told, role) = match (pane.changing, &pane.serving, &pane.fault) {
        (Some(changing), ..) => (changing.word().to_owned(), Role::Hint),
        (None, Some(serving), _) => (format!("SERVING  {}", text::display_safe(&serving.uri, 200)), Role::Ok),
        (None, None, Some(fault)) => (fault.clone(), Role::Denied),
        (None, None, None) => ("stopped: clients cannot connect".to_owned(), Role::Hint),
    };
    let lines = canvas.clipped(&told, area.width, 2, role);
    rest = canvas.lines(rest, lines);
    if let Some(serving) = &pane.serving {
        let requests = canvas.app.auth.traffic.requests();
        let told = format!("since {}; requests in all: {requests}", canvas.app.time(serving.since));
        let told = canvas.span(told, Role::Hint);
        canvas.line(rest, told);
        rest = below(rest, 1);
    }
    let button = canvas.span(format!("[ Enter: {} the server ]", pane.next().word()), Role::Key);
    canvas.line(rest, button);
}

/// The server's settings that the settings overlay holds, and the key that opens it.
fn elsewhere(app: &App) -> String {
    let settings = &app.server.settings;
    let mut facts = vec![settings.rate.map_or_else(|| "no rate limit".to_owned(), |rate| format!("rate {rate}/s"))];
    if settings.expose {
        facts.push("weak key".to_owned());
    }
    if !settings.hosts.is_empty() {
        facts.push(words::count(settings.hosts.len(), "host"));
    }
    if settings.public_url.is_some() {
        facts.push("public URL".to_owned());
    }
    let key = hints::key_name(app, Action::Settings).unwrap_or_default();
    format!("{key} for more: {}", facts.join(", "))
}

fn row(canvas: &mut Canvas, place: Rect, field: Field) {
    let app = canvas.app;
    let focused = canvas.focused(field);
    let settings = &app.server.settings;
    let (words, means) = match field {
        ADDRESS => return text_line(canvas, place, &app.server.listen, focused, "127.0.0.1:8640"),
        AUDIENCE if settings.allow_no_audience => ("may be missing", "or names it"),
        AUDIENCE => ("required", "aud must name it"),
        DENIAL => match settings.denial {
            Denial::Http => ("http", "401, 403, 429"),
            Denial::Tool => ("tool", "results that are errors"),
            Denial::Auto => ("auto", "whichever the client handles"),
        },
        _ => match settings.listing {
            Listing::Permitted => ("permitted", "what it may call"),
            Listing::All => ("all", "whatever it may call"),
        },
    };
    let mut line = choice(canvas, words, focused);
    line.push(canvas.span(format!("  {means}"), Role::Hint));
    canvas.line(place, Line::from(line));
}

//! The Connect pane: the instructions for a client to connect with the selected token.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::connect::{CLIENT, TOOL};
use crate::text::{self, display_safe};
use crate::view::canvas::{Canvas, below};
use crate::view::theme::Meaning;
use crate::view::widget::{choice, labelled};

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(CLIENT));
    let app = canvas.app;
    let who = app.selected().map_or_else(|| text::NO_TOKEN.to_owned(), |entry| app.token_name(entry));
    let who = format!("as {}", text::fit(&who, 24));
    let tool = text::name(&app.call.tool, 32);
    let mut rest = area;
    for (field, words, told) in [(CLIENT, app.connect.client.word(), &*who), (TOOL, &*tool, "")] {
        let place = labelled(canvas, rest, field);
        let mut line = choice(canvas, words, canvas.focused(field));
        line.push(canvas.span(format!("  {told}"), Meaning::Hint));
        canvas.line(place, Line::from(line));
        rest = below(rest, 1);
    }
    // On the screen the token is only hinted at: others may look on.
    let hinted = app.selected().map(|entry| format!("{}…", text::head(&entry.text, 8)));
    let told = app.client_instructions(hinted.as_deref());
    let lines: Vec<Line<'static>> =
        told.lines().flat_map(|line| canvas.wrapped(&display_safe(line, 2000), area.width, Meaning::Plain)).collect();
    let rest = below(canvas.lines(below(rest, 1), lines), 1);
    let told = match app.server.serving {
        Some(_) => ("Enter copies it, with the whole token", Meaning::Hint),
        None => ("the server is not running yet", Meaning::Expired),
    };
    let told = canvas.wrapped(told.0, area.width, told.1);
    canvas.lines(rest, told);
}

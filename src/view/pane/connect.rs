//! The Connect pane: the instructions for a client to connect with the selected token.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::Target;
use crate::app::pane::connect::{CLIENT, TOOL};
use crate::endpoint::TokenPlace;
use crate::text::{self, display_safe};
use crate::view::canvas::{Canvas, below};
use crate::view::theme::Role;
use crate::view::widget::{choice, labelled};

/// With more rows than this, a blank one separates the notes from the text.
const ROOMY: u16 = 8;

pub fn render(canvas: &mut Canvas, area: Rect) {
    canvas.target(area, Target::Field(CLIENT));
    let app = canvas.app;
    let who = app.selected().map_or_else(|| text::NO_TOKEN.to_owned(), |entry| app.token_name(entry));
    let who = format!("as {}", text::fit(&who, 24));
    let tool = text::name(&app.call.tool, 32);
    let client = app.connect.client();
    let mut rest = area;
    for (field, words, told) in [(CLIENT, client.word, &*who), (TOOL, &*tool, "")] {
        let place = labelled(canvas, rest, field);
        let mut line = choice(canvas, words, canvas.focused(field));
        line.push(canvas.span(format!("  {told}"), Role::Hint));
        canvas.line(place, Line::from(line));
        rest = below(rest, 1);
    }
    // Above the text, so that a long text does not push it out.
    let token = match (client.token, app.selected()) {
        (_, None) => "Enter copies it; no token is selected",
        (_, Some(entry)) if entry.text().is_none() => {
            "Enter copies it without a token: only the hash of this one is known"
        }
        (TokenPlace::Apart, _) => "Enter copies it without the token; Ctrl-Y in Tokens copies that",
        (TokenPlace::Text | TokenPlace::Argument, _) => "Enter copies it with the whole token",
    };
    let line = format!("{}. {token}", client.usage);
    let fits = text::width(&line) <= usize::from(area.width);
    let lines = if fits { vec![&*line] } else { vec![client.usage, token] };
    let mut notes: Vec<Line<'static>> =
        lines.into_iter().flat_map(|line| canvas.wrapped(line, area.width, Role::Hint)).collect();
    for caution in app.client_cautions() {
        notes.extend(canvas.wrapped(caution, area.width, Role::Warning));
    }
    rest = canvas.lines(rest, notes);
    if rest.height > ROOMY {
        rest = below(rest, 1);
    }
    // Only the beginning of the token is shown on the screen, because others may be watching.
    let hinted = app.selected().and_then(|entry| entry.text()).map(|text| format!("{}…", text::head(text, 8)));
    let told = app.client_instructions(hinted.as_deref());
    let lines: Vec<Line<'static>> =
        told.lines().flat_map(|line| canvas.wrapped(&display_safe(line, 2000), area.width, Role::Plain)).collect();
    canvas.scrolled(rest, lines.len(), 0, |_, n| lines[n].clone());
}

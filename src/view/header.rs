//! The top line: the program, the screen, and where the key is from and how strong it is; never its value.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::Canvas;
use super::theme::Meaning;
use crate::app::Target;
use crate::app::keymap::Action;
use crate::text;

pub fn render(canvas: &mut Canvas, area: Rect) {
    let keys = &canvas.app.auth.rules.keys;
    let (origin, is_weak) = keys.signing().map_or(("none", true), |key| (key.origin().word(), key.is_weak()));
    let mut left = Line::from(vec![canvas.span(" portcullis ", Meaning::Title)]);
    // One screen needs no name where room is short.
    if area.width >= 60 {
        left.spans.push(canvas.span(" F2 ", Meaning::Key));
        left.spans.push(canvas.span("Gate", Meaning::Plain));
    }
    let weak = if is_weak { Meaning::Expired } else { Meaning::Plain };
    let long = format!("key: {}", keys.describe());
    let short = format!("key: {origin}{}", if is_weak { ", weak" } else { "" });
    let help = "F1 help ";
    let room = usize::from(area.width).saturating_sub(left.width() + text::width(help) + 4);
    let told = if text::width(&long) <= room { long } else { text::fit(&short, room) };
    let right = Line::from(vec![
        canvas.span(told, weak),
        canvas.span("  F1", Meaning::Key),
        canvas.span(" help ", Meaning::Plain),
    ]);
    let width = u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
    let told = canvas.app.judged_by().join(" · ");
    let room = usize::from(area.width).saturating_sub(left.width() + 3 + usize::from(width));
    if !told.is_empty() && room > 0 {
        left.spans.push(canvas.span(format!("  {}", text::fit(&told, room)), Meaning::Expired));
    }
    canvas.line(area, left);
    let place = Rect { x: area.x + area.width - width, width, ..area };
    canvas.line(place, right);
    canvas.target(Rect { x: place.right().saturating_sub(8), width: 8, ..place }, Target::Do(Action::Help));
}

//! The top line: the program, the screen, and where the key is from and how strong it is; never its value.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::Canvas;
use super::theme::Meaning;
use crate::app::action::Action;
use crate::app::{Screen, Target};
use crate::auth::{Signer, Verifier};
use crate::text;

pub fn render(canvas: &mut Canvas, area: Rect) {
    let signer = canvas.app.auth.signer.clone();
    let key = signer.as_ref().map(Signer::verifier);
    let (origin, is_weak) = key.map_or(("none", true), |key| (key.origin().word(), key.is_weak()));
    let mut left = Line::from(vec![canvas.span(" portcullis ", Meaning::Title)]);
    if let Some(badge) = canvas.app.clock_badge() {
        // It comes before everything else.
        if area.width < 60 {
            left.spans.clear();
        }
        left.spans.push(canvas.span(format!(" {badge} "), Meaning::WarningChip));
        left.spans.push(canvas.span(" ", Meaning::Plain));
    }
    screens(canvas, area, &mut left);
    let weak = if is_weak { Meaning::Warning } else { Meaning::Plain };
    let long = format!("key: {}", key.map_or_else(|| "none".to_owned(), Verifier::describe));
    let short = format!("key: {origin}{}", if is_weak { ", weak" } else { "" });
    let help = "F1 help ";
    let room = usize::from(area.width).saturating_sub(left.width() + text::width(help) + 4);
    // Alarms come first; of the key the settings tell as well.
    let mut told = canvas.app.alarms();
    let needed = if told.is_empty() { 0 } else { text::width(&told.join(" · ")) + 3 };
    told.extend(canvas.app.judged_by());
    let key = [long, short].into_iter().find(|key| text::width(key) + needed <= room).unwrap_or_default();
    let right = Line::from(vec![
        canvas.span(key, weak),
        canvas.span("  F1", Meaning::Key),
        canvas.span(" help ", Meaning::Plain),
    ]);
    let width = u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
    let told = told.join(" · ");
    let room = usize::from(area.width).saturating_sub(left.width() + 3 + usize::from(width));
    if !told.is_empty() && room > 0 {
        left.spans.push(canvas.span(format!("  {}", text::fit(&told, room)), Meaning::Warning));
    }
    canvas.line(area, left);
    let place = Rect { x: area.x + area.width - width, width, ..area };
    canvas.line(place, right);
    canvas.target(Rect { x: place.right().saturating_sub(8), width: 8, ..place }, Target::Do(Action::Help));
}

/// The screens and their keys. Where room is short, the footer names the other screens instead.
fn screens(canvas: &mut Canvas, area: Rect, left: &mut Line<'static>) {
    let needed: usize = Screen::ALL.iter().map(|screen| text::width(screen.title()) + 4).sum();
    if area.width < 60 || left.width() + needed + 12 > usize::from(area.width) {
        return;
    }
    for screen in Screen::ALL {
        let here = screen == canvas.app.screen;
        let from = u16::try_from(left.width()).unwrap_or(0);
        left.spans.push(canvas.span(format!(" {} ", screen.key()), Meaning::Key));
        left.spans.push(canvas.span(screen.title(), if here { Meaning::Selected } else { Meaning::Plain }));
        let width = u16::try_from(left.width()).unwrap_or(0) - from;
        canvas.target(Rect { x: area.x + from, width, ..area }, Target::Do(Action::Screen(screen)));
    }
}

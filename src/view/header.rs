//! The top line: the program, the screens and, on the right, alarms and non-default settings, most important first. It
//! reports a missing, weak or fresh key, but never shows the key's value.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::Canvas;
use super::theme::Role;
use crate::app::action::Action;
use crate::app::{App, Screen, Target, hints};
use crate::auth::{KeyOrigin, Signer};
use crate::text;

/// The columns that the most important fact gets before the screens do.
const FACT: usize = 16;
/// The end of the line.
const HELP: &str = " F1 help ";

pub fn render(canvas: &mut Canvas, area: Rect) {
    let mut left = Line::from(vec![canvas.span(" portcullis ", Role::Title)]);
    if let Some(badge) = canvas.app.clock_badge() {
        // It has priority over everything else.
        if area.width < 60 {
            left.spans.clear();
        }
        left.spans.push(canvas.span(format!(" {badge} "), Role::WarningChip));
        left.spans.push(canvas.span(" ", Role::Plain));
    }
    let facts = facts(canvas.app);
    screens(canvas, area, &mut left, facts.first().map_or(0, |(words, _)| text::width(words) + 3));
    let mut room = usize::from(area.width).saturating_sub(left.width() + text::width(HELP) + 1);
    let mut spans = Vec::new();
    for (words, role) in facts {
        let width = text::width(&words) + 3;
        // An alarm is cut off rather than left out. Anything else would be misleading if it were cut off.
        let words = match width <= room {
            true => words,
            false if role == Role::WarningChip && spans.is_empty() && room > 12 => text::fit(&words, room - 3),
            false => continue,
        };
        room -= (text::width(&words) + 3).min(room);
        spans.push(canvas.span(format!(" {words} "), role));
        spans.push(canvas.span(" ", Role::Plain));
    }
    canvas.line(area, left);
    spans.push(canvas.span(" F1", Role::Key));
    spans.push(canvas.span(" help ", Role::Hint));
    let right = Line::from(spans);
    let width = u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
    let place = Rect { x: area.x + area.width - width, width, ..area };
    canvas.line(place, right);
    canvas.target(Rect { x: place.right().saturating_sub(8), width: 8, ..place }, Target::Do(Action::Help));
}

/// Returns alarms and non-default settings, most important first.
fn facts(app: &App) -> Vec<(String, Role)> {
    let target = app.target_name().map(|name| (format!("→ {name}"), Role::WarningChip));
    let mut facts: Vec<(String, Role)> = app.alarms().into_iter().map(|alarm| (alarm, Role::WarningChip)).collect();
    facts.extend(target);
    let serving = app.server.serving.as_ref();
    facts.extend(serving.map(|_| ("● serving".to_owned(), Role::OkChip)));
    let key = app.auth.signer.as_ref().map(Signer::verifier);
    let warning = match key {
        None => Some("no key"),
        Some(key) if key.is_weak() => Some("weak key"),
        Some(key) if matches!(key.origin(), KeyOrigin::Fresh) => Some("fresh key"),
        Some(_) => None,
    };
    facts.extend(app.judged_by().into_iter().map(|fact| (fact, Role::Label)));
    facts.extend(warning.map(|key| (key.to_owned(), Role::Warning)));
    facts
}

/// Appends the screens and their keys, in place of the program's name where the most important fact, of this width, needs
/// its room. If there is little room, the footer names the other screens instead.
fn screens(canvas: &mut Canvas, area: Rect, left: &mut Line<'static>, fact: usize) {
    let key = |screen| hints::key_name(canvas.app, Action::Screen(screen)).unwrap_or_default();
    let keys = Screen::ALL.map(key);
    let needed: usize =
        Screen::ALL.iter().zip(&keys).map(|(screen, key)| text::width(screen.title()) + text::width(key) + 3).sum();
    // Without room for the screens, they are left to the footer.
    let Some(room) = usize::from(area.width).checked_sub(needed + text::width(HELP) + 1) else {
        return;
    };
    // A longer alarm is cut off.
    let least = fact.min(FACT);
    let is_tight = left.width() + least > room || (left.width() + fact > room && fact <= room);
    let name = left.clone();
    if is_tight && canvas.app.clock_badge().is_none() {
        left.spans.clear();
    }
    if area.width < 60 || left.width() + least > room {
        *left = name;
        return;
    }
    for (screen, key) in Screen::ALL.into_iter().zip(keys) {
        let here = screen == canvas.app.screen;
        let from = u16::try_from(left.width()).unwrap_or(0);
        if here {
            left.spans.push(canvas.span(format!(" {key} {} ", screen.title()), Role::ScreenChip));
        } else {
            left.spans.push(canvas.span(format!(" {key}"), Role::Key));
            left.spans.push(canvas.span(format!(" {} ", screen.title()), Role::Hint));
        }
        let width = u16::try_from(left.width()).unwrap_or(0) - from;
        canvas.target(Rect { x: area.x + from, width, ..area }, Target::Do(Action::Screen(screen)));
    }
}

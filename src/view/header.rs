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
    let width = |(words, _): &(String, Role)| text::width(words) + 3;
    let alarms = facts.iter().filter(|(_, role)| *role == Role::WarningChip).map(width).sum();
    screens(canvas, area, &mut left, facts.first().map_or(0, width), alarms);
    let mut room = usize::from(area.width).saturating_sub(left.width() + text::width(HELP));
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

/// How much of the screens the line shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Keys and names, with blanks around the names.
    Names,
    /// Keys and names.
    Tight,
    /// The name of the current one, and the keys of the others.
    Keys,
}

impl Detail {
    /// Returns the text of a screen.
    fn label(self, key: &str, screen: Screen, is_here: bool) -> String {
        match self {
            Self::Names => format!(" {key} {} ", screen.title()),
            Self::Tight if is_here => format!(" {key} {} ", screen.title()),
            Self::Tight => format!("{key} {}", screen.title()),
            Self::Keys if is_here => format!(" {key} {} ", screen.title()),
            Self::Keys => format!(" {key}"),
        }
    }
}

/// Appends the screens and their keys, in place of the program's name where the most important fact, or all alarms, of
/// these widths, need its room. If there is little room, the footer names the other screens instead.
fn screens(canvas: &mut Canvas, area: Rect, left: &mut Line<'static>, fact: usize, alarms: usize) {
    if area.width < 60 {
        return;
    }
    let here = canvas.app.screen;
    let keys = Screen::ALL.map(|screen| hints::key_name(canvas.app, Action::Screen(screen)).unwrap_or_default());
    let width_of = |detail: Detail| -> usize {
        let labels = Screen::ALL.iter().zip(&keys).map(|(screen, key)| detail.label(key, *screen, *screen == here));
        labels.map(|label| text::width(&label)).sum::<usize>()
            + if detail == Detail::Tight { Screen::ALL.len() - 1 } else { 0 }
    };
    let all = usize::from(area.width).saturating_sub(text::width(HELP));
    let badge = if canvas.app.clock_badge().is_some() { left.width() } else { 0 };
    // With the program's name, then without it, and then with fewer names. A longer alarm is cut off.
    let fits = |before: usize, detail: Detail, fact: usize| before + width_of(detail) + fact <= all;
    let (keeps_name, detail) = if fits(left.width(), Detail::Names, fact.max(alarms)) {
        (true, Detail::Names)
    } else if fits(badge, Detail::Names, fact) {
        (false, Detail::Names)
    } else if fits(badge, Detail::Tight, fact) {
        (false, Detail::Tight)
    } else if fits(left.width(), Detail::Keys, fact.min(FACT)) {
        (true, Detail::Keys)
    } else if fits(badge, Detail::Keys, fact.min(FACT)) {
        (false, Detail::Keys)
    } else {
        return;
    };
    if !keeps_name && badge == 0 {
        left.spans.clear();
    }
    for (screen, key) in Screen::ALL.into_iter().zip(keys) {
        if detail == Detail::Tight && screen != Screen::ALL[0] {
            left.spans.push(canvas.span(" ", Role::Plain));
        }
        let from = u16::try_from(left.width()).unwrap_or(0);
        let label = detail.label(&key, screen, screen == here);
        if screen == here {
            left.spans.push(canvas.span(label, Role::ScreenChip));
        } else {
            let (sign, name) = label.split_at(label.find(&key).map_or(0, |at| at + key.len()));
            left.spans.push(canvas.span(sign, Role::Key));
            left.spans.push(canvas.span(name, Role::Hint));
        }
        let width = u16::try_from(left.width()).unwrap_or(0) - from;
        canvas.target(Rect { x: area.x + from, width, ..area }, Target::Do(Action::Screen(screen)));
    }
}

//! The bottom line: only the keys that have an effect in the current state, and only whole words.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::canvas::{Canvas, bottom};
use super::theme::Role;
use crate::app::{Target, hints};
use crate::text;

pub fn render(canvas: &mut Canvas, screen: Rect) {
    let area = bottom(screen, 1);
    canvas.clear(area);
    let mut spans = Vec::new();
    let mut left = usize::from(area.width).saturating_sub(1);
    for (action, key, does) in hints::footer(canvas.app) {
        let needed = 1 + text::width(&key) + 1 + text::width(does) + 1;
        if needed > left {
            continue;
        }
        let (x, width) = (usize::from(area.width).saturating_sub(1) - left, needed);
        let cells = |n: usize| u16::try_from(n).unwrap_or(0);
        canvas.target(Rect { x: area.x + cells(x), width: cells(width), ..area }, Target::Do(action));
        left -= needed;
        spans.push(canvas.span(format!(" {key}"), Role::Key));
        spans.push(canvas.span(format!(" {does} "), Role::Plain));
    }
    canvas.line(area, Line::from(spans));
}

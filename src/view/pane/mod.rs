//! The pictures of the panes, each in a file of the same name as the pane's under `app/pane/`.

mod activity;
mod call;
mod clock;
mod connect;
mod drill;
mod inspect;
pub mod issue;
mod issuers;
mod keys;
mod kit;
mod matrix;
mod policy;
pub mod server;
mod targets;
mod timeline;
mod tokens;
mod traffic;
mod who;
pub mod why;

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::app::Pane;

/// Draws the content of a pane's frame.
pub fn render(canvas: &mut Canvas, pane: Pane, area: Rect) {
    match pane {
        Pane::Issue => issue::render(canvas, area),
        Pane::Tokens => tokens::render(canvas, area),
        Pane::Inspect => inspect::render(canvas, area),
        Pane::Call => call::render(canvas, area),
        Pane::Activity => activity::render(canvas, area),
        Pane::Matrix => matrix::render(canvas, area),
        Pane::Policy => policy::render(canvas, area),
        Pane::Who => who::render(canvas, area),
        Pane::Timeline => timeline::render(canvas, area),
        Pane::Clock => clock::render(canvas, area),
        Pane::Drill => drill::render(canvas, area),
        Pane::Kit => kit::render(canvas, area),
        Pane::Server => server::render(canvas, area),
        Pane::Traffic => traffic::render(canvas, area),
        Pane::Connect => connect::render(canvas, area),
        Pane::Issuers => issuers::render(canvas, area),
        Pane::Keys => keys::render(canvas, area),
        Pane::Targets => targets::render(canvas, area),
        Pane::Why => why::render(canvas, area),
    }
}

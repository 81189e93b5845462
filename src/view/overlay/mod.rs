//! The pictures of the overlays.

mod answer;
mod detail;
mod diff;
mod help;
mod issuer;
mod material;
mod palette;
mod prompt;
mod settings;
mod token;

pub use answer::styled;

use super::canvas::Canvas;
use crate::app::overlay::Overlay;

/// Draws an overlay over everything drawn so far.
pub fn render(canvas: &mut Canvas, overlay: &Overlay) {
    match overlay {
        Overlay::Help { scroll } => help::render(canvas, *scroll),
        Overlay::Palette(palette) => palette::render(canvas, palette),
        Overlay::Settings(form) => settings::render(canvas, form),
        Overlay::Detail { seq, scroll } => detail::render(canvas, *seq, *scroll),
        Overlay::Token { scroll, is_whole } => token::render(canvas, *scroll, *is_whole),
        Overlay::Answer(view) => answer::render(canvas, view),
        Overlay::Diff { with, scroll, rows } => diff::render(canvas, *with, rows, *scroll),
        Overlay::Material { material, offer, scroll } => material::render(canvas, material, offer, *scroll),
        Overlay::Issuer(form) => issuer::render(canvas, form),
        Overlay::KeyPrompt(prompt) => prompt::render_key(canvas, prompt),
        Overlay::Line(form) => prompt::render_line(canvas, form),
        Overlay::Confirm(question) => prompt::render_question(canvas, question),
    }
}

//! The Inspect pane: the selected token's contents, and the results of the checks.

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::App;
use crate::app::action::Action;
use crate::app::clipboard::ClipSource;
use crate::app::list::{moved, next_of};
use crate::app::overlay::Overlay;
use crate::text;

/// The choice of the token's view.
pub const VIEW: Field = Field::new(Pane::Inspect, 0);

/// How many columns the title beside the note takes.
const TITLE: usize = 15;

/// How many rows Page Up and Page Down scroll.
const PAGE: isize = 10;

pub(super) static PLACE: Place = Place {
    title: "Inspect",
    letter: 's',
    help: "The selected token's header and claims, and the result of each check: ✔ passed, ✘ failed, – not checked. Paste a token anywhere to inspect it here.",
    controls: &[Control::new(VIEW, "show").turn(|_| Some("change view"), turn_view).row(|_| Some("scroll"), scroll)],
    note,
    act: Some(Act {
        hint: |app| app.inspection.as_ref().map(|_| "details"),
        run: |app| {
            if app.inspection.is_some() {
                app.overlays.push(Overlay::Token { scroll: 0, is_whole: false });
            }
            Vec::new()
        },
    }),
    page: Some(Move { hint: |_| None, by: |app, by| scroll(app, by.saturating_mul(PAGE)) }),
    wheel: Some(scroll),
    offers: &[(Action::Diff, App::compare_hint)],
    copy: ClipSource::TOKEN,
    why: ClipSource::TOKENS_WHY,
    ..Place::DEFAULT
};

/// The state of the Inspect pane.
#[derive(Clone, Debug, Default)]
pub struct InspectPane {
    /// The current view.
    pub view: InspectView,
    /// How many rows are scrolled past.
    pub scroll: usize,
    /// The search text in lower case: only claims that contain it are shown.
    pub find: String,
}

/// A view of the Inspect pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words below say it")]
pub enum InspectView {
    #[default]
    Claims,
    Raw,
    Checks,
}

impl InspectView {
    /// Every view, in the order in which → selects them.
    const ALL: [Self; 3] = [Self::Claims, Self::Raw, Self::Checks];

    /// Returns the word shown for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::Raw => "raw JSON",
            Self::Checks => "checks",
        }
    }
}

fn note(app: &App, columns: usize) -> String {
    app.selected().map_or_else(String::new, |entry| {
        let name = text::fit(&app.token_name(entry), 24);
        let short = format!("{name} · {}", entry.provenance.words());
        let long = format!("{short} · {}", entry.id);
        if text::width(&long) + TITLE <= columns { long } else { short }
    })
}

fn turn_view(app: &mut App, by: isize) {
    (app.inspect.view, app.inspect.scroll) = (next_of(&InspectView::ALL, &app.inspect.view, by), 0);
}

fn scroll(app: &mut App, by: isize) {
    app.inspect.scroll = moved(app.inspect.scroll, by, app.drawn.ends.get(VIEW) + 1);
}

//! The Why pane: the explanation of the last answer of the selected target.

use super::{Act, Control, Field, Move, Pane, Place};
use crate::app::App;
use crate::app::clipboard::{Clip, ClipSource, EXPLANATION};
use crate::app::focus::Focus;
use crate::app::list::moved;
use crate::app::targets::Explained;
use crate::auth::TokenId;
use crate::observe::Why;
use crate::text;

/// The explanation.
pub const VIEW: Field = Field::new(Pane::Why, 0);

/// How many rows Page Up and Page Down scroll.
const PAGE: isize = 8;

/// The explanation, to copy.
const COPY: ClipSource = ClipSource {
    hint: |app| app.explanation().map(|_| "copy why"),
    clip: |app| app.explanation().map(|why| Clip::new(&why.explanation(), EXPLANATION)),
};

pub(super) static PLACE: Place = Place {
    title: "Why",
    letter: 'b',
    help: "Why the selected server answered as it did: its verdict, the most probable reason, what the token has, what the server needs, and what to ask for. \"Most likely\" marks a conclusion that the server does not state. Our prediction is shown where it differs. The title names what the answer was to: connecting, or a call.",
    controls: &[Control::new(VIEW, "why").row(|_| Some("scroll"), scroll)],
    note: |app, _| match (app.target_name(), app.about_explained()) {
        (Some(name), Some(about)) => format!("{name} · {about}"),
        (name, _) => name.unwrap_or_default(),
    },
    act: Some(Act {
        hint: |_| Some("call"),
        run: |app| {
            app.go(Focus::entering(Pane::Call));
            Vec::new()
        },
    }),
    page: Some(Move { hint: |_| None, by: |app, by| scroll(app, by.saturating_mul(PAGE)) }),
    wheel: Some(scroll),
    copy: COPY,
    why: COPY,
    ..Place::DEFAULT
};

/// The state of the Why pane.
#[derive(Clone, Copy, Debug, Default)]
pub struct WhyPane {
    /// How many rows are scrolled past.
    pub scroll: usize,
}

fn scroll(app: &mut App, by: isize) {
    app.why.scroll = moved(app.why.scroll, by, app.drawn.ends.get(VIEW) + 1);
}

impl App {
    /// Returns what the explained answer was to, for the title.
    fn about_explained(&self) -> Option<String> {
        let target = self.target().filter(|target| target.why.is_some())?;
        let with = |token: &Option<TokenId>| match token {
            None => text::NO_TOKEN.to_owned(),
            Some(id) => {
                let entry = self.auth.tokens.iter().find(|entry| entry.id == *id);
                entry.map_or_else(|| id.to_string(), |entry| self.token_name(entry))
            }
        };
        Some(match &target.explained {
            Explained::Connection => "connecting".to_owned(),
            Explained::Call { tool, token } => format!("{} with {}", text::name(tool, 32), with(token)),
            Explained::Round { tool, token } => {
                format!("{} with every token, last {}", text::name(tool, 32), with(token))
            }
        })
    }

    /// The explanation of the last answer of the selected target.
    pub fn explanation(&self) -> Option<&Why> {
        self.target()?.why.as_deref()
    }
}

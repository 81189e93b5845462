//! The texts that Ctrl-Y and Ctrl-X copy. Each pane names its sources; sources shared by several panes are here.

use std::{fmt, io};

use zeroize::Zeroizing;

use super::msg::CopyDestination;
use super::overlay::Overlay;
use super::{App, Effect};
use crate::auth::explain::{explain_decision, explain_inspection};
use crate::text;

/// A text for the clipboard. It may hold a token, so it has no `Debug`.
pub struct Clip {
    /// The text.
    pub text: String,
    /// A noun for the text, used in the message.
    pub what: String,
}

impl Clip {
    pub(super) fn new(text: &(impl fmt::Display + ?Sized), what: impl Into<String>) -> Self {
        Self { text: text.to_string(), what: what.into() }
    }
}

/// Something that can be copied.
#[derive(Clone, Copy)]
pub struct ClipSource {
    /// The word in the footer; `None` while there is nothing to copy. It is cheaper than building the text.
    pub hint: fn(&App) -> Option<&'static str>,
    /// The text; `None` exactly when the hint is `None`.
    pub clip: fn(&App) -> Option<Clip>,
}

impl ClipSource {
    /// A source without a text.
    pub(super) const NONE: Self = Self { hint: |_| None, clip: |_| None };

    /// The selected token.
    pub(super) const TOKEN: Self = Self {
        hint: |app| app.selected().and_then(|entry| entry.text()).map(|_| "copy token"),
        clip: |app| app.selected().and_then(|entry| Some(Clip::new(entry.text()?, format!("token {}", entry.id)))),
    };

    /// The explanation of the selected token's status.
    pub(super) const TOKENS_WHY: Self = Self {
        hint: |app| app.inspection.as_ref().map(|_| "copy why"),
        clip: |app| {
            let (rules, now) = (&app.auth.rules, app.times.judged);
            app.inspection.as_ref().map(|shown| Clip::new(&explain_inspection(shown, rules, now), EXPLANATION))
        },
    };

    /// The answer to the last call made from the console.
    pub(super) const LAST_ANSWER: Self = Self {
        hint: |app| app.shown_call()?.called.as_ref().map(|_| "copy last answer"),
        clip: |app| {
            let called = app.shown_call()?.called.as_ref()?;
            Some(Clip::new(&called.json(), "the answer"))
        },
    };

    /// The explanation of the preview of the call in the form.
    pub(super) const PREVIEWS_WHY: Self = Self {
        hint: |_| Some("copy why"),
        clip: |app| {
            let id = app.selected().map(|entry| entry.id);
            let when = format!("judged for {}", app.times.judged.rfc3339());
            let asked = format!("tool {}", text::name(&app.call.tool, 64));
            let decision = app.preview();
            let judged = app.selected().map(|entry| &*entry.judged);
            let mut text = explain_decision(&decision, judged, id, &asked, &when);
            for reason in app.preview_also(&decision) {
                text.finding(format_args!("also: {reason}"));
            }
            Some(Clip::new(&text, EXPLANATION))
        },
    };

    /// The server's address.
    pub(super) const ADDRESS: Self =
        Self { hint: |_| Some("copy address"), clip: |app| Some(Clip::new(&app.endpoint(), "the address")) };
}

/// The noun for a copied explanation.
pub(super) const EXPLANATION: &str = "the explanation";

impl App {
    pub(super) fn copy(&mut self) -> Vec<Effect> {
        let source = match self.overlays.last() {
            Some(Overlay::Answer(_)) => ClipSource::LAST_ANSWER,
            _ => self.focus.pane.place().copy,
        };
        let clip = (source.clip)(self);
        self.put(clip)
    }

    pub(super) fn copy_why(&mut self) -> Vec<Effect> {
        let clip = (self.focus.pane.place().why.clip)(self);
        self.put(clip)
    }

    pub(super) fn put(&mut self, clip: Option<Clip>) -> Vec<Effect> {
        let Some(Clip { text, what }) = clip else {
            self.complain("nothing to copy here yet");
            return Vec::new();
        };
        vec![Effect::Copy { text: text.into(), what }]
    }

    /// Handles the result of a copy: reports the destination, and sends the text to the terminal if it goes there.
    pub(super) fn copied(
        &mut self,
        what: &str,
        result: io::Result<CopyDestination>,
        rest: Option<Zeroizing<String>>,
    ) -> Vec<Effect> {
        match result {
            Ok(CopyDestination::Terminal { is_known: true }) => {
                self.say(format!("Copied {what} to the terminal's clipboard."));
            }
            Ok(CopyDestination::Terminal { is_known: false }) => {
                self.say(format!("Sent {what} to the terminal (OSC 52). Not every terminal accepts it."));
            }
            Ok(CopyDestination::Tmux { reaches_terminal: true }) => {
                self.say(format!("Copied {what} to the tmux buffer and, through tmux, to the terminal's clipboard."));
            }
            Ok(CopyDestination::Tmux { reaches_terminal: false }) => {
                self.say(format!("Copied {what} to the tmux buffer only; paste it with prefix ]"));
            }
            Ok(CopyDestination::Program(name)) => self.say(format!("Copied {what} to the clipboard with {name}.")),
            Ok(CopyDestination::File(path)) => {
                self.say(format!("No clipboard here. Saved {what} to {}", text::name(&path, 200)));
            }
            Err(error) => self.complain(format!("cannot copy {what}: {}", text::display_safe(&error.to_string(), 200))),
        }
        rest.map(Effect::ToTerminal).into_iter().collect()
    }
}

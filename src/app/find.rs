//! Finding in what a pane lists: `/` asks for a text, and Enter goes to the next row that contains it. In Inspect the claims
//! that do not contain it are left out, until Esc or an empty text.

use super::App;
use super::overlay::{LineForm, LinePurpose, Overlay};
use super::pane::Pane;
use crate::text;

impl App {
    /// Whether the focused pane lists something to find.
    pub(super) fn can_find(&self) -> bool {
        matches!(self.focus.pane, Pane::Inspect | Pane::Tokens | Pane::Activity | Pane::Matrix | Pane::Timeline)
    }

    pub(super) fn ask_what_to_find(&mut self) {
        if let Some(Overlay::Answer(view)) = self.overlays.last() {
            let form = LineForm::new(LinePurpose::Find, &view.wanted);
            return self.overlays.push(Overlay::Line(Box::new(form)));
        }
        let last = match self.focus.pane {
            Pane::Inspect => self.inspect.find.clone(),
            _ if self.can_find() => String::new(),
            pane => {
                let tokens = Pane::Tokens.place().letter;
                return self.complain(format!("{} lists nothing to find; press {tokens} for Tokens", pane.title()));
            }
        };
        self.overlays.push(Overlay::Line(Box::new(LineForm::new(LinePurpose::Find, &last))));
    }

    /// Whether the focused pane leaves claims out; Esc shows them again.
    pub(super) fn is_filtered(&self) -> bool {
        self.focus.pane == Pane::Inspect && !self.inspect.find.is_empty()
    }

    pub(super) fn find(&mut self, line: &str) {
        let wanted = line.to_lowercase();
        let shown = text::name(line, 40);
        if let Some(Overlay::Answer(view)) = self.overlays.last_mut() {
            if !wanted.is_empty() && !view.find(&wanted) {
                self.complain(format!("not found: {shown}"));
            }
            return;
        }
        if self.focus.pane == Pane::Inspect {
            self.inspect.find = wanted;
            self.inspect.scroll = 0;
            return;
        }
        if wanted.is_empty() {
            return;
        }
        let found = match self.focus.pane {
            Pane::Activity => self.find_call(&wanted),
            _ => self.find_token(&wanted),
        };
        if !found {
            self.complain(format!("not found: {shown}"));
        }
    }

    /// Selects the next token whose name, permissions or ID contain the text.
    fn find_token(&mut self, wanted: &str) -> bool {
        let count = self.auth.tokens.len();
        let first = self.selected_row();
        let row = (0..count).map(|n| (first + n) % count + 1).find(|row| {
            self.auth.tokens.get(row - 1).is_some_and(|entry| {
                let permissions = entry.judged.permissions.join(" ");
                let text = format!("{} {permissions} {}", self.token_name(entry), entry.id);
                text.to_lowercase().contains(wanted)
            })
        });
        row.inspect(|row| self.choose_token(*row)).is_some()
    }

    /// Selects the next older call whose caller, tool, answer or reason contains the text.
    fn find_call(&mut self, wanted: &str) -> bool {
        let count = self.auth.activity.len();
        let first = self.activity_place();
        let place = (1..=count).map(|n| (first + n) % count).find(|place| {
            self.auth.activity.nth_newest(*place).is_some_and(|record| {
                let who = record.answered.subject().unwrap_or_default();
                let text = format!("{who} {} {} {}", record.tool, record.answered.word(), record.why());
                text.to_lowercase().contains(wanted)
            })
        });
        let seq = place.and_then(|place| self.auth.activity.nth_newest(place)).map(|record| record.seq);
        self.activity.selected = seq.or(self.activity.selected);
        seq.is_some()
    }
}

//! What can be copied, and what is said about it.

use super::{App, Effect, Pane};
use crate::auth::explain::{explain_decision, explain_inspection};
use crate::gate::activity::explain_record;
use crate::lab::evidence::{card_markdown, drill_markdown};

impl App {
    /// What Ctrl-Y copies here, as the footer says it.
    pub fn copy_what(&self) -> Option<&'static str> {
        match self.focus.pane {
            Pane::Issue | Pane::Tokens | Pane::Inspect | Pane::Timeline | Pane::Clock => {
                self.selected().map(|_| "copy token")
            }
            Pane::Call | Pane::Matrix | Pane::Policy | Pane::Who => {
                self.last_call.as_ref().and_then(|last| last.called.as_ref()).map(|_| "copy last answer")
            }
            Pane::Drill => self.drill.found.as_ref().map(|_| "copy report"),
            Pane::Kit => self.kit.card.as_ref().map(|_| "copy scorecard"),
            Pane::Server | Pane::Traffic => Some("copy address"),
            Pane::Connect => Some("copy for client"),
            Pane::Activity => self.activity_row().map(|_| "copy answer"),
        }
    }

    /// Whether there is something here to explain.
    pub fn explains(&self) -> bool {
        match self.focus.pane {
            Pane::Issue | Pane::Tokens | Pane::Inspect | Pane::Timeline | Pane::Clock => self.inspection.is_some(),
            Pane::Call | Pane::Matrix | Pane::Policy | Pane::Who => true,
            Pane::Drill | Pane::Kit | Pane::Server | Pane::Traffic | Pane::Connect => false,
            Pane::Activity => self.activity_row().is_some(),
        }
    }

    pub(super) fn copy(&mut self) -> Vec<Effect> {
        let copied = match self.focus.pane {
            Pane::Issue | Pane::Tokens | Pane::Inspect | Pane::Timeline | Pane::Clock => {
                self.selected().map(|entry| (entry.text.to_string(), format!("token {}", entry.id)))
            }
            Pane::Call | Pane::Matrix | Pane::Policy | Pane::Who => self
                .last_call
                .as_ref()
                .and_then(|last| last.called.as_ref())
                .map(|called| (called.outcome.answer().to_string(), "answer".to_owned())),
            Pane::Drill => self.drill.found.as_ref().map(|found| (drill_markdown(found), "report".to_owned())),
            Pane::Kit => self.kit.card.as_ref().map(|card| (card_markdown(card), "scorecard".to_owned())),
            Pane::Server | Pane::Traffic => Some((self.endpoint(), "address".to_owned())),
            Pane::Connect => return self.copy_for_client(),
            Pane::Activity => self.activity_row().map(|record| (record.answer.to_string(), "answer".to_owned())),
        };
        self.put(copied)
    }

    pub(super) fn copy_why(&mut self) -> Vec<Effect> {
        let text = match self.focus.pane {
            Pane::Issue | Pane::Tokens | Pane::Inspect | Pane::Timeline | Pane::Clock => {
                let now = self.times.judged;
                self.inspection
                    .as_ref()
                    .map(|inspection| explain_inspection(inspection, &self.auth.rules, now).to_string())
            }
            Pane::Call | Pane::Matrix | Pane::Policy | Pane::Who => {
                let id = self.selected().map(|entry| entry.id);
                let when = format!("judged for {}", self.times.judged.rfc3339());
                Some(explain_decision(&self.preview(), id, &self.call.tool, &when).to_string())
            }
            Pane::Drill | Pane::Kit | Pane::Server | Pane::Traffic | Pane::Connect => None,
            Pane::Activity => self.activity_row().map(|record| explain_record(record).to_string()),
        };
        self.put(text.map(|text| (text, "explanation".to_owned())))
    }

    /// What the chosen client is told, with the whole token.
    pub(super) fn copy_for_client(&mut self) -> Vec<Effect> {
        let token = self.selected().map(|entry| entry.text.clone());
        let told = self.told_client(token.as_deref());
        let what = format!("what {} needs, with the token,", self.server.kind.word());
        self.put(Some((told, what)))
    }

    pub(super) fn put(&mut self, copied: Option<(String, String)>) -> Vec<Effect> {
        let Some((text, what)) = copied else {
            self.complain("there is nothing to copy here yet");
            return Vec::new();
        };
        self.say(format!("{what} sent to the terminal's clipboard (OSC 52)"));
        vec![Effect::Copy { text, what }]
    }
}

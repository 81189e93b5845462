//! Explains an answer with what can be found out about the server.

use super::{Place, Target, describes, fetch_metadata};
use crate::auth::{Decision, Inspection, NumericDate, Rules};
use crate::observe::{Observation, Observed, Question, Reply, Unseen, Visibility, Why};
use crate::text::material::Metadata;

/// A request to explain: of the handshake, the list, or a call.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// The target.
    pub target: &'a Target,
    /// The token that was sent.
    pub token: Option<&'a Inspection>,
    /// The rules here.
    pub rules: &'a Rules,
    /// Our decision about the same call, if there is one.
    pub prediction: Option<&'a Decision>,
    /// The tool, if one was called.
    pub tool: Option<&'a str>,
    /// The answer.
    pub reply: &'a Reply,
    /// Whether the tool exists.
    pub visibility: Option<Visibility>,
    /// Our clock when the answer arrived.
    pub now: NumericDate,
}

impl Exchange<'_> {
    /// Explains the answer with the server's [metadata](Self::metadata).
    pub async fn explain(&self) -> Why {
        self.explain_with(self.metadata().await.as_ref())
    }

    /// Fetches the server's metadata if the answer is about the token.
    pub async fn metadata(&self) -> Option<Metadata> {
        let observation = Observation::of(self.reply);
        match observation.observed() {
            Observed::Refused | Observed::Forbidden => {
                fetch_metadata(self.target, observation.resource_metadata.as_deref()).await
            }
            _ => None,
        }
    }

    /// Explains the answer with these metadata of the server.
    pub fn explain_with(&self, metadata: Option<&Metadata>) -> Why {
        let observation = Observation::of(self.reply);
        let url = match &self.target.place {
            Place::Http(url) => Some(url.as_str()),
            Place::Command(_) => None,
        };
        Why::explain(&Question {
            unseen: (self.token.is_none() && self.target.brings_credentials()).then_some(Unseen::Elsewhere),
            observation: &observation,
            token: self.token,
            rules: self.rules,
            tool: self.tool,
            prediction: self.prediction,
            metadata,
            is_described: metadata.is_some_and(|metadata| describes(metadata, self.target)),
            url,
            visibility: self.visibility,
            now: self.now,
        })
    }
}

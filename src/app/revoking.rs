//! Revoking tokens, and taking it back.

use super::history::Step;
use super::{App, Effect};
use crate::auth::revocations::{Revoked, Since};
use crate::auth::{Reason, TokenId};
use crate::gate::TokenEntry;

impl App {
    /// Whether the selected token is revoked; `None` where none is selected.
    pub fn is_revoked(&self) -> Option<bool> {
        self.selected().map(|entry| self.revocation(entry).is_some())
    }

    /// What has to be taken back for a token to count again: it was revoked itself, or its `jti` was.
    fn revocation(&self, entry: &TokenEntry) -> Option<Revoked> {
        match self.auth.rules.revoked.check(&entry.text, entry.judged.jti.as_deref()) {
            Err(Reason::Revoked { jti: Some(jti), .. }) => Some(Revoked::Jti(jti)),
            Err(_) => Some(Revoked::Token(TokenId::of(&entry.text))),
            Ok(()) => None,
        }
    }

    /// Revokes the selected token, or takes that back.
    pub(super) fn revoke_or_restore(&mut self) -> Vec<Effect> {
        let Some(entry) = self.selected() else {
            self.complain("select a token to revoke");
            return Vec::new();
        };
        let name = self.token_name(entry);
        let user = entry.judged.name.as_deref().map(Into::into);
        let since = Since { at: self.times.real, until: entry.judged.lifetime.exp, user };
        let token = || Revoked::Token(TokenId::of(&entry.text));
        let (what, since) = self.revocation(entry).map_or_else(|| (token(), Some(since)), |what| (what, None));
        self.say(match (&since, self.keeps_revocations) {
            (None, _) => format!("{name} counts again"),
            (Some(_), false) => format!("{name} is revoked until the console ends; --state FILE would keep it"),
            (Some(_), true) => format!("{name} is revoked"),
        });
        self.history.push(Step::Revoked(what.clone(), self.auth.rules.revoked.get(&what).cloned()));
        vec![Effect::SetRevoked { what, since }]
    }
}

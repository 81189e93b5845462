//! Revoking and restoring tokens.

use super::history::Step;
use super::{App, Effect};
use crate::auth::revocations::{Revocation, RevocationTarget};
use crate::auth::{Reason, TokenId};
use crate::gate::TokenEntry;

impl App {
    /// Whether the selected token is revoked; `None` if no token is selected.
    pub fn is_revoked(&self) -> Option<bool> {
        self.selected().map(|entry| self.revocation(entry).is_some())
    }

    /// Returns the revocation that restoring a token has to remove: of the token itself, or of its `jti`.
    fn revocation(&self, entry: &TokenEntry) -> Option<RevocationTarget> {
        match self.auth.rules.revoked.check_id(entry.id, entry.judged.jti.as_deref()) {
            Err(Reason::Revoked { jti: Some(jti), .. }) => Some(RevocationTarget::Jti(jti)),
            Err(_) => Some(RevocationTarget::Token(entry.id)),
            Ok(()) => None,
        }
    }

    /// Selects a token by the ID that a client or a row of the log has. Returns whether it is in the list, and reports
    /// it if not.
    pub(super) fn select_by_id(&mut self, id: Option<TokenId>) -> bool {
        let known = id.and_then(|id| self.auth.tokens.iter().find(|entry| entry.id == id)).map(|entry| entry.number);
        match (known, id) {
            (Some(number), _) => {
                self.selected = Some(number);
                self.refresh();
            }
            (None, Some(id)) => self.complain(format!("its token {id} is not in the list")),
            (None, None) => self.complain("this request had no token"),
        }
        known.is_some()
    }

    /// Selects the token with this ID, and revokes or restores it.
    pub(super) fn revoke_by_id(&mut self, id: Option<TokenId>) -> Vec<Effect> {
        if self.select_by_id(id) { self.revoke_or_restore() } else { Vec::new() }
    }

    /// Returns the footer's word for revoking or restoring the token with this ID.
    pub(super) fn revoke_hint(&self, id: Option<TokenId>) -> Option<&'static str> {
        let entry = self.auth.tokens.iter().find(|entry| Some(entry.id) == id)?;
        Some(if self.revocation(entry).is_some() { "restore" } else { "revoke" })
    }

    /// Revokes the selected token, or restores it if it is revoked.
    pub(super) fn revoke_or_restore(&mut self) -> Vec<Effect> {
        let Some(entry) = self.selected() else {
            self.complain("select a token to revoke");
            return Vec::new();
        };
        let name = self.token_name(entry);
        let user = entry.judged.name.as_deref().map(Into::into);
        let since = Revocation { at: self.times.real, until: entry.judged.lifetime.exp, user };
        let token = || RevocationTarget::Token(entry.id);
        let (what, since) = self.revocation(entry).map_or_else(|| (token(), Some(since)), |what| (what, None));
        self.say(match (&since, self.keeps_revocations) {
            (None, _) => format!("{name} restored"),
            (Some(_), false) => format!("{name} revoked until the console exits; --state FILE stores revocations"),
            (Some(_), true) => format!("{name} revoked"),
        });
        self.history.push(Step::Revoked(what.clone(), self.auth.rules.revoked.get(&what).cloned()));
        vec![Effect::SetRevoked { what, since }]
    }
}

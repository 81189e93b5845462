//! The shared state: rules, tokens and activity, with a revision that grows with every change; and the copy that the
//! console draws from.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::activity::{Activity, Record};
use super::health::Health;
use super::ports::Catalogue;
use super::traffic::{self, Traffic};
use crate::auth::{Evaluation, NumericDate, Policy, Principal, Revocations, Rules, Signer, TokenId};

/// The provenance of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Signed by this process.
    Issued,
    /// Pasted by the user.
    Pasted,
    /// Made to see what the gate says to it.
    Test,
    /// A client of the server uses it.
    Used,
}

impl Provenance {
    /// The words shown.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Issued => "issued here",
            Self::Pasted => "pasted",
            Self::Test => "test token",
            Self::Used => "used by a client",
        }
    }
}

/// The known parts of a token.
#[derive(Clone)]
pub enum KnownToken {
    /// Its text. Shown only on request; never logged.
    Text(Arc<str>),
    /// Its hash and its principal: it belongs to a client, and must not be readable here.
    Principal(Arc<Principal>),
}

/// A token of the list.
#[derive(Clone)]
pub struct TokenEntry {
    /// Its number, counted from 1; never used twice.
    pub number: u64,
    /// Its known parts.
    pub known: KnownToken,
    /// Its ID.
    pub id: TokenId,
    /// Its provenance.
    pub provenance: Provenance,
    /// The user's label for it.
    pub label: Option<Arc<str>>,
    /// When it was added.
    pub added: NumericDate,
    /// Its evaluation under the current rules.
    pub judged: Arc<Evaluation>,
}

impl fmt::Debug for AuthState {
    /// Without its tokens, which must not reach a report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthState")
            .field("rules", &self.rules)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl TokenEntry {
    /// The token itself, where it is known.
    pub fn text(&self) -> Option<&Arc<str>> {
        match &self.known {
            KnownToken::Text(text) => Some(text),
            KnownToken::Principal(_) => None,
        }
    }
}

impl KnownToken {
    fn judged(&self, rules: &Rules, id: TokenId) -> Arc<Evaluation> {
        Arc::new(match self {
            Self::Text(text) => rules.inspect(Arc::clone(text)).judged,
            Self::Principal(principal) => rules.judge_again(principal, id),
        })
    }
}

/// The most tokens of clients in the list; the oldest one is removed first.
const MOST_USED: usize = 64;

impl fmt::Debug for TokenEntry {
    /// By its name; the token itself must not reach a report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEntry").field("number", &self.number).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The state that decisions are based on, shared by the console and the server.
pub struct AuthState {
    rules: Arc<Rules>,
    signer: Option<Signer>,
    tools: Catalogue,
    tokens: Arc<Vec<TokenEntry>>,
    /// The number of each token held; a paste may bring a thousand, and each is looked up.
    numbers: HashMap<TokenId, u64>,
    activity: Activity,
    traffic: Arc<Traffic>,
    health: Health,
    revision: u64,
    last_number: u64,
}

impl AuthState {
    /// A state with these rules, this signer and these tools, and without tokens and calls.
    pub fn new(rules: Rules, signer: Option<Signer>, tools: Catalogue) -> Self {
        Self {
            rules: Arc::new(rules),
            signer,
            tools,
            tokens: Arc::default(),
            numbers: HashMap::new(),
            activity: Activity::default(),
            traffic: Arc::default(),
            health: Health::default(),
            revision: 0,
            last_number: 0,
        }
    }

    /// The rules to decide on.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The key that signs issued tokens; without one, none can be issued.
    pub fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// The tools that calls can reach.
    pub fn tools(&self) -> &Catalogue {
        &self.tools
    }

    /// The tokens held, in the order in which they came.
    pub fn tokens(&self) -> &[TokenEntry] {
        &self.tokens
    }

    /// The log of calls.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// The server's traffic.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Whether decisions are made on what they should be made on.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Changes the health.
    pub fn set_health(&mut self, change: impl FnOnce(&mut Health)) {
        let before = self.health.clone();
        change(&mut self.health);
        self.revision += u64::from(self.health != before);
    }

    /// Counts a request to the server.
    pub fn note(&mut self, request: &traffic::Request<'_>) {
        self.revision += 1;
        Arc::make_mut(&mut self.traffic).note(request);
        if let (Some(principal), Some(token)) = (request.principal, request.token) {
            self.see(principal, token, request.at);
        }
    }

    /// Counts a refusal by the protocol, of a request that was counted before.
    pub fn note_refusal(&mut self, code: &'static str) {
        self.revision += 1;
        Arc::make_mut(&mut self.traffic).refused(code);
    }

    /// Grows with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// New rules; every token is judged again.
    pub fn set_rules(&mut self, rules: Rules) {
        self.revision += 1;
        if !rules.has_keys_of(&self.rules) {
            // Their signatures would have to be checked again. A client that continues sends its token again.
            self.forget(|entry| entry.text().is_none());
        }
        for entry in Arc::make_mut(&mut self.tokens) {
            entry.judged = entry.known.judged(&rules, entry.id);
        }
        self.rules = Arc::new(rules);
    }

    /// Signs with this key from now on, and verifies our own tokens with it; every token is judged again.
    pub fn set_signer(&mut self, signer: Signer) {
        let rules = (*self.rules).clone().with_keys(&signer);
        self.signer = Some(signer);
        self.set_rules(rules);
    }

    /// The backend has other tools.
    pub fn set_tools(&mut self, tools: Catalogue) {
        self.revision += 1;
        self.tools = tools;
    }

    /// Sets the policy. It does not affect tokens, so none is judged again.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.revision += 1;
        self.rules = Arc::new(Rules { policy, ..(*self.rules).clone() });
    }

    /// Changes what is revoked; every token is judged again.
    pub fn set_revoked(&mut self, revoked: Revocations) {
        if *self.rules.revoked != revoked {
            self.set_rules(Rules { revoked: Arc::new(revoked), ..(*self.rules).clone() });
        }
    }

    /// Adds a token, unless it is there already; answers with its number and whether it is new.
    pub fn add(&mut self, text: impl Into<Arc<str>>, provenance: Provenance, now: NumericDate) -> (u64, bool) {
        let text = text.into();
        let id = TokenId::of(&text);
        let known = KnownToken::Text(text);
        let Some(number) = self.numbers.get(&id).copied() else {
            return (self.push(known, id, provenance, now), true);
        };
        // The text of a client's token is now known.
        let place = place(&self.tokens, number).ok();
        if let Some(entry) = place.and_then(|place| Arc::make_mut(&mut self.tokens).get_mut(place))
            && entry.text().is_none()
        {
            (entry.judged, entry.known, entry.provenance) = (known.judged(&self.rules, id), known, provenance);
            self.revision += 1;
        }
        (number, false)
    }

    /// Adds the token of a client, by its hash.
    fn see(&mut self, principal: &Arc<Principal>, id: TokenId, now: NumericDate) {
        if self.numbers.contains_key(&id) {
            return;
        }
        let used = |entry: &TokenEntry| entry.text().is_none();
        if self.tokens.iter().filter(|entry| used(entry)).count() >= MOST_USED
            && let Some(oldest) = self.tokens.iter().find(|entry| used(entry)).map(|entry| entry.id)
        {
            self.forget(|entry| entry.id == oldest);
        }
        self.push(KnownToken::Principal(Arc::clone(principal)), id, Provenance::Used, now);
    }

    fn push(&mut self, known: KnownToken, id: TokenId, provenance: Provenance, now: NumericDate) -> u64 {
        self.revision += 1;
        self.last_number += 1;
        self.numbers.insert(id, self.last_number);
        let judged = known.judged(&self.rules, id);
        let number = self.last_number;
        Arc::make_mut(&mut self.tokens).push(TokenEntry {
            number,
            known,
            id,
            provenance,
            label: None,
            added: now,
            judged,
        });
        number
    }

    fn forget(&mut self, is_it: impl Fn(&TokenEntry) -> bool) {
        if self.tokens.iter().any(&is_it) {
            let numbers = &mut self.numbers;
            Arc::make_mut(&mut self.tokens).retain(|entry| {
                let goes = is_it(entry);
                if goes {
                    numbers.remove(&entry.id);
                }
                !goes
            });
        }
    }

    /// Removes a token; answers with it, for [`AuthState::restore`].
    pub fn remove(&mut self, number: u64) -> Option<TokenEntry> {
        let place = place(&self.tokens, number).ok()?;
        self.revision += 1;
        let entry = Arc::make_mut(&mut self.tokens).remove(place);
        self.numbers.remove(&entry.id);
        Some(entry)
    }

    /// Restores a removed token to its place, judged by the current rules.
    pub fn restore(&mut self, mut entry: TokenEntry) {
        // The keys may have changed since a client's token was verified; its client sends it again.
        if self.numbers.contains_key(&entry.id) || entry.text().is_none() {
            return;
        }
        self.revision += 1;
        self.numbers.insert(entry.id, entry.number);
        entry.judged = entry.known.judged(&self.rules, entry.id);
        let (Ok(place) | Err(place)) = place(&self.tokens, entry.number);
        Arc::make_mut(&mut self.tokens).insert(place, entry);
    }

    /// Gives a token a label, or takes it away; answers with the one it had.
    pub fn label(&mut self, number: u64, label: Option<Arc<str>>) -> Option<Arc<str>> {
        let place = place(&self.tokens, number).ok()?;
        self.revision += 1;
        let entry = Arc::make_mut(&mut self.tokens).get_mut(place)?;
        std::mem::replace(&mut entry.label, label)
    }

    /// Limits the number of calls in the log, if older ones are never read.
    pub fn keep_calls(&mut self, most: usize) {
        self.activity.keep(most);
    }

    /// Logs a call.
    pub fn record(&mut self, record: Record) -> Arc<Record> {
        self.revision += 1;
        self.activity.push(record)
    }
}

/// Returns the index of the token with this number, or where it would be: tokens are sorted by number.
fn place(tokens: &[TokenEntry], number: u64) -> Result<usize, usize> {
    tokens.binary_search_by_key(&number, |entry| entry.number)
}

/// A copy to draw from, brought up to date at the cost of what is new.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The rules.
    pub rules: Arc<Rules>,
    /// The key that signs what is issued.
    pub signer: Option<Signer>,
    /// The tools that calls can reach.
    pub tools: Catalogue,
    /// The tokens, in the order in which they came.
    pub tokens: Arc<Vec<TokenEntry>>,
    /// The log of calls.
    pub activity: Activity,
    /// The server's traffic.
    pub traffic: Arc<Traffic>,
    /// Whether decisions are made on what they should be made on.
    pub health: Health,
    /// The revision copied.
    pub revision: u64,
    /// The rules and tokens before the last change of the rules; the reader takes them.
    pub before: Option<(Arc<Rules>, Arc<Vec<TokenEntry>>)>,
}

impl Snapshot {
    /// A copy of a state.
    pub fn of(state: &AuthState) -> Self {
        Self {
            rules: Arc::clone(&state.rules),
            signer: state.signer.clone(),
            tools: state.tools.clone(),
            tokens: Arc::clone(&state.tokens),
            activity: state.activity.clone(),
            traffic: Arc::clone(&state.traffic),
            health: state.health.clone(),
            revision: state.revision,
            before: None,
        }
    }

    /// The place of a token in the list.
    pub fn place(&self, number: u64) -> Option<usize> {
        place(&self.tokens, number).ok()
    }

    /// The token of a number.
    pub fn token(&self, number: u64) -> Option<&TokenEntry> {
        self.tokens.get(self.place(number)?)
    }

    /// Updates the copy; returns whether anything was new.
    pub fn follow(&mut self, state: &AuthState) -> bool {
        if self.revision == state.revision {
            return false;
        }
        if !Arc::ptr_eq(&self.rules, &state.rules) {
            self.before = Some((Arc::clone(&self.rules), Arc::clone(&self.tokens)));
        }
        self.rules = Arc::clone(&state.rules);
        self.signer.clone_from(&state.signer);
        self.tools.clone_from(&state.tools);
        self.tokens = Arc::clone(&state.tokens);
        self.activity.follow(&state.activity);
        self.traffic = Arc::clone(&state.traffic);
        self.health.clone_from(&state.health);
        self.revision = state.revision;
        true
    }
}

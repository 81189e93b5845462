//! The shared state: rules, tokens and activity, with a revision that increases with every change. Also the copy that
//! the console draws from.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::activity::{Activity, Record};
use super::health::Health;
use super::key_status::{KeyStatus, KeysFrom};
use super::ports::Catalogue;
use super::signal::{Listener, Signal};
use super::traffic::{self, Traffic};
use crate::auth::issuers::DuplicateIssuer;
use crate::auth::keys::{PreviousKeys, SigningKeys};
use crate::auth::{
    Evaluation, Issuer, KeySet, NumericDate, Policy, Principal, Reason, Revocations, Rules, Signer, TokenId, Verifier,
};

/// How a token came into the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Signed by this process.
    Issued,
    /// Pasted by the user.
    Pasted,
    /// Made to test the gate.
    Test,
    /// Used by a client of the server.
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

/// The known part of a token: its text, or only its principal.
#[derive(Clone)]
pub enum KnownToken {
    /// The text. It is shown only on request, and never logged.
    Text(Arc<str>),
    /// The principal; of the token, only the hash is known. It belongs to a client, and must not be readable here.
    Principal(Arc<Principal>),
}

/// A token in the list.
#[derive(Clone)]
pub struct TokenEntry {
    /// The token's number, counted from 1 and never reused.
    pub number: u64,
    /// Its text or its principal.
    pub known: KnownToken,
    /// Its ID.
    pub id: TokenId,
    /// How it came into the list.
    pub provenance: Provenance,
    /// The user's label for it.
    pub label: Option<Arc<str>>,
    /// When it was added.
    pub added: NumericDate,
    /// Its evaluation under the current rules.
    pub judged: Arc<Evaluation>,
}

impl fmt::Debug for AuthState {
    /// Omits the tokens, which must not appear in debug output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthState")
            .field("rules", &self.rules)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl TokenEntry {
    /// The text of the token, if it is known.
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
    /// Shows number and ID; the token itself must not appear in debug output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEntry").field("number", &self.number).field("id", &self.id).finish_non_exhaustive()
    }
}

/// An audience that is required of issuers that do not require one themselves.
struct DefaultAudience {
    audience: Arc<str>,
    /// The places of the issuers that got it; our own is at 0.
    places: Vec<usize>,
}

/// An accepted issuer besides our own, with the state of its keys.
#[derive(Clone, Debug)]
pub struct AcceptedIssuer {
    /// The issuer with its keys.
    pub issuer: Issuer,
    /// Where the keys come from, and their state.
    pub status: KeyStatus,
}

/// The state that decisions are based on, shared by the console and the server.
pub struct AuthState {
    rules: Arc<Rules>,
    signer: Option<Signer>,
    previous: Arc<PreviousKeys>,
    tools: Catalogue,
    tokens: Arc<Vec<TokenEntry>>,
    /// The number of each token in the list. A paste may contain a thousand tokens, and each is looked up.
    numbers: HashMap<TokenId, u64>,
    activity: Activity,
    traffic: Arc<Traffic>,
    health: Health,
    /// The state of the keys of issuers besides our own.
    issuer_keys: Arc<Vec<KeyStatus>>,
    /// The signals that wake the sources of issuers' keys, by the issuer's name.
    key_requests: Vec<(Option<Arc<str>>, Signal)>,
    /// The audiences that running servers require of issuers that do not require one.
    default_audiences: Vec<DefaultAudience>,
    revision: u64,
    last_number: u64,
}

impl AuthState {
    /// Creates a state with these rules, this signer and these tools, without tokens and calls.
    pub fn new(rules: Rules, signer: Option<Signer>, tools: Catalogue) -> Self {
        Self {
            rules: Arc::new(rules),
            signer,
            previous: Arc::default(),
            tools,
            tokens: Arc::default(),
            numbers: HashMap::new(),
            activity: Activity::default(),
            traffic: Arc::default(),
            health: Health::default(),
            issuer_keys: Arc::default(),
            key_requests: Vec::new(),
            default_audiences: Vec::new(),
            revision: 0,
            last_number: 0,
        }
    }

    /// The rules that decisions are based on.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The key that signs issued tokens; without one, tokens cannot be issued.
    pub fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// The tools that calls can reach.
    pub fn tools(&self) -> &Catalogue {
        &self.tools
    }

    /// The tokens in the list, in the order in which they were added.
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

    /// The state of the data that decisions are based on.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Changes the health, and the revision if it differs.
    pub fn set_health(&mut self, change: impl FnOnce(&mut Health)) {
        let before = self.health.clone();
        change(&mut self.health);
        self.revision += u64::from(self.health != before);
    }

    /// The issuers whose keys are read from a source, and the state of their keys.
    pub fn issuer_keys(&self) -> &Arc<Vec<KeyStatus>> {
        &self.issuer_keys
    }

    /// Sets the keys of the issuer that `status` names, and the state of these keys. Without such an issuer, only the
    /// state is set. If the rules have these keys already, no token is judged again.
    pub fn set_issuer_keys(&mut self, keys: &KeySet, status: KeyStatus) {
        let name = status.issuer.clone();
        self.set_key_status(status);
        let present = self.rules.issuers.of_name(name.as_deref());
        if present.is_some_and(|issuer| !issuer.keys.is(keys))
            && let Some(issuers) = self.rules.issuers.with_keys_of(name.as_deref(), keys.clone())
        {
            self.set_rules(Rules { issuers, ..(*self.rules).clone() });
        }
    }

    /// Sets the state of an issuer's keys for display.
    pub fn set_key_status(&mut self, status: KeyStatus) {
        self.revision += 1;
        let all = Arc::make_mut(&mut self.issuer_keys);
        match all.iter_mut().find(|known| known.issuer == status.issuer) {
            Some(known) => *known = status,
            None => all.push(status),
        }
    }

    /// Sets or removes an issuer besides our own, with the state of its keys; the name selects it. Every token is judged
    /// again. What followed the keys of this name before can no longer set them.
    pub fn set_issuer(
        &mut self,
        name: Option<&Arc<str>>,
        accepted: Option<AcceptedIssuer>,
    ) -> Result<(), DuplicateIssuer> {
        let present = &self.rules.issuers;
        let issuers = if let Some(AcceptedIssuer { issuer, .. }) = &accepted {
            let defaults = &mut self.default_audiences;
            let is_default = issuer.audiences.is_empty();
            // While a server runs, its audience is required of this issuer too.
            let audiences = match defaults.first().filter(|_| is_default) {
                Some(default) => [Arc::clone(&default.audience)].into(),
                None => Arc::clone(&issuer.audiences),
            };
            let issuer = Issuer { name: name.cloned(), audiences, ..issuer.clone() };
            let (issuers, place) = present.with_other(issuer)?;
            for default in defaults.iter_mut() {
                default.places.retain(|known| *known != place);
            }
            if let Some(default) = defaults.first_mut().filter(|_| is_default) {
                default.places.push(place);
            }
            issuers
        } else if let Some((issuers, place)) = present.without_other(name.map(|name| &**name)) {
            for default in &mut self.default_audiences {
                default.places.retain(|known| *known != place);
                for known in default.places.iter_mut().filter(|known| **known > place) {
                    *known -= 1;
                }
            }
            issuers
        } else {
            return Ok(());
        };
        self.key_requests.retain(|(known, _)| known.as_ref() != name);
        let all = Arc::make_mut(&mut self.issuer_keys);
        all.retain(|known| known.issuer.as_ref() != name);
        all.extend(accepted.map(|accepted| KeyStatus { issuer: name.cloned(), ..accepted.status }));
        self.set_rules(Rules { issuers, ..(*self.rules).clone() });
        Ok(())
    }

    /// Requires an audience of every issuer that does not require one, also of those that are added later, until
    /// [`AuthState::release_audience`].
    pub fn require_audience(&mut self, audience: &Arc<str>) {
        let all = self.rules.issuers.iter().enumerate();
        let places: Vec<usize> = all.filter(|(_, issuer)| issuer.audiences.is_empty()).map(|(n, _)| n).collect();
        if !places.is_empty() {
            self.set_rules((*self.rules).clone().with_default_audience(audience));
        }
        self.default_audiences.push(DefaultAudience { audience: Arc::clone(audience), places });
    }

    /// Removes the requirement of [`AuthState::require_audience`], except where the audience has been changed since.
    pub fn release_audience(&mut self, audience: &Arc<str>) {
        let Some(place) = self.default_audiences.iter().position(|default| default.audience == *audience) else {
            return;
        };
        let DefaultAudience { places, .. } = self.default_audiences.remove(place);
        if !places.is_empty() {
            self.set_rules((*self.rules).clone().without_audience(audience, &places));
        }
    }

    /// The places of the issuers whose audience is only that of a running server.
    fn default_places(&self) -> Vec<usize> {
        self.default_audiences.iter().flat_map(|default| default.places.iter().copied()).collect()
    }

    /// Whether this listener is still one of [`AuthState::key_requests`]: its issuer has not been replaced or removed.
    pub fn is_requested_by(&self, requests: &Listener) -> bool {
        self.key_requests.iter().any(|(_, signal)| signal.is_heard_by(requests))
    }

    /// Returns a listener, which is woken when newer keys of an issuer are requested.
    pub fn key_requests(&mut self, issuer: Option<Arc<str>>) -> Listener {
        if let Some((_, signal)) = self.key_requests.iter().find(|(known, _)| *known == issuer) {
            return signal.listen();
        }
        let signal = Signal::default();
        let requests = signal.listen();
        self.key_requests.push((issuer, signal));
        requests
    }

    /// Requests newer keys of the issuer that a token names, because its key is unknown. Does not wait; the source
    /// limits how often it reads.
    pub fn request_keys(&self, rules: &Rules, token: &str) {
        if self.key_requests.is_empty() {
            return;
        }
        if let Some(issuer) = rules.issuer_of(token) {
            self.request_keys_of(issuer.name.as_deref());
        }
    }

    /// Requests newer keys of an issuer. Does nothing for issuers without a source of keys.
    pub fn request_keys_of(&self, issuer: Option<&str>) {
        if let Some((_, signal)) = self.key_requests.iter().find(|(known, _)| known.as_deref() == issuer) {
            signal.raise();
        }
    }

    /// Counts a request to the server.
    pub fn note(&mut self, request: &traffic::Request<'_>) {
        self.revision += 1;
        Arc::make_mut(&mut self.traffic).note(request);
        if let (Some(principal), Some(token)) = (request.principal, request.token) {
            self.see(principal, token, request.at);
        }
    }

    /// Counts a refusal by the protocol, for a request that was counted already.
    pub fn note_refusal(&mut self, code: &'static str) {
        self.revision += 1;
        Arc::make_mut(&mut self.traffic).refused(code);
    }

    /// The revision, which increases with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Sets the rules. Every token is judged again.
    pub fn set_rules(&mut self, rules: Rules) {
        self.revision += 1;
        if !rules.has_keys_of(&self.rules) {
            // Their signatures would have to be checked again, but their text is unknown. Active clients send it again.
            self.forget(|entry| entry.text().is_none());
        }
        for entry in Arc::make_mut(&mut self.tokens) {
            entry.judged = entry.known.judged(&rules, entry.id);
        }
        self.rules = Arc::new(rules);
    }

    /// Sets the key that signs, and that alone verifies our own tokens. Every token is judged again.
    pub fn set_signer(&mut self, signer: Signer) {
        let rules = (*self.rules).clone().with_keys(&signer);
        self.signer = Some(signer);
        self.previous = Arc::default();
        self.set_rules(rules);
    }

    /// Whether tokens are signed and verified with these keys already.
    pub fn signs_with(&self, keys: &SigningKeys) -> bool {
        signs_with(self.signer.as_ref(), &self.rules, keys)
    }

    /// The previous keys of our own issuer, which still verify.
    pub fn previous_keys(&self) -> &Arc<PreviousKeys> {
        &self.previous
    }

    /// Marks these keys of our own issuer, which verify already, as previous ones.
    pub fn set_previous_keys(&mut self, keys: PreviousKeys) {
        self.revision += 1;
        self.previous = keys.into();
    }

    /// Makes these the keys that sign and verify our own tokens. The current ones still verify, until they are retired.
    /// Returns the previous key that no longer does, because there are too many.
    pub fn rotate(&mut self, keys: SigningKeys) -> Option<Verifier> {
        let known = &self.rules.issuers.own().keys;
        let current: Vec<Verifier> = known.iter().filter(|key| !self.previous.contains(key)).cloned().collect();
        let previous = Arc::make_mut(&mut self.previous);
        let dropped = previous.replace(&current, &keys);
        let all: KeySet = keys.verifiers().chain(previous.iter()).cloned().collect();
        self.signer = Some(keys.signer);
        self.set_rules((*self.rules).clone().with_keys(all));
        dropped
    }

    /// Retires a previous key: its tokens are refused from now on.
    pub fn retire_key(&mut self, verifier: &Verifier) {
        if Arc::make_mut(&mut self.previous).remove(verifier) {
            let keys = self.rules.issuers.own().keys.without(verifier);
            self.set_rules((*self.rules).clone().with_keys(keys));
        }
    }

    /// Sets the tools, after those of the backend changed.
    pub fn set_tools(&mut self, tools: Catalogue) {
        self.revision += 1;
        self.tools = tools;
    }

    /// Sets the policy. Tokens are not judged again, because their evaluation does not depend on it.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.revision += 1;
        self.rules = Arc::new(Rules { policy, ..(*self.rules).clone() });
    }

    /// Sets the revocations. Every token is judged again.
    pub fn set_revoked(&mut self, revoked: Revocations) {
        if *self.rules.revoked != revoked {
            self.set_rules(Rules { revoked: Arc::new(revoked), ..(*self.rules).clone() });
        }
    }

    /// Adds a token unless it is in the list already. Returns its number, and whether it is new.
    pub fn add(&mut self, text: impl Into<Arc<str>>, provenance: Provenance, now: NumericDate) -> (u64, bool) {
        let text = text.into();
        let id = TokenId::of(&text);
        let known = KnownToken::Text(Arc::clone(&text));
        let Some(number) = self.numbers.get(&id).copied() else {
            let number = self.push(known, id, provenance, now);
            let judged = self.tokens.last().map(|entry| entry.judged.status(now));
            if judged.is_some_and(|status| status.reason().is_some_and(Reason::may_be_new_key)) {
                self.request_keys(&self.rules, &text);
            }
            return (number, true);
        };
        // If it was known as the token of a client, its text is known from now on.
        let place = place(&self.tokens, number).ok();
        if let Some(entry) = place.and_then(|place| Arc::make_mut(&mut self.tokens).get_mut(place))
            && entry.text().is_none()
        {
            (entry.judged, entry.known, entry.provenance) = (known.judged(&self.rules, id), known, provenance);
            self.revision += 1;
        }
        (number, false)
    }

    /// Adds the token of a client by its hash.
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

    /// Removes a token and returns it, for [`AuthState::restore`].
    pub fn remove(&mut self, number: u64) -> Option<TokenEntry> {
        let place = place(&self.tokens, number).ok()?;
        self.revision += 1;
        let entry = Arc::make_mut(&mut self.tokens).remove(place);
        self.numbers.remove(&entry.id);
        Some(entry)
    }

    /// Restores a removed token to its place, and judges it by the current rules.
    pub fn restore(&mut self, mut entry: TokenEntry) {
        // Tokens of clients are not restored: the keys may have changed since, and active clients send theirs again.
        if self.numbers.contains_key(&entry.id) || entry.text().is_none() {
            return;
        }
        self.revision += 1;
        self.numbers.insert(entry.id, entry.number);
        entry.judged = entry.known.judged(&self.rules, entry.id);
        let (Ok(place) | Err(place)) = place(&self.tokens, entry.number);
        Arc::make_mut(&mut self.tokens).insert(place, entry);
    }

    /// Sets or removes a token's label, and returns the previous one.
    pub fn label(&mut self, number: u64, label: Option<Arc<str>>) -> Option<Arc<str>> {
        let place = place(&self.tokens, number).ok()?;
        self.revision += 1;
        let entry = Arc::make_mut(&mut self.tokens).get_mut(place)?;
        std::mem::replace(&mut entry.label, label)
    }

    /// Limits the number of calls in the log, for programs that do not read older ones.
    pub fn keep_calls(&mut self, most: usize) {
        self.activity.keep(most);
    }

    /// Logs a call.
    pub fn record(&mut self, record: Record) -> Arc<Record> {
        self.revision += 1;
        self.activity.push(record)
    }
}

/// Returns the index of the token with this number, or the index at which it would be inserted: tokens are sorted by
/// number.
fn place(tokens: &[TokenEntry], number: u64) -> Result<usize, usize> {
    tokens.binary_search_by_key(&number, |entry| entry.number)
}

/// A copy of the state to draw from. The cost of an update depends only on what is new.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The rules.
    pub rules: Arc<Rules>,
    /// The key that signs issued tokens.
    pub signer: Option<Signer>,
    /// The previous keys of our own issuer, which still verify.
    pub previous: Arc<PreviousKeys>,
    /// The tools that calls can reach.
    pub tools: Catalogue,
    /// The tokens, in the order in which they were added.
    pub tokens: Arc<Vec<TokenEntry>>,
    /// The log of calls.
    pub activity: Activity,
    /// The server's traffic.
    pub traffic: Arc<Traffic>,
    /// The state of the data that decisions are based on.
    pub health: Health,
    /// The issuers whose keys are read from a source, and the state of their keys.
    pub issuer_keys: Arc<Vec<KeyStatus>>,
    /// The places of the issuers whose audience is only that of a running server.
    default_places: Vec<usize>,
    /// The revision of the state that was copied.
    pub revision: u64,
    /// The rules and tokens before the last change of the rules, until the reader takes them.
    pub before: Option<(Arc<Rules>, Arc<Vec<TokenEntry>>)>,
}

impl Snapshot {
    /// Copies a state.
    pub fn of(state: &AuthState) -> Self {
        Self {
            rules: Arc::clone(&state.rules),
            signer: state.signer.clone(),
            previous: Arc::clone(&state.previous),
            tools: state.tools.clone(),
            tokens: Arc::clone(&state.tokens),
            activity: state.activity.clone(),
            traffic: Arc::clone(&state.traffic),
            health: state.health.clone(),
            issuer_keys: Arc::clone(&state.issuer_keys),
            default_places: state.default_places(),
            revision: state.revision,
            before: None,
        }
    }

    /// Whether tokens are signed and verified with these keys already.
    pub fn signs_with(&self, keys: &SigningKeys) -> bool {
        signs_with(self.signer.as_ref(), &self.rules, keys)
    }

    /// The accepted issuers, our own first, each with the state of its keys; `None` for our own signing key.
    pub fn accepted(&self) -> impl Iterator<Item = (&Issuer, Option<&KeyStatus>)> {
        let issuers = &self.rules.issuers;
        issuers.iter().map(move |issuer| {
            let name = issuer.name.as_deref();
            // Of several issuers that accept any `iss`, the status belongs to the one that the name selects.
            let is_selected = issuers.of_name(name).is_some_and(|selected| std::ptr::eq(selected, issuer));
            let status = self.issuer_keys.iter().find(|status| status.issuer.as_deref() == name);
            (issuer, status.filter(|_| is_selected))
        })
    }

    /// The accepted issuer besides our own that has this name, with the state of its keys, and without the audience that
    /// a running server requires of it.
    pub fn accepted_issuer(&self, name: Option<&str>) -> Option<AcceptedIssuer> {
        let of_name = |(_, (issuer, _)): &(usize, (&Issuer, _))| issuer.name.as_deref() == name;
        let (place, (issuer, status)) = self.accepted().enumerate().skip(1).filter(of_name).last()?;
        let status = status.cloned().unwrap_or_else(|| KeyStatus {
            issuer: issuer.name.clone(),
            keys: issuer.keys.iter().cloned().collect(),
            from: KeysFrom::Paste,
            is_usable: true,
            ..KeyStatus::default()
        });
        let mut issuer = issuer.clone();
        if self.default_places.contains(&place) {
            issuer.audiences = Arc::default();
        }
        Some(AcceptedIssuer { issuer, status })
    }

    /// The index of a token in the list.
    pub fn place(&self, number: u64) -> Option<usize> {
        place(&self.tokens, number).ok()
    }

    /// The token with this number.
    pub fn token(&self, number: u64) -> Option<&TokenEntry> {
        self.tokens.get(self.place(number)?)
    }

    /// Updates the copy, and returns whether anything was new.
    pub fn follow(&mut self, state: &AuthState) -> bool {
        if self.revision == state.revision {
            return false;
        }
        if !Arc::ptr_eq(&self.rules, &state.rules) {
            self.before = Some((Arc::clone(&self.rules), Arc::clone(&self.tokens)));
        }
        self.rules = Arc::clone(&state.rules);
        self.signer.clone_from(&state.signer);
        self.previous = Arc::clone(&state.previous);
        self.tools.clone_from(&state.tools);
        self.tokens = Arc::clone(&state.tokens);
        self.activity.follow(&state.activity);
        self.traffic = Arc::clone(&state.traffic);
        self.health.clone_from(&state.health);
        self.issuer_keys = Arc::clone(&state.issuer_keys);
        self.default_places = state.default_places();
        self.revision = state.revision;
        true
    }
}

fn signs_with(signer: Option<&Signer>, rules: &Rules, keys: &SigningKeys) -> bool {
    let known = &rules.issuers.own().keys;
    signer.is_some_and(|own| own.is_equivalent(&keys.signer))
        && keys.further.iter().all(|key| known.iter().any(|known| known.is_same(key)))
}

//! Carries out the effects other than those on the terminal, and returns their answers as messages.
//!
//! Quick effects are carried out immediately; slow ones become a `Job`. The callers are the event loop, which passes
//! jobs to its executor, and tests without a terminal, which run them at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::clipboard::Clipboard;
pub use super::executor::{Job, Queue};
pub use super::foreign::Foreign;
use super::foreign::Work;
use crate::app::msg::{CopyDestination, Failure, IssuerFailure, KitRequest, Order, SaveError, ServerInfo};
use crate::app::{App, Effect, Msg, Times, update};
use crate::auth::{Policy, Rules, Signer};
use crate::config::{self, ConfigError};
use crate::gate::{
    AcceptedIssuer, CallRequest, CallResult, Gate, KeyStatus, Provenance, RawArguments, Shared, random_number,
};
use crate::issuer_keys::{KeyFollower, KeySource};
use crate::lab::kit;
use crate::server::Server;
use crate::store::{Change, News, Replica};

/// The objects that effects act on, other than the terminal. Clones share them.
#[derive(Clone)]
pub struct EffectTargets {
    /// The gate.
    pub gate: Gate,
    /// The revocations.
    pub replica: Arc<Replica>,
    /// The destination of copies.
    clipboard: Clipboard,
    server: Arc<Mutex<Option<Server>>>,
    /// Keeps the keys of issuers current.
    keys: Arc<KeyFollower>,
    /// The foreign servers.
    pub foreign: Foreign,
}

impl EffectTargets {
    /// Creates the targets, with a server if one is already running.
    pub fn new(gate: Gate, replica: Arc<Replica>, server: Option<Server>) -> Self {
        let keys = Arc::new(KeyFollower::new(&gate));
        Self {
            gate,
            replica,
            clipboard: Clipboard::default(),
            server: Arc::new(Mutex::new(server)),
            keys,
            foreign: Foreign::default(),
        }
    }

    /// Replaces the follower of keys, which follows none by default.
    #[must_use]
    pub fn with_keys(self, keys: KeyFollower) -> Self {
        Self { keys: Arc::new(keys), ..self }
    }

    /// Replaces the foreign servers; there are none by default.
    #[must_use]
    pub fn with_foreign(self, foreign: Foreign) -> Self {
        Self { foreign, ..self }
    }

    /// Replaces the clipboard, which is the terminal's by default.
    #[must_use]
    pub fn with_clipboard(self, clipboard: Clipboard) -> Self {
        Self { clipboard, ..self }
    }

    /// Locks the server, if one is running. The lock is held only for a moment, never while a server starts or stops.
    pub fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the server, if one is running, and waits until it has stopped.
    pub fn stop_server(&self) {
        let server = self.server().take();
        let _ = server.map(Server::stop);
    }
}

/// Passes a message to the console, and carries out the returned effects and their answers. `later` starts a job, and
/// returns its answer if it is ready at once. Returns the remaining effects, which act on the terminal, in order.
pub fn tell(
    app: &mut App,
    outside: &EffectTargets,
    msg: Msg,
    mut later: impl FnMut(Job) -> Option<Msg>,
) -> Vec<Effect> {
    let mut left = Vec::new();
    let mut waiting = VecDeque::from([msg]);
    while let Some(msg) = waiting.pop_front() {
        for effect in update(app, msg) {
            let answer = match begin(effect, outside, &app.auth.rules, app.times) {
                Dispatch::Terminal(effect) => {
                    left.push(effect);
                    continue;
                }
                Dispatch::Done(answer) => answer,
                Dispatch::Later(job) => later(job),
            };
            // The answer may refer to a token or a call that the console must know by then.
            sync(app, &outside.gate);
            waiting.extend(answer);
        }
    }
    left
}

/// Returns the message for news of the follower. News of a file that is no longer the policy file is ignored.
pub fn message(app: &App, news: News) -> Option<Msg> {
    match news {
        News::Policy { path, .. } if path != app.policy_file.path => None,
        News::Policy { read, .. } => Some(Msg::PolicyReread(read)),
        News::NotReloaded(error) => Some(Msg::Failed(Failure::NotReloaded(error))),
        News::Setback { store, setback } => Some(Msg::Failed(Failure::Setback { store, setback })),
        News::Saved => Some(Msg::Stored),
        News::SigningKey(read) => Some(Msg::SigningKeyRead(read)),
        News::SigningKeyReadable => Some(Msg::SigningKeyReadable),
        News::FileUnwatched(unwatched) => Some(Msg::FileUnwatched(unwatched)),
        News::StoreUnwatched(unwatched) => Some(Msg::Failed(Failure::StoreUnwatched(unwatched))),
    }
}

/// Describes a server for the console.
pub fn listening(server: &Server) -> ServerInfo {
    ServerInfo { uri: Arc::clone(&server.uri), port: server.address.port(), is_exposed: server.is_exposed() }
}

/// How an effect is carried out.
enum Dispatch {
    /// It acts on the terminal.
    Terminal(Effect),
    /// It is done; this is the answer, if there is one.
    Done(Option<Msg>),
    /// It may take long.
    Later(Job),
}

impl Dispatch {
    fn call(call: Work) -> Self {
        Self::Later(Job::Call(call))
    }
}

/// Carries out an effect, or returns how it has to be carried out. `base` contains the rules that the console knew when
/// it requested the effect.
#[expect(clippy::too_many_lines, reason = "one arm for each effect, so that none is forgotten")]
fn begin(effect: Effect, outside: &EffectTargets, base: &Rules, times: Times) -> Dispatch {
    let gate = &outside.gate;
    let shared = gate.shared();
    match effect {
        Effect::Quit | Effect::Suspend | Effect::ToTerminal(_) | Effect::AskBackground | Effect::Mouse(_) => {
            Dispatch::Terminal(effect)
        }

        Effect::Issue(request, at) => Dispatch::Done(Some(Msg::Issued(
            gate.issue(&request, at)
                .map(|token| shared.update(|state| state.add(token, Provenance::Issued, times.real)).0),
        ))),
        Effect::Add(tokens) => Dispatch::Done(Some(Msg::Added(shared.update(|state| {
            tokens.into_iter().map(|token| state.add(token, Provenance::Pasted, times.real)).collect()
        })))),
        // The tokens of another issuer may need an RSA key.
        Effect::MakeKit(request) => {
            let signer = gate.signer();
            Dispatch::Later(Job::new(Queue::Keys, move || {
                let KitRequest { rules, identity, tool, at, .. } = &*request;
                let made = signer.and_then(|signer| kit::make(rules, &signer, identity, tool, random_number()?, *at));
                Some(Msg::KitMade { made, request })
            }))
        }
        Effect::AddNamed(tokens) => Dispatch::Done(Some(Msg::NamedAdded(shared.update(|state| {
            let add = |(token, label)| {
                let (number, _) = state.add(token, Provenance::Test, times.real);
                state.label(number, Some(label));
                number
            };
            tokens.into_iter().map(add).collect()
        })))),
        Effect::Remove(number, why) => {
            Dispatch::Done(shared.update(|state| state.remove(number)).map(|entry| Msg::Removed(entry, why)))
        }
        Effect::Restore(entry) => {
            shared.update(|state| state.restore(entry));
            Dispatch::Done(None)
        }
        Effect::Label(number, label) => {
            shared.update(|state| state.label(number, label));
            Dispatch::Done(None)
        }
        Effect::SetPolicy(policy) => {
            shared.update(|state| state.set_policy(policy));
            Dispatch::Done(None)
        }
        Effect::SetRules(rules) => {
            shared.update(|state| state.set_rules(merged(*rules, base, state.rules())));
            Dispatch::Done(None)
        }
        Effect::SetSigner(key) => {
            shared.update(|state| state.set_signer(*key));
            Dispatch::Done(None)
        }
        Effect::FreshKey => Dispatch::Done(fresh_key(shared)),
        Effect::RotateTo { keys, what } => {
            let dropped = shared.update(|state| state.rotate(*keys));
            Dispatch::Done(Some(Msg::Rotated { what, dropped }))
        }
        // Finding the primes of an RSA key may take a second.
        Effect::Rotate(algorithm) => Dispatch::Later(Job::new(Queue::Keys, move || {
            Some(Msg::KeyGenerated(Signer::generate(algorithm).map(|(signer, _)| Box::new(signer))))
        })),
        Effect::RetireKey(verifier) => {
            shared.update(|state| state.retire_key(&verifier));
            Dispatch::Done(None)
        }
        Effect::SetIssuer { name, to, is_new } => {
            let set = set_issuer(outside, name.as_ref(), to.map(|accepted| *accepted));
            Dispatch::Done(match (is_new, set) {
                (true, set) => Some(Msg::IssuerSet(set)),
                (false, set) => set.err().map(|error| Msg::Failed(Failure::Issuer(error))),
            })
        }
        Effect::RefreshKeys(name) => {
            outside.keys.refresh(name.as_deref());
            Dispatch::Done(None)
        }

        Effect::Call { id, token, order } => Dispatch::Later(Job::Call(Box::pin({
            let gate = gate.clone();
            async move {
                let called = call(&gate, token.as_deref(), &order, times).await;
                Msg::Called { id, call: Box::new(called) }
            }
        }))),
        Effect::AddTarget { number, draft, taken } => Dispatch::Done(Some(outside.foreign.add(number, &draft, &taken))),
        Effect::NameTarget { number, name } => {
            outside.foreign.rename(number, &name);
            Dispatch::Done(None)
        }
        Effect::CloseTarget(number) => {
            outside.foreign.close_target(number);
            Dispatch::Done(None)
        }
        Effect::Cancel(id) => {
            outside.foreign.cancel(id);
            Dispatch::Done(None)
        }
        Effect::ConnectTarget { id, target, token } => {
            outside.foreign.connect(gate, id, target, token, times).map_or(Dispatch::Done(None), Dispatch::call)
        }
        Effect::Run { id, order } => {
            outside.foreign.run(gate, id, *order, times).map_or(Dispatch::Done(None), Dispatch::call)
        }
        Effect::CallTarget { id, call } => {
            outside.foreign.call(gate, id, *call, times).map_or(Dispatch::Done(None), Dispatch::call)
        }
        Effect::CallEach { id, tokens, order } => Dispatch::Later(Job::Call(Box::pin({
            let gate = gate.clone();
            async move {
                let mut calls = Vec::with_capacity(tokens.len());
                for token in &tokens {
                    calls.push(call(&gate, token.as_deref(), &order, times).await);
                }
                Msg::CalledEach { id, calls }
            }
        }))),
        Effect::SetRevoked { what, since } => {
            // Enforced now, whether or not it can be stored.
            outside.replica.change(Change { what, since });
            let replica = Arc::clone(&outside.replica);
            Dispatch::Later(Job::new(Queue::Revocations, move || save_revocations(&replica)))
        }
        Effect::Copy { text, what } => {
            let clipboard = outside.clipboard.clone();
            Dispatch::Later(Job::new(Queue::Clipboard, move || Some(copy(&clipboard, text, what))))
        }
        Effect::WriteNew { path, text } => {
            Dispatch::Later(Job::new(Queue::Evidence, move || Some(write_new(path, &text))))
        }
        Effect::SavePolicy { path, known } => {
            // The policy as it is now: it may have changed by the time it is written.
            let policy = Arc::clone(&shared.rules().policy);
            Dispatch::Later(Job::new(Queue::Policy, move || Some(save_policy(path, policy, known.as_deref()))))
        }
        Effect::WritePolicy(order) => Dispatch::Later(Job::new(Queue::Policy, move || {
            let wrote = config::new_policy(&config::typed(&order.path), &order.policy);
            Some(Msg::PolicyWritten(match wrote {
                Ok(()) => Ok(*order),
                Err(error) => Err((order.path, error)),
            }))
        })),
        Effect::LoadPolicy(path) => Dispatch::Later(Job::new(Queue::Policy, move || Some(load_policy(path)))),
        Effect::Serve(settings) => {
            let outside = outside.clone();
            Dispatch::Later(Job::new(Queue::Server, move || {
                let started = Server::start(*settings, &outside.gate);
                Some(Msg::Served(started.map(|server| listening(outside.server().insert(server)))))
            }))
        }
        Effect::StopServing => {
            let outside = outside.clone();
            Dispatch::Later(Job::new(Queue::Server, move || {
                outside.stop_server();
                Some(Msg::ServingStopped)
            }))
        }
    }
}

/// Sets or removes an issuer, and follows its keys or stops that. Does not wait for the keys.
fn set_issuer(
    outside: &EffectTargets,
    name: Option<&Arc<str>>,
    accepted: Option<AcceptedIssuer>,
) -> Result<(), IssuerFailure> {
    let shared = outside.gate.shared();
    let Some(mut accepted) = accepted else {
        shared.update(|state| state.set_issuer(name, None))?;
        outside.keys.forget(name.map(|name| &**name));
        return Ok(());
    };
    accepted.issuer.name = name.cloned();
    let Some(source) = KeySource::of(&accepted.status.from, name.map(|name| &**name))? else {
        shared.update(|state| state.set_issuer(name, Some(accepted)))?;
        outside.keys.forget(name.map(|name| &**name));
        return Ok(());
    };
    // First, because it can fail: an issuer whose keys are not followed must not be accepted.
    outside.keys.start_thread()?;
    let status = KeyStatus { source: source.to_string().into(), is_reading: true, ..accepted.status.clone() };
    let shown = AcceptedIssuer { status: KeyStatus { attempts: 0, error: None, ..status }, ..accepted.clone() };
    shared.update(|state| state.set_issuer(name, Some(shown)))?;
    outside.keys.follow(source, &accepted)?;
    Ok(())
}

fn fresh_key(shared: &Shared) -> Option<Msg> {
    match Signer::fresh() {
        Ok(signer) => {
            shared.update(|state| state.set_signer(signer));
            None
        }
        Err(error) => Some(Msg::Failed(Failure::Key(error))),
    }
}

fn save_revocations(replica: &Replica) -> Option<Msg> {
    replica.save().err().map(|error| Msg::Failed(Failure::NotKept(error)))
}

fn copy(clipboard: &Clipboard, text: Zeroizing<String>, what: String) -> Msg {
    let result = clipboard.copy(&text);
    let rest = matches!(result, Ok(CopyDestination::Terminal { .. })).then_some(text);
    Msg::Copied { what, result, rest }
}

fn write_new(path: String, text: &str) -> Msg {
    Msg::Written(match config::write_new(&config::typed(&path), text) {
        Ok(()) => Ok(path),
        Err(error) => Err((path, error)),
    })
}

fn save_policy(path: String, policy: Arc<Policy>, known: Option<&Policy>) -> Msg {
    let file = config::typed(&path);
    Msg::PolicySaved(match config::save_policy(&file, &policy, known) {
        Ok(()) => Ok((file.to_string_lossy().into_owned(), policy)),
        Err(ConfigError::Other { .. }) => Err(SaveError::Other(path)),
        Err(error) => Err(SaveError::Failed(path, error)),
    })
}

fn load_policy(asked: String) -> Msg {
    let read = match asked.as_str() {
        "" => Ok((String::new(), Arc::default())),
        path => {
            let file = config::typed(path);
            config::policy(&file).map(|policy| (file.to_string_lossy().into_owned(), policy))
        }
    };
    Msg::Policy { asked, read }
}

/// Returns the rules that the console wants, with the changes that others have made since it last looked: other threads
/// revoke tokens and refresh keys, and a server that starts or stops sets the audiences.
fn merged(wanted: Rules, base: &Rules, present: &Rules) -> Rules {
    let audiences = |rules: &Rules| Arc::clone(&rules.issuers.own().audiences);
    // The console changes only our own issuer; the keys of the others are refreshed by other threads.
    let issuers = present.issuers.with_own(wanted.issuers.own().clone());
    let rules = Rules { revoked: Arc::clone(&present.revoked), issuers, ..wanted };
    match audiences(&rules) == audiences(base) {
        true => rules.with_audiences(audiences(present).iter().cloned()),
        false => rules,
    }
}

/// Calls a tool and waits for its answer.
async fn call(gate: &Gate, token: Option<&str>, order: &Order, times: Times) -> CallResult {
    let request = CallRequest {
        token,
        tool: &order.tool,
        arguments: RawArguments::Text(&order.arguments),
        origin: order.origin,
        at: times.real,
        judged_at: order.judged_at,
    };
    gate.call_async(&request).await
}

/// Updates the console's copy of the shared state.
pub fn sync(app: &mut App, gate: &Gate) {
    if gate.shared().read(|state| app.auth.follow(state)) {
        // The message must not lead to effects, because the shared state has already changed.
        let effects = update(app, Msg::Synced);
        debug_assert!(effects.is_empty(), "following the shared state must not change it");
    }
}

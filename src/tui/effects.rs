//! Effects that are not about the terminal: what the console asks of the gate, and the answer as a message.
//!
//! The event loop is the caller, and tests that need no terminal.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::app::msg::{Listening, NotSaved, Order};
use crate::app::{App, Called, Effect, Msg, Times, update};
use crate::auth::revocations::{Revoked, Since};
use crate::auth::{Revocations, Signer};
use crate::config::{self, ConfigError};
use crate::gate::Given;
use crate::gate::Provenance;
use crate::gate::{AuthenticatedMcpServer, CallRequest, Shared, random_number};
use crate::lab::kit;
use crate::server::Server;

/// Tells the console something, and carries out what it asks for and what that leads to. Answers with what is left to do:
/// effects on the terminal, in their order.
pub fn tell(app: &mut App, gate: &AuthenticatedMcpServer, msg: Msg) -> Vec<Effect> {
    let mut left = Vec::new();
    let mut waiting = VecDeque::from([msg]);
    while let Some(msg) = waiting.pop_front() {
        for effect in update(app, msg) {
            match effect {
                Effect::Quit | Effect::Suspend | Effect::Copy { .. } | Effect::Serve(_) | Effect::StopServing => {
                    left.push(effect);
                }
                other => {
                    let answer = run(other, gate, app.times);
                    // The answer may speak of a token or a call that the console must know by then.
                    sync(app, gate);
                    waiting.extend(answer);
                }
            }
        }
    }
    left
}

/// What the console knows of a server.
pub fn listening(server: &Server) -> Listening {
    Listening { uri: Arc::clone(&server.uri), is_exposed: server.is_exposed() }
}

/// Starts or stops the server where an effect asks for it; answers with what came of it.
pub fn serve(server: &mut Option<Server>, gate: &AuthenticatedMcpServer, effect: Effect) -> Option<Msg> {
    match effect {
        Effect::Serve(settings) => {
            let started = Server::start(*settings, gate).map_err(|error| error.to_string());
            Some(Msg::Served(started.map(|started| listening(server.insert(started)))))
        }
        Effect::StopServing => {
            let _ = server.take().map(Server::stop);
            Some(Msg::ServingStopped)
        }
        _ => None,
    }
}

/// Carries out an effect; answers with what came of it. Effects on the terminal are left to the shell.
fn run(effect: Effect, gate: &AuthenticatedMcpServer, times: Times) -> Option<Msg> {
    let shared = gate.shared();
    match effect {
        Effect::Quit | Effect::Suspend | Effect::Copy { .. } | Effect::Serve(_) | Effect::StopServing => None,
        Effect::Issue(request, at) => Some(Msg::Issued(
            gate.issue(&request, at)
                .map(|token| shared.update(|state| state.add(token, Provenance::Issued, times.real)).0),
        )),
        Effect::Add(tokens) => Some(Msg::Added(shared.update(|state| {
            tokens.into_iter().map(|token| state.add(token, Provenance::Pasted, times.real)).collect()
        }))),
        Effect::MakeKit { identity, tool, at, purpose } => {
            let made = gate
                .signer()
                .and_then(|signer| kit::make(&shared.rules(), &signer, &identity, &tool, random_number()?, at));
            Some(Msg::KitMade { made, at, purpose })
        }
        Effect::AddNamed(tokens) => Some(Msg::NamedAdded(shared.update(|state| {
            let add = |(token, label)| {
                let (number, _) = state.add(token, Provenance::Test, times.real);
                state.label(number, Some(label));
                number
            };
            tokens.into_iter().map(add).collect()
        }))),
        Effect::WriteNew { path, text } => Some(Msg::Written(match config::write_new(&config::typed(&path), &text) {
            Ok(()) => Ok(path),
            Err(error) => Err((path, error.to_string())),
        })),
        Effect::Remove(number, why) => {
            shared.update(|state| state.remove(number)).map(|entry| Msg::Removed(entry, why))
        }
        Effect::Restore(entry) => {
            shared.update(|state| state.restore(entry));
            None
        }
        Effect::Label(number, label) => {
            shared.update(|state| state.label(number, label));
            None
        }
        Effect::Call { id, token, order } => {
            Some(Msg::Called { id, call: Box::new(call(gate, token.as_deref(), &order, times)) })
        }
        Effect::CallEach { id, tokens, order } => Some(Msg::CalledEach {
            id,
            calls: tokens.iter().map(|token| call(gate, token.as_deref(), &order, times)).collect(),
        }),
        Effect::SetRevoked { what, since, file } => set_revoked(shared, &what, since.as_ref(), &file, times),
        Effect::RereadState(path) => match config::revoked_still(Path::new(&path), &shared.rules().revoked) {
            Ok(revoked) => {
                shared.update(|state| state.set_revoked(revoked));
                None
            }
            Err(error) => Some(Msg::Failed(format!("what was revoked stays revoked: {error}"))),
        },
        Effect::SetPolicy(policy) => {
            shared.update(|state| state.set_policy(policy));
            None
        }
        Effect::SetRules(rules) => {
            shared.update(|state| state.set_rules(*rules));
            None
        }
        Effect::SetSigner(key) => {
            shared.update(|state| state.set_signer(*key));
            None
        }
        Effect::FreshKey => match Signer::fresh() {
            Ok(key) => {
                shared.update(|state| state.set_signer(key));
                None
            }
            Err(error) => Some(Msg::Failed(error.to_string())),
        },
        Effect::RereadPolicy(path) => {
            Some(Msg::PolicyReread(config::policy(Path::new(&path)).map_err(|error| error.to_string())))
        }
        Effect::SavePolicy { path, known } => {
            let file = config::typed(&path);
            let written = config::save_policy(&file, &shared.rules().policy, known.as_deref());
            Some(Msg::PolicySaved(match written {
                Ok(()) => Ok(file.to_string_lossy().into_owned()),
                Err(ConfigError::Other { .. }) => Err(NotSaved::Other(path)),
                Err(error) => Err(NotSaved::Failed(path, error.to_string())),
            }))
        }
        Effect::LoadPolicy(path) => Some(Msg::Policy(match path.as_str() {
            "" => Ok((path, Arc::default())),
            path => {
                let file = config::typed(path);
                let read = config::policy(&file).map_err(|error| error.to_string());
                read.map(|policy| (file.to_string_lossy().into_owned(), policy))
            }
        })),
    }
}

/// Revokes something or takes it back, here and in the state file. A file that cannot be written keeps nobody in.
fn set_revoked(shared: &Shared, what: &Revoked, since: Option<&Since>, file: &str, times: Times) -> Option<Msg> {
    let change = |all: &mut Revocations| match since {
        Some(since) => all.revoke(what.clone(), since.clone()),
        None => drop(all.restore(what)),
    };
    shared.update(|state| {
        let mut all = (*state.rules().revoked).clone();
        change(&mut all);
        state.set_revoked(all);
    });
    match file.is_empty() {
        true => None,
        false => match config::change_revoked(Path::new(file), times.real, change) {
            // What others have written to it meanwhile holds too.
            Ok(all) => {
                shared.update(|state| state.set_revoked(all));
                None
            }
            Err(error) => Some(Msg::Failed(format!("not kept: {error}"))),
        },
    }
}

fn call(gate: &AuthenticatedMcpServer, token: Option<&str>, order: &Order, times: Times) -> Called {
    let called = gate.call(&CallRequest {
        token,
        tool: &order.tool,
        arguments: Given::Text(&order.arguments),
        origin: order.origin,
        at: times.real,
        judged_at: order.judged_at,
    });
    Called { decision: called.decision, outcome: called.outcome, record: called.record }
}

/// Brings the console's copy of the shared state up to date.
pub fn sync(app: &mut App, gate: &AuthenticatedMcpServer) {
    if gate.shared().read(|state| app.auth.follow(state)) {
        // It asks for nothing: what it would ask for is already done.
        let effects = update(app, Msg::Synced);
        debug_assert!(effects.is_empty(), "following the shared state must not change it");
    }
}

//! `portcullis serve`: runs the gate as an MCP server, without the console, and prints calls as they arrive.
//!
//! Printing never delays the server or the handling of signals: detached threads write to standard output and standard
//! error, because a write to a stopped terminal, or to a pipe that is not read, can block forever.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::{JoinHandle, spawn_blocking};

use super::arguments::ServeArgs;
use super::paint::{Paint, of_answer};
use super::tokens::Source;
use super::{CliError, Context, Exit, Runner};
use crate::auth::keys::{MOST_PREVIOUS, jwk};
use crate::auth::{KeySet, Reason};
use crate::config;
use crate::endpoint::Address;
use crate::gate::{AuthenticatedMcpServer, KeyStatus, Record};
use crate::issuer_keys::KeyFollower;
use crate::lab::evidence::{call_json, json_line};
use crate::server::{self, Server};
use crate::signals::TerminationSignals;
use crate::store::{Follower, News, Replica};
use crate::text::{self, words};

/// The number of calls that the log keeps, so that they can be printed.
const KEPT: usize = 10_000;

/// Serves until a signal or the end of the client's input ends it.
pub fn run(
    on: &mut Runner<'_>,
    args: &ServeArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    if context.is_set() {
        let wanted = "--now cannot be used with serve: clients are always checked in real time";
        return Err(CliError::Usage(wanted.to_owned()));
    }
    let gate = context.gate(true)?;
    gate.shared().update(|state| state.keep_calls(KEPT));
    let _keys = KeyFollower::start(&gate, context.sources.clone())?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        // Before anything else, so that a signal cannot end the program in any other way.
        let mut endings = TerminationSignals::listen()?;
        let notices = Notices::start()?;
        let replica = Arc::new(Replica::new(&gate, Arc::clone(&context.store), context.edition.clone()));
        let follower = follow(&gate, replica, context, notices.clone())?;
        let ended = match args.stdio {
            true => serve_streams(on, args, &gate, &notices, &mut endings).await,
            false => serve_clients(args, &gate, &notices, &mut endings, Output { json, paint }).await,
        };
        drop(follower);
        notices.flush();
        ended
    });
    // Does not wait: a thread may still be blocked in a write.
    runtime.shutdown_background();
    ended
}

/// Serves one client on standard input and output.
async fn serve_streams(
    on: &mut Runner<'_>,
    args: &ServeArgs,
    gate: &AuthenticatedMcpServer,
    notices: &Notices,
    endings: &mut TerminationSignals,
) -> Result<Exit, CliError> {
    let source = match &args.token_file {
        Some(path) => Some(Source::File(path.clone())),
        None => on.source(None)?,
    };
    let token = source.map(|source| on.one(source)).transpose()?;
    // Reported on standard error, where users look if a client shows no tools.
    let rules = gate.shared().rules();
    match rules.verify(token.as_deref().unwrap_or_default(), gate.clock().now()) {
        Ok(_) => {}
        Err(Reason::MissingToken) => {
            notices.say("no token, so every call is unauthorized; set PORTCULLIS_TOKEN or --token-file");
        }
        Err(reason) => {
            let remedy = reason.row().remedy.replace('`', "");
            notices.say(format!("the token is refused, so every call is unauthorized: {reason}; {remedy}"));
        }
    }
    let (gate, settings) = (gate.clone(), args.server.settings(Address::default()));
    let mut serving = spawn_blocking(move || server::stdio(&gate, token.as_deref(), &settings));
    tokio::select! {
        biased;
        signal = endings.next() => Err(CliError::Signalled(signal)),
        ended = &mut serving => {
            ended.map_err(io::Error::other)??;
            Ok(Exit::Good)
        }
    }
}

/// Serves clients over HTTP.
async fn serve_clients(
    args: &ServeArgs,
    gate: &AuthenticatedMcpServer,
    notices: &Notices,
    endings: &mut TerminationSignals,
    output: Output,
) -> Result<Exit, CliError> {
    let settings = args.server.settings(args.listen.clone().unwrap_or_default());
    let starting = {
        // In the background, because resolving a host name may take long.
        let gate = gate.clone();
        spawn_blocking(move || Server::start(settings, &gate))
    };
    let server = tokio::select! {
        biased;
        signal = endings.next() => return Err(CliError::Signalled(signal)),
        started = starting => started.map_err(io::Error::other)??,
    };
    let log = Log {
        gate,
        notices,
        output,
        out: Arc::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
        printed: PrintPosition::default(),
        unread: HashMap::new(),
        hinted: Vec::new(),
        reported: Arc::default(),
    };
    let ended = tokio::select! {
        biased;
        signal = endings.next() => Err(CliError::Signalled(signal)),
        ended = log.print(&server.uri, args.quiet) => ended.map(|()| Exit::Good),
    };
    server.stop();
    ended
}

/// Follows the policy file, the signing key's file and the revocations. A change takes effect immediately.
fn follow(
    gate: &AuthenticatedMcpServer,
    replica: Arc<Replica>,
    context: &Context,
    notices: Notices,
) -> io::Result<Follower> {
    let shared = gate.shared().clone();
    Follower::start(replica, context.policy_path.clone(), context.signing_file.clone(), move |news| match news {
        News::SigningKey(Ok(keys)) if shared.read(|state| state.signs_with(&keys)) => {}
        News::SigningKey(Ok(keys)) => {
            let key = keys.signer.describe();
            let dropped = shared.update(|state| state.rotate(*keys));
            let previous = match shared.read(|state| state.previous_keys().len()) {
                0 => String::new(),
                1 => "; the previous key still verifies until the server restarts".to_owned(),
                n => format!("; the {} still verify until the server restarts", words::count(n, "previous key")),
            };
            let dropped = dropped.map_or_else(String::new, |key| {
                format!("; dropped the oldest, {}: at most {MOST_PREVIOUS} keys of a file are kept", key.describe())
            });
            notices.say(format!("signing key reloaded: {key}{previous}{dropped}"));
        }
        News::SigningKeyReadable => notices.say("the signing key's file can be read again"),
        News::SigningKey(Err(error)) => notices.say(format!("the current signing key stays in use: {error}")),
        News::Policy { read: Ok(policy), .. } if policy.is_equivalent(&shared.rules().policy) => {}
        News::Policy { read: Ok(policy), .. } => {
            shared.update(|state| state.set_policy(policy));
            notices.say("policy file reloaded");
        }
        News::Policy { read: Err(error), .. } => notices.say(format!("the last valid policy stays in force: {error}")),
        News::NotReloaded(error) => notices.say(error.to_string()),
        News::Setback { store, setback } => {
            notices.say(format!("{store}: {setback}; revocations stay in force and are stored again"));
        }
        News::Saved => notices.say("all revocations are stored again"),
        News::FileUnwatched(unwatched) | News::StoreUnwatched(unwatched) => notices.say(unwatched.to_string()),
    })
}

/// Messages for standard error, written by a separate thread.
#[derive(Clone)]
struct Notices(mpsc::Sender<Notice>);

enum Notice {
    Sentence(String),
    /// Reports that everything before it was written.
    Flush(mpsc::Sender<()>),
}

/// How long the end of the program waits for the messages: a stopped terminal never takes them.
const FLUSH: Duration = Duration::from_millis(500);

impl Notices {
    fn start() -> io::Result<Self> {
        let (sender, notices) = mpsc::channel::<Notice>();
        thread::Builder::new().name("notices".to_owned()).spawn(move || {
            for notice in notices {
                match notice {
                    // A single write, so that other output cannot interleave. There is nowhere to report an error.
                    Notice::Sentence(sentence) => {
                        let _ = io::stderr().write_all(format!("portcullis: {sentence}\n").as_bytes());
                    }
                    Notice::Flush(flushed) => drop(flushed.send(())),
                }
            }
        })?;
        Ok(Self(sender))
    }

    fn say(&self, sentence: impl Into<String>) {
        // This cannot fail: the thread runs until the program ends.
        let _ = self.0.send(Notice::Sentence(sentence.into()));
    }

    /// Waits until every message so far was written, but not longer than [`FLUSH`].
    fn flush(&self) {
        let (sender, flushed) = mpsc::channel();
        let _ = self.0.send(Notice::Flush(sender));
        let _ = flushed.recv_timeout(FLUSH);
    }
}

/// Whether a token was refused because its key is not known.
fn is_of_key(reason: &Reason) -> bool {
    matches!(reason, Reason::UnknownKey { .. } | Reason::AlgorithmRefused { .. })
}

/// The format of printed calls.
struct Output {
    json: bool,
    paint: Paint,
}

/// The position up to which the log has been printed.
#[derive(Clone, Copy, Default)]
struct PrintPosition {
    /// The number of the newest row.
    seq: u64,
    /// The number of calls made so far.
    calls: u64,
}

/// Prints calls and refused requests as they arrive.
struct Log<'a> {
    gate: &'a AuthenticatedMcpServer,
    notices: &'a Notices,
    output: Output,
    /// Standard output, without a buffer.
    out: Arc<File>,
    printed: PrintPosition,
    /// The issuers whose keys cannot be read, with the reasons that were reported.
    unread: HashMap<Option<Arc<str>>, Arc<str>>,
    /// The key sets whose unusable keys have been reported.
    hinted: Vec<KeySet>,
    /// The state of issuers' keys that was reported last.
    reported: Arc<Vec<KeyStatus>>,
}

impl Log<'_> {
    /// Prints the server's URI, then every call unless `quiet`.
    async fn print(mut self, uri: &str, quiet: bool) -> Result<(), CliError> {
        self.write(match self.output.json {
            true => json_line("serving", serde_json::json!({ "uri": uri })),
            false => format!("serving {uri}\n"),
        })
        .await
        .unwrap_or(Ok(()))?;
        let judged_by = self.gate.shared().rules().described().join(", ");
        self.notices.say(format!("judged by {judged_by}; press Ctrl-C to stop"));
        let (rules, signer) = self.gate.shared().read(|state| (Arc::clone(state.rules()), state.signer().cloned()));
        if let Some(signer) = signer.filter(|_| rules.issuers.iter().nth(1).is_some() && rules.issuer().is_none()) {
            // A secret in the environment is easily forgotten.
            self.notices.say(format!(
                "tokens signed with our own key ({}) are accepted too, whatever their iss",
                signer.describe()
            ));
        }
        let mut changes = self.gate.shared().changes();
        // A call may have arrived already.
        changes.mark_changed();
        let mut is_printing = !quiet;
        loop {
            changes.heard().await;
            self.report_keys();
            if !is_printing {
                continue;
            }
            let text = self.new_lines();
            if !text.is_empty()
                && let Err(error) = self.write(text).await.unwrap_or(Ok(()))
            {
                is_printing = false;
                self.notices.say(format!("calls are no longer printed: {}", config::plain(&error)));
            }
        }
    }

    /// Reports issuers whose keys cannot be read, and when they can be read again: once for each reason.
    fn report_keys(&mut self) {
        let read = self.gate.shared().read(|state| Arc::clone(state.issuer_keys()));
        // Most changes are calls.
        if Arc::ptr_eq(&read, &self.reported) {
            return;
        }
        for status in read.iter().filter(|status| !status.is_reading) {
            let known = self.unread.get(&status.issuer);
            if known == status.error.as_ref() {
                continue;
            }
            let issuer = status.issuer.as_deref().map_or_else(|| "any issuer".to_owned(), |name| text::name(name, 100));
            self.notices.say(match &status.error {
                Some(error) if status.is_usable => format!("keys of {issuer}: {error}; the last ones stay in use"),
                Some(error) => {
                    format!("keys of {issuer}: {error}; its tokens are answered with 503 until they are fetched")
                }
                None => format!("keys of {issuer}: fetched"),
            });
            match &status.error {
                Some(error) => self.unread.insert(status.issuer.clone(), Arc::clone(error)),
                None => self.unread.remove(&status.issuer),
            };
        }
        self.reported = read;
    }

    /// Writes in the background. Calls that arrive in the meantime are printed together afterwards.
    fn write(&self, text: String) -> JoinHandle<io::Result<()>> {
        let out = Arc::clone(&self.out);
        spawn_blocking(move || (&*out).write_all(text.as_bytes()))
    }

    /// Returns the rows that have not been printed yet, one per line.
    fn new_lines(&mut self) -> String {
        let (new, now): (Vec<Arc<Record>>, PrintPosition) = self.gate.shared().read(|state| {
            let log = state.activity();
            let fresh = log.newest().take_while(|record| record.seq > self.printed.seq).cloned().collect::<Vec<_>>();
            let seq = fresh.first().map_or(self.printed.seq, |record| record.seq);
            (fresh, PrintPosition { seq, calls: log.calls() })
        });
        let refused = new.iter().filter(|record| record.is_refused_client()).count() as u64;
        let before = std::mem::replace(&mut self.printed, now);
        let lost = now.calls - before.calls - (new.len() as u64 - refused);
        if lost > 0 {
            self.notices.say(format!("{lost} calls were not printed: they arrived too fast"));
        }
        if new.iter().any(|record| record.answered.reason().is_some_and(is_of_key)) {
            self.explain_keys();
        }
        // Each row contains the number of rows skipped before it.
        new.iter().rev().fold(String::new(), |mut out, record| {
            match (self.output.json, record.is_call) {
                (true, true) => out.push_str(&json_line("call", call_json(record, None))),
                (true, false) => out.push_str(&json_line("refused", call_json(record, None))),
                (false, _) => out.push_str(&self.line(record)),
            }
            out
        })
    }

    /// Reports the keys of issuers that cannot be used, once for each set: one of them may have signed a token that no
    /// key verifies.
    fn explain_keys(&mut self) {
        for issuer in self.gate.shared().rules().issuers.iter() {
            let keys = &issuer.keys;
            if keys.refused().is_empty() || self.hinted.iter().any(|known| known.is(keys)) {
                continue;
            }
            self.hinted.retain(|known| self.gate.shared().rules().issuers.iter().any(|issuer| issuer.keys.is(known)));
            self.hinted.push(keys.clone());
            let name = issuer.name.as_deref().map_or_else(|| "any".to_owned(), |name| text::name(name, 64));
            for (key, count) in jwk::by_reason(keys.refused().iter().filter(|key| key.is_fault())) {
                let more = if count == 1 { String::new() } else { format!(" (and {} like it)", count - 1) };
                self.notices.say(format!("issuer {name}: a key of its set cannot be used: {key}{more}"));
            }
        }
    }

    fn line(&self, record: &Record) -> String {
        let answered = &record.answered;
        let id = record.token_id.map_or_else(|| "no token".to_owned(), |id| id.to_string());
        let subject = answered.subject().map_or_else(|| "-".to_owned(), |name| text::name(name, 64));
        let word = self.output.paint.styled(answered.word(), of_answer(answered));
        let (at, client) = (record.at.rfc3339(), record.client.as_deref().unwrap_or_default());
        let peer = record.peer.map_or_else(String::new, |peer| format!(" {peer}"));
        let (tool, why) = (text::name(&record.tool, 64), record.why());
        let skipped = match record.skipped {
            0 => String::new(),
            skipped => format!(" ({skipped} earlier refusals not printed)"),
        };
        format!("{at} {client}{peer} {id} {subject} {tool} {word} {why}{skipped}\n")
    }
}

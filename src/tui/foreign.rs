//! Foreign servers: their definitions, and the open connections to them.
//!
//! Everything that talks to a server runs on the thread `targets`, which has a runtime of its own: an answer of megabytes
//! is read there and does not delay a frame. The event loop only waits for the end of that work.

use std::collections::HashMap;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::msg::{ForeignOrder, Order};
use crate::app::pane::call::Answered;
use crate::app::runs::RunProgress;
use crate::app::targets::{CallReport, ConnectReport, Listing, TargetDraft, TargetFacts};
use crate::app::{Msg, Times};
use crate::auth::{Inspection, Outcome, Rules, TokenId};
use crate::gate::ports::Catalogue;
use crate::gate::{ForeignAnswer, ForeignCall, Gate, OWN_CREDENTIALS, Record, Source};
use crate::observe::{Answer, Body, NoAnswer, Observation, Observed, Progress, Reply, ServerIdentity, Why};
use crate::target::{Carriage, Connection, Dialect, Exchange, Header, OpenError, Place, Target, TargetError};
use crate::text;

/// How many connections stay open; the one that was used longest ago is closed.
const MOST_OPEN: usize = 8;

/// How long a connection stays open after its call was cancelled, so that the cancellation can be sent, also to a slow
/// server.
const CANCELLING: Duration = Duration::from_secs(2);

/// How long connections may take to close at the end of the console.
const CLOSING: Duration = Duration::from_millis(200);

/// How long the end of the console waits until open connections have been closed.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The foreign servers. Clones share them.
#[derive(Clone)]
pub struct Foreign(Arc<Inner>);

impl Default for Foreign {
    fn default() -> Self {
        Self::new(Vec::new(), None)
    }
}

pub(super) struct Inner {
    /// The definition of each target, by its number. Those of removed targets stay, because a removal can be undone.
    defined: Mutex<HashMap<u64, Target>>,
    /// The open connections; the one that was used last is at the end.
    open: Mutex<Vec<Open>>,
    /// What cancels the running work, by its ID.
    running: Mutex<HashMap<u64, CancellationToken>>,
    /// The latest progress of a call or a run.
    progress: watch::Sender<Option<Latest>>,
    thread: Mutex<Option<Thread>>,
    /// Certificate authorities that added targets trust besides the system's.
    ca_file: Option<PathBuf>,
}

/// The thread on which connections live.
struct Thread {
    handle: Handle,
    stop: oneshot::Sender<()>,
    ended: std::sync::mpsc::Receiver<()>,
}

/// An open connection. A connection serves one request at a time.
#[derive(Clone)]
struct Open {
    target: u64,
    token: Option<Arc<str>>,
    connection: Arc<tokio::sync::Mutex<Connection>>,
}

impl Open {
    fn is_for(&self, target: u64, token: Option<&Arc<str>>) -> bool {
        self.target == target && self.token.as_ref() == token
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a target as it is shown.
fn shown(name: &str) -> String {
    text::name(name, 64)
}

/// Describes a target for the console.
pub fn facts(target: &Target) -> TargetFacts {
    let is_http = matches!(target.place, Place::Http(_));
    TargetFacts {
        name: shown(&target.name).into(),
        place: target.place.to_string().into(),
        is_local: target.is_local(),
        takes_token: is_http && !target.has_own_credentials(),
        exposure: target.exposure(),
    }
}

/// Reads the description of a target. `variable` returns a variable of the environment.
fn read(draft: &TargetDraft, variable: impl Fn(&str) -> Option<String>) -> Result<Target, TargetError> {
    let place = draft.place.trim();
    let command = ["$ ", "-- "].iter().find_map(|mark| place.strip_prefix(mark));
    let target = if let Some(command) = command {
        let words: Vec<OsString> = command.split_whitespace().map(OsString::from).collect();
        Target::command("", &words)?
    } else {
        let headers = draft.headers.iter().map(|header| Header::parse(header, &variable));
        Target::http("", place, headers.collect::<Result<_, _>>()?)?
    };
    Ok(Target { name: draft.name.as_str().into(), ..target })
}

/// The instants and rules that a request is made under.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) gate: Gate,
    number: u64,
    pub(super) target: Target,
    pub(super) token: Option<Arc<str>>,
    pub(super) rules: Arc<Rules>,
    times: Times,
}

impl Asking {
    fn token_id(&self) -> Option<TokenId> {
        self.token.as_deref().map(TokenId::of)
    }

    fn since(&self, began: Duration) -> Duration {
        self.gate.clock().monotonic().saturating_sub(began)
    }

    /// The same request with another token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        self.with(Some(token.into()))
    }

    /// The same request with another token or without one.
    pub(super) fn with(&self, token: Option<Arc<str>>) -> Self {
        Self { token, ..self.clone() }
    }

    pub(super) fn inspection(&self) -> Option<Inspection> {
        self.token.as_ref().map(|token| self.rules.inspect(Arc::clone(token)))
    }

    /// Explains an answer that has just arrived. If the request is cancelled in the meantime, the server's metadata are
    /// left out.
    pub(super) async fn explain(&self, tool: Option<&str>, reply: &Reply, cancelled: &CancellationToken) -> Why {
        let inspection = self.inspection();
        let judged = inspection.as_ref().map(|inspection| &inspection.judged);
        let is_predicted = facts(&self.target).takes_token;
        let prediction =
            tool.filter(|_| is_predicted).and_then(|tool| self.rules.predict(judged, tool, self.times.judged));
        let asked = Exchange {
            target: &self.target,
            token: inspection.as_ref(),
            rules: &self.rules,
            prediction: prediction.as_ref(),
            tool,
            reply,
            visibility: None,
            now: self.gate.clock().now(),
        };
        let metadata = unless_cancelled(cancelled, asked.metadata()).await.flatten();
        asked.explain_with(metadata.as_ref())
    }
}

impl Foreign {
    /// Creates the servers from the configured targets, which get the numbers from 1.
    pub fn new(configured: Vec<Target>, ca_file: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            defined: Mutex::new((1..).zip(configured).collect()),
            open: Mutex::default(),
            running: Mutex::default(),
            progress: watch::Sender::new(None),
            thread: Mutex::new(None),
            ca_file,
        }))
    }

    /// Returns a receiver of the progress of calls and runs: the latest, with its ID.
    pub fn progress(&self) -> ProgressReceiver {
        self.0.progress.subscribe()
    }

    /// Reads the description of a target, and stores it under this number. Its name differs from those that are taken.
    pub fn add(&self, number: u64, draft: &TargetDraft, taken: &[Arc<str>]) -> Msg {
        let read = read(draft, |name| std::env::var(name).ok());
        let read = read.map(|target| Target {
            name: target.unique_name(|name| taken.iter().any(|taken| **taken == *shown(name))).into(),
            ca_file: self.0.ca_file.clone(),
            ..target
        });
        let read = read.map_err(|error| error.to_string()).map(|target| {
            let facts = facts(&target);
            locked(&self.0.defined).insert(number, target);
            facts
        });
        Msg::TargetAdded { number, read }
    }

    /// Gives a target another name, under which later calls are logged.
    pub fn rename(&self, number: u64, name: &Arc<str>) {
        if let Some(target) = locked(&self.0.defined).get_mut(&number) {
            target.name = Arc::clone(name);
        }
    }

    /// Cancels the call, the connection or the run with this ID.
    pub fn cancel(&self, id: u64) {
        // It may have ended in the meantime.
        if let Some(running) = locked(&self.0.running).remove(&id) {
            running.cancel();
        }
    }

    /// Closes the connections of a target.
    pub fn close_target(&self, number: u64) {
        let closed: Vec<Open> = locked(&self.0.open).extract_if(.., |open| open.target == number).collect();
        self.0.drop_there(closed);
    }

    /// Closes all connections, and waits shortly for that.
    pub fn close(&self) {
        let Some(thread) = locked(&self.0.thread).take() else { return };
        let closed = std::mem::take(&mut *locked(&self.0.open));
        let has_any = !closed.is_empty();
        thread.handle.spawn(async move { drop(closed) });
        let _ = thread.stop.send(());
        if has_any {
            let _ = thread.ended.recv_timeout(LAST_WORDS);
        }
    }

    pub(super) fn asking(&self, gate: &Gate, target: u64, token: Option<Arc<str>>, times: Times) -> Option<Asking> {
        let defined = locked(&self.0.defined).get(&target).cloned()?;
        Some(Asking { gate: gate.clone(), number: target, target: defined, token, rules: gate.shared().rules(), times })
    }

    /// Opens a new connection to a target, and lists its tools. `None` if it is not defined.
    pub fn connect(&self, gate: &Gate, id: u64, target: u64, token: Option<Arc<str>>, times: Times) -> Option<Work> {
        let asking = self.asking(gate, target, token, times)?;
        let (inner, cancelled) = (Arc::clone(&self.0), self.0.cancellation(id));
        Some(self.on_thread(async move {
            let began = asking.gate.clock().monotonic();
            let listed = unless_cancelled(&cancelled, inner.list(&asking)).await;
            let listed = listed.unwrap_or_else(|| Received::cancelled(asking.since(began)));
            let Received { reply, took, seen, listing } = listed;
            let why = Box::new(asking.explain(None, &reply, &cancelled).await);
            inner.forget(id);
            let listed = listing.map(|listing| (listing, took));
            Msg::TargetConnected(Box::new(ConnectReport { id, target, token: asking.token_id(), seen, listed, why }))
        }))
    }

    /// Calls a tool, on an open connection if there is one for the token, and logs the call. `None` if the target is not
    /// defined.
    pub fn call(&self, gate: &Gate, id: u64, call: ForeignOrder, times: Times) -> Option<Work> {
        let ForeignOrder { target, token, order, arguments } = call;
        let asking = self.asking(gate, target, token, times)?;
        let (inner, cancelled) = (Arc::clone(&self.0), self.0.cancellation(id));
        Some(self.on_thread(async move {
            let began = asking.gate.clock().monotonic();
            let called = unless_cancelled(&cancelled, inner.call(id, &asking, &order.tool, arguments)).await;
            let called = called.unwrap_or_else(|| Received::cancelled(asking.since(began)));
            if called.reply == Err(NoAnswer::Cancelled) {
                // The library tells the server that the call is cancelled. A late answer would be taken for that of the
                // next call, so the connection is not used again.
                let closed = inner.taken(target, asking.token.as_ref());
                tokio::spawn(async move {
                    sleep(CANCELLING).await;
                    drop(closed);
                });
            }
            let why = Box::new(asking.explain(Some(&order.tool), &called.reply, &cancelled).await);
            inner.forget(id);
            let seen = called.seen.clone();
            let called = asking.logged(&order, called, &why);
            Msg::TargetCalled(Box::new(CallReport { id, target, seen, called, why }))
        }))
    }

    pub(super) fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.0)
    }

    /// Returns a token that is cancelled with the work of this ID.
    pub(super) fn cancellation(&self, id: u64) -> CancellationToken {
        self.0.cancellation(id)
    }

    /// Runs work on the thread of the connections.
    pub(super) fn on_thread(&self, work: impl Future<Output = Msg> + Send + 'static) -> Work {
        let Ok(handle) = self.0.handle() else {
            // Without a thread of its own, it runs on that of the event loop.
            return Box::pin(work);
        };
        let running = handle.spawn(work);
        Box::pin(async move {
            match running.await {
                Ok(msg) => msg,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The console is ending.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// The latest progress of a call or a run, with its ID.
#[derive(Clone)]
pub enum Latest {
    /// Of a call.
    Call(u64, Progress),
    /// Of a run: everything that it has found so far.
    Run(u64, RunProgress),
}

/// Receives the latest progress. Progress that nobody has seen yet is replaced.
pub type ProgressReceiver = watch::Receiver<Option<Latest>>;

/// Waits for progress. Cancel-safe.
pub async fn reported(receiver: &mut ProgressReceiver) -> Option<Msg> {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    receiver.borrow_and_update().clone().map(|latest| match latest {
        Latest::Call(id, progress) => Msg::Progressed { id, progress },
        Latest::Run(id, found) => Msg::RunProgressed { id, found },
    })
}

/// Runs a future unless it is cancelled, which takes precedence over its end.
pub(super) async fn unless_cancelled<T>(cancelled: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = cancelled.cancelled() => None,
        done = future => Some(done),
    }
}

/// Work whose end is a message.
pub type Work = Pin<Box<dyn Future<Output = Msg> + Send>>;

/// An answer, and what was seen of the server.
struct Received {
    reply: Reply,
    took: Duration,
    /// What the server says of itself, if the connection can be used.
    seen: Option<ServerIdentity>,
    listing: Option<Listing>,
}

impl Received {
    /// A failed connection, with the last answer.
    const fn refused(reply: Reply, took: Duration) -> Self {
        Self { reply, took, seen: None, listing: None }
    }

    /// No answer: the user cancelled the request.
    const fn cancelled(took: Duration) -> Self {
        Self::refused(Err(NoAnswer::Cancelled), took)
    }
}

impl Inner {
    /// Reports progress to the console.
    pub(super) fn report(&self, latest: Latest) {
        self.progress.send_replace(Some(latest));
    }

    /// Forgets how to cancel work that has ended.
    pub(super) fn forget(&self, id: u64) {
        locked(&self.running).remove(&id);
    }

    /// Returns the handle of the thread's runtime, and starts the thread if it is not running.
    fn handle(&self) -> io::Result<Handle> {
        let mut thread = locked(&self.thread);
        if let Some(thread) = &*thread {
            return Ok(thread.handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = std::sync::mpsc::channel();
        thread::Builder::new().name("targets".to_owned()).spawn(move || {
            runtime.block_on(async {
                let _ = stopped.await;
                // Sessions are ended, and programs stopped, by tasks of the connections.
                sleep(CLOSING).await;
            });
            runtime.shutdown_background();
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        *thread = Some(Thread { handle: handle.clone(), stop, ended });
        Ok(handle)
    }

    /// Returns a token that is cancelled with the work of this ID.
    fn cancellation(&self, id: u64) -> CancellationToken {
        let cancelled = CancellationToken::new();
        locked(&self.running).insert(id, cancelled.clone());
        cancelled
    }

    /// Takes the connections of a target and a token out of the list.
    fn taken(&self, target: u64, token: Option<&Arc<str>>) -> Vec<Open> {
        locked(&self.open).extract_if(.., |open| open.is_for(target, token)).collect()
    }

    /// Drops connections on the `targets` thread.
    fn drop_there(&self, closed: Vec<Open>) {
        if let (false, Some(thread)) = (closed.is_empty(), &*locked(&self.thread)) {
            thread.handle.spawn(async move { drop(closed) });
        }
    }

    /// Returns an open connection, or opens one.
    async fn opened(&self, asking: &Asking) -> Result<Open, Received> {
        let is_usable = |open: &Open| open.connection.try_lock().map_or(true, |connection| connection.is_open());
        let known = self.taken(asking.number, asking.token.as_ref());
        if let Some(open) = known.into_iter().find(is_usable) {
            locked(&self.open).push(open.clone());
            return Ok(open);
        }
        let carriage = match asking.target.has_own_credentials() {
            true => Carriage::default(),
            false => Carriage::bearer(asking.token.as_deref()),
        };
        match Connection::open(&asking.target, &carriage, &Dialect::Auto).await {
            Ok(connection) => {
                let connection = Arc::new(tokio::sync::Mutex::new(connection));
                let open = Open { target: asking.number, token: asking.token.clone(), connection };
                let oldest = {
                    let mut all = locked(&self.open);
                    all.push(open.clone());
                    if all.len() > MOST_OPEN { Some(all.remove(0)) } else { None }
                };
                drop(oldest);
                Ok(open)
            }
            Err(OpenError::Target(error)) => {
                Err(Received::refused(Err(NoAnswer::Unreachable(error.to_string())), Duration::ZERO))
            }
            Err(OpenError::Server(refused)) => {
                let took = refused.took;
                Err(Received::refused(refused.into_reply(), took))
            }
        }
    }

    /// Opens a new connection and lists the tools.
    async fn list(&self, asking: &Asking) -> Received {
        drop(self.taken(asking.number, asking.token.as_ref()));
        match self.opened(asking).await {
            Ok(open) => {
                let connection = open.connection.lock().await;
                let (called, listed) = Box::pin(connection.list(asking.target.call_bound())).await;
                let seen = self.still_open(asking, &called.reply).then(|| connection.seen.clone());
                let listing = listed.map(|listed| Listing {
                    unreadable: listed.unreadable,
                    is_cut: listed.is_cut,
                    catalogue: Catalogue::new(listed.tools.into()),
                });
                Received { reply: called.reply, took: called.took, seen, listing }
            }
            Err(refused) => refused,
        }
    }

    /// Calls a tool, and passes the progress on.
    async fn call(&self, id: u64, asking: &Asking, tool: &str, arguments: Map<String, Value>) -> Received {
        let open = match self.opened(asking).await {
            Ok(open) => open,
            Err(refused) => return refused,
        };
        let connection = open.connection.lock().await;
        let mut reported = connection.progress();
        reported.mark_unchanged();
        let progress = async {
            while reported.changed().await.is_ok() {
                let latest = reported.borrow_and_update().clone();
                self.progress.send_replace(latest.map(|progress| Latest::Call(id, progress)));
            }
            std::future::pending::<std::convert::Infallible>().await
        };
        let called = tokio::select! {
            biased;
            called = connection.call(tool, arguments, asking.target.call_bound()) => called,
            never = progress => match never {},
        };
        let seen = self.still_open(asking, &called.reply).then(|| connection.seen.clone());
        Received { reply: called.reply, took: called.took, seen, listing: None }
    }

    /// Whether a connection can be used after this answer. Without one, the next call opens another.
    fn still_open(&self, asking: &Asking, reply: &Reply) -> bool {
        let is_open = reply.is_ok();
        if !is_open {
            drop(self.taken(asking.number, asking.token.as_ref()));
        }
        is_open
    }
}

/// Returns an answer as JSON.
fn into_json(reply: Reply) -> Value {
    match reply {
        Ok(Answer { body: Body::Result(value) | Body::Json(value), .. }) => value,
        Ok(Answer { body: Body::Error { code, message, data }, .. }) => {
            json!({ "error": { "code": code, "message": message, "data": data } })
        }
        Ok(Answer { body: Body::Text(text), .. }) => Value::String(text),
        Ok(Answer { body: Body::Empty, .. }) | Err(_) => Value::Null,
    }
}

/// Returns an answer as JSON.
pub(super) fn answer_json(reply: &Reply) -> Value {
    into_json(reply.clone())
}

impl Asking {
    /// Logs a call.
    fn logged(&self, order: &Order, received: Received, why: &Why) -> Answered {
        let Received { reply, took, .. } = received;
        let observation = &why.observation;
        let answer = into_json(reply);
        let lines = why.explanation();
        let notes = lines.lines().iter().skip(1).map(|line| format!("{}{}", line.mark, line.text));
        let foreign = self.known(self.answered(observation, &why.sentence, notes.collect()), &order.tool);
        let source = Source {
            token: self.token_id(),
            origin: order.origin,
            client: None,
            peer: None,
            at: self.times.real,
            // The server judges by its own clock.
            judged_at: self.times.real,
            started: self.times.mono,
        };
        let called = ForeignCall { tool: &order.tool, arguments: &order.arguments, answer: &answer.to_string(), took };
        let record = self.record(foreign, observation, called, &source);
        Answered { outcome: Outcome::Done(answer), record }
    }

    /// The answer as the log describes it.
    pub(super) fn answered(&self, observation: &Observation, sentence: &str, notes: Box<[String]>) -> ForeignAnswer {
        ForeignAnswer {
            number: self.number,
            target: shown(&self.target.name).into(),
            place: self.target.place.to_string().into(),
            word: observation.observed().word(),
            code: observation.shape.code,
            verdict: observation.verdict(),
            sentence: sentence.into(),
            status: observation.status,
            server_time: observation.date,
            said: observation.said.as_deref().map(Into::into),
            user: None,
            predicted: None,
            sent: self.target.has_own_credentials().then_some(OWN_CREDENTIALS),
            notes,
        }
    }

    /// Adds what is known here of the token: its user, and the prediction. A target that gets no token is not predicted.
    pub(super) fn known(&self, answer: ForeignAnswer, tool: &str) -> ForeignAnswer {
        if !facts(&self.target).takes_token {
            return answer;
        }
        let inspection = self.inspection();
        let judged = inspection.as_ref().map(|inspection| &inspection.judged);
        let predicted = self.rules.predict(judged, tool, self.times.judged).map(|decision| decision.verdict());
        let user = judged.and_then(|judged| judged.name.as_deref()).map(Into::into);
        ForeignAnswer { user, predicted, ..answer }
    }

    /// Logs a call. The sentence of a call that was allowed and failed is its trouble.
    pub(super) fn record(
        &self,
        foreign: ForeignAnswer,
        observation: &Observation,
        called: ForeignCall<'_>,
        source: &Source<'_>,
    ) -> Arc<Record> {
        let has_failed = matches!(observation.observed(), Observed::Failed | Observed::BadArguments);
        let trouble = has_failed.then(|| foreign.sentence.to_string());
        self.gate.observed(foreign, trouble.as_deref(), called, source)
    }
}

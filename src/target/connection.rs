//! A connection to a target with one token: the handshake, listing tools, and calling them.

use std::future::Future;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientConfig, Implementation, PaginatedRequestParams,
    ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{ClientInitializeError, NotificationContext, RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::carriage::Carriage;
use super::tool_list::{self, ToolList};
use super::wire::Wire;
use super::{Place, Target, TargetError};
use crate::clock::{Clock as _, SystemClock};
use crate::observe::{Answer, Body, NoAnswer, Progress, Reply, ServerIdentity};
use crate::text::{self, cause};

/// How long the client library may take for an answer that has already been received.
const GRACE: Duration = Duration::from_millis(200);

/// The most pages of a list that are read.
const MOST_PAGES: usize = 50;

/// How much of a program's standard error is kept, in bytes.
const STDERR: usize = 4 << 10;

/// How a connection begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// By discovery, or else with the handshake of older revisions.
    #[default]
    Auto,
    /// With the handshake of this revision, as an earlier connection found.
    Handshake(String),
    /// By discovery, with this revision.
    Discovery(String),
}

/// The answer to a request, and how long it took.
#[derive(Clone, Debug)]
pub struct TimedReply {
    /// The answer.
    pub reply: Reply,
    /// How long it took.
    pub took: Duration,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub struct ConnectError {
    /// The last answer.
    pub reply: Reply,
    /// How long the attempt took.
    pub took: Duration,
    /// The last line that a program wrote to standard error; safe to show.
    pub stderr: Option<String>,
}

impl ConnectError {
    /// Returns the last answer; if a program ended, with the last line that it wrote.
    pub fn into_reply(self) -> Reply {
        match (self.reply, self.stderr) {
            (Err(NoAnswer::Closed(why)), Some(said)) => Err(NoAnswer::Closed(format!("{why}; it wrote: {said}"))),
            (reply, _) => reply,
        }
    }
}

/// The part of the client that the server can call.
#[derive(Clone)]
struct Handler {
    progress: watch::Sender<Option<Progress>>,
    /// The revision of the older handshake to begin with.
    version: ProtocolVersion,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let me = Implementation::new("portcullis", env!("CARGO_PKG_VERSION"));
        let mut config = ClientConfig::new(rmcp::model::ClientCapabilities::default(), me);
        config.protocol_version = self.version.clone();
        config
    }

    fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) -> impl Future<Output = ()> + Send + '_ {
        let message = params.message.map(|message| text::display_safe(&message, 120));
        self.progress.send_replace(Some(Progress { done: params.progress, total: params.total, message }));
        std::future::ready(())
    }
}

/// A stream that the server closes is opened again a few times, with a pause.
#[derive(Debug)]
struct Reconnects;

impl SseRetryPolicy for Reconnects {
    fn retry(&self, current_times: usize) -> Option<Duration> {
        (current_times < 3).then(|| Duration::from_secs(1))
    }
}

/// A connection with one token. Dropping it ends the session.
pub struct Connection {
    service: RunningService<RoleClient, Handler>,
    /// The HTTP client; `None` over stdio.
    wire: Option<Wire>,
    uri: String,
    stderr: Arc<Mutex<Vec<u8>>>,
    progress: watch::Receiver<Option<Progress>>,
    /// What the server says of itself.
    pub seen: ServerIdentity,
    /// How long connecting took.
    pub took: Duration,
}

impl Connection {
    /// Connects to a target. Over stdio, the program is started and the carriage is not used: it takes its credentials
    /// from its environment.
    pub async fn open(target: &Target, carriage: &Carriage, dialect: &Dialect) -> Result<Self, OpenError> {
        // The handshake's future is large.
        Box::pin(Self::connect(target, carriage, dialect)).await
    }

    async fn connect(target: &Target, carriage: &Carriage, dialect: &Dialect) -> Result<Self, OpenError> {
        if let Some(fault) = &target.fault {
            return Err(OpenError::Target(fault.clone()));
        }
        let clock = SystemClock::new();
        let (progress, seen) = watch::channel(None);
        let version = match dialect {
            Dialect::Handshake(found) => known(found),
            _ => ProtocolVersion::LATEST_WITH_INITIALIZE,
        };
        let handler = Handler { progress, version };
        let stderr = Arc::default();
        let mut reader = None;
        let (wire, uri, service) = match &target.place {
            Place::Http(url) => {
                let wire = Wire::new(target, carriage)?;
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
                config.allow_stateless = true;
                config.reinit_on_expired_session = true;
                config.retry_config = Arc::new(Reconnects);
                let transport = StreamableHttpClientTransport::with_client(wire.clone(), config);
                let service = handler.serve_with_lifecycle(transport, lifecycle(dialect));
                let service = timeout(target.connect_bound(), Box::pin(service));
                (Some(wire), url.to_string(), service.await)
            }
            Place::Command(command) => {
                let mut words = command.iter();
                let mut program = Command::new(words.next().ok_or(TargetError::NoCommand)?);
                // The secrets of this program are not those of the server.
                program.args(words).env_remove("PORTCULLIS_SECRET").env_remove("PORTCULLIS_TOKEN").kill_on_drop(true);
                let spawned = TokioChildProcess::builder(program).stderr(Stdio::piped()).spawn();
                let (transport, errors) = match spawned {
                    Ok(spawned) => spawned,
                    Err(error) => {
                        let why = format!("cannot start {}: {}", target.place, cause(&error).to_lowercase());
                        let reply = Err(NoAnswer::Unreachable(why));
                        return Err(OpenError::Server(Box::new(ConnectError {
                            reply,
                            took: clock.monotonic(),
                            stderr: None,
                        })));
                    }
                };
                reader = errors.map(|errors| tokio::spawn(keep_tail(errors, Arc::clone(&stderr))));
                let service = handler.serve_with_lifecycle(transport, lifecycle(dialect));
                let service = timeout(target.connect_bound(), Box::pin(service));
                (None, String::new(), service.await)
            }
        };
        let took = clock.monotonic();
        if let (Some(reader), false) = (reader, matches!(service, Ok(Ok(_)))) {
            // What a program writes before it ends says why.
            let _ = timeout(GRACE, reader).await;
        }
        let failed = |reply| Err(OpenError::Server(Box::new(ConnectError { reply, took, stderr: last_line(&stderr) })));
        let service = match service {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => {
                let recorded = wire.as_ref().and_then(|wire| wire.recorded().reply.take());
                return failed(match (recorded, error) {
                    (Some(Ok(answer)), error) if is_success(&answer) => Err(NoAnswer::NotMcp(unfit(&error))),
                    (Some(reply), _) => reply,
                    (None, error) => Err(silence(&error)),
                });
            }
            Err(_) => return failed(Err(NoAnswer::TimedOut(target.connect_bound()))),
        };
        let info = service.peer().peer_info();
        let server = info.as_ref().and_then(|info| info.server_info.as_ref());
        let safe = |text: &str| text::display_safe(text, 64);
        let has_session = wire.as_ref().is_some_and(|wire| wire.recorded().session.is_some());
        let described = ServerIdentity {
            protocol: info.as_ref().map_or_else(String::new, |info| safe(info.protocol_version.as_str())),
            name: server.map_or_else(String::new, |server| safe(&server.name)),
            version: server.map_or_else(String::new, |server| safe(&server.version)),
            has_session,
        };
        Ok(Self { service, wire, uri, stderr, progress: seen, seen: described, took })
    }

    /// The dialect that the server speaks, for further connections.
    pub fn dialect(&self) -> Dialect {
        let version = self.seen.protocol.clone();
        match self.service.peer().peer_info().is_some_and(|info| info.protocol_version.has_initialize()) {
            true => Dialect::Handshake(version),
            false => Dialect::Discovery(version),
        }
    }

    /// Receives the progress of calls.
    pub fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.clone()
    }

    /// Whether the connection can be used.
    pub fn is_open(&self) -> bool {
        !self.service.is_closed() && !self.service.peer().is_transport_closed()
    }

    /// The last line that a program wrote to standard error; safe to show.
    pub fn stderr(&self) -> Option<String> {
        last_line(&self.stderr)
    }

    /// Lists the tools, all pages.
    pub async fn list(&self, bound: Duration) -> (TimedReply, Option<ToolList>) {
        let clock = SystemClock::new();
        let mut all = ToolList::default();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let params = PaginatedRequestParams::default().with_cursor(cursor.take());
            let request = Box::pin(self.service.peer().list_tools(Some(params)));
            let listing = async { request.await.map(|list| serde_json::to_value(list).unwrap_or_default()) };
            let TimedReply { reply, .. } = self.answered(listing, bound).await;
            let Some(result) = reply.as_ref().ok().and_then(|answer| answer.body.result()) else {
                return (TimedReply { reply, took: clock.monotonic() }, None);
            };
            cursor = result["nextCursor"].as_str().filter(|next| !next.is_empty()).map(str::to_owned);
            all.add(tool_list::listed_tools(result));
            if cursor.is_none() {
                return (TimedReply { reply, took: clock.monotonic() }, Some(all));
            }
        }
        all.is_cut = true;
        (
            TimedReply { reply: Ok(Answer { http: None, body: Body::Result(json!({})) }), took: clock.monotonic() },
            Some(all),
        )
    }

    /// Calls a tool. Dropping the future tells the server that the call is cancelled.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>, bound: Duration) -> TimedReply {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let request = Box::pin(self.service.peer().call_tool_once(params));
        let called = async {
            request.await.map(|response| match response {
                CallToolResponse::Complete(result) => serde_json::to_value(result).unwrap_or_default(),
                CallToolResponse::InputRequired(result) => serde_json::to_value(result).unwrap_or_default(),
                _ => json!({ "resultType": "task" }),
            })
        };
        self.answered(called, bound).await
    }

    /// Waits for the answer to a request: as it was received, or over stdio as the library reports it.
    async fn answered(
        &self,
        request: impl Future<Output = Result<Value, ServiceError>>,
        bound: Duration,
    ) -> TimedReply {
        let clock = SystemClock::new();
        if let Some(wire) = &self.wire {
            wire.recorded().reply = None;
        }
        // The library drops answers that it cannot read, and then waits for ever: what was received is enough.
        let received = async {
            match &self.wire {
                Some(wire) => wire.answered().await,
                None => std::future::pending().await,
            }
            tokio::time::sleep(GRACE).await;
        };
        let result = tokio::select! {
            biased;
            result = timeout(bound, request) => result.map_err(|_| NoAnswer::TimedOut(bound)).map(Some),
            () = received => Ok(None),
        };
        let recorded = self.wire.as_ref().and_then(|wire| wire.recorded().reply.take());
        let reply = match (result, recorded) {
            (Err(late), _) => Err(late),
            (_, Some(reply)) => reply,
            (Ok(Some(Ok(value))), None) => Ok(Answer { http: None, body: Body::Result(value) }),
            (Ok(Some(Err(error))), None) => self.unanswered(&error),
            (Ok(None), None) => Err(NoAnswer::Closed(String::new())),
        };
        TimedReply { reply, took: clock.monotonic() }
    }

    fn unanswered(&self, error: &ServiceError) -> Reply {
        match error {
            ServiceError::McpError(error) => Ok(Answer {
                http: None,
                body: Body::Error {
                    code: i64::from(error.code.0),
                    message: error.message.to_string(),
                    data: error.data.clone().unwrap_or_default(),
                },
            }),
            ServiceError::Timeout { timeout } => Err(NoAnswer::TimedOut(*timeout)),
            ServiceError::Cancelled { .. } => Err(NoAnswer::Cancelled),
            other => {
                let why = self.stderr().unwrap_or_else(|| text::display_safe(&other.to_string(), 200));
                Err(NoAnswer::Closed(why))
            }
        }
    }

    /// The session that the server opened, if it did.
    pub fn session(&self) -> Option<String> {
        self.wire.as_ref()?.recorded().session.clone()
    }

    /// How many requests were sent.
    pub fn sent(&self) -> usize {
        self.wire.as_ref().map_or(0, |wire| wire.recorded().sent)
    }

    /// Sends the last call again with another token, without a handshake of its own: in the session of this connection, or
    /// without a session. `None` if nothing was called over HTTP.
    pub async fn repeat(
        &self,
        target: &Target,
        carriage: &Carriage,
        keeps_session: bool,
    ) -> Result<Option<TimedReply>, TargetError> {
        let Some(call) = self.wire.as_ref().and_then(|wire| wire.recorded().call.clone()) else { return Ok(None) };
        let clock = SystemClock::new();
        let wire = Wire::new(target, carriage)?;
        let bound = target.call_bound();
        let sent = timeout(bound, wire.repeat(&self.uri, &call, keeps_session)).await;
        let reply = sent.unwrap_or(Err(NoAnswer::TimedOut(bound)));
        Ok(Some(TimedReply { reply, took: clock.monotonic() }))
    }

    /// Tries to end the session of this connection with another token. `None` without a session.
    pub async fn end_with(&self, target: &Target, carriage: &Carriage) -> Result<Option<TimedReply>, TargetError> {
        let Some(session) = self.session() else { return Ok(None) };
        let clock = SystemClock::new();
        let wire = Wire::new(target, carriage)?;
        let bound = target.call_bound();
        let sent = timeout(bound, wire.end(&self.uri, &session)).await;
        let reply = sent.unwrap_or(Err(NoAnswer::TimedOut(bound)));
        Ok(Some(TimedReply { reply, took: clock.monotonic() }))
    }

    /// Ends the session, and waits for it only shortly.
    pub async fn close(mut self) {
        let _ = self.service.close_with_timeout(Duration::from_secs(2)).await;
    }
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The target cannot be used as described.
    Target(TargetError),
    /// A failed connection, with the last answer.
    Server(Box<ConnectError>),
}

impl From<TargetError> for OpenError {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// The known revision with this name, or else the latest one with a handshake.
fn known(name: &str) -> ProtocolVersion {
    let known = ProtocolVersion::KNOWN_VERSIONS.iter().find(|version| version.as_str() == name);
    known.cloned().unwrap_or(ProtocolVersion::LATEST_WITH_INITIALIZE)
}

fn lifecycle(dialect: &Dialect) -> ClientLifecycleMode {
    match dialect {
        Dialect::Auto => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        },
        Dialect::Handshake(_) => ClientLifecycleMode::Initialize,
        Dialect::Discovery(found) => ClientLifecycleMode::Discover { preferred_versions: vec![known(found)] },
    }
}

fn is_success(answer: &Answer) -> bool {
    answer.http.as_ref().is_some_and(|http| (200..300).contains(&http.status))
        && !matches!(answer.body, Body::Error { .. })
}

/// Why a server that answers cannot be used. Safe to show.
fn unfit(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::NoCompatibleProtocolVersion { server_supported, .. } => {
            let versions = server_supported.iter().map(ProtocolVersion::as_str);
            format!("no protocol revision in common; it supports {}", text::names(versions, 32, 8, ", "))
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => unfit(fallback),
        _ => "it does not answer the MCP handshake".to_owned(),
    }
}

/// Why there is no connection, if no answer was recorded.
fn silence(error: &ClientInitializeError) -> NoAnswer {
    match error {
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => silence(fallback),
        ClientInitializeError::ConnectionClosed(_) => NoAnswer::Closed("the program ended".to_owned()),
        ClientInitializeError::TransportError { error, .. } => {
            NoAnswer::Closed(text::display_safe(&error.to_string(), 200))
        }
        ClientInitializeError::Cancelled => NoAnswer::Cancelled,
        ClientInitializeError::JsonRpcError(error) => {
            NoAnswer::NotMcp(format!("it refuses the handshake: {}", text::display_safe(&error.message, 200)))
        }
        other => NoAnswer::NotMcp(unfit(other)),
    }
}

/// Keeps the end of what a program writes to standard error.
async fn keep_tail(mut errors: ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = errors.read(&mut chunk).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let surplus = tail.len().saturating_sub(STDERR);
        tail.drain(..surplus);
    }
}

fn last_line(tail: &Mutex<Vec<u8>>) -> Option<String> {
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(&tail);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(text::display_safe(line.trim(), 200))
}

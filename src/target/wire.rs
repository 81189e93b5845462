//! The HTTP client below rmcp's transport. It records every answer to a request, and does not follow redirects to other
//! origins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Client, Method, Response, StatusCode, Url};
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use serde_json::{Value, json};
use sse_stream::{Sse, SseStream};
use tokio::sync::watch;

use super::carriage::Carriage;
use super::{Place, Target, TargetError, is_loopback};
use crate::clock::{Clock as _, SystemClock};
use crate::http::{self, ClientError};
use crate::observe::{Answer, Body, HttpHead, NoAnswer, Reply};
use crate::text::material::{Challenge, bearer_challenge};
use crate::text::{self, cause};

/// The largest body of an answer that is read, in bytes.
const MAX_BODY: usize = 16 << 20;

/// The largest body of an HTTP error that is read, in bytes.
const MAX_ERROR_BODY: usize = 64 << 10;

/// How many redirects within the origin are followed.
const MAX_REDIRECTS: usize = 3;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// An HTTP client for one target and one token. Clones share the record of answers.
#[derive(Clone)]
pub struct Wire {
    client: Client,
    headers: HeaderMap,
    query: Arc<[(&'static str, zeroize::Zeroizing<String>)]>,
    recorded: Arc<Mutex<Recording>>,
    /// Changes when an answer to a request is complete.
    answers: watch::Sender<usize>,
}

/// The last answers of a server.
#[derive(Default)]
pub struct Recording {
    /// The last answer to a request.
    pub reply: Option<Reply>,
    /// The session that the server opened.
    pub session: Option<String>,
    /// How many requests were sent.
    pub sent: usize,
    /// The last call, as it was sent, without what carries the token.
    pub call: Option<SentCall>,
}

/// A call as it was sent: the headers of the protocol, and the body.
#[derive(Clone)]
pub struct SentCall {
    headers: HeaderMap,
    body: Value,
}

/// Why a message was not delivered; the record has the answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WireError(String);

type Failure = StreamableHttpError<WireError>;

impl Wire {
    /// Creates a client for a target.
    pub fn new(target: &Target, carriage: &Carriage) -> Result<Self, TargetError> {
        let mut headers = HeaderMap::new();
        for header in target.headers.iter() {
            headers.append(header.name.clone(), header.value.clone());
        }
        carriage.add_to(&mut headers);
        let query = carriage.query.iter().map(|(name, value)| (*name, value.clone())).collect();
        Ok(Self { client: client(target)?, headers, query, recorded: Arc::default(), answers: watch::Sender::new(0) })
    }

    /// The last answers.
    pub fn recorded(&self) -> MutexGuard<'_, Recording> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self, uri: &str) -> Result<Url, Failure> {
        let mut url = Url::parse(uri).map_err(|error| Failure::Client(WireError(error.to_string())))?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query.iter().map(|(name, value)| (name, value.as_str())));
        }
        Ok(url)
    }

    /// Sends a request, and follows redirects within the origin that keep method and body.
    async fn send(
        &self,
        method: Method,
        uri: &str,
        headers: HeaderMap,
        body: Option<String>,
    ) -> Result<Response, NoAnswer> {
        let first = self.url(uri).map_err(|error| NoAnswer::Unreachable(error.to_string()))?;
        let mut at = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request =
                self.client.request(method.clone(), at.clone()).headers(self.headers.clone()).headers(headers.clone());
            if let Some(body) = &body {
                request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
            }
            let answer = request.send().await.map_err(|error| no_answer(&error))?;
            if !matches!(answer.status().as_u16(), 307 | 308) {
                return Ok(answer);
            }
            let to = answer.headers().get(LOCATION).and_then(|to| at.join(to.to_str().ok()?).ok());
            match to.filter(|to| to.origin() == first.origin()) {
                Some(to) => at = to,
                // It is reported as the answer.
                None => return Ok(answer),
            }
        }
        Err(NoAnswer::NotMcp("too many redirects".to_owned()))
    }

    fn record(&self, reply: Reply) {
        self.recorded().reply = Some(reply);
        self.answers.send_modify(|n| *n += 1);
    }

    /// Completes when the next answer to a request has been received.
    pub async fn answered(&self) {
        let _ = self.answers.subscribe().changed().await;
    }

    /// Records a failure, and returns it as the error of the transport.
    fn fail(&self, why: NoAnswer) -> Failure {
        let error = Failure::Client(WireError(why.to_string()));
        self.record(Err(why));
        error
    }

    async fn post(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        extra: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let body = serde_json::to_string(message)?;
        let mut headers: HeaderMap = extra.into_iter().collect();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(session) = session.as_deref().and_then(|session| HeaderValue::from_str(session).ok()) {
            headers.insert(SESSION, session);
        }
        let id = match message {
            ClientJsonRpcMessage::Request(request) => serde_json::to_value(&request.id).ok(),
            _ => None,
        };
        {
            let mut recorded = self.recorded();
            recorded.sent += 1;
            if matches!(message, ClientJsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::CallToolRequest(_)))
            {
                let body = serde_json::to_value(message).unwrap_or_default();
                recorded.call = Some(SentCall { headers: headers.clone(), body });
            }
        }
        let answer = match self.send(Method::POST, uri, headers, Some(body)).await {
            Ok(answer) => answer,
            Err(why) => return Err(self.fail(why)),
        };
        let (status, head) = (answer.status(), head_of(&answer));
        let opened = answer.headers().get(SESSION).and_then(|session| session.to_str().ok()).map(str::to_owned);
        if let Some(opened) = &opened {
            self.recorded().session = Some(opened.clone());
        }
        if !status.is_success() {
            let text = read_text(answer, MAX_ERROR_BODY).await.unwrap_or_else(|(head, _)| head);
            // The answer to a reply or a cancellation is not one to the call. The end of the handshake is part of it.
            let is_handshake = matches!(message, ClientJsonRpcMessage::Notification(note) if matches!(note.notification, ClientNotification::InitializedNotification(_)));
            if id.is_some() || is_handshake {
                self.record(Ok(Answer { http: Some(head), body: Body::read(&text) }));
            }
            return refused(message, session.is_some(), status, &text, opened);
        }
        let Some(id) = id else { return Ok(StreamableHttpPostResponse::Accepted) };
        match head.media_type.as_deref() {
            Some("text/event-stream") => {
                // Until the response arrives, the record says that it did not.
                self.recorded().reply = Some(Err(NoAnswer::Closed("the event stream ended early".to_owned())));
                Ok(StreamableHttpPostResponse::Sse(events(answer, Some((self.clone(), head, id))), opened))
            }
            Some("application/json") => {
                let text = match read_text(answer, MAX_BODY).await {
                    Ok(text) => text,
                    Err((_, why)) => return Err(self.fail(why)),
                };
                if !answers(&text, &id) {
                    return Err(self.fail(NoAnswer::NotMcp("the answer has the ID of another request".to_owned())));
                }
                self.record(Ok(Answer { http: Some(head), body: Body::read(&text) }));
                let message = serde_json::from_str::<ServerJsonRpcMessage>(&text)?;
                Ok(StreamableHttpPostResponse::Json(message, opened))
            }
            _ => {
                let text = read_text(answer, MAX_ERROR_BODY).await.unwrap_or_else(|(head, _)| head);
                self.record(Ok(Answer { http: Some(head), body: Body::read(&text) }));
                Err(Failure::UnexpectedServerResponse("neither JSON nor an event stream".into()))
            }
        }
    }
}

/// Turns an HTTP error into what the protocol's library expects: a discovery that was refused by an older server leads
/// to the older handshake, and a session that is gone to a new one.
fn refused(
    message: &ClientJsonRpcMessage,
    has_session: bool,
    status: StatusCode,
    text: &str,
    opened: Option<String>,
) -> Result<StreamableHttpPostResponse, Failure> {
    let id = match message {
        ClientJsonRpcMessage::Request(request) => Some(&request.id),
        _ => None,
    };
    let is_discovery = matches!(message, ClientJsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::DiscoverRequest(_)));
    let is_about_access = matches!(status.as_u16(), 401 | 403 | 429);
    let error = match serde_json::from_str::<ServerJsonRpcMessage>(text) {
        Ok(ServerJsonRpcMessage::Error(error)) => Some(error.error),
        _ => None,
    };
    match (error, id) {
        (error, Some(id)) if is_discovery && !is_about_access => {
            let error = error.unwrap_or_else(|| ErrorData::invalid_request(format!("HTTP {status}"), None));
            Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id.clone())), None))
        }
        _ if status == StatusCode::NOT_FOUND && has_session => Err(Failure::SessionExpired),
        (Some(error), Some(id)) if !is_about_access => {
            Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id.clone())), opened))
        }
        _ => Err(Failure::UnexpectedServerResponse(format!("HTTP {status}").into())),
    }
}

type Stream = BoxStream<'static, Result<Sse, SseError>>;

/// The most messages that are read while one answer is awaited: notifications, and requests of the server.
const MOST_MESSAGES: usize = 10_000;

/// The shortest time until a stream is opened again, in milliseconds, whatever the server wants.
const SHORTEST_RETRY: u64 = 1000;

/// Whether a message is the response to a request. Some servers write its number as a string, or leave the ID of an
/// error out.
fn answers(text: &str, id: &Value) -> bool {
    let Ok(message) = serde_json::from_str::<Value>(text.trim()) else { return true };
    let written = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match message.get("id") {
        None | Some(Value::Null) => true,
        Some(found) => written(found) == written(id),
    }
}

/// Returns the events of an answer. The response with this ID among them is recorded.
fn events(answer: Response, record: Option<(Wire, HttpHead, Value)>) -> Stream {
    let mut pending = 0;
    let bounded = answer.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(|error| WireError(cause(&error)))?;
        // An event ends with an empty line; one that never ends must not fill the memory.
        let ends = chunk.windows(2).any(|pair| pair == b"\n\n" || pair == b"\r\r")
            || chunk.windows(4).any(|four| four == b"\r\n\r\n");
        pending = if ends { chunk.len() } else { pending + chunk.len() };
        if pending > MAX_BODY { Err(WireError("an event is too large".to_owned())) } else { Ok(chunk) }
    });
    let (mut record, mut messages) = (record, 0);
    let clock = SystemClock::new();
    let opened = clock.monotonic();
    SseStream::from_bytes_stream(bounded)
        .map(move |event| {
            let mut event = match event {
                Ok(event) => event,
                Err(error) => {
                    if let Some((wire, ..)) = record.take() {
                        wire.record(Err(NoAnswer::Closed(text::display_safe(&cause(&error), 200))));
                    }
                    return Err(error);
                }
            };
            event.retry = event.retry.map(|retry| retry.max(SHORTEST_RETRY));
            let Some(data) = &event.data else { return Ok(event) };
            messages += 1;
            let is_awaited = record.as_ref().is_some_and(|(.., id)| answers(data, id));
            let body = if is_awaited { Body::read(data) } else { Body::Empty };
            if let Some((wire, head, _)) = record.take_if(|_| is_response(&body)) {
                // The header was sent when the stream was opened: its time has gone on since then.
                let waited = Duration::from_secs((clock.monotonic().saturating_sub(opened)).as_secs());
                let head = HttpHead { date: head.date.map(|date| date.plus(waited.into())), ..head };
                wire.record(Ok(Answer { http: Some(head), body }));
            } else if messages > MOST_MESSAGES
                && let Some((wire, ..)) = record.take()
            {
                wire.record(Err(NoAnswer::NotMcp("it sent over 10,000 messages instead of the answer".to_owned())));
            }
            if messages > MOST_MESSAGES {
                let error = WireError("too many messages".to_owned());
                return Err(SseError::Body(Box::new(error)));
            }
            Ok(event)
        })
        .boxed()
}

const fn is_response(body: &Body) -> bool {
    matches!(body, Body::Result(_) | Body::Error { .. })
}

/// Reads a body up to a limit. A failure comes with what was read until then.
async fn read_text(mut answer: Response, limit: usize) -> Result<String, (String, NoAnswer)> {
    let mut body = Vec::new();
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                return Err((text(&body), NoAnswer::TooLarge(limit)));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(text(&body)),
            Err(error) => return Err((text(&body), NoAnswer::Closed(cause(&error)))),
        }
    }
}

/// Returns the status and headers of an answer.
pub(super) fn head_of(answer: &Response) -> HttpHead {
    let one = |name: HeaderName| {
        answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    HttpHead {
        status: answer.status().as_u16(),
        challenge: challenge(answer.headers()),
        date: one(DATE).as_deref().and_then(crate::observe::http_date),
        retry_after: one(RETRY_AFTER),
        media_type: one(CONTENT_TYPE)
            .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()),
        location: one(LOCATION),
    }
}

/// Returns the challenge for a bearer token, or else the first one. An empty or unreadable header still is a challenge.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE);
    let read = |value: &HeaderValue| bearer_challenge(&String::from_utf8_lossy(value.as_bytes()));
    let all: Vec<Challenge> = values.iter().map(|value| read(value).unwrap_or_default()).collect();
    let bearer = all.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"));
    bearer.or(all.first()).cloned()
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    let why = cause(error);
    if error.is_connect() || error.is_builder() {
        return NoAnswer::Unreachable(why);
    }
    if error.is_timeout() { NoAnswer::TimedOut(super::CONNECT_TIMEOUT) } else { NoAnswer::Closed(why) }
}

/// Creates an HTTP client for a target.
pub(super) fn client(target: &Target) -> Result<Client, ClientError> {
    let is_local = matches!(&target.place, Place::Http(url) if is_loopback(url));
    http::client(is_local, target.ca_file.as_deref(), |builder| {
        builder.tcp_nodelay(true).connect_timeout(target.connect_bound().min(Duration::from_secs(10)))
    })
}

impl StreamableHttpClient for Wire {
    type Error = WireError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        self.post(&uri, &message, session_id, custom_headers).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let mut headers: HeaderMap = custom_headers.into_iter().collect();
        headers.extend(HeaderValue::from_str(&session_id).ok().map(|session| (SESSION, session)));
        // The end of a session is not an answer to a call: it is not recorded.
        let sent = self.send(Method::DELETE, &uri, headers, None).await;
        sent.map(drop).map_err(|why| Failure::Client(WireError(why.to_string())))
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Stream, Failure> {
        let mut headers: HeaderMap = custom_headers.into_iter().collect();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.extend(session_id.and_then(|id| HeaderValue::from_str(&id).ok()).map(|id| (SESSION, id)));
        let is_resumed = last_event_id.is_some();
        let last = last_event_id.and_then(|id| HeaderValue::from_str(&id).ok());
        headers.extend(last.map(|id| (HeaderName::from_static("last-event-id"), id)));
        let answer = self.send(Method::GET, &uri, headers, None).await;
        let answer = answer.map_err(|why| Failure::Client(WireError(why.to_string())))?;
        let head = head_of(&answer);
        match (answer.status(), head.media_type.as_deref()) {
            (StatusCode::OK, Some("text/event-stream")) => {
                // A stream that continues another one may deliver the response.
                let awaited = self.recorded().call.as_ref().map(|call| call.body["id"].clone());
                let record = awaited.filter(|_| is_resumed).map(|id| (self.clone(), head, id));
                Ok(events(answer, record))
            }
            _ => Err(Failure::ServerDoesNotSupportSse),
        }
    }
}

impl Wire {
    /// Sends a call again that another client sent, with the token of this one, outside of the protocol's library. The
    /// session is that of the other one, or none.
    pub async fn repeat(&self, uri: &str, call: &SentCall, keeps_session: bool) -> Reply {
        let mut headers = call.headers.clone();
        if !keeps_session {
            headers.remove(SESSION);
        }
        let mut body = call.body.clone();
        // Some servers refuse an ID that was used before.
        let id = json!(format!("again-{}", self.recorded().sent));
        self.recorded().sent += 1;
        body["id"] = id.clone();
        let answer = self.send(Method::POST, uri, headers, Some(body.to_string())).await?;
        self.read(answer, &id).await
    }

    /// Tries to end a session.
    pub async fn end(&self, uri: &str, session: &str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.extend(HeaderValue::from_str(session).ok().map(|session| (SESSION, session)));
        let answer = self.send(Method::DELETE, uri, headers, None).await?;
        self.read(answer, &Value::Null).await
    }

    /// Reads the whole answer to a request with this ID.
    async fn read(&self, answer: Response, id: &Value) -> Reply {
        let head = head_of(&answer);
        if head.media_type.as_deref() == Some("text/event-stream") && answer.status().is_success() {
            self.recorded().reply = Some(Err(NoAnswer::Closed("the event stream ended early".to_owned())));
            let mut stream = events(answer, Some((self.clone(), head, id.clone())));
            while stream.next().await.is_some() {
                if matches!(self.recorded().reply, Some(Ok(_))) {
                    break;
                }
            }
            return self.recorded().reply.take().unwrap_or_else(|| Err(NoAnswer::Closed(String::new())));
        }
        let text = read_text(answer, MAX_BODY).await.map_err(|(_, why)| why)?;
        Ok(Answer { http: Some(head), body: Body::read(&text) })
    }
}

//! The HTTP client below rmcp's transport. It records every answer to a request, and does not follow redirects to other
//! origins.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Response, StatusCode, Url};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorData, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};
use tokio::sync::watch;

use super::carriage::Carriage;
use super::{Place, Target, TargetError, is_loopback};
use crate::observe::{Answer, Body, HttpHead, NoAnswer, Reply};
use crate::text;
use crate::text::material::{Challenge, parse_challenge};

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
    recorded: Arc<Mutex<Recorded>>,
    /// Changes when an answer to a request is complete.
    answers: watch::Sender<usize>,
}

/// The last answers of a server.
#[derive(Default)]
pub struct Recorded {
    /// The last answer to a request.
    pub reply: Option<Reply>,
    /// The session that the server opened.
    pub session: Option<String>,
    /// How many requests were sent.
    pub sent: usize,
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
    pub fn recorded(&self) -> MutexGuard<'_, Recorded> {
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
        Err(NoAnswer::NotMcp("the server redirects again and again".to_owned()))
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
        let is_request = matches!(message, ClientJsonRpcMessage::Request(_));
        self.recorded().sent += 1;
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
            self.record(Ok(Answer { http: Some(head), body: Body::read(&text) }));
            return refused(message, session.is_some(), status, &text, opened);
        }
        if !is_request {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        match head.media_type.as_deref() {
            Some("text/event-stream") => {
                // Until the response arrives, the record says that it did not.
                self.recorded().reply = Some(Err(NoAnswer::Closed("the event stream ended early".to_owned())));
                Ok(StreamableHttpPostResponse::Sse(events(answer, Some((self.clone(), head))), opened))
            }
            Some("application/json") => {
                let text = match read_text(answer, MAX_BODY).await {
                    Ok(text) => text,
                    Err((_, why)) => return Err(self.fail(why)),
                };
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

/// Returns the events of an answer. The response among them is recorded.
fn events(answer: Response, record: Option<(Wire, HttpHead)>) -> Stream {
    let mut pending = 0;
    let bounded = answer.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(|error| WireError(cause(&error)))?;
        // An event ends with an empty line; one that never ends must not fill the memory.
        let ends = chunk.windows(2).any(|pair| pair == b"\n\n" || pair == b"\r\r")
            || chunk.windows(4).any(|four| four == b"\r\n\r\n");
        pending = if ends { chunk.len() } else { pending + chunk.len() };
        if pending > MAX_BODY { Err(WireError("an event is too large".to_owned())) } else { Ok(chunk) }
    });
    let parsed = SseStream::from_bytes_stream(bounded);
    let mut record = record;
    parsed
        .map(move |event| {
            match &event {
                Ok(Sse { data: Some(data), .. }) => {
                    let body = Body::read(data);
                    if let Some((wire, head)) = record.take_if(|_| is_response(&body)) {
                        wire.record(Ok(Answer { http: Some(head), body }));
                    }
                }
                Err(error) => {
                    if let Some((wire, _)) = record.take() {
                        wire.record(Err(NoAnswer::Closed(text::display_safe(&cause(error), 200))));
                    }
                }
                Ok(_) => {}
            }
            event
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
    let all: Vec<Challenge> = values
        .iter()
        .map(|value| parse_challenge(&String::from_utf8_lossy(value.as_bytes())).unwrap_or_default())
        .collect();
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

/// Returns the innermost cause of an error. Safe to show.
pub(super) fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let said = innermost.to_string();
    if said.contains("UnknownIssuer") {
        return "the server's certificate is signed by an unknown authority; pass its certificate with --ca-file FILE"
            .to_owned();
    }
    let end = said.find(" (os error").unwrap_or(said.len());
    text::display_safe(text::head(&said, end), 200)
}

/// Creates an HTTP client for a target.
pub(super) fn client(target: &Target) -> Result<Client, TargetError> {
    let authorities = match &target.ca_file {
        Some(path) => {
            let name = || text::name(&path.to_string_lossy(), 200);
            let pem = std::fs::read(path)
                .map_err(|error| TargetError::Authorities(format!("{}: {}", name(), cause(&error).to_lowercase())))?;
            let found = Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
            found.ok_or_else(|| TargetError::Authorities(format!("{}: expected certificates in PEM", name())))?
        }
        None => Vec::new(),
    };
    let is_local = matches!(&target.place, Place::Http(url) if is_loopback(url));
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(10));
        // A proxy would see the token of a local connection.
        if is_local { builder.no_proxy() } else { builder }
    };
    let failed = |error: reqwest::Error| TargetError::Client(cause(&error));
    match builder().tls_certs_merge(authorities.clone()).build() {
        Err(_) if is_local => builder().tls_certs_only(authorities).build().map_err(failed),
        built => built.map_err(failed),
    }
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
                let record = is_resumed.then(|| (self.clone(), head));
                Ok(events(answer, record))
            }
            _ => Err(Failure::ServerDoesNotSupportSse),
        }
    }
}

impl Wire {
    /// Sends one message under a session, outside the protocol's library, and returns the answer as received.
    pub async fn raw(
        &self,
        method: &Method,
        uri: &str,
        session: Option<&str>,
        version: Option<&str>,
        body: Option<String>,
    ) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.extend(session.and_then(|id| HeaderValue::from_str(id).ok()).map(|id| (SESSION, id)));
        let version = version.and_then(|version| HeaderValue::from_str(version).ok());
        headers.extend(version.map(|version| (HeaderName::from_static("mcp-protocol-version"), version)));
        let answer = self.send(method.clone(), uri, headers, body).await?;
        let head = head_of(&answer);
        if head.media_type.as_deref() == Some("text/event-stream") {
            self.recorded().reply = Some(Err(NoAnswer::Closed("the event stream ended early".to_owned())));
            let mut stream = events(answer, Some((self.clone(), head)));
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

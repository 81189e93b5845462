//! Accepts connections, serves them through the layers, and ends them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::timeout::TimeoutLayer;

use super::challenge::{METADATA, metadata};
use super::discovery;
use super::handler::Handler;
use super::layers::{self, Endpoint, Peer, guard};
use super::limit::Limiter;
use super::places::{Place, Places};
use super::streams::TimedStream;
use crate::endpoint::{PATH, Settings};
use crate::gate::{Gate, Rejection};

/// The most open connections.
const MOST_CONNECTIONS: usize = 1024;

/// The number of file descriptors that connections leave free: without any, the policy and state files could not be
/// read.
const SPARE_DESCRIPTORS: u64 = 64;

/// The time limit for receiving the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// The largest head of a request besides its token, in bytes.
const MOST_HEAD: usize = 8 << 10;

/// How long a write of an answer may make no progress before it is aborted.
const WRITE: Duration = Duration::from_secs(10);

/// How long accepting pauses when the system cannot accept more connections.
const NO_MORE: Duration = Duration::from_millis(100);

/// The service that answers a request.
#[derive(Clone)]
pub struct Service {
    router: Router,
    places: Places,
    endpoint: Arc<Endpoint>,
    /// The largest head of a request, in bytes.
    most_head: usize,
}

impl Service {
    /// Creates the endpoint behind its layers, and the public paths next to it.
    pub fn new(gate: Gate, settings: Settings, bound: SocketAddr, uri: Arc<str>, stop: CancellationToken) -> Self {
        // Sessions are disabled, because they are not bound to a caller: every request contains its own token.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_cancellation_token(stop)
            // `origin` checks both before anything else.
            .disable_allowed_hosts()
            .disable_allowed_origins();
        let handler = Handler::behind_layers(gate.clone(), &settings);
        let mcp =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
        let limiter = Limiter::new(settings.rate);
        let within = settings.timeout;
        let places = Places::new(most_connections(), settings.for_each_peer);
        let hosts = settings.allowed_hosts(bound, &uri);
        let state = Arc::new(Endpoint { gate, settings, hosts, uri, limiter });
        let public = Router::new()
            .merge(no_sign_in())
            .route("/", get(about))
            .route("/healthz", get(health))
            .route(discovery::KEYS, get(discovery::keys).options(anybody))
            .route(discovery::CONFIGURATION, get(configuration).options(anybody))
            .route(METADATA, get(describe).options(anybody))
            .route(&format!("{METADATA}{{*path}}"), get(describe).options(anybody))
            .fallback(elsewhere)
            .method_not_allowed_fallback(not_so)
            .layer(from_fn_with_state(Arc::clone(&state), layers::public));
        let layers = ServiceBuilder::new()
            .layer(from_fn_with_state(Arc::clone(&state), guard))
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, within));
        let router = Router::new()
            .route_service(PATH, mcp.clone())
            // Some clients append a slash to the URL.
            .route_service(&format!("{PATH}/"), mcp)
            .route_layer(layers)
            .merge(public)
            .with_state(Arc::clone(&state));
        let most_head = state.gate.shared().rules().token_limit.bytes() + MOST_HEAD;
        Self { router, places, endpoint: state, most_head }
    }

    /// The monotonic clock.
    fn now(&self) -> Duration {
        self.endpoint.gate.clock().monotonic()
    }
}

/// Answers a preflight for public paths: any page may read them, with any headers.
async fn anybody() -> impl IntoResponse {
    const ANY: HeaderValue = HeaderValue::from_static("*");
    let headers = [header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_ALLOW_HEADERS].map(|name| (name, ANY));
    (StatusCode::NO_CONTENT, headers)
}

/// The paths where clients look for OAuth sign-in (RFC 8414, RFC 7591, RFC 6749). It is not supported; clients show the
/// description in an OAuth error instead of "404".
fn no_sign_in() -> Router<Arc<Endpoint>> {
    let paths = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/{*path}",
        "/.well-known/openid-configuration/{*path}",
        "/register",
        "/authorize",
        "/token",
    ];
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, any(issued_elsewhere).options(anybody)))
}

/// Serves the description of the signer, or answers that no tokens are issued here.
async fn configuration(state: State<Arc<Endpoint>>, request: Request) -> Response {
    match discovery::configuration(&state) {
        Some(answer) => answer,
        None => issued_elsewhere(state, request).await.into_response(),
    }
}

async fn issued_elsewhere(State(endpoint): State<Arc<Endpoint>>, request: Request) -> impl IntoResponse {
    endpoint.turn_away(&request.into_parts().0, Rejection::SignIn);
    let sentence = "no tokens are issued here: get one elsewhere, and send it as Authorization: Bearer TOKEN. A token that was sent has \
                    been refused: it may be expired, revoked, for another server, or without the permission that is needed";
    let body = serde_json::json!({ "error": "access_denied", "error_description": sentence });
    let readable = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))];
    (StatusCode::NOT_FOUND, readable, Json(body))
}

/// Serves a page for people who open the address in a browser.
async fn about() -> &'static str {
    "Portcullis, the gate of an MCP server. Its endpoint is /mcp: POST messages there, with Authorization: Bearer TOKEN.\n"
}

/// Reports the health for monitoring: 200 if calls can be decided, else 503. It does not name files, because it is
/// public.
async fn health(State(endpoint): State<Arc<Endpoint>>) -> impl IntoResponse {
    let (health, keyless) = endpoint
        .gate
        .shared()
        .read(|state| (state.health().clone(), state.issuer_keys().iter().filter(|status| !status.is_usable).count()));
    let now = endpoint.gate.clock().monotonic();
    let (status, word) = match health.stale(now, endpoint.settings.max_stale) {
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        None if health.unsaved > 0 || keyless > 0 || health.unread().next().is_some() => (StatusCode::OK, "degraded"),
        None => (StatusCode::OK, "ok"),
    };
    let unread: serde_json::Map<_, _> = health
        .unread()
        .map(|(name, unread)| (name.to_owned(), now.saturating_sub(unread.since).as_secs().into()))
        .collect();
    let body = serde_json::json!({
        "status": word,
        "unreadable_for_seconds": unread,
        "unsaved": health.unsaved,
        "issuers_without_keys": keyless,
    });
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], (status, Json(body)))
}

/// Answers requests for any other path.
async fn elsewhere(State(endpoint): State<Arc<Endpoint>>, request: Request) -> impl IntoResponse {
    endpoint.turn_away(&request.into_parts().0, Rejection::NotFound);
    (StatusCode::NOT_FOUND, "Not found. The MCP endpoint of this server is /mcp.\n")
}

/// Answers requests with another method on a known path.
async fn not_so(State(endpoint): State<Arc<Endpoint>>, request: Request) -> impl IntoResponse {
    endpoint.turn_away(&request.into_parts().0, Rejection::Method);
    (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed. The MCP endpoint of this server is POST /mcp.\n")
}

/// Returns the limit of connections, as far as file descriptors are available.
fn most_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(usize::MAX).clamp(16, MOST_CONNECTIONS)
}

/// Serves the protected-resource metadata, which any page may read.
async fn describe(State(endpoint): State<Arc<Endpoint>>) -> impl IntoResponse {
    let rules = endpoint.gate.shared().rules();
    let said = metadata(&endpoint.uri, &endpoint.settings.authorization_servers, &rules);
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))], Json(said))
}

/// Accepts connections until `stop`. Open ones then have `grace` to end.
pub async fn run(listener: TcpListener, service: Service, stop: CancellationToken, grace: Duration) {
    let open = TaskTracker::new();
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => break,
            taken = listener.accept() => taken,
        };
        let Ok((stream, peer)) = taken else {
            // For example, the process may have no file descriptors left: an immediate retry would spin.
            sleep(NO_MORE).await;
            continue;
        };
        // Without a place, the connection is closed: all places are busy for verified callers.
        if let Some(place) = service.places.take(peer.ip(), service.now()) {
            open.spawn(connection(stream, peer, service.clone(), place, stop.clone()));
        }
    }
    drop(listener);
    open.close();
    let _ = timeout(grace, open.wait()).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, service: Service, place: Place, stop: CancellationToken) {
    // Otherwise, an answer in two parts would wait for the client's acknowledgement of the first one.
    let _ = stream.set_nodelay(true);
    if let Some(delay) = service.endpoint.limiter.delay(peer.ip(), service.now()) {
        tokio::select! {
            () = sleep(delay) => {}
            () = place.given_up() => return,
            () = stop.cancelled() => return,
        }
    }
    let local = stream.local_addr().ok().map(|address| address.ip());
    let held = Arc::clone(place.connection());
    let most_head = service.most_head;
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (service, held) = (service.clone(), Arc::clone(&held));
        async move {
            held.is_heard(service.now());
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(Peer { address: peer, local, connection: Arc::clone(&held) });
            let answer = service.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            held.works(false);
            held.is_heard(service.now());
            Ok::<_, Infallible>(answer)
        }
    });
    let stream = TimedStream::new(stream, WRITE);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(most_head);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // A client that disconnects is not an error.
        _ = connection.as_mut() => return,
        () = place.given_up() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

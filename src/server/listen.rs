//! Connections: taken, answered by the layers, and ended.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::timeout::TimeoutLayer;

use super::challenge::{METADATA, metadata};
use super::handler::Handler;
use super::layers::{Endpoint, Peer, guard};
use super::limit::Limiter;
use crate::endpoint::{PATH, Settings};
use crate::gate::Gate;

/// Connections that are open at once; the next one waits.
const MOST_CONNECTIONS: usize = 1024;

/// The head of a request must have come after this time.
const HEAD: Duration = Duration::from_secs(10);

/// The head of a request, in bytes: a token of 8 KiB and as much again.
const MOST_HEAD: usize = 16 << 10;

/// How long nobody is taken when the system gives no more connections.
const NO_MORE: Duration = Duration::from_millis(100);

/// What answers a request.
#[derive(Clone)]
pub struct Service(Router);

impl Service {
    /// The endpoint behind its layers, and the metadata beside it, which is public.
    pub fn new(gate: Gate, settings: Settings, bound: SocketAddr, uri: Arc<str>, stop: CancellationToken) -> Self {
        // Sessions are bound to nobody, so there are none: every request brings its own token.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_cancellation_token(stop)
            .with_allowed_hosts(settings.allowed_hosts(bound))
            .with_allowed_origins(settings.origins.clone())
            .enforce_origin_validation();
        let handler = Handler::behind_layers(gate.clone(), settings.listing);
        let mcp =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
        let limiter = Limiter::new(settings.rate);
        let within = settings.timeout;
        let state = Arc::new(Endpoint { gate, settings, uri, limiter });
        let layers = ServiceBuilder::new()
            .layer(from_fn_with_state(Arc::clone(&state), guard))
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, within));
        let router = Router::new()
            .route_service(PATH, mcp.clone())
            // Some clients add a slash to what they are given.
            .route_service(&format!("{PATH}/"), mcp)
            .route_layer(layers)
            .route(METADATA, get(describe))
            .route(&format!("{METADATA}{{*path}}"), get(describe))
            .with_state(state);
        Self(router)
    }
}

/// The protected-resource metadata; anybody may read it, from any page.
async fn describe(State(endpoint): State<Arc<Endpoint>>) -> impl IntoResponse {
    let rules = endpoint.gate.shared().rules();
    let said = metadata(&endpoint.uri, &endpoint.settings.authorization_servers, &rules.policy);
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))], Json(said))
}

/// Takes connections until `stop`; those that are open then get `grace` to end.
pub async fn run(listener: TcpListener, service: Service, stop: CancellationToken, grace: Duration) {
    let open = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => break,
            taken = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => taken,
        };
        let (Ok((stream, peer)), Ok(place)) = taken else {
            // As when the process has no more files: at once again would spin.
            sleep(NO_MORE).await;
            continue;
        };
        let connection = connection(stream, peer, service.clone(), stop.clone());
        open.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    open.close();
    let _ = timeout(grace, open.wait()).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, service: Service, stop: CancellationToken) {
    // An answer in two parts would wait for the client's acknowledgement of the first one.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let router = service.0.clone();
        async move {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {}))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MOST_HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // A client that breaks off is no trouble of ours.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

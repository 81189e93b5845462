//! The gate as an MCP server: Streamable HTTP at `/mcp`, or standard input and output, on the shared auth state.
//!
//! A request passes `listen` (connections), `layers` (authenticate, throttle, authorise, account, with the one
//! `judgement`), the official crate (protocol, versions, headers) and `handler`, which runs calls that have a permit.
//! `body` reads bodies, `envelope` parses the parts of a message that determine its status, `challenge` writes
//! refusals, and `discovery` publishes the signer's public key.

mod body;
mod challenge;
mod discovery;
mod envelope;
mod handler;
mod identity;
mod judgement;
mod layers;
mod limit;
mod listen;
mod origin;
mod places;
mod streams;
mod subscription;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::auth::{KeyOrigin, Verifier};
use crate::config::plain;
use crate::endpoint::{Address, Settings};
use crate::gate::{Gate, Shared};
use crate::text;

use handler::Handler;

/// The most connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How long requests in progress may continue after the server is stopped.
const GRACE: Duration = Duration::from_millis(500);

/// Why the server cannot run. The message is safe to show.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}: {}", plain(.error))]
    Listen {
        /// The address.
        address: String,
        /// The system's error.
        error: io::Error,
    },
    /// Other machines can reach the address, but the key is weak, or fresh and therefore unknown to others.
    #[error(
        "{address} is reachable from other machines, but the key is {key}; pass a strong key with --secret-file, or allow it with --expose (in the console: settings, Ctrl-S)"
    )]
    Exposed {
        /// The address.
        address: SocketAddr,
        /// A description of the key.
        key: String,
    },
    /// The runtime or its thread cannot be started.
    #[error("cannot start: {}", plain(.0))]
    Start(io::Error),
    /// The client on standard input does not speak MCP.
    #[error("standard input: {0}")]
    Client(String),
}

/// A listening server. When dropped, it stops without waiting.
pub struct Server {
    /// The server's URI: the audience of tokens and the address for clients.
    pub uri: Arc<str>,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Removes the required audience when the server ends, for whatever reason.
    _audience: ExpectedAudience,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts listening. If no audience is required yet, tokens must name this server from now on.
    pub fn start(settings: Settings, gate: &Gate) -> Result<Self, ServeError> {
        let failed = |error| ServeError::Listen { address: text::name(&settings.address.to_string(), 64), error };
        let listener = listener(&settings.address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() && !settings.expose {
            let rules = gate.shared().rules();
            let guessable = |key: &&Verifier| key.is_weak() || key.origin() == KeyOrigin::Fresh;
            if let Some(key) = rules.issuers.iter().flat_map(|issuer| issuer.keys.iter()).find(guessable) {
                return Err(ServeError::Exposed { address, key: key.describe() });
            }
        }
        let runtime = runtime().map_err(ServeError::Start)?;
        let uri: Arc<str> = settings.uri(address, interface(address)).into();
        let stop = CancellationToken::new();
        let audience = ExpectedAudience::set(gate.shared(), &uri);
        let service = listen::Service::new(gate.clone(), settings, address, Arc::clone(&uri), stop.clone());
        let (stopped, followed) = (stop.clone(), gate.clone());
        let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    tokio::select! {
                        () = listen::run(listener, service, stopped, GRACE) => {}
                        () = followed.follow_backend() => {}
                    }
                }
            });
            // Requests that have not ended by now are dropped.
            runtime.shutdown_background();
        });
        let thread = Some(thread.map_err(ServeError::Start)?);
        Ok(Self { uri, address, _audience: audience, stop, thread })
    }

    /// Whether other machines can reach the server.
    pub fn is_exposed(&self) -> bool {
        !self.address.ip().is_loopback()
    }

    /// Stops listening and waits up to half a second for requests in progress.
    pub fn stop(mut self) {
        self.stop.cancel();
        // The panic hook has reported any panic in the thread.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The audience that a server requires of issuers that do not require one themselves. Dropping it removes the
/// requirement.
struct ExpectedAudience {
    shared: Shared,
    uri: Arc<str>,
}

impl ExpectedAudience {
    fn set(shared: &Shared, uri: &Arc<str>) -> Self {
        shared.update(|state| state.require_audience(uri));
        Self { shared: shared.clone(), uri: Arc::clone(uri) }
    }
}

impl Drop for ExpectedAudience {
    fn drop(&mut self) {
        self.shared.update(|state| state.release_audience(&self.uri));
    }
}

/// Returns the address by which others reach this machine if it listens on every address: the one that the system would
/// send from. Nothing is sent to find it.
fn interface(bound: SocketAddr) -> Option<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849), which are never assigned.
    let elsewhere: IpAddr = match bound {
        SocketAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        SocketAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind((bound.ip(), 0)).ok()?;
    socket.connect((elsewhere, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

fn listener(address: &Address) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((address.host(), address.port()))?;
    listener.set_nonblocking(true)?;
    // The standard library lets 128 connections wait. If there are more at once, the system drops the next client's
    // first packet, which is sent again only after a second.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

/// Creates a runtime with one thread: a call is decided in microseconds, and passing it to another thread would cost
/// more.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Serves one client on standard input and output with this token, until the client closes them.
pub fn stdio(gate: &Gate, token: Option<&str>, settings: &Settings) -> Result<(), ServeError> {
    let runtime = runtime().map_err(ServeError::Start)?;
    let handler = Handler::of_one(gate.clone(), settings, token, "standard input");
    let most = settings.max_body;
    let served = runtime.block_on(async {
        let (input, output) = rmcp::transport::stdio();
        // A longer line is dropped, but the following ones are answered.
        let transport = AsyncRwTransport::new_server(input, output).with_max_line_length(most);
        let client = |error: &dyn std::fmt::Display| ServeError::Client(text::display_safe(&error.to_string(), 200));
        let running = match handler.serve(transport).await {
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            running => running.map_err(|error| client(&error))?,
        };
        running.waiting().await.map_err(|error| client(&error))?;
        Ok(())
    });
    // A thread may still be waiting for standard input.
    runtime.shutdown_background();
    served
}

//! Many attackers at once, from loopback addresses, on their own thread.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::client;
use super::process::until;

/// The timeout for connecting, after which the attacker tries again.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an attacker waits after its connection has ended before it connects again, unless it floods.
const AGAIN: Duration = Duration::from_millis(500);

/// The delay between the starts of two attackers, so that they are not a burst.
const DISTANCE: Duration = Duration::from_micros(200);

/// How long the connections of a burst stay open, and the delay until the next burst.
const BURST: Duration = Duration::from_millis(100);

/// How often a slow attacker sends another byte.
const DRIP: Duration = Duration::from_millis(500);

/// The addresses that attackers come from: `127.0.0.first` and those after it.
#[derive(Clone, Copy)]
pub struct Origin {
    first: u8,
    addresses: u8,
}

impl Origin {
    /// The address of the well-behaved client.
    pub const OWN: Self = Self { first: 1, addresses: 1 };
    /// One other address.
    pub const ONE: Self = Self { first: 2, addresses: 1 };
    /// 32 other addresses.
    pub const SPREAD: Self = Self { first: 2, addresses: 32 };
    /// So many that the limit per address does not matter.
    pub const WIDE: Self = Self { first: 2, addresses: 200 };

    fn address(self, n: usize) -> Ipv4Addr {
        let step = u8::try_from(n % usize::from(self.addresses)).unwrap_or(0);
        Ipv4Addr::new(127, 0, 0, self.first + step)
    }
}

/// What an attacker does on a connection.
pub enum Action {
    /// Sends these bytes and keeps the connection open.
    Hold(Vec<u8>),
    /// Sends the first bytes, and then the second ones again and again.
    Drip(Vec<u8>, &'static [u8]),
    /// Sends these bytes as often as possible and never reads.
    Pipeline(Vec<u8>),
    /// Sends these bytes, reads the answer, and repeats.
    Flood(Vec<u8>),
    /// Connects at the same time as all others and closes the connection soon after.
    Burst,
}

/// Counters of the attackers' actions.
#[derive(Default)]
pub struct Counts {
    /// Attackers that have tried to connect.
    tried: AtomicU64,
    /// Open connections.
    pub open: AtomicU64,
    /// Connections on which the attacker has sent its first bytes.
    pub sent: AtomicU64,
    /// Connections made.
    pub made: AtomicU64,
    /// Answers read.
    pub answers: AtomicU64,
}

/// The attackers, stopped on drop.
pub struct Crowd {
    pub counts: Arc<Counts>,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Crowd {
    /// Starts this many attackers and waits until each has tried to connect.
    pub fn start(to: SocketAddr, size: usize, origin: Origin, deed: Action) -> io::Result<Self> {
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (counted, stopped, deed) = (Arc::clone(&counts), stop.clone(), Arc::new(deed));
        let thread = thread::Builder::new().name("crowd".to_owned()).spawn(move || {
            runtime.block_on(async {
                for n in 0..size {
                    let (counts, deed) = (Arc::clone(&counted), Arc::clone(&deed));
                    tokio::spawn(async move { attack(n, origin.address(n), to, &deed, &counts).await });
                }
                stopped.cancelled().await;
            });
        })?;
        let crowd = Self { counts, stop, thread: Some(thread) };
        until(2 * CONNECT, || (crowd.counts.tried.load(Relaxed) >= size as u64).then_some(()));
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

async fn attack(number: usize, from: Ipv4Addr, to: SocketAddr, deed: &Action, counts: &Counts) {
    let mut is_first = true;
    if !matches!(deed, Action::Burst) {
        sleep(DISTANCE * u32::try_from(number).unwrap_or(0)).await;
    }
    loop {
        let connected = timeout(CONNECT, connect(from, to, deed)).await;
        if std::mem::take(&mut is_first) {
            counts.tried.fetch_add(1, Relaxed);
        }
        if let Ok(Ok(mut stream)) = connected {
            counts.made.fetch_add(1, Relaxed);
            counts.open.fetch_add(1, Relaxed);
            let _ = act(&mut stream, deed, counts).await;
            counts.open.fetch_sub(1, Relaxed);
        }
        match deed {
            Action::Flood(_) => {}
            Action::Burst => sleep(BURST).await,
            _ => sleep(AGAIN).await,
        }
    }
}

async fn connect(from: Ipv4Addr, to: SocketAddr, deed: &Action) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Action::Pipeline(_) = deed {
        // With a small receive buffer, unread answers fill the server's buffers sooner.
        socket.set_recv_buffer_size(4 << 10)?;
    }
    // Otherwise a connection closed by the attacker would occupy its port for a minute.
    socket.set_zero_linger()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns when the connection has ended.
async fn act(stream: &mut TcpStream, deed: &Action, counts: &Counts) -> io::Result<()> {
    match deed {
        Action::Hold(bytes) => {
            stream.write_all(bytes).await?;
            counts.sent.fetch_add(1, Relaxed);
            drain(stream).await
        }
        Action::Drip(first, then) => {
            stream.write_all(first).await?;
            counts.sent.fetch_add(1, Relaxed);
            loop {
                match timeout(DRIP, drain(stream)).await {
                    Ok(ended) => return ended,
                    Err(_) => stream.write_all(then).await?,
                }
            }
        }
        Action::Pipeline(bytes) => loop {
            stream.write_all(bytes).await?;
            tokio::task::yield_now().await;
        },
        Action::Flood(bytes) => loop {
            stream.write_all(bytes).await?;
            let is_last = answer(stream).await?;
            counts.answers.fetch_add(1, Relaxed);
            if is_last {
                return Ok(());
            }
        },
        Action::Burst => {
            sleep(BURST).await;
            Ok(())
        }
    }
}

/// Reads until the connection ends.
async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut part = [0; 1024];
    while stream.read(&mut part).await? > 0 {}
    Ok(())
}

/// Reads an answer and returns whether the server ends the connection after it.
async fn answer(stream: &mut TcpStream) -> io::Result<bool> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some((head, length)) = client::length(&bytes)
            && bytes.len() >= length
        {
            let head = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            return Ok(head.contains("connection: close"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

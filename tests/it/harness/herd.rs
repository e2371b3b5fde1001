//! Thousands of viewers in one thread, each as small as a viewer can be: it reconnects, resumes and counts.
//!
//! `benches/herd.rs` runs the same herd for any length of time.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName};
use rustls::{ClientConfig, RootCertStore};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Like every client here: full jitter below a ceiling that doubles.
const RETRY_BASE: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What one viewer has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    /// The stream and the number of its last message.
    last: Option<(String, u64)>,
    stream: String,
    /// The next message may have any number.
    told: bool,
    pub(crate) messages: u64,
    pub(crate) connections: u64,
    /// `gap restarted`.
    pub(crate) restarted: u64,
    /// `gap expired`.
    pub(crate) expired: u64,
    /// Messages that were lost without a gap, or arrived twice.
    pub(crate) wrong: u64,
    /// When it was closed in order, and with which code.
    pub(crate) closes: Vec<(Instant, u16)>,
}

/// How the viewers of a herd connect, and what they do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits<'a> {
    pub(crate) mischief: Option<Mischief>,
    /// Every third one reads the event stream.
    pub(crate) mixed: bool,
    /// They use TLS, and trust certificates signed by this authority.
    pub(crate) ca: Option<&'a Path>,
}

/// Faults that viewers cause themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mischief {
    /// The mean time between two faults of one viewer.
    pub(crate) every: Duration,
    /// The longest time for which a viewer reads nothing.
    pub(crate) freeze: Duration,
}

/// The herd. It runs until it is dropped.
pub(crate) struct Herd {
    shared: Arc<Shared>,
    lives: Vec<Arc<Mutex<Life>>>,
    orders: watch::Sender<Order>,
}

struct Shared {
    port: AtomicU16,
    mischief: Option<Mischief>,
    tls: Option<TlsConnector>,
}

/// A viewer's transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    WebSocket,
    Events,
}

/// A connection with or without TLS.
trait Link: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Link for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Link for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Go,
    /// Cut for the nth time.
    Cut(u64),
    Stop,
}

/// As many descriptors as this process may have.
pub(crate) fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// A number from 0 to 1.
fn chance() -> f64 {
    rand::random::<f64>()
}

impl Herd {
    /// `count` viewers of a server on a port of loopback.
    pub(crate) fn of(count: usize, port: u16, habits: Habits<'_>) -> Self {
        let (orders, order) = watch::channel(Order::Go);
        let shared = Arc::new(Shared {
            port: AtomicU16::new(port),
            mischief: habits.mischief,
            tls: habits.ca.map(|ca| tls_config(ca).into()),
        });
        let lives: Vec<_> = (0..count).map(|_| Arc::<Mutex<Life>>::default()).collect();
        let (theirs, common) = (lives.clone(), Arc::clone(&shared));
        let mixed = habits.mixed;
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                for (n, life) in theirs.into_iter().enumerate() {
                    let way = match n % 3 {
                        2 if mixed => Way::Events,
                        _ => Way::WebSocket,
                    };
                    tokio::spawn(live(way, life, Arc::clone(&common), order.clone()));
                    // Without this, connecting would block the other tasks.
                    tokio::task::yield_now().await;
                }
                let mut order = order;
                let _ = order.wait_for(|order| *order == Order::Stop).await;
            });
            runtime.shutdown_background();
        });
        Self {
            shared,
            lives,
            orders,
        }
    }

    /// From now on, viewers connect to this port.
    pub(crate) fn retarget(&self, port: u16) {
        self.shared.port.store(port, Ordering::SeqCst);
    }

    /// Resets every connection.
    pub(crate) fn cut(&self) {
        self.orders.send_modify(|order| {
            *order = match *order {
                Order::Cut(n) => Order::Cut(n + 1),
                _ => Order::Cut(1),
            };
        });
    }

    pub(crate) fn lives(&self) -> impl Iterator<Item = MutexGuard<'_, Life>> {
        self.lives.iter().map(|life| life.lock().unwrap())
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
    }
}

/// Trusts certificates signed by `ca`.
pub(crate) fn tls_config(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Arc::new(config)
}

async fn live(
    way: Way,
    life: Arc<Mutex<Life>>,
    shared: Arc<Shared>,
    mut order: watch::Receiver<Order>,
) {
    let mut attempt = 0;
    loop {
        let before = life.lock().unwrap().messages;
        // However it ended, the viewer reconnects.
        let _ = attend(way, &life, &mut order, &shared).await;
        if *order.borrow() == Order::Stop {
            return;
        }
        if life.lock().unwrap().messages > before {
            attempt = 0;
        }
        let ceiling = RETRY_BASE.saturating_mul(1 << attempt).min(RETRY_MAX);
        attempt = (attempt + 1).min(10);
        tokio::time::sleep(ceiling.mul_f64(chance())).await;
    }
}

/// Connects and performs the handshake; returns what followed the head.
async fn arrive(
    way: Way,
    last: Option<(String, u64)>,
    shared: &Shared,
) -> io::Result<(Box<dyn Link>, Vec<u8>)> {
    let port = shared.port.load(Ordering::SeqCst);
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let mut stream: Box<dyn Link> = match &shared.tls {
        None => Box::new(tcp),
        Some(tls) => {
            let name =
                ServerName::IpAddress(IpAddr::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)));
            Box::new(tls.connect(name, tcp).await?)
        }
    };
    let last = last.map(|(stream, seq)| format!("web-1:{stream}:{seq}"));
    let (head, welcome) = match way {
        Way::WebSocket => {
            let query = last.map_or(String::new(), |last| format!("?after={last}"));
            let head = format!(
                "GET /ws{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            );
            (head, b"HTTP/1.1 101")
        }
        Way::Events => {
            let last = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
            let head = format!("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n{last}\r\n");
            (head, b"HTTP/1.1 200")
        }
    };
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end;
        }
        more(&mut stream, &mut bytes).await?;
    };
    if !bytes.starts_with(welcome) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    bytes.drain(..end);
    Ok((stream, bytes))
}

/// One connection, from the handshake to its end.
async fn attend(
    way: Way,
    life: &Mutex<Life>,
    order: &mut watch::Receiver<Order>,
    shared: &Shared,
) -> io::Result<()> {
    order.mark_unchanged();
    let last = life.lock().unwrap().last.clone();
    let (mut stream, mut bytes) = arrive(way, last, shared).await?;
    life.lock().unwrap().connections += 1;
    let mischief = shared.mischief;
    let soon = |mischief: Mischief| Instant::now() + mischief.every.mul_f64(2.0 * chance());
    let mut deed = mischief.map(soon);
    loop {
        let answers = life.lock().unwrap().take(way, &mut bytes);
        if !answers.is_empty() {
            stream.write_all(&answers).await?;
            stream.flush().await?;
        }
        tokio::select! {
            read = more(&mut stream, &mut bytes) => read?,
            changed = order.changed() => {
                changed.map_err(io::Error::other)?;
                SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
            () = tokio::time::sleep_until(deed.unwrap_or_else(Instant::now).into()), if deed.is_some() => {
                if chance() < 0.5 {
                    SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO))?;
                    return Ok(());
                }
                let Some(mischief) = mischief else { continue };
                tokio::time::sleep(mischief.freeze.mul_f64(chance())).await;
                deed = Some(soon(mischief));
            }
        }
    }
}

/// Where the first `end` in `bytes` ends.
fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    Some(at + end.len())
}

async fn more(stream: &mut Box<dyn Link>, bytes: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The first byte, the payload and the length of the first frame, if it is complete.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (start, len) = match *bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?,
        ),
        short => (2, usize::from(short)),
    };
    Some((bytes[0], bytes.get(start..start + len)?, start + len))
}

impl Life {
    /// Removes complete frames from `bytes`; returns the reply.
    fn take(&mut self, way: Way, bytes: &mut Vec<u8>) -> Vec<u8> {
        let mut answers = Vec::new();
        match way {
            Way::WebSocket => {
                while let Some((first, payload, end)) = frame(bytes) {
                    answers.extend(self.hear(first, payload).unwrap_or_default());
                    bytes.drain(..end);
                }
            }
            Way::Events => {
                while let Some(end) = find(bytes, b"\n\n") {
                    let event = std::str::from_utf8(&bytes[..end]).unwrap();
                    for data in event.lines().filter_map(|line| line.strip_prefix("data: ")) {
                        self.message(data);
                    }
                    bytes.drain(..end);
                }
            }
        }
        answers
    }

    /// Notes a frame; returns the reply.
    fn hear(&mut self, first: u8, payload: &[u8]) -> Option<Vec<u8>> {
        match first & 0x0f {
            1 => self.message(std::str::from_utf8(payload).unwrap()),
            8 => {
                let code = payload
                    .first_chunk()
                    .copied()
                    .map_or(1005, u16::from_be_bytes);
                self.closes.push((Instant::now(), code));
                return Some(masked(0x88, &payload[..payload.len().min(2)]));
            }
            9 => return Some(masked(0x8a, payload)),
            _ => {}
        }
        None
    }

    fn message(&mut self, text: &str) {
        if text.starts_with(r#"{"type":"hello""#) {
            self.stream = value(text, r#""stream":""#).into();
        } else if text.starts_with(r#"{"type":"gap""#) {
            self.told = true;
            match value(text, r#""reason":""#) {
                "restarted" => self.restarted += 1,
                _ => self.expired += 1,
            }
        } else if text.starts_with(r#"{"type":"metric""#) {
            let seq = value(text, r#""seq":"#).parse().unwrap();
            if let Some((stream, last)) = &self.last
                && !std::mem::take(&mut self.told)
            {
                self.wrong += u64::from(*stream != self.stream || seq != last + 1);
            }
            self.last = Some((self.stream.clone(), seq));
            self.messages += 1;
        }
    }
}

fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let (_, rest) = text.split_once(key).unwrap();
    let end = rest.find(['"', ',', '}']).unwrap();
    &rest[..end]
}

/// A short frame as a client sends it; the mask is zero.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

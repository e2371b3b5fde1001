//! Thousands of viewers in one thread, each as small as a viewer can be: it reconnects, resumes and counts.
//!
//! `benches/herd.rs` drives the same herd at a server for as long as one likes.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// As every client here: full jitter below a ceiling that doubles.
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
    /// Messages that were lost and not told, or came twice.
    pub(crate) wrong: u64,
    /// When it was closed in good order, and with which code.
    pub(crate) closes: Vec<(Instant, u16)>,
}

/// What viewers do of their own accord.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mischief {
    /// The mean time between two deeds of one viewer.
    pub(crate) every: Duration,
    /// The longest time that a viewer reads nothing.
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Go,
    /// Cut for the nth time.
    Cut(u64),
    Stop,
}

/// A number from 0 to 1.
fn chance() -> f64 {
    rand::random::<f64>()
}

impl Herd {
    /// `count` viewers of a server on a port of loopback.
    pub(crate) fn of(count: usize, port: u16, mischief: Option<Mischief>) -> Self {
        let (orders, order) = watch::channel(Order::Go);
        let shared = Arc::new(Shared {
            port: AtomicU16::new(port),
            mischief,
        });
        let lives: Vec<_> = (0..count).map(|_| Arc::<Mutex<Life>>::default()).collect();
        let (theirs, common) = (lives.clone(), Arc::clone(&shared));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                for life in theirs {
                    tokio::spawn(live(life, Arc::clone(&common), order.clone()));
                    // A herd that is not afraid comes one after the other.
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

    /// From now on the server is there.
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

async fn live(life: Arc<Mutex<Life>>, shared: Arc<Shared>, mut order: watch::Receiver<Order>) {
    let mut attempt = 0;
    loop {
        let before = life.lock().unwrap().messages;
        let port = shared.port.load(Ordering::SeqCst);
        // However it ended, what follows is the same.
        let _ = attend(port, &life, &mut order, shared.mischief).await;
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

/// One connection, from the handshake to its end.
async fn attend(
    port: u16,
    life: &Mutex<Life>,
    order: &mut watch::Receiver<Order>,
    mischief: Option<Mischief>,
) -> io::Result<()> {
    order.mark_unchanged();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let after = life.lock().unwrap().last.clone();
    let query = after.map_or(String::new(), |(stream, seq)| {
        format!("?after=web-1:{stream}:{seq}")
    });
    let head = format!(
        "GET /ws{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        more(&mut stream, &mut bytes).await?;
    };
    if !bytes.starts_with(b"HTTP/1.1 101") {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    bytes.drain(..end);
    life.lock().unwrap().connections += 1;
    let mut deed = mischief.map(|mischief| mischief.every.mul_f64(2.0 * chance()));
    loop {
        while let Some((first, payload, end)) = frame(&bytes) {
            let answer = life.lock().unwrap().hear(first, payload);
            if let Some(answer) = answer {
                stream.write_all(&answer).await?;
            }
            bytes.drain(..end);
        }
        tokio::select! {
            read = more(&mut stream, &mut bytes) => read?,
            changed = order.changed() => {
                changed.map_err(io::Error::other)?;
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
            () = tokio::time::sleep(deed.unwrap_or_default()), if deed.is_some() => {
                if chance() < 0.5 {
                    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                    return Ok(());
                }
                let Some(mischief) = mischief else { continue };
                tokio::time::sleep(mischief.freeze.mul_f64(chance())).await;
                deed = Some(mischief.every.mul_f64(2.0 * chance()));
            }
        }
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The first byte, the payload and the length of the first frame, if it is whole.
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
    /// Notes a frame; what to say to it.
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

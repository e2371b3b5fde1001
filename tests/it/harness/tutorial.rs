//! The server from a dashboard tutorial: no hello, no host, no numbers, any path.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

/// The page of the tutorial's client. It takes the server's port as `?port=`.
pub(crate) const PAGE: &str = include_str!("../fixtures/tutorial.html");

/// A server that sends a metric at once, then one every interval, and a heartbeat after every fifth.
pub(crate) struct TutorialServer {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    connections: AtomicU64,
    cut: AtomicU64,
    closing: AtomicBool,
}

impl TutorialServer {
    pub(crate) fn start(interval: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.closing.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || {
                    if let Ok(socket) = accept(stream) {
                        shared.connections.fetch_add(1, Ordering::SeqCst);
                        shared.talk(socket, interval);
                    }
                });
            }
        });
        Self { port, shared }
    }

    /// The address as the tutorial writes it: without a path.
    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Metrics sent so far. The `cpu` of each is its number, from 1.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Drops every connection without a close frame.
    pub(crate) fn cut_all(&self) {
        self.shared.cut.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for TutorialServer {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.cut_all();
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn talk(&self, mut socket: WebSocket<TcpStream>, interval: Duration) {
        let cut = self.cut.load(Ordering::SeqCst);
        let mut heartbeat_in = 5;
        while self.cut.load(Ordering::SeqCst) == cut {
            let n = self.sent.load(Ordering::SeqCst) + 1;
            if socket.send(message("metric", n)).is_err() {
                return;
            }
            self.sent.store(n, Ordering::SeqCst);
            heartbeat_in -= 1;
            if heartbeat_in == 0 {
                heartbeat_in = 5;
                if socket.send(message("heartbeat", n)).is_err() {
                    return;
                }
            }
            // Pings of the peer are answered, as any WebSocket library does.
            socket.get_ref().set_read_timeout(Some(interval)).unwrap();
            let next = std::time::Instant::now() + interval;
            while std::time::Instant::now() < next {
                match socket.read() {
                    Ok(Message::Close(_)) => return,
                    Err(tokio_tungstenite::tungstenite::Error::Io(error))
                        if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        }
    }
}

fn message(kind: &str, n: u64) -> Message {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Message::text(format!(
        r#"{{"type":"{kind}","data":{{"timestamp":{},"cpu":{n},"memory":45.25,"activeUsers":12,"requestsPerSecond":340}}}}"#,
        now.as_millis()
    ))
}

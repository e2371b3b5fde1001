//! A bad network between client and server: a TCP proxy that cuts, stalls and goes half-open by plan.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::dice::Dice;

/// How often a waiting read checks whether it must stop.
const TICK: Duration = Duration::from_millis(10);

/// A response head is about this long: a budget below it breaks the handshake.
const HANDSHAKE_BYTES: u64 = 160;

/// What ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Both sides get a reset.
    Reset,
    /// Both sides get an orderly end of stream.
    Finish,
    /// Nothing is forwarded any more, and both sockets stay open for this long, followed by a reset.
    HalfOpen(Duration),
    /// The client receives nothing but may send, for this long, followed by a reset.
    Stall(Duration),
}

/// A planned fault: its kind, and after how many bytes in one direction.
#[derive(Debug, Clone, Copy)]
struct Doom {
    fault: Fault,
    /// Counts what the client sends instead of what it receives: the request of the handshake is cut.
    upward: bool,
    after_bytes: u64,
}

/// The proxy. It lives until it is dropped.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: AtomicU16,
    cuts: AtomicU64,
    refusals: AtomicU64,
    planned: Mutex<Plan>,
    /// Raised by `cut_all` and on drop: connections older than this number end.
    epoch: AtomicU64,
    /// Raised by `freeze`: nothing more is forwarded for connections older than this number.
    frozen: AtomicU64,
    closing: AtomicBool,
}

struct Plan {
    dice: Dice,
    faults_left: u64,
    longest: u64,
    kinds: Vec<Fault>,
}

impl Plan {
    /// The next connection's end: one in four in the handshake, the others anywhere in the stream.
    fn doom(&mut self) -> Option<Doom> {
        self.faults_left = self.faults_left.checked_sub(1)?;
        let fault = *self.dice.pick(&self.kinds);
        let (upward, after_bytes) = match self.dice.within(0..8) {
            0 => (true, self.dice.within(0..HANDSHAKE_BYTES)),
            1 => (false, self.dice.within(0..HANDSHAKE_BYTES)),
            _ => (false, self.dice.within(HANDSHAKE_BYTES..self.longest)),
        };
        Some(Doom {
            fault,
            upward,
            after_bytes,
        })
    }
}

impl Proxy {
    /// A proxy that only forwards to a port of loopback.
    pub(crate) fn clear(upstream: u16) -> Self {
        Self::faulty(upstream, Dice::seeded(0), 0, 1000, &[Fault::Reset])
    }

    /// A proxy whose first `faults` connections end badly: each by one of `kinds`, after at most `longest` bytes.
    pub(crate) fn faulty(
        upstream: u16,
        dice: Dice,
        faults: u64,
        longest: u64,
        kinds: &[Fault],
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream: AtomicU16::new(upstream),
            cuts: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            planned: Mutex::new(Plan {
                dice,
                faults_left: faults,
                longest,
                kinds: kinds.to_vec(),
            }),
            epoch: AtomicU64::new(0),
            frozen: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.closing.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                let epoch = shared.epoch.load(Ordering::SeqCst);
                std::thread::spawn(move || shared.carry(&client, epoch));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port)
    }

    /// Connections that the proxy has ended.
    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Connections made while nothing listened behind the proxy.
    pub(crate) fn refusals(&self) -> u64 {
        self.shared.refusals.load(Ordering::SeqCst)
    }

    /// Sends new connections elsewhere: the server has another port after a restart.
    pub(crate) fn retarget(&self, upstream: u16) {
        self.shared.upstream.store(upstream, Ordering::SeqCst);
    }

    /// Forwards nothing more for existing connections, and leaves them open.
    pub(crate) fn freeze(&self) {
        self.shared.frozen.fetch_add(1, Ordering::SeqCst);
    }

    /// Resets every existing connection.
    pub(crate) fn cut_all(&self) {
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.cut_all();
        // Wakes the accepting thread, so that it sees the flag.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    /// Carries one connection to its end.
    fn carry(&self, client: &TcpStream, epoch: u64) {
        let Ok(server) =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream.load(Ordering::SeqCst)))
        else {
            self.refusals.fetch_add(1, Ordering::SeqCst);
            reset(client);
            return;
        };
        let doom = self.planned.lock().unwrap().doom();
        let fate = Fate {
            doom,
            struck: AtomicBool::new(false),
            over: AtomicBool::new(false),
        };
        let cut = std::thread::scope(|scope| {
            let up = scope.spawn(|| self.forward(client, &server, true, &fate, epoch));
            let down = self.forward(&server, client, false, &fate, epoch);
            up.join().unwrap() || down
        });
        if !cut {
            return;
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
        match doom {
            Some(doom) if doom.fault == Fault::Finish && fate.struck.load(Ordering::SeqCst) => {
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            }
            _ => {
                reset(client);
                reset(&server);
            }
        }
    }

    /// Forwards one direction; true when the proxy ended it rather than a peer.
    fn forward(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        upward: bool,
        fate: &Fate,
        epoch: u64,
    ) -> bool {
        from.set_read_timeout(Some(TICK)).unwrap();
        let mut buffer = [0; 16 * 1024];
        let mut forwarded = 0;
        let frozen = self.frozen.load(Ordering::SeqCst);
        loop {
            if self.epoch.load(Ordering::SeqCst) != epoch {
                fate.over.store(true, Ordering::SeqCst);
                return true;
            }
            if fate.over.load(Ordering::SeqCst) {
                return fate.struck.load(Ordering::SeqCst);
            }
            if self.frozen.load(Ordering::SeqCst) != frozen {
                std::thread::sleep(TICK);
                continue;
            }
            let budget = fate.budget(upward, forwarded);
            if budget == 0 {
                self.strike(fate, epoch);
                return true;
            }
            let most = buffer
                .len()
                .min(usize::try_from(budget).unwrap_or(usize::MAX));
            match from.read(&mut buffer[..most]) {
                Ok(0) => break,
                Ok(read) if fate.forwards(upward) => {
                    if to.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                    forwarded += read as u64;
                }
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        // A peer is gone: passes that on to the other one, which ends the other direction by itself.
        let _ = to.shutdown(Shutdown::Write);
        false
    }

    /// Starts the fault, and waits as long as it lasts.
    fn strike(&self, fate: &Fate, epoch: u64) {
        fate.struck.store(true, Ordering::SeqCst);
        let lasts = match fate.doom.map(|doom| doom.fault) {
            Some(Fault::HalfOpen(lasts) | Fault::Stall(lasts)) => lasts,
            _ => Duration::ZERO,
        };
        let end = Instant::now() + lasts;
        while Instant::now() < end && self.epoch.load(Ordering::SeqCst) == epoch {
            std::thread::sleep(TICK);
        }
        fate.over.store(true, Ordering::SeqCst);
    }
}

/// The state shared by a connection's two directions.
struct Fate {
    doom: Option<Doom>,
    struck: AtomicBool,
    over: AtomicBool,
}

impl Fate {
    /// How many more bytes may pass before the fault.
    fn budget(&self, upward: bool, forwarded: u64) -> u64 {
        match self.doom {
            Some(doom) if doom.upward == upward => doom.after_bytes.saturating_sub(forwarded),
            _ => u64::MAX,
        }
    }

    /// Whether this direction is still forwarded: in a stall the client may send.
    fn forwards(&self, upward: bool) -> bool {
        !self.struck.load(Ordering::SeqCst)
            || upward && matches!(self.doom.map(|doom| doom.fault), Some(Fault::Stall(_)))
    }
}

/// Closing then sends a reset instead of an end of stream.
fn reset(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

//! Threads that read packets, one for each socket.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::inbox::StatsdInbox;
use super::socket::{StatsdAddress, StatsdError, StatsdSocket, bind};

/// No UDP packet is larger. Longer ones on a `unixgram` socket are cut off.
const PACKET_BYTES: usize = 64 * 1024;

/// The pause after an error, so that one which stays doesn't keep a core busy.
const PAUSE: Duration = Duration::from_millis(100);

/// How often to ask for dropped packets while packets come.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Receives packets until the process ends.
#[derive(Debug)]
pub struct StatsdListener {
    sockets: Vec<Arc<StatsdSocket>>,
    inbox: Arc<StatsdInbox>,
}

impl StatsdListener {
    /// Receives packets at `addresses`.
    ///
    /// # Errors
    /// The first address that cannot be bound.
    pub fn start(addresses: &[StatsdAddress]) -> Result<Self, StatsdError> {
        let bound: Vec<_> = addresses.iter().map(bind).collect::<Result<_, _>>()?;
        let sockets: Vec<_> = bound.into_iter().flatten().map(Arc::new).collect();
        let inbox = Arc::<StatsdInbox>::default();
        for socket in &sockets {
            let (socket, inbox) = (Arc::clone(socket), Arc::clone(&inbox));
            let builder = thread::Builder::new().name("statsd".into());
            builder.spawn(move || receive(&socket, &inbox))?;
        }
        Ok(Self { sockets, inbox })
    }

    /// What is received.
    #[must_use]
    pub fn inbox(&self) -> Arc<StatsdInbox> {
        Arc::clone(&self.inbox)
    }

    /// Where it listens: `UDP 127.0.0.1:8125`, or a path.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        self.sockets.iter().map(ToString::to_string).collect()
    }

    /// The places that other machines may be able to send to.
    #[must_use]
    pub fn exposed_places(&self) -> Vec<String> {
        let exposed = self.sockets.iter().filter(|socket| socket.is_exposed());
        exposed.map(ToString::to_string).collect()
    }

    /// Removes the files of its sockets. Dropping it does the same.
    pub fn remove_files(&self) {
        self.sockets.iter().for_each(|socket| socket.remove_file());
    }
}

impl Drop for StatsdListener {
    fn drop(&mut self) {
        self.remove_files();
    }
}

fn receive(socket: &StatsdSocket, inbox: &StatsdInbox) {
    // With one more byte, a packet that is cut off shows.
    let mut buffer = vec![0; PACKET_BYTES + 1];
    let mut drops = DropWatch::new(socket, inbox);
    loop {
        match socket.receive(&mut buffer) {
            Ok(length) => {
                let cut_off = PACKET_BYTES < length;
                let packet = &buffer[..length.min(PACKET_BYTES)];
                inbox.deliver(packet, cut_off, Instant::now());
                drops.ask(inbox, true);
            }
            Err(error) if is_timeout(&error) => drops.ask(inbox, false),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ];
    kinds.contains(&error.kind())
}

/// How many packets the kernel has dropped since the last call; `None` if it doesn't say.
type MoreDrops = Box<dyn FnMut() -> Option<u64>>;

/// Asks the kernel for dropped packets from time to time, if there can be new ones.
struct DropWatch {
    more: Option<MoreDrops>,
    asked: Instant,
    has_received: bool,
}

impl DropWatch {
    fn new(socket: &StatsdSocket, inbox: &StatsdInbox) -> Self {
        let mut watch = Self {
            more: drops_of(socket),
            asked: Instant::now(),
            has_received: true,
        };
        watch.ask(inbox, false);
        watch
    }

    /// Counts the dropped packets, if it is time; `received` is whether a packet has just come.
    fn ask(&mut self, inbox: &StatsdInbox, received: bool) {
        self.has_received |= received;
        if !self.has_received || received && self.asked.elapsed() < ASK_AGAIN {
            return;
        }
        self.asked = Instant::now();
        self.has_received = received;
        if let Some(more) = self.more.as_mut().and_then(|more| more()) {
            inbox.counts().count_dropped(more);
        }
    }
}

#[cfg(target_os = "linux")]
fn drops_of(socket: &StatsdSocket) -> Option<MoreDrops> {
    match socket {
        StatsdSocket::Udp(socket) => {
            let mut drops = super::super::linux::udp_drops::UdpDrops::of(socket)?;
            Some(Box::new(move || drops.more()))
        }
        // A sender waits while the buffer is full.
        StatsdSocket::Unix(..) => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn drops_of(_: &StatsdSocket) -> Option<MoreDrops> {
    None
}

//! The server: one port for every viewer, fed from a [`Hub`].
//!
//! [`run`] takes bound listeners and a stop signal. Each connection begins at the `door`, on a thread of its own, as a task
//! that reads the request head within `HEAD_DEADLINE`; the `lobby` bounds how many there are. A WebSocket shakes hands (`ws`) and joins the `fanout`, which writes to all viewers, while a
//! small task of its own hears what it says (`reader`). Anything else goes to `http`.

mod admission;
mod counts;
mod door;
mod events;
mod exposition;
mod fanout;
pub mod gate;
mod head;
mod http;
mod line;
pub mod listen;
mod lobby;
mod outbox;
mod paced;
mod page;
mod reader;
mod refusals;
mod replayed;
mod saved;
mod socket;
mod tally;
#[cfg(test)]
mod tests;
pub mod tls;
mod trust;
mod viewer;
mod ws;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;

use fanout::{Fanout, Manners};
use gate::Refusal;
use lobby::Lobby;
use refusals::{Cause, Refusals};
use viewer::Newcomer;

pub use counts::{Counts, Viewers};
pub use tally::Tally;
pub use trust::Trust;

/// A viewer has shaken hands within this time of connecting, or is dropped: a silent peer holds no seat.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// The pause after a failed accept. Most failures mean that no descriptor is free; trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a trouble that goes on is told.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// How a server behaves. Its durations can be added to any time: the command line takes none beyond ten years.
#[derive(Debug, Clone)]
pub struct Config {
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// How long viewers have to take leave when the server stops.
    pub drain: Duration,
    /// The most viewers at once.
    pub max_viewers: u64,
    /// `/healthz` fails after so long without a message; `None`: never.
    pub unhealthy_after: Option<Duration>,
    /// Who may look, and whether others can listen.
    pub trust: Trust,
}

/// What every connection shares.
#[derive(Debug)]
struct Shared {
    hub: Hub,
    config: Config,
    viewers: Viewers,
    newcomers: mpsc::UnboundedSender<Newcomer>,
    stop: CancellationToken,
    lobby: Lobby,
    refusals: Refusals,
}

impl Shared {
    /// Tells of a peer that was refused.
    fn refused(&self, peer: SocketAddr, cause: Cause, reason: &dyn fmt::Display) {
        self.refusals.note(peer.ip(), cause, reason);
    }

    /// Counts a request that was refused, and tells of it.
    fn refused_request(&self, peer: SocketAddr, refusal: &Refusal) {
        let status = refusal.status.as_u16();
        self.viewers.tally().refused(status);
        self.refused(peer, Cause::Status(status), &refusal.reason);
    }
}

/// Serves viewers until `stop`, then tells them to reconnect elsewhere or later, and waits up to `config.drain`.
///
/// An ended hub's viewers are closed with 1000 as they reach the end; `run` goes on for those still to come.
///
/// # Errors
/// When the thread that lets connections in cannot be started.
pub async fn run(
    listeners: Vec<TcpListener>,
    hub: Hub,
    config: Config,
    viewers: Viewers,
    stop: CancellationToken,
) -> io::Result<()> {
    let drain = config.drain;
    let manners = Manners {
        heartbeat: config.heartbeat,
        drain,
        live: !hub.is_lossless(),
    };
    // Bounded by the seats: nobody comes in without one.
    let (newcomers, coming) = mpsc::unbounded_channel();
    let send_away = CancellationToken::new();
    let fanout = tokio::spawn(Fanout::new(&hub, coming, manners).run(send_away.clone()));
    let shared = Arc::new(Shared {
        hub,
        config,
        viewers,
        newcomers,
        stop,
        lobby: Lobby::default(),
        refusals: Refusals::default(),
    });
    let connections = TaskTracker::new();
    let over = CancellationToken::new();
    // Whoever is still at the door when this function ends is dropped with its thread.
    let _over = over.clone().drop_guard();
    let closed = door::open(listeners, Arc::clone(&shared), connections.clone(), over)?;
    beat(&shared).await;
    // Listeners are closed before any viewer is sent away, so that a herd that reconnects finds nobody rather than a
    // server about to go.
    let _ = closed.await; // ends with an error, as nothing is ever sent
    send_away.cancel();
    connections.close();
    drop(shared); // the last connection under way is the last that can bring a viewer
    // Viewers that have not answered by then are dropped with the runtime.
    let left = async { tokio::join!(connections.wait(), fanout) };
    let _ = tokio::time::timeout(drain, left).await;
    Ok(())
}

/// Sends heartbeats until the stop signal.
async fn beat(shared: &Shared) {
    let mut ticks = tokio::time::interval(shared.config.heartbeat);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await; // the first is immediate
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = ticks.tick() => shared.hub.beat(),
        }
    }
}

/// Where a connection came from, and by which listener.
#[derive(Debug, Clone, Copy)]
struct Guest {
    peer: SocketAddr,
    on_loopback: bool,
}

//! The server: one port for every viewer, fed from a [`Hub`].
//!
//! [`run`] takes bound listeners and a stop signal. Each connection begins as a task that reads the request head within
//! `HEAD_DEADLINE`. A WebSocket shakes hands (`ws`) and joins the `fanout`, which writes to all viewers, while a
//! small task of its own hears what it says (`reader`). Anything else goes to `http`.

mod admission;
mod counts;
mod events;
mod exposition;
mod fanout;
pub mod gate;
mod head;
mod http;
mod line;
pub mod listen;
mod outbox;
mod paced;
mod page;
mod reader;
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

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;

use fanout::{Fanout, Manners};
use head::Kind;
use socket::Socket;
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
}

/// Serves viewers until `stop`, then tells them to reconnect elsewhere or later, and waits up to `config.drain`.
///
/// An ended hub's viewers are closed with 1000 as they reach the end; `run` goes on for those still to come.
pub async fn run(
    listeners: Vec<TcpListener>,
    hub: Hub,
    config: Config,
    viewers: Viewers,
    stop: CancellationToken,
) {
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
    });
    let connections = TaskTracker::new();
    let accepting = TaskTracker::new();
    for listener in listeners {
        accepting.spawn(accept(listener, Arc::clone(&shared), connections.clone()));
    }
    accepting.close();
    beat(&shared).await;
    // Listeners are closed before any viewer is sent away, so that a herd that reconnects finds nobody rather than a
    // server about to go.
    accepting.wait().await;
    send_away.cancel();
    connections.close();
    drop(shared); // the last connection under way is the last that can bring a viewer
    // Viewers that have not answered by then are dropped with the runtime.
    let left = async { tokio::join!(connections.wait(), fanout) };
    let _ = tokio::time::timeout(drain, left).await;
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

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: TaskTracker) {
    let local = listener.local_addr();
    let on_loopback = local.is_ok_and(|addr| gate::is_loopback(addr.ip()));
    let mut said: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                shared.viewers.accepted();
                let guest = Guest { peer, on_loopback };
                connections.spawn(connection(socket, guest, Arc::clone(&shared)));
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                // Ten lines a second would fill a disk, or the pipe of somebody who does not read them.
                if said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
                    said = Some(Instant::now());
                    tracing::warn!(%error, "cannot accept connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the connection failed between the peer's knock and our answer; the listener is well.
fn is_peers_fault(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Where a connection came from, and by which listener.
#[derive(Debug, Clone, Copy)]
struct Guest {
    peer: std::net::SocketAddr,
    on_loopback: bool,
}

async fn connection(socket: TcpStream, guest: Guest, shared: Arc<Shared>) {
    let Guest { peer, .. } = guest;
    let arrive = async {
        let mut socket = match &shared.config.trust.tls {
            Some(tls) => tls.accept(socket).await?,
            None => Socket::plain(socket),
        };
        let head = head::read(&mut socket).await?;
        Ok::<_, std::io::Error>((socket, head))
    };
    let (socket, head) = match tokio::time::timeout(HEAD_DEADLINE, arrive).await {
        Ok(Ok(arrived)) => arrived,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no request"),
        Err(_) => return tracing::debug!(%peer, "no request within the deadline"),
    };
    let mut asked = Some((head.kind, replayed::Replayed::new(head.bytes, socket)));
    while let Some((kind, stream)) = asked {
        let refused = match kind {
            Kind::WebSocket => ws::welcome(stream, guest, &shared),
            Kind::EventStream => events::welcome(stream, guest, &shared),
            Kind::Other => {
                asked = http::serve(stream, None, guest, &shared).await;
                continue;
            }
        };
        let Some((stream, refusal)) = refused else {
            return;
        };
        asked = http::serve(stream, Some(refusal), guest, &shared).await;
    }
}

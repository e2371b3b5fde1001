//! The server: one port for every viewer, fed from a [`Hub`].
//!
//! [`run`] takes bound listeners and a stop signal. Each connection is one task: it reads the request head within
//! [`HEAD_DEADLINE`], then hands the socket to [`ws`] or, for anything that is no WebSocket, to [`http`].

mod counts;
mod head;
mod http;
pub mod listen;
mod replayed;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;

pub use counts::{Counts, Viewers};

/// A viewer sends its request head within this time of connecting, or is dropped: a silent peer holds no seat.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// The pause after a failed accept. Most failures mean that no descriptor is free; trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// How long viewers have to take leave when the server stops.
    pub drain: Duration,
    /// `/healthz` fails after so long without a message; `None`: never.
    pub unhealthy_after: Option<Duration>,
}

/// What every connection shares.
#[derive(Debug)]
struct Shared {
    hub: Hub,
    config: Config,
    viewers: Viewers,
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
    let shared = Arc::new(Shared {
        hub,
        config,
        viewers,
        stop: stop.clone(),
    });
    let connections = TaskTracker::new();
    let accepting = TaskTracker::new();
    for listener in listeners {
        accepting.spawn(accept(listener, Arc::clone(&shared), connections.clone()));
    }
    accepting.close();
    beat(&shared).await;
    // Listeners are closed first, so that a herd that reconnects finds nobody rather than a server about to go.
    accepting.wait().await;
    connections.close();
    // Viewers that have not answered by then are dropped with the runtime.
    let _ = tokio::time::timeout(drain, connections.wait()).await;
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
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                shared.viewers.accepted();
                connections.spawn(connection(socket, peer, Arc::clone(&shared)));
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
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

async fn connection(mut socket: TcpStream, peer: std::net::SocketAddr, shared: Arc<Shared>) {
    // A sample is worth more now than in a full segment later.
    let _ = socket.set_nodelay(true);
    let head = match tokio::time::timeout(HEAD_DEADLINE, head::read(&mut socket)).await {
        Ok(Ok(head)) => head,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no request"),
        Err(_) => return tracing::debug!(%peer, "no request within the deadline"),
    };
    let is_websocket = head.is_websocket;
    let stream = replayed::Replayed::new(head.bytes, socket);
    if is_websocket {
        ws::serve(stream, peer, &shared).await;
    } else {
        http::serve(stream, &shared).await;
    }
}

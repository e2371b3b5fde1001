//! Accepts connections and hands each to its part: viewers or `http`. They stay here until they become viewers, have
//! been answered, or time out.
//!
//! It has a thread of its own. A TLS handshake costs a hundred times as much as sending a message, and a crowd of them
//! would delay every viewer; so connections share nothing with the viewers but the machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::heap;
use crate::loopback::is_loopback;
use crate::wording::exact_span;

use super::door::head::{self, RequestKind};
use super::door::listen;
use super::door::lobby::{Eviction, Lobby, Ticket};
use super::door::refusal_log::RefusalCause;
use super::door::replayed::Replayed;
use super::door::socket::Socket;
use super::faults::{Faults, Orders, next_cut};
use super::http;
use super::shared::{Arrival, HEAD_DEADLINE, Shared};
use super::viewers::handshake;
use super::viewers::outbox::Transport;

/// The pause after a failed accept. Most failures mean that there is no free descriptor; retrying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a lasting problem is reported.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// The time until the last connections of a crowd that leaves have been dropped.
const DEPARTURE: Duration = Duration::from_millis(500);

/// Accepts connections until the server stops, and serves them until the last is done, or `over`. The result resolves
/// once no more are accepted.
///
/// # Errors
/// When the thread or its runtime cannot be created.
pub(super) fn open(
    listeners: Vec<TcpListener>,
    shared: Arc<Shared>,
    connections: TaskTracker,
    over: CancellationToken,
) -> io::Result<oneshot::Receiver<()>> {
    let listeners = listeners.into_iter().map(TcpListener::into_std);
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // A listener belongs to the runtime that waits for it.
    let entered = runtime.enter();
    let listeners = listeners.into_iter().map(TcpListener::from_std);
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    drop(entered);
    let (accepting, closed) = oneshot::channel();
    let attend = async move {
        let doors = TaskTracker::new();
        for listener in listeners {
            doors.spawn(accept(listener, Arc::clone(&shared), connections.clone()));
        }
        doors.spawn(release_memory(Arc::clone(&shared)));
        drop(shared);
        doors.close();
        doors.wait().await;
        drop(accepting);
        connections.wait().await;
    };
    let thread = std::thread::Builder::new().name("door".into());
    thread.spawn(move || {
        runtime.block_on(over.run_until_cancelled(attend));
        // A recording that is being created must not delay the exit.
        runtime.shutdown_background();
    })?;
    Ok(closed)
}

/// Returns the memory of each crowd to the system once it has left, so that a server isn't as large as the largest crowd
/// ever was.
async fn release_memory(shared: Arc<Shared>) {
    let crowds = async {
        loop {
            shared.lobby.crowd_has_left().await;
            // The last of it are still being dropped.
            tokio::time::sleep(DEPARTURE).await;
            // A panic there would cost nothing but the memory.
            let _ = tokio::task::spawn_blocking(heap::release_free_memory).await;
        }
    };
    shared.stop.run_until_cancelled(crowds).await;
}

async fn accept(mut listener: TcpListener, shared: Arc<Shared>, connections: TaskTracker) {
    let local = listener.local_addr();
    let on_loopback = local.is_ok_and(|addr| is_loopback(addr.ip()));
    let mut said: Option<Instant> = None;
    let mut orders = shared.config.faults.as_ref().map(Faults::orders);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = told_to_go_down(orders.as_mut()) => {
                let back = away(listener, orders.as_mut());
                match shared.stop.run_until_cancelled(back).await {
                    Some(back) => listener = back,
                    None => return,
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                shared.viewers.accepted();
                let ticket = ticket(peer, &shared.lobby);
                let Some(ticket) = shared.stop.run_until_cancelled(ticket).await else {
                    return;
                };
                let arrival = Arrival { peer, on_loopback };
                connections.spawn(attend(socket, ticket, arrival, Arc::clone(&shared)));
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                // Ten lines a second would fill a disk, or a pipe that nobody reads.
                if said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
                    said = Some(Instant::now());
                    tracing::warn!(%error, "cannot accept connections");
                }
                shared.lobby.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits for the order to refuse connections.
async fn told_to_go_down(orders: Option<&mut Orders>) {
    match orders {
        Some(orders) => orders.until(|ordered| ordered.is_down).await,
        None => std::future::pending().await,
    }
}

/// Refuses connections until told otherwise. The port stays taken meanwhile.
async fn away(listener: TcpListener, orders: Option<&mut Orders>) -> TcpListener {
    let Some(orders) = orders else {
        return listener;
    };
    let Ok(addr) = listener.local_addr() else {
        return listener;
    };
    drop(listener);
    let mut held = listen::hold(addr).ok();
    orders.closed();
    orders.until(|ordered| !ordered.is_down).await;
    loop {
        let socket = held.take().map_or_else(|| listen::hold(addr), Ok);
        match socket.and_then(listen::listen_on) {
            Ok(listener) => {
                orders.reopened();
                return listener;
            }
            Err(error) => {
                // Another program was faster.
                tracing::warn!(%error, %addr, "cannot listen again");
                tokio::time::sleep(SAY_AGAIN / 60).await;
            }
        }
    }
}

/// A place in the lobby. Connections there that haven't had a turn get one first.
async fn ticket(peer: SocketAddr, lobby: &Lobby) -> Ticket {
    loop {
        if let Some(ticket) = lobby.enter(peer.ip()) {
            return ticket;
        }
        tokio::task::yield_now().await;
    }
}

/// Whether the connection failed before it was accepted; the listener is fine.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves a connection until it is done or has to make room.
async fn attend(socket: TcpStream, ticket: Ticket, arrival: Arrival, shared: Arc<Shared>) {
    ticket.has_its_turn();
    let socket = Socket::plain(socket, ticket.clone());
    let crowd = tokio::select! {
        biased;
        crowd = ticket.told_to_leave() => crowd,
        () = next_cut(shared.config.faults.as_ref()) => return,
        () = connection(socket, &ticket, arrival, &shared) => return,
    };
    let reason = match crowd {
        Eviction::Connections => "it made room for another: too many idle connections",
        Eviction::Memory => "it made room for others: unfinished requests take too much memory",
    };
    shared.refused(arrival.peer, RefusalCause::Connection, &reason);
}

async fn connection(socket: Socket, ticket: &Ticket, arrival: Arrival, shared: &Arc<Shared>) {
    let peer = arrival.peer;
    let arrived = tokio::time::timeout(HEAD_DEADLINE, arrive(socket, peer, shared)).await;
    let mut asked = match arrived {
        Ok(Some((kind, stream))) => Some((kind, stream)),
        Ok(None) => return,
        // Browsers open spare connections and send nothing on them.
        Err(_) if ticket.is_silent() => {
            return tracing::debug!(%peer, "no request within the deadline");
        }
        Err(_) => {
            let reason = format!("no whole request within {}", exact_span(HEAD_DEADLINE));
            return shared.refused(peer, RefusalCause::Connection, &reason);
        }
    };
    while let Some((kind, stream)) = asked {
        let transport = match kind {
            RequestKind::WebSocket => Transport::WebSocket,
            RequestKind::EventStream => Transport::EventStream,
            RequestKind::Other => {
                // Boxed, because it is large and most connections don't need it.
                asked = Box::pin(http::serve(stream, None, arrival, ticket, shared)).await;
                continue;
            }
        };
        let refused = handshake::welcome(stream, transport, arrival, shared);
        let Some((stream, refusal)) = refused else {
            return;
        };
        asked = Box::pin(http::serve(stream, Some(refusal), arrival, ticket, shared)).await;
    }
}

/// Performs the TLS handshake, if there is TLS, and reads the first head; `None` if there is none.
async fn arrive(
    socket: Socket,
    peer: SocketAddr,
    shared: &Shared,
) -> Option<(RequestKind, Replayed)> {
    let mut socket = match &shared.config.trust.tls {
        Some(tls) => match Box::pin(tls.accept(socket)).await {
            Ok(socket) => {
                socket.forget_received();
                socket
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    shared.refused(peer, RefusalCause::Tls, &error);
                } else {
                    tracing::debug!(%peer, %error, "handshake failed");
                }
                return None;
            }
        },
        None => socket,
    };
    match head::read(&mut socket).await {
        Ok(head) => Some((head.kind, Replayed::new(head.bytes, socket))),
        Err(error) => {
            tracing::debug!(%peer, %error, "no request");
            None
        }
    }
}

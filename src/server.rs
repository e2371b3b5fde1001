//! The server: one port for every viewer, fed from a [`Hub`].
//!
//! It has three parts. The `door` lets connections in: addresses, TLS, the request's head, and access. `viewers` sends
//! messages. `http` answers everything else. The door knows neither of the others, and `viewers` doesn't know `http`.
//!
//! [`run`] takes bound listeners and a stop signal. Each connection begins on the thread of `connections`, as a task
//! that reads the request's head within `HEAD_DEADLINE` and hands the connection to its part.

mod connections;
mod door;
mod families;
mod faults;
mod health_part;
mod http;
mod shared;
#[cfg(test)]
mod tests;
mod viewers;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;

use door::lobby::Lobby;
use door::refusal_log::RefusalLog;
use shared::Shared;
use viewers::fanout::{Fanout, Policy};

pub use door::trust::Trust;
pub use door::{gate, listen, tls};
pub use families::{Countable, CounterFamily};
pub use faults::Faults;
pub use health_part::HealthPart;
pub use shared::Config;
pub use viewers::counts::{Counts, Viewers};
pub use viewers::tally::Tally;

/// Serves viewers until `stop`, then asks them to reconnect elsewhere or later, and waits up to `config.drain`.
///
/// Once the hub has ended, viewers are closed with 1000 when they reach the end; `run` continues for new ones.
///
/// # Errors
/// When the thread that accepts connections cannot be started.
pub async fn run(
    listeners: Vec<TcpListener>,
    hub: Hub,
    config: Config,
    viewers: Viewers,
    stop: CancellationToken,
) -> io::Result<()> {
    let drain = config.drain;
    let policy = Policy {
        heartbeat: config.heartbeat,
        drain,
        live: !hub.is_lossless(),
    };
    // Bounded by the seats: every newcomer has one.
    let (newcomers, coming) = mpsc::unbounded_channel();
    let send_away = CancellationToken::new();
    let fanout = tokio::spawn(
        Fanout::new(
            &hub,
            coming,
            policy,
            config.faults.as_ref(),
            viewers.shared_tally(),
        )
        .run(send_away.clone()),
    );
    let shared = Arc::new(Shared {
        hub,
        config,
        viewers,
        newcomers,
        stop,
        lobby: Lobby::default(),
        refusals: RefusalLog::default(),
    });
    let under_way = TaskTracker::new();
    let over = CancellationToken::new();
    // Connections still at the door when this function ends are dropped with its thread.
    let _over = over.clone().drop_guard();
    let closed = connections::open(listeners, Arc::clone(&shared), under_way.clone(), over)?;
    beat(&shared).await;
    // Listeners are closed before any viewer is disconnected, so that a reconnecting herd finds no server, rather than
    // one about to stop.
    let _ = closed.await; // ends with an error, as nothing is ever sent
    send_away.cancel();
    under_way.close();
    drop(shared); // only connections in progress can still become viewers
    // Viewers that haven't answered by then are dropped with the runtime.
    let left = async { tokio::join!(under_way.wait(), fanout) };
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

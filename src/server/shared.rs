//! What all connections share, and what is known about each.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::alert::notify;
use crate::hub::Hub;

use super::door::lobby::Lobby;
use super::door::refusal::Refusal;
use super::door::refusal_log::{RefusalCause, RefusalLog};
use super::door::trust::Trust;
use super::families::Countable;
use super::faults::Faults;
use super::health_part::HealthPart;
use super::viewers::counts::Viewers;
use super::viewers::viewer::Newcomer;

/// A viewer must complete its handshake within this time of connecting, or is dropped, so that a silent peer holds no
/// seat.
pub(super) const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// How a server behaves. Its durations can be added to any time: the command line accepts none beyond ten years.
#[derive(Debug, Clone)]
pub struct Config {
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// How long viewers have to disconnect when the server stops.
    pub drain: Duration,
    /// The most viewers at once.
    pub max_viewers: u64,
    /// Whether messages are compressed for viewers that can inflate them.
    pub compression: bool,
    /// `/healthz` fails after this long without a message; `None`: never.
    pub unhealthy_after: Option<Duration>,
    /// Access control and TLS.
    pub trust: Trust,
    /// What became of notifications of alerts.
    pub notifications: Arc<notify::NotificationCounts>,
    /// Further counters for `/metrics`.
    pub counted: Vec<Arc<dyn Countable>>,
    /// Further parts of `/healthz`.
    pub parts: Vec<Arc<dyn HealthPart>>,
    /// Has the server misbehave, if that is wanted.
    pub faults: Option<Faults>,
}

impl Config {
    /// Has `/healthz` and `/metrics` say how a further part is doing.
    pub fn report(&mut self, part: Arc<impl HealthPart + Countable + 'static>) {
        self.counted.push(Arc::clone(&part) as Arc<dyn Countable>);
        self.parts.push(part);
    }
}

/// What every connection shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hub: Hub,
    pub(super) config: Config,
    pub(super) viewers: Viewers,
    pub(super) newcomers: mpsc::UnboundedSender<Newcomer>,
    pub(super) stop: CancellationToken,
    pub(super) lobby: Lobby,
    pub(super) refusals: RefusalLog,
}

impl Shared {
    /// Logs a refused peer.
    pub(super) fn refused(&self, peer: SocketAddr, cause: RefusalCause, reason: &dyn fmt::Display) {
        self.refusals.note(peer.ip(), cause, reason);
    }

    /// Counts a refused request, and logs it.
    pub(super) fn refused_request(&self, peer: SocketAddr, refusal: &Refusal) {
        let status = refusal.status.as_u16();
        self.viewers.tally().refused(status);
        self.refused(peer, RefusalCause::Status(status), &refusal.reason);
    }
}

/// Where a connection came from, and on which listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    pub(super) on_loopback: bool,
}

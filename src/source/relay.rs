//! Redis as a source: the messages of all hosts that publish there, with their own numbers and bytes.
//!
//! `discovery` watches the registry and hands each host to a reader; `shares` says to which. A `reader` first loads what
//! Redis has of a host, in pages, and then follows all its hosts with one blocking command. What Redis returns was
//! written by somebody else: `check` decides what is a message. When Redis fails, readers try again from the last id
//! they have.

mod announced;
mod check;
mod discovery;
mod forgotten;
mod host;
mod page_size;
mod reader;
mod shares;
mod silence;
mod status;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::alert::Recipient;
use crate::hub::Publisher;
use crate::millis::{epoch_millis, in_millis};
use crate::protocol::HostName;
use crate::redis::{LANES, RedisOptions};

use super::Source;

use discovery::Discovery;
use forgotten::ForgottenHosts;
use reader::LaneReader;
use silence::SignsOfLife;

pub use status::{RelayState, RelayStatus};

/// All hosts that publish to a Redis.
pub struct Relay {
    /// The Redis.
    pub redis: RedisOptions,
    /// The time between two heartbeats, for announcements.
    pub heartbeat: Duration,
    /// After how long without a message a host is forgotten of which Redis has nothing any more.
    pub retain: Duration,
    /// Who is told of alerts, and of silence.
    pub recipient: Arc<dyn Recipient>,
    /// After how long without a message a host is silent; `None` if nobody is to be told.
    pub silent_after: Option<Duration>,
    /// The name under which it reports that all hosts are silent.
    pub name: HostName,
    /// How it goes.
    pub status: Arc<RelayStatus>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("redis", &self.redis.address)
            .finish_non_exhaustive()
    }
}

/// Why a relay failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The thread could not be started.
    #[error("cannot start the reader of Redis")]
    Thread(#[from] io::Error),
    /// The thread ended unexpectedly.
    #[error("the reader of Redis stopped unexpectedly")]
    Died,
}

/// What all parts of a relay share.
struct RelayShared {
    publisher: Publisher,
    heartbeat: u64,
    recipient: Arc<dyn Recipient>,
    silent_after: Option<Duration>,
    retain: Duration,
    name: HostName,
    signs: Mutex<SignsOfLife>,
    forgotten: Mutex<ForgottenHosts>,
    status: Arc<RelayStatus>,
    /// When it began, in milliseconds since the epoch. Older alerts aren't news.
    started: u64,
}

impl Source for Relay {
    type Outcome = ();
    type Error = RelayError;

    async fn run(self, publisher: Publisher, stop: CancellationToken) -> Result<(), RelayError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (finish, finished) = oneshot::channel();
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("relay".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.cancelled() => {}
                        () = self.read(publisher) => {}
                    }
                });
                // Whoever waits may be gone.
                let _ = finish.send(());
            })?;
        finished.await.map_err(|_| RelayError::Died)
    }
}

impl Relay {
    /// Reads for ever.
    async fn read(self, publisher: Publisher) {
        let shared = Arc::new(RelayShared {
            publisher,
            heartbeat: in_millis(self.heartbeat).max(1),
            recipient: self.recipient,
            silent_after: self.silent_after,
            retain: self.retain,
            name: self.name,
            signs: Mutex::new(SignsOfLife::new()),
            forgotten: Mutex::default(),
            status: self.status,
            started: epoch_millis(),
        });
        let redis = Arc::new(self.redis);
        let mut lanes = Vec::new();
        let mut readers = tokio::task::JoinSet::new();
        for lane in 0..LANES {
            let (found, coming) = mpsc::unbounded_channel();
            lanes.push(found);
            let reader = LaneReader::new(lane, &redis, Arc::clone(&shared), coming);
            readers.spawn(reader.run());
        }
        Discovery::new(redis, shared, lanes).run().await;
    }
}

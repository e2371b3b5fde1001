//! From the hub to Redis: every numbered message, in order, and nothing twice.
//!
//! A publication is one more viewer of the hub: what it has not written yet is in the ring, or in the spool. So nothing
//! waits for Redis, and after an outage it catches up as any other viewer does. Before it writes, and after anything
//! has gone wrong, it reads the last id that Redis has, and continues after it. It works on a thread of its own.

mod draft;
mod host;
mod marks;
mod presence;
mod status;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::protocol::{HostName, StreamId};
use crate::redis::{PublisherIdentity, RedisOptions};

pub use status::{PublicationState, PublicationStatus};

use worker::Worker;

/// Makes a source begin a stream above the one that is passed.
pub type BeginAbove = Arc<dyn Fn(StreamId) + Send + Sync>;

/// What is published, and where.
pub struct PublicationOptions {
    /// The Redis.
    pub redis: RedisOptions,
    /// How long messages are kept there.
    pub retain: Duration,
    /// Who publishes.
    pub origin: PublisherIdentity,
    /// The newest stream of each host that a recording has; empty for a live host.
    pub expected: BTreeMap<HostName, StreamId>,
    /// Makes the source begin a stream above this one; `None` if it cannot.
    pub begin_above: Option<BeginAbove>,
}

impl fmt::Debug for PublicationOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicationOptions")
            .field("redis", &self.redis.address)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Messages on their way to Redis.
#[derive(Debug)]
pub struct Publication {
    status: Arc<PublicationStatus>,
    /// Ends it once everything is written.
    last_call: CancellationToken,
    /// Ends it at once.
    stop: CancellationToken,
    done: watch::Receiver<bool>,
}

impl Publication {
    /// Publishes what is in `hub`, and what will be.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(hub: &Hub, options: PublicationOptions) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let status = Arc::<PublicationStatus>::default();
        let (last_call, stop) = (CancellationToken::new(), CancellationToken::new());
        let (finished, done) = watch::channel(false);
        let worker = Worker::new(hub, options, Arc::clone(&status), last_call.clone());
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.cancelled() => {}
                        () = worker.run() => {}
                    }
                });
                // Whoever waits may be gone.
                let _ = finished.send(true);
            })?;
        Ok(Self {
            status,
            last_call,
            stop,
            done,
        })
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> Arc<PublicationStatus> {
        Arc::clone(&self.status)
    }

    /// Waits up to `patience` until everything is written, and ends. Returns whether it is.
    pub async fn finish(mut self, patience: Duration) -> bool {
        self.last_call.cancel();
        let done = self.done.wait_for(|done| *done);
        // A thread that has died has not finished.
        let is_done = matches!(tokio::time::timeout(patience, done).await, Ok(Ok(_)));
        self.stop.cancel();
        is_done
    }
}

//! The hub: a short log of numbered messages for each host, and viewers that are only cursors in it.
//!
//! Live, catch-up, resume and slow viewers are all the same read: on from the cursor. There is no queue per viewer; a
//! [`Subscription`] knows where it stands in each host's ring, and [`Head::changed`] tells when one moved. Each message is
//! encoded once, when it is pushed, and shared as a ready [`Frame`](crate::protocol::Frame). Gaps are not stored: they
//! follow from two neighbours that are not neighbours in number.
//!
//! What is older than a ring may be kept elsewhere. Where the ring ends, a cursor turns to that [`Past`], which a thread
//! reads ahead of the viewer, and comes back to the ring.
//!
//! The hub knows no socket. Its locks are held for the copying of some handles and never across an await.

mod cursor;
mod past;
mod ring;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::locks::lock;
use crate::millis::in_millis;
use crate::protocol::{HostName, HostPattern, Numbered, Query};

pub use past::{Past, PastFrom, PastMessage, PastMessages, PastRequest};
pub use ring::{Announcement, Timeline};
pub use subscription::{Batch, Head, Subscription};

use ring::Ring;

/// How much of each host's log is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Messages older than this are dropped.
    pub duration: Duration,
    /// Whether a message that a viewer has still to read is kept beyond that, and the source waits: a replay never
    /// drops, a live host cannot wait.
    pub lossless: bool,
}

/// A viewer asked by name for a host that is not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no host '{wanted}' here; there is {there}")]
pub struct UnknownHost {
    wanted: HostName,
    there: String,
}

/// The first names of `hosts`, for a sentence that says which hosts there are.
pub fn some_names<'a>(hosts: impl IntoIterator<Item = &'a HostName>) -> String {
    let names: Vec<_> = hosts.into_iter().map(HostName::as_str).take(10).collect();
    if names.is_empty() {
        "none yet".to_owned()
    } else {
        names.join(", ")
    }
}

/// The logs of all hosts of a server. Cloning it shares them.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<HubState>,
}

#[derive(Debug)]
struct HubState {
    retention: Retention,
    past: Option<Arc<dyn Past>>,
    logs: Mutex<BTreeMap<HostName, Arc<HostLog>>>,
    /// How many hosts there are: a subscription looks for new ones only when this has moved.
    host_count: AtomicU64,
    /// Moves whenever anything is there to read.
    head: watch::Sender<u64>,
    started: Instant,
    /// When the newest message came, in milliseconds after `started`.
    newest_push: AtomicU64,
    ended: std::sync::atomic::AtomicBool,
}

/// One host's log.
#[derive(Debug)]
struct HostLog {
    host: HostName,
    ring: Mutex<Ring>,
    /// Tells a waiting source that a reader has moved on or gone.
    room: Notify,
}

impl Hub {
    /// A hub without hosts.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self::of(retention, None)
    }

    /// A hub without hosts, whose viewers find in `past` what the logs no longer have.
    #[must_use]
    pub fn with_past(retention: Retention, past: Arc<dyn Past>) -> Self {
        Self::of(retention, Some(past))
    }

    fn of(retention: Retention, past: Option<Arc<dyn Past>>) -> Self {
        let shared = HubState {
            retention,
            past,
            logs: Mutex::default(),
            host_count: AtomicU64::new(0),
            head: watch::Sender::new(0),
            started: Instant::now(),
            newest_push: AtomicU64::new(0),
            ended: std::sync::atomic::AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The right to add to logs whose time runs by `timeline`.
    #[must_use]
    pub fn publisher(&self, timeline: Timeline) -> Publisher {
        Publisher {
            hub: self.clone(),
            timeline,
        }
    }

    /// The log of `host`, which is there from now on.
    fn log(&self, host: &HostName, timeline: Timeline) -> Arc<HostLog> {
        let mut logs = lock(&self.shared.logs);
        let log = logs.entry(host.clone()).or_insert_with(|| {
            self.shared.host_count.fetch_add(1, Ordering::Release);
            let ring = Mutex::new(Ring::new(self.shared.retention, timeline));
            Arc::new(HostLog {
                host: host.clone(),
                ring,
                room: Notify::new(),
            })
        });
        Arc::clone(log)
    }

    /// A cursor in every host's log that `query` wants, each where `query` says.
    ///
    /// # Errors
    /// When a host is wanted by name that is not here.
    pub fn subscribe(&self, query: Query) -> Result<Subscription, UnknownHost> {
        let logs = lock(&self.shared.logs);
        for pattern in &query.hosts {
            if let HostPattern::Literal(wanted) = pattern
                && !logs.contains_key(wanted)
            {
                return Err(UnknownHost {
                    wanted: wanted.clone(),
                    there: some_names(logs.keys()),
                });
            }
        }
        drop(logs);
        Ok(self.subscribe_ahead(query))
    }

    /// As [`Hub::subscribe`], but a host that is not here is waited for: it is read from its first message, or from what
    /// `after=` names, as soon as it is there.
    #[must_use]
    pub fn subscribe_ahead(&self, query: Query) -> Subscription {
        Subscription::new(self.clone(), query)
    }

    /// The hosts, in the order of their names.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostName> {
        lock(&self.shared.logs).keys().cloned().collect()
    }

    /// The newest sample of each host.
    #[must_use]
    pub fn newest(&self) -> Vec<(HostName, crate::protocol::Sample)> {
        let newest =
            |log: Arc<HostLog>| Some((log.host.clone(), lock(&log.ring).newest()?.clone()));
        self.logs().into_iter().filter_map(newest).collect()
    }

    /// Tells when anything comes from now on.
    #[must_use]
    pub fn head(&self) -> Head {
        Head(self.shared.head.subscribe())
    }

    /// Whether sources wait for viewers.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.shared.retention.lossless
    }

    /// Sends a heartbeat with the newest sample of each host to the viewers at its head.
    pub fn beat(&self) {
        for log in self.logs() {
            lock(&log.ring).beat(&log.host);
        }
        self.wake();
    }

    /// No more messages will come: viewers that have everything are told the end.
    pub fn end(&self) {
        self.shared.ended.store(true, Ordering::Release);
        self.wake();
    }

    /// How long ago the newest message of any host came.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let newest = Duration::from_millis(self.shared.newest_push.load(Ordering::Relaxed));
        self.shared.started.elapsed().saturating_sub(newest)
    }

    fn logs(&self) -> Vec<Arc<HostLog>> {
        lock(&self.shared.logs).values().cloned().collect()
    }

    fn wake(&self) {
        self.shared
            .head
            .send_modify(|head| *head = head.wrapping_add(1));
    }

    fn now_ms(&self) -> u64 {
        in_millis(self.shared.started.elapsed())
    }
}

/// What a source has of the hub: it can add hosts and messages, and read nothing.
#[derive(Debug, Clone)]
pub struct Publisher {
    hub: Hub,
    timeline: Timeline,
}

impl Publisher {
    /// The right to add to the log of `host`, which viewers find from now on.
    #[must_use]
    pub fn host(&self, host: &HostName) -> HostPublisher {
        HostPublisher {
            hub: self.hub.clone(),
            log: self.hub.log(host, self.timeline),
        }
    }

    /// Wakes the viewers, after [`HostPublisher::add`].
    pub fn wake(&self) {
        self.hub.wake();
    }
}

/// Adds to the log of one host.
#[derive(Debug)]
pub struct HostPublisher {
    hub: Hub,
    log: Arc<HostLog>,
}

impl HostPublisher {
    /// Says what the next messages belong to. Viewers get it as a `hello` before them.
    pub fn announce(&self, announcement: Announcement) {
        lock(&self.log.ring).announce(announcement);
        self.hub.wake();
    }

    /// Names streams that will come, in their order, so that a viewer that already has a part of them can resume.
    pub fn expect_streams(&self, streams: &[crate::protocol::StreamId]) {
        lock(&self.log.ring).expect_streams(streams);
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.log.host
    }

    /// Adds a message of the host, in the announced stream, and wakes the viewers. Its number is greater than that of the
    /// message before it in the same stream.
    pub fn push(&self, message: Numbered) {
        self.add(message);
        self.hub.wake();
    }

    /// As [`HostPublisher::push`], without waking: for a source that adds many at once and then calls
    /// [`Publisher::wake`]. Whether the log is now past its bounds because a viewer has still to read.
    pub fn add(&self, message: Numbered) -> bool {
        debug_assert_eq!(message.host, self.log.host, "it is of this host");
        let now = self.hub.now_ms();
        // Encoding happens before the lock: readers never wait for it.
        let frame = message.frame();
        self.hub.shared.newest_push.store(now, Ordering::Relaxed);
        lock(&self.log.ring).push(frame, message, now)
    }

    /// Wakes the viewers.
    pub fn wake(&self) {
        self.hub.wake();
    }

    /// Waits until the log is within its bounds again.
    pub async fn room(&self) {
        loop {
            let moved = self.log.room.notified();
            if !lock(&self.log.ring).evict() {
                return;
            }
            moved.await;
        }
    }
}

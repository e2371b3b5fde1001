//! The hub: a short log of numbered messages for each host, and viewers that are just cursors into it.
//!
//! Live delivery, catch-up, resume and slow viewers are all the same: reading on from the cursor. There is no queue per
//! viewer; a [`Subscription`] knows its place in each host's ring, and [`Head::changed`] signals that one has moved.
//! Each message is encoded once, when it is pushed, and shared as a ready-to-send [`Frame`].
//! Gaps are not stored: wherever two neighbouring messages don't have consecutive numbers, there is a gap.
//!
//! Older messages may be kept elsewhere. Where the ring ends, a cursor turns to that [`Past`], which a thread reads
//! ahead of the viewer, and later returns to the ring.
//!
//! The hub knows nothing of sockets. Its locks are held only while a few handles are copied, never across an await.

mod ahead;
mod cursor;
mod heartbeat;
mod left_hosts;
mod memory;
mod moved;
mod news;
mod now_firing;
mod past;
mod place;
mod relayed;
mod ring;
mod shared_frame;
mod standing;
mod steps;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::locks::lock;
use crate::millis::{epoch_millis, in_millis};
use crate::protocol::{Alert, Frame, HostName, HostPattern, Numbered, Query};

pub use moved::MovedHost;
pub use news::HostNews;
pub use past::{
    Past, PastFrom, PastMessage, PastMessages, PastMinute, PastPart, PastParts, PastRequest,
    PastStatus,
};
pub use place::{ReadMark, SharedPlace};
pub use relayed::KeptByRelay;
pub use ring::{Announcement, Timeline};
pub use subscription::{Batch, Head, Subscription};

use ahead::PastReaders;
use moved::Due;
use news::Newest;
use relayed::{RelayedLog, Relaying};
use ring::Ring;

/// How much of each host's log is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Messages older than this are dropped.
    pub duration: Duration,
    /// Whether a message that a viewer has yet to read is kept longer, and the source waits: a replay never drops
    /// messages, a live host cannot wait.
    pub lossless: bool,
}

/// What the monotonic clock shows when a hub begins, in milliseconds: 34 years, so that a message of an earlier run has
/// a time before it.
const CLOCK_BEGIN_MS: u64 = 1 << 40;

/// The number of a log that viewers cannot find.
const UNLISTED: usize = usize::MAX;

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// A host that was asked for by name doesn't exist.
    #[error(transparent)]
    UnknownHost(#[from] UnknownHost),
    /// The viewer wants older messages than the logs have, and too many viewers are reading those.
    #[error("too many viewers are reading old messages: try again")]
    PastBusy,
}

/// A viewer asked by name for a host that doesn't exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no host '{wanted}' on this server; it has {there}")]
pub struct UnknownHost {
    wanted: HostName,
    there: String,
}

/// The first names of `hosts`, for a message about the existing hosts.
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
    /// Only in a relay.
    relaying: Option<Relaying>,
    logs: Mutex<BTreeMap<HostName, Arc<HostLog>>>,
    /// How many hosts have appeared: a subscription looks for new ones only when this has changed.
    host_count: AtomicUsize,
    /// Moves whenever there is something to read.
    head: watch::Sender<u64>,
    /// Where there is something to read.
    due: Mutex<Due>,
    started: Instant,
    /// When the newest message was added, by [`Hub::now_ms`].
    newest_push: AtomicU64,
    past_readers: Arc<PastReaders>,
    /// Tells waiting sources that a reader has advanced or left.
    room: Arc<Notify>,
    ended: AtomicBool,
}

/// One host's log.
#[derive(Debug)]
struct HostLog {
    host: HostName,
    /// How many hosts appeared before it; [`UNLISTED`] as long as viewers cannot find it.
    number: AtomicUsize,
    /// Counts what may give a viewer that has everything something to read.
    moves: AtomicU64,
    /// Whether it is among those that are [`Due`].
    is_due: AtomicBool,
    ring: Mutex<Ring>,
    past: Option<Arc<dyn Past>>,
    relayed: RelayedLog,
    /// That of the hub.
    room: Arc<Notify>,
}

impl Hub {
    /// A hub without hosts.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self::of(retention, None, None)
    }

    /// A hub without hosts. Its viewers find in `past` what the logs no longer have.
    #[must_use]
    pub fn with_past(retention: Retention, past: Arc<dyn Past>) -> Self {
        Self::of(retention, Some(past), None)
    }

    fn of(retention: Retention, past: Option<Arc<dyn Past>>, relaying: Option<Relaying>) -> Self {
        let shared = HubState {
            retention,
            past,
            relaying,
            logs: Mutex::default(),
            host_count: AtomicUsize::new(0),
            head: watch::Sender::new(0),
            started: Instant::now(),
            newest_push: AtomicU64::new(CLOCK_BEGIN_MS),
            past_readers: Arc::default(),
            room: Arc::default(),
            ended: AtomicBool::new(false),
            due: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A handle for adding to logs on `timeline`.
    #[must_use]
    pub fn publisher(&self, timeline: Timeline) -> Publisher {
        Publisher {
            hub: self.clone(),
            timeline,
        }
    }

    /// The log of `host`, created if necessary.
    fn log(&self, host: &HostName, timeline: Timeline) -> Arc<HostLog> {
        let mut logs = lock(&self.shared.logs);
        let log = logs.entry(host.clone()).or_insert_with(|| {
            let log = self.new_log(host, timeline);
            self.number(&log);
            log
        });
        Arc::clone(log)
    }

    /// Gives a log its number, while the lock of all logs is held.
    fn number(&self, log: &HostLog) {
        let number = self.shared.host_count.fetch_add(1, Ordering::Release);
        log.number.store(number, Ordering::Release);
        self.note_anything();
    }

    /// A log that viewers cannot find.
    fn new_log(&self, host: &HostName, timeline: Timeline) -> Arc<HostLog> {
        Arc::new(HostLog {
            host: host.clone(),
            number: AtomicUsize::new(UNLISTED),
            moves: AtomicU64::new(0),
            is_due: AtomicBool::new(false),
            ring: Mutex::new(Ring::new(self.shared.retention, timeline)),
            past: self.shared.past.clone(),
            relayed: RelayedLog::new(self.shared.relaying.is_some()),
            room: Arc::clone(&self.shared.room),
        })
    }

    /// Cursors in the logs of all hosts that `query` requests, each where `query` says.
    ///
    /// # Errors
    /// When the query names a host that doesn't exist, except in a relay, which waits for it, or too many viewers are
    /// reading the past.
    pub fn subscribe(&self, query: Query) -> Result<Subscription, SubscribeError> {
        let logs = lock(&self.shared.logs);
        for pattern in &query.hosts {
            if let HostPattern::Literal(wanted) = pattern
                && !logs.contains_key(wanted)
                && self.shared.relaying.is_none()
            {
                return Err(UnknownHost {
                    wanted: wanted.clone(),
                    there: some_names(logs.keys()),
                }
                .into());
            }
        }
        drop(logs);
        let subscription = self.subscribe_ahead(query);
        if subscription.waits_for_past() {
            return Err(SubscribeError::PastBusy);
        }
        Ok(subscription)
    }

    /// As [`Hub::subscribe`], but waits for a host that doesn't exist yet: it is read from its first message, or from
    /// what `after=` names, as soon as it appears.
    #[must_use]
    pub fn subscribe_ahead(&self, query: Query) -> Subscription {
        Subscription::new(self.clone(), query)
    }

    /// The hosts, in the order of their names.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostName> {
        lock(&self.shared.logs).keys().cloned().collect()
    }

    /// How many hosts there are.
    #[must_use]
    pub fn host_count(&self) -> usize {
        lock(&self.shared.logs).len()
    }

    /// The newest sample of each host, with the last list of containers, which not every sample carries.
    #[must_use]
    pub fn newest(&self) -> Vec<(HostName, crate::protocol::Sample)> {
        let newest =
            |log: Arc<HostLog>| Some((log.host.clone(), lock(&log.ring).newest_with_containers()?));
        self.logs().into_iter().filter_map(newest).collect()
    }

    /// Signals every new message from now on.
    #[must_use]
    pub fn head(&self) -> Head {
        Head(self.shared.head.subscribe())
    }

    /// The state of the past, if it has one.
    #[must_use]
    pub fn past_status(&self) -> Option<PastStatus> {
        self.shared.past.as_ref()?.status()
    }

    /// Whether sources wait for viewers.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.shared.retention.lossless
    }

    /// Sends a heartbeat with the newest sample of each host to the viewers that have everything.
    pub fn beat(&self) {
        for log in self.logs() {
            lock(&log.ring).beat(&log.host);
            self.note_move(&log);
        }
        self.wake();
    }

    /// No more messages will follow: viewers that have everything get `end`.
    pub fn end(&self) {
        self.shared.ended.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Makes sources that wait for their viewers check how far these have read.
    pub fn tell_sources(&self) {
        self.shared.room.notify_waiters();
    }

    /// How long ago the newest message of any host was added.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let newest = self.shared.newest_push.load(Ordering::Relaxed);
        Duration::from_millis(self.now_ms().saturating_sub(newest))
    }

    fn logs(&self) -> Vec<Arc<HostLog>> {
        lock(&self.shared.logs).values().cloned().collect()
    }

    fn wake(&self) {
        self.shared
            .head
            .send_modify(|head| *head = head.wrapping_add(1));
    }

    /// The monotonic clock in milliseconds, beginning late enough for messages of earlier runs.
    fn now_ms(&self) -> u64 {
        CLOCK_BEGIN_MS + in_millis(self.shared.started.elapsed())
    }
}

/// A source's handle of the hub: it can add hosts and messages, but read nothing.
#[derive(Debug, Clone)]
pub struct Publisher {
    hub: Hub,
    timeline: Timeline,
}

impl Publisher {
    /// A handle for adding to the log of `host`, which viewers can find from now on.
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
    /// Describes the messages that follow. Viewers get it as a `hello` before them.
    pub fn announce(&self, announcement: Announcement) {
        self.announce_with(announcement, None);
    }

    /// As [`HostPublisher::announce`], for a stream at whose start these alerts are already firing. No viewer is told
    /// of one without the other.
    pub fn announce_firing(&self, announcement: Announcement, firing: Vec<Alert>) {
        self.announce_with(announcement, Some(firing));
    }

    fn announce_with(&self, announcement: Announcement, firing: Option<Vec<Alert>>) {
        let announcement = Arc::new(announcement);
        let mut ring = lock(&self.log.ring);
        ring.announce(Arc::clone(&announcement));
        if let Some(firing) = firing {
            ring.continue_firing(firing);
        }
        drop(ring);
        if let Some(past) = &self.log.past {
            past.announced(&self.log.host, &announcement);
        }
        self.hub.note_move(&self.log);
        self.hub.wake();
    }

    /// Adds a message of an earlier run, which the past has already.
    pub fn restore(&self, old: PastMessage) {
        let age = epoch_millis().saturating_sub(old.message.sample.timestamp);
        let clock = self.hub.now_ms().saturating_sub(age);
        let frame = old.message.frame();
        let mut ring = lock(&self.log.ring);
        ring.announce(old.announcement);
        ring.append(frame, old.message, clock);
        drop(ring);
        self.hub.note_move(&self.log);
    }

    /// Says which alerts fire already where the announced stream begins.
    pub fn continue_firing(&self, alerts: Vec<Alert>) {
        lock(&self.log.ring).continue_firing(alerts);
    }

    /// The alerts that are firing.
    #[must_use]
    pub fn firing(&self) -> Vec<Alert> {
        lock(&self.log.ring).firing.alerts().to_vec()
    }

    /// Names the streams that will follow, in order, so that a viewer that already has part of them can resume.
    pub fn expect_streams(&self, streams: &[crate::protocol::StreamId]) {
        lock(&self.log.ring).expect_streams(streams);
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.log.host
    }

    /// Adds a message of the host, in the announced stream, and wakes the viewers. Its number is greater than that of
    /// the message before it in the same stream.
    pub fn push(&self, message: Numbered) {
        self.add(message);
        self.hub.wake();
    }

    /// As [`HostPublisher::push`], without waking: for a source that adds many at once and then calls
    /// [`Publisher::wake`]. Returns whether the log now exceeds its bounds because a viewer has yet to read.
    pub fn add(&self, message: Numbered) -> bool {
        debug_assert_eq!(message.host, self.log.host, "it is of this host");
        if let Some(past) = &self.log.past {
            past.keep(&message);
        }
        self.add_frame(message.frame(), message)
    }

    /// Adds a message that has been encoded: outside the lock, so that readers never wait for it.
    fn add_frame(&self, frame: Frame, message: Numbered) -> bool {
        let now = self.hub.now_ms();
        self.hub.shared.newest_push.store(now, Ordering::Relaxed);
        let (exceeds, newest) = {
            let mut ring = lock(&self.log.ring);
            (ring.push(frame, message, now), Newest::of(&ring))
        };
        self.hub.note_newest(&self.log, newest);
        exceeds
    }

    /// Wakes the viewers.
    pub fn wake(&self) {
        self.hub.wake();
    }

    /// Forgets everything about the host, as a server that restarts. An announcement must follow.
    pub fn start_over(&self) {
        lock(&self.log.ring).start_over();
        self.hub.note_move(&self.log);
    }

    /// Waits until every viewer has read everything, if sources wait for viewers.
    pub async fn all_read(&self) {
        loop {
            let moved = self.log.room.notified();
            if lock(&self.log.ring).is_read() {
                return;
            }
            moved.await;
        }
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

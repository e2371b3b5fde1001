//! What a hub needs in order to relay: messages keep the bytes of their origin, hosts come and go, and a position in an
//! unknown stream is judged only once the store has been read to its end.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::locks::lock;
use crate::millis::in_millis;
use crate::protocol::{Frame, HostName, Numbered};

use super::{HostLog, HostPublisher, Hub, Publisher, Retention};

/// A relay keeps less than asked for rather than more memory than allowed, but never less than this.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// How much of each log a relay keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptByRelay {
    /// For how long messages are kept.
    pub duration: Duration,
    /// Of how many hosts less is kept: so many of their messages have nearly the same timestamp that no duration is
    /// short enough.
    pub crowded: usize,
}

impl KeptByRelay {
    /// For how long messages are kept of the hosts of which least is kept.
    #[must_use]
    pub fn least(&self) -> Duration {
        match self.crowded {
            0 => self.duration,
            _ => self.duration.min(SHORTEST),
        }
    }
}

/// The part of a relay's hub that other hubs don't have.
#[derive(Debug)]
pub(super) struct Relaying {
    /// How much of each log is kept now, in milliseconds.
    pub(super) retain: AtomicU64,
    /// Of how many hosts less is kept.
    pub(super) crowded: AtomicUsize,
    /// Logs that viewers cannot find yet, but that take memory all the same.
    pub(super) unlisted: Mutex<Vec<Weak<HostLog>>>,
}

impl Relaying {
    /// How much of each log is kept.
    pub(super) fn kept(&self) -> KeptByRelay {
        KeptByRelay {
            duration: Duration::from_millis(self.retain.load(Ordering::Relaxed)),
            crowded: self.crowded.load(Ordering::Relaxed),
        }
    }

    /// Bounds a new `log` like all others.
    fn admit(&self, log: &Arc<HostLog>) {
        let mut unlisted = lock(&self.unlisted);
        unlisted.retain(|it| 0 < it.strong_count());
        unlisted.push(Arc::downgrade(log));
        drop(unlisted);
        self.bound(log);
    }

    /// Viewers can find `log` from now on.
    fn list(&self, log: &Arc<HostLog>) {
        lock(&self.unlisted).retain(|it| !std::ptr::eq(it.as_ptr(), Arc::as_ptr(log)));
    }

    pub(super) fn bound(&self, log: &HostLog) {
        let retain = self.retain.load(Ordering::Relaxed);
        lock(&log.ring).retain(Duration::from_millis(retain), retain <= in_millis(SHORTEST));
    }
}

/// The part of a relay's log that other logs have no use for.
#[derive(Debug)]
pub(super) struct RelayedLog {
    /// The store has been read to where it ended at this time, by [`Hub::now_ms`]; 0 if it hasn't been yet, `u64::MAX`
    /// if there is no store.
    read_to_end: AtomicU64,
    /// How many cursors wait for that.
    waiting: AtomicU32,
    /// Whether the recording is over.
    pub(super) ended: AtomicBool,
    /// Whether nothing more will be added. If the host comes back, it has another log.
    pub(super) is_forgotten: AtomicBool,
}

impl RelayedLog {
    pub(super) fn new(relays: bool) -> Self {
        Self {
            read_to_end: AtomicU64::new(if relays { 0 } else { u64::MAX }),
            waiting: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            is_forgotten: AtomicBool::new(false),
        }
    }

    /// Whether a position that was unknown at the time `now` may turn up in the store.
    pub(super) fn may_find(&self, now: u64) -> bool {
        self.read_to_end.load(Ordering::Acquire) < now
    }

    /// Counts one more cursor that waits, or one fewer.
    pub(super) fn wait(&self, begins: bool) {
        if begins {
            self.waiting.fetch_add(1, Ordering::AcqRel);
        } else {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Hub {
    /// A hub without hosts, for a relay: a viewer waits for a host that doesn't exist yet.
    #[must_use]
    pub fn relaying(retention: Retention) -> Self {
        let relaying = Relaying {
            retain: AtomicU64::new(in_millis(retention.duration)),
            crowded: AtomicUsize::new(0),
            unlisted: Mutex::default(),
        };
        Self::of(retention, None, Some(relaying))
    }
}

impl Publisher {
    /// As [`Publisher::host`], but viewers find the host only after [`HostPublisher::list`].
    #[must_use]
    pub fn unlisted_host(&self, host: &HostName) -> HostPublisher {
        let log = self.hub.new_log(host, self.timeline);
        if let Some(relaying) = &self.hub.shared.relaying {
            relaying.admit(&log);
        }
        HostPublisher {
            log,
            hub: self.hub.clone(),
        }
    }
}

impl HostPublisher {
    /// Lets viewers find the host.
    pub fn list(&self) {
        let mut logs = lock(&self.hub.shared.logs);
        self.hub.number(&self.log);
        logs.insert(self.log.host.clone(), Arc::clone(&self.log));
        if let Some(relaying) = &self.hub.shared.relaying {
            relaying.list(&self.log);
        }
        drop(logs);
        self.hub.wake();
    }

    /// Forgets the host: nobody finds it any more. Viewers that have read it keep their place, in case it comes back
    /// with another log.
    pub fn forget(&self) {
        // One message remains, to show those who are still reading where it ended.
        lock(&self.log.ring).retain(Duration::ZERO, true);
        let mut logs = lock(&self.hub.shared.logs);
        let is_this = |it: &Arc<HostLog>| Arc::ptr_eq(it, &self.log);
        if logs.get(&self.log.host).is_some_and(is_this) {
            logs.remove(&self.log.host);
        }
        drop(logs);
        let relayed = &self.log.relayed;
        relayed.is_forgotten.store(true, Ordering::Release);
        self.hub.note_move(&self.log);
        self.wake();
    }

    /// As [`HostPublisher::add`], with the message's JSON as its origin has encoded it.
    pub fn add_as_sent(&self, json: &[u8], message: Numbered) {
        debug_assert_eq!(message.host, self.log.host, "it is of this host");
        self.add_frame(Frame::text(json, Some(&message.position())), message);
    }

    /// The time for [`HostPublisher::read_to_end`].
    #[must_use]
    pub fn now(&self) -> u64 {
        self.hub.now_ms()
    }

    /// Notes that the store has been read to where it ended at the time `at`, by [`HostPublisher::now`].
    pub fn read_to_end(&self, at: u64) {
        let relayed = &self.log.relayed;
        relayed.read_to_end.fetch_max(at, Ordering::AcqRel);
        if 0 < relayed.waiting.load(Ordering::Acquire) {
            self.hub.note_move(&self.log);
            self.wake();
        }
    }

    /// Ends the recording that this host is played from. Viewers that read no other host get `end`.
    pub fn end(&self) {
        self.log.relayed.ended.store(true, Ordering::Release);
        self.hub.note_move(&self.log);
        self.wake();
    }

    /// Takes back [`HostPublisher::end`]: messages follow after all.
    pub fn continues(&self) {
        self.log.relayed.ended.store(false, Ordering::Release);
    }
}

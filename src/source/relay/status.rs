//! How relaying goes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::locks::lock;
use crate::protocol::shown;
use crate::redis::RedisFault;

/// How many reasons for skipping entries are logged; all are counted.
const SKIPS_LOGGED: u64 = 10;

/// What is known about a relay, for people and for monitoring.
#[derive(Debug, Default)]
pub struct RelayStatus {
    relayed: AtomicU64,
    skipped: AtomicU64,
    hosts: AtomicU64,
    /// How many hosts that were there at the start are not loaded yet.
    loading: AtomicUsize,
    is_ready: watch::Sender<bool>,
    /// How often the registry was about to be read: the thread of all readers runs.
    turns: AtomicU64,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    /// Why a reader cannot read, by lane; the registry's comes last.
    by_lane: BTreeMap<usize, String>,
    is_told: bool,
    shortened: Option<Duration>,
    still: Option<usize>,
}

/// Whether Redis can be read, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayState {
    /// Why it cannot be read.
    pub fault: Option<String>,
    /// How many hosts ought to give signs of life, if none of them does.
    pub still: Option<usize>,
    /// Hosts found.
    pub hosts: u64,
    /// Messages relayed.
    pub relayed: u64,
    /// Entries that were no messages.
    pub skipped: u64,
    /// For how long messages are kept, if that is less than asked for.
    pub shortened: Option<Duration>,
}

impl RelayStatus {
    /// The state.
    #[must_use]
    pub fn state(&self) -> RelayState {
        let faults = lock(&self.faults);
        RelayState {
            fault: faults.by_lane.values().next().cloned(),
            hosts: self.hosts.load(Ordering::Relaxed),
            relayed: self.relayed.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            shortened: faults.shortened,
            still: faults.still,
        }
    }

    /// Waits until everything is loaded that was in Redis at the start, or Redis turns out to be unreachable.
    pub async fn ready(&self) {
        let mut ready = self.is_ready.subscribe();
        // It fails only when `self` is gone.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Notes for how long messages are kept if memory doesn't allow what was asked for; `None` if it does.
    pub fn keeps(&self, shortened: Option<Duration>) {
        lock(&self.faults).shortened = shortened;
    }

    /// Counts what the readers do at least every half minute, whether Redis answers or not.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// The registry is about to be read.
    pub(super) fn turned(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that none of this many hosts gives signs of life; `None` if one does.
    pub(super) fn stands_still(&self, hosts: Option<usize>) {
        lock(&self.faults).still = hosts;
    }

    /// Notes how many hosts are there at the start.
    pub(super) fn expects(&self, hosts: usize) {
        self.loading.store(hosts, Ordering::Release);
        if hosts == 0 {
            self.is_ready.send_replace(true);
        }
    }

    /// One of them is loaded, or cannot be.
    pub(super) fn loaded(&self) {
        let before = self
            .loading
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |it| it.checked_sub(1));
        if before == Ok(1) {
            self.is_ready.send_replace(true);
        }
    }

    pub(super) fn found_host(&self) {
        self.hosts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn forgot_host(&self) {
        self.hosts.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn relayed(&self, messages: u64) {
        self.relayed.fetch_add(messages, Ordering::Relaxed);
    }

    /// Notes that `what`, in Redis, is not what it should be.
    pub(super) fn skip(&self, what: &str, reason: &str) {
        let skipped = self.skipped.fetch_add(1, Ordering::Relaxed) + 1;
        let what = shown(what);
        if skipped <= SKIPS_LOGGED {
            tracing::warn!("skipped in Redis: {what}: {reason}");
        }
        if skipped == SKIPS_LOGGED {
            tracing::warn!("what else is skipped in Redis is only counted");
        }
    }

    /// A lane cannot be read.
    pub(super) fn lost(&self, lane: usize, fault: &RedisFault) {
        let mut faults = lock(&self.faults);
        faults.by_lane.insert(lane, fault.to_string());
        if !std::mem::replace(&mut faults.is_told, true) {
            tracing::warn!("cannot read {fault}; trying again");
        }
        self.is_ready.send_replace(true);
    }

    /// A lane can be read.
    pub(super) fn found(&self, lane: usize) {
        let mut faults = lock(&self.faults);
        faults.by_lane.remove(&lane);
        if faults.by_lane.is_empty() && std::mem::replace(&mut faults.is_told, false) {
            tracing::warn!("reading Redis again");
        }
    }
}

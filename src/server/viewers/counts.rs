//! Counts of viewers, now and so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::tally::Tally;

/// Counts of viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connected now.
    pub connected: u64,
    /// The most that were connected at once.
    pub most: u64,
    /// Disconnected after they got `end` and completed the close.
    pub finished: u64,
}

/// The shared count of viewers. Cloning it shares it.
#[derive(Debug, Clone, Default)]
pub struct Viewers {
    accepted: Arc<AtomicU64>,
    tally: Arc<Tally>,
    counts: Arc<watch::Sender<Counts>>,
}

impl Viewers {
    /// TCP connections accepted since the start.
    #[must_use]
    pub fn accepted_connections(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The counts now.
    #[must_use]
    pub fn now(&self) -> Counts {
        *self.counts.borrow()
    }

    /// The counters of the server's work.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(in crate::server) fn shared_tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// The counts as they change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    pub(in crate::server) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A seat for one more viewer, if fewer than `max` are taken.
    pub(in crate::server) fn enter(&self, max: u64) -> Option<Seat> {
        let entered = self.counts.send_if_modified(|counts| {
            let free = counts.connected < max;
            counts.connected += u64::from(free);
            counts.most = counts.most.max(counts.connected);
            free
        });
        entered.then(|| Seat {
            viewers: self.clone(),
            finished: false,
        })
    }
}

/// A connected viewer.
#[derive(Debug)]
pub(in crate::server) struct Seat {
    viewers: Viewers,
    finished: bool,
}

impl Seat {
    /// The counters of the server's work.
    pub(in crate::server) fn tally(&self) -> &Tally {
        &self.viewers.tally
    }

    /// The viewer got `end` and has completed the close.
    pub(in crate::server) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.viewers.counts.send_modify(|counts| {
            counts.connected -= 1;
            counts.finished += u64::from(self.finished);
        });
    }
}

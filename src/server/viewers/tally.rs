//! What the server has done since its start.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::locks::lock;

/// Counters of one server. All only increase, except the timing of the newest sample.
#[derive(Debug, Default)]
pub struct Tally {
    pub(in crate::server) messages: AtomicU64,
    pub(in crate::server) bytes: AtomicU64,
    pub(in crate::server) resumed: AtomicU64,
    pub(in crate::server) not_resumed: AtomicU64,
    pub(in crate::server) gaps: AtomicU64,
    pub(in crate::server) slow_closes: AtomicU64,
    refusals: Mutex<BTreeMap<u16, u64>>,
    /// How long it took to take the newest sample, in microseconds.
    pub(in crate::server) sample_us: AtomicU64,
    /// The delay of the newest sample, in microseconds.
    pub(in crate::server) late_us: AtomicU64,
}

/// Adds to a counter.
pub(in crate::server) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Tally {
    /// Notes that a sample took `duration`, and began `late` after it was due.
    pub fn sampled(&self, duration: Duration, late: Duration) {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sample_us.store(us(duration), Ordering::Relaxed);
        self.late_us.store(us(late), Ordering::Relaxed);
    }

    pub(in crate::server) fn refused(&self, status: u16) {
        let mut refusals = lock(&self.refusals);
        *refusals.entry(status).or_default() += 1;
    }

    /// Requests refused, by HTTP status.
    pub(in crate::server) fn refusals(&self) -> BTreeMap<u16, u64> {
        lock(&self.refusals).clone()
    }
}

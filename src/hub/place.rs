//! Where a viewer stands that reads a single host and has everything of it. Viewers at equal places get the same next,
//! so one of them can read for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::StreamId;

use super::{Announcement, HostLog};

/// The place of a viewer that reads a single host and has everything of it.
#[derive(Debug)]
pub struct SharedPlace {
    pub(super) log: Arc<HostLog>,
    pub(super) next: u64,
    pub(super) last: Option<(StreamId, u64)>,
    pub(super) announced: Option<Arc<Announcement>>,
    pub(super) heartbeats: u64,
    /// How often the log had moved.
    pub(super) moves: u64,
    /// How many hosts there were.
    pub(super) host_count: usize,
}

impl PartialEq for SharedPlace {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |it: &Self| (it.next, it.last, it.heartbeats, it.moves, it.host_count);
        Arc::ptr_eq(&self.log, &other.log)
            && numbers(self) == numbers(other)
            && self.has_hello_of(other)
    }
}

impl SharedPlace {
    /// Whether no host has appeared between the two. Viewers at equal places may not all want a new host.
    #[must_use]
    pub fn has_hosts_of(&self, other: &Self) -> bool {
        self.host_count == other.host_count
    }

    /// Whether viewers there have had the same hello. Nearly always, both are the same one in memory.
    fn has_hello_of(&self, other: &Self) -> bool {
        match (&self.announced, &other.announced) {
            (Some(one), Some(another)) => Arc::ptr_eq(one, another) || one == another,
            (one, another) => one.is_none() && another.is_none(),
        }
    }
}

/// How far a viewer has read, for a source that waits for its viewers.
#[derive(Debug, Clone)]
pub struct ReadMark(pub(super) Arc<AtomicU64>);

impl ReadMark {
    /// The number of the entry that its viewer reads next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes that the viewer has reached `place`. [`Hub::tell_sources`](super::Hub::tell_sources) has to follow.
    pub fn set(&self, place: &SharedPlace) {
        self.0.store(place.next, Ordering::Relaxed);
    }
}

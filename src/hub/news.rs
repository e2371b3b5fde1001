//! The news of a host: the message with which its log has moved. A viewer that has everything before it goes on without
//! reading the log, unless more has moved since.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::protocol::{Frame, StreamId};

use super::SharedPlace;
use super::ring::{Announcement, Ring};

/// The newest message of a log.
#[derive(Debug)]
pub(super) struct Newest {
    frame: Frame,
    announcement: Arc<Announcement>,
    stream: StreamId,
    seq: u64,
    /// Its index in the log.
    index: u64,
}

impl Newest {
    /// That of `ring`, if it has any.
    pub(super) fn of(ring: &Ring) -> Option<Self> {
        let index = ring.head().checked_sub(1)?;
        let entry = ring.entry(index)?;
        Some(Self {
            frame: (*entry.frame).clone(),
            announcement: Arc::clone(&entry.announcement),
            stream: entry.stream,
            seq: entry.seq,
            index,
        })
    }
}

/// The message with which a host moved first, since a server last took what has moved. It is all that is new as long as
/// the host's log has moved no more than `moves` says.
#[derive(Debug)]
pub struct HostNews {
    pub(super) newest: Newest,
    /// The number of the host.
    pub(super) host: usize,
    /// How often the log has moved, with this.
    pub(super) moves: u64,
}

impl HostNews {
    /// The message.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.newest.frame
    }
}

impl SharedPlace {
    /// Whether `news` is all that a viewer in this place lacks of its host. There must be no new host that it may want, and
    /// the hub must not have ended: then [`Hub::take_moved`](super::Hub::take_moved) says that anybody may lack something.
    #[must_use]
    pub fn lacks_only(&self, news: &HostNews) -> bool {
        let (newest, log) = (&news.newest, &self.log);
        let is_of_host = log.number.load(Ordering::Acquire) == news.host;
        let is_all =
            self.moves + 1 == news.moves && log.moves.load(Ordering::Acquire) == news.moves;
        is_of_host && is_all && self.next == newest.index && self.is_continued_by(newest)
    }

    /// Whether a viewer gets neither a gap nor a hello before that.
    fn is_continued_by(&self, newest: &Newest) -> bool {
        let is_next = |(stream, seq): (StreamId, u64)| {
            stream == newest.stream && seq.checked_add(1) == Some(newest.seq)
        };
        let is_same = |announced| Arc::ptr_eq(announced, &newest.announcement);
        self.last.is_some_and(is_next) && self.announced.as_ref().is_some_and(is_same)
    }

    /// Moves on past `news`, which was all that was lacking.
    pub fn take(&mut self, news: &HostNews) {
        let newest = &news.newest;
        debug_assert!(self.next == newest.index && self.moves + 1 == news.moves);
        self.next = newest.index + 1;
        self.last = Some((newest.stream, newest.seq));
        self.moves = news.moves;
    }
}

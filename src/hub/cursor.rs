//! One viewer's place in one host's log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::{Body, Frame, Gap, GapReason, HostName, Message, Query, StreamId};

use super::ring::{Announcement, Entry, Ring};
use super::{Log, lock};

#[derive(Debug)]
pub(super) struct Cursor {
    log: Arc<Log>,
    /// The index of the next entry to read; shared with the ring, whose source may wait for it.
    next: Arc<AtomicU64>,
    /// The last message that the viewer has.
    last: Option<(StreamId, u64)>,
    announced: Option<Arc<Announcement>>,
    heartbeats: u64,
    ended: bool,
    lossless: bool,
    /// Whether it has read at all: before that, nobody was slow.
    has_read: bool,
    overruns: u32,
    gaps: u32,
}

impl Cursor {
    /// A cursor where `query` says. `since=` counts from `now`, in milliseconds of the monotonic clock.
    pub(super) fn new(log: Arc<Log>, query: &Query, now: u64, lossless: bool) -> Self {
        let mut ring = lock(&log.ring);
        let resumed = query
            .after
            .iter()
            .rfind(|position| position.host == log.host);
        let next = match (resumed, query.last, query.since) {
            (Some(position), ..) => ring.behind(position.stream, position.seq),
            (None, Some(count), _) => ring.last_samples(count),
            (None, None, Some(back)) => {
                ring.since(u64::try_from(back.as_millis()).unwrap_or(u64::MAX), now)
            }
            (None, None, None) => ring.last_samples(1),
        };
        let next = Arc::new(AtomicU64::new(next));
        if lossless {
            ring.register(&next);
        }
        let heartbeats = ring.heartbeat_count();
        drop(ring);
        let last = resumed.map(|position| (position.stream, position.seq));
        Self {
            log,
            next,
            last,
            announced: None,
            heartbeats,
            ended: false,
            lossless,
            has_read: false,
            overruns: 0,
            gaps: 0,
        }
    }

    pub(super) fn host(&self) -> &HostName {
        &self.log.host
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// How many losses this viewer has been told.
    pub(super) fn gaps(&self) -> u32 {
        self.gaps
    }

    /// How many times the ring has moved on before this viewer read what it held.
    pub(super) fn overruns(&self) -> u32 {
        self.overruns
    }

    /// Says hello, if that has not been said.
    pub(super) fn greet(&mut self, frames: &mut Vec<Frame>) {
        if self.announced.is_none() {
            let log = Arc::clone(&self.log);
            let ring = lock(&log.ring);
            let next = self.next.load(Ordering::Relaxed).max(ring.start());
            self.announce(&ring, next, frames);
        }
    }

    /// Appends what the viewer lacks to `frames`, up to about `budget` bytes, which it lowers. Whether more is there.
    pub(super) fn read(&mut self, frames: &mut Vec<Frame>, budget: &mut usize, over: bool) -> bool {
        let log = Arc::clone(&self.log);
        let ring = lock(&log.ring);
        let next = self.next.load(Ordering::Relaxed);
        self.overruns += u32::from(next < ring.start() && self.has_read);
        self.has_read = true;
        let mut next = next.max(ring.start());
        while let Some(entry) = ring.entry(next) {
            if *budget == 0 {
                break;
            }
            next += 1;
            if self.has(&ring, entry) {
                continue;
            }
            self.announce(&ring, next - 1, frames);
            self.tell_gap(entry, frames);
            self.last = Some((entry.stream(), entry.seq));
            *budget = budget.saturating_sub(entry.frame.size());
            frames.push(entry.frame.clone());
        }
        self.next.store(next, Ordering::Relaxed);
        let at_head = next == ring.head();
        if at_head {
            // Metrics that appeared without a message yet, or a heartbeat.
            self.announce(&ring, next, frames);
            self.beat(&ring, frames);
            if over && !self.ended {
                self.ended = true;
                frames.push(self.frame(Body::End));
            }
        }
        drop(ring);
        if self.lossless {
            log.room.notify_waiters();
        }
        !at_head
    }

    /// Whether the viewer already had `entry`: it may have come from another server with the same streams.
    fn has(&self, ring: &Ring, entry: &Entry) -> bool {
        match self.last {
            None => false,
            Some((stream, seq)) if stream == entry.stream() => entry.seq <= seq,
            Some((stream, seq)) => ring
                .place(stream, seq)
                .is_some_and(|last| ring.place(entry.stream(), entry.seq) <= Some(last)),
        }
    }

    fn announce(&mut self, ring: &Ring, index: u64, frames: &mut Vec<Frame>) {
        if let Some(announcement) = ring.announcement_at(index)
            && self
                .announced
                .as_ref()
                .is_none_or(|announced| !Arc::ptr_eq(announced, announcement))
        {
            self.announced = Some(Arc::clone(announcement));
            frames.push(self.frame(Body::Hello(Box::new(ring.hello(announcement)))));
        }
    }

    fn tell_gap(&mut self, entry: &Entry, frames: &mut Vec<Frame>) {
        let Some((stream, seq)) = self.last else {
            return;
        };
        let gap = if stream != entry.stream() {
            Gap {
                from: None,
                to: None,
                reason: GapReason::Restarted,
            }
        } else if seq + 1 != entry.seq {
            Gap {
                from: Some(seq + 1),
                to: Some(entry.seq - 1),
                reason: GapReason::Expired,
            }
        } else {
            return;
        };
        self.gaps += 1;
        frames.push(self.frame(Body::Gap(gap)));
    }

    fn beat(&mut self, ring: &Ring, frames: &mut Vec<Frame>) {
        if let Some(heartbeat) = ring.heartbeat()
            && heartbeat.count != self.heartbeats
        {
            self.heartbeats = heartbeat.count;
            // A viewer that has read on since then has had news enough.
            if self.last.is_none_or(|(_, seq)| seq <= heartbeat.seq) {
                frames.push(heartbeat.frame.clone());
            }
        }
    }

    fn frame(&self, body: Body) -> Frame {
        Message {
            host: Some(self.log.host.clone()),
            body,
        }
        .frame(None)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if self.lossless {
            lock(&self.log.ring).unregister(&self.next);
            self.log.room.notify_waiters();
        }
    }
}

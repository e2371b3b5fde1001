//! One viewer's place in one host's log.

mod account;
mod older;
mod placing;
mod telling;
mod undecided;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::locks::lock;
use crate::millis::in_millis;
use crate::protocol::{Body, Frame, Message, Query, StreamId};

use super::past::PastFrom;
use super::ring::{Announcement, Ring};
use super::standing::CursorStanding;
use super::{HostLog, Hub};
use older::ReadFrom;

#[derive(Debug)]
pub(super) struct Cursor {
    log: Arc<HostLog>,
    /// The index of the next entry to read; shared with the ring, because its source may wait for it.
    next: Arc<AtomicU64>,
    /// The last message that the viewer has.
    last: Option<(StreamId, u64)>,
    announced: Option<Arc<Announcement>>,
    heartbeats: u64,
    /// How often the log had moved when this had read all of it; `None` while there is more.
    up_to: Option<u64>,
    ended: bool,
    lossless: bool,
    /// Whether its viewer gets messages deflated.
    deflated: bool,
    /// Whether it has read at all: before that, it cannot have been slow.
    has_read: bool,
    overruns: u32,
    gaps: u32,
    from: ReadFrom,
    /// The time at which a relay could not yet tell whether it would find the viewer's stream; `None` once it can.
    undecided: Option<u64>,
    /// The viewer's last message when it last turned to the past. Asking again for the same would find nothing.
    asked: Option<(StreamId, u64)>,
}

impl Cursor {
    /// A cursor where `query` says; in the past, if the ring doesn't reach back that far. `since=` counts from `now`,
    /// in milliseconds of the monotonic clock.
    pub(super) fn new(hub: &Hub, log: Arc<HostLog>, query: &Query, now: u64) -> Self {
        let mut cursor = Self::in_ring(hub, log, query, now);
        if let Some(step) = query.step {
            cursor.begin_in_steps(hub, query, in_millis(step).max(1), now);
        } else if hub.shared.past.is_some() {
            let log = Arc::clone(&cursor.log);
            let ring = lock(&log.ring);
            let from = match (cursor.last, query.last, query.since) {
                (Some((stream, seq)), ..) => {
                    (!ring.continues(stream, seq)).then_some(PastFrom::After(stream, seq))
                }
                (None, None, Some(back)) => {
                    ring.before_since(in_millis(back), now).map(PastFrom::Since)
                }
                (None, count, _) => ring.before_last(count.unwrap_or(1)).map(PastFrom::Last),
            };
            if let Some(from) = from {
                let before = cursor.leave_ring(&ring);
                drop(ring);
                cursor.turn_to_past(hub, from, before);
            }
        }
        cursor
    }

    /// A cursor where `query` says, as far as the ring reaches back.
    pub(super) fn in_ring(hub: &Hub, log: Arc<HostLog>, query: &Query, now: u64) -> Self {
        let lossless = hub.shared.retention.lossless;
        let mut ring = lock(&log.ring);
        let resumed = query.after.iter().rfind(|it| it.host == log.host);
        let next = match (resumed, query.last, query.since) {
            (Some(position), ..) => ring.behind(position.stream, position.seq),
            (None, Some(count), _) => ring.last_samples(count),
            (None, None, Some(back)) => ring.since(in_millis(back), now),
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
            up_to: None,
            ended: false,
            lossless,
            deflated: query.deflated,
            has_read: false,
            overruns: 0,
            gaps: 0,
            from: ReadFrom::Ring,
            undecided: None,
            asked: None,
        }
        .judged(now)
    }

    /// Appends a hello, if the viewer hasn't had one. A viewer that starts in the past gets it with its first message.
    pub(super) fn greet(&mut self, frames: &mut Vec<Frame>) {
        if self.announced.is_none() && !self.is_in_past() && !self.waits_for_past() {
            let log = Arc::clone(&self.log);
            let ring = lock(&log.ring);
            if self.is_undecided(&ring) {
                return;
            }
            let next = self.next.load(Ordering::Relaxed).max(ring.start());
            self.announce(&ring, next, frames);
        }
    }

    /// Appends what the viewer lacks to `frames`, up to about `budget` bytes, and lowers `budget` accordingly.
    pub(super) fn read(
        &mut self,
        hub: &Hub,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
        over: bool,
    ) -> CursorStanding {
        let moves = self.log.moves.load(Ordering::Acquire);
        if self.up_to == Some(moves) && over == self.ended {
            return CursorStanding::Head;
        }
        let standing = self.read_on(hub, frames, budget, over);
        self.up_to = (standing == CursorStanding::Head).then_some(moves);
        standing
    }

    fn read_on(
        &mut self,
        hub: &Hub,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
        over: bool,
    ) -> CursorStanding {
        self.turn_to_steps(hub);
        if matches!(self.from, ReadFrom::StepsLater(_)) {
            return CursorStanding::Waiting;
        }
        let log = Arc::clone(&self.log);
        let ring = lock(&log.ring);
        if self.is_undecided(&ring) {
            return CursorStanding::Waiting;
        }
        if let Some(standing) = self.read_ahead(&ring, frames, budget) {
            return standing;
        }
        if let Some(from) = self.past_from(hub, &ring) {
            let before = self.leave_ring(&ring);
            drop(ring);
            self.turn_to_past(hub, from, before);
            return match self.from {
                ReadFrom::Ring => CursorStanding::More,
                _ => CursorStanding::Waiting,
            };
        }
        let standing = self.read_ring(&ring, frames, budget, over);
        drop(ring);
        if self.lossless {
            log.room.notify_waiters();
        }
        standing
    }

    fn read_ring(
        &mut self,
        ring: &Ring,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
        over: bool,
    ) -> CursorStanding {
        let next = self.next.load(Ordering::Relaxed);
        self.overruns += u32::from(next < ring.start() && self.has_read);
        self.has_read = true;
        let mut next = next.max(ring.start());
        while let Some(entry) = ring.entry(next) {
            if *budget == 0 {
                break;
            }
            next += 1;
            let (stream, seq) = (entry.stream, entry.seq);
            if self.has(ring, stream, seq) {
                continue;
            }
            self.announce(ring, next - 1, frames);
            let frame = ring.frame(entry, next - 1, self.deflated);
            self.send(stream, seq, frame, frames, budget);
        }
        self.next.store(next, Ordering::Relaxed);
        if next != ring.head() {
            return CursorStanding::More;
        }
        // Metrics that have appeared before a message with them, or a heartbeat.
        self.announce(ring, next, frames);
        self.beat(ring, frames);
        if over && !self.ended {
            frames.push(self.frame(Body::End));
        }
        self.ended = over;
        CursorStanding::Head
    }

    /// Sends a message, and what is missing before it.
    fn send(
        &mut self,
        stream: StreamId,
        seq: u64,
        frame: Frame,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
    ) {
        self.tell_gap(stream, seq, frames);
        self.last = Some((stream, seq));
        *budget = budget.saturating_sub(frame.size());
        frames.push(frame);
    }

    /// Whether the viewer already has a message: it may have got it from another server with the same streams, or from
    /// the past.
    fn has(&self, ring: &Ring, stream: StreamId, seq: u64) -> bool {
        match self.last {
            None => false,
            Some((last_stream, last)) if last_stream == stream => seq <= last,
            Some((last_stream, last)) => ring
                .place(last_stream, last)
                .is_some_and(|last| ring.place(stream, seq) <= Some(last)),
        }
    }

    fn is_announced(&self, announcement: &Arc<Announcement>) -> bool {
        self.announced
            .as_ref()
            .is_some_and(|said| Arc::ptr_eq(said, announcement) || said == announcement)
    }

    fn announce(&mut self, ring: &Ring, index: u64, frames: &mut Vec<Frame>) {
        if let Some(announcement) = ring.announcement_at(index)
            && !self.is_announced(announcement)
        {
            self.announced = Some(Arc::clone(announcement));
            frames.push(ring.hello_frame(&self.log.host, announcement, self.held(ring)));
        }
    }

    /// How far back the viewer can look.
    fn held(&self, ring: &Ring) -> Option<u64> {
        let past = self.log.past.as_ref();
        let past = past.and_then(|past| past.oldest(&self.log.host));
        past.into_iter().chain(ring.oldest_time()).min()
    }

    fn frame(&self, body: Body) -> Frame {
        Message {
            host: Some(self.log.host.clone()),
            body,
        }
        .frame()
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.decide();
        if self.lossless {
            lock(&self.log.ring).unregister(&self.next);
            self.log.room.notify_waiters();
        }
    }
}

//! A cursor that reads what is older than its ring.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::locks::lock;
use crate::protocol::{Body, Frame, Query, StreamId};

use super::{Cursor, Hub};
use crate::hub::ahead::{NextAhead, PastPermit, ReadAhead};
use crate::hub::past::{PastEntry, PastFrom, PastRequest, read_past};
use crate::hub::ring::{Announcement, Ring};
use crate::hub::standing::CursorStanding;
use crate::hub::steps::{StepEntry, StepRequest, read_in_steps};
use crate::millis::in_millis;

/// Where a cursor reads. Nearly all read the ring, and need no memory for anything else.
#[derive(Debug, Default)]
pub(super) enum ReadFrom {
    #[default]
    Ring,
    /// What is older than the ring.
    Past(Box<ReadAhead<PastEntry>>),
    /// The past from there, as soon as fewer viewers read it.
    PastLater(Box<PastFrom>),
    /// What comes before the newest sample, in steps.
    Steps(Box<ReadAhead<StepEntry>>),
    /// That, as soon as fewer viewers read the past.
    StepsLater(Box<StepRequest>),
}

impl Cursor {
    /// Begins with the bucket in which the place lies that `query` names.
    pub(super) fn begin_in_steps(&mut self, hub: &Hub, query: &Query, step: u64, now: u64) {
        let floor = |time: u64| PastFrom::Since(time - time % step);
        let log = Arc::clone(&self.log);
        let ring = lock(&log.ring);
        let older = match (query.last, query.since) {
            (None, Some(back)) => ring.before_since(in_millis(back), now).map(floor),
            (count, _) => ring.before_last(count.unwrap_or(1)).map(PastFrom::Last),
        };
        let next = ring.bucket_start(self.next.load(Ordering::Relaxed), step);
        // The bucket of the oldest message in the ring may begin before it.
        let begins_earlier = || ring.oldest_time().filter(|_| next == ring.start());
        let from = older.or_else(|| begins_earlier().map(floor));
        let from = from.filter(|_| hub.shared.past.is_some());
        let next = if from.is_some() { ring.start() } else { next };
        drop(ring);
        self.next.store(next, Ordering::Relaxed);
        let next = Arc::clone(&self.next);
        let request = StepRequest {
            log,
            next,
            from,
            step,
        };
        self.from = ReadFrom::StepsLater(Box::new(request));
        self.turn_to_steps(hub);
    }

    /// Starts reading in steps, on a thread, if it waits for that.
    pub(super) fn turn_to_steps(&mut self, hub: &Hub) {
        self.from = match std::mem::take(&mut self.from) {
            ReadFrom::StepsLater(request) => match PastPermit::take(hub) {
                Some(permit) => read_in_steps(hub, permit, *request)
                    .map_or(ReadFrom::Ring, |steps| ReadFrom::Steps(Box::new(steps))),
                None => ReadFrom::StepsLater(request),
            },
            other => other,
        };
    }

    /// Whether it waits to read the past.
    pub(in crate::hub) fn waits_for_past(&self) -> bool {
        matches!(self.from, ReadFrom::PastLater(_) | ReadFrom::StepsLater(_))
    }

    /// Whether it reads the past.
    pub(in crate::hub) fn is_in_past(&self) -> bool {
        matches!(self.from, ReadFrom::Past(_) | ReadFrom::Steps(_))
    }

    /// Where the past has to be read from, because it waits for that or the ring has moved on.
    pub(super) fn past_from(&self, hub: &Hub, ring: &Ring) -> Option<PastFrom> {
        match &self.from {
            ReadFrom::PastLater(from) => Some(**from),
            _ => self.fell_behind(hub, ring),
        }
    }

    fn fell_behind(&self, hub: &Hub, ring: &Ring) -> Option<PastFrom> {
        let is_behind = self.next.load(Ordering::Relaxed) < ring.start();
        let (stream, seq) = self.last.filter(|_| hub.shared.past.is_some())?;
        (is_behind && self.asked != self.last).then_some(PastFrom::After(stream, seq))
    }

    /// Continues in the past or in steps. `None` once the ring takes over.
    pub(super) fn read_ahead(
        &mut self,
        ring: &Ring,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
    ) -> Option<CursorStanding> {
        let mut from = std::mem::take(&mut self.from);
        let standing = match &mut from {
            ReadFrom::Past(reading) => self.read_past(reading, ring, frames, budget),
            ReadFrom::Steps(steps) => self.read_steps(steps, ring, frames, budget),
            _ => {
                self.from = from;
                return None;
            }
        };
        if standing.is_some() {
            self.from = from;
        }
        standing
    }

    fn read_steps(
        &mut self,
        steps: &mut ReadAhead<StepEntry>,
        ring: &Ring,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
    ) -> Option<CursorStanding> {
        loop {
            if *budget == 0 {
                return Some(CursorStanding::More);
            }
            match steps.next() {
                NextAhead::NotYet => return Some(CursorStanding::Waiting),
                NextAhead::Over => return None,
                NextAhead::Entry(entry) => self.send_step(ring, entry, frames, budget),
            }
        }
    }

    fn send_step(
        &mut self,
        ring: &Ring,
        entry: StepEntry,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
    ) {
        self.last = Some(entry.last());
        if let Some(frame) = entry.frame {
            self.announce_past(ring, &entry.announcement, entry.seq, frames);
            self.gaps += u32::from(entry.is_gap);
            *budget = budget.saturating_sub(frame.size());
            frames.push(frame);
        }
    }

    fn read_past(
        &mut self,
        reading: &mut ReadAhead<PastEntry>,
        ring: &Ring,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
    ) -> Option<CursorStanding> {
        loop {
            if *budget == 0 {
                return Some(CursorStanding::More);
            }
            match reading.next() {
                NextAhead::NotYet => return Some(CursorStanding::Waiting),
                NextAhead::Over => return None,
                NextAhead::Entry(entry) if ring.reaches(entry.stream(), entry.seq) => {
                    // The ring has this one and all that follow.
                    self.next.store(ring.start(), Ordering::Relaxed);
                    return None;
                }
                NextAhead::Entry(entry) => self.send_past(ring, entry, frames, budget),
            }
        }
    }

    fn send_past(
        &mut self,
        ring: &Ring,
        entry: PastEntry,
        frames: &mut Vec<Frame>,
        budget: &mut usize,
    ) {
        let (stream, seq) = (entry.stream(), entry.seq);
        if self.has(ring, stream, seq) {
            return;
        }
        self.announce_past(ring, &entry.announcement, seq, frames);
        self.send(stream, seq, entry.frame, frames, budget);
    }

    /// Announces a message of the past.
    fn announce_past(
        &mut self,
        ring: &Ring,
        announcement: &Arc<Announcement>,
        seq: u64,
        frames: &mut Vec<Frame>,
    ) {
        if self.is_announced(announcement) {
            return;
        }
        let mut hello = ring.hello(announcement);
        hello.held = self.held(ring);
        hello.oldest = match hello.oldest {
            0 => seq,
            oldest => oldest.min(seq),
        };
        hello.newest = hello.newest.max(seq);
        self.announced = Some(Arc::clone(announcement));
        frames.push(self.frame(Body::Hello(Box::new(hello))));
    }

    /// It will return where the ring begins now, which is where reading the past ends. If the ring has moved on by
    /// then, more of the past lies between.
    pub(super) fn leave_ring(&self, ring: &Ring) -> Option<(StreamId, u64)> {
        self.next.store(ring.start(), Ordering::Relaxed);
        ring.oldest()
    }

    /// Starts reading the past, on a thread.
    pub(super) fn turn_to_past(
        &mut self,
        hub: &Hub,
        from: PastFrom,
        before: Option<(StreamId, u64)>,
    ) {
        self.asked = self.last;
        let wanted = PastRequest {
            host: self.log.host.clone(),
            from,
            before,
        };
        self.from = ReadFrom::Ring;
        let Some(past) = &hub.shared.past else { return };
        self.from = match PastPermit::take(hub) {
            Some(permit) => read_past(hub, permit, past, wanted, self.deflated)
                .map_or(ReadFrom::Ring, |reading| ReadFrom::Past(Box::new(reading))),
            None => ReadFrom::PastLater(Box::new(from)),
        };
    }
}

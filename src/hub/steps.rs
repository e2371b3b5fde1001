//! The past in steps: a thread reads for a viewer what is older than the newest sample, in the [`Past`] and in the
//! ring, and sums up the samples in each bucket of time.
//!
//! Every sample is either part of a summary or sent as it is, never both: the live part begins with the newest one. An
//! alert or a gap within a bucket comes before its summary.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::locks::lock;
use crate::protocol::{Aggregate, Body, Frame, Gap, HostName, Message, Sample, StreamId, Unplaced};
use crate::wording::cause;

use super::ahead::{Batches, PastPermit, ReadAhead};
use super::past::{Past, PastFrom, PastPart, PastRequest};
use super::ring::{Announcement, RingEntry};
use super::{HostLog, Hub};

/// How many bytes of the ring are copied while it is locked.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a viewer wants in steps.
#[derive(Debug)]
pub(super) struct StepRequest {
    pub(super) log: Arc<HostLog>,
    /// The viewer's place in the ring, which the thread moves.
    pub(super) next: Arc<AtomicU64>,
    /// Where in the past it begins, if the ring doesn't reach back that far.
    pub(super) from: Option<PastFrom>,
    /// The length of a bucket in milliseconds, at least 1.
    pub(super) step: u64,
}

/// Something to send, and how far it reaches.
#[derive(Debug)]
pub(super) struct StepEntry {
    pub(super) announcement: Arc<Announcement>,
    /// Nothing at the end: then only the last message counts.
    pub(super) frame: Option<Frame>,
    pub(super) is_gap: bool,
    /// The number of the last message that was read, in the announced stream.
    pub(super) seq: u64,
}

impl StepEntry {
    pub(super) fn last(&self) -> (StreamId, u64) {
        (self.announcement.stream, self.seq)
    }
}

/// Starts reading; `None` if that is impossible.
pub(super) fn read_in_steps(
    hub: &Hub,
    permit: PastPermit,
    request: StepRequest,
) -> Option<ReadAhead<StepEntry>> {
    let past = hub.shared.past.clone();
    ReadAhead::begin(hub, permit, move |batches| {
        let mut summing = Summing {
            host: request.log.host.clone(),
            step: request.step,
            batches,
            bucket: None,
            last: None,
        };
        let reading = StepReading {
            log: &request.log,
            next: &request.next,
            past: past.as_deref(),
        };
        reading.run(request.from, &mut summing);
        summing.end();
    })
}

/// Where messages are read.
struct StepReading<'a> {
    log: &'a HostLog,
    next: &'a AtomicU64,
    past: Option<&'a dyn Past>,
}

impl StepReading<'_> {
    fn run(&self, from: Option<PastFrom>, summing: &mut Summing<'_>) {
        if let Some(from) = from {
            self.read_past(from, summing);
        }
        let mut live = None;
        while summing.batches.is_wanted() {
            let ring = lock(&self.log.ring);
            let next = self.next.load(Ordering::Relaxed);
            // What is live begins with the sample that is the newest one now.
            let live = *live.get_or_insert_with(|| ring.last_samples(1));
            let is_behind = next < ring.start();
            let entries = ring.copy(next, live, CHUNK_BYTES);
            drop(ring);
            if live <= next {
                return;
            }
            if let Some((stream, seq)) = summing.last().filter(|_| is_behind && self.past.is_some())
            {
                self.read_past(PastFrom::After(stream, seq), summing);
                continue;
            }
            entries
                .iter()
                .for_each(|(_, entry)| summing.take_entry(entry));
            self.advance(entries.last().map_or(live, |(index, _)| index + 1));
        }
    }

    /// Reads the past up to where the ring begins. What cannot be read is reported and left out.
    fn read_past(&self, from: PastFrom, summing: &mut Summing<'_>) {
        if let Some(past) = self.past
            && let Err(error) = self.try_read_past(past, from, summing)
        {
            tracing::warn!(host = %self.log.host, error = %cause(&error), "cannot read the past");
        }
        let start = lock(&self.log.ring).start();
        self.advance(start);
    }

    fn try_read_past(
        &self,
        past: &dyn Past,
        from: PastFrom,
        summing: &mut Summing<'_>,
    ) -> io::Result<()> {
        let wanted = PastRequest {
            host: self.log.host.clone(),
            from,
            before: lock(&self.log.ring).oldest(),
        };
        for part in past.read_in_steps(&wanted, summing.step)? {
            let part = part?;
            let is_in_ring = |(stream, first)| lock(&self.log.ring).reaches(stream, first);
            if part.begin().is_some_and(is_in_ring) || !summing.batches.is_wanted() {
                break;
            }
            summing.take(part);
        }
        Ok(())
    }

    fn advance(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
        self.log.room.notify_waiters();
    }
}

/// Sums up messages.
struct Summing<'a> {
    host: HostName,
    step: u64,
    batches: &'a mut Batches<StepEntry>,
    /// When the open bucket begins, and what is in it.
    bucket: Option<(u64, Aggregate)>,
    /// The last message.
    last: Option<(Arc<Announcement>, u64)>,
}

impl Summing<'_> {
    fn last(&self) -> Option<(StreamId, u64)> {
        let (announcement, seq) = self.last.as_ref()?;
        Some((announcement.stream, *seq))
    }

    fn take(&mut self, part: PastPart) {
        match part {
            PastPart::Message(it) => {
                let message = it.message;
                let alert = message.alert.is_some().then(|| message.encode());
                let alert = alert.map(|json| Frame::text(&json, None));
                self.message(&it.announcement, message.seq, &message.sample, alert);
            }
            PastPart::Minute(minute) => {
                if self.goes_on(
                    &minute.announcement,
                    (minute.first, minute.last),
                    minute.from,
                ) {
                    self.open_bucket().merge(&minute.values);
                }
            }
            PastPart::Alert(it) => self.send(Frame::text(&it.message.encode(), None), false),
        }
    }

    fn take_entry(&mut self, entry: &RingEntry) {
        // Without its position as an id: an event stream must not resume amid summaries.
        let json = entry.frame.json();
        let alert = (!entry.is_sample).then(|| Frame::text(json, None));
        // The log holds frames alone; this server can decode what it has encoded.
        let text = std::str::from_utf8(json).unwrap_or_default();
        if let Ok(Message {
            body: Body::Numbered(Unplaced { sample, .. }),
            ..
        }) = Message::decode(text)
        {
            self.message(&entry.announcement, entry.seq, &sample, alert);
        }
    }

    /// Adds a sample, or sends an alert.
    fn message(
        &mut self,
        announcement: &Arc<Announcement>,
        seq: u64,
        sample: &Sample,
        alert: Option<Frame>,
    ) {
        if !self.goes_on(announcement, (seq, seq), sample.timestamp) {
            return;
        }
        match alert {
            Some(alert) => self.send(alert, false),
            None => self.open_bucket().add(sample),
        }
    }

    /// Goes on to the messages from `first` to `last`, which belong to the bucket with this time. False if they were
    /// read before.
    fn goes_on(
        &mut self,
        announcement: &Arc<Announcement>,
        (first, last): (u64, u64),
        timestamp: u64,
    ) -> bool {
        let stream = announcement.stream;
        let before = self.last();
        if before.is_some_and(|(known, seq)| known == stream && last <= seq) {
            return false;
        }
        let from = timestamp - timestamp % self.step;
        if self.bucket.as_ref().is_some_and(|(open, _)| *open != from) {
            self.close_bucket();
        }
        self.last = Some((Arc::clone(announcement), last));
        if let Some(gap) = before.and_then(|before| Gap::between(before, (stream, first))) {
            let gap = self.frame(Body::Gap(gap));
            self.send(gap, true);
        }
        self.bucket
            .get_or_insert_with(|| (from, Aggregate::default()));
        true
    }

    fn open_bucket(&mut self) -> &mut Aggregate {
        let (_, values) = self.bucket.get_or_insert_default();
        values
    }

    fn close_bucket(&mut self) {
        if let Some((from, values)) = self.bucket.take()
            && values.samples() > 0
        {
            let summary = values.summary(from, from.saturating_add(self.step));
            let frame = self.frame(Body::Summary(Box::new(summary)));
            self.send(frame, false);
        }
    }

    fn frame(&self, body: Body) -> Frame {
        Message {
            host: Some(self.host.clone()),
            body,
        }
        .frame()
    }

    fn send(&mut self, frame: Frame, is_gap: bool) {
        let bytes = frame.size();
        self.entry(Some(frame), is_gap, bytes);
    }

    fn entry(&mut self, frame: Option<Frame>, is_gap: bool, bytes: usize) {
        if let Some((announcement, seq)) = &self.last {
            let entry = StepEntry {
                announcement: Arc::clone(announcement),
                frame,
                is_gap,
                seq: *seq,
            };
            self.batches.add(entry, bytes);
        }
    }

    /// What is live begins.
    fn end(mut self) {
        self.close_bucket();
        self.entry(None, false, 0);
    }
}

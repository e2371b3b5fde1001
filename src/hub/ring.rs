//! One host's ring: the newest messages as ready-to-send frames, bounded by time and bytes.

mod hello;
mod stream_ranks;
mod thinning;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::millis::{epoch_millis, in_millis};
use crate::protocol::{
    Alert, Container, Frame, HeldBytes, HostName, MetricInfo, Numbered, Replay, Sample, StreamId,
    System,
};

use super::Retention;
use super::heartbeat::Heartbeat;
use super::now_firing::NowFiring;
use super::shared_frame::SharedFrame;
use hello::LastHello;
use stream_ranks::StreamRanks;

/// The most that one host's ring holds, in bytes: at a KiB a message, 16,000 messages.
const MAX_RING_BYTES: usize = 16 * 1024 * 1024;

/// A ring keeps at least this many samples, however old: the window that a viewer shows.
const MIN_SAMPLES: usize = 30;

/// The clock by which a ring drops messages and `since=` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeline {
    /// The monotonic clock, when a message is added.
    Live,
    /// The messages' own timestamps: the sum of their steps forward, so that setting the clock back doesn't count.
    Recorded,
}

/// What a run of messages has in common: the lasting part of a [`Hello`](crate::protocol::Hello).
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// The run of the source.
    pub stream: StreamId,
    /// Milliseconds between two samples, at least 1.
    pub interval: u64,
    /// Milliseconds between two heartbeats.
    pub heartbeat: u64,
    /// The machine; `None` in a replay.
    pub system: Option<System>,
    /// How the recording is played; `None` for a live host.
    pub replay: Option<Replay>,
    /// The metrics that samples carry.
    pub metrics: Arc<[MetricInfo]>,
    /// Whether they carry a list of containers.
    pub containers: bool,
    /// What the system permanently lacks.
    pub unavailable: Arc<[String]>,
}

#[derive(Debug, Clone)]
pub(super) struct RingEntry {
    pub(super) frame: SharedFrame,
    /// That of the announcement, which is elsewhere in memory.
    pub(super) stream: StreamId,
    pub(super) seq: u64,
    pub(super) is_sample: bool,
    /// When the reading was taken, in milliseconds since the epoch.
    pub(super) timestamp: u64,
    /// Milliseconds on the ring's timeline.
    pub(super) clock: u64,
    pub(super) announcement: Arc<Announcement>,
}

#[derive(Debug)]
pub(super) struct Ring {
    retention: Retention,
    /// How many samples are kept, however old.
    least: usize,
    timeline: Timeline,
    entries: VecDeque<RingEntry>,
    /// The index of the first entry, counted from the first one ever.
    first: u64,
    bytes: usize,
    /// The size of the deflated forms of entries and heartbeats. The plain bytes of heartbeats aren't counted anywhere:
    /// there is only one.
    deflated: HeldBytes,
    samples: usize,
    clock: u64,
    announcement: Option<Arc<Announcement>>,
    streams: StreamRanks,
    pub(super) firing: NowFiring,
    newest: Option<(u64, Sample)>,
    /// The last list of containers of the stream.
    containers: Option<Vec<Container>>,
    heartbeat: Option<Heartbeat>,
    last_hello: LastHello,
    /// The next index of each reader, if the source waits for them.
    readers: Vec<Arc<AtomicU64>>,
}

impl Ring {
    pub(super) fn new(retention: Retention, timeline: Timeline) -> Self {
        Self {
            retention,
            least: MIN_SAMPLES,
            timeline,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            deflated: HeldBytes::default(),
            samples: 0,
            clock: 0,
            announcement: None,
            streams: StreamRanks::default(),
            firing: NowFiring::default(),
            newest: None,
            containers: None,
            heartbeat: None,
            last_hello: LastHello::default(),
            readers: Vec::new(),
        }
    }

    pub(super) fn announce(&mut self, announcement: Arc<Announcement>) {
        if self.announcement.as_ref() == Some(&announcement) {
            return;
        }
        if self
            .announcement
            .as_ref()
            .is_none_or(|current| current.stream != announcement.stream)
        {
            self.firing.clear();
            self.containers = None;
        }
        self.last_hello.clear();
        let stream = announcement.stream;
        self.announcement = Some(announcement);
        self.expect_streams(&[stream]);
    }

    /// Sets what fires already where the announced stream begins.
    pub(super) fn continue_firing(&mut self, alerts: Vec<Alert>) {
        self.last_hello.clear();
        self.firing.clear();
        for alert in alerts {
            self.firing.note(alert);
        }
    }

    pub(super) fn newest(&self) -> Option<&Sample> {
        self.newest.as_ref().map(|(_, sample)| sample)
    }

    /// The newest sample, with the last list of containers.
    pub(super) fn newest_with_containers(&self) -> Option<Sample> {
        let mut sample = self.newest()?.clone();
        sample.containers = sample.containers.or_else(|| self.containers.clone());
        Some(sample)
    }

    pub(super) fn expect_streams(&mut self, streams: &[StreamId]) {
        self.streams.expect(streams);
        if self.streams.are_many() {
            self.forget_streams();
        }
    }

    /// Adds a message at `now`, in milliseconds of the monotonic clock, and drops what is too old; see
    /// [`Ring::evict`].
    pub(super) fn push(&mut self, frame: Frame, message: Numbered, now: u64) -> bool {
        let clock = match self.timeline {
            Timeline::Live => now,
            Timeline::Recorded => {
                let timestamp = message.sample.timestamp;
                let newest = self.newest.as_ref();
                let before = newest.map_or(timestamp, |(_, newest)| newest.timestamp);
                self.clock.saturating_add(timestamp.saturating_sub(before))
            }
        };
        self.append(frame, message, clock)
    }

    /// Adds a message at `clock`, in milliseconds on the ring's timeline.
    pub(super) fn append(&mut self, frame: Frame, message: Numbered, clock: u64) -> bool {
        let Some(announcement) = self.announcement.clone() else {
            debug_assert!(false, "a source announces before it pushes");
            return false;
        };
        let Numbered {
            stream,
            seq,
            alert,
            sample,
            ..
        } = message;
        debug_assert_eq!(
            stream, announcement.stream,
            "it belongs to what was announced"
        );
        self.last_hello.clear();
        self.clock = clock.max(self.clock);
        let is_sample = alert.is_none();
        if let Some(alert) = alert {
            self.firing.note(*alert);
        }
        self.bytes += frame.size();
        self.samples += usize::from(is_sample);
        self.entries.push_back(RingEntry {
            frame: SharedFrame::new(frame),
            stream,
            seq,
            is_sample,
            timestamp: sample.timestamp,
            clock: self.clock,
            announcement,
        });
        if sample.containers.is_some() {
            self.containers.clone_from(&sample.containers);
        }
        self.newest = Some((seq, sample));
        self.evict()
    }

    /// Drops what exceeds the bounds. Returns whether something had to stay because a reader has yet to read it.
    pub(super) fn evict(&mut self) -> bool {
        let retain = in_millis(self.retention.duration);
        let mut unread = None;
        while self.entries.len() > 1
            && let Some(front) = self.entries.front()
        {
            // Alerts are not among the samples that stay.
            let is_spare = self.samples > self.least || !front.is_sample;
            let expired = self.clock - front.clock > retain && is_spare;
            if !expired && self.bytes + self.deflated.count() <= MAX_RING_BYTES {
                return false;
            }
            if self.retention.lossless
                && *unread.get_or_insert_with(|| self.first_unread()) <= self.first
            {
                return true;
            }
            self.drop_oldest();
        }
        false
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.frame.size();
            self.samples -= usize::from(oldest.is_sample);
            self.first += 1;
        }
    }

    /// Keeps messages for `duration` from now on, and only the newest sample beyond that if memory `is_short`.
    pub(super) fn retain(&mut self, duration: Duration, is_short: bool) {
        self.retention.duration = duration;
        self.least = if is_short { 1 } else { MIN_SAMPLES };
        self.evict();
        self.shrink();
    }

    /// Whether no reader has anything left to read.
    pub(super) fn is_read(&self) -> bool {
        self.head() <= self.first_unread()
    }

    /// Drops everything but the readers. Indexes go on.
    pub(super) fn start_over(&mut self) {
        self.first = self.head();
        self.entries.clear();
        (self.bytes, self.samples) = (0, 0);
        (self.announcement, self.newest, self.heartbeat) = (None, None, None);
        self.streams.clear();
        self.firing.clear();
        self.last_hello.clear();
    }

    fn first_unread(&self) -> u64 {
        self.readers
            .iter()
            .map(|next| next.load(Ordering::Relaxed))
            .min()
            .unwrap_or(u64::MAX)
    }

    pub(super) fn beat(&mut self, host: &HostName) {
        if let Some(newest) = &self.newest {
            let last = self.heartbeat.take();
            let frame = self.entries.back().map(|entry| &*entry.frame);
            let heartbeat = Heartbeat::after(last, host, newest, frame, &self.deflated);
            self.heartbeat = Some(heartbeat);
        }
    }

    pub(super) fn heartbeat(&self) -> Option<&Heartbeat> {
        self.heartbeat.as_ref()
    }

    pub(super) fn heartbeat_count(&self) -> u64 {
        self.heartbeat
            .as_ref()
            .map_or(0, |heartbeat| heartbeat.count)
    }

    pub(super) fn register(&mut self, next: &Arc<AtomicU64>) {
        self.readers.push(Arc::clone(next));
    }

    pub(super) fn unregister(&mut self, next: &Arc<AtomicU64>) {
        self.readers.retain(|other| !Arc::ptr_eq(other, next));
    }

    /// The index of the oldest entry.
    pub(super) fn start(&self) -> u64 {
        self.first
    }

    /// The index that the next entry will have.
    pub(super) fn head(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(super) fn entry(&self, index: u64) -> Option<&RingEntry> {
        let offset = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(offset)
    }

    /// The frame of `entry` at `index`, with its forms for a viewer that wants it `deflated`.
    pub(super) fn frame(&self, entry: &RingEntry, index: u64, deflated: bool) -> Frame {
        entry.frame.wanted(deflated, &self.deflated, || {
            let before = index.checked_sub(1).and_then(|index| self.entry(index));
            // Viewers at the head may have had a heartbeat in between.
            let beat = self.heartbeat.as_ref();
            let beat = beat.filter(|beat| before.is_some_and(|before| before.seq == beat.seq));
            [
                before.map(|before| &*before.frame),
                beat.map(Heartbeat::plain),
            ]
        })
    }

    /// The announcement of the entry at `index`; at the head, that of the next one.
    pub(super) fn announcement_at(&self, index: u64) -> Option<&Arc<Announcement>> {
        self.entry(index)
            .map(|entry| &entry.announcement)
            .or(self.announcement.as_ref())
    }

    /// The index of the sample `count` samples before the head; of the oldest entry if there are fewer.
    pub(super) fn last_samples(&self, count: u64) -> u64 {
        let Some(skip) = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_sub(1))
        else {
            return self.head();
        };
        let mut samples = self
            .entries
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, entry)| entry.is_sample);
        samples
            .nth(skip)
            .map_or(self.first, |(offset, _)| self.first + offset as u64)
    }

    /// The index of the first entry of the last `back` milliseconds; `now` is of the monotonic clock.
    pub(super) fn since(&self, back: u64, now: u64) -> u64 {
        let now = match self.timeline {
            Timeline::Live => now,
            Timeline::Recorded => self.clock,
        };
        let offset = self
            .entries
            .partition_point(|entry| entry.clock < now.saturating_sub(back));
        self.first + offset as u64
    }

    /// The index of the first entry in the same bucket of `step` milliseconds as the one at `index`.
    pub(super) fn bucket_start(&self, index: u64, step: u64) -> u64 {
        let bucket = |index| self.entry(index).map(|entry| entry.timestamp / step);
        let mut start = index;
        while self.first < start && bucket(start - 1) == bucket(index) {
            start -= 1;
        }
        start
    }

    /// The entries from `from` to before `to`, with their indexes: about so many bytes of them, if there are more.
    pub(super) fn copy(&self, from: u64, to: u64, bytes: usize) -> Vec<(u64, RingEntry)> {
        let mut taken = 0;
        let entries = (from.max(self.first)..to).map_while(|index| {
            let entry = self.entry(index).filter(|_| taken < bytes)?;
            taken += entry.frame.size();
            Some((index, entry.clone()))
        });
        entries.collect()
    }

    /// The place of a number among all past and future ones of this log, if its stream is known.
    pub(super) fn place(&self, stream: StreamId, seq: u64) -> Option<(usize, u64)> {
        self.streams.rank(stream).map(|rank| (rank, seq))
    }

    /// The index of the first entry after `seq` of `stream`.
    pub(super) fn behind(&self, stream: StreamId, seq: u64) -> u64 {
        let Some(place) = self.place(stream, seq) else {
            return self.first;
        };
        let had = |entry: &RingEntry| {
            self.place(entry.stream, entry.seq)
                .is_some_and(|other| other <= place)
        };
        self.first + self.entries.partition_point(had) as u64
    }

    /// The stream and number of the oldest entry.
    pub(super) fn oldest(&self) -> Option<(StreamId, u64)> {
        self.entries.front().map(|entry| (entry.stream, entry.seq))
    }

    /// The time of the oldest entry, in milliseconds since the epoch.
    pub(super) fn oldest_time(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.timestamp)
    }

    /// Whether the message is the oldest entry, or belongs after it.
    pub(super) fn reaches(&self, stream: StreamId, seq: u64) -> bool {
        let place = self.place(stream, seq);
        let oldest = self
            .oldest()
            .and_then(|(stream, seq)| self.place(stream, seq));
        oldest.is_some() && place >= oldest
    }

    /// Whether the ring can continue from the message without a hole.
    pub(super) fn continues(&self, stream: StreamId, seq: u64) -> bool {
        let Some(oldest) = self.oldest() else {
            return false;
        };
        oldest == (stream, seq.saturating_add(1)) || self.reaches(stream, seq)
    }

    /// How many of the last `count` samples are older than the ring; `None` if it has them all.
    pub(super) fn before_last(&self, count: u64) -> Option<u64> {
        let older = count.saturating_sub(self.samples as u64);
        (older > 0).then_some(older)
    }

    /// When the last `back` milliseconds begin, in milliseconds since the epoch, by the messages' own timestamps;
    /// `None` if the ring reaches back that far. `now` is of the monotonic clock.
    pub(super) fn before_since(&self, back: u64, now: u64) -> Option<u64> {
        if self.since(back, now) > self.first {
            return None;
        }
        let Some((_, newest)) = &self.newest else {
            return Some(epoch_millis().saturating_sub(back));
        };
        let age = match self.timeline {
            Timeline::Live => now.saturating_sub(self.clock),
            Timeline::Recorded => 0,
        };
        Some(newest.timestamp.saturating_add(age).saturating_sub(back))
    }
}

//! Messages older than a ring: kept elsewhere, and read on a thread, because that may take long.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};

use crate::protocol::{Frame, HostName, Numbered, StreamId};

use super::{Announcement, Hub};

/// Batches that wait between the thread and the viewer.
const BATCHES_AHEAD: usize = 2;

/// The approximate size of a batch, in bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// A place for messages older than a ring, such as a spool or a store.
pub trait Past: fmt::Debug + Send + Sync + 'static {
    /// The messages from `wanted` on, oldest first. They may overlap with the ring or end before it: the viewer
    /// continues in the ring as soon as it can.
    ///
    /// Both this and the iterator are called on a thread of their own and may block. The iterator is dropped when the
    /// viewer needs no more. The implementation or the server limits how many there are at once.
    ///
    /// # Errors
    /// When it cannot be read. The viewer then gets a gap and what the ring holds.
    fn read(&self, wanted: &PastRequest) -> io::Result<PastMessages>;

    /// Learns what the following messages of `host` have in common.
    fn announced(&self, _host: &HostName, _announcement: &Arc<Announcement>) {}

    /// Takes a message that is about to be published, so that it is kept before any viewer has it. Called on the
    /// source's thread: it must not wait for long.
    fn keep(&self, _message: &Numbered) {}

    /// The time of the oldest message of `host` that can be read, in milliseconds since the epoch.
    fn oldest(&self, _host: &HostName) -> Option<u64> {
        None
    }

    /// Its state, if it keeps what is published.
    fn status(&self) -> Option<PastStatus> {
        None
    }
}

/// The state of a [`Past`] that keeps what is published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PastStatus {
    /// Why nothing is kept at the moment.
    pub paused: Option<String>,
    /// Messages kept in this run.
    pub written: u64,
    /// Messages of this run that are missing.
    pub lost: u64,
    /// Bytes taken by everything it has.
    pub bytes: u64,
    /// The time of the oldest message, in milliseconds since the epoch.
    pub oldest: Option<u64>,
}

/// How many viewers may read the past at once.
const MOST_READERS: usize = 4;

/// Counts the viewers that read the past.
#[derive(Debug, Default)]
pub(super) struct PastReaders(AtomicUsize);

/// One of the viewers that may read the past, until it is dropped.
struct PastPermit(Arc<PastReaders>);

impl PastPermit {
    fn take(readers: &Arc<PastReaders>) -> Option<Self> {
        let more = |count| (count < MOST_READERS).then_some(count + 1);
        let taken = readers
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.is_ok().then(|| Self(Arc::clone(readers)))
    }
}

impl Drop for PastPermit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What beginning to read the past came to.
pub(super) enum PastBegin {
    /// It is being read.
    Reading(PastReading),
    /// Too many viewers are reading it. The hub wakes its viewers when that has changed.
    Busy,
    /// No thread can be started.
    Impossible,
}

/// What [`Past::read`] returns.
pub type PastMessages = Box<dyn Iterator<Item = io::Result<PastMessage>>>;

/// The part of the past that a viewer requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRequest {
    /// Whose messages.
    pub host: HostName,
    /// Where to start.
    pub from: PastFrom,
    /// The stream and number of the oldest message in the ring; `None` if the ring is empty.
    pub before: Option<(StreamId, u64)>,
}

/// Where in the past to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastFrom {
    /// After this message. If it is unknown, at the oldest message, and the loss is reported to the viewer.
    After(StreamId, u64),
    /// With the sample that many samples before [`PastRequest::before`], or with the oldest one.
    Last(u64),
    /// With the first message at or after this time, in milliseconds since the epoch, by its own timestamp.
    Since(u64),
}

/// A message of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct PastMessage {
    /// The announcement that it belongs to.
    pub announcement: Arc<Announcement>,
    /// The message, in the announced stream.
    pub message: Numbered,
}

/// A message of the past, ready to be sent.
#[derive(Debug)]
pub(super) struct PastEntry {
    pub(super) announcement: Arc<Announcement>,
    pub(super) seq: u64,
    pub(super) frame: Frame,
}

impl PastEntry {
    pub(super) fn stream(&self) -> StreamId {
        self.announcement.stream
    }
}

/// The next message of the past, if it is ready.
pub(super) enum PastNext {
    /// This one.
    Entry(PastEntry),
    /// None yet; the hub wakes its viewers when there is one.
    NotYet,
    /// There is no more.
    Over,
}

/// One viewer's reading of the past. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct PastReading {
    batches: Receiver<Vec<PastEntry>>,
    batch: VecDeque<PastEntry>,
}

impl PastReading {
    /// Starts reading.
    pub(super) fn begin(hub: &Hub, past: &Arc<dyn Past>, wanted: PastRequest) -> PastBegin {
        let Some(permit) = PastPermit::take(&hub.shared.past_readers) else {
            return PastBegin::Busy;
        };
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let (hub, past) = (hub.clone(), Arc::clone(past));
        let read = move || {
            if let Err(error) = send_all(&hub, &*past, &wanted, &sender) {
                tracing::warn!(host = %wanted.host, %error, "cannot read the past");
            }
            // The viewer then sees the end, and others that there is room.
            drop((sender, permit));
            hub.wake();
        };
        let thread = std::thread::Builder::new().name("past".into()).spawn(read);
        if let Err(error) = &thread {
            tracing::warn!(%error, "cannot start reading the past");
            return PastBegin::Impossible;
        }
        PastBegin::Reading(Self {
            batches,
            batch: VecDeque::new(),
        })
    }

    /// Takes the next message.
    pub(super) fn next(&mut self) -> PastNext {
        loop {
            if let Some(entry) = self.batch.pop_front() {
                return PastNext::Entry(entry);
            }
            match self.batches.try_recv() {
                Ok(batch) => self.batch = batch.into(),
                Err(TryRecvError::Empty) => return PastNext::NotYet,
                Err(TryRecvError::Disconnected) => return PastNext::Over,
            }
        }
    }
}

/// Sends the messages of `past` in batches, until the viewer needs no more.
fn send_all(
    hub: &Hub,
    past: &dyn Past,
    wanted: &PastRequest,
    sender: &SyncSender<Vec<PastEntry>>,
) -> io::Result<()> {
    let (mut batch, mut bytes, mut failed) = (Vec::new(), 0, None);
    let mut messages = past.read(wanted)?;
    loop {
        let message = messages.next();
        let is_over = !matches!(message, Some(Ok(_)));
        match message {
            Some(Ok(PastMessage {
                announcement,
                message,
            })) => {
                let frame = message.frame();
                bytes += frame.size();
                batch.push(PastEntry {
                    announcement,
                    seq: message.seq,
                    frame,
                });
            }
            Some(Err(error)) => failed = Some(error),
            None => {}
        }
        if is_over || bytes >= BATCH_BYTES {
            bytes = 0;
            // What was read before an error is still valid.
            if sender.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
            hub.wake();
        }
        if is_over {
            return failed.map_or(Ok(()), Err);
        }
    }
}

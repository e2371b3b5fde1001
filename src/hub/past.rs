//! Messages older than a ring: kept elsewhere, and read on a thread, because that may take long.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
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
    /// Starts reading. `None` if no thread can be started.
    pub(super) fn begin(hub: &Hub, past: &Arc<dyn Past>, wanted: PastRequest) -> Option<Self> {
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let (hub, past) = (hub.clone(), Arc::clone(past));
        let read = move || {
            if let Err(error) = send_all(&hub, &*past, &wanted, &sender) {
                tracing::warn!(host = %wanted.host, %error, "cannot read the past");
            }
            // The viewer then sees the end.
            drop(sender);
            hub.wake();
        };
        let thread = std::thread::Builder::new().name("past".into()).spawn(read);
        if let Err(error) = &thread {
            tracing::warn!(%error, "cannot start reading the past");
        }
        thread.is_ok().then(|| Self {
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

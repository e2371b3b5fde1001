//! Messages that are older than a ring: kept elsewhere, and read on a thread, since that may take long.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};

use crate::protocol::{Frame, HostName, Numbered, StreamId};

use super::{Announcement, Hub};

/// Batches that wait between the thread and the viewer.
const BATCHES_AHEAD: usize = 2;

/// About how many bytes of messages there are in a batch.
const BATCH_BYTES: usize = 64 * 1024;

/// Where messages older than a ring are kept, such as a spool or a store.
pub trait Past: fmt::Debug + Send + Sync + 'static {
    /// The messages that `wanted` begins with, and all that follow, oldest first. It may reach into the ring and need not
    /// touch it: the viewer reads on in the ring as soon as it can.
    ///
    /// It is called on a thread of its own, as the iterator is, and may block. The iterator is dropped when the viewer needs
    /// no more of it. How many there may be at once is for the implementation or the server to say.
    ///
    /// # Errors
    /// When it cannot be read. The viewer then gets what the ring holds, and the gap before that.
    fn read(&self, wanted: &PastRequest) -> io::Result<PastMessages>;
}

/// What [`Past::read`] gives.
pub type PastMessages = Box<dyn Iterator<Item = io::Result<PastMessage>>>;

/// What a viewer wants of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRequest {
    /// Whose messages.
    pub host: HostName,
    /// Where to begin.
    pub from: PastFrom,
    /// The stream and number of the oldest message in the ring; `None` where the ring is empty.
    pub before: Option<(StreamId, u64)>,
}

/// Where in the past to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastFrom {
    /// Behind this message. Where that is not known, with the oldest there is: the viewer is told what it lost.
    After(StreamId, u64),
    /// With the sample so many samples before [`PastRequest::before`], or with the oldest there is.
    Last(u64),
    /// With the first message of this time or later, in milliseconds since the epoch, by its own timestamp.
    Since(u64),
}

/// A message of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct PastMessage {
    /// What it belongs to.
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

/// What is there of the past.
pub(super) enum PastNext {
    /// This one is.
    Entry(PastEntry),
    /// Nothing yet; the hub wakes its viewers when there is.
    NotYet,
    /// There is no more.
    Over,
}

/// One viewer's reading in the past. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct PastReading {
    batches: Receiver<Vec<PastEntry>>,
    batch: VecDeque<PastEntry>,
}

impl PastReading {
    /// Begins to read. `None` where there is no thread for it.
    pub(super) fn begin(hub: &Hub, past: &Arc<dyn Past>, wanted: PastRequest) -> Option<Self> {
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let (hub, past) = (hub.clone(), Arc::clone(past));
        let read = move || {
            if let Err(error) = send_all(&hub, &*past, &wanted, &sender) {
                tracing::warn!(host = %wanted.host, %error, "cannot read the past");
            }
            // The viewer comes to see that this was all.
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

/// Sends what `past` has in batches, until the viewer needs no more.
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
            // What was read before an error is as good as ever.
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

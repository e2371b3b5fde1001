//! Messages older than a ring: kept elsewhere, and read on a thread, because that may take long.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::protocol::{Aggregate, Deflated, Frame, HeldBytes, HostName, Numbered, StreamId};
use crate::wording::cause;

use super::ahead::{Batches, PastPermit, ReadAhead};
use super::{Announcement, Hub};

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

    /// As [`Past::read`], for a viewer that wants buckets of `step` milliseconds: minutes that are kept summed up may
    /// come as such, where no bucket ends within one. It should begin with the whole bucket that `wanted` lies in.
    ///
    /// # Errors
    /// As for [`Past::read`].
    fn read_in_steps(&self, wanted: &PastRequest, _step: u64) -> io::Result<PastParts> {
        let messages = self.read(wanted)?;
        Ok(Box::new(messages.map(|it| it.map(PastPart::Message))))
    }

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

/// What [`Past::read_in_steps`] returns.
pub type PastParts = Box<dyn Iterator<Item = io::Result<PastPart>>>;

/// A part of the past, for a viewer that wants it in steps.
#[derive(Debug, Clone, PartialEq)]
pub enum PastPart {
    /// A message.
    Message(PastMessage),
    /// Messages that follow each other within a minute.
    Minute(PastMinute),
    /// An alert among those of the minute before it.
    Alert(PastMessage),
}

impl PastPart {
    /// The stream and number of its first message, unless that was among those of the part before it.
    pub(super) fn begin(&self) -> Option<(StreamId, u64)> {
        match self {
            Self::Message(it) => Some((it.announcement.stream, it.message.seq)),
            Self::Minute(it) => Some((it.announcement.stream, it.first)),
            Self::Alert(_) => None,
        }
    }
}

/// Messages of one stream without a hole, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct PastMinute {
    /// The announcement that they belong to.
    pub announcement: Arc<Announcement>,
    /// When the minute begins, in milliseconds since the epoch.
    pub from: u64,
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// Their samples.
    pub values: Aggregate,
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

/// Starts reading the past for one viewer, which may get its messages `deflated`; `None` if that is impossible.
pub(super) fn read_past(
    hub: &Hub,
    permit: PastPermit,
    past: &Arc<dyn Past>,
    wanted: PastRequest,
    deflated: bool,
) -> Option<ReadAhead<PastEntry>> {
    let past = Arc::clone(past);
    ReadAhead::begin(hub, permit, move |batches| {
        // What was read before an error is still valid.
        if let Err(error) = read_all(&*past, &wanted, deflated, batches) {
            tracing::warn!(host = %wanted.host, error = %cause(&error), "cannot read the past");
        }
    })
}

fn read_all(
    past: &dyn Past,
    wanted: &PastRequest,
    deflated: bool,
    batches: &mut Batches<PastEntry>,
) -> io::Result<()> {
    let mut last: Option<Frame> = None;
    for message in past.read(wanted)? {
        let PastMessage {
            announcement,
            message,
        } = message?;
        let mut frame = message.frame();
        if deflated {
            frame = deflated_after(frame, last.as_ref());
            last = Some(frame.clone());
        }
        let bytes = frame.size();
        let entry = PastEntry {
            announcement,
            seq: message.seq,
            frame,
        };
        batches.add(entry, bytes);
        if !batches.is_wanted() {
            break;
        }
    }
    Ok(())
}

/// A message of the past, with the forms that only one viewer gets: as far as can be known, the one that it needs is
/// made here, so that the others don't wait for it.
fn deflated_after(frame: Frame, last: Option<&Frame>) -> Frame {
    let before = last.map(Frame::shared_json);
    let forms = Deflated::new(frame.shared_json(), [before, None], &HeldBytes::default());
    let _ = forms.frame_after(last.and_then(Frame::deflated).map(|forms| &**forms));
    frame.with(Arc::new(forms))
}

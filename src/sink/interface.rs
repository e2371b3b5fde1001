//! The interface of every sink.

use futures_util::future::BoxFuture;

use crate::protocol::{HostName, ResumePoint, Update};

use super::error::SinkError;

/// A destination for the numbered messages of one or more hosts.
///
/// The caller drops the sink after [`Sink::close`], or after any error.
pub trait Sink: Send {
    /// Where the contents end, one point per host: a client resumes there.
    fn positions(&self) -> Vec<ResumePoint>;

    /// Takes what was learnt of `host`. A hello must precede a host's first message. When this returns without an error, a
    /// numbered message is in the sink, though it may not be on the disk; a gap is kept and written with the next
    /// message; anything else is ignored.
    ///
    /// May be dropped if it waits too long. Then the message may or may not have been written, and only [`Sink::close`]
    /// may follow.
    ///
    /// # Errors
    /// When the message cannot be written, or doesn't belong here.
    fn take(&mut self, host: HostName, update: Update) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Waits until everything taken so far is safe, and checks that it is still there. Dropping this loses nothing: the
    /// work continues, and the next call waits for it.
    ///
    /// # Errors
    /// When something may not be safe, or another program has damaged it.
    fn sync(&mut self) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Makes everything safe, including what a dropped [`Sink::sync`] hasn't finished.
    ///
    /// # Errors
    /// As [`Sink::sync`].
    fn close(&mut self) -> BoxFuture<'_, Result<(), SinkError>>;

    /// What this run has written so far.
    fn written(&self) -> Written;

    /// The name of the destination for people, such as its path.
    fn name(&self) -> String;
}

/// A report of what a sink wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Numbered messages.
    pub rows: u64,
    /// Bytes, including everything around the messages.
    pub bytes: u64,
    /// Gaps between them.
    pub gaps: u64,
    /// The earliest and the latest time of a message, in milliseconds since the epoch; `None` without one.
    pub times: Option<(u64, u64)>,
}

impl Written {
    /// Notes the time of a message.
    pub(super) fn note_time(&mut self, timestamp: u64) {
        self.times = both(self.times, Some((timestamp, timestamp)));
    }
}

/// The span that covers both.
fn both(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some((from, to)), Some((other_from, other_to))) => {
            Some((from.min(other_from), to.max(other_to)))
        }
        _ => one.or(other),
    }
}

impl std::iter::Sum for Written {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            rows: sum.rows + one.rows,
            bytes: sum.bytes + one.bytes,
            gaps: sum.gaps + one.gaps,
            times: both(sum.times, one.times),
        })
    }
}

//! What every sink can do.

use futures_util::future::BoxFuture;

use crate::protocol::{Body, HostName, ResumePoint, StreamId};

use super::error::SinkError;

/// A destination for the numbered messages of one or more hosts.
///
/// The caller drops the sink after [`Sink::close`], or after any error.
pub trait Sink: Send {
    /// Where the contents end, one point for each host in them: a client resumes there.
    fn positions(&self) -> Vec<ResumePoint>;

    /// Takes a message of `host`. A `hello` comes before a host's first message. A numbered message is in the sink when
    /// this ends without an error, though maybe not on the disk; a gap is kept and written with the message behind it;
    /// anything else is ignored.
    ///
    /// May be dropped where it waits too long. The message may or may not be written then, and only [`Sink::close`] may
    /// follow.
    ///
    /// # Errors
    /// When the message cannot be written, or does not belong here.
    fn take(
        &mut self,
        host: HostName,
        stream: StreamId,
        body: Body,
    ) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Waits until all that was taken before is safe, and checks that it is still there. Dropping this loses nothing: the
    /// work goes on, and the next call waits for it.
    ///
    /// # Errors
    /// When something may not be safe, or somebody else damaged it.
    fn sync(&mut self) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Makes everything safe, including what a dropped [`Sink::sync`] has not finished.
    ///
    /// # Errors
    /// As [`Sink::sync`].
    fn close(&mut self) -> BoxFuture<'_, Result<(), SinkError>>;

    /// What this run has written up to now.
    fn written(&self) -> Written;

    /// What a person calls the destination, such as its path.
    fn name(&self) -> String;
}

/// A report of what a sink wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Numbered messages.
    pub rows: u64,
    /// Bytes, with everything around the messages.
    pub bytes: u64,
    /// Gaps between them.
    pub gaps: u64,
}

impl std::iter::Sum for Written {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            rows: sum.rows + one.rows,
            bytes: sum.bytes + one.bytes,
            gaps: sum.gaps + one.gaps,
        })
    }
}

//! The messages that have a number.

use super::{Alert, HostName, Position, Sample, StreamId, Unplaced};

/// A numbered message: a sample, or an alert with the sample that caused it.
///
/// Sources publish it, a hub keeps its frame, recordings hold it as a row, clients hand it on and sinks take it. On the
/// wire it is `metric` or `alert`; its stream is not in it there, but in the `hello` before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// The message's host.
    pub host: HostName,
    /// The run of the host's source that the number belongs to.
    pub stream: StreamId,
    /// The number in the stream, from 1.
    pub seq: u64,
    /// The alert; `None` in a sample.
    pub alert: Option<Box<Alert>>,
    /// The sample, or the one that caused the alert.
    pub sample: Sample,
}

impl Numbered {
    /// Where a viewer that has this message resumes.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            host: self.host.clone(),
            stream: self.stream,
            seq: self.seq,
        }
    }
}

impl Unplaced {
    /// The message in its place.
    #[must_use]
    pub fn at(self, position: Position) -> Numbered {
        let Self { alert, sample, .. } = self;
        let Position { host, stream, seq } = position;
        Numbered {
            host,
            stream,
            seq,
            alert,
            sample,
        }
    }
}

//! What is known of a cursor without reading on.

use std::sync::atomic::Ordering;

use crate::protocol::{HostName, Position};

use super::Cursor;

impl Cursor {
    /// Its host.
    pub(in crate::hub) fn host(&self) -> &HostName {
        &self.log.host
    }

    /// Whether the viewer has been told that the recording is over.
    pub(in crate::hub) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether the recording that its host is played from is over.
    pub(in crate::hub) fn is_over(&self) -> bool {
        self.log.relayed.ended.load(Ordering::Acquire)
    }

    /// Whether its host was forgotten. If that comes back, it has another log.
    pub(in crate::hub) fn is_forgotten(&self) -> bool {
        self.log.relayed.is_forgotten.load(Ordering::Acquire)
    }

    /// The last message that the viewer has.
    pub(in crate::hub) fn position(&self) -> Option<Position> {
        let (stream, seq) = self.last?;
        Some(Position {
            host: self.log.host.clone(),
            stream,
            seq,
        })
    }

    /// How many losses were reported to this viewer.
    pub(in crate::hub) fn gaps(&self) -> u32 {
        self.gaps
    }

    /// How many times the ring has dropped messages before this viewer read them.
    pub(in crate::hub) fn overruns(&self) -> u32 {
        self.overruns
    }

    /// The number of its host.
    pub(in crate::hub) fn host_number(&self) -> usize {
        self.log.number.load(Ordering::Acquire)
    }
}

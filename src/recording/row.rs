//! A row: one numbered message, or a gap before one.

use crate::protocol::{Alert, Gap, HostName, Sample, StreamId};

/// One row of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Whose message.
    pub host: HostName,
    /// The run of the host's source; of the next message in a gap.
    pub stream: StreamId,
    /// What it says.
    pub kind: RowKind,
}

/// What a [`Row`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum RowKind {
    /// A sample.
    Sample {
        /// The number in the stream, from 1.
        seq: u64,
        /// The reading. Values of columns come in the order of the columns, others behind them.
        sample: Sample,
    },
    /// A rule began or ceased to hold.
    Alert {
        /// The number in the stream, from 1.
        seq: u64,
        /// The rule and its state.
        alert: Box<Alert>,
        /// The sample that did it.
        sample: Sample,
    },
    /// Messages that will not come.
    Gap {
        /// When the next message was read, in milliseconds since the epoch.
        timestamp: u64,
        /// What is missing.
        gap: Gap,
    },
}

impl Row {
    /// When the reading was taken, in milliseconds since the epoch; of a gap, that of the next message.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        match &self.kind {
            RowKind::Sample { sample, .. } | RowKind::Alert { sample, .. } => sample.timestamp,
            RowKind::Gap { timestamp, .. } => *timestamp,
        }
    }

    /// The number in the stream; a gap has none.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self.kind {
            RowKind::Sample { seq, .. } | RowKind::Alert { seq, .. } => Some(seq),
            RowKind::Gap { .. } => None,
        }
    }
}

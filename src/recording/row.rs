//! A row: a numbered message, or a gap before one.

use crate::protocol::{Gap, HostName, Numbered, StreamId};

/// One row of a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A message. Values with columns have the order of the columns; the others follow.
    Numbered(Numbered),
    /// Missing messages.
    Gap {
        /// Whose messages.
        host: HostName,
        /// The stream of the next message.
        stream: StreamId,
        /// When the next message's reading was taken, in milliseconds since the epoch.
        timestamp: u64,
        /// What is missing.
        gap: Gap,
    },
}

impl Row {
    /// The message in it; a gap has none.
    #[must_use]
    pub fn into_numbered(self) -> Option<Numbered> {
        match self {
            Self::Numbered(message) => Some(message),
            Self::Gap { .. } => None,
        }
    }
}

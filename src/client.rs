//! The client that `watch` and `record` share: an endless stream of events that hides reconnecting.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{HostName, Message, StreamId};

/// What a client tells the command above it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A connection is open, and messages follow.
    Connected {
        /// Which of the servers, as an index into the list that was given.
        server: usize,
    },
    /// A message of a host.
    Message(Received),
    /// The connection ended, or could not be made; the client tries again by itself.
    Lost {
        /// Which of the servers.
        server: usize,
        /// Why, in one line without a full stop.
        reason: String,
        /// The number of the attempt that comes next, from 1.
        attempt: u32,
        /// The wait before it.
        retry_in: Duration,
    },
    /// No sample has come for three intervals (at least 3 s).
    Stale {
        /// Of this host.
        host: HostName,
    },
    /// The stream of this server is over: it will not be tried again.
    Ended {
        /// Which of the servers.
        server: usize,
    },
}

/// A message as it came. `metric` and `alert` have a host and a number, given by the client where the server gives none,
/// and never come twice.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which of the servers sent it.
    pub server: usize,
    /// Whose message.
    pub host: HostName,
    /// The run of the host's source that the number belongs to.
    pub stream: StreamId,
    /// What it says.
    pub message: Message,
    /// The text that came.
    pub raw: Utf8Bytes,
}

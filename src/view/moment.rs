//! The position of a sample in its host's stream, and how far back it is.

use std::time::Duration;

use crate::protocol::{HostName, StreamId};

/// The position of a message among its host's messages: the later one is greater.
pub type StreamPosition = (StreamId, u64);

/// The current time, given by the caller: this module has no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time since any fixed start; ages are measured by it.
    pub elapsed: Duration,
    /// Milliseconds since 1970-01-01T00:00:00Z by the viewer's clock; only shown.
    pub wall: u64,
}

/// A sample in the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The sample's host.
    pub host: HostName,
    pub(super) position: StreamPosition,
    pub(super) timestamp: u64,
}

impl Moment {
    /// When the sample was taken, in milliseconds since the epoch.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.timestamp
    }
}

/// How far back the shown state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HowFarBack {
    /// The time that is shown, in milliseconds since the epoch.
    pub timestamp: u64,
    /// How long before the newest sample.
    pub ago: Duration,
    /// The number of the sample, from 1, and how many there are.
    pub number: usize,
    pub of: usize,
    /// Whether older samples are being read.
    pub reading: bool,
    /// Whether an alert fires now.
    pub alert_now: bool,
    /// Whether a host is stale or a server unreachable now.
    pub stale_now: bool,
}

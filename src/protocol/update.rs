//! A message as its reader knows it, once nothing is missing that the wire leaves out.

use super::{Gap, Hello, Numbered, Sample, Summary};

/// What a viewer learns about a host.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Who speaks for the host, and which metrics follow.
    Hello(Box<Hello>),
    /// A sample or an alert.
    Numbered(Numbered),
    /// Nothing is new, and the server is alive.
    Heartbeat {
        /// The number of the newest message, where the server gives numbers.
        seq: Option<u64>,
        /// The newest sample.
        sample: Sample,
    },
    /// What the samples of a bucket of time have in common, in place of them.
    Summary(Box<Summary>),
    /// Numbered messages that will not come.
    Gap(Gap),
    /// The recording is over.
    End,
}

impl Update {
    /// Whether it is a sample, which no heartbeat is: that repeats one.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        matches!(self, Self::Numbered(Numbered { alert: None, .. }))
    }
}

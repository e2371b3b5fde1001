//! When a watch has seen enough.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::{ClientEvent, Received};
use crate::protocol::HostName;

/// `--samples` and `--duration`.
#[derive(Debug)]
pub(super) struct Limits {
    samples: Option<u64>,
    until: Option<Instant>,
    /// Samples so far of every host that sent anything.
    seen: HashMap<HostName, u64>,
}

impl Limits {
    /// `duration` starts now.
    pub(super) fn new(samples: Option<u64>, duration: Option<Duration>) -> Self {
        Self {
            samples,
            until: duration.map(|duration| Instant::now() + duration),
            seen: HashMap::new(),
        }
    }

    /// When the duration ends.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether this host has not had all its samples yet.
    pub(super) fn wants(&self, host: &HostName) -> bool {
        let seen = self.seen.get(host).copied().unwrap_or(0);
        self.samples.is_none_or(|samples| seen < samples)
    }

    /// Whether `event` is none of a host that has had all its samples.
    pub(super) fn wants_event(&self, event: &ClientEvent) -> bool {
        match event {
            ClientEvent::Message(received) => self.wants(&received.host),
            _ => true,
        }
    }

    /// Counts `event`.
    pub(super) fn count(&mut self, event: &ClientEvent) {
        if let ClientEvent::Message(Received { host, update, .. }) = event {
            let seen = self.seen.entry(host.clone()).or_insert(0);
            *seen += u64::from(update.is_sample());
        }
    }

    /// Whether every host has had all its samples.
    pub(super) fn reached(&self) -> bool {
        self.samples.is_some_and(|samples| {
            !self.seen.is_empty() && self.seen.values().all(|seen| samples <= *seen)
        })
    }
}

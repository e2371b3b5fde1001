//! Hosts as they come: the registry, read again and again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::locks::lock;
use crate::protocol::HostName;
use crate::redis::{
    LANES, RedisFault, RedisLane, RedisOptions, RegistryEntry, RetryWaits, lane_of,
};
use crate::wording::counted;

use super::RelayShared;

/// How often the registry is read.
const EVERY: Duration = Duration::from_secs(1);

/// The most hosts of a relay.
const MOST_HOSTS: usize = 20_000;

/// A host in the registry.
#[derive(Debug, Clone)]
pub(super) struct FoundHost {
    pub(super) name: HostName,
    /// How long ago it gave its last sign of life.
    pub(super) age: Duration,
}

/// Watches the registry.
pub(super) struct Discovery {
    lane: RedisLane,
    shared: Arc<RelayShared>,
    readers: Vec<UnboundedSender<FoundHost>>,
    /// What was found, by its name, valid or not.
    known: HashSet<Vec<u8>>,
    /// Signs of life up to this time have been seen, in milliseconds since the epoch by the clock of Redis.
    seen: u64,
    has_read: bool,
}

impl Discovery {
    pub(super) fn new(
        redis: Arc<RedisOptions>,
        shared: Arc<RelayShared>,
        readers: Vec<UnboundedSender<FoundHost>>,
    ) -> Self {
        Self {
            lane: RedisLane::new(redis, Duration::ZERO),
            shared,
            readers,
            known: HashSet::new(),
            seen: 0,
            has_read: false,
        }
    }

    /// Watches for ever.
    pub(super) async fn run(mut self) {
        let mut waits = RetryWaits::default();
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    waits = RetryWaits::default();
                    self.shared.status.found(LANES);
                    EVERY
                }
                Err(fault) => {
                    self.shared.status.lost(LANES, &fault);
                    // Whoever came meanwhile may have been registered in a store that knows nothing of before.
                    self.seen = 0;
                    waits.next_wait()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&mut self) -> Result<(), RedisFault> {
        for gone in lock(&self.shared.forgotten).take() {
            self.known.remove(gone.as_str().as_bytes());
        }
        let (found, now) = self.lane.seen_since(self.seen).await?;
        let newest = found.iter().map(|it| it.seen).max();
        // Servers take turns as primary, and their clocks differ.
        self.seen = newest.map_or(self.seen, |newest| newest.min(now).saturating_sub(2000));
        let new: Vec<_> = found
            .into_iter()
            .filter_map(|it| self.note(it, now))
            .collect();
        if !std::mem::replace(&mut self.has_read, true) {
            self.shared.status.expects(new.len());
        }
        for host in new {
            // A reader ends only with the relay.
            let _ = self.readers[lane_of(&host.name)].send(host);
        }
        Ok(())
    }

    /// The host of an entry, if it is a new one.
    fn note(&mut self, entry: RegistryEntry, now: u64) -> Option<FoundHost> {
        if MOST_HOSTS <= self.known.len() || !self.known.insert(entry.name.clone()) {
            return None;
        }
        if self.known.len() == MOST_HOSTS {
            let hosts = counted(MOST_HOSTS as u64, "host");
            tracing::error!("relaying {hosts}, and none of the others in Redis");
        }
        let name = String::from_utf8_lossy(&entry.name);
        match name.parse() {
            Ok(name) => Some(FoundHost {
                name,
                age: Duration::from_millis(now.saturating_sub(entry.seen)),
            }),
            Err(error) => {
                let error: crate::protocol::NameError = error;
                self.shared
                    .status
                    .skip("a name in the registry", &error.to_string());
                None
            }
        }
    }
}

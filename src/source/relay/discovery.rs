//! Hosts as they appear: the registry, read again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::alert::change::Change;
use crate::locks::lock;
use crate::millis::epoch_millis;
use crate::protocol::HostName;
use crate::redis::{
    LANES, MOST_HOSTS, RedisFault, RedisLane, RedisOptions, RegistryEntry, retry_waits,
};
use crate::wording::{counted, exact_span};

use super::RelayShared;
use super::shares::ReaderShares;
use super::silence::{STANDSTILL, Standstill};

/// How often the registry is read.
const EVERY: Duration = Duration::from_secs(1);

/// A host in the registry.
#[derive(Debug, Clone)]
pub(super) struct FoundHost {
    pub(super) name: HostName,
    /// How long ago it gave its last sign of life.
    pub(super) age: Duration,
}

/// What is known of a name in the registry.
struct KnownName {
    /// Its last sign of life.
    seen: u64,
    /// The reader that has it; `None` if it isn't a host's.
    reader: Option<usize>,
}

/// Watches the registry.
pub(super) struct Discovery {
    lane: RedisLane,
    shared: Arc<RelayShared>,
    readers: Vec<UnboundedSender<FoundHost>>,
    /// How the hosts are shared out; `None` before the first look.
    shares: Option<ReaderShares>,
    /// What was found: names, valid or not.
    known: HashMap<Vec<u8>, KnownName>,
    /// What readers refused, each with its last sign of life. It counts as found again with its next sign of life.
    left: HashMap<Vec<u8>, u64>,
    /// The last sign of life of any host.
    newest: Option<u64>,
    /// The time up to which signs of life have been seen, in milliseconds since the epoch by the clock of Redis.
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
            shares: None,
            known: HashMap::new(),
            left: HashMap::new(),
            newest: None,
            seen: 0,
            has_read: false,
        }
    }

    /// Watches for ever.
    pub(super) async fn run(mut self) {
        let mut waits = retry_waits();
        loop {
            self.shared.status.turned();
            let pause = match self.look().await {
                Ok(()) => {
                    waits = retry_waits();
                    self.shared.status.found(LANES);
                    EVERY
                }
                Err(fault) => {
                    self.shared.status.lost(LANES, &fault);
                    lock(&self.shared.signs).lost();
                    // Hosts that come meanwhile may be registered in a store that has forgotten all earlier ones.
                    self.seen = 0;
                    waits.next_wait()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&mut self) -> Result<(), RedisFault> {
        self.leave();
        if self.shares.is_none() {
            self.shares = Some(ReaderShares::new(self.lane.mixes_lanes().await?));
        }
        let (found, now) = self.lane.seen_since(self.seen).await?;
        let newest = found.iter().map(|it| it.seen).max();
        self.note_newest(newest);
        // Another server may become the primary, and their clocks differ.
        self.seen = newest.map_or(self.seen, |newest| newest.min(now).saturating_sub(2000));
        let new: Vec<_> = found
            .into_iter()
            .filter_map(|it| self.note(it, now))
            .collect();
        if !std::mem::replace(&mut self.has_read, true) {
            self.shared.status.expects(new.len());
        }
        for (reader, host) in new {
            // A reader ends only with the relay.
            let _ = self.readers[reader].send(host);
        }
        Ok(())
    }

    /// Forgets the hosts that readers have given up.
    fn leave(&mut self) {
        for (gone, is_refused) in lock(&self.shared.forgotten).take() {
            let Some((name, known)) = self.known.remove_entry(gone.as_str().as_bytes()) else {
                continue;
            };
            if let (Some(shares), Some(reader)) = (&mut self.shares, known.reader) {
                shares.leave(reader);
            }
            if is_refused {
                if MOST_HOSTS <= self.left.len() {
                    self.left.clear();
                }
                self.left.insert(name, known.seen);
            }
        }
    }

    /// Takes note that the last sign of life of any host is `newest`.
    fn note_newest(&mut self, newest: Option<u64>) {
        let before = self.newest;
        self.newest = newest.or(before);
        let mut signs = lock(&self.shared.signs);
        if before.is_some() && before != self.newest {
            signs.note();
        }
        let change = signs.check();
        drop(signs);
        if let Some(change) = change {
            self.tell(change);
        }
    }

    fn tell(&self, change: Standstill) {
        let (length, hosts) = match change {
            Standstill::Begins(hosts) => (STANDSTILL, Some(hosts)),
            Standstill::Ends(length) => (length, None),
        };
        self.shared.status.stands_still(hosts);
        match hosts {
            Some(hosts) => tracing::warn!(
                "no host of {hosts} has given a sign of life for {}: Redis takes nothing, or all of them are down; \
                 none is reported as silent",
                exact_span(length)
            ),
            None => tracing::warn!("hosts give signs of life again"),
        }
        if self.shared.silent_after.is_some() {
            let (name, is_back) = (&self.shared.name, hosts.is_none());
            let times = (length, STANDSTILL);
            let change = Change::silence_of_all(name, times, epoch_millis(), is_back);
            self.shared.recipient.changed(change);
        }
    }

    /// The host of an entry and its reader, if it is a new one.
    fn note(&mut self, entry: RegistryEntry, now: u64) -> Option<(usize, FoundHost)> {
        if let Some(known) = self.known.get_mut(&entry.name) {
            known.seen = entry.seen;
            return None;
        }
        let is_left = self.left.get(&entry.name) == Some(&entry.seen);
        if is_left || MOST_HOSTS <= self.known.len() {
            return None;
        }
        self.left.remove(&entry.name);
        let host = self.host_of(&entry, now);
        let shares = self.shares.as_mut();
        let reader = host
            .as_ref()
            .zip(shares)
            .map(|(host, it)| it.take(&host.name));
        let seen = entry.seen;
        self.known.insert(entry.name, KnownName { seen, reader });
        if self.known.len() == MOST_HOSTS {
            let hosts = counted(MOST_HOSTS as u64, "host");
            tracing::error!("relaying {hosts}, and none of the others in Redis");
        }
        reader.zip(host)
    }

    fn host_of(&self, entry: &RegistryEntry, now: u64) -> Option<FoundHost> {
        match String::from_utf8_lossy(&entry.name).parse::<HostName>() {
            Ok(name) => Some(FoundHost {
                name,
                age: Duration::from_millis(now.saturating_sub(entry.seen)),
            }),
            Err(error) => {
                let status = &self.shared.status;
                status.skip("a name in the registry", &error.to_string());
                None
            }
        }
    }
}

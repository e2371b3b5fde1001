//! Reads the hosts of one lane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::redis::{
    EntryId, HostEntries, RedisFault, RedisFaultKind, RedisLane, RedisOptions, RetryWaits,
};

use super::RelayShared;
use super::discovery::FoundHost;
use super::host::RelayedHost;

/// How long one command waits for messages. A host that is found meanwhile waits as long.
const BLOCK: Duration = Duration::from_secs(1);

/// How many entries of a host are loaded at once.
const PAGE: usize = 256;

/// About how many entries one command may return. It counts them for each host.
const MOST_AT_ONCE: usize = 1024;

/// A host of which nothing came for so long is looked at more closely: it may be over, or have begun anew.
const QUIET: Duration = Duration::from_secs(2);

/// How often that is done.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The reader of a lane.
pub(super) struct LaneReader {
    number: usize,
    lane: RedisLane,
    shared: Arc<RelayShared>,
    coming: UnboundedReceiver<FoundHost>,
    hosts: Vec<RelayedHost>,
    /// Since when Redis could be read without interruption.
    connected: Option<Instant>,
    looked: Instant,
}

impl LaneReader {
    pub(super) fn new(
        number: usize,
        redis: &Arc<RedisOptions>,
        shared: Arc<RelayShared>,
        coming: UnboundedReceiver<FoundHost>,
    ) -> Self {
        Self {
            number,
            lane: RedisLane::new(Arc::clone(redis), BLOCK),
            shared,
            coming,
            hosts: Vec::new(),
            connected: None,
            looked: Instant::now(),
        }
    }

    /// Reads until no more hosts can come.
    pub(super) async fn run(mut self) {
        let mut waits = RetryWaits::default();
        loop {
            if self.hosts.is_empty() {
                match self.coming.recv().await {
                    Some(found) => self.add(found),
                    None => return,
                }
            }
            while let Ok(found) = self.coming.try_recv() {
                self.add(found);
            }
            let done = match self.round().await {
                Err(fault) if fault.kind == RedisFaultKind::WrongType => {
                    self.refuse_wrong(fault).await
                }
                done => done,
            };
            match done {
                Ok(()) => {
                    waits = RetryWaits::default();
                    self.shared.status.found(self.number);
                }
                Err(fault) => {
                    self.connected = None;
                    self.shared.status.lost(self.number, &fault);
                    tokio::time::sleep(waits.next_wait()).await;
                }
            }
        }
    }

    fn add(&mut self, found: FoundHost) {
        let keys = self.lane.keys().of(&found.name);
        let shared = Arc::clone(&self.shared);
        let host = RelayedHost::new(found.name, keys, found.age, shared);
        self.hosts.push(host);
    }

    /// Loads new hosts, then waits for news of all, and takes them.
    async fn round(&mut self) -> Result<(), RedisFault> {
        while let Some(at) = self.hosts.iter().position(|host| !host.is_loaded) {
            match self.load(at).await {
                Err(fault) if fault.kind == RedisFaultKind::WrongType => self.refuse(at),
                loaded => loaded?,
            }
        }
        let Some(began) = self.hosts.first().map(RelayedHost::now) else {
            return Ok(());
        };
        let most = (MOST_AT_ONCE / self.hosts.len()).clamp(2, PAGE);
        let asked: Vec<_> = self.hosts.iter().map(|it| (&it.keys, it.last)).collect();
        let found = self.lane.follow_hosts(&asked, most, BLOCK).await?;
        let connected = *self.connected.get_or_insert_with(Instant::now);
        let has_news = !found.is_empty();
        let full = self.take(found, most).await?;
        for (at, host) in self.hosts.iter().enumerate() {
            if !full.contains(&at) {
                host.read_to_end(began);
            }
        }
        self.look_after(connected).await?;
        if has_news {
            // Many hosts send at many times: they are taken together.
            let pause = Duration::from_micros(250) * u32::try_from(self.hosts.len()).unwrap_or(200);
            tokio::time::sleep(pause.min(Duration::from_millis(50))).await;
        }
        Ok(())
    }

    /// Takes news. Returns the hosts of which there may be more.
    async fn take(
        &mut self,
        found: Vec<HostEntries>,
        most: usize,
    ) -> Result<Vec<usize>, RedisFault> {
        let mut full = Vec::new();
        for HostEntries {
            host: at,
            entries,
            marks,
        } in found
        {
            self.learn(at, marks.hello).await?;
            if most <= entries.len() {
                full.push(at);
            }
            self.hosts[at].take(entries);
            self.hosts[at].note_end(marks.end);
        }
        Ok(full)
    }

    /// Reads what Redis has about a host, if its newest hello is `hello`, and unknown.
    async fn learn(&mut self, at: usize, hello: Option<EntryId>) -> Result<(), RedisFault> {
        if hello.is_some() && self.hosts[at].hello != hello {
            let about = self.lane.about(&self.hosts[at].keys).await?;
            self.hosts[at].learn(about);
            self.hosts[at].hello = hello;
        }
        Ok(())
    }

    /// Loads everything that Redis has of a host.
    async fn load(&mut self, at: usize) -> Result<(), RedisFault> {
        let began = self.hosts[at].now();
        let about = self.lane.about(&self.hosts[at].keys).await?;
        self.hosts[at].learn(about);
        loop {
            let host = &self.hosts[at];
            let page = self.lane.page(&host.keys, host.last, PAGE).await?;
            let is_last = page.len() < PAGE;
            self.hosts[at].take(page);
            if is_last {
                break;
            }
        }
        self.hosts[at].loaded();
        self.hosts[at].read_to_end(began);
        self.shared.status.loaded();
        Ok(())
    }

    /// Gives up a host whose keys hold something else.
    fn refuse(&mut self, at: usize) {
        let host = self.hosts.swap_remove(at);
        let what = format!("the keys of {}", host.name);
        self.shared.status.skip(&what, "they hold something else");
        if !host.is_loaded {
            self.shared.status.loaded();
        }
    }

    /// Gives up every host whose keys hold something else. Fails with `fault` if there is none.
    async fn refuse_wrong(&mut self, fault: RedisFault) -> Result<(), RedisFault> {
        let before = self.hosts.len();
        for at in (0..before).rev() {
            let host = &self.hosts[at];
            let read = match self.lane.page(&host.keys, host.last, 1).await {
                Ok(_) => self.lane.marks(&[&host.keys]).await.map(drop),
                Err(fault) => Err(fault),
            };
            match read {
                Err(fault) if fault.kind == RedisFaultKind::WrongType => self.refuse(at),
                read => read?,
            }
        }
        if self.hosts.len() == before {
            return Err(fault);
        }
        Ok(())
    }

    /// Looks after hosts that are quiet.
    async fn look_after(&mut self, connected: Instant) -> Result<(), RedisFault> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        let is_quiet = |host: &RelayedHost| QUIET <= host.arrived.elapsed();
        let hosts = self.hosts.iter().enumerate();
        let quiet: Vec<_> = hosts
            .filter(|(_, it)| is_quiet(it))
            .map(|(at, _)| at)
            .collect();
        let keys: Vec<_> = quiet.iter().map(|at| &self.hosts[*at].keys).collect();
        let marks = self.lane.marks(&keys).await?;
        let newest = self.lane.newest_entries(&keys).await?;
        let mut gone = Vec::new();
        for (at, (marks, newest)) in quiet.into_iter().zip(marks.into_iter().zip(newest)) {
            let host = &mut self.hosts[at];
            host.note_newest(newest);
            host.note_end(marks.end);
            if newest.is_none() && host.is_long_gone(connected) {
                gone.push(at);
            }
        }
        for host in &mut self.hosts {
            host.look_after(connected);
        }
        for at in gone.into_iter().rev() {
            self.hosts.swap_remove(at).forget();
        }
        Ok(())
    }
}

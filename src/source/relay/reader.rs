//! Reads some of the hosts: those of one lane, or up to a thousand where one command may name hosts of several lanes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::redis::{
    EntryId, HostEntries, RedisFault, RedisFaultKind, RedisLane, RedisOptions, retry_waits,
};

use super::RelayShared;
use super::discovery::FoundHost;
use super::host::RelayedHost;
use super::page_size::PageSize;

/// How long one command waits for messages. A host that is found meanwhile has to wait for it.
const BLOCK: Duration = Duration::from_secs(1);

/// An answer that failed after this long may have been on its way, but too large.
const SLOW: Duration = Duration::from_secs(5);

/// After how many such failures in a row a host is given up. Before all but the first, Redis has answered something
/// small, so it was neither paused nor out of reach.
const MOST_LATE: u32 = 3;

/// How long messages gather before they are read together, for each host: the more there are, the more different times
/// they send at.
const PAUSE_PER_HOST: Duration = Duration::from_micros(250);

/// The longest that messages gather. Nobody notices such a delay.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A host that has sent nothing for this long is looked at more closely: it may be over, or have begun anew.
const QUIET: Duration = Duration::from_secs(2);

/// How often quiet hosts are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many hosts' hashes are read with one command's delay. One has some 10 kB.
const LEARNED_AT_ONCE: usize = 32;

/// Why a host is given up whose keys are of another type.
const WRONG: &str = "they hold something else";

/// A reader of some of the hosts.
pub(super) struct LaneReader {
    number: usize,
    lane: RedisLane,
    shared: Arc<RelayShared>,
    coming: UnboundedReceiver<FoundHost>,
    hosts: Vec<RelayedHost>,
    page: PageSize,
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
            page: PageSize::new(),
            connected: None,
            looked: Instant::now(),
        }
    }

    /// Reads until no more hosts can come.
    pub(super) async fn run(mut self) {
        let mut waits = retry_waits();
        loop {
            if self.hosts.is_empty() {
                // What failed were those that have been given up.
                self.shared.status.found(self.number);
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
                    waits = retry_waits();
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
                Err(fault) if fault.kind == RedisFaultKind::WrongType => self.refuse(at, WRONG),
                loaded => loaded?,
            }
        }
        self.follow().await
    }

    /// Waits for news of all hosts, and takes them.
    async fn follow(&mut self) -> Result<(), RedisFault> {
        let Some(began) = self.hosts.first().map(RelayedHost::now) else {
            return Ok(());
        };
        let most = self.page.of_each(self.hosts.len());
        let asked: Vec<_> = self.hosts.iter().map(|it| (&it.keys, it.last)).collect();
        let begun = Instant::now();
        let found = match self.lane.follow_hosts(&asked, most, BLOCK).await {
            Err(fault) if is_late(&fault, begun) => {
                // If Redis was only slow, the next answers make it grow again.
                self.page.halve();
                return Err(fault);
            }
            found => found?,
        };
        let connected = *self.connected.get_or_insert_with(Instant::now);
        let has_news = !found.is_empty();
        let full = self.take(found, most).await?;
        for (at, host) in self.hosts.iter().enumerate() {
            if !full.contains(&at) {
                host.read_to_end(began);
            }
        }
        self.look_after(connected).await?;
        if has_news && full.is_empty() {
            let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
            let pause = PAUSE_PER_HOST.saturating_mul(hosts);
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
        Ok(())
    }

    /// Takes news. Returns the hosts that may have more.
    async fn take(
        &mut self,
        found: Vec<HostEntries>,
        most: usize,
    ) -> Result<Vec<usize>, RedisFault> {
        self.learn(&found).await?;
        let mut full = Vec::new();
        for HostEntries {
            host: at,
            entries,
            marks,
        } in found
        {
            if most <= entries.len() {
                full.push(at);
            }
            self.page.note(&entries);
            self.hosts[at].take(entries);
            self.hosts[at].note_end(marks.end);
        }
        Ok(full)
    }

    /// Reads what Redis has about hosts whose newest hello isn't known yet.
    async fn learn(&mut self, found: &[HostEntries]) -> Result<(), RedisFault> {
        let named = found.iter().map(|it| (it.host, it.marks.hello));
        let is_new = |(at, hello): &(usize, Option<EntryId>)| {
            hello.is_some() && self.hosts[*at].hello != *hello
        };
        let new: Vec<_> = named.filter(is_new).collect();
        for some in new.chunks(LEARNED_AT_ONCE) {
            let keys: Vec<_> = some.iter().map(|(at, _)| &self.hosts[*at].keys).collect();
            let abouts = self.lane.about(&keys).await?;
            for (&(at, hello), about) in some.iter().zip(abouts) {
                self.hosts[at].learn(about);
                self.hosts[at].hello = hello;
            }
        }
        Ok(())
    }

    /// Loads everything that Redis has of a host.
    async fn load(&mut self, at: usize) -> Result<(), RedisFault> {
        let began = self.hosts[at].now();
        if 0 < self.hosts[at].late {
            // Only if Redis answers this can the host be the reason.
            self.lane.fit(&[&self.hosts[at].keys]).await?;
        }
        self.load_about(at).await?;
        while !self.load_page(at).await? {}
        self.hosts[at].loaded();
        self.hosts[at].read_to_end(began);
        self.shared.status.loaded();
        Ok(())
    }

    /// Reads what Redis has about a host.
    async fn load_about(&mut self, at: usize) -> Result<(), RedisFault> {
        let begun = Instant::now();
        let mut abouts = match self.lane.about(&[&self.hosts[at].keys]).await {
            Err(fault) if is_late(&fault, begun) => {
                if self.note_late(at) {
                    self.refuse(at, "what is known about it takes too long to arrive");
                }
                return Err(fault);
            }
            abouts => abouts?,
        };
        let about = abouts.pop().unwrap_or_default();
        self.hosts[at].hello = about.hello;
        self.hosts[at].learn(about);
        Ok(())
    }

    /// Reads the next messages of a host. Returns whether they are the last.
    async fn load_page(&mut self, at: usize) -> Result<bool, RedisFault> {
        let (host, most) = (&self.hosts[at], self.page.of_one());
        let begun = Instant::now();
        let page = match self.lane.page(&host.keys, host.last, most).await {
            Err(fault) if is_late(&fault, begun) => {
                let was_smallest = !self.page.halve();
                if self.note_late(at) && was_smallest {
                    self.refuse(at, "a single message takes too long to arrive");
                }
                return Err(fault);
            }
            page => page?,
        };
        self.page.note(&page);
        self.hosts[at].late = 0;
        let is_last = page.len() < most;
        self.hosts[at].take(page);
        Ok(is_last)
    }

    /// Counts an answer about a host that did not arrive in time. Returns whether that was once too often.
    fn note_late(&mut self, at: usize) -> bool {
        self.hosts[at].late += 1;
        MOST_LATE <= self.hosts[at].late
    }

    /// Gives up a host until it gives another sign of life.
    fn refuse(&mut self, at: usize, reason: &str) {
        let host = self.hosts.swap_remove(at);
        let what = format!("the keys of {}", host.name);
        let was_loaded = host.is_loaded;
        host.forget(true);
        self.shared.status.skip(&what, reason);
        if !was_loaded {
            self.shared.status.loaded();
        }
    }

    /// Gives up every host whose keys hold something else. Fails with `fault` if there is none.
    async fn refuse_wrong(&mut self, fault: RedisFault) -> Result<(), RedisFault> {
        let keys: Vec<_> = self.hosts.iter().map(|it| &it.keys).collect();
        let fit = self.lane.fit(&keys).await?;
        let wrong: Vec<_> = (0..fit.len()).filter(|at| !fit[*at]).collect();
        if wrong.is_empty() {
            return Err(fault);
        }
        for at in wrong.into_iter().rev() {
            self.refuse(at, WRONG);
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
            self.hosts.swap_remove(at).forget(false);
        }
        Ok(())
    }
}

/// Whether what was asked at `begun` has failed because its answer did not arrive in time.
fn is_late(fault: &RedisFault, begun: Instant) -> bool {
    fault.kind == RedisFaultKind::Temporary && SLOW <= begun.elapsed()
}

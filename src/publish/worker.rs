//! The loop that writes: read from the hub, write to Redis, and after a fault find out where to continue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::hub::{Batch, Head, Hub, Subscription};
use crate::protocol::{Frame, HostName, Position, Query, StreamId, shown};
use crate::redis::{
    LANES, LaneWrites, RedisFault, RedisFaultKind, RedisLane, RedisOptions, retry_waits,
};

use super::PublicationOptions;
use super::draft::WriteDraft;
use super::host::{LONGER, PublishedHost};
use super::presence::{give_last_sign_of_life, keep_giving_signs_of_life};
use super::status::PublicationStatus;

/// How much is written at once, in bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// How long a replay waits for Redis: as long as for a viewer that reads nothing.
const REPLAY_PATIENCE: Duration = Duration::from_secs(10);

/// How often keys are refreshed when nothing else happens.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    hub: Hub,
    head: Head,
    options: PublicationOptions,
    redis: Arc<RedisOptions>,
    status: Arc<PublicationStatus>,
    last_call: CancellationToken,
    lanes: Vec<RedisLane>,
    hosts: BTreeMap<HostName, PublishedHost>,
    present: watch::Sender<Vec<HostName>>,
    /// What it reads from. Kept through an outage, so that a replay waits; `None` once it has waited long enough.
    subscription: Option<Subscription>,
    /// What has been read, but perhaps not written.
    pending: Vec<Frame>,
    /// Whether the subscription continues with what Redis lacks.
    is_placed: bool,
    began: Instant,
}

impl Worker {
    pub(super) fn new(
        hub: &Hub,
        options: PublicationOptions,
        status: Arc<PublicationStatus>,
        last_call: CancellationToken,
    ) -> Self {
        let redis = Arc::new(options.redis.clone());
        let lane = |_| RedisLane::new(Arc::clone(&redis), Duration::ZERO);
        Self {
            head: hub.head(),
            // So that a replay waits from its first row on.
            subscription: hub
                .is_lossless()
                .then(|| hub.subscribe_ahead(Query::default())),
            hub: hub.clone(),
            lanes: (0..LANES).map(lane).collect(),
            options,
            redis,
            status,
            last_call,
            hosts: BTreeMap::new(),
            present: watch::Sender::default(),
            pending: Vec::new(),
            is_placed: false,
            began: Instant::now(),
        }
    }

    /// Publishes until the recording is over, or, after the last call, until everything is written.
    pub(super) async fn run(mut self) {
        let expire = self.options.retain + LONGER;
        let (redis, present) = (Arc::clone(&self.redis), self.present.subscribe());
        tokio::select! {
            () = keep_giving_signs_of_life(Arc::clone(&redis), present.clone(), expire) => {}
            () = self.keep_writing() => {}
        }
        give_last_sign_of_life(redis, present, expire).await;
    }

    async fn keep_writing(&mut self) {
        let mut waits = retry_waits();
        let mut lost: Option<Instant> = None;
        loop {
            let written = self.status.written();
            let Err(fault) = self.write_all().await else {
                return;
            };
            match fault.kind {
                RedisFaultKind::RefusedId | RedisFaultKind::Moved => {}
                RedisFaultKind::LostKey => tracing::warn!("{fault}; publishing it again"),
                _ => self.status.lost(&fault),
            }
            if written < self.status.written() {
                (waits, lost) = (retry_waits(), None);
            }
            let since = *lost.get_or_insert_with(Instant::now);
            if REPLAY_PATIENCE < since.elapsed() {
                (self.subscription, self.is_placed) = (None, false);
            }
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    /// Writes until the end, or until something goes wrong.
    async fn write_all(&mut self) -> Result<(), RedisFault> {
        self.place().await?;
        loop {
            self.write_pending().await?;
            let Some(subscription) = &mut self.subscription else {
                return Ok(());
            };
            // Before it reads: what is published while it writes must not be missed.
            let is_last = self.last_call.is_cancelled();
            let batch = subscription.read(&mut self.pending, BATCH_BYTES);
            self.find_new_hosts().await?;
            self.write_pending().await?;
            if batch == Batch::More {
                continue;
            }
            self.resolve_conflicts();
            if batch == Batch::End || batch == Batch::Head && is_last {
                return Ok(());
            }
            self.refresh().await?;
            self.status.connected();
            tokio::select! {
                () = self.head.changed() => {}
                () = tokio::time::sleep(TICK) => {}
                () = self.last_call.cancelled(), if !self.last_call.is_cancelled() => {}
            }
        }
    }

    /// Finds out what Redis has, and continues behind that.
    async fn place(&mut self) -> Result<(), RedisFault> {
        for host in self.hub.hosts() {
            let new = |name: &HostName| PublishedHost::new(name, &self.redis.keys);
            self.hosts.entry(host).or_insert_with_key(new);
        }
        let mut has_lost = false;
        for (name, host) in &mut self.hosts {
            has_lost |= find_standing(&mut self.lanes, (name, host), &self.status).await?;
        }
        if has_lost || !self.is_placed {
            self.pending.clear();
            self.subscription = Some(self.hub.subscribe_ahead(self.query()));
            self.is_placed = true;
        }
        Ok(())
    }

    fn query(&self) -> Query {
        let position = |(name, host): (&HostName, &PublishedHost)| {
            let last = host.place(self.options.retain)?;
            Some(Position {
                host: name.clone(),
                stream: last.stream,
                seq: last.seq,
            })
        };
        // What Redis has not taken since this began is not too old for it.
        let is_first = !self.hosts.values().any(PublishedHost::is_written);
        let waited = self.began.elapsed();
        let since = if is_first {
            waited.max(self.options.retain)
        } else {
            self.options.retain
        };
        Query {
            after: self.hosts.iter().filter_map(position).collect(),
            since: Some(since),
            ..Query::default()
        }
    }

    /// Finds out where newly appeared hosts stand. A hello introduces them.
    async fn find_new_hosts(&mut self) -> Result<(), RedisFault> {
        if self.pending.iter().all(|it| it.position().is_some()) {
            return Ok(());
        }
        for host in self.hub.hosts() {
            if !self.hosts.contains_key(&host) {
                let mut new = PublishedHost::new(&host, &self.redis.keys);
                find_standing(&mut self.lanes, (&host, &mut new), &self.status).await?;
                self.hosts.insert(host, new);
            }
        }
        Ok(())
    }

    /// Sets which hosts give signs of life: those of which something is written.
    fn note_present(&self) {
        let hosts = self.hosts.iter();
        let is_present = |host: &PublishedHost| !host.is_stopped && host.log.stored.is_some();
        let present = hosts.filter(|(_, host)| is_present(host));
        let present = present.map(|(name, _)| name.clone()).collect();
        self.present.send_if_modified(|known| {
            let is_new = *known != present;
            *known = present;
            is_new
        });
    }

    /// Writes what has been read.
    async fn write_pending(&mut self) -> Result<(), RedisFault> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut draft = WriteDraft::of(&self.pending, &self.hosts, &self.options.origin);
        let now = Instant::now();
        for (name, host) in &mut self.hosts {
            if draft.writes(name)
                && let Some(writes) = draft.lanes.get_mut(&host.lane)
                && let Some(refresh) = host.refresh(now, self.options.retain)
            {
                writes.refresh(&host.keys, &refresh);
            }
        }
        let writes = std::mem::take(&mut draft.lanes);
        self.write(writes).await?;
        self.status.connected();
        self.status.wrote(draft.messages());
        draft.commit(&mut self.hosts, (now, self.options.retain));
        self.pending.clear();
        if self.present.borrow().len() < self.hosts.len() {
            self.note_present();
        }
        Ok(())
    }

    async fn write(&mut self, mut writes: BTreeMap<usize, LaneWrites>) -> Result<(), RedisFault> {
        let lanes = self.lanes.iter_mut().enumerate();
        let writing = lanes.filter_map(|(at, lane)| {
            let writes = writes.remove(&at).filter(|writes| !writes.is_empty())?;
            Some(lane.write(writes))
        });
        let written = try_join_all(writing).await.map(|_| ());
        if written.is_err() {
            // Whatever is still under way on other connections must not come after what is written next.
            self.lanes.iter_mut().for_each(RedisLane::disconnect);
        }
        written
    }

    /// Refreshes the keys of all hosts, also of silent ones.
    async fn refresh(&mut self) -> Result<(), RedisFault> {
        let now = Instant::now();
        let mut lanes: BTreeMap<usize, LaneWrites> = BTreeMap::new();
        for host in self.hosts.values_mut() {
            if host.log.stored.is_some()
                && !host.is_stopped
                && let Some(refresh) = host.refresh(now, self.options.retain)
            {
                let writes = lanes.entry(host.lane).or_default();
                writes.refresh(&host.keys, &refresh);
            }
        }
        self.write(lanes).await
    }

    /// Looks for hosts of which Redis has a newer stream than the hub.
    fn resolve_conflicts(&mut self) {
        let mut stopped = false;
        for (name, host) in &mut self.hosts {
            let ours = host
                .log
                .stream
                .max(self.options.expected.get(name).copied());
            let theirs = host.log.last.map(|last| last.stream);
            let (Some(ours), Some(theirs), false) = (ours, theirs, host.is_stopped) else {
                continue;
            };
            if theirs <= ours {
                continue;
            }
            let origin = &self.options.origin;
            let other = host.origin.as_ref().filter(|_| !host.is_ours(origin));
            match (&self.options.begin_above, other) {
                (Some(begin_above), None) if theirs < StreamId::MAX => begin_above(theirs),
                (_, other) => {
                    let reason =
                        conflict(ours, theirs, other.map(|it| &*it.address), &origin.address);
                    self.status.stopped(name, &reason);
                    host.is_stopped = true;
                    stopped = true;
                }
            }
        }
        if stopped {
            self.note_present();
        }
    }
}

/// Finds out what Redis has of a host. Returns whether it lacks something that was written.
async fn find_standing(
    lanes: &mut [RedisLane],
    (name, host): (&HostName, &mut PublishedHost),
    status: &PublicationStatus,
) -> Result<bool, RedisFault> {
    match lanes[host.lane].standing(&host.keys).await {
        Err(fault) if fault.kind == RedisFaultKind::WrongType => {
            if !std::mem::replace(&mut host.is_stopped, true) {
                let key = shown(host.keys.stream());
                let reason = format!(
                    "{key} or {key}:about in Redis holds something else; delete it and start again, or choose another \
                     --redis-prefix"
                );
                status.stopped(name, &reason);
            }
            Ok(false)
        }
        standing => Ok(host.stands(standing?)),
    }
}

fn conflict(ours: StreamId, theirs: StreamId, other: Option<&str>, here: &str) -> String {
    match other {
        Some(other) if other == here => format!(
            "two servers use this name, both of them as {here}; give one of them another with --name"
        ),
        Some(other) => {
            let other = shown(other);
            format!(
                "two servers use this name, the one at {other} and this one, at {here}; give one of them another with \
                 --name"
            )
        }
        None => format!(
            "Redis has a newer stream of it, {theirs}; this one is {ours}: choose another name with --name, or another \
             --redis-prefix"
        ),
    }
}

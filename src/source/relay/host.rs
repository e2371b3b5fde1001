//! One host of a relay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alert::change::Change;
use crate::hub::{Announcement, HostPublisher};
use crate::locks::lock;
use crate::millis::epoch_millis;
use crate::protocol::{Alert, AlertState, HostName, MOST_FIRING, Numbered, StreamId, shown};
use crate::redis::{About, EntryId, HostKeys, ReadEntry};

use super::RelayShared;
use super::announced::RelayedHellos;
use super::check::message_of;
use super::silence::GRACE;

/// Two servers have the same name if both were heard of within this time; otherwise, the host has moved.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A host is not forgotten sooner, even if Redis has nothing of it: its publisher may be about to write again.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many of a host's streams are remembered.
const MOST_STREAMS: usize = 1000;

/// After how long a host counts as silent, unless somebody asked for another time.
const USUAL_LIMIT: Duration = Duration::from_secs(60);

/// How often hosts give a sign of life: when a relay starts, the last one may be this old.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Whether a host sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    No,
    /// It was silent when it was found. Neither that nor its end is news.
    Before,
    /// It has fallen silent, and that was reported.
    Told,
}

/// A host whose messages are relayed.
pub(super) struct RelayedHost {
    pub(super) name: HostName,
    pub(super) keys: HostKeys,
    /// The last entry that was read.
    pub(super) last: EntryId,
    /// The newest hello that is known.
    pub(super) hello: Option<EntryId>,
    pub(super) is_loaded: bool,
    /// How often in a row an answer did not arrive in time while it was being loaded.
    pub(super) late: u32,
    /// When something last came from it.
    pub(super) arrived: Instant,
    publisher: HostPublisher,
    announced: RelayedHellos,
    announcement: Option<Announcement>,
    streams: BTreeSet<StreamId>,
    /// When each alert last began or ceased to fire, while it is being loaded.
    changed: BTreeMap<(String, String), EntryId>,
    is_listed: bool,
    is_over: bool,
    silence: Silence,
    /// Whether it counts as a host that ought to give signs of life.
    is_live: bool,
    /// Since when it had been silent when it was forgotten.
    returns: Option<Instant>,
    shared: Arc<RelayShared>,
}

impl RelayedHost {
    /// A host that gave its last sign of life `age` ago.
    pub(super) fn new(
        name: HostName,
        keys: HostKeys,
        age: Duration,
        shared: Arc<RelayShared>,
    ) -> Self {
        let returns = lock(&shared.forgotten).silence_of(&name);
        let limit = shared.silent_after.unwrap_or(USUAL_LIMIT).max(GRACE);
        Self {
            publisher: shared.publisher.unlisted_host(&name),
            silence: if limit + SIGN_OF_LIFE <= age {
                Silence::Before
            } else {
                Silence::No
            },
            is_live: false,
            returns,
            name,
            keys,
            last: EntryId::START,
            hello: None,
            is_loaded: false,
            late: 0,
            arrived: Instant::now(),
            announced: RelayedHellos::default(),
            announcement: None,
            streams: BTreeSet::new(),
            changed: BTreeMap::new(),
            is_listed: false,
            is_over: false,
            shared,
        }
    }

    /// The time for [`RelayedHost::read_to_end`].
    pub(super) fn now(&self) -> u64 {
        self.publisher.now()
    }

    /// Redis has been read to where it ended at the time `at`.
    pub(super) fn read_to_end(&self, at: u64) {
        self.publisher.read_to_end(at);
    }

    /// Takes note of what Redis has about it.
    pub(super) fn learn(&mut self, about: About) {
        let before = self.announced.origin.take();
        self.announced.learn(&self.name, about, &self.shared);
        if let (Some(before), Some(after)) = (&before, &self.announced.origin)
            && !before.is_same_as(after)
            && self.is_loaded
            && self.arrived.elapsed() < AT_ONCE
        {
            let [one, other] = [before, after].map(|it| shown(&it.address));
            tracing::warn!(
                "two servers are called {}: the one at {one} and the one at {other}; give one of them another name \
                 with --name",
                self.name
            );
        }
    }

    /// Publishes the messages among `entries`.
    pub(super) fn take(&mut self, entries: Vec<ReadEntry>) {
        let mut messages = 0;
        for entry in entries {
            self.last = entry.id;
            match message_of(&self.name, &entry) {
                Ok(message) => {
                    self.publish(entry, message);
                    messages += 1;
                }
                Err(reason) => {
                    let what = format!("entry {} of {}", entry.id, self.name);
                    self.shared.status.skip(&what, &reason);
                }
            }
        }
        if 0 < messages {
            self.shared.status.relayed(messages);
            self.has_arrived();
            self.announced.forget_before(self.last);
            if self.is_loaded {
                self.list();
                self.publisher.wake();
            }
        }
    }

    fn publish(&mut self, entry: ReadEntry, message: Numbered) {
        let announcement = self.announced.of(entry.id, &message, self.shared.heartbeat);
        let is_new = |known: &Announcement| *known != announcement;
        if self.announcement.as_ref().is_none_or(is_new) {
            self.announce(announcement);
        }
        let alert = message.alert.clone();
        if let Some(alert) = &alert
            && !self.is_loaded
            && self.changed.len() < MOST_FIRING * 10
        {
            self.changed.insert(identity(alert), entry.id);
        }
        let is_news = self.is_loaded || self.shared.started < message.sample.timestamp;
        if let Some(alert) = alert.filter(|_| is_news) {
            let replayed = self
                .announcement
                .as_ref()
                .is_some_and(|it| it.replay.is_some());
            let change = Change::relayed(&message, &alert, replayed);
            self.shared.recipient.changed(change);
        }
        if let Some(json) = entry.json {
            self.publisher.add_as_sent(&json, message);
        }
    }

    fn announce(&mut self, announcement: Announcement) {
        let stream = announcement.stream;
        let before = self.announcement.as_ref().map(|it| it.stream);
        self.announcement = Some(announcement.clone());
        self.remember(stream);
        // Until it is loaded, what fires can still change.
        if self.is_loaded && before != Some(stream) {
            let firing = self.goes_on_firing(Vec::new());
            self.publisher.announce_firing(announcement, firing);
        } else {
            self.publisher.announce(announcement);
        }
    }

    fn remember(&mut self, stream: StreamId) {
        self.streams.insert(stream);
        while MOST_STREAMS < self.streams.len() {
            self.streams.pop_first();
        }
    }

    /// Everything that Redis had of it has been read.
    pub(super) fn loaded(&mut self) {
        self.is_loaded = true;
        if self.announcement.is_some() {
            self.continue_firing();
            self.changed = BTreeMap::new();
            self.list();
            if self.returns.is_some() {
                self.tell_return();
            }
        }
    }

    /// Passes on what fires, which may have begun before the oldest message.
    fn continue_firing(&self) {
        let firing = self.goes_on_firing(self.publisher.firing());
        self.publisher.continue_firing(firing);
    }

    /// What fires in the announced stream, if `firing` is known to.
    fn goes_on_firing(&self, mut firing: Vec<Alert>) -> Vec<Alert> {
        let stream = self.announcement.as_ref().map(|it| it.stream);
        let stored = self.announced.firing.as_ref();
        let Some(stored) = stored.filter(|it| Some(it.at.stream) == stream) else {
            return firing;
        };
        let older = stored.firing.iter().filter(|alert| {
            let changed = self.changed.get(&identity(alert));
            alert.state == AlertState::Firing && changed.is_none_or(|id| *id <= stored.at)
        });
        for alert in older {
            let is_same = |other: &Alert| identity(other) == identity(alert);
            if !firing.iter().any(is_same) {
                firing.push(alert.clone());
            }
        }
        firing
    }

    fn list(&mut self) {
        if !std::mem::replace(&mut self.is_listed, true) {
            // Whoever sees the host finds it counted.
            self.shared.status.found_host();
            self.publisher.list();
            self.count();
        }
    }

    /// Takes note of `end`, the last message of a recording if that is over.
    pub(super) fn note_end(&mut self, end: Option<EntryId>) {
        let is_over = end.is_some_and(|end| end <= self.last && end.stream == self.last.stream);
        if is_over != self.is_over && self.is_listed {
            self.is_over = is_over;
            if is_over {
                self.publisher.end();
            } else {
                self.publisher.continues();
            }
            self.count();
        }
    }

    /// Continues in another stream if Redis has lost what we have and begins anew, with lower ids, of which `newest` is
    /// the last.
    pub(super) fn note_newest(&mut self, newest: Option<EntryId>) {
        if let Some(newest) = newest
            && newest < self.last
            && !self.streams.contains(&newest.stream)
        {
            let stream = newest.stream;
            self.last = EntryId { stream, seq: 0 };
        }
    }

    /// Whether it can be forgotten if Redis has nothing of it. Redis could be read without interruption since
    /// `connected`.
    pub(super) fn is_long_gone(&self, connected: Instant) -> bool {
        let patience = if self.is_listed {
            self.shared.retain.max(PATIENCE)
        } else {
            PATIENCE
        };
        // Whoever is told of silence hears of it before the host is gone, unless all hosts are silent.
        let is_to_be_told = self.is_live && self.shared.silent_after.is_some();
        let until_told = 2 * (self.silent_after() + GRACE);
        let patience = if is_to_be_told {
            patience.max(until_told)
        } else {
            patience
        };
        patience <= self.arrived.max(connected).elapsed()
    }

    /// Hides it from viewers, and lets discovery find it again if it comes back.
    pub(super) fn forget(self, is_refused: bool) {
        if self.is_live {
            lock(&self.shared.signs).count(false);
        }
        if self.is_listed {
            self.publisher.forget();
            self.shared.status.forgot_host();
        }
        let was_told = self.silence == Silence::Told;
        let silent_since = self.returns.or(was_told.then_some(self.arrived));
        lock(&self.shared.forgotten).note(self.name, silent_since, is_refused);
    }

    fn has_arrived(&mut self) {
        if self.is_loaded {
            self.tell_return();
            lock(&self.shared.signs).note();
        }
        self.arrived = Instant::now();
    }

    /// Tells that it is no longer silent, if it was.
    fn tell_return(&mut self) {
        let before = std::mem::replace(&mut self.silence, Silence::No);
        self.count();
        let was_told = before == Silence::Told;
        let since = self.returns.take().or(was_told.then_some(self.arrived));
        if let Some(since) = since {
            self.tell_silence(since.elapsed(), true);
        }
    }

    /// Tells if it has fallen silent, while Redis could be read without interruption since `connected`.
    pub(super) fn look_after(&mut self, connected: Instant) {
        let (arrived, limit) = (self.arrived, self.silent_after());
        if self.is_live && lock(&self.shared.signs).is_silent(arrived, limit, connected) {
            self.silence = Silence::Told;
            self.count();
            self.tell_silence(arrived.elapsed(), false);
        }
    }

    /// How long it may send nothing. One that sends rarely isn't silent in between, nor one that has yet to notice that
    /// Redis is back.
    fn silent_after(&self) -> Duration {
        let interval = self.announcement.as_ref().map_or(0, |it| it.interval);
        let rare = Duration::from_millis(interval.saturating_mul(3));
        let asked = self.shared.silent_after.unwrap_or(USUAL_LIMIT);
        asked.max(rare).max(GRACE)
    }

    /// Counts it among the live ones, if it is.
    fn count(&mut self) {
        let is_live = self.is_listed && !self.is_over && self.silence == Silence::No;
        if std::mem::replace(&mut self.is_live, is_live) != is_live {
            lock(&self.shared.signs).count(is_live);
        }
    }

    fn tell_silence(&self, length: Duration, is_back: bool) {
        if self.shared.silent_after.is_some() {
            let times = (length, self.silent_after());
            let change = Change::silence(&self.name, times, epoch_millis(), is_back);
            self.shared.recipient.changed(change);
        }
    }
}

/// The name and the metric of an alert, which identify it.
fn identity(alert: &Alert) -> (String, String) {
    (alert.name.clone(), alert.metric.clone())
}

//! One host of a relay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alert::change::Change;
use crate::hub::{Announcement, HostPublisher};
use crate::locks::lock;
use crate::millis::epoch_millis;
use crate::protocol::{Alert, AlertState, HostName, MOST_FIRING, Numbered, StreamId};
use crate::redis::{About, EntryId, HostKeys, ReadEntry};

use super::RelayShared;
use super::announced::RelayedHellos;
use super::check::message_of;

/// Two servers with one name are told apart from a move if both were heard of within this time.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A host of which Redis has nothing is not forgotten sooner: its publisher may be about to write again.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many of a host's streams are remembered.
const MOST_STREAMS: usize = 1000;

/// A host whose messages are relayed.
pub(super) struct RelayedHost {
    pub(super) name: HostName,
    pub(super) keys: HostKeys,
    /// The last entry that was read.
    pub(super) last: EntryId,
    /// The newest hello that is known.
    pub(super) hello: Option<EntryId>,
    pub(super) is_loaded: bool,
    /// When something last came of it.
    pub(super) arrived: Instant,
    publisher: HostPublisher,
    announced: RelayedHellos,
    announcement: Option<Announcement>,
    streams: BTreeSet<StreamId>,
    /// When each alert last began or ceased to fire, while it is being loaded.
    changed: BTreeMap<(String, String), EntryId>,
    is_listed: bool,
    is_over: bool,
    is_silent: bool,
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
        Self {
            publisher: shared.publisher.unlisted_host(&name),
            is_silent: shared.silent_after.is_some_and(|limit| limit <= age),
            returns,
            name,
            keys,
            last: EntryId::START,
            hello: None,
            is_loaded: false,
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

    /// Takes over what Redis has about it.
    pub(super) fn learn(&mut self, about: About) {
        let before = self.announced.origin.take();
        self.announced.learn(&self.name, about, &self.shared);
        if let (Some(before), Some(after)) = (&before, &self.announced.origin)
            && !before.is_same_as(after)
            && self.is_loaded
            && self.arrived.elapsed() < AT_ONCE
        {
            let places = [before, after].map(|it| crate::protocol::shown(&it.address).to_string());
            let [one, other] = places;
            tracing::warn!(
                "two servers are called {}: the one at {one} and the one at {other}; give one of them another name with --name",
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
            self.publisher.announce(announcement.clone());
            self.remember(announcement.stream);
            self.announcement = Some(announcement);
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

    fn remember(&mut self, stream: StreamId) {
        self.streams.insert(stream);
        while MOST_STREAMS < self.streams.len() {
            self.streams.pop_first();
        }
    }

    /// Everything is read that Redis had of it.
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

    /// What fires may have begun before the oldest message.
    fn continue_firing(&self) {
        let stream = self.announcement.as_ref().map(|it| it.stream);
        let Some((at, stored)) = &self.announced.firing else {
            return;
        };
        if Some(at.stream) != stream {
            return;
        }
        let mut firing = self.publisher.firing();
        let older = stored.iter().filter(|alert| {
            let changed = self.changed.get(&identity(alert));
            alert.state == AlertState::Firing && changed.is_none_or(|id| id <= at)
        });
        for alert in older {
            if !firing
                .iter()
                .any(|other| identity(other) == identity(alert))
            {
                firing.push(alert.clone());
            }
        }
        self.publisher.continue_firing(firing);
    }

    fn list(&mut self) {
        if !std::mem::replace(&mut self.is_listed, true) {
            self.publisher.list();
            self.shared.status.found_host();
        }
    }

    /// The last message of a recording that is over is `end`.
    pub(super) fn note_end(&mut self, end: Option<EntryId>) {
        let is_over = end.is_some_and(|end| end <= self.last && end.stream == self.last.stream);
        if is_over != self.is_over && self.is_listed {
            self.is_over = is_over;
            if is_over {
                self.publisher.end();
            } else {
                self.publisher.continues();
            }
        }
    }

    /// Reads on in another stream if Redis has lost what we have, and begins anew with lower ids: its newest is `newest`.
    pub(super) fn note_newest(&mut self, newest: Option<EntryId>) {
        if let Some(newest) = newest
            && newest < self.last
            && !self.streams.contains(&newest.stream)
        {
            let stream = newest.stream;
            self.last = EntryId { stream, seq: 0 };
        }
    }

    /// Whether it can be forgotten if Redis, which could be read without interruption since `connected`, has nothing of it.
    pub(super) fn is_long_gone(&self, connected: Instant) -> bool {
        let patience = if self.is_listed {
            self.shared.retain.max(PATIENCE)
        } else {
            PATIENCE
        };
        patience <= self.arrived.max(connected).elapsed()
    }

    /// Has viewers find it no longer, and discovery find it again if it comes back.
    pub(super) fn forget(self) {
        if self.is_listed {
            self.publisher.forget();
            self.shared.status.forgot_host();
        }
        let silent_since = self.returns.or(self.is_silent.then_some(self.arrived));
        lock(&self.shared.forgotten).note(self.name, silent_since);
    }

    fn has_arrived(&mut self) {
        if self.is_loaded {
            self.tell_return();
        }
        self.arrived = Instant::now();
    }

    /// Tells that it is no longer silent, if it was.
    fn tell_return(&mut self) {
        let was_silent = std::mem::take(&mut self.is_silent);
        let since = self.returns.take().or(was_silent.then_some(self.arrived));
        if let Some(since) = since {
            self.tell_silence(since.elapsed(), true);
        }
    }

    /// Tells if it has fallen silent, while Redis could be read without interruption since `connected`.
    pub(super) fn look_after(&mut self, connected: Instant) {
        let length = self.arrived.max(connected).elapsed();
        let is_silent = self
            .shared
            .silent_after
            .is_some_and(|limit| limit <= length);
        if is_silent && !self.is_silent && !self.is_over && self.is_listed {
            self.is_silent = true;
            self.tell_silence(length, false);
        }
    }

    fn tell_silence(&self, length: Duration, is_back: bool) {
        if let Some(limit) = self.shared.silent_after {
            let change = Change::silence(&self.name, (length, limit), epoch_millis(), is_back);
            self.shared.recipient.changed(change);
        }
    }
}

/// The name and the metric of an alert, which identify it.
fn identity(alert: &Alert) -> (String, String) {
    (alert.name.clone(), alert.metric.clone())
}

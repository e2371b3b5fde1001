//! What one viewer reads: a cursor in the log of each host that it requested.

use std::sync::atomic::Ordering;

use tokio::sync::watch;

use crate::locks::lock;
use crate::protocol::{Frame, HostName, HostPattern, Position, Query};

use super::Hub;
use super::cursor::Cursor;
use super::left_hosts::LeftHosts;
use super::place::{ReadMark, SharedPlace};
use super::standing::CursorStanding;

/// Most viewers watch at most so many hosts. Up to there, memory is reserved for each alone.
const USUAL_HOSTS: usize = 4;

/// A viewer's places in the logs of the hosts that it requested.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    query: Query,
    cursors: Vec<Cursor>,
    /// What remains of hosts that a relay has forgotten.
    left: Option<Box<LeftHosts>>,
    host_count: usize,
}

/// Signals that there may be more to read.
#[derive(Debug)]
pub struct Head(pub(super) watch::Receiver<u64>);

impl Head {
    /// Waits for a message since the last call, or since [`Hub::head`]. Cancel safe.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await; // the hub is gone: nothing will follow
        }
    }
}

/// What [`Subscription::read`] found besides frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// More is available than fitted.
    More,
    /// The past is being read, which takes some time; [`Head::changed`] signals when more is ready.
    Waiting,
    /// The viewer has everything.
    Head,
    /// The viewer has everything, and no more will follow.
    End,
}

impl Subscription {
    pub(super) fn new(hub: Hub, query: Query) -> Self {
        let mut subscription = Self {
            hub,
            query,
            cursors: Vec::new(),
            left: None,
            host_count: 0,
        };
        subscription.find_hosts(true);
        subscription
    }

    /// Appends what the viewer lacks to `frames`, up to about `budget` bytes of messages.
    pub fn read(&mut self, frames: &mut Vec<Frame>, mut budget: usize) -> Batch {
        let over = self.hub.shared.ended.load(Ordering::Acquire);
        self.find_hosts(false);
        // So a client that counts hosts knows them all before the first message.
        for cursor in &mut self.cursors {
            cursor.greet(frames);
        }
        let (mut more, mut waiting) = (false, false);
        self.cursors.retain_mut(|cursor| {
            // Asked first, because nothing is added after that.
            let is_forgotten = cursor.is_forgotten();
            let is_over = over || cursor.is_over();
            let standing = cursor.read(&self.hub, frames, &mut budget, is_over);
            more |= standing == CursorStanding::More;
            waiting |= standing == CursorStanding::Waiting;
            let is_left = is_forgotten && standing == CursorStanding::Head;
            if is_left {
                self.left.get_or_insert_default().add(cursor);
                // It is where the viewer was when it connected.
                self.query.after.retain(|it| it.host != *cursor.host());
            }
            !is_left
        });
        let has_ended = |it: &Cursor| it.is_ended() || it.is_forgotten();
        // What it wants is asked last, because that takes longest.
        let all_ended = self.cursors.iter().all(has_ended) && (over || self.has_all_it_wants());
        match (more, waiting, all_ended) {
            (true, ..) => Batch::More,
            (false, true, _) => Batch::Waiting,
            (false, false, true) => Batch::End,
            (false, false, false) => Batch::Head,
        }
    }

    /// Whether every host that it wants is there, and no other can come.
    fn has_all_it_wants(&self) -> bool {
        let has = |pattern: &HostPattern| {
            let mut there = self.cursors.iter().filter(|it| !it.is_forgotten());
            !pattern.is_glob() && there.any(|it| pattern.matches(it.host()))
        };
        !self.query.hosts.is_empty() && self.query.hosts.iter().all(has)
    }

    /// Whether it waits to read the past, without reading any of it.
    pub(super) fn waits_for_past(&self) -> bool {
        self.cursors.iter().any(Cursor::waits_for_past)
            && !self.cursors.iter().any(Cursor::is_in_past)
    }

    /// How many times since connecting this viewer was so slow that the log had moved on.
    #[must_use]
    pub fn overruns(&self) -> u32 {
        let of_left = self.left.as_ref().map_or(0, |left| left.overruns);
        of_left + self.cursors.iter().map(Cursor::overruns).sum::<u32>()
    }

    /// How many losses were reported to this viewer since it connected.
    #[must_use]
    pub fn gaps(&self) -> u32 {
        let of_left = self.left.as_ref().map_or(0, |left| left.gaps);
        of_left + self.cursors.iter().map(Cursor::gaps).sum::<u32>()
    }

    /// The numbers of its hosts, from number `from` on. A host gets the next number when it appears.
    pub fn hosts(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        let numbers = self.cursors.iter().map(Cursor::host_number);
        numbers.filter(move |&number| from <= number)
    }

    /// How many hosts it knows, wanted or not: the number that the next one gets.
    #[must_use]
    pub fn known_hosts(&self) -> usize {
        self.host_count
    }

    /// The numbers of hosts of which it reads no more, because a relay has forgotten them; each is given once.
    pub fn take_left_hosts(&mut self) -> Vec<usize> {
        let left = self.left.as_mut();
        left.map(|left| std::mem::take(&mut left.numbers))
            .unwrap_or_default()
    }

    /// Where it stands, if it reads one host and has everything of it.
    #[must_use]
    pub fn place(&self) -> Option<SharedPlace> {
        match &self.cursors[..] {
            [only] => only.place(self.host_count),
            _ => None,
        }
    }

    /// Goes to a place that its viewer has reached without reading.
    pub fn stand_at(&mut self, place: &SharedPlace) {
        if let [only] = &mut self.cursors[..] {
            only.stand_at(place);
        }
    }

    /// Where a source that waits for its viewers sees how far this one has read, if it reads one host.
    #[must_use]
    pub fn read_mark(&self) -> Option<ReadMark> {
        match &self.cursors[..] {
            [only] => only.read_mark(),
            _ => None,
        }
    }

    /// Whether the viewer resumes.
    #[must_use]
    pub fn is_resume(&self) -> bool {
        !self.query.after.is_empty()
    }

    /// The viewer's position in the earlier log of a host that a relay had forgotten, and that has come back.
    fn position_in_earlier_log(&self, host: &HostName) -> Option<Position> {
        self.hub.shared.relaying.as_ref()?;
        let mut earlier = self.cursors.iter().rev();
        match earlier.find(|it| it.host() == host) {
            Some(cursor) => cursor.position(),
            None => self.left.as_ref()?.position(host),
        }
    }

    /// Places a cursor in the log of each new host; at the `first_look`, all hosts existed before the viewer.
    fn find_hosts(&mut self, first_look: bool) {
        let host_count = self.hub.shared.host_count.load(Ordering::Acquire);
        if host_count == self.host_count {
            return;
        }
        let known = std::mem::replace(&mut self.host_count, host_count);
        // A host that appears later is read from its first message.
        let everything = Query {
            last: Some(u64::MAX),
            after: self.query.after.clone(),
            deflated: self.query.deflated,
            ..Query::default()
        };
        let now = self.hub.now_ms();
        let logs = lock(&self.hub.shared.logs);
        for log in logs.values() {
            let number = log.number.load(Ordering::Acquire);
            if !(known..host_count).contains(&number) || !self.query.wants(&log.host) {
                continue;
            }
            let log = std::sync::Arc::clone(log);
            let is_resumed = || self.query.after.iter().any(|it| it.host == log.host);
            let cursor = if first_look {
                Cursor::new(&self.hub, log, &self.query, now)
            } else if let Some(position) = self.position_in_earlier_log(&log.host) {
                let resumed = Query {
                    after: vec![position],
                    ..everything.clone()
                };
                Cursor::new(&self.hub, log, &resumed, now)
            } else if is_resumed() {
                Cursor::new(&self.hub, log, &everything, now)
            } else {
                // The viewer didn't request what happened before the host appeared.
                Cursor::in_ring(&self.hub, log, &everything, now)
            };
            if self.cursors.len() < USUAL_HOSTS {
                self.cursors.reserve_exact(1);
            }
            self.cursors.push(cursor);
        }
    }
}

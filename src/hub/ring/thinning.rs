//! How a ring makes room for others when it is not time that bounds it.

use std::time::Duration;

use super::{Ring, RingEntry};
use crate::millis::in_millis;

/// A ring has room for at most so many times its messages.
const MOST_ROOM: usize = 2;

impl Ring {
    /// The memory that it takes, in bytes.
    pub(in crate::hub) fn memory(&self) -> usize {
        self.memory_with_room_for(self.entries.capacity())
    }

    fn memory_with_room_for(&self, entries: usize) -> usize {
        let entries = entries * size_of::<RingEntry>();
        self.bytes + self.deflated.count() + entries + self.streams.memory()
    }

    /// The memory of the messages that are at most so much older than the newest one, without that.
    pub(in crate::hub) fn recent_memory(&self, age: Duration) -> usize {
        let since = self.clock.saturating_sub(in_millis(age));
        let first = self.entries.partition_point(|entry| entry.clock < since);
        let older = self.entries.range(first..).rev().skip(1);
        older
            .map(|entry| entry.frame.size() + size_of::<RingEntry>())
            .sum()
    }

    /// The memory that the newest message doesn't need.
    pub(in crate::hub) fn spare_memory(&self) -> usize {
        self.memory().saturating_sub(self.least_memory())
    }

    fn least_memory(&self) -> usize {
        let newest = self.entries.back();
        newest.map_or(0, |it| it.frame.size() + MOST_ROOM * size_of::<RingEntry>())
    }

    /// Drops the oldest messages, whatever their time, until the newest one and at most this much more are left.
    pub(in crate::hub) fn cut(&mut self, spare: usize) {
        let most = self.least_memory().saturating_add(spare);
        while self.entries.len() > 1 && most < self.memory_once_shrunk() {
            self.drop_oldest();
        }
        self.forget_streams();
        self.shrink();
    }

    fn memory_once_shrunk(&self) -> usize {
        let room = self.entries.capacity().min(MOST_ROOM * self.entries.len());
        self.memory_with_room_for(room)
    }

    /// Releases the room of what was dropped.
    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to(MOST_ROOM * self.entries.len());
    }

    /// Forgets the streams before those that it still has messages of.
    pub(super) fn forget_streams(&mut self) {
        let announced = self.announcement.iter().map(|it| it.stream);
        let held = self.entries.iter().map(|entry| entry.stream);
        let ranks = held.chain(announced).filter_map(|it| self.streams.rank(it));
        if let Some(first) = ranks.min() {
            self.streams.forget_before(first);
        }
    }
}

//! The streams of a log, in their order.

use std::collections::HashMap;

use crate::protocol::StreamId;

/// None is forgotten before there are more: a viewer may come back from an earlier one.
const LEAST: usize = 100;

/// The streams, past and expected, with their rank.
#[derive(Debug, Default)]
pub(super) struct StreamRanks {
    ranks: HashMap<StreamId, usize>,
    next: usize,
    /// How many were left when some were last forgotten.
    left: usize,
}

impl StreamRanks {
    /// Names the streams that follow, in order.
    pub(super) fn expect(&mut self, streams: &[StreamId]) {
        for stream in streams {
            if !self.ranks.contains_key(stream) {
                self.ranks.insert(*stream, self.next);
                self.next += 1;
            }
        }
    }

    pub(super) fn rank(&self, stream: StreamId) -> Option<usize> {
        self.ranks.get(&stream).copied()
    }

    /// Whether it is time to forget some: rarely enough not to matter, even if all have to stay.
    pub(super) fn are_many(&self) -> bool {
        LEAST.max(2 * self.left) < self.ranks.len()
    }

    pub(super) fn forget_before(&mut self, first: usize) {
        self.ranks.retain(|_, rank| first <= *rank);
        self.ranks.shrink_to_fit();
        self.left = self.ranks.len();
    }

    /// The memory that they take, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.ranks.capacity() * size_of::<(StreamId, usize)>()
    }

    pub(super) fn clear(&mut self) {
        self.ranks.clear();
        self.left = 0;
    }
}

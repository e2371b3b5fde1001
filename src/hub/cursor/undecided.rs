//! A position in a stream that a relay doesn't know yet: it waits until the store has been read to its end.

use std::sync::atomic::Ordering;

use crate::locks::lock;

use super::Cursor;
use crate::hub::ring::Ring;

impl Cursor {
    /// Waits if the stream of the viewer's position may turn up in the store of a relay.
    pub(super) fn judged(mut self, now: u64) -> Self {
        if !self.knows_stream(&lock(&self.log.ring)) && self.log.relayed.may_find(now) {
            self.log.relayed.wait(true);
            self.undecided = Some(now);
        }
        self
    }

    fn knows_stream(&self, ring: &Ring) -> bool {
        let place = |(stream, seq)| ring.place(stream, seq);
        self.last.is_none_or(|last| place(last).is_some())
    }

    /// Whether it still waits, as [`Cursor::judged`] says.
    pub(super) fn is_undecided(&mut self, ring: &Ring) -> bool {
        let Some(since) = self.undecided else {
            return false;
        };
        let may_find = self.log.relayed.may_find(since) && !self.is_forgotten();
        if !self.knows_stream(ring) && may_find {
            return true;
        }
        self.decide();
        if let Some((stream, seq)) = self.last {
            self.next.store(ring.behind(stream, seq), Ordering::Relaxed);
        }
        false
    }

    pub(super) fn decide(&mut self) {
        if self.undecided.take().is_some() {
            self.log.relayed.wait(false);
        }
    }
}

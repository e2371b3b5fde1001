//! A cursor whose viewer moves on without reading.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Cursor;
use crate::hub::place::{ReadMark, SharedPlace};

impl Cursor {
    /// Where it stands, if it has everything and more may follow.
    pub(in crate::hub) fn place(&self, host_count: usize) -> Option<SharedPlace> {
        let moves = self.up_to.filter(|_| !self.ended)?;
        Some(SharedPlace {
            log: Arc::clone(&self.log),
            next: self.next.load(Ordering::Relaxed),
            last: self.last,
            announced: self.announced.clone(),
            heartbeats: self.heartbeats,
            moves,
            host_count,
        })
    }

    /// Goes to a place that its viewer has reached.
    pub(in crate::hub) fn stand_at(&mut self, place: &SharedPlace) {
        self.next.store(place.next, Ordering::Relaxed);
        self.last = place.last;
        // Nearly always, it is the same, whose count would have to be fetched from memory.
        let address = |it: &Option<Arc<_>>| it.as_ref().map(Arc::as_ptr);
        if address(&self.announced) != address(&place.announced) {
            self.announced.clone_from(&place.announced);
        }
        self.heartbeats = place.heartbeats;
        self.up_to = Some(place.moves);
    }

    /// Its mark, if a source waits for it.
    pub(in crate::hub) fn read_mark(&self) -> Option<ReadMark> {
        self.lossless.then(|| ReadMark(Arc::clone(&self.next)))
    }
}

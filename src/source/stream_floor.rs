//! A request for a new stream.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::StreamId;

/// What a source's stream has to be above: a store may have a newer stream of the same host if the clock was set back.
/// Anybody may raise it; the source then begins another stream with its next sample.
#[derive(Debug, Default)]
pub struct StreamFloor(AtomicU64);

impl StreamFloor {
    /// Requires a stream above this one.
    pub fn raise(&self, above: StreamId) {
        self.0
            .fetch_max(above.0.saturating_add(1), Ordering::AcqRel);
    }

    /// The stream to begin, if `current` is too low; `now` is in milliseconds since the epoch.
    #[must_use]
    pub fn next(&self, current: StreamId, now: u64) -> Option<StreamId> {
        let least = self.0.load(Ordering::Acquire);
        (current.0 < least).then(|| StreamId(least.max(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_below_the_floor_is_replaced_once() {
        let floor = StreamFloor::default();
        assert_eq!(floor.next(StreamId(1000), 5000), None);
        floor.raise(StreamId(1000));
        assert_eq!(floor.next(StreamId(1000), 5000), Some(StreamId(5000)));
        assert_eq!(floor.next(StreamId(5000), 5001), None);
        floor.raise(StreamId(9000));
        assert_eq!(floor.next(StreamId(5000), 5002), Some(StreamId(9001)));
    }
}

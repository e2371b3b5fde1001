//! What a viewer is told besides the messages of the log.

use crate::hub::ring::Ring;
use crate::protocol::{Body, Frame, Gap, StreamId};

use super::Cursor;

impl Cursor {
    pub(super) fn tell_gap(&mut self, stream: StreamId, seq: u64, frames: &mut Vec<Frame>) {
        let gap = self.last.and_then(|last| Gap::between(last, (stream, seq)));
        if let Some(gap) = gap {
            self.gaps += 1;
            frames.push(self.frame(Body::Gap(gap)));
        }
    }

    pub(super) fn beat(&mut self, ring: &Ring, frames: &mut Vec<Frame>) {
        if let Some(heartbeat) = ring.heartbeat()
            && heartbeat.count != self.heartbeats
        {
            self.heartbeats = heartbeat.count;
            // A viewer that has read on since then needs no heartbeat.
            if self.last.is_none_or(|(_, seq)| seq <= heartbeat.seq) {
                frames.push(heartbeat.frame(self.deflated));
            }
        }
    }
}

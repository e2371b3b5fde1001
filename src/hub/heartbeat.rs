//! What viewers that have everything get from time to time.

use crate::protocol::{Body, Frame, HeldBytes, HostName, Message, Sample};

use super::shared_frame::SharedFrame;

#[derive(Debug)]
pub(super) struct Heartbeat {
    /// Counts the heartbeats.
    pub(super) count: u64,
    /// The newest number when it was made.
    pub(super) seq: u64,
    frame: SharedFrame,
    /// The message and the heartbeat, one of which its viewers have just had.
    before: [Option<Frame>; 2],
    held: HeldBytes,
}

impl Heartbeat {
    /// The heartbeat after `last` (`None` for the first), with the number, sample and frame of the newest message.
    pub(super) fn after(
        last: Option<Self>,
        host: &HostName,
        (seq, sample): &(u64, Sample),
        newest: Option<&Frame>,
        held: &HeldBytes,
    ) -> Self {
        let body = Body::Heartbeat {
            seq: Some(*seq),
            sample: sample.clone(),
        };
        let host = Some(host.clone());
        let count = last.as_ref().map_or(0, |last| last.count);
        Self {
            count: count + 1,
            seq: *seq,
            frame: SharedFrame::new(Message { host, body }.frame()),
            before: [newest.cloned(), last.map(|last| (*last.frame).clone())],
            held: held.clone(),
        }
    }

    /// Its frame, with its forms for a viewer that wants it `deflated`.
    pub(super) fn frame(&self, deflated: bool) -> Frame {
        let before = || self.before.each_ref().map(Option::as_ref);
        self.frame.wanted(deflated, &self.held, before)
    }

    /// Its frame.
    pub(super) fn plain(&self) -> &Frame {
        &self.frame
    }
}

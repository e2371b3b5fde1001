//! The data waiting to be sent to one viewer.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::protocol::Frame;

use super::encoding::Deflating;

/// The most buffers that one write takes (`IOV_MAX` is 1024; more than this gains nothing).
const SLICES: usize = 64;

/// How messages are sent to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Transport {
    WebSocket,
    /// Server-Sent Events.
    EventStream,
}

/// Whole WebSocket frames in order, the first of which may be partly written; or pieces of events.
///
/// Everything written to a viewer goes through its outbox, so a control frame never lands inside another frame.
#[derive(Debug, Default)]
pub(in crate::server) struct Outbox {
    /// Empty if nothing is waiting. It is separate because a viewer that keeps up has one frame at a time, and needs no
    /// capacity for more.
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// How many bytes of the first frame have been written.
    written: usize,
}

impl Outbox {
    /// Adds a frame. An empty one would look like the end of the outbox, so it is skipped.
    pub(in crate::server) fn push(&mut self, frame: Bytes) {
        if frame.is_empty() {
            return;
        }
        if self.first.is_empty() {
            self.first = frame;
        } else {
            self.rest.push_back(frame);
        }
    }

    /// Adds messages in the form of `transport`, deflated if the viewer wants that.
    pub(in crate::server) fn extend(
        &mut self,
        frames: &mut Vec<Frame>,
        transport: Transport,
        deflating: Option<&mut Deflating>,
    ) {
        match (transport, deflating) {
            (Transport::WebSocket, None) => frames
                .drain(..)
                .for_each(|frame| self.push(frame.into_wire())),
            (Transport::WebSocket, Some(deflating)) => frames
                .drain(..)
                .for_each(|frame| self.push(deflating.wire(frame))),
            (Transport::EventStream, _) => frames
                .drain(..)
                .flat_map(|frame| frame.event())
                .for_each(|piece| self.push(piece)),
        }
    }

    /// Whether nothing is waiting.
    pub(in crate::server) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// What is waiting, if that is a single frame or nothing.
    pub(in crate::server) fn only(&self) -> Option<Bytes> {
        self.rest.is_empty().then(|| self.first.clone())
    }

    /// A frame has been `written` in part, past an outbox that was empty.
    pub(in crate::server) fn has_begun(&mut self, frame: Bytes, written: usize) {
        debug_assert!(self.is_empty(), "no other frame may follow a part of one");
        (self.first, self.written) = (frame, written);
    }

    /// Removes the frames that haven't been started.
    pub(in crate::server) fn keep_begun(&mut self) {
        self.rest.clear();
        if self.written == 0 {
            self.first = Bytes::new();
        }
    }

    /// Passes `write` as much as it takes, many frames at once. Returns whether everything has been written; false if
    /// `write` would block.
    pub(in crate::server) fn drain(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        while !self.first.is_empty() {
            let first = IoSlice::new(&self.first[self.written..]);
            let written = if self.rest.is_empty() {
                write(&[first]) // nearly always, because most viewers keep up
            } else {
                let mut slices = [first; SLICES];
                for (slice, frame) in slices[1..].iter_mut().zip(&self.rest) {
                    *slice = IoSlice::new(frame);
                }
                write(&slices[..SLICES.min(1 + self.rest.len())])
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.taken(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.rest.capacity() > 0 {
            self.rest = VecDeque::new(); // a viewer that has caught up needs no capacity
        }
        Ok(true)
    }

    fn taken(&mut self, mut bytes: usize) {
        bytes += self.written;
        while !self.first.is_empty() && bytes >= self.first.len() {
            bytes -= self.first.len();
            self.first = self.rest.pop_front().unwrap_or_default();
        }
        self.written = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However little a socket takes at a time, the bytes are written in order, once.
        #[test]
        fn bytes_come_out_in_order(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..150),
            takes in prop::collection::vec(prop::option::of(1..90_usize), 1..20),
        ) {
            let mut outbox = Outbox::default();
            for frame in &frames {
                outbox.push(frame.clone().into());
            }
            let mut out = Vec::new();
            let mut takes = takes.iter().chain([&Some(30)]).cycle();
            let mut write = |slices: &[IoSlice<'_>]| {
                let Some(take) = takes.next().copied().flatten() else { return Err(io::ErrorKind::WouldBlock.into()) };
                let offered: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                let taken = take.min(offered.len());
                out.extend_from_slice(&offered[..taken]);
                Ok(taken)
            };
            while !outbox.drain(&mut write).unwrap() {}
            prop_assert_eq!(out, frames.concat());
        }
    }

    #[test]
    fn only_a_partly_written_frame_is_completed() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abc"));
        outbox.push(Bytes::from_static(b"def"));
        let mut takes = [2].into_iter();
        let mut write = |_: &[IoSlice<'_>]| takes.next().ok_or(io::ErrorKind::WouldBlock.into());
        assert!(!outbox.drain(&mut write).unwrap());
        outbox.keep_begun();
        let mut rest = Vec::new();
        let all = outbox.drain(|slices| {
            rest.extend_from_slice(&slices[0]);
            Ok(slices[0].len())
        });
        assert_eq!((all.unwrap(), rest.as_slice()), (true, b"c".as_slice()));
    }
}

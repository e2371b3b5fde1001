//! How a viewer gets the text of messages: as it is, or deflated.

use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::{Deflated, Frame, MAX_INFLATED_BYTES, in_binary, stored_frame};

/// How the text of messages is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Encoding {
    /// As it is.
    Plain,
    /// As negotiated (RFC 7692); each message `alone`, if the viewer keeps no window.
    Extension { alone: bool },
    /// The same bytes in binary frames, for clients that don't know the extension.
    Binary,
}

/// Deflates for one viewer. The work is shared; only the viewer's last message is its own.
#[derive(Debug, Clone)]
pub(in crate::server) struct Deflating {
    encoding: Encoding,
    /// What the viewer's window ends with, if others have had it as well.
    last: Option<Arc<Deflated>>,
}

/// Equal last messages are the same one in memory.
impl PartialEq for Deflating {
    fn eq(&self, other: &Self) -> bool {
        let last = |it: &Self| it.last.as_ref().map(Arc::as_ptr);
        self.encoding == other.encoding && last(self) == last(other)
    }
}

impl Deflating {
    /// `None` for a viewer that gets the text as it is.
    pub(in crate::server) fn new(encoding: Encoding) -> Option<Box<Self>> {
        let is_plain = encoding == Encoding::Plain;
        let last = None;
        (!is_plain).then(|| Box::new(Self { encoding, last }))
    }

    /// Takes out its state, without which it doesn't know the last message: it has to be set again before the next.
    pub(in crate::server) fn take(&mut self) -> Self {
        let last = self.last.take();
        let encoding = self.encoding;
        Self { encoding, last }
    }

    /// The next message, ready to be sent.
    pub(in crate::server) fn wire(&mut self, frame: Frame) -> Bytes {
        if self.encoding == Encoding::Binary && frame.json().len() > MAX_INFLATED_BYTES {
            return frame.into_wire();
        }
        let last = std::mem::replace(&mut self.last, frame.deflated().cloned());
        let compressed = match &self.last {
            Some(forms) => forms.frame_after(last.as_deref()).clone(),
            None => stored_frame(frame.json()),
        };
        match self.encoding {
            Encoding::Binary => in_binary(&compressed),
            Encoding::Extension { alone: true } => {
                self.last = None;
                compressed
            }
            Encoding::Extension { alone: false } | Encoding::Plain => compressed,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

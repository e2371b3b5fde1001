//! The hello of a host. A crowd that joins between two messages gets the same one, so it is encoded once.

use std::sync::{Arc, Mutex};

use super::{Announcement, Ring};
use crate::locks::lock;
use crate::protocol::{Alert, Body, Frame, Hello, HostName, Message, SERVER, StreamId};

/// The hello that was encoded last, until something changes that it says.
#[derive(Debug, Default)]
pub(super) struct LastHello(Mutex<Option<EncodedHello>>);

#[derive(Debug)]
struct EncodedHello {
    announcement: Arc<Announcement>,
    oldest: u64,
    held: Option<u64>,
    frame: Frame,
}

impl LastHello {
    pub(super) fn clear(&mut self) {
        *lock(&self.0) = None;
    }
}

impl Ring {
    /// The hello of `announcement` to viewers of `host`, as a frame. They can look back until `held`.
    pub(in crate::hub) fn hello_frame(
        &self,
        host: &HostName,
        announcement: &Arc<Announcement>,
        held: Option<u64>,
    ) -> Frame {
        let oldest = self.oldest_in(announcement.stream);
        let mut last = lock(&self.last_hello.0);
        if let Some(last) = &*last
            && Arc::ptr_eq(&last.announcement, announcement)
            && (last.oldest, last.held) == (oldest, held)
        {
            return last.frame.clone();
        }
        let hello = Hello {
            held,
            ..self.hello(announcement)
        };
        let body = Body::Hello(Box::new(hello));
        let host = Some(host.clone());
        let frame = Message { host, body }.frame();
        *last = Some(EncodedHello {
            announcement: Arc::clone(announcement),
            oldest,
            held,
            frame: frame.clone(),
        });
        frame
    }

    /// The number of the oldest entry of `stream`; 0 if there is none.
    fn oldest_in(&self, stream: StreamId) -> u64 {
        let mut entries = self.entries.iter();
        let oldest = entries.find(|entry| entry.stream == stream);
        oldest.map_or(0, |entry| entry.seq)
    }

    pub(in crate::hub) fn hello(&self, announcement: &Announcement) -> Hello {
        let stream = announcement.stream;
        let mut entries = self.entries.iter().rev();
        let newest = entries.find(|entry| entry.stream == stream);
        Hello {
            server: SERVER.into(),
            stream,
            oldest: self.oldest_in(stream),
            newest: newest.map_or(0, |entry| entry.seq),
            interval: announcement.interval,
            heartbeat: announcement.heartbeat,
            system: announcement.system.clone(),
            replay: announcement.replay,
            metrics: Arc::clone(&announcement.metrics),
            containers: announcement.containers,
            alerts: self.firing_in(stream),
            unavailable: announcement.unavailable.to_vec(),
            ..Hello::default()
        }
    }

    /// What fires now in `stream`; nothing in one that is over.
    fn firing_in(&self, stream: StreamId) -> Vec<Alert> {
        let current = self.announcement.as_ref();
        if current.is_some_and(|current| current.stream == stream) {
            self.firing.alerts().to_vec()
        } else {
            Vec::new()
        }
    }
}

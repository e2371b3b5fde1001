//! What a thread reads ahead of a viewer, because it may take long: a few batches at most.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Weak};

use super::Hub;

/// Batches that wait between the thread and the viewer.
const BATCHES_AHEAD: usize = 2;

/// The approximate size of a batch, in bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// How many viewers may read old messages at once.
const MOST_READERS: usize = 4;

/// Counts the viewers that read old messages.
#[derive(Debug, Default)]
pub(super) struct PastReaders(AtomicUsize);

/// One of the viewers that may read old messages, until it is dropped.
pub(super) struct PastPermit(Arc<PastReaders>);

impl PastPermit {
    /// `None` if too many viewers read old messages. The hub wakes its viewers when that has changed.
    pub(super) fn take(hub: &Hub) -> Option<Self> {
        let readers = &hub.shared.past_readers;
        let more = |count| (count < MOST_READERS).then_some(count + 1);
        let taken = readers
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.is_ok().then(|| Self(Arc::clone(readers)))
    }
}

impl Drop for PastPermit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What comes next, if it is ready.
pub(super) enum NextAhead<T> {
    /// This.
    Entry(T),
    /// Nothing yet; the hub wakes its viewers when there is something.
    NotYet,
    /// There is no more.
    Over,
}

/// The viewer's side. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct ReadAhead<T> {
    batches: Receiver<Vec<T>>,
    batch: VecDeque<T>,
    _wanted: Arc<()>,
}

impl<T: Send + 'static> ReadAhead<T> {
    /// Starts a thread that reads; `None` if that is impossible.
    pub(super) fn begin(
        hub: &Hub,
        permit: PastPermit,
        read: impl FnOnce(&mut Batches<T>) + Send + 'static,
    ) -> Option<Self> {
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let wanted = Arc::new(());
        let mut ahead = Batches {
            hub: hub.clone(),
            sender,
            batch: Vec::new(),
            bytes: 0,
            wanted: Arc::downgrade(&wanted),
        };
        let work = move || {
            read(&mut ahead);
            ahead.send();
            let hub = ahead.hub.clone();
            // The viewer then sees the end, and others that there is room.
            drop((ahead, permit));
            hub.wake_all();
        };
        let thread = std::thread::Builder::new().name("past".into()).spawn(work);
        if let Err(error) = &thread {
            tracing::warn!(%error, "cannot start reading old messages");
            return None;
        }
        Some(Self {
            batches,
            batch: VecDeque::new(),
            _wanted: wanted,
        })
    }

    /// Takes what comes next.
    pub(super) fn next(&mut self) -> NextAhead<T> {
        loop {
            if let Some(entry) = self.batch.pop_front() {
                return NextAhead::Entry(entry);
            }
            match self.batches.try_recv() {
                Ok(batch) => self.batch = batch.into(),
                Err(TryRecvError::Empty) => return NextAhead::NotYet,
                Err(TryRecvError::Disconnected) => return NextAhead::Over,
            }
        }
    }
}

/// The thread's side.
pub(super) struct Batches<T> {
    hub: Hub,
    sender: SyncSender<Vec<T>>,
    batch: Vec<T>,
    bytes: usize,
    wanted: Weak<()>,
}

impl<T> Batches<T> {
    /// Adds an entry of about so many bytes. Waits for the viewer, if that is far behind.
    pub(super) fn add(&mut self, entry: T, bytes: usize) {
        self.batch.push(entry);
        self.bytes += bytes;
        if self.bytes >= BATCH_BYTES {
            self.send();
        }
    }

    /// Whether the viewer is still there.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.strong_count() > 0
    }

    fn send(&mut self) {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        // A viewer that has left needs no more.
        if !batch.is_empty() && self.sender.send(batch).is_ok() {
            self.hub.wake_all();
        }
    }
}

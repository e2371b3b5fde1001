//! What the spool's thread, its readers and the hub share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::options::SpoolOptions;
use crate::disk::Disk;
use crate::hub::{Announcement, PastStatus};
use crate::locks::{lock, unpoisoned};
use crate::protocol::{HostName, StreamId};

/// How long a message may wait until it is in the spool, before it is published anyway. So what a viewer has is in the
/// spool too, even if the process is killed right after.
const PATIENCE: Duration = Duration::from_millis(100);

/// A queue that hasn't moved for this long counts as paused.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// After the disk has kept a message waiting too long, none waits until it has been quick for this long: one that stalls
/// now and then delays next to nothing.
const QUIET: Duration = Duration::from_secs(60);

/// The rows of a stream in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamSpan {
    pub(super) stream: StreamId,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) samples: u64,
}

/// What is shared.
#[derive(Debug)]
pub(super) struct SpoolState {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    host: HostName,
    /// The interval and the heartbeat of the server, in milliseconds.
    pub(super) pace: (u64, u64),
    progress: Mutex<Progress>,
    /// Signals that `progress` has changed.
    moved: Condvar,
    /// The announcement of the current stream.
    current: Mutex<Option<Arc<Announcement>>>,
    /// The streams in files that are closed, by the names of the files.
    pub(super) spans: Mutex<BTreeMap<String, Arc<[StreamSpan]>>>,
    /// What could not be read and was reported: the names of files, and of the directory.
    reported: Mutex<BTreeSet<String>>,
}

/// How far the thread is.
#[derive(Debug, Default)]
struct Progress {
    /// Messages handed to the thread.
    sent: u64,
    /// Messages that the thread has taken, written or not.
    taken: u64,
    written: u64,
    lost: u64,
    bytes: u64,
    oldest: Option<u64>,
    /// Why nothing is written.
    paused: Option<String>,
    /// Since when the thread has not taken all messages.
    behind: Option<Instant>,
    /// Since when the thread has been using the disk.
    busy: Option<Instant>,
    /// When the disk last took longer than a message may wait.
    slow: Option<Instant>,
    is_closed: bool,
}

impl Progress {
    /// Whether the disk has kept the thread for `time`.
    fn is_kept_for(&self, time: Duration) -> bool {
        self.busy.is_some_and(|since| time <= since.elapsed())
    }

    fn may_wait(&self) -> bool {
        self.slow.is_none_or(|at| QUIET <= at.elapsed())
    }
}

/// The number of a message among those handed to the thread.
pub(super) struct QueueNumber(u64);

impl SpoolState {
    pub(super) fn new(disk: Arc<dyn Disk>, directory: PathBuf, options: &SpoolOptions) -> Self {
        Self {
            disk,
            directory,
            host: options.host.clone(),
            pace: options.pace,
            progress: Mutex::default(),
            moved: Condvar::new(),
            current: Mutex::default(),
            spans: Mutex::default(),
            reported: Mutex::default(),
        }
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(super) fn host(&self) -> &HostName {
        &self.host
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Says what cannot be read, once for each file: many viewers may try. The name of the directory is empty.
    pub(super) fn report_once(&self, file: &str, failure: &str) {
        if lock(&self.reported).insert(file.to_owned()) {
            tracing::warn!("{failure}");
        }
    }

    /// Forgets what is known about files before `oldest`, which have been removed.
    pub(super) fn forget_before(&self, oldest: &str) {
        let mut spans = lock(&self.spans);
        *spans = spans.split_off(oldest);
        let mut reported = lock(&self.reported);
        *reported = reported.split_off(oldest);
    }

    pub(super) fn current(&self) -> Option<Arc<Announcement>> {
        lock(&self.current).clone()
    }

    pub(super) fn set_current(&self, announcement: Arc<Announcement>) {
        *lock(&self.current) = Some(announcement);
    }

    /// A message was handed to the thread.
    pub(super) fn note_sent(&self) -> QueueNumber {
        let mut progress = lock(&self.progress);
        progress.sent += 1;
        progress.behind.get_or_insert_with(Instant::now);
        QueueNumber(progress.sent)
    }

    /// The message could not be handed over after all.
    pub(super) fn take_back(&self, _: QueueNumber) {
        let mut progress = lock(&self.progress);
        progress.sent -= 1;
        if progress.sent <= progress.taken {
            progress.behind = None;
        }
    }

    /// The thread begins to use the disk.
    pub(super) fn note_busy(&self) {
        lock(&self.progress).busy = Some(Instant::now());
    }

    /// The thread has used the disk for something else than a message.
    pub(super) fn note_idle(&self) {
        lock(&self.progress).busy = None;
    }

    /// The thread has taken a message, and has written it or not.
    pub(super) fn note_taken(&self, is_written: bool) {
        let mut progress = lock(&self.progress);
        progress.taken += 1;
        if is_written {
            progress.written += 1;
        } else {
            progress.lost += 1;
        }
        if progress.is_kept_for(PATIENCE) {
            progress.slow = Some(Instant::now());
        }
        progress.busy = None;
        // What still waits has waited since then at most.
        progress.behind = (progress.taken < progress.sent).then(Instant::now);
        drop(progress);
        self.moved.notify_all();
    }

    /// A message didn't fit into the queue.
    pub(super) fn note_lost(&self) {
        lock(&self.progress).lost += 1;
    }

    pub(super) fn set_paused(&self, reason: Option<String>) {
        lock(&self.progress).paused = reason;
    }

    /// What the directory holds: bytes, and the time of the oldest message.
    pub(super) fn set_contents(&self, bytes: u64, oldest: Option<u64>) {
        let mut progress = lock(&self.progress);
        (progress.bytes, progress.oldest) = (bytes, oldest);
    }

    pub(super) fn oldest(&self, host: &HostName) -> Option<u64> {
        (*host == self.host).then(|| lock(&self.progress).oldest)?
    }

    /// Waits until the thread has taken a message, but no longer than [`PATIENCE`], and not at all if the disk has lately
    /// been slower than that.
    pub(super) fn wait_for(&self, QueueNumber(number): QueueNumber) {
        let progress = lock(&self.progress);
        if progress.may_wait() {
            let waited = self
                .moved
                .wait_timeout_while(progress, PATIENCE, |it| it.taken < number);
            let (mut progress, waited) = unpoisoned(waited);
            // On a busy processor, the thread may come late; that is not the disk's fault.
            if waited.timed_out() && progress.is_kept_for(PATIENCE / 2) {
                progress.slow = Some(Instant::now());
            }
        }
    }

    /// Whether messages wait until they are written.
    #[cfg(test)]
    pub(super) fn may_wait(&self) -> bool {
        lock(&self.progress).may_wait()
    }

    pub(super) fn set_closed(&self) {
        lock(&self.progress).is_closed = true;
        self.moved.notify_all();
    }

    pub(super) fn wait_until_closed(&self, patience: Duration) {
        let progress = lock(&self.progress);
        let waited = self
            .moved
            .wait_timeout_while(progress, patience, |it| !it.is_closed);
        drop(waited);
    }

    pub(super) fn status(&self) -> PastStatus {
        let progress = lock(&self.progress);
        let is_stalled = |since: Instant| since.elapsed() >= STALLED_AFTER;
        let stalled = || {
            let is_stalled = progress.behind.is_some_and(is_stalled);
            is_stalled.then(|| "the disk does not answer".to_owned())
        };
        PastStatus {
            paused: progress.paused.clone().or_else(stalled),
            written: progress.written,
            lost: progress.lost,
            bytes: progress.bytes,
            oldest: progress.oldest,
        }
    }
}

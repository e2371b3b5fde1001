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

/// A queue that hasn't moved for this long counts as paused.
const STALLED_AFTER: Duration = Duration::from_secs(5);

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
    /// Messages that the thread has taken, written or not.
    taken: u64,
    written: u64,
    lost: u64,
    bytes: u64,
    oldest: Option<u64>,
    /// Why nothing is written.
    paused: Option<String>,
    /// Since when messages have waited longer than they should.
    behind: Option<Instant>,
    is_closed: bool,
}

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

    /// The thread has taken a message, and has written it or not.
    pub(super) fn note_taken(&self, is_written: bool) {
        let mut progress = lock(&self.progress);
        progress.taken += 1;
        if is_written {
            progress.written += 1;
        } else {
            progress.lost += 1;
        }
        drop(progress);
        self.moved.notify_all();
    }

    /// A message didn't fit into the queue.
    pub(super) fn note_lost(&self) {
        lock(&self.progress).lost += 1;
    }

    /// Messages wait for the disk longer than they should, or no longer do.
    pub(super) fn set_behind(&self, is_behind: bool) {
        let mut progress = lock(&self.progress);
        progress.behind = is_behind.then(|| progress.behind.unwrap_or_else(Instant::now));
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

    /// Waits until the thread has taken that many messages. Returns whether it has.
    pub(super) fn wait_for(&self, count: u64, patience: Duration) -> bool {
        let progress = lock(&self.progress);
        let waited = self
            .moved
            .wait_timeout_while(progress, patience, |it| it.taken < count);
        !unpoisoned(waited).1.timed_out()
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

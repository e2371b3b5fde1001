//! The spool: the messages of this host on disk, beyond the ring and beyond the process.
//!
//! A thread of its own appends every message, as `record --rotate 1h` would. A message waits up to 100 ms until it is
//! written; once the disk has taken longer, none waits until it has been quick for a minute. The queue is bounded, and
//! what doesn't fit is missing from the spool, which its numbers show. Viewers whose position is older than the ring read
//! the files through [`Past`], also while they are being written.

mod beginning;
mod firing;
mod options;
mod reading;
mod spans;
mod state;
mod stepping;
#[cfg(test)]
mod tests;
mod writing;

use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::disk::{Disk, SystemDisk};
use crate::hub::{
    Announcement, Past, PastFrom, PastMessage, PastMessages, PastParts, PastRequest, PastStatus,
};
use crate::locks::lock;
use crate::millis::{epoch_millis, in_millis};
use crate::protocol::{Alert, HostName, Numbered, StreamId};
use crate::recording::{OutputError, RotationLimits};

pub use options::SpoolOptions;

use options::SPARED;
use state::{QueueNumber, SpoolState};
use writing::SpoolWriter;

/// Messages that wait for the disk: at the shortest interval, for more than a minute.
const QUEUE: usize = 512;

/// A ring is filled with at least this many samples, however old.
const LEAST_RESTORED: u64 = 30;

/// How long the end of the process may wait for the disk.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// The spool of a host.
#[derive(Debug)]
pub struct Spool {
    state: Arc<SpoolState>,
    queue: Mutex<Option<SyncSender<Numbered>>>,
    /// The stream of the last message that was there at first.
    last_stream: Option<StreamId>,
}

impl Spool {
    /// Opens the spool and starts its thread. If the directory cannot be written, the spool begins paused. If its newest
    /// file is damaged, that is renamed, and a new one begins with what can be read of it.
    ///
    /// # Errors
    /// When another process writes to it, it is the spool of another host, or the thread cannot be started.
    pub fn open(options: SpoolOptions) -> Result<Self, OutputError> {
        Self::on_disk(Arc::new(SystemDisk), options)
    }

    fn on_disk(disk: Arc<dyn Disk>, options: SpoolOptions) -> Result<Self, OutputError> {
        let directory = options.directory.join(options.host.file_stem());
        let state = Arc::new(SpoolState::new(Arc::clone(&disk), directory, &options));
        let limits = RotationLimits {
            keep: Some(options.keep),
            keep_bytes: Some(options.keep_bytes),
            spared: SPARED,
        };
        let writer =
            SpoolWriter::open(disk, Arc::clone(&state), options.directory.clone(), limits)?;
        let last_stream = writer.last_stream();
        let (queue, waiting) = mpsc::sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("spool".into());
        thread
            .spawn(move || writer.run(&waiting))
            .map_err(|source| OutputError::Open {
                name: options.directory.display().to_string(),
                source,
            })?;
        Ok(Self {
            state,
            queue: Mutex::new(Some(queue)),
            last_stream,
        })
    }

    /// The directory of the host.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.state.directory()
    }

    /// The stream of the last message of earlier runs.
    #[must_use]
    pub fn last_stream(&self) -> Option<StreamId> {
        self.last_stream
    }

    /// The newest messages, to fill a ring that keeps `retain`: those of that time before now, and no fewer than 30
    /// samples.
    #[must_use]
    pub fn tail(&self, retain: Duration) -> Vec<PastMessage> {
        let since = epoch_millis().saturating_sub(in_millis(retain));
        let recent = self.state.collect(PastFrom::Since(since));
        let samples = recent.iter().filter(|it| it.message.alert.is_none());
        if (samples.count() as u64) < LEAST_RESTORED {
            self.state.collect(PastFrom::Last(LEAST_RESTORED))
        } else {
            recent
        }
    }

    /// The alerts that fire at the end of the spool.
    #[must_use]
    pub fn firing(&self) -> Vec<Alert> {
        firing::at_the_end(&self.state)
    }

    /// Writes what waits, and lets another process have the directory. Waits for a disk that doesn't answer, but not for
    /// long.
    pub fn close(&self) {
        drop(lock(&self.queue).take());
        self.state.wait_until_closed(CLOSE_PATIENCE);
    }

    /// Hands a message to the thread; `None` if the queue is full.
    fn send(&self, message: Numbered) -> Option<QueueNumber> {
        let queue = lock(&self.queue);
        let queue = queue.as_ref()?;
        let ticket = self.state.note_sent();
        if queue.try_send(message).is_err() {
            self.state.take_back(ticket);
            return None;
        }
        Some(ticket)
    }
}

impl Past for Spool {
    fn read(&self, wanted: &PastRequest) -> std::io::Result<PastMessages> {
        Ok(Box::new(reading::Messages::begin(
            Arc::clone(&self.state),
            wanted.from,
            wanted.before,
        )?))
    }

    fn read_in_steps(&self, wanted: &PastRequest, step: u64) -> std::io::Result<PastParts> {
        let state = Arc::clone(&self.state);
        Ok(Box::new(stepping::SpoolParts::begin(state, wanted, step)?))
    }

    fn announced(&self, _: &HostName, announcement: &Arc<Announcement>) {
        self.state.set_current(Arc::clone(announcement));
    }

    fn keep(&self, message: &Numbered) {
        match self.send(message.clone()) {
            Some(ticket) => self.state.wait_for(ticket),
            None => self.state.note_lost(),
        }
    }

    fn oldest(&self, host: &HostName) -> Option<u64> {
        self.state.oldest(host)
    }

    fn status(&self) -> Option<PastStatus> {
        Some(self.state.status())
    }
}

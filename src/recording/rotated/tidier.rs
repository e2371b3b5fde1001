//! What is done with closed files, on a thread of its own: it may take long, and nothing waits for it.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::super::output::Output;
use super::super::output_error::OutputError;
use super::directory::{RotatedFile, files_in};
use super::minutes::write_minutes;
use super::packing::pack;
use super::pruning::{RotationLimits, prune};
use super::writer::Pushed;
use crate::disk::Disk;
use crate::millis::epoch_millis;
use crate::wording::{cause, with_causes};

/// Compresses closed files and removes the oldest ones. Dropping it lets the thread finish its work.
#[derive(Debug)]
pub struct Tidier {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    /// Bytes written since files were pruned.
    unpruned: u64,
    /// Whether a job to sync waits or is being done.
    is_syncing: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Job {
    /// A directory whose files but the newest are closed, and the last of them if it was open until now.
    Tidy(PathBuf, Option<Arc<Output>>),
    /// The time of the newest message.
    Prune(u64),
    /// A file whose rows may not be on the disk yet.
    Sync(Arc<Output>),
}

/// How many bytes may be written before the limits are checked again.
const PRUNED_EVERY: u64 = 1024 * 1024;

impl Tidier {
    /// Starts the thread.
    ///
    /// # Errors
    /// When that is impossible.
    pub fn start(disk: Arc<dyn Disk>, limits: RotationLimits) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let is_syncing = Arc::new(AtomicBool::new(false));
        let syncing = Arc::clone(&is_syncing);
        let thread = std::thread::Builder::new()
            .name("tidier".into())
            .spawn(move || work(&*disk, limits, &waiting, &syncing))?;
        Ok(Self {
            jobs,
            thread,
            unpruned: PRUNED_EVERY,
            is_syncing,
        })
    }

    /// Does what follows from a message that was written to `directory`: compresses the file that it closed, and now and
    /// then removes what the limits don't allow to keep. `newest`: the time of the newest message of all directories.
    pub fn follow(&mut self, directory: &Path, pushed: Pushed, newest: impl FnOnce() -> u64) {
        self.unpruned += pushed.bytes;
        let has_closed = pushed.closed.is_some();
        if has_closed {
            self.tidy(directory.into(), pushed.closed);
        }
        if has_closed || PRUNED_EVERY <= self.unpruned {
            self.unpruned = 0;
            // A host whose clock is ahead makes no file old.
            self.prune(newest().min(epoch_millis()));
        }
    }

    /// Compresses all files in `directory` but the newest. Directories that were tidied once are pruned, too.
    pub fn tidy(&self, directory: PathBuf, closed: Option<Arc<Output>>) {
        // The thread ends only after this.
        let _ = self.jobs.send(Job::Tidy(directory, closed));
    }

    /// Removes what the limits don't allow to keep; the newest message is of the time `newest`.
    pub(super) fn prune(&self, newest: u64) {
        let _ = self.jobs.send(Job::Prune(newest));
    }

    /// Waits, on the thread, until the rows of an output are on the disk. Returns false, and does nothing, while the disk
    /// has yet to answer the one before: jobs would pile up.
    pub fn sync(&self, output: &Arc<Output>) -> bool {
        let is_free = !self.is_syncing.swap(true, Ordering::AcqRel);
        if is_free {
            let _ = self.jobs.send(Job::Sync(Arc::clone(output)));
        }
        is_free
    }

    /// Waits until everything is done.
    pub fn finish(self) {
        drop(self.jobs);
        // A thread that panicked has reported it.
        let _ = self.thread.join();
    }
}

fn work(disk: &dyn Disk, limits: RotationLimits, jobs: &Receiver<Job>, is_syncing: &AtomicBool) {
    let mut directories = Vec::new();
    let mut reported = HashSet::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Tidy(directory, closed) => {
                if let Err(error) = closed.map_or(Ok(()), |output| output.sync()) {
                    warn(&error);
                }
                if !directories.contains(&directory) {
                    directories.push(directory.clone());
                }
                pack_all(disk, &directory);
                sum_up_all(disk, &directory, &mut reported);
            }
            Job::Sync(output) => {
                if let Err(error) = output.sync() {
                    warn(&error);
                }
                is_syncing.store(false, Ordering::Release);
            }
            Job::Prune(newest) => {
                if let Err(error) = prune(disk, &directories, limits, newest) {
                    tracing::warn!(error = %cause(&error), "cannot remove old recordings");
                }
            }
        }
    }
}

/// A failure is not final: each closed file is tried again whenever another one is closed. Only the first one is reported.
fn pack_all(disk: &dyn Disk, directory: &Path) {
    let packed = closed_in(disk, directory).and_then(|closed| {
        let plain = closed.iter().filter(|file| file.is_plain);
        let packed = plain.map(|file| pack(disk, directory, &file.stem));
        packed.fold(Ok(()), Result::and)
    });
    match packed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let (directory, error) = (directory.display(), cause(&error));
            tracing::warn!(%directory, %error, "cannot compress a recording; it stays as it is");
        }
        _ => {}
    }
}

/// All files in `directory` but the newest.
fn closed_in(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<RotatedFile>> {
    let mut files = files_in(disk, directory)?;
    files.pop();
    Ok(files)
}

/// Sums up closed files that are not. What is left out is read from the rows, and tried again; a failure is reported once.
fn sum_up_all(disk: &dyn Disk, directory: &Path, reported: &mut HashSet<PathBuf>) {
    let closed = closed_in(disk, directory).unwrap_or_default();
    for file in closed.iter().filter(|file| !file.has_minutes) {
        match write_minutes(disk, directory, file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let (path, error) = (file.path_in(directory), cause(&error));
                if reported.insert(path.clone()) {
                    tracing::warn!(file = %path.display(), %error, "cannot sum up a recording by the minute");
                }
            }
            _ => {}
        }
    }
}

fn warn(error: &OutputError) {
    tracing::warn!(error = %with_causes(error), "a recording may not be on the disk");
}

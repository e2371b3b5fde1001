//! What is done with closed files, on a thread of its own: it may take long, and nothing waits for it.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::super::output::Output;
use super::super::output_error::OutputError;
use super::directory::files_in;
use super::minutes::write_minutes;
use super::packing::pack;
use super::pruning::{RotationLimits, prune};
use crate::disk::Disk;

/// Compresses closed files and removes the oldest ones. Dropping it lets the thread finish its work.
#[derive(Debug)]
pub struct Tidier {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
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

impl Tidier {
    /// Starts the thread.
    ///
    /// # Errors
    /// When that is impossible.
    pub fn start(disk: Arc<dyn Disk>, limits: RotationLimits) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("tidier".into())
            .spawn(move || work(&*disk, limits, &waiting))?;
        Ok(Self { jobs, thread })
    }

    /// Compresses all files in `directory` but the newest. Directories that were tidied once are pruned, too.
    pub fn tidy(&self, directory: PathBuf, closed: Option<Arc<Output>>) {
        // The thread ends only after this.
        let _ = self.jobs.send(Job::Tidy(directory, closed));
    }

    /// Removes what the limits don't allow to keep; the newest message is of the time `newest`.
    pub fn prune(&self, newest: u64) {
        let _ = self.jobs.send(Job::Prune(newest));
    }

    /// Waits, on the thread, until the rows of an output are on the disk.
    pub fn sync(&self, output: Arc<Output>) {
        let _ = self.jobs.send(Job::Sync(output));
    }

    /// Waits until everything is done.
    pub fn finish(self) {
        drop(self.jobs);
        // A thread that panicked has reported it.
        let _ = self.thread.join();
    }
}

fn work(disk: &dyn Disk, limits: RotationLimits, jobs: &Receiver<Job>) {
    let mut directories = Vec::new();
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
                sum_up_all(disk, &directory);
            }
            Job::Sync(output) => {
                if let Err(error) = output.sync() {
                    warn(&error);
                }
            }
            Job::Prune(newest) => {
                if let Err(error) = prune(disk, &directories, limits, newest) {
                    tracing::warn!(error = %crate::wording::cause(&error), "cannot remove old recordings");
                }
            }
        }
    }
}

/// A failure is not final: each closed file is tried again whenever another one is closed.
fn pack_all(disk: &dyn Disk, directory: &std::path::Path) {
    let packed = files_in(disk, directory).and_then(|files| {
        let closed = files.split_last().map_or(&[][..], |(_, closed)| closed);
        let mut plain = closed.iter().filter(|file| file.is_plain);
        plain.try_for_each(|file| pack(disk, directory, &file.stem))
    });
    match packed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let (directory, error) = (directory.display(), crate::wording::cause(&error));
            tracing::warn!(%directory, %error, "cannot compress a recording; it stays as it is");
        }
        _ => {}
    }
}

/// Sums up closed files that are not. What is left out is read from the rows, and tried again.
fn sum_up_all(disk: &dyn Disk, directory: &std::path::Path) {
    let files = files_in(disk, directory).unwrap_or_default();
    let closed = files.split_last().map_or(&[][..], |(_, closed)| closed);
    for file in closed.iter().filter(|file| !file.has_minutes) {
        match write_minutes(disk, directory, file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let (file, error) = (file.path_in(directory), crate::wording::cause(&error));
                tracing::warn!(file = %file.display(), %error, "cannot sum up a recording by the minute");
            }
            _ => {}
        }
    }
}

fn warn(error: &OutputError) {
    tracing::warn!(error = %crate::wording::with_causes(error), "a recording may not be on the disk");
}

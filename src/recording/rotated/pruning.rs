//! Removing the oldest files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::directory::{RotatedFile, files_in, minutes, packed, plain};
use super::writer::FAR_MS;
use crate::disk::Disk;
use crate::millis::in_millis;

/// How much of a rotated recording is kept. The newest file of a host always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RotationLimits {
    /// Files that ended longer than this before the newest message are removed.
    pub keep: Option<Duration>,
    /// The oldest files are removed while all of them together take more bytes.
    pub keep_bytes: Option<u64>,
    /// Files that ended less than this before the newest message are not removed for their bytes.
    pub spared: Duration,
}

/// A file that could be removed, in a directory.
struct Candidate<'a> {
    directory: &'a Path,
    file: RotatedFile,
    /// When the file after it begins: all of its messages are older. If that is far in the future, because a clock was
    /// wrong, the time when it was written.
    end: u64,
    bytes: u64,
}

/// Removes what `limits` don't allow to keep in `directories`; the newest message of all is of the time `newest`.
///
/// # Errors
/// The first one, when a directory cannot be listed, or a file cannot be removed.
pub(super) fn prune(
    disk: &dyn Disk,
    directories: &[PathBuf],
    limits: RotationLimits,
    newest: u64,
) -> io::Result<()> {
    let mut candidates = Vec::new();
    let mut total = 0_u64;
    let mut failed = None;
    for directory in directories {
        let files = match files_in(disk, directory) {
            Ok(files) => files,
            Err(error) => {
                failed = failed.or(Some(error));
                continue;
            }
        };
        for (at, file) in files.iter().enumerate() {
            let bytes = file.bytes_in(directory);
            total += bytes;
            if let Some(next) = files.get(at + 1) {
                candidates.push(Candidate {
                    directory,
                    end: end_of(&file.path_in(directory), next.period.start, newest),
                    file: file.clone(),
                    bytes,
                });
            }
        }
    }
    candidates.sort_by_key(|it| it.file.period);
    for candidate in candidates {
        let age = newest.saturating_sub(candidate.end);
        let is_too_old = limits.keep.is_some_and(|keep| in_millis(keep) < age);
        let is_too_much =
            limits.keep_bytes.is_some_and(|most| most < total) && in_millis(limits.spared) <= age;
        if is_too_old || is_too_much {
            match remove(disk, candidate.directory, &candidate.file.stem) {
                Ok(()) => total -= candidate.bytes,
                // The others are removed all the same.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn end_of(path: &Path, next: u64, newest: u64) -> u64 {
    if next <= newest.saturating_add(FAR_MS) {
        return next;
    }
    let modified = fs::metadata(path).and_then(|it| it.modified()).ok();
    let modified = modified.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    modified.map_or(next, |it| next.min(in_millis(it)))
}

/// Removes the oldest file of `directory` to make room, unless it ended less than `spared` before the time `newest` or
/// is the only one. Returns whether there was one.
///
/// # Errors
/// When the directory cannot be listed, or the file cannot be removed.
pub fn remove_oldest(
    disk: &dyn Disk,
    directory: &Path,
    spared: Duration,
    newest: u64,
) -> io::Result<bool> {
    let files = files_in(disk, directory)?;
    let [oldest, next, ..] = &files[..] else {
        return Ok(false);
    };
    let is_spared = newest.saturating_sub(next.period.start) < in_millis(spared);
    if !is_spared {
        remove(disk, directory, &oldest.stem)?;
    }
    Ok(!is_spared)
}

/// Removes a file in all its forms.
fn remove(disk: &dyn Disk, directory: &Path, stem: &str) -> io::Result<()> {
    // The compressed one last: until then, what is left of the file is complete.
    for path in [minutes, plain, packed].map(|path| path(directory, stem)) {
        match disk.remove(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

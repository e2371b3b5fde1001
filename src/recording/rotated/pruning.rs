//! Removing the oldest files.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::directory::{RotatedFile, files_in, minutes, packed, plain};
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
    /// When the file after it begins: all of its messages are older.
    end: u64,
    bytes: u64,
}

/// Removes what `limits` don't allow to keep in `directories`; the newest message of all is of the time `newest`.
///
/// # Errors
/// When a directory cannot be listed, or a file cannot be removed.
pub(super) fn prune(
    disk: &dyn Disk,
    directories: &[PathBuf],
    limits: RotationLimits,
    newest: u64,
) -> io::Result<()> {
    let mut candidates = Vec::new();
    let mut total = 0_u64;
    for directory in directories {
        let files = files_in(disk, directory)?;
        for (at, file) in files.iter().enumerate() {
            let bytes = file.bytes_in(directory);
            total += bytes;
            if let Some(next) = files.get(at + 1) {
                candidates.push(Candidate {
                    directory,
                    end: next.period.start,
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
            remove(disk, candidate.directory, &candidate.file.stem)?;
            total -= candidate.bytes;
        }
    }
    Ok(())
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

//! The directory of a host: its files, and the lock on it.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::super::opening::private;
use super::super::output_error::OutputError;
use super::super::rotation::Period;
use crate::disk::Disk;

/// The name of the file that is locked while a process writes to the directory. Hidden, so that `replay` ignores it.
const LOCK: &str = ".lock";

/// What the name of a file ends with that sums up a closed one.
const MINUTES: &str = ".minutes";

/// What the name of a file that is still being written ends with; it begins with a dot.
const PART: &str = ".part";

/// A file of a rotated recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatedFile {
    /// The period that it is named after.
    pub period: Period,
    /// Its name without the suffix.
    pub stem: String,
    /// Whether there is a plain file. It wins over a compressed one, which may not have been finished.
    pub is_plain: bool,
    /// Whether there is a compressed one.
    pub is_packed: bool,
    /// Whether it is summed up by the minute in a file beside it.
    pub has_minutes: bool,
}

impl RotatedFile {
    /// The path of the file that counts.
    #[must_use]
    pub fn path_in(&self, directory: &Path) -> PathBuf {
        if self.is_plain {
            plain(directory, &self.stem)
        } else {
            packed(directory, &self.stem)
        }
    }

    /// How many bytes it takes in `directory`.
    #[must_use]
    pub fn bytes_in(&self, directory: &Path) -> u64 {
        let length = |path| std::fs::metadata(path).map_or(0, |it| it.len());
        let paths = [plain, packed, minutes].map(|path| path(directory, &self.stem));
        paths.into_iter().map(length).sum()
    }
}

/// The path of an open file, or of one that has not been compressed.
pub(super) fn plain(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!("{stem}.csv"))
}

/// The path of a compressed file.
pub(super) fn packed(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!("{stem}.csv.gz"))
}

/// The path of a compressed file that is still being written.
pub(super) fn part(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!(".{stem}.csv.gz{PART}"))
}

/// The path of the file that sums up a closed one.
pub(super) fn minutes(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!("{stem}{MINUTES}"))
}

/// The path of such a file that is still being written.
pub(super) fn minutes_part(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!(".{stem}{MINUTES}{PART}"))
}

/// Whether a file is one that sums up a closed one, by its name.
#[must_use]
pub fn sums_up(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let stem = name.and_then(|name| name.strip_suffix(MINUTES));
    stem.is_some_and(|stem| Period::of_stem(stem).is_some())
}

/// The files of the rotated recording in `directory`, oldest first; none if the directory doesn't exist.
///
/// # Errors
/// When the directory cannot be listed.
pub fn files_in(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<RotatedFile>> {
    let mut files: BTreeMap<String, RotatedFile> = BTreeMap::new();
    let mut summed_up = HashSet::new();
    let entries = match disk.list(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        if let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(MINUTES)) {
            summed_up.insert(stem.to_owned());
        }
        let Some((stem, is_packed)) = name.to_str().and_then(stem_of) else {
            continue;
        };
        let Some(period) = Period::of_stem(stem) else {
            continue;
        };
        let file = files.entry(stem.into()).or_insert_with(|| RotatedFile {
            period,
            stem: stem.into(),
            is_plain: false,
            is_packed: false,
            has_minutes: false,
        });
        file.is_plain |= !is_packed;
        file.is_packed |= is_packed;
    }
    for file in files.values_mut() {
        file.has_minutes = summed_up.contains(&file.stem);
    }
    Ok(files.into_values().collect())
}

fn stem_of(name: &str) -> Option<(&str, bool)> {
    let packed = name.strip_suffix(".csv.gz").map(|stem| (stem, true));
    packed.or_else(|| Some((name.strip_suffix(".csv")?, false)))
}

/// Removes what an interrupted compression has left.
pub(super) fn remove_parts(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    for entry in disk.list(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(PART) {
            disk.remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The file that is locked while a process writes to `directory`.
#[must_use]
pub fn lock_file(directory: &Path) -> PathBuf {
    directory.join(LOCK)
}

/// The lock on a directory, until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock(File);

impl DirectoryLock {
    /// Locks `directory`, unless another process has.
    pub(super) fn take(disk: &dyn Disk, directory: &Path) -> Result<Self, OutputError> {
        let path = lock_file(directory);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let opened = disk.open(&path, private(&mut options));
        let file = opened.map_err(|source| OutputError::Open {
            name: path.display().to_string(),
            source,
        })?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(OutputError::Busy {
                path: directory.into(),
            }),
            // A filesystem without locks is used without one.
            _ => Ok(Self(file)),
        }
    }
}

impl Drop for DirectoryLock {
    /// Closing the file is not enough: a process that is just being started may still share it.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

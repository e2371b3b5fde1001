//! Replacing a file as a whole: the new contents are written beside it, and take its name once they are on the disk, so
//! that a failure in between leaves the old file as it was.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::opening::open_new;
use crate::disk::Disk;

/// A new file beside the one that it will replace. It is removed again unless it is published.
#[derive(Debug)]
pub(super) struct Replacement<'a> {
    disk: &'a dyn Disk,
    beside: PathBuf,
    file: Arc<File>,
    is_published: bool,
}

impl<'a> Replacement<'a> {
    /// Writes `rows` to a new file beside the file `old` at `path`, locks it, and waits until the rows are on the disk.
    ///
    /// Returns none if another file cannot take the place of `old`: it has several names, its name is a link, or no
    /// file like it can be created beside it. Then it can only be overwritten.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub(super) fn write(
        disk: &'a dyn Disk,
        path: &Path,
        old: &File,
        rows: &[u8],
    ) -> io::Result<Option<Self>> {
        let metadata = old.metadata()?;
        if !has_only_name(path, &metadata) {
            return Ok(None);
        }
        let created = unless_unsupported(Self::create(disk, path, &metadata))?;
        if let Some(new) = &created {
            disk.write_all(&new.file, rows)?;
            disk.sync(&new.file)?;
        }
        Ok(created)
    }

    fn create(disk: &'a dyn Disk, path: &Path, old: &Metadata) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:08x}.new", rand::random::<u32>()));
        let beside = path.with_file_name(name);
        let file = Arc::new(open_new(disk, &beside, true)?);
        let new = Self {
            disk,
            beside,
            file,
            is_published: false,
        };
        disk.make_like(&new.file, old)?;
        // Nobody else knows this file yet. If the filesystem has no locks, there is none on the old file either.
        let _ = new.file.try_lock();
        Ok(new)
    }

    /// Gives the new file the name `path`, or returns none if it cannot take it.
    ///
    /// # Errors
    /// When the disk fails; the old file is then still there.
    pub(super) fn publish(mut self, path: &Path) -> io::Result<Option<Arc<File>>> {
        let renamed = unless_unsupported(self.disk.rename(&self.beside, path))?;
        self.is_published = renamed.is_some();
        Ok(renamed.map(|()| Arc::clone(&self.file)))
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = self.disk.remove(&self.beside);
        }
    }
}

/// None instead of an error that says nothing about the old file itself: its directory must not be changed, the name is
/// too long for a longer one beside it, the file is a mount of its own, or its owner cannot be kept.
fn unless_unsupported<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::InvalidFilename
                    | ErrorKind::ResourceBusy
                    | ErrorKind::CrossesDevices
                    | ErrorKind::Unsupported
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether `path` itself is the file's only name. Links, also those below `/dev` and `/proc`, lead to a file that others
/// expect to stay the same.
#[cfg(unix)]
fn has_only_name(path: &Path, file: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|named| {
        let is_same = (named.dev(), named.ino()) == (file.dev(), file.ino());
        file.is_file() && file.nlink() == 1 && is_same
    })
}

/// Unknown on this platform, where an open file may not be replaced anyway.
#[cfg(not(unix))]
fn has_only_name(_: &Path, _: &Metadata) -> bool {
    false
}

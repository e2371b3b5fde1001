//! The file operations for files that must survive a failure: recordings and the token file.
//!
//! They go through [`Disk`], so that a test can make any of them fail. Merely looking at a file (its length, its
//! identity, its lock) does not.

#[cfg(test)]
pub(crate) mod faulty;

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// Whether a file could be created in `directory`, which is only asked, not tried.
///
/// # Errors
/// Why not.
#[cfg(unix)]
pub fn may_create_in(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    must_be_directory(directory)?;
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The same where only the attempt could tell.
#[cfg(not(unix))]
pub fn may_create_in(directory: &Path) -> io::Result<()> {
    must_be_directory(directory)
}

fn must_be_directory(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(ErrorKind::NotADirectory.into())
    }
}

/// Whether `file` could be run as a program, which is only asked, not tried.
///
/// # Errors
/// Why not.
#[cfg(unix)]
pub fn may_run(file: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    if fs::metadata(file)?.is_dir() {
        return Err(ErrorKind::PermissionDenied.into());
    }
    Ok(access(file, Access::EXEC_OK)?)
}

/// The file operations of a system. The default methods are those of the real one.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens or creates a file.
    ///
    /// # Errors
    /// As the system reports, here and below.
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        options.open(path)
    }

    /// Reads up to as many bytes as `buffer` has. May be interrupted.
    ///
    /// # Errors
    /// As the system reports.
    fn read(&self, mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        file.read(buffer)
    }

    /// Writes some of `bytes`, and returns how many. May be interrupted.
    ///
    /// # Errors
    /// As the system reports.
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    /// Writes all of `bytes`, in as many parts as the system takes.
    ///
    /// # Errors
    /// As the system reports; some of the bytes may have been written.
    fn write_all(&self, file: &File, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(file, bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Truncates a file to `length` bytes.
    ///
    /// # Errors
    /// As the system reports.
    fn set_len(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// Gives a file the owner and the permissions of another one.
    ///
    /// # Errors
    /// As the system reports.
    fn make_like(&self, file: &File, other: &Metadata) -> io::Result<()> {
        keep_owner(file, other)?;
        file.set_permissions(other.permissions())
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// As the system reports.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Waits until the names in `directory` are on the disk, if the system supports that.
    ///
    /// # Errors
    /// When the disk fails; not when directories like this cannot be opened or synced at all.
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let directory = match File::open(directory) {
            Ok(directory) => directory,
            // Windows cannot open directories. Elsewhere, files can be created in a directory that cannot be read.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => return Err(error),
        };
        match directory.sync_all() {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidInput | ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Gives a file a second name, which must not exist.
    ///
    /// # Errors
    /// As the system reports.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    /// Renames a file, replacing any file with that name.
    ///
    /// # Errors
    /// As the system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As the system reports.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Creates a directory and its parents.
    ///
    /// # Errors
    /// As the system reports.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Creates a directory and its parents, which only the owner can list.
    ///
    /// # Errors
    /// As the system reports.
    fn make_private_directory(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path)
    }

    /// Lists a directory.
    ///
    /// # Errors
    /// As the system reports.
    fn list(&self, path: &Path) -> io::Result<fs::ReadDir> {
        fs::read_dir(path)
    }
}

/// The disk of the system that the program runs on.
#[derive(Debug, Clone, Copy)]
pub struct SystemDisk;

impl Disk for SystemDisk {}

/// A file that is read through a [`Disk`].
#[derive(Debug)]
pub struct DiskReader<'a> {
    /// The disk.
    pub disk: &'a dyn Disk,
    /// The file, open for reading.
    pub file: &'a File,
}

impl Read for DiskReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.read(self.file, buffer)
    }
}

#[cfg(unix)]
fn keep_owner(file: &File, other: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    let differing = |own, other| (own != other).then_some(other);
    match (
        differing(own.uid(), other.uid()),
        differing(own.gid(), other.gid()),
    ) {
        (None, None) => Ok(()),
        (user, group) => fchown(file, user, group),
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// The directory of `path`.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

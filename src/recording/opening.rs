//! Opening what is written to.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use super::output_error::OutputError;
use crate::disk::Disk;

/// Creates a file; if it `is_private`, only its owner can read it.
pub(super) fn open_new(disk: &dyn Disk, path: &Path, is_private: bool) -> io::Result<File> {
    // Appends, so that rows go to the end whatever another process does to the file.
    let mut options = OpenOptions::new();
    options.append(true).create_new(true).read(true);
    if is_private {
        private(&mut options);
    }
    disk.open(path, &options)
}

pub(super) fn open_existing(
    disk: &dyn Disk,
    path: &Path,
    options: &OpenOptions,
) -> Result<File, OutputError> {
    if path.is_dir() {
        return Err(OutputError::Directory { path: path.into() });
    }
    disk.open(path, options)
        .map_err(|source| cannot_open(path, source))
}

pub(super) fn cannot_open(path: &Path, source: io::Error) -> OutputError {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    if let Some(directory) = directory
        && source.kind() == ErrorKind::NotFound
        && !directory.exists()
    {
        return OutputError::NoDirectory {
            path: path.into(),
            directory: directory.into(),
        };
    }
    OutputError::Open {
        name: path.display().to_string(),
        source,
    }
}

#[cfg(unix)]
pub(super) fn duplicate_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
pub(super) fn duplicate_stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// Lets only the owner read and write a file that is created.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

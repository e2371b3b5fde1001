//! What `record` writes to: a file, or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::ReadError;

/// An open recording. It buffers nothing: when [`Output::write`] returns, the operating system has the rows.
///
/// Every method takes a shared reference, so that one thread can sync while another writes.
#[derive(Debug)]
pub struct Output {
    file: File,
    /// `None` for standard output.
    path: Option<PathBuf>,
    /// Not a pipe, a terminal or a device: can be cut and synced.
    is_regular: bool,
    /// What the file holds is to be replaced, but stays until there is something to replace it with.
    replaces: AtomicBool,
    /// This object made the file and nothing is in it yet.
    is_blank: AtomicBool,
}

/// Why a recording cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file is there, and holds something.
    #[error("'{}' exists: use --append to go on with it, or --force to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A directory in the place of the file.
    #[error("'{0}' is a directory: write '{0}/' for one file per host in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// Another process records into it.
    #[error("'{}' is being recorded into by another process", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Appended rows would not fit what is there.
    #[error(
        "'{}' has its columns, quotes or line ends not as `metrics record` writes them: record into another file",
        path.display()
    )]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// What is there cannot be gone on with.
    #[error("cannot append: {0}; record into another file, or use --force to replace this one")]
    Unreadable(ReadError),
    /// The file cannot be opened.
    #[error("cannot open '{name}'")]
    Open {
        /// The file.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The rows could not be written. Of those the file has only complete ones.
    #[error("cannot write '{name}'")]
    Write {
        /// The file.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The rows are written, but maybe not on the disk.
    #[error("cannot save '{name}' to the disk")]
    Sync {
        /// The file.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The path no longer leads to the open file.
    #[error("'{}' was deleted or replaced while recording", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
}

impl Output {
    /// Opens a file for a new recording.
    ///
    /// One that holds something is replaced only by `force`, and only when the first rows are written. A file that is
    /// made here and that nothing is written to is removed in the end. Pipes and devices are written to as they are.
    ///
    /// # Errors
    /// When it cannot be opened, exists without `force`, or another process records into it.
    pub fn create(path: &Path, force: bool) -> Result<Self, OutputError> {
        let (file, is_new) = match open_new(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let holds_rows = fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() > 0);
                if holds_rows && !force {
                    return Err(OutputError::Exists { path: path.into() });
                }
                (open_existing(path, OpenOptions::new().append(true))?, false)
            }
            Err(source) => return Err(cannot_open(path, source)),
        };
        let output = Self::of_file(file, path, is_new)?;
        output.replaces.store(!is_new, Ordering::Relaxed);
        Ok(output)
    }

    /// Opens a file to be read and appended to; it may be new.
    pub(super) fn open_to_append(path: &Path) -> Result<Self, OutputError> {
        match open_new(path) {
            Ok(file) => Self::of_file(file, path, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let is_regular = fs::metadata(path).is_ok_and(|it| it.is_file());
                let file = open_existing(path, OpenOptions::new().append(true).read(is_regular))?;
                Self::of_file(file, path, false)
            }
            Err(source) => Err(cannot_open(path, source)),
        }
    }

    /// Standard output, without the line buffer that the standard library puts before it.
    ///
    /// # Errors
    /// When it is closed.
    pub fn stdout() -> Result<Self, OutputError> {
        duplicate_stdout()
            .and_then(|file| Self::wrap(file, None))
            .map_err(|source| OutputError::Open {
                name: "standard output".into(),
                source,
            })
    }

    fn of_file(file: File, path: &Path, is_new: bool) -> Result<Self, OutputError> {
        let output =
            Self::wrap(file, Some(path.into())).map_err(|source| cannot_open(path, source))?;
        if !output.is_regular {
            return Ok(output);
        }
        // Where the file system has no locks there is nothing to hold against us.
        if let Err(fs::TryLockError::WouldBlock) = output.file.try_lock() {
            return Err(OutputError::Busy { path: path.into() });
        }
        if is_new {
            output.is_blank.store(true, Ordering::Relaxed);
            sync_directory_of(path);
        }
        Ok(output)
    }

    fn wrap(file: File, path: Option<PathBuf>) -> io::Result<Self> {
        Ok(Self {
            is_regular: file.metadata()?.is_file(),
            file,
            path,
            replaces: AtomicBool::new(false),
            is_blank: AtomicBool::new(false),
        })
    }

    /// Appends encoded rows with one call of the system (more only where it takes them in parts).
    ///
    /// # Errors
    /// When they do not go in; of those the file then has only complete ones.
    pub fn write(&self, rows: &[u8]) -> Result<(), OutputError> {
        let failed = |source| OutputError::Write {
            name: self.name(),
            source,
        };
        if self.replaces.swap(false, Ordering::Relaxed) && self.is_regular {
            self.file.set_len(0).map_err(failed)?;
        }
        self.is_blank.store(false, Ordering::Relaxed);
        let mut written = 0;
        while written < rows.len() {
            match (&self.file).write(&rows[written..]) {
                Ok(0) => return Err(failed(ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.cut_torn_row(&rows[..written]);
                    return Err(failed(error));
                }
            }
        }
        Ok(())
    }

    /// Takes back the part of a row at the end of what was written. Where that fails too, readers leave the part out.
    fn cut_torn_row(&self, written: &[u8]) {
        let torn = written
            .iter()
            .rev()
            .take_while(|&&byte| byte != b'\n')
            .count();
        if torn > 0 && self.is_regular {
            let _ = (self.file.metadata())
                .and_then(|it| self.file.set_len(it.len().saturating_sub(torn as u64)));
        }
    }

    /// Waits until the disk has what was written.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> Result<(), OutputError> {
        if !self.is_regular {
            return Ok(());
        }
        self.file.sync_data().map_err(|source| OutputError::Sync {
            name: self.name(),
            source,
        })
    }

    /// Checks that the path still leads to this file: rows for a deleted file would be lost in silence.
    ///
    /// # Errors
    /// When it was deleted or replaced.
    pub fn check_still_there(&self) -> Result<(), OutputError> {
        match &self.path {
            Some(path) if self.is_regular && !is_same_file(path, &self.file) => {
                Err(OutputError::Gone { path: path.clone() })
            }
            _ => Ok(()),
        }
    }

    /// What the output is called: its path, or "standard output".
    #[must_use]
    pub fn name(&self) -> String {
        (self.path.as_ref()).map_or_else(
            || "standard output".into(),
            |path| path.display().to_string(),
        )
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn is_regular(&self) -> bool {
        self.is_regular
    }
}

impl Drop for Output {
    /// Removes a file that would only be in the way of the next attempt.
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && self.is_regular
            && self.is_blank.load(Ordering::Relaxed)
            && self.check_still_there().is_ok()
        {
            let _ = fs::remove_file(path);
        }
    }
}

fn open_new(path: &Path) -> io::Result<File> {
    // Appending, so that rows go behind whatever another process does to the file.
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .read(true)
        .open(path)
}

fn open_existing(path: &Path, options: &OpenOptions) -> Result<File, OutputError> {
    if path.is_dir() {
        return Err(OutputError::Directory { path: path.into() });
    }
    options
        .open(path)
        .map_err(|source| cannot_open(path, source))
}

fn cannot_open(path: &Path, source: io::Error) -> OutputError {
    OutputError::Open {
        name: path.display().to_string(),
        source,
    }
}

/// Makes the name of a new file as durable as its rows will be, where the system can.
fn sync_directory_of(path: &Path) {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let _ = File::open(parent.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
}

#[cfg(unix)]
fn is_same_file(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |it: fs::Metadata| (it.dev(), it.ino());
    match (fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(open)) => identity(there) == identity(open),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(path: &Path, _: &File) -> bool {
    path.exists()
}

#[cfg(unix)]
fn duplicate_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn duplicate_stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

//! What `record` writes to: a file, or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::ReadError;
use crate::protocol::escape_unsafe;

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
    /// What a person sees at once must not command the terminal. Files keep it, so that they replay the same.
    is_terminal: bool,
    /// What the file holds is to be replaced, but stays until there is something to replace it with.
    replaces: AtomicBool,
    /// This object made the file and nothing is in it yet.
    is_blank: AtomicBool,
    /// The disk may not have the name yet, though it may have the rows.
    is_unlisted: AtomicBool,
    /// The length that the file has with every write that has begun, and with every one that has ended. They differ only
    /// during a write, so that another thread can tell our own growth from somebody else's.
    begun: AtomicU64,
    ended: AtomicU64,
    /// It had a name when it was opened, so that one without any is a deleted one.
    had_name: bool,
}

/// What became of an output file while it was written to. Nothing more is written to it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It has no name any more.
    #[error("was deleted")]
    Deleted,
    /// It has another name.
    #[error("was moved or renamed (it holds all rows up to now)")]
    Moved,
    /// It has no name any more, and another file has the one that it had.
    #[error("was replaced by another file")]
    Replaced,
    /// It is shorter than what was written to it, as after logrotate's `copytruncate`.
    #[error("was truncated by another program")]
    Truncated,
    /// It is longer than what was written to it.
    #[error("was written to by another program")]
    Grown,
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
    /// The directory that the file is to be in does not exist.
    #[error(
        "cannot open '{}': there is no directory '{1}': make it first (mkdir -p '{1}')", path.display(), directory.display()
    )]
    NoDirectory {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
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
    /// Somebody else deleted, moved, cut or wrote to the file.
    #[error("'{name}' {loss} while recording")]
    Lost {
        /// The file.
        name: String,
        /// What happened to it.
        loss: Loss,
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
            output.is_unlisted.store(true, Ordering::Relaxed);
        }
        Ok(output)
    }

    fn wrap(file: File, path: Option<PathBuf>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let is_regular = metadata.is_file();
        let length = match (&path, is_regular) {
            (_, false) => 0,
            (Some(_), true) => metadata.len(),
            // What we do not write at its end may grow by itself.
            (None, true) => (&file).stream_position()?,
        };
        Ok(Self {
            is_regular,
            is_terminal: file.is_terminal(),
            file,
            path,
            replaces: AtomicBool::new(false),
            is_blank: AtomicBool::new(false),
            is_unlisted: AtomicBool::new(false),
            begun: AtomicU64::new(length),
            ended: AtomicU64::new(length),
            had_name: has_name(&metadata),
        })
    }

    /// Appends encoded rows with one call of the system (more only where it takes them in parts).
    ///
    /// # Errors
    /// When they do not go in, of those the file then has only complete ones; or when the file was cut or written to by
    /// somebody else, then none of them is in it.
    pub fn write(&self, rows: &[u8]) -> Result<(), OutputError> {
        self.check_length()?;
        if self.replaces.swap(false, Ordering::Relaxed) && self.is_regular {
            self.set_len(0)?;
        }
        self.is_blank.store(false, Ordering::Relaxed);
        self.begun.fetch_add(rows.len() as u64, Ordering::SeqCst);
        let written = self.write_all(rows);
        if written.is_err() {
            // What of the rows is in the file is known only to the file.
            let length = self.file.metadata().map_or(0, |it| it.len());
            self.begun.store(length, Ordering::SeqCst);
        }
        let length = self.begun.load(Ordering::SeqCst);
        self.ended.store(length, Ordering::SeqCst);
        written.map_err(|source| OutputError::Write {
            name: self.name(),
            source,
        })
    }

    fn write_all(&self, rows: &[u8]) -> io::Result<()> {
        if self.is_terminal {
            let rows = String::from_utf8_lossy(rows);
            return (&self.file).write_all(escape_unsafe(&rows).as_bytes());
        }
        let mut written = 0;
        while written < rows.len() {
            match (&self.file).write(&rows[written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.cut_torn_row(&rows[..written]);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Cuts the file to `length` bytes.
    pub(super) fn set_len(&self, length: u64) -> Result<(), OutputError> {
        // Between the two the file is shorter than one says and longer than the other: neither is held against it.
        self.ended.store(0, Ordering::SeqCst);
        let cut = self.file.set_len(length);
        self.begun.store(length, Ordering::SeqCst);
        self.ended.store(length, Ordering::SeqCst);
        cut.map_err(|source| OutputError::Write {
            name: self.name(),
            source,
        })
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
        if let Some(path) = &self.path
            && self.is_unlisted.swap(false, Ordering::Relaxed)
        {
            sync_directory_of(path);
        }
        self.file.sync_data().map_err(|source| OutputError::Sync {
            name: self.name(),
            source,
        })
    }

    /// Checks that the file is still the one that was opened, under its name, and holds what was written to it and nothing
    /// else: rows for a deleted file would be lost in silence, and rows behind a cut would stand without a header.
    ///
    /// # Errors
    /// When it was deleted, moved, replaced, cut or written to.
    pub fn check_still_there(&self) -> Result<(), OutputError> {
        if let Some(loss) = self.loss_of_name() {
            return Err(self.lost(loss));
        }
        self.check_length()
    }

    fn check_length(&self) -> Result<(), OutputError> {
        if !self.is_regular {
            return Ok(());
        }
        let bounds = || {
            let ended = self.ended.load(Ordering::SeqCst);
            (ended, self.begun.load(Ordering::SeqCst))
        };
        let (at_least, at_most) = bounds();
        let Ok(length) = self.file.metadata().map(|it| it.len()) else {
            return Ok(());
        };
        if bounds() != (at_least, at_most) {
            return Ok(()); // written to by us meanwhile: the next look tells
        }
        if length < at_least {
            return Err(self.lost(Loss::Truncated));
        }
        // Others may have a share in our standard output, such as our own standard error.
        if at_most < length && self.path.is_some() {
            return Err(self.lost(Loss::Grown));
        }
        Ok(())
    }

    fn loss_of_name(&self) -> Option<Loss> {
        if !self.is_regular {
            return None;
        }
        let is_named = (self.file.metadata()).is_ok_and(|it| has_name(&it));
        let Some(path) = &self.path else {
            return (self.had_name && !is_named).then_some(Loss::Deleted);
        };
        let is_there = is_same_file(path, &self.file);
        (!is_there).then(|| match (is_named, path.exists()) {
            (true, _) => Loss::Moved,
            (false, true) => Loss::Replaced,
            (false, false) => Loss::Deleted,
        })
    }

    fn lost(&self, loss: Loss) -> OutputError {
        let name = self.name();
        OutputError::Lost { name, loss }
    }

    /// Whether a write may wait for somebody to read: it does not go to a file.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        !self.is_regular
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
        // Whoever may not look there any more cannot tell; the file itself is open.
        (Err(error), _) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        (Ok(_), Err(_)) => true,
    }
}

/// Whether any directory still lists the file.
#[cfg(unix)]
fn has_name(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 0
}

/// Not known here: a file whose name is gone counts as deleted.
#[cfg(not(unix))]
fn has_name(_: &fs::Metadata) -> bool {
    false
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

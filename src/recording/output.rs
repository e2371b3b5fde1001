//! What `record` writes to: a file or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use super::identity::{has_name, is_same_file};
use super::landmarks::Landmarks;
use super::lines;
use super::opening::{cannot_open, duplicate_stdout, open_existing, open_new};
use super::output_error::{Loss, OutputError};
use super::replacement::Replacement;
use crate::disk::{Disk, directory_of};
use crate::locks::{lock, unpoisoned};
use crate::protocol::escape_unsafe;

/// An open recording. It buffers nothing: when [`Output::write`] returns, the operating system has the rows.
///
/// Every method takes a shared reference, so that one thread can sync while another writes.
#[derive(Debug)]
pub struct Output {
    disk: Arc<dyn Disk>,
    /// Locked for writing only while another file takes its place.
    file: RwLock<Arc<File>>,
    /// `None` for standard output.
    path: RwLock<Option<PathBuf>>,
    /// Not a pipe, a terminal or a device: can be truncated and synced.
    is_regular: bool,
    /// Text on a terminal is escaped, so that it can't control the terminal. Files keep it, so that they replay the
    /// same.
    is_terminal: bool,
    /// The contents of the file will be replaced, but stay until there is something to replace them with.
    replaces: AtomicBool,
    /// This object created the file, and it is still empty.
    is_blank: AtomicBool,
    /// The file's name may not be on the disk yet, even if the rows are.
    is_unlisted: AtomicBool,
    /// The length of the file including every write that has begun, and including every one that has ended. They differ
    /// only during a write, so that another thread can tell our own writes from those of other programs.
    begun: AtomicU64,
    ended: AtomicU64,
    /// The file ends with part of a row that could not be removed: it must be removed before the next row.
    is_torn: AtomicBool,
    /// Both ends of the file, so that an overwritten one is noticed.
    landmarks: Mutex<Landmarks>,
    /// It had a name when it was opened, so if it has none now, it was deleted.
    had_name: bool,
    /// Nothing more will be written, so others may rename and remove it.
    is_retired: AtomicBool,
}

impl Output {
    /// Opens a file for a new recording.
    ///
    /// One that isn't empty is replaced only with `force`, and only once the first rows are on the disk. A file that is
    /// created here and stays empty is removed in the end. Pipes and devices are written to directly.
    ///
    /// # Errors
    /// When it cannot be opened, exists without `force`, or another process records into it.
    pub fn create(disk: &Arc<dyn Disk>, path: &Path, force: bool) -> Result<Self, OutputError> {
        let (file, is_new) = match open_new(&**disk, path, false) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let holds_rows = fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() > 0);
                if holds_rows && !force {
                    return Err(OutputError::Exists { path: path.into() });
                }
                let file = open_existing(&**disk, path, OpenOptions::new().append(true))?;
                (file, false)
            }
            Err(source) => return Err(cannot_open(path, source)),
        };
        let output = Self::of_file(disk, file, path, is_new)?;
        output.replaces.store(!is_new, Ordering::Relaxed);
        Ok(output)
    }

    /// Creates a file that only its owner can read.
    pub(super) fn create_private(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, OutputError> {
        match open_new(&**disk, path, true) {
            Ok(file) => Self::of_file(disk, file, path, true),
            Err(source) => Err(cannot_open(path, source)),
        }
    }

    /// Opens a file for reading and appending; it may be new.
    pub(super) fn open_to_append(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, OutputError> {
        match open_new(&**disk, path, false) {
            Ok(file) => Self::of_file(disk, file, path, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let is_regular = fs::metadata(path).is_ok_and(|it| it.is_file());
                let mut options = OpenOptions::new();
                let file = open_existing(&**disk, path, options.append(true).read(is_regular))?;
                Self::of_file(disk, file, path, false)
            }
            Err(source) => Err(cannot_open(path, source)),
        }
    }

    /// Standard output, without the standard library's line buffer.
    ///
    /// # Errors
    /// When it is closed.
    pub fn stdout(disk: &Arc<dyn Disk>) -> Result<Self, OutputError> {
        duplicate_stdout()
            .and_then(|file| Self::wrap(disk, file, None))
            .map_err(|source| OutputError::Open {
                name: "standard output".into(),
                source,
            })
    }

    fn of_file(
        disk: &Arc<dyn Disk>,
        file: File,
        path: &Path,
        is_new: bool,
    ) -> Result<Self, OutputError> {
        let output = Self::wrap(disk, file, Some(path.into()))
            .map_err(|source| cannot_open(path, source))?;
        if !output.is_regular {
            return Ok(output);
        }
        // If the filesystem has no locks, this check is skipped.
        if let Err(fs::TryLockError::WouldBlock) = output.file().try_lock() {
            return Err(OutputError::Busy { path: path.into() });
        }
        if is_new {
            output.is_blank.store(true, Ordering::Relaxed);
            output.is_unlisted.store(true, Ordering::Relaxed);
        }
        Ok(output)
    }

    fn wrap(disk: &Arc<dyn Disk>, file: File, path: Option<PathBuf>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let is_regular = metadata.is_file();
        let length = match (&path, is_regular) {
            (_, false) => 0,
            (Some(_), true) => metadata.len(),
            // If we don't write at its end, it may grow without us.
            (None, true) => (&file).stream_position()?,
        };
        Ok(Self {
            disk: Arc::clone(disk),
            is_regular,
            is_terminal: file.is_terminal(),
            file: RwLock::new(Arc::new(file)),
            path: RwLock::new(path),
            replaces: AtomicBool::new(false),
            is_blank: AtomicBool::new(false),
            is_unlisted: AtomicBool::new(false),
            begun: AtomicU64::new(length),
            ended: AtomicU64::new(length),
            is_torn: AtomicBool::new(false),
            landmarks: Mutex::default(),
            had_name: has_name(&metadata),
            is_retired: AtomicBool::new(false),
        })
    }

    /// Appends encoded rows with one system call (more only if the system accepts them in parts).
    ///
    /// # Errors
    /// When they cannot be written; the file then contains only complete ones. Or when another program truncated or
    /// wrote to the file; it then contains none of them.
    pub fn write(&self, rows: &[u8]) -> Result<(), OutputError> {
        self.check_length(&self.file())?;
        if self.replaces.load(Ordering::Relaxed) && self.is_regular && self.replace(rows)? {
            return Ok(());
        }
        self.prepare()?;
        self.begun.fetch_add(rows.len() as u64, Ordering::SeqCst);
        let written = self.write_all(rows);
        if written.is_ok() {
            let length = self.begun.load(Ordering::SeqCst);
            lock(&self.landmarks).note(length - rows.len() as u64, rows);
            self.ended.store(length, Ordering::SeqCst);
            self.is_blank.store(false, Ordering::Relaxed);
        } else {
            let length = self.note_length();
            self.is_blank
                .fetch_and(length == Some(0), Ordering::Relaxed);
        }
        written.map_err(|source| self.cannot_write(source))
    }

    /// Puts a new file with `rows` in the place of the old one. Returns whether that was possible.
    fn replace(&self, rows: &[u8]) -> Result<bool, OutputError> {
        let Some(path) = self.path() else {
            return Ok(false);
        };
        let written = Replacement::write(&*self.disk, &path, &self.file(), rows);
        let Some(new) = written.map_err(|source| self.cannot_write(source))? else {
            return Ok(false);
        };
        // Checks wait until this is done: they would take it for the work of another program.
        let mut file = unpoisoned(self.file.write());
        self.check(&file)?;
        let published = new.publish(&path);
        let Some(new) = published.map_err(|source| self.cannot_write(source))? else {
            return Ok(false);
        };
        *file = new;
        lock(&self.landmarks).note(0, rows);
        self.begun.store(rows.len() as u64, Ordering::SeqCst);
        self.ended.store(rows.len() as u64, Ordering::SeqCst);
        self.is_unlisted.store(true, Ordering::Relaxed);
        self.replaces.store(false, Ordering::Relaxed);
        Ok(true)
    }

    /// Prepares for the next rows: removes what they replace, and the rest of a row that could not be written.
    fn prepare(&self) -> Result<(), OutputError> {
        if self.replaces.load(Ordering::Relaxed) {
            if self.is_regular {
                self.set_len(0)?;
            }
            self.replaces.store(false, Ordering::Relaxed);
        }
        if self.is_torn.load(Ordering::Relaxed) {
            return Err(self.cannot_write(io::Error::other("its last row is cut off")));
        }
        Ok(())
    }

    fn write_all(&self, rows: &[u8]) -> io::Result<()> {
        if self.is_terminal {
            let rows = String::from_utf8_lossy(rows);
            return self
                .write_parts(escape_unsafe(&rows).as_bytes())
                .map_err(|(_, error)| error);
        }
        self.write_parts(rows).map_err(|(written, error)| {
            self.cut_torn_rows(&rows[..written]);
            error
        })
    }

    /// Writes all of `bytes`; an error says how many were written, and why no more.
    fn write_parts(&self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let (file, mut written) = (self.file(), 0);
        while written < bytes.len() {
            match self.disk.write(&file, &bytes[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    /// Truncates the file to `length` bytes.
    pub(super) fn set_len(&self, length: u64) -> Result<(), OutputError> {
        // In between, the file is shorter than one length and longer than the other; neither counts as a change.
        self.ended.store(0, Ordering::SeqCst);
        let cut = self.disk.set_len(&self.file(), length);
        self.note_length();
        cut.map_err(|source| self.cannot_write(source))
    }

    /// After a failure, only the file knows its length. If it can't be asked, no length is checked.
    fn note_length(&self) -> Option<u64> {
        *lock(&self.landmarks) = Landmarks::default();
        let length = self.file().metadata().ok().map(|it| it.len());
        self.begun
            .store(length.unwrap_or(u64::MAX / 2), Ordering::SeqCst);
        self.ended.store(length.unwrap_or(0), Ordering::SeqCst);
        length
    }

    /// Removes what means nothing without the rest of `written`: part of a row, and a header or gap without its
    /// message. If that fails too, readers omit it.
    fn cut_torn_rows(&self, written: &[u8]) {
        let excess = (written.len() - lines::length_of_whole_rows(written)) as u64;
        if 0 < excess && self.is_regular {
            let file = self.file();
            let cut = file.metadata().and_then(|it| {
                let length = it.len().saturating_sub(excess);
                self.disk.set_len(&file, length)
            });
            self.is_torn.store(cut.is_err(), Ordering::Relaxed);
        }
    }

    fn cannot_write(&self, source: io::Error) -> OutputError {
        let name = self.name();
        OutputError::Write { name, source }
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// When the disk reports an error.
    pub fn sync(&self) -> Result<(), OutputError> {
        if !self.is_regular {
            return Ok(());
        }
        let listed = self.sync_name();
        let synced = self.disk.sync(&self.file());
        let Err(source) = listed.and(synced) else {
            return Ok(());
        };
        if source.kind() == io::ErrorKind::NotFound {
            // The directory is gone. The loss of the file says more.
            self.check_still_there()?;
        }
        let name = self.name();
        Err(OutputError::Sync { name, source })
    }

    /// Makes the name of a new file as durable as its rows.
    fn sync_name(&self) -> io::Result<()> {
        if let Some(path) = self.path()
            && self.is_unlisted.load(Ordering::Relaxed)
        {
            self.disk.sync_directory(directory_of(&path))?;
            self.is_unlisted.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Checks that the file is still the one that was opened, still has its name, and has the length and both ends that
    /// were written: rows for a deleted file would be lost silently, and rows after a truncation would have no header.
    ///
    /// # Errors
    /// When it was deleted, moved, replaced, truncated, overwritten or written to.
    pub fn check_still_there(&self) -> Result<(), OutputError> {
        let file = unpoisoned(self.file.read());
        self.check(&file)
    }

    /// Renames the file. There must be none called `to`.
    pub(super) fn rename(&self, to: &Path) -> io::Result<()> {
        // Checks wait until this is done: they would take it for the work of another program.
        let _file = unpoisoned(self.file.write());
        let mut path = unpoisoned(self.path.write());
        if let Some(from) = &*path {
            self.disk.rename(from, to)?;
            *path = Some(to.into());
            self.is_unlisted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn path(&self) -> Option<PathBuf> {
        unpoisoned(self.path.read()).clone()
    }

    /// Standard output has none.
    fn has_path(&self) -> bool {
        unpoisoned(self.path.read()).is_some()
    }

    /// Nothing more will be written: the file may be compressed, renamed and removed.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::SeqCst);
    }

    fn check(&self, file: &File) -> Result<(), OutputError> {
        let checked = self.check_name_and_contents(file);
        // It may have been retired meanwhile.
        checked.or_else(|error| match self.is_retired.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(error),
        })
    }

    fn check_name_and_contents(&self, file: &File) -> Result<(), OutputError> {
        if let Some(loss) = self.loss_of_name(file) {
            return Err(self.lost(loss));
        }
        self.check_length(file)?;
        self.check_ends(file)
    }

    fn check_length(&self, file: &File) -> Result<(), OutputError> {
        if !self.is_regular {
            return Ok(());
        }
        let (at_least, at_most) = self.bounds();
        let Ok(length) = file.metadata().map(|it| it.len()) else {
            return Ok(());
        };
        if self.bounds() != (at_least, at_most) {
            return Ok(()); // we have written to it meanwhile: the next check decides
        }
        if length < at_least {
            return Err(self.lost(Loss::Truncated));
        }
        // Others may share our standard output, such as our own standard error.
        if at_most < length && self.has_path() {
            return Err(self.lost(Loss::Grown));
        }
        Ok(())
    }

    /// The least and the greatest length that the file may have now.
    fn bounds(&self) -> (u64, u64) {
        let ended = self.ended.load(Ordering::SeqCst);
        (ended, self.begun.load(Ordering::SeqCst))
    }

    fn check_ends(&self, file: &File) -> Result<(), OutputError> {
        // Others may share our standard output.
        if !self.is_regular || !self.has_path() {
            return Ok(());
        }
        let bounds = self.bounds();
        let landmarks = lock(&self.landmarks).clone();
        if landmarks.differ_from(file) && self.bounds() == bounds {
            return Err(self.lost(Loss::Overwritten));
        }
        Ok(())
    }

    /// Remembers both ends of a file of `length` bytes that is already there.
    pub(super) fn note_ends(&self, length: u64) {
        *lock(&self.landmarks) = Landmarks::of(&self.file(), length);
    }

    fn loss_of_name(&self, file: &File) -> Option<Loss> {
        if !self.is_regular {
            return None;
        }
        let is_named = (file.metadata()).is_ok_and(|it| has_name(&it));
        let Some(path) = self.path() else {
            return (self.had_name && !is_named).then_some(Loss::Deleted);
        };
        let is_there = is_same_file(&path, file);
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

    /// Whether the next write may have to wait: for a reader, because it doesn't go to a file, or for the disk, because
    /// it replaces one.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        !self.is_regular || self.replaces.load(Ordering::Relaxed)
    }

    /// What the output is called: its path, or "standard output".
    #[must_use]
    pub fn name(&self) -> String {
        self.path().map_or_else(
            || "standard output".into(),
            |path| path.display().to_string(),
        )
    }

    pub(super) fn file(&self) -> Arc<File> {
        let file = unpoisoned(self.file.read());
        Arc::clone(&file)
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(super) fn is_regular(&self) -> bool {
        self.is_regular
    }
}

impl Drop for Output {
    /// Removes an empty file, which would only get in the way of the next attempt, and releases the lock.
    fn drop(&mut self) {
        if let Some(path) = self.path()
            && self.is_regular
            && self.is_blank.load(Ordering::Relaxed)
            && self.check_still_there().is_ok()
        {
            let _ = self.disk.remove(&path);
        }
        // Closing the file is not enough: a process that is just being started may still share it.
        let _ = self.file().unlock();
    }
}

//! Writes the messages of one host to the files of its directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::columns::Columns;
use super::super::error::ReadError;
use super::super::output::Output;
use super::super::output_error::OutputError;
use super::super::resume::{Appended, Resume, end_of};
use super::super::rotation::{Period, Rotation};
use super::super::row_head::RowHeads;
use super::super::transcript::Transcript;
use super::directory::{DirectoryLock, RotatedFile, files_in, plain, remove_parts};
use super::repair::put_aside;
use crate::disk::Disk;
use crate::millis::epoch_millis;
use crate::protocol::{Gap, HostName, Numbered, Position, StreamId};
use crate::wording::cause;

/// Times this far apart, in milliseconds, show that a clock was wrong.
pub(super) const FAR_MS: u64 = 24 * 60 * 60 * 1000;

/// Writes the messages of one host. It holds the lock on the directory.
#[derive(Debug)]
pub struct RotatedWriter {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    rotation: Rotation,
    /// The columns of the next file.
    columns: Columns,
    open: Option<OpenFile>,
    /// The newest period that has a file: no new file may begin at it, or before.
    newest: Option<Period>,
    /// The period of the file before the open one.
    before: Option<Period>,
    /// The time of the last message, in milliseconds since the epoch.
    last_time: Option<u64>,
    /// Where the recording ended when it was opened.
    last: Option<Position>,
    past: Vec<StreamId>,
    rows: Vec<u8>,
    /// Whether a damaged file that is closed is read only up to the damage, rather than an error.
    skips_damage: bool,
    _lock: DirectoryLock,
}

#[derive(Debug)]
struct OpenFile {
    period: Period,
    output: Arc<Output>,
    transcript: Transcript,
    /// Whether its name stays, even if it is wrong.
    keeps_name: bool,
}

/// What writing a message came to.
#[derive(Debug)]
pub struct Pushed {
    /// Bytes written.
    pub bytes: u64,
    /// Whether a gap was written before it.
    pub has_gap: bool,
    /// The file that was closed, because the message begins a new one.
    pub closed: Option<Arc<Output>>,
    /// The time of this message or of the one before it, whichever is earlier: one message whose clock was wrong does not
    /// make the others old. In milliseconds since the epoch.
    pub confirmed_time: u64,
}

impl RotatedWriter {
    /// Opens a directory, creating it if necessary, and continues its newest file. A torn row at its end is removed.
    ///
    /// # Errors
    /// When the directory cannot be written, another process writes to it, or its newest file cannot be read.
    pub fn open(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        rotation: Rotation,
    ) -> Result<Self, OutputError> {
        let (mut writer, files) = Self::begin_opening(disk, directory, rotation)?;
        writer.resume(&files)?;
        Ok(writer)
    }

    /// As [`RotatedWriter::open`], for a recording that must go on: if the newest file is damaged, it is renamed, and a
    /// new one begins with the rows that can be read.
    ///
    /// # Errors
    /// When the directory cannot be written or another process writes to it.
    pub fn open_and_repair(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        rotation: Rotation,
    ) -> Result<Self, OutputError> {
        let (mut writer, mut files) = Self::begin_opening(disk, directory, rotation)?;
        writer.skips_damage = true;
        while let Err(error) = writer.resume(&files) {
            let newest = files.last().filter(|it| it.is_plain && error.is_damage());
            let Some(newest) = newest else {
                return Err(error);
            };
            let aside = put_aside(&**disk, directory, &newest.stem, &error);
            aside.map_err(|source| cannot_open(directory, source))?;
            files = listed(&**disk, directory)?;
            writer.newest = files.last().map(|file| file.period);
        }
        Ok(writer)
    }

    fn begin_opening(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        rotation: Rotation,
    ) -> Result<(Self, Vec<RotatedFile>), OutputError> {
        let made = disk.make_private_directory(directory);
        made.map_err(|source| cannot_open(directory, source))?;
        let lock = DirectoryLock::take(&**disk, directory)?;
        let failed = |source| cannot_open(directory, source);
        remove_parts(&**disk, directory).map_err(failed)?;
        let files = listed(&**disk, directory)?;
        let writer = Self {
            disk: Arc::clone(disk),
            directory: directory.into(),
            rotation,
            columns: Columns::new([""; 0]),
            open: None,
            newest: files.last().map(|file| file.period),
            before: None,
            last_time: None,
            last: None,
            past: Vec::new(),
            rows: Vec::new(),
            skips_damage: false,
            _lock: lock,
        };
        Ok((writer, files))
    }

    /// Opens the newest file if it is a plain one, and finds out where the recording ends.
    fn resume(&mut self, files: &[RotatedFile]) -> Result<(), OutputError> {
        let Some((newest, older)) = files.split_last() else {
            return Ok(());
        };
        let mut closed = files;
        if newest.is_plain {
            closed = older;
            let path = plain(&self.directory, &newest.stem);
            let Appended { output, resume } = Output::append(&self.disk, &path)?;
            if let Some(Resume {
                columns,
                last,
                last_time,
                past,
                ..
            }) = resume
            {
                self.open = Some(OpenFile {
                    period: newest.period,
                    output: Arc::new(output),
                    transcript: Transcript::resumed(columns, last.is_some()),
                    keeps_name: false,
                });
                self.before = older.last().map(|file| file.period);
                (self.last, self.last_time, self.past) = (last, last_time, past);
            } else {
                // Power failed while it was being created. It is created again.
                drop(output);
                self.disk
                    .remove(&path)
                    .map_err(|source| cannot_open(&path, source))?;
                self.newest = older.last().map(|file| file.period);
            }
        }
        while self.last.is_none()
            && let Some((file, older)) = closed.split_last()
        {
            closed = older;
            let (last, time, read) = last_of(&file.path_in(&self.directory));
            match read.map_err(OutputError::Unreadable) {
                Err(error) if !self.skips_damage || !error.is_damage() => return Err(error),
                _ => (self.last, self.last_time) = (last, time),
            }
        }
        Ok(())
    }

    /// Where the recording ended when it was opened.
    #[must_use]
    pub fn last(&self) -> Option<&Position> {
        self.last.as_ref()
    }

    /// The streams in its newest file before that of the last row.
    #[must_use]
    pub fn past(&self) -> &[StreamId] {
        &self.past
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The open file.
    #[must_use]
    pub fn output(&self) -> Option<&Arc<Output>> {
        self.open.as_ref().map(|open| &open.output)
    }

    /// Checks that the recording is one of `host`, if there is one.
    ///
    /// # Errors
    /// When it is of another host.
    pub fn must_be_of(&self, host: &HostName) -> Result<(), OutputError> {
        match &self.last {
            Some(last) if last.host != *host => Err(OutputError::OtherHost {
                name: self.directory.display().to_string(),
                of: last.host.clone(),
                host: host.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Sets the columns of the files that begin from now on.
    pub fn set_columns(&mut self, columns: Columns) {
        self.columns = columns;
    }

    /// Writes a message, and `gap` before it, unless it begins a file: there the numbers show what is missing.
    ///
    /// # Errors
    /// When it cannot be written; everything before it stays as it is.
    pub fn push(&mut self, message: Numbered, gap: Option<Gap>) -> Result<Pushed, OutputError> {
        let time = message.sample.timestamp;
        let period = self.rotation.period_of(time);
        self.correct_name(period);
        let begins = self.begins_file(period);
        let pushed = match &mut self.open {
            Some(open) if !begins => open.push(message, gap, &mut self.rows),
            _ => self.begin(period, message),
        };
        let mut pushed = pushed?;
        pushed.confirmed_time = self.last_time.map_or(time, |last| last.min(time));
        self.last_time = Some(time);
        Ok(pushed)
    }

    /// Whether a message of this period begins a file: one of a later period does. Where the clock has been far ahead for
    /// long, so that no name can be later, the times of the messages decide.
    fn begins_file(&self, period: Period) -> bool {
        let Some(open) = &self.open else { return true };
        let last = self.last_time.map(|last| self.rotation.period_of(last));
        let is_next = last.is_some_and(|last| is_far(last, open.period) && last < period);
        let has_name = open.period < self.rotation.period_after(open.period);
        open.period < period || (is_far(period, open.period) && is_next && has_name)
    }

    /// Renames the open file if the messages in it have come from a clock that was far ahead: no later message could
    /// close it. A message from a clock that is far behind leaves it as it is.
    fn correct_name(&mut self, period: Period) {
        let Some(open) = &mut self.open else { return };
        if open.keeps_name || !is_far(period, open.period) {
            return;
        }
        let named = match self.before {
            Some(before) if period < before => return,
            Some(before) if period == before => self.rotation.period_after(before),
            None if !is_far(
                Period {
                    start: epoch_millis(),
                },
                open.period,
            ) =>
            {
                return;
            }
            _ => period,
        };
        let stem = self.rotation.stem(named);
        let path = plain(&self.directory, &stem);
        match open.output.rename(&path) {
            Ok(()) => {
                let old = self.rotation.stem(open.period);
                tracing::warn!("a clock was wrong: '{old}' in the recording is now '{stem}'");
                open.period = named;
                self.newest = Some(named);
            }
            Err(error) => {
                let (path, cause) = (path.display(), cause(&error));
                tracing::warn!(
                    "a clock was wrong, but a file cannot be renamed to '{path}': {cause}"
                );
                open.keeps_name = true;
            }
        }
    }

    /// Begins a file with `message`.
    fn begin(&mut self, period: Period, message: Numbered) -> Result<Pushed, OutputError> {
        let period = match self.newest {
            Some(newest) if period <= newest => self.rotation.period_after(newest),
            _ => period,
        };
        let path = plain(&self.directory, &self.rotation.stem(period));
        let output = Output::create_private(&self.disk, &path)?;
        let mut transcript = Transcript::of_columns(self.columns.clone());
        self.rows.clear();
        transcript.push(message, &mut self.rows);
        output.write(&self.rows)?;
        let open = OpenFile {
            period,
            output: Arc::new(output),
            transcript,
            keeps_name: false,
        };
        self.before = self.newest.replace(period);
        let closed = self.open.replace(open).map(|closed| closed.output);
        if let Some(closed) = &closed {
            closed.retire();
        }
        Ok(Pushed {
            bytes: self.rows.len() as u64,
            has_gap: false,
            closed,
            confirmed_time: 0,
        })
    }
}

impl OpenFile {
    fn push(
        &mut self,
        message: Numbered,
        gap: Option<Gap>,
        rows: &mut Vec<u8>,
    ) -> Result<Pushed, OutputError> {
        if let Some(gap) = gap {
            self.transcript.gap(gap);
        }
        rows.clear();
        let has_gap = self.transcript.push(message, rows);
        self.output.write(rows)?;
        Ok(Pushed {
            bytes: rows.len() as u64,
            has_gap,
            closed: None,
            confirmed_time: 0,
        })
    }
}

fn is_far(earlier: Period, later: Period) -> bool {
    FAR_MS < later.start.saturating_sub(earlier.start)
}

/// Where the recording in `directory` ends; `None` if there is none. Nothing is written or locked.
///
/// # Errors
/// When the directory cannot be listed, or its newest file is plain and cannot be continued.
pub fn inspect(disk: &dyn Disk, directory: &Path) -> Result<Option<Position>, OutputError> {
    for file in listed(disk, directory)?.iter().rev() {
        let path = file.path_in(directory);
        let last = if file.is_plain {
            end_of(&path)?
        } else {
            last_of(&path).0
        };
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}

fn listed(disk: &dyn Disk, directory: &Path) -> Result<Vec<RotatedFile>, OutputError> {
    files_in(disk, directory).map_err(|source| cannot_open(directory, source))
}

/// The last message in a file that can be read, its time, and whether that is all of the file.
fn last_of(path: &Path) -> (Option<Position>, Option<u64>, Result<(), ReadError>) {
    let (mut last, mut time, mut host) = (None, None, None);
    let read = RowHeads::open(path).and_then(|mut rows| {
        while let Some(row) = rows.next_row()? {
            if let Some(seq) = row.seq {
                last = Some((row.stream, seq));
                time = Some(row.timestamp);
            }
            if host.is_none() {
                host = rows.host().and_then(|host| host.parse::<HostName>().ok());
            }
        }
        Ok(())
    });
    let position = |((stream, seq), host)| Position { host, stream, seq };
    (last.zip(host).map(position), time, read)
}

fn cannot_open(path: &Path, source: io::Error) -> OutputError {
    OutputError::Open {
        name: path.display().to_string(),
        source,
    }
}

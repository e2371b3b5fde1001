//! The thread that appends to the spool.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::options::SPARED;
use super::spans::open;
use super::state::SpoolState;
use crate::disk::Disk;
use crate::hub::Announcement;
use crate::protocol::{Gap, Numbered, StreamId};
use crate::recording::{
    Columns, Loss, OutputError, Period, RotatedFile, RotatedWriter, Rotation, RotationLimits,
    Tidier, files_in, remove_oldest,
};
use crate::wording::{counted, with_causes};

/// How often the files are checked and synced.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// How often the files are listed, to know how much they take and how far back they go.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// How long a paused spool waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Appends to the files.
pub(super) struct SpoolWriter {
    disk: Arc<dyn Disk>,
    state: Arc<SpoolState>,
    /// The directory with those of all hosts. If it is gone, such as a filesystem that is no longer mounted, it is not
    /// created again.
    parent: PathBuf,
    writer: Option<RotatedWriter>,
    tidier: Tidier,
    /// What the columns of the next file are of.
    current: Option<Arc<Announcement>>,
    last: Option<(StreamId, u64)>,
    pause: Option<Pause>,
    /// The period that a file was removed for on a full disk.
    freed_for: Option<Period>,
    next_check: Instant,
    next_listing: Instant,
    is_dirty: bool,
    /// The time of the last message, written or not.
    last_time: u64,
    /// Bytes written since the files were listed, and those that they took then.
    bytes: (u64, u64),
    /// The oldest file, and the time of its first message.
    oldest: Option<(String, u64)>,
}

/// Nothing is written for a while.
struct Pause {
    until: Instant,
    lost: u64,
    /// The file whose rows are gone.
    lost_file: Option<String>,
}

impl SpoolWriter {
    /// Opens the spool. If the directory cannot be written, it begins paused.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        state: Arc<SpoolState>,
        parent: PathBuf,
        limits: RotationLimits,
    ) -> Result<Self, OutputError> {
        let tidier =
            Tidier::start(Arc::clone(&disk), limits).map_err(|source| OutputError::Open {
                name: parent.display().to_string(),
                source,
            })?;
        let mut writer = Self {
            disk,
            state,
            parent,
            writer: None,
            tidier,
            current: None,
            last: None,
            pause: None,
            freed_for: None,
            next_check: Instant::now() + CHECK_EVERY,
            next_listing: Instant::now() + LIST_EVERY,
            is_dirty: false,
            last_time: 0,
            bytes: (0, 0),
            oldest: None,
        };
        match writer.reopen() {
            Err(error @ (OutputError::Busy { .. } | OutputError::OtherHost { .. })) => {
                return Err(error);
            }
            Err(error) => writer.begin_pause(&error),
            Ok(()) => {}
        }
        writer.note_contents();
        writer.publish_contents();
        Ok(writer)
    }

    /// The stream of the last message.
    pub(super) fn last_stream(&self) -> Option<StreamId> {
        self.last.map(|(stream, _)| stream)
    }

    /// Writes until no more entries follow.
    pub(super) fn run(mut self, entries: &Receiver<Numbered>) {
        loop {
            match entries.recv_timeout(CHECK_EVERY) {
                Ok(message) => {
                    self.state.note_busy();
                    let is_written = self.take(&message);
                    self.state.note_taken(is_written);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.next_check <= Instant::now() {
                self.state.note_busy();
                self.check();
                self.state.note_idle();
            }
        }
        self.close();
    }

    fn close(self) {
        if let Some(output) = self.writer.as_ref().and_then(RotatedWriter::output)
            && let Err(error) = output.sync()
        {
            tracing::warn!(error = %with_causes(&error), "the spool may not be on the disk");
        }
        // Until then, another process must not have the directory.
        self.tidier.finish();
        drop(self.writer);
        self.state.set_closed();
    }

    /// The next file has the columns that are announced now.
    fn set_columns(&mut self) {
        if let (Some(writer), Some(current)) = (&mut self.writer, &self.current) {
            writer.set_columns(Columns::announced(&current.metrics, current.containers));
        }
    }

    fn follow_announcements(&mut self) {
        let current = self.state.current();
        if current.as_ref().map(Arc::as_ptr) != self.current.as_ref().map(Arc::as_ptr) {
            self.current = current;
            self.set_columns();
        }
    }

    /// Writes a message, unless the spool is paused. Returns whether it is written.
    fn take(&mut self, message: &Numbered) -> bool {
        if let Some(pause) = &mut self.pause
            && Instant::now() < pause.until
        {
            pause.lost += 1;
            return false;
        }
        let mut written = self.write(message);
        if let Err(error) = &written
            && is_full(error)
            && self.makes_room(message)
        {
            written = self.write(message);
        }
        self.last_time = message.sample.timestamp;
        match written {
            Ok(()) => self.end_pause(),
            Err(error) => {
                self.begin_pause(&error);
                if let Some(pause) = &mut self.pause {
                    pause.lost += 1;
                }
            }
        }
        self.pause.is_none()
    }

    fn write(&mut self, message: &Numbered) -> Result<(), OutputError> {
        self.follow_announcements();
        if self.writer.is_none() {
            self.reopen()?;
        }
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let next = (message.stream, message.seq);
        let gap = self.last.and_then(|last| Gap::between(last, next));
        let pushed = match writer.push(message.clone(), gap) {
            Ok(pushed) => pushed,
            Err(error) => {
                // A full disk may have room later. After anything else, only the disk knows how the files end.
                if !is_full(&error) {
                    self.writer = None;
                }
                return Err(error);
            }
        };
        self.last = Some((message.stream, message.seq));
        self.is_dirty = true;
        self.bytes.0 += pushed.bytes;
        if pushed.closed.is_some() {
            self.next_listing = self.next_check;
        }
        let newest = pushed.confirmed_time;
        self.tidier.follow(writer.directory(), pushed, || newest);
        Ok(())
    }

    /// Opens the files again, and continues where they end.
    fn reopen(&mut self) -> Result<(), OutputError> {
        let is_first = self.current.is_none() && self.last.is_none();
        if !is_first && !self.parent.is_dir() {
            return Err(OutputError::Open {
                name: self.parent.display().to_string(),
                source: ErrorKind::NotFound.into(),
            });
        }
        let directory = self.state.directory();
        let writer = RotatedWriter::open_and_repair(&self.disk, directory, Rotation::HOURLY)?;
        writer.must_be_of(self.state.host())?;
        if let Some(last) = writer.last() {
            self.last = Some((last.stream, last.seq));
        }
        self.tidier.tidy(writer.directory().into(), None);
        self.writer = Some(writer);
        self.set_columns();
        Ok(())
    }

    /// Removes the oldest file from a full disk, once for each new hour: what fills the disk must not use up the spool.
    fn makes_room(&mut self, message: &Numbered) -> bool {
        let time = message.sample.timestamp;
        let period = Rotation::HOURLY.period_of(time);
        // One message whose clock is ahead makes no file old.
        let newest = time.min(self.last_time);
        let files = files_in(&*self.disk, self.state.directory()).unwrap_or_default();
        let is_new = files.last().is_none_or(|file| file.period < period);
        if !is_new || self.freed_for == Some(period) {
            return false;
        }
        let removed = remove_oldest(&*self.disk, self.state.directory(), SPARED, newest);
        let has_room = removed.unwrap_or(false);
        if has_room {
            self.freed_for = Some(period);
        }
        has_room
    }

    fn begin_pause(&mut self, error: &OutputError) {
        let reason = error.reason();
        let is_new = self.pause.is_none();
        let pause = self.pause.get_or_insert_with(|| Pause {
            until: Instant::now(),
            lost: 0,
            lost_file: None,
        });
        if let OutputError::Lost { name, loss } = error {
            // A new file can begin at once.
            let is_gone = matches!(loss, Loss::Deleted | Loss::Replaced);
            pause.lost_file = is_gone.then(|| name.clone());
        } else {
            pause.until = Instant::now() + RETRY_AFTER;
        }
        self.next_listing = Instant::now();
        if is_new {
            tracing::warn!("the spool pauses, samples continue: {reason}");
        }
        self.state.set_paused(Some(reason));
    }

    fn end_pause(&mut self) {
        if let Some(Pause {
            lost, lost_file, ..
        }) = self.pause.take()
        {
            let messages = (lost > 0).then(|| counted(lost, "message"));
            let held = lost_file.map(|name| format!("what '{name}' held"));
            let missing = [messages, held].into_iter().flatten().collect::<Vec<_>>();
            if missing.is_empty() {
                tracing::warn!("the spool continues, with nothing missing");
            } else {
                tracing::warn!("the spool continues without {}", missing.join(" and "));
            }
            self.state.set_paused(None);
            self.next_listing = Instant::now();
        }
    }

    /// Checks that the file is still there, and has it synced.
    fn check(&mut self) {
        self.next_check = Instant::now() + CHECK_EVERY;
        if let Some(output) = self.writer.as_ref().and_then(RotatedWriter::output) {
            if let Err(error) = output.check_still_there() {
                self.writer = None;
                self.begin_pause(&error);
            } else if self.is_dirty && self.tidier.sync(output) {
                self.is_dirty = false;
            }
        }
        if self.oldest.is_none() || self.next_listing <= Instant::now() {
            self.note_contents();
        }
        self.publish_contents();
    }

    /// Tells viewers how far back they can look.
    fn publish_contents(&self) {
        let oldest = self.oldest.as_ref().map(|(_, time)| *time);
        let (written, listed) = self.bytes;
        self.state.set_contents(listed + written, oldest);
    }

    /// Lists the files, to know how much they take and how far back they go.
    fn note_contents(&mut self) {
        let directory = self.state.directory();
        let files = files_in(&*self.disk, directory).unwrap_or_default();
        self.next_listing = Instant::now() + LIST_EVERY;
        let bytes = files.iter().map(|file| file.bytes_in(directory)).sum();
        if let Some(first) = files.first() {
            let is_known = self
                .oldest
                .as_ref()
                .is_some_and(|(stem, _)| *stem == first.stem);
            if !is_known {
                // A damaged file may have no row that can be read.
                let time = files.iter().find_map(|file| self.first_time(file));
                self.oldest = time.map(|time| (first.stem.clone(), time));
            }
        } else {
            self.oldest = None;
        }
        self.bytes = (0, bytes);
    }

    /// The time of the first row of a file.
    fn first_time(&self, file: &RotatedFile) -> Option<u64> {
        let row = open(&self.state, file).ok()?.next_row().ok()?;
        row.map(|row| row.timestamp)
    }
}

fn source_of(error: &OutputError) -> Option<&io::Error> {
    match error {
        OutputError::Open { source, .. }
        | OutputError::Write { source, .. }
        | OutputError::Sync { source, .. } => Some(source),
        _ => None,
    }
}

fn is_full(error: &OutputError) -> bool {
    let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
    source_of(error).is_some_and(|source| kinds.contains(&source.kind()))
}

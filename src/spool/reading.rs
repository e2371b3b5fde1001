//! Reads messages from the files of the spool, also while they are being written.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::beginning::{Skip, find};
use super::spans::open;
use super::state::SpoolState;
use crate::hub::{Announcement, PastFrom, PastMessage};
use crate::protocol::{Numbered, StreamId, cores_among, describe};
use crate::recording::{Columns, Contents, ReadError, Reader, RotatedFile, Row, files_in};

/// How often a file that is gone is looked for again: it was compressed or removed after it was listed.
const ATTEMPTS: u32 = 3;

/// The messages from some point on, up to the current end of the spool.
pub(super) struct Messages {
    state: Arc<SpoolState>,
    reader: Option<Reader<Contents>>,
    /// The name of the file that is being read, or was read last.
    stem: Option<String>,
    skip: Skip,
    announced: Option<(Columns, Arc<Announcement>)>,
    is_over: bool,
}

impl Messages {
    pub(super) fn begin(
        state: Arc<SpoolState>,
        from: PastFrom,
        before: Option<(StreamId, u64)>,
    ) -> io::Result<Self> {
        let files = files_in(state.disk(), state.directory())?;
        let (stem, skip) = if files.is_empty() {
            (None, Skip::Nothing)
        } else {
            let (at, skip) = find(&state, &files, from, before).map_err(as_io)?;
            // The file after this one is read first.
            let previous = at.checked_sub(1).and_then(|at| files.get(at));
            (previous.map(|file| file.stem.clone()), skip)
        };
        Ok(Self {
            state,
            reader: None,
            stem,
            skip,
            announced: None,
            is_over: false,
        })
    }

    pub(super) fn state(&self) -> &SpoolState {
        &self.state
    }

    /// What is not wanted of the next file.
    pub(super) fn skipped(&self) -> Skip {
        self.skip
    }

    /// All that follows is wanted.
    pub(super) fn end_skip(&mut self) {
        self.skip = Skip::Nothing;
    }

    fn next_message(&mut self) -> Result<Option<PastMessage>, ReadError> {
        loop {
            if let Some(message) = self.next_in_file()? {
                return Ok(Some(message));
            }
            let Some((file, _)) = self.next_file()? else {
                return Ok(None);
            };
            self.open(file)?;
        }
    }

    /// The next message in the open file.
    pub(super) fn next_in_file(&mut self) -> Result<Option<PastMessage>, ReadError> {
        while let Some(reader) = &mut self.reader {
            match reader.next().transpose()? {
                Some(Row::Numbered(message)) => {
                    let columns = reader.columns().clone();
                    return Ok(Some(self.announced(message, columns)));
                }
                Some(Row::Gap { .. }) => {}
                None => self.reader = None,
            }
        }
        Ok(None)
    }

    /// The file after the one that was read last, and whether it is closed.
    pub(super) fn next_file(&self) -> Result<Option<(RotatedFile, bool)>, ReadError> {
        let files = files_in(self.state.disk(), self.state.directory());
        let mut files = files.map_err(|source| ReadError::Io {
            file: self.state.directory().display().to_string(),
            source,
        })?;
        let is_next = |file: &RotatedFile| self.stem.as_ref().is_none_or(|read| *read < file.stem);
        let Some(next) = files.iter().position(is_next) else {
            return Ok(None);
        };
        let is_closed = next + 1 < files.len();
        Ok(Some((files.swap_remove(next), is_closed)))
    }

    /// The rows of a file are not needed.
    pub(super) fn pass(&mut self, file: &RotatedFile) {
        self.stem = Some(file.stem.clone());
    }

    /// Opens a file, if it has a wanted row.
    pub(super) fn open(&mut self, mut file: RotatedFile) -> Result<(), ReadError> {
        let mut attempts = 0;
        let mut rows = loop {
            match open(&self.state, &file) {
                Err(ReadError::Io { source, .. })
                    if source.kind() == ErrorKind::NotFound && attempts < ATTEMPTS =>
                {
                    attempts += 1;
                    match self.next_file()? {
                        Some((next, _)) => file = next,
                        None => return Ok(()),
                    }
                }
                rows => break rows?,
            }
        };
        self.pass(&file);
        while let Some(row) = rows.next_row()? {
            if self.skip.ends_at(&row) {
                self.end_skip();
                self.reader = Some(rows.into_reader()?);
                return Ok(());
            }
        }
        // A message after which a reader continues may be the last one in its file.
        if let Skip::After { has_seen: true, .. } | Skip::Samples(_) = self.skip {
            self.end_skip();
        }
        Ok(())
    }

    /// A message with what was announced for it.
    pub(super) fn announced(&mut self, message: Numbered, columns: Columns) -> PastMessage {
        PastMessage {
            announcement: self.announcement(message.stream, columns),
            message,
        }
    }

    /// What was announced for messages of a stream.
    pub(super) fn announcement(&mut self, stream: StreamId, columns: Columns) -> Arc<Announcement> {
        let announcement = match &self.announced {
            Some((shown, known)) if known.stream == stream && *shown == columns => {
                Arc::clone(known)
            }
            _ => announcement_of(&self.state, stream, &columns),
        };
        self.announced = Some((columns, Arc::clone(&announcement)));
        announcement
    }
}

impl Iterator for Messages {
    type Item = io::Result<PastMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.next_message();
        self.is_over = !matches!(next, Ok(Some(_)));
        next.map_err(as_io).transpose()
    }
}

/// What the host announced for the messages of a stream, as far as it is known.
fn announcement_of(state: &SpoolState, stream: StreamId, columns: &Columns) -> Arc<Announcement> {
    let current = state.current();
    if let Some(current) = current.filter(|it| it.stream == stream) {
        return current;
    }
    let names = columns.names();
    let cores = cores_among(names.iter().map(|name| &**name));
    Arc::new(Announcement {
        stream,
        interval: state.pace.0,
        heartbeat: state.pace.1,
        system: None,
        replay: None,
        metrics: names.iter().map(|name| describe(name, cores)).collect(),
        unavailable: Arc::new([]),
        containers: columns.has_containers(),
    })
}

pub(super) fn as_io(error: ReadError) -> io::Error {
    match error {
        ReadError::Io { file, source } => {
            io::Error::new(source.kind(), format!("cannot read '{file}': {source}"))
        }
        other => io::Error::new(ErrorKind::InvalidData, other),
    }
}

impl SpoolState {
    /// The messages from there on. What cannot be read is reported and left out.
    pub(super) fn collect(self: &Arc<Self>, from: PastFrom) -> Vec<PastMessage> {
        let mut messages = Vec::new();
        let read = Messages::begin(Arc::clone(self), from, None).and_then(|mut all| {
            all.try_for_each(|message| {
                messages.push(message?);
                Ok(())
            })
        });
        if let Err(error) = read {
            tracing::warn!(%error, "cannot read all of the spool");
        }
        messages
    }
}

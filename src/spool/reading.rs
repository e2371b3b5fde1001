//! Reads messages from the files of the spool, also while they are being written.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::beginning::{Skip, find};
use super::spans::open;
use super::state::SpoolState;
use crate::hub::{Announcement, PastFrom, PastMessage};
use crate::protocol::{Numbered, StreamId, cores_among, describe};
use crate::recording::{Columns, Contents, ReadError, Reader, Row, files_in};

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

    fn next_message(&mut self) -> Result<Option<PastMessage>, ReadError> {
        loop {
            let Some(reader) = &mut self.reader else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            match reader.next().transpose()? {
                Some(Row::Numbered(message)) => {
                    let columns = reader.columns().clone();
                    return Ok(Some(self.announce(message, columns)));
                }
                Some(Row::Gap { .. }) => {}
                None => self.reader = None,
            }
        }
    }

    /// Opens the next file with a wanted row. Returns whether there is one.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        let mut attempts = 0;
        loop {
            let files = files_in(self.state.disk(), self.state.directory());
            let files = files.map_err(|source| ReadError::Io {
                file: self.state.directory().display().to_string(),
                source,
            })?;
            let is_next = |stem: &String| self.stem.as_ref().is_none_or(|read| read < stem);
            let Some(file) = files.into_iter().find(|file| is_next(&file.stem)) else {
                return Ok(false);
            };
            let mut rows = match open(&self.state, &file) {
                Err(ReadError::Io { source, .. })
                    if source.kind() == ErrorKind::NotFound && attempts < ATTEMPTS =>
                {
                    attempts += 1;
                    continue;
                }
                rows => rows?,
            };
            self.stem = Some(file.stem);
            while let Some(row) = rows.next_row()? {
                if self.skip.ends_at(&row) {
                    self.skip = Skip::Nothing;
                    self.reader = Some(rows.into_reader()?);
                    return Ok(true);
                }
            }
            // A message after which a reader continues may be the last one in its file.
            if let Skip::After { has_seen: true, .. } | Skip::Samples(_) = self.skip {
                self.skip = Skip::Nothing;
            }
        }
    }

    fn announce(&mut self, message: Numbered, columns: Columns) -> PastMessage {
        let announcement = match &self.announced {
            Some((shown, known)) if known.stream == message.stream && *shown == columns => {
                Arc::clone(known)
            }
            _ => announcement_of(&self.state, message.stream, &columns),
        };
        self.announced = Some((columns, Arc::clone(&announcement)));
        PastMessage {
            announcement,
            message,
        }
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

fn as_io(error: ReadError) -> io::Error {
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

//! Reads messages from the files of the spool, also while they are being written.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::beginning::{Skip, find};
use super::spans::open;
use super::state::SpoolState;
use crate::hub::{Announcement, PastFrom, PastMessage};
use crate::protocol::{Numbered, StreamId, cores_among, describe};
use crate::recording::{
    Columns, Contents, ReadError, Reader, RotatedFile, Row, RowHeads, files_in,
};
use crate::wording::{cause, counted};

/// How many damaged rows of a file are passed, each by reading it again up to there.
const MOST_DAMAGED: u32 = 100;

/// What is restored takes about as much memory as a ring may.
const RESTORED_BYTES: usize = 16 * 1024 * 1024;

/// The messages from some point on, up to the current end of the spool. Where a file is damaged, what follows is read: the
/// numbers show what is missing.
pub(super) struct Messages {
    state: Arc<SpoolState>,
    /// The files that follow, as they were listed last.
    listed: VecDeque<RotatedFile>,
    reader: Option<Reader<Contents>>,
    /// The file that is being read, or was read last.
    file: Option<RotatedFile>,
    /// The lines of it before those that the reader counts.
    lines_before: u64,
    /// How many rows of it were damaged.
    damaged: u32,
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
        let mut files = files_in(state.disk(), state.directory())?;
        let (at, skip) = if files.is_empty() {
            (0, Skip::Nothing)
        } else {
            find(&state, &files, from, before)
        };
        let listed = files.split_off(at).into();
        Ok(Self {
            state,
            listed,
            reader: None,
            file: files.pop(),
            lines_before: 0,
            damaged: 0,
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

    fn next_message(&mut self) -> io::Result<Option<PastMessage>> {
        loop {
            if let Some(message) = self.next_in_file() {
                return Ok(Some(message));
            }
            let Some((file, _)) = self.next_file()? else {
                return Ok(None);
            };
            self.open(file);
        }
    }

    /// The next message in the open file.
    pub(super) fn next_in_file(&mut self) -> Option<PastMessage> {
        while let Some(reader) = &mut self.reader {
            match reader.next() {
                Some(Ok(Row::Numbered(message))) => {
                    let columns = reader.columns().clone();
                    return Some(self.announced(message, columns));
                }
                Some(Ok(Row::Gap { .. })) => {}
                Some(Err(error)) => self.pass_damage(&error),
                None => self.reader = None,
            }
        }
        None
    }

    /// The file after the one that was read last, and whether it is closed.
    pub(super) fn next_file(&mut self) -> io::Result<Option<(RotatedFile, bool)>> {
        if self.listed.is_empty() {
            let files = files_in(self.state.disk(), self.state.directory())?;
            let is_next =
                |file: &RotatedFile| (self.file.as_ref()).is_none_or(|read| read.stem < file.stem);
            self.listed = files.into_iter().filter(is_next).collect();
        }
        let next = self.listed.pop_front();
        Ok(next.map(|file| (file, !self.listed.is_empty())))
    }

    /// The rows of a file are not needed.
    pub(super) fn pass(&mut self, file: RotatedFile) {
        self.file = Some(file);
    }

    /// Opens a file, if it has a wanted row.
    pub(super) fn open(&mut self, file: RotatedFile) {
        let opened = open(&self.state, &file);
        self.pass(file);
        self.damaged = 0;
        let read = opened.and_then(|rows| self.skip_in(rows));
        if let (Err(error), Some(file)) = (read, &self.file) {
            self.state.report_unread(file, &error);
        }
        if self.reader.is_none() {
            self.end_skip_in_file();
        }
    }

    /// Skips what is not wanted.
    fn skip_in(&mut self, mut rows: RowHeads) -> Result<(), ReadError> {
        while let Some(row) = rows.next_row()? {
            if self.skip.ends_at(&row) {
                self.end_skip();
                return self.read_from(rows);
            }
        }
        self.report_skipped(&rows);
        Ok(())
    }

    /// Reads the last of these rows and all that follow it.
    fn read_from(&mut self, rows: RowHeads) -> Result<(), ReadError> {
        self.report_skipped(&rows);
        // The reader counts a header before it.
        self.lines_before = rows.line_number().saturating_sub(2);
        self.reader = Some(rows.into_reader()?);
        Ok(())
    }

    fn report_skipped(&self, rows: &RowHeads) {
        if let Some(file) = self.file.as_ref().filter(|_| rows.skipped() > 0) {
            let (stem, lines) = (&file.stem, counted(rows.skipped(), "damaged line"));
            let failure = format!("{lines} of '{stem}' in the spool left out");
            self.state.report_once(stem, &failure);
        }
    }

    /// Continues after a damaged row. If that is impossible, the rest of the file is left out.
    fn pass_damage(&mut self, error: &ReadError) {
        self.reader = None;
        let Some(file) = &self.file else { return };
        self.state.report_unread(file, error);
        self.damaged += 1;
        if let ReadError::Row { line, .. } = error
            && self.damaged <= MOST_DAMAGED
        {
            let damaged = self.lines_before + line;
            let read = open(&self.state, file).and_then(|mut rows| {
                while rows.next_row()?.is_some() {
                    if damaged < rows.line_number() {
                        return self.read_from(rows);
                    }
                }
                Ok(())
            });
            if let (Err(error), Some(file)) = (read, &self.file) {
                self.state.report_unread(file, &error);
            }
        }
    }

    /// Rows are counted, or a message is looked for, in one file only: all that follows is wanted.
    fn end_skip_in_file(&mut self) {
        if let Skip::After { .. } | Skip::Samples(_) = self.skip {
            self.end_skip();
        }
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
        next.transpose()
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

impl SpoolState {
    /// The messages from there on, or the last of them if they are more than fit into a ring. What cannot be read is
    /// reported and left out.
    pub(super) fn collect(self: &Arc<Self>, from: PastFrom) -> Vec<PastMessage> {
        let (mut messages, mut bytes) = (VecDeque::new(), 0);
        let read = Messages::begin(Arc::clone(self), from, None).and_then(|mut all| {
            all.try_for_each(|message| {
                let message = message?;
                bytes += least_bytes(&message);
                messages.push_back(message);
                while RESTORED_BYTES < bytes
                    && let Some(first) = messages.pop_front()
                {
                    bytes -= least_bytes(&first);
                }
                Ok(())
            })
        });
        if let Err(error) = read {
            let (directory, cause) = (self.directory().display(), cause(&error));
            self.report_once(
                "",
                &format!("cannot list the spool in '{directory}': {cause}"),
            );
        }
        messages.into()
    }
}

/// No more than what the message takes in a ring: `"a":1,` is the shortest value.
fn least_bytes(message: &PastMessage) -> usize {
    let names = message.message.sample.values.iter();
    names.map(|(name, _)| name.len() + 5).sum::<usize>() + 64
}

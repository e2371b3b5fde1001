//! Where in the spool a reader begins: in which file, and after which rows.

use super::spans::{open, spans_of};
use super::state::SpoolState;
use crate::hub::PastFrom;
use crate::protocol::StreamId;
use crate::recording::{RotatedFile, RowHead};

/// Rows at the start of a file that are not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    /// None.
    Nothing,
    /// Rows before this time.
    Until(u64),
    /// Rows up to this message, and what precedes its stream.
    After {
        stream: StreamId,
        seq: u64,
        /// Whether a row of the stream was skipped.
        has_seen: bool,
    },
    /// That many samples, with their alerts.
    Samples(u64),
}

impl Skip {
    /// Whether reading begins with this row.
    pub(super) fn ends_at(&mut self, row: &RowHead) -> bool {
        let Some(number) = row.seq else { return false };
        match self {
            Self::Nothing => true,
            Self::Until(time) => *time <= row.timestamp,
            Self::After {
                stream,
                seq,
                has_seen,
            } => {
                let is_known = row.stream == *stream && number <= *seq;
                let begins = !is_known && (*has_seen || row.stream == *stream);
                *has_seen |= is_known;
                begins
            }
            Self::Samples(_) if row.is_alert => false,
            Self::Samples(0) => true,
            Self::Samples(count) => {
                *count -= 1;
                false
            }
        }
    }
}

/// The file among `files`, which are not empty, and the rows to skip in it.
pub(super) fn find(
    state: &SpoolState,
    files: &[RotatedFile],
    from: PastFrom,
    before: Option<(StreamId, u64)>,
) -> (usize, Skip) {
    state.forget_before(&files[0].stem);
    match from {
        PastFrom::Since(time) => {
            // All rows of a file are earlier than the period of the next one.
            let later = files.partition_point(|file| file.period.start <= time);
            (later.saturating_sub(1), Skip::Until(time))
        }
        PastFrom::After(stream, seq) => find_after(state, files, stream, seq),
        PastFrom::Last(count) => find_last(state, files, count, before),
    }
}

/// The time of the first row that is wanted; `None` if there are fewer rows, so that all are.
pub(super) fn time_of(
    state: &SpoolState,
    files: &[RotatedFile],
    from: PastFrom,
    before: Option<(StreamId, u64)>,
) -> Option<u64> {
    if files.is_empty() {
        return None;
    }
    let (at, mut skip) = find(state, files, from, before);
    if skip == Skip::Nothing {
        return None;
    }
    let mut time = None;
    each_row(state, &files[at], |row| {
        let is_first = skip.ends_at(row);
        if is_first {
            time = Some(row.timestamp);
        }
        !is_first
    });
    time
}

/// Calls `take` with each row, as far as the file can be read, and until it returns false.
fn each_row(state: &SpoolState, file: &RotatedFile, mut take: impl FnMut(&RowHead) -> bool) {
    let read = open(state, file).and_then(|mut rows| {
        while let Some(row) = rows.next_row()?
            && take(&row)
        {}
        Ok(())
    });
    if let Err(error) = read {
        state.report_unread(file, &error);
    }
}

fn find_after(
    state: &SpoolState,
    files: &[RotatedFile],
    stream: StreamId,
    seq: u64,
) -> (usize, Skip) {
    for (at, file) in files.iter().enumerate().rev() {
        let spans = spans_of(state, file, at + 1 < files.len());
        let has = spans
            .iter()
            .any(|span| span.stream == stream && span.first <= seq);
        if has {
            let skip = Skip::After {
                stream,
                seq,
                has_seen: false,
            };
            return (at, skip);
        }
    }
    // Unknown, or too old: everything is sent, after a gap.
    (0, Skip::Nothing)
}

fn find_last(
    state: &SpoolState,
    files: &[RotatedFile],
    count: u64,
    before: Option<(StreamId, u64)>,
) -> (usize, Skip) {
    let mut limit = before;
    let mut found = 0;
    for (at, file) in files.iter().enumerate().rev() {
        let spans = spans_of(state, file, at + 1 < files.len());
        let mut samples = spans.iter().map(|span| span.samples).sum();
        if let Some((stream, seq)) = limit {
            let has = spans
                .iter()
                .any(|it| it.stream == stream && it.first <= seq && seq <= it.last);
            if has {
                samples = samples_before(state, file, (stream, seq));
                limit = None;
            } else if spans.iter().any(|it| it.stream == stream && seq < it.first) {
                // All of it is in the ring.
                samples = 0;
            }
        }
        found += samples;
        if count <= found {
            return (at, Skip::Samples(found - count));
        }
    }
    (0, Skip::Nothing)
}

/// The number of samples in `file` before a message.
fn samples_before(state: &SpoolState, file: &RotatedFile, (stream, seq): (StreamId, u64)) -> u64 {
    let mut samples = 0;
    each_row(state, file, |row| {
        let is_before = row.stream != stream || row.seq.is_none_or(|it| it < seq);
        samples += u64::from(is_before && row.seq.is_some() && !row.is_alert);
        is_before
    });
    samples
}

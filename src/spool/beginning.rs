//! Where in the spool a reader begins: in which file, and after which rows.

use super::spans::{open, spans_of};
use super::state::SpoolState;
use crate::hub::PastFrom;
use crate::protocol::StreamId;
use crate::recording::{ReadError, RotatedFile, RowHead};

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
) -> Result<(usize, Skip), ReadError> {
    match from {
        PastFrom::Since(time) => {
            // All rows of a file are earlier than the period of the next one.
            let later = files.partition_point(|file| file.period.start <= time);
            Ok((later.saturating_sub(1), Skip::Until(time)))
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
) -> Result<Option<u64>, ReadError> {
    if files.is_empty() {
        return Ok(None);
    }
    let (at, mut skip) = find(state, files, from, before)?;
    if skip == Skip::Nothing {
        return Ok(None);
    }
    let mut rows = open(state, &files[at])?;
    while let Some(row) = rows.next_row()? {
        if skip.ends_at(&row) {
            return Ok(Some(row.timestamp));
        }
    }
    Ok(None)
}

fn find_after(
    state: &SpoolState,
    files: &[RotatedFile],
    stream: StreamId,
    seq: u64,
) -> Result<(usize, Skip), ReadError> {
    for (at, file) in files.iter().enumerate().rev() {
        let spans = spans_of(state, file, at + 1 < files.len())?;
        let has = spans
            .iter()
            .any(|span| span.stream == stream && span.first <= seq);
        if has {
            let skip = Skip::After {
                stream,
                seq,
                has_seen: false,
            };
            return Ok((at, skip));
        }
    }
    // Unknown, or too old: everything is sent, after a gap.
    Ok((0, Skip::Nothing))
}

fn find_last(
    state: &SpoolState,
    files: &[RotatedFile],
    count: u64,
    before: Option<(StreamId, u64)>,
) -> Result<(usize, Skip), ReadError> {
    let mut limit = before;
    let mut found = 0;
    for (at, file) in files.iter().enumerate().rev() {
        let spans = spans_of(state, file, at + 1 < files.len())?;
        let mut samples = spans.iter().map(|span| span.samples).sum();
        if let Some((stream, seq)) = limit {
            let has = spans
                .iter()
                .any(|it| it.stream == stream && it.first <= seq && seq <= it.last);
            if has {
                samples = samples_before(state, file, (stream, seq))?;
                limit = None;
            } else if spans.iter().any(|it| it.stream == stream && seq < it.first) {
                // All of it is in the ring.
                samples = 0;
            }
        }
        found += samples;
        if count <= found {
            return Ok((at, Skip::Samples(found - count)));
        }
    }
    Ok((0, Skip::Nothing))
}

/// The number of samples in `file` before a message.
fn samples_before(
    state: &SpoolState,
    file: &RotatedFile,
    (stream, seq): (StreamId, u64),
) -> Result<u64, ReadError> {
    let mut rows = open(state, file)?;
    let mut samples = 0;
    while let Some(row) = rows.next_row()? {
        if row.stream == stream && row.seq.is_some_and(|it| seq <= it) {
            break;
        }
        samples += u64::from(row.seq.is_some() && !row.is_alert);
    }
    Ok(samples)
}

//! Which streams are in a file, and how much of each.

use std::io::ErrorKind;
use std::sync::Arc;

use super::state::{SpoolState, StreamSpan};
use crate::locks::lock;
use crate::recording::{MinutesEntry, MinutesReader, ReadError, RotatedFile, RowHeads};
use crate::wording::with_causes;

/// The streams in a file, in their order, as far as it can be read. Those of closed files are remembered.
pub(super) fn spans_of(
    state: &SpoolState,
    file: &RotatedFile,
    is_closed: bool,
) -> Arc<[StreamSpan]> {
    if let Some(known) = lock(&state.spans).get(&file.stem) {
        return Arc::clone(known);
    }
    let known = if is_closed {
        spans_from_minutes(state, file)
    } else {
        None
    };
    let spans: Arc<[StreamSpan]> = match known {
        Some(spans) => spans.into(),
        None => {
            let mut spans = Vec::new();
            if let Err(error) = scan(state, file, &mut spans) {
                state.report_unread(file, &error);
                return spans.into();
            }
            spans.into()
        }
    };
    if is_closed {
        lock(&state.spans).insert(file.stem.clone(), Arc::clone(&spans));
    }
    spans
}

/// Calls `take` with each entry of the file that sums this one up; `None` if there is none, or it cannot be read.
pub(super) fn each_entry(
    state: &SpoolState,
    file: &RotatedFile,
    mut take: impl FnMut(MinutesEntry),
) -> Option<()> {
    let file = file.has_minutes.then_some(file)?;
    let mut minutes = MinutesReader::open(state.directory(), &file.stem).ok()?;
    while let Some(entry) = minutes.next_entry().ok()? {
        take(entry);
    }
    Some(())
}

/// The same from the file that sums it up.
fn spans_from_minutes(state: &SpoolState, file: &RotatedFile) -> Option<Vec<StreamSpan>> {
    let mut spans = Vec::new();
    each_entry(state, file, |entry| {
        if let MinutesEntry::Rows(rows) = entry {
            add(
                &mut spans,
                StreamSpan {
                    stream: rows.stream,
                    first: rows.first,
                    last: rows.last,
                    samples: rows.values.samples(),
                },
            );
        }
    })?;
    Some(spans)
}

/// Adds rows that follow.
fn add(spans: &mut Vec<StreamSpan>, next: StreamSpan) {
    match spans.last_mut() {
        Some(span) if span.stream == next.stream => {
            span.last = next.last;
            span.samples += next.samples;
        }
        _ => spans.push(next),
    }
}

fn scan(
    state: &SpoolState,
    file: &RotatedFile,
    spans: &mut Vec<StreamSpan>,
) -> Result<(), ReadError> {
    let mut rows = open(state, file)?;
    while let Some(row) = rows.next_row()? {
        let Some(seq) = row.seq else { continue };
        let row = StreamSpan {
            stream: row.stream,
            first: seq,
            last: seq,
            samples: u64::from(!row.is_alert),
        };
        add(spans, row);
    }
    Ok(())
}

impl SpoolState {
    /// Says that a file cannot be read to its end, unless it has been removed meanwhile, as old files are.
    pub(super) fn report_unread(&self, file: &RotatedFile, error: &ReadError) {
        let is_gone =
            matches!(error, ReadError::Io { source, .. } if source.kind() == ErrorKind::NotFound);
        if !is_gone {
            let reason = with_causes(error);
            let failure = format!("part of the spool is left out: {reason}");
            self.report_once(&file.stem, &failure);
        }
    }
}

/// Opens a file, which may have been compressed since it was listed. Lines that are damaged are skipped.
pub(super) fn open(state: &SpoolState, file: &RotatedFile) -> Result<RowHeads, ReadError> {
    let directory = state.directory();
    let opened = match RowHeads::open(&file.path_in(directory)) {
        Err(ReadError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let packed = RotatedFile {
                is_plain: false,
                ..file.clone()
            };
            RowHeads::open(&packed.path_in(directory))
        }
        opened => opened,
    };
    opened.map(RowHeads::skipping_damage)
}

//! Which streams are in a file, and how much of each.

use std::io::ErrorKind;
use std::sync::Arc;

use super::state::{SpoolState, StreamSpan};
use crate::locks::lock;
use crate::recording::{MinutesEntry, MinutesReader, ReadError, RotatedFile, RowHeads};

/// The streams in a file, in their order. Those of closed files are remembered.
pub(super) fn spans_of(
    state: &SpoolState,
    file: &RotatedFile,
    is_closed: bool,
) -> Result<Arc<[StreamSpan]>, ReadError> {
    if let Some(known) = lock(&state.spans).get(&file.stem) {
        return Ok(Arc::clone(known));
    }
    let known = if is_closed {
        from_minutes(state, file)
    } else {
        None
    };
    let spans: Arc<[StreamSpan]> = match known {
        Some(spans) => spans.into(),
        None => scan(state, file)?.into(),
    };
    if is_closed {
        lock(&state.spans).insert(file.stem.clone(), Arc::clone(&spans));
    }
    Ok(spans)
}

/// The same from the file that sums it up, if there is one that can be read.
fn from_minutes(state: &SpoolState, file: &RotatedFile) -> Option<Vec<StreamSpan>> {
    let file = file.has_minutes.then_some(file)?;
    let mut minutes = MinutesReader::open(state.directory(), &file.stem).ok()?;
    let mut spans = Vec::new();
    while let Some(entry) = minutes.next_entry().ok()? {
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
    }
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

fn scan(state: &SpoolState, file: &RotatedFile) -> Result<Vec<StreamSpan>, ReadError> {
    let mut rows = open(state, file)?;
    let mut spans: Vec<StreamSpan> = Vec::new();
    while let Some(row) = rows.next_row()? {
        let Some(seq) = row.seq else { continue };
        let row = StreamSpan {
            stream: row.stream,
            first: seq,
            last: seq,
            samples: u64::from(!row.is_alert),
        };
        add(&mut spans, row);
    }
    Ok(spans)
}

/// Opens a file, which may have been compressed since it was listed.
pub(super) fn open(state: &SpoolState, file: &RotatedFile) -> Result<RowHeads, ReadError> {
    let directory = state.directory();
    match RowHeads::open(&file.path_in(directory)) {
        Err(ReadError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let packed = RotatedFile {
                is_plain: false,
                ..file.clone()
            };
            RowHeads::open(&packed.path_in(directory))
        }
        opened => opened,
    }
}

//! Which streams are in a file, and how much of each.

use std::io::ErrorKind;
use std::sync::Arc;

use super::state::{SpoolState, StreamSpan};
use crate::locks::lock;
use crate::recording::{ReadError, RotatedFile, RowHeads};

/// The streams in a file, in their order. Those of closed files are remembered.
pub(super) fn spans_of(
    state: &SpoolState,
    file: &RotatedFile,
    is_closed: bool,
) -> Result<Arc<[StreamSpan]>, ReadError> {
    if let Some(known) = lock(&state.spans).get(&file.stem) {
        return Ok(Arc::clone(known));
    }
    let spans: Arc<[StreamSpan]> = scan(state, file)?.into();
    if is_closed {
        lock(&state.spans).insert(file.stem.clone(), Arc::clone(&spans));
    }
    Ok(spans)
}

fn scan(state: &SpoolState, file: &RotatedFile) -> Result<Vec<StreamSpan>, ReadError> {
    let mut rows = open(state, file)?;
    let mut spans: Vec<StreamSpan> = Vec::new();
    while let Some(row) = rows.next_row()? {
        let Some(seq) = row.seq else { continue };
        let samples = u64::from(!row.is_alert);
        match spans.last_mut() {
            Some(span) if span.stream == row.stream => {
                span.last = seq;
                span.samples += samples;
            }
            _ => spans.push(StreamSpan {
                stream: row.stream,
                first: seq,
                last: seq,
                samples,
            }),
        }
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

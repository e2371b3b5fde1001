//! The recording that is part of this program, so that a newcomer has something to see at once.
//!
//! A small web shop is given a release that leaks memory: it fills its memory, then the swap space, and is killed; the
//! release before takes its place. `scripts/demo/record.sh` recorded it, with the alerts of its rules.

use std::io::Cursor;

use crate::recording::{ReadError, Reader, unpacked};

use super::series::Bytes;

/// 9 minutes at 2 s, compressed.
const RECORDING: &[u8] = include_bytes!("demo.csv.gz");

/// Opens it.
pub(super) fn open() -> Result<Reader<Bytes>, ReadError> {
    let file = "the demo";
    match unpacked(Cursor::new(RECORDING)) {
        Ok(input) => Reader::new(input, file),
        Err(source) => Err(ReadError::Io {
            file: file.into(),
            source,
        }),
    }
}

//! What the CSV parser doesn't report: whether a row ended because the input did, and whether it ever ends.

use std::io::{self, Read, Seek, SeekFrom};

use super::foreign::LOOKED_AT;

/// The longest row that is read, in bytes. The longest message on the wire is shorter even with every quote doubled; a
/// file with a longer line, or with a quote that is never closed, is refused before it fills the memory.
pub(super) const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// An input that remembers its end and limits the bytes of a row.
#[derive(Debug)]
pub(super) struct WatchedInput<R> {
    input: R,
    at_end: bool,
    allowed: usize,
    /// The first bytes read so far.
    head: Vec<u8>,
}

impl<R> WatchedInput<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            at_end: false,
            allowed: MAX_ROW_BYTES,
            head: Vec::new(),
        }
    }

    /// The first bytes, to describe an input that isn't a recording.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Resets the limit for the next row.
    pub(super) fn begin_row(&mut self) {
        self.allowed = MAX_ROW_BYTES;
    }

    /// Whether the parser has read past the end. It does so only for a row without a line break.
    pub(super) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Whether the row was too long.
    pub(super) fn is_exhausted(&self) -> bool {
        self.allowed == 0
    }
}

impl<R: Read> Read for WatchedInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_exhausted() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        loop {
            match self.input.read(buffer) {
                Ok(read) => {
                    let missing = LOOKED_AT.saturating_sub(self.head.len());
                    self.head.extend_from_slice(&buffer[..read.min(missing)]);
                    self.at_end |= read == 0;
                    self.allowed = self.allowed.saturating_sub(read);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Seek> Seek for WatchedInput<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at_end = false;
        self.input.seek(to)
    }
}

//! Whether a file that kept its length still has the contents that were written to it.

use std::fs::File;

/// How much of each end of a file is remembered, in bytes: a header and a row are about as long.
const REMEMBERED: usize = 512;

/// Both ends of a file as they were written. What is between them is not compared: reading a whole recording again and
/// again would cost too much, and further rows depend only on its header and its last row.
#[derive(Debug, Default, Clone)]
pub(super) struct Landmarks {
    head: Vec<u8>,
    tail: Vec<u8>,
    tail_at: u64,
}

impl Landmarks {
    /// Remembers `rows`, which were written at the position `at`.
    pub(super) fn note(&mut self, at: u64, rows: &[u8]) {
        if at == 0 {
            self.head = rows[..rows.len().min(REMEMBERED)].to_vec();
        }
        let tail_from = rows.len().saturating_sub(REMEMBERED);
        self.tail = rows[tail_from..].to_vec();
        self.tail_at = at + tail_from as u64;
    }

    /// Reads both ends of a file of `length` bytes.
    pub(super) fn of(file: &File, length: u64) -> Self {
        let count = usize::try_from(length).map_or(REMEMBERED, |it| it.min(REMEMBERED));
        let read = |at| {
            let mut bytes = vec![0; count];
            if read_at(file, &mut bytes, at) {
                bytes
            } else {
                Vec::new()
            }
        };
        let tail_at = length - count as u64;
        Self {
            head: read(0),
            tail: read(tail_at),
            tail_at,
        }
    }

    /// Whether `file` differs. What cannot be read is not known to differ.
    pub(super) fn differ_from(&self, file: &File) -> bool {
        let differs = |expected: &[u8], at| {
            let mut bytes = vec![0; expected.len()];
            read_at(file, &mut bytes, at) && bytes != expected
        };
        differs(&self.head, 0) || differs(&self.tail, self.tail_at)
    }
}

/// Fills `bytes` from the position `at`, without moving the position of the file. Returns whether that was possible.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> bool {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at).is_ok()
}

#[cfg(not(unix))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> bool {
    false
}

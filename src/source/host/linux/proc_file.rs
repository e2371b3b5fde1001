//! A file that the kernel generates for each read from its start.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The size of one read; most files fit into one.
const CHUNK_BYTES: usize = 16 * 1024;

/// A read that returns less is the last: the kernel ends one early only where the next line doesn't fit into a page, and
/// few files have lines so long.
const SURE_BYTES: usize = 2048;

/// No sysfs file with a single value is longer.
const VALUE_BYTES: usize = 128;

/// How much of a bad line is shown.
const EXCERPT_BYTES: usize = 80;

/// A file that stays open.
pub(super) struct ProcFile {
    path: PathBuf,
    file: Option<File>,
    has_reported: Cell<bool>,
}

impl ProcFile {
    /// A file that doesn't exist or may not be read never has any text.
    pub(super) fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            file: File::open(&path).ok(),
            path,
            has_reported: Cell::new(false),
        }
    }

    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Its current contents, if no line is longer than [`SURE_BYTES`]. `buffer` is reused.
    pub(super) fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        self.read_until(SURE_BYTES, buffer)
    }

    /// Its current contents, however long its lines are.
    pub(super) fn read_long<'a>(&self, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        self.read_until(1, buffer)
    }

    /// Reads until one call returns fewer than `sure` bytes.
    fn read_until<'a>(&self, sure: usize, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let file = self.file.as_ref()?;
        let mut len = 0;
        loop {
            if buffer.len() < len + CHUNK_BYTES {
                buffer.resize(len + CHUNK_BYTES, 0);
            }
            let more = file.read_at(&mut buffer[len..], len as u64).ok()?;
            len += more;
            if more < sure {
                break;
            }
        }
        Some(&buffer[..len])
    }

    /// Its only value, read with one call and parsed.
    pub(super) fn value<T: std::str::FromStr>(&self) -> Option<T> {
        let mut text = [0; VALUE_BYTES];
        let len = self.file.as_ref()?.read_at(&mut text, 0).ok()?;
        super::text::number(text[..len].trim_ascii())
    }

    /// Reports that `line` is skipped. Only the first one of a file is reported: every reading would find it again.
    pub(super) fn skip(&self, line: &[u8]) {
        if !self.has_reported.replace(true) {
            let excerpt = &line[..line.len().min(EXCERPT_BYTES)];
            let (path, excerpt) = (self.path.display(), excerpt.escape_ascii());
            tracing::warn!("{path}: skipped an invalid line: {excerpt}");
        }
    }

    #[cfg(test)]
    pub(super) fn has_reported(&self) -> bool {
        self.has_reported.get()
    }
}

/// The only value of the file at `path`, which is read once. Bytes that aren't text give no value.
pub(super) fn value<T: std::str::FromStr>(path: &Path) -> Option<T> {
    ProcFile::open(path).value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    #[test]
    fn it_is_read_completely_and_again() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let long = "0123456789abcdef".repeat(3000);
        file.write_all(long.as_bytes()).unwrap();
        let proc_file = ProcFile::open(file.path());
        let mut buffer = Vec::new();
        assert_eq!(proc_file.read(&mut buffer), Some(long.as_bytes()));
        file.as_file().set_len(4).unwrap();
        assert_eq!(proc_file.read(&mut buffer), Some(&b"0123"[..]));
        assert_eq!(proc_file.value(), Some(123));
    }

    #[test]
    fn a_short_file_takes_one_call_and_a_long_one_as_many_as_it_needs() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let proc_file = ProcFile::open(file.path());
        let mut buffer = Vec::new();
        for len in [
            0,
            1,
            SURE_BYTES,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            3 * CHUNK_BYTES,
        ] {
            let text = vec![b'x'; len];
            file.as_file_mut().set_len(0).unwrap();
            file.rewind().unwrap();
            file.write_all(&text).unwrap();
            assert_eq!(proc_file.read(&mut buffer), Some(&*text));
            assert_eq!(proc_file.read_long(&mut buffer), Some(&*text));
        }
    }

    #[test]
    fn a_missing_file_has_no_text() {
        let file = ProcFile::open("/proc/no-such-file");
        assert_eq!(file.read(&mut Vec::new()), None);
        assert_eq!(file.value::<u64>(), None);
    }

    #[test]
    fn an_invalid_line_is_reported_once() {
        let file = ProcFile::open("/proc/no-such-file");
        assert!(!file.has_reported());
        file.skip(&[b'\xff'; 1000]);
        file.skip(b"");
        assert!(file.has_reported());
    }
}

//! A file that the kernel writes anew for everyone who reads it from the start.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The room for one read; most files fit into one.
const CHUNK_BYTES: usize = 16 * 1024;

/// A file that stays open.
pub(super) struct ProcFile(Option<File>);

impl ProcFile {
    /// A file that does not exist, or may not be read, never has a text.
    pub(super) fn open(path: impl AsRef<Path>) -> Self {
        Self(File::open(path).ok())
    }

    pub(super) fn file(&self) -> Option<&File> {
        self.0.as_ref()
    }

    /// What it says now. `buffer` is room to be used again.
    pub(super) fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
        let file = self.0.as_ref()?;
        let mut len = 0;
        loop {
            if buffer.len() < len + CHUNK_BYTES {
                buffer.resize(len + CHUNK_BYTES, 0);
            }
            match file.read_at(&mut buffer[len..], len as u64).ok()? {
                0 => break,
                more => len += more,
            }
        }
        std::str::from_utf8(&buffer[..len]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn it_is_read_whole_and_again() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let long = "0123456789abcdef".repeat(3000);
        file.write_all(long.as_bytes()).unwrap();
        let proc_file = ProcFile::open(file.path());
        let mut buffer = Vec::new();
        assert_eq!(proc_file.read(&mut buffer), Some(&*long));
        file.as_file().set_len(4).unwrap();
        assert_eq!(proc_file.read(&mut buffer), Some("0123"));
    }

    #[test]
    fn what_is_not_there_says_nothing() {
        assert_eq!(
            ProcFile::open("/proc/no-such-file").read(&mut Vec::new()),
            None
        );
    }
}

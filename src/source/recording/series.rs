//! Files that are read one after the other, each perhaps compressed: those of a rotated recording, or one compressed
//! file. Their rows cannot be read again by their place.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::recording::{ReadError, Reader, is_part_of_header, unpacked};

use super::found_row::{FoundRow, numbered};
use super::order::Runs;

/// How much of a file that might hold part of a header is examined, in bytes.
const LONGEST_HEADER: u64 = 1024 * 1024;

/// What a reader reads when its input cannot be read by place.
pub(super) type Bytes = Box<dyn Read + Send>;

/// The rows of files that are read one after the other.
pub(super) struct Series {
    rest: VecDeque<PathBuf>,
    reader: Option<Reader<Bytes>>,
    /// The file that is being read, or was read last.
    file: Arc<str>,
    /// Whether a file without a complete row may be among them: one that had just been created when power failed.
    may_be_blank: bool,
    pub(super) runs: Option<Runs>,
    /// What was cut off, one line each.
    pub(super) torn: Vec<String>,
}

impl Series {
    /// Opens the first of `files`. With `count`, runs are counted while they are read.
    pub(super) fn open(
        files: &[PathBuf],
        may_be_blank: bool,
        count: bool,
    ) -> Result<Self, ReadError> {
        let mut series = Self {
            rest: files.iter().cloned().collect(),
            reader: None,
            file: "".into(),
            may_be_blank,
            runs: count.then(Runs::default),
            torn: Vec::new(),
        };
        series.open_next()?;
        Ok(series)
    }

    /// Opens the next file that has a header. Without one, the series is over.
    fn open_next(&mut self) -> Result<(), ReadError> {
        while let Some(path) = self.rest.pop_front() {
            self.file = path.display().to_string().into();
            match open(&path) {
                Ok(reader) => {
                    self.reader = Some(reader);
                    return Ok(());
                }
                Err(error) if self.may_be_blank && is_blank(&path, &error) => {
                    self.torn.push(format!(
                        "{}: has no complete row and is left out",
                        self.file
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<FoundRow>, ReadError> {
        while let Some(reader) = &mut self.reader {
            if let Some(mut found) = numbered(reader)? {
                found.at.file = Some(Arc::clone(&self.file));
                if let Some(runs) = &mut self.runs {
                    runs.note(&found.message);
                }
                return Ok(Some(found));
            }
            self.torn.extend(reader.torn().map(ToString::to_string));
            self.reader = None;
            self.open_next()?;
        }
        Ok(None)
    }

    /// The name of the current file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }
}

/// Opens a file or a pipe, which may be compressed.
pub(super) fn open(path: &Path) -> Result<Reader<Bytes>, ReadError> {
    let file = path.display().to_string();
    match File::open(path).and_then(unpacked) {
        Ok(input) => Reader::new(input, file),
        Err(source) => Err(ReadError::Io { file, source }),
    }
}

/// Whether the file at `path` holds no more than a part of a header: it could still have become a recording.
fn is_blank(path: &Path, error: &ReadError) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_HEADER).read_to_end(&mut head));
    matches!(error, ReadError::NotARecording { .. }) && read.is_ok() && is_part_of_header(&head)
}

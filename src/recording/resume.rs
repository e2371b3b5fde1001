//! Continuing a recording: where it ends, and with which columns.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use super::columns::Columns;
use super::encode::Encoder;
use super::error::{ReadError, RowProblem};
use super::lines::{is_gap, is_header, is_start_of_header};
use super::output::Output;
use super::output_error::OutputError;
use super::reader::Reader;
use super::row::Row;
use super::watched::MAX_ROW_BYTES;
use crate::disk::{Disk, DiskReader};
use crate::protocol::{Position, StreamId};

/// Large, because the whole file is read through it once.
const BUFFER_BYTES: usize = 256 * 1024;

/// An output that was opened for appending.
#[derive(Debug)]
pub struct Appended {
    /// The output.
    pub output: Output,
    /// Where the recording ends; `None` if there is none yet, so that a header must be written first.
    pub resume: Option<Resume>,
}

/// Where a recording ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The columns that further rows must have.
    pub columns: Columns,
    /// The last numbered row; `None` if there is only a header.
    pub last: Option<Position>,
    /// The time of that row, in milliseconds since the epoch.
    pub last_time: Option<u64>,
    /// The streams before that of the last row, in their order, each once.
    pub past: Vec<StreamId>,
    /// How many bytes after it were removed: a torn row, or a gap whose message was not written.
    pub cut_bytes: u64,
}

impl Output {
    /// Opens a recording to continue it. A missing or empty file becomes a new one.
    ///
    /// A torn last row and a gap without its message are removed: both will be received again. The file is read once
    /// from start to end, because any of its headers may be the one that counts.
    ///
    /// # Errors
    /// When it cannot be opened, isn't a recording, was edited into another form, or another process records into it.
    pub fn append(disk: &Arc<dyn Disk>, path: &Path) -> Result<Appended, OutputError> {
        let output = Self::open_to_append(disk, path)?;
        if !output.is_regular() {
            return Ok(Appended {
                output,
                resume: None,
            });
        }
        let name = output.name();
        let failed = |source| {
            OutputError::Unreadable(ReadError::Io {
                file: name.clone(),
                source,
            })
        };
        let mut scan = Scan::new(&name);
        (output.file().rewind()).map_err(failed)?;
        let (disk, file) = (output.disk(), &*output.file());
        scan.read_ours(DiskReader { disk, file }, path)?;
        let length = output.file().metadata().map_err(failed)?.len();
        if scan.keep < length {
            output.set_len(scan.keep)?;
        }
        output.note_ends(scan.keep);
        let resume = scan.columns.map(|columns| Resume {
            columns,
            past: scan.streams.before(scan.last.as_ref()),
            last: scan.last,
            last_time: scan.last_time,
            cut_bytes: length.saturating_sub(scan.keep),
        });
        Ok(Appended { output, resume })
    }
}

/// The last numbered row of the recording at `path`, which is only read.
///
/// # Errors
/// When it isn't a recording that [`Output::append`] could continue.
pub(super) fn end_of(path: &Path) -> Result<Option<Position>, OutputError> {
    let name = path.display().to_string();
    let mut scan = Scan::new(&name);
    match File::open(path) {
        Ok(file) => scan.read_ours(file, path)?,
        Err(source) => return Err(OutputError::Unreadable(scan.io_error(source))),
    }
    Ok(scan.last)
}

/// One pass over the lines of a file.
struct Scan<'a> {
    file: &'a str,
    /// The header that counts, and its columns.
    header: Vec<u8>,
    columns: Option<Columns>,
    /// The last numbered row below it, with its line number.
    row: Option<(Vec<u8>, u64)>,
    last: Option<Position>,
    last_time: Option<u64>,
    streams: Streams,
    line: u64,
    end: u64,
    /// The position after the last numbered row or header.
    keep: u64,
}

impl<'a> Scan<'a> {
    fn new(file: &'a str) -> Self {
        Self {
            file,
            header: Vec::new(),
            columns: None,
            row: None,
            last: None,
            last_time: None,
            streams: Streams::default(),
            line: 0,
            end: 0,
            keep: 0,
        }
    }

    /// Reads a file that can be continued.
    fn read_ours(&mut self, input: impl Read, path: &Path) -> Result<(), OutputError> {
        let input = BufReader::with_capacity(BUFFER_BYTES, input);
        self.read(input).map_err(OutputError::Unreadable)?;
        if self.is_ours() {
            Ok(())
        } else {
            Err(OutputError::Edited { path: path.into() })
        }
    }

    fn read(&mut self, mut input: impl BufRead) -> Result<(), ReadError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = MAX_ROW_BYTES as u64;
            let read = (&mut input).take(limit).read_until(b'\n', &mut line);
            let length = read.map_err(|source| self.io_error(source))?;
            if !line.ends_with(b"\n") {
                if length == MAX_ROW_BYTES {
                    return Err(self.too_long());
                }
                break;
            }
            self.line += 1;
            self.end += length as u64;
            self.take(&mut line)?;
        }
        if self.columns.is_none() && !line.is_empty() && !is_start_of_header(&line) {
            Reader::new(&*line, self.file)?;
        }
        self.settle()
    }

    /// Processes a complete line.
    fn take(&mut self, line: &mut Vec<u8>) -> Result<(), ReadError> {
        if self.columns.is_none() || is_header(line) {
            self.settle()?;
            let reader = Reader::new(&**line, self.file)?;
            self.columns = Some(reader.columns().clone());
            std::mem::swap(&mut self.header, line);
        } else if is_gap(line) {
            return Ok(());
        } else {
            self.streams.note(line);
            let (row, number) = self.row.get_or_insert_default();
            std::mem::swap(row, line);
            *number = self.line;
        }
        self.keep = self.end;
        Ok(())
    }

    /// Reads the last row, which must match its header.
    fn settle(&mut self) -> Result<(), ReadError> {
        let Some((bytes, line)) = self.row.take() else {
            return Ok(());
        };
        let mut reader = Reader::new(self.header.chain(&*bytes), self.file)?;
        self.last = match reader.next() {
            Some(Ok(Row::Numbered(message))) => {
                self.last_time = Some(message.sample.timestamp);
                Some(message.position())
            }
            Some(Ok(Row::Gap { .. })) => self.last.take(),
            Some(Err(ReadError::Row { file, problem, .. })) => {
                return Err(ReadError::Row {
                    file,
                    line,
                    problem,
                });
            }
            Some(Err(error)) => return Err(error),
            None => self.last.take(),
        };
        Ok(())
    }

    /// Whether rows of an [`Encoder`] belong below the header.
    fn is_ours(&self) -> bool {
        self.columns.as_ref().is_none_or(|columns| {
            let mut header = Vec::new();
            Encoder::new(columns.clone()).header(&mut header);
            header == self.header
        })
    }

    /// A line that is cut off is torn; one that continues must not be truncated.
    fn too_long(&self) -> ReadError {
        ReadError::Row {
            file: self.file.into(),
            line: self.line + 1,
            problem: RowProblem::TooLong,
        }
    }

    fn io_error(&self, source: io::Error) -> ReadError {
        ReadError::Io {
            file: self.file.into(),
            source,
        }
    }
}

/// The streams in a file, found without reading its rows: the cells before theirs are never quoted.
#[derive(Debug, Default)]
struct Streams {
    /// The cell of the previous row.
    cell: Vec<u8>,
    found: Vec<StreamId>,
}

impl Streams {
    fn note(&mut self, line: &[u8]) {
        let cell = line
            .splitn(4, |&byte| byte == b',')
            .nth(2)
            .unwrap_or_default();
        if cell == self.cell {
            return;
        }
        self.cell = cell.to_vec();
        // An invalid stream is reported where it matters, in the last row.
        let stream = std::str::from_utf8(cell)
            .ok()
            .and_then(|text| text.parse::<StreamId>().ok());
        self.found.extend(stream);
    }

    fn before(mut self, last: Option<&Position>) -> Vec<StreamId> {
        let mut seen: HashSet<_> = last.map(|last| last.stream).into_iter().collect();
        self.found.retain(|stream| seen.insert(*stream));
        self.found
    }
}

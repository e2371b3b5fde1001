//! A recording as an iterator of rows.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Terminator};

use super::columns::Columns;
use super::decode::{CellLayout, Decoder, Heading};
use super::error::{Excerpt, HeaderProblem, ReadError, RowProblem};
use super::foreign;
use super::row::Row;
use super::watched::WatchedInput;
use crate::protocol::Numbered;

/// Large enough to make a read of the disk worthwhile, small enough to stay in the second-level cache.
const BUFFER_BYTES: usize = 64 * 1024;

/// Enough for most rows: if each one is read at another place, anything read beyond it is wasted.
const BUFFER_BYTES_OF_A_ROW: usize = 4 * 1024;

/// Reads the rows of a recording, one after the other, in constant memory. Ends at the first error.
#[derive(Debug)]
pub struct Reader<R> {
    csv: csv::Reader<WatchedInput<R>>,
    file: String,
    row: StringRecord,
    decoder: Decoder,
    torn: Option<TornRow>,
    is_over: bool,
}

/// Where a row begins in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlace {
    /// Bytes before it.
    pub byte: u64,
    /// The parser's line count there, so that line numbers stay the same.
    pub line: u64,
}

/// A last row without a line break: its writer was interrupted, and it may end in half a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornRow {
    /// The name of the file in messages.
    pub file: String,
    /// The line on which the row starts, from 1.
    pub line: u64,
}

impl fmt::Display for TornRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line } = self;
        write!(f, "{file}:{line}: the last row is cut off and left out")
    }
}

impl Reader<File> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When it cannot be read or isn't a recording.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::open_buffered(path, BUFFER_BYTES)
    }

    /// Opens a file to read single rows of it: [`Reader::message_at`].
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn open_for_rows(path: &Path) -> Result<Self, ReadError> {
        Self::open_buffered(path, BUFFER_BYTES_OF_A_ROW)
    }

    fn open_buffered(path: &Path, buffer_bytes: usize) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.is_dir(), file)));
        match opened {
            Ok((true, _)) => Err(ReadError::Directory { file: name }),
            Ok((false, file)) => Self::buffered(file, name, buffer_bytes),
            Err(source) => Err(ReadError::Io { file: name, source }),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header from `input`. Errors call it `file`.
    ///
    /// # Errors
    /// When it cannot be read or isn't a recording.
    pub fn new(input: R, file: impl Into<String>) -> Result<Self, ReadError> {
        Self::buffered(input, file.into(), BUFFER_BYTES)
    }

    fn buffered(input: R, file: String, buffer_bytes: usize) -> Result<Self, ReadError> {
        // With only `\n` as the line ending, the parser's line numbers are right for `\r\n` as well.
        let mut csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(buffer_bytes)
            .from_reader(WatchedInput::new(input));
        let mut header = StringRecord::new();
        match read_layout(&mut csv, &mut header) {
            Ok(Ok(layout)) => Ok(Self {
                csv,
                file,
                row: header,
                decoder: Decoder::new(layout),
                torn: None,
                is_over: false,
            }),
            Ok(Err(problem)) => {
                let foreign = foreign::describe(csv.get_ref().head(), &file);
                let problem = foreign.map_or(problem, HeaderProblem::Foreign);
                Err(ReadError::NotARecording { file, problem })
            }
            Err(source) => Err(ReadError::Io { file, source }),
        }
    }

    /// The value columns of the following rows. Another header may change them.
    pub fn columns(&self) -> &Columns {
        &self.decoder.layout().columns
    }

    /// The header of the last row.
    pub fn heading(&self) -> &Heading {
        &self.decoder.heading
    }

    /// Where the last row begins.
    pub fn place(&self) -> RowPlace {
        let position = self.row.position();
        RowPlace {
            byte: position.map_or(0, Position::byte),
            line: position.map_or(1, Position::line),
        }
    }

    /// The line on which the last row starts, from 1.
    pub fn line(&self) -> u64 {
        // The parser is on the line after the row; it skips blank lines before it.
        self.csv.position().line() - 1 - self.breaks_within()
    }

    /// The name of the input in errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// How many bytes of the input the rows so far have taken.
    pub fn bytes_read(&self) -> u64 {
        self.csv.position().byte()
    }

    /// The row that was omitted at the end, once the iterator has ended.
    pub fn torn(&self) -> Option<&TornRow> {
        self.torn.as_ref()
    }

    fn read_row(&mut self) -> Result<Option<Row>, ReadError> {
        while self.read_record()? {
            match self.decoder.row(&self.row) {
                Ok(row) => return Ok(Some(row)),
                Err(_) if CellLayout::is_header(&self.row) => self.change_layout()?,
                Err(problem) => return Err(self.error(problem)),
            }
        }
        Ok(None)
    }

    fn change_layout(&mut self) -> Result<(), ReadError> {
        let mut layout =
            CellLayout::of(&self.row).map_err(|problem| self.error(RowProblem::Header(problem)))?;
        if layout.columns == *self.columns() {
            // Keeping the same object shows its holders that nothing changed.
            layout.columns = self.columns().clone();
        }
        if layout == *self.decoder.layout() {
            return Ok(());
        }
        self.decoder = Decoder::new(layout);
        Ok(())
    }

    /// Reads the next complete line that is not blank; false at the end.
    fn read_record(&mut self) -> Result<bool, ReadError> {
        loop {
            self.csv.get_mut().begin_row();
            let read = self.csv.read_record(&mut self.row);
            if self.csv.get_ref().at_end() {
                if !matches!(read, Ok(false)) {
                    self.torn = Some(TornRow {
                        file: self.file.clone(),
                        line: self.csv.position().line() - self.breaks_within(),
                    });
                }
                return Ok(false);
            }
            match read {
                Ok(false) => return Ok(false),
                Ok(true) if self.row.len() == 1 && self.row.iter().all(|cell| cell == "\r") => {}
                Ok(true) => return Ok(true),
                Err(error) => return Err(self.parser_error(error)),
            }
        }
    }

    /// An error in a row that has been read.
    fn error(&self, problem: RowProblem) -> ReadError {
        ReadError::Row {
            file: self.file.clone(),
            line: self.line(),
            problem,
        }
    }

    /// An error in a row that the parser rejected.
    fn parser_error(&self, error: csv::Error) -> ReadError {
        let file = self.file.clone();
        let line = error.position().map(csv::Position::line);
        let here = self.csv.position().line();
        match error.into_kind() {
            ErrorKind::Utf8 { err, .. } => ReadError::Row {
                file,
                line: line.unwrap_or(here),
                problem: RowProblem::NotUtf8 {
                    column: Excerpt::new(self.decoder.layout().name_of(err.field())),
                },
            },
            ErrorKind::Io(_) if self.csv.get_ref().is_exhausted() => ReadError::Row {
                file,
                line: self.row.position().map_or(here, csv::Position::line),
                problem: RowProblem::TooLong,
            },
            ErrorKind::Io(source) => ReadError::Io { file, source },
            _ => unreachable!("the parser is told neither to compare lengths nor to deserialize"),
        }
    }

    fn breaks_within(&self) -> u64 {
        let bytes = self.row.as_byte_record().as_slice();
        bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum()
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads a numbered row again. The next rows are those after it.
    ///
    /// # Errors
    /// When it is no longer there, or cannot be read.
    pub fn message_at(
        &mut self,
        place: RowPlace,
        heading: &Heading,
    ) -> Result<Numbered, ReadError> {
        let mut position = Position::new();
        position.set_byte(place.byte).set_line(place.line);
        let failed = |source| ReadError::Io {
            file: self.file.clone(),
            source,
        };
        self.csv
            .seek(position)
            .map_err(|error| failed(error.into()))?;
        if !self.heading().is(heading) {
            self.decoder.heading = heading.clone();
        }
        let message = self.read_row()?.and_then(Row::into_numbered);
        message.ok_or_else(|| ReadError::Io {
            file: self.file.clone(),
            source: io::Error::other("it changed while it was read"),
        })
    }
}

fn read_layout<R: Read>(
    csv: &mut csv::Reader<WatchedInput<R>>,
    header: &mut StringRecord,
) -> Result<Result<CellLayout, HeaderProblem>, std::io::Error> {
    let problem = match csv.read_record(header) {
        Ok(true) if csv.get_ref().at_end() => {
            // First reports a file that could not become a recording. Other faults may only be due to the cut: half of
            // 'cpu:0' is a second 'cpu'.
            match CellLayout::of(header) {
                Err(problem @ HeaderProblem::Lacks(_)) => problem,
                _ => HeaderProblem::CutOff,
            }
        }
        Ok(true) => return Ok(CellLayout::of(header)),
        Ok(false) => HeaderProblem::Empty,
        Err(error) => match error.into_kind() {
            ErrorKind::Io(source) if !csv.get_ref().is_exhausted() => return Err(source),
            _ => HeaderProblem::NotText,
        },
    };
    Ok(Err(problem))
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.read_row().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

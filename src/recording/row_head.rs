//! Rows without their values: enough to find a place in a recording, many times as fast as reading them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use super::error::ReadError;
use super::lines::{is_header, is_start_of_header};
use super::packed::unpacked;
use super::reader::Reader;
use super::time::parse_timestamp;
use super::watched::MAX_ROW_BYTES;
use crate::protocol::StreamId;

const BUFFER_BYTES: usize = 64 * 1024;

/// The contents of a file, decompressed.
pub type Contents = Box<dyn Read + Send>;

/// What a row says before its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowHead {
    /// When the reading was taken, in milliseconds since the epoch.
    pub timestamp: u64,
    /// The run of the source.
    pub stream: StreamId,
    /// The number; `None` in a gap.
    pub seq: Option<u64>,
    /// Whether it is an alert rather than a sample.
    pub is_alert: bool,
}

/// The heads of the rows of a file as [`Encoder`](super::Encoder) writes them, plain or compressed.
pub struct RowHeads {
    input: BufReader<Contents>,
    file: String,
    header: Vec<u8>,
    line: Vec<u8>,
    lines: u64,
    /// Whether lines that are not rows are skipped, and how many were.
    skips_damage: bool,
    skipped: u64,
}

impl RowHeads {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = path.display().to_string();
        match File::open(path).and_then(unpacked) {
            Ok(input) => Ok(Self {
                input: BufReader::with_capacity(BUFFER_BYTES, input),
                file,
                header: Vec::new(),
                line: Vec::new(),
                lines: 0,
                skips_damage: false,
                skipped: 0,
            }),
            Err(source) => Err(ReadError::Io { file, source }),
        }
    }

    /// Skips lines that are not rows, instead of ending at the first of them.
    #[must_use]
    pub fn skipping_damage(mut self) -> Self {
        self.skips_damage = true;
        self
    }

    /// How many lines were skipped.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The line of the last row, from 1.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.lines
    }

    /// The next row; `None` at the end, or where a row is cut off.
    ///
    /// # Errors
    /// When it cannot be read, or is not a row.
    pub fn next_row(&mut self) -> Result<Option<RowHead>, ReadError> {
        loop {
            self.line.clear();
            let mut input = (&mut self.input).take(MAX_ROW_BYTES as u64);
            let read = input.read_until(b'\n', &mut self.line);
            read.map_err(|source| self.failed(source))?;
            self.lines += 1;
            if !self.line.ends_with(b"\n") {
                let is_foreign = self.header.is_empty() && !is_start_of_header(&self.line);
                self.skipped += u64::from(is_foreign && !self.line.is_empty());
                return Ok(None);
            }
            if is_header(&self.line) {
                std::mem::swap(&mut self.header, &mut self.line);
                continue;
            }
            return match head_of(&self.line) {
                Some(head) if !self.header.is_empty() => Ok(Some(head)),
                _ if self.skips_damage => {
                    self.skipped += 1;
                    continue;
                }
                _ => Err(self.failed(io::Error::new(
                    ErrorKind::InvalidData,
                    format!("line {} is not a row of a recording", self.lines),
                ))),
            };
        }
    }

    /// The host of the last row, before the end is reached.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let host = self.line.split(|&byte| byte == b',').nth(1)?;
        std::str::from_utf8(host).ok()
    }

    /// The header and the last row, as they are in the file.
    #[must_use]
    pub fn lines(&self) -> (&[u8], &[u8]) {
        (&self.header, &self.line)
    }

    /// Reads the last row and all that follow it.
    ///
    /// # Errors
    /// When there was none.
    pub fn into_reader(self) -> Result<Reader<Contents>, ReadError> {
        let begin = [self.header, self.line].concat();
        Reader::new(
            Box::new(Cursor::new(begin).chain(self.input)) as Contents,
            self.file,
        )
    }

    fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io {
            file: self.file.clone(),
            source,
        }
    }
}

/// Reads the cells before the values, which are never quoted, except for the event.
fn head_of(line: &[u8]) -> Option<RowHead> {
    let mut cells = line.splitn(6, |&byte| byte == b',');
    let mut text = || std::str::from_utf8(cells.next()?).ok();
    let (timestamp, _, stream, seq) = (text()?, text()?, text()?, text()?);
    let event = cells.next()?;
    let seq = match seq {
        "" => None,
        seq => Some(seq.parse().ok()?),
    };
    Some(RowHead {
        timestamp: parse_timestamp(timestamp).ok()?,
        stream: stream.parse().ok()?,
        seq,
        is_alert: event.starts_with(b"\"alert "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "timestamp,host,stream,seq,event,cpu,top,extra\n\
        2026-11-24T14:00:01.000Z,a,s1,1,,5,,\n\
        2026-11-24T14:00:02.000Z,a,s1,,gap expired 2-3,,,\n\
        2026-11-24T14:00:02.000Z,a,s1,4,\"alert {\"\"name\"\":\"\"n, n\"\"}\",6,,\n\
        2026-11-24T14:00:03.000Z,a,s2,1,,7,,\n\
        2026-11-24T14:00:04.000Z,a,s2,2,,7";

    fn opened(text: &str) -> RowHeads {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.csv");
        std::fs::write(&path, text).unwrap();
        RowHeads::open(&path).unwrap()
    }

    #[test]
    fn heads_are_read_up_to_a_torn_row() {
        let mut rows = opened(FILE);
        let mut found = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            found.push((row.stream.to_string(), row.seq, row.is_alert));
            assert_eq!(rows.host(), Some("a"));
        }
        let row = |stream: &str, seq, is_alert| (stream.to_owned(), seq, is_alert);
        let expected = [
            row("s1", Some(1), false),
            row("s1", None, false),
            row("s1", Some(4), true),
            row("s2", Some(1), false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn reading_begins_at_the_last_row() {
        let mut rows = opened(FILE);
        while rows.next_row().unwrap().unwrap().stream.to_string() != "s2" {}
        let mut reader = rows.into_reader().unwrap();
        let message = reader.next().unwrap().unwrap().into_numbered().unwrap();
        assert_eq!((message.seq, message.sample.get("cpu")), (1, Some(7.0)));
        assert!(reader.next().is_none());
        assert!(reader.torn().is_some());
    }

    #[test]
    fn what_is_no_recording_is_an_error_and_what_is_empty_has_no_rows() {
        assert_eq!(opened("").next_row().unwrap(), None);
        assert_eq!(opened("timestamp,ho").next_row().unwrap(), None);
        for text in ["x\n", "2026-11-24T14:00:01.000Z,a,s1,1,,5,,\n"] {
            let error = opened(text).next_row().unwrap_err();
            assert!(error.to_string().contains("cannot read"), "{error}");
        }
    }
}

//! Closed files, summed up by the minute: a day can be read as fast as a few minutes of rows.
//!
//! A `.minutes` file lies beside each closed file and is written from it. It is not a recording, and may be removed at any
//! time: it is then written again. It is compressed with gzip; each of its lines is a JSON object:
//!
//! * `{"minutes":1,"metrics":["cpu",…],"containers":true}`: the version of this format, and the columns of the rows that
//!   follow;
//! * `{"from":1795528800000,"stream":"k3v9q2","first":1,"last":60,"count":60,"values":{"cpu":[31.2,3,99.5],…}}`: the rows of
//!   one stream without a hole in the minute that begins at `from`: their numbers, how many samples they are, and the mean,
//!   the least and the greatest value of each metric; only one number if all are the same, and a fourth one if fewer
//!   samples have the metric;
//! * `{"type":"alert",…}`: an alert among the rows of the line before it, as on the wire.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::columns::Columns;
use super::super::packed::unpacked;
use super::super::reader::Reader;
use super::super::row::Row;
use super::super::row_head::Contents;
use super::directory::{RotatedFile, minutes, minutes_part};
use super::packing::{DiskWriter, create};
use crate::disk::Disk;
use crate::protocol::{
    Aggregate, Body, Message, Numbered, Position, StreamId, ValueRange, push_number,
};

/// The version of the format. Files with another one are not read.
const VERSION: u32 = 1;

/// The length of a minute.
pub const MINUTE_MS: u64 = 60_000;

/// The rows of one stream without a hole within a minute.
#[derive(Debug, Clone, PartialEq)]
pub struct MinuteOfRows {
    /// When the minute begins, in milliseconds since the epoch.
    pub from: u64,
    /// Their stream.
    pub stream: StreamId,
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// Their samples.
    pub values: Aggregate,
}

/// What a `.minutes` file lists.
#[derive(Debug, Clone, PartialEq)]
pub enum MinutesEntry {
    /// Rows.
    Rows(MinuteOfRows),
    /// An alert among the rows before it.
    Alert(Numbered),
}

/// Reads a `.minutes` file.
pub struct MinutesReader {
    input: BufReader<Contents>,
    line: String,
    columns: Columns,
    /// The stream of the last rows.
    stream: Option<StreamId>,
}

impl MinutesReader {
    /// Opens the file beside a closed one.
    ///
    /// # Errors
    /// When it cannot be read, or has another format.
    pub fn open(directory: &Path, stem: &str) -> io::Result<Self> {
        let input = unpacked(File::open(minutes(directory, stem))?)?;
        let mut reader = Self {
            input: BufReader::new(input),
            line: String::new(),
            columns: Columns::new([""; 0]),
            stream: None,
        };
        if !reader.next_line()? {
            return Err(damaged("it is empty"));
        }
        reader.take_columns()?;
        Ok(reader)
    }

    /// The columns of the last rows.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn next_entry(&mut self) -> io::Result<Option<MinutesEntry>> {
        while self.next_line()? {
            if self.line.starts_with(r#"{"from":"#) {
                let line: RowsLine = serde_json::from_str(&self.line)?;
                self.stream = Some(line.stream);
                return Ok(Some(MinutesEntry::Rows(line.rows())));
            }
            if self.line.starts_with(r#"{"minutes":"#) {
                self.take_columns()?;
                continue;
            }
            return self.alert().map(|alert| Some(MinutesEntry::Alert(alert)));
        }
        Ok(None)
    }

    fn next_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        Ok(self.input.read_line(&mut self.line)? > 0)
    }

    fn take_columns(&mut self) -> io::Result<()> {
        #[derive(Deserialize)]
        struct ColumnsLine {
            minutes: u32,
            metrics: Vec<Arc<str>>,
            containers: bool,
        }
        let line: ColumnsLine = serde_json::from_str(&self.line)?;
        if line.minutes != VERSION {
            return Err(damaged("it has another version"));
        }
        self.columns = Columns::of_header(line.metrics).with_containers(line.containers);
        Ok(())
    }

    fn alert(&self) -> io::Result<Numbered> {
        let message = Message::decode(&self.line).map_err(|error| damaged(&error.to_string()))?;
        let Body::Numbered(unplaced) = message.body else {
            return Err(damaged("it has a line of another kind"));
        };
        match (message.host, self.stream, unplaced.seq) {
            (Some(host), Some(stream), Some(seq)) => {
                Ok(unplaced.at(Position { host, stream, seq }))
            }
            _ => Err(damaged("an alert has no place")),
        }
    }
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

#[derive(Deserialize)]
struct RowsLine {
    from: u64,
    stream: StreamId,
    first: u64,
    last: u64,
    count: u64,
    values: Ranges,
}

impl RowsLine {
    fn rows(self) -> MinuteOfRows {
        let count = self.count;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, far below 2^53"
        )]
        let whole = |number: f64| number as u64;
        let ranges = self.values.0.into_iter().map(|(name, range)| {
            let [mean, min, max, counted] = range.0;
            let range = ValueRange {
                count: counted.map_or(count, whole),
                mean: mean.unwrap_or_default(),
                min: min.or(mean).unwrap_or_default(),
                max: max.or(mean).unwrap_or_default(),
            };
            (name, range)
        });
        MinuteOfRows {
            from: self.from,
            stream: self.stream,
            first: self.first,
            last: self.last,
            values: Aggregate::of(count, ranges.collect()),
        }
    }
}

/// The numbers of each metric.
struct Ranges(Vec<(Arc<str>, RangeCells)>);

impl<'de> Deserialize<'de> for Ranges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RangesVisitor;
        impl<'de> Visitor<'de> for RangesVisitor {
            type Value = Ranges;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of arrays")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ranges, A::Error> {
                let mut ranges = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    ranges.push(entry);
                }
                Ok(Ranges(ranges))
            }
        }
        deserializer.deserialize_map(RangesVisitor)
    }
}

/// Up to four numbers.
struct RangeCells([Option<f64>; 4]);

impl<'de> Deserialize<'de> for RangeCells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CellsVisitor;
        impl<'de> Visitor<'de> for CellsVisitor {
            type Value = RangeCells;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one to four numbers")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RangeCells, A::Error> {
                let mut cells = [None; 4];
                for cell in &mut cells {
                    *cell = seq.next_element()?;
                }
                Ok(RangeCells(cells))
            }
        }
        deserializer.deserialize_seq(CellsVisitor)
    }
}

/// Writes the `.minutes` file beside a closed file.
///
/// # Errors
/// When the rows cannot be read, or the file cannot be written; it doesn't exist then.
pub(super) fn write_minutes(
    disk: &dyn Disk,
    directory: &Path,
    file: &RotatedFile,
) -> io::Result<()> {
    let (part, to) = (
        minutes_part(directory, &file.stem),
        minutes(directory, &file.stem),
    );
    let written = sum_up(disk, &file.path_in(directory), &part);
    let written = written.and_then(|()| disk.rename(&part, &to));
    if let Err(error) = written {
        let _ = disk.remove(&part);
        return Err(error);
    }
    disk.sync_directory(directory)
}

fn sum_up(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let rows = unpacked(File::open(from)?)?;
    let mut rows = Reader::new(rows, from.display().to_string()).map_err(io::Error::other)?;
    let target = create(disk, to)?;
    let target = DiskWriter {
        disk,
        file: &target,
    };
    let mut writer = MinutesWriter {
        // Without a name or a time, so that the same rows give the same bytes.
        out: GzEncoder::new(target, Compression::default()),
        columns: None,
        open: None,
        alerts: Vec::new(),
    };
    writer.set_columns(rows.columns())?;
    while let Some(row) = rows.next() {
        if let Row::Numbered(message) = row.map_err(io::Error::other)? {
            writer.set_columns(rows.columns())?;
            writer.push(&message)?;
        }
    }
    writer.close()?;
    let target = writer.out.finish()?;
    disk.sync(target.file)
}

/// Writes the lines.
struct MinutesWriter<W: Write> {
    out: W,
    columns: Option<Columns>,
    open: Option<MinuteOfRows>,
    /// The alerts among the open rows.
    alerts: Vec<u8>,
}

impl<W: Write> MinutesWriter<W> {
    fn set_columns(&mut self, columns: &Columns) -> io::Result<()> {
        if self.columns.as_ref() == Some(columns) {
            return Ok(());
        }
        self.close()?;
        let metrics = serde_json::to_string(columns.names())?;
        let containers = columns.has_containers();
        writeln!(
            self.out,
            r#"{{"minutes":{VERSION},"metrics":{metrics},"containers":{containers}}}"#
        )?;
        self.columns = Some(columns.clone());
        Ok(())
    }

    fn push(&mut self, message: &Numbered) -> io::Result<()> {
        let from = message.sample.timestamp - message.sample.timestamp % MINUTE_MS;
        let goes_on = self.open.as_ref().is_some_and(|open| {
            (open.from, open.stream, open.last + 1) == (from, message.stream, message.seq)
        });
        if !goes_on {
            self.close()?;
        }
        let open = self.open.get_or_insert_with(|| MinuteOfRows {
            from,
            stream: message.stream,
            first: message.seq,
            last: message.seq,
            values: Aggregate::default(),
        });
        open.last = message.seq;
        if message.alert.is_some() {
            self.alerts.extend(message.encode());
            self.alerts.push(b'\n');
        } else {
            open.values.add(&message.sample);
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        if let Some(rows) = self.open.take() {
            self.out.write_all(&line_of(&rows)?)?;
            self.out.write_all(&self.alerts)?;
            self.alerts.clear();
        }
        Ok(())
    }
}

fn line_of(rows: &MinuteOfRows) -> io::Result<Vec<u8>> {
    let (stream, count) = (rows.stream, rows.values.samples());
    let (from, first, last) = (rows.from, rows.first, rows.last);
    let mut line = format!(
        r#"{{"from":{from},"stream":"{stream}","first":{first},"last":{last},"count":{count},"values":{{"#
    )
    .into_bytes();
    for (nth, (name, range)) in rows.values.metrics().iter().enumerate() {
        if nth > 0 {
            line.push(b',');
        }
        serde_json::to_writer(&mut line, &**name)?;
        line.extend(b":[");
        push_range(&mut line, range, count);
        line.push(b']');
    }
    line.extend(b"}}\n");
    Ok(line)
}

fn push_range(line: &mut Vec<u8>, range: &ValueRange, count: u64) {
    push_number(line, range.shown_mean());
    if range.min == range.max && range.count == count {
        return;
    }
    for value in [range.min, range.max] {
        line.push(b',');
        push_number(line, value);
    }
    if range.count != count {
        line.extend(format!(",{}", range.count).into_bytes());
    }
}

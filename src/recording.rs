//! The recording: numbered messages as CSV, read and write.
//!
//! RFC 4180, UTF-8, `\n` line endings, decimal points. The first line is the header; every other line is one row,
//! because no cell ever contains a line break. A file holds one host, but the reader accepts several.
//!
//! ```csv
//! timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,cpu:0,top,extra
//! 2026-11-24T14:07:31.204Z,web-1,k3v9q2,41,,23.4,61.2,2,120.5,31,"[{""pid"":812,""name"":""nginx"",""cpu"":9.5,""memory"":1.25}]",
//! 2026-11-24T14:07:39.204Z,web-1,k3v9q2,,gap expired 42-44,,,,,,,
//! 2026-11-24T14:07:39.204Z,web-1,k3v9q2,45,,23.1,61.3,2,118,30.5,[],"{""queue"":7}"
//! ```
//!
//! # `timestamp`
//! When the reading was taken: RFC 3339 in UTC with exactly three decimals. In a gap row, that of the next message.
//!
//! # `host`
//! The message's host: a [`HostName`](crate::protocol::HostName).
//!
//! # `stream`
//! The run of the host's source: a [`StreamId`](crate::protocol::StreamId). In a gap row, that of the next message.
//!
//! # `seq`
//! The message's number in the stream, from 1. Empty in a gap row, and only there.
//!
//! # `event`
//! * empty: a sample;
//! * `alert {…}`: an alert as the wire writes it; the row carries the sample that triggered it;
//! * `gap expired 13-57`, `gap restarted`: messages that will not arrive; `13-`, `-57` or nothing if a number is
//!   unknown. A gap row has no number and no values, and is written together with the next message.
//!
//! # The values
//! One column for each metric that the host announced, in that order, fixed when the file is created. An empty cell is
//! an absent value, never 0. A name that appears later, or that [cannot be a column](Columns::new), goes into `extra`.
//!
//! # `containers`
//! The top containers and services, likewise. The column exists only if the source announced that it lists them;
//! without it, the list goes into `extra`, under this name.
//!
//! # `top`
//! The top processes as a JSON array, as on the wire; empty if the sample has no list, `[]` if there were none.
//!
//! # `extra`
//! A JSON object of what has no column, in the order in which it arrived; empty if there is nothing.
//!
//! # Guarantees
//! Each has a test:
//! * encoding what was decoded gives the same bytes, for everything that the [`Encoder`] wrote;
//! * a number has one written form, the same as on the wire;
//! * a concatenation of recordings is a recording: a repeated header is recognised, and may change the columns;
//! * as long as the process lives, a row reaches the file complete or not at all; a last row that a crash cut off is
//!   omitted by the [`Reader`], with a warning, and removed by [`Output::append`];
//! * no input makes the reader panic, and its errors name the file, line, column and value.
//!
//! Reading is more tolerant than writing: columns in any order, missing `event`, `top` and `extra`, any quoting,
//! `\r\n`, a byte order mark, empty unnamed columns at the end, times as [`parse_timestamp`] reads them, and numbers
//! such as `7.0` or `1e3`.

mod cell;
mod columns;
mod decode;
mod encode;
mod error;
mod event;
mod foreign;
mod identity;
mod landmarks;
mod lines;
mod opening;
mod output;
mod output_error;
mod packed;
mod reader;
mod replacement;
mod resume;
mod rotated;
mod rotation;
mod row;
mod row_head;
#[cfg(test)]
mod tests;
mod time;
mod transcript;
mod watched;

pub use cell::is_field_of_data;
pub use columns::Columns;
pub use decode::Heading;
pub use encode::Encoder;
pub use error::{CellProblem, HeaderProblem, ReadError, RowProblem};
pub use lines::is_part_of_header;
pub use output::Output;
pub use output_error::{Loss, OutputError};
pub use packed::{is_packed, unpacked};
pub use reader::{Reader, RowPlace, TornRow};
pub use resume::{Appended, Resume};
pub use rotated::{
    MINUTE_MS, MinuteOfRows, MinutesEntry, MinutesReader, Pushed, RotatedFile, RotatedWriter,
    RotationLimits, Tidier, files_in, inspect, lock_file, remove_oldest, sums_up,
};
pub use rotation::{Period, Rotation};
pub use row::Row;
pub use row_head::{Contents, RowHead, RowHeads};
pub use time::{TimeProblem, parse_timestamp};
pub use transcript::Transcript;

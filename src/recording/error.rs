//! Why a recording cannot be read. Every error is one line and names the place.

use std::fmt;
use std::io;

use crate::protocol::shown_char;

/// The longest piece of a refused cell that an error shows, in characters.
const SHOWN_CHARS: usize = 40;

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read '{file}'")]
    Io {
        /// The name that the file is shown by.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// A directory.
    #[error("'{file}' is a directory: name the recordings in it, such as {file}/*.csv")]
    Directory {
        /// The name that the file is shown by.
        file: String,
    },
    /// The first line is not the header of a recording.
    #[error("{file}: not a recording: {problem}")]
    NotARecording {
        /// The name that the file is shown by.
        file: String,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// A row that cannot be read.
    #[error("{file}:{line}: {problem}")]
    Row {
        /// The name that the file is shown by.
        file: String,
        /// The line on which the row starts, from 1.
        line: u64,
        /// What is wrong with it.
        problem: RowProblem,
    },
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// No line break behind it.
    #[error("it ends before its first line does")]
    CutOff,
    /// Bytes that no header has.
    #[error("its first line is not text")]
    NotText,
    /// A column that every recording has.
    #[error(
        "the header lacks '{0}'; what `metrics record` writes has timestamp, host, stream and seq"
    )]
    Lacks(&'static str),
    /// The same name for two columns.
    #[error("the header has two columns '{0}'")]
    Twice(Shown),
    /// A column without a name, counted from 1.
    #[error("column {0} of the header has no name; take it out or name it")]
    Unnamed(usize),
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// Cells too many or too few.
    #[error("has {found} cells, the header has {expected}")]
    Cells {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// More than a row can have; most often a quote that is never closed.
    #[error("the row does not end within 16 MiB; is a quote not closed?")]
    TooLong,
    /// A header in the middle that is none.
    #[error("{0}")]
    Header(HeaderProblem),
    /// A cell with bytes that are not UTF-8.
    #[error("column '{column}': not UTF-8")]
    NotUtf8 {
        /// The name of its column.
        column: Shown,
    },
    /// A cell that cannot be read.
    #[error("column '{column}': '{value}' {problem}")]
    Cell {
        /// The name of its column.
        column: Shown,
        /// What the cell says.
        value: Shown,
        /// What is wrong with it.
        problem: CellProblem,
    },
}

/// What is wrong with a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CellProblem {
    /// `timestamp`.
    #[error("is not a time in UTC; write it like 2026-11-24T14:07:31.204Z")]
    Timestamp,
    /// `host`.
    #[error("is not a host name; write 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit")]
    Host,
    /// `stream`.
    #[error("is not a stream; write 1 to 12 of 0-9 a-z")]
    Stream,
    /// `seq`.
    #[error("is not the number of a message; they count from 1, and only a gap has none")]
    Seq,
    /// `event`.
    #[error(
        "is not an event; leave it empty or write 'alert {{…}}', 'gap expired 13-57' or 'gap restarted'"
    )]
    Event,
    /// A value.
    #[error("is not a number")]
    Number,
    /// A value that JSON cannot carry.
    #[error("is not a finite number; leave the cell empty where there is none")]
    NotFinite,
    /// `top`.
    #[error("is not a JSON array of processes with pid, name, cpu and memory")]
    Top,
    /// `extra`.
    #[error("is not a JSON object of numbers whose names are no column")]
    Extra,
    /// Anything but time, host, stream and event in a gap.
    #[error("is in the row of a gap, which has no number and no values")]
    InGap,
}

/// Text of a file as an error shows it: what acts on a terminal is escaped, and it is cut where it is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    pub(super) fn new(text: &str) -> Self {
        let mut shown: String = text.chars().take(SHOWN_CHARS).map(shown_char).collect();
        if text.chars().nth(SHOWN_CHARS).is_some() {
            shown.push('…');
        }
        Self(shown)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_shown_escaped_and_short() {
        assert_eq!(
            Shown::new("a\u{1b}[31m\"\u{202e}").to_string(),
            r#"a\u{1b}[31m"\u{202e}"#
        );
        assert_eq!(Shown::new(&"x".repeat(40)).to_string(), "x".repeat(40));
        assert_eq!(
            Shown::new(&"x".repeat(41)).to_string(),
            "x".repeat(40) + "…"
        );
    }
}

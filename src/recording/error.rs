//! Why a recording cannot be read. Every error is one line that names the place.

use std::fmt;
use std::io;

use super::time::TimeProblem;
use crate::protocol::shown_char;
use crate::wording::counted;

/// How much of a rejected cell an error shows, in characters.
const SHOWN_CHARS: usize = 40;

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read '{file}'")]
    Io {
        /// The name of the file in messages.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// A directory.
    #[error("'{file}' is a directory: name the recordings in it, such as {file}/*.csv")]
    Directory {
        /// The name of the file in messages.
        file: String,
    },
    /// The first line is not the header of a recording.
    #[error("{file}{}: not a recording: {problem}", problem.line())]
    NotARecording {
        /// The name of the file in messages.
        file: String,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// A row that cannot be read.
    #[error("{file}:{line}: {problem}")]
    Row {
        /// The name of the file in messages.
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
    /// No line break after it.
    #[error("its first line is incomplete")]
    CutOff,
    /// Bytes that cannot be in a header.
    #[error("its first line is not text")]
    NotText,
    /// A column that every recording has is missing.
    #[error("the header lacks '{0}'; a recording has the columns timestamp, host, stream and seq")]
    Lacks(&'static str),
    /// The same name for two columns.
    #[error("the header has two columns '{0}'")]
    Twice(Excerpt),
    /// A column without a name, counted from 1.
    #[error("column {0} of the header has no name; remove it or name it")]
    Unnamed(usize),
    /// The first column has no name: the row numbers of a data frame.
    #[error("column 1 of the header has no name; remove it (in pandas: to_csv(…, index=False))")]
    Index,
    /// Another kind of file: what it is, and what to do about it.
    #[error("{0}")]
    Foreign(String),
}

impl HeaderProblem {
    /// The place in the file, to be appended to its name.
    fn line(&self) -> &'static str {
        match self {
            Self::Empty | Self::Foreign(_) => "",
            _ => ":1",
        }
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// Too many or too few cells.
    #[error("has {}, the header has {expected}", counted(*found, "cell"))]
    Cells {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// Longer than a row can be; usually a quote that is never closed.
    #[error("the row does not end within 16 MiB; is a closing quote missing?")]
    TooLong,
    /// A cell in a column without a name.
    #[error("column {column} has no name in the header, but holds '{value}'; name it or empty it")]
    Unnamed {
        /// The column, from 1.
        column: usize,
        /// The cell's text.
        value: Excerpt,
    },
    /// An invalid header in the middle.
    #[error("{0}")]
    Header(HeaderProblem),
    /// A row that belongs before an earlier row.
    #[error("{message} comes after {after}: {cure}")]
    Displaced {
        /// The message of the row.
        message: String,
        /// The message of the earlier row.
        after: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// The same message again, with other contents.
    #[error("{message} differs from its row in {other}; remove one of the two")]
    Differs {
        /// The message of both rows.
        message: String,
        /// The file and line of the other.
        other: String,
    },
    /// A cell with bytes that are not UTF-8.
    #[error("column '{column}': not UTF-8")]
    NotUtf8 {
        /// The name of its column.
        column: Excerpt,
    },
    /// A cell that cannot be read.
    #[error("column '{column}': '{value}' {problem}")]
    Cell {
        /// The name of its column.
        column: Excerpt,
        /// The cell's text.
        value: Excerpt,
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
    /// `timestamp` without a time zone.
    #[error(
        "has no time zone; append Z if it is UTC, as in 2026-11-24T14:07:31.204Z, or an \
         offset such as +01:00"
    )]
    NoOffset,
    /// `timestamp` that cannot be written back.
    #[error("is before 1970 or after 9999; write it like 2026-11-24T14:07:31.204Z")]
    OutOfRange,
    /// `host`.
    #[error(
        "is not a host name; write 1 to 64 characters from A-Z a-z 0-9 . _ -, starting with a letter or digit"
    )]
    Host,
    /// `stream`.
    #[error("is not a stream; write 1 to 12 characters from 0-9 a-z")]
    Stream,
    /// `seq`.
    #[error("is not a message number; write a number from 1 (only a gap has none)")]
    Seq,
    /// `event`.
    #[error(
        "is not an event; leave it empty or write 'alert {{…}}', 'gap expired 13-57' or 'gap restarted'"
    )]
    Event,
    /// A value.
    #[error("is not a number")]
    Number,
    /// A word that stands for no value.
    #[error("is not a number; leave the cell empty if there is none")]
    NoValue,
    /// A value with a comma in it.
    #[error("is not a number; write it with a decimal point, and without commas between thousands")]
    Comma,
    /// A value that JSON cannot carry.
    #[error("is not a finite number; leave the cell empty if there is none")]
    NotFinite,
    /// `top`.
    #[error("is not a JSON array of processes with pid, name, cpu and memory")]
    Top,
    /// `containers`.
    #[error("is not a JSON array of containers with name, cpu and memory")]
    Containers,
    /// `extra`.
    #[error("is not a JSON object of numbers with names that are not columns")]
    Extra,
    /// Anything but time, host, stream and event in a gap.
    #[error("is in the row of a gap, which has no number and no values")]
    InGap,
}

impl CellProblem {
    /// The problem with a cell that doesn't contain a number.
    pub(super) fn of_number(text: &str) -> Self {
        let is = |word: &&str| text.eq_ignore_ascii_case(word);
        if NO_VALUE.iter().any(is) {
            Self::NoValue
        } else if text.contains(',') && text.replace(',', "").parse::<f64>().is_ok() {
            Self::Comma
        } else {
            Self::Number
        }
    }
}

/// What other programs write when there is no value.
const NO_VALUE: [&str; 9] = [
    "null", "na", "n/a", "#n/a", "none", "nil", "<na>", "\\n", "-",
];

impl From<TimeProblem> for CellProblem {
    fn from(problem: TimeProblem) -> Self {
        match problem {
            TimeProblem::NotATime => Self::Timestamp,
            TimeProblem::NoOffset => Self::NoOffset,
            TimeProblem::OutOfRange => Self::OutOfRange,
        }
    }
}

/// Text of a file as an error shows it: characters that control a terminal are escaped, and long text is truncated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    pub(super) fn new(text: &str) -> Self {
        let mut shown: String = text.chars().take(SHOWN_CHARS).map(shown_char).collect();
        if text.chars().nth(SHOWN_CHARS).is_some() {
            shown.push('…');
        }
        Self(shown)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_text_is_shown_escaped_and_truncated() {
        assert_eq!(
            Excerpt::new("a\u{1b}[31m\"\u{202e}").to_string(),
            r#"a\u{1b}[31m"\u{202e}"#
        );
        assert_eq!(Excerpt::new(&"x".repeat(40)).to_string(), "x".repeat(40));
        assert_eq!(
            Excerpt::new(&"x".repeat(41)).to_string(),
            "x".repeat(40) + "…"
        );
    }
}

//! The messages of one host that a viewer receives, as rows.

use crate::protocol::{Gap, Hello, Numbered};

use super::{Columns, Encoder, Row};

/// Writes the messages of one host as a recording: the header before the first row, and a loss together with the
/// message after it.
#[derive(Debug)]
pub struct Transcript {
    encoder: Encoder,
    header_written: bool,
    /// Whether there is a numbered row: before the first one, the numbers don't show what is missing.
    has_rows: bool,
    gap: Option<Gap>,
}

impl Transcript {
    /// A new recording, with the columns that the host announced.
    #[must_use]
    pub fn new(hello: &Hello) -> Self {
        Self::of_columns(Columns::announced(&hello.metrics, hello.containers))
    }

    /// A new recording, with these columns.
    #[must_use]
    pub fn of_columns(columns: Columns) -> Self {
        Self {
            encoder: Encoder::new(columns),
            header_written: false,
            has_rows: false,
            gap: None,
        }
    }

    /// A recording that is continued, with its columns, and with or without numbered rows.
    #[must_use]
    pub fn resumed(columns: Columns, has_rows: bool) -> Self {
        Self {
            encoder: Encoder::new(columns),
            header_written: true,
            has_rows,
            gap: None,
        }
    }

    /// Messages are missing. The gap is written with the next message, unless that is the first: a recording begins
    /// with a message.
    pub fn gap(&mut self, gap: Gap) {
        self.gap = Some(gap);
    }

    /// Appends a numbered message to `out`, and what precedes it. Returns whether that was a gap.
    pub fn push(&mut self, message: Numbered, out: &mut Vec<u8>) -> bool {
        if !std::mem::replace(&mut self.header_written, true) {
            self.encoder.header(out);
        }
        let has_rows = std::mem::replace(&mut self.has_rows, true);
        let gap = self.gap.take().filter(|_| has_rows);
        if let Some(gap) = gap {
            let before = Row::Gap {
                host: message.host.clone(),
                stream: message.stream,
                timestamp: message.sample.timestamp,
                gap,
            };
            self.encoder.row(&before, out);
        }
        self.encoder.row(&Row::Numbered(message), out);
        gap.is_some()
    }
}

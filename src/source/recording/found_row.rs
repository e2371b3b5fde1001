//! A row that was read, and where.

use std::io::Read;
use std::sync::Arc;

use crate::protocol::Numbered;
use crate::recording::{Columns, Heading, ReadError, Reader, Row, RowPlace};

/// A numbered row, and where it was read.
#[derive(Debug)]
pub(super) struct FoundRow {
    pub(super) message: Numbered,
    pub(super) at: Spot,
    /// Whether it was displaced in its file.
    pub(super) is_moved: bool,
}

/// Where a row is in its file.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) heading: Heading,
    pub(super) place: RowPlace,
    /// The line on which it starts, from 1.
    pub(super) line: u64,
    /// The file, if the input has several.
    pub(super) file: Option<Arc<str>>,
}

impl FoundRow {
    /// When its sample was taken, in milliseconds since the epoch.
    pub(super) fn timestamp(&self) -> u64 {
        self.message.sample.timestamp
    }

    pub(super) fn columns(&self) -> &Columns {
        self.at.heading.columns()
    }
}

/// Reads up to the next numbered row. Gap rows are skipped.
pub(super) fn numbered<R: Read>(reader: &mut Reader<R>) -> Result<Option<FoundRow>, ReadError> {
    while let Some(row) = reader.next().transpose()? {
        if let Row::Numbered(message) = row {
            return Ok(Some(FoundRow {
                at: Spot {
                    heading: reader.heading().clone(),
                    place: reader.place(),
                    line: reader.line(),
                    file: None,
                },
                message,
                is_moved: false,
            }));
        }
    }
    Ok(None)
}

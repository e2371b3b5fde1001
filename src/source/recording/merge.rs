//! Several recordings as one, in the order of (timestamp, host).

use std::io::Read;

use crate::recording::{Columns, ReadError, Reader, Row};

/// The numbered rows of all readers. Within one reader the order stays: it is the order in which messages came.
///
/// Gap rows are left out: the numbers show the hole.
pub(super) struct Merged<R> {
    readers: Vec<(Reader<R>, Option<Ahead>)>,
}

/// A row that has been read and waits for its turn.
struct Ahead {
    row: Row,
    columns: Columns,
}

impl<R: Read> Merged<R> {
    /// Reads the first row of each.
    pub(super) fn new(readers: Vec<Reader<R>>) -> Result<Self, ReadError> {
        let mut readers: Vec<_> = readers.into_iter().map(|reader| (reader, None)).collect();
        for (reader, ahead) in &mut readers {
            *ahead = next_row(reader)?;
        }
        Ok(Self { readers })
    }

    /// The next row, and the columns of its file.
    pub(super) fn next(&mut self) -> Result<Option<(Row, Columns)>, ReadError> {
        let key = |ahead: &Ahead| (ahead.row.timestamp(), ahead.row.host.clone());
        let earliest = match &mut self.readers[..] {
            [only] => Some(only),
            // Ties go to the file that was named first.
            several => several
                .iter_mut()
                .filter(|(_, ahead)| ahead.is_some())
                .min_by_key(|(_, ahead)| ahead.as_ref().map(key)),
        };
        let Some((reader, ahead)) = earliest else {
            return Ok(None);
        };
        let Some(taken) = ahead.take() else {
            return Ok(None);
        };
        *ahead = next_row(reader)?;
        Ok(Some((taken.row, taken.columns)))
    }

    /// What the readers have to say of rows that were cut off.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.readers
            .iter()
            .filter_map(|(reader, _)| reader.torn().map(ToString::to_string))
    }
}

fn next_row<R: Read>(reader: &mut Reader<R>) -> Result<Option<Ahead>, ReadError> {
    for row in reader.by_ref() {
        let row = row?;
        if row.seq().is_some() {
            return Ok(Some(Ahead {
                row,
                columns: reader.columns().clone(),
            }));
        }
    }
    Ok(None)
}

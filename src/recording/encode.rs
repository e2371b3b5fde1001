//! Rows to bytes.

use super::cell::{is_field_of_data, push_plain, push_quoted, push_text, push_timestamp};
use super::columns::{CONTAINERS, Columns, LEADING, TRAILING};
use super::event::push_event;
use super::row::Row;
use crate::protocol::{Sample, push_number};

/// Writes the header and the rows of one file. Appends to a buffer that the caller writes in one piece.
#[derive(Debug)]
pub struct Encoder {
    columns: Columns,
    /// The values of the current row, one for each column; NaN if absent, because no sample contains one.
    cells: Vec<f64>,
    /// Its values without a column, as indexes into the sample.
    others: Vec<usize>,
}

impl Encoder {
    /// An encoder for a file with these columns.
    #[must_use]
    pub fn new(columns: Columns) -> Self {
        Self {
            cells: Vec::with_capacity(columns.names().len()),
            others: Vec::new(),
            columns,
        }
    }

    /// The columns of the file.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Appends the header.
    pub fn header(&self, out: &mut Vec<u8>) {
        let names = self.columns.names().iter().map(|name| &**name);
        let containers = self.columns.has_containers().then_some(CONTAINERS);
        let names = LEADING.into_iter().chain(names);
        let all = names.chain(containers).chain(TRAILING);
        for (nth, name) in all.enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            push_text(out, name);
        }
        out.push(b'\n');
    }

    /// Appends one row.
    ///
    /// If a value occurs twice, the first counts, as in [`Sample::get`]. A time after the year 9999 is written as its
    /// end.
    pub fn row(&mut self, row: &Row, out: &mut Vec<u8>) {
        let (host, stream, timestamp, message) = match row {
            Row::Numbered(it) => (&it.host, it.stream, it.sample.timestamp, Some(it)),
            Row::Gap {
                host,
                stream,
                timestamp,
                ..
            } => (host, *stream, *timestamp, None),
        };
        let sample = message.map(|message| &message.sample);
        self.place(sample);
        push_timestamp(out, timestamp);
        out.push(b',');
        out.extend_from_slice(host.as_str().as_bytes());
        out.push(b',');
        push_plain(out, stream);
        out.push(b',');
        if let Some(message) = message {
            push_plain(out, message.seq);
        }
        out.push(b',');
        push_event(out, row);
        for &value in &self.cells {
            out.push(b',');
            if !value.is_nan() {
                push_number(out, value);
            }
        }
        let containers = sample.and_then(|sample| sample.containers.as_deref());
        let has_column = self.columns.has_containers();
        if has_column {
            out.push(b',');
            push_array(out, containers);
        }
        out.push(b',');
        push_array(out, sample.and_then(|sample| sample.top.as_deref()));
        out.push(b',');
        let containers = containers.filter(|_| !has_column);
        let is_empty = self.others.is_empty() && containers.is_none();
        if let Some(sample) = sample.filter(|_| !is_empty) {
            let others = self.others.iter().map(|&index| &sample.values[index]);
            push_quoted(out, |out| out.push_extra(others, containers));
        }
        out.push(b'\n');
    }

    /// Sorts the values into cells and others.
    fn place(&mut self, sample: Option<&Sample>) {
        self.cells.clear();
        self.cells.resize(self.columns.names().len(), f64::NAN);
        self.others.clear();
        let values = sample.map_or(&[][..], |sample| &sample.values);
        let mut expected = 0;
        for (index, (name, value)) in values.iter().enumerate() {
            debug_assert!(value.is_finite());
            if !value.is_finite() {
                continue;
            }
            if let Some(column) = self.columns.index_of(name, expected) {
                let cell = &mut self.cells[column];
                if cell.is_nan() {
                    *cell = *value;
                }
                expected = column + 1;
            } else if !is_field_of_data(name) {
                self.others.push(index);
            }
        }
    }
}

/// Appends a list as a cell; one that is absent leaves it empty.
fn push_array<T: serde::Serialize>(out: &mut Vec<u8>, list: Option<&[T]>) {
    match list {
        None => {}
        Some([]) => out.extend_from_slice(b"[]"),
        Some(list) => push_quoted(out, |out| out.push_json(list)),
    }
}

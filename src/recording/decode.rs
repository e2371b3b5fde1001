//! Cells to rows.

use std::collections::HashSet;
use std::sync::Arc;

use csv::StringRecord;
use serde::de::DeserializeOwned;

use super::cell::{ExtraReader, parse_seq};
use super::columns::{
    CONTAINERS, Columns, EVENT, EXTRA, HOST, SEQ, STREAM, TIMESTAMP, TOP, is_reserved,
};
use super::error::{CellProblem, Excerpt, HeaderProblem, RowProblem};
use super::event::Event;
use super::row::Row;
use super::time::parse_timestamp;
use crate::protocol::{HostName, Numbered, Sample};

/// The header above a row, for reading the row again.
#[derive(Debug, Clone)]
pub struct Heading(pub(super) Arc<CellLayout>);

impl Heading {
    /// The value columns of its rows.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.0.columns
    }

    /// Whether both are the same header, or equal ones in sequence.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What each cell of a row contains.
#[derive(Debug, PartialEq)]
pub(super) struct CellLayout {
    /// How many cells a row has.
    cells: usize,
    /// How many of them have a name. The others, at the end, are empty, as spreadsheets leave them.
    named: usize,
    timestamp: usize,
    host: usize,
    stream: usize,
    seq: usize,
    event: Option<usize>,
    containers: Option<usize>,
    top: Option<usize>,
    extra: Option<usize>,
    /// The cell of each of `columns`.
    values: Vec<usize>,
    pub(super) columns: Columns,
}

impl CellLayout {
    /// Reads a header.
    pub(super) fn of(header: &StringRecord) -> Result<Self, HeaderProblem> {
        let names: Vec<&str> = (0..header.len()).map(|cell| text(header, cell)).collect();
        if names.iter().any(|name| name.contains('\0')) {
            return Err(HeaderProblem::NotText);
        }
        let find = |name| names.iter().position(|&known| known == name);
        let must_find = |name| find(name).ok_or(HeaderProblem::Lacks(name));
        let (timestamp, host) = (must_find(TIMESTAMP)?, must_find(HOST)?);
        let (stream, seq) = (must_find(STREAM)?, must_find(SEQ)?);
        let is_named = |name: &&str| !name.is_empty();
        let named = names.iter().rposition(is_named).map_or(0, |at| at + 1);
        check_names(&names[..named])?;
        let values: Vec<usize> = (0..named)
            .filter(|&cell| !is_reserved(names[cell]))
            .collect();
        let value_names = values.iter().map(|&cell| names[cell].into()).collect();
        Ok(Self {
            cells: names.len(),
            named,
            timestamp,
            host,
            stream,
            seq,
            event: find(EVENT),
            containers: find(CONTAINERS),
            top: find(TOP),
            extra: find(EXTRA),
            values,
            columns: Columns::of_header(value_names).with_containers(find(CONTAINERS).is_some()),
        })
    }

    /// Whether a row is actually a header: recordings may be concatenated.
    pub(super) fn is_header(row: &StringRecord) -> bool {
        [TIMESTAMP, HOST, STREAM, SEQ]
            .iter()
            .all(|name| (0..row.len()).any(|cell| text(row, cell) == *name))
    }

    /// The name of the column that a cell is in.
    pub(super) fn name_of(&self, cell: usize) -> &str {
        let fixed = [
            (Some(self.timestamp), TIMESTAMP),
            (Some(self.host), HOST),
            (Some(self.stream), STREAM),
            (Some(self.seq), SEQ),
            (self.event, EVENT),
            (self.containers, CONTAINERS),
            (self.top, TOP),
            (self.extra, EXTRA),
        ];
        let value = || self.values.iter().position(|&value| value == cell);
        match fixed.iter().find(|(at, _)| *at == Some(cell)) {
            Some((_, name)) => name,
            None => value().map_or("", |index| &self.columns.names()[index]),
        }
    }
}

/// Checks that every column has a unique name.
fn check_names(names: &[&str]) -> Result<(), HeaderProblem> {
    let mut seen = HashSet::new();
    for (cell, &name) in names.iter().enumerate() {
        if name.is_empty() && cell == 0 {
            return Err(HeaderProblem::Index);
        }
        if name.is_empty() {
            return Err(HeaderProblem::Unnamed(cell + 1));
        }
        if !seen.insert(name) {
            return Err(HeaderProblem::Twice(Excerpt::new(name)));
        }
    }
    Ok(())
}

/// The text of a cell. Lines may end in `\r\n`, and a byte order mark may precede any header.
fn text(row: &StringRecord, cell: usize) -> &str {
    let mut text = row.get(cell).unwrap_or_default();
    if cell + 1 == row.len() {
        text = text.strip_suffix('\r').unwrap_or(text);
    }
    if cell == 0 {
        text = text.strip_prefix('\u{feff}').unwrap_or(text);
    }
    text
}

/// Turns the rows below one header into typed values.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) heading: Heading,
    /// The host of the previous row, shared with this one if it is the same.
    host: Option<HostName>,
    /// The names in the last `extra`.
    extra_names: Vec<Arc<str>>,
}

impl Decoder {
    pub(super) fn new(layout: CellLayout) -> Self {
        Self {
            heading: Heading(Arc::new(layout)),
            host: None,
            extra_names: Vec::new(),
        }
    }

    pub(super) fn layout(&self) -> &CellLayout {
        &self.heading.0
    }

    pub(super) fn row(&mut self, row: &StringRecord) -> Result<Row, RowProblem> {
        if row.len() != self.layout().cells {
            return Err(RowProblem::Cells {
                found: row.len(),
                expected: self.layout().cells,
            });
        }
        let layout = self.layout();
        let mut unnamed = layout.named..layout.cells;
        if let Some(cell) = unnamed.find(|&cell| !text(row, cell).is_empty()) {
            return Err(RowProblem::Unnamed {
                column: cell + 1,
                value: Excerpt::new(text(row, cell)),
            });
        }
        let timestamp = parse_timestamp(text(row, layout.timestamp))
            .map_err(|problem| self.refuse(row, layout.timestamp, problem.into()))?;
        let host = self.host(row)?;
        let layout = self.layout();
        let stream = (text(row, layout.stream).parse())
            .map_err(|_| self.refuse(row, layout.stream, CellProblem::Stream))?;
        let event = match layout.event {
            None => Event::Sample,
            Some(cell) => Event::parse(text(row, cell))
                .ok_or_else(|| self.refuse(row, cell, CellProblem::Event))?,
        };
        let alert = match event {
            Event::Sample => None,
            Event::Alert(alert) => Some(alert),
            Event::Gap(gap) => {
                self.check_empty(row)?;
                return Ok(Row::Gap {
                    host,
                    stream,
                    timestamp,
                    gap,
                });
            }
        };
        Ok(Row::Numbered(Numbered {
            host,
            stream,
            seq: self.seq(row)?,
            alert,
            sample: self.sample(row, timestamp)?,
        }))
    }

    fn host(&mut self, row: &StringRecord) -> Result<HostName, RowProblem> {
        let name = text(row, self.layout().host);
        match &self.host {
            Some(host) if host.as_str() == name => Ok(host.clone()),
            _ => {
                let host: HostName = (name.parse())
                    .map_err(|_| self.refuse(row, self.layout().host, CellProblem::Host))?;
                self.host = Some(host.clone());
                Ok(host)
            }
        }
    }

    fn seq(&self, row: &StringRecord) -> Result<u64, RowProblem> {
        let cell = self.layout().seq;
        parse_seq(text(row, cell)).ok_or_else(|| self.refuse(row, cell, CellProblem::Seq))
    }

    fn sample(&mut self, row: &StringRecord, timestamp: u64) -> Result<Sample, RowProblem> {
        let layout = &*self.heading.0;
        let mut values = Vec::with_capacity(layout.values.len() + self.extra_names.len());
        for (&cell, name) in layout.values.iter().zip(layout.columns.names()) {
            let number = text(row, cell);
            if number.is_empty() {
                continue;
            }
            match number.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push((name.clone(), value)),
                Ok(_) => return Err(self.refuse(row, cell, CellProblem::NotFinite)),
                Err(_) => return Err(self.refuse(row, cell, CellProblem::of_number(number))),
            }
        }
        let present = |cell: Option<usize>| cell.filter(|&cell| !text(row, cell).is_empty());
        let mut containers = self.array(row, layout.containers, CellProblem::Containers)?;
        let top = self.array(row, layout.top, CellProblem::Top)?;
        if let Some(cell) = present(layout.extra) {
            let extra = ExtraReader {
                columns: &layout.columns,
                known: &mut self.extra_names,
                values: &mut values,
                containers: &mut containers,
            };
            if extra.read(text(row, cell)).is_err() {
                return Err(self.refuse(row, cell, CellProblem::Extra));
            }
        }
        Ok(Sample {
            timestamp,
            values,
            top,
            containers,
        })
    }

    /// The list in a cell, if there is one.
    fn array<T: DeserializeOwned>(
        &self,
        row: &StringRecord,
        cell: Option<usize>,
        problem: CellProblem,
    ) -> Result<Option<Vec<T>>, RowProblem> {
        let present = cell.filter(|&cell| !text(row, cell).is_empty());
        let list = present.map(|cell| {
            serde_json::from_str(text(row, cell)).map_err(|_| self.refuse(row, cell, problem))
        });
        list.transpose()
    }

    /// Checks that a gap has neither a number nor values.
    fn check_empty(&self, row: &StringRecord) -> Result<(), RowProblem> {
        let layout = self.layout();
        let mut cells = (layout.values.iter().copied())
            .chain([layout.seq])
            .chain(layout.containers)
            .chain(layout.top)
            .chain(layout.extra);
        match cells.find(|&cell| !text(row, cell).is_empty()) {
            None => Ok(()),
            Some(cell) => Err(self.refuse(row, cell, CellProblem::InGap)),
        }
    }

    fn refuse(&self, row: &StringRecord, cell: usize, problem: CellProblem) -> RowProblem {
        RowProblem::Cell {
            column: Excerpt::new(self.layout().name_of(cell)),
            value: Excerpt::new(text(row, cell)),
            problem,
        }
    }
}

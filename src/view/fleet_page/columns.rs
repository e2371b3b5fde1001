//! The columns: by the width of the screen and the longest name.

use super::super::grid::Column;
use super::super::page_parts::Canvas;
use super::super::rows::{Choice, FleetRow, SortOrder};
use super::super::sanitize::text_width;
use super::WIDE;

/// From this width on, the top process and all rates have columns of their own.
const FULL: usize = 160;

/// The least columns for what is wrong, before charts get more.
const LEAST_WHAT: usize = 34;

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FleetColumn {
    Mark,
    Host,
    What,
    TopProcess,
    Percent(&'static str),
    /// Of the CPU.
    Least,
    Most,
    Chart,
    LoadPerCore,
    /// The sum of these rates.
    Megabytes(&'static [&'static str]),
}

/// A column with its title.
struct TitledColumn {
    field: FleetColumn,
    title: String,
    width: usize,
}

/// All columns, from the left.
pub(super) struct FleetColumns {
    columns: Vec<TitledColumn>,
    pub chart: usize,
    pub what: usize,
}

impl FleetColumns {
    pub(super) fn new(rows: &[FleetRow<'_>], choice: &Choice, canvas: Canvas) -> Self {
        let names = rows.iter().map(|row| text_width(row.name()));
        let widest = names.max().unwrap_or(0);
        let width = canvas.width;
        let fields = match width {
            FULL.. => full(widest),
            WIDE.. => wide(widest),
            _ => narrow(widest, width),
        };
        let taken: usize = fields.iter().map(|(.., width)| width + 1).sum();
        let left = width.saturating_sub(taken);
        let chart = match width {
            FULL.. => left.saturating_sub(LEAST_WHAT).clamp(8, 40),
            WIDE.. => (left.saturating_sub(LEAST_WHAT) / 2).clamp(8, 20),
            60.. => 10,
            _ => 0,
        };
        // The mark of the selection, and no blank after the last column.
        let what = left.saturating_sub(chart).max(1);
        let sorted = sorted_column(choice.order);
        let titled = |(field, title, width)| {
            let width = match field {
                FleetColumn::Chart => chart,
                FleetColumn::What => what,
                _ => width,
            };
            let mark = if sorted == Some(field) {
                choice.mark(canvas.style)
            } else {
                ""
            };
            let is_long = field == FleetColumn::What && width < text_width(title) + 1;
            let title = if is_long { BRIEF_WHAT } else { title };
            TitledColumn {
                field,
                title: format!("{title}{mark}"),
                width,
            }
        };
        Self {
            columns: fields.into_iter().map(titled).collect(),
            chart,
            what,
        }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = FleetColumn> {
        self.columns.iter().map(|column| column.field)
    }

    pub(super) fn has(&self, field: FleetColumn) -> bool {
        self.fields().any(|it| it == field)
    }

    pub(super) fn all(&self) -> Vec<Column<'_>> {
        self.columns.iter().map(TitledColumn::drawn).collect()
    }
}

impl TitledColumn {
    fn drawn(&self) -> Column<'_> {
        match self.field {
            FleetColumn::Mark
            | FleetColumn::Host
            | FleetColumn::What
            | FleetColumn::TopProcess
            | FleetColumn::Chart => Column::left(&self.title, self.width),
            _ => Column::right(&self.title, self.width),
        }
    }
}

/// The column that rows are sorted by.
fn sorted_column(order: SortOrder) -> Option<FleetColumn> {
    match order {
        SortOrder::Trouble => Some(FleetColumn::What),
        SortOrder::Name => Some(FleetColumn::Host),
        SortOrder::Cpu => Some(FleetColumn::Percent("cpu")),
        SortOrder::Memory => Some(FleetColumn::Percent("memory")),
        SortOrder::Disk => Some(FleetColumn::Percent("disk")),
        SortOrder::Load => Some(FleetColumn::LoadPerCore),
        SortOrder::Network => Some(FleetColumn::Megabytes(&["networkReceived"])),
    }
}

type FieldWidth = (FleetColumn, &'static str, usize);

/// The first two columns.
fn named(widest: usize, least: usize, most: usize) -> Vec<FieldWidth> {
    vec![
        (FleetColumn::Mark, "", 2),
        (FleetColumn::Host, "HOST", widest.clamp(least, most)),
    ]
}

const WHAT: FieldWidth = (FleetColumn::What, " WHAT IS WRONG, AND WHO", 0);

/// The same title where there is no room for it and the mark of the order.
const BRIEF_WHAT: &str = " WRONG";

const CPU: FieldWidth = (FleetColumn::Percent("cpu"), "CPU %", 7);

const CHART: FieldWidth = (FleetColumn::Chart, "", 0);

const SHARES: [FieldWidth; 2] = [
    (FleetColumn::Percent("memory"), "MEM %", 7),
    (FleetColumn::Percent("disk"), "DISK %", 7),
];

const LOAD: FieldWidth = (FleetColumn::LoadPerCore, "LOAD/C", 7);

fn full(widest: usize) -> Vec<FieldWidth> {
    let mut fields = named(widest, 9, 24);
    fields.extend([WHAT, (FleetColumn::TopProcess, "TOP PROCESS", 20)]);
    fields.extend([
        CPU,
        (FleetColumn::Least, "MIN", 5),
        (FleetColumn::Most, "MAX", 5),
    ]);
    fields.push(CHART);
    fields.extend(SHARES);
    fields.extend([
        LOAD,
        (FleetColumn::Megabytes(&["diskRead"]), "RD MB/s", 7),
        (FleetColumn::Megabytes(&["diskWritten"]), "WR MB/s", 7),
        (FleetColumn::Megabytes(&["networkReceived"]), "IN MB/s", 8),
        (FleetColumn::Megabytes(&["networkSent"]), "OUT MB/s", 8),
    ]);
    fields
}

fn wide(widest: usize) -> Vec<FieldWidth> {
    let mut fields = named(widest, 9, 16);
    fields.extend([WHAT, CPU]);
    fields.extend([
        (FleetColumn::Least, "MIN", 5),
        (FleetColumn::Most, "MAX", 5),
        CHART,
    ]);
    fields.extend(SHARES);
    fields.extend([
        LOAD,
        (
            FleetColumn::Megabytes(&["diskRead", "diskWritten"]),
            "I/O MB",
            6,
        ),
        (FleetColumn::Megabytes(&["networkReceived"]), "IN MB", 6),
        (FleetColumn::Megabytes(&["networkSent"]), "OUT MB", 6),
    ]);
    fields
}

fn narrow(widest: usize, width: usize) -> Vec<FieldWidth> {
    if width < 60 {
        let mut fields = named(widest, 6, 12);
        fields.extend([CPU, SHARES[0], WHAT]);
        return fields;
    }
    let mut fields = named(widest, 9, 16);
    fields.extend([CPU, CHART]);
    fields.extend(SHARES);
    fields.push(WHAT);
    fields
}

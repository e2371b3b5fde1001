//! The table of one host's metrics.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::protocol::{Rank, section};

use super::columns::is_meant;
use super::grid::{self, Cell, Column};
use super::metric::{Level, Metric};
use super::page_parts::{Canvas, level_mark};
use super::sparkline::{Scale, sparkline};
use super::state::HostState;
use super::style::{Style, Tone};
use super::styled_line::StyledLine;
use super::trend::{Trend, trend};
use super::units::{self, SharedUnit};

/// The metrics with a row of their own, in the order of the rows: the most important ones, then in announced order,
/// then those of sections that aren't in the catalogue, section by section. Instances have no row here, unless the metrics
/// were chosen.
pub(super) fn rows(host: &HostState) -> Vec<usize> {
    if host.columns.is_made() {
        return chosen(host);
    }
    let mut sections = HashMap::new();
    let mut rows = Vec::new();
    for (index, metric) in host.metrics.iter().enumerate() {
        if metric.rank == Rank::Header || metric.key.contains(':') {
            continue;
        }
        let next = sections.len() + 1;
        let section = match &metric.section {
            Cow::Borrowed(known) if *known != section::OTHER => 0,
            section => *sections.entry(section).or_insert(next),
        };
        rows.push((metric.rank, section, index));
    }
    rows.sort_unstable();
    rows.into_iter().map(|(.., index)| index).collect()
}

/// The metrics that were chosen, in the order of the choice.
fn chosen(host: &HostState) -> Vec<usize> {
    let mut rows = Vec::new();
    for name in host.columns.names() {
        let all = host.metrics.iter().enumerate();
        let meant = all.filter(|(_, metric)| is_meant(name, &metric.key));
        for (index, _) in meant {
            if !rows.contains(&index) {
                rows.push(index);
            }
        }
    }
    rows
}

/// The contents of a column of the table.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Level,
    Label,
    Number,
    Unit,
    Trend,
    Min,
    Max,
    Window,
}

/// The columns that fit into `width`. The widest label isn't truncated unnecessarily.
fn columns(host: &HostState, width: usize) -> Vec<(Field, Column<'static>)> {
    let label = |least: usize, most: usize| {
        let widest = rows(host)
            .into_iter()
            .map(|index| super::sanitize::text_width(&host.metrics[index].label));
        widest.max().unwrap_or(0).clamp(least, most)
    };
    let number = (Field::Number, Column::right("now", units::NUMBER_WIDTH));
    let unit = (Field::Unit, Column::left("", units::UNIT_WIDTH));
    let trend = (Field::Trend, Column::left("", 1));
    let min = (Field::Min, Column::right("min", units::NUMBER_WIDTH));
    let max = (Field::Max, Column::right("max", units::NUMBER_WIDTH));
    let (name, rest) = match width {
        0..54 => (label(6, 10), vec![number, unit, trend]),
        54..70 => (label(6, 14), vec![number, unit, trend, max]),
        70..100 => (label(6, 16), vec![number, unit, trend, min, max]),
        _ => (label(6, 24), vec![number, unit, trend, min, max]),
    };
    let mut columns = vec![
        (Field::Level, Column::right("", 2)),
        (Field::Label, Column::left("", name)),
    ];
    columns.extend(rest);
    let used = grid::table_width(&plain(&columns)) + 2;
    if width > used {
        let cells = (width - used).min(host.history.window());
        columns.push((Field::Window, Column::left("", cells)));
    }
    columns
}

fn plain(columns: &[(Field, Column<'static>)]) -> Vec<Column<'static>> {
    columns.iter().map(|(_, column)| *column).collect()
}

/// The part of `width` that the table takes.
pub(super) fn width(host: &HostState, width: usize) -> usize {
    grid::table_width(&plain(&columns(host, width)))
}

/// The line above the table.
pub(super) fn titles(host: &HostState, width: usize, style: Style) -> StyledLine {
    grid::titles(&plain(&columns(host, width)), style)
}

/// The rows of the metrics `indices`.
pub(super) fn table(host: &HostState, indices: &[usize], canvas: Canvas) -> Vec<StyledLine> {
    let columns = columns(host, canvas.width);
    let layout = host.layout(canvas.now);
    let rows: Vec<Vec<Cell>> = indices
        .iter()
        .map(|&index| {
            let row = MetricRow::new(host, index, host.history.cells(index, &layout));
            columns
                .iter()
                .map(|(field, column)| row.cell(*field, column.width, canvas.style))
                .collect()
        })
        .collect();
    grid::lines(&plain(&columns), &rows, canvas.style)
}

/// One metric over the window.
struct MetricRow<'a> {
    metric: &'a Metric,
    now: Option<f64>,
    cells: Vec<Option<f64>>,
    /// The least value that the sparkline reaches to.
    ceiling: Option<f64>,
    /// What now, min and max have in common.
    unit: SharedUnit,
}

impl<'a> MetricRow<'a> {
    fn new(host: &'a HostState, index: usize, cells: Vec<Option<f64>>) -> Self {
        let metric = &host.metrics[index];
        let now = host.history.value(index);
        #[expect(clippy::cast_precision_loss, reason = "only drawn")]
        let memory = host.system.as_ref().map(|system| system.memory as f64);
        let memory = memory.filter(|memory| *memory != 0.0);
        let ceiling = if metric.unit == "B" {
            memory
        } else {
            metric.critical
        };
        let unit = SharedUnit::of(now, cells.iter().copied().flatten(), &metric.unit);
        Self {
            metric,
            now,
            cells,
            ceiling,
            unit,
        }
    }

    fn cell(&self, field: Field, width: usize, style: Style) -> Cell {
        let level = self
            .now
            .map_or(Level::Normal, |value| self.metric.level(value));
        let (mark, tone) = level_mark(level);
        let number = |value: Option<f64>| value.map(|value| self.unit.number(value));
        let bound = |value| (Tone::Dim, number(value).unwrap_or_default());
        let values = || self.cells.iter().copied().flatten();
        match field {
            Field::Level => (tone, mark.into()),
            Field::Label => (Tone::Plain, self.metric.label.clone()),
            Field::Number => number(self.now).map_or((Tone::Dim, "-".into()), |it| (tone, it)),
            Field::Unit if self.now.is_none() && values().next().is_none() => (tone, String::new()),
            Field::Unit => (tone, self.unit.unit.clone()),
            Field::Trend => (Tone::Plain, self.trend(style).into()),
            Field::Min => bound(values().chain(self.now).reduce(f64::min)),
            Field::Max => bound(values().chain(self.now).reduce(f64::max)),
            Field::Window => {
                let newest = &self.cells[self.cells.len().saturating_sub(width)..];
                let scale = Scale::of(&self.cells, &self.metric.unit, self.ceiling);
                (tone, sparkline(newest, scale, style))
            }
        }
    }

    fn trend(&self, style: Style) -> &'static str {
        let glyphs = style.glyphs();
        let shown = self.now.map(|value| self.unit.number(value));
        if shown.is_some_and(|number| number.chars().all(|c| "0.".contains(c))) {
            return ""; // a change to nothing isn't news
        }
        match trend(&self.cells, &self.metric.unit) {
            None => "",
            Some(Trend::Rising) => glyphs.rising,
            Some(Trend::Falling) => glyphs.falling,
        }
    }
}

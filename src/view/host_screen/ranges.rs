//! Values with the least and the greatest of the time that the charts show.

use crate::protocol::Rank;

use super::super::bins::DotBins;
use super::super::chart::{ChartLook, blocks};
use super::super::grid::{self, Cell, Column};
use super::super::metric::{Level, Metric};
use super::super::page_parts::level_mark;
use super::super::scale::{ChartScale, tenths};
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::short_size;
use super::super::zoom::{TimeAxis, dot_length};
use super::blocks::ChartKind;
use super::picture::{Picture, is_charted};
use super::{counters, fields};

/// The width of a number, and that of a unit.
const NUMBER: usize = 8;
const UNIT: usize = 5;

/// The fewest columns for a chart.
const LEAST_CHART: usize = 8;

/// The values that have moved and have neither a chart nor a place among the counters.
fn shown(picture: &Picture<'_>) -> Vec<usize> {
    let metrics = picture.host.metrics.iter().enumerate();
    let is_elsewhere = |metric: &Metric| {
        let is_drawn = |kind: &ChartKind| kind.metric() == &*metric.key;
        ChartKind::ALL.iter().any(is_drawn) || counters::has(&metric.key)
    };
    let is_shown = |metric: &Metric| {
        !metric.key.contains(':')
            && metric.rank != Rank::Header
            && !is_elsewhere(metric)
            && is_charted(picture.host, &metric.key)
    };
    let shown = metrics.filter(|(_, metric)| is_shown(metric));
    let mut shown: Vec<_> = shown
        .map(|(index, metric)| (fields::has(&metric.key), index))
        .collect();
    // What stands nowhere else comes first.
    shown.sort_unstable();
    shown.into_iter().map(|(_, index)| index).collect()
}

/// How many there are.
pub(super) fn count(picture: &Picture<'_>) -> usize {
    shown(picture).len()
}

/// A title and rows, `lines` together.
pub(super) fn table(picture: &Picture<'_>, width: usize, lines: usize) -> Vec<StyledLine> {
    let fixed = 3 * (NUMBER + 1) + UNIT + 1;
    let label = if width < 60 { 14 } else { 24 };
    let chart = width.saturating_sub(fixed + label + 1);
    let mut columns = vec![
        Column::left("VALUE", label),
        Column::right("NOW", NUMBER),
        Column::right("MIN", NUMBER),
        Column::right("MAX", NUMBER),
        Column::left("", UNIT),
    ];
    let charts = (LEAST_CHART <= chart).then(|| RangeCharts::new(picture, chart));
    if charts.is_some() {
        columns.push(Column::left("", chart));
    }
    let indices = shown(picture);
    let rows = indices.into_iter().take(lines.saturating_sub(1));
    let cells: Vec<Vec<Cell>> = rows
        .map(|index| row(picture, index, charts.as_ref()))
        .collect();
    let mut table = vec![grid::titles(&columns, picture.canvas.style)];
    table.extend(grid::lines(&columns, &cells, picture.canvas.style));
    table
}

fn row(picture: &Picture<'_>, index: usize, charts: Option<&RangeCharts<'_>>) -> Vec<Cell> {
    let metric = &picture.host.metrics[index];
    let now = picture.value(&metric.key);
    let (least, most) = picture.bins.range_with(index, now).unzip();
    let scale = scale_of(metric, most.unwrap_or_default());
    let text = |value: Option<f64>| {
        value.map_or_else(|| "-".into(), |value| written(metric, scale, value))
    };
    let level = now.map_or(Level::Normal, |now| metric.level(now));
    let (mark, tone) = level_mark(level);
    let mut cells = vec![
        (Tone::Dim, metric.label.clone()),
        (tone, format!("{mark}{}", text(now))),
        (Tone::Plain, text(least)),
        (Tone::Plain, text(most)),
        (Tone::Dim, unit(metric, scale)),
    ];
    cells.extend(charts.map(|charts| (Tone::Plain, charts.blocks(picture, index, scale))));
    cells
}

/// The scale that all numbers of a row share.
fn scale_of(metric: &Metric, most: f64) -> ChartScale {
    match &*metric.unit {
        "%" | "°C" => ChartScale::PERCENT,
        _ => ChartScale::over(most, 1.0),
    }
}

fn written(metric: &Metric, scale: ChartScale, value: f64) -> String {
    match &*metric.unit {
        "B" => short_size(value),
        "%" | "°C" => tenths(value),
        _ => scale.number(value),
    }
}

fn unit(metric: &Metric, scale: ChartScale) -> String {
    match &*metric.unit {
        "B" => String::new(),
        unit @ ("%" | "°C") => unit.to_owned(),
        unit => scale.unit(unit),
    }
}

/// Charts of one row on a narrow axis.
struct RangeCharts<'a>(DotBins<'a>);

impl<'a> RangeCharts<'a> {
    fn new(picture: &Picture<'a>, cells: usize) -> Self {
        let dot = dot_length(picture.axis.length(), picture.step, cells);
        let axis = TimeAxis::ending(picture.axis.end().saturating_sub(1), dot, cells);
        let host = picture.host;
        let bins = DotBins::new(host.charted(), &axis, picture.step);
        Self(bins.with_steps(host.stepped.as_deref(), &host.metrics, axis))
    }

    fn blocks(&self, picture: &Picture<'_>, index: usize, scale: ChartScale) -> String {
        let levels = scale.levels(&self.0.pool(index));
        let look = ChartLook {
            cursor: None,
            ..picture.look
        };
        blocks(&levels, |_| Tone::Plain, look).text()
    }
}

//! The cells of a row.

use super::super::bins::DotBins;
use super::super::chart::{ChartLook, blocks};
use super::super::grid::Cell;
use super::super::host_screen::{ProcessOrder, in_order};
use super::super::metric::Level;
use super::super::page_parts::{Canvas, level_mark, mark, server_text};
use super::super::rows::FleetRow;
use super::super::scale::{ChartScale, tenths};
use super::super::sentence::{Situation, Trouble, Urgency, headline};
use super::super::state::{HostState, Status, ViewState};
use super::super::style::Tone;
use super::super::units;
use super::super::zoom::{TimeAxis, dot_length};
use super::columns::{FleetColumn, FleetColumns};

/// The time that the charts show, in milliseconds.
const WINDOW: u64 = 300_000;

pub(super) fn cells(
    state: &ViewState,
    row: &FleetRow<'_>,
    columns: &FleetColumns,
    canvas: Canvas,
) -> Vec<Cell> {
    let (status, host) = (row.status(state, canvas.now), row.host());
    let finding = host.map(|host| {
        headline(&Situation {
            state,
            host,
            now: canvas.now,
        })
    });
    let (shape, tone) = shape(status, finding.as_ref(), canvas);
    // Old values of a host that is down would only mislead.
    let values = host.filter(|_| status != Status::Down);
    let lately = values.and_then(|host| RecentCpu::of(host, columns.chart, canvas));
    let cells = columns.fields().map(|field| match field {
        FleetColumn::Mark => (tone, shape.to_owned()),
        FleetColumn::Host => (Tone::Plain, row.name().to_owned()),
        FleetColumn::What => what(row, finding.as_ref(), columns, canvas),
        FleetColumn::TopProcess => (Tone::Plain, busiest(values).unwrap_or_default()),
        FleetColumn::Percent(name) => percent(values, name),
        FleetColumn::Least => bound(lately.as_ref().map(|cpu| cpu.least)),
        FleetColumn::Most => bound(lately.as_ref().map(|cpu| cpu.most)),
        FleetColumn::Chart => {
            let chart = lately.as_ref().map(|cpu| cpu.chart.clone());
            (Tone::Plain, chart.unwrap_or_default())
        }
        FleetColumn::LoadPerCore => load_per_core(values),
        FleetColumn::Megabytes(names) => {
            let value = values.and_then(|host| sum(host, names));
            let text = value.map_or_else(|| "-".into(), |value| tenths(value / 1e6));
            (Tone::Plain, text)
        }
    });
    let dim = |(index, (tone, text)): (usize, Cell)| {
        let is_old = status != Status::Live && index > 0;
        (if is_old { Tone::Dim } else { tone }, text)
    };
    cells.enumerate().map(dim).collect()
}

/// The sum of those metrics that the host has.
fn sum(host: &HostState, names: &[&str]) -> Option<f64> {
    let values = names.iter().filter_map(|name| host.value(name));
    values.reduce(|a, b| a + b)
}

fn shape(status: Status, finding: Option<&Trouble>, canvas: Canvas) -> (&'static str, Tone) {
    let is_worse = |finding: &&Trouble| finding.urgency <= Urgency::Warning;
    match finding.filter(is_worse) {
        Some(finding) if status == Status::Live => finding.mark(canvas.style),
        _ => {
            let (shape, _, tone) = mark(status, canvas.style);
            (shape, tone)
        }
    }
}

/// What is wrong, or what the host does.
fn what(
    row: &FleetRow<'_>,
    finding: Option<&Trouble>,
    columns: &FleetColumns,
    canvas: Canvas,
) -> Cell {
    let host = match row {
        FleetRow::Host(host) => host,
        FleetRow::Server(_, server) => {
            return (Tone::Plain, format!(" {}", server_text(server, canvas.now)));
        }
    };
    match finding {
        Some(finding) if finding.urgency != Urgency::Well => {
            let tone = match finding.urgency {
                Urgency::Event | Urgency::Note => Tone::Plain,
                _ => finding.mark(canvas.style).1,
            };
            (tone, format!(" {}", finding.text(columns.what - 1)))
        }
        // It has a column of its own.
        _ if columns.has(FleetColumn::TopProcess) => (Tone::Dim, String::new()),
        _ => {
            let text = busiest(Some(host)).map(|text| format!(" {text}"));
            (Tone::Dim, text.unwrap_or_default())
        }
    }
}

/// The process that uses most of the CPU: `rustc 61.4`.
fn busiest(host: Option<&HostState>) -> Option<String> {
    let top = in_order(host?.top(), ProcessOrder::Cpu);
    let first = top.first().filter(|process| process.cpu > 0.0)?;
    Some(format!("{} {}", first.name, tenths(first.cpu)))
}

/// A percentage with the mark of its level before it.
fn percent(host: Option<&HostState>, name: &str) -> Cell {
    let found = host.and_then(|host| {
        let index = host.find(name)?;
        let value = host.history.value(index)?;
        Some((value, host.metrics[index].level(value)))
    });
    let Some((value, level)) = found else {
        return (Tone::Dim, "-".into());
    };
    let (mark, tone) = level_mark(level);
    let text = units::percent(value);
    match level {
        Level::Normal => (tone, text),
        _ => (tone, format!("{mark}{text}")),
    }
}

fn load_per_core(host: Option<&HostState>) -> Cell {
    let load = host.and_then(HostState::load_per_core);
    let text = load.map_or_else(|| "-".into(), |load| units::decimal(load, 2));
    (Tone::Plain, text)
}

/// The least or the greatest value, as precise as the one now.
fn bound(value: Option<f64>) -> Cell {
    let text = value.map_or_else(|| "-".into(), units::percent);
    (Tone::Dim, text)
}

/// The CPU over the last minutes.
struct RecentCpu {
    /// In blocks.
    chart: String,
    least: f64,
    most: f64,
}

impl RecentCpu {
    fn of(host: &HostState, cells: usize, canvas: Canvas) -> Option<Self> {
        let index = host.find("cpu")?;
        let step = host.usual_step();
        let dot = dot_length(WINDOW, step, cells);
        let axis = TimeAxis::ending(host.time_now(canvas.now), dot, cells);
        let bins = DotBins::new(&host.history, &axis, step);
        let levels = ChartScale::PERCENT.levels(&bins.pool(index));
        let look = ChartLook {
            style: canvas.style,
            cursor: None,
            is_dim: false,
        };
        let (least, most) = bins.range_with(index, Some(host.history.value(index)?))?;
        Some(Self {
            chart: blocks(&levels, |_| Tone::Plain, look).text(),
            least,
            most,
        })
    }
}

//! The tables beside the charts or below them, and which lines each gets.

use super::super::grid::{self, Cell, Column};
use super::super::listing::indented;
use super::super::page_parts::side_by_side;
use super::super::scale::tenths;
use super::super::sections;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::short_size;
use super::blocks::ChartKind;
use super::counters;
use super::devices::{DISKS, FILESYSTEMS, NETWORKS};
use super::order::ProcessOrder;
use super::picture::Picture;
use super::processes;
use super::ranges;

/// A table of the column beside the charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TableKind {
    Processes,
    Filesystems,
    Disks,
    Networks,
    Containers,
    /// A section without a layout of its own, by its place among these.
    Other(usize),
    Counters,
    /// Values with their ranges.
    Ranges,
    Events,
}

/// The tables beside the charts, in `height` lines of `width` columns.
pub(super) fn column(picture: &Picture<'_>, width: usize, height: usize) -> Vec<StyledLine> {
    let mut others = others(picture, width);
    let mut lines = Vec::new();
    for (kind, rows) in shares(picture, height, &others) {
        if !lines.is_empty() {
            lines.push(StyledLine::default());
        }
        if let TableKind::Other(index) = kind {
            let mut table = std::mem::take(&mut others[index]);
            table.truncate(rows);
            lines.append(&mut table);
        } else {
            lines.append(&mut of_kind(picture, kind, width, rows));
        }
    }
    lines
}

/// The process in a line of [`column()`].
pub(super) fn process_beside(
    picture: &Picture<'_>,
    width: usize,
    height: usize,
    line: usize,
) -> Option<u32> {
    let others = others(picture, width);
    // They are the first table.
    match shares(picture, height, &others).first()? {
        (TableKind::Processes, lines) => processes::listed_at(picture, *lines, line),
        _ => None,
    }
}

/// The rates that the tables beside the charts, in `height` lines, show for each device.
pub(super) fn rates_beside(picture: &Picture<'_>, height: usize) -> Vec<ChartKind> {
    let Some((_, width)) = picture.widths.beside else {
        return Vec::new();
    };
    let shares = shares(picture, height, &others(picture, width));
    let has = |kind| shares.iter().any(|(it, _)| *it == kind);
    [
        (TableKind::Networks, [ChartKind::Received, ChartKind::Sent]),
        (TableKind::Disks, [ChartKind::Read, ChartKind::Written]),
    ]
    .into_iter()
    .filter(|(table, _)| has(*table))
    .flat_map(|(_, rates)| rates)
    .collect()
}

/// The tables of sections without a layout of their own.
fn others(picture: &Picture<'_>, width: usize) -> Vec<Vec<StyledLine>> {
    let canvas = super::super::page_parts::Canvas {
        width,
        ..picture.canvas
    };
    let tables = sections::unknown(picture.host, canvas);
    // Their lines are indented, and those of the others aren't.
    tables
        .into_iter()
        .map(|lines| lines.into_iter().map(|line| line.after(1)).collect())
        .collect()
}

fn of_kind(picture: &Picture<'_>, kind: TableKind, width: usize, lines: usize) -> Vec<StyledLine> {
    let size = usize::from(!picture.widths.is_full());
    let rows = lines.saturating_sub(1);
    match kind {
        TableKind::Processes => processes::table(picture, width, lines),
        TableKind::Filesystems => FILESYSTEMS[size].lines(picture, rows),
        TableKind::Disks => DISKS[size].lines(picture, rows),
        TableKind::Networks => NETWORKS[size].lines(picture, rows),
        TableKind::Containers => containers(picture, width, rows),
        TableKind::Counters | TableKind::Other(_) => counters::lines(picture, width, lines),
        TableKind::Ranges => ranges::table(picture, width, lines),
        TableKind::Events => counters::events(picture, width, lines),
    }
}

/// Which tables there are, and how many lines each has with its title.
fn shares(
    picture: &Picture<'_>,
    height: usize,
    others: &[Vec<StyledLine>],
) -> Vec<(TableKind, usize)> {
    let is_full = picture.widths.is_full();
    let size = usize::from(!is_full);
    let few = |count: usize, most: usize| if count == 0 { 0 } else { 1 + count.min(most) };
    let (mounts, devices) = if is_full { (6, 4) } else { (3, 2) };
    let listed = picture.host.most_listed;
    let mut shares = vec![
        (
            TableKind::Processes,
            if listed == 0 { 0 } else { 3 + listed.max(5) },
        ),
        (
            TableKind::Filesystems,
            few(FILESYSTEMS[size].count(picture), mounts),
        ),
        (TableKind::Disks, few(DISKS[size].count(picture), devices)),
        (
            TableKind::Networks,
            few(NETWORKS[size].count(picture), devices),
        ),
        (
            TableKind::Containers,
            few(picture.host.most_contained, if is_full { 7 } else { 4 }),
        ),
        (
            TableKind::Counters,
            counters::count(picture)
                .div_ceil(2)
                .min(if is_full { 6 } else { 3 }),
        ),
    ];
    let at = shares.len() - 1;
    let others = others.iter().enumerate().take(4).rev();
    for (index, lines) in others {
        shares.insert(at, (TableKind::Other(index), lines.len()));
    }
    shares.retain(|(_, lines)| *lines > 0);
    fit(&mut shares, height);
    fill(&mut shares, height, ranges::count(picture));
    shares
}

/// The lines that all tables take, with the blank ones after them.
fn taken(shares: &[(TableKind, usize)]) -> usize {
    shares.iter().map(|(_, lines)| lines + 1).sum()
}

/// Leaves out tables, the least important first, until the others fit into `height` lines.
fn fit(shares: &mut Vec<(TableKind, usize)>, height: usize) {
    // The blank line after the last one isn't needed.
    let room = height + 1;
    for kind in [
        TableKind::Counters,
        TableKind::Containers,
        TableKind::Networks,
        TableKind::Disks,
    ] {
        if taken(shares) <= room {
            break;
        }
        shares.retain(|(it, _)| *it != kind);
    }
    while taken(shares) > room
        && let Some(last) = shares
            .iter()
            .rposition(|(kind, _)| matches!(kind, TableKind::Other(_)))
    {
        shares.remove(last);
    }
    if let Some(excess) = taken(shares).checked_sub(room)
        && let Some((_, lines)) = shares.first_mut()
    {
        *lines = lines.saturating_sub(excess).max(8.min(height));
    }
    while taken(shares) > room && shares.pop().is_some() {}
}

/// Gives the lines that are left to `ranges` values and to events: how many have happened makes no difference.
fn fill(shares: &mut Vec<(TableKind, usize)>, height: usize, ranges: usize) {
    let left = (height + 1).saturating_sub(taken(shares));
    let lines = left.saturating_sub(EVENTS + 2).min(ranges + 1);
    let mut left = left;
    if LEAST_RANGES <= lines {
        shares.push((TableKind::Ranges, lines));
        left -= lines + 1;
    }
    if left >= 4 {
        shares.push((TableKind::Events, left - 1));
    }
}

/// The containers and services.
fn containers(picture: &Picture<'_>, width: usize, rows: usize) -> Vec<StyledLine> {
    let columns = [
        Column::left("CONTAINER or SERVICE", width.saturating_sub(20)),
        Column::right("CPU %", 8),
        Column::right("MEMORY", 10),
    ];
    let memory = picture.host.system.as_ref().map(|system| system.memory);
    let mut containers: Vec<_> = picture.host.containers().iter().collect();
    let key = |share: Option<f64>| share.unwrap_or(-1.0);
    containers.sort_by(|a, b| match picture.order {
        ProcessOrder::Cpu => key(b.cpu).total_cmp(&key(a.cpu)),
        ProcessOrder::Memory => key(b.memory).total_cmp(&key(a.memory)),
    });
    let size = |share: f64| match memory.filter(|memory| *memory > 0) {
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        Some(memory) => short_size(share / 100.0 * memory as f64),
        None => format!("{} %", tenths(share)),
    };
    let mut cells: Vec<Vec<Cell>> = containers
        .into_iter()
        .take(rows)
        .map(|container| {
            vec![
                (Tone::Plain, container.name.clone()),
                (
                    Tone::Plain,
                    container.cpu.map_or_else(|| "-".into(), tenths),
                ),
                (
                    Tone::Plain,
                    container.memory.map_or_else(|| "-".into(), size),
                ),
            ]
        })
        .collect();
    cells.resize_with(rows, || vec![(Tone::Plain, String::new()); 3]);
    let mut lines = vec![grid::titles(&columns, picture.canvas.style)];
    lines.extend(grid::lines(&columns, &cells, picture.canvas.style));
    lines
}

/// The lines of the events before values with their ranges get any, and the fewest that these have then.
const EVENTS: usize = 8;
const LEAST_RANGES: usize = 4;

/// The lines of the first tables before there is room for others.
const SHORT: usize = 10;

/// Where the second table below the charts begins.
const SECOND: usize = 51;

/// The tables below the charts, in `height` lines.
pub(super) fn below(picture: &Picture<'_>, height: usize) -> Vec<StyledLine> {
    let width = picture.canvas.width;
    let others = others_below(picture, height);
    let height = height - others.len();
    let has_second = has_second(picture);
    let first = if has_second { SECOND - 1 } else { width };
    let left = if picture.host.most_listed == 0 {
        Vec::new()
    } else {
        processes::table(picture, first - 1, height)
    };
    let right = if has_second {
        second(picture, height)
    } else {
        Vec::new()
    };
    let left = left.into_iter().map(indented).collect();
    let mut lines = side_by_side(left, right, SECOND, height);
    lines.extend(others);
    lines
}

/// Whether there is room for a second table below the charts.
fn has_second(picture: &Picture<'_>) -> bool {
    SECOND + 25 <= picture.canvas.width
}

/// The tables of sections without a layout of their own, below the others.
fn others_below(picture: &Picture<'_>, height: usize) -> Vec<StyledLine> {
    if height <= SHORT {
        return Vec::new();
    }
    let tables = others(picture, picture.canvas.width.saturating_sub(1));
    let lines = tables.into_iter().flatten().map(indented);
    lines.take(height - SHORT).collect()
}

/// The process at a column and a line of [`below()`].
pub(super) fn process_below(
    picture: &Picture<'_>,
    height: usize,
    (column, line): (usize, usize),
) -> Option<u32> {
    let height = height - others_below(picture, height).len();
    let is_beside = has_second(picture) && SECOND <= column;
    if is_beside || picture.host.most_listed == 0 {
        return None;
    }
    processes::listed_at(picture, height, line)
}

/// Filesystems, and the most important values of what else there is.
fn second(picture: &Picture<'_>, height: usize) -> Vec<StyledLine> {
    let table = &FILESYSTEMS[2];
    let others = counters::in_short(picture);
    let mounts = table.count(picture);
    let rows = height
        .saturating_sub(1 + others.len())
        .max(2)
        .min(mounts)
        .min(height.saturating_sub(1));
    let mut lines = if mounts > 0 {
        table.lines(picture, rows)
    } else {
        Vec::new()
    };
    lines.extend(others);
    lines.truncate(height);
    lines
}

//! Tables with a row for each filesystem, disk or interface.

use crate::wording::span;

use super::super::grid::{self, Cell, Column};
use super::super::metric::Level;
use super::super::page_parts::level_mark;
use super::super::scale::tenths;
use super::super::sentence;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::{grouped, short_size};
use super::picture::Picture;

/// How a column's values are written.
#[derive(Debug, Clone, Copy)]
enum Written {
    Tenths,
    Count,
    Megabytes,
    Size,
    /// The time until it is full.
    FullIn,
}

/// A column: its title, its metric and its width.
type Measure = (&'static str, &'static str, usize, Written);

/// A table with a row for each instance of its first metric.
pub(super) struct DeviceTable {
    head: &'static str,
    name: usize,
    measures: &'static [Measure],
}

pub(super) const FILESYSTEMS: [DeviceTable; 3] = [
    DeviceTable {
        head: "FILESYSTEM",
        name: 22,
        measures: &[
            ("USED %", "disk", 9, Written::Tenths),
            ("SIZE", "diskSize", 9, Written::Size),
            ("FREE", "diskFree", 9, Written::Size),
            ("FULL IN", "disk", 10, Written::FullIn),
            ("INODES %", "inodes", 11, Written::Tenths),
        ],
    },
    DeviceTable {
        head: "FILESYSTEM",
        name: 16,
        measures: &[
            ("USED %", "disk", 9, Written::Tenths),
            ("FREE", "diskFree", 8, Written::Size),
            ("INODES %", "inodes", 10, Written::Tenths),
        ],
    },
    DeviceTable {
        head: "FILESYSTEM",
        name: 12,
        measures: &[
            ("USED %", "disk", 7, Written::Tenths),
            ("INODES %", "inodes", 8, Written::Tenths),
        ],
    },
];

pub(super) const DISKS: [DeviceTable; 2] = [
    DeviceTable {
        head: "DISK",
        name: 12,
        measures: &[
            ("READ MB/s", "diskRead", 9, Written::Megabytes),
            ("WRITE MB/s", "diskWritten", 10, Written::Megabytes),
            ("R/S", "diskReads", 7, Written::Count),
            ("W/S", "diskWrites", 7, Written::Count),
            ("AWAIT ms", "diskAwait", 8, Written::Tenths),
            ("QUEUE", "diskQueue", 6, Written::Tenths),
            ("BUSY %", "diskBusy", 8, Written::Tenths),
        ],
    },
    DeviceTable {
        head: "DISK",
        name: 11,
        measures: &[
            ("R/S", "diskReads", 6, Written::Count),
            ("W/S", "diskWrites", 6, Written::Count),
            ("AWAIT", "diskAwait", 6, Written::Tenths),
            ("QUEUE", "diskQueue", 5, Written::Tenths),
            ("BUSY %", "diskBusy", 7, Written::Tenths),
        ],
    },
];

pub(super) const NETWORKS: [DeviceTable; 2] = [
    DeviceTable {
        head: "NETWORK",
        name: 12,
        measures: &[
            ("IN MB/s", "networkReceived", 9, Written::Megabytes),
            ("OUT MB/s", "networkSent", 10, Written::Megabytes),
            ("PK IN/S", "networkPacketsReceived", 9, Written::Count),
            ("PK OUT/S", "networkPacketsSent", 9, Written::Count),
            ("DROPS/S", "networkDrops", 9, Written::Tenths),
            ("ERRORS/S", "networkErrors", 10, Written::Tenths),
        ],
    },
    DeviceTable {
        head: "NETWORK",
        name: 9,
        measures: &[
            ("IN MB/s", "networkReceived", 8, Written::Megabytes),
            ("OUT MB/s", "networkSent", 8, Written::Megabytes),
            ("DROPS/S", "networkDrops", 8, Written::Tenths),
            ("ERRORS/S", "networkErrors", 8, Written::Tenths),
        ],
    },
];

impl DeviceTable {
    /// How many instances the host has.
    pub(super) fn count(&self, picture: &Picture<'_>) -> usize {
        self.instances(picture).len()
    }

    /// The instances, with their metrics of the first column that has any.
    fn instances<'a>(&self, picture: &'a Picture<'_>) -> Vec<(&'a str, usize)> {
        let of = |family: &str| -> Vec<(&'a str, usize)> {
            let metrics = picture.host.metrics.iter().enumerate();
            let named = metrics.filter_map(|(index, metric)| {
                let name = metric.key.strip_prefix(family)?.strip_prefix(':')?;
                Some((name, index))
            });
            named.collect()
        };
        let lists = self.measures.iter().map(|(_, family, ..)| of(family));
        lists
            .into_iter()
            .find(|list| !list.is_empty())
            .unwrap_or_default()
    }

    /// A title and `rows` rows; if there are more instances, those at a level come first, then the busiest.
    pub(super) fn lines(&self, picture: &Picture<'_>, rows: usize) -> Vec<StyledLine> {
        let mut instances = self.instances(picture);
        let all = instances.len();
        if all > rows {
            let most = |index: usize| {
                let metric = &picture.host.metrics[index];
                let level = picture.host.history.value(index);
                let level = level.map_or(Level::Normal, |value| metric.level(value));
                let most = picture
                    .host
                    .extent(&metric.key)
                    .map_or(0.0, |(_, most)| most);
                (level, most)
            };
            instances.sort_by(|a, b| {
                let (a, b) = (most(a.1), most(b.1));
                b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
            });
        }
        instances.truncate(rows);
        let head = if all > rows {
            format!("{} {rows} of {all}", self.head)
        } else {
            self.head.to_owned()
        };
        let mut columns = vec![Column::left(&head, self.name)];
        let titles = self.measures.iter();
        columns.extend(titles.map(|(title, _, width, _)| Column::right(title, *width)));
        let mut cells: Vec<Vec<Cell>> = instances
            .iter()
            .map(|(name, _)| self.row(picture, name))
            .collect();
        cells.resize_with(rows, || vec![(Tone::Plain, String::new()); columns.len()]);
        let mut lines = vec![grid::titles(&columns, picture.canvas.style)];
        lines.extend(grid::lines(&columns, &cells, picture.canvas.style));
        lines
    }

    fn row(&self, picture: &Picture<'_>, name: &str) -> Vec<Cell> {
        let mut cells = vec![(Tone::Plain, super::super::sanitize::clean(name))];
        cells.extend(self.measures.iter().map(|(_, family, _, written)| {
            let metric = format!("{family}:{name}");
            let Some(value) = picture.value(&metric) else {
                return (Tone::Dim, "-".into());
            };
            let text = match written {
                Written::Tenths => tenths(value),
                Written::Count => grouped(value),
                Written::Megabytes => tenths(value / 1e6),
                Written::Size => short_size(value),
                Written::FullIn => return (Tone::Plain, full_in(picture, &metric)),
            };
            let (mark, tone) = level_mark(picture.level(&metric));
            let text = if mark.is_empty() {
                text
            } else {
                format!("{mark} {text}")
            };
            (tone, text)
        }));
        cells
    }
}

/// `3 h 20 m`, if the metric goes on as it did, or a dash.
fn full_in(picture: &Picture<'_>, metric: &str) -> String {
    let index = picture.find(metric);
    let time = index.and_then(|index| sentence::full_in(picture.host, index, metric));
    time.map_or_else(|| "-".into(), span)
}

//! The rows of the page of several hosts: which ones, and in which order.

use std::cmp::Reverse;

use crate::protocol::HostName;

use super::history::Point;
use super::metric::Level;
use super::natural;
use super::state::{Connection, HostState, Now, ServerState, Status, ViewState};
use super::style::Style;

/// A host that is well again keeps its place for so long, in milliseconds.
const KEPT: u64 = 30_000;

/// How many samples in a row make a level.
const ENOUGH: usize = 3;

/// The metrics whose levels are trouble.
const TROUBLESOME: [&str; 6] = ["cpu", "memory", "swap", "disk", "inodes", "load1"];

/// What a row of the page represents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowKey {
    Host(HostName),
    /// A server without known hosts.
    Server(usize),
}

/// One row.
pub(super) enum FleetRow<'a> {
    Host(&'a HostState),
    Server(usize, &'a ServerState),
}

impl<'a> FleetRow<'a> {
    pub(super) fn key(&self) -> RowKey {
        match self {
            Self::Host(host) => RowKey::Host(host.name.clone()),
            Self::Server(index, _) => RowKey::Server(*index),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Host(host) => host.name.as_str(),
            Self::Server(_, server) => &server.name,
        }
    }

    /// The host, unless only its server is known.
    pub(super) fn host(&self) -> Option<&'a HostState> {
        match self {
            Self::Host(host) => Some(host),
            Self::Server(..) => None,
        }
    }

    pub(super) fn status(&self, state: &ViewState, now: Now) -> Status {
        match self {
            Self::Host(host) => state.status(host, now),
            Self::Server(_, server) => server.status(),
        }
    }
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SortOrder {
    /// Those in trouble, then by name.
    #[default]
    Trouble,
    Name,
    Cpu,
    Memory,
    Disk,
    Load,
    Network,
}

impl SortOrder {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Trouble => Self::Name,
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Disk,
            Self::Disk => Self::Load,
            Self::Load => Self::Network,
            Self::Network => Self::Trouble,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Name => "name",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Load => "load",
            Self::Network => "network",
        }
    }

    /// The value of `host` by which the largest come first.
    fn value(self, host: &HostState) -> Option<f64> {
        match self {
            Self::Trouble | Self::Name => None,
            Self::Cpu => host.value("cpu"),
            Self::Memory => host.value("memory"),
            Self::Disk => host.value("disk"),
            Self::Load => host.load_per_core(),
            Self::Network => host.value("networkReceived"),
        }
    }
}

/// Which rows to show, and in which order.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub order: SortOrder,
    pub is_reversed: bool,
    /// What their names contain, ignoring case.
    pub filter: String,
}

impl Choice {
    /// What follows the title of the column that rows are sorted by.
    pub(super) fn mark(&self, style: Style) -> &'static str {
        let is_rising = (self.order == SortOrder::Name) != self.is_reversed;
        let glyphs = style.glyphs();
        if is_rising {
            glyphs.rising
        } else {
            glyphs.falling
        }
    }
}

/// The host that is shown in detail, and whose samples are the steps in time: that of the selected row or of the first one,
/// or of the next row that has samples.
pub(super) fn subject_among<'a>(
    rows: &'a [FleetRow<'a>],
    selected: Option<usize>,
) -> Option<&'a HostState> {
    let from = selected.unwrap_or(0).min(rows.len());
    let mut hosts = rows[from..].iter().chain(rows);
    hosts.find_map(|row| row.host().filter(|host| !host.history.is_empty()))
}

/// The rows in the chosen order, which is that of trouble at first: by it, a row moves only when something happens to its
/// host; its first sample doesn't count.
pub(super) fn rows<'a>(state: &'a ViewState, choice: &Choice, now: Now) -> Vec<FleetRow<'a>> {
    let filter = choice.filter.to_lowercase();
    let mut rows: Vec<(_, f64, FleetRow<'a>)> = all(state)
        .filter(|row| row.name().to_lowercase().contains(&filter))
        .map(|row| {
            let value = row.host().and_then(|host| choice.order.value(host));
            let trouble = match choice.order {
                SortOrder::Trouble => trouble(state, &row, now),
                _ => RowTrouble::None,
            };
            (Reverse(trouble), value.unwrap_or(f64::NEG_INFINITY), row)
        })
        .collect();
    rows.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then_with(|| b.1.total_cmp(&a.1))
            .then_with(|| natural::compare(a.2.name(), b.2.name()))
    });
    if choice.is_reversed {
        rows.reverse();
    }
    rows.into_iter().map(|(.., row)| row).collect()
}

/// Every host, and every server without known hosts.
pub(super) fn all(state: &ViewState) -> impl Iterator<Item = FleetRow<'_>> {
    let servers = state.silent_servers();
    state
        .hosts
        .values()
        .map(FleetRow::Host)
        .chain(servers.map(|(index, server)| FleetRow::Server(index, server)))
}

/// How bad it is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowTrouble {
    None,
    Warning,
    Down,
    Stale,
    /// An alert, or a value at its critical level.
    Critical,
}

/// The trouble of a row, or that of a short while ago.
fn trouble(state: &ViewState, row: &FleetRow<'_>, now: Now) -> RowTrouble {
    let connection = match row.status(state, now) {
        // Nothing is known to be wrong with it: it waits where it will be once it has samples.
        Status::Down if is_awaited(state, row) => RowTrouble::None,
        Status::Stale => RowTrouble::Stale,
        Status::Down => RowTrouble::Down,
        Status::Live | Status::Over => RowTrouble::None,
    };
    (row.host()).map_or(connection, |host| connection.max(of_values(host, KEPT)))
}

/// The trouble that the values of `host` tell of, now or within the last `kept` milliseconds.
pub(super) fn of_values(host: &HostState, kept: u64) -> RowTrouble {
    if host.is_alerting() {
        return RowTrouble::Critical;
    }
    let points = host.history.points();
    let since = host.newest_time().saturating_sub(kept);
    let recent = points.iter().rev();
    let recent: Vec<&Point> = recent
        .take_while(|point| since <= point.timestamp)
        .collect();
    if recent.iter().any(|point| !point.alerts.is_empty()) && kept > 0 {
        return RowTrouble::Critical;
    }
    // Those before them tell whether a level was held.
    let count = recent.len().max(1) + ENOUGH - 1;
    let newest: Vec<&Point> = points.iter().rev().take(count).collect();
    let held = |index: usize| {
        let level = |point: &&Point| {
            let value = point.value(index);
            value.map_or(Level::Normal, |value| host.metrics[index].level(value))
        };
        let runs = newest
            .windows(ENOUGH)
            .map(|run| run.iter().map(level).min());
        runs.flatten().max().unwrap_or(Level::Normal)
    };
    let metrics = TROUBLESOME.iter().filter_map(|name| host.find(name));
    match metrics.map(held).max() {
        Some(Level::Critical) => RowTrouble::Critical,
        Some(Level::Warn) => RowTrouble::Warning,
        Some(Level::Normal) | None => RowTrouble::None,
    }
}

/// Whether the first sample may be about to arrive: the connection is being made or is up, and nothing is late yet.
fn is_awaited(state: &ViewState, row: &FleetRow<'_>) -> bool {
    let (server, has_failed) = match row {
        FleetRow::Host(host) => (
            state.servers.get(host.server),
            host.arrived.is_some() || host.is_stale(),
        ),
        FleetRow::Server(_, server) => (Some(*server), false),
    };
    let is_up =
        |server: &ServerState| matches!(server.connection, Connection::Connecting | Connection::Up);
    // Nothing more arrives from the past.
    state.back.is_none() && !has_failed && server.is_some_and(is_up)
}

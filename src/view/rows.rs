//! The rows of the page of several hosts: which ones, and in which order.

use std::cmp::Reverse;

use crate::protocol::HostName;

use super::state::{Connection, HostState, Now, ServerState, Status, ViewState};

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

impl FleetRow<'_> {
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
}

/// What rows are sorted by, after those with problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SortOrder {
    #[default]
    Name,
    Cpu,
    Memory,
    Load,
}

impl SortOrder {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Load,
            Self::Load => Self::Name,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Load => "load",
        }
    }

    /// The metric whose largest values come first.
    fn metric(self) -> Option<&'static str> {
        match self {
            Self::Name => None,
            Self::Cpu => Some("cpu"),
            Self::Memory => Some("memory"),
            Self::Load => Some("load1"),
        }
    }
}

/// Which rows to show, and in which order.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub order: SortOrder,
    /// What their names contain, ignoring case.
    pub filter: String,
}

/// The rows in their order: alerts, stale, down, then the others, and within each by the chosen order. By name, a row
/// moves only when something happens to it; its first sample doesn't count.
pub(super) fn rows<'a>(state: &'a ViewState, choice: &Choice, now: Now) -> Vec<FleetRow<'a>> {
    let filter = choice.filter.to_lowercase();
    let mut rows: Vec<(_, f64, FleetRow<'a>)> = all(state)
        .filter(|row| row.name().to_lowercase().contains(&filter))
        .map(|row| {
            let value = match &row {
                FleetRow::Host(host) => choice.order.metric().and_then(|name| host.value(name)),
                FleetRow::Server(..) => None,
            };
            (
                Reverse(urgency(state, &row, now)),
                value.unwrap_or(f64::NEG_INFINITY),
                row,
            )
        })
        .collect();
    rows.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then_with(|| b.1.total_cmp(&a.1))
            .then_with(|| a.2.name().cmp(b.2.name()))
    });
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

fn urgency(state: &ViewState, row: &FleetRow<'_>, now: Now) -> (bool, u8) {
    let (alerts, status) = match row {
        FleetRow::Host(host) => (host.is_alerting(), state.status(host, now)),
        FleetRow::Server(_, server) => (false, server.status()),
    };
    let urgency = match status {
        // Nothing is known to be wrong with it: it waits where it will be once it has samples.
        Status::Down if is_awaited(state, row) => 1,
        Status::Stale => 3,
        Status::Down => 2,
        Status::Live => 1,
        Status::Over => 0,
    };
    (alerts, urgency)
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

//! What is known about every server and host.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::{Alert, Gap, Hello, HostName, Sample};

use super::columns::ColumnChoice;
use super::firing::Firing;
use super::history::History;
use super::moment::{HowFarBack, StreamPosition};
use super::sanitize::clean;

pub(super) use super::host_state::{Freshness, HostState};
pub use super::moment::Now;

/// All the data that a frame shows, updated with a client's events.
#[derive(Debug, Clone)]
pub struct ViewState {
    pub(super) window: usize,
    /// Of the tables.
    pub(super) columns: ColumnChoice,
    /// How far back this is, if it shows the past.
    pub(super) back: Option<HowFarBack>,
    pub(super) servers: Vec<ServerState>,
    pub(super) hosts: BTreeMap<HostName, HostState>,
    /// Messages about servers whose hosts have the same name.
    pub(super) namesakes: Vec<String>,
}

/// One source of hosts.
#[derive(Debug, Clone)]
pub(super) struct ServerState {
    pub name: String,
    pub connection: Connection,
    /// Whether it was ever connected.
    pub reached: bool,
    /// Whether another server has its hosts: then it gets no row of its own.
    pub shares: bool,
}

/// The connection to a server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Connection {
    /// The first attempt is in progress.
    Connecting,
    Up,
    Lost {
        reason: String,
        /// The number of the next attempt.
        attempt: u32,
        /// When it takes place, as [`Now::elapsed`].
        retry_at: Duration,
    },
    /// Its stream is over.
    Over,
    /// It will not be retried.
    Refused {
        reason: String,
    },
}

/// A host's or a server's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Samples arrive.
    Live,
    /// There is data, and it is getting old.
    Stale,
    /// There never was data, or it is older than the window.
    Down,
    /// The stream has ended.
    Over,
}

impl ViewState {
    /// Nothing is known yet about `servers`, which are shown under these names; keeps `window` samples of each host.
    #[must_use]
    pub fn new(window: usize, servers: &[String]) -> Self {
        let server = |name: &String| ServerState {
            name: clean(name),
            connection: Connection::Connecting,
            reached: false,
            shares: false,
        };
        Self {
            window,
            columns: ColumnChoice::default(),
            back: None,
            servers: servers.iter().map(server).collect(),
            hosts: BTreeMap::new(),
            namesakes: Vec::new(),
        }
    }

    /// Shows only some of the metrics, of hosts that appear from now on.
    pub fn choose(&mut self, columns: ColumnChoice) {
        self.columns = columns;
    }

    /// `server` is the same source as another address.
    pub fn same_source(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.shares = true;
        }
    }

    /// `server` and the `other` server have different sources called `host`.
    pub fn same_name(&mut self, server: usize, other: usize, host: &HostName) {
        self.same_source(server);
        let name = |index: usize| self.servers.get(index).map(|server| server.name.as_str());
        if let (Some(server), Some(other)) = (name(server), name(other)) {
            self.namesakes.push(format!(
                "Two servers are called {host}: {other} is shown, {server} is not. Start one with --name."
            ));
        }
    }

    /// A connection to `server` is open.
    pub fn connected(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.connection = Connection::Up;
            server.reached = true;
        }
    }

    /// The connection to `server` ended or could not be made; `attempt` follows at `retry_at`.
    pub fn lost(&mut self, server: usize, reason: &str, attempt: u32, retry_at: Duration) {
        if let Some(server) = self.servers.get_mut(server) {
            server.connection = Connection::Lost {
                reason: clean(reason),
                attempt,
                retry_at,
            };
        }
        for host in self.hosts.values_mut().filter(|host| host.server == server) {
            host.delay();
        }
    }

    /// `server` refused, or could not be reached within the allowed attempts: the client does not retry.
    pub fn refused(&mut self, server: usize, reason: &str) {
        if let Some(server) = self.servers.get_mut(server) {
            server.connection = Connection::Refused {
                reason: clean(reason),
            };
        }
        for host in self.hosts.values_mut().filter(|host| host.server == server) {
            host.delay();
        }
    }

    /// The stream of `server` is over.
    pub fn ended(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.connection = Connection::Over;
        }
        for host in self.hosts.values_mut().filter(|host| host.server == server) {
            host.freshness = Freshness::Over;
        }
    }

    /// The recording of `host` is over, though its server may have others.
    pub fn host_ended(&mut self, host: &HostName) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.freshness = Freshness::Over;
        }
    }

    /// No sample of `host` has arrived for three intervals.
    pub fn stale(&mut self, host: &HostName) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.delay();
        }
    }

    /// `server` announces `host` and its metrics.
    pub fn hello(&mut self, server: usize, host: &HostName, hello: &Hello) {
        let host = self.host(server, host);
        if host.is_before_what_came(hello) {
            host.history = History::new(host.history.window());
            host.firing = Firing::default();
            (host.arrived, host.gap) = (None, None);
        }
        if host.freshness == Freshness::Over {
            host.freshness = Freshness::Fresh;
        }
        host.interval = Duration::from_millis(hello.interval);
        host.system.clone_from(&hello.system);
        (host.replay, host.held) = (hello.replay, hello.held);
        let newest = host.history.newest_point().map(|point| point.position);
        host.firing.take_hello(hello, newest);
        host.announce(&hello.metrics);
    }

    /// A sample of `host` arrived.
    pub fn sample(
        &mut self,
        server: usize,
        host: &HostName,
        position: StreamPosition,
        sample: &Sample,
        now: Now,
    ) {
        self.host(server, host).take(position, sample, now);
    }

    /// An alert of `host` fires or is resolved. `sample` triggered it and has usually arrived before.
    pub fn alert(
        &mut self,
        server: usize,
        host: &HostName,
        position: StreamPosition,
        alert: &Alert,
        sample: &Sample,
        now: Now,
    ) {
        let host = self.host(server, host);
        host.firing.take_position(position);
        let last = host.history.last_top(position.0);
        let top = sample.top.as_deref().unwrap_or(&last);
        if let Some(pending) = host.firing.take_alert(alert, top) {
            host.history.withdraw(&pending);
        }
        if host.history.newest() < Some(sample.timestamp) {
            host.take(position, sample, now);
        } else if let Some(point) = host.history.newest_point_mut() {
            point.alerts = host.firing.at_last(point.timestamp);
        }
    }

    /// Messages of `host` are missing.
    pub fn gap(&mut self, server: usize, host: &HostName, gap: Gap, now: Now) {
        let host = self.host(server, host);
        host.gap = Some((gap, now.elapsed));
        host.history.mark_gap();
        host.firing.take_gap();
    }

    /// Whether ages or countdowns are shown, so that the screen changes without data.
    #[must_use]
    pub fn is_counting(&self) -> bool {
        self.hosts.values().any(HostState::is_stale)
            || self.servers.iter().any(|server| {
                matches!(
                    server.connection,
                    Connection::Lost { .. } | Connection::Connecting
                )
            })
    }

    /// Whether any sample of any host has arrived.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.hosts.values().any(|host| !host.history.is_empty())
    }

    /// Whether a sample of every known host has arrived, and every server has named a host or is out of reach.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let waited_for = |(_, server): (_, &ServerState)| {
            matches!(server.connection, Connection::Connecting | Connection::Up)
        };
        self.has_data()
            && self.hosts.values().all(|host| !host.history.is_empty())
            && !self.silent_servers().any(waited_for)
    }

    fn host(&mut self, server: usize, name: &HostName) -> &mut HostState {
        let (window, share) = (self.window, self.share());
        let columns = &self.columns;
        let host = self.hosts.entry(name.clone()).or_insert_with(|| {
            let mut host = HostState::new(name.clone(), server, window);
            host.columns = columns.clone();
            host
        });
        host.server = server;
        host.history.keep(share.max(host.asked));
        host
    }

    /// The status of `host` at `now`.
    pub(super) fn status(&self, host: &HostState, now: Now) -> Status {
        match host.age(now) {
            _ if host.freshness == Freshness::Over => Status::Over,
            None => Status::Down,
            Some(_) if host.freshness == Freshness::Fresh => Status::Live,
            Some(age) if age > host.reach() => Status::Down,
            Some(_) => Status::Stale,
        }
    }

    /// The servers that have named no host.
    pub(super) fn silent_servers(&self) -> impl Iterator<Item = (usize, &ServerState)> {
        let silent = |index| !self.hosts.values().any(|host| host.server == index);
        self.servers
            .iter()
            .enumerate()
            .filter(move |(index, server)| !server.shares && silent(*index))
    }
}

impl ServerState {
    /// The status of a server that has named no host.
    pub(super) fn status(&self) -> Status {
        match self.connection {
            Connection::Over => Status::Over,
            _ => Status::Down,
        }
    }
}

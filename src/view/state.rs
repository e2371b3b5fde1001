//! What is known about every server and host.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{Alert, Gap, Hello, HostName, MetricInfo, Process, Sample, System, describe};

use super::firing::Firing;
use super::history::{History, Point, WindowLayout};
use super::metric::Metric;
use super::moment::{HowFarBack, StreamPosition};
use super::sanitize::clean;

/// The most metrics kept per host, so that a peer that names new ones in every sample does not fill the memory.
const MAX_METRICS: usize = 4000;

/// The current time, given by the caller: this module has no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time since any fixed start; ages are measured by it.
    pub elapsed: Duration,
    /// Milliseconds since 1970-01-01T00:00:00Z by the viewer's clock; only shown.
    pub wall: u64,
}

/// All the data that a frame shows, updated with a client's events.
#[derive(Debug, Clone)]
pub struct ViewState {
    pub(super) window: usize,
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

/// Whether samples of a host arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    /// No sample arrived for too long, or the connection was lost since the last one.
    Stale,
    /// The stream has ended.
    Over,
}

/// One host.
#[derive(Debug, Clone)]
pub(super) struct HostState {
    pub name: HostName,
    pub server: usize,
    pub interval: Duration,
    pub system: Option<System>,
    pub metrics: Vec<Metric>,
    index: HashMap<Arc<str>, usize>,
    pub history: History,
    /// How many samples back were requested from its server.
    pub asked: usize,
    pub firing: Firing,
    /// When the newest sample arrived, as [`Now::elapsed`].
    pub arrived: Option<Duration>,
    pub freshness: Freshness,
    /// The last reported loss, and when it was reported.
    pub gap: Option<(Gap, Duration)>,
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
            back: None,
            servers: servers.iter().map(server).collect(),
            hosts: BTreeMap::new(),
            namesakes: Vec::new(),
        }
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
        let host = self
            .hosts
            .entry(name.clone())
            .or_insert_with(|| HostState::new(name.clone(), server, window));
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

impl HostState {
    fn new(name: HostName, server: usize, window: usize) -> Self {
        Self {
            name,
            server,
            interval: Duration::from_millis(Hello::default().interval),
            system: None,
            metrics: Vec::new(),
            index: HashMap::new(),
            history: History::new(window),
            asked: 0,
            firing: Firing::default(),
            arrived: None,
            freshness: Freshness::Fresh,
            gap: None,
        }
    }

    /// Samples stopped arriving; after the end of the stream, that is as it should be.
    fn delay(&mut self) {
        if self.freshness == Freshness::Fresh {
            self.freshness = Freshness::Stale;
        }
    }

    pub(super) fn is_stale(&self) -> bool {
        self.freshness == Freshness::Stale
    }

    /// Whether `hello` belongs to a restarted replay that has not reached the newest sample here.
    fn is_before_what_came(&self, hello: &Hello) -> bool {
        let newest = self.history.newest_point().map(|point| point.position);
        hello.replay.is_some()
            && newest.is_some_and(|(stream, seq)| stream == hello.stream && hello.newest < seq)
    }

    /// Everything but the samples.
    pub(super) fn without_history(&self) -> Self {
        Self {
            name: self.name.clone(),
            system: self.system.clone(),
            metrics: self.metrics.clone(),
            index: self.index.clone(),
            history: History::new(self.history.window()),
            firing: self.firing.clone(),
            ..*self
        }
    }

    /// Adds a metric, unless it is known or there are too many.
    fn add(&mut self, info: &MetricInfo) -> bool {
        let new = self.metrics.len() < MAX_METRICS && !self.index.contains_key(info.name.as_str());
        if new {
            let metric = Metric::new(info);
            self.index.insert(metric.key.clone(), self.metrics.len());
            self.metrics.push(metric);
        }
        new
    }

    /// Adopts the announced metrics in their order, and moves the window's values along.
    fn announce(&mut self, announced: &[MetricInfo]) {
        let before = std::mem::take(&mut self.index);
        self.metrics.clear();
        let mut moved = Vec::with_capacity(announced.len());
        for info in announced {
            if self.add(info) {
                moved.push(before.get(info.name.as_str()).copied());
            }
        }
        self.history.reorder(&moved);
    }

    fn take(&mut self, position: StreamPosition, sample: &Sample, now: Now) {
        let mut values = vec![f64::NAN; self.metrics.len()];
        for (name, value) in &sample.values {
            if !self.index.contains_key(name) && self.add(&self.describe(name)) {
                values.push(f64::NAN);
            }
            if let Some(&index) = self.index.get(name) {
                values[index] = *value;
            }
        }
        self.firing.take_position(position);
        let cleaned = |process: &Process| Process {
            name: clean(&process.name),
            ..process.clone()
        };
        let top = match &sample.top {
            Some(top) => top.iter().map(cleaned).collect(),
            None => self.history.last_top(position.0),
        };
        self.history.push(Point {
            position,
            timestamp: sample.timestamp,
            values: values.into(),
            top,
            alerts: self.firing.at_last(sample.timestamp),
            after_gap: false,
        });
        self.arrived = Some(now.elapsed);
        if self.is_stale() {
            self.freshness = Freshness::Fresh;
        }
    }

    /// Describes a metric that was not announced.
    fn describe(&self, name: &str) -> MetricInfo {
        let cores = self.system.as_ref().map_or(0, |system| system.cores);
        describe(name, usize::try_from(cores).unwrap_or_default())
    }

    /// The position of the metric `name`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The newest value of the metric `name`.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.history.value(self.find(name)?)
    }

    /// Whether an alert fires.
    pub(super) fn is_alerting(&self) -> bool {
        !self.firing.now().is_empty()
    }

    /// The top processes, as last listed.
    pub(super) fn top(&self) -> &[Process] {
        self.history.newest_point().map_or(&[], |point| &point.top)
    }

    /// How long ago the newest sample arrived.
    pub(super) fn age(&self, now: Now) -> Option<Duration> {
        Some(now.elapsed.saturating_sub(self.arrived?))
    }

    /// The time that the window covers.
    pub(super) fn reach(&self) -> Duration {
        let samples = u32::try_from(self.history.window()).unwrap_or(u32::MAX);
        self.interval.saturating_mul(samples)
    }

    /// The window's cells at `now`: they move on even while nothing arrives.
    pub(super) fn layout(&self, now: Now) -> WindowLayout {
        let silent = match self.age(now) {
            Some(age) if self.is_stale() => age,
            _ => Duration::ZERO,
        };
        let missed = silent.as_millis() / self.interval.as_millis().max(1);
        self.history
            .layout(usize::try_from(missed).unwrap_or(usize::MAX))
    }
}

//! Hosts with known data.

mod alerts;
mod incident;

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{
    Alert, AlertState, Hello, HostName, Process, Sample, StreamId, System, describe,
};
use crate::view::{Moment, Now, StreamPosition, Style, Ui, ViewState, WINDOW, frame};

use alerts::top_of_then;
pub(super) use alerts::{alert, resolved};

/// 2026-11-24T14:07:31Z.
pub(super) const WALL: u64 = 1_795_529_251_000;

pub(super) const COLOUR: Style = Style {
    colour: true,
    unicode: true,
};
pub(super) const PLAIN: Style = Style {
    colour: false,
    unicode: true,
};
pub(super) const ASCII: Style = Style {
    colour: false,
    unicode: false,
};

pub(super) struct Fixture {
    pub state: ViewState,
    pub ui: Ui,
    pub now: Now,
    /// The numbered messages so far.
    pub messages: u64,
}

impl Fixture {
    pub(super) fn new(servers: &[&str]) -> Self {
        let servers: Vec<String> = servers.iter().map(|&name| name.to_owned()).collect();
        Self {
            state: ViewState::new(WINDOW, &servers),
            ui: Ui::default(),
            now: Now {
                elapsed: Duration::from_secs(100),
                wall: WALL,
            },
            messages: 0,
        }
    }

    /// The place of the next message.
    pub(super) fn position(&mut self) -> StreamPosition {
        self.messages += 1;
        (StreamId(1), self.messages)
    }

    /// A live host with all metrics of a Linux server.
    pub(super) fn one_host() -> Self {
        let mut fixture = Self::new(&["web-1"]);
        fixture.state.connected(0);
        fixture.full_host(0, "web-1");
        fixture
    }

    /// Four hosts: one with an alert, one stale, one never reached.
    pub(super) fn fleet() -> Self {
        let mut fixture = Self::new(&["web-1", "web-2", "db-1", "db-2"]);
        for (server, host, cpu) in [(2, "db-1", 41.0), (0, "web-1", 23.4), (1, "web-2", 97.1)] {
            fixture.state.connected(server);
            let metrics = [
                "cpu",
                "memory",
                "load1",
                "disk",
                "networkReceived",
                "networkSent",
            ];
            fixture.hello(server, host, &metrics);
            for n in 0..30_u32 {
                let wave = f64::from(n % 7) * cpu / 60.0;
                let values = [cpu - 9.0 + wave, 61.2, 1.92, 71.0, 1_203_441.0, 310_022.0];
                fixture.sample(
                    server,
                    host,
                    n,
                    &metrics.iter().copied().zip(values).collect::<Vec<_>>(),
                );
            }
            if host == "db-1" {
                fixture.lose_server(2, "connection reset by peer");
                fixture.later(12_100);
            }
        }
        fixture.fire("web-2");
        fixture.state.lost(
            3,
            "connection refused",
            17,
            fixture.now.elapsed + Duration::from_secs(30),
        );
        fixture
    }

    pub(super) fn name(host: &str) -> HostName {
        host.parse().unwrap()
    }

    pub(super) fn later(&mut self, milliseconds: u64) {
        self.now.elapsed += Duration::from_millis(milliseconds);
        self.now.wall += milliseconds;
    }

    pub(super) fn lose(&mut self, reason: &str) {
        self.lose_server(0, reason);
        self.later(12_000);
    }

    pub(super) fn lose_server(&mut self, server: usize, reason: &str) {
        let retry_at = self.now.elapsed + Duration::from_secs(17);
        self.state.lost(server, reason, 4, retry_at);
    }

    pub(super) fn hello(&mut self, server: usize, host: &str, metrics: &[&str]) {
        let hello = Hello {
            stream: StreamId(1),
            interval: 2000,
            system: Some(System {
                os: "Debian GNU/Linux 12".into(),
                kernel: "6.1".into(),
                cores: 8,
                memory: 17_179_869_184,
            }),
            metrics: metrics.iter().map(|name| describe(name, 8)).collect(),
            ..Hello::default()
        };
        self.state.hello(server, &Self::name(host), &hello);
    }

    /// A host whose `busy` alert fires in its first hello.
    pub(super) fn hello_with_alert(&mut self, host: &str) {
        let hello = Hello {
            stream: StreamId(1),
            interval: 2000,
            metrics: [describe("cpu", 8)].into(),
            alerts: vec![busy(AlertState::Firing)],
            ..Hello::default()
        };
        self.state.hello(0, &Self::name(host), &hello);
    }

    /// The `n`th sample of the window of 30 that ends now.
    pub(super) fn sample(&mut self, server: usize, host: &str, n: u32, values: &[(&str, f64)]) {
        let ago = u64::from(29 - n.min(29)) * 2000;
        let sample = Sample {
            timestamp: self.now.wall - ago,
            values: values
                .iter()
                .map(|&(name, value)| (Arc::from(name), value))
                .collect(),
            containers: None,
            top: Some(vec![
                process(812, "postgres", 12.1, 4.2),
                process(7, "kworker/u16:3", 3.0, 0.0),
                process(4041, "node", 1.25, 9.81),
            ]),
        };
        let at = Now {
            elapsed: self.now.elapsed - Duration::from_millis(ago + 300),
            ..self.now
        };
        let place = self.position();
        self.state
            .sample(server, &Self::name(host), place, &sample, at);
    }

    /// A sample of `web-1`, a second or more after the one before.
    pub(super) fn sample_at(&mut self, timestamp: u64, values: &[(&str, f64)]) {
        if self.messages == 0 {
            let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
            let hello = Hello {
                stream: StreamId(1),
                interval: 1000,
                metrics: names.iter().map(|name| describe(name, 8)).collect(),
                ..Hello::default()
            };
            self.state.hello(0, &Self::name("web-1"), &hello);
        }
        let sample = Sample {
            timestamp,
            values: values
                .iter()
                .map(|&(name, value)| (Arc::from(name), value))
                .collect(),
            ..Sample::default()
        };
        let place = self.position();
        self.state
            .sample(0, &Self::name("web-1"), place, &sample, self.now);
    }

    pub(super) fn fire(&mut self, host: &str) {
        self.fire_with(host, &top_of_then());
    }

    pub(super) fn fire_with(&mut self, host: &str, sample: &Sample) {
        let server = self.server_of(host);
        let alert = busy(AlertState::Firing);
        let place = self.position();
        self.state
            .alert(server, &Self::name(host), place, &alert, sample, self.now);
    }

    pub(super) fn resolve(&mut self, host: &str) {
        let server = self.server_of(host);
        let alert = busy(AlertState::Resolved);
        let place = self.position();
        self.state.alert(
            server,
            &Self::name(host),
            place,
            &alert,
            &Sample::default(),
            self.now,
        );
    }

    fn server_of(&self, host: &str) -> usize {
        self.state
            .hosts
            .get(&Self::name(host))
            .map_or(0, |host| host.server)
    }

    /// `count` hosts behind one server; every tenth is silent, and every hundredth has an alert.
    pub(super) fn many(count: usize) -> Self {
        let mut fixture = Self::new(&["relay"]);
        fixture.state.connected(0);
        for n in 0..count {
            let host = format!("host-{n:03}");
            fixture.hello(0, &host, &["cpu", "memory"]);
            for sample in 25..30 {
                fixture.sample(0, &host, sample, &[("cpu", 31.0), ("memory", 62.0)]);
            }
            if n % 10 == 0 {
                fixture.state.stale(&Self::name(&host));
            }
            if n % 100 == 0 {
                fixture.fire(&host);
            }
        }
        fixture
    }

    /// A host with the worst names and numbers that the wire allows.
    pub(super) fn hostile() -> Self {
        let wide = "データベース\u{202e}\u{1b}[31m".repeat(6);
        let mut fixture = Self::new(&[&wide]);
        fixture.state.connected(0);
        let names: Vec<String> = [
            "cpu",
            "cpu:🔥👩‍👩‍👧",
            "disk",
            "disk:/デ ー タ",
            "diskRead:é\u{301}",
            "networkReceived:x",
            "temperature:t",
            "uptime",
            "x",
        ]
        .iter()
        .map(|name| format!("{name}{}", if name.contains(':') { &*wide } else { "" }))
        .collect();
        let metrics = names.iter().map(|name| crate::protocol::MetricInfo {
            name: name.clone(),
            unit: if name.len() < 5 {
                wide.clone()
            } else {
                "B/s".into()
            },
            label: wide.clone(),
            section: wide.clone(),
            warn: Some(-1.0),
            critical: Some(f64::MAX),
        });
        let hello = Hello {
            interval: u64::MAX,
            system: Some(System {
                os: wide.clone(),
                kernel: wide.clone(),
                cores: u32::MAX,
                memory: u64::MAX,
            }),
            metrics: metrics.collect(),
            ..Hello::default()
        };
        let host = Self::name(&"x".repeat(64));
        fixture.state.hello(0, &host, &hello);
        for (n, value) in [1e300, f64::MAX, -f64::MAX, 5e-324, -0.0]
            .into_iter()
            .enumerate()
        {
            let sample = Sample {
                timestamp: [0, u64::MAX, 5, 253_402_300_799_999, 1][n],
                values: names
                    .iter()
                    .map(|name| (Arc::from(name.as_str()), value))
                    .collect(),
                containers: None,
                top: Some(vec![process(u32::MAX, &wide, value, value); 30]),
            };
            let place = fixture.position();
            fixture.state.sample(0, &host, place, &sample, fixture.now);
        }
        fixture.evil_alert(&host, &wide);
        fixture
    }

    fn evil_alert(&mut self, host: &HostName, evil: &str) {
        let alert = Alert {
            name: evil.into(),
            rule: evil.into(),
            metric: evil.into(),
            value: Some(f64::MAX),
            since: u64::MAX,
            ..busy(AlertState::Firing)
        };
        let place = self.position();
        self.state
            .alert(0, host, place, &alert, &Sample::default(), self.now);
    }

    pub(super) fn evil_sample(&mut self, host: &str, evil: &str) {
        let values = vec![
            (Arc::from("cpu"), 1.0),
            (Arc::from(format!("disk:{evil}")), 1.0),
            (Arc::from(evil), 1.0),
        ];
        let sample = Sample {
            timestamp: WALL,
            values,
            containers: None,
            top: Some(vec![process(1, evil, 1.0, 1.0)]),
        };
        let place = self.position();
        self.state
            .sample(0, &Self::name(host), place, &sample, self.now);
    }

    /// The sample of `host` that is `by` steps from its newest.
    pub(super) fn moment(&self, host: &str, by: isize) -> Moment {
        let newest = self.state.newest(&Self::name(host)).unwrap();
        self.state.step(&newest, by).unwrap()
    }

    /// The view back at the sample of `host` that is `by` steps from its newest.
    pub(super) fn look_back(&self, host: &str, by: isize) -> Self {
        let moment = self.moment(host, by);
        let (state, now) = self.state.as_it_was(&moment, false, self.now);
        Self {
            state,
            now,
            ui: self.ui.clone(),
            ..*self
        }
    }

    pub(super) fn step(&mut self, step: crate::view::Navigation) {
        self.ui.step(step, &self.state, 80, 24, self.now);
    }

    fn full_host(&mut self, server: usize, host: &str) {
        let metrics = [
            "cpu",
            "cpu:0",
            "cpu:1",
            "cpu:2",
            "cpu:3",
            "cpu:4",
            "cpu:5",
            "cpu:6",
            "cpu:7",
            "iowait",
            "steal",
            "memory",
            "memoryUsed",
            "memoryAvailable",
            "swap",
            "load1",
            "load5",
            "load15",
            "disk",
            "disk:/",
            "disk:/var",
            "diskRead",
            "diskWritten",
            "diskBusy",
            "diskRead:nvme0n1",
            "diskWritten:nvme0n1",
            "diskBusy:nvme0n1",
            "networkReceived",
            "networkSent",
            "networkErrors",
            "networkReceived:eth0",
            "networkSent:eth0",
            "networkErrors:eth0",
            "networkReceived:eth1",
            "networkSent:eth1",
            "tcpRetransmits",
            "oomKills",
            "temperature",
            "temperature:Package id 0",
            "pressureCpu",
            "pressureMemory",
            "pressureIo",
            "processCount",
            "uptime",
            "activeUsers",
            "requestsPerSecond",
            "agentCpu",
            "agentMemory",
            "viewers",
        ];
        self.hello(server, host, &metrics);
        for n in 0..30 {
            let values: Vec<_> = metrics
                .iter()
                .map(|&name| (name, value(name, f64::from(n))))
                .collect();
            self.sample(server, host, n, &values);
        }
    }

    pub(super) fn frame(&self, width: usize, height: usize, style: Style) -> Vec<String> {
        frame(&self.state, &self.ui, width, height, style, self.now)
    }
}

fn process(pid: u32, name: &str, cpu: f64, memory: f64) -> Process {
    Process {
        pid,
        name: name.into(),
        cpu,
        memory,
        ..Process::default()
    }
}

/// A plausible value for `name` that changes with `n`.
fn value(name: &str, n: f64) -> f64 {
    let (family, instance) = name.split_once(':').unwrap_or((name, ""));
    let wave = (n / 4.0).sin();
    match family {
        "cpu" => 24.0 + 18.0 * wave + f64::from(instance.parse::<u32>().unwrap_or(0)) * 3.0,
        "memory" => 61.2,
        "memoryUsed" => 10_522_669_875.0,
        "memoryAvailable" => 6_657_199_309.0,
        "load1" => 1.92 + wave / 2.0,
        "load5" => 1.71,
        "load15" => 1.4,
        "disk" if instance == "/var" => 38.0,
        "disk" => 84.0,
        "diskRead" => 52_000.0,
        "networkReceived" => {
            if n == 22.0 {
                14_000_000.0
            } else {
                1_203_441.0 + 2e5 * wave
            }
        }
        "networkSent" => 310_022.0 + n * 9000.0,
        "temperature" => 54.0,
        "processCount" => 312.0,
        "uptime" => 3_553_920.0 + n,
        "activeUsers" => 2.0,
        "requestsPerSecond" => 120.5,
        "agentCpu" => 0.04,
        "agentMemory" => 9_437_184.0,
        "viewers" => 1.0,
        _ => 0.0,
    }
}

fn busy(state: AlertState) -> Alert {
    Alert {
        name: "busy".into(),
        rule: "cpu >= 90 for 30s".into(),
        state,
        metric: "cpu".into(),
        value: Some(97.1),
        threshold: Some(90.0),
        since: WALL - 33_000,
    }
}

//! What a frame of `watch` costs: `cargo bench --bench frame`.
//!
//! A host with 64 metrics and 15 minutes of samples, at four sizes of the screen, and tables of many hosts.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics_toolkit::protocol::{
    Hello, HostName, MetricInfo, Process, Sample, StreamId, System, describe,
};
use metrics_toolkit::view::{Now, Style, Ui, ViewState, frame};

/// 2026-11-24T14:07:31Z.
const NEWEST: u64 = 1_795_529_251_000;

const ROUNDS: u32 = 20;

/// The best of this many runs counts: the others shared the machine.
const RUNS: usize = 7;

const STYLE: Style = Style {
    colour: true,
    unicode: true,
};

const NOW: Now = Now {
    elapsed: Duration::from_secs(1000),
    wall: NEWEST,
};

const NAMES: [&str; 32] = [
    "cpu",
    "cpuUser",
    "cpuSystem",
    "iowait",
    "steal",
    "load1",
    "load5",
    "load15",
    "tasksRunnable",
    "tasksBlocked",
    "contextSwitches",
    "forks",
    "memory",
    "memoryUsed",
    "memoryAvailable",
    "memoryDirty",
    "swap",
    "pressureCpu",
    "pressureMemory",
    "pressureIo",
    "networkReceived",
    "networkSent",
    "networkDrops",
    "tcpConnections",
    "tcpRetransmits",
    "diskRead",
    "diskWritten",
    "diskAwait",
    "diskBusy",
    "disk",
    "processCount",
    "uptime",
];

const FAMILIES: [(&str, usize); 8] = [
    ("cpu", 8),
    ("disk", 4),
    ("diskFree", 4),
    ("inodes", 4),
    ("diskReads", 3),
    ("diskWrites", 3),
    ("networkReceived", 3),
    ("networkSent", 3),
];

fn main() {
    let one = hosts(1, 900);
    for (width, height) in [(40, 12), (80, 24), (120, 40), (200, 60)] {
        report("one host", &one, (width, height));
    }
    for count in [40, 1000] {
        let many = hosts(count, 30);
        report(&format!("{count} hosts"), &many, (200, 60));
    }
}

fn report(what: &str, state: &ViewState, (width, height): (usize, usize)) {
    let ui = Ui::default();
    let pass = || {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            black_box(frame(black_box(state), &ui, width, height, STYLE, NOW));
        }
        begun.elapsed() / ROUNDS
    };
    let best = (0..RUNS).map(|_| pass()).min().unwrap_or_default();
    println!("{what:12} {width:>3}x{height:<3} {best:.0?}");
}

/// So many hosts with so many samples each, a second apart.
fn hosts(count: usize, samples: u64) -> ViewState {
    let names = names();
    let metrics: Arc<[MetricInfo]> = names.iter().map(|name| describe(name, 8)).collect();
    let mut state = ViewState::new(30, &["relay".to_owned()]);
    state.connected(0);
    for n in 0..count {
        let host: HostName = format!("web-{n}").parse().expect("a name");
        let hello = Hello {
            stream: StreamId(1),
            interval: 1000,
            system: Some(System {
                os: "Debian GNU/Linux 12".into(),
                kernel: "6.1".into(),
                cores: 8,
                memory: 16 << 30,
            }),
            metrics: Arc::clone(&metrics),
            ..Hello::default()
        };
        state.hello(0, &host, &hello);
        for seq in 1..=samples {
            let sample = sample(&names, NEWEST - (samples - seq) * 1000, seq + n as u64);
            state.sample(0, &host, (StreamId(1), seq), &sample, NOW);
        }
    }
    state
}

fn names() -> Vec<Arc<str>> {
    let instances = FAMILIES.iter().flat_map(|(family, count)| {
        (0..*count).map(move |instance| format!("{family}:{instance}").into())
    });
    let all = NAMES.iter().map(|name| Arc::from(*name));
    all.chain(instances).collect()
}

fn sample(names: &[Arc<str>], timestamp: u64, n: u64) -> Sample {
    let value = |index: usize| {
        let mixed = (n * 2_654_435_761 + index as u64 * 40_503) % 1000;
        f64::from(u32::try_from(mixed).unwrap_or(0)) / 10.0
    };
    let values = names.iter().enumerate();
    let process = |pid: u32| Process {
        pid,
        name: format!("process-{pid}"),
        cpu: f64::from(pid),
        memory: 3.0,
        ..Process::default()
    };
    Sample {
        timestamp,
        values: values
            .map(|(index, name)| (Arc::clone(name), value(index)))
            .collect(),
        top: Some((1..=10).map(process).collect()),
        ..Sample::default()
    }
}

//! The values of `serve` agree with those of the kernel, `df` and `who`, under a known load.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::harness::metrics::{Metrics, Running};
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Data, Wire};
use crate::harness::{PATIENCE, wait_for};

/// The most time between a reading of the witness and that of a sample.
const SLACK_MS: u64 = 150;

const MIB: u64 = 1024 * 1024;

/// A server and a viewer that has received the first sample.
struct Watched {
    serve: Running,
    viewer: Viewer,
}

impl Watched {
    fn start(args: &[&str]) -> Self {
        let serve = Metrics::serve().args(args).start();
        let mut viewer = Viewer::connect(serve.url(), "");
        viewer.numbered(1);
        Self { serve, viewer }
    }

    fn sample(&mut self) -> Data {
        loop {
            if let Wire::Metric { data, absent, .. } = self.viewer.message() {
                assert_eq!(absent, Vec::<String>::new());
                return data;
            }
        }
    }

    /// All samples up to one taken a whole interval from now: they include everything that happened before.
    fn samples_from_now_on(&mut self) -> Vec<Data> {
        let enough = now_ms() + 2 * SLACK_MS;
        let mut samples = vec![self.sample()];
        while samples[samples.len() - 1].timestamp < enough {
            samples.push(self.sample());
        }
        samples
    }

    /// A sample taken after this call.
    fn fresh(&mut self) -> Data {
        self.samples_from_now_on().pop().unwrap()
    }

    fn samples(&mut self, n: usize) -> Vec<Data> {
        (0..n).map(|_| self.sample()).collect()
    }
}

/// A number that was read between two times, in ms since the epoch.
#[derive(Clone, Copy)]
struct Reading {
    begin: u64,
    end: u64,
    value: f64,
}

/// Continuously reads a number of the kernel.
struct Witness {
    readings: Arc<Mutex<Vec<Reading>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    fn of(read: impl Fn() -> f64 + Send + 'static) -> Self {
        let timed = move || {
            let (begin, value) = (now_ms(), read());
            let end = now_ms();
            Reading { begin, end, value }
        };
        let readings = Arc::new(Mutex::new(vec![timed()]));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (Arc::clone(&readings), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let reading = timed();
                kept.lock().unwrap().push(reading);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self {
            readings,
            stop,
            thread: Some(thread),
        }
    }

    /// The smallest and the largest reading about the time of a sample, however rarely a busy machine lets this read:
    /// the last reading before that time and the first after it count too.
    #[track_caller]
    fn about(&self, timestamp: u64) -> (f64, f64) {
        let (begin, end) = (timestamp - SLACK_MS, timestamp + SLACK_MS);
        let after = || self.readings.lock().unwrap().iter().any(|r| end <= r.begin);
        wait_for(PATIENCE, || after().then_some(()), || "no reading".into());
        let readings = self.readings.lock().unwrap();
        let first = readings.iter().rposition(|r| r.end <= begin);
        let last = readings.iter().position(|r| end <= r.begin).unwrap();
        let values = readings[first.unwrap_or(0)..=last].iter().map(|r| r.value);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    }

    /// The least and the most that a counter can have increased from one sample to another.
    fn growth(&self, from: u64, to: u64) -> (f64, f64) {
        let (first, last) = (self.about(from), self.about(to));
        (last.0 - first.1, last.1 - first.0)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis() as u64
}

/// The sum of a rate over the samples after the first.
fn total(samples: &[Data], name: &str) -> f64 {
    let steps = samples.windows(2).map(|pair| {
        let seconds = (pair[1].timestamp - pair[0].timestamp) as f64 / 1000.0;
        pair[1].values[name] * seconds
    });
    steps.sum()
}

#[track_caller]
fn assert_within(what: &str, value: f64, (low, high): (f64, f64), slack: f64) {
    assert!(
        low - slack <= value && value <= high + slack,
        "{what}: {value} is not within {low}..{high} by {slack}"
    );
}

/// The fields after `name` in a file of `/proc`.
fn fields(path: &str, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text
        .lines()
        .find(|line| line.split_whitespace().next() == Some(name));
    let words = line.unwrap_or_else(|| panic!("no {name} in {path}"));
    words
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// A shell that keeps one core busy.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        Self(
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ticks since boot in which a core was busy.
fn busy_ticks() -> f64 {
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are already included in user.
    let ticks = fields("/proc/stat", "cpu");
    ticks[..8].iter().sum::<f64>() - ticks[3] - ticks[4]
}

#[test]
fn a_busy_core_counts_as_one() {
    let mut watched = Watched::start(&["--top", "100"]);
    let busy = Busy::start();
    let pid = busy.0.id();
    let (all, shell) = (Witness::of(busy_ticks), Witness::of(move || ticks_of(pid)));
    watched.fresh();
    let samples = watched.samples(25);
    let per_core: Vec<_> = (0..)
        .map(|n| format!("cpu:{n}"))
        .take_while(|n| samples[0].values.contains_key(n))
        .collect();
    let cores = per_core.len() as f64;
    let allowed = std::thread::available_parallelism().unwrap().get();
    assert!(allowed <= per_core.len(), "{per_core:?}");

    let (from, to) = (samples[0].timestamp, samples[24].timestamp);
    let seconds = (to - from) as f64 / 1000.0;
    // At 100 ticks a second, a tick in a second is a percent of a core.
    let percent = |(low, high): (f64, f64)| (low / cores / seconds, high / cores / seconds);
    let mean = |name: &str| total(&samples, name) / seconds;
    assert_within("cpu", mean("cpu"), percent(all.growth(from, to)), 3.0);
    let of_cores = per_core.iter().map(|n| mean(n)).sum::<f64>() / cores;
    let cpu = (mean("cpu"), mean("cpu"));
    assert_within("the mean of the cores", of_cores, cpu, 3.0);

    // Processes are listed about once a second. Each share is that since the list before.
    let share = |sample: &Data| {
        let top = sample.top.as_ref()?;
        let shell = top.iter().find(|process| process.pid == pid);
        let shell = shell.unwrap_or_else(|| panic!("{pid} is not among {top:?}"));
        assert_eq!(shell.name, "sh");
        Some((sample.timestamp, shell.cpu))
    };
    let shares: Vec<(u64, f64)> = samples.iter().filter_map(share).collect();
    let (first, last) = (shares[0].0, shares[shares.len() - 1].0);
    assert!(first < last, "one list in {} samples", samples.len());
    let seconds = (last - first) as f64 / 1000.0;
    let steps = shares.windows(2).map(|pair| {
        let step = pair[1].0 - pair[0].0;
        pair[1].1 * step as f64 / 1000.0
    });
    let mean = steps.sum::<f64>() / seconds;
    let (low, high) = shell.growth(first, last);
    let truth = (low / cores / seconds, high / cores / seconds);
    assert_within("the shell", mean, truth, 3.0);
}

/// Ticks that a process has spent.
fn ticks_of(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, behind_name) = text.rsplit_once(") ").unwrap();
    let words: Vec<_> = behind_name.split(' ').collect();
    words[11].parse::<f64>().unwrap() + words[12].parse::<f64>().unwrap()
}

#[test]
fn an_allocated_gibibyte_is_seen() {
    let mut watched = Watched::start(&[]);
    let used = Witness::of(|| {
        let of = |name| fields("/proc/meminfo", name)[0] * 1024.0;
        of("MemTotal:") - of("MemAvailable:")
    });
    let before = watched.fresh();
    used.about(before.timestamp);
    let memory = vec![1_u8; 1 << 30];
    let after = watched.fresh();
    for sample in [&before, &after] {
        let range = used.about(sample.timestamp);
        assert_within(
            "memoryUsed",
            sample.values["memoryUsed"],
            range,
            32.0 * MIB as f64,
        );
        let all = fields("/proc/meminfo", "MemTotal:")[0] * 1024.0;
        let percent = (100.0 * range.0 / all, 100.0 * range.1 / all);
        assert_within("memory", sample.values["memory"], percent, 0.5);
    }
    let grown = after.values["memoryUsed"] - before.values["memoryUsed"];
    let could = used.growth(before.timestamp, after.timestamp);
    assert_within("growth", grown, could, 64.0 * MIB as f64);
    assert_eq!(memory[memory.len() / 2], 1, "held until here");
}

/// Sectors written to whole physical disks, in bytes.
fn written_to_disks() -> f64 {
    let text = std::fs::read_to_string("/proc/diskstats").unwrap();
    let of_disk = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let physical = std::fs::exists(format!("/sys/block/{}/device", words[2])).unwrap();
        physical.then(|| words[9].parse::<f64>().unwrap() * 512.0)
    };
    text.lines().filter_map(of_disk).sum()
}

#[test]
fn a_file_that_is_written_is_counted() {
    let mut watched = Watched::start(&[]);
    let written = Witness::of(written_to_disks);
    let mut samples = vec![watched.fresh()];
    written.about(samples[0].timestamp);
    // The folder of the build, because a temporary folder may be in memory.
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    file.write_all(&vec![1; 64 * MIB as usize]).unwrap();
    file.sync_all().unwrap();
    samples.extend(watched.samples_from_now_on());
    let could = written.growth(samples[0].timestamp, samples[samples.len() - 1].timestamp);
    let sum = total(&samples, "diskWritten");
    assert_within("diskWritten", sum, could, MIB as f64);
    assert!(60.0 * MIB as f64 <= sum, "{sum} bytes");
}

#[test]
fn accepted_connections_are_counted() {
    const CONNECTIONS: usize = 200;
    let mut watched = Watched::start(&[]);
    let accepted = Witness::of(|| {
        let text = std::fs::read_to_string("/proc/net/snmp").unwrap();
        let mut tcp = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (tcp.next().unwrap(), tcp.next().unwrap());
        let at = names
            .split(' ')
            .position(|name| name == "PassiveOpens")
            .unwrap();
        values.split(' ').nth(at).unwrap().parse().unwrap()
    });
    let mut samples = vec![watched.fresh()];
    accepted.about(samples[0].timestamp);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..CONNECTIONS {
        let near = TcpStream::connect(address).unwrap();
        let (far, _) = listener.accept().unwrap();
        drop((near, far));
    }
    // Its own viewers don't count as requests to this host.
    let _viewers: Vec<_> = (0..20)
        .map(|_| Viewer::connect(watched.serve.url(), ""))
        .collect();
    samples.extend(watched.samples_from_now_on());
    let could = accepted.growth(samples[0].timestamp, samples[samples.len() - 1].timestamp);
    let sum = total(&samples, "requestsPerSecond");
    assert_within(
        "requestsPerSecond",
        sum,
        (CONNECTIONS as f64, could.1 - 20.0),
        1.0,
    );
}

#[test]
fn a_disk_is_as_full_as_df_says() {
    let mut watched = Watched::start(&[]);
    let sample = watched.sample();
    let output = Command::new("df")
        .args(["-B1", "--output=used,avail", "/"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .map(|w| w.parse().unwrap())
        .collect();
    let truth = 100.0 * numbers[0] / (numbers[0] + numbers[1]);
    assert_within("disk:/", sample.values["disk:/"], (truth, truth), 0.5);
    let fullest = sample
        .values
        .iter()
        .filter(|(name, _)| name.starts_with("disk:/"))
        .map(|(_, v)| *v)
        .fold(0.0, f64::max);
    assert_eq!(sample.values["disk"].to_bits(), fullest.to_bits());
}

#[test]
fn the_rest_agrees_with_proc() {
    let mut watched = Watched::start(&[]);
    let processes = Witness::of(|| {
        let is_process = |name: std::ffi::OsString| name.to_string_lossy().parse::<u32>().is_ok();
        let entries = std::fs::read_dir("/proc").unwrap();
        entries
            .flatten()
            .filter(|entry| is_process(entry.file_name()))
            .count() as f64
    });
    let load = Witness::of(|| {
        let text = std::fs::read_to_string("/proc/loadavg").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    });
    let sample = watched.fresh();
    let values = &sample.values;
    assert_within(
        "processCount",
        values["processCount"],
        processes.about(sample.timestamp),
        2.0,
    );
    assert_within("load1", values["load1"], load.about(sample.timestamp), 0.02);
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert_within("uptime", values["uptime"], (uptime, uptime), 3.0);

    let who = Command::new("who").output().unwrap();
    let who = String::from_utf8(who.stdout).unwrap();
    let users: BTreeSet<_> = who
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(values["activeUsers"] as usize, users.len());

    assert_eq!(values["viewers"] as usize, 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", watched.serve.pid())).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let resident: f64 = resident.trim().split(' ').next().unwrap().parse().unwrap();
    assert_within(
        "agentMemory",
        values["agentMemory"] / 1024.0,
        (resident, resident),
        4096.0,
    );
}

/// What every Linux machine has.
const EVERYWHERE: &[&str] = &[
    "cpu",
    "cpu:0",
    "cpuUser",
    "cpuSystem",
    "tasksRunnable",
    "forks",
    "memory",
    "memoryUsed",
    "memoryAvailable",
    "memoryDirty",
    "load1",
    "disk",
    "processCount",
    "uptime",
    "activeUsers",
    "requestsPerSecond",
    "agentCpu",
    "agentMemory",
    "viewers",
    "diskFree:/",
    "listenDrops",
    "fileDescriptors",
];

#[test]
fn every_value_is_announced_and_in_its_range() {
    let serve = Metrics::serve().start();
    let mut viewer = Viewer::connect(serve.url(), "");
    let Wire::Hello {
        metrics,
        system,
        unavailable,
        interval,
        ..
    } = viewer.message()
    else {
        panic!("no hello first");
    };
    assert_eq!(interval, 200);
    let system = system.unwrap();
    assert_eq!(
        system.cores as usize,
        std::thread::available_parallelism().unwrap().get()
    );
    let memory = fields("/proc/meminfo", "MemTotal:")[0] * 1024.0;
    assert_within("memory", system.memory as f64, (memory, memory), 1.0);
    let names: BTreeSet<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names.len(), metrics.len(), "no name twice");
    for message in viewer.numbered(5) {
        let Wire::Metric { data, .. } = message else {
            continue;
        };
        for (name, value) in &data.values {
            assert!(names.contains(name.as_str()), "{name} was not announced");
            let metric = metrics.iter().find(|metric| metric.name == *name).unwrap();
            let most = if metric.unit == "%" { 100.0 } else { f64::MAX };
            assert!(-100.0 <= *value && *value <= most, "{name} is {value}");
        }
    }
    for name in &unavailable {
        assert!(
            !names.contains(name.as_str()),
            "{name} is announced and unavailable"
        );
    }
    for name in EVERYWHERE {
        assert!(names.contains(name), "no {name} in {names:?}");
    }
}

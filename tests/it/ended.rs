//! The CPU time of processes that have ended: their parents account for it, and `exitedCpu` for the rest.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::harness::metrics::Metrics;
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Data, Wire};

/// Of /proc, on every architecture that Linux still has.
const TICKS_PER_SECOND: f64 = 100.0;

/// Enough lists for their differences to even out.
const LISTS: usize = 8;

/// Children of 50 ms of CPU time each, whose ends the kernel notes in no parent, because it ignores SIGCHLD. It prints
/// the time of each end, in milliseconds.
const UNNOTED: &str = "
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        while time.process_time() < 0.05:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
    print(int(time.time() * 1000), flush=True)
";

/// A program that is killed at the end of its test.
struct Load(Child);

impl Load {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The samples that have a list and what it leaves over, and the CPU time of the machine from the first to the last.
fn lists() -> (Vec<Data>, f64) {
    let serve = Metrics::serve().args(["--top", "1000"]).start();
    let mut viewer = Viewer::connect(serve.url(), "");
    let (mut lists, mut begun) = (Vec::new(), 0.0);
    while lists.len() <= LISTS {
        if let Wire::Metric { data, .. } = viewer.message()
            && data.top.is_some()
        {
            if lists.is_empty() {
                begun = machine();
            }
            lists.push(data);
        }
    }
    (lists, machine() - begun)
}

/// Of the samples after the first: the seconds of CPU time of all listed processes, and of those that have ended.
fn seconds(lists: &[Data]) -> (f64, f64) {
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    let (mut listed, mut exited) = (0.0, 0.0);
    for pair in lists.windows(2) {
        let passed = (pair[1].timestamp - pair[0].timestamp) as f64 / 1000.0;
        let part = passed * cores / 100.0;
        let top = pair[1].top.iter().flatten();
        listed += part * top.map(|process| process.cpu).sum::<f64>();
        exited += part * pair[1].values["exitedCpu"];
    }
    (listed, exited)
}

/// User and system time of all cores, in seconds.
fn machine() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks = text.lines().next().unwrap().split_whitespace().skip(1);
    let ticks: f64 = ticks.take(3).map(|n| n.parse::<f64>().unwrap()).sum();
    ticks / TICKS_PER_SECOND
}

#[test]
fn short_programs_are_accounted_for() {
    let shell = "while :; do python3 -c pass; done";
    let _loads = [(); 2].map(|()| Load::start(Command::new("sh").args(["-c", shell])));
    let (lists, spent) = lists();
    let (listed, exited) = seconds(&lists);
    let share = (listed + exited) / spent;
    assert!(
        (0.7..1.2).contains(&share),
        "{listed} + {exited} of {spent}"
    );
    let shells = lists.iter().flat_map(|data| data.top.iter().flatten());
    let busiest = shells
        .filter(|process| process.name == "sh")
        .map(|process| process.cpu)
        .fold(0.0, f64::max);
    assert!(1.0 <= busiest, "a shell's children don't count: {busiest}");
}

#[test]
fn what_no_parent_notes_is_left_over() {
    let mut load = Load::start(Command::new("python3").args(["-c", UNNOTED]));
    let (lists, _) = lists();
    let _ = load.0.kill();
    let (first, last) = (lists[0].timestamp, lists[LISTS].timestamp);
    let ends = BufReader::new(load.0.stdout.take().unwrap()).lines();
    let ends = ends.filter_map(|line| line.ok()?.parse::<u64>().ok());
    let count = ends.filter(|end| (first..last).contains(end)).count();
    let spent = 0.05 * count as f64;
    let (listed, exited) = seconds(&lists);
    assert!(
        0.5 * spent - 0.1 <= exited,
        "{exited} of {spent}, {listed} listed"
    );
}

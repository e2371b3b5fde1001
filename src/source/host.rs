//! The machine that this program runs on.
//!
//! A [`Sampler`] takes a reading (counters and absolute values), derives a [`Sample`] from it and the previous reading,
//! and keeps it as the next baseline. Only this module knows sysinfo, and only its `linux` knows Linux.

mod columns;
mod derive;
pub mod in_use;
mod inspection;
mod labels;
mod live;
mod reading;
mod roll_call;
mod spaces;
pub mod statsd;
mod top;
mod usage;

#[cfg(any(not(target_os = "linux"), test))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
use self::elsewhere as platform;
#[cfg(target_os = "linux")]
use self::linux as platform;

use std::sync::Arc;
use std::time::Instant;

use self::columns::SampleColumns;
use self::derive::{SHORTEST_STEP, derive};
use self::reading::Reading;
use self::roll_call::RollCall;
use self::statsd::StatsdInbox;
use crate::protocol::{HostName, MetricInfo, Sample, System};

pub use inspection::{Absence, Inspection, inspect};
pub use live::{Audience, Live, LiveError};

/// The difference of two timestamps may be off by so many seconds, because they are in whole milliseconds and the clock
/// may be adjusted slightly.
const CLOCK_RESOLUTION: f64 = 0.002;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many processes to list by CPU, how many by memory, and at most how many that wait for a disk; 0: processes are
    /// never read, and samples have no `top`.
    pub top: usize,
}

/// What this program knows about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Own {
    /// Viewers connected now.
    pub viewers: u64,
    /// TCP connections that its own listener has accepted since the start; they don't count as the host's requests.
    pub accepted: u64,
}

/// Measures this machine, one sample after another.
pub struct Sampler {
    machine: platform::Machine,
    /// `None` if processes are not listed.
    roll_call: Option<RollCall>,
    has_containers: bool,
    previous: Reading,
    columns: SampleColumns,
    /// What applications report, if they may.
    inbox: Option<Arc<StatsdInbox>>,
}

impl Sampler {
    /// Takes the first reading, the baseline of the first sample. Takes milliseconds, or more if a mount hangs.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let roster = (options.top != 0).then(|| platform::Roster::new(options.top));
        Self::of(platform::Machine::new(), roster, options)
    }

    fn of(
        mut machine: platform::Machine,
        roster: Option<platform::Roster>,
        options: Options,
    ) -> Self {
        let mut previous = read(&mut machine, Own::default());
        let mut has_containers = false;
        let begin = |mut roster: platform::Roster| {
            let (call, first) = RollCall::begin(move || roster.read(), options.top);
            previous.process_count = previous.process_count.or(first.process_count);
            has_containers = first.has_containers;
            (call, first.has_exited_cpu)
        };
        let (roll_call, has_exited_cpu) = roster.map(begin).unzip();
        let mut values = derive(&previous, &previous);
        if has_exited_cpu == Some(true) {
            values.percent("exitedCpu", None);
        }
        let columns = SampleColumns::new(&values, previous.cores.len());
        Self {
            machine,
            roll_call,
            has_containers,
            previous,
            columns,
            inbox: None,
        }
    }

    /// Samples also carry what applications report to `inbox`.
    #[must_use]
    pub fn with_applications(mut self, inbox: Option<Arc<StatsdInbox>>) -> Self {
        self.inbox = inbox;
        self
    }

    /// The next sample is due at `due`: what takes long is read just before, on other threads. That is graphics cards,
    /// and if it is time for another list, processes.
    pub fn prepare(&mut self, due: Instant) {
        self.machine.prepare(due);
        if let Some(call) = &mut self.roll_call {
            call.plan(due, self.previous.whole());
        }
    }

    /// The changes since the last sample, or since the baseline. Blocks for less than a millisecond, and once for a
    /// quarter of a second when a mount begins to hang; call it from a thread that may block.
    ///
    /// Processes are listed only in the first sample after a reading that [`Self::prepare`] has begun.
    ///
    /// Rates are based on the time that really passed. With no time between two calls they are absent.
    pub fn sample(&mut self, own: Own) -> Sample {
        let mut next = Reading::begin();
        let seconds = seconds_to_divide_by(&self.previous, &next);
        let inbox = self.inbox.as_ref();
        let reported = inbox.map_or_else(Vec::new, |inbox| inbox.collect(next.at, seconds));
        fill(&mut next, &mut self.machine, own);
        let lists = self.roll_call.as_mut().and_then(RollCall::finished);
        let lists = lists.unwrap_or_default();
        next.process_count = next.process_count.or(lists.process_count);
        self.has_containers |= lists.containers.is_some();
        let mut values = derive(&self.previous, &next);
        if let Some(share) = lists.exited_cpu {
            values.percent("exitedCpu", Some(share));
        }
        self.columns.admit(&values, next.cores.len());
        self.columns.admit_reported(&reported);
        reported.iter().for_each(|it| values.reported(it));
        let sample = Sample {
            timestamp: next.timestamp,
            values: self.columns.arrange(&values),
            top: lists.top,
            containers: lists.containers,
        };
        self.previous = next;
        sample
    }

    /// The metrics that samples carry, in their order; the same `Arc` until one is added. New ones are added at the
    /// end, and none is ever removed: a metric that has gone is absent from samples.
    #[must_use]
    pub fn metrics(&self) -> Arc<[MetricInfo]> {
        self.columns.infos()
    }

    /// Whether samples list containers: at least one has been found.
    #[must_use]
    pub fn has_containers(&self) -> bool {
        self.has_containers
    }

    /// The machine, according to the last reading.
    #[must_use]
    pub fn system(&self) -> System {
        let name = sysinfo::System::name().unwrap_or_else(|_| std::env::consts::OS.to_owned());
        let os = match sysinfo::System::os_version() {
            Ok(version) => format!("{name} {version}"),
            Err(_) => name,
        };
        let memory = self.previous.memory;
        System {
            os,
            kernel: sysinfo::System::kernel_version().unwrap_or_default(),
            cores: u32::try_from(self.previous.cores.len()).unwrap_or(u32::MAX),
            memory: memory.map_or(self.previous.physical, |memory| memory.total),
        }
    }

    /// Names of the catalogue's metrics that this machine has never had.
    #[must_use]
    pub fn unavailable(&self) -> Vec<String> {
        self.columns.missing()
    }
}

/// This machine's own name, or the closest one that is allowed.
#[must_use]
pub fn host_name() -> HostName {
    HostName::nearest(&sysinfo::System::host_name().unwrap_or_default())
}

/// The time between two readings, to divide counts by; `None` if it is too short for a rate. It is the difference of the
/// timestamps, so that a rate times that difference gives the count back; if the clock was set meanwhile, it is the
/// measured time.
fn seconds_to_divide_by(prev: &Reading, next: &Reading) -> Option<f64> {
    let measured = next.at.saturating_duration_since(prev.at).as_secs_f64();
    let written = next.timestamp.saturating_sub(prev.timestamp);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
    let written = written as f64 / 1000.0;
    let is_same = (written - measured).abs() <= CLOCK_RESOLUTION;
    Some(if is_same { written } else { measured }).filter(|seconds| SHORTEST_STEP <= *seconds)
}

/// Takes a reading of `machine`.
fn read(machine: &mut platform::Machine, own: Own) -> Reading {
    let mut reading = Reading::begin();
    fill(&mut reading, machine, own);
    reading
}

/// Fills in a reading of `machine` that has just begun.
fn fill(reading: &mut Reading, machine: &mut platform::Machine, own: Own) {
    reading.agent.viewers = own.viewers;
    reading.agent.accepted = own.accepted;
    machine.read(reading);
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod faults;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod stand_in;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod trees;

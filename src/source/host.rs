//! The machine that this program runs on.
//!
//! A [`Sampler`] takes a reading (counters and absolute values), derives a [`Sample`] from it and the previous reading,
//! and keeps it as the next baseline. Only this module knows sysinfo, and only its `linux` knows Linux.

mod columns;
mod derive;
mod labels;
mod live;
mod reading;
mod spaces;
mod top;

#[cfg(any(not(target_os = "linux"), test))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
use self::elsewhere as platform;
#[cfg(target_os = "linux")]
use self::linux as platform;

use std::sync::Arc;

use self::columns::SampleColumns;
use self::derive::derive;
use self::reading::Reading;
use crate::protocol::{HostName, MetricInfo, Sample, System};

pub use live::{Audience, Live, LiveError};

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many processes to list by CPU, and how many by memory; 0: processes are never read, and samples have no
    /// `top`.
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
    options: Options,
    machine: platform::Machine,
    previous: Reading,
    columns: SampleColumns,
}

impl Sampler {
    /// Takes the first reading, the baseline of the first sample. Takes milliseconds, or more if a mount hangs.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::of(platform::Machine::new(options.top != 0), options)
    }

    fn of(mut machine: platform::Machine, options: Options) -> Self {
        let previous = read(&mut machine, Own::default());
        let columns = SampleColumns::new(&derive(&previous, &previous), previous.cores.len());
        Self {
            options,
            machine,
            previous,
            columns,
        }
    }

    /// The changes since the last sample, or since the baseline. Blocks for about a millisecond, and once for a quarter
    /// of a second when a mount begins to hang; call it from a thread that may block.
    ///
    /// Rates are based on the time that really passed. With no time between two calls they are absent.
    pub fn sample(&mut self, own: Own) -> Sample {
        let next = read(&mut self.machine, own);
        let values = derive(&self.previous, &next);
        self.columns.admit(&values, next.cores.len());
        let list = |count| top::top(&self.previous, &next, count);
        let sample = Sample {
            timestamp: next.timestamp,
            values: self.columns.arrange(&values),
            top: Some(self.options.top)
                .filter(|&count| count != 0)
                .and_then(list),
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

/// Takes a reading of `machine`.
fn read(machine: &mut platform::Machine, own: Own) -> Reading {
    let mut reading = Reading::begin();
    reading.agent.viewers = own.viewers;
    reading.agent.accepted = own.accepted;
    machine.read(&mut reading);
    reading
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod faults;
#[cfg(test)]
mod tests;

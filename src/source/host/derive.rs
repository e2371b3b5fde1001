//! Derives values from two readings. Pure.
//!
//! A counter that went backwards, or has no previous reading, gives no value; the newer reading is the next baseline.

mod devices;
mod gpus;
mod limits;
mod pressure;
mod processor;

use std::ops::RangeInclusive;

use super::columns::{DerivedValues, ValueName};
use super::reading::{Occupancy, Reading};

/// Two readings closer than this give no rates: the clock's resolution would dominate. In seconds.
pub(super) const SHORTEST_STEP: f64 = 0.001;

/// The plausible range of a sensor, in °C. For a missing or sleeping sensor, drivers report other values, such as
/// 65261.85 (all ones in Kelvin) or -273.15 (all zeros).
const PLAUSIBLE_CELSIUS: RangeInclusive<f64> = -60.0..=150.0;

/// No counter of bytes, operations or ticks rises by this much in a second; if it does, its driver has reset it.
const STEEPEST: f64 = 1e15;

/// Every metric in `next`, with its value if the step from `prev` gives one.
pub(super) fn derive(prev: &Reading, next: &Reading) -> DerivedValues {
    let seconds = next.at.saturating_duration_since(prev.at).as_secs_f64();
    let step = ReadingPair {
        prev,
        next,
        seconds: Some(seconds).filter(|seconds| SHORTEST_STEP <= *seconds),
    };
    let mut values = DerivedValues::default();
    step.cpu(&mut values);
    step.scheduler(&mut values);
    step.cpu_limits(&mut values);
    step.memory(&mut values);
    step.spaces(&mut values);
    step.disks(&mut values);
    step.networks(&mut values);
    step.kernel(&mut values);
    step.paging(&mut values);
    pressure::pressure(&prev.pressure, &next.pressure, &mut values);
    step.temperatures(&mut values);
    gpus::gpus(&next.gpus, &mut values);
    step.agent(&mut values);
    values
}

struct ReadingPair<'a> {
    prev: &'a Reading,
    next: &'a Reading,
    /// By the monotonic clock; `None` if it is too short.
    seconds: Option<f64>,
}

impl ReadingPair<'_> {
    /// Per second.
    fn rate(&self, before: u64, now: u64) -> Option<f64> {
        let rate = now.checked_sub(before)? as f64 / self.seconds?;
        (rate <= STEEPEST).then_some(rate)
    }

    /// The rate of what the kernel counts, if it does so `now`.
    fn events(
        &self,
        values: &mut DerivedValues,
        name: &'static str,
        before: Option<u64>,
        now: Option<u64>,
    ) {
        if let Some(now) = now {
            values.rate(name, before.and_then(|before| self.rate(before, now)));
        }
    }

    fn memory(&self, values: &mut DerivedValues) {
        if let Some(memory) = self.next.memory {
            let used = memory.total.saturating_sub(memory.available);
            values.percent("memory", percent(used, memory.total));
            values.whole("memoryUsed", Some(used as f64));
            values.whole("memoryAvailable", Some(memory.available as f64));
        }
        if let Some(dirty) = self.next.dirty {
            values.whole("memoryDirty", Some(dirty as f64));
        }
        if let Some(swap) = self.next.swap {
            values.percent("swap", percent(swap.used, swap.total));
        }
        if let Some(load) = self.next.load {
            for (name, load) in ["load1", "load5", "load15"].into_iter().zip(load) {
                values.fine(name, Some(load));
            }
        }
    }

    fn kernel(&self, values: &mut DerivedValues) {
        let (prev, next) = (self.prev, self.next);
        if let Some(now) = next.tcp {
            let before = prev.tcp;
            let retransmits = before.and_then(|tcp| self.rate(tcp.retransmits, now.retransmits));
            values.rate("tcpRetransmits", retransmits);
            let accepted = before.and_then(|tcp| self.rate(tcp.accepted, now.accepted));
            let own = self.rate(prev.agent.accepted, next.agent.accepted);
            // The kernel counts a connection before this program accepts it, so a step may contain more of ours than of
            // all.
            let others = accepted.zip(own).map(|(all, own)| (all - own).max(0.0));
            values.rate("requestsPerSecond", others);
            if let Some(established) = now.established {
                values.whole("tcpConnections", Some(established as f64));
            }
        }
        self.events(values, "listenDrops", prev.listen_drops, next.listen_drops);
        for (name, occupancy) in [
            ("fileDescriptors", next.descriptors),
            ("conntrack", next.conntrack),
        ] {
            if let Some(Occupancy { used, limit }) = occupancy {
                values.percent(name, percent(used, limit));
            }
        }
        for (name, value) in [
            ("processCount", next.process_count),
            ("uptime", next.uptime),
            ("activeUsers", next.users),
        ] {
            if let Some(value) = value {
                values.whole(name, Some(value as f64));
            }
        }
    }

    fn paging(&self, values: &mut DerivedValues) {
        let (before, now) = (self.prev.paging, self.next.paging);
        for (name, before, now) in [
            ("swapIn", before.swapped_in, now.swapped_in),
            ("swapOut", before.swapped_out, now.swapped_out),
        ] {
            if let Some(now) = now {
                values.whole(name, before.and_then(|before| self.rate(before, now)));
            }
        }
        self.events(values, "majorFaults", before.major_faults, now.major_faults);
        self.events(values, "oomKills", before.oom_kills, now.oom_kills);
    }

    fn temperatures(&self, values: &mut DerivedValues) {
        let sensors = self.next.temperatures.iter().map(|(sensor, celsius)| {
            let plausible = celsius.filter(|celsius| PLAUSIBLE_CELSIUS.contains(celsius));
            (sensor, plausible)
        });
        if !self.next.temperatures.is_empty() {
            let known = sensors.clone().filter_map(|(_, celsius)| celsius);
            values.fine("temperature", known.reduce(f64::max));
        }
        for (sensor, celsius) in sensors {
            values.fine(ValueName::device("temperature", sensor.clone()), celsius);
        }
    }

    fn agent(&self, values: &mut DerivedValues) {
        let (before, now) = (self.prev.agent, self.next.agent);
        if let Some(now) = now.cpu {
            let used = before.cpu.and_then(|before| now.checked_sub(before));
            // If the number of cores is unknown, there is no share.
            let cores = Some(self.next.cores.len()).filter(|cores| *cores != 0);
            let machine = self.seconds.zip(cores);
            let machine = machine.map(|(seconds, cores)| seconds * cores as f64);
            let share = used.zip(machine);
            let share = share.map(|(used, machine)| 100.0 * used.as_secs_f64() / machine);
            values.percent("agentCpu", share);
        }
        if let Some(memory) = now.memory {
            values.whole("agentMemory", Some(memory as f64));
        }
        values.whole("viewers", Some(now.viewers as f64));
    }
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (0 < whole).then(|| 100.0 * part as f64 / whole as f64)
}

#[cfg(test)]
mod tests;

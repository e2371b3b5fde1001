//! Derives values from two readings. Pure.
//!
//! A counter that went backwards, or has no previous reading, gives no value; the newer reading is the next baseline.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::columns::{DerivedValues, ValueName};
use super::reading::{Cpu, DiskCounters, Interface, Reading, Ticks};

/// Two readings closer than this give no rates: the clock's resolution would dominate. In seconds.
const SHORTEST_STEP: f64 = 0.001;

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
    step.memory(&mut values);
    step.spaces(&mut values);
    step.disks(&mut values);
    step.networks(&mut values);
    step.kernel(&mut values);
    step.temperatures(&mut values);
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

    fn cpu(&self, values: &mut DerivedValues) {
        let before = self.prev.cpu;
        if let Some(now) = self.next.cpu {
            values.percent("cpu", busy(before, now));
            if let Cpu::Counted(now) = now {
                let before = before.and_then(Cpu::ticks);
                values.percent("iowait", share(before, now, |ticks| ticks.iowait));
                values.percent("steal", share(before, now, |ticks| ticks.steal));
            }
        }
        let before = &self.prev.cores;
        for &(number, now) in &self.next.cores {
            let before = before.binary_search_by_key(&number, |&(number, _)| number);
            let before = before.ok().map(|place| self.prev.cores[place].1);
            values.percent(ValueName::core("cpu", number), busy(before, now));
        }
    }

    fn memory(&self, values: &mut DerivedValues) {
        if let Some(memory) = self.next.memory {
            let used = memory.total.saturating_sub(memory.available);
            values.percent("memory", percent(used, memory.total));
            values.whole("memoryUsed", Some(used as f64));
            values.whole("memoryAvailable", Some(memory.available as f64));
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

    fn spaces(&self, values: &mut DerivedValues) {
        let shares = self.next.spaces.iter().map(|(mount, space)| {
            let share = space.and_then(|s| percent(s.used, s.used.saturating_add(s.available)));
            (mount, share)
        });
        if !self.next.spaces.is_empty() {
            values.percent(
                "disk",
                shares
                    .clone()
                    .filter_map(|(_, share)| share)
                    .reduce(f64::max),
            );
        }
        for (mount, share) in shares {
            values.percent(ValueName::device("disk", mount.clone()), share);
        }
    }

    fn disks(&self, values: &mut DerivedValues) {
        let rates = |counter| self.rates(&self.prev.disks, &self.next.disks, counter);
        let read = rates(|disk| disk.read);
        let written = rates(|disk| disk.written);
        let busy = rates(|disk| disk.busy);
        if !self.next.disks.is_empty() {
            values.whole("diskRead", sum(&read));
            values.whole("diskWritten", sum(&written));
            // A mean would hide one saturated disk among many; for the same reason, the fullest and the hottest are
            // reported.
            let busiest = busy
                .iter()
                .filter_map(|device| device.rate)
                .reduce(f64::max);
            values.percent("diskBusy", busiest.map(busy_share));
        }
        for device in read {
            values.whole(ValueName::device("diskRead", device.name), device.rate);
        }
        for device in written {
            values.whole(ValueName::device("diskWritten", device.name), device.rate);
        }
        for device in busy {
            values.percent(
                ValueName::device("diskBusy", device.name),
                device.rate.map(busy_share),
            );
        }
    }

    fn networks(&self, values: &mut DerivedValues) {
        let rates = |counter| self.rates(&self.prev.interfaces, &self.next.interfaces, counter);
        let received = rates(|interface| interface.received);
        let sent = rates(|interface| interface.sent);
        let errors = rates(|interface| interface.errors);
        if !self.next.interfaces.is_empty() {
            values.whole("networkReceived", sum(&received));
            values.whole("networkSent", sum(&sent));
            values.rate("networkErrors", sum(&errors));
        }
        for device in received {
            values.whole(
                ValueName::device("networkReceived", device.name),
                device.rate,
            );
        }
        for device in sent {
            values.whole(ValueName::device("networkSent", device.name), device.rate);
        }
        for device in errors {
            values.rate(ValueName::device("networkErrors", device.name), device.rate);
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
        }
        if let Some(now) = next.oom_kills {
            values.rate(
                "oomKills",
                prev.oom_kills.and_then(|before| self.rate(before, now)),
            );
        }
        let pressure = next.pressure;
        for (name, value) in [
            ("pressureCpu", pressure.cpu),
            ("pressureMemory", pressure.memory),
            ("pressureIo", pressure.io),
        ] {
            if value.is_some() {
                values.percent(name, value);
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

    fn rates<T: Device>(&self, prev: &[T], next: &[T], counter: fn(&T) -> u64) -> Vec<DeviceRate> {
        let rates = next.iter().enumerate().map(|(place, now)| {
            let same = |device: &&T| device.name() == now.name();
            // Lists keep their order as long as nothing is added or removed.
            let before = prev.get(place).filter(same);
            let before = before.or_else(|| prev.iter().find(same));
            DeviceRate {
                name: now.name().clone(),
                is_new: before.is_none(),
                rate: before.and_then(|before| self.rate(counter(before), counter(now))),
            }
        });
        rates.collect()
    }
}

impl Cpu {
    fn ticks(self) -> Option<Ticks> {
        match self {
            Self::Counted(ticks) => Some(ticks),
            Self::Measured(_) => None,
        }
    }
}

/// Something with a name and counters.
trait Device {
    fn name(&self) -> &Arc<str>;
}

impl Device for DiskCounters {
    fn name(&self) -> &Arc<str> {
        &self.name
    }
}

impl Device for Interface {
    fn name(&self) -> &Arc<str> {
        &self.name
    }
}

struct DeviceRate {
    name: Arc<str>,
    /// It is new.
    is_new: bool,
    /// Per second.
    rate: Option<f64>,
}

/// The sum of all devices. A new one counts from its second reading; one that existed and cannot be read makes the sum
/// unknown, rather than too low.
fn sum(devices: &[DeviceRate]) -> Option<f64> {
    let mut known = devices.iter().filter(|device| !device.is_new).peekable();
    known.peek()?;
    known.map(|device| device.rate).sum()
}

/// Converts milliseconds per second to percent.
fn busy_share(milliseconds: f64) -> f64 {
    milliseconds / 10.0
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (0 < whole).then(|| 100.0 * part as f64 / whole as f64)
}

fn busy(before: Option<Cpu>, now: Cpu) -> Option<f64> {
    match now {
        Cpu::Counted(now) => share(before.and_then(Cpu::ticks), now, |ticks| ticks.busy),
        Cpu::Measured(percent) => Some(percent),
    }
}

/// The share of all ticks that went to `part`, in percent.
fn share(before: Option<Ticks>, now: Ticks, part: fn(&Ticks) -> u64) -> Option<f64> {
    let before = before?;
    let busy = now.busy.checked_sub(before.busy)?;
    let idle = now.idle.checked_sub(before.idle)?;
    // The kernel documents that this counter may decrease slightly, which says nothing about the others.
    let iowait = now.iowait.saturating_sub(before.iowait);
    let part = part(&now).checked_sub(part(&before))?;
    let whole = busy.checked_add(idle)?.checked_add(iowait)?;
    percent(part, whole).filter(|_| whole as f64 <= STEEPEST)
}

#[cfg(test)]
mod tests;

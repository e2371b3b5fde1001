//! Filesystems, disks and network interfaces: each of them, and all together.

use std::sync::Arc;

use super::{ReadingPair, percent};
use crate::source::host::columns::{DerivedValues, ValueName};
use crate::source::host::reading::{DiskCounters, Interface, Space};

impl ReadingPair<'_> {
    pub(super) fn spaces(&self, values: &mut DerivedValues) {
        let spaces = &self.next.spaces;
        let of = |part: fn(&Space) -> Option<f64>| -> Vec<_> {
            let each = spaces.iter();
            each.map(|(mount, space)| (mount.clone(), space.as_ref().and_then(part)))
                .collect()
        };
        let used = of(|space| percent(space.used, space.used.saturating_add(space.available)));
        fullest(values, "disk", used);
        for (name, part) in [
            ("diskFree", of(|space| Some(space.available as f64))),
            ("diskSize", of(|space| Some(space.size as f64))),
        ] {
            for (mount, bytes) in part {
                values.whole(ValueName::device(name, mount), bytes);
            }
        }
        let mut inodes = of(|space| percent(space.inodes?.used, space.inodes?.limit));
        // Most kinds of filesystems that have no share never have one.
        inodes.retain(|(_, share)| share.is_some());
        fullest(values, "inodes", inodes);
    }

    pub(super) fn disks(&self, values: &mut DerivedValues) {
        let rates = |counter: fn(&DiskCounters) -> u64| {
            self.rates(&self.prev.disks, &self.next.disks, |disk| {
                Some(counter(disk))
            })
        };
        sums(values, "diskRead", rates(|disk| disk.read), WHOLE);
        sums(values, "diskWritten", rates(|disk| disk.written), WHOLE);
        let busy = scaled(rates(|disk| disk.busy), PERCENT_PER_MILLISECOND);
        // A mean would hide one saturated disk among many; for the same reason, the fullest and the hottest are
        // reported.
        let busiest = busy.iter().filter_map(|disk| disk.rate).reduce(f64::max);
        family(values, "diskBusy", busiest, busy, PERCENT);
        sums(values, "diskReads", rates(|disk| disk.reads), RATE);
        sums(values, "diskWrites", rates(|disk| disk.writes), RATE);
        let operations = |disk: &DiskCounters| disk.reads.saturating_add(disk.writes);
        self.waits(rates(|disk| disk.spent), &rates(operations), values);
        let queue = scaled(rates(|disk| disk.queued), SECONDS_PER_MILLISECOND);
        sums(values, "diskQueue", queue, FINE);
    }

    /// The mean time of an operation, from the milliseconds `spent` on `operations`.
    fn waits(&self, spent: Vec<DeviceRate>, operations: &[DeviceRate], values: &mut DerivedValues) {
        let disks = &self.next.disks;
        let is_waiting = disks.iter().any(|disk| disk.is_waiting);
        let all = mean_time(sum(&spent), sum(operations), is_waiting);
        let each = spent.into_iter().zip(operations).zip(disks);
        let each = each.map(|((spent, operations), disk)| DeviceRate {
            rate: mean_time(spent.rate, operations.rate, disk.is_waiting),
            ..spent
        });
        family(values, "diskAwait", all, each.collect(), FINE);
    }

    pub(super) fn networks(&self, values: &mut DerivedValues) {
        type Counter = fn(&Interface) -> Option<u64>;
        let families: [(&str, Counter, Write); 6] = [
            ("networkReceived", |it| Some(it.received), WHOLE),
            ("networkSent", |it| Some(it.sent), WHOLE),
            ("networkErrors", |it| Some(it.errors), RATE),
            (
                "networkPacketsReceived",
                |it| Some(it.packets_received),
                RATE,
            ),
            ("networkPacketsSent", |it| Some(it.packets_sent), RATE),
            ("networkDrops", |it| it.drops, RATE),
        ];
        for (name, counter, write) in families {
            let rates = self.rates(&self.prev.interfaces, &self.next.interfaces, counter);
            sums(values, name, rates, write);
        }
    }

    /// The rate of a counter of each device; none at all if no device has it.
    fn rates<T: Device>(
        &self,
        prev: &[T],
        next: &[T],
        counter: impl Fn(&T) -> Option<u64>,
    ) -> Vec<DeviceRate> {
        if next.iter().all(|device| counter(device).is_none()) {
            return Vec::new();
        }
        let rates = next.iter().enumerate().map(|(place, now)| {
            let same = |device: &&T| device.name() == now.name();
            // Lists keep their order as long as nothing is added or removed.
            let before = prev.get(place).filter(same);
            let before = before.or_else(|| prev.iter().find(same));
            DeviceRate {
                name: now.name().clone(),
                is_new: before.is_none(),
                rate: before.and_then(|before| self.rate(counter(before)?, counter(now)?)),
            }
        });
        rates.collect()
    }
}

/// Writes the share of each filesystem, and the largest one.
fn fullest(values: &mut DerivedValues, name: &'static str, shares: Vec<(Arc<str>, Option<f64>)>) {
    if !shares.is_empty() {
        let largest = shares.iter().filter_map(|(_, share)| *share);
        values.percent(name, largest.reduce(f64::max));
    }
    for (mount, share) in shares {
        values.percent(ValueName::device(name, mount), share);
    }
}

/// How a value is written: as one of the kinds that [`DerivedValues`] knows.
pub(super) type Write = fn(&mut DerivedValues, ValueName, Option<f64>);

pub(super) const WHOLE: Write = |values, name, value| values.whole(name, value);
pub(super) const FINE: Write = |values, name, value| values.fine(name, value);
const RATE: Write = |values, name, value| values.rate(name, value);
pub(super) const PERCENT: Write = |values, name, value| values.percent(name, value);

/// A millisecond in each second, in percent.
const PERCENT_PER_MILLISECOND: f64 = 0.1;

const SECONDS_PER_MILLISECOND: f64 = 0.001;

/// Writes the value of each device, and that of `all`; nothing if there are no devices.
fn family(
    values: &mut DerivedValues,
    name: &'static str,
    all: Option<f64>,
    each: Vec<DeviceRate>,
    write: Write,
) {
    if !each.is_empty() {
        write(values, name.into(), all);
    }
    for device in each {
        write(values, ValueName::device(name, device.name), device.rate);
    }
}

/// Writes the rate of each device, and their sum.
fn sums(values: &mut DerivedValues, name: &'static str, each: Vec<DeviceRate>, write: Write) {
    family(values, name, sum(&each), each, write);
}

fn scaled(mut devices: Vec<DeviceRate>, factor: f64) -> Vec<DeviceRate> {
    for device in &mut devices {
        device.rate = device.rate.map(|rate| rate * factor);
    }
    devices
}

/// Milliseconds per operation; 0 if there was nothing to do. If operations are still waiting and none was completed,
/// nobody knows yet.
fn mean_time(spent: Option<f64>, operations: Option<f64>, is_waiting: bool) -> Option<f64> {
    let (spent, operations) = (spent?, operations?);
    if 0.0 < operations {
        Some(spent / operations)
    } else {
        (!is_waiting).then_some(0.0)
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

//! Filesystems, disks and network interfaces: each of them, and all together.

use std::sync::Arc;

use super::{ReadingPair, percent};
use crate::source::host::columns::{DerivedValues, ValueName};
use crate::source::host::reading::{DiskCounters, Interface};

impl ReadingPair<'_> {
    pub(super) fn spaces(&self, values: &mut DerivedValues) {
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

    pub(super) fn disks(&self, values: &mut DerivedValues) {
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

    pub(super) fn networks(&self, values: &mut DerivedValues) {
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

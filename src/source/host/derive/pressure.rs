//! The share of the interval in which tasks waited.

use super::SHORTEST_STEP;
use crate::source::host::columns::DerivedValues;
use crate::source::host::reading::{Pressure, Stalls};

/// The kernel reads its clock a little earlier or later than this program, so a share may be above 100. If it is above
/// this, in percent, the counter is wrong.
const MOST: f64 = 200.0;

pub(super) fn pressure(before: &Pressure, now: &Pressure, values: &mut DerivedValues) {
    type Part = fn(&Stalls) -> Option<u64>;
    let (some, all): (Part, Part) = (|stalls| stalls.some, |stalls| stalls.all);
    for (name, before, now, part) in [
        ("pressureCpu", &before.cpu, &now.cpu, some),
        ("pressureMemory", &before.memory, &now.memory, some),
        ("pressureIo", &before.io, &now.io, some),
        ("pressureMemoryFull", &before.memory, &now.memory, all),
        ("pressureIoFull", &before.io, &now.io, all),
    ] {
        let Some(now) = now.as_ref().filter(|now| part(now).is_some()) else {
            continue;
        };
        let before = before.as_ref();
        values.percent(name, before.and_then(|before| share(before, now, part)));
    }
}

/// In percent of the time between the two.
fn share(before: &Stalls, now: &Stalls, part: fn(&Stalls) -> Option<u64>) -> Option<f64> {
    let stalled = part(now)?.checked_sub(part(before)?)?;
    let passed = now.at.saturating_duration_since(before.at).as_secs_f64();
    let share = 100.0 * stalled as f64 / 1e6 / passed;
    (SHORTEST_STEP <= passed && share <= MOST).then_some(share)
}

//! The shares of the processors.

use super::{ReadingPair, STEEPEST, percent};
use crate::source::host::columns::{DerivedValues, ValueName};
use crate::source::host::reading::{Cpu, Ticks};

impl ReadingPair<'_> {
    pub(super) fn cpu(&self, values: &mut DerivedValues) {
        let before = self.prev.cpu;
        if let Some(now) = self.next.cpu {
            values.percent("cpu", busy(before, now));
            if let Cpu::Counted(now) = now {
                let before = before.and_then(Cpu::ticks);
                values.percent("iowait", share(before, now, |ticks| ticks.iowait));
                values.percent("steal", share(before, now, |ticks| ticks.steal));
                values.percent("cpuUser", share(before, now, |ticks| ticks.user));
                let kernel = |ticks: &Ticks| ticks.system.saturating_add(ticks.interrupts);
                values.percent("cpuSystem", share(before, now, kernel));
            }
        }
        let before = &self.prev.cores;
        for &(number, now) in &self.next.cores {
            let before = before.binary_search_by_key(&number, |&(number, _)| number);
            let before = before.ok().map(|place| self.prev.cores[place].1);
            values.percent(ValueName::core("cpu", number), busy(before, now));
        }
    }

    pub(super) fn scheduler(&self, values: &mut DerivedValues) {
        let (before, now) = (self.prev.scheduler, self.next.scheduler);
        for (name, tasks) in [
            ("tasksRunnable", now.runnable),
            ("tasksBlocked", now.blocked),
        ] {
            if let Some(tasks) = tasks {
                values.whole(name, Some(tasks as f64));
            }
        }
        for (name, before, now) in [
            ("contextSwitches", before.switches, now.switches),
            ("forks", before.forks, now.forks),
        ] {
            self.events(values, name, before, now);
        }
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

fn busy(before: Option<Cpu>, now: Cpu) -> Option<f64> {
    match now {
        Cpu::Counted(now) => share(before.and_then(Cpu::ticks), now, Ticks::busy),
        Cpu::Measured(percent) => Some(percent),
    }
}

/// The share of all ticks that went to `part`, in percent.
fn share(before: Option<Ticks>, now: Ticks, part: fn(&Ticks) -> u64) -> Option<f64> {
    let before = before?;
    let busy = now.busy().checked_sub(before.busy())?;
    let idle = now.idle.checked_sub(before.idle)?;
    // The kernel documents that this counter may decrease slightly, which says nothing about the others.
    let iowait = now.iowait.saturating_sub(before.iowait);
    let part = part(&now).checked_sub(part(&before))?;
    let whole = busy.checked_add(idle)?.checked_add(iowait)?;
    percent(part, whole).filter(|_| whole as f64 <= STEEPEST)
}

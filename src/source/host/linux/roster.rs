//! The list of all processes, and of the top containers.

use std::path::PathBuf;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use super::census::{Census, Sight};
use super::containers::Containers;
use super::proc_file::ProcFile;
use super::{Roots, counters, seconds, tasks};
use crate::source::host::reading::{Cpu, Roll};

/// Lists processes and containers; used on a thread of its own.
pub(in crate::source::host) struct Roster {
    proc: PathBuf,
    census: Census,
    stat: ProcFile,
    containers: Containers,
    text: Vec<u8>,
}

impl Roster {
    /// That of this machine, with `count` containers by CPU and as many by memory.
    pub(in crate::source::host) fn new(count: usize) -> Self {
        Self::of(&Roots::real(), count)
    }

    /// That of the machine whose files are below `roots`. Clocks are this machine's.
    pub(in crate::source::host) fn of(roots: &Roots, count: usize) -> Self {
        Self {
            proc: roots.proc(""),
            census: Census::new(roots.proc("")),
            stat: ProcFile::open(roots.proc("stat")),
            containers: Containers::new(roots, count),
            text: Vec::new(),
        }
    }

    /// Processes are listed only if all are visible: otherwise a few would pass for all.
    pub(in crate::source::host) fn read(&mut self) -> Roll {
        let mut roll = Roll::begin();
        roll.since_boot = Some(seconds(clock_gettime(ClockId::Boottime)).as_secs_f64());
        if self.census.sight(roll.at) == Sight::All {
            roll.processes = tasks::list(&self.proc, &mut self.text);
            self.read_total(&mut roll);
        }
        roll.containers = self.containers.read();
        roll
    }

    /// What all processes together have used. In a container, /proc/stat is still about the whole machine.
    fn read_total(&mut self, roll: &mut Roll) {
        if !self.census.is_in_first_namespace() {
            return;
        }
        // The sampler reads the same file and reports its invalid lines.
        let quiet = &|_: &[u8]| {};
        roll.cpu_at = Instant::now();
        if let Some(text) = self.stat.read(&mut self.text) {
            if let (Some(Cpu::Counted(ticks)), _) = counters::cpu(text, quiet) {
                roll.cpu = tasks::time_of(ticks.user.saturating_add(ticks.system));
            }
            roll.forks = counters::scheduler(text, quiet).forks;
        }
    }
}

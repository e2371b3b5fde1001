//! The list of all processes.

use std::path::PathBuf;

use rustix::time::{ClockId, clock_gettime};

use super::census::{Census, Sight};
use super::{Roots, seconds, tasks};
use crate::source::host::reading::Roll;

/// Lists processes; used on a thread of its own.
pub(in crate::source::host) struct Roster {
    proc: PathBuf,
    census: Census,
    text: Vec<u8>,
}

impl Roster {
    /// That of this machine.
    pub(in crate::source::host) fn new() -> Self {
        Self::of(&Roots::real())
    }

    /// That of the machine whose files are below `roots`. Clocks are this machine's.
    pub(in crate::source::host) fn of(roots: &Roots) -> Self {
        Self {
            proc: roots.proc(""),
            census: Census::new(roots.proc("")),
            text: Vec::new(),
        }
    }

    /// Processes are listed only if all are visible: otherwise a few would pass for all.
    pub(in crate::source::host) fn read(&mut self) -> Roll {
        let mut roll = Roll::begin();
        roll.since_boot = Some(seconds(clock_gettime(ClockId::Boottime)).as_secs_f64());
        if self.census.sight(roll.at) == Sight::All {
            roll.processes = tasks::list(&self.proc, &mut self.text);
        }
        roll
    }
}

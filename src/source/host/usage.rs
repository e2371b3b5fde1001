//! Who has used the CPU between two lists of processes. Pure.
//!
//! When a process has ended and its parent has taken note, the kernel adds all that it ever used to what the parent's
//! children have used. Of that, only the part since the first list belongs here: the rest was the process's own in
//! earlier lists, so it is taken from the parent. A parent that has ended too is followed by its own parent.

use std::time::{Duration, Instant};

use super::reading::{Roll, Task, Whole};

/// Start times are truncated to this resolution, in seconds.
const GRAIN: f64 = 0.01;

/// For no division by 0.
const SHORTEST: Duration = Duration::from_nanos(1);

/// CPU time, in seconds.
pub(super) struct Usage {
    /// Of each process in the second list, with its children that have ended; `None` if unknown.
    pub(super) each: Vec<Option<f64>>,
    /// Of processes that have ended and that no process in the second list accounts for; `None` if unknown.
    pub(super) exited: Option<f64>,
    /// How far apart the two lists are.
    passed: f64,
}

impl Usage {
    pub(super) fn between(prev: &Roll, next: &Roll) -> Self {
        let before = prev.processes.as_deref().unwrap_or_default();
        let now = next.processes.as_deref().unwrap_or_default();
        let origins: Vec<Origin> = now.iter().map(|task| origin(prev, before, task)).collect();
        let mut used: Vec<Option<Used>> = now
            .iter()
            .zip(&origins)
            .map(|(task, origin)| origin.used(before, task))
            .collect();
        let mut successors = vec![None; before.len()];
        for (place, origin) in origins.iter().enumerate() {
            if let Origin::Old(old) = *origin {
                successors[old] = Some(place);
            }
        }
        for gone in (0..before.len()).filter(|&old| successors[old].is_none()) {
            take_back(before, gone, &successors, &mut used);
        }
        let each: Vec<Option<f64>> = used.iter().map(|used| Some(used.as_ref()?.all())).collect();
        let is_quiet = prev.forks.is_some()
            && prev.forks == next.forks
            && successors.iter().all(Option::is_some)
            && origins
                .iter()
                .all(|origin| matches!(origin, Origin::Old(_)));
        Self {
            exited: exited(prev, next, &each, is_quiet),
            each,
            passed: next.at.saturating_duration_since(prev.at).as_secs_f64(),
        }
    }

    /// `seconds` of CPU time as a share of all cores, in percent.
    pub(super) fn share(&self, seconds: f64, whole: Whole) -> Option<f64> {
        let machine = self.passed * whole.cores.max(1) as f64;
        (0.0 < machine).then(|| (100.0 * seconds / machine).clamp(0.0, 100.0))
    }
}

/// Where a process of the second list comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// It was in the first list, at this place.
    Old(usize),
    /// It started since then, so all that it has used belongs here: short-lived processes are often the culprits.
    New,
    Unknown,
}

/// The place of `task` in an earlier list: another process may have had its number.
#[expect(
    clippy::float_cmp,
    reason = "the same count of ticks, converted the same way"
)]
pub(super) fn same(before: &[Task], task: &Task) -> Option<usize> {
    find(before, task.pid).filter(|&old| before[old].started == task.started)
}

fn origin(prev: &Roll, before: &[Task], task: &Task) -> Origin {
    match same(before, task) {
        Some(old) => Origin::Old(old),
        None if prev
            .since_boot
            .is_some_and(|then| then - GRAIN <= task.started) =>
        {
            Origin::New
        }
        None => Origin::Unknown,
    }
}

/// The place of a process in a list.
fn find(tasks: &[Task], pid: u32) -> Option<usize> {
    tasks.binary_search_by_key(&pid, |task| task.pid).ok()
}

/// CPU time since the first list.
#[derive(Debug, Clone, Copy)]
struct Used {
    own: Duration,
    reaped: Duration,
}

impl Used {
    fn all(&self) -> f64 {
        self.own.saturating_add(self.reaped).as_secs_f64()
    }
}

impl Origin {
    fn used(self, before: &[Task], task: &Task) -> Option<Used> {
        let (cpu, reaped) = match self {
            Self::Old(old) => (before[old].cpu, before[old].reaped),
            Self::New => (Duration::ZERO, Duration::ZERO),
            Self::Unknown => return None,
        };
        Some(Used {
            own: task.cpu.checked_sub(cpu)?,
            reaped: task.reaped.checked_sub(reaped)?,
        })
    }
}

/// Takes what the process at `gone` had used before the first list from the one that has taken note of its end: its
/// parent, or, if that has ended or hasn't noted so much, one further up.
fn take_back(
    before: &[Task],
    gone: usize,
    successors: &[Option<usize>],
    used: &mut [Option<Used>],
) {
    let mut rest = before[gone].cpu.saturating_add(before[gone].reaped);
    let mut at = gone;
    // No longer than the longest line of parents.
    for _ in 0..before.len() {
        let Some(parent) = find(before, before[at].parent) else {
            return;
        };
        if let Some(used) = successors[parent].and_then(|place| used[place].as_mut()) {
            let part = rest.min(used.reaped);
            used.reaped -= part;
            rest -= part;
        }
        if rest.is_zero() {
            return;
        }
        at = parent;
    }
}

/// What is left of the time that all processes have used. The kernel measures the two in different ways, so a small part
/// of it is chance; if no process has come or gone (`is_quiet`), all of it is.
fn exited(prev: &Roll, next: &Roll, each: &[Option<f64>], is_quiet: bool) -> Option<f64> {
    let all = next.cpu?.checked_sub(prev.cpu?)?.as_secs_f64();
    next.processes.as_ref()?;
    // In as much time as there is between the lists.
    let passed = |before: Instant, now: Instant| now.saturating_duration_since(before);
    let (lists, totals) = (
        passed(prev.at, next.at),
        passed(prev.cpu_at, next.cpu_at).max(SHORTEST),
    );
    let all = all * lists.as_secs_f64() / totals.as_secs_f64();
    let listed: f64 = each.iter().copied().sum::<Option<f64>>()?;
    Some(if is_quiet {
        0.0
    } else {
        (all - listed).max(0.0)
    })
}

#[cfg(test)]
mod tests;

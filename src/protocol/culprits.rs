//! The processes that alerts are blamed on.

use super::{Process, entry, parts, section};

/// What no process of the machine does to it.
pub const BLAMELESS: [&str; 2] = ["steal", "oomKills"];

/// Metrics that rise while tasks wait for a disk.
const WAITING: [&str; 7] = [
    "diskAwait",
    "diskBusy",
    "diskQueue",
    "iowait",
    "pressureIo",
    "pressureIoFull",
    "tasksBlocked",
];

/// Whether those who wait for a disk are to blame for `metric`, not those who use most.
#[must_use]
pub fn is_about_waiting(metric: &str) -> bool {
    WAITING.contains(&parts(metric).0)
}

/// The first of `top` that waits for a disk and can't be interrupted. Threads of the kernel, which have no memory, wait on
/// behalf of others.
pub fn waiting<'a>(top: impl IntoIterator<Item = &'a Process>) -> Option<&'a Process> {
    let waits = |process: &&Process| process.state.as_deref() == Some("D");
    let waiting: Vec<_> = top.into_iter().filter(waits).collect();
    let is_program = |process: &&&Process| 0.0 < process.memory;
    let first = waiting.iter().find(is_program).or(waiting.first());
    first.copied()
}

/// The first of a list of processes by each of their shares, and the first that waits for a disk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Culprits {
    busiest: Option<Process>,
    largest: Option<Process>,
    waiting: Option<Process>,
}

impl Culprits {
    /// Those among `top`. One without a share is not to blame.
    #[must_use]
    pub fn among<'a>(top: impl IntoIterator<Item = &'a Process>) -> Self {
        let top: Vec<&Process> = top.into_iter().collect();
        let first = |share: fn(&Process) -> f64| {
            let mut first: Option<&Process> = None;
            for &process in &top {
                if first.map_or(0.0, share) < share(process) {
                    first = Some(process);
                }
            }
            first.cloned()
        };
        Self {
            busiest: first(|process| process.cpu),
            largest: first(|process| process.memory),
            waiting: waiting(top.iter().copied()).cloned(),
        }
    }

    /// The first to blame for an alert about `metric`, with its share of the machine in percent: the busiest for CPU, the
    /// largest for memory; one that waits, without a share, for what makes it wait; and none for anything else.
    #[must_use]
    pub fn of(&self, metric: &str) -> Option<(&Process, Option<f64>)> {
        let with = |share: fn(&Process) -> f64| move |process| (process, Some(share(process)));
        match entry(parts(metric).0)?.section {
            _ if BLAMELESS.contains(&metric) => None,
            _ if is_about_waiting(metric) => self.waiting.as_ref().map(|process| (process, None)),
            section::CPU => self.busiest.as_ref().map(with(|process| process.cpu)),
            section::MEMORY => self.largest.as_ref().map(with(|process| process.memory)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_its_culprit() {
        let process = |name: &str, cpu, memory, state: &str| Process {
            name: name.into(),
            cpu,
            memory,
            state: Some(state.into()),
            ..Process::default()
        };
        let top = [
            process("rustc", 61.0, 4.0, "R"),
            process("kworker/u4:2", 2.0, 0.0, "D"),
            process("dd", 0.5, 0.1, "D"),
            process("java", 0.1, 71.0, "S"),
        ];
        let culprits = Culprits::among(&top);
        for (metric, expected) in [
            ("cpu", Some(("rustc", Some(61.0)))),
            ("cpu:3", Some(("rustc", Some(61.0)))),
            ("memory", Some(("java", Some(71.0)))),
            ("iowait", Some(("dd", None))),
            ("pressureIo", Some(("dd", None))),
            ("diskAwait:sda", Some(("dd", None))),
            ("steal", None),
            ("disk:/var", None),
        ] {
            let found = culprits.of(metric).map(|(it, share)| (&*it.name, share));
            assert_eq!(found, expected, "{metric}");
        }
        assert_eq!(waiting(&top[..2]).unwrap().name, "kworker/u4:2");
    }
}

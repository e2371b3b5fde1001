//! A machine made of files: what a small tree that stands in for /proc and /sys gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::derive::derive;
use super::linux;
use super::reading::Pressure;
use super::spaces::AskSpace;
use super::top::{containers, top};
use super::usage::Usage;
use super::{Own, read};

/// The values of the machine below `root`, two seconds after a first reading, before which `change` runs. A process in
/// `top` is a value with the process's share of memory, a container two values with its shares.
pub(super) fn values(
    root: &Path,
    ask: AskSpace,
    change: impl FnOnce(),
) -> BTreeMap<String, Option<f64>> {
    let roots = linux::Roots::below(root, ask);
    let mut roster = linux::Roster::of(&roots, 5);
    let mut machine = linux::Machine::of(roots);
    let prev = read(&mut machine, Own::default());
    let prev_roll = roster.read();
    change();
    machine.settle();
    let mut next = read(&mut machine, Own::default());
    next.at = prev.at + Duration::from_secs(2);
    // The only clocks that aren't below the root.
    next.agent.cpu = prev.agent.cpu;
    let Pressure { cpu, memory, io } = &mut next.pressure;
    let kinds = [
        (cpu, prev.pressure.cpu),
        (memory, prev.pressure.memory),
        (io, prev.pressure.io),
    ];
    for (now, before) in kinds {
        if let (Some(now), Some(before)) = (now, before) {
            now.at = before.at + Duration::from_secs(2);
        }
    }
    let mut next_roll = roster.read();
    next_roll.at = prev_roll.at + Duration::from_secs(2);
    next_roll.cpu_at = prev_roll.cpu_at + Duration::from_secs(2);
    let usage = Usage::between(&prev_roll, &next_roll);
    let exited = usage
        .exited
        .and_then(|used| usage.share(used, next.whole()));
    let mut values = derive(&prev, &next);
    values.percent("exitedCpu", exited);
    let mut values = values.all();
    for process in top([&prev_roll, &next_roll], &usage, next.whole(), 5)
        .into_iter()
        .flatten()
    {
        let name = format!("top:{} {}", process.pid, process.name);
        values.insert(name, Some(process.memory));
    }
    let containers = containers(&prev_roll, &next_roll, next.whole());
    for container in containers.into_iter().flatten() {
        let name = |part| format!("container:{} {part}", container.name);
        values.insert(name("cpu"), container.cpu);
        values.insert(name("memory"), container.memory);
    }
    values
}

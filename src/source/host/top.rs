//! The processes and containers that use most, and the processes that wait. Pure.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::protocol::{Container, Process, round_nonzero};

use super::reading::{Roll, Task, Whole};
use super::usage::{Usage, same};

/// The state of a process that waits, mostly for a disk, and can't be interrupted.
const UNINTERRUPTIBLE: char = 'D';

/// The top `count` processes of `next` by CPU, the top `count` by memory, and at most `count` that wait for a disk, each
/// once, the busiest first, with their shares of `whole`. `None` if processes could not be listed.
pub(super) fn top(
    [prev, next]: [&Roll; 2],
    usage: &Usage,
    whole: Whole,
    count: usize,
) -> Option<Vec<Process>> {
    let tasks = next.processes.as_ref()?;
    let share = |used: &Option<f64>| used.and_then(|seconds| usage.share(seconds, whole));
    // 0 if not known yet.
    let rounded = |used| round_nonzero(share(used).unwrap_or(0.0), 0.01);
    let shares: Vec<f64> = usage.each.iter().map(rounded).collect();
    // Among idle processes, the large ones are of interest, not those with the lowest numbers.
    let by_cpu = |&a: &usize, &b: &usize| {
        falling(shares[a], shares[b])
            .then(tasks[b].memory.cmp(&tasks[a].memory))
            .then(a.cmp(&b))
    };
    let by_memory = |&a: &usize, &b: &usize| tasks[b].memory.cmp(&tasks[a].memory).then(a.cmp(&b));
    let mut chosen: HashSet<usize> = first(tasks.len(), count, by_cpu).into_iter().collect();
    chosen.extend(first(tasks.len(), count, by_memory));
    let mut waiting = waiting(prev, tasks, &shares);
    waiting.truncate(count);
    chosen.extend(waiting);
    let mut processes: Vec<Process> = chosen
        .into_iter()
        .map(|place| Process {
            pid: tasks[place].pid,
            name: tasks[place].name.clone(),
            cpu: shares[place],
            memory: memory_share(&tasks[place], whole),
            rss: Some(tasks[place].memory),
            state: tasks[place].state.map(String::from),
            threads: tasks[place].threads,
        })
        .collect();
    processes.sort_unstable_by(|a, b| falling(a.cpu, b.cpu).then(a.pid.cmp(&b.pid)));
    Some(processes)
}

/// The places of those that wait for a disk: first those that use some CPU, then those that waited in the reading before
/// too. A process that makes others wait hardly uses any CPU itself, but one that uses none may have hung for days.
/// Threads of the kernel wait on behalf of programs, so they count only if no program waits.
fn waiting(prev: &Roll, tasks: &[Task], shares: &[f64]) -> Vec<usize> {
    let before = prev.processes.as_deref().unwrap_or_default();
    let waits = |task: &Task| task.state == Some(UNINTERRUPTIBLE);
    let is_new =
        |&place: &usize| !same(before, &tasks[place]).is_some_and(|old| waits(&before[old]));
    let mut places: Vec<usize> = (0..tasks.len())
        .filter(|&place| waits(&tasks[place]))
        .collect();
    if places.iter().any(|&place| !tasks[place].is_kernel) {
        places.retain(|&place| !tasks[place].is_kernel);
    }
    places.sort_by_key(|place| (shares[*place] == 0.0, is_new(place)));
    places
}

/// The top containers, with their shares of `whole`, in their order. `None` if there have never been any.
pub(super) fn containers(prev: &Roll, next: &Roll, whole: Whole) -> Option<Vec<Container>> {
    let machine = machine_seconds(prev, next, whole);
    let containers = next.containers.as_ref()?.iter();
    let shares = containers.map(|container| Container {
        name: container.name.clone(),
        cpu: container
            .cpu
            .filter(|_| 0.0 < machine)
            .map(|cpu| rounded_share(cpu.as_secs_f64(), machine)),
        memory: container
            .memory
            .filter(|_| 0 < whole.memory)
            .map(|memory| rounded_share(memory as f64, whole.memory as f64)),
    });
    Some(shares.collect())
}

/// The CPU time of all cores between two readings, in seconds.
fn machine_seconds(prev: &Roll, next: &Roll, whole: Whole) -> f64 {
    let seconds = next.at.saturating_duration_since(prev.at).as_secs_f64();
    seconds * whole.cores.max(1) as f64
}

/// In percent.
fn rounded_share(part: f64, whole: f64) -> f64 {
    round_nonzero((100.0 * part / whole).clamp(0.0, 100.0), 0.01)
}

/// The indices of the first `count` of `len` by `order`.
fn first(len: usize, count: usize, order: impl Fn(&usize, &usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..len).collect();
    if count < len {
        places.select_nth_unstable_by(count, order);
        places.truncate(count);
    }
    places
}

fn falling(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

fn memory_share(task: &Task, whole: Whole) -> f64 {
    if whole.memory == 0 {
        return 0.0;
    }
    rounded_share(task.memory as f64, whole.memory as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn task(pid: u32, started: f64, cpu_ms: u64, memory: u64) -> Task {
        Task {
            pid,
            name: format!("p{pid}"),
            started,
            cpu: Duration::from_millis(cpu_ms),
            parent: 1,
            reaped: Duration::ZERO,
            memory: memory * MIB,
            state: Some('S'),
            is_kernel: false,
            threads: Some(2),
        }
    }

    /// A small process that waits for a disk.
    fn stuck(pid: u32) -> Task {
        Task {
            state: Some('D'),
            ..task(pid, 0.0, 0, 1)
        }
    }

    fn kernel(task: Task) -> Task {
        Task {
            is_kernel: true,
            memory: 0,
            ..task
        }
    }

    /// Two readings one second apart on a machine with two cores and 1000 MiB.
    fn check(before: Vec<Task>, after: Vec<Task>, count: usize, expected: &[(u32, f64, f64)]) {
        let mut prev = Roll::begin();
        prev.since_boot = Some(100.0);
        prev.processes = Some(before);
        let mut next = prev.clone();
        next.at += Duration::from_secs(1);
        next.processes = Some(after);
        let whole = Whole {
            cores: 2,
            memory: 1000 * MIB,
        };
        let top = top([&prev, &next], &Usage::between(&prev, &next), whole, count).unwrap();
        let top: Vec<_> = top.iter().map(|p| (p.pid, p.cpu, p.memory)).collect();
        assert_eq!(top, expected);
    }

    #[test]
    fn the_union_of_both_lists_busiest_first() {
        check(
            vec![
                task(1, 0.0, 0, 10),
                task(2, 0.0, 0, 500),
                task(3, 0.0, 50, 20),
            ],
            vec![
                task(1, 0.0, 0, 10),
                task(2, 0.0, 0, 500),
                task(3, 0.0, 550, 20),
            ],
            1,
            &[(3, 25.0, 2.0), (2, 0.0, 50.0)],
        );
    }

    #[test]
    fn idle_processes_rank_by_memory() {
        check(
            vec![task(1, 0.0, 0, 1), task(2, 0.0, 0, 9), task(3, 0.0, 0, 5)],
            vec![task(1, 0.0, 0, 1), task(2, 0.0, 0, 9), task(3, 0.0, 0, 5)],
            2,
            &[(2, 0.0, 0.9), (3, 0.0, 0.5)],
        );
    }

    #[test]
    fn equal_processes_are_ordered_by_number() {
        check(
            vec![],
            vec![task(4, 0.0, 0, 9), task(7, 0.0, 0, 9), task(9, 0.0, 0, 9)],
            2,
            &[(4, 0.0, 0.9), (7, 0.0, 0.9)],
        );
    }

    #[test]
    fn an_older_process_seen_for_the_first_time_has_no_cpu_yet() {
        check(vec![], vec![task(5, 3.0, 60_000, 10)], 5, &[(5, 0.0, 1.0)]);
    }

    #[test]
    fn a_new_process_counts_in_full() {
        check(vec![], vec![task(5, 100.5, 400, 10)], 5, &[(5, 20.0, 1.0)]);
    }

    #[test]
    fn a_reused_number_is_another_process() {
        check(
            vec![task(5, 3.0, 60_000, 10)],
            vec![task(5, 100.5, 200, 10)],
            5,
            &[(5, 10.0, 1.0)],
        );
        check(
            vec![task(5, 3.0, 60_000, 10)],
            vec![task(5, 4.0, 60_200, 10)],
            5,
            &[(5, 0.0, 1.0)],
        );
    }

    #[test]
    fn who_waits_for_a_disk_is_listed_too() {
        check(
            vec![],
            vec![task(1, 0.0, 0, 9), stuck(2)],
            1,
            &[(1, 0.0, 0.9), (2, 0.0, 0.1)],
        );
    }

    #[test]
    fn of_many_that_wait_the_list_has_those_that_have_waited_longest() {
        let large = task(1, 0.0, 0, 9);
        check(
            vec![large.clone(), task(2, 0.0, 0, 1), stuck(3), stuck(4)],
            vec![large, stuck(2), stuck(3), task(4, 0.0, 0, 1), stuck(5)],
            1,
            &[(1, 0.0, 0.9), (3, 0.0, 0.1)],
        );
    }

    #[test]
    fn who_hangs_without_using_cpu_does_not_crowd_out_who_works() {
        let busy = |cpu_ms| task(1, 0.0, cpu_ms, 9);
        let working = |cpu_ms| Task {
            state: Some('D'),
            ..task(3, 0.0, cpu_ms, 1)
        };
        check(
            vec![busy(0), stuck(2), working(0)],
            vec![busy(1000), stuck(2), working(20)],
            1,
            &[(1, 50.0, 0.9), (3, 1.0, 0.1)],
        );
    }

    #[test]
    fn a_thread_of_the_kernel_waits_for_a_program_unless_none_does() {
        let large = task(1, 0.0, 0, 9);
        check(
            vec![],
            vec![large.clone(), kernel(stuck(2)), stuck(3)],
            2,
            &[(1, 0.0, 0.9), (3, 0.0, 0.1)],
        );
        check(
            vec![],
            vec![large, kernel(stuck(2))],
            1,
            &[(1, 0.0, 0.9), (2, 0.0, 0.0)],
        );
    }

    #[test]
    fn a_small_share_of_a_process_is_not_zero() {
        let mut small = task(8, 0.0, 10, 0);
        small.memory = 4096;
        let mut prev = Roll::begin();
        prev.processes = Some(vec![task(8, 0.0, 0, 0)]);
        let mut next = prev.clone();
        next.at += Duration::from_secs(3600);
        next.processes = Some(vec![small]);
        let whole = Whole {
            cores: 1,
            memory: 1 << 30,
        };
        let process = &top([&prev, &next], &Usage::between(&prev, &next), whole, 1).unwrap()[0];
        assert_eq!((process.cpu, process.memory), (0.000_28, 0.000_38));
        assert_eq!((process.rss, process.threads), (Some(4096), Some(2)));
        assert_eq!(process.state.as_deref(), Some("S"));
    }

    #[test]
    fn without_a_list_no_process_is_listed() {
        let roll = Roll::begin();
        let whole = Whole {
            cores: 1,
            memory: 1,
        };
        let usage = Usage::between(&roll, &roll);
        assert_eq!(top([&roll, &roll], &usage, whole, 5), None);
    }
}

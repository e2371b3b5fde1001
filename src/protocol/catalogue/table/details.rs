//! What explains the first values: their parts, and the queues, limits and errors behind them.

use crate::protocol::catalogue::{Entry, metric, section};

pub(super) const DETAILS: &[Entry] = &[
    metric("cpuUser", "%", "CPU user", section::CPU).exposed(
        "host_cpu_user_ratio",
        "Share of CPU time spent in programs, those of low priority included.",
    ),
    metric("cpuSystem", "%", "CPU system", section::CPU).exposed(
        "host_cpu_system_ratio",
        "Share of CPU time spent in the kernel, interrupts included.",
    ),
    metric("tasksRunnable", "", "Tasks runnable", section::CPU).exposed(
        "host_tasks_runnable",
        "Tasks that run or wait for a CPU, except the one that reads this.",
    ),
    metric("tasksBlocked", "", "Tasks blocked", section::CPU).exposed(
        "host_tasks_blocked",
        "Tasks that wait for I/O and can't be interrupted.",
    ),
    metric("contextSwitches", "1/s", "Context switches", section::CPU).exposed(
        "host_context_switches_per_second",
        "Switches from one task to another.",
    ),
    metric("forks", "1/s", "Forks", section::CPU)
        .exposed("host_forks_per_second", "Processes and threads created."),
];

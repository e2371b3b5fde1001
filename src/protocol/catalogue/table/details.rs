//! What explains the first values: their parts, and the queues, limits and errors behind them.

use crate::protocol::catalogue::{Entry, Levels, metric, section};

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
    metric("swapIn", "B/s", "Swap in", section::MEMORY).exposed(
        "host_swap_in_bytes_per_second",
        "Bytes read from the swap space.",
    ),
    metric("swapOut", "B/s", "Swap out", section::MEMORY).exposed(
        "host_swap_out_bytes_per_second",
        "Bytes written to the swap space.",
    ),
    metric("majorFaults", "1/s", "Major faults", section::MEMORY).exposed(
        "host_major_faults_per_second",
        "Accesses to memory that had to wait for a disk.",
    ),
    metric("memoryDirty", "B", "Memory dirty", section::MEMORY).exposed(
        "host_memory_dirty_bytes",
        "Memory that has yet to be written to disks, or is being written.",
    ),
    metric("pressureMemoryFull", "%", "Memory stalled", section::MEMORY)
        .exposed(
            "host_pressure_memory_full_ratio",
            "Share of time in which all tasks waited for memory.",
        )
        .levels(Levels::Percent),
    metric("pressureIoFull", "%", "I/O stalled", section::DISKS)
        .exposed(
            "host_pressure_io_full_ratio",
            "Share of time in which all tasks waited for I/O.",
        )
        .levels(Levels::Percent),
];

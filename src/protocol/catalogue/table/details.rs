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
    metric("diskFree", "B", "Disk free", section::FILESYSTEMS).each(
        "free",
        "mount",
        "host_filesystem_free_bytes",
        "Bytes of each filesystem that are free for users who are not root.",
    ),
    metric("diskSize", "B", "Disk size", section::FILESYSTEMS).each(
        "size",
        "mount",
        "host_filesystem_size_bytes",
        "Size of each filesystem.",
    ),
    metric("inodes", "%", "Inodes", section::FILESYSTEMS)
        .exposed(
            "host_inodes_usage_ratio",
            "Used share of the inodes of the filesystem that has the fewest left.",
        )
        .levels(Levels::Disk)
        .each(
            "inodes",
            "mount",
            "host_filesystem_inodes_usage_ratio",
            "Used share of the inodes of each filesystem.",
        ),
    metric("diskReads", "1/s", "Disk reads", section::DISKS)
        .exposed(
            "host_disk_reads_per_second",
            "Reads completed by all physical disks.",
        )
        .each(
            "reads",
            "device",
            "host_disk_device_reads_per_second",
            "Reads completed by each disk.",
        ),
    metric("diskWrites", "1/s", "Disk writes", section::DISKS)
        .exposed(
            "host_disk_writes_per_second",
            "Writes completed by all physical disks.",
        )
        .each(
            "writes",
            "device",
            "host_disk_device_writes_per_second",
            "Writes completed by each disk.",
        ),
    metric("diskAwait", "ms", "Disk await", section::DISKS)
        .exposed(
            "host_disk_await_seconds",
            "Mean time of a read or write, of all physical disks together.",
        )
        .each(
            "await",
            "device",
            "host_disk_device_await_seconds",
            "Mean time of a read or write of each disk.",
        ),
    metric("diskQueue", "", "Disk queue", section::DISKS)
        .exposed(
            "host_disk_queue_requests",
            "Mean number of requests in progress, of all physical disks together.",
        )
        .each(
            "queue",
            "device",
            "host_disk_device_queue_requests",
            "Mean number of requests in progress of each disk.",
        ),
    metric(
        "networkPacketsReceived",
        "1/s",
        "Packets in",
        section::NETWORK,
    )
    .exposed(
        "host_network_receive_packets_per_second",
        "Packets received on all counted interfaces.",
    )
    .each(
        "packets in",
        "interface",
        "host_network_interface_receive_packets_per_second",
        "Packets received on each interface.",
    ),
    metric("networkPacketsSent", "1/s", "Packets out", section::NETWORK)
        .exposed(
            "host_network_transmit_packets_per_second",
            "Packets sent on all counted interfaces.",
        )
        .each(
            "packets out",
            "interface",
            "host_network_interface_transmit_packets_per_second",
            "Packets sent on each interface.",
        ),
    metric("networkDrops", "1/s", "Network drops", section::NETWORK)
        .exposed(
            "host_network_drops_per_second",
            "Packets dropped on all counted interfaces, in both directions.",
        )
        .each(
            "drops",
            "interface",
            "host_network_interface_drops_per_second",
            "Packets dropped on each interface, in both directions.",
        ),
    metric("tcpConnections", "", "TCP connections", section::NETWORK).exposed(
        "host_tcp_connections",
        "TCP connections that are established.",
    ),
    metric("listenDrops", "1/s", "Listen drops", section::NETWORK).exposed(
        "host_tcp_listen_drops_per_second",
        "TCP connections that were dropped before a program accepted them.",
    ),
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
    metric("fileDescriptors", "%", "File descriptors", section::SYSTEM)
        .exposed(
            "host_file_descriptors_usage_ratio",
            "Open files, as a share of the system's limit.",
        )
        .levels(Levels::Percent),
    metric("conntrack", "%", "Conntrack", section::NETWORK)
        .exposed(
            "host_conntrack_usage_ratio",
            "Used share of the table of tracked connections.",
        )
        .levels(Levels::Percent),
    metric("exitedCpu", "%", "Exited CPU", section::CPU)
        .exposed(
            "host_exited_cpu_ratio",
            "CPU time of processes that have ended and that no listed process accounts for.",
        )
        .levels(Levels::Percent),
];

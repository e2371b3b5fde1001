//! What a screen shows first, and what belongs to it.

use crate::protocol::catalogue::{Entry, Levels, metric, section};

pub(super) const BASICS: &[Entry] = &[
    metric("cpu", "%", "CPU", section::CPU)
        .exposed("host_cpu_usage_ratio", "Busy share of all cores together.")
        .levels(Levels::Percent)
        .row(1)
        .each(
            "busy",
            "core",
            "host_cpu_core_usage_ratio",
            "Busy share of each core.",
        ),
    metric("iowait", "%", "I/O wait", section::CPU)
        .exposed(
            "host_cpu_iowait_ratio",
            "Share of CPU time spent waiting for I/O.",
        )
        .levels(Levels::Percent),
    metric("steal", "%", "CPU stolen", section::CPU)
        .exposed(
            "host_cpu_steal_ratio",
            "Share of CPU time that the hypervisor took.",
        )
        .levels(Levels::Percent),
    metric("memory", "%", "Memory", section::MEMORY)
        .exposed(
            "host_memory_usage_ratio",
            "Share of memory that is not available; inside a limited cgroup, of the limit.",
        )
        .levels(Levels::Percent)
        .row(2),
    metric("memoryUsed", "B", "Memory used", section::MEMORY)
        .exposed("host_memory_used_bytes", "Memory that is not available."),
    metric("memoryAvailable", "B", "Memory available", section::MEMORY)
        .exposed("host_memory_available_bytes", "Memory that is available."),
    metric("swap", "%", "Swap", section::MEMORY)
        .exposed("host_swap_usage_ratio", "Used share of the swap space.")
        .levels(Levels::Percent)
        .row(3),
    metric("load1", "", "Load 1 min", section::CPU)
        .exposed("host_load1", "Load average of 1 minute.")
        .levels(Levels::Load)
        .row(4),
    metric("load5", "", "Load 5 min", section::CPU)
        .exposed("host_load5", "Load average of 5 minutes.")
        .levels(Levels::Load),
    metric("load15", "", "Load 15 min", section::CPU)
        .exposed("host_load15", "Load average of 15 minutes.")
        .levels(Levels::Load),
    metric("disk", "%", "Disk", section::FILESYSTEMS)
        .exposed(
            "host_disk_usage_ratio",
            "Used share of the fullest filesystem.",
        )
        .levels(Levels::Disk)
        .row(5)
        .each(
            "used",
            "mount",
            "host_filesystem_usage_ratio",
            "Used share of each filesystem.",
        ),
    metric("diskRead", "B/s", "Disk read", section::DISKS)
        .exposed(
            "host_disk_read_bytes_per_second",
            "Bytes read from all physical disks.",
        )
        .row(8)
        .each(
            "read",
            "device",
            "host_disk_device_read_bytes_per_second",
            "Bytes read from each disk.",
        ),
    metric("diskWritten", "B/s", "Disk written", section::DISKS)
        .exposed(
            "host_disk_written_bytes_per_second",
            "Bytes written to all physical disks.",
        )
        .row(9)
        .each(
            "written",
            "device",
            "host_disk_device_written_bytes_per_second",
            "Bytes written to each disk.",
        ),
    metric("diskBusy", "%", "Disk busy", section::DISKS)
        .exposed(
            "host_disk_busy_ratio",
            "Share of time that the busiest disk had I/O under way.",
        )
        .levels(Levels::Percent)
        .each(
            "busy",
            "device",
            "host_disk_device_busy_ratio",
            "Share of time that each disk had I/O under way.",
        ),
    metric("networkReceived", "B/s", "Network in", section::NETWORK)
        .exposed(
            "host_network_receive_bytes_per_second",
            "Bytes received on all counted interfaces.",
        )
        .row(6)
        .each(
            "in",
            "interface",
            "host_network_interface_receive_bytes_per_second",
            "Bytes received on each interface.",
        ),
    metric("networkSent", "B/s", "Network out", section::NETWORK)
        .exposed(
            "host_network_transmit_bytes_per_second",
            "Bytes sent on all counted interfaces.",
        )
        .row(7)
        .each(
            "out",
            "interface",
            "host_network_interface_transmit_bytes_per_second",
            "Bytes sent on each interface.",
        ),
    metric("networkErrors", "1/s", "Network errors", section::NETWORK)
        .exposed(
            "host_network_errors_per_second",
            "Errors of all counted network interfaces, in both directions.",
        )
        .each(
            "errors",
            "interface",
            "host_network_interface_errors_per_second",
            "Errors of each network interface.",
        ),
    metric("tcpRetransmits", "1/s", "TCP retransmits", section::NETWORK).exposed(
        "host_tcp_retransmits_per_second",
        "TCP segments sent again.",
    ),
    metric("oomKills", "1/s", "OOM kills", section::MEMORY).exposed(
        "host_oom_kills_per_second",
        "Processes killed for lack of memory.",
    ),
    metric("temperature", "°C", "Temperature", section::TEMPERATURES)
        .exposed(
            "host_temperature_celsius",
            "Temperature of the hottest sensor.",
        )
        .each(
            "now",
            "sensor",
            "host_sensor_temperature_celsius",
            "Temperature of each sensor.",
        ),
    metric("pressureCpu", "%", "CPU pressure", section::CPU)
        .exposed(
            "host_pressure_cpu_ratio",
            "Share of time in which some task waited for a CPU.",
        )
        .levels(Levels::Percent),
    metric("pressureMemory", "%", "Memory pressure", section::MEMORY)
        .exposed(
            "host_pressure_memory_ratio",
            "Share of time in which some task waited for memory.",
        )
        .levels(Levels::Percent),
    metric("pressureIo", "%", "I/O pressure", section::DISKS)
        .exposed(
            "host_pressure_io_ratio",
            "Share of time in which some task waited for I/O.",
        )
        .levels(Levels::Percent),
    metric("processCount", "", "Processes", section::SYSTEM)
        .exposed("host_processes", "Processes that exist."),
    metric("uptime", "s", "Uptime", section::SYSTEM)
        .exposed("host_uptime_seconds", "Time since boot.")
        .in_header(),
    metric("activeUsers", "users", "Active users", section::SYSTEM)
        .exposed(
            "host_active_users",
            "Different users that are logged in, or as the application reports.",
        )
        .or_reported_as("App users")
        .row(11),
    metric(
        "requestsPerSecond",
        "1/s",
        "TCP accepts/s",
        section::NETWORK,
    )
    .exposed(
        "host_requests_per_second",
        "TCP connections accepted, or requests as the application reports.",
    )
    .or_reported_as("Requests/s")
    .row(10),
];

//! How each of our metrics is told to Prometheus.

/// How one of our metrics is told: its name, that of the whole, what it means, and of an instance the label, the name
/// and the meaning.
pub(super) struct Family {
    pub(super) ours: &'static str,
    pub(super) whole: &'static str,
    pub(super) instance: Option<(&'static str, &'static str, &'static str)>,
    unit: Unit,
    pub(super) help: &'static str,
}

/// What our values are in.
#[derive(Clone, Copy)]
enum Unit {
    /// Percent, told as ratios.
    Percent,
    /// A base unit already.
    Base,
}

use Unit::{Base, Percent};

const fn family(ours: &'static str, whole: &'static str, unit: Unit, help: &'static str) -> Family {
    Family {
        ours,
        whole,
        instance: None,
        unit,
        help,
    }
}

impl Family {
    const fn by(mut self, label: &'static str, instance: &'static str, help: &'static str) -> Self {
        self.instance = Some((label, instance, help));
        self
    }

    pub(super) fn base(&self, value: f64) -> f64 {
        match self.unit {
            Percent => ratio(value),
            Base => value,
        }
    }
}

/// `percent` by 100, as a decimal: dividing the double would give 0.9792000000000001 for 97.92.
fn ratio(percent: f64) -> f64 {
    let shortest = format!("{percent:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent = exponent.parse::<i32>().unwrap_or(0) - 2;
    let ratio = format!("{digits}e{exponent}").parse();
    ratio.unwrap_or(percent / 100.0)
}

pub(super) const FAMILIES: &[Family] = &[
    family(
        "cpu",
        "host_cpu_usage_ratio",
        Percent,
        "Busy share of all cores together.",
    )
    .by(
        "core",
        "host_cpu_core_usage_ratio",
        "Busy share of each core.",
    ),
    family(
        "iowait",
        "host_cpu_iowait_ratio",
        Percent,
        "Share of CPU time spent waiting for I/O.",
    ),
    family(
        "steal",
        "host_cpu_steal_ratio",
        Percent,
        "Share of CPU time that the hypervisor took.",
    ),
    family(
        "memory",
        "host_memory_usage_ratio",
        Percent,
        "Share of memory that is not available; inside a limited cgroup, of the limit.",
    ),
    family(
        "memoryUsed",
        "host_memory_used_bytes",
        Base,
        "Memory that is not available.",
    ),
    family(
        "memoryAvailable",
        "host_memory_available_bytes",
        Base,
        "Memory that is available.",
    ),
    family(
        "swap",
        "host_swap_usage_ratio",
        Percent,
        "Used share of the swap space.",
    ),
    family("load1", "host_load1", Base, "Load average of 1 minute."),
    family("load5", "host_load5", Base, "Load average of 5 minutes."),
    family("load15", "host_load15", Base, "Load average of 15 minutes."),
    family(
        "disk",
        "host_disk_usage_ratio",
        Percent,
        "Used share of the fullest filesystem.",
    )
    .by(
        "mount",
        "host_filesystem_usage_ratio",
        "Used share of each filesystem.",
    ),
    family(
        "diskRead",
        "host_disk_read_bytes_per_second",
        Base,
        "Bytes read from all physical disks.",
    )
    .by(
        "device",
        "host_disk_device_read_bytes_per_second",
        "Bytes read from each disk.",
    ),
    family(
        "diskWritten",
        "host_disk_written_bytes_per_second",
        Base,
        "Bytes written to all physical disks.",
    )
    .by(
        "device",
        "host_disk_device_written_bytes_per_second",
        "Bytes written to each disk.",
    ),
    family(
        "diskBusy",
        "host_disk_busy_ratio",
        Percent,
        "Share of time that the busiest disk had I/O under way.",
    )
    .by(
        "device",
        "host_disk_device_busy_ratio",
        "Share of time that each disk had I/O under way.",
    ),
    family(
        "networkReceived",
        "host_network_receive_bytes_per_second",
        Base,
        "Bytes received on all counted interfaces.",
    )
    .by(
        "interface",
        "host_network_interface_receive_bytes_per_second",
        "Bytes received on each interface.",
    ),
    family(
        "networkSent",
        "host_network_transmit_bytes_per_second",
        Base,
        "Bytes sent on all counted interfaces.",
    )
    .by(
        "interface",
        "host_network_interface_transmit_bytes_per_second",
        "Bytes sent on each interface.",
    ),
    family(
        "networkErrors",
        "host_network_errors_per_second",
        Base,
        "Errors of all counted network interfaces, in both directions.",
    )
    .by(
        "interface",
        "host_network_interface_errors_per_second",
        "Errors of each network interface.",
    ),
    family(
        "tcpRetransmits",
        "host_tcp_retransmits_per_second",
        Base,
        "TCP segments sent again.",
    ),
    family(
        "oomKills",
        "host_oom_kills_per_second",
        Base,
        "Processes killed for lack of memory.",
    ),
    family(
        "temperature",
        "host_temperature_celsius",
        Base,
        "Temperature of the hottest sensor.",
    )
    .by(
        "sensor",
        "host_sensor_temperature_celsius",
        "Temperature of each sensor.",
    ),
    family(
        "pressureCpu",
        "host_pressure_cpu_ratio",
        Percent,
        "Share of the last 10 s in which some task waited for a CPU.",
    ),
    family(
        "pressureMemory",
        "host_pressure_memory_ratio",
        Percent,
        "Share of the last 10 s in which some task waited for memory.",
    ),
    family(
        "pressureIo",
        "host_pressure_io_ratio",
        Percent,
        "Share of the last 10 s in which some task waited for I/O.",
    ),
    family(
        "processCount",
        "host_processes",
        Base,
        "Processes that exist.",
    ),
    family("uptime", "host_uptime_seconds", Base, "Time since boot."),
    family(
        "activeUsers",
        "host_active_users",
        Base,
        "Different users that are logged in, or as the application reports.",
    ),
    family(
        "requestsPerSecond",
        "host_requests_per_second",
        Base,
        "TCP connections accepted, or requests as the application reports.",
    ),
    family(
        "agentCpu",
        "host_agent_cpu_ratio",
        Percent,
        "Share of all cores that the measuring server itself takes.",
    ),
    family(
        "agentMemory",
        "host_agent_memory_bytes",
        Base,
        "Resident memory of the measuring server.",
    ),
    family(
        "viewers",
        "host_viewers",
        Base,
        "Viewers connected when the sample was taken.",
    ),
];

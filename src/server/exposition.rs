//! `/metrics`: the newest sample of each host, and the server itself, for Prometheus.
//!
//! The text format, version 0.0.4, with base units: ratios instead of percent, seconds, bytes.

use std::fmt::Write as _;

use crate::hub::Hub;
use crate::protocol::{HostName, Sample};

use super::counts::Viewers;

/// The media type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How one of our metrics is told: its name, that of the whole and that of an instance, the instance's label, by what a
/// value is divided, and what it means.
struct Family {
    ours: &'static str,
    whole: &'static str,
    instance: Option<(&'static str, &'static str)>,
    divisor: f64,
    help: &'static str,
}

const PERCENT: f64 = 100.0;

const fn family(
    ours: &'static str,
    whole: &'static str,
    divisor: f64,
    help: &'static str,
) -> Family {
    Family {
        ours,
        whole,
        instance: None,
        divisor,
        help,
    }
}

impl Family {
    const fn by(mut self, label: &'static str, instance: &'static str) -> Self {
        self.instance = Some((label, instance));
        self
    }
}

const FAMILIES: &[Family] = &[
    family(
        "cpu",
        "host_cpu_usage_ratio",
        PERCENT,
        "Busy share of all cores.",
    )
    .by("core", "host_cpu_core_usage_ratio"),
    family(
        "iowait",
        "host_cpu_iowait_ratio",
        PERCENT,
        "Share of CPU time spent waiting for I/O.",
    ),
    family(
        "steal",
        "host_cpu_steal_ratio",
        PERCENT,
        "Share of CPU time that the hypervisor took.",
    ),
    family(
        "memory",
        "host_memory_usage_ratio",
        PERCENT,
        "Memory that is not available, of all of it.",
    ),
    family(
        "memoryUsed",
        "host_memory_used_bytes",
        1.0,
        "Memory that is not available.",
    ),
    family(
        "memoryAvailable",
        "host_memory_available_bytes",
        1.0,
        "Memory that is available.",
    ),
    family(
        "swap",
        "host_swap_usage_ratio",
        PERCENT,
        "Used share of the swap space.",
    ),
    family("load1", "host_load1", 1.0, "Load average of 1 minute."),
    family("load5", "host_load5", 1.0, "Load average of 5 minutes."),
    family("load15", "host_load15", 1.0, "Load average of 15 minutes."),
    family(
        "disk",
        "host_disk_usage_ratio",
        PERCENT,
        "Used share of the fullest filesystem.",
    )
    .by("mount", "host_filesystem_usage_ratio"),
    family(
        "diskRead",
        "host_disk_read_bytes_per_second",
        1.0,
        "Bytes read from disks.",
    )
    .by("device", "host_disk_device_read_bytes_per_second"),
    family(
        "diskWritten",
        "host_disk_written_bytes_per_second",
        1.0,
        "Bytes written to disks.",
    )
    .by("device", "host_disk_device_written_bytes_per_second"),
    family(
        "diskBusy",
        "host_disk_busy_ratio",
        PERCENT,
        "Share of time with I/O under way.",
    )
    .by("device", "host_disk_device_busy_ratio"),
    family(
        "networkReceived",
        "host_network_receive_bytes_per_second",
        1.0,
        "Bytes received.",
    )
    .by(
        "interface",
        "host_network_interface_receive_bytes_per_second",
    ),
    family(
        "networkSent",
        "host_network_transmit_bytes_per_second",
        1.0,
        "Bytes sent.",
    )
    .by(
        "interface",
        "host_network_interface_transmit_bytes_per_second",
    ),
    family(
        "networkErrors",
        "host_network_errors_per_second",
        1.0,
        "Errors of network interfaces.",
    )
    .by("interface", "host_network_interface_errors_per_second"),
    family(
        "tcpRetransmits",
        "host_tcp_retransmits_per_second",
        1.0,
        "TCP segments sent again.",
    ),
    family(
        "oomKills",
        "host_oom_kills_per_second",
        1.0,
        "Processes killed for lack of memory.",
    ),
    family(
        "temperature",
        "host_temperature_celsius",
        1.0,
        "The hottest sensor.",
    )
    .by("sensor", "host_sensor_temperature_celsius"),
    family(
        "pressureCpu",
        "host_pressure_cpu_ratio",
        PERCENT,
        "Time that tasks waited for a CPU, over 10 s.",
    ),
    family(
        "pressureMemory",
        "host_pressure_memory_ratio",
        PERCENT,
        "Time that tasks waited for memory, over 10 s.",
    ),
    family(
        "pressureIo",
        "host_pressure_io_ratio",
        PERCENT,
        "Time that tasks waited for I/O, over 10 s.",
    ),
    family("processCount", "host_processes", 1.0, "Processes."),
    family("uptime", "host_uptime_seconds", 1.0, "Time since boot."),
    family(
        "activeUsers",
        "host_active_users",
        1.0,
        "Users that are logged in, or as the application reports.",
    ),
    family(
        "requestsPerSecond",
        "host_requests_per_second",
        1.0,
        "TCP connections accepted, or requests as the application reports.",
    ),
    family(
        "agentCpu",
        "host_agent_cpu_ratio",
        PERCENT,
        "Share of the machine's CPU that this server takes.",
    ),
    family(
        "agentMemory",
        "host_agent_memory_bytes",
        1.0,
        "Resident memory of this server.",
    ),
    family(
        "viewers",
        "host_viewers",
        1.0,
        "Viewers connected when the sample was taken.",
    ),
];

/// The whole exposition.
pub(super) fn text(hub: &Hub, viewers: &Viewers) -> String {
    let samples = hub.newest();
    let mut text = String::with_capacity(8 * 1024);
    for family in FAMILIES {
        family.write(&samples, &mut text);
    }
    write_others(&samples, &mut text);
    let taken = samples.iter().map(|(host, sample)| {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
        let seconds = sample.timestamp as f64 / 1000.0;
        (labels(host, None), seconds)
    });
    gauge(
        &mut text,
        "host_sample_timestamp_seconds",
        "When the sample was taken.",
        taken,
    );
    viewers.expose(&mut text);
    text
}

impl Family {
    fn write(&self, samples: &[(HostName, Sample)], text: &mut String) {
        let whole = samples.iter().filter_map(|(host, sample)| {
            Some((labels(host, None), sample.get(self.ours)? / self.divisor))
        });
        gauge(text, self.whole, self.help, whole);
        let Some((label, name)) = self.instance else {
            return;
        };
        let instances = samples.iter().flat_map(|(host, sample)| {
            sample.values.iter().filter_map(move |(key, value)| {
                let instance = key.strip_prefix(self.ours)?.strip_prefix(':')?;
                Some((labels(host, Some((label, instance))), value / self.divisor))
            })
        });
        gauge(text, name, self.help, instances);
    }
}

/// Values whose names are not of the catalogue, as the application reports them.
fn write_others(samples: &[(HostName, Sample)], text: &mut String) {
    let is_known = |key: &str| {
        FAMILIES.iter().any(|family| {
            let rest = key.strip_prefix(family.ours);
            rest.is_some_and(|rest| {
                rest.is_empty() || family.instance.is_some() && rest.starts_with(':')
            })
        })
    };
    let others = samples.iter().flat_map(|(host, sample)| {
        let others = sample.values.iter().filter(|(key, _)| !is_known(key));
        others.map(move |(key, value)| (labels(host, Some(("name", key))), *value))
    });
    gauge(text, "host_other", "Values of other names.", others);
}

fn labels(host: &HostName, instance: Option<(&str, &str)>) -> String {
    match instance {
        None => format!("host=\"{host}\""),
        Some((label, value)) => format!("host=\"{host}\",{label}=\"{}\"", escaped(value)),
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// One family of gauges; nothing at all where there is no value.
fn gauge(text: &mut String, name: &str, help: &str, values: impl Iterator<Item = (String, f64)>) {
    family_of(text, (name, "gauge", help), values);
}

/// One family with a single value.
pub(super) fn single(text: &mut String, family: (&str, &str, &str), value: f64) {
    family_of(text, family, std::iter::once((String::new(), value)));
}

/// One family of the text format.
pub(super) fn family_of(
    text: &mut String,
    (name, kind, help): (&str, &str, &str),
    values: impl Iterator<Item = (String, f64)>,
) {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return;
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = match labels.as_str() {
            "" => writeln!(text, "{name} {value}"),
            labels => writeln!(text, "{name}{{{labels}}} {value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(values: &[(&str, f64)]) -> Vec<String> {
        let values = values
            .iter()
            .map(|&(name, value)| (name.into(), value))
            .collect();
        let sample = Sample {
            timestamp: 1500,
            values,
            top: None,
        };
        let samples = [("web-1".parse().unwrap(), sample)];
        let mut text = String::new();
        for family in FAMILIES {
            family.write(&samples, &mut text);
        }
        write_others(&samples, &mut text);
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(ToOwned::to_owned)
            .collect()
    }

    #[test]
    fn values_are_in_base_units_with_labels() {
        let lines = exposed(&[
            ("cpu", 50.0),
            ("cpu:0", 25.0),
            ("disk:/a\"b", 1.0),
            ("memoryUsed", 7.0),
        ]);
        assert_eq!(
            lines,
            [
                "host_cpu_usage_ratio{host=\"web-1\"} 0.5",
                "host_cpu_core_usage_ratio{host=\"web-1\",core=\"0\"} 0.25",
                "host_memory_used_bytes{host=\"web-1\"} 7",
                "host_filesystem_usage_ratio{host=\"web-1\",mount=\"/a\\\"b\"} 0.01",
            ]
        );
    }

    #[test]
    fn other_names_are_labels() {
        let lines = exposed(&[("queue:mail", 3.0), ("cpuX", 1.0), ("load1:x", 2.0)]);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "host_other{host=\"web-1\",name=\"queue:mail\"} 3");
    }

    #[test]
    fn every_metric_of_the_catalogue_has_a_family() {
        for name in crate::protocol::well_known() {
            assert!(FAMILIES.iter().any(|family| family.ours == name), "{name}");
        }
    }
}

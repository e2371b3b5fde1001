//! What the well-known metric names mean: unit, label, and the levels at which a person should look.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::number::optional_number;

/// What a viewer needs to know about one metric.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricInfo {
    /// The key in a sample: `name` or `name:instance`.
    pub name: String,
    /// `%`, `B`, `B/s`, `1/s`, `s`, `°C`, `users`, or empty for a plain number.
    pub unit: String,
    /// What to show a person instead of the key.
    pub label: String,
    /// The level from which the value deserves a look, where there is one.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub warn: Option<f64>,
    /// The level from which the value demands action, where there is one.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub critical: Option<f64>,
}

/// Warn and critical levels of a metric.
#[derive(Clone, Copy)]
enum Levels {
    None,
    /// 70 and 90.
    Percent,
    /// 80 and 90: disks fill slowly and are normal at 75.
    Disk,
    /// 0.7 and 1.0 for each core; none where their number is unknown.
    Load,
}

/// Name, unit, label and levels. An instance (`cpu:0`) shares the row of its name where it has none of its own.
const CATALOGUE: &[(&str, &str, &str, Levels)] = &[
    ("cpu", "%", "CPU", Levels::Percent),
    ("iowait", "%", "I/O wait", Levels::Percent),
    ("steal", "%", "CPU stolen", Levels::Percent),
    ("memory", "%", "Memory", Levels::Percent),
    ("memoryUsed", "B", "Memory used", Levels::None),
    ("memoryAvailable", "B", "Memory available", Levels::None),
    ("swap", "%", "Swap", Levels::Percent),
    ("load1", "", "Load 1 min", Levels::Load),
    ("load5", "", "Load 5 min", Levels::Load),
    ("load15", "", "Load 15 min", Levels::Load),
    ("disk", "%", "Disk", Levels::Disk),
    ("diskRead", "B/s", "Disk read", Levels::None),
    ("diskWritten", "B/s", "Disk written", Levels::None),
    ("diskBusy", "%", "Disk busy", Levels::Percent),
    ("networkReceived", "B/s", "Network in", Levels::None),
    ("networkSent", "B/s", "Network out", Levels::None),
    ("networkErrors", "1/s", "Network errors", Levels::None),
    ("tcpRetransmits", "1/s", "TCP retransmits", Levels::None),
    ("oomKills", "1/s", "OOM kills", Levels::None),
    ("temperature", "°C", "Temperature", Levels::None),
    ("pressureCpu", "%", "CPU pressure", Levels::Percent),
    ("pressureMemory", "%", "Memory pressure", Levels::Percent),
    ("pressureIo", "%", "I/O pressure", Levels::Percent),
    ("processCount", "", "Processes", Levels::None),
    ("uptime", "s", "Uptime", Levels::None),
    ("activeUsers", "users", "Active users", Levels::None),
    ("requestsPerSecond", "1/s", "TCP accepts/s", Levels::None),
    ("agentCpu", "%", "Agent CPU", Levels::None),
    ("agentMemory", "B", "Agent memory", Levels::None),
    ("viewers", "", "Viewers", Levels::None),
];

/// The names that a host may measure, in the order in which its samples carry them.
pub fn well_known() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|&(name, ..)| name)
}

/// The number of logical cores that metrics named `names` speak of as `cpu:N`; 0 where it is unknown. Names without core
/// 0 are what somebody left of a longer list.
pub fn cores_among<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    let number = |name: &str| name.strip_prefix("cpu:")?.parse::<u32>().ok();
    let cores: BTreeSet<u32> = names.into_iter().filter_map(number).collect();
    if cores.contains(&0) { cores.len() } else { 0 }
}

/// What is known of the metric `name` on a machine with `cores` logical cores; where their number is unknown (0), load
/// has no levels. An unknown name is its own label, with no unit and no levels.
#[must_use]
pub fn describe(name: &str, cores: usize) -> MetricInfo {
    let (family, instance) = name
        .split_once(':')
        .map_or((name, None), |(family, instance)| (family, Some(instance)));
    let Some(&(_, unit, label, levels)) = CATALOGUE.iter().find(|(known, ..)| *known == family)
    else {
        return MetricInfo {
            name: name.into(),
            label: name.into(),
            ..MetricInfo::default()
        };
    };
    #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 cores")]
    let per_core = |level: f64| (cores != 0).then(|| super::round_to(level * cores as f64, 0.01));
    let (warn, critical) = match levels {
        Levels::None => (None, None),
        Levels::Percent => (Some(70.0), Some(90.0)),
        Levels::Disk => (Some(80.0), Some(90.0)),
        Levels::Load => (per_core(0.7), per_core(1.0)),
    };
    let label = instance.map_or_else(
        || label.to_owned(),
        |instance| format!("{label} {instance}"),
    );
    MetricInfo {
        name: name.into(),
        unit: unit.into(),
        label,
        warn,
        critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_unit_and_levels() {
        let core = describe("cpu:3", 8);
        assert_eq!((core.unit.as_str(), core.label.as_str()), ("%", "CPU 3"));
        assert_eq!((core.warn, core.critical), (Some(70.0), Some(90.0)));
        assert_eq!(describe("disk:/var:x", 8).label, "Disk /var:x");
        assert_eq!(describe("disk", 8).warn, Some(80.0));
    }

    #[test]
    fn load_is_judged_against_the_cores() {
        assert_eq!(
            (describe("load1", 8).warn, describe("load1", 8).critical),
            (Some(5.6), Some(8.0))
        );
    }

    #[test]
    fn load_has_no_level_where_the_cores_are_unknown() {
        for name in ["load1", "load5", "load15"] {
            let load = describe(name, 0);
            assert_eq!((load.warn, load.critical), (None, None));
            assert!(!load.label.is_empty());
        }
        assert_eq!(describe("cpu", 0).warn, Some(70.0));
    }

    #[test]
    fn cores_are_counted_by_their_names() {
        for (names, cores) in [
            (&[] as &[&str], 0),
            (
                &["cpu", "cpu:all", "cpu:", "xcpu:0", "cpu:0:1", "cpu:-1"],
                0,
            ),
            (&["cpu:3", "cpu:4"], 0),
            (&["cpu:0", "cpu:2", "cpu:0"], 2),
        ] {
            assert_eq!(cores_among(names.iter().copied()), cores, "{names:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_its_own_label() {
        let queue = describe("queue:mail", 1);
        assert_eq!(
            (queue.label.as_str(), queue.unit.as_str(), queue.warn),
            ("queue:mail", "", None)
        );
    }
}

//! Everything about a metric: its name, unit, label and levels, where a screen shows it, and its name in Prometheus. A
//! new metric takes a row in `table`, a line where it is read and one where it is derived.

mod table;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::number::optional_number;

/// What a viewer needs to know about one metric.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricInfo {
    /// The key in a sample: `name` or `name:instance`.
    pub name: String,
    /// `%`, `B`, `B/s`, `1/s`, `s`, `ms`, `°C`, `W`, `MHz`, `users`, or empty for a plain number.
    pub unit: String,
    /// What to show a person instead of the key.
    pub label: String,
    /// The heading under which a screen groups it; empty if an older server sent it.
    pub section: String,
    /// The level from which the value deserves attention, if there is one.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub warn: Option<f64>,
    /// The level from which the value requires action, if there is one.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_number"
    )]
    pub critical: Option<f64>,
}

/// The headings under which screens group metrics. A server may announce others.
pub mod section {
    /// The processors and the tasks waiting for them.
    pub const CPU: &str = "CPU";
    /// Memory and swap space.
    pub const MEMORY: &str = "Memory";
    /// The space on each filesystem.
    pub const FILESYSTEMS: &str = "Filesystems";
    /// Disk traffic.
    pub const DISKS: &str = "Disks";
    /// The traffic of network interfaces, and connections.
    pub const NETWORK: &str = "Network";
    /// Graphics cards and other accelerators of their kind.
    pub const GPU: &str = "GPU";
    /// Sensors.
    pub const TEMPERATURES: &str = "Temperatures";
    /// The machine as a whole.
    pub const SYSTEM: &str = "System";
    /// The cost of being watched.
    pub const AGENT: &str = "Agent";
    /// What an application on the host reports.
    pub const APPLICATION: &str = "Application";
    /// Names that are not in the catalogue.
    pub const OTHER: &str = "Other";
}

/// Everything about one metric, known only here. Code that reads, derives, announces, shows or exposes the metric takes
/// it from here.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The key in a sample, and the part before the `:` of an instance.
    pub name: &'static str,
    /// As [`MetricInfo::unit`].
    pub unit: &'static str,
    /// As [`MetricInfo::label`].
    pub label: &'static str,
    /// As [`MetricInfo::section`].
    pub section: &'static str,
    /// Where a screen shows the value for the whole machine.
    pub rank: Rank,
    /// The Prometheus family for the whole machine; `None` if there are only instances.
    pub exposed: Option<Exposed>,
    /// The same for `name:instance`, if there are instances.
    pub instances: Option<Instances>,
    /// The label once an application reports this metric, if it may.
    pub reported: Option<&'static str>,
    levels: Levels,
}

/// The position of a metric on the screen of one host. Smaller ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// In the header line.
    Header,
    /// Among the most important rows, from 1.
    Row(u8),
    /// Below them.
    Later,
}

/// A Prometheus family. A metric in percent is exposed as a ratio, one in milliseconds in seconds, one in MHz in hertz,
/// any other unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposed {
    /// Its name, which ends with its unit.
    pub name: &'static str,
    /// Its help text.
    pub help: &'static str,
}

/// Everything about the instances of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// The title of their column in a table with a row for each instance.
    pub column: &'static str,
    /// The Prometheus label that names the instance.
    pub label: &'static str,
    /// Their Prometheus family.
    pub exposed: Exposed,
}

/// Warn and critical levels of a metric.
#[derive(Debug, Clone, Copy)]
enum Levels {
    None,
    /// 70 and 90.
    Percent,
    /// 80 and 90: disks fill slowly and are normal at 75.
    Disk,
    /// 80 and 90 °C, where graphics cards begin to slow down.
    Heat,
    /// 0.7 and 1.0 per core; none if the number of cores is unknown.
    Load,
}

/// A row of the table: without levels, rank and instances.
const fn metric(
    name: &'static str,
    unit: &'static str,
    label: &'static str,
    section: &'static str,
) -> Entry {
    Entry {
        name,
        unit,
        label,
        section,
        rank: Rank::Later,
        exposed: None,
        instances: None,
        reported: None,
        levels: Levels::None,
    }
}

impl Entry {
    const fn exposed(mut self, name: &'static str, help: &'static str) -> Self {
        self.exposed = Some(Exposed { name, help });
        self
    }

    const fn levels(mut self, levels: Levels) -> Self {
        self.levels = levels;
        self
    }

    const fn row(mut self, rank: u8) -> Self {
        self.rank = Rank::Row(rank);
        self
    }

    const fn or_reported_as(mut self, label: &'static str) -> Self {
        self.reported = Some(label);
        self
    }

    const fn in_header(mut self) -> Self {
        self.rank = Rank::Header;
        self
    }

    const fn each(
        mut self,
        column: &'static str,
        label: &'static str,
        name: &'static str,
        help: &'static str,
    ) -> Self {
        self.instances = Some(Instances {
            column,
            label,
            exposed: Exposed { name, help },
        });
        self
    }
}

/// Every metric that a host may measure, in the order in which its samples carry them.
#[must_use]
pub fn catalogue() -> &'static [Entry] {
    &table::ENTRIES
}

/// The names of [`catalogue()`], in its order.
pub fn well_known() -> impl Iterator<Item = &'static str> {
    catalogue().iter().map(|entry| entry.name)
}

/// The catalogue's entry for the metric `name`, or for the metric that it is an instance of.
#[must_use]
pub fn entry(name: &str) -> Option<&'static Entry> {
    let (family, _) = parts(name);
    catalogue().iter().find(|entry| entry.name == family)
}

/// The metric and the instance of a key in a sample: `cpu` and `3` of `cpu:3`.
#[must_use]
pub fn parts(name: &str) -> (&str, Option<&str>) {
    name.split_once(':')
        .map_or((name, None), |(family, instance)| (family, Some(instance)))
}

/// The number of logical cores according to the `cpu:N` among `names`; 0 if unknown. Without core 0, the list was cut
/// down by somebody, so it doesn't count.
pub fn cores_among<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    let number = |name: &str| name.strip_prefix("cpu:")?.parse::<u32>().ok();
    let cores: BTreeSet<u32> = names.into_iter().filter_map(number).collect();
    if cores.contains(&0) { cores.len() } else { 0 }
}

/// The description of the metric `name` on a machine with `cores` logical cores; if their number is unknown (0), load
/// has no levels. An unknown name is its own label, with no unit and no levels, in the section [`section::OTHER`].
#[must_use]
pub fn describe(name: &str, cores: usize) -> MetricInfo {
    let Some(entry) = entry(name) else {
        return MetricInfo {
            name: name.into(),
            label: name.into(),
            section: section::OTHER.into(),
            ..MetricInfo::default()
        };
    };
    #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 cores")]
    let per_core = |level: f64| (cores != 0).then(|| super::round_to(level * cores as f64, 0.01));
    let (warn, critical) = match entry.levels {
        Levels::None => (None, None),
        Levels::Percent => (Some(70.0), Some(90.0)),
        Levels::Disk | Levels::Heat => (Some(80.0), Some(90.0)),
        Levels::Load => (per_core(0.7), per_core(1.0)),
    };
    let label = match parts(name) {
        (_, Some(instance)) => format!("{} {instance}", entry.label),
        (_, None) => entry.label.to_owned(),
    };
    MetricInfo {
        name: name.into(),
        unit: entry.unit.into(),
        label,
        section: entry.section.into(),
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
    fn levels_of_load_depend_on_the_cores() {
        assert_eq!(
            (describe("load1", 8).warn, describe("load1", 8).critical),
            (Some(5.6), Some(8.0))
        );
    }

    #[test]
    fn load_has_no_levels_if_the_number_of_cores_is_unknown() {
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

    #[test]
    fn every_row_is_complete_and_unique() {
        let mut names = BTreeSet::new();
        let mut ranks = BTreeSet::new();
        for entry in catalogue() {
            let families = [entry.exposed, entry.instances.map(|each| each.exposed)];
            assert_ne!(families, [None, None], "{}", entry.name);
            for family in families.into_iter().flatten() {
                assert!(names.insert(family.name), "{} twice", family.name);
                assert!(family.help.ends_with('.'), "{}", family.name);
                let is_ratio = family.name.ends_with("_ratio");
                assert_eq!(is_ratio, entry.unit == "%", "{}", family.name);
                let is_time = family.name.ends_with("_seconds");
                assert_eq!(
                    is_time,
                    ["s", "ms"].contains(&entry.unit),
                    "{}",
                    family.name
                );
            }
            assert!(names.insert(entry.name), "{} twice", entry.name);
            let texts = [entry.label, entry.section];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", entry.name);
            let is_ranked = entry.rank != Rank::Later;
            assert!(!is_ranked || ranks.insert(entry.rank), "{}", entry.name);
        }
    }

    #[test]
    fn every_row_is_in_the_documents() {
        let text = include_str!("../../docs/PROTOCOL.md");
        let (_, text) = text.split_once("## Metrics").expect("a section");
        for entry in catalogue() {
            let name = match entry.exposed {
                Some(_) => format!("`{}`", entry.name),
                None => format!("`{}:…`", entry.name),
            };
            let line = text
                .lines()
                .find(|line| line.starts_with('|') && line.contains(&name));
            let cells: Vec<&str> = line.unwrap_or_default().split('|').collect();
            let units = cells.get(2).copied().unwrap_or_default();
            let is_there = units.split(',').any(|unit| unit.trim() == entry.unit);
            assert!(is_there, "{} [{}]: {cells:?}", entry.name, entry.unit);
        }
    }

    #[test]
    fn instances_are_in_the_section_of_their_metric() {
        for (name, section) in [
            ("cpu", section::CPU),
            ("disk:/var", section::FILESYSTEMS),
            ("networkSent:eth0", section::NETWORK),
            ("queue", section::OTHER),
            ("queue:mail", section::OTHER),
        ] {
            assert_eq!(describe(name, 1).section, section, "{name}");
        }
    }
}

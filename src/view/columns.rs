//! Which metrics a line or a table shows.

use std::sync::Arc;

use crate::protocol::{HostName, MetricInfo, Rank, entry, parts};

/// The widest line that is chosen without being asked, in columns.
const WIDTH: usize = 80;

/// The length of a timestamp.
const TIMESTAMP: usize = 24;

/// What tells most about a host, the first before the others.
const FIRST: [&str; 4] = ["cpu", "memory", "load1", "disk"];

/// The metrics that were asked for, in this order; none if nobody asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnChoice(Arc<[String]>);

impl ColumnChoice {
    /// These. `disk:*` stands for all instances of a metric, and `*` for everything.
    #[must_use]
    pub fn of(names: Vec<String>) -> Self {
        Self(names.into())
    }

    /// Whether anybody asked.
    pub(super) fn is_made(&self) -> bool {
        !self.0.is_empty()
    }

    /// The names that were asked for; none if nobody asked.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The names of the columns in a line about `host`, which has announced `metrics`. A name that was asked for stays even
    /// if there is no such metric. If nobody asked, as many of the most important as surely fit into 80 columns.
    #[must_use]
    pub fn columns(&self, host: &HostName, metrics: &[MetricInfo]) -> Vec<String> {
        if self.0.is_empty() {
            return fitting(host, metrics);
        }
        let mut columns = Vec::new();
        for name in self.names() {
            let meant = metrics.iter().filter(|info| is_meant(name, &info.name));
            let meant: Vec<String> = meant.map(|info| info.name.clone()).collect();
            if meant.is_empty() && !name.ends_with('*') {
                columns.push(name.clone());
            }
            columns.extend(meant);
        }
        without_repetitions(columns)
    }
}

/// Whether a name that was asked for means the metric `name`.
pub(super) fn is_meant(asked: &str, name: &str) -> bool {
    let is_of_family = |family| {
        let (its, instance) = parts(name);
        its == family && instance.is_some()
    };
    asked == name || asked == "*" || asked.strip_suffix(":*").is_some_and(is_of_family)
}

fn without_repetitions(names: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// The most important of `metrics` that fit into a line about `host`.
fn fitting(host: &HostName, metrics: &[MetricInfo]) -> Vec<String> {
    let mut ranked: Vec<_> = metrics
        .iter()
        .filter(|info| !info.name.contains(':'))
        .map(|info| (importance(&info.name), info))
        .collect();
    ranked.sort_by_key(|(importance, _)| *importance);
    let mut room = WIDTH.saturating_sub(TIMESTAMP + 1 + host.as_str().len());
    let mut columns = Vec::new();
    for (_, info) in ranked {
        let width = widest(info);
        if width <= room {
            room -= width;
            columns.push(info.name.clone());
        }
    }
    columns
}

/// The smaller, the more important.
fn importance(name: &str) -> (usize, Rank) {
    let first = FIRST.iter().position(|first| *first == name);
    let known = entry(name).map_or(Rank::Later, |entry| match entry.rank {
        Rank::Header => Rank::Later,
        rank => rank,
    });
    (first.unwrap_or(FIRST.len()), known)
}

/// The width of ` name=value` for any value that is usual for the unit.
fn widest(info: &MetricInfo) -> usize {
    let digits = match info.unit.as_str() {
        "%" => "99.99",
        "B" => "99999999999999",
        "B/s" => "99999999999",
        "" => "999.99",
        _ => "9999999.99",
    };
    info.name.chars().count() + digits.len() + 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{describe, well_known};

    fn columns(asked: &[&str], host: &str, metrics: &[&str]) -> Vec<String> {
        let choice = ColumnChoice::of(asked.iter().map(|&name| name.to_owned()).collect());
        let metrics: Vec<MetricInfo> = metrics.iter().map(|name| describe(name, 8)).collect();
        choice.columns(&host.parse().unwrap(), &metrics)
    }

    #[test]
    fn what_was_asked_for_is_shown_in_its_order() {
        let metrics = ["cpu", "memory", "disk:/", "disk:/var", "cpu:0"];
        for (asked, expected) in [
            (vec!["memory", "cpu"], vec!["memory", "cpu"]),
            (vec!["disk:*", "cpu"], vec!["disk:/", "disk:/var", "cpu"]),
            (vec!["disk:/", "disk:*"], vec!["disk:/", "disk:/var"]),
            (vec!["cpu", "cpu"], vec!["cpu"]),
            (vec!["swap"], vec!["swap"]),
            (vec!["gpu:*"], vec![]),
            (vec!["*"], metrics.to_vec()),
        ] {
            assert_eq!(columns(&asked, "web-1", &metrics), expected, "{asked:?}");
        }
    }

    #[test]
    fn without_a_choice_lines_fit_into_80_columns() {
        let all: Vec<&str> = well_known().collect();
        for (host, expected) in [
            ("web-1", "cpu memory load1 disk"),
            ("database-1", "cpu memory load1"),
            ("a-host-with-a-rather-long-name.example", "cpu"),
        ] {
            assert_eq!(columns(&[], host, &all).join(" "), expected, "{host}");
        }
        let few = ["activeUsers", "cpu", "memory", "uptime"];
        assert_eq!(columns(&[], "a", &few).join(" "), "cpu memory activeUsers");
    }
}

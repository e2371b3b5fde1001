//! The metrics that a rule may name, and suggestions for unknown names.

use crate::protocol::{catalogue, entry, may_report, parts, well_known};

/// What `--alert` takes for the shipped list of rules.
pub const DEFAULT: &str = "default";

/// The metrics that a rule may name: those of the catalogue, and others that the source has, such as the columns of a
/// recording.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownMetrics {
    more: Vec<String>,
    is_open: bool,
    has_applications: bool,
}

/// Why a metric may not be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The name is unknown; the closest name, if one is close.
    Metric(Option<String>),
    /// It has no instances.
    Instance,
    /// It has only instances.
    Whole,
}

impl KnownMetrics {
    /// Only those of the catalogue.
    #[must_use]
    pub fn catalogue() -> Self {
        Self::default()
    }

    /// Adds `names`.
    #[must_use]
    pub fn and(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let names = names.into_iter().map(|name| name.as_ref().to_owned());
        self.more.extend(names.filter(|name| entry(name).is_none()));
        self.more.sort_unstable();
        self.more.dedup();
        self
    }

    /// Adds everything that an application may report, as it is not known yet what that will be.
    #[must_use]
    pub fn and_reported(mut self) -> Self {
        self.has_applications = true;
        self
    }

    /// Every metric: for rules that are read before the source's metrics are known.
    #[must_use]
    pub fn any() -> Self {
        Self {
            is_open: true,
            ..Self::default()
        }
    }

    /// Whether unknown names are accepted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Checks that there may be a metric `name`, whose instance may be a pattern.
    pub(super) fn check(&self, name: &str) -> Result<(), Unknown> {
        let (family, instance) = parts(name);
        if let Some(entry) = entry(family) {
            let has_instances = entry.instances.is_some() || self.is_open;
            return match instance {
                Some(_) if !has_instances => Err(Unknown::Instance),
                None if entry.exposed.is_none() && !self.is_open => Err(Unknown::Whole),
                _ => Ok(()),
            };
        }
        let is_of_family = |other: &String| parts(other).0 == family;
        let may_be_reported = self.has_applications && may_report(name);
        if self.is_open || may_be_reported || self.more.iter().any(is_of_family) {
            return Ok(());
        }
        Err(Unknown::Metric(self.nearest(family)))
    }

    /// `nearest` with the instance of `metric`, if it has instances.
    pub(super) fn with_instance_of(&self, metric: &str, nearest: &str) -> String {
        match parts(metric).1 {
            Some(instance) if self.has_instances(nearest) => format!("{nearest}:{instance}"),
            _ => nearest.to_owned(),
        }
    }

    fn has_instances(&self, family: &str) -> bool {
        let is_instance = |name: &String| parts(name).0 == family && parts(name).1.is_some();
        entry(family).is_some_and(|entry| entry.instances.is_some())
            || self.more.iter().any(is_instance)
    }

    fn nearest(&self, family: &str) -> Option<String> {
        let written = family.to_lowercase();
        let mut names: Vec<&str> = well_known().collect();
        names.extend(self.more.iter().map(|name| parts(name).0));
        let ranked = names.into_iter().map(|name| {
            let known = name.to_lowercase();
            let mut away = distance(&written, &known);
            // A truncated or extended name is closer than its length suggests.
            if !written.is_empty() && (known.starts_with(&written) || written.starts_with(&known)) {
                away = away.min(2);
            }
            (away, name)
        });
        let (away, name) = ranked.min_by_key(|(away, _)| *away)?;
        (away <= 2 || away * 2 <= written.chars().count()).then(|| name.to_owned())
    }
}

/// A few names as examples.
pub(super) fn examples() -> String {
    let names: Vec<_> = catalogue().iter().take(4).map(|entry| entry.name).collect();
    names.join(", ")
}

/// The number of insertions, deletions, changes and swaps of neighbours that turn one text into the other.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut next = vec![i + 1];
        for j in 0..b.len() {
            let change = row[j] + usize::from(a[i] != b[j]);
            let mut least = change.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_metric_is_what_was_meant() {
        let known = KnownMetrics::catalogue().and(["queueDepth", "jobs:mail"]);
        for (written, meant) in [
            ("cpuu", Some("cpu")),
            ("CPU", Some("cpu")),
            ("cup", Some("cpu")),
            ("mem", Some("memory")),
            ("memoryused", Some("memoryUsed")),
            ("memory_used", Some("memoryUsed")),
            ("load", Some("load1")),
            ("requestPerSecond", Some("requestsPerSecond")),
            ("queuDepth", Some("queueDepth")),
            ("job", Some("jobs")),
            ("frobnicate", None),
            ("", None),
        ] {
            let meant = meant.map(str::to_owned);
            assert_eq!(
                known.check(written),
                Err(Unknown::Metric(meant)),
                "{written}"
            );
        }
    }

    #[test]
    fn what_the_source_has_is_known_with_its_instances() {
        let known = KnownMetrics::catalogue().and(["queueDepth", "jobs:mail"]);
        for name in [
            "cpu",
            "cpu:*",
            "disk:/a b",
            "queueDepth",
            "jobs:mail",
            "jobs:*",
        ] {
            assert_eq!(known.check(name), Ok(()), "{name}");
        }
        assert_eq!(known.check("memory:0"), Err(Unknown::Instance));
        assert_eq!(known.check("diskFree"), Err(Unknown::Whole));
        assert_eq!(known.check("diskFree:*"), Ok(()));
        assert_eq!(KnownMetrics::any().check("diskFree"), Ok(()));
        assert_eq!(KnownMetrics::any().check("whatever:x"), Ok(()));
    }

    #[test]
    fn what_an_application_may_report_is_known_before_it_does() {
        let known = KnownMetrics::catalogue().and_reported();
        for name in ["checkout.latency", "cpuu", "cpu:*", "activeUsers"] {
            assert_eq!(known.check(name), Ok(()), "{name}");
        }
        for name in ["queue:mail", "a/b", "extra", ""] {
            assert_ne!(known.check(name), Ok(()), "{name}");
        }
    }
}

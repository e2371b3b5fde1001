//! The metrics that an application on the host may report: which names, and what they are called.

use super::catalogue::{MetricInfo, describe, entry, section};

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Names with a meaning of their own in a sample or in the columns of a recording.
const RESERVED: [&str; 8] = [
    "timestamp",
    "host",
    "stream",
    "seq",
    "event",
    "containers",
    "top",
    "extra",
];

/// Whether an application may report a metric called `name`: a letter and up to 63 more characters from
/// `A-Z a-z 0-9 _ . -`, not reserved, and not the name of a metric that the host measures itself, unless an application
/// may take that over.
#[must_use]
pub fn may_report(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let is_valid = name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(allowed);
    is_valid
        && !RESERVED.contains(&name)
        && entry(name).is_none_or(|entry| entry.reported.is_some())
}

/// The description of the metric `name` once an application reports it, in `unit`. A metric that it has taken over from
/// the host keeps everything but its label.
#[must_use]
pub fn describe_reported(name: &str, unit: &str) -> MetricInfo {
    match entry(name).and_then(|entry| entry.reported) {
        Some(label) => MetricInfo {
            label: label.into(),
            ..describe(name, 0)
        },
        None => MetricInfo {
            name: name.into(),
            unit: unit.into(),
            label: name.into(),
            section: section::APPLICATION.into(),
            ..MetricInfo::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_chooses_its_names_within_bounds() {
        let longest = format!("a{}", "b".repeat(MAX_NAME_BYTES - 1));
        let good = [
            "checkout.latency",
            "a",
            "Z",
            "queue-depth_2",
            "CPU",
            "constructor",
            "activeUsers",
            "requestsPerSecond",
        ];
        for name in good.into_iter().chain([longest.as_str()]) {
            assert!(may_report(name), "{name}");
        }
        let too_long = format!("{longest}c");
        let bad = [
            "",
            " ",
            "a b",
            "1st",
            "_x",
            "__proto__",
            ".a",
            "-a",
            "ünï",
            "naïve",
            "a:b",
            "a|b",
            "a/b",
            "a\0",
            "a\n",
            "cpu",
            "cpu:0",
            "memory",
            "uptime",
            "viewers",
            "disk",
            "timestamp",
            "top",
            "extra",
            "containers",
            "host",
            "seq",
        ];
        for name in bad.into_iter().chain([too_long.as_str()]) {
            assert!(!may_report(name), "{name:?}");
        }
    }

    #[test]
    fn what_an_application_takes_over_has_another_label() {
        for (name, unit) in [("activeUsers", "users"), ("requestsPerSecond", "1/s")] {
            let (own, reported) = (describe(name, 4), describe_reported(name, "ms"));
            assert_ne!(own.label, reported.label);
            let label = own.label.clone();
            assert_eq!(MetricInfo { label, ..reported }, own);
            assert_eq!(own.unit, unit);
        }
        let other = describe_reported("checkout.latency", "ms");
        let texts = [&*other.label, &*other.unit, &*other.section];
        assert_eq!(texts, ["checkout.latency", "ms", "Application"]);
    }
}

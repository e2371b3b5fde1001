//! Units that a rule may use besides a metric's own: `12GiB` of bytes, `5m` of seconds.

/// A unit and how many of a metric's own unit it is.
type Scale = (&'static str, f64);

const KI: f64 = 1024.0;

const BYTES: &[Scale] = &[
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("PB", 1e15),
    ("KiB", KI),
    ("MiB", KI * KI),
    ("GiB", KI * KI * KI),
    ("TiB", KI * KI * KI * KI),
    ("PiB", KI * KI * KI * KI * KI),
];

/// Of seconds.
const TIMES: &[Scale] = &[
    ("s", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
];

/// How many of a metric's own `unit` one `written` unit is; `None` if they don't measure the same thing.
#[must_use]
pub(super) fn factor(unit: &str, written: &str) -> Option<f64> {
    if written == unit {
        return Some(1.0);
    }
    let find = |scales: &[Scale], wanted: &str| {
        let found = scales.iter().find(|(name, _)| *name == wanted);
        found.map(|&(_, factor)| factor)
    };
    match unit {
        "B" => find(BYTES, written),
        "B/s" => find(BYTES, written.strip_suffix("/s")?),
        "s" => find(TIMES, written),
        // Divided, so that whole milliseconds are exact.
        "ms" => find(TIMES, written).map(|seconds| seconds / 1e-3),
        "1/s" => (written == "/s").then_some(1.0),
        "°C" => (written == "C").then_some(1.0),
        "W" => (written == "kW").then_some(1e3),
        "MHz" => (written == "GHz").then_some(1e3),
        _ => None,
    }
}

/// A unit for examples: that of a metric, in a common size.
#[must_use]
pub(super) fn usual(unit: &str) -> &str {
    match unit {
        "B" => "GiB",
        "B/s" => "MiB/s",
        "1/s" => "/s",
        _ => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_fits_the_metrics_that_it_measures() {
        for (unit, written, expected) in [
            ("%", "%", Some(1.0)),
            ("%", "GiB", None),
            ("B", "GiB", Some(1_073_741_824.0)),
            ("B", "kB", Some(1000.0)),
            ("B", "GiB/s", None),
            ("B/s", "MiB/s", Some(1_048_576.0)),
            ("B/s", "MiB", None),
            ("s", "ms", Some(0.001)),
            ("s", "d", Some(86_400.0)),
            ("ms", "s", Some(1000.0)),
            ("ms", "ms", Some(1.0)),
            ("ms", "m", Some(60_000.0)),
            ("1/s", "/s", Some(1.0)),
            ("1/s", "1/s", Some(1.0)),
            ("°C", "C", Some(1.0)),
            ("°C", "F", None),
            ("W", "kW", Some(1000.0)),
            ("MHz", "GHz", Some(1000.0)),
            ("MHz", "W", None),
            ("users", "users", Some(1.0)),
            ("W", "W", Some(1.0)),
            ("", "s", None),
        ] {
            assert_eq!(factor(unit, written), expected, "{written} of {unit}");
        }
    }

    #[test]
    fn the_unit_of_an_example_fits() {
        for entry in crate::protocol::catalogue() {
            assert!(
                factor(entry.unit, usual(entry.unit)).is_some(),
                "{}",
                entry.name
            );
        }
    }
}

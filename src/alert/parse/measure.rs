//! What a rule's numbers measure, and how to write a rule about it.

use crate::alert::known::KnownMetrics;
use crate::alert::unit;
use crate::protocol::{entry, shown};

/// A metric as written in a rule.
pub(super) fn quoted(metric: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !"<>=!\"".contains(c);
    if metric.chars().all(is_plain) && !metric.ends_with(':') {
        shown(metric).to_string()
    } else {
        quoted_always(metric)
    }
}

pub(super) fn quoted_always(metric: &str) -> String {
    let escaped = metric.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", shown(&escaped))
}

/// The level that a rule compares with.
pub(super) struct Measure<'a> {
    pub(super) metric: &'a str,
    /// The metric's own unit; `None` if unknown so far.
    pub(super) unit: Option<&'static str>,
}

impl<'a> Measure<'a> {
    pub(super) fn of(metric: &'a str, known: &KnownMetrics) -> Self {
        let unit = match entry(metric) {
            Some(entry) => Some(entry.unit),
            None if known.is_open() => None,
            None => Some(""),
        };
        Self { metric, unit }
    }

    /// What to write instead: a matching condition. Of a metric that may not exist, an example of another.
    pub(super) fn advice(&self, number: &str) -> String {
        match self.unit {
            Some(unit) => format!(
                "write {} > {number}{}",
                quoted(self.metric),
                unit::usual(unit)
            ),
            None => "write a rule such as cpu > 90%".into(),
        }
    }

    /// The same for a rule about absence.
    pub(super) fn absent_advice(&self) -> String {
        match self.unit {
            Some(_) => format!("write absent({}) for 1m", quoted(self.metric)),
            None => "write a rule such as absent(cpu) for 1m".into(),
        }
    }
}

//! A metric of a host.

use std::borrow::Cow;
use std::sync::Arc;

use crate::protocol::{MetricInfo, Rank, entry, section};

use super::sanitize::clean;

/// One metric of a host. Its texts are sanitized.
#[derive(Debug, Clone)]
pub(super) struct Metric {
    /// The key as on the wire, for lookups and grouping; never shown.
    pub key: Arc<str>,
    pub label: String,
    pub unit: String,
    /// The heading that it is listed under; the catalogue's if it has the metric.
    pub section: Cow<'static, str>,
    pub rank: Rank,
    pub warn: Option<f64>,
    pub critical: Option<f64>,
}

/// How a value compares with its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Normal,
    Warn,
    Critical,
}

impl Metric {
    pub(super) fn new(info: &MetricInfo) -> Self {
        let known = entry(&info.name);
        let whole = known.filter(|entry| entry.name == info.name);
        let section = match known {
            Some(entry) => entry.section.into(),
            None if info.section.is_empty() => section::OTHER.into(),
            None => clean(&info.section).into(),
        };
        Self {
            section,
            rank: whole.map_or(Rank::Later, |entry| entry.rank),
            key: info.name.as_str().into(),
            label: clean(if info.label.is_empty() {
                &info.name
            } else {
                &info.label
            }),
            unit: clean(&info.unit),
            warn: info.warn,
            critical: info.critical,
        }
    }

    /// How `value` compares with the levels.
    pub(super) fn level(&self, value: f64) -> Level {
        let reaches = |level: Option<f64>| level.is_some_and(|level| value >= level);
        if reaches(self.critical) {
            Level::Critical
        } else if reaches(self.warn) {
            Level::Warn
        } else {
            Level::Normal
        }
    }
}

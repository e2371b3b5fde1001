//! Parts of a sentence that several kinds of troubles share.

use std::time::Duration;

use crate::protocol::{parts, section};
use crate::wording::span;

use super::held::Since;
use super::situation::Situation;
use crate::view::metric::Metric;

/// What a sentence calls something shorter than a list does.
const NAMES: &[(&str, &str)] = &[("load1", "load"), ("cpuThrottled", "throttled")];

/// Their labels are names that an application or another server gave.
const FOREIGN: &[&str] = &[section::OTHER, section::APPLICATION];

/// What is measured, as a sentence calls it: `memory`, `disk /var`, and not `Memory`.
pub(super) fn subject(situation: &Situation<'_>, metric: &Metric) -> String {
    let metric = fullest(situation, metric).unwrap_or(metric);
    let name = NAMES.iter().find(|(name, _)| *name == &*metric.key);
    if let Some((_, name)) = name {
        return (*name).to_owned();
    }
    if let Some(card) = card(metric) {
        return card;
    }
    let is_foreign = FOREIGN.contains(&&*metric.section);
    let is_word = metric.label.chars().nth(1).is_some_and(char::is_lowercase);
    let mut letters = metric.label.chars();
    match letters.next() {
        Some(first) if is_word && !is_foreign => first.to_lowercase().chain(letters).collect(),
        _ => metric.label.clone(),
    }
}

/// `GPU 3 throttled` for what a list calls `GPU throttled 3`.
fn card(metric: &Metric) -> Option<String> {
    let what = metric.label.strip_prefix("GPU ")?;
    let (what, number) = what.rsplit_once(' ')?;
    (metric.section == section::GPU).then(|| format!("GPU {number} {what}"))
}

/// The filesystem behind a value that is that of the fullest.
fn fullest<'a>(situation: &Situation<'a>, whole: &Metric) -> Option<&'a Metric> {
    if !["disk", "inodes"].contains(&&*whole.key) {
        return None;
    }
    let host = situation.host;
    let value = host.value(&whole.key)?;
    let is_it = |metric: &&Metric| {
        let (family, instance) = parts(&metric.key);
        family == &*whole.key && instance.is_some() && host.value(&metric.key) == Some(value)
    };
    host.metrics.iter().find(is_it)
}

/// ` for 2 m 10 s`.
pub(super) fn lasted(situation: &Situation<'_>, since: Since) -> String {
    let length = Duration::from_millis(situation.newest().saturating_sub(since.at));
    let over = if since.is_earlier { "over " } else { "" };
    format!(" for {over}{}", span(length))
}

/// `12 s ago`.
pub(super) fn ago(situation: &Situation<'_>, timestamp: u64) -> String {
    let length = Duration::from_millis(situation.newest().saturating_sub(timestamp));
    format!("{} ago", span(length))
}
